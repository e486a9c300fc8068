"""A large made-up data set: Polish and English questions and answers of natural lengths, with planted faults.

Texts are walks over the word pairs of the packaged samples, so that words and their neighbours have the frequencies of
real text and two rows are no more alike than two letters of one town hall.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from importlib.resources import files
from pathlib import Path

__all__ = ["write_corpus"]

_DUPLICATES = 0.005
"""Share of rows that repeat an earlier one word for word; as many again differ from one by a word or two."""


def write_corpus(path: Path, rows: int, seed: int = 1) -> None:
    """Write rows in the alpaca shape as JSON lines, about 500 bytes each; the same for the same arguments."""
    chance = random.Random(seed)
    walks = [_Walk("letters.pl.jsonl", chance), _Walk("letters.en.jsonl", chance)]
    written: list[dict[str, str]] = []
    with path.open("w", encoding="utf-8") as out:
        for _ in range(rows):
            luck = chance.random()
            if written and luck < 2 * _DUPLICATES:
                record = dict(chance.choice(written))
                if luck >= _DUPLICATES:
                    words = record["instruction"].split()
                    words[chance.randrange(len(words))] = chance.choice(walks[0].words)
                    record["instruction"] = " ".join(words)
            else:
                walk = walks[chance.random() < 0.3]
                record = {
                    "instruction": walk.text(_length(chance, 30)),
                    "output": walk.text(_length(chance, 38)),
                    "category": chance.choice(("roads", "waste", "taxes", "schools", "records")),
                }
                if len(written) < 10_000:
                    written.append(record)
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


def _length(chance: random.Random, median: int) -> int:
    """Words: log-normal, as the lengths of instructions are."""
    return max(4, min(600, round(median * chance.lognormvariate(0.0, 0.5))))


class _Walk:
    """A walk from word to word, each by how often it follows the last; one word in four is drawn anew."""

    def __init__(self, sample: str, chance: random.Random) -> None:
        lines = files("kamerton").joinpath("samples", "town_hall", sample).read_text(encoding="utf-8").splitlines()
        texts = [f"{row['instruction']} {row['output']}" for row in map(json.loads, lines)]
        self.words = [word for text in texts for word in text.split()]
        self._after: dict[str, list[str]] = defaultdict(list)
        for one, other in zip(self.words, self.words[1:], strict=False):
            self._after[one].append(other)
        self._chance = chance

    def text(self, words: int) -> str:
        walk = [self._chance.choice(self.words)]
        while len(walk) < words:
            fresh = self._chance.random() < 0.25
            walk.append(self._chance.choice(self.words if fresh else self._after.get(walk[-1]) or self.words))
        return " ".join(walk)
