"""Each rule fires on a journal that shows the illness, and on a healthy one none does."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kamerton.training.diagnosis import Issue, diagnose


def _step(step: int, loss: float, grad_norm: float = 1.0) -> dict[str, Any]:
    return {"kind": "step", "step": step, "loss": loss, "grad_norm": grad_norm, "learning_rate": 1e-3}


def _wobble(step: int) -> float:
    return 0.05 * math.sin(12.9898 * step)


def _healthy(steps: int = 200) -> list[dict[str, Any]]:
    losses = [1 + 3 * math.exp(-step / 60) + _wobble(step) for step in range(1, steps + 1)]
    events = [_step(number, loss, 1 + _wobble(number)) for number, loss in enumerate(losses, start=1)]
    checks = [
        {"kind": "evaluated", "step": step, "loss": 1.1 + 3 * math.exp(-step / 60)} for step in range(50, steps + 1, 50)
    ]
    return [{"kind": "started", "steps": steps}, *events, *checks, {"kind": "finished", "model_sha256": "0"}]


def _kinds(events: list[dict[str, Any]]) -> list[str]:
    return [issue.kind for issue in diagnose(events)]


def test_a_healthy_run_has_no_issue() -> None:
    assert diagnose(_healthy()) == []
    assert diagnose([]) == []
    assert diagnose([{"kind": "started", "steps": 3}]) == []


def test_issues_are_sentences() -> None:
    events = [*_healthy(30), *(_step(30 + number, 9.0) for number in range(1, 40))]
    for issue in diagnose(events):
        assert isinstance(issue, Issue)
        assert all([issue.evidence, issue.cause, issue.change])


# Divergence.


def _diverging(height: float, steps: int) -> list[dict[str, Any]]:
    return [_step(number, 2.0) for number in range(1, 40)] + [_step(39 + number, height) for number in range(1, steps)]


def test_a_loss_that_stays_half_above_its_best_diverges() -> None:
    (issue,) = diagnose(_diverging(5.0, 60))
    assert issue.kind == "divergence"
    assert 39 + 20 <= issue.step <= 39 + 30
    assert "best 2.000" in issue.evidence
    assert "learning_rate" in issue.change


@pytest.mark.parametrize(("height", "steps"), [(2.8, 60), (5.0, 20)], ids=["not high enough", "not long enough"])
def test_a_loss_that_is_a_little_or_shortly_above_its_best_does_not(height: float, steps: int) -> None:
    assert "divergence" not in _kinds(_diverging(height, steps))


# Spikes.


@pytest.mark.parametrize(("loss", "norm", "word"), [(9.0, 1.0, "loss"), (1.2, 30.0, "grad_norm")])
def test_a_value_far_outside_its_window_is_a_spike(loss: float, norm: float, word: str) -> None:
    events = _healthy()
    events[150] = _step(150, loss, norm)
    (issue,) = diagnose(events)
    assert (issue.kind, issue.step) == ("spike", 150)
    assert issue.evidence.startswith(word)


def test_early_steps_and_flat_lines_are_no_spikes() -> None:
    events = _healthy()
    events[40] = _step(40, 6.0)
    assert "spike" not in _kinds(events)
    assert _kinds([_step(number, 2.0) for number in range(1, 100)]) == []


# Over-fitting.


def _check(step: int, loss: float) -> dict[str, Any]:
    return {"kind": "evaluated", "step": step, "loss": loss}


def _learning_by_heart(*validation: float) -> list[dict[str, Any]]:
    steps = [_step(number, 3 - 0.02 * number) for number in range(1, 10 * len(validation) + 1)]
    return steps + [_check(10 * number, loss) for number, loss in enumerate(validation, start=1)]


def test_validation_that_rises_twice_while_training_falls_is_over_fitting() -> None:
    (issue,) = diagnose(_learning_by_heart(2.5, 2.1, 2.2, 2.3))
    assert (issue.kind, issue.step) == ("over_fitting", 20)
    assert "2.100, 2.200, 2.300" in issue.evidence


@pytest.mark.parametrize("validation", [(2.5, 2.1, 2.2), (2.1, 2.2, 2.2), (2.1, 2.3, 2.2), (2.1, 2.2)])
def test_one_rise_or_a_standstill_is_not(validation: tuple[float, ...]) -> None:
    assert diagnose(_learning_by_heart(*validation)) == []


def test_validation_that_rises_with_the_training_loss_is_not_over_fitting() -> None:
    steps = [_step(number, 2 + 0.01 * number) for number in range(1, 31)]
    assert diagnose([*steps, _check(10, 2.1), _check(20, 2.2), _check(30, 2.3)]) == []


# Failure and resumption.


def test_numbers_that_were_not_finite_blame_the_training() -> None:
    failed = {"kind": "failed", "reason": "the loss became nan at step 4", "error": "VerdictError"}
    (issue,) = diagnose([{"kind": "started"}, _step(3, 2.0), failed, {"kind": "attempt", "seconds": 1.0}])
    assert (issue.kind, issue.step, issue.evidence) == ("failed", 3, "the loss became nan at step 4")
    assert "learning_rate" in issue.change


def test_a_full_disk_does_not_blame_the_training() -> None:
    failed = {"kind": "failed", "reason": "no space is left on the disk", "error": "StorageError"}
    (issue,) = diagnose([{"kind": "started"}, failed])
    assert (issue.kind, issue.step) == ("failed", 0)
    assert "rate" not in issue.cause + issue.change
    assert "--resume" in issue.change


def test_a_failure_that_was_got_over_is_past() -> None:
    failed = {"kind": "failed", "reason": "no space is left on the disk", "error": "StorageError"}
    assert diagnose([{"kind": "started"}, failed, {"kind": "resumed", "step": 0}, _step(1, 2.0)]) == []


def test_steps_that_were_repeated_count_once() -> None:
    """Killed after step 30, resumed from step 20: what the journal says of 21 to 30 the first time is void."""
    events = [{"kind": "started"}, *_learning_by_heart(2.1, 2.2, 9.9), {"kind": "resumed", "step": 20}]
    again = [_step(number, 3 - 0.02 * number) for number in range(21, 31)]
    assert diagnose([*events, *again, _check(30, 2.0)]) == []
    assert [issue.kind for issue in diagnose([*events, *again, _check(30, 2.3)])] == ["over_fitting"]
    fresh = [*events, {"kind": "started"}, *again]
    assert diagnose(fresh) == []
