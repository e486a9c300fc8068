"""Evidence is sealed, and what is wrong with it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamerton.ground.digests import digest, file_digest
from kamerton.ground.errors import RequestError, StorageError
from kamerton.registry import Evidence, verify


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    made = tmp_path / "made"
    made.mkdir()
    (made / "record.json").write_text('{"kind": "run"}')
    (made / "comparison.json").write_text('{"kind": "comparison"}')
    evidence = Evidence(tmp_path / "evidence")
    evidence.add(made.glob("*.json"))
    return evidence


def test_evidence_is_copied_and_sealed(evidence: Evidence) -> None:
    assert verify(evidence) == []
    assert evidence.manifest() == {
        name: file_digest(evidence.path(name)) for name in ("record.json", "comparison.json")
    }
    assert evidence.digests()["record.json"] == digest({"kind": "run"})


def test_adding_again_replaces_and_changes_the_seal(evidence: Evidence, tmp_path: Path) -> None:
    before = evidence.digest
    newer = tmp_path / "comparison.json"
    newer.write_text("{}")
    evidence.add([newer])
    assert verify(evidence) == []
    assert set(evidence.manifest()) == {"record.json", "comparison.json"}
    assert evidence.digest != before


def test_every_change_is_found(evidence: Evidence) -> None:
    evidence.path("record.json").write_text("{}")
    evidence.path("comparison.json").unlink()
    evidence.path("decision.json").write_text("{}")
    assert verify(evidence) == [
        "comparison.json is missing",
        "record.json was changed after it was sealed",
        "decision.json is not in the manifest",
    ]


@pytest.mark.parametrize("content", ["", "[1]", '{"record.json": 1}'])
def test_a_damaged_manifest_is_found(evidence: Evidence, content: str) -> None:
    evidence.path("manifest.json").write_text(content)
    assert len(verify(evidence)) == 1


def test_no_evidence_is_a_problem(tmp_path: Path) -> None:
    assert verify(Evidence(tmp_path / "nothing")) == ["there is no evidence"]


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_only_records_are_evidence(evidence: Evidence, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(RequestError, match="no evidence"):
        evidence.add([tmp_path / name])


def test_two_files_of_one_name_are_refused(evidence: Evidence, tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        evidence.add([tmp_path / "made" / "record.json", evidence.path("record.json")])


def test_a_record_that_is_not_there_is_named(evidence: Evidence, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="absent"):
        evidence.add([tmp_path / "absent.json"])
