"""Judged answers: preference pairs in all their forms, yes and no, and rankings."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from kamerton.data.export.openai import openai_records
from kamerton.data.rows import Row
from kamerton.data.shapes import layout_for, recognise, to_row, unused_columns
from kamerton.records.data import Finding

ASKED = {"role": "user", "content": "Kto?"}
GOOD = {"role": "assistant", "content": "Urząd."}
BAD = {"role": "assistant", "content": "Nie wiem."}
OLD_GOOD, OLD_BAD = {"from": "gpt", "value": "Urząd."}, {"from": "gpt", "value": "Nie wiem."}
WANTED = Row(messages=(ASKED,), ranked=(GOOD, BAD), file="f", line=1)  # type: ignore[arg-type]


def made(record: dict[str, Any], doubts: list[Finding] | None = None) -> Row | Finding:
    return to_row(record, recognise(record)[0], "f", 1, doubts)


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Kto?", "chosen": "Urząd.", "rejected": "Nie wiem."},
        {"instruction": "Kto?", "input": "", "chosen": "Urząd.", "rejected": "Nie wiem."},
        {"messages": [ASKED], "chosen": "Urząd.", "rejected": "Nie wiem."},
        {"messages": [ASKED], "chosen": GOOD, "rejected": BAD},
        {"conversations": [{"from": "human", "value": "Kto?"}], "chosen": OLD_GOOD, "rejected": OLD_BAD},
        {"prompt": [ASKED], "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "Kto?", "chosen": [GOOD], "rejected": [BAD]},
        {"prompt": "Kto?", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD], "messages": [ASKED, GOOD]},
        {"chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
        {"chosen_messages": [ASKED, GOOD | {"loss_weight": 1.0}], "rejected_messages": [ASKED, BAD]},
        {"input": {"messages": [ASKED]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
        {"chosen": "\n\nHuman: Kto?\n\nAssistant: Urząd.", "rejected": "\n\nHuman: Kto?\n\nAssistant: Nie wiem."},
        {"chosen": "Human: Kto?\n\nAssistant: Urząd.", "rejected": "Human: Kto?\n\nAssistant: Nie wiem."},
        {"prompt": "Kto?", "answers": ["Urząd.", "Nie wiem."], "ranks": [0, 1]},
        {"prompt": "Kto?", "answers": ["Nie wiem.", "Urząd."], "ranks": [2, 1.5]},
        {"messages": [ASKED], "answers": [BAD, GOOD], "ranks": [3, -1]},
        {"prompt": "Kto?", "answers": '["Urząd.", "Nie wiem."]', "ranks": "[0, 1]"},
    ],
)
def test_a_pair_is_one_row_however_it_is_written(record: dict[str, Any]) -> None:
    doubts: list[Finding] = []
    assert made(record, doubts) == WANTED
    assert not doubts


def test_what_both_begin_with_is_the_prompt() -> None:
    system = {"role": "system", "content": "Odpowiadaj."}
    beginning = [system, ASKED, GOOD, {"role": "user", "content": "A gdzie?"}]
    row = made({"chosen": [*beginning, GOOD], "rejected": [*beginning, BAD]})
    assert isinstance(row, Row)
    assert row.messages == tuple(beginning)
    said = made({"prompt": "A gdzie?", "chosen": [*beginning, GOOD], "rejected": [*beginning, BAD]})
    assert said == row
    inside = made({"prompt": beginning, "chosen": [beginning[-1], GOOD], "rejected": [beginning[-1], BAD]})
    assert isinstance(inside, Row)
    assert [turn["content"] for turn in inside.messages or ()] == [turn["content"] for turn in beginning]


def test_a_transcript_is_parted_at_its_speakers() -> None:
    begin = "\n\nHuman: a\n\nwięcej\n\nAssistant: b\n\nHuman: c"
    row = made({"chosen": f"{begin}\n\nAssistant: d\n\ne", "rejected": f"{begin}\n\nAssistant: f"})
    assert isinstance(row, Row)
    assert [(turn["role"], turn["content"]) for turn in row.prompt] == [
        *(("user", "a\n\nwięcej"), ("assistant", "b"), ("user", "c")),
    ]
    assert [turn["content"] for turn in row.ranked] == ["d\n\ne", "f"]


def test_a_prompt_beside_transcripts_leaves_them_texts() -> None:
    said = "\n\nHuman: a\n\nAssistant: b"
    row = made({"prompt": "p", "chosen": said, "rejected": "c"})
    assert isinstance(row, Row)
    assert row.ranked[0]["content"] == said


CALL = {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "name": "f", "arguments": '{"a": "ż"}'}]}


@pytest.mark.parametrize(
    "row",
    [
        WANTED,
        Row(messages=({"role": "system", "content": "s"}, ASKED, GOOD, ASKED), ranked=(GOOD, BAD)),  # type: ignore[arg-type]
        Row(
            messages=(ASKED, CALL, {"role": "tool", "content": "1", "tool_call_id": "c1"}),  # type: ignore[arg-type]
            ranked=(GOOD, BAD),  # type: ignore[arg-type]
            tools='[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]',
        ),
    ],
)
def test_what_the_hosted_form_holds_reads_back_to_the_same_row(row: Row) -> None:
    (record,) = openai_records(row, Counter())
    layout, reason = recognise(record)
    assert reason == "columns preferred_output and non_preferred_output"
    assert not unused_columns(record, layout)
    back = to_row(json.loads(json.dumps(record)), layout, "f", 1)
    assert isinstance(back, Row), back
    assert back.row_hash == row.row_hash


def test_what_is_not_read_of_the_hosted_form_is_told() -> None:
    record = {"input": {"messages": [ASKED], "parallel_tool_calls": True}, "preferred_output": [GOOD]}
    record["non_preferred_output"] = [BAD]
    assert unused_columns(record, recognise(record)[0]) == {"input.parallel_tool_calls"}


def test_a_system_column_and_a_history_stand_before_the_prompt() -> None:
    record = {"prompt": "c", "system": "s", "history": [["a", "b"]], "chosen": "d", "rejected": "e"}
    row = made(record)
    assert isinstance(row, Row)
    assert [turn["content"] for turn in row.prompt] == ["s", "a", "b", "c"]
    assert [turn["content"] for turn in row.ranked] == ["d", "e"]


def test_a_text_beside_a_turn_is_read_with_a_doubt() -> None:
    doubts: list[Finding] = []
    assert made({"prompt": "Kto?", "chosen": [GOOD], "rejected": "Nie wiem."}, doubts) == WANTED
    assert [finding.kind for finding in doubts] == ["mixed_types"]


def test_a_call_of_a_tool_can_be_the_better_answer() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [{"name": "szukaj", "arguments": {"q": "x"}}]}
    row = made({"messages": [ASKED], "chosen": call, "rejected": BAD, "tools": [{"name": "szukaj"}]})
    assert isinstance(row, Row)
    assert row.ranked[0]["tool_calls"] == [{"name": "szukaj", "arguments": '{"q":"x"}'}]
    assert row.tools == '[{"name":"szukaj"}]'


@pytest.mark.parametrize(
    ("answers", "ranks"),
    [
        (["c", "a", "b"], [2, 0, 1]),
        ([{"text": "b", "rank": 1}, {"text": "a", "rank": 0}, {"text": "c", "rank": 2}], None),
        ([{"role": "assistant", "content": "a"}, "b", {"text": "c"}], None),
    ],
)
def test_a_ranking_is_put_in_order(answers: list[Any], ranks: list[int] | None) -> None:
    record = {"question": "?", "answers": answers} | ({} if ranks is None else {"ranks": ranks})
    row = to_row(record, layout_for("ranking", {}), "f", 1)
    assert isinstance(row, Row), row
    assert [turn["content"] for turn in row.ranked] == ["a", "b", "c"]
    assert row.answer == "a"


@pytest.mark.parametrize(
    ("record", "liked"),
    [
        ({"prompt": "Kto?", "completion": "Urząd.", "label": True}, True),
        ({"messages": [ASKED, GOOD], "label": False}, False),
        ({"instruction": "Kto?", "output": "Urząd.", "kto_tag": False}, False),
        ({"prompt": [ASKED], "completion": [GOOD], "label": True}, True),
        (
            {"conversations": [{"from": "human", "value": "Kto?"}, OLD_GOOD], "kto_tag": True},
            True,
        ),
    ],
)
def test_yes_and_no(record: dict[str, Any], liked: bool) -> None:
    row = made(record)
    assert isinstance(row, Row), row
    assert (row.kind, row.liked) == ("rated", liked)
    assert [turn["content"] for turn in row.messages or ()] == ["Kto?", "Urząd."]


def test_true_as_a_text_is_read_with_a_doubt_unless_the_file_writes_all_so() -> None:
    record = {"prompt": "a", "completion": "b", "label": "False"}
    doubts: list[Finding] = []
    row = to_row(record, layout_for("rated", {}), "f", 1, doubts)
    assert isinstance(row, Row)
    assert row.liked is False
    assert [finding.kind for finding in doubts] == ["mended_label"]
    doubts.clear()
    assert made(record, doubts) == row
    assert not doubts


def test_the_answers_before_a_question_are_not_marked() -> None:
    turns = [ASKED, GOOD, {"role": "user", "content": "A gdzie?"}]
    assert made({"prompt": turns, "chosen": [GOOD], "rejected": [BAD]}) == made(
        {"messages": turns, "chosen": GOOD, "rejected": BAD}
    )


@pytest.mark.parametrize("label", [1, 0, "tak", "1", 0.5, [True]])
def test_what_is_not_yes_or_no_is_refused_and_never_an_ordinary_row(label: Any) -> None:
    refused = to_row({"prompt": "a", "completion": "b", "label": label}, layout_for("rated", {}), "f", 1)
    assert isinstance(refused, Finding)
    assert (refused.kind, refused.severity) == ("wrong_type", "error")
    assert "expected true or false" in refused.message


def test_a_file_of_ones_and_noughts_is_not_silently_ordinary() -> None:
    record = {"prompt": "a", "completion": "b", "label": 1}
    assert recognise(record)[0].shape == "rated"
    assert isinstance(made(record), Finding)


PAIR = {"prompt": "Kto?", "chosen": "Urząd.", "rejected": "Nie wiem."}
LIST = {"prompt": "Kto?", "answers": ["a", "b"], "ranks": [0, 1]}


@pytest.mark.parametrize(
    ("record", "shape", "kind", "words"),
    [
        (PAIR | {"rejected": "Urząd."}, "preference", "equal_answers", "chosen and rejected are equal"),
        ({"chosen": [ASKED, GOOD], "rejected": [ASKED, GOOD]}, "preference", "equal_answers", "are equal"),
        (PAIR | {"rejected": None}, "preference", "wrong_type", "rejected is null"),
        ({"prompt": "a", "chosen": "b"}, "preference", "missing_column", "no column rejected"),
        (PAIR | {"prompt": ""}, "preference", "empty_prompt", "is empty"),
        (PAIR | {"prompt": " \n"}, "preference", "empty_prompt", "is empty"),
        (PAIR | {"chosen": ""}, "preference", "empty_answer", "chosen is empty"),
        (PAIR | {"rejected": "  "}, "preference", "empty_answer", "rejected is empty"),
        (PAIR | {"rejected": 5}, "preference", "wrong_type", "rejected is a number"),
        (PAIR | {"prompt": None}, "preference", "wrong_type", "prompt is null"),
        ({"chosen": "a", "rejected": "b"}, "preference", "missing_column", "no column prompt"),
        ({"chosen": [GOOD], "rejected": [BAD]}, "preference", "missing_column", "no column prompt"),
        (PAIR | {"chosen": [GOOD, ASKED, GOOD]}, "preference", "wrong_type", "chosen has 3 turns after the prompt"),
        ({"chosen": [ASKED, GOOD], "rejected": [BAD]}, "preference", "missing_column", "no column prompt"),
        (PAIR | {"chosen": [ASKED], "rejected": [BAD]}, "preference", "wrong_role_order", "turn 2 is 'user'"),
        (PAIR | {"chosen": ASKED}, "preference", "wrong_role", "a turn of the user"),
        (
            {"prompt": "Co?", "chosen": [ASKED, GOOD], "rejected": [ASKED, BAD]},
            "preference",
            "prompt_differs",
            "other turns than the prompt",
        ),
        (
            {"messages": [ASKED, GOOD], "chosen": GOOD, "rejected": BAD},
            "preference",
            "wrong_role_order",
            "turn 3 is 'assistant' after 'assistant'",
        ),
        (
            {"chosen": "\n\nHuman: a\n\nAssistant:", "rejected": "\n\nHuman: a\n\nAssistant: b"},
            *("preference", "empty_answer", "chosen is empty"),
        ),
        (
            {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "c"},
            *("preference", "missing_column", "no column prompt"),
        ),
        (
            {"input": {"messages": None}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
            *("preference", "wrong_type", "the column input.messages is null"),
        ),
        (
            {"input": {"messages": [ASKED]}, "preferred_output": [GOOD, ASKED], "non_preferred_output": [BAD]},
            *("preference", "wrong_type", "chosen has 2 turns"),
        ),
        (LIST | {"ranks": [0, 0]}, "ranking", "tied_ranks", "(0, 0); which is better?"),
        (LIST | {"ranks": [0]}, "ranking", "wrong_type", "a rank for each of 2"),
        (LIST | {"ranks": [0, None]}, "ranking", "wrong_type", "a rank is null"),
        (LIST | {"ranks": [float("nan"), 1]}, "ranking", "wrong_type", "a rank is nan"),
        (LIST | {"ranks": [True, False]}, "ranking", "wrong_type", "a rank is true or false"),
        (LIST | {"ranks": "pierwsza"}, "ranking", "wrong_type", "a rank for each of 2"),
        (LIST | {"answers": ["a"], "ranks": [0]}, "ranking", "wrong_type", "a list of 1"),
        (LIST | {"answers": {"a": 1}}, "ranking", "wrong_type", "is an object"),
        (LIST | {"answers": ["a", 5]}, "ranking", "wrong_type", "answer 2 is a number"),
        (LIST | {"answers": ["a", "a"]}, "ranking", "equal_answers", "answer 1 and answer 2 are equal"),
        (LIST | {"answers": ["a", ""]}, "ranking", "empty_answer", "answer 2 is empty"),
        ({"answers": ["a", "b"]}, "ranking", "missing_column", "no column prompt"),
        ({"prompt": "a"}, "ranking", "missing_column", "no column answers"),
        ({"prompt": "a", "label": True}, "rated", "missing_column", "no column completion"),
        ({"prompt": "a", "completion": "b"}, "rated", "missing_column", "kto_tag, label or liked"),
        ({"prompt": "a", "completion": "b", "label": None}, "rated", "wrong_type", "label is null"),
    ],
)
def test_what_cannot_be_judged_says_why(record: dict[str, Any], shape: str, kind: str, words: str) -> None:
    finding = to_row(record, layout_for(shape, {}), "f", 1)
    assert isinstance(finding, Finding), finding
    assert (finding.kind, finding.severity) == (kind, "error")
    assert words in finding.message
