"""Events: what is spelled is read back, and what is no sentence is refused."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import TokenError
from sideman.score.types import Part
from sideman.tokens.codec import (
    AT_HEAD,
    CONTROLS_DTYPE,
    HELD_SOUNDS_AS,
    PLAIN,
    Layout,
    decode,
    encode,
    events_to_grid,
    grid_to_events,
)
from sideman.tokens.grid import from_grid, slice_bars, snap, to_grid
from sideman.tokens.vocabulary import (
    AHEAD,
    DENOMINATOR_OF,
    DURATION_TICKS,
    FIRST_DRUM,
    FIRST_KIT,
    HELD,
    MAX_AHEAD,
    N_COLUMNS,
    N_DENSITIES,
    N_POLYPHONIES,
    N_REGISTERS,
    N_STYLES,
    NUMERATOR_OF,
    PROGRAM,
    TEMPO_BINS,
    UNSPECIFIED,
    Extent,
    Kind,
    Role,
    Task,
)

ENDLESS = {Extent.UNSPECIFIED, Extent.OPENING, Extent.MIDDLE}


def random_layout(rng, grid):
    """Return a layout that says anything a layout may say of a grid."""
    n_notes = len(grid.notes)
    ahead = rng.integers(PLAIN, MAX_AHEAD + 1, n_notes)
    ahead[rng.random(n_notes) < rng.random()] = PLAIN
    return Layout(
        task=Task(rng.integers(len(Task))),
        style=int(rng.integers(N_STYLES)),
        extent=Extent(rng.integers(len(Extent))),
        key=int(rng.integers(25)),
        controls=random_controls(rng, grid),
        ahead=ahead,
        held=rng.random(n_notes) < rng.random(),
        unspecified_velocity=rng.random(n_notes) < rng.random(),
    )


def random_controls(rng, grid):
    """Return declarations of some parts at the head and at some bars, in any order."""
    places = [
        (bar, part)
        for bar in range(AT_HEAD, min(grid.n_bars, 30))
        for part in range(len(grid.programs))
        if rng.random() < (0.5 if bar == AT_HEAD else 0.05)
    ]
    rows = np.zeros(len(places), CONTROLS_DTYPE)
    for row, (bar, part) in zip(
        rows, rng.permutation(np.array(places).reshape(-1, 2)), strict=True
    ):
        row["bar"], row["part"] = bar, part
    sizes = (len(Role), N_DENSITIES, N_POLYPHONIES, N_REGISTERS)
    for name, size in zip(("role", "density", "polyphony", "register"), sizes, strict=True):
        rows[name] = rng.integers(size, size=len(rows))
    return rows


seeds_st = st.integers(0, 2**32 - 1)


# ------------------------------------------------------------------ properties


@given(data=st.data())
def test_a_decoded_score_is_the_snapped_score(scores_st, same_score, data):
    """The codec itself loses nothing: all that is lost is lost, and counted, on the grid."""
    score = data.draw(scores_st)

    events, counts = encode(score)
    decoded, layout = decode(events)

    assert same_score(decoded, snap(score))
    assert counts == to_grid(score)[1]
    assert layout.key == to_grid(score)[0].key


@given(data=st.data(), seed=seeds_st)
def test_decoded_events_are_spelled_the_same_again(scores_st, data, seed):
    """Whatever the layout says comes back with it, so a sentence and its reading are one."""
    grid, _ = to_grid(data.draw(scores_st))
    events = grid_to_events(grid, random_layout(np.random.default_rng(seed), grid))

    again, counts = encode(*decode(events))

    assert np.array_equal(again, events)
    assert counts.total() == 0


@given(data=st.data(), seed=seeds_st)
def test_a_layout_comes_back(scores_st, data, seed):
    """Ahead is shortened where the piece has not begun yet; nothing else changes."""
    grid, _ = to_grid(data.draw(scores_st))
    layout = random_layout(np.random.default_rng(seed), grid)

    read, said = events_to_grid(grid_to_events(grid, layout))

    for name in ("task", "style", "extent", "key"):
        assert getattr(said, name) == getattr(layout, name)
    for name in ("held", "unspecified_velocity"):
        assert np.array_equal(getattr(said, name), getattr(layout, name))
    shortened = np.where(
        layout.ahead == PLAIN, PLAIN, np.minimum(layout.ahead, grid.notes["bar"])
    )
    assert said.ahead is not None
    assert said.held is not None
    assert said.unspecified_velocity is not None
    assert np.array_equal(said.ahead, shortened)
    assert {tuple(row) for row in layout.controls} <= {tuple(row) for row in said.controls}
    assert np.array_equal(read.bars, grid.bars)
    assert np.array_equal(read.chords, grid.chords)
    for name in ("bar", "beat", "tick", "part", "pitch"):
        assert np.array_equal(read.notes[name], grid.notes[name])
    for name, hidden in (("duration", said.held), ("velocity", said.unspecified_velocity)):
        assert np.array_equal(read.notes[name][~hidden], grid.notes[name][~hidden])


@given(data=st.data(), seed=seeds_st)
def test_events_stand_in_their_order(scores_st, data, seed):
    """Bar, parts, given notes by bars ahead, then chords and notes by position, part, pitch."""
    grid, _ = to_grid(data.draw(scores_st))
    layout = random_layout(np.random.default_rng(seed), grid)

    rows = grid_to_events(grid, layout).tolist()

    def order(row):
        kind, _, *_ = row
        section = {Kind.BAR: 0, Kind.PART: 1, Kind.GIVEN: 2}.get(kind, 3)
        if kind == Kind.PART:
            return (section, row[1])
        if kind == Kind.GIVEN:
            return (section, row[AHEAD], *row[1:5])
        return (section, row[1], row[2], kind == Kind.NOTE, *row[3:5])

    assert rows[0][0] == Kind.START
    assert (rows[-1][0] == Kind.END) == (layout.extent not in ENDLESS)
    inner = [row for row in rows if row[0] not in (Kind.START, Kind.END)]
    bar_at = [i for i, row in enumerate(inner) if row[0] == Kind.BAR]
    assert all(row[0] == Kind.PART for row in inner[: bar_at[0]])
    for first, end in zip(bar_at, [*bar_at[1:], len(inner)], strict=True):
        body = [order(row) for row in inner[first + 1 : end]]
        assert body == sorted(body)


@given(data=st.data(), seed=seeds_st, cut=st.floats(0, 1))
def test_a_sentence_may_be_cut_anywhere(scores_st, data, seed, cut):
    """A window or a prompt stops where it stops; given notes of later bars keep their place."""
    grid, _ = to_grid(data.draw(scores_st))
    events = grid_to_events(grid, random_layout(np.random.default_rng(seed), grid))
    start = events[: 1 + int(cut * (len(events) - 1))]
    is_part = start[:, 0] == Kind.PART
    if not np.array_equal(np.unique(start[is_part, 1]), np.arange(len(set(start[is_part, 1])))):
        return

    read, layout = events_to_grid(start)

    is_note = (start[:, 0] == Kind.NOTE) | (start[:, 0] == Kind.GIVEN)
    assert len(read.notes) == is_note.sum()
    assert layout.n_bars == read.n_bars <= grid.n_bars
    assert from_grid(read).end >= 0


# ------------------------------------------------------------------- by example


@pytest.fixture
def duet(make_score):
    """Two bars of bass and drums, a chord in each."""
    notes = [(0, 24, 40, 100, 0), (0, 6, 36, 90, 1), (48, 24, 43, 100, 0), (96, 96, 40, 100, 0)]
    parts = [Part(33), Part(0, is_drum=True)]
    return make_score(notes, parts, chords=[(0, 4, 1, 4), (96, 12, 0, 0)], keys=[(0, 4, True)])


def test_a_piece_is_spelled_as_documented(duet):
    """One event a row: a kind, its attributes, bars ahead, program."""
    events, _ = encode(duet)

    assert events.tolist() == [
        [Kind.START, Task.UNSPECIFIED, 0, 17, Extent.WHOLE, 0, 0, 0, 0],
        [Kind.PART, 0, 33, 0, 0, 0, 0, 0, 0],
        [Kind.PART, 1, FIRST_KIT, 0, 0, 0, 0, 0, 0],
        [Kind.BAR, 67, 72, 0, 0, 0, 0, 0, 0],
        [Kind.CHORD, 0, 0, 4, 1, 4, 0, 0, 0],
        [Kind.NOTE, 0, 0, 0, 40, 24, 26, 0, 33],
        [Kind.NOTE, 0, 0, 1, 36 + FIRST_DRUM, 6, 23, 0, FIRST_KIT],
        [Kind.NOTE, 2, 0, 0, 43, 24, 26, 0, 33],
        [Kind.BAR, 67, 72, 0, 0, 0, 0, 0, 0],
        [Kind.CHORD, 0, 0, 12, 0, 0, 0, 0, 0],
        [Kind.NOTE, 0, 0, 0, 40, 96, 26, 0, 33],
        [Kind.END, 0, 0, 0, 0, 0, 0, 0, 0],
    ]


def test_given_notes_stand_before_their_bar(duet):
    """Announced a bar ahead, they come after the BAR, before what is written there."""
    layout = Layout(ahead=np.array([PLAIN, 0, PLAIN, 1]), extent=Extent.MIDDLE)

    events, _ = encode(duet, layout)

    given = events[events[:, 0] == Kind.GIVEN]
    assert given[:, [3, AHEAD]].tolist() == [[1, 0], [0, 1]]
    assert events[3:6, 0].tolist() == [Kind.BAR, Kind.GIVEN, Kind.GIVEN]
    assert events[-1, 0] != Kind.END


def test_controls_may_come_again_at_a_bar(duet):
    """A part that changes what it does is declared once more, after the BAR."""
    controls = np.array([(AT_HEAD, 0, 2, 3, 1, 4), (1, 0, 1, 5, 1, 6)], CONTROLS_DTYPE)

    events, _ = encode(duet, Layout(controls=controls))

    parts = np.flatnonzero(events[:, 0] == Kind.PART)
    assert parts.tolist() == [1, 2, 9]
    assert events[parts, 1:7].tolist() == [
        [0, 33, 2, 3, 1, 4],
        [1, FIRST_KIT, 0, 0, 0, 0],
        [0, 33, 1, 5, 1, 6],
    ]


@pytest.mark.parametrize(
    ("rows", "bars"),
    [
        ([], [-1, -1]),
        ([(1, 1)], [-1, -1, 1]),  # the drums play before it, so they are declared before it
        ([(1, 0)], [-1, -1, 1]),
        ([(0, 0), (0, 1)], [0, 0]),  # in time
        ([(0, 1)], [-1, 0]),
        ([(0, 0)], [-1, -1, 0]),  # numbers are declared in their order, so 0 not after 1
    ],
)
def test_every_part_is_declared_before_it_is_named(duet, rows, bars):
    """A layout that forgets a part, or names it late, is helped with a row at the head."""
    controls = np.array([(bar, part, 0, 0, 0, 0) for bar, part in rows], CONTROLS_DTYPE)

    events, _ = encode(duet, Layout(controls=controls))
    _, layout = decode(events)

    assert sorted(layout.controls["bar"].tolist()) == bars


def test_held_notes_sound_for_half_a_quarter(duet):
    """A key that is down has no length yet, but a score must show one."""
    events, _ = encode(duet, Layout(held=np.ones(4, bool)))

    assert set(events[events[:, 0] == Kind.NOTE, 5]) == {HELD}
    assert set(decode(events)[0].notes["duration"]) == {DURATION_TICKS[HELD_SOUNDS_AS]} == {12}


def test_notes_of_bars_that_never_came_lie_in_bars_like_the_last(duet):
    """A prompt that was cut keeps what it was given."""
    events, _ = encode(duet, Layout(ahead=np.array([PLAIN, PLAIN, PLAIN, 1])))
    cut = events[: int(np.flatnonzero(events[:, 0] == Kind.BAR)[1])]

    grid, layout = events_to_grid(cut)

    assert layout.n_bars == grid.n_bars == 2
    assert grid.bars[0] == grid.bars[1]
    assert grid.notes["bar"].max() == 1


def test_bars_that_never_came_have_room_for_their_notes(make_score):
    """A metre that was not said is guessed: like the last one, but as long as is needed."""
    score = make_score(
        [(0, 1, 60, 64, 0), (24 + 2 * 24 + 13, 1, 60, 64, 0)],
        time_signatures=[(0, 2, 8), (24, 3, 4)],
    )
    events, _ = encode(score, Layout(ahead=np.array([PLAIN, 1])))

    grid, _ = events_to_grid(events[:4])

    assert NUMERATOR_OF[grid.bars["time_signature"]].tolist() == [2, 3]
    assert DENOMINATOR_OF[grid.bars["time_signature"]].tolist() == [8, 4]
    assert grid.notes["tick"].tolist() == [13]


def test_empty_bars_at_the_end_are_kept(duet):
    """An empty bar is a BAR after a BAR; decoding and encoding keep their count."""
    events, _ = encode(duet, Layout(n_bars=6))

    assert (events[:, 0] == Kind.BAR).sum() == 6
    assert np.array_equal(encode(*decode(events))[0], events)


def test_a_sentence_without_bars_is_empty_music(make_score):
    """START and END alone are a score without notes, and come back."""
    events, _ = encode(make_score(), Layout(n_bars=0))

    assert events[:, 0].tolist() == [Kind.START, Kind.PART, Kind.END]
    assert np.array_equal(encode(*decode(events))[0], events)


def test_live_notes_may_come_out_of_order(duet):
    """Order inside a bar is the grammar's business; reading only needs to know the place."""
    events, _ = encode(duet)
    events[[5, 7]] = events[[7, 5]]

    assert np.array_equal(decode(events)[0].notes, snap(duet).notes)


