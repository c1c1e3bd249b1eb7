"""The comparison with REMI: both languages say the same, and all of it is paid for once."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table
from sideman.tokens.codec import encode
from sideman.tokens.grid import from_grid

pytest.importorskip("miditok")
pytest.importorskip("transformers")

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")  # scripts, no package
    import remi_music
    import remi_sides

FLUTE, DRUMS = Part(73), Part(25, is_drum=True)


def piece(n_bars, denominator=4, parts=(FLUTE, FLUTE, DRUMS)):
    """Return a piece with a note of every part on each beat, some lengths and velocities."""
    rows = [
        (24 * beat, 1 + 5 * beat % 200, 60 + part, 1 + 3 * beat % 127, part)
        for beat in range(4 * n_bars)
        for part in range(len(parts))
    ]
    metre = table(TIME_SIGNATURE_DTYPE, [(0, 4, denominator)])
    return Score(notes=table(NOTE_DTYPE, rows), parts=parts, time_signatures=metre)


def grid_of(score):
    return remi_music.plain(encode(score)[0])


def test_remi_gives_back_what_our_events_say():
    """Bits per note can only be compared if both streams say the same music."""
    remi, grid = remi_music.Remi(), grid_of(piece(n_bars=8))

    ids = remi.spell(grid)

    assert remi.says_all(grid, ids)
    assert remi.is_note[ids].sum() == len(grid.notes) == 3 * 4 * 8


def test_a_token_less_is_noticed():
    """Otherwise the check that both say the same would let everything pass."""
    remi, grid = remi_music.Remi(), grid_of(piece(n_bars=8))

    assert not remi.says_all(grid, remi.spell(grid)[:-5])


def test_parts_of_one_program_are_joined():
    """REMI tells parts by their programs only; nobody may pay for telling more."""
    grid = grid_of(piece(n_bars=2))

    assert from_grid(grid).parts == (FLUTE, Part(0, is_drum=True))


def test_a_piece_in_eighths_is_left_out():
    """There REMI's grid is another, so the two would not say the same."""
    assert grid_of(piece(n_bars=2, denominator=8)) is None


@pytest.mark.parametrize("fits_remi", [True, False])
def test_a_measured_stretch_fits_and_lies_inside(fits_remi):
    """What does not fit the context would be scored by another rule than the rest."""
    remi, grid = remi_music.Remi(), grid_of(piece(n_bars=40))
    rng = np.random.default_rng(0)

    for _ in range(5):
        stretch = remi_music.measured_stretch(grid, remi, rng, context=256, fits_remi=fits_remi)
        assert stretch is not None
        assert max(len(stretch.ids) + 1 if fits_remi else 0, len(stretch.events)) <= 256
        assert 32 <= stretch.n_notes <= len(grid.notes) * 38 / 40


def test_training_stretches_leave_no_note_out():
    """Both sides learn from the same notes."""
    remi, grid = remi_music.Remi(), grid_of(piece(n_bars=40))

    found = list(remi_music.training_stretches(grid, remi, remi.spell(grid), 200))

    assert sum(int(remi.is_note[ids].sum()) for ids in found) == len(grid.notes)
    assert all(len(ids) >= 200 for ids in found[:-1])


@given(length=st.integers(1, 500), context=st.integers(2, 100))
def test_sliding_windows_decide_each_token_once(length, context):
    """A token paid for twice, or never, would falsify the bits."""
    windows = remi_sides.sliding_windows(length, context)

    assert windows[0][1] == 0
    assert all(before[2] == after[1] for before, after in pairwise(windows))
    assert windows[-1][2] == length
    assert all(stop - first <= context for first, _, stop in windows)
