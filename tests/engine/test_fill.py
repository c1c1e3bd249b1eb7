"""Filling a hole: what is there stays, what comes fits in, and it always comes to an end."""

from dataclasses import replace

import numpy as np
import pytest

from sideman.engine.bounds import Bounds
from sideman.engine.fill import Hole, Wish, _sheet, fill
from sideman.engine.parts import PartWish
from sideman.errors import EngineError, PromptTooLong
from sideman.score.types import (
    NOTE_DTYPE,
    TIME_SIGNATURE_DTYPE,
    TPQ,
    Part,
    Score,
    table,
)
from sideman.tokens.codec import Layout, grid_to_events
from sideman.tokens.grammar import sentence_of
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import Extent, Kind, Role, Task

BAR = 4 * TPQ
PARTS = (Part(33), Part(0, is_drum=True), Part(0))


def piece(n_bars, *, per_bar=6, parts=PARTS, n_players=None):
    """Return a grid of so many bars; of the parts the first `n_players` play."""
    rng = np.random.default_rng(7)
    rows = {
        (
            bar * BAR + int(rng.integers(BAR)),
            12,
            int(rng.integers(36, 52)),
            40 + 4 * (note % 20),
            part,
        )
        for bar in range(n_bars)
        for note in range(per_bar)
        for part in [note % (n_players or len(parts))]
    }
    score = Score(
        notes=table(NOTE_DTYPE, sorted(rows)),
        parts=parts,
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 4, 4)]),
    )
    grid, _ = to_grid(score, n_bars=n_bars)
    return grid


def emptied(grid, first, end, parts):
    """Return a grid without the notes of a hole."""
    is_inside = (grid.notes["bar"] >= first) & (grid.notes["bar"] < end)
    return replace(grid, notes=grid.notes[~(is_inside & np.isin(grid.notes["part"], parts))])


def filled(bundle, first, end, *, n_bars=6, parts=(0, 1, 2), task=Task.INFILL, **wish):
    grid = emptied(piece(n_bars), first, end, parts)
    drafts = fill(grid, Hole(first, end, parts, task), bundle, Wish(threads=1, **wish))
    return grid, drafts


@pytest.mark.parametrize(("first", "end"), [(0, 2), (2, 4), (4, 6), (0, 6)])
def test_a_hole_is_filled_wherever_it_lies(bundle, first, end):
    """At the beginning, in the middle, at the end, or everywhere: new notes lie in it alone."""
    grid, drafts = filled(bundle, first, end, n_takes=3)

    for draft in drafts:
        assert draft.next_bar == end
        assert len(draft.notes) > 0
        assert ((draft.notes["bar"] >= first) & (draft.notes["bar"] < end)).all()
        assert len(draft.grid.notes) == len(grid.notes) + len(draft.notes)
        assert set(grid.notes.tolist()) <= set(draft.grid.notes.tolist())


def test_a_part_that_is_not_written_plays_nothing_new(bundle):
    """Two play on; the third is made anew."""
    _, drafts = filled(bundle, 1, 5, parts=(1,), n_takes=4)

    assert {part for draft in drafts for part in draft.notes["part"].tolist()} == {1}


def test_a_hole_may_be_larger_than_the_context(bundle):
    """Window after window: 120 bars are some hundred events more than the model can hear."""
    _, drafts = filled(bundle, 2, 122, n_bars=124, n_takes=2)

    for draft in drafts:
        assert draft.next_bar == 122
        assert len(draft.notes) > 120 / 2


def test_what_is_written_is_no_reason_to_climb(bundle):
    """A range is that of what was known, in the last window as in the first."""
    grid, (draft,) = filled(bundle, 2, 122, n_bars=124)

    known = grid.notes["pitch"][grid.notes["part"] == 0]
    written = draft.notes["pitch"][draft.notes["part"] == 0]
    assert len(written) > 0
    assert written.min() >= known.min() - 5
    assert written.max() <= known.max() + 5


def test_a_bar_too_dense_to_be_heard_again_stops_nothing(fp32_bundle):
    """The next window then hears no bar: what has just been written is no one's fault."""
    grid = piece(2, per_bar=200)
    later = replace(grid, bars=np.repeat(grid.bars, 3))
    hole = Hole(1, 5, (0, 1, 2), Task.INFILL)

    sheet = _sheet(later, 2, hole, fp32_bundle, Wish())

    assert not (sheet.prompt[:, 0] == Kind.BAR).any()
    assert sheet.first == 2


@pytest.mark.parametrize("fewest", [100, 128])
def test_chords_larger_than_the_context_are_left_out(bundle, fewest):
    """There is no room to say them: the part rests, and the piece comes to its end."""
    grid = emptied(piece(8), 1, 8, (2,))
    bounds = Bounds(parts={2: PartWish(0, polyphony=(fewest, 128), range=(0, 127))})

    (draft,) = fill(grid, Hole(1, 8, (2,), Task.INFILL), bundle, Wish(threads=1, bounds=bounds))

    assert draft.next_bar == 8
    struck = np.unique(draft.notes[["bar", "beat", "tick"]], return_counts=True)[1]
    assert (struck >= fewest).all()


def test_a_new_part_enters_in_the_first_bar(bundle):
    """All that have not been heard do, each of them, whatever the model would rather."""
    grid = piece(4, parts=(*PARTS, Part(40), Part(56)), n_players=2)

    for seed in range(20):
        hole = Hole(0, 4, (2, 3, 4), Task.ACCOMPANY)
        (draft,) = fill(grid, hole, bundle, Wish(seed=seed, threads=1))
        assert set(draft.notes["part"][draft.notes["bar"] == 0].tolist()) == {2, 3, 4}


