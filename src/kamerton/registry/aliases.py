"""The history of aliases: append-only JSON lines beside the models, so that it outlives the registry's database.

MLflow says where an alias is; the history says how it came there. A move that the history does not know (a hand in
MLflow's web page, a process killed between the two) is written down as `found` before the next one.
"""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

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
    time: str
    """UTC, ISO 8601."""
    who: str
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

    def append(
        self,
        alias: str,
        action: Literal["register", "promote", "rollback", "found"],
        before: int | None,
        after: int,
        *,
        reason: str = "",
        decision: str = "",
        evidence: str = "",
    ) -> AliasMove:
        """Write a move down, with the time and the user."""
        move = AliasMove(
            alias=alias,
            action=action,
            before=before,
            after=after,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            who=getpass.getuser(),
            reason=reason,
            decision=decision,
            evidence=evidence,
        )
        append_line(self._file, move.model_dump(mode="json"))
        return move

    def stack(self, alias: str) -> list[int]:
        """Versions that the alias went forward through; the last one has it, the one before is where rollback goes."""
        stack: list[int] = []
        for move in self.moves(alias):
            if move.action == "rollback":
                stack.pop()
            else:
                stack.append(move.after)
        return stack
