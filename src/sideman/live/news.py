"""What the process of the improviser is told at first, and what it tells.

Here, so that others know of it who never load the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sideman.live.control import Knob
from sideman.live.recording import Record
from sideman.live.settings import Settings
from sideman.live.timeline import Timeline
from sideman.live.view import View
from sideman.live.voices import Voice


@dataclass(frozen=True, slots=True)
class Place:
    """Where the music is.

    Attributes:
        tempo_bpm: Quarter notes per minute.
        bar: The bar that sounds, from 0.
        bar_begin: Its first tick.
        bar_ticks: Its length.
        beat_ticks: Length of its beats.
    """

    tempo_bpm: float
    bar: int
    bar_begin: int
    bar_ticks: int
    beat_ticks: int

    @classmethod
    def of(cls, timeline: Timeline, time_s: float) -> Place:
        """Return where a timeline is at a second."""
        bar = timeline.bar_of(timeline.ticks_at(time_s))
        return cls(
            timeline.tempo_at(time_s),
            bar,
            timeline.bar_start(bar),
            timeline.bar_ticks(bar),
            timeline.beat_ticks(bar),
        )


@dataclass(frozen=True, slots=True)
class News:
    """From us: all there is to see, several times a second.

    Attributes:
        view: What is played and planned, and how well it goes.
        place: Where in the music that is.
        settings: What is set.
        knobs: What each controller turns.
        waiting: What the next controller that moves will turn; None for nothing.
        said: What could not be done, and why, since the last time.
        records: What is to be written down of what happened since the last time.
    """

    view: View
    place: Place
    settings: Settings
    knobs: Mapping[Knob, str]
    waiting: str | None
    said: tuple[str, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """From us: why we cannot begin; the end."""

    reason: str


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """What the process begins with.

    Attributes:
        bundle: Folder of the model; None for the one that comes with Sideman.
        settings: What is set.
        voices: Who plays.
        knobs: What each controller turns.
        begin_s: Second of tick 0.
        threads: Of the model; 0 leaves one core to the others.
        keeps_records: Whether somebody writes down what happens.
        last: The last news of the process that is replaced, if it had any.
        log: File that takes what libraries print; None leaves it on the terminal.
        learned: File that what was learned is read from, if it is there, and written to at the
            end; None for none.
    """

    bundle: Path | None
    settings: Settings
    voices: tuple[Voice, ...]
    knobs: Mapping[Knob, str]
    begin_s: float
    threads: int = 0
    keeps_records: bool = False
    last: News | None = None
    log: Path | None = None
    learned: Path | None = None
