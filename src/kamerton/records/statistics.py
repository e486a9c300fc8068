"""What a data set is like in numbers: sizes, tokens, diversity, balance, label noise; and the checklist of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kamerton.records.base import Part

__all__ = [
    "Balance",
    "Bin",
    "ChecklistItem",
    "DataStatistics",
    "Distribution",
    "FindingCount",
    "LabelNoise",
    "LexicalDiversity",
    "NoisePair",
    "Place",
    "Sampled",
    "SemanticDiversity",
    "TokenStatistics",
]


class Bin(Part):
    """One bar of a histogram: values from `low` up to, but not including, `high`."""

    low: int
    high: int
    count: int


class Distribution(Part):
    """Whole numbers, one an item; percentiles by the nearest rank."""

    n: int
    min: int
    p5: int
    median: int
    mean: float
    p95: int
    max: int
    bins: list[Bin]
    """Side by side, with round edges that grow with the values; the counts add up to `n`."""


class Sampled(Part):
    """A number that was estimated from a sample of rows, with its interval."""

    value: float | None
    """None where it could not be computed; `why` says why."""
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Items (rows, or blocks of rows) that the interval rests on."""
    confidence: float = 0.95
    method: str = ""
    """How the interval was made; empty for none."""
    why: str = ""


class FindingCount(Part):
    """How often one kind of finding came up."""

    errors: int
    warnings: int


class TokenStatistics(Part):
    """Tokens of the training rows, as training will see them: with the chat template and its control tokens."""

    model: str
    max_length: int | None
    """Tokens from which a row is cut; None where nothing is cut."""
    sampled_rows: int
    """Rows of the sample, chosen by their hash; all figures but the two counts below come from it."""
    rows: int
    """Rows of the training part."""
    per_row: Distribution | None
    """Tokens of the sampled rows."""
    mean: Sampled
    """Tokens a row."""
    total: Sampled
    """Tokens of all rows together."""
    chars_per_token: Sampled
    trained_share: Sampled
    """Share of the tokens that the loss is taken over."""
    truncated: int
    """Rows longer than `max_length`; exact, each is named in the findings."""
    masked: int
    """Rows of which nothing is left to learn within `max_length`; exact, each is named in the findings."""
    refused: int
    """Rows that the chat template refuses; exact, each is named in the findings."""
    encoded: int
    """Rows beside the sample that had to be encoded for the three counts: the others cannot be too long, whatever
    their tokens are."""


class LexicalDiversity(Part):
    """How varied the words are; every measure is taken over blocks of one fixed size, so that sets of different size
    can be compared."""

    distinct_1: Sampled
    """Different words among `block_words` words."""
    distinct_2: Sampled
    """Different pairs of neighbouring words among all such pairs of `block_words` words (Li et al. 2016)."""
    distinct_3: Sampled
    """The same of three neighbouring words."""
    compression: Sampled
    """How many times smaller DEFLATE makes `block_bytes` bytes of text; repetition makes it grow."""
    block_words: int
    block_bytes: int


class SemanticDiversity(Part):
    """How far apart the meanings are, by static embeddings."""

    model: str
    """Empty when none was given."""
    distance: Sampled
    """Mean cosine distance of two rows; 0 for rows that all say the same."""
    vendi: Sampled
    """Vendi score: the effective number of different meanings among the `n` sampled rows (Friedman and Dieng 2023)."""


class Balance(Part):
    """How rows are shared out over the categories, or the tasks, of a part."""

    by: Literal["category", "task"]
    part: Literal["train", "validation", "test"]
    counts: dict[str, int]
    """Rows a name, the largest first; rows without a name count under the empty one."""
    entropy: float
    """Shannon entropy of the shares, in bits."""
    effective: float
    """Effective number of categories, 2 to the power of the entropy (Hill number of order 1)."""
    evenness: float | None
    """Entropy over the greatest possible one: 1 when all are equally frequent; None with a single category."""


class Place(Part):
    """Where a row stands."""

    file: str
    line: int


class NoisePair(Part):
    """Two rows with one prompt and two answers."""

    sort: Literal["equal", "near"]
    similarity: float
    """Jaccard similarity of the word 3-grams of the prompts; 1 for equal ones."""
    first: Place
    second: Place
    prompt: str
    """The beginning of the first row's prompt; empty where personal data was found in one of the two rows."""
    answers: list[str]
    """The beginnings of the two answers; empty as the prompt."""


class LabelNoise(Part):
    """Rows that teach one question with different answers."""

    rows: int
    """Rows that have a question and an answer."""
    equal_rows: int
    """Rows whose prompt (without case, diacritics and punctuation) stands elsewhere with another answer."""
    near_rows: int
    """Further rows of which this holds for a nearly equal prompt."""
    share: float | None
    """`equal_rows` of `rows`; None without rows."""
    pairs: list[NoisePair]
    """The first pairs; `pairs_found` counts all that were compared."""
    pairs_found: int
    crowded: int = 0
    """Rows in clusters that were too big to compare each row with each: they were compared with their neighbours."""


class DataStatistics(Part):
    """The numbers of a data set."""

    rows: int
    """Rows used."""
    kinds: dict[str, int]
    """Rows a kind: text, conversation, rated, ranked."""
    characters: dict[str, Distribution]
    """Characters of `prompt`, `answer` and `row` (all turns together); a part that no row has is missing."""
    turns: Distribution | None
    """Turns of the conversations; None when there is none."""
    findings: dict[str, FindingCount]
    """How often each kind of finding came up, the most frequent first."""
    tokens: TokenStatistics | None
    """None when no model was given."""
    lexical: dict[str, LexicalDiversity]
    """Diversity of the `prompt`s and of the `answer`s (or texts)."""
    semantic: SemanticDiversity
    balance: list[Balance]
    noise: LabelNoise


class ChecklistItem(Part):
    """One question of the checklist before training, with its answer."""

    name: str
    """A stable name, such as `train_rows`."""
    state: Literal["passed", "warning", "failed", "unknown"]
    """`failed` fails the check; `unknown`: nobody has measured it, and `text` says what is missing."""
    text: str
    """What was found and what is wanted."""
    message: str
    """`text` before its values were filled in: what catalogues of other languages translate."""
    values: dict[str, str | int | float] = Field(default_factory=dict)
    setting: str = ""
    """The key of the recipe that sets the threshold, with its value; empty where there is none."""
