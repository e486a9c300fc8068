"""Several drawn answers to each of several prompts, each a function of its own random numbers.

Legend: P prompts, G answers each, B = P G rows, T tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DynamicCache

__all__ = ["sample_answers"]


@torch.no_grad()
def sample_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    uniforms: NDArray[np.float64],
    *,
    ends: Sequence[int],
    temperature: float = 1.0,
) -> list[list[list[int]]]:
    """Draw answers from softmax(logits / temperature), each token by the inverse of its distribution function.

    Each prompt is read once, whatever the number of its answers; rows that have ended leave the batch in time.

    Args:
        model: a causal model that does not train at the moment.
        prompts: P lists of token ids.
        uniforms: (P, G, T) numbers in [0, 1): one for each token that may be drawn.
        ends: tokens that end an answer.

    Returns:
        For each prompt G lists of at most T token ids, the ending one included.
    """
    _, group, longest = uniforms.shape
    device = model.device
    width = max(len(ids) for ids in prompts)
    # The filler is masked: any token would do.
    ids = torch.tensor([[ends[0]] * (width - len(ids)) + list(ids) for ids in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts], device=device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)
    logits = _step(model, ids, mask, positions, cache)
    cache.batch_repeat_interleave(group)
    logits, mask = logits.repeat_interleave(group, 0), mask.repeat_interleave(group, 0)
    positions = positions[:, -1:].repeat_interleave(group, 0)
    drawn: list[list[int]] = [[] for _ in range(len(prompts) * group)]
    rows = list(range(len(drawn)))  # which answer each row of the batch is
    random = torch.from_numpy(uniforms.reshape(len(drawn), longest)).to(device)
    for place in range(longest):
        tokens = _draw(logits, random[rows, place], temperature)
        for row, token in zip(rows, tokens.tolist(), strict=True):
            if not drawn[row] or drawn[row][-1] not in ends:
                drawn[row].append(token)
        over = [drawn[row][-1] in ends for row in rows]
        if all(over) or place + 1 == longest:
            break
        if sum(over) * 2 >= len(rows):
            kept = torch.tensor([number for number, ended in enumerate(over) if not ended], device=device)
            cache.batch_select_indices(kept)
            tokens, mask, positions = tokens[kept], mask[kept], positions[kept]
            rows = [rows[number] for number in kept.tolist()]
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
        positions = positions + 1
        logits = _step(model, tokens[:, None], mask, positions, cache)
    return [drawn[first : first + group] for first in range(0, len(drawn), group)]


def _step(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """Logits (B, V) after the last of the tokens (B, T)."""
    out: torch.Tensor = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    return out


def _draw(logits: torch.Tensor, uniform: torch.Tensor, temperature: float) -> torch.Tensor:
    """A token (B,) of each row of logits (B, V)."""
    reached = torch.softmax(logits.double() / temperature, -1).cumsum(-1)
    # The sum is 1 but for rounding; a token without any probability is never reached.
    wanted = (uniform * reached[:, -1]).unsqueeze(1)
    return torch.searchsorted(reached, wanted, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)