# --------------------------------------------------------------------- refusals


def changed(index, column, value):
    """Return an edit of the duet's events: one value is another."""

    def edit(events):
        events = events.copy()
        events[index, column] = value
        return events

    return edit


def without(*indices):
    """Return an edit that leaves events out."""
    return lambda events: np.delete(events, indices, axis=0)


def moved(index, to):
    """Return an edit that moves an event."""
    return lambda events: np.insert(np.delete(events, index, 0), to, events[index], 0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda e: e[:, :6], r"shape \(12, 6\); they must have 9 columns"),
        (lambda e: e[0], r"shape \(9,\); they must have 9 columns"),
        (lambda e: e[:0], "must begin with START"),
        (without(0), "must begin with START"),
        (moved(0, 3), "must begin with START"),
        (lambda e: np.concatenate([e[:3], e]), "event 3: START stands only first"),
        (moved(11, 5), "event 5: END stands only last"),
        (moved(3, 7), "event 3: a note or chord stands before the first BAR"),
        (without(3, 8), "event 3: a note or chord stands before the first BAR"),
        (without(2), "event 5: a note names a part that is not declared before it"),
        (moved(2, 7), "event 5: a note names a part that is not declared before it"),
        (changed(5, 3, 2), "event 5: a note names a part that is not declared before it"),
        (without(1), r"parts \[1\] are declared; numbers must run from 0 without a gap"),
        (changed(2, 1, 5), r"parts \[0, 5\] are declared"),
        (changed(2, 1, 0), "event 2: a part is declared again with another program"),
        (changed(5, PROGRAM, 32), "event 5: a note says another program than its part has"),
        (changed(5, 4, 40 + FIRST_DRUM), "event 5: a drum piece in a pitched part"),
        (
            changed(6, 4, 36),
            "event 6: a drum piece in a pitched part, or a pitch in a drum part",
        ),
        (changed(7, 1, 4), "event 7: a note or chord begins behind the end of its bar"),
        (changed(7, 2, 24), "event 7: a note or chord begins behind the end of its bar"),
        (changed(9, 1, 4), "event 9: a note or chord begins behind the end of its bar"),
        (changed(4, 0, 7), "event 4 has kind 7; there are 7"),
        (changed(0, 1, len(Task)), "event 0, START, has task 8; it must be at most 7"),
        (changed(0, 2, N_STYLES), "START, has style 64; it must be at most 63"),
        (changed(0, 3, 25), "START, has key 25; it must be at most 24"),
        (changed(0, 4, 5), "START, has extent 5; it must be at most 4"),
        (changed(1, 1, 64), "event 1, PART, has part_declared 64; it must be at most 63"),
        (changed(1, 2, 136), "PART, has program 136; it must be at most 135"),
        (changed(1, 3, 12), "PART, has role 12; it must be at most 11"),
        (changed(1, 4, 10), "PART, has density 10; it must be at most 9"),
        (changed(1, 5, 8), "PART, has polyphony 8; it must be at most 7"),
        (changed(1, 6, 11), "PART, has register 11; it must be at most 10"),
        (changed(3, 1, 192), "event 3, BAR, has time_signature 192; it must be at most 191"),
        (changed(3, 2, TEMPO_BINS), "BAR, has tempo 121; it must be at most 120"),
        (changed(4, 1, 32), "event 4, CHORD, has beat 32; it must be at most 31"),
        (changed(4, 2, 96), "CHORD, has tick 96; it must be at most 95"),
        (changed(4, 3, 13), "CHORD, has root 13; it must be at most 12"),
        (changed(4, 4, 23), "CHORD, has quality 23; it must be at most 22"),
        (changed(4, 5, 12), "CHORD, has bass 12; it must be at most 11"),
        (changed(5, 3, 64), "event 5, NOTE, has part 64; it must be at most 63"),
        (changed(5, 5, 153), "NOTE, has duration 153; it must be at most 152"),
        (changed(5, 6, 33), "NOTE, has velocity 33; it must be at most 32"),
        (changed(5, AHEAD, 1), "NOTE, has in unused column 7 1; it must be at most 0"),
        (changed(5, PROGRAM, 136), "NOTE, has program 136; it must be at most 135"),
        (changed(11, 1, 1), "event 11, END, has in unused column 1 1; it must be at most 0"),
    ],
)
def test_what_is_no_sentence_is_refused(duet, edit, message):
    """The message says which event it is and what is wrong with it."""
    events = edit(encode(duet)[0])

    with pytest.raises(TokenError, match=message):
        decode(events)


