"""How large is the index of a corpus, how fast is it searched, and what does it find?

    .venv/bin/python benchmarks/originality.py --corpus FOLDER [--takes FOLDER] [--index FILE]

The index is built from the training split, unless one is named. Looked for are copies planted
in other music, excerpts of pieces, and takes that a model has written (MIDI files such as
`sideman continue` makes; of each the new bars are compared).
"""

import argparse
import itertools
import statistics
import tempfile
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from machine import machine_lines

from sideman.corpus.origins import read_origins
from sideman.corpus.shards import Corpus, Piece, ShardReader, open_corpus
from sideman.engine.originality import (
    ARRAYS,
    SEED,
    Index,
    build_index,
    lines,
    open_index,
    original_file,
)
from sideman.score.types import NOTE_DTYPE, Part, Score, Table, table
from sideman.tokens.codec import events_to_grid
from sideman.tokens.grid import Grid, from_grid, slice_bars, to_grid

RANDOM_SEED = 1
N_ASKED = 300
"""Excerpts and planted copies of a kind."""

PLANTED = (10, 16, 24, 32)
CONTEXT = 16
"""Notes of other music before and behind a planted copy."""

GUARANTEES = (9, 12, 16, 20, 24, 32)
"""Notes of the shortest run that winnowed fingerprints are sure to find."""

FINGERPRINT_BYTES = 8
"""Of one fingerprint: 4 of hash, 4 of place."""


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """What is measured on."""

    corpus: Corpus
    reader: ShardReader
    index: Index
    rng: np.random.Generator

    def grid(self, piece: Piece) -> Grid:
        """Return a piece."""
        return events_to_grid(self.reader.events(piece))[0]

    def drawn(self, split: str) -> list[Piece]:
        """Return all pieces of a split in random order."""
        pieces = self.corpus.of_split(split)
        return [pieces[number] for number in self.rng.permutation(len(pieces))]

    def excerpt(self, piece: Piece, n_bars: int) -> Grid:
        """Return so many bars of a piece from anywhere in it."""
        grid = self.grid(piece)
        first = int(self.rng.integers(max(grid.n_bars - n_bars, 0) + 1))
        return slice_bars(grid, first, first + n_bars)


def n_shared(index: Index, grid: Grid) -> int:
    """Return the notes of the longest run, 0 for no more than a seed."""
    run = index.longest_run(lines(grid))
    return len(run) + bool(run)


def spread(values: Sequence[float]) -> str:
    """Return count, median, 95th percentile and largest."""
    median, long = np.percentile(values, (50, 95))
    return f"{len(values):>7,}{median:>9.0f}{long:>9.0f}{max(values):>9.0f}"


def size_lines(index: Index, path: Path) -> list[str]:
    """Return what the index weighs, and what fingerprints would."""
    n_steps = len(index.steps)
    packed = len(zlib.compress(path.read_bytes(), 6))
    rows = [f"  {name:<14}{getattr(index, name).nbytes / 2**20:8.2f} MiB" for name in ARRAYS]
    table_rows = []
    for n_notes in GUARANTEES:
        window = n_notes - SEED  # of hashes; each has SEED steps
        kept = n_steps * min(2 / (window + 1), 1)
        table_rows.append(
            f"  {n_notes:>4} notes{kept:>14,.0f}{kept * FINGERPRINT_BYTES / 2**20:>9.1f} MiB"
        )
    return [
        f"index of {index.n_pieces:,} pieces, {n_steps:,} steps: "
        f"{path.stat().st_size / 2**20:.1f} MiB, {packed / 2**20:.1f} MiB deflated, as in a "
        f"wheel; finds all runs from {SEED + 1} notes on",
        *rows,
        "winnowed fingerprints instead of steps, as expected (2 of w + 1 places):",
        *table_rows,
    ]


