"""Training speed of Kamerton against a plain TRL SFTTrainer: same base, data, LoRA, batch size and precision.

    python benchmarks/training.py [--rounds 3] [--epochs 1]

The two take turns in one run, each in a fresh process. Tokens are the real ones of the training part (no padding):
tokens/s = tokens x epochs / seconds of training alone. `trl` has gradient checkpointing off as Kamerton has,
`trl-default` leaves it as TRL ships it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import measure

THREADS = 2
RANK, ALPHA, RATE, BATCH, LENGTH = 32, 64, 3e-3, 8, 512


def kamerton_worker(folder: Path, epochs: int) -> None:
    from kamerton.flows.train import load_recipe, train
    from kamerton.ground.settings import Workspace
    from kamerton.journal import RunFolder, read_events

    overrides = [
        f"training.epochs={epochs}",
        "training.evaluate_every=100000",
        "training.checkpoint_every=100000",
        "tracking.followers=[]",
    ]
    place = Workspace(folder, folder / ".kamerton")
    record = train(load_recipe(folder / "recipe.yaml", overrides), place)
    events = read_events(RunFolder(place.runs / record.run_id).path)
    tokens = next(event["tokens"] for event in events if event["kind"] == "examples")
    print(json.dumps({"tokens": tokens * epochs, "seconds": record.result.seconds, "loss": record.result.last_loss}))


def trl_worker(folder: Path, epochs: int, checkpointing: bool) -> None:
    import time

    from kamerton.flows.prepare import prepare
    from kamerton.flows.train import load_recipe
    from kamerton.ground.settings import Workspace
    from kamerton.models.locate import locate

    place = Workspace(folder, folder / ".kamerton")
    recipe = load_recipe(folder / "recipe.yaml").recipe
    rows = prepare(recipe, place, commit=False).parts["train"]

    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(THREADS)
    base = locate("tiny-pl", folder).folder
    dataset = Dataset.from_list(
        [{"prompt": r.prompt, "completion": [{"role": "assistant", "content": r.answer}]} for r in rows]
    )
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(base),
        train_dataset=dataset,
        peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"),
        args=SFTConfig(
            output_dir=tempfile.mkdtemp(),
            num_train_epochs=epochs,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            max_length=LENGTH,
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            logging_steps=10_000,
            report_to="none",
            disable_tqdm=True,
            **({} if checkpointing else {"gradient_checkpointing": False}),
        ),
    )
    tokens = sum(len(ids) for ids in trainer.train_dataset["input_ids"])
    began = time.monotonic()
    result = trainer.train()
    print(json.dumps({"tokens": tokens * epochs, "seconds": time.monotonic() - began, "loss": result.training_loss}))


WORKERS = {
    "kamerton": kamerton_worker,
    "trl": lambda folder, epochs: trl_worker(folder, epochs, checkpointing=False),
    "trl-default": lambda folder, epochs: trl_worker(folder, epochs, checkpointing=True),
}


def main(rounds: int, epochs: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="kamerton-speed-"))
    subprocess.run([sys.executable, "-m", "kamerton", "init", str(folder)], check=True, capture_output=True)
    rates: dict[str, list[float]] = {name: [] for name in WORKERS}
    peaks: dict[str, float] = {}
    for number in range(rounds):
        for name in WORKERS:
            found = measure(
                [sys.executable, __file__, "--worker", name, str(folder), str(epochs)], Path(__file__).parent
            )
            document = json.loads(found.output.splitlines()[-1])
            rates[name].append(document["tokens"] / document["seconds"])
            peaks[name] = max(peaks.get(name, 0.0), found.peak_mib)
            print(f"round {number + 1} {name}: {rates[name][-1]:,.0f} tok/s, {document}", file=sys.stderr, flush=True)
    ours = statistics.median(rates["kamerton"])
    print("| setup | tok/s (median) | peak MiB | Kamerton is |\n|---|---|---|---|")
    for name, values in rates.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:,.0f} | {peaks[name]:.0f} | {ours / middle:.2f} x |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        WORKERS[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))
    else:
        parser = argparse.ArgumentParser()
        parser.add_argument("--rounds", type=int, default=3)
        parser.add_argument("--epochs", type=int, default=1)
        chosen = parser.parse_args()
        main(chosen.rounds, chosen.epochs)
