"""Harmony: which chords go with notes, and what playing them in blocks looks like.

A model chooses the chords; what keeps it to those that fit is here. A chord fits a stretch,
half a bar, if its tones are about as much of what sounds there as those of any chord, notes on
pulses counting more. Of such chords those of the key come first.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sideman.engine.chart import Chart
from sideman.engine.course import Course, by_bar, value_at
from sideman.engine.pitches import Scale
from sideman.engine.rhythm import is_compound
from sideman.score.harmony import (
    N_PITCH_CLASSES,
    NO_CHORD,
    QUALITY_NAMES,
    Chord,
    chord_pitch_classes,
)
from sideman.score.time import bar_starts
from sideman.score.types import NOTE_DTYPE, Score, Table, table
from sideman.tokens.choices import Limits
from sideman.tokens.grammar import Position, Sentence
from sideman.tokens.grid import Grid, onsets
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    DURATION_TICKS,
    FIRST_DRUM,
    Events,
    Kind,
)

CHOSEN_QUALITIES = ("maj", "min", "dim", "7", "maj7", "min7", "hdim7")
"""What melodies are harmonised with: the triads and sevenths of major and minor keys."""

LEAST_FIT = 0.75
"""A chord fits if its tones sound at least this share of the time that the best one's do."""

STRONG_WEIGHT = 2.0
"""How much more a note counts that is struck on a pulse, or sounds where a chord may begin."""

LOWEST_VOICE = 52
"""The lowest note of a block chord lies in the octave from here, E3, on: below most melodies,
above mud."""

SOFTER = 0.8
"""Velocity of block chords, as a share of that of the notes they go with."""

_LEADING_TONE = 11
"""Belongs to the chords of minor keys as well, above the tonic."""

_CANDIDATES = tuple(
    Chord(root, QUALITY_NAMES.index(name))
    for name in CHOSEN_QUALITIES
    for root in range(N_PITCH_CLASSES)
)


def _tones(chord: Chord) -> NDArray[np.bool_]:
    return np.isin(range(N_PITCH_CLASSES), chord_pitch_classes(chord))


_TONES = np.stack([_tones(chord) for chord in _CANDIDATES])
"""Pitch classes of each candidate, shape (candidates, 12)."""

_KINDS = np.arange(len(Kind))
_ONLY_BAR = Limits(kinds=_KINDS == Kind.BAR)
_CHORD = _KINDS == Kind.CHORD
_CHORD_OR_BAR = _CHORD | (_KINDS == Kind.BAR)


