"""Rebuild: what proves the bytes, what is named when something changed, what is refused before any training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import kamerton.flows.rebuild as flow
from kamerton.flows.compare_runs import compare_runs
from kamerton.flows.datasets import commit_data
from kamerton.flows.rebuild import rebuild
from kamerton.flows.results import Results
from kamerton.ground.errors import Interrupted, MachineError, StorageError
from kamerton.journal import RunFolder, Trace, read_trace
from kamerton.records import RunRecord
from kamerton.training import probe as class_probe
from tiny_project import Finished, kamerton, letters, write_lines


@pytest.fixture
def project(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    copied = finished.copy(tmp_path / "p")
    monkeypatch.chdir(copied.root)
    return copied


def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: Any) -> None:
        pytest.fail("something was trained")

    monkeypatch.setattr(flow, "run_recipe", train)


def _elsewhere(project: Finished) -> None:
    """Let the record say that the run was made on another class of machine."""
    record = RunRecord.read(project.run / "record.json")
    there = record.environment.model_copy(update={"instruction_sets": ["avx999"], "capability": "AVX999"})
    record.model_copy(update={"environment": there}).write(project.run / "record.json")


def test_the_same_recipe_on_the_version_that_the_run_kept_gives_the_same_bytes(project: Finished) -> None:
    """A run learns from the version that it kept, not from a file that anybody may edit."""
    (project.root / "data" / "letters.pl.jsonl").write_text("", encoding="utf-8")
    found = rebuild("last", project.workspace, recipe=project.root / "recipe.yaml")
    assert (found.identical, found.what_changed, found.first_different_step) == (True, [], None)
    assert Results(RunFolder(project.run)).rebuild == found


def test_a_changed_recipe_file_names_its_keys(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_training(monkeypatch)
    proof = (project.run / "rebuild.json").read_bytes()
    text = (project.root / "recipe.yaml").read_text(encoding="utf-8")
    changed = (
        text.replace("epochs: 2", "epochs: 3").replace("rank: 4", "rank: 8").replace("batch_size: 4", "batch_size: 2")
    )
    (project.root / "other.yaml").write_text(changed, encoding="utf-8")
    done = kamerton(project.root, "rebuild", "last", "--recipe", "other.yaml", "--json")
    assert done.code == 1
    assert done.document["what_changed"] == [
        "recipe: method.alpha was 8.0 and is now 16.0",
        "recipe: method.rank was 4 and is now 8",
        "recipe: training.batch_size was 4 and is now 2",
        "recipe: training.epochs was 2.0 and is now 3.0",
    ]
    assert (done.document["identical"], done.document["rebuilt_sha256"]) == (False, None)
    assert "NOT identical" in done.err
    assert (project.run / "rebuild.json").read_bytes() == proof, (
        "a question about another recipe is no proof against the run"
    )


def test_the_cores_of_this_machine_are_no_difference_of_the_recipe(project: Finished) -> None:
    path = project.root / "recipe.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("compute: {threads: 1}, ", ""), encoding="utf-8")
    record = RunRecord.read(project.run / "record.json")
    assert flow.recipe_differences(record.recipe, flow._given_recipe(path, record, project.workspace)) == []


def test_a_data_set_that_is_gone_is_named(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_training(monkeypatch)
    shutil.rmtree(project.workspace.datasets / "tiny.lance")
    done = kamerton(project.root, "rebuild", "last", "--json")
    assert done.code == 1
    assert done.document["what_changed"] == ["data: no such data set (tiny@v1)"]


def test_a_data_set_with_other_rows_is_named(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_training(monkeypatch)
    shutil.rmtree(project.workspace.datasets / "tiny.lance")
    write_lines(project.root / "fewer.jsonl", letters()[1:])
    commit_data("tiny", ["fewer.jsonl"], project.workspace)
    found = rebuild("last", project.workspace)
    assert len(found.what_changed) == 1
    assert found.what_changed[0].endswith("part is not the one that the run learned from (tiny@v1)")


def test_a_changed_base_is_named(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_training(monkeypatch)
    weights = project.root / "base" / "model.safetensors"
    payload = bytearray(weights.read_bytes())
    payload[-1] ^= 1
    weights.write_bytes(payload)
    tokenizer = project.root / "base" / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    done = kamerton(project.root, "rebuild", "last", "--json")
    assert done.code == 1
    assert done.document["what_changed"] == [
        "base: base/model.safetensors has other bytes than at the time of the run",
        "base: the tokenizer of base has other files than at the time of the run",
    ]


def test_a_base_that_is_gone_is_named(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_training(monkeypatch)
    shutil.rmtree(project.root / "base")
    (sentence,) = rebuild("last", project.workspace).what_changed
    assert sentence == "base: no such model (base)"


def test_a_recorded_recipe_that_was_edited_is_named(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_training(monkeypatch)
    path = project.run / "recipe.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"rank":4', '"rank":5'), encoding="utf-8")
    assert rebuild("last", project.workspace).what_changed == ["recipe: the recorded recipe was changed after the run"]


def test_another_class_of_machine_is_told_before_anything_is_trained(
    project: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_training(monkeypatch)
    _elsewhere(project)
    before = (project.run / "rebuild.json").read_bytes()
    done = kamerton(project.root, "rebuild", "last", "--json")
    assert done.code == 3
    assert done.document["error"] == "MachineError"
    assert "capability: recorded 'AVX999', here " in done.document["what"]
    assert "instruction_sets: missing here ['avx999']" in done.document["what"]
    assert done.document["mend"].startswith("kamerton rebuild last --anyway")
    assert (project.run / "rebuild.json").read_bytes() == before
    assert list((project.workspace.home / "rebuilds").iterdir()) == []


def test_anyway_trains_and_compares(project: Finished) -> None:
    _elsewhere(project)
    done = kamerton(project.root, "rebuild", "last", "--anyway", "--json")
    assert done.code == 0, "the same machine after all"
    assert (done.document["identical"], done.document["machine_class_equal"]) == (True, False)
    assert len(done.document["class_differences"]) == 3, "the probe, which is the same, is told too"


def _probed(project: Finished, monkeypatch: pytest.MonkeyPatch, recorded: str, here: str) -> None:
    """Let the record hold one probe, and this machine give another."""
    record = RunRecord.read(project.run / "record.json")
    there = record.environment.model_copy(update={"probe": recorded})
    record.model_copy(update={"environment": there}).write(project.run / "record.json")
    monkeypatch.setattr(class_probe, "probe", lambda *_: class_probe.Probe(here, 2.0))


def test_a_machine_of_the_same_class_that_computes_otherwise_is_told_before_training(
    project: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    _probed(project, monkeypatch, recorded="aaaa", here="bbbb")
    with monkeypatch.context() as patch:
        _no_training(patch)
        done = kamerton(project.root, "rebuild", "last", "--json")
    assert done.code == 3
    assert done.document["error"] == "MachineError"
    assert done.document["what"].splitlines()[1:] == [
        "    probe: recorded aaaa, here bbbb: the same small training comes out otherwise on this machine"
    ]
    found = rebuild("last", project.workspace, anyway=True)
    assert (found.identical, found.machine_class_equal, len(found.class_differences)) == (True, False, 1)


def test_another_class_that_computes_alike_still_needs_a_word(
    project: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    _no_training(monkeypatch)
    _elsewhere(project)
    _probed(project, monkeypatch, recorded="aaaa", here="aaaa")
    done = kamerton(project.root, "rebuild", "last", "--json")
    assert done.code == 3
    assert done.document["what"].endswith(
        "probe: aaaa on both, so that the arithmetic agrees although the classes differ"
    )
    assert "--anyway" in done.document["mend"]


def test_equal_probes_on_the_same_class_say_nothing(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    _probed(project, monkeypatch, recorded="aaaa", here="aaaa")
    found = rebuild("last", project.workspace)
    assert (found.identical, found.class_differences) == (True, [])


def test_a_record_without_a_probe_is_compared_by_class_alone(
    project: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    _probed(project, monkeypatch, recorded="", here="never asked")
    monkeypatch.setattr(class_probe, "probe", lambda *_: pytest.fail("a probe that nothing is compared with"))
    assert flow.machine_differences(RunRecord.read(project.run / "record.json")) == []


def test_runs_that_part_are_told_apart_at_their_first_step(project: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    train = flow.run_recipe

    def other(recipe: Any, *rest: Any, **more: Any) -> Any:
        shuffled = recipe.training.model_copy(update={"seed": 43})
        return train(recipe.model_copy(update={"training": shuffled}), *rest, **more)

    monkeypatch.setattr(flow, "run_recipe", other)
    done = kamerton(project.root, "rebuild", "last", "--json")
    assert done.code == 1
    document = done.document
    assert (document["identical"], document["what_changed"], document["first_different_step"]) == (False, [], 1)
    assert "batch" in document["different_fields"]
    assert "the runs part at step 1: " in done.err
    assert len(list((project.workspace.home / "rebuilds").iterdir())) == 1, "what differs is kept to be looked at"


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_model_that_was_changed_or_removed_is_named_and_can_be_restored(
    project: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = project.run / "model" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    _flip(weights)
    with monkeypatch.context() as patched:
        _no_training(patched)
        done = kamerton(project.root, "rebuild", "last")
        assert done.code == 1
        assert "model: model/adapter_model.safetensors was changed or removed after the run" in done.out
        assert "--restore makes the model again" in done.out
        shutil.rmtree(project.run / "model")
        for verb in (("rebuild", "last"), ("train", "--resume", project.run_id), ("evaluate", "last")):
            done = kamerton(project.root, *verb)
            assert done.code in (1, 3)
            assert "--restore" in done.out + done.err
    found = rebuild("last", project.workspace, restore=True)
    assert found.identical
    assert "model: model/adapter_model.safetensors was changed or removed after the run" in found.restored
    assert weights.read_bytes() == whole
    assert rebuild("last", project.workspace).restored == []


def _reseal(run: Path) -> None:
    """A forger who knows the chain: another loss in a line, and the hashes from there on made anew."""
    steps = read_trace(run)
    (run / "trace.jsonl").unlink()
    trace = Trace(run)
    for step in steps:
        fields = {name: value for name, value in asdict(step).items() if name != "hash"}
        trace.append(**fields | ({"loss": 1.0} if step.step == 2 else {}))
    trace.sync()


@pytest.mark.parametrize(
    ("forge", "told"), [(_reseal, "does not end with the line"), (lambda run: _flip(run / "trace.jsonl"), "trace: ")]
)
def test_a_trace_that_was_changed_is_named_without_any_training(
    project: Finished, monkeypatch: pytest.MonkeyPatch, forge: Callable[[Path], None], told: str
) -> None:
    _no_training(monkeypatch)
    forge(project.run)
    found = rebuild("last", project.workspace)
    assert not found.identical
    assert told in found.what_changed[0]
    with pytest.raises(StorageError):
        compare_runs(project.run_id, project.run_id, project.workspace)


def test_a_rebuild_that_finds_the_disk_full_leaves_nothing(project: Finished) -> None:
    def full(event: dict[str, Any]) -> None:
        raise StorageError("no space left on device")

    with pytest.raises(StorageError, match="no space left"):
        rebuild("last", project.workspace, on_progress=full)
    assert list((project.workspace.home / "rebuilds").iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted("stopped at step 3", mend="--resume")])
def test_a_rebuild_that_is_stopped_leaves_nothing(project: Finished, error: BaseException) -> None:
    def stop(event: dict[str, Any]) -> None:
        raise error

    before = (project.run / "rebuild.json").read_bytes()
    with pytest.raises(Interrupted, match="the rebuild was stopped; the run is as it was") as stopped:
        rebuild("last", project.workspace, on_progress=stop)
    assert stopped.value.mend == f"kamerton rebuild {project.run_id} begins again"
    assert list((project.workspace.home / "rebuilds").iterdir()) == []
    assert (project.run / "rebuild.json").read_bytes() == before


def test_a_registered_model_is_rebuilt_from_the_record_in_its_evidence(
    project: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*_: Any, **more: Any) -> None:
        raise Interrupted("the training began")

    monkeypatch.setattr(flow, "run_recipe", begun)
    _elsewhere(project)
    with pytest.raises(MachineError):
        rebuild(project.run_id, project.workspace)
    with pytest.raises(Interrupted):
        rebuild("tiny@staging", project.workspace)
