"""A model with its tokenizer and chat format, from a base, from a finished run, or from random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from kamerton.chat import NAMED, ChatFormat
from kamerton.ground.digests import digest
from kamerton.ground.errors import RecipeError, StorageError
from kamerton.models.locate import BaseFiles, locate
from kamerton.models.tensors import damage_errors, read_tensors

__all__ = ["LoadedModel", "chat_format", "load_base", "load_finished", "load_tokenizer", "pick_device"]

transformers_logging.disable_progress_bar()
transformers_logging.set_verbosity_error()

MODEL_FILE = "kamerton.json"
"""Beside a finished adapter: which base it belongs to."""

ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass
class LoadedModel:
    """A model ready to train, generate and score."""

    name: str
    model: PreTrainedModel
    tokenizer: Any
    format: ChatFormat
    template: str
    """`model.chat_template` of the recipe: tokenizer, chatml or plain."""
    files: BaseFiles | None
    """The base's files; None for random weights."""

    @property
    def context(self) -> int:
        """Longest sequence, in tokens, that the model is declared for."""
        return int(getattr(self.model.config, "max_position_embeddings", 1 << 20))

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
        raise RecipeError("there is no CUDA GPU here", where="training.device: cuda", mend="set training.device=auto")
    return torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder, with any truncation or padding that its file carries switched off."""
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
    """The chat format of a tokenizer under `model.chat_template`."""
    source = tokenizer.chat_template if template == "tokenizer" else NAMED[template]
    if isinstance(source, dict):
        # Some tokenizers bring several: one for chats, one for tools.
        source = source.get("default")
    if template == "chatml":
        missing = [token for token in ("<|im_start|>", "<|im_end|>") if token not in tokenizer.get_vocab()]
        if missing:
            raise RecipeError(
                f"the tokenizer has no token {' and '.join(missing)}",
                where="model.chat_template: chatml",
                mend="set model.chat_template=plain",
            )

    def encode(text: str) -> Any:
        return tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)

    end = end_id if end_id is not None else tokenizer.eos_token_id
    if end is None:
        raise RecipeError("the tokenizer has no end-of-sequence token", where="model.base")
    return ChatFormat(tokenizer, encode, source, int(end))


def load_base(name: str, root: Path, *, template: str = "tokenizer", device: str = "auto") -> LoadedModel:
    """Load a base model in fp32.

    Args:
        name: packaged model, folder relative to `root`, or hub id.
    """
    files = locate(name, root)
    return _load_folder(files, template, pick_device(device))


def load_finished(folder: Path, root: Path, *, device: str = "auto") -> LoadedModel:
    """Load the model folder of a finished run: an adapter on its base, or full weights.

    Raises:
        StorageError: the folder is damaged, or the base has other bytes than the adapter was trained on.
    """
    about = _about(folder)
    if about["method"] == "full":
        return _load_folder(BaseFiles(folder.parent.name, folder), about["template"], pick_device(device))
    loaded = load_base(about["base"], root, template=about["template"], device=device)
    assert loaded.files is not None
    if digest(loaded.files.weights()) != about["base_digest"]:
        raise StorageError(
            "the base model has other weights than the adapter was trained on",
            where=about["base"],
            mend="restore the base model, or train the recipe again",
        )
    loaded.model = _with_adapter(loaded.model, folder)
    loaded.name = folder.parent.name
    return loaded


def _about(folder: Path) -> dict[str, Any]:
    try:
        about = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
        if not isinstance(about, dict) or not {"base", "base_digest", "method", "template"} <= about.keys():
            raise ValueError("not the document of a model")
        return about
    except (OSError, ValueError) as error:
        raise StorageError("not a finished model", where=str(folder), expected=f"{MODEL_FILE} inside") from error


def _with_adapter(base: PreTrainedModel, folder: Path) -> Any:
    """The base with the adapter of a folder, every tensor of which must be there and fit."""
    from peft import LoraConfig, PeftModelForCausalLM

    if not (folder / "adapter_config.json").exists() or not (folder / ADAPTER_WEIGHTS).exists():
        raise StorageError("the adapter is not there", where=str(folder))
    try:
        model = PeftModelForCausalLM(base, LoraConfig.from_pretrained(str(folder)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"the adapter cannot be read: {error}", where=str(folder)) from error
    saved = read_tensors(folder / ADAPTER_WEIGHTS)
    places = {adapter_name(name): weight for name, weight in model.named_parameters() if ".lora_" in name}
    if {name: weight.shape for name, weight in places.items()} != {
        name: tensor.shape for name, tensor in saved.items()
    }:
        raise StorageError("the adapter's weights do not fit its configuration", where=str(folder))
    with torch.no_grad():
        for name, weight in places.items():
            weight.copy_(saved[name])
    return model.eval()


def adapter_name(parameter: str) -> str:
    """The name in a file of an adapter's parameter, without the name that peft gives the adapter in the model."""
    return parameter.replace(".default.", ".")


def _load_folder(files: BaseFiles, template: str, device: torch.device) -> LoadedModel:
    tokenizer = load_tokenizer(files.folder)
    try:
        config = AutoConfig.from_pretrained(files.folder, trust_remote_code=False)
        with damage_errors(files.folder):
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                files.folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        model, report = loaded
        end = _end_id(files.folder)
    except (OSError, ValueError) as error:
        raise RecipeError(f"the model cannot be read: {error}", where=str(files.folder)) from error
    # The library would fill what is missing or does not fit with random numbers.
    unfit = sorted({*report["missing_keys"], *(key[0] for key in report["mismatched_keys"])})
    if unfit:
        raise RecipeError(
            f"weights that config.json asks for are missing or of another shape ({len(unfit)}): {', '.join(unfit[:3])}",
            where=str(files.folder),
            expected="weights of the model that config.json describes",
        )
    model.to(device)
    model.eval()
    return LoadedModel(files.name, model, tokenizer, chat_format(tokenizer, template, end), template, files)


def _end_id(folder: Path) -> int | None:
    """The end token that generation stops at, where the model's own file names one."""
    if not (folder / "generation_config.json").exists():
        return None
    end = GenerationConfig.from_pretrained(folder).eos_token_id
    return int(end[0] if isinstance(end, list) else end) if end is not None else None
