"""One training from prepared examples to a finished model folder."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kamerton.ground.digests import digest, folder_digests
from kamerton.ground.errors import Interrupted, KamertonError
from kamerton.ground.files import storage_errors, swap_folder
from kamerton.ground.signals import stop_signals
from kamerton.journal import RunFolder, read_events, read_trace
from kamerton.models.load import LoadedModel
from kamerton.models.methods import WEIGHTS, save_finished
from kamerton.recipe import Method, Recipe
from kamerton.records import RunResult
from kamerton.training.checkpoint import newest_whole, prune
from kamerton.training.examples import Example
from kamerton.training.loop import Loop, Told
from kamerton.training.monitors.facts import example_facts
from kamerton.training.monitors.probes import Probes
from kamerton.training.network import Network
from kamerton.training.objectives import Objective
from kamerton.training.order import plan_steps
from kamerton.training.parallel import ALONE, Processes

__all__ = ["open_loop", "run_training", "watch"]


def run_training(
    loaded: LoadedModel,
    objective: Objective,
    parts: dict[str, list[Example]],
    recipe: Recipe,
    run: RunFolder,
    on_progress: Told | None = None,
    *,
    processes: Processes = ALONE,
) -> RunResult:
    """Train, or train on from the newest whole checkpoint of the run; write the finished model.

    Args:
        loaded: the model with the method already applied.
        parts: `train` and `validation` examples; the weights of the former say how often an epoch shows each.
        processes: those that share the run; all but the main one keep their journals in folders below it.

    Raises:
        Interrupted: SIGINT, SIGTERM or `kamerton stop`; a checkpoint was written.
        DataError: the weights leave an epoch without any example.
        VerdictError: a loss or gradient became non-finite.
        StorageError: a checkpoint could not be written; the one before is whole.
    """
    own = run if processes.main else run.of_rank(processes.rank)
    with _failure_told(own), _attempt_timed(own), _stop_requests(run) as stop:
        told = on_progress or (lambda event: None)
        loop = open_loop(loaded, objective, parts, recipe, own, told, processes)
        _begin(loop, run, own)
        watch(loop, parts, told)
        ended = loop.train(stop, told)
    if not ended:
        own.event("stopped", step=loop.step, reason="requested")
        raise Interrupted(
            f"stopped at step {loop.step} of {loop.plan.steps}; a checkpoint is saved",
            where=run.run_id,
            mend=f"kamerton train --resume {run.run_id}",
        )
    with _failure_told(own):
        loop.take_best()
        processes.must_agree("the trace", loop.trace.head)
        processes.gather(loaded.model)
        if processes.main:
            _write_model(loaded, recipe.method, run)
        processes.wait()
        return _result(recipe.method, run)


def open_loop(
    loaded: LoadedModel,
    objective: Objective,
    parts: dict[str, list[Example]],
    recipe: Recipe,
    own: RunFolder,
    told: Told,
    processes: Processes = ALONE,
) -> Loop:
    """A loop before its first step; for the arguments see `run_training`.

    Args:
        own: where this process keeps its journal.
    """
    options = recipe.training
    plan = plan_steps(parts["train"], options)
    network = Network(loaded, options.compute, processes)
    objective.start(network, parts, told)
    network.share()
    base = digest([loaded.files.weights, loaded.files.tokenizer()]) if loaded.files else ""
    return Loop(network, objective, recipe.method, plan, parts["validation"], own, base)


def _begin(loop: Loop, run: RunFolder, own: RunFolder) -> None:
    """Stand at the newest whole checkpoint, or at the beginning."""
    processes = loop.processes
    found = newest_whole(run.checkpoints, loop.best_step) if processes.main else None
    checkpoint, passed = processes.tell(found)
    for sentence in passed:
        own.event("passed_over", checkpoint=sentence)
    if checkpoint is None:
        loop.trace.keep(0)
        own.event("started", steps=loop.plan.steps, processes=processes.world)
    else:
        if not processes.main:
            shutil.copyfile(run.trace_file, own.trace_file)
        loop.resume(checkpoint)
        own.event("resumed", step=checkpoint.step, steps=loop.plan.steps, processes=processes.world)
    processes.wait()
    if processes.main:
        step = checkpoint.step if checkpoint else 0
        prune(run.checkpoints, loop.plan.options.keep_checkpoints, step, loop.spared)


def watch(loop: Loop, parts: dict[str, list[Example]], told: Told) -> None:
    """Look at the examples and the start model before the first step."""
    options, loaded = loop.plan.options, loop.network.loaded
    ends = {int(token) for token in loaded.tokenizer.all_special_ids} | {loaded.format.end_id}
    facts = {
        "steps": loop.plan.steps,
        "steps_per_epoch": loop.plan.steps_per_epoch,
        "passes": loop.plan.passes,
        "rewarded": loop.objective.rewarded,
        "overridden": loaded.template != "tokenizer" and bool(loaded.tokenizer.chat_template),
    }
    if loop.step == 0:
        answered = loop.objective.builder.answered
        facts |= example_facts(
            parts["train"], loop.validation, ends, options.max_length, options.seed, answered=answered
        )
    probes = Probes(loop.network, loop.objective, loop.validation, parts.get("general", []))
    loop.alarms.begin(loop.step, facts, probes, told)


@contextmanager
def _failure_told(run: RunFolder) -> Iterator[None]:
    """The event `failed` is the last one of a run that failed."""
    try:
        yield
    except KamertonError as error:
        run.event("failed", reason=error.what, error=type(error).__name__)
        raise


@contextmanager
def _attempt_timed(run: RunFolder) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        run.event("attempt", seconds=round(time.monotonic() - began, 3))


@contextmanager
def _stop_requests(run: RunFolder) -> Iterator[Callable[[], bool]]:
    """SIGINT, SIGTERM and `kamerton stop` ask for a checkpoint after the step; a second SIGINT is not waited for."""
    asked = threading.Event()

    def ask(number: int, frame: object) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    with stop_signals(ask):
        yield lambda: asked.is_set() or run.stop_file.exists()


def _write_model(loaded: LoadedModel, method: Method, run: RunFolder) -> None:
    """Write the model folder whole, or not at all."""
    ready = run.path / ".model.part"
    with storage_errors(run.model):
        shutil.rmtree(ready, ignore_errors=True)
        save_finished(loaded, method, ready)
        swap_folder(ready, run.model)


def _result(method: Method, run: RunFolder) -> RunResult:
    """What the run made, read from its files."""
    files = folder_digests(run.model)
    trace = read_trace(run.path)
    events = read_events(run.path)
    losses = [step.loss for step in trace if step.loss is not None]
    attempts = [event for event in events if event["kind"] == "attempt"]
    return RunResult(
        steps=len(trace),
        tokens=sum(step.tokens for step in trace),
        files=files,
        model_sha256=files[WEIGHTS[method.kind]],
        trace_head=trace[-1].hash,
        first_loss=losses[0],
        last_loss=losses[-1],
        seconds=round(sum(float(event["seconds"]) for event in attempts), 3),
        attempts=sum(event["kind"] in {"started", "resumed"} for event in events),
    )
