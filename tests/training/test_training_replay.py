"""Steps made again come out with the recorded bits, watched or not, and the first that does not is named."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from training_samples import METHODS, new_run, options, parts, recipe, start, train

from kamerton.ground.errors import StorageError
from kamerton.journal import RunFolder, TraceStep, read_trace
from kamerton.training.loop import Loop
from kamerton.training.objectives import build_objective
from kamerton.training.replay import replay, sealed_checkpoints, stand_at
from kamerton.training.run import open_loop
from kamerton.training.watch import Deed, first_parting, watched

WANTED = options(keep_checkpoints=3)


class Made(NamedTuple):
    run: RunFolder
    trace: list[TraceStep]
    base: Path
    method: str

    def loop(self, folder: Path) -> Loop:
        """A fresh one, in a folder of its own."""
        method = METHODS[self.method]
        loaded = start(self.base, method, WANTED)
        objective = build_objective(WANTED, loaded)
        scratch = new_run(folder, "scratch")
        return open_loop(loaded, objective, parts(loaded, WANTED), recipe(method, WANTED), scratch, lambda event: None)


@pytest.fixture(scope="module")
def made(method: str, tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    run = new_run(tmp_path_factory.mktemp("made"))
    train(tiny_base, run, METHODS[method], WANTED)
    return Made(run, read_trace(run.path), tiny_base, method)


def _quiet(event: dict[str, Any]) -> None: ...


@pytest.mark.parametrize("begin", [0, 4, 8])
def test_every_stretch_comes_out_again(made: Made, tmp_path: Path, begin: int) -> None:
    assert sealed_checkpoints(made.run, made.trace) == [4, 8, 9]
    loop = made.loop(tmp_path)
    stand_at(loop, made.run, begin)
    assert replay(loop, 9, made.trace, _quiet) is None
    assert loop.trace.head == made.trace[-1].hash


def test_a_watched_step_has_the_bits_of_an_unwatched_one(made: Made, tmp_path: Path) -> None:
    loop = made.loop(tmp_path)
    stand_at(loop, made.run, 4)
    with watched(loop) as done:
        assert replay(loop, 8, made.trace, _quiet) is None
        seen = len(done)
    kinds = [kind for kind, _ in itertools.groupby(done, lambda deed: deed.kind)]
    assert kinds[:2] == ["start", "example"]
    assert kinds[-2:] == ["clipped", "update"]
    assert {"input", "output", "loss", "backward", "gradient"} <= set(kinds)
    assert replay(loop, 9, made.trace, _quiet) is None
    assert len(done) == seen, "nothing is left on the model, the weights, the optimiser or the objective"


def test_the_first_line_that_differs_ends_the_replay(made: Made, tmp_path: Path) -> None:
    from dataclasses import replace

    loop = made.loop(tmp_path)
    stand_at(loop, made.run, 4)
    forged = [*made.trace[:5], replace(made.trace[5], loss=1.0, hash="0" * 64), *made.trace[6:]]
    assert replay(loop, 9, forged, _quiet) == (6, ["loss"])
    assert loop.step == 6


def test_a_step_without_a_checkpoint_is_no_place_to_stand(made: Made, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the checkpoint of step 5 cannot be used: no readable manifest"):
        stand_at(made.loop(tmp_path), made.run, 5)


def test_the_first_weight_that_was_not_updated_alike_is_named(made: Made, tmp_path: Path) -> None:
    deeds = []
    for changed in (False, True):
        loop = made.loop(tmp_path / str(changed))
        stand_at(loop, made.run, 4)
        name, weight = list(loop.weights.items())[2]
        if changed:

            def spoil(optimizer: torch.optim.Optimizer, *_: Any, weight: torch.nn.Parameter = weight) -> None:
                with torch.no_grad():
                    weight.view(-1)[0] = torch.nextafter(weight.view(-1)[0], torch.tensor(torch.inf))

            loop.optimizer.register_step_post_hook(spoil)
        with watched(loop) as done:
            loop.advance()
        deeds.append(done)
    parting = first_parting(5, *deeds)
    assert parting is not None
    assert (parting.step, parting.module, parting.operation) == (5, name, "optimiser update")
    assert first_parting(5, deeds[0], deeds[0]) is None


# The words.

IN, OUT = Deed("input", "model.layers.0.mlp.up", "a"), Deed("output", "model.layers.0.mlp.gate", "b")


@pytest.mark.parametrize(
    ("ours", "theirs", "module", "operation"),
    [
        ([OUT], [OUT._replace(digest="x")], "model.layers.0.mlp.gate", "forward"),
        (
            [OUT, IN],
            [OUT, IN._replace(digest="x")],
            "model.layers.0.mlp",
            "forward, between model.layers.0.mlp.gate and what up is given",
        ),
        ([IN], [IN._replace(digest="x")], "model.layers.0.mlp", "forward, what up is given"),
        ([Deed("loss", "", "a")], [Deed("loss", "", "b")], "", "loss of the objective"),
        ([Deed("example", "1", "a")], [Deed("example", "1", "b")], "1", "content of the example"),
        (
            [Deed("example", "1", "a")],
            [Deed("example", "2", "b")],
            "1",
            "the other run has the example 2 in its place",
        ),
        ([OUT, IN], [OUT], "model.layers.0.mlp.up", "only one of the runs comes to this (input)"),
        ([IN], [OUT], "model.layers.0.mlp.up", "input, where the other run comes to output of model.layers.0.mlp.gate"),
    ],
)
def test_a_parting_in_words(ours: list[Deed], theirs: list[Deed], module: str, operation: str) -> None:
    parting = first_parting(3, [Deed("loss", "", "0"), *ours], [Deed("loss", "", "0"), *theirs])
    assert parting is not None
    assert (parting.module, parting.operation) == (module, operation)
    assert parting.forward_pass == (None if ours[-1].kind == "example" else 2)


@pytest.mark.parametrize(
    ("kind", "forward_pass"), [("input", 3), ("loss", 3), ("backward", 2), ("gradient", 2), ("clipped", None)]
)
def test_a_pass_ends_forward_with_its_loss(kind: Any, forward_pass: int | None) -> None:
    before = [Deed("loss", "", "1"), Deed("gradient", "w", "1"), Deed("loss", "", "2")]
    parting = first_parting(3, [*before, Deed(kind, "m", "a")], [*before, Deed(kind, "m", "b")])
    assert parting is not None
    assert parting.forward_pass == forward_pass
