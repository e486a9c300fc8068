"""The loop: one optimiser step after the other, each a pure function of the recipe, the data and the step before."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from kamerton.ground.errors import StorageError, VerdictError
from kamerton.ground.rng import stream_seed
from kamerton.journal import RunFolder, Trace
from kamerton.models.methods import parameter_groups, trainable_parameters
from kamerton.recipe import Method, TrainingSection
from kamerton.training.checkpoint import (
    Checkpoint,
    load_state,
    newest_whole,
    prune,
    read_checkpoint,
    save_state,
    state_digest,
)
from kamerton.training.examples import Example
from kamerton.training.memory import peak_mib
from kamerton.training.monitors.history import Ended
from kamerton.training.monitors.journal import step_record
from kamerton.training.monitors.live import LiveAlarms
from kamerton.training.network import Network
from kamerton.training.objectives import Objective
from kamerton.training.optimizer import build_optimizer
from kamerton.training.order import Plan, step_digest
from kamerton.training.parallel import whole
from kamerton.training.schedule import rate_share
from kamerton.training.validation import Best, measure

__all__ = ["Loop", "Told"]

Told = Callable[[dict[str, Any]], None]
"""Called after each step and each validation with what the journal says of it."""


@dataclass
class _Step:
    """What one step came to."""

    loss: float = 0.0
    grad_norm: float = math.nan
    tokens: int = 0
    metrics: dict[str, float] = field(default_factory=dict)


class Loop:
    """Trains from a step to another, and writes journal and checkpoints on the way."""

    def __init__(
        self,
        network: Network,
        objective: Objective,
        method: Method,
        plan: Plan,
        validation: list[Example],
        run: RunFolder,
        base: str,
    ) -> None:
        """
        Args:
            run: where this process writes its journal; checkpoints are read and written by the main one alone.
            base: digest of what training starts from; a checkpoint goes on only from the same.
        """
        self.processes = network.processes
        self.network = network
        self.objective = objective
        self.plan = plan
        self.validation = validation
        self.run = run
        self.trace = Trace(run.path)
        self.seen_tokens = 0
        self.step = 0
        self.best = Best()
        self.alarms = LiveAlarms(plan.options.alarms, run)
        self._base = base
        self._options: TrainingSection = plan.options
        self.weights = trainable_parameters(network.loaded.model)
        rate = self._options.learning_rate
        assert rate is not None, "a resolved recipe names it"
        self.optimizer = build_optimizer(parameter_groups(network.loaded.model, method, rate), self._options.optimizer)
        self._rates = [float(group["lr"]) for group in self.optimizer.param_groups]

    def train(self, stop: Callable[[], bool], told: Told) -> bool:
        """Train from the step reached to the last one.

        Returns:
            whether it came to its end: False after a request to stop.

        Raises:
            VerdictError: a loss or gradient became non-finite, or an alarm stopped the run; a checkpoint was written.
            StorageError: a checkpoint could not be written; the one before is whole.
        """
        self.network.model.train()
        if self.alarms.halted is not None:
            self._halt()
        while self.step < self.plan.steps and not self._waited_long:
            began = time.monotonic()
            tokens = self.seen_tokens
            event = self.advance()
            seconds = max(time.monotonic() - began, 1e-9)
            event |= {
                "tokens_per_second": round((self.seen_tokens - tokens) / seconds, 1),
                "seconds": round(seconds, 4),
                "memory_mib": peak_mib(self.network.device),
            }
            self.run.event("step", **event)
            told(event)
            self.alarms.measure_start()
            assert self.trace.last is not None
            self.alarms.after(step_record(self.trace.last, event))
            last = self.step == self.plan.steps
            lowest = (self._due(self._evaluate_every) or last) and self._validate(told)
            if self._waited_long and not last:
                self.run.event("early_stopped", step=self.step, waited=self.best.waited)
            ended = last or self._waited_long
            asked = self.processes.any(stop()) and not ended
            halted = self.processes.any(self.alarms.halted is not None) and not ended
            if self._due(self._options.checkpoint_every) or ended or asked or halted or (lowest and self._keeps_best):
                self.save()
            if asked:
                return False
            if halted:
                self._halt()
        self.run.event("trained", step=self.step)
        self.alarms.after(Ended(self.step))
        return True

    def _halt(self) -> None:
        """End the run where an alarm asks for it."""
        alarm = self.alarms.halted
        told = f"the alarm {alarm}" if alarm else "an alarm of another process"
        raise VerdictError(
            f"{told}; the run was stopped",
            where=self.run.run_id,
            expected=alarm.change if alarm else "",
            mend=f"kamerton train --resume {self.run.run_id} goes on past it, from step {self.step}",
        )

    @property
    def _keeps_best(self) -> bool:
        return self._options.finish_with == "best"

    @property
    def _waited_long(self) -> bool:
        """Whether early stopping ends the run here; a run that is resumed at its end knows it too."""
        rule = self._options.early_stopping
        return rule is not None and self.best.waited >= rule.patience

    @property
    def _evaluate_every(self) -> int:
        return self._options.evaluate_every or self.plan.steps_per_epoch

    def _due(self, every: int) -> bool:
        return self.step % every == 0

    # -- a step ----------------------------------------------------------------------------------------------------
    def advance(self) -> dict[str, Any]:
        """One optimiser step, sealed in the trace; the event that tells of it."""
        number = self.step + 1
        share = rate_share(number, self.plan.steps, self.plan.warmup, self._options)
        for group, highest in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = highest * share
        learned, done = self._gradients(number)
        norm = torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self._options.optimizer.max_grad_norm)
        done.grad_norm = float(whole(norm))
        action = self.alarms.before_update(number, done.loss, done.grad_norm)
        if action == "stop":
            self._withhold(number, done)
        if action == "go":
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step = number
        self.seen_tokens += done.tokens
        regular = self._due(self._options.checkpoint_every) or number == self.plan.steps
        sealed = self.trace.append(
            loss=_told(done.loss),
            grad_norm=_told(done.grad_norm),
            learning_rate=self._rates[0] * share,
            tokens=done.tokens,
            batch=step_digest(learned),
            state=state_digest(self.weights, self.optimizer) if regular else "",
            skipped=action == "skip",
        )
        self.alarms.sealed(sealed)
        epoch, place = self.plan.epoch_of(number)
        return {
            "step": number,
            "steps": self.plan.steps,
            "epoch": round(epoch + (place + 1) / self.plan.epochs[epoch], 4),
            "loss": sealed.loss,
            "grad_norm": sealed.grad_norm,
            "learning_rate": sealed.learning_rate,
        } | ({"metrics": done.metrics} if done.metrics else {})

    def _gradients(self, number: int) -> tuple[list[Example], _Step]:
        """Forward and backward over the examples of a step; its loss is the mean over all their units."""
        seed_step(self._options.seed, number)
        examples, context = self.objective.begin_step(self.network, self.plan.step(number), number)
        units = sum(self.objective.units(example) for example in examples)
        done = _Step(tokens=sum(example.trained for example in examples))
        group = self.processes
        batches = list(self.network.batches(group.part(examples) or examples[:1]))
        learned = len(batches) if group.part(examples) else 0
        passes = group.most(len(batches))
        for done_passes in range(passes):
            group.synchronise(self.network.model, last=done_passes == passes - 1)
            # All processes make as many passes; those of a process that has done its part teach nothing.
            batch, share = (batches[done_passes], 1.0) if done_passes < learned else (batches[0], 0.0)
            loss = self.objective.loss(self.network, batch, context)
            mean = loss.total * (share / units)
            (mean * group.world).backward()  # a group takes the mean of its gradients
            done.loss += float(mean.detach())
            for name, value in loss.metrics.items():
                done.metrics[name] = done.metrics.get(name, 0.0) + share * value / len(examples)
        done.loss, *metrics = group.total([done.loss, *done.metrics.values()])
        done.metrics = dict(zip(done.metrics, metrics, strict=True))
        done.loss += self.objective.regularise(self.weights)
        return examples, done

    def _withhold(self, number: int, done: _Step) -> None:
        """End the run before a step touches the weights."""
        self.alarms.withheld(number, done.loss, done.grad_norm)
        self._must_be_finite("the loss", done.loss, number)
        self._must_be_finite("the gradient norm", done.grad_norm, number)
        self.save()
        self._halt()

    def _must_be_finite(self, what: str, value: float, step: int) -> None:
        if math.isfinite(value):
            return
        under_way = step > self.step
        when = f"at step {step}" if under_way else f"after step {step}"
        ending = "; training stopped before the weights were touched" if under_way else "; training stopped"
        last, _ = newest_whole(self.run.checkpoints)
        raise VerdictError(
            f"{what} became {value} {when}{ending}",
            where=self.run.run_id,
            expected="finite numbers",
            mend=f"lower training.learning_rate (now {self._options.learning_rate:g}); "
            + (f"the checkpoint at step {last.step} is whole" if last else "no checkpoint was written yet"),
        )

    # -- validation ------------------------------------------------------------------------------------------------
    def _validate(self, told: Told) -> bool:
        """Measure; returns whether the loss is the lowest so far."""
        self.alarms.probe(self.step)
        if not self.validation:
            return False
        measured = measure(self.network, self.objective, self.validation, self.step)
        self._must_be_finite("the validation loss", measured.loss, self.step)
        extra = {"metrics": measured.metrics} if measured.metrics else {}
        over = self.alarms.compare(measured, self.best.lowest)
        error = None if math.isnan(measured.error) else measured.error  # of a single example
        self.run.event("evaluated", step=self.step, loss=measured.loss, error=error, **over, **extra)
        self.alarms.evaluated(measured, over)
        told({"step": self.step, "steps": self.plan.steps, "validation_loss": measured.loss})
        return self.best.add(measured)

    # -- checkpoints -----------------------------------------------------------------------------------------------
    def save(self) -> None:
        """Write a checkpoint of the step reached."""
        self.trace.sync()
        journal = {
            "step": self.step,
            "seen_tokens": self.seen_tokens,
            "trace_head": self.trace.head,
            "base": self._base,
            "best": self.best.document(),
            "objective": self.objective.state(),
        }
        writes = self.processes.main
        save_state(self.run.checkpoints, self.step, self.weights, self.optimizer, journal, write=writes)
        if writes:
            prune(self.run.checkpoints, self._options.keep_checkpoints, self.step, self.spared)
        self.run.event("saved", step=self.step)

    def spared(self, step: int) -> bool:
        """Checkpoints that stay whatever their age."""
        regular, lowest = self._options.keep_every, self.best.lowest
        best = self._keeps_best and lowest is not None and lowest.step == step
        return best or (regular is not None and step % regular == 0)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Stand where a verified checkpoint stood.

        Raises:
            StorageError: base model or trace is not the one that the checkpoint was made with, or the state is not
                the one that the trace sealed.
        """
        if checkpoint.journal.get("base", "") != self._base:
            raise StorageError(
                "the base model has other bytes than when the run began",
                where=self.run.run_id,
                mend="restore the base model, or train the recipe again",
            )
        self.trace.keep(checkpoint.step)
        if self.trace.head != checkpoint.journal["trace_head"]:
            raise StorageError("the trace is not the one that the checkpoint was made with", where=self.run.run_id)
        load_state(checkpoint, self.weights, self.optimizer)
        sealed = self.trace.last.state if self.trace.last else ""
        if sealed and state_digest(self.weights, self.optimizer) != sealed:
            raise StorageError(
                f"the checkpoint of step {checkpoint.step} holds another state than the trace sealed",
                where=str(checkpoint.path),
                mend="remove it: the run then goes on from the one before",
            )
        self.step = checkpoint.step
        self.seen_tokens = int(checkpoint.journal["seen_tokens"])
        self.best = Best.read(checkpoint.journal["best"])
        self.alarms.replay()
        self.objective.restore(checkpoint.journal.get("objective", {}))

    def best_step(self, checkpoint: Checkpoint) -> int | None:
        """The step whose checkpoint the finished model may be taken from, as a checkpoint knows it."""
        lowest = Best.read(checkpoint.journal["best"]).lowest if self._keeps_best else None
        return lowest.step if lowest is not None else None

    def take_best(self) -> None:
        """Put the weights of the lowest validation loss in place.

        Raises:
            StorageError: their checkpoint is damaged.
        """
        if not self._keeps_best or self.best.lowest is None or self.best.lowest.step == self.step:
            return
        load_state(read_checkpoint(self.run.checkpoints, self.best.lowest.step), self.weights, None)


def _told(value: float) -> float | None:
    """JSON has no number that is none."""
    return value if math.isfinite(value) else None


def seed_step(seed: int, step: int) -> None:
    """What a step draws from a library's own generators, such as dropout, is a function of the seed and the step."""
    drawn = stream_seed(seed, step, "step")
    random.seed(drawn)
    np.random.seed(drawn % 2**32)
    torch.manual_seed(drawn % 2**63)
