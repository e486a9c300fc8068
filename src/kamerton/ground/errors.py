"""Every error that Kamerton raises on purpose.

    KamertonError
    |-- VerdictError            exit 1   the work was done and the answer is no
    |-- RequestError            exit 2   what was asked for is wrong
    |   |-- RecipeError                  a recipe, an override or a flag
    |   `-- DataError                    rows, files, data-set versions
    |-- MachineError            exit 3   what the request needs is not there
    |   |-- MissingExtraError            an optional package
    |   |-- StorageError                 disk full, no permission, damaged file
    |   `-- ServerAwayError              a server that does not answer
    `-- Interrupted             exit 130 stopped by the user; it says how to go on

Add a class only where a caller would catch it apart from its parent.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "DataError",
    "Interrupted",
    "KamertonError",
    "MachineError",
    "MissingExtraError",
    "RecipeError",
    "RequestError",
    "ServerAwayError",
    "StorageError",
    "VerdictError",
]


class KamertonError(Exception):
    """What happened, where, what was expected, and the command that mends it."""

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str = "", expected: str = "", mend: str = "") -> None:
        super().__init__(what, where, expected, mend)
        self.what = what
        self.where = where
        self.expected = expected
        self.mend = mend

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (type(self), self.what, self.where, self.expected, self.mend))

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.mend:
            lines.append(f"  mend: {self.mend}")
        return "\n".join(lines)

    def document(self) -> dict[str, str]:
        """The error as the JSON that `--json` prints."""
        parts = {"what": self.what, "where": self.where, "expected": self.expected, "mend": self.mend}
        return {"error": type(self).__name__} | {key: text for key, text in parts.items() if text}


def _restore(kind: type[KamertonError], what: str, where: str, expected: str, mend: str) -> KamertonError:
    return kind(what, where=where, expected=expected, mend=mend)


class VerdictError(KamertonError):
    """The work was done and the answer is no."""

    exit_code = 1


class RequestError(KamertonError):
    """What was asked for is wrong."""


class RecipeError(RequestError):
    """A recipe, an override or a flag cannot be honoured."""


class DataError(RequestError):
    """Rows, files or data-set versions cannot be used."""


class MachineError(KamertonError):
    """What the request needs is not there."""

    exit_code = 3


class MissingExtraError(MachineError):
    """An optional package is not installed."""


class StorageError(MachineError):
    """The disk is full, a path may not be written, or a file is damaged."""


class ServerAwayError(MachineError):
    """A server does not answer."""


class Interrupted(KamertonError):
    """The user stopped the work; nothing that was reported as saved is lost."""

    exit_code = 130
