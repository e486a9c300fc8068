"""What is learned from looks wrong: few rows, repeated rows, masked rows, leaks, mixed languages."""

from __future__ import annotations

from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Facts, History, Record

__all__ = ["Duplicates", "FewRows", "Languages", "Leak", "Masked"]


class FewRows(Monitor):
    """Fewer than 50 different examples."""

    policy: ClassVar[str] = "data"
    FEWEST = 50

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Facts) or record.distinct is None or record.distinct >= self.FEWEST:
            return None
        return Alarm(
            "few_rows",
            0,
            "warning",
            "there is little to learn from",
            f"{record.distinct} different training examples; fewer than {self.FEWEST} are learned by heart",
            "a small source, or a filter that took nearly everything",
            "add rows to data.train, look at the data report's refused rows, or put the rows into the prompt instead",
        )


class Duplicates(Monitor):
    """More than a tenth of the training examples are copies of others."""

    policy: ClassVar[str] = "data"
    MOST = 0.1

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Facts) or record.distinct is None or not record.examples:
            return None
        copies = record.examples - record.distinct
        if copies <= self.MOST * record.examples:
            return None
        return Alarm(
            "duplicates",
            0,
            "warning",
            "rows are repeated",
            f"{copies:,} of {record.examples:,} training examples are copies ({copies / record.examples:.0%})",
            "the same source read twice, or rows copied to weigh more",
            "data.clean.exact_duplicates=drop, or give the source a weight (data.train[].weight), which is recorded",
        )


class Masked(Monitor):
    """More than a tenth of the rows have nothing that is learned, or under 1 % of the tokens are learned."""

    policy: ClassVar[str] = "data"
    MOST = 0.1
    LEAST = 0.01

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Facts):
            return None
        masked, rows = record.masked or 0, (record.masked or 0) + (record.examples or 0)
        if masked > self.MOST * rows:
            evidence = f"{masked:,} of {rows:,} rows have no token that is learned ({masked / rows:.0%})"
        elif record.learned_share is not None and record.learned_share < self.LEAST:
            evidence = f"{record.learned_share:.2%} of the training tokens are learned"
        else:
            return None
        return Alarm(
            "masked",
            0,
            "error",
            "most of what is read is not learned",
            evidence,
            "answers that lie beyond training.max_length, empty answers, or roles that the mapping mixed up",
            "raise training.max_length; kamerton data check tells what is cut, and what is masked wholly",
        )


class Leak(Monitor):
    """More than one in a hundred validation examples stands in the training part."""

    policy: ClassVar[str] = "data"
    MOST = 0.01

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Facts) or not record.leaked or not record.validation:
            return None
        if record.leaked <= self.MOST * record.validation:
            return None
        return Alarm(
            "leak",
            0,
            "error",
            "the validation part is learned from",
            f"{record.leaked:,} of {record.validation:,} validation examples stand in the training part as they are",
            "one source in both parts, or copies that fell on both sides of the split",
            "split by near_duplicates (data.split.by), or take the rows out of data.train; the losses are too low",
        )


class Languages(Monitor):
    """In a fifth of the rows the answer is in another language than the question."""

    policy: ClassVar[str] = "data"
    MOST = 0.2
    FEWEST = 20

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Facts) or record.mixed is None or (record.judged or 0) < self.FEWEST:
            return None
        assert record.judged is not None
        if record.mixed <= self.MOST * record.judged:
            return None
        return Alarm(
            "languages",
            0,
            "warning",
            "answers are in another language than their questions",
            f"{record.mixed} of {record.judged} rows of a sample ({record.mixed / record.judged:.0%})",
            "files of several languages joined in the wrong order; a set of translations is meant to be so",
            "look at the rows; data.clean.language keeps the rows of one language",
        )
