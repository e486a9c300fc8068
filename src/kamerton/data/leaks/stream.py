"""Training rows as one stream of hashed words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kamerton.data.rows import Row
from kamerton.data.words import hashed_words, span_hashes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["RowStream"]

_BORDER = 0xA5A5F00DA5A5F00D
"""Stands between two rows, so that a run across them has a hash of its own."""


@dataclass(frozen=True)
class RowStream:
    """The words of all turns of some rows, with a border after each row."""

    words: NDArray[np.uint64]
    ends: NDArray[np.int64]
    """(rows): where each row's border stands."""
    question_start: NDArray[np.int64]
    question_stop: NDArray[np.int64]
    questions: NDArray[np.uint64]
    """(rows): hash of each question's words."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> RowStream:
        import numpy as np

        texts: list[str] = []
        turns, spans = [], []
        for row in rows:
            spans.append([len(texts) + turn for turn in _question_turns(row)])
            texts += row.texts
            turns.append(len(texts))
        found = hashed_words(texts)
        ends = found.starts[np.array(turns, dtype=np.int64)]
        words = np.insert(found.words, ends, np.uint64(_BORDER))
        borders = np.arange(len(rows), dtype=np.int64)
        start, stop = found.starts[np.array(spans, dtype=np.int64).reshape(-1, 2)].T + borders
        return cls(words, ends + borders, start, stop, span_hashes(words, start, stop))

    def rows_at(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row that each place in the stream belongs to."""
        import numpy as np

        return np.searchsorted(self.ends, places)


def _question_turns(row: Row) -> tuple[int, int]:
    """The turns that `Row.question` is made of."""
    if row.text is not None:
        return 0, 1
    roles = [message["role"] for message in row.prompt]
    first = next((index for index, role in enumerate(roles) if role != "system"), len(roles))
    return first, len(roles)
