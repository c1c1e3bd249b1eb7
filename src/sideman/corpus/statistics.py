"""What a corpus amounts to: counted from its manifest and from the events in its shards.

The manifest says what became of every file; the shards say what a model will see. Figures of
notes, bars and events are counted in the shards, one at a time through the memory map, so that
a corpus of any size takes the memory of its largest shard.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from sideman.corpus.manifest import SCHEMA, Verdict, read_manifest, read_remarks
from sideman.corpus.shards import SPLITS, Corpus, Piece, ShardReader, open_corpus, shard_path
from sideman.corpus.words import more, shorten
from sideman.errors import CorpusError
from sideman.score.general_midi import DRUM_NAMES, N_PROGRAMS, family_name, program_name
from sideman.score.harmony import N_PITCH_CLASSES, PITCH_CLASS_NAMES, key_name
from sideman.tokens.vocabulary import (
    DENOMINATOR_OF,
    DURATION,
    DURATION_TICKS,
    FIRST_DRUM,
    FIRST_KIT,
    N_STYLES,
    N_VELOCITIES,
    NUMERATOR_OF,
    PROGRAM,
    UNSPECIFIED,
    VELOCITY,
    VELOCITY_STEP,
    Events,
    Kind,
)

MAX_PORTIONS = N_STYLES
"""Most rows of a table of styles, licences or sources; the last sums up all others."""

MAX_EXAMPLES = 5
"""Most paths that are named for a reason or in a group of duplicates."""

MAX_GROUPS = 10
"""Most groups of duplicates that are named, the largest first."""

DRUMS = "Drums"
"""Name and family of the drum kits, which share a row."""

NAMED_DURATIONS = {
    "1/24": 1,
    "1/12": 2,
    "1/8": 3,
    "1/6": 4,
    "1/4": 6,
    "1/3": 8,
    "3/8": 9,
    "1/2": 12,
    "2/3": 16,
    "3/4": 18,
    "1": 24,
    "1 1/2": 36,
    "2": 48,
    "3": 72,
    "4": 96,
    "6": 144,
    "8": 192,
    "16": 384,
    "32": 768,
    "64": 1536,
}
"""Lengths in quarters that durations are counted under, with their ticks: the nearest one."""

TEMPO_EDGES = tuple(range(30, 251, 10))
BAR_EDGES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512)
POLYPHONY_EDGES = (1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 12)
DENSITY_EDGES = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 6, 8, 12, 16)
PART_EDGES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 17, 25, 33)
GROUP_SIZE_EDGES = (2, 3, 4, 5, 6, 8, 11, 21, 51)
"""Where the next column of a histogram begins."""

_COLUMNS = [name for name in SCHEMA.names if name != "chords"]
"""What is read of the manifest: chords are most of it and are not counted."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often each of some values occurs.

    Attributes:
        unit: What is counted, such as `"notes"`.
        labels: The values, in order.
        counts: How often each occurs; as long as `labels`.
    """

    unit: str
    labels: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        """All that was counted."""
        return sum(self.counts)

    def by_label(self) -> dict[str, int]:
        """Return the counts by value."""
        return dict(zip(self.labels, self.counts, strict=True))

    def quantile(self, share: float) -> str:
        """Return the value up to which `share`, 0 to 1, of everything lies; "" if empty.

        Example:
            >>> Histogram("bars", ("3/4", "4/4"), (1, 3)).quantile(0.5)
            '4/4'
        """
        if not self.total:
            return ""
        reached = np.cumsum(self.counts) >= share * self.total
        return self.labels[int(np.argmax(reached))]

    def middle_half(self) -> tuple[str, str]:
        """Return between which values the middle half of everything lies.

        Example:
            >>> Histogram("pieces", ("40–50", "50–60", "60–70"), (2, 5, 2)).middle_half()
            ('50', '60')
        """
        return self.quantile(0.25).split("–")[0], self.quantile(0.75).split("–")[-1]


@dataclass(frozen=True, slots=True)
class Portion:
    """The files that have something in common, such as a style.

    Attributes:
        name: What that is.
        n_files: Files found.
        n_pieces: Files kept.
        n_notes: Notes in the shards.
        hours: Playing time of what is kept.
    """

    name: str
    n_files: int
    n_pieces: int
    n_notes: int
    hours: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why files are not in the shards.

    Attributes:
        code: Such as `"too-few-notes"`.
        verdict: `"left-out"` or `"refused"`.
        n_files: How many.
        detail: What was said of the first one, for people.
        paths: The first few, at most `MAX_EXAMPLES`.
    """

    code: str
    verdict: str
    n_files: int
    detail: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instrument:
    """How much is written for an instrument.

    Attributes:
        name: General MIDI name of the program, or `DRUMS`.
        family: General MIDI family, or `DRUMS`.
        n_notes: Notes in the shards.
        n_pieces: Pieces that have it.
    """

    name: str
    family: str
    n_notes: int
    n_pieces: int


