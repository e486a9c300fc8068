"""Near-duplicates against datasketch, leaks in 200,000 rows, the recall of the canaries, and false alarms on real sets.

Run `python benchmarks/leaks.py [--rows N] [--data FOLDER]`; it prints JSON. Datasketch does the same work in the same
minutes: word 3-grams of the same normalised texts, 128 permutations, an index at Jaccard 0.7, a query for each text.
CPU seconds of one process are reported, taken in turns on slices of the rows.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from corpus import write_corpus

from kamerton.data import Row, near_duplicate_clusters, read_sources
from kamerton.data.duplicates import normalised
from kamerton.data.leaks import contamination
from kamerton.recipe import LeakSection

_SIMILARITY = 0.7
_SLICE = 2000
"""Rows that datasketch gets at a time: all of them would take minutes, and its time a row does not grow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="real sets, if they are there")
    options = parser.parse_args()
    rows = _rows(options.rows + options.items)
    train, items = rows[: options.rows], rows[options.rows :]
    figures = {
        "rows": len(train),
        "characters": sum(len(row.question) + len(row.answer) for row in train) // len(train),
        "near_duplicates": _near_duplicates(train),
        "leaks": {str(size): _leaks(train, items[:size]) for size in (len(items) // 40, len(items))},
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "real_sets": [_real(*pair) for pair in _pairs(options.data)] if options.data.is_dir() else "not here",
    }
    print(json.dumps(figures, indent=2))


def _rows(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(Path(folder) / "rows.jsonl", count)
        return read_sources(["rows.jsonl"], root=Path(folder)).rows


def _near_duplicates(rows: list[Row]) -> dict[str, Any]:
    """Texts of about 500 characters: the whole row as one text."""
    texts = [Row(text="\n".join(row.texts)) for row in rows]
    theirs, ours = [], []
    for start in range(0, 5 * _SLICE, _SLICE):
        part = texts[start : start + _SLICE]
        theirs.append(_seconds(lambda part=part: _datasketch(part)) / len(part))
        ours.append(_seconds(lambda: near_duplicate_clusters(texts, _SIMILARITY)) / len(texts))
    here, there = 1 / _median(ours), 1 / _median(theirs)
    return {"rows_per_second": round(here), "datasketch": round(there), "times": round(here / there, 1)}


def _datasketch(rows: Sequence[Row]) -> None:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=_SIMILARITY, num_perm=128)
    for number, row in enumerate(rows):
        words = normalised(row.question).split()
        signature = MinHash(num_perm=128)
        signature.update_batch([" ".join(words[at : at + 3]).encode() for at in range(len(words) - 2)])
        index.query(signature)
        index.insert(str(number), signature)


def _leaks(train: list[Row], items: list[Row]) -> dict[str, Any]:
    bare = LeakSection(canaries=0)
    seconds = _seconds(lambda: contamination(train, items, bare))
    return {"seconds": round(seconds, 2), "rows_per_second": round(len(train) / seconds)}


def _real(name: str, train: list[Row], items: list[Row]) -> dict[str, Any]:
    """Contaminated items, and how many planted leaks of each sort are found."""
    found = contamination(train, items, LeakSection(canaries=200)).report
    canaries = {
        each.sort: f"{each.found}/{each.planted} [{each.low or 0:.3f}, {each.high or 1:.3f}]" for each in found.canaries
    }
    return {"sets": name, "items": found.items, "contaminated": found.contaminated} | {
        "by_method": found.by_method,
        "canaries": canaries,
    }


def _pairs(data: Path) -> Iterator[tuple[str, list[Row], list[Row]]]:
    """Training rows and items that have nothing to do with each other, or are parted by their authors."""
    read: Callable[[str], list[Row]] = lambda name: read_sources([name], root=data).rows  # noqa: E731
    dolly, mmlu = read("dolly-15k-en/databricks_dolly_15k_rebuilt.jsonl"), list(_mmlu(data / "mmlu" / "test"))
    yield "dolly, gsm8k test", dolly, read("gsm8k/test.jsonl")
    yield "dolly, mmlu test with choices", dolly, mmlu
    yield "gsm8k train, test", read("gsm8k/train.jsonl"), read("gsm8k/test.jsonl")
    yield (
        "polish-legal-qa train, validation",
        read("polish-legal-qa/train.jsonl"),
        read("polish-legal-qa/validation.jsonl"),
    )
    books = read("demo-pretrain-mix/train.jsonl")
    yield "pre-training mix, its validation", books, read("demo-pretrain-mix/valid.jsonl")
    yield "pre-training mix, mmlu test with choices", books, mmlu


def _mmlu(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for number, record in enumerate(csv.DictReader(file), start=2):
                choices = [record[f"choice{index}"] for index in range(4)]
                question = "\n".join([record["question"], *choices])
                turns = ({"role": "user", "content": question}, {"role": "assistant", "content": record["answer"]})
                yield Row(messages=turns, file=path.name, line=number)  # type: ignore[arg-type]


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


if __name__ == "__main__":
    main()
