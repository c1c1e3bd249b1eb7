"""How well is timing told, are beats of performances found, and bar lines judged?

    .venv/bin/python benchmarks/beats.py --pack FOLDER [--files 60] [--fit]

Scores whose beats are known are performed by a simulated player with a seed (drifting tempo,
rubato at the ends of phrases, uneven attacks, spread chords), written as 120 bpm, tracked, and
compared by mir_eval (F-measure at 70 ms). Transcribed recitals have no known beats: of them is
said how many attacks lie near a tracked sixteenth or triplet, against as many at random phases.
Bar lines are judged as stated, and with a beat of silence put before them. `--fit`
instead fits the weights of `sideman.analysis.metre` to files not measured, and prints them.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import mir_eval
import numpy as np
from machine import machine_lines
from numpy.typing import NDArray

from sideman.analysis import metre
from sideman.analysis.beats import How, align, track_beats
from sideman.analysis.timing import SIXTEENTHS_AND_TRIPLETS, measure_timing
from sideman.errors import MidiFileError
from sideman.score.edit import shift
from sideman.score.midi import read_midi
from sideman.score.time import (
    QUARTERS_PER_WHOLE,
    SECONDS_PER_MINUTE,
    bar_starts,
    metre_spans,
    ticks_to_seconds,
)
from sideman.score.types import TIME_SIGNATURE_DTYPE, Score, table

Seconds = NDArray[np.float64]

SEED = 1

BARRED = (
    "openscore-lieder",
    "openscore-quartets",
    "openscore-orchestra",
    "polish-scores",
    "nottingham",
    "openewld-pd",
    "band-synth",
    "freedoom",
)
"""Folders whose bar lines are those of a score, or of a sequencer."""

DOUBTFUL = ("chopin-first-editions", "jsb-chorales")
"""Not fitted to; in the latter a pick-up is often written as if it began a bar."""

ACCENTED = ("openhymnal", "folk-abc")
"""Made by abc2midi: neither fitted to nor taken for well barred."""

PERFORMED = ("chopin-first-editions", "openscore-lieder", "polish-scores", "openewld-pd")
"""Folders that the simulated player plays from."""

LIMITS = (0.001, 0.005, 0.01, 0.02, 0.05)

HELD_OUT = 60
"""Files of each folder that are measured, and not fitted to."""

FIT_FILES = 250
RIDGE = 5.0
FIT_STEPS = 30
MIN_NOTES = 60


def draw(pack: Path, source: str, n_files: int, first: int = 0) -> Iterator[Score]:
    """Yield the scores of `n_files` shuffled files of a folder, but broken and tiny ones."""
    paths = sorted((pack / source).rglob("*.mid"))
    shuffled = random.Random(SEED).sample(paths, len(paths))
    for path in shuffled[first : first + n_files]:
        try:
            score = read_midi(path)
        except MidiFileError:
            continue
        if len(score.notes) >= MIN_NOTES:
            yield score


def fit_weights(pack: Path) -> list[str]:
    """Return the weights and biases of a conditional logit, as lines of Python."""
    choices = []
    for source in BARRED:
        found = [
            choice
            for index, score in enumerate(draw(pack, source, FIT_FILES, HELD_OUT))
            for choice in fit_choices(score, np.random.default_rng(index))
        ]
        choices += [(options, right, 100 / len(found)) for options, right in found]
    weights = np.zeros(metre.WEIGHTS.size + len(metre.NUMERATOR_BIAS))
    for _ in range(FIT_STEPS):  # Newton's method: the likelihood is concave
        gradient, curvature = -RIDGE * weights, RIDGE * np.eye(len(weights))
        for options, right, count in choices:
            powers = np.exp(options @ weights - (options @ weights).max())
            probs = powers / powers.sum()
            mean = probs @ options
            gradient += count * (options[right] - mean)
            curvature += count * ((options * probs[:, None]).T @ options - np.outer(mean, mean))
        weights += np.linalg.solve(curvature, gradient)
    table = weights[: metre.WEIGHTS.size].reshape(metre.WEIGHTS.shape)
    return [
        f"{len(choices)} choices",
        *(
            f"    {[float(round(w, 2)) for w in row]},  # {name}"
            for row, name in zip(table, metre.LEVELS, strict=True)
        ),
        str([float(round(bias, 2)) for bias in weights[metre.WEIGHTS.size :]]),
    ]


def fit_choices(
    score: Score, generator: np.random.Generator
) -> Iterator[tuple[NDArray[np.float64], int]]:
    """Yield what the bar lines of a score were chosen from, and which is right.

    Once among places of bars as long as the stated ones; and for bars of 2, 3 or 4 quarters
    once among all such bars and places, counted from a beat drawn at random.
    """
    biases = np.eye(len(metre.NUMERATOR_BIAS))
    numerator, denominator, fits = metre.stated_fits(score)
    if fits.any():
        yield np.hstack([fits, np.zeros((len(fits), len(biases)))]), 0
    quarters = numerator * QUARTERS_PER_WHOLE // denominator
    is_plain = len(metre_spans(score)) == 1 and denominator in (2, 4)
    if not (fits.any() and is_plain and quarters in metre.NUMERATOR_BIAS):
        return
    start = int(generator.integers(quarters))
    evidence = metre.observe(score)[start * metre.STEPS_PER_QUARTER :]
    options: list[NDArray[np.float64]] = []
    right = 0
    for bias, candidate in zip(biases, metre.NUMERATOR_BIAS, strict=True):
        found = metre.bar_fits(evidence, candidate, metre.STEPS_PER_QUARTER)
        if candidate == quarters:
            right = sum(len(option) for option in options) + (-start) % quarters
        options.append(np.hstack([found, np.tile(bias, (len(found), 1))]))
    yield np.vstack(options), right


def perform(
    score: Score, generator: np.random.Generator
) -> tuple[Score, Callable[..., Seconds]]:
    """Return a performance, as 120 bpm, and when it comes to each quarter, in seconds."""
    notes = score.notes.copy()
    onset, end = notes["onset"] / score.tpq, (notes["onset"] + notes["duration"]) / score.tpq
    total_s = ticks_to_seconds(score, score.end)
    usual = SECONDS_PER_MINUTE * score.end / score.tpq / total_s
    tempo_bpm = np.clip(usual, 60, 180) * generator.uniform(0.9, 1.1)
    quarters = np.arange(0, end.max() + 2, 0.25)
    knots = np.arange(0, end.max() + 10, 8)  # the tempo drifts from one to the next
    walk = np.clip(np.cumsum(generator.normal(0, 0.03, len(knots))), -0.15, 0.15)
    log_tempo = np.interp(quarters, knots, walk)
    for phrase_end in bar_starts(score)[4::4] / score.tpq:
        nearness = np.clip(1 - (phrase_end - quarters) / 2, 0, 1) * (quarters < phrase_end)
        log_tempo -= generator.uniform(0.1, 0.3) * nearness
    quarter_s = SECONDS_PER_MINUTE / tempo_bpm * np.exp(-log_tempo)
    at_s = 0.5 + np.append(0, np.cumsum(0.25 * (quarter_s[1:] + quarter_s[:-1]) / 2))

    def to_seconds(quarter: Seconds) -> Seconds:
        seconds: Seconds = np.interp(quarter, quarters, at_s)
        return seconds

    chords, chord = np.unique(onset, return_inverse=True)
    jitter_s = generator.uniform(0.01, 0.03)
    late_s = np.clip(generator.normal(0, jitter_s, len(chords)), -2 * jitter_s, 2 * jitter_s)
    onset_s = to_seconds(onset) + late_s[chord] + generator.uniform(0, 0.012, len(onset))
    end_s = np.maximum(to_seconds(end), onset_s + 0.05)
    notes["onset"] = np.rint(np.maximum(onset_s, 0) * 960)
    notes["duration"] = np.maximum(np.rint(end_s * 960) - notes["onset"], 1)
    return Score(notes, score.parts, tpq=480), to_seconds


def known_beats(score: Score) -> tuple[Seconds, Seconds]:
    """Return beats and downbeats in quarters, between the first and the last onset."""
    spans, starts = metre_spans(score), bar_starts(score) / score.tpq
    span = np.searchsorted(spans["onset"] / score.tpq, starts[:-1], side="right") - 1
    beats = []
    for start, end, index in zip(starts[:-1], starts[1:], span, strict=True):
        _, numerator, denominator = spans[index].tolist()
        is_compound = denominator > QUARTERS_PER_WHOLE and numerator % 3 == 0
        beat = QUARTERS_PER_WHOLE / denominator * (3 if is_compound else 1)
        beats += np.arange(start, end - 1e-6, beat).tolist()
    onsets = score.notes["onset"] / score.tpq

    def inside(quarters: Seconds) -> Seconds:
        is_inside = (quarters >= onsets[0] - 0.01) & (quarters <= onsets[-1] + 0.01)
        return quarters.compress(is_inside)

    return inside(np.array(beats)), inside(starts)


def f_measure(known_s: Seconds, found_s: Seconds) -> float:
    """Return the F-measure at 70 ms, the first 5 s left out, as mir_eval has it."""
    trimmed = [mir_eval.beat.trim_beats(beats) for beats in (known_s, found_s)]
    return float(mir_eval.beat.f_measure(*trimmed)) if min(map(len, trimmed)) else 0.0


def split(beats: Seconds, n: int) -> Seconds:
    """Return beats `n` times as many."""
    places = np.arange(0, len(beats) - 1 + 1e-6, 1 / n)
    more: Seconds = np.interp(places, np.arange(len(beats)), beats)
    return more


def f_measure_any_level(known_s: Seconds, found_s: Seconds) -> float:
    """Return the best F-measure over half, double, triple, fourfold and every third beat."""
    levels = [split(known_s, n) for n in (1, 2, 3, 4)]
    levels += [known_s[::2], known_s[1::2], known_s[::3]]
    return max(f_measure(level, found_s) for level in levels)


def timing_table(pack: Path, n_files: int) -> list[str]:
    """Return what `align` does with each folder, in files."""
    hows: tuple[How, ...] = get_args(How)
    lines = [f"{'what is done':<24}" + "".join(f"{how:>11}" for how in hows) + "  deviation"]
    for folder in sorted(path.name for path in pack.iterdir() if path.name != "hostile"):
        scores = list(draw(pack, folder, n_files))
        done = Counter(align(score).how for score in scores)
        deviation = np.median([measure_timing(score).deviation for score in scores])
        counts = "".join(f"{done[how]:>11}" for how in hows)
        lines.append(f"{folder:<24}{counts}{deviation:>11.2f}")
    return lines


def tracking_table(pack: Path, n_files: int) -> list[str]:
    """Return how well beats of simulated performances are found."""
    lines = [
        f"{'simulated performances':<24}{'files':>7}{'beats F':>9}{'any level':>11}"
        f"{'median':>8}{'failed':>8}{'downbeats F':>13}{'ms / 3 min':>12}"
    ]
    for folder in PERFORMED:
        rows, n_failed = [], 0
        for index, score in enumerate(draw(pack, folder, n_files)):
            beats, downbeats = known_beats(score)
            if len(beats) < 16:
                continue
            played, to_seconds = perform(score, np.random.default_rng(index))
            start = time.perf_counter()
            _, found = track_beats(played)
            ms = 1000 * (time.perf_counter() - start) * 180 / found[-1]
            known_s = to_seconds(beats)
            aligned = align(played)
            n_failed += aligned.how == "failed"
            downbeat_f = f_measure(to_seconds(downbeats), _bars_s(played, aligned.score))
            any_level = f_measure_any_level(known_s, found)
            rows.append((f_measure(known_s, found), any_level, downbeat_f, ms))
        same, any_level, downbeat, ms = np.mean(rows, axis=0)
        median = np.median([row[1] for row in rows])
        lines.append(
            f"{folder:<24}{len(rows):>7}{same:>9.2f}{any_level:>11.2f}{median:>8.2f}"
            f"{n_failed:>8}{downbeat:>13.2f}{ms:>12.1f}"
        )
    return lines


def _bars_s(played: Score, aligned: Score) -> Seconds:
    """Return the bar lines of an aligned score in seconds of the performance."""
    firsts = [ticks_to_seconds(s, s.notes["onset"][0]) for s in (played, aligned)]
    return ticks_to_seconds(aligned, bar_starts(aligned)) + firsts[0] - firsts[1]


def recital_table(pack: Path, n_files: int) -> list[str]:
    """Return how near attacks of recitals are to tracked sixteenths and triplets."""
    rows = []
    generator = np.random.default_rng(SEED)
    for score in draw(pack, "giantmidi-sample", n_files):
        attacks, beats = track_beats(score)
        quarters = np.interp(attacks, beats, np.arange(len(beats)))
        beat_s = np.interp(attacks, (beats[1:] + beats[:-1]) / 2, np.diff(beats))
        row = []
        for phases in (quarters % 1, generator.random(len(attacks))):
            distance = np.abs(phases[:, None] - SIXTEENTHS_AND_TRIPLETS).min(axis=1) * beat_s
            row += [(distance < 0.04).mean(), (distance < 0.02).mean()]
        rows.append((*row, SECONDS_PER_MINUTE / np.median(np.diff(beats))))
    near40, near20, chance40, chance20, _ = np.mean(rows, axis=0)
    tempos = np.percentile([row[-1] for row in rows], [5, 50, 95])
    return [
        f"GiantMIDI, {len(rows)} files, attacks by a tracked sixteenth or triplet (mean)",
        f"  within 40 ms {near40:.2f}, by chance {chance40:.2f}; within 20 ms {near20:.2f}, by "
        f"chance {chance20:.2f}",
        "  median tempo, 5th, 50th, 95th percentile of files: "
        + ", ".join(f"{tempo:.0f}" for tempo in tempos),
    ]


def bars_table(pack: Path, n_files: int) -> list[str]:
    """Return how often stated bar lines win, are doubted, and doubted rightly."""
    header = "".join(f"{limit:>8}" for limit in LIMITS)
    lines = [
        "bar lines: share where the stated ones fit best; share with less confidence than a",
        "limit, as they are (false alarms, or bars that are wrong) and one beat late (hits)",
        f"{'':<24}{'files':>6}{'best':>6}  as is{header}  late{header}",
    ]
    for folder in (*BARRED, *DOUBTFUL):
        as_is, late = [], []
        for score in draw(pack, folder, n_files):
            judged = metre.judge_metre(score)
            as_is.append((judged.confidence, judged.best_phase_quarters == 0))
            beat = score.tpq * QUARTERS_PER_WHOLE // judged.denominator
            late.append(metre.judge_metre(shift(score, beat)).confidence)
        confidence, is_best = np.array(as_is).T
        lines.append(
            f"{folder:<24}{len(as_is):>6}{is_best.mean():>6.2f}       "
            + "".join(f"{(confidence < limit).mean():>8.3f}" for limit in LIMITS)
            + "      "
            + "".join(f"{(np.array(late) < limit).mean():>8.2f}" for limit in LIMITS)
        )
    return lines


def accents_table(pack: Path, n_files: int) -> list[str]:
    """Return how bar lines are judged where accents tell which are wrong, accents taken away.

    abc2midi plays the downbeats of its tunes loudest, but writes a pick-up as if it began the
    first bar, so that loudest notes and bar lines part.
    """
    limits = "".join(f"{limit:>8}" for limit in LIMITS)
    lines = [
        "bar lines against the accents of abc2midi, all notes made equally loud: share where",
        "the best bar lines are at the accents, and share with less confidence than a limit",
        f"{'':<24}{'bars':<8}{'files':>6}{'found':>7}{limits}",
    ]
    for folder in ACCENTED:
        rows = []
        for score in draw(pack, folder, n_files):
            if len(metre_spans(score)) > 1:
                continue
            notes = score.notes.copy()
            notes["velocity"] = 64
            judged = metre.judge_metre(score.with_notes(notes))
            bar = judged.numerator * QUARTERS_PER_WHOLE / judged.denominator
            way = (accent_phase(score, bar) - judged.best_phase_quarters) % bar
            rows.append((accent_phase(score, bar) == 0, way == 0, judged.confidence))
        is_right, is_found, confidence = np.array(rows, float).T
        for name, chosen in (("right", is_right == 1), ("wrong", is_right == 0)):
            lines.append(
                f"{folder:<24}{name:<8}{chosen.sum():>6}{is_found[chosen].mean():>7.2f}"
                + "".join(f"{(confidence[chosen] < limit).mean():>8.3f}" for limit in LIMITS)
            )
    return lines


def accent_phase(score: Score, bar: float) -> float:
    """Return the eighth of a bar of `bar` quarters, in quarters, with the loudest notes."""
    eighths = 2 * score.notes["onset"] / score.tpq
    on_eighth = np.abs(eighths - np.rint(eighths)) < 0.05
    place = np.rint(eighths[on_eighth]).astype(np.int64) % round(2 * bar)
    loudness = np.bincount(place, score.notes["velocity"][on_eighth])
    return float(np.argmax(loudness / np.maximum(np.bincount(place), 1))) / 2


def unbarred_table(pack: Path, n_files: int) -> list[str]:
    """Return how well bars are found where the grid is known, but only to a sixteenth."""
    lines = [
        "bars forgotten, moved by any number of sixteenths: share found again",
        f"{'':<24}{'files':>7}{'beat':>7}{'2|4 or 3':>10}{'metre and downbeat':>20}",
    ]
    for folder in BARRED:
        rows = []
        for index, score in enumerate(draw(pack, folder, n_files)):
            spans = metre_spans(score)
            _, numerator, denominator = spans[0].tolist()
            quarters = numerator * QUARTERS_PER_WHOLE // denominator
            if len(spans) > 1 or denominator > 4 or quarters not in metre.NUMERATOR_BIAS:
                continue
            moved = int(np.random.default_rng(index).integers(quarters * 4)) / 4
            unbarred = shift(
                replace(score, time_signatures=table(TIME_SIGNATURE_DTYPE)),
                round(moved * score.tpq),
            )
            bars = metre.find_bars(unbarred, places_per_quarter=4)
            way = bars.phase_quarters - moved
            rows.append(
                (
                    way % 1 == 0,
                    (bars.numerator == 3) == (quarters == 3),
                    bars.numerator == quarters and way % quarters == 0,
                )
            )
        beat, kind, both = np.mean(rows, axis=0)
        lines.append(f"{folder:<24}{len(rows):>7}{beat:>7.2f}{kind:>10.2f}{both:>20.2f}")
    return lines


TABLES = (
    timing_table,
    tracking_table,
    recital_table,
    bars_table,
    accents_table,
    unbarred_table,
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, help="folder of MIDI files")
    parser.add_argument("--files", type=int, default=HELD_OUT, help="files of each folder")
    parser.add_argument("--fit", action="store_true", help="fit the weights instead")
    asked = parser.parse_args()
    if asked.pack is None:
        print("nothing measured: name a folder of MIDI files with --pack FOLDER")
        return
    print("\n".join(machine_lines("sideman", "numpy", "mir_eval")))
    if asked.fit:
        print("\n".join(["", *fit_weights(asked.pack)]))
        return
    for measure in TABLES:
        print("\n".join(["", *measure(asked.pack, asked.files)]), flush=True)


if __name__ == "__main__":
    main()
