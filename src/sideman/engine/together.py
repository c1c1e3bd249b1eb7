"""Sessions in threads of their own that step together: several requests, one batch.

A step of several takes costs little more than that of one. So who steps waits a moment for
others who are about to, and what they want is run as one. What comes of it is the same but for
rounding: a matrix is multiplied in another order when it has more rows. A choice in a hundred
may then fall otherwise, so a seed gives the same notes again only to who writes alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from threading import Condition
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sideman.engine.cache import EMPTY

Feeds = Mapping[str, NDArray[Any]]

WAIT_S = 0.005
"""How long a step waits for others at most: as long as it takes itself."""

_OF_ALL = ("temperature", "top_k", "top_p", "min_p")
"""Inputs of a step that are one for all takes."""

_BY_LAYER = ("new_keys", "new_values")
"""Outputs whose first axis is not that of the takes, but the second."""


class Graph(Protocol):
    """What `onnxruntime.InferenceSession` is to a session."""

    def run(self, names: Sequence[str], feeds: Feeds, /) -> list[Any]:
        """Return the outputs of these names."""


@dataclass(slots=True, eq=False)
class _Call:
    """A step that somebody wants, and what comes of it.

    Attributes:
        names: Outputs that are wanted.
        feeds: Inputs.
        is_taken: Somebody runs it.
        is_done: It was run.
        outputs: What came of it,
        error: or what went wrong.
    """

    names: tuple[str, ...]
    feeds: Feeds
    is_taken: bool = False
    is_done: bool = False
    outputs: list[Any] = field(default_factory=list)
    error: Exception | None = None

    def is_like(self, other: "_Call") -> bool:
        """Whether two can be run as one: as many events each, drawn in the same way."""
        return (
            self.names == other.names
            and self.feeds["ids"].shape[1] == other.feeds["ids"].shape[1]
            and all(np.array_equal(self.feeds[name], other.feeds[name]) for name in _OF_ALL)
        )


class Together:
    """A step graph that several threads run as one where they can.

    Attributes:
        n_runs: How often the graph was run.
        n_steps: How many steps these were.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._changed = Condition()
        self._calls: list[_Call] = []
        self._n_here = 0
        self.n_runs = 0
        self.n_steps = 0

    @contextmanager
    def join(self) -> Iterator[None]:
        """Be one who is waited for, until the block is left."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def run(self, names: Sequence[str], feeds: Feeds, /) -> list[Any]:
        """Run a step, perhaps with those of others."""
        call = _Call(tuple(names), feeds)
        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: call.is_taken or len(self._calls) >= self._n_here, WAIT_S
            )
            if call.is_taken:
                self._changed.wait_for(lambda: call.is_done)
            batch = [] if call.is_taken else self._taken(call)
        if batch:
            self._carry_out(batch)
        if call.error is not None:
            raise call.error
        return call.outputs

    def _count(self, n: int) -> None:
        with self._changed:
            self._n_here += n
            self._changed.notify_all()

    def _taken(self, call: _Call) -> list[_Call]:
        """Take a call and all that are like it."""
        batch = [each for each in self._calls if each.is_like(call)]
        self._calls = [each for each in self._calls if each not in batch]
        for each in batch:
            each.is_taken = True
        return batch

    def _carry_out(self, batch: Sequence[_Call]) -> None:
        try:
            outputs = self._graph.run(batch[0].names, merged([call.feeds for call in batch]))
            _share(outputs, batch)
        except Exception as error:  # noqa: BLE001 (whoever waits is told)
            for call in batch:
                call.error = error
        with self._changed:
            self.n_runs += 1
            self.n_steps += len(batch)
            for call in batch:
                call.is_done = True
            self._changed.notify_all()


def _share(outputs: Sequence[NDArray[Any]], batch: Sequence[_Call]) -> None:
    """Give to each call what comes of its takes."""
    ends = list(accumulate(len(call.feeds["ids"]) for call in batch))[:-1]
    for name, output in zip(batch[0].names, outputs, strict=True):
        parts = np.split(output, ends, axis=1 if name in _BY_LAYER else 0)
        for call, part in zip(batch, parts, strict=True):
            call.outputs.append(part)


def merged(each: Sequence[Feeds]) -> Feeds:
    """Return the inputs of several steps as those of one."""
    if len(each) == 1:
        return each[0]
    return {name: _joined(name, each) for name in each[0]}


def _joined(name: str, each: Sequence[Feeds]) -> NDArray[Any]:
    """Return one input of several steps as that of one."""
    values = [feeds[name] for feeds in each]
    if name in _OF_ALL:
        return values[0]
    if name == "state" or name.startswith("follow_"):
        # States are rows of the next table; those of the others now come before.
        slot = 0 if name == "state" else int(name.removeprefix("follow_")) + 1
        sizes = [len(feeds[f"allowed_{slot}"]) for feeds in each]
        firsts = accumulate(sizes[:-1], initial=0)
        values = [value + first for value, first in zip(values, firsts, strict=True)]
    most = np.max([value.shape for value in values], axis=0)[1:]
    fill = EMPTY if name.startswith("slot_positions") else 0
    return np.concatenate([_grown(value, most, fill) for value in values])


def _grown(value: NDArray[Any], shape: NDArray[np.int64], fill: int) -> NDArray[Any]:
    """Return an array with so much room behind its first axis: caches that have grown less."""
    more = shape - value.shape[1:]
    if not more.any():
        return value
    return np.pad(value, [(0, 0), *((0, n) for n in more)], constant_values=fill)
