"""What is remembered about personal data and secrets in the rows: counts, never the data."""

from __future__ import annotations

from typing import Literal

from kamerton.records.base import Part

__all__ = ["PrivacyReport"]


class PrivacyReport(Part):
    """What was found in the rows, and what was done about it."""

    action: Literal["off", "report", "mask", "pseudonymise", "drop"]
    kinds: list[str]
    """What was looked for, sorted; empty under `off`."""
    found: dict[str, int]
    """Finds per kind; a kind without any is left out."""
    rows: int
    """Rows that were looked into."""
    rows_concerned: int
    """Rows with a find."""
    rows_changed: int
    """Rows that hold masks or pseudonyms now."""
    rows_set_aside: int
    """Rows that are no longer used."""
    key_id: str = ""
    """Which key made the pseudonyms: a digest of it; empty without pseudonyms."""
    names_model: str = ""
    """The model by which names were found; empty when they were not looked for."""

    @property
    def rows_private(self) -> int:
        """Rows that are used and still hold what was found."""
        return self.rows_concerned - self.rows_changed - self.rows_set_aside
