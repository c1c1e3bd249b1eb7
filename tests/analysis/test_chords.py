"""The chords told from the notes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.analysis.chords import find_chords
from sideman.errors import ScoreError
from sideman.score.harmony import (
    QUALITY_NAMES,
    Chord,
    chord_label,
    chord_pitch_classes,
    parse_chord,
)
from sideman.score.time import MAX_BARS, bar_starts
from sideman.score.types import (
    CHORD_DTYPE,
    NOTE_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)

PARTS = (Part(), Part(is_drum=True))
BAR = 96
"""Ticks of a bar of 4/4 at 24 ticks per quarter."""

notes_st = st.lists(
    st.tuples(
        st.integers(0, 960), st.integers(1, 400), st.integers(24, 90), st.just(64), st.just(0)
    ),
    min_size=1,
    max_size=20,
)
metres_st = st.lists(
    st.tuples(st.integers(0, 900), st.integers(1, 13), st.sampled_from([1, 2, 4, 8, 16])),
    max_size=3,
)


def score(notes, metres=(), tpq=24, parts=PARTS):
    """Return a score of rows of onset, duration, pitch, velocity, part; part 1 is the drums."""
    return Score(
        table(NOTE_DTYPE, notes),
        parts,
        tpq=tpq,
        time_signatures=table(TIME_SIGNATURE_DTYPE, metres),
    )


def block(symbol, onset, duration):
    """Return the notes of a chord: its bass, and its tones from middle C up."""
    chord = parse_chord(symbol)
    bass = 36 + (chord.root + chord.bass) % 12
    pitches = [bass, *(60 + pitch_class for pitch_class in chord_pitch_classes(chord))]
    return [(onset, duration, pitch, 64, 0) for pitch in pitches]


def blocks(*symbols, duration=BAR):
    """Return the notes of chords of one length, one after the other."""
    return [
        note
        for nth, symbol in enumerate(symbols)
        for note in block(symbol, nth * duration, duration)
    ]


def labels(chords):
    """Return onsets and labels of found chords."""
    return [
        (
            int(row["onset"]),
            chord_label(Chord(*(int(row[name]) for name in row.dtype.names[1:]))),
        )
        for row in chords
    ]


@pytest.mark.parametrize("semitones", range(12))
def test_cadence_in_whole_bars_is_read_exactly(semitones):
    """First, fourth, fifth with its seventh, first, in every key."""
    cadence = blocks("C", "F", "G7", "C")
    moved = [(*row[:2], row[2] + semitones, *row[3:]) for row in cadence]

    found = find_chords(score(moved))

    degrees = [(0, "maj"), (5, "maj"), (7, "7"), (0, "maj")]
    assert found.tolist() == [
        (bar * BAR, (degree + semitones) % 12, QUALITY_NAMES.index(quality), 0)
        for bar, (degree, quality) in enumerate(degrees)
    ]


@pytest.mark.parametrize(
    ("symbol", "label"),
    [
        ("Dm", "D:min"),
        ("Dm7", "D:min7"),
        ("Cmaj7", "C:maj7"),
        ("Bdim", "B:dim"),
        ("Bm7b5", "B:hdim7"),
        ("C#dim7", "Db:dim7"),
        ("Caug", "C:aug"),
        ("C6", "C:maj6"),
        ("Fm6", "F:min6"),
        ("Gsus4", "G:sus4"),
        ("C5", "C:5"),
    ],
)
def test_chord_held_for_long_is_named_as_spelt(symbol, label):
    """What is rare needs more evidence, and four bars are enough."""
    piece = blocks("C", "G7", *[symbol] * 4, "G7", "C")

    found = dict(labels(find_chords(score(piece))))

    assert found[2 * BAR] == label


@pytest.mark.parametrize(
    ("symbol", "label"), [("C/E", "C:maj/3"), ("F/C", "F:maj/5"), ("G7/F", "G:7/b7")]
)
def test_tone_of_the_chord_in_the_bass_is_an_inversion(symbol, label):
    """Who accompanies must know the bass as well."""
    found = find_chords(score(blocks("C", symbol, "G", "C")))

    assert (BAR, label) in labels(found)


@pytest.mark.parametrize(
    ("metre", "duration"),
    [((0, 3, 4), 72), ((0, 6, 8), 72), ((0, 7, 8), 84), ((0, 2, 2), 96), ((0, 5, 4), 120)],
)
def test_chords_change_on_the_bar_lines_of_any_metre(metre, duration):
    """A bar is as long as its metre says."""
    piece = score(blocks("C", "Am", "F", "G", duration=duration), [metre])

    found = find_chords(piece)

    assert found["onset"].tolist() == bar_starts(piece)[:-1].tolist()


def test_broken_chords_are_chords():
    """An arpeggio never sounds two tones at once."""
    pitches = (
        [48, 52, 55, 52] * 2 + [53, 57, 60, 57] * 2 + [55, 59, 62, 59] * 2 + [48, 52, 55, 60]
    )

    found = find_chords(score([(24 * n, 24, pitch, 64, 0) for n, pitch in enumerate(pitches)]))

    assert labels(found) == [
        (0, "C:maj"),
        (2 * BAR, "F:maj"),
        (4 * BAR, "G:maj"),
        (6 * BAR, "C:maj"),
    ]


def test_rests_inside_a_bar_do_not_end_a_chord_and_silent_bars_do():
    """Chords are struck and left; when nothing sounds for bars, there is none."""
    short = [note for bar in range(2) for note in block("C", bar * BAR, 24)]
    later = block("C", 6 * BAR, BAR)

    found = find_chords(score([*short, *later]))

    assert [label for _, label in labels(found)] == ["C:maj", "N", "C:maj"]
    assert found["onset"][2] == 6 * BAR


def test_tune_alone_implies_few_chords():
    """Eight bars of a tune over two chords are not 32 chords, one for each note."""
    tune = [60, 64, 67, 64, 60, 62, 64, 60, 67, 65, 62, 59, 62, 67, 65, 62] * 2

    found = find_chords(score([(24 * n, 24, pitch, 64, 0) for n, pitch in enumerate(tune)]))

    assert 1 <= len(found) <= 8


@given(notes_st, metres_st, st.integers(-24, 36))
def test_transposed_piece_has_transposed_chords(notes, metres, semitones):
    """Also where two chords fit equally well: the choice must not hang on a note's name."""
    found = find_chords(score(notes, metres))

    moved = find_chords(score([(*n[:2], n[2] + semitones, *n[3:]) for n in notes], metres))

    is_chord = found["root"] < 12
    found["root"][is_chord] = (found["root"][is_chord] + semitones) % 12
    assert moved.tolist() == found.tolist()


