"""Virtual tokens before each sequence of a frozen model: prompt tuning, prefix tuning and p-tuning.

The learned tokens live inside the model's decoder: it takes the tokens of a sequence and returns their hidden states as
before, so that losses, generation and scoring need to know nothing of it. The encoders are those of peft, and a saved
folder is one that plain peft reads.
Legend: B batch, T tokens, P virtual tokens, L layers, H hidden size, K heads of keys, D their size.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from peft import (
    PrefixEncoder,
    PrefixTuningConfig,
    PromptEmbedding,
    PromptEncoder,
    PromptEncoderConfig,
    PromptTuningConfig,
)
from peft.config import PromptLearningConfig
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from kamerton.ground.errors import RecipeError
from kamerton.recipe import PrefixMethod, PromptMethod, PTuningMethod, VirtualMethod

__all__ = ["add_virtual_tokens", "attach_prompt", "finished_prompt", "virtual_encoder"]


def add_virtual_tokens(model: Any, tokenizer: Any, method: VirtualMethod, *, seed: int) -> None:
    """Freeze the model and put learned tokens before its sequences; first values are a function of the seed.

    Raises:
        RecipeError: the model has layers whose keys and values cannot be given, or no room for so many tokens.
    """
    if "past_key_values" not in inspect.signature(model.get_decoder().forward).parameters:
        raise RecipeError(
            f"a {model.config.model_type} keeps a state, not tokens, so that none can stand before the others",
            where=f"method.kind: {method.kind}",  # type: ignore[attr-defined]
            mend="set method.kind=lora",
        )
    context = int(getattr(model.config, "max_position_embeddings", 1 << 20))
    if method.virtual_tokens > context // 2:
        raise RecipeError(
            f"{method.virtual_tokens} virtual tokens leave no room in a context of {context}",
            where="method.virtual_tokens",
            expected=f"at most {context // 2}",
        )
    model.requires_grad_(False)
    torch.manual_seed(seed)
    with torch.no_grad():
        encoder = _encoder(model, tokenizer, method)
    _install(model, encoder.to(model.device), method.virtual_tokens)


def attach_prompt(model: Any, config: PromptLearningConfig, values: torch.Tensor) -> str:
    """Put finished virtual tokens before the sequences of a model.

    Args:
        values: (P, H) embeddings, or (P, 2 L K D) keys and values.

    Returns:
        why they do not fit the model, or nothing.
    """
    count = config.num_virtual_tokens
    prefix = isinstance(config, PrefixTuningConfig)
    width = sum(2 * heads * size for heads, size in _cache_shapes(model)) if prefix else _hidden(model)
    if tuple(values.shape) != (count, width):
        return f"shape {tuple(values.shape)} where {(count, width)} is expected"
    model.requires_grad_(False)
    if prefix:
        encoder: Any = PrefixEncoder(_prefix_config(model, count, None))
    else:
        encoder = PromptEmbedding(_prompt_config(model, count), model.get_input_embeddings())
    with torch.no_grad():
        encoder.embedding.weight.copy_(values)
    _install(model, encoder.to(model.device).requires_grad_(False), count)
    return ""


def virtual_encoder(model: Any) -> Any:
    """What makes the virtual tokens; None for a model without."""
    return getattr(model, "virtual_encoder", None)


def finished_prompt(model: Any, base_name: str) -> tuple[PromptLearningConfig, torch.Tensor]:
    """What is saved: a configuration of peft, and the virtual tokens as the network of the training made them."""
    encoder = virtual_encoder(model)
    with torch.no_grad():
        values = _values(encoder, model.virtual_tokens)
    if isinstance(encoder, PrefixEncoder):
        config: PromptLearningConfig = _prefix_config(model, model.virtual_tokens, None)
    else:
        config = _prompt_config(model, model.virtual_tokens)
    config.base_model_name_or_path = base_name
    config.inference_mode = True
    return config, values.detach().cpu().contiguous()


# -- encoders --------------------------------------------------------------------------------------------------------
def _encoder(model: Any, tokenizer: Any, method: VirtualMethod) -> Any:
    count = method.virtual_tokens
    if isinstance(method, PTuningMethod):
        width = method.hidden_size or _hidden(model)
        return PromptEncoder(PromptEncoderConfig(encoder_hidden_size=width, **_sizes(model, count)))
    assert isinstance(method, PromptMethod | PrefixMethod)
    ids = None if method.init == "random" else _first_ids(model, tokenizer, method)
    if isinstance(method, PromptMethod):
        prompt = PromptEmbedding(_prompt_config(model, count), model.get_input_embeddings())
        scale = model.get_input_embeddings().weight.float().std()
        prompt.embedding.weight.mul_(scale)
        if ids is not None:
            prompt.embedding.weight.copy_(model.get_input_embeddings()(ids))
        return prompt
    prefix = PrefixEncoder(_prefix_config(model, count, method.projection))
    if ids is not None:
        prefix.embedding.weight.copy_(_keys_and_values(model, ids))
    return prefix


def _first_ids(model: Any, tokenizer: Any, method: PromptMethod | PrefixMethod) -> torch.Tensor:
    """Token ids (P) that the virtual tokens begin as."""
    count = method.virtual_tokens
    if method.text is None:
        ordinary = sorted(set(range(len(tokenizer))) - set(tokenizer.all_special_ids))
        drawn = torch.randint(len(ordinary), (count,)).tolist()
        return torch.tensor([ordinary[place] for place in drawn], device=model.device)
    ids = tokenizer.backend_tokenizer.encode(method.text, add_special_tokens=False).ids
    if not ids:
        raise RecipeError("the text has no tokens", where="method.text")
    return torch.tensor([ids[place % len(ids)] for place in range(count)], device=model.device)


def _keys_and_values(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """What the model itself keeps of these tokens (P, 2 L K D): the first layer's keys, its values, and so on."""
    cache: Any = DynamicCache(config=model.config)
    model(input_ids=ids[None], past_key_values=cache, use_cache=True)
    parts = [part[0].transpose(0, 1).flatten(1) for layer in cache.layers for part in (layer.keys, layer.values)]
    return torch.cat(parts, dim=1)