@dataclass(frozen=True, slots=True)
class Group:
    """The same music in several files.

    Attributes:
        kept: Path of the file that stands for all.
        n_files: Files, the kept one included.
        others: Paths of the first few others, at most `MAX_EXAMPLES`.
    """

    kept: str
    n_files: int
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The same music in several files, over the whole corpus.

    Attributes:
        n_groups: Groups.
        n_files: Files in groups.
        sizes: Groups by the number of their files.
        largest: At most `MAX_GROUPS`.
    """

    n_groups: int
    n_files: int
    sizes: Histogram
    largest: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a corpus amounts to. Counts by name are in order, the most frequent first.

    Attributes:
        n_files: Files found.
        n_bytes: Their size.
        verdicts: Files by what became of them, all of `sideman.corpus.manifest.Verdict`.
        reasons: Why files are not in the shards, the most frequent reason first.
        n_pieces: Pieces in the shards.
        n_notes: Notes in the shards.
        n_events: Events in the shards.
        n_bars: Bars in the shards.
        hours: Playing time of the pieces.
        n_shards: Shards.
        shard_bytes: Their size.
        n_notes_without_velocity: Notes that say none, because their file has a single one.
        n_single_velocity: Pieces that have a single velocity.
        styles: By style, those with the most pieces first.
        licences: By licence, the same way.
        sources: By source, the same way.
        splits: By split, in the order of `sideman.corpus.shards.SPLITS`.
        histograms: By name: `pitch` (drums apart), `drums`, `duration` (in quarters),
            `velocity`, `tempo`, `metre`, `key`, `polyphony`, `bars`, `parts`, `density` (notes
            a quarter).
        instruments: Those with the most notes first.
        timing: Pieces that are quantised or performed.
        alignment: Pieces by what was done to find their beat.
        roles: Parts by role.
        style_roles: Parts by style, then role.
        duplicates: The same music in several files.
        lost: What the grid could not hold, in the pieces.
        repairs: What was put right in reading, in the pieces.
        remarks: What else there is to say of the build, in lines for people.
    """

    n_files: int
    n_bytes: int
    verdicts: dict[str, int]
    reasons: tuple[Reason, ...]
    n_pieces: int
    n_notes: int
    n_events: int
    n_bars: int
    hours: float
    n_shards: int
    shard_bytes: int
    n_notes_without_velocity: int
    n_single_velocity: int
    styles: tuple[Portion, ...]
    licences: tuple[Portion, ...]
    sources: tuple[Portion, ...]
    splits: tuple[Portion, ...]
    histograms: dict[str, Histogram]
    instruments: tuple[Instrument, ...]
    timing: dict[str, int]
    alignment: dict[str, int]
    roles: dict[str, int]
    style_roles: dict[str, dict[str, int]]
    duplicates: Duplicates
    lost: dict[str, int]
    repairs: dict[str, int]
    remarks: tuple[str, ...]

    @property
    def bytes_per_note(self) -> float:
        """Bytes of the shards for each note; 0 without notes."""
        return self.shard_bytes / max(self.n_notes, 1)

    @property
    def events_per_note(self) -> float:
        """Events for each note, those of bars and parts included; 0 without notes."""
        return self.n_events / max(self.n_notes, 1)

    def to_json(self) -> str:
        """Return all figures as JSON text, the same for the same corpus."""
        derived = {
            "bytes_per_note": round(self.bytes_per_note, 3),
            "events_per_note": round(self.events_per_note, 3),
        }
        return json.dumps(asdict(self) | derived, indent=1, ensure_ascii=False) + "\n"


