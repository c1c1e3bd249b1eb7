"""What metrics read of a score: the line of each part, and where in its bar a note begins."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.keys import pitched_notes
from sideman.score.time import bar_starts
from sideman.score.types import Score, Table

PLACES_PER_QUARTER = 12
"""Places of a bar that are told apart: sixteenths and triplets, as in the Multitrack Music
Transformer (Dong et al. 2023, arXiv:2207.06983). Groove consistency depends on it."""


class Places(NamedTuple):
    """Where each note of a score begins, in playing order.

    Attributes:
        bar: Index of the bar, shape (N,).
        place: Places after the bar line, shape (N,).
        lengths: Places in each bar, shape (n_bars,).
    """

    bar: NDArray[np.int64]
    place: NDArray[np.int64]
    lengths: NDArray[np.int64]


def find_places(score: Score) -> Places:
    """Return where notes begin, rounded to the nearest place.

    Raises:
        ScoreError: If the score has too many bars.
    """
    starts = to_places(bar_starts(score), score.tpq)
    onsets = to_places(score.notes["onset"], score.tpq)
    lengths = np.diff(starts)
    # A note a hair before a bar line rounds to it; one before the end stays in the last bar.
    bar = np.minimum(np.searchsorted(starts, onsets, side="right") - 1, len(lengths) - 1)
    place = np.minimum(onsets - starts[bar], np.maximum(lengths[bar] - 1, 0))
    return Places(bar, place, lengths)


def to_places(ticks: NDArray[np.int64], tpq: int) -> NDArray[np.int64]:
    """Return ticks as places, rounded; halves go to the even one."""
    places: NDArray[np.int64] = np.rint(ticks * PLACES_PER_QUARTER / tpq).astype(np.int64)
    return places


def find_lines(score: Score) -> Table:
    """Return the highest note of each part at each onset, part by part; drums have none."""
    notes = pitched_notes(score)
    order = np.lexsort((notes["pitch"], notes["onset"], notes["part"]))
    notes = notes.take(order)
    is_highest = np.ones(len(notes), bool)
    is_highest[:-1] = (notes["onset"][1:] != notes["onset"][:-1]) | (
        notes["part"][1:] != notes["part"][:-1]
    )
    return notes.compress(is_highest)


def follows_in_line(lines: Table) -> NDArray[np.bool_]:
    """Return whether each note but the first goes on with the one before it, shape (N - 1,)."""
    same: NDArray[np.bool_] = lines["part"][1:] == lines["part"][:-1]
    return same


def shares(counts: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return counts as shares that sum to 1; all 0 where nothing was counted."""
    total = counts.sum(dtype=np.float64)
    found: NDArray[np.float64] = counts / total if total else np.zeros(counts.shape)
    return found
