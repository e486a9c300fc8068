"""Leaks in other words, by a tiny static embedding model made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamerton.data.leaks import contamination
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.recipe import LeakSection


def chat(question: str) -> Row:
    turns = ({"role": "user", "content": question}, {"role": "assistant", "content": "yes"})
    return Row(messages=turns, file="t.jsonl", line=1)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`car` and `vehicle` have one vector, and so have `buy` and `purchase`; `tax` has another."""
    model2vec = pytest.importorskip("model2vec", reason="the extra `embeddings` is not installed")
    import numpy as np
    from tokenizers import Tokenizer, models, pre_tokenizers

    axes = {"[UNK]": 3, "car": 0, "vehicle": 0, "buy": 1, "purchase": 1, "tax": 2}
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(axes)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.eye(4, dtype=np.float32)[list(axes.values())]
    vectors[0] = 0.0
    folder = tmp_path_factory.mktemp("embeddings") / "tiny"
    model2vec.StaticModel(vectors, tokenizer).save_pretrained(str(folder))
    return folder


def test_other_words_for_the_same_are_found_with_their_similarity(model: Path) -> None:
    train = [chat("buy car"), chat("buy tax")]
    items = [chat("purchase vehicle"), chat("tax"), chat("unheard of")]
    options = LeakSection(embeddings=str(model), canaries=3)
    result = contamination(train, items, options)
    assert result.contaminated == [True, False, False]
    match = result.matches[0][0]
    assert (match.method, match.part, match.score, match.text) == ("embedding", "question", 1.0, "buy car")
    assert result.leaking_rows == [0]
    assert contamination(train, items, LeakSection(canaries=0)).contaminated == [False] * 3
    wide = options.model_copy(update={"embedding_similarity": 0.7})
    assert contamination(train, items, wide).contaminated == [True, True, False]
    # What the model finds counts for the canaries, too.
    found = {each.sort: each.found for each in result.report.canaries}
    assert found["near"] >= 1


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("model2vec", reason="the extra `embeddings` is not installed")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be loaded") as error:
        contamination([chat("a")], [chat("b")], LeakSection(embeddings=str(tmp_path / "empty")))
    assert "data.leaks.embeddings" in str(error.value)
