"""Tests of sessions as scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.live.messages import NoteOff, NoteOn
from sideman.live.recording import Header, Heard, Metre, Record, Sounded, Tempo
from sideman.live.transcript import SCORE_TPQ, to_score
from sideman.score.midi import read_midi, write_midi
from sideman.score.time import bar_starts, ticks_to_seconds

VOICES = (
    "left=input:bass=33:range=C1-B2",
    "right=input:piano",
    "band=auto:piano@1",
    "kit=auto:drums@10",
)
HEADER = Header("small", "0123456789abcdef", VOICES, {"tempo": "100", "metre": "3/4"}, 10.0)
BAR_S = 1.8
"""Length of a bar of 3/4 at 100 quarter notes per minute."""


def note(record, begin_s, end_s, pitch=60, channel=0) -> list[Record]:
    """Return records of a note that came in or went out."""
    return [
        record(begin_s, NoteOn(channel, pitch, 80)),
        record(end_s, NoteOff(channel, pitch)),
    ]


def onsets_s(score):
    return [float(second) for second in ticks_to_seconds(score, score.notes["onset"])]


def test_each_voice_has_its_part():
    """Who played what must be seen in the score."""
    records = [
        *note(Heard, 10.0, 10.5, pitch=40, channel=5),
        *note(Heard, 11.0, 11.5, pitch=70),
        *note(Sounded, 12.0, 12.5, pitch=71),
        *note(Sounded, 13.0, 13.5, pitch=38, channel=9),
    ]

    score = to_score(HEADER, records)

    assert [(part.name, part.program, part.is_drum) for part in score.parts] == [
        ("left", 32, False),
        ("right", 0, False),
        ("band", 0, False),
        ("kit", 0, True),
    ]
    assert score.notes["part"].tolist() == [0, 1, 2, 3]
    assert score.notes["pitch"].tolist() == [40, 70, 71, 38]


def test_tempo_and_metre_are_those_of_the_session():
    """A score that is barred otherwise cannot be read."""
    records: list[Record] = [Tempo(10.0, 0.0, 100.0), Metre(10.0, 0, 3, 4)]
    records += note(Heard, 10.0 + 2 * BAR_S, 10.0 + 3 * BAR_S)

    score = to_score(HEADER, records)

    assert score.tempos.tolist() == [(0, 100.0)]
    assert score.time_signatures.tolist() == [(0, 3, 4)]
    assert score.notes["onset"].tolist() == [int(bar_starts(score)[2])]
    assert score.notes["duration"].tolist() == [3 * SCORE_TPQ]


@given(
    changes=st.lists(st.tuples(st.floats(0.05, 20), st.floats(30, 300)), max_size=8),
    at_s=st.floats(0, 100),
)
def test_a_score_sounds_when_the_session_did(changes, at_s):
    """Whatever the tempo does, the export must keep the performance."""
    records: list[Record] = []
    time_s, tick, tempo_bpm = 10.0, 0.0, 100.0
    for span_s, next_bpm in changes:
        tick += span_s * tempo_bpm * 24 / 60
        time_s, tempo_bpm = time_s + span_s, next_bpm
        records.append(Tempo(time_s, tick, tempo_bpm))
    records += note(Heard, 10.0 + at_s, 11.0 + at_s)

    score = to_score(HEADER, records)

    assert onsets_s(score) == pytest.approx([at_s], abs=0.02)


def test_a_metre_that_changes_begins_at_its_bar_line():
    """The bars behind it depend on it."""
    records: list[Record] = [
        Tempo(10.0, 0.0, 100.0),
        Metre(10.0, 0, 3, 4),
        Metre(10.0 + BAR_S, 72, 5, 4),
    ]
    records += note(Heard, 10.0 + 8.0, 19.0)

    score = to_score(HEADER, records)

    quarters = [start / SCORE_TPQ for start in bar_starts(score)]
    assert quarters[:4] == [0, 3, 8, 13]


def test_after_a_jump_bar_lines_are_where_the_session_had_them():
    """A sequencer that is started again starts at a bar line, wherever the music was."""
    jump_s = 10.0 + 1.5 * BAR_S
    records: list[Record] = [Tempo(10.0, 0.0, 100.0), Tempo(jump_s, 0.0, 100.0)]
    records += note(Sounded, jump_s, jump_s + 0.5)

    score = to_score(HEADER, records)

    assert score.notes["onset"].tolist() == [int(bar_starts(score)[2])]


def test_keys_never_let_go_end_with_the_session():
    """A file that breaks off must not lose the notes that sounded."""
    records: list[Record] = [
        Heard(10.0, NoteOn(0, 60, 80)),
        Heard(10.6, NoteOn(0, 60, 90)),
        Tempo(11.8, 72.0, 100.0),
    ]

    score = to_score(HEADER, records)

    assert score.notes["duration"].tolist() == [SCORE_TPQ, 2 * SCORE_TPQ]


def test_what_belongs_to_no_voice_is_left_out():
    """Metronome clicks are no music."""
    header = Header("small", "", VOICES[:3], {})

    assert len(to_score(header, note(Sounded, 0.0, 0.5, channel=9)).notes) == 0


def test_a_session_becomes_a_midi_file(tmp_path):
    """The way out of a session is a file that every sequencer reads."""
    score = to_score(HEADER, note(Heard, 10.0, 10.5) + note(Sounded, 12.0, 12.5))

    write_midi(score, tmp_path / "session.mid")

    read = read_midi(tmp_path / "session.mid")
    assert [part.name for part in read.parts] == ["right", "band"]
    assert onsets_s(read) == pytest.approx([0.0, 2.0], abs=0.001)
