"""Two ports in memory, each the other's other end: for tests, and to try things out."""

from __future__ import annotations

from multiprocessing.connection import Connection

from sideman.live.messages import Message, Timed, to_bytes
from sideman.live.ports.interface import Clock, Inbox, Wish


class VirtualPort:
    """One end of a pair; what is sent arrives at the other end at once, as bytes.

    Attributes:
        is_plugged: Set it to False and the port is as good as pulled out.
    """

    ahead_s = 0.0

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self.is_plugged = True
        self._clock = clock
        self._other: VirtualPort | None = None
        self._inbox = Inbox()
        self._is_open = True

    @property
    def is_open(self) -> bool:
        """Whether the port is there."""
        self._is_open = self._is_open and self.is_plugged
        return self._is_open

    @property
    def waitable(self) -> Connection:
        """Is ready when there is something to read."""
        return self._inbox.waitable

    def read(self) -> list[Timed]:
        """Return what the other end sent since the last call."""
        return self._inbox.read()

    def wishes(self) -> list[Wish]:
        """Return nothing: MIDI is all that comes this way."""
        return []

    def send(self, message: Message, time_s: float) -> None:  # noqa: ARG002 at once
        """Hand a message to the other end."""
        self.send_bytes(to_bytes(message))

    def send_bytes(self, data: bytes) -> None:
        """Hand bytes to the other end, whole messages or not."""
        if self.is_open and self._other is not None and self._other.is_open:
            self._other.take(data)

    def take(self, data: bytes) -> None:
        """Let bytes come in."""
        self._inbox.put(self._clock(), data)

    def reopen(self) -> bool:
        """Return whether the port is plugged in again."""
        self._is_open = self.is_plugged
        return self._is_open

    def close(self) -> None:
        """Leave."""
        self.is_plugged = False
        self._inbox.close()

    def connect(self, other: VirtualPort) -> None:
        """Send to `other` from now on."""
        self._other = other


def virtual_pair(clock: Clock) -> tuple[VirtualPort, VirtualPort]:
    """Return two ports; what goes into one comes out of the other."""
    near, far = VirtualPort("near", clock), VirtualPort("far", clock)
    near.connect(far)
    far.connect(near)
    return near, far
