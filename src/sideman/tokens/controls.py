"""Controls: what is declared of a part, measured from its notes.

Roles are told from a part's program and from what it plays beside the others, never from its
name. Thresholds were chosen on parts whose names give their role away; `benchmarks/roles.py`
says how often the rule agrees with such names.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.types import TPQ, Table
from sideman.tokens.codec import AT_HEAD, CONTROLS_DTYPE
from sideman.tokens.grid import Grid, onsets
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    DRUM_KITS,
    DURATION_TICKS,
    FIRST_DRUM,
    FIRST_KIT,
    N_DENSITIES,
    N_POLYPHONIES,
    N_REGISTERS,
    UNSPECIFIED,
    Role,
)

DENSITY_STEPS = (0.125, 0.25, 0.5, 1.0, 1.5, 2.5, 4.0, 6.0)
"""Notes per quarter of all bars at which the next density level (2, 3, … 9) begins."""

POLYPHONY_STEPS = (1.15, 1.6, 2.2, 3.0, 4.0, 6.0)
"""Mean notes sounding while any sounds at which the next polyphony level (2, … 7) begins."""


def _programs(*spans: range) -> NDArray[np.bool_]:
    """Return for each program value whether it is in one of `spans`."""
    values = np.arange(FIRST_KIT + len(DRUM_KITS))
    return np.isin(values, [program for span in spans for program in span])


IS_BASS_PROGRAM = _programs(range(32, 40))
IS_PAD_PROGRAM = _programs(range(48, 52), range(88, 96))
"""String ensembles and synth pads."""
IS_CHOIR_PROGRAM = _programs(range(52, 55))
IS_SOLO_PROGRAM = _programs(range(52, 55), range(56, 80))
"""Voices, brass, reeds and pipes: they mostly play one note at a time, and in front.

