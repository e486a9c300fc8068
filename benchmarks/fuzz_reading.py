"""Throw bytes at every reader for some time, and say how many inputs it took.

    python benchmarks/fuzz_reading.py --seconds 3600

needs `atheris` (Python 3.11 or 3.12). Any bytes must end in rows and findings or in a `KamertonError`; anything else
stops the run with the input in a file `crash-*`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import sys
import tempfile
import time
from pathlib import Path

import atheris
import pyarrow  # before the instrumentation: it is not ours
import pyarrow.parquet
import zstandard

with atheris.instrument_imports(include=["kamerton.data.reading", "kamerton.data.shapes"]):
    from kamerton.data.reading import read_sources
from kamerton.ground.errors import KamertonError

TEXTS = (".jsonl", ".json", ".csv", ".tsv", ".txt", ".md")
SUFFIXES = (*TEXTS, *(f"{suffix}.gz" for suffix in TEXTS), *(f"{suffix}.zst" for suffix in TEXTS), ".parquet", ".arrow")
SEEDS = (
    b'{"instruction": "Kto?", "output": "Nikt."}\n{"instruction": "a", "output": "b"}\n',
    b'[{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]',
    '"prompt";"completion"\r\n"Ile; to?";"1,5 zł"\r\n'.encode("cp1250"),
    "text|category\nżółw|x\n".encode("utf-16"),
    "# Tytuł\n\ntekst\n## Dwa\n```\n# x\n```\n".encode("iso-8859-2"),
)


def seeds() -> list[bytes]:
    """Files of each format, each with the bytes that say under which name and how it is written."""
    table = pyarrow.table({"prompt": ["a", "ż"], "completion": ["b", None], "n": [[1, 2], None]})
    arrow, stream, columns = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with pyarrow.ipc.new_file(arrow, table.schema) as file:
        file.write_table(table)
    with pyarrow.ipc.new_stream(stream, table.schema) as file:
        file.write_table(table)
    pyarrow.parquet.write_table(table, columns)
    texts = [bytes([place, 1]) + content for content in SEEDS for place in range(len(TEXTS) * 3)]
    parquet, ipc = SUFFIXES.index(".parquet"), SUFFIXES.index(".arrow")
    binary = [(parquet, columns), (ipc, arrow), (ipc, stream)]
    return texts + [bytes([place, 0]) + content.getvalue() for place, content in binary]


def arguments() -> tuple[int, list[str]]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    options, rest = parser.parse_known_args()
    return options.seconds, rest


def main() -> None:
    seconds, rest = arguments()
    folder = Path(tempfile.mkdtemp(prefix="kamerton-fuzz-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(seeds()):
        (corpus / str(number)).write_bytes(content)
    count, started, told = 0, time.monotonic(), 0.0

    def one(data: bytes) -> None:
        nonlocal count, told
        if len(data) < 2:
            return
        suffix, content = SUFFIXES[data[0] % len(SUFFIXES)], data[2:]
        if data[1] % 2:  # packed as the name says, or not
            content = gzip.compress(content) if suffix.endswith(".gz") else content
            content = zstandard.compress(content) if suffix.endswith(".zst") else content
        path = folder / f"a{suffix}"
        path.write_bytes(content)
        try:
            result = read_sources([path.name], root=folder)
        except KamertonError:
            result = None
        if result is not None and not result.rows:
            assert any(finding.severity == "error" for finding in result.findings), "rows vanished without a word"
        count += 1
        now = time.monotonic() - started
        if now - told > 60:
            told = now
            print(f"{count} inputs in {now:.0f} s", flush=True)
        if now > seconds:
            print(f"{count} inputs in {now:.0f} s, no fault", flush=True)
            os._exit(0)

    atheris.Setup([sys.argv[0], *rest, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
