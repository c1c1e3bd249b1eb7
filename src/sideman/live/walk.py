"""A walk along a timeline, for what must happen once at each tick though tempo is corrected."""

from collections.abc import Iterator
from math import ceil

from sideman.live.timeline import Timeline

MAX_STEP = 2
"""Ticks by which a timeline may be corrected between two calls without it being a jump."""


class Walk:
    """Whole ticks of a timeline in the order in which they come, each of them once.

    A corrected timeline may bring a tick again that was given already, or pass one by that was
    not: then the next one is given, sooner or later, as the correction says.
    """

    def __init__(self, timeline: Timeline, from_s: float) -> None:
        """Begin with the first tick at or after `from_s`."""
        self._timeline = timeline
        self._from_s = from_s
        self._next = ceil(timeline.ticks_at(from_s))

    def until(self, to_s: float) -> Iterator[tuple[float, int, bool]]:
        """Yield the ticks before `to_s`: second, tick, and whether time has jumped to it.

        A jump is noticed once the time asked for goes on beyond it.
        """
        if to_s <= self._from_s:
            return
        due = ceil(self._timeline.ticks_at(self._from_s))
        has_jumped = abs(due - self._next) > MAX_STEP
        if has_jumped:
            self._next = due
        begin_s, self._from_s = self._from_s, to_s
        while (time_s := self._timeline.seconds_at(self._next)) < to_s:
            self._next += 1
            yield max(time_s, begin_s), self._next - 1, has_jumped
            has_jumped = False
