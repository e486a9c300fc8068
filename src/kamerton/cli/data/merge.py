"""`kamerton data merge`: what Git calls to merge two pointers of a data set."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kamerton.cli.data.shown import SHOWN, row_document, row_line, say_changes
from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.data import Row
    from kamerton.data.versions import Conflict, Diff
    from kamerton.flows.versions import MergedData
    from kamerton.records.data import DatasetVersion

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", type=Path, metavar="BASE", help="%%O: pointer of the common ancestor; empty for none")
    parser.add_argument("ours", type=Path, metavar="OURS", help="%%A: pointer of this side; takes the merged pointer")
    parser.add_argument("theirs", type=Path, metavar="THEIRS", help="%%B: pointer of the other side")
    parser.add_argument("path", type=Path, metavar="PATH", help="%%P: where the pointer lies in the repository")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.versions import merge_data
    from kamerton.ground.settings import Workspace

    # Pointers lie in the project's `datasets`; Git calls from the top of the repository, which may be above.
    place = options.path.resolve().parent
    workspace = Workspace.at(place.parent if place.name == "datasets" else ".")
    found = merge_data(options.base, options.ours, options.theirs, workspace)
    name = found.ours.name
    screen.say(f"{name}: merging {_short(found.theirs)} into {_short(found.ours)}, both from {_short(found.base)}")
    for side, diff in (("this side", found.our_diff), ("the other side", found.their_diff)):
        screen.say(f"  {side}: {_counts(diff)}")
    _say_twice(found, screen)
    screen.document(_document(found))
    if found.version is None:
        _say_conflicts(found, screen)
        return 1
    screen.say(f"{name}@v{found.version.version}: {found.version.rows} rows, fingerprint {found.version.fingerprint}")
    return 0


def _say_conflicts(found: MergedData, screen: Screen) -> None:
    conflicts = found.merge.conflicts
    screen.say(f"CONFLICT: {len(conflicts)} rows were changed on both sides; {found.ours.name} stays as on this side")
    for conflict in conflicts[:SHOWN]:
        base = conflict.base
        place = f"{base.file}:{base.line} " if base.file else ""
        screen.say(f"{base.row_hash[:12]} {place}{row_line(base, 60)}")
        for side, row in (("this side", conflict.ours), ("other side", conflict.theirs)):
            if row is None:
                screen.say(f"  {side}: taken out", style="red")
            else:
                say_changes(base, row, screen, lead=f"  {side}: ")
    if len(conflicts) > SHOWN:
        screen.say(f"... and {len(conflicts) - SHOWN} more; --json has them all")
    ours, theirs, name = _ref(found.ours), _ref(found.theirs), found.ours.name
    screen.say(f"mend: kamerton data export {ours} --out FILE.jsonl, and the same for {theirs}; choose the rows")
    screen.say(f"      kamerton data commit {name} FILE.jsonl && git add datasets/{name}.json")


def _say_twice(found: MergedData, screen: Screen) -> None:
    twice = found.merge.answered_twice
    if twice:
        screen.say(f"  {len(twice)} prompts were added on both sides with different answers; both are kept:")
        for row, _ in twice[:5]:
            screen.say(f"    {row_line(row, 80)}")


def _counts(diff: Diff) -> str:
    return f"{len(diff.added)} rows added, {len(diff.removed)} removed, {len(diff.changed)} changed"


def _short(version: DatasetVersion | None) -> str:
    return "nothing" if version is None else f"v{version.version} ({version.rows} rows)"


def _ref(version: DatasetVersion) -> str:
    return f"{version.name}@v{version.version}"


def _document(found: MergedData) -> dict[str, object]:
    def side(row: Row | None) -> dict[str, object] | None:
        return None if row is None else row_document(row)

    def conflict(one: Conflict) -> dict[str, object]:
        return {"base": side(one.base), "ours": side(one.ours), "theirs": side(one.theirs)}

    versions = {"base": found.base, "ours": found.ours, "theirs": found.theirs, "merged": found.version}
    return {
        **{key: None if version is None else version.model_dump(mode="json") for key, version in versions.items()},
        "conflicts": [conflict(one) for one in found.merge.conflicts],
        "answered_twice": [[row_document(row), row_document(other)] for row, other in found.merge.answered_twice],
    }
