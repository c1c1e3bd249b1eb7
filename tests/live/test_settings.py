"""Settings: what they may be, how they are said, and what one is told when they are wrong."""

import dataclasses
import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.chart import parse_chart
from sideman.engine.pitches import SCALES, Scale, pitch_name, scale_name
from sideman.engine.rhythm import metre_name
from sideman.engine.sampling import DEFAULT_SAMPLING
from sideman.errors import LiveError
from sideman.live.kinds import (
    LEAST_LENGTH_BARS,
    MOST_LENGTH_BARS,
    MOST_LENGTH_S,
    Choice,
    Number,
    Stretch,
    Switch,
)
from sideman.live.lengths import SESSION, Length, number_text, parse_length
from sideman.live.settings import (
    ACTIONS,
    SETTINGS,
    Settings,
    parse_setting,
    setting_text,
    settings_texts,
    with_setting,
    with_settings,
)
from sideman.live.timeline import Timeline
from sideman.tokens.vocabulary import BAR_TICKS_OF

CHORDS = ("Am", "F", "C/E", "G7", "Bbmaj7", "N.C.", "F#m7b5")
charts_st = st.lists(
    st.lists(st.sampled_from(CHORDS), min_size=1, max_size=4).map(" ".join),
    min_size=1,
    max_size=6,
).map(" | ".join)
TEXTS_ST = {
    "key": st.builds(Scale, st.integers(0, 11), st.sampled_from(list(SCALES))).map(scale_name)
    | st.sampled_from(["off", "found"]),
    "chords": charts_st | st.sampled_from(["off", "found"]),
    "split": st.builds(
        "{} {}".format,
        st.sampled_from(["below", "above"]),
        st.integers(0, 127).map(pitch_name),
    )
    | st.just("off"),
    "metre": st.integers(0, len(BAR_TICKS_OF) - 1).map(metre_name),
}


def lengths_st(least_s=0.5):
    """Return a strategy of lengths that a setting may have."""
    return (
        st.builds(Length, st.floats(least_s, MOST_LENGTH_S), st.just("s"))
        | st.builds(Length, st.floats(LEAST_LENGTH_BARS, MOST_LENGTH_BARS), st.just("bars"))
        | st.just(SESSION)
    )


STRATEGIES = {
    Switch: lambda _: st.booleans(),
    Choice: lambda choice: st.sampled_from(choice.names),
    Stretch: lambda stretch: lengths_st(stretch.least_s),
    Number: lambda number: (
        st.integers(number.low, number.high)
        if number.is_whole
        else st.floats(number.low, number.high)
    ),
}


def texts_st(name):
    """Return a strategy of texts that say a value of a setting."""
    kind = SETTINGS[name].kind
    return TEXTS_ST[name] if name in TEXTS_ST else values_st(name).map(kind.write)


def values_st(name):
    """Return a strategy of values of a setting."""
    kind = SETTINGS[name].kind
    return TEXTS_ST[name].map(kind.read) if name in TEXTS_ST else STRATEGIES[type(kind)](kind)


settings_st = st.fixed_dictionaries({name: values_st(name) for name in SETTINGS}).map(
    lambda values: Settings(**values)
)
names_st = st.sampled_from(list(SETTINGS))


@given(st.data())
def test_a_value_is_read_as_it_is_written(data):
    """What a session recorded as text is what was set."""
    name = data.draw(names_st)
    value = data.draw(values_st(name))

    assert parse_setting(name, setting_text(name, value)) == value


@given(st.data())
def test_a_text_is_put_into_one_form_that_stays(data):
    """`Dm` and `D minor` are one key, so they are written in one way."""
    name = data.draw(names_st)

    text = setting_text(name, parse_setting(name, data.draw(texts_st(name))))

    assert setting_text(name, parse_setting(name, text)) == text


@given(settings_st)
def test_all_settings_are_read_as_they_are_written(settings):
    """A replay begins with exactly the settings of the session."""
    assert with_settings(Settings(), settings_texts(settings)) == settings


@pytest.mark.parametrize("name", SETTINGS)
def test_wherever_a_knob_stands_the_value_is_legal(name):
    """A controller has no error messages."""
    for knob in range(128):
        value = SETTINGS[name].kind.turn(knob)
        assert getattr(with_setting(Settings(), name, value), name) == value


@pytest.mark.parametrize("name", SETTINGS)
def test_a_knob_reaches_more_than_one_value(name):
    """Else it would turn nothing."""
    kind = SETTINGS[name].kind

    assert kind.turn(0) != kind.turn(127)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_explained(name):
    """The meaning is the help of the option, and the line of the table."""
    setting = SETTINGS[name]

    assert setting.meaning.endswith(".")
    assert setting.kind.rule
    assert parse_setting(name, setting_text(name, setting.default)) == setting.default


def test_no_setting_is_called_as_an_action():
    """Knobs and OSC reach both by name."""
    assert not SETTINGS.keys() & ACTIONS.keys()


