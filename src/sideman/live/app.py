"""Playing along: ports, improviser and screen put together, and ended together.

The parent process is here. It starts the two that work, passes on what the player wants, writes
the recording, so that it outlives an improviser that dies, and says what happens.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from sideman.bundle import load_bundle
from sideman.errors import MissingExtra
from sideman.files import refuse_existing, whole_file
from sideman.live.control import Act, Command
from sideman.live.inout import (
    Heard,
    InOutConfig,
    Report,
    Sent,
    session_clock,
)
from sideman.live.messages import NoteOn, Timed
from sideman.live.news import EngineConfig, News
from sideman.live.ports.interface import PortWish
from sideman.live.preset import Preset, preset_text
from sideman.live.recorder import Recorder
from sideman.live.view import Quantiles
from sideman.live.workers import Event, Notice, Workers

TURN_S = 0.1
"""How long the parent waits for something to be told before it looks around."""

ENDINGS = (signal.SIGINT, signal.SIGTERM)
"""Signals that end a session: Ctrl-C and a polite kill."""

HANG_UP = getattr(signal, "SIGHUP", None)
"""Signal that the terminal is closed; Windows has none."""

EXIT_HUNG_UP = 129
"""128 + SIGHUP, as a shell reports it."""

_PERCENT = 100
_MS_PER_S = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """What is played, with what, and where to.

    Attributes:
        preset: Settings, voices and knobs to begin with.
        bundle: Folder of the model; None for the one that comes with Sideman.
        port_in: Name of the port to listen to; None makes one that others connect to.
        port_out: Name of the port to play to, likewise.
        backend: How ports are reached, as `PortWish` has it.
        record: File that the session is written to; None for none.
        save: File that settings, voices and knobs are written to at the end; None for none.
        learned: File that what was learned is read from, if it is there, and written to at the
            end; None for none.
        has_screen: Whether a screen is shown, where there is a terminal for it.
        duration_s: How long it lasts; None until somebody ends it.
        force: Whether `record` and `save` may be replaced.
    """

    preset: Preset
    bundle: Path | None = None
    port_in: str | None = None
    port_out: str | None = None
    backend: str = "auto"
    record: Path | None = None
    save: Path | None = None
    learned: Path | None = None
    has_screen: bool = True
    duration_s: float | None = None
    force: bool = False


def play_live(config: LiveConfig) -> Iterator[str]:
    """Play along until told to stop, and say what happens.

    Every way to its end leaves no process and no note behind.

    Yields:
        Lines to print: while it plays, if there is no screen, and how it went at the end.

    Raises:
        SidemanError: If it cannot begin, or cannot go on.
    """
    has_screen = config.has_screen and sys.stdout.isatty()
    if has_screen and importlib.util.find_spec("textual") is None:
        msg = 'the screen needs Textual: pip install "sideman[live]", or play with --no-screen'
        raise MissingExtra(msg)
    if config.save is not None:
        refuse_existing(config.save, force=config.force)
    with ExitStack() as stack:
        log = _new_log() if has_screen else None  # or it would be printed over the screen
        performance = stack.enter_context(Performance(config, log=log))
        stack.enter_context(_ended_by_signals(performance))
        if has_screen:
            from sideman.live.screen import show  # noqa: PLC0415 takes long to import

            show(performance)
        else:
            while not performance.has_ended:
                yield from performance.turn(TURN_S)
    yield from performance.summary()


def run_doctor() -> Iterator[str]:
    """Say what there is to play with, how fast it is, and what to change."""
    from sideman.live.port_doctor import examine_ports  # noqa: PLC0415

    for finding in examine_ports():
        yield finding.line()


class Performance:
    """A session from its beginning to its end; a context manager.

    Args:
        config: What is played.
        log: File that takes what the processes' libraries print, and is kept if one died;
            None leaves it on the terminal.

    Attributes:
        config: As given.
        news: What the improviser said last; None before it has begun.
        report: What the ports said last; None before they are open.
        has_ended: Set it to end the session.

    Raises:
        SidemanError: If something that it was given cannot be used.
    """

    def __init__(self, config: LiveConfig, *, log: Path | None = None) -> None:
        self.config = config
        self.news: News | None = None
        self.report: Report | None = None
        self.has_ended = False
        self._begin_s = session_clock()
        self._log = log
        self._n_heard = self._n_played = 0
        self._last_words: list[str] = []
        self._recorder = _recorder(config, self._begin_s)
        engine = EngineConfig(
            bundle=config.bundle,
            settings=config.preset.settings,
            voices=config.preset.voices,
            knobs=config.preset.knobs,
            begin_s=self._begin_s,
            keeps_records=self._recorder is not None,
            log=log,
            learned=config.learned,
        )
        self._workers = Workers(InOutConfig(ports=_ports(config), log=log), engine)

    def __enter__(self) -> Performance:
        """Return the session, which has begun."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the processes, write what they said last, and tidy up."""
        for event in self._workers.end():
            self._last_words += self._take(event)
        if self._recorder:
            self._recorder.close()
        self.tidy()

    @property
    def preset(self) -> Preset:
        """What is set now."""
        if self.news is None:
            return self.config.preset
        return replace(self.config.preset, settings=self.news.settings, knobs=self.news.knobs)

    def tidy(self) -> None:
        """Keep what is set now, if that is wanted, and no log that nobody needs."""
        if self._log and not self.n_restarts:
            self._log.unlink(missing_ok=True)
        if self.config.save is not None:
            with whole_file(self.config.save) as path:
                path.write_text(preset_text(self.preset), encoding="utf-8")

    @property
    def n_restarts(self) -> int:
        """How often the improviser had to be started anew."""
        return self._workers.n_restarts

    def tell(self, command: Command) -> None:
        """Do what the player wants; silence comes at once, whatever the improviser does."""
        if command == Act("panic"):
            self._workers.panic()
        self._workers.tell(command)

    def turn(self, timeout_s: float) -> list[str]:
        """Wait for something to happen, at most for so long.

        Returns:
            Lines that say what the player should know of it.

        Raises:
            LiveError: If it cannot go on.
        """
        lines = [line for event in self._workers.turn(timeout_s) for line in self._take(event)]
        duration_s = self.config.duration_s
        is_over = duration_s is not None and session_clock() - self._begin_s >= duration_s
        self.has_ended = self.has_ended or is_over or self._workers.has_ended
        return lines

    def summary(self) -> Iterator[str]:
        """Yield lines that say how it went."""
        yield from self._last_words
        yield f"notes      {self._n_heard} heard, {self._n_played} played"
        yield from self._deadlines()
        if self.news:
            meters = self.news.view.meters
            yield f"response   {_quantiles(meters.response)}"
            yield f"fallbacks  {_counts(meters.fallbacks)}"
        yield f"restarts   {self.n_restarts}"
        if self._log and self.n_restarts:
            yield f"log        {self._log}"
        if self.config.record:
            yield f"recorded   {self.config.record}"
        if self.config.save:
            yield f"saved      {self.config.save}"
        if self.config.learned:
            yield f"learned    {self.config.learned}"

    def _deadlines(self) -> Iterator[str]:
        """Say how many notes came in time, and how exactly."""
        if self.report is None or self.news is None:
            return
        line = self.report.lines[0]
        n_late = line.n_dropped + self.news.view.meters.dropped
        n_due = self._n_played + n_late
        if n_due:
            share = _PERCENT * (1 - n_late / n_due)
            yield f"deadlines  {share:.2f} % met; {n_late} of {n_due} notes came too late"
            p50_ms, p99_ms = line.late_p50_s * _MS_PER_S, line.late_p99_s * _MS_PER_S
            yield f"lateness   p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms"

    def _take(self, event: Event) -> list[str]:
        """Keep what is told, and return what to say of it."""
        if self._recorder:
            self._recorder.take(event)
        match event:
            case Notice(text):
                return [text]
            case Report():
                before, self.report = self.report, event
                return list(_differences(before, event))
            case News(said=said):
                first = [] if self.news else ["ready: play"]
                self.news = event
                return [*first, *said]
            case Heard(messages):
                self._n_heard += _n_notes(messages)
            case Sent(messages):
                self._n_played += _n_notes(messages)
        return []


