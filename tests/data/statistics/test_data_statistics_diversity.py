"""Diversity and balance: by hand, whatever the size of the set, and never a number that was not measured."""

import math
import random

import numpy as np
import pytest

from kamerton.data.rows import Row
from kamerton.data.statistics.balance import balances
from kamerton.data.statistics.diversity import lexical_diversity, semantic_diversity
from kamerton.data.statistics.sampling import estimated, hash_sample
from kamerton.stats import mean_statistic


def texts(count: int, words: int, vocabulary: int, seed: int = 1) -> list[Row]:
    draw = random.Random(seed)
    return [Row(text=" ".join(f"w{draw.randrange(vocabulary)}" for _ in range(words))) for _ in range(count)]


def test_a_sample_is_a_function_of_the_rows_alone() -> None:
    rows = texts(300, 5, 10_000)
    chosen = {row.row_hash for row in hash_sample(rows, 50)}
    assert len(chosen) == 50
    assert {row.row_hash for row in hash_sample(rows[::-1], 50)} == chosen
    assert [row.row_hash for row in hash_sample(rows, 20)] == [row.row_hash for row in hash_sample(rows, 50)][:20]
    assert len(chosen & {row.row_hash for row in hash_sample([*rows, Row(text="one more")], 50)}) >= 49


def test_what_is_known_of_all_rows_has_no_width() -> None:
    whole = estimated(mean_statistic([1.0, 2.0, 6.0]), whole=True)
    assert (whole.value, whole.low, whole.high, whole.n, whole.method) == (3.0, 3.0, 3.0, 3, "all rows")
    sampled = estimated(mean_statistic([float(n % 7) for n in range(200)]), whole=False)
    assert sampled.low is not None
    assert sampled.high is not None
    assert sampled.value is not None
    assert sampled.low < sampled.value < sampled.high
    assert estimated(mean_statistic([1.0, 1.0]), whole=False).why


def test_diversity_does_not_move_with_the_size_of_the_set() -> None:
    small = lexical_diversity(texts(200, 50, 400))["answer"].distinct_1
    big = lexical_diversity(texts(3000, 50, 400, seed=2))["answer"].distinct_1
    assert small.value is not None
    assert big.value is not None
    assert abs(small.value - big.value) < 0.02


def test_repetition_is_told() -> None:
    varied = lexical_diversity(texts(400, 50, 20_000))["answer"]
    alike = lexical_diversity(texts(400, 50, 30))["answer"]
    for name in ("distinct_1", "distinct_2", "distinct_3"):
        assert getattr(varied, name).value > getattr(alike, name).value
    assert alike.compression.value is not None
    assert varied.compression.value is not None
    assert alike.compression.value > varied.compression.value


def test_a_block_is_counted_by_hand() -> None:
    rows = [Row(text=" ".join(["tak nie"] * 500))]
    found = lexical_diversity(rows)["answer"]
    assert found.distinct_1.value == 2 / 1000
    assert found.distinct_2.value == 2 / 999
    assert (found.distinct_1.low, found.distinct_1.n) == (None, 1)


def test_no_pair_of_words_crosses_rows() -> None:
    found = lexical_diversity([Row(text=f"słowo{n}") for n in range(1000)])["answer"]
    assert found.distinct_1.value == 1.0
    assert found.distinct_2.value == 1.0


def test_too_few_words_are_not_measured_and_say_so() -> None:
    found = lexical_diversity([Row(text="za mało słów")])["answer"]
    assert (found.distinct_1.value, found.distinct_1.why) == (None, "fewer than 1,000 words")
    assert (found.compression.value, found.compression.why) == (None, "fewer than 16,384 bytes of text")
    assert lexical_diversity([]) == {}


def test_without_embeddings_no_meaning_is_told() -> None:
    found = semantic_diversity(texts(10, 5, 100), None, "")
    assert (found.distance.value, found.vendi.value, found.model) == (None, None, "")
    assert "no embedding model was given" in found.distance.why


@pytest.mark.parametrize("directions", [1, 2, 5])
def test_meanings_are_counted(directions: int) -> None:
    rows = [Row(text=f"{n % directions} {n}") for n in range(60)]
    found = semantic_diversity(rows, lambda few: np.eye(8)[[int(row.answer.split()[0]) for row in few]] * 3, "axes")
    assert found.vendi.value == pytest.approx(directions)
    among = 60 // directions
    alike = directions * among * (among - 1) / (60 * 59)
    assert found.distance.value == pytest.approx(1 - alike)
    assert found.distance.low is not None
    assert found.distance.low <= 1 - alike + 1e-9
    assert found.distance.n == 60


def test_the_distance_is_the_mean_over_all_pairs() -> None:
    vectors = np.random.default_rng(3).normal(size=(12, 5))
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    rows = [Row(text=str(n)) for n in range(12)]
    found = semantic_diversity(rows, lambda few: vectors[[int(row.answer) for row in few]], "random")
    pairs = [1 - units[i] @ units[j] for i in range(12) for j in range(i)]
    assert found.distance.value == pytest.approx(np.mean(pairs))
    assert found.distance.method == "jackknife"


@pytest.mark.parametrize("rows", [[], [Row(text="a")], [Row(text="a"), Row(text="b")]])
def test_rows_without_a_direction_do_not_count(rows: list[Row]) -> None:
    found = semantic_diversity(rows, lambda few: np.zeros((len(few), 4)), "unknown words")
    assert (found.distance.value, found.distance.why) == (None, "fewer than two rows have an embedding")


def test_balance_is_counted_by_hand() -> None:
    train = [Row(text=str(n), category="ab"[n % 2]) for n in range(10)]
    test = [Row(text="x", category="a"), Row(text="y")]
    one, other = balances({"train": train, "validation": [], "test": test})
    assert (one.by, one.part, one.counts) == ("category", "train", {"a": 5, "b": 5})
    assert (one.entropy, one.effective, one.evenness) == (1.0, 2.0, 1.0)
    assert (other.part, other.counts) == ("test", {"": 1, "a": 1})
    (single,) = balances({"train": [Row(text="x", task="t")]})
    assert (single.by, single.entropy, single.effective, single.evenness) == ("task", 0.0, 1.0, None)
    assert balances({"train": [Row(text="x")]}) == []
    uneven = balances({"train": [Row(text="x", category="a")] * 3 + [Row(text="y", category="b")]})[0]
    assert uneven.entropy == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))
