"""The improviser holds its promises whatever is played, turned and pressed, in any order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.fallback import Fallback
from sideman.live.messages import (
    SUSTAIN,
    Clock,
    ControlChange,
    NoteOff,
    NoteOn,
    ProgramChange,
    Start,
    Stop,
    Timed,
)
from sideman.live.orders import Play, Program, Release, Silence
from sideman.live.planner import Planner
from sideman.live.settings import ACTIONS, MODES

VOICES = ["input:piano", "auto:bass=33:range=E1-G3", "auto:drums", "follow:pad=90:range=C3-C6"]
CHANNELS = {0: (28, 55), 1: (48, 84), 9: (0, 127)}
"""Channels of the machine's voices, and lowest and highest pitch there."""

STUCK_S = 12.0
"""So long after the last input all notes are over: no note is longer than 10 s."""

seconds = st.integers(0, 400).map(lambda n: n / 50)
lengths = st.sampled_from(["0.5 s", "1 s", "1 bar", "2 bars", "16 bars", "session"])
presses = st.builds(
    lambda second, length, pitch: (second, second + length, pitch),
    seconds,
    st.sampled_from([0.02, 0.1, 0.4, 3.0, 100.0]),
    st.integers(40, 90),
)
changes = st.one_of(
    st.tuples(seconds, st.just("mode"), st.sampled_from(list(MODES))),
    st.tuples(seconds, st.sampled_from(["memory", "answer"]), lengths),
    st.tuples(seconds, st.sampled_from(["horizon", "lookahead"]), st.just("0.1 s")),
    st.tuples(seconds, st.just("overlap"), st.sampled_from(["on", "off"])),
    st.tuples(seconds, st.just("hears_itself"), st.sampled_from(["on", "off"])),
    st.tuples(seconds, st.just("silence"), st.sampled_from(["0", "0.3", "1"])),
    st.tuples(seconds, st.just("commit"), st.sampled_from(["0.02", "0.3", "2"])),
    st.tuples(seconds, st.just("play_probability"), st.sampled_from(["0", "50"])),
    st.tuples(seconds, st.just("role"), st.sampled_from(["all", "drums", "line"])),
    st.tuples(seconds, st.just("quantise"), st.sampled_from(["off", "4", "16t"])),
    st.tuples(seconds, st.just("quantise_strength"), st.sampled_from(["0", "50"])),
    st.tuples(seconds, st.just("tempo"), st.sampled_from(["60", "200"])),
    st.tuples(seconds, st.just("metre"), st.sampled_from(["3/4", "7/8", "4/4"])),
    st.tuples(seconds, st.just("min_notes"), st.sampled_from(["1", "5"])),
    st.tuples(seconds, st.sampled_from(["trade_bars", "loop_bars"]), st.just("1")),
    st.tuples(seconds, st.just("delay_ms"), st.just("200")),
    st.tuples(seconds, st.just("split"), st.sampled_from(["off", "above C4"])),
    st.tuples(seconds, st.just("pedal"), st.sampled_from([0, 63, 64, 127])),
)
actions = st.tuples(seconds, st.sampled_from(list(ACTIONS)))
sessions = st.tuples(
    st.sampled_from(list(MODES)),
    st.lists(presses, max_size=25),
    st.lists(changes, max_size=8),
    st.lists(actions, max_size=4),
)


def told(notes, others):
    """Return what is told: keys that go down and up, a pedal, changes and actions."""
    heard = [Timed(begin_s, NoteOn(0, pitch, 80)) for begin_s, _, pitch in notes]
    heard += [Timed(end_s, NoteOff(0, pitch)) for _, end_s, pitch in notes]
    return [*heard, *map(_pedal, others)]


def _pedal(done):
    """Return what is heard of a pedal, and all else as it is."""
    match done:
        case second, "pedal", value:
            return Timed(second, ControlChange(0, SUSTAIN, value))
        case _:
            return done


def rehearse(rehearse_with, session, until_s=8.0, **kwargs):
    mode, notes, changes, actions = session
    stage = rehearse_with(VOICES, mode=mode, **kwargs)
    return stage.run(until_s, told(notes, [*changes, *actions]))


