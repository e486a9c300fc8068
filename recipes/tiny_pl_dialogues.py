"""Dialogues for the second stage of `tiny-pl`, made from the corpus itself.

    python recipes/tiny_pl_dialogues.py corpus/train.jsonl corpus/dialogues.jsonl corpus/prose.jsonl

Each dialogue is a passage, answered by the word of its theme. To continue a text a small model looks at the last words
alone; to name a theme it must read all of the passage before it answers, and that is what every later task needs.

The themes come from the passages themselves: latent semantic analysis (Deerwester et al., 1990: a truncated singular
value decomposition of tf-idf), then k-means; a theme is called by its weightiest word. No model and no outside data
take part, and the same corpus gives the same files. The third file has every sixteenth text as it is, so that going on
with a text is not forgotten.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

PASSAGE, EVERY = 30, 4
"""Words of a passage; every n-th passage of a text is taken."""
PROSE = 16
"""Every n-th text is kept as it is."""
THEMES, DIMENSIONS, SEED = 96, 64, 0
_WORD = re.compile(r"[^\W\d_]{4,}")
_STEM = 6
"""Letters by which the forms of a Polish or English word are taken for one."""


def main(corpus: Path, dialogues: Path, prose: Path) -> None:
    texts = [json.loads(line)["text"] for line in corpus.read_text(encoding="utf-8").splitlines()]
    passages = [passage for text in texts for passage in parts(text)]
    with dialogues.open("w", encoding="utf-8") as file:
        for passage, theme in zip(passages, themes(passages), strict=True):
            turns = [{"role": "user", "content": passage}, {"role": "assistant", "content": theme}]
            file.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
    kept = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts[::PROSE]]
    prose.write_text("".join(kept), encoding="utf-8")


def parts(text: str) -> Iterator[str]:
    words = text.split()
    for begin in range(0, len(words) - PASSAGE, PASSAGE * EVERY):
        yield " ".join(words[begin : begin + PASSAGE])


def themes(passages: list[str]) -> list[str]:
    """The theme's word of each passage."""
    counts = [Counter(word.casefold()[:_STEM] for word in _WORD.findall(passage)) for passage in passages]
    weights, stems = tf_idf(counts)
    left, values, _ = svds(weights, k=DIMENSIONS, v0=np.ones(min(weights.shape)), solver="arpack")
    places = left * values
    places /= np.linalg.norm(places, axis=1, keepdims=True) + 1e-9
    _, chosen = kmeans2(places, THEMES, minit="++", seed=SEED, iter=30)
    forms = common_forms(passages)
    names = {}
    for theme in range(THEMES):
        weight = np.asarray(weights[chosen == theme].sum(axis=0)).ravel()
        names[theme] = forms[stems[int(weight.argmax())]]
    return [names[int(theme)] for theme in chosen]


def tf_idf(counts: list[Counter[str]]) -> tuple[Any, list[str]]:
    """Rows of unit length over the stems that stand in at least 20 passages and in at most 4 % of them."""
    documents = Counter(stem for found in counts for stem in found)
    stems = sorted(stem for stem, number in documents.items() if 20 <= number <= 0.04 * len(counts))
    column = {stem: index for index, stem in enumerate(stems)}
    entries = [
        (row, column[stem], (1 + math.log(count)) * math.log(len(counts) / documents[stem]))
        for row, found in enumerate(counts)
        for stem, count in sorted(found.items())
        if stem in column
    ]
    rows, columns, values = zip(*entries, strict=True)
    matrix = csr_matrix((values, (rows, columns)), shape=(len(counts), len(stems)))
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()) + 1e-9
    return csr_matrix(matrix.multiply(1 / lengths[:, None])), stems


def common_forms(passages: list[str]) -> dict[str, str]:
    """The commonest form of each stem."""
    forms = Counter(word.casefold() for passage in passages for word in _WORD.findall(passage))
    best: dict[str, str] = {}
    for form, _ in forms.most_common():
        best.setdefault(form[:_STEM], form)
    return best


if __name__ == "__main__":
    main(*(Path(name) for name in sys.argv[1:4]))
