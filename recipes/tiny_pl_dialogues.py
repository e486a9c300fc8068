"""Dialogues for the second stage of `tiny-pl`, made from the corpus itself: a passage, answered by its most telling words.

    python recipes/tiny_pl_dialogues.py corpus/train.jsonl corpus/dialogues.jsonl corpus/prose.jsonl

A model that has to name what a passage is about must read all of it before it answers; continuing a text asks for the
last words alone. Telling is what stands in few texts (inverse document frequency) and often in this one. No model and no
outside data take part, and the same corpus gives the same files. The third file has every eighth text as it is, so that the
model does not forget how to go on with one.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PASSAGE = 45
"""Words of a passage."""
EVERY = 6
"""Every n-th passage of a text becomes a dialogue."""
PROSE = 8
"""Every n-th text is kept as it is."""
TELLING = 4
"""Words of an answer, in the order in which they stand in the passage."""
_WORD = re.compile(r"[^\W\d_]{4,}")


def main(corpus: Path, target: Path, prose: Path) -> None:
    texts = [json.loads(line)["text"] for line in corpus.read_text(encoding="utf-8").splitlines()]
    documents = Counter(word for text in texts for word in {found.casefold() for found in _WORD.findall(text)})
    with target.open("w", encoding="utf-8") as file:
        for text in texts:
            for passage in passages(text):
                words = telling(passage, documents, len(texts))
                if len(words) == TELLING:
                    turns = [{"role": "user", "content": passage}, {"role": "assistant", "content": ", ".join(words)}]
                    file.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
    kept = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts[::PROSE]]
    prose.write_text("".join(kept), encoding="utf-8")


def passages(text: str) -> Iterator[str]:
    words = text.split()
    for begin in range(0, len(words) - PASSAGE, PASSAGE * EVERY):
        yield " ".join(words[begin : begin + PASSAGE])


def telling(passage: str, documents: Counter[str], total: int) -> list[str]:
    """The words with the highest tf-idf that stand in at least three texts, each once, as they are first written."""
    found = _WORD.findall(passage)
    counts = Counter(word.casefold() for word in found)
    weights = {
        word: count * math.log(total / documents[word]) for word, count in counts.items() if documents[word] >= 3
    }
    chosen = set(sorted(weights, key=lambda word: (-weights[word], word))[:TELLING])
    first = {word.casefold(): word for word in reversed(found)}
    return [first[word] for word in first if word in chosen][::-1]


if __name__ == "__main__":
    main(*(Path(name) for name in sys.argv[1:4]))
