"""Windows: stretches of pieces, each with a task, packed into the rows of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sideman.corpus.augment import augment
from sideman.corpus.shards import Corpus, Piece, ShardReader
from sideman.model.network import IGNORED
from sideman.score.types import Table
from sideman.tokens.codec import Layout, events_to_grid, grid_to_events
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import Grid, slice_bars, take_parts
from sideman.tokens.layouts import (
    accompany_ahead,
    chart_ahead,
    continue_ahead,
    infill_ahead,
    vary_ahead,
)
from sideman.tokens.vocabulary import (
    DURATION,
    HELD,
    PROGRAM,
    UNSPECIFIED,
    Events,
    Extent,
    Kind,
    Task,
    Vocabulary,
)
from sideman.train.recipe import Recipe

TASKS = (
    Task.CONTINUE,
    Task.INFILL,
    Task.ACCOMPANY,
    Task.VARY,
    Task.CHART,
    Task.HARMONISE,
    Task.LIVE,
)
"""Tasks that windows are made for, in the order of `Recipe.task_weights`."""

ABOUT_CHORDS = frozenset({Task.CHART, Task.HARMONISE})
"""Tasks that nothing is left of without chords."""

LOOKAHEADS = (0, 1, 2, 4, 8)
"""Bars that given notes are announced ahead, one drawn for each window."""

MIN_INFILL_BARS = 3
"""Fewest bars of a window to fill in: one, with one on either side."""

MAX_INFILL_BARS = 8
"""Most bars that are written at once."""

OPENING_SHARE = 0.15
"""Share of the windows that begin where the piece begins, so that beginnings are learned."""

ENDING_SHARE = 0.1
"""Share of the windows that end where the piece ends, so that endings are learned."""

N_HEAD_AND_TAIL = 3
"""Events of a window beside its parts, bars and what begins in them: `START`, a chord that
holds on from before, and `END`."""

SOME_PARTS_SHARE = 0.5
"""Share of the infill windows in which only some of the parts are written."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of events as the network wants them: what is seen, and what follows.

    Attributes:
        ids: Embedding ids of the events seen, shape (B, T, columns), int64.
        piece: Number of the window inside its row, shape (B, T).
        targets: Head outputs of the next event, shape (B, T, J); -1 where nothing is to decide.
        program_ids: Id of the program of the next event's part, shape (B, T).
    """

    ids: NDArray[np.int64]
    piece: NDArray[np.int64]
    targets: NDArray[np.int64]
    program_ids: NDArray[np.int64]

    @property
    def n_events(self) -> int:
        """Events to decide in the batch."""
        return int((self.targets[..., 0] != IGNORED).sum())

    @property
    def n_notes(self) -> int:
        """Notes to decide in the batch."""
        return int((self.targets[..., 0] == Kind.NOTE).sum())

    def rows(self, start: int, stop: int) -> "Batch":
        """Return the rows from `start` to before `stop`."""
        return self._take(slice(start, stop))

    def share(self, rank: int, count: int) -> "Batch":
        """Return every `count`-th row from number `rank` on."""
        return self._take(slice(rank, None, count))

    def _take(self, part: slice) -> "Batch":
        return Batch(
            self.ids[part], self.piece[part], self.targets[part], self.program_ids[part]
        )


class WindowSampler:
    """Draws windows from a corpus and packs them.

    A style is drawn by its events to the power `style_exponent`, then a piece by its events.

    Args:
        corpus: Where the pieces lie.
        pieces: Those to draw from, at least one.
        recipe: How long the rows are, and what is drawn how often.
    """

    def __init__(self, corpus: Corpus, pieces: Sequence[Piece], recipe: Recipe) -> None:
        self._reader = ShardReader(corpus)
        self._pieces = list(pieces)
        self._recipe = recipe
        self._augmentation = recipe.augmentation
        self._vocabulary = corpus.vocabulary
        sizes = np.array([piece.n_events for piece in pieces], np.float64)
        styles = np.array([piece.style for piece in pieces])
        per_style = np.bincount(styles, sizes)
        share = per_style[styles] ** recipe.style_exponent / per_style[styles]
        weights = sizes * share
        self._cumulative = np.cumsum(weights / weights.sum())

    def batch(self, rngs: Sequence[np.random.Generator]) -> Batch:
        """Return a freshly drawn row for each source of chance."""
        rows = [self._row(rng) for rng in rngs]
        return _as_batch(
            np.stack([seen for seen, _, _ in rows]),
            np.stack([following for _, following, _ in rows]),
            np.stack([number for _, _, number in rows]),
            self._vocabulary,
        )

    def _row(self, rng: np.random.Generator) -> tuple[Events, Events, NDArray[np.int64]]:
        """Fill a row with windows; the last is cut where the row ends.

        Returns:
            The events seen, shape (T, columns), those that follow each of them, same shape,
            and the number of the window that an event is of, shape (T + 1,), the event after
            the last included.
        """
        length = self._recipe.context + 1
        windows: list[tuple[Events, Events]] = []
        filled = 0
        while filled < length:
            piece = self._pieces[self._draw_piece(rng)]
            window = self._window(rng, piece, length - filled)
            windows.append(window)
            filled += len(window[0])
        seen = np.concatenate([window[0] for window in windows])[:length]
        true = np.concatenate([window[1] for window in windows])[:length]
        number = np.repeat(np.arange(len(windows)), [len(true) for _, true in windows])[:length]
        return seen[:-1], true[1:], number

    def _draw_piece(self, rng: np.random.Generator) -> int:
        drawn = int(np.searchsorted(self._cumulative, rng.random()))
        return min(drawn, len(self._pieces) - 1)  # the last sum may be a hair below 1

    def _window(
        self, rng: np.random.Generator, piece: Piece, room: int
    ) -> tuple[Events, Events]:
        """Return a stretch of a piece of at most about `room` events: as seen, and as it is."""
        grid, whole = events_to_grid(np.asarray(self._reader.events(piece)))
        first, end = _draw_bars(rng, grid, room)
        stretch = _without_silent_parts(slice_bars(grid, first, end))
        stretch = augment(stretch, self._augmentation, rng)
        task, stretch, ahead = _draw_task(rng, stretch, self._recipe)
        if rng.random() >= self._recipe.chord_share and task not in ABOUT_CHORDS:
            stretch = replace(stretch, chords=stretch.chords[:0])
        silent = whole.unspecified_velocity
        says_nothing = silent is not None and bool(silent.all())
        is_open = rng.random() < self._recipe.open_share
        dropout = 1.0 if is_open else self._recipe.control_dropout
        layout = Layout(
            task=task,
            style=piece.style if rng.random() > dropout else UNSPECIFIED,
            extent=_extent(first, end, grid.n_bars),
            key=stretch.key if rng.random() > dropout else UNSPECIFIED,
            controls=_some_controls(rng, stretch, dropout),
            ahead=ahead,
            unspecified_velocity=np.full(len(stretch.notes), says_nothing),
        )
        true = grid_to_events(stretch, layout)
        held_share = 1.0 if task is Task.LIVE else self._recipe.held_share
        return _with_held(rng, true, held_share), true


def _draw_bars(rng: np.random.Generator, grid: Grid, room: int) -> tuple[int, int]:
    """Draw the first bar and the end of a window of at most `room` events, at least a bar.

    It begins anywhere, but for a share that begins with the piece and one that ends with it.
    """
    n_events = np.bincount(grid.notes["bar"], minlength=grid.n_bars) + 1
    n_events += np.bincount(grid.chords["bar"], minlength=grid.n_bars)
    room -= N_HEAD_AND_TAIL + len(grid.programs)
    events_left = np.cumsum(n_events[::-1])[::-1]  # from a bar to the end of the piece, falling
    last = min(int(np.searchsorted(-events_left, -room)), grid.n_bars - 1)
    drawn = rng.random()
    if drawn < OPENING_SHARE:
        first = 0
    elif drawn < OPENING_SHARE + ENDING_SHARE:
        first = last
    else:
        first = int(rng.integers(0, last + 1))
    n_bars = max(int(np.searchsorted(np.cumsum(n_events[first:]), room, side="right")), 1)
    return first, first + n_bars


def _extent(first: int, end: int, n_bars: int) -> Extent:
    if first == 0:
        return Extent.WHOLE if end == n_bars else Extent.OPENING
    return Extent.ENDING if end == n_bars else Extent.MIDDLE


def _without_silent_parts(grid: Grid) -> Grid:
    used = np.unique(grid.notes["part"]).astype(np.int64)
    return grid if len(used) == len(grid.programs) else take_parts(grid, used)


def _draw_task(
    rng: np.random.Generator, grid: Grid, recipe: Recipe
) -> tuple[Task, Grid, NDArray[np.int64]]:
    """Draw a task that the stretch has room for.

    Where there is none for it (one part to accompany, two bars to fill in, no chord), the
    stretch is to be continued.

    Returns:
        The task, the stretch, and how far ahead each of its notes is announced.
    """
    weights = np.array(recipe.task_weights)
    task = TASKS[rng.choice(len(weights), p=weights / weights.sum())]
    lookahead = LOOKAHEADS[rng.integers(len(LOOKAHEADS))]
    n_parts = len(grid.programs)
    if task is Task.ACCOMPANY and n_parts > 1:
        given = rng.permutation(n_parts)[: rng.integers(1, n_parts)]
        ahead = accompany_ahead(grid, given_parts=given, lookahead=lookahead)
    elif task is Task.INFILL and n_parts and grid.n_bars >= MIN_INFILL_BARS:
        ahead = _draw_infill(rng, grid, max(lookahead, 1))
    elif task is Task.VARY:
        locked = rng.random(len(grid.notes)) < rng.random()
        ahead = vary_ahead(grid, locked=locked, lookahead=lookahead)
    elif task is Task.CHART and len(grid.chords):
        ahead = chart_ahead(grid)
    elif task is Task.HARMONISE and len(grid.chords) and n_parts:
        heard = rng.permutation(n_parts)[: rng.integers(1, n_parts + 1)]
        grid = take_parts(grid, np.sort(heard))
        ahead = np.full(len(grid.notes), lookahead)
    else:
        task = Task.LIVE if task is Task.LIVE else Task.CONTINUE
        ahead = continue_ahead(grid)
    return task, grid, ahead


def _draw_infill(rng: np.random.Generator, grid: Grid, lookahead: int) -> NDArray[np.int64]:
    """Draw bars and parts to fill in; at least one bar after them is known."""
    n_parts = len(grid.programs)
    most = min(MAX_INFILL_BARS, grid.n_bars - MIN_INFILL_BARS + 1)
    n_bars = int(rng.integers(1, most + 1))
    first = int(rng.integers(0, grid.n_bars - n_bars))
    parts = np.arange(n_parts)
    if rng.random() < SOME_PARTS_SHARE:
        parts = rng.permutation(n_parts)[: rng.integers(1, n_parts + 1)]
    return infill_ahead(
        grid, first_bar=first, end_bar=first + n_bars, parts=parts, lookahead=lookahead
    )


def _some_controls(rng: np.random.Generator, grid: Grid, dropout: float) -> Table:
    """Declare what the parts amount to, each figure left open with probability `dropout`."""
    controls = measure_controls(grid)
    for name in ("role", "density", "polyphony", "register"):
        controls[name][rng.random(len(controls)) < dropout] = UNSPECIFIED
    return controls


def _with_held(rng: np.random.Generator, events: Events, share: float) -> Events:
    """Hide the lengths of some notes, in a share of the windows: live, keys are still down."""
    if rng.random() >= share:
        return events
    is_note = (events[:, 0] == Kind.NOTE) | (events[:, 0] == Kind.GIVEN)
    seen = events.copy()
    seen[is_note & (rng.random(len(events)) < rng.random()), DURATION] = HELD
    return seen


def _as_batch(
    seen: Events, following: Events, piece: NDArray[np.int64], vocabulary: Vocabulary
) -> Batch:
    """Turn rows into ids and targets.

    Nothing is to decide across windows, nor the chords of a chart.

    Args:
        seen: Events, shape (B, T, columns).
        following: The event after each, shape (B, T, columns).
        piece: Number of the window of each event and of the one after the last, (B, T + 1).
        vocabulary: Numbers the values.
    """
    goes_on = piece[:, 1:] == piece[:, :-1]
    is_given = (_tasks(seen) == Task.CHART) & (following[..., 0] == Kind.CHORD)
    is_decided = goes_on & ~is_given
    targets = np.where(is_decided[..., None], vocabulary.targets(following), IGNORED)
    return Batch(
        ids=vocabulary.ids(seen),
        piece=piece[:, :-1],
        targets=targets,
        program_ids=vocabulary.ids(following)[..., PROGRAM],
    )


def _tasks(seen: Events) -> NDArray[np.uint8]:
    """Return the task of each event's window, shape (B, T); a row begins with a window."""
    is_start = seen[..., 0] == Kind.START
    start = np.maximum.accumulate(np.where(is_start, np.arange(seen.shape[1]), 0), axis=1)
    return np.take_along_axis(seen[..., 1], start, axis=1)
