"""Check: recipe, data and machine, before anything runs."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kamerton.data.statistics import TokenLimit
from kamerton.flows.data_context import token_limit
from kamerton.flows.forecast import Foreseen, foresee
from kamerton.flows.foreign_template import template_difference
from kamerton.flows.prepare import Prepared, prepare
from kamerton.flows.preparing import Preparer
from kamerton.flows.sources import OnStep, nobody, whole_rows
from kamerton.flows.train import load_recipe
from kamerton.ground.errors import KamertonError, RequestError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe, ResolvedRecipe, Translation
from kamerton.records.data import DataReport
from kamerton.training.deepspeed import read_deepspeed
from kamerton.training.forecast.gpus import find_gpu
from kamerton.training.machine import machine_shape

__all__ = ["CheckItem", "CheckResult", "check"]


@dataclass(frozen=True)
class CheckItem:
    """One line of the checklist."""

    name: str
    passed: bool
    text: str
    doubtful: bool = False
    """Passed, and worth a look."""


@dataclass(frozen=True)
class CheckResult:
    """The checklist before training."""

    resolved: ResolvedRecipe
    items: list[CheckItem]
    data: DataReport | None
    forecast: dict[str, Any] = field(default_factory=dict)
    """Steps, tokens, memory, time and disk with their intervals; empty where the model cannot be read."""

    @property
    def passed(self) -> bool:
        return all(item.passed for item in self.items)

    def document(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "items": [asdict(item) for item in self.items],
            "forecast": self.forecast,
            "recipe": self.resolved.recipe.model_dump(mode="json"),
            "recipe_digest": self.resolved.digest,
            "values": [asdict(value) for value in self.resolved.values],
            "data": self.data.model_dump(mode="json") if self.data else None,
        }


def check(
    path: Path | str,
    workspace: Workspace | None = None,
    *,
    overrides: list[str] | None = None,
    machine: str | None = None,
    quick: bool = False,
    on_step: OnStep = nobody,
) -> CheckResult:
    """Everything that would fail, told before it costs anything; nothing is written.

    Args:
        machine: a GPU of the table: the recipe is resolved, and its needs are reckoned, for that one.
        quick: reckon by shapes what would else be measured in a few steps; no model is loaded.
        on_step: called with what is done next.

    Raises:
        RecipeError: the recipe itself is wrong.
        RequestError: no such machine.
    """
    began = time.monotonic()
    place = workspace or Workspace.at()
    resolved = load_recipe(path, overrides, workspace=place, machine=machine)
    items = [CheckItem("recipe", True, f"{len(resolved.values)} values, digest {resolved.digest[:16]}")]
    items += [CheckItem("settings", True, text, doubtful=True) for text in resolved.recipe.warnings]
    if resolved.translation is not None:
        items += _translation_items(resolved.translation, resolved.recipe, place)
    no_model: list[CheckItem] = []
    with Preparer() as preparer:
        ready = preparer.ask(resolved.recipe, place, commit=False, on_step=on_step)
        tokens = _checked(no_model, "model", lambda: token_limit(resolved.recipe, place))
        if no_model:  # letters are counted then
            ready = partial(prepare, resolved.recipe, place, commit=False, on_step=on_step)
        prepared = _checked(items, "data can be read", ready)
    if prepared is not None:
        items += _data_items(prepared)
    on_step("sets")
    items += _set_items(resolved, place)
    if no_model and machine and machine_shape(resolved.recipe, place.root):
        text = "its config.json alone is here: tokens are reckoned from letters"
        no_model = [CheckItem("model", True, text, doubtful=True)]
    items += no_model
    forecast: dict[str, Any] = {}
    if all(item.passed for item in no_model):
        on_step("forecast" if quick or machine else "forecast: a few steps are measured")
        gpu = find_gpu(machine) if machine else None
        wanted = partial(foresee, resolved.recipe, prepared, tokens, place, gpu=gpu, quick=quick, began=began)
        foreseen = _checked(items, "model", wanted)
        if foreseen is not None:
            forecast = foreseen.forecast.document() | {"advice": foreseen.advice}
            items += _prompt_items(resolved.recipe, prepared, tokens, foreseen.context)
            items += _need_items(foreseen, place)
            if foreseen.forecast.measured_steps:
                items.append(_class_item(resolved.recipe))
    return CheckResult(resolved, items, prepared.report if prepared else None, forecast)


def _translation_items(translation: Translation, recipe: Recipe, workspace: Workspace) -> list[CheckItem]:
    """What became of a LLaMA-Factory file."""
    became = sum(told.fate == "became" for told in translation.told)
    counted = (
        f"{len(translation.told)} keys: {became} became values of the recipe, {len(translation.told) - became} change "
    )
    said = "; ".join([f"{counted}nothing here (--explain)", *translation.notices])
    items = [CheckItem("LLaMA-Factory", True, said, doubtful=bool(translation.notices))]
    name = translation.template
    if name is not None:
        differs = _checked(items, "template", partial(template_difference, name, recipe, workspace))
        ours = recipe.model.chat_template
        taken = "the tokenizer's own template" if ours == "tokenizer" else ours
        same = f"{taken} writes what {name} of LLaMA-Factory writes"
        unknown = f"what {name} of LLaMA-Factory writes is not known here; {taken} is taken"
        if items[-1].passed:
            text = unknown if differs is None else f"not the text of {name}: {differs}" if differs else same
            items.append(CheckItem("template", True, text, doubtful=differs != ""))
    return items + _deepspeed_items(translation)


def _deepspeed_items(translation: Translation) -> list[CheckItem]:
    """A file that one process does not need would stop several."""
    file = next((told.value for told in translation.told if told.key == "deepspeed" and told.value), None)
    if file is None:
        return []
    try:
        strategy, _ = read_deepspeed(file)
    except RequestError as error:
        return [CheckItem("deepspeed", True, f"several processes would be refused: {error}", doubtful=True)]
    return [CheckItem("deepspeed", True, f"with several processes: {strategy}")]


def _checked(items: list[CheckItem], name: str, step: Any) -> Any:
    """The step's result; an error of it becomes a failed line of the list."""
    try:
        return step()
    except KamertonError as error:
        items.append(CheckItem(name, False, str(error)))
        return None


