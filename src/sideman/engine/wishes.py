"""What all wishes are written with: words out of a list, numbers, ranges, bars."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from sideman.errors import EngineError, SidemanError

Span = tuple[int, int]
"""Lowest and highest value, both allowed."""

_NUMBER = re.compile(r"-?[0-9]{1,9}")
_DASH = re.compile(r"(?<=[0-9.t])\s*[-–]\s*")  # not the sign in C-1


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Put what was read in front of the message of an error.

    Raises:
        EngineError: If the block raises a `SidemanError`.
    """
    try:
        yield
    except SidemanError as error:
        msg = f"{where}: {error}"
        raise EngineError(msg) from error


def choose(word: str, known: Iterable[str], what: str) -> str:
    """Return `word` if it is one of those known.

    Raises:
        EngineError: If it is not; the message names the nearest, or all.

    Example:
        >>> choose("bass", ("melody", "bass"), "role")
        'bass'
        >>> choose("bas", ("melody", "bass"), "role")
        Traceback (most recent call last):
        sideman.errors.EngineError: there is no role 'bas'; did you mean 'bass'?
    """
    names = list(known)
    if word in names:
        return word
    near = difflib.get_close_matches(word, names)
    if near:
        hint = f"did you mean {' or '.join(repr(name) for name in near)}?"
    else:
        hint = f"known are {', '.join(names) or 'none'}"
    msg = f"there is no {what} {word!r}; {hint}"
    raise EngineError(msg)


def parse_number(text: str, what: str) -> int:
    """Return a whole number; `what` it is the message says.

    Raises:
        EngineError: If it is none, or has more than nine digits.
    """
    if not _NUMBER.fullmatch(text.strip()):
        msg = f"{what} is {text!r}; it must be a whole number"
        raise EngineError(msg)
    return int(text)


def parse_span(text: str, read: Callable[[str], int]) -> Span:
    """Return a range such as `40-100`; one value alone is its both ends.

    Args:
        text: What a person wrote.
        read: Reads one value.

    Raises:
        EngineError: If `read` refuses an end, or the range runs backwards.

    Example:
        >>> parse_span("40-100", int), parse_span("3", int)
        ((40, 100), (3, 3))
    """
    low, *high = _DASH.split(text.strip(), maxsplit=1)
    first = read(low)
    last = read(high[0]) if high else first
    if first > last:
        msg = f"the range {text!r} runs backwards; write the lower end first"
        raise EngineError(msg)
    return first, last


def parse_bars(text: str, n_bars: int) -> range:
    """Return the bars, counted from 0, that people mean, who count from 1.

    Args:
        text: First and last bar, both included, as in `5-8`; or one bar.
        n_bars: Bars of the piece.

    Raises:
        EngineError: If it is no range, or the piece has no such bars.

    Example:
        >>> parse_bars("5-8", 16), parse_bars("3", 16)
        (range(4, 8), range(2, 3))
    """
    first, last = parse_span(text, lambda end: parse_number(end, "bar"))
    if first < 1 or last > n_bars:
        msg = f"bars are {text!r}; the piece has {n_bars}, and the first is 1"
        raise EngineError(msg)
    return range(first - 1, last)


def bars_text(bars: range) -> str:
    """Return bars, counted from 0, as people write them.

    Example:
        >>> bars_text(range(4, 8))
        '5-8'
    """
    return span_text((bars.start + 1, bars.stop), str)


def span_text(span: Span, write: Callable[[int], str]) -> str:
    """Return a range as people write it; `write` writes one value."""
    low, high = span
    return write(low) if low == high else f"{write(low)}-{write(high)}"
