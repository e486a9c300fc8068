"""Checkpoints without pickle: moving weights and optimiser state as safetensors, sealed by a manifest.

What is random is a function of the seed and the step, so that no generator needs to be saved. A checkpoint is written
under a temporary name and renamed when whole; what no manifest vouches for is none.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kamerton.ground.digests import canonical_json, folder_digests
from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors, swap_folder, write_text
from kamerton.models.tensors import read_tensors, write_tensors
from kamerton.training.parallel import put_back, whole

__all__ = [
    "JOURNAL",
    "Checkpoint",
    "load_state",
    "newest_whole",
    "prune",
    "read_checkpoint",
    "save_state",
    "state_digest",
]

_MANIFEST = "manifest.json"
JOURNAL = "journal.json"
"""Document of a checkpoint that says where the run stood."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint."""

    path: Path
    step: int
    journal: dict[str, Any]
    """Where the run stood: trained tokens, the head of the trace, the best measurement."""


def _folder(root: Path, step: int) -> Path:
    return root / f"step-{step:08d}"


def save_state(
    root: Path,
    step: int,
    weights: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
    journal: dict[str, Any],
    *,
    write: bool = True,
) -> Path:
    """Write a whole checkpoint, or none.

    Args:
        journal: where the run stood; `step` is in it.
        write: False for a process that only gives its part of the weights.

    Raises:
        StorageError: the disk is full or the folder may not be written; the checkpoint before is untouched.
    """
    target = _folder(root, step)
    moving = {name: whole(weight) for name, weight in weights.items()}
    state = dict(_optimizer_tensors(weights, optimizer))
    if not write:
        return target
    ready = root / f".{target.name}.part"
    with storage_errors(target):
        shutil.rmtree(ready, ignore_errors=True)
        ready.mkdir(parents=True)
        try:
            write_tensors(moving, ready / "weights.safetensors")
            write_tensors(state, ready / "optimizer.safetensors")
            write_text(ready / JOURNAL, canonical_json(journal) + "\n")
            write_text(ready / _MANIFEST, canonical_json(folder_digests(ready)) + "\n")
            swap_folder(ready, target)
        finally:
            shutil.rmtree(ready, ignore_errors=True)
    return target


def _optimizer_tensors(
    weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> Iterator[tuple[str, torch.Tensor]]:
    """By name, because a state that was loaded has its keys in another order than one that grew.

    Copies of what weights share, such as the table of an 8-bit optimiser: safetensors holds no tensor twice.
    """
    seen: set[int] = set()
    for name, weight in weights.items():
        for key, value in sorted(optimizer.state[weight].items()):
            plain = whole(torch.as_tensor(value))
            shared = plain.data_ptr() in seen
            seen.add(plain.data_ptr())
            yield f"{name}/{key}", plain.clone() if shared else plain


def state_digest(weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer) -> str:
    """Digest of what a checkpoint would hold: the weights that move, and the optimiser's state."""
    running = hashlib.sha256()
    moving = ((name, whole(weight)) for name, weight in weights.items())
    for name, plain in itertools.chain(moving, _optimizer_tensors(weights, optimizer)):
        running.update(f"{name}:{plain.dtype}:{tuple(plain.shape)}".encode())
        running.update(plain.view(-1).view(torch.uint8).numpy().data)
    return running.hexdigest()


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
            weight.copy_(put_back(saved[name], weight))
    if optimizer is None:
        return
    tensors = read_tensors(checkpoint.path / "optimizer.safetensors")
    for name, weight in weights.items():
        keys = [key for key in tensors if key.rpartition("/")[0] == name]
        optimizer.state[weight] = {
            key.rpartition("/")[2]: tensors[key] if tensors[key].dim() == 0 else put_back(tensors[key], weight)
            for key in keys
        }


def newest_whole(
    root: Path, best_of: Callable[[Checkpoint], int | None] = lambda checkpoint: None
) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint whose files agree with its manifest, and what was passed over, newest first.

    Args:
        best_of: the step of another checkpoint without which one is of no use; None where there is none.
    """
    passed: list[str] = []
    for path in sorted(root.glob("step-*"), reverse=True):
        fault = _fault(path) or _fault_of_best(root, best_of(_read(path)))
        if fault is None:
            return _read(path), passed
        passed.append(f"{path.name}: {fault}")
    return None, passed


def _fault_of_best(root: Path, step: int | None) -> str | None:
    """Where the weights of the lowest loss are lost, they have to be made again."""
    fault = None if step is None else _fault(_folder(root, step))
    return None if fault is None else f"the best one before it, {_folder(root, step or 0).name}, is lost ({fault})"


def read_checkpoint(root: Path, step: int) -> Checkpoint:
    """The checkpoint of a step, verified.

    Raises:
        StorageError: it is not there, or damaged.
    """
    path = _folder(root, step)
    fault = _fault(path)
    if fault is not None:
        raise StorageError(f"the checkpoint of step {step} cannot be used: {fault}", where=str(path))
    return _read(path)


def _read(path: Path) -> Checkpoint:
    journal = json.loads((path / JOURNAL).read_text(encoding="utf-8"))
    return Checkpoint(path, int(journal["step"]), journal)


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
    if changed:
        return f"damaged: {', '.join(changed)}"
    step = _read(path).step
    return None if path == _folder(path.parent, step) else f"it is the checkpoint of step {step}"


def prune(root: Path, keep: int, newest: int, spared: Callable[[int], bool] = lambda step: False) -> None:
    """Remove all but `keep` checkpoints up to step `newest`, and what killed processes left unfinished.

    Args:
        spared: checkpoints that stay whatever their age.

    What is newer than the newest whole one is damaged: it goes, so that it does not count as one that is kept.
    """
    last = _folder(root, newest)
    found = sorted(root.glob("step-*"))
    whole = [path for path in found if path.name <= last.name]
    kept = {*whole[-keep:], *(path for path in whole if spared(int(path.name.removeprefix("step-"))))}
    for path in [*(path for path in found if path not in kept), *root.glob(".step-*.part")]:
        shutil.rmtree(path, ignore_errors=True)
