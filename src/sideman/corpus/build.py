"""Build a corpus: read every MIDI file of a folder, encode it, write shards."""

import csv
import hashlib
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sideman.corpus.shards import SPLITS, Piece, Refused, Shard, shard_path, write_index
from sideman.errors import CorpusError, MidiFileError, ScoreError
from sideman.score.midi import read_midi
from sideman.score.types import Score
from sideman.tokens.codec import Layout, grid_to_events
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import N_COLUMNS, N_STYLES, UNSPECIFIED, Events

SUFFIXES = (".mid", ".midi", ".kar")
FILES_PER_SHARD = 512

MIN_NOTES = 8
"""Fewest notes of a piece; shorter ones are refused as `too-few-notes`."""

VALID_PERCENT = 5
TEST_PERCENT = 5

NO_FOLDER_STYLE = "unnamed"
"""Style of files that lie in no folder, where no table names styles."""

NO_PREFIX_STYLE = "other"
"""Style of files that no prefix of the table fits."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What came out of a build.

    Attributes:
        out: The corpus.
        n_pieces: Pieces in it.
        n_notes: Notes in it.
        n_events: Events in it.
        refused: Files that gave no piece, counted by reason.
        adjusted: What the grid could not hold, counted by name.
    """

    out: Path
    n_pieces: int
    n_notes: int
    n_events: int
    refused: Counter[str]
    adjusted: Counter[str]

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"{self.out}: {self.n_pieces} pieces, {self.n_notes} notes, "
            f"{self.n_events} events; refused {_listed(self.refused)}; "
            f"adjusted {_listed(self.adjusted)}"
        )


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.most_common() if n) or "nothing"


def build_corpus(
    folder: Path,
    out: Path,
    *,
    workers: int = 1,
    splits: Path | None = None,
    styles: Path | None = None,
    sources: Sequence[str] | None = None,
    progress: bool = True,
) -> BuildReport:
    """Encode all MIDI files under `folder` into a corpus at `out`, whole or not at all.

    The corpus is the same, byte for byte, however many workers made it.

    Args:
        folder: Read with all folders in it.
        out: Must not exist.
        workers: Processes that read and encode.
        splits: Table (tab-separated, with columns `file` and `split`) that says which split a
            file belongs to; files it does not name are left out. None: 90 / 5 / 5 % by a
            hash of the bytes, so that adding files moves nothing.
        styles: Table (tab-separated, columns `prefix` and `style`): the longest prefix of a
            file's path gives its style label; `other` where none fits. None: the first folder
            is the style.
        sources: First folders to read. None: all.
        progress: Show a progress bar on stderr.

    Raises:
        CorpusError: If there is nothing to read, no file gives a piece, `out` exists, a table
            cannot be used, there are too many styles, or a worker dies.
    """
    if out.exists():
        msg = f"{out} exists already; name another folder or remove it"
        raise CorpusError(msg)
    split_of = _read_splits(splits) if splits else None
    paths = _midi_paths(folder, sources, split_of)
    style_of = _style_labels(paths, styles)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.unfinished")
    unfinished.mkdir(parents=True)
    try:
        job = partial(_encode_chunk, folder, unfinished, split_of)
        report = _build(job, paths, style_of, unfinished, workers=workers, progress=progress)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return replace(report, out=out)


@dataclass(frozen=True, slots=True)
class _ChunkResult:
    """What came of the files of one shard; pieces have no style yet."""

    shard: Shard
    pieces: list[Piece]
    refused: list[Refused]
    adjusted: Counter[str]


def _build(
    job: "partial[_ChunkResult]",
    paths: list[str],
    style_of: dict[str, str],
    out: Path,
    *,
    workers: int,
    progress: bool,
) -> BuildReport:
    """Encode the files chunk by chunk, then write the index that belongs to the shards."""
    labels = tuple(sorted(set(style_of.values())))
    chunks = [paths[at : at + FILES_PER_SHARD] for at in range(0, len(paths), FILES_PER_SHARD)]
    shards: list[Shard] = []
    pieces: list[Piece] = []
    refused: list[Refused] = []
    adjusted: Counter[str] = Counter()
    with tqdm(total=len(paths), unit="file", disable=not progress) as bar:
        for chunk, result in zip(chunks, _map(job, chunks, workers), strict=True):
            shards.append(result.shard)
            pieces += (
                replace(piece, style=labels.index(style_of[piece.path]) + 1)
                for piece in result.pieces
            )
            refused += result.refused
            adjusted += result.adjusted
            bar.update(len(chunk))
    report = BuildReport(
        out=out,
        n_pieces=len(pieces),
        n_notes=sum(piece.n_notes for piece in pieces),
        n_events=sum(piece.n_events for piece in pieces),
        refused=Counter(row.reason for row in refused),
        adjusted=adjusted,
    )
    if not pieces:
        msg = f"no file gave a piece; refused {_listed(report.refused)}"
        raise CorpusError(msg)
    write_index(out, labels, shards, pieces, refused)
    return report


