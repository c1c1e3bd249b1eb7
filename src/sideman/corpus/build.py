"""Build a corpus: the steps one after the other, each of which goes on where it stopped.

    scan      read every file once; the rest works on what was read
    annotate  say what each piece is, and put it on its beats
    dedupe    leave out what breaks a rule, and what is there twice
    split     train, valid or test, by groups of duplicates
    shard     write the events
    report    say what is in the corpus, and what is not

However many workers there are, and however often they were stopped: the bytes are the same.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from sideman.corpus.annotate import JUDGED_COLUMNS, annotate_job
from sideman.corpus.duplicates import SIMILAR
from sideman.corpus.encode import CHOSEN_SCHEMA, encode_job, shard_of, write_shard
from sideman.corpus.engines import Chunk, Engine, Job, LocalEngine
from sideman.corpus.formats import SUFFIXES
from sideman.corpus.labels import label
from sideman.corpus.manifest import MANIFEST_NAME, Verdict, listed, write_manifest
from sideman.corpus.report import write_report
from sideman.corpus.rules import RULES, Rule
from sideman.corpus.scan import plan_chunks, read_chunks, scan_job
from sideman.corpus.selection import select
from sideman.corpus.shards import INDEX_NAME, SHARD_PATTERN, Piece, write_index
from sideman.corpus.sources import Source, describe_others
from sideman.corpus.splits import SPLITS_NAME, read_splits, split_of_family, write_splits
from sideman.corpus.workspace import Workspace, going_on
from sideman.errors import CorpusError

TIME_LIMIT_S = 60.0
"""Seconds that a file may take in each step."""


@dataclass(frozen=True, slots=True)
class Work:
    """How the work is done; it does not change what comes out.

    Attributes:
        engine: Who does it.
        time_limit_s: Seconds after which a file is given up as `too-slow`.
        progress: Show a progress bar on stderr.
    """

    engine: Engine = field(default_factory=lambda: LocalEngine(1))
    time_limit_s: float = TIME_LIMIT_S
    progress: bool = True


def scan(
    folder: str | Path,
    out: Path,
    work: Work,
    *,
    styles: Path | None = None,
    licences: Path | None = None,
    only: Sequence[str] | None = None,
) -> None:
    """Read every file of a folder.

    Args:
        folder: A path, or an address such as `s3://bucket/folder`, read with all in it.
        out: The corpus.
        work: How.
        styles: See `sideman.corpus.labels.label`.
        licences: The same.
        only: First folders to read. None: all.

    Raises:
        CorpusError: If there is nothing to read, or a table cannot be used.
    """
    space = Workspace(out)
    source = Source(folder)
    found, others = source.find(leave_out=out, only=only)
    if not found:
        instead = describe_others(others) or "it is empty"
        msg = f"'{folder}' holds no music ({', '.join(SUFFIXES)}) that was asked for; {instead}"
        raise CorpusError(msg)
    labels, remarks = label([f.path for f in found], styles=styles, licences=licences)
    files = hashlib.sha256(repr([astuple(file) for file in found]).encode()).hexdigest()
    with going_on(out):
        is_done = space.begin("scan", files=files)
        space.write_labels(labels, [*filter(None, [describe_others(others)]), *remarks])
        if not is_done:
            plan = plan_chunks(found)
            _run(
                space,
                "scan",
                work,
                job=scan_job(work.time_limit_s),
                sizes=[stop - start for start, stop in plan],
                chunks_of=lambda missing: read_chunks(
                    source, found, [(n, plan[n]) for n in missing]
                ),
            )
        write_manifest(space)


def annotate(out: Path, work: Work) -> None:
    """Say what each piece is, and put it on its beats.

    Raises:
        CorpusError: If `out` has not been scanned.
    """
    with going_on(out):
        space = Workspace(out)
        if not space.begin("annotate"):
            columns = ("path", "verdict", "reason", "detail", "score")
            _run(
                space,
                "annotate",
                work,
                job=annotate_job(work.time_limit_s),
                sizes=space.sizes("scan"),
                chunks_of=lambda missing: (
                    (n, space.read_chunk("scan", n, columns)) for n in missing
                ),
            )
        write_manifest(space)


def dedupe(
    out: Path,
    *,
    rules: Sequence[Rule] = RULES,
    similar: float | None = SIMILAR,
    keep_duplicates: bool = False,
) -> None:
    """Leave out what breaks a rule, and of pieces that are the same all but one.

    Args:
        out: The corpus.
        rules: Those that hold.
        similar: From which similarity on pieces are the same. None: only the same bytes are.
        keep_duplicates: Name them, and leave none out.

    Raises:
        CorpusError: If `out` has not been annotated.
    """
    with going_on(out):
        space = Workspace(out)
        inputs = {"rules": [astuple(rule) for rule in rules], "similar": similar}
        if not space.begin("dedupe", **inputs, keep_duplicates=keep_duplicates):
            annotated = space.read_all("annotate", JUDGED_COLUMNS)
            hashes = space.read_all("scan", ["sha256"])["sha256"]
            rows = select(
                annotated.append_column("sha256", hashes),
                rules,
                similar=similar,
                keep_duplicates=keep_duplicates,
            )
            space.write_chunk("dedupe", 0, rows)
            space.finish("dedupe")
        write_manifest(space)


def split(out: Path, *, splits: Path | None = None) -> None:
    """Say of each piece whether it is for training, validation or the test.

    Args:
        out: The corpus.
        splits: Table (tab-separated, columns `file` and `split`); files that it does not name
            are left out. None: by families of related pieces, see
            `sideman.corpus.splits`.

    Raises:
        CorpusError: If `out` has not been deduped, or the table cannot be used.
    """
    stated = read_splits(splits, "file") if splits else None
    with going_on(out):
        space = Workspace(out)
        if not space.begin("split", stated=stated):
            rows = space.read_chunk("dedupe", 0)
            known_in = out / SPLITS_NAME
            known = read_splits(known_in, "sha256") if known_in.exists() else {}
            space.write_chunk("split", 0, _assign(rows, stated, known))
            space.finish("split")
        chosen = space.read_chunk("split", 0).to_pylist()
        given = ((r["path"], r["sha256"], r["split"]) for r in chosen if r["split"])
        write_splits(out / SPLITS_NAME, given)
        write_manifest(space)


def _assign(
    rows: pa.Table, stated: Mapping[str, str] | None, known: Mapping[str, str]
) -> pa.Table:
    """Return the rows of the selection with a column `split`, null where a piece has none."""
    given = rows.to_pylist()
    families: dict[str, list[str]] = {}
    for row in given:
        if row["verdict"] == Verdict.READ.value or row["group"]:
            families.setdefault(row["family"], []).append(row["sha256"])
    found = {name: split_of_family(members, known) for name, members in families.items()}
    for row in given:
        split_of = stated.get(row["path"]) if stated else found.get(row["family"])
        row["split"] = split_of
        if row["verdict"] == Verdict.READ.value and row["split"] is None:
            row |= {
                "verdict": Verdict.LEFT_OUT.value,
                "reason": "not-in-splits",
                "detail": "the table of splits does not name it",
            }
    return pa.Table.from_pylist(given, rows.schema.append(pa.field("split", pa.string())))


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What the shards amount to.

    Attributes:
        n_notes: Notes in them.
        n_events: Events, the steps of a model.
        n_bytes: Size of the shards.
        seconds: How long it took to encode what was not encoded yet.
        n_encoded: Events of that.
    """

    n_notes: int
    n_events: int
    n_bytes: int
    seconds: float
    n_encoded: int

    def line(self) -> str:
        """Say it in one line."""
        rate = f"; {self.n_encoded / self.seconds:,.0f} events/s" if self.n_encoded else ""
        return (
            f"{self.n_notes:,} notes, {self.n_events:,} events "
            f"({self.n_events / self.n_notes:.2f} a note), "
            f"{self.n_bytes / self.n_notes:.1f} bytes a note{rate}"
        )


