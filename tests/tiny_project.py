"""A project that trains in seconds, and the whole loop run over it once, for the tests of the flows and the verbs."""

from __future__ import annotations

import io
import json
import pickle
import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kamerton.ground.settings import Workspace
from shared import made_once

MATTERS = {
    "Drogi": [
        "dziura w jezdni przy moście",
        "krzywa płyta chodnikowa pod szkołą",
        "zgaszona latarnia na rondzie",
        "zarwany krawężnik koło apteki",
        "zasypany śniegiem podjazd do przychodni",
        "brak znaku stop na skrzyżowaniu",
    ],
    "Odpady": [
        "nieodebrany pojemnik na papier",
        "stara kanapa porzucona za garażami",
        "przepełniony dzwon na szkło",
        "worki z popiołem pod blokiem",
        "opony wyrzucone do rowu",
        "zgubiony harmonogram wywozu",
    ],
    "Zieleń": [
        "złamana gałąź nad placem zabaw",
        "suchy kasztanowiec przed kościołem",
        "nieskoszona trawa przy rowerowej ścieżce",
        "gniazdo szerszeni w lipie",
        "wniosek o wycięcie własnego świerka",
        "zalany skwer po ulewie",
    ],
}
OPENINGS = [
    "Dzień dobry, zgłaszam sprawę: {}. Proszę o szybką odpowiedź, {}.",
    "Od tygodnia jest u nas {}, a nikt się tym nie zajmuje! {}",
    "Szanowni Państwo, czy urząd wie, że na osiedlu Południe jest {}? Z poważaniem, {}",
    "{} - kto za to odpowiada? Dzwoniłem dwa razy. {}",
]
NAMES = ["Anna Zięba", "Jerzy", "mieszkanka", "Wiktor P.", "rodzice z ulicy Bocznej"]

RECIPE = """\
name: tiny
model: {base: base}
data:
  train: [data/letters.pl.jsonl]
  split: {validation: 0.1, test: 0.25}
  check: {min_train_rows: 10, min_test_rows: 8}
method: {kind: lora, rank: 4}
training: {epochs: 2, batch_size: 4, learning_rate: 1.0e-2, max_length: 400, compute: {threads: 1}, checkpoint_every: 5}
evaluation:
  metrics: [accuracy, perplexity]
  baselines: [base, few_shot]
  label: '^Wydział: (.+)$'
  shots: 1
  sets: {general: [data/general.jsonl]}
  max_new_tokens: 8
  resamples: 200
gate:
  primary: {metric: perplexity, better_than: base}
tracking: {followers: []}
"""


def letters() -> list[dict[str, str]]:
    """72 letters with the department that answers; no two are alike."""
    rows = []
    for department, matters in MATTERS.items():
        for number, matter in enumerate(matters):
            for turn, opening in enumerate(OPENINGS):
                name = NAMES[(number + turn) % len(NAMES)]
                rows.append(
                    {
                        "instruction": opening.format(matter, name),
                        "output": f"Wydział: {department}\nSprawa: {matter}",
                        "category": department,
                    }
                )
    return rows


def write_lines(path: Path, rows: list[Any]) -> Path:
    """JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_project(root: Path, base: Path) -> Path:
    """A copy of the base, the data, and the recipe, which is returned."""
    shutil.copytree(base, root / "base")
    write_lines(root / "data" / "letters.pl.jsonl", letters())
    general = [{"text": f"Zdanie numer {number}: rzeka płynie obok miasta."} for number in range(4)]
    write_lines(root / "data" / "general.jsonl", general)
    (root / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    return root / "recipe.yaml"


@dataclass(frozen=True)
class Answer:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document that is all of stdout."""
        return json.loads(self.out)


def kamerton(root: Path, *words: str, typed: str = "") -> Answer:
    """Run a command in this process, inside a folder."""
    from kamerton.cli.main import main

    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with chdir(root), redirect_stdout(out), redirect_stderr(err), _stdin(typed):
        try:
            code = main(list(words))
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
    out.flush()
    out.seek(0)
    return Answer(code, out.read(), err.getvalue())


@contextmanager
def _stdin(typed: str) -> Iterator[None]:
    import sys

    before, sys.stdin = sys.stdin, io.StringIO(typed)
    try:
        yield
    finally:
        sys.stdin = before


@dataclass
class Finished:
    """A project after the whole loop; tests that change it take a `copy`."""

    root: Path
    run_id: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By step: check, commit, train, early, evaluate, compare, add, promote, rebuild, report."""

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root, self.root / ".kamerton")

    @property
    def run(self) -> Path:
        return self.workspace.runs / self.run_id

    def copy(self, target: Path) -> Finished:
        """The same project elsewhere."""
        shutil.copytree(self.root, target, symlinks=True)
        return Finished(target, self.run_id, self.answers)


STEPS = {
    "check": ("check", "recipe.yaml", "--json"),
    "commit": ("data", "commit", "letters", "data/letters.pl.jsonl", "--tag", "first", "--json"),
    "train": ("train", "recipe.yaml", "--json"),
    "early": ("registry", "promote", "tiny@candidate", "--to", "staging", "--json"),
    "evaluate": ("evaluate", "last", "--on", "test", "--json"),
    "compare": ("compare", "last", "--json"),
    "add": ("registry", "add", "last", "--json"),
    "promote": ("registry", "promote", "tiny@candidate", "--to", "staging", "--reason", "a test", "--json"),
    "rebuild": ("rebuild", "last", "--json"),
    "report": ("report", "last", "--language", "pl", "--json"),
}


def _whole_loop(root: Path, base: Path) -> Finished:
    write_project(root, base)
    done = Finished(root)
    for name, words in STEPS.items():
        if name == "early":
            assert kamerton(root, "registry", "add", "last").code == 0
        done.answers[name] = kamerton(root, *words)
    done.run_id = done.answers["train"].document["run_id"]
    return done


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path, empty_database: Path) -> Finished:
    """The whole loop, run once for all workers of pytest-xdist; nobody writes to it."""

    def make(folder: Path) -> None:
        (folder / "project" / ".kamerton").mkdir(parents=True)
        shutil.copyfile(empty_database, folder / "project" / ".kamerton" / "mlflow.db")
        (folder / "finished.pickle").write_bytes(pickle.dumps(_whole_loop(folder / "project", tiny_base)))

    done: Finished = pickle.loads((made_once(tmp_path_factory, "whole-loop", make) / "finished.pickle").read_bytes())
    return done
