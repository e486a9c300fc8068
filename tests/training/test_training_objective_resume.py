"""A run of each objective that is stopped and goes on ends with the bytes of one that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import training_samples as samples
from objective_samples import LORA, ROWS, loaded, options

from kamerton.ground.errors import Interrupted
from kamerton.journal import RunFolder
from kamerton.records import RunResult
from kamerton.training.environment import make_deterministic
from kamerton.training.objectives import build_objective
from kamerton.training.run import run_training

GRPO = {"rewards": ["regex:[aeiou]"], "group": 2, "max_new_tokens": 4, "passes": 2, "beta": 0.05}
QUICK = ("kto", "grpo")
KINDS = [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in ROWS]


def run_on(base: Path, run: RunFolder, kind: str, stop_at: int | None = None) -> RunResult:
    """Five steps with validation and checkpoints, from where the run stands."""
    chosen = options(kind, **(GRPO if kind == "grpo" else {})).model_copy(
        update={"max_steps": 5, "checkpoint_every": 2, "evaluate_every": 2, "learning_rate": 1e-2, "batch_size": 2}
    )
    make_deterministic(chosen.seed, 1)
    rows = [ROWS[kind](number) for number in range(8)]
    model = loaded(base, chosen, rows, LORA)
    objective = build_objective(chosen, model)
    parts = {"train": objective.examples(rows[:5]).examples, "validation": objective.examples(rows[5:]).examples}

    def stop(event: dict[str, Any]) -> None:
        if event.get("step") == stop_at and "loss" in event:
            run.stop_file.touch()

    with run.held():
        return run_training(model, objective, parts, samples.recipe(LORA, chosen), run, on_progress=stop)


@pytest.mark.parametrize("kind", KINDS)
def test_stopped_at_any_step_it_goes_on_to_the_same_bytes(kind: str, tiny_base: Path, tmp_path: Path) -> None:
    whole = run_on(tiny_base, samples.new_run(tmp_path / "whole"), kind)
    for step in (1, 3):
        run = samples.new_run(tmp_path / f"stopped-{step}")
        with pytest.raises(Interrupted):
            run_on(tiny_base, run, kind, stop_at=step)
        run.stop_file.unlink(missing_ok=True)
        again = run_on(tiny_base, run, kind)
        assert (again.model_sha256, again.trace_head) == (whole.model_sha256, whole.trace_head)
        assert again.attempts == 2
