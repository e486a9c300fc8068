"""Two runs that part are told apart: the step, then the module and the operation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from replay_samples import Audited, audited, audited_once, shared_from

import kamerton.flows.compare_runs as flow
import kamerton.flows.ready as ready
import kamerton.training.loop as loop_module
from kamerton.flows.compare_runs import compare_runs
from kamerton.ground.errors import Interrupted, RequestError, StorageError
from kamerton.journal import RunFolder, first_difference, read_trace
from kamerton.records.divergence import DivergenceRecord
from tiny_project import kamerton

__all__ = ["audited", "audited_once"]


def _no_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "open_replay", lambda *_: pytest.fail("something was replayed"))


def _next_float(tensor: torch.Tensor) -> torch.Tensor:
    """Each number's last bit: one number alone would often be rounded away before anything shows it."""
    changed = torch.nextafter(tensor.detach(), torch.tensor(torch.inf, dtype=tensor.dtype))
    return tensor + (changed - tensor.detach())


def _asked(sentences: list[str]) -> list[str]:
    """Without those about the code, which may be edited while its tests run."""
    return [sentence for sentence in sentences if not sentence.startswith("code")]


class Fault:
    """One ULP at a known step, in every process that makes or replays the run of one name."""

    def __init__(self, name: str, step: int) -> None:
        self.name = name
        self.step = step
        self.now = 0

    @contextmanager
    def at(self, module: str, kind: str) -> Iterator[None]:
        start, seed = ready._start_model, loop_module.seed_step

        def started(recipe: Any, *rest: Any) -> Any:
            loaded = start(recipe, *rest)
            if recipe.name == self.name:
                self._arm(loaded.model.get_submodule(module), kind)
            return loaded

        def seeded(number: int, step: int) -> None:
            self.now = step
            seed(number, step)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ready, "_start_model", started)
            patch.setattr(loop_module, "seed_step", seeded)
            yield

    def _arm(self, module: torch.nn.Module, kind: str) -> None:
        def changed(value: torch.Tensor) -> torch.Tensor:
            return _next_float(value) if self.now == self.step else value

        if kind == "forward":
            module.register_forward_hook(lambda _, inputs, output: changed(output))
        elif kind == "input":
            module.register_forward_pre_hook(lambda _, inputs: (changed(inputs[0]), *inputs[1:]))
        elif kind == "gradient":
            for weight in module.parameters():
                if weight.requires_grad:
                    weight.register_hook(changed)
        elif kind == "backward":
            module.register_forward_hook(
                lambda _, inputs, output: output.register_hook(changed) and None if output.requires_grad else None
            )


LAYER = "base_model.model.model.layers.1."
GATE, ADAPTER, NORM = f"{LAYER}mlp.gate_proj", f"{LAYER}self_attn.q_proj.lora_A.default", f"{LAYER}input_layernorm"


class Parted(NamedTuple):
    """The audited project with a second run, which had a fault of one ULP at step 8."""

    project: Audited
    other: RunFolder


@pytest.fixture(scope="session")
def parted_once(audited_once: Audited, tmp_path_factory: pytest.TempPathFactory) -> Parted:
    project = audited_once.copy(tmp_path_factory.mktemp("parted") / "p")
    with Fault("faulty", 8).at(GATE, "forward"), chdir(project.root):
        return Parted(project, project.train("name=faulty"))


