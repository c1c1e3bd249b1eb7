"""Writers on a Ray cluster: replicas of a Ray Serve deployment instead of processes here.

    the server
        │ a stream of messages for each job
        ├── replica   model loaded and warm, some jobs at a time, on any node
        └── replica

A replica writes several requests as one batch, event by event (`sideman.engine.together`): one
that comes later joins, one that ends leaves. `serve.batch` would gather requests at the door
and let all wait for the longest. What it brings is measured by `benchmarks/studio_engines.py`.

Ray Serve starts replicas again that die, and finds them wherever the cluster has room. The
bundle must lie at the same path on each node; the one that comes with Sideman does.

Several studios may share a cluster: each has an application under a name of its own, which is
the same when it is started again, so what a studio that was killed has left is taken off.
"""

import asyncio
import hashlib
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

from sideman.bundle import load_bundle
from sideman.engine.session import step_together
from sideman.errors import MissingExtra, StudioError
from sideman.studio.config import StudioConfig
from sideman.studio.jobs import Jobs, KnownTaste
from sideman.studio.store.database import Database
from sideman.studio.store.projects import Projects
from sideman.studio.worker import Event, Finished, Lost, Refused, Work, Writer, Wrote

APP = "sideman studio"
"""How names of applications on the cluster begin."""

NAME_DIGITS = 12

ROOM_S = 10.0
"""How long processors may take to be free: those of a studio that was stopped a moment ago."""

STOP_S = 0.2
"""How often a replica asks whether its job is to end."""

MOST_STOPS = 1_000
"""So many jobs are known to be stopped; they have long ended when they are forgotten."""

THREADS = 1
"""Threads of the model in a replica: it has one core of the cluster."""

MOST_TOGETHER = 4
"""Jobs that a replica writes at the same time; with more each becomes slow to listen to."""

_ANYWHERE = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1}
"""Options of `Stops`: it takes no room, and lives on when its node does not."""

_LOGGERS = ("ray", "ray.serve")


class Stops:
    """An actor: the jobs that are to end. No request finds the replica of another."""

    def __init__(self) -> None:
        self._jobs: dict[str, None] = {}

    def add(self, job: str) -> None:
        """Let a job end."""
        self._jobs[job] = None
        if len(self._jobs) > MOST_STOPS:
            del self._jobs[next(iter(self._jobs))]

    def has(self, job: str) -> bool:
        """Whether a job is to end."""
        return job in self._jobs


