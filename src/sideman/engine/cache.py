"""Keys and values of the events said so far: a ring for local layers, all for global ones.

Letters in shapes: L layers, B takes, G key/value heads, D width of a head, S slots, T new
events.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

GLOBAL_BLOCK = 256
"""Slots by which a global cache grows."""

EMPTY = -1


class Cache:
    """What attention looks back at, for each of several takes.

    An event's keys and values do not depend on where they are stored: its number in the piece
    goes with them. So going back is forgetting numbers, a ring may overwrite its oldest, and
    each take may be at a place of its own.

    Attributes:
        lengths: Events stored of each take, B numbers; they are the first of its piece.
    """

    def __init__(self, network: Mapping[str, Any], ring_slack: int, n_takes: int) -> None:
        """Make an empty cache for a network of these sizes (see a bundle's card)."""
        self._window = int(network["window"])
        self._ring = self._window + ring_slack
        n_layers, every = int(network["n_layers"]), int(network["global_every"])
        is_global = np.arange(n_layers) % every == every - 1
        # Here and below: of local layers, then of global ones.
        self._layers = np.flatnonzero(~is_global), np.flatnonzero(is_global)
        g, d = int(network["n_kv_heads"]), int(network["d_model"]) // int(network["n_heads"])
        self.lengths = [0] * n_takes
        self._highest = [0] * n_takes
        sizes = (self._ring, GLOBAL_BLOCK)
        self._numbers = [np.full((n_takes, size), EMPTY, np.int64) for size in sizes]
        self._keys, self._values = (
            [
                np.zeros((len(layers), n_takes, g, *shape), np.float32)
                for layers, shape in zip(self._layers, shapes, strict=True)
            ]
            for shapes in ([(d, size) for size in sizes], [(size, d) for size in sizes])
        )

    @property
    def n_takes(self) -> int:
        """Number of takes, B."""
        return len(self.lengths)

    @property
    def most_at_once(self) -> int:
        """Most events of a take that can be appended in one go."""
        return self._ring

    def inputs(self, takes: Sequence[int]) -> dict[str, NDArray[Any]]:
        """Return the cache of the takes numbered `takes` as inputs of a graph."""
        is_all = len(takes) == self.n_takes
        rows = slice(None) if is_all else list(takes)  # all are not copied
        feeds: dict[str, NDArray[Any]] = {
            f"slot_positions_{kind}": numbers[rows]
            for kind, numbers in enumerate(self._numbers)
        }
        n_layers = sum(map(len, self._layers))
        for kind, layers in enumerate(self._layers):
            for place, layer in enumerate(layers):
                feeds[f"caches_{layer}"] = self._keys[kind][place, rows]
                feeds[f"caches_{n_layers + layer}"] = self._values[kind][place, rows]
        return feeds

    def append(
        self, keys: NDArray[np.float32], values: NDArray[np.float32], takes: Sequence[int]
    ) -> None:
        """Store at most `most_at_once` events of each of the takes numbered `takes`, in order.

        Args:
            keys: Shape (L, takes, G, D, T).
            values: Shape (L, takes, G, T, D).
            takes: Their numbers, rising.
        """
        n_new = keys.shape[-1]
        self._grow(max(self.lengths[take] for take in takes) + n_new)
        for kind, layers in enumerate(self._layers):
            new_keys, new_values = keys[layers], values[layers]
            for row, take in enumerate(takes):
                start = self.lengths[take]
                for where, new in self._slices(kind, start, start + n_new):
                    self._keys[kind][:, take, :, :, where] = new_keys[:, row, :, :, new]
                    self._values[kind][:, take, :, where] = new_values[:, row, :, new]
                    self._numbers[kind][take, where] = start + np.arange(new.start, new.stop)
        for take in takes:
            self.lengths[take] += n_new
            self._highest[take] = max(self._highest[take], self.lengths[take])

    def rollback(self, lengths: Sequence[int]) -> None:
        """Forget the events of each take from number `lengths` on.

        Where the ring no longer holds what comes before, the take is forgotten altogether and
        must be appended again.
        """
        for take, length in enumerate(lengths):
            if length >= self.lengths[take]:
                continue
            oldest_held = self._highest[take] - self._ring
            oldest_seen = max(length - self._window + 1, 0)  # by the next event
            if oldest_held > oldest_seen:
                length = self._highest[take] = 0
            for numbers in self._numbers:
                numbers[take, numbers[take] >= length] = EMPTY
            self.lengths[take] = length

    def keep_takes(self, takes: Sequence[int]) -> None:
        """Go on with the takes numbered `takes` only; a number may come several times."""
        self.lengths = [self.lengths[take] for take in takes]
        self._highest = [self._highest[take] for take in takes]
        self._numbers = [numbers[list(takes)] for numbers in self._numbers]
        # An index would leave the memory in another order, to be put right at every step.
        self._keys = [array.take(takes, axis=1) for array in self._keys]
        self._values = [array.take(takes, axis=1) for array in self._values]

    def n_bytes(self) -> int:
        """Return the memory that keys and values take."""
        return sum(array.nbytes for array in [*self._keys, *self._values])

    def _slices(self, kind: int, start: int, end: int) -> Iterator[tuple[slice, slice]]:
        """Yield in which slots which of the events from `start` to before `end` go."""
        n_slots = self._numbers[kind].shape[1]
        done = start
        while done < end:
            slot = done % n_slots
            n = min(end - done, n_slots - slot)
            yield slice(slot, slot + n), slice(done - start, done - start + n)
            done += n

    def _grow(self, length: int) -> None:
        """Make room for `length` events in the caches of global layers."""
        n_slots = self._numbers[1].shape[1]
        if length <= n_slots:
            return
        more = -(-(length - n_slots) // GLOBAL_BLOCK) * GLOBAL_BLOCK
        self._numbers[1] = np.pad(self._numbers[1], [(0, 0), (0, more)], constant_values=EMPTY)
        self._keys[1] = np.pad(self._keys[1], [(0, 0)] * 4 + [(0, more)])
        self._values[1] = np.pad(self._values[1], [(0, 0)] * 3 + [(0, more), (0, 0)])
