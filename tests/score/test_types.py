"""The score refuses what no score can hold, and puts its rows in order."""

import numpy as np
import pytest

from sideman.errors import ScoreError
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


def notes(*rows):
    return table(NOTE_DTYPE, rows)


def test_notes_are_kept_in_order_of_onset_part_pitch():
    """Whatever order they come in."""
    score = Score(
        notes((24, 1, 60, 64, 0), (0, 1, 64, 64, 1), (0, 1, 72, 64, 0), (0, 1, 60, 64, 0)),
        (Part(), Part()),
    )

    assert score.notes[["onset", "part", "pitch"]].tolist() == [
        (0, 0, 60),
        (0, 0, 72),
        (0, 1, 64),
        (24, 0, 60),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((-1, 1, 60, 64, 0), "note onset is -1; it must be at least 0"),
        ((0, 0, 60, 64, 0), "note duration is 0; it must be at least 1"),
        ((0, 1, 128, 64, 0), "note pitch is 128; it must be 0 to 127"),
        ((0, 1, 60, 0, 0), "note velocity is 0; it must be 1 to 127"),
        ((0, 1, 60, 64, 1), "note part is 1; it must be 0 to 0"),
    ],
)
def test_note_out_of_range_names_field_value_and_range(row, message):
    """The message can be acted on without reading the source."""
    with pytest.raises(ScoreError, match=message):
        Score(notes(row), (Part(),))


@pytest.mark.parametrize(
    ("field", "rows", "message"),
    [
        ("tempos", table(TEMPO_DTYPE, [(0, 0.0)]), "tempo_bpm is 0.0; it must be more than 0"),
        ("tempos", table(TEMPO_DTYPE, [(0, np.nan)]), "tempo_bpm is nan"),
        ("tempos", table(TEMPO_DTYPE, [(-1, 90.0)]), "tempos onset is -1"),
        (
            "time_signatures",
            table(TIME_SIGNATURE_DTYPE, [(0, 4, 0)]),
            "time signature denominator is 0; it must be at least 1",
        ),
        ("keys", table(KEY_DTYPE, [(0, 12, False)]), "key tonic is 12; it must be 0 to 11"),
        ("chords", table(CHORD_DTYPE, [(0, 13, 0, 0)]), "chord root is 13; it must be 0 to 12"),
        ("chords", table(CHORD_DTYPE, [(0, 0, 0, 12)]), "chord bass is 12"),
    ],
)
def test_table_row_out_of_range_names_field_value_and_range(field, rows, message):
    """The little tables are checked like the notes."""
    with pytest.raises(ScoreError, match=message):
        Score(notes(), (), **{field: rows})


def test_ticks_per_quarter_below_one_are_refused():
    """Nothing could be divided by it."""
    with pytest.raises(ScoreError, match="score tpq is 0; it must be at least 1"):
        Score(notes(), (), tpq=0)


def test_program_above_127_is_refused():
    """Drums are a flag, not program 128."""
    with pytest.raises(ScoreError, match="part program is 128; it must be 0 to 127"):
        Part(128)


def test_score_ends_where_its_last_sounding_note_does():
    """A long early note may outlast a short late one."""
    assert Score(notes((0, 100, 60, 64, 0), (50, 10, 62, 64, 0)), (Part(),)).end == 100
    assert Score(notes(), ()).end == 0
