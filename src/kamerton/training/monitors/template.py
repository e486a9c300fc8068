"""The chat template does not fit the base, or ends no turn."""

from __future__ import annotations

from typing import ClassVar

from kamerton.training.monitors.alarm import Alarm, Monitor
from kamerton.training.monitors.history import Facts, History, Record

__all__ = ["Template"]

LEAST = 0.5


class Template(Monitor):
    """Another template than the base's own is used, or answers do not end in a token that ends a turn."""

    policy: ClassVar[str] = "data"

    def take(self, record: Record, history: History) -> Alarm | None:
        if not isinstance(record, Facts):
            return None
        if record.closed is not None and record.closed < LEAST:
            evidence = f"{record.closed:.0%} of the answers end in a token that ends a turn; the model will not stop"
        elif record.overridden:
            evidence = "model.chat_template sets another template than the one that the base's tokenizer brings"
        else:
            return None
        return Alarm(
            "template",
            0,
            "error" if not record.overridden else "warning",
            "the chat template does not fit the base",
            evidence,
            "a template of another family, or a tokenizer whose template was edited",
            "set model.chat_template=tokenizer, or restore the template of the base",
        )
