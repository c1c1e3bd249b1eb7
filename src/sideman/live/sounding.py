"""What the machine sounds, as its own orders tell it.

So each note is known to end, and a note that comes in again is known to be no human's.
"""

from collections import Counter, deque
from dataclasses import replace

from sideman.live.orders import Play, Release

FADE_S = 0.08
"""How long a note may still sound when its player is interrupted: no click, yet soon over."""

OWN_EARLY_S, OWN_LATE_S = 0.005, 0.05
"""How much before and after its time an own note may come in again. A loop through a DAW takes
two buffers, 43 ms at 1024 frames and 48 kHz; Notochord allows 30 ms."""

RECENT_NOTES = 256
"""Own notes that are waited for on the input."""


class Sounding:
    """The notes that were ordered and have not ended, in order of their beginnings.

    Attributes:
        own_heard: Own notes that came in again.
    """

    def __init__(self) -> None:
        """Begin in silence."""
        self.own_heard = 0
        self._notes: dict[int, Play] = {}
        self._recent: deque[Play] = deque(maxlen=RECENT_NOTES)
        self._own_keys: Counter[tuple[int, int]] = Counter()

    def __contains__(self, number: object) -> bool:
        """Return whether the note of a number is ordered and not known to be over."""
        return number in self._notes

    def has_begun(self, number: int, now_s: float) -> bool:
        """Return whether a note has begun; one that is over has."""
        return number not in self._notes or self._notes[number].begin_s <= now_s

    def play(self, note: Play) -> list[Play | Release]:
        """Return orders for a note; one that still sounds on its key then ends as it begins."""
        ends = [
            self._ended(other, note.begin_s)
            for other in list(self._notes.values())
            if (other.channel, other.pitch) == (note.channel, note.pitch)
            and (other.end_s is None or other.end_s > note.begin_s)
        ]
        self._notes[note.id] = note
        self._recent.append(note)
        return [*ends, note]

    def release(self, number: int, at_s: float) -> list[Release]:
        """Return the order that ends a note; none if it is over already."""
        note = self._notes.get(number)
        return [self._ended(note, max(at_s, note.begin_s))] if note else []

    def stop(self, now_s: float) -> tuple[list[Release], list[int]]:
        """Return orders that end all soon, and the numbers of notes that never begin."""
        self.forget_ended(now_s)
        ahead = [note for note in self._notes.values() if note.begin_s > now_s]
        orders = [self._ended(note, now_s) for note in ahead]
        soon_s = now_s + FADE_S
        orders += [
            self._ended(note, soon_s)
            for note in list(self._notes.values())
            if note.end_s is None or note.end_s > soon_s
        ]
        return orders, [note.id for note in ahead]

    def silence(self, now_s: float) -> list[int]:
        """Forget all; return the numbers of notes that never begin."""
        ahead = [note.id for note in self._notes.values() if note.begin_s > now_s]
        self._notes.clear()
        return ahead

    def end_overdue(self, now_s: float, max_note_s: float) -> list[Release]:
        """Return orders that end the notes whose end nobody has said for too long."""
        self.forget_ended(now_s)
        return [
            self._ended(note, now_s)
            for note in list(self._notes.values())
            if note.end_s is None and now_s - note.begin_s >= max_note_s
        ]

    def next_overdue_s(self, max_note_s: float) -> float | None:
        """Return when the first note is overdue of those whose end nobody has said."""
        open_s = (note.begin_s for note in self._notes.values() if note.end_s is None)
        return min((begin_s + max_note_s for begin_s in open_s), default=None)

    def forget_ended(self, now_s: float) -> None:
        """Forget the notes that are over."""
        for note in [n for n in self._notes.values() if n.end_s is not None]:
            if note.end_s is not None and note.end_s <= now_s:
                del self._notes[note.id]

    def is_own_press(self, channel: int, pitch: int, velocity: int, time_s: float) -> bool:
        """Return whether a key that goes down on the input is an own note; it is so once.

        The velocity tells it from a human who plays the same note at the same time.
        """
        for note in self._recent:
            after_s = time_s - note.begin_s
            is_same = (note.channel, note.pitch, note.velocity) == (channel, pitch, velocity)
            if is_same and -OWN_EARLY_S <= after_s <= OWN_LATE_S:
                self._recent.remove(note)
                self._own_keys[channel, pitch] += 1
                self.own_heard += 1
                return True
        return False

    def is_own_lift(self, channel: int, pitch: int) -> bool:
        """Return whether a key that goes up on the input ends an own note."""
        if not self._own_keys[channel, pitch]:
            return False
        self._own_keys[channel, pitch] -= 1
        return True

    def _ended(self, note: Play, at_s: float) -> Release:
        """Note a new end; a note that thereby never begins is forgotten."""
        if at_s <= note.begin_s:
            self._notes.pop(note.id, None)
            if note in self._recent:
                self._recent.remove(note)
        else:
            self._notes[note.id] = replace(note, end_s=at_s)
        return Release(note.id, at_s)
