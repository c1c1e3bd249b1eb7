"""Grid to events and back, for whole pieces at a time."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sideman.errors import TokenError
from sideman.score.types import Score, Table
from sideman.tokens.grid import (
    BAR_DTYPE,
    GRID_CHORD_DTYPE,
    GRID_NOTE_DTYPE,
    Grid,
    from_grid,
    to_grid,
)
from sideman.tokens.vocabulary import (
    AHEAD,
    ATTRIBUTES,
    BEAT_TICKS_OF,
    DENOMINATOR_OF,
    DENOMINATORS,
    FIRST_DRUM,
    FIRST_KIT,
    HELD,
    LARGEST_VALUES,
    MAX_AHEAD,
    N_COLUMNS,
    N_PARTS,
    NUMERATOR_OF,
    PROGRAM,
    UNSPECIFIED,
    WHOLE_NOTE,
    Events,
    Extent,
    Kind,
    Task,
    time_signature_value,
)

CONTROLS_DTYPE = np.dtype(
    [
        ("bar", np.int32),
        ("part", np.uint8),
        ("role", np.uint8),
        ("density", np.uint8),
        ("polyphony", np.uint8),
        ("register", np.uint8),
    ]
)

_CONTROL_FIELDS = ("role", "density", "polyphony", "register")
_CHORD_FIELDS = ("beat", "tick", "root", "quality", "bass")
_NOTE_FIELDS = ("beat", "tick", "part", "pitch", "duration", "velocity")
"""What the columns of an event hold, as the tables name it."""

PLAIN = -1
"""Value of `Layout.ahead` for a note that is written in its own place."""

AT_HEAD = -1
"""Bar of controls that are declared before the first bar."""

HELD_SOUNDS_AS = 12
"""Duration value at which a held note is shown in a score: half a quarter."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """What is said about a piece beside its notes, and which notes are given.

    Attributes:
        task: What is asked for.
        style: Style label, 0 unspecified.
        extent: Which part of a piece this is; `WHOLE` and `ENDING` close with an `END`.
        key: 0 unspecified, 1-12 major on C…B, 13-24 minor.
        controls: Structured array of `CONTROLS_DTYPE`, in order of bar and part: what is
            declared of a part at the head (bar `AT_HEAD`) or at the start of a bar. A part
            without a row before its first note is declared at the head with everything
            unspecified.
        n_bars: Bars of the piece when a score is encoded. None: to the end of its last note.
        ahead: For each note how many bars before its own it is announced as given, at most
            `MAX_AHEAD` (fewer where the piece has not begun yet), or `PLAIN`; shape (N,).
            None: all plain.
        held: True for notes whose length is not known yet; shape (N,). None: no note.
        unspecified_velocity: True for notes whose velocity says nothing; shape (N,). None:
            no note.
    """

    task: Task = Task.UNSPECIFIED
    style: int = UNSPECIFIED
    extent: Extent = Extent.WHOLE
    key: int = UNSPECIFIED
    controls: Table = field(default_factory=lambda: np.zeros(0, CONTROLS_DTYPE))
    n_bars: int | None = None
    ahead: NDArray[np.int64] | None = None
    held: NDArray[np.bool_] | None = None
    unspecified_velocity: NDArray[np.bool_] | None = None


def encode(score: Score, layout: Layout | None = None) -> tuple[Events, Counter[str]]:
    """Spell a score as events.

    Args:
        score: Any score.
        layout: What is said beside the notes; its arrays are in the order of the grid's
            notes. None: a whole piece, all plain, with the key it begins in.

    Returns:
        Events, shape (T, N_COLUMNS), and what did not fit the grid, counted by name
        (see `sideman.tokens.grid.to_grid`).

    Raises:
        ScoreError: If the score has too many bars.
        TokenError: If the layout does not go with the score.
    """
    grid, counts = to_grid(score, n_bars=layout.n_bars if layout else None)
    return grid_to_events(grid, layout or Layout(key=grid.key)), counts


def decode(events: Events) -> tuple[Score, Layout]:
    """Read events back.

    Raises:
        TokenError: If the events are no sentence of the language; it says where and why.
    """
    grid, layout = events_to_grid(events)
    return from_grid(grid), layout


def grid_to_events(grid: Grid, layout: Layout) -> Events:
    """Spell a grid as events, shape (T, N_COLUMNS).

    Raises:
        TokenError: If the layout does not go with the grid.
    """
    _check_layout(grid, layout)
    controls = _all_controls(grid, layout)
    has_end = layout.extent in (Extent.WHOLE, Extent.ENDING)
    lengths = (1, len(controls), grid.n_bars, len(grid.chords), len(grid.notes), int(has_end))
    stops = np.cumsum(lengths)
    rows = np.zeros((stops[-1], N_COLUMNS), np.uint8)
    keys = np.zeros(stops[-1], np.int64)

    start, parts, bars, chords, notes, end = map(slice, stops - lengths, stops)
    rows[start, :5] = (Kind.START, layout.task, layout.style, layout.key, layout.extent)
    keys[start] = _BEFORE_ALL
    _fill_parts(rows[parts], keys[parts], grid, controls)
    _fill_bars(rows[bars], keys[bars], grid)
    _fill_chords(rows[chords], keys[chords], grid)
    _fill_notes(rows[notes], keys[notes], grid, layout)
    rows[end, 0] = Kind.END
    keys[end] = _AFTER_ALL
    return rows[np.argsort(keys, kind="stable")]


def events_to_grid(events: Events) -> tuple[Grid, Layout]:
    """Read the grid and the layout that events spell.

    Held notes get the length `HELD_SOUNDS_AS`. Given notes of bars that never came (a
    sequence that was cut) lie in bars like the last one, or longer if they need it. The order
    of events inside a bar is not checked (`sideman.tokens.grammar` does that): notes that were
    played live may stand in the order in which they came.

    Raises:
        TokenError: If the events are no sentence of the language; it says where and why.
    """
    _check_values(events)
    _check_ends(events)
    kinds = events[:, 0]
    bar_index = np.cumsum(kinds == Kind.BAR) - 1
    bars = _read_bars(events, bar_index)
    programs = _read_programs(events)
    _check_notes(events, programs)
    _check_positions(events, bar_index, bars)

    notes, rows = _read_notes(events, bar_index)
    start = events[0]
    layout = Layout(
        task=Task(start[1]),
        style=int(start[2]),
        extent=Extent(start[4]),
        key=int(start[3]),
        controls=_read_controls(events, bar_index),
        ahead=np.where(rows[:, 0] == Kind.GIVEN, rows[:, AHEAD].astype(np.int64), PLAIN),
        held=rows[:, 5] == HELD,
        unspecified_velocity=rows[:, 6] == UNSPECIFIED,
        n_bars=len(bars),
    )
    grid = Grid(
        bars=bars,
        notes=notes,
        chords=_read_chords(events, bar_index),
        programs=programs,
        key=int(start[3]),
    )
    return grid, layout


# Order of events: bar, section, then inside a section what is read from left to right.
_BAR_SECTION, _PART_SECTION, _GIVEN_SECTION, _BODY = range(4)
_BEFORE_ALL, _AFTER_ALL = -1, np.iinfo(np.int64).max


def _order(
    bar: NDArray[np.int64],
    section: int | NDArray[np.int64],
    *,
    ahead: int | NDArray[np.int64] = 0,
    beat: int | NDArray[np.int64] = 0,
    tick: int | NDArray[np.int64] = 0,
    is_note: int = 0,
    part: int | NDArray[np.int64] = 0,
    pitch: int | NDArray[np.int64] = 0,
) -> NDArray[np.int64]:
    """Pack what events are sorted by into one integer each; most significant first."""
    key = np.asarray(bar, np.int64) + 1
    for value, bits in (
        (section, 2),
        (ahead, 5),
        (beat, 5),
        (tick, 7),
        (is_note, 1),
        (part, 6),
        (pitch, 8),
    ):
        key = (key << bits) | value
    return key


def _fill_parts(rows: Events, keys: NDArray[np.int64], grid: Grid, controls: Table) -> None:
    """Fill the rows and sort keys of all declarations."""
    rows[:, 0] = Kind.PART
    rows[:, 1] = controls["part"]
    rows[:, 2] = grid.programs[controls["part"]]
    _write_fields(rows[:, 3:], controls, _CONTROL_FIELDS)
    keys[:] = _order(controls["bar"], _PART_SECTION, part=controls["part"])


def _fill_bars(rows: Events, keys: NDArray[np.int64], grid: Grid) -> None:
    """Fill the rows and sort keys of all bars."""
    rows[:, 0] = Kind.BAR
    _write_fields(rows[:, 1:], grid.bars, ("time_signature", "tempo"))
    keys[:] = _order(np.arange(grid.n_bars), _BAR_SECTION)


def _fill_chords(rows: Events, keys: NDArray[np.int64], grid: Grid) -> None:
    """Fill the rows and sort keys of all chords."""
    chords = grid.chords
    rows[:, 0] = Kind.CHORD
    _write_fields(rows[:, 1:], chords, _CHORD_FIELDS)
    keys[:] = _order(chords["bar"], _BODY, beat=chords["beat"], tick=chords["tick"])


def _fill_notes(rows: Events, keys: NDArray[np.int64], grid: Grid, layout: Layout) -> None:
    """Fill the rows and sort keys of all notes, given ones too."""
    notes = grid.notes
    rows[:, 0] = Kind.NOTE
    _write_fields(rows[:, 1:], notes, _NOTE_FIELDS)
    rows[:, PROGRAM] = grid.programs[notes["part"]]
    if layout.held is not None:
        rows[layout.held, 5] = HELD
    if layout.unspecified_velocity is not None:
        rows[layout.unspecified_velocity, 6] = UNSPECIFIED
    position = {
        name: notes[name].astype(np.int64) for name in ("beat", "tick", "part", "pitch")
    }
    if layout.ahead is None:
        keys[:] = _order(notes["bar"], _BODY, is_note=1, **position)
        return
    is_given = layout.ahead != PLAIN
    ahead = _bars_ahead(grid, layout)
    rows[is_given, 0] = Kind.GIVEN
    rows[:, AHEAD] = ahead
    section = np.where(is_given, _GIVEN_SECTION, _BODY)
    keys[:] = _order(notes["bar"] - ahead, section, ahead=ahead, is_note=1, **position)


def _bars_ahead(grid: Grid, layout: Layout) -> NDArray[np.int64]:
    """Return how many bars before its own each note stands, shape (N,); 0 for plain notes."""
    bar = grid.notes["bar"].astype(np.int64)
    if layout.ahead is None:
        return np.zeros_like(bar)
    return np.clip(layout.ahead, 0, bar)


def _write_fields(columns: Events, table: Table, names: tuple[str, ...]) -> None:
    for column, name in enumerate(names):
        columns[:, column] = table[name]


def _all_controls(grid: Grid, layout: Layout) -> Table:
    """Return the layout's controls with a head row for every part that needs one.

    It does unless it is declared before it is named by a note and no later than the parts
    with higher numbers.
    """
    n_parts, controls = len(grid.programs), layout.controls
    declared = np.full(n_parts, grid.n_bars)
    np.minimum.at(declared, controls["part"], controls["bar"])
    if (declared == AT_HEAD).all():
        return controls
    latest = np.full(n_parts, grid.n_bars - 1)
    np.minimum.at(latest, grid.notes["part"], grid.notes["bar"] - _bars_ahead(grid, layout))
    needs_row = np.zeros(n_parts, bool)
    before = grid.n_bars
    for part in reversed(range(n_parts)):
        needs_row[part] = declared[part] > min(latest[part], before)
        before = AT_HEAD if needs_row[part] else declared[part]
    rows = np.zeros(int(needs_row.sum()), CONTROLS_DTYPE)
    rows["bar"], rows["part"] = AT_HEAD, np.flatnonzero(needs_row)
    return np.concatenate([rows, controls])


def _check_layout(grid: Grid, layout: Layout) -> None:
    """Refuse a layout that says something of other notes, bars or parts than the grid's."""
    n_notes = len(grid.notes)
    for name in ("ahead", "held", "unspecified_velocity"):
        said = getattr(layout, name)
        if said is not None and said.shape != (n_notes,):
            msg = f"layout {name} has shape {said.shape}; the grid has {n_notes} notes"
            raise TokenError(msg)
    bounds = [
        ("part", layout.controls["part"], 0, len(grid.programs) - 1),
        ("bar", layout.controls["bar"], AT_HEAD, grid.n_bars - 1),
    ]
    if layout.ahead is not None:
        bounds.append(("ahead", layout.ahead, PLAIN, MAX_AHEAD))
    for name, values, low, high in bounds:
        if len(values) and not (low <= values.min() and values.max() <= high):
            wrong = int(values.min() if values.min() < low else values.max())
            msg = f"layout names {name} {wrong}; it must be {low} to {high}"
            raise TokenError(msg)


