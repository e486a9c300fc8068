"""What the tests of training share: a finished run of each method to compare with."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from training_samples import METHODS, new_run, train

from kamerton.journal import RunFolder
from kamerton.records import RunResult


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
