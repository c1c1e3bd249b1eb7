"""Live play with everything going wrong: does anything hang, stick, or grow?

Somebody plays phrases, turns settings and presses panic, while cables are pulled out, bursts of
a thousand messages come in, statuses are left out (running status), keys go up with velocity 0,
bytes are cut short, another's clock starts, jumps and stops, and processes are killed.

First in virtual time, with the model that comes with Sideman: a killed improviser is replaced
as the program replaces it. Then in real time, with all three processes, over a port whose every
byte we choose. Counted are notes that were not ended in time, keys struck twice without an end
between, and how much memory is taken.

    .venv/bin/python benchmarks/live_chaos.py --virtual-minutes 60 --minutes 10
"""

import argparse
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import psutil
from live_mischief import Instrument, Unruly, Wire, run_ports
from machine import machine_lines

from sideman.live.control import Act, Change
from sideman.live.engine_process import make_improviser
from sideman.live.improviser import Improviser
from sideman.live.inout import InOutConfig, session_clock
from sideman.live.messages import Parser, Timed
from sideman.live.news import EngineConfig, News, Place
from sideman.live.orders import Order, Silence
from sideman.live.ports.interface import PortWish
from sideman.live.preset import Preset
from sideman.live.recording import Acted, Changed, Sounded
from sideman.live.scheduler import Scheduler
from sideman.live.settings import Settings, parse_setting
from sideman.live.virtual import Input, Partner, Script, rehearse, steady
from sideman.live.voices import parse_voices
from sideman.live.workers import Notice, Workers

VOICES = ("auto:piano", "auto:bass=33", "auto:drums", "follow:strings")

STEP_S = 0.012
"""How long a thought takes in virtual time."""

LIFE_S = 180.0
"""Mean life of an improviser in virtual time, in the first half; the second dies of nothing, so
that what grows is seen."""

SILENT_S = 60.0
"""A session that says nothing for so long has hung; starting another process takes its time."""

ACCIDENTS_S = {
    "engine killed": 45.0,
    "engine stopped": 180.0,
    "ports killed": 150.0,
    "cable out": 60.0,
}
"""Mean seconds from one to the next, in real time."""

CABLE_OUT_S = 4.0
PLAYING_S = 1.0
"""What was heard of the improviser no longer ago means that it plays."""

SETTLE_S = 5.0
LOOK_S = 0.002
MEMORY_EVERY = 10
"""Looks at memory in one run."""

MIB = 1 << 20
STOP_SIGNAL = {
    "engine killed": (1, signal.SIGKILL),
    "engine stopped": (1, signal.SIGSTOP),
    "ports killed": (0, signal.SIGKILL),
}


