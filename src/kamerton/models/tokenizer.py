"""The tokenizer of a model folder and its chat format: neither needs torch."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from kamerton.chat import NAMED, SPECIAL_TOKENS, ChatFormat
from kamerton.ground.errors import RecipeError
from kamerton.ground.need import hidden, without_collector

__all__ = ["chat_format", "end_id", "load_tokenizer", "without_torch"]


def without_torch() -> None:
    """Let this process load tokenizers and never a model: a third of the time, and 280 MiB less, than with torch."""
    with without_collector(), hidden("torch"):
        importlib.import_module("transformers.models.auto.tokenization_auto")
    importlib.import_module("transformers.utils.logging").set_verbosity_error()


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder, with any truncation or padding that its file carries switched off."""
    if "transformers" not in sys.modules:
        importlib.import_module("kamerton.models.libraries")
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    except Exception as error:
        # The Rust library raises a bare Exception; JSON of another shape gives a KeyError or a TypeError.
        if type(error) is Exception or isinstance(error, OSError | ValueError | KeyError | TypeError):
            raise RecipeError(f"the tokenizer cannot be read: {error}", where=str(folder)) from error
        raise
    if not tokenizer.is_fast:
        raise RecipeError("the tokenizer has no tokenizer.json", where=str(folder), expected="a fast tokenizer")
    # Some published files carry truncation = 128, which would cut every example without a word.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def chat_format(tokenizer: Any, template: str, end_id: int | None = None) -> ChatFormat:
    """The chat format of a tokenizer under `model.chat_template`.

    Raises:
        RecipeError: the tokenizer has no end token, or not those that a named template writes.
    """
    if template == "tokenizer":
        source = tokenizer.chat_template
        if isinstance(source, dict):
            # Some tokenizers bring several: one for chats, one for tools.
            source = source.get("default")
    else:
        source = NAMED[template]
        _needs_tokens(tokenizer, template)

    def encode(text: str) -> Any:
        return tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)

    end = end_id if end_id is not None else tokenizer.eos_token_id
    if end is None:
        raise RecipeError("the tokenizer has no end-of-sequence token", where="model.base")
    return ChatFormat(tokenizer, encode, source, int(end))


def end_id(folder: Path) -> int | None:
    """The end token that generation stops at, where the model's own file names one.

    Raises:
        RecipeError: the file cannot be read.
    """
    file = folder / "generation_config.json"
    if not file.exists():
        return None
    try:
        end = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id")
        return int(end[0] if isinstance(end, list) else end) if end is not None else None
    except (OSError, ValueError, TypeError, IndexError, AttributeError) as error:
        raise RecipeError(f"this is no JSON with an end token: {error}", where=str(file)) from error


def _needs_tokens(tokenizer: Any, template: str) -> None:
    """Refuse a template whose control tokens would be encoded as letters: no turn would ever end."""
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    special |= set(tokenizer.all_special_tokens)
    missing = [token for token in SPECIAL_TOKENS.get(template, ()) if token not in special]
    if "eos_token" in NAMED[template] and tokenizer.eos_token is None:
        missing.append("that ends a sequence")
    if missing:
        raise RecipeError(
            f"the tokenizer has no special token {' and '.join(missing)}",
            where=f"model.chat_template: {template}",
            expected="a template whose control tokens the base knows",
            mend="set model.chat_template to default or plain, which need the end token alone",
        )
