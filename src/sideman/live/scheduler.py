"""Sends what was ordered when it is due, and stops every note that it started.

An instrument sounds a note until it is told to stop, so a stop that is lost sounds for ever.
All that is sent passes through the scheduler, which knows what sounds: each note-on is followed
by exactly one note-off, whatever is ordered and whenever it is asked. It is pure: times come in
with every call.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from sideman.errors import LiveError
from sideman.live.messages import (
    ALL_NOTES_OFF,
    ALL_SOUND_OFF,
    N_CHANNELS,
    SUSTAIN,
    ControlChange,
    Message,
    NoteOff,
    NoteOn,
    ProgramChange,
    Timed,
)
from sideman.live.orders import Order, Play, Program, Release, Silence

LATE_S = 0.05
"""A note later than this is not played: at 120 bpm it would sound nearly a 32nd behind."""

MAX_NOTE_S = 60.0
"""The longest a note sounds when nothing ends it."""


class Lateness:
    """How late notes were sent: a histogram in steps of 0.1 ms, so of bounded size."""

    STEP_S = 1e-4
    N_STEPS = 10_000

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self.most_s = 0.0
        """The latest of all, in seconds; 0 before the first."""

    @property
    def n(self) -> int:
        """How many were counted."""
        return self._counts.total()

    def add(self, lateness_s: float) -> None:
        """Count one note; one that was early was not late."""
        lateness_s = max(lateness_s, 0.0)
        self._counts[min(int(lateness_s / self.STEP_S), self.N_STEPS)] += 1
        self.most_s = max(self.most_s, lateness_s)

    def quantile(self, share: float) -> float:
        """Return the lateness in seconds that `share` (0–1) of the notes did not exceed.

        It is right to one step upwards, and 0 before the first note.
        """
        wanted = share * self.n
        reached = 0
        for step in sorted(self._counts):
            reached += self._counts[step]
            if reached >= wanted:
                return min((step + 1) * self.STEP_S, self.most_s)
        return 0.0


class _Rank(IntEnum):
    """What comes first of what falls on the same moment."""

    END = 0
    SILENCE = 1
    PROGRAM = 2
    MESSAGE = 3
    BEGIN = 4


@dataclass(slots=True, eq=False)
class _Note:
    """A note that was ordered, from then until it ends or is known never to begin."""

    play: Play
    on: NoteOn
    number: int
    end_s: float
    is_sounding: bool = False

    @property
    def key(self) -> tuple[int, int]:
        """What a note-off names: channel and pitch."""
        return self.on.channel, self.on.pitch


_Entry = tuple[float, int, int, "_Note | Message | None"]
"""When, rank, order of arrival, and of what."""


class Scheduler:
    """Holds orders until they are due.

    A note struck again while it sounds is stopped first. A note that would begin more than
    `late_s` late is dropped and counted: late notes in a bunch are worse than none. A clock
    that steps back ends everything, since nothing that was ordered has a time any more.

    Args:
        late_s: A note later than this is dropped.
        max_note_s: No note sounds longer than this.

    Attributes:
        n_sent: Note-ons sent.
        n_dropped: Notes dropped because they came too late.
        lateness: How late the notes were that were sent.
    """

    def __init__(self, *, late_s: float = LATE_S, max_note_s: float = MAX_NOTE_S) -> None:
        self.late_s = late_s
        self.max_note_s = max_note_s
        self.n_sent = 0
        self.n_dropped = 0
        self.lateness = Lateness()
        self._heap: list[_Entry] = []
        self._numbers = itertools.count()
        self._notes: dict[int, _Note] = {}  # by the id of their order: not ended yet
        self._sounding: dict[tuple[int, int], _Note] = {}
        self._last_s: dict[tuple[int, int], float] = {}  # of each key: nothing goes before it
        self._now_s = -math.inf

    @property
    def n_sounding(self) -> int:
        """How many notes sound."""
        return len(self._sounding)

    def take(self, order: Order | Timed) -> None:
        """Keep an order until it is due, or a message that is no note, such as a clock.

        Raises:
            LiveError: If it is of no note or moment that can be, or a message that would start
                or stop a note behind our back; nothing is kept of it.
        """
        match order:
            case Play(id, channel, pitch, velocity, begin_s, end_s):
                on = NoteOn(channel, pitch, velocity)
                self._take_note(
                    order, on, _moment(begin_s), math.inf if end_s is None else end_s
                )
            case Release(id, at_s):
                note = self._notes.get(id)
                if note is not None:
                    self._end_at(note, _moment(at_s))
            case Silence(at_s):
                self._push(_moment(at_s), _Rank.SILENCE, None)
            case Program(channel, program, at_s):
                self._push(_moment(at_s), _Rank.PROGRAM, ProgramChange(channel, program))
            case Timed(time_s, NoteOn() | NoteOff() as message):
                msg = f"{message} at {time_s} s is no order; notes are ordered with Play"
                raise LiveError(msg)
            case Timed(time_s, message):
                self._push(_moment(time_s), _Rank.MESSAGE, message)

    def due(self, now_s: float, *, ahead_s: float = 0.0) -> list[Timed]:
        """Return what is to be sent, in order.

        Args:
            now_s: The time now.
            ahead_s: How much earlier than its moment each message is wanted, for a port that
                sends it at the exact moment by itself.
        """
        if now_s < self._now_s - self.late_s:
            self._now_s = now_s
            self._last_s.clear()
            return self.release_all(now_s)
        self._now_s = now_s
        sent: list[Timed] = []
        while self._heap and self._heap[0][0] <= now_s + ahead_s:
            sent += self._carry_out(heapq.heappop(self._heap))
        return sent

    def next_at(self) -> float | None:
        """Return when something is due next, if anything is."""
        return self._heap[0][0] if self._heap else None

    def release_all(self, now_s: float) -> list[Timed]:
        """Return a note-off for all that sounds, and forget all that was ordered."""
        self._heap.clear()
        self._notes.clear()
        return [self._stop(note, now_s) for note in list(self._sounding.values())]

    def panic(self, now_s: float) -> list[Timed]:
        """Return what silences an instrument even if it knows of more notes than we do."""
        silence = ((SUSTAIN, 0), (ALL_NOTES_OFF, 0), (ALL_SOUND_OFF, 0))
        return self.release_all(now_s) + [
            Timed(now_s, ControlChange(channel, number, value))
            for channel in range(N_CHANNELS)
            for number, value in silence
        ]

    def _take_note(self, play: Play, on: NoteOn, begin_s: float, end_s: float) -> None:
        note = _Note(play, on, next(self._numbers), math.inf)
        self._notes[play.id] = note
        self._push(begin_s, _Rank.BEGIN, note)
        self._end_at(note, end_s)

    def _end_at(self, note: _Note, end_s: float) -> None:
        """Say when a note ends, in place of what was said before; never after its longest.

        `not <` because an end that is no number must end the note too.
        """
        longest_s = note.play.begin_s + self.max_note_s
        note.end_s = end_s if end_s < longest_s else longest_s
        self._push(note.end_s, _Rank.END, note)

    def _push(self, at_s: float, rank: _Rank, what: _Note | Message | None) -> None:
        heapq.heappush(self._heap, (at_s, rank, next(self._numbers), what))

    def _carry_out(self, entry: _Entry) -> Iterator[Timed]:
        """Do what one entry says, and give what is to be sent for it."""
        at_s, rank, number, what = entry
        if what is None:
            yield from self._silence(at_s, number)
        elif not isinstance(what, _Note):
            if rank == _Rank.PROGRAM or at_s >= self._now_s - self.late_s:
                yield Timed(at_s, what)
        elif rank == _Rank.BEGIN:
            yield from self._begin(what)
        elif at_s == what.end_s:  # otherwise another end was said since
            yield from self._end(what)

    def _begin(self, note: _Note) -> Iterator[Timed]:
        play = note.play
        if self._notes.get(play.id) is not note:
            return
        lateness_s = self._now_s - play.begin_s
        if lateness_s > self.late_s:
            self.n_dropped += 1
            self._forget(note)
            return
        before = self._sounding.get(note.key)
        if before is not None:
            yield self._stop(before, play.begin_s)
        self._sounding[note.key] = note
        note.is_sounding = True
        self.n_sent += 1
        self.lateness.add(lateness_s)
        yield Timed(self._in_order(note, play.begin_s), note.on)

    def _end(self, note: _Note) -> Iterator[Timed]:
        if note.is_sounding:
            yield self._stop(note, note.end_s)
        else:
            self._forget(note)

    def _silence(self, at_s: float, number: int) -> Iterator[Timed]:
        """Stop what sounds, and take back what was ordered before silence was."""
        for note in [note for note in self._notes.values() if note.number < number]:
            if not note.is_sounding:
                self._forget(note)
        for note in list(self._sounding.values()):
            yield self._stop(note, at_s)

    def _stop(self, note: _Note, at_s: float) -> Timed:
        del self._sounding[note.key]
        note.is_sounding = False
        self._forget(note)
        return Timed(self._in_order(note, at_s), NoteOff(*note.key))

    def _forget(self, note: _Note) -> None:
        if self._notes.get(note.play.id) is note:
            del self._notes[note.play.id]

    def _in_order(self, note: _Note, at_s: float) -> float:
        """Return `at_s`, but no earlier than what was sent last for the same key."""
        time_s = max(at_s, self._last_s.get(note.key, -math.inf))
        self._last_s[note.key] = time_s
        return time_s


def _moment(at_s: float) -> float:
    if not math.isfinite(at_s):
        msg = f"an order is for {at_s} s; it must be for a moment of the session's clock"
        raise LiveError(msg)
    return at_s