def _data_items(prepared: Prepared) -> list[CheckItem]:
    report = prepared.report
    counts = ", ".join(f"{name} {rows}" for name, rows in report.splits.items())
    made = f" ({report.augmentation.made} of them augmented)" if report.augmentation else ""
    given = f" ({report.rows_given_system} given data.system)" if report.rows_given_system else ""
    told = f"{report.rows_read} read, {report.rows_ok} understood{given}, {report.rows_used} used{made}: {counts}"
    items = [CheckItem("rows", True, told)]
    for asked in report.checklist:
        if asked.state == "unknown":
            continue
        text = f"{asked.text}; {asked.setting}" if asked.state == "failed" and asked.setting else asked.text
        items.append(CheckItem(asked.name, asked.state != "failed", text, doubtful=asked.state == "warning"))
    items.append(
        CheckItem("data", report.passed, f"fingerprint {report.fingerprint[:16]}, {len(report.findings)} findings")
    )
    return items


def _set_items(resolved: ResolvedRecipe, workspace: Workspace) -> list[CheckItem]:
    """A set that cannot be read would be noticed only after the training."""
    items: list[CheckItem] = []
    for name, sources in resolved.recipe.evaluation.sets.items():
        rows = _checked(items, f"set {name}", partial(whole_rows, sources, workspace))
        if rows is not None:
            items.append(CheckItem(f"set {name}", bool(rows), f"{len(rows)} rows"))
    return items


def _prompt_items(
    recipe: Recipe, prepared: Prepared | None, tokens: TokenLimit | None, context: int
) -> list[CheckItem]:
    """A prompt without room for its answer would end the evaluation, and a run cannot be given other options."""
    if prepared is None or tokens is None or set(recipe.evaluation.metrics) == {"perplexity"}:
        return []
    room, chat = recipe.evaluation.max_new_tokens, tokens.format
    asked = [row for row in prepared.parts["test"] if row.messages is not None]
    long = sum(len(chat.prompt_ids(row.prompt, tools=row.tools)) + room > context for row in asked)
    text = f"{long} of {len(asked)} test prompts leave no room for an answer of {room} tokens"
    return [CheckItem("prompts", not long, text)]


def _need_items(foreseen: Foreseen, workspace: Workspace) -> list[CheckItem]:
    """Memory, time and disk beside what there is."""
    found, room = foreseen.forecast, foreseen.room
    memory, disk, mib = found.memory, found.disk, 2**20
    share = found.trainable / max(found.parameters, 1)
    moving = f"{found.trainable:,} of {found.parameters:,} move ({share:.2%})"
    how = f"{found.measured_steps} steps measured" if found.measured_steps else "reckoned by shapes"
    there = f"{room / mib:,.0f} MiB " + ("free" if found.machine == "this machine" else f"of a {found.machine}")
    text = f"about {memory.likely / mib:,.0f} ({memory.low / mib:,.0f} to {memory.high / mib:,.0f}) of {there}; {how}"
    fits = memory.likely <= room
    items = [CheckItem("weights", found.trainable > 0, moving)]
    items += [CheckItem("memory", fits, "; ".join([text, *foreseen.advice]), doubtful=memory.high > room)]
    if found.seconds is not None:
        low, likely, high = (duration(each) for each in found.seconds)
        text = f"about {likely} ({low} to {high}) for {found.amount.steps:,} steps"
        items.append(CheckItem("time", True, text))
    if found.machine == "this machine":
        home = next(path for path in (workspace.home, *workspace.home.parents) if path.exists())
        free = shutil.disk_usage(home).free
        text = f"about {disk.likely / mib:,.0f} (up to {disk.high / mib:,.0f}) of {free / mib:,.0f} MiB free"
        items.append(CheckItem("disk", disk.likely < free, text, doubtful=disk.high > free))
    return items


def _class_item(recipe: Recipe) -> CheckItem:
    """How this machine computes: one where both are as in a run's record makes that run's model again."""
    from kamerton.models.load import pick_device
    from kamerton.training.environment import capture_environment
    from kamerton.training.probe import probe

    compute = recipe.training.compute
    threads, precision, device = compute.threads or 1, compute.precision or "fp32", pick_device(compute.device)
    here = capture_environment(device, threads, probe(threads, precision, device).hash)
    processor = here.cpu if device.type == "cpu" else here.device
    counted = f"{threads} thread{'s' * (threads > 1)}"
    return CheckItem(
        "machine class",
        True,
        f"{processor}, {counted}, {precision}: class {here.class_digest}, probe {here.probe}",
    )


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min`, `3.5 h`, `2.1 days`."""
    for size, unit in ((86_400, "days"), (3_600, "h")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / 60:,.0f} min" if seconds >= 120 else f"{seconds:,.0f} s"
