"""The data pipeline: from sources to the rows that a run learns from, with everything that was found on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kamerton.data import CleanResult, ReadResult, Row, SplitResult, clean, near_duplicate_clusters, split
from kamerton.data.augment import augment
from kamerton.data.batches import InProcess, Runner
from kamerton.data.leaks import LeakResult, contamination_of_sets, leak_report
from kamerton.data.privacy import privacy_key, protect
from kamerton.data.split import parted_clusters
from kamerton.data.weights import balanced_sample, replay_set, replayable, row_weights
from kamerton.flows.leaks import leak_items
from kamerton.flows.models import open_rewriter
from kamerton.flows.sources import OnStep, nobody, read_rows, reading
from kamerton.ground.settings import Workspace
from kamerton.recipe import DataSection, LeakSection, Source, SplitSection
from kamerton.records.augmentation import AugmentationReport
from kamerton.records.cleaning import CleaningReport
from kamerton.records.data import Finding
from kamerton.records.leaks import LeakReport
from kamerton.records.privacy import PrivacyReport

__all__ = ["PARTS", "Pipeline", "Processed"]

PARTS = ("train", "validation", "test")

CountTokens = Callable[[Sequence[Row]], list[int]]


@dataclass(frozen=True)
class Processed:
    """The parts, and what each step found."""

    read: ReadResult
    """All sources of all parts."""
    cleaned: CleanResult
    """The rows of `data.train` before they were parted, what cleaning did to them, and the findings of all steps."""
    clusters: list[int]
    """One id for each of the cleaned rows."""
    parts: dict[str, list[Row]]
    """train, validation and test, each in the order of the row hashes."""
    weights: list[float]
    """How often each training row is seen in an epoch, on the average; parallel to the training part."""
    privacy: PrivacyReport
    leaks: LeakReport | None
    augmentation: AugmentationReport | None


@dataclass(frozen=True)
class _Mended:
    """The rows of one part's sources after the steps that look at each row alone."""

    read: ReadResult
    cleaned: CleanResult
    privacy: PrivacyReport


