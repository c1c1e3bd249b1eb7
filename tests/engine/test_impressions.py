"""Impressions are what their names say, of any notes."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.impressions import impressions
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.grid import to_grid

PIANO, BASS, DRUMS = Part(0), Part(33), Part(0, is_drum=True)

notes_st = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(1, 200),
        st.integers(0, 127),
        st.integers(1, 127),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=30,
)


def impressions_of(*rows):
    """Return the impressions of notes: onset, duration, pitch and maybe velocity and part."""
    notes = [(*row, *(80, 0)[len(row) - 3 :]) for row in rows]
    return impressions(to_grid(Score(table(NOTE_DTYPE, notes), (PIANO, BASS, DRUMS)))[0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("notes a bar", math.log2(5)),
        ("long notes", (4 * math.log2(24) + math.log2(12)) / 5),
        ("high notes", (60 + 60 + 48 + 64 + 62) / 5),
        ("repeated pitches", 1 / 3),
        ("leaps", (0 + 4 + 2) / 3),
        ("rising lines", 0.0),
        ("notes off the beat", 1 / 5),
        ("uneven rhythm", np.log2([24, 36, 12]).std()),
        ("notes at once", math.log2(5 / 4)),
        ("different pitch classes", -(3 * math.log2(3 / 5) + 2 * math.log2(1 / 5)) / 5),
        ("uneven loudness", 0.0),
        ("drums", 0.0),
    ],
)
def test_each_is_what_its_name_says(name, expected):
    """Of a line with a note below: C C E D, and a low C with the second."""
    rows = [(0, 24, 60), (24, 24, 60), (24, 24, 48), (60, 12, 64), (72, 24, 62)]

    assert impressions_of(*rows)[name] == pytest.approx(expected)


def test_drums_have_no_pitch():
    """A kick is no low note, and a hi-hat no repeated one."""
    beat = [(24 * number, 24, 42, 80, 2) for number in range(8)]
    tune = [(0, 24, 60, 80, 0), (24, 24, 67, 80, 0)]

    together, alone = impressions_of(*tune, *beat), impressions_of(*tune)

    for name in ("high notes", "repeated pitches", "leaps", "different pitch classes"):
        assert together[name] == alone[name]
    assert together["drums"] == pytest.approx(0.8)


def test_parts_are_lines_of_their_own():
    """From the bass to the piano is no leap."""
    rows = [
        (24 * n, 24, pitch, 80, part) for n in range(4) for pitch, part in ((40, 1), (72, 0))
    ]

    assert impressions_of(*rows)["leaps"] == 0
    assert impressions_of(*rows)["repeated pitches"] == 1


@given(notes_st)
def test_all_are_numbers_whatever_the_notes(rows):
    """And have the same names in the same order, or weights would go astray."""
    found = impressions_of(*rows)

    assert np.isfinite(list(found.values())).all()
    assert list(found) == list(impressions_of((0, 24, 60)))
