"""Nothing is left open, and every value says where it came from."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recipe_page import EXAMPLE

from kamerton.ground.errors import RecipeError
from kamerton.recipe import Derived, Recipe, RecipeSource, ResolvedRecipe, Value, parse_recipe, resolve

TEXT = """\
model: {base: tiny-pl}
data:
  train:
    - a.jsonl
  split: {by: rows}
method:
  rank: 4
training:
  seed: 7
evaluation:
  metrics: [perplexity]
  sets:
    my.set: [b.jsonl]
gate:
  primary: {metric: perplexity, better_than: base}
"""


def machine(threads: int) -> dict[str, Derived]:
    """What a machine with this many cores decides."""
    return {
        "training.compute.threads": Derived(threads, "physical cores of this machine"),
        "training.compute.precision": Derived("bf16", "the processor has it"),
        "training.compute.forward_tokens": Derived(2048, "fast"),
        "training.compute.gradient_checkpointing": Derived(False, "memory suffices"),
    }


def values(text: str, *overrides: str, threads: int = 3) -> dict[str, Value]:
    return {value.key: value for value in resolve(parse_recipe(text, overrides), machine(threads)).values}


def origin(value: Value) -> tuple[str, str]:
    return value.origin, value.note


def test_every_value_says_where_it_came_from() -> None:
    found = values(TEXT, "training.epochs=1", "data.check={max_truncated: 0.5}")
    expected = {
        "name": ("default", ""),
        "model.base": ("file", "line 1"),
        "model.architecture": ("default", ""),
        "data.train": ("file", "line 3"),
        "data.split.by": ("file", "line 5"),
        "data.split.test": ("default", ""),
        "data.check.max_truncated": ("flag", "data.check"),
        "data.check.min_train_rows": ("default", ""),
        "method.kind": ("default", ""),
        "method.rank": ("file", "line 7"),
        "method.alpha": ("derived", "2 x method.rank"),
        "training.seed": ("file", "line 9"),
        "training.epochs": ("flag", "training.epochs"),
        "training.learning_rate": ("derived", "usual for lora and sft"),
        "training.compute.threads": ("derived", "physical cores of this machine"),
        "evaluation.metrics": ("file", "line 11"),
        "evaluation.sets.my.set": ("file", "line 13"),
        "gate.primary.better_than": ("file", "line 15"),
        "gate.alpha": ("default", ""),
        "tracking.experiment": ("derived", "name"),
    }
    assert {key: origin(found[key]) for key in expected} == expected
    assert found["method.alpha"].value == 8.0
    assert found["training.compute.threads"].value == 3
    assert found["tracking.experiment"].value == "model"
    assert found["gate.primary.better_than"].value == ["base"]


def test_nothing_is_left_open() -> None:
    recipe = resolve(parse_recipe(TEXT), machine(3)).recipe
    assert recipe.training.learning_rate == 2e-4
    assert recipe.training.compute.threads == 3
    full = resolve(parse_recipe(TEXT, ["method={kind: full}", "name=mine"]), machine(3)).recipe
    assert full.training.learning_rate == 2e-5
    assert full.tracking.experiment == "mine"


def test_what_is_given_is_not_derived() -> None:
    found = values(
        TEXT, "method.alpha=3", "training.compute.threads=9", "tracking.experiment=e", "training.learning_rate=1"
    )
    for key, value in [
        ("method.alpha", 3.0),
        ("training.compute.threads", 9),
        ("tracking.experiment", "e"),
        ("training.learning_rate", 1.0),
    ]:
        assert (found[key].value, found[key].origin) == (value, "flag")


def test_an_override_of_a_value_in_the_file_is_a_flag() -> None:
    assert origin(values(TEXT, "training.seed=8")["training.seed"]) == ("flag", "training.seed")
    replaced = values(TEXT, "training={epochs: 2}")
    assert origin(replaced["training.epochs"]) == ("flag", "training")
    assert origin(replaced["training.seed"]) == ("default", "")


def test_a_null_that_is_given_is_derived_all_the_same() -> None:
    assert values(TEXT + "  alpha: 0.1\n", "training.learning_rate=null")["training.learning_rate"].origin == "derived"


def test_the_values_are_the_recipe() -> None:
    """Every leaf once, in the order of the recipe, with the value that the recipe has."""
    resolved = resolve(parse_recipe(TEXT), machine(3))
    document = resolved.recipe.model_dump(mode="json")
    for value in resolved.values:
        at = document
        for part in ["evaluation", "sets", "my.set"] if value.key.endswith("my.set") else value.key.split("."):
            at = at[part]
        assert at == value.value
    keys = [value.key for value in resolved.values]
    assert len(set(keys)) == len(keys)


def again(resolved: ResolvedRecipe, threads: int) -> ResolvedRecipe:
    document = json.loads(json.dumps(resolved.recipe.model_dump(mode="json")))
    return resolve(RecipeSource(Recipe.model_validate(document), document), machine(threads))


overrides = st.fixed_dictionaries(
    {},
    optional={
        "method.rank": st.integers(1, 64),
        "method.alpha": st.floats(0.1, 10),
        "method.dropout": st.floats(0, 0.5),
        "training.epochs": st.floats(0.1, 9),
        "training.learning_rate": st.floats(1e-7, 1),
        "training.compute.threads": st.integers(1, 64),
        "data.max_rows": st.integers(1, 10) | st.none(),
        "evaluation.seed": st.integers(-5, 5),
    },
)


@given(overrides, st.integers(1, 64))
def test_resolving_twice_changes_nothing(chosen: dict[str, object], threads: int) -> None:
    given_ = [f"{key}={json.dumps(value)}" for key, value in chosen.items()]
    resolved = resolve(parse_recipe(EXAMPLE, given_), machine(threads))
    twice = again(resolved, threads + 1)
    assert twice.recipe == resolved.recipe
    assert twice.digest == resolved.digest
    assert {value.origin for value in twice.values} == {"file"}


def test_the_digest_is_of_what_is_asked_and_not_of_how_it_is_written() -> None:
    one = resolve(parse_recipe("model: {base: a}\ndata: {train: [b]}"), machine(2))
    same = resolve(
        parse_recipe("data:\n  train: ['b']\n# a comment\nmodel:\n  base: a\ntraining: {epochs: 3}"), machine(2)
    )
    assert one.digest == same.digest
    assert len(one.digest) == 64
    others = [["training.epochs=4"], ["training.seed=1"], ["name=n"], ["data.train=[c]"]]
    digests = {
        resolve(parse_recipe("model: {base: a}\ndata: {train: [b]}", flags), machine(2)).digest for flags in others
    }
    assert len(digests | {one.digest}) == 5
    assert resolve(parse_recipe("model: {base: a}\ndata: {train: [b]}"), machine(3)).digest != one.digest


@pytest.mark.parametrize("flag", ["method={kind: full}", "model={architecture: {}}"])
def test_a_recipe_without_adapters_derives_no_alpha(flag: str) -> None:
    flags = ["method={kind: full}", flag] + (["training.objective=pretrain"] if "architecture" in flag else [])
    keys = [value.key for value in resolve(parse_recipe(TEXT, flags), machine(2)).values]
    assert "method.alpha" not in keys
    assert ("model.architecture.hidden_size" in keys) == ("architecture" in flag)


def test_what_follows_from_a_method_and_does_not_go_with_it_is_a_fault_of_the_recipe() -> None:
    """qlora takes nf4, and pissa needs weights that are not rounded."""
    source = parse_recipe("model: {base: x}\ndata: {train: [a.jsonl]}\nmethod: {kind: qlora, init: pissa}")
    with pytest.raises(RecipeError, match="init: pissa") as caught:
        resolve(source, {})
    assert "line 3" in str(caught.value)


@pytest.mark.parametrize("setting", ["early_stopping={}", "finish_with=best", "evaluate_every=5"])
def test_what_needs_a_validation_part_warns_where_there_is_none(setting: str) -> None:
    text = "model: {base: x}\ndata: {train: [a.jsonl]}"
    assert parse_recipe(text, [f"training.{setting}"]).recipe.warnings == []
    (told,) = parse_recipe(text, [f"training.{setting}", "data.split.validation=0"]).recipe.warnings
    assert setting.partition("=")[0] in told
    assert "data.split.validation" in told
