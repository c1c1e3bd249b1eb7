"""How far two distributions, or two sets of pieces, are from each other."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

N_GRID_POINTS = 1024
"""Points at which densities are estimated."""

REACH = 4.0
"""Bandwidths by which the points go beyond the values: what is left out is nothing."""

LEAST_SHARE = 1e-12
"""Share that stands for none, so that a divergence is a number."""

SCOTT = -1 / 5
"""Power of the number of values in Scott's rule for one dimension (Scott 1992)."""

Values = NDArray[np.float64]


def overlap(one: Values, other: Values) -> float:
    """Return what two distributions have in common, 0 to 1; NaN if one is empty.

    Source: Swain and Ballard 1991, "Color indexing" (histogram intersection).
    """
    if not one.any() or not other.any():
        return np.nan
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def kl_divergence(one: Values, other: Values) -> float:
    """Return how little `other` expects `one`, in bits, at least 0.

    NaN if one is empty. Not symmetrical. Shares of 0 in `other` count as `LEAST_SHARE`, so
    the most is 40 bits.

    Source: Kullback and Leibler 1951, "On information and sufficiency".
    """
    if not one.any() or not other.any():
        return np.nan
    p, q = one / one.sum(), np.maximum(other / other.sum(), LEAST_SHARE)
    used = p > 0
    return max(float(p[used] @ np.log2(p[used] / q[used])), 0.0)


def set_overlap(reference: Values, other: Values) -> float:
    """Return how far two sets differ from each other as one does in itself, 0 to 1.

    The distances of each two pieces of the reference, and those of its pieces from the other
    set's, are two samples; the area that their densities (Gaussian kernels) share. 1: another
    piece is as far from the reference as its own are.

    Args:
        reference: A metric of each piece, shape (n,), or a histogram of each, shape (n, bins).
            Pieces with NaN are left out.
        other: The same of the other set, shape (m,) or (m, bins).

    Returns:
        NaN where the reference has fewer than three pieces or the other set none.

    Source: Yang and Lerch 2018, "On the evaluation of generative models in music" (overlapped
    area of intra-set and inter-set distances), with densities on a grid of `N_GRID_POINTS`.
    """
    return _compared(reference, other, overlap)


def set_divergence(reference: Values, other: Values) -> float:
    """Return the Kullback-Leibler divergence of the densities of `set_overlap`, in bits.

    Of the distances inside the reference from those between the sets, at least 0; 0 is the
    same. Arguments, NaN and source are those of `set_overlap`.
    """
    return _compared(reference, other, kl_divergence)


def densities(one: Values, other: Values) -> tuple[Values, Values]:
    """Return the densities of two samples on a common grid, each summing to 1, shape (G,).

    Gaussian kernels with the bandwidth of Scott's rule, at least a step of the grid; values
    are first put on the grid, shared between the two points beside them.
    """
    widths = [_bandwidth(sample) for sample in (one, other)]
    margin = REACH * max(widths)
    low = min(one.min(), other.min()) - margin
    span = max(one.max(), other.max()) + margin - low
    if span == 0:  # all values of both are the same
        same = np.eye(1, N_GRID_POINTS)[0]
        return same, same
    step = span / (N_GRID_POINTS - 1)
    first, second = (
        _density((sample - low) / step, max(width / step, 1.0))
        for sample, width in zip((one, other), widths, strict=True)
    )
    return first, second


def frechet_distance(one: Values, other: Values) -> float:
    """Return the Fréchet distance of two sets of vectors, at least 0.

    Each is taken for a Gaussian: the squared distance of the means, and the trace of
    C + D - 2 (C D)^(1/2) for covariances C and D. Both sets should have several times as many
    vectors as dimensions: small sets are further apart.

    Args:
        one: Vectors, shape (n, d), such as hidden states of a model; which, is to be said.
        other: Vectors, shape (m, d).

    Returns:
        In squared units of the vectors; NaN where a set has fewer than two.

    Source: Dowson and Landau 1982; Heusel et al. 2017, arXiv:1706.08500. The square root is
    that of a symmetrical matrix with the same trace, so it is never complex.
    """
    if min(len(one), len(other)) <= 1:
        return np.nan
    moved = one.mean(axis=0) - other.mean(axis=0)
    c, d = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (one, other))
    values, vectors = np.linalg.eigh(c)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ d @ root), 0)).sum()
    return max(float(moved @ moved + np.trace(c) + np.trace(d) - 2 * shared), 0.0)


def _compared(
    reference: Values, other: Values, figure: Callable[[Values, Values], float]
) -> float:
    """Return a figure of the densities of the distances inside a set and to another."""
    reference, other = _rows(reference), _rows(other)
    inside = _distances(reference, reference)[np.triu_indices(len(reference), 1)]
    between = _distances(reference, other).ravel()
    if len(inside) <= 1 or len(between) == 0:
        return np.nan
    return figure(*densities(inside, between))


def _rows(values: Values) -> Values:
    """Return values as rows, shape (n, bins), without those that have NaN."""
    rows = values[:, None] if values.ndim == 1 else values
    kept: Values = rows[~np.isnan(rows).any(axis=1)]
    return kept


def _distances(one: Values, other: Values) -> Values:
    """Return the Euclidean distance of each row to each, shape (n, m)."""
    if one.shape[1] == 1:  # exact, where the expansion below is not
        differences: Values = np.abs(one - other.T)
        return differences
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    found: Values = np.sqrt(np.maximum(squares, 0))
    return found


def _bandwidth(sample: Values) -> float:
    return float(sample.std(ddof=1) * len(sample) ** SCOTT) if len(sample) > 1 else 0.0


def _density(places: Values, width: float) -> Values:
    """Return the density of values at `places` of the grid; `width` is in its steps."""
    left = np.minimum(places.astype(np.int64), N_GRID_POINTS - 2)
    right_share = places - left
    counts = np.bincount(left, 1 - right_share, N_GRID_POINTS)
    counts += np.bincount(left + 1, right_share, N_GRID_POINTS)
    reach = int(np.ceil(REACH * width))
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    smooth = np.convolve(counts, bell)[reach : reach + N_GRID_POINTS]
    density: Values = smooth / smooth.sum()
    return density
