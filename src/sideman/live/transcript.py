"""Sessions as scores: what was played, a part for each voice, in the bars of the session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.engine.compose import player as part_of
from sideman.engine.rhythm import parse_metre
from sideman.live.messages import Message, NoteOff, NoteOn, Timed
from sideman.live.recording import Header, Heard, Metre, Record, SessionFile, Sounded, Tempo
from sideman.live.settings import Settings, with_settings
from sideman.live.voices import Voice, find_input, parse_voice
from sideman.score.time import SECONDS_PER_MINUTE
from sideman.score.types import (
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    TPQ,
    Score,
    Table,
    table,
)
from sideman.tokens.vocabulary import DENOMINATOR_OF, NUMERATOR_OF, WHOLE_NOTE

SCORE_TPQ = 480
"""Ticks per quarter of a score made of a session: about a millisecond."""

BEND = TPQ / 4
"""A clock that is off by fewer ticks is put right; one that is off by more has jumped."""


def metre_of(settings: Settings) -> tuple[int, int]:
    """Return numerator and denominator of the metre that is set."""
    value = parse_metre(settings.metre)
    return int(NUMERATOR_OF[value]), int(DENOMINATOR_OF[value])


def voices_of(header: Header) -> tuple[Voice, ...]:
    """Return the voices of a session."""
    return tuple(map(parse_voice, header.voices))


def playback(session: SessionFile) -> Iterator[Timed]:
    """Yield what sounded of human and machine, in seconds from the beginning of the session."""
    for record in session:
        match record:
            case Heard(time_s, message) | Sounded(time_s, message):
                yield Timed(time_s - session.header.begin_s, message)


def to_score(header: Header, records: Iterable[Record]) -> Score:
    """Return a session as a score: a part for each voice, its notes where they were played.

    The bars are those of the session. Tempos follow its clock closely enough for the score to
    sound as the session did. Only where the clock jumped does it wait, for less than a bar: it
    goes on at the next place that lies as far from a bar line.

    Args:
        header: What the session began with.
        records: What happened.
    """
    voices = voices_of(header)
    ruler, notes, end_s = _Ruler(header), _Notes(), header.begin_s
    for record in records:
        end_s = max(end_s, record.time_s)
        match record:
            case Tempo():
                ruler.bend(record)
            case Metre():
                ruler.change_metre(record)
            case Heard(time_s, message):
                notes.add(time_s, message, is_human=True)
            case Sounded(time_s, message):
                notes.add(time_s, message, is_human=False)
    rows = notes.of_voices(voices, end_s)
    notes_table = np.zeros(len(rows), NOTE_DTYPE)
    if rows:
        begins_s, ends_s, pitches, velocities, parts = zip(*rows, strict=True)
        notes_table["onset"] = ruler.ticks(begins_s)
        notes_table["duration"] = np.maximum(ruler.ticks(ends_s) - notes_table["onset"], 1)
        notes_table["pitch"], notes_table["velocity"] = pitches, velocities
        notes_table["part"] = parts
    return Score(
        notes=notes_table,
        parts=tuple(part_of(voice.part, voice.name) for voice in voices),
        tpq=SCORE_TPQ,
        tempos=ruler.tempos(),
        time_signatures=ruler.time_signatures(),
    )


class _Notes:
    """Notes made of keys that go down and up."""

    def __init__(self) -> None:
        self._held: dict[tuple[bool, int, int], tuple[float, int]] = {}
        self._done: list[tuple[bool, int, tuple[float, float, int, int]]] = []

    def add(self, time_s: float, message: Message, *, is_human: bool) -> None:
        """Take a message."""
        match message:
            case NoteOn(channel, pitch, velocity):
                self._end((is_human, channel, pitch), time_s)
                self._held[is_human, channel, pitch] = (time_s, velocity)
            case NoteOff(channel, pitch):
                self._end((is_human, channel, pitch), time_s)

    def of_voices(
        self, voices: Sequence[Voice], end_s: float
    ) -> list[tuple[float, float, int, int, int]]:
        """Return begin and end in seconds, pitch, velocity and voice of each note.

        Keys that are still down go up at `end_s`. What belongs to no voice, as the clicks of a
        metronome, is left out.
        """
        for key in tuple(self._held):
            self._end(key, end_s)
        players = {voice.channel: n for n, voice in enumerate(voices) if not voice.is_input}
        rows = []
        for is_human, channel, note in self._done:
            pitch = note[2]
            voice = find_input(voices, channel, pitch) if is_human else players.get(channel)
            if voice is not None:
                rows.append((*note, voice))
        return rows

    def _end(self, key: tuple[bool, int, int], time_s: float) -> None:
        if key in self._held:
            begin_s, velocity = self._held.pop(key)
            is_human, channel, pitch = key
            self._done.append((is_human, channel, (begin_s, time_s, pitch, velocity)))


class _Ruler:
    """Where the seconds of a session lie in a score.

    Ticks of the session go back and forth with its clock; places, in ticks at `TPQ`, do not.

    Args:
        header: Says with what tempo and metre it begins.
    """

    def __init__(self, header: Header) -> None:
        begun = with_settings(Settings(), header.settings)
        self._seconds = [header.begin_s]
        self._places = [0.0]
        self._tick = 0.0  # of the session, at the last of these
        self._tempo_bpm: float = begun.tempo
        self._bar_line = 0  # tick of the session at which the last metre begins
        self._metres = [(0.0, *metre_of(begun))]

    def bend(self, record: Tempo) -> None:
        """Go on at another tempo, or elsewhere."""
        expected = self._places[-1] + self._ticks_per_s * (record.time_s - self._seconds[-1])
        place = max(self._places[-1] + record.tick - self._tick, self._places[-1])
        if abs(place - expected) >= BEND:
            self._add(record.time_s, expected)
            bar_line, numerator, denominator = self._metres[-1]
            wanted, found = record.tick - self._bar_line, expected - bar_line
            place = expected + (wanted - found) % (numerator * WHOLE_NOTE / denominator)
        self._add(record.time_s, place)
        self._tick, self._tempo_bpm = record.tick, record.tempo_bpm

    def change_metre(self, record: Metre) -> None:
        """Let another metre hold from a bar line on."""
        self._bar_line = record.tick
        metre = (record.numerator, record.denominator)
        if metre != self._metres[-1][1:]:
            place = max(self._places[-1] + record.tick - self._tick, 0.0)
            self._metres.append((place, *metre))

    def ticks(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """Return the ticks of the score of some seconds, shape (N,)."""
        seconds = np.maximum(np.asarray(seconds, np.float64), self._seconds[0])
        index = np.searchsorted(self._seconds, seconds, side="right") - 1
        since_s = seconds - np.array(self._seconds)[index]
        return _scaled(np.array(self._places)[index] + since_s * self._rates()[index])

    def tempos(self) -> Table:
        """Return the tempos of the score."""
        rates = self._rates()
        has_length = np.append(np.diff(self._seconds) > 0, True) & (rates > 0)
        ticks = _scaled(np.array(self._places))[has_length]
        tempos_bpm = np.round(rates[has_length] * SECONDS_PER_MINUTE / TPQ, 6)
        is_new = np.append(True, np.diff(tempos_bpm) != 0)
        return table(
            TEMPO_DTYPE, zip(ticks[is_new].tolist(), tempos_bpm[is_new].tolist(), strict=True)
        )

    def time_signatures(self) -> Table:
        """Return the metres of the score."""
        rows = ((int(_scaled(place)), *metre) for place, *metre in self._metres)
        return table(TIME_SIGNATURE_DTYPE, rows)

    @property
    def _ticks_per_s(self) -> float:
        return self._tempo_bpm * TPQ / SECONDS_PER_MINUTE

    def _rates(self) -> NDArray[np.float64]:
        """Return how many ticks go by in a second after each place, shape (N,)."""
        spans_s = np.diff(self._seconds)
        rates = np.diff(self._places) / np.where(spans_s > 0, spans_s, 1.0)
        return np.append(rates, self._ticks_per_s)

    def _add(self, time_s: float, place: float) -> None:
        self._seconds.append(time_s)
        self._places.append(place)


def _scaled(places: ArrayLike) -> NDArray[np.int64]:
    """Return ticks at `SCORE_TPQ` of ticks at `TPQ`."""
    return np.rint(np.asarray(places) * (SCORE_TPQ / TPQ)).astype(np.int64)
