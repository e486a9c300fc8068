"""Tokens: rows that are too long are named exactly, though almost none is encoded."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import kamerton
from kamerton.chat import ChatFormat
from kamerton.data.rows import Row
from kamerton.data.statistics.tokens import TokenLimit, token_statistics
from kamerton.models.tokenizer import chat_format, load_tokenizer

BASE = Path(kamerton.__file__).parent / "models" / "base" / "tiny-pl"
SHARED = Path(__file__).parents[4] / "shared" / "data" / "tokenizers"
WORDS = (
    *("dom", "żółw,", "kot", "rzeka", "(most)", "świeża", "wiadomość", "jeśli", "the", "quick", "12", "345,67"),
    *("—", "„brown”", "fox\nnowy\twiersz", "", "😀"),
)


@pytest.fixture(scope="module", params=["tiny-pl", "smollm2"])
def chat(request: pytest.FixtureRequest) -> ChatFormat:
    folder = BASE if request.param == "tiny-pl" else SHARED / request.param
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: it is real data that the project does not hold")
    return chat_format(load_tokenizer(folder), "tokenizer")


def conversation(question: str, answer: str, line: int = 1, **more: object) -> Row:
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": answer})
    return Row(messages=turns, file="f", line=line, **more)  # type: ignore[arg-type]


def mixed(count: int, seed: int = 1) -> list[Row]:
    draw = random.Random(seed)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.choice([1, 5, 20, 60, 120])))

    rows = [Row(text=text(), file="f", line=n) if n % 5 == 0 else conversation(text(), text(), n) for n in range(count)]
    return [*rows, conversation("<|im_end|> " * 9, "[/INST] tak", count)]


@pytest.fixture
def beyond_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of one row: the others are encoded only where a bound asks for it."""
    monkeypatch.setattr("kamerton.data.statistics.tokens.FEW", 0)
    monkeypatch.setattr("kamerton.data.statistics.tokens._SAMPLE", 1)


@pytest.mark.parametrize("length", [16, 64, 200])
@pytest.mark.parametrize("sampled", [True, False])
def test_the_counts_are_those_of_encoding_every_row(
    chat: ChatFormat, length: int, sampled: bool, request: pytest.FixtureRequest
) -> None:
    if sampled:
        request.getfixturevalue("beyond_sample")
    rows = mixed(150)
    found, findings = token_statistics(rows, TokenLimit(chat, "m", length))
    cut, masked = [], []
    for row in rows:
        whole = chat.text(row.text) if row.text is not None else chat.conversation(list(row.messages or ()))
        first = whole.first(length)
        if not first.trained_count:
            masked.append(row.line)
        elif first.cut:
            cut.append(row.line)
    assert [f.line for f in findings if f.kind == "truncated"] == cut
    assert [f.line for f in findings if f.kind == "all_masked"] == masked
    assert (found.truncated, found.masked, found.refused) == (len(cut), len(masked), 0)
    assert all(finding.severity == "warning" for finding in findings)


@pytest.mark.usefixtures("beyond_sample")
def test_rows_that_fit_are_not_encoded(chat: ChatFormat) -> None:
    rows = [conversation(f"Jaka jest stolica kraju numer {n}?", "To jest dobra odpowiedź. " * 4, n) for n in range(400)]
    found, findings = token_statistics(rows, TokenLimit(chat, "m", 512))
    assert (found.encoded, findings) == (0, [])


@pytest.mark.usefixtures("beyond_sample")
def test_a_row_just_at_the_limit_is_not_cut(chat: ChatFormat) -> None:
    rows = [conversation("Pytanie?", "Odpowiedź z kilku słów.", line) for line in (1, 2)]
    count = TokenLimit(chat, "m").count(rows)[0]
    assert token_statistics(rows, TokenLimit(chat, "m", count))[0].truncated == 0
    assert token_statistics(rows, TokenLimit(chat, "m", count - 1))[0].truncated == 2


