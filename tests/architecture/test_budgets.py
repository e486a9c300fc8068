"""Budgets: small files, short functions, few parameters, narrow handlers."""

from __future__ import annotations

import ast

import pytest
from house import Function, Module, functions, modules, percentile, place, settle

FILE_LINES, FILE_LINES_90 = 800, 400
FUNCTION_LINES, FUNCTION_LINES_99 = 120, 80
PARAMETERS = 7
BROAD = {"Exception", "BaseException"}
BROAD_ROOMS = {"cli", "tracking"}
"""Doors turn any fault into a sentence; followers must never touch training."""


def _module(source: str, name: str = "kamerton.data.made") -> Module:
    return Module(name, ast.parse(source), len(source.splitlines()))


def _long_files(house: tuple[Module, ...]) -> dict[str, str]:
    return {
        module.name: f"{module.name}: {module.lines} lines, at most {FILE_LINES}"
        for module in house
        if module.lines > FILE_LINES
    }


def _all_functions(house: tuple[Module, ...]) -> list[Function]:
    return [function for module in house for function in functions(module)]


def _long_functions(house: tuple[Module, ...]) -> dict[str, str]:
    return {
        function.name: f"{function.name}: {function.lines} lines, at most {FUNCTION_LINES}"
        for function in _all_functions(house)
        if function.lines > FUNCTION_LINES
    }


def _crowded_functions(house: tuple[Module, ...]) -> dict[str, str]:
    return {
        function.name: f"{function.name}: {function.parameters} parameters, at most {PARAMETERS}; group them"
        for function in _all_functions(house)
        if function.parameters > PARAMETERS
    }


def _is_broad(kind: ast.expr | None) -> bool:
    kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(each is None or ast.unparse(each).rpartition(".")[2] in BROAD for each in kinds)


def _swallows(node: ast.AST) -> bool:
    """Whether it catches everything and does not hand it on."""
    if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
        last = node.body[-1]
        return not (isinstance(last, ast.Raise) and last.exc is None)
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"suppress", "contextlib.suppress"}:
        return any(_is_broad(kind) for kind in node.args)
    return False


def _broad_handlers(house: tuple[Module, ...]) -> dict[str, str]:
    return {
        place(
            module, node.lineno
        ): f"{module.name}: line {node.lineno} catches everything; name the errors that can come"
        for module in house
        if module.room not in BROAD_ROOMS
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler | ast.Call) and _swallows(node)
    }


def test_no_file_is_too_long() -> None:
    assert settle("file_lines", _long_files(modules())) == []


def test_most_files_are_short() -> None:
    lines = [module.lines for module in modules()]
    assert percentile(lines, 0.90) <= FILE_LINES_90


def test_no_function_is_too_long() -> None:
    assert settle("function_lines", _long_functions(modules())) == []


def test_nearly_all_functions_are_short() -> None:
    found = sorted(_all_functions(modules()), key=lambda function: -function.lines)
    longest = [f"{function.name}: {function.lines}" for function in found[:10]]
    assert percentile([function.lines for function in found], 0.99) <= FUNCTION_LINES_99, longest


def test_no_function_has_too_many_parameters() -> None:
    assert settle("parameters", _crowded_functions(modules())) == []


def test_nobody_swallows_every_exception() -> None:
    assert settle("broad_except", _broad_handlers(modules())) == []


# The rules themselves, each broken once.


def test_the_rules_see_a_long_file_and_a_long_function() -> None:
    house = (_module("class A:\n    def f(self):\n" + "        pass\n" * 800),)
    assert _long_files(house).keys() == {"kamerton.data.made"}
    assert _long_functions(house).keys() == {"kamerton.data.made:A.f"}


@pytest.mark.parametrize(
    ("signature", "count"),
    [
        ("a, b, c, d, e, f, g, h", 8),
        ("a, /, b, *c, d, e, f, g, **h", 8),
        ("self, a, b, c, d, e, f, g", 7),
        ("cls, a, *, b", 2),
    ],
)
def test_the_rules_count_parameters(signature: str, count: int) -> None:
    house = (_module(f"def f({signature}): ..."),)
    assert [function.parameters for function in functions(house[0])] == [count]
    assert bool(_crowded_functions(house)) == (count > PARAMETERS)


@pytest.mark.parametrize(
    ("source", "broken"),
    [
        ("try: ...\nexcept Exception: ...", True),
        ("try: ...\nexcept (OSError, builtins.BaseException) as error: log(error)", True),
        ("try: ...\nexcept: ...", True),
        ("with suppress(Exception): ...", True),
        ("with contextlib.suppress(Exception): ...", True),
        ("try: ...\nexcept OSError: ...", False),
        ("try: ...\nexcept BaseException:\n    tidy()\n    raise", False),
        ("with suppress(FileNotFoundError): ...", False),
    ],
)
def test_the_rules_see_a_broad_handler(source: str, broken: bool) -> None:
    assert bool(_broad_handlers((_module(source),))) == broken
    assert not _broad_handlers((_module(source, "kamerton.tracking.made"),))


@pytest.mark.parametrize(("share", "expected"), [(0.9, 9), (0.99, 10), (0.05, 1)])
def test_percentile(share: float, expected: int) -> None:
    assert percentile(list(range(1, 11)), share) == expected
