"""The words of the event language: which attributes an event has, and their values.

An event is a row of `N_COLUMNS` small integers. The first says its kind; the next six are
the attributes of that kind in the order they are decided; the last two are only ever given:
how many bars ahead a `GIVEN` note lies, and the program of the part a note belongs to.

    kind    1               2         3     4          5           6         ahead   program
    START   task            style     key   extent
    PART    part            program   role  density    polyphony   register
    BAR     time_signature  tempo
    CHORD   beat            tick      root  quality    bass
    NOTE    beat            tick      part  pitch      duration    velocity          program
    GIVEN   beat            tick      part  pitch      duration    velocity  ahead   program
    END

Every value fits a byte. Value 0 of an attribute that a person may leave open means
"unspecified"; duration 0 is `HELD`, the length of a key that is still down.
"""

import json
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.errors import TokenError
from sideman.score.harmony import NO_CHORD, QUALITIES
from sideman.score.types import DEFAULT_TEMPO_BPM, MAX_DATA_BYTE, TPQ

FORMAT = 1
"""Version of the event language; a bundle of another version is refused."""

Events = NDArray[np.uint8]
"""Rows of events, shape (T, N_COLUMNS)."""


class Kind(IntEnum):
    """What an event says."""

    START = 0
    PART = 1
    BAR = 2
    CHORD = 3
    NOTE = 4
    GIVEN = 5
    END = 6


class Task(IntEnum):
    """What is asked for."""

    UNSPECIFIED = 0
    CONTINUE = 1
    INFILL = 2
    ACCOMPANY = 3
    VARY = 4
    CHART = 5
    HARMONISE = 6
    LIVE = 7


class Extent(IntEnum):
    """Which part of a piece the events are; only `WHOLE` and `ENDING` have an `END`."""

    UNSPECIFIED = 0
    WHOLE = 1
    OPENING = 2
    MIDDLE = 3
    ENDING = 4


class Role(IntEnum):
    """What a part does."""

    UNSPECIFIED = 0
    MELODY = 1
    BASS = 2
    CHORDS = 3
    PAD = 4
    DRUMS = 5
    COUNTER = 6
    ARPEGGIO = 7


N_PARTS = 64
UNSPECIFIED = 0
HELD = 0

N_PITCHES = MAX_DATA_BYTE + 1
FIRST_DRUM = N_PITCHES
"""Pitch values from here on are drum pieces, so a kick is never a low C."""

DRUM_KITS = (0, 8, 16, 24, 25, 32, 40, 48)
"""Programs of the drum kits (Roland GS); a kit between two counts as the lower."""
FIRST_KIT = N_PITCHES

DENOMINATORS = (1, 2, 4, 8, 16, 32)
MAX_NUMERATOR = 32
WHOLE_NOTE = 4 * TPQ

TEMPO_STEPS_PER_OCTAVE = 24
TEMPO_BINS_BELOW = 72
TEMPO_BINS = 121
"""Tempo bins, 2.9 % apart, from 15 to 480 quarter notes per minute; 120 is exact."""

VELOCITY_STEP = 4
N_VELOCITIES = 1 + (MAX_DATA_BYTE + 1) // VELOCITY_STEP
UNSPECIFIED_SOUNDS_AS = 80
"""Velocity at which a note sounds that says none."""

MAX_AHEAD = 16
"""Most bars a given note may be announced before it sounds."""

N_STYLES = 64
N_DENSITIES = 10
N_POLYPHONIES = 8
N_REGISTERS = 11


def _duration_table() -> NDArray[np.int64]:
    """Ticks of each duration value: every tick to 4 quarters, then ever coarser to 64."""
    steps = ((0, 96, 1), (96, 192, 6), (192, 384, 12), (384, 768, 24), (768, 1536, 96))
    return np.concatenate([np.arange(low, high, step) for low, high, step in steps] + [[1536]])


