"""The frame: everything that a model is told of a session beside the notes.

Letters in shapes: N notes, T events.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.chords import find_chords
from sideman.engine.chart import Chart, chart_chords
from sideman.engine.parts import PartWish, declared_controls
from sideman.live.memory import PlayedNote
from sideman.live.timeline import Timeline
from sideman.score.harmony import Chord
from sideman.score.types import Score, Table
from sideman.tokens.codec import HELD_SOUNDS_AS, Layout, grid_to_events
from sideman.tokens.grid import (
    BAR_DTYPE,
    GRID_CHORD_DTYPE,
    GRID_NOTE_DTYPE,
    Grid,
    from_grid,
)
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    FIRST_DRUM,
    FIRST_KIT,
    HELD,
    MAX_DURATION,
    N_COLUMNS,
    N_PARTS,
    UNSPECIFIED,
    Events,
    Extent,
    Kind,
    Task,
    tempo_to_bin,
    ticks_to_duration,
    velocity_to_bin,
)

LAG_BARS = 1
LAG_SHARE = 0.25
"""How many bars, or which share of the memory, the first bar that is said may lag behind the
one with which the memory begins: to begin anew costs a run of the whole memory."""


class Bar(NamedTuple):
    """A bar.

    Attributes:
        time_signature: Value of the vocabulary.
        tempo_bpm: Quarter notes per minute.
    """

    time_signature: int
    tempo_bpm: float


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything that is said beside the notes.

    What it says of the past should stay as it was: where it changes, the model has to hear all
    that follows once more; after a change of parts, key or style everything.

    Attributes:
        parts: What is wished, and declared, of each voice, by its number. Notes that stand at
            one tick are said in order of voices: those that follow others come behind them.
        bars: From the first that is said to the last that may be planned; later ones are like
            the last.
        first_bar: Number of the first of these bars on the timeline.
        onset: Its first tick.
        key: The vocabulary's value of the key, 0 if it is not told.
        style: The vocabulary's value of the style, 0 for none.
        chords: Onsets in ticks, rising, and the chord from each on.
        says_chords: Whether the model is told the chords, as it is those of a chart. Notes are
            held to them either way.
        task: What the model is told that it does.
    """

    parts: tuple[PartWish, ...]
    bars: tuple[Bar, ...]
    first_bar: int = 0
    onset: int = 0
    key: int = UNSPECIFIED
    style: int = UNSPECIFIED
    chords: tuple[tuple[int, Chord], ...] = ()
    says_chords: bool = True
    task: Task = Task.LIVE

    def bar_of(self, tick: int) -> int:
        """Return the bar that a tick lies in, as a number among `bars`.

        Behind them it goes on; before them are bars like the first, with negative numbers.
        """
        ticks, last = tick - self.onset, len(self.bars) - 1
        if ticks < 0:
            return ticks // self.bar_ticks(0)
        starts = _starts(self.bars)
        bar = int(np.searchsorted(starts, ticks, side="right")) - 1
        if bar < last:
            return bar
        return last + int((ticks - starts[last]) // self.bar_ticks(last))

    def bar_start(self, bar: int) -> int:
        """Return the first tick of a bar, counted as in `bar_of`."""
        nearest = min(max(bar, 0), len(self.bars) - 1)
        begins = self.onset + int(_starts(self.bars)[nearest])
        return begins + (bar - nearest) * self.bar_ticks(nearest)

    def bar_ticks(self, bar: int) -> int:
        """Return the length of a bar in ticks, counted as in `bar_of`."""
        return int(BAR_TICKS_OF[self.metre(bar)])

    def metre(self, bar: int) -> int:
        """Return the time signature value of a bar, counted as in `bar_of`."""
        return self._bar(bar).time_signature

    def tempo_bpm(self, bar: int) -> float:
        """Return the quarter notes per minute of a bar, counted as in `bar_of`."""
        return self._bar(bar).tempo_bpm

    def since(self, bar: int) -> "Frame":
        """Return the frame from a bar on, counted as in `bar_of`; it has one bar at least."""
        if bar == 0:
            return self
        bars = self.bars[bar:] or self.bars[-1:]
        return replace(
            self, bars=bars, first_bar=self.first_bar + bar, onset=self.bar_start(bar)
        )

    def _bar(self, bar: int) -> Bar:
        return self.bars[min(max(bar, 0), len(self.bars) - 1)]


# ------------------------------------------------------------------ what is made of others


def bars_of(timeline: Timeline, first: int, end: int) -> tuple[Bar, ...]:
    """Return the bars of a timeline from `first` to before `end`, each at its first tempo."""
    return tuple(
        Bar(
            timeline.time_signature_value(bar),
            timeline.tempo_at(timeline.seconds_at(timeline.bar_start(bar))),
        )
        for bar in range(first, end)
    )


def lagging_bar(said: int | None, wanted: int, now: int) -> int:
    """Return the first bar that is to be said: `said` as long as it is near enough.

    Args:
        said: The first bar that was said last; None: nothing was.
        wanted: The bar with which the memory begins.
        now: The bar that is played.

    Example:
        >>> lagging_bar(8, 11, 27), lagging_bar(8, 13, 29)
        (8, 13)
    """
    most = max(LAG_BARS, LAG_SHARE * (now - wanted))
    return said if said is not None and 0 <= wanted - said <= most else wanted


def with_chart(frame: Frame, chart: Chart) -> Frame:
    """Return the frame with a chart over its bars; the chart begins in bar 0, and again."""
    shift = frame.first_bar % len(chart.bars)
    turned = Chart(chart.bars[shift:] + chart.bars[:shift])
    rows = chart_chords(turned, [bar.time_signature for bar in frame.bars])
    chords = [
        (frame.bar_start(bar) + beat * int(BEAT_TICKS_OF[frame.metre(bar)]) + tick, chord)
        for bar, beat, tick, *chord in rows.tolist()
    ]
    return replace(
        frame, chords=tuple((onset, Chord(*chord)) for onset, chord in chords), says_chords=True
    )


def with_found_chords(frame: Frame, notes: Sequence[PlayedNote]) -> Frame:
    """Return the frame with the chords that the human's notes spell or imply.

    The last goes on. The model is not told: what it hears says as much, and chords that were
    found are found otherwise as more is heard.
    """
    rows = find_chords(score_of(frame, [note for note in notes if note.is_human]))
    chords = tuple(
        (frame.onset + onset, Chord(*chord))
        for onset, *chord in rows[["onset", "root", "quality", "bass"]].tolist()
    )
    return replace(frame, chords=chords, says_chords=False)


def score_of(frame: Frame, notes: Sequence[PlayedNote]) -> Score:
    """Return notes as a score that begins with the frame; those before it are left out."""
    last = max((note.onset for note in notes), default=frame.onset)
    n_bars = max(frame.bar_of(last), 0) + 1
    grid, _ = grid_of(frame, notes, n_bars, held_as=HELD_SOUNDS_AS)
    return from_grid(grid)


# ------------------------------------------------------------------ how it is spelled


class Note(Protocol):
    """A note, played or planned."""

    @property
    def voice(self) -> int:
        """Number of the voice."""

    @property
    def pitch(self) -> int:
        """MIDI note, 0-127."""

    @property
    def velocity(self) -> int:
        """1-127."""

    @property
    def onset(self) -> int:
        """Tick at which it begins."""

    @property
    def duration(self) -> int | None:
        """Ticks; None while its key is down."""


def spell(frame: Frame, notes: Sequence[Note], n_bars: int) -> Events:
    """Return a frame and the notes that begin in its first bars as events.

    Args:
        frame: All beside the notes; its chords in these bars are all said.
        notes: In any order; those outside the bars, and of voices the frame has not, are left
            out. Of two at one tick, of one voice and pitch, the longer is said.
        n_bars: How many bars are said, at least 1.

    Returns:
        Shape (T, N_COLUMNS).
    """
    grid, held = grid_of(frame, notes, n_bars)
    layout = Layout(
        task=frame.task,
        style=frame.style,
        extent=Extent.OPENING if frame.first_bar == 0 else Extent.MIDDLE,
        key=frame.key,
        controls=_controls(frame.parts),
        held=held,
    )
    return grid_to_events(grid, layout)


def bar_event(frame: Frame, bar: int) -> Events:
    """Return a bar, counted as in `Frame.bar_of`, as an event, shape (1, N_COLUMNS)."""
    bars, _ = _laid(frame.bars, max(bar + 1, len(frame.bars)))
    event = np.zeros((1, N_COLUMNS), np.uint8)
    event[0, :3] = (Kind.BAR, *bars[bar])
    return event


def chord_events(frame: Frame, after: float, end: int) -> Events:
    """Return the chords that begin after a tick, and before another, as events.

    All lie in one bar. Shape (T, N_COLUMNS).
    """
    due = [(onset, chord) for onset, chord in frame.chords if after < onset < end]
    events = np.zeros((len(due), N_COLUMNS), np.uint8)
    for event, (onset, chord) in zip(events, due, strict=True):
        event[:6] = (Kind.CHORD, *_place(frame, onset)[1:], *chord)
    return events


def grid_of(
    frame: Frame, notes: Sequence[Note], n_bars: int, *, held_as: int = HELD
) -> tuple[Grid, NDArray[np.bool_]]:
    """Return notes on the grid, as with `spell`, and which of them are held, (N,).

    Args:
        frame: All beside the notes.
        notes: In any order.
        n_bars: How many bars the grid has.
        held_as: Duration value of held notes.
    """
    bars, starts = _laid(frame.bars, n_bars)
    programs = np.array([part.program for part in frame.parts], np.uint8)
    columns = np.array(list(map(_FIELDS, notes)), np.float64).reshape(-1, len(_NAMES)).T
    held = np.isnan(columns[_DURATION])
    columns[_DURATION, held] = MAX_DURATION  # a held key is longer than any other
    onset, voice, pitch, velocity, duration = columns.astype(np.int64)
    onset -= frame.onset
    is_in = (onset >= 0) & (onset < starts[-1]) & (voice < len(programs))
    voice[~is_in] = 0
    pitch += FIRST_DRUM * (programs[voice] >= FIRST_KIT)
    place = (onset * N_PARTS + voice) * 2 * FIRST_DRUM + pitch
    order = np.lexsort((-duration, ~held, place))
    order = order[is_in[order]]
    order = order[np.diff(place[order], prepend=-1) > 0]
    bar = np.searchsorted(starts, onset[order], side="right") - 1
    rows = np.zeros(len(order), GRID_NOTE_DTYPE)
    rows["bar"] = bar
    beat_ticks = BEAT_TICKS_OF[bars["time_signature"][bar]]
    rows["beat"], rows["tick"] = np.divmod(onset[order] - starts[bar], beat_ticks)
    rows["part"] = voice[order]
    rows["pitch"] = pitch[order]
    rows["duration"] = np.where(held, held_as, ticks_to_duration(duration))[order]
    rows["velocity"] = velocity_to_bin(velocity[order])
    chords = _chord_rows(frame, n_bars)
    grid = Grid(bars=bars, notes=rows, chords=chords, programs=programs, key=frame.key)
    return grid, held[order]


_NAMES = ("onset", "voice", "pitch", "velocity", "duration")
_FIELDS = attrgetter(*_NAMES)
_DURATION = _NAMES.index("duration")


def _chord_rows(frame: Frame, n_bars: int) -> Table:
    """Return the chords of the first bars; one that holds on from before stands first."""
    rows = []
    for onset, chord in frame.chords:
        if onset <= frame.onset:
            rows = [(0, 0, 0, *chord)]
        elif onset < frame.bar_start(n_bars):
            rows.append((*_place(frame, onset), *chord))
    return np.array(rows, GRID_CHORD_DTYPE)


def _place(frame: Frame, tick: int) -> tuple[int, int, int]:
    """Return bar, beat and tick in beat of a tick."""
    bar = frame.bar_of(tick)
    return bar, *divmod(tick - frame.bar_start(bar), int(BEAT_TICKS_OF[frame.metre(bar)]))


@lru_cache(maxsize=64)
def _laid(bars: tuple[Bar, ...], n_bars: int) -> tuple[Table, NDArray[np.int64]]:
    """Return so many bars as a table, and their first ticks with the end of the last."""
    longer = (*bars[:n_bars], *bars[-1:] * (n_bars - len(bars)))
    table = np.zeros(n_bars, BAR_DTYPE)
    table["time_signature"] = [bar.time_signature for bar in longer]
    table["tempo"] = tempo_to_bin([bar.tempo_bpm for bar in longer])
    return table, np.append(0, np.cumsum(BAR_TICKS_OF[table["time_signature"]]))


def _starts(bars: tuple[Bar, ...]) -> NDArray[np.int64]:
    _, starts = _laid(bars, len(bars))
    return starts


@lru_cache(maxsize=8)
def _controls(parts: tuple[PartWish, ...]) -> Table:
    return declared_controls(parts)
