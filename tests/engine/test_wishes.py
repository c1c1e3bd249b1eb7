"""Words, numbers and bars: what is close is suggested, what is wrong is one line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.chart import chart_chords, parse_chart
from sideman.engine.parts import parse_part
from sideman.engine.pitches import parse_pitch, parse_scale
from sideman.engine.plan import parse_plan
from sideman.engine.rhythm import parse_length, parse_metre, rhythm_mask
from sideman.engine.wishes import bars_text, choose, naming, parse_bars, parse_span
from sideman.errors import EngineError, ScoreError, SidemanError
from sideman.score.harmony import parse_chord

N_BARS = 16

FOUR_FOUR = parse_metre("4/4")

READERS = {
    "bars": lambda text: parse_bars(text, N_BARS),
    "chart": lambda text: chart_chords(parse_chart(text), [FOUR_FOUR] * 4),
    "key": parse_scale,
    "length": parse_length,
    "metre": parse_metre,
    "note": parse_pitch,
    "part": parse_part,
    "plan": lambda text: parse_plan(text, "song.toml"),
    "rhythm": lambda text: rhythm_mask(text, FOUR_FOUR),
}


@given(st.integers(0, 200), st.integers(1, 50))
def test_bars_are_read_as_they_are_written(first, count):
    """People count from 1 and name the last bar; inside, ranges begin at 0 and leave it out."""
    bars = range(first, first + count)

    assert parse_bars(bars_text(bars), first + count) == bars


@pytest.mark.parametrize("text", ["5-8", " 5 - 8 ", "5–8"])
def test_bars_are_read_with_blanks_and_with_a_dash_from_a_text_editor(text):
    """Editors turn a hyphen between numbers into a dash."""
    assert parse_bars(text, N_BARS) == range(4, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0-4", "bars are '0-4'; the piece has 16, and the first is 1"),
        ("9-17", "bars are '9-17'; the piece has 16"),
        ("8-5", "the range '8-5' runs backwards; write the lower end first"),
        ("five", "bar is 'five'; it must be a whole number"),
        ("5-", "bar is ''; it must be a whole number"),
        ("99999999999", "bar is '99999999999'; it must be a whole number"),
    ],
)
def test_bars_that_the_piece_has_not_are_refused(text, message):
    """Else a hole would lie outside the music."""
    with pytest.raises(EngineError, match=message):
        parse_bars(text, N_BARS)


def test_minus_sign_is_no_dash():
    """The lowest octave of MIDI is -1."""
    assert parse_span("-1--1", int) == (-1, -1)
    assert parse_span("-1-3", int) == (-1, 3)


def test_unlike_word_gets_the_whole_list():
    """A wrong guess is worse than none; a list is short enough to read."""
    with pytest.raises(EngineError, match=r"no role 'zzz'; known are melody, bass$"):
        choose("zzz", ("melody", "bass"), "role")


def test_word_out_of_an_empty_list_is_refused():
    """The first section of a plan is like no earlier one."""
    with pytest.raises(EngineError, match=r"no section 'A'; known are none$"):
        choose("A", (), "section")


def test_error_from_below_keeps_its_cause():
    """The chord parser knows what is wrong, the chart knows where."""
    with pytest.raises(EngineError, match="bar 3: chord is 'H'") as caught, naming("bar 3"):
        parse_chord("H")

    assert isinstance(caught.value.__cause__, ScoreError)


def complaint(read, text):
    """Return what is said against a text; nothing if it is understood."""
    try:
        read(text)
    except SidemanError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("what", READERS)
@given(st.one_of(st.text(), st.text("abmviolndrugACH#0123456789=:,|/.%x()[]'\" -\n")))
def test_every_text_is_understood_or_refused_in_one_line(what, text):
    """The command line prints the line, and never a traceback."""
    assert len(complaint(READERS[what], text).splitlines()) <= 1
