"""Cutting and joining: what is kept, what is carried, what is left out."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import ScoreError
from sideman.score.edit import append_score, cut_overlaps, drop_empty_parts, shift, slice_bars
from sideman.score.time import bar_starts, ticks_to_seconds
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)

PARTS = (Part(0, name="piano"), Part(32, name="bass"), Part(0, is_drum=True))

onset_st = st.integers(0, 800)
scores_st = st.builds(
    lambda notes, metres, tempos, keys: Score(
        table(NOTE_DTYPE, notes),
        PARTS,
        tempos=table(TEMPO_DTYPE, tempos),
        time_signatures=table(TIME_SIGNATURE_DTYPE, metres),
        keys=table(KEY_DTYPE, keys),
    ),
    st.lists(
        st.tuples(
            onset_st,
            st.integers(1, 200),
            st.integers(58, 62),
            st.integers(1, 127),
            st.integers(0, 2),
        ),
        max_size=30,
    ),
    st.lists(st.tuples(onset_st, st.integers(1, 9), st.sampled_from([2, 4, 8])), max_size=3),
    st.lists(st.tuples(onset_st, st.floats(30, 300)), max_size=3),
    st.lists(st.tuples(onset_st, st.integers(0, 11), st.booleans()), max_size=3),
)


def waltz():
    """Return five bars of 3/4 (72 ticks): a note a bar, one across a bar line, a key change."""
    notes = [(bar * 72, 24, 60 + bar, 80, 0) for bar in range(5)] + [(60, 24, 40, 80, 1)]
    return Score(
        table(NOTE_DTYPE, notes),
        PARTS,
        tempos=table(TEMPO_DTYPE, [(0, 90.0), (100, 60.0)]),
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 3, 4)]),
        keys=table(KEY_DTYPE, [(0, 2, True), (144, 5, False)]),
        chords=table(CHORD_DTYPE, [(0, 2, 1, 0), (180, 7, 4, 0)]),
    )


def test_slice_starts_at_0_and_carries_in_what_holds_there():
    """Bars 1 and 2: metre, tempo, key and chord began before, and still hold."""
    cut = slice_bars(waltz(), 1, 3)

    assert cut.notes[["onset", "pitch"]].tolist() == [(0, 61), (72, 62)]
    assert cut.time_signatures.tolist() == [(0, 3, 4)]
    assert cut.tempos.tolist() == [(0, 90.0), (28, 60.0)]
    assert cut.keys.tolist() == [(0, 2, True), (72, 5, False)]
    assert cut.chords.tolist() == [(0, 2, 1, 0), (108, 7, 4, 0)]
    assert cut.parts == PARTS


def test_slice_keeps_a_note_that_starts_inside_whole():
    """The bass note of bar 0 rings into bar 1: it belongs to bar 0, at full length."""
    first, second = slice_bars(waltz(), 0, 1), slice_bars(waltz(), 1, 2)

    assert (60, 24, 40, 80, 1) in first.notes.tolist()
    assert 40 not in second.notes["pitch"]


def test_slice_of_a_pick_up_keeps_the_short_bar():
    """The metre that follows it is inside as well."""
    score = Score(
        table(NOTE_DTYPE, [(0, 24, 67, 80, 0), (24, 96, 60, 80, 0)]),
        PARTS,
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 1, 4), (24, 4, 4)]),
    )

    assert bar_starts(slice_bars(score, 0, 2)).tolist() == [0, 24, 120]
    assert bar_starts(slice_bars(score, 1, 2)).tolist() == [0, 96]


def test_bars_after_the_end_are_empty():
    """So eight bars can be cut from a piece whose last ones are silent."""
    assert len(slice_bars(waltz(), 4, 8).notes) == 1
    assert len(slice_bars(waltz(), 7, 8).notes) == 0
    assert slice_bars(waltz(), 7, 8).keys.tolist() == [(0, 5, False)]


@pytest.mark.parametrize(("first", "end"), [(-1, 2), (3, 2)])
def test_bars_out_of_order_are_refused(first, end):
    """The message names both."""
    with pytest.raises(ScoreError, match=f"bars are {first} to {end}; they must be in order"):
        slice_bars(waltz(), first, end)


@given(scores_st, st.data())
def test_slices_of_all_bars_hold_every_note_once(score, data):
    """Cutting at any bar line loses nothing, and joining the pieces restores the score."""
    starts = bar_starts(score)
    bar = data.draw(st.integers(0, len(starts) - 1))

    head, tail = slice_bars(score, 0, bar), slice_bars(score, bar, len(starts) - 1)
    joined = append_score(head, tail, int(starts[bar]))

    assert joined.notes.tolist() == score.notes.tolist()
    assert joined.parts == score.parts
    ticks = score.notes["onset"]
    assert ticks_to_seconds(joined, ticks) == pytest.approx(ticks_to_seconds(score, ticks))


@given(scores_st, st.integers(0, 300))
def test_shift_there_and_back_changes_no_note_and_no_tempo(score, ticks):
    """Later, then earlier by as much."""
    back = shift(shift(score, ticks), -ticks)

    assert back.notes.tolist() == score.notes.tolist()
    onsets = score.notes["onset"]
    assert ticks_to_seconds(back, onsets) == pytest.approx(ticks_to_seconds(score, onsets))


def test_time_that_is_added_has_the_first_metre_tempo_and_key():
    """A count-in of one bar is in the metre of the piece; nothing is played over a chord."""
    later = shift(waltz(), 72)

    assert later.notes["onset"].tolist()[:2] == [72, 132]
    assert later.time_signatures.tolist() == [(0, 3, 4)]
    assert later.tempos.tolist() == [(0, 90.0), (172, 60.0)]
    assert later.keys.tolist() == [(0, 2, True), (216, 5, False)]
    assert later.chords.tolist() == [(72, 2, 1, 0), (252, 7, 4, 0)]


def test_shift_that_would_lose_a_note_is_refused():
    """The message names the shift and the note."""
    with pytest.raises(ScoreError, match="shift is -1; the first note starts at 0"):
        shift(waltz(), -1)


def test_tail_brings_its_tables_and_its_further_parts():
    """From where it begins; what the head said before stays."""
    tail = Score(
        table(NOTE_DTYPE, [(0, 24, 72, 90, 3)]),
        (*PARTS, Part(40, name="violin")),
        tempos=table(TEMPO_DTYPE, [(0, 200.0)]),
    )

    joined = append_score(waltz(), tail, 144)

    assert joined.parts == tail.parts
    assert len(joined.notes) == len(waltz().notes) + 1
    assert joined.tempos.tolist() == [(0, 90.0), (100, 60.0), (144, 200.0)]
    assert joined.keys.tolist() == [(0, 2, True)]  # the tail leaves it as it was
    assert joined.time_signatures.tolist() == [(0, 3, 4)]


def test_tail_with_other_ticks_is_refused():
    """Adding them would change its speed."""
    tail = Score(table(NOTE_DTYPE), (), tpq=480)

    with pytest.raises(ScoreError, match="tail has 480 ticks per quarter, the score 24"):
        append_score(waltz(), tail, 0)
    with pytest.raises(ScoreError, match="append position is -1; it must be at least 0"):
        append_score(waltz(), waltz(), -1)


def test_parts_without_notes_are_dropped_and_the_others_renumbered():
    """The waltz has no drums; without its piano the bass is part 0."""
    bass = waltz().with_notes(waltz().notes[waltz().notes["part"] == 1])

    assert drop_empty_parts(waltz()).parts == PARTS[:2]
    assert drop_empty_parts(bass).parts == PARTS[1:2]
    assert drop_empty_parts(bass).notes["part"].tolist() == [0]


@pytest.mark.parametrize(
    ("notes", "cut"),
    [
        pytest.param(
            [(0, 48, 60, 80, 0), (24, 48, 60, 80, 0)],
            [(0, 24, 60, 80, 0), (24, 48, 60, 80, 0)],
            id="the earlier ends where the later begins",
        ),
        pytest.param(
            [(0, 12, 60, 80, 0), (0, 48, 60, 70, 0), (0, 24, 60, 90, 0)],
            [(0, 48, 60, 70, 0)],
            id="of notes that begin together the longest is kept",
        ),
        pytest.param(
            [(0, 96, 60, 80, 0), (24, 12, 60, 80, 0)],
            [(0, 24, 60, 80, 0), (24, 12, 60, 80, 0)],
            id="also where the later ends first",
        ),
        pytest.param(
            [(0, 48, 60, 80, 0), (24, 48, 60, 80, 1), (24, 48, 61, 80, 0)],
            [(0, 48, 60, 80, 0), (24, 48, 61, 80, 0), (24, 48, 60, 80, 1)],
            id="another part or pitch is no overlap",
        ),
    ],
)
def test_overlap_of_one_pitch_in_one_part_is_cut(notes, cut):
    """MIDI could not say which of the two a note-off ends."""
    assert cut_overlaps(Score(table(NOTE_DTYPE, notes), PARTS)).notes.tolist() == cut


@given(scores_st)
def test_after_cutting_no_key_is_pressed_twice(score):
    """In each part each pitch ends before it starts again, and every attack is still there."""
    cut = cut_overlaps(score)

    by_key: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for onset, duration, pitch, _, part in cut.notes.tolist():
        by_key.setdefault((part, pitch), []).append((onset, onset + duration))
    for spans in by_key.values():
        assert all(end <= onset for (_, end), (onset, _) in pairwise(spans))
    attacks = ["onset", "pitch", "part"]
    assert set(cut.notes[attacks].tolist()) == set(score.notes[attacks].tolist())
    assert cut_overlaps(cut).notes.tolist() == cut.notes.tolist()


@given(scores_st)
def test_no_edit_changes_the_score_it_is_given(score):
    """Scores are values: others may hold the same tables."""
    before = [rows.tolist() for rows in (score.notes, score.tempos, score.keys)]

    slice_bars(score, 0, 1)
    shift(score, 24)
    append_score(score, score, 48)
    drop_empty_parts(score)
    cut_overlaps(score)

    assert [rows.tolist() for rows in (score.notes, score.tempos, score.keys)] == before
