"""What is written can be read again, by us and by others, and says how it was made."""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.errors import MidiFileError, OutputExists, ScoreError
from sideman.score import smf
from sideman.score.edit import cut_overlaps, drop_empty_parts
from sideman.score.midi import midi_bytes, parse_midi, read_midi, read_recipe, write_midi
from sideman.score.types import (
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)

mido = pytest.importorskip("mido", reason="mido is the independent reader")

A_MID = Path("a.mid")

tick_st = st.integers(0, 5000)
parts_st = st.builds(Part, st.integers(0, 127), st.booleans(), st.text(max_size=5))


@st.composite
def scores(draw):
    """Return any score that MIDI can hold, overlaps included."""
    parts = draw(st.lists(parts_st, min_size=1, max_size=20))
    note = st.tuples(
        tick_st,
        st.integers(1, 500),
        st.integers(0, 127),
        st.integers(1, 127),
        st.integers(0, len(parts) - 1),
    )
    metre = st.tuples(tick_st, st.integers(1, 255), st.sampled_from([1, 2, 4, 8, 16, 32, 64]))
    return Score(
        table(NOTE_DTYPE, draw(st.lists(note, max_size=30))),
        tuple(parts),
        tpq=draw(st.integers(1, 32767)),
        tempos=table(TEMPO_DTYPE, draw(st.lists(st.tuples(tick_st, st.floats(4, 900))))),
        time_signatures=table(TIME_SIGNATURE_DTYPE, draw(st.lists(metre, max_size=4))),
        keys=table(
            KEY_DTYPE, draw(st.lists(st.tuples(tick_st, st.integers(0, 11), st.booleans())))
        ),
    )


def one_note(*parts):
    """Return a score where each part plays middle C."""
    rows = [(0, 24, 60, 80, index) for index in range(len(parts))]
    return Score(table(NOTE_DTYPE, rows), parts)


def channels(data):
    """Return port, channel and program of each part in a file, as mido reads them."""
    places = []
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks[1:]:
        port = next((message.port for message in track if message.type == "midi_port"), 0)
        change = next(message for message in track if message.type == "program_change")
        used = {message.channel for message in track if message.type == "note_on"}
        assert used == {change.channel}
        places.append((port, change.channel, change.program))
    return places


@settings(max_examples=40)
@given(scores())
def test_written_score_is_read_again(score):
    """All but overlaps and empty parts; tempos to the microsecond."""
    again = parse_midi(midi_bytes(score), A_MID)

    kept = drop_empty_parts(cut_overlaps(score))
    assert again.notes.tolist() == kept.notes.tolist()
    assert again.parts == kept.parts
    assert again.tpq == score.tpq
    assert again.time_signatures.tolist() == score.time_signatures.tolist()
    assert again.keys.tolist() == score.keys.tolist()
    assert again.tempos["onset"].tolist() == score.tempos["onset"].tolist()
    # a file holds whole microseconds a quarter
    np.testing.assert_allclose(again.tempos["tempo_bpm"], score.tempos["tempo_bpm"], rtol=1e-5)


@settings(max_examples=40)
@given(scores())
def test_independent_reader_finds_the_same_notes(score):
    """mido, which shares no code with symusic or with us."""
    file = mido.MidiFile(file=io.BytesIO(midi_bytes(score)))

    found = []
    for part, track in enumerate(file.tracks[1:]):
        tick, sounding = 0, {}
        for message in track:
            tick += message.time
            if message.type == "note_on":
                assert message.note not in sounding
                sounding[message.note] = (tick, message.velocity)
            elif message.type == "note_off":
                onset, velocity = sounding.pop(message.note)
                found.append((onset, tick - onset, message.note, velocity, part))
        assert not sounding
    assert sorted(found) == sorted(cut_overlaps(score).notes.tolist())
    assert file.ticks_per_beat == score.tpq


@settings(max_examples=10)
@given(scores())
def test_second_writing_gives_the_same_bytes(score):
    """Nothing depends on time, order of dictionaries or memory."""
    assert midi_bytes(score) == midi_bytes(score)


def test_bytes_never_change_between_versions():
    """A recipe promises the same file; if this changes, takes cannot be made again."""
    score = Score(
        table(NOTE_DTYPE, [(0, 24, 60, 80, 0), (24, 24, 36, 100, 1)]),
        (Part(5, name="keys"), Part(0, is_drum=True)),
        tempos=table(TEMPO_DTYPE, [(0, 93.5)]),
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 6, 8)]),
        keys=table(KEY_DTYPE, [(0, 2, True)]),
    )

    digest = hashlib.sha256(midi_bytes(score, recipe="{}")).hexdigest()

    assert digest == "a61f4dc8ae1cf4ff11af270f23e4658e940b3dfd5334b05a69a488f129886b1d"


def test_up_to_fifteen_melodic_parts_have_a_channel_each_and_drums_have_10():
    """Also two parts of one program: their notes must not end each other's."""
    parts = [Part(program % 3) for program in range(15)]
    parts.insert(4, Part(16, is_drum=True))

    assert channels(midi_bytes(one_note(*parts))) == [
        *((0, channel, channel % 3) for channel in range(4)),
        (0, 9, 16),
        *((0, channel, channel % 3) for channel in range(4, 9)),
        *((0, channel, (channel - 1) % 3) for channel in range(10, 16)),
    ]


