"""One step is what the mathematics says, in the order that the seed says; numbers that are not finite stop it."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_samples import FULL, LORA, METHODS, new_run, options, parts, start, train, train_on

from kamerton.ground.digests import folder_digests
from kamerton.ground.errors import VerdictError
from kamerton.journal import RunFolder, read_events, read_trace
from kamerton.models.load import LoadedModel
from kamerton.models.methods import trainable_parameters
from kamerton.training.checkpoint import newest_whole
from kamerton.training.examples import Example
from kamerton.training.order import plan_steps, step_digest
from kamerton.training.schedule import rate_share


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return new_run(tmp_path)


def _nll(loaded: LoadedModel, examples: list[Example]) -> tuple[float, int]:
    """Summed negative log-likelihood and count of the trained tokens, one example at a time, by plain torch."""
    total, count = 0.0, 0
    loaded.model.eval()
    for (sequence,) in (example.sequences for example in examples):
        with torch.no_grad():
            log_p = loaded.model(torch.tensor(sequence.ids[None].tolist())).logits[0].double().log_softmax(-1)
        for place, label in enumerate(sequence.labels[1:].tolist()):
            if label != -100:
                total -= float(log_p[place, label])
                count += 1
    return total, count


# The loss.


@pytest.mark.parametrize("packing", [True, False])
def test_the_loss_is_a_mean_over_all_trained_tokens_of_the_step(tiny_base: Path, run: RunFolder, packing: bool) -> None:
    wanted = options(max_steps=1, batch_size=8, warmup_steps=0, compute={"packing": packing})
    loaded = start(tiny_base, FULL, wanted)
    examples = parts(loaded, wanted, 8)["train"]
    nll, count = _nll(loaded, examples)
    of_means = sum(_nll(loaded, [example])[0] / _nll(loaded, [example])[1] for example in examples) / 8
    train_on(loaded, parts(loaded, wanted, 8), FULL, wanted, run)
    (step,) = read_trace(run.path)
    assert step.tokens == count
    assert step.loss == pytest.approx(nll / count, rel=1e-6)
    assert step.loss != pytest.approx(of_means, rel=1e-5)


@pytest.mark.parametrize("method", [FULL, LORA.model_copy(update={"dropout": 0.0})], ids=lambda method: method.kind)
def test_neither_loss_nor_gradients_depend_on_how_a_step_is_laid_out(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    seen: list[list[torch.Tensor]] = []
    clip = torch.nn.utils.clip_grad_norm_

    def listen(weights: list[torch.nn.Parameter], *rest: Any) -> Any:
        seen.append([weight.grad.clone() for weight in weights if weight.grad is not None])
        return clip(weights, *rest)

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", listen)
    traces = []
    for forward_tokens, packing in ((1000, True), (100, True), (1, True), (1000, False), (70, False)):
        layout = {"forward_tokens": forward_tokens, "packing": packing}
        wanted = options(max_steps=1, batch_size=8, compute=layout)
        loaded, run = start(tiny_base, method, wanted), new_run(tmp_path, f"by-{forward_tokens}")
        train_on(loaded, parts(loaded, wanted, 8), method, wanted, run)
        traces += read_trace(run.path)
    assert len(seen) == 5
    for gradients, step in zip(seen[1:], traces[1:], strict=True):
        assert step.tokens == traces[0].tokens
        assert step.loss == pytest.approx(traces[0].loss, rel=1e-5)
        assert step.grad_norm == pytest.approx(traces[0].grad_norm, rel=1e-5)
        for gradient, first in zip(gradients, seen[0], strict=True):
            assert torch.allclose(gradient, first, rtol=1e-5, atol=1e-7)
    assert traces[0].grad_norm > 0.01


def test_each_step_tells_its_own_loss(tiny_base: Path, run: RunFolder) -> None:
    """At a rate of almost nothing each step over all examples has the same loss."""
    train(tiny_base, run, FULL, options(max_steps=3, batch_size=10, learning_rate=1e-12))
    losses = [step.loss for step in read_trace(run.path)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_the_gradient_norm_is_the_one_before_clipping(tiny_base: Path, tmp_path: Path) -> None:
    norms = []
    for most in (1e9, 1e-3):
        wanted = options(max_steps=1, optimizer={"max_grad_norm": most})
        run = new_run(tmp_path)
        train(tiny_base, run, FULL, wanted)
        norms.append(read_trace(run.path)[0].grad_norm)
    assert norms[0] == norms[1] > 1e-3


def test_validation_is_a_mean_over_all_its_tokens(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(max_steps=2, evaluate_every=2)
    loaded = start(tiny_base, FULL, wanted)
    examples = parts(loaded, wanted)
    train_on(loaded, examples, FULL, wanted, run)
    nll, count = _nll(loaded, examples["validation"])
    (event,) = [event for event in read_events(run.path) if event["kind"] == "evaluated"]
    assert event["step"] == 2
    assert event["loss"] == pytest.approx(nll / count, rel=1e-5)
    assert event["error"] > 0


def test_validation_does_not_touch_the_training(tiny_base: Path, tmp_path: Path) -> None:
    often, never = new_run(tmp_path, "often"), new_run(tmp_path, "never")
    one = train(tiny_base, often, LORA, options(evaluate_every=1))
    two = train(tiny_base, never, LORA, options(evaluate_every=100))
    assert one.model_sha256 == two.model_sha256
    assert one.trace_head == two.trace_head


def test_no_generator_of_a_library_carries_anything_from_step_to_step(tiny_base: Path, tmp_path: Path) -> None:
    """A caller that draws numbers between two steps changes nothing; dropout would show it."""
    quiet, noisy = new_run(tmp_path, "quiet"), new_run(tmp_path, "noisy")

    def draw(event: dict[str, Any]) -> None:
        torch.rand(3), random.random(), np.random.rand(3)

    assert train(tiny_base, quiet, LORA).trace_head == train(tiny_base, noisy, LORA, on_progress=draw).trace_head


def test_dropout_is_drawn_anew_at_each_step(tiny_base: Path, tmp_path: Path) -> None:
    """Without it this run's steps over the same rows would have the same loss, at a rate of almost nothing."""
    run = new_run(tmp_path)
    same = {"max_steps": 3, "batch_size": 10, "learning_rate": 1e-12}
    steady = LORA.model_copy(update={"dropout": 0.5})
    wanted = options(**same)
    loaded = start(tiny_base, steady, wanted)
    with torch.no_grad():  # an adapter that begins as nothing drops nothing
        for name, weight in trainable_parameters(loaded.model).items():
            if "lora_B" in name:
                weight.fill_(0.5)
    train_on(loaded, parts(loaded, wanted), steady, wanted, run)
    assert len({step.loss for step in read_trace(run.path)}) == 3


