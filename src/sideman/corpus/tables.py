"""Tables that people write beside their files: styles, licences, splits (tab-separated)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sideman.errors import CorpusError


def read_table(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the rows of a tab-separated table, reduced to some of its columns.

    Raises:
        CorpusError: If it cannot be read, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            there, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"the table {path} cannot be read: {error}"
        raise CorpusError(msg) from error
    for column in columns:
        if column not in there:
            msg = f"{path} has columns {', '.join(there)}; it needs {', '.join(columns)}"
            raise CorpusError(msg)
    return [tuple(row[column] or "" for column in columns) for row in rows]


class Prefixes:
    """A table whose first column is the beginning of paths; for each path the longest counts.

    Args:
        rows: Prefix and values.
    """

    def __init__(self, rows: Sequence[tuple[str, ...]]) -> None:
        self._values = {row[0]: row[1:] for row in rows}
        self._lengths = sorted({len(prefix) for prefix in self._values}, reverse=True)
        self._used: set[str] = set()

    def of(self, path: str) -> tuple[str, ...] | None:
        """Return the values for a path, or None where no prefix fits."""
        for length in self._lengths:
            values = self._values.get(path[:length])
            if values is not None and len(path) >= length:
                self._used.add(path[:length])
                return values
        return None

    def unused(self) -> list[str]:
        """Return the prefixes that no path asked for so far has needed."""
        return sorted(self._values.keys() - self._used)
