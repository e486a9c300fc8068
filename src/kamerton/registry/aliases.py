"""The history of aliases: append-only JSON lines beside the models, so that it outlives the registry's database.

MLflow says where an alias is; the history says how it came there. A move that the history does not know (a hand in
MLflow's web page, a process killed between the two) is written down as `found` before the next one.
"""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from kamerton.ground.errors import StorageError
from kamerton.journal.lines import append_line, read_lines
from kamerton.records.base import Part

__all__ = ["Alias", "AliasHistory", "AliasMove"]

Alias = Literal["candidate", "staging", "production"]


class AliasMove(Part):
    """One line of the history."""

    alias: str
    action: Literal["register", "promote", "rollback", "found"]
    before: int | None
    """Version that had the alias; None for none."""
    after: int
    time: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    """UTC, ISO 8601."""
    who: str = Field(default_factory=lambda: _user())
    """The user of the operating system."""
    reason: str = ""
    decision: str = ""
    """Digest of the decision that allowed the move."""
    evidence: str = ""
    """Digest of the manifest of all the evidence at that moment."""


class AliasHistory:
    """The moves of one registered model's aliases."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def moves(self, alias: str) -> list[AliasMove]:
        """The moves of one alias, oldest first.

        Raises:
            StorageError: a line is not a move.
        """
        try:
            moves = [AliasMove.model_validate(line) for line in read_lines(self._file)]
        except ValidationError as error:
            raise StorageError("the history of the aliases is damaged", where=str(self._file)) from error
        return [move for move in moves if move.alias == alias]

    def append(self, move: AliasMove) -> None:
        """Write a move down."""
        append_line(self._file, move.model_dump(mode="json"))

    def stack(self, alias: str) -> list[int]:
        """Versions that the alias went forward through; the last one has it, the one before is where rollback goes."""
        stack: list[int] = []
        for move in self.moves(alias):
            if move.action != "rollback":
                stack.append(move.after)
            elif stack:
                stack.pop()
        return stack


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return str(os.getuid())
