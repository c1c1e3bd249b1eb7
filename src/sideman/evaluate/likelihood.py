"""Likelihood: how well a model foretells held-out music, and whether it knows how well.

Bits are counted from the first bar line on: notes, bar lines, metres and tempos. Style and key
are declared as far as they are known, controls are not: measured on the music itself, they
would tell what is to come. Chords are left out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sideman.corpus.shards import Corpus, Piece, ShardReader
from sideman.evaluate.bootstrap import ratio_figure
from sideman.evaluate.listener import Heard, Listener
from sideman.evaluate.prompts import held_out, in_turn
from sideman.evaluate.results import Likelihood, Reliability, Share
from sideman.tokens import grid as grids
from sideman.tokens.codec import Layout, events_to_grid, grid_to_events
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import Grid
from sideman.tokens.vocabulary import (
    ATTRIBUTES,
    N_SLOTS,
    UNSPECIFIED,
    Events,
    Extent,
    Kind,
    Role,
    Task,
    Vocabulary,
)

WINDOW_EVENTS = 512
"""Events of a window at most, fewer where the model's context is shorter."""

WINDOWS_PER_STYLE = 8

SAMPLE_EVENTS = 128
"""Events of a window of the sample that full distributions are taken of."""

SAMPLE_WINDOWS = 32

AT_ONCE = 8
"""Windows of the sample that are heard together."""

N_BINS = 10
"""Bins of probability of a reliability diagram (DeGroot and Fienberg 1983), equally wide."""

ALL = "all"

