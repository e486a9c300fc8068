"""A run folder, and MLflow databases that are not built anew for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from journal_samples import begin

from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder


@pytest.fixture
def run(workspace: Workspace) -> RunFolder:
    """A run that was just started."""
    return begin(workspace)


@pytest.fixture
def database(workspace: Workspace, empty_database: Path) -> Workspace:
    """The workspace with an empty MLflow database in it."""
    workspace.ensure()
    shutil.copyfile(empty_database, workspace.home / "mlflow.db")
    return workspace
