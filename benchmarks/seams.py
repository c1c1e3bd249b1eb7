"""Does what is written into a gap go with the bars around it?

    .venv/bin/python benchmarks/seams.py --pack FOLDER --splits TABLE [--pieces 100]

Some bars of held-out pieces are written anew in all parts. At both borders of the gap the
measures of `sideman.analysis.seams` are taken of the piece as it was, of what the model wrote,
and of the gap filled with other bars of the same piece, which has its key and metre but not its
seams. Means over pieces, with 95 % intervals (bootstrap over pieces); pieces take turns by
collection, and only collections that the model learned from are asked.
"""

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, islice, zip_longest
from pathlib import Path

import numpy as np
from machine import machine_lines
from numpy.typing import NDArray

from sideman.analysis.seams import SIDE_BARS, Seam, measure_seam
from sideman.bundle import Bundle, load_bundle
from sideman.engine.compose import infill, n_bars_played
from sideman.engine.fill import Wish
from sideman.errors import PromptTooLong
from sideman.score.midi import read_midi
from sideman.score.time import bar_starts
from sideman.score.types import Score

GAP_BARS = 4
SEED = 1
N_RESAMPLES = 2_000
FILLINGS = ("original", "model", "elsewhere")
MEASURES = ("pitch classes", "density", "downbeat")

Values = NDArray[np.float64]
"""Of one piece: the measures, `MEASURES`, at the front and the rear border, shape (2, 3)."""


def held_out(splits: Path, sources: set[str]) -> Iterator[str]:
    """Yield the test files of some sources, shuffled; the sources take turns."""
    rng = np.random.default_rng(SEED)
    by_source: dict[str, list[str]] = defaultdict(list)
    with splits.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["split"] == "test" and row["corpus"] in sources:
                by_source[row["corpus"]].append(row["file"])
    shuffled = [rng.permutation(files).tolist() for files in by_source.values()]
    return (file for file in chain.from_iterable(zip_longest(*shuffled)) if file)


def elsewhere(score: Score, first: int, rng: np.random.Generator) -> Score | None:
    """Return a score whose gap holds other bars of it; None if no others are as long."""
    starts = bar_starts(score)
    lengths = np.diff(starts)
    gap = lengths[first : first + GAP_BARS]
    others = [
        bar
        for bar in range(n_bars_played(score) - GAP_BARS + 1)
        if abs(bar - first) >= GAP_BARS and np.array_equal(lengths[bar : bar + GAP_BARS], gap)
    ]
    if not others:
        return None
    origin = int(rng.choice(others))
    onset = score.notes["onset"]
    copied, gone = (
        (onset >= starts[bar]) & (onset < starts[bar + GAP_BARS]) for bar in (origin, first)
    )
    copy = score.notes.compress(copied)
    copy["onset"] += starts[first] - starts[origin]
    return score.with_notes(np.concatenate([score.notes.compress(~gone), copy]))


def values(score: Score, first: int) -> Values | None:
    """Return what is measured at both borders of a gap; None if it cannot be at one."""
    seams = [measure_seam(score, bar) for bar in (first, first + GAP_BARS)]
    return None if any(map(_is_open, seams)) else np.array([_row(seam) for seam in seams])


def _is_open(seam: Seam) -> bool:
    return seam.pitch_class_overlap is None or seam.downbeat_alignment is None


def _row(seam: Seam) -> list[float | None]:
    return [seam.pitch_class_overlap, abs(seam.density_step), seam.downbeat_alignment]


def measured(
    score: Score, bundle: Bundle, rng: np.random.Generator, outcomes: Counter[str]
) -> Values | None:
    """Return the measures of each of `FILLINGS`, shape (3, 2, 3), and count what came of it."""
    places = n_bars_played(score) - GAP_BARS - 2 * SIDE_BARS
    first = SIDE_BARS + int(rng.integers(max(places, 0) + 1))
    other = elsewhere(score, first, rng) if places >= 0 else None
    if other is None:
        outcomes["too short"] += 1
        return None
    known = values(score, first), values(other, first)
    if known[0] is None or known[1] is None:
        outcomes["nothing pitched beside or in the gap"] += 1
        return None
    try:
        wish = Wish(seed=SEED)
        (take,) = infill(score, bundle, first_bar=first, end_bar=first + GAP_BARS, wish=wish)
    except PromptTooLong:
        outcomes["too dense for the context"] += 1
        return None
    written = values(take.score, first)
    outcomes["the model wrote no seam" if written is None else "measured"] += 1
    return None if written is None else np.stack([known[0], written, known[1]])


def interval(found: Values, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the mean of values, shape (N,), and its 95 % interval."""
    drawn = rng.integers(len(found), size=(N_RESAMPLES, len(found)))
    low, high = np.percentile(found[drawn].mean(axis=1), (2.5, 97.5)).tolist()
    return float(found.mean()), low, high


def table(found: Values, rng: np.random.Generator) -> Iterator[str]:
    """Yield the lines on one border; `found` has shape (N, 3 fillings, 3 measures)."""
    yield "            " + "".join(f"{name:>24}" for name in MEASURES)
    rows = [(name, found[:, number]) for number, name in enumerate(FILLINGS)]
    rows += [
        (f"{name} - orig.", found[:, number] - found[:, 0])
        for number, name in enumerate(FILLINGS)
        if number
    ]
    for name, row in rows:
        cells = (interval(row[:, measure], rng) for measure in range(len(MEASURES)))
        yield f"  {name:<18}" + "  ".join(
            f"{mean:6.3f} [{low:6.3f}, {high:6.3f}]" for mean, low, high in cells
        )


def report(found: Sequence[Values]) -> Iterator[str]:
    """Yield the lines on both borders; each of `found` has shape (3, 2, 3)."""
    rng = np.random.default_rng(SEED)
    together = np.stack(found)
    for number, name in enumerate(("front border", "rear border")):
        yield from ("", f"{name}, mean [95 % interval]", *table(together[:, :, number], rng))
    yield from ("", "both borders", *table(together.mean(axis=2), rng))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument("--splits", type=Path, required=True, help="table of splits")
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--pieces", type=int, default=100, help="how many are looked at")
    asked = parser.parse_args()
    bundle, rng = load_bundle(asked.bundle), np.random.default_rng(SEED)
    files = held_out(asked.splits, {row["source"] for row in bundle.card["data"]})
    outcomes: Counter[str] = Counter()
    found = [
        values
        for file in islice(files, asked.pieces)
        if (values := measured(read_midi(asked.pack / file), bundle, rng, outcomes)) is not None
    ]
    print("\n".join(machine_lines("sideman", "onnxruntime", "numpy")))
    print(f"bundle    {bundle.name} {bundle.hash}")
    print(f"gap       {GAP_BARS} bars in all parts; {SIDE_BARS} bars compared on each side")
    print("pieces    " + ", ".join(f"{count} {name}" for name, count in outcomes.items()))
    print("\n".join(report(found)))
    print(
        "\npitch classes, downbeat: 0 nothing in common to 1 the same; "
        "density: size of the step in doublings, 0 none"
    )


if __name__ == "__main__":
    main()
