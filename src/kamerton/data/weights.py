"""How often each training row is seen in an epoch, and which rows balancing and replay leave out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from kamerton.data.duplicates import near_duplicate_clusters
from kamerton.data.rows import Row
from kamerton.ground.errors import DataError
from kamerton.ground.rng import draw
from kamerton.recipe import BalanceSection, MixSection
from kamerton.records.data import Finding

__all__ = ["KeptRows", "balanced_sample", "replay_set", "replayable", "row_weights"]


@dataclass(frozen=True)
class KeptRows:
    """The rows that stay, in their order, and a finding for each one that does not."""

    rows: list[Row]
    findings: list[Finding]


def replay_set(source: str) -> str:
    """The name of the set that a `data.mix.replay` source is, among the sets of `row_weights`."""
    return f"replay {source}"


def row_weights(
    rows: Sequence[Row],
    sets: Sequence[str],
    weights: Mapping[str, float | None],
    mix: MixSection,
    balance: BalanceSection,
) -> list[float]:
    """How often each training row is seen in an epoch, on the average: a pure function of what it is given.

    Args:
        sets: for each row, the name of the set that it came from; rows to replay have that of `replay_set`.
        weights: `Source.weight` by set; None (or no entry) leaves the set to the temperature.

    1. A row of a set with a weight w of its own has w. The other sets, of n_1 ... n_k rows and N in all, are seen in
       proportion to n_s^(1/T) at temperature T: a row of set s has N n_s^(1/T) / (sum_j n_j^(1/T)) / n_s (Raffel et
       al. 2020, arXiv 1910.10683, section 3.5.2; without their limit on the size of a set). They are seen N times in
       an epoch whatever T is, and at T = 1 each row has exactly 1.
    2. Balance by weight multiplies the rows of category (or task) c by t / m_c, where m_c is the sum of their weights
       and t the target: the largest, smallest or median m, or a number. Sets keep their proportions within it.
    3. Replay at ratios r_1 ... r_k (R in all) comes on top: if the other rows sum to M, the epoch sums to M / (1 - R)
       and the n rows of replay set k have r_k M / (1 - R) / n each.

    Raises:
        DataError: no row has a category (or task) to balance by, or a set to replay has no rows.
    """
    replays = {replay_set(replay.source): replay.ratio for replay in mix.replay}
    sizes = Counter(sets)
    by_set = _set_weights({name: size for name, size in sizes.items() if name not in replays}, weights, mix.temperature)
    found = [by_set.get(name, 0.0) for name in sets]
    if balance.by != "none" and balance.method == "weight":
        masses: dict[str, float] = defaultdict(float)
        names = [_class(row, balance) if name not in replays else "" for row, name in zip(rows, sets, strict=True)]
        for name, weight in zip(names, found, strict=True):
            masses[name] += weight
        target = _target(masses, balance)
        factors = {name: target / mass if name else 1.0 for name, mass in masses.items()}
        found = [weight * factors[name] for name, weight in zip(names, found, strict=True)]
    epoch = sum(found) / (1.0 - sum(replays.values()))
    for name, ratio in replays.items():
        if not sizes[name]:
            raise DataError(
                "there is nothing to replay: the set has no rows that may be seen in training",
                where=f"data.mix.{name}",
                mend="name another set, or leave it out of data.mix.replay",
            )
        by_set[name] = ratio * epoch / sizes[name]
    return [by_set[name] if name in replays else weight for name, weight in zip(sets, found, strict=True)]


def _set_weights(sizes: Mapping[str, int], weights: Mapping[str, float | None], temperature: float) -> dict[str, float]:
    """The weight of a row of each set."""
    found = {name: float(weight) for name in sizes if (weight := weights.get(name)) is not None}
    others = {name: size for name, size in sizes.items() if name not in found}
    if temperature == 1.0:
        return found | dict.fromkeys(others, 1.0)
    rows = sum(others.values())
    powers = {name: size ** (1.0 / temperature) for name, size in others.items()}
    whole = sum(powers.values())
    return found | {name: rows * (powers[name] / whole) / size for name, size in others.items()}


def _class(row: Row, balance: BalanceSection) -> str:
    return row.category if balance.by == "category" else row.task


def _target(masses: Mapping[str, float], balance: BalanceSection) -> float:
    """How much of each category (or task) there is after balancing."""
    named = [mass for name, mass in masses.items() if name]
    if not named:
        raise DataError(
            f"no training row has a {balance.by}",
            where=f"data.balance.by: {balance.by}",
            expected=f"a column that says which {balance.by} a row belongs to",
            mend=f"data.columns: {{{balance.by}: COLUMN}}",
        )
    if isinstance(balance.to, int):
        return balance.to
    return median(named) if balance.to == "median" else max(named) if balance.to == "largest" else min(named)


def balanced_sample(rows: Sequence[Row], balance: BalanceSection, seed: int) -> KeptRows:
    """`data.balance` with `method: sample`: training rows of categories above the target are taken out.

    Which ones is a function of the seed and each row: those with the lowest draws stay, so that rows which join move
    as few as can be. With another method, or without balancing, all rows stay.

    Raises:
        DataError: no row has a category (or task) to balance by.
    """
    if balance.by == "none" or balance.method != "sample" or not rows:
        return KeptRows(list(rows), [])
    members: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        members[_class(row, balance)].append(place)
    target = int(_target({name: len(places) for name, places in members.items()}, balance))
    out: dict[int, str] = {}
    for name, places in members.items():
        if name and len(places) > target:
            drawn = sorted(places, key=lambda place: (draw("balance", seed, rows[place].row_hash), place))
            said = f"the {balance.by} {name!r} has {len(places)} training rows, of which {target} stay"
            out |= dict.fromkeys(drawn[target:], said)
    findings = [
        Finding(file=rows[place].file, line=rows[place].line, kind="balanced_out", message=said, severity="warning")
        for place, said in sorted(out.items())
    ]
    return KeptRows([row for place, row in enumerate(rows) if place not in out], findings)


def replayable(replay: Sequence[Row], train: Sequence[Row], held_out: Sequence[Row], similarity: float) -> KeptRows:
    """The rows of an earlier set that training may see again.

    An earlier version often holds rows that are in the test part now. Left out are rows that are alike one in
    validation or test (or of its group, or joined to it by a chain of alike rows), and rows that training has anyway.

    Args:
        held_out: the rows of validation and test.
        similarity: `data.split.similarity`.
    """
    everything = [*held_out, *train, *replay]
    clusters = near_duplicate_clusters(everything, similarity)
    forbidden = set(clusters[: len(held_out)])
    seen = {row.row_hash for row in train}
    kept: list[Row] = []
    findings: list[Finding] = []
    for row, cluster in zip(replay, clusters[len(everything) - len(replay) :], strict=True):
        if cluster in forbidden:
            kind, message = "replay_held_out", "not replayed: it is alike a row of the validation or test part"
        elif row.row_hash in seen:
            kind, message = "replay_known", "not replayed: training has this row anyway"
        else:
            seen.add(row.row_hash)
            kept.append(row)
            continue
        findings.append(Finding(file=row.file, line=row.line, kind=kind, message=message, severity="warning"))
    return KeptRows(kept, findings)
