"""Chat: messages, templates and loss masks; nobody else formats a conversation."""

from kamerton.chat.format import IGNORED, ChatFormat, ChatTokenizer, Reason, Tokens
from kamerton.chat.messages import Message, Role
from kamerton.chat.templates import NAMED

__all__ = ["IGNORED", "NAMED", "ChatFormat", "ChatTokenizer", "Message", "Reason", "Role", "Tokens"]