@given(notes_st, st.integers(2, 40))
def test_finer_ticks_change_onsets_only(notes, factor):
    """A beat is a beat at any resolution."""
    found = find_chords(score(notes, [(0, 3, 4)]))
    finer = [(row[0] * factor, row[1] * factor, *row[2:]) for row in notes]

    scaled = find_chords(score(finer, [(0, 3, 4)], tpq=24 * factor))

    found["onset"] *= factor
    assert scaled.tolist() == found.tolist()


@given(notes_st, st.lists(st.integers(0, 127), max_size=9))
def test_drums_inside_the_piece_change_nothing(notes, pieces):
    """A drum's pitch is the name of a drum."""
    drums = [(0, 1, piece, 64, 1) for piece in pieces]

    assert find_chords(score([*notes, *drums])).tolist() == find_chords(score(notes)).tolist()


@given(notes_st, metres_st)
def test_rows_are_what_a_score_may_hold_and_each_is_a_change(notes, metres):
    """They start at tick 0, move forward, and no row repeats the one before."""
    piece = score(notes, metres)

    found = find_chords(piece)

    assert found.dtype == CHORD_DTYPE
    assert found["onset"][0] == 0
    assert (np.diff(found["onset"]) > 0).all()
    assert found["onset"][-1] < bar_starts(piece)[-1]
    names = [label for _, label in labels(found)]  # raises where a value is out of range
    assert all(before != after for before, after in pairwise(names))


@pytest.mark.parametrize("notes", [[], [(0, 24, 36, 64, 1)]], ids=["nothing", "drums only"])
def test_without_pitches_there_are_no_chords(notes):
    """An empty table, as a score has that knows no chords."""
    found = find_chords(score(notes))

    assert found.dtype == CHORD_DTYPE
    assert len(found) == 0


def test_one_short_note_is_one_row():
    """The least there is."""
    assert len(find_chords(score([(0, 1, 60, 64, 0)]))) == 1


def test_many_players_of_one_chord_play_that_chord():
    """Sixty-four parts in unison are no surer than four, and no less."""
    parts = tuple(Part(program=program) for program in range(64))
    notes = [(*row[:4], part) for part in range(64) for row in blocks("C", "F", "G7", "C")]

    found = find_chords(score(notes, parts=parts))

    assert [label for _, label in labels(found)] == ["C:maj", "F:maj", "G:7", "C:maj"]


def test_longest_score_changes_on_bar_lines_only():
    """Two notes far apart: memory and time follow the bars, however many beats one has."""
    far = (MAX_BARS - 1) * 16 * 24
    piece = score([*block("C", 0, 24), *block("G", far, 24)], [(0, 16, 4)])

    found = find_chords(piece)

    assert [label for _, label in labels(found)] == ["C:maj", "N", "G:maj"]
    assert found["onset"].tolist() == [0, 16 * 24, far]


def test_endless_score_is_refused():
    """As everywhere else: too many bars are a broken file."""
    with pytest.raises(ScoreError, match="bars; at most"):
        find_chords(score([(BAR * (MAX_BARS + 1), 24, 60, 64, 0)]))
