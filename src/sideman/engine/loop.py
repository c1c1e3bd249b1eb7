"""Loop: bars that close on themselves, built part by part.

Each part is written over the loop while the others are heard before it and after it: the loop
comes three times, and the part is written the second time. Then its end is written once more,
with its own beginning behind it, so that the one leads into the other. A loop grows by bars
that are a varied copy of its first ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sideman.bundle import Bundle
from sideman.engine.chart import Chart, chart_chords
from sideman.engine.compose import (
    Take,
    checked_parts,
    cut,
    empty_score,
    player,
    seeded,
    write,
    write_anew,
)
from sideman.engine.course import bar_line, by_bar
from sideman.engine.fill import Hole, Wish
from sideman.engine.parts import PartWish
from sideman.errors import EngineError
from sideman.score.edit import append_score, slice_bars
from sideman.score.time import metre_spans, resample
from sideman.score.types import TPQ, Part, Score
from sideman.tokens.grid import from_grid, to_grid
from sideman.tokens.vocabulary import N_PARTS, Task

DEFAULT_BARS = 4

SEAM_SHARE = 4
"""The last of so many shares of a loop, at least a bar, is written again: its last quarter."""


def loop(
    bundle: Bundle,
    *,
    parts: Sequence[PartWish | Part | int] = (),
    n_bars: int | None = None,
    metre: tuple[int, int] = (4, 4),
    tempo_bpm: float = 120.0,
    key: tuple[int, bool] | None = None,
    chart: Chart | None = None,
    score: Score | None = None,
    extend: int = 0,
    change: float = 0.3,
    wish: Wish | None = None,
) -> list[Take]:
    """Write a loop, or parts of one that is there, or more bars of it.

    Args:
        bundle: The model.
        parts: What is written, in this order: new parts, or numbers of parts of `score`, which
            are written anew.
        n_bars: How long the loop is. None: 4, or as many as notes of `score` begin in.
        metre: Numerator and denominator of a new loop.
        tempo_bpm: Quarter notes per minute of a new loop.
        key: Tonic and whether it is minor, of a new loop. None: as it comes.
        chart: Chords that are followed; a short one comes again. None: those of `score`.
        score: A loop that is there; parts that are not named stay. None: a new loop.
        extend: Bars that are added: copies of the first ones, varied.
        change: Share of the notes of these that may change, 0 to 1.
        wish: How it is to be written.

    Returns:
        Takes of exactly `n_bars + extend` bars; no note rings beyond the last. Where writing
        was stopped, they have the parts that are whole, the others as they were.

    Raises:
        EngineError: If nothing is to be written, there are too many parts or not such ones, a
            number is outside its range, or the key changes at a bar.
    """
    wish = wish or Wish()
    _check(n_bars=n_bars, extend=extend, change=change)
    if by_bar(wish.bounds.scale).keys() - {0}:
        msg = "the key changes at a bar; a loop has one key, for it comes round again"
        raise EngineError(msg)
    if score is None:
        score = empty_score(
            [_player(part) for part in parts], metre=metre, tempo_bpm=tempo_bpm, key=key
        )
        numbers = tuple(range(len(parts)))
        n_bars = n_bars or DEFAULT_BARS
    else:
        score, numbers = _with_players(score, parts)
        n_bars = n_bars or int(to_grid(score)[0].notes["bar"].max(initial=0)) + 1
    if not numbers and not extend:
        msg = "nothing is to be written; name parts, or how many bars are added"
        raise EngineError(msg)
    if len(score.parts) > N_PARTS:
        msg = f"the loop would have {len(score.parts)} parts; there is room for {N_PARTS}"
        raise EngineError(msg)
    asked = {
        number: part
        for number, part in zip(numbers, parts, strict=True)
        if isinstance(part, PartWish)
    }
    bounds = replace(wish.bounds, parts={**wish.bounds.parts, **asked})
    wish = replace(wish, bounds=bounds)
    before = _laid_out(score, n_bars, chart)
    draft = _Draft(_without(before, numbers), n_bars, before)
    return [
        _built(
            draft,
            numbers,
            bundle,
            seeded(wish, take).told_as(take=take),
            extend=extend,
            change=change,
        )
        for take in range(wish.n_takes)
    ]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A loop on its way.

    Attributes:
        score: The loop.
        n_bars: How long it is.
        before: The loop as it was.
        bits: How surprising all that was written on the way is to the model.
        n_written: How many notes that was, also such as were written again.
    """

    score: Score
    n_bars: int
    before: Score
    bits: float = 0.0
    n_written: int = 0

    def taken(self, take: Take, parts: Sequence[int], first_bar: int) -> "_Draft":
        """Return the loop with what parts play in a take from some bar on, cut at its end."""
        score = resample(self.score, take.score.tpq)
        start = bar_line(take.score, first_bar)
        length = bar_line(score, self.n_bars)
        notes = take.score.notes
        begins = notes["onset"] - start
        notes = notes.compress(
            (begins >= 0) & (begins < length) & np.isin(notes["part"], parts)
        )
        notes["onset"] -= start
        others = _without(score, parts).notes
        return replace(
            self,
            score=cut(score.with_notes(np.concatenate([others, notes])), length),
            bits=self.bits + take.bits_per_note * take.n_notes,
            n_written=self.n_written + take.n_notes,
        )

    def with_old(self, parts: Sequence[int]) -> "_Draft":
        """Return the loop with parts as they were."""
        old = resample(self.before, self.score.tpq).notes
        old = old.compress(np.isin(old["part"], parts))
        notes = np.concatenate([self.score.notes, old])
        return replace(self, score=self.score.with_notes(notes))


