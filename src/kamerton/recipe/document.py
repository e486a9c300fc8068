"""YAML as a recipe means it: version 1.2 without the traps of 1.1, and the line of every key.

In YAML 1.1 the key `on` is the value true, `no` is false, `1:30` is ninety, `010` is eight, and `1e-4` is a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from kamerton.ground.errors import RecipeError

__all__ = ["read_document", "read_value"]


class _Loader(yaml.SafeLoader):
    """Resolves plain words as YAML 1.2 does; a key is the text as it is written, and may not come twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: dict[str, int] = {}
    for key_node, _ in node.value:
        key, line = _name(key_node), key_node.start_mark.line + 1
        if key in seen:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {key!r} is given twice, first in line {seen[key]}",
                problem_mark=key_node.start_mark,
            )
        seen[key] = line
    loader.flatten_mapping(node)
    return {_name(key_node): loader.construct_object(value, deep=True) for key_node, value in node.value}


def _name(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.constructor.ConstructorError(problem="a key must be a word", problem_mark=node.start_mark)
    return str(node.value)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
for _tag, _pattern, _begins in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(?:inf|Inf|INF))"
        r"|\.(?:nan|NaN|NAN)",
        list("-+0123456789."),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _begins)


def read_document(text: str, file: str) -> tuple[dict[str, Any], dict[str, int]]:
    """A recipe's text as a document, and the line (from 1) of each dotted key.

    Raises:
        RecipeError: not YAML, a key twice, or not a mapping.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        given = loader.construct_document(node) if node is not None else None
    except yaml.YAMLError as error:
        raise RecipeError(_problem(error), where=f"{file}{_line(error, text)}", expected="YAML") from error
    if node is None or not isinstance(given, dict):
        raise RecipeError("the recipe is empty or not a mapping", where=file, expected="model:, data:, ... at the top")
    return given, dict(_lines(node, ()))


def read_value(text: str, where: str) -> Any:
    """The value of an override.

    Raises:
        RecipeError: not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise RecipeError(
            f"the value is not YAML: {_problem(error)}",
            where=where,
            expected="a YAML value; texts with brackets, colons or # in quotes",
        ) from error


def _problem(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or error).splitlines()[0]


def _line(error: yaml.YAMLError, text: str) -> str:
    """`:3` for an error in the third line."""
    if isinstance(error, yaml.reader.ReaderError):
        return f":{text.count(chr(10), 0, error.position) + 1}"
    mark = getattr(error, "problem_mark", None)
    return f":{mark.line + 1}" if mark else ""


def _lines(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            here = (*path, str(key_node.value))
            yield ".".join(here), key_node.start_mark.line + 1
            yield from _lines(value_node, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            here = (*path, str(index))
            yield ".".join(here), item.start_mark.line + 1
            yield from _lines(item, here)
