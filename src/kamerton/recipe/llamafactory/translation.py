"""A LLaMA-Factory file as a recipe of Kamerton: recognised, translated, and told key by key.

LLaMA-Factory: Zheng et al., arXiv 2403.13372; the keys are those of version 0.9.5.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from kamerton.ground.errors import RecipeError
from kamerton.recipe.document import read_value
from kamerton.recipe.llamafactory.draft import Draft, Written
from kamerton.recipe.llamafactory.fates import Became, Equal, Refused
from kamerton.recipe.llamafactory.keys import KEYS, MARKS, OLD_NAMES, V1_KEYS
from kamerton.recipe.llamafactory.request import read_request
from kamerton.recipe.llamafactory.to_data import write_data
from kamerton.recipe.llamafactory.to_method import scopes, write_method, write_model, write_objective
from kamerton.recipe.llamafactory.to_training import write_training

__all__ = ["Told", "Translation", "is_llamafactory", "part_overrides", "translate"]

_OURS: Final = ("model", "data", "method", "training", "evaluation", "gate", "tracking", "name")
_WRITERS: Final = (write_model, write_method, write_objective, write_data)


@dataclass(frozen=True)
class Told:
    """What became of one key that was given."""

    key: str
    value: Any
    place: str
    """`line 9`, or `flag`."""
    fate: Literal["became", "equal"]
    became: str
    """The values of the recipe that it went into, or why it changes nothing here."""
    otherwise: tuple[str, ...] = ()
    """Where Kamerton behaves otherwise, and why."""


@dataclass(frozen=True)
class Translation:
    """A LLaMA-Factory file and the recipe that it asks for."""

    file: str
    text: str
    """The file as it was given."""
    overrides: tuple[str, ...]
    """LLaMA-Factory's `key=value` behind the file."""
    document: dict[str, Any]
    written: dict[str, Written]
    """Where each value of the recipe came from, by dotted key."""
    told: tuple[Told, ...]
    otherwise: tuple[str, ...]
    """Where Kamerton behaves otherwise in what no given key speaks of."""
    notices: tuple[str, ...]
    """What is worth saying before the run."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def template(self) -> str | None:
        """LLaMA-Factory's template, where one is named and conversations are learned."""
        if "template" not in self.written.get("model.chat_template", Written((), "derived", "")).keys:
            return None
        return next((str(told.value) for told in self.told if told.key == "template" and told.fate == "became"), None)

    def settled(self, target: str, why: str) -> Translation:
        """The same, where a value of the recipe was decided from more than the file: the reason is told."""
        written = self.written[target]
        note = replace(written, note=f"{written.note}; {why}" if written.note else why)
        return replace(self, written=self.written | {target: note}, notices=(*self.notices, why))

    @property
    def lines(self) -> dict[str, int]:
        """The line in the file that a value of the recipe came from, by dotted key."""
        found = {}
        for target, written in self.written.items():
            place = next((told.place for told in self.told if told.key in written.keys), "")
            if place.startswith("line "):
                found[target] = int(place.removeprefix("line "))
        return found

    def renamed(self, fault: RecipeError) -> RecipeError:
        """A fault of the recipe, with the keys of the file beside those of the recipe."""
        what = fault.what
        for target, written in self.written.items():
            if written.keys:
                what = re.sub(rf"(?<![\w.]){re.escape(target)}(?=: )", f"{', '.join(written.keys)} ({target})", what)
        return RecipeError(what, where=fault.where, expected=fault.expected, mend=fault.mend)

    def event(self) -> dict[str, Any]:
        """What a run's journal keeps of where its recipe came from."""
        return {
            "source": "LLaMA-Factory",
            "file": self.file,
            "sha256": self.sha256,
            "overrides": list(self.overrides),
            "notices": list(self.notices),
        }


def is_llamafactory(keys: Sequence[str], file: str) -> bool:
    """Whether the keys at the top of a file are LLaMA-Factory's.

    Raises:
        RecipeError: they are of its V1 schema, or of both tools.
    """
    ours = [key for key in keys if key in _OURS]
    theirs = [key for key in keys if key in MARKS]
    newer = [key for key in keys if key in V1_KEYS]
    if (newer and not {"data", "training"} & set(ours)) or (theirs and _wants_v1()):
        raise RecipeError(
            f"this is LLaMA-Factory's V1 schema ({', '.join(newer) or 'USE_V1=1'}), which Kamerton does not read",
            where=file,
            expected="the schema with model_name_or_path, stage and finetuning_type, or a recipe of Kamerton",
            mend="write the file with the older keys, and unset USE_V1",
        )
    if ours and theirs:
        raise RecipeError(
            f"the file mixes keys of Kamerton ({', '.join(ours)}) and of LLaMA-Factory ({', '.join(theirs)})",
            where=file,
            expected="one of the two; behind a LLaMA-Factory file section.key=value sets values of the recipe",
        )
    return bool(theirs)


