"""Chat: messages, templates and loss masks; nobody else formats a conversation."""

from kamerton.chat.format import IGNORED, ChatFormat, ChatTokenizer, Reason, Tokens
from kamerton.chat.messages import Message, Role
from kamerton.chat.templates import NAMED, SPECIAL_TOKENS

__all__ = ["IGNORED", "NAMED", "SPECIAL_TOKENS", "ChatFormat", "ChatTokenizer", "Message", "Reason", "Role", "Tokens"]
