"""Compose: scores in, takes out. Every task is a choice of what is known and what is written.

| task        | what is written                     | what is known                        |
|-------------|-------------------------------------|--------------------------------------|
| `compose`   | all bars of all parts               | nothing                              |
| `continue_` | the bars behind the last            | the bars before                      |
| `infill`    | some bars, in all parts or in some  | everything else, on both sides       |
| `accompany` | new parts, in all bars              | the parts that are there             |
| `rewrite`   | one part anew                       | the other parts                      |
| `vary`      | a share of the notes                | the other notes                      |

`sideman.engine.harmonise` writes chords; `sideman.engine.loop` and `sideman.engine.arrange` put
several of these tasks together. Bars and parts are counted from 0. What is known stays as it
is, at its own resolution.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.bundle import Bundle
from sideman.engine.bounds import Bounds
from sideman.engine.chart import Chart, chart_chords
from sideman.engine.course import Course, bar_line, lay_out
from sideman.engine.fill import Draft, Hole, Wish, fill
from sideman.engine.locks import marked_notes, with_range_of, would_end
from sideman.engine.parts import PartWish, instrument_name
from sideman.errors import EngineError
from sideman.score.edit import drop_empty_parts, slice_bars
from sideman.score.time import bar_starts, resample
from sideman.score.types import (
    DEFAULT_TEMPO_BPM,
    NOTE_DTYPE,
    TPQ,
    Part,
    Score,
    Table,
    table,
)
from sideman.tokens.grid import Grid, from_grid, to_grid
from sideman.tokens.vocabulary import DRUM_KITS, FIRST_KIT, N_PARTS, Task

MAX_TPQ = 32_767
"""Largest division of a Standard MIDI File (SMF 1.0, header chunk)."""


@dataclass(frozen=True, slots=True)
class Take:
    """One answer.

    Attributes:
        score: The music, with what was known.
        first_bar: First bar in which something was written.
        end_bar: Bar after the last.
        n_notes: Notes written.
        bits_per_note: How surprising what was written is to the model, within what was
            allowed: bits a note, or a chord where chords were written.
        chart_text: The chords that were written, as people write them; else empty.
        markers: First bar and name of each section of an arrangement.
        is_stopped: Writing was stopped; `end_bar` is where.
    """

    score: Score
    first_bar: int
    end_bar: int
    n_notes: int
    bits_per_note: float
    chart_text: str = ""
    markers: tuple[tuple[int, str], ...] = ()
    is_stopped: bool = False

    @property
    def n_bars(self) -> int:
        """Bars in which something was written."""
        return self.end_bar - self.first_bar


def compose(
    parts: Sequence[Part],
    bundle: Bundle,
    *,
    n_bars: int = 8,
    metre: Course[tuple[int, int]] = (4, 4),
    tempo_bpm: Course[float] = 120.0,
    key: Course[tuple[int, bool]] | None = None,
    chart: Chart | None = None,
    wish: Wish | None = None,
) -> list[Take]:
    """Write a piece from nothing, or from a chord chart.

    Args:
        parts: Who plays, at least one.
        bundle: The model.
        n_bars: How long it is.
        metre: Numerator and denominator; this and the next two may change at a bar
            (`sideman.engine.course`).
        tempo_bpm: Quarter notes per minute.
        key: Tonic and whether it is minor, as it is signed and the model is told; what keeps
            notes to it are the bounds of `wish`. None: as it comes.
        chart: Chords that are followed; a short one comes again. None: as it comes.
        wish: How it is to be written.

    Raises:
        EngineError: If nobody plays, or something is to change at a bar there is not.
    """
    empty = lay_out(
        empty_score(parts), range(n_bars), metre=metre, tempo_bpm=tempo_bpm, key=key
    )
    task = Task.CONTINUE if chart is None else Task.CHART
    hole = Hole(0, n_bars, tuple(range(len(parts))), task)
    return [_ended(take) for take in write(empty, hole, bundle, wish, chart=chart)]


def continue_(
    score: Score,
    bundle: Bundle,
    *,
    n_bars: int = 8,
    first_bar: int | None = None,
    only_new: bool = False,
    metre: Course[tuple[int, int]] | None = None,
    tempo_bpm: Course[float] | None = None,
    chart: Chart | None = None,
    wish: Wish | None = None,
) -> list[Take]:
    """Write what might come after a score, from the bar after its last onset.

    The parts that play in the bars that are heard hold on. Parts without notes
    are left out before anything is asked of the others by their number.

    Args:
        score: What was played.
        bundle: The model.
        n_bars: Bars to write.
        first_bar: The first of them; what rings on, or is silent, may come before it. None:
            right behind the last in which a note begins.
        only_new: Leave out what was played.
        metre: Numerator and denominator of the new bars; this and the tempo may change at a
            bar of the piece (`sideman.engine.course`). None: as it was.
        tempo_bpm: Quarter notes per minute of the new bars. None: as it was.
        chart: Chords of the new bars. None: as it comes.
        wish: How it is to be written.

    Raises:
        PromptTooLong: If not even the last bar fits the context.
        EngineError: If the score has no note, or one in the bars that are to be written, or
            something is to change at a bar that is not new.
    """
    wish = wish or Wish()
    score = _with_notes(drop_empty_parts(score), "continue")
    grid, _ = to_grid(score)
    n_played = int(grid.notes["bar"].max()) + 1
    first = n_played if first_bar is None else first_bar
    if first < n_played:
        msg = f"bar {first + 1} is to be the first new one; notes begin up to bar {n_played}"
        raise EngineError(msg)
    is_heard = grid.notes["bar"] >= n_played - wish.prompt_bars
    parts = tuple(np.unique(grid.notes["part"][is_heard]).tolist())
    hole = Hole(first, first + n_bars, parts, Task.CONTINUE)
    score = lay_out(score, range(first, hole.end), metre=metre, tempo_bpm=tempo_bpm)
    takes = [_ended(take) for take in write(score, hole, bundle, wish, chart=chart)]
    return [new_bars(take) for take in takes] if only_new else takes


def infill(
    score: Score,
    bundle: Bundle,
    *,
    first_bar: int,
    end_bar: int,
    parts: Iterable[int] | None = None,
    locks: ArrayLike | None = None,
    wish: Wish | None = None,
) -> list[Take]:
    """Write some bars anew, so that they go with what stands before and behind them.

    Args:
        score: The piece.
        bundle: The model.
        first_bar: First bar that is written.
        end_bar: Bar after the last.
        parts: Who is written. None: everybody.
        locks: Notes that stay exactly as they are: their numbers in `score.notes`, or for each
            whether it does. None: none.
        wish: How it is to be written.

    Raises:
        EngineError: If the piece has no such bars, parts or notes.
    """
    written = checked_parts(score, parts)
    hole = Hole(first_bar, end_bar, written, Task.INFILL)
    return write_anew(score, hole, bundle, wish, locks=locks)


def accompany(
    score: Score,
    bundle: Bundle,
    *,
    new_parts: Sequence[Part],
    chart: Chart | None = None,
    wish: Wish | None = None,
) -> list[Take]:
    """Add parts that go with those that are there, in all bars; a chart is followed.

    Raises:
        EngineError: If there is nothing to accompany, nobody to do it, or no room for it.
    """
    _with_notes(score, "accompany")
    n_parts = len(score.parts) + len(new_parts)
    if not new_parts or n_parts > N_PARTS:
        msg = f"{len(new_parts)} parts are to be added to {len(score.parts)}; " + (
            "name at least one" if not new_parts else f"there is room for {N_PARTS}"
        )
        raise EngineError(msg)
    with_new = replace(score, parts=(*score.parts, *new_parts))
    n_bars = n_bars_played(score)
    written = tuple(range(len(score.parts), n_parts))
    hole = Hole(0, n_bars, written, Task.ACCOMPANY)
    return write(with_new, hole, bundle, wish, chart=chart)


def rewrite(
    score: Score,
    bundle: Bundle,
    *,
    part: int,
    locks: ArrayLike | None = None,
    wish: Wish | None = None,
) -> list[Take]:
    """Write one part anew in all bars; the others stay, and `locks` as for `infill`.

    Raises:
        EngineError: If there is no such part or note.
    """
    written = checked_parts(score, [part])
    n_bars = n_bars_played(score)
    hole = Hole(0, n_bars, written, Task.ACCOMPANY)
    return write_anew(score, hole, bundle, wish, locks=locks)


def vary(
    score: Score,
    bundle: Bundle,
    *,
    change: float = 0.3,
    first_bar: int = 0,
    end_bar: int | None = None,
    parts: Iterable[int] | None = None,
    locks: ArrayLike | None = None,
    wish: Wish | None = None,
) -> list[Take]:
    """Write a share of the notes anew; the others are known.

    No part gets more notes in a bar than it had.

    Args:
        score: The piece.
        bundle: The model.
        change: Share of the notes that may change, 0 to 1; which ones, the seed says.
        first_bar: First bar in which something may change.
        end_bar: Bar after the last. None: to the end.
        parts: Who may change. None: everybody.
        locks: Notes that may not, as for `infill`.
        wish: How it is to be written.

    Raises:
        EngineError: If the share is outside its range, or there are no such bars or parts.
    """
    if not 0 <= change <= 1:
        msg = f"change is {change}; it must be 0 to 1"
        raise EngineError(msg)
    end_bar = n_bars_played(score) if end_bar is None else end_bar
    hole = Hole(first_bar, end_bar, checked_parts(score, parts), Task.VARY)
    return write_anew(score, hole, bundle, wish, share=change, locks=locks)


def write(
    known: Score,
    hole: Hole,
    bundle: Bundle,
    wish: Wish | None,
    *,
    n_bars: int = 0,
    chart: Chart | None = None,
    locked: Table | None = None,
) -> list[Take]:
    """Fill a hole in a score: what every task comes to.

    Args:
        known: What is known; bars that it lacks are like its last.
        hole: What is written.
        bundle: The model.
        wish: How it is to be written.
        n_bars: Bars that the piece has at least.
        chart: Chords of the hole. None: those of the score.
        locked: Known notes that no new note may cut short, as `joined` has them.
    """
    grid, _ = to_grid(known)
    n_played = int(grid.notes["bar"].max(initial=0)) + 1
    grid, _ = to_grid(known, n_bars=max(n_played, hole.end, n_bars))
    if chart is not None:
        chords = chart_chords(
            chart, grid.bars["time_signature"][hole.first : hole.end].tolist()
        )
        chords["bar"] += hole.first
        grid = replace(grid, chords=chords)
    drafts = fill(grid, hole, bundle, wish or Wish())
    return [_take(known, hole, draft, locked) for draft in drafts]


def write_anew(
    score: Score,
    hole: Hole,
    bundle: Bundle,
    wish: Wish | None,
    *,
    share: float | None = None,
    locks: ArrayLike | None = None,
    n_bars: int = 0,
    chart: Chart | None = None,
) -> list[Take]:
    """Write the notes in a hole anew, or a share of them.

    Where writing is stopped, the old notes stay.

    Args:
        score: The piece.
        hole: What is written.
        bundle: The model.
        wish: How it is to be written.
        share: How many of the notes are written anew, 0 to 1; which ones, the seed says. No
            part gets more in a bar than it had. None: all of them, and as many as come.
        locks: Notes that stay, as for `infill`.
        n_bars: Bars that the piece has at least, be the last ones silent.
        chart: Chords of the hole. None: those of the score.

    Raises:
        EngineError: If the hole lies outside the piece, or there are no such notes.
    """
    wish = wish or Wish()
    n_bars = max(len(bar_starts(score)) - 1, n_bars)
    is_locked = marked_notes(score, locks)
    is_gone = _in_hole(score, hole, n_bars) & ~is_locked
    if is_locked.any():
        wish = replace(wish, bounds=with_range_of(wish.bounds, score, hole.parts))
    if share is not None:
        chance = np.random.default_rng((wish.seed, _LOCKS)).random(len(score.notes))
        is_gone &= chance < share
        wish = replace(wish, bounds=_no_denser(wish.bounds, score, n_bars))
    known, locked = _without(score, is_gone), score.notes.compress(is_locked)
    takes = write(known, hole, bundle, wish, n_bars=n_bars, chart=chart, locked=locked)
    return [
        _with_old(take, score, is_gone, hole) if take.is_stopped else take for take in takes
    ]


_LOCKS = 0x10C5
"""Sets the chance that keeps notes apart from the chance that writes them."""


def seeded(wish: Wish, *numbers: int) -> Wish:
    """Return a wish for one take, with a seed that follows from its own and some numbers."""
    (seed,) = np.random.SeedSequence((wish.seed, *numbers)).generate_state(1)
    return replace(wish, n_takes=1, seed=int(seed))


def player(wish: PartWish, name: str = "") -> Part:
    """Return the part that plays what is wished; its name is the instrument's if not given."""
    name = name or instrument_name(wish.program)
    if wish.is_drum:
        return Part(DRUM_KITS[wish.program - FIRST_KIT], is_drum=True, name=name)
    return Part(wish.program, name=name)


