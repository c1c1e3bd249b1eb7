"""The timeline: seconds to ticks and back, changes of tempo, jumps, bars."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.timeline import MAX_STRETCHES, Timeline
from sideman.score.types import TPQ
from sideman.tokens.vocabulary import BAR_TICKS_OF, DENOMINATORS

TEMPOS = st.floats(15, 480)
METRES = st.tuples(st.integers(1, 32), st.sampled_from(DENOMINATORS))
CHANGES = st.lists(st.tuples(st.floats(0.01, 30), TEMPOS), max_size=8)


@given(CHANGES, st.floats(-10, 300))
def test_ticks_and_seconds_are_inverses_through_every_change_of_tempo(changes, time_s):
    """A plan is written in ticks and played in seconds: what was planned must sound there."""
    timeline, now_s = Timeline(97.0, start_s=2.5), 0.0
    for wait_s, tempo_bpm in changes:
        now_s += wait_s
        timeline.set_tempo(now_s, tempo_bpm)
    assert timeline.seconds_at(timeline.ticks_at(time_s)) == pytest.approx(time_s, abs=1e-8)


@given(CHANGES)
def test_a_change_of_tempo_moves_nothing_that_was(changes):
    """A note already played keeps its place, and time does not jump where the tempo changes."""
    timeline, now_s = Timeline(), 0.0
    for wait_s, tempo_bpm in changes:
        now_s += wait_s
        before = [timeline.ticks_at(now_s - ago_s) for ago_s in (0.0, 0.3, 2.0)]
        timeline.set_tempo(now_s, tempo_bpm)
        after = [timeline.ticks_at(now_s - ago_s) for ago_s in (0.0, 0.3, 2.0)]
        assert after == pytest.approx(before, abs=1e-8)
        assert timeline.tempo_at(now_s) == tempo_bpm


def test_a_quarter_at_120_is_half_a_second_of_24_ticks():
    """The unit of everything."""
    timeline = Timeline(120.0, start_s=1.0)
    assert (timeline.ticks_at(1.0), timeline.ticks_at(1.5)) == (0.0, TPQ)
    assert (timeline.seconds_at(-TPQ), timeline.tempo_at(0.0)) == (0.5, 120.0)


def test_after_a_jump_back_a_tick_is_where_it_comes_next():
    """In a loop of a sequencer the plan is for the round to come, not for the one gone by."""
    timeline = Timeline(120.0)
    timeline.locate(4.0, 48.0)
    assert timeline.ticks_at(3.999) == pytest.approx(191.952)
    assert timeline.ticks_at(4.0) == 48.0
    assert timeline.seconds_at(72.0) == 4.5
    assert timeline.seconds_at(24.0) == 0.5, "before the jump's aim: only heard before"


def test_ticks_jumped_over_are_at_the_jump():
    """A note-off planned there must still be sent."""
    timeline = Timeline(120.0)
    timeline.locate(1.0, 480.0)
    assert timeline.seconds_at(200.0) == 1.0
    assert timeline.seconds_at(504.0) == 1.5


def test_what_was_set_for_later_is_forgotten():
    """A clock that is corrected says anew what comes."""
    timeline = Timeline(120.0)
    timeline.set_tempo(10.0, 60.0)
    timeline.set_tempo(5.0, 240.0)
    assert timeline.tempo_at(11.0) == 240.0


def test_hours_of_a_followed_clock_keep_the_memory_flat():
    """A tempo set at every tick of a clock for a day must not be kept for a day."""
    timeline = Timeline()
    for index in range(3 * MAX_STRETCHES):
        timeline.set_tempo(index * 0.02, 120.0 + index % 2)
    assert len(timeline._stretches) == MAX_STRETCHES
    now_s = 3 * MAX_STRETCHES * 0.02
    assert timeline.seconds_at(timeline.ticks_at(now_s)) == pytest.approx(now_s)


@given(METRES, st.lists(st.tuples(st.integers(1, 9), METRES), max_size=5), st.integers(-3, 60))
def test_bars_follow_one_another_without_a_gap(first, changes, bar):
    """Every tick is in exactly one bar, as long as its metre says."""
    timeline, changed = Timeline(time_signature=first), 0
    for after, metre in changes:
        changed += after
        timeline.set_metre(changed, metre)
    start, length = timeline.bar_start(bar), timeline.bar_ticks(bar)
    assert length == BAR_TICKS_OF[timeline.time_signature_value(bar)]
    assert start + length == timeline.bar_start(bar + 1)
    assert timeline.bar_of(start) == timeline.bar_of(start + length - 1) == bar
    assert length % timeline.beat_ticks(bar) == 0


def test_a_metre_holds_from_its_bar_on():
    """Bars before it keep theirs."""
    timeline = Timeline()
    timeline.set_metre(2, (6, 8))
    assert [timeline.metre(bar) for bar in (0, 1, 2, 7)] == [(4, 4), (4, 4), (6, 8), (6, 8)]
    assert timeline.bar_start(4) == 2 * 96 + 2 * 72
    assert (timeline.beat_ticks(0), timeline.beat_ticks(2)) == (24, 36)


@pytest.mark.parametrize("tempo_bpm", [0.0, -3.0, float("nan"), float("inf")])
def test_a_tempo_at_which_time_stands_is_refused(tempo_bpm):
    """Seconds could not be told from ticks."""
    with pytest.raises(LiveError, match="more than 0"):
        Timeline().set_tempo(1.0, tempo_bpm)


@pytest.mark.parametrize("metre", [(0, 4), (33, 4), (4, 3), (4, 64)])
def test_a_metre_the_event_language_lacks_is_refused(metre):
    """The model could not be told of it."""
    with pytest.raises(LiveError, match="metre"):
        Timeline().set_metre(0, metre)
