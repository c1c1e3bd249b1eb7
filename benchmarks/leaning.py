"""How far do repetition and novelty lean?

    .venv/bin/python benchmarks/leaning.py --pack FOLDER --splits TABLE [--pieces 40]

Held-out pieces are continued with each setting of the two leanings, all else being the same.
Measured is what the pitched parts then play in the new bars: how often a pitch, and a length,
is that of the note before; how many runs of four pitches, in any key, came earlier in the new
bars; and how many stand in what was known. Medians over pieces. The bars that really came next
are measured beside them.
"""

import argparse
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from machine import machine_lines
from seams import held_out

from sideman.bundle import Bundle, load_bundle
from sideman.engine.compose import continue_, n_bars_played
from sideman.engine.fill import Wish
from sideman.errors import SidemanError
from sideman.score.edit import drop_empty_parts, slice_bars
from sideman.score.midi import read_midi
from sideman.score.types import Score
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import FIRST_DRUM

HEARD_BARS, NEW_BARS = 16, 8
RUN = 4
LEANINGS = (-2.0, -1.0, 1.0, 2.0)
SETTINGS = {
    "neutral": Wish(),
    **{f"repetition {value:+g}": Wish(repetition=value) for value in LEANINGS},
    **{f"novelty {value:+g}": Wish(novelty=value) for value in LEANINGS},
}
MEASURES = ("pitch again", "length again", "run again", "run known", "notes a bar")

Lines = list[list[tuple[int, int]]]
"""Pitch and length of each note, part by part."""


def lines(score: Score, first: int, end: int) -> Lines:
    """Return what the pitched parts play in some bars."""
    notes = to_grid(score)[0].notes
    notes = notes[(notes["bar"] >= first) & (notes["bar"] < end)]
    notes = notes[notes["pitch"] < FIRST_DRUM]
    return [
        notes[notes["part"] == part][["pitch", "duration"]].tolist()
        for part in np.unique(notes["part"])
    ]


def runs(of: Lines) -> list[tuple[int, ...]]:
    """Return the steps of each run of `RUN` pitches."""
    return [
        tuple(np.diff([pitch for pitch, _ in line[at : at + RUN]]).tolist())
        for line in of
        for at in range(len(line) - RUN + 1)
    ]


def measured(known: Lines, new: Lines, n_bars: int) -> list[float]:
    """Return the measures, in order."""
    pairs = [pair for line in new for pair in pairwise(line)]
    written, there = runs(new), set(runs(known))
    return [
        share([one[0] == two[0] for one, two in pairs]),
        share([one[1] == two[1] for one, two in pairs]),
        share([run in written[:number] for number, run in enumerate(written)]),
        share([run in there for run in written]),
        sum(map(len, new)) / n_bars,
    ]


def share(verdicts: list[bool]) -> float:
    """Return how many are true, 0 to 1."""
    return sum(verdicts) / max(len(verdicts), 1)


def pieces(pack: Path, splits: Path, bundle: Bundle) -> Iterator[Score]:
    """Yield held-out pieces that are long enough, cut to what is heard and what came next."""
    sources = {row["source"] for row in bundle.card["data"]}
    for file in held_out(splits, sources):
        try:
            score = read_midi(pack / file)
        except SidemanError:
            continue
        if n_bars_played(score) < HEARD_BARS + NEW_BARS:
            continue
        score = drop_empty_parts(slice_bars(score, 0, HEARD_BARS + NEW_BARS))
        if lines(score, 0, HEARD_BARS):
            yield score


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument("--splits", type=Path, required=True, help="table: file, corpus, split")
    parser.add_argument("--pieces", type=int, default=40)
    parser.add_argument("--bundle", type=Path, default=None)
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    rows: dict[str, list[list[float]]] = {name: [] for name in ("what came next", *SETTINGS)}
    for score in islice(pieces(given.pack, given.splits, bundle), given.pieces):
        heard = slice_bars(score, 0, HEARD_BARS)
        known = lines(heard, 0, HEARD_BARS)
        end = HEARD_BARS + NEW_BARS
        original = lines(score, HEARD_BARS, end)
        rows["what came next"].append(measured(known, original, NEW_BARS))
        for name, wish in SETTINGS.items():
            (take,) = continue_(heard, bundle, n_bars=NEW_BARS, wish=wish)
            new = lines(take.score, take.first_bar, take.end_bar)
            rows[name].append(measured(known, new, NEW_BARS))
    print(*machine_lines("sideman", "onnxruntime", "numpy"), sep="\n")
    print(f"bundle    {bundle.name} {bundle.hash}")
    print(
        f"{len(rows['neutral'])} held-out pieces, {HEARD_BARS} bars heard, {NEW_BARS} written"
    )
    print()
    print(f"{'':16}" + "".join(f"{name:>14}" for name in MEASURES))
    for name, values in rows.items():
        medians = np.median(values, axis=0)
        cells = [f"{100 * share:12.1f} %" for share in medians[:-1]] + [f"{medians[-1]:14.1f}"]
        print(f"{name:16}" + "".join(cells))


if __name__ == "__main__":
    main()
