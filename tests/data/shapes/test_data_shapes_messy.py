"""Real records spoilt on purpose: each gets the finding that its list of faults expects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kamerton.data.rows import Row
from kamerton.data.shapes import recognise, to_row
from kamerton.records.data import Finding

MESSY = Path(__file__).parents[4] / "shared" / "data" / "messy" / "derived-broken"
pytestmark = pytest.mark.skipif(not MESSY.is_dir(), reason="the shared collection of broken files is not here")


def told(name: str) -> tuple[dict[int, str], dict[int, set[str]], dict[int, Row]]:
    """Kinds of the refused rows, kinds of the doubts, and rows, by number from 1."""
    text = (MESSY / name).read_text(encoding="utf-8")
    records: list[Any] = (
        json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    )
    layout, _ = recognise(records[0])
    refused: dict[int, str] = {}
    doubted: dict[int, set[str]] = {}
    rows: dict[int, Row] = {}
    for number, record in enumerate(records, 1):
        doubts: list[Finding] = []
        made = to_row(record, layout, name, number, doubts)
        if isinstance(made, Row):
            rows[number] = made
        else:
            refused[number] = made.kind
        if doubts:
            doubted[number] = {finding.kind for finding in doubts}
    return refused, doubted, rows


def test_mixed_types() -> None:
    """Blanks, encodings, injections and personal data are texts; other steps look into those."""
    refused, doubted, rows = told("alpaca_mixed_types.jsonl")
    assert refused == {2: "wrong_type", 3: "wrong_type", 4: "wrong_type", 5: "missing_column"} | dict.fromkeys(
        (8, 10), "wrong_type"
    )
    assert doubted == {6: {"empty_prompt"}}
    assert len(rows) == 54
    assert rows[11].row_hash == rows[1].row_hash
    assert rows[7].answer.strip() == ""
    assert len(rows[12].answer) > 100_000


def test_wrong_roles() -> None:
    refused, doubted, rows = told("sharegpt_wrong_roles.json")
    assert refused == {
        **dict.fromkeys((4, 5, 6, 10), "wrong_role_order"),
        7: "no_answer",
        8: "empty_conversation",
        11: "unknown_role",
        **dict.fromkeys((13, 14, 15), "wrong_type"),
        **dict.fromkeys((16, 18), "missing_column"),
        19: "bad_tool_call",
    }
    assert doubted == {
        2: {"mended_role"},
        3: {"mended_role"},
        12: {"mended_role", "mended_turn"},
        17: {"mended_role", "mended_turn"},
        20: {"json_in_text"},
    }
    assert sorted(rows) == [1, 2, 3, 9, 12, 17, 20]
    assert [message["role"] for message in rows[9].messages or ()] == ["system", "user", "assistant"]


def test_faulty_pairs() -> None:
    refused, doubted, rows = told("dpo_faulty.jsonl")
    assert refused == {2: "equal_answers", 3: "missing_column", 4: "empty_prompt", 5: "empty_answer"}
    assert doubted == {6: {"mixed_types"}}
    assert sorted(rows) == [1, 6, 7]
    assert {row.kind for row in rows.values()} == {"ranked"}
