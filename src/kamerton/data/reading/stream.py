"""The bytes of one file: counted and hashed as they pass, decompressed in blocks."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO, Final

__all__ = ["BLOCK", "COMPRESSIONS", "BrokenStreamError", "Stream", "inflated", "magic_name"]

BLOCK: Final = 1 << 20
"""Bytes that are read at once."""
COMPRESSIONS: Final = (".gz", ".zst")

_MAGIC: Final = (
    (b"\x1f\x8b", "gzip data", ".gz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard data", ".zst"),
    (b"PAR1", "a Parquet file", ".parquet"),
    (b"ARROW1", "an Arrow file", ".arrow"),
    (b"PK\x03\x04", "a zip archive (or an Office document)", ""),
    (b"%PDF", "a PDF document", ""),
    (b"SQLite format 3", "a SQLite database", ""),
)


class BrokenStreamError(Exception):
    """Compressed bytes are damaged or cut off; what came before them was given."""


class Stream:
    """A file's bytes as they are stored, with their digest and their number so far."""

    def __init__(self, handle: BinaryIO, total: int | None, progress: Callable[[int, int | None], None] | None) -> None:
        self._handle = handle
        self._hash = hashlib.sha256()
        self._progress = progress
        self.total = total
        self.bytes_read = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end."""
        block = self._handle.read(size)
        self._hash.update(block)
        self.bytes_read += len(block)
        if self._progress is not None and block:
            self._progress(self.bytes_read, self.total)
        return block

    def drain(self) -> str:
        """Read what is left, and give the SHA-256 of all bytes."""
        while self.read(BLOCK):
            pass
        return self._hash.hexdigest()

    def close(self) -> None:
        """Close the file."""
        self._handle.close()


def inflated(stream: Stream, compression: str) -> Iterator[bytes]:
    """The content in blocks; of a compressed file only so much is unpacked at once.

    Raises:
        BrokenStreamError: the compressed bytes are damaged or cut off.
    """
    if compression == ".gz":
        # Deflate unpacks to at most 1,032 times its size: a slice to 16 MiB.
        return _unpacked(stream, 1 << 14, lambda: zlib.decompressobj(wbits=31), zlib.error)
    if compression == ".zst":
        import zstandard

        # Four bytes unpack to at most 128 KiB: a slice to 32 MiB.
        unpacker = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return _unpacked(stream, 1 << 10, unpacker.decompressobj, zstandard.ZstdError)
    return iter(partial(stream.read, BLOCK), b"")


def _unpacked(stream: Stream, size: int, new: Callable[[], Any], error: type[Exception]) -> Iterator[bytes]:
    """Members of a gzip file, or frames of a Zstandard one, one after the other, a slice of `size` bytes at a time."""
    part, begun = new(), False
    ready: list[bytes] = []
    waiting = 0
    trouble = ""
    try:
        while block := stream.read(BLOCK):
            for start in range(0, len(block), size):
                piece = block[start : start + size]
                while piece := piece if begun else piece.lstrip(b"\x00"):  # a tape's padding between members
                    ready.append(part.decompress(piece))
                    waiting += len(ready[-1])
                    begun, piece = not part.eof, part.unused_data
                    part = part if begun else new()
                if waiting >= BLOCK:
                    yield b"".join(ready)
                    ready.clear()
                    waiting = 0
        trouble = "it ends too early" if begun else ""
    except error as fault:
        trouble = str(fault)
    yield b"".join(ready)
    if trouble:
        raise BrokenStreamError(trouble)


def magic_name(head: bytes) -> tuple[str, str] | None:
    """What these first bytes say the file is, and the suffix that it should have (empty: none that is read)."""
    return next(((name, suffix) for magic, name, suffix in _MAGIC if head.startswith(magic)), None)
