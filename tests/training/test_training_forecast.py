"""What is foretold is what then happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_samples import FULL, METHODS, options, recipe, rows, start

from kamerton.ground.errors import RequestError
from kamerton.models.locate import locate
from kamerton.models.methods import apply_method, trainable_parameters
from kamerton.models.scratch import create
from kamerton.recipe import Architecture, LoraMethod, Method
from kamerton.training.examples import Example, TokenSequence
from kamerton.training.forecast.advice import advice
from kamerton.training.forecast.amount import Amount, counted, reckoned
from kamerton.training.forecast.estimate import Size, by_measuring, by_shapes
from kamerton.training.forecast.gpus import GPUS, find_gpu
from kamerton.training.forecast.memory import kept_bytes, need_of
from kamerton.training.forecast.roofline import operations
from kamerton.training.forecast.shapes import Shape, moving_weights, read_shape, shape_of
from kamerton.training.forecast.steps import Timed, measure_steps
from kamerton.training.network import Network
from kamerton.training.objectives import build_objective
from kamerton.training.order import plan_steps

LLAMA_8B = Shape(4096, 32, 14336, 4096, 1024, 128256, 8_030_261_248, 1_050_673_152, 8192)
FEW = Amount(100, 20_000, None, 400, 25, 2.0, 0, 0, 0, 1)


def _shape(base: Path) -> Shape:
    found = read_shape(base / "config.json")
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["lora", "full"])
def test_the_shape_in_the_files_is_that_of_the_loaded_model(tiny_base: Path, name: str) -> None:
    loaded, shape = start(tiny_base, METHODS[name], options()), _shape(tiny_base)
    moving = sum(weight.numel() for weight in trainable_parameters(loaded.model).values())
    assert moving_weights(shape, METHODS[name]) == moving
    base = sum(weight.numel() for key, weight in loaded.model.named_parameters() if "lora_" not in key)
    assert (shape.parameters, shape.context) == (base, loaded.context)


def test_a_config_that_says_nothing_known_is_no_shape(tmp_path: Path) -> None:
    for text in ("{}", "[]", "no JSON", '{"hidden_size": "x"}'):
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
        assert read_shape(tmp_path / "config.json") is None
    (tmp_path / "config.json").write_text(
        (locate("tiny-pl", tmp_path).folder / "config.json").read_text(), encoding="utf-8"
    )
    assert read_shape(tmp_path / "config.json") is not None
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
    assert read_shape(tmp_path / "config.json") is None


ADAPTER, WHOLE = LoraMethod(rank=16), FULL


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing_enable:FutureWarning")
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("method", [ADAPTER, WHOLE, LoraMethod(rank=16, dora=True)], ids=["lora", "full", "dora"])
@pytest.mark.parametrize("twice", [False, True], ids=["kept", "checkpointing"])
def test_activations_are_those_that_autograd_keeps(method: Method, precision: str, twice: bool) -> None:
    def kept(layers: int) -> float:
        shape = Architecture(hidden_size=64, layers=layers, heads=2, feed_forward=192, vocabulary=300, context=512)
        loaded = create("x", shape, ["ala ma kota "] * 9, seed=0, device=torch.device("cpu"))
        apply_method(loaded, method, seed=0)
        compute = options(compute={"precision": precision, "gradient_checkpointing": twice}).compute
        network = Network(loaded, compute)
        network.model.train()
        ids = [number % 250 for number in range(128)]
        batch = network.batch([Example(str(number), (TokenSequence.of(ids, ids),)) for number in range(2)])
        weights = {weight.untyped_storage().data_ptr() for weight in loaded.model.parameters()}
        sizes: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            hidden = network.summed_nll(batch)
        del hidden
        return sum(sizes.values()) / 256

    compute = options(compute={"precision": precision, "gradient_checkpointing": twice}).compute
    shape = shape_of(Architecture(hidden_size=64, layers=1, heads=2, feed_forward=192, vocabulary=300, context=512))
    told, _ = kept_bytes(shape, method, compute)
    assert told == pytest.approx((kept(3) - kept(1)) / 2, rel=0.2)


def test_an_8b_model_needs_what_everybody_knows() -> None:
    full = need_of(
        recipe(FULL, options(compute={"precision": "bf16", "gradient_checkpointing": True})), LLAMA_8B, 2048, gpu=True
    )
    assert full.weights + full.gradients + full.optimizer == pytest.approx(16 * 8.03e9, rel=0.01)
    small = recipe(LoraMethod(kind="qlora"), options(compute={"precision": "bf16", "gradient_checkpointing": True}))
    assert 6 << 30 < need_of(small, LLAMA_8B, 2048, gpu=True).peak < 12 << 30


def test_memory_grows_with_what_it_depends_on() -> None:
    def peak(method: Method = ADAPTER, tokens: int = 1024, **compute: Any) -> int:
        return need_of(recipe(method, options(compute=compute)), LLAMA_8B, tokens, gpu=True).peak

    assert peak(tokens=2048) > peak() > peak(gradient_checkpointing=True)
    assert peak() > peak(precision="bf16")
    assert peak(FULL) > peak() > peak(LoraMethod(kind="qlora"))


def test_what_does_not_fit_is_told_what_to_change_least_harm_first() -> None:
    asked = recipe(FULL, options(compute={"precision": "bf16", "forward_tokens": 8192}, max_length=2048))
    likely = float(need_of(asked, LLAMA_8B, 8192, gpu=True).peak)
    said = advice(asked, LLAMA_8B, FEW, 24 << 30, likely, gpu=True)
    keys = ["forward_tokens=512", "gradient_checkpointing=true", "method.kind=lora"]
    assert [key in sentence for key, sentence in zip(keys, said, strict=False)] == [True] * 3
    assert said[-1].endswith("which fits")
    assert not any("fits" in sentence for sentence in said[:-1])
    assert advice(asked, LLAMA_8B, FEW, 1 << 20, likely, gpu=True)[-1].startswith("even so it does not fit")


def test_gpus_are_found_however_they_are_written_and_others_are_named() -> None:
    assert find_gpu(" A100_80GB") is GPUS["a100-80gb"]
    with pytest.raises(RequestError, match="no such machine") as raised:
        find_gpu("gtx")
    assert "h100-80gb" in str(raised.value)


def test_time_on_a_gpu_follows_operations_and_its_table() -> None:
    asked = recipe(ADAPTER, options(compute={"precision": "bf16", "forward_tokens": 8192}))
    assert operations(asked, LLAMA_8B, 0.0) == pytest.approx(4 * 7.5e9, rel=0.01)
    slow, fast = (by_shapes(asked, LLAMA_8B, FEW, GPUS[name]).seconds for name in ("l4", "h100-80gb"))
    assert slow is not None
    assert fast is not None
    assert slow.low < slow.likely < slow.high
    assert slow.likely > fast.likely


def test_measured_steps_count_what_the_run_will_do_and_leave_nothing(tiny_base: Path) -> None:
    wanted = options(max_steps=None, epochs=2)
    loaded = start(tiny_base, FULL, wanted)
    objective = build_objective(wanted, loaded)
    built = objective.examples(rows(12))
    parts = {"train": built.examples[:9], "validation": built.examples[9:]}
    asked = recipe(FULL, wanted)
    measured = measure_steps(loaded, objective, parts, asked, seconds=5.0)
    assert measured.heavy
    assert 1 <= len(measured.steps) <= 4
    assert measured.save is not None
    amount = counted(asked, 12, built, objective.examples([]))
    parameters = sum(weight.numel() for weight in loaded.model.parameters())
    told = by_measuring(
        asked,
        amount,
        measured,
        _shape(tiny_base),
        size=Size(parameters, parameters),
        start=Timed(1.0, 1.0, 1.0),
    ).document()
    assert told["steps"] == plan_steps(built.examples, wanted).steps
    assert told["peak_interval"][0] < told["peak_bytes"] == measured.peak < told["peak_interval"][1]
    assert told["seconds_interval"][0] < told["seconds"] < told["seconds_interval"][1]


def test_rows_that_are_not_rendered_are_counted(tiny_base: Path) -> None:
    asked = recipe(ADAPTER, options(max_steps=None, epochs=2, max_length=20))
    count = lambda part: [30 if number else 10 for number in range(len(part))]  # noqa: E731
    told = reckoned(asked, {"train": rows(5)}, None, count, 20)
    assert (told.sequences, told.tokens, told.longest, told.steps) == (5, 90, 20, 6)
    assert reckoned(asked, {"train": rows(5)}, None, None, 20).tokens > 0
    assert reckoned(asked, {}, None, None, 20).sequences == 0
