"""Originality: the longest run of notes that a take shares with the training corpus.

A *line* is the highest notes of a part, one at each onset; drums have none. Between two
successive notes of a line lies a *step*: the interval, with leaps beyond an octave taken back
into one, and the time between the onsets in half octaves of duration. So key, tempo,
instrument, loudness and articulation do not hide a copy. A step that only goes on with a figure
of up to `LONGEST_FIGURE` steps is left out: a hundred repeated notes stand in many pieces, and
none of these is a copy of another. (So the first notes of a copy may be left out where they
happen to go on with what stands before it.)

The index holds the steps of all training pieces, a byte each, and is searched from end to end
for `SEED` successive steps of the take, which fit a machine word: 12 million steps take some
hundredths of a second. So every run of more than `SEED` notes that are left is found, in full.
Fingerprints of a choice of places (winnowing: Schleimer, Wilkerson & Aiken 2003, "Winnowing:
local algorithms for document fingerprinting") take less room only where they may miss runs of
twenty notes, and do not tell how long a run is; `benchmarks/originality.py` has the figures.

An index is one `.npz` file of plain arrays. They are not compressed, so that it opens at once
and its bytes depend on the corpus alone.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sideman.bundle import ABOUT, NO_INDEX, ORIGINALITY, Bundle, bundled_path
from sideman.corpus.shards import Corpus, Piece, ShardReader, open_corpus
from sideman.engine.ranking import new_notes
from sideman.errors import EngineError
from sideman.files import refuse_existing, whole_file
from sideman.score.midi import read_midi, read_recipe
from sideman.score.time import MAX_BARS
from sideman.score.types import TPQ, Score
from sideman.tokens.codec import events_to_grid
from sideman.tokens.grid import Grid, onsets, slice_bars, to_grid
from sideman.tokens.vocabulary import FIRST_DRUM

if TYPE_CHECKING:  # to look at files needs no model
    from sideman.engine.compose import Take

INDEX_FORMAT = 1
"""Version of the layout of an index; another one is refused."""

ARRAYS = (
    "steps",
    "starts",
    "line_pieces",
    "bar_bits",
    "bar_starts",
    "paths",
    "piece_origins",
)
"""What an index file holds beside `ABOUT`, which is JSON."""

SEED = 8
"""Steps that are looked for at once: the bytes of a machine word."""

LONGEST_FIGURE = 4
"""Most notes of a figure whose repetitions are left out: an Alberti bass has four."""

OCTAVE = 12
RHYTHMS = np.arange(-5, 5)
"""Half octaves of duration from a quarter note: from some 4 ticks to a whole note."""

END_OF_LINE, END_OF_TAKE_LINE = 255, 254
"""Bytes that are no step, and not each other, so that no run goes beyond its line."""

EXCERPT_BARS = (4, 8, 16, 32, 64, 128)
"""Lengths of the held-out excerpts that tell what is usual."""

N_EXCERPTS = 1500
LENGTH_CLASSES = (SEED, 32, 64, 128, 256, 512)
"""Steps of a take at which a class of lengths begins; the longest run grows with it."""

FEWEST_EXCERPTS = 20
"""Excerpts of a class from which on it is said that one in twenty reaches something."""

_FIBONACCI = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio (Knuth, TAOCP 6.4)
_TABLE_BITS = 18  # a table of 256 kB stays in the L2 cache
_WORDS_AT_ONCE = 1 << 15

Steps = NDArray[np.uint8]
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Usual:
    """How long the longest shared runs are of music that is not in the corpus.

    Attributes:
        min_steps: Holds for takes of this many steps or more.
        median: Half of them share a run of at most so many notes; 0: of no more than `SEED`.
        long: All but one in twenty do.
    """

    min_steps: int
    median: int
    long: int


@dataclass(frozen=True, slots=True)
class Shared:
    """The longest run that a take shares with a piece.

    Attributes:
        n_notes: Notes of the run, those left out that only repeat a figure.
        part: Number of the part of the take, counted from 0.
        first_bar: Bar of the take in which the run begins, counted from 0.
        last_bar: Bar in which it ends.
        piece: Path of the piece within the corpus; of several, the first by path.
        piece_bar: Bar of the piece in which the run begins, as the corpus counts them, from 0.
        licence: Of the piece.
        source: Where it comes from.
        n_pieces: Pieces that have the whole run.
        usual: How long such runs are in other music; None where that is not known.
    """

    n_notes: int
    part: int
    first_bar: int
    last_bar: int
    piece: str
    piece_bar: int
    licence: str
    source: str
    n_pieces: int
    usual: Usual | None

    def line(self) -> str:
        """Say it in one line."""
        bars = f"bar {self.first_bar + 1}"
        if self.last_bar > self.first_bar:
            bars = f"bars {self.first_bar + 1}-{self.last_bar + 1}"
        others = f", and in {self.n_pieces - 1} more" if self.n_pieces > 1 else ""
        return (
            f"longest run shared with the training corpus: {self.n_notes} notes in {bars} of "
            f"part {self.part + 1}, as in {self.piece} from bar {self.piece_bar + 1} "
            f"({self.licence}; {self.source}){others}{self._verdict()}"
        )

    def _verdict(self) -> str:
        if self.usual is None:
            return ""
        median, long = max(self.usual.median, SEED), max(self.usual.long, SEED)
        verdict = "unusually long" if self.n_notes > long else "not unusual"
        return f"; {verdict} (other music: half at most {median}, one in twenty above {long})"


@dataclass(frozen=True, slots=True)
class IndexReport:
    """An index that was written; `n_notes` are those of the lines."""

    path: Path
    n_pieces: int
    n_notes: int
    n_bytes: int


# ------------------------------------------------------------------------------------- lines


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """The highest notes of one part, as steps from note to note.

    Attributes:
        part: Number of the part.
        steps: Shape (T,), below `END_OF_TAKE_LINE`; those that repeat a figure are left out.
        bars: Bar of the note each step starts from, shape (T,).
        end_bars: Bar of the note it leads to, shape (T,).
    """

    part: int
    steps: Steps
    bars: Indices
    end_bars: Indices


def lines(grid: Grid) -> list[Line]:
    """Return the lines of a grid, part by part; those too short to be compared are left out."""
    notes = grid.notes.compress(grid.notes["pitch"] < FIRST_DRUM)
    onset = onsets(grid, notes, grid.bar_starts())
    found = []
    for part in np.unique(notes["part"]):
        rows = np.flatnonzero(notes["part"] == part)
        # of the notes of an onset the last is the highest
        rows = rows[np.append(onset[rows[1:]] != onset[rows[:-1]], True)]
        steps = _steps(notes["pitch"][rows], onset[rows])
        kept = np.flatnonzero(~_repeats(steps))
        if len(kept) >= SEED:
            bars = notes["bar"][rows].astype(np.int64)
            found.append(Line(int(part), steps[kept], bars[kept], bars[kept + 1]))
    return found


def _steps(pitch: NDArray[np.uint8], onset: Indices) -> Steps:
    """Return the steps between T + 1 notes, shape (T,)."""
    interval = np.diff(pitch.astype(np.int64))
    size = np.abs(interval)
    size = np.where(size > OCTAVE, (size - 1) % OCTAVE + 1, size)
    half_octaves = np.rint(2 * np.log2(np.diff(onset) / TPQ))
    rhythm = np.clip(half_octaves, RHYTHMS[0], RHYTHMS[-1]) - RHYTHMS[0]
    steps: Steps = ((np.sign(interval) * size + OCTAVE) * len(RHYTHMS) + rhythm).astype(
        np.uint8
    )
    return steps


def _repeats(steps: Steps) -> NDArray[np.bool_]:
    """Return which steps complete a figure equal to the one just before it, shape (T,)."""
    repeats = np.zeros(len(steps), bool)
    for length in range(1, min(LONGEST_FIGURE, len(steps) // 2) + 1):
        same = steps[length:] == steps[:-length]
        repeats[2 * length - 1 :] |= sliding_window_view(same, length).all(axis=1)
    return repeats


# ----------------------------------------------------------------------------------- looking


@dataclass(frozen=True, eq=False)
class Index:
    """The lines of a corpus, to be searched.

    Attributes:
        steps: Of all lines, each closed by `END_OF_LINE`, shape (N,).
        starts: Where each line begins in `steps`, shape (L,).
        line_pieces: Number of the piece of each line, shape (L,), ascending.
        bar_bits: For each line a 1 at every bar line and a 0 at every step, as bytes.
        bar_starts: Where each line begins in `bar_bits`, and the end, shape (L + 1,).
        paths: Path of each piece closed by a NUL character, as bytes.
        piece_origins: Row of each piece in `origins`, shape (P,).
        origins: Pairs of licence and source.
        corpus_hash: Fingerprint of the corpus, the one that a bundle's card names.
        usual: What is usual, shortest takes first.
    """

    steps: Steps
    starts: NDArray[np.uint32]
    line_pieces: NDArray[np.uint32]
    bar_bits: NDArray[np.uint8]
    bar_starts: NDArray[np.uint32]
    paths: NDArray[np.uint8]
    piece_origins: NDArray[np.uint16]
    origins: tuple[tuple[str, str], ...]
    corpus_hash: str
    usual: tuple[Usual, ...] = ()

    @property
    def n_pieces(self) -> int:
        """Number of pieces."""
        return len(self.piece_origins)

    def longest_shared(self, score: Score) -> Shared | None:
        """Return the longest run that a score shares with a piece of the corpus.

        To ask about some of its notes only, give the score with these alone.

        Returns:
            The run; None where there is none of more than `SEED` notes.

        Raises:
            ScoreError: If the score has too many bars.
        """
        take = lines(to_grid(score)[0])
        run = self.longest_run(take)
        return self._shared(run, take) if run else None

    def longest_run(self, take: Sequence[Line]) -> bytes:
        """Return the steps of the longest run that lines share with the corpus.

        Of several as long it is always the same one. Empty where no `SEED` steps are shared.
        """
        if not take:
            return b""
        text, best = bytes([END_OF_TAKE_LINE]).join(line.steps.tobytes() for line in take), b""
        for stretch in self._stretches(text):
            if len(stretch) <= len(best):
                break
            for start in range(len(stretch)):
                end = start + len(best) + 1
                while end <= len(stretch) and stretch[start:end] in text:
                    best = stretch[start:end]
                    end += 1
        return best

    @cached_property
    def _bytes(self) -> bytes:
        return self.steps.tobytes()

    def _stretches(self, text: bytes) -> Iterator[bytes]:
        """Yield stretches of the corpus, longest first; each run shared with a text is in one.

        They are where any `SEED` successive steps are in the text.
        """
        steps = np.frombuffer(text, np.uint8)
        places = self._places(np.unique(_words(steps, np.arange(len(steps) - SEED + 1))))
        first = np.flatnonzero(np.diff(places, prepend=-2) > 1)
        lengths = np.diff(first, append=len(places)) + SEED - 1
        for number in np.argsort(-lengths, kind="stable"):
            start = places[first[number]]
            yield self._bytes[start : start + lengths[number]]

    def _places(self, wanted: NDArray[np.uint64]) -> Indices:
        """Return where in `steps` any of the wanted words begins, in order.

        A hash table of bits lets through what may be one of them; that is then looked up.
        """
        table = np.zeros(1 << _TABLE_BITS, bool)
        table[_hashes(wanted)] = True
        found = []
        for offset in range(SEED):
            n_words = (len(self._bytes) - offset) // SEED
            words = np.frombuffer(self._bytes, np.uint64, n_words, offset)
            for start in range(0, n_words, _WORDS_AT_ONCE):
                maybe = np.flatnonzero(table[_hashes(words[start : start + _WORDS_AT_ONCE])])
                found.append((start + maybe) * SEED + offset)
        places = np.sort(np.concatenate(found))
        is_wanted = np.isin(_words(self.steps, places), wanted)
        return places.compress(is_wanted)

    def _shared(self, run: bytes, take: Sequence[Line]) -> Shared:
        """Return where a run lies in a take and in the corpus."""
        line = next(line for line in take if run in line.steps.tobytes())
        begin = line.steps.tobytes().find(run)
        places = np.array(_all_places(run, self._bytes))
        rows = np.searchsorted(self.starts, places, side="right") - 1
        pieces = self.line_pieces[rows]
        licence, source = self.origins[self.piece_origins[pieces[0]]]
        return Shared(
            n_notes=len(run) + 1,
            part=line.part,
            first_bar=int(line.bars[begin]),
            last_bar=int(line.end_bars[begin + len(run) - 1]),
            piece=self.paths.tobytes().split(b"\0")[pieces[0]].decode(),
            piece_bar=self._bar(int(rows[0]), int(places[0])),
            licence=licence,
            source=source,
            n_pieces=len(np.unique(pieces)),
            usual=self._usual_for(_n_steps(take)),
        )

    def _bar(self, row: int, place: int) -> int:
        """Return the bar of the step at a place in a line."""
        bits = np.unpackbits(self.bar_bits[self.bar_starts[row] : self.bar_starts[row + 1]])
        step = place - int(self.starts[row])
        return int(np.flatnonzero(bits == 0)[step]) - step

    def _usual_for(self, n_steps: int) -> Usual | None:
        """Return what is usual for takes of so many steps, or for the shortest known."""
        after = bisect([row.min_steps for row in self.usual], n_steps)
        return self.usual[max(after - 1, 0)] if self.usual else None


def original_file(
    midi: Path,
    *,
    before: Path | None = None,
    index: Path | None = None,
    bundle: Path | None = None,
) -> str:
    """Say in one line what a MIDI file shares with the training corpus.

    Of a file whose recipe says in which bars something was written, only these are compared.

    Args:
        midi: The file.
        before: A MIDI file of what was known; notes that begin in it are not compared.
        index: The index to search. None: the one in the bundle.
        bundle: Folder of a bundle. None: the one that comes with the package.

    Raises:
        MidiFileError: If a file cannot be read.
        EngineError: If there is no index, or it is broken.
    """
    known = open_index(index or (bundle or bundled_path()) / ORIGINALITY)
    score = read_midi(midi)
    first, end = _written_bars(midi)
    prompt = read_midi(before) if before else None
    return f"{midi}: {_line(new_notes(score, first, end, prompt), known)}"


def original_lines(
    takes: Sequence[Take], bundle: Bundle, prompt: Score | None = None
) -> list[str]:
    """Say of each take in one line what its new notes share with the training corpus.

    Args:
        takes: Of the same task.
        bundle: Their model.
        prompt: What was known; None where everything in the bars written is new
            (see `sideman.engine.ranking.new_notes`).

    Returns:
        A line for each take; none if the bundle has no index.

    Raises:
        EngineError: If the index is broken.
    """
    path = bundle.folder / ORIGINALITY
    if not path.is_file():
        return []
    index = open_index(path)
    return [
        _line(new_notes(take.score, take.first_bar, take.end_bar, prompt), index)
        for take in takes
    ]


def _line(score: Score, index: Index) -> str:
    """Say in one line what a score shares with a corpus."""
    shared = index.longest_shared(score)
    if shared is not None:
        return shared.line()
    if not lines(to_grid(score)[0]):
        return f"no line of more than {SEED} notes to compare; drums are not compared"
    return f"no run of more than {SEED} notes shared with the training corpus"


def _written_bars(midi: Path) -> tuple[int, int]:
    """Return the first bar in which its recipe says something was written, and the end."""
    try:
        recipe = json.loads(read_recipe(midi) or "{}")
    except ValueError:
        recipe = {}
    said = recipe if isinstance(recipe, dict) else {}
    first, last = said.get("first_new_bar", 1), said.get("last_new_bar", MAX_BARS)
    is_sound = isinstance(first, int) and isinstance(last, int) and 1 <= first <= last
    return (first - 1, last) if is_sound else (0, MAX_BARS)


def open_index(path: Path) -> Index:
    """Open an index.

    Raises:
        EngineError: If it is missing, broken or of another format.
    """
    if not path.is_file():
        msg = (
            f"{path}: there is no index of the training corpus; make one with "
            "'sideman corpus index CORPUS OUT' and name it"
        )
        raise EngineError(msg)
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            about = json.loads(arrays[ABOUT].tobytes())
            found = about["format"]
            if found == INDEX_FORMAT:
                return Index(
                    **{name: arrays[name] for name in ARRAYS},
                    origins=tuple((licence, source) for licence, source in about["origins"]),
                    corpus_hash=about["corpus_hash"],
                    usual=tuple(Usual(*row) for row in about["usual"]),
                )
    except NO_INDEX as error:
        msg = f"{path} is no index or a broken one ({error}); build it again"
        raise EngineError(msg) from error
    msg = f"{path} has format {found}; this sideman reads {INDEX_FORMAT}: build it again"
    raise EngineError(msg)


def _words(steps: Steps, places: Indices) -> NDArray[np.uint64]:
    """Return the `SEED` steps from each place on as one word."""
    windows = sliding_window_view(steps, SEED)[places]
    return windows.view(np.uint64)[:, 0]


def _hashes(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the `_TABLE_BITS` bits by which words are told apart at first."""
    hashed: NDArray[np.uint64] = (words * _FIBONACCI) >> np.uint64(64 - _TABLE_BITS)
    return hashed


