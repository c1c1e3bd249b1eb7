"""Harmonise: chords for a melody, chosen by the model or named by rule."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from sideman.analysis.chords import find_chords
from sideman.analysis.keys import find_key
from sideman.bundle import Bundle
from sideman.engine.chart import chart_text
from sideman.engine.compose import Take, checked_parts, joined
from sideman.engine.course import bar_line, by_bar
from sideman.engine.fill import Hole, Wish, fill
from sideman.engine.harmony import block_chords, chart_of
from sideman.engine.pitches import Scale
from sideman.errors import EngineError
from sideman.score.harmony import NO_CHORD
from sideman.score.time import bar_starts, resample
from sideman.score.types import CHORD_DTYPE, Part, Score, table
from sideman.tokens.grid import from_grid, to_grid
from sideman.tokens.vocabulary import Task

CHORD_PLAYER = Part(0, name="chords")
"""Who plays the chords that are written: a piano."""


def harmonise(
    score: Score,
    bundle: Bundle,
    *,
    parts: Iterable[int] | None = None,
    chords_only: bool = False,
    wish: Wish | None = None,
) -> list[Take]:
    """Write chords that go with a melody, or with any notes.

    A chord holds on as long as it fits; it changes at bar lines and in mid-bar. The model
    chooses when and to what, but never a chord that does not fit
    (`sideman.engine.harmony.ChordKeeper`), so that nothing clashes even where the model has
    learned little of chords. Chords that the score has are left out.

    Args:
        score: The piece.
        bundle: The model.
        parts: Whose notes are harmonised. None: everybody's.
        chords_only: Add no part that plays the chords.
        wish: How it is to be written; chords are of its scale, or else of the key that is
            found, where such chords fit.

    Returns:
        Takes whose score has the chords, with `chart_text`.

    Raises:
        EngineError: If no pitched note sounds, or there are no such parts.
    """
    heard = _harmonised(score, parts)
    key = find_key(heard)
    if key is None:
        msg = "the score has no pitched note; there is nothing to harmonise"
        raise EngineError(msg)
    wish = wish or Wish()
    found = Scale(key.tonic, "minor" if key.is_minor else "major")
    scale = {0: found, **by_bar(wish.bounds.scale)}
    wish = replace(wish, bounds=replace(wish.bounds, scale=scale))
    grid, _ = to_grid(heard)
    drafts = fill(grid, Hole(0, grid.n_bars, (), Task.HARMONISE), bundle, wish)
    takes = [
        _with_chords(
            joined(score, replace(draft.grid, notes=draft.notes)),
            _until(from_grid(draft.grid), draft.next_bar),
            chords_only=chords_only,
            bits_per_note=draft.bits_per_note,
        )
        for draft in drafts
    ]
    return [
        replace(take, end_bar=draft.next_bar, is_stopped=draft.next_bar < grid.n_bars)
        for take, draft in zip(takes, drafts, strict=True)
    ]


def name_chords(
    score: Score, *, parts: Iterable[int] | None = None, chords_only: bool = False
) -> Take:
    """Harmonise without a model: with the chords that the notes spell or imply.

    What a model writes is measured against this (`sideman.analysis.chords.find_chords`).

    Args:
        score: The piece.
        parts: Whose notes are looked at. None: everybody's.
        chords_only: Add no part that plays the chords.

    Raises:
        EngineError: If no pitched note sounds, or there are no such parts.
    """
    heard = _harmonised(score, parts)
    chords = find_chords(heard)
    if len(chords) == 0:
        msg = "the score has no pitched note; there is nothing to harmonise"
        raise EngineError(msg)
    return _with_chords(
        score, replace(heard, chords=chords), chords_only=chords_only, bits_per_note=0.0
    )


def _harmonised(score: Score, parts: Iterable[int] | None) -> Score:
    """Return the notes that are to be harmonised, with no chords."""
    is_heard = np.isin(score.notes["part"], checked_parts(score, parts))
    return replace(score.with_notes(score.notes.compress(is_heard)), chords=table(CHORD_DTYPE))


def _until(harmony: Score, bar: int) -> Score:
    """Return chords that end at a bar line, if the piece goes on behind it."""
    if bar >= len(bar_starts(harmony)) - 1:
        return harmony
    silence = table(CHORD_DTYPE, [(bar_line(harmony, bar), NO_CHORD, 0, 0)])
    return replace(harmony, chords=np.concatenate([harmony.chords, silence]))


def _with_chords(
    score: Score, harmony: Score, *, chords_only: bool, bits_per_note: float
) -> Take:
    """Return a score with the chords of another, and a part that plays them."""
    score = replace(score, chords=resample(harmony, score.tpq).chords)
    n_bars, n_known = len(bar_starts(score)) - 1, len(score.notes)
    text = chart_text(chart_of(score))
    if not chords_only:
        blocks = block_chords(score, part=len(score.parts))
        score = replace(
            score,
            notes=np.concatenate([score.notes, blocks]),
            parts=(*score.parts, CHORD_PLAYER),
        )
    return Take(
        score=score,
        first_bar=0,
        end_bar=n_bars,
        n_notes=len(score.notes) - n_known,
        bits_per_note=bits_per_note,
        chart_text=text,
    )
