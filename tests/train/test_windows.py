"""Windows: whatever is drawn is a sentence of the language, and asks for the right thing."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from sideman.corpus.shards import Piece, ShardReader
from sideman.model.network import IGNORED
from sideman.tokens.codec import events_to_grid
from sideman.tokens.grid import GRID_CHORD_DTYPE, slice_bars
from sideman.tokens.vocabulary import (
    FIRST_DRUM,
    HELD,
    N_SLOTS,
    PROGRAM,
    Extent,
    Kind,
    Task,
)
from sideman.train.recipe import Recipe
from sideman.train.windows import TASKS, WindowSampler, _transposed, batches

PLAIN_RECIPE = Recipe(context=64, batch_rows=4, transpose=0, held_share=0.0)


def only(task, **settings):
    """Return a recipe that asks for one task."""
    return replace(
        PLAIN_RECIPE, task_weights=tuple(float(task is other) for other in TASKS), **settings
    )


def sampler(corpus, recipe):
    return WindowSampler(corpus, corpus.of_split("train"), recipe)


def windows(corpus, recipe, n, room=48, seed=0):
    """Yield windows with their piece: the piece's grid, the events seen, the true events."""
    drawer, reader = sampler(corpus, recipe), ShardReader(corpus)
    rng = np.random.default_rng(seed)
    pieces = corpus.of_split("train")
    for i in range(n):
        piece = pieces[i % len(pieces)]
        grid, _ = events_to_grid(reader.events(piece))
        seen, true = drawer._window(rng, piece, room)
        yield grid, seen, true


def places(grid):
    """Return what sounds where, whatever the number of its part."""
    names = ("bar", "beat", "tick", "pitch", "duration")
    return sorted(zip(*(grid.notes[name].tolist() for name in names), strict=True))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("room", [4, 20, 60, 5000])
def test_window_is_a_run_of_whole_bars_of_the_piece(corpus, task, room):
    """Given or not, every note of those bars is there, in its place, and no other."""
    for piece, _, true in windows(corpus, only(task), 40, room):
        window, _ = events_to_grid(true)
        wanted = places(window)
        starts = range(piece.n_bars - window.n_bars + 1)
        assert any(
            places(slice_bars(piece, first, first + window.n_bars)) == wanted
            for first in starts
        )


@pytest.mark.parametrize("task", TASKS)
def test_window_has_the_task_that_was_asked_for(corpus, task):
    """Or to continue, where there is one part only or too few bars."""
    drawn = Counter(int(true[0, 1]) for _, _, true in windows(corpus, only(task), 80, room=60))

    assert set(drawn) <= {task, Task.CONTINUE}
    assert drawn[task] > 20


def test_stretch_of_silence_can_be_drawn_for_any_task(corpus):
    """There is no part to fill in where nobody plays; it stopped a run once."""
    silent: Counter[Task] = Counter()
    for task in TASKS:
        for _, _, true in windows(corpus, only(task), 300, room=6):
            silent[task] += not (true[:, 0] == Kind.PART).any()

    assert all(silent[task] > 10 for task in TASKS)


@pytest.mark.parametrize("room", [30, 5000])
def test_only_what_ends_the_piece_has_an_end(corpus, room):
    """Else the model would learn to stop anywhere."""
    extents: Counter[Extent] = Counter()
    for _, _, true in windows(corpus, PLAIN_RECIPE, 150, room):
        extent = Extent(true[0, 4])
        extents[extent] += 1
        assert (true[-1, 0] == Kind.END) == (extent in (Extent.WHOLE, Extent.ENDING))

    cut = {Extent.OPENING, Extent.MIDDLE, Extent.ENDING}
    assert set(extents) == ({Extent.WHOLE} if room == 5000 else cut)


@pytest.mark.parametrize("seed", range(3))
def test_target_is_the_next_event(corpus, seed):
    """Output and embedding number the same values in the same order."""
    batch = sampler(corpus, PLAIN_RECIPE).batch(np.random.default_rng(seed), 4)
    targets, following = batch.targets[:, :-1], batch.ids[:, 1:]
    starts = 1 + np.append(0, np.cumsum(corpus.vocabulary.slot_sizes))[:N_SLOTS]

    is_decided = targets != IGNORED

    assert is_decided.any((0, 1)).all()
    np.testing.assert_array_equal(
        (targets + starts)[is_decided], following[..., :N_SLOTS][is_decided]
    )
    is_note = targets[..., 0] == Kind.NOTE
    np.testing.assert_array_equal(
        batch.program_ids[:, :-1][is_note], following[..., PROGRAM][is_note]
    )
    assert (batch.program_ids[batch.targets[..., 0] == Kind.NOTE] > 0).all()


@pytest.mark.parametrize("task", [Task.INFILL, Task.ACCOMPANY, Task.VARY])
def test_what_is_given_is_never_to_be_foretold(corpus, task):
    """Nor is what is asked for, at the start of a window."""
    batch = sampler(corpus, only(task)).batch(np.random.default_rng(0), 8)
    kinds = batch.ids[:, 1:, 0] - 1
    is_known = (kinds == Kind.GIVEN) | (kinds == Kind.START)

    assert (kinds == Kind.GIVEN).any()
    assert (kinds == Kind.START).any()
    assert (batch.targets[:, :-1][is_known] == IGNORED).all()
    assert not np.isin(batch.targets[..., 0], (Kind.START, Kind.GIVEN)).any()
    assert (batch.targets[:, :-1, 0][~is_known] != IGNORED).all()