def _n_steps(take: Sequence[Line]) -> int:
    return sum(len(line.steps) for line in take)


def _all_places(run: bytes, text: bytes) -> list[int]:
    """Return all places at which a run begins in a text that has it."""
    places = [text.find(run)]
    while (place := text.find(run, places[-1] + 1)) >= 0:
        places.append(place)
    return places


# ---------------------------------------------------------------------------------- building


def build_index(
    corpus_folder: Path,
    out: Path,
    *,
    origins: Mapping[str, tuple[str, str]],
    force: bool = False,
) -> IndexReport:
    """Write the index of a corpus' training split, whole or not at all.

    What is usual is measured on excerpts of the pieces of the other splits.

    Args:
        corpus_folder: With the shards.
        out: The index, a `.npz` file.
        origins: Licence and source of each piece by its path
            (see `sideman.corpus.origins.read_origins`).
        force: Replace a file that is there.

    Raises:
        CorpusError: If the folder holds no corpus or a broken one.
        EngineError: If a training piece has no origin, or no piece has a line.
        OutputExists: If `out` exists and `force` is not given; nothing is written.
    """
    refuse_existing(out, force=force)
    corpus = open_corpus(corpus_folder)
    index = _index(corpus, origins)
    index = replace(index, usual=_usual(index, corpus))
    _write(index, out)
    n_notes = len(index.steps)  # a line has one step fewer than notes, and its end
    return IndexReport(out, index.n_pieces, n_notes, out.stat().st_size)


