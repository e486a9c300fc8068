"""The validation loss with its standard error, what is surely better, and what early stopping makes of it."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_samples import FULL, LORA, new_run, options, parts, start, train

import kamerton.training.loop as loop_module
import kamerton.training.run as run_module
from kamerton.ground.errors import Interrupted, StorageError
from kamerton.ground.rng import draw
from kamerton.journal import RunFolder, read_events, read_trace
from kamerton.models import tensors
from kamerton.training.objectives import build_objective
from kamerton.training.validation import Best, Measured, measure


def _measured(totals: list[float], units: list[float] | None = None, step: int = 1) -> Measured:
    shares, sums = np.array(units or [1.0] * len(totals)), np.array(totals)
    return Measured(step, float(sums.sum() / shares.sum()), 0.0, sums, shares)


# The standard error.


def test_the_error_is_that_of_a_mean_where_examples_are_alike(tiny_base: Path) -> None:
    """With one unit each the ratio is a mean: its error is the standard deviation over the root of the count."""
    from kamerton.training.network import Network

    wanted = options()
    loaded = start(tiny_base, FULL, wanted)
    objective = build_objective(wanted, loaded)
    objective.units = lambda example: 1  # type: ignore[method-assign]
    found = measure(Network(loaded, wanted.compute), objective, parts(loaded, wanted)["train"], 3)
    assert found.loss == pytest.approx(found.totals.mean())
    assert found.error == pytest.approx(found.totals.std(ddof=1) / math.sqrt(10))


def test_the_error_of_examples_of_unlike_length_is_that_of_a_ratio(tiny_base: Path) -> None:
    """By the jackknife over examples (Efron, 1979), which knows nothing of the formula."""
    from kamerton.training.network import Network

    wanted = options()
    loaded = start(tiny_base, FULL, wanted)
    found = measure(Network(loaded, wanted.compute), build_objective(wanted, loaded), parts(loaded, wanted)["train"], 3)
    assert len(set(found.units)) > 1
    left = [
        (found.totals.sum() - total) / (found.units.sum() - units)
        for total, units in zip(found.totals, found.units, strict=True)
    ]
    jackknife = math.sqrt(9 / 10 * sum((each - np.mean(left)) ** 2 for each in left))
    assert found.error == pytest.approx(jackknife, rel=0.1)


def test_a_single_example_has_no_error(tiny_base: Path) -> None:
    from kamerton.training.network import Network

    wanted = options()
    loaded = start(tiny_base, FULL, wanted)
    examples = parts(loaded, wanted)["validation"][:1]
    found = measure(Network(loaded, wanted.compute), build_objective(wanted, loaded), examples, 3)
    assert math.isnan(found.error)
    assert json.loads(json.dumps(found.document()))["error"] is None
    assert math.isnan(Measured.read(found.document()).error)


# What is surely better.


def test_the_same_gain_on_every_token_is_sure_however_unlike_the_lengths() -> None:
    units = [1.0, 50.0, 3.0, 20.0]
    before = _measured([2.0 * each for each in units], units)
    after = _measured([1.99 * each for each in units], units)
    assert after.better_than(before)
    assert not before.better_than(after)


def test_a_gain_on_one_example_alone_is_luck() -> None:
    before = _measured([1.0] * 10)
    after = _measured([0.0] + [1.0] * 9)
    assert after.loss < before.loss
    assert not after.better_than(before), "0.1 is no more than its own standard error of 0.1"


@given(st.lists(st.floats(0.1, 9.0), min_size=2, max_size=30))
def test_nothing_is_better_than_itself(totals: list[float]) -> None:
    assert not _measured(totals).better_than(_measured(totals))


def test_pure_noise_is_seldom_taken_for_a_gain() -> None:
    """One standard error is passed by one in six by luck; measured on 2,000 pairs without any difference."""
    taken = 0
    for trial in range(2000):
        before, after = ([draw(trial, part, place) for place in range(40)] for part in ("before", "after"))
        taken += _measured(after).better_than(_measured(before))
    assert 0.13 < taken / 2000 < 0.19


def test_waiting_counts_from_the_last_sure_gain_and_the_lowest_is_the_lowest() -> None:
    best = Best()
    spread = [0.0, 0.2] * 10
    losses = [2.0, 1.0, 0.999, 0.998, 0.5]
    lowest, waited = [], []
    for step, loss in enumerate(losses):
        # The noise of each example is its own at each measurement.
        noise = [0.3 * draw(step, place) for place in range(20)]
        totals = [loss + part + own - np.mean(noise) for part, own in zip(spread, noise, strict=True)]
        lowest.append(best.add(_measured(totals, step=step)))
        waited.append(best.waited)
    assert waited == [0, 0, 1, 2, 0]
    assert lowest == [True] * 5, "by luck or not"
    assert best.lowest is not None
    assert best.lowest.step == 4


def test_small_gains_add_up_to_a_sure_one() -> None:
    """Each is held against the last sure one, not against the one before: a slow fall is no standstill."""
    best, waited = Best(), []
    for step in range(12):
        noise = [0.1 * (draw(step, place) - 0.5) for place in range(20)]
        best.add(_measured([3.0 - 0.005 * step + each - np.mean(noise) for each in noise], step=step))
        waited.append(best.waited)
    assert 0 in waited[1:]
    assert max(waited) >= 1


def test_what_is_known_survives_its_document() -> None:
    best = Best()
    for step, loss in enumerate([2.0, 1.0, 1.1]):
        best.add(_measured([loss, loss + 0.01, loss * 1.01], [1.0, 2.0, 3.0], step))
    again = Best.read(json.loads(json.dumps(best.document())))
    assert again.document() == best.document()
    assert (again.waited, again.lowest and again.lowest.step) == (1, 1)


# A run that stops early, and one that finishes with its best weights.

EARLY = {"max_steps": 30, "evaluate_every": 2, "early_stopping": {"patience": 2}, "learning_rate": 1e-12}
"""At a rate of almost nothing no measurement is better than the first one."""
BEST: dict[str, Any] = {"max_steps": 12, "evaluate_every": 1, "finish_with": "best", "checkpoint_every": 4}


def _losses(monkeypatch: pytest.MonkeyPatch, losses: dict[int, float]) -> None:
    """What each validation measures, by step."""

    def measured(network: Any, objective: Any, examples: Any, step: int, *rest: Any) -> Measured:
        return _measured([losses.get(step, 5.0)] * 3, step=step)

    monkeypatch.setattr(loop_module, "measure", measured)


def _stop_at(run: RunFolder, step: int) -> Callable[[dict[str, Any]], None]:
    return lambda event: run.request_stop() if event.get("step") == step and "loss" in event else None


def _kept(run: RunFolder) -> list[int]:
    return sorted(int(path.name[5:]) for path in run.checkpoints.iterdir())


def test_early_stopping_ends_the_run_and_says_so(tiny_base: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    result = train(tiny_base, run, LORA, options(**EARLY))
    assert result.steps == 6, "the first measurement at step 2, then two without a gain"
    assert [event["step"] for event in read_events(run.path) if event["kind"] == "early_stopped"] == [6]
    assert _kept(run) == [4, 6]


def test_a_run_that_was_killed_after_its_early_end_does_not_train_on(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, run = new_run(tmp_path, "whole"), new_run(tmp_path, "killed")
    wanted = train(tiny_base, whole, LORA, options(**EARLY))
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "save_finished", lambda *_: (_ for _ in ()).throw(StorageError("the disk is full")))
        with pytest.raises(StorageError):
            train(tiny_base, run, LORA, options(**EARLY))
    found = train(tiny_base, run, LORA, options(**EARLY))
    assert (found.steps, found.model_sha256, found.trace_head) == (6, wanted.model_sha256, wanted.trace_head)


@pytest.mark.slow
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_a_stopped_run_waits_as_long_as_a_whole_one(tiny_base: Path, tmp_path: Path, step: int) -> None:
    """Between two measurements, at one, and at a checkpoint: what was measured before the stop still counts."""
    run = new_run(tmp_path)
    with pytest.raises(Interrupted):
        train(tiny_base, run, LORA, options(**EARLY), on_progress=_stop_at(run, step))
    assert train(tiny_base, run, LORA, options(**EARLY)).steps == 6


def test_patience_is_spent_at_the_last_step_without_a_word(tiny_base: Path, tmp_path: Path) -> None:
    run = new_run(tmp_path)
    assert train(tiny_base, run, LORA, options(**EARLY | {"max_steps": 6})).steps == 6
    assert "early_stopped" not in [event["kind"] for event in read_events(run.path)]


def test_the_best_checkpoint_is_kept_and_its_weights_are_the_models(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _losses(monkeypatch, {2: 3.0, 3: 1.0, 7: 2.0})
    run = new_run(tmp_path)
    train(tiny_base, run, FULL, options(**BEST | {"keep_checkpoints": 1}))
    assert _kept(run) == [3, 12]
    best = tensors.read_tensors(run.checkpoints / "step-00000003" / "weights.safetensors")
    model = tensors.read_tensors(run.model / "model.safetensors")
    assert all(np.array_equal(model[name], best[name]) for name in model)
    last = tensors.read_tensors(run.checkpoints / "step-00000012" / "weights.safetensors")
    assert not all(np.array_equal(model[name], last[name]) for name in model)


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 3, 5, 11])
def test_a_stopped_run_finishes_with_the_same_best(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    _losses(monkeypatch, {2: 3.0, 3: 1.0, 7: 2.0})
    whole, run = new_run(tmp_path, "whole"), new_run(tmp_path, "stopped")
    wanted = train(tiny_base, whole, LORA, options(**BEST))
    with pytest.raises(Interrupted):
        train(tiny_base, run, LORA, options(**BEST), on_progress=_stop_at(run, step))
    assert train(tiny_base, run, LORA, options(**BEST)).files == wanted.files


def test_the_best_comes_again_where_its_checkpoint_was_lost(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest checkpoint is the best one and is damaged: the run goes back, and measures its best again."""
    _losses(monkeypatch, {2: 3.0, 6: 1.0})
    whole, run = new_run(tmp_path, "whole"), new_run(tmp_path, "damaged")
    wanted = train(tiny_base, whole, LORA, options(**BEST))
    with pytest.raises(Interrupted):
        train(tiny_base, run, LORA, options(**BEST), on_progress=_stop_at(run, 6))
    (run.checkpoints / "step-00000006" / "weights.safetensors").write_bytes(b"")
    assert train(tiny_base, run, LORA, options(**BEST)).files == wanted.files
    assert _kept(run) == [6, 8, 12]


