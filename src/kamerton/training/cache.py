"""Tokenised examples, kept between runs: rows are rendered and encoded once for as long as nothing about them changes.

A file is named by everything that its content is a function of, is written whole or not at all, and holds a digest of
its own. It is read as views of the file's pages, so that examples of a large set take no memory twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from functools import cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kamerton.data.rows import Row
from kamerton.ground.digests import digest, file_digest
from kamerton.ground.errors import StorageError
from kamerton.ground.files import writing
from kamerton.training.examples import Builder, Example, ExampleSet, TokenSequence

__all__ = ["TokenCache", "cache_key"]

_MOST = 4 << 30
"""Bytes of all files; beyond it those that were not used for longest are removed."""

_SMALL = 200
"""Fewer rows are tokenised faster than a file is kept."""

_CODE = ("chat", "training/examples", "training/cache.py", "data/rows.py", "data/labels.py")
"""Parts of this package that decide what a row becomes."""
_PACKAGES = ("jinja2", "tokenizers", "transformers")

_ARRAYS = {"ids": np.int32, "labels": np.int32, "ends": np.int64, "counts": np.int32, "weights": np.float64}
_ARRAYS |= {"values": np.float64, "texts": np.uint8}
"""Tokens of all sequences end to end; where each sequence ends; sequences, weight and value of each example; JSON."""


class TokenCache:
    """A folder of tokenised examples."""

    def __init__(self, folder: Path | None, *, most: int = _MOST, least: int = _SMALL, writes: bool = True) -> None:
        """
        Args:
            folder: None keeps nothing.
            most: bytes of all files.
            least: fewer rows are not kept.
            writes: False reads what is there and keeps nothing new.
        """
        self._folder = folder
        self._most = most
        self._least = least
        self._writes = writes
        self.notes: list[str] = []
        """What is worth telling of the files, a sentence each."""

    def examples(self, builder: Builder, rows: Sequence[Row], weights: Sequence[float] | None = None) -> ExampleSet:
        """What `builder.examples` gives, from the cache where it is there.

        A damaged file is made again, which a note tells; a full disk keeps nothing and is no error.
        """
        path = self._path(builder, rows, weights)
        if path is None:
            return builder.examples(rows, weights)
        try:
            found = _read(path)
            if self._writes:
                os.utime(path)
            return found
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError):
            self.notes.append(f"the cache file {path.name[:16]}... was damaged and is made again")
        built = builder.examples(rows, weights)
        if self._writes:
            self._keep(path, built)
        return built

    def keep(self, builder: Builder, rows: Sequence[Row], weights: Sequence[float] | None = None) -> None:
        """Make the file that `examples` will find, if it is not there.

        Raises:
            DataError: as of `builder.examples`.
        """
        path = self._path(builder, rows, weights)
        if path is not None and not path.exists():
            self._keep(path, builder.examples(rows, weights))

    def _path(self, builder: Builder, rows: Sequence[Row], weights: Sequence[float] | None) -> Path | None:
        """The file of these examples; None where they are not kept."""
        # Rewards are given for rows, and not for tokens: that objective remembers them while it builds.
        if self._folder is None or len(rows) < self._least or builder.options.objective.kind == "grpo":
            return None
        return self._folder / f"{cache_key(builder, rows, weights)}.safetensors"

    def _keep(self, path: Path, built: ExampleSet) -> None:
        try:
            _write(path, built)
            self._shrink(path)
        except (StorageError, OSError) as error:
            self.notes.append(f"the tokens are not kept for the next run: {error}")

    def _shrink(self, newest: Path) -> None:
        """Remove what was not used for longest; another process that reads it keeps what it has."""
        assert self._folder is not None
        found = []
        for path in self._folder.glob("*.safetensors"):
            try:
                found.append((path.stat().st_mtime_ns, path.name, path.stat().st_size, path))
            except OSError:
                continue  # another process removed it
        size = sum(each for _, _, each, _ in found)
        for _, _, each, path in sorted(found):
            if size <= self._most:
                return
            if path != newest:
                path.unlink(missing_ok=True)
                size -= each


def cache_key(builder: Builder, rows: Sequence[Row], weights: Sequence[float] | None = None) -> str:
    """Digest of all that decides what rows become: rows, tokenizer, template, options, labels and this very code."""
    model = builder.model
    running = hashlib.sha256()
    for row in rows:
        running.update(bytes.fromhex(row.row_hash))
    options = builder.options
    return digest(
        {
            "rows": running.hexdigest(),
            "weights": list(weights) if weights is not None else None,
            "tokenizer": digest(model.tokenizer.backend_tokenizer.to_str()),
            "special": [str(token) for token in model.tokenizer.all_special_tokens],
            "begin": str(model.tokenizer.bos_token),
            "template": model.format.digest,
            "end": model.format.end_id,
            "objective": options.objective.model_dump(mode="json"),
            "max_length": builder.max_length,
            "seed": options.seed,
            "labels": list(model.labels),
            "code": _code(),
        }
    )


@cache
def _code() -> str:
    """Digest of the code, and the versions of the packages, that render and encode."""
    package = Path(__file__).parents[1]
    places = [package / name for name in _CODE]
    files = [path for place in places for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]
    code = {path.relative_to(package).as_posix(): file_digest(path) for path in files}
    return digest([code, {name: metadata.version(name) for name in _PACKAGES}])


# -- files -----------------------------------------------------------------------------------------------------------
def _write(path: Path, built: ExampleSet) -> None:
    sequences = [sequence for example in built.examples for sequence in example.sequences]
    texts = {"ids": [example.id for example in built.examples]} | {
        name: getattr(built, name) for name in ("cut", "masked", "notes")
    }
    empty = np.zeros(0, dtype=np.int32)
    content = {
        "ids": np.concatenate([empty, *(each.ids for each in sequences)]),
        "labels": np.concatenate([empty, *(each.labels for each in sequences)]),
        "ends": np.cumsum([each.length for each in sequences], dtype=np.int64),
        "counts": np.array([len(example.sequences) for example in built.examples], dtype=np.int32),
        "weights": np.array([example.weight for example in built.examples], dtype=np.float64),
        "values": np.array([example.value for example in built.examples], dtype=np.float64),
        "texts": np.frombuffer(json.dumps(texts, ensure_ascii=True).encode("ascii"), dtype=np.uint8),
    }
    header: dict[str, Any] = {"__metadata__": {"digest": _digest(content)}}
    place = 0
    names = {np.int32: "I32", np.int64: "I64", np.float64: "F64", np.uint8: "U8"}
    for name in sorted(content, key=lambda each: -np.dtype(_ARRAYS[each]).itemsize):  # so that all are aligned
        size = content[name].nbytes
        header[name] = {
            "dtype": names[_ARRAYS[name]],
            "shape": [len(content[name])],
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % 8)
    with writing(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for name in list(header)[1:]:
            file.write(content[name].data)


def _read(path: Path) -> ExampleSet:
    """The examples of a file, as views of its pages.

    Raises:
        OSError, ValueError, KeyError, TypeError: there is none, or it is damaged.
    """
    pages = np.memmap(path, dtype=np.uint8, mode="r")
    begin = 8 + int.from_bytes(pages[:8].tobytes(), "little")
    header = json.loads(pages[8:begin].tobytes())
    content: dict[str, NDArray[Any]] = {}
    for name, dtype in _ARRAYS.items():
        first, last = header[name]["data_offsets"]
        content[name] = np.asarray(pages[begin + first : begin + last]).view(dtype)
    if _digest(content) != header["__metadata__"]["digest"]:
        raise ValueError("the digest does not agree")
    texts = json.loads(content["texts"].tobytes())
    ids, labels = content["ids"], content["labels"]
    starts = [0, *content["ends"].tolist()]
    sequences = [TokenSequence(ids[start:end], labels[start:end]) for start, end in pairwise(starts)]
    examples, place = [], 0
    told = [content[name].tolist() for name in ("counts", "weights", "values")]
    for name, count, weight, value in zip(texts["ids"], *told, strict=True):
        examples.append(Example(name, tuple(sequences[place : place + count]), weight, value))
        place += count
    return ExampleSet(examples, texts["cut"], texts["masked"], texts["notes"])


def _digest(content: dict[str, NDArray[Any]]) -> str:
    running = hashlib.sha256()
    for name in sorted(content):
        running.update(f"{name}:{content[name].dtype}:{content[name].shape}".encode())
        running.update(np.ascontiguousarray(content[name]).data)
    return running.hexdigest()