def _index(corpus: Corpus, origins: Mapping[str, tuple[str, str]]) -> Index:
    """Return the index of the training split; what is usual is not known yet."""
    pieces, reader = corpus.of_split("train"), ShardReader(corpus)
    for piece in pieces:
        if piece.path not in origins:
            msg = f"'{piece.path}' has no licence and source; the manifest is of another corpus"
            raise EngineError(msg)
    rows = [
        (number, line)
        for number, piece in enumerate(pieces)
        for line in lines(events_to_grid(reader.events(piece))[0])
    ]
    if not rows:
        msg = f"{corpus.folder} has no training piece with a line of more than {SEED} notes"
        raise EngineError(msg)
    bits = [_bar_bits(line.bars) for _, line in rows]
    lengths = [len(line.steps) + 1 for _, line in rows]
    table = sorted({origins[piece.path] for piece in pieces})
    numbers = {origin: number for number, origin in enumerate(table)}
    return Index(
        steps=np.concatenate(
            [np.append(line.steps, np.uint8(END_OF_LINE)) for _, line in rows]
        ),
        starts=(np.cumsum(lengths) - lengths).astype(np.uint32),
        line_pieces=np.array([number for number, _ in rows], np.uint32),
        bar_bits=np.concatenate(bits),
        bar_starts=np.append(0, np.cumsum([len(row) for row in bits])).astype(np.uint32),
        paths=np.frombuffer("".join(f"{p.path}\0" for p in pieces).encode(), np.uint8),
        piece_origins=np.array([numbers[origins[piece.path]] for piece in pieces], np.uint16),
        origins=tuple(table),
        corpus_hash=corpus.hash(),
    )


