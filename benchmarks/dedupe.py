"""How many near duplicates are found, and how many that are none?

    .venv/bin/python benchmarks/dedupe.py --pack FOLDER --splits TABLE [--sample 300]
        [--half report] [--examples 0]

Two measures, over all files that the table names (tab-separated; columns `file`, `corpus` and
`cluster`, a number that near duplicates share):

- pairs of files in one group beside pairs in one cluster of the table. It was made by another
  method and is no truth: `--examples` prints pairs on which the two differ.
- copies planted among the files: a sample, spread over all sources, is transposed, cut,
  arranged and so on. A copy is found when it falls into the group of its original.

Constants were chosen among about ten settings by the pieces whose path hashes to an odd number
(`--half tune`); figures are of the others. The halves are not wholly apart: pairs of the whole
pack were looked at before there were halves, and a pair counts with its first file.
"""

import argparse
import csv
import hashlib
import resource
import time
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, zip_longest
from pathlib import Path

import numpy as np
from machine import machine_lines
from numpy.typing import NDArray

from sideman.corpus.duplicates import SIMILAR, Groups, find_groups
from sideman.corpus.fingerprint import Fingerprint, fingerprint
from sideman.errors import MidiFileError
from sideman.score.midi import read_midi
from sideman.score.time import resample
from sideman.score.types import Part, Score

SEED = 1
SIXTEENTH_TPQ = 4
THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
COPIES_OF_PACK = 10
MIB = 2**20
CROSS = "between sources"

READING = """\
Where the two differ, by the titles of some ten pairs of each source (see --examples); nobody
listened to them:
- openscore-orchestra, openscore-quartets, chopin: clusters hold all movements of a work or
  opus, which are other music; editions of one piece are found.
- band-synth, between sources: clusters hold all arrangements of a tune. They share the melody
  only, and are grouped where it makes up enough of the smaller file. Groups alone find songs
  that the sources share (rightly), and a few tunes over one MMA groove (wrongly).
- folk-abc, nottingham, openhymnal, polish-scores, lieder: groups alone find a tune under other
  names and in other manuscripts (Teetotaler's and Temperance Reel; Duke Street), and now and
  then only a relative of it.
- drum-machine-patterns, groove: groups alone hold takes and variants of one pattern."""

Pair = tuple[int, int]
Generator = np.random.Generator


def transposed(score: Score, rng: Generator) -> Score | None:
    """Move all but the drums by one to six semitones."""
    pitched = ~_is_drum_note(score)
    pitch = score.notes["pitch"][pitched]
    semitones = int(rng.integers(1, 7)) * int(rng.choice((-1, 1)))
    if len(pitch) == 0 or pitch.min() + semitones < 0 or pitch.max() + semitones > 127:
        return None
    notes = score.notes.copy()
    notes["pitch"][pitched] += semitones
    return score.with_notes(notes)


def other_tempo(score: Score, rng: Generator) -> Score:
    """Change every tempo by one factor."""
    tempos = score.tempos.copy()
    tempos["tempo_bpm"] *= rng.uniform(0.5, 2)
    return replace(score, tempos=tempos)


def doubled_values(score: Score, rng: Generator) -> Score:  # noqa: ARG001
    """Write crotchets for quavers."""
    notes = score.notes.copy()
    notes["onset"] *= 2
    notes["duration"] *= 2
    return score.with_notes(notes)


def cut(start: float, end: float) -> Callable[[Score, Generator], Score]:
    """Return what keeps the notes that start in a share of the piece."""

    def keep(score: Score, rng: Generator) -> Score:  # noqa: ARG001
        onset = score.notes["onset"]
        place = (onset - onset[0]) / max(1, onset[-1] - onset[0])
        notes = score.notes.compress((place >= start) & (place <= end))
        notes["onset"] -= notes["onset"][0] if len(notes) else 0
        return score.with_notes(notes)

    return keep