def test_of_more_melodic_parts_those_of_one_program_share_a_channel():
    """Sixteen violins and a flute fit one port."""
    parts = [Part(40)] * 16 + [Part(73)]

    assert channels(midi_bytes(one_note(*parts))) == [(0, 0, 40)] * 16 + [(0, 1, 73)]


def test_programs_without_a_channel_go_to_the_next_port():
    """No channel ever has two programs, and none but drums is on channel 10."""
    parts = [Part(program) for program in range(40)]
    parts += [Part(0, is_drum=True), Part(8, is_drum=True)]

    places = channels(midi_bytes(one_note(*parts)))

    assert len({place[:2] for place in places}) == len(parts)
    assert [place[2] for place in places] == [*range(40), 0, 8]
    assert {place[0] for place in places} == {0, 1, 2}
    assert [place[:2] for place in places if place[1] == 9] == [(0, 9), (1, 9)]


def test_recipe_is_the_first_event_and_is_found_again(tmp_path):
    """Any program shows it as a text; we read it back."""
    recipe = json.dumps({"seed": 7, "bundle": "9f2c", "name": "Café"}, ensure_ascii=False)
    path = tmp_path / "take.mid"

    write_midi(one_note(Part()), path, recipe=recipe)

    assert read_recipe(path) == recipe
    first = mido.MidiFile(path, charset="utf-8").tracks[0][0]
    assert (first.type, first.time, first.text) == ("text", 0, f"sideman: {recipe}")


def test_file_without_recipe_has_none(tmp_path):
    """Other people's texts are not taken for one."""
    path = tmp_path / "a.mid"
    write_midi(one_note(Part(name="sideman: no")), path)
    assert read_recipe(path) is None

    note = b"\0\x90\x3c\x50"
    text = b"\0" + smf.meta(smf.TEXT, b"Made with love")
    path.write_bytes(smf.join(96, [text + note]))
    assert read_recipe(path) is None

    path.write_bytes(smf.join(96, [text[:-1]]))  # cut in the text
    assert read_recipe(path) is None


def test_recipe_after_a_track_name_is_found(tmp_path):
    """A DAW that saves the file again puts the name first."""
    events = smf.meta(smf.TRACK_NAME, b"x" * 200), smf.meta(smf.TEXT, b"sideman: {}")
    path = tmp_path / "a.mid"
    path.write_bytes(smf.join(96, [smf.track((0, event) for event in events)]))

    assert read_recipe(path) == "{}"


def test_file_that_exists_is_kept_unless_forced(tmp_path):
    """A take never overwrites another by mistake."""
    path = tmp_path / "take.mid"
    write_midi(one_note(Part(1)), path)

    with pytest.raises(OutputExists, match=r"take\.mid' exists already; choose another name"):
        write_midi(one_note(Part(2)), path)
    assert read_midi(path).parts == (Part(1),)

    write_midi(one_note(Part(2)), path, force=True)
    assert read_midi(path).parts == (Part(2),)
    assert list(tmp_path.iterdir()) == [path]  # nothing is left beside it


def test_missing_folder_is_named(tmp_path):
    """It is not made: the name may be a slip."""
    with pytest.raises(MidiFileError, match=r"there is no folder .*nowhere") as caught:
        write_midi(one_note(Part()), tmp_path / "nowhere" / "take.mid")
    assert caught.value.reason == "no-folder"


def test_writing_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    """As when the disk is full."""
    path = tmp_path / "take.mid"
    path.write_bytes(b"old")

    def fail(_self, _target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(MidiFileError, match="cannot write it: No space left"):
        write_midi(one_note(Part()), path, force=True)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (Score(table(NOTE_DTYPE), (), tpq=32768), "score tpq is 32768; MIDI holds up to 32767"),
        (
            Score(
                table(NOTE_DTYPE),
                (),
                time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 4, 3)]),
            ),
            "time signature is 4/3; MIDI holds",
        ),
        (
            Score(table(NOTE_DTYPE, [(1 << 28, 1, 60, 80, 0)]), (Part(),)),
            "gap between two MIDI events is 268435456 ticks",
        ),
    ],
)
def test_score_that_midi_cannot_hold_is_refused(score, message):
    """Rather than written wrong."""
    with pytest.raises(ScoreError, match=message):
        midi_bytes(score)


def test_tempo_too_slow_for_midi_becomes_the_slowest():
    """24 bits of microseconds end at 3.6 quarters a minute."""
    score = Score(table(NOTE_DTYPE), (), tempos=table(TEMPO_DTYPE, [(0, 1.0), (1, 1e9)]))

    tempos = parse_midi(midi_bytes(score), A_MID).tempos["tempo_bpm"]

    assert tempos == pytest.approx([3.576, 60_000_000], rel=1e-3)


@given(st.integers(0, smf.MAX_QUANTITY))
def test_quantity_is_as_short_as_it_can_be(value):
    """Seven bits a byte, the last byte unmarked."""
    data = smf.quantity(value)

    assert len(data) == max(-(-value.bit_length() // 7), 1)
    number = 0
    for byte in data:
        number = number << 7 | byte & 0x7F
    assert number == value
    assert [byte >= 0x80 for byte in data] == [True] * (len(data) - 1) + [False]


def test_more_tracks_than_a_header_can_count_are_not_written():
    """Sixteen bits."""
    with pytest.raises(ScoreError, match="the file would have 65536 tracks"):
        smf.join(96, [b""] * 65536)
