"""The grammar: which kind of event may follow, and which values its attributes may take.

A `Sentence` is what has been said so far, as far as it matters; `advance` says one more
event or refuses it; `choices` tells all events that may come next, as a small automaton: for
each slot a table of states, and for each state which values are allowed and to which state of
the next slot a value leads. Masks that depend on what was just decided (no pitch of a given
note twice, no position before the last one) fit in it, and so the network's attribute chain can
run in one piece. A value that leads nowhere is itself forbidden, so no choice is a dead end.

`START` and `GIVEN` are written by whoever asks, never chosen: `advance` knows them, `choices`
does not.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.errors import TokenError
from sideman.score.harmony import NO_CHORD, QUALITIES
from sideman.tokens.vocabulary import (
    AHEAD,
    ATTRIBUTES,
    BEAT_TICKS_OF,
    FIRST_DRUM,
    FIRST_KIT,
    HELD,
    LARGEST_VALUES,
    MAX_NUMERATOR,
    N_PARTS,
    N_SLOTS,
    NUMERATOR_OF,
    PROGRAM,
    UNSPECIFIED,
    Events,
    Extent,
    Kind,
    Vocabulary,
)

SLOT_SIZES = Vocabulary().slot_sizes
_OFFSETS = Vocabulary().slot_offsets
_LARGEST: list[list[int]] = LARGEST_VALUES.tolist()
_IS_DRUM_PITCH = np.arange(2 * FIRST_DRUM) >= FIRST_DRUM

Position = tuple[int, int]
"""Beat and tick in beat."""

GivenNote = tuple[int, int, int, int]
"""Beat, tick, part and pitch."""


class Section(IntEnum):
    """Where in the sentence we are."""

    EMPTY = 0
    HEAD = 1
    BAR = 2
    GIVENS = 3
    BODY = 4
    ENDED = 5


@dataclass(frozen=True, slots=True)
class Sentence:
    """What has been said so far, as far as it matters for what may come.

    Attributes:
        section: Where we are.
        programs: Program value of each declared part.
        bar: Number of the bar we are in; -1 before the first.
        metre: Time signature value of the bar.
        last: What the last event of this section is ordered by.
        given: For each bar that is not over, its given notes.
        may_end: False for a fragment.
    """

    section: Section = Section.EMPTY
    programs: tuple[int, ...] = ()
    bar: int = -1
    metre: int = 0
    last: tuple[int, ...] = ()
    given: Mapping[int, frozenset[GivenNote]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    may_end: bool = False

    @property
    def position(self) -> Position:
        """Beat and tick of the last note or chord of this bar; (0, 0) before any."""
        return (self.last[0], self.last[1]) if self.section is Section.BODY else (0, 0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the asker allows beyond the grammar; a None allows everything.

    Attributes:
        kinds: Kinds that may be chosen, shape (kinds,).
        parts: Parts that may play, shape (N_PARTS,).
        pitches: Pitch values each part may play, shape (N_PARTS, pitches).
        durations: Duration values allowed, shape (durations,).
        time_signatures: Time signature values of new bars, shape (time signatures,).
        tempos: Tempo bins of new bars, shape (tempos,).
        earliest: First position in this bar that may be written.
    """

    kinds: NDArray[np.bool_] | None = None
    parts: NDArray[np.bool_] | None = None
    pitches: NDArray[np.bool_] | None = None
    durations: NDArray[np.bool_] | None = None
    time_signatures: NDArray[np.bool_] | None = None
    tempos: NDArray[np.bool_] | None = None
    earliest: Position = (0, 0)


@dataclass(frozen=True, slots=True)
class Choices:
    """All events that may come next, as an automaton over the slots.

    State 0 of every slot but the first means "this kind has no such attribute": only value 0,
    which says nothing. The first slot has one state.

    Attributes:
        allowed: For each slot (states, slot size): True where a value may be chosen.
        follow: For each slot but the last (states, slot size): state of the next slot.
    """

    allowed: tuple[NDArray[np.bool_], ...]
    follow: tuple[NDArray[np.int64], ...]


