"""Encode: pieces as they are chosen become events, and events become shards."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from sideman.corpus.engines import Job
from sideman.corpus.scores import SCORE_TYPE, unpack_score
from sideman.corpus.shards import Shard, shard_path
from sideman.files import whole_file
from sideman.score.types import Score
from sideman.tokens.codec import Layout, grid_to_events
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import N_COLUMNS, Events, Kind

CHOSEN_SCHEMA = pa.schema([("path", pa.string()), ("score", SCORE_TYPE)])

ENCODED_SCHEMA = pa.schema(
    [("path", pa.string()), ("events", pa.binary()), ("error", pa.string())]
)

SHARD_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("start", pa.int64()),  # first row of the piece in the shard
        ("stop", pa.int64()),  # row after its last
        ("n_notes", pa.int64()),
        ("error", pa.string()),  # null where all went well
    ]
)


def encode_job(limit_s: float) -> Job:
    """Return the job of this step: from `CHOSEN_SCHEMA` to `ENCODED_SCHEMA`."""
    return Job(_encode, _lost, limit_s)


def _encode(chosen: pa.Table) -> pa.Table:
    rows = [
        {"path": row["path"], "events": encode_piece(unpack_score(row["score"]))[0].tobytes()}
        for row in chosen.to_pylist()
    ]
    return pa.Table.from_pylist(rows, ENCODED_SCHEMA)


def _lost(row: pa.Table, reason: str, detail: str) -> pa.Table:
    given = {"path": row["path"][0].as_py(), "error": f"{reason}: {detail}"}
    return pa.Table.from_pylist([given], ENCODED_SCHEMA)


def encode_piece(score: Score) -> tuple[Events, Counter[str]]:
    """Spell a piece for training, with what its parts amount to declared at the head.

    A piece with one velocity throughout says none at all: the model shall not learn it.

    Returns:
        Events, shape (T, N_COLUMNS), and what did not fit the grid, counted by name
        (see `sideman.tokens.grid.to_grid`).
    """
    grid, counts = to_grid(score)
    velocities = grid.notes["velocity"]
    says_nothing = len(velocities) > 0 and bool((velocities == velocities[0]).all())
    layout = Layout(
        key=grid.key,
        controls=measure_controls(grid),
        unspecified_velocity=np.full(len(velocities), says_nothing),
    )
    return grid_to_events(grid, layout), counts


def write_shard(folder: Path, number: int, encoded: pa.Table) -> pa.Table:
    """Write the events of pieces one after the other, whole or not at all.

    Returns:
        Where each lies, a table of `SHARD_SCHEMA`.
    """
    rows = encoded.to_pylist()
    events = [_events(row["events"]) for row in rows]
    data = io.BytesIO()
    np.save(data, np.concatenate([np.zeros((0, N_COLUMNS), np.uint8), *events]))
    with whole_file(shard_path(folder, number)) as part:
        part.write_bytes(data.getbuffer())
    stops = np.cumsum([len(piece) for piece in events], dtype=np.int64)
    placed = [
        {
            "path": row["path"],
            "start": int(stop) - len(piece),
            "stop": int(stop),
            "n_notes": int((piece[:, 0] == Kind.NOTE).sum()),
            "error": row["error"],
        }
        for row, piece, stop in zip(rows, events, stops, strict=True)
    ]
    return pa.Table.from_pylist(placed, SHARD_SCHEMA)


def shard_of(folder: Path, number: int) -> Shard:
    """Return what the index says of a shard."""
    path = shard_path(folder, number)
    n_events = len(np.load(path, mmap_mode="r"))
    return Shard(n_events, hashlib.sha256(path.read_bytes()).hexdigest())


def _events(data: bytes | None) -> Events:
    return np.frombuffer(data or b"", np.uint8).reshape(-1, N_COLUMNS)
