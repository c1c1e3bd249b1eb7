"""MIDI clock in, from simulated clocks whose every tick is known."""

from collections.abc import Callable, Collection

import numpy as np
import pytest

from sideman.live.clock_follower import MAX_CLOCKS, ClockFollower
from sideman.live.messages import Clock, Continue, NoteOn, SongPosition, Start, Stop, Timed
from sideman.live.timeline import Timeline

PERIOD_S = 256 / 48_000
"""A JACK period, which is the jitter of drivers that write at its beginning: sd 1.6 ms."""


class Followed:
    """A follower that heard a clock, and how far off it was after each one."""

    def __init__(
        self,
        tempo_of: Callable[[int], float],
        n_clocks: int = 300,
        *,
        jitter: str = "none",
        lost: Collection[int] = (),
        seed: int = 0,
    ):
        """Follow a clock that is started with its first tick."""
        intervals_s = [2.5 / tempo_of(index) for index in range(n_clocks)]
        self.at_s = 0.7 + np.append(0, np.cumsum(intervals_s))
        heard_s = self.at_s.copy()
        if jitter == "random":
            heard_s += np.random.default_rng(seed).uniform(-0.5, 0.5, len(heard_s)) * PERIOD_S
        elif jitter == "buffers":
            heard_s = (np.ceil(heard_s / PERIOD_S) - 0.5) * PERIOD_S
        self.timeline = Timeline(120.0)
        self.follower = ClockFollower(self.timeline)
        self.follower.start()
        self.tempo_off, self.phase_off_ms = np.zeros((2, n_clocks))
        for index in range(n_clocks):
            if index not in lost:
                self.follower.tick(heard_s[index])
            now_s = heard_s[index]
            true = index + (now_s - self.at_s[index]) / intervals_s[index]
            off = self.timeline.ticks_at(now_s) - true
            self.phase_off_ms[index] = 1000 * abs(off) * intervals_s[index]
            tempo_bpm = self.follower.tempo_bpm or self.timeline.tempo_at(now_s)
            self.tempo_off[index] = abs(tempo_bpm / tempo_of(index) - 1)


def test_an_exact_clock_is_followed_to_the_microsecond_per_tick():
    """What is exact must not be made worse by smoothing."""
    followed = Followed(lambda _: 133.0)
    assert followed.tempo_off[24:].max() < 1e-9
    assert (
        followed.phase_off_ms[48:].max() < 0.4
    )  # of which less than a tick's 0.02 is no worth


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("tempo_bpm", [67.0, 120.0, 133.0, 190.0])
def test_random_jitter_of_a_period_is_smoothed(tempo_bpm, seed):
    """Tempo and place after one beat, and after four, better than the jitter itself."""
    followed = Followed(lambda _: tempo_bpm, jitter="random", seed=seed)
    assert followed.tempo_off[24] < 0.005
    assert followed.phase_off_ms[24] < 4
    assert followed.tempo_off[96:].max() < 0.002
    assert followed.phase_off_ms[96:].max() < 1.5


@pytest.mark.parametrize("tempo_bpm", [67.0, 117.3, 133.0, 240.0])
def test_clocks_at_the_beginnings_of_buffers_are_smoothed(tempo_bpm):
    """Such jitter is a slow saw and no noise: place and tempo bend, but hardly."""
    followed = Followed(lambda _: tempo_bpm, jitter="buffers")
    assert followed.tempo_off[24:].max() < 0.01
    assert followed.phase_off_ms[24:].max() < 1000 * PERIOD_S


@pytest.mark.parametrize("aim", [60.0, 80.0, 140.0, 240.0])
@pytest.mark.parametrize("jitter", ["none", "random", "buffers"])
def test_a_jump_of_the_tempo_is_followed_within_a_beat(aim, jitter):
    """Also to half and to two thirds, where late clocks look like lost ones."""
    followed = Followed(lambda index: 120.0 if index < 192 else aim, jitter=jitter)
    assert followed.tempo_off[192 + 24] < 0.015
    assert followed.tempo_off[192 + 96] < 0.005
    assert followed.phase_off_ms[192 + 48 :].max() < 5
    assert followed.follower.lost == 0


