"""What is promised of every objective: it learns, and how a step is laid out does not change its loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from objective_samples import FULL, LORA, ROWS, Trial, shake, trial

from kamerton.ground.errors import DataError, RequestError
from kamerton.recipe import (
    FreezeMethod,
    Ia3Method,
    LoraMethod,
    Method,
    OftMethod,
    PrefixMethod,
    PromptMethod,
    PTuningMethod,
    TrainingSection,
    objective_faults,
)
from kamerton.training.monitors import diagnose
from kamerton.training.monitors.facts import example_facts
from kamerton.training.monitors.history import Facts

VARIANTS: dict[str, dict[str, Any]] = {
    "pretrain": {},
    "sft": {},
    "dft": {"kind": "sft", "loss": "dft"},
    "dpo": {"sft_weight": 0.1},
    "ipo": {"kind": "dpo", "loss": "ipo"},
    "hinge": {"kind": "dpo", "loss": "hinge"},
    "orpo": {},
    "simpo": {},
    "kto": {"disliked_weight": 0.5},
    "reward": {"centre": 0.01},
    "classification": {},
    "grpo": {"rewards": [r"regex:[aeiou]"], "group": 4, "max_new_tokens": 6, "beta": 0.1},
}


def made(base: Path, name: str, **more: Any) -> Trial:
    chosen = {"kind": name} | VARIANTS[name]
    return trial(base, chosen.pop("kind"), **chosen, **more)


def quick(names: list[str], *default: str) -> list[Any]:
    """All names, of which the default run tries a few."""
    return [name if name in default else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", quick(list(VARIANTS), "dpo", "kto"))
def test_the_layout_of_a_step_changes_neither_loss_nor_gradients(name: str, tiny_base: Path) -> None:
    found = []
    for compute in ({"forward_tokens": 4096}, {"forward_tokens": 64}, {"forward_tokens": 64, "packing": False}):
        tried = made(tiny_base, name, compute=compute)
        assert tried.network.packed == compute.get("packing", True)
        shake(tried.network)
        passes = len(list(tried.network.batches(tried.objective.begin_step(tried.network, tried.examples, 1)[0])))
        assert (passes > 1) == (compute["forward_tokens"] == 64)
        loss, metrics = tried.backward()
        found.append((loss, metrics, tried.gradients()))
    first = found[0]
    for loss, metrics, gradients in found[1:]:
        assert loss == pytest.approx(first[0], abs=1e-5, rel=1e-5)
        assert metrics == pytest.approx(first[1], abs=1e-5, rel=1e-5)
        assert gradients.keys() == first[2].keys()
        assert gradients
        for key, gradient in gradients.items():
            wanted = first[2][key]
            # Of the whole tensor: a single element that nearly cancels has no such digits in fp32.
            assert float((gradient - wanted).norm()) <= 1e-5 * float(wanted.norm()), key


# The loss of dft, -p log p, rises until p is 1/e; that of grpo compares answers with each other.
@pytest.mark.parametrize("name", quick([name for name in VARIANTS if name not in ("dft", "grpo")], "orpo", "simpo"))
def test_the_loss_falls(name: str, tiny_base: Path) -> None:
    losses = made(tiny_base, name).train(5)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", quick(list(VARIANTS), "sft", "dpo", "classification", "grpo"))
def test_sound_examples_raise_no_alarm(name: str, tiny_base: Path) -> None:
    tried = made(tiny_base, name)
    loaded, objective = tried.network.loaded, tried.objective
    facts = example_facts(
        tried.examples, [], {loaded.format.end_id}, max_length=96, seed=1, answered=objective.builder.answered
    )
    alarms = diagnose([Facts(rewarded=objective.rewarded, **facts)])
    assert {alarm.kind for alarm in alarms} <= {"few_rows", "duplicates"}


@pytest.mark.parametrize("name", quick(["dpo", "orpo", "simpo", "kto", "reward", "classification"], "reward"))
def test_bf16_gives_nearly_the_same_loss(name: str, tiny_base: Path) -> None:
    exact = made(tiny_base, name).backward()[0]
    rough = made(tiny_base, name, compute={"precision": "bf16"}).backward()[0]
    assert rough == pytest.approx(exact, rel=0.02)


METHODS: dict[str, Method] = {
    "full": FULL,
    "freeze": FreezeMethod(kind="freeze", layers=1),
    "lora": LORA,
    "qlora": LoraMethod(kind="qlora", rank=4),
    "dora": LoraMethod(kind="dora", rank=4),
    "pissa": LoraMethod(rank=4, init="pissa"),
    "ia3": Ia3Method(kind="ia3"),
    "oft": OftMethod(kind="oft", block_size=4),
    "prompt": PromptMethod(kind="prompt", virtual_tokens=4),
    "prefix": PrefixMethod(kind="prefix", virtual_tokens=4),
    "p_tuning": PTuningMethod(kind="p_tuning", virtual_tokens=4),
}
PAIRS = [
    (name, method)
    for name in ("pretrain", "sft", "dpo", "orpo", "simpo", "kto", "reward", "classification")
    for method in METHODS
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_each_pair_learns_or_is_refused_with_the_reason(name: str, method: str, tiny_base: Path) -> None:
    chosen = METHODS[method]
    if method == "qlora":
        pytest.importorskip("bitsandbytes")
    faults = objective_faults(chosen, TrainingSection(objective={"kind": name}))
    if faults:
        assert all(f"objective: {name}" in fault and f"method.kind: {chosen.kind}" in fault for fault in faults)
        assert method in ("prompt", "prefix", "p_tuning")
        assert name in ("pretrain", "reward", "classification")
        return
    rate = 2e-3 if method in ("full", "freeze") else 1e-2
    losses = trial(tiny_base, name, method=chosen).train(6, rate)
    assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_grpo_goes_with_each_method(method: str, tiny_base: Path) -> None:
    tried = trial(tiny_base, "grpo", method=METHODS[method], rewards=["length:4"], group=4, max_new_tokens=6, beta=0.1)
    tried.train(2)


def test_rows_of_another_kind_are_refused_with_the_objectives_that_take_them(tiny_base: Path) -> None:
    tried = trial(tiny_base, "dpo")
    with pytest.raises(DataError, match="the row is rated, and the objective dpo learns from ranked") as caught:
        tried.objective.examples([ROWS["kto"](3)])
    assert caught.value.where == "k.jsonl:4"
    assert "training.objective=kto" in caught.value.mend


def own_sum(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """A loss of a user's own, as are those below."""
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")


