"""Near-duplicate clusters: planted ones are found, others are left apart, crowds stay affordable."""

import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kamerton.data.duplicates import near_duplicate_clusters, normalised
from kamerton.data.rows import Row
from kamerton.ground.rng import stream_seed


def chat_row(prompt: str, answer: str = "tak", *, system: str = "", group: str = "") -> Row:
    turns = ({"role": "user", "content": prompt}, {"role": "assistant", "content": answer})
    head = ({"role": "system", "content": system},) if system else ()
    return Row(messages=(*head, *turns), group=group)  # type: ignore[arg-type]


def words(count: int, *address: int | str) -> list[str]:
    return [f"w{stream_seed(*address, index) % 5000}" for index in range(count)]


def jaccard(one: str, other: str) -> float:
    first, second = ({tuple(w[i : i + 3]) for i in range(len(w) - 2)} for w in (one.split(), other.split()))
    return len(first & second) / len(first | second)


def test_planted_near_duplicates_are_found_and_nothing_else() -> None:
    texts = []
    for number in range(400):
        original = words(60, "doc", number)
        edited = list(original)
        edited[stream_seed("edit", number) % 60] = "zmiana"
        texts += [" ".join(original), " ".join(edited)]
    assert all(jaccard(texts[i], texts[i + 1]) >= 0.8 for i in range(0, 800, 2))
    clusters = near_duplicate_clusters([Row(text=text) for text in texts], 0.7)
    assert clusters == [number // 2 for number in range(800)]


def test_the_threshold_is_the_true_jaccard_similarity() -> None:
    base = words(40, "base")
    other = [*base[:30], *words(10, "tail")]
    rows = [Row(text=" ".join(base)), Row(text=" ".join(other))]
    similarity = jaccard(rows[0].text or "", rows[1].text or "")
    assert near_duplicate_clusters(rows, similarity - 0.01) == [0, 0]
    assert near_duplicate_clusters(rows, similarity + 0.01) == [0, 1]


def test_every_pair_above_the_threshold_is_joined_as_brute_force_says() -> None:
    texts = []
    for number in range(150):
        base = words(30, "b", number % 30)
        for edit in range(stream_seed("n", number) % 6):
            base[stream_seed("e", number, edit) % 30] = f"x{edit}"
        texts.append(" ".join(base))
    for similarity in (0.5, 0.7, 0.9):
        parents = list(range(len(texts)))

        def root(item: int, parents: list[int] = parents) -> int:
            return item if parents[item] == item else root(parents[item])

        for i, one in enumerate(texts):
            for j in range(i):
                if jaccard(one, texts[j]) >= similarity:
                    parents[max(root(i), root(j))] = min(root(i), root(j))
        clusters = near_duplicate_clusters([Row(text=text) for text in texts], similarity)
        expected: dict[int, int] = {}
        assert clusters == [expected.setdefault(root(i), len(expected)) for i in range(len(texts))]


def test_diacritics_case_and_punctuation_do_not_part() -> None:
    rows = [
        chat_row("Gdzie złożyć wniosek o wywóz śmieci?"),
        chat_row("gdzie zlozyc wniosek o wywoz smieci"),
        chat_row("GDZIE ZŁOŻYĆ: wniosek, o wywóz śmieci!"),
        chat_row("Gdzie złożyć wniosek o dowód osobisty?"),
    ]
    assert near_duplicate_clusters(rows, 0.7) == [0, 0, 0, 1]


def test_decomposed_letters_are_the_same_letters() -> None:
    assert normalised("z\u0307o\u0301łw") == normalised("żółw") == "zolw"
    assert normalised("ŁÓDŹ, Straße") == "lodz strasse"
    assert normalised(" ?! ") == "?!"


def test_short_texts_must_be_equal() -> None:
    rows = [chat_row(text) for text in ("Tak", "tak!", "Nie", "Tak nie", "?", "?!", "")]
    assert near_duplicate_clusters(rows, 0.2) == [0, 0, 1, 2, 3, 4, 5]


def test_the_prompt_decides_not_the_answer_nor_the_system_turn() -> None:
    system = "Jesteś pomocnym urzędnikiem w urzędzie gminy i odpowiadasz krótko na pytania mieszkańców"
    rows = [
        chat_row("Kiedy otwarty jest urząd?", "Od ósmej.", system=system),
        chat_row("Kiedy otwarty jest urząd?", "Do szesnastej."),
        chat_row("Jak zgłosić dziurę w drodze?", "Od ósmej.", system=system),
    ]
    assert near_duplicate_clusters(rows, 0.7) == [0, 0, 1]


def test_a_group_keeps_different_letters_together() -> None:
    rows = [chat_row("Piszę w sprawie lampy", group="7"), chat_row("Psy szczekają nocą"), chat_row("Ciemno", group="7")]
    assert near_duplicate_clusters(rows, 0.7) == [0, 1, 0]


def test_what_was_made_from_one_row_stays_with_it() -> None:
    original, other = chat_row("Gdzie złożę wniosek o dowód?"), chat_row("Psy szczekają nocą")
    made = [
        replace(chat_row(text), augmented_from=original.row_hash) for text in ("Kto wyda dokument?", "Jak to jest?")
    ]
    orphans = [replace(chat_row(text), augmented_from="0" * 64) for text in ("Raz dwa", "Trzy cztery")]
    assert near_duplicate_clusters([made[0], other, original, made[1], *orphans], 0.7) == [0, 1, 0, 0, 2, 2]


def test_chains_join() -> None:
    base = words(50, "chain")
    rows = [Row(text=" ".join([*base[step * 4 :], *words(step * 4, "new")])) for step in range(8)]
    assert jaccard(rows[0].text or "", rows[7].text or "") < 0.5
    assert near_duplicate_clusters(rows, 0.7) == [0] * 8


def test_similarity_one_joins_equal_texts_only() -> None:
    rows = [chat_row("a b c d e"), chat_row("A, b c d e"), chat_row("a b c d f")]
    assert near_duplicate_clusters(rows, 1.0) == [0, 0, 1]


def test_no_rows_and_one_row() -> None:
    assert near_duplicate_clusters([], 0.7) == []
    assert near_duplicate_clusters([chat_row("a b c")], 0.7) == [0]


def test_a_crowd_of_form_letters_is_one_cluster_in_bounded_time() -> None:
    form = " ".join(words(80, "form"))
    rows = [chat_row(f"{form} {number}") for number in range(3000)]
    start = time.process_time()
    assert near_duplicate_clusters(rows, 0.7) == [0] * 3000
    assert time.process_time() - start < 5


@given(st.lists(st.text(max_size=20), max_size=12), st.floats(0.1, 1.0))
def test_any_text_has_a_cluster_and_equal_texts_share_it(texts: list[str], similarity: float) -> None:
    rows = [Row(text=text) for text in [*texts, *texts]]
    clusters = near_duplicate_clusters(rows, similarity)
    assert clusters[: len(texts)] == clusters[len(texts) :]
    assert sorted(set(clusters)) == list(range(len(set(clusters))))
