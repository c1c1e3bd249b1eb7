"""Bootstrap: how much a figure would change with other prompts, and who is nearer to the music.

A metric of one system is first taken of each prompt: the mean over its takes. Its *gap* on a
prompt is how far that is from the value of the piece itself, |value - real value| take by take,
then the mean over takes. Figures are means over prompts. An interval is the middle 95 % of the
figure over prompts drawn anew with replacement (Efron 1979, "Bootstrap methods: another look at
the jackknife"), so takes of one prompt are never counted as if they were independent.

A system *beats* a rival in a metric if its gap is smaller on average, over the prompts where
both have one, and the interval of the difference, taken prompt by prompt, leaves 0 out.
"""

import numpy as np
from numpy.typing import NDArray

from sideman.evaluate.results import Figure

N_RESAMPLES = 1000

N_SLOW_RESAMPLES = 100
"""The same for figures that are dear to compute."""

INTERVAL = (2.5, 97.5)
"""Percentiles: 95 %."""

Values = NDArray[np.float64]


def mean_figure(values: Values, *, seed: int) -> Figure:
    """Return the mean of values of prompts, shape (P,); NaN is left out."""
    values = values[~np.isnan(values)]
    return ratio_figure(values, np.ones(len(values), np.int64), seed=seed)


def ratio_figure(sums: Values, counts: NDArray[np.int64], *, seed: int) -> Figure:
    """Return the sum of `sums` over that of `counts`, both of shape (P,); NaN over 0.

    The interval is NaN where only one has a count: nothing is known of others then.
    """
    n = len(sums)
    if n == 0 or counts.sum() == 0:
        return Figure(np.nan, np.nan, np.nan, 0)
    drawn = drawn_rows(n, N_RESAMPLES, seed=seed)
    with np.errstate(invalid="ignore"):  # a draw may hold no count
        resampled = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return figure_of(float(sums.sum() / counts.sum()), resampled, int((counts > 0).sum()))


def drawn_rows(n: int, n_resamples: int, *, seed: int) -> NDArray[np.int64]:
    """Return numbers of `n` prompts drawn with replacement, shape (n_resamples, n)."""
    return np.random.default_rng(seed).integers(0, n, (n_resamples, n))


def figure_of(value: float, resampled: Values, n: int) -> Figure:
    """Return a figure of `n` prompts with the interval that its resamples give."""
    kept = resampled[~np.isnan(resampled)]
    if n <= 1 or len(kept) == 0:
        return Figure(value, np.nan, np.nan, n)
    low, high = np.percentile(kept, INTERVAL)
    return Figure(value, float(low), float(high), n)
