"""Recipes are read strictly: every refusal names the key, the line or the flag, and what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from recipe_page import EXAMPLE

from kamerton.ground.errors import RecipeError, StorageError
from kamerton.recipe import FullMethod, LoraMethod, RecipeSource, json_schema, parse_recipe, read_recipe

BASE = "model: {base: tiny-pl}\ndata: {train: [a.jsonl]}\n"

FULL = """\
name: full
model:
  base: tiny-pl
data:
  train: [a.jsonl]
  clean:
    min_answer_chars: 3
  split:
    validation: 0.2
  check:
    max_bad_rows: 0.1
method:
  kind: lora
training:
  epochs: 1
evaluation:
  baselines: [base]
gate:
  primary:
    metric: token_f1
  guards:
  - metric: perplexity
    margin: 0.1
tracking:
  followers: []
"""


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, overrides)
    return str(caught.value)


def test_the_example_of_the_page_is_a_recipe() -> None:
    recipe = parse_recipe(EXAMPLE).recipe
    assert recipe.model.base == "tiny-pl"
    assert isinstance(recipe.method, LoraMethod)
    assert recipe.training.learning_rate == 2e-4
    assert recipe.gate is not None
    assert recipe.gate.primary.better_than == ["base"]
    assert (recipe.gate.guards[0].on, recipe.gate.guards[0].margin) == ("general", 0.02)
    assert recipe.evaluation.sets == {"general": ["general.jsonl"]}


def test_the_recipes_of_the_project_are_recipes() -> None:
    folder = Path(__file__).resolve().parents[2] / "recipes"
    found = sorted(folder.glob("*.yaml"))
    assert found
    for path in found:
        read_recipe(path)


def test_a_recipe_is_frozen() -> None:
    recipe = parse_recipe(BASE).recipe
    with pytest.raises(ValueError, match="frozen"):
        recipe.training.epochs = 5


# Unknown keys.


def _key_lines() -> Iterator[tuple[str, int, str]]:
    """Each key of FULL: its dotted path, its line, and its line's indentation."""
    path: list[tuple[str, str]] = []
    for number, line in enumerate(FULL.splitlines(), start=1):
        indent, key = re.match(r"^((?: |- )*)(\w+):", line).groups()  # type: ignore[union-attr]
        path = [entry for entry in path if len(entry[0]) < len(indent)]
        path.append((indent, key))
        yield ".".join(name for _, name in path), number, indent


@pytest.mark.parametrize(("dotted", "line", "indent"), list(_key_lines()), ids=[dotted for dotted, *_ in _key_lines()])
def test_an_unknown_key_is_named_with_its_line_and_the_nearest_one(dotted: str, line: int, indent: str) -> None:
    lines = FULL.splitlines(keepends=True)
    key = dotted.rpartition(".")[2]
    wrong = f"{key[:1]}{key}"
    lines.insert(line - 1, f"{indent}{wrong}: 1\n")
    if indent.endswith("- "):
        lines[line] = lines[line].replace("- ", "  ")
    told = refusal("".join(lines))
    assert f"line {line}: " in told
    assert f"{wrong}: unknown key, did you mean {key}?" in told


def test_an_unknown_key_of_another_section_says_which() -> None:
    assert "did you mean training.learning_rate?" in refusal(BASE + "learning_rate: 1e-4")
    assert "did you mean data.split.similarity?" in refusal(BASE + "training: {similarity: 0.5}")


def test_an_unknown_key_like_nothing_else_lists_the_known_ones() -> None:
    told = refusal(BASE + "tracking: {qqq: 1}")
    assert "line 3: tracking.qqq: unknown key; known here: followers, experiment" in told


def test_all_faults_are_told_at_once() -> None:
    told = refusal(BASE + "training:\n  epochs: 0\n  sed: 1\nmethod: {rank: 0}\n")
    assert [f"line {number}: " in told for number in (4, 5, 6)] == [True] * 3


