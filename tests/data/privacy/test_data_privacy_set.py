"""The measured precision and recall of the privacy step do not fall."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kamerton.data.privacy import KINDS

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "privacy.py"

# Beneath the figures of the first measurement (recall, precision): a fault more in a kind may pass, two may not.
FLOORS = {
    "all": (0.95, 0.97),
    "address": (0.9, 0.95),
    "api_key": (0.83, 0.95),
    "card": (1.0, 1.0),
    "email": (0.95, 0.95),
    "iban": (1.0, 1.0),
    "nip": (1.0, 1.0),
    "password": (0.8, 0.9),
    "pesel": (1.0, 1.0),
    "phone": (0.94, 0.9),
    "private_key": (1.0, 1.0),
    "regon": (1.0, 1.0),
    "token": (1.0, 1.0),
}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_privacy", BENCHMARK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["benchmark_privacy"] = module
    spec.loader.exec_module(module)
    return module


def test_the_held_out_figures_do_not_fall(benchmark: ModuleType) -> None:
    counts = benchmark.measure(benchmark.examples("held_out"))
    assert set(counts) == set(FLOORS) == KINDS | {"all"}
    for kind, (recall, precision) in FLOORS.items():
        assert (kind, counts[kind].recall >= recall, counts[kind].precision >= precision) == (kind, True, True)


def test_the_set_is_what_its_readme_says(benchmark: ModuleType) -> None:
    dev, held_out = benchmark.examples("dev"), benchmark.examples("held_out")
    assert (len(dev), len(held_out)) == (402, 269)
    texts = [
        line for half in ("dev", "held_out") for line in (benchmark.SET / f"{half}.jsonl").read_text().splitlines()
    ]
    assert len(set(texts)) == len(texts)
    assert benchmark.examples("dev") == dev
    harmless = [example for example in [*dev, *held_out] if not example.places]
    assert 0.3 < len(harmless) / 671 < 0.5
    assert sum(example.language == "pl" for example in [*dev, *held_out]) == 332


def test_the_measure_counts_misses_and_false_alarms(benchmark: ModuleType) -> None:
    example = benchmark.Example("en", "mail a@wp.pl, call 600 100 200", [("email", 5, 12), ("pesel", 0, 4)])
    counts = benchmark.measure([example])
    assert counts["all"] == (2, 1, 2, 1)
    assert (counts["email"].recall, counts["phone"].precision, counts["pesel"].recall) == (1.0, 0.0, 0.0)
    assert len(benchmark.faults([example])) == 2