def time_lines(bench: Bench, path: Path) -> list[str]:
    """Return how long opening and asking take."""
    opening = []
    for _ in range(5):
        start = time.perf_counter()
        open_index(path)
        opening.append(1e3 * (time.perf_counter() - start))
    result = [f"opening {statistics.median(opening):.0f} ms (file in the page cache)"]
    for n_bars in (8, 64):
        times = []
        for piece in bench.drawn("test")[:60]:
            score = from_grid(bench.excerpt(piece, n_bars))
            start = time.perf_counter()
            open_index(path).longest_shared(score)
            times.append(1e3 * (time.perf_counter() - start))
        result.append(
            f"opening and answering, {n_bars} bars: median {statistics.median(times):.0f} ms, "
            f"largest {max(times):.0f} ms"
        )
    return result


def top_line(score: Score, part: int) -> Table:
    """Return the highest note of a part at each onset."""
    notes = score.notes.compress(score.notes["part"] == part)
    highest = np.append(notes["onset"][1:] != notes["onset"][:-1], True)
    return notes.compress(highest)


def passage(bench: Bench, piece: Piece, n_notes: int) -> list[tuple[int, int]] | None:
    """Return (pitch, ticks to the next note) of a run of notes of a piece, or None."""
    score = from_grid(bench.grid(piece))
    parts = [number for number, part in enumerate(score.parts) if not part.is_drum]
    if not parts:
        return None
    notes = top_line(score, int(bench.rng.choice(parts)))
    if len(notes) < n_notes + 1:
        return None
    first = int(bench.rng.integers(len(notes) - n_notes))
    some = notes[first : first + n_notes + 1]
    return list(zip(some["pitch"].tolist(), np.diff(some["onset"]).tolist(), strict=False))


def played(notes: Sequence[tuple[int, int]], program: int) -> Score:
    """Return a score of one part that plays notes one after the other."""
    rows, onset = [], 0
    for pitch, ticks in notes:
        rows.append((onset, min(ticks, 96), pitch, 80, 0))
        onset += ticks
    return Score(table(NOTE_DTYPE, rows), (Part(program),))


def planted_lines(bench: Bench) -> list[str]:
    """Return how often a copy is found that was planted in held-out music."""
    result = [
        f"copies from training pieces, transposed, between {CONTEXT} notes of test pieces",
        "(distinct: notes that repeat no figure; others: another run is as long or longer)",
        f"  {'notes':>5}{'distinct':>10}{'copies':>9}{'found':>9}{'others':>9}{'missed':>9}",
    ]
    strangers = [
        notes
        for piece in bench.drawn("test")
        if (notes := passage(bench, piece, CONTEXT)) is not None
    ]
    for n_notes in PLANTED:
        distinct: list[int] = []
        outcomes: Counter[str] = Counter()
        for piece in bench.drawn("train"):
            copied = passage(bench, piece, n_notes)
            own = lines(to_grid(played(copied, 0))[0]) if copied else []
            if not copied or not own:
                continue
            distinct.append(len(own[0].steps) + 1)
            before, behind = (strangers[n] for n in bench.rng.integers(len(strangers), size=2))
            take = played(
                [*before, *transposed(copied, bench.rng), *behind],
                int(bench.rng.integers(128)),
            )
            run = bench.index.longest_run(lines(to_grid(take)[0]))
            home = (line.steps.tobytes() for line in lines(bench.grid(piece)))
            if run and any(run in line for line in home):
                outcomes["found"] += 1
            else:
                outcomes["others" if len(run) + 1 >= distinct[-1] else "missed"] += 1
            if len(distinct) == N_ASKED:
                break
        shares = (outcomes[name] / len(distinct) for name in ("found", "others", "missed"))
        result.append(
            f"  {n_notes:>5}{statistics.median(distinct):>10.0f}{len(distinct):>9}"
            + "".join(f"{share:>9.1%}" for share in shares)
        )
    return result


