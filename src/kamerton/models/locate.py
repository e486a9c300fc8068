"""Where the weights of a base model are: in the package, in a folder, or on the hub."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kamerton.ground.digests import digest, file_digest
from kamerton.ground.errors import RecipeError, ServerAwayError
from kamerton.ground.settings import offline

__all__ = ["PACKAGED", "BaseFiles", "base_file", "brings_template", "locate"]

_PACKAGE = Path(__file__).parent / "base"
PACKAGED = ("tiny-pl",)
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
_HUB_FILES = ("*.safetensors", "*.json", "*.jinja", "*.model")


@dataclass(frozen=True)
class BaseFiles:
    """A base model on this disk."""

    name: str
    folder: Path
    revision: str = ""

    @cached_property
    def weights(self) -> dict[str, str]:
        """SHA-256 of each weights file; they are read once."""
        return {path.name: file_digest(path) for path in sorted(self.folder.glob("*.safetensors"))}

    def whole(self) -> str:
        """One digest for weights and configuration: all that decides what the model says of tokens."""
        configuration = sorted(self.folder.glob("*.json"))
        return digest(self.weights | {path.name: file_digest(path) for path in configuration})

    def tokenizer(self) -> str:
        """One digest for the tokenizer's files."""
        present = [self.folder / name for name in _TOKENIZER_FILES if (self.folder / name).exists()]
        return digest({path.name: file_digest(path) for path in present})


def locate(name: str, root: Path) -> BaseFiles:
    """Find a base model: a packaged name, a folder (relative to `root`), or a hub id with an optional `@revision`.

    Raises:
        RecipeError: there is none, or it has no safetensors.
        ServerAwayError: the hub does not answer, or the network is forbidden.
    """
    folder = root / os.path.expanduser(name)
    if name in PACKAGED:
        files = BaseFiles(name, _PACKAGE / name)
    elif folder.is_dir():
        files = BaseFiles(name, folder)
    elif name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise RecipeError(
            "no such model",
            where=f"model.base: {name}",
            expected=f"a packaged model ({', '.join(PACKAGED)}), a folder, or a hub id owner/name",
        )
    else:
        files = _from_hub(name)
    if not (files.folder / "config.json").exists() or not any(files.folder.glob("*.safetensors")):
        raise RecipeError(
            "not a model folder", where=str(files.folder), expected="config.json and safetensors weights inside"
        )
    return files


def base_file(name: str, root: Path, file: str) -> Path | None:
    """One file of a base model, which need not be there; of one on the hub that file alone is fetched, if it may be.

    None where there is no such base, or the hub does not give the file: whoever needs the model itself says so.
    """
    folder = root / os.path.expanduser(name)
    if name in PACKAGED:
        return _PACKAGE / name / file
    if folder.is_dir():
        return folder / file
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        return None
    from huggingface_hub import errors, hf_hub_download

    repository, _, revision = name.partition("@")
    try:
        return Path(hf_hub_download(repository, file, revision=revision or None, local_files_only=offline()))
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, errors.HFValidationError):
        return None


def brings_template(name: str, root: Path) -> bool | None:
    """Whether the tokenizer of a base has a chat template of its own; None where its files cannot be read."""
    path = base_file(name, root, "tokenizer_config.json")
    jinja = base_file(name, root, "chat_template.jinja")
    if jinja is not None and jinja.is_file():
        return True
    if path is None:
        return None
    try:
        own = json.loads(path.read_text(encoding="utf-8")).get("chat_template")
        # Some bring several; without a default one there is none for chats.
        return any(each.get("name") == "default" for each in own) if isinstance(own, list) else bool(own)
    except FileNotFoundError:
        return False
    except (OSError, ValueError, AttributeError):
        return None


def _from_hub(name: str) -> BaseFiles:
    from huggingface_hub import errors, snapshot_download

    repository, _, revision = name.partition("@")
    where = f"model.base: {name}"
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=list(_HUB_FILES), local_files_only=offline()
        )
    except errors.HFValidationError as error:
        raise RecipeError("not a hub id", where=where, expected="owner/name, with an optional @revision") from error
    except errors.RevisionNotFoundError as error:
        raise RecipeError("the model has no such revision on the hub", where=where) from error
    except errors.RepositoryNotFoundError as error:
        raise RecipeError("no such model on the hub, or it is not open to you", where=where) from error
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError) as error:
        raise ServerAwayError(
            "the model is not in the local cache and the hub cannot be asked",
            where=where,
            mend="unset HF_HUB_OFFLINE, or give model.base a local folder",
        ) from error
    return BaseFiles(repository, Path(folder), Path(folder).name)
