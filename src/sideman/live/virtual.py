"""Whole sessions in virtual time: the partner, its scheduler and a player, without a clock.

What takes hours with a player takes minutes here, and what comes of it depends on nothing but
what went in: tests, benchmarks and the replay of recorded sessions all run through `rehearse`.
Only thinking takes time. It takes as long as a `Lap` says: always the same, so that a session
can be run again, or as long as it really took, so that deadlines are missed as they would be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from sideman.live.messages import Timed
from sideman.live.orders import Order
from sideman.live.recording import (
    Acted,
    Changed,
    Diary,
    Heard,
    Ordered,
    Record,
    Sounded,
    Watched,
)
from sideman.live.scheduler import Scheduler

SHORTEST_SLEEP_S = 0.001
"""The least that time moves on when there is nothing to do."""

Input = Timed | Changed | Acted
"""What a player does: a message, a setting, an action."""

Lap = Callable[[int], float]
"""Says how many seconds have passed since it was asked last, in which so many thoughts were
thought."""


class Partner(Watched, Protocol):
    """Who is played with: an improviser, which explains these."""

    def begin(self, time_s: float) -> list[Order]:
        """Return what is ordered before all else."""

    def hear(self, timed: Timed) -> list[Order]:
        """Take a message."""

    def change(self, name: str, value: object, time_s: float) -> list[Order]:
        """Turn a setting."""

    def act(self, action: str, time_s: float) -> list[Order]:
        """Do something once."""

    def think(self, now_s: float) -> bool:
        """Think one thought; False if there was none."""

    def commit(self, now_s: float) -> list[Order]:
        """Return orders for what is certain by now."""

    def wake_at(self) -> float | None:
        """Return when there is something to do; None for never."""


class Player(Protocol):
    """Who plays with the partner."""

    def next_at(self) -> float | None:
        """Return when it does something next if it hears nothing more; None for never."""

    def play(self, now_s: float) -> list[Input]:
        """Return what it did up to now and has not returned before, in order of time."""

    def listen(self, timed: Timed) -> None:
        """Hear what the partner plays."""


class Script:
    """A player who does what is written, whatever it hears.

    Args:
        inputs: What it does, in order of time; read as it is needed.
    """

    def __init__(self, inputs: Iterable[Input]) -> None:
        self._inputs = iter(inputs)
        self._next = next(self._inputs, None)

    def next_at(self) -> float | None:
        """Return when the next input is due."""
        return None if self._next is None else self._next.time_s

    def play(self, now_s: float) -> list[Input]:
        """Return the inputs that are due."""
        due = []
        while self._next is not None and self._next.time_s <= now_s:
            due.append(self._next)
            self._next = next(self._inputs, None)
        return due

    def listen(self, timed: Timed) -> None:
        """Take no notice."""


def steady(cost_s: float) -> Lap:
    """Return a lap in which each thought takes `cost_s` seconds and all else none."""
    return lambda n_thoughts: cost_s * n_thoughts


def measured(clock: Callable[[], float]) -> Lap:
    """Return a lap that takes as long as it does by a clock of seconds."""
    before_s = clock()

    def lap(_: int) -> float:
        nonlocal before_s
        spent_s, before_s = clock() - before_s, clock()
        return spent_s

    return lap


def rehearse(
    partner: Partner,
    scheduler: Scheduler,
    player: Player,
    *,
    until_s: float,
    lap: Lap,
    begin_s: float = 0.0,
) -> Iterator[Record]:
    """Let a partner and a player play, and yield what happens.

    What is due is sent at its time while the partner thinks, as the scheduler is on its own;
    what the player does meanwhile is heard when the thought is finished.

    Args:
        partner: Who is played with.
        scheduler: Sends what it orders.
        player: Plays with it.
        until_s: When it is over; all notes are ended then.
        lap: How long thinking takes.
        begin_s: When it begins.
    """
    stage = _Stage(partner, scheduler, player, begin_s)
    yield from stage.order(partner.begin(begin_s))
    while stage.now_s < until_s:
        lap(0)
        yield from stage.hear()
        has_thought = partner.think(stage.now_s)
        yield from stage.go_to(stage.now_s + lap(int(has_thought)))
        orders = partner.commit(stage.now_s)
        yield from stage.go_to(stage.now_s + lap(0))
        yield from stage.order(orders)
        yield from stage.diary.look(stage.now_s)
        if not has_thought:
            yield from stage.go_to(min(stage.wake_s(), until_s))
    yield from stage.hear()
    yield from stage.send(scheduler.release_all(stage.now_s))


class _Stage:
    """Who plays, and what time it is."""

    def __init__(
        self, partner: Partner, scheduler: Scheduler, player: Player, now_s: float
    ) -> None:
        self.now_s = now_s
        self.diary = Diary(partner)
        self._partner = partner
        self._scheduler = scheduler
        self._player = player

    def hear(self) -> Iterator[Record]:
        """Let the partner hear what the player did."""
        for done in self._player.play(self.now_s):
            yield Heard(done.time_s, done.message) if isinstance(done, Timed) else done
            yield from self.order(self._tell(done))

    def order(self, orders: Iterable[Order]) -> Iterator[Record]:
        """Give orders to the scheduler."""
        for order in orders:
            yield Ordered(self.now_s, order)
            self._scheduler.take(order)

    def go_to(self, until_s: float) -> Iterator[Record]:
        """Let time pass, and send what is due meanwhile."""
        while (due_s := self._scheduler.next_at()) is not None and due_s <= until_s:
            self.now_s = max(due_s, self.now_s)
            yield from self.send(self._scheduler.due(self.now_s))
        self.now_s = max(until_s, self.now_s)

    def send(self, messages: Iterable[Timed]) -> Iterator[Record]:
        """Send messages now."""
        for timed in messages:
            self._player.listen(Timed(self.now_s, timed.message))
            yield Sounded(self.now_s, timed.message, max(self.now_s - timed.time_s, 0.0))

    def wake_s(self) -> float:
        """Return when there is something to do again."""
        moments = (self._player.next_at(), self._partner.wake_at())
        next_s = min((moment for moment in moments if moment is not None), default=float("inf"))
        return max(next_s, self.now_s + SHORTEST_SLEEP_S)

    def _tell(self, done: Input) -> list[Order]:
        match done:
            case Timed():
                return self._partner.hear(done)
            case Changed(time_s, name, value):
                return self._partner.change(name, value, time_s)
            case Acted(time_s, action):
                return self._partner.act(action, time_s)
