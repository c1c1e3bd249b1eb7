"""What each choice in the network and its lessons is worth, at equal compute.

    .venv/bin/python benchmarks/ablations.py --corpus FOLDER --out FILE [--only NAME…]
        [--seconds 60] [--seeds 2] [--checkpoint FILE…]

Small networks that differ from the baseline in one thing learn for as many seconds of CPU time
on one thread. Two networks on one machine never get the same minute, so the baseline's seconds
are turned into steps once, and what a step of a variant costs beside one of the baseline is
timed with the two taking turns: it gets as many steps fewer or more. The learning rate is laid
over those steps. Variants of one seed see the same batches. Each result is a line of FILE;
what is there already is not done again.

With `--checkpoint` it also measures what more context is worth to a network that is there.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ablation_networks import (
    CoarseSampler,
    NetworkMaker,
    by_time,
    forget,
    in_order,
    is_coarse,
    with_memory,
    without_key_norm,
)
from ablation_streams import (
    PADDING,
    Streams,
    Stretch,
    as_batch,
    counting,
    held_out_batches,
    only_music,
    read_stretch,
)
from machine import machine_lines

from sideman.corpus.shards import Corpus, Piece, ShardReader, open_corpus
from sideman.model.checkpoint import load_checkpoint
from sideman.model.network import PRESETS, Network
from sideman.tokens.vocabulary import N_SLOTS, Kind, Vocabulary
from sideman.train.loop import VALIDATION_SEED, _optimizers
from sideman.train.measure import NATS_PER_BIT, batch_nats, slot_nats
from sideman.train.recipe import Recipe, load_recipe
from sideman.train.schedule import learning_rate_share
from sideman.train.watch import SLOT_NAMES
from sideman.train.windows import Batch, WindowSampler

BASE_RECIPE = replace(load_recipe("nano"), batch_rows=2, validation_rows=64, warmup=0.1)
BASE_CONFIG = replace(PRESETS["nano"], context=BASE_RECIPE.context)

TURNS = 12
"""Steps of a variant and of the baseline that are timed in turn, after one each to warm up."""

OTHER_WEIGHTS = 1000
"""Added to the seed of the weights, where only they are to differ."""

PIECE_EVENTS = (1200, 5000)
"""Fewest and most events of held-out pieces that are measured whole."""

LONGEST_BAR = 300
"""Most events of a bar of such a piece: every row then holds whole bars."""

WHOLE_PIECES = 24

CONTEXTS = (128, 256, 512, 1024)
LAST_EVENTS = 64
"""About how many events at the end are measured with more and more context before them."""

CONTEXT_PIECES = 48


@dataclass(frozen=True, slots=True)
class Variant:
    """What differs from the baseline.

    Attributes:
        question: What it is part of.
        make: Makes the network.
        config: Sizes that differ.
        recipe: Settings that differ.
        feed: What it learns from: `windows`, `coarse` windows or `streams` of whole pieces.
        share: Share of the training pieces that it learns from.
        weights_seed: Added to the seed of its weights.
        measures: What it is measured on; names of `Measures`.
        against: The variant that it is compared with.
        is_timed: True if a step may cost more or less than one of the baseline.
    """

    question: str
    make: NetworkMaker = Network
    config: dict[str, int] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    feed: str = "windows"
    share: float = 1.0
    weights_seed: int = 0
    measures: tuple[str, ...] = ("valid",)
    against: str = "base"
    is_timed: bool = False


STREAM = Variant("memory", feed="streams", measures=("pieces",), against="stream")
STYLED = ("valid", "styles^0", "styles^1")

VARIANTS = {
    "base": Variant("", measures=(*STYLED, "on 12")),
    "other weights": Variant("chance", weights_seed=OTHER_WEIGHTS),
    "no QK-norm": Variant("QK-norm", without_key_norm, is_timed=True),
    "all global": Variant("window", config={"global_every": 1}, is_timed=True),
    "window 32": Variant("window", config={"window": 32}, is_timed=True),
    "window 128": Variant("window", config={"window": 128}, is_timed=True),
    "window 256": Variant("window", config={"window": 256}, is_timed=True),
    "positions by time": Variant("positions", by_time(1)),
    "half by time": Variant("positions", by_time(2)),
    "part first": Variant("chain", in_order(0, 3, 1, 2, 4, 5, 6)),
    "pitch before time": Variant("chain", in_order(0, 3, 4, 1, 2, 5, 6)),
    "velocity before duration": Variant("chain", in_order(0, 1, 2, 3, 4, 6, 5)),
    "stream": STREAM,
    "memory": replace(STREAM, make=with_memory, is_timed=True),
    "stream of 1024": replace(
        STREAM,
        recipe={"context": 1024, "batch_rows": BASE_RECIPE.batch_rows // 2},
        is_timed=True,
    ),
    "half width": Variant("size", config={"d_model": 64, "d_hidden": 128}, is_timed=True),
    "double width": Variant("size", config={"d_model": 256, "d_hidden": 512}, is_timed=True),
    "grid of 12": Variant("grid", feed="coarse", measures=("on 12",)),
    "not transposed": Variant("transposition", recipe={"transpose": 0}),
    "styles evenly": Variant("styles", recipe={"style_exponent": 0.0}, measures=STYLED),
    "styles as they are": Variant("styles", recipe={"style_exponent": 1.0}, measures=STYLED),
    "30 % of the pieces": Variant("data", share=0.3),
    "10 % of the pieces": Variant("data", share=0.1),
    "1 % of the pieces": Variant("data", share=0.01),
}


class Measures:
    """What networks are measured on, the same for all.

    Args:
        corpus: Where the held-out pieces lie.
    """

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._reader = ShardReader(corpus)
        self._pieces = corpus.of_split("valid")
        self._found: dict[tuple[str, int], list[Batch]] = {}

    @cached_property
    def coarse_pieces(self) -> list[Piece]:
        """Held-out pieces that lie on a grid of 12."""
        return [piece for piece in self._pieces if is_coarse(self._reader.events(piece))]

    def batches(self, name: str, context: int) -> list[Batch]:
        """Return what is measured under a name, with rows of a length."""
        if (name, context) not in self._found:
            self._found[name, context] = self._make(name, context)
        return self._found[name, context]

    def _make(self, name: str, context: int) -> list[Batch]:
        plain = BASE_RECIPE.unchanged()
        if name == "pieces":
            rows = BASE_RECIPE.batch_rows * BASE_RECIPE.context // context
            recipe = replace(plain, context=context, batch_rows=rows)
            return held_out_batches(self._corpus, self.long_pieces(WHOLE_PIECES), recipe)
        if name.startswith("styles^"):
            plain = replace(plain, style_exponent=float(name.partition("^")[2]))
        pieces = self.coarse_pieces if name == "on 12" else self._pieces
        rngs = np.random.default_rng(VALIDATION_SEED).spawn(plain.validation_rows)
        return [WindowSampler(self._corpus, pieces, plain).batch(rngs)]

    def long_pieces(self, count: int) -> list[Piece]:
        """Return held-out pieces of some length, each style as often as its root says."""
        low, high = PIECE_EVENTS
        pieces = [piece for piece in self._pieces if low <= piece.n_events <= high]
        styles = np.array([piece.style for piece in pieces])
        weights = np.bincount(styles)[styles] ** -0.5
        order = np.random.default_rng(VALIDATION_SEED).choice(
            len(pieces), len(pieces), replace=False, p=weights / weights.sum()
        )
        found = (pieces[index] for index in order)
        return [piece for piece in found if self._longest_bar(piece) <= LONGEST_BAR][:count]

    def _longest_bar(self, piece: Piece) -> int:
        kinds = self._reader.events(piece)[:, 0]
        return int(np.diff(np.flatnonzero(kinds == Kind.BAR)).max(initial=0))


class Feeds:
    """Batches of each step, drawn once for variants that learn from the same.

    Args:
        corpus: Where the pieces lie.
        n_kept: Feeds that are kept in memory, the latest.
    """

    def __init__(self, corpus: Corpus, n_kept: int) -> None:
        self._corpus, self._n_kept = corpus, n_kept
        self._pieces = corpus.of_split("train")
        self._kept: dict[object, tuple[list[Batch], Iterator[Batch]]] = {}

    def batch(self, variant: Variant, recipe: Recipe, step: int) -> Batch:
        """Return the batch of a step, counted from 0."""
        key = (variant.feed, variant.share, recipe)
        if key not in self._kept:
            if len(self._kept) == self._n_kept:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = ([], self._draw(variant, recipe))
        drawn, more = self._kept[key]
        while len(drawn) <= step:
            drawn.append(next(more))
        return drawn[step]

    def _draw(self, variant: Variant, recipe: Recipe) -> Iterator[Batch]:
        pieces = some_pieces(self._pieces, variant.share, recipe.seed)
        if variant.feed == "streams":
            yield from Streams(self._corpus, pieces, recipe).batches()
        kind = CoarseSampler if variant.feed == "coarse" else WindowSampler
        sampler = kind(self._corpus, pieces, recipe)
        step = 0
        while True:
            rows = range(recipe.batch_rows)
            yield sampler.batch([np.random.default_rng((recipe.seed, step, r)) for r in rows])
            step += 1


def some_pieces(pieces: Sequence[Piece], share: float, seed: int) -> list[Piece]:
    """Return a share of the pieces, drawn; a smaller share is part of a larger one."""
    order = np.random.default_rng(seed).permutation(len(pieces))
    return [pieces[index] for index in np.sort(order[: max(round(share * len(pieces)), 1)])]


class Learner:
    """A network that learns for a number of steps.

    Args:
        variant: What it is.
        seed: Of weights and batches.
        n_steps: Steps that the learning rate is laid over.
        corpus: What it learns from.
    """

    def __init__(self, variant: Variant, seed: int, n_steps: int, corpus: Corpus) -> None:
        self.variant, self.n_steps, self.step = variant, n_steps, 0
        self.recipe = replace(BASE_RECIPE, seed=seed, **variant.recipe)
        torch.manual_seed(seed + variant.weights_seed)
        config = replace(BASE_CONFIG, context=self.recipe.context, **variant.config)
        self.network = variant.make(config, corpus.vocabulary)
        self._optimizers = _optimizers(self.network, self.recipe)

    def learn(self, batch: Batch) -> float:
        """Do a step and return the seconds of CPU it took."""
        began = time.process_time()
        share = learning_rate_share(self.step / self.n_steps, self.recipe)
        peaks = (self.recipe.matrix_learning_rate, self.recipe.learning_rate)
        for optimizer, peak in zip(self._optimizers, peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
        nats = batch_nats(self.network, batch, use_bf16=True).sum()
        torch.autograd.backward(nats / max(batch.n_events, 1))
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return time.process_time() - began


class Results:
    """Lines of JSON, each under a name and a seed.

    Args:
        path: Where they are kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        self._rows = {(row["name"], row["seed"]): row for row in map(json.loads, lines)}

    def get(self, name: str, seed: int) -> dict[str, Any] | None:
        """Return a row, if there is one."""
        return self._rows.get((name, seed))

    def add(self, name: str, seed: int, **figures: object) -> dict[str, Any]:
        """Keep a row."""
        row: dict[str, Any] = {"name": name, "seed": seed, **figures}
        self._rows[name, seed] = row
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        return row


