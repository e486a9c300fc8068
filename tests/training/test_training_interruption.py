"""`kill -9` at any moment, signals, the stop file: the run goes on to the bits that it would have had anyway."""

from __future__ import annotations

import importlib.util
import json
import signal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from training_child import Fall, Training

from kamerton.training.environment import capture_environment, class_differences

pytestmark = pytest.mark.slow

LONG = {"max_steps": 150, "checkpoint_every": 1}
RARE = LONG | {"checkpoint_every": 50}
SHORT = {"max_steps": 9, "checkpoint_every": 4}
TENSORS, CHECKPOINT, LOOP, RUN = (
    "kamerton.models.tensors",
    "kamerton.training.checkpoint",
    "kamerton.training.loop",
    "kamerton.training.run",
)


@pytest.fixture(scope="module")
def uninterrupted(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Gives what a run ends with when nothing happens to it."""

    proofs: dict[str, Any] = {}

    def proof(method: str, again: bool = False, **changes: Any) -> Any:
        key = json.dumps([method, changes])
        if again or key not in proofs:
            training = Training(tiny_base, tmp_path_factory.mktemp("whole"), method, **changes)
            assert training.to_the_end() == 0
            proofs[key] = training.proof()
        return proofs[key]

    return proof


@pytest.mark.parametrize("luck", [1, 2])
def test_killed_at_random_moments(method: str, luck: int, tiny_base: Path, tmp_path: Path, uninterrupted: Any) -> None:
    """Eight times in one run that writes a checkpoint after each step, so that many moments are inside a write."""
    random = Random(f"{method} {luck}")
    training = Training(tiny_base, tmp_path, method, **LONG)
    for _ in range(8):
        assert training.signalled(signal.SIGKILL, random.randint(1, 5), random.uniform(0, 0.1)) == -signal.SIGKILL
    assert training.to_the_end() == 0
    assert training.proof() == uninterrupted(method, **LONG)
    resumed = training.resumptions()
    assert len(resumed) >= 7  # a kill before the first checkpoint is a new beginning
    assert resumed == sorted(resumed)
    assert 0 < resumed[-1] < 150


@pytest.mark.parametrize(
    "fall",
    [
        Fall("os", "write", 1, "half"),
        Fall("os", "write", 7, "half"),
        Fall(TENSORS, "save_file", 1),
        Fall(TENSORS, "save_file", 2, "after"),
        Fall(TENSORS, "save_file", 4),
        Fall(CHECKPOINT, "write_text", 3),
        Fall(CHECKPOINT, "write_text", 4),
        Fall(CHECKPOINT, "write_text", 4, "after"),
        Fall(CHECKPOINT, "swap_folder", 1),
        Fall(CHECKPOINT, "swap_folder", 2),
        Fall(CHECKPOINT, "swap_folder", 2, "after"),
        Fall(LOOP, "prune", 3),
        Fall(RUN, "save_finished", 1),
        Fall(RUN, "save_finished", 1, "after"),
        Fall(RUN, "swap_folder", 1),
        Fall(RUN, "swap_folder", 1, "after"),
    ],
    ids=str,
)
def test_killed_at_a_chosen_place(method: str, fall: Fall, tiny_base: Path, tmp_path: Path, uninterrupted: Any) -> None:
    training = Training(tiny_base, tmp_path, method, **SHORT)
    assert training.to_the_end(fall) == -signal.SIGKILL
    assert training.run.state == "stopped"
    assert training.to_the_end() == 0
    assert training.proof() == uninterrupted(method, **SHORT)
    assert not [path for path in training.run.path.rglob("*") if ".part" in path.name]
    assert sorted(path.name for path in training.run.checkpoints.iterdir()) == ["step-00000008", "step-00000009"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_how_to_go_on(
    method: str, number: signal.Signals, tiny_base: Path, tmp_path: Path, uninterrupted: Any
) -> None:
    training = Training(tiny_base, tmp_path, method, **RARE)
    assert training.signalled(number, 7) == 130
    said = training.said()
    assert said["error"] == "Interrupted"
    assert said["mend"] == f"kamerton train --resume {training.run.run_id}"
    assert training.to_the_end() == 0
    assert 7 <= training.resumptions()[0] < 150
    assert training.proof() == uninterrupted(method, **RARE)


def test_the_stop_file_of_another_process(method: str, tiny_base: Path, tmp_path: Path, uninterrupted: Any) -> None:
    training = Training(tiny_base, tmp_path, method, **RARE)
    with training.process() as process:
        training.wait(6, process)
        assert training.run.state == "running"
        training.run.request_stop()
        process.join(60)
        assert process.exitcode == 130
    assert training.said()["mend"].endswith(training.run.run_id)
    assert training.to_the_end() == 0
    assert len(training.resumptions()) == 1
    assert training.proof() == uninterrupted(method, **RARE)


@pytest.mark.parametrize(
    "changes",
    [
        {"compute": {"precision": "bf16"}},
        {"compute": {"packing": False}},
        {"compute": {"precision": "bf16", "forward_tokens": 1}},
        {"compute": {"threads": 2}},
        {"compute": {"gradient_checkpointing": True}},
        {"optimizer": {"kind": "adafactor"}},
        {"optimizer": {"kind": "sgd"}},
        pytest.param(
            {"optimizer": {"kind": "adamw_8bit"}},
            marks=pytest.mark.skipif(
                importlib.util.find_spec("bitsandbytes") is None, reason="the extra quantization is not installed"
            ),
        ),
        {"batch_size": 3},
    ],
    ids=str,
)
def test_variants_killed_in_the_middle_of_an_epoch(
    method: str, changes: dict[str, Any], tiny_base: Path, tmp_path: Path, uninterrupted: Any
) -> None:
    """In threes an epoch of ten examples ends with a step of one, so that the parting shows."""
    wanted = {"max_steps": 40, "checkpoint_every": 3} | changes
    training = Training(tiny_base, tmp_path, method, **wanted)
    assert training.signalled(signal.SIGKILL, 7) == -signal.SIGKILL
    assert training.to_the_end() == 0
    assert training.resumptions()
    assert training.proof() == uninterrupted(method, **wanted)


def test_each_number_of_threads_is_a_class_of_its_own(uninterrupted: Any, method: str) -> None:
    """One and two threads each give the same bits again (above); that they give each other's is not promised,
    and the record says so."""
    assert uninterrupted(method, **SHORT) == uninterrupted(method, again=True, **SHORT)
    one, two = (capture_environment(torch.device("cpu"), threads) for threads in (1, 2))
    assert class_differences(one, two) == ["threads: recorded 1, here 2"]