few = settings(max_examples=12)


@few
@given(session=sessions, commit=st.sampled_from([0.02, 0.06, 0.5]))
def test_orders_are_right_whatever_happens(rehearse_with, session, commit):
    """Nothing for the past, nothing fixed too early, and only in the machine's own voices."""
    stage = rehearse(rehearse_with, session, commit=commit)

    delay_s = stage.improviser.settings.delay_ms / 1000
    for now_s, order in stage.orders:
        match order:
            case Play():
                low, high = CHANNELS[order.channel]
                assert low <= order.pitch <= high
                assert now_s <= order.begin_s <= now_s + 2 + delay_s + 1e-9
                assert order.end_s is None or order.begin_s < order.end_s <= order.begin_s + 10
            case Release() | Silence() | Program():
                assert order.at_s >= now_s


@few
@given(session=sessions)
def test_every_note_ends(rehearse_with, session):
    """Once the mode is over nothing sounds on, whatever happened before."""
    stage = rehearse(rehearse_with, session)

    stage.run(8.1, [(8.0, "mode", "trade"), (8.0, "mode", "harmonise")])

    for note in stage.heard():
        assert note.end_s is not None
        assert note.end_s <= 8.3


@few
@given(session=sessions)
def test_drums_only_are_drums_only(rehearse_with, session):
    """With that role no other voice ever plays."""
    mode, notes, changes, actions = session
    changes = [change for change in changes if change[1] != "role"]

    stage = rehearse(rehearse_with, (mode, notes, changes, actions), role="drums")

    assert {note.channel for note in stage.plays()} <= {9}


@few
@given(
    mode=st.sampled_from([mode for mode in MODES if mode != "harmonise"]),
    notes=st.lists(presses, max_size=25),
    silence=st.sampled_from([0, 0.25, 0.6]),
    cost_s=st.sampled_from([0.002, 0.03]),
)
def test_without_overlap_it_never_comes_in_while_you_play(
    rehearse_with, mode, notes, silence, cost_s
):
    """No note begins while a key is down, nor before the silence that is set is over."""
    stage = rehearse_with(
        VOICES, mode=mode, overlap="off", silence=silence, min_notes=1, cost_s=cost_s
    )

    stage.run(6.0, told(notes, []))

    human = [note for note in stage.improviser.memory.notes_since(-100) if note.is_human]
    for note in stage.heard():
        for key in human:
            end_s = 100 if key.end_s is None else key.end_s
            is_known = key.begin_s + cost_s < note.begin_s  # what comes in meanwhile waits
            waits_s = 0 if mode == "trade" else silence
            assert not is_known or note.begin_s >= end_s + waits_s - 1e-9


def traded(rehearse_with, notes):
    """Return a session in which bars of 2 s are traded and only one plays at a time."""
    stage = rehearse_with(mode="trade", trade_bars=1, overlap="off", silence=0.6)
    return stage.run(5.5, told(notes, []))


def test_bars_that_are_traded_begin_on_time_however_late_you_stop(rehearse_with):
    """The bar line decides, not the silence before it."""
    stage = traded(rehearse_with, [(n / 4, n / 4 + 0.2, 60 + n) for n in range(8)])

    first, *_ = (note.begin_s for note in stage.heard())
    assert first == pytest.approx(2.0, abs=0.01)
    assert all(note.begin_s < 4 for note in stage.heard())


def test_keys_that_are_held_into_its_bars_are_waited_for(rehearse_with):
    """Then it comes in as soon as they are up, and it need not be silent for long."""
    stage = traded(rehearse_with, [(0.0, 0.2, 60), (1.5, 2.5, 64)])

    first, *_ = (note.begin_s for note in stage.heard())
    assert 2.5 <= first < 3
    assert stage.improviser.meters().dropped == 0


def test_who_plays_in_its_bars_has_them_until_silent(rehearse_with):
    """There the silence that is set counts."""
    stage = traded(rehearse_with, [(0.0, 0.2, 60), (2.4, 2.6, 64)])

    begins = [note.begin_s for note in stage.heard()]
    assert begins[0] == pytest.approx(2.0, abs=0.01)
    assert not [begin for begin in begins if 2.4 < begin < 3.2]
    assert [begin for begin in begins if 3.2 <= begin < 4]


