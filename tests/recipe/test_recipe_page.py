"""Every field is documented, the page and the schema are those of the code."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from recipe_page import DOCS, OUTPUTS, page

from kamerton.recipe import Recipe, json_schema
from kamerton.recipe.base import Section


def sections(kind: type[Section] = Section) -> Iterator[type[Section]]:
    for below in kind.__subclasses__():
        yield below
        yield from sections(below)


ALL = sorted(
    {section for section in sections() if section.__module__.startswith("kamerton.") and not section.__subclasses__()},
    key=str,
)


@pytest.mark.parametrize("file", OUTPUTS)
def test_the_committed_file_is_up_to_date(file: str) -> None:
    committed = DOCS / file
    text = committed.read_text(encoding="utf-8") if committed.exists() else ""
    assert text == OUTPUTS[file](), f"docs/{file} is not that of the code; run: python tests/recipe/recipe_page.py"


@pytest.mark.parametrize("section", ALL, ids=lambda section: section.__name__)
def test_every_field_has_a_docstring(section: type[Section]) -> None:
    assert inspect.getdoc(section)
    bare = [name for name, field in section.model_fields.items() if not (field.description or "").strip()]
    assert bare == []
    assert len(section.model_fields) <= 25


@pytest.mark.parametrize("section", ALL, ids=lambda section: section.__name__)
def test_every_section_refuses_what_it_does_not_know_and_is_frozen(section: type[Section]) -> None:
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["frozen"] is True
    assert section.model_config["strict"] is True


def reachable(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    def within(annotation: Any) -> Iterator[type[BaseModel]]:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
            yield from reachable(annotation)
        for part in get_args(annotation):
            yield from within(part)

    for field in model.model_fields.values():
        yield from within(field.annotation)


def test_every_section_belongs_to_the_recipe() -> None:
    assert {*reachable(Recipe), Recipe} == set(ALL)


def test_every_key_is_on_the_page() -> None:
    text = page()
    for section in ALL:
        for name, field in section.model_fields.items():
            assert f"| `{name}` |" in text
            assert " ".join((field.description or "").split()).replace("None", "`null`").replace("|", "\\|") in text


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from walk(part)


def test_the_schema_is_whole() -> None:
    schema = json_schema()
    json.dumps(schema, allow_nan=False)
    assert schema["$schema"].endswith("2020-12/schema")
    names = {node["$ref"].removeprefix("#/$defs/") for node in walk(schema) if "$ref" in node}
    assert names == set(schema["$defs"])
    objects = [node for node in walk(schema) if node.get("type") == "object" and "properties" in node]
    assert len(objects) == len(ALL)
    assert all(node["additionalProperties"] is False for node in objects)
    assert schema["required"] == ["model", "data"]


def test_the_schema_takes_what_the_reader_takes() -> None:
    """Where the reader is kinder than the type, the schema says so: an editor must not underline a good recipe."""
    better_than = json_schema()["$defs"]["Primary"]["properties"]["better_than"]
    assert {option.get("type") for option in better_than["anyOf"]} == {"string", "array"}
    assert "kind" not in json_schema()["$defs"]["LoraMethod"].get("required", [])
