"""Ticks, bars and seconds: where the bar lines fall and how long a tick lasts."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.errors import ScoreError
from sideman.score.types import DEFAULT_TEMPO_BPM, TIME_SIGNATURE_DTYPE, Score, Table

QUARTERS_PER_WHOLE = 4
SECONDS_PER_MINUTE = 60.0

MAX_BARS = 20_000
"""Most bars a score may have; more is a broken file (8 hours of 4/4 at 120 bpm)."""


def bar_length(numerator: ArrayLike, denominator: ArrayLike, tpq: int) -> NDArray[np.int64]:
    """Return the length of a bar in ticks, at least 1.

    A denominator finer than the ticks can hold is rounded down to whole ticks.
    """
    ticks = np.asarray(numerator, np.int64) * QUARTERS_PER_WHOLE * tpq
    return np.maximum(ticks // np.asarray(denominator, np.int64), 1)


def metre_spans(score: Score) -> Table:
    """Return the time signatures that hold, from tick 0 on, without repetitions.

    A score without one is in 4/4 (Standard MIDI Files 1.0). Of several at one tick the last
    counts.
    """
    rows = score.time_signatures
    spans = np.zeros(len(rows) + 1, TIME_SIGNATURE_DTYPE)
    spans[0] = (0, 4, 4)
    spans[1:] = rows
    last_at_tick = np.append(spans["onset"][1:] != spans["onset"][:-1], True)
    spans = spans.compress(last_at_tick)
    changes = np.ones(len(spans), bool)
    changes[1:] = (spans["numerator"][1:] != spans["numerator"][:-1]) | (
        spans["denominator"][1:] != spans["denominator"][:-1]
    )
    return spans.compress(changes)


def bar_starts(score: Score) -> NDArray[np.int64]:
    """Return the onset of each bar, shape (n_bars + 1,); the last is the end of the last bar.

    A time signature starts a bar, also when the bar before it is not full: that bar is short
    (a pick-up). Bars go on to the end of the last note; there is at least one.

    Raises:
        ScoreError: If there would be more than `MAX_BARS`.
    """
    spans = metre_spans(score)
    onsets = spans["onset"].astype(np.int64)
    lengths = bar_length(spans["numerator"], spans["denominator"], score.tpq)
    end = max(score.end, int(onsets[-1]) + 1, 1)
    ends = np.append(onsets[1:], end)
    counts = -(-(ends - onsets) // lengths)
    if counts.sum() > MAX_BARS:
        msg = f"the score has {int(counts.sum())} bars; at most {MAX_BARS} are read"
        raise ScoreError(msg)
    span = np.repeat(np.arange(len(spans)), counts)
    in_span = np.arange(len(span)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = onsets[span] + in_span * lengths[span]
    last_end = starts[-1] + lengths[-1]
    return np.append(starts, last_end)


def ticks_to_seconds(score: Score, ticks: ArrayLike) -> NDArray[np.float64]:
    """Return the wall-clock second of each tick, counted from tick 0."""
    tempo_ticks = np.append(0, score.tempos["onset"])
    tempo_bpm = np.append(DEFAULT_TEMPO_BPM, score.tempos["tempo_bpm"])
    seconds_per_tick = SECONDS_PER_MINUTE / (tempo_bpm * score.tpq)
    elapsed = np.append(0.0, np.cumsum(np.diff(tempo_ticks) * seconds_per_tick[:-1]))
    ticks = np.asarray(ticks, np.float64)
    index = np.searchsorted(tempo_ticks, ticks, side="right") - 1
    seconds: NDArray[np.float64] = (
        elapsed[index] + (ticks - tempo_ticks[index]) * (seconds_per_tick[index])
    )
    return seconds


def resample(score: Score, tpq: int) -> Score:
    """Return the score with every onset and duration rounded to `tpq` ticks per quarter.

    Halves round to the even tick; a note that would vanish keeps one tick.

    Raises:
        ScoreError: If `tpq` is less than 1.
    """
    if tpq < 1:
        msg = f"tpq is {tpq}; it must be at least 1"
        raise ScoreError(msg)
    if tpq == score.tpq:
        return score

    def rounded(ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        # multiplied first: a half is then exactly a half
        return np.rint(ticks * tpq / score.tpq)

    def scaled(rows: Table) -> Table:
        rows = rows.copy()
        rows["onset"] = rounded(rows["onset"])
        return rows

    notes = scaled(score.notes)
    notes["duration"] = np.maximum(rounded(notes["duration"]), 1)
    return replace(
        score,
        notes=notes,
        tpq=tpq,
        tempos=scaled(score.tempos),
        time_signatures=scaled(score.time_signatures),
        keys=scaled(score.keys),
        chords=scaled(score.chords),
    )
