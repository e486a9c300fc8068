"""`kamerton VERB`: finds the verb, maps errors to exit codes, and keeps stdout for the document under `--json`."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from typing import Any, NoReturn

from kamerton.cli.screen import Screen
from kamerton.ground.errors import Interrupted, KamertonError, RequestError

__all__ = ["VERBS", "build_parser", "entry", "main"]

VERBS = {
    "init": "a new project folder: recipe, sample data, CI workflow, .gitignore",
    "demo": "the whole tour on packaged data, offline, on a CPU",
    "check": "recipe, data and machine: what would fail, before anything runs",
    "data": "the data room: read, check, split, commit, log, show, diff, tag, export",
    "train": "train a recipe, or train an interrupted run on",
    "runs": "what runs and ran",
    "watch": "live progress of a run",
    "stop": "a clean stop that can be resumed",
    "diagnose": "what went wrong in a training, ours or another program's",
    "evaluate": "measure a model on a set",
    "compare": "two models on the same items, with statistics",
    "compare-runs": "where two runs part: the step, then the module and operation",
    "registry": "versions, aliases and gates: list, show, promote, rollback, verify",
    "rebuild": "the proof that a model can be made again, bit for bit",
    "report": "HTML, Markdown and JSON about a model",
    "generate": "one answer of a model",
    "chat": "a conversation with a model",
    "sync": "bring trackers up to date with the runs' journals",
    "schema": "the recipe's JSON schema, for editors",
}
"""Verbs in the order of the tour; each is a module of this package with `add_arguments` and `run`."""


TAKE_RECIPES = ("check", "train")
"""Verbs behind which LLaMA-Factory's `--key value` may stand."""


class _Parser(argparse.ArgumentParser):
    """Refuses as everything else does, so that a machine gets its document for a wrong command too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        raise RequestError(message, where=self.prog, mend=f"{self.prog} --help")


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser; with `only`, just that verb's arguments are filled in, which keeps the start fast."""
    parser = _Parser(
        prog="kamerton",
        description="Fine-tuning you can prove: checked, tracked, compared with a baseline, rebuilt to the bit.",
        epilog="kamerton VERB --help explains a verb. First steps: kamerton demo",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if only in {None, name}:
            _module(name).add_arguments(verb)
            _add_common(verb)
    return parser


def _below(parser: argparse.ArgumentParser) -> Any:
    """The verbs or actions below a parser; None for a leaf."""
    return next((action for action in parser._actions if isinstance(action, argparse._SubParsersAction)), None)


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Flags may stand between the arguments, which argparse allows only where no verbs are below."""
    options, leaf, rest = argparse.Namespace(version=False), parser, words
    while (below := _below(leaf)) is not None:
        if not rest or rest[0] not in below.choices:
            return parser.parse_args(words)
        setattr(options, below.dest, rest[0])
        leaf, rest = below.choices[rest[0]], rest[1:]
    return leaf.parse_intermixed_args(rest, options)


def _add_common(verb: argparse.ArgumentParser) -> None:
    below = _below(verb)
    for leaf in below.choices.values() if below is not None else [verb]:
        leaf.add_argument("--json", action="store_true", help="one JSON document on stdout, everything else on stderr")
        leaf.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _module(verb: str) -> Any:
    return importlib.import_module(f"kamerton.cli.{verb.replace('-', '_')}_verb")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    verb = next((word for word in words if word in VERBS), "")
    screen, debug = Screen(json="--json" in words), "--debug" in words
    try:
        parser = build_parser(only=verb)
        options = _parse(parser, _own_words(verb, words))
        if options.version:
            from importlib.metadata import version

            print(version("kamerton"))
            return 0
        if not options.verb:
            parser.print_help(sys.stderr)
            return 2
        screen, debug = Screen(json=options.json), options.debug
        return int(_module(options.verb).run(options, screen))
    except KamertonError as error:
        return _refuse(error, debug, screen)
    except KeyboardInterrupt:
        return _refuse(Interrupted("interrupted; nothing that was reported as saved is lost"), debug, screen)
    except BrokenPipeError:
        # The reader (head, less) has gone: end quietly, and keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        fault = KamertonError(
            f"{type(error).__name__}: {error}",
            where="inside Kamerton",
            mend="run again with --debug and report the traceback",
        )
        _refuse(fault, False, screen)
        return 3


def _own_words(verb: str, words: list[str]) -> list[str]:
    """The words with LLaMA-Factory's flags as our `key=value`; the table of keys is read where there is a flag."""
    flags = {word for word in words if word.startswith("-")} - {"--json", "--debug"}
    if verb not in TAKE_RECIPES or not flags or {"-h", "--help"} & flags:
        return words
    from kamerton.recipe.llamafactory.flags import as_overrides

    return as_overrides(words)


def _refuse(error: KamertonError, debug: bool, screen: Screen) -> int:
    if debug:
        import traceback

        traceback.print_exception(error)
    screen.refuse(error)
    return error.exit_code


def entry() -> None:
    """The console script."""
    if not sys.warnoptions and "--debug" not in sys.argv:
        import warnings

        # What libraries tell each other about their own old names is no news for the user.
        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Polish letters still shows the rest
    sys.exit(main())


if __name__ == "__main__":
    entry()
