"""What a recipe may say of a method, and why the rest is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from kamerton.ground.errors import RecipeError
from kamerton.recipe import (
    LoraMethod,
    Method,
    ModelSection,
    Recipe,
    TrainingSection,
    method_faults,
    method_warnings,
    parse_recipe,
)

KINDS = ("full", "freeze", "lora", "qlora", "dora", "ia3", "oft", "prompt", "prefix", "p_tuning")


def _recipe(method: str, *overrides: str, model: str = "{base: tiny-pl}") -> Recipe:
    return parse_recipe(f"model: {model}\ndata: {{train: [a.jsonl]}}\nmethod: {method}", overrides).recipe


def _sections(method: str, model: str) -> tuple[ModelSection, Any, TrainingSection]:
    """The sections by themselves: a recipe of some of them would be refused."""
    return (
        ModelSection.model_validate(yaml.safe_load(model)),
        TypeAdapter(Method).validate_python(yaml.safe_load(method)),
        TrainingSection(),
    )


def _faults(method: str, model: str = "{base: x}") -> list[str]:
    return method_faults(*_sections(method, model))


def _warnings(method: str, *overrides: str, model: str = "{base: x}") -> list[str]:
    recipe = _recipe(method, *overrides, model=model)
    return method_warnings(recipe.model, recipe.method, recipe.training)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_enough(kind: str) -> None:
    assert _recipe(f"{{kind: {kind}}}").method.kind == ("lora" if kind == "dora" else kind)
    assert _faults(f"{{kind: {kind}}}") == []


def test_dora_is_lora_with_its_switch_on() -> None:
    one, two = _recipe("{kind: dora, rank: 4}").method, _recipe("{rank: 4, dora: true}").method
    assert one == two == LoraMethod(rank=4, dora=True)
    with pytest.raises(RecipeError, match="contradict each other"):
        _recipe("{kind: dora, dora: false}")


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("{kind: bottleneck}", "adapters 1.3.*take kind: lora"),
        ("{kind: houlsby}", "adapters 1.3.*take kind: lora"),
        ("{kind: adalora}", "take kind: lora"),
        ("{kind: galore}", "it is an optimiser"),
        ("{kind: llama_pro}", "take kind: freeze"),
        ("{kind: telepathy}", "not known here; expected full or freeze or lora"),
        ("{kind: 3}", "not known here"),
        ("{kind: [lora]}", "not known here"),
        ("{kind: ia3, dropout: 0.1}", "method.dropout: unknown key; it belongs to kind: lora"),
        ("{kind: prompt, rank: 8}", "method.rank: unknown key; it belongs to kind: lora"),
        ("{kind: freeze, layers: 0}", "moves nothing"),
        ("{init: pissa, dora: true}", "choose one of them"),
        ("{pissa_iterations: 4}", "init: pissa only"),
        ("{init: pissa, start_from: [a]}", "for a new adapter"),
        ("{kind: ia3, targets: [q_proj]}", "both or neither"),
        ("{kind: ia3, feedforward: [q_proj]}", "both or neither"),
        ("{kind: ia3, targets: [q_proj], feedforward: [up_proj]}", "not in targets: up_proj"),
        ("{kind: oft, block_size: 4, blocks: 2}", "one of block_size and blocks"),
        ("{kind: oft, block_size: 1}", "greater than or equal to 2"),
        ("{kind: prompt, init: text}", "go together"),
        ("{kind: prefix, text: a}", "go together"),
        ("{kind: prefix, projection: 8}", "set init: random"),
        ("{plus_ratio: 0.5}", "greater than or equal to 1"),
        ("{targets: []}", "method.targets"),
        ("{kind: ia3, targets: all_linear}", "method.targets"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(method: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        _recipe(method)


@pytest.mark.parametrize("bits", ["nf4", "int8", "fp4"])
@pytest.mark.parametrize("kind", KINDS)
def test_integers_are_moved_by_nobody(kind: str, bits: str) -> None:
    faults = _faults(f"{{kind: {kind}}}", model=f"{{base: x, quantization: {bits}}}")
    if kind in ("full", "freeze"):
        (fault,) = faults
        assert f"model.quantization: {bits}" in fault
        assert f"method.kind: {kind}" in fault
        assert "qlora" in fault
    elif kind == "dora" and bits == "int8":
        assert "nf4" in faults[0]
    else:
        assert faults == []


@pytest.mark.parametrize(
    ("method", "model", "said"),
    [
        ("{kind: qlora}", "{base: x, quantization: none}", "qlora trains on a quantised base"),
        ("{init: pissa}", "{base: x, quantization: nf4}", "method.init: default"),
        ("{start_from: [a], new_adapter: true}", "{base: x, quantization: nf4}", "train on one adapter"),
        ("{start_from: [a, b]}", "{base: x, quantization: int8}", "train on one adapter"),
        ("{kind: full}", "{architecture: {}, quantization: nf4}", "leave model.quantization out"),
    ],
)
def test_pairs_that_make_no_sense(method: str, model: str, said: str) -> None:
    (fault,) = _faults(method, model)
    assert said in fault


@pytest.mark.parametrize("kind", ["lora", "freeze", "prompt"])
def test_random_weights_all_move(kind: str) -> None:
    (fault,) = _faults(f"{{kind: {kind}}}", "{architecture: {}}")
    assert "method.kind must be full" in fault


def test_a_prefix_is_dropped_by_gradient_checkpointing() -> None:
    recomputed = "training.compute.gradient_checkpointing=true"
    training = parse_recipe("model: {base: x}\ndata: {train: [a]}", [recomputed]).recipe.training
    model = ModelSection(base="x")
    (fault,) = method_faults(model, _recipe("{kind: prefix}").method, training)
    assert "training.compute.gradient_checkpointing" in fault
    assert "method.kind: prefix" in fault
    assert method_faults(model, _recipe("{kind: prompt}").method, training) == []


DECAY = "training.optimizer.weight_decay=0.1"


@pytest.mark.parametrize(
    ("method", "overrides", "model", "names"),
    [
        ("{kind: prompt}", [], "{base: x}", ["training.compute.packing", "method.kind: prompt"]),
        ("{kind: ia3}", [DECAY], "{base: x}", ["weight_decay", "method.kind: ia3"]),
        ("{kind: dora}", [DECAY], "{base: x}", ["weight_decay", "method.dora"]),
        ("{new_adapter: true}", [], "{base: x}", ["method.new_adapter", "method.start_from"]),
        ("{}", [], "{base: x, double_quantization: true}", ["double_quantization", "quantization: none"]),
        (
            "{}",
            ["training.compute.precision=fp32"],
            "{base: x, quantization: int8}",
            ["training.compute.precision", "model.quantization: int8"],
        ),
    ],
)
def test_what_has_no_effect_warns_with_both_names(
    method: str, overrides: list[str], model: str, names: list[str]
) -> None:
    (told,) = _warnings(method, *overrides, model=model)
    assert all(name in told for name in names)


def test_what_has_its_effect_is_not_warned_of() -> None:
    for kind in ("full", "freeze", "lora", "oft"):
        assert _warnings(f"{{kind: {kind}}}", DECAY) == []
    assert _warnings("{kind: qlora}", model="{base: x, double_quantization: false}") == []
    assert _warnings("{kind: prompt}", "training.compute.packing=false") == []
    assert _warnings("{kind: ia3}") == []
