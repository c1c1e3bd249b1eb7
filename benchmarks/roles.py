"""How often is the role of a part told that its name gives away?

    .venv/bin/python benchmarks/roles.py --pack FOLDER --splits TABLE [--files 100]

The truth is what people called the parts; the rule does not see it. TABLE is tab-separated
with columns `file`, `corpus` and `split`. Thresholds were chosen on the train split; the
figures that count are those of the valid and test splits. Sources of bands hold few pieces
there, so the train split is printed as well. Beside the rule stands the one it replaced:
drums, then chords from a polyphony of 2.2, then bass below a mean pitch of 50, then the
highest line as melody, then counter-lines. Drum parts are left out: kits are marked as such.
"""

import argparse
import csv
import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from machine import machine_lines

from sideman.errors import MidiFileError, ScoreError
from sideman.score.midi import read_midi
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import Grid, onsets, slice_bars, to_grid
from sideman.tokens.vocabulary import DURATION_TICKS, FIRST_KIT, Role

SEED = 1
WINDOW_BARS = 4
MOST_WINDOWS = 8
REPETITIONS = 5

ACCEPTED = {
    "melody": {Role.MELODY},
    "bass": {Role.BASS},
    "chords": {Role.CHORDS},
    "pad": {Role.PAD},
    "arpeggio": {Role.ARPEGGIO},
    "counter": {Role.COUNTER},
    "broken chords": {Role.CHORDS, Role.ARPEGGIO},
    "inner voice": {Role.CHORDS, Role.PAD, Role.COUNTER, Role.ARPEGGIO},
    "accompaniment": {Role.BASS, Role.CHORDS, Role.PAD, Role.COUNTER, Role.ARPEGGIO},
}
"""Roles that are right for a part of a label; some labels leave it open."""

ROLES = (Role.MELODY, Role.BASS, Role.CHORDS, Role.PAD, Role.COUNTER, Role.ARPEGGIO)

Label = str | None
Labeller = Callable[[Sequence[str]], list[Label]]
Verdict = tuple[str, str, str, Role, Role]
"""Source, stretch, label, role by the rule before, role by the rule."""


def by_name(**patterns: str) -> Labeller:
    """Give a part the first label whose pattern is found in its name."""

    def label(name: str) -> Label:
        found = (
            key for key, pattern in patterns.items() if re.search(pattern, name, re.IGNORECASE)
        )
        return next((key.replace("_", " ") for key in found), None)

    return lambda names: [label(name.strip()) for name in names]


def by_order(*labels: str) -> Labeller:
    """Label the parts of pieces that have this many, as they stand in the score."""
    return lambda names: list(labels) if len(names) == len(labels) else [None] * len(names)


def of(n_parts: int, labeller: Labeller) -> Labeller:
    """Label only pieces of so many parts."""
    return lambda names: labeller(names) if len(names) == n_parts else [None] * len(names)


def song(names: Sequence[str]) -> list[Label]:
    """Label voice and piano, where one sings."""
    labels = by_name(melody="voice|stimme|chant|gesang|canto", accompaniment="^piano|harpsi")
    found = labels(names)
    return found if found.count("melody") == 1 else [None] * len(names)


band = by_name(
    bass=r"\b(bass|base|bassline)\b(?!.*(clarinet|drum|string|lead|organ))",
    melody=r"^(lead|lead ?guitar|lead \d|melody.*|.*\(melody\).*|solo|soloist)$",
    pad=r"\bpads?\b|^strings?( ?\d| \(.*\))?$|\bstring ensemble\b|^choir$|synth strings",
    arpeggio=r"\barp\b|arpeg",
    chords=r"^chords?\b|\bchords\b|^rhythm",
)
"""Names that people and sequencers give to the parts of bands."""

voices = by_name(melody="^(sopran|cant|disc)", counter="^(alt|ten)", bass="^ba[sſ]")

