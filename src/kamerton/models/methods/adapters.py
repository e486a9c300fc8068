"""Adapters in the layers of a frozen base: lora, ia3 and oft, through peft."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from peft import IA3Config, LoraConfig, OFTConfig, PeftConfig, PeftModel, get_peft_model

from kamerton.ground.errors import RecipeError
from kamerton.models.methods.layers import check_saved_modules, check_targets, common_divisor, targeted, transposed
from kamerton.models.methods.pissa import begin_with_principal_parts
from kamerton.recipe import AdapterMethod, Ia3Method, LoraMethod, OftMethod

__all__ = ["add_adapter", "wrap"]

_OFT_BLOCK = 32


def add_adapter(model: Any, method: AdapterMethod, *, seed: int, head: bool = False) -> PeftModel:
    """A new adapter; its first weights are a function of the seed.

    Args:
        head: the model has a classification head, which moves whole beside the adapter.

    Raises:
        RecipeError: the model has no such layers, or blocks that do not divide them.
    """
    if isinstance(method.targets, list):
        check_targets(model, method.targets)
    tied = check_saved_modules(model, method.modules_to_save, can_tie=isinstance(method, LoraMethod))
    shared: dict[str, Any] = {
        "target_modules": "all-linear" if method.targets == "all_linear" else method.targets,
        "modules_to_save": list(method.modules_to_save) or None,
        "task_type": "SEQ_CLS" if head else "CAUSAL_LM",
    }
    torch.manual_seed(seed)
    if isinstance(method, LoraMethod):
        wrapped = wrap(model, _lora(model, method, shared, tied=tied))
        if method.init == "pissa":
            begin_with_principal_parts(wrapped, method.pissa_iterations)
        return wrapped
    if isinstance(method, Ia3Method):
        return wrap(model, _ia3(model, method, shared))
    assert isinstance(method, OftMethod)
    return wrap(model, _oft(model, method, shared))


def wrap(model: Any, config: PeftConfig) -> PeftModel:
    """The model with an adapter of this configuration in its layers.

    Raises:
        RecipeError: peft refuses the pair of them.
    """
    with warnings.catch_warnings():
        # Tied modules are tied; patterns that peft itself adds for a mixture's experts do not all match.
        for hint in (
            "Model has `tie_word_embeddings=True`",
            "The following rank_pattern",
            "The following alpha_pattern",
        ):
            warnings.filterwarnings("ignore", message=hint)
        try:
            return get_peft_model(model, config)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise RecipeError(
                f"a {model.config.model_type} cannot take this adapter: {error}",
                where="method",
                mend="set method.targets",
            ) from error


def _lora(model: Any, method: LoraMethod, shared: dict[str, Any], *, tied: bool) -> LoraConfig:
    alpha = method.alpha if method.alpha is not None else 2.0 * method.rank
    pissa = method.init == "pissa"
    if pissa and method.rslora:
        # The same scale as a plain one, so that a saved adapter of twice the rank can have it too.
        alpha *= method.rank**0.5
    return LoraConfig(
        r=method.rank,
        lora_alpha=alpha,  # type: ignore[arg-type]
        lora_dropout=method.dropout,
        use_rslora=method.rslora and not pissa,
        use_dora=method.dora,
        init_lora_weights="gaussian" if method.init == "gaussian" else True,
        fan_in_fan_out=transposed(targeted(model, method.targets)),
        ensure_weight_tying=tied,
        **shared,
    )


def _ia3(model: Any, method: Ia3Method, shared: dict[str, Any]) -> IA3Config:
    if method.targets == "auto":
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as FEEDFORWARD
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as TARGETS

        kind = model.config.model_type
        if kind not in TARGETS:
            raise RecipeError(
                f"the usual layers of {kind} are not known",
                where="method.targets: auto",
                expected="the layers of keys, values and the feed-forward's output",
                mend="name them: method.targets=[k_proj,v_proj,down_proj] method.feedforward=[down_proj]",
            )
        targets, feedforward = TARGETS[kind], FEEDFORWARD[kind]
    else:
        targets, feedforward = list(method.targets), list(method.feedforward)
    shared = shared | {"target_modules": targets}
    return IA3Config(feedforward_modules=feedforward, fan_in_fan_out=transposed(targeted(model, targets)), **shared)


def _oft(model: Any, method: OftMethod, shared: dict[str, Any]) -> OFTConfig:
    layers = targeted(model, method.targets)
    if transposed(layers):
        raise RecipeError(
            f"the layers of a {model.config.model_type} store their weights transposed, which peft cannot rotate",
            where="method.kind: oft",
            mend="set method.kind=lora",
        )
    divisor = common_divisor(layers)
    name, wanted = ("blocks", method.blocks) if method.blocks is not None else ("block_size", method.block_size)
    fitting = [size for size in range(2, min(divisor, 4 * _OFT_BLOCK) + 1) if divisor % size == 0]
    if wanted is not None and divisor % wanted:
        raise RecipeError(
            f"{wanted} does not divide the inputs of every target",
            where=f"method.{name}",
            expected=f"one of: {', '.join(map(str, fitting))}",
        )
    size = wanted or max(size for size in fitting if size <= _OFT_BLOCK)
    return OFTConfig(
        r=size if name == "blocks" else 0,
        oft_block_size=0 if name == "blocks" else size,
        module_dropout=method.dropout,
        **shared,
    )
