"""Little files of notation, and what is asked of them."""

import io
import zipfile
from pathlib import PurePosixPath

import pytest

from sideman.corpus.formats import read_score
from sideman.errors import MidiFileError

ATTRIBUTES = """<attributes><divisions>4</divisions><key><fifths>0</fifths></key>
<time><beats>4</beats><beat-type>4</beat-type></time></attributes>"""


def note(step, duration, inside="", octave=5, alter=0):
    pitch = f"<step>{step}</step><alter>{alter}</alter><octave>{octave}</octave>"
    return f"<note><pitch>{pitch}</pitch><duration>{duration}</duration>{inside}</note>"


def xml(*measures, declared="", attributes=ATTRIBUTES, before=""):
    """Return a MusicXML file of one part."""
    first = f'<measure number="1">{attributes}{measures[0]}</measure>'
    others = [f'<measure number="{n}">{m}</measure>' for n, m in enumerate(measures[1:], 2)]
    return (
        f'<?xml version="1.0"?>{before}<score-partwise version="4.0"><part-list>'
        f'<score-part id="P1"><part-name>Flute</part-name>{declared}</score-part></part-list>'
        f'<part id="P1">{first}{"".join(others)}</part></score-partwise>'
    ).encode()


def tune(body, header="M:4/4\nL:1/4\nK:C"):
    return f"X:1\nT:Little\n{header}\n{body}\n".encode()


def mxl(score, *, name="score.xml", contents=None):
    """Return a compressed MusicXML file."""
    stream = io.BytesIO()
    rootfile = f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", contents or rootfile)
        archive.writestr("score.xml", score)
    return stream.getvalue()


def read_xml(data):
    return read_score(data, PurePosixPath("a.musicxml"))[0]


def read_abc(data):
    return read_score(data, PurePosixPath("a.abc"))[0]


def quarters(score):
    """Return onset, duration, both in quarters, and pitch of every note."""
    return [
        (onset / score.tpq, duration / score.tpq, pitch)
        for onset, duration, pitch, _, _ in score.notes.tolist()
    ]


def pitches(score):
    return score.notes["pitch"].tolist()


def refusal(data, name):
    with pytest.raises(MidiFileError) as caught:
        read_score(data, PurePosixPath(name))
    assert str(caught.value).startswith(f"{name}: ")
    assert "\n" not in str(caught.value)
    return caught.value.reason