def empty_score(
    parts: Sequence[Part],
    *,
    metre: tuple[int, int] = (4, 4),
    tempo_bpm: float = DEFAULT_TEMPO_BPM,
    key: tuple[int, bool] | None = None,
) -> Score:
    """Return a score in which nobody plays yet, in one metre, tempo and key.

    Raises:
        EngineError: If there is nobody.
    """
    if not parts:
        msg = "nobody plays; name at least one part"
        raise EngineError(msg)
    empty = Score(notes=table(NOTE_DTYPE), parts=tuple(parts))
    return lay_out(empty, range(1), metre=metre, tempo_bpm=tempo_bpm, key=key)


def _ended(take: Take) -> Take:
    """Return a take that ends with the last bar that is full, if it was stopped."""
    if not take.is_stopped:
        return take
    return replace(take, score=slice_bars(take.score, 0, take.end_bar))


def new_bars(take: Take) -> Take:
    """Return a take without what was known."""
    bars = slice_bars(take.score, take.first_bar, take.end_bar)
    return replace(take, score=bars, first_bar=0, end_bar=take.end_bar - take.first_bar)


def _take(known: Score, hole: Hole, draft: Draft, locked: Table | None) -> Take:
    score = joined(known, replace(draft.grid, notes=draft.notes), locked)
    return Take(
        score=score,
        first_bar=hole.first,
        end_bar=draft.next_bar,
        n_notes=len(score.notes) - len(known.notes),
        bits_per_note=draft.bits_per_note,
        is_stopped=draft.next_bar < hole.end,
    )