def _recorder(config: LiveConfig, begin_s: float) -> Recorder | None:
    """Begin the file of the session, if there is to be one."""
    if config.record is None:
        return None
    bundle = load_bundle(config.bundle)
    return Recorder(config.record, config.preset, bundle, begin_s, force=config.force)


def _ports(config: LiveConfig) -> tuple[PortWish, ...]:
    """Return the port that is played through, and where settings are heard by OSC."""
    wish = PortWish(config.backend, source=config.port_in, sink=config.port_out)
    has_osc = importlib.util.find_spec("pythonosc") is not None
    return (wish, PortWish("osc")) if has_osc and config.backend != "osc" else (wish,)


def _n_notes(messages: Iterable[Timed]) -> int:
    return sum(isinstance(timed.message, NoteOn) for timed in messages)


def _differences(before: Report | None, now: Report) -> Iterator[str]:
    """Say which ports came and went, and at first what they lack."""
    old = before.lines if before else (None,) * len(now.lines)
    for line, last in zip(now.lines, old, strict=True):
        if last is None or line.trouble != last.trouble:
            yield f"{line.name}: {line.trouble or 'connected'}"
    if before is None and now.slow:
        yield f"ports: {now.slow}"


def _quantiles(values: Quantiles) -> str:
    if values.p50_s is None or values.p99_s is None:
        return "not measured"
    return f"p50 {values.p50_s * _MS_PER_S:.0f} ms, p99 {values.p99_s * _MS_PER_S:.0f} ms"


def _counts(fallbacks: dict[str, int]) -> str:
    counts = (f"{n} × {name.replace('_', ' ')}" for name, n in fallbacks.items() if n)
    return ", ".join(counts) or "none"


def _new_log() -> Path:
    number, name = tempfile.mkstemp(prefix="sideman-", suffix=".log")
    os.close(number)
    return Path(name)


@contextmanager
def _ended_by_signals(performance: Performance) -> Iterator[None]:
    """Let a signal end the session as everything else does, in its own time."""

    def end(_number: int, _frame: FrameType | None) -> None:
        performance.has_ended = True

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        """Go at once: writing to the terminal may never return; the others notice it."""
        performance.tidy()
        os._exit(EXIT_HUNG_UP)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = dict.fromkeys(ENDINGS, end)
    if HANG_UP is not None:
        handlers[HANG_UP] = hang_up
    before = [(number, signal.signal(number, handlers[number])) for number in handlers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
