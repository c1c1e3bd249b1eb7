"""The planner: hears what is played, and writes what is to be played next.

It owns a session with a model. Behind what was played stands the *plan*: notes that the model,
or whoever asks, has put there and that nobody has heard yet. Whatever it is told, the session
says what it would have said from the start; only what differs is taken back and said anew.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from math import inf
from pathlib import Path

import numpy as np

from sideman.bundle import Bundle
from sideman.engine.bounds import Keeper
from sideman.engine.fill import MAX_EVENTS_PER_BAR
from sideman.engine.neighbours import NeighbourMemory
from sideman.engine.session import Session
from sideman.errors import TokenError
from sideman.live.constraints import Ask, keeper_of, places
from sideman.live.frame import Frame, Note, bar_event, chord_events, grid_of, spell
from sideman.live.learning import Learner
from sideman.live.memory import PlayedNote
from sideman.tokens.choices import Limits, choices
from sideman.tokens.grammar import Position, Sentence
from sideman.tokens.vocabulary import (
    BEAT_TICKS_OF,
    DURATION,
    DURATION_TICKS,
    FIRST_DRUM,
    N_COLUMNS,
    VELOCITY,
    Events,
    Kind,
    Task,
    bin_to_velocity,
)

MOST_SHARE = 0.75
"""Share of the context that what was played may fill; the rest is for the plan."""

CUT_SHARE = 0.5
"""Share that is left when it has filled more: not for each bar is all begun anew."""

BARS_AHEAD = 8
"""Bars behind the one that is written for which the bounds are laid out at once."""


@dataclass(frozen=True, slots=True)
class PlannedNote:
    """A note that is to be played, as long as nothing happens.

    Attributes:
        id: Its number; no other note of the session has it.
        voice: Number of the voice that plays it.
        pitch: MIDI note, 0-127.
        velocity: 1-127.
        onset: When it begins, in ticks of the session's timeline.
        duration: Its length in ticks, at least 1.
    """

    id: int
    voice: int
    pitch: int
    velocity: int
    onset: int
    duration: int


class Planner:
    """Writes the plan of a session, one event at a time.

    Something has to be attended before anything else is asked of it.

    Attributes:
        n_steps: How often the model has chosen an event.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int = 0,
        seed: int = 0,
        new_id: Callable[[], int] | None = None,
        learned: NeighbourMemory | None = None,
    ) -> None:
        """Begin with nothing said.

        Args:
            bundle: The model.
            threads: As in `Session`.
            seed: Of what is drawn.
            new_id: Gives numbers to notes; the one of another planner if both play in one
                session. None: its own.
            learned: Memory of this model that learns from what is played; how much that weighs
                is asked of the plan. None: nothing is learned.
        """
        recipe = bundle.card.get("recipe", {})
        weights = recipe.get("task_weights", ())
        self._knows_live = len(weights) >= Task.LIVE and weights[Task.LIVE - 1] > 0
        self._knows_chords = recipe.get("chord_share", 0) > 0
        self._context = int(bundle.card["network"]["context"])
        self._session = Session(bundle, threads=threads)
        self._n_run = 0
        self._rng = np.random.default_rng(seed)
        self._new_id = new_id or count(1).__next__
        self._learner = None if learned is None else Learner(learned)
        self.n_steps = 0
        # Told, and said in this order; `_frame` is as much of `_heard` as there is room for.
        self._heard = self._frame = Frame((), ())
        self._notes: list[PlayedNote] = []
        self._accepted: list[PlannedNote] = []  # since it was told something last
        self._plan: list[PlannedNote] = []
        self._now = 0
        self._cut: int | None = None  # first tick that is said, as there is no room for more
        self._last = -inf  # first tick of the last bar that is said
        self._chords_until = -inf  # last tick whose chord is said
        # What matters for the next choice.
        self._sounding: list[PlannedNote] = []  # accepted notes that it was not told of
        self._n_open = 0  # last notes of the plan, if their chord is not complete
        self._keeper: tuple[Ask, int, Keeper] | None = None  # for what, and to which bar
        self._ahead: tuple[Ask, Events] | None = None  # chosen, but it begins too late
        self._not_before = -inf

    # -------------------------------------------------------------- what is heard

    def attend(
        self,
        notes: Sequence[PlayedNote],
        frame: Frame,
        now: int,
        *,
        settled: int | None = None,
    ) -> None:
        """Hear what was played so far, and what is certain to be.

        The plan stays up to the first note that was not there before, and as long as none is
        missing that was. That a note ends changes nothing in it.

        Args:
            notes: All that is remembered; held ones have no duration yet.
            frame: Everything beside the notes. Its first bar is the first that is said, unless
                that would fill too much of the context.
            now: The tick that is played.
            settled: First tick from which on nothing is learned yet. None: `now`.
        """
        keys = set(map(_key, notes))
        before = {key for key in map(_key, self._notes) if key[0] >= frame.onset}
        known = before.union(map(_key, self._accepted), map(_key, self._plan))
        changed = min((onset for onset, _, _ in (keys - known) | (before - keys)), default=None)
        if changed is not None:
            self._give_up(changed)
        begun = frame.bar_start(frame.bar_of(now))
        self._sounding = [
            note
            for note in self._sounding + self._accepted
            if note.onset + note.duration > begun and _key(note) not in keys
        ]
        self._plan = [note for note in self._plan if _key(note) not in keys]
        self._accepted = []
        self._notes, self._heard, self._now = list(notes), frame, now
        self._say_all()
        if self._learner:
            limit = now if settled is None else min(settled, now)
            held = [note.onset for note in notes if note.duration is None]
            self._learner.learn(self._session, self._frame, min([limit, *held]))

    def catch_up(self) -> bool:
        """Run what waits through the model while nobody needs an answer.

        Returns:
            False if nothing waited.
        """
        if self._n_run >= len(self._session) - 1:
            return False
        self._session.catch_up()
        self._n_run = len(self._session) - 1
        return True

    # -------------------------------------------------------------- what is learned

    def unlearn(self, from_tick: float) -> None:
        """Take back what was learned of the bar of a tick, and of all after it."""
        if self._learner:
            self._learner.unlearn(from_tick)

    def forget_learned(self) -> None:
        """Forget all that was learned, also in other sessions."""
        if self._learner:
            self._learner.forget()

    def save_learned(self, path: Path) -> None:
        """Write all that was learned, also in other sessions, to a file."""
        if self._learner:
            self._learner.memory.save(path)

    def shift_learned(self, ticks: int) -> None:
        """Take that time has jumped: what was learned lies elsewhere."""
        if self._learner:
            self._learner.shift(ticks)

    # -------------------------------------------------------------- the plan

    @property
    def plan(self) -> tuple[PlannedNote, ...]:
        """Notes that are to be played, in order; a chord is there when all its notes are."""
        return tuple(self._plan[: len(self._plan) - self._n_open])

    def new_id(self) -> int:
        """Return a number that no note of the session has, higher than all before."""
        return self._new_id()

    def accept(self, ids: Collection[int]) -> None:
        """Let notes leave the plan because they are certain to be played.

        They should come back as played notes with the next `attend`. Those that do not are not
        said any more, but no voice plays at a time with them what it must not.
        """
        self._accepted += [note for note in self._plan if note.id in ids]
        self._plan = [note for note in self._plan if note.id not in ids]

    def skip(self, ids: Collection[int]) -> None:
        """Take notes out of the plan that will not be played; the others stay."""
        self._plan = [note for note in self._plan if note.id not in ids]
        self._say_all()

    def drop(self, from_tick: int | None = None) -> None:
        """Give up the notes of the plan that begin at a tick or later; None: all."""
        self._give_up(-inf if from_tick is None else from_tick - 1)
        self._say_all()

    def say(self, note: PlannedNote) -> None:
        """Put a note into the plan, wherever it belongs."""
        self._plan = sorted((*self._complete(), note), key=_key)
        self._say_all()

    def is_full(self, ask: Ask) -> bool:
        """Return whether no more can be planned as it is asked."""
        if not ask.voices or not 0 < len(self._session) < self._context:
            return True
        following = self._ahead_onset(ask)
        reached = ask.begin if following is None else following
        return ask.end <= max(self._tick(), reached)

    def step(self, ask: Ask) -> PlannedNote | None:
        """Write on, with one choice of the model at most.

        Returns:
            The note that was put into the plan. None if that was a bar line or a chord's name,
            or if the next note, or the next bar, begins at the end of what is asked or later:
            then `is_full`.
        """
        if self.is_full(ask):
            return None
        if ask.begin >= self._bar_end():
            self._say_bar()
            return None
        keeper = self._keeper_for(ask)
        event = self._choose(ask, keeper)
        onset = self._onset(event)
        if onset >= ask.end:
            self._ahead = (_lasting(ask), event)
            return None
        self._ahead = None
        return self._take(event, onset, keeper)

    # -------------------------------------------------------------- what is said

    def _say_all(self) -> None:
        """Say what is known now; nothing is taken back but what differs."""
        events = self._spelled()
        said = self._session.events()
        n_both = min(len(events), len(said))
        differs = np.flatnonzero((events[:n_both] != said[:n_both]).any(axis=1))
        n_same = int(differs[0]) if len(differs) else n_both
        if n_same == len(events) == len(said):
            return
        if self._n_open:
            self._plan = self._complete()
            self._say_all()
            return
        self._session.rollback(len(said) - n_same)
        self._session.append(events[n_same:])
        self._n_run = min(self._n_run, n_same)
        self._keeper = self._ahead = None
        self._not_before = -inf

    def _spelled(self) -> Events:
        """Return all that is known now as events, as far as the context has room for it."""
        notes: list[Note] = [*self._notes, *self._accepted, *self._plan]
        latest = max([self._now, *(note.onset for note in notes)])
        end = int(max(latest, self._last))
        frame = self._heard
        if self._cut is not None and frame.onset < self._cut <= self._now:
            frame = frame.since(frame.bar_of(self._cut))
        events = self._spell(frame, notes, latest, end)
        if len(events) > MOST_SHARE * self._context:
            n_left = int(CUT_SHARE * self._context)
            lines = np.flatnonzero(events[:, 0] == Kind.BAR)
            fits = len(events) - lines + lines[0] <= n_left
            frame = frame.since(int(np.argmax(fits)) if fits.any() else len(lines) - 1)
            self._cut = frame.onset
            events = self._spell(frame, sorted(notes, key=_key)[-n_left:], latest, end)
        if frame != self._frame:
            self._frame, self._keeper = frame, None
        return events

    def _spell(self, frame: Frame, notes: Sequence[Note], latest: int, end: int) -> Events:
        """Spell a frame to the bar of the tick `end`, with its chords to the tick `latest`."""
        n_bars = max(frame.bar_of(end), 0) + 1
        self._last = frame.bar_start(n_bars - 1)
        self._chords_until = max(self._chords_until, latest, self._last - 1)
        task = frame.task if self._knows_live or frame.task != Task.LIVE else Task.CONTINUE
        chords = frame.chords if self._tells_chords else ()
        told = tuple(chord for chord in chords if chord[0] <= self._chords_until)
        return spell(replace(frame, task=task, chords=told), notes, n_bars)

    def _give_up(self, after: float) -> None:
        """Give up what is planned after a tick; what is said says it still."""
        self._plan = [note for note in self._complete() if note.onset <= after]
        self._last = min(self._last, after)
        self._chords_until = -inf

    def _complete(self) -> list[PlannedNote]:
        """Return the plan, and let go what there is of a chord that is not complete."""
        plan = list(self.plan)
        self._n_open = 0
        return plan

    def _say_bar(self) -> None:
        """End the bar, with the chords that are left of it."""
        end, bar = self._bar_end(), self._session.sentences[0].bar + 1
        chords = self._chords_before(end)
        self._session.append(np.concatenate([chords, bar_event(self._frame, bar)]))
        self._last = self._chords_until = end
        self._chords_until -= 1
        self._ahead = None
        if self._keeper and bar < self._keeper[1]:
            self._keeper[2].begin_bar(bar)

    def _chords_before(self, end: int) -> Events:
        """Return the chords that are to be said before what begins at a tick."""
        if not self._tells_chords:
            return np.zeros((0, N_COLUMNS), np.uint8)
        return chord_events(self._frame, self._chords_until, end)

    @property
    def _tells_chords(self) -> bool:
        return self._knows_chords and self._heard.says_chords

    # -------------------------------------------------------------- what is chosen

    def _take(self, event: Events, onset: int, keeper: Keeper) -> PlannedNote | None:
        """Say what was chosen, or what has to be said before it."""
        if event[0] == Kind.BAR:
            self._say_bar()
            return None
        chords = self._chords_before(onset + 1)
        if len(chords):  # the model has to know them before it chooses
            self._session.append(chords)
            self._chords_until = onset
            return None
        said, is_kept = keeper.settle(event, self._session.sentences[0])
        if not is_kept:  # no room to move its pitch among the notes of this tick
            self._not_before = onset + 1
            return None
        return self._plan_note(said, onset, keeper)

    def _plan_note(self, event: Events, onset: int, keeper: Keeper) -> PlannedNote:
        """Put a note that was chosen into the plan."""
        note = PlannedNote(
            id=self.new_id(),
            voice=int(event[3]),
            pitch=int(event[4]) % FIRST_DRUM,
            velocity=int(bin_to_velocity(event[VELOCITY])),
            onset=onset,
            duration=int(DURATION_TICKS[event[DURATION]]),
        )
        self._session.append(event[None])
        self._plan.append(note)
        self._chords_until = max(self._chords_until, onset)
        self._n_open = self._n_open + 1 if self._owes(keeper) else 0
        return note

    def _owes(self, keeper: Keeper) -> bool:
        """Return whether a chord has begun that is not complete."""
        limits = keeper.limits(self._session.sentences[0], may_add=True, must_play=())
        return limits.latest is not None

    def _keeper_for(self, ask: Ask) -> Keeper:
        """Return what keeps the plan within what is asked, made ready for this bar."""
        asked, bar = replace(_lasting(ask), begin_by=None), self._session.sentences[0].bar
        if self._keeper and self._keeper[0] == asked and bar < self._keeper[1]:
            return self._keeper[2]
        if self._n_open:
            self._plan = self._complete()
            self._say_all()
        end = bar + 1 + BARS_AHEAD
        notes: list[Note] = [*self._notes, *self._accepted, *self._sounding, *self._plan]
        grid, _ = grid_of(self._frame, notes, end, held_as=_LONGEST)
        keeper = keeper_of(ask, self._frame, grid, bar)
        keeper.begin_bar(bar)
        self._keeper = (asked, end, keeper)
        return keeper

    def _choose(self, ask: Ask, keeper: Keeper) -> Events:
        """Return what comes next: what was chosen before, or what the model chooses now."""
        if self._ahead and self._ahead_onset(ask) is not None:
            return self._ahead[1]
        step = self._session.next(
            self._limits(ask, keeper),
            sampling=ask.sampling,
            rngs=[self._rng],
            recall=self._learner.recall(ask.learn) if self._learner else None,
        )
        self.n_steps += 1
        self._n_run = len(self._session)
        event: Events = step.events[0]
        return event

    def _ahead_onset(self, ask: Ask) -> int | None:
        """Return where what was chosen before begins, if it is as asked."""
        if self._ahead is None or self._ahead[0] != _lasting(ask):
            return None
        onset = self._onset(self._ahead[1])
        return onset if onset >= ask.begin else None

    def _limits(self, ask: Ask, keeper: Keeper) -> Limits:
        """Return what the model may choose between."""
        sentence = self._session.sentences[0]
        n_in_bar = sum(note.onset >= self._last for note in self._plan)
        may_add = n_in_bar < MAX_EVENTS_PER_BAR
        limits = keeper.limits(sentence, may_add=may_add, must_play=())
        if limits.latest is not None:  # notes of a chord are owed, here and now
            return limits
        limits = replace(
            limits,
            earliest=self._position(max(ask.begin, self._not_before)),
            places=places(ask.grid, sentence.metre),
        )
        if ask.begin_by is not None and self._must_begin(ask):
            for latest in (self._position(ask.begin_by), None):
                forced = replace(limits, kinds=_ONLY_NOTES, latest=latest)
                if _leaves_something(sentence, forced):
                    return forced
        return limits

    def _must_begin(self, ask: Ask) -> bool:
        """Return whether the first note has to begin in this bar."""
        if ask.begin_by is None or self._bar_end() <= ask.begin_by:
            return False
        notes: Iterable[Note] = chain(self._plan, self._accepted, self._notes)
        return not any(n.onset >= ask.begin and n.voice in ask.voices for n in notes)

    # -------------------------------------------------------------- where it stands

    def _tick(self) -> int:
        """Return the tick of what was said last."""
        sentence = self._session.sentences[0]
        beat, tick = sentence.position
        return self._bar_start() + beat * int(BEAT_TICKS_OF[sentence.metre]) + tick

    def _bar_start(self) -> int:
        return self._frame.bar_start(self._session.sentences[0].bar)

    def _bar_end(self) -> int:
        return self._frame.bar_start(self._session.sentences[0].bar + 1)

    def _onset(self, event: Events) -> int:
        """Return the tick at which a note, or a new bar, begins."""
        if event[0] == Kind.BAR:
            return self._bar_end()
        beat_ticks = int(BEAT_TICKS_OF[self._session.sentences[0].metre])
        return self._bar_start() + int(event[1]) * beat_ticks + int(event[2])

    def _position(self, tick: float) -> Position:
        """Return beat and tick of a tick of the session; the bar's begin for earlier ones."""
        place = int(max(tick - self._bar_start(), 0))
        return divmod(place, int(BEAT_TICKS_OF[self._session.sentences[0].metre]))


_ONLY_NOTES = np.arange(len(Kind)) == Kind.NOTE
_LONGEST = len(DURATION_TICKS) - 1


def _key(note: Note) -> tuple[int, int, int]:
    """Return what tells notes apart, in the order in which they are said."""
    return note.onset, note.voice, note.pitch


def _lasting(ask: Ask) -> Ask:
    """Return what stays the same of what is asked while time goes on."""
    return replace(ask, begin=0, end=0)


def _leaves_something(sentence: Sentence, limits: Limits) -> bool:
    try:
        choices(sentence, limits)
    except TokenError:
        return False
    return True
