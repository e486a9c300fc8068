"""The curves of the training, what happened on the way marked on each, and the alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kamerton.registry.report import charts
from kamerton.registry.report.alarm_texts import alarm_evidence, alarm_sentence
from kamerton.registry.report.blocks import Cell, Figure, Table
from kamerton.registry.report.language import Language
from kamerton.registry.report.page_results import NARROW, WIDE
from kamerton.registry.report.terms import alarm_name, capital

__all__ = ["alarm_table", "loss_figure", "small_figures"]

_Training = Mapping[str, Any]


def loss_figure(training: _Training, language: Language, *, per_token: bool) -> Figure:
    """The loss of training and validation over the steps.

    Args:
        per_token: whether it is a mean negative log-likelihood per token; other objectives have losses of their own.
    """
    points = training["points"]
    smooth = training["smooth_window"] > 1
    raw = [(point["step"], point["loss"]) for point in points]
    band = _band([(point["step"], point["loss_low"], point["loss_high"]) for point in points])
    series = [charts.Line(language.say("training"), raw, "raw" if smooth else "own", labelled=not smooth, band=band)]
    if smooth:
        curve = [(point["step"], point["smooth_loss"]) for point in points]
        series.append(charts.Line(language.say("training"), curve, "own"))
    if training["validation"]:
        measured = [(point["step"], point["loss"]) for point in training["validation"]]
        series.append(charts.Line(language.say("validation"), measured, "first", dots=True))
    title = language.say("Loss, in nats per token") if per_token else language.say("Loss")
    description = language.say(
        "Training loss from {first} to {last} over {steps} optimiser steps.",
        first=language.number(training["first_loss"], 3),
        last=language.number(training["last_loss"], 3),
        steps=language.count(training["steps"]),
    )
    wide, narrow = (_lines(series, training, (width, 280), (title, description), language) for width in (WIDE, NARROW))
    return Figure(title, wide, narrow, _loss_note(training, language), legend=_legend(training, language))


def _loss_note(training: _Training, language: Language) -> str:
    note = []
    if training["steps_per_point"] > 1:
        note.append(
            language.say_n(
                "A point is the mean of {count} step.",
                "A point is the mean of {count} steps.",
                training["steps_per_point"],
            )
        )
        note.append(language.say("The band reaches from the lowest to the highest of them."))
    if training["smooth_window"] > 1:
        note.append(
            language.say_n(
                "Bold: moving mean over {count} point; faint: as recorded.",
                "Bold: moving mean over {count} points; faint: as recorded.",
                training["smooth_window"],
            )
        )
    return " ".join(note)


def small_figures(training: _Training, language: Language) -> list[Figure]:
    """Learning rate, gradient norm, speed, memory, and the metrics of the objective, each as far as it is known."""
    found = []
    points = training["points"]
    if points:
        rate = [(point["step"], point["learning_rate"]) for point in points]
        norm = [(point["step"], point["grad_norm"]) for point in points]
        band = _band([(point["step"], point["grad_norm_low"], point["grad_norm_high"]) for point in points])
        found.append(
            _small(language.say("Learning rate"), [charts.Line("", rate, "own", labelled=False)], training, language)
        )
        title = language.say("Gradient norm before clipping")
        found.append(_small(title, [charts.Line("", norm, "own", labelled=False, band=band)], training, language))
    named = {
        "tokens_per_second": language.say("Trained tokens per second"),
        "memory_mib": language.say("Memory of the process, in MiB"),
    }
    curves, validation = training["curves"], training["validation_curves"]
    order = [name for name in named if name in curves]
    order += [name for name in (*curves, *validation) if name not in named]
    titles = {name: named.get(name, name.replace("_", " ")) for name in order}
    return found + [_measured(name, title, training, language) for name, title in titles.items()]


def _measured(name: str, title: str, training: _Training, language: Language) -> Figure:
    """What the journal measured: on training as a curve, on validation as dots."""
    points, checks = training["curves"].get(name, []), training["validation_curves"].get(name, [])
    series = []
    if points:
        band = _band([(point["step"], point["low"], point["high"]) for point in points])
        curve = [(point["step"], point["value"]) for point in points]
        series.append(charts.Line(language.say("training"), curve, "own", labelled=bool(checks), band=band))
    if checks:
        dots = [(point["step"], point["value"]) for point in checks]
        series.append(charts.Line(language.say("validation"), dots, "first", dots=True))
    return _small(title, series, training, language)


def _small(title: str, series: Sequence[charts.Line], training: _Training, language: Language) -> Figure:
    values = _heights(series)
    description = language.say(
        "Between {low} and {high}.", low=language.significant(min(values)), high=language.significant(max(values))
    )
    wide, narrow = (
        _lines(series, training, (width, 140), (title, description), language) for width in (WIDE / 2 - 16, NARROW)
    )
    return Figure(title, wide, narrow, small=True)


def _band(extremes: Sequence[tuple[float, float, float]]) -> Sequence[tuple[float, float, float]]:
    """The extremes, or nothing where each point is a single step."""
    return extremes if any(low < high for _, low, high in extremes) else ()


def _heights(series: Sequence[charts.Line]) -> list[float]:
    """All that the chart must reach to."""
    values = [y for line in series for _, y in line.points]
    return values + [y for line in series for _, *ends in line.band for y in ends]


def _lines(
    series: Sequence[charts.Line],
    training: _Training,
    size: tuple[float, float],
    texts: tuple[str, str],
    language: Language,
) -> Any:
    """The chart in a size, with its title and description, and the marks of what happened."""
    highest = max(map(abs, _heights(series)))

    def label(tick: float) -> str:
        if highest < 0.01:
            return language.significant(tick)
        return language.number(tick, 0 if highest >= 20 else 1 if highest >= 2 else 2)

    axes = (language.say("optimiser step"), lambda tick: language.count(round(tick)), label)
    (width, height), (title, description) = size, texts
    marks = _marks(training, language)
    return charts.lines(
        series, width=width, height=height, title=title, description=description, axes=axes, marks=marks
    )


def _marks(training: _Training, language: Language) -> list[tuple[float, str, str]]:
    """Resumptions and alarms on the axis of steps."""
    resumed = [
        (float(step), "resumed", language.say("Resumed after step {step}", step=language.count(step)))
        for step in training["resumed"]
    ]
    alarms = [
        (float(alarm["step"]), "alarm", f"{alarm_name(language, alarm['alarm'])}, {_at(alarm, language)}")
        for alarm in training["alarms"]
    ]
    return resumed + alarms


def _at(alarm: Mapping[str, Any], language: Language) -> str:
    return language.say("step {step}", step=language.count(alarm["step"]))


def _legend(training: _Training, language: Language) -> list[tuple[str, str]]:
    legend = []
    if training["alarms"]:
        legend.append(("alarm", language.say("an alarm was raised")))
    if training["resumed"]:
        legend.append(("resumed", language.say("training was resumed")))
    return legend


def alarm_table(training: _Training, language: Language) -> Table:
    """What each alarm saw, and what it advises."""
    head = [
        language.say("Kind of alarm"),
        language.say("What was seen"),
        language.say("Likely cause"),
        language.say("What to change"),
    ]
    rows = [
        [
            Cell(capital(alarm_name(language, alarm["alarm"])), (_at(alarm, language),), tone="bad"),
            _seen(alarm, language),
            _told(alarm["cause"], language),
            _told(alarm["change"], language),
        ]
        for alarm in training["alarms"]
    ]
    return Table(language.say("Alarms during the training"), head, rows, wide=True, prose=True)


def _seen(alarm: Mapping[str, Any], language: Language) -> Cell:
    """The symptom, and below it the numbers that decided."""
    evidence = alarm_evidence(language, alarm["evidence"])
    symptom = _told(alarm["symptom"], language)
    return replace(symptom, notes=(evidence or alarm["evidence"],), english_notes=evidence is None)


def _told(sentence: str, language: Language) -> Cell:
    told = alarm_sentence(language, sentence)
    return Cell(told or sentence, english=told is None)
