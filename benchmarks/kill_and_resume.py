"""Kill and resume: `kill -9` at random moments of each objective, then `--resume`: are the weights a whole run's?

    python benchmarks/kill_and_resume.py [--kills 20] [--objectives sft,dpo] [--methods lora,full] [--seed 1]

Each trial is a run of its own that is killed once, at a moment drawn uniformly over the time of a whole run (start-up
and data preparation included; a run that ends before is tried again at an earlier moment); every fourth is killed as
soon as an unfinished checkpoint appears on the disk. What
follows is what a user does: `kamerton train --resume`, or the same command again where the run had not yet begun.
`equal` counts the trials whose finished weights have the SHA-256 of a run that nothing interrupted.

The processes are forks of one that has imported the libraries and has not started a thread yet; `fresh` says whether
a process that was started afresh, by `python -m kamerton`, gives the same weights.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, get_args

os.environ |= {"HF_HUB_OFFLINE": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "OPENBLAS_NUM_THREADS": "1"}

RECIPE = """\
name: killed
model: {{base: base}}
data:
  train: [rows.jsonl]
  split: {{validation: 0.1, test: 0.1}}
  check: {{min_train_rows: 4, min_test_rows: 1, max_truncated: 0.5}}
method: {{kind: {method}}}
training:
  objective: {objective}
  max_steps: 24
  batch_size: 4
  learning_rate: 1.0e-3
  max_length: 256
  checkpoint_every: 2
  keep_checkpoints: 2
  evaluate_every: 8
  compute: {{threads: 1, device: cpu}}
