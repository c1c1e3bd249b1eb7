"""Playing on a page: an improviser whose only port is the page.

    page ── WebSocket ── studio ── owner of both
                           │
                           ├── ports     scheduler; its port is the page  page_port.py
                           └── engine    improviser and model

The processes are those of `sideman.live.workers`. So a page hears what an instrument would:
every note is ended, whoever dies, and another improviser goes on where the last one was.

A page first says with whom it plays: a preset, voices, settings. When it says so again, others
take over. All that is played is recorded.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from sideman.bundle import Bundle
from sideman.engine.compose import player as part_of
from sideman.engine.parts import instrument_name, part_text
from sideman.errors import LiveError, SidemanError
from sideman.live.control import Act, Change, Command, wished
from sideman.live.fallback import Fallback
from sideman.live.inout import InOutConfig, Peer, session_clock
from sideman.live.messages import (
    SUSTAIN,
    ControlChange,
    NoteOff,
    NoteOn,
    ProgramChange,
    Timed,
)
from sideman.live.news import EngineConfig, News
from sideman.live.ports.interface import PortWish
from sideman.live.preset import Preset, preset_names, read_preset
from sideman.live.settings import Settings, settings_texts, with_settings
from sideman.live.view import Meters, SeenNote
from sideman.live.voices import Voice, parse_voices, voice_text
from sideman.live.workers import Event, Notice, Workers
from sideman.score.time import SECONDS_PER_MINUTE
from sideman.score.types import DRUM_CHANNEL, MAX_DATA_BYTE, TPQ
from sideman.studio.limits import LimitReached
from sideman.studio.page_port import run_ports
from sideman.studio.recordings import Recording, Recordings
from sideman.studio.schemas import Begin

PAGE_CHANNEL = 15
"""Where the keys of a page are heard; no voice is there."""

MOST_WAY_S = 0.5
"""How long a key can have been on its way here."""

VIEW_S = 0.1
"""How often a page is told what there is to see; in between it moves by itself."""

MESSAGE_S = 4.0
"""How long a page shows what went wrong."""

PAST_S, COMING_S = 8.0, 12.0
"""What is shown of the time before now and after it."""

MOST_SETTING = 2_000
"""Characters of the text of a setting: a chart of a long piece."""

TURN_S = 0.5
"""How long the processes are waited for at once."""

SLOW_REPLY_S, SLOW_PLAN_S = 1.0, 0.5
"""An answer that comes so much later than the silence it waits for, or a plan that is so far
behind, is felt as waiting."""

REPLYING = ("answer", "echo", "harmonise")
"""Modes in which its notes are a reply to yours; in the others it waits for no note."""

FALLBACK_WORDS = {
    Fallback.NONE: "yes",
    Fallback.SHORTER_PLAN: "with a shorter plan",
    Fallback.FEWER_VOICES: "with fewer voices",
    Fallback.SPARE_MODEL: "with the small model",
    Fallback.REPEAT: "by repeating",
}
"""What is done with less, as people are told."""

_MS_PER_S = 1000

Said = dict[str, Any]
"""A message to the page, as JSON."""


class Seat:
    """The place of a page: whom it plays with now, and what is recorded of it.

    Args:
        folder: Folder of the model; None for the one that comes with Sideman.
        bundle: The model itself, to be named in recordings.
        recordings: Where they are kept.
        tell: Told what the page is to know, from any thread; when playing cannot go on, the
            last is `{"type": "over", "reason": …}`.
        most_voices: How many may play.
    """

    def __init__(
        self,
        folder: Path | None,
        bundle: Bundle,
        recordings: Recordings,
        tell: Callable[[Said], None],
        *,
        most_voices: int,
    ) -> None:
        self._folder = folder
        self._bundle = bundle
        self._recordings = recordings
        self._tell = tell
        self._most_voices = most_voices
        self._partner: Partner | None = None

    def begin(self, wish: Begin) -> None:
        """Play with others from now on, or say why not; this takes a moment.

        Raises:
            LiveError: If nothing can be recorded, or nobody can play.
        """
        try:
            preset = page_preset(wish, self._most_voices)
        except SidemanError as error:
            self._tell({"type": "refused", "message": str(error)})
            return
        last = self._partner.news if self._partner and wish.goes_on else None
        if last is not None and self._partner:
            last = carried(last, self._partner.voices, preset)
        self.end()
        begin_s = session_clock()
        recording = self._recordings.begin(preset, self._bundle, begin_s)
        try:
            self._partner = Partner(
                self._folder,
                self._tell,
                preset,
                begin_s=begin_s,
                recording=recording,
                last=last,
            )
        except Exception:
            recording.close()
            raise
        self._tell(
            {
                "type": "begun",
                "preset": wish.preset,
                "about": preset.about,
                "recording": recording.id,
                "voices": [_voice(voice, n) for n, voice in enumerate(preset.voices)],
            }
        )

    def hear(self, said: object) -> None:
        """Take what the page says; a setting or an action may take a moment.

        Raises:
            LiveError: If it is nothing that a page may say, or not before it has begun.
        """
        if self._partner is None:
            msg = "the page plays before it has begun; load it again"
            raise LiveError(msg)
        self._partner.hear(said)

    def end(self) -> None:
        """End what is played, if anything is."""
        if self._partner is not None:
            self._partner.end()
            self._partner = None


def page_preset(wish: Begin, most_voices: int) -> Preset:
    """Return what a page plays with.

    Its keys are on one channel, so all input voices hear every channel; who plays has one of
    its own, and drums theirs.

    Raises:
        LiveError: If there is no such preset or setting, or a voice cannot be understood.
        LimitReached: If there are too many voices, or a setting is too long.
    """
    preset = Preset()
    if wish.preset:
        if wish.preset not in preset_names():  # a page names no files
            msg = (
                f"there is no preset {wish.preset!r}; choose one of {', '.join(preset_names())}"
            )
            raise LiveError(msg)
        preset = read_preset(wish.preset)
    voices = preset.voices if wish.voices is None else parse_voices(wish.voices)
    if len(voices) > most_voices:
        msg = f"there are {len(voices)} voices; {most_voices} may play here: take some away"
        raise LimitReached(msg, code="too_many_voices")
    free = (channel for channel in count() if channel != DRUM_CHANNEL)
    voices = tuple(
        replace(voice, channel=_channel(voice) or (None if voice.is_input else next(free)))
        for voice in voices
    )
    for name, text in wish.settings.items():
        _check_length(name, text)
    settings = with_settings(preset.settings, wish.settings)
    return replace(preset, settings=settings, voices=voices)


def _check_length(name: str, text: str) -> None:
    """Refuse what is too long to be a setting.

    Raises:
        LimitReached: If it is.
    """
    length = len(name) + len(text)
    if length > MOST_SETTING:
        msg = (
            f"a setting of {length:,} characters is too long; "
            f"it may have {MOST_SETTING:,}: write it shorter"
        )
        raise LimitReached(msg, code="setting_too_long")


def _channel(voice: Voice) -> int | None:
    return DRUM_CHANNEL if voice.part.is_drum and not voice.is_input else None


def carried(news: News, voices: Sequence[Voice], preset: Preset) -> News:
    """Return the last news of an improviser for one that goes on with other voices.

    What voices of the same name played is remembered; the others' notes are not.
    """
    new = {(voice.name, voice.is_input): n for n, voice in enumerate(preset.voices)}
    old = [new.get((voice.name, voice.is_input)) for voice in voices]
    notes = tuple(
        replace(note, voice=number)
        for note in news.view.notes
        if (number := old[note.voice]) is not None
    )
    place = replace(news.place, tempo_bpm=preset.settings.tempo)
    return replace(news, view=replace(news.view, notes=notes), place=place, records=())


def _voice(voice: Voice, number: int) -> Said:
    """Return a voice as the page shows it, with the channel on which the page sounds it."""
    part = part_of(voice.part, voice.name)
    low, high = voice.part.range or (0, MAX_DATA_BYTE)
    _, _, wishes = part_text(voice.part).partition(":")
    return {
        "text": voice_text(voice),
        "name": voice.name,
        "kind": voice.kind,
        "role": voice.part.role.name.lower(),
        "instrument": instrument_name(voice.part.program),
        "wishes": wishes,
        "channel": PAGE_CHANNEL - number if voice.channel is None else voice.channel,
        "program": part.program,
        "is_drum": part.is_drum,
        "low": low,
        "high": high,
    }


class Partner:
    """Somebody to play with on a page.

    Args:
        bundle: Folder of the model; None for the one that comes with Sideman.
        tell: As `Seat` has it.
        preset: Settings and voices.
        begin_s: Second of tick 0 on the session's clock.
        recording: What writes down what is played.
        last: The last news of whom this one takes over from; None if it begins.

    Attributes:
        voices: Who plays.
        news: What the improviser said last; None before it has begun.

    Raises:
        SidemanError: If it cannot begin.
    """

    def __init__(
        self,
        bundle: Path | None,
        tell: Callable[[Said], None],
        preset: Preset,
        *,
        begin_s: float,
        recording: Recording,
        last: News | None = None,
    ) -> None:
        self.voices = preset.voices
        self.news: News | None = None
        self._tell = tell
        self._recording = recording
        ours, self._theirs = multiprocessing.Pipe()
        self._keys = Peer(ours, session_clock())
        self._workers = Workers(
            InOutConfig(ports=(PortWish("page"),), priority=0),
            EngineConfig(
                bundle=bundle,
                settings=preset.settings,
                voices=preset.voices,
                knobs={},
                begin_s=begin_s,
                threads=1,  # others write on the other cores
                keeps_records=True,
                last=last,
            ),
            run_ports=partial(run_ports, self._theirs),
        )
        self._screen = Screen(preset.voices)
        self._sound = Sound()
        self._has_ended = False
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._watch, self._listen)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def pids(self) -> tuple[int, int]:
        """Numbers of the processes of ports and improviser."""
        return self._workers.pids

    def hear(self, said: object) -> None:
        """Take what the page says; a setting or an action may take a moment.

        Raises:
            LiveError: If it is nothing that a page may say; the page has to go.
        """
        match said:
            case {"type": "on", "pitch": int(pitch), "velocity": int(velocity), "at": at}:
                self._play(NoteOn(PAGE_CHANNEL, pitch, velocity), at)
            case {"type": "off", "pitch": int(pitch), "at": at}:
                self._play(NoteOff(PAGE_CHANNEL, pitch), at)
            case {"type": "pedal", "is_down": bool(is_down), "at": at}:
                value = MAX_DATA_BYTE if is_down else 0
                self._play(ControlChange(PAGE_CHANNEL, SUSTAIN, value), at)
            case {"type": "set", "name": str(name), "text": str(text)}:
                self._wish(name, text)
            case {"type": "act", "action": str(name)}:
                self._wish(name, "")
            case {"type": "ping", "at": int() | float() as at}:
                self._tell({"type": "pong", "at": at, "now": session_clock()})
            case _:
                msg = "the page said what it may not say; load it again"
                raise LiveError(msg)

    def end(self) -> None:
        """End all notes and both processes."""
        self._has_ended = True
        watching, listening = self._threads
        watching.join()
        for event in self._workers.end():
            self._recording.take(event)
        self._recording.close()
        self._theirs.close()  # nobody can say anything more, so listening ends
        listening.join()
        self._keys.finish()

    def _play(self, message: NoteOn | NoteOff | ControlChange, at: object) -> None:
        """Let the improviser hear a key; a moment that cannot be is taken for now."""
        now_s = session_clock()
        time_s = at if isinstance(at, float) and now_s - MOST_WAY_S < at <= now_s else now_s
        self._keys.put(Timed(time_s, message))

    def _wish(self, name: str, text: str) -> None:
        """Do what the player wants, or say why not."""
        try:
            _check_length(name, text)
            command = wished(name, text)
        except SidemanError as error:
            self._screen.say(str(error))
            return
        if isinstance(command, Change | Act):
            self._obey(command)

    def _obey(self, command: Command) -> None:
        if command == Act("panic"):
            self._workers.panic()
        self._workers.tell(command)

    def _watch(self) -> None:
        """Look after the processes, and say what there is to see."""
        try:
            while not self._has_ended and not self._workers.has_ended:
                for event in self._workers.turn(TURN_S):
                    self._see(event)
        except LiveError as error:
            self._over(str(error))
        else:
            if not self._has_ended:
                self._over("the process of the ports was ended; play again")

    def _see(self, event: Event) -> None:
        self._recording.take(event)
        if isinstance(event, Notice):
            for ended in self._sound.end_all(session_clock()):
                self._tell(ended)
            self._screen.say(event.text)
        elif isinstance(event, News):
            self.news = replace(event, records=())
            view = self._screen.show(event)
            if view is not None:
                self._tell({**view, "recording": self._recorded()})

    def _recorded(self) -> Said:
        recording = self._recording
        return {
            "id": recording.id,
            "notes": recording.n_notes,
            "seconds": round(recording.seconds),
            "end": recording.end,
        }

    def _over(self, reason: str) -> None:
        for ended in self._sound.end_all(session_clock()):
            self._tell(ended)
        self._tell({"type": "over", "reason": reason})

    def _listen(self) -> None:
        """Pass on what is to sound."""
        with suppress(EOFError, OSError):
            while True:
                self._tell(self._sound.take(self._keys.connection.recv()))


class Sound:
    """What a page sounds: notes on and off as messages, and what is not ended yet."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._sounding: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()

    def take(self, timed: Timed) -> Said:
        """Return the message for what is to sound."""
        at = timed.time_s
        with self._lock:
            match timed.message:
                case NoteOn(channel, pitch, velocity):
                    number = self._sounding[channel, pitch] = next(self._numbers)
                    key = {"id": number, "channel": channel, "pitch": pitch}
                    return {
                        "type": "play",
                        **key,
                        "velocity": velocity,
                        "begin": at,
                        "end": None,
                    }
                case NoteOff(channel, pitch):
                    number = self._sounding.pop((channel, pitch), 0)
                    return _released((channel, pitch), number, at)
                case ProgramChange(channel, program):
                    return {"type": "program", "channel": channel, "program": program, "at": at}
        msg = f"a page cannot sound {timed.message}"
        raise LiveError(msg)

    def end_all(self, at_s: float) -> list[Said]:
        """Return messages that end all that sounds."""
        with self._lock:
            ended = [_released(key, number, at_s) for key, number in self._sounding.items()]
            self._sounding.clear()
            return ended


