"""Judging: every figure of one take, beside the piece that the prompt was cut from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.seams import SIDE_BARS, measure_seam
from sideman.engine.compose import cut
from sideman.engine.fill import LOOKAHEAD
from sideman.evaluate import metrics
from sideman.evaluate.distances import overlap
from sideman.evaluate.likelihood import BITS_PER_NAT
from sideman.evaluate.listener import Listener
from sideman.evaluate.pitch import chord_tone_ratio
from sideman.evaluate.prompts import Prompt
from sideman.evaluate.structure import copied_ngram_rate
from sideman.score.time import bar_starts
from sideman.score.types import Score
from sideman.tokens import grid as grids
from sideman.tokens.codec import PLAIN, Layout, grid_to_events
from sideman.tokens.grid import Grid, to_grid
from sideman.tokens.vocabulary import VELOCITY, Events, Extent, Kind

ON_THE_WHOLE = frozenset(
    {
        "chord_tone_ratio",
        "mean_self_similarity",
        "repeated_bar_rate",
        "repeated_ngram_rate",
        "structure_short",
        "structure_mid",
        "structure_long",
    }
)
"""Metrics of the stretch with what is known: what sounds together, and what returns. All others
are of what was written alone."""

SEAMS = ("pitch_class_overlap", "density_step", "downbeat_alignment")

SHARED = "shared_"
"""Begins the name of what a histogram has in common with that of the real bars."""

BITS = "bits_per_note"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What was found of a take.

    Attributes:
        n_notes: Notes that were written.
        values: Value of each metric by name; those that the task does not have are left out.
        histograms: Of what was written, each of `metrics.HISTOGRAMS`, flat.
        vectors: What the model heard in each written bar, shape (bars, d).
    """

    n_notes: int
    values: dict[str, float]
    histograms: dict[str, NDArray[np.float64]]
    vectors: NDArray[np.float32]


def judge(prompt: Prompt, score: Score, listener: Listener) -> Judged:
    """Return every figure of a take, at `TPQ` ticks a quarter."""
    written = prompt.written(score)
    whole = cut(_within(score, prompt), prompt.n_bars * prompt.bar_ticks)
    histograms = _histograms(written)
    bits, vectors = _listen(prompt, whole, listener)
    values = {
        metric.name: metric(whole if metric.name in ON_THE_WHOLE else written)
        for metric in metrics.PIECE_METRICS
    }
    values |= _of_the_task(prompt, whole, written)
    values |= {
        SHARED + name: overlap(histograms[name], real)
        for name, real in _histograms(prompt.written(prompt.real)).items()
    }
    values[BITS] = bits
    return Judged(len(written.notes), values, histograms, vectors)


def _within(score: Score, prompt: Prompt) -> Score:
    end = prompt.n_bars * prompt.bar_ticks
    return score.with_notes(score.notes[score.notes["onset"] < end])


def _histograms(score: Score) -> dict[str, NDArray[np.float64]]:
    return {name: found.ravel() for name, found in metrics.measure_histograms(score).items()}


def _of_the_task(prompt: Prompt, whole: Score, written: Score) -> dict[str, float]:
    """Return what is measured of a task alone: seams, copies of the prompt, the chart."""
    if prompt.task == "chart":
        return {"chart_adherence": chord_tone_ratio(written, prompt.known.chords)}
    if prompt.task == "accompany":
        return {}
    return {
        "copied_ngram_rate": copied_ngram_rate(written, [prompt.known]),
        **_seams(whole, [prompt.hole.first, prompt.hole.end]),
    }


def _seams(score: Score, lines: list[int]) -> dict[str, float]:
    """Return the seam measures, means over the bar lines that have bars on either side."""
    n_bars = len(bar_starts(score)) - 1
    found = [
        measure_seam(score, line) for line in lines if SIDE_BARS <= line <= n_bars - SIDE_BARS
    ]
    return {name: _mean([getattr(seam, name) for seam in found]) for name in SEAMS}


def _mean(values: list[float | None]) -> float:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else np.nan


# ------------------------------------------------------------------ what the model hears


def _listen(
    prompt: Prompt, score: Score, listener: Listener
) -> tuple[float, NDArray[np.float32]]:
    """Return bits a written note, and a vector of each bar in which one was written.

    Loudness does not count: not everybody writes it. Bar lines do: who writes few notes says
    that the others do not come.
    """
    grid, _ = to_grid(score, n_bars=prompt.n_bars)
    events, n_left_out = _fitting(grid, prompt, listener.context)
    heard = listener.hear(events)
    kinds = events[:, 0]
    bar = np.cumsum(kinds == Kind.BAR) - 1 + n_left_out
    is_note = (kinds == Kind.NOTE) & (bar >= prompt.hole.first) & (bar < prompt.hole.end)
    is_line = (kinds == Kind.BAR) & (bar > prompt.hole.first) & (bar <= prompt.hole.end)
    n_notes = int(is_note.sum())
    vectors = [
        heard.values[is_note & (bar == number)].mean(axis=0)
        for number in np.unique(bar[is_note]).tolist()
    ]
    if n_notes == 0:
        return np.nan, heard.values[:0]
    nats = heard.nats[is_note, :VELOCITY].sum() + heard.nats[is_line, 0].sum()
    return float(nats * BITS_PER_NAT / n_notes), np.stack(vectors)


def _fitting(grid: Grid, prompt: Prompt, most: int) -> tuple[Events, int]:
    """Spell as much of a take as fits `most` events; return it, and the bars left out before.

    Bars before the hole are left out one by one; if that is not enough, what comes last is.
    """
    first = 0
    events = _spelled(grid, prompt, first)
    while len(events) > most and first < prompt.hole.first:
        first += 1
        events = _spelled(grids.slice_bars(grid, first, grid.n_bars), prompt, first)
    return events[:most], first


def _spelled(grid: Grid, prompt: Prompt, n_left_out: int) -> Events:
    """Spell a take as the task has it: what is known in or behind the hole is announced."""
    bar = grid.notes["bar"] + n_left_out
    is_given = (bar >= prompt.hole.first) & np.isin(grid.notes["part"], prompt.given_parts)
    is_given |= bar >= prompt.hole.end
    velocity = grid.notes["velocity"]
    is_flat = len(velocity) > 0 and bool((velocity == velocity[0]).all())
    layout = Layout(
        task=prompt.hole.task,
        extent=Extent.MIDDLE if n_left_out else Extent.OPENING,
        key=grid.key,
        ahead=np.where(is_given, LOOKAHEAD, PLAIN),
        unspecified_velocity=np.full(len(velocity), is_flat),
    )
    return grid_to_events(grid, layout)
