"""How many events a second does a bundle write, and how far is that from what memory allows?

    .venv/bin/python benchmarks/decode.py [--bundle FOLDER] | tee benchmarks/results/decode.txt

A step is all of it: grammar, masks, network, drawing, keeping the cache. Beside it stands the
floor, measured in the same run: the time to read the weights and the cache once at the
bandwidth of this machine. Takes share the reading of the weights, not of the cache.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
from machine import machine_lines

from sideman.bundle import WEIGHTS, Bundle, load_bundle
from sideman.engine.sampling import Sampling
from sideman.engine.session import Session
from sideman.tokens.choices import Limits
from sideman.tokens.vocabulary import (
    N_COLUMNS,
    PROGRAM,
    Events,
    Extent,
    Kind,
    Task,
    time_signature_value,
)

CONTEXTS = (128, 512, 1024)
TAKES = (1, 4)
STEPS, WARM_UP = 60, 8
REPETITIONS = 3
PROGRAMS = (0, 33, 48, 128)
FOUR_FOUR, BPM_120 = int(time_signature_value(4, 4)), 72
BUFFER_MIB = 8
"""Larger than a second-level cache, about as large as the weights: where those would lie."""


def prompt(n_events: int) -> Events:
    """Return sixteenth notes of four parts in 4/4, without end."""
    rng = np.random.default_rng(0)
    rows: list[tuple[int, ...]] = [(Kind.START, Task.CONTINUE, 0, 0, Extent.MIDDLE)]
    rows += [(Kind.PART, part, program) for part, program in enumerate(PROGRAMS)]
    programs = [0] * len(rows)
    while len(rows) < n_events:
        rows.append((Kind.BAR, FOUR_FOUR, BPM_120))
        programs.append(0)
        for sixteenth in range(16):
            part = int(rng.integers(len(PROGRAMS)))
            pitch = int(rng.integers(40, 80)) + 128 * (PROGRAMS[part] >= 128)
            rows.append((Kind.NOTE, sixteenth // 4, 6 * (sixteenth % 4), part, pitch, 6, 20))
            programs.append(PROGRAMS[part])
    events = np.zeros((len(rows), N_COLUMNS), np.uint8)
    for event, row, program in zip(events, rows, programs, strict=True):
        event[: len(row)] = row
        event[PROGRAM] = program
    return events[:n_events]


def bandwidth() -> float:
    """Return the bytes a second that one core reads from a buffer, the best of some tries."""
    buffer = np.ones(BUFFER_MIB * 2**20 // 8, np.int64)
    best = min(_timed(lambda: buffer.sum()) for _ in range(20))
    return float(buffer.nbytes / best)


def step_s(bundle: Bundle, context: int, n_takes: int, threads: int) -> tuple[float, int]:
    """Return the median seconds of a step around a context, and the bytes of the cache then."""
    session = Session(bundle, n_takes=n_takes, threads=threads)
    session.append(prompt(context - STEPS // 2))
    rngs = [np.random.default_rng(take) for take in range(n_takes)]
    limits = Limits(kinds=np.isin(np.arange(len(Kind)), (Kind.BAR, Kind.NOTE)))
    sampling = Sampling(min_p=0.03)

    def step() -> None:
        chosen = session.next(limits, sampling=sampling, rngs=rngs)
        session.append(chosen.events[:, None])

    times = [_timed(step) for _ in range(WARM_UP + STEPS)][WARM_UP:]
    return statistics.median(times), session.cache_bytes()


def prefill_s(bundle: Bundle, context: int, threads: int) -> float:
    """Return the median seconds from a prompt of `context` events to the first event."""

    def cold() -> None:
        session = Session(bundle, threads=threads)
        session.append(prompt(context))
        session.next(sampling=Sampling(temperature=0))

    cold()
    return statistics.median(_timed(cold) for _ in range(REPETITIONS))


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="default: the one in the package")
    parser.add_argument("--threads", type=int, default=0, help="0: as the engine chooses")
    asked = parser.parse_args()
    bundle = load_bundle(asked.bundle)
    weights = (bundle.folder / WEIGHTS).stat().st_size
    rate = bandwidth()
    print(*machine_lines("numpy", "onnxruntime", "sideman"), sep="\n")
    size = f"{bundle.card['parameters']:,} weights in {bundle.card['precision']}"
    print(f"bundle    {bundle.name}: {size}, {weights / 2**20:.1f} MiB")
    print(f"memory    {rate / 1e9:.1f} GB/s read by one core from {BUFFER_MIB} MiB")
    print()
    print("context  takes  events/s  step ms  floor ms  step / floor")
    for context, n_takes in product(CONTEXTS, TAKES):
        runs = [step_s(bundle, context, n_takes, asked.threads) for _ in range(REPETITIONS)]
        step, cache = statistics.median(time for time, _ in runs), runs[0][1]
        floor = (weights + cache) / rate
        print(
            f"{context:7}  {n_takes:5}  {n_takes / step:8.0f}  {step * 1e3:7.2f}"
            f"  {floor * 1e3:8.2f}  {step / floor:12.1f}"
        )
    print()
    print("prompt   first event after ms")
    for context in CONTEXTS:
        print(f"{context:6}   {prefill_s(bundle, context, asked.threads) * 1e3:.0f}")


if __name__ == "__main__":
    main()
