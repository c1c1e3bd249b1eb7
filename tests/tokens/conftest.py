"""Scores as hostile as they come, and how to look at them."""

import numpy as np
import pytest
from hypothesis import strategies as st

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

TPQS = (1, 24, 96, 480, 960)
METRES = ((4, 4), (3, 4), (6, 8), (5, 8), (7, 4), (3, 16), (4, 2), (1, 4), (9, 32), (2, 1))
STRANGE_METRES = ((5, 64), (1, 64), (33, 4), (100, 8), (129, 4), (3, 128), (40, 1), (7, 3))
PIANO = (Part(),)
N_PARTS = (*range(1, 21), 64, 65, 70)


def _rows(draw, dtype, row, max_size):
    return table(dtype, draw(st.lists(row, max_size=max_size)))


@st.composite
def scores(draw):
    """Draw a score: odd metres off the bar lines, triplets, long, doubled, clashing notes."""
    tpq = draw(st.sampled_from(TPQS))
    parts = tuple(
        Part(program=(seed * 37) % 128, is_drum=seed % 4 == 0, name=f"part {seed}")
        for seed in range(draw(st.integers(0, 3)), 100)
    )[: draw(st.sampled_from(N_PARTS))]
    ticks = st.integers(0, 30 * tpq) | st.integers(0, 90).map(lambda third: third * tpq // 3)
    lengths = st.integers(1, 4 * tpq) | st.sampled_from(
        [1, max(tpq // 3, 1), tpq, 5 * tpq, 63 * tpq, 100 * tpq]
    )
    metres = st.sampled_from(METRES)
    if draw(st.booleans()):
        metres |= st.sampled_from(STRANGE_METRES)
    bar_lines = st.integers(0, 8).map(lambda bar: 3 * bar * tpq) | ticks
    return Score(
        notes=_rows(
            draw,
            NOTE_DTYPE,
            st.tuples(
                ticks,
                lengths,
                st.integers(0, 127) | st.integers(60, 62),
                st.integers(1, 127),
                st.integers(0, len(parts) - 1),
            ),
            20,
        ),
        parts=parts,
        tpq=tpq,
        tempos=_rows(draw, TEMPO_DTYPE, st.tuples(ticks, st.floats(4, 700)), 4),
        time_signatures=_rows(
            draw,
            TIME_SIGNATURE_DTYPE,
            st.tuples(bar_lines, metres).map(lambda row: (row[0], *row[1])),
            3,
        ),
        keys=_rows(draw, KEY_DTYPE, st.tuples(ticks, st.integers(0, 11), st.booleans()), 2),
        chords=_rows(
            draw,
            CHORD_DTYPE,
            st.tuples(ticks, st.integers(0, 12), st.integers(0, 22), st.integers(0, 11)),
            3,
        ),
    )


@pytest.fixture(scope="session")
def scores_st():
    """The strategy that draws scores."""
    return scores()


@pytest.fixture(scope="session")
def same_score():
    """Say whether two scores are the same in all tables; names are no part of the music."""

    def same(score, other):
        return (
            score.tpq == other.tpq
            and [(p.program, p.is_drum) for p in score.parts]
            == [(p.program, p.is_drum) for p in other.parts]
            and all(
                np.array_equal(getattr(score, name), getattr(other, name))
                for name in ("notes", "tempos", "time_signatures", "keys", "chords")
            )
        )

    return same


@pytest.fixture(scope="session")
def make_score():
    """Make a score from rows: notes, parts, and tables by name."""
    dtypes = {
        "tempos": TEMPO_DTYPE,
        "time_signatures": TIME_SIGNATURE_DTYPE,
        "keys": KEY_DTYPE,
        "chords": CHORD_DTYPE,
    }

    def make(notes=(), parts=PIANO, tpq=24, **tables):
        tables = {name: table(dtypes[name], rows) for name, rows in tables.items()}
        return Score(table(NOTE_DTYPE, notes), tuple(parts), tpq, **tables)

    return make
