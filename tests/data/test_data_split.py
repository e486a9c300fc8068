"""Splits: no cluster crosses, the order of rows does not matter, shares are met."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.rows import Row
from kamerton.data.split import SplitResult, split
from kamerton.recipe import SplitSection


def text_row(text: str, group: str = "") -> Row:
    return Row(text=text, group=group)


def sides(result: SplitResult) -> dict[str, str]:
    parts = {"train": result.train, "validation": result.validation, "test": result.test}
    return {row.row_hash: name for name, rows in parts.items() for row in rows}


numbered = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=60)
options = st.builds(
    SplitSection,
    validation=st.floats(0, 0.45),
    test=st.floats(0, 0.45),
    seed=st.integers(0, 2**32),
)


@given(numbered, options, st.randoms(use_true_random=False))
def test_no_cluster_crosses_and_order_does_not_matter(pairs, section, random) -> None:  # type: ignore[no-untyped-def]
    # A cluster is a function of the content, as for real rows: equal rows are in one cluster.
    pairs = [(number, number % 7 if number % 2 else cluster) for number, cluster in pairs]
    pairs = list({number: (number, cluster) for number, cluster in pairs}.values()) * 2
    rows = [text_row(str(number)) for number, _ in pairs]
    clusters = [cluster for _, cluster in pairs]
    result = split(rows, clusters, section)
    where = sides(result)
    found: dict[int, set[str]] = defaultdict(set)
    for row, cluster in zip(rows, clusters, strict=True):
        found[cluster].add(where[row.row_hash])
    assert all(len(names) == 1 for names in found.values())
    assert len(result.train) + len(result.validation) + len(result.test) == len(rows)

    order = list(range(len(rows)))
    random.shuffle(order)
    renamed = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters[place] for place in order))}
    again = split([rows[place] for place in order], [renamed[clusters[place]] for place in order], section)
    assert sides(again) == where


WORDS = ["urząd", "gmina", "wniosek", "opłata", "termin", "dowód", "ulica", "śmieci"]


@given(
    st.lists(st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7), st.sampled_from(["", "", "g", "h"]))),
    st.randoms(use_true_random=False),
)
def test_the_whole_way_is_a_function_of_the_set_of_rows(texts, random) -> None:  # type: ignore[no-untyped-def]
    rows = [text_row(" ".join(words), group) for words, group in texts]
    section = SplitSection(seed=3)
    where = sides(split(rows, near_duplicate_clusters(rows, 0.7), section))
    random.shuffle(rows)
    assert sides(split(rows, near_duplicate_clusters(rows, 0.7), section)) == where
    assert len({where[row.row_hash] for row in rows if row.group == "g"}) <= 1


def test_shares_are_met_on_the_average() -> None:
    rows = [text_row(str(number)) for number in range(4000)]
    result = split(rows, list(range(4000)), SplitSection(validation=0.1, test=0.25))
    assert abs(len(result.test) / 4000 - 0.25) < 0.025
    assert abs(len(result.validation) / 4000 - 0.1) < 0.02


def test_the_seed_moves_rows_and_a_zero_share_stays_empty() -> None:
    rows = [text_row(str(number)) for number in range(200)]
    ids = list(range(200))
    first = sides(split(rows, ids, SplitSection(seed=1)))
    assert first == sides(split(rows, ids, SplitSection(seed=1)))
    assert first != sides(split(rows, ids, SplitSection(seed=2)))
    assert split(rows, ids, SplitSection(validation=0, test=0)).train == rows


def test_a_row_that_joins_moves_no_other_cluster() -> None:
    rows = [text_row(str(number)) for number in range(200)]
    before = sides(split(rows, list(range(200)), SplitSection()))
    after = sides(split([*rows, text_row("new")], [*range(200), 200], SplitSection()))
    assert before.items() <= after.items()


def test_by_rows_parts_a_cluster_but_never_equal_rows() -> None:
    rows = [text_row(str(number % 100)) for number in range(200)]
    result = split(rows, [0] * 200, SplitSection(by="rows", validation=0.3, test=0.3))
    assert min(len(result.train), len(result.validation), len(result.test)) > 0
    assert {row.row_hash for row in result.train}.isdisjoint(row.row_hash for row in result.test)
    assert len(split(rows, [0] * 200, SplitSection()).train) in (0, 200)


def test_parts_keep_the_order_of_the_rows() -> None:
    rows = [text_row(f"{number:03}") for number in range(300)]
    for part in vars(split(rows, list(range(300)), SplitSection())).values():
        assert [row.text for row in part] == sorted(row.text for row in part)
