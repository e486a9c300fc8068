"""`data.clean:` what is looked for in each row, and what is done about it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator

from kamerton.ground.errors import RecipeError
from kamerton.recipe.base import Section
from kamerton.recipe.document import read_value

__all__ = ["CleanSection", "clean_options"]

Mend = Literal["off", "report", "fix"]
SetAside = Literal["off", "report", "drop"]
Length = Annotated[int, Field(ge=1)] | None


class CleanSection(Section):
    """`report` names the rows, `fix` mends the text, `drop` sets the row aside; each row is named in the report."""

    mojibake: Mend = "report"
    """Text that was decoded with the wrong encoding: `Åºle` for `źle`."""
    unicode: Mend = "report"
    """Letters written as a base letter and an accent (NFD), which a tokenizer takes for others: to NFC."""
    control_characters: Mend = "report"
    """Control characters, terminal codes, invisible text, and marks that turn the direction of what follows."""
    whitespace: Mend = "report"
    """Space at the ends of the text and of its lines, four or more line ends in a row, `\\r`, no-break and zero-width
    spaces."""
    template_injection: Mend | Literal["drop"] = "report"
    """Control tokens of chat templates inside the text, such as `<|im_end|>` or `[/INST]`; `fix` takes them out."""
    min_answer_chars: Annotated[int, Field(ge=0)] = 1
    """Shortest answer (or text), in characters without surrounding space; shorter rows are set aside."""
    max_answer_chars: Length = None
    """Longest answer (or text), in characters without surrounding space; longer rows are set aside."""
    max_tokens: Length = None
    """Longest row, in tokens of the model; longer rows are set aside. None leaves it to `training.max_length`."""
    repeated_prompt: SetAside = "report"
    """Answers that repeat the instruction, or begin by repeating it."""
    refusals: SetAside = "report"
    """Answers that decline ("As an AI language model, I cannot ...", "Niestety nie mogę ...")."""
    boilerplate: SetAside = "report"
    """Answers with remains of web pages and tools: cookie notices, "Copied!", "Regenerate response"."""
    language: list[Annotated[str, StringConstraints(pattern="^[a-z]{2}$")]] = []
    """Languages that are wanted (ISO 639-1), such as `[pl]`; rows that are clearly in others are set aside. Empty
    takes any."""
    exact_duplicates: SetAside = "drop"
    """Rows that say the same as an earlier one; `drop` keeps the first."""
    near_duplicates: SetAside = "off"
    """Rows of which question and answer together are as alike as `data.split.similarity`; `drop` keeps the first. The
    check counts clusters of alike questions whatever this says."""

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.max_answer_chars is not None and self.max_answer_chars < self.min_answer_chars:
            raise ValueError("max_answer_chars must not be less than min_answer_chars")
        return self

    def fixing(self) -> CleanSection:
        """The same with `fix` for each step that can mend a text and was left at its default."""
        able = ("mojibake", "unicode", "control_characters", "whitespace", "template_injection")
        return self.model_copy(update=dict.fromkeys(set(able) - self.model_fields_set, "fix"))


def clean_options(settings: Sequence[str]) -> CleanSection:
    """The section with `key=value` settings, where there is no recipe around it.

    Raises:
        RecipeError: an unknown key (with the nearest known one), or a value out of bounds.
    """
    given = {}
    for setting in settings:
        key, sign, text = setting.partition("=")
        name = key.strip().removeprefix("data.clean.")
        if not sign:
            raise RecipeError("not a setting", where=setting, expected="key=value, such as whitespace=fix")
        if name not in CleanSection.model_fields:
            near = difflib.get_close_matches(name, CleanSection.model_fields, 1)
            hint = f"did you mean {near[0]}?" if near else ", ".join(CleanSection.model_fields)
            raise RecipeError("unknown key", where=f"data.clean.{name}", expected=hint)
        given[name] = read_value(text, setting)
    try:
        return CleanSection.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(("data.clean", *map(str, fault["loc"])))
        what = fault["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        raise RecipeError(f"{what} (got {fault['input']!r})" if fault["loc"] else what, where=where) from error
