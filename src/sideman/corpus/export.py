"""A corpus as a Hugging Face dataset: Parquet files, a card, the vocabulary.

    README.md                           the card: figures, licences, how to read the events
    vocabulary.json                     what the numbers of the events mean
    data/train-00000-of-00002.parquet   a row a piece; also validation-… and test-…

A row holds what the manifest says of a piece, and its events as bytes, row after row of
`N_COLUMNS`: bytes are what `datasets`, pandas, Polars and DuckDB all hand out whole, while a
list of numbers becomes a Python object a number.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sideman.corpus.manifest import MANIFEST_NAME, SCHEMA, UNSTATED, Verdict
from sideman.corpus.shards import SPLITS, Corpus, ShardReader, open_corpus
from sideman.errors import CorpusError, OutputExists
from sideman.files import PART_SUFFIX
from sideman.tokens.vocabulary import N_COLUMNS

CARD_NAME = "README.md"
VOCABULARY_NAME = "vocabulary.json"
DATA_FOLDER = "data"

FILE_BYTES = 200 * 2**20
"""A Parquet file is closed when it has so many bytes."""

GROUP_BYTES = 16 * 2**20
"""Events, in bytes, of a row group; so much is in memory at a time, for each split."""

SPLIT_NAMES = {"train": "train", "valid": "validation", "test": "test"}
"""What Hugging Face calls our splits."""

LEFT_OUT = ("verdict", "reason", "detail", "split")
"""Columns of the manifest that say nothing of a piece that is in."""

EXPORT_SCHEMA = pa.schema(
    [
        *(column for column in SCHEMA if column.name not in LEFT_OUT),
        pa.field("n_events", pa.int64()),
        pa.field("events", pa.binary()),  # rows of N_COLUMNS bytes
    ]
)

LICENCE_IDS = {
    "apache 2.0": "apache-2.0",
    "artistic license 1.0": "artistic-1.0",
    "artistic license 2.0": "artistic-2.0",
    "bsd 2-clause": "bsd-2-clause",
    "bsd 3-clause": "bsd-3-clause",
    "cc0": "cc0-1.0",
    "cc0 1.0": "cc0-1.0",
    **{
        f"{kind} {version}": f"{kind.replace(' ', '-')}-{version}"
        for kind in ("cc by", "cc by-sa", "cc by-nc", "cc by-nc-sa", "cc by-nd", "cc by-nc-nd")
        for version in ("2.0", "2.5", "3.0", "4.0")
    },
    "gpl-2.0": "gpl-2.0",
    "gpl-3.0": "gpl-3.0",
    "mit": "mit",
    UNSTATED: "unknown",
}
"""Licences as people write them, in lower case, and their names on the Hugging Face hub."""

OTHER_LICENCE = "other"

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_SIZE_NAMES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")

DECODE = """\
import datasets, numpy
piece = datasets.load_dataset({folder!r}, split={split!r})[0]
events = numpy.frombuffer(piece["events"], "uint8").reshape(-1, {n_columns})"""


@dataclass(slots=True)
class ExportReport:
    """What was exported.

    Attributes:
        dest: The folder.
        n_pieces: Pieces, by split.
        n_notes: Notes, by split.
        n_events: Events, by split.
        licences: Pieces, by licence.
        sources: Pieces, by source and licence.
        n_files: Parquet files.
        n_bytes: Bytes of the Parquet files.
    """

    dest: Path
    n_pieces: Counter[str] = field(default_factory=Counter)
    n_notes: Counter[str] = field(default_factory=Counter)
    n_events: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    sources: Counter[tuple[str, str]] = field(default_factory=Counter)
    n_files: int = 0
    n_bytes: int = 0

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"{self.dest}: {self.n_pieces.total()} pieces, {self.n_events.total()} events "
            f"in {self.n_files} Parquet files, {self.n_bytes} bytes"
        )

    def add(self, row: Mapping[str, Any], split: str) -> None:
        """Count a row."""
        self.n_pieces[split] += 1
        self.n_notes[split] += row["n_notes"]
        self.n_events[split] += row["n_events"]
        self.licences[row["licence"]] += 1
        self.sources[row["source"], row["licence"]] += 1


def export_parquet(corpus_folder: Path, dest: Path) -> ExportReport:
    """Write a corpus as a Hugging Face dataset, whole or not at all.

    The same corpus gives the same bytes. The events of `GROUP_BYTES` are in memory at a time.

    Args:
        corpus_folder: What `sideman corpus build` made.
        dest: The folder to make; its name is the title of the card.

    Raises:
        OutputExists: If `dest` is there already.
        CorpusError: If there is no corpus, its manifest and its shards do not belong
            together, or `dest` cannot be written.
    """
    if dest.exists():
        msg = f"'{dest}' exists already; choose another name or remove it"
        raise OutputExists(msg)
    corpus = open_corpus(corpus_folder)
    report = ExportReport(dest)
    part = dest.with_name(f".{dest.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        (part / DATA_FOLDER).mkdir(parents=True)
        _write_data(corpus, part / DATA_FOLDER, report)
        (part / VOCABULARY_NAME).write_text(corpus.vocabulary.to_json() + "\n", "utf-8")
        (part / CARD_NAME).write_text(_card(corpus, report), "utf-8")
        part.replace(dest)
    except OSError as error:
        msg = f"{dest} cannot be written ({error.strerror or error}); nothing is left of it"
        raise CorpusError(msg) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return report


class _SplitWriter:
    """Writes the rows of one split into Parquet files of about `FILE_BYTES`."""

    def __init__(self, folder: Path, split: str) -> None:
        self._folder, self._name = folder, SPLIT_NAMES[split]
        self._rows: list[dict[str, Any]] = []
        self._n_bytes = 0
        self._paths: list[Path] = []
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: dict[str, Any]) -> None:
        """Take a row; it is written with others."""
        self._rows.append(row)
        self._n_bytes += len(row["events"])
        if self._n_bytes >= GROUP_BYTES:
            self._flush()

    def finish(self) -> list[Path]:
        """Write what is left, give the files their names and return them."""
        if self._rows:
            self._flush()
        self.close()
        return [
            path.rename(path.with_stem(f"{path.stem}-of-{len(self._paths):05d}"))
            for path in self._paths
        ]

    def close(self) -> None:
        """Close the file that is open, if there is one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _flush(self) -> None:
        if self._writer is None:
            path = self._folder / f"{self._name}-{len(self._paths):05d}.parquet"
            self._paths.append(path)
            self._writer = pq.ParquetWriter(path, EXPORT_SCHEMA, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._rows, EXPORT_SCHEMA))
        self._rows, self._n_bytes = [], 0
        if self._paths[-1].stat().st_size >= FILE_BYTES:
            self.close()


