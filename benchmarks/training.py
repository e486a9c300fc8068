"""Training speed, memory and time to the first step: Kamerton, LLaMA-Factory, TRL, and a loop written by hand.

    python benchmarks/training.py --data FILE --lf-python PATH [--model 9m] [--threads 1] [--rounds 3] [SETUP ...]

All take turns in one run, each in a fresh process, with the same base (random weights), rows, LoRA (rank 16 on all
linear layers), length (512), no tracker, and environment (`OMP_WAIT_POLICY=passive`: spinning threads cost a busy
machine a factor of four). Each reads all rows, with empty caches, and trains for its own share of `--examples`: slow
setups make fewer steps, so that all end in time. `kamerton-mlflow` is Kamerton with its tracker beside it.

- tokens/s: real tokens (no padding), from the second optimiser step to the last; once by the clock and once by the
  processor time of the process, which a busy machine disturbs less.
- first step: seconds from the command to the end of the first optimiser step, by the clock and of processor time.
- 2,000 rows: seconds from the command to the end of an epoch of 2,000 rows, reckoned from both.
- peak: memory of all processes of the command together, MiB; see `measure.py`.

`by-hand` is the limit: what an expert writes in sixty lines for this one model, see `training_workers.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy
import psutil
from measure import KAMERTON, measure

SHAPES = {
    "9m": {"hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 8, "num_attention_heads": 4},
    "60m": {"hidden_size": 640, "intermediate_size": 1728, "num_hidden_layers": 11, "num_attention_heads": 10},
}
VOCABULARY, ROWS, LENGTH = 4096, 2000, 512
SHARES = {
    "llamafactory": 0.25,
    "trl": 0.25,
    "trl-no-checkpointing": 0.5,
    "trl-packing": 0.5,
    "llamafactory-packing": 0.75,
}
"""Part of `--examples` that a setup trains on."""

RECIPE = """\
name: speed
model: {{base: base}}
data: {{train: [rows.jsonl], split: {{validation: 0.0, test: 0.0, by: rows}}, check: {{min_test_rows: 0}}}}
method: {{kind: lora, rank: 16, alpha: 32}}
training: {{epochs: 1, learning_rate: 3.0e-4, max_length: 512, compute: {{threads: {threads}}}}}
"""


@dataclass(frozen=True)
class Result:
    """One process."""

    rate: float
    """Tokens a second, steady."""
    cpu_rate: float
    """Tokens a second of processor time, steady."""
    first: float
    """Seconds to the end of the first step."""
    first_cpu: float
    """Processor seconds to the end of the first step."""
    whole: float
    """Seconds for an epoch of all rows, reckoned."""
    peak: float


# -- what all train on -----------------------------------------------------------------------------------------------
def read_rows(file: Path | None) -> list[dict[str, str]]:
    """Prompts and answers of natural lengths; made up where there is no file."""
    random.seed(7)
    if file is None:
        words = ["".join(random.choices("aeioubcdklmnprst", k=random.randint(2, 9))) for _ in range(3000)]
        text = lambda mean: " ".join(random.choices(words, k=max(4, int(random.lognormvariate(mean, 0.7)))))  # noqa: E731
        return [{"prompt": text(2.9), "answer": text(3.6)} for _ in range(ROWS)]
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [
        {"prompt": "\n".join(filter(None, (row["instruction"], row.get("context")))), "answer": row["response"]}
        for row in found
    ]
    unique = list({row["prompt"]: row for row in rows if row["answer"].strip() and row["prompt"].strip()}.values())
    return random.sample(unique, min(len(unique), 2 * ROWS))


def make_base(folder: Path, rows: list[dict[str, str]], shape: dict[str, int]) -> list[int]:
    """Write a base with random weights and a tokenizer; returns the length in tokens of each row."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from kamerton.models.scratch import train_tokenizer

    tokenizer = train_tokenizer((text for row in rows for text in row.values()), VOCABULARY)
    ends = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos", "pad")}
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, max_position_embeddings=2048, tie_word_embeddings=False, **shape, **ends
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return [
        len(
            tokenizer.apply_chat_template(
                [
                    {"role": "user", "content": row["prompt"]},
                    {"role": "assistant", "content": row["answer"]},
                ],
                return_dict=False,
            )
        )
        for row in rows
    ]


