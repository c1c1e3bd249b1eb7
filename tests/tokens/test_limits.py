"""Limits: what an asker allows beyond the grammar is a guarantee, and never a dead end."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import TokenError
from sideman.tokens.choices import Limits, choices, choices_of, must_add
from sideman.tokens.grammar import Section, advance, sentence_of
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    DURATION_TICKS,
    FIRST_DRUM,
    HELD,
    N_PARTS,
    N_SLOTS,
    N_VELOCITIES,
    NUMERATOR_OF,
    TEMPO_BINS,
    UNSPECIFIED,
    Extent,
    Kind,
    Vocabulary,
    time_signature_value,
)

FOUR_FOUR = int(time_signature_value(4, 4))
THREE_EIGHT = int(time_signature_value(3, 8))
TWO_32 = int(time_signature_value(2, 32))
"""A bar of six ticks: so small that every note there is can be tried."""

PROGRAMS = (0, 30, 128)
PITCHES = (50, 51, 52, 53, 54, 55, FIRST_DRUM + 36, FIRST_DRUM + 38, FIRST_DRUM + 42)
DURATIONS = (HELD, 6, 12)
VELOCITIES = (UNSPECIFIED, 10, 20)
"""All that notes are made of in these tests, and two values that are never chosen."""

seeds = st.integers(0, 2**32 - 1)


def only(n, *values):
    """Return a mask that allows nothing but `values`."""
    return np.isin(np.arange(n), values)


SMALL = Limits(
    kinds=only(len(Kind), Kind.NOTE, Kind.CHORD),
    pitches=np.tile(only(2 * FIRST_DRUM, *PITCHES), (N_PARTS, 1)),
    durations=only(len(DURATION_TICKS), *DURATIONS),
    velocities=only(N_VELOCITIES, *VELOCITIES),
)


ONLY_NOTES = Limits(kinds=only(len(Kind), Kind.NOTE))


def small_sentence(rng, row, draw_event):
    """Return a sentence in a bar of 2/32, where notes are given and some are written."""
    share = rng.choice([0.0, 0.1, 0.4])
    said = [row(Kind.START, 1, 0, 0, Extent.WHOLE)]
    said += [row(Kind.PART, part, program) for part, program in enumerate(PROGRAMS)]
    said.append(row(Kind.BAR, TWO_32, 72))
    said += [
        row(Kind.GIVEN, beat, tick, part, pitch, 6, 10, program=program)
        for beat in range(2)
        for tick in range(3)
        for part, program in enumerate(PROGRAMS)
        for pitch in PITCHES
        if (pitch >= FIRST_DRUM) == (program >= 128) and rng.random() < share
    ]
    sentence = sentence_of(np.stack(said))
    for _ in range(rng.integers(4)):
        if sentence.position < (1, 2):
            sentence = advance(sentence, draw_event(sentence, rng, SMALL))
    return sentence


def random_limits(rng, metre):
    """Return limits on notes and chords of a bar, some tight, some loose, some not there."""

    def place():
        return (int(rng.integers(NUMERATOR_OF[metre] + 1)), int(rng.integers(5)))

    def some(*shape):
        return rng.random(shape) < rng.choice([0.2, 0.6, 0.9])

    def of_each_or_all(n):
        return some(N_PARTS, n) if rng.random() < 0.5 else some(n)

    places = sorted(place() for _ in range(rng.integers(1, 4)))
    maybe = {
        "kinds": some(len(Kind)),
        "parts": some(N_PARTS),
        "parts_from": np.array([place() for _ in range(N_PARTS)]) * some(N_PARTS, 1),
        "pitches": some(N_PARTS, 2 * FIRST_DRUM),
        "pitches_from": tuple((place, some(N_PARTS, 2 * FIRST_DRUM)) for place in places),
        "at_least": rng.integers(0, 5, N_PARTS),
        "durations": of_each_or_all(len(DURATION_TICKS)),
        "velocities": of_each_or_all(N_VELOCITIES),
        "earliest": place(),
        "latest": place(),
        "places": some(NUMERATOR_OF[metre], BEAT_TICKS_OF[metre]),
    }
    share = rng.choice([0.1, 0.3, 0.7])
    return Limits(**{name: value for name, value in maybe.items() if rng.random() < share})


def within(limits, outer):
    """Return limits that allow no more than others do of pitches, durations and velocities."""
    names = ("pitches", "durations", "velocities")
    both = {name: getattr(outer, name) for name in names}
    for name, mask in both.items():
        if getattr(limits, name) is not None:
            both[name] = mask & getattr(limits, name)
    return replace(limits, **both)


# ------------------------------------------------------ what limits mean, by hand


def may_play(limits, position, part, pitch):
    """Tell whether a part may begin a note of this pitch at a position."""
    changes = [mask for place, mask in limits.pitches_from if place <= position]
    return (
        (limits.parts is None or limits.parts[part])
        and (limits.parts_from is None or tuple(limits.parts_from[part]) <= position)
        and (limits.pitches is None or limits.pitches[part, pitch])
        and (not changes or changes[-1][part, pitch])
    )


def leaves_room(limits, sentence, position, part, pitch):
    """Tell whether a part can get all its notes of a position after this one."""
    if limits.at_least is None:
        return True
    taken = {
        other
        for beat, tick, owner, other in sentence.given.get(sentence.bar, ())
        if (beat, tick, owner) == (*position, part)
    }
    is_drum = pitch >= FIRST_DRUM
    above = [
        other
        for other in range(pitch + 1, 2 * FIRST_DRUM if is_drum else FIRST_DRUM)
        if other not in taken and may_play(limits, position, part, other)
    ]
    return len(taken) + 1 + len(above) >= limits.at_least[part]


def plays_already(sentence, event):
    """Tell whether the last note is of the same part and position."""
    beat, tick, part = event[1:4].tolist()
    return sentence.section is Section.BODY and sentence.last[:4] == (beat, tick, 1, part)


def of_part(mask, part):
    """Return a mask of all parts, or its row of one."""
    return mask if mask.ndim == 1 else mask[part]


def keeps(limits, sentence, event):
    """Tell whether an event is within limits."""
    kind, *values = (int(value) for value in event[:N_SLOTS])
    if limits.kinds is not None and not limits.kinds[kind]:
        return False
    if kind not in (Kind.NOTE, Kind.CHORD):
        return True
    position = (values[0], values[1])
    if position < limits.earliest or (limits.latest is not None and position > limits.latest):
        return False
    if kind == Kind.CHORD:
        return True
    part, pitch, duration, velocity = values[2:]
    return bool(
        (limits.places is None or limits.places[position])
        and may_play(limits, position, part, pitch)
        and (limits.durations is None or of_part(limits.durations, part)[duration])
        and (limits.velocities is None or of_part(limits.velocities, part)[velocity])
        and (
            plays_already(sentence, event)
            or leaves_room(limits, sentence, position, part, pitch)
        )
    )


def is_accepted(sentence, event):
    try:
        advance(sentence, event)
    except TokenError:
        return False
    return True


def small_events(row):
    """Yield every note and chord of the small bar; of chords only one that is C major."""
    for beat in range(2):
        for tick in range(3):
            yield row(Kind.CHORD, beat, tick)
            for part, program in enumerate(PROGRAMS):
                for pitch in PITCHES:
                    if (pitch >= FIRST_DRUM) != (program >= 128):
                        continue
                    for duration in DURATIONS[1:]:
                        for velocity in VELOCITIES[1:]:
                            values = (beat, tick, part, pitch, duration, velocity)
                            yield row(Kind.NOTE, *values, program=program)


def offered(table, kind, n_slots, place=0):
    """Return the first values of all events of a kind among choices, as a set of tuples.

    Of several sentences the one at `place` is asked about.
    """
    offsets = Vocabulary().slot_offsets[kind]

    def follow(slot, state, values):
        if slot == n_slots:
            return {values}
        found = set()
        for value in np.flatnonzero(table.allowed[slot][state]):
            after = int(table.follow[slot][state, value]) if slot < N_SLOTS - 1 else 0
            found |= follow(slot + 1, after, (*values, int(value - offsets[slot])))
        return found

    if not table.allowed[0][place, kind]:
        return set()
    return follow(1, int(table.follow[0][place, kind]), (int(kind),))


# ------------------------------------------------------------------- guarantees


@given(seed=seeds)
def test_choices_are_what_grammar_and_limits_allow_no_less_and_no_more(seed, row, draw_event):
    """Every note of a small bar is tried; no look-ahead forbids what could have come."""
    rng = np.random.default_rng(seed)
    sentence = small_sentence(rng, row, draw_event)
    limits = within(random_limits(rng, TWO_32), SMALL)
    may_come = [
        tuple(event[:N_SLOTS].tolist())
        for event in small_events(row)
        if is_accepted(sentence, event) and keeps(limits, sentence, event)
    ]
    notes = {event for event in may_come if event[0] == Kind.NOTE}
    chords = {event[:3] for event in may_come if event[0] == Kind.CHORD}
    others = {
        event[0]
        for event in (row(Kind.PART), row(Kind.BAR, TWO_32), row(Kind.END))
        if is_accepted(sentence, event) and keeps(limits, sentence, event)
    }

    if not (notes or chords or others):
        with pytest.raises(TokenError, match="the limits leave no event"):
            choices(sentence, limits)
        return
    table = choices(sentence, limits)

    assert offered(table, Kind.NOTE, N_SLOTS) == notes
    assert offered(table, Kind.CHORD, 3) == chords
    assert set(np.flatnonzero(table.allowed[0][0])) - {Kind.NOTE, Kind.CHORD} == others
    for states in table.allowed:
        assert states.any(axis=1).all()


@given(seed=seeds)
def test_several_sentences_have_the_choices_they_have_alone(seed, row, draw_event):
    """Takes share what is alike; what differs keeps apart, though it is numbered anew."""
    rng = np.random.default_rng(seed)
    sentences = [small_sentence(rng, row, draw_event) for _ in range(2)]
    sentences.append(sentences[0])
    limits = [within(random_limits(rng, TWO_32), SMALL) for _ in sentences]
    limits = [replace(each, kinds=SMALL.kinds | only(len(Kind), Kind.BAR)) for each in limits]

    table = choices_of([*sentences, None], [*limits, None])

    for place, (sentence, each) in enumerate(zip(sentences, limits, strict=True)):
        alone = choices(sentence, each)
        np.testing.assert_array_equal(table.allowed[0][place], alone.allowed[0][0])
        for kind, n_slots in ((Kind.NOTE, N_SLOTS), (Kind.CHORD, 3)):
            assert offered(table, kind, n_slots, place) == offered(alone, kind, n_slots)
    assert np.flatnonzero(table.allowed[0][-1]).tolist() == [Kind.END]


@given(seed=seeds)
def test_whatever_is_drawn_within_limits_keeps_them(seed, speak, draw_event):
    """In bars of full size, over many events; and while bars may come, there is a way on."""
    rng = np.random.default_rng(seed)
    sentence = sentence_of(speak(rng, 15))
    limits = replace(
        random_limits(rng, FOUR_FOUR),
        kinds=only(len(Kind), Kind.NOTE, Kind.CHORD, Kind.BAR),
        time_signatures=only(len(BAR_TICKS_OF), FOUR_FOUR),
        tempos=only(TEMPO_BINS, 60, 72),
    )
    for _ in range(12):
        if sentence.metre != FOUR_FOUR:
            event = draw_event(sentence, rng, replace(limits, kinds=only(len(Kind), Kind.BAR)))
        else:
            event = draw_event(sentence, rng, limits)
            assert keeps(limits, sentence, event)
        if event[0] == Kind.NOTE:
            assert event[5] != HELD
            assert event[6] != UNSPECIFIED
        if event[0] == Kind.BAR:
            assert event[1] == FOUR_FOUR
            assert event[2] in (60, 72)
        sentence = advance(sentence, event)


@given(seed=seeds)
def test_a_part_that_must_play_several_notes_always_can(seed, row, draw_event):
    """Its first note leaves room for the second, the second for the third."""
    rng = np.random.default_rng(seed)
    sentence = small_sentence(rng, row, draw_event)
    limits = replace(
        within(random_limits(rng, TWO_32), SMALL),
        kinds=only(len(Kind), Kind.NOTE, Kind.BAR),
        at_least=rng.integers(2, 5, N_PARTS),
    )
    while (event := draw_event(sentence, rng, limits))[0] == Kind.NOTE:
        began, before = event, sentence
        sentence = advance(sentence, event)
        if plays_already(before, began):
            continue
        owner = tuple(began[1:4].tolist())
        n_given = sum(note[:3] == owner for note in sentence.given.get(0, ()))
        counted_out = replace(limits, parts=limits.at_least < 0)  # has had its notes of the bar
        for n_notes in range(limits.at_least[owner[2]] - n_given - 1, 0, -1):
            bound = must_add(sentence, counted_out, part=owner[2], n_notes=n_notes)
            event = draw_event(sentence, rng, bound)
            assert tuple(event[1:4].tolist()) == owner
            assert keeps(limits, sentence, event)
            sentence = advance(sentence, event)


# ------------------------------------------------------------------ single cases


def test_limits_on_notes_that_leave_none_leave_the_bar_line(speak):
    """Whoever asks too much gets empty bars, not an error."""
    sentence = sentence_of(speak(np.random.default_rng(0), 12, ONLY_NOTES))
    silent = Limits(velocities=only(N_VELOCITIES, UNSPECIFIED), latest=(0, 0))

    allowed = choices(sentence, silent).allowed[0][0]

    assert np.flatnonzero(allowed).tolist() == [Kind.BAR]


def test_places_of_another_metre_are_an_error(speak):
    """The message says which shape a bar of this one has."""
    sentence = sentence_of(speak(np.random.default_rng(0), 12, ONLY_NOTES, metre=THREE_EIGHT))

    with pytest.raises(TokenError, match=r"shape \(4, 24\); a bar of .* \(3, 12\), beats"):
        choices(sentence, Limits(places=np.ones((4, 24), bool)))


def test_what_must_be_added_does_not_count_on_notes_that_are_given(row):
    """Of three pitches above the last note one is taken: two more begin at the lowest."""
    events = [
        row(Kind.START, 1, 0, 0, Extent.MIDDLE),
        row(Kind.PART, 0, 30),
        row(Kind.BAR, FOUR_FOUR, 72),
        row(Kind.GIVEN, 0, 0, 0, 63, 12, 20, program=30),
        row(Kind.NOTE, 0, 0, 0, 60, 12, 20, program=30),
    ]
    sentence = sentence_of(np.stack(events))
    limits = replace(SMALL, pitches=np.tile(only(2 * FIRST_DRUM, 60, 61, 62, 63), (N_PARTS, 1)))

    table = choices(sentence, must_add(sentence, limits, part=0, n_notes=2))

    assert {event[:5] for event in offered(table, Kind.NOTE, N_SLOTS)} == {
        (Kind.NOTE, 0, 0, 0, 61)
    }


def test_a_bar_has_room_for_the_notes_given_in_it(row, draw_event):
    """A note given at the fourth beat forbids a bar of three."""
    events = [
        row(Kind.START, 1, 0, 0, Extent.MIDDLE),
        row(Kind.PART, 0, 30),
        row(Kind.BAR, FOUR_FOUR, 72),
        row(Kind.GIVEN, 3, 20, 0, 60, 12, 20, ahead=1, program=30),
    ]
    sentence = sentence_of(np.stack(events))
    only_bars = Limits(kinds=np.arange(len(Kind)) == Kind.BAR)
    rng = np.random.default_rng(0)

    for _ in range(50):
        metre = draw_event(sentence, rng, only_bars)[1]
        assert NUMERATOR_OF[metre] > 3
        assert BEAT_TICKS_OF[metre] > 20
    with pytest.raises(TokenError, match="the metre of bar 1 has no room for a note given"):
        advance(sentence, row(Kind.BAR, THREE_EIGHT, 72))


def test_the_last_place_of_a_bar_leaves_no_note_after_its_last_pitch(row):
    """When nothing more fits, a note is not offered at all."""
    events = [
        row(Kind.START, 1, 0, 0, Extent.MIDDLE),
        row(Kind.PART, 0, 30),
        row(Kind.BAR, FOUR_FOUR, 72),
        row(Kind.NOTE, 3, 23, 0, 127, 12, 20, program=30),
    ]

    allowed = choices(sentence_of(np.stack(events))).allowed[0][0]

    assert np.flatnonzero(allowed).tolist() == [Kind.BAR]


def test_limits_that_leave_nothing_are_an_error(row):
    """The message says that it was the limits."""
    sentence = sentence_of(np.stack([row(Kind.START, 1), row(Kind.PART, 0, 0)]))

    with pytest.raises(TokenError, match="section HEAD; the limits leave no event"):
        choices(sentence, Limits(kinds=np.zeros(len(Kind), bool)))
