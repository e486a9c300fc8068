"""Prepare by hand: the rows that a recipe's run would learn from, as files for whatever trains on them."""

from __future__ import annotations

from pathlib import Path

from kamerton.data.batches import Runner
from kamerton.data.export import write_jsonl
from kamerton.flows.check_data import write_page
from kamerton.flows.data_context import token_limit
from kamerton.flows.destination import refuse_taken
from kamerton.flows.prepare import Prepared, prepare
from kamerton.flows.sources import OnStep, nobody
from kamerton.flows.train import load_recipe
from kamerton.ground.settings import Workspace
from kamerton.recipe import ResolvedRecipe

__all__ = ["REPORT", "prepare_data"]

REPORT = "data_report"


def prepare_data(
    recipe: ResolvedRecipe | Path | str,
    folder: Path,
    workspace: Workspace | None = None,
    *,
    overrides: list[str] | None = None,
    language: str = "en",
    run: Runner | None = None,
    on_step: OnStep = nobody,
) -> Prepared:
    """Run the whole `data:` section of a recipe and write what comes of it; no version is made.

    The folder gets `train.jsonl`, `validation.jsonl` and `test.jsonl` (a part without rows gets no file), with the
    canonical record of each row in the order of the row hashes, and `data_report.json` and `data_report.html`. Rows
    that augmentation made have `augmented_from`, the hash of the row they were made from. Where the training rows are
    not all seen equally often, each has a column `weight`: how often it is seen in an epoch, on the average. Draw rows
    in proportion to it (`torch.utils.data.WeightedRandomSampler`), or repeat them.

    Data that does not pass its check is written all the same: look at `report.passed`.

    Args:
        language: of the page.

    Raises:
        RecipeError: the recipe is wrong, or there is no such base model.
        RequestError: one of the files is there already; nothing is written.
        DataError: a source cannot be read, or no row is left to train on.
    """
    place = workspace or Workspace.at()
    target = place.root / folder
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl", f"{REPORT}.json", f"{REPORT}.html"):
        refuse_taken(target / name)
    asked = (recipe if isinstance(recipe, ResolvedRecipe) else load_recipe(recipe, overrides)).recipe
    prepared = prepare(asked, place, commit=False, tokens=token_limit(asked, place), run=run, on_step=on_step)
    on_step("write")
    weighted = any(weight != 1.0 for weight in prepared.weights)
    for name, rows in prepared.parts.items():
        if rows:
            write_jsonl(rows, target / f"{name}.jsonl", prepared.weights if weighted and name == "train" else None)
    prepared.report.write(target / f"{REPORT}.json")
    write_page(prepared.report, target / f"{REPORT}.html", language)
    return prepared