def measure(out: Path) -> Statistics:
    """Count what a corpus amounts to.

    Args:
        out: A folder with a manifest and, if any file is kept, the shards.

    Raises:
        CorpusError: If the manifest or a shard is missing or broken, or if the two do not go
            together.
    """
    files = read_manifest(out, _COLUMNS)
    kept = files.filter(pc.equal(files["verdict"], Verdict.KEPT.value))
    shards = _count_shards(open_corpus(out)) if len(kept) else _ShardCounts()
    files = _with_amounts(files, shards.notes_of)
    histograms = {
        **_note_histograms(shards),
        "tempo": _binned(_floats(kept["tempo_bpm"]), TEMPO_EDGES),
        "key": _keys(kept["key"]),
        "polyphony": _binned(_floats(kept["polyphony"]), POLYPHONY_EDGES),
        "bars": _counted("pieces", _floats(kept["n_bars"]), BAR_EDGES),
        "parts": _counted("pieces", _floats(kept["n_parts"]), PART_EDGES),
        "density": _binned(_floats(kept["density"]), DENSITY_EDGES),
    }
    verdicts = _tally(files["verdict"])
    style_roles = _style_roles(kept)
    return Statistics(
        n_files=len(files),
        n_bytes=int(_sum(files["size"])),
        verdicts={verdict.value: verdicts.get(verdict.value, 0) for verdict in Verdict},
        reasons=_reasons(files),
        n_pieces=len(kept),
        n_notes=int(shards.pitch.sum()),
        n_events=shards.n_events,
        n_bars=int(shards.metre.sum()),
        hours=_hours(_sum(kept["duration_s"])),
        n_shards=shards.n_shards,
        shard_bytes=shards.n_bytes,
        n_notes_without_velocity=int(shards.velocity[UNSPECIFIED]),
        n_single_velocity=int(_sum(kept["single_velocity"])),
        styles=_portions(files, "style"),
        licences=_portions(files, "licence"),
        sources=_portions(files, "source"),
        splits=_splits(files),
        histograms=histograms,
        instruments=_instruments(shards.program, kept["programs"]),
        timing=_tally(kept["timing"]),
        alignment=_tally(kept["alignment"]),
        roles=_in_order(sum(map(Counter, style_roles.values()), Counter[str]())),
        style_roles=style_roles,
        duplicates=_duplicates(files),
        lost=_add_up(kept["lost"]),
        repairs=_add_up(kept["repairs"]),
        remarks=tuple(read_remarks(out)),
    )


# ------------------------------------------------------------------------- shards


def _zeros(n_values: int) -> NDArray[np.int64]:
    return np.zeros(n_values, np.int64)


