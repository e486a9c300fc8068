"""A model measured on a set: every item is kept, every metric carries its interval and its n."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from kamerton.chat.answers import label_of
from kamerton.chat.generation import Generation, Score
from kamerton.data.rows import Row
from kamerton.evaluation.few_shot import FewShotGenerator
from kamerton.evaluation.generator import Generator, Judge
from kamerton.evaluation.metrics import METRICS, Metric, Observed
from kamerton.evaluation.preferences import leads
from kamerton.ground.digests import digest, set_digest
from kamerton.ground.errors import DataError, RequestError, VerdictError
from kamerton.recipe import EvaluationSection
from kamerton.records.evaluation import EvaluationRecord, ItemResult, MetricResult
from kamerton.stats import cluster_indices, estimate

__all__ = ["evaluate", "worst_items"]

Progress = Callable[[str, int, int], None]
"""Called with the stage (`generate`, `score`), the items done, and all items."""


def evaluate(
    generator: Generator | Judge,
    items: Sequence[Row],
    options: EvaluationSection,
    *,
    set_name: str,
    clusters: Sequence[int] | None = None,
    contaminated: Sequence[bool] | None = None,
    on_progress: Progress | None = None,
) -> EvaluationRecord:
    """Measure a model on a set.

    The generator gets all items in one call, so that answers do not depend on how the work is cut; it reports its
    own progress within a call. Plain texts have perplexity only. Ranked rows are measured on their best answer, and by
    pair_accuracy; rated ones where the answer is liked, for another is no reference.

    Args:
        clusters: one id an item; items with the same id are not independent. None puts equal items, and those
            of one author-given group, together.
        contaminated: whether each item stands in the training rows; where some do, clean and contaminated items are
            measured apart, too. None where nobody looked.

    Raises:
        DataError: no items, a conversation that does not end with an answer, or nothing that can be measured.
        VerdictError: the model gave a likelihood that is not finite.
    """
    ids = list(clusters) if clusters is not None else _own_clusters(items)
    if len(ids) != len(items):
        raise DataError(f"{len(ids)} cluster ids for {len(items)} items", where=f"set {set_name}")
    if contaminated is not None and len(contaminated) != len(items):
        raise DataError(f"{len(contaminated)} verdicts on leaks for {len(items)} items", where=f"set {set_name}")
    wanted = [index for index, row in enumerate(items) if row.liked is not False]
    chosen = wanted[: options.max_items]
    kept = [items[index] for index in chosen]
    seen = None if contaminated is None else [contaminated[index] for index in chosen]
    if items and not kept:
        raise DataError(
            f"none of the {len(items)} answers is liked, so that none is a reference",
            where=f"set {set_name}",
            expected="conversations, ranked rows, or rated rows of which some are liked",
        )
    _check_items(kept, set_name)
    metrics = _metrics(generator, kept, options, set_name)
    if _need(metrics, "answer"):
        _check_answers(kept, set_name)
    indices, n_clusters = cluster_indices([ids[index] for index in chosen])
    report = on_progress or (lambda stage, done, total: None)
    answers: dict[int, Generation] = {}
    scores: dict[int, Score] = {}
    if not isinstance(generator, Judge):
        answers = _answers(generator, kept, options, report) if _need(metrics, "answer") else {}
        scores = _scores(generator, kept, report) if _need(metrics, "score") else {}
    ahead = leads(generator, kept, report) if _need(metrics, "pair") else {}
    results = []
    for i, row in enumerate(kept):
        observed = Observed(row.answer, answers[i].text if i in answers else None, scores.get(i), ahead.get(i))
        results.append(_item(row, int(indices[i]), observed, answers.get(i), metrics, options))
    return EvaluationRecord(
        model=generator.name,
        set_name=set_name,
        set_fingerprint=set_digest(row.row_hash for row in kept),
        options_digest=digest(options.model_dump(mode="json")),
        label=options.label,
        form=options.form,
        max_new_tokens=options.max_new_tokens,
        confidence=options.confidence,
        resamples=options.resamples,
        seed=options.seed,
        shots_used=generator.shots_used if isinstance(generator, FewShotGenerator) else None,
        left_out=len(items) - len(kept),
        cut_off=sum(not answer.finished for answer in answers.values()),
        n_clusters=n_clusters,
        contaminated=sum(seen) if seen is not None else None,
        metrics={metric.name: _aggregate(metric, results, options) for metric in metrics},
        subsets=_subsets(results, seen, metrics, options),
        items=results,
    )


def _subsets(
    results: Sequence[ItemResult],
    contaminated: Sequence[bool] | None,
    metrics: Sequence[Metric],
    options: EvaluationSection,
) -> dict[Literal["clean", "contaminated"], dict[str, MetricResult]]:
    """The metrics on clean and contaminated items, where there are both."""
    flagged = list(zip(results, contaminated or (), strict=False))
    leaked = [item for item, seen in flagged if seen]
    clean = [item for item, seen in flagged if not seen]
    if not leaked or not clean:
        return {}
    return {
        "clean": {metric.name: _aggregate(metric, clean, options) for metric in metrics},
        "contaminated": {metric.name: _aggregate(metric, leaked, options) for metric in metrics},
    }


def _check_items(items: Sequence[Row], set_name: str) -> None:
    if not items:
        raise DataError("no items to evaluate on", where=f"set {set_name}", expected="at least one item")
    for index, row in enumerate(items):
        where = _place(row, set_name, index)
        turns = row.conversation
        if row.messages is not None and (len(turns) < 2 or turns[-1]["role"] != "assistant"):
            raise DataError(
                "the conversation has no answer to measure",
                where=where,
                expected="a prompt, and an assistant turn at the end",
                mend="kamerton data check FILE names all such rows",
            )


def _check_answers(items: Sequence[Row], set_name: str) -> None:
    for index, row in enumerate(items):
        if row.messages and "tool_calls" in row.conversation[-1]:
            raise DataError(
                "the answer is a call of tools, which no metric compares with what is written",
                where=_place(row, set_name, index),
                expected="items that end with an answer in words, or perplexity alone",
                mend="set evaluation.metrics=[perplexity]",
            )


def _place(row: Row, set_name: str, index: int) -> str:
    return f"{row.file}:{row.line}" if row.file else f"set {set_name}, item {index + 1}"


def _own_clusters(items: Sequence[Row]) -> list[int]:
    ids: dict[tuple[str, str], int] = {}
    keys = [("group", row.group) if row.group else ("row", row.row_hash) for row in items]
    return [ids.setdefault(key, len(ids)) for key in keys]


def _metrics(
    generator: Generator | Judge, items: Sequence[Row], options: EvaluationSection, set_name: str
) -> list[Metric]:
    """The metrics asked for that apply to the set and the model, and pair_accuracy wherever it does."""
    answerable = any(row.messages is not None for row in items)
    pairs = [METRICS["pair_accuracy"]] if any(row.ranked for row in items) else []
    metrics = [METRICS[name] for name in dict.fromkeys(options.metrics)]
    chosen = [metric for metric in metrics if metric.needs == "score" or (answerable and metric.needs == "answer")]
    chosen = pairs if isinstance(generator, Judge) else chosen + pairs
    if isinstance(generator, Judge) and not pairs:
        raise DataError(
            "the model scores answers and writes none",
            where=f"set {set_name}",
            expected="ranked rows: a prompt with two or more answers, the best first",
        )
    if not chosen:
        raise DataError(
            "the set has plain texts, and none of the metrics can be measured on them",
            where=f"set {set_name}",
            expected="perplexity among evaluation.metrics, or conversations",
        )
    return chosen


def _need(metrics: Sequence[Metric], what: str) -> bool:
    return any(metric.needs == what for metric in metrics)


def _answers(
    generator: Generator, items: Sequence[Row], options: EvaluationSection, report: Progress
) -> dict[int, Generation]:
    """Answers by the item's position."""
    asked = [index for index, row in enumerate(items) if row.messages is not None]
    report("generate", 0, len(asked))
    prompts = [items[index].prompt for index in asked]
    answers = generator.generate(prompts, options.max_new_tokens, **_offered([items[index] for index in asked]))
    _check_count(generator, "generate", len(answers), len(asked))
    report("generate", len(asked), len(asked))
    return dict(zip(asked, answers, strict=True))


