"""Cross-validation: every row is measured once by a run that did not learn from it; what is done is not done again."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from kamerton.evaluation.metrics import METRICS
from kamerton.flows import folds as module
from kamerton.flows.folds import cross_validate
from kamerton.flows.prepare import prepare_again
from kamerton.flows.results import Results
from kamerton.ground.errors import Interrupted, RecipeError
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder, list_runs
from kamerton.records import RunRecord
from kamerton.records.evaluation import EvaluationRecord
from kamerton.records.folds import CrossValidationRecord
from tiny_project import kamerton, write_lines, write_project

FAST = ["training.max_steps=2", "evaluation.metrics=[perplexity]", "gate=null"]


@pytest.fixture
def project(tmp_path: Path, tiny_base: Path) -> Path:
    write_project(tmp_path, tiny_base)
    return tmp_path


@pytest.fixture
def place(project: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(project)
    return Workspace.at(project)


def validate(place: Workspace, folds: int = 2, **more: Any) -> CrossValidationRecord:
    return cross_validate(place.root / "recipe.yaml", place, folds=folds, overrides=FAST, **more)


def ids(record: CrossValidationRecord) -> list[str]:
    return [run.run_id for run in record.runs]


@pytest.mark.slow
def test_every_row_is_measured_once_by_a_run_that_did_not_learn_it(place: Workspace) -> None:
    told: list[dict[str, Any]] = []
    record = validate(place, on_progress=told.append)
    assert [run_id.rpartition("-")[0].rpartition("-")[0].rpartition("-")[0] for run_id in ids(record)] == [
        "tiny-fold0",
        "tiny-fold1",
    ]
    measured: list[str] = []
    tests = set()
    for run in record.runs:
        folder = RunFolder(place.runs / run.run_id)
        done = RunRecord.read(folder.record_file)
        parts = prepare_again(done.data, place)
        found = EvaluationRecord.read(Results(folder).evaluation_file("validation", "tuned"))
        items = [item.row_hash for item in found.items]
        assert items == [row.row_hash for row in parts["validation"]]
        assert not set(items) & {row.row_hash for row in [*parts["train"], *parts["test"]]}
        assert (run.train_rows, run.validation_rows) == (len(parts["train"]), len(items))
        assert found.metrics["perplexity"].value == record.metrics["perplexity"].values[run.fold]
        measured += items
        tests.add(done.data.parts["test"].fingerprint)
    assert len(measured) == len(set(measured)) == 72 - done.data.parts["test"].rows
    assert len(tests) == 1
    assert {event["fold"] for event in told} == {0, 1}
    assert CrossValidationRecord.read(place.evaluations / "tiny-folds2.json") == record
    again = validate(place, on_progress=told.append)
    assert (ids(again), again.metrics) == (ids(record), record.metrics)
    # The folds are versions of the same sets: what they share is kept once.
    names = sorted(path.name for path in place.datasets.glob("*.lance"))
    assert names == ["tiny.lance", "tiny.test.lance", "tiny.validation.lance"]


@pytest.mark.slow
def test_a_fold_that_is_complete_is_not_trained_again(place: Workspace) -> None:
    first = validate(place)
    told: list[dict[str, Any]] = []
    assert ids(validate(place, on_progress=told.append)) == ids(first)
    assert not [event for event in told if "step" in event]
    other = cross_validate(
        place.root / "recipe.yaml", place, folds=2, overrides=[*FAST, "training.learning_rate=1.0e-3"]
    )
    assert not set(ids(other)) & set(ids(first))
    # Other rows in the same file are other data.
    shutil.copyfile(place.root / "data" / "letters.pl.jsonl", place.root / "data" / "copy.jsonl")
    lines = (place.root / "data" / "letters.pl.jsonl").read_text("utf-8").splitlines()
    (place.root / "data" / "letters.pl.jsonl").write_text("\n".join(lines[:-3]) + "\n", encoding="utf-8")
    assert not set(ids(validate(place))) & set(ids(first))
    shutil.copyfile(place.root / "data" / "copy.jsonl", place.root / "data" / "letters.pl.jsonl")
    assert ids(validate(place)) == ids(first)


@pytest.mark.slow
def test_a_fold_of_another_base_is_trained_again(place: Workspace) -> None:
    first = validate(place)
    config = place.root / "base" / "model.safetensors"
    config.write_bytes(_nudged(config.read_bytes()))
    assert not set(ids(validate(place))) & set(ids(first))


def _nudged(weights: bytes) -> bytes:
    """The lowest bit of the last weight turned over."""
    return weights[:-4] + bytes([weights[-4] ^ 1]) + weights[-3:]


@pytest.mark.slow
def test_a_stopped_fold_goes_on(place: Workspace) -> None:
    whole = validate(place)
    shutil.rmtree(place.runs)

    def stop(event: dict[str, Any]) -> None:
        if event.get("step") == 1 and event["fold"] == 1:
            list_runs(place)[-1].request_stop()

    with pytest.raises(Interrupted, match="fold 2 of 2: stopped at step 1 of 2") as caught:
        validate(place, on_progress=stop)
    assert "--folds 2" in caught.value.mend
    stopped = [run.run_id for run in list_runs(place)]
    again = validate(place)
    assert ids(again) == stopped
    assert again.metrics == whole.metrics
    assert RunRecord.read(RunFolder(place.runs / stopped[1]).record_file).result.attempts == 2


def test_own_validation_files_and_a_single_fold_are_refused(place: Workspace) -> None:
    write_lines(place.root / "data" / "own.jsonl", [{"text": "Rzeka płynie."}])
    with pytest.raises(RecipeError, match=r"leave data\.validation out"):
        cross_validate(place.root / "recipe.yaml", place, folds=2, overrides=["data.validation=[data/own.jsonl]"])
    for folds in (-1, 0, 1, 21):
        with pytest.raises(RecipeError, match=r"data\.split\.folds"):
            validate(place, folds)
    assert list_runs(place) == []


# The mean.


def test_a_mean_is_taken_on_the_scale_of_the_tests() -> None:
    found = module._metric(METRICS["perplexity"], [10.0, 40.0], 1.0, 0.9)
    assert found.mean == pytest.approx(20.0)
    assert found.low is not None
    assert found.high is not None
    assert found.low * found.high == pytest.approx(400.0)
    shares = module._metric(METRICS["accuracy"], [0.4, 0.6, None], 0.5, 0.9)
    assert shares.mean == pytest.approx(0.5)
    assert shares.values == [0.4, 0.6, None]
    assert (shares.low, shares.high) == (0.0, 1.0)


def test_what_cannot_be_computed_is_none() -> None:
    nothing = module._metric(METRICS["accuracy"], [None, None], 0.5, 0.9)
    assert (nothing.mean, nothing.low, nothing.high, nothing.method) == (None, None, None, "")
    equal = module._metric(METRICS["accuracy"], [1.0, 1.0], 0.5, 0.9)
    assert (equal.mean, equal.low, equal.high) == (1.0, None, None)


# The verb.


@pytest.mark.slow
def test_the_verb_prints_a_table_and_a_document(project: Path) -> None:
    done = kamerton(project, "train", "recipe.yaml", "--folds", "2", *FAST, "--json")
    assert done.code == 0
    document = done.document
    assert document["kind"] == "cross_validation"
    values = document["metrics"]["perplexity"]["values"]
    assert document["metrics"]["perplexity"]["mean"] == pytest.approx(math.exp(sum(map(math.log, values)) / 2))
    table = done.err
    assert "fold 0" in table
    assert "Nadeau and Bengio" in table
    assert "fold 2 of 2: step 2/2" in table
    assert json.loads((project / ".kamerton" / "evaluations" / "tiny-folds2.json").read_text("utf-8")) == document


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["recipe.yaml", "--folds", "0"], "is not a whole number from 1"),
        (["recipe.yaml", "--folds", "1"], "must be greater than or equal to 2"),
        (["--resume", "last", "--folds", "2"], "--resume goes on with one run"),
        (["--folds", "2"], "give a recipe"),
    ],
)
def test_the_verb_refuses(words: list[str], told: str, project: Path) -> None:
    done = kamerton(project, "train", *words)
    assert done.code == 2
    assert told in done.err


@pytest.mark.slow
def test_five_folds_give_the_same_figures_twice(place: Workspace) -> None:
    """The whole: five folds of whole trainings, stratified, twice from nothing to the same figures."""
    overrides = ["training.epochs=2", "data.split.stratify=category", "method.dropout=0.1", "gate=null"]
    one = cross_validate(place.root / "recipe.yaml", place, folds=5, overrides=overrides)
    shutil.rmtree(place.home)
    two = cross_validate(place.root / "recipe.yaml", place, folds=5, overrides=overrides)
    assert one.metrics == two.metrics
    assert {len(metric.values) for metric in one.metrics.values()} == {5}
    assert max(run.validation_rows for run in one.runs) - min(run.validation_rows for run in one.runs) <= 3
