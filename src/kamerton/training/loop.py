"""The trainer of transformers with our order of examples, our checkpoints and our journal."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from kamerton.ground.digests import canonical_json
from kamerton.ground.errors import StorageError, VerdictError
from kamerton.ground.files import storage_errors
from kamerton.journal import RunFolder, Trace, TraceStep
from kamerton.models.adapters import trainable_parameters
from kamerton.training.batches import EpochSampler, batch_digest, collate
from kamerton.training.checkpoint import (
    JOURNAL,
    Checkpoint,
    load_random_state,
    load_state,
    newest_whole,
    prune,
    save_state,
)
from kamerton.training.examples import Example

__all__ = ["JournalCallback", "KamertonTrainer"]


class KamertonTrainer(Trainer):
    """Departs from its parent in five places: the order of examples, the length of each epoch, checkpoints, the trace,
    and non-finite numbers."""

    def __init__(
        self,
        *,
        model: Any,
        args: TrainingArguments,
        parts: dict[str, list[Example]],
        pad: int,
        base: str,
        run: RunFolder,
        epochs: Sequence[int],
    ):
        """
        Args:
            base: digest of what training starts from; a checkpoint goes on only from the same.
            epochs: forward passes of each epoch that the run begins.
        """
        super().__init__(
            model=model,
            args=args,
            train_dataset=parts["train"],
            eval_dataset=parts["validation"] or None,
            data_collator=partial(collate, pad=pad),
        )
        self.run = run
        self.trace = Trace(run.path)
        self._network: torch.nn.Module = model
        self._parts = parts
        self._pad = pad
        self._base = base
        self._epochs = epochs
        self.seen_tokens = 0
        self._step_batches: list[dict[str, torch.Tensor]] = []
        self._step_loss = 0.0
        self._step_grad_norm = math.nan

    # -- order ---------------------------------------------------------------------------------------------------
    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return EpochSampler(self._parts["train"], self.args.train_batch_size, self.args.seed)

    # -- epochs: weighted ones differ in length, the parent's are all as long as the first ---------------------------
    def set_initial_training_values(self, args: TrainingArguments, dataloader: Any) -> Any:
        _, *others = super().set_initial_training_values(args, dataloader)
        return (len(self._epochs), *others)

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        super()._init_training_state(*args, **kwargs)
        step = self.state.global_step
        for epoch, batches in enumerate(self._epochs):
            if step < self._steps(batches):
                return epoch, step * self.args.gradient_accumulation_steps
            step -= self._steps(batches)
        return len(self._epochs), 0

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        batches = self._epochs[kwargs["epoch"]]
        kwargs |= {"steps_in_epoch": batches, "num_update_steps_per_epoch": self._steps(batches)}
        super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _steps(self, batches: int) -> int:
        return math.ceil(batches / self.args.gradient_accumulation_steps)

    # -- trace and non-finite numbers ------------------------------------------------------------------------------
    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        self._step_batches.append({name: inputs[name] for name in ("input_ids", "labels")})
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._step_loss += loss.item()
        if not math.isfinite(self._step_loss):
            raise self._not_finite("the loss", self._step_loss, self.trace.steps + 1)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[no-untyped-call]
        self._step_grad_norm = float(norm)
        if not math.isfinite(self._step_grad_norm):
            raise self._not_finite("the gradient norm", self._step_grad_norm, self.trace.steps + 1)
        return norm

    def _not_finite(self, what: str, value: float, step: int) -> VerdictError:
        under_way = step > self.trace.steps
        when = f"at step {step}" if under_way else f"after step {step}"
        ending = "; training stopped before the weights were touched" if under_way else "; training stopped"
        last, _ = newest_whole(self.run.checkpoints)
        return VerdictError(
            f"{what} became {value} {when}{ending}",
            where=self.run.run_id,
            expected="finite numbers",
            mend=f"lower training.learning_rate (now {self.args.learning_rate:g}); "
            + (f"the checkpoint at step {last.step} is whole" if last else "no checkpoint was written yet"),
        )

    def seal_step(self, learning_rate: float) -> TraceStep:
        """Write the step that has just ended to the trace."""
        tokens = sum(int((batch["labels"][:, 1:] != -100).sum()) for batch in self._step_batches)
        sealed = self.trace.append(
            loss=self._step_loss,
            grad_norm=self._step_grad_norm,
            learning_rate=learning_rate,
            tokens=tokens,
            batch=batch_digest(self._step_batches),
        )
        self.seen_tokens += tokens
        self._step_batches, self._step_loss = [], 0.0
        return sealed

    # -- checkpoints -----------------------------------------------------------------------------------------------
    def _save_checkpoint(self, model: Any, trial: Any = None) -> None:
        self.trace.sync()
        step = self.state.global_step
        journal = {"step": step, "seen_tokens": self.seen_tokens, "trace_head": self.trace.head, "base": self._base}
        documents = {JOURNAL: canonical_json(journal) + "\n", TRAINER_STATE_NAME: _state_json(self.state)}
        save_state(self.run.checkpoints, step, trainable_parameters(self._network), self._adamw, documents)
        prune(self.run.checkpoints, self.args.save_total_limit or 1, step)

    @property
    def _adamw(self) -> torch.optim.Optimizer:
        """The optimiser itself, without the wrapper that accelerate puts around it."""
        inner: torch.optim.Optimizer = self.optimizer.optimizer  # type: ignore[union-attr]
        return inner

    def resume(self, checkpoint: Checkpoint) -> None:
        """Train on from a verified checkpoint, as if nothing had happened.

        Raises:
            StorageError: the base model or the trace is not the one that the checkpoint was made with.
        """
        if checkpoint.journal.get("base", "") != self._base:
            raise StorageError(
                "the base model has other bytes than when the run began",
                where=self.run.run_id,
                mend="restore the base model, or train the recipe again",
            )
        self._checkpoint = checkpoint
        self.seen_tokens = int(checkpoint.journal["seen_tokens"])
        self.trace.keep(checkpoint.step)
        if self.trace.head != checkpoint.journal["trace_head"]:
            raise StorageError("the trace is not the one that the checkpoint was made with", where=self.run.run_id)
        if checkpoint.step >= self.args.max_steps:
            # Only the model was not written yet. The parent would go on to the end of the epoch.
            load_state(checkpoint, trainable_parameters(self._network), None)
            return
        self.train(resume_from_checkpoint=str(checkpoint.path))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_state(self._checkpoint, trainable_parameters(self._network), None)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        load_state(self._checkpoint, trainable_parameters(self._network), self._adamw)
        # The schedule is a function of the step: nothing of it needs to be stored.
        schedule = self.lr_scheduler
        assert isinstance(schedule, torch.optim.lr_scheduler.LambdaLR)
        schedule.last_epoch = self._checkpoint.step
        shares = [share(schedule.last_epoch) for share in schedule.lr_lambdas]
        for group, base, share in zip(self._adamw.param_groups, schedule.base_lrs, shares, strict=True):
            group["lr"] = base * share

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            load_random_state(self._checkpoint)

    # -- validation ------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def evaluate(
        self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval"
    ) -> dict[str, float]:
        """Mean negative log-likelihood per trained token of the validation part, in nats."""
        self._network.eval()
        nll, tokens = 0.0, 0
        examples, width = self._parts["validation"], self.args.eval_batch_size
        for begin in range(0, len(examples), width):
            batch = self._prepare_inputs(dict(collate(examples[begin : begin + width], self._pad)))
            count = int((batch["labels"][:, 1:] != -100).sum())
            with self.compute_loss_context_manager():
                nll += float(self._network(**batch).loss) * count
            tokens += count
        self._network.train()
        if not math.isfinite(nll):
            raise self._not_finite("the validation loss", nll, self.trace.steps)
        metrics = {f"{metric_key_prefix}_loss": nll / max(tokens, 1)}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _state_json(state: TrainerState) -> str:
    """The parent's own state in the form in which it reads it back."""
    with (
        storage_errors(Path(tempfile.gettempdir())),
        tempfile.NamedTemporaryFile("r", suffix=".json", encoding="utf-8") as file,
    ):
        state.save_to_json(file.name)
        return file.read()


