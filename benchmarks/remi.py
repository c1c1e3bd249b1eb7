"""Our events or flat REMI: which foretells music better, at the same data, size and CPU time?

    .venv/bin/python benchmarks/remi.py --corpus FOLDER [--preset nano] [--minutes 5]

The same pieces are spelled in both languages, which then say the same, note for note
(`remi_music.py`). Networks of one size learn from either on one thread and take turns, so that
noise of the machine meets all; what counts is CPU time. Then the same held-out bars are scored:
all bits of all that is spelled, for each note.
"""

import argparse
import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from machine import machine_lines
from numpy.typing import NDArray
from remi_music import (
    REMI_CONFIG,
    Ids,
    Remi,
    Stretch,
    measured_stretch,
    plain,
    training_stretches,
)
from remi_sides import Build, EventSide, RemiSide, Side, gpt2, optimizers, qwen3

from sideman.corpus.shards import (
    Corpus,
    Piece,
    Shard,
    ShardReader,
    open_corpus,
    shard_path,
    write_index,
)
from sideman.model.network import PRESETS, Network
from sideman.tokens.codec import Layout, grid_to_events
from sideman.tokens.grid import Grid
from sideman.train.measure import NATS_PER_BIT
from sideman.train.recipe import Recipe
from sideman.train.schedule import learning_rate_share
from sideman.train.windows import WindowSampler

CONTEXT = 1024
"""Events or tokens in a row."""

PLAIN_RECIPE = Recipe(
    context=CONTEXT,
    task_weights=(1.0,),
    style_exponent=1.0,
    transpose=0,
    permute_parts=False,
    open_share=1.0,
    held_share=0.0,
    warmup=0.05,
)
"""Windows to be continued that say nothing but the music; the cosine that all learn by."""

RATES = {"muon": 6e-3, "adamw": 3e-3, "gpt2": 1e-3, "qwen3": 6e-3}
"""Peak learning rates, chosen by trials of 18 seconds of CPU.

In thousandths: our events with Muon had 3, 6 and 12 (12 was better still, but 6 is what the
other side has with Muon), with AdamW 3 and 6; GPT-2 had 0.5, 1 and 3; Qwen 3 had 3, 6 and 12.
"""

ROWS, SPEED_ROWS = 1, 4
"""Rows of a batch where bits are compared, and where speeds are.

In the same trials two rows were worse than one with either language.
"""

TURN_S = 15.0
POINTS = 5
"""Moments at which the held-out bars are scored, evenly over the run."""

N_STRETCHES = 48
SEED = 1
RESAMPLES = 2000
SPEED_TURNS, SPEED_TURN_S = 3, 3.0
"""How often, and for how many seconds of CPU, each network's speed is measured."""


@dataclass(frozen=True, slots=True)
class Material:
    """The music, spelled.

    Attributes:
        corpus: Of what is learned from, in our events.
        remi: The other language.
        stretches: The same music in it.
        short: Held-out bars that both see whole: as many as fit REMI's context.
        long: Held-out bars, as many as fit ours.
    """

    corpus: Corpus
    remi: Remi
    stretches: list[Ids]
    short: list[Stretch]
    long: list[Stretch]

    @property
    def held_out(self) -> tuple[tuple[str, list[Stretch]], ...]:
        """Both sets of held-out bars, by name."""
        return ("short", self.short), ("long", self.long)


@dataclass(slots=True)
class Race:
    """How far a side has come.

    Attributes:
        side: Learns.
        rng: Draws its batches.
        n_rows: Rows of a batch.
        budget_s: CPU seconds that it has.
        used_s: Of them used.
        n_notes: Notes learned from.
        n_steps: Events or tokens learned from.
    """

    side: Side
    rng: np.random.Generator
    n_rows: int
    budget_s: float
    used_s: float = 0.0
    n_notes: int = 0
    n_steps: int = 0

    def go_on(self, until_s: float) -> None:
        """Learn until so many CPU seconds are used."""
        while self.used_s < until_s:
            began = time.process_time()
            drawn = self.side.draw(self.rng, self.n_rows)
            share = learning_rate_share(self.used_s / self.budget_s, PLAIN_RECIPE)
            self.side.learn(drawn, share, PLAIN_RECIPE.clip_norm)
            self.used_s += time.process_time() - began
            self.n_notes += drawn.n_notes
            self.n_steps += drawn.n_steps


