"""Every oddity of real MIDI files, as the bytes that show it."""

import re
from pathlib import Path

import pytest

from sideman.errors import MidiFileError
from sideman.score import midi
from sideman.score.midi import parse_midi, parse_midi_report, read_midi

A_MID = Path("a.mid")

PLAIN = """
    4d 54 68 64  00 00 00 06   # MThd, 6 bytes
    00 01  00 01  00 60        # format 1, one track, 96 ticks a quarter
    4d 54 72 6b  00 00 00 0c   # MTrk, 12 bytes
    00  90 3c 50               # middle C, velocity 80
    60  80 3c 40               # a quarter later: off
    00  ff 2f 00               # end of track
"""


def from_hex(dump):
    """Return the bytes of a commented hex dump."""
    return bytes.fromhex(re.sub(r"#.*", "", dump))


def one_track(dump, *, header="00 01 00 01 00 60"):
    """Return a file with one track of the events in `dump`, its end added."""
    events = from_hex(dump) + from_hex("00 ff 2f 00")
    return (
        b"MThd\0\0\0\6" + from_hex(header) + b"MTrk" + len(events).to_bytes(4, "big") + events
    )


def rows(data):
    """Return the notes as (onset, duration, pitch, velocity, part)."""
    return parse_midi(data, A_MID).notes.tolist()


def reason(data):
    """Return the reason code with which `data` is refused."""
    with pytest.raises(MidiFileError, match=r"^a\.mid: ") as caught:
        parse_midi(data, A_MID)
    assert caught.value.path == A_MID
    return caught.value.reason


C_QUARTER = (0, 96, 60, 80, 0)


def test_plain_file_is_read_in_its_own_resolution():
    """Nothing to put right."""
    score, repairs = parse_midi_report(from_hex(PLAIN), A_MID)

    assert score.notes.tolist() == [C_QUARTER]
    assert score.tpq == 96
    assert not repairs


def test_missing_tempo_and_metre_stay_missing():
    """Who asks for seconds or bars gets 120 bpm and 4/4 there."""
    score = parse_midi(from_hex(PLAIN), A_MID)

    assert len(score.tempos) == len(score.time_signatures) == len(score.keys) == 0


@pytest.mark.parametrize(
    ("dump", "notes"),
    [
        pytest.param(
            """00 90 3c 50   # on
               60 90 3c 00   # on with velocity 0: off""",
            [C_QUARTER],
            id="velocity 0 is a note-off",
        ),
        pytest.param(
            """00 90 3c 50   # C on
               30 3e 50      # D on: the status byte is left out
               30 3c 00      # C off
               30 3e 00      # D off""",
            [C_QUARTER, (48, 96, 62, 80, 0)],
            id="running status",
        ),
        pytest.param(
            """00 90 3c 50        # on
               00 ff 01 02 68 69  # a text between them
               60 3c 00           # off: running status lives on""",
            [C_QUARTER],
            id="running status across a meta event",
        ),
        pytest.param(
            """00 90 3c 50   # first on
               30 90 3c 40   # on again while it sounds
               30 80 3c 40   # this ends the first
               30 80 3c 40   # this the second""",
            [C_QUARTER, (48, 96, 60, 64, 0)],
            id="overlap of one pitch: first on, first off",
        ),
        pytest.param(
            """00 90 3c 50   # never ends
               00 90 3e 50
               60 80 3e 40""",
            [(0, 96, 62, 80, 0)],
            id="a note that never ends is dropped",
        ),
        pytest.param(
            """00 80 40 40   # off for a note that does not sound
               00 90 3c 50
               60 80 3c 40""",
            [C_QUARTER],
            id="a note-off without a note is ignored",
        ),
        pytest.param(
            """00 90 3c 50
               00 80 3c 40   # off at the same tick""",
            [(0, 1, 60, 80, 0)],
            id="a note of no length lasts one tick",
        ),
        pytest.param(
            """00 f0 03 7e 09 f7   # a system exclusive message
               00 b0 40 7f         # pedal
               00 e0 00 40         # pitch bend
               00 d0 10            # channel pressure
               00 a0 3c 10         # key pressure
               00 90 3c 50
               60 80 3c 40""",
            [C_QUARTER],
            id="all other messages are passed over",
        ),
    ],
)
def test_note_messages_become_notes(dump, notes):
    """96 ticks a quarter, hex 60."""
    assert rows(one_track(dump)) == notes


