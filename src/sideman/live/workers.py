"""The processes of a session: started together, listened to, replaced when they die, and ended.

    who plays with it: a terminal, or nobody
        │ owner of both
        ├── io       ports and scheduler: before all others     live/inout.py
        └── engine   improviser and model: after all others     live/engine_process.py

Whichever of them goes, no note is left sounding: io ends the notes of an engine that is gone,
and its own when its owner is; an io that is started anew silences every channel first. They
are spawned, not forked, so that they are the same on every system and share nothing.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from sideman import pipes
from sideman.errors import LiveError
from sideman.live import inout
from sideman.live.control import Command
from sideman.live.inout import (
    Adopt,
    Heard,
    InOutConfig,
    Leave,
    Panic,
    Report,
    Sent,
    session_clock,
)
from sideman.live.news import EngineConfig, Failed, News
from sideman.live.ports.interface import Clock

HANG_S = 10.0
"""An engine that has said nothing for so long is replaced: far longer than the longest thought,
also where other programs keep all cores busy. Its notes have ended long before."""

START_S = 60.0
"""The same before it has said anything: a big model from a slow disk."""

LEAVE_S = 3.0
"""How long a process may take to leave before it is killed."""

MOST_LOOK_S = 0.5
"""What a look at the others counts at most: who was asleep meanwhile must not blame them."""

MOST_STILLBORN = 3
"""If so many in a row die before the improviser has said anything, another does not help."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something went wrong with a process, or is well again."""

    text: str


Event = Heard | Sent | Report | News | Notice
"""What is told of the processes."""


class Worker:
    """One process and our end of the pipe to it."""

    def __init__(self, target: Callable[..., None], *args: object, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=target, args=(theirs, *args), name=name, daemon=True
        )
        self.process.start()
        theirs.close()  # or we would not notice that it is gone

    @property
    def pid(self) -> int:
        """Number of the process."""
        assert self.process.pid is not None  # it has been started
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.is_alive()

    def tell(self, message: object) -> None:
        """Send it a message; it is lost if the process is gone."""
        pipes.tell(self.connection, message)

    def receive(self) -> list[object]:
        """Return what it said, also what it said last before it was gone."""
        return pipes.heard(self.connection)

    def end(self) -> list[object]:
        """Let it leave, end it if it does not, and return what it said last."""
        self.tell(Leave())
        received: list[object] = []
        until_s = session_clock() + LEAVE_S
        while self.is_alive and session_clock() < until_s:
            ends = (self.connection, self.process.sentinel)
            multiprocessing.connection.wait(ends, LEAVE_S)
            received += self.receive()
        received += self.receive()
        self.kill()
        return received

    def kill(self) -> None:
        """End it now."""
        self.process.kill()
        self.process.join()
        self.connection.close()
        self.process.close()


class Workers:
    """The two processes of a session.

    Args:
        ports: How the process of the ports runs.
        engine: What the process of the improviser begins with.
        clock: The session's clock.
        run_ports: What runs in the process of the ports.

    Attributes:
        has_ended: Whether the ports were told to leave by somebody else, as by Ctrl-C.
        n_restarts: How often the improviser had to be started anew.
    """

    def __init__(
        self,
        ports: InOutConfig,
        engine: EngineConfig,
        *,
        clock: Clock = session_clock,
        run_ports: Callable[[Connection, InOutConfig], None] = inout.main,
    ) -> None:
        self.has_ended = False
        self.n_restarts = 0
        self._ports_config, self._engine_config = ports, engine
        self._clock = clock
        self._run_ports = run_ports
        self._n_stillborn = 0
        self._last: News | None = None  # of the improviser that plays now
        self._silent_s, self._looked_s = 0.0, clock()
        self._io = Worker(run_ports, ports, name="sideman ports")
        self._engine = self._start_engine()

    def end(self) -> list[Event]:
        """End the processes, the improviser first; return what they told last."""
        told = [message for worker in (self._engine, self._io) for message in worker.end()]
        return [message for message in told if isinstance(message, Event)]

    @property
    def pids(self) -> tuple[int, int]:
        """Numbers of the processes of ports and improviser."""
        return self._io.pid, self._engine.pid

    def tell(self, command: Command) -> None:
        """Pass on what the player wants."""
        self._engine.tell(command)

    def panic(self) -> None:
        """Silence every channel, whatever the improviser is doing."""
        self._io.tell(Panic())

    def turn(self, timeout_s: float) -> list[Event]:
        """Wait until something is told, at most for so long; replace who died.

        Raises:
            LiveError: If the improviser cannot begin, or dies again and again.
        """
        workers = (self._io, self._engine)
        ends = [end for w in workers for end in (w.connection, w.process.sentinel)]
        multiprocessing.connection.wait(ends, timeout_s)
        events = [event for event in self._io.receive() if isinstance(event, Event)]
        return events + self._hear_engine() + self._look()

    def _hear_engine(self) -> list[Event]:
        told = self._engine.receive()
        events: list[Event] = []
        for event in told:
            if isinstance(event, Failed):
                raise LiveError(event.reason)
            if isinstance(event, News):
                events.append(event)
                self._last = replace(event, records=())
        if told:
            self._silent_s = 0.0
        return events

    def _look(self) -> list[Event]:
        """Replace who died or hangs."""
        now_s = self._clock()
        self._silent_s += min(now_s - self._looked_s, MOST_LOOK_S)
        self._looked_s = now_s
        if not self._io.is_alive:
            return self._replace_io()
        if not self._engine.is_alive:
            how = f"has died ({_how(self._engine.process.exitcode)})"
        elif self._silent_s > (START_S if self._last is None else HANG_S):
            how = "has hung"
        else:
            return []
        self._replace_engine(how)
        return [Notice(f"the improviser {how}; another goes on")]

    def _replace_io(self) -> list[Event]:
        how = f"has died ({_how(self._io.process.exitcode)})"
        if self._io.process.exitcode == 0:
            self.has_ended = True
            return []
        self._io.kill()
        self._io = Worker(self._run_ports, self._ports_config, name="sideman ports")
        self._replace_engine(how)
        return [Notice(f"the process of the ports {how}; another goes on")]

    def _replace_engine(self, how: str) -> None:
        """Let another improviser go on; it knows what the last one said last.

        Args:
            how: What became of who made that necessary.
        """
        self._n_stillborn = self._n_stillborn + 1 if self._last is None else 0
        if self._n_stillborn == MOST_STILLBORN:
            msg = f"playing does not begin: {MOST_STILLBORN} times a process {how}"
            raise LiveError(msg)
        self._engine.kill()
        self.n_restarts += 1
        config = replace(self._engine_config, last=self._last)
        if self._last is not None:
            config = replace(config, settings=self._last.settings, knobs=self._last.knobs)
        self._engine_config = config
        self._engine = self._start_engine()

    def _start_engine(self) -> Worker:
        self._last = None
        self._silent_s, self._looked_s = 0.0, self._clock()
        ours, theirs = multiprocessing.Pipe()
        engine = Worker(_run_engine, ours, self._engine_config, name="sideman engine")
        self._io.tell(Adopt(theirs))
        ours.close()
        theirs.close()
        return engine


def _run_engine(owner: Connection, ports: Connection, config: EngineConfig) -> None:
    """Be the process of the improviser; only there the model is loaded."""
    from sideman.live import engine_process  # noqa: PLC0415

    engine_process.main(owner, ports, config)


def _how(exit_code: int | None) -> str:
    """Return what a process died of."""
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}"
    return f"exit status {exit_code}"
