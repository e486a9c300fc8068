"""What flows tell alarms of the rows."""

from __future__ import annotations

from typing import Any

from kamerton.data import Row
from kamerton.flows.alarms import general_rows, language_facts
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe
from tiny_project import write_lines

POLISH = "Proszę o informację, kiedy będzie odebrany pojemnik, który stoi przed moim domem od tygodnia."
ENGLISH = "Please tell me when the container that has been in front of my house will be collected."


def _row(question: str, answer: str) -> Row:
    return Row(messages=({"role": "user", "content": question}, {"role": "assistant", "content": answer}))


def _recipe(**changes: Any) -> Recipe:
    base: dict[str, Any] = {"model": {"base": "tiny-pl"}, "data": {"train": ["rows.jsonl"]}}
    return Recipe.model_validate(base | changes)


def test_answers_in_another_language_are_counted() -> None:
    rows = [_row(f"{POLISH} {n}", ENGLISH) for n in range(30)] + [_row(f"{POLISH} {n}", POLISH) for n in range(10)]
    assert language_facts(rows, 1) == {"judged": 40, "mixed": 30}


def test_short_texts_and_plain_texts_are_not_judged() -> None:
    assert language_facts([_row("2 + 2 = ?", "4"), Row(text=POLISH)], 1) == {"judged": 0, "mixed": 0}
    assert language_facts([], 1) == {"judged": 0, "mixed": 0}


def test_the_general_set_is_given_or_packaged(workspace: Workspace) -> None:
    packaged = general_rows(_recipe(), workspace)
    assert len(packaged) == 24
    write_lines(workspace.root / "own.jsonl", [{"text": f"Text number {number}."} for number in range(80)])
    assert len(general_rows(_recipe(evaluation={"sets": {"general": ["own.jsonl"]}}), workspace)) == 64
    named = {"alarms": {"forgetting_set": ["own.jsonl"]}}
    assert general_rows(_recipe(training=named), workspace)[0].text == "Text number 0."


def test_nothing_is_measured_where_nothing_can_be_forgotten(workspace: Workspace) -> None:
    assert general_rows(_recipe(training={"alarms": {"forgetting": "off"}}), workspace) == []
    scratch = {"model": {"architecture": {}}, "method": {"kind": "full"}, "training": {"objective": "pretrain"}}
    assert general_rows(_recipe(**scratch), workspace) == []
