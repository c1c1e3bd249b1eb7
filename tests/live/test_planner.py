"""The planner: what is said is what was played, and the plan stands behind it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.engine.chart import parse_chart
from sideman.engine.parts import parse_part
from sideman.engine.rhythm import parse_metre
from sideman.live.constraints import Ask
from sideman.live.frame import Bar, Frame, bars_of, lagging_bar, with_chart, with_found_chords
from sideman.live.memory import PlayedNote
from sideman.live.planner import PlannedNote, Planner
from sideman.live.timeline import Timeline
from sideman.score.harmony import parse_chord
from sideman.tokens.codec import events_to_grid
from sideman.tokens.grid import onsets
from sideman.tokens.vocabulary import DURATION_TICKS, FIRST_DRUM, Extent, Kind, Task

PARTS = tuple(map(parse_part, ("piano", "bass=acoustic bass", "drums")))
METRES = ("4/4", "3/4", "7/8", "6/8")
HUMAN, BASS, DRUMS = range(3)


def frame_of(*metres, **changes):
    """Return a frame of bars, the last of which goes on."""
    bars = tuple(Bar(parse_metre(metre), 120.0) for metre in metres or ("4/4",))
    return replace(Frame(PARTS, bars), **changes)


def played(number, onset, *, voice=HUMAN, pitch=60, duration=12, velocity=80):
    """Return a note that was played."""
    return PlayedNote(
        number, voice, pitch, velocity, 0.0, None, onset, duration, is_human=voice == HUMAN
    )


def as_played(note, **changes):
    """Return a planned note as it comes back when it is certain to be played."""
    known = played(
        note.id,
        note.onset,
        voice=note.voice,
        pitch=note.pitch,
        duration=note.duration,
        velocity=note.velocity,
    )
    return replace(known, **changes)


def said(planner, frame):
    """Return what a session says of notes: onset, part, pitch, length (0: held), loudness."""
    grid, layout = events_to_grid(planner._session.events())
    assert layout.held is not None
    begins = onsets(grid, grid.notes, grid.bar_starts()) + frame.onset
    lengths = np.where(layout.held, 0, DURATION_TICKS[grid.notes["duration"]])
    columns = (begins, grid.notes["part"], grid.notes["pitch"] % FIRST_DRUM, lengths)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def expected(notes):
    """Return the same of notes."""
    return {(n.onset, n.voice, n.pitch, n.duration or 0) for n in notes}


def fill(planner, ask):
    """Write a plan to its end; return it."""
    for _ in range(1000):
        if planner.is_full(ask):
            return planner.plan
        planner.step(ask)
    pytest.fail("the plan is never full")


def write(planner, begin=12, end=200):
    """Write a plan of many notes, which a random model would not by itself; return it."""
    for tick in range(begin, end, 12):
        fill(planner, Ask(tick, min(tick + 12, end), (BASS, DRUMS), begin_by=tick + 8))
    assert len(planner.plan) >= (end - begin) // 12
    return planner.plan


@pytest.fixture
def planner(fp32_bundle):
    """Return a planner that has heard nothing yet."""
    return Planner(fp32_bundle, threads=1)


# ------------------------------------------------------------------ what is heard

NOTES = st.builds(
    played,
    st.integers(0, 10**6),
    st.integers(0, 400),
    voice=st.sampled_from((HUMAN, BASS)),
    pitch=st.integers(30, 90),
    duration=st.sampled_from((None, 1, 5, 12, 24, 96)),
)


@settings(max_examples=25)
@given(
    st.lists(st.lists(NOTES, max_size=12, unique_by=lambda n: (n.onset, n.voice, n.pitch))),
    st.lists(st.sampled_from(METRES), min_size=1, max_size=4),
)
def test_what_is_said_is_what_is_remembered(fp32_bundle, memories, metres):
    """Whatever was said before, and whatever the plan was, after it is told anew."""
    planner, frame = Planner(fp32_bundle, threads=1), frame_of(*metres)
    for notes in memories:
        now = max((note.onset for note in notes), default=100)
        planner.attend(notes, frame, now)
        planner.drop()

        assert said(planner, frame) == expected(notes)
        events = planner._session.events()
        assert (events[:, 0] == Kind.BAR).sum() == frame.bar_of(now) + 1
        planner.step(Ask(now, now + 50, (BASS, DRUMS)))


def test_one_more_note_runs_one_more_event(planner):
    """A note costs the same whatever is remembered; the cache is kept current."""
    notes = [played(number, number * 6) for number in range(50)]
    planner.attend(notes, frame_of(), 294)
    assert planner.catch_up()
    assert not planner.catch_up()
    n_run = planner._session._cache.lengths[0]

    planner.attend([*notes, played(50, 300)], frame_of(), 300)

    assert planner._session._cache.lengths[0] == n_run
    assert len(planner._session) == n_run + 2


def test_of_two_notes_at_one_place_the_longer_is_said(planner):
    """A key may bounce; the grammar knows each pitch once at a tick."""
    notes = [played(1, 24, duration=3), played(2, 24, duration=None), played(3, 24, duration=9)]

    planner.attend(notes, frame_of(), 30)

    assert said(planner, frame_of()) == {(24, HUMAN, 60, 0)}


def test_what_the_frame_has_not_is_left_out(planner):
    """Notes before the first bar, and of voices that are gone."""
    frame = frame_of(first_bar=2, onset=192)
    notes = [played(1, 191), played(2, 192), played(3, 200, voice=7)]

    planner.attend(notes, frame, 200)

    assert said(planner, frame) == {(192, HUMAN, 60, 12)}
    assert planner._session.events()[0, 4] == Extent.MIDDLE


def test_memory_that_does_not_fit_the_context_is_cut_at_a_bar(planner):
    """The tiny network hears 256 events; the latest matter, and room for a plan is left."""
    notes = [played(number, number * 3) for number in range(400)]

    for now in range(900, 1200, 3):
        planner.attend([note for note in notes if note.onset <= now], frame_of(), now)
        assert len(planner._session) <= 192

    latest = said(planner, planner._frame)
    assert latest == expected(note for note in notes if note.onset >= planner._frame.onset)
    assert len(latest) > 60
    assert fill(planner, Ask(1200, 1260, (BASS,))) is not None


def test_a_bar_of_more_notes_than_fit_is_heard_in_part(planner):
    """A burst from a broken cable must not end the session."""
    notes = [played(number, number // 128, pitch=number % 128) for number in range(1000)]

    planner.attend(notes, frame_of(), 20)

    assert len(planner._session) < 192
    fill(planner, Ask(20, 90, (BASS,)))


def test_the_task_is_one_that_the_model_was_shown(fp32_bundle):
    """Else the word for it is noise to it."""
    recipe = {"task_weights": [1, 1, 1, 1, 1, 1, 1], "chord_share": 0.5}
    knowing = replace(fp32_bundle, card={**fp32_bundle.card, "recipe": recipe})
    frame = frame_of(chords=((0, parse_chord("C")), (48, parse_chord("F"))))

    for bundle, task, n_chords in ((fp32_bundle, Task.CONTINUE, 0), (knowing, Task.LIVE, 2)):
        planner = Planner(bundle, threads=1)
        planner.attend([], frame, 60)
        events = planner._session.events()
        assert events[0, 1] == task
        assert (events[:, 0] == Kind.CHORD).sum() == n_chords


# ------------------------------------------------------------------ the plan


@settings(max_examples=25)
@given(
    now=st.integers(0, 200),
    wait=st.integers(0, 200),
    length=st.integers(1, 200),
    voices=st.sampled_from(((BASS,), (DRUMS,), (BASS, DRUMS))),
    metre=st.sampled_from(METRES),
)
def test_a_plan_lies_within_what_is_asked(fp32_bundle, now, wait, length, voices, metre):  # noqa: PLR0917 (drawn)
    """No note before the begin, none from the end on, none of a voice that was not asked."""
    planner, begin = Planner(fp32_bundle, threads=1, seed=length), now + wait
    planner.attend([played(1, now)], frame_of(metre), now)

    plan = fill(planner, Ask(begin, begin + length, voices))

    assert all(begin <= note.onset < begin + length for note in plan)
    assert {note.voice for note in plan} <= set(voices)
    assert all(0 <= note.pitch < 128 and 1 <= note.velocity < 128 for note in plan)


@settings(max_examples=25)
@given(
    begin=st.integers(0, 200),
    wait=st.integers(0, 30),
    metre=st.sampled_from(METRES),
    seed=st.integers(0, 99),
)
def test_the_first_note_begins_in_time(fp32_bundle, begin, wait, metre, seed):
    """An answer must not begin with a rest that the model happened to like."""
    planner = Planner(fp32_bundle, threads=1, seed=seed)
    planner.attend([], frame_of(metre), begin)

    plan = fill(planner, Ask(begin, begin + 100, (BASS,), begin_by=begin + wait))

    assert begin <= plan[0].onset <= begin + wait


def test_the_first_note_waits_for_the_grid_if_it_must(planner):
    """What is wished of when it begins does not break what is promised of where."""
    planner.attend([], frame_of(), 25)

    plan = fill(planner, Ask(25, 200, (BASS,), begin_by=30, grid=24))

    assert plan[0].onset % 24 == 0


def test_accepted_notes_come_back_without_a_step_back(planner):
    """What was planned is played as it was planned: nothing has to be run again."""
    planner.attend([played(1, 0)], frame_of(), 10)
    plan = write(planner)
    before = planner._session.events()
    first = plan[: len(plan) // 2]

    planner.accept({note.id for note in first})
    assert planner.plan == plan[len(first) :]
    memory = [played(1, 0), *map(as_played, first)]
    n_run = planner._n_run
    planner.attend(memory, frame_of(), first[-1].onset)

    np.testing.assert_array_equal(planner._session.events(), before)
    assert planner.plan == plan[len(first) :]
    assert planner._n_run == n_run


def test_a_note_that_ends_leaves_the_plan_as_it_is(planner):
    """Else every key that comes up would cost a plan."""
    held = played(1, 0, duration=None)
    planner.attend([held], frame_of(), 10)
    plan = write(planner)

    planner.attend([replace(held, duration=24)], frame_of(), 24)

    assert planner.plan == plan
    assert said(planner, frame_of()) == expected([replace(held, duration=24), *plan])


def test_a_new_note_takes_back_what_was_planned_behind_it(planner):
    """What lies before it stays; the rest is written anew, knowing it."""
    planner.attend([played(1, 0)], frame_of(), 10)
    plan = write(planner)
    onset = plan[len(plan) // 2].onset

    planner.attend([played(1, 0), played(2, onset, pitch=66)], frame_of(), onset)

    kept = [note for note in plan if note.onset <= onset]
    assert list(planner.plan) == kept
    assert said(planner, frame_of()) == expected(
        [played(1, 0), played(2, onset, pitch=66), *kept]
    )


def test_what_is_forgotten_is_not_planned_from(planner):
    """The plan that answered it goes too."""
    planner.attend([played(1, 0), played(2, 10)], frame_of(), 10)
    write(planner, end=100)

    planner.attend([played(1, 0)], frame_of(), 12)

    assert planner.plan == ()
    assert said(planner, frame_of()) == expected([played(1, 0)])


def test_dropping_forgets_from_a_tick_on(planner):
    """And without one the whole plan."""
    planner.attend([played(1, 0)], frame_of(), 10)
    plan = write(planner, end=250)

    planner.drop(100)

    assert planner.plan == tuple(note for note in plan if note.onset < 100)
    planner.drop()
    assert planner.plan == ()
    assert said(planner, frame_of()) == expected([played(1, 0)])


def test_skipped_notes_leave_and_the_others_stay(planner):
    """A note that came too late is no reason to write all others again."""
    planner.attend([played(1, 0)], frame_of(), 10)
    plan = write(planner)

    planner.skip({plan[0].id})
    planner.attend([played(1, 0)], frame_of(), 30)

    assert planner.plan == plan[1:]
    assert said(planner, frame_of()) == expected([played(1, 0), *plan[1:]])


def test_notes_of_our_own_stand_in_the_plan(planner):
    """An echo is said, in any order, and what is written between knows it."""
    planner.attend([played(1, 0)], frame_of(), 10)
    own = [PlannedNote(planner.new_id(), BASS, 40, 90, onset, 12) for onset in (130, 40, 250)]

    for note in own:
        planner.say(note)

    assert planner.plan == (own[1], own[0], own[2])
    assert said(planner, frame_of()) == expected([played(1, 0), *own])
    planner.accept({own[1].id})
    planner.attend([played(1, 0), as_played(own[1])], frame_of(), 40)
    assert planner.plan == (own[0], own[2])


def test_the_end_may_move_on_without_a_new_choice(planner):
    """What begins behind it was chosen, and waits; so the end does not change the music."""
    whole = Planner(planner._session.bundle, threads=1)
    for each in (planner, whole):
        each.attend([played(1, 0)], frame_of(), 10)
    fill(whole, Ask(12, 200, (BASS, DRUMS)))

    for end in range(13, 201):
        fill(planner, Ask(12, end, (BASS, DRUMS)))

    assert [replace(note, id=0) for note in planner.plan] == [
        replace(note, id=0) for note in whole.plan
    ]
    assert planner.n_steps == whole.n_steps


def test_turns_that_end_at_bar_lines_follow_one_another(planner):
    """What waited at the end of one bar says nothing about the next."""
    planner.attend([], frame_of(), 0)

    for begin in range(0, 6 * 96, 96):
        ask = Ask(begin, begin + 96, (BASS,))
        if begin:
            assert planner.step(ask) is None
        assert not planner.is_full(ask)
        fill(planner, ask)
    assert planner._session.sentences[0].bar == 5


def test_the_chords_of_a_chart_are_said_where_they_are_due(fp32_bundle):
    """The model knows a chord before it writes the notes over it."""
    recipe = {"task_weights": [1] * 7, "chord_share": 0.5}
    bundle = replace(fp32_bundle, card={**fp32_bundle.card, "recipe": recipe})
    frame = with_chart(frame_of(*["4/4"] * 8), parse_chart("C F | G"))
    planner = Planner(bundle, threads=1)
    planner.attend([played(1, 0)], frame, 10)

    fill(planner, Ask(12, 400, (BASS, DRUMS)))

    events = planner._session.events()
    grid, _ = events_to_grid(events)
    n_bars = (events[:, 0] == Kind.BAR).sum()
    begins = onsets(grid, grid.chords, grid.bar_starts())
    due = [onset for onset, _ in frame.chords if onset <= max(begins)]
    assert begins.tolist() == due
    assert len(due) >= 3 * (n_bars - 1) // 2
    planner.attend([played(1, 0)], frame, 12)
    np.testing.assert_array_equal(planner._session.events(), events)


def test_the_same_seed_plans_the_same(fp32_bundle):
    """A session can be replayed."""
    plans = []
    for _ in range(2):
        planner = Planner(fp32_bundle, threads=1, seed=3)
        planner.attend([played(1, 0)], frame_of(), 10)
        plans.append(fill(planner, Ask(12, 200, (BASS, DRUMS))))

    assert plans[0] == plans[1]


def test_nothing_asked_is_nothing_planned(planner):
    """Before anything was heard, of no voices, or in no time."""
    ask = Ask(0, 100, (BASS,))
    assert planner.is_full(ask)
    assert planner.step(ask) is None
    planner.attend([], frame_of(), 0)

    assert not planner.is_full(ask)
    assert planner.is_full(replace(ask, voices=()))
    assert planner.is_full(replace(ask, begin=100))


def test_a_plan_ends_where_the_context_does(planner):
    """However much is asked."""
    planner.attend([], frame_of(), 0)

    plan = fill(planner, Ask(0, 100_000, (BASS, DRUMS)))

    assert len(planner._session) == 256
    assert len(plan) < 256


# ------------------------------------------------------------------ the frame


def test_bars_are_those_of_the_timeline():
    """Metre and tempo of each, wherever the frame begins."""
    timeline = Timeline(100, (3, 4))
    timeline.set_metre(2, (4, 4))
    timeline.set_tempo(timeline.seconds_at(timeline.bar_start(3)), 140)

    bars = bars_of(timeline, 1, 4)

    assert bars == (
        Bar(parse_metre("3/4"), 100),
        Bar(parse_metre("4/4"), 100),
        Bar(parse_metre("4/4"), 140),
    )
    frame = Frame(PARTS, bars, first_bar=1, onset=timeline.bar_start(1))
    for tick in range(timeline.bar_start(1), 700):
        bar = frame.bar_of(tick)
        assert bar == timeline.bar_of(tick) - 1
        assert frame.bar_start(bar) == timeline.bar_start(bar + 1)
    assert frame.since(2).onset == timeline.bar_start(3)


def test_the_first_bar_moves_rarely():
    """Each time it does, all that is remembered has to be run again."""
    said_bars, first = [], None
    for now in range(16, 80):
        first = lagging_bar(first, now - 16, now)
        assert 0 <= now - 16 - first <= 4
        said_bars.append(first)

    assert len(set(said_bars)) == 13
    assert lagging_bar(20, 10, 30) == 10


def test_a_chart_begins_again_wherever_the_frame_does():
    """Its first chord is that of bar 0 of the session, and of every second bar."""
    frame = frame_of(*["3/4"] * 3, first_bar=5, onset=360)

    chords = with_chart(frame, parse_chart("C | F")).chords

    assert chords == ((360, parse_chord("F")), (432, parse_chord("C")), (504, parse_chord("F")))


def test_chords_are_found_in_what_the_human_plays():
    """Not in what the machine does, which would follow itself."""
    notes = [played(p, 192, pitch=p, duration=96) for p in (48, 60, 64, 67, 72)]
    notes += [played(p, 288, pitch=p, duration=96) for p in (43, 59, 62, 67, 74)]
    machine = [played(p, 192, voice=BASS, pitch=p, duration=192) for p in (42, 46, 49)]
    frame = frame_of("4/4", first_bar=2, onset=192)

    found = with_found_chords(frame, notes + machine)

    assert found.chords[0] == (192, parse_chord("C"))
    assert found.chords[1] == (288, parse_chord("G"))
    assert not found.says_chords
