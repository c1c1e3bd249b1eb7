"""Tasks: each is a choice of which notes are given, and how far ahead they are announced.

The functions say, for the notes of a grid, how many bars before its own each is announced
(`Layout.ahead`); what they leave `PLAIN` is written, or is the past.
"""

import numpy as np
from numpy.typing import NDArray

from sideman.tokens.codec import PLAIN
from sideman.tokens.grid import Grid


def continue_ahead(grid: Grid) -> NDArray[np.int64]:
    """Continue: the past is context, nothing is given."""
    return np.full(len(grid.notes), PLAIN, np.int64)


def infill_ahead(
    grid: Grid, *, first_bar: int, end_bar: int, parts: NDArray[np.int64], lookahead: int
) -> NDArray[np.int64]:
    """Infill: some parts are written from `first_bar` to before `end_bar`.

    Everything else from `first_bar` on is given: the other parts, and the future.

    Args:
        grid: The piece, past and future.
        first_bar: First bar that is written, counted from 0.
        end_bar: Bar after the last that is written.
        parts: Parts that are written.
        lookahead: Bars that given notes are announced ahead.
    """
    bar = grid.notes["bar"]
    is_written = (bar >= first_bar) & (bar < end_bar) & np.isin(grid.notes["part"], parts)
    return np.where((bar < first_bar) | is_written, PLAIN, lookahead)


def accompany_ahead(
    grid: Grid, *, given_parts: NDArray[np.int64], lookahead: int
) -> NDArray[np.int64]:
    """Accompany (also harmonise, drum, bass, re-write a part): some parts are all given."""
    return np.where(np.isin(grid.notes["part"], given_parts), lookahead, PLAIN)


def vary_ahead(grid: Grid, *, locked: NDArray[np.bool_], lookahead: int) -> NDArray[np.int64]:
    """Vary: locked notes, True in shape (N,), are given; the rest is written anew."""
    return np.where(np.broadcast_to(locked, len(grid.notes)), lookahead, PLAIN)


def chart_ahead(grid: Grid) -> NDArray[np.int64]:
    """Chord chart: the grid's chords stand in their bars, no note is given."""
    return continue_ahead(grid)
