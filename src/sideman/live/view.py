"""What there is to see of a partner: what was played, what is planned, and how well it goes."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from sideman.live.fallback import Fallback

State = Literal["planned", "committed", "sounded"]
"""Of a note: it may still change; it is ordered; it has begun."""


@dataclass(frozen=True, slots=True)
class SeenNote:
    """A note as it is shown.

    Attributes:
        id: Its number; it keeps it from plan to sound.
        voice: Number of the voice that plays it.
        pitch: MIDI note, as the model or the human played it.
        velocity: 1-127.
        onset: Tick at which it begins.
        duration: Ticks; None while it is held.
        state: How sure it is.
        is_human: Whether the human plays it.
    """

    id: int
    voice: int
    pitch: int
    velocity: int
    onset: int
    duration: int | None
    state: State
    is_human: bool


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Median and 99th percentile of what was measured lately, in seconds; None of nothing."""

    p50_s: float | None
    p99_s: float | None

    @classmethod
    def of(cls, values_s: Iterable[float]) -> "Quantiles":
        """Return those of some values."""
        values = list(values_s)
        if not values:
            return cls(None, None)
        p50_s, p99_s = np.quantile(values, (0.5, 0.99)).tolist()
        return cls(p50_s, p99_s)


LATELY = 512
"""How many values the meters look back on."""


@dataclass(slots=True)
class Gauges:
    """What is measured while playing, for the meters.

    Attributes:
        human_s: When the human last pressed a key; None: never.
        news_s: When the first key was pressed that the plan does not know of; None: it knows
            all.
        awaits_reply: Whether the next note is the first of an answer.
        played: See `Meters`.
        dropped: See there.
        response_s: See there.
        staleness_s: See there.
    """

    human_s: float | None = None
    news_s: float | None = None
    awaits_reply: bool = False
    played: int = 0
    dropped: int = 0
    response_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATELY))
    staleness_s: deque[float] = field(default_factory=lambda: deque(maxlen=LATELY))

    def count(self, now_s: float, *, follows: bool) -> None:
        """Take that a note was ordered; `follows`: it goes with one of the human's."""
        self.played += 1
        self.staleness_s.append(0.0 if self.news_s is None else now_s - self.news_s)
        if (self.awaits_reply or follows) and self.human_s is not None:
            self.response_s.append(now_s - self.human_s)
        self.awaits_reply = False


@dataclass(frozen=True, slots=True)
class Meters:
    """How well it goes.

    Attributes:
        response: From the human's last note-on to when the first note of an answer is ordered.
        staleness: How long the plan has not known of the human's notes, as notes of it are
            ordered.
        events_per_s: How fast the model writes.
        played: Notes that were ordered.
        dropped: Notes that came too late and were left out.
        own_heard: Own notes that came in again and were not taken for the human's.
        fallback: What is left out now.
        fallbacks: How often each step of that was taken, by its name.
    """

    response: Quantiles
    staleness: Quantiles
    events_per_s: float
    played: int
    dropped: int
    own_heard: int
    fallback: Fallback
    fallbacks: dict[str, int]


@dataclass(frozen=True, slots=True)
class View:
    """All there is to see at a moment.

    Attributes:
        now_s: The second on the session's clock.
        now: The tick that sounds.
        bar: The bar that it lies in.
        mode: Who plays when.
        turn: First tick of the machine's turn and first that is no longer of it; None while
            there is none.
        notes: What is remembered and planned, by onset.
        key: The key or scale that is kept to; None if none is.
        chord: The chord that sounds now; None if none is known.
        meters: How well it goes.
    """

    now_s: float
    now: int
    bar: int
    mode: str
    turn: tuple[int, int] | None
    notes: tuple[SeenNote, ...]
    key: str | None
    chord: str | None
    meters: Meters
