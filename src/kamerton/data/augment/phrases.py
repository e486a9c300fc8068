"""Phrases of a domain replaced by others that mean the same, from a table."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path

from kamerton.ground.errors import DataError
from kamerton.ground.files import storage_errors

__all__ = ["PhraseTable"]


class PhraseTable:
    """A table of phrases; longer phrases win over shorter ones inside them."""

    def __init__(self, replacements: dict[str, list[str]]) -> None:
        """
        Args:
            replacements: for each phrase in lower case what may stand in its place.
        """
        self._replacements = replacements
        longest_first = sorted(replacements, key=lambda phrase: (-len(phrase), phrase))
        self._pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)", re.IGNORECASE)

    @classmethod
    def read(cls, path: Path) -> PhraseTable:
        """The table of a CSV file with the columns `phrase` and `replacement`.

        Raises:
            DataError: no such file, other columns, an empty cell, or no line at all.
        """
        try:
            with storage_errors(path), path.open(encoding="utf-8-sig", newline="") as file:
                lines = list(csv.DictReader(file, strict=True))
        except FileNotFoundError as error:
            raise DataError("no such table of phrases", where=str(path), mend=f"ls {path.parent}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"not a table of phrases: {error}", where=str(path), expected="CSV in UTF-8") from error
        expected = "the columns phrase and replacement, no cell empty"
        table: dict[str, list[str]] = {}
        for number, line in enumerate(lines, 2):
            phrase, replacement = ((line.get(name) or "").strip() for name in ("phrase", "replacement"))
            if not phrase or not replacement:
                raise DataError("a cell is missing or empty", where=f"{path}:{number}", expected=expected)
            table.setdefault(phrase.casefold(), []).append(replacement)
        if not table:
            raise DataError("the table has no line", where=str(path), expected=expected)
        return cls(table)

    def replaced(self, text: str, chance: random.Random) -> str:
        """The text with every phrase of the table replaced; a capital at its beginning stays one."""

        def other(found: re.Match[str]) -> str:
            choices = self._replacements.get(found[0].casefold())
            if not choices:  # a letter whose case folds to several, which the pattern takes for one
                return found[0]
            new = chance.choice(choices)
            return new[0].upper() + new[1:] if found[0][0].isupper() else new

        return self._pattern.sub(other, text)
