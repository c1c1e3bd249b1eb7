"""Locks: notes of a piece that people choose, so that they stay exactly as they are."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.engine.bounds import RANGE_MARGIN, Bounds
from sideman.engine.parts import PartWish, find_part
from sideman.engine.pitches import parse_pitch, pitch_name
from sideman.engine.wishes import naming, parse_bars, parse_number, parse_span
from sideman.errors import EngineError
from sideman.score.time import QUARTERS_PER_WHOLE, bar_starts, metre_spans
from sideman.score.types import MAX_DATA_BYTE, TPQ, Score, Table

MOST_SHOWN = 6
"""Notes that a message names at most."""

BY_NUMBER = "#"
"""Before numbers of notes."""

_LOCK = re.compile(
    r"(?:(?P<part>.*):)?\s*(?:(?P<pitch>[^\s@]+)\s*@)?\s*"
    r"(?P<bars>[0-9]+(?:\s*[-–]\s*[0-9]+)?)(?:\.(?P<beat>[1-9][0-9]*))?"
)


def locked_notes(score: Score, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which notes of a score people mean, shape (N,).

    Each text names a bar, a run of bars or a beat of a bar, all counted from 1; before it,
    with `@`, a pitch, and before that, with `:`, a part by number, name or instrument:

    - `5`, `5-8`: what begins in these bars;
    - `5.2`: what begins in the second beat of bar 5;
    - `C4@5.2`, `C4@5-8`: each C4 among these;
    - `bass:5-8`, `2:C4@5.2`: those of a part;
    - `#7`, `#7-9`: notes by number, counted from 1 in the order of `score.notes`, as programs
      name them.

    Where a note begins is counted on the model's grid, so that one played a little early is
    where it is written.

    Args:
        score: The piece.
        texts: What people write.

    Raises:
        EngineError: If one cannot be read, or the piece has no such note.

    Example:
        >>> from sideman.score.types import NOTE_DTYPE, Part, table
        >>> rows = [(0, 24, 60, 80, 0), (24, 24, 64, 80, 0), (96, 24, 60, 80, 0)]
        >>> song = Score(table(NOTE_DTYPE, rows), (Part(0),))
        >>> locked_notes(song, ["C4@2", "1.2"])
        array([False,  True,  True])
        >>> locked_notes(song, ["G4@1"])
        Traceback (most recent call last):
        sideman.errors.EngineError: lock 'G4@1': there is no such note; near are C4@1.1, E4@1.2
    """
    bar, beat = _places(score)
    is_locked = np.zeros(len(score.notes), bool)
    for text in texts:
        with naming(f"lock {text!r}"):
            is_locked |= _meant(score, bar, beat, text)
    return is_locked


def _places(score: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return bar and beat, from 0, in which each note begins on the grid, both (N,)."""

    def on_grid(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.rint(ticks * TPQ / score.tpq).astype(np.int64)

    starts, spans = bar_starts(score), metre_spans(score)
    span = np.searchsorted(spans["onset"], starts[:-1], side="right") - 1
    beat_ticks = QUARTERS_PER_WHOLE * TPQ // spans["denominator"][span].astype(np.int64)
    onsets, lines = on_grid(score.notes["onset"]), on_grid(starts)
    bar = np.minimum(np.searchsorted(lines, onsets, side="right"), len(starts) - 1) - 1
    return bar, (onsets - lines[bar]) // np.maximum(beat_ticks[bar], 1)


def _meant(
    score: Score, bar: NDArray[np.int64], beat: NDArray[np.int64], text: str
) -> NDArray[np.bool_]:
    """Return which notes one text means, at least one."""
    if text.strip().startswith(BY_NUMBER):
        return _numbered(score, text.strip().removeprefix(BY_NUMBER))
    match = _LOCK.fullmatch(text.strip())
    if not match or (match["beat"] and not match["bars"].isdigit()):
        msg = "write bars, as in 5-8, or a beat, as in 5.2; before it C4@ or bass: to say whose"
        raise EngineError(msg)
    bars = parse_bars(match["bars"], len(bar_starts(score)) - 1)
    is_near = (bar >= bars.start) & (bar < bars.stop)
    if match["part"] is not None:
        is_near &= score.notes["part"] == find_part(score.parts, match["part"].strip())
    is_meant = is_near.copy()
    if match["beat"]:
        is_meant &= beat == int(match["beat"]) - 1
    if match["pitch"]:
        is_meant &= score.notes["pitch"] == parse_pitch(match["pitch"])
    if not is_meant.any():
        near = [
            f"{pitch_name(int(score.notes['pitch'][n]))}@{bar[n] + 1}.{beat[n] + 1}"
            for n in np.flatnonzero(is_near)[:MOST_SHOWN]
        ]
        msg = f"there is no such note; near are {', '.join(near) or 'none'}"
        raise EngineError(msg)
    return is_meant


def _numbered(score: Score, text: str) -> NDArray[np.bool_]:
    """Return which notes are meant by number."""
    n_notes = len(score.notes)
    first, last = parse_span(text, lambda end: parse_number(end, "note"))
    if first < 1 or last > n_notes:
        msg = f"the piece has notes 1 to {n_notes}"
        raise EngineError(msg)
    numbers = np.arange(1, n_notes + 1)
    return (numbers >= first) & (numbers <= last)


# --------------------------------------------------------------- what comes of a lock


def marked_notes(score: Score, locks: ArrayLike | None) -> NDArray[np.bool_]:
    """Return for each note whether it is among those that are marked.

    Raises:
        EngineError: If the score has no such notes.
    """
    n_notes = len(score.notes)
    marks = np.asarray([] if locks is None else locks)
    if marks.dtype == bool and len(marks) == n_notes:
        return marks
    if marks.dtype == bool or (len(marks) and not 0 <= marks.min() <= marks.max() < n_notes):
        msg = f"the score has {n_notes} notes; locks are their numbers, or yes or no for each"
        raise EngineError(msg)
    return np.isin(np.arange(n_notes), marks)


def would_end(notes: Table, locked: Table) -> NDArray[np.bool_]:
    """Return which notes begin while a locked one of their part and pitch sounds."""
    new = {name: notes[name][:, None] for name in ("part", "pitch", "onset")}
    is_same = (new["part"] == locked["part"]) & (new["pitch"] == locked["pitch"])
    since = new["onset"] - locked["onset"]
    sounds = (since >= 0) & (since < locked["duration"])
    return np.asarray((is_same & sounds).any(axis=1))


def with_range_of(bounds: Bounds, score: Score, parts: Sequence[int]) -> Bounds:
    """Return bounds in which pitched parts have the range that they have in a score.

    So the few notes that are known do not narrow what is written around them.
    """
    wishes = dict(bounds.parts)
    for number in parts:
        part, played = score.parts[number], score.notes["pitch"][score.notes["part"] == number]
        wish = wishes.get(number) or PartWish(part.program)
        if not part.is_drum and len(played) and wish.range is None:
            low, high = int(played.min()) - RANGE_MARGIN, int(played.max()) + RANGE_MARGIN
            wishes[number] = replace(wish, range=(max(low, 0), min(high, MAX_DATA_BYTE)))
    return replace(bounds, parts=wishes)
