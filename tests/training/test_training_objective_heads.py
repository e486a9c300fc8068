"""reward and classification: the head is the one of transformers, and its labels are those of the rows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from objective_samples import FULL, LORA, answered, bot, ranked, trial, user
from peft import PeftModel
from transformers import AutoModelForSequenceClassification

from kamerton.data.labels import labelled
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.models.heads import Classifier, RewardModel
from kamerton.models.methods import load_finished, save_finished
from kamerton.recipe import ClassificationObjective, Method, RewardObjective
from kamerton.training.objectives import head_labels

CLASSES = ClassificationObjective(kind="classification")


def test_labels_are_sorted_and_those_of_the_training_part() -> None:
    rows = [Row(messages=(user("?"), bot(label))) for label in ["b", " a ", "b", "c"]]
    assert head_labels(CLASSES, rows) == ("a", "b", "c")
    assert head_labels(RewardObjective(kind="reward"), []) == ("reward",)


def test_an_answer_in_free_text_is_no_label() -> None:
    rows = [Row(messages=(user("?"), bot(f"Odpowiedź {number}"))) for number in range(5)]
    with pytest.raises(DataError, match="5 different labels, such as 'Odpowiedź 0'"):
        head_labels(CLASSES.model_copy(update={"max_labels": 4}), rows)
    with pytest.raises(DataError, match="1 different label"):
        head_labels(CLASSES, rows[:1])


def test_a_row_without_a_label_is_named() -> None:
    bare = dataclasses.replace(answered(0), category="", line=7)
    with pytest.raises(DataError, match="no label: its category is empty") as caught:
        head_labels(ClassificationObjective(kind="classification", label="category"), [bare])
    assert caught.value.where == "c.jsonl:7"
    assert "label=answer" in caught.value.mend


def test_a_label_that_only_validation_has_is_left_out_and_counted(tiny_base: Path) -> None:
    tried = trial(tiny_base, "classification")
    new = Row(messages=(user("?"), bot("może")))
    built = tried.objective.examples([answered(0), new])
    assert (len(built.examples), built.masked) == (1, [new.row_hash])


def test_class_counts_are_told(tiny_base: Path) -> None:
    built = trial(tiny_base, "classification").objective.examples([answered(number) for number in (0, 2, 1)])
    assert built.notes == ["2 labels: nie 1, tak 2"]


def test_the_category_of_a_text_can_be_its_label(tiny_base: Path) -> None:
    rows = [Row(text=f"Zdanie {number}", category=["x", "y"][number % 2]) for number in range(4)]
    losses = trial(tiny_base, "classification", rows, label="category").train(6)
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)
    assert losses[-1] < losses[0]
    talk = labelled(rows[0], "category")
    assert [turn["content"] for turn in talk.messages or ()] == ["Zdanie 0", "x"]


@pytest.mark.parametrize("method", [LORA, FULL], ids=["lora", "full"])
@pytest.mark.parametrize("kind", ["reward", "classification"])
def test_transformers_loads_the_finished_model_and_says_the_same(
    kind: str, method: Method, tiny_base: Path, tmp_path: Path
) -> None:
    tried = trial(tiny_base, kind, method=method)
    tried.train(4)
    with tried.network.judging():
        batch = tried.network.batch(tried.examples)
        wanted = tried.network.scores(batch).flatten(0, 1)
    folder = tmp_path / "run" / "model"
    save_finished(tried.network.loaded, method, folder)
    if method is FULL:
        model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    else:
        labels = tried.network.loaded.labels
        base = AutoModelForSequenceClassification.from_pretrained(tiny_base, num_labels=len(labels))
        base.config.pad_token_id = tried.network.loaded.pad_id
        model = PeftModel.from_pretrained(base, folder)
    sequences = [sequence for example in tried.examples for sequence in example.sequences]
    longest = max(sequence.length for sequence in sequences)
    pad = tried.network.loaded.pad_id
    rows = torch.tensor([sequence.ids.tolist() + [pad] * (longest - sequence.length) for sequence in sequences])
    with torch.no_grad():
        found = model.eval()(input_ids=rows, attention_mask=(rows != pad).long()).logits
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    if kind == "classification" and method is FULL:
        assert json.loads((folder / "config.json").read_text())["id2label"] == {"0": "nie", "1": "tak"}


def test_a_classifier_answers_with_labels_and_scores_them(tiny_base: Path, tmp_path: Path) -> None:
    tried = trial(tiny_base, "classification")
    tried.train(8)
    folder = tmp_path / "run" / "model"
    save_finished(tried.network.loaded, LORA, folder)
    model = Classifier(load_finished(folder, tmp_path, device="cpu"))
    rows = [answered(number) for number in range(4)]
    said = model.generate([row.prompt for row in rows], 8)
    assert [each.text for each in said] == [row.answer for row in rows]
    right = model.score([row.conversation for row in rows])
    wrong = model.score([[*row.prompt, bot("tak" if row.answer == "nie" else "nie")] for row in rows])
    assert all(a.nll < b.nll for a, b in zip(right, wrong, strict=True))
    with pytest.raises(DataError, match="the model has no label 'może'"):
        model.score([[user("?"), bot("może")]])


def test_a_reward_model_scores_the_better_answer_higher(tiny_base: Path, tmp_path: Path) -> None:
    tried = trial(tiny_base, "reward")
    tried.train(8)
    folder = tmp_path / "run" / "model"
    save_finished(tried.network.loaded, LORA, folder)
    model = RewardModel(load_finished(folder, tmp_path, device="cpu"))
    row = ranked(0)
    better, worse = model.rewards([[*row.prompt, answer] for answer in row.ranked])
    assert better > worse
