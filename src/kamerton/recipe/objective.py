"""`training.objective:` what is learned from the rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from kamerton.recipe.base import Section

__all__ = [
    "SHIPPED_REWARDS",
    "ClassificationObjective",
    "DpoObjective",
    "GrpoObjective",
    "KtoObjective",
    "Objective",
    "OrpoObjective",
    "PretrainObjective",
    "RewardObjective",
    "SftObjective",
    "SimpoObjective",
    "own_functions",
]

Beta = Annotated[float, Field(gt=0, le=100)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Function = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
"""A function of the user's own, as `module:function`."""

SHIPPED_REWARDS = ("exact_match", "form", "regex", "length")
"""Rewards that are no functions of the user's own: the words before the colon."""


class PretrainObjective(Section):
    """Every token of texts is learned; texts stand one after the other in sequences of full length."""

    kind: Literal["pretrain"]
    """Next-token prediction over texts."""
    chat_share: Share = 0.0
    """Share of texts that are dressed as a conversation, so that the end-of-turn token is learned."""


class SftObjective(Section):
    """The answers of conversations are learned (supervised fine-tuning)."""

    kind: Literal["sft"] = "sft"
    """Next-token prediction over answers."""
    loss: Literal["cross_entropy", "dft"] | Function = "cross_entropy"
    """`dft` weighs each token by its own probability (Wu et al., arXiv 2508.05629). `module:function` is a loss of your
    own: it is given logits (N, V) and targets (N) of the trained tokens and returns the sum of their losses."""
    learn_from: Literal["answers", "last_answer", "everything"] = "answers"
    """Which turns are learned: all answers, the last one alone, or prompts too."""


class DpoObjective(Section):
    """The better answer is made likelier than the worse one, seen from a reference (Rafailov et al., 2305.18290)."""

    kind: Literal["dpo"]
    """Direct preference optimisation."""
    loss: Literal["sigmoid", "ipo", "hinge"] = "sigmoid"
    """`sigmoid` is DPO as published, `ipo` its squared form (2310.12036), `hinge` that of SLiC (2305.10425)."""
    beta: Beta = 0.1
    """Strength of the pull towards the reference."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.0
    """Share of pairs that are taken to be judged wrongly; for `sigmoid`."""
    sft_weight: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the better answer's own cross-entropy beside the preference."""
    reference: str | None = None
    """The model that the pull is towards; None is the model that training starts from, at no cost in memory."""


class OrpoObjective(Section):
    """Supervised fine-tuning with a penalty on the odds of the worse answer; no reference (Hong et al., 2403.07691)."""

    kind: Literal["orpo"]
    """Odds-ratio preference optimisation."""
    beta: Beta = 0.1
    """Weight of the odds ratio (lambda in the paper)."""


class SimpoObjective(Section):
    """Preference by the mean log-probability of a token, with a margin; no reference (Meng et al., 2405.14734)."""

    kind: Literal["simpo"]
    """Simple preference optimisation."""
    beta: Beta = 2.0
    """Scale of the reward."""
    gamma: Annotated[float, Field(ge=0)] = 0.5
    """Margin that the better answer's reward must have."""


class KtoObjective(Section):
    """Answers that are each liked or not, without pairs (Ethayarajh et al., 2402.01306)."""

    kind: Literal["kto"]
    """Kahneman-Tversky optimisation."""
    beta: Beta = 0.1
    """Strength of the pull towards the reference."""
    liked_weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of answers that are liked."""
    disliked_weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight of answers that are not."""
    reference: str | None = None
    """The model that the pull is towards; None is the model that training starts from."""


class RewardObjective(Section):
    """A head that scores answers, so that better ones score higher (Bradley-Terry; Ouyang et al., 2203.02155)."""

    kind: Literal["reward"]
    """Reward model."""
    centre: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the squared sum of both scores, which keeps them around zero (Eisenstein et al., 2312.09244)."""


class ClassificationObjective(Section):
    """A head that gives each prompt one of a few labels."""

    kind: Literal["classification"]
    """Classification head."""
    label: Literal["answer", "category"] = "answer"
    """Where a row's label stands: the whole of its answer, or its category."""
    max_labels: Annotated[int, Field(ge=2, le=10_000)] = 100
    """More different labels than these are refused: an answer in free text is no label."""


class GrpoObjective(Section):
    """The model's own answers are judged by functions and compared within their group (Shao et al., 2402.03300)."""

    kind: Literal["grpo"]
    """Group-relative policy optimisation with verifiable rewards."""
    rewards: Annotated[list[str], Field(min_length=1)] = ["exact_match"]
    """`exact_match` with the row's answer; `form:PATTERN`, which the whole answer matches; `regex:PATTERN`, whose group
    says the same as in the row's answer; `length:TOKENS` at most; or a function of your own as `module:function`."""
    reward_weights: list[float] = []
    """One weight a reward; empty weighs all alike."""
    group: Annotated[int, Field(ge=2, le=256)] = 8
    """Answers drawn to each prompt."""
    max_new_tokens: Annotated[int, Field(ge=1, le=32_768)] = 128
    """Longest answer."""
    temperature: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Of the draw."""
    beta: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the divergence from the model that training starts from; above 0 the first moving weights are kept."""
    clip: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """How far the ratio of probabilities may move from 1 where answers are used more than once."""
    passes: Annotated[int, Field(ge=1, le=16)] = 1
    """Optimiser steps on each set of drawn answers."""
    scale: Literal["group", "none"] = "group"
    """`group` divides advantages by the group's standard deviation; `none` does not (Liu et al., 2503.20783)."""


def _as_kind(value: object) -> object:
    """`objective: dpo` is `objective: {kind: dpo}`."""
    if isinstance(value, str):
        return {"kind": value}
    return {"kind": "sft", **value} if isinstance(value, dict) else value


Objective = Annotated[
    Annotated[
        PretrainObjective
        | SftObjective
        | DpoObjective
        | OrpoObjective
        | SimpoObjective
        | KtoObjective
        | RewardObjective
        | ClassificationObjective
        | GrpoObjective,
        Field(discriminator="kind"),
    ],
    BeforeValidator(_as_kind),
]


def own_functions(objective: Objective) -> list[str]:
    """The functions of the user's own that an objective names, as `module:function`."""
    if isinstance(objective, GrpoObjective):
        return [name for name in objective.rewards if name.partition(":")[0] not in SHIPPED_REWARDS]
    return [objective.loss] if isinstance(objective, SftObjective) and ":" in objective.loss else []
