"""What is ordered is sent when it is due, and what was started is stopped."""

import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.messages import Clock, ControlChange, NoteOff, NoteOn, ProgramChange, Timed
from sideman.live.orders import Play, Program, Release, Silence
from sideman.live.scheduler import Lateness, Scheduler

moments = st.floats(-1, 4).map(lambda value: round(value, 2))
ids, channels, pitches = st.integers(0, 6), st.integers(8, 9), st.integers(60, 62)
orders = st.one_of(
    st.builds(Play, ids, channels, pitches, st.integers(1, 127), moments, st.none() | moments),
    st.builds(Release, ids, moments),
    st.builds(Silence, moments),
    st.builds(Program, channels, st.integers(0, 127), moments),
)
calls = st.lists(st.tuples(st.lists(orders, max_size=6), moments), max_size=12)


def run(scheduler, script, *, ahead_s=0.0):
    """Return what is sent when each call takes orders and then asks at its time."""
    sent = []
    for taken, now_s in script:
        for order in taken:
            scheduler.take(order)
        sent += scheduler.due(now_s, ahead_s=ahead_s)
    return sent


def by_key(sent):
    """Return the notes of each key: True for on, in the order sent."""
    keys = defaultdict(list)
    for timed in sent:
        if isinstance(timed.message, (NoteOn, NoteOff)):
            key = timed.message.channel, timed.message.pitch
            keys[key].append((isinstance(timed.message, NoteOn), timed.time_s))
    return keys


