"""MusicXML and ABC become what would sound; what cannot be read is refused."""

from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.corpus.formats import read_score
from sideman.score.harmony import Chord, chord_label

pytest.importorskip("lytk", reason="the extra 'notation' is not installed")

from notation_files import (  # type: ignore[import-not-found]
    ATTRIBUTES,
    note,
    pitches,
    quarters,
    read_abc,
    read_xml,
    refusal,
    tune,
    xml,
)


def test_musicxml_gives_pitches_places_and_lengths():
    """A chord, a rest, a second voice and an alteration: each note once, where it sounds."""
    score = read_xml(
        xml(
            note("C", 4)
            + note("E", 4, alter=-1).replace("<note>", "<note><chord/>")
            + "<note><rest/><duration>4</duration></note>"
            + note("G", 8)
            + "<backup><duration>8</duration></backup>"
            + note("A", 8, "<voice>2</voice>", octave=3)
        )
    )

    assert quarters(score) == [(0, 1, 72), (0, 1, 75), (2, 2, 57), (2, 2, 79)]
    assert [part.name for part in score.parts] == ["Flute"]


def test_tied_notes_are_one():
    """Also over a bar line."""
    score = read_xml(
        xml(note("C", 16, '<tie type="start"/>'), note("C", 4, '<tie type="stop"/>'))
    )

    assert quarters(score) == [(0, 5, 72)]


def test_same_note_again_without_a_tie_is_struck_again():
    """Nothing is joined that the file does not join."""
    assert quarters(read_xml(xml(note("C", 8) + note("C", 8)))) == [(0, 2, 72), (2, 2, 72)]


def test_unison_of_two_voices_is_two_notes():
    """No note is lost, though a MIDI file could not hold both."""
    score = read_xml(
        xml(
            note("C", 16)
            + "<backup><duration>16</duration></backup>"
            + note("C", 4, "<voice>2</voice>")
        )
    )

    assert sorted(quarters(score)) == [(0, 1, 72), (0, 4, 72)]


def test_transposing_instrument_sounds_as_it_sounds():
    """A clarinet in B flat reads D major and plays C major; its chord symbols move along."""
    attributes = ATTRIBUTES.replace("<fifths>0", "<fifths>2").replace(
        "</attributes>",
        "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose></attributes>",
    )
    symbol = "<harmony><root><root-step>D</root-step></root><kind>major</kind></harmony>"

    score = read_xml(xml(symbol + note("D", 16), attributes=attributes))

    assert pitches(score) == [72]
    assert score.keys.tolist() == [(0, 0, False)]
    assert score.chords["root"].tolist() == [0]


def test_metre_key_tempo_and_dynamics_are_read():
    """A dotted quarter at 60 is 90 quarters a minute; dynamics hold until the next."""
    attributes = """<attributes><divisions>2</divisions><key><fifths>-1</fifths>
        <mode>minor</mode></key><time><beats>3+3</beats><beat-type>8</beat-type></time>
        </attributes><direction><direction-type><metronome><beat-unit>quarter</beat-unit>
        <beat-unit-dot/><per-minute>60</per-minute></metronome></direction-type></direction>"""
    loud = "<direction><direction-type><dynamics><{}/></dynamics></direction-type></direction>"

    score = read_xml(
        xml(
            note("D", 3) + loud.format("pp") + note("D", 3),
            note("D", 3) + loud.format("ff") + note("D", 3),
            attributes=attributes,
        )
    )

    assert score.time_signatures.tolist() == [(0, 6, 8)]
    assert score.keys.tolist() == [(0, 2, True)]
    assert score.tempos.tolist() == [(0, 90.0)]
    assert score.notes["velocity"].tolist() == [80, 33, 33, 112]


@pytest.mark.parametrize(
    ("kind", "inside", "label"),
    [
        ("major", "", "C:maj"),
        ("minor-seventh", "", "C:min7"),
        ("half-diminished", "<bass><bass-step>G</bass-step></bass>", "C:hdim7/5"),
        (
            "dominant",
            "<degree><degree-value>9</degree-value><degree-alter>0</degree-alter>"
            "<degree-type>add</degree-type></degree>",
            "C:9",
        ),
        (
            "minor-seventh",
            "<degree><degree-value>5</degree-value><degree-alter>-1</degree-alter>"
            "<degree-type>alter</degree-type></degree>",
            "C:hdim7",
        ),
        (
            "dominant",  # no quality has the flat ninth: it is left out
            "<degree><degree-value>9</degree-value><degree-alter>-1</degree-alter>"
            "<degree-type>add</degree-type></degree>",
            "C:7",
        ),
        ("none", "", "N"),
    ],
)
def test_chord_symbols_become_harte_labels(kind, inside, label):
    """They are the ground truth of chord finding."""
    symbol = (
        f"<harmony><root><root-step>C</root-step></root><kind>{kind}</kind>{inside}</harmony>"
    )

    score = read_xml(xml(note("C", 8) + symbol + note("C", 8)))

    assert [chord_label(Chord(*row[1:])) for row in score.chords.tolist()] == [label]
    assert score.chords["onset"].tolist() == [2 * score.tpq]


