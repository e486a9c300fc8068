"""What every test shares: no network, no settings of the machine, a workspace of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kamerton.ground.numerics import settle

# Before anything imports torch, transformers or mlflow, and inherited by every process that a test starts.
for name in ("KAMERTON_HOME", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID", "LANG", "LC_ALL"):
    os.environ.pop(name, None)
os.environ |= {"HF_HUB_OFFLINE": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONUTF8": "1"}
settle()

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

from kamerton.ground.settings import Workspace  # noqa: E402
from kamerton.testing import write_tiny_base  # noqa: E402
from shared import made_once  # noqa: E402

# The machine's load must not decide a property test; in CI neither may luck.
settings.register_profile("developer", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace that no other test sees; its home does not exist yet."""
    return Workspace.at(tmp_path)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random model of two layers; nobody writes to it."""
    return made_once(tmp_path_factory, "tiny-base", write_tiny_base)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without a run, to be copied: making its schema takes seconds."""

    def make(folder: Path) -> None:
        from kamerton.tracking import connect

        connect(Workspace(folder, folder))

    return made_once(tmp_path_factory, "empty-database", make) / "mlflow.db"


@pytest.fixture(scope="session", autouse=True)
def _no_disk() -> Iterator[None]:
    """No test cuts the power, so nothing has to reach the disk; waiting for it was a third of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look beyond this machine fails the test that takes it, whatever the code does with errors."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def check(host: Any) -> None:
        if host not in {None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", socket.gethostname()}:
            pytest.fail(f"a test tried to reach {host!r}; expected: nothing beyond this machine")

    def local_connect(self: socket.socket, address: Any) -> None:
        check(address[0] if isinstance(address, tuple) else None)
        connect(self, address)

    def local_resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        check(host)
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", local_connect)
    monkeypatch.setattr(socket, "getaddrinfo", local_resolve)
