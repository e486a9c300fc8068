"""A run ends with the same bits however often it was interrupted, or with a sentence that says why it did not."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors import SafetensorError
from training_samples import FULL, LORA, METHODS, new_run, options, parts, start, train, train_on

from kamerton.ground.digests import folder_digests
from kamerton.ground.errors import DataError, Interrupted, StorageError, VerdictError
from kamerton.journal import RunFolder, first_difference, read_events, read_trace
from kamerton.models import tensors
from kamerton.models.methods import WEIGHTS, load_finished
from kamerton.models.scratch import create
from kamerton.recipe import Architecture, TrainingSection
from kamerton.testing import write_tiny_base
from kamerton.training import run as run_module
from kamerton.training.checkpoint import state_digest
from kamerton.training.examples import Example
from kamerton.training.order import epoch_order, plan_steps, step_digest

TURNS = {"started", "resumed", "stopped", "passed_over", "attempt", "failed"}
"""Events of a run's course; the others tell of steps."""
FULL_DISK = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return new_run(tmp_path)


def _kinds(run: RunFolder) -> list[str]:
    return [event["kind"] for event in read_events(run.path) if event["kind"] in TURNS]


def _stop_at(run: RunFolder, step: int) -> Callable[[dict[str, Any]], None]:
    return lambda event: run.request_stop() if event.get("step") == step and "loss" in event else None


def _interrupt(
    base: Path, run: RunFolder, method: str, step: int, wanted: TrainingSection | None = None
) -> Interrupted:
    with pytest.raises(Interrupted) as caught:
        train(base, run, METHODS[method], wanted, on_progress=_stop_at(run, step))
    return caught.value


def _same_as(finished: Any, run: RunFolder, result: Any) -> bool:
    """The model, all its files, and the trace are those of the run that nothing interrupted."""
    same_trace = (run.path / "trace.jsonl").read_bytes() == (finished.run.path / "trace.jsonl").read_bytes()
    return bool(
        same_trace and result.files == finished.result.files and result.trace_head == finished.result.trace_head
    )


# Weighted epochs.

SHOWN = [0.5, 1.0, 2.5, 0.5, 1.0, 0.5, 2.5, 0.5, 1.5, 0.5]


def _weighted(base: Path, run: RunFolder, wanted: TrainingSection, **more: Any) -> tuple[Any, list[Example]]:
    loaded = start(base, LORA, wanted)
    built = parts(loaded, wanted)
    weighted = [dataclasses.replace(each, weight=weight) for each, weight in zip(built["train"], SHOWN, strict=True)]
    with run.held():
        return train_on(loaded, built | {"train": weighted}, LORA, wanted, run, **more), weighted


