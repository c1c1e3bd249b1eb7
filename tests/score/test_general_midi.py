"""Program names, and what people type for them."""

import pytest

from sideman.errors import ScoreError
from sideman.score.general_midi import (
    _RANGES_OF_THEIR_OWN,
    DRUM_KIT_NAMES,
    DRUM_NAMES,
    FAMILY_NAMES,
    N_PROGRAMS,
    PITCH_RANGES,
    PROGRAM_NAMES,
    family_name,
    find_program,
    program_name,
)


def test_tables_have_the_sizes_of_the_standard():
    """General MIDI Level 1: 128 programs, 16 families, 47 drum pieces; no name twice."""
    assert N_PROGRAMS == len(set(PROGRAM_NAMES)) == 128
    assert len(FAMILY_NAMES) == 16
    assert list(DRUM_NAMES) == list(range(35, 82))
    assert list(DRUM_KIT_NAMES) == [0, 8, 16, 24, 25, 32, 40, 48]


@pytest.mark.parametrize(
    ("program", "name", "family"),
    [
        (0, "Acoustic Grand Piano", "Piano"),
        (33, "Electric Bass (finger)", "Bass"),
        (40, "Violin", "Strings"),
        (56, "Trumpet", "Brass"),
        (80, "Lead 1 (square)", "Synth Lead"),
        (127, "Gunshot", "Sound Effects"),
    ],
)
def test_landmarks_are_where_the_standard_has_them(program, name, family):
    """A name left out would shift all after it."""
    assert program_name(program) == name
    assert family_name(program) == family


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("Bright Acoustic Piano", 21, 108),
        ("Electric Guitar (clean)", 40, 88),
        ("Violin", 55, 103),
        ("Contrabass", 23, 67),
        ("Pizzicato Strings", 23, 103),
        ("Piccolo", 74, 108),
        ("Pad 2 (warm)", 0, 127),
    ],
)
def test_instruments_have_the_range_that_is_theirs(name, lowest, highest):
    """A family's range, or one of the instrument's own: a guitar ends at its lowest string."""
    assert PITCH_RANGES[PROGRAM_NAMES.index(name)] == (lowest, highest)


def test_every_program_has_a_range():
    """An octave at least, of MIDI notes."""
    assert len(PITCH_RANGES) == N_PROGRAMS
    assert all(0 <= lowest <= highest - 12 <= 115 for lowest, highest in PITCH_RANGES)


@pytest.mark.parametrize("name", _RANGES_OF_THEIR_OWN)
def test_range_of_its_own_is_that_of_a_program(name):
    """A misspelt name would leave the instrument with the range of its family."""
    assert name in PROGRAM_NAMES


@pytest.mark.parametrize("program", range(128))
def test_every_program_is_found_by_name_and_by_number(program):
    """The number is counted from 1, as on every synthesizer."""
    assert find_program(PROGRAM_NAMES[program]) == program
    assert find_program(str(program + 1)) == program


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("piano", 0),
        ("Guitar", 24),
        ("chromatic percussion", 8),
        ("  FLUTE ", 73),
        ("honky tonk", 3),
        ("electric bass", 33),
        ("nylon guitar", 24),
        ("sax", 64),
        ("001", 0),
        ("strings", 48),
        ("brass", 61),
    ],
)
def test_program_is_found_by_family_and_by_words(text, program):
    """Case, punctuation and the order of the words do not matter."""
    assert find_program(text) == program


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trumpett", "there is no program 'trumpett'; did you mean 'Trumpet'"),
        ("violni", "there is no program 'violni'; did you mean 'Viol"),
        ("xyzzy", "there is no program 'xyzzy'; give a General MIDI name or a number from 1"),
        ("", "there is no program ''"),
        ("0", "program number is 0; people count programs from 1 to 128"),
        ("129", "program number is 129"),
        ("9" * 5000, "there is no program '999"),
        ("drums", "'drums' is no program: a drum part is marked as drums"),
    ],
)
def test_unknown_program_names_the_text_and_the_way_out(text, message):
    """A typo is put right, a wrong number gets its range."""
    with pytest.raises(ScoreError, match=message):
        find_program(text)


def test_name_of_a_program_that_there_is_not_is_refused():
    """Inside, programs count from 0."""
    with pytest.raises(ScoreError, match="program is 128; it must be 0 to 127"):
        program_name(128)
    with pytest.raises(ScoreError, match="program is -1"):
        family_name(-1)
