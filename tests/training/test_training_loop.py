"""One step is what the mathematics says, in the order that the seed says; numbers that are not finite stop it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from training_samples import FULL, LORA, METHODS, new_run, options, parts, start, train

from kamerton.ground.digests import folder_digests
from kamerton.ground.errors import VerdictError
from kamerton.journal import RunFolder, read_events, read_trace
from kamerton.models.adapters import trainable_parameters
from kamerton.models.load import LoadedModel
from kamerton.training import loop
from kamerton.training.batches import batch_digest, collate, epoch_order
from kamerton.training.checkpoint import newest_whole
from kamerton.training.run import run_training


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return new_run(tmp_path)


def _nll(loaded: LoadedModel, examples: list[Any]) -> tuple[float, int]:
    """Summed negative log-likelihood and count of the trained tokens, one example at a time, by plain torch."""
    total, count = 0.0, 0
    loaded.model.eval()
    for example in examples:
        with torch.no_grad():
            log_p = loaded.model(torch.tensor([example.ids])).logits[0].double().log_softmax(-1)
        for place, label in enumerate(example.labels[1:]):
            if label != -100:
                total -= float(log_p[place, label])
                count += 1
    return total, count


# The loss.


def test_the_loss_is_a_mean_over_all_trained_tokens_of_the_step(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(max_steps=1, batch_size=4, accumulation=2, warmup_steps=0)
    loaded = start(tiny_base, FULL, wanted)
    examples = parts(loaded, wanted, 8)["train"]
    nll, count = _nll(loaded, examples)
    of_means = sum(_nll(loaded, [example])[0] / _nll(loaded, [example])[1] for example in examples) / 8
    run_training(loaded, parts(loaded, wanted, 8), FULL, wanted, run)
    (step,) = read_trace(run.path)
    assert step.tokens == count
    assert step.loss == pytest.approx(nll / count, rel=1e-6)
    assert step.loss != pytest.approx(of_means, rel=1e-5)


@pytest.mark.parametrize("method", [FULL, LORA.model_copy(update={"dropout": 0.0})], ids=lambda method: method.kind)
def test_neither_loss_nor_gradients_depend_on_the_accumulation(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    seen: list[dict[str, torch.Tensor]] = []
    plain = loop.KamertonTrainer._get_grad_norm

    def listen(self: Any, model: Any, grad_norm: Any = None) -> Any:
        weights = trainable_parameters(self._network)
        seen.append({name: weight.grad.clone() for name, weight in weights.items() if weight.grad is not None})
        return plain(self, model, grad_norm)

    monkeypatch.setattr(loop.KamertonTrainer, "_get_grad_norm", listen)
    traces = []
    for batch_size, accumulation in ((8, 1), (4, 2), (2, 4), (3, 3)):
        wanted = options(max_steps=1, batch_size=batch_size, accumulation=accumulation, max_grad_norm=1e9)
        loaded, run = start(tiny_base, method, wanted), new_run(tmp_path, f"by-{batch_size}")
        run_training(loaded, parts(loaded, wanted, 8), method, wanted, run)
        traces += read_trace(run.path)
    assert len(seen) == 4
    for gradients, step in zip(seen[1:], traces[1:], strict=True):
        assert step.tokens == traces[0].tokens
        assert step.loss == pytest.approx(traces[0].loss, rel=1e-5)
        assert step.grad_norm == pytest.approx(traces[0].grad_norm, rel=1e-5)
        for name, gradient in gradients.items():
            assert torch.allclose(gradient, seen[0][name], rtol=1e-5, atol=1e-7), name
    assert traces[0].grad_norm > 0.01


def test_each_step_tells_its_own_loss(tiny_base: Path, run: RunFolder) -> None:
    """At a rate of almost nothing each step over all examples has the same loss."""
    train(tiny_base, run, FULL, options(max_steps=3, batch_size=5, accumulation=2, learning_rate=1e-12))
    losses = [step.loss for step in read_trace(run.path)]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_the_gradient_norm_is_the_one_before_clipping(tiny_base: Path, tmp_path: Path) -> None:
    norms = []
    for most in (1e9, 1e-3):
        wanted = options(max_steps=1, max_grad_norm=most)
        run = new_run(tmp_path)
        train(tiny_base, run, FULL, wanted)
        norms.append(read_trace(run.path)[0].grad_norm)
    assert norms[0] == norms[1] > 1e-3


def test_validation_is_a_mean_over_all_its_tokens(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(max_steps=2, evaluate_every=2)
    loaded = start(tiny_base, FULL, wanted)
    examples = parts(loaded, wanted)
    run_training(loaded, examples, FULL, wanted, run)
    nll, count = _nll(loaded, examples["validation"])
    (event,) = [event for event in read_events(run.path) if event["kind"] == "evaluated"]
    assert event["step"] == 2
    assert event["loss"] == pytest.approx(nll / count, rel=1e-5)


def test_validation_does_not_touch_the_training(tiny_base: Path, tmp_path: Path) -> None:
    often, never = new_run(tmp_path, "often"), new_run(tmp_path, "never")
    one = train(tiny_base, often, LORA, options(evaluate_every=1))
    two = train(tiny_base, never, LORA, options(evaluate_every=100))
    assert one.model_sha256 == two.model_sha256
    assert one.trace_head == two.trace_head


# The order and the rates.


@pytest.mark.parametrize(("batch_size", "accumulation"), [(2, 1), (3, 2)])
def test_every_step_sees_the_batches_that_the_order_of_its_epoch_names(
    tiny_base: Path, run: RunFolder, batch_size: int, accumulation: int
) -> None:
    wanted = options(batch_size=batch_size, accumulation=accumulation, max_steps=None, epochs=3)
    train(tiny_base, run, LORA, wanted)
    loaded = start(tiny_base, LORA, wanted)
    examples = parts(loaded, wanted)["train"]
    expected = []
    for epoch in range(3):
        order = epoch_order(examples, batch_size, wanted.seed, epoch)
        starts = range(0, len(order), batch_size)
        batches = [collate([examples[i] for i in order[s : s + batch_size]], loaded.pad_id) for s in starts]
        expected += [batch_digest(batches[s : s + accumulation]) for s in range(0, len(batches), accumulation)]
    assert [step.batch for step in read_trace(run.path)] == expected
    assert expected[: len(expected) // 3] != expected[len(expected) // 3 : 2 * len(expected) // 3]


@pytest.mark.parametrize(
    ("changes", "rates"),
    [
        ({"schedule": "constant", "warmup_steps": 0}, [1.0] * 5),
        ({"schedule": "constant", "warmup_steps": 2}, [0.0, 0.5, 1.0, 1.0, 1.0]),
        ({"schedule": "linear", "warmup_steps": 1}, [0.0, 1.0, 0.75, 0.5, 0.25]),
        (
            {"schedule": "cosine", "warmup_steps": 0},
            [(1 + math.cos(math.pi * step / 5)) / 2 for step in range(5)],
        ),
        (
            {"schedule": "cosine", "warmup_steps": 0, "min_rate_share": 0.5},
            [0.5 + 0.5 * (1 + math.cos(math.pi * step / 5)) / 2 for step in range(5)],
        ),
    ],
    ids=str,
)
def test_the_rate_that_a_step_used_is_in_the_trace(
    tiny_base: Path, run: RunFolder, changes: dict[str, Any], rates: list[float]
) -> None:
    train(tiny_base, run, LORA, options(max_steps=5, **changes))
    assert [step.learning_rate for step in read_trace(run.path)] == pytest.approx([1e-2 * rate for rate in rates])


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
        if event["step"] == step and "loss" in event:
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
        run_training(loaded, parts(loaded, wanted), METHODS[method], wanted, run, _poison(loaded, 3))
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
        run_training(loaded, parts(loaded, wanted), LORA, wanted, run, _poison(loaded, 3))
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
        run_training(loaded, parts(loaded, wanted), FULL, wanted, run, keep)
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
        run_training(loaded, parts(loaded, wanted), FULL, wanted, run, _poison(loaded, 3))
    assert newest_whole(run.checkpoints)[0].step == 2  # type: ignore[union-attr]
    assert run.state == "failed"


def test_the_checkpoint_at_a_stop_is_not_rewritten(tiny_base: Path, run: RunFolder) -> None:
    wanted = options(checkpoint_every=3)
    loaded = start(tiny_base, LORA, wanted)
    before: dict[str, str] = {}

    def poison_at_four(event: dict[str, Any]) -> None:
        if event["step"] == 4:
            before.update(folder_digests(run.checkpoints))
            _poison(loaded, 4)(event)

    with pytest.raises(VerdictError):
        run_training(loaded, parts(loaded, wanted), LORA, wanted, run, poison_at_four)
    assert before
    assert folder_digests(run.checkpoints) == before
