"""Tests of sessions in virtual time."""

import pytest

from sideman.live.fallback import Fallback
from sideman.live.messages import NoteOff, NoteOn, Timed
from sideman.live.orders import Play
from sideman.live.recording import Acted, Changed, Heard, Ordered, Sounded
from sideman.live.scheduler import Scheduler
from sideman.live.timeline import Timeline
from sideman.live.view import Meters, Quantiles, View
from sideman.live.virtual import Script, measured, rehearse, steady

COST_S = 0.25


class FakeImproviser:
    """Answers each note-on by one a second later, after a thought."""

    def __init__(self):
        self.timeline = Timeline()
        self.asked = []
        self.thoughts = []
        self.plan = []

    def begin(self, time_s):
        """Order nothing."""
        self.asked.append(("begin", time_s))
        return []

    def hear(self, timed):
        """Note what came in."""
        self.asked.append((timed.message, timed.time_s))
        if isinstance(timed.message, NoteOn):
            self.thoughts.append(timed)
        return []

    def change(self, name, value, time_s):
        """Note what was turned."""
        self.asked.append((name, value, time_s))
        return []

    def act(self, action, time_s):
        """Note what was asked for."""
        self.asked.append((action, time_s))
        return []

    def think(self, now_s):
        """Plan one answer."""
        if not self.thoughts:
            return False
        heard = self.thoughts.pop(0)
        assert heard.time_s <= now_s
        begin_s = heard.time_s + 1.0
        self.plan.append(
            Play(len(self.asked), 0, heard.message.pitch, 80, begin_s, begin_s + 1)
        )
        return True

    def commit(self, now_s):  # noqa: ARG002 (as an improviser has it)
        """Order what is planned."""
        ordered, self.plan = self.plan, []
        return ordered

    def wake_at(self):
        """Sleep until something comes in."""

    def view(self, now_s):
        """Return that there is nothing to see."""
        unknown = Quantiles(None, None)
        meters = Meters(unknown, unknown, 0.0, 0, 0, 0, Fallback.NONE, {})
        return View(now_s, 0, 0, "answer", None, (), None, None, meters)


def played(inputs, *, cost_s=COST_S, until_s=10.0):
    """Return what happens, and the partner that was there."""
    partner = FakeImproviser()
    records = rehearse(
        partner, Scheduler(), Script(inputs), until_s=until_s, lap=steady(cost_s)
    )
    return list(records), partner


def test_an_answer_sounds_when_it_was_ordered_for():
    """Virtual time must be as exact as the music."""
    records, _ = played([Timed(2.0, NoteOn(0, 60, 90))])

    assert [record for record in records if isinstance(record, Heard | Ordered | Sounded)] == [
        Heard(2.0, NoteOn(0, 60, 90)),
        Ordered(2.0 + COST_S, Play(2, 0, 60, 80, 3.0, 4.0)),
        Sounded(3.0, NoteOn(0, 60, 80)),
        Sounded(4.0, NoteOff(0, 60)),
    ]


def test_who_thinks_too_long_is_late():
    """Missed deadlines must show, or the hit rate means nothing."""
    records, _ = played([Timed(2.0, NoteOn(0, 60, 90))], cost_s=1.03)

    sounded = next(record for record in records if isinstance(record, Sounded))

    assert sounded.time_s == pytest.approx(3.03)
    assert sounded.lateness_s == pytest.approx(0.03)


def test_what_is_due_is_sent_while_the_partner_thinks():
    """The scheduler does not wait for the model."""
    inputs = [Timed(2.0, NoteOn(0, 60, 90)), Timed(2.9, NoteOn(0, 62, 90))]

    records, _ = played(inputs, cost_s=0.5)

    first = next(record for record in records if isinstance(record, Sounded))
    assert first == Sounded(3.0, NoteOn(0, 60, 80))


def test_settings_and_actions_reach_the_partner_at_their_time():
    """What the player turns is part of the session."""
    inputs = [Changed(1.0, "mode", "lead"), Acted(1.5, "panic")]

    records, partner = played(inputs)

    assert partner.asked == [("begin", 0.0), ("mode", "lead", 1.0), ("panic", 1.5)]
    assert [record for record in records if isinstance(record, Changed | Acted)] == inputs


def test_every_note_ends_when_the_session_does():
    """A session that ends in the middle of a note must not leave it hanging."""
    records, _ = played([Timed(2.0, NoteOn(0, 60, 90))], until_s=3.5)

    assert records[-1] == Sounded(3.5, NoteOff(0, 60))


def test_a_measured_lap_takes_as_long_as_the_clock_says():
    """Benchmarks let the real cost of a thought pass in virtual time."""
    seconds = iter([0.0, 1.0, 1.0, 4.0, 4.0])
    lap = measured(lambda: next(seconds))

    assert [lap(0), lap(1)] == [1.0, 3.0]
