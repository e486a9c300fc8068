"""How often a row is seen: temperature, balance and replay keep to their formulas; what may not be seen is left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from kamerton.data.rows import Row
from kamerton.data.weights import balanced_sample, replay_set, replayable, row_weights
from kamerton.ground.errors import DataError
from kamerton.recipe import BalanceSection, MixSection
from kamerton.recipe.mix import Replay

PLAIN = BalanceSection()
OLD = replay_set("letters@first")


def row(number: int, **fields: Any) -> Row:
    return Row(text=f"wiersz {number}", file="rows.jsonl", line=number + 1, **fields)


def mix(ratio: float | None = None, **fields: Any) -> MixSection:
    return MixSection(replay=[Replay(source="letters@first", ratio=ratio)] if ratio else [], **fields)


def mass(weights: list[float], names: list[str]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for weight, name in zip(weights, names, strict=True):
        found[name] += weight
    return found


def weigh(
    sets: list[str],
    weights: Mapping[str, float | None] | None = None,
    *,
    how: MixSection | None = None,
    balance: BalanceSection = PLAIN,
    categories: list[str] | None = None,
) -> list[float]:
    names = categories or [""] * len(sets)
    rows = [row(number, category=name, task=name) for number, name in enumerate(names)]
    return row_weights(rows, sets, weights or {}, how or mix(), balance)


SETS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=60)
CATEGORIES = st.lists(st.sampled_from(["", "drogi", "odpady", "zieleń"]), min_size=60, max_size=60)
TEMPERATURE = st.floats(1, 100)


@given(SETS, CATEGORIES)
def test_without_options_every_row_has_exactly_one(sets: list[str], categories: list[str]) -> None:
    assert weigh(sets, {"a": None}, categories=categories[: len(sets)]) == [1.0] * len(sets)


@given(SETS, TEMPERATURE)
def test_a_temperature_keeps_the_size_of_the_epoch_and_flattens_it(sets: list[str], temperature: float) -> None:
    sizes = Counter(sets)
    weights = weigh(sets, how=mix(temperature=temperature))
    found = mass(weights, sets)
    assert sum(found.values()) == pytest.approx(len(sets))
    for one in sizes:
        for other in sizes:
            # Raffel et al. 2020: rates are in proportion to the sizes to the power of 1 / T.
            assert found[one] / found[other] == pytest.approx((sizes[one] / sizes[other]) ** (1 / temperature))
    assert len(set(zip(sets, weights, strict=True))) == len(sizes)


def test_the_ends_of_the_temperature() -> None:
    sets = ["a"] * 90 + ["b"] * 10
    assert mass(weigh(sets, how=mix(temperature=2.0)), sets) == pytest.approx({"a": 75.0, "b": 25.0})
    assert mass(weigh(sets, how=mix(temperature=100.0)), sets)["b"] == pytest.approx(50, abs=0.6)
    assert weigh(["a"] * 7, how=mix(temperature=3.0)) == [1.0] * 7


def test_a_set_with_a_weight_of_its_own_is_left_alone() -> None:
    sets = ["a"] * 90 + ["b"] * 10 + ["c"] * 4
    found = weigh(sets, {"c": 2.5, "a": None}, how=mix(temperature=2.0))
    assert found[-4:] == [2.5] * 4
    assert mass(found, sets) == pytest.approx({"a": 75.0, "b": 25.0, "c": 10.0})


@given(SETS, CATEGORIES, TEMPERATURE, st.sampled_from(["largest", "smallest", "median", 7]))
def test_balanced_categories_are_seen_alike(
    sets: list[str], categories: list[str], temperature: float, to: Any
) -> None:
    categories = categories[: len(sets)]
    assume(any(categories))
    chosen = mix(temperature=temperature)
    before = weigh(sets, how=chosen)
    after = weigh(sets, how=chosen, balance=BalanceSection(by="category", to=to), categories=categories)
    old, new = mass(before, categories), mass(after, categories)
    assert new.pop("", 0.0) == pytest.approx(old.pop("", 0.0))
    assert max(new.values()) == pytest.approx(min(new.values()))
    wanted = {"largest": max(old.values()), "smallest": min(old.values()), 7: 7}
    if to in wanted:
        assert max(new.values()) == pytest.approx(wanted[to])
    else:
        assert min(old.values()) - 1e-9 <= max(new.values()) <= max(old.values()) + 1e-9
    # Within a category the sets keep their proportions.
    ratios: dict[str, set[float]] = defaultdict(set)
    for name, one, other in zip(categories, before, after, strict=True):
        ratios[name].add(round(other / one, 6))
    assert all(len(each) == 1 for each in ratios.values())


def test_balance_by_task() -> None:
    tasks = ["klasyfikacja"] * 6 + ["streszczenie"] * 2
    found = weigh(["a"] * 8, balance=BalanceSection(by="task"), categories=tasks)
    assert found == [1.0] * 6 + [3.0] * 2


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0.01, 0.95), TEMPERATURE)
def test_replay_is_its_ratio_of_the_epoch(new: int, old: int, ratio: float, temperature: float) -> None:
    sets = ["a"] * new + ["b"] * 3 + [OLD] * old
    found = mass(weigh(sets, how=mix(ratio, temperature=temperature)), sets)
    assert found[OLD] / sum(found.values()) == pytest.approx(ratio)
    assert found["a"] + found["b"] == pytest.approx(new + 3)


def test_two_replays_and_balance() -> None:
    second = replay_set("notes")
    sets = ["a"] * 8 + [OLD] * 4 + [second] * 5
    categories = ["x"] * 6 + ["y"] * 2 + ["x"] * 9
    how = MixSection(replay=[Replay(source="letters@first", ratio=0.25), Replay(source="notes", ratio=0.5)])
    found = weigh(sets, how=how, balance=BalanceSection(by="category", to=5), categories=categories)
    assert mass(found, sets) == pytest.approx({"a": 10.0, OLD: 10.0, second: 20.0})
    assert mass(found[:8], categories[:8]) == pytest.approx({"x": 5.0, "y": 5.0})


@given(SETS, CATEGORIES, TEMPERATURE, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    sets: list[str], categories: list[str], temperature: float, luck: Any
) -> None:
    categories = categories[: len(sets)]
    assume(any(categories))
    rows = [row(number, category=name) for number, name in enumerate(categories)]
    chosen, balance = mix(temperature=temperature), BalanceSection(by="category", to="median")
    before = row_weights(rows, sets, {"b": 3.0}, chosen, balance)
    order = list(range(len(rows)))
    luck.shuffle(order)
    after = row_weights([rows[i] for i in order], [sets[i] for i in order], {"b": 3.0}, chosen, balance)
    assert after == pytest.approx([before[i] for i in order], rel=1e-12)


@pytest.mark.parametrize("by", ["category", "task"])
def test_nothing_to_balance_by_is_refused(by: Any) -> None:
    with pytest.raises(DataError, match=f"no training row has a {by}") as caught:
        weigh(["a"], balance=BalanceSection(by=by))
    assert by in caught.value.mend
    with pytest.raises(DataError, match=f"no training row has a {by}"):
        balanced_sample([row(0)], BalanceSection(by=by, method="sample", to="smallest"), 1)


def test_nothing_to_replay_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to replay") as caught:
        weigh(["a"], how=mix(0.5))
    assert caught.value.where == "data.mix.replay letters@first"


def test_no_rows_have_no_weights() -> None:
    assert weigh([], how=mix(temperature=5.0)) == []


@pytest.mark.parametrize(
    ("section", "fields", "sentence"),
    [
        (BalanceSection, {"to": "smallest"}, "with balance.by"),
        (BalanceSection, {"method": "sample", "to": 4}, "with balance.by"),
        (BalanceSection, {"by": "task", "method": "sample"}, "takes rows out"),
        (BalanceSection, {"by": "task", "to": 0}, "greater than or equal"),
        (MixSection, {"temperature": 0.5}, "greater than or equal"),
        (MixSection, {"replay": [{"source": "a", "ratio": 0.5}, {"source": "b", "ratio": 0.5}]}, "leave something"),
        (MixSection, {"replay": [{"source": "a", "ratio": 0.1}, {"source": "a", "ratio": 0.1}]}, "twice"),
        (MixSection, {"replay": [{"source": "a", "ratio": 1.0}]}, "less than 1"),
    ],
)
def test_a_recipe_that_cannot_mean_it_is_refused(section: Any, fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        section(**fields)


# Taking rows out.


@given(CATEGORIES, st.sampled_from(["smallest", "median", 5]), st.integers(0, 9))
def test_a_sample_takes_out_what_is_too_much_and_says_so(categories: list[str], to: Any, seed: int) -> None:
    assume(any(categories))
    rows = [row(number, category=name) for number, name in enumerate(categories)]
    kept = balanced_sample(rows, BalanceSection(by="category", to=to, method="sample"), seed)
    before, after = Counter(categories), Counter(each.category for each in kept.rows)
    assert after[""] == before.pop("", 0)
    after.pop("", None)
    target = {"smallest": min(before.values()), 5: 5}.get(to, max(after.values()))
    assert {name: min(count, target) for name, count in before.items()} == dict(after)
    lines = [each.line for each in kept.rows]
    assert lines == sorted(lines)
    assert sorted(lines + [found.line for found in kept.findings]) == [each.line for each in rows]
    assert {found.kind for found in kept.findings} <= {"balanced_out"}


def test_rows_that_join_a_sample_move_few() -> None:
    rows = [row(number, category="x" if number < 90 else "y") for number in range(100)]
    balance = BalanceSection(by="category", to=10, method="sample")
    before = {each.row_hash for each in balanced_sample(rows, balance, 1).rows}
    after = {each.row_hash for each in balanced_sample([*rows, row(200, category="x")], balance, 1).rows}
    assert len(before - after) <= 1
    assert before != {each.row_hash for each in balanced_sample(rows, balance, 2).rows}


def test_other_methods_take_nothing_out() -> None:
    rows = [row(number, category=str(number % 3)) for number in range(10)]
    for balance in (PLAIN, BalanceSection(by="category", to="smallest")):
        assert balanced_sample(rows, balance, 1).rows == rows


# Replay.


def talk(question: str, **fields: Any) -> Row:
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": "Wydział Dróg."})
    return Row(messages=turns, file="old.jsonl", line=1, **fields)  # type: ignore[arg-type]


def test_replay_never_shows_what_is_held_out() -> None:
    asked = "Kiedy urząd naprawi dziurę w jezdni przy moście na ulicy Polnej"
    held_out = [talk(asked), talk("Czy można wyciąć świerk na własnej działce", group="anna")]
    train = [talk("Gdzie zgłosić porzuconą kanapę za garażami przy szkole")]
    replay = [
        held_out[0],
        talk(asked + "?", category="drogi"),
        talk("Ile kosztuje odpis aktu urodzenia dla dziecka", group="anna"),
        train[0],
        talk("Kto odśnieża podjazd do przychodni zimą"),
        talk("Kto odśnieża podjazd do przychodni zimą"),
    ]
    kept = replayable(replay, train, held_out, 0.7)
    assert kept.rows == replay[4:5]
    assert Counter(found.kind for found in kept.findings) == {"replay_held_out": 3, "replay_known": 2}


def test_a_chain_of_alike_rows_from_replay_to_the_test_part_is_broken() -> None:
    """The middle row stands in training already or not: the end of the chain is not shown either way."""
    words = [f"słowo{number}" for number in range(40)]
    chain = [talk(" ".join(words[start : start + 30])) for start in (0, 2, 4)]
    kept = replayable([chain[1], chain[2]], [], [chain[0]], 0.7)
    assert kept.rows == []
    assert replayable([chain[2]], [], [talk("coś zupełnie innego niż tamto")], 0.7).rows == [chain[2]]
