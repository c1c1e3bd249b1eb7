"""The processes that write, each with the model open, and those who look after them.

    the server
        │ a pipe for each: work and orders to stop there, notes and takes back
        ├── writer   model loaded and warm, one job at a time
        └── writer

A writer may be killed at any moment: its job is told to be lost, and another writer takes its
place. Writers are spawned, not forked, so that they are the same on every system, and end when
the server is gone.
"""

import gc
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from sideman import __version__, pipes
from sideman.bundle import Bundle, load_bundle
from sideman.engine.compose import Take
from sideman.engine.fill import WrittenNote
from sideman.engine.options import Options
from sideman.engine.session import MOST_THREADS
from sideman.engine.tasks import carry_out
from sideman.engine.taste import Ear, Taste
from sideman.errors import SidemanError
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.studio.asking import prepare
from sideman.studio.score_json import Json, empty_json, json_of

NICE = 5
"""How much writers let others go first (`nice` of POSIX): the page answers while they write."""

NEWS_S = 0.05
"""Notes go out so often, the first at once: as often as a person sees them come smoothly."""

LEAVE_S = 3.0
"""How long a writer may take to leave before it is killed."""

RESTART_S = 5.0
"""A writer that died before it was ready is started again after so long."""

_IN_PLACE = ("infill", "vary", "rewrite", "accompany", "harmonise")
"""Tasks whose takes are as long as the piece."""

_FROM_NOTHING = "compose"

_CARRIED_IN = Score(
    table(NOTE_DTYPE, [(24 * beat, 24, 60 + beat, 80, 0) for beat in range(8)]), (Part(0),)
)
"""What is continued to warm up."""


@dataclass(frozen=True, slots=True)
class Work:
    """To a writer: what is asked for.

    Attributes:
        job: Its id.
        task: One of `sideman.studio.asking.PAGE_TASKS`.
        score: What it is about; None for a piece in which nothing is written.
        request: As the page says it, see `sideman.studio.asking.prepare`.
        locks: Ids of notes that stay.
        taste: What is liked, if that is known.
    """

    job: str
    task: str
    score: Json | None
    request: Mapping[str, Any] = field(default_factory=dict)
    locks: tuple[int, ...] = ()
    taste: Taste | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """To a writer: end the job with the bars that are full."""

    job: str


@dataclass(frozen=True, slots=True)
class Leave:
    """To a writer: end."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From a writer: the model is open."""


@dataclass(frozen=True, slots=True)
class Broken:
    """From a writer: why it cannot begin; the end."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """From a writer: messages for the page, with notes of a bar of a take each."""

    job: str
    messages: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class MadeTake:
    """An answer.

    Attributes:
        number: Which of the takes, from 0.
        first_bar: First bar in which something was written, from 0.
        end_bar: Bar after the last.
        n_notes: Notes written.
        recipe: How it was made, as `sideman.engine.request` writes it into files.
        score: The music as JSON; notes that were known have their ids.
        liking: How much it is liked, more or less than others of its job; None if not known.
    """

    number: int
    first_bar: int
    end_bar: int
    n_notes: int
    recipe: Json
    score: Json
    liking: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """From a writer: takes, as far as they have full bars."""

    job: str
    takes: tuple[MadeTake, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """From a writer: why it cannot be done."""

    job: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The writer of a job is gone."""

    job: str
    reason: str


Event = Wrote | Finished | Refused | Lost | Broken
"""What is told of jobs."""


