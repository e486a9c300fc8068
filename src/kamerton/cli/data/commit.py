"""`kamerton data commit`: keep rows as an immutable version."""

from __future__ import annotations

import argparse

from kamerton.cli.data.shown import say_findings
from kamerton.cli.data.sources import add_source_arguments, asked_sources
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    add_source_arguments(parser)
    parser.add_argument("--message", default="", help="what changed and why")
    parser.add_argument("--tag", help="a name for this version that never moves")


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.data import DatasetStore
    from kamerton.flows.datasets import commit_data
    from kamerton.ground.settings import Workspace

    store = DatasetStore(Workspace.at())
    newest = store.show(options.name).version if options.name in store.names() else 0
    version, pointer, findings = commit_data(
        options.name, asked_sources(options), message=options.message, tag=options.tag
    )
    say_findings(findings, screen)
    screen.say(f"{version.name}@v{version.version}: {version.rows} rows, fingerprint {version.fingerprint}")
    if version.version == newest:
        lost = "; the message is not kept" if options.message not in ("", version.message) else ""
        screen.say(f"no new version: v{newest} has the same rows{lost}")
    screen.say(f"pointer for Git: {pointer}")
    screen.document(
        version.model_dump(mode="json")
        | {
            "new": version.version != newest,
            "pointer": str(pointer),
            "findings": [finding.model_dump(mode="json") for finding in findings],
        }
    )
    return 0
