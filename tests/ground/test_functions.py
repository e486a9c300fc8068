"""Functions named in a recipe: found, or told what is missing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from kamerton.ground.digests import file_digest
from kamerton.ground.errors import DataError, Interrupted, RecipeError, RequestError
from kamerton.ground.functions import load_function, own_faults, source_digest

KEY = "training.objective.loss"


def test_a_function_is_found_by_its_name() -> None:
    assert load_function("math:sqrt", "training.objective.loss") is math.sqrt


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:f", "No module named 'no_such_module'"),
        ("math:no_such_function", "no_such_function"),
        ("math:pi", "this is no function"),
        ("math", "cannot be loaded"),
    ],
)
def test_what_is_missing_is_told_with_the_key(name: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        load_function(name, "training.objective.loss")
    assert caught.value.where == f"training.objective.loss: {name}"


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module `own_code_<...>` that Python finds, empty at first."""
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / f"own_code_{tmp_path.parent.name.replace('-', '_')}_{tmp_path.name}.py"
    path.touch()
    return path


def test_a_module_that_fails_when_it_is_imported_is_told_with_its_line(own_module: Path) -> None:
    own_module.write_text("import math\n\nmath.sqrt(-1)\n", encoding="utf-8")
    name = f"{own_module.stem}:f"
    with pytest.raises(RequestError, match=f"the module {own_module.stem} raised ValueError") as caught:
        load_function(name, KEY)
    assert f"{own_module}:3" in caught.value.what
    assert (caught.value.where, caught.value.mend) == (f"{KEY}: {name}", f"mend {own_module}:3")


def test_a_module_that_is_no_python_is_told(own_module: Path) -> None:
    own_module.write_text("def f(:\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"raised SyntaxError: .*line 1"):
        load_function(f"{own_module.stem}:f", KEY)


def test_a_fault_is_told_with_the_line_of_the_users_own_code(own_module: Path) -> None:
    """And not with that of the library where it ended."""
    own_module.write_text("import json\n\n\ndef f(text):\n    return json.loads(text)\n", encoding="utf-8")
    name = f"{own_module.stem}:f"
    function = load_function(name, KEY)
    with own_faults("the loss", name, "example 1"):
        assert function("[1]") == [1]
    said = "the loss raised JSONDecodeError: Expecting value"
    with pytest.raises(RequestError, match=said) as caught, own_faults("the loss", name, "example 1"):
        function("")
    assert caught.value.what.endswith(f"({own_module}:5)")
    assert (caught.value.where, caught.value.mend) == ("example 1", f"mend {own_module}:5")


@pytest.mark.parametrize("error", [DataError("no row"), Interrupted("stopped"), KeyboardInterrupt(), SystemExit(3)])
def test_what_says_enough_by_itself_is_left_alone(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, own_faults("the loss", "math:sqrt", "example 1"):
        raise error
    assert caught.value is error


def test_an_error_without_words_is_told_by_its_name() -> None:
    with pytest.raises(RequestError) as caught, own_faults("the loss", "math:sqrt", "example 1"):
        raise AssertionError
    assert (caught.value.what, caught.value.mend) == ("the loss raised AssertionError", "mend math:sqrt")


def test_the_source_of_a_function_is_the_file_of_its_module(own_module: Path) -> None:
    own_module.write_text("def f(): ...\n", encoding="utf-8")
    name = f"{own_module.stem}:f"
    before = source_digest(name)
    load_function(name, KEY)
    assert source_digest(name) == before == file_digest(own_module)
    own_module.write_text("def f(): return 1\n", encoding="utf-8")
    assert source_digest(name) == file_digest(own_module) != before


@pytest.mark.parametrize("name", ["no_such_module:f", "no_such.module:f", "sys:exit"])
def test_what_has_no_source_has_no_digest(name: str) -> None:
    assert source_digest(name) == ""
