"""What can be known of the examples before the first step."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from kamerton.chat import IGNORED
from kamerton.ground.rng import shuffled, stream_seed
from kamerton.training.examples import Example

__all__ = ["dependence", "example_facts"]

_SAMPLE = 400
_TOKENS = 512
_PERMUTATIONS = 999


def example_facts(
    training: Sequence[Example],
    validation: Sequence[Example],
    ends: Collection[int],
    max_length: int,
    seed: int,
    *,
    answered: bool = True,
) -> dict[str, Any]:
    """Fields of `Facts` that examples answer.

    Args:
        answered: the examples hold the answers that are learned; without them there is none to look at.
        ends: tokens that end a turn or a text.
        max_length: an example as long as this was cut, so that its end is not looked at.
    """
    digests = [_digest(example) for example in training]
    known = set(digests)
    whole = [example for example in training if all(each.length < max_length for each in example.sequences)]
    closed = [all(_closed(each.ids, each.labels, ends) for each in example.sequences) for example in whole]
    tokens = sum(example.length for example in training)
    sample = _sample(training, digests, seed)
    return {
        "examples": len(training),
        "distinct": len(known),
        "learned_share": sum(example.trained for example in training) / tokens if tokens and answered else None,
        "validation": len(validation),
        "leaked": sum(_digest(example) in known for example in validation),
        "closed": sum(closed) / len(closed) if closed and answered else None,
        "paired": len(sample),
        "chance": dependence(sample, seed) if len(sample) > 1 else None,
    }


def dependence(pairs: Sequence[tuple[NDArray[np.int32], NDArray[np.int32]]], seed: int) -> float:
    """Probability that answers put to questions by lot would fit them as well as these do.

    Two permutation tests over bags of tokens weighed by their rarity (tf-idf): whether a question shares more tokens
    with its own answer than with others, and whether the most alike question has a more alike answer; the smaller
    probability counts, twice (Bonferroni).

    Args:
        pairs: tokens of question and answer.
    """
    words = np.unique(np.concatenate([text for pair in pairs for text in pair]))
    questions, answers = (_bags([pair[side] for pair in pairs], words) for side in (0, 1))
    shared = _products(questions, answers)
    alike = _products(questions, questions)
    np.fill_diagonal(alike, -1.0)
    nearest = alike.argmax(axis=1)
    answers_alike = _products(answers, answers)
    generator = np.random.default_rng(stream_seed(seed, "dependence"))
    index = np.arange(len(pairs))
    lots = generator.permuted(np.tile(index, (_PERMUTATIONS, 1)), axis=1)
    as_good = [
        np.count_nonzero(drawn.mean(axis=1) >= found.mean() - 1e-6)
        for found, drawn in (
            (shared[index, index], shared[index, lots]),
            (answers_alike[index, nearest], answers_alike[lots, lots[:, nearest]]),
        )
    ]
    return min(1.0, 2.0 * (1 + min(as_good)) / (1 + _PERMUTATIONS))


def _products(left: NDArray[np.float32], right: NDArray[np.float32]) -> NDArray[np.float32]:
    """(E, E) of each with each, by torch: numpy's own threads wait for a busy core twenty times as long."""
    product: NDArray[np.float32] = (torch.from_numpy(left) @ torch.from_numpy(right).T).numpy()
    return product


def _bags(texts: Sequence[NDArray[np.int32]], words: NDArray[np.int32]) -> NDArray[np.float32]:
    """(E, W) tf-idf vectors of length 1 over these words, which hold all that the texts say."""
    counts = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        known, times = np.unique(text, return_counts=True)
        counts[row, np.searchsorted(words, known)] = 1.0 + np.log(times)
    bags = counts * np.log((1.0 + len(texts)) / (1.0 + (counts > 0).sum(axis=0)))
    length = np.linalg.norm(bags, axis=1, keepdims=True)
    return np.asarray(bags / np.where(length > 0, length, 1.0), dtype=np.float32)


def _sample(
    training: Sequence[Example], digests: Sequence[str], seed: int
) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Questions and answers of different examples of one sequence, drawn by the seed."""
    first = {digest: index for index, digest in reversed(list(enumerate(digests)))}
    chosen = [first[digest] for digest in sorted(first)]
    pairs = []
    for place in shuffled([training[index].id for index in chosen], seed, "facts"):
        example = training[chosen[place]]
        ids, learned = example.sequences[0].ids, example.sequences[0].labels != IGNORED
        if len(example.sequences) == 1 and learned.any() and not learned[1:].all():
            pairs.append((ids[~learned][-_TOKENS:], ids[learned][:_TOKENS]))
        if len(pairs) == _SAMPLE:
            break
    return pairs


def _digest(example: Example) -> str:
    running = hashlib.sha256(repr(example.value).encode())
    for sequence in example.sequences:
        running.update(sequence.length.to_bytes(8, "big") + sequence.ids.tobytes())
    return running.hexdigest()


def _closed(ids: NDArray[np.int32], labels: NDArray[np.int32], ends: Collection[int]) -> bool:
    learned = np.flatnonzero(labels != IGNORED)
    return bool(len(learned)) and int(ids[learned[-1]]) in ends
