"""Those who spare nothing: an unruly player, a cable that comes out, an instrument that counts.

Used by live_chaos.py.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

import numpy as np

from sideman.errors import LiveError
from sideman.live import inout
from sideman.live.inout import InOutConfig
from sideman.live.messages import (
    ALL_NOTES_OFF,
    Continue,
    ControlChange,
    Message,
    NoteOff,
    NoteOn,
    Parser,
    SongPosition,
    Start,
    Stop,
    Timed,
    to_bytes,
)
from sideman.live.player import perform, phrases_of
from sideman.live.ports.interface import Clock, Inbox, PortWish, Wish
from sideman.live.ports.opening import BACKENDS
from sideman.live.recording import Acted, Changed
from sideman.live.settings import ACTIONS, MODES
from sideman.score.midi import read_midi

PIECE = Path(__file__).parents[1] / "src" / "sideman" / "examples" / "prompt.mid"
BURST = 1000
MAX_NOTE_S = 10.0
SLACK_S = 2.0
"""A note that sounds this much longer than the longest note that is set has stuck."""

MEAN_S = {"burst": 20.0, "junk": 5.0, "clock": 30.0, "setting": 7.0, "action": 25.0}
"""Mean seconds from one to the next of what the player does."""

TURNS = {
    "density": ("0", "9"),
    "silence": ("0", "0.6"),
    "memory": ("2 s", "16 bars", "session"),
    "tempo": ("60", "120", "240"),
    "metre": ("4/4", "3/4", "7/8"),
    "sync": ("set", "clock", "tracked"),
    "metronome": ("on", "off"),
    "clock_out": ("on", "off"),
    "key": ("off", "found", "D minor"),
    "chords": ("off", "found", "Am | F | C | G"),
    "overlap": ("on", "off"),
    "hears_itself": ("on", "off"),
    "quantise": ("off", "16", "8t"),
}
"""Settings that are turned, besides the mode."""


# ------------------------------------------------------------------------ the player


class Unruly:
    """What somebody does who spares nothing: bytes, settings, actions, each at its second.

    Args:
        seed: Of all that is drawn.
        begin_s: Second at which it begins.
    """

    def __init__(self, seed: int, begin_s: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._begin_s = begin_s
        self.done: Counter[str] = Counter()

    def inputs(self) -> Iterator[tuple[float, bytes | Changed | Acted]]:
        """Yield what it does, in order of time, without end."""
        music = self._music()
        next_s = {name: self._begin_s + self._after(mean) for name, mean in MEAN_S.items()}
        note_s, note = next(music)
        while True:
            name = min(next_s, key=next_s.__getitem__)
            at_s = next_s[name]
            if note_s <= at_s:
                yield note_s, note
                note_s, note = next(music)
                continue
            next_s[name] = at_s + self._after(MEAN_S[name])
            self.done[name] += 1
            yield at_s, getattr(self, f"_{name}")(at_s)

    def _after(self, mean_s: float) -> float:
        return float(self._rng.exponential(mean_s))

    def _music(self) -> Iterator[tuple[float, bytes]]:
        """Yield phrases with rests, some with running status or ends of velocity 0."""
        begin_s, score = self._begin_s, read_midi(PIECE)
        while True:
            phrases = phrases_of(score, n_bars=2, tempo_bpm=120, seed=int(begin_s))
            status = b""
            for timed in perform(
                phrases, rest_bars=int(self._rng.integers(3)), begin_s=begin_s
            ):
                data = to_bytes(timed.message)
                if isinstance(timed.message, NoteOff) and self._rng.random() < 0.5:
                    data = bytes([0x90 | data[0] & 15, data[1], 0])
                yield timed.time_s, data[1:] if data[:1] == status else data
                status = data[:1] if self._rng.random() < 0.5 else b""
                begin_s = timed.time_s
            begin_s += self._after(3.0)

    def _burst(self, _at_s: float) -> bytes:
        """A thousand messages at once; in half of the bursts many keys stay down."""
        rows = self._rng.integers(0, 128, (BURST, 2)).tolist()
        released = bytes(v for pitch in range(128) for v in (pitch, 0))
        burst = b"\x90" + bytes(value for row in rows for value in row)
        return burst + (released if self._rng.random() < 0.5 else b"")

    def _junk(self, _at_s: float) -> bytes:
        """Active sensing, messages cut short, exclusive ones without end, stray data."""
        junk = (b"\xfe", b"\x90\x40", b"\xf0\x7e\x01", b"\x10\x20", b"\xf7", b"\xf4\xff")
        return junk[int(self._rng.integers(len(junk)))]

    def _clock(self, _at_s: float) -> bytes:
        """Another's clock: starts, jumps, goes on, in no order."""
        position = SongPosition(int(self._rng.integers(16384)))
        messages: Sequence[Message] = (Start(), Stop(), position, Continue())
        chosen = self._rng.choice(len(messages), 3).tolist()
        clocks = b"\xf8" * int(self._rng.integers(48))
        return b"".join(to_bytes(messages[index]) for index in chosen) + clocks

    def _setting(self, at_s: float) -> Changed:
        """A mode, or a setting."""
        if self._rng.random() < 0.4:
            return Changed(at_s, "mode", str(self._rng.choice(list(MODES))))
        name = str(self._rng.choice(list(TURNS)))
        return Changed(at_s, name, str(self._rng.choice(TURNS[name])))

    def _action(self, at_s: float) -> Acted:
        """Panic among them."""
        return Acted(at_s, str(self._rng.choice(list(ACTIONS))))


