"""Mixed batches: so many rows of the one, so many of the other, and none made up."""

import numpy as np

from sideman.train.mixing import MixedSampler
from sideman.train.windows import Batch


class Marked:
    """Draws rows that all say one number."""

    def __init__(self, mark):
        self._mark = mark

    def batch(self, rngs):
        """Return rows of four events, each number in them the mark."""
        ones = np.full((len(rngs), 4), self._mark)
        return Batch(ones[..., None].repeat(9, -1), ones, ones[..., None].repeat(7, -1), ones)


def marks(share, n_rows, seed=0):
    """Return which sampler each row of a batch is from: 1 new, 2 kept."""
    batch = MixedSampler(Marked(1), Marked(2), share).batch(
        np.random.default_rng(seed).spawn(n_rows)
    )
    assert len(batch.ids) == len(batch.targets) == len(batch.program_ids) == n_rows
    assert np.array_equal(batch.ids[:, 0, 0], batch.piece[:, 0])
    return batch.piece[:, 0]


def test_rows_are_mixed_in_the_share_asked_for():
    """Over a run a quarter is a quarter."""
    assert abs((marks(0.25, 4000) == 2).mean() - 0.25) < 0.03


def test_all_of_one_is_only_that():
    """A share of 0 or 1 asks nothing of the other sampler."""
    assert set(marks(0.0, 5)) == {1}
    assert set(marks(1.0, 5)) == {2}
