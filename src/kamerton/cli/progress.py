"""Live progress of long work: charts or one updating line in a terminal; elsewhere a line now and then, or none."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from kamerton.cli.dashboard import Dashboard
from kamerton.cli.screen import Screen, shown

__all__ = ["EvaluationProgress", "StepProgress", "TrainingProgress"]

_EVERY = 10.0
"""Seconds between lines where there is no terminal."""
_SPINNER = 2
"""Columns of the sign that turns, and of the space after it."""


class TrainingProgress:
    """Shows the events of a training run as they come; call it with each event.

    In a terminal it is a screen of charts, drawn from a thread of its own at most twice a second, whatever comes;
    elsewhere a line now and then.
    """

    def __init__(self, screen: Screen, title: str = "training", *, keep: bool = False) -> None:
        """
        Args:
            keep: leave the charts on the screen at the end.
        """
        self._screen = screen
        self._board = Dashboard(title)
        self._keep = keep
        console = screen.console
        self._live = _ChartScreen(console, self._board, keep=keep) if can_draw(console) else None
        self._last_line = 0.0
        self._unsaid = False
        """Something was told since the last line."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._unsaid and not self._keep:
            self._line(last=True)  # with the last validation, and where a run stopped early

    @property
    def draws(self) -> bool:
        """Whether charts are shown, which have the past of a run in them too."""
        return self._live is not None

    def __call__(self, event: dict[str, Any]) -> None:
        """Take a `notice`, an `alarm`, a validation (`validation_loss`) or a step."""
        if "notice" in event:
            self._screen.tell(event["notice"])
        elif event.get("kind") == "alarm":
            self._board.tell_alarm(event)
            if self._live is None:
                self._screen.tell(self._board.newest_alarm())
        elif "validation_loss" in event:
            self._unsaid = True
            self._board.tell_validation(event.get("step", self._board.step), float(event["validation_loss"]))
        else:
            self._board.tell_step(event, _seconds_of(event))
            if self._live is None:
                self._line()
                return
            self._live.start(refresh=True)  # with the first step: before it there is nothing to show
            if self._board.step >= self._board.steps and not self._keep:
                self._live.stop()

    def news(self, line: str) -> None:
        """Show what else happened: below the charts, or as a line."""
        if self._live is None:
            self._screen.say(line)
        else:
            self._board.tell_news(line)

    def _line(self, *, last: bool = False) -> None:
        board, now = self._board, time.monotonic()
        self._unsaid = not last and now - self._last_line < _EVERY
        if self._unsaid:
            return
        self._last_line = now
        left = f"  {board.seconds_left:,.0f} s left" if board.seconds_left is not None else ""
        self._screen.say(f"{board.title}: step {board.step}/{board.steps}  {board.note()}{left}")


def can_draw(console: Console) -> bool:
    """Whether the console is a terminal that moves its cursor and has the letters that charts are made of."""
    return console.is_terminal and not console.is_dumb_terminal and not console.options.ascii_only


def _seconds_of(event: Mapping[str, Any]) -> float:
    """When the event was written; for one without a time, now."""
    try:
        return datetime.fromisoformat(str(event["time"])).timestamp()
    except (KeyError, ValueError):
        return time.time()


class _ChartScreen(Live):
    """The charts at the end of the terminal's text; what is printed meanwhile stands above them."""

    def __init__(self, console: Console, board: Dashboard, *, keep: bool) -> None:
        # Who only looks on may look often; beside a training each look costs it some milliseconds.
        rate = 2 if keep else 1
        self._board = board
        self._drawn: list[int] = []
        super().__init__(get_renderable=self._charts, console=console, refresh_per_second=rate, transient=not keep)

    def _charts(self) -> Text:
        width, height = self.console.size
        lines = self._board.render(width - 1, height - 1)
        self._drawn = [line.cell_len for line in lines]
        return Text("\n", no_wrap=True, overflow="crop").join(lines)

    def refresh(self) -> None:
        """Draw again; where the terminal became narrower it broke the lines that stood there, and more of them go."""
        with self._lock:
            width = self.console.size.width
            broken = sum(max(0, -(-length // width) - 1) for length in self._drawn)
            if broken:
                up = [(ControlType.ERASE_IN_LINE, 2), (ControlType.CURSOR_UP, 1)] * broken
                self.console.control(Control(*up))
            super().refresh()


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
