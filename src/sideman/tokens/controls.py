"""Controls: what is declared of a part, measured from its notes."""

import numpy as np
from numpy.typing import NDArray

from sideman.score.types import TPQ, Table
from sideman.tokens.codec import AT_HEAD, CONTROLS_DTYPE
from sideman.tokens.grid import Grid, onsets
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
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

BASS_BELOW = 50.0
"""Mean pitch below which a line is a bass."""

CHORDS_FROM = 2.2
"""Polyphony from which on a part is chords."""


def measure_controls(grid: Grid) -> Table:
    """Return what the notes of each part amount to, declared at the head.

    Roles are told from content: drums are drums, few low notes at a time a bass, several at
    a time chords, the highest of the other parts the melody, the rest counter-lines. Parts
    without notes get nothing but their role as drums.

    Returns:
        Structured array of `CONTROLS_DTYPE`, a row a part. Density levels 1-9
        (`DENSITY_STEPS`), polyphony levels 1-7 (`POLYPHONY_STEPS`), register levels 1-10:
        the octave of the mean pitch, 1 for MIDI notes 0-11; 0 for drums.
    """
    n_parts = len(grid.programs)
    notes = grid.notes
    part = notes["part"]
    counts = np.bincount(part, minlength=n_parts)
    has_notes = counts > 0
    n_quarters = max(BAR_TICKS_OF[grid.bars["time_signature"]].sum() / TPQ, 1.0)
    pitch_sum = np.bincount(part, notes["pitch"] % FIRST_DRUM, minlength=n_parts)
    mean_pitch = pitch_sum / np.maximum(counts, 1)
    polyphony = _polyphony(grid)
    is_drum = grid.programs >= FIRST_KIT

    rows = np.zeros(n_parts, CONTROLS_DTYPE)
    rows["bar"] = AT_HEAD
    rows["part"] = np.arange(n_parts)
    rows["density"] = 1 + np.searchsorted(DENSITY_STEPS, counts / n_quarters, side="right")
    rows["polyphony"] = 1 + np.searchsorted(POLYPHONY_STEPS, polyphony, side="right")
    rows["register"] = np.minimum(1 + mean_pitch // 12, N_REGISTERS - 1)
    rows["role"] = _roles(mean_pitch, polyphony, is_drum, has_notes)
    rows["register"][is_drum] = UNSPECIFIED
    for name in ("density", "polyphony", "register"):
        rows[name][~has_notes] = UNSPECIFIED
    return rows


def _polyphony(grid: Grid) -> NDArray[np.float64]:
    """Return the mean number of notes that sound while any does, by part, shape (P,)."""
    n_parts = len(grid.programs)
    if len(grid.notes) == 0:
        return np.zeros(n_parts)
    notes = grid.notes.take(np.argsort(grid.notes["part"], kind="stable"))
    part = notes["part"].astype(np.int64)
    length = DURATION_TICKS[notes["duration"]]
    onset = onsets(grid, notes, grid.bar_starts())
    # The parts follow one another on one line of time, so that all are measured at once.
    onset += part * int((onset + length).max())
    silent_from = np.append(0, np.maximum.accumulate(onset + length))
    newly = silent_from[1:] - np.maximum(onset, silent_from[:-1])
    sounding = np.bincount(part, np.maximum(newly, 0), minlength=n_parts)
    total = np.bincount(part, length, minlength=n_parts)
    return np.asarray(total / np.maximum(sounding, 1))


def _roles(
    mean_pitch: NDArray[np.float64],
    polyphony: NDArray[np.float64],
    is_drum: NDArray[np.bool_],
    has_notes: NDArray[np.bool_],
) -> NDArray[np.uint8]:
    is_chords = polyphony >= CHORDS_FROM
    roles = np.full(len(mean_pitch), Role.COUNTER, np.uint8)
    lines = has_notes & ~is_drum & ~is_chords
    roles[is_chords] = Role.CHORDS
    roles[lines & (mean_pitch < BASS_BELOW)] = Role.BASS
    candidates = np.flatnonzero(lines & (mean_pitch >= BASS_BELOW))
    if len(candidates):
        roles[candidates[np.argmax(mean_pitch[candidates])]] = Role.MELODY
    roles[is_drum] = Role.DRUMS
    roles[~has_notes & ~is_drum] = Role.UNSPECIFIED
    return roles


assert len(DENSITY_STEPS) + 2 == N_DENSITIES
assert len(POLYPHONY_STEPS) + 2 == N_POLYPHONIES
