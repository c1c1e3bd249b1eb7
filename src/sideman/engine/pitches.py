"""Pitches that may sound: note names, keys and scales, masks, and the way to the nearest."""

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.engine.wishes import choose, naming
from sideman.errors import EngineError
from sideman.score.harmony import (
    MAJOR_KEY_NAMES,
    MAJOR_SCALE,
    MINOR_KEY_NAMES,
    N_PITCH_CLASSES,
    NATURAL_MINOR_SCALE,
    PITCH_CLASS_NAMES,
    parse_key,
)
from sideman.score.types import MAX_DATA_BYTE
from sideman.tokens.vocabulary import N_PITCHES, UNSPECIFIED

SCALES: dict[str, tuple[tuple[int, ...], bool | None]] = {
    "major": (MAJOR_SCALE, False),
    "minor": (NATURAL_MINOR_SCALE, True),
    "harmonic minor": ((0, 2, 3, 5, 7, 8, 11), True),
    "melodic minor": ((0, 2, 3, 5, 7, 9, 11), True),
    "dorian": ((0, 2, 3, 5, 7, 9, 10), True),
    "phrygian": ((0, 1, 3, 5, 7, 8, 10), True),
    "lydian": ((0, 2, 4, 6, 7, 9, 11), False),
    "mixolydian": ((0, 2, 4, 5, 7, 9, 10), False),
    "locrian": ((0, 1, 3, 5, 6, 8, 10), True),
    "phrygian dominant": ((0, 1, 4, 5, 7, 8, 10), False),
    "hungarian minor": ((0, 2, 3, 6, 7, 8, 11), True),
    "major pentatonic": ((0, 2, 4, 7, 9), False),
    "minor pentatonic": ((0, 3, 5, 7, 10), True),
    "blues": ((0, 3, 5, 6, 7, 10), True),
    "major blues": ((0, 2, 3, 4, 7, 9), False),
    "whole tone": ((0, 2, 4, 6, 8, 10), None),
    "diminished": ((0, 2, 3, 5, 6, 8, 9, 11), None),
}
"""Semitones of each scale above its tonic, and whether the key nearest to it is minor; None
where neither is. Minor is natural minor; `diminished` begins with the whole tone."""

_OTHER_NAMES = {
    "": "major",
    "ionian": "major",
    "aeolian": "minor",
    "natural minor": "minor",
    "pentatonic": "major pentatonic",
    "minor blues": "blues",
    "octatonic": "diminished",
}
_SHORT_WORDS = {"M": "major", "maj": "major", "m": "minor", "min": "minor"}
_KEY = re.compile(r"([A-Ga-g][#b♯♭]*)[\s:]*(.*)")
_PITCH = re.compile(r"([A-Ga-g])([#b♯♭]*)(-?[0-9])")


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale on a tonic.

    Attributes:
        tonic: Pitch class, 0 = C.
        name: One of `SCALES`.

    Raises:
        EngineError: If there is no such tonic or scale.
    """

    tonic: int
    name: str = "major"

    def __post_init__(self) -> None:
        if not 0 <= self.tonic < N_PITCH_CLASSES:
            msg = f"tonic is {self.tonic}; it must be 0 to {N_PITCH_CLASSES - 1}"
            raise EngineError(msg)
        choose(self.name, SCALES, "scale")

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Pitch classes from the tonic up."""
        steps, _ = SCALES[self.name]
        return tuple((self.tonic + step) % N_PITCH_CLASSES for step in steps)

    @property
    def key(self) -> int:
        """The vocabulary's value of the nearest key on the tonic, or `UNSPECIFIED`."""
        _, is_minor = SCALES[self.name]
        if is_minor is None:
            return UNSPECIFIED
        return 1 + self.tonic + N_PITCH_CLASSES * is_minor


