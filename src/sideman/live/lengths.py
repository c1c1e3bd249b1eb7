"""Lengths of time as players think of them: seconds, bars, the session."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sideman.errors import LiveError
from sideman.score.types import TPQ

if TYPE_CHECKING:
    from sideman.live.timeline import Timeline

_SECONDS_PER_MINUTE = 60
_LENGTH = re.compile(r"((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,3})?)\s*(s|bars?)")


@dataclass(frozen=True, slots=True)
class Length:
    """A stretch of time, in the unit in which the player thinks of it.

    Attributes:
        value: How many seconds or bars, above 0; infinite for the session.
        unit: `s`, `bars` or `session`.

    Raises:
        LiveError: If the value is not above 0, the unit is none of these, or only one of the
            two is that of the session.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        is_session = self.unit == "session"
        if self.unit not in ("s", "bars", "session") or is_session != (self.value == math.inf):
            msg = f"length is {self.value} {self.unit}; it must be in s or bars, or `SESSION`"
            raise LiveError(msg)
        if not self.value > 0:
            msg = f"length is {self.value} {self.unit}; it must be above 0"
            raise LiveError(msg)

    def __str__(self) -> str:
        """Return it as people write it; `parse_length` reads the same from it."""
        if self.unit == "session":
            return self.unit
        unit = "bar" if (self.value, self.unit) == (1, "bars") else self.unit
        return f"{number_text(self.value)} {unit}"

    def ticks(self, timeline: Timeline, at_tick: float) -> float:
        """Return how many ticks it is, in the metre and at the tempo that hold at a tick.

        Returns:
            Ticks at 24 a quarter; infinite for the session.
        """
        if self.unit == "bars":
            return self.value * timeline.bar_ticks(timeline.bar_of(at_tick))
        return self.value * _ticks_per_second(timeline, at_tick)

    def seconds(self, timeline: Timeline, at_tick: float) -> float:
        """Return how many seconds it is; otherwise as `ticks`."""
        if self.unit == "bars":
            return self.ticks(timeline, at_tick) / _ticks_per_second(timeline, at_tick)
        return self.value


SESSION = Length(math.inf, "session")
"""As long as the session has lasted, or lasts."""


def parse_length(text: str) -> Length:
    """Return the length that a person means: seconds, bars, or the session.

    Raises:
        LiveError: If it is none of these.

    Example:
        >>> parse_length("2.5 s"), str(parse_length("4bars")), str(parse_length("session"))
        (Length(value=2.5, unit='s'), '4 bars', 'session')
    """
    word = text.strip().lower()
    if word == SESSION.unit:
        return SESSION
    match = _LENGTH.fullmatch(word)
    if not match:
        msg = f"length is {text!r}; write seconds, bars or session, as in 2.5 s or 4 bars"
        raise LiveError(msg)
    return Length(float(match[1]), "s" if match[2] == "s" else "bars")


def number_text(value: float) -> str:
    """Return a number as people write it, without losing any of it.

    Example:
        >>> number_text(4.0), number_text(0.06), number_text(-12)
        ('4', '0.06', '-12')
    """
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)


def _ticks_per_second(timeline: Timeline, at_tick: float) -> float:
    tempo_bpm = timeline.tempo_at(timeline.seconds_at(at_tick))
    return tempo_bpm * TPQ / _SECONDS_PER_MINUTE