@dataclass(frozen=True, slots=True)
class Bench:
    """All that a run of the benchmark needs.

    Attributes:
        corpus: What is learned from and measured on.
        results: Where figures go.
        measures: What is measured.
        feeds: What is learned from.
        seconds: CPU seconds each variant learns.
    """

    corpus: Corpus
    results: Results
    measures: Measures
    feeds: Feeds
    seconds: float

    def run(self, name: str, seed: int) -> None:
        """Let a variant learn, and measure it; not if that is done."""
        if self.results.get(name, seed):
            return
        variant = VARIANTS[name]
        cost = self._cost(name) if variant.is_timed else 1.0
        n_steps = round(self._base_steps() / cost)
        learner = Learner(variant, seed, n_steps, self.corpus)
        took = [
            learner.learn(self.feeds.batch(variant, learner.recipe, step))
            for step in range(n_steps)
        ]
        learner.network.eval()
        bits = {
            measure: slot_bits(
                learner.network, self.measures.batches(measure, learner.recipe.context)
            )
            for measure in variant.measures
        }
        row = self.results.add(
            name, seed, steps=n_steps, cost=cost, step_s=statistics.median(took), bits=bits
        )
        print(json.dumps(row), flush=True)

    def _base_steps(self) -> int:
        """Return the steps that the baseline does in the time, measured once."""
        row = self.results.get("steps", 0)
        if row is None:
            learner = Learner(VARIANTS["base"], 1, TURNS, self.corpus)
            took = [
                learner.learn(self.feeds.batch(learner.variant, learner.recipe, step))
                for step in range(TURNS)
            ]
            step_s = statistics.median(took)
            row = self.results.add(
                "steps", 0, steps=round(self.seconds / step_s), step_s=step_s
            )
        return int(row["steps"])

    def _cost(self, name: str) -> float:
        """Return what a step of a variant costs beside one of the baseline, measured once."""
        row = self.results.get(f"cost of {name}", 0)
        if row is None:
            base, other = (
                Learner(VARIANTS[one], 1, TURNS + 1, self.corpus) for one in ("base", name)
            )
            ratios = []
            for step in range(TURNS + 1):
                pair = [base, other] if step % 2 else [other, base]
                took = {
                    one: one.learn(self.feeds.batch(one.variant, one.recipe, step))
                    for one in pair
                }
                ratios.append(took[other] / took[base])
            row = self.results.add(
                f"cost of {name}", 0, cost=statistics.median(ratios[1:]), ratios=ratios[1:]
            )
        return float(row["cost"])