BITS_PER_NAT = 1 / np.log(2)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of a held-out piece as events.

    Attributes:
        style: Name of its style; empty where it has none.
        events: Shape (T, N_COLUMNS).
        roles: Role of each part.
    """

    style: str
    events: Events
    roles: NDArray[np.uint8]


def measure_likelihood(listener: Listener, corpus: Corpus, *, seed: int) -> Likelihood:
    """Return how well a model foretells the pieces that a corpus holds out.

    Raises:
        CorpusError: If there are none, or a shard cannot be read.
    """
    _, pieces = held_out(corpus)
    rng = np.random.default_rng(seed)
    n_events = min(WINDOW_EVENTS, listener.context)
    windows = list(_draw_windows(corpus, pieces, listener.vocabulary, n_events, rng))
    tables = [_nats(window, listener.hear(window.events)) for window in windows]
    n_notes = np.array([table.n_notes for table in tables])
    attributes = np.array([table.attributes for table in tables])
    roles = np.array([table.roles for table in tables])
    notes_of_role = np.array([table.notes_of_role for table in tables])
    total = attributes.sum(axis=1)
    styles = [window.style for window in windows]
    return Likelihood(
        total=_share(ALL, total, n_notes, seed),
        styles=tuple(
            _share(name, total[is_of], n_notes[is_of], seed)
            for name in sorted(set(styles))
            for is_of in [np.array(styles) == name]
        ),
        roles=tuple(
            _share(role.name.lower(), roles[:, role], notes_of_role[:, role], seed)
            for role in Role
            if notes_of_role[:, role].any()
        ),
        attributes=tuple(
            _share(attribute.name, attributes[:, number], n_notes, seed)
            for number, attribute in enumerate(ATTRIBUTES)
            if attributes[:, number].any()
        ),
        reliability=measure_reliability(listener, windows),
    )


def measure_reliability(
    listener: Listener, windows: Sequence[Window]
) -> tuple[Reliability, ...]:
    """Return how far the model's probabilities can be taken at their word.

    On the first `SAMPLE_EVENTS` events of the first `SAMPLE_WINDOWS` windows that have so many,
    by attribute, as the network says it and within what the grammar allows.
    """
    long = [window.events for window in windows if len(window.events) >= SAMPLE_EVENTS]
    sample = [events[:SAMPLE_EVENTS] for events in long[:SAMPLE_WINDOWS]]
    decisions = [_Decisions() for _ in range(2)]
    for at in range(0, len(sample), AT_ONCE):
        _weigh(listener, np.stack(sample[at : at + AT_ONCE]), decisions)
    return tuple(
        found
        for is_masked, of_kind in enumerate(decisions)
        for found in of_kind.summed_up(is_masked=bool(is_masked))
    )


# -------------------------------------------------------------------- windows


def _draw_windows(
    corpus: Corpus,
    pieces: Sequence[Piece],
    vocabulary: Vocabulary,
    n_events: int,
    rng: np.random.Generator,
) -> Iterator[Window]:
    """Yield windows of at most `n_events`, the styles in turn, one of a piece."""
    reader = ShardReader(corpus)
    names = ("", *corpus.vocabulary.styles)
    n_drawn: Counter[str] = Counter()
    for piece in in_turn(pieces, rng):
        style = names[piece.style]
        if n_drawn[style] < WINDOWS_PER_STYLE:
            n_drawn[style] += 1
            label = vocabulary.style(style) if style in vocabulary.styles else UNSPECIFIED
            events, roles = _spelled(reader.events(piece), label, n_events, rng)
            yield Window(style, events, roles)


def _spelled(
    piece: Events, style: int, n_events: int, rng: np.random.Generator
) -> tuple[Events, NDArray[np.uint8]]:
    """Return a stretch of a piece from some bar on, and the role of each part in it."""
    grid, whole = events_to_grid(np.asarray(piece))
    first = int(rng.integers(grid.n_bars))
    in_bar = np.bincount(grid.notes["bar"][grid.notes["bar"] >= first] - first) + 1
    # a bar more than fits, so that the window is full
    n_bars = int(np.searchsorted(np.cumsum(in_bar), n_events)) + 1
    stretch = _heard(grids.slice_bars(grid, first, first + n_bars))
    is_silent = whole.unspecified_velocity
    layout = Layout(
        task=Task.CONTINUE,
        style=style,
        extent=Extent.MIDDLE if first else Extent.OPENING,
        key=stretch.key,
        unspecified_velocity=np.full(
            len(stretch.notes), is_silent is not None and bool(is_silent.all())
        ),
    )
    events = grid_to_events(stretch, layout)[:n_events]
    return events, measure_controls(stretch)["role"]


def _heard(stretch: Grid) -> Grid:
    """Return a stretch with the parts that play in it, without its chords."""
    parts = np.unique(stretch.notes["part"]).astype(np.int64)
    heard = grids.take_parts(stretch, parts) if len(parts) else stretch
    return replace(heard, chords=heard.chords[:0])


# ----------------------------------------------------------------------- bits


@dataclass(frozen=True, slots=True, eq=False)
class _Nats:
    """Nats of a window.

    Attributes:
        n_notes: Notes.
        attributes: Nats of each of `ATTRIBUTES`.
        roles: Nats of the notes of each role.
        notes_of_role: Notes of each role.
    """

    n_notes: int
    attributes: NDArray[np.float64]
    roles: NDArray[np.float64]
    notes_of_role: NDArray[np.int64]


def _nats(window: Window, heard: Heard) -> _Nats:
    kinds = window.events[:, 0]
    is_counted = np.cumsum(kinds == Kind.BAR) > 0
    nats = heard.nats * is_counted[:, None]
    attributes = np.zeros(len(ATTRIBUTES))
    for slot in range(N_SLOTS):
        np.add.at(attributes, np.maximum(_ATTRIBUTE_OF[kinds, slot], 0), nats[:, slot])
    is_note = kinds == Kind.NOTE
    role = window.roles[window.events[is_note, 3]]
    return _Nats(
        n_notes=int(is_note.sum()),
        attributes=attributes,
        roles=np.bincount(role, nats[is_note].sum(axis=1), len(Role)).astype(np.float64),
        notes_of_role=np.bincount(role, minlength=len(Role)),
    )


def _attribute_of() -> NDArray[np.int64]:
    """Return which of `ATTRIBUTES` a slot of a kind holds, (kinds, J); -1 where none."""
    found = np.full((len(Kind), N_SLOTS), -1)
    for number, attribute in enumerate(ATTRIBUTES):
        if attribute.column < N_SLOTS:
            found[list(attribute.kinds), attribute.column] = number
    return found


_ATTRIBUTE_OF = _attribute_of()


def _share(
    name: str, nats: NDArray[np.float64], n_notes: NDArray[np.int64], seed: int
) -> Share:
    """Return bits a note over some windows, each of so many nats and notes."""
    return Share(
        name, ratio_figure(nats * BITS_PER_NAT, n_notes, seed=seed), int(n_notes.sum())
    )


# ---------------------------------------------------------------- calibration


class _Decisions:
    """What was expected of many decisions, and what came."""

    def __init__(self) -> None:
        self._attribute: list[NDArray[np.int64]] = []
        self._figures: list[NDArray[np.float64]] = []

    def add(
        self,
        attribute: NDArray[np.int64],
        log_probs: NDArray[np.float64],
        targets: NDArray[np.int64],
    ) -> None:
        """Add decisions: their attributes (n,), distributions (n, S), true values (n,)."""
        probs = np.exp(log_probs)
        expected = -(probs * np.where(probs > 0, log_probs, 0)).sum(axis=1)
        observed = -log_probs[np.arange(len(targets)), targets]
        top = probs.argmax(axis=1)
        self._attribute.append(attribute)
        self._figures.append(
            np.stack([observed, expected, probs.max(axis=1), top == targets], axis=1)
        )

    def summed_up(self, *, is_masked: bool) -> Iterator[Reliability]:
        """Yield what came of all decisions, and of those of each attribute."""
        if not self._figures:
            return
        attribute, figures = np.concatenate(self._attribute), np.concatenate(self._figures)
        yield _reliability(ALL, figures, is_masked=is_masked)
        for number in np.unique(attribute).tolist():
            of_one = figures[attribute == number]
            yield _reliability(ATTRIBUTES[number].name, of_one, is_masked=is_masked)


def _weigh(listener: Listener, events: Events, decisions: Sequence[_Decisions]) -> None:
    """Add the decisions of some sentences (B, T, N_COLUMNS), without masks and with them."""
    n_bars = np.cumsum(events[:, :, 0] == Kind.BAR, axis=1)
    for at, slots in listener.weigh(events):
        for weighed in slots:
            counts = n_bars[weighed.rows, at] > 0
            rows, targets = weighed.rows[counts], weighed.targets[counts]
            if len(rows) == 0:
                continue
            attribute = _ATTRIBUTE_OF[events[rows, at, 0], weighed.slot]
            scores = weighed.scores[counts]
            masked = np.where(weighed.allowed[counts], scores, -np.inf)
            for of_kind, shown in zip(decisions, (scores, masked), strict=True):
                of_kind.add(attribute, _log_softmax(shown), targets)


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    shifted = scores - scores.max(axis=1, keepdims=True)
    found: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return found


def _reliability(name: str, figures: NDArray[np.float64], *, is_masked: bool) -> Reliability:
    """Sum up decisions: observed and expected nats, confidence and whether it was right."""
    observed, expected, sure, right = figures.T
    place = np.minimum((sure * N_BINS).astype(np.int64), N_BINS - 1)
    counts = np.bincount(place, minlength=N_BINS)
    sums = [np.bincount(place, values, N_BINS) for values in (sure, right)]
    confidence, accuracy = (
        np.divide(each, counts, out=np.full(N_BINS, np.nan), where=counts > 0) for each in sums
    )
    return Reliability(
        name=name,
        is_masked=is_masked,
        n=len(figures),
        observed_bits=float(observed.mean() * BITS_PER_NAT),
        expected_bits=float(expected.mean() * BITS_PER_NAT),
        error=float(np.abs(sums[0] - sums[1]).sum() / len(figures)),
        counts=tuple(counts.tolist()),
        confidence=tuple(confidence.tolist()),
        accuracy=tuple(accuracy.tolist()),
    )
