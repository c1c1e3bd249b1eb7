"""The batches of a run, one for each step, drawn ahead of the network if that helps."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from torch.utils.data import DataLoader, Dataset

from sideman.train.processes import Processes
from sideman.train.recipe import Recipe
from sideman.train.windows import Batch

MAX_WORKERS = 8
"""More processes than this do not draw faster than a network learns."""


class Sampler(Protocol):
    """What draws rows, such as `sideman.train.windows.WindowSampler`."""

    def batch(self, rngs: Sequence[np.random.Generator]) -> Batch:
        """Return a freshly drawn row for each source of chance."""
        ...


class _Steps(Dataset[Batch]):
    """The batch of each step; row k of step s depends on the recipe's seed, s and k alone.

    So a resumed run sees what an uninterrupted one would, and so do many processes together,
    each of which has every `count`-th row.
    """

    def __init__(self, sampler: Sampler, recipe: Recipe, processes: Processes) -> None:
        self._sampler, self._seed = sampler, recipe.seed
        self._rows = range(processes.rank, recipe.batch_rows, processes.count)

    def __getitem__(self, step: int) -> Batch:
        return self._sampler.batch(
            [np.random.default_rng((self._seed, step, row)) for row in self._rows]
        )


class _From:
    """Counts from a step, without end."""

    def __init__(self, step: int) -> None:
        self._step = step

    def __iter__(self) -> Iterator[int]:
        step = self._step
        while True:
            yield step
            step += 1


def batches(
    sampler: Sampler, recipe: Recipe, first_step: int, processes: Processes
) -> Iterator[Batch]:
    """Yield this process's rows of the batch of each step from `first_step` on, without end.

    Beside a GPU other processes draw them ahead; where the CPU computes, they would only be in
    its way.
    """
    n_workers = 0
    if processes.device.type == "cuda":
        n_workers = min((os.cpu_count() or 1) // processes.count, MAX_WORKERS)
    loader = DataLoader(
        _Steps(sampler, recipe, processes),
        batch_size=None,
        sampler=_From(first_step),
        num_workers=n_workers,
        collate_fn=_as_it_is,
    )
    return iter(loader)


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 (the loader would take it apart)
    return batch
