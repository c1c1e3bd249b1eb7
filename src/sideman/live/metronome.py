"""A metronome that follows the timeline."""

from sideman.live.messages import NoteOff, NoteOn, Timed
from sideman.live.timeline import Timeline
from sideman.live.walk import Walk
from sideman.score.types import DRUM_CHANNEL

BAR_CLICK, BEAT_CLICK = 76, 77
"""High and low wood block (General MIDI percussion)."""

BAR_VELOCITY, BEAT_VELOCITY = 112, 80

CLICK_S = 0.05
"""How long a click is held; wood blocks end by themselves."""


class Metronome:
    """Clicks on the beats, higher and louder on the bar lines."""

    def __init__(self, timeline: Timeline, from_s: float) -> None:
        """Begin with the first beat at or after `from_s`."""
        self._timeline = timeline
        self._walk = Walk(timeline, from_s)

    def until(self, to_s: float) -> list[Timed]:
        """Return the clicks that begin before `to_s`, after those returned before.

        Each is a note-on and, `CLICK_S` later, its note-off; the last may be after `to_s`.
        """
        clicks: list[Timed] = []
        for time_s, tick, _ in self._walk.until(to_s):
            bar = self._timeline.bar_of(tick)
            since_bar = tick - self._timeline.bar_start(bar)
            if since_bar % self._timeline.beat_ticks(bar):
                continue
            pitch = BEAT_CLICK if since_bar else BAR_CLICK
            velocity = BEAT_VELOCITY if since_bar else BAR_VELOCITY
            clicks += [
                Timed(time_s, NoteOn(DRUM_CHANNEL, pitch, velocity)),
                Timed(time_s + CLICK_S, NoteOff(DRUM_CHANNEL, pitch)),
            ]
        return clicks
