"""DeepSpeed files: what they ask for is done by torch's own FSDP2, which parts the same things among processes.

ZeRO stage 0 is a copy for each process; stages 1 and 2 part optimiser and gradients; stage 3 parts weights too
(Rajbhandari et al., arXiv 1910.02054). FSDP2 parts all three, and keeps weights whole between forward and backward
where stage 2 does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kamerton.ground.errors import RequestError

__all__ = ["read_deepspeed"]

_STRATEGIES = {0: ("ddp", True), 1: ("fsdp2", False), 2: ("fsdp2", False), 3: ("fsdp2", True)}
_ELSEWHERE = {
    "train_batch_size": "training.batch_size",
    "train_micro_batch_size_per_gpu": "training.compute.forward_tokens",
    "gradient_accumulation_steps": "training.batch_size",
    "gradient_clipping": "training.optimizer.max_grad_norm",
    "optimizer": "training.optimizer",
    "scheduler": "training.schedule",
    "bf16": "training.compute.precision",
    "activation_checkpointing": "training.compute.gradient_checkpointing",
}
"""Keys that the recipe decides: the file may leave them to it with `auto`, or not name them."""
_EFFECTLESS = {
    "steps_per_print",
    "wall_clock_breakdown",
    "zero_allow_untested_optimizer",
    "zero_force_ds_cpu_optimizer",
}
"""Keys that change nothing of what is learned."""


def read_deepspeed(file: str) -> tuple[str, bool]:
    """The strategy that a DeepSpeed file asks for, and whether weights are parted again after each layer.

    Raises:
        RequestError: no such file, not a DeepSpeed file, or it asks for what is not done here; the key is named.
    """
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
        stage = int(document.get("zero_optimization", {}).get("stage", 0))
    except FileNotFoundError as error:
        raise _refused(file, "no such file", "it to a DeepSpeed file, or training.parallel.strategy=fsdp2") from error
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise _refused(file, f"not a DeepSpeed file: {error}") from error
    for key, value in document.items():
        _must_be_open(file, key, value)
    zero = document.get("zero_optimization", {})
    for key in ("offload_optimizer", "offload_param"):
        if zero.get(key, {}).get("device", "none") != "none":
            raise _refused(file, f"{key} keeps things outside the GPU, which is not done here", "a lower method.rank")
    if stage not in _STRATEGIES:
        raise _refused(file, f"there is no ZeRO stage {stage}")
    return _STRATEGIES[stage]


def _must_be_open(file: str, key: str, value: Any) -> None:
    """The recipe decides; a file that decides otherwise would have no effect."""
    if key == "zero_optimization" or key in _EFFECTLESS or value == "auto":
        return
    if key == "fp16":
        if isinstance(value, dict) and value.get("enabled") not in (False, "auto"):
            raise _refused(file, "fp16 is not done here", "training.compute.precision=bf16 or fp32")
        return
    if key not in _ELSEWHERE:
        raise _refused(file, f"the key {key} is not known here")
    if not isinstance(value, dict) or value.get("enabled", True) not in (False, "auto"):
        raise _refused(file, f"{key} is decided by the recipe", f"{_ELSEWHERE[key]}, and 'auto' in the file")


def _refused(file: str, what: str, mend: str = "") -> RequestError:
    return RequestError(what, where=f"training.parallel.deepspeed: {file}", mend=f"set {mend}" if mend else "")
