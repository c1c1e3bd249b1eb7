"""Fill: a grid with a hole goes in, takes of what might stand in the hole come out.

A *hole* is a run of bars and the parts that are to be written in them. Every note of the grid
is known: those before the hole are heard as they are, those in it and behind it are announced
some bars ahead (`GIVEN`). Continue, infill, accompany, rewrite, vary, all tasks are holes. To
harmonise is one in which no part is written: chords are.

Takes are written side by side in one session, event by event. Each has a *script*: it says what
is said for the take (bars, given notes, the chords of a chart), what the model may choose next,
and when the take is done. A take whose context is full begins anew and hears the bars before.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from sideman.bundle import Bundle
from sideman.engine.bounds import Bounds, Keeper, playable_pitches
from sideman.engine.course import by_bar
from sideman.engine.harmony import ChordKeeper
from sideman.engine.leaning import MOST_LEANING, Leaning
from sideman.engine.parts import declared_controls
from sideman.engine.sampling import DEFAULT_SAMPLING, Sampling
from sideman.engine.session import Session
from sideman.errors import EngineError, PromptTooLong
from sideman.score.types import Part, Table
from sideman.tokens.choices import Limits
from sideman.tokens.codec import PLAIN, Layout, grid_to_events
from sideman.tokens.controls import measure_controls
from sideman.tokens.grammar import Sentence
from sideman.tokens.grid import (
    GRID_CHORD_DTYPE,
    GRID_NOTE_DTYPE,
    Grid,
    add_notes,
    from_grid,
    slice_bars,
    take_parts,
)
from sideman.tokens.vocabulary import (
    N_COLUMNS,
    N_PARTS,
    UNSPECIFIED,
    VELOCITY,
    Events,
    Extent,
    Kind,
    Task,
)

PROMPT_SHARE = 0.6
"""Share of the context that a prompt may fill; the rest is for what is written."""

LOOKAHEAD = 2
"""Bars that known notes are announced ahead."""

MAX_EVENTS_PER_BAR = 400
"""A bar that grows to this is closed: denser than any bar of a real piece but a few."""

_GIVEN_FROM_THE_START = (Task.ACCOMPANY, Task.HARMONISE)
"""Tasks in which parts that are not written are announced before the hole as well."""


@dataclass(frozen=True, slots=True, eq=False)
class Hole:
    """What is to be written.

    Attributes:
        first: First bar, counted from 0.
        end: Bar after the last.
        parts: Numbers of the parts that are written, in the grid's numbering.
        task: What the model is told that it does.
    """

    first: int
    end: int
    parts: tuple[int, ...]
    task: Task


@dataclass(frozen=True, slots=True)
class WrittenNote:
    """A note that has just been written; its bar may yet be left out when writing is stopped.

    Attributes:
        take: Number of its take, from 0.
        bar: Bar of the piece in which it begins, from 0.
        onset: In ticks of `sideman.score.types.TPQ` from the beginning of the piece.
        duration: In the same ticks, at least 1.
        pitch: 0-127.
        velocity: 1-127.
        part: Number of its part in the piece.
        player: That part.
    """

    take: int
    bar: int
    onset: int
    duration: int
    pitch: int
    velocity: int
    part: int
    player: Part


@dataclass(frozen=True, slots=True)
class Wish:
    """How it is to be written.

    Attributes:
        n_takes: How many takes.
        seed: Same seed, same notes; take n of several is take n of any number.
        sampling: How values are drawn.
        prompt_bars: Most bars before the hole that are heard.
        style: Style label, 0 for none in particular.
        bounds: What is asked of the parts.
        threads: Threads of the session; 0 for as many as help.
        repetition: How far parts repeat pitches and lengths: 0 as the model would, below 0
            less, above 0 more (`sideman.engine.leaning`).
        novelty: How far successions of known pitches are shunned, or below 0 sought.
        should_stop: Asked before each event; once it says yes, and it then does so for good,
            what is written ends with the last full bar.
        on_note: Told of each note as soon as it is written; it changes nothing.

    Raises:
        EngineError: If a leaning is outside its range.
    """

    n_takes: int = 1
    seed: int = 0
    sampling: Sampling = DEFAULT_SAMPLING
    prompt_bars: int = 16
    style: int = UNSPECIFIED
    bounds: Bounds = field(default_factory=Bounds)
    threads: int = 0
    repetition: float = 0.0
    novelty: float = 0.0
    should_stop: Callable[[], bool] | None = None
    on_note: Callable[[WrittenNote], None] | None = None

    def __post_init__(self) -> None:
        for name in ("repetition", "novelty"):
            value = getattr(self, name)
            if not abs(value) <= MOST_LEANING:
                msg = f"{name} is {value}; it must be -{MOST_LEANING:g} to {MOST_LEANING:g}"
                raise EngineError(msg)

    @property
    def is_stopped(self) -> bool:
        """True when nothing more is to be written."""
        return self.should_stop is not None and self.should_stop()

    def told_as(self, *, take: int = 0, bars: int = 0, ticks: int = 0) -> "Wish":
        """Return the wish for a step on the way to a piece.

        Args:
            take: Number in the piece of the only take of the step.
            bars: Bars that the music of the step stands behind its place in the piece.
            ticks: The same in ticks.
        """
        tell = self.on_note
        if tell is None:
            return self

        def retell(note: WrittenNote) -> None:
            tell(
                replace(
                    note, take=note.take + take, bar=note.bar - bars, onset=note.onset - ticks
                )
            )

        return replace(self, on_note=retell)


@dataclass(slots=True, eq=False)
class Draft:
    """A take on its way.

    Attributes:
        number: Which of the takes it is, from 0.
        known: The piece without what has been written.
        grid: The piece so far, what has been written included.
        rng: Where its chance comes from.
        notes: What has been written, rows of `GRID_NOTE_DTYPE` in the grid's numbering.
        chords: What has been written where the task is to harmonise, rows of
            `GRID_CHORD_DTYPE`.
        next_bar: First bar of the hole that is still to be written.
        nats: How surprising what was written is to the model, within what was allowed.
    """

    number: int
    known: Grid
    grid: Grid
    rng: np.random.Generator
    notes: Table = field(default_factory=lambda: np.zeros(0, GRID_NOTE_DTYPE))
    chords: Table = field(default_factory=lambda: np.zeros(0, GRID_CHORD_DTYPE))
    next_bar: int = 0
    nats: float = 0.0

    @property
    def bits_per_note(self) -> float:
        """How surprising a note, or a chord, is on average."""
        return self.nats / math.log(2) / max(len(self.notes) + len(self.chords), 1)


def fill(grid: Grid, hole: Hole, bundle: Bundle, wish: Wish) -> list[Draft]:
    """Write takes of what might stand in a hole.

    A draft whose `next_bar` is before the hole's end was stopped there.

    Raises:
        PromptTooLong: If not even a bar of what is known fits the context.
        EngineError: If the hole lies outside the grid.
    """
    if not 0 <= hole.first < hole.end <= grid.n_bars:
        msg = (
            f"bars {hole.first + 1} to {hole.end} are to be written; "
            f"the piece has {grid.n_bars}"
        )
        raise EngineError(msg)
    for bar in by_bar(wish.bounds.scale):
        if bar >= grid.n_bars:
            msg = f"the key is to change at bar {bar + 1}; the piece has {grid.n_bars}"
            raise EngineError(msg)
    drafts = [
        Draft(
            number, grid, grid, np.random.default_rng((wish.seed, number)), next_bar=hole.first
        )
        for number in range(wish.n_takes)
    ]
    _write(drafts, hole, bundle, wish)
    return drafts


# ------------------------------------------------------------------ the prompt


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """What is said for a take: what it hears first, and what stands in each bar of the hole.

    Attributes:
        prompt: Events before the hole, shape (T, N_COLUMNS).
        bars: For each bar of the hole that is in sight its `BAR`, given notes and chords.
        first: Number of the first of these bars in the piece.
        parts: For each part that is heard, its number in the piece.
        controls: What is declared of each.
        flat: The one velocity, as a value, of all notes that are heard: then none is said, and
            what is written has it too. None where there are several.
        has_own_velocity: For each part, whether its velocity is asked for: it is never flat.
    """

    prompt: Events
    bars: tuple[Events, ...]
    first: int
    parts: NDArray[np.int64]
    controls: Table
    flat: int | None
    has_own_velocity: NDArray[np.bool_]


def _sheet(grid: Grid, first: int, hole: Hole, bundle: Bundle, wish: Wish) -> _Sheet:
    """Return what is said for a take whose bars before `first` are written.

    Raises:
        PromptTooLong: If not even a bar before the hole fits.
    """
    room = int(PROMPT_SHARE * _context(bundle))
    n_bars = min(wish.prompt_bars, first)
    # bars that have just been written may be too dense to be heard
    fewest = min(n_bars, 1) if first == hole.first else 0
    for n_heard in range(n_bars, fewest - 1, -1):
        sheet = _spelled(grid, first - n_heard, first, hole, wish)
        if len(sheet.prompt) + len(sheet.bars[0]) <= room:
            return sheet
    msg = (
        f"bar {first + 1} and the {LOOKAHEAD} after it hold more than the {room} known events "
        f"that fit beside what is to be written"
    )
    raise PromptTooLong(msg)


def _spelled(grid: Grid, start: int, first: int, hole: Hole, wish: Wish) -> _Sheet:
    """Spell the bars from `start` on, with the hole empty from `first` on."""
    stretch = slice_bars(grid, start, min(hole.end + LOOKAHEAD, grid.n_bars))
    parts = np.union1d(np.unique(stretch.notes["part"]), hole.parts).astype(np.int64)
    heard = take_parts(stretch, parts)
    notes = heard.notes
    asked = [wish.bounds.parts.get(part) for part in parts.tolist()]
    has_own_velocity = np.array([bool(of_part and of_part.velocity) for of_part in asked], bool)
    is_plain = ~has_own_velocity[notes["part"]]
    is_written = np.isin(notes["part"], np.searchsorted(parts, hole.parts))
    is_past = notes["bar"] < first - start
    is_known = ~(is_written & is_past & (notes["bar"] >= hole.first - start))
    loudness = np.unique(notes["velocity"][is_plain if is_plain.any() else is_known]).tolist()
    flat = loudness[0] if len(loudness) == 1 else None
    if hole.task in _GIVEN_FROM_THE_START:
        ahead = np.where(is_past & is_written, PLAIN, LOOKAHEAD)
    else:
        ahead = np.where(is_past, PLAIN, LOOKAHEAD)
    controls = _controls(heard, parts, wish.bounds)
    layout = Layout(
        task=hole.task,
        style=wish.style,
        extent=Extent.MIDDLE if start else Extent.OPENING,
        key=grid.key,
        controls=controls,
        ahead=ahead,
        unspecified_velocity=is_plain & (flat is not None),
    )
    events = grid_to_events(heard, layout)
    lines = np.append(np.flatnonzero(events[:, 0] == Kind.BAR), len(events))
    bars = tuple(
        events[lines[bar] : lines[bar + 1]] for bar in range(first - start, hole.end - start)
    )
    return _Sheet(
        prompt=events[: lines[first - start]],
        bars=bars,
        first=first,
        parts=parts,
        controls=controls,
        flat=flat,
        has_own_velocity=has_own_velocity,
    )


def _controls(heard: Grid, parts: NDArray[np.int64], bounds: Bounds) -> Table:
    """Declare what the parts amount to, and above that what is asked of them."""
    controls = measure_controls(heard)
    for row, part in enumerate(parts.tolist()):
        if part in bounds.parts:
            (asked,) = declared_controls([bounds.parts[part]])
            for name in ("role", "density", "polyphony", "register"):
                if asked[name] != UNSPECIFIED:
                    controls[name][row] = asked[name]
    return controls


# ------------------------------------------------------------------ the writing


class _Script:
    """What is said for one take, bar by bar, and what the model may choose between.

    Args:
        sheet: What is said.
        keeper: Keeps the take within its bounds.
        entering: Parts that are heard for the first time, which they are in the first bar. A
            part that has been silent so far would else be taken to be silent for good.
        most_in_bar: A bar that has so many events is closed.
        was_silent: Nothing was written in the bar of the hole before the first in sight.
    """

    def __init__(
        self,
        sheet: _Sheet,
        keeper: Keeper | ChordKeeper,
        entering: Sequence[int],
        *,
        most_in_bar: int,
        was_silent: bool,
        leaning: Leaning | None,
    ) -> None:
        self._sheet = sheet
        self._leaning = leaning
        self._keeper = keeper
        self._entering = list(entering)
        self._was_silent = False
        self._is_silent = was_silent
        self._most_in_bar = most_in_bar
        self._bar = -1
        self._in_bar = 0
        self._forced: deque[Events] = deque()
        self._chords: deque[Events] = deque()
        self.written: list[tuple[int, Events]] = []
        self.n_told = 0
        self.n_full = 0
        self._begin_bar()

    @property
    def is_done(self) -> bool:
        """True when every bar in sight is full."""
        return self.n_full == len(self._sheet.bars)

    @property
    def forced(self) -> deque[Events]:
        """What is to be said before the model chooses again."""
        return self._forced

    def bias(self) -> NDArray[np.float32] | None:
        """Return what is added to the model's scores; None for nothing."""
        return None if self._leaning is None else self._leaning.bias(self.written)

    def limits(self, sentence: Sentence) -> Limits:
        """Return what the model may choose: a note or chord within bounds, or the bar's end."""
        must_play: list[Sequence[int]] = [(part,) for part in self._entering]
        if self._was_silent and self._is_silent:
            must_play.append(range(N_PARTS))
        may_add = self._in_bar < self._most_in_bar
        return self._keeper.limits(sentence, may_add=may_add, must_play=must_play)

    def hear(self, event: Events, sentence: Sentence) -> Events | None:
        """Take what the model has chosen; return what is to be said, None when that waits.

        A chord of the chart that is due comes first, and then the model chooses again.
        """
        kind = int(event[0])  # NumPy is slow to compare its numbers with an enum's
        is_bar = kind == Kind.BAR
        if self._chords and (is_bar or _place(self._chords[0]) <= _place(event)):
            return self._chords.popleft()
        if is_bar:
            self.n_full += 1
            if not self.is_done:
                self._begin_bar()
            return self._forced.popleft() if self._forced else None
        self._in_bar += 1
        if kind == Kind.NOTE and event[3] in self._entering:
            self._entering.remove(int(event[3]))
        said, is_kept = self._keeper.settle(event, sentence)
        flat = None
        if kind == Kind.NOTE and not self._sheet.has_own_velocity[event[3]]:
            flat = self._sheet.flat
        if flat is not None:
            said[VELOCITY] = flat
        if is_kept:
            self._is_silent = False
            self.written.append((self._sheet.first + self._bar, said.copy()))
        if flat is not None:
            said[VELOCITY] = UNSPECIFIED
        return said

    def _begin_bar(self) -> None:
        self._was_silent, self._is_silent = self._is_silent, True
        self._bar += 1
        self._in_bar = 0
        self._keeper.begin_bar(self._sheet.first + self._bar)
        said = self._sheet.bars[self._bar]
        is_chord = said[:, 0] == Kind.CHORD
        self._chords.extend(said[is_chord])
        self._forced.extend(said[~is_chord])