@few
@given(session=sessions, horizon=st.sampled_from(["0.1 s", "0.5 s", "1 bar"]))
def test_no_note_is_planned_beyond_the_horizon(rehearse_with, session, horizon):
    """However far the plan is to be written ahead."""
    mode, notes, changes, actions = session
    others = ("horizon", "lookahead", "tempo", "metre")
    kept = [change for change in changes if change[1] not in others]
    kept += [action for action in actions if action[1] != "tap"]
    stage = rehearse_with(VOICES, mode=mode, horizon=horizon, lookahead="4 bars")
    inputs = told(notes, kept)

    for until_s in range(1, 7):
        stage.run(until_s, [item for item in inputs if until_s - 1 <= second(item) < until_s])
        improviser = stage.improviser
        reach = improviser.settings.horizon.ticks(improviser.timeline, 0)
        ahead = improviser.timeline.ticks_at(stage.now_s) + reach
        assert all(note.onset <= ahead for note in improviser.plan)


@few
@given(session=sessions)
def test_a_session_is_the_same_every_time(rehearse_with, session):
    """Same inputs at the same times, same orders, to the last one."""
    first, again = (rehearse(rehearse_with, session).orders for _ in range(2))

    assert first == again


def second(item):
    """Return when something is told."""
    return item.time_s if isinstance(item, Timed) else item[0]


# ------------------------------------------------------------------- one by one


def steady_notes(n, begin_s=0.0):
    """Return the messages of a note on each eighth at 120 bpm."""
    return told(
        [(begin_s + 0.25 * k, begin_s + 0.25 * k + 0.2, 60 + k % 12) for k in range(n)], []
    )


def test_instruments_are_sent_before_all_else(rehearse_with):
    """Each voice of the machine gets its program; that of a kit is its number."""
    voices = ["auto:bass=34@2", "jazz=auto:drums=jazz", "follow:pad=90@3"]

    orders = [order for _, order in rehearse_with(voices).orders]

    assert orders == [Program(1, 33, 0.0), Program(9, 32, 0.0), Program(2, 89, 0.0)]


def test_your_program_is_told_to_the_model(rehearse_with):
    """The model hears the instrument that you have chosen since."""
    stage = rehearse_with()

    stage.run(1, [Timed(0.5, ProgramChange(0, 40))])

    assert [part.program for part in stage.planner.frame.parts] == [40, 0]


def test_own_notes_that_come_back_are_not_taken_for_yours(rehearse_with):
    """A loop through the DAW does not make it answer itself."""
    stage = rehearse_with(mode="lead").run(4)
    played = stage.plays()
    echoes = [Timed(n.begin_s + 0.02, NoteOn(n.channel, n.pitch, 80)) for n in played[-3:]]
    echoes += [Timed(n.end_s + 0.02, NoteOff(n.channel, n.pitch)) for n in played[-3:]]

    for echo in sorted(echoes, key=second):
        assert stage.improviser.hear(echo) == []

    unison = Timed(played[-4].begin_s + 0.02, NoteOn(played[-4].channel, played[-4].pitch, 81))
    stage.improviser.hear(unison)

    assert stage.improviser.meters().own_heard == 3
    human = [n for n in stage.improviser.memory.notes_since(0) if n.is_human]
    assert [n.velocity for n in human] == [81]


def test_only_one_side_of_a_split_is_heard(rehearse_with):
    """The other hand may play on without being answered."""
    notes = [(0.5 + 0.1 * k, 0.55 + 0.1 * k, pitch) for k, pitch in enumerate((40, 60, 62, 47))]

    stage = rehearse_with(split="above C4").run(1, told(notes, []))

    assert [n.pitch for n in stage.improviser.memory.notes_since(0)] == [60, 62]


