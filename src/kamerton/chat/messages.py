"""A conversation is a list of messages with a role and a text."""

from __future__ import annotations

from typing import Literal, TypedDict

__all__ = ["Message", "Role"]

Role = Literal["system", "user", "assistant", "tool"]


class Message(TypedDict):
    """One turn."""

    role: Role
    content: str
