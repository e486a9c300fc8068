"""What the tests of models share: a lively model, and one whose every word is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from kamerton.models.load import LoadedModel, load_base


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Two threads would wait for each other on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture
def loaded(tiny_base: Path) -> LoadedModel:
    """The random base, with weights so large that its answers differ from prompt to prompt."""
    loaded = load_base(str(tiny_base), tiny_base.parent, device="cpu")
    with torch.no_grad():
        for weight in loaded.model.parameters():
            if weight.dim() > 1:
                weight.mul_(12)
    return loaded


@pytest.fixture
def variant(tiny_base: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the base in which the files named are replaced, changed (a mapping into JSON) or removed."""

    def make(**files: Any) -> Path:
        folder = Path(shutil.copytree(tiny_base, tmp_path / "variant"))
        for name, change in files.items():
            path = folder / name.replace("__", ".")
            if change is None:
                path.unlink()
            elif isinstance(change, bytes):
                path.write_bytes(change)
            else:
                path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | change), "utf-8")
        return folder

    return make


@pytest.fixture(scope="session")
def lively_base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a base whose every layer counts: random weights as small as usual say the same of all texts."""
    from kamerton.models.methods import save_finished
    from kamerton.recipe import FullMethod

    loaded = load_base(str(tiny_base), tiny_base.parent, device="cpu")
    with torch.no_grad():
        for weight in loaded.model.parameters():
            if weight.dim() > 1:
                weight.mul_(8)
    folder = tmp_path_factory.mktemp("lively") / "base"
    save_finished(loaded, FullMethod(kind="full"), folder)
    return folder
