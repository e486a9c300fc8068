"""Leak canaries: planted in a shadow copy, found as among the training rows, the same for the same seed."""

from __future__ import annotations

import pytest

from kamerton.data.leaks import contamination, planted_leaks
from kamerton.data.leaks.rewording import altered, paraphrased, shuffled_words
from kamerton.data.rows import Row
from kamerton.data.words import normalised
from kamerton.ground.rng import stream_seed
from kamerton.recipe import LeakSection
from kamerton.stats import wilson_interval

POLISH = (
    "Jeżeli otrzymałem pismo z urzędu gminy w sprawie opłaty, to gdzie mogę złożyć wniosek o jej rozłożenie na raty?"
)
ENGLISH = "If I get a letter about the tax on my house, where can I ask for more time to pay it in parts?"
SORTS = ("exact", "near", "paraphrased", "none")


def chat(question: str, answer: str, line: int = 1) -> Row:
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Row(messages=turns, file="t.jsonl", line=line)  # type: ignore[arg-type]


def text(count: int, *address: int | str) -> str:
    return " ".join(f"w{stream_seed(*address, index) % 3000}" for index in range(count))


ITEMS = [chat(f"{text(25, 'q', number)}?", text(20, "a", number), number) for number in range(60)]
TRAIN = [chat(text(25, "tq", number), text(30, "ta", number), number) for number in range(100)]


def test_the_recall_of_each_sort_has_its_interval_and_non_leaks_are_left_alone() -> None:
    results = contamination(TRAIN, ITEMS, LeakSection(canaries=40)).report.canaries
    assert [(each.sort, each.planted) for each in results] == [(sort, 40) for sort in SORTS]
    assert [each.found for each in results][::3] == [40, 0]
    for each in results:
        interval = wilson_interval(each.found / 40, 40)
        assert interval is not None
        assert (each.share, each.low, each.high) == (each.found / 40, interval.low, interval.high)


@pytest.mark.parametrize("sort", SORTS)
def test_planted_rows_are_found_as_they_would_be_among_the_training_rows(sort: str) -> None:
    options = LeakSection(canaries=len(ITEMS))
    result = contamination(TRAIN, ITEMS, options, seed=9)
    canary = next(each for each in result.report.canaries if each.sort == sort)
    planted = planted_leaks(ITEMS, TRAIN, sort, 9)  # type: ignore[arg-type]
    bare = options.model_copy(update={"canaries": 0})
    among = contamination([*TRAIN, *planted], ITEMS, bare)
    held = [{match.line for match in matches} for matches in among.matches]
    assert sum(map(bool, held)) == sum(among.contaminated)
    # Each item's own canary is found there too; the order decides which row half of the exact ones stand in.
    if sort != "exact":
        assert sum(among.contaminated) == canary.found
    else:
        assert all(among.contaminated)
    assert not any(result.contaminated)


def test_training_rows_and_items_are_not_touched() -> None:
    before = [row.row_hash for row in (*TRAIN, *ITEMS)]
    count = len(TRAIN)
    result = contamination(TRAIN, ITEMS, LeakSection())
    assert len(TRAIN) == count
    assert [Row(messages=row.messages).row_hash for row in (*TRAIN, *ITEMS)] == before
    assert result.report.leaking_rows == 0


def test_the_seed_decides_and_few_or_no_items_are_no_trouble() -> None:
    one, again = (planted_leaks(ITEMS, TRAIN, "near", seed) for seed in (1, 1))
    assert one == again
    assert one != planted_leaks(ITEMS, TRAIN, "near", 2)
    few = contamination(TRAIN, ITEMS[:1], LeakSection()).report.canaries
    assert [(each.planted, each.low) for each in few] == [(1, None)] * 4
    assert contamination(TRAIN, ITEMS, LeakSection(canaries=0)).report.canaries == []
    assert contamination([], ITEMS[:3], LeakSection()).report.canaries[0].found == 3
    texts = contamination([Row(text="a b")], [Row(text=text(40, "t"))], LeakSection()).report.canaries
    assert [each.found for each in texts][::3] == [1, 0]


def test_a_near_copy_differs_by_few_words() -> None:
    for seed in range(40):
        copy = normalised(altered(ENGLISH, seed)).split()
        own = normalised(ENGLISH).split()
        assert abs(len(copy) - len(own)) <= 2
        assert len(set(own) - set(copy)) <= 2
    assert len({altered(POLISH, seed) for seed in range(40)}) > 20
    assert any("ż" not in altered(POLISH, seed).lower() for seed in range(40))


@pytest.mark.parametrize(("question", "expected"), [(POLISH, "podanie"), (ENGLISH, "obtain")])
def test_a_paraphrase_says_it_in_other_words_and_another_order(question: str, expected: str) -> None:
    copy = paraphrased(question, 1)
    assert expected in copy
    own, other = normalised(question).split(), normalised(copy).split()
    runs = {tuple(own[at : at + 13]) for at in range(len(own) - 12)}
    assert not runs & {tuple(other[at : at + 13]) for at in range(len(other) - 12)}
    assert paraphrased(question, 1) == copy


@pytest.mark.parametrize("odd", ["", "x", "{}", "{0} {name}", "?", "A, ", ", b", "a. b. c.", "Łódź", "\ud800 x"])
def test_odd_texts_can_be_altered_and_reworded(odd: str) -> None:
    for seed in range(12):
        assert isinstance(altered(odd, seed), str)
        assert isinstance(paraphrased(odd, seed), str)
        assert isinstance(shuffled_words(odd, odd, seed), str)