def _check_values(events: Events) -> None:
    """Refuse rows of the wrong length, unknown kinds and values no attribute has."""
    if events.ndim != 2 or events.shape[1] != N_COLUMNS:  # noqa: PLR2004 (rows and columns)
        msg = f"events have shape {events.shape}; they must have {N_COLUMNS} columns"
        raise TokenError(msg)
    kinds = events[:, 0]
    if kinds.max(initial=0) >= len(Kind):
        index = int(np.argmax(kinds >= len(Kind)))
        msg = f"event {index} has kind {kinds[index]}; there are {len(Kind)}"
        raise TokenError(msg)
    is_wrong = events > LARGEST_VALUES[kinds]
    if is_wrong.any():
        index, column = (int(i) for i in np.argwhere(is_wrong)[0])
        kind, value = Kind(kinds[index]), int(events[index, column])
        largest = int(LARGEST_VALUES[kind, column])
        msg = (
            f"event {index}, {kind.name}, has {_column_name(kind, column)} {value}; "
            f"it must be at most {largest}"
        )
        raise TokenError(msg)


def _column_name(kind: Kind, column: int) -> str:
    """Return the name of the attribute that a column of a kind holds."""
    if column == PROGRAM and kind in (Kind.NOTE, Kind.GIVEN):
        return "program"
    found = (a.name for a in ATTRIBUTES if a.column == column and kind in a.kinds)
    return next(found, f"in unused column {column}")


