"""The performer: turns planned notes into orders, with all that is set of how they sound.

Whatever it changes on a note's way out, the note is remembered as it was planned: the model
goes on from what it meant, not from what was made of it.
"""

from dataclasses import replace
from math import ceil

from sideman.live.following import Followed, Following
from sideman.live.memory import Memory, PlayedNote
from sideman.live.orders import Order, Play, Release
from sideman.live.planner import PlannedNote
from sideman.live.settings import Settings
from sideman.live.sounding import Sounding
from sideman.live.timeline import Timeline
from sideman.live.turns import Turn, fold
from sideman.live.view import Gauges
from sideman.live.voices import Voice
from sideman.score.types import MAX_DATA_BYTE

LATE_S = 0.03
"""A note whose tick is over for so long is left out: later it would be heard as late, and notes
that were late together would come in a bunch."""

FOLLOW_LATE_S = 0.15
"""The same for a note that follows one of the human's: later it is no chord any more."""

MIN_NOTE_S = 0.02
"""No note is shorter: a synthesizer would not sound it."""

_PERCENT = 100
_MS_PER_S = 1000


class Performer:
    """Orders notes, and sees to it that each of them ends.

    Attributes:
        settings: What the player has set; replaced when that changes.
        sounding: What sounds.
        following: Which notes go with which of the human's.
    """

    def __init__(
        self, timeline: Timeline, memory: Memory, settings: Settings, gauges: Gauges
    ) -> None:
        """Begin in silence; what is ordered is remembered in `memory`, counted in `gauges`."""
        self.settings = settings
        self.sounding = Sounding()
        self.following = Following()
        self._timeline = timeline
        self._memory = memory
        self._gauges = gauges

    def played_at(self, note: PlannedNote, turn: Turn | None) -> float:
        """Return the tick at which a note is played: drawn to the grid, but within its turn."""
        grid, strength = self.settings.grid, self.settings.quantise_strength / _PERCENT
        bar_begin = self._timeline.bar_start(self._timeline.bar_of(note.onset))
        target = bar_begin + round((note.onset - bar_begin) / grid) * grid
        played = note.onset + strength * (target - note.onset)
        return min(max(played, turn.begin), turn.end - 1) if turn else played

    def is_late(self, note: PlannedNote, now_s: float, late_s: float = LATE_S) -> bool:
        """Return whether it is too late to play a note."""
        return now_s > self._timeline.seconds_at(note.onset + 1) + late_s

    def play(
        self, note: PlannedNote, voice: Voice, turn: Turn | None, now_s: float
    ) -> list[Order]:
        """Return orders for a note; none, but it is counted, if it comes too late.

        Args:
            note: As it was planned.
            voice: Who plays it.
            turn: The turn that it belongs to, if that is known still.
            now_s: When it is ordered.
        """
        followed = self.following.take(note.id)
        if self.is_late(note, now_s, FOLLOW_LATE_S if followed else LATE_S):
            self._gauges.dropped += 1
            return []
        assert voice.channel is not None, "an input voice plays nothing"
        begin = self.played_at(note, turn)
        begin_s = max(self._timeline.seconds_at(begin), now_s) + self._delay_s
        if followed:
            end_s = self._end_with(followed, begin_s)
        else:
            end_s = self._end_s(begin + note.duration, begin_s, turn)
        played = PlayedNote(
            id=note.id,
            voice=note.voice,
            pitch=note.pitch,
            velocity=note.velocity,
            begin_s=begin_s,
            end_s=end_s,
            onset=note.onset,
            duration=None if end_s is None else note.duration,
            is_human=False,
        )
        self._memory.add(played)
        if followed and end_s is None:
            followed.sounding.append(played)
        self._gauges.count(now_s, follows=followed is not None)
        pitch, velocity = self._pitch(note, voice), self._velocity(note)
        return list(
            self.sounding.play(Play(note.id, voice.channel, pitch, velocity, begin_s, end_s))
        )

    def let_go(self, note: PlayedNote, now_s: float) -> list[Order]:
        """Return orders that end what follows a note of the human's that is over."""
        orders: list[Order] = []
        for following in self.following.end(note):
            end_s = max(now_s + self._delay_s, following.begin_s + MIN_NOTE_S)
            self._remember_end(following, end_s)
            orders += self.sounding.release(following.id, end_s)
        return orders

    def stop(self, now_s: float) -> list[Order]:
        """Return orders after which nothing begins, and what sounds ends soon."""
        releases, never_begun = self.sounding.stop(now_s)
        self._forget(now_s, never_begun)
        return list(releases)

    def silence(self, now_s: float) -> None:
        """Take that all notes are over at once."""
        self._forget(now_s, self.sounding.silence(now_s))

    def end_overdue(self, now_s: float) -> list[Release]:
        """Return orders for notes that nobody has ended for too long."""
        return self.sounding.end_overdue(now_s, self.settings.max_note)

    def next_overdue_s(self) -> float | None:
        """Return when there will be the first such note."""
        return self.sounding.next_overdue_s(self.settings.max_note)

    @property
    def _delay_s(self) -> float:
        return self.settings.delay_ms / _MS_PER_S

    def _pitch(self, note: PlannedNote, voice: Voice) -> int:
        if voice.part.is_drum:
            return note.pitch
        return fold(note.pitch + self.settings.transpose, 0, MAX_DATA_BYTE)

    def _velocity(self, note: PlannedNote) -> int:
        scaled = round(note.velocity * self.settings.velocity_scale / _PERCENT)
        return min(max(scaled, 1), MAX_DATA_BYTE)

    def _end_s(self, end: float, begin_s: float, turn: Turn | None) -> float:
        """Return when a note ends that begins at `begin_s` and is to end at a tick."""
        if turn and not turn.rings:
            end = min(end, turn.end)
        end_s = self._timeline.seconds_at(end) + self._delay_s
        return max(min(end_s, begin_s + self.settings.max_note), begin_s + MIN_NOTE_S)

    def _end_with(self, followed: Followed, begin_s: float) -> float | None:
        """Return when a note ends that follows another; None while that sounds."""
        if followed.note.end_s is None:
            return None
        return begin_s + max(followed.note.end_s - followed.note.begin_s, MIN_NOTE_S)

    def _forget(self, now_s: float, never_begun: list[int]) -> None:
        """End the notes that follow others, and forget those that never begin."""
        for note in self.following.stop():
            self._remember_end(note, now_s)
        self._memory.remove(never_begun)

    def _remember_end(self, note: PlayedNote, at_s: float) -> None:
        duration = max(ceil(self._timeline.ticks_at(at_s)) - note.onset, 1)
        self._memory.add(replace(note, end_s=at_s, duration=duration))
