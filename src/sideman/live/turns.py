"""Whose turn it is: each mode says where the machine may play next, and what is given of it.

A mode is a function of the `Stage`, what there is to decide by, and gives the next `Turn` of
the machine or None. It is asked again once a turn is written to its end, and whenever the human
has done something; a turn that has not begun may still be taken back, so it keeps no state.

In here all times are ticks of the session's timeline.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import ceil, isinf

import numpy as np

from sideman.live.memory import Memory, PlayedNote
from sideman.live.planner import PlannedNote
from sideman.live.settings import Settings
from sideman.live.timeline import Timeline
from sideman.live.voices import Voice
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.types import TPQ

PICKUP = TPQ // 4
"""Ticks by which a note before a bar line may mean that bar: a sixteenth played early."""

ENDLESS = 1 << 30
"""Ticks of a turn that only the human ends: two years at 480 quarters a minute."""

_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch in which the model writes.

    Attributes:
        begin: No note of it begins earlier.
        end: Nor here or later.
        begin_by: Its first note begins by then; None if it may stay empty.
    """

    begin: int
    end: int
    begin_by: int | None = None


Piece = Span | PlannedNote
"""What a turn is made of: what is free, and notes that are given."""


def begin_of(piece: Piece) -> int:
    """Return the first tick of a piece."""
    return piece.begin if isinstance(piece, Span) else piece.onset


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the machine plays.

    Attributes:
        begin: First tick of it.
        end: First tick that is no longer of it.
        pieces: What is written and what is given, in playing order.
        rings: Whether its notes may sound on after its end.
    """

    begin: int
    end: int
    pieces: tuple[Piece, ...]
    rings: bool = True


@dataclass(frozen=True, slots=True)
class Stage:
    """What a mode decides by.

    Attributes:
        settings: What the player has set.
        timeline: Where the bar lines are.
        voices: All voices.
        players: Numbers of those that may play.
        memory: What was played.
        said: Gives what the machine was to play lately, and what it plans.
        now: The tick that sounds.
        free: First tick that no turn has yet, `now` at the earliest.
        quiet: Tick from which the human counts as silent, `now` at the earliest; None while
            keys are held.
        anchor: Bar in which the human began to play in this mode; None if that is to come.
        phrase: First tick of the human's phrase; None if there is none to be answered.
        n_heard: Notes of that phrase that no turn is to answer yet.
        rng: Draws what is to be changed.
        new_id: Gives the number of a note.
    """

    settings: Settings
    timeline: Timeline
    voices: Sequence[Voice]
    players: tuple[int, ...]
    memory: Memory
    said: Callable[[], Sequence[PlannedNote]]
    now: int
    free: int
    quiet: int | None
    anchor: int | None
    phrase: int | None
    n_heard: int
    rng: np.random.Generator
    new_id: Callable[[], int]

    def answer_begin(self) -> int | None:
        """Return where an answer to the human's phrase begins; None if there is none yet."""
        if self.quiet is None or self.n_heard < self.settings.min_notes:
            return None
        return max(self.quiet, self.free)

    def soon_after(self, begin: int) -> int:
        """Return by when a turn that begins here should be heard.

        Within a beat; sooner where the player has set a shorter silence, at once where none.
        """
        second_s = self.timeline.seconds_at(begin)
        silence = self.timeline.ticks_at(second_s + self.settings.silence) - begin
        return self.on_grid(begin + int(min(silence, TPQ)))

    def on_grid(self, tick: int) -> int:
        """Return the first place at or after a tick at which notes may begin."""
        grid = self.settings.grid if self.settings.quantise_strength == _PERCENT else 1
        bar_begin = self.timeline.bar_start(self.timeline.bar_of(tick))
        return bar_begin + ceil((tick - bar_begin) / grid) * grid

    def next_bar(self, tick: int) -> int:
        """Return the first bar line after a tick."""
        return self.timeline.bar_start(self.timeline.bar_of(tick) + 1)


def answer(stage: Stage) -> Turn | None:
    """You stop, it answers: for as long as is set, once you are silent."""
    begin = stage.answer_begin()
    if begin is None:
        return None
    length = stage.settings.answer.ticks(stage.timeline, begin)
    end = begin + (ENDLESS if isinf(length) else max(round(length), 1))
    return Turn(begin, end, (Span(begin, end, stage.soon_after(begin)),), rings=False)


