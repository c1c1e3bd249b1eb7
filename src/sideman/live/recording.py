"""Sessions as files: everything that happened, written while it happens.

A session file has one JSON value a line. The first is an object, the header: what the session
began with. Each other is a record, an array of its kind, its second on the session's clock, and
what that kind has to say:

    heard     message in hex                                         what came in
    ordered   kind of order, its values                              what was decided
    sounded   message in hex, seconds late                           what went out, when it did
    changed   name of the setting, its value as text                 what the player turned
    acted     name of the action                                     panic, forget, tap …
    planned   notes [id voice pitch velocity onset duration], ids    what came and left the plan
    tempo     tick, quarter notes per minute                         holds from here on
    metre     tick of the bar line, numerator, denominator           holds from here on
    meters    object of figures                                      how well it goes

Each line is handed to the operating system whole and at once. Whatever kills the program loses
at most the line it was writing, and a last line without its end is no error. Nothing is kept in
memory, however long the session lasts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from sideman.errors import LiveError
from sideman.files import refuse_existing
from sideman.live.messages import Message, Parser, to_bytes
from sideman.live.orders import Order, Play, Program, Release, Silence
from sideman.live.timeline import Timeline
from sideman.live.view import SeenNote, View
from sideman.score.time import SECONDS_PER_MINUTE
from sideman.score.types import TPQ

SUFFIX = ".session"
FORMAT = 1
"""Of the files that are written; others are refused by name."""

MAX_LINE_BYTES = 1 << 22
"""A longer line is none of ours."""

PLAN_EVERY_S = 0.25
"""Plans are looked at no more often: a version that nobody could have seen is not kept."""

METERS_EVERY_S = 5.0

MOST_DRIFT = 0.25
"""Ticks that the music may be off from where the file says it is: 5 ms at 120 bpm."""

TEMPO_CHANGE = 0.005
"""A change of tempo by this share is told at once; a smaller one, as of a clock that is
followed, when it has led off by `MOST_DRIFT`."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a session began with.

    Attributes:
        bundle: Name of the model bundle.
        bundle_hash: Its hash.
        voices: The voices, as `sideman.live.voices.voice_text` writes them.
        settings: Each setting as text, by name (`sideman.live.settings.settings_texts`).
        begin_s: Second of tick 0 on the session's clock.
        began: Date and time of that, ISO 8601; empty where there was none.
    """

    bundle: str
    bundle_hash: str
    voices: tuple[str, ...]
    settings: Mapping[str, str]
    begin_s: float = 0.0
    began: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that came in."""

    time_s: float
    message: Message


@dataclass(frozen=True, slots=True)
class Ordered:
    """What the improviser decided, and when."""

    time_s: float
    order: Order


@dataclass(frozen=True, slots=True)
class Sounded:
    """A message that went out at `time_s`, `lateness_s` after it was due."""

    time_s: float
    message: Message
    lateness_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting that was turned; `value` is what `sideman.live.settings` reads."""

    time_s: float
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Acted:
    """Something the player asked for at once."""

    time_s: float
    action: str


@dataclass(frozen=True, slots=True)
class Planned:
    """Another version of the plan: the notes that are new in it, the ids that are gone.

    A note that is ordered leaves the plan, but is not gone.
    """

    time_s: float
    new: tuple[SeenNote, ...]
    gone: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tempo:
    """From `time_s`, the second of `tick`, music runs at `tempo_bpm`."""

    time_s: float
    tick: float
    tempo_bpm: float


@dataclass(frozen=True, slots=True)
class Metre:
    """From the bar line at `tick`, bars have this metre; it was known at `time_s`."""

    time_s: float
    tick: int
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class Metered:
    """How well it goes: `sideman.live.view.Meters` as a tree of figures by name."""

    time_s: float
    meters: Mapping[str, Any]


Record = Heard | Ordered | Sounded | Changed | Acted | Planned | Tempo | Metre | Metered

_TYPES: dict[str, type] = {
    "heard": Heard,
    "ordered": Ordered,
    "sounded": Sounded,
    "changed": Changed,
    "acted": Acted,
    "planned": Planned,
    "tempo": Tempo,
    "metre": Metre,
    "meters": Metered,
}
_KINDS = {record: kind for kind, record in _TYPES.items()}
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_ORDERS = {order.__name__.lower(): order for order in (Play, Release, Silence, Program)}


class Watched(Protocol):
    """What a diary looks at."""

    @property
    def timeline(self) -> Timeline:
        """Where the music is."""

    def view(self, now_s: float) -> View:
        """Return all there is to see."""


class Diary:
    """Finds out what nobody announces: how plan, tempo, metre and meters change.

    Args:
        partner: Whom it is about.
    """

    def __init__(self, partner: Watched) -> None:
        self._partner = partner
        self._plan: set[int] = set()
        self._tempo: Tempo | None = None
        self._metre: tuple[int, int] | None = None
        self._next_plan_s = self._next_meters_s = -math.inf

    def look(self, now_s: float) -> Iterator[Record]:
        """Yield what has changed; it may be asked at any time and as often as one likes."""
        yield from self._look_at_time(now_s)
        if now_s >= self._next_plan_s:
            self._next_plan_s = now_s + PLAN_EVERY_S
            view = self._partner.view(now_s)
            yield from self._look_at_plan(view)
            if now_s >= self._next_meters_s:
                self._next_meters_s = now_s + METERS_EVERY_S
                yield Metered(now_s, asdict(view.meters))

    def _look_at_time(self, now_s: float) -> Iterator[Record]:
        timeline = self._partner.timeline
        tick, tempo_bpm = timeline.ticks_at(now_s), timeline.tempo_at(now_s)
        if self._tempo is None or _is_off(self._tempo, now_s, tick, tempo_bpm):
            self._tempo = Tempo(now_s, tick, tempo_bpm)
            yield self._tempo
        bar = timeline.bar_of(tick)
        if timeline.metre(bar) != self._metre:
            self._metre = timeline.metre(bar)
            yield Metre(now_s, timeline.bar_start(bar), *self._metre)

    def _look_at_plan(self, view: View) -> Iterator[Record]:
        planned = {note.id: note for note in view.notes if note.state == "planned"}
        played = {note.id for note in view.notes if note.state != "planned"}
        new = tuple(note for id, note in planned.items() if id not in self._plan)
        gone = tuple(sorted(self._plan - planned.keys() - played))
        self._plan = set(planned)
        if new or gone:
            yield Planned(view.now_s, new, gone)


def _is_off(tempo: Tempo, now_s: float, tick: float, tempo_bpm: float) -> bool:
    """Return whether the music is not where, or not as fast as, it was last said."""
    expected = tempo.tick + (now_s - tempo.time_s) * tempo.tempo_bpm * TPQ / SECONDS_PER_MINUTE
    is_faster = abs(tempo_bpm / tempo.tempo_bpm - 1) > TEMPO_CHANGE
    return is_faster or abs(tick - expected) > MOST_DRIFT


class SessionWriter:
    """Writes a session file, line by line; a context manager.

    Args:
        path: Where to.
        header: What the session begins with.
        force: Replace a file that is already there.

    Raises:
        OutputExists: If the file exists and `force` is not set.
        LiveError: If it cannot be written, here and in `write`.
    """

    def __init__(self, path: Path, header: Header, *, force: bool = False) -> None:
        refuse_existing(path, force=force)
        self._path = path
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise self._refusal(error) from error
        self._append({"sideman_session": FORMAT, **asdict(header)})

    def write(self, record: Record) -> None:
        """Add a record; times need not be in order."""
        self._append([_KINDS[type(record)], record.time_s, *_values(record)])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> SessionWriter:
        """Return the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()

    def _append(self, value: object) -> None:
        try:
            self._file.write(_encode(value).encode() + b"\n")
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> LiveError:
        return LiveError(f"cannot record to '{self._path}': {error.strerror}")


