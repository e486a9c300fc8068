"""Checkpoints without pickle: moving weights, optimiser and random state as safetensors, sealed by a manifest.

A checkpoint is written under a temporary name and renamed when whole; one that a manifest does not vouch for is not one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from kamerton.ground.digests import canonical_json, folder_digests
from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors, swap_folder, write_text

__all__ = ["JOURNAL", "Checkpoint", "load_random_state", "load_state", "newest_whole", "prune", "save_state"]

_MANIFEST = "manifest.json"
JOURNAL = "journal.json"
"""Document of a checkpoint that says where the journal stood."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint."""

    path: Path
    step: int
    journal: dict[str, Any]
    """Where the journal stood: trained tokens and the head of the trace."""


def _folder(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def save_state(
    root: Path,
    step: int,
    weights: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    documents: dict[str, str],
) -> Path:
    """Write a whole checkpoint, or none.

    Args:
        documents: further files by name, as text.

    Raises:
        StorageError: the disk is full or the folder may not be written; the checkpoint before is untouched.
    """
    target = _folder(root, step)
    ready = root / f".{target.name}.part"
    with storage_errors(target):
        shutil.rmtree(ready, ignore_errors=True)
        ready.mkdir(parents=True)
        try:
            _write_tensors(ready, weights, optimizer)
            for name, text in documents.items():
                write_text(ready / name, text)
            write_text(ready / _MANIFEST, canonical_json(folder_digests(ready)) + "\n")
            swap_folder(ready, target)
        except SafetensorError as error:
            # The library wraps the system's error into a text of its own.
            what = "no space is left on the disk" if "space" in str(error) else f"cannot be written: {error}"
            raise StorageError(what, where=str(target), mend="free some space, then resume the run") from error
        finally:
            shutil.rmtree(ready, ignore_errors=True)
    return target


def _write_tensors(ready: Path, weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    moving = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    save_file(moving, ready / "weights.safetensors")
    save_file(dict(_optimizer_tensors(weights, optimizer)), ready / "optimizer.safetensors")
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    save_file(states, ready / "random.safetensors")


def _optimizer_tensors(
    weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, torch.Tensor]]:
    for name, weight in weights.items():
        for key, value in optimizer.state[weight].items():
            yield f"{name}/{key}", torch.as_tensor(value).detach().cpu().clone().contiguous()


def load_state(
    checkpoint: Checkpoint, weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer | None
) -> None:
    """Put weights (and optimiser state) back in place, bit for bit."""
    saved = load_file(checkpoint.path / "weights.safetensors")
    if saved.keys() != weights.keys():
        raise StorageError("the checkpoint has other weights than the recipe trains", where=str(checkpoint.path))
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(saved[name])
    if optimizer is None:
        return
    tensors = load_file(checkpoint.path / "optimizer.safetensors")
    for name, weight in weights.items():
        keys = [key for key in tensors if key.rpartition("/")[0] == name]
        optimizer.state[weight] = {
            key.rpartition("/")[2]: tensors[key] if tensors[key].dim() == 0 else tensors[key].to(weight.device)
            for key in keys
        }


def load_random_state(checkpoint: Checkpoint) -> None:
    """Put torch's random state (dropout) back."""
    states = load_file(checkpoint.path / "random.safetensors")
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def newest_whole(root: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint whose files agree with its manifest, and what was passed over, newest first."""
    passed: list[str] = []
    for path in sorted(root.glob("step-*"), reverse=True):
        fault = _fault(path)
        if fault is None:
            journal = json.loads((path / JOURNAL).read_text(encoding="utf-8"))
            return Checkpoint(path, int(journal["step"]), journal), passed
        passed.append(f"{path.name}: {fault}")
    return None, passed


def _fault(path: Path) -> str | None:
    try:
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "no readable manifest"
    present = folder_digests(path)
    present.pop(_MANIFEST)
    changed = sorted(name for name in manifest.keys() | present.keys() if manifest.get(name) != present.get(name))
    return f"damaged: {', '.join(changed)}" if changed else None


def prune(root: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints, and what killed processes left unfinished."""
    for path in [*sorted(root.glob("step-*"))[:-keep], *root.glob(".step-*.part")]:
        shutil.rmtree(path, ignore_errors=True)
