"""JSON: one object a line, an array of objects, or objects one after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from kamerton.data.reading.parsed import Parsed, fault
from kamerton.data.reading.text import MAX_ROW, Text
from kamerton.data.shapes.faults import json_type
from kamerton.records.data import Finding

__all__ = ["read_json", "read_jsonl"]

_SPACE = re.compile(r"[ \t\r\n]*")


def read_jsonl(text: Text) -> Iterator[Parsed]:
    """One JSON object a line; an array under this name is read as `read_json` would."""
    blocks = text.blocks()
    first = next(blocks, None)
    if first is None:
        return
    rest = _again(first, blocks)
    if first[1].lstrip()[:1] == b"[" and not _is_lines(first[1]):
        said = "the file is a JSON array, not JSON lines; read as one, but rename it to .json"
        yield Finding(file=text.file, line=0, kind="not_json_lines", message=said, severity="warning")
        yield from _Elements(rest, text.file).array()
    else:
        yield from _lines(rest, text.file)


def read_json(text: Text) -> Iterator[Parsed]:
    """An array of objects, or one object; a file of JSON lines under this name is read as such.

    Elements are read one by one, so that an array larger than the memory can be read.
    """
    blocks = text.blocks(lines=False)
    first = next(blocks, None)
    if first is None:
        return
    rest = _again(first, blocks)
    if first[1].lstrip()[:1] == b"[":
        yield from _Elements(rest, text.file).array()
    elif _is_lines(first[1]):
        yield from _lines(_at_line_ends(rest), text.file)
    else:
        yield from _Elements(rest, text.file).sequence()


def _again(first: tuple[int, bytes], rest: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    yield first
    yield from rest


def _at_line_ends(blocks: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Blocks that end anywhere, cut where lines end."""
    line, held = 1, b""
    for _, block in blocks:
        held += block
        cut = held.rfind(b"\n") + 1
        if cut:
            yield line, held[:cut]
            line += held.count(b"\n", 0, cut)
            held = held[cut:]
    if held:
        yield line, held


def _lines(blocks: Iterator[tuple[int, bytes]], file: str) -> Iterator[Parsed]:
    loads = orjson.loads
    for first, block in blocks:
        for line, raw in enumerate((block[:-1] if block.endswith(b"\n") else block).split(b"\n"), first):
            try:
                record = loads(raw)
            except orjson.JSONDecodeError as error:
                yield line if not raw or raw.isspace() else _broken(raw, file, line, error)
            else:
                yield _looked_at(record, raw, file, line)


