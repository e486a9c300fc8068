"""An alarm, and what every monitor is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from kamerton.training.monitors.history import History, Record

__all__ = ["Alarm", "Monitor", "Severity"]

Severity = Literal["warning", "error"]


@dataclass(frozen=True)
class Alarm:
    """One finding about a run."""

    kind: str
    """Such as `spike`."""
    step: int
    """The first step at which it could be known."""
    severity: Severity
    """`error`: the model should not be used as it is; `warning`: look at it."""
    symptom: str
    evidence: str
    """The numbers that decided."""
    cause: str
    """The likely cause."""
    change: str
    """What to change."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    def __str__(self) -> str:
        when = f" at step {self.step}" if self.step else ""
        return f"{self.kind}{when} ({self.severity}): {self.symptom}: {self.evidence}"


class Monitor(ABC):
    """Watches for one symptom.

    A monitor is a fold over the records: what it keeps it has from them alone, so that a run told again from its
    journal raises the same alarms at the same steps.
    """

    policy: ClassVar[str]
    """The key of `training.alarms` that says what is done."""

    @abstractmethod
    def take(self, record: Record, history: History) -> Alarm | None:
        """Look at a record, which the history holds already; only the first alarm of a kind is told."""
