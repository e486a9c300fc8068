"""Bits per byte of a model on texts, the whole of them: the figure of the base model's card.

python benchmarks/bits_per_byte.py MODEL FILE.jsonl
"""

from __future__ import annotations

import math
import sys

from kamerton.flows.datasets import read_data
from kamerton.flows.models import find_model, open_model
from kamerton.ground.settings import Workspace


def main(model: str, file: str) -> None:
    place = Workspace.at()
    texts = [row.answer for row in read_data([file], place).rows]
    scores = open_model(find_model(model, place), place).score_texts(texts)
    nats, tokens = sum(score.nll for score in scores), sum(score.tokens for score in scores)
    size = sum(len(text.encode()) for text in texts)
    print(f"{len(texts)} texts, {size} bytes, {tokens} tokens ({size / tokens:.2f} bytes a token)")
    print(f"{nats / math.log(2) / size:.4f} bits per byte, perplexity {math.exp(nats / tokens):.2f} per token")


if __name__ == "__main__":
    main(*sys.argv[1:])
