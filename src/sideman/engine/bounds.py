"""Bounds: what written notes are held to, whatever the model would rather do.

What can be is a mask over the model's choices, so that a bound costs nothing in sense: pitches,
places, lengths, velocities, who may play. What depends on a note that is just chosen, such as
how long it may ring, is put right before it is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sideman.engine.course import Course, by_bar, value_at
from sideman.engine.parts import PartWish
from sideman.engine.pitches import Scale, pitch_mask
from sideman.engine.rhythm import length_mask, rhythm_mask
from sideman.errors import TokenError
from sideman.score.general_midi import PITCH_RANGES
from sideman.score.harmony import N_PITCH_CLASSES, NO_CHORD, Chord, chord_pitch_classes
from sideman.score.types import MAX_DATA_BYTE
from sideman.tokens.choices import Limits, choices, must_add
from sideman.tokens.grammar import Position, Sentence
from sideman.tokens.grid import Grid, onsets
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    DURATION,
    DURATION_TICKS,
    FIRST_DRUM,
    FIRST_KIT,
    MAX_DURATION,
    N_PARTS,
    N_VELOCITIES,
    UNSPECIFIED,
    Events,
    Kind,
    Role,
    bin_to_velocity,
    velocity_to_bin,
)

RANGE_MARGIN = 5
"""Semitones that a part may go beyond the range it has played: a fourth."""

KIT_PIECES = range(35, 60)
"""Drum pieces every kit may play: from kick to ride (General MIDI percussion key map)."""

CHORD_ROLES = frozenset({Role.BASS, Role.CHORDS, Role.PAD, Role.ARPEGGIO})
"""Roles that play nothing but chord tones where there is a chart."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """What is asked for beside the notes that are known.

    Attributes:
        parts: By number of the part what is wished of it.
        scale: The notes that pitched parts may play, throughout or from some bars of the piece
            on. None, and before the first of these bars: all.
        is_nudged: Notes beside the scale move to the nearest of it, rather than never being
            chosen.
        chart_parts: Parts that play chord tones alone where the grid has chords. None: those
            of `CHORD_ROLES`.
        rhythm: Where notes may begin, one of `sideman.engine.rhythm.RHYTHMS`.
        max_notes: Most notes that a part may have in a bar, known ones included, by bar and
            part.
    """

    parts: Mapping[int, PartWish] = field(default_factory=dict)
    scale: Course[Scale] | None = None
    is_nudged: bool = False
    chart_parts: frozenset[int] | None = None
    rhythm: str = "free"
    max_notes: Mapping[tuple[int, int], int] = field(default_factory=dict)


def playable_pitches(
    known: Grid, parts: NDArray[np.int64], is_written: NDArray[np.bool_], bounds: Bounds
) -> NDArray[np.bool_]:
    """Return which pitch values each part may play, shape (N_PARTS, pitches).

    A pitched part keeps to the range that is wished; else to what it has played and
    `RANGE_MARGIN` semitones beyond; else to what its instrument can play. Drums keep to the
    pieces they have played and those of `KIT_PIECES`.

    Args:
        known: The piece without what has been written: a range must not grow by itself.
        parts: For each part that is heard, its number in the piece.
        is_written: Which of these are written; the others may play nothing.
        bounds: What is asked for.
    """
    allowed = np.zeros((len(parts), 2 * FIRST_DRUM), bool)
    for number in np.flatnonzero(is_written).tolist():
        part = int(parts[number])
        wish = bounds.parts.get(part)
        played = known.notes["pitch"][known.notes["part"] == part].astype(np.int64)
        program = int(known.programs[part])
        if program >= FIRST_KIT:
            allowed[number, played] = True
            allowed[number, FIRST_DRUM + np.array(KIT_PIECES)] = True
        elif wish is not None and wish.range is not None:
            allowed[number, wish.range[0] : wish.range[1] + 1] = True
        elif len(played):
            low = max(int(played.min()) - RANGE_MARGIN, 0)
            high = min(int(played.max()) + RANGE_MARGIN, MAX_DATA_BYTE)
            allowed[number, low : high + 1] = True
        else:
            low, high = PITCH_RANGES[program]
            allowed[number, low : high + 1] = True
    return _wide(allowed)


class Keeper:
    """Keeps one take within its bounds, bar by bar.

    Args:
        bounds: What is asked for.
        grid: The piece so far, known notes included.
        parts: For each part that is heard, its number in the piece.
        roles: What each of these does, as far as it is known.
        playable: What each of these may play (`playable_pitches`).
    """

    def __init__(
        self,
        bounds: Bounds,
        grid: Grid,
        parts: NDArray[np.int64],
        roles: Sequence[int],
        playable: NDArray[np.bool_],
    ) -> None:
        self._bounds = bounds
        self._grid = grid
        self._parts = parts.tolist()
        self._wishes = [bounds.parts.get(part) for part in self._parts]
        self._fewest = np.array(
            [wish.polyphony[0] if wish and wish.polyphony else 1 for wish in self._wishes]
        )
        self._playable = self._pitches = self._choosable = playable
        self._scales = by_bar(bounds.scale)
        self._scale: Scale | None = None
        self._limits = Limits(
            pitches=playable,
            durations=_durations(self._wishes),
            velocities=_velocities(self._wishes),
            at_least=_wide(self._fewest),
        )
        chart_parts = bounds.chart_parts
        self._keeps_chords = np.array(
            [
                role in CHORD_ROLES if chart_parts is None else part in chart_parts
                for part, role in zip(self._parts, roles, strict=True)
            ],
            bool,
        )
        self._counted = {
            number: _Counted(grid, self._parts[number], wish)
            for number, wish in enumerate(self._wishes)
            if wish and wish.polyphony
        }
        self._bar_start = self._bar_ticks = 0
        self._beat_ticks = 1
        self._left = np.full(len(parts), _MANY)
        self._owed = (0, 0)

    def begin_bar(self, bar: int) -> None:
        """Make ready for a bar of the piece."""
        grid = self._grid
        metre = int(grid.bars["time_signature"][bar])
        self._bar_start = int(grid.bar_starts()[bar])
        self._bar_ticks = int(BAR_TICKS_OF[metre])
        self._beat_ticks = int(BEAT_TICKS_OF[metre])
        self._owed = (0, 0)
        scale = value_at(self._scales, bar)
        if scale is not self._scale:
            self._keep_to(scale)
        known = grid.notes["part"][grid.notes["bar"] == bar]
        self._left = np.array(
            [self._most_notes(bar, part) - int((known == part).sum()) for part in self._parts]
        )
        is_free = self._bounds.rhythm == "free"
        self._limits = replace(
            self._limits,
            places=None if is_free else rhythm_mask(self._bounds.rhythm, metre),
            pitches_from=self._chord_masks(bar),
        )

    def limits(
        self, sentence: Sentence, *, may_add: bool, must_play: Iterable[Sequence[int]]
    ) -> Limits:
        """Return what may be chosen next: a note, or the bar's end.

        Args:
            sentence: What has been said.
            may_add: Notes may be added to this bar.
            must_play: Groups of parts; of the first group in which anybody can, one plays next.
        """
        part, n_notes = self._owed
        if n_notes:
            return must_add(sentence, self._limits, part=part, n_notes=n_notes)
        has_room = _wide(self._left >= self._fewest)  # for as many as are struck together
        kinds = _NOTE | _BAR if may_add else _BAR
        limits = replace(self._limits, kinds=kinds, parts=has_room)
        if self._counted:
            limits = self._with_rests(limits, sentence)
        for group in must_play if may_add else ():
            is_asked = np.isin(_PARTS, group)
            asked = replace(limits, kinds=_NOTE, parts=has_room & is_asked)
            if _leaves_something(sentence, asked):
                return asked
        return limits

    def settle(self, event: Events, sentence: Sentence) -> tuple[Events, bool]:
        """Put a chosen note right; return what is said, and whether the take keeps it."""
        event = event.copy()
        part = int(event[3])
        if not self._nudge(event, sentence):
            return event, False
        self._left[part] -= 1
        if part in self._counted:
            counted = self._counted[part]
            onset = self._bar_start + int(event[1]) * self._beat_ticks + int(event[2])
            longest = np.searchsorted(DURATION_TICKS, counted.room(onset), side="right") - 1
            event[DURATION] = min(int(event[DURATION]), int(longest))
            counted.add(onset, int(DURATION_TICKS[event[DURATION]]))
            self._owed = (part, counted.n_owed(onset))
        return event, True

    def _keep_to(self, scale: Scale | None) -> None:
        """Keep to a scale from here on."""
        self._scale = scale
        self._pitches = self._playable & _scale_mask(scale)
        # a note that moves could leave too little room for others that must sound with it
        is_nudged = _wide(self._fewest == 1) & self._pitches.any(axis=1)
        is_nudged &= self._bounds.is_nudged
        self._choosable = np.where(is_nudged[:, None], self._playable, self._pitches)
        self._limits = replace(self._limits, pitches=self._choosable)

    def _with_rests(self, limits: Limits, sentence: Sentence) -> Limits:
        """Let parts rest where there is no room for as many notes as they play at a time."""
        beat, tick = sentence.position
        at = beat * self._beat_ticks + tick
        begin, end = self._bar_start + at, self._bar_start + self._bar_ticks
        parts = np.array(list(self._counted))
        fits = np.stack([self._counted[part].fits(begin, end) for part in parts])
        first = np.where(fits.any(axis=1), fits.argmax(axis=1), fits.shape[1])
        parts_from = np.zeros((N_PARTS, 2), np.int64)
        parts_from[parts] = np.stack(np.divmod(at + first, self._beat_ticks), axis=1)
        limits = replace(limits, parts_from=parts_from)
        rests = ~fits & (np.arange(fits.shape[1]) >= first[:, None])
        if not rests.any():
            return limits
        changes = at + 1 + np.flatnonzero((rests[:, 1:] != rests[:, :-1]).any(axis=0))
        chords = {
            beat * self._beat_ticks + tick: mask for (beat, tick), mask in limits.pitches_from
        }
        mask, masks = self._choosable, []
        for place in sorted({at, *changes.tolist(), *chords}):
            mask = chords.get(place, mask)
            played = mask.copy()
            played[parts[rests[:, max(place - at, 0)]]] = False
            masks.append((divmod(place, self._beat_ticks), played))
        return replace(limits, pitches_from=tuple(masks))

    def _most_notes(self, bar: int, part: int) -> int:
        """Return how many notes a part may have in a bar, known ones included."""
        wish = self._bounds.parts.get(part)
        most = _MANY if wish is None or wish.max_notes is None else wish.max_notes
        return min(most, self._bounds.max_notes.get((bar, part), _MANY))

    def _chord_masks(self, bar: int) -> tuple[tuple[Position, NDArray[np.bool_]], ...]:
        """Return from which place in a bar on which pitches are in the chord that sounds."""
        if not self._keeps_chords.any():
            return ()
        chords = self._grid.chords
        before, until = np.searchsorted(chords["bar"], (bar, bar + 1))
        rows = [*chords[max(before - 1, 0) : before], *chords[before:until]]
        return tuple(
            (
                (0, 0) if row["bar"] < bar else (int(row["beat"]), int(row["tick"])),
                self._in_chord(row),
            )
            for row in rows
        )

    def _in_chord(self, row: np.void) -> NDArray[np.bool_]:
        """Return the pitches that each part may play over a chord, shape (N_PARTS, pitches).

        A part whose range holds no tone of the chord keeps to its own bounds.
        """
        if row["root"] == NO_CHORD:
            return self._choosable
        chord = Chord(int(row["root"]), int(row["quality"]), int(row["bass"]))
        tones = _pitched(pitch_mask(chord_pitch_classes(chord)))
        masks = self._choosable.copy()
        for part in np.flatnonzero(self._keeps_chords):
            held = self._pitches[part] & tones
            if held.any():
                masks[part] = held
        return masks

    def _nudge(self, event: Events, sentence: Sentence) -> bool:
        """Move a note's pitch to the nearest that is allowed and free; False if there is none.

        Where nothing is nudged the model has chosen none that is not allowed. Notes at one
        place are said in order of part and pitch, so it may not fall below one that was said.
        """
        place, part = (int(event[1]), int(event[2])), int(event[3])
        allowed = self._pitches[part].copy()
        if allowed[event[4]]:
            return True
        given = sentence.given.get(sentence.bar, ())
        allowed[
            [p for beat, tick, owner, p in given if (beat, tick, owner) == (*place, part)]
        ] = False
        last = sentence.last_note
        if last is not None and sentence.position == place and last[0] == part:
            allowed[: last[1] + 1] = False
        if not allowed.any():
            return False
        candidates = np.flatnonzero(allowed)
        event[4] = candidates[np.argmin(np.abs(candidates - int(event[4])))]
        return True


class _Counted:
    """A part whose notes at a time are counted: known ones, and those that are written.

    Args:
        grid: The piece so far.
        part: Number of the part in the piece.
        wish: What is wished of it, its polyphony too.
    """

    def __init__(self, grid: Grid, part: int, wish: PartWish) -> None:
        assert wish.polyphony is not None
        self._fewest, self._most = wish.polyphony
        is_allowed = length_mask(wish.lengths or (1, MAX_DURATION))
        self._shortest = int(DURATION_TICKS[is_allowed.argmax()])
        starts = grid.bar_starts()
        notes = grid.notes[grid.notes["part"] == part]
        begins = onsets(grid, notes, starts)
        ends = begins + DURATION_TICKS[notes["duration"]]
        n_ticks = int(starts[-1]) + 2 * MAX_DURATION
        self._struck = np.bincount(begins, minlength=n_ticks)
        self._sounding = np.cumsum(self._struck - np.bincount(ends, minlength=n_ticks))

    def add(self, onset: int, ticks: int) -> None:
        """Note that one more note sounds from a tick on, for so long."""
        self._struck[onset] += 1
        self._sounding[onset : onset + ticks] += 1

    def room(self, onset: int) -> int:
        """Return how many ticks one more note may ring."""
        is_full = self._sounding[onset : onset + MAX_DURATION] >= self._most
        return int(np.argmax(np.append(is_full, True)))

    def n_owed(self, onset: int) -> int:
        """Return how many notes are still to be struck at a tick."""
        return max(self._fewest - int(self._struck[onset]), 0)

    def fits(self, begin: int, end: int) -> NDArray[np.bool_]:
        """Return at which ticks there is room for as many notes as have to be struck there."""
        ahead = self._sounding[begin : end + self._shortest - 1]
        loudest = sliding_window_view(ahead, self._shortest).max(axis=1)
        n_more = np.maximum(self._fewest - self._struck[begin:end], 1)
        return np.asarray(loudest + n_more <= self._most)


def _leaves_something(sentence: Sentence, limits: Limits) -> bool:
    try:
        choices(sentence, limits)
    except TokenError:
        return False
    return True


_KINDS, _PARTS = np.arange(len(Kind)), np.arange(N_PARTS)
_NOTE, _BAR = _KINDS == Kind.NOTE, _KINDS == Kind.BAR

_MANY = 1 << 30
"""More than any count or length."""


def _wide(values: NDArray[Any]) -> NDArray[Any]:
    """Return values of the parts heard as values of all parts there could be."""
    wide = np.zeros((N_PARTS, *values.shape[1:]), values.dtype)
    wide[: len(values)] = values
    return wide


def _pitched(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask over MIDI notes as one over pitch values: drum pieces are all allowed."""
    return np.append(mask, np.ones(FIRST_DRUM, bool))


