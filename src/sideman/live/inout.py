"""The process of the ports: hears, sends on time, and stops every note whatever becomes of us.

It has a process of its own because the model's work would disturb it: in threads of one process
the 99th percentile of lateness was 62 ms beside many small NumPy calls, against 0.3 ms in two
processes. It imports no NumPy, so that it starts fast and stays small, and it runs before all
others where the system allows that.

Others reach it through `multiprocessing` pipes. Its *owner* started it, and ends it by sending
`Leave` or by being gone. A *worker*, handed over by the owner in an `Adopt`, may die and be
replaced. Either may send orders; both are told what is heard. When one that played is gone, or
says nothing for too long, all its notes end.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing.connection
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from sideman.errors import LiveError, MissingExtra
from sideman.live.messages import NoteOff, NoteOn, Timed
from sideman.live.orders import Order
from sideman.live.ports.interface import Clock, MidiPort, PortWish, Signal, Wish
from sideman.live.ports.opening import open_port
from sideman.live.scheduler import LATE_S, MAX_NOTE_S, Scheduler

session_clock = time.perf_counter
"""The session's clock: seconds since the machine started, the same in all its processes."""

TEND_S = 1.0
"""How often ports are looked after, and a report is sent."""

COARSE_S = 0.0015
"""Waiting for many things at once is only so exact; the rest before a moment is slept."""

MAX_MESSAGES = 64
"""Messages taken from one process before looking at what is due."""

MAX_UNREAD = 10_000
"""Messages that wait for a process which does not read; more are lost."""

SWITCH_S = 0.0005
"""How long a thread of this process may keep the others waiting."""

OpenPort = Callable[[PortWish, Clock], MidiPort]


@dataclass(frozen=True, slots=True)
class InOutConfig:
    """How the process of the ports is to run.

    Attributes:
        ports: What to open; one that is not there is waited for.
        late_s: A note later than this is dropped.
        max_note_s: No note sounds longer than this.
        heartbeat_s: Who plays says something at least this often, `Beat` if nothing else.
        priority: Of real time, 1–99; 0 to run like all others.
        log: File that takes what libraries print; None leaves it on the terminal.
    """

    ports: tuple[PortWish, ...] = (PortWish(),)
    late_s: float = LATE_S
    max_note_s: float = MAX_NOTE_S
    heartbeat_s: float = 2.0
    priority: int = 20
    log: Path | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """To us: the sender lives."""


@dataclass(frozen=True, slots=True)
class Panic:
    """To us: silence every channel of every port, now."""