def _check_ends(events: Events) -> None:
    if len(events) == 0 or events[0, 0] != Kind.START:
        msg = "events must begin with START"
        raise TokenError(msg)
    _refuse_where(events[1:, 0] == Kind.START, 1, "START stands only first")
    _refuse_where(events[:-1, 0] == Kind.END, 0, "END stands only last")


def _refuse_where(is_wrong: NDArray[np.bool_], first: int, why: str) -> None:
    """Refuse events if any is wrong; `first` is the number of the first one looked at."""
    if is_wrong.any():
        msg = f"event {first + int(np.argmax(is_wrong))}: {why}"
        raise TokenError(msg)


def _read_bars(events: Events, bar_index: NDArray[np.int64]) -> Table:
    """Return all bars, with such as have room where a given note lies beyond the last."""
    rows = events[events[:, 0] == Kind.BAR]
    last_bar_of = bar_index + events[:, AHEAD]
    n_bars = max(len(rows), int(last_bar_of.max()) + 1)
    bars = np.zeros(n_bars, BAR_DTYPE)
    _read_fields(bars[: len(rows)], rows[:, 1:], ("time_signature", "tempo"))
    for bar in range(max(len(rows), 1), n_bars):
        given = events[(last_bar_of == bar) & (events[:, 0] == Kind.GIVEN)]
        beat, tick = (int(given[:, column].max(initial=0)) for column in (1, 2))
        bars[bar] = bars[bar - 1]
        bars[bar]["time_signature"] = _metre_with_room(int(bars[bar - 1][0]), beat, tick)
    return bars


