"""Make new training rows: the question in other words, the answer as it was.

Only training rows are augmented, after the split: variants of one example can never stand on both sides. A new row is
refused when it says nothing new, when it lost what it was asked to keep, and when it is alike a row of the validation
or test part; every refusal is a finding.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kamerton.chat.messages import Message
from kamerton.data.augment.noise import with_noise
from kamerton.data.augment.phrases import PhraseTable
from kamerton.data.augment.quality import fault_of
from kamerton.data.augment.rewriting import Rewriter, rewrite
from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.rows import Row
from kamerton.ground.errors import RecipeError
from kamerton.ground.rng import draw, stream_seed
from kamerton.recipe import Augmentation, BackTranslation, Noise, Paraphrase, Substitution, Templates
from kamerton.records.augmentation import AugmentationExample, AugmentationReport, AugmentationStep
from kamerton.records.data import Finding

__all__ = ["AugmentResult", "Rewriter", "augment"]

_EXAMPLES = 5
_CLIPPED = 200

_REFUSALS = {
    "unchanged": "the new question is the old one",
    "empty": "the new question is empty",
    "length": "the new question is far shorter or longer than the old one",
    "numbers": "the new question has other numbers than the old one",
    "duplicate": "another row says the same already",
    "held_out": "the new question is alike a row of the validation or test part",
}


@dataclass(frozen=True)
class AugmentResult:
    """The new rows alone, and a finding for each that was refused."""

    rows: list[Row]
    findings: list[Finding]
    report: AugmentationReport


@dataclass(frozen=True)
class _Attempt:
    """A new question for a row, not yet judged."""

    step: int
    row: Row
    text: str


def augment(
    train: Sequence[Row],
    held_out: Sequence[Row],
    steps: Sequence[Augmentation],
    *,
    seed: int,
    similarity: float,
    root: Path = Path("."),
    open_rewriter: Callable[[str], Rewriter] | None = None,
) -> AugmentResult:
    """New rows made from the training rows by each step.

    Which rows a step takes, and what the steps without a model make of them, is a function of the seed, the step and
    the row.

    Args:
        held_out: rows of validation and test; nothing alike them may be made.
        similarity: `data.split.similarity`.
        root: folder that tables are relative to.
        open_rewriter: gives the model of a MODEL for `paraphrase` and `back_translation`; opened once a model.

    Raises:
        RecipeError: a template without `{prompt}`.
        DataError: a table of phrases that cannot be read.
        ServerAwayError: the endpoint of a model does not answer.
    """
    rewriters: dict[str, Rewriter] = {}

    def rewriter(model: str) -> Rewriter:
        assert open_rewriter is not None, "a step with a model needs a way to open it"
        if model not in rewriters:
            rewriters[model] = open_rewriter(model)
        return rewriters[model]

    attempts: list[_Attempt] = []
    chosen: list[int] = []
    for number, step in enumerate(steps):
        rows = [row for row in train if draw("augment", seed, number, row.row_hash) < step.share]
        chosen.append(len(rows))
        texts = _texts(number, step, rows, seed, root, rewriter)
        attempts += [_Attempt(number, row, text) for row, copies in zip(rows, texts, strict=True) for text in copies]
    return _judged(attempts, chosen, train, held_out, steps, similarity)


def _texts(
    number: int,
    step: Augmentation,
    rows: Sequence[Row],
    seed: int,
    root: Path,
    rewriter: Callable[[str], Rewriter],
) -> list[list[str]]:
    """For each row as many new questions as the step makes copies."""
    if isinstance(step, Paraphrase | BackTranslation):
        return rewrite([_question(row) for row in rows], step, rewriter(step.model))
    change = _change(step, root)
    return [
        [
            change(_question(row), random.Random(stream_seed("augment", seed, number, row.row_hash, copy)))
            for copy in range(step.copies)
        ]
        for row in rows
    ]


def _change(step: Templates | Noise | Substitution, root: Path) -> Callable[[str, random.Random], str]:
    if isinstance(step, Noise):
        return lambda text, chance: with_noise(text, step.faults, step.rate, chance)
    if isinstance(step, Substitution):
        return PhraseTable.read(root / step.table).replaced
    for template in step.templates:
        if "{prompt}" not in template:
            raise RecipeError(
                "the template has no place for the question",
                where=f"data.augment: {template!r}",
                expected="{prompt} in the text",
            )
    return partial(_dressed, step.templates)


def _dressed(templates: Sequence[str], text: str, chance: random.Random) -> str:
    return chance.choice(templates).replace("{prompt}", text)


def _question(row: Row) -> str:
    """What is rewritten: the last turn of the user, or the text."""
    return row.text if row.text is not None else row.prompt[_asked(row)]["content"]


def _asked(row: Row) -> int:
    """The place of the user's last turn."""
    return max((place for place, turn in enumerate(row.prompt) if turn["role"] == "user"), default=0)


def _with_question(row: Row, text: str) -> Row:
    if row.text is not None:
        return replace(row, text=text, augmented_from=row.row_hash)
    messages: list[Message] = list(row.messages or ())
    place = _asked(row)
    messages[place] = {**messages[place], "content": text}
    return replace(row, messages=tuple(messages), augmented_from=row.row_hash)


def _judged(
    attempts: Sequence[_Attempt],
    chosen: Sequence[int],
    train: Sequence[Row],
    held_out: Sequence[Row],
    steps: Sequence[Augmentation],
    similarity: float,
) -> AugmentResult:
    known = {(row.question, row.answer) for row in train}
    new = [_with_question(attempt.row, attempt.text) for attempt in attempts]
    clusters = near_duplicate_clusters([*held_out, *new], similarity) if new else []
    forbidden = set(clusters[: len(held_out)])
    kept: list[Row] = []
    findings: list[Finding] = []
    made: list[list[tuple[Row, Row]]] = [[] for _ in steps]
    refused: list[Counter[str]] = [Counter() for _ in steps]
    for attempt, row, cluster in zip(attempts, new, clusters[len(held_out) :], strict=True):
        step = steps[attempt.step]
        fault = fault_of(_question(attempt.row), attempt.text, rewritten=isinstance(step, Paraphrase | BackTranslation))
        if fault is None and (row.question, row.answer) in known:
            fault = "duplicate"
        if fault is None and cluster in forbidden:
            fault = "held_out"
        if fault is not None:
            refused[attempt.step][fault] += 1
            said = f"data.augment step {attempt.step + 1} ({step.kind}): {_REFUSALS[fault]}; not added"
            findings.append(
                Finding(file=row.file, line=row.line, kind=f"augmented_{fault}", message=said, severity="warning")
            )
            continue
        known.add((row.question, row.answer))
        kept.append(row)
        made[attempt.step].append((attempt.row, row))
    report = AugmentationReport(
        steps=[
            AugmentationStep(
                kind=step.kind,
                rows=chosen[number],
                made=len(made[number]),
                refused=dict(sorted(refused[number].items())),
                examples=[_example(before, after) for before, after in made[number][:_EXAMPLES]],
            )
            for number, step in enumerate(steps)
        ],
        made=len(kept),
    )
    return AugmentResult(kept, findings, report)


def _example(before: Row, after: Row) -> AugmentationExample:
    return AugmentationExample(
        file=before.file, line=before.line, before=_clipped(_question(before)), after=_clipped(_question(after))
    )


def _clipped(text: str) -> str:
    return text if len(text) <= _CLIPPED else text[: _CLIPPED - 3] + "..."
