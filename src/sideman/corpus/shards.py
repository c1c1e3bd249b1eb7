"""Shards: the events of many pieces, memory-mapped, with piece boundaries and splits.

A corpus is a folder:

    corpus.json        format, style labels, and one row for each shard and piece
    events-00000.npy   events of many pieces one after the other, shape (T, N_COLUMNS), bytes
    events-00001.npy   …
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from sideman.errors import CorpusError
from sideman.files import whole_file
from sideman.tokens.vocabulary import FORMAT, Events, Vocabulary

INDEX_NAME = "corpus.json"
SHARD_PATTERN = "events-*.npy"
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a piece lies in the shards.

    Attributes:
        path: The file it came from, relative to the folder that was read.
        shard: Number of the shard.
        start: First row of the piece in the shard.
        stop: Row after its last.
        split: One of `SPLITS`.
        style: Style label, 0 unspecified.
        n_notes: Notes of the file it came from.
    """

    path: str
    shard: int
    start: int
    stop: int
    split: str
    style: int
    n_notes: int

    @property
    def n_events(self) -> int:
        """Rows of the piece."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of events.

    Attributes:
        n_events: Rows in it.
        sha256: Of the file, in hexadecimal.
    """

    n_events: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus on disk, opened.

    Attributes:
        folder: Where it lies.
        vocabulary: Carries the style labels.
        pieces: All pieces, in order of path.
    """

    folder: Path
    vocabulary: Vocabulary
    pieces: tuple[Piece, ...]

    def of_split(self, split: str) -> list[Piece]:
        """Return the pieces of one split."""
        return [piece for piece in self.pieces if piece.split == split]

    def hash(self) -> str:
        """Return a fingerprint of what the corpus holds: 16 hexadecimal digits."""
        return hashlib.sha256((self.folder / INDEX_NAME).read_bytes()).hexdigest()[:16]


class ShardReader:
    """Hands out the events of pieces; opens a shard when it is first needed."""

    def __init__(self, corpus: Corpus) -> None:
        self._folder = corpus.folder
        self._shards: dict[int, Events] = {}

    def events(self, piece: Piece) -> Events:
        """Return the events of a piece, shape (T, N_COLUMNS), a view into the memory map.

        Raises:
            CorpusError: If its shard is missing or broken.
        """
        if piece.shard not in self._shards:
            path = shard_path(self._folder, piece.shard)
            try:
                self._shards[piece.shard] = np.load(path, mmap_mode="r")
            except (OSError, ValueError) as error:
                msg = f"{path} cannot be read: {error}; build the corpus again"
                raise CorpusError(msg) from error
        return self._shards[piece.shard][piece.start : piece.stop]


def shard_path(folder: Path, shard: int) -> Path:
    """Return the file of a shard."""
    return folder / f"events-{shard:05d}.npy"


def write_index(
    folder: Path,
    styles: Sequence[str],
    shards: Sequence[Shard],
    pieces: Sequence[Piece],
) -> None:
    """Write what is in the shards of `folder`, shard 0 first."""
    index = {
        "format": FORMAT,
        "styles": list(styles),
        "shards": [list(astuple(shard)) for shard in shards],
        "pieces": [list(astuple(piece)) for piece in pieces],
    }
    with whole_file(folder / INDEX_NAME) as part:
        part.write_text(json.dumps(index, separators=(",", ":")), encoding="utf-8")


def open_corpus(folder: Path) -> Corpus:
    """Open a corpus.

    Raises:
        CorpusError: If `folder` holds none, a broken one, or one of another format.
    """
    path = folder / INDEX_NAME
    if not path.is_file():
        msg = f"{folder} holds no corpus ({INDEX_NAME}); make one with 'sideman corpus build'"
        raise CorpusError(msg)
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        found = index["format"]
        if found == FORMAT:
            return Corpus(
                folder=folder,
                vocabulary=Vocabulary(tuple(index["styles"])),
                pieces=tuple(Piece(*row) for row in index["pieces"]),
            )
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} is broken ({error}); build the corpus again"
        raise CorpusError(msg) from error
    msg = f"{folder} has format {found}; this sideman reads {FORMAT}: build it again"
    raise CorpusError(msg)
