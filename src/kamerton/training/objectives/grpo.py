"""Learning from the model's own answers, judged by functions (GRPO; Shao et al., 2402.03300)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from kamerton.chat import IGNORED
from kamerton.data.rows import Row
from kamerton.ground.rng import stream_seed
from kamerton.models.generate import answer_of, end_ids
from kamerton.models.load import LoadedModel
from kamerton.models.sample import sample_answers
from kamerton.recipe import GrpoObjective, TrainingSection
from kamerton.training.examples import Example, TokenSequence
from kamerton.training.examples.prompts import Prompts
from kamerton.training.network import Batch, Network
from kamerton.training.objectives.base import Losses, Objective, OpenModel, Told
from kamerton.training.objectives.rewards import Judged, build_reward, reward_names

__all__ = ["Grpo", "advantages", "grpo_loss"]

_ROWS = 64
"""Answers that are drawn together."""


def advantages(rewards: NDArray[np.float64], *, scaled: bool) -> NDArray[np.float64]:
    """How much better each answer is than the others to its prompt (section 4.1.2 of the paper).

    Args:
        rewards: (P, G).
        scaled: divide by the group's standard deviation; not to is Dr. GRPO (Liu et al., 2503.20783).
    """
    lead: NDArray[np.float64] = rewards - rewards.mean(axis=1, keepdims=True)
    # 1e-4 as in TRL: a group whose answers are all alike teaches nothing.
    return lead / (rewards.std(axis=1, ddof=1, keepdims=True) + 1e-4) if scaled else lead


def grpo_loss(
    log_probs: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor, clip: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """-min(r A, clip(r, 1 - c, 1 + c) A) of each token, r = exp(log p - log p_old), and where the clip held (eq. 3).

    Args:
        log_probs, old: (M,) of the drawn tokens, under the model and under the one that drew them.
        advantage: (M,) of the answer that each token is of.
    """
    ratio = torch.exp(log_probs - old)
    free, held = ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage
    return -torch.minimum(free, held), (held < free).float()


@dataclass
class _Drawn:
    """The answers that a step learns from."""

    step: int
    examples: list[Example] = field(default_factory=list)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    """By example id: what is known of the answer."""
    old: dict[str, list[float]] = field(default_factory=dict)
    """By example id: log-probabilities of the drawn tokens under the model that drew them."""
    reference: dict[str, list[float]] = field(default_factory=dict)
    """The same under the model that training starts from."""


class Grpo(Objective):
    """Group-relative policy optimisation with verifiable rewards.

    The loss is the mean over all drawn tokens of a step (as in DAPO, 2503.14476, eq. 8, and not first over those of
    each answer, which makes long wrong answers cheap). Each answer is a function of the weights, the seed, the step,
    the prompt's id and the answer's number.
    """

    rewarded: ClassVar[bool] = True

    def __init__(self, options: TrainingSection, loaded: LoadedModel, open_model: OpenModel) -> None:
        super().__init__(options, loaded, open_model)
        assert isinstance(options.objective, GrpoObjective)
        assert isinstance(self.builder, Prompts)
        self._prompts, self._chosen = self.builder, options.objective
        shown = reward_names(options.objective.rewards)
        self._rewards = {
            short: build_reward(name) for short, name in zip(shown, options.objective.rewards, strict=True)
        }
        self._ends = end_ids(loaded)
        self._drawn: _Drawn | None = None
        self._start: dict[str, torch.Tensor] = {}

    def units(self, example: Example) -> int:
        """Tokens of an answer; a prompt, of which validation has the mean reward, counts once."""
        return max(example.trained, 1)

    def start(self, network: Network, parts: dict[str, list[Example]], told: Told) -> None:
        if self._chosen.beta:
            self._start = network.moving_weights()

    # -- drawing -----------------------------------------------------------------------------------------------------
    def begin_step(self, network: Network, examples: list[Example], step: int) -> tuple[list[Example], _Drawn]:
        """Draw answers; those of the first of `passes` steps serve the others too."""
        first = step - (step - 1) % self._chosen.passes
        if self._drawn is None or self._drawn.step != first:
            assert step == first, "the answers of a step that was begun are in its checkpoint"
            self._drawn = self._draw(network, examples, step)
            with network.judging():
                if self._chosen.passes > 1:
                    self._drawn.old = self._log_probs(network, self._drawn.examples)
                if self._chosen.beta:
                    with network.other_weights(self._start):
                        self._drawn.reference = self._log_probs(network, self._drawn.examples)
        return self._drawn.examples, self._drawn

    def _draw(self, network: Network, prompts: Sequence[Example], step: int) -> _Drawn:
        answers = self._answers(network, prompts, step)
        judged = [
            [self._judged(self._prompts.rows[prompt.id], tokens) for tokens in group]
            for prompt, group in zip(prompts, answers, strict=True)
        ]
        each = {
            name: np.array([[reward(answer) for answer in group] for group in judged], dtype=np.float64)
            for name, reward in self._rewards.items()
        }
        weights = self._chosen.reward_weights or [1.0] * len(each)
        rewards = sum((weight * found for weight, found in zip(weights, each.values(), strict=True)), np.zeros(1))
        gains = advantages(rewards, scaled=self._chosen.scale == "group")
        drawn = _Drawn(step)
        for number, (prompt, group) in enumerate(zip(prompts, answers, strict=True)):
            alike = float(np.ptp(rewards[number]) == 0.0)
            for place, tokens in enumerate(group):
                example = _answered(prompt, tokens, f"{number}.{place}", float(gains[number, place]))
                drawn.examples.append(example)
                drawn.metrics[example.id] = {
                    "reward": float(rewards[number, place]),
                    **{f"reward/{name}": float(found[number, place]) for name, found in each.items()},
                    "alike": alike,
                    "answer_tokens": float(len(tokens)),
                    "cut_off": float(tokens[-1] not in self._ends),
                }
        return drawn

    def _answers(self, network: Network, prompts: Sequence[Example], step: int) -> list[list[list[int]]]:
        """`group` answers to each prompt."""
        group, longest = self._chosen.group, self._chosen.max_new_tokens
        seen: Counter[str] = Counter()
        uniforms = np.empty((len(prompts), group, longest))
        for number, prompt in enumerate(prompts):
            for place in range(group):
                address = (self.options.seed, step, "answer", prompt.id, seen[prompt.id] * group + place)
                uniforms[number, place] = np.random.default_rng(stream_seed(*address)).random(longest)
            seen[prompt.id] += 1
        answers: list[list[list[int]]] = []
        together = max(1, _ROWS // group)
        with network.judging(), network.autocast():
            for begin in range(0, len(prompts), together):
                chosen = prompts[begin : begin + together]
                answers += sample_answers(
                    network.loaded.model,
                    [prompt.sequences[0].ids.tolist() for prompt in chosen],
                    uniforms[begin : begin + together],
                    ends=self._ends,
                    temperature=self._chosen.temperature,
                )
        return answers

    def _judged(self, row: Row, tokens: list[int]) -> Judged:
        said = answer_of(self.loaded, tokens, self._ends)
        return Judged(row.prompt, said.text, said.tokens, row)

    def _log_probs(self, network: Network, examples: Sequence[Example]) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for batch in network.batches(examples):
            per_token = network.token_log_probs(batch, self._chosen.temperature)
            parts = per_token.split([example.trained for example in batch.examples])
            found |= {example.id: part.tolist() for example, part in zip(batch.examples, parts, strict=True)}
        return found

    # -- learning ----------------------------------------------------------------------------------------------------
    def losses(self, network: Network, batch: Batch, context: _Drawn) -> Losses:
        log_probs = network.token_log_probs(batch, self._chosen.temperature)
        old = _tokens_of(batch, context.old, log_probs) if context.old else log_probs.detach()
        advantage = batch.values[batch.sequence[batch.learned]]
        cost, held = grpo_loss(log_probs, old, advantage, self._chosen.clip)
        metrics = {
            name: batch.values.new_tensor([context.metrics[example.id][name] for example in batch.examples])
            for name in context.metrics[batch.examples[0].id]
        }
        if context.old:
            metrics["clipped"] = batch.summed(held)[:, 0] / batch.counts[:, 0]
        if context.reference:
            away = _tokens_of(batch, context.reference, log_probs) - log_probs
            # An estimate of the divergence that is never negative (eq. 4; Schulman 2020, k3).
            divergence = torch.exp(away) - away - 1
            cost = cost + self._chosen.beta * divergence
            metrics["divergence"] = (batch.summed(divergence.detach())[:, 0]) / batch.counts[:, 0]
        return Losses(batch.summed(cost)[:, 0], metrics)

    def judged(self, network: Network, examples: list[Example]) -> Iterator[tuple[list[Example], Losses]]:
        """Minus the mean reward of the answers to each prompt; the random numbers are those of step 0, always."""
        drawn = self._draw(network, examples, 0)
        names = list(drawn.metrics[drawn.examples[0].id])
        table = [[drawn.metrics[example.id][name] for name in names] for example in drawn.examples]
        means = torch.tensor(table).view(len(examples), self._chosen.group, len(names)).mean(1)
        found = dict(zip(names, means.unbind(1), strict=True))
        yield examples, Losses(-found["reward"], found)

    # -- checkpoints -------------------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        """The answers that the next steps still learn from."""
        if self._chosen.passes == 1 or self._drawn is None:
            return {}
        examples = [
            [each.id, each.value, each.sequences[0].ids.tolist(), each.sequences[0].labels.tolist()]
            for each in self._drawn.examples
        ]
        drawn = {name: getattr(self._drawn, name) for name in ("step", "metrics", "old", "reference")}
        return drawn | {"examples": examples}

    def restore(self, state: dict[str, Any]) -> None:
        if not state:
            return
        examples = [
            Example(name, (TokenSequence.of(ids, labels),), value=value)
            for name, value, ids, labels in state["examples"]
        ]
        self._drawn = _Drawn(state["step"], examples, state["metrics"], state["old"], state["reference"])


def _answered(prompt: Example, tokens: list[int], number: str, advantage: float) -> Example:
    asked = prompt.sequences[0].ids.tolist()
    sequence = TokenSequence.of([*asked, *tokens], [IGNORED] * len(asked) + tokens)
    return Example(f"{prompt.id}:{number}", (sequence,), value=advantage)


def _tokens_of(batch: Batch, numbers: dict[str, list[float]], like: torch.Tensor) -> torch.Tensor:
    """Numbers of the learned tokens of a batch, (M,)."""
    return like.new_tensor([value for example in batch.examples for value in numbers[example.id]])
