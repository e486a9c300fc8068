"""What a reference model says of the answers, computed once before the first step.

Only numbers stay: no second model is in memory while training. The field keeps one by default (TRL, LLaMA-Factory), or
computes the same numbers beforehand (`precompute_ref_log_probs` of TRL).
"""

from __future__ import annotations

from collections.abc import Sequence

from kamerton.ground.errors import RecipeError
from kamerton.models.load import LoadedModel
from kamerton.training.examples import Example
from kamerton.training.network import Network
from kamerton.training.objectives.base import Objective, Told

__all__ = ["Reference"]


class Reference:
    """Log-probabilities under the reference, in nats, of the learned tokens of each sequence, by example id."""

    def __init__(self, objective: Objective, name: str | None) -> None:
        """
        Args:
            name: `training.objective.reference`; None is the model that training starts from.
        """
        self._objective = objective
        self._name = name
        self._found: dict[str, tuple[float, ...]] = {}

    def measure(self, network: Network, examples: Sequence[Example], told: Told) -> None:
        """One pass over the examples, without dropout.

        Args:
            network: of the model that training starts from.

        Raises:
            RecipeError: the reference has other tokens than the model.
        """
        who = f"{self._name or 'the model that training starts from'} is the reference"
        told({"notice": f"{who}: its log-probabilities of {len(examples):,} examples are computed once"})
        judge = network if self._name is None else self._opened(self._name, network)
        done = shown = 0
        with judge.judging():
            for batch in judge.batches(examples):
                for example, values in zip(batch.examples, judge.log_probs(batch).tolist(), strict=True):
                    self._found[example.id] = tuple(values)
                done += len(batch.examples)
                if done * 4 // len(examples) > shown:
                    shown = done * 4 // len(examples)
                    told({"notice": f"reference: {done:,} of {len(examples):,} examples"})

    def __getitem__(self, example: Example) -> tuple[float, ...]:
        """One number a sequence."""
        return self._found[example.id]

    def _opened(self, name: str, network: Network) -> Network:
        loaded = self._objective.open_model(name)
        _must_share_tokens(loaded, network.loaded, name)
        return Network(loaded, self._objective.options.compute)


def _must_share_tokens(reference: LoadedModel, trained: LoadedModel, name: str) -> None:
    if reference.tokenizer.get_vocab() != trained.tokenizer.get_vocab():
        raise RecipeError(
            "the reference has other tokens than the model, so that their probabilities cannot be compared",
            where=f"training.objective.reference: {name}",
            expected="a model with the same tokenizer",
            mend="leave reference out: the pull is then towards the model that training starts from",
        )
