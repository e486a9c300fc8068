"""A project with a run whose checkpoints are kept, for the tests of what is proven by replay."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from kamerton.flows.train import train
from kamerton.ground.settings import Workspace
from kamerton.journal import RunFolder
from shared import made_once
from tiny_project import letters, write_lines

RECIPE = """\
name: audited
model: {{base: base}}
data:
  train: [data/letters.pl.jsonl]
  split: {{validation: 0.1, test: 0.25}}
  check: {{min_train_rows: 10, min_test_rows: 8}}
method: {{kind: {method}}}
training:
  max_steps: 12
  batch_size: 4
  learning_rate: 1.0e-2
  max_length: 400
  checkpoint_every: 3
  keep_checkpoints: 1
  keep_every: 6
  seed: 5
  compute: {{threads: 1, precision: fp32, device: cpu, forward_tokens: 200}}
tracking: {{followers: []}}
"""


@dataclass(frozen=True)
class Audited:
    """A project with one finished run: 12 steps, checkpoints of 6 and 12."""

    root: Path
    run_id: str

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root, self.root / ".kamerton")

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.workspace.runs / self.run_id)

    def copy(self, target: Path) -> Audited:
        shutil.copytree(self.root, target, symlinks=True)
        return Audited(target, self.run_id)

    def train(self, *overrides: str, name: str = "other") -> RunFolder:
        """Another run of the same recipe, or of one with changes."""
        record = train(self.root / "recipe.yaml", self.workspace, overrides=list(overrides), run_name=name)
        return RunFolder(self.workspace.runs / record.run_id)


def shared_from(run: RunFolder, step: int, processes: int = 2) -> None:
    """The journal as if so many processes had made the steps after one."""
    lines = run.events_file.read_text(encoding="utf-8").splitlines()
    place = next(number for number, line in enumerate(lines) if json.loads(line).get("step") == step + 1)
    lines.insert(place, json.dumps({"kind": "resumed", "time": "", "step": step, "processes": processes}))
    run.events_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_audited(root: Path, base: Path, method: str = "lora, rank: 4, dropout: 0.1") -> Audited:
    shutil.copytree(base, root / "base")
    write_lines(root / "data" / "letters.pl.jsonl", letters())
    (root / "recipe.yaml").write_text(RECIPE.format(method=method), encoding="utf-8")
    made = Audited(root, "")
    return Audited(root, made.train(name="audited").run_id)


@pytest.fixture(scope="session")
def audited_once(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Audited:
    """Made once; nobody writes to it."""
    folder = made_once(tmp_path_factory, "audited", lambda folder: write_audited(folder / "project", tiny_base))
    (run,) = (folder / "project" / ".kamerton" / "runs").iterdir()
    return Audited(folder / "project", run.name)


@pytest.fixture
def audited(audited_once: Audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audited:
    copied = audited_once.copy(tmp_path / "p")
    monkeypatch.chdir(copied.root)
    return copied
