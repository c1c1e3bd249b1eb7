"""The suffix says what a file is; whatever is in it, it becomes a score or is refused."""

import sys
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.corpus import bars, formats, musicxml, notation
from sideman.corpus.formats import SUFFIXES, read_score
from sideman.errors import MidiFileError, MissingExtra
from sideman.score.midi import midi_bytes, parse_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table

pytest.importorskip("lytk", reason="the extra 'notation' is not installed")

from notation_files import (  # type: ignore[import-not-found]
    mxl,
    note,
    pitches,
    read_abc,
    refusal,
    tune,
    xml,
)


@pytest.mark.parametrize("name", ["a.mid", "b.MIDI", "folder/c.kar"])
def test_midi_is_read_as_ever(name):
    """The suffix decides, in any case; the notes are those that the MIDI reader gives."""
    score = Score(table(NOTE_DTYPE, [(0, 12, 60, 80, 0)]), (Part(),))

    found, repairs = read_score(midi_bytes(score), PurePosixPath(name))

    np.testing.assert_array_equal(found.notes, score.notes)
    assert repairs == Counter()


def test_another_suffix_is_refused():
    """The message lists what is known."""
    assert refusal(b"", "a.pdf") == "unknown-format"
    assert set(SUFFIXES.values()) == {"midi", "musicxml", "abc"}


def test_large_notation_is_refused_before_it_is_read(monkeypatch):
    """A reader may need many times the memory of its file."""
    monkeypatch.setattr(formats, "MAX_BYTES", 20)

    assert refusal(tune("CDEF|"), "a.abc") == "too-large"


def test_without_lytk_the_way_out_is_named(monkeypatch):
    """Who has only MIDI needs no lytk; who has notation is told how to get it."""
    monkeypatch.setitem(sys.modules, "lytk", None)

    with pytest.raises(MissingExtra, match=r'pip install "sideman\[notation\]"'):
        read_abc(tune("CDEF|"))


@given(st.data())
def test_damaged_files_are_read_or_refused(data):
    """Whatever bytes are lost or changed, nothing but a refusal comes out."""
    name, whole = data.draw(
        st.sampled_from(
            [
                ("a.xml", xml(note("C", 8, '<tie type="start"/>') + note("C", 8))),
                ("a.mxl", mxl(xml(note("C", 16)))),
                ("a.abc", tune('|:"Am7"{c}A>B (3cde|1f4:|2[CE]4|]')),
            ]
        )
    )
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=3))

    try:
        score, _ = read_score(bytes(broken), PurePosixPath(name))
    except MidiFileError as error:
        reason = error.reason
    else:
        reason = ""
        assert (score.notes["duration"] >= 1).all()

    tables = (formats.__doc__, notation.__doc__, musicxml.__doc__, bars.__doc__)
    assert not reason or any(f"`{reason}`" in table for table in tables)


def test_what_is_read_can_be_written_as_midi():
    """The score is one like any other."""
    score = read_abc(tune('"C"|:CDE{f}F:|', "M:4/4\nL:1/4\nQ:1/4=90\nK:C"))

    again = parse_midi(midi_bytes(score), Path("a.mid"))

    assert pitches(again) == pitches(score)
    assert (again.notes["onset"] == score.notes["onset"]).all()
