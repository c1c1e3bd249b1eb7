"""Uploads: files of strangers, read in a process of their own that may hang or die.

The process has so much time and memory; a file that takes more is refused, and the next one
finds a new process. The name of a file is only shown: nothing is ever stored under it.
"""

import multiprocessing
import sys
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as TooLong
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any

from pebble import ProcessExpired, ProcessPool

from sideman.errors import MidiFileError, ScoreError
from sideman.score.midi import parse_midi
from sideman.studio.limits import LimitReached, Limits
from sideman.studio.score_json import json_of
from sideman.studio.store.tables import NAME_LENGTH

UNNAMED = "Untitled"

_SUFFIXES = (".mid", ".midi", ".kar", ".smf", ".rmi")


class Uploads:
    """Reads files that people drop on the page."""

    def __init__(self, limits: Limits) -> None:
        """Have a process for it, which begins with `start` or the first file."""
        self._limits = limits
        self._pool = _pool(limits)

    def start(self) -> None:
        """Let the process begin, so that the first file does not wait for it."""
        self._pool.schedule(_nothing)

    def read(self, data: bytes, file_name: str) -> dict[str, Any]:
        """Return the JSON of the score in a MIDI file.

        Raises:
            LimitReached: If it is too large, or takes too long to read.
            MidiFileError: If it is no MIDI file.
        """
        most = self._limits.upload_bytes
        shown = _shown_name(file_name)
        if len(data) > most:
            raise too_large(shown, most)
        future = self._pool.schedule(
            _read, (data, shown, self._limits), timeout=self._limits.upload_seconds
        )
        try:
            found: dict[str, Any] = future.result()
        except TooLong:
            msg = f"{shown} takes more than {self._limits.upload_seconds:g} s to read"
        except BrokenExecutor:  # not even a new process comes up
            self._pool = _pool(self._limits)
            msg = f"{shown} cannot be read: no process could begin"
        except (ProcessExpired, MemoryError):
            msg = f"{shown} cannot be read: the process that tried ended"
        else:
            return found
        msg += "; open it in another program and save it anew"
        raise LimitReached(msg, code="too_hard_to_read")

    def close(self) -> None:
        """Stop the process."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def _pool(limits: Limits) -> ProcessPool:
    return ProcessPool(
        1,
        initializer=_limit_memory,
        initargs=(limits.upload_memory_bytes,),
        # A fresh process: a fork of one with threads may hang.
        context=multiprocessing.get_context("spawn"),
    )


def too_large(what: str, most: int) -> LimitReached:
    """Return what to say of something that has too many bytes."""
    msg = f"{what} is larger than {most:,} bytes, the most that the studio takes"
    return LimitReached(msg, code="too_large", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def title(file_name: str) -> str:
    """Return the name of a project that is made from a file."""
    shown = _shown_name(file_name)
    bare = PurePosixPath(shown)
    return (bare.stem if bare.suffix.lower() in _SUFFIXES else shown)[:NAME_LENGTH]


def _shown_name(file_name: str) -> str:
    """Return the last part of a path of any system, in printable characters."""
    last = file_name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(sign for sign in last if sign.isprintable()).strip() or UNNAMED


# ------------------------------------------------------------------- in the other process


def _limit_memory(n_bytes: int) -> None:
    """Let this process take so much more memory than it has, where the system can say."""
    if sys.platform == "linux":
        import resource  # noqa: PLC0415 -- not on Windows

        n_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        most = n_pages * resource.getpagesize() + n_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _nothing() -> None:
    pass


def _read(data: bytes, shown: str, limits: Limits) -> dict[str, Any]:
    """Return the JSON of the score in a MIDI file that is small enough."""
    score = parse_midi(data, Path(shown))
    if not len(score.notes):
        msg = f"{shown} has no notes"
        raise MidiFileError(msg, reason="no-notes", path=Path(shown))
    try:
        limits.check_score(score)
    except ScoreError as error:
        raise LimitReached(str(error), code="too_many_bars") from error
    return json_of(score)
