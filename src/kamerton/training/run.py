"""One training from prepared examples to a finished model folder."""

from __future__ import annotations

import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from transformers import PrinterCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from kamerton.ground.digests import digest, folder_digests
from kamerton.ground.errors import DataError, Interrupted, KamertonError
from kamerton.ground.files import storage_errors, swap_folder
from kamerton.journal import RunFolder, read_events, read_trace
from kamerton.models.adapters import WEIGHTS, save_finished
from kamerton.models.load import LoadedModel
from kamerton.recipe import Method, TrainingSection
from kamerton.records import RunResult
from kamerton.training.batches import epoch_size
from kamerton.training.checkpoint import newest_whole, prune
from kamerton.training.examples import Example
from kamerton.training.loop import JournalCallback, KamertonTrainer

__all__ = ["Progress", "plan_steps", "run_training"]

Progress = Callable[[dict[str, Any]], None]
"""Called after each step and each validation with what the journal says of it."""


@dataclass(frozen=True)
class Plan:
    """How many forward passes and optimiser steps there are."""

    steps_per_epoch: int
    """Of an epoch as long as the average one."""
    steps: int
    warmup: int
    batches: tuple[int, ...]
    """Forward passes of each epoch that the run begins; weighted epochs differ in length."""


def plan_steps(examples: Sequence[Example], options: TrainingSection) -> Plan:
    """Steps of a run over these training sequences.

    Raises:
        DataError: the weights leave an epoch without any example.
    """
    expected = max(round(math.fsum(example.weight for example in examples)), 1)
    per_epoch = _steps(math.ceil(expected / options.batch_size), options)
    batches: list[int] = []
    done = 0
    while done < options.max_steps if options.max_steps else len(batches) < options.epochs:
        size = epoch_size(examples, options.seed, len(batches))
        if not size:
            raise DataError(
                f"the weights leave epoch {len(batches) + 1} without any row",
                expected=f"weights that show many rows an epoch; those of the {len(examples)} rows sum to {expected}",
                mend="raise the weights of data.train",
            )
        batches.append(math.ceil(size / options.batch_size))
        done += _steps(batches[-1], options)
    last = _steps(batches[-1], options)
    # Of the last epoch only as much as `epochs` asks for; the ones before it are whole.
    steps = options.max_steps or done - last * len(batches) + math.ceil(last * options.epochs)
    warmup = options.warmup_steps if options.warmup_steps is not None else math.ceil(0.05 * steps)
    return Plan(per_epoch, steps, warmup, tuple(batches))


def _steps(batches: int, options: TrainingSection) -> int:
    return math.ceil(batches / options.accumulation)


def run_training(
    loaded: LoadedModel,
    parts: dict[str, list[Example]],
    method: Method,
    options: TrainingSection,
    run: RunFolder,
    on_progress: Progress | None = None,
) -> RunResult:
    """Train, or train on from the newest whole checkpoint of the run; write the finished model.

    Args:
        loaded: the model with the method already applied.
        parts: `train` and `validation` examples; the weights of the former say how often an epoch shows each.

    Raises:
        Interrupted: SIGINT, SIGTERM or `kamerton stop`; a checkpoint was written.
        DataError: the weights leave an epoch without any example.
        VerdictError: a loss or gradient became non-finite.
        StorageError: a checkpoint could not be written; the one before is whole.
    """
    with _failure_told(run):
        plan = plan_steps(parts["train"], options)
    trainer = KamertonTrainer(
        model=loaded.model,
        args=_arguments(plan, options, run, loaded.device.type, validate=bool(parts["validation"])),
        parts=parts,
        pad=loaded.pad_id,
        base=digest([loaded.files.weights(), loaded.files.tokenizer()]) if loaded.files else "",
        run=run,
        epochs=plan.batches,
    )
    checkpoint, passed = newest_whole(run.checkpoints)
    for sentence in passed:
        run.event("passed_over", checkpoint=sentence)
    prune(run.checkpoints, options.keep_checkpoints, checkpoint.step if checkpoint else 0)
    with _failure_told(run), _attempt_timed(run), _stop_requests(run) as stop:
        journal = JournalCallback(trainer, stop, on_progress or (lambda event: None))
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(journal)
        if checkpoint is None:
            trainer.trace.keep(0)
            run.event("started", steps=plan.steps)
            trainer.train()
        else:
            run.event("resumed", step=checkpoint.step, steps=plan.steps)
            trainer.resume(checkpoint)
    if journal.stopped:
        step = trainer.state.global_step
        run.event("stopped", step=step, reason="requested")
        raise Interrupted(
            f"stopped at step {step} of {plan.steps}; a checkpoint is saved",
            where=run.run_id,
            mend=f"kamerton train --resume {run.run_id}",
        )
    with _failure_told(run):
        return _finish(trainer, loaded, method, run)


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


def _arguments(
    plan: Plan, options: TrainingSection, run: RunFolder, device: str, *, validate: bool
) -> TrainingArguments:
    assert options.learning_rate is not None, "a resolved recipe names it"
    schedule = "constant_with_warmup" if options.schedule == "constant" else options.schedule
    cosine_floor = options.schedule == "cosine" and options.min_rate_share > 0
    transformers_logging.set_verbosity_error()
    return TrainingArguments(
        output_dir=str(run.path / "trainer"),
        use_cpu=device == "cpu",
        max_steps=plan.steps,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        gradient_accumulation_steps=options.accumulation,
        learning_rate=options.learning_rate,
        lr_scheduler_type="cosine_with_min_lr" if cosine_floor else schedule,
        lr_scheduler_kwargs={"min_lr_rate": options.min_rate_share} if cosine_floor else {},
        warmup_steps=plan.warmup,
        weight_decay=options.weight_decay,
        adam_beta2=options.beta2,
        max_grad_norm=options.max_grad_norm,
        optim="adamw_torch_fused" if device == "cuda" else "adamw_torch",
        bf16=options.precision == "bf16",
        seed=options.seed,
        eval_strategy="steps" if validate else "no",
        eval_steps=options.evaluate_every or plan.steps_per_epoch,
        save_strategy="steps",
        save_steps=options.checkpoint_every,
        save_total_limit=options.keep_checkpoints,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=device == "cuda",
    )


@contextmanager
def _stop_requests(run: RunFolder) -> Iterator[Callable[[], bool]]:
    """SIGINT, SIGTERM and `kamerton stop` ask for a checkpoint after the step; a second SIGINT is not waited for."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield run.stop_file.exists
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked.is_set() or run.stop_file.exists()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _finish(trainer: KamertonTrainer, loaded: LoadedModel, method: Method, run: RunFolder) -> RunResult:
    """Write the model folder whole and say what it holds."""
    ready = run.path / ".model.part"
    with storage_errors(run.model):
        shutil.rmtree(ready, ignore_errors=True)
        save_finished(loaded, method, ready)
        swap_folder(ready, run.model)
        shutil.rmtree(run.path / "trainer", ignore_errors=True)
    files = folder_digests(run.model)
    trace = read_trace(run.path)
    events = read_events(run.path)
    attempts = [event for event in events if event["kind"] == "attempt"]
    return RunResult(
        steps=len(trace),
        tokens=sum(step.tokens for step in trace),
        files=files,
        model_sha256=files[WEIGHTS[method.kind]],
        trace_head=trace[-1].hash,
        first_loss=trace[0].loss,
        last_loss=trace[-1].loss,
        seconds=round(sum(float(event["seconds"]) for event in attempts), 3),
        attempts=sum(event["kind"] in {"started", "resumed"} for event in events),
    )