# The order and the rates.


@pytest.mark.parametrize("packing", [True, False])
def test_every_step_sees_the_examples_that_the_plan_names(tiny_base: Path, run: RunFolder, packing: bool) -> None:
    wanted = options(batch_size=3, max_steps=None, epochs=3.0, compute={"packing": packing})
    train(tiny_base, run, LORA, wanted)
    plan = plan_steps(parts(start(tiny_base, LORA, wanted), wanted)["train"], wanted)
    expected = [step_digest(plan.step(step)) for step in range(1, 13)]
    assert [step.batch for step in read_trace(run.path)] == expected
    assert expected[:4] != expected[4:8] != expected[8:]


def test_the_rate_that_a_step_used_is_in_the_trace(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(max_steps=5, schedule="linear", warmup_steps=2, min_rate_share=0.1)
    train(tiny_base, run, LORA, wanted)
    shares = [rate_share(step, 5, 2, wanted) for step in range(1, 6)]
    assert [step.learning_rate for step in read_trace(run.path)] == [1e-2 * share for share in shares]
    assert len(set(shares)) == 5


def test_each_group_has_the_rate_of_the_step(tiny_base: Path, tmp_path: Path) -> None:
    """LoRA+: the second group learns at a multiple, at each step of the schedule."""
    plus = LORA.model_copy(update={"dropout": 0.0, "plus_ratio": 8.0})
    moved = {}
    for name, method in (("plain", plus.model_copy(update={"plus_ratio": 1.0})), ("plus", plus)):
        wanted = options(max_steps=1, optimizer={"kind": "sgd"}, warmup_steps=0)
        loaded = start(tiny_base, method, wanted)
        before = {key: weight.detach().clone() for key, weight in trainable_parameters(loaded.model).items()}
        train_on(loaded, parts(loaded, wanted), method, wanted, new_run(tmp_path))
        after = trainable_parameters(loaded.model)
        moved[name] = {key: float((after[key].detach() - before[key]).norm()) for key in before if "lora_B" in key}
    assert moved["plus"] == pytest.approx({key: 8 * value for key, value in moved["plain"].items()}, rel=1e-4)


def test_adafactor_moves_an_adapter_at_the_rate_that_is_asked(tiny_base: Path, run: RunFolder) -> None:
    """An adapter begins at 0: at a rate that is a share of each weight it would stay there."""
    wanted = options(max_steps=30, optimizer={"kind": "adafactor"}, schedule="constant", warmup_steps=0)
    loaded = start(tiny_base, LORA, wanted)
    train_on(loaded, parts(loaded, wanted, 2), LORA, wanted, run)
    moved = {key: weight.abs().mean() for key, weight in trainable_parameters(loaded.model).items() if "lora_B" in key}
    assert min(moved.values()) > 1e-2
    losses = [step.loss for step in read_trace(run.path)]
    assert losses[-1] < losses[0] - 0.1


def test_the_journal_tells_each_step_as_the_trace_seals_it(tiny_base: Path, run: RunFolder) -> None:
    told: list[dict[str, Any]] = []
    train(tiny_base, run, LORA, options(max_steps=6), on_progress=told.append)
    steps = [event for event in read_events(run.path) if event["kind"] == "step"]
    for event, sealed in zip(steps, read_trace(run.path), strict=True):
        assert [event[key] for key in ("step", "loss", "grad_norm", "learning_rate")] == [
            sealed.step,
            sealed.loss,
            sealed.grad_norm,
            sealed.learning_rate,
        ]
        assert event["steps"] == 6
        assert event["tokens_per_second"] > 0
    assert [event["step"] for event in told if "loss" in event] == [1, 2, 3, 4, 5, 6]
    assert [event["step"] for event in told if "validation_loss" in event] == [5, 6]
    assert steps[4]["epoch"] == 1.0


# Numbers that are not finite.


def _poison(loaded: LoadedModel, step: int) -> Any:
    """Spoils one weight when a step has ended."""

    def at(event: dict[str, Any]) -> None:
        if event.get("step") == step and "loss" in event:
            with torch.no_grad():
                next(iter(trainable_parameters(loaded.model).values())).view(-1)[0] = math.nan

    return at


def _last_kinds(run: RunFolder) -> list[str]:
    return [event["kind"] for event in read_events(run.path)][-2:]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_step(
    tiny_base: Path, run: RunFolder, method: str
) -> None:
    wanted = options(checkpoint_every=2)
    loaded = start(tiny_base, METHODS[method], wanted)
    with (
        pytest.raises(
            VerdictError, match="the loss became nan at step 4; training stopped before the weights were touched"
        ) as caught,
        run.held(),
    ):
        train_on(loaded, parts(loaded, wanted), METHODS[method], wanted, run, on_progress=_poison(loaded, 3))
    assert caught.value.where == run.run_id
    assert "learning_rate (now 0.01)" in caught.value.mend
    assert "the checkpoint at step 2 is whole" in caught.value.mend
    assert [step.step for step in read_trace(run.path)] == [1, 2, 3]
    assert newest_whole(run.checkpoints)[0].step == 2  # type: ignore[union-attr]
    assert not run.model.exists()
    assert _last_kinds(run) == ["attempt", "failed"]
    assert run.state == "failed"


def test_after_such_a_stop_the_run_can_go_on_from_its_checkpoint(tiny_base: Path, tmp_path: Path) -> None:
    wanted = options(checkpoint_every=2)
    run, whole = new_run(tmp_path, "poisoned"), new_run(tmp_path, "whole")
    loaded = start(tiny_base, LORA, wanted)
    with pytest.raises(VerdictError):
        train_on(loaded, parts(loaded, wanted), LORA, wanted, run, on_progress=_poison(loaded, 3))
    assert train(tiny_base, run, LORA, wanted).model_sha256 == train(tiny_base, whole, LORA, wanted).model_sha256


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(checkpoint_every=1)
    loaded = start(tiny_base, FULL, wanted)
    weights = trainable_parameters(loaded.model)
    kept: dict[str, torch.Tensor] = {}
    done: list[int] = []

    def keep(event: dict[str, Any]) -> None:
        if "loss" in event:
            done.append(event["step"])
            kept.update({name: weight.detach().clone() for name, weight in weights.items()})

    handle = next(iter(weights.values())).register_hook(
        lambda gradient: gradient * math.inf if len(done) == 2 else gradient
    )
    with pytest.raises(VerdictError, match=r"the gradient norm became (nan|inf) at step 3"):
        train_on(loaded, parts(loaded, wanted), FULL, wanted, run, on_progress=keep)
    handle.remove()
    assert done == [1, 2]
    assert all(torch.equal(weight, kept[name]) for name, weight in weights.items())


def test_a_rate_beyond_all_reason_is_stopped(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(warmup_steps=0).model_copy(update={"learning_rate": 9e30})
    with pytest.raises(VerdictError, match=r"became (nan|inf) at step 2") as caught:
        train(tiny_base, run, FULL, wanted)
    assert "no checkpoint was written yet" in caught.value.mend
    assert newest_whole(run.checkpoints) == (None, [])


def test_a_validation_loss_that_is_not_a_number_stops_the_run(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(evaluate_every=3, checkpoint_every=2)
    loaded = start(tiny_base, FULL, wanted)
    with (
        pytest.raises(VerdictError, match=r"the validation loss became nan after step 3; training stopped\n"),
        run.held(),
    ):
        train_on(loaded, parts(loaded, wanted), FULL, wanted, run, on_progress=_poison(loaded, 3))
    assert newest_whole(run.checkpoints)[0].step == 2  # type: ignore[union-attr]
    assert run.state == "failed"


def test_the_checkpoint_at_a_stop_is_not_rewritten(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(checkpoint_every=3)
    loaded = start(tiny_base, LORA, wanted)
    before: dict[str, str] = {}

    def poison_at_four(event: dict[str, Any]) -> None:
        if event.get("step") == 4:
            before.update(folder_digests(run.checkpoints))
            _poison(loaded, 4)(event)

    with pytest.raises(VerdictError):
        train_on(loaded, parts(loaded, wanted), LORA, wanted, run, on_progress=poison_at_four)
    assert before
    assert folder_digests(run.checkpoints) == before
