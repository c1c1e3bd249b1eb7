"""The metrics by name: what each is called, its unit, its range, what it tells, its source.

Each is a pure function, which has the definition, the edge cases and where it departs from
the source. `docs/evaluate.md` has the tables that `describe` returns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from sideman.analysis import seams
from sideman.evaluate import adherence, distances, pitch, rhythm, structure
from sideman.score.types import Score


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure and how to read it.

    Attributes:
        name: What it is called in tables.
        function: Computes it. Of a piece: `function(score)`; the others say what they take.
        unit: Of the value; "share" is 0 to 1 of what the last column says.
        low: Least value there is.
        high: Largest; infinity where there is none.
        tells: What it tells a musician, in a sentence or two.
        source: Where the definition is from; "ours" where it is from nowhere else.
    """

    name: str
    function: Callable[..., float | None]
    unit: str
    low: float
    high: float
    tells: str
    source: str

    def __call__(self, *given: object, **more: object) -> float:
        """Return the value; NaN where it is not defined."""
        value = self.function(*given, **more)
        return np.nan if value is None else value


WU_YANG = "Wu and Yang 2020"
YANG_LERCH = "Yang and Lerch 2018"
MUSPY = "MusPy (Dong et al. 2020)"
OURS = "ours"

PIECE_METRICS = (
    Metric(
        "pitch_class_entropy",
        pitch.pitch_class_entropy,
        "bits",
        0,
        pitch.MAX_ENTROPY,
        "How evenly the twelve notes are used: low for a tune on three notes, 2.8 for a plain "
        "scale, 3.6 when all twelve are as frequent.",
        WU_YANG,
    ),
    Metric(
        "scale_consistency",
        pitch.scale_consistency,
        "share",
        0,
        1,
        "How many of the notes fit the one major or minor scale that fits best; chromatic or "
        "modulating music has less.",
        "Mogren 2016",
    ),
    Metric(
        "pitch_range",
        pitch.pitch_range,
        "semitones",
        0,
        127,
        "How far it is from the lowest to the highest note: 12 is an octave.",
        YANG_LERCH,
    ),
    Metric(
        "chord_tone_ratio",
        pitch.chord_tone_ratio,
        "share",
        0,
        1,
        "How many notes belong to the chord that is heard when they begin; the others pass, "
        "decorate or clash.",
        "Yeh et al. 2021",
    ),
    Metric(
        "note_density",
        rhythm.note_density,
        "notes per quarter",
        0,
        inf,
        "How busy it is, all players together.",
        OURS,
    ),
    Metric(
        "mean_inter_onset",
        rhythm.mean_inter_onset,
        "quarters",
        0,
        inf,
        "How long a player waits on average from one attack to the next.",
        YANG_LERCH,
    ),
    Metric(
        "mean_duration",
        rhythm.mean_duration,
        "quarters",
        0,
        inf,
        "How long a note is on average.",
        OURS,
    ),
    Metric(
        "polyphony",
        rhythm.polyphony,
        "pitches",
        1,
        128,
        "How many notes sound at once while any does: 1 is a bare tune, 4 a hymn.",
        MUSPY,
    ),
    Metric(
        "empty_bar_rate",
        rhythm.empty_bar_rate,
        "share",
        0,
        1,
        "How many bars are silent.",
        "MuseGAN (Dong et al. 2018)",
    ),
    Metric(
        "groove_consistency",
        rhythm.groove_consistency,
        "share",
        0,
        1,
        "How much the rhythm of a bar is that of the bar before. Always high; small "
        "differences count.",
        WU_YANG,
    ),
    Metric(
        "downbeat_rate",
        rhythm.downbeat_rate,
        "share",
        0,
        1,
        "In how many of the bars that have notes somebody plays on the one. It drops when "
        "music slips against its bar lines.",
        OURS,
    ),
    Metric(
        "mean_self_similarity",
        structure.mean_self_similarity,
        "share",
        0,
        1,
        "How much any two bars have in common, note for note.",
        "Foote 1999",
    ),
    Metric(
        "repeated_bar_rate",
        structure.repeated_bar_rate,
        "share",
        0,
        1,
        "How many bars are an earlier bar, note for note. Near 1 is a loop; at 0 no bar comes "
        "back.",
        OURS,
    ),
    Metric(
        "repeated_ngram_rate",
        structure.repeated_ngram_rate,
        "share",
        0,
        1,
        "How many four-note figures, in any key, were there before.",
        "Li et al. 2016",
    ),
    Metric(
        "structure_short",
        structure.structure_short,
        "fitness",
        0,
        1,
        "How strongly some idea of 2 or 3 bars returns through the piece.",
        WU_YANG,
    ),
    Metric(
        "structure_mid",
        structure.structure_mid,
        "fitness",
        0,
        1,
        "The same for phrases of 4 to 7 bars.",
        WU_YANG,
    ),
    Metric(
        "structure_long",
        structure.structure_long,
        "fitness",
        0,
        1,
        "The same for sections of 8 to 32 bars, such as a verse that returns.",
        WU_YANG,
    ),
)
"""Of one piece."""

