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

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sideman.errors import TokenError
from sideman.score.harmony import NO_CHORD, QUALITIES
from sideman.tokens.grammar import FOLLOWS, Position, Section, Sentence
from sideman.tokens.vocabulary import (
    ATTRIBUTES,
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    FIRST_DRUM,
    FIRST_KIT,
    HELD,
    MAX_NUMERATOR,
    N_PARTS,
    N_SLOTS,
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
    which says nothing. The first slot has one state.

    Attributes:
        allowed: For each slot (states, slot size): True where a value may be chosen.
        follow: For each slot but the last (states, slot size): state of the next slot.
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
    place = _place(position, sentence.metre)
    play = _play_of(sentence, limits)
    allowed = play.pitches[play.change(place), part].copy()
    for beat, tick, owner, pitch in sentence.given.get(sentence.bar, ()):
        if (beat, tick, owner) == (*position, part):
            allowed[pitch] = False
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
    limits = limits or _NO_LIMITS
    slots = [_Slot(slot) for slot in range(N_SLOTS)]
    entry = np.full((1, len(Kind)), FORBIDDEN, np.int64)
    for kind in FOLLOWS[sentence.section] & _CHOICES.keys():
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
        self._blocks.append(row[None])
        self._n_states += 1
        return self._n_states - 1

    def add_all(self, kind: Kind, leads: Leads) -> NDArray[np.int64]:
        """Add states, each as with `add`: (n, values) to (n,)."""
        left = (leads.max(axis=1) >= 0).nonzero()[0]
        rows = np.full((len(left), SLOT_SIZES[self._slot]), FORBIDDEN, np.int64)
        start = _OFFSETS[kind, self._slot]
        rows[:, start : start + leads.shape[1]] = leads[left]
        states = np.full(len(leads), FORBIDDEN, np.int64)
        states[left] = np.arange(self._n_states, self._n_states + len(left))
        self._blocks.append(rows)
        self._n_states += len(left)
        return states

    def copy(self) -> "_Slot":
        """Return the same states, to add others to."""
        other = _Slot(self._slot)
        other._blocks, other._n_states = list(self._blocks), self._n_states
        return other

    def tables(self) -> tuple[Mask, Leads]:
        """Return what is allowed and where it leads, both (states, slot size)."""
        if len(self._blocks) == 1:
            return _FIXED_TABLES[self._slot]
        return _tables(np.concatenate(self._blocks))


def _tables(leads: Leads) -> tuple[Mask, Leads]:
    return leads >= 0, np.maximum(leads, NOTHING)


_FIXED_TABLES = tuple(_tables(leads) for leads in _FIXED)


# ------------------------------------------------------------- the choices of a kind
#
# Each function adds the states of a kind's slots, the last slot first, and returns the state of
# its first attribute.


def _part_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:  # noqa: ARG001 (one of a family)
    """Any later part may change its controls; a new one gets the next number."""
    first, n_parts = sentence.last[0] + 1, len(sentence.programs)
    programs = np.array(sentence.programs[first:], np.int64)
    same = np.arange(_SIZES["program"]) == programs[:, None]
    leads = np.full(N_PARTS, FORBIDDEN)
    leads[first:n_parts] = slots[2].add_all(Kind.PART, np.where(same, _ROLE, FORBIDDEN))
    leads[n_parts : n_parts + 1] = _NEW_PROGRAM
    return slots[1].add(Kind.PART, leads)


def _bar_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:
    if not sentence.programs:
        return FORBIDDEN
    pending = sentence.given.get(sentence.bar + 1)
    if limits.time_signatures is None and limits.tempos is None and not pending:
        return _METRE
    tempo = _TEMPO
    if limits.tempos is not None:
        tempo = slots[2].add(Kind.BAR, np.where(limits.tempos, NOTHING, FORBIDDEN))
    metres = _ALL_METRES if limits.time_signatures is None else limits.time_signatures
    if pending:
        beats = max(beat for beat, _, _, _ in pending)
        ticks = max(tick for _, tick, _, _ in pending)
        metres = metres & (beats < NUMERATOR_OF) & (ticks < BEAT_TICKS_OF)
    return slots[1].add(Kind.BAR, np.where(metres, tempo, FORBIDDEN))


_ALL_METRES = np.ones(_SIZES["time_signature"], bool)


def _chord_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:
    beat, tick = sentence.position
    if sentence.section is Section.BODY:  # a chord stands before the notes it begins with
        tick += 1
    begin, end = _window((beat, tick), sentence.metre, limits)
    leads = np.full(BAR_TICKS_OF[sentence.metre], FORBIDDEN)
    leads[begin:end] = _ROOT
    return _place_choices(Kind.CHORD, leads, sentence.metre, slots)


def _note_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:
    window = _window(sentence.position, sentence.metre, limits)
    if window[0] >= window[1]:
        return FORBIDDEN
    play = _play_of(sentence, limits)
    slots[4:] = [slot.copy() for slot in play.slots]  # no other kind adds states to these
    leads = _Notes(sentence, window, _first_places(sentence, limits), play, slots).leads()
    if limits.places is not None:
        leads[~_by_place(limits.places, sentence.metre)] = FORBIDDEN
    return _place_choices(Kind.NOTE, leads, sentence.metre, slots)


def _end_choices(sentence: Sentence, limits: Limits, slots: list[_Slot]) -> int:  # noqa: ARG001 (one of a family)
    return NOTHING if sentence.can_end else FORBIDDEN


_CHOICES = {
    Kind.PART: _part_choices,
    Kind.BAR: _bar_choices,
    Kind.CHORD: _chord_choices,
    Kind.NOTE: _note_choices,
    Kind.END: _end_choices,
}


# ---------------------------------------------------------------------- places


def _place(position: Position, metre: int) -> int:
    """Return how many places of the bar lie before a position, be it behind the bar's end."""
    n_beats, n_ticks = int(NUMERATOR_OF[metre]), int(BEAT_TICKS_OF[metre])
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


def _place_choices(kind: Kind, leads: Leads, metre: int, slots: list[_Slot]) -> int:
    """Add states for beats and ticks, where each place leads as `leads`, (places,), says."""
    beats = leads.reshape(NUMERATOR_OF[metre], BEAT_TICKS_OF[metre])
    return slots[1].add(kind, slots[2].add_all(kind, beats))


# ----------------------------------------------------------------------- notes
#
# What notes may be is the same for many an event, and is kept; only where notes are given, and
# at the place of the last one, it is more narrow.
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

    def _ids(self) -> tuple[int, ...]:
        values = (self.pitches, self.pitches_from, self.at_least)
        return tuple(map(id, (*values, self.durations, self.velocities)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _NoteLimits) and self._ids() == other._ids()

    def __hash__(self) -> int:
        return hash(self._ids())


@dataclass(frozen=True, slots=True)
class _Play:
    """What the parts may play in a bar, and the states of that.

    Attributes:
        changes: Places from which on other pitches are allowed, (C,); the first is 0.
        pitches: The pitches allowed from each on, (C, P, V).
        at_least: How many notes each part plays where it plays, (P,); None: one.
        durations: State of the durations of each part, (P,).
        states: State of the pitches of each part from each change on, (C, P).
        slots: Those of pitch, duration and velocity, with these states.
    """

    changes: NDArray[np.int64]
    pitches: Mask
    at_least: NDArray[np.int64] | None
    durations: NDArray[np.int64]
    states: NDArray[np.int64]
    slots: tuple[_Slot, ...]

    def change(self, places: ArrayLike) -> NDArray[np.int64]:
        """Return which change holds at places."""
        return np.searchsorted(self.changes, places, side="right") - 1


def _play_of(sentence: Sentence, limits: Limits) -> _Play:
    of_notes = _NoteLimits(
        pitches=limits.pitches,
        pitches_from=limits.pitches_from,
        at_least=limits.at_least,
        durations=limits.durations,
        velocities=limits.velocities,
    )
    return _play(sentence.programs, sentence.metre, of_notes)


@lru_cache(maxsize=128)  # some for each of many takes
def _play(programs: tuple[int, ...], metre: int, limits: _NoteLimits) -> _Play:
    n_parts = len(programs)
    places = [0, *(_place(position, metre) for position, _ in limits.pitches_from)]
    masks = [_ALL_PITCHES, *(mask for _, mask in limits.pitches_from)]
    pitches = _pitches_of(programs) & np.array([mask[:n_parts] for mask in masks])
    if limits.pitches is not None:
        pitches &= limits.pitches[:n_parts]
    at_least = None if limits.at_least is None else limits.at_least[:n_parts]
    slots = tuple(_Slot(slot) for slot in (4, 5, 6))
    durations = _duration_states(n_parts, limits, slots)
    allowed = pitches if at_least is None else _with_room(pitches, at_least)
    leads = np.where(allowed, durations[:, None], FORBIDDEN)
    states = slots[0].add_all(Kind.NOTE, leads.reshape(-1, _SIZES["pitch"]))
    return _Play(
        changes=np.array(places),
        pitches=pitches,
        at_least=at_least,
        durations=durations,
        states=states.reshape(-1, n_parts),
        slots=slots,
    )


_ALL_PITCHES = np.ones((N_PARTS, _SIZES["pitch"]), bool)


def _pitches_of(programs: tuple[int, ...]) -> Mask:
    """Return which pitch values parts of these programs play, (P, V)."""
    is_drum = np.array(programs) >= FIRST_KIT
    return np.asarray(is_drum[:, None] == (np.arange(_SIZES["pitch"]) >= FIRST_DRUM))


def _duration_states(
    n_parts: int, limits: _NoteLimits, slots: tuple[_Slot, ...]
) -> NDArray[np.int64]:
    """Add states for durations and velocities; return those of each part's durations, (P,)."""
    if limits.durations is None and limits.velocities is None:
        return np.full(n_parts, _DURATION)
    _, duration_slot, velocity_slot = slots
    velocities = np.array([_VELOCITY])
    if limits.velocities is not None:
        sounds = _MAY_SOUND & np.atleast_2d(limits.velocities)[:n_parts]
        velocities = velocity_slot.add_all(Kind.NOTE, np.where(sounds, NOTHING, FORBIDDEN))
    durations = _MAY_LAST if limits.durations is None else limits.durations
    lasts = _MAY_LAST & np.atleast_2d(durations)[:n_parts]
    leads = np.where(lasts, velocities[:, None], FORBIDDEN)
    return np.broadcast_to(duration_slot.add_all(Kind.NOTE, leads), n_parts)


def _with_room(allowed: Mask, n_notes: ArrayLike) -> Mask:
    """Return the pitches that, together with those above them, are at least so many.

    Args:
        allowed: Pitches there are, shape (..., V).
        n_notes: How many are wanted, shape (...).
    """
    n_from_here = np.cumsum(allowed[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(allowed & (n_from_here >= np.asarray(n_notes)[..., None]))


def _first_places(sentence: Sentence, limits: Limits) -> NDArray[np.int64]:
    """Return the first place at which each declared part may play, (P,)."""
    n_parts, metre = len(sentence.programs), sentence.metre
    places = np.zeros(n_parts, np.int64)
    if limits.parts_from is not None:
        beats, ticks = limits.parts_from[:n_parts].T
        places = beats * BEAT_TICKS_OF[metre] + np.minimum(ticks, BEAT_TICKS_OF[metre])
    if limits.parts is not None:
        places = np.where(limits.parts[:n_parts], places, BAR_TICKS_OF[metre])
    return places


_Placed = tuple[int, int, int]
"""Place, part and pitch of a note."""


@dataclass(frozen=True, slots=True)
class _Notes:
    """The notes that may come next in this bar.

    A place is crowded if notes are given there, or if it is that of the last note: not every
    note may be written there that might be elsewhere.

    Attributes:
        sentence: What has been said.
        window: First place at which they may begin, and the end of these.
        first_places: The first place at which each part may play, (P,).
        play: What may be played.
        slots: To add states to.
    """

    sentence: Sentence
    window: tuple[int, int]
    first_places: NDArray[np.int64]
    play: _Play
    slots: list[_Slot]

    def leads(self) -> Leads:
        """Add the states of parts; return where the places of the bar lead, (places,)."""
        begin, end = self.window
        leads = np.full(BAR_TICKS_OF[self.sentence.metre], FORBIDDEN)
        changes = {*self.play.changes.tolist(), *self.first_places.tolist()}
        places = [begin, *sorted(place for place in changes if begin < place < end)]
        states = self.slots[3].add_all(Kind.NOTE, self._part_leads(places))
        for place, state in zip(places, states.tolist(), strict=True):
            leads[place:end] = state
        last, taken = self._last(), self._given()
        if last is not None:
            taken.append(last)
        if taken:
            crowded = sorted({place for place, _, _ in taken})
            part_leads = self._crowded_part_leads(crowded, taken, last)
            leads[crowded] = self.slots[3].add_all(Kind.NOTE, part_leads)
        return leads

    def _part_leads(self, places: list[int]) -> Leads:
        """Return where the parts lead at places that are not crowded, (N, P)."""
        may_begin = self.first_places <= np.array(places)[:, None]
        return np.where(may_begin, self.play.states[self.play.change(places)], FORBIDDEN)

    def _crowded_part_leads(
        self, places: list[int], taken: list[_Placed], last: _Placed | None
    ) -> Leads:
        """Add states for pitches at crowded places; return where the parts lead, (N, P).

        Args:
            places: The crowded places, in order.
            taken: The notes given there, and the last one.
            last: The last note, if the window begins there.
        """
        owners = sorted({(place, part) for place, part, _ in taken})
        row_of = {owner: row for row, owner in enumerate(owners)}
        rows = [row_of[place, part] for place, part, _ in taken]
        place, part = np.array(owners).T
        pitches = self.play.pitches[self.play.change(place), part]
        pitches[rows, [pitch for _, _, pitch in taken]] = False
        if last is not None:
            pitches[row_of[last[:2]], : last[2]] = False
        if self.play.at_least is not None:
            n_more = self.play.at_least[part] - np.bincount(rows)
            if last is not None:
                n_more[row_of[last[:2]]] = 0  # it plays there already
            pitches = _with_room(pitches, n_more)
        pitch_leads = np.where(pitches, self.play.durations[part, None], FORBIDDEN)
        states = self.slots[4].add_all(Kind.NOTE, pitch_leads)
        leads = self._part_leads(places)
        may_begin = self.first_places[part] <= place
        place_row = np.searchsorted(places, place)
        leads[place_row, part] = np.where(may_begin, states, FORBIDDEN)
        if last is not None:
            leads[0, : last[1]] = FORBIDDEN
        return leads

    def _given(self) -> list[_Placed]:
        """Return the notes given in the window."""
        begin, end = self.window
        n_ticks = int(BEAT_TICKS_OF[self.sentence.metre])
        notes = self.sentence.given.get(self.sentence.bar, ())
        placed = [(beat * n_ticks + tick, part, pitch) for beat, tick, part, pitch in notes]
        return [note for note in placed if begin <= note[0] < end]

    def _last(self) -> _Placed | None:
        """Return the last note, if the window begins at its place."""
        begin, note = self.window[0], self.sentence.last_note
        if note is None or _place(self.sentence.position, self.sentence.metre) != begin:
            return None
        return (begin, *note)
