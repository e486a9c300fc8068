"""What is remembered of one model on one set: every item, and each metric with its interval."""

from __future__ import annotations

from typing import Literal

from kamerton.records.base import Part, Record

__all__ = ["EvaluationRecord", "ItemResult", "MetricResult"]


class ItemResult(Part):
    """One item as it was asked, answered and measured."""

    row_hash: str
    """Digest of the row's content: the same item in two records."""
    cluster: int
    """Items of one cluster are not independent of each other."""
    category: str
    prompt: str
    """The last turn before the answer; empty for a plain text."""
    reference: str
    """The given answer, or the text."""
    prediction: str | None
    """The generated answer; None where none was asked for."""
    finished: bool | None
    """False where the answer reached `max_new_tokens`."""
    label: str | None
    """Label of the prediction; None where no metric needs one."""
    reference_label: str | None
    """Label of the reference; empty where it has none, and then the item has no accuracy."""
    nll: float | None
    """Summed negative log-likelihood of the reference in nats; None where it was not scored."""
    tokens: int | None
    """Tokens that `nll` sums over."""
    values: dict[str, float | None]
    """Value by metric; None where the metric does not apply to the item."""


class MetricResult(Part):
    """One metric over the items that it applies to."""

    better: Literal["higher", "lower"]
    value: float | None
    """None where no item could be measured."""
    low: float | None
    """Lower end of the interval; None where it cannot be computed."""
    high: float | None
    method: str
    """How the interval was made: `wilson`, `bca`, `percentile`, `unanimous`; empty without one."""
    n_items: int
    n_clusters: int


class EvaluationRecord(Record):
    """A model measured on a set."""

    kind: Literal["evaluation"] = "evaluation"
    model: str
    """Name of the generator: a model, a model with a few-shot prompt, or an endpoint."""
    set_name: str
    set_fingerprint: str
    """Digest of the row hashes of the items, whatever their order."""
    options_digest: str
    """Digest of the recipe's evaluation section."""
    label: str | None
    """The pattern that labels were read with."""
    form: str | None
    """The pattern of a well-formed answer."""
    max_new_tokens: int
    confidence: float
    """Level of the intervals."""
    resamples: int
    seed: int
    shots_used: int | None = None
    """Fewest examples in any few-shot prompt; None without a few-shot prompt."""
    left_out: int
    """Items beyond `evaluation.max_items`, and answers that are marked as not liked."""
    cut_off: int
    """Answers that reached `max_new_tokens`."""
    n_clusters: int
    contaminated: int | None = None
    """Items that stand in the training rows of the run; None where nobody looked."""
    metrics: dict[str, MetricResult]
    subsets: dict[Literal["clean", "contaminated"], dict[str, MetricResult]] = {}
    """The metrics on the clean and on the contaminated items apart; empty where all items are of one kind."""
    items: list[ItemResult]