def _built(
    draft: _Draft,
    parts: Sequence[int],
    bundle: Bundle,
    wish: Wish,
    *,
    extend: int,
    change: float,
) -> Take:
    """Write parts one after the other, and then the bars that are added."""
    n_bars, left = draft.n_bars, list(parts)
    while left and (longer := _with_part(draft, left[0], bundle, seeded(wish, left[0]))):
        draft = _closed(longer, left[0], bundle, seeded(wish, left[0], 1))
        del left[0]
    n_notes = int(np.isin(draft.score.notes["part"], parts).sum())
    draft = draft.with_old(left)
    if extend:
        before = draft.n_written
        draft = _extended(draft, extend, change, bundle, wish)
        n_notes += draft.n_written - before
    return Take(
        score=draft.score,
        first_bar=0 if parts else n_bars,
        end_bar=draft.n_bars if n_notes or not left else 0,
        n_notes=n_notes,
        bits_per_note=draft.bits / max(draft.n_written, 1),
        is_stopped=bool(left),
    )


def _with_part(draft: _Draft, part: int, bundle: Bundle, wish: Wish) -> _Draft | None:
    """Write a part over the loop, with what the others play before it, in it and after it.

    None where writing was stopped: a part is written as a whole.
    """
    n_bars, score = draft.n_bars, draft.score
    if len(score.notes):
        hole = Hole(n_bars, 2 * n_bars, (part,), Task.ACCOMPANY)
        score = _repeated(score, n_bars, 3)
    else:
        task = Task.CHART if len(score.chords) else Task.CONTINUE
        hole = Hole(0, n_bars, (part,), task)
    wish = _later(wish, score, hole.first)
    (take,) = write(score, hole, bundle, wish, n_bars=hole.end + hole.first)
    return None if take.is_stopped else draft.taken(take, (part,), hole.first)


