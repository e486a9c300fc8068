"""Personal data and secrets in rows: reported, masked, given pseudonyms, or set aside with their row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kamerton.data.batches import InProcess, Runner
from kamerton.data.privacy.find import KINDS, find, find_all
from kamerton.data.privacy.inside import rewritten
from kamerton.data.privacy.key import key_id
from kamerton.data.privacy.pseudonyms import SECRETS, mask, pseudonym
from kamerton.data.privacy.spans import Span
from kamerton.data.rows import Row
from kamerton.recipe.privacy import PrivacyKind, PrivacySection
from kamerton.records.data import Finding
from kamerton.records.privacy import PrivacyReport

__all__ = ["PrivacyResult", "Sighting", "protect"]

_NAMES: dict[PrivacyKind, str] = {
    "pesel": "PESEL",
    "nip": "NIP",
    "regon": "REGON",
    "iban": "bank account",
    "card": "payment card",
    "email": "e-mail address",
    "phone": "telephone number",
    "address": "address",
    "name": "name",
    "api_key": "API key",
    "token": "token",
    "password": "password",
    "private_key": "private key",
}
_DONE = {"mask": "; masked", "pseudonymise": "; replaced by a pseudonym", "drop": "; the row is set aside"}


class Sighting(NamedTuple):
    """One find in a row, told without telling it."""

    kind: PrivacyKind
    place: str
    start: int
    end: int
    """Code points of the text (or JSON string) at the place."""
    short: str
    """At most the first four characters and a third of the whole: `4405****`."""


class _Outcome(NamedTuple):
    """A row in which something was found."""

    row: Row
    """As it is used from now on."""
    sightings: list[Sighting]


@dataclass(frozen=True)
class PrivacyResult:
    """Rows after protection, in their order."""

    rows: list[Row]
    findings: list[Finding]
    """One a find: its kind and place, and its first characters, never the data."""
    report: PrivacyReport


def protect(
    rows: Sequence[Row], options: PrivacySection, key: bytes | None = None, run: Runner | None = None
) -> PrivacyResult:
    """Look for personal data and secrets in all texts of the rows and do what the options say.

    Args:
        key: the key of the pseudonyms (`privacy_key`); only `pseudonymise` needs it.
        run: who calls the batch function; None calls it in this process.

    Raises:
        DataError, MissingExtraError: names are asked for, and the model or spaCy is missing.
    """
    assert key or options.action != "pseudonymise"
    kinds = sorted(set(options.kinds)) if options.action != "off" else []
    outcomes = (run or InProcess()).map(_Protection(options, key), rows) if kinds else [None] * len(rows)
    kept: list[Row] = []
    findings: list[Finding] = []
    found: Counter[str] = Counter()
    concerned = changed = 0
    for row, outcome in zip(rows, outcomes, strict=True):
        if outcome is None:
            kept.append(row)
            continue
        concerned += 1
        changed += options.action in ("mask", "pseudonymise")
        found.update(sighting.kind for sighting in outcome.sightings)
        findings += [_finding(row, sighting, options) for sighting in outcome.sightings]
        if options.action != "drop":
            kept.append(row if options.action == "report" else outcome.row)
    report = PrivacyReport(
        action=options.action,
        kinds=list(kinds),
        found=dict(sorted(found.items())),
        rows=len(rows) if kinds else 0,
        rows_concerned=concerned,
        rows_changed=changed,
        rows_set_aside=len(rows) - len(kept),
        key_id=key_id(key) if key and options.action == "pseudonymise" else "",
        names_model=options.names_model if "name" in kinds else "",
    )
    return PrivacyResult(kept, findings, report)


@dataclass(frozen=True)
class _Protection:
    """The batch function of `protect`, with what it needs; it can be sent to another process."""

    options: PrivacySection
    key: bytes | None = field(default=None, repr=False)

    def __call__(self, rows: Sequence[Row]) -> list[_Outcome | None]:
        """For each row: None where nothing was found, or the row as it is used from now on and what was found."""
        asked: list[str] = []

        def ask(_place: str, label: str, text: str) -> str:
            asked.append(label + text)
            return text

        ends = []
        for row in rows:
            rewritten(row, ask)
            ends.append(len(asked))
        found = find_all(asked, self.options.kinds, names_model=self.options.names_model)
        outcomes: list[_Outcome | None] = []
        for row, begin, end in zip(rows, [0, *ends], ends, strict=False):
            spans = found[begin:end]
            outcomes.append(self._outcome(row, spans) if any(spans) else None)
        return outcomes

    def _outcome(self, row: Row, found: list[list[Span]]) -> _Outcome | None:
        spans_of_texts = iter(found)
        sightings: list[Sighting] = []

        def answer(place: str, label: str, text: str) -> str:
            spans = _behind(len(label), next(spans_of_texts))
            sightings.extend(_sighting(place, span) for span in spans)
            if not spans or self.options.action in ("report", "drop"):
                return text
            text = _replaced(text, spans, self._instead)
            # What is gone may bring a label nearer to a number that stood too far from it.
            kinds = KINDS.intersection(self.options.kinds)
            instead = self._instead
            while spans := _behind(len(label), find(label + text, kinds)):
                sightings.extend(_sighting(place, span) for span in spans)
                text, instead = _replaced(text, spans, instead), mask
            return text

        changed = rewritten(row, answer)
        return _Outcome(changed, sightings) if sightings else None

    def _instead(self, span: Span) -> str:
        return pseudonym(span, self.key) if self.key and self.options.action == "pseudonymise" else mask(span)


def _behind(label: int, spans: list[Span]) -> list[Span]:
    """The spans by their places in the text behind a label of so many characters; what is in the label is left out."""
    if not label:
        return spans
    return [
        span._replace(
            start=max(span.start - label, 0), end=span.end - label, text=span.text[max(label - span.start, 0) :]
        )
        for span in spans
        if span.end > label
    ]


def _replaced(text: str, spans: list[Span], instead: Callable[[Span], str]) -> str:
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.start], instead(span)]
        done = span.end
    return "".join([*parts, text[done:]])


def _sighting(place: str, span: Span) -> Sighting:
    shown = 0 if span.kind in ("password", "private_key") else min(4, len(span.text) // 3)
    return Sighting(span.kind, place, span.start, span.end, span.text[:shown] + "****")


def _finding(row: Row, sighting: Sighting, options: PrivacySection) -> Finding:
    kind, place, start, end, short = sighting
    masked = options.action == "pseudonymise" and kind in SECRETS
    done = _DONE.get("mask" if masked else options.action, "")
    return Finding(
        file=row.file,
        line=row.line,
        kind=f"privacy_{kind}",
        message=f"{_NAMES[kind]} {short} in {place}, characters {start + 1} to {end}{done}",
        severity="error" if options.action == "drop" else "warning",
    )
