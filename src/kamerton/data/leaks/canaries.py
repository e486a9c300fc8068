"""Leak canaries: leaks that are planted to see how many of them the search finds.

Copies of some items are made into training rows: exact ones, near ones, paraphrases, and rows that are no leaks. They
stand in a shadow copy, never among the rows that a model learns from. As the verdict on a row and an item does not
depend on other training rows, only the planted rows need be searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kamerton.chat.messages import Message
from kamerton.data.leaks.rewording import altered, paraphrased, shuffled_words
from kamerton.data.rows import Row
from kamerton.ground.rng import shuffled, stream_seed
from kamerton.recipe import LeakSection
from kamerton.records.leaks import CanaryResult, CanarySort
from kamerton.stats import wilson_interval

__all__ = ["Search", "canary_results", "planted_leaks"]

Search = Callable[[Sequence[Row]], list[set[int]]]
"""The items that each of some rows holds."""

_SORTS: tuple[CanarySort, ...] = ("exact", "near", "paraphrased", "none")


def canary_results(
    items: Sequence[Row], train: Sequence[Row], options: LeakSection, search: Search, seed: int
) -> list[CanaryResult]:
    """Plant `options.canaries` leaks of each sort (fewer if there are fewer items), and count those found."""
    chosen = [index for index in _order(items, seed) if items[index].question.strip()][: options.canaries]
    results = []
    for sort in _SORTS if chosen else ():
        rows = planted_leaks([items[index] for index in chosen], train, sort, seed)
        found = sum(index in held for index, held in zip(chosen, search(rows), strict=True))
        interval = wilson_interval(found / len(rows), len(rows))
        results.append(
            CanaryResult(
                sort=sort,
                planted=len(rows),
                found=found,
                share=found / len(rows),
                low=interval.low if interval else None,
                high=interval.high if interval else None,
            )
        )
    return results


def planted_leaks(items: Sequence[Row], train: Sequence[Row], sort: CanarySort, seed: int) -> list[Row]:
    """One training row for each item, which leaks it in this way; for `none`, one that does not.

    Every other exact leak stands with its answer inside a training text. A near or paraphrased one is a row with the
    item's question and answer changed.
    """
    rows = []
    for number, item in enumerate(items):
        address = (seed, "canary", sort, item.row_hash)
        host = train[stream_seed(*address, "host") % len(train)] if train else item
        if sort == "exact":
            inside = f"{host.answer}\n{item.question}\n{'' if item.text is not None else item.answer}\n{host.question}"
            rows.append(Row(text=inside, file="canary") if number % 2 else _row(item, item.question, item.answer))
        elif sort == "none":
            rows.append(_row(item, shuffled_words(item.question, host.question, *address), host.answer))
        else:
            change = altered if sort == "near" else paraphrased
            rows.append(_row(item, change(item.question, *address), change(item.answer, *address, "answer")))
    return rows


def _row(like: Row, question: str, answer: str) -> Row:
    """A training row of the same kind that says this."""
    if like.text is not None:
        return Row(text=question, file="canary")
    user: Message = {"role": "user", "content": question}
    assistant: Message = {"role": "assistant", "content": answer}
    return Row(messages=(user, assistant), file="canary")


def _order(items: Sequence[Row], seed: int) -> list[int]:
    return shuffled([item.row_hash for item in items], seed, "canaries")
