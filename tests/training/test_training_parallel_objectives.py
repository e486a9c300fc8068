"""Every kind of objective shared by two processes: the losses of one, and a resumption to the same bits."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kamerton.ground.digests import folder_digests
from kamerton.journal import RunFolder, read_events, read_trace
from tiny_project import write_lines

RECIPE = """\
name: shared
model: {base: base, quantization: STORED}
data: {train: [rows.jsonl], split: {validation: 0.15, test: 0.15}, check: {min_train_rows: 10, min_test_rows: 2}}
method: METHOD
training:
  objective: OBJECTIVE
  max_steps: 4
  batch_size: 5
  learning_rate: 1.0e-2
  max_length: 200
  checkpoint_every: 2
  keep_checkpoints: 3
  evaluate_every: 2
  compute: {threads: 1, precision: fp32, device: cpu, forward_tokens: 200}
  parallel: {strategy: STRATEGY}
tracking: {followers: []}
"""
PLACES = ["urzędzie", "szkole", "parku", "bibliotece", "muzeum", "szpitalu", "sądzie", "teatrze"]

TOGETHER = ("--on", "torchrun", "--processes", "2")


def _question(number: int) -> str:
    kind = ["dojazd", "godziny otwarcia", "opłata", "zapis", "skarga"][number // 8]
    return f"Sprawa numer {number * 37}: {kind} w {PLACES[number % 8]}, proszę o informację."


def _ranked(number: int) -> dict[str, Any]:
    return {"prompt": _question(number), "chosen": f"Pokój {number}.", "rejected": "Nie wiem, proszę iść dalej."}


def _rated(number: int) -> dict[str, Any]:
    return {"prompt": _question(number), "completion": f"Pokój {number}.", "label": number % 2 == 0}


def _answered(number: int) -> dict[str, Any]:
    return {"prompt": _question(number), "completion": ["urząd", "kultura"][number % 2]}


LORA, FULL = "{kind: lora, rank: 4}", "{kind: full}"
GRPO = "{kind: grpo, rewards: ['form:(?s).*[aeiou].*'], group: 4, max_new_tokens: 4, beta: 0.1, passes: 2}"
EWC = "sft\n  ewc: {source: rows.jsonl, strength: 10, rows: 8}"


@dataclass(frozen=True)
class Case:
    """A training that is shared; the words are those of the recipe."""

    objective: str
    row: Callable[[int], dict[str, Any]]
    method: str
    strategy: str
    stored: str = "none"

    def __str__(self) -> str:
        kind, *more = re.findall(r"[a-z0-9]+", self.objective.removeprefix("{kind"))
        told = [word for word in more if word in ("ewc", "reference")]
        return "-".join([kind, *told, self.strategy, self.stored]).removesuffix("-none")

    def write(self, file: Path) -> None:
        text = RECIPE.replace("METHOD", self.method).replace("STRATEGY", self.strategy).replace("STORED", self.stored)
        file.write_text(text.replace("OBJECTIVE", self.objective), encoding="utf-8")


SHARED = [
    Case("dpo", _ranked, LORA, "fsdp2"),
    Case("{kind: dpo, reference: base}", _ranked, LORA, "fsdp2"),
    Case("simpo", _ranked, LORA, "fsdp2"),
    Case("orpo", _ranked, FULL, "ddp"),
    Case("kto", _rated, LORA, "ddp"),
    Case("kto", _rated, FULL, "fsdp2"),
    Case("reward", _ranked, LORA, "fsdp2"),
    Case("classification", _answered, FULL, "fsdp2"),
    Case("classification", _answered, LORA, "ddp"),
    Case(GRPO, _answered, LORA, "ddp"),
    Case(GRPO, _answered, LORA, "fsdp2"),
    Case(EWC, _answered, FULL, "fsdp2"),
    Case("sft", _answered, LORA, "fsdp2", "nf4"),
]


def _train(root: Path, *words: str) -> RunFolder:
    done = subprocess.run(
        [sys.executable, "-m", "kamerton", "train", *words, "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return RunFolder(root / ".kamerton" / "runs" / json.loads(done.stdout)["run_id"])


def _back_to(run: RunFolder, step: int) -> None:
    """The run as if it had been killed soon after a step."""
    run.record_file.unlink()
    shutil.rmtree(run.model)
    for checkpoint in run.checkpoints.iterdir():
        if int(checkpoint.name.removeprefix("step-")) > step:
            shutil.rmtree(checkpoint)


def _validations(run: RunFolder) -> list[float]:
    return [event["loss"] for event in read_events(run.path) if event["kind"] == "evaluated"]


@pytest.mark.slow
@pytest.mark.parametrize("case", SHARED, ids=str)
def test_two_processes_learn_as_one_and_go_on_to_the_same_bits(tmp_path: Path, tiny_base: Path, case: Case) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    write_lines(tmp_path / "rows.jsonl", [case.row(number) for number in range(40)])
    case.write(tmp_path / "recipe.yaml")
    alone, together = _train(tmp_path, "recipe.yaml"), _train(tmp_path, "recipe.yaml", *TOGETHER)
    steps, shared = read_trace(alone.path), read_trace(together.path)
    assert [step.batch for step in shared] == [step.batch for step in steps]
    assert len({step.loss for step in steps}) == len(steps), "a loss that does not move shows nothing"
    for name in ("loss", "grad_norm"):
        expected = [getattr(step, name) for step in steps]
        assert [getattr(step, name) for step in shared] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    assert _validations(together) == pytest.approx(_validations(alone), rel=1e-3, abs=1e-6)
    trace, model = together.trace_file.read_bytes(), folder_digests(together.model)
    _back_to(together, 2)
    assert _train(tmp_path, "--resume", together.run_id, *TOGETHER).run_id == together.run_id
    assert (together.trace_file.read_bytes(), folder_digests(together.model)) == (trace, model)
