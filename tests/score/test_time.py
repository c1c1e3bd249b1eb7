"""Bar lines, seconds and resolutions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import ScoreError
from sideman.score.time import (
    MAX_BARS,
    bar_length,
    bar_starts,
    metre_spans,
    resample,
    ticks_to_seconds,
)
from sideman.score.types import (
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)


def score(*, end=1, tpq=24, tempos=(), metres=()):
    """Return a score whose only note ends at `end`."""
    return Score(
        table(NOTE_DTYPE, [(0, end, 60, 64, 0)]),
        (Part(),),
        tpq=tpq,
        tempos=table(TEMPO_DTYPE, tempos),
        time_signatures=table(TIME_SIGNATURE_DTYPE, metres),
    )


metres_st = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(1, 15), st.sampled_from([1, 2, 4, 8, 16, 32])),
    max_size=5,
)
tempos_st = st.lists(st.tuples(st.integers(0, 2000), st.floats(5, 500)), max_size=5)


@pytest.mark.parametrize(
    ("numerator", "denominator", "tpq", "ticks"),
    [
        (4, 4, 24, 96),
        (3, 4, 24, 72),
        (7, 8, 24, 84),
        (5, 16, 24, 30),
        (2, 2, 480, 1920),
        (1, 64, 1, 1),  # finer than a tick: still a bar
    ],
)
def test_bar_lasts_numerator_times_denominator(numerator, denominator, tpq, ticks):
    """A quarter is tpq ticks, so a whole note four times that."""
    assert bar_length(numerator, denominator, tpq) == ticks


@pytest.mark.parametrize(
    ("end", "metres", "starts"),
    [
        pytest.param(1, [], [0, 96], id="no metre is 4/4, and one note is one bar"),
        pytest.param(96, [], [0, 96], id="a note that ends on the bar line needs no new bar"),
        pytest.param(97, [], [0, 96, 192], id="a note across the bar line does"),
        pytest.param(140, [(0, 3, 4)], [0, 72, 144], id="waltz"),
        pytest.param(168, [(0, 7, 8)], [0, 84, 168], id="seven eighths"),
        pytest.param(120, [(0, 1, 4), (24, 4, 4)], [0, 24, 120], id="pick-up of a quarter"),
        pytest.param(246, [(150, 3, 4)], [0, 96, 150, 222, 294], id="metre cuts a bar short"),
        pytest.param(96, [(0, 4, 4), (48, 4, 4)], [0, 96], id="the same metre again: no bar"),
        pytest.param(1, [(0, 4, 4), (0, 3, 4)], [0, 72], id="two at one tick: the last counts"),
        pytest.param(1, [(96, 3, 4)], [0, 96, 168], id="a metre after the end still counts"),
    ],
)
def test_bars_start_where_a_musician_would_draw_them(end, metres, starts):
    """24 ticks a quarter."""
    assert bar_starts(score(end=end, metres=metres)).tolist() == starts


@given(metres_st, st.integers(1, 3000))
def test_bars_tile_the_score(metres, end):
    """They begin at 0, each lasts, none is longer than its metre, and they reach the end."""
    piece = score(end=end, metres=metres)

    starts = bar_starts(piece)

    assert starts[0] == 0
    assert starts[-1] >= end
    assert (np.diff(starts) > 0).all()
    spans = metre_spans(piece)
    index = np.searchsorted(spans["onset"], starts[:-1], side="right") - 1
    full = bar_length(spans["numerator"], spans["denominator"], piece.tpq)[index]
    assert (np.diff(starts) <= full).all()
    assert np.isin(spans["onset"], starts).all()  # each change is a bar line


def test_endless_score_is_refused_with_its_number_of_bars():
    """One stray note far out must not fill the memory with bar lines."""
    with pytest.raises(ScoreError, match=f"the score has 10000000 bars; at most {MAX_BARS}"):
        bar_starts(score(end=960_000_000))


@pytest.mark.parametrize(
    ("tick", "second"),
    [
        (0, 0.0),
        (480, 0.5),  # a quarter at 120 bpm
        (960, 1.0),  # the change itself still belongs to the old tempo's end
        (1440, 2.0),  # a quarter at 60 bpm
    ],
)
def test_tempo_change_takes_effect_at_its_own_tick(tick, second):
    """120 bpm for two quarters, because nothing else is said; then 60 bpm."""
    piece = score(tpq=480, tempos=[(960, 60.0)])

    assert ticks_to_seconds(piece, [tick]) == pytest.approx([second])


def test_last_of_two_tempos_at_one_tick_counts():
    """Some files set 120 bpm and then at once the real tempo."""
    piece = score(tempos=[(0, 120.0), (0, 60.0)])

    assert ticks_to_seconds(piece, 24) == pytest.approx(1.0)


@given(tempos_st, st.lists(st.integers(0, 5000), min_size=2, max_size=9))
def test_later_ticks_are_later_seconds(tempos, ticks):
    """Time never runs backwards or stands still, whatever the tempos."""
    ticks = sorted(set(ticks))

    seconds = ticks_to_seconds(score(tempos=tempos), ticks)

    assert (np.diff(seconds) > 0).all()
    assert (seconds >= 0).all()


@given(tempos_st, metres_st, st.integers(1, 2000), st.integers(2, 9))
def test_finer_resolution_changes_neither_seconds_nor_bars(tempos, metres, end, factor):
    """Multiplying all ticks loses nothing, and coming back restores them."""
    piece = score(end=end, tempos=tempos, metres=metres)

    finer = resample(piece, piece.tpq * factor)

    assert ticks_to_seconds(finer, end * factor) == pytest.approx(ticks_to_seconds(piece, end))
    if all(24 * 4 * numerator % denominator == 0 for _, numerator, denominator in metres):
        assert bar_starts(finer).tolist() == (bar_starts(piece) * factor).tolist()
    assert resample(finer, piece.tpq).notes.tolist() == piece.notes.tolist()


@pytest.mark.parametrize(("onset", "resampled"), [(10, 0), (30, 2), (50, 2), (70, 4), (29, 1)])
def test_half_ticks_round_to_the_even_one(onset, resampled):
    """480 to 24 ticks: 20 become one, so 10, 30, 50 and 70 are halves."""
    piece = Score(table(NOTE_DTYPE, [(onset, 1, 60, 64, 0)]), (Part(),), tpq=480)

    notes = resample(piece, 24).notes

    assert notes["onset"].tolist() == [resampled]
    assert notes["duration"].tolist() == [1]  # shorter than a tick, and still a note


def test_resolution_below_one_is_refused():
    """The message names the value and the rule."""
    with pytest.raises(ScoreError, match="tpq is 0; it must be at least 1"):
        resample(score(), 0)