SOURCES: dict[str, Labeller] = {
    "pop909": by_name(melody="^melody", counter="^bridge", broken_chords="^piano"),
    "band-synth": by_name(
        melody="^melody", bass="^(bass|walk)", chords="^chord", arpeggio="^arpeggio"
    ),
    "openscore-lieder": song,
    "nottingham": by_order("melody", "chords"),
    "openewld-pd": of(2, by_name(chords="^chords$", melody="")),
    "folk-abc": by_order("melody"),
    "jsb-chorales": of(4, voices),
    "polish-scores": of(4, voices),
    "openhymnal": by_order("melody", "counter", "counter", "bass"),
    "openscore-quartets": of(
        4, by_name(melody="^violin 1", inner_voice="^(violin 2|viola)$", bass="^violoncello")
    ),
    "freedoom": band,
    "simutrans": band,
    "openmsx": band,
    "tannerhelland": band,
    "lmms-demos": band,
}
"""How each source says what its parts do. The programs of lmms-demos came from the names."""


def replaced_roles(grid: Grid) -> list[Role]:
    """Return the role of each part by the rule before: by polyphony and mean pitch alone."""
    roles = [Role.UNSPECIFIED] * len(grid.programs)
    onset = onsets(grid, grid.notes, grid.bar_starts())
    end = onset + DURATION_TICKS[grid.notes["duration"]]
    highest = (0.0, -1)
    for part in np.unique(grid.notes["part"]):
        is_part = grid.notes["part"] == part
        change = np.bincount(onset[is_part], minlength=end.max() + 1)
        change = change - np.bincount(end[is_part], minlength=end.max() + 1)
        sounding = np.cumsum(change)
        mean_pitch = float(grid.notes["pitch"][is_part].mean())
        if grid.programs[part] >= FIRST_KIT:
            roles[part] = Role.DRUMS
        elif sounding.sum() / (sounding > 0).sum() >= 2.2:
            roles[part] = Role.CHORDS
        elif mean_pitch < 50:
            roles[part] = Role.BASS
        else:
            roles[part] = Role.COUNTER
            highest = max(highest, (mean_pitch, -int(part)))
    if highest[0] > 0:
        roles[-highest[1]] = Role.MELODY
    return roles