def prepare(corpus: Corpus, folder: Path, n_notes: int) -> Material:
    """Spell about `n_notes` of the training split, and held-out bars; ours lie in `folder`."""
    remi = Remi()
    stretches: list[Ids] = []
    rows, pieces = [], []
    start = 0
    for piece, grid in _grids(corpus, "train"):
        ids = remi.spell(grid)
        if not remi.says_all(grid, ids):
            print(f"left out, since REMI does not give it back as it was: {piece.path}")
            continue
        rows.append(grid_to_events(grid, Layout()))
        stop = start + len(rows[-1])
        pieces.append(Piece(piece.path, 0, start, stop, "train", 1, len(grid.notes)))
        stretches += training_stretches(grid, remi, ids, CONTEXT)
        start = stop
        if sum(piece.n_notes for piece in pieces) >= n_notes:
            break
    np.save(shard_path(folder, 0), np.concatenate(rows))
    write_index(folder, ["all"], [Shard(start, "")], pieces)
    short, long = (_held_out(corpus, remi, fits_remi=fits) for fits in (True, False))
    return Material(open_corpus(folder), remi, stretches, short, long)


def _grids(corpus: Corpus, split: str) -> Iterator[tuple[Piece, Grid]]:
    """Yield the pieces that both languages can say; those with more notes come sooner."""
    pieces, reader = corpus.of_split(split), ShardReader(corpus)
    sizes = np.array([piece.n_notes for piece in pieces], np.float64)
    rng = np.random.default_rng(SEED)
    for index in rng.choice(len(pieces), len(pieces), replace=False, p=sizes / sizes.sum()):
        grid = plain(np.asarray(reader.events(pieces[index])))
        if grid is not None:
            yield pieces[index], grid


def _held_out(corpus: Corpus, remi: Remi, *, fits_remi: bool) -> list[Stretch]:
    """Return a stretch each of validation pieces."""
    rng = np.random.default_rng(SEED)
    found = (
        measured_stretch(grid, remi, rng, context=CONTEXT, fits_remi=fits_remi)
        for _, grid in _grids(corpus, "valid")
    )
    return list(islice((stretch for stretch in found if stretch), N_STRETCHES))


def material_lines(material: Material) -> Iterator[str]:
    """Yield how much music there is, and how long either language takes to say it."""
    pieces = material.corpus.of_split("train")
    n_notes = sum(piece.n_notes for piece in pieces)
    yield f"{'':<18}{'pieces':>8}{'notes':>11}{'events/note':>13}{'tokens/note':>13}"
    n_events = sum(piece.n_events for piece in pieces)
    n_tokens = sum(len(ids) for ids in material.stretches)
    rows = [("learned from", len(pieces), n_notes, n_events, n_tokens)]
    for name, stretches in material.held_out:
        n_notes = sum(stretch.n_notes for stretch in stretches)
        n_events = sum(len(stretch.events) - 1 for stretch in stretches)
        n_tokens = sum(len(stretch.ids) for stretch in stretches)
        rows.append((f"held out, {name}", len(stretches), n_notes, n_events, n_tokens))
    for name, n_pieces, n_notes, n_events, n_tokens in rows:
        yield (
            f"{name:<18}{n_pieces:>8,}{n_notes:>11,}{n_events / n_notes:>13.2f}"
            f"{n_tokens / n_notes:>13.2f}"
        )
    yield f"MidiTok config, vocabulary of {material.remi.size}: {REMI_CONFIG}"


