"""How a timeline is brought to where another's time is: it glides, or jumps if far away."""

from sideman.live.timeline import Timeline
from sideman.score.types import TPQ

MAX_OFF = TPQ // 4
"""Ticks up to which the timeline glides; from further away it jumps."""

TOLERANCE = 0.02
"""Ticks, now or a quarter ahead, that are not worth a correction: 0.4 ms at 120 bpm."""


def steer(
    timeline: Timeline, time_s: float, tempo_bpm: float, *, off: float, glide: float
) -> None:
    """Bring a timeline to a tempo and a place.

    Args:
        timeline: What is steered, from `time_s` on.
        time_s: Now.
        tempo_bpm: Quarter notes per minute of what is followed.
        off: Ticks by which the timeline is behind; less than 0 if it is ahead.
        glide: Ticks in which that is made good: more than `MAX_OFF`, and than pass to the next
            call.
    """
    if abs(off) > MAX_OFF:
        timeline.locate(time_s, timeline.ticks_at(time_s) + off)
        off = 0.0
    drift = TPQ * (timeline.tempo_at(time_s) / tempo_bpm - 1)
    if abs(off) > TOLERANCE:
        timeline.set_tempo(time_s, tempo_bpm * (1 + off / glide))
    elif abs(drift) > TOLERANCE:
        timeline.set_tempo(time_s, tempo_bpm)
