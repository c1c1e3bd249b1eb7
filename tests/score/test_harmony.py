"""Keys and chords, as people write them and as numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import ScoreError
from sideman.score.harmony import (
    NO_CHORD,
    QUALITIES,
    QUALITY_NAMES,
    SYMBOL_SUFFIXES,
    Chord,
    chord_label,
    chord_pitch_classes,
    chord_symbol,
    key_name,
    parse_chord,
    parse_chord_label,
    parse_key,
    scale_pitch_classes,
)

chords_st = st.one_of(
    st.just(Chord(NO_CHORD)),
    st.builds(
        Chord, st.integers(0, 11), st.integers(0, len(QUALITIES) - 1), st.integers(0, 11)
    ),
)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", (0, False)),
        ("d minor", (2, True)),
        ("D Minor", (2, True)),
        ("F# major", (6, False)),
        ("Bbm", (10, True)),
        ("bb", (10, False)),
        ("b", (11, False)),
        ("Cb major", (11, False)),
        ("G:min", (7, True)),
        ("BM", (11, False)),
        ("E♭ major", (3, False)),
        (" A ", (9, False)),
    ],
)
def test_key_is_understood_as_people_write_it(text, key):
    """A capital M is major, a small one minor; otherwise case does not matter."""
    assert parse_key(text) == key


@pytest.mark.parametrize("text", ["", "H", "D dorian", "minor", "C minor 7"])
def test_unknown_key_names_the_text_and_the_way_out(text):
    """The message shows what would be right."""
    with pytest.raises(ScoreError, match=f"key is '{text}'; write it as 'D minor'"):
        parse_key(text)


@given(st.integers(0, 11), st.booleans())
def test_every_key_name_is_understood(tonic, is_minor):
    """Name and number are two forms of one thing."""
    assert parse_key(key_name(tonic, is_minor=is_minor)) == (tonic, is_minor)


@given(st.integers(0, 11))
def test_minor_key_has_the_notes_of_its_relative_major(tonic):
    """A minor third up."""
    minor = scale_pitch_classes(tonic, is_minor=True)
    major = scale_pitch_classes((tonic + 3) % 12, is_minor=False)

    assert set(minor) == set(major)
    assert minor[0] == tonic


@pytest.mark.parametrize(
    ("label", "chord"),
    [
        ("C", (0, "maj", 0)),
        ("C:maj", (0, "maj", 0)),
        ("C/3", (0, "maj", 4)),
        ("C:min7/b3", (0, "min7", 3)),
        ("F#:hdim7", (6, "hdim7", 0)),
        ("Ebb:7", (2, "7", 0)),
        ("B#:min", (0, "min", 0)),
        ("G:maj/9", (7, "maj", 2)),
        ("A:(b3,5,b7)", (9, "min7", 0)),
        ("A:(1,b3,5)", (9, "min", 0)),
        ("C:maj(*3)", (0, "5", 0)),
        ("C:sus4(b7)", (0, "7sus4", 0)),
        ("N", (NO_CHORD, "maj", 0)),
    ],
)
def test_harte_label_becomes_numbers(label, chord):
    """Harte et al. 2005, degrees in brackets included."""
    root, quality, bass = chord

    assert parse_chord_label(label) == (root, QUALITY_NAMES.index(quality), bass)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ("H:maj", "chord label is 'H:maj'; write it as"),
        ("C:", "chord label is 'C:'"),
        ("C:foo", "chord 'C:foo' has the quality 'foo'; known are maj, min, dim"),
        ("C:maj(b2)", r"chord 'C:maj\(b2\)' is none of the known qualities"),
        ("C:maj(99)", "has the degree '99'; it must be 1 to 13"),
        (f"C:maj({'9' * 5000})", "has the degree '999"),
        (f"C:maj/{'9' * 5000}", "chord label is 'C:maj/999"),
        ("C/0", "has the degree '0'"),
        ("c:maj", "chord label is 'c:maj'"),
    ],
)
def test_wrong_label_names_the_label_and_the_rule(label, message):
    """Nothing is guessed."""
    with pytest.raises(ScoreError, match=message):
        parse_chord_label(label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("C", "C:maj"),
        ("Am7", "A:min7"),
        ("E7/G#", "E:7/3"),
        ("Bbm", "Bb:min"),
        ("F#m7b5", "Gb:hdim7"),
        ("F#m7(b5)", "Gb:hdim7"),
        ("F♯m7♭5", "Gb:hdim7"),
        ("CM7", "C:maj7"),
        ("Cm", "C:min"),
        ("C-7", "C:min7"),
        ("CΔ", "C:maj7"),
        ("Dsus", "D:sus4"),
        ("G7sus4", "G:7sus4"),
        ("A5", "A:5"),
        ("Cb5", "B:5"),
        ("D/C", "D:maj/b7"),
        ("Am/A", "A:min"),
        ("Cm(maj7)", "C:minmaj7"),
        ("N.C.", "N"),
        ("C:min7/b3", "C:min7/b3"),
    ],
)
def test_everyday_symbol_is_understood(text, label):
    """What a lead sheet says, and Harte labels too."""
    assert chord_label(parse_chord(text)) == label


@pytest.mark.parametrize("text", ["", "H7", "C7b9", "Am7/H", "am7", "C/9"])
def test_unknown_symbol_says_what_is_known(text):
    """The message names the text and every kind there is."""
    with pytest.raises(ScoreError, match=r"chord is '.*'; known kinds are C, Cm, Cdim"):
        parse_chord(text)


@given(chords_st)
def test_label_and_symbol_of_every_chord_lead_back_to_it(chord):
    """Both notations hold all that the numbers say."""
    assert parse_chord_label(chord_label(chord)) == chord
    assert parse_chord(chord_symbol(chord)) == chord


@given(chords_st.filter(lambda chord: chord.root != NO_CHORD), st.integers(0, 11))
def test_transposed_chord_has_transposed_pitch_classes(chord, semitones):
    """Quality and bass are counted from the root."""
    moved = chord._replace(root=(chord.root + semitones) % 12)

    assert set(chord_pitch_classes(moved)) == {
        (pitch_class + semitones) % 12 for pitch_class in chord_pitch_classes(chord)
    }


def test_bass_outside_the_chord_is_one_of_its_pitch_classes():
    """D/C sounds a C."""
    assert chord_pitch_classes(parse_chord("D/C")) == (0, 2, 6, 9)
    assert chord_pitch_classes(Chord(NO_CHORD)) == ()


@pytest.mark.parametrize(
    ("chord", "message"),
    [
        (Chord(13), "chord root is 13; it must be 0 to 12"),
        (Chord(0, 99), "chord quality is 99; it must be 0 to 22"),
        (Chord(0, 0, 12), "chord bass is 12; it must be 0 to 11"),
    ],
)
def test_chord_number_out_of_range_names_field_value_and_range(chord, message):
    """Whatever is asked of it."""
    for ask in (chord_label, chord_symbol, chord_pitch_classes):
        with pytest.raises(ScoreError, match=message):
            ask(chord)


def test_numbers_of_qualities_never_change():
    """They are stored in shards and models; new ones go to the end."""
    assert " ".join(QUALITY_NAMES) == (
        "maj min dim aug 7 maj7 min7 minmaj7 dim7 hdim7 maj6 min6 "
        "9 maj9 min9 11 min11 13 sus2 sus4 7sus4 5 1"
    )


def test_every_quality_has_one_sound_and_its_own_symbols():
    """Two names for one sound, or one symbol for two, could not be told apart."""
    assert len({frozenset(sound) for sound in QUALITIES.values()}) == len(QUALITIES)
    assert tuple(SYMBOL_SUFFIXES) == QUALITY_NAMES
    suffixes = [suffix for suffixes in SYMBOL_SUFFIXES.values() for suffix in suffixes]
    assert len(set(suffixes)) == len(suffixes)
