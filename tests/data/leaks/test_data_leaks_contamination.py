"""Leaks: each method finds what it should and no more, and the index finds all that the words say."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kamerton.data.leaks import contamination, contamination_of_sets, leak_report
from kamerton.data.leaks import index as index_module
from kamerton.data.leaks import search as search_module
from kamerton.data.leaks.judge import TrainingText, judged
from kamerton.data.leaks.probes import Probes
from kamerton.data.rows import Row
from kamerton.ground.rng import stream_seed
from kamerton.recipe import LeakSection
from kamerton.records.leaks import LeakReport

BARE = LeakSection(canaries=0)


def chat(question: str, answer: str = "tak", *, line: int = 1, file: str = "f.jsonl") -> Row:
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Row(messages=turns, file=file, line=line)  # type: ignore[arg-type]


def words(count: int, *address: int | str, vocabulary: int = 5000) -> str:
    return " ".join(f"w{stream_seed(*address, index) % vocabulary}" for index in range(count))


def found(train: list[Row], item: Row, options: LeakSection = BARE) -> list[tuple[str, str]]:
    return [(match.method, match.part) for match in contamination(train, [item], options).matches[0]]


def own(questions: list[str]) -> list[list[tuple[int, int]]]:
    """The pieces of each question that are no form."""
    return [probe.own for probe in Probes.of([Row(text=question) for question in questions], 13).probes]


def test_an_equal_question_is_exact_whatever_its_answer_case_and_accents() -> None:
    train = [chat("Gdzie złożyć wniosek?", line=7, file="a.jsonl"), chat("Coś innego")]
    item = chat("GDZIE zlozyc: wniosek", "Nie wiem.", line=3, file="t.jsonl")
    result = contamination(train, [item, chat("Gdzie jest urząd?")], BARE)
    assert result.contaminated == [True, False]
    assert result.leaking_rows == [0]
    match = result.matches[0][0]
    assert (match.method, match.part, match.file, match.line, match.score) == ("exact", "question", "a.jsonl", 7, 1.0)
    assert [(each.file, each.line, each.kind) for each in result.findings] == [("t.jsonl", 3, "leak_exact")]
    assert "a.jsonl:7" in result.findings[0].message


def test_a_short_question_is_not_found_inside_a_text_but_with_its_answer() -> None:
    item = chat("What is it?", "A small tuning fork for pianos")
    assert found([Row(text="He asked: what is it? Nobody knew.")], item) == []
    assert found([chat("Tell me. What is it?")], item) == []
    assert found([chat("What is it", "something else")], item) == [("exact", "question")]
    inside = Row(text="Quiz. What is it? A small tuning fork for pianos. Next one.")
    assert found([inside], item) == [("ngram", "question and answer")]


def test_five_words_are_found_whole_inside_a_long_text_and_in_any_turn() -> None:
    item = chat("Ile wynosi opłata za psa?")
    text = f"{words(300, 'a')} ile wynosi oplata za psa {words(300, 'b')}"
    assert found([Row(text=text)], item) == [("ngram", "question")]
    assert found([chat("Cześć", f"Pytasz: {text}")], item) == [("ngram", "question")]
    assert found([Row(text=text.replace("za psa", "za duzego psa"))], item) == []


def test_thirteen_words_of_a_question_tell_and_twelve_do_not() -> None:
    question = words(40, "question")
    for count, expected in ((13, [("ngram", "question")]), (12, [])):
        piece = " ".join(question.split()[5 : 5 + count])
        assert found([Row(text=f"x {piece} y")], chat(question)) == expected
    assert found([Row(text=f"x {piece} y")], chat(question), BARE.model_copy(update={"ngram": 12})) != []


def test_one_quotation_in_a_long_text_is_no_leak() -> None:
    text = words(200, "long").split()
    assert found([Row(text=f"x {' '.join(text[:39])} y")], Row(text=" ".join(text))) == []
    assert found([Row(text=f"x {' '.join(text[:40])} y")], Row(text=" ".join(text))) == [("ngram", "question")]


def test_coverage_counts_words_in_pieces_of_eight() -> None:
    question = words(40, "covered").split()
    pieces = [" ".join(question[at : at + 9]) for at in range(0, 40, 10)]  # 36 of 40 words, no run of 13
    train = [Row(text=" mm ".join(reversed(pieces)))]
    assert found(train, chat(" ".join(question))) == [("coverage", "question")]
    assert contamination(train, [chat(" ".join(question))], BARE).matches[0][0].score == 0.9
    assert found(train, chat(" ".join(question)), BARE.model_copy(update={"coverage": 0.95})) == []
    apart = [Row(text=piece) for piece in pieces]
    assert found(apart, chat(" ".join(question))) == []
    # Just at the threshold, for each of several items in one row.
    items = [chat(f"{words(number, 'own', number)} {' '.join(question)}") for number in range(5)]
    for number, item in enumerate(items):
        options = BARE.model_copy(update={"coverage": 36 / (40 + number)})
        expected = [place <= number for place in range(5)]
        assert contamination(train, items, options).contaminated == expected, item
    exact = BARE.model_copy(update={"coverage": 0.9})
    assert contamination(train * 2, items[:1], exact).leaking_rows == [0, 1]


def test_coverage_of_a_short_question_leaves_out_two_words_at_most() -> None:
    opening = "who is responsible for this I have called you twice already"
    assert found([chat(f"a hole in the road {opening}")], chat(f"rubbish in the wood {opening}")) == []
    item = chat(f"dear Sirs {opening}")
    assert found([chat(f"good morning {opening}")], item) == [("coverage", "question")]
    assert found([chat(f"hello {opening}")], chat(f"dear dear Sirs {opening}")) == []


def test_near_questions_by_the_jaccard_similarity_of_their_trigrams() -> None:
    base = words(30, "near").split()
    other = " ".join([*base[:9], "inne", *base[10:20], "slowo", *base[21:]])
    common, union = 28 - 6, 28 + 6
    for similarity, expected in ((common / union, [("near", "question")]), (common / union + 0.01, [])):
        options = BARE.model_copy(update={"similarity": similarity, "coverage": 1.0})
        assert found([chat(other)], chat(" ".join(base)), options) == expected
    # The same words inside a longer question are not near.
    assert found([chat(f"{other} {words(60, 'more')}")], chat(" ".join(base)), options) == []


def test_a_long_answer_in_a_training_text_tells_and_a_short_one_does_not() -> None:
    answer = words(30, "answer")
    text = f"{words(50, 'a')} {answer} {words(50, 'b')}"
    assert found([Row(text=text)], chat("O co tu chodzi w tym tekście?", answer)) == [("coverage", "answer")]
    short = " ".join(answer.split()[:20])
    assert found([Row(text=text)], chat("O co tu chodzi w tym tekście?", short)) == []


def test_the_form_of_a_set_is_left_out() -> None:
    form = "classify the following review of a hotel as good or bad and answer in one word please"
    items = [chat(f"{form}: {words(30, 'review', number)}") for number in range(30)]
    train = [chat(f"{form}: {words(30, 'other', number)}") for number in range(30)]
    result = contamination(train, items, BARE)
    assert not any(result.contaminated)
    assert result.report.form_items == 30
    # The review itself, also under another form, is a leak; so is the whole item.
    assert contamination([chat(words(30, "review", 4))], items, BARE).contaminated == [n == 4 for n in range(30)]
    assert contamination([items[5]], items, BARE).contaminated == [n == 5 for n in range(30)]
    assert contamination([Row(text=f"x {items[6].question} y")], items, BARE).contaminated == [
        n == 6 for n in range(30)
    ]


def test_form_takes_more_than_ten_different_questions() -> None:
    form = "what does the law say about this in article number"
    for count, expected in ((10, 0), (11, 11)):
        pieces = own([f"{form} {number}" for number in range(count)])
        assert sum(each != [(0, 11)] for each in pieces) == expected
    assert own([form] * 5) == [[(0, 10)]]


def test_items_that_are_all_form_are_still_found_whole() -> None:
    # Each run of eight stands in more than ten questions: first parts and last parts are combined.
    heads = [words(10, "head", number) for number in range(12)]
    tails = [words(10, "tail", number) for number in range(12)]
    items = [chat(f"{head} {tail}") for head in heads for tail in tails]
    train = [Row(text=f"a b c {items[17].question} d")]
    assert contamination(train, items, BARE).contaminated == [number == 17 for number in range(len(items))]


def test_the_system_turn_is_no_part_of_the_question_and_all_turns_are_searched() -> None:
    system = {"role": "system", "content": words(40, "system")}
    item = Row(messages=(system, *(chat("Kiedy otwarte jest biuro podawcze?").messages or ())))  # type: ignore[arg-type]
    train = Row(messages=(system, *(chat("Coś zupełnie innego od tamtego").messages or ())))  # type: ignore[arg-type]
    assert found([train], item) == []
    turns = [
        ("user", "Cześć"),
        ("assistant", "Witam"),
        ("user", "Kiedy otwarte jest biuro podawcze"),
        ("assistant", "O 8"),
    ]
    long = Row(messages=tuple({"role": role, "content": text} for role, text in turns))  # type: ignore[misc]
    assert found([long], item) == [("ngram", "question")]
    assert found([long], long) == [("exact", "question")]
    ranked = Row(
        messages=({"role": "user", "content": "Co?"},),
        ranked=tuple({"role": "assistant", "content": text} for text in ("nie", words(40, "system"))),  # type: ignore[misc]
    )
    assert found([ranked], chat(words(40, "system"))) == [("ngram", "question"), ("coverage", "question")]


def test_nothing_in_nothing() -> None:
    items = [chat("", ""), chat("?!"), Row(text=""), Row(text="ala")]
    for train in ([], [chat("", "")], [Row(text="")], [chat("!?")]):
        assert contamination(train, items, LeakSection()).contaminated == [False] * 4
    result = contamination([chat("a b c d e")], [], LeakSection())
    assert (result.contaminated, result.report.items, result.report.canaries, result.report.share) == ([], 0, [], 0.0)
    assert contamination([chat("?!")], items, BARE).contaminated == [False, True, False, False]


@pytest.mark.parametrize("question", ["?!", ". . . . .", "? ? ? ? ? ? ? ? ? ? ? ? ? ?", "-\n-", "🙂 🙂 🙂 🙂 🙂"])
def test_a_question_without_words_is_found_where_it_is_equal(question: str) -> None:
    train = [chat("Ala ma kota i psa"), chat(question)]
    assert found(train, chat(question)) == [("exact", "question")]
    assert found(train[:1], chat(question)) == []
    assert contamination(train, [chat(question)], LeakSection(canaries=3)).leaking_rows == [1]


def test_the_probes_of_an_item_take_little_memory() -> None:
    items = [chat(words(60, "item", number), words(60, "answer", number)) for number in range(500)]
    Probes.of(items[:10], 13)  # tables that are made once
    tracemalloc.start()
    try:
        probes = Probes.of(items, 13)
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(probes.probes) == 1000
    assert kept / len(items) < 5000  # bytes, of tables that are kept too; a list of each probe's words takes 8,000 more


def test_the_shingles_of_many_probes_are_sorted_some_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [chat(words(20, "item", number), line=number) for number in range(40)]
    train = [chat(f"{words(18, 'item', number)} x y") for number in range(0, 40, 3)]
    whole = contamination(train, items, BARE)
    assert sum(whole.contaminated) == 14
    assert whole.report.by_method["near"] == 14
    monkeypatch.setattr(index_module, "_PROBES", 7)
    assert contamination(train, items, BARE) == whole


def test_sets_are_judged_each_by_itself_in_one_pass_and_make_a_record(tmp_path) -> None:  # type: ignore[no-untyped-def]
    train = [chat("Gdzie jest dziekanat?"), chat("Kto jest burmistrzem?")]
    sets = {"a": [chat("gdzie jest dziekanat")], "b": [chat("Kto to?"), chat("kto jest burmistrzem")]}
    results = contamination_of_sets(train, sets, BARE)
    assert {name: result.contaminated for name, result in results.items()} == {"a": [True], "b": [False, True]}
    report = leak_report(train, results, BARE, seed=3)
    assert [each.share for each in report.sets] == [1.0, 0.5]
    assert report.sets[1].by_method == {"exact": 1}
    report.write(tmp_path / "leaks.json")
    assert LeakReport.read(tmp_path / "leaks.json") == report


SMALL = st.lists(
    st.tuples(st.integers(0, 25), st.integers(1, 40), st.integers(0, 30), st.booleans()), min_size=1, max_size=14
)


def pieces(given_: list[tuple[int, int, int, bool]], name: str) -> list[Row]:
    """Rows cut from one text of 60 words, some with a word changed."""
    source = [f"w{stream_seed('text', index) % 40}" for index in range(60)]
    rows = []
    for number, (start, count, change, plain) in enumerate(given_):
        part = source[start : start + count]
        if change < len(part):
            part[change] = f"x{number % 3}"
        text = " ".join(part)
        rows.append(Row(text=text, file=name, line=number) if plain else chat(text, text[::-1], file=name, line=number))
    return rows


@settings(max_examples=60, deadline=None)
@given(SMALL, SMALL, st.sampled_from([3, 13, 50, 50]), st.floats(0.3, 1.0), st.floats(0.2, 1.0), st.integers(1, 5))
def test_the_index_finds_what_every_pair_compared_by_words_would(
    first: list[tuple[int, int, int, bool]],
    second: list[tuple[int, int, int, bool]],
    ngram: int,
    coverage: float,
    similarity: float,
    chunk: int,
) -> None:
    train, items = pieces(first, "train"), pieces(second, "test")
    options = LeakSection(ngram=ngram, coverage=coverage, similarity=similarity, canaries=0)
    saved = search_module._CHUNK, index_module._SLICE
    search_module._CHUNK, index_module._SLICE = chunk, chunk
    try:
        result = contamination(train, items, options)
    finally:
        search_module._CHUNK, index_module._SLICE = saved
    probes = Probes.of(items, ngram)
    best: list[dict[tuple[str, str], float]] = [{} for _ in items]
    leaking = set()
    for place, row in enumerate(train):
        text = TrainingText(row)
        for probe in probes.probes:
            for way in judged(probe, text, probes.form, options):
                leaking.add(place)
                for item in probe.items:
                    key = way.method, probe.part
                    best[item][key] = max(best[item].get(key, 0.0), round(way.score, 4))
    assert [{(m.method, m.part): m.score for m in matches} for matches in result.matches] == best
    assert result.leaking_rows == sorted(leaking)


def test_a_training_row_more_never_makes_an_item_clean() -> None:
    items = [chat(words(20, "item", number % 25), line=number) for number in range(30)]
    train = [chat(words(20, "item", number)) for number in range(0, 25, 3)]
    before = contamination(train, items, BARE)
    after = contamination([*(chat(words(20, "other", n)) for n in range(500)), *train * 30], items, BARE)
    assert before.contaminated == after.contaminated
    assert [item for item, seen in enumerate(before.contaminated) if seen] == [
        number for number in range(30) if number % 25 % 3 == 0
    ]


def test_the_same_search_gives_the_same_record() -> None:
    train = [chat(words(20, "t", number)) for number in range(200)]
    items = [chat(words(20, "t", number * 2)) for number in range(60)]
    first, again = (contamination(train, items, LeakSection(), seed=5) for _ in range(2))
    assert first.report == again.report
    assert contamination(train, items, LeakSection(), seed=6).report.found == first.report.found


@pytest.mark.parametrize("repeated", [["la"] * 800, ["na", "la"] * 400])
def test_repeated_words_and_crowds_stay_affordable(repeated: list[str]) -> None:
    chorus = " ".join(repeated)
    form = words(60, "form")
    items = [chat(f"{form} {number}") for number in range(150)] + [Row(text=chorus)]
    train = [chat(f"{form} {number + 100}") for number in range(500)] + [Row(text=chorus[:-3])] * 20
    start = time.process_time()
    result = contamination(train, items, BARE)
    assert time.process_time() - start < 3
    assert [number for number, seen in enumerate(result.contaminated) if seen] == list(range(100, 151))
