"""A training run on one screen: how far it is, its curves, and the alarms; laid out for the screen's size."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from threading import Lock
from typing import Any

from rich.text import Text

from kamerton.cli.charts import Chart, Series, draw
from kamerton.cli.screen import shown

__all__ = ["Dashboard"]

_NAMES = {
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "tokens_per_second": "tokens/s",
    "memory_mib": "memory",
}
_SMALL_ROWS = 3
_SMALL_BUCKETS = 128
"""Each is drawn at every refresh, and a small chart has some 60 dots from left to right."""
_LOSS_ROWS = 12
_LEAST_LOSS_ROWS = 4
_GAP = 2
_WINDOW = 50
"""Steps over which the rate is measured."""
_ALARMS = 2


class Dashboard:
    """What has happened in a run, as far as a screen shows it; one thread may tell it while another renders."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._lock = Lock()
        self.step = 0
        self.steps = 0
        self._epoch: float | None = None
        self._loss, self._validation = Series(), Series()
        self._small: dict[str, Series] = {}
        self._alarms = deque[Mapping[str, Any]](maxlen=_ALARMS)
        self._times = deque[tuple[float, int]](maxlen=_WINDOW)
        self._news = ""

    def tell_step(self, event: Mapping[str, Any], now: float) -> None:
        """A step's numbers.

        Args:
            now: seconds of any clock, the same in every call.
        """
        with self._lock:
            self._take_step(event, now)

    def _take_step(self, event: Mapping[str, Any], now: float) -> None:
        if event["step"] <= self.step:  # another attempt: the rate is its own
            self._times.clear()
        self.step, self._epoch = event["step"], event.get("epoch")
        self.steps = event.get("steps") or max(self.steps, self.step)
        self._times.append((now, self.step))
        if _is_number(event.get("loss")):
            self._loss.add(self.step, float(event["loss"]))
        for name, value in {**{key: event.get(key) for key in _NAMES}, **(event.get("metrics") or {})}.items():
            if _is_number(value):
                self._small.setdefault(name, Series(_SMALL_BUCKETS)).add(self.step, float(value))

    def tell_validation(self, step: int, loss: float) -> None:
        """A validation's loss."""
        with self._lock:
            self._validation.add(step, loss)

    def tell_alarm(self, event: Mapping[str, Any]) -> None:
        """An alarm; the last ones stay on the screen."""
        with self._lock:
            self._alarms.append(event)

    def newest_alarm(self) -> str:
        """The last alarm in a line."""
        return _alarm(self._alarms[-1])

    def tell_news(self, line: str) -> None:
        """What else happened last."""
        self._news = line

    @property
    def seconds_left(self) -> float | None:
        """Seconds that the rest takes at the rate of the last steps; None before there is a rate."""
        rate = self._rate
        return (self.steps - self.step) / rate if rate else None

    @property
    def _rate(self) -> float | None:
        """Steps a second."""
        if len(self._times) < 2:
            return None
        (begin, first), (end, last) = self._times[0], self._times[-1]
        return (last - first) / (end - begin) if end > begin else None

    def note(self) -> str:
        """The newest numbers in a few words."""
        parts = [] if self._loss.last is None else [f"loss {self._loss.last:.3f}"]
        if self._validation.last is not None:
            parts.append(f"validation {self._validation.last:.3f}")
        if (speed := self._small.get("tokens_per_second")) is not None and speed.last is not None:
            parts.append(f"{speed.last:,.0f} tok/s")
        return "  ".join(parts)

    def render(self, width: int, height: int) -> list[Text]:
        """The screen as lines, none longer than `width`, at most `height` of them (but the first in any case)."""
        with self._lock:
            return self._lines(width, height)

    def _lines(self, width: int, height: int) -> list[Text]:
        lines = [self._progress(width)]
        below = self._below(width)
        if self._loss.last is None or width < 40:
            return [*lines, *below][: max(height, 1)]
        small = self._small_charts(width)
        room = height - len(lines) - len(below) - 2  # the heading of the loss and its steps
        while small and room - sum(map(len, small)) < _LEAST_LOSS_ROWS:
            small.pop()
        rows = min(room - sum(map(len, small)), _LOSS_ROWS)
        if rows < _LEAST_LOSS_ROWS:
            return [*lines, *below][: max(height, 1)]
        lines += draw(Chart(self._loss_heading(), self._loss, _number, self._validation, steps=True), width, rows)
        return [*lines, *(line for row in small for line in row), *below]

    def _progress(self, width: int) -> Text:
        done = self.step / self.steps if self.steps else 0.0
        head, counted = f"{self.title} ", f" {self.step:,}/{self.steps:,} {done:4.0%}"
        tail = ""
        if self._rate is not None and self.seconds_left is not None:
            rate = f"{self._rate:.1f} steps/s" if self._rate >= 1 else f"{1 / self._rate:.1f} s/step"
            tail = f"  {rate}" + (f"  {_duration(self.seconds_left)} left" if self.step < self.steps else "")
        room = width - len(head) - len(counted) - len(tail)
        line = Text(head)
        if room >= 8:
            full = round(done * room)
            line.append("━" * full, style="cyan").append("─" * (room - full), style="dim")
        line.append(counted).append(tail, style="dim")
        line.truncate(width, overflow="ellipsis")
        return line

    def _loss_heading(self) -> Text:
        heading = Text(f"loss {_number(self._loss.last or 0.0)}", style="bold")
        if self._validation.last is not None:
            heading.append("   ● ", style="bold yellow").append(f"validation {_number(self._validation.last)}")
        if self._epoch is not None:
            heading.append(f"   epoch {self._epoch:.2f}", style="not bold dim")
        return heading

    def _small_charts(self, width: int) -> list[list[Text]]:
        """Rows of charts side by side, each as its lines."""
        across = 4 if width >= 112 else 2
        each = (width - _GAP * (across - 1)) // across
        drawn = []
        for name, series in self._small.items():
            number = _mebibytes if name == "memory_mib" else _number
            heading = Text(f"{_NAMES.get(name, _line(name))} {number(series.last or 0.0)}", style="bold")
            drawn.append(draw(Chart(heading, series, number), each, _SMALL_ROWS))
        return [_side_by_side(drawn[at : at + across], each) for at in range(0, len(drawn), across)]

    def _below(self, width: int) -> list[Text]:
        lines = [Text(_alarm(alarm), style="bold red") for alarm in self._alarms]
        if self._news:
            lines.append(Text(_line(self._news), style="dim"))
        for line in lines:
            line.truncate(width, overflow="ellipsis")
        return lines


def _alarm(event: Mapping[str, Any]) -> str:
    where = f" at step {event['step']:,}" if isinstance(event.get("step"), int) else ""
    return _line(f"! {event.get('alarm') or 'alarm'}{where}: {event.get('symptom') or event.get('evidence') or ''}")


def _side_by_side(charts: Sequence[Sequence[Text]], width: int) -> list[Text]:
    """Charts of one width beside each other."""
    lines = []
    for row in zip_longest(*charts, fillvalue=Text()):
        line = Text()
        for index, part in enumerate(row):
            line.append_text(part)
            if index < len(row) - 1:
                line.append(" " * (width - part.cell_len + _GAP))
        lines.append(line)
    return lines


def _line(text: str) -> str:
    """The text on one line: what comes from a run must not steer the terminal."""
    return shown(" ".join(text.split()))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _number(value: float) -> str:
    """Four digits at most, whatever the size."""
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 3}f}" if value else "0"


def _mebibytes(value: float) -> str:
    return f"{value / 1024:.2f} GiB" if value >= 1024 else f"{value:.0f} MiB"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
