"""The command line and the Python API change only on purpose."""

from __future__ import annotations

import argparse

import pytest
from surfaces import HERE, SURFACES, _name, cli_surface


@pytest.mark.parametrize("file", SURFACES)
def test_the_surface_is_the_frozen_one(file: str) -> None:
    frozen = HERE / file
    expected = frozen.read_text(encoding="utf-8").splitlines() if frozen.exists() else []
    found = SURFACES[file]().splitlines()
    assert found == expected, (
        f"the surface differs from {frozen.name}. If users are meant to see the change, run `make snapshots`, "
        "commit the file in the same commit, and give the change a line in CHANGELOG.md"
    )


def test_a_new_flag_or_verb_changes_the_surface() -> None:
    def parser(*, json: bool, verb: str) -> argparse.ArgumentParser:
        root = argparse.ArgumentParser(prog="kamerton")
        one = root.add_subparsers().add_parser(verb)
        one.add_argument("recipe", nargs="?")
        one.add_argument("--format", choices=["html", "json"], required=True)
        if json:
            one.add_argument("--json", action="store_true")
        return root

    plain = cli_surface(parser(json=False, verb="train"))
    assert plain == "kamerton\nkamerton train\n    RECIPE x?\n    --format VALUE {html,json} (required)\n"
    assert cli_surface(parser(json=True, verb="train")) == plain + "    --json\n"
    assert cli_surface(parser(json=False, verb="tune")) != plain


def test_a_new_parameter_or_method_changes_the_surface() -> None:
    class Manager:
        def __init__(self, recipe: str, *, quiet: bool = False) -> None: ...
        def start(self, steps: int = 3) -> None: ...
        @classmethod
        def at(cls, folder: str) -> None: ...
        def _inner(self) -> None: ...

    assert list(_name("Manager", Manager)) == [
        "class Manager(recipe, *, quiet=False)",
        "    Manager.at(folder)",
        "    Manager.start(steps=3)",
    ]
