"""A conversation is a list of messages with a role and a text."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

__all__ = ["Message", "Role", "ToolCall"]

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(TypedDict):
    """One call of a tool by the assistant."""

    name: str
    arguments: str
    """A JSON object."""
    id: NotRequired[str]


class Message(TypedDict):
    """One turn; a call of tools may have an empty content."""

    role: Role
    content: str
    tool_calls: NotRequired[list[ToolCall]]
    """Tools that an assistant turn calls."""
    tool_call_id: NotRequired[str]
    """Which call a tool's turn answers."""
    name: NotRequired[str]
    """Who speaks: the tool, or one of several users."""
    trained: NotRequired[bool]
    """False for an assistant turn that is shown and not learned."""
