"""What is heard is kept, what is drawn is not, and no file harms its reader."""

from pathlib import PurePosixPath

import pytest

from sideman.corpus import musicxml
from sideman.corpus.formats import read_score

pytest.importorskip("lytk", reason="the extra 'notation' is not installed")

from notation_files import (  # type: ignore[import-not-found]
    mxl,
    note,
    pitches,
    quarters,
    read_xml,
    refusal,
    xml,
)

BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;">]><score-partwise><work>&c;</work></score-partwise>"""

OUTSIDE = """<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY x SYSTEM "{url}">]>
<score-partwise><work>&x;</work></score-partwise>"""


def test_sounding_length_counts_not_the_written_one():
    """Some programs write a note of another type than the duration they state."""
    score = read_xml(xml(note("C", 6, "<type>whole</type>") + note("D", 10)))

    assert quarters(score) == [(0, 1.5, 72), (1.5, 2.5, 74)]


def test_note_with_an_empty_accidental_is_kept():
    """The library drops such a note; what does not sound is taken away before it sees it."""
    assert pitches(read_xml(xml(note("C", 16, "<accidental/><stem/>")))) == [72]


def test_program_and_drums_come_from_the_part():
    """Programs are written from 1; a drum piece is known by its MIDI number, also from 1."""
    flute = '<midi-instrument id="I1"><midi-program>74</midi-program></midi-instrument>'
    drums = '<midi-instrument id="I1"><midi-unpitched>37</midi-unpitched></midi-instrument>'
    hit = (
        "<note><unpitched><display-step>E</display-step><display-octave>4</display-octave>"
        '</unpitched><duration>4</duration><instrument id="{}"/></note>'
    )

    played = read_xml(xml(note("C", 16), declared=flute))
    drummed, repairs = read_score(
        xml(hit.format("I1") + hit.format("I2"), declared=drums), PurePosixPath("d.xml")
    )

    assert [(part.program, part.is_drum) for part in played.parts] == [(73, False)]
    assert pitches(drummed) == [36, 38]
    assert [part.is_drum for part in drummed.parts] == [True]
    assert repairs == {"unknown-drum": 1}


def test_cue_notes_are_silent():
    """They show what somebody else plays."""
    cue = note("C", 8).replace("<note>", "<note><cue/>")

    assert quarters(read_xml(xml(cue + note("D", 8)))) == [(2, 2, 74)]


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.xml", "not-musicxml"),
        (b"<html><body/></html>", "a.xml", "not-musicxml"),
        (b"<svg/>", "a.musicxml", "not-musicxml"),
        (xml(note("C", 4))[:-40], "a.xml", "not-musicxml"),
        (b"MThd\0\0\0\6", "a.xml", "not-musicxml"),
        (b"<score-timewise/>", "a.xml", "timewise"),
        (BOMB.encode(), "a.xml", "unsafe-xml"),
        (b"<a>" * 5000 + b"</a>" * 5000, "a.xml", "unsafe-xml"),
        (b"PK\3\4 and no more", "a.mxl", "not-musicxml"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(data, name, reason):
    """A folder holds every kind of .xml; each is one line and one code."""
    assert refusal(data, name) == reason


def test_nothing_outside_the_file_is_opened(tmp_path):
    """An entity that stands for another file is refused; a DTD is not fetched."""
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    doctype = f'<!DOCTYPE score-partwise PUBLIC "-//x" "{secret.as_uri()}">'

    assert refusal(OUTSIDE.format(url=secret.as_uri()).encode(), "a.xml") == "unsafe-xml"
    assert pitches(read_xml(xml(note("C", 16), before=doctype))) == [72]


def test_compressed_musicxml_is_read():
    """Its table of contents says where the score is."""
    assert pitches(read_score(mxl(xml(note("C", 16))), PurePosixPath("a.mxl"))[0]) == [72]


@pytest.mark.parametrize(
    "data",
    [
        mxl(xml(note("C", 16)), name="elsewhere.xml"),
        mxl(xml(note("C", 16)), contents="<container/>"),
        mxl(xml(note("C", 16)))[:-30],
        mxl(b"not XML"),
    ],
    ids=["no such file", "nothing named", "cut", "no XML in it"],
)
def test_broken_mxl_is_refused(data):
    """Whatever breaks in the archive, it is one reason."""
    assert refusal(data, "a.mxl") == "not-musicxml"


def test_zip_bomb_is_refused(monkeypatch):
    """What a small file unpacks to is measured while it is unpacked."""
    monkeypatch.setattr(musicxml, "MAX_UNPACKED_BYTES", 100_000)
    data = mxl(b" " * 10_000_000)

    assert len(data) < 100_000
    assert refusal(data, "a.mxl") == "too-large"
