"""Was it done as asked? Golden values by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sideman.evaluate.adherence import (
    control_error,
    control_match,
    exact_bars,
    in_key_rate,
    key_match,
    tempo_error,
)
from sideman.score.types import TEMPO_DTYPE, table
from sideman.tokens.codec import CONTROLS_DTYPE
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import to_grid

A_MINOR_TUNE = [57, 60, 64, 60, 62, 59, 56, 57]


def tune(piece, pitches=A_MINOR_TUNE):
    return piece(*((beat, 1, pitch, 0) for beat, pitch in enumerate(pitches)))


def test_notes_in_the_scale_that_was_asked_for(piece):
    """G sharp is not in natural minor; of C minor only C, D and G are there."""
    assert in_key_rate(tune(piece), 9, is_minor=True) == 7 / 8
    assert in_key_rate(tune(piece), 0, is_minor=True) == 4 / 8


def test_the_key_heard_is_the_one_asked_for(piece):
    """Both tonic and mode count."""
    assert key_match(tune(piece), 9, is_minor=True) == 1
    assert key_match(tune(piece), 9, is_minor=False) == 0
    assert key_match(tune(piece), 0, is_minor=False) == 0


@pytest.mark.parametrize(
    ("tempos", "asked", "error"),
    [
        ([], 120, 0),  # a score that says nothing is at 120
        ([(0, 90.0)], 120, 0.25),
        ([(0, 150.0)], 120, 0.25),
        ([(0, 60.0), (96, 120.0)], 80, 0),  # four seconds and two: 8 quarters in 6 s
    ],
)
def test_tempo_beside_the_one_asked_for(piece, tempos, asked, error):
    """Golden values, by hand, of eight quarters."""
    score = replace(tune(piece), tempos=table(TEMPO_DTYPE, tempos))
    assert tempo_error(score, asked) == pytest.approx(error)


@pytest.mark.parametrize(("n_bars", "is_exact"), [(1, 0), (2, 1), (3, 0)])
def test_as_many_bars_as_asked(piece, n_bars, is_exact):
    """The last note may ring on behind the second bar."""
    assert exact_bars(piece((0, 1, 60, 0), (7, 9, 60, 0)), n_bars) == is_exact


def test_what_was_measured_is_what_was_asked(piece):
    """A request that says what is there is met in full."""
    score = tune(piece)
    asked = measure_controls(to_grid(score)[0])
    assert control_match(score, asked) == 1
    assert control_error(score, asked) == 0


def test_wishes_that_are_missed(piece):
    """Two of four are; the levels by two and by one. What is unspecified asks nothing."""
    score = tune(piece)
    asked = measure_controls(to_grid(score)[0])[:1]
    asked["density"] += 2
    asked["register"] -= 1
    assert control_match(score, asked) == 0.5
    assert control_error(score, asked) == 1
    asked["density"] = 0
    assert control_match(score, asked) == pytest.approx(2 / 3)
    assert control_error(score, asked) == 0.5


def test_nothing_asked_is_neither_met_nor_missed(piece):
    """No value is better than a wrong one."""
    nothing = np.zeros(1, CONTROLS_DTYPE)
    assert np.isnan(control_match(tune(piece), nothing))
    assert np.isnan(control_error(tune(piece), nothing))


def test_silence_has_no_key_tempo_or_bars(piece):
    """Nor have drums a key."""
    silence, drums = piece(), piece((0, 1, 36, 2))
    assert np.isnan(
        [
            in_key_rate(drums, 0, is_minor=False),
            key_match(drums, 0, is_minor=False),
            tempo_error(silence, 120),
            exact_bars(silence, 1),
        ]
    ).all()