def _cache_shapes(model: Any) -> list[tuple[int, int]]:
    """Heads and size of the keys of each layer.

    Raises:
        RecipeError: layers with a sliding window or without keys, or layers that differ.
    """
    cache: Any = DynamicCache(config=model.config)
    with torch.no_grad():
        model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), past_key_values=cache, use_cache=True)
    whole: list[Any] = [layer for layer in cache.layers if type(layer) is DynamicLayer]
    shapes = [(each.keys.shape[1], each.keys.shape[3]) for each in whole if each.keys.shape == each.values.shape]
    if len(shapes) != len(cache.layers) or len(set(shapes)) != 1:
        raise RecipeError(
            "a prefix needs layers that all keep the same keys and values; some here have a window or none at all",
            where="method.kind: prefix",
            mend="set method.kind=prompt",
        )
    return shapes


def _hidden(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[1])


def _sizes(model: Any, count: int) -> dict[str, Any]:
    config = model.config
    return {
        "task_type": "CAUSAL_LM",
        "num_virtual_tokens": count,
        "token_dim": _hidden(model),
        "num_layers": config.num_hidden_layers,
        "num_attention_heads": getattr(config, "num_attention_heads", 1),
        "num_transformer_submodules": 1,
    }


def _prompt_config(model: Any, count: int) -> PromptTuningConfig:
    return PromptTuningConfig(prompt_tuning_init="RANDOM", **_sizes(model, count))


def _prefix_config(model: Any, count: int, projection: int | None) -> PrefixTuningConfig:
    shapes = _cache_shapes(model)
    heads, size = shapes[0]
    sizes = _sizes(model, count) | {
        "num_layers": len(shapes),
        "num_attention_heads": heads,
        "token_dim": heads * size,
        "encoder_hidden_size": projection,
        "prefix_projection": projection is not None,
    }
    return PrefixTuningConfig(**sizes)


# -- the forward pass ------------------------------------------------------------------------------------------------
def _values(encoder: Any, count: int) -> torch.Tensor:
    """(P, H) or (P, 2 L K D), computed once for the batch."""
    device = encoder.embedding.weight.device
    values: torch.Tensor = encoder(torch.arange(count, device=device))
    return values


def _install(model: Any, encoder: Any, count: int) -> None:
    heads = _cache_shapes(model)[0][0] if isinstance(encoder, PrefixEncoder) else None
    model.virtual_encoder = encoder
    model.virtual_tokens = count
    decoder = model.get_decoder()
    decoder.forward = _with_virtual_tokens(model, decoder.forward, heads)


def _with_virtual_tokens(model: Any, forward: Callable[..., Any], heads: int | None) -> Callable[..., Any]:
    """The decoder's forward for sequences that do not know of their virtual tokens.

    Args:
        heads: of the keys in a prefix; None for embeddings.
    """
    count = model.virtual_tokens

    def lengthened(input_ids: torch.Tensor | None = None, **given: Any) -> Any:
        if given.get("cu_seq_lens_q") is not None:
            raise RecipeError(
                "sequences that stand end to end cannot have virtual tokens before each",
                where="training.compute.packing",
                mend="set training.compute.packing=false",
            )
        embeds = given.pop("inputs_embeds", None)
        embeds_BTH = model.get_input_embeddings()(input_ids) if embeds is None else embeds
        batch = embeds_BTH.shape[0]
        cache = given.get("past_key_values")
        first = cache is None or not cache.get_seq_length()
        if given.get("attention_mask") is not None:
            given["attention_mask"] = torch.nn.functional.pad(given["attention_mask"], (count, 0), value=1)
        positions = given.get("position_ids")
        if positions is not None:
            given["position_ids"] = positions = positions + count
        if not first:
            return forward(inputs_embeds=embeds_BTH, **given)
        values = _values(model.virtual_encoder, count).to(embeds_BTH.dtype)
        if heads is not None:
            cache = DynamicCache(config=model.config) if cache is None else cache
            _fill(cache, values.view(count, 2 * len(cache.layers), heads, -1), batch)
            given["past_key_values"] = cache
            return forward(inputs_embeds=embeds_BTH, **given)
        if positions is not None:
            own = torch.arange(count, device=positions.device).expand(*positions.shape[:-1], count)
            given["position_ids"] = torch.cat([own, positions], dim=-1)
        out = forward(inputs_embeds=torch.cat([values.expand(batch, -1, -1), embeds_BTH], dim=1), **given)
        out.last_hidden_state = out.last_hidden_state[:, count:]
        if getattr(out, "hidden_states", None) is not None:
            out.hidden_states = tuple(states[:, count:] for states in out.hidden_states)
        return out

    return lengthened


def _fill(cache: Any, values_PLKD: torch.Tensor, batch: int) -> None:
    """Begin a cache with the keys and values of the virtual tokens; each layer has its keys, then its values."""
    parts_LKPD = values_PLKD.permute(1, 2, 0, 3)
    for number in range(len(cache.layers)):
        key, value = (parts_LKPD[2 * number + place].expand(batch, -1, -1, -1) for place in (0, 1))
        cache.update(key, value, number)
