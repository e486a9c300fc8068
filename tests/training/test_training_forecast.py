"""What is foretold is what then happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_samples import FULL, LORA, METHODS, new_run, options, rows, start

from kamerton.ground.errors import RecipeError
from kamerton.models.methods import trainable_parameters
from kamerton.recipe import Architecture, ModelSection, Recipe
from kamerton.training.examples import build_examples
from kamerton.training.forecast import forecast
from kamerton.training.run import run_training


def _recipe(base: Path, method: Any = LORA, **training: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "model": {"base": str(base)},
            "data": {"train": ["rows.jsonl"]},
            "method": method.model_dump(),
            "training": options(**training).model_dump(),
        }
    )


@pytest.mark.parametrize("method", ["lora", "full"])
def test_counts_are_those_of_the_run(tiny_base: Path, tmp_path: Path, method: str) -> None:
    wanted = options(max_steps=None, epochs=2)
    told = forecast(_recipe(tiny_base, METHODS[method], max_steps=None, epochs=2), rows(9), tmp_path)
    loaded = start(tiny_base, METHODS[method], wanted)
    built = build_examples(rows(9), loaded.format, "sft", wanted.max_length)
    run = new_run(tmp_path)
    result = run_training(loaded, {"train": built.examples, "validation": []}, METHODS[method], wanted, run)
    assert told["steps"] == result.steps
    assert told["sequences"] == 9
    assert told["trained_tokens_per_epoch"] * 2 == result.tokens
    assert told["tokens_per_epoch"] == built.tokens
    assert told["longest"] == max(len(example.ids) for example in built.examples)
    assert told["parameters"] == sum(weight.numel() for weight in loaded.model.parameters())
    assert told["trainable"] == sum(weight.numel() for weight in trainable_parameters(loaded.model).values())
    assert told["cut_share"] == 0.0
    if method == "full":  # an adapter this small is less than the JSON around it
        stored = sum(path.stat().st_size for path in run.checkpoints.rglob("*.safetensors"))
        assert stored <= told["disk_bytes"] <= 3 * stored


def test_counts_of_weighted_rows_are_those_of_the_run(tiny_base: Path, tmp_path: Path) -> None:
    wanted, weights = options(max_steps=None, epochs=2), [2.0, 0.5, 1.0, 0.5, 3.0, 1.0, 1.0, 0.5, 0.5]
    told = forecast(_recipe(tiny_base, max_steps=None, epochs=2), rows(9), tmp_path, weights)
    loaded = start(tiny_base, LORA, wanted)
    built = build_examples(rows(9), loaded.format, "sft", wanted.max_length, weights=weights)
    result = run_training(loaded, {"train": built.examples, "validation": []}, LORA, wanted, new_run(tmp_path))
    assert told["steps"] == result.steps
    lengths = [len(example.ids) for example in built.examples]
    assert told["tokens_per_epoch"] == round(sum(w * length for w, length in zip(weights, lengths, strict=True)))
    assert told["tokens_per_epoch"] > sum(lengths)


def test_memory_grows_with_what_it_depends_on(tiny_base: Path, tmp_path: Path) -> None:
    def peak(method: Any = LORA, **training: Any) -> int:
        return int(forecast(_recipe(tiny_base, method, **training), rows(9), tmp_path)["peak_bytes"])

    assert peak(batch_size=8) > peak(batch_size=2) > 600 << 20
    assert peak(FULL) > peak(LORA)
    assert peak(accumulation=4) == peak()


def test_rows_that_are_too_long_are_foretold(tiny_base: Path, tmp_path: Path) -> None:
    told = forecast(_recipe(tiny_base, max_length=44), rows(20), tmp_path)
    loaded = start(tiny_base, LORA, options())
    built = build_examples(rows(20), loaded.format, "sft", 44)
    assert 0 < told["cut_share"] == (len(built.cut) + len(built.masked)) / 20 <= 1
    assert told["sequences"] == len(built.examples)


def test_nothing_is_longer_than_the_context(tiny_base: Path, tmp_path: Path) -> None:
    recipe = _recipe(tiny_base, objective="pretrain", max_length=100_000)
    assert forecast(recipe, rows(20), tmp_path)["longest"] == 512


def test_random_weights(tmp_path: Path, tiny_base: Path) -> None:
    shape = Architecture(hidden_size=32, layers=1, heads=2, feed_forward=64, vocabulary=300, context=128)
    recipe = _recipe(tiny_base, FULL).model_copy(update={"model": ModelSection(architecture=shape)})
    told = forecast(recipe, rows(9), tmp_path)
    assert told["parameters"] == told["trainable"] < 40_000


def test_a_gpu_that_is_not_there_is_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RecipeError, match="no CUDA GPU"):
        forecast(_recipe(Path("/nowhere"), device="cuda"), rows(1), tmp_path)
