"""What the improviser wants sent: notes with their times, and what stops them.

Orders lie ahead: a note may be taken back until it begins. All times are those of the session's
clock, in seconds, with every setting that moves or changes notes already applied.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Play:
    """A note.

    Attributes:
        id: Its number; no other note of the session has it.
        channel: 0-15.
        pitch: MIDI note, 0-127.
        velocity: 1-127.
        begin_s: When it begins.
        end_s: When it ends; None for a note that sounds until a `Release` says so.
    """

    id: int
    channel: int
    pitch: int
    velocity: int
    begin_s: float
    end_s: float | None


@dataclass(frozen=True, slots=True)
class Release:
    """The end of a note, in place of the one that was said before.

    A note that would begin at that time or later never begins.

    Attributes:
        id: Number of the note.
        at_s: When it ends.
    """

    id: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Silence:
    """The end of all notes: those that sound end, those that lie ahead never begin.

    Attributes:
        at_s: When.
    """

    at_s: float


@dataclass(frozen=True, slots=True)
class Program:
    """An instrument for a channel.

    Attributes:
        channel: 0-15.
        program: General MIDI program, or number of a drum kit, 0-127.
        at_s: When.
    """

    channel: int
    program: int
    at_s: float


Order = Play | Release | Silence | Program
