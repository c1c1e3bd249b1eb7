"""What makes one answer win against another: a Bradley-Terry model of features.

The chance that an answer with features a is preferred to one with b is 1 / (1 + exp(w·(b - a)))
(Bradley and Terry 1952, "Rank analysis of incomplete block designs", with strengths that are
linear in features). The weights w are the likeliest ones under a normal prior around 0: this is
logistic regression without an intercept, with a penalty on w².

Pairs come in groups, such as all that answer one prompt: what is learned of one pair tells of
the others of its group. So whole groups are held out, to choose the penalty and to test.

Letters in shapes: N pairs, F features, R the rank of the differences, at most N and F.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Differences = NDArray[np.float64]
"""Features of the answers that were preferred minus those of the others, shape (N, F)."""

Groups = NDArray[np.int64]
"""Number of the group of each pair, shape (N,)."""

FOLDS = 5
"""Shares of the pairs that are held out in turn."""

PENALTIES = (30.0, 10.0, 3.0, 1.0, 0.3)
"""Penalties that are tried, of differences whose squares sum to 1 on average."""

MOST_STEPS = 50
SMALLEST_STEP = 1e-4
"""Newton's method stops when no weight moves by more, about as soon as after three steps; the
error is then that squared."""

LARGEST_EXPONENT = 500.0
"""More than a float of 64 bits can tell from certainty."""


def learn_weights(
    differences: Differences, groups: Groups, blocks: Sequence[int]
) -> NDArray[np.float64]:
    """Return the weights of the features, shape (F,).

    Each feature counts as much as it varies, each block of them as much as any other, or one
    block alone: that and the penalty are chosen so that held-out groups are foretold best.

    Args:
        differences: Of the pairs.
        groups: Of the pairs.
        blocks: How many features are of one kind, and of the next: they sum to F.
    """
    best_loss, best = np.inf, np.zeros(differences.shape[1])
    for scale in _scales(differences, blocks):
        # The best weights are a sum of differences, so nothing is lost in R dimensions.
        u, sizes, directions = np.linalg.svd(differences * scale, full_matrices=False)
        turned = u * sizes
        losses = _held_out_losses(turned, groups)
        if losses.min() < best_loss:
            best_loss = losses.min()
            best = (_fitted(turned)[int(losses.argmin())] @ directions) * scale
    return best


def foretold(
    differences: Differences, groups: Groups, blocks: Sequence[int]
) -> NDArray[np.bool_]:
    """Return which pairs are foretold right by what is learned of other groups, shape (N,)."""
    fold = _folds(groups)
    is_right = np.zeros(len(differences), bool)
    for number in np.unique(fold):
        is_out = fold == number
        weights = learn_weights(differences[~is_out], groups[~is_out], blocks)
        is_right[is_out] = differences[is_out] @ weights > 0
    return is_right


def _scales(differences: Differences, blocks: Sequence[int]) -> Iterator[NDArray[np.float64]]:
    """Yield scales of the features, (F,), by which squares sum to 1: all blocks, then each."""
    size = np.sqrt((differences**2).mean(axis=0))
    evened = np.divide(1, size, out=np.zeros_like(size), where=size > 0)
    block = np.repeat(np.arange(len(blocks)), blocks)
    evened /= np.sqrt(np.array(blocks))[block]
    yield evened / np.sqrt(len(blocks))
    if len(blocks) > 1:
        for number in range(len(blocks)):
            yield np.where(block == number, evened, 0)


def _held_out_losses(differences: Differences, groups: Groups) -> NDArray[np.float64]:
    """Return how surprising held-out groups are in all by each of `PENALTIES`, in nats."""
    fold = _folds(groups)
    losses = np.zeros(len(PENALTIES))
    for number in np.unique(fold):
        is_out = fold == number
        weights = _fitted(differences[~is_out])
        losses += np.logaddexp(0, -weights @ differences[is_out].T).sum(axis=1)
    return losses


def _folds(groups: Groups) -> NDArray[np.int64]:
    """Return in which fold each pair is, shape (N,): the largest groups first, evenly."""
    _, number, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    filled = np.zeros(FOLDS, np.int64)
    fold_of_group = np.zeros(len(sizes), np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        fold = int(np.argmin(filled))
        fold_of_group[group] = fold
        filled[fold] += sizes[group]
    found: NDArray[np.int64] = fold_of_group[number]
    return found


def _fitted(differences: Differences) -> NDArray[np.float64]:
    """Return the weights that minimise Σ log(1 + exp(-d·w)) + penalty/2·|w|², by Newton.

    Returns:
        Those for each of `PENALTIES`, each begun at those before, shape (penalties, F).
    """
    weights = np.zeros(differences.shape[1])
    found = []
    for penalty in PENALTIES:
        for _ in range(MOST_STEPS):
            odds = np.exp(np.minimum(differences @ weights, LARGEST_EXPONENT))
            missed = 1 / (1 + odds)
            slope = penalty * weights - differences.T @ missed
            curvature = (differences.T * (missed * (1 - missed))) @ differences
            curvature[np.diag_indices_from(curvature)] += penalty
            step = np.linalg.solve(curvature, slope)
            weights = weights - step
            if np.abs(step).max(initial=0) < SMALLEST_STEP:
                break
        found.append(weights)
    return np.array(found)
