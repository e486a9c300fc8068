"""Check: recipe, data and machine, before anything runs."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kamerton.data import Row
from kamerton.flows.data_context import token_limit
from kamerton.flows.foreign_template import template_difference
from kamerton.flows.models import ModelRef, open_model
from kamerton.flows.prepare import Prepared, prepare
from kamerton.flows.sources import OnStep, nobody, whole_rows
from kamerton.flows.train import load_recipe
from kamerton.ground.errors import KamertonError
from kamerton.ground.settings import Workspace
from kamerton.recipe import Recipe, ResolvedRecipe, Translation
from kamerton.records.data import DataReport

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
    """steps, tokens per epoch, peak memory and time; empty where the model or the data cannot be read."""

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
    on_step: OnStep = nobody,
) -> CheckResult:
    """Everything that would fail, told before it costs anything; nothing is written.

    Args:
        on_step: called with what is done next.

    Raises:
        RecipeError: the recipe itself is wrong.
    """
    place = workspace or Workspace.at()
    resolved = load_recipe(path, overrides, workspace=place)
    items = [CheckItem("recipe", True, f"{len(resolved.values)} values, digest {resolved.digest[:16]}")]
    if resolved.translation is not None:
        items += _translation_items(resolved.translation, resolved.recipe, place)
    no_model: list[CheckItem] = []
    tokens = _checked(no_model, "model", lambda: token_limit(resolved.recipe, place))
    ready = partial(prepare, resolved.recipe, place, commit=False, tokens=tokens, on_step=on_step)
    prepared = _checked(items, "data can be read", ready)
    if prepared is not None:
        items += _data_items(prepared)
    on_step("sets and model")
    items += _set_items(resolved, place)
    items += no_model
    forecast = {} if no_model else _checked(items, "model", lambda: _forecast(resolved, prepared, place)) or {}
    if forecast:
        items += _prompt_items(resolved.recipe, prepared.parts["test"] if prepared else [], place)
        items += _machine_items(forecast, place)
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
        same = f"the tokenizer's own template writes what {name} of LLaMA-Factory writes"
        unknown = f"what {name} of LLaMA-Factory writes is not known here; the tokenizer's own template is taken"
        if items[-1].passed:
            text = unknown if differs is None else f"not the text of {name}: {differs}" if differs else same
            items.append(CheckItem("template", True, text, doubtful=differs != ""))
    return items


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
    told = f"{report.rows_read} read, {report.rows_ok} understood, {report.rows_used} used{made}: {counts}"
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


def _prompt_items(recipe: Recipe, test: list[Row], workspace: Workspace) -> list[CheckItem]:
    """A prompt without room for its answer would end the evaluation, and a run cannot be given other options."""
    if recipe.model.base is None or set(recipe.evaluation.metrics) == {"perplexity"}:
        return []
    generator = open_model(ModelRef(recipe.model.base), workspace, template=recipe.model.chat_template)
    room = recipe.evaluation.max_new_tokens
    asked = [row for row in test if row.messages is not None]
    long = sum(not generator.fits(row.prompt, room, tools=row.tools) for row in asked)
    text = f"{long} of {len(asked)} test prompts leave no room for an answer of {room} tokens"
    return [CheckItem("prompts", not long, text)]


def _forecast(resolved: ResolvedRecipe, prepared: Prepared | None, workspace: Workspace) -> dict[str, Any]:
    from kamerton.training.forecast import forecast

    recipe = resolved.recipe
    if prepared is None:
        return forecast(recipe, [], workspace.root)
    return forecast(recipe, prepared.parts["train"], workspace.root, prepared.weights)


def _machine_items(forecast: dict[str, Any], workspace: Workspace) -> list[CheckItem]:
    import psutil

    free = psutil.virtual_memory().available
    need = forecast["peak_bytes"]
    disk = shutil.disk_usage(next(path for path in (workspace.home, *workspace.home.parents) if path.exists())).free
    return [
        CheckItem("memory", need < free, f"about {need / 2**20:,.0f} MiB of {free / 2**20:,.0f} MiB free"),
        CheckItem(
            "disk",
            forecast["disk_bytes"] < disk,
            f"about {forecast['disk_bytes'] / 2**20:,.0f} MiB of {disk / 2**20:,.0f} MiB free",
        ),
    ]
