"""MIDI messages of live play, and the bytes they travel as.

Only what a partner can use has a type here: notes, controllers, programs, and the clock.
Numbers and layouts are those of the MIDI 1.0 Detailed Specification (MIDI Association, 1996),
sections "Channel Voice Messages" and "System Real Time Messages".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sideman.errors import LiveError

N_CHANNELS = 16
MAX_DATA_BYTE = 127
MAX_SIXTEENTHS = (1 << 14) - 1
"""The last place a song position pointer can name: two data bytes of seven bits."""

NOTE_OFF, NOTE_ON, CONTROL_CHANGE, PROGRAM_CHANGE = 0x80, 0x90, 0xB0, 0xC0
SYSTEM_EXCLUSIVE, SONG_POSITION = 0xF0, 0xF2
CLOCK, START, CONTINUE, STOP, ACTIVE_SENSING = 0xF8, 0xFA, 0xFB, 0xFC, 0xFE
"""Status bytes; the channel of the first four is added to them."""

SUSTAIN, ALL_SOUND_OFF, ALL_NOTES_OFF = 64, 120, 123
"""Numbers of the controllers that silence an instrument."""

_STATUS_BIT = 0x80
_FIRST_REAL_TIME = 0xF8
_END_OF_EXCLUSIVE = 0xF7

_VOICE_DATA = (2, 2, 2, 2, 1, 1, 2)
"""How many data bytes follow a status of a channel, 0x80 to 0xE0."""

_COMMON_DATA = {0xF1: 1, 0xF2: 2, 0xF3: 1}
"""How many data bytes follow a status of the whole system; the others have none."""


@dataclass(frozen=True, slots=True)
class NoteOn:
    """A key goes down.

    Attributes:
        channel: 0–15.
        pitch: MIDI note number, 0–127.
        velocity: 1–127; on the wire 0 means that the key goes up, so no note-on has it.

    Raises:
        LiveError: If a field is outside its range, here as in the messages below.
    """

    channel: int
    pitch: int
    velocity: int

    def __post_init__(self) -> None:
        _check("channel", self.channel, N_CHANNELS - 1)
        _check("pitch", self.pitch, MAX_DATA_BYTE)
        _check("velocity", self.velocity, MAX_DATA_BYTE, least=1)


@dataclass(frozen=True, slots=True)
class NoteOff:
    """A key goes up: `channel` 0–15, `pitch` 0–127. How fast it goes up is not kept."""

    channel: int
    pitch: int

    def __post_init__(self) -> None:
        _check("channel", self.channel, N_CHANNELS - 1)
        _check("pitch", self.pitch, MAX_DATA_BYTE)


@dataclass(frozen=True, slots=True)
class ControlChange:
    """A pedal, wheel or knob moves: `channel` 0–15, `number` and `value` 0–127."""

    channel: int
    number: int
    value: int

    def __post_init__(self) -> None:
        _check("channel", self.channel, N_CHANNELS - 1)
        _check("controller", self.number, MAX_DATA_BYTE)
        _check("value", self.value, MAX_DATA_BYTE)


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """A channel takes another sound: `channel` 0–15, `program` 0–127."""

    channel: int
    program: int

    def __post_init__(self) -> None:
        _check("channel", self.channel, N_CHANNELS - 1)
        _check("program", self.program, MAX_DATA_BYTE)


@dataclass(frozen=True, slots=True)
class Clock:
    """One of the 24 pulses of a quarter note."""


@dataclass(frozen=True, slots=True)
class Start:
    """The song starts from its beginning with the next clock."""


@dataclass(frozen=True, slots=True)
class Continue:
    """The song goes on from where it stands with the next clock."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The song stops where it is."""


@dataclass(frozen=True, slots=True)
class SongPosition:
    """The song moves to a place, counted in sixteenths from its beginning, 0–16383."""

    sixteenths: int

    def __post_init__(self) -> None:
        _check("song position", self.sixteenths, MAX_SIXTEENTHS)


Message = (
    NoteOn
    | NoteOff
    | ControlChange
    | ProgramChange
    | Clock
    | Start
    | Continue
    | Stop
    | SongPosition
)


@dataclass(frozen=True, slots=True)
class Timed:
    """A message and when it came or is to be sent, in seconds on the session's clock."""

    time_s: float
    message: Message


