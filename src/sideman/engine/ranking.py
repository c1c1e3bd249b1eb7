"""Ranking: what is new in each of several takes, how far they differ, and which comes first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sideman.errors import EngineError
from sideman.score.time import bar_starts, resample
from sideman.score.types import TPQ, Part, Score

if TYPE_CHECKING:  # to look at files needs no model
    from sideman.engine.compose import Take

Scorer = Callable[["Take"], float]
"""Says how good a take is; the higher, the better."""


def likelihood(take: Take) -> float:
    """Return how likely the model finds a take: its bits per note, negated."""
    return -take.bits_per_note


def rank(takes: Sequence[Take], scorer: Scorer = likelihood) -> list[int]:
    """Return the numbers of takes, best first; of equal ones the earlier comes first.

    Raises:
        EngineError: If the scorer gives no number for a take.
    """
    scores = [scorer(take) for take in takes]
    for number, score in enumerate(scores):
        if math.isnan(score):
            msg = f"the scorer gives take {number + 1} no number; it must, to be ranked by"
            raise EngineError(msg)
    return sorted(range(len(takes)), key=lambda number: -scores[number])


def distances(takes: Sequence[Take], prompt: Score | None = None) -> NDArray[np.float64]:
    """Return how far each two takes differ in what is new, shape (N, N).

    0: the same notes begin at the same time; 1: none does. Between them it is one minus twice
    the notes that both have, over the notes of both together (Dice 1945, "Measures of the
    amount of ecologic association between species"). Lengths, loudness and who plays a note do
    not count, but for drums, which are no pitches. Takes that have no new note are compared by
    their chords.

    Args:
        takes: Of the same task.
        prompt: What was known, as for `new_notes`.
    """
    said = [
        _said(new_notes(take.score, take.first_bar, take.end_bar, prompt)) for take in takes
    ]
    return np.array([[_distance(one, other) for other in said] for one in said])


def nearest(takes: Sequence[Take], prompt: Score | None = None) -> list[float]:
    """Return how far each take is from the one most like it, of two or more.

    Args:
        takes: Of the same task.
        prompt: What was known, as for `new_notes`.
    """
    apart = distances(takes, prompt)
    np.fill_diagonal(apart, np.inf)
    nearest_of_each: list[float] = apart.min(axis=1).tolist()
    return nearest_of_each


def new_notes(score: Score, first_bar: int, end_bar: int, prompt: Score | None = None) -> Score:
    """Return a score with its new notes only, where they are.

    Args:
        score: A take.
        first_bar: First bar in which something was written, counted from 0.
        end_bar: Bar after the last.
        prompt: What was known: a note that begins in it at the same time, with the same pitch,
            in the same part, is not new, be it that it was taken out and written again. None
            where nothing in those bars was known.
    """
    starts = bar_starts(score)
    onset = score.notes["onset"]
    is_new = onset >= starts[min(first_bar, len(starts) - 1)]
    if end_bar < len(starts):
        is_new &= onset < starts[end_bar]
    if prompt is not None:
        known = set(_beginnings(resample(prompt, score.tpq)))
        is_new &= [note not in known for note in _beginnings(score)]
    return score.with_notes(score.notes.compress(is_new))


def _beginnings(score: Score) -> list[tuple[int, int, Part]]:
    """Return where notes begin; parts may have other numbers in another score."""
    notes = score.notes[["onset", "pitch", "part"]].tolist()
    return [(onset, pitch, score.parts[part]) for onset, pitch, part in notes]


def _said(score: Score) -> set[tuple[int, ...]]:
    """Return what counts of a score when it is compared."""
    score = resample(score, TPQ)
    if len(score.notes) == 0:
        return set(score.chords[["onset", "root", "quality", "bass"]].tolist())
    notes = score.notes[["onset", "pitch", "part"]].tolist()
    return {(onset, pitch, score.parts[part].is_drum) for onset, pitch, part in notes}


def _distance(one: set[tuple[int, ...]], other: set[tuple[int, ...]]) -> float:
    n_said = len(one) + len(other)
    return 1 - 2 * len(one & other) / n_said if n_said else 0.0
