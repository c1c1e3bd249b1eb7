"""When, how long and how many: golden values by hand."""

import numpy as np
import pytest

from sideman.evaluate.rhythm import (
    LENGTHS,
    downbeat_rate,
    duration_histogram,
    empty_bar_rate,
    groove_consistency,
    inter_onset_histogram,
    mean_duration,
    mean_inter_onset,
    note_density,
    polyphony,
)
from sideman.score.types import TIME_SIGNATURE_DTYPE, table

C, E, G = 60, 64, 67


def lengths_of(histogram):
    return {float(LENGTHS[kind]): histogram[kind] for kind in np.flatnonzero(histogram)}


def test_density_counts_all_notes_over_all_bars(piece):
    """Three notes, one of them a drum, in two bars of four quarters."""
    assert note_density(piece((0, 1, C, 0), (0, 1, 36, 2), (7, 1, C, 0))) == 3 / 8


@pytest.mark.parametrize(
    ("rows", "rate"),
    [
        ([(0, 1, C, 0)], 0),
        ([(12, 1, C, 0)], 3 / 4),
        ([(0, 8, C, 0), (12, 1, C, 0)], 1 / 4),  # held on; ends on the line of the third bar
        ([(0, 9, C, 0), (12, 1, C, 0)], 0),
        ([(0, 1, C, 0), (8, 1, 36, 2)], 1 / 3),
    ],
)
def test_bars_in_which_nothing_sounds(piece, rows, rate):
    """Golden values, by hand."""
    assert empty_bar_rate(piece(*rows)) == rate


@pytest.mark.parametrize(
    ("rows", "voices"),
    [
        ([(0, 1, C, 0), (2, 1, E, 0)], 1),  # silence does not count
        ([(0, 2, C, 0), (0, 2, E, 0)], 2),
        ([(0, 2, C, 0), (1, 2, E, 0)], 4 / 3),
        ([(0, 2, C, 0), (0, 2, C, 1)], 1),  # a unison is one pitch
        ([(0, 2, C, 0), (1, 2, C, 1)], 1),
        ([(0, 4, C, 0), (1, 1, E, 0), (3, 1, G, 0)], 6 / 4),
        ([(0, 1, C, 0), (0, 1, 36, 2)], 1),
        ([(0, 1, 0, 0), (0, 1, 127, 0)], 2),
    ],
)
def test_pitches_that_sound_at_once(piece, rows, voices):
    """Golden values, by hand."""
    assert polyphony(piece(*rows)) == pytest.approx(voices)


@pytest.mark.parametrize(
    ("names", "consistency"),
    [
        (("cdef", "gggg"), 1),  # pitches do not count
        (("c-c-", "-c-c"), 1 - 4 / 48),
        (("cccc", "c---", "cccc"), 1 - 3 / 48),
        (("cccc", "----", "---c"), 1 - (4 + 1) / 2 / 48),
    ],
)
def test_rhythms_of_successive_bars(bars, names, consistency):
    """Golden values, by hand: 48 places in a bar."""
    assert groove_consistency(bars(*names)) == pytest.approx(consistency)


def test_bars_of_other_lengths_are_not_compared(piece):
    """A bar of three quarters has no place for the fourth."""
    score = piece((0, 1, C, 0), (4, 1, C, 0), (8, 1, C, 0))
    changes = table(TIME_SIGNATURE_DTYPE, [(0, 4, 4), (96, 3, 4)])
    in_three = type(score)(score.notes, score.parts, time_signatures=changes)
    assert groove_consistency(in_three) == pytest.approx(1 - 2 / 36)


@pytest.mark.parametrize(
    ("names", "rate"), [(("cdef", "c---"), 1), (("-def", "c---"), 0.5), (("-c--", "----"), 0)]
)
def test_bars_that_begin_on_the_one(bars, names, rate):
    """Golden values, by hand: bars without notes do not count."""
    assert downbeat_rate(bars(*names)) == rate


def test_a_hair_beside_the_line_is_on_it(piece):
    """Played music is never on the tick."""
    assert downbeat_rate(piece((0, 1, C, 0), (4 - 1 / 24, 1, C, 0))) == 1


def test_times_between_onsets_are_those_of_each_part(piece):
    """A chord is one onset; what another part does between does not count."""
    score = piece(
        (0, 1, C, 0), (0, 1, E, 0), (1, 1, C, 0), (3, 1, C, 0), (0.5, 1, C, 1), (0, 1, 36, 2)
    )
    assert mean_inter_onset(score) == 1.5
    assert lengths_of(inter_onset_histogram(score)) == {1: 0.5, 2: 0.5}


def test_lengths_of_notes(piece):
    """A dotted quarter is between a quarter and a half; extremes go to the ends."""
    score = piece((0, 1, C, 0), (1, 1.5, C, 0), (3, 99, C, 0), (2, 1 / 24, E, 0), (0, 9, 36, 2))
    assert mean_duration(score) == pytest.approx((1 + 1.5 + 99 + 1 / 24) / 4)
    assert list(lengths_of(duration_histogram(score))) == pytest.approx([1 / 16, 1, 2**0.5, 16])
