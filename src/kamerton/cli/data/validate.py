"""`kamerton data validate`: would a hosted service take this file?"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from kamerton.cli.data.shown import SHOWN
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--for",
        dest="target",
        choices=("openai-chat", "openai-preference"),
        help="the format (that of the first line)",
    )
    parser.add_argument(
        "--model-context", type=int, metavar="N", help="tokens of an example that training uses (65536)"
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.cli.tables import plain_table
    from kamerton.flows.datasets import validate_data

    found = validate_data(options.file, options.target, options.model_context)
    screen.say(f"{found.file}: {found.examples} examples as {found.target}")
    screen.say(f"about {found.tokens} tokens, {found.longest} in the longest example (estimates)")
    if found.findings:
        rows = [[str(one.line), one.severity, one.kind, one.message] for one in found.findings[:SHOWN]]
        screen.say(plain_table(["line", "severity", "rule", "finding"], rows, right=("line",), wrap=("finding",)))
    if len(found.findings) > SHOWN:
        counts = Counter(finding.kind for finding in found.findings).most_common()
        screen.say(f"all {len(found.findings)}: {', '.join(f'{rule} {count}' for rule, count in counts)}")
    screen.say("OK  nothing for which the file would be refused" if found.passed else "NO  the file would be refused")
    screen.document(
        {
            "file": found.file,
            "for": found.target,
            "examples": found.examples,
            "tokens_estimated": found.tokens,
            "longest_estimated": found.longest,
            "passed": found.passed,
            "findings": [finding.model_dump(mode="json") for finding in found.findings],
        }
    )
    return 0 if found.passed else 1
