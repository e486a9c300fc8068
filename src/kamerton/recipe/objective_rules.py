"""What an objective cannot go together with, and what has no effect beside it."""

from __future__ import annotations

import re

from kamerton.recipe.evaluation import EvaluationSection
from kamerton.recipe.method import Method, VirtualMethod
from kamerton.recipe.objective import (
    ClassificationObjective,
    DpoObjective,
    GrpoObjective,
    PretrainObjective,
    RewardObjective,
)
from kamerton.recipe.training import TrainingSection

__all__ = ["objective_faults", "objective_warnings"]

_REWARDS = "exact_match, form:PATTERN, regex:PATTERN, length:TOKENS or module:function"


def objective_faults(method: Method, training: TrainingSection) -> list[str]:
    """Why these sections cannot be trained together, with the nearest way; empty where they can."""
    objective = training.objective
    pair = f"training.objective: {objective.kind} and method.kind: {method.kind}"
    if isinstance(method, VirtualMethod):
        if isinstance(objective, RewardObjective | ClassificationObjective):
            return [f"{pair}: virtual tokens are saved without the head that they move: take method.kind: lora"]
        if isinstance(objective, PretrainObjective):
            return [
                f"{pair}: pieces of texts have no beginning that virtual tokens could stand before: "
                "take method.kind: lora, or full"
            ]
    if isinstance(objective, DpoObjective) and objective.label_smoothing and objective.loss != "sigmoid":
        return [f"training.objective.label_smoothing is for loss: sigmoid, not for loss: {objective.loss}"]
    if isinstance(objective, GrpoObjective):
        return _grpo(objective, training)
    return []


def _grpo(objective: GrpoObjective, training: TrainingSection) -> list[str]:
    faults = [fault for name in objective.rewards if (fault := _reward_fault(name))]
    doubled = sorted({name for name in objective.rewards if objective.rewards.count(name) > 1})
    if doubled:
        faults.append(f"training.objective.rewards names {', '.join(doubled)} twice: weigh it by reward_weights")
    if objective.reward_weights and len(objective.reward_weights) != len(objective.rewards):
        faults.append(
            f"training.objective.reward_weights has {len(objective.reward_weights)} numbers for "
            f"{len(objective.rewards)} rewards"
        )
    if objective.max_new_tokens >= training.max_length:
        faults.append(
            f"training.objective.max_new_tokens: {objective.max_new_tokens} leaves no room for a prompt within "
            f"training.max_length: {training.max_length}"
        )
    return faults


def _reward_fault(name: str) -> str:
    where = f"training.objective.rewards: {name}"
    kind, _, setting = name.partition(":")
    if kind == "exact_match":
        return f"{where}: exact_match takes no setting" if setting else ""
    if kind in ("form", "regex"):
        try:
            re.compile(setting)
        except re.error as error:
            return f"{where}: not a regular expression: {error}"
        return "" if setting else f"{where}: a pattern is missing after the colon"
    if kind == "length":
        good = setting.isascii() and setting.isdigit() and int(setting) > 0
        return "" if good else f"{where}: a number of tokens is missing after the colon"
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", name):
        return ""
    return f"{where}: no such reward; expected {_REWARDS}"


def objective_warnings(training: TrainingSection, evaluation: EvaluationSection) -> list[str]:
    """Settings that have no effect on this path; both names in each sentence."""
    objective = training.objective
    told = []
    if isinstance(objective, RewardObjective):
        mute = [name for name in evaluation.metrics if name != "pair_accuracy"]
        if mute:
            told.append(
                f"evaluation.metrics: {', '.join(mute)} cannot be measured with training.objective: reward, which "
                "writes no answers; pair_accuracy is measured"
            )
    if isinstance(objective, GrpoObjective) and objective.passes == 1 and "clip" in objective.model_fields_set:
        told.append("training.objective.clip has an effect with training.objective.passes above 1 only")
    return told
