"""Ports of every system through RtMidi: ALSA, CoreMIDI, Windows, and JACK without exact frames.

Two packages bring RtMidi: python-rtmidi, and rtmidi2 where only that has a wheel. Messages
leave when they are handed over.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any, Protocol

from sideman.errors import LiveError, MissingExtra
from sideman.live.messages import Message, Timed, to_bytes
from sideman.live.ports.interface import Clock, Inbox, PortWish, Wish

TakeBytes = Callable[[list[int]], None]


class RtmidiPort:
    """One input and one output of RtMidi.

    Args:
        wish: Names; `source` and `sink` are parts of the names of ports, or None for virtual
            ports that others connect to.
        clock: The session's clock.

    Raises:
        MissingExtra: If neither package is installed.
        LiveError: If the system has no MIDI, or no such port now.
    """

    ahead_s = 0.0

    def __init__(self, wish: PortWish, clock: Clock) -> None:
        self._wish = wish
        self._clock = clock
        self._inbox = Inbox()
        self._rtmidi: Rtmidi | None = None
        self._has_failed = False
        self._open()

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"RtMidi {self._wish.name}"

    @property
    def is_open(self) -> bool:
        """Whether the ports that were named are still there."""
        if self._rtmidi is None or self._has_failed:
            return False
        return _has(self._rtmidi.sources(), self._wish.source) and _has(
            self._rtmidi.sinks(), self._wish.sink
        )

    @property
    def waitable(self) -> Connection:
        """Is ready when there is something to read."""
        return self._inbox.waitable

    def read(self) -> list[Timed]:
        """Return what came in since the last call."""
        return self._inbox.read()

    def wishes(self) -> list[Wish]:
        """Return nothing: MIDI is all that comes this way."""
        return []

    def send(self, message: Message, time_s: float) -> None:  # noqa: ARG002 at once
        """Send a message now; RtMidi knows no other time."""
        if self._rtmidi is None:
            return
        try:
            self._rtmidi.send(to_bytes(message))
        except RTMIDI_ERRORS:
            self._has_failed = True

    def reopen(self) -> bool:
        """Open again what came back."""
        if not self.is_open:
            self._leave()
            with contextlib.suppress(LiveError):
                self._open()
        return self.is_open

    def close(self) -> None:
        """Leave; what was sent has left."""
        self._leave()
        self._inbox.close()

    def _open(self) -> None:
        self._rtmidi = open_rtmidi(self._wish, self._take)
        self._has_failed = False

    def _leave(self) -> None:
        if self._rtmidi is not None:
            with contextlib.suppress(*RTMIDI_ERRORS):
                self._rtmidi.close()
        self._rtmidi = None

    def _take(self, data: list[int]) -> None:
        """Be called by RtMidi, in a thread of its own, with one message."""
        self._inbox.put(self._clock(), data)


class Rtmidi(Protocol):
    """What the two packages have in common."""

    def sources(self) -> list[str]:
        """Return the names of the ports that can be heard."""

    def sinks(self) -> list[str]:
        """Return the names of the ports that can be played to."""

    def send(self, data: bytes) -> None:
        """Send one message."""

    def close(self) -> None:
        """Close both ports."""


class PythonRtmidi:
    """The package python-rtmidi: one of its interfaces to the system, and both directions."""

    def __init__(self, package: Any, interface: int, name: str) -> None:  # noqa: ANN401
        self._in = package.MidiIn(interface, name)
        self._out = package.MidiOut(interface, name)

    def open(self, wish: PortWish, take: TakeBytes) -> None:
        """Open the ports of a wish, and hear with `take`."""
        self._in.ignore_types(sysex=True, timing=False, active_sense=True)
        self._in.set_callback(lambda event, _data: take(event[0]))
        for end, wanted, name in ((self._in, wish.source, "in"), (self._out, wish.sink, "out")):
            if wanted is None:
                end.open_virtual_port(name)
            else:
                end.open_port(_find(end.get_ports(), wanted), name)

    def sources(self) -> list[str]:
        """Return the names of the ports that can be heard."""
        return list(self._in.get_ports())

    def sinks(self) -> list[str]:
        """Return the names of the ports that can be played to."""
        return list(self._out.get_ports())

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._out.send_message(data)

    def close(self) -> None:
        """Close both ports, and give their clients back."""
        for end in (self._in, self._out):
            end.close_port()
            end.delete()


class Rtmidi2:
    """The package rtmidi2, through the interface to the system that it chooses itself.

    That is never JACK: the wheel of 1.5.0 brings a libjack of an older protocol than jackd's,
    and ends the whole process when it is refused. JACK-Client is there for JACK.
    """

    def __init__(self, package: Any, name: str) -> None:  # noqa: ANN401
        self._in = package.MidiIn(name)
        self._out = package.MidiOut(name)

    def open(self, wish: PortWish, take: TakeBytes) -> None:
        """Open the ports of a wish, and hear with `take`."""
        self._in.ignore_types(midi_sysex=True, midi_time=False, midi_sense=True)
        self._in.callback = lambda data, _time: take(data)
        for end, wanted, name in ((self._in, wish.source, "in"), (self._out, wish.sink, "out")):
            if wanted is None:
                end.open_virtual_port(name)
            else:
                end.open_port(_find(end.ports, wanted))

    def sources(self) -> list[str]:
        """Return the names of the ports that can be heard."""
        return list(self._in.ports)

    def sinks(self) -> list[str]:
        """Return the names of the ports that can be played to."""
        return list(self._out.ports)

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._out.send_raw(*data)

    def close(self) -> None:
        """Close both ports."""
        self._in.callback = None
        self._in.close_port()
        self._out.close_port()


RTMIDI_ERRORS = (OSError, RuntimeError, ValueError, NotImplementedError)
"""What the two packages raise; python-rtmidi's own errors are kinds of these."""