def _released(key: tuple[int, int], number: int, at: float) -> Said:
    channel, pitch = key
    return {"type": "release", "id": number, "channel": channel, "pitch": pitch, "at": at}


class Screen:
    """What there is to see, some times a second, and what went wrong for a while.

    Args:
        voices: Who plays.
    """

    def __init__(self, voices: Sequence[Voice]) -> None:
        self._voices = voices
        self._view_s = 0.0
        self._message = ""
        self._said_s = 0.0

    def say(self, message: str) -> None:
        """Show a message for a while."""
        self._message, self._said_s = message, session_clock()

    def show(self, news: News) -> Said | None:
        """Return what there is to see; None if that was said just now."""
        for message in news.said:
            self.say(message)
        now_s = news.view.now_s
        if now_s < self._view_s + VIEW_S:
            return None
        self._view_s = now_s
        is_fresh = session_clock() < self._said_s + MESSAGE_S
        return view_message(news, self._voices, self._message if is_fresh else "")


def view_message(news: News, voices: Sequence[Voice], message: str = "") -> Said:
    """Return what there is to see as the page draws it, in seconds of the session's clock."""
    view, place = news.view, news.place
    tick_s = SECONDS_PER_MINUTE / (place.tempo_bpm * TPQ)

    def seconds(tick: float) -> float:
        return round(view.now_s + (tick - view.now) * tick_s, 3)

    first, last = view.now - PAST_S / tick_s, view.now + COMING_S / tick_s
    return {
        "type": "view",
        "now": view.now_s,
        "mode": view.mode,
        "settings": settings_texts(news.settings),
        "notes": [
            _note(note, voices[note.voice], seconds, view.now)
            for note in view.notes
            if note.onset < last and _end(note, view.now) > first
        ],
        "beats": _beats(news, (first, last), seconds),
        "meters": _meters(view.meters, news.settings),
        "message": message,
    }


