"""Splits: which piece is for training, which for validation, which for the test.

Related pieces share a split. A piece that has one keeps it: OUT/splits.tsv is read before it
is written, so that adding files moves nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from sideman.corpus.shards import SPLITS
from sideman.corpus.tables import read_table
from sideman.errors import CorpusError
from sideman.files import whole_file

SPLITS_NAME = "splits.tsv"

VALID_PERCENT = 5
TEST_PERCENT = 5


def split_by_hash(sha256: str) -> str:
    """Return the split that a content falls into: 90 / 5 / 5 %, the same wherever it lies."""
    percent = int(hashlib.sha256(sha256.encode()).hexdigest()[:16], 16) % 100
    if percent < VALID_PERCENT:
        return "valid"
    return "test" if percent < VALID_PERCENT + TEST_PERCENT else "train"


def split_of_family(members: Iterable[str], known: Mapping[str, str]) -> str:
    """Return the split of a family of related pieces.

    Where some have one already, it is theirs; where these differ it is `train` if any is, so
    that what a model has been trained on never becomes its test.

    Args:
        members: SHA-256 of each, at least one.
        known: The split that a content has, by SHA-256.
    """
    members = list(members)
    theirs = {known[sha256] for sha256 in members if sha256 in known}
    return next((split for split in SPLITS if split in theirs), split_by_hash(min(members)))


def read_splits(path: Path, key: str) -> dict[str, str]:
    """Return the split by another column of a tab-separated table.

    Raises:
        CorpusError: If the table cannot be used.
    """
    split_of = {row[0]: row[1] for row in read_table(path, (key, "split"))}
    for split in split_of.values():
        if split not in SPLITS:
            msg = f"{path} names split {split!r}; there are {', '.join(SPLITS)}"
            raise CorpusError(msg)
    return split_of


def write_splits(path: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """Write file, SHA-256 and split of each piece, whole or not at all."""
    lines = ["file\tsha256\tsplit\n", *("\t".join(row) + "\n" for row in rows)]
    with whole_file(path) as part:
        part.write_text("".join(lines), encoding="utf-8", newline="\n")
