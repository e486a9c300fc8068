"""Regular expression: 1 where it is found or, with a group, where the group says the same in the reference.

The group is read as the metric `accuracy` reads a label, so that `regex:#### (-?[0-9.]+)` rewards the right number
whatever stands before it. A reference without a label rewards no answer.
"""

from __future__ import annotations

import re

from kamerton.chat.answers import label_of
from kamerton.training.objectives.rewards.base import Judged, Reward

__all__ = ["regex"]


def regex(pattern: str) -> Reward:
    def found(judged: Judged) -> float:
        return float(re.search(pattern, judged.answer, re.MULTILINE) is not None)

    def same(judged: Judged) -> float:
        wanted = label_of(pattern, judged.reference)
        return float(bool(wanted) and label_of(pattern, judged.answer) == wanted)

    return same if re.compile(pattern).groups else found
