"""Every method on every base that it goes with learns, twice the same, and comes back from its folder to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from method_samples import PAIRS, logits, start, train

from kamerton.ground.digests import folder_digests
from kamerton.models.methods import WEIGHTS, load_finished, save_finished, trainable_parameters
from kamerton.models.quantize import Quantization


@pytest.mark.parametrize(("quantization", "method"), PAIRS)
def test_a_method_learns_and_comes_back(
    lively_base: Path, tmp_path: Path, quantization: Quantization | None, method: Any
) -> None:
    folders = []
    for name in ("one", "two"):
        loaded = start(lively_base, method, quantization=quantization)
        losses = train(loaded, method)
        assert losses[-1] < losses[0] - 0.02, losses
        folders.append(tmp_path / name / "model")
        save_finished(loaded, method, folders[-1])
    assert folder_digests(folders[0]) == folder_digests(folders[1])
    assert (folders[0] / WEIGHTS[method.kind]).is_file()
    assert {path.suffix for path in folders[0].iterdir()} <= {".safetensors", ".json", ".jinja"}
    again = load_finished(folders[0], tmp_path, device="cpu")
    assert torch.equal(logits(again), logits(loaded))
    assert not trainable_parameters(again.model)
    assert not again.model.training
    assert again.quantization == quantization
