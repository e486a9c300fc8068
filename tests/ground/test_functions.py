"""Functions named in a recipe: found, or told what is missing."""

from __future__ import annotations

import math

import pytest

from kamerton.ground.errors import RecipeError
from kamerton.ground.functions import load_function


def test_a_function_is_found_by_its_name() -> None:
    assert load_function("math:sqrt", "training.objective.loss") is math.sqrt


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("math:no_such_function", "no_such_function"),
        ("math:pi", "this is no function"),
        ("math", "cannot be loaded"),
    ],
)
def test_what_is_missing_is_told_with_the_key(name: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        load_function(name, "training.objective.loss")
    assert caught.value.where == f"training.objective.loss: {name}"
