"""A partner without a model, under a manual clock: whole sessions in milliseconds."""

import itertools
import math
from dataclasses import dataclass
from typing import cast

import pytest

from sideman.live.constraints import Ask
from sideman.live.improviser import Improviser
from sideman.live.messages import NoteOff, NoteOn, Timed
from sideman.live.orders import Play, Release, Silence
from sideman.live.planner import PlannedNote, Planner
from sideman.live.settings import Settings, with_settings
from sideman.live.timeline import Timeline
from sideman.live.turns import fold
from sideman.live.voices import parse_voices


class FakePlanner:
    """Plans as `Planner` does, without a model: a note of each voice on each eighth.

    What differs from the real one is only what is played, so whole sessions take milliseconds.
    """

    def __init__(self) -> None:
        self.n_steps = 0
        self.heard = ()
        self.attended = 0
        self.asks: list[Ask] = []
        self._ids = itertools.count(1)
        self._plan: list[PlannedNote] = []
        self._known: set[tuple[int, int, int]] = set()
        self._written = -math.inf  # first tick that nothing is planned for yet
        self._voice = -1

    def new_id(self):
        """Return a number that no note has."""
        return next(self._ids)

    @property
    def plan(self):
        """Return what is planned."""
        return tuple(self._plan)

    def attend(self, notes, frame, now, *, settled=None):  # noqa: ARG002
        """Hear notes; the plan stays up to the first new one."""
        self.attended += 1
        self.heard, self.frame = tuple(notes), frame
        keys = {(note.onset, note.voice, note.pitch) for note in notes}
        news = keys - self._known - {_key(note) for note in self._plan}
        gone = self._known - keys
        self._known = keys
        self._plan = [note for note in self._plan if _key(note) not in keys]
        if news | gone:
            self.drop(min(onset for onset, _, _ in news | gone) + 1)

    def unlearn(self, from_tick):
        """Nothing was learned."""

    def forget_learned(self):
        """Nothing was learned."""

    def shift_learned(self, ticks):
        """Nothing was learned."""

    def catch_up(self):
        """Nothing ever waits."""
        return False

    def accept(self, ids):
        """Take notes out of the plan that are played."""
        self._known |= {_key(note) for note in self._plan if note.id in ids}
        self._plan = [note for note in self._plan if note.id not in ids]

    def skip(self, ids):
        """Take notes out of the plan that are not."""
        self._plan = [note for note in self._plan if note.id not in ids]

    def drop(self, from_tick=None):
        """Give up the plan from a tick on."""
        tick = -math.inf if from_tick is None else from_tick
        self._plan = [note for note in self._plan if note.onset < tick]
        self._written, self._voice = min(self._written, tick), -1

    def say(self, note):
        """Plan a note."""
        self._plan = sorted([*self._plan, note], key=_key)
        self._written = max(self._written, note.onset)

    def is_full(self, ask):
        """Return whether all is planned that is asked."""
        return not ask.voices or ask.end <= max(self._written, ask.begin)

    def step(self, ask):
        """Plan a note, or find that there is none."""
        if self.is_full(ask):
            return None
        self.n_steps += 1
        self.asks.append(ask)
        tick = max(self._written, ask.begin)
        above = [voice for voice in ask.voices if tick > self._written or voice > self._voice]
        if not above:
            tick += 1
        eighth = math.ceil(tick / 12) * 12
        onset = int(tick if ask.begin_by is not None and ask.begin_by < eighth else eighth)
        onset = math.ceil(onset / ask.grid) * ask.grid
        if onset >= ask.end:
            self._written, self._voice = ask.end, -1
            return None
        self._written, self._voice = onset, (above or ask.voices)[0]
        number = self.new_id()
        limits = ask.limits[ask.voices.index(self._voice)]
        pitch = fold(60 + number % 12, *(limits.wish.range or (0, 127)))
        note = PlannedNote(number, self._voice, pitch, 80, onset, 6 + number % 30)
        self._plan.append(note)
        return note


