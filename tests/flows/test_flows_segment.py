"""A segment of a run comes out again, and whatever was tampered with is caught and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from replay_samples import Audited, audited, audited_once, shared_from

import kamerton.flows.segment as flow
from kamerton.data.rows import Row
from kamerton.flows.results import Results
from kamerton.flows.segment import rebuild_segment
from kamerton.ground.digests import canonical_json, digest, folder_digests
from kamerton.ground.errors import MachineError, RequestError
from kamerton.journal import RunFolder, read_trace
from kamerton.models.tensors import read_tensors, write_tensors
from kamerton.records import RunRecord
from kamerton.records.rebuild import SegmentRecord
from kamerton.testing import write_tiny_base
from tiny_project import kamerton

__all__ = ["audited", "audited_once"]


def _audit(audited: Audited, begin: int, end: int, **more: Any) -> SegmentRecord:
    return rebuild_segment("last", audited.workspace, segment=(begin, end), **more)


def _no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "open_replay", lambda *_: pytest.fail("something was trained"))


# An untouched run.


@pytest.mark.parametrize(("begin", "end"), [(0, 3), (0, 12), (6, 9), (6, 12)])
def test_a_segment_of_an_untouched_run_comes_out_again(audited: Audited, begin: int, end: int) -> None:
    before = folder_digests(audited.run.path)
    found = _audit(audited, begin, end)
    assert (found.identical, found.what_changed, found.first_different_step) == (True, [], None)
    assert (found.begin, found.end, found.compared, found.run_steps) == (begin, end, end - begin, 12)
    file = Results(audited.run).segment_file(begin, end)
    assert SegmentRecord.read(file) == found
    file.unlink()
    assert folder_digests(audited.run.path) == before, "nothing of the run is touched"
    assert not list(audited.workspace.home.glob("replay-*"))


def test_a_segment_is_drawn_by_a_seed_that_is_said(audited: Audited) -> None:
    done = kamerton(audited.root, "rebuild", "last", "--segment", "--json")
    assert done.code == 0, done.err
    seed = done.document["seed"]
    assert f"--seed {seed}" in done.err
    again = rebuild_segment("last", audited.workspace, seed=seed)
    assert (again.begin, again.end) == (done.document["begin"], done.document["end"])


def test_every_segment_between_neighbours_can_be_drawn(audited: Audited) -> None:
    trace = read_trace(audited.run.path)
    drawn = {flow._drawn(audited.run, trace, seed) for seed in range(40)}
    assert drawn == {(0, 3), (6, 9)}, "from a checkpoint that is there to the next state that is sealed"


def test_a_run_that_is_not_finished_is_audited_too(audited: Audited) -> None:
    audited.run.record_file.unlink()
    shutil.rmtree(audited.run.model)
    found = _audit(audited, 6, 9)
    assert (found.identical, found.run_seconds) == (True, None)


def test_each_method_and_precision_is_audited(audited: Audited) -> None:
    other = audited.train("method={kind: full}", "training.compute.precision=bf16", "training.max_steps=7")
    found = rebuild_segment(other.run_id, audited.workspace, segment=(6, 7))
    assert found.identical


# Tampered with.


def _reseal_manifest(folder: Path) -> None:
    """What a careful forger does: the manifest vouches for the changed files."""
    manifest = folder_digests(folder)
    manifest.pop("manifest.json")
    (folder / "manifest.json").write_text(canonical_json(manifest) + "\n", encoding="utf-8")


def _flip(path: Path, name: str) -> None:
    """One bit of one tensor."""
    tensors = read_tensors(path)
    key = next(key for key in tensors if name in key)
    changed = tensors[key].clone()
    bits = changed.view(-1).view(__import__("torch").int32)
    bits[0] ^= 1
    write_tensors(tensors | {key: changed}, path)


def _trace_lines(run: RunFolder) -> list[dict[str, Any]]:
    return [asdict(step) for step in read_trace(run.path)]


def _write_trace(run: RunFolder, lines: list[dict[str, Any]], *, sealed: bool = True) -> None:
    """With `sealed` the chain is made anew, as a careful forger does."""
    previous = "0" * 64
    for number, line in enumerate(lines, start=1):
        if sealed:
            body = {key: value for key, value in line.items() if key != "hash"} | {"previous": previous, "step": number}
            line |= body | {"hash": digest(body)}
            previous = line["hash"]
    text = "".join(canonical_json(line) + "\n" for line in lines)
    run.trace_file.write_text(text, encoding="utf-8")


def _row(audited: Audited) -> None:
    from kamerton.data import DatasetStore

    store = DatasetStore(audited.workspace)
    record = RunRecord.read(audited.run.record_file)
    name = record.data.versions["train"].partition("@")[0]
    rows = store.rows(record.data.versions["train"])
    assert rows[0].messages is not None
    turned = Row(messages=(rows[0].messages[0], {"role": "assistant", "content": "Wydział: Drogi"}))
    shutil.rmtree(audited.workspace.datasets / f"{name}.lance")
    store.commit(name, [turned, *rows[1:]], message="forged")


def _missing_row(audited: Audited) -> None:
    from kamerton.data import DatasetStore

    store, version = DatasetStore(audited.workspace), RunRecord.read(audited.run.record_file).data.versions["train"]
    name, rows = version.partition("@")[0], store.rows(version)
    shutil.rmtree(audited.workspace.datasets / f"{name}.lance")
    store.commit(name, rows[1:], message="forged")


def _base(audited: Audited) -> None:
    write_tiny_base(audited.root / "base", seed=9)


def _recipe(audited: Audited) -> None:
    path = audited.run.path / "recipe.json"
    path.write_text(path.read_text("utf-8").replace('"seed":5', '"seed":6'), "utf-8")


def _line(field: str, value: Any, *, sealed: bool) -> Callable[[Audited], None]:
    def change(audited: Audited) -> None:
        lines = _trace_lines(audited.run)
        lines[7][field] = value
        _write_trace(audited.run, lines, sealed=sealed)

    return change


def _removed(place: int, *, sealed: bool) -> Callable[[Audited], None]:
    def change(audited: Audited) -> None:
        lines = _trace_lines(audited.run)
        del lines[place]
        _write_trace(audited.run, lines, sealed=sealed)

    return change


def _checkpoint(file: str, tensor: str, step: int, *, resealed: bool) -> Callable[[Audited], None]:
    def change(audited: Audited) -> None:
        folder = audited.run.checkpoints / f"step-{step:08d}"
        _flip(folder / file, tensor)
        if resealed:
            _reseal_manifest(folder)

    return change


def _other_journal(audited: Audited) -> None:
    folder = audited.run.checkpoints / "step-00000006"
    journal = json.loads((folder / "journal.json").read_text("utf-8"))
    (folder / "journal.json").write_text(canonical_json(journal | {"trace_head": "f" * 64}), "utf-8")
    _reseal_manifest(folder)


def _swapped(audited: Audited) -> None:
    """The checkpoint of another step under this step's name."""
    folder = audited.run.checkpoints / "step-00000006"
    shutil.rmtree(folder)
    shutil.copytree(audited.run.checkpoints / "step-00000012", folder)


