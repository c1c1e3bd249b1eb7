"""What do several takes cost beside one?

    .venv/bin/python benchmarks/takes.py [--prompt FILE] | tee benchmarks/results/takes.txt

Takes of one task are written side by side. Each repetition has its own seed and asks for every
number of takes in turn, so that another load of the machine falls on all of them; the figures
are medians, and the ratio is one of medians. A step of several takes goes on for as long as the
longest of them, so part of the ratio is that the longest of four is longer than one.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from machine import machine_lines

from sideman.bundle import Bundle, load_bundle
from sideman.engine.compose import Take, accompany, compose, continue_, infill, n_bars_played
from sideman.engine.fill import Wish
from sideman.score.midi import read_midi
from sideman.score.types import Part, Score

TAKES = (1, 2, 4, 8)
BARS, FIRST_BAR, PARTS = 8, 4, 4
BASS, DRUMS = Part(33), Part(0, is_drum=True)
BAND = (Part(0), Part(48), BASS, DRUMS)

Task = Callable[[Wish], list[Take]]


def prompt_with(path: Path | None, bundle: Bundle) -> Score:
    """Return a score of `PARTS` parts: what the file lacks of them, the model writes first."""
    shipped = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"
    score = read_midi(path or shipped)
    new = (BASS, DRUMS)[: max(PARTS - len(score.parts), 0)]
    return accompany(score, bundle, new_parts=new)[0].score if new else score


def tasks(score: Score, bundle: Bundle) -> dict[str, Task]:
    """Return what is measured, by name."""
    end = min(FIRST_BAR + BARS, n_bars_played(score))
    parts = range(min(len(score.parts), PARTS))
    place = f"{end - FIRST_BAR} bars, {len(parts)} parts"
    return {
        f"infill, {place}": lambda wish: infill(
            score, bundle, first_bar=FIRST_BAR, end_bar=end, parts=parts, wish=wish
        ),
        f"continue, {BARS} bars": lambda wish: continue_(score, bundle, n_bars=BARS, wish=wish),
        f"compose, {BARS} bars, {len(BAND)} parts": lambda wish: compose(
            BAND, bundle, n_bars=BARS, wish=wish
        ),
        f"accompany, {n_bars_played(score)} bars, 1 part": lambda wish: accompany(
            score, bundle, new_parts=[DRUMS], wish=wish
        ),
    }


def measured(task: Task, repetitions: int, threads: int) -> dict[int, tuple[float, float]]:
    """Return by number of takes the median seconds, and the mean number of notes."""
    task(Wish(n_takes=max(TAKES), threads=threads))  # opens the graphs
    seconds: dict[int, list[float]] = {n_takes: [] for n_takes in TAKES}
    notes: dict[int, list[int]] = {n_takes: [] for n_takes in TAKES}
    for seed in range(repetitions):
        for n_takes in TAKES:
            start = time.perf_counter()
            takes = task(Wish(n_takes=n_takes, seed=seed, threads=threads))
            seconds[n_takes].append(time.perf_counter() - start)
            notes[n_takes].append(sum(take.n_notes for take in takes))
    return {
        n_takes: (statistics.median(seconds[n_takes]), statistics.mean(notes[n_takes]))
        for n_takes in TAKES
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompt", type=Path, help="MIDI file; default: the one shipped")
    parser.add_argument("--bundle", type=Path, help="default: the one in the package")
    parser.add_argument("--repetitions", type=int, default=15)
    parser.add_argument("--threads", type=int, default=0, help="0: as the engine chooses")
    asked = parser.parse_args()
    bundle = load_bundle(asked.bundle)
    score = prompt_with(asked.prompt, bundle)
    print(*machine_lines("numpy", "onnxruntime", "sideman"), sep="\n")
    print(f"bundle    {bundle.name}; median of {asked.repetitions} seeds")
    for name, task in tasks(score, bundle).items():
        print(f"\n{name}\ntakes  seconds  beside one  notes  ms a note")
        of_one: float | None = None
        for n_takes, (seconds, notes) in measured(
            task, asked.repetitions, asked.threads
        ).items():
            of_one = of_one or seconds
            print(
                f"{n_takes:5}  {seconds:7.2f}  {seconds / of_one:10.2f}  {notes:5.0f}"
                f"  {seconds / max(notes, 1) * 1e3:9.2f}"
            )


if __name__ == "__main__":
    main()