def test_a_note_given_too_far_ahead_is_refused(duet):
    """No note is announced more than `MAX_AHEAD` bars before it sounds."""
    events, _ = encode(duet, Layout(ahead=np.array([0, PLAIN, PLAIN, PLAIN])))
    events[events[:, 0] == Kind.GIVEN, AHEAD] = MAX_AHEAD + 1

    with pytest.raises(TokenError, match="GIVEN, has ahead 17; it must be at most 16"):
        decode(events)


def controls_of(bar, part):
    return np.array([(bar, part, 0, 0, 0, 0)], CONTROLS_DTYPE)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout(ahead=np.full(3, PLAIN)), r"ahead has shape \(3,\); the grid has 4 notes"),
        (Layout(held=np.ones(5, bool)), r"held has shape \(5,\); the grid has 4 notes"),
        (Layout(unspecified_velocity=np.ones((4, 1), bool)), "unspecified_velocity has shape"),
        (Layout(ahead=np.array([0, 0, 0, 17])), "names ahead 17; it must be -1 to 16"),
        (Layout(ahead=np.array([-2, 0, 0, 17])), "names ahead -2; it must be -1 to 16"),
        (Layout(controls=controls_of(2, 0)), "names bar 2; it must be -1 to 1"),
        (Layout(controls=controls_of(-2, 0)), "names bar -2; it must be -1 to 1"),
        (Layout(controls=controls_of(0, 2)), "names part 2; it must be 0 to 1"),
    ],
)
def test_a_layout_of_another_piece_is_refused(duet, layout, message):
    """Its arrays go by the notes of one grid; for another they would say nonsense."""
    with pytest.raises(TokenError, match=message):
        encode(duet, layout)


