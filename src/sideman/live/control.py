"""Knobs, OSC addresses and keys: how a player reaches settings and actions while playing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sideman.errors import LiveError
from sideman.live.kinds import pick
from sideman.live.messages import N_CHANNELS, ControlChange
from sideman.live.settings import (
    ACTIONS,
    MODES,
    SETTINGS,
    Settings,
    find_setting,
    parse_setting,
)

OSC_PREFIX = "/sideman/"
"""Before the name of a setting or an action, its address."""

LEARN = "learn_knob"
"""Stands in place of a name when its value says what the next knob shall turn."""

FIRST_MODE_MESSAGE = 120
"""Controllers from here on say what a channel does, such as all notes off; no knob sends them
(MIDI 1.0, table 3)."""

PRESSED = 64
"""A knob or pad at this value, or above, does an action; below it is let go."""

LET_GO = ("0", "off")
"""What is said with an action when its button is let go."""

_KNOB = re.compile(r"([0-9]{1,3})(?:\s*@\s*([0-9]{1,2}))?")


@dataclass(frozen=True, slots=True)
class Change:
    """A setting takes another value."""

    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class Act:
    """An action is done."""

    name: str


@dataclass(frozen=True, slots=True)
class Learn:
    """The next knob that moves shall turn the setting, or do the action, of this name."""

    name: str


Command = Change | Act | Learn
"""What a player wants, whichever way it was said."""


@dataclass(frozen=True, slots=True)
class Knob:
    """A MIDI controller.

    Attributes:
        number: 0-119.
        channel: 0-15; None is every channel.

    Raises:
        LiveError: If there is no such controller or channel.
    """

    number: int
    channel: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.number < FIRST_MODE_MESSAGE:
            msg = f"controller is {self.number}; it must be 0 to {FIRST_MODE_MESSAGE - 1}"
            raise LiveError(msg)
        if self.channel is not None and not 0 <= self.channel < N_CHANNELS:
            msg = f"channel is {self.channel + 1}; it must be 1 to {N_CHANNELS}"
            raise LiveError(msg)

    def __str__(self) -> str:
        """Return it as people write it; `parse_knob` reads the same from it."""
        return f"{self.number}" if self.channel is None else f"{self.number}@{self.channel + 1}"


def parse_knob(text: str) -> Knob:
    """Return the controller that a person means: its number, and `@` its channel, 1 to 16.

    Raises:
        LiveError: If it is none.

    Example:
        >>> parse_knob("21"), parse_knob("21@10")
        (Knob(number=21, channel=None), Knob(number=21, channel=9))
    """
    match = _KNOB.fullmatch(text.strip())
    if not match:
        msg = f"knob is {text!r}; write NUMBER or NUMBER@CHANNEL, as in 21 or 21@10"
        raise LiveError(msg)
    return Knob(int(match[1]), int(match[2]) - 1 if match[2] else None)


def find_control(name: str) -> str:
    """Return the name of a setting or an action; `-` will do for `_`.

    Raises:
        LiveError: If there is neither; the message names the nearest.
    """
    return pick(name, (*SETTINGS, *ACTIONS), "setting or action")


def osc_address(name: str) -> str:
    """Return the OSC address of a setting or an action."""
    return f"{OSC_PREFIX}{name}"


class Knobs:
    """Which controller turns what, learned by moving it.

    Args:
        learned: What is known already: names of settings and actions by their controllers.

    Raises:
        LiveError: If there is no setting or action of a name.

    Example:
        >>> knobs = Knobs()
        >>> knobs.learn("tempo")
        >>> knobs.hear(ControlChange(0, 21, 64))
        >>> knobs.hear(ControlChange(0, 21, 127))
        Change(name='tempo', value=240.0)
    """

    def __init__(self, learned: Mapping[Knob, str] | None = None) -> None:
        self._learned = {knob: find_control(name) for knob, name in (learned or {}).items()}
        self.waiting: str | None = None
        """What the next knob that moves shall turn; None if nothing waits."""

    @property
    def learned(self) -> dict[Knob, str]:
        """Names of settings and actions by their controllers, to be kept in a preset."""
        return dict(self._learned)

    def learn(self, name: str) -> None:
        """Let the next controller that moves turn a setting, or do an action.

        Raises:
            LiveError: If there is no such setting or action.
        """
        self.waiting = find_control(name)

    def hear(self, message: ControlChange) -> Change | Act | None:
        """Return what a controller says; None if it says nothing, or has been learned now."""
        if message.number >= FIRST_MODE_MESSAGE:
            return None
        knob = Knob(message.number, message.channel)
        if self.waiting is not None:
            self._bind(knob, self.waiting)
            self.waiting = None
            return None
        name = self._learned.get(knob) or self._learned.get(Knob(message.number))
        return None if name is None else _turned(name, message.value)

    def _bind(self, knob: Knob, name: str) -> None:
        """Give a knob one thing to turn, and the thing this one knob."""
        others = {old: what for old, what in self._learned.items() if what != name}
        self._learned = {**others, knob: name}


def wished(name: str, text: str) -> Command | None:
    """Return what somebody wants who says it in words, by OSC or from another program.

    A setting is said with its value; an action with nothing, or with `1` while a button is
    down and `0` when it is let go; `learn_knob` with the name of what is to be turned.

    Args:
        name: What is wanted.
        text: Its value; "" where there is none.

    Returns:
        None if a button was let go.

    Raises:
        LiveError: If there is no such setting or action, or it may not have this value.

    Example:
        >>> wished("trade_bars", "8"), wished("panic", "")
        (Change(name='trade_bars', value=8), Act(name='panic'))
    """
    if name == LEARN:
        return Learn(find_control(text))
    known = find_control(name)
    if known in SETTINGS:
        return Change(known, parse_setting(known, text))
    return None if text in LET_GO else Act(known)


KEYS: Mapping[str, str] = {
    **{str(number): mode for number, mode in enumerate(MODES, start=1)},
    **{known.key: name for name, known in SETTINGS.items() if known.key},
    **{known.key: name for name, known in ACTIONS.items()},
}
"""What the keys of the terminal screen reach, by Textual's names of keys: modes and actions,
and settings that are switched."""


def key_command(key: str, settings: Settings) -> Change | Act | None:
    """Return what a key of the terminal screen wants; None if it wants nothing.

    Example:
        >>> key_command("2", Settings()), key_command("o", Settings())
        (Change(name='mode', value='trade'), Change(name='overlap', value=False))
    """
    name = KEYS.get(key)
    if name is None:
        return None
    if name in MODES:
        return Change("mode", name)
    return Act(name) if name in ACTIONS else Change(name, not getattr(settings, name))


def key_of(name: str) -> str:
    """Return the key that reaches a mode, a setting or an action; "" if none does."""
    return next((key for key, reached in KEYS.items() if reached == name), "")


def _turned(name: str, value: int) -> Change | Act | None:
    if name in ACTIONS:
        return Act(name) if value >= PRESSED else None
    return Change(name, find_setting(name).kind.turn(value))