def own_each(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(logits, targets, reduction="none")


def own_number(logits: torch.Tensor, targets: torch.Tensor) -> float:
    return float(own_sum(logits, targets).detach())


def own_detached(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return own_sum(logits, targets).detach()


def own_fault(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return own_sum(logits, targets[:-1])


def test_a_loss_of_ones_own_that_is_cross_entropy_is_the_usual_one(tiny_base: Path) -> None:
    own = trial(tiny_base, "sft", loss="test_training_objectives:own_sum")
    assert own.backward()[0] == pytest.approx(trial(tiny_base, "sft").backward()[0], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("own_each", r"gave a tensor of shape \(\d+,\)"),
        ("own_number", r"gave \d+\."),
        ("own_detached", "gave a number without a gradient"),
        ("own_fault", r"raised ValueError: .*\(.*test_training_objectives.py:\d+\)"),
    ],
)
def test_a_loss_of_ones_own_that_cannot_be_learned_from_is_told(name: str, said: str, tiny_base: Path) -> None:
    function = f"test_training_objectives:{name}"
    tried = trial(tiny_base, "sft", loss=function)
    with pytest.raises(RequestError, match=said) as caught:
        tried.backward()
    assert f"the loss {function} " in caught.value.what
    assert caught.value.where.startswith("example ")
    assert sum(example.id[:12] in caught.value.where for example in tried.examples) == 3
    assert caught.value.where.endswith("and 3 more of its batch")
