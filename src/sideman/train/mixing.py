"""Mixing: rows of two kinds of music in one batch, so that the old is not forgotten."""

from collections.abc import Sequence

import numpy as np

from sideman.train.feed import Sampler
from sideman.train.windows import Batch


class MixedSampler:
    """Draws most rows from one sampler and some from another.

    Args:
        new: What is to be learned.
        kept: What is to be kept in mind.
        kept_share: Share of the rows that are of `kept`, 0 to 1.
    """

    def __init__(self, new: Sampler, kept: Sampler, kept_share: float) -> None:
        self._new, self._kept, self._kept_share = new, kept, kept_share

    def batch(self, rngs: Sequence[np.random.Generator]) -> Batch:
        """Return a freshly drawn row for each source of chance, the new ones first."""
        is_kept = [rng.random() < self._kept_share for rng in rngs]
        parts = [
            sampler.batch([rng for rng, kept in zip(rngs, is_kept, strict=True) if kept is of])
            for sampler, of in ((self._new, False), (self._kept, True))
            if of in is_kept
        ]
        return Batch(
            **{
                name: np.concatenate([getattr(part, name) for part in parts])
                for name in ("ids", "piece", "targets", "program_ids")
            }
        )
