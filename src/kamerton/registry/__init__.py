"""Registry: model versions and aliases, the gate before an alias moves, and the evidence that it asks for."""

from kamerton.registry.aliases import Alias, AliasHistory, AliasMove
from kamerton.registry.evidence import Evidence, verify
from kamerton.registry.gate import decide
from kamerton.registry.promote import objections, promote, rollback
from kamerton.registry.versions import ModelVersion, Registry

__all__ = [
    "Alias",
    "AliasHistory",
    "AliasMove",
    "Evidence",
    "ModelVersion",
    "Registry",
    "decide",
    "objections",
    "promote",
    "rollback",
    "verify",
]
