"""LLaMA-Factory's `--key value` on the command line, as the `key=value` that a recipe's overrides are."""

from __future__ import annotations

from collections.abc import Sequence

from kamerton.recipe.llamafactory.keys import KEYS, OLD_NAMES

__all__ = ["OURS", "as_overrides"]

OURS = frozenset({"debug"})
"""Flags that are Kamerton's, though LLaMA-Factory has such a key; `debug=...` sets that."""


def as_overrides(words: Sequence[str]) -> list[str]:
    """`--lora_rank 16`, `--lora_rank=16`, `--bf16` and `--no_bf16` as `key=value`; all other words as they are."""
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        name, sign, value = word.removeprefix("--").partition("=")
        key = name.replace("-", "_")
        about = None if key in OURS else KEYS.get(OLD_NAMES.get(key, key))
        if not word.startswith("--") or (about is None and not _negated(key)):
            found.append(word)
        elif about is None:
            found.append(f"{key.removeprefix('no_')}=false")
        elif sign:
            found.append(f"{key}={value}")
        elif about.kind == "bool" and (not rest or rest[0].lower() not in ("true", "false")):
            found.append(f"{key}=true")
        elif rest and not rest[0].startswith("--"):
            found.append(f"{key}={rest.pop(0)}")
        else:
            found.append(word)
    return found


def _negated(key: str) -> bool:
    about = KEYS.get(key.removeprefix("no_"))
    return key.startswith("no_") and about is not None and about.kind == "bool"