# Wrong values.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("method: {kind: qlorra}", "line 3: method.kind: 'qlorra' is not known here; expected full or freeze or lora"),
        ("method:\n  kind: 3", "line 4: method.kind: '3' is not known here; expected full or freeze or lora"),
        ("method: full", "line 3: method: must be a section with keys under it (got 'full')"),
        ("method: {kind: full, rank: 3}", "line 3: method.rank: unknown key; it belongs to kind: lora"),
        ("method: {kind: lora, rnk: 3}", "line 3: method.rnk: unknown key, did you mean rank?"),
        ("method: {targets: 5}", "line 3: method.targets: must be a valid list (got 5)"),
        ("method: {targets: []}", "line 3: method.targets: List should have at least 1 item"),
        (
            "training: {objective: rlhf}",
            "line 3: training.objective.kind: 'rlhf' is not known here; expected pretrain or sft or dpo",
        ),
        ("training: {epochs: 0}", "line 3: training.epochs: must be greater than 0 (got 0)"),
        ("training: {epochs: '3'}", "line 3: training.epochs: must be a valid number (got '3')"),
        ("training: {epochs: true}", "line 3: training.epochs: must be a valid number (got True)"),
        ("training: {epochs: .inf}", "line 3: training.epochs: must be a finite number"),
        ("training: {learning_rate: .nan}", "line 3: training.learning_rate: must be a finite number"),
        ("training: {batch_size: 2.5}", "line 3: training.batch_size: must be a valid integer"),
        ("training:", "line 3: training: empty; give it a value, or leave the key out"),
        ("training: [1]", "line 3: training: must be a section with keys under it"),
        ("name: 1.0", "line 3: name: must be a valid string (got 1.0); put it in quotes"),
        ("name: ../evil", "line 3: name: String should match pattern"),
        ('name: "a\\n"', "line 3: name: String should match pattern"),
        ("evaluation: {sets: {lora: 5}}", "line 3: evaluation.sets.lora: must be a valid list (got 5)"),
        ("evaluation: {metrics: []}", "line 3: evaluation.metrics: List should have at least 1 item"),
        ("evaluation: {form: '('}", "line 3: evaluation.form: not a regular expression"),
        ("evaluation:\n  metrics:\n  - f2", "line 5: evaluation.metrics.0: 'f2' is not known here; expected accuracy"),
        ("gate:\n  primary:\n    better_than: gpt", "line 5: gate.primary.better_than: 'gpt' is not known here"),
        ("gate: {guards: [{metric: perplexity}]}", "line 3: gate.guards.0.margin: missing"),
    ],
)
def test_a_wrong_value_is_told_in_words(text: str, expected: str) -> None:
    told = refusal(BASE + text)
    assert expected in told
    assert "Input should" not in told
    assert "kamerton schema" in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training: {chat_share: 0.5}", "line 3: training.chat_share: unknown key"),
        ("data2: 1\ntraining: {epochs: 1}", "line 3: data2: unknown key, did you mean data?"),
        ("evaluation:\n  metrics: [accuracy]", "line 3: evaluation: accuracy and macro_f1 need evaluation.label"),
        ("evaluation: {metrics: [accuracy], label: abc}", "evaluation.label needs one group"),
        ("evaluation: {metrics: [form]}", "the metric form needs evaluation.form"),
        ("evaluation: {sets: {test: [a]}}", "the set name test is taken"),
        ("evaluation: {metrics: [perplexity]}\ngate: {}", "the gate uses token_f1: add it to evaluation.metrics"),
        ("evaluation: {baselines: []}\ngate: {}", "the gate compares with base: add it to evaluation.baselines"),
        (
            "gate: {guards: [{metric: perplexity, on: general, margin: 1}]}",
            "a guard names the set 'general': add it to evaluation.sets",
        ),
        (
            "evaluation: {sets: {g: [a]}}\ngate: {guards: [{metric: token_f1, on: g, margin: 1}]}",
            "on the set 'g' only perplexity is measured",
        ),
        (
            "evaluation: {baselines: [few_shot]}\n"
            "gate: {primary: {better_than: few_shot}, guards: [{metric: perplexity, margin: 1}]}",
            "guards compare with the base",
        ),
        (
            "training: {optimizer: adafactor, parallel: {strategy: fsdp2}}",
            "adafactor keeps means over rows and columns of whole matrices",
        ),
    ],
)
def test_rules_across_keys(text: str, expected: str) -> None:
    assert expected in refusal(BASE + text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model: {}", "line 1: model: give exactly one of base and architecture"),
        ("model: {base: a, architecture: {}}", "line 1: model: give exactly one of base and architecture"),
        (
            "model: {architecture: {}}",
            "line 1: model.architecture starts from random weights: method.kind must be full",
        ),
        (
            "model: {architecture: {}}\nmethod: {kind: full}",
            "model.architecture starts from random weights: training.objective must be pretrain",
        ),
        (
            "model: {architecture: {}}\ntraining: {objective: pretrain}",
            "model.architecture starts from random weights: method.kind must be full",
        ),
        (
            "model: {architecture: {context: 64}}\nmethod: {kind: full}\ntraining: {objective: pretrain}",
            "training.max_length is longer than model.architecture.context",
        ),
        ("model: {architecture: {heads: 5}}", "hidden_size must be an even multiple of heads"),
    ],
)
def test_rules_of_the_model(text: str, expected: str) -> None:
    assert expected in refusal(f"{text}\ndata: {{train: [a]}}")