def _scores(generator: Generator, items: Sequence[Row], report: Progress) -> dict[int, Score]:
    """Likelihoods by the item's position."""
    report("score", 0, len(items))
    talks = [index for index, row in enumerate(items) if row.messages is not None]
    texts = [index for index, row in enumerate(items) if row.text is not None]
    found: dict[int, Score] = {}
    if talks:
        conversations = [items[index].conversation for index in talks]
        scores = generator.score(conversations, **_offered([items[index] for index in talks]))
        _check_count(generator, "score", len(scores), len(talks))
        found |= zip(talks, scores, strict=True)
    if texts:
        scores = generator.score_texts([items[index].answer for index in texts])
        _check_count(generator, "score_texts", len(scores), len(texts))
        found |= zip(texts, scores, strict=True)
    for index, score in found.items():
        _check_score(generator, items[index], index, score)
    report("score", len(items), len(items))
    return found


def _offered(items: Sequence[Row]) -> dict[str, list[str]]:
    """The tools of each item, as an argument that is only there where it says something."""
    tools = [row.tools for row in items]
    return {"tools": tools} if any(tools) else {}


def _check_count(generator: Generator, method: str, got: int, wanted: int) -> None:
    if got != wanted:
        raise RequestError(f"{method} gave {got} results for {wanted} items", where=f"generator {generator.name}")


