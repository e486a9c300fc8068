"""`docs/recipe.md` and `docs/recipe.schema.json`, made from the sections' own types and docstrings.

Run as a program it rewrites both: `python tests/recipe/recipe_page.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kamerton.recipe import json_schema

DOCS = Path(__file__).resolve().parents[2] / "docs"

EXAMPLE = """\
name: rodo
model:
  base: tiny-pl                # packaged, a local folder, or a hub id with an optional @revision
data:
  train: [rodo_qa.jsonl]       # files, globs, or data-set versions name@tag
  clean: {min_answer_chars: 10}
  split: {validation: 0.1, test: 0.15, by: near_duplicates}
method: {kind: lora, rank: 8}
training: {objective: sft, epochs: 3, learning_rate: 2.0e-4, seed: 42}
evaluation:
  metrics: [exact_match, token_f1, perplexity]
  baselines: [base, few_shot]
  sets: {general: [general.jsonl]}
gate:
  primary: {metric: token_f1, better_than: base}
  guards: [{metric: perplexity, on: general, margin: 0.02}]
"""

INTRODUCTION = f"""\
# The recipe

One YAML file says everything that is asked of a run. `model.base` (or `model.architecture`) and `data.train` must be
given; all else has a default.

```yaml
{EXAMPLE}```

- An unknown key is an error that names its line and the nearest known key. So is a value of another type: `epochs: "3"`
  is a text, and no number.
- The YAML is version 1.2: `on` and `no` are words, `1e-4` is a number, a key that comes twice is refused.
- Any value can be set on the command line: `kamerton train recipe.yaml training.epochs=1 data.train=[a.jsonl,b.jsonl]`.
- `kamerton check recipe.yaml --explain` prints every value with where it came from: the file and its line, a flag, a
  default, or derived from another value.
- `kamerton schema` prints the JSON schema for editors; this site has it as [recipe.schema.json](recipe.schema.json).
  With the YAML language server, put `# yaml-language-server: $schema=recipe.schema.json` into the recipe's first line.
"""


def schema_text() -> str:
    """The JSON schema as it is committed."""
    return json.dumps(json_schema(), ensure_ascii=False, indent=2) + "\n"


def page() -> str:
    """The page as it is committed."""
    schema = json_schema()
    return INTRODUCTION + "".join(_tables(schema, schema, ""))


def _tables(section: dict[str, Any], schema: dict[str, Any], path: str, kind: str = "") -> Iterator[str]:
    """The section's table, then those of the sections in it."""
    title = f"`{path}:`" if path else "Sections"
    yield f"\n{'###' if '.' in path else '##'} {title}{f' with `kind: {kind}`' if kind else ''}\n\n"
    if path:
        yield f"{section['description']}\n\n"
    yield "| key | value | default | |\n|---|---|---|---|\n"
    for name, field in section["properties"].items():
        required = name in section.get("required", [])
        default = "required" if required else f"`{_yaml(field.get('default'))}`" if not _below(field) else ""
        about = field.get("description") or schema["$defs"][_below(field)[0]]["description"]
        yield f"| `{name}` | {_cell(_value(field))} | {default} | {_cell(about)} |\n"
    for name, field in section["properties"].items():
        here = f"{path}.{name}" if path else name
        for reference in _below(field):
            inner = schema["$defs"][reference]
            chosen = inner["properties"].get("kind", {}).get("const", "")
            yield from _tables(inner, schema, here + ("[]" if field.get("type") == "array" else ""), chosen)


def _below(field: dict[str, Any]) -> list[str]:
    """Names of the sections that a field holds."""
    found = [field["$ref"].rpartition("/")[2]] if "$ref" in field else []
    parts = [*field.get("anyOf", []), *field.get("oneOf", []), *([field["items"]] if "items" in field else [])]
    return found + [name for part in parts for name in _below(part)]


def _value(field: dict[str, Any]) -> str:
    """What may be written, in words."""
    if "$ref" in field:
        return "section"
    if "anyOf" in field or "oneOf" in field:
        words = [_value(part) for part in [*field.get("anyOf", []), *field.get("oneOf", [])]]
        return " or ".join(dict.fromkeys(word for word in words if word != "`null`"))
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{word}`" for word in field["enum"])
    match field["type"]:
        case "array":
            return f"list of {_value(field['items']).replace('section', 'sections')}"
        case "object":
            return f"{_value(field['additionalProperties'])} by name"
        case "string":
            return "text"
        case "null":
            return "`null`"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {_number(field[bound])}" for bound, sign in signs.items() if bound in field]
    return " ".join([str(field["type"]), ", ".join(bounds)]).strip()


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _yaml(value: Any) -> str:
    """A default as it would be written in the recipe."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _cell(text: str) -> str:
    """A docstring as a cell of a table; Python's None is written null in YAML."""
    return re.sub(r"\bNone\b", "`null`", " ".join(text.split())).replace("|", "\\|")


OUTPUTS = {"recipe.md": page, "recipe.schema.json": schema_text}

if __name__ == "__main__":
    for file, text in OUTPUTS.items():
        (DOCS / file).write_text(text(), encoding="utf-8")
        print(f"wrote {DOCS / file}")
