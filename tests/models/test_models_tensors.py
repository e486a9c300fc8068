"""What the safetensors library says in its own way becomes a `StorageError`."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from kamerton.ground.errors import StorageError
from kamerton.models import tensors
from kamerton.models.tensors import read_tensors, write_tensors

ONE = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(7, dtype=torch.int64)}


def test_tensors_come_back_to_the_bit_and_everybody_may_read_them(tmp_path: Path) -> None:
    write_tensors(ONE, tmp_path / "x.safetensors")
    back = read_tensors(tmp_path / "x.safetensors")
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in back.items()} == {
        name: (tensor.dtype, tensor.tolist()) for name, tensor in ONE.items()
    }
    assert stat.S_IMODE((tmp_path / "x.safetensors").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (SafetensorError("I/O error: No space left on device (os error 28)"), "no space is left"),
        (SafetensorError("I/O error: Permission denied (os error 13)"), "permission denied"),
        (SafetensorError("something else"), "something else"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "no space is left"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "read-only"),
    ],
    ids=str,
)
def test_a_write_that_fails_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, said: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise fault

    monkeypatch.setattr(tensors, "save_file", fail)
    with pytest.raises(StorageError, match=said) as caught:
        write_tensors(ONE, tmp_path / "x.safetensors")
    assert caught.value.where == str(tmp_path / "x.safetensors")


def test_a_folder_that_is_not_there_is_an_ordinary_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        write_tensors(ONE, tmp_path / "gone" / "x.safetensors")


@pytest.mark.parametrize("payload", [b"", b"\0" * 64, b"garbage" * 40])
def test_a_damaged_file_is_named(tmp_path: Path, payload: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(payload)
    with pytest.raises(StorageError, match="damaged") as caught:
        read_tensors(path)
    assert caught.value.where == str(path)


def test_a_file_cut_by_one_byte_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(ONE, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StorageError, match="damaged"):
        read_tensors(path)
