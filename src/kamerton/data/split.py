"""Part rows into train, validation and test such that alike rows stay together."""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.ground.rng import draw
from kamerton.recipe import SplitSection
from kamerton.records.data import Finding

__all__ = ["SplitResult", "parted_clusters", "split"]

_NAMED = 3
"""Rows that an error names by their places."""
_ANY_TIME = datetime.min.replace(tzinfo=UTC)
"""Of rows that are not parted by time."""


@dataclass(frozen=True)
class SplitResult:
    """The three parts, each in the order in which the rows came."""

    train: list[Row]
    validation: list[Row]
    test: list[Row]


def split(rows: Sequence[Row], clusters: Sequence[int], options: SplitSection) -> SplitResult:
    """Part rows by cluster; which one comes where follows from a draw, a pure function of the seed and the cluster.

    The draw of a cluster is addressed by its smallest row hash, the draw of a group (`by: group`) by its name: the
    order of the rows, the numbers of the clusters and the other clusters do not matter. When the set grows,

    - with shares nothing moves but a cluster that a new row joins (it takes the smaller hash, and clusters that
      the row joins together take one side); a group never moves;
    - with numbers of rows, and with `stratify`, clusters are taken in the order of their draws as long as they fit.
      A cluster stays in the test part as long as it, the rows drawn before it and the new rows (of its category) are
      together no more than the part takes, so those at the boundary alone can move;
    - `by: time` moves on with the newest rows, as it must;
    - folds with `stratify` are dealt anew; folds without it keep their clusters, and the test part is the same with
      and without folds.

    What no part's boundary crosses: with `near_duplicates` and `time` a cluster of alike rows, with `group` a group
    (rows without one stand alone, and near-duplicates of two groups may be parted), with `rows` equal rows alone.

    By time a cluster stands where its newest row stands, or training would hold rows from the time of the test. A
    time known to the year, month or day counts as its end for the same reason, and one without an offset as UTC.

    Shares without `stratify` are met on the average over clusters; numbers, and shares with `stratify` or by time, as
    closely as whole clusters allow.

    Raises:
        DataError: the parts leave no row to train on, a fold is empty, or what the rows are parted by is not there.
    """
    units = _units(rows, clusters, options)
    _check_sizes(len(rows), options)
    test, rest = _cut(units, options.test, _TEST, units, options)
    if options.folds is not None:
        validation, train = _fold(rest, options.folds, options)
    else:
        validation, train = _cut(rest, options.validation, _VALIDATION, units, options)
    parts = (
        [rows[place] for place in sorted(p for unit in part for p in unit.places)] for part in (train, validation, test)
    )
    return SplitResult(*parts)


def parted_clusters(rows: Sequence[Row], clusters: Sequence[int], parted: SplitResult) -> list[Finding]:
    """A warning for each cluster of alike rows that stands on several sides, as `by: group` and `by: rows` allow.

    It names the first row of the cluster.
    """
    side = {id(row): name for name, part in vars(parted).items() for row in part}
    first: dict[int, Row] = {}
    sides: dict[int, Counter[str]] = defaultdict(Counter)
    for row, cluster in zip(rows, clusters, strict=True):
        first.setdefault(cluster, row)
        sides[cluster][side[id(row)]] += 1
    return [
        Finding(
            file=first[cluster].file,
            line=first[cluster].line,
            kind="parted_cluster",
            message="rows alike this one stand on several sides: "
            + ", ".join(f"{count} in {name}" for name, count in sorted(counts.items())),
            severity="warning",
        )
        for cluster, counts in sides.items()
        if len(counts) > 1
    ]


@dataclass(frozen=True)
class _Unit:
    """Rows that stay together."""

    places: list[int]
    address: tuple[str, ...]
    """What its draws are addressed by."""
    stratum: str
    """The category or task of most of its rows; empty without `stratify`."""
    end: datetime
    """The newest time of its rows; the same for all but `by: time`."""

    def draw(self, purpose: str, seed: int) -> float:
        return draw(purpose, seed, *self.address)


_Parted = tuple[list[_Unit], list[_Unit]]
"""What a part takes, and what it leaves."""