def test_track_with_several_channels_and_programs_becomes_a_part_for_each():
    """Piano and bass on one track, then a change from piano to organ; drums on channel 10."""
    score = parse_midi(
        one_track("""
            00 ff 03 04 4c 6f 6f 70  # track name: Loop
            00 c1 20                 # channel 2: bass
            00 90 3c 50              # channel 1, piano: nothing was said
            00 91 30 50              # channel 2
            00 99 24 50              # channel 10
            60 80 3c 40
            00 81 30 40
            00 89 24 40
            00 c0 10                 # channel 1: organ
            00 90 3c 50
            60 80 3c 40
        """),
        A_MID,
    )

    assert [(part.program, part.is_drum, part.name) for part in score.parts] == [
        (0, False, "Loop"),
        (16, False, "Loop"),
        (32, False, "Loop"),
        (0, True, "Loop"),
    ]
    assert score.notes.tolist() == [
        (0, 96, 60, 80, 0),
        (0, 96, 48, 80, 2),
        (0, 96, 36, 80, 3),
        (96, 96, 60, 80, 1),
    ]


def test_two_tracks_of_one_channel_and_program_stay_two_parts():
    """Two hands, four voices: what the file keeps apart stays apart."""
    track = from_hex("4d 54 72 6b 00 00 00 0c  00 90 3c 50  60 80 3c 40  00 ff 2f 00")
    data = from_hex("4d 54 68 64 00 00 00 06  00 01 00 02 00 60") + track + track

    assert rows(data) == [(0, 96, 60, 80, 0), (0, 96, 60, 80, 1)]


def test_track_without_notes_is_no_part():
    """The first track often holds the tempo alone."""
    conductor = from_hex("4d 54 72 6b 00 00 00 0b  00 ff 51 03 07 a1 20  00 ff 2f 00")
    data = from_hex(PLAIN)
    score = parse_midi(data[:14] + conductor + data[14:], A_MID)

    assert len(score.parts) == 1
    assert score.tempos.tolist() == [(0, 120.0)]


def test_file_without_notes_is_an_empty_score():
    """There is nothing wrong with it."""
    score = parse_midi(one_track(""), A_MID)

    assert (len(score.notes), score.parts) == (0, ())


@pytest.mark.parametrize(
    ("dump", "table", "expected", "repairs"),
    [
        pytest.param(
            "00 ff 51 03 0f 42 40  # 1,000,000 us a quarter",
            "tempos",
            [(0, 60.0)],
            {},
            id="tempo",
        ),
        pytest.param(
            "00 ff 51 03 00 00 00  # 0 us a quarter",
            "tempos",
            [],
            {"bad-tempo": 1},
            id="tempo 0",
        ),
        pytest.param(
            "00 ff 58 04 07 03 18 08  # 7 over 2^3",
            "time_signatures",
            [(0, 7, 8)],
            {},
            id="metre",
        ),
        pytest.param(
            "00 ff 58 04 00 02 18 08  # 0 over 4",
            "time_signatures",
            [],
            {"bad-time-signature": 1},
            id="metre of no beats",
        ),
        pytest.param(
            "00 ff 58 04 04 c8 18 08  # 4 over 2^200",
            "time_signatures",
            [],
            {"bad-time-signature": 1},
            id="absurd denominator",
        ),
        pytest.param(
            "00 ff 59 02 fd 01  # three flats, minor",
            "keys",
            [(0, 0, True)],
            {},
            id="C minor",
        ),
        pytest.param(
            "00 ff 59 02 06 00  # six sharps, major",
            "keys",
            [(0, 6, False)],
            {},
            id="F sharp major",
        ),
        pytest.param(
            "00 ff 59 02 14 00  # twenty sharps",
            "keys",
            [],
            {"bad-key": 1},
            id="more sharps than there are",
        ),
        pytest.param(
            "00 ff 59 02 00 09  # neither major nor minor",
            "keys",
            [],
            {"bad-key": 1},
            id="a mode that there is not",
        ),
    ],
)
def test_tempo_metre_and_key_are_kept_if_they_make_sense(dump, table, expected, repairs):
    """What does not is dropped and counted; the notes are still good."""
    score, counted = parse_midi_report(one_track(dump), A_MID)

    assert getattr(score, table).tolist() == expected
    assert counted == repairs


