"""Files are written whole or not at all: the one place that knows how."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sideman.errors import OutputExists

PART_SUFFIX = ".part"
"""Ends the name of a file that is being written, which also begins with a dot."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give the path of a temporary file that becomes `path` if the block succeeds.

    The temporary file lies in the same folder, so that putting it in place is one step: whoever
    looks sees the old file or the new one, never half of one. When the block raises, the
    temporary file is removed and `path` is as it was.

    Args:
        path: The file to write; one that is there is replaced.

    Yields:
        The path to write to instead; the file does not exist yet.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to write where something is already, unless it is to be replaced.

    Raises:
        OutputExists: If `path` exists and `force` is not given.
    """
    if path.exists() and not force:
        msg = f"'{path}' exists already; choose another name or pass --force"
        raise OutputExists(msg)
