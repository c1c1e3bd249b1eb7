"""Controls and layouts: what parts are told to be, and what is given in which task."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.score.types import Part
from sideman.tokens.codec import AT_HEAD, PLAIN
from sideman.tokens.controls import DENSITY_STEPS, measure_controls
from sideman.tokens.grid import onsets, slice_bars, take_parts, to_grid
from sideman.tokens.layouts import (
    accompany_ahead,
    chart_ahead,
    continue_ahead,
    infill_ahead,
    vary_ahead,
)
from sideman.tokens.vocabulary import (
    DURATION_TICKS,
    FIRST_DRUM,
    FIRST_KIT,
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
ARPEGGIO = [(n * 12, 12, (60, 64, 67, 72)[n % 4], 80) for n in range(8 * N_BARS)]
OOM_PAH = [
    (beat * 24, 20, pitch, 70)
    for beat in range(4 * N_BARS)
    for pitch in ((43,) if beat % 2 == 0 else (55, 59, 62))
]
VOICES = [
    [(beat * 24, 24, pitch + (0, 2, 4, 2)[beat % 4], 80) for beat in range(4 * N_BARS)]
    for pitch in (72, 65, 60, 48)
]

PIANO, PICKED_BASS, STRINGS, CHOIR, TRUMPET, WARM_PAD = 0, 34, 48, 52, 56, 89


def moved(line, semitones=0, velocity=None):
    """Return a line at another pitch, at another velocity."""
    return [
        (onset, length, pitch + semitones, old if velocity is None else velocity)
        for onset, length, pitch, old in line
    ]


@pytest.fixture
def band(make_score):
    """Return a function that makes a grid of lines, each alone or with its program."""

    def make(*lines):
        played = [line if isinstance(line, tuple) else (line, PIANO) for line in lines]
        notes = [(*note, part) for part, (line, _) in enumerate(played) for note in line]
        parts = [Part(program, is_drum=line is DRUMS) for line, program in played]
        return to_grid(make_score(notes, parts))[0]

    return make


@pytest.fixture
def roles_of(band):
    """Return a function that says the roles of lines."""

    def roles(*lines):
        return [Role(role) for role in measure_controls(band(*lines))["role"]]

    return roles


def test_a_band_is_told_by_what_it_plays(band):
    """All on one program: what they play beside each other says enough."""
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
        ([ARPEGGIO], [Role.ARPEGGIO]),
        ([COUNTER], [Role.MELODY]),
        ([DRUMS, []], [Role.DRUMS, Role.UNSPECIFIED]),
        ([], []),
    ],
)
def test_small_bands_have_roles_too(roles_of, lines, roles):
    """Who plays alone leads, unless it is plainly something else."""
    assert roles_of(*lines) == roles


@pytest.mark.parametrize(
    ("left_hand", "role"),
    [
        (moved(BASS, 5), Role.BASS),
        (OOM_PAH, Role.CHORDS),
        (moved(ARPEGGIO, -12), Role.ARPEGGIO),
        (moved(CHORDS, -7), Role.CHORDS),
    ],
)
def test_hands_of_a_pianist_have_a_role_each(roles_of, left_hand, role):
    """Bass, stride, broken chords and chords are four ways to accompany."""
    assert roles_of(MELODY, left_hand) == [Role.MELODY, role]


def test_piano_in_one_part_is_chords(roles_of):
    """With both hands in it, it is what a band would call the chords."""
    assert roles_of(MELODY + CHORDS) == [Role.CHORDS]


def test_voices_of_a_choir_are_lines(roles_of):
    """A choir sustains, but each voice is a line: the lowest a bass, however high for one."""
    voices = [(voice, CHOIR) for voice in VOICES]

    assert roles_of(*voices) == [Role.MELODY, Role.COUNTER, Role.COUNTER, Role.BASS]


@pytest.mark.parametrize(
    ("line", "program", "role"),
    [
        (CHORDS, WARM_PAD, Role.PAD),
        (CHORDS, STRINGS, Role.PAD),
        (CHORDS, CHOIR, Role.PAD),
        (CHORDS, PIANO, Role.CHORDS),
        (COUNTER, WARM_PAD, Role.PAD),
        (COUNTER, CHOIR, Role.COUNTER),
        (moved(MELODY, -10), WARM_PAD, Role.COUNTER),
        (moved(COUNTER, -2), PICKED_BASS, Role.BASS),
        (moved(COUNTER, -2), PIANO, Role.COUNTER),
        (moved(ARPEGGIO, -12), STRINGS, Role.ARPEGGIO),
    ],
)
def test_program_tells_what_notes_leave_open(roles_of, line, program, role):
    """The same notes are a pad on one program and not on another; a pad may also play lines."""
    assert roles_of(MELODY, BASS, (line, program))[2] == role


def test_descant_leaves_the_melody_to_who_plays_out(roles_of):
    """The highest line is not the melody if it is much softer."""
    descant = moved(MELODY, 12, velocity=40)

    assert roles_of(descant, MELODY) == [Role.COUNTER, Role.MELODY]
    assert roles_of(moved(MELODY, 12), MELODY) == [Role.MELODY, Role.COUNTER]


def test_solo_program_leads_lines_like_its_own(roles_of):
    """A trumpet and a piano that share the top: the trumpet has the melody."""
    assert roles_of(MELODY, (MELODY, TRUMPET)) == [Role.COUNTER, Role.MELODY]


def test_who_doubles_the_melody_plays_it(roles_of):
    """Otherwise the order of the parts would say which of the two does."""
    assert roles_of(MELODY, BASS, MELODY) == [Role.MELODY, Role.BASS, Role.MELODY]


def test_strummed_chords_are_no_arpeggio(roles_of):
    """A strum spreads the notes of a chord, but nobody hears them one by one."""
    strummed = [
        (beat * 24 + 2 * string, 20, 52 + 5 * string, 80)
        for beat in range(4 * N_BARS)
        for string in range(4)
    ]

    assert roles_of(MELODY, strummed)[1] == Role.CHORDS


@pytest.mark.parametrize("n_bars", [1, 2])
def test_windows_have_the_roles_of_the_piece(band, n_bars):
    """Training declares the parts of short stretches."""
    piece = band(BASS, (CHORDS, STRINGS), MELODY, COUNTER, DRUMS, moved(ARPEGGIO, -12))
    roles = measure_controls(piece)["role"].tolist()

    for first in range(0, N_BARS, n_bars):
        window = slice_bars(piece, first, first + n_bars)
        assert measure_controls(window)["role"].tolist() == roles


@given(data=st.data())
def test_each_part_has_one_role(scores_st, data):
    """Drums are drums, what plays has a role, and what is silent has none."""
    grid, _ = to_grid(data.draw(scores_st))
    is_drum = grid.programs >= FIRST_KIT
    plays = np.isin(np.arange(len(grid.programs)), grid.notes["part"])

    roles = measure_controls(grid)["role"]

    assert ((roles == Role.DRUMS) == is_drum).all()
    assert ((roles == UNSPECIFIED) == ~(plays | is_drum)).all()


@given(data=st.data())
def test_neither_names_nor_the_order_of_parts_matter(scores_st, data):
    """Both are accidents of the file."""
    grid, _ = to_grid(data.draw(scores_st))
    order = np.array(data.draw(st.permutations(range(len(grid.programs)))))
    renamed = replace(grid, names=("Bass",) * len(grid.programs))

    roles = measure_controls(grid)["role"]

    assert (
        measure_controls(take_parts(renamed, order))["role"].tolist() == roles[order].tolist()
    )


@given(data=st.data())
def test_octave_higher_only_a_bass_can_change(scores_st, data):
    """Apart from how low a bass is, parts are only compared with one another."""
    grid, _ = to_grid(data.draw(scores_st))
    pitch = grid.notes["pitch"]
    low = replace(grid, notes=grid.notes[(pitch < 116) | (pitch >= FIRST_DRUM)])
    high = replace(low, notes=low.notes.copy())
    high.notes["pitch"][high.notes["pitch"] < FIRST_DRUM] += 12

    before, after = measure_controls(low)["role"], measure_controls(high)["role"]

    assert (before[after == Role.BASS] == Role.BASS).all()
    if np.array_equal(before == Role.BASS, after == Role.BASS):
        assert after.tolist() == before.tolist()


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
