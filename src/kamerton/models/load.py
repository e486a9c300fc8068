"""A model with its tokenizer and chat format, from the folder of a base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kamerton.models.libraries  # noqa: F401 - before transformers  # isort: skip
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)
from transformers.utils import logging as transformers_logging

from kamerton.chat import ChatFormat
from kamerton.ground.errors import RecipeError
from kamerton.models.locate import BaseFiles, locate
from kamerton.models.quantize import Quantization, steady
from kamerton.models.tensors import damage_errors
from kamerton.models.tokenizer import chat_format, end_id, load_tokenizer

__all__ = ["LoadedModel", "load_base", "load_folder", "pick_device"]

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()

_HEAD = "score.weight"
"""The one weight of a classification head, by the name that transformers gives it."""


@dataclass
class LoadedModel:
    """A model ready to train, generate and score."""

    name: str
    model: PreTrainedModel
    tokenizer: Any
    format: ChatFormat
    template: str
    """`model.chat_template` of the recipe: `tokenizer`, or one of `NAMED`."""
    files: BaseFiles | None
    """The base's files; None for random weights."""
    quantization: Quantization | None = None
    """How the base is stored; None is fp32."""
    labels: tuple[str, ...] = ()
    """Outputs of the head in place of the vocabulary: classes, or the one `reward`; empty for a language model."""
    start: tuple[Path, ...] = ()
    """Folders of the adapters that were merged into the base."""

    @property
    def context(self) -> int:
        """Longest sequence, in tokens, that the model is declared for."""
        declared = int(getattr(self.model.config, "max_position_embeddings", 1 << 20))
        return declared - int(getattr(self.model, "virtual_tokens", 0))

    @property
    def pad_id(self) -> int:
        """The token that fills up a batch; masked away, so that any would do."""
        pad = self.tokenizer.pad_token_id
        return int(pad) if pad is not None else self.format.end_id

    @property
    def device(self) -> torch.device:
        return self.model.device


def pick_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            "there is no CUDA GPU here", where="training.compute.device: cuda", mend="set training.compute.device=auto"
        )
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def load_base(
    name: str,
    root: Path,
    *,
    template: str = "tokenizer",
    device: str = "auto",
    quantization: Quantization | None = None,
    labels: tuple[str, ...] = (),
) -> LoadedModel:
    """Load a base model in fp32, or with its linear layers quantised.

    Args:
        name: packaged model, folder relative to `root`, or hub id.
        labels: outputs of a head in place of the vocabulary; a new head is zero, so that all labels are equally likely.

    Raises:
        RecipeError: there is no such model, its files are not whole, or it has no such head.
        StorageError: a weights file is damaged.
        MissingExtraError: quantisation without bitsandbytes.
    """
    return load_folder(locate(name, root), template, pick_device(device), quantization, labels)


def load_folder(
    files: BaseFiles,
    template: str,
    device: torch.device,
    quantization: Quantization | None = None,
    labels: tuple[str, ...] = (),
) -> LoadedModel:
    """Load a model folder that was found; see `load_base`."""
    tokenizer = load_tokenizer(files.folder)
    try:
        config = AutoConfig.from_pretrained(files.folder, trust_remote_code=False)
        chat = chat_format(tokenizer, template, end_id(files.folder))
        if labels:
            # transformers reads the head at the last token that is not padding.
            config.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else chat.end_id
            config.id2label = dict(enumerate(labels))
            config.label2id = {label: number for number, label in enumerate(labels)}
        with damage_errors(files.folder):
            model, report = _model_class(config, labels).from_pretrained(
                files.folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                quantization_config=quantization.config() if quantization else None,
                device_map={"": device} if quantization else None,
            )
    except (OSError, ValueError) as error:
        raise RecipeError(f"the model cannot be read: {error}", where=str(files.folder)) from error
    missing = set(report["missing_keys"])
    if labels and missing == {_HEAD}:
        missing.clear()
        torch.nn.init.zeros_(model.get_parameter(_HEAD))
    # The library would fill what is missing or does not fit with random numbers.
    unfit = sorted({*missing, *(key[0] for key in report["mismatched_keys"])})
    if unfit:
        raise RecipeError(
            f"weights that config.json asks for are missing or of another shape ({len(unfit)}): {', '.join(unfit[:3])}",
            where=str(files.folder),
            expected="weights of the model that config.json describes",
        )
    if quantization:
        steady(model)
    else:
        model.to(device)
    model.eval()
    return LoadedModel(files.name, model, tokenizer, chat, template, files, quantization, labels)


def _model_class(config: Any, labels: tuple[str, ...]) -> Any:
    if not labels:
        return AutoModelForCausalLM
    if type(config) not in AutoModelForSequenceClassification._model_mapping:
        raise RecipeError(f"a {config.model_type} has no classification head in transformers", where="model.base")
    return AutoModelForSequenceClassification