@dataclass(slots=True)
class _ShardCounts:
    """What is counted in the shards; arrays are by the values of the vocabulary."""

    n_shards: int = 0
    n_bytes: int = 0
    n_events: int = 0
    pitch: NDArray[np.int64] = field(default_factory=lambda: _zeros(2 * FIRST_DRUM))
    duration: NDArray[np.int64] = field(default_factory=lambda: _zeros(len(DURATION_TICKS)))
    velocity: NDArray[np.int64] = field(default_factory=lambda: _zeros(N_VELOCITIES))
    program: NDArray[np.int64] = field(default_factory=lambda: _zeros(2 * FIRST_KIT))
    metre: NDArray[np.int64] = field(default_factory=lambda: _zeros(len(NUMERATOR_OF)))
    notes_of: dict[str, int] = field(default_factory=dict)

    def add(self, events: Events) -> NDArray[np.bool_]:
        """Count the events of a shard, shape (T, N_COLUMNS); return which are notes."""
        is_note: NDArray[np.bool_] = events[:, 0] == Kind.NOTE
        self.n_events += len(events)
        for counts, column in (
            (self.pitch, 4),
            (self.duration, DURATION),
            (self.velocity, VELOCITY),
            (self.program, PROGRAM),
        ):
            counts += np.bincount(events[is_note, column], minlength=len(counts))
        is_bar = events[:, 0] == Kind.BAR
        self.metre += np.bincount(events[is_bar, 1], minlength=len(self.metre))
        return is_note


def _count_shards(corpus: Corpus) -> _ShardCounts:
    counts = _ShardCounts()
    pieces = sorted(corpus.pieces, key=lambda piece: (piece.shard, piece.start))
    for shard, group in groupby(pieces, key=lambda piece: piece.shard):
        within = list(group)
        whole = replace(within[0], stop=within[-1].stop)
        # A reader for each shard: what was mapped is let go before the next one.
        is_note = counts.add(ShardReader(corpus).events(whole))
        counts.notes_of.update(_notes_of_pieces(within, is_note))
        counts.n_shards += 1
        counts.n_bytes += shard_path(corpus.folder, shard).stat().st_size
    return counts


def _notes_of_pieces(pieces: list[Piece], is_note: NDArray[np.bool_]) -> dict[str, int]:
    """Return the notes of the pieces of a shard; `is_note` begins where the first does."""
    before = np.append(0, np.cumsum(is_note))
    first = pieces[0].start
    return {
        piece.path: int(before[piece.stop - first] - before[piece.start - first])
        for piece in pieces
    }


def _note_histograms(shards: _ShardCounts) -> dict[str, Histogram]:
    pitches = [
        f"{PITCH_CLASS_NAMES[pitch % N_PITCH_CLASSES]}{pitch // N_PITCH_CLASSES - 1}"
        for pitch in range(FIRST_DRUM)
    ]
    velocities = [
        f"{max(low, 1)}–{low + VELOCITY_STEP - 1}"
        for low in range(0, (N_VELOCITIES - 1) * VELOCITY_STEP, VELOCITY_STEP)
    ]
    drums = {
        DRUM_NAMES.get(pitch, f"Drum piece {pitch}"): int(n)
        for pitch, n in enumerate(shards.pitch[FIRST_DRUM:])
    }
    metres = {
        f"{numerator}/{denominator}": int(n)
        for numerator, denominator, n in zip(
            NUMERATOR_OF, DENOMINATOR_OF, shards.metre, strict=True
        )
    }
    return {
        "pitch": _histogram("notes", pitches, shards.pitch[:FIRST_DRUM]),
        "drums": _ranked("strokes", drums),
        "duration": _durations(shards.duration),
        "velocity": _histogram("notes", velocities, shards.velocity[1:]),
        "metre": _ranked("bars", metres),
    }


def _durations(counts: NDArray[np.int64]) -> Histogram:
    """Return durations under the nearest named one, by their ratio; held notes are left out."""
    named = np.log(list(NAMED_DURATIONS.values()))
    ratios = np.abs(np.log(DURATION_TICKS[1:, None]) - named)
    found = np.bincount(ratios.argmin(1), counts[1:], minlength=len(named))
    return _histogram("notes", NAMED_DURATIONS, found)


# --------------------------------------------------------------------- the manifest


