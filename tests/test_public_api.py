"""What `import kamerton` offers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kamerton


def _named_for_type_checkers() -> dict[str, str]:
    tree = ast.parse(Path(kamerton.__file__).read_text(encoding="utf-8"))
    return {
        alias.name: str(node.module)
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_three_lists_of_names_agree() -> None:
    typed = _named_for_type_checkers()
    assert sorted(kamerton.__all__) == kamerton.__all__ == sorted(typed) == dir(kamerton)
    assert {name: f"kamerton.{place}" for name, place in kamerton._PLACES.items()} == typed


@pytest.mark.parametrize("name", kamerton.__all__)
def test_every_name_is_there_with_a_word_about_it(name: str) -> None:
    thing = getattr(kamerton, name)
    assert thing.__name__ == name
    assert thing.__module__ == f"kamerton.{kamerton._PLACES[name]}"
    assert thing.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = kamerton.trian
    assert not hasattr(kamerton, "flows_of_gold")


def test_the_tutorial_classes_have_the_methods_that_tutorials_call() -> None:
    manager = [
        "prepare_data",
        "validate_data",
        "start_training",
        "monitor_progress",
        "evaluate_model",
        "compare_models",
    ]
    monitor = ["track_metrics", "detect_issues", "validate_results", "generate_report"]
    assert [name for name in manager if not callable(getattr(kamerton.FineTuningManager, name, None))] == []
    assert [name for name in monitor if not callable(getattr(kamerton.TrainingMonitor, name, None))] == []


def test_the_package_has_one_version() -> None:
    from importlib.metadata import version

    code = "import sys; from kamerton.cli.main import main; sys.exit(main(['--version']))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == version("kamerton")
