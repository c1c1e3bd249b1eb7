"""The improviser: hears what is played, decides when to play, and orders what is planned.

Pure: it has no clock, thread or port. Whoever runs it says what came in and when (`hear`,
`change`, `act`), lets it think whenever there is time (`think`, at most one step of the model),
and asks often for what is certain by now (`commit`). What it orders follows from that alone, so
a session can be played again to the last note.

    heard ─► memory ─► planner ─► plan ─► commit ─► orders
                          ▲
               turns: where it may play (a mode)

Three things happen to a note of the plan: it is written, up to `lookahead` ahead of now; it is
ordered, `commit` ahead of its time, and thereby fixed; and it sounds. What the human does
meanwhile has all that is not fixed written anew.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, inf
from pathlib import Path

import numpy as np

from sideman.engine.pitches import scale_name
from sideman.engine.rhythm import TEMPOS_BPM
from sideman.errors import LiveError
from sideman.live.clock_follower import ClockFollower
from sideman.live.memory import Memory, PlayedNote
from sideman.live.messages import (
    SUSTAIN,
    Clock,
    Continue,
    ControlChange,
    NoteOff,
    NoteOn,
    ProgramChange,
    SongPosition,
    Start,
    Stop,
    Timed,
)
from sideman.live.orders import Order, Program, Silence
from sideman.live.performer import Performer
from sideman.live.planner import PlannedNote, Planner
from sideman.live.programme import Programme
from sideman.live.settings import ACTIONS, SETTINGS, Settings, with_setting
from sideman.live.tap import TapTempo
from sideman.live.timeline import Timeline
from sideman.live.turns import (
    MODE_TURNS,
    PICKUP,
    Stage,
    Turn,
    again,
    anchor_of_loop,
    last_bar,
    turns_traded,
)
from sideman.live.view import Gauges, Meters, Quantiles, SeenNote, State, View
from sideman.live.voices import Voice, find_input
from sideman.live.writer import Writer
from sideman.score.harmony import chord_label
from sideman.score.types import TPQ
from sideman.tokens.vocabulary import DRUM_KITS, FIRST_KIT

PLAN_STEP = TPQ // 4
"""Ticks after which it is looked whether a plan is to be written on: a sixteenth."""

VIEW_BARS = 8
"""Bars before now that are shown."""

PEDAL_DOWN = 64
"""From this value on the sustain pedal is down (MIDI 1.0, controllers 64 to 69)."""

REPLIES = ("answer", "echo")
"""Modes in which the first note of a turn is a reply to the human's last one."""

_PERCENT = 100