def cut(score: Score, end: int) -> Score:
    """Return the score with no note ringing beyond a tick; all begin before it."""
    notes = score.notes.copy()
    notes["duration"] = np.minimum(notes["duration"], end - notes["onset"])
    return score.with_notes(notes)


def joined(known: Score, written: Grid, locked: Table | None = None) -> Score:
    """Return the known notes, which stay as they are, with those of a grid.

    Where no division of a file holds both exactly, it is the new notes that are rounded.

    Args:
        known: What is known.
        written: What is new.
        locked: Notes of `known` that a file has to hold as they are. A new note of the pitch
            and the part of one that sounds would end it there, and is left out.
    """
    tpq = math.lcm(known.tpq, TPQ)
    tpq = tpq if tpq <= MAX_TPQ else known.tpq
    base = resample(known, tpq)
    new = resample(from_grid(written), tpq).notes
    if locked is not None:
        new = new.compress(~would_end(new, resample(known.with_notes(locked), tpq).notes))
    return base.with_notes(np.concatenate([base.notes, new]))


def _with_old(take: Take, score: Score, is_gone: NDArray[np.bool_], hole: Hole) -> Take:
    """Return a take with the old notes of the bars that were not written any more."""
    n_bars = max(len(bar_starts(score)) - 1, hole.end)
    is_old = is_gone & _in_hole(score, replace(hole, first=take.end_bar), n_bars)
    old = resample(score.with_notes(score.notes.compress(is_old)), take.score.tpq).notes
    return replace(take, score=take.score.with_notes(np.concatenate([take.score.notes, old])))