def _model(audited: Audited) -> None:
    _flip(audited.run.model / "adapter_model.safetensors", "lora_B")


WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.safetensors"


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (_row, "data: the train part is not the one that the run learned from (audited@v1)"),
        (_missing_row, "data: the train part is not the one that the run learned from (audited@v1)"),
        (_base, "base: base/model.safetensors has other bytes than at the time of the run"),
        (_recipe, "recipe: the recorded recipe was changed after the run"),
        (_model, "model: model/adapter_model.safetensors was changed or removed after the run"),
        (_line("loss", 1.0, sealed=False), "trace: the hash chain is broken at step 8"),
        (_line("batch", "0" * 32, sealed=False), "trace: the hash chain is broken at step 8"),
        (_line("state", "0" * 64, sealed=False), "trace: the hash chain is broken at step 8"),
        (_line("loss", 1.0, sealed=True), "trace: the trace does not end with the line that the record names"),
        (_removed(7, sealed=False), "trace: the hash chain is broken at step 8"),
        (_removed(7, sealed=True), "trace: the trace does not end with the line that the record names"),
        (_removed(11, sealed=False), "trace: the trace does not end with the line that the record names"),
    ],
)
def test_what_was_tampered_with_is_named_before_anything_is_trained(
    audited: Audited, monkeypatch: pytest.MonkeyPatch, tamper: Callable[[Audited], None], said: str
) -> None:
    _no_training(monkeypatch)
    tamper(audited)
    found = _audit(audited, 6, 9)
    assert (found.identical, found.compared, found.first_different_step) == (False, 0, None)
    assert found.what_changed == [said]