def write_rows(folder: Path, rows: list[dict[str, str]]) -> None:
    """The rows as each program reads them."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    columns = {"prompt": "prompt", "response": "answer"}
    document = {"rows": {"file_name": "rows.jsonl", "columns": columns}}
    (folder / "dataset_info.json").write_text(json.dumps(document), encoding="utf-8")


# -- one process -----------------------------------------------------------------------------------------------------
def run(setup: str, folder: Path, python: str, threads: int, all_tokens: int, examples: int) -> Result | None:
    """A setup in a fresh process; None where it failed."""
    own = setup.startswith("kamerton")
    trackers = [] if setup == "kamerton-mlflow" else ["tracking.followers=[]"]
    command = (
        [*KAMERTON, "train", "recipe.yaml", "--json", f"training.max_steps={examples // 8}", *trackers]
        if own
        else [
            python,
            str(Path(__file__).with_name("training_workers.py")),
            setup,
            str(folder),
            str(threads),
            str(examples),
        ]
    )
    for cache in (folder / ".kamerton", folder / "cache"):
        shutil.rmtree(cache, ignore_errors=True)
    os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
    began = time.time()
    with _Clock() as clock:
        found = measure(command, folder)
    if found.code:
        print(f"{setup} failed with code {found.code}:\n{found.output[-2000:]}", file=sys.stderr)
        return None
    marks = kamerton_marks(folder) if own else peer_marks(folder / f"{setup}.marks")
    (first, _), (second, before), *_, (last, after) = marks
    rate = (after - before) / (last - second)
    cpu_rate = (after - before) / (clock.at(last) - clock.at(second))
    whole = last - began + (all_tokens - after) / rate
    return Result(rate, cpu_rate, first - began, clock.at(first), whole, found.peak_mib)


class _Clock:
    """The processor time of the child processes over the time of day, looked at ten times a second."""

    def __enter__(self) -> _Clock:
        self._seen: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.1):
            with contextlib.suppress(psutil.Error):
                times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
                if times:  # with those of processes that have ended
                    self._seen.append((time.time(), sum(sum(each[:4]) for each in times)))

    def at(self, moment: float) -> float:
        """Processor seconds spent up to a time of day."""
        return float(numpy.interp(moment, *zip(*self._seen, strict=True)))


def peer_marks(file: Path) -> list[tuple[float, int]]:
    lines = [line.split() for line in file.read_text(encoding="utf-8").splitlines()]
    return [(float(when), int(tokens)) for when, tokens in lines]


def kamerton_marks(folder: Path) -> list[tuple[float, int]]:
    """When each step of the run ended, and the tokens that were seen by then."""
    from datetime import datetime

    from kamerton.flows.ready import open_replay
    from kamerton.ground.settings import Workspace
    from kamerton.journal import find_run, read_events
    from kamerton.recipe import Recipe
    from kamerton.records import DataLineage

    workspace = Workspace.at(folder)
    run = find_run(workspace, "last")
    lineage = DataLineage.read(run.path / "data_lineage.json")
    with open_replay(Recipe.model_validate(run.recipe()), lineage, workspace, lambda event: None) as loop:
        sizes = [sum(each.length for each in loop.plan.step(1 + number)) for number in range(loop.plan.steps)]
    events = [event for event in read_events(run.path) if event["kind"] == "step"]
    times = [datetime.fromisoformat(event["time"]).timestamp() for event in events]
    return list(zip(times, itertools.accumulate(sizes), strict=True))


# -- the table -------------------------------------------------------------------------------------------------------
def table(results: dict[str, list[Result]]) -> str:
    """Medians of all rounds, and Kamerton's as a multiple of each."""
    lines = [
        "| setup | tokens/s | Kamerton is | tokens/CPU s | Kamerton is | first step s | CPU s | 2,000 rows s "
        "| peak MiB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    fields = ("rate", "cpu_rate", "first", "first_cpu", "whole", "peak")
    middle = {
        name: {field: statistics.median(getattr(found, field) for found in each) for field in fields}
        for name, each in results.items()
        if each
    }
    ours = middle.get("kamerton", {})
    for name, theirs in middle.items():
        times = {field: f"{ours[field] / theirs[field]:.2f} x" if ours else "-" for field in fields}
        shown = {
            field: f"{value:,.1f}" if field.startswith("first") else f"{value:,.0f}" for field, value in theirs.items()
        }
        cells = [shown["rate"], times["rate"], shown["cpu_rate"], times["cpu_rate"]]
        cells += [f"{shown[field]} ({times[field]})" for field in ("first", "first_cpu")]
        cells += [shown["whole"], f"{shown['peak']} ({times['peak']})"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "setups",
        nargs="*",
        default=["kamerton", "by-hand", "llamafactory", "llamafactory-packing", "trl", "trl-packing"],
    )
    parser.add_argument("--data", type=Path, help="JSON lines with instruction, context, response")
    parser.add_argument("--lf-python", help="the interpreter of LLaMA-Factory's own environment")
    parser.add_argument("--model", choices=SHAPES, default="9m")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--examples", type=int, default=256, help="rows that the fastest setups train on")
    given = parser.parse_args()
    os.environ |= {
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": str(given.threads),
        "TOKENIZERS_PARALLELISM": "false",
    }
    with tempfile.TemporaryDirectory(prefix="kamerton-speed-") as place:
        print(table(compare(given, Path(place))))


def compare(given: argparse.Namespace, place: Path) -> dict[str, list[Result]]:
    """All setups in turn, round after round."""
    rows = read_rows(given.data)
    lengths = make_base(place / "base", rows, SHAPES[given.model])
    fitting = [(row, length) for row, length in zip(rows, lengths, strict=True) if length <= LENGTH][:ROWS]
    tokens = sum(length for _, length in fitting)
    middle = statistics.median(length for _, length in fitting)
    print(
        f"{given.model}, {given.threads} threads, {len(fitting)} rows, {tokens:,} tokens, median {middle:.0f}",
        flush=True,
    )
    results: dict[str, list[Result]] = {name: [] for name in given.setups}
    for number in range(given.rounds):
        for name in given.setups:
            folder = place / name
            folder.mkdir(exist_ok=True)
            if not (folder / "base").exists():
                (folder / "base").symlink_to(place / "base")
            (folder / "recipe.yaml").write_text(RECIPE.format(threads=given.threads), encoding="utf-8")
            share = max(32, round(SHARES.get(name, 1.0) * given.examples))
            write_rows(folder, [row for row, _ in fitting])
            python = given.lf_python if name.startswith("llamafactory") else sys.executable
            if python is None:
                continue
            found = run(name, folder, python, given.threads, tokens, share)
            if found is not None:
                results[name].append(found)
                print(f"round {number + 1} {name}: {found}", file=sys.stderr, flush=True)
    return results


if __name__ == "__main__":
    main()
