"""How well does live play follow a person who plays freely? Beats found as they pass.

    .venv/bin/python benchmarks/beat_following.py --asap FOLDER --groove FOLDER [--files 30]

Human performances with known beats are played to `sideman.live.beat_follower` note by note, in
virtual time; what it is judged by are the moments at which the timeline passes its quarters.
ASAP (Foscarin et al. 2020) is piano recitals whose beats were annotated by people; in Groove
(Gillick et al. 2019) drummers played to a click, so the beats are those of the file. Beside it,
on the same files, stand the tracker that knows the whole piece, and a metronome at the piece's
mean tempo that begins anywhere: what is hit by chance.

F-measures are mir_eval's, at 70 ms, the first 5 s left out: at the level of the known beats,
and at the best of half, double, triple, fourfold and every third. The error of the tempo is the
median of its size at whole seconds, at the best of these levels, against the tempo of the four
beats around. A follower has locked when four quarters in a row were within 70 ms of beats in a
row of one level; a piece in which that never comes to be counts as its whole length.
The cost is processor time for each second of music.
"""

import argparse
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from beats import f_measure, f_measure_any_level, split
from machine import machine_lines
from numpy.typing import NDArray

from sideman.analysis.beats import track_beats
from sideman.live.beat_follower import BeatFollower
from sideman.live.timeline import Timeline
from sideman.live.walk import Walk
from sideman.score.midi import read_midi
from sideman.score.time import SECONDS_PER_MINUTE, ticks_to_seconds
from sideman.score.types import TPQ, Score

Seconds = NDArray[np.float64]

SEED = 1
STEP_S = 0.02
"""How often the follower is asked to follow; the timeline is read as often."""

MIN_S = 30.0
NEAR_S = 0.07
IN_A_ROW = 4
LEVELS = np.log2([1, 2, 1 / 2, 3, 1 / 3, 4, 1 / 4])


class Piece(NamedTuple):
    """A performance and its known beats between its first and last onset."""

    score: Score
    beats_s: Seconds


class Followed(NamedTuple):
    """What a follower did: quarters as they passed, and its tempo at each whole second."""

    quarters_s: Seconds
    tempo_bpm: Seconds
    cost: float


def shuffled(paths: list[Path]) -> list[Path]:
    return random.Random(SEED).sample(paths, len(paths))


def asap(folder: Path) -> Iterator[Piece]:
    """Yield performances of the ASAP data set in a fixed random order."""
    ending = "_annotations.txt"
    for path in shuffled(sorted(folder.rglob(f"*{ending}"))):
        played = path.with_name(path.name.removesuffix(ending) + ".mid")
        if path.name.startswith("midi_score") or not played.is_file():
            continue
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        beats_s = [float(row[0]) for row in rows if row[2].split(",")[0] in ("b", "db")]
        yield between_notes(read_midi(played), np.array(beats_s))


def groove(folder: Path) -> Iterator[Piece]:
    """Yield the longer takes of the Groove data set in a fixed random order."""
    for path in shuffled(sorted(folder.rglob("*_beat_*.mid"))):
        score = read_midi(path)
        if ticks_to_seconds(score, score.end) >= MIN_S:
            quarters = np.arange(0, score.end, score.tpq)
            yield between_notes(score, ticks_to_seconds(score, quarters))


def between_notes(score: Score, beats_s: Seconds) -> Piece:
    onsets_s = ticks_to_seconds(score, score.notes["onset"])
    is_inside = (beats_s >= onsets_s[0] - NEAR_S) & (beats_s <= onsets_s[-1] + NEAR_S)
    return Piece(score, beats_s.compress(is_inside))


def follow(score: Score) -> Followed:
    """Return what a follower does that hears a performance as it is played."""
    notes = score.notes
    onsets_s = ticks_to_seconds(score, notes["onset"]).tolist()
    timeline = Timeline()
    follower, walk = BeatFollower(timeline), Walk(timeline, 0.0)
    quarters_s, tempos = [], []
    spent_s, heard = 0.0, 0
    for step in range(1, int(onsets_s[-1] / STEP_S) + 1):
        now_s = step * STEP_S
        begin_s = time.process_time()
        while heard < len(notes) and onsets_s[heard] <= now_s:
            row = notes[heard]
            follower.hear(onsets_s[heard], int(row["pitch"]), int(row["velocity"]))
            heard += 1
        follower.follow(now_s)
        spent_s += time.process_time() - begin_s
        quarters_s += [at_s for at_s, tick, _ in walk.until(now_s) if tick % TPQ == 0]
        if step % round(1 / STEP_S) == 0:
            tempos.append(follower.tempo_bpm or np.nan)
    return Followed(np.array(quarters_s), np.array(tempos), spent_s / onsets_s[-1])


