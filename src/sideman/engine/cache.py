"""Keys and values of the events said so far: a ring for local layers, all for global ones.

Letters in shapes: B takes, G key/value heads, D width of a head, S slots, T new events.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

GLOBAL_BLOCK = 256
"""Slots by which a global cache grows."""

EMPTY = -1


class Cache:
    """What attention looks back at.

    An event's keys and values do not depend on where they are stored: its number in the piece
    goes with them. So going back is forgetting numbers, and a ring may overwrite its oldest.

    Attributes:
        length: Events stored; they are the first of the piece.
        n_takes: Number of takes, B.
    """

    def __init__(self, network: Mapping[str, Any], ring_slack: int, n_takes: int) -> None:
        """Make an empty cache for a network of these sizes (see a bundle's card)."""
        self._window = int(network["window"])
        n_layers, every = int(network["n_layers"]), int(network["global_every"])
        self._is_global = [index % every == every - 1 for index in range(n_layers)]
        self._heads = int(network["n_kv_heads"])
        self._width = int(network["d_model"]) // int(network["n_heads"])
        self._ring = self._window + ring_slack
        self.n_takes = n_takes
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.length = 0
        self._highest = 0
        self._ring_numbers = np.full(self._ring, EMPTY, np.int64)
        self._global_numbers = np.full(GLOBAL_BLOCK, EMPTY, np.int64)
        sizes = [GLOBAL_BLOCK if is_global else self._ring for is_global in self._is_global]
        b, g, d = self.n_takes, self._heads, self._width
        self._keys = [np.zeros((b, g, d, size), np.float32) for size in sizes]
        self._values = [np.zeros((b, g, size, d), np.float32) for size in sizes]

    @property
    def most_at_once(self) -> int:
        """Most events that can be appended in one go."""
        return self._ring

    def inputs(self) -> dict[str, NDArray[Any]]:
        """Return the cache as inputs of a graph."""
        feeds: dict[str, NDArray[Any]] = {
            "slot_positions_0": self._ring_numbers,
            "slot_positions_1": self._global_numbers,
        }
        for index, array in enumerate([*self._keys, *self._values]):
            feeds[f"caches_{index}"] = array
        return feeds

    def append(self, keys: NDArray[np.float32], values: NDArray[np.float32]) -> None:
        """Store at most `most_at_once` events: keys (L, B, G, D, T), values (L, B, G, T, D)."""
        start, end = self.length, self.length + keys.shape[-1]
        self._grow(end)
        in_ring = list(self._ring_slices(start, end))
        in_block = [(slice(start, end), slice(0, end - start))]
        for layer, is_global in enumerate(self._is_global):
            for where, new in in_block if is_global else in_ring:
                self._keys[layer][..., where] = keys[layer][..., new]
                self._values[layer][:, :, where] = values[layer][:, :, new]
        numbers = np.arange(start, end)
        self._global_numbers[start:end] = numbers
        for where, new in in_ring:
            self._ring_numbers[where] = numbers[new]
        self.length = end
        self._highest = max(self._highest, end)

    def rollback(self, length: int) -> bool:
        """Forget the events from number `length` on.

        Returns:
            False if the ring no longer holds what comes before: then everything is forgotten
            and must be appended again.
        """
        if length >= self.length:
            return True
        oldest_held = self._highest - self._ring
        oldest_seen = max(length - self._window + 1, 0)  # by the next event
        if oldest_held > oldest_seen:
            self.clear()
            return False
        self._global_numbers[length : self.length] = EMPTY
        self._ring_numbers[self._ring_numbers >= length] = EMPTY
        self.length = length
        return True

    def take_rows(self, rows: NDArray[np.int64]) -> None:
        """Keep (or repeat) the takes numbered `rows`."""
        self.n_takes = len(rows)
        self._keys = [array[rows] for array in self._keys]
        self._values = [array[rows] for array in self._values]

    def n_bytes(self) -> int:
        """Return the memory that keys and values take."""
        return sum(array.nbytes for array in [*self._keys, *self._values])

    def _ring_slices(self, start: int, end: int) -> Iterator[tuple[slice, slice]]:
        """Yield where in the ring which of the events from `start` to before `end` go."""
        done = start
        while done < end:
            slot = done % self._ring
            n = min(end - done, self._ring - slot)
            yield slice(slot, slot + n), slice(done - start, done - start + n)
            done += n

    def _grow(self, length: int) -> None:
        """Make room for `length` events in the caches of global layers."""
        n_slots = len(self._global_numbers)
        if length <= n_slots:
            return
        more = -(-(length - n_slots) // GLOBAL_BLOCK) * GLOBAL_BLOCK
        self._global_numbers = np.pad(self._global_numbers, (0, more), constant_values=EMPTY)
        for layer, is_global in enumerate(self._is_global):
            if is_global:
                self._keys[layer] = np.pad(self._keys[layer], [(0, 0)] * 3 + [(0, more)])
                room = [(0, 0)] * 2 + [(0, more), (0, 0)]
                self._values[layer] = np.pad(self._values[layer], room)