def _map(
    job: "partial[_ChunkResult]", chunks: list[list[str]], workers: int
) -> Iterator[_ChunkResult]:
    """Yield the result of each chunk in order."""
    if workers <= 1:
        yield from map(job, range(len(chunks)), chunks)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            yield from pool.map(job, range(len(chunks)), chunks)
    except BrokenProcessPool as error:
        msg = "a worker died, of a broken file or of too little memory; try with one worker"
        raise CorpusError(msg) from error


def _encode_chunk(
    folder: Path, out: Path, split_of: dict[str, str] | None, shard: int, paths: list[str]
) -> _ChunkResult:
    """Encode files into one shard."""
    pieces: list[Piece] = []
    refused: list[Refused] = []
    adjusted: Counter[str] = Counter()
    rows = [np.zeros((0, N_COLUMNS), np.uint8)]
    start = 0
    for path in paths:
        try:
            score = read_midi(folder / path)
            _check_length(score, folder / path)
            events, counts = encode_piece(score)
        except ScoreError as error:
            reason = error.reason if isinstance(error, MidiFileError) else "not-a-score"
            refused.append(Refused(path, reason))
            continue
        split = split_of[path] if split_of else split_by_hash((folder / path).read_bytes())
        stop = start + len(events)
        pieces.append(Piece(path, shard, start, stop, split, UNSPECIFIED, len(score.notes)))
        adjusted += counts
        rows.append(events)
        start = stop
    file = shard_path(out, shard)
    np.save(file, np.concatenate(rows))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return _ChunkResult(Shard(start, digest), pieces, refused, adjusted)


def _check_length(score: Score, path: Path) -> None:
    if len(score.notes) < MIN_NOTES:
        msg = f"{path}: it has {len(score.notes)} notes; a piece has at least {MIN_NOTES}"
        raise MidiFileError(msg, reason="too-few-notes", path=path)


def encode_piece(score: Score) -> tuple[Events, Counter[str]]:
    """Spell a piece for training: a file with one velocity throughout says none at all.

    Returns:
        Events, shape (T, N_COLUMNS), and what did not fit the grid, counted by name
        (see `sideman.tokens.grid.to_grid`).
    """
    grid, counts = to_grid(score)
    velocities = grid.notes["velocity"]
    says_nothing = len(velocities) > 0 and bool((velocities == velocities[0]).all())
    unspecified = np.full(len(velocities), says_nothing)
    return grid_to_events(grid, Layout(key=grid.key, unspecified_velocity=unspecified)), counts


def split_by_hash(data: bytes) -> str:
    """Return the split of a file by its bytes: 90 / 5 / 5 %, the same for the same bytes."""
    percent = int.from_bytes(hashlib.sha256(data).digest()[:8], "big") % 100
    if percent < VALID_PERCENT:
        return "valid"
    return "test" if percent < VALID_PERCENT + TEST_PERCENT else "train"


def _midi_paths(
    folder: Path, sources: Sequence[str] | None, split_of: dict[str, str] | None
) -> list[str]:
    """Return the files to read, relative to `folder`, with forward slashes, sorted."""
    if not folder.is_dir():
        msg = f"{folder} is not a folder; name one with MIDI files in it"
        raise CorpusError(msg)
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    paths = sorted(path.relative_to(folder).as_posix() for path in found)
    if sources is not None:
        paths = [path for path in paths if path.split("/")[0] in sources]
    if split_of is not None:
        paths = [path for path in paths if path in split_of]
    if not paths:
        msg = f"{folder} holds no MIDI file ({', '.join(SUFFIXES)}) that was asked for"
        raise CorpusError(msg)
    return paths


def _read_splits(path: Path) -> dict[str, str]:
    split_of = _read_table(path, "file", "split")
    for split in split_of.values():
        if split not in SPLITS:
            msg = f"{path} names split {split!r}; there are {', '.join(SPLITS)}"
            raise CorpusError(msg)
    return split_of


def _style_labels(paths: list[str], styles: Path | None) -> dict[str, str]:
    """Return the name of each file's style, of which there are at most `N_STYLES` - 1."""
    if styles is None:
        found = {path: path.split("/")[0] if "/" in path else NO_FOLDER_STYLE for path in paths}
    else:
        table = _read_table(styles, "prefix", "style")
        prefixes = sorted(table, key=len, reverse=True)
        found = {
            path: next((table[p] for p in prefixes if path.startswith(p)), NO_PREFIX_STYLE)
            for path in paths
        }
    n_styles = len(set(found.values()))
    if n_styles >= N_STYLES:
        msg = (
            f"there are {n_styles} styles; at most {N_STYLES - 1} fit the vocabulary: "
            f"give a styles table that joins some"
        )
        raise CorpusError(msg)
    return found


def _read_table(path: Path, key: str, value: str) -> dict[str, str]:
    """Return two columns of a tab-separated table as a mapping."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"the table {path} cannot be read: {error}"
        raise CorpusError(msg) from error
    if not {key, value} <= set(columns):
        msg = f"{path} has columns {', '.join(columns)}; it needs {key!r} and {value!r}"
        raise CorpusError(msg)
    return {row[key]: row[value] or "" for row in rows}
