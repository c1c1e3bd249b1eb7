"""The screen: what it draws, and what its keys do."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.control import Act, Change, Learn, parse_knob
from sideman.live.fallback import Fallback
from sideman.live.inout import LineReport, Report
from sideman.live.news import News, Place
from sideman.live.settings import ACTIONS, MODES, Settings
from sideman.live.view import Meters, Quantiles, SeenNote, View

pytest.importorskip("textual")

from sideman.live.screen import (
    HUMAN,
    MACHINE,
    LiveScreen,
    Roll,
    Window,
    colours,
    fitting,
    keys_text,
    state_text,
)

NOTHING = Quantiles(None, None)
METERS = Meters(Quantiles(0.024, 0.061), NOTHING, 107.0, 98, 2, 0, Fallback.NONE, {})


def note(pitch, onset, duration, state="sounded", *, is_human=False):
    return SeenNote(onset * 128 + pitch, 0, pitch, 80, onset, duration, state, is_human)


def news(*notes, now=0, **changes):
    view = View(1.0, now, now // 96, "answer", None, notes, None, None, METERS)
    place = Place(120.0, now // 96, now // 96 * 96, 96, 24)
    return replace(News(view, place, Settings(), {}, None, (), ()), **changes)


class Played:
    """A session that says what it is told to, and keeps what it is asked for."""

    def __init__(self, news=None) -> None:
        self.news = news
        line = LineReport("JACK sideman", "", 9, 0, 0.0002, 0.0013, 0.002)
        self.report = Report((line,), "", 0, 0)
        self.has_ended = False
        self.n_restarts = 0
        self.commands: list[object] = []
        self.lines: list[str] = []
        self.failure: LiveError | None = None

    def tell(self, command):
        """Keep what is asked for."""
        self.commands.append(command)

    def turn(self, _timeout_s):
        """Say what is to be said, or fail."""
        if self.failure:
            raise self.failure
        lines, self.lines = self.lines, []
        return lines


def with_screen(played, use, size=(120, 40)):
    """Run a screen, let `use(pilot)` do something with it, and return the screen."""

    async def run():
        screen = LiveScreen(played)
        async with screen.run_test(size=size) as pilot:
            await pilot.pause(0.15)
            await use(pilot)
            await pilot.pause(0.15)
        return screen

    return asyncio.run(run())


def press(*keys):
    async def use(pilot):
        for key in keys:
            await pilot.press(key)

    return use


# ------------------------------------------------------------------------ what is drawn


@given(st.lists(st.integers(0, 127)), st.integers(0, 127), st.integers(2, 140))
def test_the_window_has_all_notes_that_fit_and_moves_no_further(pitches, low, n):
    """A roll that jumps about cannot be read."""
    found = fitting(low, pitches, n)
    assert 0 <= found <= max(128 - n, 0)
    if pitches and max(pitches) - min(pitches) < n:
        assert found <= min(pitches)
        assert max(pitches) < found + n
    if pitches and low <= min(pitches) and max(pitches) < low + n <= 128:
        assert found == low


def test_notes_lie_where_they_sound_in_the_colour_of_what_they_are():
    """Left of now what was, right of it what is planned; two players, three degrees."""
    window = Window(now=96, low=48, columns=100, rows=20)
    notes = (
        note(60, 72, 12, is_human=True),
        note(62, 90, None, is_human=True),
        note(64, 96, 6),
        note(65, 99, 6, "committed"),
        note(67, 120, 24, "planned"),
        note(70, 9000, 24, "planned"),
    )
    painted = colours(notes, window)
    assert window.now_column == 60
    assert {column for column, pitch in painted if pitch == 60} == {56, 57}
    assert {column for column, pitch in painted if pitch == 62} == {59}
    assert {column for column, pitch in painted if pitch == 67} == {64, 65, 66, 67}
    assert painted[56, 60] == painted[59, 62] == HUMAN
    found = {
        state: painted[place]
        for state, place in {
            "sounded": (60, 64),
            "committed": (60, 65),
            "planned": (64, 67),
        }.items()
    }
    assert found == MACHINE
    assert not any(pitch == 70 for _, pitch in painted)


def test_bar_lines_are_numbered_from_one_where_bars_begin():
    """Bars count from 1 for people."""
    window = Window(now=100, low=48, columns=100, rows=20)
    lines = window.bar_lines(Place(120.0, 1, 96, 96, 24))
    assert lines[window.column(96)] == 1
    assert lines[window.column(192)] == 2
    assert min(lines) >= 0


@pytest.mark.parametrize("size", [(120, 40), (60, 12), (44, 5)])
def test_a_terminal_of_any_size_is_drawn_whole(size):
    """Players have small laptops, and half of the screen is the DAW."""
    played = Played(news(*(note(pitch, pitch, 12) for pitch in range(128)), now=100))

    async def use(pilot):
        roll = pilot.app.query_one(Roll)
        for y in range(roll.size.height):
            assert roll.render_line(y).cell_length == roll.size.width

    with_screen(played, use, size)


def test_the_meters_say_how_well_it_goes():
    """A player sees at once why it stumbles."""
    slow = replace(METERS, fallback=Fallback.SHORTER_PLAN)
    seen = news(now=130)
    text = state_text(replace(seen, view=replace(seen.view, meters=slow)), Played().report, 2)
    for part in ("bar 2.2", "24 / 61 ms", "107 events/s", "2 of 100", "0.2 / 1.3 ms"):
        assert part in text.plain
    assert "shorter plan" in text.plain
    assert "restarts       2" in text.plain


def test_every_mode_and_action_is_named_with_its_key():
    """Nobody reads the manual on stage."""
    text = keys_text(Settings()).plain
    for name in (*MODES, *ACTIONS):
        assert name.replace("_", " ") in text


# ------------------------------------------------------------------------ what keys do


def test_keys_switch_modes_and_panic():
    """Each mode has a number; escape is silence."""
    played = Played(news())
    with_screen(played, press("2", "7", "o", "escape", "t"))
    assert played.commands == [
        Change("mode", "trade"),
        Change("mode", "loop"),
        Change("overlap", False),  # noqa: FBT003 its value
        Act("panic"),
        Act("tap"),
    ]


def test_a_setting_is_marked_written_and_learned():
    """Down to the second setting, a value; then the next knob."""
    played = Played(news())
    with_screen(played, press("down", "enter", "ctrl+u", "1", ".", "5", "enter", "l"))
    assert played.commands == [Change("silence", 1.5), Learn("silence")]


def test_a_value_that_is_none_is_said_and_can_be_put_right():
    """The line stays, with what it must be."""
    played = Played(news())
    screen = with_screen(played, press("down", "enter", "ctrl+u", "x", "enter", "escape", "3"))
    assert any("silence is 'x'" in line for line in screen._said)
    assert played.commands == [Change("mode", "accompany")]


def test_a_learned_knob_is_shown_beside_its_setting():
    """And what waits for one."""
    played = Played(news(knobs={parse_knob("21"): "silence"}, waiting="mode"))
    prompts: list[str] = []

    async def use(pilot):
        options = pilot.app._settings
        prompts.extend(options.get_option_at_index(n).prompt.plain for n in range(2))

    with_screen(played, use)
    assert "move a knob" in prompts[0]
    assert "knob 21" in prompts[1]


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
def test_it_ends_on_every_key_that_people_try(key):
    """Also Ctrl-C, which the terminal hands over as a key."""
    played = Played(news())
    with_screen(played, press(key))
    assert played.has_ended


def test_a_session_that_cannot_go_on_ends_the_screen_with_its_error():
    """What went wrong is printed after the terminal is itself again."""
    played = Played()

    async def use(pilot):
        played.failure = LiveError("the improviser died")
        await pilot.pause(0.2)

    screen = with_screen(played, use)
    assert str(screen.error) == "the improviser died"


def test_keys_do_nothing_before_the_improviser_has_begun():
    """Impatient players press them all."""
    played = Played()
    with_screen(played, press("2", "enter", "escape"))
    assert played.commands == []
