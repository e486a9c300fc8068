"""`kamerton chat MODEL`."""

from __future__ import annotations

import argparse

from kamerton.cli.arguments import positive
from kamerton.cli.screen import Screen

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="a run id, last, NAME@ALIAS, a path, a packaged base or a hub id"
    )
    parser.add_argument("--system", default="", metavar="TEXT", help="a system message")
    parser.add_argument("--max-new-tokens", type=positive, default=256, metavar="N", help="longest answer (256)")
    parser.add_argument(
        "--template", choices=["tokenizer", "chatml", "plain"], default="tokenizer", help="for a base model"
    )


def run(options: argparse.Namespace, screen: Screen) -> int:
    from kamerton.flows.chat import Conversation

    conversation = Conversation(options.model, template=options.template, system=options.system)
    screen.say("an empty line or Ctrl-D ends the conversation", style="dim")
    while text := _next_line(screen):
        answer = conversation.ask(text, options.max_new_tokens)
        screen.say(answer.text)
    screen.document({"messages": conversation.messages})
    return 0


def _next_line(screen: Screen) -> str:
    try:
        return screen.console.input("> ").strip()
    except EOFError:
        return ""
