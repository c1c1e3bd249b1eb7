"""The key told from the notes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.analysis.keys import FoundKey, find_key, pitched_notes
from sideman.score.harmony import MAJOR_SCALE
from sideman.score.types import NOTE_DTYPE, Part, Score, table

PARTS = (Part(), Part(is_drum=True))
HARMONIC_MINOR_SCALE = (0, 2, 3, 5, 7, 8, 11)

notes_st = st.lists(
    st.tuples(
        st.integers(0, 960), st.integers(1, 400), st.integers(24, 90), st.just(64), st.just(0)
    ),
    min_size=1,
    max_size=20,
)


def score(notes, tpq=24):
    """Return a score of rows of onset, duration, pitch, velocity, part; part 1 is the drums."""
    return Score(table(NOTE_DTYPE, notes), PARTS, tpq=tpq)


def melody(pitches):
    """Return a score of quarters, one after the other."""
    return score([(24 * nth, 24, pitch, 64, 0) for nth, pitch in enumerate(pitches)])


def key_of(piece):
    """Return the key of a score that has one."""
    found = find_key(piece)
    assert found is not None
    return found


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("is_minor", [False, True])
def test_scale_up_and_down_is_in_its_own_key(tonic, is_minor):
    """The plainest music there is, in each of the 24 keys."""
    scale = HARMONIC_MINOR_SCALE if is_minor else MAJOR_SCALE
    steps = [*scale, 12, *reversed(scale)]

    found = key_of(melody([48 + tonic + step for step in steps]))

    assert (found.tonic, found.is_minor) == (tonic, is_minor)


@given(notes_st, st.integers(-24, 36))
def test_transposed_piece_is_in_the_transposed_key(notes, semitones):
    """Also where two keys fit equally well: the choice must not hang on the name of a note."""
    found = key_of(score(notes))

    moved = find_key(score([(*row[:2], row[2] + semitones, *row[3:]) for row in notes]))

    tonic = (found.tonic + semitones) % 12
    assert moved == FoundKey(tonic, found.is_minor, found.confidence)


@given(notes_st, st.integers(2, 40))
def test_finer_ticks_change_nothing(notes, factor):
    """A quarter is a quarter at any resolution."""
    finer = [(row[0] * factor, row[1] * factor, *row[2:]) for row in notes]

    assert find_key(score(finer, tpq=24 * factor)) == find_key(score(notes))


@given(notes_st, st.lists(st.integers(0, 127), max_size=9))
def test_drums_change_nothing(notes, pieces):
    """A drum's pitch is the name of a drum."""
    drums = [(960 * nth, 24, piece, 64, 1) for nth, piece in enumerate(pieces)]

    assert find_key(score([*notes, *drums])) == find_key(score(notes))


@pytest.mark.parametrize("notes", [[], [(0, 24, 36, 64, 1)]], ids=["nothing", "drums only"])
def test_without_pitches_there_is_no_key(notes):
    """A guess would look like knowledge in a corpus's statistics."""
    assert find_key(score(notes)) is None


def test_confidence_falls_from_a_scale_to_chance():
    """A scale says it, one note hardly anything, and all twelve notes nothing."""
    scale = key_of(melody([60 + step for step in (*MAJOR_SCALE, 12)]))
    one = key_of(melody([60]))
    chromatic = key_of(score([(0, 24, 60 + step, 64, 0) for step in range(12)]))

    assert 1 >= scale.confidence > one.confidence > chromatic.confidence > 1 / 24


def test_pitched_notes_are_those_of_the_other_parts():
    """In the order they were in."""
    mixed = score([(0, 24, 60, 64, 0), (0, 24, 36, 64, 1), (24, 24, 62, 64, 0)])

    assert pitched_notes(mixed)["pitch"].tolist() == [60, 62]
    assert np.array_equal(pitched_notes(score([])), table(NOTE_DTYPE))
