"""The bars of lytk's tree: what stands in them, and in which order they are played.

| what is in the file                       | rule                                            |
|-------------------------------------------|-------------------------------------------------|
| repeats and their endings                 | are played                                      |
| repeats that leave out a bar              | played once as written, counted: `bad-repeat`   |
| more than `MAX_BARS` bars, repeats played | refused: `too-long`                             |
| a bar that its metre does not fill        | with the next it fills one bar, or it has a     |
|                                           | metre of its own: a pick-up of 1/4              |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path

from sideman.corpus.tree import Tree, elements_of, length_of, measures_of, pitched
from sideman.score import smf
from sideman.score.midi import MAX_DENOMINATOR
from sideman.score.time import MAX_BARS
from sideman.score.types import MAX_DATA_BYTE

Metre = tuple[Fraction, int, int]
"""Where a time signature stands, in quarters, its numerator and its denominator."""


@dataclass(slots=True)
class Bar:
    """What holds for a bar in all parts.

    Attributes:
        length: In quarters.
        rests: Where the last rest ends, in quarters. Rests never make a bar longer than its
            metre: some files rest for a whole bar in a pick-up, or twice over.
        metre: Numerator and denominator in force; None where the file has named none.
        is_start: A repeat begins here.
        times: How often what ends here is played; 1 where no repeat ends.
        ending: For which time this bar is; 0 for every time.
    """

    length: Fraction = Fraction(0)
    rests: Fraction = Fraction(0)
    metre: tuple[int, int] | None = None
    is_start: bool = False
    times: int = 1
    ending: int = 0

    @property
    def full_length(self) -> Fraction:
        """Quarters that the metre asks for."""
        return Fraction(4 * self.metre[0], self.metre[1]) if self.metre else self.length

    def is_filled_by(self, after: Bar) -> bool:
        """Return whether this bar and the one after it are two parts of one bar."""
        return self.metre == after.metre and self.length + after.length == self.full_length


def read_bars(parts: Sequence[Tree]) -> list[Bar]:
    """Return the bars of all parts together."""
    longest = max(map(measures_of, parts), key=len, default=[])
    bars = [Bar() for _ in longest]
    for part in parts:
        for bar, measure in zip(bars, measures_of(part), strict=False):
            _add_measure(bar, measure)
    ending, metre = 0, None
    for bar, measure in zip(bars, longest, strict=True):  # it speaks for all about endings
        left, right = measure.get("left_barline", {}), measure.get("right_barline", {})
        if left.get("ending_type") == "start":
            ending = int(left.get("ending_number", 0))
        bar.ending = ending
        if right.get("ending_type") in {"stop", "discontinue"}:
            ending = 0
        metre = bar.metre = bar.metre or metre
        rests = min(bar.rests, bar.full_length) if metre else bar.rests
        bar.length = max(bar.length, rests) or bar.full_length
    return bars


def _add_measure(bar: Bar, measure: Tree) -> None:
    """Add to a bar what a measure of one part says of it."""
    for _, elements in elements_of(measure):
        at = Fraction(0)
        for element in elements:
            at += length_of(element)
            if pitched(element):
                bar.length = max(bar.length, at)
            elif not (measure.get("implicit") and element.get("is_spacer")):
                bar.rests = max(bar.rests, at)
    time = measure.get("attributes", {}).get("time")
    if time and bar.metre is None:
        bar.metre = _metre(time)
    left, right = measure.get("left_barline", {}), measure.get("right_barline", {})
    bar.is_start |= left.get("repeat_direction") == "Forward"
    if right.get("repeat_direction") == "Backward":
        bar.times = max(bar.times, int(right.get("repeat_times", 2)))


def _metre(time: Tree) -> tuple[int, int] | None:
    """Return numerator and denominator; of 3+2/8 the sum counts."""
    beats = str(time.get("beats", "")).split("+")
    if not all(number.strip().isdecimal() for number in beats):
        return None
    numerator, denominator = sum(map(int, beats)), int(time.get("beat_type", 0))
    is_good = 0 < numerator <= MAX_DATA_BYTE and 0 < denominator <= MAX_DENOMINATOR
    return (numerator, denominator) if is_good else None


def play_order(bars: Sequence[Bar], path: Path, repairs: Counter[str]) -> list[int]:
    """Return the indices of the bars in the order they are played."""
    order: list[int] = []
    at = start = 0
    time = 1  # how often the music from `start` on is being played
    while at < len(bars):
        bar = bars[at]
        if bar.is_start and at > start:
            start, time = at, 1
        at += 1
        if bar.ending in {0, time}:
            order.append(at - 1)
            if time < _times(bars, at - 1):
                at, time = start, time + 1
            elif _is_last_time(bars, at - 1):
                start, time = at, 1
        if len(order) > MAX_BARS:
            raise smf.refusal(path, "too-long", f"it has more than {MAX_BARS} bars")
    if len(set(order)) == len(bars):
        return order
    repairs["bad-repeat"] += 1
    return list(range(len(bars)))


def _times(bars: Sequence[Bar], at: int) -> int:
    """Return how often the music is played that is repeated from this bar; 1 for no repeat."""
    if bars[at].times == 1 or bars[at].ending == 0:
        return bars[at].times
    highest = bars[at].ending
    for bar in bars[at:]:
        if bar.ending == 0:
            break
        highest = max(highest, bar.ending)
    return highest


def _is_last_time(bars: Sequence[Bar], at: int) -> bool:
    """Return whether a repeat, or the last of its endings, is over with this bar."""
    follows_ending = at + 1 < len(bars) and bars[at + 1].ending > 0
    return (bars[at].times > 1 or bars[at].ending > 0) and not follows_ending


def metres_of(bars: Sequence[Bar], starts: Sequence[Fraction]) -> list[Metre]:
    """Return the time signatures that put the bar lines where the file has them."""
    rows: list[Metre] = []
    is_second_half = False
    for bar, start, after in zip_longest(bars, starts[:-1], bars[1:]):
        if bar.metre is None or is_second_half:
            is_second_half = False
            continue
        metre = bar.metre
        if bar.length != bar.full_length:
            is_second_half = after is not None and bar.is_filled_by(after)
            metre = metre if is_second_half else _own_metre(bar.length) or metre
        if not rows or rows[-1][1:] != metre:
            rows.append((start, *metre))
    return rows


def _own_metre(length: Fraction) -> tuple[int, int] | None:
    """Return the metre of a bar of some quarters, or None where there is no good one."""
    wholes = length / 4
    denominator = max(wholes.denominator, 4)
    numerator = wholes * denominator
    is_good = numerator.denominator == 1 and 0 < numerator <= MAX_DATA_BYTE
    is_good &= denominator <= MAX_DENOMINATOR and denominator & (denominator - 1) == 0
    return (int(numerator), denominator) if is_good else None
