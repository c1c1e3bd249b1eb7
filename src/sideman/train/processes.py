"""The processes of a run: one, or as many as `torchrun` has started, on one machine or many."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed


@dataclass(frozen=True, slots=True)
class Processes:
    """Those that learn together, each from its share of every batch.

    Attributes:
        rank: Number of this one, from 0.
        count: How many there are.
        device: What this one computes on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """True for the one that writes and speaks."""
        return self.rank == 0

    def total(self, numbers: Tensor) -> Tensor:
        """Return the sum of the numbers of all processes."""
        return self._reduced(numbers, distributed.ReduceOp.SUM)

    def highest(self, numbers: Tensor) -> Tensor:
        """Return the highest of the numbers of all processes."""
        return self._reduced(numbers, distributed.ReduceOp.MAX)

    def _reduced(self, numbers: Tensor, how: distributed.ReduceOp.RedOpType) -> Tensor:
        if self.count == 1:
            return numbers
        numbers = numbers.to(self.device, copy=True)
        distributed.all_reduce(numbers, how)
        return numbers


@contextmanager
def join_processes() -> Iterator[Processes]:
    """Join the processes that `torchrun` has started; without it, be the only one.

    Each takes the GPU of its number on its machine if there are any, else the CPU.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if count > 1:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(rank, count, device)
    finally:
        if count > 1:
            distributed.destroy_process_group()
