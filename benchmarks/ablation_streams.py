"""Whole pieces cut into rows that follow one another, for `ablations.py`.

A row begins at a bar line with a head of its own, as windows do, and holds as many bars as fit;
it stands at the right end of the row, so that its first event comes right after the last one
of the row before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sideman.corpus.augment import augment
from sideman.corpus.shards import Corpus, Piece, ShardReader
from sideman.model.network import IGNORED
from sideman.tokens.codec import Layout, events_to_grid, grid_to_events
from sideman.tokens.grid import Grid, slice_bars
from sideman.tokens.vocabulary import N_COLUMNS, Events, Kind, Task, Vocabulary
from sideman.train.recipe import Recipe
from sideman.train.windows import N_HEAD_AND_TAIL, Batch, _as_batch, _extent

PADDING = -1
"""Piece number of what stands before a row's first event."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece without its chords, from which bars are spelled.

    Attributes:
        grid: The piece.
        is_silent: True if its velocities say nothing.
    """

    grid: Grid
    is_silent: bool

    def spell(self, first: int, end: int) -> Events:
        """Return the events of the bars from `first` to before `end`, with a head."""
        grid = slice_bars(self.grid, first, end)
        grid = replace(grid, chords=grid.chords[:0])
        return grid_to_events(
            grid,
            Layout(
                task=Task.CONTINUE,
                extent=_extent(first, end, self.grid.n_bars),
                unspecified_velocity=np.full(len(grid.notes), self.is_silent),
            ),
        )

    def rows(self, room: int) -> Iterator[Events]:
        """Yield all bars in stretches of at most `room` events (or a bar that is longer)."""
        first = 0
        while first < self.grid.n_bars:
            end = self.last_that_fits(first, room)
            yield self.spell(first, end)[:room]
            first = end

    def last_that_fits(self, first: int, room: int) -> int:
        """Return the bar after the last of those that fit from `first` on, one at least."""
        before = self._events_before
        most = before[first] + self._room_for_bars(room)
        return max(int(np.searchsorted(before, most, side="right")) - 1, first + 1)

    def first_that_fits(self, end: int, room: int) -> int:
        """Return the first bar from which all before `end` fit, or the last bar."""
        before = self._events_before
        least = before[end] - self._room_for_bars(room)
        return min(int(np.searchsorted(before, least)), end - 1)

    def end_after(self, n_events: int, rng: np.random.Generator) -> int:
        """Draw a bar that is not the last and has so many events before it, if there is one."""
        first = int(np.searchsorted(self._events_before, n_events))
        last = self.grid.n_bars - 1
        return int(rng.integers(min(first, last), last + 1))

    def events_from(self, first: int, end: int) -> int:
        """Return how many events the bars from `first` to before `end` have, without a head."""
        before = self._events_before
        return int(before[end] - before[first])

    @property
    def _events_before(self) -> NDArray[np.int64]:
        """Return how many events the bars before each have, shape (n_bars + 1,)."""
        n_notes = np.bincount(self.grid.notes["bar"], minlength=self.grid.n_bars)
        return np.append(0, np.cumsum(n_notes + 1))

    def _room_for_bars(self, room: int) -> int:
        return room - len(self.grid.programs) - N_HEAD_AND_TAIL


def read_stretch(reader: ShardReader, piece: Piece) -> Stretch:
    """Return a piece of a corpus."""
    grid, layout = events_to_grid(np.asarray(reader.events(piece)))
    silent = layout.unspecified_velocity
    return Stretch(grid, silent is not None and bool(silent.all()))


class Streams:
    """Yields batches in which each row goes on where the one before it ended.

    Args:
        corpus: Where the pieces lie.
        pieces: Those to draw from, a style by its events to the power of the recipe, a piece
            of it evenly: as a piece is played whole, longer ones are heard more.
        recipe: How long the rows are, how many there are, and how pieces are changed.
    """

    def __init__(self, corpus: Corpus, pieces: Sequence[Piece], recipe: Recipe) -> None:
        self._reader, self._vocabulary = ShardReader(corpus), corpus.vocabulary
        self._pieces, self._recipe = list(pieces), recipe
        sizes = np.array([piece.n_events for piece in pieces], np.float64)
        styles = np.array([piece.style for piece in pieces])
        per_style = np.bincount(styles, sizes)
        weights = per_style[styles] ** recipe.style_exponent / per_style[styles]
        self._share = weights / weights.sum()

    def batches(self) -> Iterator[Batch]:
        """Yield batches without end."""
        recipe = self._recipe
        rows = [
            self._rows(np.random.default_rng((recipe.seed, row)))
            for row in range(recipe.batch_rows)
        ]
        while True:
            yield as_batch([next(row) for row in rows], recipe.context, self._vocabulary)

    def _rows(self, rng: np.random.Generator) -> Iterator[tuple[int, Events]]:
        number = 0
        while True:
            piece = self._pieces[rng.choice(len(self._pieces), p=self._share)]
            stretch = read_stretch(self._reader, piece)
            changed = augment(stretch.grid, self._recipe.augmentation, rng)
            for events in replace(stretch, grid=changed).rows(self._recipe.context + 1):
                yield number, events
            number += 1


def held_out_batches(corpus: Corpus, pieces: Sequence[Piece], recipe: Recipe) -> list[Batch]:
    """Return batches of whole pieces: row k of all batches are pieces one after the other.

    Only bars, notes and the end count, so that however a piece is cut the same is measured;
    what a head says of the parts does not.
    """
    reader = ShardReader(corpus)
    streams: list[list[tuple[int, Events]]] = [[] for _ in range(recipe.batch_rows)]
    for number, piece in enumerate(pieces):
        shortest = min(streams, key=len)
        stretch = read_stretch(reader, piece)
        shortest += [(number, events) for events in stretch.rows(recipe.context + 1)]
    nothing = (PADDING, np.zeros((0, N_COLUMNS), np.uint8))
    n_batches = max(map(len, streams))
    found = []
    for index in range(n_batches):
        rows = [stream[index] if index < len(stream) else nothing for stream in streams]
        found.append(only_music(as_batch(rows, recipe.context, corpus.vocabulary)))
    return found


def as_batch(rows: Sequence[tuple[int, Events]], context: int, vocabulary: Vocabulary) -> Batch:
    """Return rows of one piece each, given its number and at most `context` + 1 events."""
    events = np.zeros((len(rows), context + 1, N_COLUMNS), np.uint8)
    number = np.full((len(rows), context + 1), PADDING, np.int64)
    for row, (piece, content) in enumerate(rows):
        if len(content):
            events[row, -len(content) :] = content
            number[row, -len(content) :] = piece
    return _as_batch(events[:, :-1], events[:, 1:], number, vocabulary)


def only_music(batch: Batch) -> Batch:
    """Return the batch with the declarations of parts not counted."""
    return counting(batch, batch.targets[..., 0] != Kind.PART)


def counting(batch: Batch, counts: NDArray[np.bool_]) -> Batch:
    """Return the batch with only those targets counted for which `counts` is True.

    Args:
        batch: Any.
        counts: Shape (B, T) or (T,).
    """
    return replace(batch, targets=np.where(counts[..., None], batch.targets, IGNORED))
