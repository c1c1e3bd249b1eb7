"""A memory of what was played: what came next when the model knew much the same.

Keys are hidden states, values the events that followed them (Khandelwal et al. 2020,
arXiv:1911.00172; of what has just been heard, Wu et al. 2022, arXiv:2203.08913). Nothing is
trained: what is added is known at once, and forgotten at once.

Distances are squared and shares of the query's own square, so that they mean the same for
networks of any width. All constants were chosen on validation pieces by
`benchmarks/learning.py`.

Letters in shapes: N events, B takes, K neighbours, C width of the model, J slots of an event.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sideman.bundle import NO_INDEX, Bundle
from sideman.engine.session import Neighbours
from sideman.errors import EngineError
from sideman.files import whole_file
from sideman.tokens.vocabulary import N_SLOTS

CAPACITY = 8192
"""Events remembered: more than an hour of two a second; 8 MiB at a width of 256."""

N_NEIGHBOURS = 16
"""How many are mixed in."""

TEMPERATURE = 0.05
"""Distance by which a neighbour weighs e times less than another."""

REACH = 0.1
"""Distance of the nearest neighbour at which all of them weigh e times less than the share."""


class NeighbourMemory:
    """Events, and what the model knew before each; the oldest make room for new ones.

    Its `recall` is what `Session.next` mixes in.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        share: float,
        capacity: int = CAPACITY,
        temperature: float = TEMPERATURE,
        reach: float = REACH,
    ) -> None:
        """Make an empty memory for the hidden states of one model.

        Args:
            bundle: The model; to another its hidden states mean nothing.
            share: As the property.
            capacity: Events remembered at most.
            temperature: See `TEMPERATURE`.
            reach: See `REACH`.

        Raises:
            EngineError: If the share is outside its range.
        """
        self._bundle_hash = bundle.hash
        self.share = share
        self._temperature, self._reach = temperature, reach
        self._keys = np.zeros((capacity, int(bundle.card["network"]["d_model"])), np.float32)
        self._squares = np.zeros(capacity, np.float32)
        self._targets = np.zeros((capacity, N_SLOTS), np.int64)
        self._n_added = self._n_known = 0

    def __len__(self) -> int:
        """Return how many events are remembered."""
        return self._n_known

    @property
    def share(self) -> float:
        """Weight of the neighbours beside the model where all is as it was, 0 to 1."""
        return self._share

    @share.setter
    def share(self, share: float) -> None:
        if not 0 <= share <= 1:
            msg = f"the share of what is remembered is {share}; it must be 0 to 1"
            raise EngineError(msg)
        self._share = share

    def add(self, hidden: NDArray[np.float32], targets: NDArray[np.int64]) -> int:
        """Remember events; those that are told and not decided, such as `START`, are left out.

        Args:
            hidden: What the model knew before each, as `Session.hidden` tells it, (N, C).
            targets: Head outputs that spell each, as `Vocabulary.targets` has them, (N, J).

        Returns:
            How many that were.
        """
        is_decided = (targets >= 0).any(axis=1)
        hidden, targets = hidden[is_decided], targets[is_decided]
        places = (self._n_added + np.arange(len(hidden)))[-len(self._keys) :] % len(self._keys)
        kept = slice(len(hidden) - len(places), None)
        self._keys[places] = hidden[kept]
        self._squares[places] = np.square(hidden[kept]).sum(axis=1)
        self._targets[places] = targets[kept]
        self._n_added += len(hidden)
        self._n_known = min(self._n_known + len(hidden), len(self._keys))
        return len(hidden)

    def take_back(self, n: int) -> None:
        """Forget the last `n` events, or all known ones; what made room for them is gone."""
        n = min(n, self._n_known)
        self._n_added -= n
        self._n_known -= n
        self._squares[(self._n_added + np.arange(n)) % len(self._keys)] = np.inf

    def recall(self, hidden: NDArray[np.float32]) -> Neighbours:
        """Return the events before which the model knew most nearly the same.

        Args:
            hidden: What it knows, (B, C).
        """
        n, k = min(self._n_added, len(self._keys)), min(len(self), N_NEIGHBOURS)
        if k == 0:
            nobody = np.zeros((len(hidden), 0), np.float32)
            return Neighbours(np.zeros((len(hidden), 0, N_SLOTS), np.int64), nobody)
        own = np.square(hidden).sum(axis=1, keepdims=True)
        distances = 1 + (self._squares[:n] - 2 * hidden @ self._keys[:n].T) / own
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(distances, nearest, axis=1)
        least = found.min(axis=1, keepdims=True)
        weights = np.exp((least - found) / self._temperature)
        # rounded, the least may be below 0
        total = self.share * np.exp(-np.maximum(least, 0) / self._reach)
        weights *= total / weights.sum(axis=1, keepdims=True)
        return Neighbours(self._targets[nearest], weights)

    def forget(self) -> None:
        """Forget everything."""
        self._n_added = self._n_known = 0

    def save(self, path: Path) -> None:
        """Write all that is remembered to a file, whole or not at all."""
        oldest_first = (self._n_added - len(self) + np.arange(len(self))) % len(self._keys)
        with whole_file(path) as part, part.open("wb") as file:
            np.savez(
                file,
                bundle=self._bundle_hash,
                hidden=self._keys[oldest_first],
                targets=self._targets[oldest_first],
            )

    def load(self, path: Path) -> None:
        """Remember what was saved, beside what is remembered already.

        Raises:
            EngineError: If the file is no memory, or that of another model.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes())) as stored:
                bundle_hash, hidden, targets = (
                    stored[name] for name in ("bundle", "hidden", "targets")
                )
        except NO_INDEX as error:
            msg = f"{path} is no memory or a broken one ({error}); save it again"
            raise EngineError(msg) from error
        if bundle_hash != self._bundle_hash:
            msg = (
                f"{path} is what the model {bundle_hash} remembers; this is "
                f"{self._bundle_hash}: play the same model, or begin without a memory"
            )
            raise EngineError(msg)
        self.add(hidden, targets)