def _closed(draft: _Draft, part: int, bundle: Bundle, wish: Wish) -> _Draft:
    """Write the end of a part again, so that it leads into its beginning."""
    n_bars = draft.n_bars
    n_last = max(n_bars // SEAM_SHARE, 1)
    if n_last == n_bars:  # it has no beginning that stays
        return draft
    hole = Hole(2 * n_bars - n_last, 2 * n_bars, (part,), Task.INFILL)
    three = _repeated(draft.score, n_bars, 3)
    wish = _later(wish, three, n_bars)
    (take,) = write_anew(three, hole, bundle, wish, n_bars=3 * n_bars)
    return draft.taken(take, (part,), n_bars)


def _extended(draft: _Draft, n_more: int, change: float, bundle: Bundle, wish: Wish) -> _Draft:
    """Add bars: copies of the first ones, varied, with the loop before and after them."""
    first, end = draft.n_bars, draft.n_bars + n_more
    longer = slice_bars(_repeated(draft.score, first, -(-end // first)), 0, end)
    draft = replace(draft, score=cut(longer, bar_line(longer, end)), n_bars=end)
    parts = checked_parts(longer, None)
    hole = Hole(first, end, parts, Task.VARY)
    twice = _repeated(draft.score, end, 2)
    (take,) = write_anew(twice, hole, bundle, wish, share=change, n_bars=2 * end)
    return draft.taken(take, parts, 0)


def _repeated(score: Score, n_bars: int, times: int) -> Score:
    """Return the first bars of a score so many times."""
    length = bar_line(score, n_bars)
    whole = score
    for number in range(1, times):
        whole = append_score(whole, score, number * length)
    return whole


def _later(wish: Wish, score: Score, n_bars: int) -> Wish:
    """Return a wish whose bounds are those of bars of a score that come so much later."""
    most = {(bar + n_bars, part): n for (bar, part), n in wish.bounds.max_notes.items()}
    ticks = round(bar_line(score, n_bars) * TPQ / score.tpq)
    wish = replace(wish, bounds=replace(wish.bounds, max_notes=most))
    return wish.told_as(bars=n_bars, ticks=ticks)


def _laid_out(score: Score, n_bars: int, chart: Chart | None) -> Score:
    """Return the first bars of a score, cut at their end, with the chords of a chart."""
    score = slice_bars(score, 0, n_bars)
    score = replace(score, time_signatures=metre_spans(score))
    score = cut(score, bar_line(score, n_bars))
    if chart is None:
        return score
    grid, _ = to_grid(replace(score, chords=score.chords[:0]), n_bars=n_bars)
    chords = chart_chords(chart, grid.bars["time_signature"].tolist())
    on_grid = from_grid(replace(grid, notes=grid.notes[:0], chords=chords))
    return replace(score, chords=resample(on_grid, score.tpq).chords)


def _without(score: Score, parts: Sequence[int]) -> Score:
    return score.with_notes(score.notes.compress(~np.isin(score.notes["part"], parts)))


def _with_players(
    score: Score, parts: Sequence[PartWish | Part | int]
) -> tuple[Score, tuple[int, ...]]:
    """Return the score with the new parts among those named, and the numbers of all named."""
    checked_parts(score, [part for part in parts if isinstance(part, int)])
    players, numbers = list(score.parts), []
    for part in parts:
        if isinstance(part, int):
            numbers.append(part)
        else:
            numbers.append(len(players))
            players.append(_player(part))
    return replace(score, parts=tuple(players)), tuple(numbers)


def _player(part: PartWish | Part | int) -> Part:
    if isinstance(part, int):
        msg = f"part {part + 1} is to be written anew; there is no loop yet that has it"
        raise EngineError(msg)
    return part if isinstance(part, Part) else player(part)


def _check(*, n_bars: int | None, extend: int, change: float) -> None:
    for name, value, is_right, rule in (
        ("n_bars", n_bars, n_bars is None or n_bars >= 1, "at least 1"),
        ("extend", extend, extend >= 0, "at least 0"),
        ("change", change, 0 <= change <= 1, "0 to 1"),
    ):
        if not is_right:
            msg = f"{name} is {value}; it must be {rule}"
            raise EngineError(msg)