def _with_amounts(files: pa.Table, notes_of: Mapping[str, int]) -> pa.Table:
    """Add what each file brings into the corpus: 0 or 1 piece, its notes, its seconds."""
    is_kept = pc.equal(files["verdict"], Verdict.KEPT.value)
    kept_paths = files["path"].filter(is_kept).to_pylist()
    missing = next((path for path in kept_paths if path not in notes_of), None)
    if missing is not None or len(kept_paths) != len(notes_of):
        named = missing or next(iter(notes_of.keys() - set(kept_paths)))
        msg = f"manifest and shards differ, at {named}; build the corpus again"
        raise CorpusError(msg)
    kept = is_kept.to_numpy()
    notes = _zeros(len(files))
    notes[kept] = [notes_of[path] for path in kept_paths]
    seconds = np.nan_to_num(_floats(files["duration_s"])) * kept
    for name, values in (("pieces", kept.astype(np.int64)), ("notes", notes), ("s", seconds)):
        files = files.append_column(name, pa.array(values))
    return files


def _portions(files: pa.Table, column: str) -> tuple[Portion, ...]:
    """Return what each value of a column stands for, those with the most pieces first."""
    sums = [("path", "count"), ("pieces", "sum"), ("notes", "sum"), ("s", "sum")]
    rows = files.group_by(column, use_threads=False).aggregate(sums).to_pylist()
    portions = [
        Portion(
            row[column] or "",
            row["path_count"],
            row["pieces_sum"],
            row["notes_sum"],
            _hours(row["s_sum"]),
        )
        for row in rows
    ]
    portions.sort(key=lambda portion: (-portion.n_pieces, -portion.n_files, portion.name))
    if len(portions) <= MAX_PORTIONS:
        return tuple(portions)
    return (*portions[: MAX_PORTIONS - 1], _rest(portions[MAX_PORTIONS - 1 :]))


def _rest(portions: list[Portion]) -> Portion:
    return Portion(
        f"and {len(portions):,} more",
        sum(portion.n_files for portion in portions),
        sum(portion.n_pieces for portion in portions),
        sum(portion.n_notes for portion in portions),
        round(sum(portion.hours for portion in portions), 3),
    )


def _splits(files: pa.Table) -> tuple[Portion, ...]:
    kept = files.filter(pc.greater(files["pieces"], 0))
    portion_of = {portion.name: portion for portion in _portions(kept, "split")}
    return tuple(portion_of.get(name, Portion(name, 0, 0, 0, 0.0)) for name in SPLITS)


def _reasons(files: pa.Table) -> tuple[Reason, ...]:
    reasons = []
    for verdict in (Verdict.LEFT_OUT.value, Verdict.REFUSED.value):
        rows = files.filter(pc.equal(files["verdict"], verdict))
        for code, n_files in _tally(rows["reason"]).items():
            named = rows.filter(pc.equal(rows["reason"], code)).slice(0, MAX_EXAMPLES)
            detail, *_ = named["detail"].to_pylist()
            paths = tuple(named["path"].to_pylist())
            reasons.append(Reason(code, verdict, n_files, detail or "", paths))
    return tuple(sorted(reasons, key=lambda reason: (-reason.n_files, reason.code)))


def _instruments(notes: NDArray[np.int64], programs: pa.ChunkedArray) -> tuple[Instrument, ...]:
    """Return all instruments that are there.

    Args:
        notes: Notes by program value, drum kits from `FIRST_KIT` on.
        programs: Of the parts of each piece, -1 for drums.
    """
    column = programs.combine_chunks()
    pairs = pa.table({"piece": pc.list_parent_indices(column), "program": column.flatten()})
    pieces = Counter(pairs.group_by(["piece", "program"]).aggregate([])["program"].to_pylist())
    found = [
        Instrument(program_name(program), family_name(program), int(n), pieces[program])
        for program, n in enumerate(notes[:N_PROGRAMS])
    ]
    found.append(Instrument(DRUMS, DRUMS, int(notes[FIRST_KIT:].sum()), pieces[-1]))
    used = [instrument for instrument in found if instrument.n_notes]
    return tuple(sorted(used, key=lambda instrument: (-instrument.n_notes, instrument.name)))


