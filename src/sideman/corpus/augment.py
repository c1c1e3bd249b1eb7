"""Augmentation: each time a stretch of music is read, it is another one.

Nothing is changed on disk. A stretch moves in pitch, tempo and loudness, and loses parts, as
far as it stays music that somebody might have played.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sideman.errors import RecipeError
from sideman.score.general_midi import PITCH_RANGES
from sideman.score.harmony import N_PITCH_CLASSES, NO_CHORD
from sideman.tokens.grid import Grid, take_parts
from sideman.tokens.vocabulary import (
    FIRST_DRUM,
    N_VELOCITIES,
    TEMPO_BINS,
    TEMPO_STEPS_PER_OCTAVE,
    UNSPECIFIED,
)

RANGES: dict[str, tuple[float, float]] = {
    "transpose": (0, 11),
    "tempo_change": (0, 1),
    "velocity_curve": (0, 1),
    "part_dropout": (0, 1),
}
"""Smallest and largest value of a setting, both allowed."""

LARGEST_OFFSET = 0.25
"""Share of the velocities from softest to loudest by which a curve of strength 1 shifts."""

_LOWEST, _HIGHEST = np.array(PITCH_RANGES).T  # (programs,) each
_LEVELS = (np.arange(1, N_VELOCITIES) - 0.5) / (N_VELOCITIES - 1)
"""Middle of each velocity bin between silence, 0, and the loudest, 1."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What a stretch is changed by; every kind is off unless it is asked for.

    Attributes:
        transpose: Most semitones up or down, 0-11. No part leaves the range of its
            instrument, or goes further beyond where it does already; drums stay.
        tempo_change: Most that the tempo rises, as a share of it, 0-1; it falls by as many
            bins. Tempo bins are 2.9 % apart, so less changes nothing.
        velocity_curve: Strength, 0-1, of a curve that velocities are bent by: v from 0 to 1
            becomes v ** g + c, g from 2 ** -strength to 2 ** strength, c up to
            `LARGEST_OFFSET` * strength either way. Unspecified velocities stay.
        part_dropout: How often each part is left out, 0-1; one that plays always stays.
        permute_parts: Number the parts anew.

    Raises:
        RecipeError: If a setting is outside its range.
    """

    transpose: int = 0
    tempo_change: float = 0.0
    velocity_curve: float = 0.0
    part_dropout: float = 0.0
    permute_parts: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                msg = f"{name} is {value}; it must be at least {low} and at most {high}"
                raise RecipeError(msg)


def augment(grid: Grid, augmentation: Augmentation, rng: np.random.Generator) -> Grid:
    """Return a grid changed at random: notes, bars, parts, and with them chords and key.

    As many numbers are drawn whatever is switched on, and each kind has its own: switching
    one off, or to another strength, leaves the others as they were.
    """
    semitones, bins, bend, shift = rng.random(4).tolist()
    dropout, order = rng.random((2, len(grid.programs)))
    grid = _transposed(grid, augmentation.transpose, semitones)
    grid = _at_another_tempo(grid, augmentation.tempo_change, bins)
    grid = _with_other_velocities(grid, augmentation.velocity_curve, bend, shift)
    parts = _kept_parts(grid, augmentation.part_dropout, dropout)
    if augmentation.permute_parts:
        parts = parts[np.argsort(order[parts])]
    is_same = np.array_equal(parts, np.arange(len(grid.programs)))
    return grid if is_same else take_parts(grid, parts)


def _transposed(grid: Grid, most: int, draw: float) -> Grid:
    """Move pitches, chords and the key; the bass of a chord is counted from its root."""
    is_pitched = grid.notes["pitch"] < FIRST_DRUM
    pitch = grid.notes["pitch"][is_pitched].astype(np.int64)
    program = grid.programs[grid.notes["part"][is_pitched]]
    semitones = _drawn_step(draw, most, pitch - _LOWEST[program], _HIGHEST[program] - pitch)
    if semitones == 0:
        return grid
    notes, chords = grid.notes.copy(), grid.chords.copy()
    notes["pitch"][is_pitched] = pitch + semitones
    is_chord = chords["root"] != NO_CHORD
    roots = chords["root"][is_chord].astype(np.int64)
    chords["root"][is_chord] = (roots + semitones) % N_PITCH_CLASSES
    return replace(grid, notes=notes, chords=chords, key=_transposed_key(grid.key, semitones))


def _transposed_key(key: int, semitones: int) -> int:
    if key == UNSPECIFIED:
        return key
    mode, tonic = divmod(key - 1, N_PITCH_CLASSES)
    return 1 + N_PITCH_CLASSES * mode + (tonic + semitones) % N_PITCH_CLASSES


def _at_another_tempo(grid: Grid, most: float, draw: float) -> Grid:
    """Move the tempo of all bars by as many bins."""
    tempo = grid.bars["tempo"].astype(np.int64)
    most_bins = int(TEMPO_STEPS_PER_OCTAVE * math.log2(1 + most))
    bins = _drawn_step(draw, most_bins, tempo, TEMPO_BINS - 1 - tempo)
    if bins == 0:
        return grid
    bars = grid.bars.copy()
    bars["tempo"] = tempo + bins
    return replace(grid, bars=bars)


def _drawn_step(
    draw: float, most: int, room_down: NDArray[np.int64], room_up: NDArray[np.int64]
) -> int:
    """Return a step from -`most` to `most`, all equally likely, that everything has room for.

    Args:
        draw: From 0 to below 1.
        most: At least 0.
        room_down: For each thing that is moved the furthest it may go down, shape (N,);
            below 0 for what lies too low already, which goes no lower.
        room_up: The same for up.
    """
    down, up = (max(int(room.min(initial=most)), 0) for room in (room_down, room_up))
    return int(draw * (down + 1 + up)) - down


def _with_other_velocities(grid: Grid, strength: float, bend: float, shift: float) -> Grid:
    """Bend all velocities by one curve, drawn by two numbers from 0 to below 1."""
    if strength == 0:
        return grid
    exponent = 2 ** (strength * (2 * bend - 1))
    level = _LEVELS**exponent + LARGEST_OFFSET * strength * (2 * shift - 1)
    curve = np.full(N_VELOCITIES, UNSPECIFIED)
    curve[1:] = np.clip(1 + np.floor(level * len(level)), 1, len(level))
    notes = grid.notes.copy()
    notes["velocity"] = curve[notes["velocity"]]
    return replace(grid, notes=notes)


def _kept_parts(grid: Grid, share: float, draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the parts that are not left out: at least one that plays, or all where none does.

    Args:
        grid: Has P parts.
        share: How often a part is left out.
        draws: From 0 to below 1, shape (P,).
    """
    is_kept = draws >= share
    plays = np.bincount(grid.notes["part"], minlength=len(draws)) > 0
    if not (is_kept & plays).any():
        of_playing = np.where(plays, draws, -1)
        is_kept |= of_playing == of_playing.max(initial=-1)
    return np.flatnonzero(is_kept)
