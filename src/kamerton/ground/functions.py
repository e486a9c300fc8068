"""Functions of the user's own, named `module:function` in a recipe: loaded, called, and known by their source."""

from __future__ import annotations

import importlib
import importlib.util
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kamerton.ground.digests import file_digest
from kamerton.ground.errors import KamertonError, RecipeError, RequestError

__all__ = ["load_function", "own_faults", "source_digest"]


def load_function(name: str, where: str) -> Callable[..., Any]:
    """Import a function by `module:function`.

    Args:
        where: the recipe's key that names it, for the error.

    Raises:
        RequestError: there is no such module or function, or the module fails when it is imported.
    """
    module, _, attribute = name.partition(":")
    place = f"{where}: {name}"
    with own_faults(f"the module {module}", name, place):
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            raise RecipeError(
                f"the function cannot be loaded: {error}",
                where=place,
                expected="module:function of a module that Python finds",
                mend="put the module's folder on PYTHONPATH",
            ) from error
    if not callable(found):
        raise RecipeError("this is no function", where=place, expected="module:function")
    function: Callable[..., Any] = found
    return function


@contextmanager
def own_faults(what: str, name: str, where: str) -> Iterator[None]:
    """Tell whatever a user's own code raises as an error of theirs, with its line.

    Args:
        what: the code in words, such as `the reward my_rewards:score`.
        name: `module:function`.
        where: the row or the recipe's key that it was run for.

    Raises:
        RequestError: the code raised an error.
    """
    try:
        yield
    except KamertonError:
        raise
    except Exception as error:
        line = _line_of(error, name)
        raise RequestError(
            f"{what} raised {type(error).__name__}{f': {error}' if str(error) else ''}{line and f' ({line})'}",
            where=where,
            expected="code that runs without an error",
            mend=f"mend {line or name}",
        ) from error


def source_digest(name: str) -> str:
    """SHA-256 of the file of the module that `module:function` names; what that file imports is not in it.

    Empty where there is no such module, or it has no file, as those that are built into Python.
    """
    source = _source(name)
    return file_digest(source) if source else ""


def _line_of(error: Exception, name: str) -> str:
    """The last line of the named module that the error came through, as `file:line`; empty where it has none."""
    source = _source(name)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == source]
    return f"{source}:{lines[-1]}" if lines else ""


def _source(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name.partition(":")[0])
    except (ImportError, ValueError):  # no such package, or a program that is no module
        return None
    source = Path(spec.origin) if spec and spec.has_location and spec.origin else None
    return source if source and source.is_file() else None
