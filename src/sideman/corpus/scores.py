"""Scores as columns of a table: read once from the files, then handed from step to step."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
)

_TABLES = {
    "notes": NOTE_DTYPE,
    "tempos": TEMPO_DTYPE,
    "time_signatures": TIME_SIGNATURE_DTYPE,
    "keys": KEY_DTYPE,
    "chords": CHORD_DTYPE,
}

SCORE_TYPE = pa.struct(
    [
        ("tpq", pa.int64()),
        ("parts", pa.string()),  # JSON: [program, is_drum, name] of each
        *((name, pa.binary()) for name in _TABLES),  # rows of the structured array
    ]
)
"""A column of this type holds a score in each row, or null."""


def pack_score(score: Score) -> dict[str, object]:
    """Return a score as a value of `SCORE_TYPE`."""
    parts = [[part.program, part.is_drum, part.name] for part in score.parts]
    tables = {name: getattr(score, name).tobytes() for name in _TABLES}
    return {"tpq": score.tpq, "parts": json.dumps(parts), **tables}


def unpack_score(value: Mapping[str, object]) -> Score:
    """Return the score that `pack_score` packed."""
    tables = {name: np.frombuffer(value[name], dtype) for name, dtype in _TABLES.items()}  # type: ignore[call-overload]
    parts = tuple(
        Part(program, is_drum=is_drum, name=name)
        for program, is_drum, name in json.loads(str(value["parts"]))
    )
    return Score(parts=parts, tpq=int(str(value["tpq"])), **tables)