class Improviser:
    """A partner who listens and plays.

    Times may not run backwards, but for messages that are heard a little late.

    Attributes:
        timeline: Which tick sounds when; whoever keeps time may correct it.
        settings: What the player has set.
        voices: Who plays; input voices come first.
        memory: What was played.
    """

    def __init__(
        self,
        planner: Planner,
        timeline: Timeline,
        settings: Settings,
        voices: Sequence[Voice],
        *,
        seed: int = 0,
        spare: Planner | None = None,
    ) -> None:
        """Begin a session.

        Args:
            planner: Writes what is played.
            timeline: Which tick sounds when.
            settings: What the player has set.
            voices: Who plays; input voices come first.
            seed: Of what is drawn here: turns that are passed over, notes that are changed.
            spare: A faster planner, to write when the other cannot keep up.
        """
        self.timeline = timeline
        self.settings = settings
        self.voices = tuple(voices)
        self.memory = Memory(planner.new_id)
        self._planner = planner
        self._rng = np.random.default_rng(seed)
        self._clock = ClockFollower(timeline)
        self._tap = TapTempo()
        self._gauges = Gauges()
        self._programme = Programme()
        self._performer = Performer(timeline, self.memory, settings, self._gauges)
        self._writer = Writer(
            planner,
            spare,
            settings,
            voices,
            timeline=timeline,
            memory=self.memory,
            programme=self._programme,
            performer=self._performer,
            gauges=self._gauges,
        )
        self._is_paused = False
        self._now_s = -inf
        # what the human does
        self._human_s = -inf
        self._anchor: int | None = None
        self._phrase: int | None = None
        self._n_heard = 0

    # -------------------------------------------------------------- what comes in

    def begin(self, time_s: float) -> list[Order]:
        """Return what is to be sent before all else: the instruments of the voices."""
        self._set_time(time_s)
        return list(_programs(self.voices, time_s))

    def hear(self, timed: Timed) -> list[Order]:
        """Take a message that came in; what is none of ours is passed over."""
        self._set_time(timed.time_s)
        match timed.message:
            case NoteOn(channel, pitch, velocity):
                return self._press(channel, pitch, velocity, timed.time_s)
            case NoteOff(channel, pitch):
                return self._lift(channel, pitch, timed.time_s)
            case ControlChange(channel, number, value) if number == SUSTAIN:
                return self._move_pedal(channel, timed.time_s, is_down=value >= PEDAL_DOWN)
            case ProgramChange(channel, program):
                self._change_program(channel, program)
            case Clock() | Start() | Continue() | Stop() | SongPosition():
                if self.settings.sync == "clock":
                    return self._follow_clock(timed)
        return []

    def change(self, name: str, value: object, time_s: float) -> list[Order]:
        """Turn a setting.

        Args:
            name: That of the setting.
            value: Its value, or the text of it.
            time_s: When.

        Raises:
            LiveError: If there is no such setting, or it may not have this value.
        """
        before, self.settings = self.settings, with_setting(self.settings, name, value)
        self._performer.settings = self._writer.settings = self.settings
        self._set_time(time_s)
        changed = {n for n in SETTINGS if getattr(before, n) != getattr(self.settings, n)}
        orders: list[Order] = []
        if "mode" in changed:
            orders = self._stop()
            self._enter_mode()
        elif self._yields and not self._is_quiet:
            orders = self._stop()
        if "tempo" in changed:
            self.timeline.set_tempo(self._now_s, self.settings.tempo)
        if "metre" in changed:
            numerator, _, denominator = self.settings.metre.partition("/")
            next_bar = self.timeline.bar_of(self._now) + 1
            self.timeline.set_metre(next_bar, (int(numerator), int(denominator)))
        if "memory" in changed:
            self._writer.attention.begin_anew()
        if "seed" in changed:
            self._rng = np.random.default_rng(self.settings.seed)
        if changed:
            self._replan()
        return orders

    def act(self, action: str, time_s: float) -> list[Order]:
        """Do something once.

        Args:
            action: One of `sideman.live.settings.ACTIONS`.
            time_s: When.

        Raises:
            LiveError: If there is no such action.
        """
        if action not in ACTIONS:
            msg = f"there is no action {action!r}; it must be one of {', '.join(ACTIONS)}"
            raise LiveError(msg)
        self._set_time(time_s)
        actions = {
            "panic": self._panic,
            "forget_last": self._forget_last,
            "forget_all": self._forget_all,
            "forget_learned": self._forget_learned,
            "play_again": self._play_again,
            "tap": self._take_tap,
        }
        return actions[action]()

    # -------------------------------------------------------------- what is thought

    def think(self, now_s: float) -> bool:
        """Do one thing that takes time, at most one step of the model.

        Returns:
            False if there was nothing to do; there will be at `wake_at`, or when something
            comes in.
        """
        self._writer.measure_pace(now_s)
        self._advance(now_s)
        return self._writer.think(now_s, self._last_bar)

    def commit(self, now_s: float) -> list[Order]:
        """Return orders for what is due within the part of the plan that is fixed."""
        self._advance(now_s)
        orders = self._let_go_of_stuck_keys()
        orders += self._performer.end_overdue(self._now_s)
        fixed_s = self._now_s + self.settings.commit
        played: list[PlannedNote] = []
        lost: list[PlannedNote] = []
        for note in () if self._is_held_back else self.plan:
            turn = self._programme.turn_of(note.onset)
            if self.timeline.seconds_at(self._performer.played_at(note, turn)) > fixed_s:
                break
            of_note = self._performer.play(note, self.voices[note.voice], turn, self._now_s)
            (played if of_note else lost).append(note)
            orders += of_note
        if played:
            self._writer.planner.accept({note.id for note in played})
        if lost:
            self._writer.planner.skip({note.id for note in lost})
        if played or lost:
            self._programme.take([*played, *lost])
        self._performer.following.forget_dropped({note.id for note in self.plan})
        return orders

    def wake_at(self) -> float | None:
        """Return when there will be something to do if nothing comes in; None for never."""
        moments = [note.begin_s + self.settings.max_note for note in self.memory.held()]
        if self._writer.must_attend:
            moments.append(self._now_s)
        if (overdue_s := self._performer.next_overdue_s()) is not None:
            moments.append(overdue_s)
        for note in self.plan[:1]:
            turn = self._programme.turn_of(note.onset)
            begin_s = self.timeline.seconds_at(self._performer.played_at(note, turn))
            moments.append(begin_s - self.settings.commit)
        if self._programme.turns:
            step = min(PLAN_STEP, self._writer.reach / 2)
            now = self.timeline.ticks_at(self._now_s)
            moments.append(self.timeline.seconds_at(now + step))
        return min(moments, default=None)

    # -------------------------------------------------------------- what there is to see

    @property
    def plan(self) -> tuple[PlannedNote, ...]:
        """Notes that are planned and not fixed."""
        return self._writer.planner.plan

    def meters(self) -> Meters:
        """Return how well it goes."""
        return Meters(
            response=Quantiles.of(self._gauges.response_s),
            staleness=Quantiles.of(self._gauges.staleness_s),
            events_per_s=1 / self._writer.pace_s if self._writer.pace_s else 0.0,
            played=self._gauges.played,
            dropped=self._gauges.dropped,
            own_heard=self._performer.sounding.own_heard,
            fallback=self._writer.ladder.step,
            fallbacks={step.name.lower(): n for step, n in self._writer.ladder.counts.items()},
        )

    def view(self, now_s: float) -> View:
        """Return what there is to see: the last bars, the plan, and how well it goes."""
        now = floor(self.timeline.ticks_at(now_s))
        bar = self.timeline.bar_of(now)
        played = self.memory.notes_since(self.timeline.bar_start(bar - VIEW_BARS))
        notes = [
            _seen(note, "sounded" if self._has_begun(note, now_s) else "committed")
            for note in played
        ]
        notes += [_seen(note, "planned") for note in self.plan]
        turn = next(iter(self._programme.turns), None)
        scale = self._writer.ask.scale if self._writer.ask else None
        chords = self._writer.frame.chords if self._writer.frame else ()
        chord = next((chord for onset, chord in reversed(chords) if onset <= now), None)
        return View(
            now_s=now_s,
            now=now,
            bar=bar,
            mode=self.settings.mode,
            turn=(turn.begin, turn.end) if turn else None,
            notes=tuple(sorted(notes, key=lambda note: (note.onset, note.id))),
            key=scale_name(scale) if scale else None,
            chord=chord_label(chord) if chord else None,
            meters=self.meters(),
        )

    def save_learned(self, path: Path) -> None:
        """Write all that was learned to a file, whole or not at all."""
        self._planner.save_learned(path)

    # -------------------------------------------------------------- hearing

    def _press(self, channel: int, pitch: int, velocity: int, time_s: float) -> list[Order]:
        if self._performer.sounding.is_own_press(channel, pitch, velocity, time_s):
            return []
        voice = find_input(self.voices, channel, pitch)
        low, high = self.settings.heard
        if voice is None or not low <= pitch <= high:
            return []
        is_interrupted = self._yields and (
            self.settings.mode != "trade" or self._programme.turn is not None
        )
        orders = self._stop() if is_interrupted else []
        orders += self._end(voice, pitch, time_s)
        onset = round(self.timeline.ticks_at(time_s))
        note = self.memory.press(voice, pitch, velocity, time_s, onset)
        gauges = self._gauges
        self._human_s = gauges.human_s = time_s
        gauges.news_s = time_s if gauges.news_s is None else gauges.news_s
        self._writer.hears_from = onset
        self._writer.must_attend = True
        self._is_paused = False
        if self._anchor is None:
            self._anchor = self.timeline.bar_of(onset + PICKUP)
        if self._n_heard == 0:
            self._phrase = onset
        self._n_heard += 1
        self._unqueue()
        if self.settings.mode == "harmonise":
            self._performer.following.begin(note, self._writer.players)
        return orders

    def _lift(self, channel: int, pitch: int, time_s: float) -> list[Order]:
        if self._performer.sounding.is_own_lift(channel, pitch):
            return []
        voice = find_input(self.voices, channel, pitch)
        if voice is None:
            return []
        tick = round(self.timeline.ticks_at(time_s))
        return self._take_end(self.memory.release(voice, pitch, time_s, tick))

    def _move_pedal(self, channel: int, time_s: float, *, is_down: bool) -> list[Order]:
        """Take that the sustain pedal of a channel is down or up."""
        tick = round(self.timeline.ticks_at(time_s))
        orders: list[Order] = []
        for voice in self._inputs(channel):
            for note in self.memory.pedal(voice, time_s, tick, is_down=is_down):
                orders += self._take_end(note)
        return orders

    def _inputs(self, channel: int) -> list[int]:
        """Return the numbers of the voices of a human who plays on a channel."""
        return [
            number
            for number, voice in enumerate(self.voices)
            if voice.is_input and voice.channel in (None, channel)
        ]

    def _end(self, voice: int, pitch: int, time_s: float) -> list[Order]:
        """End what sounds on a key, whatever holds it."""
        tick = round(self.timeline.ticks_at(time_s))
        return self._take_end(self.memory.end(voice, pitch, time_s, tick))

    def _take_end(self, note: PlayedNote | None) -> list[Order]:
        """Take that a note of the human's is over, and end what follows it."""
        if note is None or note.end_s is None:
            return []
        self._human_s = max(self._human_s, note.end_s)
        self._writer.must_attend = True
        return self._performer.let_go(note, self._now_s)

    def _change_program(self, channel: int, program: int) -> None:
        """Take that the human plays another instrument, if it is not ours that comes back."""
        if Program(channel, program, -inf) in _programs(self.voices, -inf):
            return
        heard = self._inputs(channel)
        self.voices = tuple(
            replace(voice, part=replace(voice.part, program=program))
            if number in heard and not voice.part.is_drum
            else voice
            for number, voice in enumerate(self.voices)
        )
        self._writer.voices = self.voices
        self._writer.must_attend = True

    def _follow_clock(self, timed: Timed) -> list[Order]:
        """Take a message of a clock: its time is ours, its start and stop too."""
        before = self.timeline.ticks_at(self._now_s)
        self._clock.hear(timed)
        after = self.timeline.ticks_at(self._now_s)
        orders: list[Order] = []
        if isinstance(timed.message, Stop):
            orders = self._stop()
            self._is_paused = True
        elif isinstance(timed.message, Start | Continue):
            self._is_paused = False
        if abs(after - before) > TPQ:
            orders += self._stop()
            self._jump(floor(before), floor(after))
        return orders

    def _jump(self, before: int, after: int) -> None:
        """Take that time has jumped: what was played keeps its place in the bar, before now."""
        timeline = self.timeline
        bar, from_bar = timeline.bar_of(after), timeline.bar_of(before)
        if before - timeline.bar_start(from_bar) > after - timeline.bar_start(bar):
            bar -= 1
        shift = timeline.bar_start(bar) - timeline.bar_start(from_bar)
        for note in self.memory.notes_since(-inf):
            self.memory.add(replace(note, onset=note.onset + shift))
        self._programme.shift(shift)
        self._phrase = None if self._phrase is None else self._phrase + shift
        self._writer.hears_from += shift
        if self._anchor is not None:
            is_loop = self.settings.mode == "loop"
            self._anchor = self._anchor + bar - from_bar if is_loop else None
        self._writer.attention.begin_anew()
        self._planner.shift_learned(shift)

    def _let_go_of_stuck_keys(self) -> list[Order]:
        """Take keys as let go that have been down longer than any note may sound."""
        orders: list[Order] = []
        for note in self.memory.held():
            end_s = note.begin_s + self.settings.max_note
            if self._now_s >= end_s:
                orders += self._end(note.voice, note.pitch, end_s)
        return orders

    # -------------------------------------------------------------- what is done once

    def _panic(self) -> list[Order]:
        self._performer.silence(self._now_s)
        self._stop()
        for note in self.memory.held():
            self._end(note.voice, note.pitch, self._now_s)
        self._is_paused = True
        return [Silence(self._now_s)]

    def _forget_last(self) -> list[Order]:
        orders = self._stop() if self.settings.mode == "harmonise" else []
        phrase = self.memory.forget_last()
        if any(note.is_human for note in phrase):
            self._n_heard, self._phrase = 0, None
        if phrase:
            self._planner.unlearn(phrase[0].onset)
        self._replan()
        return orders

    def _forget_all(self) -> list[Order]:
        orders = self._stop()
        self.memory.forget_all()
        self._planner.unlearn(-inf)
        self._programme.forget()
        self._anchor = self._phrase = None
        self._n_heard = 0
        self._writer.attention.begin_anew()
        return orders

    def _forget_learned(self) -> list[Order]:
        self._planner.forget_learned()
        self._replan()
        return []

    def _play_again(self) -> list[Order]:
        turn = self._programme.last_turn
        begin = self._quiet if self._yields else self._now
        if turn is None or begin is None:
            return []
        orders = self._stop()
        if notes := self._programme.said_in(turn):
            self._queue(again(notes, begin, self._writer.planner.new_id))
        return orders

    def _take_tap(self) -> list[Order]:
        tempo_bpm = self._tap.tap(self._now_s)
        if tempo_bpm is None:
            return []
        slowest, fastest = TEMPOS_BPM
        return self.change("tempo", min(max(tempo_bpm, slowest), fastest), self._now_s)

    # -------------------------------------------------------------- whose turn it is

    def _set_time(self, now_s: float) -> None:
        """Let it be that second."""
        self._now_s = max(self._now_s, now_s)
        self._writer.set_time(self._now_s)

    @property
    def _now(self) -> int:
        """The tick that sounds."""
        return self._writer.now

    @property
    def _yields(self) -> bool:
        """Whether it is silent while the human plays."""
        settings = self.settings
        if settings.mode == "harmonise":
            return False
        goes_on = settings.mode == "answer" and settings.answer.unit == "session"
        return not settings.overlap or settings.mode == "lead" or goes_on

    @property
    def _quiet_s(self) -> float | None:
        """Second from which the human counts as silent; None while keys are held.

        Where no silence is waited for, and both may play at once, held keys do not count. When
        bars are traded silence is waited for only after notes in the machine's bars.
        """
        if self.settings.silence == 0 and not self._yields:
            return -inf
        if self.memory.held():
            return None
        trades = self.settings.mode == "trade"
        is_in_time = trades and not self._is_traded(self._writer.hears_from)
        return self._human_s + (0 if is_in_time else self.settings.silence)

    @property
    def _quiet(self) -> int | None:
        """The same as a tick, now at the earliest."""
        quiet_s = self._quiet_s
        if quiet_s is None or quiet_s <= self._now_s:
            return None if quiet_s is None else self._now
        return ceil(self.timeline.ticks_at(quiet_s))

    @property
    def _is_quiet(self) -> bool:
        quiet_s = self._quiet_s
        return quiet_s is not None and quiet_s <= self._now_s

    def _is_traded(self, tick: int) -> bool:
        """Return whether a tick lies in the machine's bars when bars are traded."""
        if self._anchor is None:
            return False
        n_bars = self.settings.trade_bars
        return turns_traded(self.timeline, self._anchor, n_bars, tick) % 2 == 1

    @property
    def _is_held_back(self) -> bool:
        """Whether the human holds keys into bars that the machine is to have alone."""
        return self._yields and self.settings.mode == "trade" and bool(self.memory.held())

    def _enter_mode(self) -> None:
        """Begin another mode; a loop begins with what was just played."""
        self._anchor = None
        if self.settings.mode == "loop":
            n_bars = self.settings.loop_bars
            self._anchor = anchor_of_loop(self.timeline, self.memory, n_bars, self._now)

    def _advance(self, now_s: float) -> None:
        """Let time pass: turns begin and end, and others are queued."""
        self._set_time(now_s)
        fixed = floor(self.timeline.ticks_at(self._now_s + self.settings.commit))
        if self._programme.advance(self._now, fixed):
            self._n_heard, self._phrase = 0, None
            self._gauges.awaits_reply = self.settings.mode in REPLIES
        turn = self._programme.turn
        if turn and turn.begin <= self._now and self._is_held_back:
            self._programme.stop()
            self._replan()
        self._writer.look_around()
        while not self._is_paused and self._writer.unsaid() is None:
            stage = self._stage()
            if stage is None or stage.free >= self._writer.ahead:
                break
            turn = MODE_TURNS[self.settings.mode](stage)
            if turn is None:
                break
            self._queue(turn)

    def _stage(self) -> Stage | None:
        """Return what a mode decides by; None while it has to be silent."""
        free = max([self._now, *(turn.end for turn in self._programme.turns)])
        quiet = self._quiet
        fixed = floor(self.timeline.ticks_at(self._now_s + self.settings.commit))
        if self._yields and (self.settings.mode != "trade" or self._is_traded(fixed)):
            if quiet is None:
                return None
            free = max(free, quiet)
        return Stage(
            settings=self.settings,
            timeline=self.timeline,
            voices=self.voices,
            players=self._writer.players,
            memory=self.memory,
            said=self._all_said,
            now=self._now,
            free=free,
            quiet=quiet,
            anchor=self._anchor,
            phrase=self._phrase,
            n_heard=0 if self._programme.queued else self._n_heard,
            rng=self._rng,
            new_id=self._writer.planner.new_id,
        )

    def _last_bar(self, begin: int) -> list[PlannedNote]:
        """Return what was played in the bar before a tick, for the bar from there on."""
        stage = self._stage()
        return last_bar(stage, begin) if stage else []

    def _all_said(self) -> list[PlannedNote]:
        return [*self._programme.said, *self.plan]

    def _queue(self, turn: Turn) -> None:
        """Let a turn follow, unless chance has it passed over: then it is silent."""
        if self._rng.random() * _PERCENT < self.settings.play_probability:
            self._programme.queue(turn)
        else:
            self._programme.pass_over(turn)

    def _unqueue(self) -> None:
        """Take back the turns that have not begun."""
        begin = self._programme.unqueue()
        if begin is not None:
            self._writer.drop(begin)

    def _stop(self) -> list[Order]:
        """Stop playing: what sounds ends soon, nothing else begins."""
        self._programme.stop()
        self._writer.drop()
        self._writer.must_attend = True
        return self._performer.stop(self._now_s)

    def _replan(self) -> None:
        """Have everything that is not fixed written anew."""
        self._unqueue()
        self._writer.drop()
        self._writer.must_attend = True

    def _has_begun(self, note: PlayedNote, now_s: float) -> bool:
        return note.is_human or self._performer.sounding.has_begun(note.id, now_s)


def _programs(voices: Sequence[Voice], at_s: float) -> list[Program]:
    """Return the instruments of the machine's voices; that of a kit is its number."""
    programs = []
    for voice in voices:
        if not voice.is_input and voice.channel is not None:
            program = voice.part.program
            number = DRUM_KITS[program - FIRST_KIT] if voice.part.is_drum else program
            programs.append(Program(voice.channel, number, at_s))
    return programs


def _seen(note: PlayedNote | PlannedNote, state: State) -> SeenNote:
    return SeenNote(
        id=note.id,
        voice=note.voice,
        pitch=note.pitch,
        velocity=note.velocity,
        onset=note.onset,
        duration=note.duration,
        state=state,
        is_human=isinstance(note, PlayedNote) and note.is_human,
    )
