"""Do the keys and chords told from the notes agree with what people wrote down?

    .venv/bin/python benchmarks/harmony.py --pack PACK [--files 300]

Keys are compared with the key signatures of files that hold exactly one. Some sources state the
mode as well; others write every signature as a major key, so that only the signature counts.

Chords are compared with block chords read exactly, without the finder: a lead sheet's second
part. The finder hears the whole file, or the tune alone, or a band's arrangement of the song
(`band-synth`, made from the same lead sheet), in which nobody plays the sheet's blocks. The
measures are the weighted chord symbol recalls of MIREX, over all files of a source together.

The finders' numbers were chosen on one half of the titles; these figures are of the other.
"""

import argparse
import hashlib
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import mir_eval
import numpy as np
from machine import machine_lines
from numpy.typing import NDArray

from sideman.analysis.chords import find_chords
from sideman.analysis.keys import FoundKey, find_key
from sideman.score.harmony import (
    N_PITCH_CLASSES,
    QUALITIES,
    QUALITY_NAMES,
    Chord,
    chord_label,
    key_name,
)
from sideman.score.midi import read_midi
from sideman.score.types import Score

MODE_SOURCES = ("chopin-first-editions", "folk-abc", "nottingham", "polish-scores")
SIGNATURE_SOURCES = (
    "openewld-pd",
    "openhymnal",
    "openscore-lieder",
    "openscore-orchestra",
    "openscore-quartets",
)
SHEET_SOURCES = ("nottingham", "openewld-pd")
BAND_SOURCE, BAND_SHEETS = "band-synth", "openewld-pd"
TUNE, BLOCKS = 0, 1
"""Parts of a lead sheet."""

BAND_TUNE = "Melody"
NOT_STATED, NO_CHORD_LABEL = "X", "N"
"""Labels: mir_eval leaves out the first, and compares the second."""

MEASURES = {
    "root": mir_eval.chord.root,
    "majmin": mir_eval.chord.majmin,
    "sevenths": mir_eval.chord.sevenths,
}

CONFIDENCES = (0.0, 0.5, 0.8, 0.95, 1.0)

Spans = tuple[NDArray[np.float64], list[str]]
"""Starts and ends in quarters, shape (N, 2), and labels."""


def title(path: Path) -> str:
    """Return what a piece is called; arrangements of a song share its title."""
    if BAND_SOURCE in path.parts:
        return path.stem.partition("_")[2].rpartition("__")[0]
    return path.stem


def held_out(pack: Path, source: str, n_files: int) -> list[Path]:
    """Return files whose titles were not tuned on, drawn by hash."""

    def digest(text: str) -> bytes:
        return hashlib.sha256(text.encode()).digest()

    paths = [path for path in (pack / source).rglob("*.mid") if digest(title(path))[0] % 2 == 1]
    return sorted(paths, key=lambda path: digest(str(path.relative_to(pack))))[:n_files]


def stated_key(score: Score) -> tuple[int, bool] | None:
    """Return tonic and mode if the score states exactly one key."""
    keys = {(int(row["tonic"]), bool(row["is_minor"])) for row in score.keys}
    return keys.pop() if len(keys) == 1 else None


def signature(tonic: int, *, is_minor: bool) -> int:
    """Return the tonic of the major key with the same sharps or flats."""
    return (tonic + 3) % N_PITCH_CLASSES if is_minor else tonic


def print_keys(pack: Path, n_files: int) -> None:
    """Print the table of keys, and how honest the confidence is."""
    print("\nkeys, % of files with one key signature")
    print(f"{'source':24}{'files':>6}{'exact':>8}{'MIREX':>8}{'signature':>11}")
    certainty = []
    for source in (*MODE_SOURCES, *SIGNATURE_SOURCES):
        pairs = []
        for path in held_out(pack, source, n_files):
            score = read_midi(path)
            stated, found = stated_key(score), find_key(score)
            if stated and found:
                pairs.append((stated, found))
        same = 100 * statistics.mean(
            signature(tonic, is_minor=is_minor)
            == signature(found.tonic, is_minor=found.is_minor)
            for (tonic, is_minor), found in pairs
        )
        exact = mirex = "-"
        if source in MODE_SOURCES:
            certainty += [
                (found.confidence, (found.tonic, found.is_minor) == stated)
                for stated, found in pairs
            ]
            exact = (
                f"{100 * statistics.mean(right for _, right in certainty[-len(pairs) :]):.1f}"
            )
            mirex = f"{100 * statistics.mean(mirex_score(*pair) for pair in pairs):.1f}"
        print(f"{source:24}{len(pairs):6}{exact:>8}{mirex:>8}{same:11.1f}")
    print("\nconfidence     files   right %")
    for low, high in pairwise(CONFIDENCES):
        inside = [right for confidence, right in certainty if low < confidence <= high]
        print(f"{low:.2f}-{high:.2f} {len(inside):10}{100 * statistics.mean(inside):10.1f}")


def mirex_score(stated: tuple[int, bool], found: FoundKey) -> float:
    """Return 1 for the same key, and the part MIREX gives for a fifth, relative or parallel."""
    names = (
        key_name(stated[0], is_minor=stated[1]),
        key_name(found.tonic, is_minor=found.is_minor),
    )
    return float(mir_eval.key.weighted_score(*names))


def block_chord(pitches: Iterable[int]) -> str:
    """Return the label of a block; where several chords hold its tones, that on its bass."""
    ordered = sorted(pitches)
    for root in ordered:
        steps = tuple(sorted({(pitch - root) % N_PITCH_CLASSES for pitch in ordered}))
        for name, tones in QUALITIES.items():
            if steps == tones:
                quality = QUALITY_NAMES.index(name)
                return chord_label(Chord(root % N_PITCH_CLASSES, quality))
    return NOT_STATED