tracking: {{followers: []}}
"""
METHODS = {"lora": "lora, rank: 4, dropout: 0.1", "full": "full"}
OBJECTIVES = {
    "grpo": "{kind: grpo, group: 2, max_new_tokens: 4, passes: 2, rewards: ['length:4']}",
    "classification": "{kind: classification, label: category}",
}
THINGS = ["dowód", "paszport", "meldunek", "parking", "drzewo", "chodnik", "szkoła", "woda", "śmieci", "latarnia"]
ASKED = ["Gdzie załatwię: {}?", "Ile kosztuje {}?", "Proszę o pomoc, sprawa: {}.", "Kto odpowiada za: {}?"]
ROW = "{:<16}{:<7}{:>6}{:>7}{:>5}{:>5}{:>5}{:>5}  {}"
PATIENCE_S = 300.0
PRELOADED = ["kamerton.cli.main", "kamerton.flows.train", "kamerton.training.run", "kamerton.models.scratch"]
PRELOADED += ["kamerton.tracking", "transformers.models.llama.modeling_llama"]


def rows(objective: str) -> Iterator[dict[str, Any]]:
    """Forty rows of the kind that an objective learns from."""
    for number in range(40):
        thing, asked = THINGS[number % 10], ASKED[number // 10].format(THINGS[number % 10])
        better, worse = f"{thing.capitalize()}: pokój {number + 1}.", f"Nie wiem, czym jest {thing}."
        if objective == "pretrain":
            yield {"text": f"{asked} {better}"}
        elif objective in {"dpo", "orpo", "simpo", "reward"}:
            yield {"prompt": asked, "chosen": better, "rejected": worse}
        elif objective == "kto":
            yield {"prompt": asked, "completion": better if number % 2 else worse, "label": bool(number % 2)}
        else:
            yield {"instruction": asked, "output": better, "category": ["a", "b"][number % 2]}


def work(folder: Path, words: list[str]) -> None:
    """`kamerton WORDS` in a folder, without a word on the screen."""
    from kamerton.cli.main import main

    os.chdir(folder)
    with (folder / "said.txt").open("a", encoding="utf-8") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        os._exit(main(words))


class Bench:
    """Runs of one objective and one method."""

    def __init__(self, root: Path, objective: str, method: str) -> None:
        from kamerton.testing import write_tiny_base

        self.root = root / f"{objective}-{method}"
        self.root.mkdir()
        self.recipe = RECIPE.format(method=METHODS[method], objective=OBJECTIVES.get(objective, objective))
        self.lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(objective))
        self.base = root / "base"
        if not self.base.exists():
            write_tiny_base(self.base)
        self.forks = multiprocessing.get_context("forkserver")
        self.forks.set_forkserver_preload(PRELOADED)

    def project(self, name: str) -> Path:
        folder = self.root / name
        folder.mkdir()
        (folder / "base").symlink_to(self.base)
        (folder / "rows.jsonl").write_text(self.lines, encoding="utf-8")
        (folder / "recipe.yaml").write_text(self.recipe, encoding="utf-8")
        return folder

    def start(self, folder: Path, *words: str) -> BaseProcess:
        process = self.forks.Process(target=work, args=(folder, list(words)))
        process.start()
        return process

    def finish(self, folder: Path) -> str:
        """Go on until the run is complete, as a user would; the SHA-256 of its weights."""
        begun = list((folder / ".kamerton" / "runs").glob("*/recipe.json"))
        words = ["train", "--resume", "last"] if begun else ["train", "recipe.yaml"]
        process = self.start(folder, *words)
        process.join(PATIENCE_S)
        if process.exitcode != 0:
            raise RuntimeError((folder / "said.txt").read_text("utf-8").strip()[-600:])
        return sha(folder)

    def trial(self, folder: Path, wait: Callable[[Path, BaseProcess], None]) -> str:
        """Kill a run when `wait` returns; what had happened by then."""
        process = self.start(folder, "train", "recipe.yaml")
        wait(folder, process)
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        if process.exitcode != -signal.SIGKILL:
            return "after the end"
        runs = list((folder / ".kamerton" / "runs").glob("*"))
        if not runs:
            return "before it began"
        if list(runs[0].glob("checkpoints/.step-*.part")):
            return "in a write"
        return "while training" if list(runs[0].glob("checkpoints/step-*")) else "before a checkpoint"


def sha(folder: Path) -> str:
    (record,) = (folder / ".kamerton" / "runs").glob("*/record.json")
    return str(json.loads(record.read_text("utf-8"))["result"]["model_sha256"])


def after(seconds: float) -> Callable[[Path, BaseProcess], None]:
    return lambda folder, process: process.join(seconds)


def writing(checkpoint: int) -> Callable[[Path, BaseProcess], None]:
    """Until the unfinished checkpoint of this number appears."""

    def wait(folder: Path, process: BaseProcess) -> None:
        seen: set[str] = set()
        while process.is_alive() and len(seen) < checkpoint:
            seen |= {path.name for path in (folder / ".kamerton" / "runs").glob("*/checkpoints/.step-*.part")}

    return wait


class Line(NamedTuple):
    """What came of one objective and method."""

    equal: int
    fresh: bool
    when: Counter[str]


def measure(bench: Bench, kills: int, luck: Random) -> Line:
    bench.finish(bench.project("first"))  # imports the libraries into the process that the others are forks of
    began = time.monotonic()
    wanted = bench.finish(bench.project("whole"))
    took = time.monotonic() - began
    fresh = bench.project("fresh")
    command = [sys.executable, "-m", "kamerton", "train", "recipe.yaml"]
    subprocess.run(command, cwd=fresh, check=True, capture_output=True)
    equal, when = 0, Counter[str]()
    for number in range(kills):
        moment, tries, latest = "after the end", 0, took
        while moment == "after the end":
            folder = bench.project(f"trial-{number}-{tries}")
            late = luck.uniform(0, latest)
            moment = bench.trial(folder, writing(luck.randint(1, 8)) if number % 4 == 3 else after(late))
            tries, latest = tries + 1, late
        when[moment] += 1
        equal += bench.finish(folder) == wanted
    return Line(equal, sha(fresh) == wanted, when)


def objectives() -> list[str]:
    """Every objective that a recipe may name."""
    from kamerton.recipe.objective import Objective

    kinds = get_args(get_args(Objective)[0])
    return [get_args(kind.model_fields["kind"].annotation)[0] for kind in kinds]


def main() -> None:
    known = objectives()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="trials for each objective and method")
    parser.add_argument("--objectives", default=",".join(known))
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seed", type=int, default=1, help="draws the moments")
    options = parser.parse_args()
    moments = ["before it began", "before a checkpoint", "while training", "in a write"]
    print("killed: b before the run began, c before a checkpoint, t while training, w in a checkpoint's write")
    print(ROW.format("objective", "method", "kills", "equal", "b", "c", "t", "w", "fresh"))
    ended = True
    for objective in options.objectives.split(","):
        for method in options.methods.split(","):
            with tempfile.TemporaryDirectory(prefix="killed-") as folder:
                try:
                    done = measure(Bench(Path(folder), objective, method), options.kills, Random(options.seed))
                except (RuntimeError, subprocess.CalledProcessError) as error:
                    print(f"{objective:<16}{method:<7}skipped: {' '.join(str(error).split())}", flush=True)
                    ended = False
                    continue
            counts = [done.when[moment] for moment in moments]
            fresh = "equal" if done.fresh else "DIFFERS"
            print(ROW.format(objective, method, options.kills, done.equal, *counts, fresh), flush=True)
            ended &= done.equal == options.kills and done.fresh
    sys.exit(0 if ended else 1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
