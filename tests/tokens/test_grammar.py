"""The grammar: whatever it lets through is music."""

from dataclasses import replace

import numpy as np
import pytest

from sideman.errors import TokenError
from sideman.tokens.choices import Limits, choices
from sideman.tokens.codec import PLAIN, decode, encode, events_to_grid, grid_to_events
from sideman.tokens.grammar import Section, Sentence, advance, sentence_of
from sideman.tokens.vocabulary import (
    AHEAD,
    BAR_TICKS_OF,
    HELD,
    LARGEST_VALUES,
    MAX_AHEAD,
    N_COLUMNS,
    N_SLOTS,
    UNSPECIFIED,
    Extent,
    Kind,
    Vocabulary,
    time_signature_value,
)

FOUR_FOUR = int(time_signature_value(4, 4))
THREE_EIGHT = int(time_signature_value(3, 8))
SEEDS = range(12)


def ended(events, row, n_bars):
    """Close a sentence with an END, where bars are missing before it after those."""
    sentence = sentence_of(events)
    bars = [row(Kind.BAR, FOUR_FOUR, 72)] * max(n_bars - 1 - sentence.bar, 0)
    return np.stack([*events, *bars, row(Kind.END)])


# ------------------------------------------------------------------- round trip


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_drawn_decodes_and_encodes_back(seed, speak, row):
    """The second property of the language: no sentence of the grammar is lost on the way."""
    events = ended(speak(np.random.default_rng(seed), 150, extent=Extent.WHOLE), row, 1)

    score, layout = decode(events)
    again, counts = encode(score, layout)

    np.testing.assert_array_equal(again, events)
    assert sum(counts.values()) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_given_notes_do_not_harm_the_round_trip(seed, speak, row, draw_event):
    """Any notes may be given, any bars ahead; what is written around never repeats them."""
    rng = np.random.default_rng(seed)
    limits = Limits(
        kinds=np.arange(len(Kind)) != Kind.END,
        time_signatures=np.arange(len(BAR_TICKS_OF)) == FOUR_FOUR,
    )
    plain = speak(rng, 120, limits, extent=Extent.WHOLE, metre=FOUR_FOUR)
    events = ended(plain, row, 1)
    grid, layout = events_to_grid(events)
    n_notes = len(grid.notes)
    ahead = np.where(rng.random(n_notes) < 0.4, rng.integers(0, MAX_AHEAD + 1, n_notes), PLAIN)
    events = grid_to_events(grid, replace(layout, ahead=ahead))
    assert sentence_of(events).section is Section.ENDED

    more = []
    sentence = Sentence()
    for event in events:
        # Write a few notes of our own before whatever may come after them.
        while sentence.section in (Section.BAR, Section.GIVENS) and rng.random() < 0.5:
            if event[0] in (Kind.PART, Kind.GIVEN):
                break
            note = draw_event(sentence, rng, Limits(kinds=np.arange(len(Kind)) == Kind.NOTE))
            if event[0] in (Kind.NOTE, Kind.CHORD) and tuple(note[1:5]) >= tuple(event[1:5]):
                break
            if event[0] == Kind.CHORD and tuple(note[1:3]) == tuple(event[1:3]):
                break
            more.append(note)
            sentence = advance(sentence, note)
        more.append(event)
        sentence = advance(sentence, event)
    events = np.stack(more)

    score, layout = decode(events)
    again, counts = encode(score, layout)

    assert len(score.notes) == np.isin(events[:, 0], (Kind.NOTE, Kind.GIVEN)).sum()
    np.testing.assert_array_equal(again, events)
    assert counts["duplicate_notes"] == 0


# ----------------------------------------------------------- choices and advance