DURATION_TICKS = _duration_table()
MAX_DURATION = int(DURATION_TICKS[-1])


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: which column holds it, for which kinds, and how many values it has."""

    name: str
    column: int
    kinds: tuple[Kind, ...]
    size: int


_NOTES = (Kind.NOTE, Kind.GIVEN)

ATTRIBUTES = (
    Attribute("kind", 0, tuple(Kind), len(Kind)),
    Attribute("task", 1, (Kind.START,), 16),
    Attribute("part_declared", 1, (Kind.PART,), N_PARTS),
    Attribute("time_signature", 1, (Kind.BAR,), MAX_NUMERATOR * len(DENOMINATORS)),
    Attribute("beat", 1, (Kind.CHORD, *_NOTES), MAX_NUMERATOR),
    Attribute("style", 2, (Kind.START,), N_STYLES),
    Attribute("program", 2, (Kind.PART,), FIRST_KIT + len(DRUM_KITS)),
    Attribute("tempo", 2, (Kind.BAR,), TEMPO_BINS),
    Attribute("tick", 2, (Kind.CHORD, *_NOTES), WHOLE_NOTE),
    Attribute("key", 3, (Kind.START,), 25),
    Attribute("role", 3, (Kind.PART,), 12),
    Attribute("root", 3, (Kind.CHORD,), NO_CHORD + 1),
    Attribute("part", 3, _NOTES, N_PARTS),
    Attribute("extent", 4, (Kind.START,), len(Extent)),
    Attribute("density", 4, (Kind.PART,), N_DENSITIES),
    Attribute("quality", 4, (Kind.CHORD,), 32),
    Attribute("pitch", 4, _NOTES, 2 * N_PITCHES),
    Attribute("polyphony", 5, (Kind.PART,), N_POLYPHONIES),
    Attribute("bass", 5, (Kind.CHORD,), 12),
    Attribute("duration", 5, _NOTES, len(DURATION_TICKS)),
    Attribute("register", 6, (Kind.PART,), N_REGISTERS),
    Attribute("velocity", 6, _NOTES, N_VELOCITIES),
    Attribute("ahead", 7, (Kind.GIVEN,), MAX_AHEAD + 1),
)

N_SLOTS = 7
"""Columns that the network decides: the kind and six attributes."""
DURATION, VELOCITY, AHEAD, PROGRAM = 5, 6, 7, 8
"""Columns of an event that others name: two of a note, and the two that are only given."""
N_COLUMNS = 9


_KNOWN = {"task": len(Task), "quality": len(QUALITIES)}
"""Values that mean something, where an attribute has room for more."""


def _largest_values() -> Events:
    largest = np.zeros((len(Kind), N_COLUMNS), np.uint8)
    for attribute in ATTRIBUTES:
        known = _KNOWN.get(attribute.name, attribute.size)
        largest[list(attribute.kinds), attribute.column] = known - 1
    largest[list(_NOTES), PROGRAM] = largest[Kind.PART, 2]
    return largest


LARGEST_VALUES = _largest_values()
"""Largest value of each column by kind, shape (kinds, N_COLUMNS); 0 where nothing is said."""


@dataclass(frozen=True)
class Vocabulary:
    """Numbers for every value of every attribute, and the names of the styles.

    Column values of an event become ids in one embedding table: id 0 is "no attribute",
    the ids of a column's attributes follow one another. Within a slot the same order gives
    the outputs of that slot's head.

    Attributes:
        styles: Names of the style labels 1, 2, …; at most `N_STYLES` - 1.
    """

    styles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.styles) >= N_STYLES:
            msg = f"{len(self.styles)} style labels; at most {N_STYLES - 1} fit the vocabulary"
            raise TokenError(msg)

    @cached_property
    def slot_sizes(self) -> tuple[int, ...]:
        """Number of outputs of each slot's head."""
        return tuple(sum(a.size for a in ATTRIBUTES if a.column == j) for j in range(N_SLOTS))

    @cached_property
    def slot_offsets(self) -> NDArray[np.int64]:
        """First output of each attribute within its slot, shape (kinds, slots); -1: none."""
        offsets = np.full((len(Kind), N_SLOTS), -1, np.int64)
        for slot in range(N_SLOTS):
            start = 0
            for attribute in (a for a in ATTRIBUTES if a.column == slot):
                for kind in attribute.kinds:
                    offsets[kind, slot] = start
                start += attribute.size
        return offsets

    @cached_property
    def _id_offsets(self) -> NDArray[np.int64]:
        """Id of value 0 by kind and column; large negative where a kind has no attribute."""
        offsets = np.full((len(Kind), N_COLUMNS), np.iinfo(np.int32).min, np.int64)
        starts = 1 + np.append(0, np.cumsum(self.slot_sizes))
        has = self.slot_offsets >= 0
        offsets[:, :N_SLOTS][has] = (self.slot_offsets + starts[:N_SLOTS])[has]
        offsets[Kind.GIVEN, AHEAD] = starts[N_SLOTS]
        offsets[list(_NOTES), PROGRAM] = offsets[Kind.PART, 2]  # the PART's own program ids
        return offsets

    @property
    def n_ids(self) -> int:
        """Rows of the embedding table."""
        return 1 + sum(attribute.size for attribute in ATTRIBUTES)

    def ids(self, events: Events) -> NDArray[np.int64]:
        """Return the embedding ids of events, shape (..., N_COLUMNS); 0: nothing is said."""
        found: NDArray[np.int64] = np.maximum(self._id_offsets[events[..., 0]] + events, 0)
        return found

    def targets(self, events: Events) -> NDArray[np.int64]:
        """Return the head outputs that decide events, shape (..., N_SLOTS).

        -1 where there is nothing to decide: attributes that a kind does not have, `START` and
        `GIVEN`, which are written by whoever asks, and velocities that say nothing.
        """
        kinds = events[..., 0]
        offsets = self.slot_offsets[kinds]
        targets = np.where(offsets >= 0, offsets + events[..., :N_SLOTS], -1)
        targets[(kinds == Kind.START) | (kinds == Kind.GIVEN)] = -1
        is_silent = (kinds == Kind.NOTE) & (events[..., VELOCITY] == UNSPECIFIED)
        targets[is_silent, VELOCITY] = -1
        return targets

    def style(self, name: str) -> int:
        """Return the value of a style label.

        Raises:
            TokenError: If the vocabulary has no such label; the message lists them.
        """
        if name in self.styles:
            return self.styles.index(name) + 1
        msg = f"there is no style {name!r}; this model knows {', '.join(self.styles) or 'none'}"
        raise TokenError(msg)

    def to_json(self) -> str:
        """Return the vocabulary as JSON text, with all it takes to read events without us."""
        attributes = [
            {
                "name": attribute.name,
                "column": attribute.column,
                "size": attribute.size,
                "kinds": [kind.name for kind in attribute.kinds],
            }
            for attribute in ATTRIBUTES
        ]
        content = {"format": FORMAT, "styles": list(self.styles), "attributes": attributes}
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Vocabulary":
        """Read a vocabulary.

        Raises:
            TokenError: If the text is no vocabulary, or of another format than `FORMAT`.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            msg = f"the vocabulary is not JSON: {error}"
            raise TokenError(msg) from error
        if not isinstance(data, dict) or not {"format", "styles"} <= data.keys():
            msg = "the text is no vocabulary: it names no 'format' and 'styles'"
            raise TokenError(msg)
        if data["format"] != FORMAT:
            msg = f"the vocabulary has format {data['format']}; this sideman reads {FORMAT}"
            raise TokenError(msg)
        return cls(styles=tuple(data["styles"]))


def tempo_to_bin(tempo_bpm: ArrayLike) -> NDArray[np.int64]:
    """Return the nearest tempo bin of quarter notes per minute; at the ends the last one."""
    slowest, fastest = bin_to_tempo([0, TEMPO_BINS - 1])
    octaves = np.log2(np.clip(tempo_bpm, slowest, fastest) / DEFAULT_TEMPO_BPM)
    bins: NDArray[np.int64] = np.rint(octaves * TEMPO_STEPS_PER_OCTAVE).astype(np.int64)
    return bins + TEMPO_BINS_BELOW


def bin_to_tempo(bins: ArrayLike) -> NDArray[np.float64]:
    """Return the quarter notes per minute of tempo bins."""
    steps = (np.asarray(bins, np.float64) - TEMPO_BINS_BELOW) / TEMPO_STEPS_PER_OCTAVE
    return np.asarray(DEFAULT_TEMPO_BPM * 2.0**steps)


_DURATION_OF_TICKS = (
    np.abs(np.arange(MAX_DURATION + 1)[:, None] - DURATION_TICKS[None, 1:]).argmin(1) + 1
)


def ticks_to_duration(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the nearest duration value of lengths in ticks: at least 1, at most the longest.

    Half way between two values the shorter one is taken.
    """
    values: NDArray[np.int64] = _DURATION_OF_TICKS[np.minimum(ticks, MAX_DURATION)]
    return values