# ------------------------------------------------------------------------ the instrument


@dataclass(slots=True)
class Instrument:
    """What sounds at the other end, until it is told to stop.

    Attributes:
        n_notes: Notes that began.
        n_stuck: Notes that went on too long.
        n_doubled: Keys struck again that had not been ended.
        is_deaf: Whether the cable is out; notes that sound then have no age.
        sounding: When each key that sounds began.
    """

    n_notes: int = 0
    n_stuck: int = 0
    n_doubled: int = 0
    is_deaf: bool = False
    sounding: dict[tuple[int, int], float] = field(default_factory=dict)

    def take(self, message: Message, now_s: float) -> None:
        """Do what a message says."""
        match message:
            case NoteOn(channel, pitch, _):
                self.n_notes += 1
                self.n_doubled += (channel, pitch) in self.sounding
                self.sounding[channel, pitch] = now_s
            case NoteOff(channel, pitch):
                self.sounding.pop((channel, pitch), None)
            case ControlChange(channel, number, _) if number == ALL_NOTES_OFF:
                self.sounding = {k: s for k, s in self.sounding.items() if k[0] != channel}

    def look(self, now_s: float) -> None:
        """Find notes that have stuck."""
        for key, begin_s in list(self.sounding.items()):
            if self.is_deaf:
                self.sounding[key] = now_s
            elif now_s - begin_s > MAX_NOTE_S + SLACK_S:
                self.n_stuck += 1
                del self.sounding[key]


# ------------------------------------------------------------------------ the cable


class WirePort:
    """A port whose other end is a `Wire` in another process; bytes come as they are sent.

    Args:
        wish: Its source is the address of the wire.
        clock: The session's clock.

    Raises:
        LiveError: If it is not plugged in.
    """

    name = "wire"
    ahead_s = 0.0

    def __init__(self, wish: PortWish, clock: Clock) -> None:
        self._address = wish.source or ""
        self._clock = clock
        self._inbox = Inbox()
        self._wire: Connection | None = None
        if not self.reopen():
            msg = "the wire is not plugged in"
            raise LiveError(msg)

    @property
    def is_open(self) -> bool:
        """Whether it is plugged in."""
        return self._wire is not None

    @property
    def waitable(self) -> Connection:
        """Is ready when there is something to read."""
        return self._inbox.waitable

    def read(self) -> list[Timed]:
        """Return what came in since the last call."""
        return self._inbox.read()

    def wishes(self) -> list[Wish]:
        """Return nothing: MIDI is all that comes this way."""
        return []

    def send(self, message: Message, time_s: float) -> None:  # noqa: ARG002 at once
        """Send a message now."""
        with contextlib.suppress(OSError, AttributeError):
            self._wire.send_bytes(to_bytes(message))  # type: ignore[union-attr]

    def reopen(self) -> bool:
        """Plug it in, if somebody is there."""
        if self._wire is None:
            with contextlib.suppress(OSError, EOFError):
                self._wire = Client(self._address)
                threading.Thread(target=self._listen, args=(self._wire,), daemon=True).start()
        return self.is_open

    def close(self) -> None:
        """Pull it out."""
        if self._wire is not None:
            self._wire.close()

    def _listen(self, wire: Connection) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                self._inbox.put(self._clock(), wire.recv_bytes())
        self._wire = None


def run_ports(connection: Connection, config: InOutConfig) -> None:
    """Be the process of the ports, which knows of wires too."""
    BACKENDS["wire"] = WirePort
    inout.main(connection, config)


class Wire:
    """The other end of a `WirePort`: what the player plays goes in, what sounds comes out.

    Args:
        address: Where others find it.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._listener: Listener | None = None
        self._end: Connection | None = None
        self._parser = Parser()
        self.plug()

    def plug(self) -> None:
        """Put the cable in."""
        self._listener = Listener(self._address)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def pull(self) -> None:
        """Pull the cable out."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._end is not None:
            self._end.close()
            self._end = None

    def send(self, data: bytes) -> None:
        """Let bytes in, if the cable is."""
        with contextlib.suppress(OSError, AttributeError):
            self._end.send_bytes(data)  # type: ignore[union-attr]

    def read(self) -> list[Message]:
        """Return what came out since the last call."""
        found: list[Message] = []
        with contextlib.suppress(OSError, EOFError, AttributeError):
            while self._end.poll():  # type: ignore[union-attr]
                found += self._parser.feed(self._end.recv_bytes())  # type: ignore[union-attr]
        return found

    def _accept(self, listener: Listener) -> None:
        """Take whoever comes: another process, if one was killed."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                self._end = listener.accept()