@dataclass
class Pipeline:
    """Runs the steps of `data:` in their order: read, system, clean, privacy, split, leaks, augment, balance, mix."""

    options: DataSection
    workspace: Workspace
    parted: bool = True
    """False leaves all rows of `data.train` in the training part."""
    against: Sequence[str] = ()
    """Further sets that must not stand in the training rows, beside `data.leaks.against`."""
    count_tokens: CountTokens | None = None
    """For `data.clean.max_tokens`."""
    run: Runner = field(default_factory=InProcess)
    on_step: OnStep = nobody
    """Called with what is done next."""

    def process(self) -> Processed:
        """All steps.

        Raises:
            DataError: a source cannot be read, or the rows cannot be parted so.
            RecipeError: an option cannot be honoured.
            StorageError, ServerAwayError, MissingExtraError: what a step needs is not there.
        """
        given = self._mended("train")
        own = {name: self._mended(name) for name in PARTS[1:] if getattr(self.options, name)}
        self.on_step("near-duplicates")
        clusters = near_duplicate_clusters(given.cleaned.rows, self.options.split.similarity)
        parted = self._split(given.cleaned.rows, clusters, own)
        findings = [*given.cleaned.findings, *(each for part in own.values() for each in part.cleaned.findings)]
        if self.options.split.by in {"group", "rows"}:
            findings += parted_clusters(given.cleaned.rows, clusters, parted)
        parts = {"train": parted.train, "validation": parted.validation, "test": parted.test}
        parts |= {name: part.cleaned.rows for name, part in own.items()}
        others = {name: leak_items(name, self.workspace) for name in (*self.options.leaks.against, *self.against)}
        leaks, leaking = self._leaks(parts, others)
        findings += leaking
        # What is added from here on must not bring back what was taken out.
        held_out = [*parts["validation"], *parts["test"], *(item for items in others.values() for item in items)]
        augmentation, refused = self._augment(parts, held_out)
        findings += refused
        findings += self._balance(parts)
        parts = {name: sorted(rows, key=lambda row: row.row_hash) for name, rows in parts.items()}
        weights, left_out = self._mix(parts, held_out)
        findings += left_out
        reads = [given.read, *(part.read for part in own.values())]
        return Processed(
            read=ReadResult(
                [row for read in reads for row in read.rows],
                [finding for read in reads for finding in read.findings],
                [source for read in reads for source in read.sources],
                sum(read.given_system for read in reads),
            ),
            cleaned=replace(given.cleaned, findings=findings),
            clusters=clusters,
            parts=parts,
            weights=weights,
            privacy=given.privacy,
            leaks=leaks,
            augmentation=augmentation,
        )

    def _mended(self, part: str) -> _Mended:
        """The rows of one part's sources: read, cleaned, protected."""
        options = self.options
        self.on_step(f"read {part}")
        read = read_rows(options.sources(part), self.workspace, on_progress=reading(self.on_step))
        if options.system is not None:
            read = _with_system(read, options.system)
        self.on_step(f"clean {part}")
        cleaned = clean(
            read.rows, options.clean, count_tokens=self.count_tokens, similarity=options.split.similarity, run=self.run
        )
        self.on_step(f"privacy {part}")
        key = privacy_key(self.workspace) if options.privacy.action == "pseudonymise" else None
        private = protect(cleaned.rows, options.privacy, key, self.run)
        whole = replace(
            cleaned,
            rows=private.rows,
            findings=[*cleaned.findings, *private.findings],
            report=_discreet(cleaned.report, private.findings),
        )
        return _Mended(read, whole, private.report)

    def _split(self, rows: Sequence[Row], clusters: Sequence[int], own: Mapping[str, object]) -> SplitResult:
        """The parts; nothing is cut off for a part that has files of its own."""
        if not self.parted:
            return SplitResult(list(rows), [], [])
        return split(rows, clusters, _without(self.options.split, own))

    def _leaks(
        self, parts: dict[str, list[Row]], others: Mapping[str, Sequence[Row]]
    ) -> tuple[LeakReport | None, list[Finding]]:
        """Look for the held-out rows and the other sets in the training rows.

        `action: drop` takes the leaking rows out of `parts`.
        """
        options: LeakSection = self.options.leaks
        self.on_step("leaks")
        sets = {name: parts[name] for name in PARTS[1:] if parts[name]} | dict(others)
        if not sets:
            return None, []
        seed = self.options.split.seed
        results = contamination_of_sets(parts["train"], sets, options, seed=seed)
        own = [name for name in PARTS[1:] if not getattr(self.options, name)]
        drop = options.action == "drop"
        found = leak_report(parts["train"], results, options, seed=seed, own=own, dropped=drop)
        findings = [finding for result in results.values() for finding in result.findings]
        if drop:
            findings += _drop_leaking(parts, results)
        return found, findings

    def _augment(
        self, parts: dict[str, list[Row]], held_out: Sequence[Row]
    ) -> tuple[AugmentationReport | None, list[Finding]]:
        options = self.options
        if not options.augment:
            return None, []
        self.on_step("augment")
        made = augment(
            parts["train"],
            held_out,
            options.augment,
            seed=options.split.seed,
            similarity=options.split.similarity,
            root=self.workspace.root,
            open_rewriter=lambda model: open_rewriter(model, self.workspace),
        )
        parts["train"] = [*parts["train"], *made.rows]
        return made.report, made.findings

    def _balance(self, parts: dict[str, list[Row]]) -> list[Finding]:
        kept = balanced_sample(parts["train"], self.options.balance, self.options.split.seed)
        parts["train"] = kept.rows
        return kept.findings

    def _mix(self, parts: dict[str, list[Row]], held_out: Sequence[Row]) -> tuple[list[float], list[Finding]]:
        """The weight of each training row, rows to replay included."""
        options, findings = self.options, list[Finding]()
        for replay in options.mix.replay:
            read = read_rows([Source(source=replay.source)], self.workspace, on_progress=reading(self.on_step))
            kept = replayable(read.rows, parts["train"], held_out, options.split.similarity)
            again = [replace(row, source=replay_set(replay.source)) for row in kept.rows]
            parts["train"] = sorted([*parts["train"], *again], key=lambda row: row.row_hash)
            findings += [*read.findings, *kept.findings]
        sources = options.sources("train")
        weights = {source.source if len(sources) > 1 else "": source.weight for source in sources}
        sets = [row.source for row in parts["train"]]
        return row_weights(parts["train"], sets, weights, options.mix, options.balance), findings


def _with_system(read: ReadResult, system: str) -> ReadResult:
    """The rows with a system turn, and how many were given it."""
    rows = [row.with_system(system) for row in read.rows]
    given = sum(now is not before for now, before in zip(rows, read.rows, strict=True))
    return replace(read, rows=rows, given_system=given)


def _discreet(report: CleaningReport, private: Sequence[Finding]) -> CleaningReport:
    """The report without excerpts of rows that hold personal data or secrets: a report goes to more people."""
    places = {(finding.file, finding.line) for finding in private}
    steps = [
        step.model_copy(update={"examples": [each for each in step.examples if (each.file, each.line) not in places]})
        for step in report.steps
    ]
    return report.model_copy(update={"steps": steps})


def _without(options: SplitSection, own: Mapping[str, object]) -> SplitSection:
    """The split options with nothing cut off for parts that have files of their own."""
    return options.model_copy(update=dict.fromkeys(own, 0.0))


def _drop_leaking(parts: dict[str, list[Row]], results: Mapping[str, LeakResult]) -> list[Finding]:
    """Take the training rows that hold an item of any set out of the training part."""
    holds: dict[int, str] = {}
    for name, result in results.items():
        for place in result.leaking_rows:
            holds.setdefault(place, name)
    rows = parts["train"]
    parts["train"] = [row for place, row in enumerate(rows) if place not in holds]
    return [
        Finding(
            file=rows[place].file,
            line=rows[place].line,
            kind="leaking_row",
            message=f"the row holds an item of the set {name}; set aside (data.leaks.action: drop)",
            severity="warning",
        )
        for place, name in sorted(holds.items())
    ]