def velocity_to_bin(velocity: ArrayLike) -> NDArray[np.int64]:
    """Return the velocity value, 1-32, of velocities 1-127."""
    values: NDArray[np.int64] = 1 + np.asarray(velocity, np.int64) // VELOCITY_STEP
    return values


def bin_to_velocity(bins: ArrayLike) -> NDArray[np.int64]:
    """Return the velocity in the middle of each bin, 2-126, or what unspecified sounds as."""
    bins = np.asarray(bins, np.int64)
    middle = (bins - 1) * VELOCITY_STEP + VELOCITY_STEP // 2
    return np.where(bins == UNSPECIFIED, UNSPECIFIED_SOUNDS_AS, middle)


def time_signature_value(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.int64]:
    """Return the value of time signatures; the denominator must be in `DENOMINATORS`."""
    index = np.log2(np.asarray(denominator)).astype(np.int64)
    values: NDArray[np.int64] = index * MAX_NUMERATOR + np.asarray(numerator, np.int64) - 1
    return values


NUMERATOR_OF = np.tile(np.arange(1, MAX_NUMERATOR + 1), len(DENOMINATORS))
DENOMINATOR_OF = np.repeat(DENOMINATORS, MAX_NUMERATOR)
BEAT_TICKS_OF = WHOLE_NOTE // DENOMINATOR_OF
BAR_TICKS_OF = NUMERATOR_OF * BEAT_TICKS_OF
"""By value of time signature: numerator, denominator, ticks in a beat, ticks in a bar."""


def program_value(program: int, *, is_drum: bool) -> int:
    """Return the value of a part's program: 0-127, or a drum kit from `FIRST_KIT` on."""
    if not is_drum:
        return program
    return FIRST_KIT + sum(kit <= program for kit in DRUM_KITS) - 1