@pytest.mark.parametrize("jitter", ["none", "random", "buffers"])
def test_a_ramp_is_followed_with_a_small_lag(jitter):
    """Twenty beats per minute faster within four quarters is a steep accelerando."""

    def ramp(index):
        return 120.0 + 20.0 * float(np.clip((index - 96) / 96, 0, 1))

    followed = Followed(ramp, jitter=jitter)
    assert followed.phase_off_ms[48:].max() < 10
    assert followed.tempo_off[48:].max() < 0.05
    assert followed.tempo_off[288] < 0.002


@pytest.mark.parametrize("jitter", ["none", "random", "buffers"])
def test_lost_clocks_do_not_move_the_song(jitter):
    """An xrun loses a few; with each of them counted the place is right to the end."""
    lost = (50, 51, 100, 101, 102, 103, 104, 150, 200, 202, 280)
    followed = Followed(lambda _: 120.0, jitter=jitter, lost=lost)
    assert followed.follower.lost == len(lost)
    assert followed.phase_off_ms[96:].max() < 3


def test_the_first_clock_after_a_start_is_tick_0():
    """As the specification says; and a clock before it is no part of the song."""
    timeline = Timeline(120.0, start_s=-3.0)
    follower = ClockFollower(timeline)
    for index in range(24):
        follower.tick(index * 0.025)  # 100 bpm
    assert timeline.tempo_at(0.6) == pytest.approx(100.0)
    assert timeline.ticks_at(0.6) > 24, "time goes on where it was"
    follower.start()
    follower.tick(24 * 0.025)
    assert timeline.ticks_at(24 * 0.025) == pytest.approx(0)


def test_a_song_goes_on_where_it_stopped_or_where_it_is_sent():
    """Stop, continue and song position, as a sequencer's transport sends them."""
    timeline = Timeline()
    follower = ClockFollower(timeline)

    def clocks(first, count):
        return [Timed((first + index) / 48, Clock()) for index in range(count)]

    def hear(*timed):
        for one in timed:
            follower.hear(one)

    hear(Timed(0.0, Start()), *clocks(0, 30), Timed(0.62, Stop()), *clocks(30, 10))
    hear(Timed(0.83, Continue()), *clocks(40, 1))
    assert timeline.ticks_at(40 / 48) == pytest.approx(30)
    hear(*clocks(41, 7), Timed(0.99, Stop()), Timed(0.99, SongPosition(16)))
    hear(Timed(0.99, Continue()), Timed(0.99, NoteOn(0, 60, 100)), *clocks(48, 1))
    assert timeline.ticks_at(1.0) == pytest.approx(96)
    assert timeline.tempo_at(1.0) == pytest.approx(120)


def test_a_clock_that_stood_still_goes_on_with_the_song():
    """A cable pulled for ten seconds, or a sequencer that stops without saying so."""
    timeline = Timeline()
    follower = ClockFollower(timeline)
    follower.start()
    for index in range(48):
        follower.tick(index / 48)
    for index in range(48):
        follower.tick(11 + index / 48)
    assert follower.lost == 0
    assert timeline.ticks_at(11 + 47 / 48) == pytest.approx(95, abs=0.03)


def test_a_clock_set_back_does_not_stop_the_follower():
    """The seconds of a port may begin again when it is taken again."""
    follower = ClockFollower(Timeline())
    for index in (*range(48), *range(48)):
        follower.tick(index / 48)
    assert follower.tempo_bpm == pytest.approx(120)


def test_clocks_all_at_once_do_not_raise():
    """A driver that was held up hands over what it has, with one time."""
    follower = ClockFollower(Timeline())
    follower.start()
    for index in range(30):
        follower.tick(1.0 + index // 24)
    for index in range(2 * MAX_CLOCKS):
        follower.tick(2.0 + index / 48)
    assert follower.tempo_bpm == pytest.approx(120)


@pytest.mark.parametrize("off", np.linspace(-12, 12, 13))
def test_a_timeline_that_is_off_by_anything_is_caught(off):
    """Time must never stand still or run backwards to make good what it is ahead."""
    timeline = Timeline(120.0)
    follower = ClockFollower(timeline)
    follower.start()
    for index in range(96):
        follower.tick(index / 48)
        if index == 40:
            timeline.locate(41 / 48, 41 + off)
    assert timeline.ticks_at(95 / 48) == pytest.approx(95, abs=0.1)
