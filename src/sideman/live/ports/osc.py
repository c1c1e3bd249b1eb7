"""A port that speaks Open Sound Control over UDP: notes, controllers, clock, and settings.

Every message of `messages.py` has an address, and its fields are the arguments:
`/sideman/note_on 0 60 100`. Every other name under `/sideman` is a setting with its value, or
an action: `/sideman/density 5`, `/sideman/panic`.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
import threading
from collections import deque
from dataclasses import astuple
from multiprocessing.connection import Connection
from typing import Any

from sideman.errors import LiveError, MissingExtra
from sideman.live import messages
from sideman.live.messages import Message, NoteOff, NoteOn, Timed, to_bytes
from sideman.live.ports.interface import Clock, Inbox, PortWish, Wish

PREFIX = "/sideman/"
LISTEN_AT = "127.0.0.1:9125"
"""Where we listen unless told otherwise: on this machine only."""

MAX_PACKET = 65_536
"""No UDP packet is longer."""

MESSAGES: dict[str, type[Message]] = {
    "note_on": NoteOn,
    "note_off": NoteOff,
    "control": messages.ControlChange,
    "program": messages.ProgramChange,
    "clock": messages.Clock,
    "start": messages.Start,
    "continue": messages.Continue,
    "stop": messages.Stop,
    "song_position": messages.SongPosition,
}
NAMES = {kind: name for name, kind in MESSAGES.items()}


class OscPort:
    """Listens at one UDP address and sends to another.

    Args:
        wish: `source` is where to listen, `host:port`, `LISTEN_AT` if None; `sink` is where to
            send, nowhere if None.
        clock: The session's clock.

    Attributes:
        n_unread: Packets that made no sense.

    Raises:
        MissingExtra: If python-osc is not installed.
        LiveError: If an address is none, or somebody listens there already.
    """

    ahead_s = 0.0

    def __init__(self, wish: PortWish, clock: Clock) -> None:
        self.n_unread = 0
        self._clock = clock
        self._packet, self._builder = _load_osc()
        self._inbox = Inbox()
        self._wishes: deque[Wish] = deque()
        self._sink = None if wish.sink is None else address_of(wish.sink)
        self._address = address_of(wish.source or LISTEN_AT)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(self._address)
        except OSError as error:
            self._socket.close()
            msg = f"cannot listen for OSC at {wish.source or LISTEN_AT}: {error.strerror}"
            raise LiveError(msg) from error
        self._address = self._socket.getsockname()
        self._is_closed = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """What it is, for people."""
        host, number = self._address
        return f"OSC {host}:{number}"

    @property
    def is_open(self) -> bool:
        """Whether somebody listens; where UDP is sent, nobody has to."""
        return self._thread.is_alive()

    @property
    def waitable(self) -> Connection:
        """Is ready when there is something to read."""
        return self._inbox.waitable

    def read(self) -> list[Timed]:
        """Return what came in since the last call."""
        return self._inbox.read()

    def wishes(self) -> list[Wish]:
        """Return the settings and actions that came in since the last call."""
        found = []
        while self._wishes:
            found.append(self._wishes.popleft())
        return found

    def send(self, message: Message, time_s: float) -> None:  # noqa: ARG002 at once
        """Send a message now."""
        if self._sink is None:
            return
        builder = self._builder.OscMessageBuilder(address=PREFIX + NAMES[type(message)])
        for value in astuple(message):
            builder.add_arg(value)
        with contextlib.suppress(OSError):  # nobody listens there now
            self._socket.sendto(builder.build().dgram, self._sink)

    def reopen(self) -> bool:
        """Return whether somebody listens: a socket does not go away by itself."""
        return self.is_open

    def close(self) -> None:
        """Stop listening."""
        if self._is_closed:
            return
        self._is_closed = True
        self._socket.sendto(b"", self._address)  # wakes the thread that listens
        self._thread.join()
        self._socket.close()
        self._inbox.close()

    def _listen(self) -> None:
        while not self._is_closed:
            with contextlib.suppress(OSError):  # an answer that nobody listens where we sent to
                packet = self._socket.recv(MAX_PACKET)
                if packet:
                    self._take(packet)

    def _take(self, packet: bytes) -> None:
        """Read one packet; what is no OSC, or none of ours, is counted."""
        try:
            for timed in self._packet.OscPacket(packet).messages:
                self._take_message(timed.message.address, timed.message.params)
        except Exception:  # noqa: BLE001 anybody may send anything; python-osc raises much
            self.n_unread += 1

    def _take_message(self, address: str, values: list[Any]) -> None:
        if not address.startswith(PREFIX):
            msg = f"OSC address {address!r} does not begin with {PREFIX!r}"
            raise LiveError(msg)
        name, time_s = address.removeprefix(PREFIX), self._clock()
        if name in MESSAGES:
            self._inbox.put(time_s, to_bytes(_message(name, [int(value) for value in values])))
        else:
            self._wishes.append(Wish(time_s, name, " ".join(map(_text, values))))
            self._inbox.put(time_s, b"")  # wakes who waits


def address_of(text: str) -> tuple[str, int]:
    """Return host and port number of `host:port`.

    Raises:
        LiveError: If it is not of that form.

    Example:
        >>> address_of("127.0.0.1:9125")
        ('127.0.0.1', 9125)
    """
    host, _, number = text.rpartition(":")
    if not host or not number.isdecimal():
        msg = f"OSC address {text!r} is not host:port, such as {LISTEN_AT}"
        raise LiveError(msg)
    return host, int(number)


def _message(name: str, values: list[int]) -> Message:
    if name == "note_on" and values[-1] == 0:  # as on the wire: the key goes up
        name, values = "note_off", values[:-1]
    return MESSAGES[name](*values)


def _text(value: object) -> str:
    """Return a value as one would type it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _load_osc() -> tuple[Any, Any]:
    """Return the reader and the writer of python-osc, without its servers."""
    try:
        packet = importlib.import_module("pythonosc.osc_packet")
        builder = importlib.import_module("pythonosc.osc_message_builder")
    except ImportError as error:
        msg = 'OSC needs python-osc: pip install "sideman[live]"'
        raise MissingExtra(msg) from error
    return packet, builder
