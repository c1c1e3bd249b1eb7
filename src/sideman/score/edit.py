"""Cutting and joining scores: each function returns a new score and changes none.

Notes, parts and tables are those of `sideman.score.types`; bars count from 0.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sideman.errors import ScoreError
from sideman.score.time import bar_starts
from sideman.score.types import Score, Table


def slice_bars(score: Score, first_bar: int, end_bar: int) -> Score:
    """Return bars `first_bar` to `end_bar - 1`, tick 0 at the start of the first.

    Notes that start inside are kept whole, so the last may ring beyond the last bar line;
    those that began before are left out. The metre, tempo, key and chord in force at the first
    bar are carried in. Parts stay as they are. Bars after the end of the score are empty bars
    of its last metre.

    Raises:
        ScoreError: If `first_bar` is negative or after `end_bar`.
    """
    if not 0 <= first_bar <= end_bar:
        msg = f"bars are {first_bar} to {end_bar}; they must be in order and not negative"
        raise ScoreError(msg)
    starts = bar_starts(score)
    first, end = _bar_start(starts, first_bar), _bar_start(starts, end_bar)
    onset = score.notes["onset"]
    notes = score.notes.compress((onset >= first) & (onset < end))
    notes["onset"] -= first
    return replace(
        score,
        notes=notes,
        tempos=_rows_between(score.tempos, first, end),
        time_signatures=_rows_between(score.time_signatures, first, end),
        keys=_rows_between(score.keys, first, end),
        chords=_rows_between(score.chords, first, end),
    )


def shift(score: Score, ticks: int) -> Score:
    """Return the score with everything `ticks` later (earlier if negative).

    The metre, tempo and key that hold at tick 0 hold in the time that is added as well; when
    time is taken away, those in force at the new tick 0 are carried in. Bar lines are counted
    from tick 0, so notes move against them unless `ticks` is a whole number of bars.

    Raises:
        ScoreError: If a note would start before tick 0.
    """
    if len(score.notes) and (first := int(score.notes["onset"][0])) + ticks < 0:
        msg = f"shift is {ticks}; the first note starts at {first} and cannot start before 0"
        raise ScoreError(msg)
    notes = score.notes.copy()
    notes["onset"] += ticks
    return replace(
        score,
        notes=notes,
        tempos=_held_from_0(score.tempos, ticks),
        time_signatures=_held_from_0(score.time_signatures, ticks),
        keys=_held_from_0(score.keys, ticks),
        chords=_rows_between(score.chords, -ticks),
    )


def append_score(score: Score, tail: Score, at: int) -> Score:
    """Return `score` with `tail` put in at tick `at`.

    All notes of both are kept. From `at` on the tempos, metres, keys and chords are those of
    `tail`; what `tail` leaves open stays as it was just before. Parts are matched by index,
    and `score` says what they are; parts that only `tail` has are added.

    Raises:
        ScoreError: If the two count ticks differently, or `at` is negative.
    """
    if score.tpq != tail.tpq:
        msg = (
            f"tail has {tail.tpq} ticks per quarter, the score {score.tpq}; resample one first"
        )
        raise ScoreError(msg)
    if at < 0:
        msg = f"append position is {at}; it must be at least 0"
        raise ScoreError(msg)
    return replace(
        score,
        notes=_joined(score.notes, tail.notes, at),
        parts=score.parts + tail.parts[len(score.parts) :],
        tempos=_joined(_rows_before(score.tempos, at), tail.tempos, at),
        time_signatures=_joined(
            _rows_before(score.time_signatures, at), tail.time_signatures, at
        ),
        keys=_joined(_rows_before(score.keys, at), tail.keys, at),
        chords=_joined(_rows_before(score.chords, at), tail.chords, at),
    )


def drop_empty_parts(score: Score) -> Score:
    """Return the score without the parts that have no notes; the others keep their order."""
    used, part = np.unique(score.notes["part"], return_inverse=True)
    if len(used) == len(score.parts):
        return score
    notes = score.notes.copy()
    notes["part"] = part
    return replace(score, notes=notes, parts=tuple(score.parts[index] for index in used))


def cut_overlaps(score: Score) -> Score:
    """Return the score with no two notes of one pitch sounding at once in one part.

    MIDI cannot hold them: a note-off does not say which of two it ends. The earlier note ends
    where the later begins; of notes that begin together the longest is kept.
    """
    notes = score.notes
    order = np.lexsort((-notes["duration"], notes["onset"], notes["pitch"], notes["part"]))
    notes = notes.take(order)
    repeats = _continues_key(notes) & (notes["onset"][1:] == notes["onset"][:-1])
    if repeats.any():
        notes = notes.compress(np.append(True, ~repeats))
    gaps = notes["onset"][1:] - notes["onset"][:-1]
    room = np.where(_continues_key(notes), gaps, notes["duration"][:-1])
    notes["duration"][:-1] = np.minimum(notes["duration"][:-1], room)
    return score.with_notes(notes)


def _continues_key(notes: Table) -> NDArray[np.bool_]:
    """Return whether each note but the first has part and pitch of the one before, (N - 1,)."""
    same_part = notes["part"][1:] == notes["part"][:-1]
    same: NDArray[np.bool_] = same_part & (notes["pitch"][1:] == notes["pitch"][:-1])
    return same


def _bar_start(starts: NDArray[np.int64], bar: int) -> int:
    """Return the tick where a bar starts, also of a bar after the last."""
    n_bars = len(starts) - 1
    if bar <= n_bars:
        return int(starts[bar])
    return int(starts[-1] + (bar - n_bars) * (starts[-1] - starts[-2]))


def _rows_between(rows: Table, start: int, end: int | None = None) -> Table:
    """Return the rows from `start` to before `end`, counted from `start`.

    The row in force at `start`, the last that is not later, comes first, at tick 0.
    """
    first = int(np.searchsorted(rows["onset"], start, side="right")) - 1
    stop = len(rows) if end is None else int(np.searchsorted(rows["onset"], end))
    kept = rows[max(first, 0) : stop].copy()
    kept["onset"] = np.maximum(kept["onset"] - start, 0)
    return kept


def _held_from_0(rows: Table, ticks: int) -> Table:
    """Return the rows `ticks` later, but the one in force at tick 0 still there."""
    if ticks <= 0:
        return _rows_between(rows, -ticks)
    kept = _rows_between(rows, 0)
    kept["onset"][kept["onset"] > 0] += ticks
    return kept


def _rows_before(rows: Table, end: int) -> Table:
    return rows[: int(np.searchsorted(rows["onset"], end))]


def _joined(rows: Table, tail: Table, at: int) -> Table:
    tail = tail.copy()
    tail["onset"] += at
    return np.concatenate([rows, tail])