def _end(note: SeenNote, now: int) -> int:
    """Return the tick at which a note ends; one that is held ends now."""
    return max(now, note.onset) if note.duration is None else note.onset + note.duration


def _note(note: SeenNote, voice: Voice, seconds: Callable[[float], float], now: int) -> Said:
    return {
        "id": note.id,
        "pitch": note.pitch,
        "velocity": note.velocity,
        "channel": PAGE_CHANNEL if voice.channel is None else voice.channel,
        "begin": seconds(note.onset),
        "end": seconds(_end(note, now)),
        "state": "heard" if note.is_human else note.state,
    }


def _beats(
    news: News, span: tuple[float, float], seconds: Callable[[float], float]
) -> list[Said]:
    """Return the beats within a span of ticks, as if all bars were like the one that sounds."""
    place = news.place
    first = int((span[0] - place.bar_begin) // place.bar_ticks)
    end = int((span[1] - place.bar_begin) // place.bar_ticks) + 1
    return [
        {
            "at": seconds(place.bar_begin + bar * place.bar_ticks + tick),
            "is_bar": tick == 0,
        }
        for bar in range(first, end)
        for tick in range(0, place.bar_ticks, place.beat_ticks)
    ]


def _meters(meters: Meters, settings: Settings) -> list[Said]:
    """Return how well it goes; what was not measured is left out.

    `response` does not count the way to the page and through its sound: the page adds it.
    """
    response, behind = meters.response.p50_s, meters.staleness.p50_s
    n_due = meters.played + meters.dropped
    rows: list[tuple[str, str, object, str, bool, str]] = [
        (
            "response",
            "Answers after",
            _ms(response) if settings.mode in REPLYING else None,
            "ms",
            (response or 0) < settings.silence + SLOW_REPLY_S,
            "From your last note to its first, in the middle of many; the silence that it "
            "waits for is part of it.",
        ),
        (
            "staleness",
            "Behind you",
            _ms(behind),
            "ms",
            (behind or 0) < SLOW_PLAN_S,
            "How long what it plays has not known of your latest notes; 0 is best.",
        ),
        (
            "speed",
            "Writes",
            round(meters.events_per_s),
            "steps a second",
            True,
            "How fast the model is on this machine. A step is a note or a bar line.",
        ),
        (
            "dropped",
            "Too late",
            meters.dropped,
            f"of {n_due} notes",
            not meters.dropped,
            "Notes that would have come late are left out: they would sound wrong. "
            "Close other programs, or let it decide further ahead.",
        ),
        (
            "fallback",
            "Keeps up",
            FALLBACK_WORDS[meters.fallback],
            "",
            meters.fallback is Fallback.NONE,
            "When the machine is too slow it does with less, step by step: a shorter plan, "
            "fewer voices, a smaller model, at last the same bar again.",
        ),
    ]
    names = ("id", "name", "value", "unit", "is_good", "help")
    return [dict(zip(names, row, strict=True)) for row in rows if row[2] is not None]


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * _MS_PER_S)