def other_programs(score: Score, rng: Generator) -> Score:
    """Give every part another instrument, in another order."""
    order = rng.permutation(len(score.parts))
    parts = [
        replace(score.parts[old], program=int(rng.integers(128))) for old in np.argsort(order)
    ]
    notes = score.notes.copy()
    notes["part"] = order[notes["part"]]
    return replace(score, notes=notes, parts=tuple(parts))


def merged_parts(score: Score, rng: Generator) -> Score | None:  # noqa: ARG001
    """Give all notes but the drums' to one player."""
    if len(_pitched_parts(score)) < 2:
        return None
    notes = score.notes.copy()
    notes["part"] = _is_drum_note(score)
    return replace(score, notes=notes, parts=(Part(0), Part(0, is_drum=True)))


def split_parts(score: Score, rng: Generator) -> Score | None:  # noqa: ARG001
    """Give the upper and the lower half of all notes but the drums' to two hands."""
    drums = _is_drum_note(score)
    if drums.all():
        return None
    notes = score.notes.copy()
    notes["part"] = notes["pitch"] < np.median(notes["pitch"][~drums])
    notes["part"][drums] = 2
    return replace(score, notes=notes, parts=(Part(0), Part(0), Part(0, is_drum=True)))


def dropped_part(score: Score, rng: Generator) -> Score | None:
    """Leave out one part that is not drums, where there are two or more."""
    parts = _pitched_parts(score)
    if len(parts) < 2:
        return None
    return score.with_notes(score.notes.compress(score.notes["part"] != rng.choice(parts)))


def other_velocities(score: Score, rng: Generator) -> Score:
    """Strike every note anew."""
    notes = score.notes.copy()
    notes["velocity"] = rng.integers(1, 128, len(notes))
    return score.with_notes(notes)


def altered_notes(score: Score, rng: Generator) -> Score:
    """Alter 3 % of the notes: a third of these are left out, the others get another pitch."""
    notes = score.notes.copy()
    fate = rng.random(len(notes))
    changed = fate < 0.03
    moved = notes["pitch"] + rng.integers(1, 4, len(notes)) * rng.choice((-1, 1), len(notes))
    notes["pitch"] = np.where(changed, np.clip(moved, 0, 127), notes["pitch"])
    return score.with_notes(notes.compress(fate >= 0.01))


def quantised(score: Score, rng: Generator) -> Score:  # noqa: ARG001
    """Round all onsets and durations to 16ths."""
    return resample(score, SIXTEENTH_TPQ)


KINDS: dict[str, Callable[[Score, Generator], Score | None]] = {
    "transposed by 1-6 semitones": transposed,
    "other tempo": other_tempo,
    "note values doubled": doubled_values,
    "first 75 %": cut(0, 0.75),
    "last 50 %": cut(0.5, 1),
    "middle third": cut(1 / 3, 2 / 3),
    "other programs and order": other_programs,
    "parts merged into one": merged_parts,
    "parts made two hands": split_parts,
    "one part left out": dropped_part,
    "other velocities": other_velocities,
    "3 % of notes altered": altered_notes,
    "quantised to 16ths": quantised,
}


def _is_drum_note(score: Score) -> NDArray[np.bool_]:
    is_drum = np.array([part.is_drum for part in score.parts], bool)
    of_notes: NDArray[np.bool_] = is_drum[score.notes["part"]]
    return of_notes


def _pitched_parts(score: Score) -> NDArray[np.int16]:
    parts: NDArray[np.int16] = np.unique(score.notes["part"][~_is_drum_note(score)])
    return parts


@dataclass(frozen=True, slots=True)
class Row:
    """A file of the table."""

    file: str
    corpus: str
    cluster: int

    @property
    def half(self) -> str:
        """Which half the file is in, by a hash of its path."""
        return "tune" if hashlib.sha256(self.file.encode()).digest()[0] % 2 else "report"