class Writers(Protocol):
    """Those who write, wherever they are; one thread deals with them, but for `wake`."""

    def start(self) -> None:
        """Begin to get ready."""

    def stop(self) -> None:
        """End; jobs that are being written are lost without a word."""

    @property
    def n_free(self) -> int:
        """How many jobs may be given now."""

    def give(self, work: Work) -> None:
        """Let one that is free write something."""

    def end_job(self, job: str) -> None:
        """Let a job end with the bars that are full."""

    def abandon(self, job: str) -> None:
        """Take a job away from a writer that does not answer; it is then `Lost`."""

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what is told, at the latest after some time or when woken."""

    def wake(self) -> None:
        """Let `wait` return; may be called by any thread."""


# ------------------------------------------------------------------- in the process


class Telling:
    """Notes of a job on their way out, a few at a time.

    Args:
        work: The job.
        parts: The parts that are there.
        numbers: For each part of what the engine is given, its number among these.
    """

    def __init__(self, work: Work, parts: Sequence[Part], numbers: Sequence[int]) -> None:
        self._job = work.job
        self._parts = list(parts)
        self._numbers = numbers
        self._n_known = len(parts)
        self._notes: dict[tuple[int, int], list[Json]] = defaultdict(list)
        self._n_written: dict[int, int] = defaultdict(int)
        self._told_s = 0.0

    def hear(self, note: WrittenNote) -> None:
        """Take a note that has been written."""
        part = self._numbers[note.part] if note.part < len(self._numbers) else note.part
        self._parts += [note.player] * (part + 1 - len(self._parts))
        self._n_written[note.take] += 1
        self._notes[note.take, note.bar].append(
            {
                "id": -self._n_written[note.take],
                **{name: getattr(note, name) for name in _TOLD},
                "part": part,
                "locked": False,
            }
        )

    def due(self) -> Wrote | None:
        """Return what is to be told now, if it is time."""
        if not self._notes or time.monotonic() < self._told_s + NEWS_S:
            return None
        return self.rest()

    def rest(self) -> Wrote | None:
        """Return what has not been told, if there is any."""
        if not self._notes:
            return None
        said: dict[str, object] = {"type": "notes", "job": self._job}
        if len(self._parts) > self._n_known:
            said["parts"] = [asdict(part) for part in self._parts]
        messages = [
            {**said, "take": take, "bar": bar, "notes": notes}
            for (take, bar), notes in self._notes.items()
        ]
        self._notes.clear()
        self._told_s = time.monotonic()
        return Wrote(self._job, tuple(messages))


_TOLD = ("onset", "duration", "pitch", "velocity")


class Writer:
    """Carries out work with a model that is open.

    Args:
        bundle: The model.
        threads: Threads of it; 0 for as many as help.
    """

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        self._bundle = bundle
        self._threads = threads

    def warm_up(self) -> None:
        """Open the model and write a little, so that the first job finds everything ready."""
        options = Options(bars="1", takes=2)
        carry_out("continue", _CARRIED_IN, self._bundle, options, threads=self._threads)

    def write(self, work: Work, line: "Line") -> Finished | Refused:
        """Write what is asked for; never raises."""
        try:
            takes = self._takes(work, line)
        except SidemanError as error:
            return Refused(work.job, str(error))
        except Exception as error:  # noqa: BLE001 (a bug costs one job, whose owner is told)
            what = f"{type(error).__name__}: {error}".replace("\n", " ")
            return Refused(work.job, f"{work.task} failed, a mistake of Sideman's: {what}")
        return Finished(work.job, tuple(takes))

    def _takes(self, work: Work, line: "Line") -> list[MadeTake]:
        json = work.score or empty_json()
        asked = prepare(work.task, json, work.request, work.locks)
        options = replace(asked.options, only_new=False)
        numbers = _numbers(asked.task, asked.score)
        parts = () if asked.score is None else asked.score.parts
        telling = Telling(work, parts, numbers)

        def should_stop() -> bool:
            line.tell(telling.due())
            return line.is_stopped(work.job)

        takes = carry_out(
            asked.task,
            asked.score,
            self._bundle,
            options,
            should_stop=should_stop,
            on_note=telling.hear,
            threads=self._threads,
        )
        line.tell(telling.rest())
        likings = self._likings(work, takes, asked.score, line)
        return [
            MadeTake(
                number=number,
                first_bar=take.first_bar,
                end_bar=take.end_bar,
                n_notes=take.n_notes,
                recipe=_recipe(asked.task, options, self._bundle, number),
                score=_json(asked.task, json, take, parts, numbers),
                liking=liking,
            )
            for number, (take, liking) in enumerate(zip(takes, likings, strict=True))
            if take.n_bars
        ]

    def _likings(
        self, work: Work, takes: Sequence[Take], known: Score | None, line: "Line"
    ) -> list[float | None]:
        """Return how much takes are liked; None for one without a new note, or if unknown.

        Who stops a job wants its takes now: those that were not heard yet are not.
        """
        if work.taste is None or line.is_stopped(work.job):
            return [None] * len(takes)
        ear = Ear(self._bundle, threads=self._threads)
        heard = [
            None if line.is_stopped(work.job) else ear.hear(take.score, known) for take in takes
        ]
        return [None if each is None else work.taste.like(each) for each in heard]


def _numbers(task: str, score: Score | None) -> list[int]:
    """Return the number in the piece of each part that the engine numbers.

    `continue` leaves out parts without notes.
    """
    if score is None:
        return []
    if task == "continue":
        used: list[int] = np.unique(score.notes["part"]).tolist()
        return used
    return list(range(len(score.parts)))


def _json(
    task: str, json: Json, take: Take, parts: Sequence[Part], numbers: Sequence[int]
) -> Json:
    """Return the music of a take, in the parts of the piece and those that are new."""
    score = take.score
    if len(numbers) < len(parts):
        notes = score.notes.copy()
        notes["part"] = np.array(numbers, np.int16)[notes["part"]]
        score = replace(score, notes=notes, parts=tuple(parts))
    n_bars = json["n_bars"] if task in _IN_PLACE else take.end_bar
    like = None if task == _FROM_NOTHING else json
    return json_of(score, like=like, n_bars=n_bars)


def _recipe(task: str, options: Options, bundle: Bundle, number: int) -> Json:
    return {
        "sideman": __version__,
        "task": task,
        "bundle": bundle.name,
        "bundle_hash": bundle.hash,
        **asdict(options),
        "take": number,
    }


class Line(Protocol):
    """How a job that is being written speaks with those who wait for it."""

    def tell(self, message: Wrote | None) -> None:
        """Send a message, if it is one."""

    def is_stopped(self, job: str) -> bool:
        """Whether nothing more is to be written."""


class _PipeLine:
    """A line through a pipe; all work is to stop when its other end is gone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stopped = ""
        self.has_left = False

    def tell(self, message: object | None) -> None:
        """Send a message, if it is one."""
        if message is None or self.has_left:
            return
        try:
            self._connection.send(message)
        except OSError:
            self.has_left = True

    def receive(self) -> Work | None:
        """Wait for work; None when there will be none any more."""
        while not self.has_left:
            message = self._take()
            if isinstance(message, Work):
                self._stopped = ""
                return message
        return None

    def is_stopped(self, job: str) -> bool:
        """Whether nothing more is to be written."""
        while not self.has_left and self._connection.poll():
            self._take()
        return self.has_left or self._stopped == job

    def _take(self) -> object:
        try:
            message = self._connection.recv()
        except (EOFError, OSError):
            message = Leave()
        if isinstance(message, Stop):
            self._stopped = message.job
        self.has_left |= isinstance(message, Leave)
        return message