ASKED_METRICS = (
    Metric(
        "in_key_rate",
        adherence.in_key_rate,
        "share",
        0,
        1,
        "How many notes are in the scale of the key that was asked for.",
        "MuseGAN (Dong et al. 2018)",
    ),
    Metric(
        "key_match",
        adherence.key_match,
        "0 or 1",
        0,
        1,
        "Whether the key that is heard is the one that was asked for.",
        OURS,
    ),
    Metric(
        "chart_adherence",
        pitch.chord_tone_ratio,
        "share",
        0,
        1,
        "How many notes belong to the chord of the chart in which they begin.",
        "Yeh et al. 2021",
    ),
    Metric(
        "tempo_error",
        adherence.tempo_error,
        "share of the tempo asked",
        0,
        inf,
        "How far the tempo is off: 0.1 is 132 or 108 instead of 120.",
        OURS,
    ),
    Metric(
        "exact_bars",
        adherence.exact_bars,
        "0 or 1",
        0,
        1,
        "Whether it is as many bars long as was asked for.",
        OURS,
    ),
    Metric(
        "control_match",
        adherence.control_match,
        "share",
        0,
        1,
        "How many of the wishes (role, density, polyphony, register) are met to the level.",
        OURS,
    ),
    Metric(
        "control_error",
        adherence.control_error,
        "levels",
        0,
        10,
        "By how many levels density, polyphony and register are missed on average.",
        OURS,
    ),
    Metric(
        "pitch_class_overlap",
        seams.pitch_class_overlap,
        "share",
        0,
        1,
        "Where new bars meet old ones: how far both sides use the same notes.",
        "Swain and Ballard 1991",
    ),
    Metric(
        "density_step",
        seams.density_step,
        "doublings",
        -inf,
        inf,
        "There, too: how much busier it gets behind the bar line; 0 is no change.",
        OURS,
    ),
    Metric(
        "downbeat_alignment",
        seams.downbeat_alignment,
        "share",
        0,
        1,
        "There, too: how far both sides play in the same places of the bar.",
        OURS,
    ),
    Metric(
        "copied_ngram_rate",
        structure.copied_ngram_rate,
        "share",
        0,
        1,
        "How many four-note figures other pieces have as well: the prompt, or the music the "
        "model learned from.",
        OURS,
    ),
)
"""Of a piece against something: a request, a bar line, other pieces."""


SET_METRICS = (
    Metric(
        "overlap",
        distances.overlap,
        "share",
        0,
        1,
        "How much two histograms, such as of note lengths, lie over each other.",
        "Swain and Ballard 1991",
    ),
    Metric(
        "kl_divergence",
        distances.kl_divergence,
        "bits",
        0,
        inf,
        "How surprised somebody who knows the second histogram is by the first.",
        "Kullback and Leibler 1951",
    ),
    Metric(
        "set_overlap",
        distances.set_overlap,
        "share",
        0,
        1,
        "Whether new pieces differ from real ones as much as real ones differ from each "
        "other: 1 is just as much.",
        YANG_LERCH,
    ),
    Metric(
        "set_divergence",
        distances.set_divergence,
        "bits",
        0,
        inf,
        "The same comparison as a distance: 0 is just as much.",
        YANG_LERCH,
    ),
    Metric(
        "frechet_distance",
        distances.frechet_distance,
        "squared units of the vectors",
        0,
        inf,
        "How far apart two sets of pieces lie in what a model hears in them. Our own model's "
        "ears: for comparing, no figure in itself.",
        "Heusel et al. 2017",
    ),
)
"""Of two distributions or two sets of pieces."""

HISTOGRAMS: dict[str, Callable[[Score], NDArray[np.float64]]] = {
    "pitch": pitch.pitch_histogram,
    "pitch_class": pitch.pitch_class_histogram,
    "pitch_class_transitions": pitch.pitch_class_transitions,
    "duration": rhythm.duration_histogram,
    "inter_onset": rhythm.inter_onset_histogram,
}
"""Distributions of one piece: shares that sum to 1, or all 0 where there is nothing."""


def measure(score: Score) -> dict[str, float]:
    """Return the value of each of `PIECE_METRICS` by name; NaN where it is not defined.

    Raises:
        ScoreError: If the score has too many bars.
    """
    return {metric.name: metric(score) for metric in PIECE_METRICS}


def measure_histograms(score: Score) -> dict[str, NDArray[np.float64]]:
    """Return each of `HISTOGRAMS` by name."""
    return {name: histogram(score) for name, histogram in HISTOGRAMS.items()}


def describe(metrics: Sequence[Metric]) -> str:
    """Return the table of some metrics in Markdown, a line each."""
    rows = [
        f"| `{metric.name}` | {metric.unit} | {_range(metric)} | {metric.tells} "
        f"| {metric.source} |"
        for metric in metrics
    ]
    return "\n".join(
        [
            "| name | unit | range | what it tells | source |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _range(metric: Metric) -> str:
    low = "any" if metric.low == -inf else f"{metric.low:.3g}"
    if metric.high == inf:
        return low if metric.low == -inf else f"from {low}"
    return f"{low} to {metric.high:.3g}"
