"""What was played, by the human and by the machine, as far as it can still matter."""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from itertools import count
from math import inf

MOST_NOTES = 8192
"""Notes that are remembered, the latest. No model's context holds as many, whatever a setting
asks for, and a session of many hours must not grow."""

PHRASE_REST_S = 1.0
"""Seconds of silence of one player that part two of its phrases."""


@dataclass(frozen=True, slots=True)
class PlayedNote:
    """A note that was played, or is certain to be.

    Attributes:
        id: Its number; no other note of the session has it.
        voice: Number of the voice that plays it.
        pitch: MIDI note, 0-127.
        velocity: 1-127.
        begin_s: When it begins, on the session's clock.
        end_s: When it ends; None while its key, or the pedal, holds it.
        onset: When it begins, in ticks of the session's timeline.
        duration: Its length in ticks, at least 1; None while it is held.
        is_human: Whether the human played it.
    """

    id: int
    voice: int
    pitch: int
    velocity: int
    begin_s: float
    end_s: float | None
    onset: int
    duration: int | None
    is_human: bool


class Memory:
    """The notes of a session, in order of their onsets, the latest `MOST_NOTES`."""

    def __init__(self, new_id: Callable[[], int] | None = None) -> None:
        """Remember nothing; `new_id` numbers the notes that the human plays."""
        self._new_id = new_id or count().__next__
        self._notes: list[PlayedNote] = []
        self._by_id: dict[int, PlayedNote] = {}
        self._down: dict[tuple[int, int], int] = {}
        self._ringing: dict[tuple[int, int], int] = {}  # keys are up, the pedal is down
        self._pedals: set[int] = set()
        self.last_human_onset_s: float | None = None
        """When the human last pressed a key, be it forgotten; None: never."""

    def __len__(self) -> int:
        """Return how many notes are remembered."""
        return len(self._notes)

    def press(
        self, voice: int, pitch: int, velocity: int, time_s: float, onset: int
    ) -> PlayedNote:
        """Remember that the human pressed a key; what still sounds on it ends first."""
        self.end(voice, pitch, time_s, onset)
        note = PlayedNote(
            id=self._new_id(),
            voice=voice,
            pitch=pitch,
            velocity=velocity,
            begin_s=time_s,
            end_s=None,
            onset=onset,
            duration=None,
            is_human=True,
        )
        self._down[voice, pitch] = note.id
        self.last_human_onset_s = time_s
        self.add(note)
        return note

    def release(self, voice: int, pitch: int, time_s: float, tick: int) -> PlayedNote | None:
        """Remember that the human let a key go.

        Returns:
            The note that it ends; None if that is not known, or the pedal holds it.
        """
        if voice not in self._pedals:
            return self.end(voice, pitch, time_s, tick)
        if (voice, pitch) in self._down:
            self._ringing[voice, pitch] = self._down.pop((voice, pitch))
        return None

    def pedal(self, voice: int, time_s: float, tick: int, *, is_down: bool) -> list[PlayedNote]:
        """Remember that the human moved the sustain pedal of a voice; return what that ends."""
        if is_down:
            self._pedals.add(voice)
            return []
        self._pedals.discard(voice)
        keys = [key for key in self._ringing if key[0] == voice]
        ended = [self.end(*key, time_s, tick) for key in keys]
        return [note for note in ended if note is not None]

    def end(self, voice: int, pitch: int, time_s: float, tick: int) -> PlayedNote | None:
        """Remember that a note of the human's is over, whatever held it; None if not known."""
        number = self._down.pop((voice, pitch), self._ringing.pop((voice, pitch), -1))
        note = self._by_id.get(number)
        if note is None:
            return None
        ended = replace(note, end_s=time_s, duration=max(tick - note.onset, 1))
        self.add(ended)
        return ended

    def add(self, note: PlayedNote) -> None:
        """Remember a note; it takes the place of the one with its number, if there is one."""
        self.remove((note.id,))
        insort(self._notes, note, key=_order)
        self._by_id[note.id] = note
        if len(self._notes) > MOST_NOTES:
            self.remove((self._notes[0].id,))

    def remove(self, ids: Collection[int]) -> None:
        """Forget notes by their numbers; those that are not known are none."""
        for note in [self._by_id.pop(number) for number in ids if number in self._by_id]:
            del self._notes[bisect_left(self._notes, _order(note), key=_order)]

    def notes_since(self, tick: float) -> tuple[PlayedNote, ...]:
        """Return the notes that begin at a tick or later, in order of their onsets."""
        return tuple(self._notes[bisect_left(self._notes, (tick, -inf), key=_order) :])

    def held(self) -> tuple[PlayedNote, ...]:
        """Return the notes of the human that sound, held by their keys or by the pedal."""
        numbers = (*self._down.values(), *self._ringing.values())
        notes = [self._by_id.get(number) for number in numbers]
        return tuple(note for note in notes if note is not None)

    def forget_last(self) -> tuple[PlayedNote, ...]:
        """Forget the last phrase of who played last; return it.

        A phrase goes back to where its player rested for `PHRASE_REST_S`; what the other one
        played meanwhile stays.
        """
        phrase: list[PlayedNote] = []
        for note in reversed(self._notes):
            if phrase and note.is_human != phrase[0].is_human:
                continue
            if phrase and _ends_s(note) + PHRASE_REST_S <= min(n.begin_s for n in phrase):
                break
            phrase.append(note)
        self.remove([note.id for note in phrase])
        return tuple(reversed(phrase))

    def forget_all(self) -> None:
        """Forget every note; keys that are down now end nothing when they are let go."""
        self._notes.clear()
        self._by_id.clear()
        self._down.clear()
        self._ringing.clear()


def _order(note: PlayedNote) -> tuple[float, float]:
    return note.onset, note.id


def _ends_s(note: PlayedNote) -> float:
    return inf if note.end_s is None else note.end_s
