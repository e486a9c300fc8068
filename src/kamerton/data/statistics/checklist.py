"""The checklist of the field before training: each question with its answer and the threshold that decides.

The sentences are message ids of the catalogues: `say` marks them. Of their values a float is a share.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kamerton.data.statistics.diversity import Embedder
from kamerton.data.statistics.tokens import TokenLimit
from kamerton.ground.shares import share_text
from kamerton.recipe import CheckSection
from kamerton.recipe.evaluation import EvaluationSection
from kamerton.recipe.gate import GateSection
from kamerton.records.augmentation import AugmentationReport
from kamerton.records.data import DataReport
from kamerton.records.leaks import LeakReport
from kamerton.records.privacy import PrivacyReport
from kamerton.records.statistics import Balance, ChecklistItem, DataStatistics, TokenStatistics

__all__ = ["CheckContext", "checklist"]

State = Literal["passed", "warning", "failed", "unknown"]

_MANY_ALIKE = 0.3
"""Share of rows in clusters of alike rows that is worth a warning."""
_MANY_SET_ASIDE = 0.1
"""Share of readable rows that cleaning may set aside without a warning."""
_COARSE = 0.2
"""Smallest detectable difference that is worth a warning: the test part would miss all but a landslide."""
_UNEVEN = 0.5
"""Evenness of the categories below which there is a warning."""

_GOOD_RECALL = 0.9
"""Recall of planted leaks below which a clean result proves little."""


@dataclass(frozen=True)
class CheckContext:
    """What a check knows beside the rows; of what it does not know it says so."""

    tokens: TokenLimit | None = None
    """None: lengths are told in characters alone."""
    evaluation: EvaluationSection | None = None
    """None: files are checked, and no recipe."""
    gate: GateSection | None = None
    languages: Sequence[str] = ()
    """`data.clean.language`."""
    parted: bool = True
    """Whether the rows were meant to be parted into training, validation and test."""
    privacy: PrivacyReport | None = None
    leaks: LeakReport | None = None
    augmentation: AugmentationReport | None = None
    embed: Embedder | None = None
    embedding_model: str = ""


class _Answers(list[ChecklistItem]):
    """Collects items."""

    def say(self, message: str, *, name: str, state: State, setting: str = "", **values: str | int | float) -> None:
        """An item; its English text has shares as percentages."""
        shown = {key: share_text(value) if isinstance(value, float) else value for key, value in values.items()}
        text = message.format(**shown)
        self.append(ChecklistItem(name=name, state=state, text=text, message=message, values=values, setting=setting))


def checklist(
    report: DataReport, thresholds: CheckSection, context: CheckContext, test_clusters: int
) -> list[ChecklistItem]:
    """The answers, in the order in which they are read.

    Args:
        report: with its statistics; its own checklist and verdict do not count.
        test_clusters: clusters of alike rows in the test part: items that are independent.
    """
    assert report.statistics is not None
    answers = _Answers()
    _reading(answers, report, thresholds)
    _sizes(answers, report.splits, thresholds, parted=context.parted)
    _detectable(answers, test_clusters, context)
    _plan(answers, context)
    _language(answers, report, context)
    _repeats(answers, report)
    _balance(answers, report.statistics.balance, thresholds)
    _noise(answers, report.statistics, thresholds)
    _tokens(answers, report.statistics, thresholds)
    _leaks(answers, report.leaks, thresholds)
    _privacy(answers, report, thresholds)
    return answers


def _reading(answers: _Answers, report: DataReport, thresholds: CheckSection) -> None:
    for source in report.sources:
        if not source.rows_ok:
            answers.say("{file}: no row could be read", name="readable", state="failed", file=source.file)
    bad = report.rows_read - report.rows_ok
    share = bad / report.rows_read if report.rows_read else 0.0
    answers.say(
        "{bad} of {rows} rows ({share}) could not be read",
        name="readable",
        state="failed" if share > thresholds.max_bad_rows else "warning" if bad else "passed",
        setting=f"data.check.max_bad_rows allows {share_text(thresholds.max_bad_rows)}",
        bad=bad,
        rows=report.rows_read,
        share=share,
    )
    if report.cleaning is not None:
        aside = report.cleaning.rows_set_aside
        answers.say(
            "cleaning set {aside} of {rows} rows aside",
            name="set_aside",
            state="warning" if aside > _MANY_SET_ASIDE * report.cleaning.rows else "passed",
            aside=aside,
            rows=report.cleaning.rows,
        )


def _sizes(answers: _Answers, splits: Mapping[str, int], thresholds: CheckSection, *, parted: bool) -> None:
    def state(part: str, least: int) -> State:
        if splits[part] < least:
            return "failed"
        return "passed" if splits[part] else "warning"

    rows, least = splits["train"], thresholds.min_train_rows
    setting = f"data.check.min_train_rows is {least}"
    answers.say(
        "the train part has {rows} rows", name="train_rows", state=state("train", least), setting=setting, rows=rows
    )
    if not parted and not splits["validation"] and not splits["test"]:
        answers.say("the rows were not parted: a recipe or kamerton data split does it", name="parts", state="unknown")
        return
    rows, least = splits["validation"], thresholds.min_validation_rows
    setting = f"data.check.min_validation_rows is {least}"
    answers.say(
        "the validation part has {rows} rows",
        name="validation_rows",
        state=state("validation", least),
        setting=setting,
        rows=rows,
    )
    rows, least = splits["test"], thresholds.min_test_rows
    setting = f"data.check.min_test_rows is {least}"
    answers.say(
        "the test part has {rows} rows", name="test_rows", state=state("test", least), setting=setting, rows=rows
    )


def _detectable(answers: _Answers, items: int, context: CheckContext) -> None:
    """Worst case: two models that are each right half of the time, independently of each other, so that the difference
    of an item has the variance 1/4 + 1/4."""
    from kamerton.stats import minimum_detectable_effect

    if not items:
        return
    gate = context.gate or GateSection()
    effect = minimum_detectable_effect(math.sqrt(0.5 / items), alpha=gate.alpha, power=gate.power)
    assert effect is not None
    if effect > 1.0:
        answers.say(
            "{items} independent test items: no difference between two models could be proven",
            name="test_power",
            state="warning",
            items=items,
        )
        return
    answers.say(
        "{items} independent test items show a difference of {effect} or more between two models with a power of"
        " {power}, however little their answers have in common",
        name="test_power",
        state="warning" if effect > _COARSE else "passed",
        items=items,
        effect=effect,
        power=gate.power,
    )


def _plan(answers: _Answers, context: CheckContext) -> None:
    plan = context.evaluation
    if plan is None:
        answers.say("no recipe names metrics, baselines and a gate", name="plan", state="unknown")
        return
    answers.say("metrics: {metrics}", name="metrics", state="passed", metrics=", ".join(plan.metrics))
    if plan.baselines:
        answers.say("baselines: {baselines}", name="baselines", state="passed", baselines=", ".join(plan.baselines))
    else:
        answers.say("no baseline to compare with", name="baselines", state="warning")
    if context.gate is None:
        answers.say("no gate says when a model may be promoted", name="gate", state="unknown")
        return
    metric, beaten = context.gate.primary.metric, context.gate.primary.better_than
    if metric not in plan.metrics:
        answers.say(
            "the gate asks for {metric}, which is not measured",
            name="gate",
            state="failed",
            setting=f"gate.primary.metric is {metric}",
            metric=metric,
        )
        return
    answers.say(
        "the gate asks for a better {metric} than {beaten}",
        name="gate",
        state="passed",
        metric=metric,
        beaten=", ".join(beaten),
    )


def _language(answers: _Answers, report: DataReport, context: CheckContext) -> None:
    wanted = ", ".join(context.languages)
    if not wanted:
        answers.say("no language is asked for: data.clean.language", name="language", state="unknown")
        return
    step = next((step for step in report.cleaning.steps if step.name == "language"), None) if report.cleaning else None
    if step is None:
        answers.say("nobody looked for the language", name="language", state="unknown")
        return
    answers.say(
        "{other} of {rows} rows are in another language than {wanted}",
        name="language",
        state="warning" if step.found > _MANY_SET_ASIDE * step.looked_at else "passed",
        setting=f"data.clean.language is [{wanted}]",
        other=step.found,
        rows=step.looked_at,
        wanted=wanted,
    )


def _repeats(answers: _Answers, report: DataReport) -> None:
    clusters = report.duplicate_clusters
    share = clusters.near_rows / report.rows_used if report.rows_used else 0.0
    answers.say(
        "{equal} rows are equal to another one, {alike} ({share}) are alike or of one group",
        name="duplicates",
        state="warning" if share > _MANY_ALIKE else "passed",
        equal=clusters.exact_rows,
        alike=clusters.near_rows,
        share=min(share, 1.0),
    )


def _balance(answers: _Answers, balance: Sequence[Balance], thresholds: CheckSection) -> None:
    by_category = {found.part: found for found in balance if found.by == "category"}
    train = by_category.get("train")
    least = thresholds.min_category_rows
    if train is None:
        if least:
            answers.say(
                "no training row has a category",
                name="category_rows",
                state="failed",
                setting=f"data.check.min_category_rows is {least}",
            )
        return
    named = {name: rows for name, rows in train.counts.items() if name} or train.counts
    smallest, rows = min(named.items(), key=lambda pair: (pair[1], pair[0]))
    answers.say(
        "the smallest category, {category}, has {rows} training rows",
        name="category_rows",
        state="failed" if rows < least else "passed",
        setting=f"data.check.min_category_rows is {least}",
        category=smallest or '""',
        rows=rows,
    )
    uneven = train.evenness is not None and train.evenness < _UNEVEN
    answers.say(
        "{categories} categories are as uneven as {effective} equal ones",
        name="balance",
        state="warning" if uneven else "passed",
        categories=len(train.counts),
        effective=f"{train.effective:.1f}",
    )
    test = by_category.get("test")
    if test is not None and (missing := sorted(set(named) - set(test.counts))):
        answers.say(
            "the test part has no row of: {categories}",
            name="test_categories",
            state="warning",
            categories=", ".join(name or '""' for name in missing[:10]) + (" ..." if len(missing) > 10 else ""),
        )


def _noise(answers: _Answers, statistics: DataStatistics, thresholds: CheckSection) -> None:
    noise, most = statistics.noise, thresholds.max_label_noise
    if noise.share is None:
        return
    failed = most is not None and noise.share > most
    answers.say(
        "{equal} rows ({share}) ask what another row answers differently, {near} more ask nearly that",
        name="label_noise",
        state="failed" if failed else "warning" if noise.equal_rows else "passed",
        setting="" if most is None else f"data.check.max_label_noise allows {share_text(most)}",
        equal=noise.equal_rows,
        share=noise.share,
        near=noise.near_rows,
    )


def _tokens(answers: _Answers, statistics: DataStatistics, thresholds: CheckSection) -> None:
    tokens = statistics.tokens
    if tokens is None:
        answers.say("no model was given, so that nobody counted tokens", name="length", state="unknown")
        return
    if tokens.refused:
        answers.say(
            "the chat template refuses {refused} training rows", name="template", state="failed", refused=tokens.refused
        )
    if tokens.max_length is not None and tokens.rows:
        _cut(answers, tokens, tokens.max_length, thresholds)


def _cut(answers: _Answers, tokens: TokenStatistics, length: int, thresholds: CheckSection) -> None:
    def state(count: int, most: float) -> State:
        return "failed" if count / tokens.rows > most else "warning" if count else "passed"

    answers.say(
        "{count} of {rows} training rows ({share}) are cut at {length} tokens",
        name="truncated",
        state=state(tokens.truncated, thresholds.max_truncated),
        setting=f"data.check.max_truncated allows {share_text(thresholds.max_truncated)}",
        count=tokens.truncated,
        rows=tokens.rows,
        share=tokens.truncated / tokens.rows,
        length=length,
    )
    answers.say(
        "{count} of {rows} training rows ({share}) have nothing left to learn within {length} tokens",
        name="masked",
        state=state(tokens.masked, thresholds.max_masked),
        setting=f"data.check.max_masked allows {share_text(thresholds.max_masked)}",
        count=tokens.masked,
        rows=tokens.rows,
        share=tokens.masked / tokens.rows,
        length=length,
    )


def _leaks(answers: _Answers, leaks: LeakReport | None, thresholds: CheckSection) -> None:
    if leaks is None:
        answers.say("nobody looked for test items in the training rows", name="leaks", state="unknown")
        return
    most, least = thresholds.max_contaminated, thresholds.min_canary_recall
    for found in leaks.sets:
        answers.say(
            "{set}: {contaminated} of {items} items ({share}) stand in the training rows",
            name="leaks",
            state="failed" if found.counted > most * found.items else "warning" if found.contaminated else "passed",
            setting=f"data.check.max_contaminated allows {share_text(most)}",
            contaminated=found.contaminated,
            items=found.items,
            set=found.name,
            share=found.share,
        )
    for found in leaks.sets:
        planted = [canary for canary in found.canaries if canary.sort in ("exact", "near") and canary.planted]
        if not planted:
            continue
        total = sum(canary.planted for canary in planted)
        recall = sum(canary.found for canary in planted) / total
        answers.say(
            "{set}: the detector finds {recall} of {planted} planted exact and near leaks",
            name="canaries",
            state="failed" if recall < least else "passed" if recall > _GOOD_RECALL else "warning",
            setting=f"data.check.min_canary_recall is {share_text(least)}",
            recall=recall,
            planted=total,
            set=found.name,
        )


def _privacy(answers: _Answers, report: DataReport, thresholds: CheckSection) -> None:
    privacy, most = report.privacy, thresholds.max_private_rows
    if privacy is None or privacy.action == "off":
        answers.say("nobody looked for personal data", name="privacy", state="unknown")
        return
    share = privacy.rows_private / privacy.rows if privacy.rows else 0.0
    failed = most is not None and share > most
    answers.say(
        "{private} of {rows} rows ({share}) hold personal data or secrets",
        name="privacy",
        state="failed" if failed else "warning" if privacy.rows_private else "passed",
        setting="" if most is None else f"data.check.max_private_rows allows {share_text(most)}",
        private=privacy.rows_private,
        rows=privacy.rows,
        share=share,
    )
