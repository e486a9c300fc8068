"""What the tests of training share: speed, and a finished run of each method to compare with."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from training_samples import METHODS, new_run, train

from kamerton.journal import RunFolder
from kamerton.records import RunResult


@pytest.fixture(scope="session", autouse=True)
def _quick() -> Iterator[None]:
    """A run here takes a fifth of a second, of which half went into what no test depends on.

    No test cuts the power, so nothing has to reach the disk; and each run looks through all objects for garbage, so
    those of the libraries are put aside.
    """
    gc.collect()
    gc.freeze()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield
    gc.unfreeze()


class Finished(NamedTuple):
    run: RunFolder
    result: RunResult


@pytest.fixture(scope="session", params=["lora", "full"])
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def finished(method: str, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that nothing interrupted; nobody writes to it."""
    run = new_run(tmp_path_factory.mktemp("finished"), method)
    return Finished(run, train(tiny_base, run, METHODS[method]))
