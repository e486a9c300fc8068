"""Each method through `kamerton train`: it learns, its model is found again, and it can be made again to the bit."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from kamerton.models.methods import load_finished, trainable_parameters
from tiny_project import kamerton, write_project

RUNS = {
    "full": ("{kind: full}", 3e-3),
    "freeze": ("{kind: freeze, layers: 1, extra_modules: [norm]}", 1e-2),
    "freeze_part": ("{kind: freeze, layers: 1, modules: [self_attn, mlp], extra_modules: [norm]}", 1e-2),
    "freeze_first": ("{kind: freeze, layers: -1, modules: [mlp]}", 1e-2),
    "embeddings": ("{kind: freeze, layers: 0, extra_modules: [embed_tokens]}", 1e-2),
    "lora_saved": ("{rank: 4, modules_to_save: [embed_tokens]}", 1e-2),
    "lora_norm": ("{rank: 4, targets: [q_proj], modules_to_save: [norm]}", 1e-2),
    "lora": ("{rank: 4, rslora: true, dropout: 0.1}", 1e-2),
    "lora_plus": ("{rank: 4, plus_ratio: 4.0}", 1e-2),
    "dora": ("{kind: dora, rank: 4}", 1e-2),
    "pissa": ("{rank: 4, init: pissa}", 1e-2),
    "ia3": ("{kind: ia3}", 1e-1),
    "oft": ("{kind: oft}", 1e-2),
    "prompt": ("{kind: prompt, virtual_tokens: 8}", 1e-1),
    "prefix": ("{kind: prefix, virtual_tokens: 8}", 1e-1),
    "p_tuning": ("{kind: p_tuning, virtual_tokens: 8}", 1e-2),
    "qlora": ("{kind: qlora, rank: 4}", 1e-2),
    "int8": ("{rank: 4}", 1e-2),
}
QUANTIZED = {"qlora": "nf4", "int8": "int8"}
FAST = {("lora", "fp32"), ("prompt", "fp32"), ("freeze_part", "bf16")}


def _marks(name: str, precision: str) -> list[pytest.MarkDecorator]:
    absent = name in QUANTIZED and importlib.util.find_spec("bitsandbytes") is None
    skip = [pytest.mark.skipif(absent, reason="the extra quantization is not installed")]
    return skip if (name, precision) in FAST else [*skip, pytest.mark.slow]


CASES = [pytest.param(name, kind, marks=_marks(name, kind)) for name in RUNS for kind in ("fp32", "bf16")]


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_a_method_is_trained_found_and_rebuilt(tiny_base: Path, tmp_path: Path, name: str, precision: str) -> None:
    write_project(tmp_path, tiny_base)
    method, rate = RUNS[name]
    settings = [f"method={method}", f"training.learning_rate={rate}", f"training.compute.precision={precision}"]
    if name in QUANTIZED:
        settings.append(f"model.quantization={QUANTIZED[name]}")
    done = kamerton(tmp_path, "train", "recipe.yaml", *settings, "training.max_steps=8", "--json")
    assert done.code == 0, done.err
    result = done.document["result"]
    assert result["last_loss"] < result["first_loss"]
    run = tmp_path / ".kamerton" / "runs" / done.document["run_id"]
    found = load_finished(run / "model", tmp_path, device="cpu")
    assert not trainable_parameters(found.model)
    again = kamerton(tmp_path, "rebuild", "last", "--json")
    assert again.code == 0, again.out


def test_an_adapter_is_trained_on(tiny_base: Path, tmp_path: Path) -> None:
    write_project(tmp_path, tiny_base)
    short = ["training.max_steps=3", "--json"]
    first = kamerton(tmp_path, "train", "recipe.yaml", *short)
    assert first.code == 0, first.err
    folder = f".kamerton/runs/{first.document['run_id']}/model"
    second = kamerton(tmp_path, "train", "recipe.yaml", f"method.start_from=[{folder}]", *short)
    assert second.code == 0, second.err
    assert second.document["result"]["first_loss"] < first.document["result"]["first_loss"]
    refused = kamerton(tmp_path, "train", "recipe.yaml", "method.start_from=[nowhere]", *short)
    assert refused.code == 3
    assert "the adapter is not there" in json.loads(refused.out)["what"]
