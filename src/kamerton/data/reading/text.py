"""The text of a file as blocks of whole lines in UTF-8, whatever it was written in."""

from __future__ import annotations

import codecs
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import chain
from typing import Final

from kamerton.data.reading.encodings import (
    LEGACY,
    Legacy,
    Wide,
    is_foreign,
    is_mixed,
    looks_binary,
    may_be_chance,
    patched,
    wide_encoding,
)
from kamerton.data.reading.stream import BLOCK, magic_name
from kamerton.records.data import Finding

__all__ = ["MAX_ROW", "Text"]

MAX_ROW: Final = 64 << 20
"""Bytes of one row (or line) that are held in memory; a longer one is left out."""


class Text:
    """A text file's blocks, and what had to be done to read them.

    Lines end with a line feed; where a file has carriage returns only, each stands for one. `findings` grows as blocks
    are read.
    """

    def __init__(self, chunks: Iterator[bytes], file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.damaged = False
        """Whether U+FFFD stands in the text for something that could not be read."""
        self.bad_lines: set[int] = set()
        """Lines of the last block of which a finding says that they are damaged."""
        self.size = 0
        """Bytes of text so far."""
        """Whether the first thing in it is an opening bracket."""
        self.trouble: Finding | None = None
        """Why the file is no text at all."""
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= BLOCK:
                break
        self._chunks = chain((head,), chunks)
        told = wide_encoding(head)
        self._marked = told is not None and told.name == "utf-8-sig"
        self._wide = None if self._marked else told
        self._legacy = Legacy()
        self._unicode_lines = self._legacy_lines = 0
        self._used: set[str | None] = set()
        """Legacy encodings in which lines were read."""
        self._told_file = False
        # Classic Mac OS ended its lines so.
        self._returns = b"\r" in head and b"\n" not in head
        self._look(head)

    @property
    def encoding(self) -> str:
        """What the text was written in, as far as it was read."""
        if self._wide is not None:
            return self._wide.name
        legacy = "+".join(name for name in LEGACY if name in self._used)
        if self._legacy_lines:
            return f"utf-8+{legacy}" if self._unicode_lines else legacy
        if self.trouble is not None and self.trouble.kind == "not_text":
            return "unknown"
        return "utf-8-sig" if self._marked else "utf-8"

    def blocks(self, *, lines: bool = True) -> Iterator[tuple[int, bytes]]:
        """Line number (from 1) of each block's first line, and the block.

        A block ends where a line ends, or with `lines=False` at some ASCII character, for formats to which a line
        means nothing.
        """
        if self.trouble is not None:
            return
        for line, block in self._whole_lines(self._utf8(), lines):
            fixed = block if self._wide is not None else self._fixed(block, line)
            self.size += len(fixed)
            yield line, fixed

    def _look(self, head: bytes) -> None:
        wide = self._wide
        content = head[wide.mark :] if wide is not None else head.removeprefix(BOM_UTF8)
        known = magic_name(head) if wide is None else None
        if not content.strip():
            self._refuse("empty_file", "the file is empty; expected at least one row")
        elif known is not None:
            what, suffix = known
            mend = f"rename it to *{suffix}" if suffix else "export it as text"
            self._refuse("not_text", f"this is {what}; {mend}")
        elif wide is None and looks_binary(head):
            self._refuse("not_text", "the file is not text: more than one byte in twenty is a control character")
        elif wide is not None:
            how = "its byte-order mark says so" if wide.mark else "its zero bytes say so, and all of its start is valid"
            self._warn(0, f"read as {wide.name.upper()}: {how}")

    def _utf8(self) -> Iterator[bytes]:
        """The blocks, without a mark, and recoded where the encoding holds for the whole file."""
        if self._wide is not None:
            yield from self._recoded(self._wide)
            return
        skip = len(BOM_UTF8) if self._marked else 0
        for chunk in self._chunks:
            content = chunk[skip:] if skip else chunk
            skip = 0
            yield content.replace(b"\r", b"\n") if self._returns else content

    def _recoded(self, wide: Wide) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(wide.name)("replace")
        skip, line = wide.mark, 1
        for chunk in chain(self._chunks, (b"",)):
            text = decoder.decode(chunk[skip:] if skip else chunk, final=not chunk)
            skip = 0
            text = text.replace("\r", "\n") if self._returns else text
            if "\ufffd" in text and not self.damaged:
                self.damaged = True
                at = line + text.count("\n", 0, text.index("\ufffd"))
                message = f"the {wide.name.upper()} is damaged from here on; rows with what cannot be read are left out"
                self.findings.append(Finding(file=self.file, line=at, kind="bad_encoding", message=message))
            line += text.count("\n")
            if text:
                yield text.encode()

    def _whole_lines(self, chunks: Iterator[bytes], lines: bool) -> Iterator[tuple[int, bytes]]:
        held: list[bytes] = []
        size, line, skipping = 0, 1, False
        for chunk in chunks:
            if skipping:
                end = chunk.find(b"\n") + 1
                if not end:
                    continue
                chunk, skipping, line = chunk[end:], False, line + 1
            cut = chunk.rfind(b"\n") + 1
            if not cut and not lines:
                cut = max(chunk.rfind(mark) for mark in (b'"', b" ", b",", b"}")) + 1
            held.append(chunk[:cut] if cut else chunk)
            size += len(held[-1])
            if cut:
                block = b"".join(held)
                yield line, block
                line += block.count(b"\n")
                held, size = [chunk[cut:]], len(chunk) - cut
            elif size > MAX_ROW:
                message = f"the line is longer than {MAX_ROW >> 20} MiB; it is left out"
                self.findings.append(Finding(file=self.file, line=line, kind="row_too_long", message=message))
                held, size, skipping = [], 0, True
        if any(held):
            yield line, b"".join(held)

    def _fixed(self, block: bytes, line: int) -> bytes:
        """The block in UTF-8: lines that are not are read in the file's legacy encoding."""
        if block.isascii():
            return block
        try:
            block.decode()
        except UnicodeDecodeError:
            pass
        else:
            if not (self._legacy_lines and may_be_chance(block)):
                self._unicode_lines += 1
                return block
        pieces = block.split(b"\n")
        beyond = [index for index, piece in enumerate(pieces) if not piece.isascii()]
        foreign = [index for index in beyond if is_foreign(pieces[index])]
        self._legacy.weigh([pieces[index] for index in foreign])
        converted = []
        others = len(beyond) - len(foreign)
        self.bad_lines = set()
        for index in foreign:
            before = pieces[index]
            others += not self._unicode_lines and is_mixed(before)
            name, because = self._legacy.of(before)
            pieces[index], done, unread = patched(before, name)
            if done:
                self._used.add(name)
            if done and name == self._legacy.name:
                converted.append(line + index)
            elif done:
                self._warn(line + index, f"the line is in another encoding than others; read as {name}: {because}")
                self._legacy_lines += 1
            if unread >= 0:
                self._damage(line + index, before[unread], unread)
        self._tell(converted, others)
        return b"\n".join(pieces)

    def _tell(self, lines: list[int], others: int) -> None:
        """One finding for a file that is legacy as a whole; one a line where it is mixed."""
        name, because = self._legacy.name, self._legacy.because
        whole = not self._unicode_lines and not others
        if lines and whole and not self._told_file:
            self._warn(0, f"read as {name}: {because}")
            self._told_file = True
        elif not (whole and self._told_file):
            for line in lines:
                self._warn(line, f"the line is not UTF-8 as others are; read as {name}: {because}")
        self._legacy_lines += len(lines)
        self._unicode_lines += others

    def _damage(self, line: int, byte: int, at: int) -> None:
        self.damaged = True
        self.bad_lines.add(line)
        message = (
            f"byte {byte:#04x}, the line's {at + 1}., is neither UTF-8 nor a letter of the encodings "
            f"{', '.join(LEGACY)}; expected UTF-8; if you know the encoding: iconv -f WINDOWS-1250 -t UTF-8 FILE > NEW"
        )
        self.findings.append(Finding(file=self.file, line=line, kind="bad_encoding", message=message))

    def _refuse(self, kind: str, message: str) -> None:
        self.trouble = Finding(file=self.file, line=0, kind=kind, message=message)

    def _warn(self, line: int, message: str) -> None:
        self.findings.append(
            Finding(file=self.file, line=line, kind="converted_encoding", message=message, severity="warning")
        )
