"""The peers of `training.py`, each in a fresh process of its own interpreter; nothing of Kamerton is imported here.

    python benchmarks/training_workers.py SETUP FOLDER THREADS EXAMPLES

Each writes a line to `FOLDER/SETUP.marks` after every optimiser step: the time, and the real tokens (no padding) that
its forward passes have seen so far.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RANK, ALPHA, RATE, LENGTH, SEED = 16, 32, 3e-4, 512, 42


class Marks:
    """When each optimiser step ended, and how many tokens had been seen."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("w", encoding="utf-8")
        self.tokens = 0

    def step(self) -> None:
        self._file.write(f"{time.time()} {self.tokens}\n")
        self._file.flush()

    def watch(self, trainer_class: Any, optimizer_class: Any) -> None:
        """Count what a Trainer of transformers trains on, whoever builds it."""
        forward, step = trainer_class.training_step, optimizer_class.step

        def counted(trainer: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
            self.tokens += int((inputs["input_ids"] != trainer.processing_class.pad_token_id).sum())
            return forward(trainer, model, inputs, *args, **kwargs)

        def marked(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
            done = step(optimizer, *args, **kwargs)
            self.step()
            return done

        trainer_class.training_step, optimizer_class.step = counted, marked


# -- the limit: what an expert writes by hand ------------------------------------------------------------------------
def by_hand(folder: Path, marks: Marks, wanted_examples: int, tokens_per_step: int = 1024) -> None:
    """Plain torch, a model of transformers, LoRA of peft: packed bins, bf16, attention sequence by sequence."""
    import torch
    from peft import LoraConfig, get_peft_model
    from torch.nn.functional import cross_entropy, scaled_dot_product_attention
    from transformers import AttentionInterface, AutoModelForCausalLM, AutoTokenizer

    def attention(module: Any, q: Any, k: Any, v: Any, mask: Any, scaling: Any = None, **kwargs: Any) -> Any:
        parts = [
            # fp32, because the processor's bf16 kernel is slower for short sequences
            scaled_dot_product_attention(*(x[:, :, a:b].float() for x in (q, k, v)), is_causal=True, scale=scaling)
            for a, b in zip(kwargs["bounds"][:-1], kwargs["bounds"][1:], strict=True)
        ]
        return torch.cat(parts, dim=2).transpose(1, 2).to(v.dtype), None

    AttentionInterface.register("each", attention)
    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    base = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.bfloat16)
    base.set_attn_implementation("each")
    model = get_peft_model(base, LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear"))
    examples = []
    for row in rows(folder):
        turns = [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["answer"]}]
        whole = tokenizer.apply_chat_template(turns, return_dict=False)
        asked = tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=False)
        examples.append((whole, [-100] * len(asked) + whole[len(asked) :]))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=RATE, weight_decay=0.0, fused=True)
    order = torch.randperm(len(examples)).tolist()[:wanted_examples]
    while order:
        bounds = [0]
        ids, targets, positions = [], [], []
        while order and (not ids or bounds[-1] + len(examples[order[-1]][0]) <= tokens_per_step):
            tokens, labels = examples[order.pop()]
            ids, targets, positions = ids + tokens, targets + labels[1:] + [-100], positions + list(range(len(tokens)))
            bounds.append(len(ids))
        filler = -len(ids) % 64  # few shapes: oneDNN makes a kernel for each
        ids, targets, positions = ids + [0] * filler, targets + [-100] * filler, positions + list(range(filler))
        bounds += [len(ids)] if filler else []
        wanted = torch.tensor(targets)
        kept = (wanted != -100).nonzero()[:, 0]
        kept = torch.cat([kept, (wanted == -100).nonzero()[: -len(kept) % 64, 0]])
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(
                input_ids=torch.tensor([ids]),
                position_ids=torch.tensor([positions]),
                bounds=bounds,
                use_cache=False,
                logits_to_keep=kept,
            ).logits[0]
        cross_entropy(logits.float(), wanted[kept]).backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        marks.tokens += len(ids) - filler
        marks.step()


# -- TRL -------------------------------------------------------------------------------------------------------------
def trl(folder: Path, marks: Marks, wanted_examples: int, **options: Any) -> None:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import Trainer
    from trl import SFTConfig, SFTTrainer

    marks.watch(Trainer, torch.optim.AdamW)
    turns = [
        {
            "prompt": [{"role": "user", "content": row["prompt"]}],
            "completion": [{"role": "assistant", "content": row["answer"]}],
        }
        for row in rows(folder)
    ]
    given = {"per_device_train_batch_size": 8, "max_length": LENGTH} | options
    SFTTrainer(
        model=str(folder / "base"),
        train_dataset=Dataset.from_list(turns),
        peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"),
        args=SFTConfig(
            output_dir=str(folder / "trl"),
            max_steps=wanted_examples // examples_of(given),
            learning_rate=RATE,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **given,
        ),
    ).train()


# -- LLaMA-Factory ---------------------------------------------------------------------------------------------------
def llamafactory(folder: Path, marks: Marks, wanted_examples: int, **options: Any) -> None:
    import torch
    from llamafactory.train.tuner import run_exp
    from transformers import Trainer

    marks.watch(Trainer, torch.optim.AdamW)
    given = {"per_device_train_batch_size": 8, "cutoff_len": LENGTH} | options
    run_exp(
        {
            "model_name_or_path": str(folder / "base"),
            "stage": "sft",
            "do_train": True,
            "finetuning_type": "lora",
            "lora_rank": RANK,
            "lora_alpha": ALPHA,
            "lora_target": "all",
            "dataset_dir": str(folder),
            "dataset": "rows",
            "template": "chatml",
            "output_dir": str(folder / "llamafactory"),
            "overwrite_output_dir": True,
            "max_steps": wanted_examples // examples_of(given),
            "learning_rate": RATE,
            "save_strategy": "no",
            "report_to": "none",
            "use_cpu": True,
            "disable_tqdm": True,
            **given,
        }
    )


def examples_of(options: dict[str, Any]) -> int:
    """Examples of a step; a packed sequence of 512 tokens holds about four."""
    packed = options.get("packing") or options.get("neat_packing")
    return int(options["per_device_train_batch_size"]) * (4 if packed else 1)


def rows(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]


SETUPS: dict[str, Callable[[Path, Marks, int], None]] = {
    "by-hand": by_hand,
    "by-hand-2048": lambda *given: by_hand(*given, tokens_per_step=2048),
    "trl": trl,
    "trl-no-checkpointing": lambda *given: trl(*given, gradient_checkpointing=False),
    "trl-packing": lambda *given: trl(
        *given,
        gradient_checkpointing=False,
        packing=True,
        per_device_train_batch_size=2,
        model_init_kwargs={"dtype": "bfloat16"},
    ),
    "llamafactory": llamafactory,
    "llamafactory-packing": lambda *given: llamafactory(
        *given, disable_gradient_checkpointing=True, neat_packing=True, bf16=True, per_device_train_batch_size=4
    ),
    "llamafactory-packing-pure-bf16": lambda *given: llamafactory(
        *given,
        disable_gradient_checkpointing=True,
        neat_packing=True,
        pure_bf16=True,
        bf16=True,
        per_device_train_batch_size=4,
    ),
}

if __name__ == "__main__":
    import torch

    name, place, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    SETUPS[name](place, Marks(place / f"{name}.marks"), int(sys.argv[4]))
