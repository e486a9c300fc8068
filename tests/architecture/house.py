"""The source as data: modules, functions and imports, and the exceptions that the house allows."""

from __future__ import annotations

import ast
import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = Path(__file__).with_name("allowed.toml")


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    """Dotted, such as `kamerton.data.read`."""
    tree: ast.Module
    lines: int

    @property
    def room(self) -> str:
        """`data` for `kamerton.data.read`; empty for the package root."""
        return self.name.split(".")[1] if "." in self.name else ""


@dataclass(frozen=True)
class Function:
    """One function or method, nested ones included."""

    name: str
    """Dotted and qualified, such as `kamerton.data.read:Reader.rows`."""
    node: ast.FunctionDef | ast.AsyncFunctionDef

    @property
    def lines(self) -> int:
        return (self.node.end_lineno or 0) - self.node.lineno + 1

    @property
    def parameters(self) -> int:
        """All that a caller can give; `self` and `cls` are not given."""
        arguments = self.node.args
        named = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
        if named[:1] in (["self"], ["cls"]):
            named = named[1:]
        return len(named) + len(arguments.kwonlyargs) + bool(arguments.vararg) + bool(arguments.kwarg)


@cache
def modules() -> tuple[Module, ...]:
    """All modules of the package."""
    found = []
    for path in sorted((ROOT / "src" / "kamerton").rglob("*.py")):
        parts = path.relative_to(ROOT / "src").with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, ast.parse(text, str(path)), len(text.splitlines())))
    return tuple(found)


def functions(module: Module) -> Iterator[Function]:
    """All functions of a module."""

    def below(node: ast.AST, path: tuple[str, ...]) -> Iterator[Function]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                here = (*path, child.name)
                yield Function(f"{module.name}:{'.'.join(here)}", child)
                yield from below(child, here)
            elif isinstance(child, ast.ClassDef):
                yield from below(child, (*path, child.name))
            else:
                yield from below(child, path)

    yield from below(module.tree, ())


def place(module: Module, line: int) -> str:
    """The innermost function around a line, or the module."""
    around = [each for each in functions(module) if each.node.lineno <= line <= (each.node.end_lineno or 0)]
    return max(around, key=lambda each: each.node.lineno).name if around else module.name


def imports(module: Module, *, inside_functions: bool) -> Iterator[tuple[str, int]]:
    """The modules that it imports, absolute, with their lines; what only type checkers import does not count."""

    def skipped(node: ast.AST) -> bool:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return not inside_functions
        return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)

    def below(node: ast.AST) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from ((alias.name, child.lineno) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                if child.module == "kamerton":
                    yield from ((f"kamerton.{alias.name}", child.lineno) for alias in child.names)
                else:
                    yield child.module or "", child.lineno
            elif not skipped(child):
                yield from below(child)

    yield from below(module.tree)


def percentile(values: list[int], share: float) -> int:
    """The nearest-rank percentile: the smallest value that at least this share does not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


def settle(rule: str, offenders: dict[str, str]) -> list[str]:
    """What breaks a rule, less the exceptions of `allowed.toml`, plus the exceptions that nobody needs any more.

    Args:
        rule: the rule's name in `allowed.toml`.
        offenders: for each place that breaks it, one sentence that says how.
    """
    listed = tomllib.loads(ALLOWED.read_text(encoding="utf-8")).get("allowed", [])
    entries = [entry for entry in listed if entry["rule"] == rule]
    allowed = {entry["where"] for entry in entries}
    faults = [sentence for place, sentence in sorted(offenders.items()) if place not in allowed]
    faults += [f"{entry['where']}: listed without a reason" for entry in entries if not entry.get("reason")]
    unused = sorted(allowed - offenders.keys())
    return faults + [f"{place}: the exception for {rule!r} is not needed any more; remove it" for place in unused]
