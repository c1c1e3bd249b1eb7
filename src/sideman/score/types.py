"""The score: every note of a piece as one table, with the little tables around it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sideman.errors import ScoreError
from sideman.score.harmony import N_PITCH_CLASSES, NO_CHORD, QUALITIES

TPQ = 24
"""Ticks per quarter note inside the model's world: exact 16ths, 32nds and triplets."""

MAX_DATA_BYTE = 127
"""Largest value of a MIDI data byte (MIDI 1.0 specification, "Data bytes")."""

DRUM_CHANNEL = 9
"""Channel of the drums, counted from 0 (General MIDI Level 1)."""

DEFAULT_TEMPO_BPM = 120.0
"""Tempo of a file that names none (Standard MIDI Files 1.0, "Set Tempo")."""

NOTE_DTYPE = np.dtype(
    [
        ("onset", np.int64),
        ("duration", np.int64),
        ("pitch", np.int16),
        ("velocity", np.int16),
        ("part", np.int16),
    ]
)
TEMPO_DTYPE = np.dtype([("onset", np.int64), ("tempo_bpm", np.float64)])
TIME_SIGNATURE_DTYPE = np.dtype(
    [("onset", np.int64), ("numerator", np.int16), ("denominator", np.int16)]
)
KEY_DTYPE = np.dtype([("onset", np.int64), ("tonic", np.int16), ("is_minor", np.bool_)])
CHORD_DTYPE = np.dtype(
    [("onset", np.int64), ("root", np.int16), ("quality", np.int16), ("bass", np.int16)]
)

Table = NDArray[np.void]
"""A structured array, one row an item, in order of onset."""


def table(dtype: np.dtype[np.void], rows: Iterable[tuple[object, ...]] = ()) -> Table:
    """Return a structured array of `dtype` holding `rows`."""
    return np.array(list(rows), dtype=dtype)


@dataclass(frozen=True, slots=True)
class Part:
    """One player: what sounds with one program on one line of the score.

    Attributes:
        program: General MIDI program, 0-127 (people count from 1); for drums the kit.
        is_drum: True when pitches are drum pieces.
        name: What the file calls it; free text, never used to guess a role.

    Raises:
        ScoreError: If the program is outside 0-127.
    """

    program: int = 0
    is_drum: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.program <= MAX_DATA_BYTE:
            msg = f"part program is {self.program}; it must be 0 to {MAX_DATA_BYTE}"
            raise ScoreError(msg)


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """A piece of music: notes in playing order, and the tables that place them in time.

    Attributes:
        notes: Structured array (N,) of `NOTE_DTYPE`: onset and duration in ticks
            (duration at least 1), pitch 0-127, velocity 1-127, part an index into `parts`.
            Kept in order of onset, part, pitch.
        parts: The players.
        tpq: Ticks per quarter note, at least 1.
        tempos: Structured array of `TEMPO_DTYPE`, quarter notes per minute.
        time_signatures: Structured array of `TIME_SIGNATURE_DTYPE`.
        keys: Structured array of `KEY_DTYPE`; tonic is a pitch class, 0 = C.
        chords: Structured array of `CHORD_DTYPE`; see `sideman.score.harmony`.

    Raises:
        ScoreError: If a value is outside its range; the message names the first.
    """

    notes: Table
    parts: tuple[Part, ...]
    tpq: int = TPQ
    tempos: Table = field(default_factory=lambda: table(TEMPO_DTYPE))
    time_signatures: Table = field(default_factory=lambda: table(TIME_SIGNATURE_DTYPE))
    keys: Table = field(default_factory=lambda: table(KEY_DTYPE))
    chords: Table = field(default_factory=lambda: table(CHORD_DTYPE))

    to_html: ClassVar[Callable[["Score"], str] | None] = None
    """How notebooks show a score; `sideman.notebook` sets it when it is imported."""

    def __post_init__(self) -> None:
        if self.tpq < 1:
            msg = f"score tpq is {self.tpq}; it must be at least 1"
            raise ScoreError(msg)
        notes = self.notes
        _check_range("note onset", notes["onset"], 0)
        _check_range("note duration", notes["duration"], 1)
        _check_range("note pitch", notes["pitch"], 0, MAX_DATA_BYTE)
        _check_range("note velocity", notes["velocity"], 1, MAX_DATA_BYTE)
        _check_range("note part", notes["part"], 0, len(self.parts) - 1)
        order = np.lexsort((notes["pitch"], notes["part"], notes["onset"]))
        # take, not [order]: on a structured array indexing is eight times slower
        object.__setattr__(self, "notes", notes.take(order))
        _check_tables(self)
        for name in ("tempos", "time_signatures", "keys", "chords"):
            rows = getattr(self, name)
            if len(rows):
                _check_range(f"{name} onset", rows["onset"], 0)
                order = np.argsort(rows["onset"], kind="stable")
                object.__setattr__(self, name, rows.take(order))

    @property
    def end(self) -> int:
        """First tick at which no note sounds any more; 0 for a score without notes."""
        if len(self.notes) == 0:
            return 0
        return int((self.notes["onset"] + self.notes["duration"]).max())

    def _repr_html_(self) -> str | None:
        """Return how a notebook shows the score; None: as text."""
        return None if Score.to_html is None else Score.to_html(self)

    def with_notes(self, notes: Table) -> "Score":
        """Return this score with other notes."""
        return replace(self, notes=notes)


def _check_tables(score: Score) -> None:
    """Check the values of the little tables, but their onsets."""
    if len(score.tempos) and not (score.tempos["tempo_bpm"] > 0).all():  # catches NaN as well
        msg = f"tempo_bpm is {score.tempos['tempo_bpm'].min()}; it must be more than 0"
        raise ScoreError(msg)
    _check_range("time signature numerator", score.time_signatures["numerator"], 1)
    _check_range("time signature denominator", score.time_signatures["denominator"], 1)
    _check_range("key tonic", score.keys["tonic"], 0, N_PITCH_CLASSES - 1)
    _check_range("chord root", score.chords["root"], 0, NO_CHORD)
    _check_range("chord quality", score.chords["quality"], 0, len(QUALITIES) - 1)
    _check_range("chord bass", score.chords["bass"], 0, N_PITCH_CLASSES - 1)


def _check_range(
    name: str, values: NDArray[np.integer], low: int, high: int | None = None
) -> None:
    if len(values) == 0:
        return
    smallest, largest = int(values.min()), int(values.max())
    if smallest >= low and (high is None or largest <= high):
        return
    wanted = f"at least {low}" if high is None else f"{low} to {high}"
    msg = f"{name} is {smallest if smallest < low else largest}; it must be {wanted}"
    raise ScoreError(msg)
