"""How much of the speed of bare passes through the network does training reach?

    .venv/bin/python benchmarks/train_speed.py --corpus FOLDER [--presets nano small base]

A run as `sideman train` does it and bare passes through a second network take turns, step by
step, on one thread, and CPU time is counted. A step of the run draws a batch, goes forward and
back, clips the gradient, moves the weights and logs. A bare pass goes forward and back with a
batch that lies ready. Both compute with as many bits, whichever number is faster here.
Measurements on the validation split and checkpoints are not counted: how often there are any
is for the recipe to say.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from machine import machine_lines

from sideman.corpus.shards import open_corpus
from sideman.model.network import PRESETS
from sideman.train.feed import Sampler
from sideman.train.folder import RunFolder
from sideman.train.loop import Run, corpus_lesson, new_network
from sideman.train.measure import batch_nats
from sideman.train.processes import join_processes
from sideman.train.recipe import Recipe
from sideman.train.speed import choose_speed
from sideman.train.windows import Batch

STEPS = 12
"""Steps of a run; the first is for warming up."""

NEVER = 1_000_000
"""Steps between measurements of a run that has fewer."""


class Turns:
    """A sampler that lets a bare pass go before each step, and times both.

    Attributes:
        step_s: CPU seconds of each step but the last.
        bare_s: CPU seconds of each bare pass.
    """

    def __init__(self, sampler: Sampler, bare_pass: Callable[[], None]) -> None:
        self._sampler, self._bare_pass = sampler, bare_pass
        self._began = 0.0
        self.step_s: list[float] = []
        self.bare_s: list[float] = []

    def batch(self, rngs: Sequence[np.random.Generator]) -> Batch:
        """Return what the sampler draws; the step before it has ended."""
        ended = time.process_time()
        if self.bare_s:
            self.step_s.append(ended - self._began)
        self._bare_pass()
        self._began = time.process_time()
        self.bare_s.append(self._began - ended)
        return self._sampler.batch(rngs)


def compare(corpus_folder: Path, recipe: Recipe) -> str:
    """Return the line of a preset."""
    corpus = open_corpus(corpus_folder)
    network, bare = new_network(recipe, corpus), new_network(recipe, corpus)
    lesson = corpus_lesson(recipe, corpus)
    ready = lesson.sampler.batch(np.random.default_rng(recipe.seed).spawn(recipe.batch_rows))
    with join_processes() as processes, TemporaryDirectory() as folder:
        speed = choose_speed(bare, recipe, processes, seconds_left=lambda _: 0.0)

        def bare_pass() -> None:
            bare.zero_grad()
            torch.autograd.backward(
                batch_nats(speed.loss, ready, use_bf16=speed.use_bf16).sum()
            )

        turns = Turns(lesson.sampler, bare_pass)
        recipe = replace(recipe, precision="bf16" if speed.use_bf16 else "fp32")
        run = Run(
            recipe, network, replace(lesson, sampler=turns), RunFolder(Path(folder)), processes
        )
        run.begin(resume=False)
        run.go(progress=False)
    step_s, bare_s = (statistics.median(found[1:]) for found in (turns.step_s, turns.bare_s))
    ratios = [b / s for b, s in zip(turns.bare_s, turns.step_s, strict=False)][1:]
    low, _, high = statistics.quantiles(ratios)
    n_events = recipe.batch_rows * recipe.context
    return (
        f"{recipe.preset:<8}{network.n_parameters():>12,}{recipe.precision:>6}"
        f"{n_events / bare_s:>15,.0f}{n_events / step_s:>15,.0f}"
        f"{statistics.median(ratios):>10.0%} ({low:.0%} to {high:.0%})"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpus", type=Path, required=True, help="a folder of shards")
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=["nano", "small"])
    parser.add_argument("--rows", type=int, default=8, help="rows of 1,024 events in a batch")
    parser.add_argument("--compile", action="store_true", help="compile the network, for both")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("\n".join(machine_lines("sideman", "torch", "numpy")))
    print(
        f"\none thread, {asked.rows} rows of 1,024 events, "
        f"{'compiled' if asked.compile else 'not compiled'}; median of {STEPS - 2} steps, in "
        f"brackets the middle half\n"
        f"{'':<26}{'bare events/s':>15}{'run events/s':>15}{'run/bare':>10}"
    )
    for preset in asked.presets:
        recipe = Recipe(
            preset=preset,
            steps=STEPS,
            batch_rows=asked.rows,
            compile="on" if asked.compile else "off",
            validate_every=NEVER,
            validation_rows=1,
        )
        print(compare(asked.corpus, recipe), flush=True)


if __name__ == "__main__":
    main()
