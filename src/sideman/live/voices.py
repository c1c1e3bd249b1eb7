"""Voices: who plays, on which channel and in which range; you are one of them, or several.

    keys=input:piano@1              your keyboard, on channel 1
    left=input:bass=33:range=C1-B2  your left hand, as a bass
    trio=auto:drums                 a part that the machine plays as the mode says
    choir=follow:chords=choir aahs  one that follows your notes, one by one

A part is asked for as everywhere (`sideman.engine.parts`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sideman.engine.parts import PartWish, instrument_name, parse_part, part_text
from sideman.engine.wishes import naming
from sideman.errors import LiveError, SidemanError
from sideman.live.messages import MAX_DATA_BYTE, N_CHANNELS
from sideman.score.types import DRUM_CHANNEL
from sideman.tokens.vocabulary import N_PARTS, Role

KINDS = ("input", "follow", "auto")
"""You play it; it follows your notes one by one; the machine plays it as the mode says."""

_VOICE = re.compile(
    r"(?:(?P<name>[^=:@]+)=)?\s*(?P<kind>\w+)\s*:(?P<part>[^@]+)(?:@(?P<channel>.+))?"
)
_NAME = re.compile(r"[^=:@\s]([^=:@]*[^=:@\s])?")


@dataclass(frozen=True, slots=True)
class Voice:
    """One who plays.

    Attributes:
        name: What people call it: anything without `=`, `:` and `@`.
        part: Its instrument, and the bounds it keeps to; of an input voice, `range` says which
            notes are its own.
        kind: One of `KINDS`.
        channel: 0-15; None, for input voices only, is every channel.

    Raises:
        LiveError: If name, kind or channel is none.
    """

    name: str
    part: PartWish
    kind: str
    channel: int | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or not self.name.isprintable():
            msg = f"voice name is {self.name!r}; it must be text without '=', ':' and '@'"
            raise LiveError(msg)
        if self.kind not in KINDS:
            msg = f"voice {self.name!r} is {self.kind!r}; it must be one of {', '.join(KINDS)}"
            raise LiveError(msg)
        if self.channel is None and not self.is_input:
            msg = f"voice {self.name!r} plays on no channel; give it one of 1 to {N_CHANNELS}"
            raise LiveError(msg)
        if self.channel is not None and not 0 <= self.channel < N_CHANNELS:
            msg = (
                f"channel of voice {self.name!r} is {self.channel + 1}; "
                f"it must be 1 to {N_CHANNELS}"
            )
            raise LiveError(msg)

    @property
    def is_input(self) -> bool:
        """Whether a person plays it."""
        return self.kind == "input"

    def is_own(self, channel: int, pitch: int) -> bool:
        """Return whether a note that comes in belongs to this voice.

        Args:
            channel: 0-15.
            pitch: MIDI note, 0-127.
        """
        low, high = self.part.range or (0, MAX_DATA_BYTE)
        return self.is_input and self.channel in (None, channel) and low <= pitch <= high


DEFAULT_INPUT = Voice("you", parse_part("piano"), "input")
DEFAULT_PARTNER = Voice("sideman", parse_part("piano"), "auto", 0)
"""Who plays when nobody says otherwise: you on any channel, it on the first, both pianos."""


def parse_voices(texts: Sequence[str]) -> tuple[Voice, ...]:
    """Return the voices that a person asks for; who is missing to play together is added.

    Those that people play come first. Each is written `NAME=KIND:PART@CHANNEL`, as
    `parse_voice` reads it. An output voice that names no channel gets the first that is free,
    drums the tenth.

    Raises:
        LiveError: If one cannot be understood, two have one name, or there are too many.

    Example:
        >>> [voice_text(voice) for voice in parse_voices(["auto:bass=33", "auto:drums"])]
        ['you=input:Acoustic Grand Piano', 'bass=auto:bass=Acoustic Bass@1',
         'drums=auto:drums=Standard kit@10']
    """
    taken = {int(said[1]) - 1 for text in texts if (said := re.search(r"@\s*(\d+)\s*$", text))}
    voices: list[Voice] = []
    for text in texts:
        voice = parse_voice(text, taken=taken)
        voices.append(voice)
        if not voice.is_input and voice.channel is not None:
            taken.add(voice.channel)
    return check_voices(_complete(voices))


def parse_voice(text: str, *, taken: Collection[int] = ()) -> Voice:
    """Return one voice that a person asks for.

    Written `NAME=KIND:PART@CHANNEL`, name and channel optional:

    - name: what it is called; else its role, or its instrument;
    - kind: `input` (you play it), `follow` (it goes with your notes) or `auto`;
    - part: as everywhere, `bass=fretless:density=3,range=E1-G3`
      (`sideman.engine.parts.parse_part`); the range of an input voice says which of your
      notes are its own;
    - channel: 1 to 16; without it an input voice hears every channel.

    Args:
        text: What a person wrote.
        taken: Channels, from 0, that are not free.

    Raises:
        LiveError: If anything in it cannot be understood.

    Example:
        >>> voice = parse_voice("left=input:piano:range=A0-B3@1")
        >>> voice.name, voice.kind, voice.part.range, voice.channel
        ('left', 'input', (21, 59), 0)
    """
    match = _VOICE.fullmatch(text.strip())
    if not match:
        msg = f"voice is {text!r}; write NAME=KIND:PART@CHANNEL, as in keys=input:piano@1"
        raise LiveError(msg)
    try:
        with naming(f"voice {text!r}"):
            part = parse_part(match["part"].strip())
    except SidemanError as error:
        raise LiveError(str(error)) from error
    kind, channel = match["kind"].lower(), match["channel"]
    name = (match["name"] or _usual_name(part)).strip()
    if channel is not None:
        return Voice(name, part, kind, _channel(channel.strip(), text))
    return Voice(name, part, kind, None if kind == "input" else _free_channel(part, taken))


def voice_text(voice: Voice) -> str:
    """Return a voice as people ask for it; `parse_voice` reads the same from it."""
    channel = "" if voice.channel is None else f"@{voice.channel + 1}"
    return f"{voice.name}={voice.kind}:{part_text(voice.part)}{channel}"


def check_voices(voices: Sequence[Voice]) -> tuple[Voice, ...]:
    """Return voices that can play together.

    Raises:
        LiveError: If two have one name, or there are more than the vocabulary has parts.
    """
    names = [voice.name for voice in voices]
    for name in names:
        if names.count(name) > 1:
            msg = f"{names.count(name)} voices are called {name!r}; give each its own name"
            raise LiveError(msg)
    if len(voices) > N_PARTS:
        msg = f"there are {len(voices)} voices; there may be {N_PARTS}"
        raise LiveError(msg)
    return tuple(voices)


def find_input(voices: Sequence[Voice], channel: int, pitch: int) -> int | None:
    """Return which voice a note that comes in belongs to: the first it fits.

    Args:
        voices: All voices.
        channel: 0-15.
        pitch: MIDI note, 0-127.

    Returns:
        Its number, from 0; None if it is nobody's.

    Example:
        >>> hands = parse_voices(["left=input:bass=33:range=A0-B2", "right=input:piano"])
        >>> find_input(hands, 0, 40), find_input(hands, 0, 60)
        (0, 1)
    """
    fits = (number for number, voice in enumerate(voices) if voice.is_own(channel, pitch))
    return next(fits, None)


def _complete(voices: Sequence[Voice]) -> list[Voice]:
    """Return voices, people first, with one of each among them."""
    inputs = [voice for voice in voices if voice.is_input]
    partners = [voice for voice in voices if not voice.is_input]
    return [*(inputs or [DEFAULT_INPUT]), *(partners or [DEFAULT_PARTNER])]


def _usual_name(part: PartWish) -> str:
    if part.role is Role.UNSPECIFIED:
        return instrument_name(part.program).lower()
    return part.role.name.lower()


def _channel(text: str, voice: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", text) or not 1 <= int(text) <= N_CHANNELS:
        msg = f"channel of voice {voice!r} is {text!r}; it must be 1 to {N_CHANNELS}"
        raise LiveError(msg)
    return int(text) - 1


def _free_channel(part: PartWish, taken: Collection[int]) -> int:
    """Return the drum channel for drums, else the first that is free, or at last the first."""
    if part.is_drum:
        return DRUM_CHANNEL
    pitched = (channel for channel in range(N_CHANNELS) if channel != DRUM_CHANNEL)
    return next((channel for channel in pitched if channel not in taken), 0)
