"""Texts: one row a line of a text file, one row a section of a Markdown file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kamerton.data.reading.parsed import Parsed, fault
from kamerton.data.reading.text import MAX_ROW, Text

__all__ = ["read_lines", "read_sections"]

_HEADING = re.compile(r" {0,3}#{1,2}(?:[ \t]|$)")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def read_lines(text: Text) -> Iterator[Parsed]:
    """One row a line, as LLaMA-Factory and `datasets` read a `.txt` file."""
    for line, content in _lines(text):
        if not content or content.isspace():
            yield line
        else:
            yield line, {"text": content}


def read_sections(text: Text) -> Iterator[Parsed]:
    """One row a section of Markdown: from a heading of level 1 or 2 to the next; deeper ones stay in their section.

    A heading with nothing below it belongs to the section that follows. What stands before the first heading is a
    section too. A `#` in a fenced block of code is no heading.
    """
    held: list[str] = []
    start, size, has_body, fence, too_long = 1, 0, False, "", False
    for line, content in _lines(text):
        heading = not fence and _HEADING.match(content) is not None
        if heading and has_body:
            yield from _section(held, start, text.file, too_long)
            held, size, has_body, too_long = [], 0, False, False
        if not held:
            start = line
        if fenced := _FENCE.match(content):
            if not fence:
                fence = fenced[1]
            elif fenced[1].startswith(fence) and not content.strip().strip(fence[0]):
                fence = ""
        has_body = has_body or (not heading and bool(content.strip()))
        if held or content.strip():
            held.append(content)
            size += len(content)
        if size > MAX_ROW:
            held, size, too_long = held[:1], 0, True
    yield from _section(held, start, text.file, too_long)


def _section(held: list[str], start: int, file: str, too_long: bool) -> Iterator[Parsed]:
    if too_long:
        message = f"the section is longer than {MAX_ROW >> 20} MiB; it is left out"
        yield fault(file, start, "row_too_long", message)
    elif content := "\n".join(held).rstrip():
        yield start, {"text": content}


def _lines(text: Text) -> Iterator[tuple[int, str]]:
    """Line number and line, without its end."""
    for first, block in text.blocks():
        lines = (block[:-1] if block.endswith(b"\n") else block).decode().split("\n")
        for line, content in enumerate(lines, first):
            yield line, content.removesuffix("\r")