def _place(event: Events) -> tuple[int, int]:
    return int(event[1]), int(event[2])


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """A stretch of a take that fits the context: what is heard and said, and what comes of it.

    Attributes:
        draft: The take.
        sheet: What it hears.
        script: What is said for it.
    """

    draft: Draft
    sheet: _Sheet
    script: _Script


def _write(drafts: Sequence[Draft], hole: Hole, bundle: Bundle, wish: Wish) -> None:
    """Write drafts that are alike so far; each grows by whole bars."""
    sheet = _sheet(drafts[0].grid, hole.first, hole, bundle, wish)
    going = [_window(draft, sheet, hole, bundle, wish) for draft in drafts]
    session = Session(bundle, threads=wish.threads)
    session.append(sheet.prompt)
    session.catch_up()
    session.keep_takes([0] * len(drafts))
    while going and not wish.is_stopped:
        session.append([_forced(window.script) for window in going])
        heard = _choose(session, going, wish)
        if wish.on_note is not None:
            _tell(going, wish.on_note)
        still = [row for row, event in enumerate(heard) if event is not None]
        if len(still) < len(going):
            for row in set(range(len(going))) - set(still):
                _take_in(going[row])
            if not still:
                return
            session.keep_takes(still)
            going = [going[row] for row in still]
        session.append([event[None] for event in heard if event is not None])
        for row, length in enumerate(session.lengths):
            if length >= _context(bundle):
                going[row] = _begun_anew(session, row, going[row], hole, wish)
    for window in going:
        _take_in(window)