def sentence_of(events: Events) -> Sentence:
    """Return the sentence that events amount to.

    Raises:
        TokenError: If they break the grammar; it says where and why.
    """
    sentence, index = Sentence(), 0
    try:
        for index, event in enumerate(events):  # noqa: B007 (the message names it)
            sentence = advance(sentence, event)
    except TokenError as error:
        msg = f"event {index}: {error}"
        raise TokenError(msg) from error
    return sentence


def advance(sentence: Sentence, event: Events) -> Sentence:
    """Return the sentence with one more event, a row (N_COLUMNS,).

    Raises:
        TokenError: If the event may not stand here.
    """
    row = event.tolist()
    kind = _kind_of(row)
    if kind not in _FOLLOWS[sentence.section]:
        msg = f"{kind.name} may not follow in section {sentence.section.name}"
        raise TokenError(msg)
    return _ADVANCE[kind](sentence, row)


_FOLLOWS = {
    Section.EMPTY: {Kind.START},
    Section.HEAD: {Kind.PART, Kind.BAR},
    Section.BAR: {Kind.PART, Kind.GIVEN, Kind.CHORD, Kind.NOTE, Kind.BAR, Kind.END},
    Section.GIVENS: {Kind.GIVEN, Kind.CHORD, Kind.NOTE, Kind.BAR, Kind.END},
    Section.BODY: {Kind.CHORD, Kind.NOTE, Kind.BAR, Kind.END},
    Section.ENDED: set[Kind](),
}


def _kind_of(row: list[int]) -> Kind:
    """Return the kind of an event whose values are all in the vocabulary."""
    if not 0 <= row[0] < len(Kind):
        msg = f"the event has kind {row[0]}; there are {len(Kind)}"
        raise TokenError(msg)
    kind, largest = Kind(row[0]), _LARGEST[row[0]]
    for column, value in enumerate(row):
        if not 0 <= value <= largest[column]:
            msg = (
                f"column {column} of the {kind.name} is {value}; "
                f"it must be at most {largest[column]}"
            )
            raise TokenError(msg)
    return kind


def _start(sentence: Sentence, row: list[int]) -> Sentence:
    may_end = row[4] in (Extent.WHOLE, Extent.ENDING)
    return replace(sentence, section=Section.HEAD, last=(-1,), may_end=may_end)


def _part(sentence: Sentence, row: list[int]) -> Sentence:
    part, program = row[1], row[2]
    if part > len(sentence.programs):
        msg = f"part {part} is declared; the next new number is {len(sentence.programs)}"
        raise TokenError(msg)
    if part < len(sentence.programs) and program != sentence.programs[part]:
        msg = f"part {part} changes its program to {program}; only its controls may change"
        raise TokenError(msg)
    last = _later(sentence, (part,), {Section.HEAD, Section.BAR})
    programs = (*sentence.programs[:part], program, *sentence.programs[part + 1 :])
    return replace(sentence, programs=programs, last=last)


def _bar(sentence: Sentence, row: list[int]) -> Sentence:
    if not sentence.programs:
        msg = "a BAR stands before the first PART"
        raise TokenError(msg)
    bar, metre = sentence.bar + 1, row[1]
    given = {b: notes for b, notes in sentence.given.items() if b >= bar}
    if not _fits(given.get(bar, frozenset()), metre):
        msg = f"the metre of bar {bar} has no room for a note given ahead of it"
        raise TokenError(msg)
    return replace(
        sentence,
        section=Section.BAR,
        bar=bar,
        metre=metre,
        last=(-1,),
        given=MappingProxyType(given),
    )


