"""Tokens that were kept are those that would be made, and whatever they are a function of is in their name."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from objective_samples import FULL, ROWS, loaded
from objective_samples import options as options_of

from kamerton.models.load import load_base
from kamerton.training import cache as kept
from kamerton.training.cache import TokenCache, cache_key
from kamerton.training.examples import Builder, ExampleSet, builder_of


def _builder(base: Path, kind: str, seed: int = 42, **changes: Any) -> Builder:
    chosen = options_of(kind, **changes).model_copy(update={"seed": seed})
    rows = [ROWS[kind](number) for number in range(8)]
    return builder_of(chosen, loaded(base, chosen, rows, FULL))


@pytest.fixture(scope="module")
def sft(tiny_base: Path) -> Builder:
    return _builder(tiny_base, "sft")


ROWS_8 = [ROWS["sft"](number) for number in range(8)]


def _said(built: ExampleSet) -> list[Any]:
    return [
        [
            (each.id, each.weight, each.value, [(s.ids.tolist(), s.labels.tolist()) for s in each.sequences])
            for each in built.examples
        ],
        built.cut,
        built.masked,
        built.notes,
    ]


@pytest.mark.parametrize("kind", ["sft", "pretrain", "dpo", "kto", "classification"])
def test_a_second_run_sees_the_same_and_renders_nothing(
    tiny_base: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    builder = _builder(tiny_base, kind)
    rows = [ROWS[kind](number) for number in range(8)]
    weights = [1.0, 2.5, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0]
    plain = _said(builder.examples(rows, weights))
    assert _said(TokenCache(tmp_path, least=1).examples(builder, rows, weights)) == plain
    monkeypatch.setattr(type(builder), "build", lambda *given: pytest.fail("it was tokenised again"))
    again = TokenCache(tmp_path, least=1).examples(builder, rows, weights)
    assert _said(again) == plain
    first = again.examples[0].sequences[0]
    assert (first.ids.dtype, first.labels.dtype, first.ids.flags.writeable) == ("int32", "int32", False)


def test_everything_that_decides_tokens_is_in_the_key(tiny_base: Path, sft: Builder) -> None:
    key = cache_key(sft, ROWS_8)
    assert cache_key(sft, ROWS_8) == key
    other = {
        "a row": cache_key(sft, [*ROWS_8[:-1], ROWS["sft"](9)]),
        "their order": cache_key(sft, ROWS_8[::-1]),
        "one row more": cache_key(sft, [*ROWS_8, ROWS_8[0]]),
        "a weight": cache_key(sft, ROWS_8, [2.0] + [1.0] * 7),
        "max_length": cache_key(_builder(tiny_base, "sft", max_length=40), ROWS_8),
        "the seed": cache_key(_builder(tiny_base, "sft", seed=5), ROWS_8),
        "an option": cache_key(_builder(tiny_base, "sft", learn_from="everything"), ROWS_8),
    }
    changed = load_base(str(tiny_base), Path(), template="plain", device="cpu")
    other["the template"] = cache_key(builder_of(sft.options, changed), ROWS_8)
    changed = load_base(str(tiny_base), Path(), device="cpu")
    changed.tokenizer.add_tokens(["dowód"])
    other["the tokenizer"] = cache_key(builder_of(sft.options, changed), ROWS_8)
    labelled = replace(sft.model, labels=("tak", "nie"))
    other["labels"] = cache_key(builder_of(sft.options, labelled), ROWS_8)
    assert len({key, *other.values()}) == len(other) + 1, other


def test_other_code_is_another_key(sft: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cache_key(sft, ROWS_8)
    monkeypatch.setattr(kept, "_code", lambda: "another version")
    assert cache_key(sft, ROWS_8) != before


@pytest.mark.parametrize("place", [0.001, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_is_found_and_the_file_made_again(sft: Builder, tmp_path: Path, place: float) -> None:
    plain = _said(TokenCache(tmp_path, least=1).examples(sft, ROWS_8))
    (file,) = tmp_path.glob("*.safetensors")
    whole = file.read_bytes()
    spoilt = bytearray(whole)
    spoilt[int(place * len(whole))] ^= 1
    file.write_bytes(spoilt)
    cache = TokenCache(tmp_path, least=1)
    assert _said(cache.examples(sft, ROWS_8)) == plain
    assert "was damaged and is made again" in cache.notes[0]
    assert file.read_bytes() == whole


@pytest.mark.parametrize("size", [0, 5, 100, -1])
def test_half_a_file_is_made_again(sft: Builder, tmp_path: Path, size: int) -> None:
    plain = _said(TokenCache(tmp_path, least=1).examples(sft, ROWS_8))
    (file,) = tmp_path.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:size])
    cache = TokenCache(tmp_path, least=1)
    assert _said(cache.examples(sft, ROWS_8)) == plain
    assert len(cache.notes) == 1


def test_what_was_not_used_for_longest_goes_first(sft: Builder, tmp_path: Path) -> None:
    cache = TokenCache(tmp_path, least=1)
    for count in (5, 6, 7):
        cache.examples(sft, ROWS_8[:count])
    names = {count: tmp_path / f"{cache_key(sft, ROWS_8[:count])}.safetensors" for count in (5, 6, 7)}
    for age, count in enumerate((6, 7, 5)):
        os.utime(names[count], ns=(age, age))
    cache.examples(sft, ROWS_8[:6])  # used again
    room = sum(names[count].stat().st_size for count in (5, 6)) + 2 * names[7].stat().st_size
    TokenCache(tmp_path, least=1, most=room).examples(sft, ROWS_8)
    assert [count for count, file in names.items() if file.exists()] == [5, 6]


def test_small_sets_other_people_s_folders_and_full_disks_are_no_error(sft: Builder, tmp_path: Path) -> None:
    TokenCache(tmp_path / "none").examples(sft, ROWS_8)
    TokenCache(tmp_path / "none", least=1, writes=False).examples(sft, ROWS_8)
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("", encoding="utf-8")
    cache = TokenCache(tmp_path / "file", least=1)
    assert _said(cache.examples(sft, ROWS_8)) == _said(sft.examples(ROWS_8))
    assert "are not kept for the next run" in cache.notes[-1]


def test_rows_that_an_objective_itself_remembers_are_always_built(tiny_base: Path, tmp_path: Path) -> None:
    builder = _builder(tiny_base, "grpo", max_new_tokens=8)
    for _ in range(2):
        TokenCache(tmp_path, least=1).examples(builder, [ROWS["grpo"](number) for number in range(4)])
    assert list(tmp_path.iterdir()) == []