class _LoopLine:
    """A line from the thread that writes to the stream of one request."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.messages: asyncio.Queue[Wrote | Finished | Refused] = asyncio.Queue()
        self.stop = Flag()

    def tell(self, message: Wrote | Finished | Refused | None) -> None:
        """Send a message, if it is one."""
        if message is not None:
            self._loop.call_soon_threadsafe(self.messages.put_nowait, message)

    def is_stopped(self, _job: str) -> bool:
        """Whether nothing more is to be written."""
        return self.stop.is_set()


class Replica:
    """A writer on the cluster.

    Args:
        bundle: Folder of the model; None for the one that comes with Sideman.
        stops: The actor that knows which jobs are to end.
    """

    def __init__(self, bundle: Path | None, stops: Any) -> None:  # noqa: ANN401 (Ray has no types)
        model = load_bundle(bundle)
        self._together = step_together(model, THREADS)
        self._writer = Writer(model, THREADS)
        self._writer.warm_up()
        self._stops = stops

    async def write(self, work: Work) -> AsyncIterator[Wrote | Finished | Refused]:
        """Yield what there is to tell of a job; the last is how it ended."""
        line = _LoopLine()
        writing = asyncio.gather(
            asyncio.to_thread(self._write, work, line), self._watch(work.job, line)
        )
        try:
            while True:
                message = await line.messages.get()
                yield message
                if isinstance(message, (Finished, Refused)):
                    return
        finally:
            line.stop.set()  # nobody listens any more
            await writing

    def _write(self, work: Work, line: _LoopLine) -> None:
        with self._together.join():
            line.tell(self._writer.write(work, line))

    async def _watch(self, job: str, line: _LoopLine) -> None:
        """Ask now and then whether the job is to end."""
        while not line.stop.is_set():
            await asyncio.sleep(STOP_S)
            if await self._stops.has.remote(job):
                line.stop.set()


class RayWriters:
    """Replicas on a cluster: the one `RAY_ADDRESS` names, else one on this machine.

    Args:
        bundle: Folder of the model; None for the one that comes with Sideman.
        n_writers: How many replicas.
        name: Name of the application; what is there under it is replaced.

    Raises:
        MissingExtra: If Ray Serve is not installed.
    """

    def __init__(self, bundle: Path | None, n_writers: int, name: str = APP) -> None:
        self._ray, self._serve = _ray()
        self._bundle = bundle
        self._n_writers = n_writers
        self._name = name
        self._events: SimpleQueue[Event | None] = SimpleQueue()
        self._streams: dict[str, Any] = {}
        self._stops: Any = None
        self._handle: Any = None

    def start(self) -> None:
        """Connect, and wait until all replicas are ready.

        Raises:
            StudioError: If there is no cluster, or it has no room.
        """
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            if not self._ray.is_initialized():
                on_sigterm = signal.getsignal(signal.SIGTERM)
                self._ray.init(log_to_driver=False, logging_level=logging.WARNING)
                signal.signal(signal.SIGTERM, on_sigterm)  # or nobody would stop the server
            self._serve.start(proxy_location="Disabled")  # pages ask the studio
            self._serve.delete(self._name)
            self._check_room()
            self._stops = self._ray.remote(**_ANYWHERE)(Stops).remote()
            deployment = self._serve.deployment(
                Replica, num_replicas=self._n_writers, max_ongoing_requests=MOST_TOGETHER
            )
            self._handle = self._serve.run(
                deployment.bind(self._bundle, self._stops), name=self._name, route_prefix=None
            )
        except (
            ConnectionError,
            RuntimeError,
            ValueError,
            self._ray.exceptions.RayError,  # such as another RAY_AUTH_TOKEN
        ) as error:
            why = " ".join(str(error).split())
            msg = f"writers cannot be started on the Ray cluster: {why}"
            raise StudioError(msg) from error

    def stop(self) -> None:
        """Take the replicas off the cluster."""
        for job in list(self._streams):
            self.abandon(job)
        self._serve.delete(self._name)
        self._ray.kill(self._stops)

    @property
    def n_free(self) -> int:
        """How many jobs the replicas can begin."""
        return max(self._n_writers * MOST_TOGETHER - len(self._streams), 0)

    def give(self, work: Work) -> None:
        """Let a replica write something."""
        stream = self._handle.options(method_name="write", stream=True).remote(work)
        self._streams[work.job] = stream
        Thread(target=self._follow, args=(work.job, stream), daemon=True).start()

    def end_job(self, job: str) -> None:
        """Let a job end with the bars that are full."""
        self._stops.add.remote(job)

    def abandon(self, job: str) -> None:
        """Ask for nothing more of a job."""
        if job in self._streams:
            self._streams[job].cancel()

    def wake(self) -> None:
        """Let `wait` return."""
        self._events.put(None)

    def wait(self, timeout_s: float) -> list[Event]:
        """Return what replicas say."""
        told = []
        with suppress(Empty):
            told.append(self._events.get(timeout=timeout_s))
            while True:
                told.append(self._events.get_nowait())
        events = [event for event in told if event is not None]
        for event in events:
            if isinstance(event, (Finished, Refused, Lost)):
                self._streams.pop(event.job, None)
        return events

    def _check_room(self) -> None:
        """Wait a moment for a processor for each replica; Ray Serve would wait for ever.

        Raises:
            StudioError: If there are not as many.
        """
        give_up_s = time.monotonic() + ROOM_S
        while (n_free := self._n_processors_free()) < self._n_writers:
            if time.monotonic() > give_up_s:
                msg = (
                    f"{self._n_writers} writers need a processor each; the Ray cluster has "
                    f"{n_free} free: say fewer --workers, or add a machine to it"
                )
                raise StudioError(msg)
            time.sleep(STOP_S)

    def _n_processors_free(self) -> int:
        return int(self._ray.available_resources().get("CPU", 0))

    def _follow(self, job: str, stream: Iterable[Event]) -> None:
        """Hand on what is told of a job, until it ends or its replica does."""
        message: Event | None = None
        try:
            for message in stream:
                self._events.put(message)
        except Exception as error:  # noqa: BLE001 (Ray tells of a death in many ways)
            what = type(error).__name__
            self._events.put(Lost(job, f"the replica that wrote it is gone ({what})"))
        else:
            if not isinstance(message, (Finished, Refused)):
                self._events.put(Lost(job, "the replica that wrote it said no more"))


def ray_jobs(
    database: Database, projects: Projects, config: StudioConfig, taste: KnownTaste
) -> Jobs:
    """Return jobs that are written on a Ray cluster.

    Raises:
        MissingExtra: If Ray Serve is not installed.
    """
    writers = RayWriters(config.bundle, config.n_workers, _name_of(config))
    return Jobs(
        database,
        projects,
        config.bundle,
        n_workers=config.n_workers,
        writers=writers,
        taste=taste,
    )


def _name_of(config: StudioConfig) -> str:
    """Return a name that only this studio has, and has again when it is started again."""
    where = f"{socket.gethostname()} {config.folder.resolve()} {config.database_url}"
    return f"{APP} {hashlib.sha256(where.encode()).hexdigest()[:NAME_DIGITS]}"


def _ray() -> tuple[Any, Any]:
    """Return Ray and Ray Serve.

    Raises:
        MissingExtra: If they are not installed.
    """
    try:
        import ray  # noqa: PLC0415 (an extra, and slow to import)
        from ray import serve  # noqa: PLC0415
    except ImportError as error:
        msg = "Ray Serve is not installed; get it with: pip install 'sideman[cluster]'"
        raise MissingExtra(msg) from error
    return ray, serve