def random_row(sentence, rng):
    """Return an event near what may be said: of small values, of a declared part, or any."""
    event = np.zeros(N_COLUMNS, np.uint8)
    event[0] = rng.choice([Kind.PART, Kind.BAR, Kind.CHORD, Kind.NOTE, Kind.NOTE, Kind.END])
    largest = LARGEST_VALUES[event[0]].astype(int)
    event[1:N_SLOTS] = rng.integers(0, largest[1:N_SLOTS] + 1)
    if rng.random() < 0.7:  # near the last event
        last = [*sentence.last[:2], 0, 0][:2]
        event[1:3] = np.clip(np.abs(last) + rng.integers(-1, 2, 2), 0, largest[1:3])
        event[3] = min(rng.integers(5), largest[3])
    if event[0] == Kind.NOTE and event[3] < len(sentence.programs):
        event[8] = sentence.programs[event[3]]
        if rng.random() < 0.5 and sentence.last:
            event[4] = np.clip(sentence.last[-1] + rng.integers(-1, 2), 0, 255)
    if event[0] == Kind.PART and event[1] < len(sentence.programs) and rng.random() < 0.5:
        event[2] = sentence.programs[event[1]]
    return event


def is_chosen(table, event):
    """Tell whether an event is among the choices."""
    targets, state = Vocabulary().targets(event), 0
    for slot in range(N_SLOTS):
        value = max(int(targets[slot]), 0)
        if not table.allowed[slot][state, value]:
            return False
        if slot < N_SLOTS - 1:
            state = table.follow[slot][state, value]
    return True


def is_accepted(sentence, event):
    try:
        advance(sentence, event)
    except TokenError:
        return False
    return True