class SessionFile:
    """A session that was recorded; its records are read anew each time it is iterated over.

    Attributes:
        path: The file.
        header: What the session began with.

    Raises:
        LiveError: If the file cannot be read or is no session of this format; while iterating,
            if a line other than the last is broken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = self._header(next(self._lines(), b""))

    def __iter__(self) -> Iterator[Record]:
        """Yield the records in the order of the file."""
        for number, line in islice(enumerate(self._lines(), 1), 1, None):
            yield self._record(number, line)

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines that are whole."""
        try:
            with self.path.open("rb") as file:
                while (line := file.readline(MAX_LINE_BYTES)).endswith(b"\n"):
                    yield line
        except OSError as error:
            msg = f"cannot open '{self.path}': {error.strerror}"
            raise LiveError(msg) from error

    def _header(self, line: bytes) -> Header:
        try:
            said = json.loads(line)
            version = said.pop("sideman_session")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"'{self.path}' is not a recorded session"
            raise LiveError(msg) from error
        if version != FORMAT:
            msg = (
                f"'{self.path}' is a session of format {version}; this Sideman reads format "
                f"{FORMAT}: use the version that recorded it"
            )
            raise LiveError(msg)
        try:
            return Header(**{**said, "voices": tuple(said["voices"])})
        except (TypeError, KeyError) as error:
            raise self._broken(1) from error

    def _record(self, number: int, line: bytes) -> Record:
        try:
            kind, time_s, *values = json.loads(line)
            return _record(kind, float(time_s), values)
        except (ValueError, TypeError, KeyError, IndexError, LiveError) as error:
            raise self._broken(number) from error

    def _broken(self, number: int) -> LiveError:
        return LiveError(f"'{self.path}' is damaged: line {number} is no record of a session")


def _values(record: Record) -> tuple[Any, ...]:
    """Return what a record says besides its time, as JSON can hold it."""
    values = tuple(getattr(record, field.name) for field in fields(record)[1:])
    match record:
        case Heard(message=message) | Sounded(message=message):
            return (to_bytes(message).hex(), *values[1:])
        case Ordered(order=order):
            return (type(order).__name__.lower(), *astuple(order))
        case Planned(new=new, gone=gone):
            return ([astuple(note)[:-2] for note in new], gone)
        case _:
            return values


def _record(kind: str, time_s: float, values: list[Any]) -> Record:
    """Return the record that `_values` wrote as these values."""
    match kind:
        case "heard" | "sounded":
            (message,) = Parser().feed(bytes.fromhex(values[0]))
            values = [message, *values[1:]]
        case "ordered":
            values = [_ORDERS[values[0]](*values[1:])]
        case "planned":
            new, gone = values
            values = [tuple(_planned(*note) for note in new), tuple(gone)]
    record: Record = _TYPES[kind](time_s, *values)
    return record


_planned = partial(SeenNote, state="planned", is_human=False)
