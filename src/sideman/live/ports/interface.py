"""What every MIDI port can do, and what one is asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Protocol

from sideman.live.messages import Message, Parser, Timed

Clock = Callable[[], float]
"""Gives the time now, in seconds on the session's clock."""


@dataclass(frozen=True, slots=True)
class PortWish:
    """A port that somebody wants.

    Attributes:
        backend: `"jack"`, `"rtmidi"`, `"osc"`, or `"auto"`: JACK where its server runs, RtMidi
            elsewhere.
        name: What others see it as.
        source: Where to hear from: part of the name of a port, or `host:port` to listen at for
            OSC. None makes a port that others connect to.
        sink: Where to play to, likewise.
    """

    backend: str = "auto"
    name: str = "sideman"
    source: str | None = None
    sink: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """A setting or an action that somebody asked for through a port, by its name.

    Attributes:
        time_s: When, in seconds on the session's clock.
        name: Of the setting or the action.
        text: The value as text; empty for an action.
    """

    time_s: float
    name: str
    text: str


class MidiPort(Protocol):
    """A way in and a way out for MIDI messages.

    No method but `close` may be called after `close`. None raises when the other end is gone:
    then `is_open` is false, what is sent is lost, and `reopen` looks for it.
    """

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def is_open(self) -> bool:
        """Whether all that was asked for is connected; cheap enough for once a second."""

    @property
    def ahead_s(self) -> float:
        """How much before its time `send` wants a message; 0 where it leaves at once."""

    @property
    def waitable(self) -> Connection:
        """What `multiprocessing.connection.wait` finds ready when something came in."""

    def read(self) -> list[Timed]:
        """Return what came in since the last call, in order."""

    def wishes(self) -> list[Wish]:
        """Return what was asked for since the last call besides MIDI."""

    def send(self, message: Message, time_s: float) -> None:
        """Send a message at a time, at once if that has passed."""

    def reopen(self) -> bool:
        """Look for what is not connected; return whether everything is now."""

    def close(self) -> None:
        """Send what still waits, and leave."""


class Signal:
    """Wakes whoever waits for a port, from any thread.

    A pipe rather than a lock, so that one thread can wait for ports, processes and the clock at
    once on every system.
    """

    def __init__(self) -> None:
        self.waitable, self._writer = Pipe(duplex=False)
        self._lock = threading.RLock()  # a signal handler may interrupt us in here
        self._is_set = False

    def set(self) -> None:
        """Make `waitable` ready, if it is not."""
        with self._lock:
            if not self._is_set:
                self._is_set = True
                self._writer.send_bytes(b"\0")

    def clear(self) -> None:
        """Make `waitable` wait again; what is read after this call is missed by nobody."""
        with self._lock:
            if self._is_set:
                self._is_set = False
                self.waitable.recv_bytes()

    def close(self) -> None:
        """Give the pipe back."""
        self.waitable.close()
        self._writer.close()


class Inbox:
    """What came in as bytes, from any thread, until the owner of the port reads it."""

    def __init__(self) -> None:
        self._signal = Signal()
        self._parser = Parser()
        self._came: deque[tuple[float, Iterable[int]]] = deque()  # safe between two threads

    @property
    def waitable(self) -> Connection:
        """Is ready when there is something to read."""
        return self._signal.waitable

    def put(self, time_s: float, data: Iterable[int]) -> None:
        """Let bytes come in, whole messages or not."""
        self._came.append((time_s, data))
        self._signal.set()

    def read(self) -> list[Timed]:
        """Return the messages that came in since the last call, in order."""
        self._signal.clear()
        read: list[Timed] = []
        while self._came:
            time_s, data = self._came.popleft()
            read += [Timed(time_s, message) for message in self._parser.feed(data)]
        return read

    def close(self) -> None:
        """Give back what waiting needs."""
        self._signal.close()
