"""Tokens of the training rows: figures from a sample, and exactly which rows are too long.

Encoding all rows of a big set takes minutes, and almost none of them are too long. So beyond the sample a row is
encoded only where an upper bound of its tokens is above the limit:

- A tokenizer makes no more tokens of a text than it has UTF-8 bytes (in the form that normalisation gives it).
- Nor more than of its words one by one, since tokenizers part a text at white space before they merge. The tokens of
  frequent words are remembered, other words count their bytes. Whether this bound holds is proven on the sample, and
  where it does not the first one alone is used.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kamerton.chat import ChatFormat, Message, Tokens
from kamerton.data.rows import Row
from kamerton.data.statistics.sampling import estimated, hash_sample
from kamerton.data.statistics.sizes import distribution
from kamerton.ground.errors import DataError
from kamerton.records.data import Finding
from kamerton.records.statistics import Sampled, TokenStatistics

__all__ = ["FEW", "TokenLimit", "token_statistics"]

_SAMPLE = 1500
"""Rows that are encoded for the figures: the mean is then known to about 5 % for lengths as texts have them."""
FEW = 3000
"""Up to as many rows the sample is all of them: that is faster than to prove bounds and to draw intervals."""
_REMEMBERED = 40_000
"""Words whose tokens are remembered."""
_PLAIN = {"role", "content"}
"""What an ordinary turn has; calls, names and marks of what is not learned come on top."""
_SLACK = 2
"""Tokens that a turn, or a line of one, may have more than its parts: what a boundary keeps from being merged."""


@dataclass(frozen=True)
class TokenLimit:
    """The tokenizer and template that training will use, and from where it cuts."""

    format: ChatFormat
    model: str
    max_length: int | None = None
    """None where nothing is cut, as when texts are packed one after the other."""
    cut_by: str = "training.max_length"
    """What says `max_length`."""

    def count(self, rows: Sequence[Row]) -> list[int]:
        """Tokens of each row as training will see it; 0 where the template refuses it."""
        counter = _Counter(self)
        encoded = map(counter.encode, rows)
        return [0 if isinstance(tokens, DataError) else len(tokens.ids) for tokens in encoded]


def token_statistics(rows: Sequence[Row], limit: TokenLimit) -> tuple[TokenStatistics, list[Finding]]:
    """Tokens of rows, and a finding for each row that is cut, has nothing left to learn, or is refused."""
    counter = _Counter(limit)
    chosen = rows if len(rows) <= FEW else hash_sample(rows, _SAMPLE)
    known = {id(row): counter.encode(row) for row in chosen}
    encoded = [(row, tokens) for row in chosen if not isinstance(tokens := known[id(row)], DataError)]
    if len(chosen) < len(rows):
        counter.prove(encoded)
    findings, counts = _exact(rows, counter, known)
    sizes = [len(tokens.ids) for _, tokens in encoded]
    trained = [tokens.trained_count for _, tokens in encoded]
    letters = [_letters(row) for row, _ in encoded]
    whole = len(chosen) == len(rows)
    per_letter = _ratio(sizes, letters, whole)
    all_letters = sum(map(_letters, rows))
    statistics = TokenStatistics(
        model=limit.model,
        max_length=limit.max_length,
        sampled_rows=len(encoded),
        rows=len(rows),
        per_row=distribution(sizes),
        mean=_ratio(sizes, [1] * len(sizes), whole),
        total=_times(per_letter, all_letters),
        chars_per_token=_ratio(letters, sizes, whole),
        trained_share=_ratio(trained, sizes, whole),
        truncated=counts["truncated"],
        masked=counts["all_masked"],
        refused=counts["template_refused"],
        encoded=counter.encoded,
    )
    return statistics, findings


def _exact(
    rows: Sequence[Row], counter: _Counter, known: Mapping[int, Tokens | DataError]
) -> tuple[list[Finding], dict[str, int]]:
    findings: list[Finding] = []
    counts = {"truncated": 0, "all_masked": 0, "template_refused": 0}
    for row in rows:
        tokens = known.get(id(row))
        if tokens is None and counter.fits(row):
            continue
        finding = counter.fault(row, tokens)
        if finding is not None:
            counts[finding.kind] += 1
            findings.append(finding)
    return findings, counts


@dataclass
class _Counter:
    """Upper bounds of tokens, and exact tokens where they are asked for."""

    limit: TokenLimit
    encoded: int = 0
    by_words: bool = True
    """Whether the bound by words holds."""
    _frames: dict[tuple[str, ...], int | DataError] = field(default_factory=dict)
    """Tokens that the template adds to turns of these roles, or why it refuses them."""
    _words: _Words = field(init=False)

    def __post_init__(self) -> None:
        self._words = _Words(self.limit.format)

    def encode(self, row: Row) -> Tokens | DataError:
        """The row as training will see it, or why the template refuses it."""
        chat = self.limit.format
        try:
            return chat.text(row.text) if row.text is not None else chat.conversation(_messages(row), tools=row.tools)
        except DataError as error:
            return error

    def prove(self, encoded: Sequence[tuple[Row, Tokens]]) -> None:
        """Use the bound by words only if it holds for each of these rows."""
        self.by_words = all(len(tokens.ids) <= self._bound(row) for row, tokens in encoded if not _special(row))

    def fits(self, row: Row) -> bool:
        """Whether nothing can be wrong with the row, without encoding it."""
        frame = self._frame(row)
        if isinstance(frame, DataError) or _special(row):
            return False
        most = self.limit.max_length
        if most is None:
            return True
        turns = _turns(row)
        around = len(turns) * _SLACK + frame
        # Letters are counted for nothing, and there are no fewer bytes.
        if around + sum(map(len, turns)) <= most and around + sum(map(_byte_bound, turns)) <= most:
            return True
        return self.by_words and self._bound(row) <= most

    def fault(self, row: Row, tokens: Tokens | DataError | None = None) -> Finding | None:
        """What is wrong with the row, by its exact tokens, which are encoded where they are not known."""
        if tokens is None:
            tokens = self.encode(row)
            self.encoded += 1
        if isinstance(tokens, DataError):
            return _finding(row, "template_refused", tokens.what, "error")
        first = tokens.first(self.limit.max_length)
        most, cut_by = self.limit.max_length, self.limit.cut_by
        if not first.trained_count:
            what = f"nothing is left to learn within {cut_by}: {most} of {len(tokens.ids)} tokens"
            return _finding(row, "all_masked", what if tokens.trained_count else "no token to learn from", "warning")
        if first.cut:
            what = f"{len(tokens.ids)} tokens; {cut_by} cuts it at {most}"
            return _finding(row, "truncated", what, "warning")
        return None

    def _bound(self, row: Row) -> int:
        frame = self._frame(row)
        if isinstance(frame, DataError):
            return 1 << 62
        turns = _turns(row)
        return frame + sum(_SLACK + self._words.bound(text) for text in turns)

    def _frame(self, row: Row) -> int | DataError:
        """Tokens around the contents; they depend on the roles alone."""
        roles = () if row.text is not None else tuple(message["role"] for message in _messages(row))
        if roles not in self._frames:
            self._frames[roles] = self._measured(roles)
        return self._frames[roles]

    def _measured(self, roles: tuple[str, ...]) -> int | DataError:
        chat = self.limit.format
        if not roles:
            return len(chat.text("a").ids)
        probe: list[Message] = [{"role": role, "content": "a"} for role in roles]  # type: ignore[typeddict-item]
        try:
            return len(chat.conversation(probe).ids)
        except DataError as error:
            return error


class _Words(dict[str, int]):
    """The tokens that a word has after another word; words beyond those remembered count their bytes."""

    def __init__(self, chat: ChatFormat) -> None:
        super().__init__({"": 1, "\n": 1})
        self._chat = chat
        self._before = len(chat.text("a").ids)

    def bound(self, text: str) -> int:
        """At least the tokens of a text. A word at the beginning of a line may have more than inside of one."""
        return _SLACK * text.count("\n") + sum(map(self.__getitem__, text.replace("\n", " \n ").split(" ")))

    def __missing__(self, word: str) -> int:
        if len(self) >= _REMEMBERED:
            return _byte_bound(word) + 1
        self[word] = tokens = len(self._chat.text("a " + word).ids) - self._before
        return tokens


def _byte_bound(text: str) -> int:
    """No tokenizer with a byte alphabet makes more tokens of a text; a normalisation may take letters apart first."""
    if text.isascii():
        return len(text)
    whole = len(text.encode("utf-8", "surrogatepass"))
    return max(whole, len(unicodedata.normalize("NFKD", text).encode("utf-8", "surrogatepass")))


def _special(row: Row) -> bool:
    """Rows that must be encoded whatever their length: what is learned or written depends on more than the contents."""
    if row.text is not None:
        return False
    if row.tools or not row.answer.strip():
        return True
    turns = _messages(row)
    if any(turn.keys() != _PLAIN or turn["role"] == "tool" for turn in turns):
        return True
    # Some templates cut the thoughts out of earlier answers, and then no answer can be found.
    return len(turns) > 2 and any("</think>" in turn["content"] for turn in turns)


def _messages(row: Row) -> list[Message]:
    return [*(row.messages or ()), *row.ranked[:1]]


def _turns(row: Row) -> list[str]:
    return [row.text] if row.text is not None else [message["content"] for message in _messages(row)]


def _letters(row: Row) -> int:
    return sum(map(len, _turns(row)))


def _ratio(above: Sequence[int], below: Sequence[int], whole: bool) -> Sampled:
    """Sum over sum, as a ratio estimate (Cochran 1977, chapter 6)."""
    import numpy as np

    from kamerton.stats import SumStatistic

    if not sum(below):
        return Sampled(value=None, why="no row could be encoded")
    items = np.column_stack([np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)])
    return estimated(SumStatistic(items, lambda sums: sums[:, 0] / sums[:, 1]), whole=whole)


def _times(sampled: Sampled, factor: int) -> Sampled:
    ends = {name: getattr(sampled, name) for name in ("value", "low", "high")}
    return sampled.model_copy(update={name: None if end is None else end * factor for name, end in ends.items()})


def _finding(row: Row, kind: str, message: str, severity: str) -> Finding:
    return Finding(file=row.file, line=row.line, kind=kind, message=message, severity=severity)  # type: ignore[arg-type]