def _write_data(corpus: Corpus, folder: Path, report: ExportReport) -> None:
    """Write the Parquet files of all splits."""
    writers = {split: _SplitWriter(folder, split) for split in SPLITS}
    try:
        for split, row in _rows(corpus):
            report.add(row, split)
            writers[split].add(row)
        paths = [path for writer in writers.values() for path in writer.finish()]
    finally:
        for writer in writers.values():
            writer.close()
    report.n_files = len(paths)
    report.n_bytes = sum(path.stat().st_size for path in paths)


def _rows(corpus: Corpus) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield split and row of each piece, in the order of the manifest.

    Raises:
        CorpusError: If a piece is in the manifest or in the shards only.
    """
    path = corpus.folder / MANIFEST_NAME
    pieces = {piece.path: piece for piece in corpus.pieces}
    reader = ShardReader(corpus)
    try:
        manifest = pq.ParquetFile(path)
        for batch in manifest.iter_batches(batch_size=256):
            for row in batch.to_pylist():
                if row["verdict"] != Verdict.KEPT.value:
                    continue
                piece = pieces.pop(row["path"])
                events = reader.events(piece)
                row |= {"n_events": len(events), "events": events.tobytes()}
                yield piece.split, {name: row[name] for name in EXPORT_SCHEMA.names}
    except (OSError, pa.ArrowException, KeyError) as error:
        msg = f"{path} is missing, broken or of another corpus; build the corpus again"
        raise CorpusError(msg) from error
    if pieces:
        msg = f"{path} lacks {len(pieces)} pieces of the shards; build the corpus again"
        raise CorpusError(msg)


# ------------------------------------------------------------------------------------ card


def _card(corpus: Corpus, report: ExportReport) -> str:
    """Return the text of the card, after the form of the hub's dataset cards."""
    splits = [split for split in SPLITS if report.n_pieces[split]]
    decode = DECODE.format(
        folder=report.dest.name, split=SPLIT_NAMES[splits[0]], n_columns=N_COLUMNS
    )
    return "\n".join(
        [
            *_front_matter(report, splits),
            "",
            f"# {report.dest.name}",
            "",
            f"{report.n_pieces.total():,} pieces of music, {report.n_notes.total():,} notes, "
            f"as {report.n_events.total():,} events for training; made by Sideman from the "
            f"corpus {corpus.hash()}.",
            "",
            *_table(
                ("split", "pieces", "notes", "events"),
                [
                    (
                        SPLIT_NAMES[split],
                        f"{report.n_pieces[split]:,}",
                        f"{report.n_notes[split]:,}",
                        f"{report.n_events[split]:,}",
                    )
                    for split in splits
                ],
            ),
            "",
            "## Licences",
            "",
            "Each piece keeps its own licence, in the column `licence`.",
            "",
            *_table(
                ("source", "licence", "pieces"),
                [
                    (source, licence, f"{n:,}")
                    for (source, licence), n in sorted(report.sources.items())
                ],
            ),
            "",
            "## Reading the events",
            "",
            f"The column `events` holds the events of a piece as bytes, {N_COLUMNS} an event:",
            "",
            "```python",
            decode,
            "```",
            "",
            f"({report.dest.name!r} is this folder, or its name on the hub.) "
            "The first of an event's numbers is its kind. What the others mean is in "
            f"`{VOCABULARY_NAME}`: for each attribute its column, the kinds that have it, and "
            "how many values there are.",
            "",
            "The other columns say what was found in the file: key, chords, metre, tempo, "
            "timing, roles of the parts, and how sure that is.",
            "",
        ]
    )


def _front_matter(report: ExportReport, splits: list[str]) -> list[str]:
    """Return the YAML that the hub reads."""
    ids = {LICENCE_IDS.get(licence.lower(), OTHER_LICENCE) for licence in report.licences}
    n_pieces = report.n_pieces.total()
    size = _SIZE_NAMES[sum(n_pieces >= limit for limit in SIZES)]
    return [
        "---",
        f"pretty_name: {json.dumps(report.dest.name)}",
        "license:",
        *(f"- {name}" for name in sorted(ids)),
        "size_categories:",
        f"- {size}",
        "tags:",
        "- music",
        "- midi",
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(
            line
            for name in (SPLIT_NAMES[split] for split in splits)
            for line in (f"  - split: {name}", f"    path: {DATA_FOLDER}/{name}-*.parquet")
        ),
        "---",
    ]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]