@pytest.mark.parametrize("best", [2, 7])
def test_a_best_checkpoint_that_was_lost_later_is_made_again(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    """What stands after it is of no use without it: the run goes back before it, or to its beginning."""
    _losses(monkeypatch, {2: 3.0, best: 1.0})
    whole, run = new_run(tmp_path, "whole"), new_run(tmp_path, "damaged")
    wanted = train(tiny_base, whole, LORA, options(**BEST))
    with pytest.raises(Interrupted):
        train(tiny_base, run, LORA, options(**BEST), on_progress=_stop_at(run, 9))
    shutil.rmtree(run.checkpoints / f"step-{best:08d}")
    assert train(tiny_base, run, LORA, options(**BEST)).files == wanted.files
    told = [event["checkpoint"] for event in read_events(run.path) if event["kind"] == "passed_over"]
    assert f"step-00000009: the best one before it, step-{best:08d}, is lost (no readable manifest)" in told


# What is kept.


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"keep_checkpoints": 1}, [12]),
        ({"keep_checkpoints": 3}, [8, 10, 12]),
        ({"keep_checkpoints": 1, "keep_every": 4}, [4, 8, 12]),
        ({"keep_checkpoints": 2, "keep_every": 6}, [6, 10, 12]),
        ({"keep_checkpoints": 1, "max_steps": 11}, [11]),
    ],
)
def test_retention(tiny_base: Path, tmp_path: Path, changes: dict[str, Any], kept: list[int]) -> None:
    run = new_run(tmp_path)
    train(tiny_base, run, LORA, options(**{"max_steps": 12, "checkpoint_every": 2} | changes))
    assert _kept(run) == kept


