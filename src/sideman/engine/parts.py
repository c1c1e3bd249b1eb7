"""Parts as people ask for them: an instrument, what it does, and the bounds it keeps to.

    bass=Fretless Bass:density=3,polyphony=1,range=E1-G3,lengths=1/16-1/4,velocity=40-100

The role in front and the wishes behind may be left out. The instrument is a General MIDI name,
a family, a number from 1 to 128, or a drum kit: `drums`, `jazz kit`, `drums=jazz`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sideman.engine.pitches import parse_pitch, pitch_name
from sideman.engine.rhythm import length_mask, length_name, parse_length
from sideman.engine.wishes import Span, choose, naming, parse_number, parse_span, span_text
from sideman.errors import EngineError, ScoreError
from sideman.score.general_midi import DRUM_KIT_NAMES, find_program, program_name
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.types import MAX_DATA_BYTE, Part, Table
from sideman.tokens.codec import AT_HEAD, CONTROLS_DTYPE
from sideman.tokens.controls import POLYPHONY_STEPS
from sideman.tokens.vocabulary import (
    DRUM_KITS,
    FIRST_KIT,
    MAX_DURATION,
    N_DENSITIES,
    N_PITCHES,
    N_REGISTERS,
    UNSPECIFIED,
    Role,
    program_value,
)

ROLES = {role.name.lower(): role for role in Role if role is not Role.UNSPECIFIED}
"""Roles by the word for them."""

LOWEST_OCTAVE = -1
HIGHEST_OCTAVE = 9
"""Octaves of MIDI notes 0 and 127; middle C begins octave 4."""

_DRUM_WORDS = {"drum", "drums", "drumkit", "drumset", "kit", "set", "percussion"}
_KIT_OF_NAME = {
    **{name.lower().replace("-", " "): kit for kit, name in DRUM_KIT_NAMES.items()},
    "808": 25,
}


class _Kind(NamedTuple):
    """How the value of a wish is written, and what it may be.

    Attributes:
        low: Least.
        high: Most; None where there is none.
        is_span: Two values are given, the lowest and the highest allowed.
        read: Reads one value; None for whole numbers.
        write: Writes one value.
    """

    low: int
    high: int | None = None
    is_span: bool = False
    read: Callable[[str], int] | None = None
    write: Callable[[int], str] = str


WISHES = {
    "density": _Kind(1, N_DENSITIES - 1),
    "max-notes": _Kind(1),
    "polyphony": _Kind(1, N_PITCHES, is_span=True),
    "octave": _Kind(LOWEST_OCTAVE, HIGHEST_OCTAVE),
    "range": _Kind(0, MAX_DATA_BYTE, is_span=True, read=parse_pitch, write=pitch_name),
    "lengths": _Kind(1, MAX_DURATION, is_span=True, read=parse_length, write=length_name),
    "velocity": _Kind(1, MAX_DATA_BYTE, is_span=True),
}
"""What may be wished of a part; fields of `PartWish`, there with `_` for `-`."""


@dataclass(frozen=True, slots=True)
class PartWish:
    """A part that is asked for; None leaves a wish open.

    Role, density and octave are hints, declared to the model; the other wishes bound what it
    may write.

    Attributes:
        program: Program value of the vocabulary: 0-127, or a drum kit from `FIRST_KIT` on.
        role: What the part does; `DRUMS` for drum kits and for nothing else.
        density: Density level, 1-9 (`sideman.tokens.controls.DENSITY_STEPS`).
        max_notes: Most notes that begin in a bar, at least 1.
        polyphony: Fewest and most notes at a time while any sounds, 1-128.
        octave: Octave of the mean pitch, -1 to 9; middle C begins octave 4.
        range: Lowest and highest MIDI note, 0-127.
        lengths: Shortest and longest note in ticks, 1-1536.
        velocity: Lowest and highest velocity, 1-127.

    Raises:
        EngineError: If a value is outside its range, the role is not the instrument's, or a
            drum kit is asked for pitches.
    """

    program: int
    role: Role = Role.UNSPECIFIED
    density: int | None = None
    max_notes: int | None = None
    polyphony: Span | None = None
    octave: int | None = None
    range: Span | None = None
    lengths: Span | None = None
    velocity: Span | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.program < FIRST_KIT + len(DRUM_KITS):
            msg = f"program is {self.program}; it must be 0 to {FIRST_KIT + len(DRUM_KITS) - 1}"
            raise EngineError(msg)
        for name, value in wishes_of(self).items():
            _check(name, value)
        if self.is_drum != (self.role is Role.DRUMS):
            role, instrument = self.role.name.lower(), instrument_name(self.program)
            msg = f"role is {role} for {instrument}; it must be drums for drum kits, only there"
            raise EngineError(msg)
        if self.is_drum and (self.octave is not None or self.range is not None):
            msg = "a drum kit has no octave and no range; leave them out"
            raise EngineError(msg)
        if self.lengths and not length_mask(self.lengths).any():
            msg = f"lengths are {self.lengths} ticks; the vocabulary has no length between"
            raise EngineError(msg)

    @property
    def is_drum(self) -> bool:
        """Whether it is a drum kit."""
        return self.program >= FIRST_KIT


def parse_part(text: str) -> PartWish:
    """Return the part that a person asks for.

    Written `ROLE=INSTRUMENT:WISH=VALUE,WISH=VALUE`, all but the instrument optional:

    - role: melody, bass, chords, pad, counter, arpeggio or drums;
    - instrument: see `find_instrument`;
    - `density=3`: how many notes, from 1, the fewest, to 9;
    - `max-notes=12`: no more in a bar;
    - `polyphony=1-4`: notes at a time, fewest and most;
    - `octave=4`: where it mostly plays; middle C begins octave 4;
    - `range=E1-G3`: lowest and highest note; middle C is C4;
    - `lengths=1/16-1/4.`: shortest and longest note, as parts of a whole note, dotted with a
      point, of a triplet with a `t`;
    - `velocity=40-100`: softest and loudest, 1 to 127.

    One value in place of a range is its both ends.

    Raises:
        EngineError: If anything in it cannot be understood or met.

    Example:
        >>> wish = parse_part("bass=fretless:density=3,polyphony=1,range=E1-G3")
        >>> wish.program, wish.role.name, wish.density, wish.polyphony, wish.range
        (35, 'BASS', 3, (1, 1), (28, 55))
        >>> parse_part("bass=fretless:densty=3")
        Traceback (most recent call last):
        sideman.errors.EngineError: part 'bass=fretless:densty=3': there is no wish 'densty';
        did you mean 'density'?
    """
    head, *others = re.split("[:,]", text)
    with naming(f"part {text!r}"):
        word, equals, instrument = head.rpartition("=")
        role = Role.UNSPECIFIED
        if equals:
            role = ROLES[choose(word.strip().lower(), ROLES, "role")]
        program = find_instrument(instrument, is_drum=role is Role.DRUMS)
        if program >= FIRST_KIT and not equals:
            role = Role.DRUMS
        return PartWish(program, role, **_read_wishes(others))


def part_text(wish: PartWish) -> str:
    """Return a part as people ask for it; `parse_part` reads the same from it.

    Example:
        >>> part_text(parse_part("Bass = 36, polyphony = 1, lengths = 1/16 - 1/4."))
        'bass=Fretless Bass:polyphony=1,lengths=1/16-3/8'
    """
    role = "" if wish.role is Role.UNSPECIFIED else f"{wish.role.name.lower()}="
    wishes = ",".join(
        f"{name}={span_text(value if isinstance(value, tuple) else (value, value), kind.write)}"
        for name, value in wishes_of(wish).items()
        for kind in [WISHES[name]]
    )
    return f"{role}{instrument_name(wish.program)}" + (f":{wishes}" if wishes else "")


def wishes_of(wish: PartWish) -> dict[str, int | Span]:
    """Return what is wished of a part, by the names of `WISHES`; what is open is left out."""
    values = {name: getattr(wish, name.replace("-", "_")) for name in WISHES}
    return {name: value for name, value in values.items() if value is not None}


def declared_controls(wishes: Sequence[PartWish]) -> Table:
    """Return what is declared of parts at the head, in the levels of the vocabulary.

    The polyphony level is that of the middle of the wished polyphony; the register that of the
    wished octave, else of the middle of the range.

    Returns:
        Structured array of `CONTROLS_DTYPE`, a row a part.

    Example:
        >>> rows = declared_controls([parse_part("bass=fretless:polyphony=1,range=E1-G3")])
        >>> rows[["role", "density", "polyphony", "register"]].tolist()
        [(2, 0, 1, 4)]
    """
    return np.array(
        [
            (
                AT_HEAD,
                part,
                wish.role,
                wish.density or UNSPECIFIED,
                _polyphony_level(wish),
                _register(wish),
            )
            for part, wish in enumerate(wishes)
        ],
        CONTROLS_DTYPE,
    )


def find_instrument(text: str, *, is_drum: bool = False) -> int:
    """Return the program value of the instrument that a person means.

    Understood are what `sideman.score.general_midi.find_program` understands, and drum kits:
    `drums` is the standard kit, `jazz kit` or `jazz drums` another.

    Args:
        text: What a person wrote.
        is_drum: A kit is meant, so that its bare name will do.

    Raises:
        EngineError: If nothing fits; the message says what comes near.

    Example:
        >>> find_instrument("violin"), find_instrument("drums"), find_instrument("808 kit")
        (40, 128, 132)
    """
    words = re.findall(r"[a-z0-9]+", text.lower())
    name = " ".join(word for word in words if word not in _DRUM_WORDS) or "standard"
    if is_drum:
        return _kit(choose(name, _KIT_OF_NAME, "drum kit"))
    if _DRUM_WORDS.isdisjoint(words):
        hint = ""
    elif name in _KIT_OF_NAME:
        return _kit(name)
    else:
        hint = f"; drum kits are {', '.join(DRUM_KIT_NAMES.values())}"
    try:
        return find_program(text)
    except ScoreError as error:
        msg = f"{error}{hint}"
        raise EngineError(msg) from error


def instrument_name(program: int) -> str:
    """Return the name of a program value; that of a kit ends in `kit`.

    Example:
        >>> instrument_name(40), instrument_name(132)
        ('Violin', 'TR-808 kit')
    """
    if program < FIRST_KIT:
        return program_name(program)
    return f"{DRUM_KIT_NAMES[DRUM_KITS[program - FIRST_KIT]]} kit"


def find_part(parts: Sequence[Part], text: str) -> int:
    """Return the part that a person means by its number, from 1, its name or its instrument.

    Raises:
        EngineError: If there is none; the message names the nearest, or all.

    Example:
        >>> find_part([Part(0, name="voice"), Part(32)], "acoustic bass")
        1
    """
    if text.isdigit():
        number = parse_number(text, "part")
        if not 1 <= number <= len(parts):
            msg = f"there is no part {number}; the piece has {len(parts)}"
            raise EngineError(msg)
        return number - 1
    names: dict[str, int] = {}
    for number, part in enumerate(parts):
        for name in (part.name, instrument_name(program_of(part))):
            names.setdefault(name.lower(), number)
    return names[choose(text.lower(), [name for name in names if name], "part")]


def program_of(part: Part) -> int:
    """Return the program value of the vocabulary that a part has."""
    return program_value(part.program, is_drum=part.is_drum)


def _kit(name: str) -> int:
    return program_value(_KIT_OF_NAME[name], is_drum=True)


def _read_wishes(items: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `PartWish` that texts such as `density=3` say."""
    found: dict[str, Any] = {}
    for item in items:
        word, equals, text = item.partition("=")
        name = choose(word.strip().lower(), WISHES, "wish")
        field = name.replace("-", "_")
        if not equals or field in found:
            msg = f"{name} needs one value; write {name}=…, once"
            raise EngineError(msg)
        found[field] = _read_wish(name, text)
    return found