def to_bytes(message: Message) -> bytes:
    """Return the bytes of one message, its status byte always written out.

    Example:
        >>> to_bytes(NoteOn(0, 60, 100)).hex(" ")
        '90 3c 64'
    """
    values: tuple[int, ...]
    match message:
        case NoteOn(channel, pitch, velocity):
            values = (NOTE_ON | channel, pitch, velocity)
        case NoteOff(channel, pitch):
            values = (NOTE_OFF | channel, pitch, 0)
        case ControlChange(channel, number, value):
            values = (CONTROL_CHANGE | channel, number, value)
        case ProgramChange(channel, program):
            values = (PROGRAM_CHANGE | channel, program)
        case SongPosition(sixteenths):
            values = (SONG_POSITION, sixteenths & MAX_DATA_BYTE, sixteenths >> 7)
        case _:
            values = (_REAL_TIME_STATUS[type(message)],)
    return bytes(values)


class Parser:
    """Turns the bytes of one input into messages, however they are cut into pieces.

    A status may be left out where it is the last one again (running status), real-time bytes
    may stand inside other messages, and a note-on of velocity 0 is a note-off. What has no type
    here is skipped and counted; nothing that comes in can raise or be stored without end.

    Attributes:
        skipped: How often something was skipped, by what it was.

    Example:
        >>> Parser().feed(bytes.fromhex("90 3c 64 f8 3c 00"))
        [NoteOn(channel=0, pitch=60, velocity=100), Clock(), NoteOff(channel=0, pitch=60)]
    """

    def __init__(self) -> None:
        self.skipped: Counter[str] = Counter()
        self._status: int | None = None
        self._data: list[int] = []
        self._is_exclusive = False

    def feed(self, data: Iterable[int]) -> list[Message]:
        """Return the messages that `data` completes, in order."""
        found: list[Message] = []
        for byte in data:
            message = None
            if byte >= _FIRST_REAL_TIME:
                message = self._real_time(byte)
            elif byte & _STATUS_BIT:
                self._begin(byte)
            else:
                message = self._add(byte)
            if message is not None:
                found.append(message)
        return found

    def _real_time(self, byte: int) -> Message | None:
        """Return what a byte says that may stand anywhere and disturbs nothing."""
        make = _REAL_TIME.get(byte)
        if make is None:
            self._skip("active sensing" if byte == ACTIVE_SENSING else "unknown")
            return None
        return make()

    def _begin(self, status: int) -> None:
        """Begin another message; one that was not finished is lost."""
        if self._data:
            self._skip("unfinished")
            self._data.clear()
        self._is_exclusive = status == SYSTEM_EXCLUSIVE
        if status < SYSTEM_EXCLUSIVE or status in _COMMON_DATA:
            self._status = status
            return
        self._status = None
        if status != _END_OF_EXCLUSIVE:
            self._skip("system exclusive" if self._is_exclusive else "unknown")

    def _add(self, byte: int) -> Message | None:
        """Take a data byte, and return the message that it completes."""
        status = self._status
        if status is None:
            if not self._is_exclusive:
                self._skip("stray data")
            return None
        self._data.append(byte)
        if len(self._data) < _n_data(status):
            return None
        if status >= SYSTEM_EXCLUSIVE:
            self._status = None  # only the status of a channel may be left out
        message = _message(status, self._data[0], self._data[-1])
        self._data.clear()
        if message is None:
            self._skip("unknown")
        return message

    def _skip(self, name: str) -> None:
        self.skipped[name] += 1


def _n_data(status: int) -> int:
    """Return how many data bytes a status has that has any."""
    if status < SYSTEM_EXCLUSIVE:
        return _VOICE_DATA[(status >> 4) - 8]
    return _COMMON_DATA[status]


def _message(status: int, first: int, last: int) -> Message | None:
    """Return the message of a status and its first and last data; None if it has no type."""
    if status == SONG_POSITION:
        return SongPosition(first | last << 7)
    channel = status & 0x0F
    message: Message | None = None
    match status & 0xF0:
        case 0x90 if last > 0:
            message = NoteOn(channel, first, last)
        case 0x80 | 0x90:
            message = NoteOff(channel, first)
        case 0xB0:
            message = ControlChange(channel, first, last)
        case 0xC0:
            message = ProgramChange(channel, first)
    return message


def _check(name: str, value: int, most: int, *, least: int = 0) -> None:
    if not least <= value <= most:
        msg = f"MIDI {name} is {value}; it must be {least} to {most}"
        raise LiveError(msg)


_REAL_TIME: dict[int, Callable[[], Clock | Start | Continue | Stop]] = {
    CLOCK: Clock,
    START: Start,
    CONTINUE: Continue,
    STOP: Stop,
}
_REAL_TIME_STATUS: dict[type, int] = {
    Clock: CLOCK,
    Start: START,
    Continue: CONTINUE,
    Stop: STOP,
}
