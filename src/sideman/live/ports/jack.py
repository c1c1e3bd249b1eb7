"""Ports of a JACK server, or of PipeWire in its place: messages leave at their exact frame.

JACK calls us once a period, in a thread of its own, for the messages of that period. What this
file must never do is raise in that call: JACK would not call again, and nothing would be heard
any more.
"""

from __future__ import annotations

import contextlib
import heapq
import importlib
import itertools
import math
import re
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from sideman.errors import LiveError, MissingExtra
from sideman.live.messages import NOTE_OFF, NOTE_ON, Message, NoteOff, Timed, to_bytes
from sideman.live.ports.interface import Clock, Inbox, PortWish, Wish

N_PERIODS_AHEAD = 2
"""One period is being filled when a message is handed over; one is for interruptions."""

SLACK_S = 0.005
"""How long handing over may take besides."""

LATE_S = 0.001
"""A message that leaves later than this counts as late."""

SILENT_S = 2.0
"""A server that has not called for so long has forgotten us."""

CLEAN_LOOK_S = 0.0002
"""Two looks at a clock that are further apart were interrupted."""

MAX_IN_PERIOD = 128
"""Messages written in one period: a thousand take Python longer than a period lasts."""

REPEAT_S = 1.0
"""How far back note-offs are repeated when JACK missed a period: it loses what was in it."""

FRAME_WRAP = 1 << 32
"""JACK counts frames in 32 bits: once a day it begins again."""


class CycleClock:
    """Tells when a period began on the session's clock, from noisy looks at it.

    A delay-locked loop of second order, which follows a sound card that runs at another rate
    than the system's clock without lagging behind (Adriaensen, "Using a DLL to filter time",
    Linux Audio Conference 2005).

    Args:
        rate_hz: Frames per second, as the sound card says.
    """

    BANDWIDTH_HZ = 1.0
    """What is faster than this is taken for noise."""

    MAX_ERROR_S = 0.005
    """What is further off is a jump of the sound card's clock, and followed at once."""

    def __init__(self, rate_hz: float) -> None:
        self._frame_s = self._nominal_frame_s = 1 / rate_hz
        self._frame: int | None = None
        self._start_s = 0.0

    def begin(self, frame: int, seen_s: float) -> float:
        """Return when the period began.

        Args:
            frame: Number of its first frame.
            seen_s: When it seems to have begun.
        """
        n_frames = 0 if self._frame is None else frames_between(self._frame, frame)
        predicted_s = self._start_s + n_frames * self._frame_s
        error_s = seen_s - predicted_s
        if self._frame is None or n_frames <= 0 or abs(error_s) > self.MAX_ERROR_S:
            self._start_s, self._frame_s = seen_s, self._nominal_frame_s
        else:
            omega = 2 * math.pi * self.BANDWIDTH_HZ * n_frames * self._nominal_frame_s
            self._start_s = predicted_s + 2**0.5 * omega * error_s
            self._frame_s += omega**2 * error_s / n_frames
        self._frame = frame
        return self._start_s


class FrameQueue:
    """Messages on their way to JACK, each with its time: handed over here, taken there.

    Attributes:
        n_late: Messages whose period had passed; they left at the beginning of the next.
    """

    def __init__(self) -> None:
        self.n_late = 0
        self._arrived: deque[tuple[float, int, bytes]] = deque()  # safe between two threads
        self._heap: list[tuple[float, int, bytes]] = []
        self._numbers = itertools.count()

    def put(self, time_s: float, data: bytes) -> None:
        """Hand a message over."""
        self._arrived.append((time_s, next(self._numbers), data))

    def put_back(self, entries: Iterable[tuple[float, int, bytes]]) -> None:
        """Return messages that did not fit into the period they were taken for."""
        self._arrived.extend(entries)

    def take(self, until_s: float) -> list[tuple[float, int, bytes]]:
        """Return the messages before a time, by time and then as they were handed over.

        No more than `MAX_IN_PERIOD`; the others come with the next call.
        """
        while self._arrived:
            heapq.heappush(self._heap, self._arrived.popleft())
        taken: list[tuple[float, int, bytes]] = []
        while self._heap and self._heap[0][0] < until_s and len(taken) < MAX_IN_PERIOD:
            taken.append(heapq.heappop(self._heap))
        return taken

    def offsets(
        self,
        entries: Sequence[tuple[float, int, bytes]],
        start_s: float,
        rate_hz: float,
        n_frames: int,
    ) -> list[int]:
        """Return the frame of each message in a period: never falling, as JACK demands.

        Args:
            entries: As `take` returned them.
            start_s: When the period begins.
            rate_hz: Frames per second.
            n_frames: Frames of the period; each offset is below it.
        """
        offsets: list[int] = []
        least = 0
        for time_s, _, _ in entries:
            self.n_late += time_s < start_s - LATE_S
            least = min(max(round((time_s - start_s) * rate_hz), least), n_frames - 1)
            offsets.append(least)
        return offsets

    def is_empty(self) -> bool:
        """Return whether nothing waits."""
        return not self._arrived and not self._heap


