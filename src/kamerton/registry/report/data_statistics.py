"""The chapters of a data page on what was measured: sizes, tokens, balance, diversity, label noise."""

from __future__ import annotations

from kamerton.records.data import DataReport
from kamerton.records.statistics import (
    Balance,
    Distribution,
    LexicalDiversity,
    NoisePair,
    Sampled,
    TokenStatistics,
)
from kamerton.registry.report import charts
from kamerton.registry.report.blocks import Block, Cell, Facts, Figure, Note, Section, Table
from kamerton.registry.report.data_findings import Placer, placer
from kamerton.registry.report.language import EM_DASH, Language
from kamerton.registry.report.page_results import NARROW, WIDE
from kamerton.registry.report.terms import part_name

__all__ = ["balance_section", "diversity_section", "noise_section", "sizes_section"]

_CATEGORIES = 30
"""Categories of a chart; the rest is counted."""
_PAIRS = 50


def sizes_section(report: DataReport, language: Language) -> Section | None:
    """Histograms of characters, and of tokens where a model was given."""
    statistics = report.statistics
    if statistics is None:
        return None
    titles = {
        "prompt": language.say("Characters of a prompt"),
        "answer": language.say("Characters of an answer"),
        "row": language.say("Characters of a row"),
    }
    blocks: list[Block] = [
        _histogram(titles[name], lengths, language.say("characters"), language, small=len(statistics.characters) > 2)
        for name, lengths in statistics.characters.items()
        if name in titles and (name != "row" or len(statistics.characters) == 1)
    ]
    if statistics.tokens is None:
        blocks.append(Note(language.say("Tokens were not counted: no model was given."), "quiet"))
    else:
        blocks += _tokens(statistics.tokens, language)
    lead = language.say("How long the rows are, and what of them fits into the model.")
    return Section("sizes", language.say("Sizes"), lead, blocks)


def _histogram(title: str, lengths: Distribution, unit: str, language: Language, *, small: bool = False) -> Figure:
    bins = [
        (
            language.count(each.low),
            each.count,
            f"{language.count(each.low)}–{language.count(each.high - 1)}: {language.count(each.count)}",
        )
        for each in lengths.bins
    ]
    note = language.say(
        "From {low} to {high}, median {median}, mean {mean}; {most} between {p5} and {p95}.",
        low=language.count(lengths.min),
        high=language.count(lengths.max),
        median=language.count(lengths.median),
        mean=language.number(lengths.mean, 0),
        most=language.level(0.9),
        p5=language.count(lengths.p5),
        p95=language.count(lengths.p95),
    )
    wide, narrow = (
        charts.histogram(
            bins, width=width, title=title, description=note, axis=unit, count=lambda value: language.count(int(value))
        )
        for width in (WIDE / 2 - 16 if small else WIDE, NARROW)
    )
    return Figure(title, wide, narrow, note=note, small=small)


def _tokens(tokens: TokenStatistics, language: Language) -> list[Block]:
    blocks: list[Block] = []
    if tokens.per_row is not None:
        blocks.append(
            _histogram(language.say("Tokens of a training row"), tokens.per_row, language.say("tokens"), language)
        )
    among = language.say("all {rows} rows", rows=language.count(tokens.rows))
    if tokens.sampled_rows < tokens.rows:
        among = language.say(
            "a sample of {n} of {rows} rows, chosen by their hashes",
            n=language.count(tokens.sampled_rows),
            rows=language.count(tokens.rows),
        )
    length = EM_DASH if tokens.max_length is None else language.count(tokens.max_length)
    blocks.append(
        Facts(
            [
                (language.say("Tokenizer of"), Cell(tokens.model, code=True)),
                (language.say("Estimated from"), Cell(among)),
                (language.say("Tokens of all training rows"), _estimate(tokens.total, language, 0)),
                (language.say("Tokens a row"), _estimate(tokens.mean, language, 1)),
                (language.say("Characters a token"), _estimate(tokens.chars_per_token, language, 2)),
                (language.say("Share that is learned"), _percentage(tokens.trained_share, language)),
                (language.say("Longest sequence, in tokens"), Cell(length)),
                (language.say("Rows cut (all rows counted)"), Cell(language.count(tokens.truncated))),
                (language.say("Rows with nothing left to learn"), Cell(language.count(tokens.masked))),
            ]
        )
    )
    return blocks


def _estimate(sampled: Sampled, language: Language, digits: int) -> Cell:
    if sampled.value is None:
        return Cell(EM_DASH, [sampled.why], english_notes=True)
    value = language.number(sampled.value, digits)
    if sampled.low is None or sampled.high is None or sampled.method == "all rows":
        return Cell(value)
    ends = f"{language.number(sampled.low, digits)}–{language.number(sampled.high, digits)}"
    return Cell(value, [language.say("{level} interval {ends}", level=language.level(sampled.confidence), ends=ends)])