SCHEMA = json_schema()


def _leaves(section: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each value of a section: its key, the override that chooses its branch of a union, and its schema."""
    kind = section["properties"].get("kind", {}).get("const")
    for name, field in section["properties"].items():
        here = f"{path}.{name}" if path else name
        options = [field, *field.get("anyOf", []), *field.get("oneOf", [])]
        below = [SCHEMA["$defs"][each["$ref"].rpartition("/")[2]] for each in options if "$ref" in each]
        for inner in below:
            yield from _leaves(inner, here)
        if not below:
            yield here, f"{path}.kind={kind}" if kind and name != "kind" else "", field


LEAVES = [leaf for leaf in _leaves(SCHEMA) if not leaf[0].startswith("model.architecture")]


@pytest.mark.parametrize(("key", "branch"), sorted({(key, branch) for key, branch, _ in LEAVES}))
def test_every_key_refuses_another_type(key: str, branch: str) -> None:
    wrong = "[[1]]" if key == "evaluation.sets" else "{unheard: of}"
    assert f"flag {key}" in refusal(BASE + "gate: {}\n", *([branch] if branch else []), f"{key}={wrong}")


def _beyond() -> Iterator[tuple[str, str, str]]:
    for key, branch, field in LEAVES:
        alternatives = field.get("anyOf", [])
        shares = any(each.get("type") == "number" for each in alternatives)
        for option in [field, *alternatives]:
            if shares and option.get("type") == "integer":
                continue  # a share or a number: what is below the number's bound is a share
            step = 1 if option.get("type") == "integer" else 0.001
            if "minimum" in option:
                yield key, branch, str(option["minimum"] - step)
            if "exclusiveMinimum" in option:
                yield key, branch, str(option["exclusiveMinimum"])
            if "maximum" in option:
                yield key, branch, str(option["maximum"] + step)
            if "exclusiveMaximum" in option:
                yield key, branch, str(option["exclusiveMaximum"])


@pytest.mark.parametrize(("key", "branch", "value"), list(_beyond()))
def test_every_bound_is_kept(key: str, branch: str, value: str) -> None:
    text = BASE + "gate: {}\n"
    assert f"flag {key}: must be" in refusal(text, *([branch] if branch else []), f"{key}={value}")


def test_there_are_keys_and_bounds_to_test() -> None:
    assert len(LEAVES) > 45
    assert len(list(_beyond())) > 40


# YAML and its traps.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: no", "no"),
        ("name: on", "on"),
        ("name: y", "y"),
        ("name: 2024-01-01", "2024-01-01"),
        ("name: 'true'", "true"),
        ("<<: {name: merged}", "merged"),
        ("name: &anchor abc", "abc"),
        ("name: 1e-x", "1e-x"),
    ],
)
def test_words_stay_words(text: str, expected: str) -> None:
    assert parse_recipe(BASE + text).recipe.name == expected


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.0e-4", "0.0001", ".0001", "+1e-4", "1.e-4"])
def test_numbers_are_numbers(number: str) -> None:
    assert parse_recipe(BASE + f"training: {{learning_rate: {number}}}").recipe.training.learning_rate == 1e-4


@pytest.mark.parametrize("number", ["010", "1:30", "0x10", "0b1", "1_0e", "1e3", "'5'"])
def test_what_only_yaml_1_1_takes_for_an_integer_is_refused(number: str) -> None:
    assert "training.seed: must be a valid integer" in refusal(BASE + f"training: {{seed: {number}}}")


def test_the_key_on_is_a_word() -> None:
    source = parse_recipe(BASE + "gate: {guards: [{metric: perplexity, on: test, margin: 0.1}]}")
    assert source.recipe.gate is not None
    assert source.recipe.gate.guards[0].on == "test"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\nname: b", "recipe:4: the key 'name' is given twice, first in line 3"),
        ("training: {epochs: 1, epochs: 2}", "the key 'epochs' is given twice"),
        ("gate:\n  guards:\n  - {on: a, on: b}", "recipe:5: the key 'on' is given twice"),
        ("name: [", "recipe:3:"),
        ("# one\nname: \x07", "recipe:4: unacceptable character #x0007"),
        ("\tname: a", "recipe:3: found character '\\t'"),
        ("name: !!python/object:os.system x", "recipe:3: could not determine a constructor"),
        ("x: &a {b: *a}", "unconstructable recursive"),
        ("x: &a [*a]", "unconstructable recursive"),
        ("? [a, b]\n: 1", "a key must be a word"),
        ("---\nname: b", "recipe:3: but found another document"),
        ("1: 2", "line 3: 1: unknown key"),
        ("null: 2", "line 3: null: unknown key"),
        ("true: 2", "line 3: true: unknown key"),
    ],
)
def test_what_is_no_recipe_is_refused_with_its_line(text: str, expected: str) -> None:
    assert expected in refusal(BASE + text)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b", "just words", "null", "3", "---\n"])
def test_an_empty_recipe_or_a_list_is_refused(text: str) -> None:
    assert "the recipe is empty or not a mapping" in refusal(text)


def test_what_must_be_given_is_missing() -> None:
    told = refusal("name: a")
    assert "model: missing" in told
    assert "data: missing" in told
    assert "line 2: data.train: missing" in refusal("model: {base: a}\ndata: {max_rows: 1}")


def verdict(text: str) -> RecipeSource | RecipeError:
    """The recipe or the refusal; any other error breaks the test."""
    try:
        return parse_recipe(text)
    except RecipeError as error:
        return error


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    for tried in (text, BASE + text, BASE + f"name: {text}", BASE + f"training: {{{text}}}"):
        told = verdict(tried)
        assert isinstance(told, RecipeSource) or told.where.startswith("recipe")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["full", "lora", "sft", "base", "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "rank", "base", "train", "full", "lora", "primary", "guards", "targets"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "model", "data", "method", "gate", "evaluation"]), plain))
def test_no_document_breaks_the_explanation(document: dict[str, Any]) -> None:
    told = verdict(yaml.safe_dump(document))
    assert isinstance(told, RecipeSource) or told.what


# Files.


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_text(BASE, encoding=encoding)
        source = read_recipe(path, ["training.epochs=2"])
        assert source.recipe.training.epochs == 2
        assert source.file == str(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="no such recipe") as caught:
        read_recipe(tmp_path / "none.yaml")
    assert "kamerton init" in caught.value.mend
    with pytest.raises(RecipeError, match="this is a folder"):
        read_recipe(tmp_path)
    path = tmp_path / "latin.yaml"
    path.write_bytes(BASE.encode() + "name: żółć".encode("iso-8859-2"))
    with pytest.raises(RecipeError, match="not UTF-8 at byte"):
        read_recipe(path)
    path.write_text(BASE + "nmae: a")
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert caught.value.where == str(path)

    def forbidden(*_: Any, **__: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", forbidden)
    with pytest.raises(StorageError, match="permission denied"):
        read_recipe(path)


# Overrides.


@pytest.mark.parametrize(
    ("override", "key", "expected"),
    [
        ("training.epochs=1", "training.epochs", 1),
        (" training.epochs = 1", "training.epochs", 1),
        ("training.learning_rate=1e-4", "training.learning_rate", 1e-4),
        ("training.learning_rate=", "training.learning_rate", None),
        ("training.max_steps=null", "training.max_steps", None),
        ("data.train=[a.jsonl, b.jsonl]", "data.train", ["a.jsonl", "b.jsonl"]),
        ("evaluation.sets={g: [a], h: [b]}", "evaluation.sets", {"g": ["a"], "h": ["b"]}),
        ("evaluation.sets.g=[a]", "evaluation.sets", {"g": ["a"]}),
        ("evaluation.form='^[a-z]+=\\d$'", "evaluation.form", "^[a-z]+=\\d$"),
        ("name=no", "name", "no"),
        ("model.base=a=b", "model.base", "a=b"),
        ("gate.alpha=0.01", "gate.alpha", 0.01),
    ],
)
def test_an_override_sets_a_value(override: str, key: str, expected: object) -> None:
    source = parse_recipe(BASE, [override])
    value: Any = source.recipe.model_dump()
    for part in key.split("."):
        value = value[part]
    assert value == expected
    assert source.flags == {override.partition("=")[0].strip()}


def test_the_last_override_counts() -> None:
    assert parse_recipe(BASE, ["training.epochs=1", "training.epochs=2"]).recipe.training.epochs == 2
    replaced = parse_recipe(FULL, ["method={kind: full}", "training={seed: 7}", "training.epochs=9"]).recipe
    assert isinstance(replaced.method, FullMethod)
    assert (replaced.training.seed, replaced.training.epochs) == (7, 9)


def test_an_override_fills_an_empty_section() -> None:
    assert parse_recipe(BASE + "training:\n", ["training.epochs=1"]).recipe.training.epochs == 1


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("epochs", "epochs: not an override"),
        ("", "not an override"),
        ("=1", "=1: not an override"),
        (".=1", "not an override"),
        ("training.=1", "not an override"),
        ("training..epochs=1", "not an override"),
        ("training.epochs=[1", "training.epochs=[1: the value is not YAML"),
        ("training.epochs={a: 1, a: 2}", "the key 'a' is given twice"),
        ("name.first=1", "name.first=1: name is a value, not a section"),
        ("gate.guards.0.margin=1", "gate.guards is a value, not a section"),
        ("training.epohcs=1", "flag training.epohcs: unknown key, did you mean epochs?"),
        ("trainin.epochs=1", "flag trainin: unknown key, did you mean training?"),
        ("training.epochs.x=1", "training.epochs.x=1: training.epochs is a value, not a section"),
        ("training.seed.x=1", "flag training.seed: must be a valid integer"),
        ("name=\x07", "name=\x07: the value is not YAML"),
        ("method={kind: lora, rnk: 4}", "flag method.rnk: unknown key, did you mean rank?"),
        ("method.kind=qlorra", "flag method.kind: 'qlorra' is not known here"),
        ("training.chat_share=0.5", "flag training.chat_share: unknown key"),
    ],
)
def test_a_bad_override_is_named(override: str, expected: str) -> None:
    assert expected in refusal(FULL, override)
