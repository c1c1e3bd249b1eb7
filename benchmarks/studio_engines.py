"""How much is written on a Ray cluster, beside processes: what does writing together bring?

    .venv/bin/python benchmarks/studio_engines.py [--writers 2] [--requests 32] [--rounds 3]

Requests are different continuations of the bundled example by 8 bars, one take each, all asked
for at once. On the cluster, a local one if `RAY_ADDRESS` names none, each replica writes one at
a time, or some together as one batch. The ways take turns, round by round; medians.

    notes/s         of all writers together
    a minute        continuations
    first note, s   from the moment a writer is given a request, mean of all
    ready, s        until all writers can begin
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from machine import machine_lines

from sideman.score.midi import read_midi
from sideman.studio import ray_engine
from sideman.studio.ray_engine import MOST_TOGETHER, RayWriters
from sideman.studio.score_json import json_of
from sideman.studio.worker import Finished, LocalWriters, Refused, Work, Writers, Wrote

N_BARS = 8
WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Round:
    """What came of all requests."""

    ready_s: float
    seconds: float
    n_notes: int
    first_note_s: float


def requests(n_requests: int) -> list[Work]:
    """Return what is asked for."""
    prompt = json_of(read_midi(Path(str(resources.files("sideman") / "examples/prompt.mid"))))
    options = {"options": {"bars": str(N_BARS)}, "takes": 1}
    return [
        Work(f"request {seed}", "continue", prompt, {**options, "seed": seed})
        for seed in range(n_requests)
    ]


def carried_out(writers: Writers, n_writers: int, asked: Sequence[Work]) -> Round:
    """Let writers write everything, and stop them."""
    began_s = time.perf_counter()
    writers.start()
    while writers.n_free < n_writers:
        writers.wait(WAIT_S)
    ready_s = time.perf_counter() - began_s
    waiting, n_ended, n_notes = list(asked), 0, 0
    given_s: dict[str, float] = {}
    first_s: dict[str, float] = {}
    began_s = time.perf_counter()
    while n_ended < len(asked):
        while waiting and writers.n_free:
            work = waiting.pop()
            given_s[work.job] = time.perf_counter()
            writers.give(work)
        for event in writers.wait(WAIT_S):
            if isinstance(event, Wrote):
                first_s.setdefault(event.job, time.perf_counter() - given_s[event.job])
            elif isinstance(event, Finished):
                n_ended += 1
                n_notes += sum(take.n_notes for take in event.takes)
            elif isinstance(event, Refused):
                raise RuntimeError(event.reason)
    seconds = time.perf_counter() - began_s
    writers.stop()
    return Round(ready_s, seconds, n_notes, statistics.mean(first_s.values()))


def said(name: str, rounds: Sequence[Round], n_requests: int) -> str:
    """Return a line of the table."""
    notes = statistics.median(each.n_notes / each.seconds for each in rounds)
    minute = statistics.median(60 * n_requests / each.seconds for each in rounds)
    first = statistics.median(each.first_note_s for each in rounds)
    ready = statistics.median(each.ready_s for each in rounds)
    return f"{name:28} {notes:7.0f} {minute:9.1f} {first:14.2f} {ready:9.1f}"


def main(n_writers: int, n_requests: int, n_rounds: int) -> None:
    """Print a table."""
    print(*machine_lines("onnxruntime", "ray"), "", sep="\n", flush=True)
    names = {
        "processes": 0,
        "replicas, one at a time": 1,
        f"replicas, {MOST_TOGETHER} together": MOST_TOGETHER,
    }
    rounds: dict[str, list[Round]] = {name: [] for name in names}
    asked = requests(n_requests)
    for _ in range(n_rounds):
        for name, most in names.items():
            ray_engine.MOST_TOGETHER = most
            writers = RayWriters(None, n_writers) if most else LocalWriters(None, n_writers, 1)
            rounds[name].append(carried_out(writers, n_writers, asked))
    print(
        f"{n_writers} writers, {n_requests} continuations of {N_BARS} bars, {n_rounds} rounds"
    )
    print(f"{'':28} notes/s  a minute  first note, s  ready, s")
    for name, each in rounds.items():
        print(said(name, each, n_requests))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--requests", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    main(given.writers, given.requests, given.rounds)
