"""Impressions: a dozen plain figures of some notes, such as a listener might name.

Made for telling two answers to one prompt apart; `sideman.evaluate.metrics` are for telling how
good music is. Each is a number whatever the notes are, and all take less than a millisecond.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.score.harmony import N_PITCH_CLASSES
from sideman.tokens.grid import Grid, onsets
from sideman.tokens.vocabulary import DURATION_TICKS, FIRST_DRUM

LARGEST_LEAP = 12
"""Semitones from which on a leap is as good as any larger."""


def impressions(grid: Grid) -> dict[str, float]:
    """Return each impression of the notes of a grid, at least one, by name.

    What is said of lines is of the upper line of each pitched part.
    """
    notes = grid.notes
    onset = onsets(grid, notes, grid.bar_starts())
    is_pitched = notes["pitch"] < FIRST_DRUM
    pitches = notes["pitch"][is_pitched].astype(np.int64)
    lines = list(_lines(notes["part"][is_pitched], onset[is_pitched], pitches))
    steps = _differences([pitch for _, pitch in lines])
    gaps = _differences([begin for begin, _ in lines])
    n_bars = int(notes["bar"].max() - notes["bar"].min()) + 1
    return {
        "notes a bar": math.log2(len(notes) / n_bars),
        "long notes": _mean(np.log2(np.maximum(DURATION_TICKS[notes["duration"]], 1))),
        "high notes": _mean(pitches),
        "wide spread of pitches": _spread(pitches),
        "repeated pitches": _mean(steps == 0),
        "leaps": _mean(np.minimum(np.abs(steps), LARGEST_LEAP)),
        "rising lines": _mean(np.sign(steps)),
        "notes off the beat": _mean(notes["tick"] != 0),
        "uneven rhythm": _spread(np.log2(gaps)),
        "notes at once": math.log2(len(notes) / len(np.unique(onset))),
        "different pitch classes": _entropy(pitches % N_PITCH_CLASSES),
        "loud notes": _mean(notes["velocity"]),
        "uneven loudness": _spread(notes["velocity"]),
        "drums": 1 - _mean(is_pitched),
    }


def _lines(
    part: NDArray[np.uint8], onset: NDArray[np.int64], pitch: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield onsets and pitches of the upper line of each part."""
    for number in np.unique(part):
        is_mine = part == number
        begin, mine = onset[is_mine], pitch[is_mine]
        is_upper = np.append(begin[1:] != begin[:-1], True)  # the last of an onset is highest
        yield begin[is_upper], mine[is_upper]


def _differences(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return from each number of each row to the next, all in one row."""
    return np.concatenate([np.zeros(0, np.int64), *map(np.diff, rows)])


def _mean(values: ArrayLike) -> float:
    values = np.asarray(values, np.float64)
    return float(values.mean()) if values.size else 0.0


def _spread(values: ArrayLike) -> float:
    values = np.asarray(values, np.float64)
    return float(values.std()) if values.size else 0.0


def _entropy(values: NDArray[np.int64]) -> float:
    """Return how evenly small numbers are used, in bits."""
    counts = np.bincount(values)
    shares = counts[counts > 0] / max(len(values), 1)
    return float(-(shares * np.log2(shares)).sum())
