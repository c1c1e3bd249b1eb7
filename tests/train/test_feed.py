"""The feed: a step's batch is the same whenever and by how many it is drawn."""

from itertools import islice

import numpy as np
import torch

from sideman.train.feed import batches
from sideman.train.processes import Processes
from sideman.train.recipe import Recipe
from sideman.train.windows import WindowSampler

RECIPE = Recipe(context=64, batch_rows=4)


def feed(corpus, first_step, rank=0, count=1):
    processes = Processes(rank, count, torch.device("cpu"))
    sampler = WindowSampler(corpus, corpus.of_split("train"), RECIPE)
    return batches(sampler, RECIPE, first_step, processes)


def test_batch_of_a_step_does_not_depend_on_what_came_before(corpus):
    """So a run that was killed goes on as if it had not been."""
    whole = list(islice(feed(corpus, 0), 4))
    resumed = list(islice(feed(corpus, 2), 2))

    for ours, theirs in zip(whole[2:], resumed, strict=True):
        for name in ("ids", "piece", "targets", "program_ids"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert not np.array_equal(whole[2].ids, whole[3].ids)


def test_processes_share_the_rows_of_a_batch(corpus):
    """Together they learn from what one alone would have."""
    whole = next(feed(corpus, 3))

    shares = [next(feed(corpus, 3, rank, 2)) for rank in (0, 1)]

    for rank, share in enumerate(shares):
        np.testing.assert_array_equal(share.ids, whole.ids[rank::2])