def test_a_layout_says_nothing_unless_told(duet):
    """The default is a whole piece, all plain, with nothing asked for."""
    grid, _ = to_grid(duet)
    said = events_to_grid(grid_to_events(grid, Layout()))[1]

    assert (said.task, said.style, said.extent, said.key) == (0, UNSPECIFIED, Extent.WHOLE, 0)
    assert said.held is not None
    assert not said.held.any()
    assert said.ahead is not None
    assert (said.ahead == PLAIN).all()
    assert {field.name for field in fields(Layout)} == {
        "task",
        "style",
        "extent",
        "key",
        "controls",
        "ahead",
        "held",
        "unspecified_velocity",
        "n_bars",
    }


def test_a_window_of_a_piece_is_a_sentence(duet):
    """Training cuts bars out of pieces and spells them as fragments."""
    grid, _ = to_grid(duet)
    window = slice_bars(grid, 1, 2)

    read, _ = events_to_grid(grid_to_events(window, Layout(extent=Extent.ENDING)))

    assert np.array_equal(read.notes, window.notes)
    assert np.array_equal(read.bars, window.bars)
    assert read.n_bars == 1
    assert events_to_grid(grid_to_events(replace(window, key=0), Layout()))[0].key == 0


def test_events_are_bytes(duet):
    """Nine to an event."""
    events, _ = encode(duet)

    assert events.dtype == np.uint8
    assert events.shape == (12, N_COLUMNS)