def _given(sentence: Sentence, row: list[int]) -> Sentence:
    beat, tick, part, pitch, ahead = row[1], row[2], row[3], row[4], row[AHEAD]
    _check_note(sentence, row)
    if ahead == 0 and not _fits(((beat, tick, part, pitch),), sentence.metre):
        msg = f"a given note lies at beat {beat}, tick {tick}, behind the end of the bar"
        raise TokenError(msg)
    last = _later(sentence, (ahead, beat, tick, part, pitch), {Section.GIVENS})
    bar = sentence.bar + ahead
    known, note = sentence.given.get(bar, frozenset()), (beat, tick, part, pitch)
    if note in known:
        msg = f"the note at beat {beat}, tick {tick}, part {part}, pitch {pitch} is given twice"
        raise TokenError(msg)
    given = MappingProxyType({**sentence.given, bar: known | {note}})
    return replace(sentence, section=Section.GIVENS, last=last, given=given)


def _chord(sentence: Sentence, row: list[int]) -> Sentence:
    _check_position(sentence, row)
    last = _later(sentence, (row[1], row[2], 0, 0, 0), {Section.BODY})
    return replace(sentence, section=Section.BODY, last=last)


def _note(sentence: Sentence, row: list[int]) -> Sentence:
    beat, tick, part, pitch = row[1:5]
    _check_position(sentence, row)
    _check_note(sentence, row)
    if (beat, tick, part, pitch) in sentence.given.get(sentence.bar, ()):
        msg = (
            f"the note at beat {beat}, tick {tick}, part {part}, pitch {pitch} is given already"
        )
        raise TokenError(msg)
    last = _later(sentence, (beat, tick, 1, part, pitch), {Section.BODY})
    return replace(sentence, section=Section.BODY, last=last)


def _end(sentence: Sentence, row: list[int]) -> Sentence:  # noqa: ARG001 (one of a family)
    if not _may_end(sentence):
        msg = "END stands in a fragment, or before the bars of all given notes"
        raise TokenError(msg)
    return replace(sentence, section=Section.ENDED)


_ADVANCE = {
    Kind.START: _start,
    Kind.PART: _part,
    Kind.BAR: _bar,
    Kind.GIVEN: _given,
    Kind.CHORD: _chord,
    Kind.NOTE: _note,
    Kind.END: _end,
}


def _later(sentence: Sentence, key: tuple[int, ...], sections: set[Section]) -> tuple[int, ...]:
    """Return `key` if it comes after the last event, should that be of one of `sections`."""
    if sentence.section in sections and key <= sentence.last:
        msg = f"an event ordered by {key} stands after one by {sentence.last}"
        raise TokenError(msg)
    return key


def _may_end(sentence: Sentence) -> bool:
    return sentence.may_end and all(bar <= sentence.bar for bar in sentence.given)


def _fits(notes: Collection[GivenNote], metre: int) -> bool:
    return all(
        beat < NUMERATOR_OF[metre] and tick < BEAT_TICKS_OF[metre] for beat, tick, _, _ in notes
    )


def _check_position(sentence: Sentence, row: list[int]) -> None:
    beat, tick = row[1], row[2]
    if beat >= NUMERATOR_OF[sentence.metre] or tick >= BEAT_TICKS_OF[sentence.metre]:
        msg = f"beat {beat}, tick {tick} lies behind the end of the bar"
        raise TokenError(msg)


def _check_note(sentence: Sentence, row: list[int]) -> None:
    part, pitch = row[3], row[4]
    if part >= len(sentence.programs):
        msg = f"a note names part {part}; {len(sentence.programs)} parts are declared"
        raise TokenError(msg)
    program = sentence.programs[part]
    if row[PROGRAM] != program:
        msg = f"a note of part {part} says program {row[PROGRAM]}; the part has {program}"
        raise TokenError(msg)
    if (pitch >= FIRST_DRUM) != (program >= FIRST_KIT):
        msg = f"pitch value {pitch} does not go with program {program} of part {part}"
        raise TokenError(msg)


# --------------------------------------------------------------------- choices
#
# While they are collected, the states of a slot are rows of leads: for each value the state of
# the next slot, or FORBIDDEN. States that are the same for every sentence come first.

FORBIDDEN = -1

_SIZES = {attribute.name: attribute.size for attribute in ATTRIBUTES}

NOTHING = 0
"""State of a slot that the kind does not have: its one value says nothing."""

