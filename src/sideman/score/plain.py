"""Scores as plain values, as JSON has them: tables are lists of rows with names."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sideman.score.harmony import parse_chord
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    Table,
    table,
)

Plain = Mapping[str, Any]
"""A score as plain values: what `sideman.studio.score_json` writes."""

NOT_A_SCORE = (AttributeError, KeyError, TypeError, ValueError)  # a ScoreError is a ValueError
"""What `score_of` raises of values that are no score."""


def score_of(plain: Plain) -> Score:
    """Return the score that plain values say, at `TPQ` ticks a quarter.

    Raises:
        NOT_A_SCORE: If they say none: one of these errors.
    """
    return Score(
        notes=_table(
            NOTE_DTYPE, plain["notes"], "onset", "duration", "pitch", "velocity", "part"
        ),
        parts=tuple(
            Part(part["program"], is_drum=part["is_drum"], name=part["name"])
            for part in plain["parts"]
        ),
        tempos=_table(TEMPO_DTYPE, plain["tempos"], "onset", "bpm"),
        time_signatures=_table(
            TIME_SIGNATURE_DTYPE, plain["time_signatures"], "onset", "numerator", "denominator"
        ),
        keys=_table(KEY_DTYPE, plain["keys"], "onset", "tonic", "is_minor"),
        chords=table(
            CHORD_DTYPE,
            ((chord["onset"], *parse_chord(chord["symbol"])) for chord in plain["chords"]),
        ),
    )


def _table(dtype: np.dtype[np.void], rows: Sequence[Plain], *names: str) -> Table:
    return table(dtype, (tuple(row[name] for name in names) for row in rows))
