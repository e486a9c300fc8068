"""What a check of data is told beside the rows: the tokenizer, the recipe's plan, and what other steps found."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from kamerton.data.leaks.embeddings import load_embeddings, question_vectors
from kamerton.data.statistics import CheckContext, TokenLimit
from kamerton.flows.models import find_model
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from kamerton.recipe.training import TrainingSection
from kamerton.records.augmentation import AugmentationReport
from kamerton.records.leaks import LeakReport
from kamerton.records.privacy import PrivacyReport

__all__ = ["check_context", "token_limit"]


def check_context(
    recipe: Recipe | None,
    tokens: TokenLimit | None,
    *,
    privacy: PrivacyReport | None = None,
    leaks: LeakReport | None = None,
    augmentation: AugmentationReport | None = None,
) -> CheckContext:
    """What a check is told beside the rows: the recipe's plan, tokenizer and embeddings, and what other steps found.

    Raises:
        MissingExtraError, DataError: the recipe names an embedding model that cannot be loaded.
    """
    if recipe is None:
        return CheckContext(tokens=tokens, parted=False, privacy=privacy, leaks=leaks, augmentation=augmentation)
    name = recipe.data.leaks.embeddings
    return CheckContext(
        tokens=tokens,
        evaluation=recipe.evaluation,
        gate=recipe.gate,
        languages=recipe.data.clean.language,
        privacy=privacy,
        leaks=leaks,
        augmentation=augmentation,
        embed=partial(question_vectors, load_embeddings(name)) if name else None,
        embedding_model=name,
    )


def token_limit(
    recipe: Recipe | None, workspace: Workspace, *, model: str = "", max_length: int | None = None
) -> TokenLimit | None:
    """The tokenizer, the template and the length that training will use; no weights are read.

    None without a model, and for a model from random weights, whose tokenizer is trained on these very rows.
    """
    name = model or (recipe.model.base if recipe else None)
    if not name:
        return None
    from kamerton.models.locate import locate
    from kamerton.models.tokenizer import chat_format, end_id, load_tokenizer

    template: str = recipe.model.chat_template if recipe else "tokenizer"
    if model:
        folder, template = _tokenizer_of(model, workspace, template)
    else:
        folder = locate(name, workspace.root).folder
    tokenizer = load_tokenizer(folder)
    # Without any end token training is refused; how many there are can be told all the same.
    ends = [end for end in (end_id(folder), tokenizer.eos_token_id, 0) if end is not None]
    chat = chat_format(tokenizer, template, ends[0])
    training = recipe.training if recipe else TrainingSection()
    if training.objective.kind == "pretrain":
        return TokenLimit(chat, name, None)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    asked, context = max_length or training.max_length, _context(config)
    return TokenLimit(chat, name, asked) if asked <= context else TokenLimit(chat, name, context, "the model's context")


def _tokenizer_of(name: str, workspace: Workspace, template: str) -> tuple[Path, str]:
    """The folder with a MODEL's tokenizer, and `model.chat_template`: a finished one keeps that of its training."""
    from kamerton.models.locate import locate

    ref = find_model(name, workspace)
    trained = ref.recipe
    if trained is None:
        return locate(ref.name, workspace.root).folder, template
    if trained.model.base is None:
        assert ref.folder is not None
        return ref.folder, trained.model.chat_template
    return locate(trained.model.base, workspace.root).folder, trained.model.chat_template


def _context(config: dict[str, Any]) -> int:
    """Longest sequence that the model is declared for, in tokens."""
    return int(config.get("max_position_embeddings") or 1 << 20)
