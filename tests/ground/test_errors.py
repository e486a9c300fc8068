"""Errors say four things, survive a process boundary, and the tree in the docstring is the tree."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from kamerton.ground import errors
from kamerton.ground.errors import DataError, KamertonError, MissingExtraError
from kamerton.ground.need import need

CLASSES = [
    thing
    for _, thing in inspect.getmembers(errors, inspect.isclass)
    if issubclass(thing, KamertonError) and thing.__module__ == errors.__name__
]


def test_every_class_is_exported_and_nothing_else() -> None:
    assert sorted(errors.__all__) == sorted(kind.__name__ for kind in CLASSES)


def test_the_drawn_tree_is_the_tree() -> None:
    """Depth, parent and exit code of each class, read from the drawing."""
    drawn: dict[str, tuple[str, int | None]] = {}
    above: list[tuple[int, str]] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        found = re.match(r"^[ |`-]*(?P<name>[A-Z]\w+)(?:\s+exit (?P<code>\d+))?", line)
        if not found or not hasattr(errors, found["name"]):
            continue
        column = found.start("name")
        above = [entry for entry in above if entry[0] < column]
        code = int(found["code"]) if found["code"] else None
        drawn[found["name"]] = (above[-1][1] if above else "Exception", code)
        above.append((column, found["name"]))
    assert drawn.keys() == {kind.__name__ for kind in CLASSES}
    for kind in CLASSES:
        parent, code = drawn[kind.__name__]
        assert kind.__bases__[0].__name__ == parent
        if code is not None:
            assert kind.exit_code == code
        elif kind is not KamertonError:
            assert kind.exit_code == kind.__bases__[0].exit_code  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_keep_all_parts_through_pickle_and_copy(kind: type[KamertonError]) -> None:
    error = kind("zażółć", where="a.jsonl:3", expected="an answer", mend="kamerton data check")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert (again.what, again.where, again.expected, again.mend) == (
            "zażółć",
            "a.jsonl:3",
            "an answer",
            "kamerton data check",
        )
        assert str(again) == str(error)
        assert again.exit_code == kind.exit_code


def test_the_text_has_only_the_parts_that_are_given() -> None:
    full = DataError("row is empty", where="a.jsonl:3", expected="a text", mend="remove it")
    assert str(full) == "a.jsonl:3: row is empty\n  expected: a text\n  mend: remove it"
    assert str(DataError("row is empty")) == "row is empty"
    assert str(DataError("row is empty", mend="remove it")) == "row is empty\n  mend: remove it"


def test_the_document_has_only_the_parts_that_are_given() -> None:
    assert DataError("row is empty", where="a.jsonl:3").document() == {
        "error": "DataError",
        "what": "row is empty",
        "where": "a.jsonl:3",
    }


def test_a_missing_package_is_answered_with_its_extra() -> None:
    with pytest.raises(MissingExtraError) as caught:
        need("kamerton_never_installed.part", "gguf")
    assert caught.value.mend == "pip install 'kamerton[gguf]'"
    assert "kamerton_never_installed" in caught.value.what
    assert need("json", "any").loads("1") == 1
