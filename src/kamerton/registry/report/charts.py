"""Charts as inline SVG, drawn here so that a report needs no script and no network.

Colours come from the page's style sheet by class, so that a chart is light, dark or printed as the page is. Each chart
is drawn for a width in pixels and never shrunk, so that its letters stay readable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

__all__ = ["Bar", "Interval", "Line", "bars", "histogram", "intervals", "lines", "nice_ticks", "stacks"]

Label = Callable[[float], str]

_CHAR = 6.4
"""Width of a letter at the charts' size of 12 px; an upper estimate for labels."""


@dataclass(frozen=True)
class Line:
    """One curve; `style` is a class of the style sheet."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str
    dots: bool = False
    """Draw each point; for curves that were measured seldom."""
    labelled: bool = True
    band: Sequence[tuple[float, float, float]] = ()
    """From the lowest to the highest value at each x, where a point stands for several; drawn behind the curve."""


@dataclass(frozen=True)
class Interval:
    """One model's value with its interval."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    shown: str
    style: str


@dataclass(frozen=True)
class Bar:
    """One bar, with marks where other models stand."""

    name: str
    value: float | None
    shown: str
    marks: Sequence[tuple[float, str, str]] = field(default_factory=tuple)
    """Value, style and name of each mark."""


class _Canvas:
    """Collects the elements of one picture."""

    def __init__(self, width: float, height: float, title: str, description: str) -> None:
        self._head = (
            f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" role="img" width="{_n(width)}" '
            f'height="{_n(height)}" viewBox="0 0 {_n(width)} {_n(height)}">'
            f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        )
        self._parts: list[str] = []

    def text(self, x: float, y: float, text: str, style: str = "label", anchor: str = "start") -> None:
        self._parts.append(
            f'<text x="{_n(x)}" y="{_n(y)}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        self._parts.append(f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{style}"/>')

    def rectangle(self, x: float, y: float, width: float, height: float, style: str, title: str = "") -> None:
        inside = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(width, 0))}" height="{_n(height)}" rx="2" '
            f'class="{style}">{inside}</rect>'
        )

    def circle(self, x: float, y: float, radius: float, style: str, title: str = "") -> None:
        inside = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius)}" class="{style}">{inside}</circle>')

    def mark(self, x: float, top: float, bottom: float, style: str, title: str) -> None:
        """An upright line with a triangle on top."""
        self._parts.append(
            f'<g class="event {style}"><title>{escape(title)}</title><path d="M{_n(x)},{_n(bottom)}V{_n(top)}"/>'
            f'<path class="head" d="M{_n(x)},{_n(top)}l-4.5,-8h9z"/></g>'
        )

    def area(self, points: Sequence[tuple[float, float]], style: str) -> None:
        steps = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(f'<polygon points="{steps}" class="{style}"/>')

    def path(self, points: Sequence[tuple[float, float]], style: str) -> None:
        steps = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
        self._parts.append(f'<polyline points="{steps}" class="{style}"/>')

    def markup(self) -> Markup:
        # Every text went through escape; all else are numbers and our own class names.
        return Markup(self._head + "".join(self._parts) + "</svg>")  # noqa: S704


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most about `most` round numbers that cover [low, high]: multiples of 1, 2, 2.5 or 5 times a power of ten."""
    span = high - low
    if not span > 0:
        span = abs(high) or 1.0
    rough = span / max(1, most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten: those inside [low, high] and the nearest outside; at least two. high >= low > 0."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    found = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    first = max(index for index, tick in enumerate(found) if tick <= low * (1 + 1e-9))
    last = min(index for index, tick in enumerate(found) if tick >= high * (1 - 1e-9))
    return found[first : max(last, first + 1) + 1]


def lines(
    series: Sequence[Line],
    *,
    width: float,
    height: float,
    title: str,
    description: str,
    axes: tuple[str, Label, Label],
    marks: Sequence[tuple[float, str, str]] = (),
) -> Markup:
    """Curves over optimiser steps.

    Args:
        axes: name of the x axis, and what writes the numbers of x and of y.
        marks: events on the x axis, each with x, a class of the style sheet, and what it says when it is pointed at.
    """
    canvas = _Canvas(width, height, title, description)
    x_name, x_label, y_label = axes
    x_high = max(x for line in series for x, _ in line.points)
    heights = [y for line in series for _, y in line.points]
    heights += [y for line in series for _, *ends in line.band for y in ends]
    ticks = nice_ticks(min(heights), max(heights), 5 if height > 150 else 3)
    labels = [y_label(tick) for tick in ticks]
    left = 10 + _CHAR * max(len(label) for label in labels)
    right = width - 12
    if any(line.labelled for line in series):
        right = width - 14 - _CHAR * max(len(line.name) for line in series if line.labelled)
    top, bottom = 12.0, height - 36

    def x_of(value: float) -> float:
        return left + (right - left) * value / x_high if x_high else left

    def y_of(value: float) -> float:
        return bottom - (bottom - top) * (value - ticks[0]) / (ticks[-1] - ticks[0])

    for tick, label in zip(ticks, labels, strict=True):
        canvas.line(left, y_of(tick), right, y_of(tick), "grid")
        canvas.text(left - 8, y_of(tick) + 4, label, "tick", "end")
    for tick in nice_ticks(0, x_high, max(3, int((right - left) / 90))):
        if tick <= x_high and float(tick).is_integer():
            canvas.text(x_of(tick), bottom + 17, x_label(tick), "tick", "middle")
    canvas.text((left + right) / 2, bottom + 33, x_name, "axis", "middle")
    for x, style, inside in marks:
        if x <= x_high:
            canvas.mark(x_of(x), top, bottom, style, inside)
    for line in series:
        if line.band:
            upper = [(x_of(x), y_of(high)) for x, _, high in line.band]
            lower = [(x_of(x), y_of(low)) for x, low, _ in line.band]
            canvas.area([*upper, *reversed(lower)], f"band {line.style}")
    ends: list[float] = []
    for line in series:
        _curve(canvas, line, [(x_of(x), y_of(y)) for x, y in line.points])
        if line.labelled and line.points:
            ends.append(_free(y_of(line.points[-1][1]), ends))
            canvas.text(right + 8, ends[-1] + 4, line.name, f"name {line.style}")
    return canvas.markup()


def _curve(canvas: _Canvas, line: Line, points: list[tuple[float, float]]) -> None:
    if len(points) > 1:
        canvas.path(points, f"curve {line.style}")
    if line.dots or len(points) == 1:
        for x, y in points:
            canvas.circle(x, y, 3.5, f"dot {line.style}")


def _free(wanted: float, taken: Sequence[float]) -> float:
    """The nearest place above that is a line of text away from those taken."""
    for place in sorted(taken, reverse=True):
        if abs(wanted - place) < 15:
            wanted = place - 15
    return wanted


def intervals(
    groups: Sequence[tuple[str, Sequence[Interval]]],
    *,
    width: float,
    title: str,
    description: str,
    axis: tuple[tuple[float, float] | None, Label],
) -> Markup:
    """For each group a row a model: a point and the whiskers of its interval.

    Args:
        groups: heading and rows; values share one axis.
        axis: ends of a linear axis, or None for a logarithmic one that fits; and how its numbers are written.
    """
    narrow = width < 520
    ends, label = axis
    rows = [row for _, group in groups for row in group]
    known = [number for row in rows for number in (row.value, row.low, row.high) if number is not None]
    ticks = nice_ticks(*ends, 6 if not narrow else 5) if ends else log_ticks(min(known), max(known))
    names = 0.0 if narrow else 26 + _CHAR * max(len(row.name) for row in rows)
    left, right = names + 14, width - 26 - _CHAR * max(len(row.shown) for row in rows)
    step, head = (37.0, 26.0) if narrow else (21.0, 30.0)
    height = sum(head + step * len(group) for _, group in groups) + 30
    canvas = _Canvas(width, height, title, description)

    def x_of(value: float) -> float:
        if ends:
            return left + (right - left) * (value - ticks[0]) / (ticks[-1] - ticks[0])
        return left + (right - left) * math.log(value / ticks[0]) / math.log(ticks[-1] / ticks[0])

    free = -math.inf
    for tick in ticks:
        x, text = x_of(tick), label(tick)
        half = _CHAR * (len(text) + 1) / 2
        canvas.line(x, 8, x, height - 24, "grid")
        # On a logarithmic axis ticks come closer than their labels are wide.
        if x - half >= free:
            canvas.text(x, height - 8, text, "tick", "middle")
            free = x + half
    y = 0.0
    for heading, group in groups:
        if heading:
            canvas.text(0, y + 18, heading, "heading")
        y += head
        for row in group:
            _interval(canvas, row, y + step - 12, x_of, width, narrow=narrow)
            y += step
    return canvas.markup()


def _interval(
    canvas: _Canvas, row: Interval, y: float, x_of: Callable[[float], float], width: float, *, narrow: bool
) -> None:
    canvas.text(0 if narrow else 12, y - 11 if narrow else y + 4, row.name, f"name {row.style}")
    canvas.text(width, y + 4, row.shown, f"value {row.style}", "end")
    if row.value is None:
        return
    if row.low is not None and row.high is not None:
        canvas.line(x_of(row.low), y, x_of(row.high), y, f"whisker {row.style}")
        for end in (row.low, row.high):
            canvas.line(x_of(end), y - 4, x_of(end), y + 4, f"whisker {row.style}")
    canvas.circle(x_of(row.value), y, 5, f"dot {row.style}", f"{row.name}: {row.shown}")


def bars(rows: Sequence[Bar], *, width: float, title: str, description: str, most: float) -> Markup:
    """Horizontal bars from 0 to `most`, each with marks where other models stand."""
    narrow = width < 520
    step = 40.0 if narrow else 26.0
    names = 0.0 if narrow else min(0.4 * width, 18 + _CHAR * max(len(row.name) for row in rows))
    values = 16 + _CHAR * max(len(row.shown) for row in rows)
    canvas = _Canvas(width, step * len(rows) + 4, title, description)
    span = width - names - values
    for index, row in enumerate(rows):
        y = index * step
        canvas.text(0, y + 14, _fitting(row.name, (width if narrow else names) - 12), "label")
        top = y + (20 if narrow else 4)
        canvas.rectangle(names, top, span, 13, "track")
        if row.value is not None and most > 0:
            canvas.rectangle(names, top, span * row.value / most, 13, "bar", f"{row.name}: {row.shown}")
        for value, style, name in row.marks:
            x = names + span * min(value / most, 1.0) if most > 0 else names
            canvas.rectangle(x - 1.5, top - 3, 3, 19, f"mark {style}", name)
        canvas.text(width, top + 11, row.shown, "value", "end")
    return canvas.markup()


def stacks(
    rows: Sequence[tuple[str, Sequence[tuple[int, str, str]], str]], *, width: float, title: str, description: str
) -> Markup:
    """Horizontal bars made of parts: name, parts (size, style, title) and the text at the end."""
    narrow = width < 520
    step = 40.0 if narrow else 26.0
    names = 0.0 if narrow else min(0.4 * width, 18 + _CHAR * max(len(name) for name, _, _ in rows))
    values = 16 + _CHAR * max(len(shown) for _, _, shown in rows)
    canvas = _Canvas(width, step * len(rows) + 4, title, description)
    most = max(sum(size for size, _, _ in parts) for _, parts, _ in rows) or 1
    span = width - names - values
    for index, (name, parts, shown) in enumerate(rows):
        y = index * step
        canvas.text(0, y + 14, _fitting(name, (width if narrow else names) - 12), "label")
        x, top = names, y + (20 if narrow else 4)
        for size, style, inside in parts:
            length = span * size / most
            if size:
                canvas.rectangle(x, top, max(length - 1.5, 1), 13, style, inside)
            x += length
        canvas.text(width, top + 11, shown, "value", "end")
    return canvas.markup()


def histogram(
    bins: Sequence[tuple[str, int, str]], *, width: float, title: str, description: str, axis: str, count: Label
) -> Markup:
    """Upright bars side by side: each bar's lower edge, height, and what it says when it is pointed at."""
    height = 190.0
    canvas = _Canvas(width, height, title, description)
    ticks = nice_ticks(0, max(size for _, size, _ in bins), 4)
    labels = [count(tick) if float(tick).is_integer() else "" for tick in ticks]
    left, right = 10 + _CHAR * max(map(len, labels)), width - 4
    top, bottom = 10.0, height - 36
    for tick, label in zip(ticks, labels, strict=True):
        if label:
            y = bottom - (bottom - top) * tick / ticks[-1]
            canvas.line(left, y, right, y, "grid")
            canvas.text(left - 8, y + 4, label, "tick", "end")
    step = (right - left) / len(bins)
    # Each label needs its own width; where the bars are narrow only some have one.
    every = max(1, math.ceil((_CHAR * max(len(edge) for edge, _, _ in bins) + 10) / step))
    for index, (edge, size, inside) in enumerate(bins):
        x, tall = left + index * step, (bottom - top) * size / ticks[-1]
        if size:
            canvas.rectangle(x + 1, bottom - max(tall, 1), max(step - 2, 1), max(tall, 1), "bar", inside)
        if index % every == 0:
            canvas.text(x + 1, bottom + 16, edge, "tick")
    canvas.text((left + right) / 2, height - 3, axis, "axis", "middle")
    return canvas.markup()


def _fitting(text: str, room: float) -> str:
    """The text, cut with an ellipsis where it would not fit."""
    letters = max(4, int(room / _CHAR))
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
