"""The one way to a tracking store: a client with short time-outs, and a schema that is created once."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kamerton.ground.errors import RequestError, ServerAwayError, StorageError
from kamerton.ground.files import storage_errors
from kamerton.ground.locks import held
from kamerton.ground.settings import Workspace

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

__all__ = ["connect", "without_secrets"]

_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
}
"""MLflow takes these from the environment alone. Its own defaults wait minutes for a server that is away."""

_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")


def connect(workspace: Workspace) -> MlflowClient:
    """A client of the workspace's tracking and registry store; it sets no global state of MLflow.

    An HTTP server is not asked anything yet. A database is opened and, on first use, given its schema (about 1.5 s).

    Raises:
        StorageError: the database file may not be written, or is not a database of MLflow's.
        RequestError: an address of a kind that MLflow does not keep runs and models in.
        ServerAwayError: a database server that does not answer, or whose driver is missing.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import SQLAlchemyError

    uri = workspace.tracking_uri
    local = uri.startswith("sqlite:")
    kinds = "sqlite:///FILE, http(s)://HOST, or a database address"
    try:
        if not local:
            return MlflowClient(uri, registry_uri=uri)
        return _open_sqlite(workspace, uri)
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        first = without_secrets(str(error).splitlines()[0])
        if local:
            raise StorageError(f"the tracking database cannot be used: {first}", where=without_secrets(uri)) from error
        raise ServerAwayError(f"the tracking database does not answer: {first}", where=without_secrets(uri)) from error
    except MlflowException as error:
        what = without_secrets(str(error).splitlines()[0])
        if local:
            raise StorageError(f"the tracking database cannot be used: {what}", where=without_secrets(uri)) from error
        raise RequestError(what, where="MLFLOW_TRACKING_URI", expected=kinds) from error


def _open_sqlite(workspace: Workspace, uri: str) -> MlflowClient:
    """Several processes that meet an empty SQLite file all try to create its tables, and all but one crash.

    MLflow has no lock of its own (`duplicate column name`), so ours stands around the opening.
    """
    from mlflow.tracking import MlflowClient

    workspace.ensure()
    with held(workspace.home / "mlflow.lock"):
        # MLflow tries an unusable file ten times over 100 s, so it is tried here first.
        file = Path(uri.removeprefix("sqlite:///"))
        with storage_errors(file):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.open("ab").close()
            except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
                raise StorageError("the tracking database cannot be a file here", where=str(file)) from error
        return MlflowClient(uri, registry_uri=uri)


def without_secrets(text: str) -> str:
    """The text with user names and passwords taken out of every address in it."""
    return _USER_INFO.sub("***@", text)
