"""Presets: those that come with Sideman, and those that people keep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.control import Knob
from sideman.live.preset import Preset, parse_preset, preset_names, preset_text, read_preset
from sideman.live.settings import ACTIONS, SETTINGS, Settings
from sideman.live.voices import parse_voices

knob_values_st = st.integers(0, 127)
settings_st = st.fixed_dictionaries(
    {name: knob_values_st.map(setting.kind.turn) for name, setting in SETTINGS.items()}
).map(lambda values: Settings(**values))
voices_st = st.lists(
    st.sampled_from(
        ["a=auto:drums", "b=auto:bass=33", "c=input:piano:range=C1-C3", "d=follow:5"]
    ),
    unique=True,
).map(parse_voices)
presets_st = st.builds(
    Preset,
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    settings_st,
    voices_st,
    st.dictionaries(
        st.builds(Knob, st.integers(0, 119), st.none() | st.integers(0, 15)),
        st.sampled_from([*SETTINGS, *ACTIONS]),
        max_size=4,
    ),
)


@given(presets_st)
def test_a_preset_is_read_as_it_is_written(preset):
    """Who keeps a setup finds it again, whatever was turned."""
    assert parse_preset(preset_text(preset)) == preset


def test_an_empty_preset_is_how_sideman_plays_unless_told_otherwise():
    """What a file leaves out is as always."""
    assert parse_preset("") == Preset()


def test_a_preset_says_what_each_setting_means():
    """It is a form to fill in."""
    text = preset_text(Preset())

    for setting in SETTINGS.values():
        assert setting.meaning in text


@pytest.mark.parametrize("name", preset_names())
def test_presets_that_come_with_sideman_say_what_they_are_for(name):
    """They are what somebody tries first, so each can be read, and is another one."""
    preset = read_preset(name)

    assert preset.about
    assert preset.settings != Settings()
    assert any(not voice.is_input for voice in preset.voices)


def test_the_usual_bands_are_there():
    """The documentation names them."""
    assert preset_names() == [
        "duet",
        "echo",
        "jazz-trio",
        "techno-loop",
        "trading-fours",
        "walking-bass",
    ]


def test_a_preset_is_read_from_a_file(tmp_path):
    """A path ends in .toml, and a name does not."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'voices = ["auto:drums"]\n'
        '[settings]\ntempo = 90\noverlap = false\nanswer = "2.5 s"\ntrade-bars = 2\n'
        '[knobs]\n21 = "tempo"\n"22@10" = "panic"\n',
        encoding="utf-8",
    )

    preset = read_preset(path)

    assert preset.settings == Settings(
        tempo=90, overlap=False, answer=preset.settings.answer, trade_bars=2
    )
    assert str(preset.settings.answer) == "2.5 s"
    assert preset.knobs == {Knob(21): "tempo", Knob(22, 9): "panic"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[settings]\ntempo = 1000", "tempo is '1000'; it must be 15 to 480 bpm"),
        ("[settings]\ntmpo = 90", "there is no setting 'tmpo'; did you mean 'tempo'"),
        ("[settings]\ntempo = [90]", r"tempo is \[90\]; it must be text, a number"),
        ("[sttings]\n", "there is no entry 'sttings'; did you mean 'settings'"),
        ("settings = 3", "settings is 3; it must be a table"),
        ("voices = [3]", "voice is '3'; write NAME=KIND:PART@CHANNEL"),
        ("[knobs]\n121 = 'tempo'", "controller is 121; it must be 0 to 119"),
        ("[knobs]\n21 = 'tmpo'", "there is no setting or action 'tmpo'"),
        ("tempo = ", "it is not valid TOML"),
    ],
)
def test_a_wrong_preset_is_one_line_that_names_the_file(tmp_path, text, message):
    """Somebody edits it by hand, in a hurry."""
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(LiveError, match=f"^preset '.*mine.toml': .*{message}"):
        read_preset(path)


def test_a_preset_that_is_not_there_is_named_with_those_that_are(tmp_path):
    """A typo in a name is answered with the name."""
    with pytest.raises(
        LiveError, match="no preset 'trading-four'; did you mean 'trading-fours'"
    ):
        read_preset("trading-four")
    with pytest.raises(
        LiveError, match=r"there is no preset '.*x.toml'; name a file, or one of"
    ):
        read_preset(tmp_path / "x.toml")