class RecentStops:
    """The note-offs that were the last word on their keys, to say them again if need be.

    A note-on that is lost is a note less; a note-off that is lost is a note that never ends.
    """

    def __init__(self) -> None:
        self._said_s: dict[bytes, float] = {}  # at most one for each key of each channel

    def note(self, data: bytes, said_s: float) -> None:
        """Remember a message that was sent, if it stops or starts a note."""
        channel = data[0] & 0x0F
        if data[0] == NOTE_ON | channel:
            self._said_s.pop(to_bytes(NoteOff(channel, data[1])), None)
        elif data[0] == NOTE_OFF | channel:
            self._said_s[data] = said_s

    def since(self, begin_s: float) -> list[bytes]:
        """Return those that were said at `begin_s` or later."""
        return [data for data, said_s in self._said_s.items() if said_s >= begin_s]


class JackPort:
    """A client of JACK with one port in and one out.

    Messages that come in are stamped one period early, as those of a real interface are: they
    were played while the last period was heard. So no stamp lies in the future.

    Args:
        wish: Names; `source` and `sink` are parts of the names of ports, or None.
        clock: The session's clock.

    Attributes:
        n_faults: Calls of JACK in which something went wrong; nothing should.
        n_missed: Times that JACK missed a period; what was in it may be lost.

    Raises:
        MissingExtra: If JACK-Client is not installed.
        LiveError: If there is no JACK library, or no server runs.
    """

    def __init__(self, wish: PortWish, clock: Clock) -> None:
        self.n_faults = 0
        self.n_missed = 0
        self._wish = wish
        self._clock = clock
        self._jack = load_jack()
        self._inbox = Inbox()
        self._open()

    @property
    def name(self) -> str:
        """What it is, for people."""
        return f"JACK {self._wish.name}"

    @property
    def ahead_s(self) -> float:
        """How much before its time `send` wants a message."""
        return self._ahead_s

    @property
    def n_late(self) -> int:
        """Messages that left later than `LATE_S`."""
        return self._queue.n_late

    @property
    def is_open(self) -> bool:
        """Whether the server calls us, and every named port is connected."""
        return self._is_alive() and all(self._connections())

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

    def send(self, message: Message, time_s: float) -> None:
        """Send a message at the frame that is heard at `time_s`, or at the next there is."""
        self._queue.put(time_s, to_bytes(message))

    def reopen(self) -> bool:
        """Come back to a server that came back, and connect what can be.

        The first call after a server is gone only leaves it: libjack crashes when a client of a
        server that is gone is closed after another one tried to open.
        """
        if self._is_in and not self._is_alive():
            self._leave()
            return False
        if not self._is_in:
            try:
                self._open()
            except LiveError:
                return False
        self._connect()
        return self.is_open

    def close(self) -> None:
        """Send what still waits, and leave."""
        until_s = self._clock() + self._ahead_s + SLACK_S
        while self._is_alive() and not self._queue.is_empty() and self._clock() < until_s:
            time.sleep(SLACK_S)
        time.sleep(self._ahead_s)  # what was written is read by others in this period
        self._leave()
        self._inbox.close()

    def _open(self) -> None:
        """Become a client; what was on its way to an earlier server is lost."""
        self._client = client = _join(self._jack, self._wish.name)
        self._rate_hz = float(client.samplerate)
        self._ahead_s: float = N_PERIODS_AHEAD * client.blocksize / self._rate_hz + SLACK_S
        self._cycle = CycleClock(self._rate_hz)
        self._queue = FrameQueue()
        self._stops = RecentStops()
        self._n_repaired = self.n_missed
        self._called_s = self._clock()
        self._is_in = True
        self._is_shut_down = False
        self._in = client.midi_inports.register("in")
        self._out = client.midi_outports.register("out")
        client.set_shutdown_callback(self._shut_down)
        client.set_xrun_callback(self._miss)
        client.set_process_callback(self._process)
        client.activate()
        self._connect()

    def _leave(self) -> None:
        self._is_in = False
        with contextlib.suppress(self._jack.JackError):
            self._client.close()

    def _shut_down(self, _status: object, _reason: str) -> None:
        self._is_shut_down = True

    def _miss(self, _delay_us: float) -> None:
        self.n_missed += 1

    def _is_alive(self) -> bool:
        return (
            self._is_in and not self._is_shut_down and self._clock() - self._called_s < SILENT_S
        )

    def _connections(self) -> list[bool]:
        """Return for each port that was named whether we are connected to it."""
        wanted = ((self._in, self._wish.source), (self._out, self._wish.sink))
        return [
            any(part in port.name for port in own.connections)
            for own, part in wanted
            if part is not None
        ]

    def _connect(self) -> None:
        """Connect what is named and there; what is not there is looked for again later."""
        source, sink, client = self._wish.source, self._wish.sink, self._client
        with contextlib.suppress(self._jack.JackError):
            if source is not None:
                for port in client.get_ports(re.escape(source), is_midi=True, is_output=True):
                    if not self._in.is_connected_to(port):
                        client.connect(port, self._in)
            if sink is not None:
                for port in client.get_ports(re.escape(sink), is_midi=True, is_input=True):
                    if not self._out.is_connected_to(port):
                        client.connect(self._out, port)

    def _process(self, n_frames: int) -> None:
        """Be called by JACK, once a period."""
        try:
            self._exchange(n_frames)
        except Exception:  # noqa: BLE001 whatever it is, JACK must go on calling
            self.n_faults += 1

    def _exchange(self, n_frames: int) -> None:
        """Take what came in this period, and write what leaves in it."""
        frame = self._client.last_frame_time
        start_s = self._cycle.begin(frame, self._look(frame))
        self._called_s = start_s
        self._out.clear_buffer()
        for offset, data in self._in.incoming_midi_events():
            self._inbox.put(start_s + (offset - n_frames) / self._rate_hz, bytes(data))
        if self._n_repaired < self.n_missed:
            self._n_repaired = self.n_missed
            for data in self._stops.since(start_s - REPEAT_S):
                self._queue.put(start_s, data)
        entries = self._queue.take(start_s + n_frames / self._rate_hz)
        offsets = self._queue.offsets(entries, start_s, self._rate_hz, n_frames)
        n_written = 0
        with contextlib.suppress(self._jack.JackError):  # this period is full
            for offset, (_, _, data) in zip(offsets, entries, strict=True):
                self._out.write_midi_event(offset, data)
                self._stops.note(data, start_s)
                n_written += 1
        self._queue.put_back(entries[n_written:])

    def _look(self, frame: int) -> float:
        """Return when a frame seems to have begun, from one look that was not interrupted."""
        seen_s = 0.0
        for _ in range(3):
            before_s = self._clock()
            now_frame = self._client.frame_time
            after_s = self._clock()
            n_frames = frames_between(frame, now_frame)
            seen_s = (before_s + after_s) / 2 - n_frames / self._rate_hz
            if after_s - before_s < CLEAN_LOOK_S:
                break
        return seen_s