NO_INTERFACE = "RtMidi was built without any way to this system's MIDI"


def open_rtmidi(wish: PortWish, take: TakeBytes) -> Rtmidi:
    """Open the ports of a wish through the first interface of the system that has them.

    Raises:
        MissingExtra: If neither package is installed.
        LiveError: If no interface of the system works, or none has such ports.
    """
    reasons: list[str] = []
    for rtmidi in _interfaces(wish.name, reasons):
        with _noting(reasons):
            rtmidi.open(wish, take)
            return rtmidi
    msg = "; ".join(reasons) or NO_INTERFACE
    raise LiveError(msg)


def list_rtmidi() -> tuple[list[str], list[str]]:
    """Return the names of the ports that can be heard, and of those that can be played to.

    Raises:
        MissingExtra: If neither package is installed.
        LiveError: If no interface of the system works.
    """
    reasons: list[str] = []
    for rtmidi in _interfaces("sideman-doctor", reasons):
        names = rtmidi.sources(), rtmidi.sinks()
        rtmidi.close()
        return names
    msg = "; ".join(reasons) or NO_INTERFACE
    raise LiveError(msg)


def _interfaces(name: str, reasons: list[str]) -> Iterator[PythonRtmidi | Rtmidi2]:
    """Give what works of what there is, in order, and note why the rest does not."""
    try:
        package = importlib.import_module("rtmidi")
    except ImportError:
        pass
    else:
        for interface in package.get_compiled_api():
            with _noting(reasons):
                yield PythonRtmidi(package, interface, name)
        return
    try:
        package = importlib.import_module("rtmidi2")
    except ImportError as error:
        msg = 'MIDI ports need python-rtmidi: pip install "sideman[live]"'
        raise MissingExtra(msg) from error
    with _noting(reasons):
        yield Rtmidi2(package, name)


@contextlib.contextmanager
def _noting(reasons: list[str]) -> Iterator[None]:
    """Note why something did not work, and go on."""
    try:
        yield
    except (*RTMIDI_ERRORS, LiveError) as error:
        reasons.append(str(error))


def _find(names: list[str], wanted: str) -> int:
    for index, name in enumerate(names):
        if wanted in name:
            return index
    there = ", ".join(repr(name) for name in names) or "none at all"
    msg = f"there is no MIDI port {wanted!r}; there are: {there}"
    raise LiveError(msg)


def _has(names: list[str], wanted: str | None) -> bool:
    return wanted is None or any(wanted in name for name in names)