@dataclass(slots=True)
class Pile:
    """Files and planted copies: one row each, `original` and `kind` of copies only."""

    rows: list[Row] = field(default_factory=list)
    prints: list[Fingerprint] = field(default_factory=list)
    n_notes: list[int] = field(default_factory=list)
    originals: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    fingerprint_s: float = 0.0

    def add(
        self, row: Row, score: Score, *, original: int | None = None, kind: str = ""
    ) -> None:
        """Add a file, or a copy of the file at index `original`."""
        start = time.perf_counter()
        self.prints.append(fingerprint(score))
        self.fingerprint_s += time.perf_counter() - start
        self.originals.append(len(self.rows) if original is None else original)
        self.rows.append(row)
        self.n_notes.append(len(score.notes))
        self.kinds.append(kind)

    def arrays(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]:
        """Return signatures, counts and preference: most notes, then files before copies."""
        wanted = sorted(
            range(len(self.rows)),
            key=lambda at: (-self.n_notes[at], self.kinds[at], self.rows[at].file),
        )
        preference = np.empty(len(wanted), np.int64)
        preference[wanted] = np.arange(len(wanted))
        signatures = np.stack([item.signatures for item in self.prints])
        return signatures, np.stack([item.counts for item in self.prints]), preference


def read_table(splits: Path) -> list[Row]:
    """Return the rows of the table, sorted by path."""
    with splits.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        named = [Row(row["file"], row["corpus"], int(row["cluster"])) for row in rows]
    return sorted(named, key=lambda row: row.file)


def drawn(rows: Iterable[Row], half: str, n_pieces: int) -> list[Row]:
    """Return a sample of one half that takes turns with the sources."""
    rng = np.random.default_rng(SEED)
    by_source: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.half == half:
            by_source[row.corpus].append(row)
    columns = [
        [files[at] for at in rng.permutation(len(files))] for files in by_source.values()
    ]
    in_turn = [row for turn in zip_longest(*columns) for row in turn if row is not None]
    return in_turn[:n_pieces]


def read_pile(
    pack: Path, rows: Sequence[Row], chosen: set[str]
) -> tuple[Pile, dict[int, Score]]:
    """Return the fingerprints of all files, and the scores of those chosen by index."""
    pile, scores = Pile(), {}
    for row in rows:
        try:
            score = read_midi(pack / row.file)
        except MidiFileError:
            continue
        if row.file in chosen:
            scores[len(pile.rows)] = score
        pile.add(row, score)
    return pile, scores


def plant(pile: Pile, scores: dict[int, Score]) -> None:
    """Add copies of `scores` of every kind that the score allows."""
    rng = np.random.default_rng(SEED)
    for original, score in scores.items():
        for kind, change in KINDS.items():
            copy = change(score, rng)
            if copy is not None:
                pile.add(pile.rows[original], copy, original=original, kind=kind)


def pairs_within(labels: Iterable[int]) -> set[Pair]:
    """Return the pairs of indices that have the same label."""
    members: dict[int, list[int]] = defaultdict(list)
    for index, label in enumerate(labels):
        members[label].append(index)
    return {pair for group in members.values() for pair in combinations(group, 2)}


def source_of(rows: Sequence[Row], pair: Pair) -> str:
    """Return the source of a pair's two files."""
    first, second = (rows[index].corpus for index in pair)
    return first if first == second else CROSS


def share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "-"


def compare_pairs(pile: Pile, groups: Groups, half: str) -> tuple[set[Pair], set[Pair]]:
    """Return pairs of one cluster and pairs of one group; both of files, not of copies."""
    n_files = pile.kinds.count("")
    theirs = pairs_within(row.cluster for row in pile.rows[:n_files])
    ours = pairs_within(groups.kept[:n_files].tolist())
    theirs = {pair for pair in theirs if pile.rows[pair[0]].half == half}
    return theirs, {pair for pair in ours if pile.rows[pair[0]].half == half}


