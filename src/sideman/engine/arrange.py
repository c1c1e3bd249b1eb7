"""Arrange: a whole piece from a plan, section by section.

A new section is written with what came before as its past. One that is like an earlier section
begins as its copy, and a share of that is varied. Notes end with their section, so that it can
be copied to where something else follows.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sideman.bundle import Bundle
from sideman.engine.chart import chart_chords
from sideman.engine.compose import (
    Take,
    cut,
    empty_score,
    player,
    seeded,
    write,
    write_anew,
)
from sideman.engine.course import bar_line
from sideman.engine.fill import Hole, Wish
from sideman.engine.parts import PartWish
from sideman.engine.plan import MOST_CHANGE, Plan, Section
from sideman.engine.wishes import choose
from sideman.score.edit import slice_bars
from sideman.score.harmony import N_PITCH_CLASSES, NO_CHORD
from sideman.score.time import resample
from sideman.score.types import DEFAULT_TEMPO_BPM, Score, Table
from sideman.tokens.grid import GRID_CHORD_DTYPE, from_grid, to_grid
from sideman.tokens.vocabulary import DENOMINATOR_OF, NUMERATOR_OF, UNSPECIFIED, Task


def arrange(plan: Plan, bundle: Bundle, *, wish: Wish | None = None) -> list[Take]:
    """Write a whole piece from a plan.

    Args:
        plan: The piece; what it says of parts, key, rhythm and style holds, whatever the wish
            says of these.
        bundle: The model.
        wish: How it is to be written.

    Returns:
        Takes of exactly the plan's bars, with a marker for each section; no note rings beyond
        its section. The score has the chords of the plan. Where writing was stopped, it ends
        with the last bar that is full in all parts.

    Raises:
        PromptTooLong: If not even a bar of what is known fits the context.
        EngineError: If the model has no such style.
    """
    wish = _planned(plan, bundle, wish or Wish())
    return [
        _piece(plan, bundle, seeded(wish, take).told_as(take=take))
        for take in range(wish.n_takes)
    ]


def _planned(plan: Plan, bundle: Bundle, wish: Wish) -> Wish:
    """Return the wish with what the plan says of the whole piece."""
    style = wish.style
    if plan.style is not None:
        styles = bundle.vocabulary.styles
        style = styles.index(choose(plan.style, styles, "style")) + 1
    bounds = replace(wish.bounds, scale=plan.scale, rhythm=plan.rhythm)
    return replace(wish, style=style, bounds=bounds)


def _piece(plan: Plan, bundle: Bundle, wish: Wish) -> Take:
    """Write one take."""
    score = _empty(plan)
    bits, n_written, end = 0.0, 0, 0
    for number, section in enumerate(plan.sections):
        parts = {part: _asked(plan, section, part) for part in section.parts}
        asked = replace(wish, bounds=replace(wish.bounds, parts=parts))
        score, takes = _with_section(score, plan, number, bundle, seeded(asked, number))
        is_whole = not any(take.is_stopped for take in takes)
        end += section.n_bars if is_whole else min(take.n_bars for take in takes)
        score = slice_bars(score, 0, end)
        score = cut(score, bar_line(score, end))
        bits += sum(take.bits_per_note * take.n_notes for take in takes)
        n_written += sum(take.n_notes for take in takes)
        if not is_whole:
            break
    names = (section.name for section in plan.sections)
    markers = zip(plan.first_bars, names, strict=True)
    return Take(
        score=replace(score, chords=_chords(plan, score, end)),
        first_bar=0,
        end_bar=end,
        n_notes=len(score.notes),
        bits_per_note=bits / max(n_written, 1),
        markers=tuple((bar, name) for bar, name in markers if bar < end),
        is_stopped=end < plan.n_bars,
    )


def _chords(plan: Plan, score: Score, n_bars: int) -> Table:
    """Return the chords of the plan's first bars; in sections without a chart none sounds."""
    grid, _ = to_grid(score, n_bars=n_bars)
    rows = [np.zeros(0, GRID_CHORD_DTYPE)]
    for first, section in zip(plan.first_bars, plan.sections, strict=True):
        if section.chart is not None:
            chords = chart_chords(section.chart, [plan.metre] * section.n_bars)
        else:
            silence = [(0, 0, 0, NO_CHORD, 0, 0)] if any(map(len, rows)) else []
            chords = np.array(silence, GRID_CHORD_DTYPE)
        chords["bar"] += first
        rows.append(chords)
    chords = np.concatenate(rows)
    on_grid = replace(grid, chords=chords.compress(chords["bar"] < n_bars))
    return resample(from_grid(on_grid), score.tpq).chords


def _empty(plan: Plan) -> Score:
    """Return the piece before anything is written."""
    key = None
    if plan.scale is not None and plan.scale.key != UNSPECIFIED:
        is_minor, tonic = divmod(plan.scale.key - 1, N_PITCH_CLASSES)
        key = tonic, bool(is_minor)
    return empty_score(
        [player(part, name) for part, name in zip(plan.parts, plan.part_names, strict=True)],
        metre=(int(NUMERATOR_OF[plan.metre]), int(DENOMINATOR_OF[plan.metre])),
        tempo_bpm=plan.tempo_bpm or DEFAULT_TEMPO_BPM,
        key=key,
    )


def _asked(plan: Plan, section: Section, part: int) -> PartWish:
    """Return what is asked of a part in a section."""
    wish = plan.parts[part]
    return wish if section.density is None else replace(wish, density=section.density)


def _with_section(
    score: Score, plan: Plan, number: int, bundle: Bundle, wish: Wish
) -> tuple[Score, list[Take]]:
    """Write the section behind those that are there; return what was written on the way."""
    section, first = plan.sections[number], plan.first_bars[number]
    end = first + section.n_bars
    if section.like is None:
        task = Task.CONTINUE if section.chart is None else Task.CHART
        hole = Hole(first, end, section.parts, task)
        takes = write(score, hole, bundle, wish, chart=section.chart)
        return takes[-1].score, takes
    origin = plan.sections[section.like]
    takes = []
    copied = tuple(part for part in section.parts if part in origin.parts)
    added = tuple(part for part in section.parts if part not in origin.parts)
    score = _with_copy(score, plan.first_bars[section.like], first, section.n_bars, copied)
    if copied and section.change:
        hole, share = Hole(first, end, copied, Task.VARY), section.change / MOST_CHANGE
        takes += write_anew(
            score, hole, bundle, wish, share=share, n_bars=end, chart=section.chart
        )
        score = takes[-1].score
    if added:
        hole = Hole(first, end, added, Task.ACCOMPANY)
        takes += write(score, hole, bundle, wish, n_bars=end, chart=section.chart)
        score = takes[-1].score
    return score, takes


def _with_copy(
    score: Score, origin: int, first: int, n_bars: int, parts: Sequence[int]
) -> Score:
    """Return the score with what parts play from bar `origin` on once more from `first` on."""
    begin, end, at = (bar_line(score, bar) for bar in (origin, origin + n_bars, first))
    notes = score.notes
    is_copied = (notes["onset"] >= begin) & (notes["onset"] < end)
    copy = notes.compress(is_copied & np.isin(notes["part"], parts))
    copy["onset"] += at - begin
    return score.with_notes(np.concatenate([notes, copy]))
