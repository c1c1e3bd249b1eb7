"""Annotate: say of every piece what it is, and put it on its beats, from its notes alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from sideman.analysis.beats import align
from sideman.analysis.chords import find_chords
from sideman.analysis.keys import FoundKey, find_key
from sideman.analysis.metre import judge_metre
from sideman.analysis.timing import measure_timing
from sideman.corpus.engines import Job
from sideman.corpus.fingerprint import fingerprint
from sideman.corpus.manifest import SCHEMA, Verdict, listed
from sideman.corpus.rules import MEASURES, mean_tempo_bpm, measure_quality
from sideman.corpus.scores import SCORE_TYPE, pack_score, unpack_score
from sideman.errors import ScoreError
from sideman.score.harmony import Chord, chord_label, key_name
from sideman.score.time import metre_spans, ticks_to_seconds
from sideman.score.types import KEY_DTYPE, Score, Table, table
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import Role

ANNOTATIONS = (
    "n_notes",
    "n_bars",
    "n_parts",
    "duration_s",
    "programs",
    "roles",
    "key",
    "key_confidence",
    "stated_key",
    "chords",
    "metre",
    "downbeat_confidence",
    "tempo_bpm",
    "timing",
    "alignment",
    "alignment_confidence",
    "single_velocity",
    "density",
    "polyphony",
    "lost",
)
"""Columns of the manifest that this step fills."""

ANNOTATE_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        *(SCHEMA.field(name) for name in ANNOTATIONS),
        *((name, pa.float64()) for name in MEASURES),
        ("signatures", pa.binary()),  # uint32, see sideman.corpus.fingerprint
        ("n_shingles", pa.binary()),  # uint32
        ("score", SCORE_TYPE),  # on its beats, with key and chords as found
    ]
)

JUDGED_COLUMNS = [name for name in ANNOTATE_SCHEMA.names if name not in {"score", "chords"}]
"""Columns by which pieces are chosen."""


def annotate_job(limit_s: float) -> Job:
    """Return the job of this step: from a chunk of the scan to one of `ANNOTATE_SCHEMA`."""
    return Job(_annotate, _lost, limit_s)


def _annotate(scanned: pa.Table) -> pa.Table:
    rows = [_annotate_row(row) for row in scanned.to_pylist()]
    return pa.Table.from_pylist(rows, ANNOTATE_SCHEMA)


def _annotate_row(row: dict[str, object]) -> dict[str, object]:
    said = {name: row[name] for name in ("path", "verdict", "reason", "detail")}
    if row["verdict"] != Verdict.READ.value:
        return said
    try:
        return said | annotate(unpack_score(row["score"]))  # type: ignore[arg-type]
    except ScoreError as error:
        return said | _refusal("not-a-score", str(error))


def _lost(row: pa.Table, reason: str, detail: str) -> pa.Table:
    return pa.Table.from_pylist(
        [{"path": row["path"][0].as_py()} | _refusal(reason, detail)], ANNOTATE_SCHEMA
    )


def _refusal(reason: str, detail: str) -> dict[str, object]:
    return {"verdict": Verdict.REFUSED.value, "reason": reason, "detail": detail}


def annotate(score: Score) -> dict[str, object]:
    """Return what there is to say of a score, as a row of `ANNOTATE_SCHEMA` without its path.

    A score without notes gets its counts alone: there is nothing to say.
    """
    if len(score.notes) == 0:
        return {"n_notes": 0, "n_bars": 0, "n_parts": 0, "duration_s": 0.0}
    aligned = align(score)
    key = find_key(aligned.score)
    chords = score.chords if len(score.chords) else find_chords(aligned.score)
    on_beats = replace(aligned.score, keys=_key_table(key), chords=chords)
    metre = judge_metre(on_beats)
    mark = fingerprint(on_beats)
    return {
        **_counts(on_beats),
        "key": key and key_name(key.tonic, is_minor=key.is_minor),
        "key_confidence": key and key.confidence,
        "stated_key": _stated_key(score),
        "chords": [chord_label(_chord(row)) for row in chords],
        "metre": "{1}/{2}".format(*metre_spans(on_beats)[0]),
        "downbeat_confidence": metre.confidence,
        "timing": "performed" if measure_timing(score).is_performed else "quantised",
        "alignment": aligned.how,
        "alignment_confidence": aligned.confidence,
        **measure_quality(on_beats),
        "signatures": mark.signatures.tobytes(),
        "n_shingles": mark.counts.tobytes(),
        "score": pack_score(on_beats),
    }


def _key_table(key: FoundKey | None) -> Table:
    return table(KEY_DTYPE, [] if key is None else [(0, key.tonic, key.is_minor)])


def _stated_key(score: Score) -> str | None:
    if len(score.keys) == 0:
        return None
    first = score.keys[0]
    return key_name(int(first["tonic"]), is_minor=bool(first["is_minor"]))


def _chord(row: np.void) -> Chord:
    return Chord(int(row["root"]), int(row["quality"]), int(row["bass"]))


def _counts(score: Score) -> dict[str, object]:
    grid, lost = to_grid(score)
    velocities = score.notes["velocity"]
    return {
        "n_notes": len(score.notes),
        "n_bars": grid.n_bars,
        "n_parts": len(score.parts),
        "duration_s": float(ticks_to_seconds(score, [score.end])[0]),
        "programs": [-1 if part.is_drum else part.program for part in score.parts],
        "roles": [Role(role).name.lower() for role in measure_controls(grid)["role"]],
        "tempo_bpm": mean_tempo_bpm(score),
        "single_velocity": bool((velocities == velocities[0]).all()),
        "density": len(score.notes) / max(score.end / score.tpq, 1.0),
        "polyphony": _polyphony(score),
        "lost": listed(lost),
    }


def _polyphony(score: Score) -> float:
    """Return the mean number of notes that sound while any does."""
    onsets, lengths = score.notes["onset"], score.notes["duration"]
    silent_from = np.append(0, np.maximum.accumulate(onsets + lengths)[:-1])
    sounding = np.maximum(onsets + lengths - np.maximum(onsets, silent_from), 0)
    return float(lengths.sum() / sounding.sum())