def sides(material: Material, preset: str) -> list[Side]:
    """Return all networks that are compared, of one size."""

    def ours(name: str, rate: float, *, with_muon: bool) -> Side:
        torch.manual_seed(SEED)
        network = Network(PRESETS[preset])
        sampler = WindowSampler(
            material.corpus, material.corpus.of_split("train"), PLAIN_RECIPE
        )
        found = optimizers(network, rate=rate, with_muon=with_muon)
        return EventSide(name, network, found, sampler)

    def theirs(name: str, build: Build, rate: float, *, with_muon: bool) -> Side:
        torch.manual_seed(SEED)
        network = build(Network(PRESETS[preset]), vocabulary_size=material.remi.size)
        found = optimizers(network, rate=rate, with_muon=with_muon)
        return RemiSide(
            name,
            network,
            found,
            remi=material.remi,
            stretches=material.stretches,
            context=CONTEXT,
        )

    return [
        ours("events, Muon", RATES["muon"], with_muon=True),
        ours("events, AdamW", RATES["adamw"], with_muon=False),
        theirs("REMI, GPT-2, AdamW", gpt2, RATES["gpt2"], with_muon=False),
        theirs("REMI, Qwen 3, Muon", qwen3, RATES["qwen3"], with_muon=True),
    ]


def choose_precision(side: Side) -> None:
    """Let a side compute in what is faster on this machine, 16 or 32 bits."""
    drawn = side.draw(np.random.default_rng(SEED), 1)
    seconds = {}
    for use_bf16 in (False, True):
        side.use_bf16 = use_bf16
        for _ in range(2):  # the first time is for warming up
            began = time.process_time()
            torch.autograd.backward(side.nats(*drawn.tensors))
            seconds[use_bf16] = time.process_time() - began
    side.network.zero_grad()
    side.use_bf16 = seconds[True] < seconds[False]


def run_race(races: Sequence[Race], stretches: Sequence[Stretch]) -> Iterator[str]:
    """Let all learn in turns, and yield a line for each moment at which they are measured."""
    budget_s = races[0].budget_s
    yield f"{'CPU minutes':<20}" + "".join(f"{race.side.name:>20}" for race in races)
    for point_s in np.arange(1, POINTS + 1) / POINTS * budget_s:
        while races[-1].used_s < point_s:
            until_s = min(races[-1].used_s + TURN_S, point_s)
            for race in races:
                race.go_on(until_s)
        n_notes = sum(stretch.n_notes for stretch in stretches)
        bits = [bits_of(race.side, stretches).sum() / n_notes for race in races]
        yield f"{point_s / 60:<20.2f}" + "".join(f"{bit:>20.3f}" for bit in bits)
    yield f"{'notes learned from':<20}" + "".join(f"{race.n_notes:>20,}" for race in races)
    rates = (race.n_notes / race.used_s for race in races)
    yield f"{'notes/s of CPU':<20}" + "".join(f"{rate:>20,.0f}" for rate in rates)
    weights = (race.side.n_parameters for race in races)
    yield f"{'weights':<20}" + "".join(f"{n:>20,}" for n in weights)


def bits_of(side: Side, stretches: Sequence[Stretch]) -> NDArray[np.float64]:
    """Return the bits that each stretch costs, shape (S,)."""
    return np.array([side.stretch_nats(stretch) / NATS_PER_BIT for stretch in stretches])