def pair_table(pile: Pile, theirs: set[Pair], ours: set[Pair]) -> list[str]:
    """Return a line for each source."""
    counted = {
        name: Counter(source_of(pile.rows, pair) for pair in pairs)
        for name, pairs in (("theirs", theirs), ("ours", ours), ("both", theirs & ours))
    }
    sources = sorted(counted["theirs"] | counted["ours"])
    lines = [f"{'source':<24}{'clusters':>9}{'groups':>8}{'both':>7}{'prec.':>8}{'recall':>8}"]
    for source in [*sources, "all"]:
        t, o, b = (
            n.total() if source == "all" else n[source]
            for n in (counted["theirs"], counted["ours"], counted["both"])
        )
        lines.append(f"{source:<24}{t:>9,}{o:>8,}{b:>7,}{share(b, o):>8}{share(b, t):>8}")
    return lines


def examples(pile: Pile, theirs: set[Pair], ours: set[Pair], n_examples: int) -> list[str]:
    """Return pairs of each source on which clusters and groups differ."""
    rng = np.random.default_rng(SEED)
    lines = []
    for name, pairs in (("cluster only", theirs - ours), ("group only", ours - theirs)):
        by_source: dict[str, list[Pair]] = defaultdict(list)
        for pair in sorted(pairs):
            by_source[source_of(pile.rows, pair)].append(pair)
        for source, found in sorted(by_source.items()):
            for at in rng.permutation(len(found))[:n_examples]:
                files = " | ".join(pile.rows[index].file for index in found[at])
                lines.append(f"{name}: {source}: {files}")
    return lines


