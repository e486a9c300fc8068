"""Test items that stand in the training rows: a verdict for each item, by every method."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from kamerton.data.leaks.canaries import canary_results
from kamerton.data.leaks.embeddings import embedding_matches
from kamerton.data.leaks.index import LeakIndex
from kamerton.data.leaks.judge import Found, TrainingText, judged
from kamerton.data.leaks.probes import LEAST, Probe, Probes
from kamerton.data.leaks.stream import RowStream
from kamerton.data.rows import Row
from kamerton.ground.digests import set_digest
from kamerton.recipe import LeakSection
from kamerton.records.data import Finding
from kamerton.records.leaks import ContaminatedItem, LeakMatch, LeakMethod, LeakPart, LeakReport, LeakSet

__all__ = ["LeakResult", "contamination", "contamination_of_sets", "leak_report"]

_CHUNK = 4096
"""Training rows that are looked up at once."""
_SAMPLE = 2048
"""Training rows that tell which words are rare."""
_SHOWN = 200
"""Characters of a text that a record keeps."""

_METHODS: tuple[LeakMethod, ...] = get_args(LeakMethod)
_PARTS: tuple[LeakPart, ...] = get_args(LeakPart)


@dataclass(frozen=True)
class LeakResult:
    """One set of items against the training rows."""

    contaminated: list[bool]
    """One verdict an item, in the order of the items."""
    matches: list[list[LeakMatch]]
    """For each item the best match of each method and part, the surest method first; empty for a clean item."""
    leaking_rows: list[int]
    """Positions of the training rows that hold an item."""
    findings: list[Finding]
    """One for each contaminated item."""
    report: LeakSet


def contamination(
    train: Sequence[Row], items: Sequence[Row], options: LeakSection, *, name: str = "test", seed: int = 42
) -> LeakResult:
    """Look for the items of one set in the training rows; see `contamination_of_sets`."""
    return contamination_of_sets(train, {name: items}, options, seed=seed)[name]


def contamination_of_sets(
    train: Sequence[Row], sets: Mapping[str, Sequence[Row]], options: LeakSection, *, seed: int = 42
) -> dict[str, LeakResult]:
    """Look for the items of each set in the training rows, which are gone through once.

    An item is contaminated when a training row has
    - `exact`: the same question (all turns before the answer but the system's; of a plain text, all of it);
    - `ngram`: runs of `options.ngram` words of the question anywhere in its turns, which make up a fifth of the
      question. A question of fewer words must stand there whole, and one of fewer than five words together with the
      beginning of the item's answer;
    - `coverage`: runs of eight words that make up `options.coverage` of the question's words, and `options.ngram` of
      them or all but two; or of the words of an answer of at least 25 that stands in a text or a prompt;
    - `near`: a question of which the word 3-grams have a Jaccard similarity of `options.similarity` with the item's;
    - `embedding`: a question with a cosine similarity of `options.embedding_similarity`, if a model is named.

    Words are compared in lower case without diacritics and punctuation. The set's own form (`probes`) is left out.
    Nothing is found by hashes alone: every match is looked at in the words (`judge`).

    Args:
        seed: of the canaries that measure the recall.
    """
    sample = RowStream.of(train[:: len(train) // _SAMPLE + 1])
    searches = {name: _Search(items, options, sample) for name, items in sets.items()}
    for start in range(0, len(train), _CHUNK):
        rows = train[start : start + _CHUNK]
        stream = RowStream.of(rows)
        for search in searches.values():
            search.look(rows, stream, start)
    if options.embeddings:
        for name, search in searches.items():
            search.take(embedding_matches(train, sets[name], options), train)
    return {name: search.result(name, train, seed) for name, search in searches.items()}


class _Search:
    """One set's index, and what was found so far."""

    def __init__(self, items: Sequence[Row], options: LeakSection, sample: RowStream) -> None:
        self._items = items
        self._options = options
        self._probes = Probes.of(items, options.ngram)
        self._index = LeakIndex(self._probes.probes, options, sample)
        self._best: dict[tuple[int, LeakMethod, LeakPart], tuple[float, LeakMatch]] = {}
        self._leaking: set[int] = set()

    def look(self, rows: Sequence[Row], stream: RowStream, first: int) -> None:
        """Compare rows, of which the first is the training row number `first`."""
        for row, probe, found in self.leaks(rows, stream):
            self._leaking.add(first + row)
            for way in found:
                for item in probe.items:
                    self._keep(item, probe.part, way, rows[row])

    def leaks(self, rows: Sequence[Row], stream: RowStream) -> Iterator[tuple[int, Probe, list[Found]]]:
        """Each row with a probe that it holds, and how."""
        at, text = -1, None
        for row, owner in self._index.candidates(stream):
            if row != at or text is None:
                at, text = row, TrainingText(rows[row])
            probe = self._probes.probes[owner]
            if found := judged(probe, text, self._probes.form, self._options):
                yield row, probe, found

    def take(self, pairs: Iterator[tuple[int, int, float]], train: Sequence[Row]) -> None:
        """Keep what embeddings found: training row, item, similarity."""
        for row, item, score in pairs:
            self._leaking.add(row)
            self._keep(item, "question", Found("embedding", score, train[row].question), train[row])

    def _keep(self, item: int, part: LeakPart, way: Found, row: Row) -> None:
        key = (item, way.method, part)
        if key not in self._best or self._best[key][0] < way.score:
            text = way.text[:_SHOWN]
            match = LeakMatch(
                method=way.method, part=part, file=row.file, line=row.line, score=round(way.score, 4), text=text
            )
            self._best[key] = way.score, match

    def result(self, name: str, train: Sequence[Row], seed: int) -> LeakResult:
        matches: list[list[LeakMatch]] = [[] for _ in self._items]
        for (item, _, _), (_, match) in self._best.items():
            matches[item].append(match)
        for found in matches:
            found.sort(key=lambda match: (_METHODS.index(match.method), _PARTS.index(match.part)))
        hit = [item for item, found in enumerate(matches) if found]
        questions = [probe for probe in self._probes.probes if probe.part == "question"]
        report = LeakSet(
            name=name,
            items=len(self._items),
            contaminated=len(hit),
            leaking_rows=len(self._leaking),
            by_method={
                method: count
                for method in _METHODS
                if (count := sum(any(match.method == method for match in found) for found in matches))
            },
            form_items=sum(len(probe.items) for probe in questions if probe.own_count < probe.count),
            short_items=sum(len(probe.items) for probe in questions if probe.count < LEAST),
            found=[_contaminated(self._items[item], matches[item]) for item in hit],
            canaries=canary_results(self._items, train, self._options, self.found_in, seed),
        )
        findings = [_finding(name, self._items[item], matches[item][0]) for item in hit]
        return LeakResult([bool(found) for found in matches], matches, sorted(self._leaking), findings, report)

    def found_in(self, rows: Sequence[Row]) -> list[set[int]]:
        """The items that each of some rows holds."""
        items: list[set[int]] = [set() for _ in rows]
        for row, probe, _ in self.leaks(rows, RowStream.of(rows)):
            items[row].update(probe.items)
        if self._options.embeddings:
            for row, item, _ in embedding_matches(rows, self._items, self._options):
                items[row].add(item)
        return items


def _contaminated(item: Row, matches: list[LeakMatch]) -> ContaminatedItem:
    return ContaminatedItem(
        file=item.file, line=item.line, row_hash=item.row_hash, question=item.question[:_SHOWN], matches=matches
    )


def _finding(name: str, item: Row, match: LeakMatch) -> Finding:
    what = f"its {match.part} stands in the training row {match.file}:{match.line} ({match.method} {match.score:.2f})"
    return Finding(file=item.file, line=item.line, kind=f"leak_{match.method}", message=f"set {name}: {what}")


def leak_report(
    train: Sequence[Row],
    results: Mapping[str, LeakResult],
    options: LeakSection,
    *,
    seed: int = 42,
    own: Collection[str] = (),
    dropped: bool = False,
) -> LeakReport:
    """The record of a search.

    Args:
        own: sets that were cut off from the training rows' own sources.
        dropped: whether the training rows that hold an item are taken out after the search.
    """
    return LeakReport(
        training_rows=len(train),
        training_fingerprint=set_digest(row.row_hash for row in train),
        ngram=options.ngram,
        coverage=options.coverage,
        similarity=options.similarity,
        embeddings=options.embeddings,
        embedding_similarity=options.embedding_similarity,
        seed=seed,
        sets=[
            result.report.model_copy(update={"own": name in own, "dropped": dropped})
            for name, result in results.items()
        ],
    )
