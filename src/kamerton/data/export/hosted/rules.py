"""The rules of the hosted formats, each with how bad it is to break it."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

__all__ = ["RULES", "Fault", "unknown_keys"]

RULES: Final[dict[str, Literal["error", "warning"]]] = {
    # the file
    "wrong_suffix": "error",
    "empty_file": "error",
    "byte_order_mark": "error",
    "file_too_large": "error",
    "needs_upload_in_parts": "warning",
    "too_few_examples": "error",
    # a line
    "blank_line": "error",
    "bad_encoding": "error",
    "broken_json": "error",
    "not_an_object": "error",
    "duplicate_key": "warning",
    "duplicate_example": "warning",
    "wrong_form": "error",
    "too_long": "warning",
    # an example
    "missing_key": "error",
    "unknown_key": "error",
    "wrong_type": "error",
    "no_messages": "error",
    "no_answer": "error",
    "last_not_assistant": "error",
    "nothing_to_learn": "error",
    "same_outputs": "warning",
    # a message
    "unknown_role": "error",
    "missing_content": "error",
    "bad_content_part": "error",
    "empty_content": "warning",
    "bad_weight": "error",
    "bad_name": "error",
    # tools
    "bad_tool": "error",
    "duplicate_tool": "error",
    "too_many_tools": "error",
    "bad_tool_call": "error",
    "broken_arguments": "warning",
    "undeclared_tool": "warning",
    "unanswered_call": "error",
    "stray_tool_reply": "error",
    "bad_parallel_tool_calls": "error",
    "deprecated_functions": "warning",
}
"""Every rule by its name: `error` for what a service refuses, `warning` for what it takes and the user would regret."""


class Fault(NamedTuple):
    """A rule that is broken, and how."""

    rule: str
    message: str


def unknown_keys(value: dict[str, Any], known: frozenset[str], where: str) -> list[Fault]:
    """A fault for the keys that a service does not know, which it refuses."""
    strange = sorted(value.keys() - known)
    if not strange:
        return []
    names = ", ".join(map(repr, strange))
    return [Fault("unknown_key", f"{where} has {names}; known are {', '.join(sorted(known))}")]
