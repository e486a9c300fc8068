"""Optional packages: a missing one is answered with the command that installs it."""

from __future__ import annotations

import importlib
from types import ModuleType

from kamerton.ground.errors import MissingExtraError

__all__ = ["need"]


def need(module: str, extra: str) -> ModuleType:
    """Import an optional module, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the package {error.name} is not installed",
            where=module,
            mend=f"pip install 'kamerton[{extra}]'",
        ) from error