def test_the_player_draws_as_the_writer_does_unless_told_otherwise():
    """The bundled model was listened to with these values."""
    assert Settings().sampling == DEFAULT_SAMPLING
    assert Settings(pitch_temperature=2).sampling.pitch_temperature == 2


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("mode", "autonomous", "lead"),
        ("mode", "vary", "echo"),
        ("tempo", "96.5 bpm", 96.5),
        ("change", "30%", 30),
        ("overlap", "No", False),
        ("memory", "session", SESSION),
        ("answer", "2.5s", Length(2.5, "s")),
        ("answer", "1 bar", Length(1, "bars")),
        ("key", "Dm", "D minor"),
        ("key", "Found", "found"),
        ("chords", "Am|F", "Am | F"),
        ("split", "Below c#4", "below Db4"),
        ("trade-bars", "8", 8),
    ],
)
def test_people_may_write_as_they_are_used_to(name, text, value):
    """Nobody looks up a form that is only one of several good ones."""
    assert parse_setting(name, text) == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("tempo", "fast", "tempo is 'fast'; it must be 15 to 480 bpm"),
        ("tempo", "nan", "tempo is 'nan'; it must be 15 to 480 bpm"),
        ("density", "10", "density is '10'; it must be a whole number, 0 to 9"),
        ("mode", "answr", "mode is 'answr'; it must be answer, trade, .* or loop"),
        ("overlap", "maybe", "overlap is 'maybe'; it must be on or off"),
        ("memory", "8", r"memory is '8'; it must be 0.5 to 3600 s, .* \(.*2.5 s or 4 bars\)"),
        ("memory", "0.1 s", "memory is '0.1 s'; it must be 0.5 to 3600 s"),
        ("key", "D dorain", "key is 'D dorain'; .* did you mean 'dorian'"),
        ("chords", "Am | H7", "chords is 'Am | H7'; .* bar 2 of the chart: chord is 'H7'"),
        ("split", "left C4", "split is 'left C4'; it must be off, or a side of a note"),
        ("metre", "4/3", "metre is '4/3'; it must be a time signature such as 4/4"),
        ("temprature", "1", "there is no setting 'temprature'; did you mean 'temperature'"),
    ],
)
def test_a_wrong_text_is_one_line_that_names_setting_value_and_rule(name, text, message):
    """A player on stage has time for one line."""
    with pytest.raises(LiveError, match=message) as raised:
        parse_setting(name, text)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [{"tempo": 1000.0}, {"tempo": math.nan}, {"mode": "autonomous"}, {"key": "Dm"}],
)
def test_settings_hold_nothing_that_could_not_be_read(wrong):
    """What reads them never has to ask whether they are legal."""
    with pytest.raises(LiveError, match=f"{next(iter(wrong))} is "):
        Settings(**wrong)


def test_one_setting_changes_and_the_others_stay():
    """A knob turns one thing."""
    changed = with_setting(Settings(tempo=90), "trade-bars", "2")

    assert changed == dataclasses.replace(Settings(tempo=90), trade_bars=2)


@pytest.mark.parametrize(
    ("text", "heard"), [("off", (0, 127)), ("below C4", (0, 59)), ("above C4", (60, 127))]
)
def test_the_two_sides_of_a_split_meet_and_do_not_overlap(text, heard):
    """Two players on one keyboard, and each note is heard by one of them."""
    assert Settings(split=text).heard == heard


def test_chart_and_scale_are_there_when_they_are_set():
    """Off and found are no scale and no chart."""
    assert Settings(key="found", chords="found").scale is None
    assert Settings(key="found", chords="found").chart is None
    assert Settings(key="D minor").scale == Scale(2, "minor")
    assert Settings(chords="Am | F").chart == parse_chart("Am | F")


# ----------------------------------------------------------------------- lengths


@given(lengths_st())
def test_a_length_is_read_as_it_is_written(length):
    """Presets and sessions keep it as text."""
    assert parse_length(str(length)) == length


@given(st.floats(0.5, 100), st.floats(15, 480))
def test_seconds_and_ticks_are_one_length(value, tempo_bpm):
    """Memory is said in seconds or in bars, and is cut in ticks."""
    timeline = Timeline(tempo_bpm=tempo_bpm)
    length = Length(value, "s")

    assert length.seconds(timeline, 0) == value
    assert length.ticks(timeline, 0) == pytest.approx(value * tempo_bpm / 60 * 24)


def test_bars_are_as_long_as_the_metre_says():
    """Four bars of 3/4 are three quarters of four bars of 4/4."""
    waltz = Timeline(tempo_bpm=60, time_signature=(3, 4))

    assert Length(4, "bars").ticks(waltz, 0) == 4 * 3 * 24
    assert Length(4, "bars").seconds(waltz, 0) == 12


def test_the_session_has_no_end():
    """So nothing is ever outside it."""
    assert SESSION.ticks(Timeline(), 0) == SESSION.seconds(Timeline(), 0) == math.inf


@pytest.mark.parametrize(
    ("value", "unit"), [(0, "s"), (-1, "bars"), (1, "beats"), (math.inf, "s"), (1, "session")]
)
def test_a_length_that_is_none_is_refused(value, unit):
    """Only the session is endless, and nothing has no length."""
    with pytest.raises(LiveError, match="length is"):
        Length(value, unit)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_loses_nothing_when_it_is_written(value):
    """A replay with a temperature rounded to two places is another replay."""
    assert float(number_text(value)) == value


def test_settings_are_fields_and_nothing_else():
    """What is made from the registry is made from the whole of it."""
    assert list(SETTINGS) == list(inspect.signature(Settings).parameters)
