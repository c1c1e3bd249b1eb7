"""Writers on a Ray cluster: replicas of a Ray Serve deployment instead of processes here.

    the server
        │ a stream of messages for each job
        ├── replica   model loaded and warm, one job at a time, on any node
        └── replica

A replica writes one request at a time, its takes as one batch. `serve.batch` would gather
requests that come together; but a batch is of takes that go on from one prompt, so it would
only let the first wait for the others. What a batch of takes brings is measured by
`benchmarks/studio_jobs.py`.

Ray Serve starts replicas again that die, and finds them wherever the cluster has room. The
bundle must lie at the same path on each node; the one that comes with Sideman does.
"""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

from sideman.bundle import load_bundle
from sideman.errors import MissingExtra, StudioError
from sideman.studio.config import StudioConfig
from sideman.studio.jobs import Jobs
from sideman.studio.store.database import Database
from sideman.studio.store.projects import Projects
from sideman.studio.worker import Event, Finished, Lost, Refused, Work, Writer, Wrote

APP = "sideman studio"
"""Name of the application on the cluster."""

STOPS = "sideman stops"
"""Name of the actor that knows which jobs are to end."""

STOP_S = 0.2
"""How often a replica asks whether its job is to end."""

MOST_STOPS = 1_000
"""So many jobs are known to be stopped; they have long ended when they are forgotten."""

THREADS = 1
"""Threads of the model in a replica: it has one core of the cluster."""

_LOGGERS = ("ray", "ray.serve")


class Stops:
    """An actor: the jobs that are to end. No request finds the replica of another by itself."""

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


class _QueueLine:
    """A line to the stream of one request."""

    def __init__(self) -> None:
        self.messages: SimpleQueue[Wrote | Finished | Refused] = SimpleQueue()
        self.stop = Flag()

    def tell(self, message: Wrote | None) -> None:
        """Send a message, if it is one."""
        if message is not None:
            self.messages.put(message)

    def is_stopped(self, _job: str) -> bool:
        """Whether nothing more is to be written."""
        return self.stop.is_set()


class Replica:
    """A writer on the cluster.

    Args:
        bundle: Folder of the model; None for the one that comes with Sideman.
    """

    def __init__(self, bundle: Path | None) -> None:
        self._ray = _ray()[0]
        self._writer = Writer(load_bundle(bundle), THREADS)
        self._writer.warm_up()
        self._stops = self._ray.get_actor(STOPS)

    def write(self, work: Work) -> Iterator[Wrote | Finished | Refused]:
        """Yield what there is to tell of a job; the last is how it ended."""
        line = _QueueLine()
        writing = Thread(
            target=lambda: line.messages.put(self._writer.write(work, line)), daemon=True
        )
        writing.start()
        look_s = time.monotonic() + STOP_S
        try:
            while True:
                message = _next(line, look_s)
                if message is not None:
                    yield message
                if isinstance(message, (Finished, Refused)):
                    return
                if time.monotonic() >= look_s:
                    look_s = time.monotonic() + STOP_S
                    if self._ray.get(self._stops.has.remote(work.job)):
                        line.stop.set()
        finally:
            line.stop.set()  # nobody listens any more
            writing.join()


def _next(line: _QueueLine, until_s: float) -> Wrote | Finished | Refused | None:
    try:
        return line.messages.get(timeout=max(until_s - time.monotonic(), 0))
    except Empty:
        return None


class RayWriters:
    """Replicas on a cluster: the one `RAY_ADDRESS` names, else one on this machine.

    Args:
        bundle: Folder of the model; None for the one that comes with Sideman.
        n_writers: How many replicas.

    Raises:
        MissingExtra: If Ray Serve is not installed.
    """

    def __init__(self, bundle: Path | None, n_writers: int) -> None:
        self._ray, self._serve = _ray()
        self._bundle = bundle
        self._n_writers = n_writers
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
                self._ray.init(log_to_driver=False, logging_level=logging.WARNING)
            actor = self._ray.remote(num_cpus=0)(Stops)
            self._stops = actor.options(name=STOPS, get_if_exists=True).remote()
            deployment = self._serve.deployment(
                Replica, num_replicas=self._n_writers, max_ongoing_requests=1
            )
            self._handle = self._serve.run(
                deployment.bind(self._bundle), name=APP, route_prefix=None
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            msg = f"writers cannot be started on the Ray cluster: {error}"
            raise StudioError(msg) from error

    def stop(self) -> None:
        """Take the replicas off the cluster."""
        for job in list(self._streams):
            self.abandon(job)
        self._serve.delete(APP)
        self._ray.kill(self._stops)

    @property
    def n_free(self) -> int:
        """How many replicas write nothing."""
        return max(self._n_writers - len(self._streams), 0)

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


def ray_jobs(database: Database, projects: Projects, config: StudioConfig) -> Jobs:
    """Return jobs that are written on a Ray cluster.

    Raises:
        MissingExtra: If Ray Serve is not installed.
    """
    writers = RayWriters(config.bundle, config.n_workers)
    return Jobs(database, projects, config.bundle, n_workers=config.n_workers, writers=writers)


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
