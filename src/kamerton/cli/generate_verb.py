"""`kamerton generate MODEL PROMPT`."""

from __future__ import annotations

import argparse
import sys

from kamerton.cli.arguments import positive
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a run id, last, NAME@ALIAS, a path, a packaged base or a hub id"
    )
    parser.add_argument(
        "prompt", nargs="?", metavar="PROMPT", help="the user's turn; read from standard input without it"
    )
    parser.add_argument("--max-new-tokens", type=positive, default=256, metavar="N", help="longest answer (256)")
    parser.add_argument("--raw", action="store_true", help="the prompt is a text to go on with, no conversation")
    parser.add_argument(
        "--template", choices=["tokenizer", "chatml", "plain"], default="tokenizer", help="for a base model"
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.chat import generate

    if options.prompt is None and sys.stdin.isatty():
        sys.stderr.write("type the prompt; Ctrl-D ends it\n")
    prompt = options.prompt if options.prompt is not None else sys.stdin.read()
    answer = generate(
        options.model, prompt, max_new_tokens=options.max_new_tokens, template=options.template, raw=options.raw
    )
    screen.say(answer.text)
    if not answer.finished:
        sys.stderr.write(f"the answer was cut at {answer.tokens} tokens (--max-new-tokens)\n")
    screen.document({"text": answer.text, "tokens": answer.tokens, "finished": answer.finished})
    return 0
