"""What is imported is declared, and what is declared is pinned."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from typing import Any

from house import ROOT, imports, modules
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FREE = re.compile(r"nvidia-|cuda-|triton")
"""What the CUDA build of torch pins itself."""


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _declared(*, extras: bool) -> dict[str, Requirement]:
    project = _project()
    lines = list(project["dependencies"])
    if extras:
        lines += [line for extra in project["optional-dependencies"].values() for line in extra]
    declared: dict[str, Requirement] = {canonicalize_name(each.name): each for each in map(Requirement, lines)}
    declared.pop(project["name"], None)  # an extra that takes others in names the project itself
    return declared


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def _needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """The distributions that a distribution with these extras asks for here, and theirs."""
    if (name, extras) in seen:
        return set()
    seen.add((name, extras))
    found = {name}
    for line in metadata.requires(name) or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            found |= _needed(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)
    return found


def test_what_is_imported_is_declared() -> None:
    distributions = metadata.packages_distributions()
    declared = set(_declared(extras=False))
    missing = {
        f"{module.name}: line {line} imports {package}"
        for module in modules()
        for name, line in imports(module, inside_functions=True)
        if (package := name.split(".")[0]) not in sys.stdlib_module_names | {"kamerton"}
        and not {canonicalize_name(each) for each in distributions.get(package, [])} & declared
    }
    assert sorted(missing) == []


def test_each_pin_is_exact_and_listed_once_in_order() -> None:
    names = [
        line.split("==")[0] for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "#" not in line
    ]
    assert names == sorted({canonicalize_name(name) for name in names})
    assert [
        name
        for name, version in _pins().items()
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)*(b[0-9]+|\.post[0-9]+)?", version)
    ] == []


def test_each_pin_satisfies_what_is_declared() -> None:
    pins = _pins()
    wrong = [
        str(each)
        for name, each in _declared(extras=True).items()
        if name not in pins or not each.specifier.contains(Version(pins[name]))
    ]
    assert wrong == []


def test_everything_that_an_installation_brings_is_pinned() -> None:
    needed = _needed("kamerton", frozenset({"dev"}), set()) - {"kamerton"}
    assert len(needed) > len(_declared(extras=False))
    assert sorted(name for name in needed - _pins().keys() if not FREE.match(name)) == []
