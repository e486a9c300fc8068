"""Which of several answers a model prefers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kamerton.data.rows import Row
from kamerton.evaluation.generator import Generator, Judge
from kamerton.ground.errors import RequestError

__all__ = ["leads"]


def leads(model: Generator | Judge, items: Sequence[Row], report: Callable[[str, int, int], None]) -> dict[int, float]:
    """By position of each ranked row: how far its best answer is above the best of the others.

    In the score of a reward model; else in mean log-probability of a token (nats).
    """
    ranked = [index for index, row in enumerate(items) if row.ranked]
    asked = [[*items[index].prompt, answer] for index in ranked for answer in items[index].ranked]
    tools = [items[index].tools for index in ranked for _ in items[index].ranked]
    report("compare answers", 0, len(asked))
    offered = {"tools": tools} if any(tools) else {}
    if isinstance(model, Judge):
        values = model.rewards(asked, **offered)
    else:
        values = [-score.nll / max(score.tokens, 1) for score in model.score(asked, **offered)]
    if len(values) != len(asked):
        raise RequestError(f"{len(values)} scores for {len(asked)} answers", where=f"generator {model.name}")
    report("compare answers", len(asked), len(asked))
    found = {}
    begin = 0
    for index in ranked:
        best, *others = values[begin : begin + len(items[index].ranked)]
        begin += 1 + len(others)
        found[index] = best - max(others)
    return found
