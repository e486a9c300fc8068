"""Records: frozen, versioned JSON documents; what is remembered."""

from kamerton.records.base import Part, Record
from kamerton.records.run import (
    BaseLineage,
    CodeLineage,
    DataLineage,
    Environment,
    PartLineage,
    RunRecord,
    RunResult,
)

__all__ = [
    "BaseLineage",
    "CodeLineage",
    "DataLineage",
    "Environment",
    "Part",
    "PartLineage",
    "Record",
    "RunRecord",
    "RunResult",
]