HEADER = from_hex("4d 54 68 64 00 00 00 06 00 01 00 01 00 60")
TRACK = from_hex("4d 54 72 6b 00 00 00 0c 00 90 3c 50 60 80 3c 40 00 ff 2f 00")
NONSENSE = from_hex("4d 54 72 6b 00 00 00 04 00 00 02 00")  # a track that starts with data


def with_length(length):
    """Return the plain file, its track said to be `length` bytes long."""
    return HEADER + b"MTrk" + length.to_bytes(4, "big") + TRACK[8:]


@pytest.mark.parametrize(
    ("data", "repairs"),
    [
        pytest.param(
            b"RIFF" + (48).to_bytes(4, "little") + b"RMIDdata" + (34).to_bytes(4, "little")
            + HEADER + TRACK,
            {"wrapped": 1},
            id="RIFF wrapper (.rmi)",
        ),
        pytest.param(bytes(128) + HEADER + TRACK, {"wrapped": 1}, id="MacBinary"),
        pytest.param(
            HEADER + b"XFIH\0\0\0\2ab" + TRACK, {"other-chunk": 1}, id="a foreign chunk"
        ),
        pytest.param(
            b"MThd\0\0\0\x0a" + HEADER[8:] + bytes(4) + TRACK, {}, id="a longer header"
        ),
        pytest.param(HEADER[:8] + b"\0\7" + HEADER[10:] + TRACK, {}, id="format 7"),
        pytest.param(HEADER[:10] + b"\0\0" + HEADER[12:] + TRACK, {}, id="promises 0 tracks"),
        pytest.param(HEADER[:10] + b"\0\x09" + HEADER[12:] + TRACK, {}, id="promises 9 tracks"),
        pytest.param(HEADER + TRACK + b"\1\2\3", {"track-length": 1}, id="junk at the end"),
        pytest.param(with_length(0xFFFFFFFF), {"track-length": 1}, id="endless track"),
        pytest.param(with_length(3), {"track-length": 1}, id="track said to be too short"),
        pytest.param(
            HEADER + TRACK[:-4].replace(b"\x0c", b"\x08"), {}, id="no end-of-track event"
        ),
        pytest.param(HEADER + TRACK + NONSENSE, {"extra-track": 1}, id="nonsense track"),
    ],
)  # fmt: skip
def test_flaw_around_the_events_costs_no_note(data, repairs):
    """The plain file in many wrong wrappers."""
    score, counted = parse_midi_report(data, A_MID)

    assert score.notes.tolist() == [C_QUARTER]
    assert counted == repairs


