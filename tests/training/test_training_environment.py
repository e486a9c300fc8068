"""What decides the bits is switched on, written down, and compared."""

from __future__ import annotations

import random
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from kamerton.records import Environment
from kamerton.training import environment
from kamerton.training.environment import (
    capture_code,
    capture_environment,
    class_differences,
    make_deterministic,
)

RECORDED = Environment(
    python="3.11.7",
    platform="Linux",
    device="cpu",
    cpu="Some Processor",
    instruction_sets=["avx", "avx2", "fma"],
    capability="AVX2",
    threads=2,
    settings={"MKL_CBWR": "AUTO,STRICT", "OMP_DYNAMIC": "FALSE"},
    packages={"torch": "2.13.0", "numpy": "2.1.0"},
)


def _here(**changes: object) -> Environment:
    return RECORDED.model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({}, []),
        ({"cpu": "Another", "platform": "Darwin", "python": "3.12.1"}, []),
        ({"threads": 1}, ["threads: recorded 2, here 1"]),
        ({"device": "H100"}, ["device: recorded 'cpu', here 'H100'"]),
        ({"capability": "AVX512"}, ["capability: recorded 'AVX2', here 'AVX512'"]),
        (
            {"instruction_sets": ["amx_int8", "avx", "fma"]},
            ["instruction_sets: missing here ['avx2'], only here ['amx_int8']"],
        ),
        ({"instruction_sets": ["avx", "fma"]}, ["instruction_sets: missing here ['avx2'], only here none"]),
        ({"packages": {"torch": "2.14.0", "numpy": "2.1.0"}}, ["torch: recorded '2.13.0', here '2.14.0'"]),
        ({"packages": {"torch": "2.13.0"}}, ["numpy: recorded '2.1.0', here None"]),
        (
            {"settings": {"MKL_CBWR": "AVX2", "OMP_DYNAMIC": "FALSE"}},
            ["MKL_CBWR: recorded 'AUTO,STRICT', here 'AVX2'"],
        ),
        ({"threads": 4, "device": "H100"}, ["device: recorded 'cpu', here 'H100'", "threads: recorded 2, here 4"]),
    ],
    ids=str,
)
def test_each_difference_of_class_is_a_sentence(changes: dict[str, object], sentences: list[str]) -> None:
    assert class_differences(RECORDED, _here(**changes)) == sentences
    assert (RECORDED.class_digest == _here(**changes).class_digest) == (not sentences)


@pytest.mark.parametrize(
    ("recorded", "here", "changes", "said"),
    [
        ("", "", {}, None),
        ("aa", "aa", {}, None),
        ("", "aa", {}, None),
        ("aa", "", {}, None),
        ("aa", "bb", {}, "probe: recorded aa, here bb: the same small training comes out otherwise on this machine"),
        ("aa", "bb", {"threads": 1}, "probe: recorded aa, here bb: the same small training comes out otherwise"),
        ("aa", "aa", {"threads": 1}, "probe: aa on both, so that the arithmetic agrees although the classes differ"),
        ("", "aa", {"threads": 1}, None),
    ],
)
def test_what_was_measured_stands_beside_what_was_listed(
    recorded: str, here: str, changes: dict[str, object], said: str | None
) -> None:
    sentences = class_differences(RECORDED.model_copy(update={"probe": recorded}), _here(probe=here, **changes))
    assert [s for s in sentences if not s.startswith("probe")] == (["threads: recorded 2, here 1"] if changes else [])
    assert (sentences[-1] if sentences else "").startswith(said or ("threads" if changes else ""))
    assert sum(sentence.startswith("probe") for sentence in sentences) == (said is not None)


def test_this_machine_is_of_its_own_class() -> None:
    one = capture_environment(torch.device("cpu"), 1)
    assert class_differences(one, capture_environment(torch.device("cpu"), 1)) == []
    assert one.packages["torch"] == torch.__version__.split("+")[0] or one.packages["torch"] == torch.__version__
    assert one.settings["MKL_CBWR"]
    assert one.settings.keys() >= {"OMP_DYNAMIC", "CUBLAS_WORKSPACE_CONFIG", "ATEN_CPU_CAPABILITY"}
    assert one.device == "cpu"
    assert one.probe == ""
    assert capture_environment(torch.device("cpu"), 1, "abc").probe == "abc"
    assert one.capability == torch.backends.cpu.get_cpu_capability()


def test_a_switch_of_the_environment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    before = capture_environment(torch.device("cpu"), 1)
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    (sentence,) = class_differences(before, capture_environment(torch.device("cpu"), 1))
    assert sentence == f"MKL_CBWR: recorded {before.settings['MKL_CBWR']!r}, here 'COMPATIBLE'"


def test_every_generator_is_seeded_and_luck_is_forbidden() -> None:
    def draws() -> tuple[float, float, float]:
        make_deterministic(11, 1)
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    assert draws() == draws()
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == 1
    assert not torch.backends.cudnn.benchmark
    make_deterministic(12, 1)
    assert random.random() != draws()[0]


# Which code ran.


def _git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a package in it that calls itself kamerton."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    package = tmp_path / "src" / "kamerton"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("one\n", "utf-8")
    monkeypatch.setattr(environment, "__file__", str(package / "training" / "environment.py"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return tmp_path


def _commit(checkout: Path) -> None:
    _git(checkout, "init", "--quiet")
    _git(checkout, "add", ".")
    _git(checkout, "commit", "--quiet", "-m", "one")


def test_an_installed_package_has_a_version_alone(checkout: Path) -> None:
    assert (capture_code().revision, capture_code().dirty) == ("", "")
    assert capture_code().version == metadata.version("kamerton")


def test_a_checkout_has_its_revision(checkout: Path) -> None:
    _commit(checkout)
    clean = capture_code()
    assert len(clean.revision) == 40
    assert clean.dirty == ""
    (checkout / "notes.txt").write_text("outside the package", "utf-8")
    assert capture_code() == clean


def test_changed_and_new_files_are_dirt_with_a_digest_of_their_own(checkout: Path) -> None:
    _commit(checkout)
    package = checkout / "src" / "kamerton"
    seen = {capture_code().dirty}
    (package / "żółć.py").write_text("three\n", "utf-8")
    seen.add(capture_code().dirty)
    (package / "__init__.py").write_text("two\n", "utf-8")
    seen.add(capture_code().dirty)
    (package / "żółć.py").write_bytes(b"\xff\xfe four\n")
    seen.add(capture_code().dirty)
    (package / "__init__.py").write_bytes(b"\xff\xfe five\n")
    seen.add(capture_code().dirty)
    assert len(seen) == 5
    assert capture_code().dirty == capture_code().dirty


def test_a_package_inside_the_checkout_of_something_else_does_not_take_its_revision(checkout: Path) -> None:
    """As `.venv` in a user's project."""
    (checkout / ".gitignore").write_text("src/\n", "utf-8")
    (checkout / "project.txt").write_text("theirs\n", "utf-8")
    _commit(checkout)
    assert capture_code().revision == ""


def test_git_that_is_not_there_is_no_error(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _commit(checkout)
    monkeypatch.setenv("PATH", "")
    assert capture_code().revision == ""