def test_retention_is_that_of_a_whole_run_after_a_stop(tiny_base: Path, tmp_path: Path) -> None:
    changes = {"max_steps": 12, "checkpoint_every": 2, "keep_checkpoints": 1, "keep_every": 4}
    run = new_run(tmp_path)
    with pytest.raises(Interrupted):
        train(tiny_base, run, LORA, options(**changes), on_progress=_stop_at(run, 7))
    assert _kept(run) == [4, 7]
    train(tiny_base, run, LORA, options(**changes))
    assert _kept(run) == [4, 8, 12], "the one of the stop is no regular one"


def test_a_tampered_checkpoint_is_not_gone_on_from(tiny_base: Path, tmp_path: Path) -> None:
    """Its manifest vouches for it, and the trace does not."""
    from kamerton.ground.digests import canonical_json, folder_digests

    run = new_run(tmp_path)
    with pytest.raises(Interrupted):
        train(tiny_base, run, LORA, on_progress=_stop_at(run, 4))
    folder = run.checkpoints / "step-00000004"
    saved = tensors.read_tensors(folder / "weights.safetensors")
    name = next(iter(saved))
    tensors.write_tensors(saved | {name: saved[name] + 1e-7}, folder / "weights.safetensors")
    manifest = folder_digests(folder)
    manifest.pop("manifest.json")
    (folder / "manifest.json").write_text(canonical_json(manifest) + "\n", "utf-8")
    with pytest.raises(StorageError, match="the checkpoint of step 4 holds another state than the trace sealed"):
        train(tiny_base, run, LORA)
    assert len(read_trace(run.path)) == 4
    shutil.rmtree(folder)
    assert train(tiny_base, run, LORA).steps == 9
