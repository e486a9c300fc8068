"""What an alarm says, in the language of the report.

A journal tells its alarms in English. Each sentence is looked up as it stands; evidence is told from its pieces, whose
numbers are taken out and written as the language writes them. What is none of ours, such as the reason of a failure or
a sentence of another version, has no translation.
"""

from __future__ import annotations

import re

from kamerton.registry.report.language import Language, mark

__all__ = ["alarm_evidence", "alarm_sentence"]

_SENTENCES = frozenset(
    {
        mark("the answers have nothing to do with their questions"),
        mark("a column that was sorted or shuffled apart from the others, or a join on the wrong key"),
        mark("look at a few rows; where answers truly do not depend on questions, set training.alarms.data=off"),
        mark("the loss rose and stays up"),
        mark("a learning rate too high, or the data changed in the middle of the run"),
        mark(
            "lower training.learning_rate by a factor of 3 to 10, or raise training.warmup_steps; go on from a "
            "checkpoint before the rise"
        ),
        mark("the run did not come to its end"),
        mark("what the reason names"),
        mark("the machine or what was asked for, not the course of the training"),
        mark("mend what the reason names, then kamerton train --resume"),
        mark("general texts are predicted worse than before the training"),
        mark("the model is drawn to the training data and loses what it could before"),
        mark(
            "lower training.learning_rate or training.epochs, mix general rows in (data.mix), or use a smaller adapter"
        ),
        mark("training makes the model worse from its beginning"),
        mark("a learning rate too high for this model and method"),
        mark("lower training.learning_rate by a factor of 3 to 10, or raise training.warmup_steps"),
        mark("the loss falls in a straight line and would fall further"),
        mark("a learning rate too low, or too few steps"),
        mark("raise training.learning_rate by a factor of 2 to 5, or training.epochs"),
        mark("the batches do not go on"),
        mark("what brings the rows hands out the same ones, or none"),
        mark(
            "look at the sources of data.train and their weights; report it where the recipe uses Kamerton's own order"
        ),
        mark("the loss is not a number"),
        mark("the gradient norm is not a number"),
        mark("the validation loss is not a number"),
        mark("a learning rate too high, numbers too large for the precision, or a broken row in the batch"),
        mark("broken rows, or a base with broken weights"),
        mark(
            "lower training.learning_rate, set training.compute.precision=fp32, look at the rows of the step; "
            "training.alarms.non_finite=skip_step leaves out single steps"
        ),
        mark("validation loss rises while training loss falls"),
        mark("the training part is learned by heart"),
        mark(
            "set training.finish_with=best and training.early_stopping, or fewer training.epochs, a smaller "
            "method.rank, or more data"
        ),
        mark("the loss no longer falls, and training goes on"),
        mark("all that this model and rate can learn from the data is learned, or the answers are noise"),
        mark("stop here (training.early_stopping), look at the rows, or try another training.learning_rate"),
        mark("there is little to learn from"),
        mark("a small source, or a filter that took nearly everything"),
        mark("add rows to data.train, look at the data report's refused rows, or put the rows into the prompt instead"),
        mark("rows are repeated"),
        mark("the same source read twice, or rows copied to weigh more"),
        mark("data.clean.exact_duplicates=drop, or give the source a weight (data.train[].weight), which is recorded"),
        mark("most of what is read is not learned"),
        mark("answers that lie beyond training.max_length, empty answers, or roles that the mapping mixed up"),
        mark("raise training.max_length; kamerton data check tells what is cut, and what is masked wholly"),
        mark("the validation part is learned from"),
        mark("one source in both parts, or copies that fell on both sides of the split"),
        mark("split by near_duplicates (data.split.by), or take the rows out of data.train; the losses are too low"),
        mark("answers are in another language than their questions"),
        mark("files of several languages joined in the wrong order; a set of translations is meant to be so"),
        mark("look at the rows; data.clean.language keeps the rows of one language"),
        mark("a step far outside the ones before it"),
        mark("an outlying batch (very long, foreign or broken rows), or a learning rate near the edge"),
        mark(
            "look at the rows of the step; lower training.learning_rate or training.optimizer.max_grad_norm; "
            "training.alarms.spike=skip_step leaves such steps out"
        ),
        mark("the chat template does not fit the base"),
        mark("a template of another family, or a tokenizer whose template was edited"),
        mark("set model.chat_template=tokenizer, or restore the template of the base"),
        mark("training became slower"),
        mark(
            "other work on the machine, a processor or GPU that became hot, memory that is swapped, or rows that "
            "came to be much longer or to have less to learn"
        ),
        mark("look at what else runs (top, nvidia-smi); the weights are not touched by it"),
        mark("hardly anything was learned"),
        mark("a learning rate too low, too few steps, weights that do not move, or answers that cannot be predicted"),
        mark(
            "raise training.learning_rate by a factor of 3 to 10 or training.epochs; look at the number of weights "
            "that move (kamerton check) and at the rows"
        ),
        mark("the weights do not move"),
        mark("an adapter whose weights are all zero or switched off, or trained layers that take no part in the loss"),
        mark("look at method.targets and the adapter that training starts from"),
    }
)
"""Symptoms, causes and changes."""

_NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?%?"
_BETWEEN = "; "
"""Between two pieces of evidence."""


def _pattern(template: str) -> re.Pattern[str]:
    """What finds a template's numbers in a sentence."""
    literals = re.split(r"\{(\w+)\}", template)  # every second one is a name
    return re.compile(
        "".join(f"(?P<{part}>{_NUMBER})" if index % 2 else re.escape(part) for index, part in enumerate(literals))
    )


_EVIDENCE = {
    template: _pattern(template)
    for template in (
        mark("of {examples} examples, answers put to questions by lot fit as well: p = {p}"),
        mark("smoothed loss {loss} for {steps} steps above {times} times its lowest, {lowest}"),
        mark(
            "loss on {items} general texts {loss}, before the first step {start}: {change} [{low}, {high}] nats a token"
        ),
        mark(
            "loss on {items} general texts {loss}, before the first step {start}: {change} [{low}, {high}] nats a "
            "token (perplexity {worse})"
        ),
        mark("the margin is {margin}"),
        mark("loss {recent} (median of {steps} steps) after {early} in the first {first}"),
        mark("validation loss {loss}, before the first step {start}: {change} [{low}, {high}]"),
        mark(
            "validation loss {start}, {middle}, {last} at {begin}, {half} and {end} of the way (sum of the rates): "
            "the later part learned {share} of what the earlier did for its length"
        ),
        mark("mean loss {early}, {middle}, {late} in three thirds of the way"),
        mark("the last {steps} steps learned from no token"),
        mark("{repeats} steps of one epoch repeat a batch of it, such as step {step} that of step {first}"),
        mark("loss nan or infinite at step {step}"),
        mark("gradient norm nan or infinite at step {step}"),
        mark("validation loss nan or infinite at step {step}"),
        mark("the last finite loss was {loss} at step {step}"),
        mark("validation loss {loss} after {lowest} at step {step}"),
        mark("validation loss {loss} after {lowest} at step {step}, {change} [{low}, {high}] on the same examples"),
        mark("training loss {now} after {then}"),
        mark("mean loss {after} over {steps} steps after {before}: a fall of {change} [{low}, {high}]"),
        mark("validation loss {loss}, lowest before {lowest}: no gain in {times} measurements"),
        mark("{left} of the steps are still to come"),
        mark("{distinct} different training examples"),
        mark("fewer than {fewest} are learned by heart"),
        mark("{copies} of {examples} training examples are copies ({share})"),
        mark("{masked} of {rows} rows have no token that is learned ({share})"),
        mark("{share} of the training tokens are learned"),
        mark("{leaked} of {validation} validation examples stand in the training part as they are"),
        mark("{mixed} of {judged} rows of a sample ({share})"),
        mark("loss {value}"),
        mark("gradient norm {value}"),
        mark("the last {steps} steps: mean {mean}, deviation {deviation}"),
        mark("{share} of the answers end in a token that ends a turn"),
        mark("the model will not stop"),
        mark("model.chat_template sets another template than the one that the base's tokenizer brings"),
        mark("{recent} learned tokens a second over the last {steps} steps, {usual} in the beginning"),
        mark("validation loss {loss}, before the first step {start}: {change} [{low}, {high}] on the same examples"),
        mark("training loss {first} in the first quarter, {last} in the last: a fall of {change} [{low}, {high}]"),
        mark("gradient norm 0 in the last {steps} steps, with a loss of {loss}"),
    )
}


def alarm_sentence(language: Language, sentence: str) -> str | None:
    """A symptom, cause or change in this language; None where it is none of ours."""
    return language.say(sentence) if sentence in _SENTENCES else None


def alarm_evidence(language: Language, evidence: str) -> str | None:
    """Evidence in this language; None where a piece of it is none of ours."""
    pieces = evidence.split(_BETWEEN)
    told = [text for piece in pieces if (text := _piece(language, piece)) is not None]
    return _BETWEEN.join(told) if len(told) == len(pieces) else None


def _piece(language: Language, piece: str) -> str | None:
    for template, pattern in _EVIDENCE.items():
        if found := pattern.fullmatch(piece):
            numbers = {name: _number(language, written) for name, written in found.groupdict().items()}
            return language.say(template, **numbers)
    return None


def _number(language: Language, written: str) -> str:
    """A number of an English sentence, with the same digits."""
    bare = written.rstrip("%")
    value, digits, signed = float(bare.replace(",", "")), len(bare.partition(".")[2]), written.startswith("+")
    if bare != written:
        return language.percent(value / 100, digits, signed=signed)
    return language.number(value, digits, signed=signed)