@pytest.fixture(scope="module")
def weighted(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A weighted run of three epochs that nothing interrupted, its examples, and the steps at which epochs end."""
    run, wanted = new_run(tmp_path_factory.mktemp("weighted")), options(**WEIGHTED)
    result, examples = _weighted(tiny_base, run, wanted)
    return Weighted(run, result, examples, list(itertools.accumulate(plan_steps(examples, wanted).epochs)))


class Weighted(NamedTuple):
    run: RunFolder
    result: Any
    examples: list[Example]
    ends: list[int]


WEIGHTED = {"max_steps": None, "epochs": 3.0, "batch_size": 4, "seed": 1}


def test_each_step_of_a_weighted_run_sees_what_its_epoch_names(weighted: Any) -> None:
    expected = []
    for epoch in range(3):
        order = epoch_order(weighted.examples, 4, 1, epoch, grouped=False)
        shown = [weighted.examples[index] for index in order]
        expected += [step_digest(shown[place : place + 4]) for place in range(0, len(shown), 4)]
    assert [step.batch for step in read_trace(weighted.run.path)] == expected
    assert len(expected) == weighted.ends[-1] == weighted.result.steps
    assert len({end - begin for begin, end in itertools.pairwise([0, *weighted.ends])}) > 1
    epochs = [event["epoch"] for event in read_events(weighted.run.path) if event["kind"] == "step"]
    assert [epochs[end - 1] for end in weighted.ends] == [1.0, 2.0, 3.0]


def test_weights_that_show_nothing_are_refused_and_told(tiny_base: Path, run: RunFolder) -> None:
    wanted = options()
    loaded = start(tiny_base, LORA, wanted)
    built = parts(loaded, wanted)
    never = [dataclasses.replace(each, weight=0.001) for each in built["train"]]
    with pytest.raises(DataError, match="leave epoch 1 without any row"):
        train_on(loaded, built | {"train": never}, LORA, wanted, run)
    assert read_events(run.path)[-1]["kind"] == "failed"


@pytest.mark.parametrize(
    "where",
    [
        *("inside the first", "its end"),
        *(pytest.param(where, marks=pytest.mark.slow) for where in ("after its end", "inside the last")),
        pytest.param("before the last", marks=pytest.mark.slow),
    ],
)
def test_a_weighted_run_goes_on_to_the_same_bits(weighted: Any, tiny_base: Path, tmp_path: Path, where: str) -> None:
    run, (first, second, last) = new_run(tmp_path), weighted.ends
    step = {
        "inside the first": first - 1,
        "its end": first,
        "after its end": first + 1,
        "inside the last": second + 1,
        "before the last": last - 1,
    }[where]
    with pytest.raises(Interrupted):
        _weighted(tiny_base, run, options(**WEIGHTED), on_progress=_stop_at(run, step))
    result, _ = _weighted(tiny_base, run, options(**WEIGHTED))
    assert _same_as(weighted, run, result)


def test_a_weighted_run_that_ends_inside_an_epoch(weighted: Any, tiny_base: Path, tmp_path: Path) -> None:
    steps = weighted.ends[1] + 1
    result, _ = _weighted(
        tiny_base, new_run(tmp_path), options(**WEIGHTED | {"max_steps": steps, "schedule": "constant"})
    )
    assert result.steps == steps


# What a run leaves.


def test_two_runs_of_one_recipe_leave_the_same_bytes(
    method: str, finished: Any, tiny_base: Path, run: RunFolder
) -> None:
    assert _same_as(finished, run, train(tiny_base, run, METHODS[method]))
    assert first_difference(read_trace(run.path), read_trace(finished.run.path)) is None


def test_another_seed_leaves_others(tiny_base: Path, run: RunFolder, method: str, finished: Any) -> None:
    other = train(tiny_base, run, METHODS[method], options(seed=8, max_steps=1))
    assert other.trace_head != read_trace(finished.run.path)[0].hash
    assert first_difference(read_trace(run.path), read_trace(finished.run.path))[0] == 1  # type: ignore[index]


def test_the_result_says_what_the_folder_holds(method: str, finished: Any) -> None:
    run, result = finished
    trace = read_trace(run.path)
    assert result.steps == len(trace) == 9
    assert result.files == folder_digests(run.model)
    assert result.model_sha256 == result.files[WEIGHTS[method]]
    assert result.trace_head == trace[-1].hash
    assert result.tokens == sum(step.tokens for step in trace)
    assert (result.first_loss, result.last_loss) == (trace[0].loss, trace[-1].loss)
    assert result.attempts == 1
    assert result.seconds > 0


def test_the_finished_model_is_the_last_checkpoint(method: str, finished: Any, tmp_path: Path) -> None:
    run, _ = finished
    steps = sorted(path.name for path in run.checkpoints.iterdir())
    assert steps == ["step-00000008", "step-00000009"]
    saved = tensors.read_tensors(run.checkpoints / steps[-1] / "weights.safetensors")
    model = tensors.read_tensors(run.model / WEIGHTS[method])
    exact = {name.replace(".default.", "."): weight.to(model.popitem()[1].dtype) for name, weight in saved.items()}
    model = tensors.read_tensors(run.model / WEIGHTS[method])
    assert model.keys() == exact.keys()
    assert all(torch.equal(model[name], exact[name]) for name in model)
    assert load_finished(run.model, tmp_path, device="cpu").name == run.run_id


def test_there_is_no_pickle_in_a_run(finished: Any) -> None:
    files = [path for path in finished.run.path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".jsonl", ".safetensors", ".jinja", ".lock"}
    assert {path.name for path in finished.run.path.iterdir()} == {
        "checkpoints",
        "events.jsonl",
        "model",
        "recipe.json",
        "run.lock",
        "start_losses.json",
        "trace.jsonl",
    }


def test_the_journal_of_a_whole_run(finished: Any) -> None:
    events = read_events(finished.run.path)
    assert _kinds(finished.run) == ["started", "attempt"]
    assert [event["step"] for event in events if event["kind"] == "saved"] == [4, 8, 9]
    assert [event["step"] for event in events if event["kind"] == "evaluated"] == [5, 9]


def test_the_trace_seals_the_state_of_each_checkpoint(method: str, finished: Any, tiny_base: Path) -> None:
    """The digest in the trace is that of the checkpoint's own tensors: the chain of hashes covers them."""
    run, _ = finished
    assert [step.step for step in read_trace(run.path) if step.state] == [4, 8, 9]
    for number in (8, 9):
        folder = run.checkpoints / f"step-{number:08d}"
        saved = tensors.read_tensors(folder / "weights.safetensors")
        weights = {name: torch.nn.Parameter(tensor) for name, tensor in saved.items()}
        optimizer = torch.optim.AdamW(weights.values())
        for key, value in tensors.read_tensors(folder / "optimizer.safetensors").items():
            name, _, part = key.rpartition("/")
            optimizer.state[weights[name]][part] = value
        ordered = {name: weights[name] for name in _names(tiny_base, method)}
        assert state_digest(ordered, optimizer) == read_trace(run.path)[number - 1].state


def _names(base: Path, method: str) -> list[str]:
    model = start(base, METHODS[method], options()).model
    return [name for name, weight in model.named_parameters() if weight.requires_grad]


def test_a_model_from_random_weights_and_texts(run: RunFolder) -> None:
    wanted = options(objective="pretrain", max_steps=2)
    shape = Architecture(hidden_size=16, layers=1, heads=2, feed_forward=16, vocabulary=300, context=64)
    loaded = create("tiny", shape, ["Opłata wynosi 17 zł."] * 4, seed=1, device=torch.device("cpu"))
    loaded.model.requires_grad_(True)
    result = train_on(loaded, parts(loaded, wanted, 4), FULL, wanted, run)
    assert result.steps == 2
    assert load_finished(run.model, run.path, device="cpu").context == 64


def test_a_run_without_validation(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(max_steps=2)
    loaded = start(tiny_base, LORA, wanted)
    train_only = parts(loaded, wanted) | {"validation": []}
    assert train_on(loaded, train_only, LORA, wanted, run).steps == 2
    assert not [event for event in read_events(run.path) if event["kind"] == "evaluated"]


# Stopped and resumed.


@pytest.mark.parametrize("step", [3, *(pytest.param(step, marks=pytest.mark.slow) for step in (5, 8))])
def test_a_stopped_run_goes_on_to_the_same_bits(
    method: str, finished: Any, tiny_base: Path, run: RunFolder, step: int
) -> None:
    """In the middle of an epoch, at its end, and at a step that writes a checkpoint anyway."""
    error = _interrupt(tiny_base, run, method, step)
    assert f"stopped at step {step} of 9" in error.what
    assert error.mend == f"kamerton train --resume {run.run_id}"
    assert error.exit_code == 130
    assert run.state == "stopped"
    assert _kinds(run)[-1] == "stopped"
    assert not run.model.exists()
    result = train(tiny_base, run, METHODS[method])
    assert _same_as(finished, run, result)
    assert result.attempts == 2
    assert _kinds(run) == ["started", "attempt", "stopped", "resumed", "attempt"]


def test_a_stop_at_the_last_step_is_the_end(tiny_base: Path, run: RunFolder, finished: Any, method: str) -> None:
    result = train(tiny_base, run, METHODS[method], on_progress=_stop_at(run, 9))
    assert _same_as(finished, run, result)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(tiny_base: Path, run: RunFolder, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="stopped at step 2 of 9; a checkpoint is saved"):
        train(
            tiny_base,
            run,
            LORA,
            on_progress=lambda event: os.kill(os.getpid(), number) if event.get("step") == 2 else None,
        )
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000002"]
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_is_not_waited_for(tiny_base: Path, run: RunFolder) -> None:
    def twice(event: dict[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(tiny_base, run, LORA, on_progress=twice)
    assert _kinds(run) == ["started", "attempt"]


def test_a_run_in_a_thread_answers_to_the_stop_file(tiny_base: Path, run: RunFolder) -> None:
    caught: list[Interrupted] = []

    def work() -> None:
        caught.append(_interrupt(tiny_base, run, "lora", 1))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert "stopped at step 1" in caught[0].what


def test_all_steps_are_done_but_the_model_was_not_written(
    method: str, finished: Any, tiny_base: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step is in the middle of an epoch: a trainer that went on would train a step too many."""

    def fail(*args: Any) -> None:
        raise StorageError("no space is left on the disk")

    monkeypatch.setattr(run_module, "save_finished", fail)
    with pytest.raises(StorageError), run.held():
        train_held(tiny_base, run, method)
    assert _kinds(run) == ["started", "attempt", "failed"]
    assert run.state == "failed"
    monkeypatch.undo()
    (run.checkpoints / ".step-00000009.part").mkdir()
    assert _same_as(finished, run, train(tiny_base, run, METHODS[method]))
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-00000008", "step-00000009"]


def train_held(base: Path, run: RunFolder, method: str) -> None:
    wanted = options()
    loaded = start(base, METHODS[method], wanted)
    train_on(loaded, parts(loaded, wanted), METHODS[method], wanted, run)


# Damaged, full, or changed in between.


def test_a_corrupted_newest_checkpoint_is_passed_over_and_told(
    method: str, finished: Any, tiny_base: Path, run: RunFolder
) -> None:
    _interrupt(tiny_base, run, method, 6)
    newest = run.checkpoints / "step-00000006" / "optimizer.safetensors"
    newest.write_bytes(newest.read_bytes()[:-3])
    result = train(tiny_base, run, METHODS[method])
    assert _same_as(finished, run, result)
    events = read_events(run.path)
    assert [event["checkpoint"] for event in events if event["kind"] == "passed_over"] == [
        "step-00000006: damaged: optimizer.safetensors"
    ]
    assert [event["step"] for event in events if event["kind"] == "resumed"] == [4]


def test_one_whole_checkpoint_is_not_pruned_for_a_damaged_newer_one(tiny_base: Path, run: RunFolder) -> None:
    _interrupt(tiny_base, run, "lora", 6, options(keep_checkpoints=2))
    (run.checkpoints / "step-00000006" / "manifest.json").unlink()
    _interrupt(tiny_base, run, "lora", 5, options(keep_checkpoints=1))
    assert [event["step"] for event in read_events(run.path) if event["kind"] == "resumed"] == [4]
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000005"]


def test_without_a_whole_checkpoint_the_run_begins_again(
    tiny_base: Path, run: RunFolder, finished: Any, method: str
) -> None:
    _interrupt(tiny_base, run, method, 3)
    shutil.rmtree(run.checkpoints / "step-00000003" / "weights.safetensors", ignore_errors=True)
    (run.checkpoints / "step-00000003" / "weights.safetensors").unlink()
    assert _same_as(finished, run, train(tiny_base, run, METHODS[method]))
    assert _kinds(run) == ["started", "attempt", "stopped", "passed_over", "started", "attempt"]


def test_a_full_disk_while_saving_keeps_the_checkpoint_before(
    method: str, finished: Any, tiny_base: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = tensors.save_file, []

    def full(*args: Any, **kwargs: Any) -> None:
        written.append(args)
        if len(written) == 4:  # the optimiser's state of the second checkpoint
            raise FULL_DISK
        write(*args, **kwargs)

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(StorageError, match="no space is left on the disk") as caught:
        train(tiny_base, run, METHODS[method])
    assert "step-00000008" in caught.value.where
    assert [path.name for path in run.checkpoints.iterdir()] == ["step-00000004"]
    failed = read_events(run.path)[-1]
    assert (failed["kind"], failed["error"]) == ("failed", "StorageError")
    monkeypatch.undo()
    assert _same_as(finished, run, train(tiny_base, run, METHODS[method]))


def test_a_full_disk_while_writing_the_model(tiny_base: Path, run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write = tensors.save_file

    def full(weights: Any, path: Path, **kwargs: Any) -> None:
        if ".model.part" in str(path):
            raise FULL_DISK
        write(weights, path, **kwargs)

    monkeypatch.setattr(tensors, "save_file", full)
    with pytest.raises(StorageError, match="no space is left on the disk"):
        train(tiny_base, run, LORA, options(max_steps=2))
    assert not run.model.exists()
    monkeypatch.undo()
    assert train(tiny_base, run, LORA, options(max_steps=2)).steps == 2
    assert not list(run.path.glob(".model*"))


def test_a_base_that_was_changed_in_between_is_refused(tiny_base: Path, run: RunFolder, tmp_path: Path) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    _interrupt(base, run, "lora", 3)
    before = folder_digests(run.checkpoints)
    write_tiny_base(base, seed=1)
    with pytest.raises(StorageError, match="the base model has other bytes than when the run began"):
        train(base, run, LORA)
    assert folder_digests(run.checkpoints) == before
    shutil.rmtree(base)
    shutil.copytree(tiny_base, base)
    assert train(base, run, LORA).steps == 9


def _cut(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))


def _change(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"loss": 1.0})
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.parametrize(
    ("damage", "said"), [(_cut, "ends at step 2"), (Path.unlink, "ends at step 0"), (_change, "broken at step 2")]
)
def test_a_trace_that_was_cut_or_changed_is_refused(
    tiny_base: Path, run: RunFolder, damage: Callable[[Path], None], said: str
) -> None:
    _interrupt(tiny_base, run, "lora", 3)
    damage(run.path / "trace.jsonl")
    with pytest.raises(StorageError, match=said):
        train(tiny_base, run, LORA)


def test_the_trace_of_another_run_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    ours, other = new_run(tmp_path, "ours"), new_run(tmp_path, "other")
    _interrupt(tiny_base, ours, "lora", 3)
    _interrupt(tiny_base, other, "lora", 3, options(seed=8))
    shutil.copy(other.path / "trace.jsonl", ours.path / "trace.jsonl")
    with pytest.raises(StorageError, match="not the one that the checkpoint was made with"):
        train(tiny_base, ours, LORA)


def test_what_a_fall_left_unfinished_is_cleared(tiny_base: Path, run: RunFolder) -> None:
    _interrupt(tiny_base, run, "lora", 2)
    shutil.copytree(run.checkpoints / "step-00000002", run.checkpoints / ".step-00000004.part")
    (run.path / ".model.part").mkdir()
    with (run.path / "trace.jsonl").open("ab") as trace:
        trace.write(b'{"step": 3, "los')
    with (run.path / "events.jsonl").open("ab") as events:
        events.write(b'{"kind": "st')
    train(tiny_base, run, LORA)
    assert not [path for path in run.path.rglob("*") if ".part" in path.name]
    assert len(read_trace(run.path)) == 9


def test_an_unresolved_rate_is_never_taken_for_zero(tiny_base: Path, run: RunFolder) -> None:
    with pytest.raises(AssertionError, match="resolved"):
        train(tiny_base, run, LORA, options(learning_rate=None))


def test_a_fault_that_is_not_ours_is_not_hidden(tiny_base: Path, run: RunFolder) -> None:
    def fault(event: dict[str, Any]) -> None:
        raise ZeroDivisionError("a fault of the caller")

    with pytest.raises(ZeroDivisionError):
        train(tiny_base, run, LORA, on_progress=fault)
    assert _kinds(run) == ["started", "attempt"]


def test_the_verdict_of_a_callback_is_told(tiny_base: Path, run: RunFolder) -> None:
    def verdict(event: dict[str, Any]) -> None:
        raise VerdictError("enough")

    with pytest.raises(VerdictError):
        train(tiny_base, run, LORA, on_progress=verdict)
    assert read_events(run.path)[-1]["reason"] == "enough"