def _percentage(sampled: Sampled, language: Language) -> Cell:
    if sampled.value is None:
        return Cell(EM_DASH, [sampled.why], english_notes=True)
    value = language.percent(sampled.value)
    if sampled.low is None or sampled.high is None or sampled.method == "all rows":
        return Cell(value)
    ends = f"{language.number(100 * sampled.low, 1)}–{language.percent(sampled.high)}"
    return Cell(value, [language.say("{level} interval {ends}", level=language.level(sampled.confidence), ends=ends)])


def balance_section(report: DataReport, language: Language) -> Section | None:
    """How rows are shared out over categories and tasks."""
    statistics = report.statistics
    if statistics is None or not statistics.balance:
        return None
    titles = {"category": language.say("Rows by category"), "task": language.say("Rows by task")}
    blocks: list[Block] = []
    for balance in statistics.balance:
        title = f"{titles[balance.by]}, {part_name(language, balance.part)}"
        blocks.append(_bars(title, balance, language))
    lead = language.say("A model learns best what it sees most.")
    return Section("balance", language.say("Balance"), lead, blocks)


def _bars(title: str, balance: Balance, language: Language) -> Figure:
    total = sum(balance.counts.values())
    shown = list(balance.counts.items())[:_CATEGORIES]
    rows = [
        charts.Bar(name or language.say("none"), count, f"{language.count(count)} ({language.share(count / total, 1)})")
        for name, count in shown
    ]
    note = language.say(
        "{names} names, as uneven as {effective} equally frequent ones.",
        names=language.count(len(balance.counts)),
        effective=language.number(balance.effective, 1),
    )
    if len(balance.counts) > len(shown):
        note += " " + language.say("The {n} most frequent are shown.", n=language.count(len(shown)))
    most = max(balance.counts.values())
    wide, narrow = (
        charts.bars(rows, width=width, title=title, description=note, most=most) for width in (WIDE, NARROW)
    )
    return Figure(title, wide, narrow, note=note)


def diversity_section(report: DataReport, language: Language) -> Section | None:
    """Words and meanings."""
    statistics = report.statistics
    if statistics is None or not statistics.lexical:
        return None
    names = {"prompt": language.say("Prompts"), "answer": language.say("Answers")}
    first: LexicalDiversity = next(iter(statistics.lexical.values()))
    words = language.count(first.block_words)
    measures = [
        (language.say("Different words among {words} words", words=words), "distinct_1"),
        (language.say("Different pairs of words"), "distinct_2"),
        (language.say("Different triples of words"), "distinct_3"),
        (language.say("Times smaller when compressed"), "compression"),
    ]
    rows = []
    for name, field in measures:
        cells = [getattr(found, field) for found in statistics.lexical.values()]
        rows.append(
            [
                Cell(name),
                *(_estimate(c, language, 2) if field == "compression" else _percentage(c, language) for c in cells),
            ]
        )
    semantic = statistics.semantic
    facts = Facts(
        [
            (language.say("Mean distance of two meanings"), _estimate(semantic.distance, language, 3)),
            (language.say("Different meanings (Vendi score)"), _estimate(semantic.vendi, language, 0)),
            (language.say("Rows compared"), Cell(language.count(semantic.distance.n))),
        ]
    )
    lead = language.say("Measured over blocks of one fixed size, so that sets of different size can be compared.")
    head = [language.say("Measure"), *(names.get(name, name) for name in statistics.lexical)]
    return Section("diversity", language.say("Diversity"), lead, [Table("", head, rows, wide=True), facts])


def noise_section(report: DataReport, language: Language) -> Section | None:
    """Questions with different answers."""
    statistics = report.statistics
    if statistics is None or not statistics.noise.rows:
        return None
    noise = statistics.noise
    facts = Facts(
        [
            (language.say("Rows with an equal question"), Cell(language.count(noise.equal_rows))),
            (language.say("Share"), Cell(language.share(noise.share))),
            (language.say("More with a nearly equal one"), Cell(language.count(noise.near_rows))),
        ]
    )
    lead = language.say("Rows that ask one question and answer it differently: one of them may be wrong.")
    title = language.say("Label noise")
    if not noise.pairs:
        return Section("noise", title, lead, [facts])
    head = [language.say("Where"), language.say("Question"), language.say("One answer"), language.say("Another")]
    place = placer(report)
    rows = [_pair(pair, place, language) for pair in noise.pairs[:_PAIRS]]
    blocks: list[Block] = [facts, Table("", head, rows, wide=True)]
    if noise.pairs_found > len(rows):
        more = language.count(noise.pairs_found - len(rows))
        blocks.append(Note(language.say("And {more} more; the JSON report has all.", more=more), "quiet"))
    return Section("noise", title, lead, blocks)


def _pair(pair: NoisePair, place: Placer, language: Language) -> list[Cell]:
    first, second = (place(where.file, where.line) for where in (pair.first, pair.second))
    where = Cell(first.text, [second.text], full=first.full, code=True)
    if not pair.answers:
        hidden = Cell(language.say("not shown: personal data"), tone="quiet")
        return [where, hidden, Cell(""), Cell("")]
    return [where, Cell(pair.prompt), *(Cell(answer) for answer in pair.answers)]
