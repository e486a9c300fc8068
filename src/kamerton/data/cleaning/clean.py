"""All steps over all rows: what is left, a finding for each row and step, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from kamerton.data.batches import InProcess, Runner
from kamerton.data.cleaning.repeats import equal_rows, nearly_equal_rows
from kamerton.data.cleaning.steps import Action, Hit, actions, excerpt, look
from kamerton.data.rows import Row
from kamerton.ground.errors import RecipeError
from kamerton.recipe import CleanSection
from kamerton.records.cleaning import CleaningExample, CleaningReport, CleaningStep
from kamerton.records.data import Finding

__all__ = ["CleanResult", "clean"]

_EXAMPLES = 20
"""Examples of a step that the report keeps."""
_SHOWN = 80
"""Characters of a row that is an example as a whole."""


@dataclass(frozen=True)
class CleanResult:
    """The rows that are left, in their order, and what was found."""

    rows: list[Row]
    findings: list[Finding]
    """One for each row and step, in the order of the rows; `error` where the row was set aside, but for equal rows,
    with which nothing is lost."""
    report: CleaningReport = field(default_factory=CleaningReport)


def clean(
    rows: Sequence[Row],
    options: CleanSection,
    *,
    count_tokens: Callable[[Sequence[Row]], list[int]] | None = None,
    similarity: float = 0.7,
    run: Runner | None = None,
) -> CleanResult:
    """Look at each row, mend and set aside what the options say.

    The texts of all turns and judged answers are looked at; roles, tools and their calls, categories and groups stay
    as they are. The result does not depend on the runner.

    Args:
        count_tokens: tokens of each row, for `max_tokens`.
        similarity: Jaccard similarity from which `near_duplicates` takes rows for alike.
        run: runs the steps that look at each row by itself; None runs them in this process.

    Raises:
        RecipeError: a language that is not known, or `max_tokens` without a way to count.
    """
    most = options.max_tokens
    if most is not None and count_tokens is None:
        raise RecipeError(
            "tokens cannot be counted without a model", where="data.clean.max_tokens", mend="name a model"
        )
    work = _Work(list(rows), actions(options))
    for place, looked in enumerate((run or InProcess()).map(partial(look, options=options), rows)):
        if looked is not None:
            work.note(place, *looked)
    if most is not None and count_tokens is not None:
        kept = work.kept
        for place, count in zip(kept, count_tokens([work.rows[place] for place in kept]), strict=True):
            if count > most:
                message = f"the row has {count} tokens; data.clean.max_tokens is {most}"
                work.note(place, None, [work.hit(place, "max_tokens", "long_row", message)])
    if "exact_duplicates" in work.on:
        work.note_repeats("exact_duplicates", "exact_duplicate", "the same as", equal_rows)
    if "near_duplicates" in work.on:
        nearly = partial(nearly_equal_rows, similarity=similarity)
        work.note_repeats("near_duplicates", "near_duplicate", "nearly the same as", nearly)
    return CleanResult([work.rows[place] for place in work.kept], work.findings(), work.report())


class _Work:
    """The rows as they are now, and what was found in each."""

    def __init__(self, rows: list[Row], on: dict[str, Action]) -> None:
        self.rows = rows
        self.on = on
        self._hits: dict[int, list[Hit]] = {}
        self._gone: set[int] = set()
        self._changed: set[int] = set()

    @property
    def kept(self) -> list[int]:
        """Places of the rows that no step has set aside."""
        return [place for place in range(len(self.rows)) if place not in self._gone]

    def note(self, place: int, mended: Row | None, hits: list[Hit]) -> None:
        self._hits.setdefault(place, []).extend(hits)
        if hits[-1].action == "drop":
            self._gone.add(place)
        if mended is not None:
            self.rows[place] = mended
            self._changed.add(place)

    def hit(self, place: int, step: str, kind: str, message: str) -> Hit:
        """A hit that shows the beginning of the row."""
        return Hit(step, kind, message, self.on[step], excerpt("\n".join(self.rows[place].texts), 0, _SHOWN))

    def note_repeats(
        self, step: str, kind: str, how: str, find: Callable[[Sequence[Row]], Iterable[tuple[int, int]]]
    ) -> None:
        kept = self.kept
        for later, earlier in find([self.rows[place] for place in kept]):
            place, first = kept[later], self.rows[kept[earlier]]
            done = "set aside" if self.on[step] == "drop" else "kept"
            message = f"{how} {first.file}:{first.line}; {done}"
            self.note(place, None, [self.hit(place, step, kind, message)])

    def findings(self) -> list[Finding]:
        return [
            Finding(
                file=self.rows[place].file,
                line=self.rows[place].line,
                kind=hit.kind,
                message=hit.message,
                severity="error" if hit.action == "drop" and hit.kind != "exact_duplicate" else "warning",
            )
            for place in sorted(self._hits)
            for hit in self._hits[place]
        ]

    def report(self) -> CleaningReport:
        steps = []
        left = len(self.rows)
        for name, action in self.on.items():
            found = [
                (self.rows[place], hit) for place in sorted(self._hits) for hit in self._hits[place] if hit.step == name
            ]
            gone = sum(hit.action == "drop" for _, hit in found)
            steps.append(
                CleaningStep(
                    name=name,
                    action=action,
                    looked_at=left,
                    found=len(found),
                    changed=len(found) if action == "fix" else 0,
                    set_aside=gone,
                    examples=[_example(row, hit) for row, hit in found[:_EXAMPLES]],
                )
            )
            left -= gone
        changed = len(self._changed - self._gone)
        return CleaningReport(rows=len(self.rows), rows_changed=changed, rows_set_aside=len(self._gone), steps=steps)


def _example(row: Row, hit: Hit) -> CleaningExample:
    return CleaningExample(file=row.file, line=row.line, message=hit.message, before=hit.before, after=hit.after)