def test_what_is_remembered_is_what_was_meant(rehearse_with):
    """Transposed, softer and later is how it sounds; the model goes on from what it wrote."""
    sound = {"transpose": 7, "velocity_scale": 50, "delay_ms": 100}
    plain = rehearse_with(mode="lead").run(4)
    other = rehearse_with(mode="lead", **sound).run(4)

    for note, changed in zip(plain.plays(), other.plays(), strict=True):
        assert (changed.pitch, changed.velocity) == (note.pitch + 7, 40)
        assert changed.begin_s == pytest.approx(note.begin_s + 0.1)
    remembered = [stage.improviser.memory.notes_since(0) for stage in (plain, other)]
    assert [n.pitch for n in remembered[0]] == [n.pitch for n in remembered[1]]
    assert [n.onset for n in remembered[0]] == [n.onset for n in remembered[1]]


def test_half_strength_draws_notes_half_the_way_to_the_grid(rehearse_with):
    """Quarters pull the eighths of the plan by a sixteenth at most."""
    stage = rehearse_with(mode="lead", quantise="4", quantise_strength=50).run(4)

    offs = {round(note.begin_s % 0.5, 3) for note in stage.plays()[1:]}

    assert offs <= {0.0, 0.125, 0.375}
    assert len(offs) > 1


def test_at_full_strength_the_plan_is_asked_for_on_the_grid(rehearse_with):
    """The model itself writes on it then."""
    stage = rehearse_with(mode="lead", quantise="8").run(2)

    assert {ask.grid for ask in stage.planner.asks} == {12}
    assert all(note.begin_s % 0.25 == pytest.approx(0) for note in stage.plays()[1:])


def test_memory_and_answer_are_independent(rehearse_with):
    """Half a second is remembered, four bars are answered."""
    stage = rehearse_with(memory="0.5 s", answer="4 bars", hears_itself="off")

    stage.run(12, steady_notes(9))

    assert {n.onset for n in stage.planner.heard if n.is_human} == {72, 84, 96}
    assert 2.2 + 0.6 + 7.5 < stage.heard()[-1].begin_s < 2.2 + 0.6 + 8.1


def test_it_need_not_hear_itself(rehearse_with):
    """What it played before your last note is not told to the model then."""
    notes = steady_notes(8) + steady_notes(3, 6.0)
    heard = {}
    for hears in ("on", "off"):
        stage = rehearse_with(mode="accompany", hears_itself=hears).run(6.52, notes)
        heard[hears] = [n.onset for n in stage.planner.heard if not n.is_human]

    assert min(heard["on"]) < 24
    assert min(heard["off"], default=1000) >= 6.5 * 48


def test_what_is_forgotten_is_not_told(rehearse_with):
    """Forget last takes the last phrase, forget all everything."""
    notes = steady_notes(4) + steady_notes(4, 3.0)
    stage = rehearse_with(min_notes=64).run(5, notes)
    assert len(stage.planner.heard) == 8

    stage.run(5.5, [(5.1, "forget_last")])
    assert [n.onset for n in stage.planner.heard] == [0, 12, 24, 36]

    stage.run(6, [(5.6, "forget_all")])
    assert stage.planner.heard == ()


def test_panic_is_silence_until_you_play(rehearse_with):
    """All notes end at once, and it does not begin again by itself."""
    stage = rehearse_with(mode="accompany").run(4, steady_notes(8))

    stage.run(8, [(4.0, "panic")])
    assert Silence(4.0) in [order for _, order in stage.orders]
    assert all(note.begin_s < 4.0 and note.end_s <= 4.0 for note in stage.heard())

    stage.run(10, [Timed(8.5, NoteOn(0, 60, 80))])
    assert stage.heard()[-1].begin_s > 9


def test_an_unknown_action_names_those_there_are(rehearse_with):
    """A typo in a preset or an OSC message is put right in one line."""
    with pytest.raises(LiveError, match="there is no action 'stop'; it must be one of panic"):
        rehearse_with().improviser.act("stop", 0.0)


def test_the_tempo_can_be_tapped(rehearse_with):
    """Four taps at 90 a minute set it."""
    taps = [(1 + k * 60 / 90, "tap") for k in range(4)]

    improviser = rehearse_with().run(4, taps).improviser

    assert improviser.settings.tempo == pytest.approx(90, abs=0.1)
    assert improviser.timeline.tempo_at(4) == pytest.approx(90, abs=0.1)