@pytest.fixture
def parted(parted_once: Parted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Parted:
    project = parted_once.project.copy(tmp_path / "p")
    monkeypatch.chdir(project.root)
    return Parted(project, RunFolder(project.workspace.runs / parted_once.other.run_id))


def test_one_ulp_is_found_where_it_came_in(parted: Parted) -> None:
    project, other = parted
    with Fault("faulty", 8).at(GATE, "forward"):
        found = compare_runs(project.run_id, other.run_id, project.workspace)
    assert "recipe: name is 'audited' and 'faulty'" in found.what_differs
    assert found.first_different_step is not None
    assert found.first_different_step >= 8, "the trace may show it later than it came in"
    assert found.replayed_from == 6
    assert found.parting is not None
    assert (found.parting.step, found.parting.module, found.parting.operation) == (8, GATE, "forward")
    assert found.reproduced == [project.run_id, other.run_id]
    assert f"in step 8, forward pass 1: forward of {GATE}" in found.conclusion


def test_a_fault_that_does_not_come_again_is_told_from_one_that_does(parted: Parted) -> None:
    """The other run was made with the fault, and is replayed without it: luck, or a broken machine."""
    project, other = parted
    found = compare_runs(project.run_id, other.run_id, project.workspace)
    assert (found.parting, found.reproduced) == (None, [project.run_id])
    assert "both runs replay here to equal bits" in found.conclusion
    assert found.conclusion.endswith(f"this machine makes the recorded trace of {project.run_id}")


def test_the_order_in_which_runs_are_named_does_not_matter(parted: Parted) -> None:
    project, other = parted
    with Fault("faulty", 8).at(GATE, "forward"):
        found = compare_runs(other.run_id, project.run_id, project.workspace)
    assert found.parting is not None
    assert (found.parting.step, found.parting.module) == (8, GATE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "module", "kind", "named", "operation"),
    [
        (2, ADAPTER, "forward", ADAPTER, "forward"),
        (11, NORM, "forward", NORM, "forward"),
        (8, f"{GATE}.lora_B.default", "gradient", f"{GATE}.lora_B.default.weight", "gradient of the weight"),
        (9, f"{GATE}.lora_B.default", "backward", f"{GATE}.lora_B.default", None),
        (8, GATE, "input", f"{LAYER}mlp", None),
        (1, f"{GATE}.base_layer", "forward", f"{GATE}.base_layer", "forward"),
    ],
)
def test_every_kind_of_fault_is_found(
    audited: Audited, step: int, module: str, kind: str, named: str, operation: str | None
) -> None:
    with Fault("faulty", step).at(module, kind):
        other = audited.train("name=faulty")
        found = compare_runs(audited.run_id, other.run_id, audited.workspace)
    assert found.first_different_step is not None
    assert found.first_different_step >= step
    assert found.parting is not None
    assert (found.parting.step, found.parting.module) == (step, named)
    assert operation in {None, found.parting.operation}
    assert found.reproduced == [audited.run_id, other.run_id]


def test_runs_of_one_recipe_are_equal(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_replay(monkeypatch)
    other = audited.train()
    done = kamerton(audited.root, "compare-runs", audited.run_id, other.run_id, "--json")
    assert done.code == 0, done.err
    assert DivergenceRecord.model_validate(done.document).identical
    assert _asked(done.document["what_differs"]) == []
    assert "equal from the first step to the last" in done.err


@pytest.mark.slow
def test_how_often_a_state_is_sealed_is_no_difference_of_what_was_done(audited: Audited) -> None:
    other = audited.train("training.checkpoint_every=4", "training.keep_every=null")
    found = compare_runs(audited.run_id, other.run_id, audited.workspace)
    assert found.identical
    assert _asked(found.what_differs) == [
        "recipe: training.checkpoint_every is 3 and 4",
        "recipe: training.keep_every is 6 and None",
    ]


@pytest.mark.slow
def test_another_rate_is_named_by_the_recipe_and_shows_in_the_first_update(audited: Audited) -> None:
    other = audited.train("training.learning_rate=0.02")
    done = kamerton(audited.root, "compare-runs", audited.run_id, other.run_id, "--json")
    assert done.code == 1
    found = DivergenceRecord.model_validate(done.document)
    assert _asked(found.what_differs) == ["recipe: training.learning_rate is 0.01 and 0.02"]
    assert (found.first_different_step, found.different_fields) == (1, ["learning_rate"])
    assert found.parting is not None
    assert found.parting.operation == "optimiser update"
    assert "lora_" in found.parting.module


@pytest.mark.slow
def test_another_seed_is_another_weight_to_begin_with(audited: Audited) -> None:
    other = audited.train("training.seed=6")
    found = compare_runs(audited.run_id, other.run_id, audited.workspace)
    assert found.parting is not None
    assert (found.parting.step, found.parting.operation) == (1, "weight before the first of these steps")


@pytest.mark.slow
def test_other_rows_are_named_by_the_example(audited: Audited) -> None:
    path = audited.root / "data" / "letters.pl.jsonl"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join([lines[0].replace("Drogi", "Zieleń"), *lines[1:]]), "utf-8")
    other = audited.train()
    found = compare_runs(audited.run_id, other.run_id, audited.workspace)
    assert any(sentence.startswith("data: parts.train.fingerprint is ") for sentence in found.what_differs)
    assert found.parting is not None
    assert "example" in found.parting.operation


