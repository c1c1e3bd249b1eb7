"""Generate: ask a session for events until so many bars are full, and say why it stopped."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from sideman.engine.sampling import Sampling
from sideman.engine.session import Session
from sideman.errors import EngineError
from sideman.tokens.grammar import Limits
from sideman.tokens.vocabulary import UNSPECIFIED, VELOCITY, Events, Kind

MAX_EVENTS_PER_BAR = 400
"""A bar that grows to this is closed: denser than any bar of a real piece but a few."""


BAR_LINES = 2
"""Events of a bar beside what is in it: its own `BAR`, and the next one, which closes it."""


class Stop(Enum):
    """Why a take ended."""

    BARS = "all bars written"
    END = "the piece ended"
    CONTEXT = "the context is full"


@dataclass(frozen=True, slots=True)
class Written:
    """One event of one take, or the end of a take.

    Attributes:
        take: Number of the take.
        event: The event, shape (N_COLUMNS,); None when the take ended.
        log_prob: Log-probability of the event in nats, within what was allowed.
        stop: Why the take ended; None while it goes on.
    """

    take: int
    event: Events | None
    log_prob: float = 0.0
    stop: Stop | None = None


def generate(
    session: Session,
    *,
    n_bars: int,
    rngs: Sequence[np.random.Generator],
    sampling: Sampling | None = None,
    limits: Limits | None = None,
    may_end: bool = False,
    may_fill: bool = False,
    is_flat: bool = False,
    context: int | None = None,
) -> Iterator[Written]:
    """Yield events as they are written, in all takes of a session side by side.

    A take is done when `n_bars` new bars are full; the bar after them is not begun. Takes that
    are done leave the session. A bar that grows too dense is closed, in time for the first
    to be full before the context is.

    Args:
        session: With a prompt said in it.
        n_bars: Bars to write, at least 1.
        rngs: A generator for each take.
        sampling: How values are drawn.
        limits: What is allowed beside the grammar.
        may_end: Let the model end the piece earlier.
        may_fill: Let the model write into the bar that the prompt ends in, too.
        is_flat: The prompt says no velocities, so neither does what the model hears of its
            own notes (they are yielded with one all the same).
        context: Most events of a take. None: as many as the model was trained to see.

    Raises:
        EngineError: If there is not a generator for each take.
        TokenError: If the limits leave nothing to write.
    """
    if len(rngs) != session.n_takes:
        msg = f"{len(rngs)} random generators for {session.n_takes} takes; give one for each"
        raise EngineError(msg)
    context = context or int(session.bundle.card["network"]["context"])
    most_in_bar = min(MAX_EVENTS_PER_BAR, max(context - len(session) - BAR_LINES, 0))
    first_bars = [sentence.bar for sentence in session.sentences]
    numbers = list(range(session.n_takes))
    in_bar = [0] * session.n_takes
    while numbers:
        kinds = [
            _kinds_now(
                limits,
                may_end=may_end,
                may_add=count < most_in_bar and (may_fill or sentence.bar > first_bars[number]),
            )
            for number, sentence, count in zip(numbers, session.sentences, in_bar, strict=True)
        ]
        step = session.next(
            [replace(limits or Limits(), kinds=allowed) for allowed in kinds],
            sampling=sampling,
            rngs=[rngs[number] for number in numbers],
        )
        going: list[int] = []
        for row, number in enumerate(numbers):
            event = step.events[row]
            n_full = session.sentences[row].bar - first_bars[number]
            stop = _stop(event, is_last_bar=n_full >= n_bars, is_full=len(session) >= context)
            if stop is None or stop is Stop.END:
                yield Written(number, event.copy(), float(step.log_probs[row].sum()))
            if stop is None:
                going.append(row)
            else:
                yield Written(number, None, stop=stop)
        if not going:
            return
        if len(going) < len(numbers):
            session.keep_takes(going)
        said = step.events[going]
        if is_flat:
            said[said[:, 0] == Kind.NOTE, VELOCITY] = UNSPECIFIED
        session.append(said[:, None])
        in_bar = [
            0 if event[0] == Kind.BAR else in_bar[row] + 1
            for row, event in zip(going, said, strict=True)
        ]
        numbers = [numbers[row] for row in going]


def _kinds_now(limits: Limits | None, *, may_end: bool, may_add: bool) -> NDArray[np.bool_]:
    """Return the kinds allowed: no early end, nothing more in a bar that is to be closed."""
    if limits is None or limits.kinds is None:
        kinds = np.ones(len(Kind), bool)
    else:
        kinds = limits.kinds.copy()
    kinds[Kind.END] &= may_end
    if not may_add:
        kinds[[Kind.NOTE, Kind.CHORD, Kind.PART]] = False
    return kinds


def _stop(event: Events, *, is_last_bar: bool, is_full: bool) -> Stop | None:
    """Return why a take ends before `event` is said, or with it if it is an `END`."""
    if event[0] == Kind.BAR and is_last_bar:
        return Stop.BARS
    if event[0] == Kind.END:
        return Stop.END
    return Stop.CONTEXT if is_full else None