def tempo_error(beats_s: Seconds, tempo_bpm: Seconds) -> float:
    """Return the median error of tempos at seconds 1, 2, …, as a share, at the best level."""
    four_s = beats_s[IN_A_ROW:] - beats_s[:-IN_A_ROW]
    known_bpm = SECONDS_PER_MINUTE * IN_A_ROW / four_s
    middles_s = beats_s[IN_A_ROW // 2 : -(IN_A_ROW // 2)]
    at_s = np.arange(1, len(tempo_bpm) + 1)
    ratio = np.log2(tempo_bpm / np.interp(at_s, middles_s, known_bpm))
    ratio = ratio.compress(np.isfinite(ratio))
    if not len(ratio):
        return 1.0
    off = np.abs(ratio[:, None] - LEVELS).min(axis=1)
    return float(np.median(2**off - 1))


def lock_s(beats_s: Seconds, quarters_s: Seconds) -> float:
    """Return the seconds from the first beat until the follower had locked."""
    levels = [split(beats_s, n) for n in (1, 2, 3, 4)]
    levels += [beats_s[::2], beats_s[1::2], beats_s[::3]]
    locked = [beats_s[-1]]
    for level in levels:
        middles_s = (level[1:] + level[:-1]) / 2
        beat = np.searchsorted(middles_s, quarters_s)
        is_near = np.abs(level[beat] - quarters_s) < NEAR_S
        is_next = is_near[1:] & is_near[:-1] & (np.diff(beat) == 1)
        in_a_row = np.convolve(is_next, np.ones(IN_A_ROW - 1), "valid") == IN_A_ROW - 1
        locked += quarters_s[IN_A_ROW - 1 :].compress(in_a_row)[:1].tolist()
    return float(min(locked) - beats_s[0])


def by_chance(beats_s: Seconds, generator: np.random.Generator) -> Seconds:
    """Return the beats of a metronome at the mean tempo that begins anywhere."""
    beat_s = float(np.diff(beats_s).mean())
    return np.arange(beats_s[0] + generator.uniform(0, beat_s), beats_s[-1], beat_s)


def measure(piece: Piece, generator: np.random.Generator) -> list[float]:
    """Return the figures of one piece, in the order of the table."""
    score, beats_s = piece
    followed = follow(score)
    rivals = (followed.quarters_s, track_beats(score)[1], by_chance(beats_s, generator))
    figures = [f(beats_s, rival) for rival in rivals for f in (f_measure, f_measure_any_level)]
    return [
        *figures,
        tempo_error(beats_s, followed.tempo_bpm),
        lock_s(beats_s, followed.quarters_s),
        1000 * followed.cost,
    ]


HEADER = """
F at 70 ms           follower    whole piece       chance
         files    same    any    same    any    same    any  tempo off  locks p50   p90  ms/s"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--asap", type=Path, help="folder of the ASAP data set")
    parser.add_argument("--groove", type=Path, help="folder of the Groove MIDI data set")
    parser.add_argument("--files", type=int, default=30, help="files of each")
    asked = parser.parse_args()
    if not (asked.asap or asked.groove):
        print("nothing measured: name a data set with --asap FOLDER or --groove FOLDER")
        return
    print("\n".join([*machine_lines("sideman", "numpy", "mir_eval"), HEADER]))
    for name, read, folder in (("ASAP", asap, asked.asap), ("Groove", groove, asked.groove)):
        if folder is None:
            continue
        generator = np.random.default_rng(SEED)
        pieces = itertools.islice(read(folder), asked.files)
        figures = np.array([measure(piece, generator) for piece in pieces])
        means = figures.mean(axis=0)
        cells = "".join(
            f"{f:>8.2f}{g:>7.2f}" for f, g in zip(means[:6:2], means[1:6:2], strict=True)
        )
        p50, p90 = np.percentile(figures[:, 7], [50, 90])
        print(
            f"{name:<8}{len(figures):>6}{cells}{np.median(figures[:, 6]):>11.1%}"
            f"{p50:>9.1f} s{p90:>4.0f} s{means[8]:>6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