@pytest.mark.slow
def test_a_run_that_was_stopped_is_equal_as_far_as_it_goes(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    _no_replay(monkeypatch)
    folder = audited.workspace.runs

    def stop(event: dict[str, Any]) -> None:
        if event.get("step") == 5:
            RunFolder(next(path for path in folder.iterdir() if path.name.startswith("stopped"))).request_stop()

    from kamerton.flows.train import train

    with pytest.raises(Interrupted):
        train(audited.root / "recipe.yaml", audited.workspace, run_name="stopped", on_progress=stop)
    stopped = next(path.name for path in folder.iterdir() if path.name.startswith("stopped"))
    found = compare_runs(audited.run_id, stopped, audited.workspace)
    assert (found.first_different_step, found.different_fields, found.steps) == (6, ["steps"], (12, 5))
    assert found.conclusion == "the runs are equal as far as both go: one of them ends at step 5"
    assert "base: not recorded of a run that is not finished" in found.what_differs


# Where nothing can be replayed.


def test_recorded_artefacts_alone_name_step_and_fields(parted: Parted, monkeypatch: pytest.MonkeyPatch) -> None:
    audited, other = parted
    _no_replay(monkeypatch)
    shutil.rmtree(audited.workspace.datasets)
    shutil.rmtree(audited.root / "base")
    found = compare_runs(str(audited.run.path), str(other.path), audited.workspace)
    assert found.first_different_step == first_difference(read_trace(audited.run.path), read_trace(other.path))[0]  # type: ignore[index]
    assert found.different_fields
    assert (found.replayed_from, found.parting, found.reproduced) == (None, None, [])
    assert f"{audited.run_id}: base: no such model (base)" in found.not_replayed
    assert f"{other.run_id}: data: no such data set (faulty@v1)" in found.not_replayed


def test_no_replay_is_made_where_none_is_wanted(parted: Parted, monkeypatch: pytest.MonkeyPatch) -> None:
    audited, other = parted
    _no_replay(monkeypatch)
    done = kamerton(audited.root, "compare-runs", audited.run_id, other.run_id, "--no-replay", "--json")
    assert done.code == 1
    assert done.document["first_different_step"] >= 8
    assert done.document["not_replayed"] == ["no replay was asked for"]


def test_steps_that_several_processes_shared_are_told_before_they_are_replayed(parted: Parted) -> None:
    audited, other = parted
    shared_from(other, 7)
    said = f"{other.run_id}: processes: 2 shared steps that 1 would make here"
    with pytest.MonkeyPatch.context() as patch:
        _no_replay(patch)
        found = compare_runs(audited.run_id, other.run_id, audited.workspace)
    assert [sentence.startswith(said) for sentence in found.not_replayed] == [True]
    assert said in found.conclusion
    asked = compare_runs(audited.run_id, other.run_id, audited.workspace, anyway=True)
    assert (asked.replayed_from, asked.not_replayed) == (6, [])
    assert said in asked.conclusion


def test_a_damaged_checkpoint_is_an_obstacle_with_a_name(parted: Parted) -> None:
    audited, other = parted
    for run in (audited.run, other):
        (run.checkpoints / "step-00000006" / "weights.safetensors").write_bytes(b"")
    found = compare_runs(audited.run_id, other.run_id, audited.workspace)
    assert found.parting is None
    assert "the checkpoint of step 6 cannot be used" in found.not_replayed[0]


def test_a_broken_chain_is_no_trace_to_compare(audited: Audited) -> None:
    path = audited.run.trace_file
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:4] + lines[5:]))
    with pytest.raises(StorageError, match="the hash chain is broken at step 5"):
        compare_runs("last", "last", audited.workspace)


def test_an_unknown_run_is_refused(audited: Audited, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no such run"):
        compare_runs(audited.run_id, "nobody", audited.workspace)


def test_the_fault_of_these_tests_is_one_ulp(parted: Parted) -> None:
    """The traces are equal before it and differ from it on; the change itself is of the last bit."""
    value = torch.tensor([0.5, -2.0, 1.0])
    assert torch.equal(_next_float(value), torch.nextafter(value, torch.tensor(torch.inf)))
    found = first_difference(read_trace(parted.project.run.path), read_trace(parted.other.path))
    assert found is not None
    assert found[0] >= 8
