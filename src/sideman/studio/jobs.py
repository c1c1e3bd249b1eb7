"""Jobs: what is asked for waits its turn, is written, stored, and told of.

One thread deals with the writers; all others hand it orders. A job is stored before it is
answered and its takes before they are told of, so a server that is killed finds on its next
start what it had promised: jobs that waited wait again, those that were being written are
written anew, and one that was begun again and again without an end is given up.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import structlog
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from sideman.engine.taste import Taste
from sideman.errors import EngineError, StudioError
from sideman.studio.config import StudioConfig
from sideman.studio.limits import LimitReached
from sideman.studio.schemas import job_info, take_info
from sideman.studio.score_json import Json
from sideman.studio.store.database import Database
from sideman.studio.store.jobs import (
    CANCELLED,
    DONE,
    FAILED,
    QUEUED,
    RUNNING,
    Answer,
    JobStore,
)
from sideman.studio.store.problems import Unknown
from sideman.studio.store.projects import Projects
from sideman.studio.store.tables import JobRow, TakeRow, new_id
from sideman.studio.streaming import MOST_WAITING, Feed, Listener
from sideman.studio.worker import (
    Broken,
    Event,
    Finished,
    LocalWriters,
    Lost,
    MadeTake,
    Refused,
    Work,
    Writers,
    Wrote,
)

MOST_TRIES = 2
"""A job whose writer dies is written once more; then it is given up."""

MOST_ATTEMPTS = 4
"""A job that was begun so often, over several starts of the server, is given up at the next."""

LOOK_S = 0.5
"""How often deadlines are looked at."""

GRACE_S = 10.0
"""How long a writer that is told to stop may take before it is killed: the longest step."""

_CLOSING = "the studio is being closed; ask again when it is back"
_UNREADABLE = "the piece cannot be read; it may have been removed"
_UNSTORED = "the takes cannot be stored; they are written again when the studio starts anew"
_TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS

_log = structlog.get_logger()

KnownTaste = Callable[[], Taste | None]
"""Returns what is liked, None while that is not known."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How much may be asked for at once.

    Attributes:
        per_client: Jobs of one client that wait or are written.
        waiting: Jobs that wait, of all clients together.
        deadline_s: How long a job may be written; then the bars that are full are its answer.
    """

    per_client: int = 8
    waiting: int = 200
    deadline_s: float = 180.0


@dataclass(slots=True, eq=False)
class _Job:
    """A job that has not ended.

    Attributes:
        id: Its id.
        client: Who asked.
        row: What is stored of it; None for one that somebody waits for (`future`).
        work: Returns what the writer is told, when its turn comes.
        future: Where the takes go that are not stored.
        tries: How often a writer has begun it.
        position: How many are before it, as it was told last.
        told: The last messages with notes, for those who begin to watch later.
        began_s: When it was given to a writer.
        stopped_s: When the writer was told to stop, for what; None if it was not.
        is_cancelled: Somebody wants no more of it.
    """

    id: str
    client: str
    work: Callable[[], Work]
    row: JobRow | None = None
    future: "Future[list[MadeTake]] | None" = None
    tries: int = 0
    position: int = -1
    told: deque[Json] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    began_s: float = 0.0
    stopped_s: float | None = None
    is_cancelled: bool = False


class Turns:
    """Who comes next: clients in turn, those first of whom least is being written."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[_Job]] = defaultdict(list)
        self._turn: dict[str, int] = {}
        self._n_turns = 0

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def of(self, client: str) -> int:
        """Return how many jobs of a client wait."""
        return len(self._waiting.get(client, ()))

    def put(self, job: _Job, *, first: bool = False) -> None:
        """Let a job wait, behind those of its client, or before them."""
        if job.client not in self._waiting:
            self._take_turn(job.client)
        mine = self._waiting[job.client]
        mine.insert(0 if first else len(mine), job)

    def order(self, n_writing: Mapping[str, int]) -> list[_Job]:
        """Return who waits in the order in which they will be written.

        Args:
            n_writing: How many jobs of each client are being written.
        """
        ranked = [
            (n_writing.get(client, 0) + index, self._turn[client], job)
            for client, jobs in self._waiting.items()
            for index, job in enumerate(jobs)
        ]
        return [job for *_, job in sorted(ranked, key=lambda ranking: ranking[:2])]

    def remove(self, job: _Job) -> None:
        """Let a job that waits go."""
        mine = self._waiting[job.client]
        mine.remove(job)
        self._take_turn(job.client)
        if not mine:
            del self._waiting[job.client], self._turn[job.client]

    def _take_turn(self, client: str) -> None:
        self._n_turns += 1
        self._turn[client] = self._n_turns