def test_a_clock_is_followed_and_stops_the_music(rehearse_with):
    """On start tick 0 is where the clock says; on stop what sounds ends soon."""
    clocks = [Timed(1 + k / 48, Clock()) for k in range(240)]
    told = [*clocks[:1], Timed(1.001, Start()), *clocks[1:], Timed(6.0, Stop())]
    stage = rehearse_with(mode="lead", sync="clock").run(8, told)

    timeline = stage.improviser.timeline
    assert timeline.seconds_at(48) == pytest.approx(1 + 1 / 48 + 1, abs=0.005)
    assert timeline.tempo_at(5) == pytest.approx(120, abs=0.5)
    assert all(note.begin_s <= 6.0 and note.end_s <= 6.1 for note in stage.heard())


def test_a_jump_of_the_clock_keeps_what_was_played(rehearse_with):
    """When the song starts over, the memory lies just before it, at its places of the bar."""
    clocks = [Timed(2 + k / 48, Clock()) for k in range(48)]
    notes = told([(0.5, 0.7, 60), (1.5, 1.7, 62)], [])
    stage = rehearse_with(sync="clock", min_notes=9)

    stage.run(4, [*notes, Timed(1.99, Start()), *clocks])

    onsets = [note.onset for note in stage.improviser.memory.notes_since(-1000)]
    assert [onset % 96 for onset in onsets] == [24, 72]
    assert all(onset < 0 for onset in onsets)


def test_controllers_are_nobodys_notes(rehearse_with):
    """What knobs mean is decided elsewhere."""
    assert rehearse_with().improviser.hear(Timed(0.1, ControlChange(0, 1, 5))) == []


def pedalled(up_s, *, value=127, channel=0):
    """Return three notes under the pedal of a channel, and the pedal's way up."""
    notes = [(0.1, 0.3, 60), (0.4, 0.6, 64), (0.7, 0.9, 67)]
    pedal = [Timed(0.05, ControlChange(channel, SUSTAIN, value))]
    return told(notes, [*pedal, Timed(up_s, ControlChange(channel, SUSTAIN, 63))])


def test_it_waits_for_your_pedal(rehearse_with):
    """What the pedal holds sounds, so you are not silent."""
    stage = rehearse_with(mode="answer", silence=0.5)

    stage.run(6, pedalled(3.0))

    assert 3.5 <= min(note.begin_s for note in stage.plays()) < 4.1
    assert [note.end_s for note in stage.planner.heard if note.is_human] == [3.0] * 3


@pytest.mark.parametrize("other", [{"value": 63}, {"channel": 5}])
def test_a_pedal_that_is_up_or_of_another_holds_nothing(rehearse_with, other):
    """Half of its way counts as down, as MIDI has it; channels have pedals of their own."""
    stage = rehearse_with(["you=input:piano@1", "auto:piano"], mode="answer", silence=0.5)

    stage.run(6, pedalled(3.0, **other))

    assert 1.4 <= min(note.begin_s for note in stage.plays()) < 2


def test_a_pedal_that_is_never_up_holds_no_note_for_ever(rehearse_with):
    """A cable that is pulled must not silence the machine for the rest of the night."""
    stage = rehearse_with(mode="answer", silence=0.5, max_note=2)

    stage.run(6, pedalled(100.0))

    assert 3.2 <= min(note.begin_s for note in stage.plays()) < 4


def test_what_follows_a_note_under_the_pedal_ends_with_it(rehearse_with):
    """And when its key is struck again."""
    stage = rehearse_with(VOICES, mode="harmonise")
    notes = [(0.1, 0.3, 60), (1.0, 1.2, 60)]

    stage.run(4, told(notes, [Timed(0.05, ControlChange(0, SUSTAIN, 127))]))
    stage.run(5, [Timed(4.0, ControlChange(0, SUSTAIN, 0))])

    first, second = sorted(stage.heard(), key=lambda note: note.begin_s)
    assert first.end_s == pytest.approx(1.0, abs=0.05)
    assert second.end_s == pytest.approx(4.0, abs=0.05)


def test_a_chance_of_none_is_silence(rehearse_with):
    """Turns are passed over, one and all, as if they had been played."""
    for mode in MODES:
        stage = rehearse_with(mode=mode, play_probability=0).run(6, steady_notes(12))
        assert stage.heard() == [] or mode == "harmonise"


