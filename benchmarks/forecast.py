"""Is what `kamerton check` foretells what `kamerton train` then needs?

    python benchmarks/forecast.py [--rounds 3] [--threads 1] [RECIPE ...]

Five recipes are forecast and then really run, in turns, each in a fresh process; the table shows medians. Memory is
the peak of resident memory. Time is the whole command's, and on a busy machine that of its processor beside it:
neighbours who come and go between forecast and run change the former and hardly the latter.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measure import KAMERTON, measure

from training import SHAPES, make_base

ROWS = {"tiny-lora": 400, "9m-full": 300, "60m-lora": 150, "tiny-dpo": 200, "long-checkpointing": 60}
PAIRS, LONG = "tiny-dpo", "long-checkpointing"
MODELS = {"9m-full": "9m", "60m-lora": "60m", "long-checkpointing": "9m"}
CHANGES = {
    "tiny-lora": "method: {kind: lora, rank: 16}",
    "9m-full": "method: {kind: full}",
    "60m-lora": "method: {kind: lora, rank: 16}",
    PAIRS: "method: {kind: lora, rank: 16}",
    LONG: "method: {kind: lora, rank: 16}",
}
OPTIONS = {
    PAIRS: "objective: dpo, max_length: 512",
    LONG: "max_length: 2048, batch_size: 4",
}
RECIPE = """\
name: forecast
model: {{base: {base}}}
data: {{train: [rows.jsonl], split: {{validation: 0.1, test: 0.0, by: rows}},
       check: {{min_test_rows: 0, max_truncated: 0.9, max_masked: 0.9}}}}
{method}
training: {{epochs: 1, {options}, compute: {{threads: {threads}{compute}}}}}
evaluation: {{metrics: [perplexity], baselines: []}}
tracking: {{followers: []}}
"""


@dataclass(frozen=True)
class Pair:
    """What was said, and what was so."""

    memory: tuple[float, float]
    seconds: tuple[float, float]
    processor: tuple[float, float]
    disk: tuple[float, float]


def made_up(name: str) -> list[dict[str, object]]:
    """Rows of natural lengths, of made-up words."""
    draw = random.Random(7)
    words = ["".join(draw.choices("aeioubcdklmnprst", k=draw.randint(2, 9))) for _ in range(3000)]
    middle = 5.2 if name == LONG else 2.9

    def text(mean: float) -> str:
        return " ".join(draw.choices(words, k=max(4, min(int(draw.lognormvariate(mean, 0.6)), 400))))

    rows: list[dict[str, object]] = []
    for _ in range(ROWS[name]):
        answers = {"chosen": text(2.9), "rejected": text(2.9)} if name == PAIRS else {"answer": text(middle)}
        rows.append({"prompt": text(2.5), **answers})
    return rows


def prepare(name: str, folder: Path, threads: int) -> None:
    """A project for one recipe."""
    folder.mkdir(parents=True)
    rows = made_up(name)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if name in MODELS:
        texts = [{"prompt": str(row["prompt"]), "answer": str(row["answer"])} for row in rows]
        make_base(folder / "base", texts, SHAPES[MODELS[name]])
    recipe = RECIPE.format(
        base="base" if name in MODELS else "tiny-pl",
        method=CHANGES[name],
        options=OPTIONS.get(name, "max_length: 512"),
        compute=", gradient_checkpointing: true" if name == LONG else "",
        threads=threads,
    )
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")


def once(folder: Path) -> Pair:
    """Forecast, then run."""
    checked = measure([*KAMERTON, "check", "recipe.yaml", "--json"], folder)
    assert checked.code == 0, checked.output
    said = json.loads(checked.output)["forecast"]
    done = measure([*KAMERTON, "train", "recipe.yaml", "--json"], folder)
    assert done.code == 0, done.output
    run = folder / ".kamerton" / "runs" / json.loads(done.output)["run_id"]
    left = (path for place in (run, folder / ".kamerton" / "cache") for path in place.rglob("*") if path.is_file())
    disk = sum(path.stat().st_size for path in left)
    return Pair(
        (said["peak_bytes"] / 2**20, done.peak_mib),
        (said["seconds"], done.wall),
        (said["processor_seconds"], done.cpu),
        (said["disk_bytes"] / 2**20, disk / 2**20),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    names = options.recipes or list(ROWS)
    found: dict[str, list[Pair]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(options.rounds):
            for name in names:
                folder = Path(scratch) / f"{name}-{turn}"
                prepare(name, folder, options.threads)
                found[name].append(once(folder))
                print(f"{name}: {found[name][-1]}", flush=True)
    show(found)


def show(found: dict[str, list[Pair]]) -> None:
    """The table, and the worst of each column."""
    print("\n| recipe | memory, MiB | time, s | processor, s | disk, MiB |\n|---|---|---|---|---|")
    worst = dict.fromkeys(("memory", "seconds", "processor", "disk"), 0.0)
    for name, pairs in found.items():
        cells = []
        for column in worst:
            said, was = (statistics.median(getattr(pair, column)[side] for pair in pairs) for side in (0, 1))
            error = statistics.median(getattr(pair, column)[0] / getattr(pair, column)[1] - 1 for pair in pairs)
            worst[column] = max(worst[column], abs(error))
            cells.append(f"{said:,.0f} / {was:,.0f} ({error:+.0%})")
        print(f"| {name} | {' | '.join(cells)} |")
    print("worst: " + ", ".join(f"{column} {error:.0%}" for column, error in worst.items()))


if __name__ == "__main__":
    main()