def _begun_anew(session: Session, row: int, full: _Window, hole: Hole, wish: Wish) -> _Window:
    """Go on with a take whose context is full: it hears the bars before, and nothing else."""
    _take_in(full)
    draft, bundle = full.draft, session.bundle
    sheet = _sheet(draft.grid, draft.next_bar, hole, bundle, wish)
    takes = range(session.n_takes)
    session.rollback([session.lengths[row] if take == row else 0 for take in takes])
    session.append([sheet.prompt if take == row else _NO_EVENTS for take in takes])
    return _window(draft, sheet, hole, bundle, wish)


def _window(draft: Draft, sheet: _Sheet, hole: Hole, bundle: Bundle, wish: Wish) -> _Window:
    # so dense a first bar is closed that it is full before the context is, be its last notes
    # some that have to sound together
    spans = [asked.polyphony for asked in wish.bounds.parts.values() if asked.polyphony]
    at_once = max((fewest for fewest, _ in spans), default=1)
    room = _context(bundle) - len(sheet.prompt) - len(sheet.bars[0]) - at_once
    is_written = np.isin(sheet.parts, hole.parts)
    is_new = is_written & ~np.isin(sheet.parts, draft.grid.notes["part"])
    script = _Script(
        sheet,
        _keeper(draft, hole, sheet, wish.bounds),
        np.flatnonzero(is_new).tolist(),
        most_in_bar=min(MAX_EVENTS_PER_BAR, max(room, 0)),
        was_silent=sheet.first > hole.first
        and not (draft.notes["bar"] == sheet.first - 1).any(),
        leaning=_leaning(draft, sheet, wish),
    )
    return _Window(draft, sheet, script)


