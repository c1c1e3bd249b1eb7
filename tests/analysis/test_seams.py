"""Seams: what goes on across a bar line."""

from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.analysis.seams import (
    density_step,
    downbeat_alignment,
    measure_seam,
    pitch_class_overlap,
)
from sideman.errors import ScoreError
from sideman.score.time import resample
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table

QUARTER, BAR = 24, 96
PIANO, DRUMS = Part(0), Part(0, is_drum=True)
C, E, G, A = 60, 64, 67, 69


def score_of(*bars, parts=(PIANO,), part=0, length=QUARTER):
    """Return a score of bars in 4/4; each holds (onset in quarters, pitch) of its notes."""
    rows = [
        (BAR * number + round(QUARTER * onset), length, pitch, 80, part)
        for number, bar in enumerate(bars)
        for onset, pitch in bar
    ]
    rows.append((BAR * len(bars) - 1, 1, 35, 80, len(parts)))
    return Score(table(NOTE_DTYPE, rows), (*parts, DRUMS))


def beats(*pitches, late=0.0):
    return [(beat + late, pitch) for beat, pitch in enumerate(pitches)]


FOUR = beats(C, E, G, C)


@pytest.mark.parametrize(
    ("before", "behind", "overlap"),
    [
        (FOUR, FOUR, 1),
        (FOUR, beats(C, C, G + 12, E - 12), 1),  # octaves and order do not count
        (FOUR, beats(C, E, A, C), 0.75),
        (beats(C, C, E, E), beats(E, E, E, G), 0.5),
        (FOUR, beats(61, 63, 66, 68), 0),
        (FOUR, [], None),
        ([], FOUR, None),
    ],
)
def test_pitch_classes_in_common(before, behind, overlap):
    """Golden values, by hand."""
    assert pitch_class_overlap(score_of(before, behind), 1, side_bars=1) == overlap


def test_a_pitch_class_counts_as_long_as_it_sounds_on_each_side():
    """A pedal over the line joins both sides."""
    score = score_of([(3, C)], [(2, E)], length=3 * QUARTER)
    assert pitch_class_overlap(score, 1, side_bars=1) == pytest.approx(0.5)


def test_drums_have_no_pitch_classes():
    """Their pitches are names of instruments."""
    score = score_of(FOUR, FOUR, parts=(DRUMS,))
    assert pitch_class_overlap(score, 1, side_bars=1) is None


@pytest.mark.parametrize(
    ("n_before", "n_behind", "step"),
    [(3, 3, 0), (3, 7, 1), (7, 1, -2), (0, 1, 1), (0, 0, 0)],
)
def test_density_in_doublings(n_before, n_behind, step):
    """Golden values: one is added to each side; the score's last bar has a note for its end."""
    bars = [[(beat / 4, C) for beat in range(n)] for n in (n_before, n_behind)]
    assert density_step(score_of(*bars, []), 1, side_bars=1) == step


def test_density_is_that_of_a_quarter_where_bars_differ():
    """A bar of 2/4 with half the notes of one in 4/4 is as dense."""
    score = score_of(beats(C, C, C), [(0, C)], [])
    metres = table(TIME_SIGNATURE_DTYPE, [(0, 4, 4), (BAR, 2, 4), (BAR + BAR // 2, 4, 4)])
    assert density_step(replace(score, time_signatures=metres), 1, side_bars=1) == 0


@pytest.mark.parametrize(
    ("before", "behind", "aligned"),
    [
        (FOUR, FOUR, 1),
        (FOUR, beats(A, A, A, A), 1),
        (FOUR, beats(C, E, G, C, late=0.5), 0),
        (FOUR, beats(C, E, G, late=1), 0.75),
        (FOUR, beats(C, E, G, C, late=0.04), 1),  # as people play
        (FOUR, [(0, C)], 0.25),
        (FOUR, [], None),
    ],
)
def test_places_in_the_bar_in_common(before, behind, aligned):
    """Golden values, by hand."""
    assert downbeat_alignment(score_of(before, behind, []), 1, side_bars=1) == aligned


def test_an_onset_just_before_the_line_is_on_the_downbeat():
    """Else playing ahead of the beat would look like another rhythm."""
    score = score_of([(0, C)], [(0, C)], [(0, C)], [])
    score.notes["onset"][2] -= 1
    assert downbeat_alignment(score, 1, side_bars=1) == 1


some_bars = st.lists(
    st.lists(
        st.tuples(st.integers(0, 15).map(lambda n: n / 4), st.integers(40, 80)), max_size=6
    ),
    min_size=4,
    max_size=6,
)


@given(some_bars)
def test_measures_stay_in_their_range_and_do_not_depend_on_resolution(bars):
    """Figures of files with any division can be compared."""
    score = score_of(*bars)
    seam = measure_seam(score, 2)
    for share in (seam.pitch_class_overlap, seam.downbeat_alignment):
        assert share is None or -1e-9 <= share <= 1 + 1e-9
    finer = measure_seam(resample(score, 480), 2)
    for value, other in zip(astuple(seam), astuple(finer), strict=True):
        assert value is other is None or value == pytest.approx(other)


@given(some_bars, st.integers(-12, 12))
def test_transposing_changes_nothing(bars, semitones):
    """What is compared is one side with the other."""
    moved = [[(onset, pitch + semitones) for onset, pitch in bar] for bar in bars]
    one, other = (measure_seam(score_of(*each), 2) for each in (bars, moved))
    for value, same in zip(astuple(one), astuple(other), strict=True):
        assert value is same is None or np.isclose(value, same)


@pytest.mark.parametrize("bar", [0, 1, 3, 9])
def test_a_line_with_too_little_beside_it_is_refused(bar):
    """The message names the bar as people count it."""
    score = score_of(FOUR, FOUR, FOUR, FOUR)
    with pytest.raises(
        ScoreError, match=f"line of bar {bar + 1} are asked for; the piece has 4"
    ):
        measure_seam(score, bar)
