"""Which notes: golden values by hand."""

import numpy as np
import pytest

from sideman.evaluate.pitch import (
    chord_tone_ratio,
    pitch_class_entropy,
    pitch_class_histogram,
    pitch_class_transitions,
    pitch_histogram,
    pitch_range,
    scale_consistency,
)
from sideman.score.harmony import NO_CHORD
from sideman.score.types import CHORD_DTYPE, table

CHROMATIC = tuple((beat, 1, 60 + beat, 0) for beat in range(12))


@pytest.mark.parametrize(
    ("rows", "bits"),
    [
        ([(0, 1, 60, 0)], 0),
        ([(0, 1, 60, 0), (1, 1, 72, 1)], 0),  # octaves are one pitch class
        ([(0, 1, 60, 0), (1, 9, 64, 0)], 1),  # lengths do not count
        ([(0, 1, 60, 0), (1, 1, 64, 0), (2, 1, 60, 0), (3, 1, 67, 0)], 1.5),
        (CHROMATIC, np.log2(12)),
        ([(0, 1, 60, 0), (0, 1, 38, 2)], 0),  # drums do not count
    ],
)
def test_entropy_of_pitch_classes(piece, rows, bits):
    """Golden values, by hand."""
    assert pitch_class_entropy(piece(*rows)) == pytest.approx(bits)


@pytest.mark.parametrize(
    ("pitches", "share"),
    [
        ([60, 62, 64, 65, 67, 69, 71], 1),  # C major
        ([57, 59, 60, 62, 64, 65, 67], 1),  # A minor
        (range(60, 72), 7 / 12),
        ([60, 60, 60, 61, 62], 4 / 5),
    ],
)
def test_the_best_scale(piece, pitches, share):
    """Golden values, by hand."""
    score = piece(*((beat, 1, pitch, 0) for beat, pitch in enumerate(pitches)))
    assert scale_consistency(score) == pytest.approx(share)


def test_range_is_from_the_lowest_to_the_highest_of_all_parts_but_drums(piece):
    """A cymbal is no high note."""
    assert pitch_range(piece((0, 1, 40, 1), (0, 1, 64, 0), (0, 1, 81, 2))) == 24
    assert pitch_range(piece((0, 1, 40, 1))) == 0


def test_histograms_are_shares_of_notes(piece):
    """A note counts once in each part that plays it."""
    score = piece((0, 1, 60, 0), (0, 4, 60, 1), (1, 1, 61, 0), (2, 1, 72, 0))
    assert pitch_histogram(score)[[60, 61, 72]].tolist() == [0.5, 0.25, 0.25]
    assert pitch_class_histogram(score)[:2].tolist() == [0.75, 0.25]


def test_transitions_follow_the_top_line_of_each_part(piece):
    """Neither the notes of a chord nor those of two parts follow one another."""
    score = piece(
        (0, 1, 60, 0), (0, 1, 64, 0), (1, 1, 65, 0), (2, 1, 64, 0), (0, 1, 36, 1), (3, 1, 43, 1)
    )
    moves = pitch_class_transitions(score)
    assert {(a, b): moves[a, b] for a, b in np.argwhere(moves).tolist()} == {
        (4, 5): pytest.approx(1 / 3),
        (5, 4): pytest.approx(1 / 3),
        (0, 7): pytest.approx(1 / 3),
    }


def test_chord_tones_of_a_chart(piece):
    """C major, then nothing, then G7/D; before the first chord no note counts."""
    chart = table(CHORD_DTYPE, [(24, 0, 0, 0), (96, NO_CHORD, 0, 0), (120, 7, 4, 7)])
    at = [(0, 61), (1, 64), (2, 65), (4, 61), (5, 65), (6, 62), (7, 60)]
    score = piece(*((onset, 1, pitch, 0) for onset, pitch in at))
    assert chord_tone_ratio(score, chart) == pytest.approx(3 / 5)


def test_chords_are_heard_where_none_are_given(piece):
    """Two bars of C major, in which one note of seven passes."""
    chord = [(start, 4, pitch, 1) for start in (0, 4) for pitch in (48, 52, 55)]
    assert chord_tone_ratio(piece(*chord, (1, 0.5, 62, 0))) == pytest.approx(6 / 7)


def test_a_chart_without_chords_says_nothing(piece):
    """No value is better than a wrong one."""
    assert np.isnan(chord_tone_ratio(piece((0, 1, 60, 0)), table(CHORD_DTYPE)))