def test_a_part_that_cannot_enter_keeps_no_other_from_it(bundle):
    """One may play nothing in the first bar; the others begin, and it does after that."""
    grid = piece(4, parts=(*PARTS, Part(40)), n_players=2)
    bounds = Bounds(max_notes={(0, 2): 0})

    for seed in range(10):
        wish = Wish(seed=seed, threads=1, bounds=bounds)
        (draft,) = fill(grid, Hole(0, 4, (2, 3), Task.ACCOMPANY), bundle, wish)
        by_bar = [
            set(draft.notes["part"][draft.notes["bar"] == bar].tolist()) for bar in (0, 1)
        ]
        assert by_bar[0] == {3}
        assert 2 in by_bar[1]


def test_no_two_bars_in_a_row_are_silent(fp32_bundle):
    """One may be; where a window ends inside a silence, the next knows it."""
    for seed in range(3, 7):
        _, (draft,) = filled(fp32_bundle, 2, 62, n_bars=64, parts=(0,), seed=seed)
        bars = np.unique(draft.notes["bar"])
        assert np.diff([2, *bars.tolist(), 61]).max() <= 2


def test_silence_is_kept_where_nothing_can_be_played(bundle):
    """A part of one pitch that is not in the key, all alone: no note, and no endless wait."""
    from sideman.engine.pitches import Scale

    asked = {0: PartWish(33, range=(37, 37))}
    for is_nudged in (False, True):
        bounds = Bounds(parts=asked, scale=Scale(0), is_nudged=is_nudged)
        _, (draft,) = filled(bundle, 2, 5, parts=(0,), bounds=bounds)
        assert draft.next_bar == 5
        assert len(draft.notes) == 0


def test_the_same_seed_gives_the_same_notes(bundle):
    """And another gives others."""
    one, again, other = (filled(bundle, 1, 5, seed=seed)[1][0].notes for seed in (3, 3, 4))

    np.testing.assert_array_equal(one, again)
    assert one.tolist() != other.tolist()


def test_take_n_of_several_is_take_n_of_all(fp32_bundle):
    """Takes end at different lengths, windows too, and no take can tell."""
    _, three = filled(fp32_bundle, 1, 60, n_bars=62, n_takes=3)
    _, two = filled(fp32_bundle, 1, 60, n_bars=62, n_takes=2)
    _, one = filled(fp32_bundle, 1, 60, n_bars=62, n_takes=1)

    assert len({len(draft.notes) for draft in three}) > 1
    np.testing.assert_array_equal(one[0].notes, three[0].notes)
    np.testing.assert_array_equal(two[1].notes, three[1].notes)


def test_takes_differ(bundle):
    """Each has a chance of its own."""
    _, drafts = filled(bundle, 1, 5, n_takes=4)

    assert len({tuple(draft.notes.tolist()) for draft in drafts}) == 4


@pytest.mark.parametrize(("first", "end"), [(4, 8), (-1, 2), (3, 3), (5, 4)])
def test_a_hole_outside_the_piece_is_refused(fp32_bundle, first, end):
    """The message says which bars there are."""
    hole = Hole(first, end, (0,), Task.INFILL)

    with pytest.raises(
        EngineError, match=f"bars {first + 1} to {end} are to be written; the piece has 6"
    ):
        fill(piece(6), hole, fp32_bundle, Wish(threads=1))


def test_known_bars_too_dense_for_the_context_are_refused(fp32_bundle):
    """What is known cannot be left out, so this is an error that says how much would fit."""
    grid = piece(4, per_bar=200)

    with pytest.raises(PromptTooLong, match="bar 3 and the 2 after it hold more than the 153"):
        fill(grid, Hole(2, 3, (0,), Task.INFILL), fp32_bundle, Wish(threads=1))


def test_no_bar_before_has_to_be_heard(fp32_bundle):
    """With a prompt of no bars the model knows who plays, and what is ahead."""
    _, (draft,) = filled(fp32_bundle, 2, 4, prompt_bars=0)

    assert len(draft.notes) > 0


@pytest.mark.parametrize("seed", range(10))
def test_what_is_written_obeys_the_grammar(bundle, seed):
    """Spelled again, piece and fill are a sentence of the language."""
    _, drafts = filled(bundle, 1, 5, seed=seed, n_takes=2)

    for draft in drafts:
        sentence_of(grid_to_events(draft.grid, Layout(extent=Extent.WHOLE)))


def test_one_velocity_goes_on(bundle):
    """A piece that was typed in sounds typed in; a part of which another is asked has that."""
    grid = piece(6)
    grid.notes["velocity"] = 20
    bounds = Bounds(parts={1: PartWish(128, Role.DRUMS, velocity=(100, 110))})

    for seed in range(5):
        wish = Wish(seed=seed, threads=1, bounds=bounds)
        hole = Hole(2, 5, (0, 1, 2), Task.INFILL)
        (draft,) = fill(emptied(grid, 2, 5, hole.parts), hole, bundle, wish)
        is_asked = draft.notes["part"] == 1
        assert (draft.notes["velocity"][~is_asked] == 20).all()
        assert np.isin(draft.notes["velocity"][is_asked], (26, 27, 28)).all()
