"""The hosted formats: each rule has a file that breaks it and nothing else, at the line that is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kamerton.data.export.hosted import RULES, check_chat, check_preference, validate_file
from kamerton.data.export.hosted import validate as validating
from kamerton.ground.errors import DataError

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Łódź"}'}}


def user(text: Any = "Jaka pogoda?") -> dict[str, Any]:
    return {"role": "user", "content": text}


def reply(text: Any = "Ładna.", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def calling(*messages: Any, **more: Any) -> dict[str, Any]:
    return chat(user(), reply(None, tool_calls=[CALL]), *messages, tools=[TOOL], **more)


ANSWERED = {"role": "tool", "tool_call_id": "c1", "content": "słońce"}


def pair(**more: Any) -> dict[str, Any]:
    return {"input": chat(user()), "preferred_output": [reply()], "non_preferred_output": [reply("Nie wiem.")], **more}


GOOD = [
    chat(user(), reply()),
    chat({"role": "system", "content": "Krótko."}, user(), reply(weight=0), user("A jutro?"), reply(weight=1)),
    chat({"role": "developer", "content": "x"}, {**user(), "name": "Jan_K"}, reply()),
    calling(ANSWERED, reply(), parallel_tool_calls=False),
    calling(),
    chat(user([{"type": "text", "text": "Co to?"}, {"type": "image_url", "image_url": {"url": "x"}}]), reply()),
    chat(user(), reply([{"type": "text", "text": "Tak."}])),
    chat(user(), reply(None, refusal="Nie mogę.")),
]

BAD = {
    "missing_key": {"conversations": []},
    "unknown_key": chat(user(), reply(), category="x"),
    "wrong_type": chat(user(), "text"),
    "no_messages": chat(),
    "no_answer": chat(user()),
    "last_not_assistant": chat(user(), reply(), user()),
    "nothing_to_learn": chat(user(), reply(weight=0)),
    "unknown_role": chat({"role": "human", "content": "x"}, reply()),
    "missing_content": chat(user(), reply(None)),
    "bad_content_part": chat(user(), reply([{"type": "image_url", "image_url": {"url": "x"}}])),
    "empty_content": chat(user(""), reply()),
    "bad_weight": chat(user(), reply(weight=0.5)),
    "bad_name": chat({**user(), "name": "Jan Kowalski"}, reply()),
    "bad_tool": chat(user(), reply(), tools=[TOOL["function"]]),
    "duplicate_tool": chat(user(), reply(), tools=[TOOL, TOOL]),
    "too_many_tools": chat(
        user(), reply(), tools=[{"type": "function", "function": {"name": f"t{n}"}} for n in range(129)]
    ),
    "bad_tool_call": calling() | {"messages": [user(), reply(None, tool_calls=[{**CALL, "id": 7}])]},
    "broken_arguments": chat(
        user(),
        reply(None, tool_calls=[{**CALL, "function": {"name": "weather", "arguments": "{city}"}}]),
        tools=[TOOL],
    ),
    "undeclared_tool": chat(user(), reply(None, tool_calls=[CALL])),
    "unanswered_call": calling(reply()),
    "stray_tool_reply": chat(user(), reply(), ANSWERED, reply()),
    "bad_parallel_tool_calls": chat(user(), reply(), parallel_tool_calls=True),
    "deprecated_functions": chat(user(), reply(None, function_call={"name": "f", "arguments": "{}"})),
}


@pytest.mark.parametrize("example", GOOD, ids=range(len(GOOD)))
def test_good_examples_break_no_rule(example: dict[str, Any]) -> None:
    assert check_chat(example) == []


@pytest.mark.parametrize("rule", BAD)
def test_each_bad_example_breaks_its_rule_alone(rule: str) -> None:
    assert {fault.rule for fault in check_chat(BAD[rule])} == {rule}


def test_arguments_that_are_an_object_and_tool_contents_in_parts_are_refused() -> None:
    """Both are taken by the chat API, and refused in a training file."""
    inner = {"name": "weather", "arguments": {"city": "Łódź"}}
    found = check_chat(chat(user(), reply(None, tool_calls=[{**CALL, "function": inner}]), tools=[TOOL]))
    assert [fault.rule for fault in found] == ["bad_tool_call"]
    found = check_chat(calling({**ANSWERED, "content": [{"type": "text", "text": "x"}]}, reply()))
    assert [fault.rule for fault in found] == ["wrong_type"]


def test_good_pairs() -> None:
    assert check_preference(pair()) == []
    assert check_preference(pair(input=chat(user(), tools=[TOOL], parallel_tool_calls=True))) == []
    assert (
        check_preference(pair(preferred_output=[reply(None, tool_calls=[CALL])], input=chat(user(), tools=[TOOL])))
        == []
    )


@pytest.mark.parametrize(
    ("rule", "example"),
    [
        ("missing_key", {"input": chat(user()), "preferred_output": [reply()]}),
        ("unknown_key", pair(rejected="x")),
        ("unknown_key", pair(input=chat(user(), weight=1))),
        ("unknown_key", pair(preferred_output=[reply(weight=1)])),
        ("wrong_type", pair(input="Jaka pogoda?")),
        ("wrong_type", pair(input={})),
        ("no_messages", pair(input=chat())),
        ("no_answer", pair(input=chat(user(), reply()))),
        ("no_answer", pair(preferred_output=[reply(), reply()])),
        ("no_answer", pair(preferred_output=[])),
        ("no_answer", pair(non_preferred_output="Nie wiem.")),
        ("no_answer", pair(non_preferred_output=[user()])),
        ("missing_content", pair(non_preferred_output=[reply("")])),
        ("same_outputs", pair(non_preferred_output=[reply()])),
    ],
)
def test_each_bad_pair_breaks_its_rule_alone(rule: str, example: dict[str, Any]) -> None:
    assert {fault.rule for fault in check_preference(example)} == {rule}


def lines(path: Path, *given: bytes) -> Path:
    filling = [json.dumps(chat(user(f"{n}?"), reply())).encode() for n in range(12)]
    path.write_bytes(b"\n".join([*given, *filling]) + b"\n")
    return path


FILES: dict[str, tuple[bytes, int]] = {
    "blank_line": (b"   ", 1),
    "bad_encoding": ('{"messages": "żółw"}'.encode("cp1250"), 1),
    "broken_json": (b'{"messages": [}', 1),
    "not_an_object": (b'["a"]', 1),
    "duplicate_key": (
        json.dumps(GOOD[0])[:-1].encode()
        + b', "messages": []}'.replace(b"[]", b'[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]'),
        1,
    ),
    "byte_order_mark": (b"\xef\xbb\xbf" + json.dumps(GOOD[0]).encode(), 1),
    "duplicate_example": (json.dumps(chat(user("0?"), reply())).encode(), 2),
    "wrong_form": (json.dumps(pair()).encode(), 1),
    "too_long": (json.dumps(chat(user("słowo " * 60_000), reply())).encode(), 1),
}


@pytest.mark.parametrize("rule", FILES)
def test_each_bad_line_breaks_its_rule_alone_where_it_stands(rule: str, tmp_path: Path) -> None:
    given, line = FILES[rule]
    found = validate_file(lines(tmp_path / "d.jsonl", given), "openai-chat")
    assert [(one.line, one.kind, one.severity) for one in found.findings] == [(line, rule, RULES[rule])]
    assert found.passed == (RULES[rule] == "warning")


def test_nan_is_no_json(tmp_path: Path) -> None:
    found = validate_file(lines(tmp_path / "d.jsonl", b'{"messages": [], "x": NaN}'))
    assert [(one.kind, one.message) for one in found.findings] == [("broken_json", "not JSON: NaN is no JSON")]


def test_ten_examples_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    for count, kinds in ((0, ["empty_file"]), (9, ["too_few_examples"]), (10, [])):
        path.write_text("".join(json.dumps(chat(user(f"{n}?"), reply())) + "\n" for n in range(count)))
        assert [one.kind for one in validate_file(path).findings] == kinds


def test_the_name_and_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = validate_file(lines(tmp_path / "d.json"))
    assert [one.kind for one in found.findings] == ["wrong_suffix"]
    path = lines(tmp_path / "d.jsonl")
    monkeypatch.setattr(validating, "_ONE_UPLOAD", path.stat().st_size - 1)
    assert [(one.kind, one.severity) for one in validate_file(path).findings] == [("needs_upload_in_parts", "warning")]
    monkeypatch.setattr(validating, "_IN_PARTS", path.stat().st_size - 1)
    assert [one.kind for one in validate_file(path).findings] == ["file_too_large"]


def test_every_rule_is_tested() -> None:
    tested = {*BAD, *FILES, "same_outputs", "empty_file", "too_few_examples"}
    assert RULES.keys() - tested == {"wrong_suffix", "file_too_large", "needs_upload_in_parts"}


def test_the_form_is_that_of_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(pair(input=chat(user(f"{n}?")))) + "\n" for n in range(11)))
    found = validate_file(path)
    assert (found.target, found.findings, found.examples) == ("openai-preference", [], 11)
    kinds = {one.kind for one in validate_file(path, "openai-chat").findings}
    assert kinds == {"wrong_form"}


def test_an_input_that_is_a_text_is_no_preference_pair(tmp_path: Path) -> None:
    path = tmp_path / "alpaca.jsonl"
    row = {"instruction": "Pytanie?", "input": "", "output": "Tak."}
    path.write_text("".join(json.dumps(row | {"input": str(n)}) + "\n" for n in range(10)))
    for target in (None, "openai-chat", "openai-preference"):
        found = validate_file(path, target)
        assert found.target == (target or "openai-chat")
        assert {one.kind for one in found.findings} >= {"missing_key"}
        assert "wrong_form" not in {one.kind for one in found.findings}


def test_the_limit_of_the_model_is_asked_for(tmp_path: Path) -> None:
    path = lines(tmp_path / "d.jsonl", json.dumps(chat(user("word " * 100), reply())).encode())
    found = validate_file(path, model_context=100)
    assert [(one.line, one.kind) for one in found.findings] == [(1, "too_long")]
    assert "an estimate" in found.findings[0].message
    assert 120 < found.longest < 150
    assert found.tokens > found.longest


def test_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(DataError, match="no such file"):
            validate_file(path)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(["", "user", "x", "tool"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("messages", "role", "content", "tools", "tool_calls", "function", "name", "weight", "input"),
                    *(
                        "preferred_output",
                        "non_preferred_output",
                        "id",
                        "type",
                        "arguments",
                        "tool_call_id",
                        "functions",
                    ),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=120, deadline=None)
@given(st.dictionaries(st.sampled_from(["messages", "input", "tools", "preferred_output", "functions"]), VALUES))
@pytest.mark.parametrize("check", [check_chat, check_preference])
def test_whatever_stands_in_an_example_ends_in_faults(check: Callable[..., Any], example: dict[str, Any]) -> None:
    for fault in check(example):
        assert fault.rule in RULES


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80) | st.builds(json.dumps, VALUES).map(str.encode))
def test_any_bytes_end_in_a_report(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(content)
    found = validate_file(path)
    assert not found.passed, "no such file has ten examples"