def _style_roles(kept: pa.Table) -> dict[str, dict[str, int]]:
    """Return parts by style, the style with the most parts first, then by role."""
    column = kept["roles"].combine_chunks()
    styles = kept["style"].take(pc.list_parent_indices(column))
    parts = pa.table({"style": styles, "role": column.flatten()})
    rows = parts.group_by(["style", "role"]).aggregate([([], "count_all")]).to_pylist()
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row["style"] or "", Counter())[row["role"] or ""] = row["count_all"]
    styles_in_order = sorted(found, key=lambda style: (-found[style].total(), style))
    return {style: _in_order(found[style]) for style in styles_in_order}


def _keys(column: pa.ChunkedArray) -> Histogram:
    """Return pieces by key: majors round the circle of fifths from C, then their minors."""
    majors = [7 * fifths % N_PITCH_CLASSES for fifths in range(N_PITCH_CLASSES)]
    labels = [key_name(tonic, is_minor=False) for tonic in majors]
    labels += [key_name((tonic - 3) % N_PITCH_CLASSES, is_minor=True) for tonic in majors]
    tally = _tally(column)
    return _histogram("pieces", labels, [tally.get(label, 0) for label in labels])


def _duplicates(files: pa.Table) -> Duplicates:
    """Count the groups: a file names the one that is kept of its kind."""
    is_other = pc.and_(
        pc.not_equal(files["group"], ""), pc.not_equal(files["group"], files["path"])
    )
    others = files.filter(pc.fill_null(is_other, fill_value=False))
    sizes = {kept: n + 1 for kept, n in _tally(others["group"]).items()}
    largest = [
        Group(kept, sizes[kept], tuple(paths.slice(0, MAX_EXAMPLES).to_pylist()))
        for kept in list(sizes)[:MAX_GROUPS]
        for paths in [others.filter(pc.equal(others["group"], kept))["path"]]
    ]
    counted = _counted("groups", np.array(list(sizes.values())), GROUP_SIZE_EDGES)
    return Duplicates(len(sizes), sum(sizes.values()), counted, tuple(largest))


# ------------------------------------------------------------------------- counting


def _histogram(unit: str, labels: Iterable[str], counts: Iterable[float]) -> Histogram:
    return Histogram(unit, tuple(labels), tuple(int(n) for n in counts))


def _ranked(unit: str, counts: Mapping[str, int]) -> Histogram:
    """Return what occurs at all, the most frequent first."""
    found = {name: n for name, n in _in_order(counts).items() if n}
    return _histogram(unit, found, found.values())


def _binned(values: ArrayLike, edges: Sequence[float]) -> Histogram:
    """Return pieces by a value between edges, "under" the first and "or more" than the last.

    NaN, where nothing is known, counts nowhere.
    """
    known = np.asarray(values, np.float64)
    bins = np.searchsorted(edges, known[~np.isnan(known)], side="right")
    between = [f"{low:g}–{high:g}" for low, high in pairwise(edges)]
    labels = (f"under {edges[0]:g}", *between, f"{edges[-1]:g} or more")
    return _histogram("pieces", labels, np.bincount(bins, minlength=len(labels)))