def first_config(begin_s: float) -> EngineConfig:
    """Return what an improviser of four voices begins with."""
    preset = Preset(settings=Settings(), voices=parse_voices(VOICES))
    return EngineConfig(None, preset.settings, preset.voices, {}, begin_s, threads=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes:
        title: What was run.
        done: How often what went wrong.
        instrument: What heard it.
        memory: What the processes took, in MiB.
        has_hung: Whether nothing came any more.
        noticed: What the player was told.
    """

    title: str
    done: Counter[str]
    instrument: Instrument
    memory: str
    has_hung: bool = False
    noticed: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """Yield lines that say so."""
        yield self.title
        yield f"  done             {_listed(self.done)}"
        yield f"  noticed          {_listed(self.noticed)}"
        yield f"  notes played     {self.instrument.n_notes}"
        yield f"  notes stuck      {self.instrument.n_stuck}"
        yield f"  struck twice     {self.instrument.n_doubled}"
        yield f"  sound at the end {len(self.instrument.sounding)}"
        yield f"  hung             {'yes' if self.has_hung else 'no'}"
        yield f"  memory, MiB      {self.memory}"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n} × {name}" for name, n in counts.items()) or "nothing"


# ------------------------------------------------------------------------ virtual time


class Mortal:
    """A partner who dies now and then, and is replaced as the program replaces it.

    Args:
        until_s: When it dies for the last time.
        seed: Of when it dies.
    """

    def __init__(self, until_s: float, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._until_s = until_s
        self._improviser: Improviser = make_improviser(first_config(0.0))
        self._death_s = float(self._rng.exponential(LIFE_S))
        self.n_deaths = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 whatever it is asked for
        """Do all else as the one that lives."""
        return getattr(self._improviser, name)

    def commit(self, now_s: float) -> list[Order]:
        """Order what is certain, or die: then the process of the ports ends all notes."""
        if not self._death_s <= now_s < self._until_s:
            return self._improviser.commit(now_s)
        self._death_s = now_s + float(self._rng.exponential(LIFE_S))
        self.n_deaths += 1
        dead = self._improviser
        place = Place.of(dead.timeline, now_s)
        last = News(dead.view(now_s), place, dead.settings, {}, None, (), ())
        config = replace(first_config(0.0), settings=dead.settings, last=last)
        self._improviser = make_improviser(config)
        return [Silence(now_s), *self._improviser.begin(now_s)]


def inputs_of(player: Unruly) -> Iterator[Input]:
    """Yield what a player does, its bytes read as messages."""
    parser = Parser()
    for at_s, done in player.inputs():
        if isinstance(done, bytes):
            yield from (Timed(at_s, message) for message in parser.feed(done))
        else:
            yield done


def virtual_chaos(minutes: float, seed: int = 0) -> Outcome:
    """Play in virtual time, and return what came of it."""
    until_s = minutes * 60
    player, instrument = Unruly(seed, 1.0), Instrument()
    mortal = Mortal(until_s / 2, seed)
    records = rehearse(
        cast("Partner", mortal),
        Scheduler(),
        Script(inputs_of(player)),
        until_s=until_s,
        lap=steady(STEP_S),
    )
    began_s, memory, last_s = time.perf_counter(), Memory(until_s), 0.0
    for record in records:
        last_s = max(last_s, record.time_s)
        if isinstance(record, Sounded):
            instrument.take(record.message, record.time_s)
        instrument.look(last_s)
        memory.look(last_s, os.getpid())
    took_minutes = (time.perf_counter() - began_s) / 60
    return Outcome(
        f"virtual time: {minutes:g} minutes of playing in {took_minutes:.1f}",
        player.done + Counter({"engine killed": mortal.n_deaths}),
        instrument,
        f"{memory}",
    )


class Memory:
    """What processes take, looked at now and then.

    Args:
        until_s: Second of the last look.
    """

    def __init__(self, until_s: float, begin_s: float = 0.0) -> None:
        self._every_s = (until_s - begin_s) / MEMORY_EVERY
        self._next_s = begin_s + self._every_s
        self._seen: list[str] = []

    def look(self, now_s: float, *pids: int | None) -> None:
        """Look at processes, if it is time to."""
        if now_s >= self._next_s:
            self._next_s += self._every_s
            sizes = (_size(pid) for pid in pids if pid is not None)
            self._seen.append("+".join(f"{size / MIB:.0f}" for size in sizes))

    def __str__(self) -> str:
        return " ".join(self._seen)


def _size(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


# ------------------------------------------------------------------------ real time


class Accidents:
    """What befalls processes and the cable, as chance has it.

    Args:
        begin_s: Second from which it may.
        seed: Of when.
    """

    def __init__(self, begin_s: float, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._next_s = {
            name: begin_s + float(self._rng.exponential(mean_s))
            for name, mean_s in ACCIDENTS_S.items()
        }
        self._plug_s: float | None = None
        self.done: Counter[str] = Counter()

    def happen(
        self, now_s: float, workers: Workers, wire: Wire, instrument: Instrument
    ) -> None:
        """Let happen what is due, one thing at a time."""
        if self._plug_s is not None and now_s >= self._plug_s:
            self.end(wire, instrument)
        due = [name for name, at_s in self._next_s.items() if at_s <= now_s]
        for name in due[:1]:
            self._next_s[name] = now_s + float(self._rng.exponential(ACCIDENTS_S[name]))
            self.done[name] += 1
            if name in STOP_SIGNAL:
                index, number = STOP_SIGNAL[name]
                os.kill(workers.pids[index], number)
            elif self._plug_s is None:
                self._plug_s = now_s + CABLE_OUT_S
                instrument.is_deaf = True
                wire.pull()

    def end(self, wire: Wire, instrument: Instrument) -> None:
        """Put the cable in again, if it is out."""
        if self._plug_s is not None:
            self._plug_s = None
            instrument.is_deaf = False
            wire.plug()


def real_chaos(minutes: float, seed: int = 0) -> Outcome:
    """Play in real time with three processes, and return what came of it."""
    with tempfile.TemporaryDirectory(prefix="sideman-") as folder:
        wire = Wire(str(Path(folder) / "wire"))
        begin_s = session_clock()
        ports = InOutConfig(ports=(PortWish("wire", source=str(Path(folder) / "wire")),))
        workers = Workers(ports, first_config(begin_s), run_ports=run_ports)
        chaos = RealChaos(workers, wire, begin_s, begin_s + minutes * 60, seed)
        try:
            while chaos.now_s < chaos.until_s and not chaos.has_hung:
                chaos.turn()
            chaos.accidents.end(wire, chaos.instrument)
            chaos.settle()
        finally:
            workers.end()
            chaos.listen()
            wire.pull()
    return Outcome(
        f"real time: {(chaos.now_s - begin_s) / 60:.1f} minutes",
        chaos.player.done + chaos.accidents.done,
        chaos.instrument,
        f"{chaos.memory} (parent+ports+engine)",
        chaos.has_hung,
        chaos.notices,
    )


class RealChaos:
    """One session in real time, with all that happens to it."""

    def __init__(
        self, workers: Workers, wire: Wire, begin_s: float, until_s: float, seed: int
    ) -> None:
        self.player = Unruly(seed, begin_s + 5.0)
        self.instrument = Instrument()
        self.accidents = Accidents(begin_s + 5.0, seed)
        self.memory = Memory(until_s, begin_s)
        self.notices: Counter[str] = Counter()
        self.until_s = until_s
        self.now_s = self._news_s = begin_s
        self._workers = workers
        self._wire = wire
        self._inputs = self.player.inputs()
        self._next = next(self._inputs)

    @property
    def has_hung(self) -> bool:
        """Whether nothing has been said for too long."""
        return self.now_s - self._news_s > SILENT_S

    def turn(self) -> None:
        """Go on a little."""
        self.now_s = session_clock()
        for event in self._workers.turn(LOOK_S):
            if isinstance(event, News):
                self._news_s = self.now_s
            elif isinstance(event, Notice):
                self.notices[event.text.partition(";")[0]] += 1
        while self._next[0] <= self.now_s:
            self._do(self._next[1])
            self._next = next(self._inputs)
        self.listen()
        if self.now_s - self._news_s < PLAYING_S:  # or nothing would ever begin
            self.accidents.happen(self.now_s, self._workers, self._wire, self.instrument)
        self.memory.look(self.now_s, os.getpid(), *self._workers.pids)

    def settle(self) -> None:
        """Let whoever was killed last be replaced, and the cable be found."""
        until_s = session_clock() + SETTLE_S
        while session_clock() < until_s:
            self._workers.turn(LOOK_S)
            self.listen()

    def listen(self) -> None:
        """Let the instrument hear what came."""
        for message in self._wire.read():
            self.instrument.take(message, self.now_s)
        self.instrument.look(self.now_s)

    def _do(self, done: bytes | Changed | Acted) -> None:
        match done:
            case bytes():
                self._wire.send(done)
            case Changed(name=name, value=value):
                self._workers.tell(Change(name, parse_setting(name, value)))
            case Acted(action=action):
                self._workers.tell(Act(action))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--virtual-minutes", type=float, default=60.0)
    parser.add_argument("--minutes", type=float, default=10.0, help="in real time")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(*machine_lines("sideman", "numpy", "onnxruntime"), sep="\n", flush=True)
    for run, minutes in ((virtual_chaos, args.virtual_minutes), (real_chaos, args.minutes)):
        if minutes:
            print(*run(minutes, args.seed).lines(), sep="\n", flush=True)


if __name__ == "__main__":
    main()