_TEST, _VALIDATION = "test", "validation"


def _units(rows: Sequence[Row], clusters: Sequence[int], options: SplitSection) -> list[_Unit]:
    names: Iterable[int | tuple[str, ...]] = clusters
    if options.by == "rows":
        names = [(row.row_hash,) for row in rows]
    elif options.by == "group":
        _check_named(rows, "group", "split.by: group")
        names = [("group", row.group) if row.group else (row.row_hash,) for row in rows]
    members: dict[int | tuple[str, ...], list[int]] = defaultdict(list)
    for place, (name, _) in enumerate(zip(names, rows, strict=True)):
        members[name].append(place)
    if options.stratify != "none":
        _check_named(rows, options.stratify, f"split.stratify: {options.stratify}")
    ends = _ends(rows) if options.by == "time" else [_ANY_TIME] * len(rows)
    return [
        _Unit(
            places,
            name if isinstance(name, tuple) else (min(rows[place].row_hash for place in places),),
            _stratum([rows[place] for place in places], options),
            max(ends[place] for place in places),
        )
        for name, places in members.items()
    ]


def _stratum(rows: Sequence[Row], options: SplitSection) -> str:
    if options.stratify == "none":
        return ""
    counts = Counter(row.category if options.stratify == "category" else row.task for row in rows)
    return min(counts, key=lambda name: (-counts[name], name))


def _check_named(rows: Sequence[Row], field: str, option: str) -> None:
    if rows and not any(getattr(row, field) for row in rows):
        raise DataError(
            f"no row has a {field}",
            where=f"data.{option}",
            expected=f"a column that says which {field} a row belongs to",
            mend=f"data.columns: {{{field}: COLUMN}}, or kamerton data split ... --columns {field}=COLUMN",
        )


def _check_sizes(rows: int, options: SplitSection) -> None:
    portions = (options.test, 0.0 if options.folds else options.validation)
    wanted = sum(portion if isinstance(portion, int) else portion * rows for portion in portions)
    if any(isinstance(portion, int) for portion in portions) and wanted >= rows:
        raise DataError(
            f"validation and test ask for {wanted:.0f} rows of {rows}: none is left to train on",
            where="data.split",
            mend="lower data.split.test and data.split.validation, or give shares",
        )


def _cut(units: list[_Unit], portion: float, part: str, whole: list[_Unit], options: SplitSection) -> _Parted:
    """What a part takes of the units that are left, `whole` being all units."""
    rows = sum(len(unit.places) for unit in whole)
    counted = isinstance(portion, int)
    target = portion if counted else int(portion * rows + 0.5)
    if options.by == "time":
        return _newest(units, int(target), options.seed)
    if counted or options.stratify != "none":
        return _drawn(units, int(target), whole, options.seed)
    if part == _VALIDATION and isinstance(options.test, int):
        # The test part ends where its number of rows is reached, which moves: a draw of its own does not.
        return _parted(units, lambda unit: unit.draw("split validation", options.seed) < portion)
    # The two parts are neighbouring stretches of one draw: test, then validation, then train.
    stretch = portion if part == _TEST else options.test + portion
    return _parted(units, lambda unit: unit.draw("split", options.seed) < stretch)


def _parted(units: Sequence[_Unit], belongs: Callable[[_Unit], bool]) -> _Parted:
    taken: list[_Unit] = []
    left: list[_Unit] = []
    for unit in units:
        (taken if belongs(unit) else left).append(unit)
    return taken, left


def _drawn(units: Sequence[_Unit], target: int, whole: Sequence[_Unit], seed: int) -> _Parted:
    """Of each stratum its share of the target, in the order of the draws as long as a unit fits."""
    room = _quotas(whole, target)
    taken: set[int] = set()
    for unit in sorted(units, key=lambda unit: (unit.draw("split", seed), unit.address)):
        if len(unit.places) <= room[unit.stratum]:
            room[unit.stratum] -= len(unit.places)
            taken.add(id(unit))
    return _parted(units, lambda unit: id(unit) in taken)


