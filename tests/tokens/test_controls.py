"""Controls and layouts: what parts are told to be, and what is given in which task."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.score.types import Part
from sideman.tokens.codec import AT_HEAD, PLAIN
from sideman.tokens.controls import DENSITY_STEPS, measure_controls
from sideman.tokens.grid import onsets, to_grid
from sideman.tokens.layouts import (
    accompany_ahead,
    chart_ahead,
    continue_ahead,
    infill_ahead,
    vary_ahead,
)
from sideman.tokens.vocabulary import (
    DURATION_TICKS,
    LARGEST_VALUES,
    UNSPECIFIED,
    Kind,
    Role,
)

N_BARS = 4

BASS = [(beat * 24, 20, 36 + beat % 3, 90) for beat in range(4 * N_BARS)]
CHORDS = [(bar * 96, 96, pitch, 70) for bar in range(N_BARS) for pitch in (60, 64, 67)]
MELODY = [(eighth * 12, 12, 72 + eighth % 5, 100) for eighth in range(8 * N_BARS)]
COUNTER = [(half * 48, 40, 62, 80) for half in range(2 * N_BARS)]
DRUMS = [(eighth * 12, 3, 42, 90) for eighth in range(8 * N_BARS)]


@pytest.fixture
def band(make_score):
    """Return a function that makes a grid of lines; the drums are named."""

    def make(*lines):
        notes = [(*note, part) for part, line in enumerate(lines) for note in line]
        parts = [Part(is_drum=line is DRUMS) for line in lines]
        return to_grid(make_score(notes, parts))[0]

    return make


def test_a_band_is_told_by_what_it_plays(band):
    """Roles come from the notes, never from names or programs."""
    rows = measure_controls(band(BASS, CHORDS, MELODY, COUNTER, DRUMS, []))

    assert rows["bar"].tolist() == [AT_HEAD] * 6
    assert rows["part"].tolist() == [0, 1, 2, 3, 4, 5]
    assert rows["role"].tolist() == [
        Role.BASS,
        Role.CHORDS,
        Role.MELODY,
        Role.COUNTER,
        Role.DRUMS,
        Role.UNSPECIFIED,
    ]
    # notes a quarter: 1, 0.75, 2, 0.5, 2, none
    assert rows["density"].tolist() == [5, 4, 6, 4, 6, UNSPECIFIED]
    assert rows["polyphony"].tolist() == [1, 5, 1, 1, 1, UNSPECIFIED]
    # octaves of the mean pitches 37, 64, 74, 62
    assert rows["register"].tolist() == [4, 6, 7, 6, UNSPECIFIED, UNSPECIFIED]


@pytest.mark.parametrize(
    ("lines", "roles"),
    [
        ([MELODY], [Role.MELODY]),
        ([BASS], [Role.BASS]),
        ([CHORDS], [Role.CHORDS]),
        ([DRUMS, []], [Role.DRUMS, Role.UNSPECIFIED]),
        ([COUNTER, COUNTER], [Role.MELODY, Role.COUNTER]),
        ([], []),
    ],
)
def test_small_bands_have_roles_too(band, lines, roles):
    """The highest line that is neither chords nor bass is the melody, however low."""
    assert measure_controls(band(*lines))["role"].tolist() == roles


def test_silent_drums_are_still_drums(make_score):
    """A part without notes gets nothing but that."""
    grid, _ = to_grid(make_score([], [Part(is_drum=True)]))

    assert measure_controls(grid).tolist() == [(AT_HEAD, 0, Role.DRUMS, 0, 0, 0)]


@pytest.mark.parametrize(
    ("n_notes", "level"), [(1, 1), (2, 2), (4, 3), (16, 5), (64, 8), (96, 9)]
)
def test_density_is_in_notes_a_quarter(make_score, n_notes, level):
    """Each level begins at its step: 2 at one note in eight quarters."""
    notes = [(index * 384 // n_notes, 1, 60, 64, 0) for index in range(n_notes)]
    grid, _ = to_grid(make_score(notes), n_bars=4)

    assert measure_controls(grid)["density"].tolist() == [level]
    assert level == 1 + np.searchsorted(DENSITY_STEPS, n_notes / 16, side="right")


@given(data=st.data())
def test_controls_fit_the_vocabulary(scores_st, data):
    """Whatever is played, its levels are values the model knows."""
    grid, _ = to_grid(data.draw(scores_st))

    rows = measure_controls(grid)

    for column, name in enumerate(("role", "density", "polyphony", "register"), start=3):
        assert (rows[name] <= LARGEST_VALUES[Kind.PART, column]).all()
    assert (rows["density"][np.unique(grid.notes["part"])] > 0).all()


@given(data=st.data())
def test_polyphony_is_what_sounds_while_anything_does(scores_st, data):
    """Counted tick by tick: note-ticks over ticks that are not silent."""
    grid, _ = to_grid(data.draw(scores_st))
    steps = (1.15, 1.6, 2.2, 3.0, 4.0, 6.0)
    onset = onsets(grid, grid.notes, grid.bar_starts())
    end = onset + DURATION_TICKS[grid.notes["duration"]]

    levels = measure_controls(grid)["polyphony"]

    for part in np.unique(grid.notes["part"]):
        is_part = grid.notes["part"] == part
        sounding = np.zeros(int(end.max()), np.int64)
        for first, last in zip(onset[is_part], end[is_part], strict=True):
            sounding[first:last] += 1
        mean = sounding.sum() / (sounding > 0).sum()
        assert levels[part] == 1 + np.searchsorted(steps, mean, side="right")


# --------------------------------------------------------------------- layouts


def test_nothing_is_given_when_a_piece_goes_on(band):
    """The past is context; a chart stands in its bars by itself."""
    grid = band(BASS, MELODY)

    for ahead in (continue_ahead(grid), chart_ahead(grid)):
        assert ahead.shape == (len(grid.notes),)
        assert (ahead == PLAIN).all()


@pytest.mark.parametrize(
    ("parts", "part", "bars_given"),
    [([1], 0, [1, 2, 3]), ([1], 1, [3]), ([0, 1], 0, [3]), ([], 1, [1, 2, 3])],
)
def test_infill_gives_the_future_and_the_other_parts(band, parts, part, bars_given):
    """Bars 1 and 2 of some parts are written; the past stays plain."""
    grid = band(BASS, MELODY)

    ahead = infill_ahead(grid, first_bar=1, end_bar=3, parts=np.array(parts), lookahead=2)

    notes = grid.notes["bar"][(ahead == 2) & (grid.notes["part"] == part)]
    assert sorted(set(notes.tolist())) == bars_given
    assert set(ahead.tolist()) <= {PLAIN, 2}


def test_accompanying_gives_some_parts_throughout(band):
    """And nothing of the others."""
    grid = band(BASS, CHORDS, MELODY)

    ahead = accompany_ahead(grid, given_parts=np.array([2]), lookahead=4)

    assert ((ahead == 4) == (grid.notes["part"] == 2)).all()
    assert set(ahead.tolist()) == {PLAIN, 4}


def test_varying_gives_the_locked_notes(band):
    """The mask goes note by note."""
    grid = band(BASS)
    locked = np.arange(len(grid.notes)) % 3 == 0

    ahead = vary_ahead(grid, locked=locked, lookahead=0)

    assert ((ahead == 0) == locked).all()
    assert set(ahead.tolist()) == {PLAIN, 0}


def test_locks_of_another_piece_are_refused(band):
    """A mask of the wrong length is a mistake, not a wish."""
    with pytest.raises(ValueError, match="shape"):
        vary_ahead(band(BASS), locked=np.ones(3, bool), lookahead=0)