def _context(bundle: Bundle) -> int:
    return int(bundle.card["network"]["context"])


_NO_EVENTS = np.zeros((0, N_COLUMNS), np.uint8)


def _keeper(draft: Draft, hole: Hole, sheet: _Sheet, bounds: Bounds) -> Keeper | ChordKeeper:
    """Return what keeps a draft within its bounds."""
    if hole.task is Task.HARMONISE:
        return ChordKeeper(draft.grid, bounds.scale)
    is_written = np.isin(sheet.parts, hole.parts)
    roles = sheet.controls["role"].tolist()
    playable = playable_pitches(draft.known, sheet.parts, is_written, bounds)
    return Keeper(bounds, draft.grid, sheet.parts, roles, playable)


def _leaning(draft: Draft, sheet: _Sheet, wish: Wish) -> Leaning | None:
    """Return the leanings of a draft; None where there are none."""
    if not wish.repetition and not wish.novelty:
        return None
    before = draft.grid.notes[draft.grid.notes["bar"] < sheet.first]
    return Leaning(
        draft.known, before, sheet.parts, repetition=wish.repetition, novelty=wish.novelty
    )


def _bias(scripts: Sequence[_Script]) -> NDArray[np.float32] | None:
    each = [bias for bias in (script.bias() for script in scripts) if bias is not None]
    return np.stack(each) if each else None


