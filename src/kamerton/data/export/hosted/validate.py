"""A whole file against the rules, line by line, in bounded memory but for the findings."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from kamerton.data.export.hosted.examples import check_chat, check_preference, example_texts
from kamerton.data.export.hosted.rules import RULES, Fault
from kamerton.ground.errors import DataError, StorageError
from kamerton.records.data import Finding

__all__ = ["MODEL_CONTEXT", "TARGETS", "HostedReport", "Target", "validate_file"]

Target = Literal["openai-chat", "openai-preference"]
TARGETS: Final[tuple[Target, ...]] = get_args(Target)

MODEL_CONTEXT: Final = 65_536
"""Tokens of an example that training uses, for gpt-4o and gpt-4.1; what is beyond them is cut off."""

_FEWEST: Final = 10
_ONE_UPLOAD: Final = 512 * 1024**2
_IN_PARTS: Final = 8 * 1024**3
_CHECKS: Final[dict[Target, Callable[[dict[str, Any]], list[Fault]]]] = {
    "openai-chat": check_chat,
    "openai-preference": check_preference,
}


@dataclass(frozen=True)
class HostedReport:
    """What a service would say of a file."""

    file: str
    target: Target
    examples: int
    """Lines that are examples, good or bad."""
    tokens: int
    """All tokens, estimated without the service's tokenizer."""
    longest: int
    """Tokens of the longest example, estimated."""
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        return all(finding.severity == "warning" for finding in self.findings)


def validate_file(path: Path, target: Target | None = None, model_context: int = MODEL_CONTEXT) -> HostedReport:
    """Check a file against all the rules for which a hosted service refuses it.

    Args:
        target: the format; None takes the one that the first line's keys are of.
        model_context: tokens above which an example is cut off. Tokens are estimated: a quarter of the ASCII
            characters, each other character for one, and four for each message.

    Raises:
        DataError: no such file.
        StorageError: it may not be read.
    """
    try:
        with path.open("rb") as lines:
            return _Checked(path, target, model_context).read(lines)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise DataError("no such file", where=str(path), expected="a file of JSON lines") from error
    except PermissionError as error:
        raise StorageError("permission denied", where=str(path), mend=f"chmod u+r {path}") from error


class _Checked:
    """One pass over a file."""

    def __init__(self, path: Path, target: Target | None, model_context: int) -> None:
        self._path = path
        self._target = target
        self._context = model_context
        self._findings: list[Finding] = []
        self._examples = 0
        self._tokens = 0
        self._longest = 0
        self._seen: dict[bytes, int] = {}

    def read(self, lines: Any) -> HostedReport:
        size = self._path.stat().st_size
        self._whole(size)
        for number, raw in enumerate(lines, 1):
            line = raw
            if number == 1 and raw.startswith(codecs.BOM_UTF8):
                line = raw.removeprefix(codecs.BOM_UTF8)
                what = "the file begins with a byte-order mark, which OpenAI takes for a part of the first line"
                self._say(1, Fault("byte_order_mark", f"{what} (Azure asks for one)"))
            for fault in self._line(number, line):
                self._say(number, fault)
        if not self._examples:
            self._say(0, Fault("empty_file", "no examples"))
        elif self._examples < _FEWEST:
            self._say(0, Fault("too_few_examples", f"{self._examples} examples; at least {_FEWEST} are asked for"))
        return HostedReport(
            file=str(self._path),
            target=self._target or "openai-chat",
            examples=self._examples,
            tokens=self._tokens,
            longest=self._longest,
            findings=self._findings,
        )

    def _whole(self, size: int) -> None:
        if self._path.suffix != ".jsonl":
            self._say(0, Fault("wrong_suffix", f"the name ends with {self._path.suffix!r}; only .jsonl is taken"))
        if size > _IN_PARTS:
            self._say(0, Fault("file_too_large", f"{size / 1024**3:.1f} GB; at most 8 GB are taken, in parts"))
        elif size > _ONE_UPLOAD:
            message = f"{size / 1024**2:.0f} MB; above 512 MB a file is uploaded in parts, and Azure takes none"
            self._say(0, Fault("needs_upload_in_parts", message))

    def _line(self, number: int, line: bytes) -> Iterator[Fault]:
        if not line.strip():
            yield Fault("blank_line", "the line is blank; every line must be an example")
            return
        self._examples += 1
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield Fault("bad_encoding", f"byte {line[error.start]:#04x} at {error.start + 1} is not UTF-8")
            return
        twice: list[str] = []
        try:
            example = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, twice), parse_constant=_refused)
        except (ValueError, RecursionError) as error:
            place = f" at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else ""
            what = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            yield Fault("broken_json", f"not JSON{place}: {what}")
            return
        if not isinstance(example, dict):
            yield Fault("not_an_object", f"the line holds no object but {line[:20].decode('utf-8', 'replace')!r}")
            return
        if twice:
            yield Fault("duplicate_key", f"the key {twice[0]!r} stands more than once; only its last value counts")
        yield from self._example(number, line, example)

    def _example(self, number: int, line: bytes, example: dict[str, Any]) -> Iterator[Fault]:
        form = _form(example)
        if self._target is None:
            self._target = form or "openai-chat"
        if form not in (None, self._target):
            yield Fault("wrong_form", f"the example is of the form {form}, not {self._target}; one form a file")
            return
        yield from _CHECKS[self._target](example)
        mark = hashlib.blake2b(line.strip(), digest_size=12).digest()
        if (first := self._seen.setdefault(mark, number)) != number:
            yield Fault("duplicate_example", f"the same as line {first}")
        tokens = sum(4 + _estimate(text) for text in example_texts(example)) + 3
        self._tokens += tokens
        self._longest = max(self._longest, tokens)
        if tokens > self._context:
            yield Fault("too_long", f"about {tokens} tokens (an estimate); what is beyond {self._context} is cut off")

    def _say(self, line: int, fault: Fault) -> None:
        self._findings.append(
            Finding(file=str(self._path), line=line, kind=fault.rule, message=fault.message, severity=RULES[fault.rule])
        )


def _form(example: dict[str, Any]) -> Target | None:
    """The format that the keys of an example are of; None for those of neither, or of both."""
    pair = {"preferred_output", "non_preferred_output"} & example.keys() or isinstance(example.get("input"), dict)
    if bool(pair) == ("messages" in example):
        return None
    return "openai-preference" if pair else "openai-chat"


def _estimate(text: str) -> int:
    """Tokens of a text, roughly: four ASCII characters, or one other, make one."""
    plain = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return math.ceil(plain / 4) + len(text) - plain


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice.extend(name for name in names if names.count(name) > 1)
    return found


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