def shard(out: Path, work: Work) -> ShardReport:
    """Write the events of the pieces.

    Raises:
        CorpusError: If `out` has not been split, or no piece is left.
    """
    n_encoded, start = 0, time.perf_counter()

    def keep(number: int, encoded: pa.Table) -> pa.Table:
        nonlocal n_encoded
        rows = write_shard(out, number, encoded)
        n_encoded += max(rows["stop"].to_pylist(), default=0)
        return rows

    with going_on(out):
        space = Workspace(out)
        if not space.begin("shard"):
            (out / INDEX_NAME).unlink(missing_ok=True)
            _run(
                space,
                "shard",
                work,
                job=encode_job(work.time_limit_s),
                sizes=space.sizes("annotate"),
                chunks_of=lambda missing: ((n, _chosen(space, n)) for n in missing),
                keep=keep,
            )
        seconds = time.perf_counter() - start
        pieces = _write_index(space)
        write_manifest(space)
    return ShardReport(
        n_notes=sum(piece.n_notes for piece in pieces),
        n_events=sum(piece.n_events for piece in pieces),
        n_bytes=sum(path.stat().st_size for path in out.glob(SHARD_PATTERN)),
        seconds=seconds,
        n_encoded=n_encoded,
    )


def _chosen(space: Workspace, number: int) -> pa.Table:
    """Return the pieces of a chunk that are to be encoded."""
    first = sum(space.sizes("annotate")[:number])
    scores = space.read_chunk("annotate", number, CHOSEN_SCHEMA.names)
    verdicts = space.read_chunk("split", 0, ["verdict"])["verdict"]
    is_chosen = pc.equal(verdicts.slice(first, scores.num_rows), Verdict.READ.value)
    return scores.filter(is_chosen)


