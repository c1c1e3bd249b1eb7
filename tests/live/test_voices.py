"""Voices: how they are asked for, who plays on which channel, and whose a note is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.parts import PartWish, parse_part
from sideman.errors import LiveError
from sideman.live.voices import (
    DEFAULT_INPUT,
    DEFAULT_PARTNER,
    KINDS,
    Voice,
    find_input,
    parse_voice,
    parse_voices,
    voice_text,
)
from sideman.tokens.vocabulary import DRUM_KITS, FIRST_KIT, Role

pitched_st = st.builds(
    PartWish,
    st.integers(0, 127),
    role=st.sampled_from([role for role in Role if role is not Role.DRUMS]),
    density=st.none() | st.integers(1, 9),
    range=st.none() | st.tuples(st.integers(0, 60), st.integers(60, 127)),
)
kits_st = st.builds(
    PartWish, st.integers(FIRST_KIT, FIRST_KIT + len(DRUM_KITS) - 1), role=st.just(Role.DRUMS)
)
names_st = st.from_regex(r"[a-zé0-9]([a-zé0-9 .,'-]{0,8}[a-zé0-9])?", fullmatch=True)
voices_st = st.builds(
    Voice, names_st, pitched_st | kits_st, st.sampled_from(KINDS), st.integers(0, 15)
) | st.builds(Voice, names_st, pitched_st | kits_st, st.just("input"), st.none())


@given(voices_st)
def test_a_voice_is_read_as_it_is_written(voice):
    """Presets and recorded sessions keep voices as text."""
    assert parse_voice(voice_text(voice)) == voice


def test_who_says_nothing_gets_a_piano_to_play_with():
    """`sideman live` alone is a duet."""
    assert parse_voices([]) == (DEFAULT_INPUT, DEFAULT_PARTNER)


@pytest.mark.parametrize(
    ("texts", "kinds"),
    [
        (["auto:drums"], ["input", "auto"]),
        (["keys=input:piano@1"], ["input", "auto"]),
        (["follow:strings", "auto:bass=33", "keys=input:organ"], ["input", "follow", "auto"]),
    ],
)
def test_there_is_always_somebody_to_play_with(texts, kinds):
    """Naming the drummer does not mean that you have stopped playing."""
    assert [voice.kind for voice in parse_voices(texts)] == kinds


def test_voices_that_name_no_channel_get_free_ones():
    """Two instruments on one channel would be one."""
    voices = parse_voices(["auto:bass=33", "auto:flute", "auto:drums", "auto:violin@1"])

    assert [voice.channel for voice in voices] == [None, 1, 2, 9, 0]


@given(st.lists(st.sampled_from(["piano", "drums", "bass=33"]), max_size=15))
def test_pitched_voices_never_share_a_channel_while_one_is_free(parts):
    """Nor does one of them ever get that of the drums."""
    voices = parse_voices([f"v{number}=auto:{part}" for number, part in enumerate(parts)])

    channels = [voice.channel for voice in voices[1:] if not voice.part.is_drum]
    assert len(set(channels)) == len(channels)
    assert 9 not in channels


@pytest.mark.parametrize(
    ("text", "name"),
    [("auto:bass=33", "bass"), ("auto:piano", "acoustic grand piano"), ("Me = input:1", "Me")],
)
def test_a_voice_is_called_as_asked_or_after_what_it_is(text, name):
    """The screen and the tracks of the file name it."""
    assert parse_voice(text).name == name


def test_the_keyboard_is_shared_by_ranges_and_channels():
    """A note belongs to the first voice it fits, or to nobody."""
    voices = parse_voices(
        [
            "pads=input:drums@10",
            "left=input:33:range=A0-B2@1",
            "right=input:piano:range=C3-C8@1",
        ]
    )

    assert find_input(voices, 0, 40) == 1
    assert find_input(voices, 0, 60) == 2
    assert find_input(voices, 9, 60) == 0
    assert find_input(voices, 5, 60) is None


@given(st.lists(voices_st, max_size=5), st.integers(0, 15), st.integers(0, 127))
def test_a_note_is_never_given_to_a_voice_of_the_machine(voices, channel, pitch):
    """Else it would take your notes for its own."""
    number = find_input(voices, channel, pitch)

    assert number is None or voices[number].is_input


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("piano", r"voice is 'piano'; write NAME=KIND:PART@CHANNEL, as in keys=input:piano@1"),
        ("a=in:piano", "voice 'a' is 'in'; it must be one of input, follow, auto"),
        ("auto:pinao", "voice 'auto:pinao': .* there is no program 'pinao'; did you mean"),
        ("auto:piano@17", "channel of voice 'auto:piano@17' is '17'; it must be 1 to 16"),
        ("auto:piano@0", "channel of voice 'auto:piano@0' is '0'; it must be 1 to 16"),
        ("auto:piano:densty=3", "voice .* there is no wish 'densty'; did you mean 'density'"),
    ],
)
def test_a_wrong_voice_is_one_line_with_a_way_out(text, message):
    """It names the voice, what is wrong with it, and how it is written."""
    with pytest.raises(LiveError, match=message):
        parse_voices([text])


def test_two_voices_of_one_name_are_refused():
    """Tracks, recipes and the screen tell them apart by it."""
    with pytest.raises(LiveError, match="2 voices are called 'bass'; give each its own name"):
        parse_voices(["auto:bass=33", "auto:bass=36"])


@pytest.mark.parametrize(
    ("name", "kind", "channel"), [("a:b", "auto", 0), ("a", "auto", None), ("a", "input", 16)]
)
def test_a_voice_that_could_not_be_written_or_heard_is_refused(name, kind, channel):
    """A value that is there is one that works."""
    with pytest.raises(LiveError):
        Voice(name, parse_part("piano"), kind, channel)