def _metre_with_room(value: int, beat: int, tick: int) -> int:
    """Return the metre most like a given one that has a beat and a tick in it."""
    numerator = max(int(NUMERATOR_OF[value]), beat + 1)
    fits = (d for d in reversed(DENOMINATORS) if d <= DENOMINATOR_OF[value])
    denominator = next(d for d in fits if WHOLE_NOTE // d > tick)
    return int(time_signature_value(numerator, denominator))


def _read_programs(events: Events) -> NDArray[np.uint8]:
    """Return the program of each part; parts must be declared as 0, 1, 2, …, each as one."""
    is_part = events[:, 0] == Kind.PART
    declared = events[is_part]
    numbers, first = np.unique(declared[:, 1], return_index=True)
    if len(numbers) and numbers[-1] != len(numbers) - 1:
        msg = f"parts {numbers.tolist()} are declared; numbers must run from 0 without a gap"
        raise TokenError(msg)
    programs: NDArray[np.uint8] = declared[first, 2]
    is_other = np.zeros(len(events), bool)
    is_other[is_part] = declared[:, 2] != programs[declared[:, 1]]
    _refuse_where(is_other, 0, "a part is declared again with another program")
    return programs


def _read_controls(events: Events, bar_index: NDArray[np.int64]) -> Table:
    is_part = events[:, 0] == Kind.PART
    rows = np.zeros(int(is_part.sum()), CONTROLS_DTYPE)
    rows["bar"] = bar_index[is_part]
    rows["part"] = events[is_part, 1]
    _read_fields(rows, events[is_part, 3:], _CONTROL_FIELDS)
    return rows


def _read_chords(events: Events, bar_index: NDArray[np.int64]) -> Table:
    is_chord = events[:, 0] == Kind.CHORD
    chords = np.empty(int(is_chord.sum()), GRID_CHORD_DTYPE)
    chords["bar"] = bar_index[is_chord]
    _read_fields(chords, events[is_chord, 1:], _CHORD_FIELDS)
    return chords


def _read_notes(events: Events, bar_index: NDArray[np.int64]) -> tuple[Table, Events]:
    """Return all notes in the grid's order, and beside each its event, shape (N, N_COLUMNS)."""
    is_note = _is_note(events)
    rows = events[is_note]
    notes = np.empty(len(rows), GRID_NOTE_DTYPE)
    notes["bar"] = bar_index[is_note] + rows[:, AHEAD]
    _read_fields(notes, rows[:, 1:], _NOTE_FIELDS)
    notes["duration"][rows[:, 5] == HELD] = HELD_SOUNDS_AS
    order = np.lexsort([notes[name] for name in ("pitch", "part", "tick", "beat", "bar")])
    return notes.take(order), rows[order]


def _read_fields(table: Table, columns: Events, names: tuple[str, ...]) -> None:
    for column, name in enumerate(names):
        table[name] = columns[:, column]


def _is_note(events: Events) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (events[:, 0] == Kind.NOTE) | (events[:, 0] == Kind.GIVEN)
    return found


def _check_notes(events: Events, programs: NDArray[np.uint8]) -> None:
    """Refuse notes of no declared part, of another program or kind of pitch than their part."""
    index = np.flatnonzero(_is_note(events))
    rows = events[index]
    declared_at = np.full(N_PARTS, len(events))
    is_part = np.flatnonzero(events[:, 0] == Kind.PART)[::-1]
    declared_at[events[is_part, 1]] = is_part  # the first of each part is written last
    is_early = np.zeros(len(events), bool)
    is_early[index] = declared_at[rows[:, 3]] > index
    _refuse_where(is_early, 0, "a note names a part that is not declared before it")
    is_other = np.zeros(len(events), bool)
    is_other[index] = rows[:, PROGRAM] != programs[rows[:, 3]]
    _refuse_where(is_other, 0, "a note says another program than its part has")
    is_drum = rows[:, PROGRAM] >= FIRST_KIT
    is_other[index] = (rows[:, 4] >= FIRST_DRUM) != is_drum
    _refuse_where(is_other, 0, "a drum piece in a pitched part, or a pitch in a drum part")


def _check_positions(events: Events, bar_index: NDArray[np.int64], bars: Table) -> None:
    """Refuse notes and chords before the first bar or behind the end of their own."""
    index = np.flatnonzero(_is_note(events) | (events[:, 0] == Kind.CHORD))
    rows, bar = events[index], bar_index[index]
    is_wrong = np.zeros(len(events), bool)
    is_wrong[index] = bar < 0
    _refuse_where(is_wrong, 0, "a note or chord stands before the first BAR")
    metre = bars["time_signature"][bar + rows[:, AHEAD]]
    is_wrong[index] = (rows[:, 1] >= NUMERATOR_OF[metre]) | (rows[:, 2] >= BEAT_TICKS_OF[metre])
    _refuse_where(is_wrong, 0, "a note or chord begins behind the end of its bar")


assert N_PARTS <= 1 << 6 and MAX_AHEAD < 1 << 5  # the bits `_order` gives them  # noqa: PT018
