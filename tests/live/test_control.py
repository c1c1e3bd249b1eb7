"""Knobs, OSC and keys: what they reach, and that they can do no harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.control import (
    FIRST_MODE_MESSAGE,
    KEYS,
    LEARN,
    OSC_PREFIX,
    Act,
    Change,
    Knob,
    Knobs,
    Learn,
    key_command,
    key_of,
    parse_knob,
    wished,
)
from sideman.live.messages import ControlChange
from sideman.live.ports import osc
from sideman.live.settings import (
    ACTIONS,
    MODES,
    SETTINGS,
    Settings,
    setting_text,
    with_setting,
)

controls_st = st.sampled_from([*SETTINGS, *ACTIONS])
knobs_st = st.builds(
    Knob, st.integers(0, FIRST_MODE_MESSAGE - 1), st.none() | st.integers(0, 15)
)
messages_st = st.builds(
    ControlChange, st.integers(0, 15), st.integers(0, 127), st.integers(0, 127)
)


@given(knobs_st)
def test_a_knob_is_read_as_it_is_written(knob):
    """Presets keep it as text."""
    assert parse_knob(str(knob)) == knob


@given(st.dictionaries(knobs_st, controls_st), st.lists(messages_st))
def test_whatever_is_turned_is_legal_or_nothing(learned, messages):
    """A controller cannot be told that it is wrong."""
    knobs, settings = Knobs(learned), Settings()

    for message in messages:
        command = knobs.hear(message)
        if isinstance(command, Change):
            settings = with_setting(settings, command.name, command.value)
        else:
            assert command is None or command.name in ACTIONS


def test_the_next_knob_that_moves_is_learned():
    """Nobody knows the numbers of the knobs of the box in front of them."""
    knobs = Knobs()
    knobs.learn("change")

    assert knobs.hear(ControlChange(2, 21, 5)) is None
    assert knobs.learned == {Knob(21, 2): "change"}
    assert knobs.hear(ControlChange(2, 21, 127)) == Change("change", 100)
    assert knobs.hear(ControlChange(3, 21, 127)) is None


def test_a_knob_turns_one_thing_and_a_thing_has_one_learned_knob():
    """Learning again is how one changes one's mind."""
    knobs = Knobs({Knob(1, 0): "change", Knob(2, 0): "tempo"})
    knobs.learn("tempo")
    knobs.hear(ControlChange(0, 1, 0))

    assert knobs.learned == {Knob(1, 0): "tempo"}


def test_all_notes_off_is_no_knob():
    """It is sent by keyboards when a key is let go, and would be learned by accident."""
    knobs = Knobs()
    knobs.learn("tempo")

    assert knobs.hear(ControlChange(0, 123, 0)) is None
    assert knobs.waiting == "tempo"


def test_a_pad_acts_when_it_is_hit_and_not_when_it_is_let_go():
    """One hit, one panic."""
    knobs = Knobs({Knob(40): "panic"})

    assert knobs.hear(ControlChange(0, 40, 127)) == Act("panic")
    assert knobs.hear(ControlChange(0, 40, 0)) is None


def test_a_knob_of_one_channel_goes_before_that_of_all():
    """The exact one is the one that was meant."""
    knobs = Knobs({Knob(1): "tempo", Knob(1, 4): "panic"})

    assert knobs.hear(ControlChange(4, 1, 127)) == Act("panic")
    assert isinstance(knobs.hear(ControlChange(5, 1, 127)), Change)


@pytest.mark.parametrize("text", ["", "x", "120", "21@0", "21@17", "21@"])
def test_a_knob_that_is_none_is_refused(text):
    """Channel messages are no knobs, and channels are counted from 1."""
    with pytest.raises(LiveError, match=r"it must be|write NUMBER"):
        parse_knob(text)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_can_be_wished_for_in_words(name):
    """What the table says can be sent."""
    text = setting_text(name, SETTINGS[name].default)

    assert wished(name, text) == Change(name, SETTINGS[name].default)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_can_be_wished_for_without_a_value(name):
    """A button of a tablet sends 1, then 0 when it is let go."""
    assert wished(name, "") == wished(name, "1") == Act(name)
    assert wished(name, "0") is None


def test_what_the_next_knob_turns_can_be_wished_for():
    """A tablet beside the keyboard has room for the names."""
    assert wished("learn_knob", "trade-bars") == Learn("trade_bars")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tmpo", "1", "there is no setting or action 'tmpo'; did you mean 'tempo'"),
        ("tempo", "1e+06", r"tempo is '1e\+06'; it must be 15 to 480 bpm"),
        ("tempo", "", "tempo is ''; it must be 15 to 480 bpm"),
        ("learn_knob", "x", "there is no setting or action 'x'"),
    ],
)
def test_a_wish_that_cannot_be_meant_is_one_line(name, text, message):
    """The line goes to the screen; the session goes on."""
    with pytest.raises(LiveError, match=message):
        wished(name, text)


def test_no_setting_is_called_as_a_midi_message():
    """The OSC port takes both below one prefix."""
    assert osc.PREFIX == OSC_PREFIX
    assert not {*SETTINGS, *ACTIONS} & osc.MESSAGES.keys()


@pytest.mark.parametrize("name", [*MODES, *ACTIONS])
def test_every_mode_and_every_action_has_a_key(name):
    """Both are reached while playing with one hand."""
    assert KEYS[key_of(name)] == name


def test_the_address_for_learning_knobs_is_that_of_no_setting():
    """There is a setting `learn`, which is something else."""
    assert LEARN not in {*SETTINGS, *ACTIONS}


def test_no_two_things_have_one_key():
    """The later would hide the earlier."""
    with_keys = [setting for setting in SETTINGS.values() if setting.key]

    assert len(KEYS) == len(MODES) + len(ACTIONS) + len(with_keys)


def test_keys_choose_modes_switch_switches_and_act():
    """And other keys are left to the screen."""
    assert key_command("2", Settings()) == Change("mode", "trade")
    assert key_command("m", Settings(metronome=True)) == Change("metronome", value=False)
    assert key_command("escape", Settings()) == Act("panic")
    assert key_command("q", Settings()) is None