def stretches(grid: Grid) -> Iterator[tuple[str, Grid]]:
    """Yield the whole piece, and windows spread evenly over it."""
    yield "whole pieces", grid
    firsts = range(0, grid.n_bars - WINDOW_BARS + 1, WINDOW_BARS)
    for first in firsts[:: max(len(firsts) // MOST_WINDOWS, 1)][:MOST_WINDOWS]:
        yield f"windows of {WINDOW_BARS} bars", slice_bars(grid, first, first + WINDOW_BARS)


def judge(source: str, grid: Grid) -> Iterator[Verdict]:
    """Yield what either rule says of each labelled part that plays."""
    labels = SOURCES[source](grid.names)
    for stretch, part_of in stretches(grid):
        roles = measure_controls(part_of)["role"]
        before = replaced_roles(part_of)
        for part in np.unique(part_of.notes["part"]):
            label = labels[part]
            if label is not None and grid.programs[part] < FIRST_KIT:
                yield source, stretch, label, before[part], Role(roles[part])


def read_grid(path: Path) -> Grid | None:
    """Return a file as a grid, or None if it cannot be read."""
    try:
        return to_grid(read_midi(path))[0]
    except (MidiFileError, ScoreError):
        return None


def read_grids(pack: Path, files: Sequence[str]) -> list[Grid]:
    """Return the files that can be read, as grids."""
    return [grid for file in files if (grid := read_grid(pack / file)) is not None]


def is_right(label: str, role: Role) -> bool:
    """Return whether a role is one of those that a label allows."""
    return role in ACCEPTED[label]


def confusion(verdicts: Sequence[Verdict]) -> list[str]:
    """Return how often which role was given, a line for each source and label."""
    rows = [
        f"{'source':<20}{'named':<15}{'parts':>6}"
        + "".join(f"{role.name.lower():>10}" for role in ROLES)
        + f"{'before':>9}{'now':>7}"
    ]
    groups: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        groups[verdict[0], verdict[2]].append(verdict)
    for source, label in product(SOURCES, ACCEPTED):
        if (source, label) not in groups:
            continue
        group = groups[source, label]
        given = Counter(now for *_, now in group)
        rows.append(
            f"{source:<20}{label:<15}{len(group):>6}"
            + "".join(f"{given[role]:>10}" for role in ROLES)
            + right_shares(group)
        )
    return rows


def right_shares(verdicts: Sequence[Verdict]) -> str:
    """Return the share of right roles before and now, in percent."""
    before = np.mean([is_right(label, role) for _, _, label, role, _ in verdicts])
    now = np.mean([is_right(label, role) for _, _, label, _, role in verdicts])
    return f"{before:>9.1%}{now:>7.1%}"


def summary(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the shares of right roles by source and over all parts."""
    by_source: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_source[verdict[0]].append(verdict)
    rows = [f"{'source':<20}{'parts':>6}{'before':>9}{'now':>7}"]
    for source in SOURCES:
        if source in by_source:
            group = by_source[source]
            rows.append(f"{source:<20}{len(group):>6}{right_shares(group)}")
    rows.append(f"{'all parts':<20}{len(verdicts):>6}{right_shares(verdicts)}")
    return rows


def microseconds(grids: Sequence[Grid]) -> float:
    """Return how long the controls of a grid take on average, the best of some turns."""
    turns = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        for grid in grids:
            measure_controls(grid)
        turns.append(time.process_time() - start)
    return 1e6 * min(turns) / len(grids)


def speed(grids: Sequence[Grid]) -> list[str]:
    """Return how long whole pieces and windows take."""
    by_stretch: dict[str, list[Grid]] = defaultdict(list)
    for grid in grids:
        for stretch, part_of in stretches(grid):
            by_stretch[stretch].append(part_of)
    return [
        f"{stretch}: {np.mean([len(grid.notes) for grid in found]):,.0f} notes, "
        f"{microseconds(found):.0f} µs of CPU time"
        for stretch, found in by_stretch.items()
    ]


def draw(table: Sequence[dict[str, str]], source: str, splits: Sequence[str]) -> list[str]:
    """Return the files of a source in some splits, shuffled."""
    files = [row["file"] for row in table if row["corpus"] == source and row["split"] in splits]
    random.Random(SEED).shuffle(files)
    return files


def report(splits: str, pieces: dict[str, list[Grid]]) -> Iterator[str]:
    """Yield the lines on some splits, whose pieces are given by source."""
    verdicts = [
        verdict
        for source, grids in pieces.items()
        for grid in grids
        for verdict in judge(source, grid)
    ]
    for stretch in dict.fromkeys(verdict[1] for verdict in verdicts):
        chosen = [verdict for verdict in verdicts if verdict[1] == stretch]
        yield from ("", f"{splits}: {stretch}", "", *summary(chosen), "", *confusion(chosen))
    yield from ("", *speed([grid for grids in pieces.values() for grid in grids]))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pack", type=Path, required=True, help="folder of MIDI files")
    parser.add_argument("--splits", type=Path, required=True, help="table of splits")
    parser.add_argument("--files", type=int, default=100, help="most files of a source")
    asked = parser.parse_args()
    with asked.splits.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    print("\n".join(machine_lines("sideman", "numpy")))
    for splits in (("valid", "test"), ("train",)):
        pieces = {
            source: read_grids(asked.pack, draw(table, source, splits)[: asked.files])
            for source in SOURCES
        }
        print("\n".join(report(" and ".join(splits), pieces)))


if __name__ == "__main__":
    main()
