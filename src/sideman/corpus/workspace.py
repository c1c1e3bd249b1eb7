"""The folder of a corpus while it is made: what each step has done, so that work goes on.

    OUT/steps/scan.json         of what the step was made, and whether it is done
    OUT/steps/scan/00000.parquet …   its chunks, each written whole

A step whose inputs have changed is done again from the start, and so are those after it; so
is every step by another version of Sideman.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sideman import __version__
from sideman.errors import CorpusError
from sideman.files import PART_SUFFIX, whole_file

STEPS = ("scan", "annotate", "dedupe", "split", "shard", "report")
"""The steps, each of which needs the one before it."""

STEPS_FOLDER = "steps"
LABELS_NAME = "labels.parquet"


class Workspace:
    """What the steps have done in a folder.

    Args:
        out: The folder; it need not exist.

    Raises:
        CorpusError: If it holds something else than a corpus.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._steps = out / STEPS_FOLDER
        if out.exists() and not self._steps.is_dir() and any(out.iterdir()):
            msg = f"{out} holds something that is no corpus of steps; name another folder"
            raise CorpusError(msg)

    def begin(self, step: str, **inputs: object) -> bool:
        """Make ready for a step; what it was made of before, if of something else, is dropped.

        Args:
            step: One of `STEPS`.
            inputs: Everything its results depend on, beside the step before it.

        Returns:
            True where the step is done already.

        Raises:
            CorpusError: If the step before it is not done.
        """
        at = STEPS.index(step)
        before = "" if at == 0 else self._require(STEPS[at - 1])
        text = json.dumps([__version__, before, inputs], sort_keys=True, default=str)
        made_of = hashlib.sha256(text.encode()).hexdigest()
        self.folder(step).mkdir(parents=True, exist_ok=True)
        for left_over in (
            *self.out.glob(f".*{PART_SUFFIX}"),
            *self._steps.rglob(f".*{PART_SUFFIX}"),
        ):
            left_over.unlink()
        state = self._state(step)
        if state.get("made_of") == made_of:
            return bool(state["is_done"])
        for stale in STEPS[at:]:
            (self._steps / f"{stale}.json").unlink(missing_ok=True)
            shutil.rmtree(self.folder(stale), ignore_errors=True)
        self.folder(step).mkdir()
        self._write_state(step, made_of, is_done=False)
        return False

    def finish(self, step: str) -> None:
        """Note that a step is done."""
        self._write_state(step, self._state(step)["made_of"], is_done=True)

    def folder(self, step: str) -> Path:
        """Return where a step keeps its chunks."""
        return self._steps / step

    def missing(self, step: str, n_chunks: int) -> list[int]:
        """Return the numbers of the chunks that are still to do."""
        return [n for n in range(n_chunks) if not self._chunk(step, n).exists()]

    def read_chunk(
        self, step: str, number: int, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return a chunk of a step, or some columns of it."""
        return pq.ParquetFile(self._chunk(step, number)).read(
            columns=None if columns is None else list(columns)
        )

    def write_chunk(self, step: str, number: int, rows: pa.Table) -> None:
        """Keep a chunk of a step."""
        write_parquet(self._chunk(step, number), rows)

    def read_all(self, step: str, columns: Sequence[str]) -> pa.Table:
        """Return some columns of all chunks of a step."""
        numbers = range(len(self.sizes(step)))
        return pa.concat_tables(self.read_chunk(step, n, columns) for n in numbers)

    def sizes(self, step: str) -> list[int]:
        """Return how many rows each chunk of a step has."""
        paths = sorted(self.folder(step).glob("*.parquet"))
        return [pq.read_metadata(path).num_rows for path in paths]

    def columns(self, step: str) -> list[str]:
        """Return the names of the columns of a step's chunks."""
        names: list[str] = pq.read_schema(self._chunk(step, 0)).names
        return names

    def is_done(self, step: str) -> bool:
        """Return whether a step is done."""
        return bool(self._state(step).get("is_done"))

    def write_labels(self, labels: pa.Table, remarks: Sequence[str]) -> None:
        """Keep the labels of the files, a row each, and what is to be remarked on them."""
        with_remarks = labels.replace_schema_metadata({"remarks": json.dumps(list(remarks))})
        write_parquet(self._steps / LABELS_NAME, with_remarks)

    def read_labels(self) -> pa.Table:
        """Return the labels of the files."""
        return pq.read_table(self._steps / LABELS_NAME)

    def remarks(self) -> list[str]:
        """Return the lines that were kept with the labels."""
        metadata = pq.read_schema(self._steps / LABELS_NAME).metadata
        remarks: list[str] = json.loads(metadata[b"remarks"])
        return remarks

    def _chunk(self, step: str, number: int) -> Path:
        return self.folder(step) / f"{number:05d}.parquet"

    def _require(self, step: str) -> str:
        """Return what a step was made of; it must be done."""
        state = self._state(step)
        if not state.get("is_done"):
            msg = (
                f"the step '{step}' of {self.out} is not done; run 'sideman corpus {step}' "
                f"first, or 'sideman corpus build', which does all steps"
            )
            raise CorpusError(msg)
        return str(state["made_of"])

    def _state(self, step: str) -> dict[str, object]:
        path = self._steps / f"{step}.json"
        state: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
        return state

    def _write_state(self, step: str, made_of: object, *, is_done: bool) -> None:
        with whole_file(self._steps / f"{step}.json") as part:
            part.write_text(json.dumps({"made_of": made_of, "is_done": is_done}))


def write_parquet(path: Path, rows: pa.Table) -> None:
    """Write a table, whole or not at all; the same table gives the same bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    with whole_file(path) as part:
        part.write_bytes(sink.getvalue())


@contextmanager
def going_on(out: Path) -> Iterator[None]:
    """Turn a full disk into a line that says how to go on.

    Raises:
        CorpusError: If the disk is full, or nothing may be written there.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            msg = f"the disk is full; make room and run it again: {out} goes on from here"
        elif error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            msg = f"{out} cannot be written ({error.strerror}); name another folder"
        else:
            raise
        raise CorpusError(msg) from error
