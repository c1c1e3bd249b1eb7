"""Beats of free playing, found while it goes on: our timeline follows the player.

Several times a second `sideman.analysis.beats.track_beats` looks at what was played in the
last seconds; its last beats say how long a beat is now and where it falls. The timeline glides
there. Nothing says whether a beat is a quarter, an eighth or a half: once taken, a level is
kept, and so are tempo and place until several looks in a row contradict them.

How well that works is measured by `benchmarks/beat_following.py`.
"""

from collections import deque
from dataclasses import dataclass
from math import inf, log

import numpy as np

from sideman.analysis.beats import TRACKED_TPQ, track_beats
from sideman.live.steering import steer
from sideman.live.timeline import Timeline
from sideman.score.time import SECONDS_PER_MINUTE
from sideman.score.types import DEFAULT_TEMPO_BPM, NOTE_DTYPE, TPQ, Part, Score, table

WINDOW_S = 10.0
"""Seconds that are looked at. With 6 or 15 the F-measure is the same to 0.03."""

EVERY_S = 0.25
"""Seconds from one look to the next."""

MAX_NOTES = 1000
"""Most notes that are looked at: 100 a second for as long as the window."""

TICKS_PER_S = TRACKED_TPQ * DEFAULT_TEMPO_BPM / SECONDS_PER_MINUTE
"""The score that is tracked has no tempo of its own."""

NOTE_TICKS = TRACKED_TPQ // 2
"""How long every note is taken to be: many keys are still down."""

LAST_BEATS = 8
"""Beats through which the straight line goes that is followed."""

LEVELS = (1.0, 2.0, 0.5, 3.0, 1 / 3, 4.0, 0.25)
"""What the tracked beat may be of a quarter of ours."""

MAX_CHANGE = 0.1
"""Natural logarithm by which the tempo may change from one look to the next."""

MAX_OFF = 0.2
"""Quarters by which the beats may have moved."""

MAX_DOUBTS = 4
"""Looks in a row that contradict, after which they are believed: one second."""

GLIDE = TPQ
"""Ticks in which the timeline makes good a difference."""


@dataclass(frozen=True, slots=True)
class _Pulse:
    """A beat and the seconds to the next."""

    at_s: float
    beat_s: float


class BeatFollower:
    """Keeps the quarters of a timeline at the beats of a player.

    Bar lines are not found: they stay where they are, counted in quarters.
    """

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._notes: deque[tuple[float, int, int]] = deque(maxlen=MAX_NOTES)
        self._looked_s = -inf
        self._is_new = False
        self._quarter_s: float | None = None
        self._doubts = 0

    @property
    def tempo_bpm(self) -> float | None:
        """Quarters per minute of the player; None before the first beats are found."""
        return SECONDS_PER_MINUTE / self._quarter_s if self._quarter_s else None

    def hear(self, onset_s: float, pitch: int, velocity: int) -> None:
        """Take a note of the player's."""
        self._notes.append((onset_s, pitch, velocity))
        self._is_new = True

    def follow(self, now_s: float) -> None:
        """Look at what was heard, if it is time to, and steer the timeline."""
        if now_s - self._looked_s < EVERY_S:
            return
        self._looked_s = now_s
        pulse = self._pulse(now_s) if self._is_new else None
        self._is_new = False
        off = self._take(pulse, now_s) if pulse else 0.0
        if self.tempo_bpm:
            steer(self._timeline, now_s, self.tempo_bpm, off=off * TPQ, glide=GLIDE)

    def _pulse(self, now_s: float) -> _Pulse | None:
        """Return the last beat of what was heard, None where there is none."""
        while self._notes and self._notes[0][0] < now_s - WINDOW_S:
            self._notes.popleft()
        if not self._notes:
            return None
        first_s = min(onset_s for onset_s, _, _ in self._notes)
        rows = [
            (round((onset_s - first_s) * TICKS_PER_S), NOTE_TICKS, pitch, velocity, 0)
            for onset_s, pitch, velocity in self._notes
        ]
        score = Score(table(NOTE_DTYPE, rows), (Part(),), tpq=TRACKED_TPQ)
        _, beats_s = track_beats(score)
        beats_s = beats_s[-LAST_BEATS:]
        if len(beats_s) < LAST_BEATS // 2:
            return None
        beat_s, last_s = np.polyfit(np.arange(1 - len(beats_s), 1), beats_s, 1)
        return _Pulse(first_s + float(last_s), float(beat_s))

    def _take(self, pulse: _Pulse, now_s: float) -> float:
        """Believe a pulse or not, and return by how many quarters the timeline is behind it."""
        if self._quarter_s:
            ours_s = self._quarter_s
            level = min(LEVELS, key=lambda level: abs(log(pulse.beat_s / (ours_s * level))))
            quarter_s = pulse.beat_s / level
            off = self._off(pulse.at_s, quarter_s, now_s, step=min(level, 1.0))
            if abs(log(quarter_s / ours_s)) < MAX_CHANGE and abs(off) < MAX_OFF:
                self._quarter_s, self._doubts = quarter_s, 0
                return off
            self._doubts += 1
            if self._doubts < MAX_DOUBTS:
                return 0.0
        self._quarter_s, self._doubts = pulse.beat_s, 0
        off = self._off(pulse.at_s, pulse.beat_s, now_s, step=1.0)
        self._timeline.locate(now_s, self._timeline.ticks_at(now_s) + off * TPQ)
        return 0.0

    def _off(self, beat_at_s: float, quarter_s: float, now_s: float, *, step: float) -> float:
        """Return by how many quarters the timeline is behind; whole steps do not count."""
        off = (now_s - beat_at_s) / quarter_s - self._timeline.ticks_at(now_s) / TPQ
        return off - round(off / step) * step