@dataclass(frozen=True, slots=True)
class Leave:
    """To us: end every note and go."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """To us: this is the worker from now on; all notes of the one before end."""

    connection: Connection


@dataclass(frozen=True, slots=True)
class Heard:
    """From us: what came in."""

    messages: tuple[Timed, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """From us: what was sent to the first port, each with the time it was for.

    Attributes:
        messages: In the order sent.
        at_s: When they were handed to the port.
    """

    messages: tuple[Timed, ...]
    at_s: float


@dataclass(frozen=True, slots=True)
class LineReport:
    """How one port does.

    Attributes:
        name: What it is.
        trouble: Why it is not open; empty if it is.
        n_sent: Note-ons sent.
        n_dropped: Notes that came too late to be sent.
        late_p50_s: Half of the notes were no later than this.
        late_p99_s: 99 of 100 were no later than this.
        late_most_s: The latest of all.
    """

    name: str
    trouble: str
    n_sent: int
    n_dropped: int
    late_p50_s: float
    late_p99_s: float
    late_most_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """From us: how we do, once a second and whenever a port comes or goes.

    Attributes:
        lines: The ports, as in the configuration.
        slow: Why we do not run before all others; empty if we do.
        n_refused: Orders that made no sense.
        n_lost: Times that somebody who played was gone or fell silent.
    """

    lines: tuple[LineReport, ...]
    slow: str
    n_refused: int
    n_lost: int


class Line:
    """One port with its own scheduler and the keys held on it.

    Args:
        wish: What to open.
        config: Limits of the scheduler.
        clock: The session's clock.
        open_port: Opens it.
    """

    def __init__(
        self, wish: PortWish, config: InOutConfig, clock: Clock, open_port: OpenPort
    ) -> None:
        self.port: MidiPort | None = None
        self.scheduler = Scheduler(late_s=config.late_s, max_note_s=config.max_note_s)
        self._trouble = "not opened yet"
        self._wish = wish
        self._clock = clock
        self._open_port = open_port
        self._held: set[tuple[int, int]] = set()

    @property
    def is_open(self) -> bool:
        """Whether what is sent arrives, as far as is known."""
        return self.port is not None and not self._trouble

    def tend(self) -> bool:
        """Look after the port; return whether it came or went since the last time."""
        was_open = self.is_open
        self._trouble = self._look()
        if self.is_open and not was_open:  # the other end may remember notes of before
            self._send(self.scheduler.panic(self._clock()))
        elif was_open and not self.is_open:
            self.release_all()
        return was_open != self.is_open

    def read(self) -> list[Timed]:
        """Return what came in; keys that were held when the port went are let go."""
        if self.port is None:
            return []
        came = self.port.read()
        for timed in came:
            if isinstance(timed.message, NoteOn):
                self._held.add((timed.message.channel, timed.message.pitch))
            elif isinstance(timed.message, NoteOff):
                self._held.discard((timed.message.channel, timed.message.pitch))
        if not self.is_open and self._held:
            came += [Timed(self._clock(), NoteOff(*key)) for key in sorted(self._held)]
            self._held.clear()
        return came

    def play(self, orders: Iterable[Order | Timed]) -> int:
        """Take what is to be sent, if anybody can hear it; return how much made no sense."""
        return sum(not self._take(order) for order in orders) if self.is_open else 0

    def send_due(self) -> list[Timed]:
        """Send what is due, and return it."""
        if self.port is None:
            return []
        return self._send(self.scheduler.due(self._clock(), ahead_s=self.port.ahead_s))

    def wake_at(self) -> float | None:
        """Return when there is something to send next."""
        next_s = self.scheduler.next_at()
        return None if next_s is None or self.port is None else next_s - self.port.ahead_s

    def release_all(self) -> list[Timed]:
        """End all notes, and return what was sent for it."""
        return self._send(self.scheduler.release_all(self._clock()))

    def panic(self) -> list[Timed]:
        """Silence every channel, and return what was sent for it."""
        return self._send(self.scheduler.panic(self._clock()))

    def report(self) -> LineReport:
        """Return how the port does."""
        scheduler, lateness = self.scheduler, self.scheduler.lateness
        return LineReport(
            self._wish.name if self.port is None else self.port.name,
            self._trouble,
            scheduler.n_sent,
            scheduler.n_dropped,
            lateness.quantile(0.5),
            lateness.quantile(0.99),
            lateness.most_s,
        )

    def close(self) -> None:
        """End all notes, and leave."""
        if self.port is not None:
            self.release_all()
            self.port.close()

    def _take(self, order: Order | Timed) -> bool:
        try:
            self.scheduler.take(order)
        except LiveError:
            return False
        return True

    def _look(self) -> str:
        """Open what is not open; return what is wrong, or nothing."""
        try:
            if self.port is None:
                self.port = self._open_port(self._wish, self._clock)
        except (LiveError, MissingExtra) as error:
            return str(error)
        if self.port.is_open or self.port.reopen():
            return ""
        return "not connected; waiting for it"

    def _send(self, messages: list[Timed]) -> list[Timed]:
        if self.port is not None:
            for timed in messages:
                self.port.send(timed.message, timed.time_s)
        return messages


class Peer:
    """A process at the other end of a pipe.

    What is sent to it goes through a thread, so that a process that does not read never keeps
    us waiting.
    """

    def __init__(self, connection: Connection, now_s: float) -> None:
        self.connection = connection
        self.last_s = now_s
        self.plays = False
        self._queue: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    @property
    def n_waiting(self) -> int:
        """How many messages it has not taken yet."""
        return self._queue.qsize()

    def put(self, message: object) -> None:
        """Send a message as soon as the process takes it; it is lost if too many wait."""
        if self.n_waiting < MAX_UNREAD:
            self._queue.put(message)

    def receive(self) -> list[object]:
        """Return what it sent, without waiting.

        Raises:
            EOFError: If it is gone, and all it sent has been returned.
        """
        received: list[object] = []
        try:
            while len(received) < MAX_MESSAGES and self.connection.poll():
                received.append(self.connection.recv())
        except Exception as error:  # what a dying process wrote half can raise anything
            if not received:
                raise EOFError from error
        return received

    def close(self) -> None:
        """Send what waits, as far as it is taken, and then close the pipe; wait for neither."""
        self._queue.put(None)

    def finish(self, patience_s: float = 1.0) -> None:
        """Close, and wait until what waits has been taken, but no longer than `patience_s`."""
        self.close()
        self._thread.join(patience_s)

    def _pass_on(self) -> None:
        with contextlib.suppress(OSError):  # gone; whoever receives from it sees this too
            while (message := self._queue.get()) is not None:
                self.connection.send(message)
            self.connection.close()


@dataclass(slots=True)
class InOut:
    """The work of the process, apart from what makes it a process.

    Attributes:
        owner: Who started us.
        config: How to run.
        clock: The session's clock.
        open_port: Opens a port.
        slow: Why we do not run before all others; empty if we do.
        worker: Who plays, if somebody was adopted.
        has_left: Whether we are to go.
    """

    owner: Peer
    config: InOutConfig
    clock: Clock = session_clock
    open_port: OpenPort = open_port
    slow: str = ""
    worker: Peer | None = None
    has_left: bool = False
    lines: tuple[Line, ...] = ()
    n_refused: int = 0
    n_lost: int = 0
    _tend_s: float = 0.0
    _signal: Signal = field(default_factory=Signal)

    def __post_init__(self) -> None:
        self.lines = tuple(
            Line(wish, self.config, self.clock, self.open_port) for wish in self.config.ports
        )
        self._tend_s = self.clock()

    def run(self) -> None:
        """Work until told to leave; end all notes however that comes about."""
        try:
            while not self.has_left:
                self.wait()
                self.turn()
        finally:
            for line in self.lines:
                line.close()

    def leave(self) -> None:
        """Go, as soon as what is being done is done; may be called from anywhere."""
        self.has_left = True
        self._signal.set()

    def turn(self) -> None:
        """Do everything that there is to do now."""
        for peer in self._peers():
            self._listen_to(peer)
        if self.clock() >= self._tend_s:
            self._tend()
        for line in self.lines:
            heard = line.read()
            if heard:
                self._tell(Heard(tuple(heard)))
            for wish in line.port.wishes() if line.port is not None else ():
                self._tell(wish)
        for index, line in enumerate(self.lines):
            sent = line.send_due()
            if sent and index == 0:
                self._tell(Sent(tuple(sent), self.clock()))

    def wait(self) -> None:
        """Wait until there is something to do."""
        left_s = min(self._moments()) - self.clock()
        if left_s > COARSE_S:
            multiprocessing.connection.wait(self._waitables(), left_s - COARSE_S)
        elif left_s > 0:
            time.sleep(left_s)

    def _peers(self) -> list[Peer]:
        return [self.owner] if self.worker is None else [self.owner, self.worker]

    def _waitables(self) -> list[Connection]:
        ports = [line.port.waitable for line in self.lines if line.port is not None]
        return [self._signal.waitable, *(peer.connection for peer in self._peers()), *ports]

    def _moments(self) -> list[float]:
        """Return when something is to be done next, for one reason or another."""
        moments = [line.wake_at() for line in self.lines]
        return [self._tend_s, *(moment for moment in moments if moment is not None)]

    def _tell(self, message: Heard | Sent | Report | Wish) -> None:
        for peer in self._peers():
            peer.put(message)

    def _listen_to(self, peer: Peer) -> None:
        try:
            received = peer.receive()
        except EOFError:
            self._lose(peer)
            return
        if received:
            peer.last_s = self.clock()
        for message in received:
            self._take(peer, message)

    def _take(self, peer: Peer, message: object) -> None:
        """Do what a message says; it is one of those above, or a list of what is to be sent."""
        match message:
            case list():
                peer.plays = True
                for line in self.lines:
                    self.n_refused += line.play(message)
            case Panic():
                for line in self.lines:
                    line.panic()
            case Adopt(connection):
                if self.worker is not None:
                    self._lose(self.worker)
                self.worker = Peer(connection, self.clock())
            case Leave():
                self.has_left = True

    def _lose(self, peer: Peer) -> None:
        """End what somebody played who is gone."""
        self._release_all()
        if peer is self.worker:
            self.worker = None
            peer.close()
        else:
            self.has_left = True

    def _release_all(self) -> None:
        self.n_lost += 1
        for line in self.lines:
            line.release_all()

    def _tend(self) -> None:
        """Look after the ports and those who play, and say how we do."""
        for line in self.lines:
            line.tend()
        now_s = self.clock()
        for peer in self._peers():
            if peer.plays and now_s - peer.last_s > self.config.heartbeat_s:
                peer.plays = False  # until it plays again
                self._release_all()
        reports = tuple(line.report() for line in self.lines)
        self._tell(Report(reports, self.slow, self.n_refused, self.n_lost))
        self._tend_s = now_s + TEND_S


def main(connection: Connection, config: InOutConfig) -> None:
    """Be the process of the ports: the target of a `multiprocessing.Process`.

    Ends on `Leave`, when the owner is gone, and on SIGTERM and SIGINT (Ctrl-C), always with a
    note-off for every note.

    Args:
        connection: The pipe to the owner.
        config: How to run.
    """
    if config.log is not None:
        with config.log.open("ab") as log:
            os.dup2(log.fileno(), sys.stderr.fileno())
    sys.setswitchinterval(SWITCH_S)
    slow = raise_priority(config.priority)
    inout = InOut(Peer(connection, session_clock()), config, slow=slow)

    def leave(_number: int, _frame: FrameType | None) -> None:
        inout.leave()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    inout.run()


def raise_priority(priority: int) -> str:
    """Run before all processes that are not of real time, if the system allows it.

    Args:
        priority: Of real time, 1–99 (`SCHED_FIFO` of POSIX); 0 changes nothing.

    Returns:
        Why it was not done; empty if it was.
    """
    if sys.platform == "win32":
        ctypes.windll.winmm.timeBeginPeriod(1)  # or every wait takes up to 16 ms
        return "Windows gives no real-time priority to a program like this"
    if not priority:
        return "real-time priority is turned off"
    if not hasattr(os, "sched_setscheduler"):
        return "this system gives no real-time priority to a program like this"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return f"no real-time priority: {error.strerror}"
    return ""
