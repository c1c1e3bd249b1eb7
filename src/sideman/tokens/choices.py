"""The choices: all events that may come next, and what the asker allows of them.

`choices` tells them as a small automaton: for each slot a table of states, and for each state
which values are allowed and to which state of the next slot a value leads. Masks that depend on
what was just decided (no pitch of a given note twice, no position before the last one) fit in
it, and so the network's attribute chain can run in one piece. A value that leads nowhere is
itself forbidden, so no choice is a dead end: limits on notes that leave no note leave the bar
line, or whatever else may follow.

`START` and `GIVEN` are written by whoever asks, never chosen: `advance` knows them, `choices`
does not.

In here a place is the number of a tick in its bar: `beat` times ticks in a beat, plus `tick`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.errors import TokenError
from sideman.score.harmony import NO_CHORD, QUALITIES
from sideman.tokens.grammar import FOLLOWS, GivenNote, Position, Section, Sentence
from sideman.tokens.vocabulary import (
    ATTRIBUTES,
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    FIRST_DRUM,
    FIRST_KIT,
    HELD,
    MAX_NUMERATOR,
    N_PARTS,
    NUMERATOR_OF,
    UNSPECIFIED,
    Kind,
    Vocabulary,
)

SLOT_SIZES = Vocabulary().slot_sizes
_OFFSETS = Vocabulary().slot_offsets
_SIZES = {attribute.name: attribute.size for attribute in ATTRIBUTES}

Mask = NDArray[np.bool_]
"""True where something is allowed."""

Leads = NDArray[np.int64]
"""States of the next slot that values lead to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the asker allows of the next event, beyond the grammar.

    A None allows everything. Positions, beat and tick, are those of the bar that the next event
    stands in; they may lie behind its end. What follows from an array is kept for later calls:
    make another rather than change one.

    Attributes:
        kinds: Kinds that may be chosen, shape (kinds,).
        parts: Parts that may play, shape (N_PARTS,).
        parts_from: First position at which each part may begin a note, shape (N_PARTS, 2).
        pitches: Pitch values each part may play, shape (N_PARTS, pitches).
        pitches_from: In order, positions and the pitch values allowed from each on until the
            next, shape (N_PARTS, pitches); what `pitches` forbids stays forbidden.
        at_least: How many notes each part plays where it plays, shape (N_PARTS,): its first
            note at a position leaves room for the others above it. Notes given there count.
            `must_add` is how to have the others played.
        durations: Duration values of all parts, shape (durations,), or of each,
            shape (N_PARTS, durations).
        velocities: Velocity values of all parts, shape (velocities,), or of each,
            shape (N_PARTS, velocities).
        earliest: First position at which a note or chord may begin.
        latest: Last position at which a note or chord may begin.
        places: Where in the bar notes may begin, shape (beats, ticks in a beat); chords may
            anywhere.
        time_signatures: Time signature values of new bars, shape (time signatures,).
        tempos: Tempo bins of new bars, shape (tempos,).
    """

    kinds: Mask | None = None
    parts: Mask | None = None
    parts_from: NDArray[np.int64] | None = None
    pitches: Mask | None = None
    pitches_from: tuple[tuple[Position, Mask], ...] = ()
    at_least: NDArray[np.int64] | None = None
    durations: Mask | None = None
    velocities: Mask | None = None
    earliest: Position = (0, 0)
    latest: Position | None = None
    places: Mask | None = None
    time_signatures: Mask | None = None
    tempos: Mask | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """All events that may come next, as an automaton over the slots.

    State 0 of every slot but the first means "this kind has no such attribute": only value 0,
    which says nothing. The first slot has a state for each sentence that was asked about.

    Attributes:
        allowed: For each slot (states, slot size): True where a value may be chosen.
        follow: For each slot but the last (states, slot size): state of the next slot;
            negative where a value may not be chosen.
    """

    allowed: tuple[Mask, ...]
    follow: tuple[NDArray[np.int64], ...]


def must_add(sentence: Sentence, limits: Limits, *, part: int, n_notes: int) -> Limits:
    """Return the limits of the next event if a part has to play more notes at this position.

    The next event is then a note of this part at the sentence's position, so low that the
    others have room above it: asking for one less each time never comes to a dead end, if the
    limits of what it plays stay the same. Those of when it plays are lifted: it plays already.
    The first note leaves room for the others if `at_least` asked for it.

    Args:
        sentence: What has been said.
        limits: What is allowed anyway.
        part: The part.
        n_notes: How many notes it has to play yet, at least 1.
    """
    position = sentence.position
    allowed = _free_pitches(sentence, limits, part)
    pitches = np.zeros((N_PARTS, len(allowed)), bool)
    pitches[part] = _with_room(allowed, n_notes)
    return replace(
        limits,
        kinds=_ONLY_NOTES,
        parts=None,
        parts_from=None,
        pitches=pitches,
        pitches_from=(),
        at_least=None,
        earliest=position,
        latest=position,
        places=None,
    )


_ONLY_NOTES = np.arange(len(Kind)) == Kind.NOTE


def choices(sentence: Sentence, limits: Limits | None = None) -> Choices:
    """Return all events that may follow `sentence` within `limits`.

    The arrays are shared between calls: they are for reading.

    Raises:
        TokenError: If there is none: the sentence has ended, or the limits leave nothing. Or
            if the places of the limits are those of another metre.
    """
    return choices_of([sentence], [limits])


def choices_of(
    sentences: Sequence[Sentence | None], limits: Sequence[Limits | None]
) -> Choices:
    """Return all events that may follow each of several sentences: see `choices`.

    Each has its own state of the first slot, in order; states of what is alike they share. A
    sentence that is None is not asked about: its state leads to an `END`.

    Raises:
        TokenError: If there is none for one of them, as with `choices`.
    """
    slots = _Slots()
    entry = np.full((len(sentences), len(Kind)), FORBIDDEN, np.int64)
    for leads, sentence, limit in zip(entry, sentences, limits, strict=True):
        if sentence is None:
            leads[Kind.END] = NOTHING
        else:
            _begin(leads, sentence, limit or _NO_LIMITS, slots)
    return slots.choices(entry)


def _begin(leads: Leads, sentence: Sentence, limits: Limits, slots: "_Slots") -> None:
    """Fill in where the kinds lead after a sentence, (kinds,)."""
    may_follow = None if limits.kinds is None else limits.kinds.tolist()
    is_stuck = True
    for kind, choices_of_kind in _CHOICES[sentence.section]:
        if may_follow is None or may_follow[kind]:
            state = choices_of_kind(sentence, limits, slots)
            leads[kind] = state
            is_stuck = is_stuck and state == FORBIDDEN
    if is_stuck:
        msg = (
            f"nothing may follow in section {sentence.section.name}; the limits leave no event"
        )
        raise TokenError(msg)


_NO_LIMITS = Limits()


# ---------------------------------------------------------------------- states
#
# While they are collected, the states of a slot are rows of leads: for each value the state of
# the next slot, or FORBIDDEN. States that are the same for every sentence come first.

FORBIDDEN = -1

NOTHING = 0
"""State of a slot that the kind does not have: its one value says nothing."""

_REGISTER, _VELOCITY = 1, 2
_POLYPHONY, _ANY_BASS, _NO_BASS, _DURATION = 1, 2, 3, 4
_DENSITY, _QUALITY, _NO_QUALITY = 1, 2, 3
_ROLE, _ROOT = 1, 2
_NEW_PROGRAM, _TEMPO = 1, 2
_METRE = 1
"""Numbers of the states that are always there, from slot 6 to slot 1; see `_fixed_states`."""

_MAY_LAST = np.arange(_SIZES["duration"]) != HELD
_MAY_SOUND = np.arange(_SIZES["velocity"]) != UNSPECIFIED


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
    velocities = np.where(_MAY_SOUND, NOTHING, FORBIDDEN)
    durations = np.where(_MAY_LAST, _VELOCITY, FORBIDDEN)
    rows: tuple[list[Leads], ...] = (
        [],
        [_row(1, bar, all_to("time_signature", _TEMPO))],
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


_BLANK = tuple(np.full(size, FORBIDDEN, np.int64) for size in SLOT_SIZES)
_N_FIXED = tuple(len(states) for states in _FIXED)


class _Slots:
    """The states of all slots while they are collected."""

    def __init__(self) -> None:
        self._blocks: list[list[Leads]] = [[] for _ in SLOT_SIZES]
        self._n_states = list(_N_FIXED)
        self._shifts: dict[_Play, tuple[int, ...]] = {}

    def add(self, slot: int, kind: Kind, leads: Leads) -> int:
        """Add a state, as in `_row`; return its number, `FORBIDDEN` if no value is left."""
        if leads.max() < 0:
            return FORBIDDEN
        row = _BLANK[slot].copy()
        start = _STARTS[kind][slot]
        row[start : start + len(leads)] = leads
        return self._append(slot, row[None])

    def add_all(self, slot: int, kind: Kind, leads: Leads) -> NDArray[np.int64]:
        """Add states, each as with `add`: (n, values) to (n,)."""
        left = (leads.max(axis=1) >= 0).nonzero()[0]
        rows = np.full((len(left), SLOT_SIZES[slot]), FORBIDDEN, np.int64)
        start = _STARTS[kind][slot]
        rows[:, start : start + leads.shape[1]] = leads[left]
        states = np.full(len(leads), FORBIDDEN, np.int64)
        first = self._append(slot, rows)
        states[left] = np.arange(first, first + len(left))
        return states

    def add_play(self, play: "_Play") -> tuple[int, ...]:
        """Add the states of what may be played; return by how much its numbers rise."""
        if play not in self._shifts:
            shifts = tuple(
                n_states - n_fixed if len(own) else 0
                for n_states, n_fixed, own in zip(
                    self._n_states, _N_FIXED, play.rows, strict=True
                )
            )
            for slot, (own, shift) in enumerate(zip(play.rows, [*shifts[1:], 0], strict=True)):
                if len(own):
                    self._append(slot, _shifted(own, slot + 1, shift))
            self._shifts[play] = shifts
        return self._shifts[play]

    def rows(self) -> tuple[Leads, ...]:
        """Return the states that were added, for each slot (states, size)."""
        return tuple(
            np.concatenate(blocks) if blocks else _FIXED[slot][:0]
            for slot, blocks in enumerate(self._blocks)
        )

    def choices(self, entry: Leads) -> Choices:
        """Return the automaton of these states, and of first states (B, kinds)."""
        follow = [
            np.concatenate([fixed, *blocks]) if blocks else fixed
            for fixed, blocks in zip(_FIXED, self._blocks, strict=True)
        ]
        follow[0] = entry
        allowed = [
            leads >= 0 if blocks else fixed
            for leads, blocks, fixed in zip(follow, self._blocks, _FIXED_MASKS, strict=True)
        ]
        allowed[0] = entry >= 0
        return Choices(allowed=tuple(allowed), follow=tuple(follow[:-1]))

    def _append(self, slot: int, rows: Leads) -> int:
        """Add rows; return the number of the first."""
        first = self._n_states[slot]
        self._blocks[slot].append(rows)
        self._n_states[slot] = first + len(rows)
        return first


def _shifted(leads: Leads, slot: int, shift: int) -> Leads:
    """Return leads to states of a slot if those that are not fixed get higher numbers."""
    return np.where(leads >= _N_FIXED[slot], leads + shift, leads) if shift else leads


_STARTS: list[list[int]] = _OFFSETS.tolist()
_FIXED_MASKS = tuple(leads >= 0 for leads in _FIXED)


# ------------------------------------------------------------- the choices of a kind
#
# Each function adds the states of a kind's slots, the last slot first, and returns the state of
# its first attribute.


def _part_choices(sentence: Sentence, limits: Limits, slots: _Slots) -> int:  # noqa: ARG001 (one of a family)
    """Any later part may change its controls; a new one gets the next number."""
    first, n_parts = sentence.last[0] + 1, len(sentence.programs)
    programs = np.array(sentence.programs[first:], np.int64)
    same = np.arange(_SIZES["program"]) == programs[:, None]
    leads = np.full(N_PARTS, FORBIDDEN)
    leads[first:n_parts] = slots.add_all(2, Kind.PART, np.where(same, _ROLE, FORBIDDEN))
    leads[n_parts : n_parts + 1] = _NEW_PROGRAM
    return slots.add(1, Kind.PART, leads)


def _bar_choices(sentence: Sentence, limits: Limits, slots: _Slots) -> int:
    if not sentence.programs:
        return FORBIDDEN
    pending = sentence.given.get(sentence.bar + 1)
    if limits.time_signatures is None and limits.tempos is None and not pending:
        return _METRE
    tempo = _TEMPO
    if limits.tempos is not None:
        tempo = slots.add(2, Kind.BAR, np.where(limits.tempos, NOTHING, FORBIDDEN))
    metres = _ALL_METRES if limits.time_signatures is None else limits.time_signatures
    if pending:
        beats = max(beat for beat, _, _, _ in pending)
        ticks = max(tick for _, tick, _, _ in pending)
        metres = metres & (beats < NUMERATOR_OF) & (ticks < BEAT_TICKS_OF)
    return slots.add(1, Kind.BAR, np.where(metres, tempo, FORBIDDEN))


_ALL_METRES = np.ones(_SIZES["time_signature"], bool)


def _chord_choices(sentence: Sentence, limits: Limits, slots: _Slots) -> int:
    beat, tick = sentence.position
    if sentence.section is Section.BODY:  # a chord stands before the notes it begins with
        tick += 1
    begin, end = _window((beat, tick), sentence.metre, limits)
    leads = np.full(BAR_TICKS_OF[sentence.metre], FORBIDDEN)
    leads[begin:end] = _ROOT
    return _place_choices(Kind.CHORD, leads, sentence.metre, slots)


def _note_choices(sentence: Sentence, limits: Limits, slots: _Slots) -> int:
    """The bar as a whole is known; the window is cut out of it, and its begin is told apart."""
    begin, end = _window(sentence.position, sentence.metre, limits)
    if begin >= end:
        return FORBIDDEN
    play = _play_of(sentence, limits)
    shifts = slots.add_play(play)
    places = _shifted(play.places, 3, shifts[3]).copy()
    places[:begin] = places[end:] = FORBIDDEN
    is_at_last = _place(sentence.position, sentence.metre) == begin
    if sentence.last_note is not None and is_at_last and play.is_open[begin]:
        places[begin] = _after_last(sentence, limits, play, slots)
    n_ticks = _BEAT_TICKS[sentence.metre]
    first, last = begin // n_ticks, (end - 1) // n_ticks
    beats = _shifted(play.beats, 2, shifts[2]).copy()
    beats[:first] = beats[last + 1 :] = FORBIDDEN
    for beat in {first, last} if end % n_ticks else {first}:
        inside = places[beat * n_ticks : (beat + 1) * n_ticks]
        beats[beat] = slots.add(2, Kind.NOTE, inside)
    return slots.add(1, Kind.NOTE, beats)


def _end_choices(sentence: Sentence, limits: Limits, slots: _Slots) -> int:  # noqa: ARG001 (one of a family)
    return NOTHING if sentence.can_end else FORBIDDEN


_CHOICES_OF_KIND = {
    Kind.PART: _part_choices,
    Kind.BAR: _bar_choices,
    Kind.CHORD: _chord_choices,
    Kind.NOTE: _note_choices,
    Kind.END: _end_choices,
}

_CHOICES = {
    section: [(kind, _CHOICES_OF_KIND[kind]) for kind in kinds & _CHOICES_OF_KIND.keys()]
    for section, kinds in FOLLOWS.items()
}


# ---------------------------------------------------------------------- places


_BEATS: list[int] = NUMERATOR_OF.tolist()
_BEAT_TICKS: list[int] = BEAT_TICKS_OF.tolist()


def _place(position: Position, metre: int) -> int:
    """Return how many places of the bar lie before a position, be it behind the bar's end."""
    n_beats, n_ticks = _BEATS[metre], _BEAT_TICKS[metre]
    beat, tick = position
    return min(beat * n_ticks + min(tick, n_ticks), n_beats * n_ticks)