def test_of_several_pieces_in_a_file_the_first_with_notes_is_read():
    """Format 2: its tracks do not sound together."""
    empty = from_hex("4d 54 72 6b 00 00 00 04  00 ff 2f 00")
    other = TRACK.replace(b"\x3c", b"\x3e")
    header = from_hex("4d 54 68 64 00 00 00 06  00 02 00 03 00 60")

    score, repairs = parse_midi_report(header + empty + TRACK + other, A_MID)

    assert score.notes.tolist() == [C_QUARTER]
    assert repairs == {"other-piece": 2}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "not-midi", id="nothing at all"),
        pytest.param(b"<!DOCTYPE html><html>404</html>", "not-midi", id="a web page"),
        pytest.param(b"\x1f\x8b\x08" + bytes(40), "not-midi", id="gzip"),
        pytest.param(b"ID3" + bytes(400), "not-midi", id="an MP3"),
        pytest.param(HEADER[:9], "truncated", id="ends in the header"),
        pytest.param(HEADER + TRACK[:6], "truncated", id="ends before the track"),
        pytest.param(HEADER + TRACK[:-5], "truncated", id="ends in the track"),
        pytest.param(
            one_track("", header="00 01 00 01 e7 28"), "smpte", id="25 frames a second"
        ),
        pytest.param(one_track("", header="00 01 00 01 00 00"), "no-division", id="division 0"),
        pytest.param(one_track("00 3c 50"), "corrupt", id="starts with running status"),
        pytest.param(one_track("00 90 3c c8"), "corrupt", id="velocity 200"),
        pytest.param(one_track("00 90 c8 50"), "corrupt", id="pitch 200"),
        pytest.param(one_track("00 ff 01 7f 61"), "corrupt", id="text past the end"),
        pytest.param(
            one_track("ff ff ff 7f 90 3c 50  60 80 3c 40"), "too-long", id="32 days of rest"
        ),
        pytest.param(
            # eight gaps of 2^28 - 1 ticks are more than 2^31
            one_track("ff ff ff 7f 90 3c 50  00 80 3c 40 " * 9),
            "too-long",
            id="ticks run over",
        ),
    ],
)
def test_file_that_cannot_be_read_is_refused_with_a_reason(data, code):
    """The message begins with the file's name, so that one in thousands is found."""
    assert reason(data) == code


@pytest.mark.parametrize(
    ("limit", "value", "code"),
    [("MAX_FILE_BYTES", 20, "too-large"), ("MAX_NOTES", 0, "too-many-notes"),
     ("MAX_PARTS", 0, "too-many-parts")],
)  # fmt: skip
def test_file_beyond_a_limit_is_refused(monkeypatch, limit, value, code):
    """The limits are lowered instead of writing huge files."""
    monkeypatch.setattr(midi, limit, value)

    assert reason(from_hex(PLAIN)) == code


def test_more_tracks_than_a_header_can_count_are_refused():
    """A megabyte of empty tracks is no music."""
    assert reason(HEADER + b"MTrk\0\0\0\0" * 70_000) == "too-many-tracks"


def test_file_is_read_from_disk(tmp_path):
    """The score is that of its bytes."""
    path = tmp_path / "a.mid"
    path.write_bytes(from_hex(PLAIN))

    assert read_midi(path).notes.tolist() == [C_QUARTER]


def test_path_that_cannot_be_opened_is_refused(tmp_path):
    """A missing file and a folder, each with a message that says so."""
    with pytest.raises(MidiFileError, match="cannot open it: No such file") as caught:
        read_midi(tmp_path / "none.mid")
    assert caught.value.reason == "cannot-open"
    with pytest.raises(MidiFileError, match="it is not a file"):
        read_midi(tmp_path)


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (b"Gitarre", "Gitarre"),
        ("Blockflöte".encode(), "Blockflöte"),
        ("Flöte".encode("latin-1"), "Fl\ufffdte"),  # not UTF-8
        (b"../../etc/passwd", "../../etc/passwd"),  # only a name: nothing is opened by it
    ],
)
def test_name_of_a_track_is_free_text(payload, name):
    """It may hold anything, and is used for nothing but showing."""
    event = b"\0\xff\x03" + bytes([len(payload)]) + payload
    track = one_track(event.hex() + "00 90 3c 50 60 80 3c 40")

    assert parse_midi(track, A_MID).parts[0].name == name