_REGISTER, _VELOCITY = 1, 2
_POLYPHONY, _ANY_BASS, _NO_BASS, _DURATION = 1, 2, 3, 4
_DENSITY, _QUALITY, _NO_QUALITY = 1, 2, 3
_ROLE, _ROOT = 1, 2
_NEW_PROGRAM, _TEMPO = 1, 2
"""Numbers of the states that are always there, from slot 6 to slot 2; see `_fixed_states`."""

Leads = NDArray[np.int64]


def _row(slot: int, kind: Kind, leads: ArrayLike) -> Leads:
    """Return a state, (slot size,): where the values of a kind's attribute lead.

    Args:
        slot: The slot.
        kind: The kind whose attribute it is.
        leads: For its values from 0 on the state each leads to, or `FORBIDDEN`.
    """
    row = np.full(SLOT_SIZES[slot], FORBIDDEN, np.int64)
    start = _OFFSETS[kind, slot]
    row[start : start + np.size(leads)] = leads
    return row


def _fixed_states() -> tuple[Leads, ...]:
    """Return the states that do not depend on the sentence, for each slot (states, size)."""

    def all_to(attribute: str, state: int) -> Leads:
        return np.full(_SIZES[attribute], state, np.int64)

    part, chord, note, bar = Kind.PART, Kind.CHORD, Kind.NOTE, Kind.BAR
    roots = all_to("root", _QUALITY)
    roots[NO_CHORD] = _NO_QUALITY
    velocities, durations = all_to("velocity", NOTHING), all_to("duration", _VELOCITY)
    velocities[UNSPECIFIED], durations[HELD] = FORBIDDEN, FORBIDDEN
    rows: tuple[list[Leads], ...] = (
        [],
        [],
        [_row(2, part, all_to("program", _ROLE)), _row(2, bar, all_to("tempo", NOTHING))],
        [_row(3, part, all_to("role", _DENSITY)), _row(3, chord, roots)],
        [
            _row(4, part, all_to("density", _POLYPHONY)),
            _row(4, chord, np.full(len(QUALITIES), _ANY_BASS)),
            _row(4, chord, [_NO_BASS]),
        ],
        [
            _row(5, part, all_to("polyphony", _REGISTER)),
            _row(5, chord, all_to("bass", NOTHING)),
            _row(5, chord, [NOTHING]),
            _row(5, note, durations),
        ],
        [_row(6, part, all_to("register", NOTHING)), _row(6, note, velocities)],
    )
    nothing = [np.where(np.arange(size) == 0, NOTHING, FORBIDDEN) for size in SLOT_SIZES]
    return tuple(np.stack([first, *more]) for first, more in zip(nothing, rows, strict=True))


_FIXED = _fixed_states()


class _Slot:
    """The states of one slot while they are collected."""

    def __init__(self, slot: int) -> None:
        self._slot = slot
        self._blocks = [_FIXED[slot]]
        self._n_states = len(_FIXED[slot])

    def add(self, kind: Kind, leads: ArrayLike) -> int:
        """Add a state, as in `_row`; return its number, `FORBIDDEN` if no value is left."""
        row = _row(self._slot, kind, leads)
        if row.max() < 0:
            return FORBIDDEN
        return self.add_block(row[None])

    def add_block(self, rows: Leads) -> int:
        """Add states (n, slot size); return the number of the first."""
        first = self._n_states
        self._blocks.append(rows)
        self._n_states += len(rows)
        return first

    def tables(self) -> tuple[NDArray[np.bool_], Leads]:
        """Return what is allowed and where it leads, both (states, slot size)."""
        if len(self._blocks) == 1:
            return _FIXED_TABLES[self._slot]
        return _tables(np.concatenate(self._blocks))


def _tables(leads: Leads) -> tuple[NDArray[np.bool_], Leads]:
    return leads >= 0, np.maximum(leads, NOTHING)


_FIXED_TABLES = tuple(_tables(leads) for leads in _FIXED)


