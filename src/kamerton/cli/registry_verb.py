"""`kamerton registry add|list|show|promote|rollback|verify`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kamerton.cli.screen import Screen

if TYPE_CHECKING:
    from kamerton.registry import ModelVersion

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add = actions.add_parser("add", help="make a run's model a version, with its records as evidence")
    add.add_argument("model", metavar="RUN")
    listing = actions.add_parser("list", help="all versions with their aliases")
    listing.add_argument("name", nargs="?", metavar="NAME")
    show = actions.add_parser("show", help="a version and its evidence")
    show.add_argument("model", metavar="NAME@ALIAS")
    promote = actions.add_parser("promote", help="move an alias, if the evidence allows it")
    promote.add_argument("model", metavar="NAME@ALIAS")
    promote.add_argument("--to", required=True, choices=["staging", "production"], help="the alias")
    promote.add_argument("--reason", default="", help="a sentence for the history")
    rollback = actions.add_parser("rollback", help="move an alias back to its version before")
    rollback.add_argument("model", metavar="NAME@ALIAS")
    rollback.add_argument("--reason", required=True, help="a sentence for the history")
    verify = actions.add_parser("verify", help="check every file and record of a version against its digest")
    verify.add_argument("model", metavar="NAME@ALIAS")


def run(options: argparse.Namespace, screen: Screen) -> int:
    return int(globals()[f"_{options.action}"](options, screen))


def _add(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.promote import register

    version = register(options.model)
    screen.say(f"{version.name}@{version.version} is {', '.join(version.aliases) or 'registered'}")
    screen.document(_document(version))
    return 0


def _list(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import moment, plain_table
    from kamerton.flows.models import open_registry
    from kamerton.ground.settings import Workspace

    versions = open_registry(Workspace.at()).versions(options.name)
    rows = [
        [f"{v.name}@{v.version}", "\n".join(v.aliases), v.run_id, v.model_sha256[:12], moment(v.created)]
        for v in versions
    ]
    if rows:
        screen.say(plain_table(["version", "aliases", "run", "sha256", "created"], rows, wrap=("created",)))
    else:
        screen.say("no model is registered yet; kamerton registry add RUN makes a version")
    screen.document([_document(version) for version in versions])
    return 0


def _show(options: argparse.Namespace, screen: Screen) -> int:
    version = _resolve(options.model)
    screen.say(f"{version.name}@{version.version}  {', '.join(version.aliases)}")
    screen.say(f"run      {version.run_id}\nsha256   {version.model_sha256}\nfiles    {version.source}")
    for name, sha in sorted(version.evidence.manifest().items()):
        screen.say(f"evidence {sha[:16]}  {name}")
    screen.document(_document(version) | {"evidence": version.evidence.manifest()})
    return 0


def _promote(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.promote import promote

    decision, move = promote(options.model, options.to, reason=options.reason)
    for reason in decision.reasons:
        screen.say(f"yes  {reason.text}")
    screen.say(f"{options.to}: version {move.before or 'none'} -> {move.after}", style="bold green")
    screen.document(move.model_dump(mode="json") | {"gate": decision.model_dump(mode="json")})
    return 0


def _rollback(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.promote import rollback

    name, _, alias = options.model.partition("@")
    move = rollback(name, alias, options.reason)
    screen.say(f"{alias}: version {move.before} -> {move.after}")
    screen.document(move.model_dump(mode="json"))
    return 0


def _verify(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.models import open_registry
    from kamerton.ground.errors import StorageError
    from kamerton.ground.settings import Workspace
    from kamerton.registry import objections, verify

    registry = open_registry(Workspace.at())
    name, _, ref = options.model.partition("@")
    version, problems = registry.show(name, ref), []
    try:
        registry.resolve(options.model)
    except StorageError as damage:
        problems.append(f"{damage.where}: {damage.what}")
    problems += verify(version.evidence)
    for problem in problems:
        screen.say(f"NO  {problem}", style="bold red")
    if not problems:
        screen.say(f"all {len(version.files)} files and {len(version.evidence.manifest())} records are as registered")
    against = objections(version)
    screen.say("the gate would open" if not against else "the gate is closed: " + "; ".join(against))
    screen.document({"problems": problems, "objections": against})
    return 1 if problems else 0


def _resolve(model: str) -> ModelVersion:
    from kamerton.flows.models import open_registry
    from kamerton.ground.settings import Workspace

    return open_registry(Workspace.at()).resolve(model)


def _document(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "aliases": version.aliases,
        "run_id": version.run_id,
        "model_sha256": version.model_sha256,
        "created": version.created,
        "source": str(version.source),
    }