Families are those of General MIDI Level 1 (1991).
"""

STRUM_TICKS = 2
"""Ticks by which the notes of one chord may follow one another: less than a 32nd."""

STEP = 2
"""Semitones of the widest step; what is wider is a leap."""

LINE_BELOW = 1.6
"""Polyphony below which a part is a line."""

CHORDS_FROM = 2.2
"""Polyphony from which on a part is chords, even on top."""

CHORDAL_FROM = 1.5
"""Notes an attack from which on a part is played in chords."""

BASS_BELOW = 57.0
"""Mean pitch below which the lowest of several parts is a bass."""

SURE_BASS_BELOW = 50.0
"""The same for a part that plays alone, and for broken chords."""

LOWEST_FROM = 0.5
"""Share of its quarters in which a bass is the lowest."""

PAD_NOTES_FROM = 1.5
"""Mean quarters from which on the notes of strings and synth pads are long."""

PAD_CHORDS_FROM = 0.75
"""Mean quarters from which on the chords of strings, synth pads and choirs are long."""

ARPEGGIO_FROM = 1.0
"""Attacks a quarter, of those it plays in, from which on a part may be an arpeggio."""

ARPEGGIO_NOTES = 4
"""Fewest notes that are an arpeggio: those of a chord, and one more."""

LEAPS_FROM = 0.75
"""Share of leaps in the moves of an arpeggio that is never on top."""

LEAPS_MORE_ON_TOP = 0.1
"""How much larger that share has to be for a part that always is."""

MELODY_WEIGHTS = {"highest": 2.0, "stepwise": 1.0, "loudness": 0.25, "polyphony": -3.0}
"""What makes one line the melody rather than another: weights of fields of `_Playing`."""

SOLO_WEIGHT = 1.0
"""The same for a line on a solo program."""


@dataclass(frozen=True, slots=True)
class _Playing:
    """What the parts with notes play, an entry a part.

    Attributes:
        part: Number of the part.
        n_notes: Number of notes.
        mean_pitch: Mean MIDI note number, or drum piece.
        loudness: Mean velocity value.
        polyphony: Mean notes sounding while any does.
        note_quarters: Mean length of a note in quarters.
        notes_per_attack: Notes that are struck at a time.
        attacks_per_quarter: Attacks a quarter, of the quarters it plays in.
        stepwise: Share of the moves from attack to attack that are steps, 0-1.
        leaping: Share of them that are leaps, 0-1.
        highest: Share of the quarters it plays in, in which no part is higher, 0-1.
        lowest: Share of them in which none is lower.
    """

    part: NDArray[np.int64]
    n_notes: NDArray[np.int64]
    mean_pitch: NDArray[np.float64]
    loudness: NDArray[np.float64]
    polyphony: NDArray[np.float64]
    note_quarters: NDArray[np.float64]
    notes_per_attack: NDArray[np.float64]
    attacks_per_quarter: NDArray[np.float64]
    stepwise: NDArray[np.float64]
    leaping: NDArray[np.float64]
    highest: NDArray[np.float64]
    lowest: NDArray[np.float64]


def measure_controls(grid: Grid) -> Table:
    """Return what the notes of each part amount to, declared at the head.

    Drums are drums. Of the other parts those with notes have one role each, the first that
    holds:

    - bass: a line on a bass program, or one that is low and mostly the lowest;
    - pad: long notes of a pad or of strings, or long chords of those or of a choir;
    - arpeggio: many notes, one at a time, that move by leaps;
    - chords: several notes at a time;
    - melody: the line that is most in front (`MELODY_WEIGHTS`), and what doubles it;
    - counter-line: another line; chords if there often are two notes at a time.

    Parts without notes get nothing but their role as drums.

    Returns:
        Structured array of `CONTROLS_DTYPE`, a row a part. Density levels 1-9
        (`DENSITY_STEPS`), polyphony levels 1-7 (`POLYPHONY_STEPS`), register levels 1-10:
        the octave of the mean pitch, 1 for MIDI notes 0-11; 0 for drums.
    """
    n_parts = len(grid.programs)
    is_drum = grid.programs >= FIRST_KIT
    rows = np.zeros(n_parts, CONTROLS_DTYPE)
    rows["bar"] = AT_HEAD
    rows["part"] = np.arange(n_parts)
    rows["role"][is_drum] = Role.DRUMS
    if len(grid.notes) == 0:
        return rows

    playing = _measure(grid)
    part = playing.part
    n_quarters = max(BAR_TICKS_OF[grid.bars["time_signature"]].sum() / TPQ, 1.0)
    density = np.searchsorted(DENSITY_STEPS, playing.n_notes / n_quarters, side="right")
    polyphony = np.searchsorted(POLYPHONY_STEPS, playing.polyphony, side="right")
    register = np.minimum(1 + playing.mean_pitch // N_PITCH_CLASSES, N_REGISTERS - 1)
    rows["density"][part] = 1 + density
    rows["polyphony"][part] = 1 + polyphony
    rows["register"][part] = np.where(is_drum[part], UNSPECIFIED, register)
    rows["role"][part] = _roles(playing, grid.programs[part])
    return rows


def _measure(grid: Grid) -> _Playing:
    """Return what the parts with notes play; there must be at least one."""
    notes = grid.notes.take(np.argsort(grid.notes["part"], kind="stable"))
    part = notes["part"].astype(np.int64)
    pitch = notes["pitch"].astype(np.int16)
    length = DURATION_TICKS[notes["duration"]]
    onset = onsets(grid, notes, grid.bar_starts())
    previous = np.arange(-1, len(part) - 1)
    previous[0] = 0
    is_first = part != part[previous]
    is_first[0] = True
    first = np.flatnonzero(is_first)  # note of each part
    n_notes = np.append(first[1:], len(part)) - first
    total = _sums(length, first)

    # The parts follow one another on one line of time, so that all are measured at once.
    line = onset + part * int((onset + length).max())
    silent_from = np.maximum.accumulate(line + length)
    was_silent_from = silent_from[previous]
    was_silent_from[0] = 0
    sounding = _sums(np.maximum(silent_from - np.maximum(line, was_silent_from), 0), first)

    is_move = (onset - onset[previous] > STRUM_TICKS) & ~is_first
    interval = np.abs(pitch - pitch[previous])
    n_moves = _sums(is_move, first)
    n_attacks = n_moves + 1
    n_leaps = _sums(is_move & (interval > STEP), first)
    n_steps = _sums(is_move & (interval > 0), first) - n_leaps
    at_least_one_move = np.maximum(n_moves, 1)

    n_quarters, n_highest, n_lowest = _outlines(part, pitch, onset, length)[:, part[first]]
    return _Playing(
        part=part[first],
        n_notes=n_notes,
        mean_pitch=_sums(pitch % FIRST_DRUM, first) / n_notes,
        loudness=_sums(notes["velocity"], first) / n_notes,
        polyphony=total / np.maximum(sounding, 1),
        note_quarters=total / (n_notes * TPQ),
        notes_per_attack=n_notes / n_attacks,
        attacks_per_quarter=n_attacks / n_quarters,
        stepwise=n_steps / at_least_one_move,
        leaping=n_leaps / at_least_one_move,
        highest=n_highest / n_quarters,
        lowest=n_lowest / n_quarters,
    )


def _sums(values: NDArray[np.generic], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums of the stretches of `values` that begin at `first`."""
    sums: NDArray[np.int64] = np.add.reduceat(values, first, dtype=np.int64)
    return sums