def parse_scale(text: str) -> Scale:
    """Return the key or scale that a person means.

    A tonic alone is major, `m` minor, `pentatonic` the major one and `blues` the minor one.
    Case does not matter, but for `M` and `m`.

    Raises:
        EngineError: If there is no such tonic, or no such scale in `SCALES`.

    Example:
        >>> parse_scale("F# dorian")
        Scale(tonic=6, name='dorian')
        >>> parse_scale("Am").pitch_classes, parse_scale("C pentatonic").pitch_classes
        ((9, 11, 0, 2, 4, 5, 7), (0, 2, 4, 7, 9))
        >>> parse_scale("D dorain")
        Traceback (most recent call last):
        sideman.errors.EngineError: key 'D dorain': there is no scale 'dorain'; did you mean
        'dorian' or 'locrian'?
    """
    match = _KEY.fullmatch(text.strip())
    if not match:
        msg = f"key is {text!r}; write a tonic and a scale, as in 'D minor' or 'F# dorian'"
        raise EngineError(msg)
    tonic, _ = parse_key(match[1])
    first, *others = re.split(r"[\s_-]+", match[2])
    first = _SHORT_WORDS.get(first) or _SHORT_WORDS.get(first.lower(), first)
    name = " ".join([first, *others]).lower()
    with naming(f"key {text!r}"):
        return Scale(tonic, choose(_OTHER_NAMES.get(name, name), SCALES, "scale"))


def scale_name(scale: Scale) -> str:
    """Return a scale as people write it.

    Example:
        >>> scale_name(Scale(6, "dorian"))
        'F# dorian'
    """
    _, is_minor = SCALES[scale.name]
    tonics = MINOR_KEY_NAMES if is_minor else MAJOR_KEY_NAMES
    return f"{tonics[scale.tonic]} {scale.name}"


def parse_pitch(text: str) -> int:
    """Return the MIDI note of a note name; middle C is C4, MIDI note 60.

    Raises:
        EngineError: If it is no note name, or MIDI has no such note.

    Example:
        >>> parse_pitch("C4"), parse_pitch("E1"), parse_pitch("f#3"), parse_pitch("C-1")
        (60, 28, 54, 0)
    """
    match = _PITCH.fullmatch(text.strip())
    if not match:
        msg = f"note is {text!r}; write a name and an octave, as in F#3 or C4, the middle C"
        raise EngineError(msg)
    letter, accidentals, octave = match.groups()
    natural, _ = parse_key(letter)
    steps = sum(1 if sign in "#♯" else -1 for sign in accidentals)
    pitch = N_PITCH_CLASSES * (int(octave) + 1) + natural + steps
    if not 0 <= pitch <= MAX_DATA_BYTE:
        lowest, highest = pitch_name(0), pitch_name(MAX_DATA_BYTE)
        msg = f"note is {text!r}; MIDI has the notes from {lowest} to {highest}"
        raise EngineError(msg)
    return pitch


def pitch_name(pitch: int) -> str:
    """Return the name of a MIDI note, 0-127; 60 is C4.

    Example:
        >>> pitch_name(28), pitch_name(54)
        ('E1', 'Gb3')
    """
    octave, pitch_class = divmod(pitch, N_PITCH_CLASSES)
    return f"{PITCH_CLASS_NAMES[pitch_class]}{octave - 1}"


def pitch_mask(
    pitch_classes: Collection[int], low: int = 0, high: int = MAX_DATA_BYTE
) -> NDArray[np.bool_]:
    """Return which MIDI notes of some pitch classes lie in a range.

    Args:
        pitch_classes: Of a scale (`Scale.pitch_classes`) or of a chord
            (`sideman.score.harmony.chord_pitch_classes`: none for the label `N`).
        low: Lowest MIDI note allowed.
        high: Highest MIDI note allowed.

    Returns:
        Shape (128,); all False where the range holds none of the pitch classes.

    Example:
        >>> np.flatnonzero(pitch_mask(parse_scale("C pentatonic").pitch_classes, 60, 72))
        array([60, 62, 64, 67, 69, 72])
    """
    pitches = np.arange(N_PITCHES)
    mask: NDArray[np.bool_] = np.isin(pitches % N_PITCH_CLASSES, list(pitch_classes))
    return mask & (pitches >= low) & (pitches <= high)


def nudge(pitches: ArrayLike, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the allowed MIDI note nearest to each; half way between two it is the lower.

    Args:
        pitches: MIDI notes, any shape.
        mask: Which are allowed, shape (128,).

    Raises:
        EngineError: If none is allowed.

    Example:
        >>> nudge([60, 61, 66], pitch_mask(parse_scale("C pentatonic").pitch_classes))
        array([60, 60, 67])
    """
    allowed = np.flatnonzero(mask)
    if len(allowed) == 0:
        msg = "no note of the scale or chord lies in the range; widen the range"
        raise EngineError(msg)
    distances = np.abs(np.asarray(pitches, np.int64)[..., None] - allowed)
    nearest: NDArray[np.int64] = allowed[distances.argmin(-1)]
    return nearest