def _window(first: Position, metre: int, limits: Limits) -> tuple[int, int]:
    """Return the first place from `first` on that the limits allow, and the end of them."""
    beat, tick = limits.latest or (MAX_NUMERATOR, 0)
    return _place(max(first, limits.earliest), metre), _place((beat, tick + 1), metre)


def _by_place(mask: Mask, metre: int) -> Mask:
    """Return a mask over beats and ticks as one over places.

    Raises:
        TokenError: If it is that of a bar of another metre.
    """
    n_beats, n_ticks = int(NUMERATOR_OF[metre]), int(BEAT_TICKS_OF[metre])
    if mask.shape != (n_beats, n_ticks):
        msg = (
            f"the places of the limits have shape {mask.shape}; "
            f"a bar of this metre takes {(n_beats, n_ticks)}, beats and ticks in a beat"
        )
        raise TokenError(msg)
    return mask.ravel()


def _place_choices(kind: Kind, leads: Leads, metre: int, slots: _Slots) -> int:
    """Add states for beats and ticks, where each place leads as `leads`, (places,), says."""
    beats = leads.reshape(NUMERATOR_OF[metre], BEAT_TICKS_OF[metre])
    return slots.add(1, kind, slots.add_all(2, kind, beats))


# ----------------------------------------------------------------------- notes
#
# What notes may be in a bar is the same for many an event and many a take, and is kept; only at
# the place of the last note it is more narrow.
#
# Letters in shapes: C changes of the pitches, P declared parts, V pitch values, N places.


