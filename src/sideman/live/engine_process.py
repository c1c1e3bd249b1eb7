"""The process of the improviser: hears from the ports, thinks, and orders what is played.

It lets those go first who have to be on time, and it may be killed at any moment: the process
of the ports ends its notes, and its owner starts another with what the last `News` said.
"""

from __future__ import annotations

import gc
import multiprocessing.connection
import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from sideman.bundle import Bundle, bundled_path, load_bundle
from sideman.errors import MissingExtra, SidemanError
from sideman.live.control import Act, Change, Command, Knobs, Learn, wished
from sideman.live.improviser import Improviser
from sideman.live.inout import SWITCH_S, Beat, Heard, Leave, Peer, session_clock
from sideman.live.learning import remembered
from sideman.live.memory import PlayedNote
from sideman.live.messages import ControlChange, NoteOn, Timed
from sideman.live.news import EngineConfig, Failed, News, Place
from sideman.live.orders import Order
from sideman.live.planner import Planner
from sideman.live.ports.interface import Clock, Wish
from sideman.live.recording import Acted, Changed, Diary, Ordered, Record
from sideman.live.settings import setting_text
from sideman.live.timekeeping import Timekeeper
from sideman.live.timeline import Timeline
from sideman.live.transcript import metre_of

NICE = 5
"""How much it lets others go first (`nice` of POSIX)."""

NEWS_S = 0.05
"""How often there is something new to see: as often as a person sees it move smoothly."""

MOST_UNSEEN = 20
"""News that wait for an owner who does not look, as while a terminal stands still."""

SHORTEST_WAIT_S = 0.001
"""Waits are no shorter, so that nothing that is due is asked for without end."""


class Engine:
    """The work of the process, apart from what makes it a process.

    Args:
        improviser: Who plays.
        knobs: What each controller turns.
        ports: The process of the ports.
        owner: Who started us.
        keeps_records: Whether somebody writes down what happens.
        learned: File that what was learned is written to at the end; None for none.
        clock: The session's clock.
    """

    def __init__(
        self,
        improviser: Improviser,
        knobs: Knobs,
        *,
        ports: Peer,
        owner: Peer,
        keeps_records: bool = False,
        learned: Path | None = None,
        clock: Clock = session_clock,
    ) -> None:
        self._improviser = improviser
        self._knobs = knobs
        self._ports = ports
        self._owner = owner
        self._clock = clock
        self._keeper = Timekeeper(improviser.timeline)
        self._diary = Diary(improviser)
        self._keeps_records = keeps_records
        self._learned = learned
        self._records: list[Record] = []
        self._said: list[str] = []
        self._news_s = -1.0
        self._has_left = False

    def run(self) -> None:
        """Work until told to leave, or until the ports or the owner are gone."""
        self.begin()
        while not self._has_left:
            if not self.turn():
                self.wait()
        self._keeper.close()
        self._save_learned()
        self._owner.put(self._news(self._clock()))
        self._owner.finish()

    def _save_learned(self) -> None:
        if self._learned is None:
            return
        try:
            self._improviser.save_learned(self._learned)
        except OSError as error:
            self._said.append(f"cannot write '{self._learned}': {error.strerror}")

    def leave(self) -> None:
        """End, as soon as what is being done is done."""
        self._has_left = True

    def begin(self) -> None:
        """Choose the instruments."""
        self._order(self._improviser.begin(self._clock()))

    def turn(self) -> bool:
        """Hear, think a thought, order what is certain; return whether there was a thought."""
        for peer in (self._ports, self._owner):
            try:
                received = peer.receive()
            except EOFError:
                self._has_left = True
                return True
            for message in received:
                self._take(message)
        has_thought = self._improviser.think(self._clock())
        self._order(self._improviser.commit(self._clock()))
        self._keep_time()
        self._tell()
        return has_thought

    def wait(self) -> None:
        """Wait until something comes in, or there is something to do."""
        moments = (self._improviser.wake_at(), self._news_s)
        next_s = min(moment for moment in moments if moment is not None)
        left_s = max(next_s - self._clock(), SHORTEST_WAIT_S)
        peers = (self._ports, self._owner)
        multiprocessing.connection.wait([peer.connection for peer in peers], left_s)

    def _take(self, message: object) -> None:
        match message:
            case Heard(messages):
                for timed in messages:
                    self._hear(timed)
            case Wish(_, name, text):
                self._wish(name, text)
            case Change() | Act() | Learn():
                self._obey(message, self._clock())
            case Leave():
                self.leave()

    def _hear(self, timed: Timed) -> None:
        if isinstance(timed.message, ControlChange):
            command = self._knobs.hear(timed.message)
            if command is not None:
                self._obey(command, timed.time_s)
                return
        self._order(self._improviser.hear(timed))
        is_human = self._improviser.memory.last_human_onset_s == timed.time_s
        if isinstance(timed.message, NoteOn) and is_human:
            self._keeper.hear(timed.time_s, timed.message)

    def _wish(self, name: str, text: str) -> None:
        """Do what somebody asked for in words, or say why not."""
        try:
            self._obey(wished(name, text), self._clock())
        except SidemanError as error:
            self._said.append(str(error))

    def _obey(self, command: Command | None, time_s: float) -> None:
        """Do what the player wants, or say why not."""
        try:
            match command:
                case Change(name, value):
                    self._order(self._improviser.change(name, value, time_s))
                    self._records.append(Changed(time_s, name, setting_text(name, value)))
                case Act(name):
                    self._order(self._improviser.act(name, time_s))
                    self._records.append(Acted(time_s, name))
                case Learn(name):
                    self._knobs.learn(name)
        except SidemanError as error:
            self._said.append(str(error))

    def _order(self, orders: Sequence[Order]) -> None:
        if orders:
            self._ports.put(list(orders))
            now_s = self._clock()
            self._records += [Ordered(now_s, order) for order in orders]

    def _keep_time(self) -> None:
        """Send clicks and clocks; they are no part of what is recorded."""
        try:
            kept = self._keeper.keep(self._improviser.settings, self._clock())
        except MissingExtra as error:
            self._said.append(str(error))
            return
        if kept:
            self._ports.put(kept)

    def _tell(self) -> None:
        """Say that we live, and what there is to see, unless nobody looks."""
        now_s = self._clock()
        if self._keeps_records:
            self._records += self._diary.look(now_s)
        if now_s < self._news_s:
            return
        self._news_s = now_s + NEWS_S
        self._ports.put(Beat())
        if self._owner.n_waiting < MOST_UNSEEN:
            self._owner.put(self._news(now_s))

    def _news(self, now_s: float) -> News:
        """Return what there is to tell since the last time."""
        news = News(
            view=self._improviser.view(now_s),
            place=Place.of(self._improviser.timeline, now_s),
            settings=self._improviser.settings,
            knobs=self._knobs.learned,
            waiting=self._knobs.waiting,
            said=tuple(self._said),
            records=tuple(self._records) if self._keeps_records else (),
        )
        self._said.clear()
        self._records.clear()
        return news


