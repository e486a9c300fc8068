"""Checkpoints without pickle: moving weights, optimiser and random state as safetensors, sealed by a manifest.

A checkpoint is written under a temporary name and renamed when whole; what no manifest vouches for is none.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kamerton.ground.digests import canonical_json, folder_digests
from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors, swap_folder, write_text
from kamerton.models.tensors import read_tensors, write_tensors

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
        finally:
            shutil.rmtree(ready, ignore_errors=True)
    return target


def _write_tensors(ready: Path, weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    moving = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    write_tensors(moving, ready / "weights.safetensors")
    write_tensors(dict(_optimizer_tensors(weights, optimizer)), ready / "optimizer.safetensors")
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    write_tensors(states, ready / "random.safetensors")


def _optimizer_tensors(
    weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, torch.Tensor]]:
    for name, weight in weights.items():
        for key, value in optimizer.state[weight].items():
            yield f"{name}/{key}", torch.as_tensor(value).detach().cpu().clone().contiguous()


def load_state(
    checkpoint: Checkpoint, weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer | None
) -> None:
    """Put weights (and optimiser state) back in place, bit for bit.

    Raises:
        StorageError: the checkpoint is of another model.
    """
    saved = read_tensors(checkpoint.path / "weights.safetensors")
    if {name: weight.shape for name, weight in saved.items()} != {name: each.shape for name, each in weights.items()}:
        raise StorageError("the checkpoint has other weights than the recipe trains", where=str(checkpoint.path))
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(saved[name])
    if optimizer is None:
        return
    tensors = read_tensors(checkpoint.path / "optimizer.safetensors")
    for name, weight in weights.items():
        keys = [key for key in tensors if key.rpartition("/")[0] == name]
        optimizer.state[weight] = {
            key.rpartition("/")[2]: tensors[key] if tensors[key].dim() == 0 else tensors[key].to(weight.device)
            for key in keys
        }


def load_random_state(checkpoint: Checkpoint) -> None:
    """Put torch's random state (dropout) back."""
    states = read_tensors(checkpoint.path / "random.safetensors")
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
        if not isinstance(manifest, dict) or JOURNAL not in manifest:
            raise ValueError("not the manifest of a checkpoint")
    except (OSError, ValueError):
        return "no readable manifest"
    present = folder_digests(path)
    present.pop(_MANIFEST)
    changed = sorted(name for name in manifest.keys() | present.keys() if manifest.get(name) != present.get(name))
    return f"damaged: {', '.join(changed)}" if changed else None


def prune(root: Path, keep: int, newest: int) -> None:
    """Remove all but `keep` checkpoints up to step `newest`, and what killed processes left unfinished.

    What is newer than the newest whole one is damaged: it goes, so that it does not count as one that is kept.
    """
    last = _folder(root, newest)
    found = sorted(root.glob("step-*"))
    kept = [path for path in found if path.name <= last.name][-keep:]
    for path in [*(path for path in found if path not in kept), *root.glob(".step-*.part")]:
        shutil.rmtree(path, ignore_errors=True)
