"""Courses: what holds from a bar on, such as a tempo of 96 and, from bar 9 on, of 120.

In Python a course is one value, which holds throughout, or values by the bar from which each
holds, counted from 0: `{0: 96, 8: 120}`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np

from sideman.engine.wishes import naming, parse_number
from sideman.errors import EngineError
from sideman.score.time import bar_length, bar_starts, metre_spans
from sideman.score.types import (
    Score,
    Table,
    table,
)

Value = TypeVar("Value")

Course: TypeAlias = Value | Mapping[int, Value]
"""One value, or values by the bar from which each holds."""


def by_bar(course: Course[Value] | None) -> dict[int, Value]:
    """Return the values of a course by bar, in order; none for None."""
    if course is None:
        return {}
    if isinstance(course, Mapping):
        return dict(sorted(course.items()))
    return {0: course}


def value_at(course: Mapping[int, Value], bar: int) -> Value | None:
    """Return what holds in a bar, None before the first value.

    Example:
        >>> value_at({0: "D minor", 8: "F major"}, 7)
        'D minor'
    """
    begun = [first for first in course if first <= bar]
    return course[max(begun)] if begun else None


def parse_course(text: str, read: Callable[[str], Value], what: str) -> dict[int, Value]:
    """Return the course that people write: `96; 9=120` is 96 and, from bar 9 on, 120.

    Args:
        text: A value, and behind semicolons bars, counted from 1, with the value that each
            brings; the first value may be left out.
        read: Reads one value.
        what: What the message says it is.

    Returns:
        Values by bar, counted from 0. One that stands without a bar has bar 0.

    Raises:
        EngineError: If `read` refuses a value, or bars do not follow one another.

    Example:
        >>> parse_course("4/4; 5=3/4", str, "metre")
        {0: '4/4', 4: '3/4'}
        >>> parse_course("96; x=120", int, "tempo")
        Traceback (most recent call last):
        sideman.errors.EngineError: tempo '96; x=120': bar is 'x'; it must be a whole number
    """
    if ";" not in text and "=" not in text:
        return {0: read(text)}
    course: dict[int, Value] = {}
    with naming(f"{what} {text!r}"):
        for item in text.split(";"):
            before, equals, value = item.rpartition("=")
            bar = parse_number(before.strip(), "bar") if equals else 1
            if bar < 1 or (course and (not equals or bar - 1 <= max(course))):
                msg = (
                    f"{item.strip()!r} does not come later than what stands before it; write "
                    "the first value, then bars in order, as in VALUE; 9=VALUE"
                )
                raise EngineError(msg)
            course[bar - 1] = read(value.strip())
    return course


def bar_line(score: Score, bar: int) -> int:
    """Return the tick where a bar begins; bars behind the end are like the last."""
    starts = bar_starts(score)
    beyond = max(bar - (len(starts) - 1), 0)
    return int(starts[bar - beyond] + beyond * (starts[-1] - starts[-2]))


def lay_out(
    score: Score,
    bars: range,
    *,
    metre: Course[tuple[int, int]] | None = None,
    tempo_bpm: Course[float] | None = None,
    key: Course[tuple[int, bool]] | None = None,
) -> Score:
    """Return a score that has metres, tempos and keys of its own in some bars.

    What is None stays as it is. A value for bar 0 holds from the first of the bars on.

    Args:
        score: The piece up to these bars.
        bars: The bars, to the last of the piece.
        metre: Numerator and denominator.
        tempo_bpm: Quarter notes per minute.
        key: Tonic and whether it is minor.

    Raises:
        EngineError: If something is to change at a bar that is not one of these.
    """
    metres = _inside("metre", metre, bars)
    begin = bar_line(score, bars.start)
    spans = metre_spans(score)
    _, numerator, denominator = spans.compress(spans["onset"] <= begin)[-1].tolist()
    held = {-1: (numerator, denominator), **metres}
    numerators, denominators = np.reshape([value_at(held, bar) for bar in bars], (-1, 2)).T
    lengths = bar_length(numerators, denominators, score.tpq)
    lines = begin + np.append(0, np.cumsum(lengths))

    def with_rows(rows: Table, course: Mapping[int, object]) -> Table:
        if not course:
            return rows
        new = [
            (lines[bar - bars.start], *(value if isinstance(value, tuple) else (value,)))
            for bar, value in course.items()
        ]
        kept = rows[rows["onset"] < new[0][0]]
        return np.concatenate([kept, table(rows.dtype, new)])

    return replace(
        score,
        time_signatures=with_rows(score.time_signatures, metres),
        tempos=with_rows(score.tempos, _inside("tempo", tempo_bpm, bars)),
        keys=with_rows(score.keys, _inside("key", key, bars)),
    )


def _inside(what: str, course: Course[Value] | None, bars: range) -> dict[int, Value]:
    """Return a course by bar, its value for bar 0 at the first of the bars."""
    values = by_bar(course)
    if 0 in values and bars.start:
        values = {bars.start: values.pop(0), **values}
    for bar in values:
        if bar not in bars:
            msg = (
                f"{what} is to change at bar {bar + 1}; the bars that are written are "
                f"{bars.start + 1} to {bars.stop}"
            )
            raise EngineError(msg)
    return values
