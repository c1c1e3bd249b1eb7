"""Parts as people ask for them, and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.parts import (
    ROLES,
    WISHES,
    PartWish,
    declared_controls,
    find_instrument,
    instrument_name,
    parse_part,
    part_text,
    wishes_of,
)
from sideman.errors import EngineError
from sideman.score.general_midi import DRUM_KIT_NAMES
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import (
    DRUM_KITS,
    DURATION_TICKS,
    FIRST_KIT,
    HELD,
    UNSPECIFIED,
    Role,
)

VIOLIN, FRETLESS, STANDARD_KIT, TR_808 = 40, 35, 128, 132


def spans(low, high):
    """Return a strategy of ranges, or none."""
    return st.none() | st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda ends: (min(ends), max(ends))
    )


lengths_st = st.sampled_from(DURATION_TICKS[HELD + 1 :].tolist())
open_wishes = {
    "density": st.none() | st.integers(1, 9),
    "max_notes": st.none() | st.integers(1, 500),
    "polyphony": spans(1, 128),
    "lengths": st.none() | st.tuples(lengths_st, lengths_st).map(lambda x: (min(x), max(x))),
    "velocity": spans(1, 127),
}
melodic_st = st.builds(
    PartWish,
    program=st.integers(0, 127),
    role=st.sampled_from([role for role in Role if role is not Role.DRUMS]),
    octave=st.none() | st.integers(-1, 9),
    range=spans(0, 127),
    **open_wishes,
)
drums_st = st.builds(
    PartWish,
    program=st.integers(FIRST_KIT, FIRST_KIT + len(DRUM_KITS) - 1),
    role=st.just(Role.DRUMS),
    **open_wishes,
)


@given(melodic_st | drums_st)
def test_part_is_read_as_it_is_written(wish):
    """The recipe in a take says its parts as text, and makes it again from them."""
    assert parse_part(part_text(wish)) == wish


def test_everything_that_can_be_wished_is_understood():
    """Middle C is C4, MIDI note 60; a whole note has 96 ticks."""
    wish = parse_part(
        "bass=fretless:density=3,max-notes=12,polyphony=1-2,octave=1,range=E1-G3,"
        "lengths=1/16-1/4.,velocity=40-100"
    )

    assert wish == PartWish(
        program=FRETLESS,
        role=Role.BASS,
        density=3,
        max_notes=12,
        polyphony=(1, 2),
        octave=1,
        range=(28, 55),
        lengths=(6, 36),
        velocity=(40, 100),
    )
    assert list(wishes_of(wish)) == list(WISHES)


@pytest.mark.parametrize(
    "text",
    [
        "violin:polyphony=1,range=C-1-C5",
        "Violin, polyphony=1, range=C-1-C5",
        " 41 : Range = c-1 - c5 , POLYPHONY = 1 ",
    ],
)
def test_case_and_blanks_do_not_matter(text):
    """A comma will do for the colon; people count programs from 1."""
    assert parse_part(text) == PartWish(VIOLIN, polyphony=(1, 1), range=(0, 72))


@pytest.mark.parametrize("word", ROLES)
def test_every_role_has_a_word(word):
    """The same words as in the vocabulary."""
    wish = parse_part(f"{word}=drums" if word == "drums" else f"{word}=violin")

    assert wish.role is ROLES[word]
    assert part_text(wish).startswith(f"{word}=")


@pytest.mark.parametrize(
    ("text", "kit"),
    [
        ("drums", "Standard"),
        ("percussion", "Standard"),
        ("Drum kit", "Standard"),
        ("jazz kit", "Jazz"),
        ("brush drums", "Brush"),
        ("TR-808 kit", "TR-808"),
        ("808 drums", "TR-808"),
        ("drums=jazz", "Jazz"),
        ("drums=drums", "Standard"),
    ],
)
def test_drum_kits_are_found_by_their_names(text, kit):
    """Jazz alone is a guitar, so a kit is named as such, in front or behind."""
    wish = parse_part(text)

    assert wish.role is Role.DRUMS
    assert DRUM_KIT_NAMES[DRUM_KITS[wish.program - FIRST_KIT]] == kit


@pytest.mark.parametrize(
    ("text", "program"),
    [("steel drums", 114), ("synth drum", 118), ("chromatic percussion", 8), ("jazz", 26)],
)
def test_programs_that_sound_like_kits_are_no_kits(text, program):
    """Drums with pitches of their own are programs."""
    assert find_instrument(text) == program


@given(st.integers(0, FIRST_KIT + len(DRUM_KITS) - 1))
def test_instrument_is_found_by_its_name(program):
    """Each program and each kit."""
    assert find_instrument(instrument_name(program)) == program


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bas=fretless", "part 'bas=fretless': there is no role 'bas'; did you mean 'bass'"),
        ("=fretless", "there is no role ''; known are melody, bass"),
        ("violn", "part 'violn': there is no program 'violn'; did you mean 'Violin'"),
        ("129", "program number is 129; people count programs from 1 to 128"),
        ("drums=jaz", "there is no drum kit 'jaz'; did you mean 'jazz'"),
        ("jaz kit", "there is no program 'jaz kit'; .*; drum kits are Standard, Room"),
        ("bass=drums", "role is bass for Standard kit; it must be drums for drum kits, only"),
        ("violin:densty=3", "there is no wish 'densty'; did you mean 'density'"),
        ("violin:density", "density needs one value; write density=…, once"),
        ("violin:density=1,density=2", "density needs one value"),
        ("violin:density=0", "density is 0; it must be 1 to 9"),
        ("violin:density=high", "density is 'high'; it must be a whole number"),
        ("violin:max-notes=0", "max-notes is 0; it must be at least 1"),
        ("violin:polyphony=4-2", "the range '4-2' runs backwards; write the lower end first"),
        ("violin:octave=10", "octave is 10; it must be -1 to 9"),
        ("violin:range=Z1-G3", "note is 'Z1'; write a name and an octave"),
        ("violin:range=G3", None),
        ("violin:lengths=1/5", "note length '1/5' is not on the grid; near it is 3/16"),
        ("violin:velocity=0-80", "velocity is 0-80; it must be 1 to 127"),
        ("drums:octave=2", "a drum kit has no octave and no range; leave them out"),
        ("drums:range=C2-C3", "a drum kit has no octave and no range"),
    ],
)
def test_wish_that_cannot_be_says_why(text, message):
    """Thing, value, rule and way out; one value in place of a range is fine."""
    if message is None:
        assert parse_part(text).range == (55, 55)
    else:
        with pytest.raises(EngineError, match=message):
            parse_part(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"program": 136}, "program is 136; it must be 0 to 135"),
        ({"program": STANDARD_KIT}, "role is unspecified for Standard kit; it must be drums"),
        ({"program": 0, "role": Role.DRUMS}, "role is drums for Acoustic Grand Piano"),
        ({"program": 0, "velocity": (100, 40)}, "velocity is 100-40; it must be 1 to 127"),
        ({"program": 0, "lengths": (97, 97)}, "the vocabulary has no length between"),
    ],
)
def test_wish_made_in_python_is_checked_too(fields, message):
    """Who skips the text does not skip the rules."""
    with pytest.raises(EngineError, match=message):
        PartWish(**fields)


def test_declared_controls_are_those_that_such_playing_measures():
    """The model learnt levels from music, so what is asked must be in the same levels."""
    rows = [(24 * n, 24, pitch, 80, 0) for n in range(16) for pitch in (60, 64)]
    score = Score(table(NOTE_DTYPE, rows), (Part(program=VIOLIN),))
    played = measure_controls(to_grid(score)[0])
    asked = declared_controls([parse_part("melody=violin:polyphony=2,octave=4")])

    for name in ("bar", "part", "role", "polyphony", "register"):
        assert asked[name] == played[name]


def test_register_is_declared_from_the_range_where_no_octave_is_asked():
    """A bass bounded to its low octave should not be told to play anywhere."""
    rows = declared_controls([parse_part("violin:range=C4-B4"), parse_part("violin:octave=4")])

    assert rows["register"][0] == rows["register"][1] != UNSPECIFIED


def test_what_is_left_open_is_declared_open():
    """Value 0 says nothing; a drum kit still has its role."""
    rows = declared_controls([parse_part("violin"), parse_part("drums")])

    assert rows["role"].tolist() == [UNSPECIFIED, Role.DRUMS]
    for name in ("density", "polyphony", "register"):
        assert not rows[name].any()


@given(st.lists(melodic_st | drums_st, max_size=4))
def test_declared_controls_are_levels_that_the_vocabulary_has(wishes):
    """Octave 9 is the top of the last register."""
    rows = declared_controls(wishes)

    assert rows["part"].tolist() == list(range(len(wishes)))
    assert (rows["density"] <= 9).all()
    assert (rows["polyphony"] <= 7).all()
    assert (rows["register"] <= 10).all()
    assert np.array_equal(rows["role"], [wish.role for wish in wishes])
