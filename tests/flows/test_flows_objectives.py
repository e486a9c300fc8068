"""From rows of each kind to a finished model that is measured and rebuilt."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiny_project import kamerton, write_lines

PLACES = ["urzędzie", "szkole", "parku", "bibliotece", "muzeum", "szpitalu", "sądzie", "teatrze"]
RECIPE = """\
name: judged
model: {base: base}
data:
  train: [rows.jsonl]
  split: {validation: 0.1, test: 0.25}
  check: {min_train_rows: 10, min_test_rows: 4}
method: {kind: lora, rank: 4}
training:
  objective: OBJECTIVE
  max_steps: 4
  batch_size: 4
  learning_rate: 1.0e-2
  max_length: 200
  compute: {threads: 1, precision: fp32, device: cpu}
evaluation: EVALUATION
tracking: {followers: []}
"""


def question(number: int) -> str:
    kind = ["dojazd", "godziny otwarcia", "opłata", "zapis", "skarga"][number // 8]
    return f"Sprawa numer {number * 37}: {kind} w {PLACES[number % 8]}, proszę o informację."


def pair(number: int) -> dict[str, Any]:
    return {"prompt": question(number), "chosen": f"Pokój {number}.", "rejected": "Nie wiem, proszę iść dalej."}


def liked(number: int) -> dict[str, Any]:
    return {"prompt": question(number), "completion": f"Pokój {number}.", "label": number % 2 == 0}


def labelled(number: int) -> dict[str, Any]:
    return {"prompt": question(number), "completion": ["urząd", "kultura"][number % 2]}


def project(root: Path, base: Path, rows: list[dict[str, Any]], objective: str, evaluation: str) -> None:
    shutil.copytree(base, root / "base")
    write_lines(root / "rows.jsonl", rows)
    text = RECIPE.replace("OBJECTIVE", objective).replace("EVALUATION", evaluation)
    (root / "recipe.yaml").write_text(text, encoding="utf-8")


def trained_and_measured(root: Path) -> dict[str, dict[str, Any]]:
    """Metrics of the tuned model and of its baselines, after a rebuild that gave the same bytes."""
    for words in (("check", "recipe.yaml"), ("train", "recipe.yaml"), ("evaluate", "last", "--on", "test")):
        done = kamerton(root, *words, "--json")
        assert done.code == 0, done.err
    rebuilt = kamerton(root, "rebuild", "last", "--json")
    assert rebuilt.document["identical"], rebuilt.err
    return {record["model"]: record["metrics"] for record in done.document}


@pytest.mark.slow
def test_dpo_is_measured_on_its_best_answers_and_as_pairs(tiny_base: Path, tmp_path: Path) -> None:
    evaluation = "{metrics: [perplexity], baselines: [base, few_shot], resamples: 200}"
    project(tmp_path, tiny_base, [pair(number) for number in range(40)], "dpo", evaluation)
    found = trained_and_measured(tmp_path)
    assert set(found) == {"tuned", "base"}
    for metrics in found.values():
        assert set(metrics) == {"perplexity", "pair_accuracy"}
        assert metrics["pair_accuracy"]["method"] in ("wilson", "unanimous")
    assert kamerton(tmp_path, "compare", "last", "--json").code in (0, 1)


@pytest.mark.slow
def test_kto_is_measured_on_liked_answers(tiny_base: Path, tmp_path: Path) -> None:
    evaluation = "{metrics: [perplexity], baselines: [], resamples: 200}"
    project(tmp_path, tiny_base, [liked(number) for number in range(40)], "kto", evaluation)
    found = trained_and_measured(tmp_path)
    assert 0 < found["tuned"]["perplexity"]["n_items"] < 10


@pytest.mark.slow
def test_a_reward_model_is_measured_by_pairs_and_does_not_chat(tiny_base: Path, tmp_path: Path) -> None:
    evaluation = "{metrics: [pair_accuracy], baselines: [base], resamples: 200}"
    project(tmp_path, tiny_base, [pair(number) for number in range(40)], "reward", evaluation)
    found = trained_and_measured(tmp_path)
    assert set(found["tuned"]) == set(found["base"]) == {"pair_accuracy"}
    refused = kamerton(tmp_path, "generate", "last", "Gdzie?")
    assert refused.code == 2
    assert "writes no answers" in refused.err


@pytest.mark.slow
def test_a_classifier_is_measured_beside_models_that_write(tiny_base: Path, tmp_path: Path) -> None:
    evaluation = (
        "{metrics: [accuracy, macro_f1, perplexity], label: '(.+)', baselines: [base, few_shot], shots: 2, "
        "max_new_tokens: 3, resamples: 200}"
    )
    project(tmp_path, tiny_base, [labelled(number) for number in range(40)], "classification", evaluation)
    found = trained_and_measured(tmp_path)
    assert set(found) == {"tuned", "base", "few_shot"}
    assert found["tuned"]["accuracy"]["value"] >= found["base"]["accuracy"]["value"]


def test_rows_that_the_objective_cannot_learn_from_are_named_by_the_check(tiny_base: Path, tmp_path: Path) -> None:
    rows = [pair(number) for number in range(40)]
    project(tmp_path, tiny_base, rows, "kto", "{metrics: [perplexity], baselines: [], resamples: 200}")
    checked = kamerton(tmp_path, "check", "recipe.yaml", "--json")
    assert checked.code == 1
    text = next(item["text"] for item in checked.document["items"] if item["name"] == "model")
    assert "the row is ranked, and the objective kto learns from rated rows" in text
    assert "rows.jsonl:" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "row"),
    [
        ("orpo", pair),
        ("simpo", pair),
        ("pretrain", lambda number: {"text": f"{question(number)} Pokój {number}."}),
        ("{kind: grpo, rewards: ['form:(?s).*[aeiou].*'], group: 4, max_new_tokens: 4, beta: 0.1}", labelled),
    ],
    ids=["orpo", "simpo", "pretrain", "grpo"],
)
def test_other_objectives_are_measured_and_rebuilt(
    tiny_base: Path, tmp_path: Path, objective: str, row: Callable[[int], dict[str, Any]]
) -> None:
    evaluation = "{metrics: [perplexity], baselines: [base], resamples: 200}"
    project(tmp_path, tiny_base, [row(number) for number in range(40)], objective, evaluation)
    assert "tuned" in trained_and_measured(tmp_path)