def choices(sentence: Sentence, limits: Limits | None = None) -> Choices:
    """Return all events that may follow `sentence` within `limits`.

    The arrays are shared between calls: they are for reading.

    Raises:
        TokenError: If there is none: the sentence has ended, or the limits leave nothing.
    """
    limits = limits or _NO_LIMITS
    slots = [_Slot(slot) for slot in range(N_SLOTS)]
    entry = np.full((1, len(Kind)), FORBIDDEN, np.int64)
    for kind in _FOLLOWS[sentence.section] & _CHOICES.keys():
        if limits.kinds is None or limits.kinds[kind]:
            entry[0, kind] = _CHOICES[kind](sentence, limits, slots)
    if entry.max() < 0:
        msg = (
            f"nothing may follow in section {sentence.section.name}; the limits leave no event"
        )
        raise TokenError(msg)
    allowed, follow = zip(_tables(entry), *(slot.tables() for slot in slots[1:]), strict=True)
    return Choices(allowed=allowed, follow=follow[:-1])


_NO_LIMITS = Limits()


def _part_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:  # noqa: ARG001 (one of a family)
    """Any later part may change its controls; a new one gets the next number."""
    leads = np.full(N_PARTS, FORBIDDEN)
    for part in range(sentence.last[0] + 1, min(len(sentence.programs) + 1, N_PARTS)):
        leads[part] = _NEW_PROGRAM
        if part < len(sentence.programs):
            same = np.arange(_SIZES["program"]) == sentence.programs[part]
            leads[part] = slots[2].add(Kind.PART, np.where(same, _ROLE, FORBIDDEN))
    return slots[1].add(Kind.PART, leads)


def _bar_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:
    if not sentence.programs:
        return FORBIDDEN
    tempo = _TEMPO
    if limits.tempos is not None:
        tempo = slots[2].add(Kind.BAR, np.where(limits.tempos, NOTHING, FORBIDDEN))
    metres = _ALL_METRES if limits.time_signatures is None else limits.time_signatures
    pending = sentence.given.get(sentence.bar + 1)
    if pending:
        beats = max(beat for beat, _, _, _ in pending)
        ticks = max(tick for _, tick, _, _ in pending)
        metres = metres & (beats < NUMERATOR_OF) & (ticks < BEAT_TICKS_OF)
    return slots[1].add(Kind.BAR, np.where(metres, tempo, FORBIDDEN))


_ALL_METRES = np.ones(_SIZES["time_signature"], bool)


def _chord_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:
    first = sentence.position
    if sentence.section is Section.BODY:  # a chord stands before the notes it begins with
        first = (first[0], first[1] + 1)
    first = max(first, limits.earliest)
    return _position_choices(Kind.CHORD, sentence.metre, first, {ANYWHERE: _ROOT}, slots)


def _end_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:  # noqa: ARG001 (one of a family)
    return NOTHING if _may_end(sentence) else FORBIDDEN


def _note_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:
    duration = _DURATION
    if limits.durations is not None:
        allowed = limits.durations & (np.arange(_SIZES["duration"]) != HELD)
        duration = slots[5].add(Kind.NOTE, np.where(allowed, _VELOCITY, FORBIDDEN))
    pitches = np.where(_allowed_pitches(sentence.programs, limits), duration, FORBIDDEN)
    n_parts = len(pitches)
    rows = np.full((n_parts, SLOT_SIZES[4]), FORBIDDEN, np.int64)
    rows[:, _OFFSETS[Kind.NOTE, 4] :][:, : pitches.shape[1]] = pitches
    first_row = slots[4].add_block(rows)
    parts = np.where(pitches.max(axis=1) >= 0, np.arange(first_row, first_row + n_parts), -1)
    first = max(sentence.position, limits.earliest)
    leads = {ANYWHERE: slots[3].add(Kind.NOTE, parts)}
    for place, taken in _taken(sentence, first).items():
        last_note = _last_note(sentence) if place == sentence.position else None
        left = _parts_left(taken, last_note, pitches, parts, slots[4])
        leads[place] = slots[3].add(Kind.NOTE, left)
    return _position_choices(Kind.NOTE, sentence.metre, first, leads, slots)


