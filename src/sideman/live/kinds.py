"""What the value of a setting may be: how it is read, written, and turned by a knob."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sideman.engine.wishes import choose
from sideman.errors import EngineError, LiveError
from sideman.live.lengths import Length, number_text, parse_length
from sideman.score.types import MAX_DATA_BYTE

T = TypeVar("T")

MOST_LENGTH_S = 3600.0
LEAST_LENGTH_BARS = 0.25
MOST_LENGTH_BARS = 999.0
"""Bounds of lengths that a setting may have, beside the least in seconds."""

_N_KNOB_VALUES = MAX_DATA_BYTE + 1
_ON_WORDS = {"on": True, "yes": True, "true": True, "1": True}
_OFF_WORDS = {"off": False, "no": False, "false": False, "0": False}


class Kind(Protocol):
    """What the value of a setting may be."""

    @property
    def rule(self) -> str:
        """What a text must be, to be put behind `it must be`."""

    def read(self, text: str) -> Any:  # noqa: ANN401 (each kind has its own)
        """Return the value that a text says.

        Raises:
            ValueError: If it says none.
            SidemanError: The same, where there is more to say than the rule.
        """

    def write(self, value: Any) -> str:  # noqa: ANN401
        """Return the text of a value; `read` reads the same from it."""

    def turn(self, knob: int) -> Any:  # noqa: ANN401
        """Return the value that a MIDI controller at 0-127 stands for."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range.

    Attributes:
        low: Least.
        high: Most.
        unit: What is counted; "" where the meaning says it. It may stand behind the number.
        is_whole: Only whole numbers.
        knob: What a controller sweeps, where it is less than the range.
    """

    low: float
    high: float
    unit: str = ""
    is_whole: bool = False
    knob: tuple[float, float] | None = None

    @property
    def rule(self) -> str:
        """The range."""
        whole = "a whole number, " if self.is_whole else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{whole}{number_text(self.low)} to {number_text(self.high)}{unit}"

    def read(self, text: str) -> float:
        """Return the number, with or without its unit behind it."""
        bare = text.strip().removesuffix(self.unit).strip()
        value = int(bare) if self.is_whole else float(bare)
        if not self.low <= value <= self.high:
            raise ValueError
        return value

    def write(self, value: float) -> str:
        """Return the number without its unit."""
        return number_text(value)

    def turn(self, knob: int) -> float:
        """Return the number at that share of the sweep, to three figures."""
        low, high = self.knob or (self.low, self.high)
        value = low + (high - low) * knob / MAX_DATA_BYTE
        return round(value) if self.is_whole else float(f"{value:.3g}")


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    rule: str = "on or off"

    def read(self, text: str) -> bool:
        """Return whether it is on."""
        return _known(text, _ON_WORDS | _OFF_WORDS)

    def write(self, value: bool) -> str:  # noqa: FBT001 (the value of a setting)
        """Return `on` or `off`."""
        return "on" if value else "off"

    def turn(self, knob: int) -> bool:
        """Return whether the upper half is reached, as MIDI has switches."""
        return knob >= _N_KNOB_VALUES // 2


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words.

    Attributes:
        names: The words.
        aliases: Other words for some of them.
    """

    names: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """All words."""
        return f"{', '.join(self.names[:-1])} or {self.names[-1]}"

    def read(self, text: str) -> str:
        """Return the word, in lower case."""
        return _known(text, {**{name: name for name in self.names}, **self.aliases})

    def write(self, value: str) -> str:
        """Return the word."""
        return value

    def turn(self, knob: int) -> str:
        """Return the word at that share of the list."""
        return _at(self.names, knob)


@dataclass(frozen=True, slots=True)
class Text:
    """Text that something else reads.

    Attributes:
        rule: What it must be.
        canonical: Reads the text, and writes what it means in one way.
        knob: What a controller goes through.
    """

    rule: str
    canonical: Callable[[str], str]
    knob: tuple[str, ...]

    def read(self, text: str) -> str:
        """Return the text as it is written when it is written by us."""
        return self.canonical(text.strip())

    def write(self, value: str) -> str:
        """Return the text."""
        return value

    def turn(self, knob: int) -> str:
        """Return the text at that share of the list."""
        return _at(self.knob, knob)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A length of time.

    Attributes:
        least_s: Shortest, in seconds.
        knob: What a controller goes through.
    """

    least_s: float
    knob: tuple[Length, ...]

    @property
    def rule(self) -> str:
        """Shortest and longest, in both units."""
        return (
            f"{number_text(self.least_s)} to {number_text(MOST_LENGTH_S)} s, "
            f"{number_text(LEAST_LENGTH_BARS)} to {number_text(MOST_LENGTH_BARS)} bars, "
            f"or session"
        )

    def read(self, text: str) -> Length:
        """Return the length."""
        length = parse_length(text)
        low, high = {
            "s": (self.least_s, MOST_LENGTH_S),
            "bars": (LEAST_LENGTH_BARS, MOST_LENGTH_BARS),
            "session": (math.inf, math.inf),
        }[length.unit]
        if not low <= length.value <= high:
            raise ValueError
        return length

    def write(self, value: Length) -> str:
        """Return the length as people write it."""
        return str(value)

    def turn(self, knob: int) -> Length:
        """Return the length at that share of the list."""
        return _at(self.knob, knob)


def pick(word: str, known: Iterable[str], what: str) -> str:
    """Return the one of those known that a person means; `-` and `_` are the same.

    Raises:
        LiveError: If it is none; the message names the nearest, or all.
    """
    names = {name.replace("-", "_"): name for name in known}
    said = word.strip().replace("-", "_")
    try:
        return names.get(said) or choose(word.strip(), names.values(), what)
    except EngineError as error:
        raise LiveError(str(error)) from None


def _known(text: str, words: Mapping[str, T]) -> T:
    word = text.strip().lower()
    if word not in words:
        raise ValueError
    return words[word]


def _at(values: Sequence[T], knob: int) -> T:
    return values[knob * len(values) // _N_KNOB_VALUES]
