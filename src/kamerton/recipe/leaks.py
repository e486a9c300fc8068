"""`data.leaks:` what of the test and evaluation sets stands in the training rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kamerton.recipe.base import Section

__all__ = ["LeakSection"]


class LeakSection(Section):
    """A test item is contaminated when a training row holds it: equal, in pieces, or nearly."""

    against: list[str] = []
    """Further sets that must not be in the training rows: files, data-set versions, lm-eval task files."""
    ngram: Annotated[int, Field(ge=3, le=50)] = 13
    """Words in a row that count as a copy; a shorter item is compared whole."""
    coverage: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Share of an item's words that stand in 8-word pieces of one training row, from which it is contaminated."""
    similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Jaccard similarity of word 3-grams from which two texts are near-duplicates."""
    embeddings: str = ""
    """Folder or hub id of a static embedding model (model2vec), for paraphrases; empty compares words alone."""
    embedding_similarity: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    """Cosine similarity of embeddings from which two texts say the same."""
    action: Literal["report", "drop"] = "report"
    """`drop` takes the training rows that hold a test item out of the training part; each is named in the report."""
    canaries: Annotated[int, Field(ge=0, le=1000)] = 20
    """Leaks of each sort (exact, near, paraphrased) that are planted in a shadow copy to measure the detector's
    recall; 0 plants none."""
