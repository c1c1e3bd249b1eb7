"""Quantised, performed to the file's beats, performed without."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.analysis.timing import attack_ticks, measure_timing
from sideman.score.types import NOTE_DTYPE, TEMPO_DTYPE, Part, Score, table

TPQ = 480


def piece(quarters, *, tpq=TPQ, bpm=120.0):
    """Return a score with a note at each place, rounded to ticks."""
    rows = [(round(quarter * tpq), max(tpq // 4, 1), 60, 64, 0) for quarter in quarters]
    tempos = table(TEMPO_DTYPE, [(0, bpm)])
    return Score(table(NOTE_DTYPE, rows), (Part(),), tpq, tempos=tempos)


SIXTEENTHS = np.arange(0, 64, 0.25)
TRIPLETS = np.arange(0, 64, 1 / 3)
SWING = np.sort(np.concatenate([np.arange(64.0), np.arange(64) + 0.6]))


@pytest.mark.parametrize("places", [SIXTEENTHS, TRIPLETS, SWING])
@pytest.mark.parametrize("tpq", [96, 120, 480])
def test_what_repeats_exactly_is_quantised(places, tpq):
    """Triplets that do not divide the ticks, and swing that is no triplet, are written."""
    timing = measure_timing(piece(places, tpq=tpq))

    assert not timing.is_performed
    assert timing.offset_quarters == 0


@pytest.mark.parametrize("tpq", [96, 120, 480])
def test_a_tick_more_or_less_is_quantised(tpq):
    """Sloppy rounding of a sequencer is nobody's touch."""
    jitter = np.random.default_rng(1).integers(-1, 2, len(SIXTEENTHS)) / tpq

    assert not measure_timing(piece(SIXTEENTHS + 1 + jitter, tpq=tpq)).is_performed


@given(st.integers(0, 1000), st.floats(50, 200))
def test_two_milliseconds_of_jitter_are_quantised(seed, bpm):
    """A cable or a driver adds as much."""
    jitter = np.random.default_rng(seed).uniform(-0.002, 0.002, len(SIXTEENTHS)) * bpm / 60

    assert not measure_timing(piece(SIXTEENTHS + 1 + jitter, bpm=bpm)).is_performed


def test_a_human_at_a_click_performs_but_follows():
    """Such a file may be snapped to its own beats."""
    touch = np.random.default_rng(2).normal(0, 0.03, len(SIXTEENTHS))

    timing = measure_timing(piece(SIXTEENTHS + 1 + touch))

    assert timing.is_performed
    assert timing.follows_tempo > 0.5


def test_a_recital_at_another_tempo_does_not_follow():
    """Its own tempo map means nothing."""
    drift = np.cumsum(np.random.default_rng(3).normal(0.31, 0.02, 400))

    timing = measure_timing(piece(drift))

    assert timing.is_performed
    assert timing.follows_tempo < 0.15


@pytest.mark.parametrize("offset", [-0.09, -0.03, 0.05, 1 / 12, 0.11])
def test_a_grid_beside_the_grid_is_found(offset):
    """All of the piece is late by one amount: quantised, but not where the file says."""
    timing = measure_timing(piece(SIXTEENTHS + 1 + offset))

    assert not timing.is_performed
    assert timing.offset_quarters == pytest.approx(offset, abs=1 / TPQ)


def test_a_rolled_chord_is_one_attack():
    """Its later notes say nothing about the beat."""
    roll = np.array([0, 0.02, 0.04])
    score = piece((np.arange(32)[:, None] + roll).ravel())

    assert attack_ticks(score).tolist() == [TPQ * beat for beat in range(32)]
    assert measure_timing(score).deviation == 0


@pytest.mark.parametrize("places", [[], [0.3], [0.3] * 4])
def test_next_to_nothing_is_quantised(places):
    """There is no looseness in one attack."""
    timing = measure_timing(piece(places))

    assert not timing.is_performed
    assert timing.deviation == 0