def slot_bits(network: Network, batches: Sequence[Batch]) -> list[float]:
    """Return the bits per note of each slot over batches that may follow one another."""
    forget(network)
    nats = sum((slot_nats(network, batch) for batch in batches), torch.zeros(N_SLOTS))
    n_notes = sum(batch.n_notes for batch in batches)
    return [float(nat) / NATS_PER_BIT / max(n_notes, 1) for nat in nats]


def table(results: Results, seeds: Sequence[int]) -> list[str]:
    """Return a line for each variant and what it was measured on.

    Differences are to the variant it is compared with, seed by seed.
    """
    lines = [
        f"{'':<26}{'measured on':<12}{'bits/note':>10}{'difference':>11}{'by seed':>16}"
        + "".join(f"{name[:8]:>9}" for name in SLOT_NAMES)
        + f"{'steps':>7}{'cost':>6}{'CPU s':>7}"
    ]
    for name, variant in VARIANTS.items():
        rows = {seed: row for seed in seeds if (row := results.get(name, seed))}
        for measure in variant.measures if rows else ():
            bits = {seed: np.array(row["bits"][measure]) for seed, row in rows.items()}
            base = {seed: results.get(variant.against, seed) for seed in rows}
            minus = [
                bits[seed] - np.array(row["bits"][measure]) for seed, row in base.items() if row
            ]
            total = np.mean([bit.sum() for bit in bits.values()])
            line = f"{name:<26}{measure:<12}{total:>10.3f}"
            is_base = name == variant.against
            if is_base or not minus:
                by_seed = " ".join(f"{bit.sum():.3f}" for bit in bits.values())
                line += f"{'':>11}{by_seed:>16}"
                slots = "".join(f"{bit:>9.3f}" for bit in np.mean(list(bits.values()), axis=0))
            else:
                by_seed = " ".join(f"{bit.sum():+.3f}" for bit in minus)
                line += f"{np.mean([bit.sum() for bit in minus]):>+11.3f}{by_seed:>16}"
                slots = "".join(f"{bit:>+9.3f}" for bit in np.mean(minus, axis=0))
            first = next(iter(rows.values()))
            step_s = statistics.median(row["step_s"] for row in rows.values())
            lines.append(f"{line}{slots}{first['steps']:>7}{first['cost']:>6.2f}{step_s:>7.3f}")
    return lines