def part_overrides(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """LLaMA-Factory's `key=value` and our own `section.key=value`, each in their order."""
    theirs = [text for text in overrides if _is_theirs(text)]
    return theirs, [text for text in overrides if not _is_theirs(text)]


def translate(
    given: Mapping[str, Any],
    lines: Mapping[str, int],
    overrides: Sequence[str],
    *,
    text: str,
    file: str,
    processes: int | None = None,
) -> Translation:
    """The recipe that a LLaMA-Factory file asks for, with LLaMA-Factory's defaults where it says nothing.

    Args:
        given: the document, with the line of each key in `lines`.
        overrides: LLaMA-Factory's own, as `key=value`.
        text: the file as it stands, for the record.
        processes: how many share the run; None is what torchrun says (`WORLD_SIZE`).

    Raises:
        RecipeError: keys that are unknown, of another type, or not done here; all of them at once, by name.
    """
    merged, places = dict(given), {key: f"line {lines[key]}" for key in given}
    for override in overrides:
        key, _, value = override.partition("=")
        name = _present_name(key.strip().lstrip("-"), merged)
        merged[name], places[name] = read_value(value, override), "flag"
    _refuse_other_commands(merged, file)
    request = read_request(merged, places, file)
    draft = Draft(request)
    in_force = scopes(draft)
    for write in _WRITERS:
        write(draft)
    write_training(draft, processes or _started())
    _copy(draft, in_force)
    request.raise_faults()
    silent = {key: sentences for key, sentences in draft.others.items() if not request.asks(key)}
    return Translation(
        file,
        text,
        tuple(overrides),
        draft.document,
        draft.written,
        tuple(_told(key, draft, in_force) for key in request.given),
        tuple(sentence for sentences in silent.values() for sentence in sentences),
        tuple(draft.notices),
    )


def _wants_v1() -> bool:
    return os.environ.get("USE_V1", "0").lower() in ("true", "y", "1")


def _started() -> int:
    """Processes that torchrun started; 1 without it."""
    size = os.environ.get("WORLD_SIZE", "")
    return int(size) if size.isdecimal() and int(size) else 1


def _is_theirs(override: str) -> bool:
    key = override.partition("=")[0].strip().lstrip("-")
    return "." not in key and key not in _OURS


def _present_name(key: str, given: Mapping[str, Any]) -> str:
    """The name under which the file has this key already; `eval_strategy` replaces an `evaluation_strategy`."""
    today = OLD_NAMES.get(key, key)
    return next((name for name in given if OLD_NAMES.get(name, name) == today), key)


def _refuse_other_commands(given: Mapping[str, Any], file: str) -> None:
    """Files of LLaMA-Factory's other commands ask for nothing to be trained.

    Raises:
        RecipeError: the file is one of those; the verb is named.
    """
    if given.get("do_train") or given.get("dataset"):
        return
    commands = {
        "task": ("eval", "kamerton evaluate MODEL --on SET"),
        "export_dir": ("export", "kamerton registry add RUN; the finished weights stand in .kamerton/runs/RUN/model"),
        "do_predict": ("train with do_predict", "kamerton evaluate RUN --on test"),
        "infer_backend": ("chat or api", "kamerton chat MODEL"),
        "vllm_maxlen": ("chat or api", "kamerton chat MODEL"),
    }
    command, mend = next((commands[key] for key in commands if given.get(key)), ("chat or api", "kamerton chat MODEL"))
    if not any(key in given for key in ("do_train", "eval_dataset", "stage", "dataset", "output_dir")) or any(
        given.get(key) for key in ("task", "export_dir")
    ):
        raise RecipeError(
            f"this is a file for llamafactory-cli {command}: it asks for nothing to be trained", where=file, mend=mend
        )


def _copy(draft: Draft, in_force: Mapping[str, bool]) -> None:
    """Values that are taken over as they are, LLaMA-Factory's defaults among them."""
    for key, about in KEYS.items():
        fate = about.fate
        if isinstance(fate, Became) and fate.copied and in_force[fate.scope] and fate.target not in draft.written:
            value = draft.request[key]
            if value is not None and not fate.target.startswith("training.objective."):
                draft.put(fate.target, value, key)


def _told(key: str, draft: Draft, in_force: Mapping[str, bool]) -> Told:
    request, fate = draft.request, KEYS[key].fate
    others = tuple(draft.others.get(key, ()))
    value, place = request.given[key], request.places[key]
    if not request.asks(key):
        return Told(key, value, place, "equal", "null is the same as leaving it out", others)
    if isinstance(fate, Equal):
        return Told(key, value, place, "equal", fate.why, others)
    if isinstance(fate, Refused):
        return Told(key, value, place, "equal", "off, as here", others)
    if not in_force[fate.scope]:
        return Told(key, value, place, "equal", f"has an effect with {fate.scope} only, there as here", others)
    targets = [target for target, written in draft.written.items() if key in written.keys]
    if targets:
        values = ", ".join(f"{target}: {_shown(draft, target)}" for target in targets)
        return Told(key, value, place, "became", values, others)
    if request[key] == KEYS[key].default:
        return Told(key, value, place, "equal", f"its default; {fate.how}" if fate.how else "its default", others)
    return Told(key, value, place, "equal", fate.how or f"nothing of {fate.target}", others)


def _shown(draft: Draft, target: str) -> str:
    value: Any = draft.document
    for part in target.split("."):
        value = value[part]
    return str(value).lower() if isinstance(value, bool) else str(value)