_CHOICES = {
    Kind.PART: _part_choices,
    Kind.BAR: _bar_choices,
    Kind.CHORD: _chord_choices,
    Kind.NOTE: _note_choices,
    Kind.END: _end_choices,
}


@lru_cache(maxsize=64)
def _pitches_of(programs: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pitch values parts of these programs play, shape (parts, pitches)."""
    is_drum = np.array(programs) >= FIRST_KIT
    return np.asarray(is_drum[:, None] == _IS_DRUM_PITCH)


def _allowed_pitches(programs: tuple[int, ...], limits: Limits) -> NDArray[np.bool_]:
    """Return which pitch values each declared part may play, shape (parts, pitches)."""
    pitches = _pitches_of(programs)
    if limits.pitches is not None:
        pitches = pitches & limits.pitches[: len(pitches)]
    if limits.parts is not None:
        pitches = pitches & limits.parts[: len(pitches), None]
    return pitches


def _taken(sentence: Sentence, first: Position) -> dict[Position, list[tuple[int, int]]]:
    """Return the places from `first` on where not every note may be written.

    Returns:
        For each the parts and pitches of the notes given there.
    """
    taken: dict[Position, list[tuple[int, int]]] = {}
    for beat, tick, part, pitch in sentence.given.get(sentence.bar, ()):
        if (beat, tick) >= first:
            taken.setdefault((beat, tick), []).append((part, pitch))
    if _last_note(sentence) is not None and sentence.position == first:
        taken.setdefault(first, [])
    return taken


def _last_note(sentence: Sentence) -> tuple[int, int] | None:
    """Return part and pitch of the last event, if that is a note of this bar."""
    if sentence.section is not Section.BODY:
        return None
    _, _, is_note, part, pitch = sentence.last
    return (part, pitch) if is_note else None


def _parts_left(
    taken: list[tuple[int, int]],
    last_note: tuple[int, int] | None,
    pitches: Leads,
    parts: Leads,
    pitch_slot: _Slot,
) -> Leads:
    """Return where parts lead at a place where some notes are given or come too early.

    Args:
        taken: Parts and pitches of the notes given there.
        last_note: Part and pitch of the note that was the last event, if it lies there.
        pitches: Where the pitches of each part lead elsewhere, (parts, pitches).
        parts: Where the parts lead elsewhere, (parts,).
        pitch_slot: To add states to.
    """
    left = parts.copy()
    part, pitch = last_note or (0, -1)
    left[:part] = FORBIDDEN
    changed = {number for number, _ in taken} | ({part} if last_note else set())
    for number in changed:
        if left[number] < 0:
            continue
        row = pitches[number].copy()
        if number == part:
            row[: pitch + 1] = FORBIDDEN
        row[[other for owner, other in taken if owner == number]] = FORBIDDEN
        left[number] = pitch_slot.add(Kind.NOTE, row)
    return left


ANYWHERE = (-1, -1)
"""Stands for every place that is not named."""


def _position_choices(
    kind: Kind,
    metre: int,
    first: Position,
    leads: Mapping[Position, int],
    slots: list[_Slot],
) -> int:
    """Add states for beats and ticks from `first` on.

    A place leads where `leads` says, or else as `ANYWHERE` does; beats without a place of
    their own share a state.
    """
    n_beats, n_ticks = int(NUMERATOR_OF[metre]), int(BEAT_TICKS_OF[metre])
    any_tick = np.full(n_ticks, leads[ANYWHERE])
    beats = np.full(MAX_NUMERATOR, FORBIDDEN)
    beats[first[0] : n_beats] = slots[2].add(kind, any_tick)
    for beat in {first[0], *(beat for beat, _ in leads)}:
        if not first[0] <= beat < n_beats:
            continue
        ticks = any_tick.copy()
        for place, state in leads.items():
            if place[0] == beat:
                ticks[place[1]] = state
        if beat == first[0]:
            ticks[: first[1]] = FORBIDDEN
        beats[beat] = slots[2].add(kind, ticks)
    return slots[1].add(kind, beats)