def context_lines(network: Network, measures: Measures, corpus: Corpus) -> list[str]:
    """Return what more context is worth to a network, and how it does along a window."""
    reader, rng = ShardReader(corpus), np.random.default_rng(VALIDATION_SEED)
    worth: dict[int, list[tuple[float, int]]] = {size: [] for size in CONTEXTS}
    along: dict[int, list[tuple[float, int]]] = {size: [] for size in CONTEXTS}
    for piece in measures.long_pieces(CONTEXT_PIECES):
        stretch = read_stretch(reader, piece)
        end = stretch.end_after(CONTEXTS[-1], rng)
        first = stretch.first_that_fits(end, LAST_EVENTS)
        if len(stretch.spell(first, end)) > CONTEXTS[0]:
            continue  # the last bar alone does not fit
        n_last = stretch.events_from(first, end)
        whole = context_batch(stretch, end, CONTEXTS[-1], corpus.vocabulary)
        place = np.arange(CONTEXTS[-1]) - int((whole.piece == PADDING).sum())
        for low, size in zip((0, *CONTEXTS), CONTEXTS, strict=False):
            batch = context_batch(stretch, end, size, corpus.vocabulary)
            is_last = np.arange(size) >= size - n_last
            worth[size].append(cost_of(network, counting(batch, is_last)))
            is_here = (place >= low) & (place < size)
            along[size].append(cost_of(network, only_music(counting(whole, is_here))))
    return [
        f"{'events':<22}" + "".join(f"{size:>16}" for size in CONTEXTS),
        _context_line("before the last bars", worth),
        _context_line("along a window, up to", along),
    ]