SEALED = "the checkpoint of step 6 holds another state than the trace sealed"


@pytest.mark.parametrize(
    ("tamper", "segment", "said"),
    [
        (_checkpoint(WEIGHTS, "lora_A", 6, resealed=True), (6, 9), f"checkpoint of step 6: {SEALED}"),
        (_checkpoint(OPTIMIZER, "exp_avg", 6, resealed=True), (6, 9), f"checkpoint of step 6: {SEALED}"),
        (
            _checkpoint(WEIGHTS, "lora_A", 6, resealed=False),
            (6, 9),
            "checkpoint of step 6: the checkpoint of step 6 cannot be used: damaged: weights.safetensors",
        ),
        (_other_journal, (6, 9), "checkpoint of step 6: the trace is not the one that the checkpoint was made with"),
        (
            _swapped,
            (6, 9),
            "checkpoint of step 6: the checkpoint of step 6 cannot be used: it is the checkpoint of step 12",
        ),
        (
            _checkpoint(WEIGHTS, "lora_B", 12, resealed=True),
            (6, 12),
            "checkpoint of step 12: the checkpoint of step 12 holds another state than the trace sealed",
        ),
    ],
)
def test_a_checkpoint_that_was_tampered_with_is_named(
    audited: Audited, tamper: Callable[[Audited], None], segment: tuple[int, int], said: str
) -> None:
    tamper(audited)
    found = _audit(audited, *segment)
    assert not found.identical
    assert found.what_changed == [said]


@pytest.mark.parametrize(
    ("field", "value"), [("loss", 1.0), ("batch", "0" * 32), ("grad_norm", 0.5), ("tokens", 3), ("state", "0" * 64)]
)
def test_a_forged_line_of_a_run_without_a_record_is_caught_by_the_replay(
    audited: Audited, field: str, value: Any
) -> None:
    """Nothing but the arithmetic itself can tell: the forger made the whole chain anew, in the checkpoint too."""
    audited.run.record_file.unlink()
    lines = _trace_lines(audited.run)
    lines[8][field] = value
    _write_trace(audited.run, lines)
    found = _audit(audited, 6, 9)
    assert (found.identical, found.what_changed) == (False, [])
    assert (found.first_different_step, found.different_fields, found.compared) == (9, [field], 3)


def test_the_state_of_a_checkpoint_forged_with_its_line_is_caught_by_the_replay(audited: Audited) -> None:
    """Weights, manifest, sealed state and chain all agree; the steps after it do not come out of them."""
    audited.run.record_file.unlink()
    forged = audited.train("training.learning_rate=0.02", "training.max_steps=12")
    lines = _trace_lines(forged)[:6] + _trace_lines(audited.run)[6:]
    shutil.rmtree(audited.run.checkpoints / "step-00000006")
    shutil.copytree(forged.checkpoints / "step-00000006", audited.run.checkpoints / "step-00000006")
    _write_trace(audited.run, lines)
    found = rebuild_segment(audited.run_id, audited.workspace, segment=(6, 9))
    assert (found.identical, found.first_different_step) == (False, 7)
    assert {"loss", "grad_norm"} <= set(found.different_fields)


