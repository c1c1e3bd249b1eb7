"""The grammar: which event may follow what has been said.

A `Sentence` is what has been said so far, as far as it matters; `advance` says one more
event or refuses it. All events that may come next are in `sideman.tokens.choices`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from types import MappingProxyType

from sideman.errors import TokenError
from sideman.tokens.vocabulary import (
    AHEAD,
    BEAT_TICKS_OF,
    FIRST_DRUM,
    FIRST_KIT,
    LARGEST_VALUES,
    NUMERATOR_OF,
    PROGRAM,
    Events,
    Extent,
    Kind,
)

_LARGEST: list[list[int]] = LARGEST_VALUES.tolist()

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

    @property
    def last_note(self) -> tuple[int, int] | None:
        """Part and pitch of the last event, if that is a note of this bar."""
        if self.section is not Section.BODY:
            return None
        _, _, is_note, part, pitch = self.last
        return (part, pitch) if is_note else None

    @property
    def can_end(self) -> bool:
        """True if this is no fragment, and no note is given in a bar to come."""
        return self.may_end and all(bar <= self.bar for bar in self.given)


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
    if kind not in FOLLOWS[sentence.section]:
        msg = f"{kind.name} may not follow in section {sentence.section.name}"
        raise TokenError(msg)
    return _ADVANCE[kind](sentence, row)


FOLLOWS = {
    Section.EMPTY: {Kind.START},
    Section.HEAD: {Kind.PART, Kind.BAR},
    Section.BAR: {Kind.PART, Kind.GIVEN, Kind.CHORD, Kind.NOTE, Kind.BAR, Kind.END},
    Section.GIVENS: {Kind.GIVEN, Kind.CHORD, Kind.NOTE, Kind.BAR, Kind.END},
    Section.BODY: {Kind.CHORD, Kind.NOTE, Kind.BAR, Kind.END},
    Section.ENDED: set[Kind](),
}
"""Kinds that may follow in each section."""


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
    last = _later(sentence, (row[1], row[2], 0, 0, 0), _IN_BODY)
    return _in_body(sentence, last)


def _note(sentence: Sentence, row: list[int]) -> Sentence:
    beat, tick, part, pitch = row[1:5]
    _check_position(sentence, row)
    _check_note(sentence, row)
    if (beat, tick, part, pitch) in sentence.given.get(sentence.bar, ()):
        msg = (
            f"the note at beat {beat}, tick {tick}, part {part}, pitch {pitch} is given already"
        )
        raise TokenError(msg)
    last = _later(sentence, (beat, tick, 1, part, pitch), _IN_BODY)
    return _in_body(sentence, last)


def _end(sentence: Sentence, row: list[int]) -> Sentence:  # noqa: ARG001 (one of a family)
    if not sentence.can_end:
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


_IN_BODY = {Section.BODY}


def _in_body(sentence: Sentence, last: tuple[int, ...]) -> Sentence:
    """Return the sentence after a note or chord; `replace` would take twice as long."""
    return Sentence(
        section=Section.BODY,
        programs=sentence.programs,
        bar=sentence.bar,
        metre=sentence.metre,
        last=last,
        given=sentence.given,
        may_end=sentence.may_end,
    )


def _later(sentence: Sentence, key: tuple[int, ...], sections: set[Section]) -> tuple[int, ...]:
    """Return `key` if it comes after the last event, should that be of one of `sections`."""
    if sentence.section in sections and key <= sentence.last:
        msg = f"an event ordered by {key} stands after one by {sentence.last}"
        raise TokenError(msg)
    return key


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
