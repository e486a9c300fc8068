"""Trainings of a second: rows written for the purpose, a model of two layers, a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kamerton.data.rows import Row
from kamerton.journal import RunFolder
from kamerton.models.load import LoadedModel, load_base
from kamerton.models.methods import apply_method
from kamerton.recipe import FullMethod, LoraMethod, Method, Recipe, TrainingSection
from kamerton.records import RunResult
from kamerton.training.environment import make_deterministic
from kamerton.training.examples import Example
from kamerton.training.objectives import build_objective
from kamerton.training.run import run_training

LORA = LoraMethod(rank=2, dropout=0.1, targets=["q_proj", "v_proj"])
"""With dropout, so that a lost random state shows."""
FULL = FullMethod(kind="full")
SILENT = dict.fromkeys(("spike", "divergence", "plateau", "over_fitting", "under_fitting"), "off")
SILENT |= dict.fromkeys(("learning_rate", "forgetting", "throughput", "data"), "off")
METHODS: dict[str, Method] = {"lora": LORA, "full": FULL}

THINGS = ["dowód", "paszport", "meldunek", "akt ślubu", "parking", "drzewo", "chodnik", "szkoła", "woda", "śmieci"]
ASKED = ["Gdzie załatwię: {}?", "Ile kosztuje {}", "Proszę o pomoc, sprawa: {}."]


def row(index: int) -> Row:
    """A short question with a short answer; no two indices up to 29 are alike."""
    thing = THINGS[index % len(THINGS)]
    question = ASKED[index // len(THINGS)].format(thing)
    answer = f"{thing.capitalize()}: pokój {index + 1}."
    return Row(messages=({"role": "user", "content": question}, {"role": "assistant", "content": answer}))


def rows(count: int) -> list[Row]:
    return [row(index) for index in range(count)]


def options(*, compute: dict[str, Any] | None = None, **changes: Any) -> TrainingSection:
    """9 steps of 2 examples: 2 epochs of 5 steps, less the last one."""
    layout = {"threads": 1, "device": "cpu", "precision": "fp32", "forward_tokens": 64} | (compute or {})
    chosen = {"learning_rate": 1e-2, "max_steps": 9, "batch_size": 2, "checkpoint_every": 4, "seed": 7}
    return TrainingSection(**(chosen | {"compute": layout, "max_length": 64, "alarms": SILENT} | changes))


def start(base: Path, method: Method, wanted: TrainingSection) -> LoadedModel:
    """The base with the method applied, everything settled for equal bits."""
    make_deterministic(wanted.seed, wanted.compute.threads or 1)
    loaded = load_base(str(base), base.parent, device=wanted.compute.device)
    apply_method(loaded, method, seed=wanted.seed)
    return loaded


def parts(loaded: LoadedModel, wanted: TrainingSection, count: int = 10) -> dict[str, list[Example]]:
    """`count` examples to train on and three to validate on."""
    built = build_objective(wanted, loaded).examples(rows(count + 3)).examples
    return {"train": built[:count], "validation": built[count:]}


def recipe(method: Method, wanted: TrainingSection) -> Recipe:
    return Recipe.model_validate({"model": {"base": "base"}, "data": {"train": ["rows"]}}).model_copy(
        update={"method": method, "training": wanted}
    )


def train_on(
    loaded: LoadedModel,
    examples: dict[str, list[Example]],
    method: Method,
    wanted: TrainingSection,
    run: RunFolder,
    **more: Any,
) -> RunResult:
    """Begin a run of a model that is ready, or go on with it."""
    return run_training(loaded, build_objective(wanted, loaded), examples, recipe(method, wanted), run, **more)


def train(base: Path, run: RunFolder, method: Method, wanted: TrainingSection | None = None, **more: Any) -> RunResult:
    """Begin a run, or go on with it."""
    wanted = wanted or options()
    loaded = start(base, method, wanted)
    with run.held():
        return train_on(loaded, parts(loaded, wanted), method, wanted, run, **more)


def new_run(folder: Path, name: str = "run") -> RunFolder:
    return RunFolder.create(folder, {"name": name}, name)
