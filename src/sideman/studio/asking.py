"""What somebody asks for on the page, as the engine wants it: ids become words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sideman.engine.compose import n_bars_played
from sideman.engine.course import bar_line
from sideman.engine.locks import BY_NUMBER
from sideman.engine.options import DEFAULT_BARS, NOTHING_SAID, Options
from sideman.engine.rhythm import TEMPOS_BPM
from sideman.engine.tasks import TASKS
from sideman.engine.wishes import bars_text, choose, parse_number
from sideman.errors import EngineError
from sideman.score.edit import slice_bars
from sideman.score.plain import score_of
from sideman.score.time import bar_starts, metre_spans
from sideman.score.types import Score
from sideman.studio.score_json import Json, note_indices

PAGE_TASKS = tuple(task for task in TASKS if task != "arrange")
"""What can be asked for: an arrangement needs a plan, which the page does not write."""

_ANEW = ("infill", "vary", "rewrite")
_BEGINNINGS = ("compose", "loop")

Marks = NDArray[np.bool_]
"""Whether each note of a score is meant, shape (N,)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task for `sideman.engine.tasks.carry_out`.

    Attributes:
        task: Its name; to rewrite only some bars is to fill them.
        score: What it is about; None where it begins from nothing.
        options: How it is to be done.
    """

    task: str
    score: Score | None
    options: Options


@dataclass(frozen=True, slots=True)
class _Place:
    """Where on the page something is asked for, counted from 0; None: not said.

    Attributes:
        bars: The bars.
        parts: The parts.
        locked: Which notes of the score stay.
    """

    bars: range | None
    parts: tuple[int, ...] | None
    locked: Marks


def prepare(
    task: str, json: Json, request: Mapping[str, Any], locks: Sequence[int]
) -> Prepared:
    """Return what the engine is to do.

    Bars that are selected are those that are written; for `continue` the new ones come right
    behind them: notes that stand there are left out, metres, tempos and chords stay. Of
    selected notes the others in their bars and parts stay. Of a loop no part with locked notes
    is written anew.

    Args:
        task: One of `PAGE_TASKS`.
        json: The revision that is asked about.
        request: `options` by the names of `Options`, `selection` with `bars` (first and end),
            `parts` and `notes` (ids), `takes` and `seed`; each may be missing. Parts that are
            written anew and of which something is wished stand in `options` as well.
        locks: Ids of notes that stay.

    Raises:
        EngineError: If there is no such task, option, bar, part or note.
    """
    choose(task, PAGE_TASKS, "task")
    options = _options(request)
    score = score_of(json)
    place = _place(json, score, request.get("selection") or {}, locks)
    if task in _BEGINNINGS:
        return _beginning(task, score, options, place)
    if task in _ANEW:
        return _anew(task, score, options, place)
    if task == "continue" and place.bars is not None:
        score, options = _behind(score, place.bars.stop, options)
    if task == "harmonise" and place.parts is not None:
        options = replace(options, parts=_numbers(place.parts))
    return Prepared(task, score, options)


def _options(request: Mapping[str, Any]) -> Options:
    """Return what is said in a request, each value as `Options` keeps it."""
    known = asdict(NOTHING_SAID)
    said: dict[str, Any] = {
        choose(str(name), known, "option"): value
        for name, value in (request.get("options") or {}).items()
    }
    said |= {name: request[name] for name in ("takes", "seed") if name in request}
    return Options(**{name: _like(name, value, known[name]) for name, value in said.items()})


def _like(name: str, value: object, like: object) -> Any:  # noqa: ANN401 (as the field is)
    """Return a value out of JSON as a value of the same kind as `like`.

    Raises:
        EngineError: If it is none.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    is_text = isinstance(value, str)
    kind = type(like)
    if kind is tuple and isinstance(value, (list, tuple)):
        return tuple(map(str, value))
    if kind is bool and isinstance(value, bool):
        return value
    if (kind is str and (is_text or is_number)) or (kind is float and is_number):
        return kind(cast(Any, value))
    if kind is int and is_number and cast(float, value) % 1 == 0:
        return int(cast(float, value))
    msg = f"{name} is {value!r}; it must be {_KINDS[kind]}"
    raise EngineError(msg)


