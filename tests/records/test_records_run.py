"""The record of a run: complete, and its machine class is what decides bits."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from kamerton.ground.errors import StorageError
from kamerton.records import DataLineage, Environment, RunRecord, run

ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.9",
    "platform": "Linux-6.1",
    "device": "cpu",
    "cpu": "Some Processor @ 2.0 GHz",
    "instruction_sets": ["avx2", "fma"],
    "capability": "AVX2",
    "threads": 2,
    "settings": {"MKL_CBWR": "AUTO,STRICT"},
    "packages": {"torch": "2.13.0"},
}
LINEAGE: dict[str, Any] = {
    "versions": {"train": "letters@v1"},
    "fingerprint": "f" * 64,
    "sources": {"letters.jsonl": "a" * 64},
    "parts": {"train": {"rows": 9, "fingerprint": "b" * 64}},
}
RECORD: dict[str, Any] = {
    "run_id": "letters-1",
    "name": "letters",
    "recipe": {"name": "letters", "training": {"seed": 42, "epochs": 3.0}},
    "recipe_digest": "c" * 64,
    "data": LINEAGE,
    "base": {
        "name": "tiny-pl",
        "weights": {"model.safetensors": "d" * 64},
        "tokenizer": "e" * 64,
        "template": "1" * 64,
        "parameters": 3_400_000,
        "trainable": 40_000,
    },
    "code": {"version": "0.1.0"},
    "environment": ENVIRONMENT,
    "result": {
        "steps": 3,
        "tokens": 192,
        "files": {"adapter.safetensors": "2" * 64},
        "model_sha256": "2" * 64,
        "trace_head": "3" * 64,
        "first_loss": 4.25,
        "last_loss": 0.1 + 0.2,
        "seconds": 1.5,
        "attempts": 1,
    },
    "finished": "2026-01-01T00:00:00+00:00",
}


def test_a_run_record_reads_back_to_the_bit(tmp_path: Path) -> None:
    record = RunRecord.model_validate(RECORD)
    record.write(tmp_path / "record.json")
    again = RunRecord.read(tmp_path / "record.json")
    assert again == record
    assert again.digest == record.digest
    assert again.result.last_loss == 0.1 + 0.2
    assert again.data.kind == "data_lineage"
    assert again.kind == "run"


@pytest.mark.parametrize("key", list(RECORD))
def test_nothing_of_a_run_record_can_be_left_out(key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key}\n  Field required"):
        RunRecord.model_validate({name: value for name, value in RECORD.items() if name != key})


def test_a_loss_that_is_no_number_never_reaches_a_record() -> None:
    result = RECORD["result"] | {"last_loss": float("nan")}
    with pytest.raises(ValidationError, match="finite"):
        RunRecord.model_validate(RECORD | {"result": result})


def test_another_record_is_not_a_run(tmp_path: Path) -> None:
    DataLineage.model_validate(LINEAGE).write(tmp_path / "record.json")
    with pytest.raises(StorageError, match="kind: Input should be 'run'"):
        RunRecord.read(tmp_path / "record.json")


def environment(**changed: Any) -> Environment:
    return Environment.model_validate(ENVIRONMENT | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"device": "NVIDIA H100 9.0"},
        {"instruction_sets": ["avx2", "avx512f", "fma"]},
        {"capability": "AVX512"},
        {"threads": 3},
        {"settings": {"MKL_CBWR": ""}},
        {"packages": {"torch": "2.13.1"}},
    ],
)
def test_what_changes_bits_changes_the_machine_class(changed: dict[str, Any]) -> None:
    assert environment(**changed).class_digest != environment().class_digest


@pytest.mark.parametrize(
    "changed", [{"cpu": "Other"}, {"platform": "Linux-6.8"}, {"python": "3.12.1"}, {"probe": "a" * 16}]
)
def test_what_does_not_change_bits_does_not(changed: dict[str, Any]) -> None:
    assert environment(**changed).class_digest == environment().class_digest
    assert re.fullmatch(r"[0-9a-f]{16}", environment().class_digest)


def test_a_record_from_before_the_probe_reads() -> None:
    assert "probe" not in ENVIRONMENT
    assert environment().probe == ""


def test_every_class_of_the_module_is_exported_and_documented() -> None:
    own = [thing for _, thing in inspect.getmembers(run, inspect.isclass) if thing.__module__ == run.__name__]
    assert sorted(run.__all__) == sorted(thing.__name__ for thing in own)
    assert all(inspect.getdoc(thing) for thing in own)
