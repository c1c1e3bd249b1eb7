"""Weights are learned from pairs, and tested on pairs that they were not learned from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.evaluate import bradley_terry
from sideman.evaluate.bradley_terry import FOLDS, foretold, learn_weights

TRUE_WEIGHTS = np.array([1.0, -2.0, 0.5])


def pairs_of(rng, n, *, n_useless=0, noise=0.0):
    """Return differences of pairs in which the stronger answer is mostly preferred."""
    differences = rng.normal(size=(n, 3 + n_useless))
    is_other = differences[:, :3] @ TRUE_WEIGHTS < 0
    differences[is_other ^ (rng.random(n) < noise)] *= -1
    return differences


def direction(weights):
    return weights / np.linalg.norm(weights)


def test_what_decides_is_found_again():
    """Among features that say nothing, and through one vote in ten that is turned round."""
    differences = pairs_of(np.random.default_rng(1), 400, n_useless=20, noise=0.1)

    weights = learn_weights(differences, np.arange(400), [23])

    assert direction(weights)[:3] @ direction(TRUE_WEIGHTS) > 0.9


def test_the_fit_is_that_of_the_penalised_likelihood():
    """At the minimum no weight gains by being moved: the slope of the loss is 0."""
    differences = pairs_of(np.random.default_rng(2), 60, noise=0.2)

    found = bradley_terry._fitted(differences)

    for penalty, weights in zip(bradley_terry.PENALTIES, found, strict=True):
        missed = 1 / (1 + np.exp(differences @ weights))
        slope = penalty * weights - differences.T @ missed
        assert slope == pytest.approx(np.zeros(3), abs=1e-5)


@settings(max_examples=12)
@given(st.integers(0, 2**32), st.floats(1e-3, 1e3))
def test_units_of_features_make_no_difference(seed, factor):
    """A hidden state and a count of notes are weighed by how much they vary."""
    differences = pairs_of(np.random.default_rng(seed), 30, noise=0.2)
    units = np.array([factor, 1.0, 1 / factor])

    weights = learn_weights(differences, np.arange(30), [2, 1])
    same = learn_weights(differences * units, np.arange(30), [2, 1])

    assert same * units == pytest.approx(weights, rel=1e-6, abs=1e-6)


def test_a_small_block_is_heard_beside_a_large_one():
    """A dozen impressions would else drown in hundreds of hidden states that say nothing."""
    rng = np.random.default_rng(3)
    differences = np.hstack([rng.normal(size=(80, 200)), pairs_of(rng, 80)])

    apart = foretold(differences, np.arange(80), [200, 3]).mean()

    assert apart > foretold(differences, np.arange(80), [203]).mean() + 0.1
    assert apart > 0.85


def test_a_group_is_never_on_both_sides():
    """Pairs of one prompt that are alike would else foretell each other."""
    rng = np.random.default_rng(4)
    mark = np.eye(40)[np.repeat(np.arange(40), 5)]  # tells each group, and nothing else
    signs = np.repeat(rng.choice([-1, 1], 40), 5)

    apart = foretold(mark * signs[:, None], np.repeat(np.arange(40), 5), [40])
    mixed = foretold(mark * signs[:, None], np.arange(200), [40])

    assert not apart.any()
    assert mixed.all()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=100))
def test_folds_are_whole_groups_of_much_the_same_size(groups):
    """None differs from another by more than the largest group."""
    numbers = np.array(groups)
    fold = bradley_terry._folds(numbers)

    largest = max(groups.count(group) for group in groups)
    sizes = np.bincount(fold, minlength=FOLDS)
    assert all(len(set(fold[numbers == group])) == 1 for group in groups)
    assert sizes.max() - sizes.min() <= largest


def test_dice_are_foretold_as_often_as_not():
    """Neither weights nor penalty have seen the pairs that are foretold, or luck would show."""
    rates = []
    for seed in range(10):
        differences = np.random.default_rng(seed).normal(size=(60, 20))
        rates.append(foretold(differences, np.arange(60), [14, 6]).mean())

    assert np.mean(rates) == pytest.approx(0.5, abs=0.04)


def test_the_same_votes_make_the_same_weights():
    """To the last bit: a taste has a fingerprint."""
    differences = pairs_of(np.random.default_rng(5), 70, n_useless=9, noise=0.1)

    one, two = (learn_weights(differences, np.arange(70), [6, 6]) for _ in range(2))

    assert one.tobytes() == two.tobytes()
