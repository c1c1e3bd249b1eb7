"""Tempo by tapping."""

import pytest

from sideman.live.tap import TapTempo


def tapped(*times_s):
    """What the last of some taps says."""
    taps = TapTempo()
    return [taps.tap(time_s) for time_s in times_s][-1]


def test_one_tap_is_no_tempo():
    """There is no interval yet."""
    assert tapped(3.0) is None


def test_one_bad_tap_changes_nothing():
    """The median holds against a tap that comes late."""
    assert tapped(0.0, 0.6, 1.2, 1.95, 2.4, 3.0) == pytest.approx(100.0)


def test_a_pause_begins_another_tempo():
    """Nobody wants the mean of two songs."""
    taps = TapTempo()
    for time_s in (0.0, 0.5, 1.0):
        taps.tap(time_s)
    assert taps.tap(60.0) is None
    assert taps.tap(60.75) == pytest.approx(80.0)


def test_a_tempo_that_changes_is_followed():
    """Old taps are forgotten."""
    taps = [index * 0.5 for index in range(20)]
    taps += [taps[-1] + index * 0.4 for index in range(1, 9)]
    assert tapped(*taps) == pytest.approx(150.0)


def test_a_bounce_is_one_tap():
    """Pads and space bars send two now and then."""
    assert tapped(0.0, 0.02, 0.5, 0.51, 1.0) == pytest.approx(120.0)