def _write_index(space: Workspace) -> list[Piece]:
    """Write what the trainer opens: where each piece lies, its split and its style."""
    styles = space.read_labels()["style"].to_pylist()
    names = sorted(set(styles))
    rows = space.read_chunk("split", 0, ["path", "split"]).to_pylist()
    said = {row["path"]: (row["split"], style) for row, style in zip(rows, styles, strict=True)}
    pieces, shards = [], []
    for number in range(len(space.sizes("shard"))):
        encoded = space.read_chunk("shard", number).to_pylist()
        good = [row for row in encoded if row["error"] is None]
        pieces += [
            Piece(
                path=row["path"],
                shard=number,
                start=row["start"],
                stop=row["stop"],
                split=said[row["path"]][0],
                style=1 + names.index(said[row["path"]][1]),
                n_notes=row["n_notes"],
            )
            for row in good
        ]
        shards.append(shard_of(space.out, number))
    if not pieces:
        reasons = Counter(space.read_chunk("split", 0, ["reason"])["reason"].to_pylist())
        msg = f"no piece is left; {listed(reasons)}: see {space.out / MANIFEST_NAME}"
        raise CorpusError(msg)
    write_index(space.out, names, shards, pieces)
    return pieces


def report(out: Path) -> None:
    """Write the report.

    Raises:
        CorpusError: If `out` has no shards yet.
    """
    with going_on(out):
        space = Workspace(out)
        space.begin("report")
        write_report(out)
        space.finish("report")


def build_corpus(
    folder: str | Path,
    out: Path,
    work: Work | None = None,
    *,
    styles: Path | None = None,
    licences: Path | None = None,
    only: Sequence[str] | None = None,
    rules: Sequence[Rule] = RULES,
    similar: float | None = SIMILAR,
    keep_duplicates: bool = False,
    splits: Path | None = None,
) -> ShardReport:
    """Do all steps; those that are done already are passed over.

    The arguments are those of `scan`, `dedupe` and `split`.

    Raises:
        CorpusError: As the steps do.
    """
    work = work or Work()
    scan(folder, out, work, styles=styles, licences=licences, only=only)
    annotate(out, work)
    dedupe(out, rules=rules, similar=similar, keep_duplicates=keep_duplicates)
    split(out, splits=splits)
    sharded = shard(out, work)
    report(out)
    return sharded


def _run(
    space: Workspace,
    step: str,
    work: Work,
    *,
    job: Job,
    sizes: Sequence[int],
    chunks_of: Callable[[list[int]], Iterable[Chunk]],
    keep: Callable[[int, pa.Table], pa.Table] = lambda _, rows: rows,
) -> None:
    """Do the chunks of a step that are missing, and finish it.

    Args:
        space: Where the results are kept.
        step: Which step.
        work: How it is done.
        job: What is done to a chunk.
        sizes: Files in each chunk.
        chunks_of: From numbers to the chunks, in order, read as they are needed.
        keep: From number and result to the rows that are kept of it.
    """
    missing = space.missing(step, len(sizes))
    n_done = sum(sizes) - sum(sizes[number] for number in missing)
    with tqdm(
        total=sum(sizes), initial=n_done, unit="file", desc=step, disable=not work.progress
    ) as bar:
        for number, rows in work.engine.map(job, chunks_of(missing)):
            space.write_chunk(step, number, keep(number, rows))
            bar.update(sizes[number])
    space.finish(step)
