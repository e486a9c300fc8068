"""What `conftest.py` promises to every test."""

from __future__ import annotations

import os
import socket
import warnings
from pathlib import Path

import pytest

from kamerton.ground.settings import Workspace


@pytest.mark.parametrize("host", ["192.0.2.1", "kamerton.invalid"])
def test_a_test_that_leaves_this_machine_fails(host: str) -> None:
    with pytest.raises(pytest.fail.Exception, match="nothing beyond this machine"):
        socket.create_connection((host, 80), timeout=1)


def test_this_machine_can_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=5).close()


def test_a_warning_is_an_error() -> None:
    with pytest.raises(DeprecationWarning):
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_settings_of_the_machine_do_not_count(workspace: Workspace, tmp_path: Path) -> None:
    assert workspace.root == tmp_path.resolve()
    assert workspace.home == workspace.root / ".kamerton"
    assert not workspace.home.exists()
    assert workspace.tracking_uri.startswith("sqlite:")
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_markers_are_strict(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("strict_markers")
    assert any(line.startswith("slow:") for line in pytestconfig.getini("markers"))
