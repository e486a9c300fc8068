"""The client of the tracking store."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kamerton.ground.errors import RequestError, StorageError
from kamerton.ground.settings import Workspace
from kamerton.tracking import connect
from kamerton.tracking.store import without_secrets

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def test_secrets_are_taken_out_of_addresses() -> None:
    text = "postgresql://ania:tajne@db:5432/x and http://token@host failed for jan@example.org"
    assert without_secrets(text) == "postgresql://***@db:5432/x and http://***@host failed for jan@example.org"


def test_an_address_of_an_unknown_kind_is_refused(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://x")
    with pytest.raises(RequestError, match="MLFLOW_TRACKING_URI"):
        connect(workspace)


def test_a_damaged_database_is_named(workspace: Workspace) -> None:
    workspace.ensure()
    (workspace.home / "mlflow.db").write_text("not a database " * 100)
    with pytest.raises(StorageError, match=r"mlflow\.db"):
        connect(workspace)


@pytest.mark.slow
def test_processes_that_meet_a_fresh_database_share_it(workspace: Workspace) -> None:
    program = (
        "import sys\n"
        "from kamerton.ground.settings import Workspace\n"
        "from kamerton.tracking import connect\n"
        "connect(Workspace.at(sys.argv[1])).search_experiments()\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program, str(workspace.root)]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