class Jobs:
    """What is asked for, until it is answered.

    Args:
        database: Where jobs and takes are stored.
        projects: Where the music is that they are about.
        bundle_path: Folder of the model; None for the one that comes with Sideman.
        n_workers: How many jobs are written at the same time.
        limits: How much may be asked for at once.
        writers: Who writes; None for processes on this machine.
        taste: What is liked.
    """

    def __init__(
        self,
        database: Database,
        projects: Projects,
        bundle_path: Path | None,
        *,
        n_workers: int = 2,
        limits: JobLimits | None = None,
        writers: Writers | None = None,
        taste: KnownTaste = lambda: None,
    ) -> None:
        self._store = JobStore(database)
        self._projects = projects
        self._writers = writers or LocalWriters(bundle_path, n_workers)
        self._limits = limits or JobLimits()
        self._taste = taste
        self._feed = Feed()
        self._lock = Lock()  # of what follows
        self._turns = Turns()
        self._jobs: dict[str, _Job] = {}
        self._running: dict[str, _Job] = {}
        self._broken = ""
        self._orders: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._is_closed = False
        self._thread = Thread(target=self._work, name="sideman jobs", daemon=True)

    def start(self) -> None:
        """Start the writers, and take up what an earlier server left."""
        for row in self._store.take_up():
            if row.attempts >= MOST_ATTEMPTS:
                msg = f"{row.task} was begun {row.attempts} times and never ended; ask for less"
                self._store.finish(row.id, FAILED, msg)
            else:
                self._enqueue(self._stored(row))
        self._writers.start()
        self._thread.start()

    def stop(self) -> None:
        """End; what has not been written is taken up on the next start."""
        self._order(self._close)
        self._thread.join()

    # -------------------------------------------------------------------- for routes

    @property
    def queue_length(self) -> int:
        """How many jobs wait."""
        with self._lock:
            return len(self._turns)

    @property
    def n_running(self) -> int:
        """How many are being written."""
        with self._lock:
            return len(self._running)

    def ask(
        self,
        project: str,
        revision: int,
        task: str,
        *,
        request: Mapping[str, Any],
        locks: Sequence[int],
        client: str,
    ) -> JobRow:
        """Store a job and let it wait for its turn.

        Args:
            project: What it belongs to.
            revision: What it is about.
            task: As `sideman.studio.asking.prepare` wants it; so are the next two.
            request: Options, selection, takes and seed.
            locks: Ids of notes that stay.
            client: Who asks; clients have turns.

        Raises:
            LimitReached: If too much is asked for already.
            Unknown: If there is no such project or revision.
            StudioError: If the model cannot be used.
        """
        self._check_room(client)
        self._projects.revision(project, revision)
        row = self._store.add(
            project, revision, task, request=request, locks=locks, client=client
        )
        self._enqueue(self._stored(row))
        return row

    def run_now(
        self,
        task: str,
        score: Json | None,
        request: Mapping[str, Any],
        locks: Sequence[int] = (),
        client: str = "",
    ) -> list[MadeTake]:
        """Write something and wait for it; only the takes are left of it.

        Raises:
            LimitReached: If too much is asked for already.
            EngineError: If it cannot be written.
            StudioError: If the studio ends meanwhile.
        """
        self._check_room(client)
        work = Work(new_id(), task, score, request, tuple(locks), self._taste())
        future: Future[list[MadeTake]] = Future()
        self._enqueue(_Job(work.job, client, lambda: work, future=future))
        return future.result()

    def cancel(self, job: str) -> None:
        """Stop a job; the bars that are full stay as takes. One that has ended stays ended.

        It is stored at once: a server that is killed does not write it when it comes back.

        Raises:
            Unknown: If there is none of this id; so do the next two.
        """
        self._store.cancel(job)
        self._order(lambda: self._cancel(job))

    def get(self, job: str) -> tuple[JobRow, int, list[str]]:
        """Return a job, how many are before it, and its takes."""
        with self._lock:
            live = self._jobs.get(job)
        row, position = self._store.get(job), 0
        if live is not None and live.row is not None:
            row, position = live.row, max(live.position, 0)
        return row, position, [take.id for take in self._store.takes(job)]

    def listen(self) -> Listener:
        """Return what somebody in the event loop hears of jobs; to be used with `with`."""
        return Listener(self._feed, self._watch)

    # ---------------------------------------------------------- in any thread, briefly

    def _check_room(self, client: str) -> None:
        with self._lock:
            if self._broken:
                raise StudioError(self._broken)
            writing = sum(job.client == client for job in self._running.values())
            if self._turns.of(client) + writing >= self._limits.per_client:
                msg = (
                    f"{self._limits.per_client} of your requests are not answered yet; "
                    "wait for one of them, or cancel it"
                )
                raise LimitReached(msg, code="too_many_jobs", status=_TOO_MANY)
            if len(self._turns) >= self._limits.waiting:
                msg = f"{len(self._turns)} requests wait already; ask again in a minute"
                raise LimitReached(msg, code="queue_full", status=_TOO_MANY)

    def _stored(self, row: JobRow) -> _Job:
        return _Job(row.id, row.client, lambda: self._work_of(row), row)

    def _enqueue(self, job: _Job) -> None:
        with self._lock:
            if self._is_closed:
                raise StudioError(_CLOSING)
            self._jobs[job.id] = job
            self._turns.put(job)
            job.position = self._order_now().index(job)
        self._writers.wake()

    def _order_now(self) -> list[_Job]:
        """Return who waits, in order; the lock is held."""
        return self._turns.order(Counter(job.client for job in self._running.values()))

    def _order(self, order: Callable[[], None]) -> None:
        """Let the thread do something."""
        self._orders.put(order)
        self._writers.wake()

    def _watch(self, listener: Listener, job: str) -> None:
        self._order(lambda: self._begin_to_tell(listener, job))

    # ------------------------------------------------------------------ in the thread

    def _work(self) -> None:
        while not self._is_closed:
            for event in self._writers.wait(LOOK_S):
                self._do(partial(self._hear, event))
            while not self._orders.empty():
                self._do(self._orders.get())
            if not self._is_closed:
                self._do(self._turn)
                self._do(self._look_at_deadlines)
        self._writers.stop()

    def _do(self, step: Callable[[], None]) -> None:
        """Do something; a bug or a full disk costs what was asked for, not the studio."""
        try:
            step()
        except Exception:  # noqa: BLE001 (whatever it is)
            _log.exception("jobs")

    def _close(self) -> None:
        """Take no more; what is being written ends here, and not by its own fault."""
        with self._lock:
            self._is_closed = True
        for job in self._jobs.values():
            if job.future is not None:
                job.future.set_exception(StudioError(_CLOSING))
        for job in self._running.values():
            if job.row is not None:
                self._do(partial(self._put_back, job))

    def _put_back(self, job: _Job) -> None:
        with suppress(Unknown):  # the project was removed meanwhile
            self._store.put_back(job.id)

    def _turn(self) -> None:
        """Give work to writers that are free, and say how long the others wait."""
        if self._writers.n_free:
            self._broken = ""
        while self._writers.n_free and (job := self._first()) is not None:
            if not self._begin(job):
                break
        with self._lock:
            order = self._order_now()
        for position, job in enumerate(order):
            if job.position != position:
                job.position = position
                self._tell(job)

    def _first(self) -> _Job | None:
        with self._lock:
            return next(iter(self._order_now()), None)

    def _begin(self, job: _Job) -> bool:
        """Give a job to a writer, first of all: somebody waits for the first note.

        Returns:
            False if the database is away; the job keeps its place.
        """
        try:
            work = job.work()
        except OperationalError as error:
            _log.warning("not begun", job=job.id, reason=str(error.orig))
            return False
        except Exception as error:  # noqa: BLE001 (it must not stand in the way of the others)
            _log.warning("cannot be begun", job=job.id, reason=repr(error))
            self._end_waiting(job, FAILED, _UNREADABLE)
            return True
        with self._lock:
            self._turns.remove(job)
            self._running[job.id] = job
        job.tries += 1
        job.began_s, job.stopped_s, job.position = time.monotonic(), None, 0
        self._writers.give(work)
        if job.row is not None:
            job.row.state = RUNNING
            self._tell(job)
            self._do(partial(self._store.begin, job.id))
        return True

    def _work_of(self, row: JobRow) -> Work:
        score = self._projects.revision(row.project, row.revision).score
        return Work(row.id, row.task, score, row.request, tuple(row.locks), self._taste())

    def _hear(self, event: Event) -> None:
        if isinstance(event, Broken):
            self._break(event.reason)
            return
        job = self._running.get(event.job)
        if job is None:
            return
        if isinstance(event, Wrote):
            if job.row is not None:
                job.told += event.messages
                for message in event.messages:
                    self._feed.publish(job.id, message)
        elif isinstance(event, Finished):
            self._finish(job, event.takes)
        elif isinstance(event, Refused):
            self._end(job, FAILED, event.reason)
        else:
            self._lose(job, event)

    def _finish(self, job: _Job, takes: Sequence[MadeTake]) -> None:
        message = ""
        if job.stopped_s is not None and not job.is_cancelled:
            message = (
                f"it took more than {self._limits.deadline_s:.0f} s and was stopped; "
                "the bars that were full are kept"
            )
        self._end(job, CANCELLED if job.is_cancelled else DONE, message, takes)

    def _lose(self, job: _Job, event: Lost) -> None:
        """Write a job again whose writer is gone, unless that was wanted, or has been tried."""
        if job.is_cancelled:
            self._end(job, CANCELLED)
        elif job.stopped_s is not None:
            msg = f"it took more than {self._limits.deadline_s:.0f} s; ask for fewer bars"
            self._end(job, FAILED, msg)
        elif job.tries >= MOST_TRIES:
            self._end(job, FAILED, f"{event.reason}, {job.tries} times; ask for less")
        else:
            _log.warning("written again", job=job.id, reason=event.reason)
            job.told.clear()
            with self._lock:
                del self._running[job.id]
                self._turns.put(job, first=True)
            if job.row is not None:
                job.row.state = QUEUED
                self._tell(job)

    def _end(
        self, job: _Job, state: str, message: str = "", takes: Sequence[MadeTake] = ()
    ) -> None:
        """Store how a job ended, and then tell it."""
        try:
            if job.row is not None:
                self._store_end(job, job.row, state, message, takes)
        finally:
            with self._lock:
                del self._jobs[job.id]
                self._running.pop(job.id, None)
            self._feed.close(job.id)
        if job.future is None:
            return
        if state == FAILED:
            job.future.set_exception(EngineError(message))
        else:
            job.future.set_result(list(takes))

    def _end_waiting(self, job: _Job, state: str, message: str = "") -> None:
        with self._lock:
            self._turns.remove(job)
        self._end(job, state, message)

    def _store_end(
        self, job: _Job, row: JobRow, state: str, message: str, takes: Sequence[MadeTake]
    ) -> None:
        try:
            rows = self._store.finish(job.id, state, message, [_answer(take) for take in takes])
        except Unknown:  # the project was removed meanwhile
            return
        except SQLAlchemyError:  # it stays open, and is taken up on the next start
            _log.exception("a job cannot be stored", job=job.id)
            state, message, rows = FAILED, _UNSTORED, []
        row.state, row.message = state, message
        for told in _told_end(row, rows):
            self._feed.publish(job.id, told)

    def _cancel(self, number: str) -> None:
        job = self._jobs.get(number)
        if job is None:
            return
        job.is_cancelled = True
        if number not in self._running:
            self._end_waiting(job, CANCELLED)
        elif job.stopped_s is None:
            self._stop(job)

    def _stop(self, job: _Job) -> None:
        job.stopped_s = time.monotonic()
        self._writers.end_job(job.id)

    def _look_at_deadlines(self) -> None:
        now_s = time.monotonic()
        for job in list(self._running.values()):
            if job.stopped_s is None:
                if now_s > job.began_s + self._limits.deadline_s:
                    self._stop(job)
            elif now_s > job.stopped_s + GRACE_S:
                self._writers.abandon(job.id)

    def _break(self, reason: str) -> None:
        """Give up what waits: nobody can write."""
        self._broken = reason
        with self._lock:
            waiting = self._order_now()
        for job in waiting:
            self._end_waiting(job, FAILED, reason)

    # --------------------------------------------------------------------- what is told

    def _tell(self, job: _Job) -> None:
        if job.row is not None:
            self._feed.publish(job.id, _job_message(job.row, job.position))

    def _begin_to_tell(self, listener: Listener, number: str) -> None:
        job = self._jobs.get(number)
        if job is not None and job.row is not None:
            listener.begin(number, [_job_message(job.row, max(job.position, 0)), *job.told])
            return
        try:
            row = self._store.get(number)
        except Unknown:
            return
        listener.begin(number, _told_end(row, self._store.takes(number)))
        listener.forget(number)


