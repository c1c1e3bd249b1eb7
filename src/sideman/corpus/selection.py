"""Selection: what keeps out a piece that can be read: a rule, or the same music elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sideman.corpus.duplicates import find_groups
from sideman.corpus.fingerprint import VIEWS
from sideman.corpus.manifest import SCHEMA, Verdict
from sideman.corpus.rules import Rule, judge

DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near-duplicate"

SELECTION_COLUMNS = ("path", "sha256", "verdict", "reason", "detail", "group", "similarity")
SELECTION_SCHEMA = pa.schema(
    [
        *(SCHEMA.field(name) for name in SELECTION_COLUMNS),
        pa.field("family", pa.string()),  # path that stands for all related pieces
    ]
)

RELATED = 0.4
"""Similarity from which on pieces are related: arrangements and variants of one tune.

They are all worth learning from; but what one of them is tested on, no other may have taught.
"""


def select(
    annotated: pa.Table, rules: Sequence[Rule], *, similar: float | None, keep_duplicates: bool
) -> pa.Table:
    """Judge every file, then find what is there twice.

    Args:
        annotated: The columns of the annotation but for the scores, with `sha256`.
        rules: Those that hold.
        similar: From which similarity on two pieces are the same (see
            `sideman.corpus.duplicates`). None: only the same bytes are.
        keep_duplicates: Name duplicates, and keep them all the same.

    Returns:
        A table of `SELECTION_SCHEMA`, a row for each row given.
    """
    chosen = _Chosen(annotated, keep_duplicates=keep_duplicates)
    for row, broken in enumerate(judge(annotated, rules)):
        if broken is not None and chosen.is_in(row):
            chosen.leave_out(row, *broken)
    for row, first in _same_bytes(annotated, chosen.rows_in()).items():
        chosen.join(row, first, DUPLICATE, 1.0)
    if similar is not None:
        for row, kept, similarity in _alike(annotated, chosen.heads(), similar):
            chosen.join(row, kept, NEAR_DUPLICATE, similarity)
    for row, elder, _ in _alike(annotated, chosen.heads(), min(RELATED, similar or RELATED)):
        chosen.relate(row, elder)
    return chosen.table()


def _alike(
    annotated: pa.Table, rows: NDArray[np.int64], similar: float
) -> Iterator[tuple[int, int, float]]:
    """Yield each row that another one stands for, that one, and how similar they are."""
    groups = find_groups(
        *_fingerprints(annotated, rows), _ranks(annotated, rows), similar=similar
    )
    for at in np.flatnonzero(groups.kept != np.arange(len(rows))):
        yield int(rows[at]), int(rows[groups.kept[at]]), float(groups.similarity[at])


class _Chosen:
    """The verdict on each row as it stands, and which rows hold the same music."""

    def __init__(self, annotated: pa.Table, *, keep_duplicates: bool) -> None:
        names = ("path", "sha256", "verdict", "reason", "detail")
        self._rows = annotated.select(names).to_pylist()
        self._head_of: dict[int, tuple[int, float]] = {}
        self._elder_of: dict[int, int] = {}
        self._keep_duplicates = keep_duplicates

    def is_in(self, row: int) -> bool:
        return bool(self._rows[row]["verdict"] == Verdict.READ.value)

    def rows_in(self) -> list[int]:
        return [row for row in range(len(self._rows)) if self.is_in(row)]

    def heads(self) -> NDArray[np.int64]:
        """Return the rows that are in and have not joined another."""
        return np.array([r for r in self.rows_in() if r not in self._head_of], np.int64)

    def leave_out(self, row: int, reason: str, detail: str) -> None:
        verdict = Verdict.LEFT_OUT.value
        self._rows[row] |= {"verdict": verdict, "reason": reason, "detail": detail}

    def join(self, row: int, head: int, reason: str, similarity: float) -> None:
        """Put a row into the group of the one that stands for it."""
        self._head_of[row] = head, similarity
        what = "same bytes as" if reason == DUPLICATE else f"{similarity:.0%} the same as"
        if not self._keep_duplicates:
            self.leave_out(row, reason, f"{what} {self._rows[head]['path']}")

    def relate(self, row: int, elder: int) -> None:
        """Put the group of a row into the family of another."""
        self._elder_of[row] = elder

    def table(self) -> pa.Table:
        for row, said in enumerate(self._rows):
            head, similarity = self._head_of.get(row, (row, None))
            # what has the same bytes as a near duplicate goes where that went
            head, similarity = self._head_of.get(head, (head, similarity))
            if head != row:
                path = self._rows[head]["path"]
                said |= {"group": path, "similarity": similarity}
                self._rows[head]["group"] = path
            said["family"] = self._rows[self._elder_of.get(head, head)]["path"]
        return pa.Table.from_pylist(self._rows, SELECTION_SCHEMA)


def _same_bytes(annotated: pa.Table, rows: Sequence[int]) -> dict[int, int]:
    """Return the first row with the same bytes, for each that has one before it."""
    hashes = annotated["sha256"].to_pylist()
    first: dict[str, int] = {}
    return {
        row: first[hashes[row]] for row in rows if first.setdefault(hashes[row], row) != row
    }


def _fingerprints(
    annotated: pa.Table, rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the signatures (N, V, P) and the sizes (N, V) of the rows."""

    def stacked(column: str) -> NDArray[np.uint32]:
        return np.frombuffer(b"".join(annotated[column].take(rows).to_pylist()), np.uint32)

    n_rows, n_views = len(rows), len(VIEWS)
    signatures = stacked("signatures").reshape(n_rows, n_views, -1 if n_rows else 1)
    return signatures, stacked("n_shingles").reshape(n_rows, n_views)


def _ranks(annotated: pa.Table, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rank pieces by how gladly they are kept: with dynamics, then the longest.

    The content decides between equals, so that the order of the files does not.
    """
    wanted = annotated.select(["single_velocity", "n_notes", "sha256"]).take(rows).to_pylist()
    keys = [(row["single_velocity"], -row["n_notes"], row["sha256"]) for row in wanted]
    order = sorted(range(len(rows)), key=keys.__getitem__)
    ranks = np.empty(len(rows), np.int64)
    ranks[order] = np.arange(len(rows))
    return ranks
