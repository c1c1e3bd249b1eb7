"""How soon does the studio answer, how evenly does it share, and does its memory stay?

    .venv/bin/python benchmarks/studio_jobs.py [--clicks 100] [--clients 20] [--rounds 3]

Everything but HTTP: a job is stored in a SQLite file, waits, is written by another process
with the bundled model, and its notes come back into an event loop; the prompt is the bundled
example.

    first note   from asking to when the first note of a continuation is in the event loop, by
                 how many takes are written at the same time; and the processor time that the
                 writer took for all it did until it was stopped after that
    batch        notes a second of one request for several takes, and of as many requests for
                 one take each, by one process
    clients      each asks for a continuation of 8 bars, waits for it, and asks again: how long
                 it waits for its turn, mean of each client, without the first turn, for which
                 all ask at once; continuations a minute; memory of all processes
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from machine import machine_lines

from sideman.score.midi import read_midi
from sideman.studio.jobs import JobLimits, Jobs
from sideman.studio.score_json import json_of
from sideman.studio.store.database import Database, file_url
from sideman.studio.store.projects import Projects
from sideman.studio.store.tables import ProjectRow
from sideman.studio.streaming import Listener
from sideman.studio.worker import LocalWriters

N_BARS = 8
BATCH = 4
ENDED = ("done", "failed", "cancelled")
READY_S = 120.0


@dataclass(frozen=True, slots=True)
class Studio:
    """Jobs, and a piece to ask about."""

    jobs: Jobs
    projects: Projects
    writers: LocalWriters
    project: ProjectRow

    def ask(self, *, seed: int, takes: int = 1, bars: int = N_BARS, client: str = "") -> str:
        """Ask for a continuation; return the job."""
        revision = self.project.head
        if revision is None:
            msg = "the project has no revision"
            raise ValueError(msg)
        request = {"options": {"bars": str(bars)}, "takes": takes, "seed": seed}
        row = self.jobs.ask(
            self.project.id, revision, "continue", request=request, locks=[], client=client
        )
        return row.id

    def writers_cpu_s(self) -> float:
        """Return the processor time of all that write."""
        times = [psutil.Process(pid).cpu_times() for pid in self.writers.pids]
        return float(sum(each.user + each.system for each in times))

    def rss_mib(self) -> tuple[float, float]:
        """Return the memory of this process and of all that write, in MiB."""
        ours = psutil.Process().memory_info().rss
        theirs = sum(psutil.Process(pid).memory_info().rss for pid in self.writers.pids)
        return ours / 2**20, theirs / 2**20


@asynccontextmanager
async def opened(n_writers: int) -> AsyncIterator[Studio]:
    """Give a studio whose writers are ready."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(file_url(Path(folder) / "studio.db"))
        projects = Projects(database)
        prompt = read_midi(Path(str(resources.files("sideman") / "examples" / "prompt.mid")))
        project = projects.create("example", json_of(prompt))
        writers = LocalWriters(None, n_writers)
        limits = JobLimits(per_client=100, deadline_s=600)
        jobs = Jobs(
            database, projects, None, n_workers=n_writers, limits=limits, writers=writers
        )
        jobs.start()
        until_s = time.monotonic() + READY_S
        while writers.n_free < n_writers and time.monotonic() < until_s:
            await asyncio.sleep(0.05)
        try:
            yield Studio(jobs, projects, writers, project)
        finally:
            await asyncio.to_thread(jobs.stop)
            database.close()


async def until(messages: Listener, *states: str) -> Mapping[str, Any]:
    """Return the first message that says one of some states, or has notes for `notes`."""
    while True:
        message = await messages.get()
        state = message["job"]["state"] if message["type"] == "job" else message["type"]
        if state in states:
            return message


async def first_notes_ms(studio: Studio, n_clicks: int, takes: int) -> list[float]:
    """Return how long the first note of each continuation took."""
    times = []
    for seed in range(n_clicks):
        with studio.jobs.listen() as messages:
            began_s = time.perf_counter()
            job = studio.ask(seed=seed, takes=takes)
            messages.watch(job)
            await until(messages, "notes", *ENDED)
            times.append(1000 * (time.perf_counter() - began_s))
            studio.jobs.cancel(job)
            await until(messages, *ENDED)
    return times


