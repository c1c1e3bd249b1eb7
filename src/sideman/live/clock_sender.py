"""MIDI clock out: others follow our timeline.

24 clocks per quarter, which are our ticks (MIDI 1.0 Detailed Specification, "System Real Time
Messages" and "Song Position Pointer"). A place in the song can be told in sixteenths only, so
whoever follows begins with the first sixteenth after a start or a jump.
"""

from sideman.live.messages import (
    MAX_SIXTEENTHS,
    Clock,
    Continue,
    Message,
    SongPosition,
    Start,
    Stop,
    Timed,
)
from sideman.live.timeline import Timeline
from sideman.live.walk import Walk
from sideman.score.types import TPQ

CLOCKS_PER_SIXTEENTH = TPQ // 4


class ClockSender:
    """Clock, start, stop and song position of a timeline.

    Clocks are sent from the beginning, also while stopped, so that followers know the tempo
    when they are to begin.
    """

    def __init__(self, timeline: Timeline, from_s: float) -> None:
        """Begin with the first tick at or after `from_s`, stopped."""
        self._walk = Walk(timeline, from_s)
        self._is_wanted = self._is_running = False

    def start(self) -> None:
        """Let followers run, from the next sixteenth that is not before tick 0."""
        self._is_wanted = True

    def stop(self) -> None:
        """Let followers stand, from the next clock on."""
        self._is_wanted = False

    def until(self, to_s: float) -> list[Timed]:
        """Return the messages before `to_s`, after those returned before."""
        return [
            Timed(time_s, message)
            for time_s, tick, has_jumped in self._walk.until(to_s)
            for message in self._messages(tick, has_jumped=has_jumped)
        ]

    def _messages(self, tick: int, *, has_jumped: bool) -> list[Message]:
        messages: list[Message] = []
        if self._is_running and (has_jumped or not self._is_wanted):
            messages.append(Stop())
            self._is_running = False
        sixteenths, rest = divmod(tick, CLOCKS_PER_SIXTEENTH)
        can_start = rest == 0 and 0 <= sixteenths <= MAX_SIXTEENTHS
        if self._is_wanted and not self._is_running and can_start:
            messages += [SongPosition(sixteenths), Continue()] if sixteenths else [Start()]
            self._is_running = True
        return [*messages, Clock()]
