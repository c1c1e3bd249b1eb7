"""Beats of free playing, found while it goes on."""

import numpy as np
import pytest

from sideman.live.beat_follower import MAX_NOTES, BeatFollower
from sideman.live.timeline import Timeline
from sideman.score.types import TPQ


def play(beats_s, *, per_beat=2, jitter_s=0.008, end_s=None, seed=0):
    """Return a timeline and its follower after notes at beats, louder, and between them."""
    generator = np.random.default_rng(seed)
    places = np.arange(0, len(beats_s) - 1, 1 / per_beat)
    onsets_s = np.interp(places, np.arange(len(beats_s)), beats_s)
    onsets_s += generator.normal(0, jitter_s, len(onsets_s))
    timeline = Timeline(120.0)
    follower, heard = BeatFollower(timeline), 0
    for now_s in np.arange(0, end_s or beats_s[-1], 0.05).tolist():
        while heard < len(onsets_s) and onsets_s[heard] <= now_s:
            is_beat = places[heard] % 1 == 0
            follower.hear(onsets_s[heard], 48 if is_beat else 72, 100 if is_beat else 60)
            heard += 1
        follower.follow(now_s)
    return timeline, follower


@pytest.mark.parametrize("tempo_bpm", [85.0, 97.0, 120.0, 140.0])
def test_steady_playing_is_followed_to_40_ms(tempo_bpm):
    """Where the beat is plain, the timeline must be on it."""
    beat_s = 60 / tempo_bpm
    timeline, follower = play(1.0 + beat_s * np.arange(32))
    assert follower.tempo_bpm == pytest.approx(tempo_bpm, rel=0.02)
    beat_at_s = 1.0 + 30 * beat_s
    place = timeline.ticks_at(beat_at_s) / TPQ
    assert abs(place - round(place)) * beat_s < 0.04


def test_a_slow_change_of_tempo_is_followed():
    """People who play freely do not keep a tempo."""
    lengths_s = 0.6 * np.exp(np.linspace(0, -0.25, 60))
    beats_s = 1.0 + np.append(0, np.cumsum(lengths_s))
    timeline, follower = play(beats_s)
    assert follower.tempo_bpm == pytest.approx(60 / lengths_s[-1], rel=0.05)
    place = timeline.ticks_at(beats_s[-2]) / TPQ
    assert abs(place - round(place)) * lengths_s[-1] < 0.07


def test_another_tempo_is_believed_after_a_while():
    """A new song begins: the old beat must not be held for ever."""
    beats_s = np.append(1 + 0.6 * np.arange(30), 19 + 0.43 * np.arange(40))
    _, follower = play(beats_s)
    assert follower.tempo_bpm == pytest.approx(60 / 0.43, rel=0.02)


def test_the_tempo_is_held_when_the_player_rests():
    """The answer is played then: it needs the beat of what it answers."""
    timeline, follower = play(1.0 + 0.5 * np.arange(24), end_s=60.0)
    assert follower.tempo_bpm == pytest.approx(120.0, rel=0.02)
    assert timeline.tempo_at(59.0) == pytest.approx(follower.tempo_bpm, rel=2e-3)


def test_too_few_notes_change_nothing():
    """A handful of notes has no beat; the set tempo goes on."""
    timeline = Timeline(101.0)
    follower = BeatFollower(timeline)
    follower.follow(0.0)
    for index in range(5):
        follower.hear(0.5 * index, 60, 80)
        follower.follow(0.5 * index)
    assert follower.tempo_bpm is None
    assert timeline.ticks_at(7.0) == pytest.approx(Timeline(101.0).ticks_at(7.0))


def test_a_burst_of_notes_keeps_the_memory_flat():
    """A stuck sustain of a controller must not slow the session down."""
    follower = BeatFollower(Timeline())
    for index in range(3 * MAX_NOTES):
        follower.hear(index * 1e-3, index % 128, 64)
    follower.follow(3.0)
    assert len(follower._notes) == MAX_NOTES
