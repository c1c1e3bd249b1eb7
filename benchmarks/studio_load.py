"""Does the studio bear twenty people who write and vote at once, also when it is killed?

    .venv/bin/python benchmarks/studio_load.py [--people 20] [--minutes 5] [--kills 0]
        [--workers 1] [--database postgresql://…] [--seed 0]

The real server, on an address of this machine, in a new folder; people are simulated
(`studio_people.py`) over HTTP and sockets, in this process and on the same cores. Each asks for
music, edits while it is written, keeps takes and goes on from them, votes on pairs, and loads
the page anew now and then. When the time is over they wait for what they asked for.

With `--kills` the server is killed (SIGKILL) so often at moments of chance, also while it
starts, and started again at once: on the same port, in the same folder. People then try again
as the page does.

    problems  votes, edits, takes and jobs that are not stored as people were told; takes that
              are there twice, or whose job has not ended; jobs that never end; a damaged
              database; refused requests, lost sockets, errors in the log
    turns     how long each person waited for a turn, mean: Jain's index of fairness (1: all
              alike; Jain, Chiu and Hawe 1984, DEC-TR-301), and the longest over the median
    memory    of the server and of each process that it started, after a fifth of the time for
              warming up: median of the first and of the last third, and the slope
    healthy   from a start of the server to its first reply
    orphans   from a death of the server to that of the last process that it had started
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
from machine import machine_lines
from studio_people import Ledger, Server, people, problems

from sideman.studio.config import DATABASE
from sideman.studio.store.database import Database, file_url

LOOK_S = 2.0
"""How often memory is looked at."""

WARM_UP = 0.2
"""Share of the time after which memory is to stay."""

ORPHANS_S = 60.0
"""How long processes of a server that is dead are waited for."""


class Memory:
    """What the processes of a server take, over time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._seen: dict[int, list[tuple[float, float]]] = defaultdict(list)
        self._processor_s: dict[int, float] = {}

    async def watch(self, until_s: float) -> None:
        """Look now and then, until some time."""
        await asyncio.sleep(LOOK_S)
        family = self._server.family()
        while time.monotonic() < until_s:
            for process in family:
                mib = process.memory_info().rss / 2**20
                self._seen[process.pid].append((time.monotonic() / 60, mib))
                self._processor_s[process.pid] = sum(process.cpu_times()[:2])
            await asyncio.sleep(LOOK_S)

    def lines(self) -> list[str]:
        """Return a table."""
        lines = ["memory, MiB        first third  last third  a minute  processor, s"]
        for number, (process, seen) in enumerate(self._seen.items()):
            minutes, mib = np.array(seen[int(WARM_UP * len(seen)) :]).T
            first, *_, last = (np.median(third) for third in np.array_split(mib, 3))
            slope = np.polyfit(minutes, mib, 1)[0]
            name = f"process {number}" if number else "server"
            lines.append(
                f"  {name:16} {first:11.1f} {last:11.1f} {slope:+9.2f}"
                f" {self._processor_s[process]:13.0f}"
            )
        return lines


class Deaths:
    """A server that is killed and started again, and what comes of it."""

    def __init__(self, server: Server, moments_s: Sequence[float]) -> None:
        """Have a server that is to be killed so many seconds from now."""
        self._server = server
        self._moments_s = [time.monotonic() + moment_s for moment_s in moments_s]
        self._healthy_s: list[float] = []
        self._orphans_s: list[float] = []
        self.left: list[str] = []

    async def happen(self) -> None:
        """Kill the server each time, and wait for what it leaves behind."""
        noting: list[asyncio.Task[None]] = []
        for moment_s in self._moments_s:
            await asyncio.sleep(max(moment_s - time.monotonic(), 0))
            noting.append(asyncio.create_task(self._note_orphans(self._server.kill())))
            noting.append(asyncio.create_task(self._note_start()))
        await asyncio.gather(*noting)

    async def _note_start(self) -> None:
        process, began_s = self._server.start(), time.monotonic()
        await self._server.healthy()
        if process.is_running():
            self._healthy_s.append(time.monotonic() - began_s)

    async def _note_orphans(self, orphans: Sequence[psutil.Process]) -> None:
        began_s = time.monotonic()
        _, alive = await asyncio.to_thread(psutil.wait_procs, orphans, ORPHANS_S)
        self._orphans_s.append(time.monotonic() - began_s)
        self.left += [f"{process} outlives its server" for process in alive]

    def lines(self) -> list[str]:
        """Return how often it was killed, and how long it was away."""
        n_killed, n_healthy = len(self._moments_s), len(self._healthy_s)
        return [
            f"killed             {n_killed} times, {n_killed - n_healthy} of them at the start",
            f"  healthy, s       {_median_and_longest(self._healthy_s)}",
            f"  orphans, s       {_median_and_longest(self._orphans_s)}",
        ]


def _median_and_longest(seconds: Sequence[float]) -> str:
    return f"{np.median(seconds):.1f} (longest {max(seconds):.1f})"


def turns_lines(waits: dict[str, list[float]]) -> list[str]:
    """Return how evenly people waited."""
    if not waits:
        return ["turns              none"]
    means = np.array([np.mean(seconds) for seconds in waits.values()])
    jain = means.sum() ** 2 / (len(means) * (means**2).sum())
    return [
        f"turns              {sum(map(len, waits.values()))}, of {len(means)} people",
        f"  mean wait, s     {means.min():.1f} – {np.median(means):.1f} – {means.max():.1f}"
        " (luckiest, median, unluckiest)",
        f"  Jain's index     {jain:.3f}",
        f"  longest/median   {means.max() / np.median(means):.2f}",
    ]


async def main(asked: argparse.Namespace) -> bool:
    """Return whether nothing went wrong."""
    print(*machine_lines("uvicorn", "sqlalchemy", "onnxruntime"), sep="\n", flush=True)
    rng, seconds = np.random.default_rng(asked.seed), 60 * asked.minutes
    ledger = Ledger()
    with tempfile.TemporaryDirectory(prefix="sideman-") as name:
        folder = Path(name)
        url = asked.database or file_url(folder / DATABASE)
        options = ["--database", url, "--workers", str(asked.workers)]
        with Server(folder, *options) as server:
            await server.healthy()
            until_s = time.monotonic() + seconds
            crowd = people(server.url, ledger, asked.people, rng, are_patient=asked.kills > 0)
            living = [person.live(until_s) for person in crowd]
            if asked.kills:
                moments_s = np.sort(rng.uniform(0, seconds, asked.kills)).tolist()
                deaths = Deaths(server, moments_s)
                await asyncio.gather(deaths.happen(), *living)
                lines, left = deaths.lines(), deaths.left
            else:
                memory = Memory(server)
                await asyncio.gather(memory.watch(until_s), *living)
                lines, left = memory.lines(), []
            wrong = await problems(server, Database(url), ledger)
        wrong += [*ledger.errors, *left, *server.errors()]
    print(f"\n{asked.people} people, {asked.minutes:g} minutes, {asked.workers} that write")
    print(f"problems           {len(wrong)}", *wrong, sep="\n  ")
    print(*ledger.lines(), *turns_lines(ledger.waits), *lines, sep="\n")
    return not wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--kills", type=int, default=0, help="how often the server is killed")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--database", default="", help="URL; a SQLite file if it is not said")
    parser.add_argument("--seed", type=int, default=0)
    sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)