def _counted(unit: str, values: ArrayLike, edges: Sequence[int]) -> Histogram:
    """Return whole numbers, the first edge or more, by the edges they lie between."""
    known = np.asarray(values, np.float64)
    bins = np.searchsorted(edges, known[~np.isnan(known)], side="right") - 1
    labels = [
        f"{low}" if high == low + 1 else f"{low}–{high - 1}" for low, high in pairwise(edges)
    ]
    labels.append(f"{edges[-1]} or more")
    counts = np.bincount(np.maximum(bins, 0), minlength=len(labels))
    return _histogram(unit, labels, counts)


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return numbers or truth values, shape (N,); NaN where nothing is known."""
    return np.asarray(pc.fill_null(column.cast(pa.float64()), np.nan), np.float64)


def _sum(column: pa.ChunkedArray) -> float:
    """Return the sum of what is known."""
    return float(np.nansum(_floats(column)))


def _hours(seconds: float) -> float:
    return round(float(seconds) / 3600, 3)


def _in_order(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _tally(column: pa.ChunkedArray) -> dict[str, int]:
    """Return how often each text occurs, the most frequent first; null counts nowhere."""
    rows = pc.value_counts(column.drop_null()).to_pylist()
    return _in_order({row["values"]: row["counts"] for row in rows})


def _add_up(column: pa.ChunkedArray) -> dict[str, int]:
    """Sum up texts such as `"2 zero-length, 1 no-end"` by name."""
    total: Counter[str] = Counter()
    for text, times in _tally(column).items():
        for number, name in re.findall(r"(\d+) ([^,]+)", text):
            total[name] += int(number) * times
    return _in_order(total)


# ----------------------------------------------------------------------- short form


def short_form(statistics: Statistics) -> str:
    """Return the figures that matter, in lines for a terminal."""
    lines = [("kept", _kept_line(statistics))]
    for verdict, title in ((Verdict.LEFT_OUT, "left out"), (Verdict.REFUSED, "refused")):
        reasons = {r.code: r.n_files for r in statistics.reasons if r.verdict == verdict.value}
        n_files = statistics.verdicts[verdict.value]
        lines.append((title, f"{n_files:,}" + (f": {_most(reasons)}" if reasons else "")))
    lines += [
        ("music", _music_line(statistics)),
        ("shards", _shards_line(statistics)),
        ("splits", ", ".join(f"{row.n_pieces:,} {row.name}" for row in statistics.splits)),
        ("styles", _most({row.name: row.n_pieces for row in statistics.styles})),
        ("licences", _most({row.name: row.n_pieces for row in statistics.licences})),
        ("timing", _most(statistics.timing)),
        ("velocity", f"{statistics.n_single_velocity:,} pieces have a single one"),
        ("roles", _most(statistics.roles)),
        ("instruments", _most({row.name: row.n_notes for row in statistics.instruments})),
        ("pitch", _middle(statistics.histograms["pitch"])),
        ("tempo", _middle(statistics.histograms["tempo"])),
        ("metre", _most(statistics.histograms["metre"].by_label())),
        ("key", _most(statistics.histograms["key"].by_label())),
        ("duplicates", _duplicates_line(statistics.duplicates)),
        ("lost", _most(statistics.lost)),
    ]
    width = max(len(title) for title, _ in lines)
    return "\n".join(f"{title:>{width}}  {text or 'nothing'}" for title, text in lines)


MOST = 4
"""How many names a line of the short form tells."""

MOST_LETTERS = 24
"""How many letters of a name a line of the short form tells."""


def _kept_line(statistics: Statistics) -> str:
    return f"{statistics.n_pieces:,} of {statistics.n_files:,} files"


def _music_line(statistics: Statistics) -> str:
    return (
        f"{statistics.n_notes:,} notes, {statistics.n_bars:,} bars, "
        f"{statistics.hours:,.1f} hours"
    )


def _shards_line(statistics: Statistics) -> str:
    return (
        f"{statistics.n_events:,} events in {statistics.n_shards:,} shards; a note takes "
        f"{statistics.events_per_note:.2f} events, {statistics.bytes_per_note:.1f} bytes"
    )


def _duplicates_line(duplicates: Duplicates) -> str:
    return f"{duplicates.n_files:,} files, of which {duplicates.n_groups:,} differ"


def _most(counts: Mapping[str, int]) -> str:
    """Return the most frequent of `counts`, and how many more there are."""
    found = {name: n for name, n in _in_order(counts).items() if n}
    named = [f"{n:,} {shorten(name, MOST_LETTERS)}" for name, n in list(found.items())[:MOST]]
    if len(found) > MOST:
        named.append(more(len(found) - MOST))
    return ", ".join(named)


def _middle(histogram: Histogram) -> str:
    """Return between which values half of everything lies."""
    if not histogram.total:
        return ""
    low, high = histogram.middle_half()
    return f"half of the {histogram.unit} from {low} to {high}"