def local_jobs(
    database: Database, projects: Projects, config: StudioConfig, taste: KnownTaste
) -> Jobs:
    """Return jobs that processes on this machine write."""
    return Jobs(
        database,
        projects,
        config.bundle,
        n_workers=config.n_workers,
        taste=taste,
    )


def _answer(take: MadeTake) -> Answer:
    return Answer(
        number=take.number,
        first_bar=take.first_bar,
        end_bar=take.end_bar,
        n_notes=take.n_notes,
        recipe=dict(take.recipe),
        score=dict(take.score),
        liking=take.liking,
    )


def _told_end(row: JobRow, takes: Sequence[TakeRow]) -> list[Json]:
    """Return the last messages about a job: its takes, if there are any, and its state."""
    infos = [take_info(take).model_dump(mode="json") for take in takes]
    told: list[Json] = [{"type": "takes", "job": row.id, "takes": infos}] if takes else []
    return [*told, _job_message(row, 0, [take.id for take in takes])]


def _job_message(row: JobRow, position: int, takes: Sequence[str] = ()) -> Json:
    return {"type": "job", "job": _told_job(row, position, takes)}


def _told_job(row: JobRow, position: int, takes: Sequence[str]) -> Json:
    told: Json = job_info(row, position, list(takes)).model_dump(mode="json")
    return told
