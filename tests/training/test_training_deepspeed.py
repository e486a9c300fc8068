"""DeepSpeed files are accepted: what they ask for is done, or refused by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kamerton.ground.errors import RequestError
from kamerton.training.deepspeed import read_deepspeed

AUTO: dict[str, Any] = {
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "bf16": {"enabled": "auto"},
    "fp16": {"enabled": "auto", "loss_scale": 0, "initial_scale_power": 16},
    "zero_allow_untested_optimizer": True,
}
"""The keys of the files that LLaMA-Factory's users have."""


def _file(folder: Path, **document: Any) -> str:
    path = folder / "ds.json"
    path.write_text(json.dumps(AUTO | document), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("zero", "expected"),
    [
        ({}, ("ddp", True)),
        ({"stage": 0}, ("ddp", True)),
        ({"stage": 1}, ("fsdp2", False)),
        ({"stage": 2, "overlap_comm": False, "reduce_bucket_size": 5e8}, ("fsdp2", False)),
        ({"stage": 3, "stage3_gather_16bit_weights_on_model_save": True}, ("fsdp2", True)),
        ({"stage": 3, "offload_optimizer": {"device": "none"}}, ("fsdp2", True)),
    ],
)
def test_each_stage_has_its_strategy(tmp_path: Path, zero: dict[str, Any], expected: tuple[str, bool]) -> None:
    assert read_deepspeed(_file(tmp_path, zero_optimization=zero)) == expected


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zero_optimization": {"stage": 4}}, "no ZeRO stage 4"),
        ({"zero_optimization": {"stage": "x"}}, "not a DeepSpeed file"),
        ({"zero_optimization": {"stage": 3, "offload_param": {"device": "cpu"}}}, "offload_param"),
        ({"fp16": {"enabled": True}}, "fp16 is not done here"),
        ({"optimizer": {"type": "AdamW"}}, "optimizer is decided by the recipe"),
        ({"train_micro_batch_size_per_gpu": 4}, "train_micro_batch_size_per_gpu is decided by the recipe"),
        ({"bf16": {"enabled": True}}, "bf16 is decided by the recipe"),
        ({"moe": {}}, "the key moe is not known here"),
    ],
)
def test_what_is_not_done_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_deepspeed(_file(tmp_path, **changes))
    assert told in caught.value.what
    assert "training.parallel.deepspeed" in caught.value.where


@pytest.mark.parametrize("text", ["", "[]", "{", '{"zero_optimization": 3}'])
def test_another_file_is_no_deepspeed_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ds.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match="not a DeepSpeed file"):
        read_deepspeed(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such file") as caught:
        read_deepspeed(str(tmp_path / "nowhere.json"))
    assert "nowhere.json" in caught.value.where
    assert "to a DeepSpeed file" in caught.value.mend