def trade(stage: Stage) -> Turn | None:
    """So many bars each: yours begin with the bar you first play in, then it is its turn."""
    if stage.anchor is None:
        return None
    n_bars, timeline = stage.settings.trade_bars, stage.timeline
    turns_over = turns_traded(timeline, stage.anchor, n_bars, stage.free)
    bar = stage.anchor + (turns_over // 2 * 2 + 1) * n_bars
    end = timeline.bar_start(bar + n_bars)
    first = timeline.bar_start(bar)
    begin = max(first, stage.free)
    begin_by = stage.on_grid(begin) if begin == first else stage.soon_after(begin)
    return Turn(begin, end, (Span(begin, end, begin_by),), rings=False)


def accompany(stage: Stage) -> Turn | None:
    """It plays while you play: always, once it has heard you."""
    if stage.memory.last_human_onset_s is None:
        return None
    return _until_bar_line(stage, stage.free)


def harmonise(stage: Stage) -> Turn | None:
    """It follows note by note, so it has no turns of its own."""
    del stage
    return None


def lead(stage: Stage) -> Turn | None:
    """It goes on alone, but is silent while you play."""
    if stage.quiet is None:
        return None
    return _until_bar_line(stage, max(stage.quiet, stage.free))


def echo(stage: Stage) -> Turn | None:
    """Your phrase back, on the same places of the beat, some of its notes changed."""
    begin = stage.answer_begin()
    if begin is None or stage.phrase is None:
        return None
    phrase = [note for note in stage.memory.notes_since(stage.phrase) if note.is_human]
    notes = _sung(stage, phrase)
    if not notes:
        return None
    begin += (notes[0].onset - begin) % TPQ
    shift = begin - notes[0].onset
    notes = [moved(note, shift) for note in notes]
    end = max(note.onset + note.duration for note in notes)
    return Turn(begin, end, _changed(stage, notes, end), rings=False)


def loop(stage: Stage) -> Turn | None:
    """Your bars again and again, some of the notes changed each time round.

    The loop begins with the bar you first play in. What you play on top of it is heard, but
    stays out of it.
    """
    if stage.anchor is None:
        return None
    n_bars, timeline = stage.settings.loop_bars, stage.timeline
    free_bar = timeline.bar_of(stage.free - 1) + 1  # its bar line is not passed yet
    bar = max(free_bar, stage.anchor + n_bars)
    begin, end = timeline.bar_start(bar), timeline.bar_start(bar + 1)
    sources = range(bar - n_bars, stage.anchor - 1, -n_bars)
    rounds = (_bar_of_loop(stage, source, begin) for source in sources)
    notes = next(filter(None, rounds), [])
    return Turn(begin, end, _changed(stage, [n for n in notes if n.onset < end], end))


MODE_TURNS: Mapping[str, Callable[[Stage], Turn | None]] = {
    mode.__name__: mode for mode in (answer, trade, accompany, harmonise, lead, echo, loop)
}
"""The modes by the names of `sideman.live.settings.MODES`."""


def again(notes: Sequence[PlannedNote], begin: int, new_id: Callable[[], int]) -> Turn:
    """Return a turn that plays notes once more from `begin` on, at the same places of the beat.

    Args:
        notes: At least one, in playing order.
        begin: First tick at which it may begin.
        new_id: Gives the number of a note.
    """
    shift = begin + (notes[0].onset - begin) % TPQ - notes[0].onset
    pieces = tuple(replace(n, id=new_id(), onset=n.onset + shift) for n in notes)
    end = max(note.onset + note.duration for note in pieces)
    return Turn(pieces[0].onset, end, pieces)


def anchor_of_loop(timeline: Timeline, memory: Memory, n_bars: int, now: int) -> int | None:
    """Return the first bar of a loop that is made of what was just played; None if none was."""
    bar = timeline.bar_of(now) + 1 - n_bars
    played = memory.notes_since(timeline.bar_start(bar))
    return bar if any(note.is_human for note in played) else None


def turns_traded(timeline: Timeline, anchor: int, n_bars: int, tick: int) -> int:
    """Return how many turns are over at a tick when each has so many bars, from `anchor` on.

    The human has the first; after an odd number it is the machine's turn.
    """
    return max(timeline.bar_of(tick) - anchor, 0) // n_bars


def moved(note: PlannedNote, shift: int) -> PlannedNote:
    """Return a note so many ticks later."""
    return replace(note, onset=note.onset + shift)


def last_bar(stage: Stage, begin: int) -> list[PlannedNote]:
    """Return the notes of the bar before `begin`, the machine's or else the human's, once more.

    They begin at `begin` or later; what the machine plays is so known to fit its role.
    """
    length = stage.timeline.bar_ticks(stage.timeline.bar_of(begin - 1))
    notes = [replace(note, id=stage.new_id()) for note in stage.said() if note.onset < begin]
    if not any(note.onset >= begin - length for note in notes):
        heard = stage.memory.notes_since(begin - length)
        notes = _sung(stage, (note for note in heard if note.is_human and note.onset < begin))
    return [moved(note, length) for note in notes if note.onset >= begin - length]


def fold(pitch: int, low: int, high: int) -> int:
    """Return a pitch by as few octaves higher or lower as bring it into a range.

    In a range that has no such pitch it is the nearest end.

    Example:
        >>> fold(30, 48, 72), fold(73, 48, 72), fold(60, 62, 64)
        (54, 61, 62)
    """
    up = max(ceil((low - pitch) / N_PITCH_CLASSES), 0)
    down = max(ceil((pitch - high) / N_PITCH_CLASSES), 0)
    folded = pitch + (up - down) * N_PITCH_CLASSES
    return folded if low <= folded <= high else min(max(pitch, low), high)


def _until_bar_line(stage: Stage, begin: int) -> Turn:
    end = stage.next_bar(begin)
    return Turn(begin, end, (Span(begin, end),))


def _bar_of_loop(stage: Stage, bar: int, begin: int) -> list[PlannedNote]:
    """Return the notes of an earlier bar of the loop, moved to `begin`.

    In the first round they are the human's, later the machine's.
    """
    assert stage.anchor is not None
    first, last = stage.timeline.bar_start(bar), stage.timeline.bar_start(bar + 1)
    if bar < stage.anchor + stage.settings.loop_bars:
        heard = stage.memory.notes_since(first)
        notes = _sung(stage, (note for note in heard if note.is_human))
    else:
        notes = [replace(note, id=stage.new_id()) for note in stage.said()]
    shift = begin - first
    return [moved(n, shift) for n in notes if first <= n.onset < last]


def _sung(stage: Stage, notes: Iterable[PlayedNote]) -> list[PlannedNote]:
    """Return the human's notes as a machine voice plays them: the first of their kind.

    Keys that are held still last until now. Notes that no voice has a sound for are left out.
    """
    sung = []
    for note in notes:
        is_drum = stage.voices[note.voice].part.is_drum
        voice = next(
            (v for v in stage.players if stage.voices[v].part.is_drum == is_drum), None
        )
        if voice is None:
            continue
        pitch = fold(note.pitch, *(stage.voices[voice].part.range or (0, 127)))
        duration = note.duration or max(stage.now - note.onset, 1)
        sung.append(
            PlannedNote(stage.new_id(), voice, pitch, note.velocity, note.onset, duration)
        )
    return sung


def _changed(stage: Stage, notes: Sequence[PlannedNote], end: int) -> tuple[Piece, ...]:
    """Return notes as pieces of a turn, some of them for the model to write anew.

    Notes that begin together stay together. A stretch that is written reaches from the first
    note that is not kept to the next one that is.
    """
    share, role = stage.settings.change / _PERCENT, stage.settings.role
    pieces: list[Piece] = []
    in_order = sorted(notes, key=lambda note: (note.onset, note.voice, note.pitch))
    for onset, group in groupby(in_order, key=lambda note: note.onset):
        together = list(group)
        is_kept = stage.rng.random() >= share and _fits(together, role)
        if is_kept:
            pieces += together
        elif not pieces or not isinstance(pieces[-1], Span):
            pieces.append(Span(onset, end, onset))
    for index, (piece, following) in enumerate(pairwise(pieces)):
        if isinstance(piece, Span) and isinstance(following, PlannedNote):
            pieces[index] = replace(piece, end=following.onset)
    return tuple(pieces)


def _fits(together: Sequence[PlannedNote], role: str) -> bool:
    """Return whether notes that begin together are what a role may play."""
    if role == "chords":
        return len(together) > 1
    return role != "line" or len(together) == 1