_KINDS: Mapping[type, str] = {
    tuple: "a list of texts",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


def _place(
    json: Json, score: Score, selection: Mapping[str, Any], locks: Sequence[int]
) -> _Place:
    n_bars = max(json["n_bars"], len(bar_starts(score)) - 1)
    bars, parts = selection.get("bars"), selection.get("parts")
    chosen = None if bars is None else _bars(bars, n_bars)
    for part in parts or ():
        if not 0 <= part < len(score.parts):
            msg = f"there is no part {part + 1}; the piece has {len(score.parts)}"
            raise EngineError(msg)
    notes = selection.get("notes")
    index = note_indices(json, score) if locks or notes else {}
    locked = _marked(score, index, locks)
    where = None if parts is None else tuple(parts)
    if not notes:
        return _Place(chosen, where, locked)
    meant = _marked(score, index, notes)
    starts = bar_starts(score)
    bar = np.searchsorted(starts, score.notes["onset"], side="right") - 1
    mine = np.unique(score.notes["part"][meant]).tolist()
    span = range(int(bar[meant].min()), int(bar[meant].max()) + 1)
    near = (bar >= span.start) & (bar < span.stop) & np.isin(score.notes["part"], mine)
    return _Place(span, tuple(mine), locked | (near & ~meant))


def _bars(bars: Sequence[int], n_bars: int) -> range:
    first, end = bars
    if not 0 <= first < end <= n_bars:
        msg = f"bars {first + 1} to {end} are selected; the piece has {n_bars}"
        raise EngineError(msg)
    return range(first, end)


def _marked(score: Score, index: Mapping[int, int], ids: Sequence[int]) -> Marks:
    """Return which notes of a score are meant by some ids."""
    is_meant = np.zeros(len(score.notes), bool)
    for note in ids:
        if note not in index:
            msg = f"there is no note {note} in this revision; select again"
            raise EngineError(msg)
        is_meant[index[note]] = True
    return is_meant


def _anew(task: str, score: Score, options: Options, place: _Place) -> Prepared:
    """Return a task that writes notes anew, where they are selected and not locked."""
    if task == "rewrite" and (place.bars is not None or len(place.parts or ()) > 1):
        task = "infill"
    if place.bars is not None:
        n_bars = n_bars_played(score)
        if place.bars.start >= n_bars:
            msg = f"bars {bars_text(place.bars)} lie behind the last note; continue from there"
            raise EngineError(msg)
        inside = range(place.bars.start, min(place.bars.stop, n_bars))
        options = replace(options, bars=bars_text(inside))
    if place.parts is not None and not options.parts:
        options = replace(options, parts=_numbers(place.parts))
    locks = tuple(f"{BY_NUMBER}{index + 1}" for index in np.flatnonzero(place.locked))
    return Prepared(task, score, replace(options, locks=locks))


def _behind(score: Score, bar: int, options: Options) -> tuple[Score, Options]:
    """Return a score without the notes from a bar on, and which bars are to be written.

    Raises:
        EngineError: If no number of bars is said, or no note comes before.
    """
    n_bars = parse_number(options.bars, "bars") if options.bars else DEFAULT_BARS
    written = range(bar, bar + max(n_bars, 1))
    score = slice_bars(score, 0, written.stop)
    score = score.with_notes(score.notes[score.notes["onset"] < bar_line(score, bar)])
    if not len(score.notes):
        msg = f"no note begins before bar {bar + 1}; there is nothing to go on from"
        raise EngineError(msg)
    return score, replace(options, bars=f"{written.start + 1}-{written.stop}")


def _beginning(task: str, score: Score, options: Options, place: _Place) -> Prepared:
    """Return a task that writes from nothing; what is not said of time is as in the piece.

    A loop of a piece that has notes is written for its parts, or those that are selected; what
    is locked stays.

    Raises:
        EngineError: If all of it is locked.
    """
    if not options.tempo and len(score.tempos):
        bpm = float(np.clip(score.tempos["tempo_bpm"][0], *TEMPOS_BPM))
        options = replace(options, tempo=f"{bpm:g}")
    if not options.metre:
        metre = metre_spans(score)[0]
        options = replace(options, metre=f"{metre['numerator']}/{metre['denominator']}")
    if task != "loop" or not len(score.notes):
        return Prepared(task, None, options)
    if not (options.parts or options.rewritten or options.extend):
        parts = range(len(score.parts)) if place.parts is None else place.parts
        held = set(score.notes["part"][place.locked].tolist())
        free = [part for part in parts if part not in held]
        if not free:
            msg = "every part of the loop has locked notes; unlock one, or add another part"
            raise EngineError(msg)
        options = replace(options, rewritten=_numbers(free))
    return Prepared(task, score, options)


def _numbers(parts: Sequence[int]) -> tuple[str, ...]:
    """Return parts as people count them."""
    return tuple(str(part + 1) for part in parts)
