"""Scan: read every file once, and say of each what it is or why it cannot be read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import pyarrow as pa

from sideman.corpus.engines import Chunk, Job
from sideman.corpus.formats import SUFFIXES, read_score
from sideman.corpus.manifest import Verdict, listed
from sideman.corpus.scores import SCORE_TYPE, pack_score
from sideman.corpus.sources import PROBLEMS, Found, Source
from sideman.errors import MidiFileError, MissingExtra, ScoreError

FILES_PER_CHUNK = 256
BYTES_PER_CHUNK = 4 * 2**20
"""A chunk is closed when it has so many files, or so many bytes."""

ITEM_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("size", pa.int64()),
        ("data", pa.binary()),
        ("problem", pa.string()),
    ]
)

SCAN_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("size", pa.int64()),
        ("format", pa.string()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("repairs", pa.string()),
        ("score", SCORE_TYPE),
    ]
)


def plan_chunks(found: Sequence[Found]) -> list[tuple[int, int]]:
    """Cut the files into chunks: the first row of each and the row after its last."""
    chunks: list[tuple[int, int]] = []
    start = n_bytes = 0
    for row, file in enumerate(found):
        if row > start and (
            row - start == FILES_PER_CHUNK or n_bytes + file.size > BYTES_PER_CHUNK
        ):
            chunks.append((start, row))
            start, n_bytes = row, 0
        n_bytes += file.size
    if start < len(found):
        chunks.append((start, len(found)))
    return chunks


def read_chunks(
    source: Source, found: Sequence[Found], chunks: Sequence[tuple[int, tuple[int, int]]]
) -> Iterator[Chunk]:
    """Yield the numbered chunks with the bytes of their files."""
    wanted = (file for _, (start, stop) in chunks for file in found[start:stop])
    reading = source.read(wanted)
    for number, (start, stop) in chunks:
        rows = [
            {"path": file.path, "size": file.size, "data": data, "problem": problem}
            for file, data, problem in (next(reading) for _ in range(start, stop))
        ]
        yield number, pa.Table.from_pylist(rows, ITEM_SCHEMA)


def scan_job(limit_s: float) -> Job:
    """Return the job of this step."""
    return Job(_scan, _lost, limit_s)


def _scan(items: pa.Table) -> pa.Table:
    return pa.Table.from_pylist([_scan_one(item) for item in items.to_pylist()], SCAN_SCHEMA)


def _scan_one(item: dict[str, object]) -> dict[str, object]:
    path = PurePosixPath(str(item["path"]))
    row = {
        "path": item["path"],
        "size": item["size"],
        "format": SUFFIXES.get(path.suffix.lower()),
    }
    problem = str(item["problem"])
    if problem:
        return row | _refusal(problem, PROBLEMS[problem])
    data = item["data"]
    assert isinstance(data, bytes)
    row |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    try:
        score, repairs = read_score(data, path)
    except MidiFileError as error:
        return row | _refusal(error.reason, str(error))
    except ScoreError as error:
        return row | _refusal("not-a-score", str(error))
    except MissingExtra as error:
        return row | _refusal("missing-extra", str(error))
    said = {
        "verdict": Verdict.READ.value,
        "reason": "",
        "detail": "",
        "repairs": listed(repairs),
    }
    return row | said | {"score": pack_score(score)}


def _lost(item: pa.Table, reason: str, detail: str) -> pa.Table:
    (given,) = item.to_pylist()
    data = given["data"]
    row = {"path": given["path"], "size": given["size"]} | _refusal(reason, detail)
    row["format"] = SUFFIXES.get(PurePosixPath(given["path"]).suffix.lower())
    row["sha256"] = hashlib.sha256(data).hexdigest() if data is not None else None
    return pa.Table.from_pylist([row], SCAN_SCHEMA)


def _refusal(reason: str, detail: str) -> dict[str, object]:
    return {"verdict": Verdict.REFUSED.value, "reason": reason, "detail": detail, "repairs": ""}
