"""Each alarm about the course of a run is raised by a history that shows the symptom, and by none just short of it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from monitor_samples import FACTS, checked, falling, healthy, kinds, only, step, steps, wobble

from kamerton.recipe import AlarmsSection
from kamerton.training.monitors.history import Ended, Failed, Paired, Probe, Record


def test_a_healthy_run_raises_nothing() -> None:
    for count in (5, 60, 200, 400):
        assert kinds(healthy(count)) == []
    assert kinds([]) == []
    assert kinds([FACTS, Ended(0)]) == []


def test_an_alarm_is_whole_sentences() -> None:
    alarm = only([step(1, 2.0), step(2, math.nan)])
    assert all([alarm.symptom, alarm.evidence, alarm.cause, alarm.change])
    assert "step 2" in str(alarm)
    assert alarm.document().keys() == {"kind", "step", "severity", "symptom", "evidence", "cause", "change"}


# Not finite.


@pytest.mark.parametrize(("spoilt", "word"), [({"loss": math.nan}, "loss nan"), ({"grad_norm": math.inf}, "gradient")])
def test_a_number_that_is_none_is_told_with_the_last_good_one(spoilt: dict[str, Any], word: str) -> None:
    alarm = only([step(1, 2.0), step(2, **({"loss": 1.5} | spoilt)), step(3, 1.4)])
    assert (alarm.kind, alarm.step, alarm.severity) == ("non_finite", 2, "error")
    assert word in alarm.evidence
    assert "2.000 at step 1" in alarm.evidence


def test_a_run_that_begins_broken_blames_base_and_rows() -> None:
    assert "base" in only([step(1, math.nan)]).cause


# Spikes.


@pytest.mark.parametrize(("loss", "norm", "word"), [(9.0, 1.0, "loss"), (1.2, 30.0, "gradient norm")])
def test_a_value_far_outside_its_window_is_a_spike(loss: float, norm: float, word: str) -> None:
    records = healthy()
    place = next(index for index, record in enumerate(records) if getattr(record, "step", 0) == 151)
    records[place] = step(151, loss, norm)
    alarm = only(records)
    assert (alarm.kind, alarm.step) == ("spike", 151)
    assert alarm.evidence.startswith(word)


def test_early_steps_and_quiet_lines_are_no_spikes() -> None:
    assert "spike" not in kinds([*steps([2.0 + 0.1 * wobble(n) for n in range(1, 60)]), step(60, 9.0)])
    quiet = [2.0 + 1e-4 * wobble(number) for number in range(1, 100)]
    assert "spike" not in kinds([*steps(quiet), step(100, 2.1)])  # 1000 deviations, and of no matter


# Divergence.


@pytest.mark.parametrize(("height", "count", "raised"), [(5.0, 60, True), (2.8, 60, False), (5.0, 20, False)])
def test_a_loss_that_stays_half_above_its_lowest_diverges(height: float, count: int, raised: bool) -> None:
    assert ("divergence" in kinds([*steps([2.0] * 39), *steps([height] * count, 40)])) is raised


def test_noise_on_a_loss_near_zero_is_no_divergence() -> None:
    assert "divergence" not in kinds([*steps([0.01] * 40), *steps([0.05] * 60, 41)])


# Plateau.


def test_a_loss_that_stands_still_while_steps_are_left_is_a_plateau() -> None:
    flat = [FACTS, *steps([2.0 + 0.01 * wobble(number) for number in range(1, 121)])]
    alarm = only(flat)
    assert (alarm.kind, alarm.step) == ("plateau", 100)
    assert "50%" in alarm.evidence.replace("50 %", "50%")


def test_a_slow_fall_and_a_rest_at_the_end_are_none() -> None:
    slow = [3.0 - 0.002 * number + 0.01 * wobble(number) for number in range(1, 150)]
    assert "plateau" not in kinds([FACTS, *steps(slow)])
    rest = [*[falling(number) for number in range(1, 100)], *[1.7] * 100]
    assert "plateau" not in kinds([FACTS, *steps(rest[:190])])


def test_a_noisy_loss_says_nothing_for_sure() -> None:
    noisy = [2.0 + 1.0 * wobble(number) for number in range(1, 121)]
    assert "plateau" not in kinds([FACTS, *steps(noisy)])


def test_validations_without_a_gain_are_a_plateau() -> None:
    records: list[Record] = [FACTS, *steps([3 - 0.01 * number for number in range(1, 81)])]
    records += [checked(20 * number, 2.0, over_lowest=0.001) for number in range(1, 5)]
    assert kinds(records) == ["plateau"]


# Over-fitting.


def _by_heart(*validation: float, error: bool = True) -> list[Record]:
    records: list[Record] = []
    for place, loss in enumerate(validation):
        records += steps([3 - 0.02 * n for n in range(10 * place + 1, 10 * place + 11)], 10 * place + 1)
        lowest = min(validation[:place], default=None)
        records.append(
            checked(10 * place + 10, loss, over_lowest=None if lowest is None or not error else loss - lowest)
        )
    return records


@pytest.mark.parametrize("error", [True, False])
def test_validation_that_rises_twice_while_training_falls_is_over_fitting(error: bool) -> None:
    alarm = only(_by_heart(2.5, 2.1, 2.2, 2.3, error=error))
    assert (alarm.kind, alarm.step) == ("over_fitting", 40)
    assert "2.300 after 2.100 at step 20" in alarm.evidence


@pytest.mark.parametrize("validation", [(2.5, 2.1, 2.2), (2.1, 2.11, 2.11), (2.1, 2.3, 2.0, 2.3), (2.1, 2.2)])
def test_one_rise_or_a_rise_within_the_noise_is_not(validation: tuple[float, ...]) -> None:
    assert "over_fitting" not in kinds(_by_heart(*validation))


def test_validation_that_rises_with_the_training_loss_is_not_over_fitting() -> None:
    records = [*steps([2 + 0.01 * n for n in range(1, 31)]), *_by_heart(2.1, 2.2, 2.3)[10::11]]
    assert "over_fitting" not in kinds(records)


# Learning nothing, or at the wrong rate.


def test_an_end_that_is_no_better_than_the_start_is_under_fitting() -> None:
    records = [*steps([4.0 - 0.01 * wobble(n) for n in range(1, 21)]), checked(20, 4.0, over_start=-0.01), Ended(20)]
    assert kinds(records) == ["under_fitting"]
    records[-2] = checked(20, 3.9, over_start=-0.1)
    assert kinds(records) == []


def test_without_validation_the_quarters_of_the_training_loss_decide() -> None:
    flat = steps([4.0 + 0.1 * wobble(n) for n in range(1, 61)])
    assert kinds([*flat, Ended(60)]) == ["under_fitting"]
    assert kinds(flat) == []  # it may still come
    assert kinds([*steps([4 - 0.02 * n + 0.1 * wobble(n) for n in range(1, 61)]), Ended(60)]) == []


def test_a_gradient_of_zero_is_a_frozen_model() -> None:
    alarm = only([step(1, 4.0, 0.0), step(2, 4.0, 0.0), step(3, 4.0, 0.0)])
    assert (alarm.kind, alarm.severity, alarm.step) == ("frozen", "error", 3)
    assert kinds([step(1, 4.0, 0.0), step(2, 4.0, 0.1), step(3, 4.0, 0.0), step(4, 4.0, 0.0)]) == []
    assert kinds([step(n, 0.0, 0.0) for n in range(1, 9)]) == []  # all is learned


def test_a_loss_that_rises_at_once_is_a_rate_too_high() -> None:
    alarm = only(steps([4.0, 4.1, 3.9, 5.0, 6.0, 6.5, 6.4, 6.6]))
    assert (alarm.kind, alarm.step) == ("rate_too_high", 8)
    assert kinds(steps([4.0, 4.1, 3.9, 4.4, 3.5, 4.6, 4.2, 4.0])) == []


def test_a_first_validation_that_is_worse_than_the_start_is_a_rate_too_high() -> None:
    assert kinds([*steps([4.0] * 5), checked(5, 4.5, over_start=0.4)]) == ["rate_too_high"]
    assert kinds([*steps([4.0] * 5), checked(5, 4.0, over_start=0.015)]) == []


def test_a_short_fall_in_a_straight_line_is_a_rate_too_low() -> None:
    losses = steps([4.0 - 0.002 * n for n in range(1, 61)])
    line = [checked(30, 3.94, over_start=-0.06), checked(60, 3.88, over_start=-0.12)]
    assert "rate_too_low" in kinds([*losses[:30], line[0], *losses[30:], line[1], Ended(60)])
    bend = [checked(30, 3.90, over_start=-0.10), checked(60, 3.88, over_start=-0.12)]
    assert "rate_too_low" not in kinds([*losses[:30], bend[0], *losses[30:], bend[1], Ended(60)])
    assert "rate_too_low" in kinds([*losses, Ended(60)])  # by the training loss alone


# Forgetting.


def _general(change: float) -> Probe:
    return Probe("general", 50, 3.0 + change, 3.0, Paired(change, 0.02), 24)


def test_general_texts_that_are_surely_worse_by_the_margin_are_forgetting() -> None:
    assert kinds([_general(0.2)]) == ["forgetting"]
    assert kinds([_general(0.13)]) == []  # not sure
    assert kinds([_general(-0.5)]) == []
    assert kinds([_general(0.2)], AlarmsSection(forgetting_margin=0.3)) == []
    assert "perplexity +22%" in only([_general(0.2)]).evidence
    assert "perplexity" not in only([_general(800.0)]).evidence  # no float holds it


# Throughput.


@pytest.mark.parametrize(("rate", "raised"), [(300.0, True), (400.0, False)])
def test_less_than_a_third_of_the_tokens_a_second_is_a_drop(rate: float, raised: bool) -> None:
    records = [step(n, falling(n), tokens_per_second=1000.0 if n < 60 else rate) for n in range(1, 90)]
    assert kinds(records) == (["throughput"] if raised else [])


def test_a_few_slow_steps_are_no_drop() -> None:
    records = [step(n, falling(n), tokens_per_second=10.0 if n % 4 == 0 else 1000.0) for n in range(1, 90)]
    assert kinds(records) == []


# Failure.


def test_a_failure_of_the_machine_is_told_and_one_of_the_numbers_only_once() -> None:
    assert kinds([step(1, 2.0), Failed(1, "the disk is full", "StorageError")]) == ["failed"]
    assert kinds([step(1, 2.0), step(2, math.nan), Failed(2, "the loss became nan", "VerdictError")]) == ["non_finite"]


@pytest.mark.parametrize(
    ("start", "change", "kind"), [(-0.4, -0.2, None), (-0.4, 0.1, "rate_too_high"), (-0.4, 0.0, "under_fitting")]
)
def test_a_loss_below_zero_is_judged_by_its_size(start: float, change: float, kind: str | None) -> None:
    """Such as minus a mean reward."""
    records = [replace(FACTS, rewarded=True), step(1, 0.0), checked(1, start + change, over_start=change), Ended(1)]
    assert kinds(records) == ([kind] if kind else [])


def test_a_validation_that_was_nan_at_first_is_passed_over() -> None:
    records: list[Record] = [FACTS, *steps([falling(number) for number in range(1, 61)])]
    losses = [math.nan, 1.0, 1.2, 1.4]
    for number, loss in enumerate(losses):
        over = None if number < 2 else loss - 1.0
        records.insert(len(records) - 3 * (4 - number), checked(46 + 3 * number, loss, over_lowest=over))
    assert "over_fitting" in kinds(records)
