"""Labels in answers, for accuracy and macro-F1."""

from __future__ import annotations

import re

__all__ = ["label_of"]


def label_of(pattern: str, text: str) -> str:
    """The first group of the first match, `^` and `$` standing for line ends too; empty where there is none.

    Space around the label does not count; upper and lower case do.
    """
    match = re.search(pattern, text, re.MULTILINE)
    return (match.group(1) or "").strip() if match else ""