def _quotas(units: Sequence[_Unit], target: int) -> dict[str, int]:
    """The target in proportion to the strata, rounded by largest remainder (Hamilton), so that it is met in all."""
    sizes: Counter[str] = Counter()
    for unit in units:
        sizes[unit.stratum] += len(unit.places)
    rows = max(sizes.total(), 1)
    quotas = {stratum: target * size // rows for stratum, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda stratum: (-(target * sizes[stratum] % rows), stratum))
    for stratum in by_remainder[: target - sum(quotas.values())]:
        quotas[stratum] += 1
    return quotas


def _newest(units: Sequence[_Unit], target: int, seed: int) -> _Parted:
    """The newest units, at least one and as near to the target as whole ones allow; none is passed over, or the
    part left would be newer than the one taken. Units of the same time come in the order of their draws."""
    ordered = sorted(units, key=lambda unit: (unit.draw("split", seed), unit.address))
    ordered.sort(key=lambda unit: unit.end, reverse=True)
    taken, count = 0, 0
    while target and taken < len(ordered) and (not taken or 2 * (target - count) > len(ordered[taken].places)):
        count += len(ordered[taken].places)
        taken += 1
    chosen = {id(unit) for unit in ordered[:taken]}
    return _parted(units, lambda unit: id(unit) in chosen)


def _fold(units: list[_Unit], folds: int, options: SplitSection) -> _Parted:
    """The chosen fold, and the others."""
    if options.stratify == "none":
        numbers = {id(unit): int(unit.draw("fold", options.seed) * folds) for unit in units}
    else:
        numbers = _dealt(units, folds, options.seed)
    if missing := set(range(folds)) - set(numbers.values()):
        raise DataError(
            f"fold {min(missing)} of {folds} is empty: there are {len(units)} clusters of alike rows for {folds} folds",
            where="data.split.folds",
            mend="fewer folds, or more rows",
        )
    return _parted(units, lambda unit: numbers[id(unit)] == options.fold)


def _dealt(units: Sequence[_Unit], folds: int, seed: int) -> dict[int, int]:
    """Each unit, in the order of the draws, to the fold with the fewest rows of its stratum, then of all."""
    strata: dict[str, list[int]] = defaultdict(lambda: [0] * folds)
    rows = [0] * folds
    numbers = {}
    for unit in sorted(units, key=lambda unit: (unit.draw("fold", seed), unit.address)):
        of_stratum = strata[unit.stratum]
        fold = min(range(folds), key=lambda each: (of_stratum[each], rows[each], each))
        of_stratum[fold] += len(unit.places)
        rows[fold] += len(unit.places)
        numbers[id(unit)] = fold
    return numbers


def _ends(rows: Sequence[Row]) -> list[datetime]:
    """The latest moment that each row's time can mean.

    Raises:
        DataError: rows without a time that can be read; the first are named.
    """
    ends = [_end(row.time) for row in rows]
    lacking = [place for place, end in enumerate(ends) if end is None]
    if lacking:
        first = [rows[place] for place in lacking[:_NAMED]]
        named = ", ".join(f"{row.time!r}" if row.time else "none" for row in first)
        raise DataError(
            f"{len(lacking)} of {len(rows)} rows have no time that can be read; the first: {named}",
            where=", ".join(
                f"{row.file}:{row.line}" if row.file else f"row {place + 1}"
                for place, row in zip(lacking, first, strict=False)
            ),
            expected="ISO 8601, such as 2024, 2024-05, 2024-05-31 or 2024-05-31T12:00:00+02:00",
            mend="data.columns: {time: COLUMN}, mend the rows, or part them by near_duplicates",
        )
    return [end for end in ends if end is not None]


_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(\d\d))?")
_MOMENT = timedelta(microseconds=1)


def _end(time: str) -> datetime | None:
    """The last moment of an ISO 8601 time as far as it is known, in UTC; None where it cannot be read."""
    time = time.strip()
    try:
        if partial := _YEAR_OR_MONTH.fullmatch(time):
            year, month = int(partial[1]), int(partial[2] or 12)
            return datetime(year, month, monthrange(year, month)[1], 23, 59, 59, 999999, UTC)
        moment = datetime.fromisoformat(time)
        if "T" not in time and " " not in time:
            moment += timedelta(days=1) - _MOMENT
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
