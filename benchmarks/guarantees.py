"""Does what is guaranteed hold, and is an infill fast enough?

    .venv/bin/python benchmarks/guarantees.py [--bars 10000] [--bundle FOLDER]

Bars are written under random combinations of controls, by default with random weights, which
write nonsense and so come to every corner. What was written is then measured against what was
asked, by a few lines that know nothing of the engine: `violations`. Known and written notes are
compared at the grid's resolution. Behind it the time of an infill with the bundled model.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import machine_lines
from numpy.random import Generator

from sideman.bundle import Bundle, load_bundle
from sideman.engine.bounds import RANGE_MARGIN, Bounds
from sideman.engine.chart import Chart
from sideman.engine.compose import (
    Take,
    accompany,
    compose,
    continue_,
    infill,
    rewrite,
    vary,
)
from sideman.engine.course import by_bar, value_at
from sideman.engine.fill import Wish
from sideman.engine.parts import PartWish
from sideman.engine.pitches import SCALES, Scale
from sideman.engine.rhythm import RHYTHMS
from sideman.errors import SidemanError
from sideman.score.edit import cut_overlaps
from sideman.score.general_midi import PITCH_RANGES
from sideman.score.harmony import QUALITIES, Chord
from sideman.score.time import resample
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table
from sideman.tokens.vocabulary import Role, Vocabulary, program_value

TASKS = ("compose", "continue", "infill", "accompany", "rewrite", "vary")
METRES = ((4, 4), (4, 4), (3, 4), (6, 8), (5, 8), (7, 16))
GRID = 24
"""Ticks of a quarter note on the grid."""

MOST_SECONDS = 600.0
REPETITIONS = 5
BARS, FIRST, TAKES = 8, 4, 4
TARGET_INFILL_S, TARGET_TAKES = 3.0, 2.5


@dataclass(frozen=True)
class Case:
    """What is asked for in one call.

    Attributes:
        task: One of `TASKS`.
        score: What is known; without notes for `compose`.
        parts: Everybody who plays in what comes of it.
        first: First bar that is written.
        end: Bar after the last.
        written: Numbers of the parts that are written.
        wish: How.
        chart: Chords, one a bar.
        locks: Numbers of notes that stay.
    """

    task: str
    score: Score
    parts: tuple[Part, ...]
    first: int
    end: int
    written: tuple[int, ...]
    wish: Wish
    chart: Chart | None
    locks: tuple[int, ...] = ()

    @property
    def bar_ticks(self) -> int:
        """Length of a bar on the grid."""
        ((_, numerator, denominator),) = self.score.time_signatures.tolist()
        return int(numerator) * 4 * GRID // int(denominator)


# ------------------------------------------------------------------- what is asked


def random_case(seed: int) -> Case:
    """Return a task with controls."""
    rng = np.random.default_rng(seed)
    task = TASKS[seed % len(TASKS)]
    metre, n_bars = METRES[rng.integers(len(METRES))], int(rng.integers(2, 6))
    parts = tuple(_random_part(rng) for _ in range(rng.integers(1, 5)))
    score = _random_score(rng, parts, metre, n_bars)
    if task == "compose":
        score = score.with_notes(score.notes[:0])
    everybody = tuple(range(len(parts)))
    first, end, written = 0, n_bars, everybody
    if task == "continue":
        first, end = n_bars, n_bars + int(rng.integers(1, 12))
    elif task == "compose":
        end = int(rng.integers(1, 12))
    elif task in ("infill", "vary"):
        first = int(rng.integers(n_bars))
        end = int(rng.integers(first + 1, n_bars + 1))
        written = tuple(part for part in everybody if rng.random() < 0.6) or (0,)
    elif task == "rewrite":
        written = (int(rng.integers(len(parts))),)
    else:
        new = tuple(_random_part(rng) for _ in range(rng.integers(1, 4)))
        written = tuple(range(len(parts), len(parts) + len(new)))
        parts = (*parts, *new)
    chart = None
    if task in ("compose", "continue", "accompany") and rng.random() < 0.5:
        chart = Chart(tuple((_random_chord(rng),) for _ in range(end - first)))
    wish = _random_wish(rng, seed, parts, (first, end))
    locks: tuple[int, ...] = ()
    if task in ("infill", "rewrite", "vary") and rng.random() < 0.4:
        locks = tuple(np.flatnonzero(rng.random(len(score.notes)) < 0.3).tolist())
    return Case(task, score, parts, first, end, written, wish, chart, locks)


def _random_part(rng: Generator) -> Part:
    if rng.random() < 0.25:
        return Part(0, is_drum=True)
    return Part(int(rng.choice([0, 24, 33, 40, 48, 73, 120])))


def _random_score(
    rng: Generator, parts: tuple[Part, ...], metre: tuple[int, int], n_bars: int
) -> Score:
    """Return a piece in which every part plays in the first bar and every bar has a note."""
    tpq = int(rng.choice([GRID, 480]))
    times = tpq // GRID
    bar_ticks = metre[0] * 4 * GRID // metre[1]
    is_flat, is_loose = rng.random() < 0.3, tpq > GRID
    rows = set()
    for bar in range(n_bars):
        players = range(len(parts)) if bar == 0 else rng.integers(len(parts), size=3).tolist()
        for part in players:
            for _ in range(rng.integers(1, 4)):
                onset = bar * bar_ticks + int(rng.integers(bar_ticks))
                late = int(rng.integers(times // 2)) if is_loose else 0
                pitch = int(rng.integers(36, 52) if parts[part].is_drum else rng.integers(128))
                velocity = 78 if is_flat else int(rng.integers(1, 128))
                duration = int(rng.integers(1, 96)) * times
                rows.add((onset * times + late, duration, pitch, velocity, part))
    return Score(
        notes=table(NOTE_DTYPE, sorted(rows)),
        parts=parts,
        tpq=tpq,
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, *metre)]),
    )


def _random_chord(rng: Generator) -> Chord:
    root, quality = int(rng.integers(12)), int(rng.integers(len(QUALITIES)))
    return Chord(root, quality)


def _random_wish(
    rng: Generator, seed: int, parts: tuple[Part, ...], bars: tuple[int, int]
) -> Wish:
    scales = {}
    if rng.random() < 0.5:
        changes = [0, int(rng.integers(*bars))] if rng.random() < 0.5 else [0]
        scales = {
            bar: Scale(int(rng.integers(12)), str(rng.choice(list(SCALES)))) for bar in changes
        }
    caps = {
        (bar, part): int(rng.integers(4))
        for bar in range(*bars)
        for part in range(len(parts))
        if rng.random() < 0.1
    }
    bounds = Bounds(
        parts={
            number: _random_part_wish(rng, part)
            for number, part in enumerate(parts)
            if rng.random() < 0.7
        },
        scale=scales,
        is_nudged=bool(rng.random() < 0.5),
        chart_parts=frozenset(np.flatnonzero(rng.random(len(parts)) < 0.7).tolist()),
        rhythm=str(rng.choice(RHYTHMS)),
        max_notes=caps if rng.random() < 0.3 else {},
    )
    return Wish(n_takes=int(rng.integers(1, 4)), seed=seed, bounds=bounds, threads=1)


def _random_part_wish(rng: Generator, part: Part) -> PartWish:
    def span(low: int, high: int) -> tuple[int, int] | None:
        if rng.random() < 0.6:
            return None
        first, last = sorted(rng.integers(low, high + 1, size=2).tolist())
        return first, last

    return PartWish(
        program_value(part.program, is_drum=part.is_drum),
        Role.DRUMS if part.is_drum else Role.UNSPECIFIED,
        max_notes=int(rng.integers(1, 12)) if rng.random() < 0.3 else None,
        polyphony=span(1, 5),
        range=None if part.is_drum else span(20, 100),
        lengths=span(1, 96),
        velocity=span(1, 127),
    )


def written_takes(case: Case, bundle: Bundle) -> list[Take]:
    """Return what the engine answers."""
    score, wish, chart = case.score, case.wish, case.chart
    place = {"first_bar": case.first, "end_bar": case.end}
    if case.task == "compose":
        ((_, numerator, denominator),) = score.time_signatures.tolist()
        metre = (numerator, denominator)
        takes = compose(
            case.parts, bundle, n_bars=case.end, metre=metre, chart=chart, wish=wish
        )
    elif case.task == "continue":
        n_bars = case.end - case.first
        takes = continue_(score, bundle, n_bars=n_bars, chart=chart, wish=wish)
    elif case.task == "infill":
        takes = infill(score, bundle, **place, parts=case.written, locks=case.locks, wish=wish)
    elif case.task == "accompany":
        new_parts = case.parts[len(score.parts) :]
        takes = accompany(score, bundle, new_parts=new_parts, chart=chart, wish=wish)
    elif case.task == "rewrite":
        takes = rewrite(score, bundle, part=case.written[0], locks=case.locks, wish=wish)
    else:
        takes = vary(
            score,
            bundle,
            change=0.5,
            **place,
            parts=case.written,
            locks=case.locks,
            wish=wish,
        )
    return takes


# ---------------------------------------------------------------- what came of it

Note = tuple[int, int, int, int, int]
"""Onset, duration, pitch, velocity, part; in ticks of the grid."""


def violations(case: Case, take: Take) -> Iterator[tuple[str, int, int]]:
    """Yield for each control that was asked for how many notes there are, and how many err."""
    old, new, n_missing = _told_apart(case, take)
    yield "known notes stay as they are", len(old), n_missing
    if case.locks:
        yield "locks, in the file", len(case.locks), _n_locks_missing(case, take)
    begin, end = case.first * case.bar_ticks, case.end * case.bar_ticks
    n_out = sum(not begin <= note[0] < end for note in new)
    n_out += (take.first_bar, take.end_bar) != (case.first, case.end)
    yield "exact bars", len(new), n_out
    yield "only the parts asked for", len(new), sum(note[4] not in case.written for note in new)
    steps = {note[3] // 4 for note in old}
    for part in case.written:
        ours = [note for note in new if note[4] == part]
        theirs = [note for note in old if note[4] == part]
        yield from _of_pitches(case, part, ours, theirs)
        yield from _of_time(case, part, ours, theirs)
        wish = case.wish.bounds.parts.get(part)
        if wish and wish.velocity:
            low, high = _steps(wish.velocity)
            yield "velocity", len(ours), sum(not low <= note[3] <= high for note in ours)
        elif len(steps) == 1:
            yield "flat stays flat", len(ours), sum(note[3] // 4 not in steps for note in ours)


def _told_apart(case: Case, take: Take) -> tuple[list[Note], list[Note], int]:
    """Return known notes, written notes, and how many notes that are known are missing."""
    times = take.score.tpq // case.score.tpq
    before: Counter[Note] = Counter(
        (onset * times, duration * times, pitch, velocity, part)
        for onset, duration, pitch, velocity, part in case.score.notes.tolist()
    )
    after: Counter[Note] = Counter(
        (onset, duration, pitch, velocity, part)
        for onset, duration, pitch, velocity, part in take.score.notes.tolist()
    )
    locked = {list(before)[number] for number in case.locks}
    known = Counter(
        {
            note: n
            for note, n in before.items()
            if note in locked or not _in_hole(case, note, take.score.tpq)
        }
    )
    n_missing = (known - after).total()
    if case.task == "vary":  # of the notes in the hole some are locked, we do not know which
        known = before & after
        n_locked = after.total() - take.n_notes
        n_missing += max(n_locked - known.total(), 0)
    old, new = (
        [_on_grid(note, take.score.tpq) for note in notes.elements()]
        for notes in (known, after - known)
    )
    return old, new, n_missing


def _n_locks_missing(case: Case, take: Take) -> int:
    """Return how many locked notes a file does not hold as they were, if it can hold them."""
    kept = set(resample(cut_overlaps(case.score), take.score.tpq).notes.tolist())
    locked = case.score.with_notes(case.score.notes[list(case.locks)])
    wanted = set(resample(locked, take.score.tpq).notes.tolist()) & kept
    return len(wanted - set(cut_overlaps(take.score).notes.tolist()))


def _on_grid(note: Note, tpq: int) -> Note:
    onset, duration, pitch, velocity, part = note
    return (
        round(onset * GRID / tpq),
        max(round(duration * GRID / tpq), 1),
        pitch,
        velocity,
        part,
    )


def _in_hole(case: Case, note: Note, tpq: int) -> bool:
    onset, *_, part = _on_grid(note, tpq)
    is_inside = case.first <= onset // case.bar_ticks < case.end
    return is_inside and part in case.written


def _of_pitches(
    case: Case, part: int, ours: list[Note], theirs: list[Note]
) -> Iterator[tuple[str, int, int]]:
    """Yield what holds for the pitches of a part that is no drum kit."""
    if case.parts[part].is_drum:
        return
    bounds, wish = case.wish.bounds, case.wish.bounds.parts.get(part)
    played = [note[2] for note in theirs]
    if case.locks:
        played = case.score.notes["pitch"][case.score.notes["part"] == part].tolist()
    if wish and wish.range:
        name, (low, high) = "range that is asked for", wish.range
    elif played:
        name, low, high = (
            "range that was played",
            min(played) - RANGE_MARGIN,
            max(played) + RANGE_MARGIN,
        )
    else:
        name, (low, high) = "range of the instrument", PITCH_RANGES[case.parts[part].program]
    yield name, len(ours), sum(not low <= note[2] <= high for note in ours)
    allowed = set(range(max(low, 0), min(high, 127) + 1))
    scales = by_bar(bounds.scale)
    classes = {
        bar: scale.pitch_classes if (scale := value_at(scales, bar)) else tuple(range(12))
        for bar in range(case.first, case.end)
    }
    if scales:
        name = "key, nudged" if bounds.is_nudged else "key, locked"
        name += ", changing" if len(scales) > 1 else ""
        n_beside = sum(note[2] % 12 not in classes[note[0] // case.bar_ticks] for note in ours)
        yield name, len(ours), n_beside
    if case.chart and part in (bounds.chart_parts or ()):
        n_out = 0
        for note in ours:
            chord = case.chart.bars[note[0] // case.bar_ticks - case.first][0]
            intervals = list(QUALITIES.values())[chord.quality]
            tones = {(chord.root + interval) % 12 for interval in intervals}
            tones &= set(classes[note[0] // case.bar_ticks])
            can_keep = any(pitch % 12 in tones for pitch in allowed)
            n_out += can_keep and note[2] % 12 not in tones
        yield "chord tones", len(ours), n_out


def _of_time(
    case: Case, part: int, ours: list[Note], theirs: list[Note]
) -> Iterator[tuple[str, int, int]]:
    """Yield what holds for onsets, lengths and what sounds together."""
    bounds, wish = case.wish.bounds, case.wish.bounds.parts.get(part)
    if bounds.rhythm != "free":
        places = _rhythm_places(bounds.rhythm, case)
        n_off = sum(note[0] % case.bar_ticks not in places for note in ours)
        yield f"rhythm, {bounds.rhythm}", len(ours), n_off
    per_bar = Counter(note[0] // case.bar_ticks for note in [*ours, *theirs])
    written = {note[0] // case.bar_ticks for note in ours}
    most = [wish.max_notes] if wish and wish.max_notes else []
    if most or bounds.max_notes:
        limits = {
            bar: min([*most, bounds.max_notes.get((bar, part), 10**9)]) for bar in written
        }
        yield "most notes a bar", len(ours), sum(per_bar[bar] > limits[bar] for bar in written)
    if wish and wish.lengths:
        low, high = wish.lengths
        yield "note lengths", len(ours), sum(not low <= note[1] <= high for note in ours)
    if wish and wish.polyphony:
        fewest, high = wish.polyphony
        together = [*ours, *theirs]
        n_over = sum(
            sum(o[0] <= moment < o[0] + o[1] for o in together) > high
            for note in ours
            for moment in {note[0]} | {o[0] for o in together}
            if note[0] <= moment < note[0] + note[1]
        )
        struck = Counter(note[0] for note in together)
        if case.locks:  # one of them may go on sounding where a note would have been struck
            struck = Counter(
                {at: sum(o[0] <= at < o[0] + o[1] for o in together) for at in struck}
            )
        n_under = sum(struck[note[0]] < fewest for note in ours)
        yield "polyphony, at most", len(ours), n_over
        yield "polyphony, at least", len(ours), n_under


def _rhythm_places(rhythm: str, case: Case) -> set[int]:
    """Return the ticks of a bar at which notes may begin."""
    ((_, numerator, denominator),) = case.score.time_signatures.tolist()
    beat = 4 * GRID // denominator
    pulse = 3 * beat if denominator >= 8 and numerator % 3 == 0 else GRID
    ticks = range(case.bar_ticks)
    steps = {"straight": 6, "straight8": 12, "triplet": pulse // 3}
    if rhythm in steps:
        return {tick for tick in ticks if tick % steps[rhythm] == 0}
    return {tick for tick in ticks if tick % pulse in (0, 2 * pulse // 3)}


def _steps(velocity: tuple[int, int]) -> tuple[int, int]:
    """Return the least and the most that is heard; velocities come in steps of four."""
    low, high = velocity
    middles = [middle for middle in range(2, 128, 4) if low <= middle <= high]
    return (low, high) if middles else (low // 4 * 4 + 2, low // 4 * 4 + 2)


# -------------------------------------------------------------------- the figures


def random_bundle(folder: Path) -> Bundle:
    """Return a tiny bundle with random weights."""
    import torch  # noqa: PLC0415 (only needed here; takes seconds)

    from sideman.model.export import bundle_network  # noqa: PLC0415
    from sideman.model.network import Network, NetworkConfig  # noqa: PLC0415

    torch.manual_seed(0)
    vocabulary = Vocabulary()
    sizes = NetworkConfig(32, 3, 4, 2, 48, window=8, global_every=2, context=256)
    network = Network(sizes, vocabulary)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
        for weight in network.chain.outs.parameters():
            weight.mul_(0.3)  # undecided, so that everything happens
    card = {"name": "random weights"}
    out = folder / "bundle"
    bundle_network(network.eval(), vocabulary, out, precision="fp32", card=card, ring_slack=8)
    return load_bundle(out)


def count_violations(bundle: Bundle, n_bars: int) -> None:
    """Write bars under random controls and print what was violated."""
    bars: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    n_written, seed, start = 0, 0, time.perf_counter()
    while n_written < n_bars and time.perf_counter() - start < MOST_SECONDS:
        case = random_case(seed)
        bars["an answer at all"] += (case.end - case.first) * case.wish.n_takes
        try:
            takes = written_takes(case, bundle)
            wrong["an answer at all"] += len(takes) != case.wish.n_takes
        except SidemanError as error:
            print(f"seed {seed}: {case.task}: {type(error).__name__}: {error}")
            wrong["an answer at all"] += 1
            takes = []
        for take in takes:
            n_written += take.n_bars
            notes["an answer at all"] += take.n_notes
            seen = set()
            for control, n_notes, n_wrong in violations(case, take):
                bars[control] += 0 if control in seen else take.n_bars
                seen.add(control)
                notes[control] += n_notes
                wrong[control] += n_wrong
                if n_wrong:
                    print(f"seed {seed}: {case.task}: {control}: {n_wrong} of {n_notes} notes")
        seed += 1
    print(f"{n_written:,} bars in {seed:,} pieces by {bundle.name}")
    print()
    print(f"{'control':32}  {'bars':>7}  {'notes':>8}  violations")
    for control in sorted(bars):
        print(f"{control:32}  {bars[control]:7,}  {notes[control]:8,}  {wrong[control]:10,}")


def band(n_bars: int) -> Score:
    """Return a piece for four in 4/4 with 40 notes a bar."""
    beat, rows = GRID, []
    for start in range(0, n_bars * 4 * beat, 4 * beat):
        root = (0, 9, 5, 7)[start // (4 * beat) % 4]
        for eighth in range(8):
            onset = start + eighth * beat // 2
            rows.append((onset, beat // 2, 36 + root, 90, 0))
            rows.append((onset, beat // 2, 72 + (root + 2 * eighth) % 12, 84 + eighth, 3))
            rows.append((onset, beat // 4, 42, 70, 1))
            if eighth % 2 == 0:
                rows.append((onset, beat // 4, 38 if eighth % 4 else 36, 100, 1))
                rows += [(onset, beat, 60 + (root + tone) % 12, 66, 2) for tone in (0, 4, 7)]
    parts = (Part(33), Part(0, is_drum=True), Part(0), Part(73))
    return Score(notes=table(NOTE_DTYPE, rows), parts=parts)


def print_speed() -> None:
    """Print what an infill takes with the bundled model, and several takes."""
    bundle, score = load_bundle(), band(2 * BARS)
    n_notes = []

    def timed_s(n_takes: int) -> float:
        wish = Wish(n_takes=n_takes)
        start = time.perf_counter()
        takes = infill(score, bundle, first_bar=FIRST, end_bar=FIRST + BARS, wish=wish)
        n_notes.append(takes[0].n_notes)
        return time.perf_counter() - start

    timed_s(1)
    one, several = (
        statistics.median(timed_s(n_takes) for _ in range(REPETITIONS))
        for n_takes in (1, TAKES)
    )
    print()
    print(*machine_lines("numpy", "onnxruntime", "sideman"), sep="\n")
    print(f"{bundle.name}, medians of {REPETITIONS}")
    print(
        f"{BARS} bars of {len(score.parts)} parts infilled, {n_notes[0]} notes: {one:.2f} s "
        f"(asked: under {TARGET_INFILL_S:.0f} s)"
    )
    print(f"{TAKES} takes take {several / one:.2f} times as long (asked: under {TARGET_TAKES})")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=10_000)
    parser.add_argument("--bundle", type=Path, help="default: a tiny one with random weights")
    asked = parser.parse_args()
    print(*machine_lines("numpy", "onnxruntime", "sideman"), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        bundle = load_bundle(asked.bundle) if asked.bundle else random_bundle(Path(folder))
        count_violations(bundle, asked.bars)
    print_speed()


if __name__ == "__main__":
    main()
