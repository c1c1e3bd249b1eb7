"""Does the model do what it is told? What is declared of a part against what it then plays.

    .venv/bin/python benchmarks/adherence.py [--bundle FOLDER] [--seeds 4] [--bars 8]

Declared controls are wishes, not bounds: the model has learned that they are mostly true. For
each level that can be asked for, pieces are written from nothing (a piano with a bass and drums
that nothing is asked of), and the level that the piano then has is measured. Rank correlation
(Spearman) says how far what is asked for moves what is played: 1 is full control, 0 none.
Polyphony is not among them: it is a bound, and kept.
"""

import argparse
import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import machine_lines

from sideman.analysis.keys import find_key
from sideman.bundle import Bundle, load_bundle
from sideman.engine.bounds import Bounds
from sideman.engine.compose import Take, compose
from sideman.engine.fill import Wish
from sideman.engine.parts import PartWish, parse_part
from sideman.score.types import Part
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import Role

BAND = (Part(0), Part(33), Part(0, is_drum=True))
PIANO = parse_part("piano")
TONICS = range(12)
ROLES = (Role.MELODY, Role.BASS, Role.CHORDS, Role.PAD, Role.COUNTER, Role.ARPEGGIO)


def written(bundle: Bundle, wish: PartWish, seed: int, n_bars: int, **how: object) -> Take:
    """Write a piece in which something is asked of the piano."""
    asked = Wish(seed=seed, bounds=Bounds(parts={0: wish}))
    (take,) = compose(BAND, bundle, n_bars=n_bars, wish=asked, **how)  # type: ignore[arg-type]
    return take


def measured(take: Take, name: str) -> int:
    """Return a level of the piano, 0 where it is silent."""
    grid, _ = to_grid(take.score)
    return int(measure_controls(grid)[name][0])


def rank_correlation(asked: Sequence[float], got: Sequence[float]) -> float:
    """Return Spearman's rank correlation; ties have their mean rank."""

    def ranks(values: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(counts) - (counts - 1) / 2)[inverse]

    return float(np.corrcoef(ranks(asked), ranks(got))[0, 1])


def levels(
    bundle: Bundle, name: str, asked: dict[int, PartWish], n_seeds: int, n_bars: int
) -> list[str]:
    """Return a table: for each level that is asked for, how often which one is played."""
    got = {
        level: [measured(written(bundle, wish, seed, n_bars), name) for seed in range(n_seeds)]
        for level, wish in asked.items()
    }
    pairs = [(level, value) for level, values in got.items() for value in values]
    correlation = rank_correlation(*zip(*pairs, strict=True))
    columns = sorted({value for _, value in pairs} | set(asked))
    rows = [
        f"{level:>7} |" + "".join(f"{values.count(column) or '.':>4}" for column in columns)
        for level, values in got.items()
    ]
    return [
        "",
        f"{name}: rank correlation {correlation:.2f}",
        "  asked |" + "".join(f"{column:>4}" for column in columns) + "   measured",
        *rows,
    ]


def roles(bundle: Bundle, n_seeds: int, n_bars: int) -> list[str]:
    """Return how often each role that is asked for is the one that is played."""
    lines = ["", "role: how often the role asked for is the one that is measured"]
    for role in ROLES:
        wish = replace(PIANO, role=role)
        got = [measured(written(bundle, wish, seed, n_bars), "role") for seed in range(n_seeds)]
        lines.append(f"{role.name.lower():>9} {got.count(role)}/{n_seeds}")
    return lines


def keys(bundle: Bundle, n_seeds: int, n_bars: int) -> list[str]:
    """Return how often the key that is asked for, without a lock, is the one that is found."""
    hits = near = 0
    for tonic, is_minor, seed in itertools.product(TONICS, (False, True), range(n_seeds)):
        take = written(bundle, PIANO, seed, n_bars, key=(tonic, is_minor))
        found = find_key(take.score)
        hits += found is not None and (found.tonic, found.is_minor) == (tonic, is_minor)
        near += found is not None and found.tonic == tonic
    n_asked = 2 * len(TONICS) * n_seeds
    return ["", f"key, not locked: found {hits} of {n_asked}; the tonic {near} of {n_asked}"]


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--bundle", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--bars", type=int, default=8)
    given = parser.parse_args()
    bundle = load_bundle(given.bundle)
    print("\n".join(machine_lines("sideman", "onnxruntime", "numpy")))
    print(f"bundle    {bundle.name} {bundle.hash}")
    print(f"{given.seeds} pieces of {given.bars} bars for each level")
    amount = (given.seeds, given.bars)
    for name, asked in (
        ("density", {level: replace(PIANO, density=level) for level in range(1, 10)}),
        ("register", {octave + 2: replace(PIANO, octave=octave) for octave in range(1, 8)}),
    ):
        print("\n".join(levels(bundle, name, asked, *amount)), flush=True)
    print("\n".join(roles(bundle, *amount)), flush=True)
    print("\n".join(keys(bundle, 1, given.bars)), flush=True)


if __name__ == "__main__":
    main()