def final_lines(
    races: Sequence[Race], name: str, stretches: Sequence[Stretch]
) -> Iterator[str]:
    """Yield a line a side: its bits a note, and how many more than the first side's.

    With an interval of 95 %: the stretches are drawn anew, with replacement.
    """
    yield f"{'held out, ' + name:<20}{'bits/note':>10}{'more than ' + races[0].side.name:>28}"
    notes = np.array([stretch.n_notes for stretch in stretches])
    drawn = np.random.default_rng(SEED).integers(len(notes), size=(RESAMPLES, len(notes)))
    first = bits_of(races[0].side, stretches)
    yield f"{races[0].side.name:<20}{first.sum() / notes.sum():>10.3f}"
    for race in races[1:]:
        bits = bits_of(race.side, stretches)
        more = bits - first
        resampled = more[drawn].sum(axis=1) / notes[drawn].sum(axis=1)
        low, high = np.quantile(resampled, (0.025, 0.975))
        yield (
            f"{race.side.name:<20}{bits.sum() / notes.sum():>10.3f}"
            f"{more.sum() / notes.sum():>12.3f} ({low:.3f} to {high:.3f})"
        )


def speed_lines(material: Material, preset: str) -> Iterator[str]:
    """Yield a line a side: notes that it learns from in a second of CPU, the sides in turns."""
    races = races_of(material, preset, n_rows=SPEED_ROWS)
    rates: list[list[float]] = [[] for _ in races]
    for turn in range(SPEED_TURNS + 1):
        for race, rate in zip(races, rates, strict=True):
            notes, used_s = race.n_notes, race.used_s
            race.go_on(used_s + SPEED_TURN_S)
            if turn > 0:  # the first is for warming up
                rate.append((race.n_notes - notes) / (race.used_s - used_s))
    first = statistics.median(rates[0])
    yield (
        f"{'training, ' + preset:<20}{'weights':>11}{'':>6}{'rows':>5}{'steps/note':>12}"
        f"{'steps/s':>9}{'notes/s':>9}{'':>19}{'slower':>8}"
    )
    for race, rate in zip(races, rates, strict=True):
        side, median = race.side, statistics.median(rate)
        steps_per_note = race.n_steps / race.n_notes
        yield (
            f"{side.name:<20}{side.n_parameters:>11,}"
            f"{'bf16' if side.use_bf16 else 'fp32':>6}{race.n_rows:>5}{steps_per_note:>12.2f}"
            f"{median * steps_per_note:>9,.0f}{median:>9,.0f}"
            f"{f' ({min(rate):,.0f} to {max(rate):,.0f})':<19}{first / median:>8.2f}"
        )


def races_of(
    material: Material, preset: str, *, n_rows: int, budget_s: float = math.inf
) -> list[Race]:
    """Return all networks at the start."""
    found = []
    for side in sides(material, preset):
        choose_precision(side)
        found.append(Race(side, np.random.default_rng(SEED), n_rows, budget_s))
    return found


def hold_race(material: Material, preset: str, minutes: float) -> None:
    """Let all sides learn for so long, and print what they have come to."""
    races = races_of(material, preset, n_rows=ROWS, budget_s=minutes * 60)
    print(f"bits a note, held out, short; {preset}, {ROWS} row of {CONTEXT} a step, one thread")
    for line in run_race(races, material.short):
        print(line, flush=True)
    for name, stretches in material.held_out:
        print("\n".join(["", *final_lines(races, name, stretches)]), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpus", type=Path, required=True, help="a folder of shards")
    parser.add_argument("--preset", choices=PRESETS, default="nano", help="size that learns")
    parser.add_argument(
        "--minutes", type=float, default=5.0, help="of CPU for each network; 0: no race"
    )
    parser.add_argument("--notes", type=int, default=1_000_000, help="to learn from")
    parser.add_argument(
        "--speed", nargs="*", choices=PRESETS, default=[], help="sizes whose speed is measured"
    )
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print("\n".join(machine_lines("sideman", "torch", "transformers", "miditok", "numpy")))
    with TemporaryDirectory() as folder:
        material = prepare(open_corpus(asked.corpus), Path(folder), asked.notes)
        print("\n".join(["", *material_lines(material), ""]), flush=True)
        for preset in asked.speed:
            print("\n".join([*speed_lines(material, preset), ""]), flush=True)
        if asked.minutes:
            hold_race(material, asked.preset, asked.minutes)


if __name__ == "__main__":
    main()
