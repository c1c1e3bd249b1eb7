"""Note names, scales, and the pitches that they allow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.pitches import (
    SCALES,
    Scale,
    nudge,
    parse_pitch,
    parse_scale,
    pitch_mask,
    pitch_name,
    scale_name,
)
from sideman.errors import EngineError
from sideman.score.harmony import chord_pitch_classes, parse_chord, parse_key
from sideman.tokens.vocabulary import UNSPECIFIED

scales_st = st.builds(Scale, st.integers(0, 11), st.sampled_from(sorted(SCALES)))
pitches_st = st.integers(0, 127)


@given(pitches_st)
def test_pitch_is_read_as_it_is_written(pitch):
    """Name and number are two forms of one thing."""
    assert parse_pitch(pitch_name(pitch)) == pitch


@pytest.mark.parametrize(
    ("text", "pitch"),
    [("C4", 60), ("c4", 60), ("Cb4", 59), ("B#3", 60), ("F♯3", 54), ("C-1", 0), ("G9", 127)],
)
def test_middle_c_is_c4(text, pitch):
    """The octave is that of the letter, whatever sharps and flats do."""
    assert parse_pitch(text) == pitch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("H4", "note is 'H4'; write a name and an octave, as in F#3 or C4, the middle C"),
        ("C", "note is 'C'; write a name and an octave"),
        ("60", "note is '60'"),
        ("G#9", "note is 'G#9'; MIDI has the notes from C-1 to G9"),
        ("Cb-1", "MIDI has the notes from C-1 to G9"),
    ],
)
def test_note_that_is_none_says_how_notes_are_written(text, message):
    """Octave numbers differ between programs, so the message says where middle C is."""
    with pytest.raises(EngineError, match=message):
        parse_pitch(text)


@given(scales_st)
def test_scale_is_read_as_it_is_written(scale):
    """The recipe in a take says the scale by name."""
    assert parse_scale(scale_name(scale)) == scale


@given(scales_st)
def test_scale_begins_on_its_tonic_and_has_each_pitch_class_once(scale):
    """A misprint in the table would show here."""
    steps, _ = SCALES[scale.name]

    assert scale.pitch_classes[0] == scale.tonic
    assert list(steps) == sorted(set(steps))
    assert max(steps) < 12


@given(scales_st)
def test_scale_has_the_third_of_the_key_that_stands_for_it(scale):
    """What the model is told and what the mask allows must not contradict each other."""
    if scale.key != UNSPECIFIED:
        tonic, is_minor = (scale.key - 1) % 12, scale.key > 12

        assert tonic == scale.tonic
        assert (tonic + (3 if is_minor else 4)) % 12 in scale.pitch_classes


def test_whole_tones_are_neither_major_nor_minor():
    """Then the model is told no key, and only the mask speaks."""
    assert parse_scale("C whole tone").key == UNSPECIFIED


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("D minor", (2, "minor")),
        ("f# dorian", (6, "dorian")),
        ("C pentatonic", (0, "major pentatonic")),
        ("Am pentatonic", (9, "minor pentatonic")),
        ("A blues", (9, "blues")),
        ("bb", (10, "major")),
        ("B blues", (11, "blues")),
        ("Bb Ionian", (10, "major")),
        ("E♭ harmonic-minor", (3, "harmonic minor")),
        ("G:min", (7, "minor")),
        ("AM", (9, "major")),
        ("Am", (9, "minor")),
    ],
)
def test_scale_is_understood_as_people_write_it(text, scale):
    """A tonic alone is major; a capital M is major, a small one minor."""
    assert parse_scale(text) == Scale(*scale)


@pytest.mark.parametrize("text", ["D minor", "F# major", "Bbm", "c", "G:min", "BM", "E♭ major"])
def test_keys_mean_what_they_mean_elsewhere(text):
    """`sideman.score.harmony.parse_key` reads the same words in corpora."""
    tonic, is_minor = parse_key(text)

    assert parse_scale(text).key == 1 + tonic + 12 * is_minor


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("H minor", "key is 'H minor'; write a tonic and a scale, as in 'D minor'"),
        ("", "key is ''"),
        ("D dorain", "key 'D dorain': there is no scale 'dorain'; did you mean 'dorian'"),
        ("D zzz", "there is no scale 'zzz'; known are major, minor, .* blues"),
    ],
)
def test_unknown_scale_gets_the_nearest(text, message):
    """Nobody spells mixolydian twice alike."""
    with pytest.raises(EngineError, match=message):
        parse_scale(text)


def test_tonic_outside_the_octave_is_refused():
    """A library user counts pitch classes, and may count too far."""
    with pytest.raises(EngineError, match="tonic is 12; it must be 0 to 11"):
        Scale(12)


@given(st.sets(st.integers(0, 11)), pitches_st, pitches_st)
def test_mask_is_what_lies_in_the_range_and_in_the_scale(pitch_classes, low, high):
    """It becomes a guarantee, so nothing may slip through and nothing be lost."""
    mask = pitch_mask(pitch_classes, low, high)

    assert mask.shape == (128,)
    for pitch, is_allowed in enumerate(mask):
        assert is_allowed == (low <= pitch <= high and pitch % 12 in pitch_classes)


def test_mask_of_a_chord_holds_its_bass():
    """E7/G# and E7 have the same notes, C/D one more than C."""
    mask = pitch_mask(chord_pitch_classes(parse_chord("C/D")), 60, 71)

    assert np.flatnonzero(mask).tolist() == [60, 62, 64, 67]


@given(scales_st, pitches_st, pitches_st, pitches_st)
def test_nudge_finds_the_nearest_and_of_two_the_lower(scale, pitch, low, high):
    """A nudged melody keeps its contour as well as the scale lets it."""
    mask = pitch_mask(scale.pitch_classes, min(low, high), min(max(low, high) + 12, 127))
    allowed = np.flatnonzero(mask).tolist()
    if allowed:
        found = int(nudge(pitch, mask))

        assert found == min(allowed, key=lambda other: (abs(other - pitch), other))


@given(scales_st, st.lists(pitches_st))
def test_nudged_notes_stay_where_they_are_the_second_time(scale, pitches):
    """What is in the scale is left alone."""
    mask = pitch_mask(scale.pitch_classes)
    nudged = nudge(pitches, mask)

    assert mask[nudged].all()
    assert nudge(nudged, mask).tolist() == nudged.tolist()


def test_nothing_to_nudge_to_is_said():
    """A range of one semitone may hold no note of a scale."""
    with pytest.raises(EngineError, match="no note of the scale or chord lies in the range"):
        nudge(60, pitch_mask((0,), 61, 61))