async def notes_a_second(studio: Studio, *, n_requests: int, takes: int) -> float:
    """Return how fast several requests are answered by one process."""
    began_s = time.perf_counter()
    jobs = [studio.ask(seed=seed, takes=takes) for seed in range(n_requests)]
    for job in jobs:
        await ended(studio, job)
    seconds = time.perf_counter() - began_s
    stored = [studio.projects.take(take) for job in jobs for take in studio.jobs.get(job)[2]]
    return sum(take.n_notes for take in stored) / seconds


async def ended(studio: Studio, job: str) -> None:
    """Wait until a job has ended."""
    with studio.jobs.listen() as messages:
        messages.watch(job)
        await until(messages, *ENDED)


async def waits_s(studio: Studio, client: str, n_rounds: int) -> AsyncIterator[float]:
    """Be a client that asks again and again; yield how long it waited for each turn."""
    for number in range(n_rounds):
        with studio.jobs.listen() as messages:
            began_s = time.perf_counter()
            job = studio.ask(seed=number, client=client)
            messages.watch(job)
            await until(messages, "running", *ENDED)
            waited_s = time.perf_counter() - began_s
            await until(messages, "done", "failed")
        yield waited_s


async def share(n_clients: int, n_rounds: int) -> None:
    """Print how evenly clients share two processes."""
    waited: dict[str, list[float]] = {f"client {n}": [] for n in range(n_clients)}
    n_ended = 0

    async with opened(2) as studio:

        def say_memory() -> None:
            ours, theirs = studio.rss_mib()
            print(f"  after {n_ended:4} continuations {ours:12.0f} {theirs:8.0f}", flush=True)

        async def be(client: str) -> None:
            nonlocal n_ended
            async for seconds in waits_s(studio, client, n_rounds):
                waited[client].append(seconds)
                n_ended += 1
                if n_ended % n_clients == 0:
                    say_memory()

        print(f"\n{n_clients} clients, 2 processes; MiB       server  writers")
        say_memory()
        began_s = time.perf_counter()
        await asyncio.gather(*map(be, waited))
        minutes = (time.perf_counter() - began_s) / 60
    means = [statistics.mean(times[1:]) for times in waited.values()]
    print(f"waiting for a turn, s         {min(means):.1f} (mean of the luckiest)")
    print(f"                              {max(means):.1f} (mean of the unluckiest)")
    print(f"longest mean / shortest mean  {max(means) / min(means):.2f}")
    print(f"continuations of {N_BARS} bars      {n_ended / minutes:.1f} a minute")


def said(times: list[float]) -> str:
    """Return median, 99th percentile and longest."""
    p50, p99 = np.percentile(times, [50, 99])
    return f"p50 {p50:6.0f}   p99 {p99:6.0f}   longest {max(times):6.0f}"


async def main(n_clicks: int, n_clients: int, n_rounds: int) -> None:
    print(*machine_lines("onnxruntime", "numpy", "sqlalchemy"), "", sep="\n")
    async with opened(1) as studio:
        await first_notes_ms(studio, 3, 1)
        for takes in (1, 3):
            before_s = studio.writers_cpu_s()
            times = await first_notes_ms(studio, n_clicks, takes)
            cpu_ms = 1000 * (studio.writers_cpu_s() - before_s) / n_clicks
            print(f"first note, {takes} takes, ms    {said(times)}   processor {cpu_ms:.0f}")
        one = await notes_a_second(studio, n_requests=1, takes=BATCH)
        several = await notes_a_second(studio, n_requests=BATCH, takes=1)
        print(f"one request, {BATCH} takes            {one:6.0f} notes/s")
        print(f"{BATCH} requests, one take each       {several:6.0f} notes/s", flush=True)
    await share(n_clients, n_rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=100)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    asyncio.run(main(asked.clicks, asked.clients, asked.rounds))