class JournalCallback(TrainerCallback):
    """Writes the journal, answers requests to stop, and measures the rate."""

    def __init__(
        self, trainer: KamertonTrainer, stop: Callable[[], bool], on_step: Callable[[dict[str, Any]], None]
    ) -> None:
        self._trainer = trainer
        self._stop = stop
        self._on_step = on_step
        self._began = 0.0
        self._rate = 0.0
        self.stopped = False

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._began = time.monotonic()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **kwargs: Any) -> None:
        # Read here, because the schedule has moved on when the step ends.
        self._rate = float(optimizer.param_groups[0]["lr"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        trainer = self._trainer
        before = trainer.seen_tokens
        sealed = trainer.seal_step(self._rate)
        seconds = max(time.monotonic() - self._began, 1e-9)
        event = {
            "step": state.global_step,
            "steps": state.max_steps,
            "epoch": state.epoch,
            "loss": sealed.loss,
            "grad_norm": sealed.grad_norm,
            "learning_rate": sealed.learning_rate,
            "tokens_per_second": round((trainer.seen_tokens - before) / seconds, 1),
        }
        trainer.run.event("step", **event)
        self._on_step(event)
        if self._stop() and state.global_step < state.max_steps:
            self.stopped = control.should_save = control.should_training_stop = True

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        loss = (metrics or {}).get("eval_loss")
        if loss is not None:
            self._trainer.run.event("evaluated", step=state.global_step, loss=float(loss))
            self._on_step({"step": state.global_step, "steps": state.max_steps, "validation_loss": float(loss)})

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._trainer.run.event("saved", step=state.global_step)
