"""Optional packages: a missing one is answered with the command that installs it."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from kamerton.ground.errors import MissingExtraError

__all__ = ["hidden", "need", "without_collector"]


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


@contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Modules look as if they were not installed, to what is imported meanwhile."""
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in before.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


@contextmanager
def without_collector() -> Iterator[None]:
    """Import without looking for garbage: there is none, and the search is a quarter of the time of a large package.

    Nor is it looked for there later: what is imported stays.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collects:
            gc.enable()