@dataclass(frozen=True, slots=True, eq=False)
class _NoteLimits:
    """What `Limits` say of notes wherever they are; equal if the objects are the same."""

    pitches: Mask | None
    pitches_from: tuple[tuple[Position, Mask], ...]
    at_least: NDArray[np.int64] | None
    durations: Mask | None
    velocities: Mask | None
    places: Mask | None

    def _ids(self) -> tuple[int, ...]:
        values = (self.pitches, self.pitches_from, self.at_least)
        return tuple(map(id, (*values, self.durations, self.velocities, self.places)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _NoteLimits) and self._ids() == other._ids()

    def __hash__(self) -> int:
        return hash(self._ids())


@dataclass(frozen=True, slots=True)
class _Contents:
    """Limits of notes, and the contents of their arrays; equal if these are."""

    contents: tuple[object, ...]
    limits: _NoteLimits = field(compare=False)


@lru_cache(maxsize=128)  # some for each of many takes
def _first_like(limits: _NoteLimits) -> _NoteLimits:
    """Return the first limits that allow the same: those of several takes are often alike."""
    arrays = (limits.pitches, limits.at_least, limits.durations, limits.velocities)
    changes = [(position, mask.tobytes()) for position, mask in limits.pitches_from]
    contents = [
        None if array is None else (array.shape, array.tobytes())
        for array in (*arrays, limits.places)
    ]
    return _first_of(_Contents((*contents, *changes), limits))


@lru_cache(maxsize=128)
def _first_of(contents: _Contents) -> _NoteLimits:
    return contents.limits


@dataclass(frozen=True, slots=True)
class _BarLimits:
    """All that matters for what notes may be in a bar.

    Attributes:
        programs: Program value of each declared part.
        metre: Time signature value.
        given: Notes given in the bar.
        parts: The parts that may play, as bytes; None: all.
        parts_from: The first position of each, as bytes; None: the first of the bar.
        of_notes: What `Limits` say of notes.
    """

    programs: tuple[int, ...]
    metre: int
    given: frozenset[GivenNote]
    parts: bytes | None
    parts_from: bytes | None
    of_notes: _NoteLimits


@dataclass(frozen=True, slots=True, eq=False)
class _Play:
    """What the parts may play in a bar, and the states of that.

    Attributes:
        parts: Where the parts lead at each place, be it open or not, (N, P).
        durations: State of the durations of each part, (P,).
        first_places: The first place at which each part may play, (P,).
        is_open: Whether notes may begin at each place, (N,).
        places: State of the parts at each place, (N,).
        beats: State of the ticks of each beat, (beats,).
        rows: The states of each slot beside those that are always there, (states, size).
    """

    parts: Leads
    durations: NDArray[np.int64]
    first_places: NDArray[np.int64]
    is_open: Mask
    places: NDArray[np.int64]
    beats: NDArray[np.int64]
    rows: tuple[Leads, ...]


def _play_of(sentence: Sentence, limits: Limits) -> _Play:
    of_notes = _NoteLimits(
        pitches=limits.pitches,
        pitches_from=limits.pitches_from,
        at_least=limits.at_least,
        durations=limits.durations,
        velocities=limits.velocities,
        places=limits.places,
    )
    n_parts = len(sentence.programs)
    of_bar = _BarLimits(
        programs=sentence.programs,
        metre=sentence.metre,
        given=sentence.given.get(sentence.bar, _NONE_GIVEN),
        parts=None if limits.parts is None else limits.parts[:n_parts].tobytes(),
        parts_from=(
            None if limits.parts_from is None else limits.parts_from[:n_parts].tobytes()
        ),
        of_notes=_first_like(of_notes),
    )
    return _play(of_bar)


_NONE_GIVEN: frozenset[GivenNote] = frozenset()


@lru_cache(maxsize=128)
def _play(of_bar: _BarLimits) -> _Play:
    slots = _Slots()
    metre, of_notes = of_bar.metre, of_bar.of_notes
    first_places = _first_places(of_bar)
    durations = _duration_states(len(of_bar.programs), of_notes, slots)
    leads = _part_leads(of_bar, durations, slots)
    leads[np.arange(len(leads))[:, None] < first_places] = FORBIDDEN
    is_new = np.append(True, np.any(leads[1:] != leads[:-1], axis=1))
    places = slots.add_all(3, Kind.NOTE, leads[is_new])[is_new.cumsum() - 1]
    is_open = np.ones(len(leads), bool)
    if of_notes.places is not None:
        is_open = _by_place(of_notes.places, metre)
        places[~is_open] = FORBIDDEN
    by_beat = places.reshape(_BEATS[metre], _BEAT_TICKS[metre])
    return _Play(
        parts=leads,
        durations=durations,
        first_places=first_places,
        is_open=is_open,
        places=places,
        beats=slots.add_all(2, Kind.NOTE, by_beat),
        rows=slots.rows(),
    )


def _first_places(of_bar: _BarLimits) -> NDArray[np.int64]:
    """Return the first place at which each declared part may play, (P,)."""
    n_parts, n_ticks = len(of_bar.programs), _BEAT_TICKS[of_bar.metre]
    places = np.zeros(n_parts, np.int64)
    if of_bar.parts_from is not None:
        beats, ticks = np.frombuffer(of_bar.parts_from, np.int64).reshape(n_parts, 2).T
        places = beats * n_ticks + np.minimum(ticks, n_ticks)
    if of_bar.parts is not None:
        may_play = np.frombuffer(of_bar.parts, bool)
        places = np.where(may_play, places, BAR_TICKS_OF[of_bar.metre])
    return places


def _duration_states(n_parts: int, of_notes: _NoteLimits, slots: _Slots) -> NDArray[np.int64]:
    """Add states for durations and velocities; return those of each part's durations, (P,)."""
    if of_notes.durations is None and of_notes.velocities is None:
        return np.full(n_parts, _DURATION)
    velocities = np.array([_VELOCITY])
    if of_notes.velocities is not None:
        sounds = _MAY_SOUND & np.atleast_2d(of_notes.velocities)[:n_parts]
        velocities = slots.add_all(6, Kind.NOTE, np.where(sounds, NOTHING, FORBIDDEN))
    durations = _MAY_LAST if of_notes.durations is None else of_notes.durations
    lasts = _MAY_LAST & np.atleast_2d(durations)[:n_parts]
    leads = np.where(lasts, velocities[:, None], FORBIDDEN)
    return np.broadcast_to(slots.add_all(5, Kind.NOTE, leads), n_parts)


def _part_leads(of_bar: _BarLimits, durations: NDArray[np.int64], slots: _Slots) -> Leads:
    """Add states for pitches; return where the parts lead at each place, (N, P)."""
    n_parts, of_notes = len(of_bar.programs), of_bar.of_notes
    starts, pitches = _pitches(of_bar)
    fewest = np.ones(n_parts, np.int64)
    if of_notes.at_least is not None:
        fewest = of_notes.at_least[:n_parts]
    leads_to = np.where(_with_room(pitches, fewest), durations[:, None], FORBIDDEN)
    states = slots.add_all(4, Kind.NOTE, leads_to.reshape(-1, _SIZES["pitch"]))
    each_place = np.arange(BAR_TICKS_OF[of_bar.metre])
    change = np.searchsorted(starts, each_place, side="right") - 1
    leads = states.reshape(-1, n_parts)[change]
    if of_bar.given:
        n_ticks = _BEAT_TICKS[of_bar.metre]
        given = [
            (beat * n_ticks + tick, part, pitch) for beat, tick, part, pitch in of_bar.given
        ]
        owners = sorted({(place, part) for place, part, _ in given})
        row_of = {owner: row for row, owner in enumerate(owners)}
        rows = [row_of[place, part] for place, part, _ in given]
        place, part = np.array(owners).T
        free = pitches[change[place], part]
        free[rows, [pitch for _, _, pitch in given]] = False
        free = _with_room(free, fewest[part] - np.bincount(rows))
        leads_to = np.where(free, durations[part, None], FORBIDDEN)
        leads[place, part] = slots.add_all(4, Kind.NOTE, leads_to)
    return leads


def _pitches(of_bar: _BarLimits) -> tuple[list[int], Mask]:
    """Return at which places other pitches are allowed, and which from each on, (C, P, V)."""
    n_parts, of_notes = len(of_bar.programs), of_bar.of_notes
    starts = [0, *(_place(position, of_bar.metre) for position, _ in of_notes.pitches_from)]
    masks = [_ALL_PITCHES, *(mask for _, mask in of_notes.pitches_from)]
    pitches = _pitches_of(of_bar.programs) & np.array([mask[:n_parts] for mask in masks])
    if of_notes.pitches is not None:
        pitches &= of_notes.pitches[:n_parts]
    return starts, pitches


_ALL_PITCHES = np.ones((N_PARTS, _SIZES["pitch"]), bool)


def _pitches_of(programs: tuple[int, ...]) -> Mask:
    """Return which pitch values parts of these programs play, (P, V)."""
    is_drum = np.array(programs) >= FIRST_KIT
    return np.asarray(is_drum[:, None] == (np.arange(_SIZES["pitch"]) >= FIRST_DRUM))


def _with_room(allowed: Mask, n_notes: ArrayLike) -> Mask:
    """Return the pitches that, together with those above them, are at least so many.

    Args:
        allowed: Pitches there are, shape (..., V).
        n_notes: How many are wanted, shape (...).
    """
    n_from_here = np.cumsum(allowed[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(allowed & (n_from_here >= np.asarray(n_notes)[..., None]))


def _free_pitches(sentence: Sentence, limits: Limits, part: int) -> Mask:
    """Return the pitches that a part may play at the sentence's position and are not given."""
    position, metre = sentence.position, sentence.metre
    allowed: Mask = _pitches_of(sentence.programs[part : part + 1])[0]
    if limits.pitches is not None:
        allowed &= limits.pitches[part]
    place = _place(position, metre)
    begun = [mask for begin, mask in limits.pitches_from if _place(begin, metre) <= place]
    if begun:
        allowed &= begun[-1][part]
    for beat, tick, owner, pitch in sentence.given.get(sentence.bar, ()):
        if (beat, tick, owner) == (*position, part):
            allowed[pitch] = False
    return allowed


def _after_last(sentence: Sentence, limits: Limits, play: _Play, slots: _Slots) -> int:
    """Add the state of the parts at the place of the last note, which other notes follow.

    However many a part plays at least: it plays there already.
    """
    assert sentence.last_note is not None
    part, pitch = sentence.last_note
    shifts = slots.add_play(play)
    place = _place(sentence.position, sentence.metre)
    leads = _shifted(play.parts[place], 4, shifts[4]).copy()
    leads[: part + 1] = FORBIDDEN
    if play.first_places[part] <= place:
        free = _free_pitches(sentence, limits, part)
        free[: pitch + 1] = False
        duration = _shifted(play.durations[part], 5, shifts[5])
        leads[part] = slots.add(4, Kind.NOTE, np.where(free, duration, FORBIDDEN))
    return slots.add(3, Kind.NOTE, leads)