@dataclass(frozen=True, slots=True)
class JackServer:
    """What a server says of itself.

    Attributes:
        rate_hz: Frames per second.
        n_frames: Frames of a period.
        sources: MIDI ports that can be heard.
        sinks: MIDI ports that can be played to.
    """

    rate_hz: int
    n_frames: int
    sources: tuple[str, ...]
    sinks: tuple[str, ...]


def look_at_server() -> JackServer:
    """Return what the server says of itself.

    Raises:
        MissingExtra: If JACK-Client is not installed.
        LiveError: If there is no JACK library, or no server runs.
    """
    client = _join(load_jack(), "sideman-doctor")
    server = JackServer(
        client.samplerate,
        client.blocksize,
        tuple(port.name for port in client.get_ports(is_midi=True, is_output=True)),
        tuple(port.name for port in client.get_ports(is_midi=True, is_input=True)),
    )
    client.close()
    return server


def _join(jack: Any, name: str) -> Any:  # noqa: ANN401 a package without types
    try:
        return jack.Client(name, no_start_server=True)
    except jack.JackOpenError as error:
        msg = "no JACK server runs; start one (jackd, or PipeWire's), or use another backend"
        raise LiveError(msg) from error


def frames_between(first: int, second: int) -> int:
    """Return how many frames `second` lies after `first`, across the turn of the counter."""
    return (second - first + FRAME_WRAP // 2) % FRAME_WRAP - FRAME_WRAP // 2


def load_jack() -> Any:  # noqa: ANN401 a package without types
    """Return JACK-Client, made quiet: what goes wrong comes as errors, not on the terminal.

    Raises:
        MissingExtra: If it is not installed.
        LiveError: If the JACK library, which it calls, is not.
    """
    try:
        jack = importlib.import_module("jack")
    except ImportError as error:
        msg = 'JACK needs JACK-Client: pip install "sideman[live]"'
        raise MissingExtra(msg) from error
    except OSError as error:
        msg = "JACK needs its library: install jackd2 or PipeWire's with your system's packages"
        raise LiveError(msg) from error
    jack.set_error_function(_ignore)
    jack.set_info_function(_ignore)
    return jack


def _ignore(_text: str) -> None:
    pass
