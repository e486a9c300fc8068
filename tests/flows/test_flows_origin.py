"""Beginning with an earlier model: what is taken over from it, and what cannot be asked for otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from kamerton.flows.train import load_recipe
from kamerton.ground.errors import RecipeError
from tiny_project import Finished


@pytest.fixture
def project(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    copied = finished.copy(tmp_path / "p")
    monkeypatch.chdir(copied.root)
    return copied


def _asked(project: Finished, *overrides: str) -> dict[str, object]:
    resolved = load_recipe("recipe.yaml", [f"model.base={project.run_id}", *overrides], workspace=project.workspace)
    return {value.key: value.value for value in resolved.values}


def test_an_adapter_goes_on_where_it_ended(project: Finished) -> None:
    asked = _asked(project)
    assert asked["method.start_from"] == [f".kamerton/runs/{project.run_id}/model"]
    assert (asked["model.base"], asked["model.quantization"]) == ("base", "none")
    assert _asked(project, "method.new_adapter=true", "method.rank=2")["method.new_adapter"] is True
    assert _asked(project, "model.quantization=none")["model.quantization"] == "none"


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.quantization=nf4"], "model.quantization=none, and the recipe asks for nf4"),
        (["model.chat_template=chatml"], "model.chat_template=tokenizer, and the recipe asks for chatml"),
        (["method={kind: qlora, rank: 4}"], "method.kind"),
        (["method={rank: 4, init: pissa}"], "init: pissa is for a new adapter"),
        (["method={kind: full}"], "was trained with method lora"),
    ],
)
def test_what_is_taken_over_cannot_be_asked_for_otherwise(project: Finished, overrides: list[str], told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        _asked(project, *overrides)
    assert told in str(caught.value)
    assert caught.value.mend
