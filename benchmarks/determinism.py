"""Equal runs of N: the same training in one process after another, for each setting.

    python benchmarks/determinism.py [--runs 50] [--sizes tiny,60m] [--threads 1,2] [--precision fp32,bf16] [--busy]

A run loads a base from disk, trains two steps of packed rows (tiny: 3.4 M parameters, all of them; 60m: LoRA with
dropout on every linear layer) and is hashed: the finished weights and the chain of all its steps. It is a fork of a
process that has imported the libraries and has not started a thread yet, and first fills its heap with blocks of random
sizes, so that its buffers lie elsewhere than those of the run before. One run of each setting is a process that was
started afresh; `fresh` says whether its hash is that of the forks. `--busy` runs as many other processes as there are
cores, in bursts of random length, beside the trainings.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import NamedTuple

# numpy's own threads would stand in the way of forks; nothing of a training uses them.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

SHAPES = {
    "tiny": {"hidden_size": 192, "layers": 6, "heads": 6, "feed_forward": 512, "vocabulary": 4096},
    "60m": {"hidden_size": 640, "layers": 12, "heads": 10, "feed_forward": 1728, "vocabulary": 4096},
}
ROWS_A_STEP = {"tiny": 4, "60m": 2}
STEPS = 2
LINE = "{:<6}{:>8}  {:<6}{:>7}  {:<18}{:<7}{:>6}{:>6}"


class Cell(NamedTuple):
    """One setting."""

    size: str
    threads: int
    precision: str


def texts() -> Iterator[str]:
    """Made-up texts of about fifty words, each unlike the others."""
    syllables = [a + b for a in "bdgklmnprstwz" for b in ("a", "e", "i", "o", "u", "ar", "en", "is")]
    chosen = random.Random(20)
    for _ in range(24):
        words = ("".join(chosen.choices(syllables, k=chosen.randint(1, 3))) for _ in range(chosen.randint(40, 70)))
        yield " ".join(words)


def write_base(size: str, folder: Path) -> str:
    """Random weights of a size, and their tokenizer; the name of the folder."""
    import torch

    from kamerton.models.scratch import create
    from kamerton.recipe import Architecture

    loaded = create(size, Architecture(**SHAPES[size]), texts(), seed=1, device=torch.device("cpu"))
    loaded.model.save_pretrained(folder)
    loaded.tokenizer.save_pretrained(folder)
    return folder.name


def train_once(cell: Cell, base: Path) -> str:
    """One short training; the hash of what it made."""
    from kamerton.data.rows import Row
    from kamerton.journal import RunFolder
    from kamerton.models.load import load_base
    from kamerton.models.methods import apply_method
    from kamerton.recipe import Recipe
    from kamerton.training.environment import make_deterministic
    from kamerton.training.objectives import build_objective
    from kamerton.training.run import run_training

    method = {"kind": "full"} if cell.size == "tiny" else {"kind": "lora", "rank": 8, "alpha": 16, "dropout": 0.05}
    compute = {"device": "cpu", "threads": cell.threads, "precision": cell.precision, "forward_tokens": 512}
    training = {"max_steps": STEPS, "batch_size": ROWS_A_STEP[cell.size], "learning_rate": 1e-3, "compute": compute}
    document = {"model": {"base": str(base)}, "data": {"train": ["rows"]}, "method": method, "training": training}
    recipe = Recipe.model_validate(document)
    make_deterministic(recipe.training.seed, cell.threads)
    loaded = load_base(str(base), base.parent, device="cpu")
    apply_method(loaded, recipe.method, seed=recipe.training.seed)
    objective = build_objective(recipe.training, loaded)
    rows = [
        Row(messages=({"role": "user", "content": text[:60]}, {"role": "assistant", "content": text[60:]}))
        for text in texts()
    ]
    parts = {"train": objective.examples(rows[2:]).examples, "validation": objective.examples(rows[:2]).examples}
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.create(Path(folder), document, "run")
        with run.held():
            result = run_training(loaded, objective, parts, recipe, run)
    return hashlib.sha256(f"{result.model_sha256} {result.trace_head}".encode()).hexdigest()[:16]


def import_all() -> None:
    """What a run needs, so that a fork of this process begins to train at once."""
    for module in (
        "kamerton.training.run",  # first, for it settles the switches
        "kamerton.data.rows",
        "kamerton.models.methods",
        "kamerton.training.objectives",
        "transformers.models.llama.modeling_llama",
    ):
        importlib.import_module(module)
    tasks = Path("/proc/self/task")
    if tasks.exists() and len(list(tasks.iterdir())) > 1:
        sys.exit("a library has started a thread at its import: forks of this process would not be as fresh ones")


def forked(work: Callable[[], str]) -> str:
    """What a function gives in a fork of this process, whose heap is stirred first."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        stirred = [bytearray(random.SystemRandom().randrange(1, 200_000)) for _ in range(64)]
        try:
            os.write(writer, work().encode())
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(len(stirred) - 64)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = answer.read()
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit("a run failed; its traceback stands above")
    return told


def repeated(work: Callable[[], str], runs: int) -> Counter[str]:
    """How often a function gives what, each time in a process of its own."""
    return Counter(forked(work) for _ in range(runs))


def started_afresh(cell: Cell, base: Path) -> str:
    """What a run gives in a process that imports everything for itself."""
    command = [sys.executable, __file__, "--one", cell.size, str(cell.threads), cell.precision, str(base)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


_BURSTS = """
import random, time
while True:
    end = time.monotonic() + random.random() / 5
    while time.monotonic() < end: sum(range(1000))
    time.sleep(random.random() / 20)
"""


@contextmanager
def busy() -> Iterator[None]:
    """Other work on every core."""
    others = [subprocess.Popen([sys.executable, "-c", _BURSTS]) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def row(cell: Cell, base: Path, runs: int) -> tuple[str, bool]:
    """A line of the table, and whether all runs of the setting are equal."""
    began = time.monotonic()
    found = repeated(lambda: train_once(cell, base), runs - 1)
    seconds, load = (time.monotonic() - began) / max(runs - 1, 1), os.getloadavg()[0]
    fresh = started_afresh(cell, base)
    found[fresh] += 1
    name, equal = found.most_common(1)[0]
    same = "same" if fresh == name else "OTHER"
    return LINE.format(*cell, f"{equal}/{runs}", name, same, f"{seconds:.1f}", f"{load:.1f}"), equal == runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--sizes", default="tiny,60m")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--precision", default="fp32,bf16")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        size, threads, precision, base = options.one
        print(train_once(Cell(size, int(threads), precision), Path(base)))
        return
    sizes, threads, precisions = (given.split(",") for given in (options.sizes, options.threads, options.precision))
    import_all()
    all_equal = True
    with tempfile.TemporaryDirectory() as folder, busy() if options.busy else nullcontext():
        print(LINE.format("size", "threads", "bits", "equal", "hash", "fresh", "s/run", "load"), flush=True)
        for size, precision, count in itertools.product(sizes, precisions, threads):
            base = Path(folder) / size
            if not base.exists():
                forked(partial(write_base, size, base))
            line, equal = row(Cell(size, int(count), precision), base, options.runs)
            print(line, flush=True)
            all_equal &= equal
    sys.exit(0 if all_equal else 1)


if __name__ == "__main__":
    main()
