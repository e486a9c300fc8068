"""A checkpoint is there whole or not at all, and what is damaged is passed over."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from kamerton.ground.digests import folder_digests
from kamerton.ground.errors import StorageError
from kamerton.models import tensors
from kamerton.recipe import OptimizerSection
from kamerton.training import checkpoint
from kamerton.training.checkpoint import (
    Checkpoint,
    load_state,
    newest_whole,
    prune,
    read_checkpoint,
    save_state,
    state_digest,
)
from kamerton.training.optimizer import build_optimizer


class Work:
    """A layer and its optimiser."""

    def __init__(self, seed: int = 1, width: int = 3, kind: str = "adamw") -> None:
        torch.manual_seed(seed)
        self.layer = torch.nn.Linear(width, 2)
        self.weights = dict(self.layer.named_parameters())
        groups = [{"params": list(self.layer.parameters()), "lr": 0.1}]
        self.optimizer = build_optimizer(groups, OptimizerSection.model_validate({"kind": kind}))

    def step(self) -> None:
        self.layer(torch.ones(4, self.layer.in_features)).square().sum().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def save(self, root: Path, step: int) -> Path:
        journal = {"step": step, "seen_tokens": 10 * step, "trace_head": "0" * 64}
        return save_state(root, step, self.weights, self.optimizer, journal)

    @property
    def digest(self) -> str:
        return state_digest(self.weights, self.optimizer)

    @property
    def values(self) -> list[list[float]]:
        return [weight.detach().flatten().tolist() for weight in self.weights.values()]


@pytest.fixture
def work() -> Work:
    work = Work()
    work.step()
    return work


def _newest(root: Path) -> Checkpoint:
    found, passed = newest_whole(root)
    assert found is not None
    assert passed == []
    return found


@pytest.mark.parametrize("kind", ["adamw", "adafactor", "sgd"])
def test_work_goes_on_from_a_checkpoint_to_the_bit(kind: str, tmp_path: Path) -> None:
    work = Work(kind=kind)
    work.step()
    work.save(tmp_path, 1)
    work.step()
    work.step()
    other = Work(seed=2, kind=kind)
    found = _newest(tmp_path)
    load_state(found, other.weights, other.optimizer)
    other.step()
    other.step()
    assert other.values == work.values
    assert other.digest == work.digest


def test_the_optimisers_state_matters(work: Work, tmp_path: Path) -> None:
    """The test above can fail: without it the work goes another way."""
    work.step()
    work.save(tmp_path, 1)
    work.step()
    other = Work(seed=2)
    load_state(_newest(tmp_path), other.weights, None)
    other.step()
    assert other.values != work.values


def test_an_optimiser_without_any_state_goes_on_too(tmp_path: Path) -> None:
    """Plain gradient descent remembers nothing; neither does any optimiser before its first step."""
    work = Work()
    work.save(tmp_path, 1)
    other = Work(seed=2)
    load_state(_newest(tmp_path), other.weights, other.optimizer)
    assert other.digest == work.digest
    work.step()
    other.step()
    assert other.digest == work.digest


# The digest of a state.


def test_what_the_weights_share_is_kept_for_each(work: Work, tmp_path: Path) -> None:
    table = torch.arange(256.0)
    for weight in work.weights.values():
        work.optimizer.state[weight]["table"] = table
    digest = work.digest
    work.save(tmp_path, 1)
    other = Work(seed=2)
    load_state(_newest(tmp_path), other.weights, other.optimizer)
    assert other.digest == digest


def test_the_digest_is_that_of_the_state_that_comes_back(work: Work, tmp_path: Path) -> None:
    work.save(tmp_path, 1)
    other = Work(seed=2)
    assert other.digest != work.digest
    load_state(_newest(tmp_path), other.weights, other.optimizer)
    assert other.digest == work.digest


def test_one_bit_of_any_tensor_is_another_digest(work: Work) -> None:
    tensors = [*work.weights.values(), *(each for state in work.optimizer.state.values() for each in state.values())]
    assert len(tensors) == 2 + 2 * 3
    seen = {work.digest}
    for tensor in tensors:
        flat = tensor.detach().view(-1).view(torch.int32)
        flat[-1] ^= 1
        seen.add(work.digest)
        flat[-1] ^= 1
    assert len(seen) == 1 + len(tensors)
    assert work.digest in seen


def test_nothing_can_move_between_two_tensors_unseen(work: Work) -> None:
    """Equal bytes under other names or shapes are another state."""
    weight, bias = work.weights["weight"], work.weights["bias"]
    before = work.digest
    swapped = state_digest({"bias": weight, "weight": bias}, work.optimizer)
    assert swapped != before
    weight.data = weight.data.view(3, 2)
    assert work.digest != before


def test_a_checkpoint_is_read_by_its_step(work: Work, tmp_path: Path) -> None:
    path = work.save(tmp_path, 3)
    assert read_checkpoint(tmp_path, 3).path == path
    with pytest.raises(StorageError, match="the checkpoint of step 4 cannot be used: no readable manifest"):
        read_checkpoint(tmp_path, 4)
    _flip(path / "optimizer.safetensors")
    with pytest.raises(StorageError, match=r"step 3 cannot be used: damaged: optimizer.safetensors"):
        read_checkpoint(tmp_path, 3)


def test_a_checkpoint_says_where_the_journal_stood(work: Work, tmp_path: Path) -> None:
    path = work.save(tmp_path, 12)
    found = _newest(tmp_path)
    assert (found.path, found.step) == (path, 12)
    assert found.journal["seen_tokens"] == 120


def test_there_is_no_pickle_in_a_checkpoint(work: Work, tmp_path: Path) -> None:
    path = work.save(tmp_path, 1)
    assert {file.suffix for file in path.iterdir()} == {".json", ".safetensors"}


def test_before_the_first_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert newest_whole(tmp_path / "gone") == (None, [])
    assert newest_whole(tmp_path) == (None, [])


# Damage.


def _flip(path: Path) -> None:
    payload = bytearray(path.read_bytes())
    payload[-1] ^= 1
    path.write_bytes(payload)


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("weights.safetensors", _flip, "damaged: weights.safetensors"),
    ("optimizer.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged: optimizer.safetensors"),
    ("optimizer.safetensors", Path.unlink, "damaged: optimizer.safetensors"),
    ("journal.json", lambda path: path.write_text("{}"), "damaged: journal.json"),
    ("weights.safetensors", lambda path: path.rename(path.with_name("a")), "damaged: a, weights.safetensors"),
    ("put-in.json", lambda path: path.write_text("{}"), "damaged: put-in.json"),
    ("manifest.json", Path.unlink, "no readable manifest"),
    ("manifest.json", lambda path: path.write_text('{"weights'), "no readable manifest"),
    ("manifest.json", lambda path: path.write_text("[]"), "no readable manifest"),
    ("manifest.json", lambda path: path.write_text("{}"), "no readable manifest"),
    ("manifest.json", lambda path: path.write_bytes(b"\xff\xfe"), "no readable manifest"),
]


@pytest.mark.parametrize(("file", "damage", "fault"), DAMAGE)
def test_a_damaged_checkpoint_is_passed_over(
    work: Work, tmp_path: Path, file: str, damage: Callable[[Path], object], fault: str
) -> None:
    older = work.save(tmp_path, 3)
    damage(work.save(tmp_path, 4) / file)
    found, passed = newest_whole(tmp_path)
    assert found is not None
    assert found.path == older
    assert passed == [f"step-00000004: {fault}"]


def test_a_manifest_alone_is_no_checkpoint(work: Work, tmp_path: Path) -> None:
    path = work.save(tmp_path, 4)
    for file in path.iterdir():
        file.unlink()
    (path / "manifest.json").write_text("{}")
    (tmp_path / "step-00000005").write_text("a file")
    found, passed = newest_whole(tmp_path)
    assert found is None
    assert [sentence.partition(":")[0] for sentence in passed] == ["step-00000005", "step-00000004"]


def test_a_damaged_checkpoint_is_replaced_when_its_step_comes_again(work: Work, tmp_path: Path) -> None:
    _flip(work.save(tmp_path, 4) / "weights.safetensors")
    work.save(tmp_path, 4)
    assert _newest(tmp_path).step == 4


def test_what_a_killed_process_left_is_not_taken(work: Work, tmp_path: Path) -> None:
    path = work.save(tmp_path, 4)
    shutil.copytree(path, tmp_path / ".step-00000005.part")
    shutil.copytree(path, tmp_path / ".step-00000003.old.part")
    assert _newest(tmp_path).step == 4


@pytest.mark.parametrize(("seed", "width"), [(1, 4), (1, 6)])
def test_a_checkpoint_of_another_model_is_refused(work: Work, tmp_path: Path, seed: int, width: int) -> None:
    work.save(tmp_path, 1)
    other = Work(seed, width)
    before = other.values
    with pytest.raises(StorageError, match="other weights than the recipe trains"):
        load_state(_newest(tmp_path), other.weights, other.optimizer)
    with pytest.raises(StorageError, match="other weights than the recipe trains"):
        load_state(_newest(tmp_path), {"weight": other.weights["weight"]}, None)
    assert other.values == before


def test_a_shape_that_would_broadcast_is_refused_too(work: Work, tmp_path: Path) -> None:
    work.save(tmp_path, 1)
    wider = {"weight": torch.nn.Parameter(torch.zeros(5, 2, 3)), "bias": work.weights["bias"]}
    with pytest.raises(StorageError, match="other weights"):
        load_state(_newest(tmp_path), wider, None)


# A write that fails.

FULL = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def _fails_at(count: int, fault: Exception, then: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(1, 100))

    def call(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == count:
            raise fault
        return then(*args, **kwargs)

    return call


@pytest.mark.parametrize(
    ("module", "name", "count", "fault"),
    [
        (tensors, "save_file", 1, FULL),
        (tensors, "save_file", 2, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
        (checkpoint, "write_text", 1, StorageError("no space is left on the disk")),
        (checkpoint, "write_text", 2, StorageError("no space is left on the disk")),
        (checkpoint, "folder_digests", 1, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
        (checkpoint, "swap_folder", 1, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    ],
)
def test_a_full_disk_leaves_the_checkpoint_before(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, count: int, fault: Exception
) -> None:
    before = work.save(tmp_path, 1)
    bytes_before = folder_digests(before)
    work.step()
    monkeypatch.setattr(module, name, _fails_at(count, fault, getattr(module, name)))
    with pytest.raises(StorageError, match="no space is left") as caught:
        work.save(tmp_path, 2)
    assert str(tmp_path) in caught.value.where or isinstance(fault, StorageError)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert folder_digests(_newest(tmp_path).path) == bytes_before
    monkeypatch.undo()
    work.save(tmp_path, 2)
    assert _newest(tmp_path).step == 2


def test_a_folder_that_may_not_be_written_is_a_sentence(work: Work, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        work.save(tmp_path / "file", 1)


# What is kept.


def _steps(root: Path) -> list[int]:
    return [int(path.name[5:]) for path in sorted(root.glob("step-*"))]


@pytest.mark.parametrize(
    ("keep", "newest", "left"),
    [(1, 8, [8]), (2, 8, [6, 8]), (9, 8, [2, 4, 6, 8]), (2, 6, [4, 6]), (1, 5, [4]), (2, 0, [])],
)
def test_pruning_keeps_the_newest_whole_ones(tmp_path: Path, keep: int, newest: int, left: list[int]) -> None:
    """What is newer than the newest whole one is damaged; it must not push a whole one out."""
    for step in (2, 4, 6, 8):
        (tmp_path / f"step-{step:08d}").mkdir()
    (tmp_path / ".step-00000010.part").mkdir()
    (tmp_path / ".step-00000008.old.part").mkdir()
    (tmp_path / "mine.txt").write_text("kept")
    prune(tmp_path, keep, newest)
    assert _steps(tmp_path) == left
    assert not list(tmp_path.glob(".step-*"))
    assert (tmp_path / "mine.txt").exists()


def test_pruning_nothing_is_no_error(tmp_path: Path) -> None:
    prune(tmp_path / "gone", 2, 0)
    assert not (tmp_path / "gone").exists()


def test_pruning_spares_what_it_is_asked_to(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8, 10):
        (tmp_path / f"step-{step:08d}").mkdir()
    prune(tmp_path, 1, 8, lambda step: step == 4)
    assert _steps(tmp_path) == [4, 8]


def test_what_is_damaged_is_not_spared(tmp_path: Path) -> None:
    """Newer than the newest whole one: the run goes over that step again."""
    for step in (2, 4):
        (tmp_path / f"step-{step:08d}").mkdir()
    prune(tmp_path, 1, 2, lambda step: True)
    assert _steps(tmp_path) == [2]
