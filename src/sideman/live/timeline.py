"""The timeline of a session: which tick sounds at which second, and where the bar lines are.

Ticks are `TPQ` per quarter; tick 0 is the first bar line, bars count from 0. Time may run at
another tempo from some second on, and may jump. It has no end and, with negative ticks and
bars, no beginning: a count-in lies before tick 0.

A second has one tick. A tick has one second as long as nothing jumps; after a jump back it is
the last second at which the tick sounds, and for a tick jumped over it is that of the jump.
"""

from bisect import bisect_right
from dataclasses import dataclass
from math import inf

from sideman.errors import LiveError
from sideman.score.time import QUARTERS_PER_WHOLE, SECONDS_PER_MINUTE
from sideman.score.types import DEFAULT_TEMPO_BPM, TPQ
from sideman.tokens.vocabulary import (
    DENOMINATORS,
    MAX_NUMERATOR,
    WHOLE_NOTE,
    time_signature_value,
)

Metre = tuple[int, int]
"""Numerator and denominator of a time signature."""

COMPOUND_UNITS = 3
"""Units of the denominator in a beat of a compound metre."""

MAX_STRETCHES = 4096
"""Changes of time that are remembered. Older seconds are told by the oldest one left: a clock
that is followed for hours must not fill the memory, and music so old is not asked for."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Time at one tempo, from a second on."""

    begin_s: float
    begin: float
    tempo_bpm: float

    @property
    def ticks_per_s(self) -> float:
        return self.tempo_bpm * TPQ / SECONDS_PER_MINUTE

    def ticks_at(self, time_s: float) -> float:
        return self.begin + (time_s - self.begin_s) * self.ticks_per_s

    def seconds_at(self, ticks: float) -> float:
        return self.begin_s + (ticks - self.begin) / self.ticks_per_s


@dataclass(frozen=True, slots=True)
class _Span:
    """Bars of one metre, from a bar on."""

    bar: int
    begin: int
    metre: Metre

    @property
    def bar_ticks(self) -> int:
        numerator, denominator = self.metre
        return numerator * WHOLE_NOTE // denominator


class Timeline:
    """Seconds, ticks and bars of a session, as far as they are known now.

    What is set holds from a moment on and for good: whatever was set for later is forgotten.
    """

    def __init__(
        self,
        tempo_bpm: float = DEFAULT_TEMPO_BPM,
        time_signature: Metre = (4, 4),
        start_s: float = 0.0,
    ) -> None:
        """Begin with tick 0 at `start_s`.

        Args:
            tempo_bpm: Quarter notes per minute, more than 0.
            time_signature: Numerator 1-32, denominator one of `DENOMINATORS`.
            start_s: Second of tick 0 on the session's clock.

        Raises:
            LiveError: If tempo or metre are not such.
        """
        _check_tempo(tempo_bpm)
        _check_metre(time_signature)
        self._stretches = [_Stretch(start_s, 0.0, tempo_bpm)]
        self._spans = [_Span(0, 0, time_signature)]

    def ticks_at(self, time_s: float) -> float:
        """Return the tick that sounds at a second."""
        return self._stretch_at(time_s).ticks_at(time_s)

    def seconds_at(self, ticks: float) -> float:
        """Return the last second at which a tick sounds."""
        end_s = inf
        for stretch in reversed(self._stretches):
            if ticks >= stretch.begin:
                return min(stretch.seconds_at(ticks), end_s)
            end_s = stretch.begin_s
        return self._stretches[0].seconds_at(ticks)

    def tempo_at(self, time_s: float) -> float:
        """Return the quarter notes per minute at a second."""
        return self._stretch_at(time_s).tempo_bpm

    def set_tempo(self, time_s: float, tempo_bpm: float) -> None:
        """Go on at another tempo from a second on.

        Raises:
            LiveError: If the tempo is not more than 0.
        """
        _check_tempo(tempo_bpm)
        self._go_on(_Stretch(time_s, self.ticks_at(time_s), tempo_bpm))

    def locate(self, time_s: float, ticks: float) -> None:
        """Jump: be at a tick at a second, and go on from there at the same tempo."""
        self._go_on(_Stretch(time_s, ticks, self.tempo_at(time_s)))

    def bar_of(self, tick: float) -> int:
        """Return the bar that a tick lies in; negative before tick 0."""
        span = self._spans[0]
        for later in self._spans[1:]:
            if tick < later.begin:
                break
            span = later
        return span.bar + int((tick - span.begin) // span.bar_ticks)

    def bar_start(self, bar: int) -> int:
        """Return the first tick of a bar."""
        span = self._span_of(bar)
        return span.begin + (bar - span.bar) * span.bar_ticks

    def bar_ticks(self, bar: int) -> int:
        """Return the length of a bar in ticks."""
        return self._span_of(bar).bar_ticks

    def metre(self, bar: int) -> Metre:
        """Return numerator and denominator of a bar."""
        return self._span_of(bar).metre

    def beat_ticks(self, bar: int) -> int:
        """Return the length of what is counted in a bar: three eighths in 6/8, 9/8 and 12/8."""
        numerator, denominator = self.metre(bar)
        unit = WHOLE_NOTE // denominator
        groups, rest = divmod(numerator, COMPOUND_UNITS)
        is_compound = denominator > QUARTERS_PER_WHOLE and groups > 1 and rest == 0
        return unit * COMPOUND_UNITS if is_compound else unit

    def time_signature_value(self, bar: int) -> int:
        """Return the vocabulary's value of the metre of a bar."""
        return int(time_signature_value(*self.metre(bar)))

    def set_metre(self, bar: int, metre: Metre) -> None:
        """Let a bar and all later ones be of a metre.

        Raises:
            LiveError: If the metre is none that the event language has.
        """
        _check_metre(metre)
        span = _Span(bar, self.bar_start(bar), metre)
        self._spans = [*(before for before in self._spans if before.bar < bar), span]

    def _stretch_at(self, time_s: float) -> _Stretch:
        stretches = self._stretches
        if time_s >= stretches[-1].begin_s:  # nearly always
            return stretches[-1]
        index = bisect_right(stretches, time_s, key=lambda stretch: stretch.begin_s)
        return stretches[max(index - 1, 0)]

    def _go_on(self, stretch: _Stretch) -> None:
        while self._stretches and self._stretches[-1].begin_s >= stretch.begin_s:
            del self._stretches[-1]
        self._stretches.append(stretch)
        del self._stretches[:-MAX_STRETCHES]

    def _span_of(self, bar: int) -> _Span:
        index = bisect_right(self._spans, bar, key=lambda span: span.bar)
        return self._spans[max(index - 1, 0)]


def _check_tempo(tempo_bpm: float) -> None:
    if not 0 < tempo_bpm < inf:
        msg = f"the tempo is {tempo_bpm} quarter notes per minute; it must be more than 0"
        raise LiveError(msg)


def _check_metre(metre: Metre) -> None:
    numerator, denominator = metre
    if not (1 <= numerator <= MAX_NUMERATOR and denominator in DENOMINATORS):
        msg = (
            f"the metre is {numerator}/{denominator}; write 1 to {MAX_NUMERATOR} over one of "
            + ", ".join(map(str, DENOMINATORS))
        )
        raise LiveError(msg)
