"""Clicks on the beats of a timeline."""

import pytest

from sideman.live.messages import NoteOff, NoteOn
from sideman.live.metronome import BAR_CLICK, BEAT_CLICK, Metronome
from sideman.live.timeline import Timeline
from sideman.score.types import DRUM_CHANNEL


def clicks(timed):
    """Second and pitch of each click."""
    return [(one.time_s, one.message.pitch) for one in timed if isinstance(one.message, NoteOn)]


@pytest.mark.parametrize(
    ("metre", "beats"), [((4, 4), 4), ((3, 4), 3), ((6, 8), 2), ((7, 8), 7), ((2, 2), 2)]
)
def test_the_bar_line_is_accented_and_beats_are_those_that_are_counted(metre, beats):
    """In 6/8 nobody wants six clicks."""
    timeline = Timeline(120.0, metre)
    end_s = timeline.seconds_at(timeline.bar_start(2))
    pitches = [pitch for _, pitch in clicks(Metronome(timeline, 0.0).until(end_s))]
    assert pitches == ([BAR_CLICK] + [BEAT_CLICK] * (beats - 1)) * 2


def test_every_click_is_released():
    """A click that hangs would be worse than none."""
    timed = Metronome(Timeline(), 0.0).until(10.0)
    assert len(timed) == 40
    for on, off in zip(timed[::2], timed[1::2], strict=True):
        assert isinstance(on.message, NoteOn)
        assert off.message == NoteOff(DRUM_CHANNEL, on.message.pitch)
        assert on.time_s < off.time_s < on.time_s + 0.1


def test_a_corrected_tempo_neither_doubles_nor_skips_a_click():
    """A followed clock corrects the timeline all the time, also right at a beat."""
    timeline = Timeline(120.0)
    metronome = Metronome(timeline, 0.0)
    heard = clicks(metronome.until(2.005))
    timeline.locate(2.005, timeline.ticks_at(2.005) - 1)  # beat 4 comes again, a tick later
    heard += clicks(metronome.until(2.4))
    timeline.locate(2.4, timeline.ticks_at(2.4) - 1)
    heard += clicks(metronome.until(2.9))
    assert len(heard) == 6


def test_a_count_in_lies_before_tick_0():
    """One bar of clicks, then the music."""
    heard = clicks(Metronome(Timeline(120.0, start_s=2.0), 0.0).until(2.1))
    assert [pitch for _, pitch in heard] == [76, 77, 77, 77, 76]
    assert [second for second, _ in heard] == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])
