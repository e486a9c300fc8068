"""How varied a set is: in its words, and (with embeddings) in its meanings.

Most measures of diversity move with the size of the set (a bigger set always has a smaller share of distinct words),
so each is taken over blocks of one fixed size: Richards 1987 for the type-token ratio, Shaib et al. 2024 (arXiv
2403.00553) for the others.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kamerton.data.rows import Row
from kamerton.data.statistics.sampling import CONFIDENCE, estimated, hash_sample
from kamerton.records.statistics import LexicalDiversity, Sampled, SemanticDiversity

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Embedder", "lexical_diversity", "semantic_diversity"]

Embedder = Callable[[Sequence[Row]], Any]
"""Rows to an array (rows, dimensions) of the embeddings of their questions or texts."""

_WORDS = 1000
"""Words of a block."""
_BYTES = 16 << 10
"""Bytes of a block for the compression; well within DEFLATE's window of 32 KiB."""
_BLOCKS = 100
"""Blocks of each sort that are enough: the interval is then about 1 % wide."""
_ROWS = 5000
"""Rows that the blocks are filled from."""
_EMBEDDED = 1000
"""Rows that are embedded: the Vendi score depends on their number, so it is always the same where there are enough."""

_WORD = re.compile(r"\w+")


def lexical_diversity(rows: Sequence[Row]) -> dict[str, LexicalDiversity]:
    """Of the `prompt`s (turns before the answer, without the system turn) and of the `answer`s or texts."""
    chosen = hash_sample(rows, _ROWS)
    texts = {
        "prompt": [row.question for row in chosen if row.text is None],
        "answer": [row.answer for row in chosen],
    }
    return {name: _lexical(found) for name, found in texts.items() if found}


def _lexical(texts: Sequence[str]) -> LexicalDiversity:
    blocks = [[_distinct(block, n) for n in (1, 2, 3)] for block in _word_blocks(texts)]
    return LexicalDiversity(
        distinct_1=_mean([block[0] for block in blocks], f"fewer than {_WORDS:,} words"),
        distinct_2=_mean([block[1] for block in blocks], f"fewer than {_WORDS:,} words"),
        distinct_3=_mean([block[2] for block in blocks], f"fewer than {_WORDS:,} words"),
        compression=_mean(
            [len(block) / len(zlib.compress(block, 6)) for block in _byte_blocks(texts)],
            f"fewer than {_BYTES:,} bytes of text",
        ),
        block_words=_WORDS,
        block_bytes=_BYTES,
    )


def _mean(values: Sequence[float], lacking: str) -> Sampled:
    """The mean over blocks; a block is a piece of the set, so the set is never seen whole."""
    from kamerton.stats import mean_statistic

    return estimated(mean_statistic(values), whole=False) if values else Sampled(value=None, why=lacking)


def _word_blocks(texts: Iterable[str]) -> Iterator[list[list[str]]]:
    """Blocks of exactly `_WORDS` words, each as the words row by row: no n-gram crosses from one row into the next."""
    block: list[list[str]] = []
    room, made = _WORDS, 0
    for text in texts:
        words = _WORD.findall(text.casefold())
        while words and made < _BLOCKS:
            block.append(words[:room])
            words, room = words[room:], room - len(block[-1])
            if not room:
                yield block
                block, room, made = [], _WORDS, made + 1


def _distinct(block: Sequence[Sequence[str]], n: int) -> float:
    """Share of different n-grams among all n-grams; 1 where rows are too short to have any."""
    grams = [gram for words in block for gram in zip(*(words[start:] for start in range(n)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 1.0


def _byte_blocks(texts: Iterable[str]) -> Iterator[bytes]:
    """Blocks of exactly `_BYTES` bytes."""
    running = bytearray()
    made = 0
    for text in texts:
        running += text.encode("utf-8", "surrogatepass") + b"\n"
        while len(running) >= _BYTES and made < _BLOCKS:
            yield bytes(running[:_BYTES])
            del running[:_BYTES]
            made += 1
        if made >= _BLOCKS:
            return


def semantic_diversity(rows: Sequence[Row], embed: Embedder | None, model: str) -> SemanticDiversity:
    """How far apart the questions (or texts) of a sample are; without an embedder nothing is told, and why."""
    if embed is None:
        nothing = Sampled(value=None, why="no embedding model was given (data.leaks.embeddings)")
        return SemanticDiversity(model="", distance=nothing, vendi=nothing)
    import numpy as np

    chosen = hash_sample(rows, _EMBEDDED)
    vectors = np.asarray(embed(chosen) if chosen else [], dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1) if vectors.ndim == 2 else np.zeros(0)
    # A text of unknown words has no direction.
    units = vectors[lengths > 0] / lengths[lengths > 0][:, None] if lengths.any() else np.zeros((0, 1))
    if len(units) < 2:
        nothing = Sampled(value=None, n=len(units), why="fewer than two rows have an embedding")
        return SemanticDiversity(model=model, distance=nothing, vendi=nothing)
    return SemanticDiversity(
        model=model,
        distance=_distance(units),
        vendi=Sampled(value=_vendi(units), n=len(units), why="no interval: it depends on the number of rows"),
    )


def _distance(units: NDArray[Any]) -> Sampled:
    """1 - mean cosine over all pairs, which the sum of the vectors gives: |sum|^2 = n + 2 sum of cosines.

    The standard error is the jackknife's over rows (Efron and Tibshirani 1993, eq. 11.5): pairs are not independent.
    """
    import numpy as np

    n = len(units)
    total = units.sum(axis=0)

    def distance(square: Any, count: int) -> Any:
        return 1.0 - (square - count) / (count * (count - 1))

    value = float(distance(float(total @ total), n))
    if n < 3:
        return Sampled(value=value, n=n, why="too few rows for an interval")
    left_out = distance(np.sum((total - units) ** 2, axis=1), n - 1)
    error = float(np.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2)))
    return Sampled(
        value=value,
        low=value - _z() * error,
        high=value + _z() * error,
        n=n,
        confidence=CONFIDENCE,
        method="jackknife",
    )


def _vendi(units: NDArray[Any]) -> float:
    """exp of the entropy of the eigenvalues of the similarity matrix over n (Friedman and Dieng 2023, eq. 1)."""
    import numpy as np

    gram = units.T @ units if units.shape[1] < len(units) else units @ units.T
    shares = np.linalg.eigvalsh(gram / len(units))
    shares = shares[shares > 1e-12]
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _z() -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