def test_figures_of_all_rows_are_exact_and_of_a_sample_are_not(
    chat: ChatFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = mixed(120)
    counts = TokenLimit(chat, "m").count(rows)
    found, _ = token_statistics(rows, TokenLimit(chat, "m"))
    assert found.total.value == pytest.approx(sum(counts))
    assert (found.total.method, found.sampled_rows, found.max_length) == ("all rows", 121, None)
    assert found.per_row is not None
    assert (found.per_row.max, found.per_row.min) == (max(counts), min(counts))
    monkeypatch.setattr("kamerton.data.statistics.tokens.FEW", 60)
    monkeypatch.setattr("kamerton.data.statistics.tokens._SAMPLE", 60)
    part, _ = token_statistics(rows, TokenLimit(chat, "m"))
    assert (part.sampled_rows, part.rows) == (60, 121)
    assert part.total.low is not None
    assert part.total.high is not None
    assert part.total.low < sum(counts) < part.total.high
    assert part.total.low < part.total.high


@pytest.mark.usefixtures("beyond_sample")
def test_an_answer_of_nothing_is_looked_at_whatever_its_length(chat: ChatFormat) -> None:
    found, _ = token_statistics([conversation("Pytanie?", "  ", line) for line in (1, 2)], TokenLimit(chat, "m", 512))
    assert found.encoded == 1


def test_a_turn_that_is_not_learned_leaves_nothing_to_learn(chat: ChatFormat) -> None:
    shown = {"role": "assistant", "content": "pokazane", "trained": False}
    row = Row(messages=({"role": "user", "content": "q"}, shown), file="f", line=3)  # type: ignore[arg-type, typeddict-item]
    found, findings = token_statistics([row], TokenLimit(chat, "m", 512))
    assert (found.masked, [finding.kind for finding in findings]) == (1, ["all_masked"])


def test_rows_that_the_template_refuses_are_named() -> None:
    tokenizer = load_tokenizer(BASE)
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system turns') }}{% endif %}"
        "{{ m['content'] }}{{ eos_token }}{% endfor %}"
    )
    system = {"role": "system", "content": "Bądź miły"}
    good = conversation("q", "a", 1)
    bad = Row(messages=(system, *good.messages), file="f", line=2)  # type: ignore[arg-type, misc]
    found, findings = token_statistics([good, bad], TokenLimit(chat_format(tokenizer, "tokenizer"), "m", 512))
    assert (found.refused, found.sampled_rows) == (1, 1)
    assert [(f.line, f.kind, f.severity) for f in findings] == [(2, "template_refused", "error")]
    assert "no system turns" in findings[0].message


def test_nothing_is_told_of_no_rows(chat: ChatFormat) -> None:
    found, findings = token_statistics([], TokenLimit(chat, "m", 512))
    assert (found.per_row, found.total.value, found.total.why, findings) == (None, None, "no row could be encoded", [])


def test_a_bound_that_does_not_hold_is_not_used(chat: ChatFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kamerton.data.statistics.tokens.FEW", 0)
    monkeypatch.setattr("kamerton.data.statistics.tokens._SAMPLE", 60)
    rows = mixed(100)
    right = token_statistics(rows, TokenLimit(chat, "m", 64))[0]
    monkeypatch.setattr("kamerton.data.statistics.tokens._Words.bound", lambda _self, _text: 0)
    wrong = token_statistics(rows, TokenLimit(chat, "m", 64))[0]
    assert (wrong.truncated, wrong.masked) == (right.truncated, right.masked)
    assert wrong.encoded >= right.encoded


TOOLS = """[{"type": "function", "function": {"name": "dom", "description": "%s", "parameters": {}}}]"""
TOOL_TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}{{ eos_token }}{% endif %}{% for m in messages %}"
    "<|im_start|>{{ m['role'] }} {{ m['name'] }}\n{{ m['content'] }}"
    "{% for c in m['tool_calls'] or [] %}{{ c['function'] | tojson }}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant \n{% endif %}"
)


@pytest.mark.parametrize("where", ["tools", "call", "name"])
@pytest.mark.usefixtures("beyond_sample")
def test_what_a_template_writes_beside_the_contents_is_counted(where: str) -> None:
    """A short row with long tools, calls or names is cut, and no bound that sees the contents alone may say it fits."""
    tokenizer = load_tokenizer(BASE)
    tokenizer.chat_template = TOOL_TEMPLATE
    chat = chat_format(tokenizer, "tokenizer")
    long = "rzeka most " * 200
    ask, answer = {"role": "user", "content": "Co?"}, {"role": "assistant", "content": "to"}
    call = {"name": "dom", "arguments": json.dumps({"gdzie": long}), "id": "1"}
    turns = {
        "tools": [ask, answer],
        "call": [ask, answer | {"tool_calls": [call]}, {"role": "tool", "content": "4", "tool_call_id": "1"}, answer],
        "name": [ask | {"name": long}, answer],
    }[where]
    tools = TOOLS % (long if where == "tools" else "opis") if where != "name" else ""
    row = Row(messages=tuple(turns), tools=tools, file="f", line=1)  # type: ignore[arg-type]
    plain = [conversation("Co?", "to", n) for n in range(2, 40)]
    limit = TokenLimit(chat, "m", 256)
    found, findings = token_statistics([row, *plain], limit)
    exact = len(chat.conversation(list(row.messages or ()), tools=row.tools).ids)
    assert exact > 256
    assert limit.count([row]) == [exact]
    assert [(finding.line, finding.kind) for finding in findings] == [
        (1, "all_masked" if where != "call" else "truncated")
    ]
    assert found.encoded == 1
