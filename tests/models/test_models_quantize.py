"""A base in 8 or 4 bits computes the same each time, trained or not, and fetches nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from method_samples import IDS, logits, method, needs_bitsandbytes, start, train

from kamerton.ground import need as need_module
from kamerton.ground.errors import MissingExtraError, RequestError
from kamerton.models.load import load_base
from kamerton.models.methods import load_finished, merged, save_finished
from kamerton.models.quantize import Quantization, quantization_of
from kamerton.recipe import LoraMethod, ModelSection

KINDS = ("nf4", "fp4", "int8")


def _asked(kind: str = "lora", precision: str | None = "fp32", **model: Any) -> Quantization | None:
    return quantization_of(ModelSection(base="x", **model), LoraMethod(kind=kind), precision)  # type: ignore[arg-type]


def test_what_a_recipe_asks_for() -> None:
    assert _asked() is None
    assert _asked(quantization="none") is None
    assert _asked("qlora") == Quantization("nf4", True, "fp32")
    assert _asked("qlora", "bf16", double_quantization=False) == Quantization("nf4", False, "bf16")
    assert _asked("qlora", None, quantization="int8") == Quantization("int8")
    assert _asked(quantization="fp4") == Quantization("fp4")


def test_the_document_makes_the_same_again() -> None:
    for asked in (Quantization("nf4"), Quantization("fp4", False, "bf16"), Quantization("int8")):
        assert Quantization(**asked.document()) == asked


def test_without_the_package_the_extra_is_named(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(need_module.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match="bitsandbytes is not installed") as caught:
        load_base(str(tiny_base), tiny_base.parent, device="cpu", quantization=Quantization("nf4"))
    assert caught.value.mend == "pip install 'kamerton[quantization]'"


@needs_bitsandbytes
@pytest.mark.parametrize("kind", KINDS)
def test_the_linear_layers_alone_are_stored_in_few_bits(lively_base: Path, kind: Any) -> None:
    plain: Any = load_base(str(lively_base), Path(), device="cpu")
    loaded: Any = load_base(str(lively_base), Path(), device="cpu", quantization=Quantization(kind))
    stored = {name for name, weight in loaded.model.named_parameters() if weight.dtype in (torch.uint8, torch.int8)}
    assert {name.split(".")[-2] for name in stored} == {
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    }
    assert torch.equal(loaded.model.model.embed_tokens.weight, plain.model.model.embed_tokens.weight)
    near = torch.nn.functional.cosine_similarity(logits(loaded).flatten(), logits(plain).flatten(), dim=0)
    assert 0.6 < near < 0.999999  # noise makes the random weights of the test say other things soon


@needs_bitsandbytes
@pytest.mark.parametrize("kind", KINDS)
def test_judging_between_two_steps_changes_nothing(lively_base: Path, kind: Any) -> None:
    """bitsandbytes repacks weights for good at the first pass outside of training, unless it is told not to."""
    chosen = method(rank=4)
    losses = []
    for judged in (False, True):
        loaded = start(lively_base, chosen, quantization=Quantization(kind))
        first = train(loaded, chosen, steps=2)
        if judged:
            logits(loaded)
        losses.append([*first, *train(loaded, chosen, steps=2)])
    assert losses[0] == losses[1]


@needs_bitsandbytes
@pytest.mark.parametrize("kind", KINDS)
def test_training_and_judging_compute_the_same(lively_base: Path, kind: Any) -> None:
    model: Any = load_base(str(lively_base), Path(), device="cpu", quantization=Quantization(kind)).model
    judged = model.eval()(input_ids=IDS).logits
    assert torch.equal(model.train()(input_ids=IDS).logits, judged)
    with torch.no_grad():
        assert torch.equal(model.eval()(input_ids=IDS).logits, judged)


@needs_bitsandbytes
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_sequence_says_does_not_depend_on_its_neighbours(lively_base: Path, kind: Any) -> None:
    model: Any = load_base(str(lively_base), Path(), device="cpu", quantization=Quantization(kind)).model
    with torch.no_grad():
        together = model(input_ids=IDS).logits
        alone = torch.cat([model(input_ids=row[None]).logits for row in IDS])
    assert torch.equal(together, alone)


@needs_bitsandbytes
def test_an_adapter_of_a_quantised_base_can_be_used_on_the_plain_one(lively_base: Path, tmp_path: Path) -> None:
    chosen = method(kind="qlora", rank=4)
    loaded = start(lively_base, chosen, quantization=Quantization("nf4"))
    train(loaded, chosen)
    save_finished(loaded, chosen, tmp_path / "run" / "model")
    again = load_finished(tmp_path / "run" / "model", tmp_path, device="cpu")
    assert again.quantization == Quantization("nf4")
    with pytest.raises(RequestError, match="cannot be merged into weights in nf4"):
        merged(again)
    plain = start(lively_base, method(rank=4, start_from=[str(tmp_path / "run" / "model")]))
    assert not torch.equal(logits(plain), logits(loaded))
    near = torch.nn.functional.cosine_similarity(logits(plain).flatten(), logits(loaded).flatten(), dim=0)
    assert near > 0.6


@needs_bitsandbytes
@pytest.mark.slow
def test_nothing_is_fetched_when_bitsandbytes_is_imported(tmp_path: Path) -> None:
    fake = "def get_kernel(*args, **kwargs):\n    print('FETCHED')\n    return 1 / 0\n"
    (tmp_path / "kernels.py").write_text(fake, "utf-8")

    def said(code: str) -> str:
        whole = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}; print('bitsandbytes' in sys.modules)"
        return subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, check=True).stdout

    assert said("import kamerton.models.load") == "False\n"
    assert said("from kamerton.models.libraries import bitsandbytes; bitsandbytes()") == "True\n"
    if "avx512_bf16" in Path("/proc/cpuinfo").read_text("utf-8"):
        assert "FETCHED" in said("import bitsandbytes")  # when it does not any more, `bitsandbytes` need not hide it


@needs_bitsandbytes
def test_bitsandbytes_still_repacks_for_judging(lively_base: Path) -> None:
    """When it does not any more, `steady` can go."""
    from bitsandbytes.functional import has_avx512bf16

    if not has_avx512bf16():
        pytest.skip("this processor has no AVX512-BF16")
    model: Any = load_base(str(lively_base), Path(), device="cpu", quantization=Quantization("nf4")).model
    before = logits_of(model)
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = True
    try:
        assert not torch.equal(logits_of(model), before)
    except RuntimeError as error:
        assert "is invalid for input of size" in str(error)  # noqa: PT017 - either shows it


@torch.no_grad()
def logits_of(model: Any) -> torch.Tensor:
    said: torch.Tensor = model.eval()(input_ids=IDS).logits
    return said
