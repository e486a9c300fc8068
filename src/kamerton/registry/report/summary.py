"""The first screen: the verdict with its reasons, warnings, and the key numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kamerton.registry.report import amounts
from kamerton.registry.report.blocks import Card, ReasonLine, VerdictBox
from kamerton.registry.report.language import Language, mark
from kamerton.registry.report.terms import baseline_name, metric_name, set_name

__all__ = ["cards", "verdict", "warnings"]

_DOUBTS = {
    "decision_of_other_weights": mark("The decision is about other weights than those of this run; it does not count."),
    "decision_of_other_comparisons": mark("The decision rests on other comparisons than those shown here."),
    "comparison_of_other_evaluations": mark("A comparison rests on other evaluations than those shown here."),
    "trace_of_other_run": mark("The trace does not end as the run's record says."),
    "rebuild_of_other_weights": mark("The rebuild was compared with other weights than those of this run."),
    "data_of_other_run": mark("The data report is about other rows than those that the run learned from."),
}
_OUTCOMES = {
    "better": mark("Significantly better than the {baseline}: {numbers}."),
    "not better": mark("Not shown to be better than the {baseline}: {numbers}."),
    "within the margin": mark("Not worse than the {baseline} by more than the allowed {limit}: {numbers}."),
    "beyond the margin": mark("The loss against the {baseline} may exceed the allowed {limit}: {numbers}."),
    "too few items": mark("Too few items for a verdict against the {baseline}: {numbers}."),
    "not comparable": mark("The model and the {baseline} cut the text into different tokens and cannot be compared."),
    "not measured": mark("Not measured against the {baseline}."),
}


def verdict(document: Mapping[str, Any], language: Language) -> VerdictBox:
    """The gate's answer; without one, the command that makes it."""
    label = language.say("Verdict")
    decision = document["decision"]
    if decision is None or decision["verdict"] is None:
        command = next((each["command"] for each in document["missing"] if each["part"] == "decision"), "")
        return VerdictBox(
            label,
            language.say("No verdict yet"),
            language.say("No gate has decided on this model."),
            "quiet",
            command=command,
        )
    reasons = [_reason(reason, language) for reason in decision["reasons"]]
    failed = sum(not reason.passed for reason in reasons)
    if decision["verdict"] == "pass":
        sentence = language.say_n(
            "The rule of the gate holds: the model may be promoted.",
            "All {count} rules of the gate hold: the model may be promoted.",
            len(reasons),
        )
        return VerdictBox(label, language.say("Passed"), sentence, "good", reasons)
    sentence = language.say_n(
        "{count} of the gate's rules does not hold: the model must not be promoted.",
        "{count} of the gate's rules do not hold: the model must not be promoted.",
        failed,
    )
    return VerdictBox(label, language.say("Not passed"), sentence, "bad", reasons)


def _reason(reason: Mapping[str, Any], language: Language) -> ReasonLine:
    rule = language.say("Must improve") if reason["rule"] == "primary" else language.say("Must not get worse")
    head = f"{rule}: {metric_name(language, reason['metric'])}, {set_name(language, reason['set_name'])}"
    measured = reason["scale"] is not None or reason["outcome"] in ("not comparable", "not measured")
    if not measured or not reason["baseline"]:
        # The sentence of the gate itself: nothing is at hand to say it in another language.
        return ReasonLine(head, reason["text"], reason["passed"], english=True)
    outcome = _OUTCOMES[reason["outcome"]]
    sentence = language.say(
        outcome,
        baseline=baseline_name(language, reason["baseline"]),
        limit=amounts.difference(language, reason["scale"], reason["numbers"].get("limit"), signed=False),
        numbers=_numbers(reason, language),
    )
    return ReasonLine(head, sentence, reason["passed"])


