"""A simulated player: music from a score, played as a person plays it, to be answered.

Nobody plays exactly on the grid: the deviations of a player's notes hang together over seconds
(Hennig et al. 2011, PLOS ONE 6(10), e26457), so besides a little noise on every note there is a
drift that all notes share and that slowly comes back. The sizes are ours. The same seed plays
the same.

A player is asked when it wants to play next and told what it hears, as `Player` in
`sideman.live.virtual` says; `perform` needs no partner, a `Listener` waits for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sideman.errors import LiveError
from sideman.live.messages import MAX_DATA_BYTE, NoteOff, NoteOn, Timed
from sideman.score.edit import slice_bars
from sideman.score.time import SECONDS_PER_MINUTE, bar_starts, ticks_to_seconds
from sideman.score.types import Score

DRIFT_MEMORY_S = 4.0
"""After this time a drift has gone back to 1/e."""

HELD_SHARE = 0.92
"""How long a key is held, as a part of the written length."""

SHORTEST_S = 0.03
"""No key is held for less, except where it is struck again sooner."""


@dataclass(frozen=True, slots=True)
class Touch:
    """How far playing is from what is written, as standard deviations.

    Attributes:
        jitter_s: Of each note's onset on its own, seconds.
        drift_s: Of what all notes at a time share, seconds.
        velocity: Of each note's velocity, in MIDI steps.
    """

    jitter_s: float = 0.008
    drift_s: float = 0.02
    velocity: float = 6.0


EXACT = Touch(0.0, 0.0, 0.0)
"""Plays what is written."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Some bars, played.

    Attributes:
        messages: Notes on and off in order of time, in seconds from the first bar line, all
            keys up by the end.
        length_s: From the first bar line to the end of the last bar.
        n_bars: Bars, at least 1.
    """

    messages: tuple[Timed, ...]
    length_s: float
    n_bars: int

    def at(self, begin_s: float) -> list[Timed]:
        """Return the messages for a first bar line at `begin_s`."""
        return [replace(timed, time_s=begin_s + timed.time_s) for timed in self.messages]


def phrases_of(
    score: Score,
    *,
    n_bars: int,
    part: int | None = None,
    channel: int = 0,
    tempo_bpm: float | None = None,
    touch: Touch | None = None,
    seed: int = 0,
) -> list[Phrase]:
    """Return a piece as phrases of so many bars, played; one without notes is left out.

    Args:
        score: The piece.
        n_bars: Bars of a phrase, at least 1; the last may have fewer.
        part: The part that is played; None for all pitched parts together.
        channel: Of the messages, 0-15.
        tempo_bpm: Quarter notes per minute; None for the tempo of the piece.
        touch: How far from what is written; None for that of a person.
        seed: Of the deviations.

    Raises:
        LiveError: If the part has no notes.
    """
    score = _line(score, part)
    starts = bar_starts(score)
    touch, rng = touch or Touch(), np.random.default_rng(seed)
    found = []
    for first in range(0, len(starts) - 1, n_bars):
        end = min(first + n_bars, len(starts) - 1)
        piece = slice_bars(score, first, end)
        if len(piece.notes):
            ticks = int(starts[end] - starts[first])
            written = _seconds(piece, ticks, tempo_bpm)
            messages = _played(piece, written, (channel, touch), rng)
            found.append(Phrase(messages, float(written[-1]), end - first))
    return found


def perform(
    phrases: Iterable[Phrase], *, rest_bars: int = 0, begin_s: float = 0.0
) -> Iterator[Timed]:
    """Yield phrases one after the other, with rests in between that leave room for an answer.

    Args:
        phrases: What to play.
        rest_bars: How many bars to wait after each, in its own tempo.
        begin_s: Second of the first bar line.
    """
    for phrase in phrases:
        yield from phrase.at(begin_s)
        begin_s += phrase.length_s * (1 + rest_bars / phrase.n_bars)


class Listener:
    """A player who plays a phrase, waits for the answer to end, and plays the next.

    Args:
        phrases: What to play.
        patience_s: How long nothing must sound before the next phrase.
        wait_s: How long to wait if no answer comes.
        begin_s: Second at which the first phrase begins.
    """

    def __init__(
        self,
        phrases: Iterable[Phrase],
        *,
        patience_s: float = 1.0,
        wait_s: float = 8.0,
        begin_s: float = 0.0,
    ) -> None:
        self._phrases = iter(phrases)
        self._patience_s = patience_s
        self._wait_s = wait_s
        self._heard: set[tuple[int, int]] = set()
        self._waiting: list[Timed] = []
        self._begin(begin_s)

    def next_at(self) -> float | None:
        """Return when it plays next if it hears nothing more; None if it has played all."""
        if self._waiting:
            return self._waiting[0].time_s
        return None if self._is_over else self._begin_s

    def play(self, now_s: float) -> list[Timed]:
        """Return what it plays up to now."""
        if not self._waiting and not self._is_over and self._begin_s <= now_s:
            self._begin(self._begin_s)
        n_due = sum(timed.time_s <= now_s for timed in self._waiting)
        due, self._waiting = self._waiting[:n_due], self._waiting[n_due:]
        return due

    def listen(self, timed: Timed) -> None:
        """Hear a message of the partner."""
        match timed.message:
            case NoteOn(channel, pitch, _):
                self._heard.add((channel, pitch))
            case NoteOff(channel, pitch):
                self._heard.discard((channel, pitch))
            case _:
                return
        pause_s = self._wait_s if self._heard else self._patience_s
        self._begin_s = max(self._end_s, timed.time_s) + pause_s

    def _begin(self, begin_s: float) -> None:
        phrase = next(self._phrases, None)
        self._is_over = phrase is None
        self._waiting = phrase.at(begin_s) if phrase else []
        self._end_s = self._waiting[-1].time_s if self._waiting else begin_s
        self._begin_s = self._end_s + self._wait_s


def _line(score: Score, part: int | None) -> Score:
    """Return a score that has only the notes that are played."""
    parts = [index for index, player in enumerate(score.parts) if not player.is_drum]
    is_played = np.isin(score.notes["part"], parts if part is None else [part])
    if not is_played.any():
        msg = f"part {part} has no notes to play" if part is not None else "no part has pitches"
        raise LiveError(msg)
    return score.with_notes(score.notes.compress(is_played))


def _seconds(piece: Score, length: int, tempo_bpm: float | None) -> NDArray[np.float64]:
    """Return the seconds of all onsets, all ends, and tick `length`, as written, (2N + 1,)."""
    onsets = piece.notes["onset"]
    ticks = np.concatenate([onsets, onsets + piece.notes["duration"], [length]])
    if tempo_bpm is None:
        return ticks_to_seconds(piece, ticks)
    return np.asarray(ticks * (SECONDS_PER_MINUTE / (tempo_bpm * piece.tpq)), np.float64)


def _played(
    piece: Score,
    written_s: NDArray[np.float64],
    manner: tuple[int, Touch],
    rng: np.random.Generator,
) -> tuple[Timed, ...]:
    """Return the messages of a phrase.

    Args:
        piece: Its bars.
        written_s: As `_seconds` returns them.
        manner: Channel and touch.
        rng: Draws the deviations.
    """
    channel, touch = manner
    n, length_s = len(piece.notes), written_s[-1]
    onsets_s, ends_s = written_s[:n], written_s[n : 2 * n]
    begins_s = onsets_s + _drift(onsets_s, touch, rng) + rng.normal(0, touch.jitter_s, n)
    begins_s = np.clip(begins_s, 0, max(length_s - SHORTEST_S, 0))
    ends_s = begins_s + np.maximum((ends_s - onsets_s) * HELD_SHARE, SHORTEST_S)
    velocities = piece.notes["velocity"] + rng.normal(0, touch.velocity, n)
    velocities = np.clip(np.rint(velocities), 1, MAX_DATA_BYTE)
    messages = []
    for pitch in np.unique(piece.notes["pitch"]).tolist():
        struck = np.flatnonzero(piece.notes["pitch"] == pitch)
        begins, first = np.unique(begins_s[struck], return_index=True)
        struck = struck[first]
        ends = np.minimum(ends_s[struck], np.append(begins[1:], length_s))
        rows = zip(begins.tolist(), ends.tolist(), velocities[struck].tolist(), strict=True)
        for begin_s, end_s, velocity in rows:
            messages.append(Timed(begin_s, NoteOn(channel, pitch, int(velocity))))
            messages.append(Timed(end_s, NoteOff(channel, pitch)))
    return tuple(sorted(messages, key=_order))


def _drift(
    onsets_s: NDArray[np.float64], touch: Touch, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return what notes share, shape (N,): an Ornstein-Uhlenbeck process at their onsets."""
    moments, index = np.unique(onsets_s, return_inverse=True)
    drift = rng.normal(0, touch.drift_s, len(moments))
    kept = np.exp(-np.diff(moments) / DRIFT_MEMORY_S)
    for later, share in enumerate(kept, 1):
        drift[later] = share * drift[later - 1] + (1 - share**2) ** 0.5 * drift[later]
    return np.asarray(drift[index])


def _order(timed: Timed) -> tuple[float, bool]:
    """Return what messages are ordered by: at one moment keys go up first."""
    return timed.time_s, isinstance(timed.message, NoteOn)
