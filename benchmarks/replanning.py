"""What does it cost to hear one more note, and to plan anew?

    .venv/bin/python benchmarks/replanning.py | tee benchmarks/results/replanning.txt

A piece of four parts goes round and round. Its first part is the human's; the planner
accompanies with the three others, and remembers about `MEMORY` events. At each note of the
human it is told the note, and plans anew from there: what that costs until the first note of
the plan stands, and until two bars do, without limits and with those of a band in a key. Beside
the time by the clock stands the processor's: with one thread that is what it takes where no
other work waits for the same core.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from machine import machine_lines
from numpy.typing import NDArray
from takes import prompt_with

from sideman.bundle import load_bundle
from sideman.engine.parts import PartWish
from sideman.live.constraints import Ask, ask_for
from sideman.live.frame import Bar, Frame, lagging_bar
from sideman.live.memory import PlayedNote
from sideman.live.planner import Planner
from sideman.live.settings import Settings
from sideman.score.types import Score
from sideman.tokens.grid import Grid, from_grid, to_grid
from sideman.tokens.vocabulary import Role, bin_to_tempo

MEMORY = 512
BARS = 2
SIXTEENTH_MS = 125.0
"""At 120 quarter notes a minute."""

Figures = NDArray[np.float64]
"""By the clock and by the processor, shape (2,)."""

HUMAN, BAND = 0, (1, 2, 3)
WARM_UP = 5


def piece(score: Score) -> tuple[Grid, tuple[PlayedNote, ...]]:
    """Return the bars of a score, and its notes as they were played."""
    grid, _ = to_grid(score)
    notes = from_grid(grid).notes
    return grid, tuple(
        PlayedNote(
            id=number,
            voice=int(note["part"]),
            pitch=int(note["pitch"]),
            velocity=int(note["velocity"]),
            begin_s=0.0,
            end_s=None,
            onset=int(note["onset"]),
            duration=int(note["duration"]),
            is_human=note["part"] == HUMAN,
        )
        for number, note in enumerate(notes)
    )


class Round:
    """A piece that goes round, as far as it has been played."""

    def __init__(self, grid: Grid, notes: tuple[PlayedNote, ...]) -> None:
        self._notes = notes
        self._bars = tuple(
            Bar(int(value), float(bin_to_tempo(tempo))) for value, tempo in grid.bars.tolist()
        )
        self._ticks = int(grid.bar_starts()[-1])
        self._starts = grid.bar_starts()
        self._parts = tuple(
            PartWish(int(program), Role.DRUMS if program >= 128 else Role.UNSPECIFIED)
            for program in grid.programs
        )
        self._first: int | None = None

    def note(self, number: int) -> PlayedNote:
        """Return the note of that number, counted through all rounds."""
        turn, index = divmod(number, len(self._notes))
        note = self._notes[index]
        return replace(note, id=number, onset=note.onset + turn * self._ticks)

    def frame(self, oldest: int, now: int) -> Frame:
        """Return the frame from the bar of a tick, or one a little before it, on."""
        self._first = first = lagging_bar(self._first, self._bar_of(oldest), self._bar_of(now))
        end = self._bar_of(now) + BARS + 1
        bars = tuple(self._bars[bar % len(self._bars)] for bar in range(first, end))
        turn, bar = divmod(first, len(self._bars))
        onset = turn * self._ticks + int(self._starts[bar])
        return Frame(self._parts, bars, first_bar=first, onset=onset)

    def _bar_of(self, tick: int) -> int:
        turn, rest = divmod(tick, self._ticks)
        bar = int(np.searchsorted(self._starts, rest, side="right")) - 1
        return turn * len(self._bars) + bar


def timed_ms(work: Callable[[], object]) -> Figures:
    """Return how long something takes, and how much processor time, in milliseconds."""
    begin_s, own_begin_s = time.perf_counter(), time.process_time()
    work()
    elapsed_s = (time.perf_counter() - begin_s, time.process_time() - own_begin_s)
    return np.array(elapsed_s) * 1e3


def fill(planner: Planner, ask: Ask, n_notes: int | None = None) -> None:
    """Plan to the end of what is asked, or so many notes."""
    while not planner.is_full(ask) and (n_notes is None or len(planner.plan) < n_notes):
        planner.step(ask)


def replanned(
    planner: Planner, around: Round, number: int, options: Settings | None
) -> dict[str, Figures]:
    """Return the milliseconds of everything, by name, and how many notes were planned."""
    note = around.note(number)
    frame = around.frame(around.note(number - MEMORY).onset, note.onset)
    heard = [around.note(before) for before in range(number - MEMORY * 5 // 4, number)]
    memory = [before for before in heard if before.onset >= frame.onset]
    end = note.onset + BARS * frame.bar_ticks(frame.bar_of(note.onset))
    ask = Ask(note.onset + 1, end, BAND)

    def asked() -> Ask:
        if options is None:
            return ask
        return ask_for(options, frame, memory, voices=BAND, begin=ask.begin, end=end)

    found = {
        "tell it all that was played since": timed_ms(
            lambda: planner.attend(memory, frame, note.onset - 1)
        ),
        "run that through the model": timed_ms(planner.catch_up),
    }
    told = timed_ms(lambda: planner.attend([*memory, note], frame, note.onset))
    first = told + timed_ms(lambda: fill(planner, asked(), 1))
    whole = first + timed_ms(lambda: fill(planner, asked()))
    return found | {
        "tell it one note": told,
        "first note of the plan": first,
        "two bars of the plan": whole,
        "notes of the plan": np.full(2, len(planner.plan), float),
    }


def measured(
    planner: Planner, around: Round, options: Settings | None, repetitions: int
) -> dict[str, list[Figures]]:
    """Return what is measured at each of so many notes of the human, by name."""
    found: dict[str, list[Figures]] = {}
    number = 2 * MEMORY
    for repetition in range(-WARM_UP, repetitions):
        while around.note(number).voice != HUMAN:
            number += 1
        row = replanned(planner, around, number, options)
        for name, value in row.items() if repetition >= 0 else ():
            found.setdefault(name, []).append(value)
        planner.drop()
        number += 1
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, help="default: the one in the package")
    parser.add_argument("--repetitions", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1, help="0: as the engine chooses")
    asked = parser.parse_args()
    bundle = load_bundle(asked.bundle)
    around = Round(*piece(prompt_with(None, bundle)))
    print(*machine_lines("numpy", "onnxruntime", "sideman"), sep="\n")
    print(f"bundle    {bundle.name}; {asked.repetitions} notes; {MEMORY} notes of memory")
    print(f"beside    one sixteenth at 120 bpm is {SIXTEENTH_MS:g} ms")
    band = Settings(key="F major", quantise="16", density=7)
    for name, options in {"no limits": None, "key, grid and density": band}.items():
        found = measured(
            Planner(bundle, threads=asked.threads), around, options, asked.repetitions
        )
        print(f"\n{name:37}     p50     p99   processor p50")
        for what, values in found.items():
            unit = "  " if what.startswith("notes") else "ms"
            (low, own), (high, _) = np.percentile(values, [50, 99], axis=0)
            print(f"{what:34} {unit} {low:7.1f} {high:7.1f} {own:15.1f}")
        in_time = np.mean(np.array(found["two bars of the plan"]) <= SIXTEENTH_MS, axis=0)
        print(f"{'two bars inside one sixteenth':37} {in_time[0]:7.0%} {in_time[1]:23.0%}")


if __name__ == "__main__":
    main()