def _forced(script: _Script) -> Events:
    """Return what has to be said before the model chooses again, (T, N_COLUMNS)."""
    said = [script.forced.popleft() for _ in range(len(script.forced))]
    return np.stack(said) if said else _NO_EVENTS


def _choose(session: Session, going: Sequence[_Window], wish: Wish) -> list[Events | None]:
    """Return the next event of each take; None for one that is done with its window."""
    sentences = session.sentences
    scripts = [window.script for window in going]
    step = session.next(
        [script.limits(sentence) for script, sentence in zip(scripts, sentences, strict=True)],
        sampling=wish.sampling,
        rngs=[window.draft.rng for window in going],
        bias=_bias(scripts),
    )
    nats = -step.log_probs.sum(axis=1)
    for window, surprise in zip(going, nats.tolist(), strict=True):
        window.draft.nats += surprise
    return [
        script.hear(event, sentence)
        for script, event, sentence in zip(scripts, step.events, sentences, strict=True)
    ]


def _tell(going: Sequence[_Window], tell: Callable[[WrittenNote], None]) -> None:
    """Tell of the notes that have been written since the last time."""
    for window in going:
        script = window.script
        new = _notes(window, script.written[script.n_told :])
        script.n_told = len(script.written)
        if len(new):
            score = from_grid(replace(window.draft.known, notes=new))
            for bar, row in zip(new["bar"].tolist(), score.notes, strict=True):
                onset, duration, pitch, velocity, part = row.tolist()
                player, take = score.parts[part], window.draft.number
                tell(WrittenNote(take, bar, onset, duration, pitch, velocity, part, player))


def _notes(window: _Window, written: Sequence[tuple[int, Events]]) -> Table:
    """Return the notes among what was written, by bar, in the piece's numbering."""
    parts = window.sheet.parts
    rows = [
        (bar, event[1], event[2], parts[event[3]], *event[4:7])
        for bar, event in written
        if event[0] == Kind.NOTE
    ]
    return np.array(rows, GRID_NOTE_DTYPE)


def _take_in(window: _Window) -> None:
    """Add the full bars of a window to its draft; a bar that was cut is left out."""
    draft, sheet, script = window.draft, window.sheet, window.script
    end = sheet.first + script.n_full
    written = [(bar, event) for bar, event in script.written if bar < end]
    notes = _notes(window, written)
    chords = np.array(
        [(bar, *event[1:6]) for bar, event in written if event[0] == Kind.CHORD],
        GRID_CHORD_DTYPE,
    )
    draft.notes = np.concatenate([draft.notes, notes])
    draft.chords = np.concatenate([draft.chords, chords])
    grid = replace(draft.grid, chords=np.concatenate([draft.grid.chords, chords]))
    draft.grid = add_notes(grid, notes)
    draft.next_bar = end
