"""What a run will take, said before it begins."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from sideman.corpus.shards import open_corpus
from sideman.train.feed import batches
from sideman.train.folder import RunFolder
from sideman.train.loop import SECONDS_PER_MINUTE, Run, corpus_lesson, new_network
from sideman.train.processes import join_processes
from sideman.train.recipe import Recipe

PROBE_STEPS = 3
"""Steps that are timed; the fastest counts, the others were disturbed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run takes on this machine.

    Attributes:
        device: What computes.
        n_parameters: Weights of the network.
        memory_bytes: Weights, gradients, optimisers, and what is kept for the backward pass.
        notes_per_s: Notes learned from in a second.
        steps: Steps of the run.
        seconds: How long it takes.
    """

    device: str
    n_parameters: int
    memory_bytes: int
    notes_per_s: float
    steps: int
    seconds: float


def estimate(recipe: Recipe, corpus_folder: Path) -> Estimate:
    """Learn for a few steps, and say what the whole would take; nothing is kept.

    A run that is long enough to be compiled may be somewhat faster than it says.

    Raises:
        RecipeError: If the settings contradict themselves.
        CorpusError: If there is no corpus, or no training or validation piece in it.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    recipe = replace(recipe, compile="off", validation_rows=1)
    corpus = open_corpus(corpus_folder)
    lesson = corpus_lesson(recipe, corpus)
    with join_processes() as processes, TemporaryDirectory() as folder:
        network = new_network(recipe, corpus)
        run = Run(recipe, network, lesson, RunFolder(Path(folder)), processes)
        run.choose_speed()
        feed = batches(lesson.sampler, recipe, 0, processes)
        kept = _Kept()
        with torch.autograd.graph.saved_tensors_hooks(kept.add, lambda tensor: tensor):
            rows = [run.timed_step(feed)]
        rows += [run.timed_step(feed) for _ in range(PROBE_STEPS)]
        states = (
            value
            for optimizer in run.optimizers
            for state in optimizer.state.values()
            for value in state.values()
            if isinstance(value, Tensor)
        )
        weights = _size(network.parameters())
        step_s = min(row["notes"] / row["notes_per_s"] for row in rows)
        notes = sum(row["notes"] for row in rows) / len(rows)
        seconds = recipe.steps * step_s or recipe.minutes * SECONDS_PER_MINUTE
        return Estimate(
            device=str(processes.device),
            n_parameters=network.n_parameters(),
            memory_bytes=2 * weights + _size(states) + kept.n_bytes,
            notes_per_s=notes / step_s,
            steps=recipe.steps or round(seconds / step_s),
            seconds=seconds,
        )


class _Kept:
    """Counts the bytes that the forward pass keeps for the backward one, each array once."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._seen: set[int] = set()

    def add(self, tensor: Tensor) -> Tensor:
        """Count a tensor unless what it looks at is counted already."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.n_bytes += storage.nbytes()
        return tensor


def _size(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
