"""Limits: how much the studio takes from a browser, and what it says beyond that."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http import HTTPStatus
from threading import Lock

from sideman.errors import StudioError
from sideman.score.time import bar_starts
from sideman.score.types import Score


class LimitReached(StudioError):
    """More than the studio takes.

    Attributes:
        code: Which limit, for programs.
        status: Status of the reply.
    """

    def __init__(
        self, message: str, *, code: str, status: int = HTTPStatus.UNPROCESSABLE_ENTITY
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = int(status)

    def __reduce__(self) -> tuple[object, ...]:
        """Keep code and status on the way back from a worker process."""
        return partial(type(self), code=self.code, status=self.status), (str(self),)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the studio takes; the page is told.

    Attributes:
        upload_bytes: Size of a MIDI file.
        body_bytes: Size of any other request.
        notes: Notes of a piece.
        bars: Bars of a piece.
        parts: Parts of a piece.
        takes: Takes of one request.
        upload_seconds: How long a file may take to be read.
        upload_memory_bytes: How much memory reading it may take.
        sounds: Pieces that are made audible at the same time, for everybody together.
        pairs: Pairs that somebody may have made at the same time.
        sockets: Pages that somebody may have open.
        players: Pages that may be played on at the same time, for everybody together: each
            has a model of its own.
        voices: Voices that may play on a page.
        play_minutes: How much of what is played on a page is recorded.
        recording_bytes: How large the recording may be.
        recordings: Recordings that are kept, for everybody together.
        requests_per_second: How many requests a browser may send, on average.
        requests_at_once: How many it may send before that counts.
    """

    upload_bytes: int = 2_000_000
    body_bytes: int = 8_000_000
    notes: int = 50_000
    bars: int = 1_000
    parts: int = 64
    takes: int = 8
    upload_seconds: float = 20.0
    upload_memory_bytes: int = 2**30
    sounds: int = 2
    pairs: int = 2
    sockets: int = 16
    players: int = 4
    voices: int = 8
    play_minutes: float = 60.0
    recording_bytes: int = 50_000_000
    recordings: int = 24
    requests_per_second: float = 50.0
    requests_at_once: int = 200

    def told(self) -> dict[str, float]:
        """Return all of them by name."""
        return asdict(self)

    def check_counts(self, notes: Sized, parts: Sized) -> None:
        """Refuse more notes or parts than a piece may have.

        Raises:
            LimitReached: If there are.
        """
        for what, counted, most in (
            ("notes", notes, self.notes),
            ("parts", parts, self.parts),
        ):
            if len(counted) > most:
                msg = (
                    f"the piece has {len(counted):,} {what}; "
                    f"the studio takes up to {most:,}: split it"
                )
                raise LimitReached(msg, code=f"too_many_{what}")

    def check_score(self, score: Score) -> None:
        """Refuse a piece that is too large.

        Raises:
            LimitReached: If it is.
            ScoreError: If it is much too long.
        """
        self.check_counts(score.notes, score.parts)
        self.check_bars(len(bar_starts(score)) - 1)

    def check_bars(self, n_bars: int) -> None:
        """Refuse more bars than a piece may have.

        Raises:
            LimitReached: If there are.
        """
        if n_bars > self.bars:
            msg = (
                f"the piece has {n_bars:,} bars; the studio takes up to {self.bars:,}: split it"
            )
            raise LimitReached(msg, code="too_many_bars")

    def check_takes(self, n_takes: int) -> None:
        """Refuse more takes than may be asked for at once.

        Raises:
            LimitReached: If there are.
        """
        if n_takes > self.takes:
            msg = (
                f"{n_takes} takes are asked for; "
                f"the studio writes up to {self.takes} at once: ask again for more"
            )
            raise LimitReached(msg, code="too_many_takes")


MOST_CLIENTS = 10_000
"""Clients that are remembered by a `Pace` or `Slots`; the one that was quiet longest goes."""


class Pace:
    """Lets everybody go on at a pace: a bucket of tokens each, filled again over time."""

    def __init__(
        self, per_second: float, at_once: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Allow `at_once` steps, and `per_second` more each second."""
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Return in how many seconds a step may be taken; 0: now."""
        return max(1 - self._level(client), 0) / self._per_second

    def step(self, client: str) -> float:
        """Take a step; return 0, or how many seconds too early it was, if it was."""
        level, wait_s = self._level(client), self.wait_s(client)
        self._levels[client] = (level if wait_s else level - 1, self._clock())
        self._levels.move_to_end(client)
        if len(self._levels) > MOST_CLIENTS:
            self._levels.popitem(last=False)
        return wait_s

    def _level(self, client: str) -> float:
        """Return how many steps may be taken at once now."""
        now = self._clock()
        level, since = self._levels.get(client, (float(self._at_once), now))
        return min(self._at_once, level + (now - since) * self._per_second)


class Slots:
    """Places for work of which only so much may go on at the same time."""

    def __init__(self, n_slots: int, code: str, message: str) -> None:
        """Have `n_slots` for each name; say `message` under `code` when all are taken."""
        self._n_slots = n_slots
        self._code = code
        self._message = message
        self._taken: dict[str, int] = {}
        self._lock = Lock()

    @contextmanager
    def take(self, name: str = "") -> Iterator[None]:
        """Take a place until the block is left.

        Raises:
            LimitReached: If there is none.
        """
        with self._lock:
            if self._taken.get(name, 0) >= self._n_slots:
                status = HTTPStatus.TOO_MANY_REQUESTS
                raise LimitReached(self._message, code=self._code, status=status)
            self._taken[name] = self._taken.get(name, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[name] -= 1
                if not self._taken[name]:
                    del self._taken[name]
