"""MIDI clock out, and a follower that listens to it."""

import numpy as np
import pytest

from sideman.live.clock_follower import ClockFollower
from sideman.live.clock_sender import ClockSender
from sideman.live.messages import Clock, Continue, SongPosition, Start, Stop
from sideman.live.timeline import Timeline


def kinds(timed):
    """Messages but the clocks."""
    return [one.message for one in timed if one.message != Clock()]


def test_clocks_come_at_every_tick_once_however_time_is_cut():
    """A clock doubled or left out at the seam of two calls would move every follower."""
    timeline = Timeline(97.0)
    sender = ClockSender(timeline, from_s=0.0)
    ends_s = np.cumsum(np.random.default_rng(0).uniform(0, 0.05, 200))
    sent = [one for end_s in ends_s for one in sender.until(end_s)]
    ticks = [timeline.ticks_at(one.time_s) for one in sent]
    assert ticks == pytest.approx(range(len(sent)))
    assert len(sent) == int(timeline.ticks_at(ends_s[-1])) + 1


def test_a_start_comes_with_tick_0_and_a_stop_with_the_clock_after():
    """Clocks run before, so that followers know the tempo; they start with the song."""
    sender = ClockSender(Timeline(120.0, start_s=1.0), from_s=0.0)
    sender.start()
    assert kinds(sender.until(0.99)) == []
    begun = sender.until(1.01)
    assert [one.message for one in begun] == [Start(), Clock()]
    assert begun[0].time_s == pytest.approx(1.0)
    sender.stop()
    assert kinds(sender.until(1.2)) == [Stop()]


def test_a_start_in_the_middle_tells_the_next_sixteenth():
    """Song positions are sixteenths; a clock of the sixteenth comes right behind."""
    sender = ClockSender(Timeline(120.0), from_s=0.51)
    sender.start()
    sent = sender.until(0.7)
    place = [one.message for one in sent].index(SongPosition(5))
    assert [one.message for one in sent[place : place + 3]] == [
        SongPosition(5),
        Continue(),
        Clock(),
    ]
    assert sent[place].time_s == pytest.approx(0.625)


def test_a_jump_is_told_as_stop_song_position_continue():
    """A loop of ours is a loop of theirs."""
    timeline = Timeline(120.0)
    sender = ClockSender(timeline, from_s=0.0)
    sender.start()
    assert kinds(sender.until(2.0)) == [Start()]
    timeline.locate(2.0, 24.0)
    assert kinds(sender.until(2.1)) == [Stop(), SongPosition(4), Continue()]


def test_a_follower_hears_the_timeline_that_is_sent():
    """The two ends of the wire mean the same: tempo, start, a change, a jump."""
    ours, theirs = Timeline(90.0), Timeline(120.0)
    sender, follower = ClockSender(ours, from_s=-1.0), ClockFollower(theirs)
    sender.start()
    for step in range(1, 1000):
        if step == 400:
            ours.set_tempo(4.0, 133.0)
        if step == 700:
            ours.locate(7.0, 12.0)
        for one in sender.until(step * 0.01):
            follower.hear(one)
    assert theirs.ticks_at(9.9) == pytest.approx(ours.ticks_at(9.9), abs=0.05)
    assert theirs.tempo_at(9.9) == pytest.approx(133.0, rel=1e-3)