def sheet_chords(sheet: Score) -> Spans:
    """Return the chords of a lead sheet; each holds until the next."""
    blocks = defaultdict(list)
    for note in sheet.notes[sheet.notes["part"] == BLOCKS]:
        blocks[int(note["onset"])].append(int(note["pitch"]))
    edges = np.array([*blocks, sheet.end]) / sheet.tpq
    return np.stack([edges[:-1], edges[1:]], axis=1), [*map(block_chord, blocks.values())]


def found_chords(score: Score, delay: float = 0.0) -> Spans:
    """Return what the finder finds, `delay` quarters later."""
    chords = find_chords(score)
    end = max(score.end, int(chords["onset"][-1]) + 1)  # the last may be the rest at the end
    edges = np.append(chords["onset"], end) / score.tpq + delay
    labels = [chord_label(Chord(*map(int, tuple(row)[1:]))) for row in chords]
    return np.stack([edges[:-1], edges[1:]], axis=1), labels


def tune_alone(sheet: Score) -> Score:
    """Return a lead sheet without its blocks."""
    return sheet.with_notes(sheet.notes[sheet.notes["part"] == TUNE])


def first_of_tune(score: Score) -> float:
    """Return the quarter where the tune begins, in a sheet or in a band's arrangement of it."""
    names = [part.name for part in score.parts]
    tune = names.index(BAND_TUNE) if BAND_TUNE in names else TUNE
    return float(score.notes["onset"][score.notes["part"] == tune].min()) / score.tpq


def lead_sheets(paths: Iterable[Path]) -> Iterator[tuple[Path, Score]]:
    """Yield the files that hold a tune and blocks."""
    for path in paths:
        score = read_midi(path)
        if len(score.parts) == 2:
            yield path, score


def chord_pairs(pack: Path, n_files: int) -> Iterator[tuple[str, Spans, Spans]]:
    """Yield the name of a task, the chords stated and the chords found, file by file."""
    for source in SHEET_SOURCES:
        for _, sheet in lead_sheets(held_out(pack, source, n_files)):
            stated = sheet_chords(sheet)
            yield f"{source}, all", stated, found_chords(sheet)
            yield f"{source}, tune alone", stated, found_chords(tune_alone(sheet))
    sheets = {
        title(path): sheet for path, sheet in lead_sheets((pack / BAND_SHEETS).rglob("*.mid"))
    }
    for path in held_out(pack, BAND_SOURCE, n_files):
        if title(path) in sheets:
            song, band = sheets[title(path)], read_midi(path)
            delay = round(4 * (first_of_tune(song) - first_of_tune(band))) / 4
            yield BAND_SOURCE, sheet_chords(song), found_chords(band, delay)


def n_changes(labels: list[str]) -> int:
    """Return how many chords there are when repetitions count once."""
    return 1 + sum(before != after for before, after in pairwise(labels))


def print_chords(pack: Path, n_files: int) -> None:
    """Print the table of chords."""
    sums: dict[str, Counter[str]] = defaultdict(Counter)
    for task, stated, found in chord_pairs(pack, n_files):
        spans, labels = mir_eval.util.adjust_intervals(
            *found, stated[0].min(), stated[0].max(), NO_CHORD_LABEL, NO_CHORD_LABEL
        )
        merged, left, right = mir_eval.util.merge_labeled_intervals(*stated, spans, labels)
        durations = mir_eval.util.intervals_to_durations(merged)
        sums[task].update(files=1, stated=n_changes(stated[1]), found=n_changes(found[1]))
        for name, measure in MEASURES.items():
            agrees = measure(left, right)  # -1 where the stated chord does not count
            sums[task][name] += durations[agrees > 0].sum()
            sums[task][f"all {name}"] += durations[agrees >= 0].sum()
    print("\nchords, weighted chord symbol recall, %; chords found for each one stated")
    print(f"{'task':24}{'files':>6}" + "".join(f"{n:>10}" for n in (*MEASURES, "found")))
    for task, figures in sums.items():
        recalls = "".join(f"{100 * figures[n] / figures[f'all {n}']:10.1f}" for n in MEASURES)
        ratio = figures["found"] / figures["stated"]
        print(f"{task:24}{figures['files']:6}{recalls}{ratio:10.2f}")


def print_speed(pack: Path, n_files: int) -> None:
    """Print how long the chords of a file take, its key included."""
    print("\nspeed of find_chords")
    print(f"{'source':24}{'files':>6}{'notes':>9}{'ms/file':>9}{'us/note':>9}")
    for source in (*MODE_SOURCES, *SIGNATURE_SOURCES, BAND_SOURCE):
        scores = [read_midi(path) for path in held_out(pack, source, n_files)]
        before = time.perf_counter()
        for score in scores:
            find_chords(score)
        seconds = time.perf_counter() - before
        n_notes = sum(len(score.notes) for score in scores)
        each = f"{1e3 * seconds / len(scores):9.2f}{1e6 * seconds / n_notes:9.2f}"
        print(f"{source:24}{len(scores):6}{n_notes:9}{each}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, required=True, help="folder of MIDI by source")
    parser.add_argument("--files", type=int, default=300, help="most files of each source")
    asked = parser.parse_args()
    print("\n".join(machine_lines("sideman", "numpy", "mir_eval")))
    for table in (print_keys, print_chords, print_speed):
        table(asked.pack, asked.files)


if __name__ == "__main__":
    main()