def test_windows_of_a_row_have_numbers_of_their_own(corpus):
    """The network keeps them apart by it."""
    batch = sampler(corpus, PLAIN_RECIPE).batch(np.random.default_rng(0), 8)

    is_start = batch.ids[..., 0] - 1 == Kind.START
    np.testing.assert_array_equal(np.cumsum(is_start, axis=1) - 1, batch.piece)


def test_velocity_that_says_nothing_is_not_learned(corpus):
    """Else the model would learn that music is played without any."""
    rest = [piece for piece in corpus.of_split("train") if piece.path.startswith("rest")]
    rock = [piece for piece in corpus.of_split("train") if piece.path.startswith("rock")]
    rng = np.random.default_rng(0)

    for pieces, is_learned in ((rest, False), (rock, True)):
        batch = WindowSampler(corpus, pieces, PLAIN_RECIPE).batch(rng, 4)
        is_note = batch.targets[..., 0] == Kind.NOTE
        assert is_note.any()
        assert ((batch.targets[is_note][:, 6] != IGNORED) == is_learned).all()


def test_held_notes_hide_their_length_but_are_still_to_be_foretold(corpus):
    """Live, a key is down before it is up; what is learned is how long it stays down."""
    n_hidden = 0
    for _, seen, true in windows(corpus, replace(PLAIN_RECIPE, held_share=1.0), 40):
        rows, columns = np.nonzero(seen != true)
        assert set(columns) <= {5}
        assert (seen[rows, 5] == HELD).all()
        assert np.isin(true[rows, 0], (Kind.NOTE, Kind.GIVEN)).all()
        n_hidden += len(rows)
        events_to_grid(seen)

    assert n_hidden > 100


def test_transposition_moves_pitches_and_key_and_leaves_drums(corpus):
    """A drum piece is no pitch: a snare moved up is another instrument."""
    moved = set()
    for piece, _, true in windows(corpus, only(Task.CONTINUE, transpose=6), 60, room=5000):
        window, layout = events_to_grid(true)
        before, after = (np.array(places(grid)) for grid in (piece, window))
        for rows in (before, after):
            rows[:] = rows[np.lexsort([rows[:, i] for i in (3, 2, 1, 0)])]
        is_drum = before[:, 3] >= FIRST_DRUM
        steps = after[:, 3] - before[:, 3]
        assert (steps[is_drum] == 0).all()
        assert len(set(steps[~is_drum])) == 1
        moved.add(int(steps[~is_drum][0]))
        assert layout.key in (0, 1 + steps[~is_drum][0] % 12)

    assert moved == set(range(-6, 7))


def test_transposition_stays_in_range_and_takes_the_chords_along(corpus):
    """The root moves with the notes, the bass is counted from the root, `N` is no chord."""
    piece, _ = events_to_grid(ShardReader(corpus).events(corpus.pieces[0]))
    chords = np.zeros(2, GRID_CHORD_DTYPE)
    chords["root"], chords["bass"] = (11, 12), (3, 0)
    notes = piece.notes.copy()
    notes["pitch"] = 126
    high = replace(piece, notes=notes, chords=chords, key=13)

    moved = [_transposed(np.random.default_rng(seed), high, 2) for seed in range(50)]

    assert {int(grid.notes["pitch"][0]) for grid in moved} == {124, 125, 126, 127}
    for grid in moved:
        steps = int(grid.notes["pitch"][0]) - 126
        assert grid.chords["root"].tolist() == [(11 + steps) % 12, 12]
        assert grid.chords["bass"].tolist() == [3, 0]
        assert grid.key == 13 + steps % 12


def test_batch_of_a_step_does_not_depend_on_what_came_before(corpus):
    """So a run that was killed goes on as if it had not been."""
    whole = list(islice(batches(sampler(corpus, PLAIN_RECIPE), PLAIN_RECIPE, 0), 4))
    resumed = list(islice(batches(sampler(corpus, PLAIN_RECIPE), PLAIN_RECIPE, 2), 2))

    for ours, theirs in zip(whole[2:], resumed, strict=True):
        for name in ("ids", "piece", "targets", "program_ids"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert not np.array_equal(whole[2].ids, whole[3].ids)


@pytest.mark.parametrize(("exponent", "share"), [(0.0, 1 / 2), (0.5, 3 / 4), (1.0, 9 / 10)])
def test_style_is_drawn_by_its_events_to_a_power(corpus, exponent, share):
    """A style with nine times the music is heard nine times, three times, or just as often."""
    pieces = [
        Piece("a", 0, 0, 6000, "train", 1, 0),
        Piece("b", 0, 6000, 9000, "train", 1, 0),
        Piece("c", 0, 9000, 10000, "train", 2, 0),
    ]
    drawer = WindowSampler(corpus, pieces, replace(PLAIN_RECIPE, style_exponent=exponent))
    rng = np.random.default_rng(0)

    drawn = np.bincount([drawer._draw_piece(rng) for _ in range(4000)]) / 4000

    np.testing.assert_allclose(drawn, [share * 2 / 3, share / 3, 1 - share], atol=0.03)