def main(owner: Connection, ports: Connection, config: EngineConfig) -> None:
    """Be the process of the improviser: the target of a `multiprocessing.Process`.

    Ends when it is told to, also by SIGTERM, and when the owner or the process of the ports is
    gone. Ctrl-C reaches all processes of a terminal; whether it is the end, the owner decides.

    Args:
        owner: The pipe to who started us.
        ports: The pipe to the process of the ports.
        config: What to begin with.
    """
    if config.log is not None:
        with config.log.open("ab") as log:
            os.dup2(log.fileno(), sys.stderr.fileno())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_S)  # what is sent must not wait for what is thought
    if hasattr(os, "nice"):
        os.nice(NICE)
    try:
        improviser = make_improviser(config)
    except SidemanError as error:
        owner.send(Failed(str(error)))
        return
    gc.collect()
    gc.freeze()  # what stays for ever need not be looked through again while playing
    now_s = session_clock()
    engine = Engine(
        improviser,
        Knobs(config.knobs),
        ports=Peer(ports, now_s),
        owner=Peer(owner, now_s),
        keeps_records=config.keeps_records,
        learned=config.learned,
    )
    signal.signal(signal.SIGTERM, lambda _number, _frame: engine.leave())
    engine.run()


def make_improviser(config: EngineConfig) -> Improviser:
    """Return an improviser that begins, or goes on where another was ended.

    Raises:
        SidemanError: If the bundle, or what was learned, cannot be used.
    """
    settings, last = config.settings, config.last
    threads = config.threads or max((os.cpu_count() or 1) - 1, 1)
    bundle = load_bundle(config.bundle)
    memory = remembered(bundle, config.learned)
    planner = Planner(bundle, threads=threads, seed=settings.seed, learned=memory)
    tempo_bpm = settings.tempo if last is None else last.place.tempo_bpm
    improviser = Improviser(
        planner,
        Timeline(tempo_bpm, metre_of(settings), config.begin_s),
        settings,
        config.voices,
        seed=settings.seed,
        spare=_spare(bundle, planner, threads=threads, seed=settings.seed),
    )
    if last is not None:
        _go_on(improviser, last, planner.new_id)
    return improviser


def _spare(bundle: Bundle, planner: Planner, *, threads: int, seed: int) -> Planner | None:
    """Return who plans when a big model is too slow: the small one that comes with Sideman."""
    if bundle.folder == bundled_path():
        return None
    spare = load_bundle()
    if spare.card["parameters"] >= bundle.card["parameters"]:
        return None
    return Planner(spare, threads=threads, seed=seed, new_id=planner.new_id)


def _go_on(improviser: Improviser, last: News, new_id: Callable[[], int]) -> None:
    """Take over place and memory, as far as they were to be seen.

    Bars keep their numbers, so ticks are others if the metre was changed meanwhile.
    """
    timeline, view, place = improviser.timeline, last.view, last.place
    shift = timeline.bar_start(place.bar) - place.bar_begin
    timeline.locate(view.now_s, view.now + shift)
    for note in view.notes:
        if note.state == "sounded" and note.duration is not None:
            onset = note.onset + shift
            played = PlayedNote(
                id=new_id(),
                voice=note.voice,
                pitch=note.pitch,
                velocity=note.velocity,
                begin_s=timeline.seconds_at(onset),
                end_s=timeline.seconds_at(onset + note.duration),
                onset=onset,
                duration=note.duration,
                is_human=note.is_human,
            )
            improviser.memory.add(played)