def main(connection: Connection, bundle: Path | None, threads: int) -> None:
    """Be a process that writes: the target of a `multiprocessing.Process`.

    Args:
        connection: The pipe to the server; when that is gone, we go as well.
        bundle: Folder of the model; None for the one that comes with Sideman.
        threads: Threads of it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C the server decides
    if hasattr(os, "nice"):
        os.nice(NICE)
    line = _PipeLine(connection)
    try:
        writer = Writer(load_bundle(bundle), threads)
        writer.warm_up()
    except SidemanError as error:
        line.tell(Broken(str(error)))
        return
    gc.collect()
    gc.freeze()  # what stays for ever need not be looked through again while writing
    line.tell(Ready())
    while (work := line.receive()) is not None:
        line.tell(writer.write(work, line))


# -------------------------------------------------------------------- in the server


@dataclass(slots=True, eq=False)
class _Process:
    """One process, our end of the pipe to it, and what it is doing."""

    process: BaseProcess
    connection: Connection
    is_ready: bool = False
    job: str = ""

    def send(self, message: object) -> None:
        """Send a message; it is lost if the process is gone."""
        pipes.tell(self.connection, message)

    def receive(self) -> list[Any]:
        """Return what it said, also what it said last before it was gone."""
        return pipes.heard(self.connection)


def threads_each(n_writers: int, n_cores: int) -> int:
    """Return how many threads each of some writers has.

    A core is left to the server and the browser: threads of a model wait for each other, and
    where cores are short they take more time waiting than they save.

    Example:
        >>> [threads_each(1, n_cores) for n_cores in (1, 2, 4, 16)]
        [1, 1, 3, 4]
    """
    return min(max((n_cores - 1) // n_writers, 1), MOST_THREADS)


class LocalWriters:
    """Processes on this machine.

    Args:
        bundle: Folder of the model; None for the one that comes with Sideman.
        n_writers: How many, at least 1.
        threads: Threads of the model in each; 0 for `threads_each`.
    """

    def __init__(self, bundle: Path | None, n_writers: int, threads: int = 0) -> None:
        self._bundle = bundle
        self._n_writers = n_writers
        self._threads = threads or threads_each(n_writers, os.cpu_count() or 1)
        self._writers: list[_Process] = []
        self._restart_s = 0.0
        self._waker, self._woken = socket.socketpair()
        for end in (self._waker, self._woken):
            end.setblocking(False)  # noqa: FBT003 (as sockets have it)

    def start(self) -> None:
        """Start the processes; they take a moment to be ready."""
        self._replace()

    def stop(self) -> None:
        """End the processes."""
        for writer in self._writers:
            writer.send(Leave())
        until_s = time.monotonic() + LEAVE_S
        for writer in self._writers:
            writer.process.join(max(until_s - time.monotonic(), 0))
            _end(writer)
        self._writers = []
        self._waker.close()
        self._woken.close()

    @property
    def pids(self) -> list[int]:
        """Numbers of the processes."""
        return [writer.process.pid or 0 for writer in self._writers]

    @property
    def n_free(self) -> int:
        """How many are ready and write nothing."""
        return sum(writer.is_ready and not writer.job for writer in self._writers)

    def give(self, work: Work) -> None:
        """Let one that is free write something."""
        writer = next(each for each in self._writers if each.is_ready and not each.job)
        writer.job = work.job
        writer.send(work)

    def end_job(self, job: str) -> None:
        """Let a job end with the bars that are full."""
        for writer in self._writers:
            if writer.job == job:
                writer.send(Stop(job))

    def abandon(self, job: str) -> None:
        """Kill the process of a job."""
        for writer in self._writers:
            if writer.job == job:
                writer.process.kill()

    def wake(self) -> None:
        """Let `wait` return."""
        with suppress(OSError):  # it has been woken so often already, or has ended
            self._waker.send(b".")

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what the processes say; replace who has died."""
        ends: list[Any] = [self._woken]
        for writer in self._writers:
            ends += [writer.connection, writer.process.sentinel]
        multiprocessing.connection.wait(ends, timeout_s)
        self._fall_asleep()
        events = [event for writer in self._writers for event in self._heard(writer)]
        for writer in [each for each in self._writers if not each.process.is_alive()]:
            events += self._heard(writer)  # its last words
            events += _lost(writer)
            self._writers.remove(writer)
            _end(writer)
            if not writer.is_ready:
                self._restart_s = time.monotonic() + RESTART_S
        self._replace()
        return events

    def _heard(self, writer: _Process) -> list[Event]:
        events = []
        for message in writer.receive():
            if isinstance(message, Ready):
                writer.is_ready = True
                continue
            if isinstance(message, (Finished, Refused)):
                writer.job = ""
            events.append(message)
        return events

    def _replace(self) -> None:
        """Start writers for those that are gone; not at once if one never came to be ready."""
        while len(self._writers) < self._n_writers and time.monotonic() >= self._restart_s:
            self._writers.append(self._started())

    def _started(self) -> _Process:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=main,
            args=(theirs, self._bundle, self._threads),
            name="sideman writer",
            daemon=True,
        )
        process.start()
        theirs.close()  # or we would not notice that it is gone
        return _Process(process, ours)

    def _fall_asleep(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(4096):
                pass


def _lost(writer: _Process) -> list[Event]:
    """Return that the job of a process that has died is lost, if it had one."""
    code = writer.process.exitcode or 0
    how = f"signal {-code}" if code < 0 else f"exit status {code}"
    return [Lost(writer.job, f"the process that wrote it died ({how})")] if writer.job else []


def _end(writer: _Process) -> None:
    writer.process.kill()
    writer.process.join()
    writer.connection.close()
