"""Tensors in files: safetensors, always; what goes wrong with them becomes a sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from kamerton.ground.errors import StorageError
from kamerton.ground.files import storage_errors

__all__ = ["damage_errors", "read_tensors", "write_tensors"]


def write_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write a file of tensors that everybody may read.

    Raises:
        StorageError: the disk is full or the path may not be written.
    """
    with storage_errors(path):
        try:
            save_file(tensors, path, metadata={"format": "pt"})
        except SafetensorError as error:
            # The library tells the system's error in a text of its own: "... (os error 28)".
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise StorageError(f"the tensors cannot be written: {error}", where=str(path)) from error
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
        path.chmod(0o644)


@contextmanager
def damage_errors(path: Path) -> Iterator[None]:
    """Turn what the library says of a damaged file into a `StorageError`."""
    try:
        yield
    except SafetensorError as error:
        raise StorageError(
            f"a weights file is damaged: {error}", where=str(path), mend="restore the file, or make it again"
        ) from error


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a file, on the CPU.

    Raises:
        StorageError: the file is damaged.
    """
    with damage_errors(path):
        tensors: dict[str, torch.Tensor] = load_file(path)
        return tensors
