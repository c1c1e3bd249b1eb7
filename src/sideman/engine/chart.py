"""Chord charts: what people type, and the chords of so many bars."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sideman.engine.rhythm import is_compound, metre_name
from sideman.engine.wishes import naming
from sideman.errors import EngineError
from sideman.score.harmony import Chord, chord_symbol, parse_chord
from sideman.score.time import MAX_BARS
from sideman.score.types import Table
from sideman.tokens.grid import FINEST_BEAT, GRID_CHORD_DTYPE
from sideman.tokens.vocabulary import BAR_TICKS_OF, BEAT_TICKS_OF

AGAIN = "%"
"""A bar like the one before."""

HOLDS = ("/", ".")
"""The chord before holds on for one more share of the bar."""

_TIMES = r"x\s*([1-9][0-9]?)"
_BARS = r"(?:(?![\s|]\().)*?"  # up to where another group begins: they do not nest
_GROUP = re.compile(rf"(?:^|(?<=[\s|]))\(({_BARS})\)\s*{_TIMES}(?=[\s|]|$)", re.DOTALL)
_REPEATED_BAR = re.compile(rf"(.*?) {_TIMES}")
_LOOSE = re.compile(r"\(.*|(.*\))?x[0-9]+")


@dataclass(frozen=True, slots=True)
class Chart:
    """Chords by bar, in no metre yet.

    Attributes:
        bars: For each bar the chords that share it, at least one; one that holds on for
            several shares stands there as often.
    """

    bars: tuple[tuple[Chord, ...], ...]


def parse_chart(text: str) -> Chart:
    """Return the chart that a person typed.

    Bars are parted by `|` or by a new line, the chords of a bar by spaces. Chords are everyday
    symbols or Harte labels (`sideman.score.harmony.parse_chord`).

    - `%` is a bar like the one before;
    - `/`, or `.`, lets the chord before hold on: `Am / / F` is three shares and one;
    - `N.C.` is no chord;
    - `Am F x4` is a bar that comes four times;
    - `(Am | F)x2` are bars that come twice; such groups do not nest.

    Raises:
        EngineError: If a chord, or what repeats it, cannot be read; the message names the bar.
            If there are more than `MAX_BARS` bars.

    Example:
        >>> chart_text(parse_chart("(Am | F)x2 | C G | Dm E7/G#"))
        'Am | F | Am | F | C G | Dm E7/Ab'
        >>> parse_chart("Am | H7")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        sideman.errors.EngineError: bar 2 of the chart: chord is 'H7'; known kinds are ...
    """
    plain = _GROUP.sub(lambda group: "\n" + f"{group[1]}\n" * int(group[2]), text)
    lines = [line.strip().strip("|") for line in plain.splitlines()]
    cells = [cell for line in lines if line.strip() for cell in re.split(r"\|+", line)]
    if not cells:
        msg = "the chart is empty; write bars of chords, as in 'Am | F | C G | E7'"
        raise EngineError(msg)
    bars: list[tuple[Chord, ...]] = []
    for cell in cells:
        with naming(f"bar {len(bars) + 1} of the chart"):
            bare = " ".join(cell.split())
            match = _REPEATED_BAR.fullmatch(bare)
            words, n_times = (match[1], int(match[2])) if match else (bare, 1)
            bar = _bar(words.split(), bars[-1] if bars else ())
        if len(bars) + n_times > MAX_BARS:
            msg = f"the chart has more than {MAX_BARS} bars; repeat less: it comes again anyway"
            raise EngineError(msg)
        bars += [bar] * n_times
    return Chart(tuple(bars))


def chart_text(chart: Chart) -> str:
    """Return a chart in everyday symbols; `parse_chart` reads the same from it."""
    return " | ".join(" ".join(map(chord_symbol, bar)) for bar in chart.bars)


def chart_chords(chart: Chart, time_signatures: Sequence[int]) -> Table:
    """Lay a chart over bars.

    A chart that is shorter comes again from its beginning, one that is longer is cut. The
    chords of a bar share its beats (in compound metres such as 6/8 its groups of three); what
    does not divide goes to the first ones: three chords in 4/4 have two beats, one and one.
    More chords than beats share halves of beats, or quarters, down to 32nds.

    Args:
        chart: Any chart.
        time_signatures: Of each bar, values of the vocabulary.

    Returns:
        Structured array of `GRID_CHORD_DTYPE`, a row where the chord changes, the first at
        the first bar line.

    Raises:
        EngineError: If a bar has more chords than 32nds.

    Example:
        >>> from sideman.engine.rhythm import parse_metre
        >>> rows = chart_chords(parse_chart("C | F G"), [parse_metre("4/4")] * 3)
        >>> rows[["bar", "beat"]].tolist()
        [(0, 0), (1, 0), (1, 2), (2, 0)]
    """
    rows: list[tuple[int, ...]] = []
    sounding: Chord | None = None
    for bar, time_signature in enumerate(time_signatures):
        number = bar % len(chart.bars)
        chords = chart.bars[number]
        with naming(f"bar {number + 1} of the chart"):
            onsets = _onsets(len(chords), int(time_signature))
        for onset, chord in zip(onsets, chords, strict=True):
            if chord != sounding:
                beat, tick = divmod(onset, int(BEAT_TICKS_OF[time_signature]))
                rows.append((bar, beat, tick, *chord))
                sounding = chord
    return np.array(rows, GRID_CHORD_DTYPE)


def _bar(words: list[str], before: tuple[Chord, ...]) -> tuple[Chord, ...]:
    """Return the chords of one bar; `before` are those of the bar before it."""
    if not words:
        msg = f"there is no chord; write N.C. where none sounds, or {AGAIN} to repeat a bar"
        raise EngineError(msg)
    if AGAIN in words:
        if words != [AGAIN] or not before:
            msg = f"{AGAIN} is a whole bar like the one before; write it alone, behind one"
            raise EngineError(msg)
        return before
    chords: list[Chord] = []
    for word in words:
        if word in HOLDS:
            chords.append(_held(word, (*before, *chords)))
        elif _LOOSE.fullmatch(word):
            msg = f"{word!r} repeats nothing; write Am x4 or (Am | F)x2, not nested, up to x99"
            raise EngineError(msg)
        else:
            chords.append(parse_chord(word))
    return tuple(chords)


def _held(word: str, sounded: tuple[Chord, ...]) -> Chord:
    if not sounded:
        msg = f"{word!r} lets the chord before hold on, and there is none"
        raise EngineError(msg)
    return sounded[-1]


def _onsets(n_chords: int, time_signature: int) -> list[int]:
    """Return where in the bar, in ticks, each of the chords that share it begins."""
    bar_ticks, unit = int(BAR_TICKS_OF[time_signature]), int(BEAT_TICKS_OF[time_signature])
    if is_compound(time_signature) and n_chords * 3 * unit <= bar_ticks:
        unit *= 3
    while n_chords * unit > bar_ticks:
        if unit == FINEST_BEAT:
            msg = (
                f"there are {n_chords} chords; a bar of {metre_name(time_signature)} holds "
                f"{bar_ticks // FINEST_BEAT}"
            )
            raise EngineError(msg)
        unit //= 2
    share, n_longer = divmod(bar_ticks // unit, n_chords)
    return [unit * (share * n + min(n, n_longer)) for n in range(n_chords)]
