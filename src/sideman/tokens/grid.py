"""The score on the model's grid: bars, and notes by bar, beat and tick in beat.

This is the form in which pieces are cut, permuted and masked before they are spelled as
events. What the grid cannot hold is counted by name, never dropped in silence.
"""

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sideman.errors import ScoreError
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.time import (
    MAX_BARS,
    SECONDS_PER_MINUTE,
    bar_length,
    bar_starts,
    metre_spans,
    resample,
    ticks_to_seconds,
)
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    TPQ,
    Part,
    Score,
    Table,
)
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    DENOMINATOR_OF,
    DENOMINATORS,
    DRUM_KITS,
    DURATION_TICKS,
    FIRST_DRUM,
    FIRST_KIT,
    MAX_DURATION,
    MAX_NUMERATOR,
    N_PARTS,
    NUMERATOR_OF,
    TEMPO_BINS,
    UNSPECIFIED,
    WHOLE_NOTE,
    bin_to_tempo,
    bin_to_velocity,
    program_value,
    tempo_to_bin,
    ticks_to_duration,
    time_signature_value,
    velocity_to_bin,
)

SHORTEST_BAR_S = 1e-6
"""Seconds a bar is taken to last at least, so that its tempo is a number."""

FINER = 16
"""Times a score's own resolution at which strange metres are measured: exact to 64ths."""

_FOUR_FOUR = int(time_signature_value(4, 4))

FINEST_BEAT = WHOLE_NOTE // DENOMINATORS[-1]
"""Ticks of a 32nd: bar lines fall on multiples of it."""

