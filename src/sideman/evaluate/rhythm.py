"""When, how long and how many: density, groove, polyphony, lengths. Drums count where said."""

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.keys import pitched_notes
from sideman.evaluate.outline import (
    find_places,
    shares,
)
from sideman.score.time import bar_starts
from sideman.score.types import Score

LENGTHS = 2.0 ** (np.arange(-8, 9) / 2)
"""Middles of the classes of lengths, in quarters: half octaves from a 64th to four wholes."""


def duration_histogram(score: Score) -> NDArray[np.float64]:
    """Return the share of notes of each length class, shape (17,); 0 without notes.

    Source: Yang and Lerch 2018 ("note length histogram"), with their 12 note values replaced
    by `LENGTHS`; what is shorter or longer is in the first or last. Drums do not count.
    """
    return _length_histogram(pitched_notes(score)["duration"] / score.tpq)


def inter_onset_histogram(score: Score) -> NDArray[np.float64]:
    """Return the share of the times between onsets in each length class, shape (17,).

    Times are those from each onset of a part to its next, drums as well; 0 where there are
    none. Source: Yang and Lerch 2018, who take the mean of all parts in seconds.
    """
    return _length_histogram(_inter_onsets(score))


def mean_inter_onset(score: Score) -> float:
    """Return the mean time from an onset of a part to its next, in quarters; NaN without.

    Source: Yang and Lerch 2018, in seconds and without parts there. Drums count.
    """
    times = _inter_onsets(score)
    return float(times.mean()) if len(times) else np.nan


def mean_duration(score: Score) -> float:
    """Return the mean length of a note in quarters, more than 0; NaN without. No drums."""
    durations = pitched_notes(score)["duration"]
    return float(durations.mean() / score.tpq) if len(durations) else np.nan


def note_density(score: Score) -> float:
    """Return the notes that begin in a quarter, over all bars, at least 0. Drums count.

    A score without notes has 0.
    """
    n_quarters = bar_starts(score)[-1] / score.tpq
    return float(len(score.notes) / n_quarters)


def empty_bar_rate(score: Score) -> float:
    """Return the share of bars in which nothing sounds, 0 to 1. Drums count.

    A score without notes is one empty bar: 1.

    Source: Dong et al. 2018, "MuseGAN", arXiv:1709.06298, there by part; of the whole piece
    as in MusPy, which counts a bar at whose very line a note ends as not empty.
    """
    starts = bar_starts(score)
    n_bars = len(starts) - 1
    onset = score.notes["onset"]
    first = np.searchsorted(starts, onset, side="right") - 1
    end = np.searchsorted(starts, onset + score.notes["duration"])
    begun = np.bincount(first, minlength=n_bars + 1) - np.bincount(end, minlength=n_bars + 1)
    return float((np.cumsum(begun)[:n_bars] == 0).mean())


def polyphony(score: Score) -> float:
    """Return how many pitches sound at once while any does, at least 1; NaN without.

    A pitch that several parts play counts once; drums do not count.

    Source: MusPy (Dong et al. 2020, arXiv:2008.01951).
    """
    notes = pitched_notes(score)
    if len(notes) == 0:
        return np.nan
    onset = notes["onset"]
    end = onset + notes["duration"]
    # The pitches follow one another on one line of time, so that all are measured at once.
    line = notes["pitch"].astype(np.int64) * int(end.max())
    each_pitch = _time_covered(onset + line, end + line)
    return each_pitch / _time_covered(onset, end)


def groove_consistency(score: Score) -> float:
    """Return how alike the rhythms of successive bars are, 0 to 1. Drums count.

    1 - the mean share of places in which a note begins in one of two bars only. Close to 1
    for all music, because most places are empty in both: compare, do not read alone.

    Returns:
        NaN where no two successive bars are as long as each other.

    Source: Wu and Yang 2020, arXiv:2008.01307, who compare all bars with all; neighbours as
    in MusPy, on 12 places a quarter (`PLACES_PER_QUARTER`) whatever the resolution.
    """
    bar, place, lengths = find_places(score)
    longest = max(int(lengths.max()), 1)
    cells = np.unique(bar * longest + place)
    n_onsets = np.bincount(cells // longest, minlength=len(lengths))
    is_also_before = np.isin(cells, cells + longest)
    n_common = np.bincount(cells // longest, is_also_before, len(lengths))[1:]
    n_different = n_onsets[1:] + n_onsets[:-1] - 2 * n_common
    is_pair = (lengths[1:] == lengths[:-1]) & (lengths[1:] > 0)
    if not is_pair.any():
        return np.nan
    return float(1 - (n_different[is_pair] / lengths[1:][is_pair]).mean())


def downbeat_rate(score: Score) -> float:
    """Return in how many of the bars in which notes begin one begins on the bar line, 0 to 1.

    NaN without notes. Drums count. Falls when the music has slipped against its bars. Ours;
    what `sideman.analysis.seams.downbeat_alignment` says of one bar line, this says of all.
    """
    bar, place, _ = find_places(score)
    if len(bar) == 0:
        return np.nan
    return len(np.unique(bar[place == 0])) / len(np.unique(bar))


def _inter_onsets(score: Score) -> NDArray[np.float64]:
    """Return the times between successive onsets of each part, in quarters."""
    part, onset = score.notes["part"].astype(np.int64), score.notes["onset"]
    span = int(onset.max(initial=0)) + 1
    line = np.unique(part * span + onset)
    steps = np.diff(line)[np.diff(line // span) == 0]
    times: NDArray[np.float64] = steps / score.tpq
    return times


def _length_histogram(quarters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of lengths nearest to each of `LENGTHS`, by ratio."""
    nearest = np.rint(2 * np.log2(quarters / LENGTHS[0])).astype(np.int64)
    kinds = np.clip(nearest, 0, len(LENGTHS) - 1)
    return shares(np.bincount(kinds, minlength=len(LENGTHS)))


def _time_covered(onset: NDArray[np.int64], end: NDArray[np.int64]) -> int:
    """Return the ticks in which at least one of some spans lasts."""
    order = np.argsort(onset)
    onset, end = onset[order], np.maximum.accumulate(end[order])
    covered_to = np.append(onset[0], end[:-1])
    return int(np.maximum(end - np.maximum(onset, covered_to), 0).sum())
