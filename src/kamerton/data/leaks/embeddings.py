"""Questions that say the same in other words, by a static embedding model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.ground.need import need
from kamerton.recipe import LeakSection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["embedding_matches", "load_embeddings", "question_vectors"]

_BLOCK = 4096
"""Training rows that are compared with all items at once."""


def embedding_matches(
    train: Sequence[Row], items: Sequence[Row], options: LeakSection
) -> Iterator[tuple[int, int, float]]:
    """Training row, item and cosine similarity, for each pair of questions that reaches the threshold.

    The model is one of model2vec (`StaticModel`): a mean of word vectors, which knows words of like meaning and no
    order. A question without a word that it knows is like no other.

    Raises:
        MissingExtraError: model2vec is not installed.
        DataError: no such model.
    """
    import numpy as np

    model = load_embeddings(options.embeddings)
    wanted = question_vectors(model, items)
    for start in range(0, len(train), _BLOCK):
        scores = question_vectors(model, train[start : start + _BLOCK]) @ wanted.T
        for row, item in zip(*np.nonzero(scores >= options.embedding_similarity), strict=True):
            yield start + int(row), int(item), float(min(scores[row, item], 1.0))


@lru_cache(maxsize=1)
def load_embeddings(name: str) -> Any:
    """A static embedding model.

    Raises:
        MissingExtraError: model2vec is not installed.
        DataError: no such model.
    """
    model2vec = need("model2vec", "embeddings")
    try:
        return model2vec.StaticModel.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"the embedding model cannot be loaded: {reason}",
            where=f"data.leaks.embeddings: {name}",
            expected="a folder or hub id of a model2vec model",
            mend="data.leaks.embeddings='' compares words alone",
        ) from error


def question_vectors(model: Any, rows: Sequence[Row]) -> NDArray[np.float32]:
    """Unit vectors of the rows' questions, (rows, dimensions); zero where the model knows no word."""
    import numpy as np

    vectors = np.asarray(model.encode([row.question for row in rows]), dtype=np.float32).reshape(len(rows), -1)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0))