def _without(score: Score, is_gone: NDArray[np.bool_]) -> Score:
    return score.with_notes(score.notes.compress(~is_gone))


def _no_denser(bounds: Bounds, score: Score, n_bars: int) -> Bounds:
    """Return bounds that let no part have more notes in a bar than it has in a score."""
    grid, _ = to_grid(score, n_bars=n_bars)
    counts = np.zeros((grid.n_bars, len(grid.programs)), np.int64)
    np.add.at(counts, (grid.notes["bar"], grid.notes["part"]), 1)
    most = {
        place: min(int(count), bounds.max_notes.get(place, int(count)))
        for place, count in np.ndenumerate(counts)
    }
    return replace(bounds, max_notes={**bounds.max_notes, **most})


def _in_hole(score: Score, hole: Hole, n_bars: int) -> NDArray[np.bool_]:
    """Return which notes of a score begin, on the grid, in the bars and parts of a hole."""
    if not 0 <= hole.first < hole.end <= n_bars:
        msg = f"bars {hole.first + 1} to {hole.end} are asked for; the piece has {n_bars}"
        raise EngineError(msg)
    first, end = (
        round(bar_line(score, bar) * TPQ / score.tpq) for bar in (hole.first, hole.end)
    )
    onsets = np.rint(score.notes["onset"] * TPQ / score.tpq)
    is_of_part = np.isin(score.notes["part"], hole.parts)
    return (onsets >= first) & (onsets < end) & is_of_part


def checked_parts(score: Score, parts: Iterable[int] | None) -> tuple[int, ...]:
    """Return the parts that are asked for, all if none are.

    Raises:
        EngineError: If the piece has no such part.
    """
    n_parts = min(len(score.parts), N_PARTS)
    chosen = tuple(range(n_parts)) if parts is None else tuple(parts)
    for part in chosen:
        if not 0 <= part < n_parts:
            msg = f"there is no part {part + 1}; the piece has {n_parts}"
            raise EngineError(msg)
    return chosen


def n_bars_played(score: Score) -> int:
    """Return how many bars there are up to the last in which a note begins, at least 1.

    A last note that rings on makes no bar more.
    """
    starts = bar_starts(score)
    last = int(score.notes["onset"].max(initial=0))
    return int(np.searchsorted(starts, last, side="right"))


def _with_notes(score: Score, task: str) -> Score:
    if len(score.notes) == 0:
        msg = f"the score has no note; there is nothing to {task}"
        raise EngineError(msg)
    return score