class ChordKeeper:
    """Keeps the chords of one take to such as fit, bar by bar; has the methods of `Keeper`.

    The model chooses whether the chord changes at a bar line and, where there is one, in the
    middle of the bar, and to what. It has to where the chord does not fit what comes. A chord
    that does not fit becomes the one that fits and has most tones in common with it.

    Args:
        grid: The piece, chords that are written already included.
        scale: What the chords are made of, if such chords fit, throughout or from some bars
            on. None: any notes.
    """

    def __init__(self, grid: Grid, scale: Course[Scale] | None) -> None:
        notes = grid.notes.compress(grid.notes["pitch"] < FIRST_DRUM)
        self._grid = grid
        self._starts = grid.bar_starts()
        self._pitch_class = notes["pitch"] % N_PITCH_CLASSES
        self._begins = onsets(grid, notes, self._starts)
        self._ends = self._begins + DURATION_TICKS[notes["duration"]]
        self._scales = by_bar(scale)
        self._is_of_scale = _made_of(range(N_PITCH_CLASSES))
        self._sounding: int | None = None
        self._due: list[tuple[Position, NDArray[np.float64]]] = []

    def begin_bar(self, bar: int) -> None:
        """Make ready for a bar of the piece."""
        written = self._grid.chords[self._grid.chords["bar"] < bar]
        if self._sounding is None and len(written):
            last = written[-1]
            self._sounding = _CANDIDATES.index(Chord(int(last["root"]), int(last["quality"])))
        self._is_of_scale = _made_of(_classes(value_at(self._scales, bar)))
        metre = int(self._grid.bars["time_signature"][bar])
        beat_ticks = int(BEAT_TICKS_OF[metre])
        pulse = 3 * beat_ticks if is_compound(metre) else beat_ticks
        n_pulses = int(BAR_TICKS_OF[metre]) // pulse
        middle = [n_pulses // 2 * pulse] if n_pulses % 2 == 0 else []
        self._due = []
        for begin, end in pairwise([0, *middle, n_pulses * pulse]):
            fits = self._fits(int(self._starts[bar]) + begin, end - begin, pulse)
            if fits.any():
                self._due.append((divmod(begin, beat_ticks), fits))

    def limits(
        self,
        sentence: Sentence,  # noqa: ARG002 (as `Keeper` has them)
        *,
        may_add: bool,
        must_play: Iterable[Sequence[int]],  # noqa: ARG002 (as `Keeper` has them)
    ) -> Limits:
        """Return what may be chosen next: a chord, or the bar's end."""
        if not self._due or not may_add:
            return _ONLY_BAR
        at_once = [
            place
            for place, fits in self._due
            if self._sounding is None or not fits[self._sounding]
        ]
        return Limits(
            kinds=_CHORD if at_once else _CHORD_OR_BAR,
            earliest=self._due[0][0],
            latest=at_once[0] if at_once else self._due[-1][0],
        )

    def settle(self, event: Events, sentence: Sentence) -> tuple[Events, bool]:  # noqa: ARG002 (as `Keeper` has them)
        """Put a chosen chord right; return what is said, and whether it is another chord."""
        n_past = sum(place <= (int(event[1]), int(event[2])) for place, _ in self._due)
        place, fits = self._due[n_past - 1]
        self._due = self._due[n_past:]
        chosen = Chord(int(event[3]), int(event[4]))
        n_apart = (_TONES ^ _tones(chosen)).sum(axis=1)
        number = int(np.argmin(np.where(fits > 0, n_apart - fits, np.inf)))
        chord, bass = _CANDIDATES[number], int(event[5])
        keeps_bass = chord == chosen and (chord.root + bass) % N_PITCH_CLASSES in (
            chord_pitch_classes(chord)
        )
        said = event.copy()
        said[1:6] = (*place, chord.root, chord.quality, bass if keeps_bass else 0)
        is_other = number != self._sounding
        self._sounding = number
        return said, is_other

    def _fits(self, begin: int, ticks: int, pulse: int) -> NDArray[np.float64]:
        """Return the share of each candidate in what sounds, 0-1; 0 for those that do not fit.

        All are 0 where nothing sounds.
        """
        end = begin + ticks
        held = np.minimum(self._ends, end) - np.maximum(self._begins, begin)
        is_strong = (self._begins <= begin) | ((self._begins - begin) % pulse == 0)
        weights = np.bincount(
            self._pitch_class,
            np.maximum(held, 0) * np.where(is_strong, STRONG_WEIGHT, 1.0),
            minlength=N_PITCH_CLASSES,
        )
        if not weights.any():
            return np.zeros(len(_CANDIDATES))
        shares = _TONES @ weights / weights.sum()
        fits = shares >= LEAST_FIT * shares.max()
        if (fits & self._is_of_scale).any():
            fits &= self._is_of_scale
        return np.where(fits, shares, 0.0)


def _made_of(classes: Sequence[int]) -> NDArray[np.bool_]:
    """Return which candidates have no tone but these, (candidates,)."""
    is_beside = ~np.isin(range(N_PITCH_CLASSES), classes)
    return np.asarray(~(_TONES & is_beside).any(axis=1))


def _classes(scale: Scale | None) -> list[int]:
    if scale is None:
        return list(range(N_PITCH_CLASSES))
    raised = [(scale.tonic + _LEADING_TONE) % N_PITCH_CLASSES] if scale.name == "minor" else []
    return [*scale.pitch_classes, *raised]


# ------------------------------------------------------------- what chords look like


def chart_of(score: Score) -> Chart:
    """Return the chords of a score as a chart, with `N.C.` before the first.

    The chords of a bar stand there as often as their shares of it say.
    """
    chords, starts = score.chords, bar_starts(score)
    bars = []
    for start, end in pairwise(starts.tolist()):
        inside = chords["onset"][(chords["onset"] > start) & (chords["onset"] < end)]
        share = math.gcd(end - start, *(inside - start).tolist())
        bars.append(tuple(_chord_at(chords, at) for at in range(start, end, share)))
    return Chart(tuple(bars))


def block_chords(score: Score, part: int) -> Table:
    """Return notes of `part` that play the chords of a score, struck anew in each bar.

    Each chord is in close position, in the inversion that is nearest to the one before.

    Returns:
        Structured array of `NOTE_DTYPE`.
    """
    changes, starts = score.chords["onset"], bar_starts(score)
    strikes = np.union1d(changes, starts[starts > changes.min(initial=0)])
    strikes = strikes[strikes < starts[-1]].astype(np.int64)
    velocity = max(round(SOFTER * float(np.median(score.notes["velocity"]))), 1)
    rows: list[tuple[int, ...]] = []
    before: list[int] = []
    for onset, end in pairwise([*strikes.tolist(), int(starts[-1])]):
        chord = _chord_at(score.chords, onset)
        if chord.root != NO_CHORD:
            before = _voiced(chord, before)
            rows += [(onset, end - onset, pitch, velocity, part) for pitch in before]
    return table(NOTE_DTYPE, rows)


def _chord_at(chords: Table, tick: int) -> Chord:
    number = int(np.searchsorted(chords["onset"], tick, side="right")) - 1
    if number < 0:
        return Chord(NO_CHORD)
    return Chord(*(int(chords[name][number]) for name in ("root", "quality", "bass")))


def _voiced(chord: Chord, before: list[int]) -> list[int]:
    """Return the inversion of a chord nearest to pitches before; to its root position first."""
    tones = sorted(
        LOWEST_VOICE + (tone - LOWEST_VOICE) % N_PITCH_CLASSES
        for tone in chord_pitch_classes(chord)
    )
    inversions = [
        [*tones[n:], *(pitch + N_PITCH_CLASSES for pitch in tones[:n])]
        for n in range(len(tones))
    ]
    if not before:
        (root,) = (voices for voices in inversions if voices[0] % N_PITCH_CLASSES == chord.root)
        return root

    def way(voices: list[int]) -> int:
        return sum(min(abs(pitch - old) for old in before) for pitch in voices)

    return min(inversions, key=way)
