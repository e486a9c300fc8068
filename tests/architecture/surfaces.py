"""The surfaces that users lean on, as text: the command line and the Python API.

Run as a program it rewrites the frozen copies: `make snapshots`.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent


def cli_surface(parser: argparse.ArgumentParser | None = None) -> str:
    """One line for each verb, and below it one for each positional argument and flag."""
    if parser is None:
        from kamerton.cli.main import build_parser

        parser = build_parser()
    return "\n".join(_verb(parser, parser.prog)) + "\n"


def _verb(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    yield name
    below: dict[str, argparse.ArgumentParser] = {}
    for action in sorted(parser._actions, key=_rank):
        if isinstance(action, argparse._SubParsersAction):
            below = dict(action.choices)
        elif not isinstance(action, argparse._HelpAction):
            yield f"    {_argument(action)}"
    for verb in sorted(below):
        yield from _verb(below[verb], f"{name} {verb}")


def _rank(action: argparse.Action) -> tuple[int, str]:
    """Positional arguments in their order, then flags by name."""
    return (1, min(action.option_strings)) if action.option_strings else (0, "")


def _argument(action: argparse.Action) -> str:
    if not action.option_strings:
        count = f" x{action.nargs}" if action.nargs is not None else ""
        return f"{str(action.metavar or action.dest).upper()}{count}{_choices(action)}"
    takes = "" if action.nargs == 0 else f" VALUE{f' x{action.nargs}' if action.nargs is not None else ''}"
    must = " (required)" if action.required else ""
    return f"{', '.join(sorted(action.option_strings))}{takes}{_choices(action)}{must}"


def _choices(action: argparse.Action) -> str:
    return f" {{{','.join(map(str, action.choices))}}}" if action.choices is not None else ""


def api_surface() -> str:
    """One line for each name of `kamerton.__all__` with its signature, and for each public method of a class."""
    import kamerton

    return "\n".join(line for name in sorted(kamerton.__all__) for line in _name(name, getattr(kamerton, name))) + "\n"


def _name(name: str, thing: object) -> Iterator[str]:
    if inspect.isclass(thing):
        yield f"class {name}{_signature(thing)}"
        for method, value in sorted(vars(thing).items()):
            if not method.startswith("_") and callable(getattr(thing, method)):
                yield f"    {name}.{method}{_signature(value)}"
    elif callable(thing):
        yield f"{name}{_signature(thing)}"
    else:
        yield f"{name}: {type(thing).__name__}"


def _signature(thing: object) -> str:
    """Names, kinds and defaults; types may be told more exactly without a change for users."""
    function = thing.__func__ if isinstance(thing, classmethod | staticmethod) else thing
    if not callable(function):
        return ""
    try:
        signature = inspect.signature(function)
    except ValueError:  # built into the interpreter
        return "(...)"
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in signature.parameters.items()
        if name not in {"self", "cls"}
    ]
    text = str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
    return re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", text)  # a default that is a function, without its place


SURFACES: dict[str, Callable[[], str]] = {"cli_surface.txt": cli_surface, "api_surface.txt": api_surface}

if __name__ == "__main__":
    for file, surface in SURFACES.items():
        (HERE / file).write_text(surface(), encoding="utf-8")
        print(f"wrote {HERE / file}")
