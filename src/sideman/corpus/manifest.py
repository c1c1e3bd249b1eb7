"""The manifest: one row for every file that was found, whatever became of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sideman.corpus.workspace import Workspace
from sideman.errors import CorpusError
from sideman.files import whole_file

MANIFEST_NAME = "manifest.parquet"
REMARKS_NAME = "remarks.json"

UNSTATED = "unstated"
"""Licence or source of a file that no table states."""


class Verdict(str, Enum):
    """What became of a file."""

    READ = "read"
    """It can be read; the later steps have not been run yet."""
    KEPT = "kept"
    """It is in the shards."""
    LEFT_OUT = "left-out"
    """It can be read, and a rule, a duplicate or a table of splits keeps it out."""
    REFUSED = "refused"
    """It cannot be read."""


SCHEMA = pa.schema(
    [
        # scan
        pa.field("path", pa.string()),  # relative to the folder; inside an archive: a.zip/x.mid
        pa.field("sha256", pa.string()),  # of its bytes, hexadecimal; null where none were read
        pa.field("size", pa.int64()),  # bytes
        pa.field("format", pa.string()),  # midi, musicxml or abc
        pa.field("verdict", pa.string()),  # a Verdict
        pa.field("reason", pa.string()),  # code of what kept it out; "" where nothing did
        pa.field("detail", pa.string()),  # the same for people, one line
        pa.field("licence", pa.string()),
        pa.field("source", pa.string()),
        pa.field("style", pa.string()),
        pa.field("repairs", pa.string()),  # oddities put right in reading: "2 no-end, 1 …"
        # annotate; null where the file was not read
        pa.field("n_notes", pa.int64()),
        pa.field("n_bars", pa.int64()),
        pa.field("n_parts", pa.int64()),
        pa.field("duration_s", pa.float64()),
        pa.field("programs", pa.list_(pa.int16())),  # of each part, 0-127; -1 for drums
        pa.field("roles", pa.list_(pa.string())),  # of each part: "melody", "bass", …
        pa.field("key", pa.string()),  # as found: "C major"; null for drums alone
        pa.field("key_confidence", pa.float64()),  # 0 to 1
        pa.field("stated_key", pa.string()),  # as the file says; null where it does not
        pa.field("chords", pa.list_(pa.string())),  # Harte labels, as found, one a change
        pa.field("metre", pa.string()),  # of the first bar after alignment: "4/4"
        pa.field("downbeat_confidence", pa.float64()),  # 0 to 1
        pa.field("tempo_bpm", pa.float64()),  # mean over the piece
        pa.field("timing", pa.string()),  # quantised or performed
        pa.field("alignment", pa.string()),  # what was done: none, own-tempo, tracked, failed
        pa.field("alignment_confidence", pa.float64()),  # 0 to 1
        pa.field("single_velocity", pa.bool_()),
        pa.field("density", pa.float64()),  # notes a quarter note
        pa.field("polyphony", pa.float64()),  # mean notes sounding while any sounds
        pa.field("lost", pa.string()),  # what the grid could not hold: "3 duplicate_notes, …"
        # dedupe and split
        pa.field("group", pa.string()),  # path of the file kept of the same; "" alone
        pa.field("similarity", pa.float64()),  # to that file, 0 to 1; null where alone
        pa.field("split", pa.string()),  # train, valid or test; null where not kept
    ]
)


def listed(counts: Counter[str]) -> str:
    """Say how often what happened, the most frequent first: `3 no-end, 1 bad-key`."""
    return ", ".join(f"{n} {name}" for name, n in counts.most_common() if n)


def write_manifest(space: Workspace) -> None:
    """Write OUT/manifest.parquet and OUT/remarks.json from what the steps have found so far."""
    labels = space.read_labels()
    conflicts = _licence_conflicts(space, labels)
    verdicts = _verdicts(space)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        first = 0
        for number, size in enumerate(space.sizes("scan")):
            columns = _read(space, "scan", number)
            if space.is_done("annotate"):
                columns |= _read(space, "annotate", number)
            for late in (labels, verdicts):
                columns |= late.slice(first, size).to_pydict()
            for row, sha256 in enumerate(columns["sha256"]):
                if sha256 in conflicts:
                    said_before = columns["detail"][row]
                    columns["detail"][row] = "; ".join(
                        filter(None, [said_before, conflicts[sha256]])
                    )
            nothing = [None] * size
            writer.write_table(
                pa.table({name: columns.get(name, nothing) for name in SCHEMA.names}, SCHEMA)
            )
            first += size
    with whole_file(space.out / MANIFEST_NAME) as part:
        part.write_bytes(sink.getvalue())
    remarks = [*space.remarks(), *_about_conflicts(conflicts)]
    with whole_file(space.out / REMARKS_NAME) as part:
        part.write_text(json.dumps(remarks, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _read(space: Workspace, step: str, number: int) -> dict[str, list[Any]]:
    there = space.columns(step)
    rows = space.read_chunk(step, number, [name for name in SCHEMA.names if name in there])
    columns: dict[str, list[Any]] = rows.to_pydict()
    return columns


def _verdicts(space: Workspace) -> pa.Table:
    """Return what the last of the steps that choose has said, a row a file."""
    if space.is_done("split"):
        rows = space.read_chunk("split", 0).to_pylist()
        lost = _lost_in_encoding(space)
        for row in rows:
            if row["path"] in lost:
                reason, detail = lost[row["path"]].split(": ", 1)
                row |= {"verdict": Verdict.REFUSED.value, "reason": reason, "detail": detail}
            elif row["verdict"] == Verdict.READ.value:
                row["verdict"] = Verdict.KEPT.value
            if row["verdict"] != Verdict.KEPT.value:
                row["split"] = None
        return pa.Table.from_pylist(rows)
    if space.is_done("dedupe"):
        return space.read_chunk("dedupe", 0)
    return pa.table({})


def _lost_in_encoding(space: Workspace) -> dict[str, str]:
    if not space.is_done("shard"):
        return {}
    rows = space.read_all("shard", ["path", "error"]).to_pylist()
    return {row["path"]: row["error"] for row in rows if row["error"] is not None}


def _licence_conflicts(space: Workspace, labels: pa.Table) -> dict[str, str]:
    """Return a line for each content that lies in the folder under more than one licence."""
    hashes = space.read_all("scan", ["sha256"])["sha256"].to_pylist()
    by_content: dict[str, list[str]] = {}
    for sha256, licence in zip(hashes, labels["licence"].to_pylist(), strict=True):
        licences = by_content.setdefault(sha256, [])
        if sha256 is not None and licence not in licences:
            licences.append(licence)
    return {
        sha256: f"the same bytes lie here under several licences: {' / '.join(licences)}"
        for sha256, licences in by_content.items()
        if len(licences) > 1
    }


def _about_conflicts(conflicts: Mapping[str, str]) -> list[str]:
    if not conflicts:
        return []
    return [
        f"{len(conflicts)} contents lie here under several licences; the column 'detail' of "
        f"{MANIFEST_NAME} says which"
    ]


def read_manifest(out: Path, columns: Sequence[str]) -> pa.Table:
    """Return columns of the manifest of a corpus.

    Raises:
        CorpusError: If there is none, or a broken one.
    """
    path = out / MANIFEST_NAME
    if not path.is_file():
        msg = f"{out} holds no {MANIFEST_NAME}; make one with 'sideman corpus build'"
        raise CorpusError(msg)
    try:
        return pq.read_table(path, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        msg = f"{path} cannot be read: {error}; build the corpus again"
        raise CorpusError(msg) from error


def read_remarks(out: Path) -> list[str]:
    """Return what else there is to say of the build, in lines for people."""
    path = out / REMARKS_NAME
    return list(json.loads(path.read_text("utf-8"))) if path.is_file() else []


def summary(out: Path) -> list[str]:
    """Return what has become of the files so far: a line, and the remarks.

    Raises:
        CorpusError: If `out` has no manifest, or a broken one.
    """
    rows = read_manifest(out, ["verdict", "reason"])
    counts = Counter(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))
    lines = []
    for verdict in Verdict:
        reasons = Counter(
            {reason: n for (v, reason), n in counts.items() if v == verdict.value}
        )
        if reasons:
            why = f" ({listed(reasons)})" if any(reasons) else ""
            lines.append(f"{reasons.total()} {verdict.value}{why}")
    return [f"{out}: {rows.num_rows} files: {', '.join(lines)}", *read_remarks(out)]
