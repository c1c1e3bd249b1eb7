"""Time as people write it: metres, note lengths, and the rhythms that notes keep to."""

import math
import re
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from sideman.engine.wishes import Span, choose
from sideman.errors import EngineError
from sideman.score.types import TPQ
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    DENOMINATOR_OF,
    DENOMINATORS,
    DURATION_TICKS,
    HELD,
    MAX_NUMERATOR,
    NUMERATOR_OF,
    WHOLE_NOTE,
    time_signature_value,
)

RHYTHMS = ("free", "straight", "straight8", "triplet", "swing")
"""Rhythms that notes can be held to; see `rhythm_mask`."""

TEMPOS_BPM = (15, 480)
"""Slowest and fastest tempo that can be asked for, in quarter notes per minute."""

SIXTEENTH = TPQ // 4
EIGHTH = TPQ // 2

_EIGHTHS = 8
_METRE = re.compile(r"([0-9]{1,2})\s*/\s*([0-9]{1,2})")
_LENGTH = re.compile(r"([0-9]{1,3})(?:/([0-9]{1,3}))?([.t]?)")
_STRETCH = {"": Fraction(1), ".": Fraction(3, 2), "t": Fraction(2, 3)}
_EVERYDAY_TICKS = (3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 36, 48, 64, 72, 96, 192, 384, 768, 1536)
"""What an odd length is likely to have been meant as: plain, dotted and triplet values."""


def parse_tempo(text: str) -> float:
    """Return the quarter notes per minute that a person wrote.

    Raises:
        EngineError: If it is no number, or outside `TEMPOS_BPM`.
    """
    slowest, fastest = TEMPOS_BPM
    try:
        tempo_bpm = float(text)
    except ValueError:
        tempo_bpm = math.nan
    if not slowest <= tempo_bpm <= fastest:
        msg = f"tempo is {text!r}; it must be {slowest} to {fastest} quarter notes a minute"
        raise EngineError(msg)
    return tempo_bpm


def parse_metre(text: str) -> int:
    """Return the vocabulary's value of a time signature.

    Raises:
        EngineError: If it is none, or one that the vocabulary has not.

    Example:
        >>> metre_name(parse_metre("7/8"))
        '7/8'
    """
    match = _METRE.fullmatch(text.strip())
    numerator, denominator = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= numerator <= MAX_NUMERATOR or denominator not in DENOMINATORS:
        msg = (
            f"metre is {text!r}; write 1 to {MAX_NUMERATOR} beats over one of "
            f"{', '.join(map(str, DENOMINATORS))}, as in 4/4 or 7/8"
        )
        raise EngineError(msg)
    return int(time_signature_value(numerator, denominator))


def metre_name(time_signature: int) -> str:
    """Return a time signature, a value of the vocabulary, as people write it."""
    return f"{NUMERATOR_OF[time_signature]}/{DENOMINATOR_OF[time_signature]}"


def is_compound(time_signature: int) -> bool:
    """Return whether eighths, or shorter beats, come in threes, as in 6/8 and 9/16."""
    is_short = DENOMINATOR_OF[time_signature] >= _EIGHTHS
    return bool(is_short and NUMERATOR_OF[time_signature] % 3 == 0)


def rhythm_mask(name: str, time_signature: int) -> NDArray[np.bool_]:
    """Return where in a bar a rhythm lets notes begin.

    - `free`: anywhere;
    - `straight`: on sixteenths;
    - `straight8`: on eighths;
    - `triplet`: on the thirds of each pulse;
    - `swing`: on each pulse, and at two thirds of it.

    A pulse is a quarter note; in compound metres (`is_compound`) it is three beats, so that
    the eighths of 12/8 are the triplets of 4/4. All are counted from the bar line, where a
    note may always begin.

    Args:
        name: One of `RHYTHMS`, in any case.
        time_signature: Value of the vocabulary.

    Returns:
        Shape (beats of the bar, ticks of a beat).

    Raises:
        EngineError: If there is no such rhythm.

    Example:
        >>> [np.flatnonzero(beat) for beat in rhythm_mask("swing", parse_metre("2/4"))]
        [array([ 0, 16]), array([ 0, 16])]
    """
    positions = np.arange(BAR_TICKS_OF[time_signature])
    beat_ticks = int(BEAT_TICKS_OF[time_signature])
    pulse = 3 * beat_ticks if is_compound(time_signature) else TPQ
    third = pulse // 3
    masks = {
        "free": np.ones(len(positions), bool),
        "straight": positions % SIXTEENTH == 0,
        "straight8": positions % EIGHTH == 0,
        "triplet": positions % third == 0,
        "swing": np.isin(positions % pulse, (0, 2 * third)),
    }
    mask: NDArray[np.bool_] = masks[choose(name.lower(), RHYTHMS, "rhythm")]
    return mask.reshape(-1, beat_ticks)


def parse_length(text: str) -> int:
    """Return the ticks of a note length.

    Args:
        text: A fraction of a whole note, as in `1/16`, `3/8` or `2`; a point behind it makes
            it dotted, a `t` one of a triplet.

    Raises:
        EngineError: If it is none, or one that the vocabulary has not.

    Example:
        >>> [parse_length(text) for text in ("1/16", "1/4.", "1/8t", "1")]
        [6, 36, 8, 96]
    """
    match = _LENGTH.fullmatch(text.strip())
    if not match or (match[2] and int(match[2]) == 0):
        msg = f"note length is {text!r}; write it as 1/16, 1/4. (dotted) or 1/8t (triplet)"
        raise EngineError(msg)
    ticks = WHOLE_NOTE * Fraction(int(match[1]), int(match[2] or 1)) * _STRETCH[match[3]]
    if ticks not in DURATION_TICKS[HELD + 1 :]:
        nearest = min(_EVERYDAY_TICKS, key=lambda usual: abs(usual - ticks))
        msg = f"note length {text!r} is not on the grid; near it is {length_name(nearest)}"
        raise EngineError(msg)
    return int(ticks)


def length_name(ticks: int) -> str:
    """Return a note length in ticks as people write it.

    Example:
        >>> length_name(36), length_name(8)
        ('3/8', '1/8t')
    """
    length = Fraction(ticks, WHOLE_NOTE)
    of_triplet = length / _STRETCH["t"]
    is_triplet = length.denominator % 3 == 0 and of_triplet.denominator % 3
    return f"{of_triplet}t" if is_triplet else f"{length}"


def length_mask(lengths: Span) -> NDArray[np.bool_]:
    """Return which duration values, shape (durations,), last from one length to another.

    Args:
        lengths: Shortest and longest, in ticks. `HELD`, which has none, is never allowed.
    """
    shortest, longest = lengths
    first, end = np.searchsorted(DURATION_TICKS, (max(shortest, 1), longest + 1))
    mask = np.zeros(len(DURATION_TICKS), bool)
    mask[first:end] = True
    return mask