def _read_wish(name: str, text: str) -> int | Span:
    kind = WISHES[name]

    def read(end: str) -> int:
        return kind.read(end) if kind.read else parse_number(end, name)

    return parse_span(text, read) if kind.is_span else read(text)


def _check(name: str, value: int | Span) -> None:
    """Refuse a value that is none of a wish."""
    kind = WISHES[name]
    low, high = value if isinstance(value, tuple) else (value, value)
    if kind.low <= low <= high and (kind.high is None or high <= kind.high):
        return
    wanted = f"at least {kind.low}" if kind.high is None else f"{kind.low} to {kind.high}"
    msg = f"{name} is {span_text((low, high), str)}; it must be {wanted}"
    raise EngineError(msg)


def _polyphony_level(wish: PartWish) -> int:
    if wish.polyphony is None:
        return UNSPECIFIED
    return 1 + int(np.searchsorted(POLYPHONY_STEPS, np.mean(wish.polyphony), side="right"))


def _register(wish: PartWish) -> int:
    if wish.octave is not None:
        level = 1 + wish.octave - LOWEST_OCTAVE
    elif wish.range is not None:
        level = 1 + sum(wish.range) // 2 // N_PITCH_CLASSES
    else:
        return UNSPECIFIED
    return min(level, N_REGISTERS - 1)
