"""Bytes to messages and back, whatever comes down the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.messages import (
    Clock,
    Continue,
    ControlChange,
    NoteOff,
    NoteOn,
    Parser,
    ProgramChange,
    SongPosition,
    Start,
    Stop,
    to_bytes,
)

channels, data = st.integers(0, 15), st.integers(0, 127)
real_time = st.sampled_from([Clock(), Start(), Continue(), Stop()])
messages = st.one_of(
    st.builds(NoteOn, channels, data, st.integers(1, 127)),
    st.builds(NoteOff, channels, data),
    st.builds(ControlChange, channels, data, data),
    st.builds(ProgramChange, channels, data),
    st.builds(SongPosition, st.integers(0, 16383)),
    real_time,
)


@given(st.lists(messages), st.lists(st.integers(1, 5)))
def test_what_is_written_reads_back_however_it_is_cut(sent, cuts):
    """A port hands over bytes in pieces of its own choosing."""
    stream = b"".join(map(to_bytes, sent))
    parser, received = Parser(), []
    for size in cuts:
        received += parser.feed(stream[:size])
        stream = stream[size:]
    received += parser.feed(stream)
    assert received == sent
    assert not parser.skipped


@given(st.lists(st.tuples(data, st.integers(0, 127)), min_size=1), st.data())
def test_running_status_and_clock_inside_messages(notes, drawn):
    """Keyboards leave out what repeats, and the clock waits for nobody."""
    stream = [0x93, *(byte for pitch, velocity in notes for byte in (pitch, velocity))]
    n_clocks = drawn.draw(st.integers(0, 5))
    for _ in range(n_clocks):
        stream.insert(drawn.draw(st.integers(0, len(stream))), 0xF8)
    received = Parser().feed(stream)
    assert [message for message in received if message != Clock()] == [
        NoteOn(3, pitch, velocity) if velocity else NoteOff(3, pitch)
        for pitch, velocity in notes
    ]
    assert received.count(Clock()) == n_clocks


@given(st.binary(max_size=300))
def test_no_bytes_whatever_can_raise_or_pile_up(noise):
    """A broken cable sends anything at all, and must not stop the music."""
    parser = Parser()
    parser.feed(noise)
    assert len(parser._data) <= 1
    assert set(parser.skipped) <= {
        "active sensing",
        "stray data",
        "system exclusive",
        "unfinished",
        "unknown",
    }
    parser.feed([0xF7])
    assert parser.feed([0x90, 60, 1]) == [NoteOn(0, 60, 1)]


@pytest.mark.parametrize(
    ("stream", "skipped"),
    [
        ("fe", "active sensing"),
        ("f0 7e 01 02 f7", "system exclusive"),
        ("f0 7e 01 02", "system exclusive"),
        ("3c 40", "stray data"),
        ("90 3c", "unfinished"),
        ("e0 00 40", "unknown"),
        ("f6", "unknown"),
        ("f1 22", "unknown"),
        ("ff", "unknown"),
    ],
)
def test_what_has_no_type_is_skipped_by_name_and_the_next_note_is_heard(stream, skipped):
    """Active sensing comes three times a second; a dump of a synthesizer comes at any time."""
    parser = Parser()
    assert parser.feed(bytes.fromhex(stream) + to_bytes(NoteOn(1, 60, 9))) == [NoteOn(1, 60, 9)]
    assert skipped in parser.skipped


def test_a_system_message_ends_running_status():
    """After it data bytes belong to nobody; taking them for notes would play wrong ones."""
    parser = Parser()
    assert parser.feed([0x90, 60, 5, 0xF2, 0, 1, 62, 5]) == [
        NoteOn(0, 60, 5),
        SongPosition(128),
    ]
    assert parser.skipped == {"stray data": 2}


def test_an_exclusive_dump_of_a_megabyte_is_not_kept():
    """Memory stays flat whatever a synthesizer dumps."""
    parser = Parser()
    assert parser.feed(b"\xf0" + b"\x11" * 1_000_000 + b"\xf8") == [Clock()]
    assert not parser._data


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NoteOn(16, 60, 1), "MIDI channel is 16; it must be 0 to 15"),
        (lambda: NoteOn(0, 128, 1), "MIDI pitch is 128; it must be 0 to 127"),
        (lambda: NoteOn(0, 60, 0), "MIDI velocity is 0; it must be 1 to 127"),
        (lambda: ControlChange(0, 7, 128), "MIDI value is 128; it must be 0 to 127"),
        (lambda: SongPosition(-1), "MIDI song position is -1; it must be 0 to 16383"),
    ],
)
def test_a_message_that_no_wire_carries_cannot_be_made(make, said):
    """Caught where it is made, not where its bytes break a port."""
    with pytest.raises(LiveError, match=said):
        make()
