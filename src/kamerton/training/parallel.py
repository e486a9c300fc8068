"""The processes that share a run: each learns from a part of every step, and all have the same weights after it.

torchrun starts them and `accelerate` joins them into a group; the model is copied to each (DDP) or parted among them
(FSDP2, Zhao et al., arXiv 2304.11277). A step's examples and its loss are those of one process, so that a run may go on
with another number of them; only the last bits depend on it, because sums are made in another order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, distribute_tensor

from kamerton.ground.errors import RequestError, VerdictError
from kamerton.models.methods import trainable_parameters
from kamerton.models.token_loss import bare
from kamerton.recipe import ParallelSection
from kamerton.training.deepspeed import read_deepspeed

__all__ = ["ALONE", "Processes", "put_back", "whole"]

Item = TypeVar("Item")


@dataclass(frozen=True)
class Processes:
    """The group that this process belongs to; alone, it is a group of one."""

    rank: int = 0
    world: int = 1
    strategy: str = "ddp"
    reshard: bool = True
    """With `fsdp2`: whether weights are parted again after each layer's forward pass, and not only after the step."""

    @classmethod
    def join(cls, parallel: ParallelSection, device: torch.device) -> Processes:
        """Join the group that torchrun started, if it did.

        Raises:
            RequestError: the DeepSpeed file asks for what is not done here.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=device.type == "cpu")
        if device.type == "cuda":
            torch.cuda.set_device(state.device)
        strategy: str = parallel.strategy
        reshard = True
        if parallel.deepspeed is not None:
            strategy, reshard = read_deepspeed(parallel.deepspeed)
        return cls(state.process_index, state.num_processes, strategy, reshard)

    @property
    def main(self) -> bool:
        """Whether this one writes the run's files."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.world == 1

    def threads(self, wanted: int) -> int:
        """CPU threads of each process, where those of one machine share its cores."""
        return max(1, wanted // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *reason: object) -> None:
        if not self.alone and dist.is_initialized():
            dist.destroy_process_group()

    @property
    def independent(self) -> bool:
        """Whether each may run the model forwards without the others."""
        return self.alone or self.strategy == "ddp"

    def part(self, items: Sequence[Item]) -> list[Item]:
        """This process's part of a step; the parts together are the whole."""
        return list(items[self.rank :: self.world])

    # -- the model -------------------------------------------------------------------------------------------------
    def wrap(self, model: Any) -> Any:
        """The model as the group trains it; its parameters may be parted afterwards."""
        if self.alone:
            return model
        if self.strategy == "ddp":
            return torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(next(model.parameters()).device.type, (self.world,))
        for layer in _layers(model):
            fully_shard(layer, mesh=mesh, reshard_after_forward=self.reshard)
        # The head is used after the forward pass is over: what the root holds stays whole until the step is.
        fully_shard(model, mesh=mesh, reshard_after_forward=False)
        return model

    def synchronise(self, model: Any, *, last: bool) -> None:
        """Whether the next backward pass, the last of a step, adds up the gradients of all processes."""
        if self.alone:
            return
        if self.strategy == "ddp":
            model.require_backward_grad_sync = last
        else:
            model.set_requires_gradient_sync(last)

    def part_again(self, model: torch.nn.Module) -> None:
        """Weights that a forward pass left whole are parted again, so that what is written to them counts."""
        if self.independent:
            return
        from torch.distributed.fsdp import FSDPModule

        for module in model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()

    @contextmanager
    def other_weights(self, model: torch.nn.Module, weights: dict[str, torch.Tensor]) -> Iterator[None]:
        """The model with other values of the weights that move; afterwards it has its own again.

        Args:
            weights: whole, as they were before the model was parted.
        """
        self.part_again(model)
        moving = trainable_parameters(model)
        own = {name: _kept(weight) for name, weight in moving.items()}
        try:
            _exchange(moving, {name: put_back(weights[name], weight) for name, weight in moving.items()})
            yield
        finally:
            self.part_again(model)
            _exchange(moving, own)

    def gather(self, model: torch.nn.Module) -> None:
        """Make parted weights whole again in every process, to be saved."""
        if self.independent:
            return
        self.part_again(model)
        once: dict[torch.nn.Parameter, torch.nn.Parameter] = {}  # tied weights stay tied
        for module in model.modules():
            for name, weight in module._parameters.items():
                if isinstance(weight, DTensor):
                    if weight not in once:
                        once[weight] = torch.nn.Parameter(whole(weight), requires_grad=weight.requires_grad)
                    module._parameters[name] = once[weight]

    # -- agreement -------------------------------------------------------------------------------------------------
    def total(self, values: Sequence[float]) -> list[float]:
        """Sums over the group, in fp64."""
        return self._reduced(values, dist.ReduceOp.SUM)

    def most(self, value: int) -> int:
        """The largest value in the group."""
        return int(self._reduced([value], dist.ReduceOp.MAX)[0])

    def any(self, value: bool) -> bool:
        """Whether it holds for one of the group."""
        return bool(self.most(int(value)))

    def _reduced(self, values: Sequence[float], operation: Any) -> list[float]:
        if self.alone:
            return list(values)
        device = "cuda" if dist.get_backend() == "nccl" else "cpu"
        found = torch.tensor(values, dtype=torch.float64, device=device)
        dist.all_reduce(found, operation)
        return [float(value) for value in found.tolist()]

    def tell(self, value: Any) -> Any:
        """What the main process says, to all."""
        if self.alone:
            return value
        said = [value]
        dist.broadcast_object_list(said, src=0)
        return said[0]

    def wait(self) -> None:
        """Until all have come here."""
        if not self.alone:
            dist.barrier()

    def must_agree(self, what: str, value: str) -> None:
        """Stop where one process came to something else than the others.

        Raises:
            VerdictError: the processes differ.
        """
        if self.alone:
            return
        said: list[Any] = [None] * self.world
        dist.all_gather_object(said, value)
        if len(set(said)) > 1:
            differing = [str(rank) for rank, each in enumerate(said) if each != said[0]]
            raise VerdictError(
                f"the processes came to different results: {what} of rank {', '.join(differing)} is not that of 0",
                expected="equal results in all processes",
                mend="look at those machines; kamerton train --resume goes on from a checkpoint",
            )


ALONE = Processes()
"""The group of a run of one process."""


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor that may be parted among processes, in one piece on the CPU; all of them must ask together."""
    plain: Any = tensor
    if isinstance(tensor, DTensor):
        plain = plain.full_tensor()
    found: torch.Tensor = plain.detach().cpu().contiguous()
    return found


def put_back(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor, parted and placed as another one is."""
    if isinstance(like, DTensor):
        return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
    return tensor.to(like.device)


def _kept(weight: torch.nn.Parameter) -> torch.Tensor:
    """The values of a weight, which outlive an exchange."""
    return weight.detach().clone() if isinstance(weight, DTensor) else weight.data


@torch.no_grad()
def _exchange(weights: dict[str, torch.nn.Parameter], values: dict[str, torch.Tensor]) -> None:
    """Parted weights take values over: the group gathers them from storage of its own, whatever they point to."""
    for name, weight in weights.items():
        if isinstance(weight, DTensor):
            weight.copy_(values[name])
        else:
            weight.data = values[name]


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The blocks of which the model is a stack, as its class names them."""
    inner = bare(model)
    names = set(getattr(inner, "_no_split_modules", None) or ())
    found = [module for module in model.modules() if type(module).__name__ in names]
    if not found:
        raise RequestError(
            f"{type(inner).__name__} does not name its layers, so that fsdp2 cannot part it",
            where="training.parallel.strategy",
            mend="set training.parallel.strategy=ddp",
        )
    return found
