"""An alias moves with evidence only, and can go back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from registry_samples import POLICY, comparison, entry, good_comparisons

from kamerton.ground.errors import RequestError, StorageError, VerdictError
from kamerton.journal.lines import read_lines
from kamerton.recipe import GateSection, Primary
from kamerton.records import RunRecord
from kamerton.records.decision import Decision
from kamerton.registry import ModelVersion, Registry, decide, objections, promote, rollback
from kamerton.tracking import connect

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")

Register = Callable[..., ModelVersion]


def test_passing_evidence_moves_the_alias(registry: Registry, register: Register) -> None:
    version = register("letters-1")
    decision, move = promote(registry, "letters", "@candidate", "staging", "first one")
    assert decision.verdict == "pass"
    assert (move.before, move.after, move.action, move.reason) == (None, 1, "promote", "first one")
    assert move.decision == decision.digest
    assert move.evidence == version.evidence.digest
    assert move.who
    assert registry.resolve("letters@staging").version == 1
    assert registry.history("letters").moves("staging") == [move]


def test_a_failed_gate_stays_closed(registry: Registry, register: Register) -> None:
    weak = entry(p_adjusted=0.4, low=-0.1, verdict="no difference shown")
    register("letters-1", [comparison([weak, entry(baseline="few_shot")]), good_comparisons()[1]])
    with pytest.raises(VerdictError, match=r"token_f1 on test, against base .*not shown to be better") as caught:
        promote(registry, "letters", "@1", "staging")
    assert caught.value.exit_code == 1
    assert registry.holder("letters", "staging") is None
    assert registry.history("letters").moves("staging") == []


def _forged(version: ModelVersion, **changes: Any) -> None:
    """A decision edited by hand, with its seal made anew."""
    path = version.evidence.path("decision.json")
    Decision.read(path).model_copy(update=changes).write(path)
    version.evidence.add([path])


def test_a_verdict_edited_by_hand_is_not_believed(registry: Registry, register: Register) -> None:
    weak = entry(p_adjusted=0.4, low=-0.1, verdict="no difference shown")
    version = register("letters-1", [comparison([weak, entry(baseline="few_shot")]), good_comparisons()[1]])
    _forged(version, verdict="pass", reasons=[])
    assert objections(version) == ["the decision does not follow from its comparisons"]


def test_a_decision_about_another_model_is_refused(registry: Registry, register: Register) -> None:
    version = register("letters-1")
    _forged(version, model_sha256="b" * 64)
    (objection,) = objections(version)
    assert "about the model bbbbbbbbbbbb" in objection


def test_a_decision_under_a_laxer_policy_is_refused(registry: Registry, register: Register) -> None:
    version = register("letters-1")
    lax = GateSection(primary=Primary(metric="token_f1", better_than=["base"]))
    path = version.evidence.path("decision.json")
    decide(good_comparisons(), lax, version.model_sha256).write(path)
    version.evidence.add([path])
    assert objections(version) == ["the decision was made under another policy than the recipe's gate"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("decision", "decision.json is missing"),
        ("record", "record.json is missing"),
        ("comparison-general", "the comparison on general that the decision rests on is not in the evidence"),
        ("evaluation-base-test", "the evaluation of base on test is not in the evidence"),
    ],
)
def test_incomplete_evidence_is_named(registry: Registry, register: Register, name: str, told: str) -> None:
    version = register("letters-1")
    kept = [path for path in version.evidence.folder.glob("*.json") if path.stem not in {name, "manifest"}]
    for path in set(version.evidence.folder.glob("*.json")) - set(kept):
        path.unlink()
    version.evidence.add(kept)
    assert any(told in objection for objection in objections(version))
    with pytest.raises(VerdictError, match=told):
        promote(registry, "letters", "@1", "staging")


def test_a_changed_record_is_named(registry: Registry, register: Register) -> None:
    version = register("letters-1")
    version.evidence.path("comparison-test.json").write_text("{}")
    assert objections(version) == ["evidence: comparison-test.json was changed after it was sealed"]


def test_a_record_of_another_kind_is_named(registry: Registry, register: Register, tmp_path: Path) -> None:
    version = register("letters-1")
    (tmp_path / "decision.json").write_text('{"kind": "run"}')
    version.evidence.add([tmp_path / "decision.json"])
    (objection,) = objections(version)
    assert "not a readable Decision" in objection


def test_a_new_comparison_asks_for_a_new_decision(registry: Registry, register: Register, tmp_path: Path) -> None:
    version = register("letters-1")
    newer = comparison([entry(wins=61), entry(baseline="few_shot")])
    newer.write(tmp_path / "comparison-test.json")
    version.evidence.add([tmp_path / "comparison-test.json"])
    assert "the comparison on test" in objections(version)[0]
    decide([newer, good_comparisons()[1]], POLICY, version.model_sha256).write(tmp_path / "decision.json")
    version.evidence.add([tmp_path / "decision.json"])
    assert objections(version) == []


def test_a_recipe_without_a_gate_promotes_nothing(registry: Registry, register: Register) -> None:
    version = register("letters-1")
    path = version.evidence.path("record.json")
    run = RunRecord.read(path)
    run.model_copy(update={"recipe": run.recipe | {"gate": None}}).write(path)
    version.evidence.add([path])
    assert objections(version) == ["the recipe has no gate, so nothing can allow a promotion"]


def test_no_evidence_no_promotion(registry: Registry, register: Register, tmp_path: Path) -> None:
    from registry_samples import made_model, run_record

    model = made_model(tmp_path / "model")
    registry.register("letters", run_record(model), model)
    with pytest.raises(VerdictError, match="there is no evidence"):
        promote(registry, "letters", "@1", "production")


def test_a_changed_model_is_not_promoted(registry: Registry, register: Register) -> None:
    (register("letters-1").source / "adapter_model.safetensors").write_text("changed")
    with pytest.raises(StorageError, match=r"adapter_model\.safetensors"):
        promote(registry, "letters", "@1", "staging")


@pytest.mark.parametrize("alias", ["candidate", "best", "v2", ""])
def test_only_staging_and_production_are_promoted_to(registry: Registry, register: Register, alias: Any) -> None:
    register("letters-1")
    with pytest.raises(RequestError, match="staging"):
        promote(registry, "letters", "@1", alias)


def test_an_unknown_model_is_said(registry: Registry) -> None:
    with pytest.raises(RequestError, match="no such registered model"):
        promote(registry, "nobody", "@1", "staging")


def test_rollback_goes_back_step_by_step(registry: Registry, register: Register) -> None:
    for run_id in ("letters-1", "letters-2", "letters-3"):
        version = register(run_id)
        promote(registry, "letters", f"@{version.version}", "production")
    assert [rollback(registry, "letters", "production", "complaints").after for _ in range(2)] == [2, 1]
    assert registry.holder("letters", "production") == 1
    with pytest.raises(RequestError, match="no earlier version"):
        rollback(registry, "letters", "production", "more complaints")
    actions = [(move.action, move.before, move.after) for move in registry.history("letters").moves("production")]
    assert actions == [
        ("promote", None, 1),
        ("promote", 1, 2),
        ("promote", 2, 3),
        ("rollback", 3, 2),
        ("rollback", 2, 1),
    ]


def test_rollback_needs_a_reason_and_an_earlier_version(registry: Registry, register: Register) -> None:
    register("letters-1")
    with pytest.raises(RequestError, match="reason"):
        rollback(registry, "letters", "staging", " ")
    with pytest.raises(RequestError, match="no earlier version"):
        rollback(registry, "letters", "staging", "complaints")


def test_rollback_to_a_damaged_model_is_refused(registry: Registry, register: Register) -> None:
    first, _ = register("letters-1"), register("letters-2")
    promote(registry, "letters", "@1", "production")
    promote(registry, "letters", "@2", "production")
    (first.source / "adapter_model.safetensors").write_text("changed")
    with pytest.raises(StorageError):
        rollback(registry, "letters", "production", "complaints")
    assert registry.holder("letters", "production") == 2


def test_a_move_by_another_hand_is_written_down(registry: Registry, register: Register) -> None:
    register("letters-1"), register("letters-2")
    promote(registry, "letters", "@1", "production")
    connect(registry.workspace).set_registered_model_alias("letters", "production", "2")
    assert rollback(registry, "letters", "production", "nobody allowed this").after == 1
    lines = read_lines(registry.workspace.artifacts / "models" / "letters" / "aliases.jsonl")
    actions = [line["action"] for line in lines if line["alias"] == "production"]
    assert actions == ["promote", "found", "rollback"]


def test_promoting_where_it_is_changes_nothing(registry: Registry, register: Register) -> None:
    register("letters-1")
    for _ in range(2):
        promote(registry, "letters", "@1", "staging")
    assert len(registry.history("letters").moves("staging")) == 1
