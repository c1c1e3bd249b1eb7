"""Augmentation: it changes what it was asked to change, within bounds, and nothing else."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.corpus.augment import Augmentation, augment
from sideman.errors import RecipeError
from sideman.score.general_midi import PITCH_RANGES
from sideman.score.harmony import NO_CHORD
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    Part,
    Score,
    table,
)
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import (
    FIRST_DRUM,
    FIRST_KIT,
    N_VELOCITIES,
    TEMPO_BINS,
    UNSPECIFIED,
    bin_to_tempo,
)

ALL = Augmentation(
    transpose=6, tempo_change=0.1, velocity_curve=0.5, part_dropout=0.3, permute_parts=True
)
SEEDS = st.integers(0, 2**32)
TICKS = st.integers(0, 800)


@st.composite
def grids(draw):
    """Draw a piece: drums and pitched parts, low and high, some notes of no said velocity."""
    parts = draw(
        st.lists(st.builds(Part, st.integers(0, 127), is_drum=st.booleans()), max_size=6)
    )
    parts = (*parts, Part(40))
    notes = st.tuples(
        TICKS,
        st.integers(1, 99),
        st.integers(0, 127),
        st.integers(1, 127),
        st.integers(0, len(parts) - 1),
    )
    chords = st.tuples(TICKS, st.integers(0, NO_CHORD), st.integers(0, 22), st.integers(0, 11))
    keys = st.tuples(st.just(0), st.integers(0, 11), st.booleans())
    score = Score(
        table(NOTE_DTYPE, draw(st.lists(notes, max_size=30))),
        parts,
        tempos=table(
            TEMPO_DTYPE, draw(st.lists(st.tuples(TICKS, st.floats(10, 600)), max_size=3))
        ),
        keys=table(KEY_DTYPE, draw(st.lists(keys, max_size=1))),
        chords=table(CHORD_DTYPE, draw(st.lists(chords, max_size=4))),
    )
    grid, _ = to_grid(score)
    grid.notes["velocity"][:: draw(st.integers(2, 9))] = UNSPECIFIED
    return grid


def changed(grid, seed=0, **settings):
    """Return a grid changed by what is asked for."""
    return augment(grid, Augmentation(**settings), np.random.default_rng(seed))


def content(grid):
    """Return all that a grid says, to be compared."""
    tables = (grid.bars, grid.notes, grid.chords, grid.programs)
    return [rows.tolist() for rows in tables] + [grid.key, grid.names]


def steps_between(grid, other):
    """Return by how many semitones each pitched note moved."""
    is_pitched = grid.notes["pitch"] < FIRST_DRUM
    pitches = (g.notes["pitch"][is_pitched].astype(int) for g in (other, grid))
    return set(np.subtract(*pitches).tolist())


@pytest.fixture
def quartet():
    """Return four parts that play alike in mid range, each note of a length of its own."""
    programs = (0, 24, 40, 73)
    rows = [(24 * i, 1 + i, 64 + i % 5, 40 + 2 * i, i % 4) for i in range(32)]
    keys, chords = table(KEY_DTYPE, [(0, 0, False)]), table(CHORD_DTYPE, [(0, 0, 0, 0)])
    parts = tuple(Part(program) for program in programs)
    return to_grid(Score(table(NOTE_DTYPE, rows), parts, keys=keys, chords=chords))[0]


# ------------------------------------------------------------------- all kinds


@given(grid=grids(), seed=SEEDS)
def test_what_is_not_asked_for_is_not_changed(grid, seed):
    """All kinds are off by default, each by itself too."""
    assert content(changed(grid, seed)) == content(grid)

    louder = changed(grid, seed, velocity_curve=1.0)
    louder.notes["velocity"] = grid.notes["velocity"]
    faster = changed(grid, seed, tempo_change=1.0)
    faster.bars["tempo"] = grid.bars["tempo"]
    higher = changed(grid, seed, transpose=11)
    higher.notes["pitch"], higher.chords["root"] = grid.notes["pitch"], grid.chords["root"]
    for other in (louder, faster, replace(higher, key=grid.key)):
        assert content(other) == content(grid)


@given(grid=grids(), seed=SEEDS)
def test_seed_alone_says_what_comes_out(grid, seed):
    """And the grid that came in stays as it was."""
    before = content(grid)

    first, again = (augment(grid, ALL, np.random.default_rng(seed)) for _ in range(2))

    assert content(first) == content(again)
    assert content(grid) == before


@given(grid=grids(), seed=SEEDS)
def test_what_comes_out_is_a_grid(grid, seed):
    """In order, each note once, of a part that there is, in a bar that there is."""
    out = augment(grid, ALL, np.random.default_rng(seed))

    keys = out.notes[["bar", "beat", "tick", "part", "pitch"]].tolist()
    assert keys == sorted(set(keys))
    assert (out.notes["part"] < len(out.programs)).all()
    assert len(out.names) == len(out.programs)
    is_drum = out.programs[out.notes["part"]] >= FIRST_KIT
    assert ((out.notes["pitch"] >= FIRST_DRUM) == is_drum).all()
    assert out.n_bars == grid.n_bars


@pytest.mark.parametrize("kind", [field.name for field in fields(Augmentation)])
def test_switching_one_kind_off_leaves_the_draws_of_the_others(quartet, kind):
    """So runs that differ in one setting can be compared."""
    for seed in range(20):
        grids = [
            augment(quartet, augmentation, np.random.default_rng(seed))
            for augmentation in (ALL, replace(ALL, **{kind: False}))
        ]
        in_both = set(grids[0].programs) & set(grids[1].programs)
        drawn, drawn_without = (what_was_drawn(grid, in_both) for grid in grids)
        for other in drawn.keys() - {kind}:
            assert drawn[other] == drawn_without[other]


def what_was_drawn(grid, programs):
    """Return what of a quartet shows each draw; notes and order of some programs only."""
    notes = grid.notes[np.isin(grid.programs[grid.notes["part"]], list(programs))]
    return {
        "transpose": (grid.key, grid.chords.tolist()),
        "tempo_change": grid.bars.tolist(),
        "velocity_curve": dict(notes[["duration", "velocity"]].tolist()),
        "part_dropout": set(grid.programs),
        "permute_parts": [program for program in grid.programs if program in programs],
    }


def test_generator_goes_on_alike_whatever_is_switched_on(quartet):
    """What is drawn after it does not depend on the settings either."""
    rngs = [np.random.default_rng(0) for _ in range(2)]

    for rng, augmentation in zip(rngs, (ALL, Augmentation()), strict=True):
        augment(quartet, augmentation, rng)

    assert rngs[0].random() == rngs[1].random()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("transpose", 12, "transpose is 12; it must be at least 0 and at most 11"),
        ("tempo_change", -0.1, "tempo_change is -0.1; it must be at least 0 and at most 1"),
        ("velocity_curve", 2, "velocity_curve is 2; it must be at least 0 and at most 1"),
        ("part_dropout", float("nan"), "part_dropout is nan; it must be at least 0"),
    ],
)
def test_setting_out_of_range_is_refused(setting, value, message):
    """It names the setting, the value and the rule."""
    with pytest.raises(RecipeError, match=message):
        Augmentation(**{setting: value})


# --------------------------------------------------------------- transposition


@given(grid=grids(), seed=SEEDS, most=st.integers(1, 11))
def test_no_part_leaves_the_range_of_its_instrument(grid, seed, most):
    """Nor goes further out where a file has it beyond; drums are no pitches."""
    out = changed(grid, seed, transpose=most)

    is_pitched = grid.notes["pitch"] < FIRST_DRUM
    assert np.array_equal(out.notes[~is_pitched], grid.notes[~is_pitched])
    for part, program in enumerate(grid.programs):
        before, after = (
            g.notes["pitch"][(g.notes["part"] == part) & is_pitched].astype(int)
            for g in (grid, out)
        )
        if len(before):
            low, high = PITCH_RANGES[program]
            assert min(low, before.min()) <= after.min()
            assert after.max() <= max(high, before.max())


@given(grid=grids(), seed=SEEDS, most=st.integers(0, 11))
def test_all_pitches_move_alike_and_chords_and_key_with_them(grid, seed, most):
    """The bass of a chord is counted from its root, and no chord has no root to move."""
    out = changed(grid, seed, transpose=most)

    steps = steps_between(grid, out) or {0}
    assert len(steps) == 1
    if (grid.notes["pitch"] < FIRST_DRUM).any():
        (semitones,) = steps
        assert abs(semitones) <= most
        for before, after in zip(grid.chords, out.chords, strict=True):
            root = int(before["root"])
            moved = root if root == NO_CHORD else (root + semitones) % 12
            assert after["root"] == moved
        if grid.key != UNSPECIFIED:
            assert (out.key - 1) % 12 == (grid.key - 1 + semitones) % 12
            assert (out.key > 12) == (grid.key > 12)
    assert (out.key == UNSPECIFIED) == (grid.key == UNSPECIFIED)
    assert np.array_equal(out.chords["bass"], grid.chords["bass"])


def test_all_steps_are_drawn_where_there_is_room(quartet):
    """Up and down alike, and not at all as often as any other."""
    found = [steps_between(quartet, changed(quartet, seed, transpose=3)) for seed in range(200)]

    counts = [found.count({step}) for step in range(-3, 4)]
    assert sum(counts) == 200
    assert min(counts) > 15


def test_part_at_the_end_of_its_range_moves_the_other_way_only(quartet):
    """A guitar has no string below its lowest."""
    low = replace(quartet, notes=quartet.notes.copy())
    low.notes["pitch"][low.notes["part"] == 1] = 40

    found = set().union(*(steps_between(low, changed(low, s, transpose=2)) for s in range(50)))

    assert found == {0, 1, 2}


# ---------------------------------------------------------- tempo and velocity


@given(grid=grids(), seed=SEEDS, most=st.floats(0, 1))
def test_tempo_of_all_bars_changes_by_one_ratio_that_was_allowed(grid, seed, most):
    """What slows down slows down as much; the ends of the scale are not passed."""
    out = changed(grid, seed, tempo_change=most)

    assert out.bars["tempo"].max() < TEMPO_BINS
    ratio = bin_to_tempo(out.bars["tempo"]) / bin_to_tempo(grid.bars["tempo"])
    assert np.allclose(ratio, ratio[0])
    assert 1 / (1 + most) - 1e-9 <= ratio[0] <= 1 + most + 1e-9


def test_tempo_goes_both_ways(quartet):
    """Ten per cent are three bins of 2.9 % each way."""
    tempos = {int(changed(quartet, s, tempo_change=0.1).bars["tempo"][0]) for s in range(60)}

    assert tempos == set(range(69, 76))


@given(seed=SEEDS, strength=st.floats(0.01, 1))
def test_louder_stays_louder(seed, strength):
    """A curve that rises: no note overtakes another, and none falls silent."""
    rows = [(24 * i, 24, 60, 4 * i + 1, 0) for i in range(N_VELOCITIES - 1)]
    grid, _ = to_grid(Score(table(NOTE_DTYPE, rows), (Part(0),)))

    velocity = changed(grid, seed, velocity_curve=strength).notes["velocity"].astype(int)

    assert (np.diff(velocity) >= 0).all()
    assert velocity.min() >= 1
    assert velocity.max() <= N_VELOCITIES - 1
    way = np.abs(velocity - grid.notes["velocity"])
    assert way.max() <= np.ceil((2**strength - 1 + strength / 4) * (N_VELOCITIES - 1))


@given(grid=grids(), seed=SEEDS)
def test_velocity_that_says_nothing_goes_on_saying_nothing(grid, seed):
    """It is no loudness, so there is none to change; and no other becomes it."""
    out = changed(grid, seed, velocity_curve=1.0)

    is_silent = grid.notes["velocity"] == UNSPECIFIED
    assert np.array_equal(out.notes["velocity"] == UNSPECIFIED, is_silent)


def test_curves_differ(quartet):
    """Softer, louder, flatter, steeper: each seed its own."""
    curves = {
        tuple(changed(quartet, seed, velocity_curve=1.0).notes["velocity"].tolist())
        for seed in range(20)
    }

    assert len(curves) == 20


# ----------------------------------------------------------------------- parts


@given(grid=grids(), seed=SEEDS, share=st.floats(0, 1))
def test_last_part_that_plays_is_never_left_out(grid, seed, share):
    """Silence teaches nothing; where nobody plays anyhow, all stay."""
    out = changed(grid, seed, part_dropout=share)

    assert (len(out.notes) > 0) == (len(grid.notes) > 0)
    if len(grid.notes) == 0:
        assert len(out.programs) == len(grid.programs)


def test_parts_that_stay_are_as_they_were(quartet):
    """All their notes, and no others."""
    for seed in range(20):
        out = changed(quartet, seed, part_dropout=0.5, permute_parts=True)
        for number, program in enumerate(out.programs):
            (part,) = np.flatnonzero(quartet.programs == program)
            before = quartet.notes[quartet.notes["part"] == part].copy()
            before["part"] = number
            assert np.array_equal(out.notes[out.notes["part"] == number], before)


@pytest.mark.parametrize(("share", "n_kept"), [(0.0, 4.0), (0.25, 3.0), (1.0, 1.0)])
def test_share_of_the_parts_is_left_out(quartet, share, n_kept):
    """Each by itself; of all, one is left."""
    kept = [len(changed(quartet, s, part_dropout=share).programs) for s in range(300)]

    assert np.mean(kept) == pytest.approx(n_kept, abs=0.15)


def test_parts_get_any_number(quartet):
    """Their numbers carry no meaning, so none is learned."""
    orders = {
        tuple(changed(quartet, seed, permute_parts=True).programs.tolist())
        for seed in range(300)
    }

    assert len(orders) == 24
