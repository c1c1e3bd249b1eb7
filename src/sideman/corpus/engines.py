"""Who does the work: processes on this machine, or a Ray cluster; the results are the same.

A job takes a table with one row an item and returns a table with one row for each of them, in
the same order. Chunks of items go out, and come back in order. A worker that dies or takes too
long loses one item and nothing else: its chunk is done again item by item.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as TooLong
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import pyarrow as pa
from pebble import ProcessExpired, ProcessFuture, ProcessPool

from sideman.errors import CorpusError, MissingExtra

ENGINES = ("local", "ray")

TOO_SLOW = "too-slow"
WORKER_DIED = "worker-died"
FAILED = "failed"

CHUNKS_AHEAD = 2
"""Chunks that wait for each worker, so that none is idle while the next is read."""

CHUNKS_A_WAVE = 16
"""Chunks for each worker that go to a cluster at once."""

Chunk = tuple[int, pa.Table]
"""A number and the items."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work on items; it travels to other processes, so its functions are of modules.

    Attributes:
        run: From a table of items to a table with a row for each.
        lost: From one item, a reason (`TOO_SLOW`, `WORKER_DIED` or `FAILED`) and a line for
            people to its row.
        limit_s: Seconds a chunk may take, and then each of its items.
    """

    run: Callable[[pa.Table], pa.Table]
    lost: Callable[[pa.Table, str, str], pa.Table]
    limit_s: float


class Engine(Protocol):
    """What carries out a job."""

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the result of each chunk under its number, in order."""


def _pool(n_workers: int) -> ProcessPool:
    # A fresh process: a fork of one with threads (Arrow has some) may hang.
    return ProcessPool(n_workers, context=multiprocessing.get_context("spawn"))


def _result(
    pool: ProcessPool, job: Job, items: pa.Table, first: ProcessFuture[pa.Table]
) -> pa.Table:
    """Wait for a chunk; where it fails, do its items one by one."""
    try:
        return first.result()
    except TooLong:
        why = TOO_SLOW, f"it took more than {job.limit_s:g} s"
    except ProcessExpired as error:
        why = WORKER_DIED, f"the process that read it ended with status {error.exitcode}"
    except Exception as error:  # noqa: BLE001 (a bug costs one file, which the manifest names)
        why = FAILED, f"{type(error).__name__}: {error}".replace("\n", " ")
    if items.num_rows == 1:
        return job.lost(items, *why)
    singles = [items.take([row]) for row in range(items.num_rows)]
    futures = [pool.schedule(job.run, (item,), timeout=job.limit_s) for item in singles]
    rows = [_result(pool, job, *pair) for pair in zip(singles, futures, strict=True)]
    return pa.concat_tables(rows)


class LocalEngine:
    """Processes on this machine.

    Args:
        n_workers: How many, at least 1.
    """

    def __init__(self, n_workers: int) -> None:
        self._n_workers = n_workers

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the result of each chunk under its number, in order."""
        waiting: deque[tuple[int, pa.Table, ProcessFuture[pa.Table]]] = deque()
        with _stopped(_pool(self._n_workers)) as pool:
            for number, items in chunks:
                future = pool.schedule(job.run, (items,), timeout=job.limit_s)
                waiting.append((number, items, future))
                if len(waiting) > CHUNKS_AHEAD * self._n_workers:
                    number, items, future = waiting.popleft()
                    yield number, _result(pool, job, items, future)
            while waiting:
                number, items, future = waiting.popleft()
                yield number, _result(pool, job, items, future)


@contextmanager
def _stopped(pool: ProcessPool) -> Iterator[ProcessPool]:
    """Give the pool; afterwards, whatever happened, it and its work are stopped."""
    try:
        yield pool
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


class RayEngine:
    """A Ray cluster, through Ray Data: the one `RAY_ADDRESS` names, else one on this machine.

    Each of its workers keeps a process of its own for the job, so that a file that brings the
    process down leaves the worker alone. Chunks travel to the workers and back: they need no
    folder in common with this machine.

    Args:
        n_workers: How many workers work at once, at least 1.

    Raises:
        MissingExtra: If Ray is not installed.
        CorpusError: If the cluster cannot be reached.
    """

    def __init__(self, n_workers: int) -> None:
        try:
            import ray  # noqa: PLC0415 (an extra, and slow to import)
            import ray.data  # noqa: PLC0415
        except ImportError as error:
            msg = "Ray is not installed; get it with: pip install 'sideman[cluster]'"
            raise MissingExtra(msg) from error
        self._ray = ray
        self._n_workers = n_workers

    def map(self, job: Job, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield the result of each chunk under its number, in order."""
        self._connect()
        chunks = iter(chunks)
        while wave := list(islice(chunks, CHUNKS_A_WAVE * self._n_workers)):
            rows = [{"number": number, "table": _to_bytes(table)} for number, table in wave]
            # One block a chunk: a block is what a worker takes at a time.
            done = self._ray.data.from_items(rows, override_num_blocks=len(rows)).map(
                _RayWorker,  # type: ignore[arg-type]
                fn_constructor_args=(job,),
                compute=self._ray.data.ActorPoolStrategy(size=self._n_workers),
            )
            results = {row["number"]: row["table"] for row in done.iter_rows()}
            for number, _ in wave:
                yield number, _from_bytes(results.pop(number))

    def _connect(self) -> None:
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._ray.data.DataContext.get_current().enable_progress_bars = False
        if self._ray.is_initialized():
            return
        try:
            self._ray.init(log_to_driver=False, logging_level=logging.WARNING)
        except (ConnectionError, ValueError, RuntimeError) as error:
            msg = f"the Ray cluster cannot be reached: {error}"
            raise CorpusError(msg) from error


class _RayWorker:
    """Does chunks on a node of the cluster, in a process of its own."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pool = _pool(1)

    def __call__(self, row: dict[str, object]) -> dict[str, object]:
        items = _from_bytes(row["table"])
        future = self._pool.schedule(self._job.run, (items,), timeout=self._job.limit_s)
        done = _result(self._pool, self._job, items, future)
        return {"number": row["number"], "table": _to_bytes(done)}


def _to_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _from_bytes(data: object) -> pa.Table:
    return pa.ipc.open_stream(data).read_all()


def engine_of(name: str, n_workers: int) -> Engine:
    """Return the engine of a name.

    Raises:
        CorpusError: If there is no such engine.
        MissingExtra: If it needs a package that is not installed.
    """
    if name == "local":
        return LocalEngine(n_workers)
    if name == "ray":
        return RayEngine(n_workers)
    msg = f"there is no engine {name!r}; there are {', '.join(ENGINES)}"
    raise CorpusError(msg)
