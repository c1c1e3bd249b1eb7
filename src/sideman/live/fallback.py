"""What to leave out when the model is too slow for the music: one step at a time, and back.

Pure: it is told whether the plan lags behind, and when, and says how much is left out.
"""

from collections import Counter
from enum import IntEnum

RISK_S = 0.1
"""A plan that lags behind for so long costs a step: longer than writing a plan anew takes."""

CALM_S = 2.0
"""A plan that has kept up for so long gets a step back: a bar at 120 bpm."""


class Fallback(IntEnum):
    """Steps of the ladder; each also does what the ones before it do."""

    NONE = 0
    SHORTER_PLAN = 1
    FEWER_VOICES = 2
    SPARE_MODEL = 3
    REPEAT = 4


class Ladder:
    """Climbs while the plan lags behind, and comes down when it keeps up.

    Attributes:
        step: Where it stands.
        counts: How often each step was climbed to.
    """

    def __init__(self, *, has_spare: bool) -> None:
        """Begin at the bottom; without a spare model its step is passed over."""
        self.step = Fallback.NONE
        self.counts: Counter[Fallback] = Counter()
        self._steps = [s for s in Fallback if has_spare or s is not Fallback.SPARE_MODEL]
        self._since_s: float | None = None
        self._lags = False

    def tell(self, now_s: float, *, lags: bool) -> None:
        """Take whether the plan lags behind now; a change of that starts the waiting anew."""
        if self._since_s is None or lags != self._lags:
            self._since_s, self._lags = now_s, lags
        if now_s - self._since_s < (RISK_S if lags else CALM_S):
            return
        self._since_s = now_s
        index = self._steps.index(self.step)
        if lags and index + 1 < len(self._steps):
            self.step = self._steps[index + 1]
            self.counts[self.step] += 1
        elif not lags and index > 0:
            self.step = self._steps[index - 1]
