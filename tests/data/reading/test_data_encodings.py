"""Encodings: Polish letters come out right, whatever the file was written in, and each conversion is said."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.data.reading import ReadResult, read_sources
from kamerton.data.reading.text import Text

POLISH = [
    "Zażółć gęślą jaźń.",
    "Ósma część śledztwa: źródło wiąże się z Łodzią.",
    "ŻÓŁW I ŚWIĄTECZNA GĘŚ",
    "Ćma, pień, łąka; świt o świcie.",
]
CZECH = ["Příliš žluťoučký kůň úpěl ďábelské ódy.", "Šel jsem do školy a řekl: něco už víme."]
SLOVAK = ["Kŕdeľ šťastných ďatľov učí pri ústí Váhu mĺkveho koňa.", "Ľudia sa rodia slobodní, tŕň, päť."]


def read(tmp_path: Path, data: bytes, name: str = "a.txt") -> ReadResult:
    (tmp_path / name).write_bytes(data)
    return read_sources([name], root=tmp_path)


def texts(result: ReadResult) -> list[str]:
    return [row.text or "" for row in result.rows]


def said(result: ReadResult) -> list[tuple[int, str, str]]:
    return [(finding.line, finding.kind, finding.severity) for finding in result.findings]


@pytest.mark.parametrize("encoding", ["cp1250", "iso-8859-2"])
@pytest.mark.parametrize("lines", [POLISH, CZECH, SLOVAK, ["śpi"], ["źle"], ["są"], ["mąka"]], ids=str)
def test_a_legacy_file_is_read_and_said_once(tmp_path: Path, lines: list[str], encoding: str) -> None:
    result = read(tmp_path, "\r\n".join(["ASCII first", *lines]).encode(encoding))
    assert texts(result) == ["ASCII first", *lines]
    assert said(result) == [(0, "converted_encoding", "warning")]
    assert result.sources[0].encoding == encoding
    assert f"read as {encoding}: " in result.findings[0].message
    assert " letters beyond ASCII" in result.findings[0].message


def test_the_evidence_is_counted(tmp_path: Path) -> None:
    message = read(tmp_path, "śpi, źle, są".encode("iso-8859-2")).findings[0].message
    assert "3 of its 3 letters" in message
    assert "1 in cp1250" in message


def test_text_that_two_encodings_write_alike_says_so(tmp_path: Path) -> None:
    message = read(tmp_path, "łódź".replace("ź", "ż").encode("cp1250")).findings[0].message
    assert "the text is the same in iso-8859-2" in message


@pytest.mark.parametrize(
    "text", ["un café très très français à l'œil, où naît l'été", "mañana, ¿qué pasará en España?"]
)
def test_western_letters_are_not_read_as_polish_ones(tmp_path: Path, text: str) -> None:
    result = read(tmp_path, text.replace("¿", "").encode("cp1252"))
    assert texts(result) == [text.replace("¿", "")]
    assert result.sources[0].encoding == "cp1252"


def test_curly_quotes_of_an_english_file_are_read(tmp_path: Path) -> None:
    text = "It\u2019s \u201cfine\u201d \u2013 said he."
    assert texts(read(tmp_path, text.encode("cp1252"))) == [text]


def test_lines_of_two_encodings_are_told_apart_line_by_line(tmp_path: Path) -> None:
    lines = [(POLISH[n % 4], "cp1250" if n % 3 == 0 else "utf-8") for n in range(12)]
    result = read(tmp_path, b"\n".join(text.encode(encoding) for text, encoding in lines))
    assert texts(result) == [text for text, _ in lines]
    assert said(result) == [(line, "converted_encoding", "warning") for line in (1, 4, 7, 10)]
    assert result.sources[0].encoding == "utf-8+cp1250"


def test_one_legacy_line_among_json_lines(tmp_path: Path) -> None:
    lines = [json.dumps({"instruction": text, "output": "ok"}, ensure_ascii=False) for text in POLISH]
    data = b"\n".join([lines[0].encode(), lines[1].encode("iso-8859-2"), lines[2].encode(), lines[3].encode()])
    result = read(tmp_path, data, "a.jsonl")
    assert [row.prompt[-1]["content"] for row in result.rows] == POLISH
    assert said(result) == [(2, "converted_encoding", "warning")]


def test_two_encodings_glued_into_one_line(tmp_path: Path) -> None:
    first = json.dumps([{"text": POLISH[0]}], ensure_ascii=False).encode()[:-1]
    data = first + b', {"text": "' + "żółw".encode("cp1250")
    result = read(tmp_path, data + b'"}]', "a.json")
    assert texts(result) == [POLISH[0], "żółw"]
    assert said(result) == [(1, "converted_encoding", "warning")]


@pytest.mark.parametrize("word", ["KÓŁKO", "PODRÓŻE", "SPÓŁKA"])
def test_a_legacy_word_that_happens_to_be_valid_utf8(tmp_path: Path, word: str) -> None:
    assert word.encode("cp1250").decode() != word  # valid, and wrong
    lines = [POLISH[0], word, f"{word} ZŁOŻONA"]
    assert texts(read(tmp_path, "\n".join(lines).encode("cp1250"))) == lines


def test_greek_and_cyrillic_lines_stay_what_they_are(tmp_path: Path) -> None:
    lines = ["Ελληνικά και русский", "Ω Σ Δ", "źródło"]
    result = read(tmp_path, b"\n".join(line.encode() for line in lines) + b"\n" + POLISH[1].encode("cp1250"))
    assert texts(result) == [*lines, POLISH[1]]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_wide_encodings_with_and_without_a_mark(tmp_path: Path, encoding: str, marked: bool, name: str) -> None:
    content = {
        "a.jsonl": "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in POLISH),
        "a.json": json.dumps([{"text": text} for text in POLISH], ensure_ascii=False),
        "a.csv": "text,category\r\n" + "".join(f'"{text}",x\r\n' for text in POLISH),
        "a.txt": "\r\n".join(POLISH),
    }[name]
    result = read(tmp_path, (("\ufeff" if marked else "") + content).encode(encoding), name)
    assert texts(result) == POLISH
    assert result.sources[0].encoding == encoding
    assert said(result) == [(0, "converted_encoding", "warning")]


def test_a_file_with_a_mark_may_have_other_lines_too(tmp_path: Path) -> None:
    result = read(tmp_path, "\ufeffżółw\n".encode() + POLISH[0].encode("cp1250"))
    assert texts(result) == ["żółw", POLISH[0]]
    assert said(result) == [(2, "converted_encoding", "warning")]


def test_damaged_utf8_costs_the_row_and_no_other(tmp_path: Path) -> None:
    good = "Zażółć gęślą jaźń, i tak dalej".encode()
    result = read(tmp_path, b"\n".join([good, good[:5] + good[6:], good]))
    assert texts(result) == [good.decode()] * 2
    assert said(result) == [(2, "bad_encoding", "error")]
    assert "byte 0xc3, the line's 5." in result.findings[0].message
    assert "iconv" in result.findings[0].message
    assert (result.rows_read, result.rows_ok) == (3, 2)


def test_damage_inside_a_row_of_many_lines_costs_that_row(tmp_path: Path) -> None:
    cell = "Zażółć gęślą jaźń".encode()
    rows = [b'"a\n' + cell + b'\nc"', b'"a\n' + cell[:5] + cell[6:] + b'\nc"', b'"d"']
    result = read(tmp_path, b"text\n" + b"\n".join(rows), "a.csv")
    assert texts(result) == [f"a\n{cell.decode()}\nc", "d"]
    assert {finding.line for finding in result.findings} == {5, 6}


def test_replacement_characters_of_a_sound_file_are_its_own(tmp_path: Path) -> None:
    assert texts(read(tmp_path, "\ufffd stands here".encode())) == ["\ufffd stands here"]


def test_letters_of_no_language_are_refused(tmp_path: Path) -> None:
    cyrillic = "Это не по-польски, и не по-чешски".encode("cp1251")
    result = read(tmp_path, b"fine\n" + cyrillic + b"\nfine too")
    assert texts(result) == ["fine", "fine too"]
    assert said(result) == [(2, "bad_encoding", "error")]


def test_damaged_utf16_costs_the_row(tmp_path: Path) -> None:
    data = bytearray("\ufefffine\nbroken here\nfine\n".encode("utf-16-le"))
    data[16:18] = b"\x00\xdc"  # half of a surrogate pair
    result = read(tmp_path, bytes(data))
    assert texts(result) == ["fine", "fine"]
    assert (2, "bad_encoding", "error") in said(result)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x1f\x8b\x08\x00rest", "gzip data; rename it to *.gz"),
        (b"PAR1....PAR1", "a Parquet file; rename it to *.parquet"),
        (b"PK\x03\x04....", "a zip archive (or an Office document); export it as text"),
        (bytes(range(256)) * 8, "not text"),
    ],
)
def test_what_is_no_text_is_named(tmp_path: Path, data: bytes, what: str) -> None:
    result = read(tmp_path, data)
    assert said(result) == [(0, "not_text", "error")]
    assert what in result.findings[0].message
    assert result.sources[0].encoding == "unknown"


def test_lines_that_end_with_a_carriage_return_alone(tmp_path: Path) -> None:
    assert texts(read(tmp_path, b"one\rtwo\rthree")) == ["one", "two", "three"]


@given(
    st.lists(st.sampled_from([*POLISH, "plain"]), min_size=1), st.integers(1, 7), st.sampled_from(["cp1250", "utf-8"])
)
def test_where_the_blocks_are_cut_does_not_matter(lines: list[str], size: int, encoding: str) -> None:
    data = "\n".join(lines).encode(encoding)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    text = Text(iter(chunks), "f")
    blocks = list(text.blocks())
    assert b"".join(block for _, block in blocks).decode() == "\n".join(lines)
    assert all(block.endswith(b"\n") for _, block in blocks[:-1])


@pytest.mark.parametrize("lines", [1, 9])
def test_lines_of_two_legacy_encodings_are_each_read_by_their_own_letters(tmp_path: Path, lines: int) -> None:
    said = ["Święta krowa śpi na źdźble", "Kto zjadł jeszcze źdźbło, jaźń i gęś?"]
    written = [
        text.encode(name) for _ in range(lines) for text, name in zip(said, ("cp1250", "iso-8859-2"), strict=True)
    ]
    (tmp_path / "a.txt").write_bytes(b"\n".join(["zażółć".encode(), *written]))
    read = read_sources(["a.txt"], root=tmp_path)
    assert [row.text for row in read.rows] == ["zażółć", *said * lines]
    assert read.sources[0].encoding == "utf-8+cp1250+iso-8859-2"
    assert {finding.line for finding in read.findings} == set(range(2, 2 * lines + 2))


def test_a_sign_between_numbers_is_no_letter_of_another_encoding(tmp_path: Path) -> None:
    said = [*POLISH, "wynik 5±2", "§ 5 ± 2 µm"]
    (tmp_path / "a.txt").write_bytes("\n".join(said).encode("cp1250"))
    read = read_sources(["a.txt"], root=tmp_path)
    assert [row.text for row in read.rows] == said
    assert read.sources[0].encoding == "cp1250"