def is_never_chosen(event):
    """Tell whether an event may be said but is not offered: a key that is down, no loudness."""
    if event[0] == Kind.NOTE:
        return event[5] == HELD or event[6] == UNSPECIFIED
    is_no_chord = event[0] == Kind.CHORD and event[3] == LARGEST_VALUES[Kind.CHORD, 3]
    return is_no_chord and (event[4] != 0 or event[5] != 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_choices_are_what_advance_accepts(seed, speak, row, draw_event):
    """Two descriptions of one grammar, one to draw by and one to check by, agree."""
    rng = np.random.default_rng(seed)
    events = speak(rng, 60, n_parts=2, metre=THREE_EIGHT)
    grid, layout = events_to_grid(events)
    n_notes = len(grid.notes)
    ahead = np.where(rng.random(n_notes) < 0.3, rng.integers(0, 3, n_notes), PLAIN)
    events = grid_to_events(grid, replace(layout, ahead=ahead))
    sentence, n_accepted, n_refused = Sentence(), 0, 0
    for event in events:
        if sentence.section not in (Section.EMPTY, Section.ENDED):
            table = choices(sentence)
            for _ in range(40):
                other = random_row(sentence, rng)
                accepted = is_accepted(sentence, other)
                assert is_chosen(table, other) == (accepted and not is_never_chosen(other))
                n_accepted, n_refused = n_accepted + accepted, n_refused + (not accepted)
            for _ in range(5):
                advance(sentence, draw_event(sentence, rng))
        sentence = advance(sentence, event)
    assert min(n_accepted, n_refused) > 100


def test_a_note_may_follow_a_given_one_that_lies_ahead(row):
    """Given notes are ordered by bars ahead first; what is written here starts over."""
    events = [
        row(Kind.START, 1, 0, 0, Extent.MIDDLE),
        row(Kind.PART, 0, 30),
        row(Kind.BAR, FOUR_FOUR, 72),
        row(Kind.GIVEN, 3, 0, 0, 60, 12, 20, ahead=2, program=30),
        row(Kind.NOTE, 0, 0, 0, 50, 12, 20, program=30),
    ]

    sentence = sentence_of(np.stack(events))

    assert sentence.last == (0, 0, 1, 0, 50)
    assert sentence.given[2] == {(3, 0, 0, 60)}


# ----------------------------------------------------------------------- errors


START = (Kind.START, 1, 0, 0, Extent.WHOLE)
PIANO, KIT = (Kind.PART, 0, 0), (Kind.PART, 1, 128)
BAR = (Kind.BAR, FOUR_FOUR, 72)


NOTE = (Kind.NOTE, 1, 0, 0, 60, 9, 9)
BODY = [START, PIANO, BAR]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([PIANO], "event 0: PART may not follow in section EMPTY"),
        ([START, START], "event 1: START may not follow in section HEAD"),
        ([START, BAR], "event 1: a BAR stands before the first PART"),
        ([START, KIT], "event 1: part 1 is declared; the next new number is 0"),
        ([*BODY, (Kind.PART, 0, 5)], "event 3: part 0 changes its program to 5"),
        ([START, PIANO, KIT, PIANO], r"event 3: an event ordered by \(0,\) stands after one"),
        ([*BODY, (Kind.NOTE, 4, 0, 0, 60, 9, 9)], "event 3: beat 4, tick 0 lies behind"),
        ([*BODY, (Kind.CHORD, 0, 24, 0)], "event 3: beat 0, tick 24 lies behind"),
        ([*BODY, (Kind.NOTE, 0, 0, 1, 60, 9, 9)], "event 3: a note names part 1; 1 parts are"),
        (
            [*BODY, (Kind.NOTE, 0, 0, 0, 188, 9, 9)],
            "pitch value 188 does not go with program 0",
        ),
        (
            [*BODY, NOTE, (Kind.NOTE, 0, 5, 0, 60, 9, 9)],
            "event 4: an event ordered by .* after",
        ),
        ([*BODY, NOTE, (Kind.CHORD, 1, 0, 0)], "event 4: an event ordered by .* stands after"),
        ([*BODY, (Kind.END,), BAR], "event 4: BAR may not follow in section ENDED"),
        ([(Kind.START, 1), PIANO, BAR, (Kind.END,)], "event 3: END stands in a fragment"),
        ([*BODY, (Kind.GIVEN, 5, 0, 0, 60, 9, 9)], "event 3: a given note lies at beat 5"),
        (
            [START, PIANO, (Kind.BAR, 250, 72)],
            "event 2: column 1 of the BAR is 250; it must be",
        ),
        ([START, PIANO, (9,)], "event 2: the event has kind 9; there are 7"),
        ([*BODY, (Kind.END, 1)], "column 1 of the END is 1; it must be at most 0"),
    ],
)
def test_what_breaks_the_grammar_is_named(rows, message, row):
    """Where, what, and why."""
    with pytest.raises(TokenError, match=message):
        sentence_of(np.stack([row(*values) for values in rows]))


def test_a_note_is_given_once_and_not_written_again(row):
    """Neither by whoever gives it, nor by the model."""
    head = [row(*START), row(*PIANO), row(*BAR)]
    later = row(Kind.GIVEN, 1, 0, 0, 60, 9, 9, ahead=1)
    now = row(Kind.GIVEN, 1, 0, 0, 60, 9, 9)

    with pytest.raises(TokenError, match=r"event 5: the note at beat 1.* is given twice"):
        sentence_of(np.stack([*head, later, row(*BAR), now]))
    with pytest.raises(TokenError, match=r"event 5: the note at beat 1.* is given already"):
        sentence_of(np.stack([*head, later, row(*BAR), row(Kind.NOTE, 1, 0, 0, 60, 5, 5)]))
    with pytest.raises(TokenError, match="END stands in a fragment, or before the bars"):
        sentence_of(np.stack([*head, later, row(Kind.END)]))
    assert later[AHEAD] == 1


def test_a_note_says_the_program_of_its_part(row):
    """It is fed to the network with the part, so it must be true."""
    head = [row(*START), row(Kind.PART, 0, 30), row(*BAR)]

    with pytest.raises(TokenError, match="a note of part 0 says program 4; the part has 30"):
        sentence_of(np.stack([*head, row(Kind.NOTE, 0, 0, 0, 60, 5, 5, program=4)]))