def _bar_bits(bars: Indices) -> NDArray[np.uint8]:
    """Return a 1 for each bar line and a 0 for each step of a line, in order, as bytes."""
    bits = np.ones(len(bars) + int(bars[-1]), np.uint8)
    bits[np.arange(len(bars)) + bars] = 0
    return np.packbits(bits)


def _usual(index: Index, corpus: Corpus) -> tuple[Usual, ...]:
    """Return what is usual in excerpts of pieces that are not in the index."""
    reader = ShardReader(corpus)
    pieces = [piece for piece in corpus.pieces if piece.split != "train"]
    rng = np.random.default_rng(0)
    found: list[list[int]] = [[] for _ in LENGTH_CLASSES]
    for number in rng.permutation(len(pieces))[:N_EXCERPTS]:
        take = lines(_excerpt(reader, pieces[number], rng))
        if take:
            run = index.longest_run(take)
            found[bisect(LENGTH_CLASSES, _n_steps(take)) - 1].append(len(run) + bool(run))
    return tuple(
        Usual(min_steps, *np.percentile(n_notes, (50, 95), method="nearest").tolist())
        for min_steps, n_notes in zip(LENGTH_CLASSES, found, strict=True)
        if len(n_notes) >= FEWEST_EXCERPTS
    )


def _excerpt(reader: ShardReader, piece: Piece, rng: np.random.Generator) -> Grid:
    """Return some bars of a piece."""
    grid, _ = events_to_grid(reader.events(piece))
    n_bars = int(rng.choice(EXCERPT_BARS))
    first = int(rng.integers(max(grid.n_bars - n_bars, 0) + 1))
    return slice_bars(grid, first, first + n_bars)


def _write(index: Index, out: Path) -> None:
    about = {
        "format": INDEX_FORMAT,
        "corpus_hash": index.corpus_hash,
        "origins": index.origins,
        "usual": [astuple(row) for row in index.usual],
    }
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arrays = {name: getattr(index, name) for name in ARRAYS}
    with whole_file(out) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays, **{ABOUT: text})
