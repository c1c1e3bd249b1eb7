"""How fast is a MIDI file encoded, beside MidiTok's REMI?

    .venv/bin/python benchmarks/encode.py --pack FOLDER [--files 500]

The same files, already parsed, are encoded in one process, and CPU time is counted; the two
take turns. For the way from files to shards see `benchmarks/corpus.py`.
"""

import argparse
import random
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import symusic
from machine import machine_lines
from miditok import REMI, TokenizerConfig

from sideman.errors import MidiFileError
from sideman.score.midi import read_midi
from sideman.score.types import Score
from sideman.tokens.codec import encode
from sideman.tokens.vocabulary import Kind

REMI_CONFIG = {
    "pitch_range": (0, 127),
    "beat_res": {(0, 4): 8, (4, 12): 4},
    "num_velocities": 32,
    "use_programs": True,
    "one_token_stream_for_programs": True,
    "use_tempos": True,
    "use_time_signatures": True,
}
"""REMI with 8 positions a beat, 32 velocities, programs; all else as MidiTok sets it."""

NOT_MUSIC = ("hostile",)
"""Folders of a pack that hold broken files, for other tests."""

SEED = 1
REPETITIONS = 5
MIN_NOTES = 8
"""Fewest notes of a file that is compared."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The same files as either side wants them.

    Attributes:
        ours: Scores.
        theirs: The same files, parsed by symusic.
    """

    ours: list[Score]
    theirs: list[object]

    @property
    def n_notes(self) -> int:
        """Notes in all files."""
        return sum(len(score.notes) for score in self.ours)


def midi_paths(pack: Path) -> list[Path]:
    """Return the files of a pack, in order."""
    return sorted(
        path for path in pack.rglob("*.mid") if path.relative_to(pack).parts[0] not in NOT_MUSIC
    )


def draw_sample(paths: Sequence[Path], n_files: int) -> Sample:
    """Return the first `n_files` of the shuffled files that both sides can read."""
    sample = Sample([], [])
    for path in random.Random(SEED).sample(paths, len(paths)):
        if len(sample.ours) == n_files:
            break
        try:
            score, theirs = read_midi(path), symusic.Score(path)
        except (MidiFileError, RuntimeError):
            continue
        if len(score.notes) >= MIN_NOTES:
            sample.ours.append(score)
            sample.theirs.append(theirs)
    return sample


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the seconds of CPU time that `work` takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(sample: Sample) -> list[str]:
    """Return the table that compares our encoding with MidiTok's."""
    tokenizer = REMI(TokenizerConfig(**REMI_CONFIG))
    spelled = [encode(score)[0] for score in sample.ours]  # also the warm-up
    tokens = [tokenizer.encode(score).tokens for score in sample.theirs]
    lengths = (sum(map(len, spelled)), sum(map(len, tokens)))
    kept = (
        sum(int((events[:, 0] == Kind.NOTE).sum()) for events in spelled),
        sum(token.startswith("Pitch") for piece in tokens for token in piece),
    )
    works = (
        lambda: [encode(score) for score in sample.ours],
        lambda: [tokenizer.encode(score) for score in sample.theirs],
    )
    turns = [[cpu_seconds(work) for work in works] for _ in range(REPETITIONS)]
    rates = [sample.n_notes / statistics.median(times) for times in zip(*turns, strict=True)]
    ratios = [theirs / ours for ours, theirs in turns]
    rows = [
        f"{name:<16}{rate:>14,.0f}{length:>14,}{notes:>14,}"
        for name, rate, length, notes in zip(
            ("sideman", "MidiTok REMI"), rates, lengths, kept, strict=True
        )
    ]
    return [
        f"encode {len(sample.ours)} files, {sample.n_notes:,} notes; one process, parsing left "
        f"out, median of {REPETITIONS} turns",
        f"MidiTok config: {REMI_CONFIG}",
        "",
        f"{'':<16}{'notes/s of CPU':>14}{'steps':>14}{'notes kept':>14}",
        *rows,
        f"ratio {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})",
    ]


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, help="folder of MIDI files")
    parser.add_argument("--files", type=int, default=500, help="files to compare on")
    asked = parser.parse_args()
    if asked.pack is None:
        print("nothing measured: name a folder of MIDI files with --pack FOLDER")
        return
    print("\n".join(machine_lines("sideman", "miditok", "symusic", "numpy")))
    sample = draw_sample(midi_paths(asked.pack), asked.files)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MidiTok warns of what its vocabulary lacks
        print("\n".join(["", *compare(sample)]))


if __name__ == "__main__":
    main()