def context_batch(stretch: Stretch, end: int, size: int, vocabulary: Vocabulary) -> Batch:
    """Return a row of `size` events: as many bars before `end` as fit."""
    events = stretch.spell(stretch.first_that_fits(end, size), end)
    return as_batch([(0, events)], size, vocabulary)


def _context_line(name: str, costs: dict[int, list[tuple[float, int]]]) -> str:
    """Return bits per note by size, and behind each how far off chance may be.

    That is the standard error, over pieces, of the difference to the largest size.
    """
    rng = np.random.default_rng(0)
    table_of = np.array([costs[size] for size in CONTEXTS])  # (sizes, pieces, bits and notes)
    draws = rng.integers(table_of.shape[1], size=(1000, table_of.shape[1]))
    sums = table_of[:, draws].sum(axis=2)  # (sizes, draws, bits and notes)
    ratios = sums[..., 0] / sums[..., 1]
    errors = (ratios - ratios[-1]).std(axis=1)
    sums = table_of.sum(axis=1)
    cells = [
        f"{bits / notes:>9.3f} ±{error:.3f}"
        for (bits, notes), error in zip(sums, errors, strict=True)
    ]
    return f"{name:<22}" + "".join(f"{cell:>16}" for cell in cells)


def cost_of(network: Network, batch: Batch) -> tuple[float, int]:
    """Return the bits and the notes of a batch."""
    nats = slot_nats(network, batch, use_bf16=True)
    return float(nats.sum()) / NATS_PER_BIT, batch.n_notes


def main() -> None:
    """Let the variants learn that were asked for, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpus", type=Path, required=True, help="a built corpus")
    parser.add_argument("--out", type=Path, required=True, help="where results are kept")
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seconds", type=float, default=60.0, help="CPU seconds of a variant")
    parser.add_argument("--seeds", type=int, default=2, help="how often each variant learns")
    parser.add_argument(
        "--checkpoint", type=Path, nargs="*", default=[], help="of a training run"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    corpus, results = open_corpus(asked.corpus), Results(asked.out)
    measures, seeds = Measures(corpus), range(1, asked.seeds + 1)
    bench = Bench(corpus, results, measures, Feeds(corpus, n_kept=2), asked.seconds)
    for seed in seeds:
        for name in asked.only:
            bench.run(name, seed)
    n_coarse, n_valid = len(measures.coarse_pieces), len(corpus.of_split("valid"))
    print("\n".join(machine_lines("sideman", "torch", "numpy")))
    print(f"corpus    {corpus.hash()}; {n_coarse} of {n_valid} held-out pieces lie on 12")
    print("\n".join(["", *table(results, seeds)]))
    for path in asked.checkpoint:
        checkpoint = load_checkpoint(path)
        print(f"\ncontext: {path.parent.name}, step {checkpoint.step}")
        print("\n".join(context_lines(checkpoint.network().eval(), measures, corpus)))


if __name__ == "__main__":
    main()
