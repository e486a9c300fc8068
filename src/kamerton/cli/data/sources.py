"""The source arguments that the actions of `kamerton data` share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kamerton.ground.errors import RequestError

if TYPE_CHECKING:
    from kamerton.recipe import Source

__all__ = ["add_source_arguments", "asked_sources"]

_SHAPES = ("auto", "alpaca", "prompt_completion", "sharegpt", "messages", "text", "preference", "rated", "ranking")


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Sources and how they are read."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="files, folders, globs, URLs, hub ids, dataset_info.json:NAME, or versions name@tag",
    )
    parser.add_argument("--shape", default="auto", choices=_SHAPES, help="shape of the rows (auto)")
    parser.add_argument(
        "--columns",
        action="append",
        default=[],
        metavar="ROLE=COLUMN",
        help="which column plays which part, such as prompt=question_pl or group=author; may be given again",
    )


def asked_sources(options: argparse.Namespace) -> list[Source]:
    """The sources with their shape and columns.

    Raises:
        RequestError: no part is called so, or no column is named for it.
    """
    from pydantic import ValidationError

    from kamerton.recipe import Source

    columns = dict(_column(given) for given in options.columns)
    try:
        return [
            Source.model_validate({"source": source, "shape": options.shape, "columns": columns})
            for source in options.sources
        ]
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise RequestError(fault["msg"], where="--" + " ".join(map(str, fault["loc"][:2]))) from error


def _column(given: str) -> tuple[str, str]:
    role, equals, column = given.partition("=")
    if not equals or not column:
        raise RequestError(f"{given!r} names no column", where="--columns", expected="ROLE=COLUMN, such as prompt=ask")
    return role, column
