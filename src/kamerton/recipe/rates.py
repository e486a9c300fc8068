"""The learning rate that is usual for a method and an objective."""

from __future__ import annotations

__all__ = ["usual_rate"]

_METHODS = {
    "full": 2e-5,
    "freeze": 2e-5,
    "lora": 2e-4,
    "qlora": 2e-4,
    "oft": 2e-4,
    "ia3": 5e-3,
    "prompt": 3e-2,
    "prefix": 3e-2,
    "p_tuning": 3e-3,
}
"""For supervised fine-tuning, as the papers and the field's tools have it; few moving weights want a high rate."""

_OBJECTIVES = {"dpo": 0.05, "orpo": 0.2, "simpo": 0.05, "kto": 0.05, "grpo": 0.05, "reward": 0.5}
"""Share of it for objectives that only lean on what the model can do already."""


def usual_rate(method: str, objective: str) -> float:
    """Highest rate of AdamW for a method and an objective by their kinds."""
    return float(f"{_METHODS.get(method, 2e-4) * _OBJECTIVES.get(objective, 1.0):.3g}")
