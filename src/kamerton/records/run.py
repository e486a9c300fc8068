"""What is remembered of a training: enough to make it again and to prove that it was made again."""

from __future__ import annotations

from typing import Any, Literal

from kamerton.ground.digests import digest
from kamerton.records.base import Part, Record

__all__ = ["BaseLineage", "CodeLineage", "DataLineage", "Environment", "PartLineage", "RunRecord", "RunResult"]


class PartLineage(Part):
    """One part of the split as it went into the run."""

    rows: int
    fingerprint: str
    """Digest of the sorted row hashes."""


class DataLineage(Record):
    """What the run learned from."""

    kind: Literal["data_lineage"] = "data_lineage"
    versions: dict[str, str]
    """Immutable data-set versions `name@vN` of the parts `train`, `validation` and `test`; an empty part has none."""
    fingerprint: str
    """Digest of the sorted row hashes of all parts."""
    sources: dict[str, str]
    """SHA-256 of each file read, by its name in the recipe."""
    parts: dict[str, PartLineage]
    """train, validation, test."""
    weights: str = ""
    """Digest of how often each training row is seen in an epoch; empty where each is seen once."""


class BaseLineage(Part):
    """Which weights, tokenizer and template the run started from."""

    name: str
    revision: str = ""
    """Commit of a hub model; empty for a local or packaged one."""
    weights: dict[str, str]
    """SHA-256 of each weight file; empty for random weights."""
    tokenizer: str
    """Digest of the tokenizer's files."""
    template: str
    """Digest of the chat template's text."""
    parameters: int
    trainable: int
    others: dict[str, str] = {}
    """Digest of each other model that the training read, by its name in the recipe: a reference, adapters to start
    from. Empty for none, and in records from before it."""


class CodeLineage(Part):
    """Which code ran."""

    version: str
    revision: str = ""
    """Git commit of the package's source, where it runs from a checkout."""
    dirty: str = ""
    """Digest of the uncommitted difference; empty for none."""
    functions: dict[str, str] = {}
    """SHA-256 of the source file of each function of the user's own that the recipe names, by `module:function`; what
    those files import is not in it. Empty for none, and in records from before it."""


class Environment(Part):
    """The machine, as far as bits depend on it, and the packages."""

    python: str
    platform: str
    device: str
    """`cpu`, or the name of the GPU with its capability."""
    cpu: str
    """Name of the processor."""
    instruction_sets: list[str]
    """Vector extensions that numeric libraries choose their kernels by."""
    capability: str
    """What torch dispatches to (`torch.backends.cpu.get_cpu_capability`)."""
    threads: int
    """Of each process."""
    processes: int = 1
    """How many shared the run."""
    settings: dict[str, str]
    """Environment variables and library switches that change bits."""
    packages: dict[str, str]
    """Versions of the packages whose code computes."""
    probe: str = ""
    """Hash of a fixed small training: the class of the machine as it computes; empty in records from before it."""

    @property
    def machine_class(self) -> dict[str, Any]:
        """What must be equal for equal bits, as it can be named; the processor's name is told but does not decide, and
        the probe, which is measured, is compared on its own."""
        return self.model_dump(mode="json", exclude={"cpu", "platform", "python", "probe"})

    @property
    def class_digest(self) -> str:
        """First 16 hex digits of the digest of the machine class."""
        return digest(self.machine_class)[:16]


class RunResult(Part):
    """What the run made."""

    steps: int
    tokens: int
    """Trained tokens over all steps."""
    files: dict[str, str]
    """SHA-256 of each file of the model folder."""
    model_sha256: str
    """SHA-256 of the weights file (adapter or full model)."""
    trace_head: str
    """Hash of the last line of the trace; it seals all lines before it."""
    first_loss: float
    last_loss: float
    seconds: float
    """Wall time of training alone, over all attempts."""
    attempts: int
    """1 + the number of resumptions."""


class RunRecord(Record):
    """One training. Written last: a run folder without it is incomplete."""

    kind: Literal["run"] = "run"
    run_id: str
    name: str
    recipe: dict[str, Any]
    """The resolved recipe."""
    recipe_digest: str
    data: DataLineage
    base: BaseLineage
    code: CodeLineage
    environment: Environment
    result: RunResult
    attempts_unlike: list[str] = []
    """How attempts before the last one differed from it in code or machine class, one sentence each; equal bits cannot
    be promised then. Empty in records from before it."""
    finished: str
    """UTC, ISO 8601."""
