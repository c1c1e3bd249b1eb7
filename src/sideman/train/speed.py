"""How a run computes: in 16 or 32 bits, compiled or not. Measured, not assumed."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from sideman.model.network import Network
from sideman.tokens.vocabulary import N_COLUMNS, N_SLOTS
from sideman.train.measure import Loss, batch_nats
from sideman.train.processes import Processes
from sideman.train.recipe import Recipe
from sideman.train.windows import Batch

PROBE_ROWS = 2
"""Rows that precisions are timed with."""

WORTH_COMPILING_S = 1200.0
"""A run that takes less is not compiled: compiling takes a minute or two."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How to compute.

    Attributes:
        use_bf16: Multiply matrices in bf16.
        loss: The network, compiled if that pays, joined to those of the other processes.
        is_compiled: It is.
        step_s: Seconds to learn from one batch, without drawing it.
    """

    use_bf16: bool
    loss: Loss
    is_compiled: bool
    step_s: float


def choose_speed(
    network: Network,
    recipe: Recipe,
    processes: Processes,
    *,
    seconds_left: Callable[[float], float],
) -> Speed:
    """Time what there is to choose from, unless the recipe chooses, and return the fastest.

    All processes choose alike: what is timed is the slowest of them.

    Args:
        network: Its gradients are zero afterwards.
        recipe: Its `precision` and `compile` choose, or leave it to this.
        processes: Share every batch.
        seconds_left: From the seconds of a step to those that the run still takes.
    """
    probe = _Probe(network, processes)
    n_rows = recipe.batch_rows // processes.count
    use_bf16 = recipe.precision == "bf16"
    if recipe.precision == "auto":
        few = _blank(min(n_rows, PROBE_ROWS), recipe.context)
        use_bf16 = probe.seconds(network, few, use_bf16=True) < probe.seconds(
            network, few, use_bf16=False
        )
    batch = _blank(n_rows, recipe.context)
    plain_s = probe.seconds(network, batch, use_bf16=use_bf16)
    is_short = seconds_left(plain_s) < WORTH_COMPILING_S
    if recipe.compile == "off" or (recipe.compile == "auto" and is_short):
        return Speed(use_bf16, _joined(network, processes), is_compiled=False, step_s=plain_s)
    compiled = cast(nn.Module, torch.compile(network, dynamic=False))
    compiled_s = probe.seconds(compiled, batch, use_bf16=use_bf16)
    if recipe.compile == "auto" and compiled_s >= plain_s:
        return Speed(use_bf16, _joined(network, processes), is_compiled=False, step_s=plain_s)
    return Speed(use_bf16, _joined(compiled, processes), is_compiled=True, step_s=compiled_s)


class _Probe:
    """Times a forward and a backward pass, in the slowest of the processes."""

    def __init__(self, network: Network, processes: Processes) -> None:
        self._network, self._processes = network, processes

    def seconds(self, loss: Loss, batch: Batch, *, use_bf16: bool) -> float:
        """Return the seconds of the second pass: in the first one things get ready."""
        seconds = 0.0
        for _ in range(2):
            began = time.monotonic()
            nats = batch_nats(loss, batch, use_bf16=use_bf16, device=self._processes.device)
            torch.autograd.backward(nats.sum())
            float(next(self._network.parameters()).detach().sum())  # a GPU is done by now
            seconds = time.monotonic() - began
        self._network.zero_grad()  # none of this is to be learned
        return float(self._processes.highest(torch.tensor(seconds)))


def _joined(network: nn.Module, processes: Processes) -> nn.Module:
    """Return the network with its gradients averaged over the processes."""
    if processes.count == 1:
        return network
    return nn.parallel.DistributedDataParallel(network)


def _blank(n_rows: int, context: int) -> Batch:
    shape = (n_rows, context)
    return Batch(
        ids=np.zeros((*shape, N_COLUMNS), np.int64),
        piece=np.zeros(shape, np.int64),
        targets=np.zeros((*shape, N_SLOTS), np.int64),
        program_ids=np.zeros(shape, np.int64),
    )
