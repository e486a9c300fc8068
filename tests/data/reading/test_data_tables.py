"""CSV and its kin: delimiters, quotes, headers of two rows, and rows with faults."""

from pathlib import Path

import pytest

from kamerton.data.reading import ReadResult, read_sources
from kamerton.data.reading.parsed import Parsed
from kamerton.data.reading.tables import read_csv
from kamerton.data.reading.text import Text


def cells(content: str) -> list[dict[str, str]]:
    return [item[1] for item in parsed(content) if isinstance(item, tuple)]


def parsed(content: str) -> list[Parsed]:
    return list(read_csv(Text(iter([content.encode()]), "f")))


def kinds(content: str) -> list[tuple[int, str]]:
    return [(item.line, item.kind) for item in parsed(content) if not isinstance(item, tuple)]


def read(tmp_path: Path, content: str) -> ReadResult:
    (tmp_path / "a.csv").write_text(content, newline="")
    return read_sources(["a.csv"], root=tmp_path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    rows = [["prompt", "completion", "ocena"], ["Ile, to; jest|razem?", "Nic\tnie", "1,5"], ["b", "c", "2,25"]]
    content = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    assert cells(content) == [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@pytest.mark.parametrize(
    ("content", "row"),
    [
        ("a;b\n1,5;2,5\n", {"a": "1,5", "b": "2,5"}),  # decimal commas
        ("a;b (tak, nie)\nx;y\nz;w\n", {"a": "x", "b (tak, nie)": "y"}),
        ("kwota\n1,5\n2,5\n", {"kwota": "1,5"}),
        ("text\nHello, world\nAnd, so, on\n", {"text": "Hello, world"}),
        ("sep=;\na;b\n1,0;2,0\n", {"a": "1,0", "b": "2,0"}),
        ("a,b\n", None),
        ('"a";"b"\r\n"1;2";"x"\r\n', {"a": "1;2", "b": "x"}),
        ("a,b,,\n1,2,,\n", {"a": "1", "b": "2"}),
        (",text\n0,x\n", {"column 1": "0", "text": "x"}),
        ("a,b\n  1 ,2\n", {"a": "  1 ", "b": "2"}),
    ],
)
def test_a_comma_in_a_cell_is_no_delimiter_where_another_fits(content: str, row: dict[str, str] | None) -> None:
    assert cells(content)[:1] == ([] if row is None else [row])


@pytest.mark.parametrize(
    ("top", "names"),
    [
        ("Zestawienie pytań 2024;;\npytanie;odpowiedź;kategoria", ["pytanie", "odpowiedź", "kategoria"]),
        ("Zestawienie pytań 2024\npytanie;odpowiedź;kategoria", ["pytanie", "odpowiedź", "kategoria"]),
        ("Dane;;Ocena\npytanie;odpowiedź;punkty", ["pytanie", "odpowiedź", "punkty"]),
        ("Pytanie;;Odpowiedź;\nPL;EN;PL;EN", ["Pytanie PL", "Pytanie EN", "Odpowiedź PL", "Odpowiedź EN"]),
        ("instruction;output\ninstrukcja;odpowiedź", ["instruction", "output"]),
        ("q1;q2\nprompt;completion", ["prompt", "completion"]),
    ],
)
def test_a_header_of_two_rows_is_found(top: str, names: list[str]) -> None:
    width = len(names)
    rows = [";".join(f"c{number}.{row}?" for number in range(width)) for row in range(3)]
    content = "\n".join([top, *rows])
    assert [list(row) for row in cells(content)] == [names] * 3
    assert kinds(content) == [(2, "two_header_rows")]


@pytest.mark.parametrize(
    "content",
    [
        "prompt;completion\nCo to?;To.\nA to?;Tamto.",
        "text\nRaport, tytuł, dalej\nb",
        "prompt,completion\ninput,output of it\n",
        "a,,c\n1,2,3\n",
        "tytuł\na;b\n",
    ],
)
def test_a_header_of_one_row_stays_one(content: str) -> None:
    assert len(cells(content)) == content.strip().count("\n")
    assert kinds(content) == []


def test_a_header_in_the_middle_is_skipped_and_said(tmp_path: Path) -> None:
    result = read(tmp_path, "prompt,completion\na,b\nprompt,completion\nc,d\n")
    assert [row.answer for row in result.rows] == ["b", "d"]
    assert [(finding.line, finding.kind, finding.severity) for finding in result.findings] == [
        (3, "repeated_header", "warning")
    ]
    assert (result.rows_read, result.rows_ok) == (2, 2)


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    content = 'prompt,completion\na,"b\nc,d\ne,f\n'
    assert [row["prompt"] for row in cells(content)] == ["c", "e"]
    assert kinds(content) == [(2, "broken_csv")]


def test_text_behind_a_closing_quote_costs_one_row() -> None:
    content = 'a,b\n"x" y,z\n"Say ""hi""","two\nlines"\n'
    assert cells(content) == [{"a": 'Say "hi"', "b": "two\nlines"}]
    assert kinds(content) == [(2, "broken_csv")]


def test_many_open_quotes_take_time_in_proportion() -> None:
    content = "a,b\n" + 'x,"y\nplain,row\n' * 3000
    rows = cells(content)
    assert len(rows) + len(kinds(content)) >= 3000


def test_a_field_longer_than_the_limit_of_the_module_is_read() -> None:
    assert cells("a\n" + "x" * 300_000) == [{"a": "x" * 300_000}]


def test_a_row_longer_than_what_is_held_costs_that_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kamerton.data.reading.tables.MAX_ROW", 1000)
    content = 'a,b\n1,"open\n' + "2,3\n" * 1000
    assert kinds(content) == [(2, "row_too_long")]
    assert len(cells(content)) == 1000


def test_a_column_that_stands_twice_is_refused() -> None:
    assert kinds("a,b,a\n1,2,3\n") == [(0, "duplicate_column")]


def test_names_for_people_above_names_that_are_read() -> None:
    content = "Numer;Treść pytania;Treść odpowiedzi;Kwota\nid;instruction;output;amount\n1;Ile?;Dwa;4,00\n"
    assert cells(content) == [{"id": "1", "instruction": "Ile?", "output": "Dwa", "amount": "4,00"}]
    assert kinds(content) == [(2, "two_header_rows")]


def test_a_row_that_says_one_such_word_is_no_header() -> None:
    assert len(cells("Słowo;Znaczenie\nquestion;pytanko\n")) == 1
