"""What is remembered of a gate: the verdict, every rule with its numbers, and the records that it rests on."""

from __future__ import annotations

from typing import Any, Literal

from kamerton.records.base import Part, Record

__all__ = ["Decision", "Outcome", "Reason"]

Outcome = Literal[
    "better",
    "not better",
    "within the margin",
    "beyond the margin",
    "too few items",
    "not comparable",
    "not measured",
]


class Reason(Part):
    """One rule of the gate, applied."""

    rule: Literal["primary", "guard"]
    metric: str
    set_name: str
    baseline: str
    """Empty where the gate names none."""
    passed: bool
    outcome: Outcome
    text: str
    """One English sentence with the numbers."""
    numbers: dict[str, float | None]
    """What the rule looked at: values, difference, low, high, p_adjusted, minimum_detectable_effect, n_items,
    n_clusters, and the limit (alpha or margin); empty where nothing was measured."""


class Decision(Record):
    """The verdict of a gate on one model. A pure function of the comparisons and the policy, so it holds no time."""

    kind: Literal["decision"] = "decision"
    verdict: Literal["pass", "fail"]
    """`pass` only where every rule passed and there was at least one."""
    model_sha256: str
    """SHA-256 of the weights that the comparisons were made with."""
    reasons: list[Reason]
    policy: dict[str, Any]
    """The recipe's `gate:` section."""
    comparisons: dict[str, str]
    """Digest of each comparison record that was looked at, by the name of its set."""
