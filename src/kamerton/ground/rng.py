"""Randomness as a pure function of its address, such as (seed, epoch, example id).

No generator is shared and none has a state to restore: the same address gives the same draw in any process,
in any order and with any number of workers.
"""

from __future__ import annotations

import hashlib

__all__ = ["draw", "shuffled", "stream_seed"]


def stream_seed(*address: int | str) -> int:
    """A 64-bit seed for the stream at this address."""
    # The separator inside a part is doubled; as no type begins with it, two addresses never give one text.
    parts = (f"{type(part).__name__}:{part}".replace("\x1f", "\x1f\x1f") for part in address)
    text = "\x1f".join(parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def draw(*address: int | str) -> float:
    """A uniform number in [0, 1) for this address (53 bits)."""
    return (stream_seed(*address) >> 11) / float(1 << 53)


def shuffled(ids: list[str], *address: int | str) -> list[int]:
    """The positions of `ids` in a random order that depends on each id and the address alone."""
    return sorted(range(len(ids)), key=lambda index: (stream_seed(*address, ids[index]), index))
