"""Scores for metrics: by hand, and any."""

import numpy as np
import pytest
from hypothesis import strategies as st

from sideman.corpus.shards import Piece, open_corpus, write_index
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    table,
)
from sideman.tokens.codec import encode

PIANO, BASS, DRUMS = Part(0), Part(33), Part(0, is_drum=True)
PARTS = (PIANO, BASS, DRUMS)
QUARTER, BAR = 24, 96


@pytest.fixture(scope="session")
def piece():
    """Return a function that makes a score in 4/4 of rows: onset, duration, pitch, part.

    Onsets and durations are in quarters; the parts are a piano, a bass and drums.
    """

    def made(*rows):
        notes = [
            (round(QUARTER * onset), round(QUARTER * length), pitch, 80, part)
            for onset, length, pitch, part in rows
        ]
        return Score(table(NOTE_DTYPE, notes), PARTS)

    return made


@pytest.fixture(scope="session")
def bars(piece):
    """Return a function that makes a score of bars of four quarter notes of the piano.

    A bar is a string; each letter is a pitch from C up, a hyphen a rest.
    """

    def made(*names):
        return piece(
            *(
                (4 * bar + beat, 1, 60 + ord(letter) - ord("a"), 0)
                for bar, name in enumerate(names)
                for beat, letter in enumerate(name)
                if letter != "-"
            )
        )

    return made


@pytest.fixture(scope="session")
def any_score():
    """Return a strategy of scores: any parts, metre, resolution and pitches from 12 to 115."""
    note = st.tuples(
        st.integers(0, 400),
        st.integers(1, 400),
        st.integers(12, 115),
        st.integers(1, 127),
        st.integers(0, 2),
    )
    metre = st.sampled_from([(0, 4, 4), (0, 3, 4), (0, 7, 8), (0, 1, 16), (100, 6, 8)])
    return st.builds(
        lambda rows, metre, tpq: Score(
            table(NOTE_DTYPE, rows),
            PARTS,
            tpq=tpq,
            time_signatures=table(TIME_SIGNATURE_DTYPE, [metre]),
        ),
        st.lists(note, max_size=25, unique_by=lambda row: (row[0], row[2], row[4])),
        metre,
        st.sampled_from([3, 24, 100, 480]),
    )


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(7)


def _song(seed, n_bars):
    """Return a piece in C of a flute, a bass and drums over two chords, its bars much alike."""
    rng = np.random.default_rng(seed)
    rows, chords = [], []
    for bar in range(n_bars):
        chords.append((bar * BAR, (0, 7)[bar % 2], 0, 0))
        for beat in range(4):
            onset = bar * BAR + beat * QUARTER
            velocity = 70 + 4 * beat
            rows.append((onset, 20, 72 + int(rng.choice((0, 2, 4, 7))), velocity, 0))
            rows.append((onset, 20, 36 + 7 * (bar % 2), velocity, 1))
            rows.append((onset, 6, 36 + 2 * (beat % 2), velocity, 2))
    return Score(
        table(NOTE_DTYPE, rows),
        (Part(73), BASS, DRUMS),
        keys=table(KEY_DTYPE, [(0, 0, False)]),
        chords=table(CHORD_DTYPE, chords),
    )


@pytest.fixture(scope="session")
def make_corpus(tmp_path_factory):
    """Return a function that makes a corpus of songs: split, style label and bars of each."""

    def made(*songs, styles=("folk", "unheard")):
        folder = tmp_path_factory.mktemp("shards")
        pieces, rows, start = [], [], 0
        for number, (split, style, n_bars) in enumerate(songs):
            events, _ = encode(_song(number, n_bars))
            stop = start + len(events)
            row = (f"{number}.mid", 0, start, stop, split, style, 3 * 4 * n_bars)
            pieces.append(Piece(*row))
            rows.append(events)
            start = stop
        np.save(folder / "events-00000.npy", np.concatenate(rows))
        write_index(folder, styles, [], pieces)
        return open_corpus(folder)

    return made


@pytest.fixture(scope="session")
def shards(make_corpus):
    """Return a corpus of two training songs, and four that are held out, in two styles."""
    held_out = [("test", 1, 20), ("test", 2, 17), ("test", 1, 16), ("test", 2, 24)]
    return make_corpus(("train", 1, 16), ("train", 2, 16), *held_out)
