"""Curves in the terminal, drawn with Braille dots: two columns and four rows of them in a letter.

A curve has more steps than the screen has columns. What falls into one column is drawn from its lowest to its highest
value, so that a spike never vanishes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from rich.text import Text

__all__ = ["Chart", "Series", "draw"]

_BLANK = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bit of each dot of a letter, by column and row."""
_MARK = "●"
_STYLE = {False: "cyan", True: "bold yellow"}
"""Of the curve, and of its marks."""


@dataclass
class _Bucket:
    """Some steps that follow each other."""

    first_step: int
    last_step: int
    low: float
    high: float
    first: float
    last: float
    count: int = 1

    def join(self, after: _Bucket) -> None:
        self.last_step, self.last, self.count = after.last_step, after.last, self.count + after.count
        self.low, self.high = min(self.low, after.low), max(self.high, after.high)


class Series:
    """Values by step, thinned as they come: of each bucket the lowest, the highest, the first and the last are kept."""

    def __init__(self, most: int = 512) -> None:
        """
        Args:
            most: buckets kept; more than a screen has columns.
        """
        self._most = most
        self._size = 1
        self.buckets: list[_Bucket] = []

    def add(self, step: int, value: float) -> None:
        """The value of a step; those of this step and later ones, of an interrupted attempt, go."""
        if self.buckets and step <= self.buckets[-1].last_step:
            self.buckets = [bucket for bucket in self.buckets if bucket.last_step < step]
        new = _Bucket(step, step, value, value, value, value)
        if self.buckets and self.buckets[-1].count < self._size:
            self.buckets[-1].join(new)
            return
        self.buckets.append(new)
        if len(self.buckets) > self._most:
            self._size *= 2
            for left, right in zip(self.buckets[::2], self.buckets[1::2], strict=False):
                left.join(right)
            self.buckets = self.buckets[::2]

    @property
    def last(self) -> float | None:
        return self.buckets[-1].last if self.buckets else None


@dataclass(frozen=True)
class Chart:
    """One curve with its heading."""

    heading: Text
    series: Series
    number: Callable[[float], str]
    """Writes the numbers of the vertical axis."""
    marks: Series | None = None
    """Values measured seldom, each drawn as a dot of its own."""
    steps: bool = False
    """Whether a line below says at which steps the curve begins and ends."""


def draw(chart: Chart, width: int, height: int) -> list[Text]:
    """The chart as lines of at most `width` letters: the heading, `height` lines of curve, and the steps if asked for.

    Args:
        width: at least 12.
        height: at least 1.
    """
    buckets = chart.series.buckets
    marks = chart.marks.buckets if chart.marks else []
    heading = chart.heading.copy()
    heading.truncate(width, overflow="ellipsis")
    low = min(bucket.low for bucket in [*buckets, *marks])
    high = max(bucket.high for bucket in [*buckets, *marks])
    labels = [""] * height
    labels[-1], labels[0] = chart.number(low), chart.number(high)
    margin = max(map(len, labels))
    columns = max(1, width - margin - 2)
    span = (buckets[0].first_step, max(bucket.last_step for bucket in [*buckets, *marks]))
    letters = _curve(buckets, columns, height, (low, high), span)
    marked = {(_x(mark.last_step, span, columns), _y(mark.last, (low, high), height)) for mark in marks}
    lines = [heading]
    for row, label in enumerate(labels):
        line = Text(f"{label:>{margin}} ", style="dim")
        line.append("┤" if label else "│", style="dim")
        row_of_letters = ((letter, (column, row) in marked) for column, letter in enumerate(letters[row]))
        for is_mark, group in groupby(row_of_letters, itemgetter(1)):
            line.append("".join(_MARK if is_mark else letter for letter, _ in group), style=_STYLE[is_mark])
        lines.append(line)
    if chart.steps:
        begin, end = f"{span[0]:,}", f"{span[1]:,}"
        lines.append(Text(f"{'':{margin + 2}}{begin}{end:>{max(columns - len(begin), len(end) + 1)}}", style="dim"))
    return lines


def _x(step: int, span: tuple[int, int], columns: int) -> int:
    first, last = span
    return round((step - first) / (last - first) * (columns - 1)) if last > first else 0


def _y(value: float, ends: tuple[float, float], rows: int) -> int:
    """The row of a value, 0 for the highest; a flat curve runs along the middle."""
    low, high = ends
    return round((high - value) / (high - low) * (rows - 1)) if high > low else (rows - 1) // 2


def _curve(
    buckets: Sequence[_Bucket], columns: int, rows: int, ends: tuple[float, float], span: tuple[int, int]
) -> list[list[str]]:
    """The curve as letters by row and column."""
    dots = [0] * (2 * columns)
    """Of each column of dots a number whose bit y is the dot in row y."""

    def fill(x: int, top: int, bottom: int) -> None:
        dots[x] |= (1 << bottom + 1) - (1 << top)

    before: tuple[int, int] | None = None
    for bucket in buckets:
        begin, end = (_x(step, span, 2 * columns) for step in (bucket.first_step, bucket.last_step))
        top, bottom = _y(bucket.high, ends, 4 * rows), _y(bucket.low, ends, 4 * rows)
        for x in range(begin, end + 1):
            fill(x, top, bottom)
        if before is not None:
            _join(fill, before, (begin, _y(bucket.first, ends, 4 * rows)))
        before = end, _y(bucket.last, ends, 4 * rows)
    return [[_letter(dots[2 * x] >> 4 * y, dots[2 * x + 1] >> 4 * y) for x in range(columns)] for y in range(rows)]


def _letter(left: int, right: int) -> str:
    """The letter of eight dots: four of each column, the upper one in the lowest bit."""
    bits = 0
    for y in range(4):
        bits |= (left >> y & 1) * _DOTS[0][y] | (right >> y & 1) * _DOTS[1][y]
    return chr(_BLANK + bits) if bits else " "


def _join(fill: Callable[[int, int, int], None], left: tuple[int, int], right: tuple[int, int]) -> None:
    """A line between two dots of different columns; each column begins one dot after the one before ended."""
    (x0, y0), (x1, y1) = left, right
    at = y0
    for x in range(x0 + 1, x1 + 1):
        then = round(y0 + (y1 - y0) * (x - x0) / (x1 - x0))
        begin = at + (then > at) - (then < at)
        fill(x, min(begin, then), max(begin, then))
        at = then