def found_copies(pile: Pile, groups: Groups) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return the copies of each kind, those found, and those in a group of their cluster.

    A copy is in a group of its cluster, though not in its original's, when it is more like
    another arrangement of the same tune.
    """
    copies = [index for index, kind in enumerate(pile.kinds) if kind]
    kept = groups.kept
    found = [at for at in copies if kept[at] == kept[pile.originals[at]]]
    related = [
        at
        for at in set(copies) - set(found)
        if kept[at] != at and pile.rows[kept[at]].cluster == pile.rows[at].cluster
    ]
    tried, hit, near = (
        Counter(pile.kinds[at] for at in part) for part in (copies, found, related)
    )
    return tried, hit, hit + near


def planted_precision(pile: Pile, groups: Groups) -> tuple[int, int]:
    """Return the pairs grouped among copies and their originals, and those that are right.

    A pair is right when both come from one file, or from two files of one cluster.
    """
    of_sample = sorted({o for o, k in zip(pile.originals, pile.kinds, strict=True) if k})
    members = of_sample + [index for index, kind in enumerate(pile.kinds) if kind]
    pairs = pairs_within(groups.kept[members].tolist())
    clusters = [pile.rows[index].cluster for index in members]
    return len(pairs), sum(clusters[first] == clusters[second] for first, second in pairs)


def threshold_table(
    pile: Pile,
    arrays: tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]],
    half: str,
) -> list[str]:
    """Return a line for each threshold."""
    lines = [
        f"{'similar':<9}{'groups':>8}{'both':>7}{'prec.':>8}{'recall':>8}{'copies found':>14}"
    ]
    for similar in THRESHOLDS:
        groups = find_groups(*arrays, similar=similar)
        theirs, ours = compare_pairs(pile, groups, half)
        tried, found, _ = found_copies(pile, groups)
        both = len(theirs & ours)
        lines.append(
            f"{similar:<9}{len(ours):>8,}{both:>7,}{share(both, len(ours)):>8}"
            f"{share(both, len(theirs)):>8}{share(found.total(), tried.total()):>14}"
        )
    return lines


def copy_table(pile: Pile, groups: Groups) -> list[str]:
    """Return a line for each kind of copy."""
    tried, found, in_cluster = found_copies(pile, groups)
    lines = [f"{'copies':<28}{'planted':>8}{'found':>7}{'recall':>8}{'in cluster':>12}"]
    for kind in [*KINDS, "all"]:
        n, hit, near = (
            counts.total() if kind == "all" else counts[kind]
            for counts in (tried, found, in_cluster)
        )
        lines.append(f"{kind:<28}{n:>8,}{hit:>7,}{share(hit, n):>8}{share(near, n):>12}")
    return lines


def missed_lines(pile: Pile, groups: Groups) -> list[str]:
    """Return how many copies of each source are not found, most first."""
    missed = Counter(
        pile.rows[index].corpus
        for index, kind in enumerate(pile.kinds)
        if kind and groups.kept[index] != groups.kept[pile.originals[index]]
    )
    return ["not found: " + ", ".join(f"{n} {name}" for name, n in missed.most_common())]


def measured_search(pile: Pile, copies: int) -> str:
    """Return time and memory of the search among the pack's files, `copies` times over.

    Each time the signatures are changed alike, so that copies of the pack share nothing.
    """
    signatures, counts, preference = pile.arrays()
    salts = np.random.default_rng(SEED).integers(2**32, size=copies, dtype=np.uint32)
    salts[0] = 0
    signatures = np.concatenate([signatures ^ salt for salt in salts])
    counts = np.concatenate([counts] * copies)
    preference = np.concatenate([preference + at * len(preference) for at in range(copies)])
    start = time.perf_counter()
    find_groups(signatures, counts, preference)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    find_groups(signatures, counts, preference)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (
        f"search     {len(counts):>9,} files {seconds:>6.1f} s; "
        f"{signatures.nbytes / MIB:.0f} MiB of signatures, at most {peak / MIB:.0f} MiB more"
    )


def report(pile: Pile, half: str, n_examples: int) -> list[str]:
    """Return all tables."""
    arrays = pile.arrays()
    groups = find_groups(*arrays)
    theirs, ours = compare_pairs(pile, groups, half)
    n_pairs, n_right = planted_precision(pile, groups)
    return [
        f"pairs of files, similar {SIMILAR}",
        *pair_table(pile, theirs, ours),
        READING,
        "",
        f"planted copies, similar {SIMILAR}",
        *copy_table(pile, groups),
        *missed_lines(pile, groups),
        f"pairs in one group among copies and their originals: {n_pairs:,}, of which "
        f"{n_right:,} from one file or cluster: precision {share(n_right, n_pairs)}",
        "",
        *threshold_table(pile, arrays, half),
        *examples(pile, theirs, ours, n_examples),
    ]


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument("--splits", type=Path, required=True, help="table of clusters")
    parser.add_argument("--sample", type=int, default=300, help="pieces to plant copies of")
    parser.add_argument("--half", choices=("tune", "report"), default="report")
    parser.add_argument(
        "--examples", type=int, default=0, help="differing pairs of each source"
    )
    asked = parser.parse_args()
    print("\n".join([*machine_lines("sideman", "datasketch", "numpy"), ""]))
    rows = read_table(asked.splits)
    chosen = {row.file for row in drawn(rows, asked.half, asked.sample)}
    start = time.perf_counter()
    pile, scores = read_pile(asked.pack, rows, chosen)
    read_s = time.perf_counter() - start - pile.fingerprint_s
    n_files, n_notes = len(pile.rows), sum(pile.n_notes)
    print(f"read       {n_files:>9,} files {read_s:>6.1f} s; {n_notes:,} notes")
    print(
        f"fingerprint{n_files:>9,} files {pile.fingerprint_s:>6.1f} s; "
        f"{pile.fingerprint_s / n_notes * 1e6:.2f} ms for 1,000 notes"
    )
    print(measured_search(pile, 1))
    print(measured_search(pile, COPIES_OF_PACK))
    plant(pile, scores)
    print("\n".join(["", *report(pile, asked.half, asked.examples)]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak memory of it all {peak:,.0f} MiB")


if __name__ == "__main__":
    main()
