"""The writer: has the planner write what the programme leaves free, as far ahead as is wanted.

It knows how long a thought takes: what it asks for begins no earlier than it can be there, and
if the plan lags behind all the same it asks for less, step by step.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import floor, inf

from sideman.live.attention import Attention
from sideman.live.constraints import Ask, ask_for
from sideman.live.fallback import Fallback, Ladder
from sideman.live.following import Followed
from sideman.live.frame import Frame
from sideman.live.memory import Memory, PlayedNote
from sideman.live.performer import Performer
from sideman.live.planner import PlannedNote, Planner
from sideman.live.programme import Programme
from sideman.live.settings import Settings
from sideman.live.timeline import Timeline
from sideman.live.turns import Piece, Span, begin_of
from sideman.live.view import Gauges
from sideman.live.voices import Voice
from sideman.score.types import TPQ

SHORT_PLAN = TPQ
"""Ticks that a plan is ahead while it is kept short."""

MOST_BARS_AHEAD = 16
"""No plan is longer, whatever is set."""

PACE_WEIGHT = 0.2
MAX_PACE_S = 0.5
"""How much the last thought counts in how long one takes, and the most that one counts as."""

Repeat = Callable[[int], list[PlannedNote]]
"""Gives the notes of the bar before a tick once more, from that tick on."""


class Writer:
    """Has the plan written.

    Attributes:
        settings: What the player has set; replaced when that changes.
        voices: Who plays; replaced likewise.
        planner: Who writes now.
        ladder: What is left out to keep up.
        attention: Where what the planner is told begins.
        must_attend: Whether the planner has to be told what was played.
        hears_from: Tick of the human's last note.
        frame: What was told beside the notes; None before anything was.
        now: The tick that sounds.
        reach: How many ticks the plan is to be ahead of it.
        ahead: First tick that is not to be planned yet.
        pace_s: How long a thought takes.
    """

    def __init__(
        self,
        planner: Planner,
        spare: Planner | None,
        settings: Settings,
        voices: Sequence[Voice],
        *,
        timeline: Timeline,
        memory: Memory,
        programme: Programme,
        performer: Performer,
        gauges: Gauges,
    ) -> None:
        """Begin with nothing told and nothing written.

        Args:
            planner: Writes what is played.
            spare: A faster planner, to write when the other cannot keep up.
            settings: What the player has set.
            voices: Who plays.
            timeline: Which tick sounds when.
            memory: What was played.
            programme: What is to be played.
            performer: Plays it.
            gauges: Where it is counted what is dropped.
        """
        self.settings = settings
        self.voices = tuple(voices)
        self.planner = self._first_planner = planner
        self.ladder = Ladder(has_spare=spare is not None)
        self.attention = Attention()
        self.must_attend = True
        self.hears_from = 0
        self.frame: Frame | None = None
        self.now = self.ahead = 0
        self.reach = 0.0
        self.pace_s = 0.0
        self._spare = spare
        self._timeline = timeline
        self._memory = memory
        self._programme = programme
        self._performer = performer
        self._gauges = gauges
        self._now_s = -inf
        self._thought_s: float | None = None
        self._heard: list[PlayedNote] = []
        self._ask: Ask | None = None
        self._attended_bar: int | None = None

    # -------------------------------------------------------------- what time it is

    def set_time(self, now_s: float) -> None:
        """Let it be that second, and know how far ahead is to be planned."""
        self._now_s = now_s
        now = self._timeline.ticks_at(now_s)
        self.now = floor(now)
        self.reach = float(SHORT_PLAN)
        if self.ladder.step < Fallback.SHORTER_PLAN:
            lengths = (self.settings.lookahead, self.settings.horizon)
            most = MOST_BARS_AHEAD * self._timeline.bar_ticks(self._timeline.bar_of(now))
            self.reach = min(most, *(length.ticks(self._timeline, now) for length in lengths))
        self.ahead = floor(now + self.reach)

    def look_around(self) -> None:
        """Let go what is past, and see whether the plan keeps up."""
        if self._programme.turns and self._timeline.bar_of(self.now) != self._attended_bar:
            self.must_attend = True  # what is said must not outgrow the context
        self._leave_out_what_is_past()
        self._tell_ladder()

    @property
    def players(self) -> tuple[int, ...]:
        """Numbers of the voices that play in this mode, if the role that is set lets them."""
        first = "follow" if self.settings.mode == "harmonise" else "auto"
        own = [n for n, voice in enumerate(self.voices) if not voice.is_input]
        players = [n for n in own if self.voices[n].kind == first] or own
        role = self.settings.role
        return tuple(
            n
            for n in players
            if role == "all" or self.voices[n].part.is_drum == (role == "drums")
        )

    # -------------------------------------------------------------- what is thought

    def think(self, now_s: float, repeat: Repeat) -> bool:
        """Do one thing that takes time; return whether there was one.

        Args:
            now_s: The second.
            repeat: What is played if the model is far too slow.
        """
        has_heard = self.must_attend
        if has_heard:
            self._attend()
        followed, piece = self._performer.following.next(), self._writable()
        if followed:
            self._follow(followed)
        elif isinstance(piece, PlannedNote):
            self.planner.say(piece)
        elif piece:
            self._write(piece, repeat)
        has_thought = bool(followed or piece) or has_heard or self.planner.catch_up()
        self._thought_s = now_s if has_thought else None
        return has_thought

    def measure_pace(self, now_s: float) -> None:
        """Take how long the last thought took, if another follows it at once."""
        if self._thought_s is not None:
            took_s = min(max(now_s - self._thought_s, 0.0), MAX_PACE_S)
            weight = PACE_WEIGHT if self.pace_s else 1.0
            self.pace_s += weight * (took_s - self.pace_s)

    def drop(self, from_tick: int | None = None) -> None:
        """Give up the plan from a tick on; None: all of it."""
        if self.frame:
            self.planner.drop(from_tick)

    def unsaid(self) -> Piece | None:
        """Return the first piece of the programme that is not written to its end."""
        if not self._programme.pieces:
            return None
        planned = {note.id for note in self.planner.plan}
        return self._programme.first_unsaid(planned, self._is_written)

    @property
    def ask(self) -> Ask | None:
        """What was asked for last, but for when; None if nothing was since it was told."""
        return self._ask

    # -------------------------------------------------------------- what is written

    def _writable(self) -> Piece | None:
        """Return the piece that may be written on now."""
        piece = self.unsaid()
        if piece is None or begin_of(piece) >= self.ahead:
            return None
        if isinstance(piece, Span) and self._is_written(piece, self.ahead):
            return None
        return piece

    def _is_written(self, span: Span, until: int | None = None) -> bool:
        """Return whether a span is written to its end, or up to a tick of it."""
        if self.frame is None:
            return False
        end = span.end if until is None else min(span.end, until)
        begin = max(span.begin, self.now)
        return begin >= end or self.planner.is_full(replace(self._asked, begin=begin, end=end))

    def _leave_out_what_is_past(self) -> None:
        """Drop what should have been written by now and was not."""
        planned = {note.id for note in self.planner.plan}
        self._gauges.dropped += self._programme.leave_out_past(
            self.now,
            lambda note: note.id not in planned and self._performer.is_late(note, self._now_s),
        )

    @property
    def _next(self) -> int:
        """The tick that sounds when the next thought is thought: earlier is too late for it."""
        return floor(self._timeline.ticks_at(self._now_s + self.pace_s))

    @property
    def _asked(self) -> Ask:
        """What is asked of a plan, but for when."""
        assert self.frame is not None, "nothing was attended"
        if self._ask is None:
            self._ask = ask_for(
                self.settings,
                self.frame,
                self._heard,
                voices=self.players,
                begin=self.now,
                end=self.now + 1,
            )
        if self.ladder.step >= Fallback.FEWER_VOICES:
            return _alone(self._ask, self._ask.voices[:1])
        return self._ask

    def _ask_of(self, span: Span) -> Ask:
        """Return what is asked of the planner for a span, as far as it may plan now."""
        begin, end = max(span.begin, self._next), min(span.end, self.ahead)
        begin_by = span.begin_by
        if begin_by is not None:
            latest = [self._programme.last_onset, *(n.onset for n in self.planner.plan[-1:])]
            begin_by = None if max(latest) >= span.begin else max(begin_by, begin)
        return replace(self._asked, begin=begin, end=end, begin_by=begin_by)

    def _attend(self) -> None:
        """Tell the planner what was played, the fitting one where there are two."""
        is_slow = self.ladder.step >= Fallback.SPARE_MODEL and self._spare is not None
        planner = self._spare if is_slow and self._spare else self._first_planner
        if planner is not self.planner:
            self.planner.drop()
            self.planner = planner
        notes, frame = self.attention.attend(
            self._memory,
            self._timeline,
            self.settings,
            self.voices,
            now=self.now,
            hears_from=self.hears_from,
            is_news=self._gauges.news_s is not None,
        )
        settled = self.now if self.settings.hears_itself else self.hears_from
        planner.attend(notes, frame, self.now, settled=settled)
        self._heard, self.frame, self._ask = notes, frame, None
        self._attended_bar = self._timeline.bar_of(self.now)
        self.must_attend, self._gauges.news_s = False, None

    def _write(self, span: Span, repeat: Repeat) -> None:
        """Let the model write on; when it is far too slow, the last bar is repeated."""
        if self.ladder.step < Fallback.REPEAT:
            self.planner.step(self._ask_of(span))
            return
        begin = max(span.begin, self.now)
        if notes := [note for note in repeat(begin) if note.onset < span.end]:
            length = self._timeline.bar_ticks(self._timeline.bar_of(begin - 1))
            self._programme.give(span, notes, begin + length)
        else:
            self.planner.step(self._ask_of(span))

    def _follow(self, followed: Followed) -> None:
        """Let the next voice follow a note with one of its own, at the same tick if it can."""
        voice = followed.voices[0]
        onset = followed.note.onset
        end = max(onset, self.now) + 2
        ask = _alone(self._asked, (voice,))
        one_by_one = tuple(
            replace(limits, wish=replace(limits.wish, polyphony=None))
            for limits in ask.limits or ()
        )
        ask = replace(
            ask, begin=onset, end=end, begin_by=onset, grid=1, limits=one_by_one or None
        )
        note = self.planner.step(ask)
        if note:
            followed.planned.add(note.id)
        if note or self.planner.is_full(ask):
            followed.voices.remove(voice)

    def _tell_ladder(self) -> None:
        """Tell the ladder whether the plan reaches beyond the next thought."""
        piece = self.unsaid() if self._programme.turn else None
        lags = isinstance(piece, Span) and not self._is_written(piece, self._next + 1)
        step = self.ladder.step
        self.ladder.tell(self._now_s, lags=lags)
        changed = {step, self.ladder.step}
        if len(changed) > 1 and Fallback.SPARE_MODEL in changed:
            self.must_attend = True


def _alone(ask: Ask, voices: Sequence[int]) -> Ask:
    """Return what is asked of some voices alone; of those that may not play, nothing."""
    kept = [n for n, voice in enumerate(ask.voices) if voice in voices]
    limits = ask.limits and tuple(ask.limits[n] for n in kept)
    return replace(ask, voices=tuple(ask.voices[n] for n in kept), limits=limits)