BAR_DTYPE = np.dtype([("time_signature", np.uint8), ("tempo", np.uint8)])
GRID_NOTE_DTYPE = np.dtype(
    [
        ("bar", np.int32),
        ("beat", np.uint8),
        ("tick", np.uint8),
        ("part", np.uint8),
        ("pitch", np.uint8),
        ("duration", np.uint8),
        ("velocity", np.uint8),
    ]
)
GRID_CHORD_DTYPE = np.dtype(
    [
        ("bar", np.int32),
        ("beat", np.uint8),
        ("tick", np.uint8),
        ("root", np.uint8),
        ("quality", np.uint8),
        ("bass", np.uint8),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A piece on the grid.

    Attributes:
        bars: Structured array (n_bars,) of `BAR_DTYPE`, in vocabulary values.
        notes: Structured array (N,) of `GRID_NOTE_DTYPE`, in vocabulary values but for `bar`,
            which counts from 0; in order of bar, beat, tick, part, pitch, each once.
        chords: Structured array (C,) of `GRID_CHORD_DTYPE`.
        programs: Program value of each part, shape (P,), P at most `N_PARTS`.
        names: Name of each part; not part of the music.
        key: 0, or 1 + tonic for major, 13 + tonic for minor: the key it begins in.
    """

    bars: Table
    notes: Table
    chords: Table
    programs: NDArray[np.uint8]
    names: tuple[str, ...] = ()
    key: int = UNSPECIFIED

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.bars)

    def bar_starts(self) -> NDArray[np.int64]:
        """Return the onset in ticks of each bar and the end of the last, (n_bars + 1,)."""
        return np.append(0, np.cumsum(BAR_TICKS_OF[self.bars["time_signature"]]))


def to_grid(score: Score, *, n_bars: int | None = None) -> tuple[Grid, Counter[str]]:
    """Put a score on the grid.

    Args:
        score: Any score.
        n_bars: How many bars the grid has, at least those in which notes or chords begin;
            bars that are added are like the last. None: to the end of the last note, or to
            the last chord.

    Returns:
        The grid, and how often something did not fit, by name:

        - `parts_over_limit`: notes of parts beyond `N_PARTS`, left out;
        - `duplicate_notes`: notes left out because a longer one has their onset, part, pitch;
        - `duplicate_chords`: chords left out because another has their onset;
        - `long_notes_cut`: notes cut to `MAX_DURATION` ticks;
        - `bar_lines_moved`: bar lines moved to the nearest 32nd, by more than half a tick;
        - `bars_respelled`: bars spelled in a metre, or several, that the vocabulary has;
        - `tempo_changes_averaged`: tempo changes inside a bar; the bar has its mean tempo;
        - `tempos_clipped`: bars slower than the slowest tempo or faster than the fastest;
        - `key_changes_dropped`: keys after the first.

    Raises:
        ScoreError: If there are more than `MAX_BARS` bars.
    """
    counts: Counter[str] = Counter()
    snapped = resample(score, TPQ)
    notes = _notes_that_fit(snapped, counts)
    durations = ticks_to_duration(notes["duration"])
    chords = _one_chord_at_a_time(snapped.chords, counts)
    values = _metres(score, snapped, counts)
    last_onset = max(int(rows["onset"].max(initial=-1)) for rows in (notes, chords))
    if n_bars is None:
        end = int((notes["onset"] + DURATION_TICKS[durations]).max(initial=1))
        values = _with_n_bars(values, 1, max(end, last_onset + 1))
    else:
        values = _with_n_bars(values, n_bars, last_onset + 1)
    starts = np.append(0, np.cumsum(BAR_TICKS_OF[values]))
    bars = np.zeros(len(values), BAR_DTYPE)
    bars["time_signature"] = values
    bars["tempo"] = _tempo_bins(score, starts, counts)
    grid = Grid(
        bars=bars,
        notes=_grid_notes(notes, durations, score.parts, starts, values),
        chords=_grid_chords(chords, starts, values),
        programs=np.array(
            [program_value(p.program, is_drum=p.is_drum) for p in score.parts[:N_PARTS]],
            np.uint8,
        ),
        names=tuple(part.name for part in score.parts[:N_PARTS]),
        key=_first_key(score, counts),
    )
    return grid, counts


def from_grid(grid: Grid) -> Score:
    """Return the score that a grid holds, at `TPQ` ticks per quarter note."""
    starts = grid.bar_starts()
    notes = np.zeros(len(grid.notes), NOTE_DTYPE)
    notes["onset"] = onsets(grid, grid.notes, starts)
    notes["duration"] = np.maximum(DURATION_TICKS[grid.notes["duration"]], 1)
    notes["pitch"] = grid.notes["pitch"] % FIRST_DRUM
    notes["velocity"] = bin_to_velocity(grid.notes["velocity"])
    notes["part"] = grid.notes["part"]
    chords = np.zeros(len(grid.chords), CHORD_DTYPE)
    chords["onset"] = onsets(grid, grid.chords, starts)
    for name in ("root", "quality", "bass"):
        chords[name] = grid.chords[name]
    names = grid.names or ("",) * len(grid.programs)
    return Score(
        notes=notes,
        parts=tuple(_part(int(p), name) for p, name in zip(grid.programs, names, strict=True)),
        tpq=TPQ,
        tempos=_tempo_rows(grid, starts),
        time_signatures=_metre_rows(grid, starts),
        keys=_key_rows(grid.key),
        chords=chords,
    )


def snap(score: Score) -> Score:
    """Return the score as the model can know it: `from_grid` of `to_grid`."""
    return from_grid(to_grid(score)[0])


def slice_bars(grid: Grid, first: int, end: int) -> Grid:
    """Return the bars from `first` to before `end`; notes are those that begin in them.

    A chord that holds on from before is said again where they begin.
    """
    bars, chords = grid.bars[first:end], _rows_of_bars(grid.chords, first, end)
    begins_anew = chords[:1][["bar", "beat", "tick"]].tolist() == [(0, 0, 0)]
    if len(bars) and not begins_anew:
        held = grid.chords[: np.searchsorted(grid.chords["bar"], first)][-1:].copy()
        held["bar"] = held["beat"] = held["tick"] = 0
        chords = np.concatenate([held, chords])
    notes = _rows_of_bars(grid.notes, first, end)
    return replace(grid, bars=bars, notes=notes, chords=chords)


def take_parts(grid: Grid, parts: NDArray[np.int64]) -> Grid:
    """Return the grid with only `parts`, numbered in that order; each at most once."""
    number = np.full(N_PARTS, -1, np.int64)
    number[parts] = np.arange(len(parts))
    kept = grid.notes[number[grid.notes["part"]] >= 0]
    kept["part"] = number[kept["part"]]
    order = np.lexsort([kept[name] for name in ("pitch", "part", "tick", "beat", "bar")])
    names = tuple(grid.names[part] for part in parts) if grid.names else ()
    return replace(grid, notes=kept[order], programs=grid.programs[parts], names=names)


def join(grid: Grid, more: Grid) -> Grid:
    """Return the bars of `grid` and behind them those of `more`, which has the same parts."""

    def later(rows: Table) -> Table:
        rows = rows.copy()
        rows["bar"] += grid.n_bars
        return rows

    return replace(
        grid,
        bars=np.concatenate([grid.bars, more.bars]),
        notes=np.concatenate([grid.notes, later(more.notes)]),
        chords=np.concatenate([grid.chords, later(more.chords)]),
    )


def add_notes(grid: Grid, notes: Table) -> Grid:
    """Return the grid with more notes, in its own numbering of bars and parts.

    Where one has the place and the pitch of a note of its part that is there, that one stays.
    """
    together = np.concatenate([grid.notes, notes])
    order = np.lexsort([together[name] for name in ("pitch", "part", "tick", "beat", "bar")])
    together = together.take(order)
    same = np.ones(len(together), bool)
    for name in ("bar", "beat", "tick", "part", "pitch"):
        same[1:] &= together[name][1:] == together[name][:-1]
    same[:1] = False
    return replace(grid, notes=together.compress(~same))


def _rows_of_bars(rows: Table, first: int, end: int) -> Table:
    low, high = np.searchsorted(rows["bar"], [first, end])
    rows = rows[low:high].copy()
    rows["bar"] -= first
    return rows


def onsets(grid: Grid, rows: Table, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the onset in ticks of notes or chords of a grid whose bars begin at `starts`."""
    beat_ticks = BEAT_TICKS_OF[grid.bars["time_signature"][rows["bar"]]]
    found: NDArray[np.int64] = starts[rows["bar"]] + rows["beat"] * beat_ticks + rows["tick"]
    return found


def _part(program: int, name: str) -> Part:
    if program < FIRST_KIT:
        return Part(program, is_drum=False, name=name)
    return Part(DRUM_KITS[program - FIRST_KIT], is_drum=True, name=name)


def _tempo_rows(grid: Grid, starts: NDArray[np.int64]) -> Table:
    changes = _changes(grid.bars["tempo"])
    rows = np.zeros(len(changes), TEMPO_DTYPE)
    rows["onset"] = starts[changes]
    rows["tempo_bpm"] = bin_to_tempo(grid.bars["tempo"][changes])
    return rows


def _changes(values: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the indices of the values that are not as the one before; the first is not."""
    is_change = np.ones(len(values), bool)
    is_change[1:] = values[1:] != values[:-1]
    return np.flatnonzero(is_change)


def _metre_rows(grid: Grid, starts: NDArray[np.int64]) -> Table:
    values = grid.bars["time_signature"]
    changes = _changes(values)
    rows = np.zeros(len(changes), TIME_SIGNATURE_DTYPE)
    rows["onset"] = starts[changes]
    rows["numerator"] = NUMERATOR_OF[values[changes]]
    rows["denominator"] = DENOMINATOR_OF[values[changes]]
    return rows


def _first_key(score: Score, counts: Counter[str]) -> int:
    """Return the key a score begins in; of several at one tick the first counts."""
    if len(score.keys) == 0:
        return UNSPECIFIED
    values = 1 + score.keys["tonic"] + N_PITCH_CLASSES * score.keys["is_minor"]
    counts["key_changes_dropped"] += len(_changes(values)) - 1
    return int(values[0])


def _key_rows(key: int) -> Table:
    if key == UNSPECIFIED:
        return np.zeros(0, KEY_DTYPE)
    return np.array([(0, (key - 1) % N_PITCH_CLASSES, key > N_PITCH_CLASSES)], KEY_DTYPE)


def _notes_that_fit(score: Score, counts: Counter[str]) -> Table:
    """Return the notes, of `NOTE_DTYPE`, that the grid can hold, in playing order."""
    notes = score.notes
    if len(score.parts) > N_PARTS:
        fits = notes["part"] < N_PARTS
        counts["parts_over_limit"] += int((~fits).sum())
        notes = notes.compress(fits)
    notes = _without_duplicates(notes, counts)
    counts["long_notes_cut"] += int((notes["duration"] > MAX_DURATION).sum())
    return notes


def _without_duplicates(notes: Table, counts: Counter[str]) -> Table:
    """Keep the longest of the notes with one onset, part and pitch."""
    key = (notes["onset"] * N_PARTS + notes["part"]) * FIRST_DRUM + notes["pitch"]
    if (key[1:] > key[:-1]).all():
        return notes
    order = np.lexsort((-notes["duration"], key))
    notes, key = notes.take(order), key[order]
    is_first = np.append(True, key[1:] != key[:-1])
    counts["duplicate_notes"] += int((~is_first).sum())
    return notes.compress(is_first)


def _one_chord_at_a_time(chords: Table, counts: Counter[str]) -> Table:
    """Of several chords at one onset keep the last."""
    is_last = np.ones(len(chords), bool)
    is_last[:-1] = chords["onset"][1:] != chords["onset"][:-1]
    counts["duplicate_chords"] += int((~is_last).sum())
    return chords.compress(is_last)


def _grid_notes(
    notes: Table,
    durations: NDArray[np.int64],
    parts: tuple[Part, ...],
    starts: NDArray[np.int64],
    values: NDArray[np.int64],
) -> Table:
    """Return notes as rows of `GRID_NOTE_DTYPE`, for bars that begin at `starts`."""
    rows = np.empty(len(notes), GRID_NOTE_DTYPE)
    _place(rows, notes["onset"], starts, values)
    is_drum = np.array([part.is_drum for part in parts], bool)
    rows["part"] = notes["part"]
    rows["pitch"] = notes["pitch"] + FIRST_DRUM * is_drum[notes["part"]]
    rows["duration"] = durations
    rows["velocity"] = velocity_to_bin(notes["velocity"])
    return rows


def _grid_chords(chords: Table, starts: NDArray[np.int64], values: NDArray[np.int64]) -> Table:
    """Return chords as rows of `GRID_CHORD_DTYPE`, for bars that begin at `starts`."""
    rows = np.zeros(len(chords), GRID_CHORD_DTYPE)
    _place(rows, chords["onset"], starts, values)
    for name in ("root", "quality", "bass"):
        rows[name] = chords[name]
    return rows


def _place(
    rows: Table, onsets: NDArray[np.int64], starts: NDArray[np.int64], values: NDArray[np.int64]
) -> None:
    """Fill bar, beat and tick of `rows`."""
    bar = np.searchsorted(starts, onsets, side="right") - 1
    beat_ticks = BEAT_TICKS_OF[values[bar]]
    rows["bar"] = bar
    rows["beat"], rows["tick"] = np.divmod(onsets - starts[bar], beat_ticks)


def _tempo_bins(
    score: Score, starts: NDArray[np.int64], counts: Counter[str]
) -> NDArray[np.int64]:
    """Return the bin of the mean tempo of each bar; `starts` are in ticks of `TPQ`."""
    seconds = ticks_to_seconds(score, starts * (score.tpq / TPQ))
    quarters = np.diff(starts) / TPQ
    mean_bpm = SECONDS_PER_MINUTE * quarters / np.maximum(np.diff(seconds), SHORTEST_BAR_S)
    slowest, fastest = bin_to_tempo([-0.5, TEMPO_BINS - 0.5])
    counts["tempos_clipped"] += int(((mean_bpm < slowest) | (mean_bpm > fastest)).sum())
    counts["tempo_changes_averaged"] += _count_changes_inside_bars(score, starts)
    return tempo_to_bin(mean_bpm)


def _count_changes_inside_bars(score: Score, starts: NDArray[np.int64]) -> int:
    tempos = score.tempos[_changes(score.tempos["tempo_bpm"])]
    onsets = tempos["onset"] * TPQ  # exact: both sides in ticks of tpq * TPQ
    lines = starts * score.tpq
    return int(((onsets < lines[-1]) & ~np.isin(onsets, lines)).sum())


def _metres(score: Score, snapped: Score, counts: Counter[str]) -> NDArray[np.int64]:
    """Return the time signature values of all bars of a score, in order.

    Args:
        score: As it came.
        snapped: The same at `TPQ` ticks per quarter note.
        counts: Is added to.
    """
    spans = metre_spans(snapped)
    lengths = bar_length(spans["numerator"], spans["denominator"], TPQ)
    is_known = np.isin(spans["denominator"], DENOMINATORS)
    is_known &= spans["numerator"] <= MAX_NUMERATOR
    if is_known.all() and (np.diff(spans["onset"]) % lengths[:-1] == 0).all():
        span = np.searchsorted(spans["onset"], bar_starts(snapped)[:-1], side="right") - 1
        return time_signature_value(spans["numerator"], spans["denominator"])[span]
    return _respelled_metres(score, counts)


def _respelled_metres(score: Score, counts: Counter[str]) -> NDArray[np.int64]:
    """Spell bars one by one: the slow way, for pieces with short bars or strange metres."""
    fine = resample(score, score.tpq * FINER)
    spans, starts = metre_spans(fine), bar_starts(fine)
    span = np.searchsorted(spans["onset"], starts[:-1], side="right") - 1
    moved = _to_finest_beat(starts, fine.tpq)
    way = np.abs(moved * fine.tpq - starts * TPQ)  # in ticks of fine.tpq * TPQ
    counts["bar_lines_moved"] += int((2 * way[:-1] > fine.tpq).sum())
    values: list[int] = []
    for length, metre in zip(np.diff(moved).tolist(), spans[span].tolist(), strict=True):
        _, numerator, denominator = metre
        spelled = _spell_bar(length, denominator)
        is_as_written = [(NUMERATOR_OF[v], DENOMINATOR_OF[v]) for v in spelled] == [
            (numerator, denominator)
        ]
        counts["bars_respelled"] += int(not is_as_written)
        values += spelled
    return np.array(values, np.int64)


def _to_finest_beat(starts: NDArray[np.int64], tpq: int) -> NDArray[np.int64]:
    """Return bar lines in ticks of `TPQ` at the nearest multiples of `FINEST_BEAT`."""
    ticks, unit = starts * TPQ, FINEST_BEAT * tpq  # exact: both in ticks of tpq * TPQ
    moved = (2 * ticks + unit) // (2 * unit)
    moved[-1] = max(moved[-1], 1)  # at least one bar is left
    return moved * FINEST_BEAT


@lru_cache(maxsize=4096)
def _spell_bar(length: int, denominator: int) -> tuple[int, ...]:
    """Return time signature values of bars that together last `length` ticks.

    A length that no single metre has becomes bars of 4/4 and a rest; `length` is a multiple
    of `FINEST_BEAT`.
    """
    values: list[int] = []
    while length:
        value = _metre_of_length(length, denominator)
        if value is None:
            value = _FOUR_FOUR
        values.append(value)
        length -= int(BAR_TICKS_OF[value])
    return tuple(values)


def _metre_of_length(length: int, denominator: int) -> int | None:
    """Return the metre whose bar lasts `length` ticks, or None.

    The written denominator is tried first, then finer ones, then coarser ones.
    """
    finer = [d for d in DENOMINATORS if d > denominator]
    coarser = [d for d in reversed(DENOMINATORS) if d < denominator]
    same = [denominator] if denominator in DENOMINATORS else []
    for candidate in (*same, *finer, *coarser):
        numerator, rest = divmod(length, WHOLE_NOTE // candidate)
        if rest == 0 and 1 <= numerator <= MAX_NUMERATOR:
            return int(time_signature_value(numerator, candidate))
    return None


def _with_n_bars(values: NDArray[np.int64], n_bars: int, end: int) -> NDArray[np.int64]:
    """Return bars cut or continued to `n_bars`, or to tick `end` if that takes more."""
    starts = np.append(0, np.cumsum(BAR_TICKS_OF[values]))
    n_needed = int(np.searchsorted(starts, end))
    if end > starts[-1]:
        n_needed = len(values) - int((starts[-1] - end) // BAR_TICKS_OF[values[-1]])
    n_bars = max(n_bars, n_needed)
    if n_bars > MAX_BARS:
        msg = f"the score has {n_bars} bars; at most {MAX_BARS} are read"
        raise ScoreError(msg)
    added = np.repeat(values[-1], max(n_bars - len(values), 0))
    return np.append(values, added)[:n_bars]
