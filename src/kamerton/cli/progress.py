"""Live progress of long work: one updating line in a terminal; elsewhere a line now and then, or none."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from kamerton.cli.screen import Screen, shown

__all__ = ["EvaluationProgress", "StepProgress", "TrainingProgress"]

_EVERY = 10.0
"""Seconds between lines where there is no terminal."""
_SPINNER = 2
"""Columns of the sign that turns, and of the space after it."""


class TrainingProgress:
    """Shows the events of a training run as they come; call it with each event."""

    def __init__(self, screen: Screen, title: str = "training") -> None:
        self._screen = screen
        self._live = screen.console.is_terminal
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=screen.console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=None, note="")
        self._title = title
        self._last_line = 0.0
        self._began = time.monotonic()
        self._first_step: int | None = None
        self._validation: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        if "notice" in event:
            self._screen.say(event["notice"])
            return
        if "validation_loss" in event:
            self._validation = float(event["validation_loss"])
            return
        note = f"loss {event['loss']:.3f}"
        if self._validation is not None:
            note += f"  validation {self._validation:.3f}"
        note += f"  {event['tokens_per_second']:,.0f} tok/s"
        if self._live:
            self._bar.start()  # with the first step: before it there is nothing to show
            self._bar.update(self._task, completed=event["step"], total=event["steps"], note=note)
            if event["step"] >= event["steps"]:
                self._bar.stop()
        else:
            self._line(event, note)

    def _line(self, event: dict[str, Any], note: str) -> None:
        now = time.monotonic()
        if self._first_step is None:
            self._first_step, self._began = event["step"], now
        if now - self._last_line < _EVERY and event["step"] != event["steps"]:
            return
        self._last_line = now
        done = event["step"] - self._first_step
        left = (now - self._began) / done * (event["steps"] - event["step"]) if done else None
        remaining = f"  {left:,.0f} s left" if left is not None else ""
        self._screen.say(f"{self._title}: step {event['step']}/{event['steps']}  {note}{remaining}")


class StepProgress:
    """Shows what is being done, such as `read letters.jsonl, 45 %`: one line that changes in a terminal, else nothing.

    Call it with each step.
    """

    def __init__(self, screen: Screen) -> None:
        self._console = screen.console
        self._status = screen.console.status("") if screen.console.is_terminal else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()

    def __call__(self, step: str) -> None:
        if self._status is not None:
            text = Text(shown(step))
            text.truncate(max(self._console.width - _SPINNER, 1), overflow="ellipsis")
            self._status.update(text)
            self._status.start()

    def hide(self) -> None:
        """Take the line away until the next step."""
        if self._status is not None:
            self._status.stop()


class EvaluationProgress:
    """Shows which model is being measured."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._line = StepProgress(screen)
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.hide()

    def __call__(self, what: str, done: int, total: int) -> None:
        if self._screen.console.is_terminal:
            self._line(f"{what}: {done}/{total}")
            if done >= total:
                self._line.hide()
        elif what != self._last:
            self._screen.say(f"      {what}: {total} items")
            self._last = what
