"""Which objectives go with which methods, and what of an objective's own settings does not go together."""

from __future__ import annotations

from typing import Any

import pytest

from kamerton.recipe import (
    EvaluationSection,
    FreezeMethod,
    FullMethod,
    Ia3Method,
    LoraMethod,
    Method,
    OftMethod,
    PrefixMethod,
    PromptMethod,
    PTuningMethod,
    TrainingSection,
    objective_faults,
    objective_warnings,
)
from kamerton.recipe.objective import own_functions

OBJECTIVES = ["pretrain", "sft", "dpo", "orpo", "simpo", "kto", "reward", "classification", "grpo"]
VIRTUAL: list[Method] = [PromptMethod(kind="prompt"), PrefixMethod(kind="prefix"), PTuningMethod(kind="p_tuning")]
OTHERS: list[Method] = [
    FullMethod(kind="full"),
    FreezeMethod(kind="freeze"),
    LoraMethod(),
    LoraMethod(kind="qlora"),
    Ia3Method(kind="ia3"),
    OftMethod(kind="oft"),
]


def training(objective: Any, **more: Any) -> TrainingSection:
    return TrainingSection(objective=objective, **more)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_every_method_with_weights_in_layers_goes_with_every_objective(kind: str) -> None:
    assert not any(objective_faults(method, training(kind)) for method in OTHERS)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_virtual_tokens_are_for_answers(kind: str) -> None:
    refused = kind in ("pretrain", "reward", "classification")
    for method in VIRTUAL:
        faults = objective_faults(method, training(kind))
        assert bool(faults) == refused
        assert all("take method.kind: lora" in fault for fault in faults)


def test_label_smoothing_is_for_sigmoid() -> None:
    assert not objective_faults(LoraMethod(), training({"kind": "dpo", "label_smoothing": 0.1}))
    (fault,) = objective_faults(LoraMethod(), training({"kind": "dpo", "label_smoothing": 0.1, "loss": "ipo"}))
    assert "label_smoothing" in fault
    assert "loss: ipo" in fault


@pytest.mark.parametrize(
    ("reward", "words"),
    [
        ("exact_match", ""),
        ("form:[a-z]+", ""),
        ("regex:#### (-?[0-9]+)", ""),
        ("length:40", ""),
        ("my.module:score", ""),
        ("exact_match:x", "takes no setting"),
        ("form:", "a pattern is missing"),
        ("form", "a pattern is missing"),
        ("regex:(", "not a regular expression"),
        ("length:many", "a number of tokens is missing"),
        ("length:0", "a number of tokens is missing"),
        ("length:²", "a number of tokens is missing"),
        ("bleu", "no such reward; expected exact_match"),
        ("os.system:rm -rf", "no such reward"),
    ],
)
def test_rewards_are_checked_before_anything_runs(reward: str, words: str) -> None:
    faults = objective_faults(LoraMethod(), training({"kind": "grpo", "rewards": [reward]}))
    assert words in faults[0] and f"rewards: {reward}" in faults[0] if words else not faults


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ({"rewards": ["exact_match"], "reward_weights": [1.0, 2.0]}, "has 2 numbers for 1 rewards"),
        ({"rewards": ["exact_match", "exact_match"]}, "names exact_match twice"),
        ({"max_new_tokens": 512}, "leaves no room for a prompt"),
    ],
)
def test_settings_of_grpo_agree(objective: dict[str, Any], words: str) -> None:
    (fault,) = objective_faults(LoraMethod(), training({"kind": "grpo"} | objective))
    assert words in fault


def test_what_has_no_effect_is_told_with_both_names() -> None:
    evaluation = EvaluationSection(metrics=["exact_match", "pair_accuracy"])
    (told,) = objective_warnings(training("reward"), evaluation)
    assert "evaluation.metrics: exact_match" in told
    assert "training.objective: reward" in told
    (told,) = objective_warnings(training({"kind": "grpo", "clip": 0.3}), EvaluationSection())
    assert "objective.clip" in told
    assert "objective.passes" in told
    assert not objective_warnings(training("sft"), EvaluationSection())


@pytest.mark.parametrize(
    ("objective", "wanted"),
    [
        ({"kind": "sft", "loss": "dft"}, []),
        ({"kind": "sft", "loss": "mine.losses:focal"}, ["mine.losses:focal"]),
        ({"kind": "grpo", "rewards": ["exact_match", "regex:a:b", "form:x", "length:5"]}, []),
        ({"kind": "grpo", "rewards": ["mine:score", "length:5", "mine:style"]}, ["mine:score", "mine:style"]),
        ("dpo", []),
    ],
)
def test_functions_of_ones_own_are_told_from_what_ships(objective: Any, wanted: list[str]) -> None:
    assert own_functions(training(objective).objective) == wanted
