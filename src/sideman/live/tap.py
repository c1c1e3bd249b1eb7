"""Tempo by tapping."""

from statistics import median

from sideman.score.time import SECONDS_PER_MINUTE

MAX_PAUSE_S = 3.0
"""A tap after a longer pause is the first of another tempo: 20 a minute are the slowest."""

MIN_PAUSE_S = 0.1
"""A tap sooner than this is the same one bouncing: 600 taps a minute are the fastest."""

KEPT_TAPS = 9
"""Taps whose intervals count: two bars of four, and the next downbeat."""


class TapTempo:
    """The tempo of the last taps, a tap for each quarter note.

    The median of the intervals is taken, so that one tap that missed changes nothing.

    Example:
        >>> taps = TapTempo()
        >>> [taps.tap(time_s) for time_s in (0.0, 0.5, 1.0, 1.6, 2.0)]
        [None, 120.0, 120.0, 120.0, 120.0]
    """

    def __init__(self) -> None:
        self._taps_s: list[float] = []

    def tap(self, time_s: float) -> float | None:
        """Take a tap, and return the quarter notes per minute; None after the first one."""
        since_s = time_s - self._taps_s[-1] if self._taps_s else MAX_PAUSE_S
        if not 0 <= since_s < MAX_PAUSE_S:
            self._taps_s.clear()
        if since_s >= MIN_PAUSE_S or not self._taps_s:
            self._taps_s.append(time_s)
            del self._taps_s[:-KEPT_TAPS]
        pairs = zip(self._taps_s, self._taps_s[1:], strict=False)
        intervals_s = [later - earlier for earlier, later in pairs]
        return SECONDS_PER_MINUTE / median(intervals_s) if intervals_s else None
