"""The process of the ports for a page: what `sideman.live.inout` is for a MIDI device.

Like that one it imports no NumPy, so that it starts fast and stays small.
"""

from __future__ import annotations

import signal
from contextlib import suppress
from multiprocessing.connection import Connection

from sideman.live.inout import InOut, InOutConfig, Peer, session_clock
from sideman.live.messages import Message, NoteOff, NoteOn, ProgramChange, Timed
from sideman.live.ports.interface import Wish

AHEAD_S = 0.06
"""How much before its time a page is told of a note: it lies some way off."""


class PagePort:
    """The port of a page: what is played there comes through a pipe, what it hears goes back.

    Args:
        page: The other end of the pipe.
    """

    name = "page"
    is_open = True
    ahead_s = AHEAD_S

    def __init__(self, page: Peer) -> None:
        self._page = page

    @property
    def waitable(self) -> Connection:
        """Is ready when there is something to read."""
        return self._page.connection

    def read(self) -> list[Timed]:
        """Return what was played since the last call."""
        with suppress(EOFError):  # who started us is gone as well, which is noticed elsewhere
            return [came for came in self._page.receive() if isinstance(came, Timed)]
        return []

    def wishes(self) -> list[Wish]:
        """Return nothing: wishes go to the improviser."""
        return []

    def send(self, message: Message, time_s: float) -> None:
        """Send what a page can sound."""
        if isinstance(message, NoteOn | NoteOff | ProgramChange):
            self._page.put(Timed(time_s, message))

    def reopen(self) -> bool:
        """Return that nothing has to be looked for."""
        return True

    def close(self) -> None:
        """Send what still waits, and leave."""
        self._page.finish()


def run_ports(page: Connection, owner: Connection, config: InOutConfig) -> None:
    """Be the process of the ports.

    Args:
        page: The pipe to who talks to the page.
        owner: The pipe to who started us.
        config: How to run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the studio
    now_s = session_clock()
    port = PagePort(Peer(page, now_s))
    InOut(Peer(owner, now_s), config, open_port=lambda _wish, _clock: port).run()
