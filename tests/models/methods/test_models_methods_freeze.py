"""Some layers move: the last, the first, parts of them, and what stands outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from method_samples import method, start

from kamerton.ground.errors import RecipeError
from kamerton.models.methods import trainable_parameters


def _moving(base: Path, **settings: Any) -> set[str]:
    """What moves, without the layers' common beginning."""
    names = trainable_parameters(start(base, method(kind="freeze", **settings)).model)
    return {name.removeprefix("model.").removesuffix(".weight") for name in names}


def test_layers_are_counted_from_the_end_or_the_beginning(tiny_base: Path) -> None:
    last, first = _moving(tiny_base, layers=1), _moving(tiny_base, layers=-1)
    assert {name.split(".")[1] for name in last} == {"1"}
    assert {name.split(".")[1] for name in first} == {"0"}
    assert len(last) == len(first) == 9
    assert _moving(tiny_base, layers=2) == last | first == _moving(tiny_base, layers=-2)


def test_parts_of_layers(tiny_base: Path) -> None:
    assert _moving(tiny_base, layers=1, modules=["q_proj", "mlp"]) == {
        "layers.1.self_attn.q_proj",
        "layers.1.mlp.gate_proj",
        "layers.1.mlp.up_proj",
        "layers.1.mlp.down_proj",
    }


def test_modules_outside_the_layers(tiny_base: Path) -> None:
    assert _moving(tiny_base, layers=0, extra_modules=["norm", "embed_tokens"]) == {"norm", "embed_tokens"}
    # The head of this base is its embedding.
    assert _moving(tiny_base, layers=0, extra_modules=["lm_head"]) == {"embed_tokens"}


@pytest.mark.parametrize(
    ("settings", "where", "expected"),
    [
        ({"layers": 3}, "method.layers", ""),
        ({"layers": -3}, "method.layers", ""),
        ({"modules": ["attention"]}, "method.modules", "self_attn"),
        ({"extra_modules": ["q_proj"]}, "method.extra_modules", "model.embed_tokens"),
        ({"extra_modules": ["layers"]}, "method.extra_modules", "model.norm"),
        ({"extra_modules": [""]}, "method.extra_modules", "model.norm"),
    ],
)
def test_what_is_not_there_is_named(tiny_base: Path, settings: dict[str, Any], where: str, expected: str) -> None:
    with pytest.raises(RecipeError) as caught:
        _moving(tiny_base, **settings)
    assert caught.value.where == where
    assert expected in caught.value.expected
