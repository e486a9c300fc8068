"""The data room at scale: each step's rows/s and peak memory, against the field's tools in the same run.

python benchmarks/data.py [--rows 200000] [--llamafactory PYTHON]

Every step runs in a process of its own, one after the other and never two at once. `--llamafactory` names a Python
where LLaMA-Factory is installed, for its loading and mapping of the same file. Peers that are slow are timed on the
first rows only; the table says how many.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus import write_corpus

PEER_ROWS = 10_000

LLAMA_FACTORY = """
import sys, tempfile, time, types
from datasets import load_dataset
from llamafactory.data.converter import align_dataset
from llamafactory.data.parser import DatasetAttr
from llamafactory.hparams import DataArguments
began = time.perf_counter()
with tempfile.TemporaryDirectory() as cache:
    rows = load_dataset("json", data_files=sys.argv[1], split="train", cache_dir=cache)
    attr = DatasetAttr("file", "x", formatting="alpaca")
    attr.prompt, attr.query, attr.response = "instruction", None, "output"
    align_dataset(rows, attr, DataArguments(), types.SimpleNamespace(local_process_index=0))
    print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Step:
    """One line of the table."""

    name: str
    rows: int
    seconds: float
    peak_mib: float
    note: str = ""

    def __str__(self) -> str:
        rate = f"{self.rows / self.seconds:,.0f}" if self.rows else ""
        peak = f"{self.peak_mib:,.0f}" if self.peak_mib else ""
        return f"| {self.name} | {self.rows:,} | {self.seconds:.1f} | {rate} | {peak} | {self.note} |"


def read(path: Path) -> Any:
    from kamerton.data import read_sources

    return read_sources([str(path)])


def _rows(path: Path) -> Any:
    return read(path).rows


def clean(rows: Any) -> Any:
    from kamerton.data import clean
    from kamerton.recipe import CleanSection

    return clean(rows, CleanSection(language=["pl", "en"]))


def privacy(rows: Any) -> Any:
    from kamerton.data.privacy import protect
    from kamerton.recipe import PrivacySection

    return protect(rows, PrivacySection())


def duplicates(rows: Any) -> Any:
    from kamerton.data import near_duplicate_clusters

    return near_duplicate_clusters(rows, 0.7)


def split(rows: Any) -> Any:
    from kamerton.data import split
    from kamerton.recipe import SplitSection

    return split(rows, list(range(len(rows))), SplitSection())


def leaks(rows: Any) -> Any:
    from kamerton.data.leaks import contamination
    from kamerton.recipe import LeakSection

    cut = len(rows) * 3 // 4
    return contamination(rows[:cut], rows[cut:], LeakSection())


def commit(rows: Any) -> Any:
    from kamerton.data import DatasetStore
    from kamerton.ground.settings import Workspace

    with tempfile.TemporaryDirectory() as folder:
        store = DatasetStore(Workspace.at(folder).ensure())
        store.commit("corpus", rows)
        return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


def datasets_load(path: Path) -> Any:
    """Arrow tables only: no row is looked at, and one broken line ends it."""
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:
        return len(load_dataset("json", data_files=str(path), split="train", cache_dir=cache))


def datasets_rows(path: Path) -> Any:
    """Until every row has been a Python object once, as any check needs it."""
    from datasets import load_dataset

    with tempfile.TemporaryDirectory() as cache:
        rows = load_dataset("json", data_files=str(path), split="train", cache_dir=cache)
        return sum(len(row["instruction"]) for row in rows)


def datasketch_duplicates(rows: Any) -> Any:
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.7, num_perm=128)
    found = 0
    for number, row in enumerate(rows):
        words = row.question.lower().split()
        signature = MinHash(num_perm=128)
        signature.update_batch([" ".join(gram).encode() for gram in zip(words, words[1:], words[2:], strict=False)])
        found += bool(index.query(signature))
        index.insert(str(number), signature)
    return found


def ftfy_all(rows: Any) -> Any:
    import ftfy

    return sum(ftfy.fix_text(text) != text for row in rows for text in row.texts)


def _measured(
    work: Callable[[Any], Any], make: Callable[[Path], Any] | None, path: Path, rows: int | None, out: Any
) -> None:
    given: Any = path if make is None else make(path)[:rows]
    # Loading once what is loaded once a process keeps it out of the rate.
    began = time.perf_counter()
    work(given)
    seconds = time.perf_counter() - began
    out.put((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def measure(
    name: str, work: Callable[[Any], Any], path: Path, count: int, *, reads: bool = False, rows: int | None = None
) -> Step:
    """Run one step in a fresh process; its peak holds the rows that it was given."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=_measured, args=(work, None if reads else _rows, path, rows, out))
    process.start()
    seconds, peak = out.get()
    process.join()
    step = Step(name, rows or count, seconds, peak)
    print(step, flush=True)
    return step


def whole_check(path: Path, count: int) -> Step:
    """`kamerton data check` with a recipe, as a user runs it: every step, the split and the leaks included."""
    from measure import KAMERTON, measure

    with tempfile.TemporaryDirectory() as folder:
        recipe = Path(folder) / "recipe.yaml"
        recipe.write_text(f"model: {{base: tiny-pl}}\ndata: {{train: ['{path}']}}\n", encoding="utf-8")
        command = [*KAMERTON, "data", "check", str(path), "--recipe", str(recipe), "--json"]
        found = measure(command, Path(folder))
    document = json.loads(found.output)
    step = Step("whole check", count, found.wall, found.peak_mib, f"{len(document['findings']):,} findings")
    print(step, flush=True)
    return step


def main(count: int, llama_factory: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        write_corpus(path, count)
        print(f"{count:,} rows, {path.stat().st_size / 1e6:.0f} MB\n")
        print("| step | rows | s | rows/s | peak MiB | |\n|---|---|---|---|---|---|")
        ours = measure("read", read, path, count, reads=True)
        theirs = measure("datasets: load", datasets_load, path, count, reads=True)
        seen = measure("datasets: load, each row once", datasets_rows, path, count, reads=True)
        ratios = [("read / datasets load", theirs.seconds / ours.seconds)]
        ratios.append(("read / datasets load and rows", seen.seconds / ours.seconds))
        if llama_factory:
            done = subprocess.run(
                [llama_factory, "-c", LLAMA_FACTORY, str(path)], capture_output=True, text=True, check=True
            )
            factory = Step("LLaMA-Factory: load and map", count, float(done.stdout.split()[-1]), 0.0)
            print(factory, flush=True)
            ratios.append(("read / LLaMA-Factory load and map", factory.seconds / ours.seconds))
        peer = min(PEER_ROWS, count)
        cleaned = measure("clean, every step", clean, path, count)
        ftfy = measure("ftfy on every text", ftfy_all, path, count, rows=peer)
        measure("privacy", privacy, path, count)
        near = measure("near-duplicates", duplicates, path, count)
        sketch = measure("datasketch MinHash and LSH", datasketch_duplicates, path, count, rows=peer)
        measure("split", split, path, count)
        measure("leaks, a quarter against the rest", leaks, path, count)
        measure("commit", commit, path, count)
        whole_check(path, count)
        ratios.append(("all of clean / ftfy alone", _rate(cleaned) / _rate(ftfy)))
        ratios.append(("near-duplicates / datasketch", _rate(near) / _rate(sketch)))
        print()
        for name, ratio in ratios:
            print(f"{name}: {ratio:.1f} x")


def _rate(step: Step) -> float:
    return step.rows / step.seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--llamafactory", default="", metavar="PYTHON")
    given = parser.parse_args()
    sys.exit(main(given.rows, given.llamafactory))
