"""Functions of the user's own, named `module:function` in a recipe."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from kamerton.ground.errors import RecipeError

__all__ = ["load_function"]


def load_function(name: str, where: str) -> Callable[..., Any]:
    """Import a function by `module:function`.

    Args:
        where: the recipe's key that names it, for the error.

    Raises:
        RecipeError: there is no such module or function.
    """
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise RecipeError(
            f"the function cannot be loaded: {error}",
            where=f"{where}: {name}",
            expected="module:function of a module that Python finds",
            mend="put the module's folder on PYTHONPATH",
        ) from error
    if not callable(found):
        raise RecipeError("this is no function", where=f"{where}: {name}", expected="module:function")
    function: Callable[..., Any] = found
    return function
