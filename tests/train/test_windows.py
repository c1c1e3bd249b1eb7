"""Windows: whatever is drawn is a sentence of the language, and asks for the right thing."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sideman.corpus.shards import Piece, ShardReader, shard_path
from sideman.model.network import IGNORED
from sideman.tokens.codec import events_to_grid, grid_to_events
from sideman.tokens.grammar import sentence_of
from sideman.tokens.grid import GRID_CHORD_DTYPE, slice_bars
from sideman.tokens.vocabulary import (
    DURATION,
    HELD,
    N_SLOTS,
    PROGRAM,
    UNSPECIFIED,
    Extent,
    Kind,
    Task,
)
from sideman.train.recipe import Recipe
from sideman.train.windows import ABOUT_CHORDS, TASKS, WindowSampler

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


def with_chords(corpus, folder, n_chords):
    """Return a corpus of one piece, with chords three bars apart from its start."""
    piece = next(p for p in corpus.of_split("train") if p.path.startswith("rock"))
    grid, layout = events_to_grid(ShardReader(corpus).events(piece))
    chords = np.zeros(n_chords, GRID_CHORD_DTYPE)
    chords["bar"] = 3 * np.arange(n_chords)
    chords["root"] = np.arange(n_chords)
    events = grid_to_events(replace(grid, chords=chords), layout)
    np.save(shard_path(folder, 0), events)
    piece = replace(piece, shard=0, start=0, stop=len(events))
    return replace(corpus, folder=folder, pieces=(piece,))


@pytest.fixture(scope="session")
def chord_corpus(corpus, tmp_path_factory):
    """Return a corpus of one piece with chords."""
    return with_chords(corpus, tmp_path_factory.mktemp("chords"), n_chords=4)


def chords_of(piece, window):
    """Return the chords of the bars of a piece that a window was cut from."""
    for first in range(piece.n_bars - window.n_bars + 1):
        stretch = slice_bars(piece, first, first + window.n_bars)
        if places(stretch) == places(window) and np.array_equal(stretch.chords, window.chords):
            return stretch.chords
    return []


def places(grid):
    """Return what sounds where, whatever the number of its part."""
    names = ("bar", "beat", "tick", "pitch", "duration")
    return sorted(zip(*(grid.notes[name].tolist() for name in names), strict=True))


@pytest.mark.parametrize("task", sorted(set(TASKS) - {Task.HARMONISE}))
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
def test_window_has_the_task_that_was_asked_for(corpus, chord_corpus, task):
    """Or to continue, where there is one part only, too few bars or no chord."""
    music = chord_corpus if task in ABOUT_CHORDS else corpus
    drawn = Counter(int(true[0, 1]) for _, _, true in windows(music, only(task), 80, room=60))

    assert set(drawn) <= {task, Task.CONTINUE}
    assert drawn[task] > 20


@pytest.mark.parametrize("task", sorted(ABOUT_CHORDS))
def test_without_chords_there_is_no_chart(corpus, tmp_path, task):
    """A chart of nothing would be learned as one more way to continue."""
    bare = with_chords(corpus, tmp_path, n_chords=0)

    for _, _, true in windows(bare, only(task), 20):
        assert true[0, 1] == Task.CONTINUE


def test_chords_are_found_for_notes_that_are_all_given(chord_corpus):
    """A melody is to be harmonised as it is, whatever else the piece has."""
    n_parts = set()
    for piece, _, true in windows(chord_corpus, only(Task.HARMONISE), 40, room=60):
        if true[0, 1] != Task.HARMONISE:
            continue
        window, _ = events_to_grid(true)
        assert not (true[:, 0] == Kind.NOTE).any()
        assert (true[:, 0] == Kind.CHORD).any()
        everything = set(places(piece))
        assert all(place[1:] in {p[1:] for p in everything} for place in places(window))
        n_parts.add(len(window.programs))

    assert len(n_parts) > 1


def test_live_some_keys_are_still_down(corpus):
    """In every window that is long enough to draw some."""
    drawn = windows(corpus, only(Task.LIVE), 40, room=60)

    held = [(seen[:, DURATION] != true[:, DURATION]).any() for _, seen, true in drawn]

    assert sum(held) > 30


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
    batch = sampler(corpus, PLAIN_RECIPE).batch(np.random.default_rng(seed).spawn(4))
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
    batch = sampler(corpus, only(task)).batch(np.random.default_rng(0).spawn(8))
    kinds = batch.ids[:, 1:, 0] - 1
    is_known = (kinds == Kind.GIVEN) | (kinds == Kind.START)

    assert (kinds == Kind.GIVEN).any()
    assert (kinds == Kind.START).any()
    assert (batch.targets[:, :-1][is_known] == IGNORED).all()
    assert not np.isin(batch.targets[..., 0], (Kind.START, Kind.GIVEN)).any()
    assert (batch.targets[:, :-1, 0][~is_known] != IGNORED).all()


def test_windows_of_a_row_have_numbers_of_their_own(corpus):
    """The network keeps them apart by it."""
    batch = sampler(corpus, PLAIN_RECIPE).batch(np.random.default_rng(0).spawn(8))

    is_start = batch.ids[..., 0] - 1 == Kind.START
    np.testing.assert_array_equal(np.cumsum(is_start, axis=1) - 1, batch.piece)


def test_velocity_that_says_nothing_is_not_learned(corpus):
    """Else the model would learn that music is played without any."""
    rest = [piece for piece in corpus.of_split("train") if piece.path.startswith("rest")]
    rock = [piece for piece in corpus.of_split("train") if piece.path.startswith("rock")]
    rng = np.random.default_rng(0)

    for pieces, is_learned in ((rest, False), (rock, True)):
        batch = WindowSampler(corpus, pieces, PLAIN_RECIPE).batch(rng.spawn(4))
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


def test_windows_are_augmented_as_the_recipe_says(corpus):
    """Each kind reaches the window: pitch and key, tempo, loudness, and who plays."""
    tempos, velocities, keys, programs = set(), set(), set(), set()
    recipe = replace(
        only(Task.CONTINUE, transpose=6),
        tempo_change=0.1,
        velocity_curve=0.5,
        part_dropout=0.5,
        control_dropout=0.0,
    )
    for _, _, true in windows(corpus, recipe, 100, room=5000):
        window, _ = events_to_grid(true)
        tempos.update(window.bars["tempo"].tolist())
        velocities.update(window.notes["velocity"].tolist())
        keys.add(window.key)
        programs.add(tuple(window.programs.tolist()))

    assert tempos == set(range(69, 76))
    assert len(velocities) > 20
    assert len(keys - {UNSPECIFIED}) >= 12
    assert {(33,), (0,), (128,), (33, 0), (0, 33)} < programs


def test_parts_that_are_silent_are_not_declared(corpus):
    """Nobody asks for a part to be silent, so nothing is learned from it."""
    for _, _, true in windows(corpus, replace(PLAIN_RECIPE, permute_parts=False), 40, room=20):
        window, _ = events_to_grid(true)
        assert set(window.notes["part"].tolist()) == set(range(len(window.programs)))


@pytest.mark.parametrize(("share", "n_kept"), [(0.0, 0), (0.5, 48), (1.0, 100)])
def test_share_of_the_windows_keeps_the_chords(chord_corpus, share, n_kept):
    """So that the network plays with a chord chart and without one."""
    n = 0
    for piece, _, true in windows(chord_corpus, replace(PLAIN_RECIPE, chord_share=share), 100):
        sentence_of(true)
        window, _ = events_to_grid(true)
        n += len(window.chords) > 0
        if len(window.chords):
            assert window.chords[["bar", "beat", "tick"]][0].tolist() == (0, 0, 0)
            assert len(window.chords) == len(chords_of(piece, window))

    assert abs(n - n_kept) < 10


@pytest.mark.parametrize("chord_share", [0.0, 1.0])
def test_chords_of_a_chart_are_given_and_others_foretold(chord_corpus, chord_share):
    """A chart is asked for with its chords; elsewhere the network finds them."""
    is_foretold = {}
    for task in (Task.CHART, Task.CONTINUE):
        recipe = only(task, chord_share=chord_share, context=200)
        batch = sampler(chord_corpus, recipe).batch(np.random.default_rng(0).spawn(8))
        is_chord = batch.ids[:, 1:, 0] - 1 == Kind.CHORD
        is_foretold[task] = (batch.targets[:, :-1, 0] != IGNORED)[is_chord].tolist()
        is_note = batch.ids[:, 1:, 0] - 1 == Kind.NOTE
        assert (batch.targets[:, :-1, 0] == Kind.NOTE)[is_note].all()

    assert len(is_foretold[Task.CHART]) > 10
    assert not any(is_foretold[Task.CHART])
    assert bool(is_foretold[Task.CONTINUE]) == bool(chord_share)
    assert all(is_foretold[Task.CONTINUE])


@pytest.mark.parametrize(("share", "n_open"), [(0.0, 0), (0.25, 28), (1.0, 100)])
def test_share_of_the_windows_declares_nothing(corpus, share, n_open):
    """People prompt with notes alone, which figures dropped one by one hardly ever leave."""
    rock = replace(corpus, pieces=tuple(p for p in corpus.pieces if p.path.startswith("rock")))
    recipe = replace(PLAIN_RECIPE, control_dropout=0.0, open_share=share)
    n = 0
    for _, _, true in windows(rock, recipe, 100):
        declared = true[0, 2:4].tolist() + true[true[:, 0] == Kind.PART, 3:7].ravel().tolist()
        assert any(declared) == all(true[0, 2:4])
        n += not any(declared)

    assert abs(n - n_open) < 10


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
