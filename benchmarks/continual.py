"""What a second task costs the first: plain training on, a lower rate, replay, elastic weight consolidation.

    python benchmarks/continual.py [--epochs 3]

The packaged base learns the town hall's Polish letters, then its English ones, each time going on from the same first
model. Perplexity on the test part of each task; the first task's also just before the second began.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FIRST = """\
name: polish
model: {base: tiny-pl}
data: {train: [data/letters.pl.jsonl], split: {validation: 0.0, test: 0.15}, check: {min_test_rows: 0}}
method: {kind: lora, rank: 16}
training: {epochs: EPOCHS, learning_rate: 3.0e-3}
evaluation: {metrics: [perplexity], baselines: [base]}
tracking: {followers: []}
"""

SECOND = (
    FIRST.replace("name: polish", "name: english")
    .replace("letters.pl", "letters.en")
    .replace(", learning_rate: 3.0e-3", "")
)

WAYS = {
    "same rate": ["training.learning_rate=3e-3"],
    "half the rate (default)": [],
    "replay 0.2": ["data.mix.replay=[{source: polish@v1, ratio: 0.2}]"],
    "replay 0.5": ["data.mix.replay=[{source: polish@v1, ratio: 0.5}]"],
    "ewc 10": ["training.ewc={source: polish@v1, rows: 256, strength: 10}"],
    "ewc 100": ["training.ewc={source: polish@v1, rows: 256, strength: 100}"],
    "ewc 1000": ["training.ewc={source: polish@v1, rows: 256, strength: 1000}"],
}


def kamerton(folder: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "kamerton", *words, "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def perplexity(folder: Path, model: str, part: str) -> str:
    record = kamerton(folder, "evaluate", model, "--on", part)[0]
    found = record["metrics"]["perplexity"]
    return f"{found['value']:.1f} [{found['low']:.1f}, {found['high']:.1f}]"


def main(epochs: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="kamerton-continual-"))
    subprocess.run([sys.executable, "-m", "kamerton", "init", str(folder)], check=True, capture_output=True)
    (folder / "first.yaml").write_text(FIRST.replace("EPOCHS", str(epochs)), encoding="utf-8")
    first = kamerton(folder, "train", "first.yaml")["run_id"]
    second = SECOND.replace("EPOCHS", str(epochs)).replace("base: tiny-pl", f"base: {first}")
    (folder / "second.yaml").write_text(second, encoding="utf-8")
    print("| second training | Polish letters | English letters |\n|---|---|---|")
    print(f"| none | {perplexity(folder, first, 'polish.test@v1')} | - |", flush=True)
    for name, changes in WAYS.items():
        run = kamerton(folder, "train", "second.yaml", *changes)["run_id"]
        old, new = (perplexity(folder, run, part) for part in ("polish.test@v1", "english.test@v1"))
        print(f"| {name} | {old} | {new} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    main(parser.parse_args().epochs)