def test_grace_notes_take_their_time_from_the_note_after():
    """Two graces before a quarter: a 32nd each, and the quarter is a 16th shorter."""
    grace = (
        note("A", 4).replace("<duration>4</duration>", "").replace("<note>", "<note><grace/>")
    )

    score = read_xml(xml(grace + grace + note("C", 4) + note("D", 12)))

    assert quarters(score) == [
        (0, 0.125, 81),
        (0.125, 0.125, 81),
        (0.25, 0.75, 72),
        (1, 3, 74),
    ]


@given(st.lists(st.integers(1, 23), min_size=1, max_size=12), st.integers(1, 24))
def test_every_duration_is_held_exactly(durations, divisions):
    """Whatever a quarter is divided by, no note is rounded, moved or lost."""
    attributes = ATTRIBUTES.replace("<divisions>4", f"<divisions>{divisions}")
    score = read_xml(xml("".join(note("C", d) for d in durations), attributes=attributes))

    assert score.notes["duration"].tolist() == [d * score.tpq / divisions for d in durations]
    assert (
        score.notes["onset"].tolist()
        == (np.append(0, np.cumsum(durations)[:-1]) * score.tpq / divisions).tolist()
    )


def test_jumps_are_not_played_but_counted():
    """Da capo is written in words, in many ways; what is written is there once."""
    words = "<direction-type><words>D.C. al Fine</words></direction-type>"
    jump = f'<direction>{words}<sound dacapo="yes"/></direction>'

    score, repairs = read_score(xml(note("C", 16) + jump), PurePosixPath("a.xml"))

    assert pitches(score) == [72]
    assert repairs == {"jump": 1}


def test_abc_gives_what_it_spells():
    """Broken rhythm, a triplet, a tie over the bar line, an accidental, a chord, a rest."""
    score = read_abc(tune('"Am7"A>B (3cde|^f-|f2 z [CE]|', "M:4/4\nL:1/4\nQ:1/4=100\nK:Am"))

    third = pytest.approx(2 / 3)
    assert [pitch for *_, pitch in quarters(score)] == [69, 71, 72, 74, 76, 78, 60, 64]
    assert [length for _, length, _ in quarters(score)] == [
        1.5,
        0.5,
        *(third, third, third),
        3,
        *(1, 1),
    ]
    assert score.tempos.tolist() == [(0, 100.0)]
    assert score.keys.tolist() == [(0, 9, True)]
    assert [chord_label(Chord(*row[1:])) for row in score.chords.tolist()] == ["A:min7"]


def test_annotations_are_no_chords_and_cost_no_note():
    """Text above a note begins with one of ^ _ < > @ (ABC 2.1, section 4.19)."""
    score = read_abc(tune('">"C "^slow"D "_f"E "Segno"F|'))

    assert pitches(score) == [60, 62, 64, 65]
    assert len(score.chords) == 0


def test_voices_are_parts():
    """Two voices sound together."""
    score = read_abc(tune("V:1\nc4|\nV:2\nC4|", "M:4/4\nL:1/4\nK:C"))

    assert quarters(score) == [(0, 4, 72), (0, 4, 60)]
    assert len(score.parts) == 2


@pytest.mark.parametrize(
    ("key", "tonic", "is_minor"),
    [("G", 7, False), ("Dm", 2, True), ("D dorian", 2, True), ("Gmix", 7, False)],
)
def test_church_modes_are_major_or_minor_by_their_third(key, tonic, is_minor):
    """Their tonic is their own, not that of the major key with their signature."""
    score = read_abc(tune("CDEF|", f"M:4/4\nL:1/4\nK:{key}"))

    assert score.keys.tolist() == [(0, tonic, is_minor)]


def test_book_of_tunes_gives_the_first_that_has_notes():
    """The others are counted, not joined: they are other pieces."""
    book = b"X:1\nT:None\nK:C\nz4|\n\n" + tune("C4|") + b"\n" + tune("D4|")

    score, repairs = read_score(book, PurePosixPath("a.abc"))

    assert pitches(score) == [60]
    assert repairs == {"other-piece": 2}


def test_abc_in_latin_1_is_read():
    """Before ABC 2.1 that was the charset; a title must not cost the tune."""
    data = tune("CDEF|").replace(b"Little", "Königin".encode("latin-1"))

    assert pitches(read_abc(data)) == [60, 62, 64, 65]


def test_abc_includes_no_other_file(tmp_path):
    """A tune may name a file to be put in; nothing outside the data is opened."""
    other = tmp_path / "other.abh"
    other.write_text("GGGG|\n")

    score = read_abc(tune(f"%%abc-include {other}\nC4|"))

    assert pitches(score) == [60]


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.abc", "not-abc"),
        (b"<!DOCTYPE html><html>", "a.abc", "not-abc"),
        (tune("C99999999999|"), "a.abc", "corrupt"),
        (xml(note("C", 16, octave=99)), "a.xml", "notes-lost"),
        (xml(note("B", 16, octave=9)), "a.xml", "corrupt"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(data, name, reason):
    """A folder holds every kind of .xml; each is one line and one code."""
    assert refusal(data, name) == reason