@given(calls, st.sampled_from([0.0, 0.3]), st.sampled_from(["wait", "release", "panic"]))
def test_every_note_on_gets_exactly_one_note_off(script, ahead_s, how):
    """Whatever is ordered and whenever it is asked, even backwards: nothing hangs, ever."""
    scheduler = Scheduler(max_note_s=1.5)
    sent = run(scheduler, script, ahead_s=ahead_s)
    if how == "wait":
        sent += scheduler.due(100.0)
    else:
        sent += scheduler.release_all(9.0) if how == "release" else scheduler.panic(9.0)
        assert scheduler.next_at() is None
    assert scheduler.n_sounding == 0
    n_on = 0
    for played in by_key(sent).values():
        assert [is_on for is_on, _ in played] == [True, False] * (len(played) // 2)
        n_on += len(played) // 2
    assert scheduler.n_sent == n_on


@given(calls, st.sampled_from([0.0, 0.3]))
def test_sorting_by_time_keeps_each_key_in_order(script, ahead_s):
    """A port that sends at the exact moment sorts by it: an off must not overtake its on."""
    forwards = sorted(script, key=lambda call: call[1])
    sent = run(Scheduler(), forwards, ahead_s=ahead_s)
    for played in by_key(sent).values():
        assert [time_s for _, time_s in played] == sorted(time_s for _, time_s in played)


@given(calls)
def test_no_note_begins_early_or_later_than_the_limit(script):
    """Late notes in a bunch are worse than none; early ones would not be in time either."""
    scheduler = Scheduler(late_s=0.2)
    for taken, now_s in sorted(script, key=lambda call: call[1]):
        for order in taken:
            scheduler.take(order)
        begins = {
            (order.channel, order.pitch, order.velocity, order.begin_s)
            for batch, _ in script
            for order in batch
            if isinstance(order, Play)
        }
        for timed in scheduler.due(now_s):
            if isinstance(timed.message, NoteOn):
                on = timed.message
                assert any(
                    (on.channel, on.pitch, on.velocity) == begin[:3]
                    and begin[3] <= now_s <= begin[3] + 0.2 + 1e-9
                    for begin in begins
                )


@given(calls)
def test_no_note_outlasts_the_longest(script):
    """A key whose release is lost must not sound until somebody finds the panic button."""
    scheduler = Scheduler(max_note_s=0.5)
    forwards = sorted(script, key=lambda call: call[1])
    sent = run(scheduler, [*forwards, ([], 100.0)])
    for played in by_key(sent).values():
        for (_, on_s), (_, off_s) in zip(played[::2], played[1::2], strict=True):
            assert off_s <= on_s + 0.5 + 1e-9


def test_notes_are_sent_at_their_times_in_order():
    """The plain case, message by message."""
    scheduler = Scheduler()
    scheduler.take(Play(1, 0, 60, 100, 1.0, 2.0))
    scheduler.take(Program(0, 5, 1.0))
    scheduler.take(Play(2, 0, 64, 90, 1.5, 1.75))
    assert scheduler.next_at() == 1.0
    assert scheduler.due(0.9) == []
    assert scheduler.due(1.0) == [
        Timed(1.0, ProgramChange(0, 5)),
        Timed(1.0, NoteOn(0, 60, 100)),
    ]
    assert scheduler.due(1.5) == [Timed(1.5, NoteOn(0, 64, 90))]
    assert scheduler.due(2.5) == [Timed(1.75, NoteOff(0, 64)), Timed(2.0, NoteOff(0, 60))]


def test_a_key_struck_again_is_released_first():
    """Two notes of one key in one moment would leave the instrument with one note too many."""
    scheduler = Scheduler()
    scheduler.take(Play(1, 0, 60, 100, 1.0, 3.0))
    scheduler.take(Play(2, 0, 60, 50, 2.0, 4.0))
    sent = run(scheduler, [([], 1.0), ([], 2.0), ([], 3.0), ([], 4.0)])
    assert [timed.message for timed in sent] == [
        NoteOn(0, 60, 100),
        NoteOff(0, 60),
        NoteOn(0, 60, 50),
        NoteOff(0, 60),
    ]


@pytest.mark.parametrize(
    ("release_s", "ends"),
    [(1.5, [1.5]), (2.5, [2.5]), (1.0, []), (0.5, [])],
)
def test_a_release_replaces_the_end_that_was_said_before(release_s, ends):
    """Earlier, later, or before the note began: then it never begins."""
    scheduler = Scheduler()
    scheduler.take(Play(1, 0, 60, 100, 1.0, 2.0))
    scheduler.take(Release(1, release_s))
    sent = run(scheduler, [([], step / 10) for step in range(31)])
    assert [timed.time_s for timed in sent if isinstance(timed.message, NoteOff)] == ends
    assert len(sent) == 2 * len(ends)


def test_silence_takes_back_what_lies_ahead_but_not_what_is_ordered_after_it():
    """A mode is changed: the old plan is gone, the new one plays."""
    scheduler = Scheduler()
    scheduler.take(Play(1, 0, 60, 100, 0.0, None))
    scheduler.take(Play(2, 0, 62, 100, 1.5, 2.0))
    assert len(scheduler.due(0.0)) == 1
    scheduler.take(Silence(1.0))
    scheduler.take(Play(3, 0, 64, 100, 1.0, 2.0))
    assert scheduler.due(1.6) == [Timed(1.0, NoteOff(0, 60))]
    assert scheduler.n_dropped == 1  # the third came 0.6 s late
    scheduler.take(Play(4, 0, 65, 100, 1.6, 2.0))
    assert scheduler.due(1.6) == [Timed(1.6, NoteOn(0, 65, 100))]


def test_a_clock_that_steps_back_ends_everything_and_play_goes_on():
    """A suspended machine, or a sound card's clock that starts anew."""
    scheduler = Scheduler()
    scheduler.take(Play(1, 0, 60, 100, 1000.0, 1010.0))
    scheduler.take(Play(2, 0, 62, 100, 1005.0, 1010.0))
    scheduler.due(1000.0)
    assert [timed.message for timed in scheduler.due(3.0)] == [NoteOff(0, 60)]
    assert scheduler.next_at() is None
    scheduler.take(Play(3, 0, 60, 100, 4.0, 5.0))
    assert scheduler.due(4.0) == [Timed(4.0, NoteOn(0, 60, 100))]


def test_a_clock_that_leaps_ahead_drops_what_was_missed_and_counts_it():
    """After an hour of sleep the missed notes must not come all at once."""
    scheduler = Scheduler()
    for id in range(1000):
        scheduler.take(Play(id, 0, id % 128, 100, id / 100, id / 100 + 0.1))
    scheduler.due(0.0)
    assert scheduler.due(3600.0) == [Timed(0.1, NoteOff(0, 0))]
    assert scheduler.n_dropped == 999
    assert scheduler.next_at() is None


def test_a_clock_tick_is_sent_on_time_or_not_at_all():
    """A late pulse tells of a tempo that is none; a late program still matters."""
    scheduler = Scheduler(late_s=0.05)
    for time_s in (1.0, 1.02, 1.04):
        scheduler.take(Timed(time_s, Clock()))
    scheduler.take(Program(0, 7, 0.5))
    assert scheduler.due(1.08) == [Timed(0.5, ProgramChange(0, 7)), Timed(1.04, Clock())]
    with pytest.raises(LiveError, match="notes are ordered with Play"):
        scheduler.take(Timed(1.0, NoteOff(0, 60)))


def test_panic_silences_every_channel():
    """What we do not know of, such as notes of before a crash, must end too."""
    scheduler = Scheduler()
    scheduler.take(Play(1, 3, 60, 100, 0.0, None))
    scheduler.due(0.0)
    messages = [timed.message for timed in scheduler.panic(0.5)]
    assert messages[0] == NoteOff(3, 60)
    for channel in range(16):
        for number in (64, 120, 123):
            assert ControlChange(channel, number, 0) in messages


@pytest.mark.parametrize(
    "order",
    [
        Play(1, 16, 60, 100, 0.0, 1.0),
        Play(1, 0, 60, 0, 0.0, 1.0),
        Play(1, 0, 60, 100, math.nan, 1.0),
        Play(1, 0, 60, 100, math.inf, 1.0),
        Silence(math.nan),
        Program(0, 128, 0.0),
    ],
)
def test_an_impossible_order_is_refused_whole(order):
    """A time that is no number would break the order of all others."""
    scheduler = Scheduler()
    with pytest.raises(LiveError):
        scheduler.take(order)
    assert scheduler.next_at() is None


def test_memory_is_flat_over_many_notes():
    """A session lasts for hours."""
    scheduler = Scheduler(max_note_s=1.0)
    for id in range(20_000):
        scheduler.take(Play(id, id % 16, id % 128, 100, id / 100, id / 100 + 0.05))
        scheduler.due(id / 100)
    assert len(scheduler._heap) < 300
    assert len(scheduler._notes) < 300
    assert len(scheduler._last_s) <= 16 * 128


def test_quantiles_of_lateness_are_right_to_a_tenth_of_a_millisecond():
    """They are shown to the player as they are."""
    lateness = Lateness()
    assert lateness.quantile(0.99) == 0.0
    for number in range(1, 101):
        lateness.add(number * 1e-3)
    lateness.add(-1.0)
    assert lateness.quantile(0.5) == pytest.approx(0.050, abs=2e-4)
    assert lateness.quantile(0.99) == pytest.approx(0.099, abs=1.1e-3)
    assert lateness.quantile(1.0) == lateness.most_s == pytest.approx(0.1)
