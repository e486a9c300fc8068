"""What each method learns from the packaged letters, what it costs, and whether it is rebuilt to the bit.

    python benchmarks/methods.py [--steps 40] [--precision fp32|bf16] [--threads 1] [NAME ...]

Each method is trained by `kamerton train` on the project that `kamerton init` writes, from the same base and seed, and
made again by `kamerton rebuild`, each in a fresh process. Time is that of the first training alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = {
    "full": ("{kind: full}", 1e-3, None),
    "freeze": ("{kind: freeze, layers: 3}", 2e-3, None),
    "lora": ("{rank: 32}", 3e-3, None),
    "lora+": ("{rank: 32, plus_ratio: 8.0}", 1e-3, None),
    "rslora": ("{rank: 32, rslora: true}", 3e-3, None),
    "dora": ("{kind: dora, rank: 32}", 3e-3, None),
    "pissa": ("{rank: 32, init: pissa}", 3e-3, None),
    "qlora": ("{kind: qlora, rank: 32}", 3e-3, "nf4"),
    "int8": ("{rank: 32}", 3e-3, "int8"),
    "oft": ("{kind: oft}", 3e-3, None),
    "ia3": ("{kind: ia3}", 5e-2, None),
    "prompt": ("{kind: prompt}", 1e-1, None),
    "prefix": ("{kind: prefix}", 1e-1, None),
    "p_tuning": ("{kind: p_tuning}", 3e-3, None),
}
"""By name: the method, the learning rate for a base this small, and how the base is stored."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*RUNS, []], metavar="NAME", help="all by default")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _kamerton(folder, "init", "letters")
        print("| method | moving weights | validation loss | seconds | rebuilt |\n|---|---|---|---|---|")
        for name in asked.names or RUNS:
            print(_line(Path(folder) / "letters", name, asked), flush=True)


def _line(project: Path, name: str, asked: argparse.Namespace) -> str:
    (method, rate, quantization), steps = RUNS[name], asked.steps
    settings = [f"method={method}", f"training.learning_rate={rate}", f"training.max_steps={steps}"]
    settings += [f"training.evaluate_every={steps}", f"training.compute.threads={asked.threads}"]
    settings += [f"training.compute.precision={asked.precision}"]
    settings += [f"model.quantization={quantization}"] if quantization else []
    record = json.loads(_kamerton(project, "train", "recipe.yaml", *settings, "tracking.followers=[]", "--json"))
    events = (project / ".kamerton" / "runs" / record["run_id"] / "events.jsonl").read_text("utf-8").splitlines()
    losses = [event["loss"] for event in map(json.loads, events) if event["kind"] == "evaluated"]
    result, again = record["result"], json.loads(_kamerton(project, "rebuild", record["run_id"], "--json"))
    equal = "identical" if again["identical"] else f"differs from step {again['first_different_step']}"
    moving, seconds = record["base"]["trainable"], result["seconds"]
    return f"| {name} | {moving:,} | {losses[-1]:.3f} | {seconds:.0f} | {equal} |"


def _kamerton(folder: Path | str, *words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "kamerton", *words], cwd=folder, capture_output=True, text=True)
    if done.returncode not in {0, 1}:  # 1: rebuilt, and not the same
        sys.exit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
