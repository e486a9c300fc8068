"""Canonical JSON and digests: one content, one text, one digest."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamerton.ground.digests import canonical_json, digest, file_digest, folder_digest, folder_digests, set_digest
from kamerton.ground.errors import RequestError

texts = st.text(st.characters(exclude_categories=[]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def reordered(value: Any, source: random.Random) -> Any:
    """The same content with the keys of every mapping in another order."""
    if isinstance(value, dict):
        keys = list(value)
        source.shuffle(keys)
        return {key: reordered(value[key], source) for key in keys}
    return [reordered(part, source) for part in value] if isinstance(value, list) else value


@given(values, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(value: Any, source: random.Random) -> None:
    again = reordered(value, source)
    assert canonical_json(again) == canonical_json(value)
    assert digest([again]) == digest([value])


def halves(value: Any) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in json.dumps(value, ensure_ascii=False))


@given(values)
def test_canonical_json_is_utf_8_and_reads_back(value: Any) -> None:
    text = canonical_json(value)
    read = json.loads(text.encode("utf-8"))
    # Two halves side by side become one letter, as in every JSON reader; all else is what it was.
    assert read == value or halves(value)


def test_canonical_json_is_what_it_says() -> None:
    assert canonical_json({"ż": [1, 2.5, None, True], "a": "ą\n"}) == '{"a":"ą\\n","ż":[1,2.5,null,true]}'
    assert canonical_json("\udcff") == '"\\udcff"'
    assert canonical_json("😀") == '"😀"'


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    with pytest.raises(RequestError, match="finite"):
        canonical_json({"loss": [number]})
    with pytest.raises(RequestError):
        digest({"loss": number})


def test_digest_tells_kinds_apart() -> None:
    assert digest("ż") == digest("ż".encode()) == hashlib.sha256("ż".encode()).hexdigest()
    different: list[Any] = ["1", ["1"], [1], [1.0], [True], [None], {}, [], ""]
    assert len({digest(value) for value in different}) == len(different)
    assert len(digest("\ud800")) == 64


@given(st.lists(st.sampled_from("abcd").map(digest), max_size=6), st.randoms(use_true_random=False))
def test_set_digest_is_of_a_multiset(digests: list[str], source: random.Random) -> None:
    shuffled = digests[:]
    source.shuffle(shuffled)
    assert set_digest(shuffled) == set_digest(iter(digests))
    assert set_digest([*digests, digest("a")]) != set_digest(digests)


def test_files_and_folders(tmp_path: Path) -> None:
    payload = bytes(range(256)) * 8192  # over two blocks
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "ż.bin").write_bytes(payload)
    (tmp_path / "a").write_bytes(b"")
    assert file_digest(tmp_path / "deep" / "er" / "ż.bin") == hashlib.sha256(payload).hexdigest()
    found = folder_digests(tmp_path)
    assert list(found) == ["a", "deep/er/ż.bin"]
    assert found["a"] == digest(b"")

    before = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert folder_digest(tmp_path) != before
    (tmp_path / "b").rename(tmp_path / "a")
    assert folder_digest(tmp_path) == before
