"""Bar lines, judged and found."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.analysis.metre import (
    LEVELS,
    MISALIGNED_CONFIDENCE,
    N_EVIDENCE,
    find_bars,
    judge_metre,
    metrical_levels,
    observe,
)
from sideman.errors import ScoreError
from sideman.score.edit import shift
from sideman.score.types import (
    NOTE_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)

TPQ = 24
N_BARS = 24
ROOTS = (36, 41, 43, 38)
PARTS = (Part(), Part(program=32), Part(is_drum=True))


def song(quarters=4, *, denominator=4):
    """Return a band: bass and a new chord on the downbeat, chords after it, drums."""
    rows = []
    for bar in range(N_BARS):
        start, root = bar * quarters * TPQ, ROOTS[bar % len(ROOTS)]
        rows.append((start, quarters * TPQ - 2, root, 90, 1))
        rows.append((start, TPQ, 36, 90, 2))
        for beat in range(quarters):
            onset = start + beat * TPQ
            length = TPQ * (2 if beat == 0 else 1) - 2
            rows += [(onset, length, root + 24 + step, 70, 0) for step in (0, 4, 7)]
            rows += [(onset + half, 6, 42, 60, 2) for half in (0, TPQ // 2)]
            if beat % 2:
                rows.append((onset, 6, 38, 90, 2))
    numerator = quarters * denominator // 4
    metre = table(TIME_SIGNATURE_DTYPE, [(0, numerator, denominator)])
    return Score(table(NOTE_DTYPE, rows), PARTS, TPQ, time_signatures=metre)


def one_note(onset=0, duration=1, metre=(4, 4), tpq=TPQ):
    metres = table(TIME_SIGNATURE_DTYPE, [(0, *metre)])
    notes = table(NOTE_DTYPE, [(onset, duration, 60, 64, 0)])
    return Score(notes, (Part(),), tpq, time_signatures=metres)


def test_right_bar_lines_are_believed():
    """Bass, harmony and drums agree with them."""
    metre = judge_metre(song())

    assert (metre.numerator, metre.denominator) == (4, 4)
    assert metre.best_phase_quarters == 0
    assert metre.confidence > 0.5


@pytest.mark.parametrize(("late", "way"), [(1, 1), (2, 2), (3, -1)])
def test_bar_lines_beside_the_downbeats_are_noticed(late, way):
    """A beat of silence before the music moves every downbeat."""
    metre = judge_metre(shift(song(), late * TPQ))

    assert metre.best_phase_quarters == way
    assert metre.confidence < MISALIGNED_CONFIDENCE


@pytest.mark.parametrize("quarters", [3, 4])
@pytest.mark.parametrize("late", [0, 1, 2])
def test_bars_are_found_without_a_metre(quarters, late):
    """Tracked beats come without bar lines."""
    bars = find_bars(shift(song(quarters), late * TPQ))

    assert (bars.numerator, bars.phase_quarters) == (quarters, late)


def test_beats_are_found_among_sixteenths():
    """A grid known only to a sixteenth may lie three of them off the beat."""
    bars = find_bars(shift(song(), 3 * TPQ // 4), places_per_quarter=4)

    assert bars.phase_quarters % 1 == 0.75


@pytest.mark.parametrize(
    ("metre", "levels"),
    [
        ((4, 4), "d.e.b.e.m.e.b.e."),
        ((2, 2), "d.e.e.e.m.e.e.e."),
        ((3, 4), "d.e.b.e.b.e."),
        ((6, 8), "d.e.e.m.e.e."),
        ((9, 8), "d.e.e.b.e.e.b.e.e."),
        ((5, 8), "d.b.b.b.b."),
    ],
)
def test_levels_are_those_of_the_metre(metre, levels):
    """Six eighths are two beats of three, three quarters are three."""
    letters = "".join(name[0] for name in LEVELS) + "."

    assert "".join(letters[level] for level in metrical_levels(*metre)) == levels


@pytest.mark.parametrize("metre", [(4, 4), (1, 64), (4, 32), (5, 16), (33, 4), (7, 3), (1, 4)])
def test_what_cannot_be_judged_has_the_odds_of_chance(metre):
    """One note says nothing, and no metre is too strange to be asked about."""
    judged = judge_metre(one_note(metre=metre))

    assert (judged.numerator, judged.denominator) == metre
    assert judged.best_phase_quarters == 0
    assert judged.confidence >= MISALIGNED_CONFIDENCE


def test_the_metre_that_fills_most_is_judged():
    """A bar of 2/4 at the start is not the metre of the piece."""
    score = song()
    rows = table(TIME_SIGNATURE_DTYPE, [(0, 2, 4), (2 * TPQ, 4, 4)])
    moved = shift(score, 2 * TPQ)
    moved = Score(moved.notes, moved.parts, TPQ, time_signatures=rows)

    metre = judge_metre(moved)

    assert (metre.numerator, metre.best_phase_quarters) == (4, 0)


def test_no_notes_are_no_evidence():
    """An empty score still has a metre."""
    empty = Score(table(NOTE_DTYPE), ())

    assert observe(empty).shape == (0, N_EVIDENCE)
    assert judge_metre(empty).confidence == 1 / 8
    assert find_bars(empty).phase_quarters == 0


def test_a_piece_without_end_is_refused_by_name():
    """Evidence for a year of silence would fill the memory."""
    with pytest.raises(ScoreError, match="whole notes; at most"):
        find_bars(one_note(onset=2**40))


def test_a_note_that_rings_on_costs_nothing():
    """Only where notes begin is there something to judge."""
    assert len(observe(one_note(duration=2**40))) < 100


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 60))
def test_judging_repeats_and_stays_a_probability(seed, n_notes):
    """The same notes are judged the same, in bounds."""
    generator = np.random.default_rng(seed)
    notes = np.zeros(n_notes, NOTE_DTYPE)
    notes["onset"] = generator.integers(0, 2000, n_notes)
    notes["duration"] = generator.integers(1, 100, n_notes)
    notes["pitch"] = generator.integers(0, 128, n_notes)
    notes["velocity"] = 64
    notes["part"] = generator.integers(0, len(PARTS), n_notes)
    score = Score(notes, PARTS, TPQ)

    metre = judge_metre(score)

    assert metre == judge_metre(score)
    assert 0 <= metre.confidence <= 1
    assert -2 < metre.best_phase_quarters <= 2
