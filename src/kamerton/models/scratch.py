"""A small Llama-like model from random weights, with a byte-level BPE tokenizer trained on the same texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from kamerton.chat.templates import CHATML
from kamerton.models.load import LoadedModel
from kamerton.models.tokenizer import chat_format
from kamerton.recipe import Architecture

__all__ = ["create", "train_tokenizer"]

BEGIN, TURN, END, PAD = "<|begin|>", "<|im_start|>", "<|im_end|>", "<|pad|>"

# Letters with an optional space before, single digits, punctuation, spaces: words never join, numbers stay legible.
_PIECES = Regex(r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A byte-level BPE tokenizer: every byte is a token, so that no text is ever unknown.

    Args:
        vocabulary: tokens in all, the four special ones included.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in (PAD, BEGIN, TURN, END)],
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        additional_special_tokens=[TURN],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = CHATML
    return fast


def create(name: str, shape: Architecture, texts: Iterable[str], *, seed: int, device: torch.device) -> LoadedModel:
    """Random weights (normal, standard deviation 0.02) and a tokenizer trained on `texts`."""
    tokenizer = train_tokenizer(texts, shape.vocabulary)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.to(device)  # type: ignore[arg-type]
    return LoadedModel(name, model, tokenizer, chat_format(tokenizer, "tokenizer"), "tokenizer", None)