def _outlines(
    part: NDArray[np.int64],
    pitch: NDArray[np.int16],
    onset: NDArray[np.int64],
    length: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return in how many quarters each part plays, is the highest, and is the lowest.

    A part is as high as its highest note in a quarter and as low as its lowest, so broken
    chords are as wide as others. Drums are neither.

    Returns:
        The three counts by part, shape (3, P), those of the first at least 1.
    """
    is_pitched = pitch < FIRST_DRUM
    first = onset // TPQ
    n_cells = (onset + np.maximum(length, 1) - 1) // TPQ - first + 1
    end = np.cumsum(n_cells)
    n_quarters = int((first + n_cells).max())
    # Cell p * n_quarters + q is quarter q of part p.
    cell = np.repeat(part * n_quarters + first - (end - n_cells), n_cells)
    cell += np.arange(end[-1])
    extents = np.zeros((2, (int(part[-1]) + 1) * n_quarters), np.int16)  # 0 in silence
    np.maximum.at(extents[0], cell, np.repeat((1 + pitch) * is_pitched, n_cells))
    np.maximum.at(extents[1], cell, np.repeat((FIRST_DRUM - pitch) * is_pitched, n_cells))
    by_quarter = extents.reshape(2, -1, n_quarters)
    sounds = by_quarter > 0
    is_outer = sounds & (by_quarter == by_quarter.max(axis=1, keepdims=True))
    n_sounding = np.maximum(sounds[:1].sum(axis=2), 1)
    return np.concatenate([n_sounding, is_outer.sum(axis=2)])


def _roles(playing: _Playing, programs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the role of each part that plays, whose program values are `programs`."""
    is_drum = programs >= FIRST_KIT
    is_arpeggio = _is_arpeggio(playing)
    is_alone = np.count_nonzero(~is_drum) == 1
    is_bass = _is_bass(playing, programs, is_unlikely=is_arpeggio | is_alone)
    is_pad = _is_pad(playing, programs)
    is_taken = is_drum | is_bass | is_pad | is_arpeggio | (playing.polyphony >= CHORDS_FROM)
    candidates = np.flatnonzero(~is_taken)

    roles = np.full(len(programs), Role.COUNTER, np.uint8)
    roles[playing.polyphony >= LINE_BELOW] = Role.CHORDS
    if len(candidates) > 1:
        prominence = _prominence(playing, programs)[candidates]
        candidates = candidates[prominence == prominence.max()]
    roles[candidates] = Role.MELODY
    roles[is_arpeggio] = Role.ARPEGGIO
    roles[is_pad] = Role.PAD
    roles[is_bass] = Role.BASS
    roles[is_drum] = Role.DRUMS
    return roles


def _is_bass(
    playing: _Playing, programs: NDArray[np.uint8], *, is_unlikely: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    below = np.where(is_unlikely, SURE_BASS_BELOW, BASS_BELOW)
    is_low_line = (playing.mean_pitch < below) & (playing.lowest >= LOWEST_FROM)
    is_low_line &= playing.polyphony < LINE_BELOW
    is_low_line &= playing.notes_per_attack < CHORDAL_FROM
    is_named = IS_BASS_PROGRAM[programs] & (playing.polyphony < CHORDS_FROM)
    return is_low_line | is_named


def _is_pad(playing: _Playing, programs: NDArray[np.uint8]) -> NDArray[np.bool_]:
    is_chordal = playing.notes_per_attack >= CHORDAL_FROM
    long_chords = is_chordal & (playing.note_quarters >= PAD_CHORDS_FROM)
    long_notes = playing.note_quarters >= PAD_NOTES_FROM
    return np.where(
        IS_PAD_PROGRAM[programs],
        long_chords | long_notes,
        IS_CHOIR_PROGRAM[programs] & long_chords,
    )


def _is_arpeggio(playing: _Playing) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = playing.notes_per_attack < CHORDAL_FROM
    found &= playing.n_notes >= ARPEGGIO_NOTES
    found &= playing.attacks_per_quarter >= ARPEGGIO_FROM
    found &= playing.leaping >= LEAPS_FROM + LEAPS_MORE_ON_TOP * playing.highest
    return found


def _prominence(playing: _Playing, programs: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return how much in front each part is."""
    total = SOLO_WEIGHT * IS_SOLO_PROGRAM[programs].astype(np.float64)
    for name, weight in MELODY_WEIGHTS.items():
        total += weight * getattr(playing, name)
    return total


assert len(DENSITY_STEPS) + 2 == N_DENSITIES
assert len(POLYPHONY_STEPS) + 2 == N_POLYPHONIES
