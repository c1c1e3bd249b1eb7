"""How long do the metrics of 10,000 bars take, and what do they say of held-out music?

    .venv/bin/python benchmarks/metrics.py --pack FOLDER --splits TABLE [--bars 10000]

Pieces of the test split, in one process and parsed before, until there are so many bars. The
total is time on the clock for all metrics and histograms of a piece; that of each metric is
CPU time, in a second run. Quantiles are over pieces, without those for which a metric is not
defined.
"""

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import machine_lines

from sideman.evaluate.metrics import HISTOGRAMS, PIECE_METRICS, measure, measure_histograms
from sideman.score.midi import read_midi
from sideman.score.time import bar_starts
from sideman.score.types import Score

SEED = 1


def held_out(pack: Path, splits: Path, n_bars: int) -> tuple[list[Score], int]:
    """Return scores of the shuffled test split with at least `n_bars` bars, and how many."""
    with splits.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        files = [row["file"] for row in rows if row["split"] == "test"]
    scores, total = [], 0
    for file_name in np.random.default_rng(SEED).permutation(files).tolist():
        if total >= n_bars:
            break
        scores.append(read_midi(pack / file_name))
        total += len(bar_starts(scores[-1])) - 1
    return scores, total


def cpu_seconds(function: Callable[[Score], object], scores: Sequence[Score]) -> float:
    """Return the seconds of CPU time that a function takes for all scores."""
    start = time.process_time()
    for score in scores:
        function(score)
    return time.process_time() - start


def rows(scores: Sequence[Score], n_bars: int) -> list[str]:
    """Return the table: the cost of each metric, and its quantiles over pieces."""
    names = f"{'metric':<26}{'s/10,000 bars':>14}"
    lines = [names + f"{'5 %':>9}{'median':>9}{'95 %':>9}{'undefined':>11}"]
    values = [measure(score) for score in scores]
    for metric in PIECE_METRICS:
        cost = cpu_seconds(metric, scores) * 10_000 / n_bars
        found = np.array([value[metric.name] for value in values])
        low, median, high = np.nanpercentile(found, (5, 50, 95))
        undefined = np.isnan(found).sum()
        lines.append(
            f"{metric.name:<26}{cost:>14.2f}{low:>9.3f}{median:>9.3f}{high:>9.3f}"
            f"{undefined:>11}"
        )
    for name, histogram in HISTOGRAMS.items():
        cost = cpu_seconds(histogram, scores) * 10_000 / n_bars
        lines.append(f"{name + ' histogram':<26}{cost:>14.2f}")
    return lines


def main() -> None:
    """Print the time and the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument("--splits", type=Path, required=True, help="table of splits")
    parser.add_argument("--bars", type=int, default=10_000)
    asked = parser.parse_args()
    print("\n".join(machine_lines("sideman", "numpy")))
    scores, n_bars = held_out(asked.pack, asked.splits, asked.bars)
    measure(scores[0])  # tables are made on first use
    start, cpu_start = time.perf_counter(), time.process_time()
    for score in scores:
        measure(score)
        measure_histograms(score)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    n_notes = sum(len(score.notes) for score in scores)
    print(f"pieces    {len(scores)} of the test split, {n_bars:,} bars, {n_notes:,} notes")
    print(f"all, one process: {seconds:.1f} s on the clock, {cpu:.1f} s of CPU time")
    print("\n".join(["", *rows(scores, n_bars)]))


if __name__ == "__main__":
    main()