def transposed(
    notes: Sequence[tuple[int, int]], rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Return notes up to an octave higher or lower."""
    low, high = (limit(pitch for pitch, _ in notes) for limit in (min, max))
    by = int(rng.integers(max(-low, -12), min(127 - high, 12) + 1))
    return [(pitch + by, ticks) for pitch, ticks in notes]


def verdict_lines(bench: Bench) -> list[str]:
    """Return how often a run of 8 bars is unusually long."""
    result = ["8 bars whose longest run is unusually long:"]
    for split in ("train", "test"):
        excerpts = (bench.excerpt(piece, 8) for piece in bench.drawn(split))
        asked = itertools.islice((grid for grid in excerpts if lines(grid)), N_ASKED)
        shared = [bench.index.longest_shared(from_grid(grid)) for grid in asked]
        n_long = sum(
            found is not None and found.usual is not None and found.n_notes > found.usual.long
            for found in shared
        )
        result.append(f"  of {split:<6}{n_long / len(shared):>7.1%} of {len(shared)}")
    return result


def held_out_lines(bench: Bench) -> list[str]:
    """Return how long the longest runs of pieces are that are not in the index."""
    by_source: dict[str, list[int]] = defaultdict(list)
    whole: list[int] = []
    longest = []
    for piece in bench.drawn("test"):
        excerpt = bench.excerpt(piece, 8)
        if lines(excerpt):
            n_notes = n_shared(bench.index, excerpt)
            by_source[piece.path.split("/")[0]].append(n_notes)
            longest.append((n_notes, piece.path, excerpt))
        if lines(bench.grid(piece)):
            whole.append(n_shared(bench.index, bench.grid(piece)))
    rows = [f"  {name:<24}{spread(found)}" for name, found in sorted(by_source.items())]
    every = [n_notes for found in by_source.values() for n_notes in found]
    result = [
        f"longest run of pieces of the test split (0: none of more than {SEED} notes)",
        f"  {'8 bars of':<24}{'pieces':>7}{'median':>9}{'95 %':>9}{'largest':>9}",
        *rows,
        f"  {'all, 8 bars':<24}{spread(every)}",
        f"  {'all, whole pieces':<24}{spread(whole)}",
        "the longest of 8 bars:",
    ]
    for _, path, excerpt in sorted(longest, key=lambda row: row[:2])[:-7:-1]:
        shared = bench.index.longest_shared(from_grid(excerpt))
        if shared is not None:
            result.append(f"  {path}")
            result.append(f"    {replace(shared, usual=None).line()}")
    return result


def take_lines(folder: Path, path: Path) -> list[str]:
    """Return what the takes in a folder share with the corpus."""
    said = (original_file(midi, index=path) for midi in sorted(folder.glob("*.mid")))
    return [
        "takes of a model, new bars only:",
        *(f"  {line.removeprefix(f'{folder}/')}" for line in said),
    ]


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--corpus", type=Path, help="folder of a corpus, with its manifest")
    parser.add_argument("--index", type=Path, help="its index, if there is one already")
    parser.add_argument("--takes", type=Path, help="folder of MIDI files that a model wrote")
    asked = parser.parse_args()
    if asked.corpus is None:
        print("nothing measured: name the folder of a corpus with --corpus FOLDER")
        return
    print("\n".join(machine_lines("sideman", "numpy")))
    with tempfile.TemporaryDirectory() as folder:
        path = asked.index
        if path is None:
            start = time.perf_counter()
            origins = read_origins(asked.corpus)
            path = Path(folder) / "index.npz"
            build_index(asked.corpus, path, origins=origins)
            print(f"\nbuilt in {time.perf_counter() - start:.0f} s")
        corpus, index = open_corpus(asked.corpus), open_index(path)
        bench = Bench(corpus, ShardReader(corpus), index, np.random.default_rng(RANDOM_SEED))
        print("\n".join(["", *size_lines(index, path)]))
        print("\n".join(["", *time_lines(bench, path)]))
        print("\nusual, by steps of the take (median, 95 %):")
        for row in index.usual:
            print(f"  from {row.min_steps:>4} steps{row.median:>6}{row.long:>6}")
        print("\n".join(["", *planted_lines(bench)]))
        print("\n".join(["", *verdict_lines(bench)]))
        print("\n".join(["", *held_out_lines(bench)]))
        if asked.takes is not None:
            print("\n".join(["", *take_lines(asked.takes, path)]))


if __name__ == "__main__":
    main()