def test_a_silent_stretch_costs_nothing(rehearse_with):
    """While nobody plays and nothing is to come there is nothing to wake up for."""
    improviser = rehearse_with().run(3).improviser

    assert improviser.wake_at() is None
    assert not improviser.think(3.0)


# ------------------------------------------------------------------- when it is slow


def test_a_slow_model_leaves_notes_out_rather_than_play_them_late(rehearse_with):
    """Nothing is played later than it can pass for in time, and the rest is counted."""
    stage = rehearse_with(mode="accompany", cost_s=0.3).run(12, steady_notes(40))

    timeline = stage.improviser.timeline
    played = {n.id: n for n in stage.improviser.memory.notes_since(0) if not n.is_human}
    late_s = [
        note.begin_s - timeline.seconds_at(played[note.id].onset) for note in stage.plays()
    ]
    assert max(late_s) <= 0.03 + 1 / 48 + 1e-9


def test_a_slow_model_is_helped_step_by_step(rehearse_with, fake_planner):
    """A shorter plan, fewer voices, the spare model, and at last the last bar again."""
    voices = ["auto:bass=33", "auto:drums"]
    spare = fake_planner()
    stage = rehearse_with(voices, mode="accompany", cost_s=0.4, spare=spare)
    spare.new_id = stage.planner.new_id

    stage.run(10, steady_notes(60))

    meters = stage.improviser.meters()
    assert set(meters.fallbacks) == {"shorter_plan", "fewer_voices", "spare_model", "repeat"}
    assert spare.attended > 0
    last_s = [note.begin_s for note in stage.heard() if note.begin_s > 8]
    assert last_s, "it never falls silent"


def test_the_ladder_comes_down_when_the_model_keeps_up(rehearse_with):
    """After some seconds without trouble all is as before."""
    stage = rehearse_with(mode="accompany", cost_s=0.4).run(6, steady_notes(24))
    assert stage.improviser.meters().fallback > Fallback.NONE

    stage.cost_s = 0.002
    stage.run(20)

    assert stage.improviser.meters().fallback is Fallback.NONE


def test_meters_tell_how_soon_it_answers(rehearse_with):
    """From your last note-on to the order for the first note of the answer."""
    stage = rehearse_with(silence=0, min_notes=1, cost_s=0.005)

    stage.run(2, [Timed(1.003, NoteOn(0, 60, 80))])

    assert stage.improviser.meters().response.p50_s == pytest.approx(0.005)
    assert stage.improviser.meters().events_per_s == pytest.approx(200, rel=0.1)


def test_a_note_is_seen_from_plan_to_sound(rehearse_with):
    """It keeps its number, and its state tells whether it may still change."""
    stage = rehearse_with(mode="lead", commit=0.3).run(2.0)

    notes = [note for note in stage.improviser.view(2.0).notes if not note.is_human]

    assert {note.state for note in notes} == {"sounded", "committed", "planned"}
    for note in notes:
        begin_s = stage.improviser.timeline.seconds_at(note.onset)
        assert (note.state == "sounded") == (begin_s <= 2.0)
        assert (note.state == "planned") == (begin_s > 2.3)


# ------------------------------------------------------------------- with a real planner


@pytest.mark.parametrize("mode", MODES)
def test_with_a_model_sessions_are_the_same_every_time(rehearse_with, fp32_bundle, mode):
    """Random weights, real planner: every mode plays, and plays the same again."""
    sessions = []
    for _ in range(2):
        stage = rehearse_with(
            ["auto:bass=33:range=E1-G3"],
            planner=Planner(fp32_bundle, threads=1, seed=3),
            mode=mode,
            silence=0.2,
            answer="1 bar",
            trade_bars=1,
            loop_bars=1,
        )
        stage.run(5, told([(0.25 * k, 0.25 * k + 0.2, 60 + k) for k in range(6)], []))
        sessions.append(stage)

    first, again = sessions
    assert first.heard()
    assert all(28 <= note.pitch <= 55 for note in first.heard())
    assert first.orders == again.orders