def _key(note):
    return note.onset, note.voice, note.pitch


@dataclass
class Heard:
    """A note as it is heard in the end."""

    id: int
    channel: int
    pitch: int
    velocity: int
    begin_s: float
    end_s: float | None
    ordered_s: float


class Rehearsal:
    """A partner under a manual clock: what it was told, when, and what it ordered."""

    def __init__(self, improviser, *, cost_s=0.004) -> None:
        self.improviser = improviser
        self.planner = improviser._planner
        self.cost_s = cost_s
        self.now_s = 0.0
        self.orders = [(0.0, order) for order in improviser.begin(0.0)]

    def run(self, until_s, inputs=()):
        """Let time pass; inputs are messages, (second, setting, value) and (second, action)."""
        waiting = sorted(inputs, key=_second)
        while self.now_s < until_s:
            while waiting and _second(waiting[0]) <= self.now_s:
                self._take(self._tell(waiting.pop(0)))
            has_thought = self.improviser.think(self.now_s)
            if has_thought:
                self.now_s += self.cost_s
            self._take(self.improviser.commit(self.now_s))
            if not has_thought:
                moments = [self.improviser.wake_at(), until_s]
                moments += [_second(waiting[0])] if waiting else []
                next_s = min(moment for moment in moments if moment is not None)
                self.now_s = max(next_s, self.now_s + 0.001)
        return self

    def _tell(self, told):
        if isinstance(told, Timed):
            return self.improviser.hear(told)
        second, *rest = told
        if len(rest) == 1:
            return self.improviser.act(rest[0], second)
        return self.improviser.change(*rest, second)

    def _take(self, orders):
        self.orders += [(self.now_s, order) for order in orders]

    def plays(self):
        """Return the notes that were ordered, with the ends they have in the end."""
        return [note for note in self._notes() if note.begin_s is not None]

    def heard(self):
        """Return the notes that begin to sound."""
        return [n for n in self._notes() if n.end_s is None or n.end_s > n.begin_s]

    def _notes(self):
        notes = {}
        for now_s, order in self.orders:
            match order:
                case Play(id, channel, pitch, velocity, begin_s, end_s):
                    assert id not in notes
                    notes[id] = Heard(id, channel, pitch, velocity, begin_s, end_s, now_s)
                case Release(id, at_s):
                    assert at_s >= now_s - 1e-9
                    notes[id].end_s = at_s
                case Silence(at_s):
                    for note in notes.values():
                        if note.end_s is None or note.end_s > at_s:
                            note.end_s = at_s
        return list(notes.values())


def _second(told):
    return told.time_s if isinstance(told, Timed) else told[0]


@pytest.fixture(scope="session")
def rehearse_with():
    """Return a function that sets up a rehearsal with a partner, by default a fake one."""

    def begin(voices=(), *, planner=None, spare=None, cost_s=0.004, tempo=120.0, **settings):
        settings = {"tempo": tempo, **settings}
        improviser = Improviser(
            cast(Planner, planner or FakePlanner()),
            Timeline(tempo),
            with_settings(Settings(), {n: str(v) for n, v in settings.items()}),
            parse_voices(voices),
            spare=spare,
        )
        return Rehearsal(improviser, cost_s=cost_s)

    return begin


@pytest.fixture(scope="session")
def fake_planner():
    """Return the class of planners without a model."""
    return FakePlanner


@pytest.fixture(scope="session")
def phrase():
    """Return a function that gives the messages of notes: (second, length in s, pitch)."""

    def messages(*notes, channel=0, velocity=80):
        heard = []
        for begin_s, length_s, pitch in notes:
            heard.append(Timed(begin_s, NoteOn(channel, pitch, velocity)))
            heard.append(Timed(begin_s + length_s, NoteOff(channel, pitch)))
        return sorted(heard, key=lambda timed: timed.time_s)

    return messages
