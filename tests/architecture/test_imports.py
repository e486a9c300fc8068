"""What each room may import from outside, and the seams that have one owner.

import-linter keeps the floors (`pyproject.toml`); this keeps what comes from other packages.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from house import Module, imports, modules, settle

HEAVY = {"accelerate", "lance", "mlflow", "peft", "pyarrow", "scipy", "sqlalchemy", "torch", "transformers", "trl"}
"""Packages that cost a tenth of a second or more to import."""

ANYWHERE: dict[str, set[str]] = {
    "ground": set(),
    "recipe": {"pydantic", "yaml"},
    "records": {"pydantic"},
    "chat": {"jinja2"},
    "stats": {"numpy", "scipy"},
    "journal": set(),
}
"""Rooms that stay light: all that they may import from other packages, inside functions too."""

AT_TOP: dict[str, set[str]] = {
    "": set(),
    "stats": set(),
    "data": set(),
    "flows": set(),
    "cli": set(),
    "evaluation": set(),
    "registry": set(),
    "tracking": {"sqlalchemy"},
    "models": {"torch", "transformers", "peft"},
    "training": {"torch", "transformers", "peft", "accelerate"},
}
"""The heavy packages that a room may import when it is imported itself."""


def _module(source: str, name: str) -> Module:
    return Module(name, ast.parse(source), len(source.splitlines()))


def _third_party(house: tuple[Module, ...]) -> dict[str, str]:
    offenders = {}
    for module in house:
        allowed = ANYWHERE.get(module.room)
        if allowed is None:
            continue
        for name, line in imports(module, inside_functions=True):
            package = name.split(".")[0]
            if package not in sys.stdlib_module_names | allowed | {"kamerton"}:
                place = f"{module.name}:{package}"
                offenders[place] = f"{module.name}: line {line} imports {package}; {module.room} may not"
    return offenders


def _heavy_at_top(house: tuple[Module, ...]) -> dict[str, str]:
    offenders = {}
    for module in house:
        for name, line in imports(module, inside_functions=False):
            package = name.split(".")[0]
            if package in HEAVY - AT_TOP.get(module.room, set()):
                place = f"{module.name}:{package}"
                offenders[place] = f"{module.name}: line {line} imports {package}; do it inside the function"
    return offenders


def _uses(house: tuple[Module, ...], attribute: str) -> dict[str, str]:
    return {
        module.name: f"{module.name}: line {node.lineno} uses {attribute}"
        for module in house
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith(attribute)
    }


def _templates(house: tuple[Module, ...]) -> dict[str, str]:
    return _uses(tuple(module for module in house if module.room != "chat"), "apply_chat_template")


def _pickles(house: tuple[Module, ...]) -> dict[str, str]:
    offenders = _uses(house, "torch.load") | _uses(house, "torch.save")
    for module in house:
        for name, line in imports(module, inside_functions=True):
            if name.split(".")[0] in {"pickle", "cloudpickle", "dill", "joblib"}:
                offenders[module.name] = f"{module.name}: line {line} imports {name}; weights are safetensors, always"
    return offenders


def _roots(house: tuple[Module, ...]) -> dict[str, str]:
    known = {module.name for module in house}
    return {
        module.name: f"{module.name}: line {line} imports the package root"
        for module in house
        if module.room not in {"", "cli"}
        for name, line in imports(module, inside_functions=True)
        if name == "kamerton" or (name.count(".") == 1 and name.startswith("kamerton.") and name not in known)
    }


def test_light_rooms_stay_light() -> None:
    assert settle("third_party", _third_party(modules())) == []


def test_heavy_packages_wait_until_they_are_needed() -> None:
    assert settle("module_level", _heavy_at_top(modules())) == []


def test_only_chat_formats_a_conversation() -> None:
    assert settle("template", _templates(modules())) == []


def test_nothing_is_pickled() -> None:
    assert settle("pickle", _pickles(modules())) == []


def test_no_room_leans_on_the_package_root() -> None:
    """The root offers the flows to users; a room that imported it would lean on the floor above."""
    assert settle("package_root", _roots(modules())) == []


def _loaded_by(code: str, folder: Path) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after running the code."""
    script = f"import sys, json\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=folder, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


HELP = """
from kamerton.cli.main import entry
sys.argv = ["kamerton", "--help"]
try:
    entry()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize(
    "code",
    [HELP, "import kamerton.cli.main", "import kamerton", "import kamerton.flows"],
    ids=lambda code: code.strip(),
)
def test_the_door_opens_without_heavy_packages(code: str, tmp_path: Path) -> None:
    assert _loaded_by(code, tmp_path) & (HEAVY | {"numpy"}) == set()


def test_the_check_of_the_door_sees_a_heavy_package(tmp_path: Path) -> None:
    assert "numpy" in _loaded_by("import kamerton.stats.intervals, numpy", tmp_path)


# The rules themselves, each broken once.


@pytest.mark.parametrize(
    ("source", "broken"),
    [
        ("def f():\n    import yaml", True),
        ("from pydantic import BaseModel", True),
        ("import json\nfrom kamerton.ground import errors", False),
        ("if TYPE_CHECKING:\n    import torch", False),
    ],
)
def test_the_rules_see_a_package_in_a_light_room(source: str, broken: bool) -> None:
    assert bool(_third_party((_module(source, "kamerton.ground.made"),))) == broken
    assert not _third_party((_module(source, "kamerton.data.made"),))


@pytest.mark.parametrize(
    ("source", "broken"),
    [
        ("import torch.nn", True),
        ("class A:\n    from transformers import Trainer", True),
        ("def f():\n    import torch", False),
        ("if typing.TYPE_CHECKING:\n    import torch", False),
    ],
)
def test_the_rules_see_a_heavy_import_at_the_top(source: str, broken: bool) -> None:
    assert bool(_heavy_at_top((_module(source, "kamerton.flows.made"),))) == broken
    assert not _heavy_at_top((_module(source, "kamerton.training.made"),))


@pytest.mark.parametrize(
    ("source", "broken"),
    [
        ("from kamerton import train", True),
        ("import kamerton", True),
        ("from kamerton import data", False),
        ("from kamerton.data import read", False),
    ],
)
def test_the_rules_see_an_import_of_the_root(source: str, broken: bool) -> None:
    assert bool(_roots((_module("", "kamerton.data"), _module(source, "kamerton.training.made")))) == broken


def test_the_rules_see_a_second_formatter_and_a_pickle() -> None:
    house = (_module("import pickle\ntokenizer.apply_chat_template([])", "kamerton.training.made"),)
    assert _templates(house)
    assert _pickles(house)
    assert _pickles((_module("torch.load(path)", "kamerton.training.made"),))