def _check_score(generator: Generator, row: Row, index: int, score: Score) -> None:
    # exp(700) is the last perplexity that a float holds.
    if not math.isfinite(score.nll) or score.nll > 700 * max(score.tokens, 1):
        raise VerdictError(
            f"the likelihood of an answer is not finite ({score.nll} nats over {score.tokens} tokens)",
            where=f"model {generator.name}, {f'{row.file}:{row.line}' if row.file else f'item {index + 1}'}",
            expected="finite likelihoods: the weights are damaged, or the training diverged",
            mend="kamerton train RECIPE training.learning_rate=... with a lower rate",
        )


def _item(
    row: Row,
    cluster: int,
    observed: Observed,
    answer: Generation | None,
    metrics: Sequence[Metric],
    options: EvaluationSection,
) -> ItemResult:
    score = observed.score
    labelled = options.label is not None and answer is not None
    return ItemResult(
        row_hash=row.row_hash,
        cluster=cluster,
        category=row.category,
        prompt=row.prompt[-1]["content"] if row.prompt else "",
        reference=row.answer,
        prediction=observed.answer,
        finished=answer.finished if answer else None,
        label=label_of(options.label or "", observed.answer or "") if labelled else None,
        reference_label=label_of(options.label or "", row.answer) if labelled else None,
        nll=score.nll if score else None,
        tokens=score.tokens if score else None,
        values={metric.name: metric.per_item(observed, options) for metric in metrics},
    )


def _aggregate(metric: Metric, results: Sequence[ItemResult], options: EvaluationSection) -> MetricResult:
    measured = [item for item in results if item.values[metric.name] is not None]
    clusters = np.array([item.cluster for item in measured], dtype=np.int64)
    found = None
    if measured:
        found = estimate(
            metric.statistic(measured),
            clusters,
            resamples=options.resamples,
            confidence=options.confidence,
            seed=options.seed,
            bounds=metric.bounds,
            share=metric.binary,
        )
    interval = found.interval if found else None
    return MetricResult(
        better=metric.better,
        value=metric.shown(found.value) if found else None,
        low=metric.shown(interval.low) if interval else None,
        high=metric.shown(interval.high) if interval else None,
        method=interval.method if interval else "",
        n_items=len(measured),
        n_clusters=len(np.unique(clusters)),
    )


def worst_items(record: EvaluationRecord, metric: str, n: int) -> list[ItemResult]:
    """The n items with the worst values of a metric, worst first; equal ones in the order of the set.

    Raises:
        RequestError: the record does not have the metric.
    """
    if metric not in record.metrics:
        raise RequestError(
            f"the metric {metric} was not measured",
            where=f"evaluation of {record.model} on {record.set_name}",
            expected=", ".join(record.metrics),
        )
    sign = 1.0 if record.metrics[metric].better == "higher" else -1.0
    measured = [(value, item) for item in record.items if (value := item.values[metric]) is not None]
    return [item for _, item in sorted(measured, key=lambda pair: sign * pair[0])[:n]]