def test_a_machine_of_another_class_is_told_first(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    record = RunRecord.read(audited.run.record_file)
    there = record.environment.model_copy(update={"instruction_sets": ["avx999"]})
    record.model_copy(update={"environment": there}).write(audited.run.record_file)
    with monkeypatch.context() as patch:
        _no_training(patch)
        with pytest.raises(MachineError, match="instruction_sets: missing here"):
            _audit(audited, 6, 9)
    found = _audit(audited, 6, 9, anyway=True)
    assert (found.identical, found.machine_class_equal) == (True, False)


@pytest.mark.parametrize("recorded", [True, False])
def test_steps_that_several_processes_shared_are_not_called_tampered_with(
    audited: Audited, monkeypatch: pytest.MonkeyPatch, recorded: bool
) -> None:
    shared_from(audited.run, 6)
    if not recorded:
        audited.run.record_file.unlink()
    with monkeypatch.context() as patch:
        _no_training(patch)
        with pytest.raises(RequestError, match="processes: 2 shared steps that 1 would make here") as refused:
            _audit(audited, 6, 9)
    assert ("makes the whole run again by as many processes" in refused.value.mend) == recorded
    assert "--anyway" in refused.value.mend
    assert _audit(audited, 0, 6).machine_class_equal, "one process made these"
    assert {flow._drawn(audited.run, read_trace(audited.run.path), seed) for seed in range(9)} == {(0, 3)}
    found = _audit(audited, 6, 9, anyway=True)
    assert (found.machine_class_equal, len(found.class_differences)) == (False, 1)


# What cannot be asked.


@pytest.mark.parametrize("segment", [(3, 6), (6, 7), (6, 6), (9, 6), (6, 13), (12, 12)])
def test_a_segment_without_its_ends_is_refused(
    audited: Audited, monkeypatch: pytest.MonkeyPatch, segment: tuple[int, int]
) -> None:
    _no_training(monkeypatch)
    with pytest.raises(RequestError, match="cannot be replayed") as caught:
        _audit(audited, *segment)
    assert "K of 0, 6, 12" in caught.value.expected
    assert "M of 3, 6, 9, 12" in caught.value.expected


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--segment", "6-9"], "not a segment"),
        (["--segment", "6:"], "not a segment"),
        (["--segment", "6:9", "--seed", "1"], "--seed draws the segment, and one is given"),
        (["--seed", "1"], "--seed draws a segment"),
        (["--segment", "--recipe", "recipe.yaml"], "--recipe goes with a whole rebuild"),
    ],
)
def test_words_that_do_not_go_together_are_refused(audited: Audited, words: list[str], what: str) -> None:
    done = kamerton(audited.root, "rebuild", "last", *words, "--json")
    assert (done.code, done.document["what"]) == (2, what)


def test_before_the_first_checkpoint_there_is_nothing_to_replay(audited: Audited) -> None:
    audited.run.record_file.unlink()
    _write_trace(audited.run, _trace_lines(audited.run)[:2])
    with pytest.raises(RequestError, match="there is nothing to replay to yet"):
        rebuild_segment("last", audited.workspace, seed=1)


def test_a_running_run_is_left_alone(audited: Audited) -> None:
    audited.run.record_file.unlink()
    with audited.run.held(), pytest.raises(RequestError, match="the run is running"):
        _audit(audited, 6, 9)


# What is resumed before there is anything to replay.


@pytest.mark.parametrize("written", [[], ["data_report.json"]])
def test_a_run_that_was_killed_before_it_knew_its_rows_is_resumed(audited: Audited, written: list[str]) -> None:
    from kamerton.flows.train import LINEAGE, resume

    run, sha = audited.run, RunRecord.read(audited.run.record_file).result.model_sha256
    for path in run.path.iterdir():
        if path.name not in {"recipe.json", *written}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert not (run.path / LINEAGE).exists()
    assert resume("last", audited.workspace).result.model_sha256 == sha
