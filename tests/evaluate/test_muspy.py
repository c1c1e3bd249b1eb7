"""Our figures beside those of MusPy 0.5.0, where both mean the same.

MusPy brings music21, matplotlib and more, half a gigabyte, so its figures of fixed pieces are
written down here; where it is installed, they are computed again.
"""

import math

import numpy as np
import pytest

from sideman.evaluate import pitch, rhythm
from sideman.score.types import NOTE_DTYPE, Part, Score, table

TPQ, BAR = 12, 48
"""Resolution at which groove consistency is measured on either side."""

FIGURES = {
    "pitch_class_entropy": pitch.pitch_class_entropy,
    "scale_consistency": pitch.scale_consistency,
    "pitch_range": pitch.pitch_range,
    "polyphony": rhythm.polyphony,
    "empty_bar_rate": rhythm.empty_bar_rate,
    "groove_consistency": rhythm.groove_consistency,
}

PARTS = (Part(0), Part(33), Part(0, is_drum=True))

RECORDED = {
    1: (3.11388583, 0.736842105, 57, 2.34444444, 0, 0.815972222),
    2: (3.45491063, 0.694444444, 59, 3.58866995, 0.230769231, 0.743055556),
    3: (3.43096405, 0.694444444, 58, 4.01675978, 0.25, 0.763257576),
    4: (3.44130409, 0.672727273, 59, 3.15497076, 0.166666667, 0.759469697),
    5: (3.52932109, 0.630769231, 59, 3.05596107, 0.0833333333, 0.753787879),
}
"""What MusPy 0.5.0 says of each piece, in the order of `FIGURES`."""


def made(seed):
    """Return rows of a piece: onset, duration, pitch, velocity, part.

    No note ends on a bar line: there MusPy counts the next bar as not empty, and one bar more
    at the end of the piece.
    """
    rng = np.random.default_rng(seed)
    n_notes = int(rng.integers(20, 120))
    bars = rng.choice(12, size=7, replace=False)  # some stay empty
    onset = rng.choice(bars, n_notes) * BAR + rng.integers(0, BAR, n_notes)
    duration = rng.integers(1, 40, n_notes)
    duration += (onset + duration) % BAR == 0
    pitches, parts = rng.integers(30, 90, n_notes), rng.integers(0, 3, n_notes)
    columns = (onset, duration, pitches, np.full(n_notes, 80), parts)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def score_of(seed):
    return Score(table(NOTE_DTYPE, made(seed)), PARTS, tpq=TPQ)


@pytest.mark.parametrize("seed", RECORDED)
def test_figures_are_those_that_muspy_gives(seed):
    """Two implementations that know nothing of each other."""
    score = score_of(seed)
    ours = [figure(score) for figure in FIGURES.values()]
    assert ours == pytest.approx(RECORDED[seed])


def muspy_figures(muspy, seed):
    """Return what MusPy says of a piece, in the order of `FIGURES`."""
    tracks = [muspy.Track(program=part.program, is_drum=part.is_drum) for part in PARTS]
    for onset, duration, pitch_, velocity, part in made(seed):
        tracks[part].notes.append(muspy.Note(onset, pitch_, duration, velocity))
    music = muspy.Music(resolution=TPQ, tracks=tracks)
    return [
        muspy.pitch_class_entropy(music),
        muspy.scale_consistency(music),
        muspy.pitch_range(music),
        muspy.polyphony(music),
        muspy.empty_measure_rate(music, BAR),
        muspy.groove_consistency(music, BAR),
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # its packages use what newer ones have given up
@pytest.mark.parametrize("seed", RECORDED)
def test_what_is_recorded_is_what_muspy_says(seed):
    """Runs where `pip install muspy` was."""
    muspy = pytest.importorskip("muspy")
    assert muspy_figures(muspy, seed) == pytest.approx(RECORDED[seed])
    assert not any(map(math.isnan, RECORDED[seed]))
