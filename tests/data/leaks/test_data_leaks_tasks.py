"""lm-eval tasks: their items are read without lm-eval, and what cannot be read is refused with a reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from kamerton.data.leaks import contamination, is_task, read_task
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.recipe import LeakSection

RECORDS = [
    {"question": " Jaka jest stolica Polski? ", "choices": ["Kraków", "Warszawa"], "answer": 1, "text": "długi tekst"},
    {"question": "What is the capital of France?", "choices": ["Paris", "Lyon"], "answer": 0, "text": "a text"},
]
BASE = """
task: capitals
dataset_path: json
dataset_kwargs: {data_files: {test: items.jsonl}}
test_split: test
"""


def write(folder: Path, text: str, name: str = "task.yaml") -> Path:
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
    (folder / "items.jsonl").write_text(lines, encoding="utf-8")
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def said(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [tuple(message["content"] for message in row.messages or ()) or (row.text,) for row in rows]


@pytest.mark.parametrize(
    "templates",
    [
        'doc_to_text: "Question: {{question.strip()}}\\nAnswer:"\ndoc_to_target: "{{choices[answer]}}"',
        "doc_to_text: question\ndoc_to_target: answer\ndoc_to_choice: choices",
        'doc_to_text: question\ndoc_to_target: "{{answer}}"\ndoc_to_choice: "{{choices}}"',
        'doc_to_text: "{{question|trim}} Pick one."\ndoc_to_target: "{{choices[answer]}}"',
        'doc_to_text: "{% if question %}{{question}}{% else %}none{% endif %}"\ndoc_to_target: "{{choices[answer]}}"',
    ],
)
def test_question_and_answer_are_what_the_templates_take_from_the_data(tmp_path: Path, templates: str) -> None:
    rows = read_task(write(tmp_path, BASE + templates), tmp_path)
    assert said(rows) == [("Jaka jest stolica Polski?", "Warszawa"), ("What is the capital of France?", "Paris")]
    assert [(row.file, row.line) for row in rows] == [("items.jsonl", 1), ("items.jsonl", 2)]
    train = [Row(text="quiz: what is the capital of france"), Row(text="nothing of the kind")]
    assert contamination(train, rows, LeakSection(canaries=0)).contaminated == [False, True]


def test_fixed_choices_and_a_fixed_target(tmp_path: Path) -> None:
    task = BASE + 'doc_to_text: question\ndoc_to_target: answer\ndoc_to_choice: ["no", "yes"]'
    assert [each[1] for each in said(read_task(write(tmp_path, task), tmp_path))] == ["yes", "no"]
    task = BASE + "doc_to_text: question\ndoc_to_target: 1\ndoc_to_choice: {a: nie, b: tak}"
    assert [each[1] for each in said(read_task(write(tmp_path, task), tmp_path))] == ["tak", "tak"]


def test_a_task_without_a_question_is_a_text(tmp_path: Path) -> None:
    task = BASE + 'doc_to_text: ""\ndoc_to_target: "{{text}}"'
    assert said(read_task(write(tmp_path, task), tmp_path)) == [("długi tekst",), ("a text",)]


def test_included_files_splits_lists_and_places(tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    folder.mkdir()
    write(folder, BASE + "doc_to_text: question\ndoc_to_target: text", "base.yaml")
    (folder / "more.jsonl.gz").write_bytes(gzip.compress(json.dumps(RECORDS[0]).encode()))
    own = "include: base.yaml\ndataset_kwargs: {data_files: {val: [items.jsonl, more.jsonl.gz]}}\n"
    own += "test_split: null\nvalidation_split: val\ndoc_to_target: question\n"
    (folder / "own.yaml").write_text(own, encoding="utf-8")
    # Data files are looked for beside the task, too.
    assert len(read_task(folder / "own.yaml", tmp_path)) == 3
    assert is_task("a/own.YAML")
    assert not is_task("own.jsonl")


def test_a_column_file_and_a_list_of_files(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(RECORDS), tmp_path / "items.parquet")
    task = "dataset_path: parquet\ndataset_kwargs: {data_files: items.parquet}\ndoc_to_text: question\n"
    rows = read_task(write(tmp_path, task + "doc_to_target: text"), tmp_path)
    assert [row.answer for row in rows] == ["długi tekst", "a text"]


@pytest.mark.parametrize(
    ("task", "what"),
    [
        ("dataset_path: cais/mmlu\ndataset_name: anatomy\ndoc_to_text: question", "not in local files.*cais/mmlu"),
        ("task: x\n", "not in local files.*nothing"),
        (BASE.replace("test_split: test", "test_split: dev"), "no data_files of the split dev"),
        (BASE.replace("items.jsonl", "nix.jsonl"), "nix.jsonl"),
        (BASE.replace("{test: items.jsonl}", "{test: 3}"), "no name and no list of names"),
        (BASE + "process_docs: !function utils.process", "made by code, utils.process"),
        (BASE + "doc_to_text: !function utils.text\ndoc_to_target: text", "doc_to_text is made by code, utils.text"),
        (BASE + "doc_to_text: 3\ndoc_to_target: text", "doc_to_text is made by 3"),
        (BASE + 'doc_to_text: "{{nix}}"\ndoc_to_target: text', "template does not fit.*nix"),
        (BASE + 'doc_to_text: "{{question"\ndoc_to_target: text', "template does not fit"),
        (BASE + 'doc_to_text: "{{1 / 0}}"\ndoc_to_target: text', "template does not fit"),
        (BASE + 'doc_to_text: "{{question.__class__.mro()}}"\ndoc_to_target: text', "template does not fit"),
        (BASE + "doc_to_text: question\ndoc_to_target: 5\ndoc_to_choice: choices", "choice 5 of 2"),
        (BASE + 'doc_to_text: question\ndoc_to_target: 0\ndoc_to_choice: "{{text}}"', "gives no list"),
        ("group: many\ntask: [a, b]", "not a task"),
        ("just words", "not a task"),
        ("a: [", "cannot be read"),
        ("!!python/object/apply:os.system [true]", "cannot be read"),
        ("include: task.yaml", "includes itself"),
        ("include: nix.yaml", "no such task file"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, task: str, what: str) -> None:
    with pytest.raises(DataError, match=f"(?s){what}") as error:
        read_task(write(tmp_path, task), tmp_path)
    assert error.value.where


def test_a_broken_item_stops_the_reading(tmp_path: Path) -> None:
    task = write(tmp_path, BASE + "doc_to_text: question\ndoc_to_target: text")
    with (tmp_path / "items.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"question": \n')
    with pytest.raises(DataError) as error:
        read_task(task, tmp_path)
    assert error.value.where == "items.jsonl:3"
    (tmp_path / "items.jsonl").write_text("[1]\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected an object"):
        read_task(task, tmp_path)