def _numbers(reason: Mapping[str, Any], language: Language) -> str:
    """Both values, the difference with its interval, and p; for too small a sample what it could have shown."""
    numbers, scale, metric = reason["numbers"], reason["scale"], reason["metric"]
    if reason["outcome"] == "too few items":
        return language.say(
            "{items}, smallest detectable effect {effect}",
            items=language.say_n("{count} item", "{count} items", int(numbers.get("n_items") or 0)),
            effect=amounts.difference(language, scale, numbers.get("minimum_detectable_effect"), signed=False),
        )
    words = {
        "candidate": amounts.value(language, metric, numbers.get("candidate")),
        "baseline": amounts.value(language, metric, numbers.get("baseline")),
        "difference": amounts.difference(language, scale, numbers.get("difference")),
        "level": language.level(reason["confidence"] or 0.95),
        "interval": amounts.difference_interval(language, scale, numbers.get("low"), numbers.get("high")),
    }
    if reason["outcome"] in ("within the margin", "beyond the margin"):
        # A margin is judged by the interval; the p-value answers another question.
        return language.say(
            "{candidate} against {baseline}, difference {difference} ({level} interval {interval})", **words
        )
    return language.say(
        "{candidate} against {baseline}, difference {difference} ({level} interval {interval}, {p} after Holm)",
        p=language.p_value(numbers.get("p_adjusted")),
        **words,
    )


def warnings(document: Mapping[str, Any], language: Language) -> list[str]:
    """Where the records do not fit together."""
    return [language.say(_DOUBTS[code]) for code in document["doubts"]]


def cards(document: Mapping[str, Any], language: Language) -> list[Card]:
    """At most five key numbers: the primary metric, what it gained, the items, the training, the rebuild."""
    found = [*_measured_cards(document, language)]
    training = document["training"]
    steps = language.say_n("{count} step", "{count} steps", training["steps"])
    tokens = language.say_n("{count} trained token", "{count} trained tokens", training["tokens"])
    found.append(Card(language.say("Training"), language.duration(training["seconds"]), f"{steps}, {tokens}"))
    rebuild = document["rebuild"]
    label = language.say("Rebuild")
    if rebuild is None:
        found.append(Card(label, language.say("not yet"), language.say("not proven so far"), "quiet"))
    elif rebuild["identical"]:
        found.append(Card(label, language.say("identical"), language.say("byte for byte"), "good"))
    else:
        found.append(Card(label, language.say("different"), language.say("the weights are not the same bytes"), "bad"))
    return found


def _measured_cards(document: Mapping[str, Any], language: Language) -> list[Card]:
    evaluation, metric = document["evaluation"], document["primary_metric"]
    if evaluation is None or metric is None or not evaluation["sets"]:
        return []
    first = evaluation["sets"][0]
    own = next((model for model in first["models"] if model["model"] == document["candidate"]), None)
    if own is None or metric not in own["metrics"]:
        return []
    measured = own["metrics"][metric]
    spread = amounts.interval(language, metric, measured["low"], measured["high"])
    result = [
        Card(
            metric_name(language, metric),
            amounts.value(language, metric, measured["value"]),
            language.say("{level} interval {interval}", level=language.level(own["confidence"]), interval=spread),
        )
    ]
    entries = [entry for entry in (first["comparison"] or {"entries": []})["entries"] if entry["metric"] == metric]
    known = [entry for entry in entries if entry["gain"] is not None]
    if known:
        hardest = min(known, key=lambda entry: float(entry["gain"]))
        result.append(
            Card(
                language.say("Gain over best baseline"),
                amounts.difference(language, hardest["scale"], hardest["difference"]),
                f"{baseline_name(language, hardest['baseline'])}, {language.p_value(hardest['p_adjusted'])}",
                amounts.tone_of(hardest) if amounts.tone_of(hardest) != "quiet" else "",
            )
        )
    result.append(
        Card(
            language.say("Test items"),
            language.count(measured["n_items"]),
            language.say_n("in {count} independent cluster", "in {count} independent clusters", measured["n_clusters"]),
        )
    )
    return result
