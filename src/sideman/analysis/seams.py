"""Seams: how well the bars before a bar line go with the bars behind it.

Three measures, which have no right value of their own: they are compared with what the same
measures say of the bars that a composer wrote there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.keys import pitched_notes
from sideman.errors import ScoreError
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.time import bar_starts
from sideman.score.types import Score

SIDE_BARS = 2
"""Bars on either side that are compared: enough to have a harmony and a pulse."""

PLACES_PER_QUARTER = 4
"""Onsets are in the same place when they are on the same sixteenth."""


@dataclass(frozen=True, slots=True)
class Seam:
    """The measures at one bar line, by the names of their functions."""

    pitch_class_overlap: float | None
    density_step: float
    downbeat_alignment: float | None


def measure_seam(score: Score, bar: int, *, side_bars: int = SIDE_BARS) -> Seam:
    """Return all measures at the line before a bar.

    Args:
        score: The piece.
        bar: The bar behind the line, counted from 0.
        side_bars: Bars that are looked at on either side.

    Raises:
        ScoreError: If there are not so many bars on either side.
    """
    return Seam(
        pitch_class_overlap=pitch_class_overlap(score, bar, side_bars=side_bars),
        density_step=density_step(score, bar, side_bars=side_bars),
        downbeat_alignment=downbeat_alignment(score, bar, side_bars=side_bars),
    )


def pitch_class_overlap(score: Score, bar: int, *, side_bars: int = SIDE_BARS) -> float | None:
    """Return how far both sides have their pitch classes in common, 0 to 1.

    On each side every pitch class has its share of the time that notes sound; what both have
    is summed (histogram intersection: Swain and Ballard 1991, "Color indexing"). 1: the same
    shares; 0: no pitch class in common. Notes that ring over the line count on both sides;
    drums do not count.

    Returns:
        None where nothing pitched sounds on a side.

    Raises:
        ScoreError: If there are not so many bars on either side.
    """
    start, at, end = _sides(score, bar, side_bars)
    return _overlap(_pitch_classes(score, start, at), _pitch_classes(score, at, end))


def density_step(score: Score, bar: int, *, side_bars: int = SIDE_BARS) -> float:
    """Return how much denser the notes come behind the line than before it, in doublings.

    0: as many onsets in a quarter; 1: twice as many; -1: half as many. A note is added to each
    side, so that silence has a density, too. Drums count.

    Raises:
        ScoreError: If there are not so many bars on either side.
    """
    start, at, end = _sides(score, bar, side_bars)
    before, behind = (
        (1 + len(_onsets(score, first, stop))) / (stop - first)
        for first, stop in ((start, at), (at, end))
    )
    return float(np.log2(behind / before))


def downbeat_alignment(score: Score, bar: int, *, side_bars: int = SIDE_BARS) -> float | None:
    """Return how far notes begin in the same places of the bar on both sides, 0 to 1.

    On each side every sixteenth from the bar line on has its share of the onsets; what both
    have is summed. 1: the same rhythm or pulse, with the same downbeat; 0: no place in common,
    as when a side is moved by half a beat. Drums count.

    Returns:
        None where no note begins on a side.

    Raises:
        ScoreError: If there are not so many bars on either side.
    """
    start, at, end = _sides(score, bar, side_bars)
    before, behind = _places(score, start, at), _places(score, at, end)
    n_places = max(len(before), len(behind))
    before, behind = (np.pad(side, (0, n_places - len(side))) for side in (before, behind))
    return _overlap(before, behind)


def _sides(score: Score, bar: int, side_bars: int) -> tuple[int, int, int]:
    """Return the ticks where the side before a bar line begins, of the line, and of the end."""
    starts = bar_starts(score)
    n_bars = len(starts) - 1
    if not 1 <= side_bars <= bar <= n_bars - side_bars:
        msg = (
            f"{side_bars} bars before and behind the line of bar {bar + 1} are asked for; "
            f"the piece has {n_bars}"
        )
        raise ScoreError(msg)
    start, at, end = starts[[bar - side_bars, bar, bar + side_bars]].tolist()
    return start, at, end


def _overlap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Return what two histograms have in common as shares; None if one is empty."""
    if not one.any() or not other.any():
        return None
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def _pitch_classes(score: Score, start: int, end: int) -> NDArray[np.float64]:
    """Return how long each pitch class sounds between two ticks, in ticks, shape (12,)."""
    notes = pitched_notes(score)
    first = np.maximum(notes["onset"], start)
    last = np.minimum(notes["onset"] + notes["duration"], end)
    length = np.maximum(last - first, 0)
    sums = np.bincount(notes["pitch"] % N_PITCH_CLASSES, length, N_PITCH_CLASSES)
    return sums.astype(np.float64)


def _onsets(score: Score, start: int, end: int) -> NDArray[np.int64]:
    onsets: NDArray[np.int64] = score.notes["onset"]
    return onsets[(onsets >= start) & (onsets < end)]


def _places(score: Score, start: int, end: int) -> NDArray[np.float64]:
    """Return how many notes begin on each sixteenth of their bar, as far as there are any."""
    ticks = _onsets(score, start, end), bar_starts(score)
    onsets, starts = (
        np.rint(side * PLACES_PER_QUARTER / score.tpq).astype(np.int64) for side in ticks
    )
    bars = np.searchsorted(starts, onsets, side="right") - 1
    return np.bincount(onsets - starts[bars]).astype(np.float64)