def _scale_mask(scale: Scale | None) -> NDArray[np.bool_]:
    classes = range(N_PITCH_CLASSES) if scale is None else scale.pitch_classes
    return _pitched(pitch_mask(classes))


def _durations(wishes: Sequence[PartWish | None]) -> NDArray[np.bool_] | None:
    """Return which lengths each part may have, shape (N_PARTS, durations)."""
    if not any(wish and wish.lengths for wish in wishes):
        return None
    everything = np.ones(len(DURATION_TICKS), bool)
    return _wide(
        np.stack([length_mask(w.lengths) if w and w.lengths else everything for w in wishes])
    )


def _velocities(wishes: Sequence[PartWish | None]) -> NDArray[np.bool_] | None:
    """Return how loud each part may be, shape (N_PARTS, velocities)."""
    if not any(wish and wish.velocity for wish in wishes):
        return None
    sounds = bin_to_velocity(np.arange(N_VELOCITIES))
    masks = np.ones((len(wishes), N_VELOCITIES), bool)
    for mask, wish in zip(masks, wishes, strict=True):
        if wish and wish.velocity:
            low, high = wish.velocity
            mask[:] = (sounds >= low) & (sounds <= high)
            if not mask[UNSPECIFIED + 1 :].any():  # narrower than a step: the step it lies in
                mask[velocity_to_bin(low)] = True
    masks[:, UNSPECIFIED] = False
    return _wide(masks)