class _Elements:
    """The values of a JSON text, each located first, so that a finding has its line, then parsed as a line would be."""

    def __init__(self, blocks: Iterator[tuple[int, bytes]], file: str) -> None:
        self._blocks = blocks
        self._file = file
        self._decoder = json.JSONDecoder(strict=False, parse_int=float)  # an int of many digits is refused
        self._text = ""
        self._position = 0
        self._line = 1
        self._counted = 0
        self._ended = False

    def array(self) -> Iterator[Parsed]:
        """The elements of the array that the text begins with."""
        self._peek()
        self._position += 1
        char = self._peek()
        while char != "]":
            going, item = self._value()
            yield item
            if not going:
                return
            char = self._peek()
            if char == ",":
                self._position += 1
                char = self._peek()
                if char == "]":
                    yield self._fault("a comma stands before the end of the array")
            elif char != "]":
                yield self._fault("the array is cut off or lacks a comma; the rest is not read")
                return
        self._position += 1
        if self._peek():
            yield self._fault("something follows the array; it is not read")

    def sequence(self) -> Iterator[Parsed]:
        """Values one after the other, with white space between them."""
        going = True
        while going and self._peek():
            going, item = self._value()
            yield item
            if self._text[self._position : self._position + 1].strip():
                yield self._fault("something follows the value; the rest of the file is not read")
                return

    def _value(self) -> tuple[bool, Parsed]:
        """The value at the position, and whether one can go on behind it."""
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self._position)
            except json.JSONDecodeError as error:
                if self._grow(cut=error.pos + 16 >= len(self._text) or error.msg.startswith("Unterminated")):
                    continue
                return False, self._broken_at(error.pos, error.msg)
            except RecursionError:
                return False, self._broken_at(self._position, "nested too deeply")
            if end < len(self._text) or not self._grow(cut=True):
                break
        raw = self._text[self._position : end].encode()
        parsed = _parse(raw, self._file, self._here(self._position))
        self._position = end
        return True, parsed

    def _grow(self, *, cut: bool) -> bool:
        """Read on where the value may only be cut off: as much again as there is, so that a value costs its length."""
        if not cut or self._ended or len(self._text) - self._position > MAX_ROW:
            return False
        self._here(self._position)
        pieces, size = [self._text[self._position :]], 0
        wanted = len(pieces[0])
        self._text, self._counted, self._position = "", 0, 0
        while size <= wanted and not self._ended:
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
            else:
                pieces.append(block[1].decode())
                size += len(pieces[-1])
        self._text = "".join(pieces)
        return size > 0

    def _peek(self) -> str:
        """The character behind white space, to which the position moves; empty at the end."""
        while True:
            found = _SPACE.match(self._text, self._position)
            self._position = found.end() if found else self._position
            if self._position < len(self._text) or not self._grow(cut=True):
                return self._text[self._position : self._position + 1]

    def _here(self, position: int) -> int:
        """The line of a position not before the last one asked for."""
        self._line += self._text.count("\n", self._counted, position)
        self._counted = position
        return self._line

    def _fault(self, message: str) -> Finding:
        return fault(self._file, self._here(self._position), "broken_json", message)

    def _broken_at(self, position: int, what: str) -> Finding:
        if len(self._text) - self._position > MAX_ROW:
            what = f"{what} (of a value longer than {MAX_ROW >> 20} MiB only the start is looked at)"
        start = self._here(self._position)
        line = start + self._text.count("\n", self._position, position)
        column = position - self._text.rfind("\n", 0, position)
        message = f"not JSON at character {column} of the line: {what}; the rest of the file is not read"
        return fault(self._file, line, "broken_json", message)


def _parse(raw: bytes, file: str, line: int) -> Parsed:
    """One JSON object."""
    try:
        record = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return _broken(raw, file, line, error)
    return _looked_at(record, raw, file, line)


def _looked_at(record: Any, raw: bytes, file: str, line: int) -> Parsed:
    if type(record) is not dict:
        message = f"the row is {json_type(record)}; expected an object with named columns"
        return fault(file, line, "not_an_object", message)
    try:
        # As many quoted colons as keys: none stands twice (its first value would be lost). Otherwise look closely.
        twice = None if raw.count(b'":') == _keys(record) else _duplicate_key(raw)
    except RecursionError:
        return fault(file, line, "broken_json", "nested too deeply")
    if twice is not None:
        return fault(file, line, "duplicate_key", f"the key {twice!r} stands more than once; which value is meant?")
    return line, record


def _broken(raw: bytes, file: str, line: int, error: orjson.JSONDecodeError) -> Finding:
    text = raw.decode("utf-8")
    if "\x00" in text:
        message = f"a NUL byte at character {text.index(chr(0)) + 1}; expected one JSON object"
    elif error.pos < len(text) and re.match(r"NaN|-?Infinity", text[error.pos :]):
        message = f"not JSON at character {error.pos + 1}: NaN and Infinity are not JSON; write null or leave it out"
    else:
        message = f"not JSON at character {error.pos + 1}: {error.msg}"
    return fault(file, line, "broken_json", message)


def _keys(value: Any) -> int:
    """How many keys the objects of a JSON value have."""
    if type(value) is dict:
        count = len(value)
        for item in value.values():
            if type(item) is dict or type(item) is list:
                count += _keys(item)
        return count
    count = 0
    for item in value:
        if type(item) is dict or type(item) is list:
            count += _keys(item)
    return count


def _duplicate_key(raw: bytes) -> str | None:
    found: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            names = [name for name, _ in pairs]
            found.extend(name for name in names if names.count(name) > 1)
        return record

    json.loads(raw, object_pairs_hook=note, parse_int=float)
    return found[0] if found else None


def _is_lines(block: bytes) -> bool:
    """Whether the first line alone is a JSON value and more follows."""
    first, _, rest = block.lstrip().partition(b"\n")
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return False
    return bool(rest.strip())
