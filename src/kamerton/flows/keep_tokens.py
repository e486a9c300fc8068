"""Tokens that the data check has made anyway, kept for the process that trains: it finds them in its cache."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from kamerton.chat import ChatFormat
from kamerton.chat.remembered import RememberedFormat
from kamerton.data import Row
from kamerton.data.statistics import TokenLimit
from kamerton.data.statistics.tokens import FEW
from kamerton.flows.prepare import Prepared, weights_again
from kamerton.ground.errors import DataError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from kamerton.training.cache import TokenCache
from kamerton.training.examples import builder_of

__all__ = ["keep_tokens", "remembering"]


@dataclass(frozen=True)
class _Text:
    """Of a model, what its examples are made with."""

    tokenizer: Any
    format: ChatFormat
    context: int
    labels: tuple[str, ...] = ()


def remembering(tokens: TokenLimit | None) -> TokenLimit | None:
    """The same, so that what a check of few rows renders is remembered for `keep_tokens`."""
    return tokens and replace(tokens, format=RememberedFormat(tokens.format, FEW))


def keep_tokens(recipe: Recipe, prepared: Prepared, tokens: TokenLimit | None, workspace: Workspace) -> None:
    """Write the examples of a supervised training into the workspace's cache, where the check has rendered all rows."""
    rows = prepared.parts["train"]
    if tokens is None or tokens.max_length is None or len(rows) > FEW or recipe.training.objective.kind != "sft":
        return
    builder = builder_of(recipe.training, _Text(tokens.format.tokenizer, tokens.format, tokens.max_length))
    cache = TokenCache(workspace.tokens)
    weights = weights_again(prepared.lineage, workspace)
    parts: list[tuple[Sequence[Row], list[float] | None]] = [(rows, weights), (prepared.parts["validation"], None)]
    for part, weighted in parts:
        with suppress(DataError):  # the process that trains says so
            cache.keep(builder, part, weighted)
