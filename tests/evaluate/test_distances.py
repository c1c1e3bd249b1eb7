"""How far apart: golden values, and SciPy where it is there."""

import numpy as np
import pytest

from sideman.evaluate.distances import (
    densities,
    frechet_distance,
    kl_divergence,
    overlap,
    set_divergence,
    set_overlap,
)


@pytest.mark.parametrize(
    ("one", "other", "shared", "bits"),
    [
        ([1, 1], [2, 2], 1, 0),
        ([1, 0], [1, 1], 0.5, 1),
        ([3, 1], [1, 3], 0.5, 0.5 * np.log2(3)),
        ([1, 0], [0, 1], 0, pytest.approx(40, abs=0.2)),
    ],
)
def test_two_histograms(one, other, shared, bits):
    """Golden values, by hand; they need not sum to 1."""
    one, other = np.array(one, float), np.array(other, float)
    assert overlap(one, other) == shared
    assert kl_divergence(one, other) == pytest.approx(bits)


def test_nothing_has_no_distance():
    """An empty histogram is no distribution."""
    full, empty = np.ones(3), np.zeros(3)
    assert np.isnan([overlap(full, empty), kl_divergence(empty, full)]).all()


def test_pieces_drawn_alike_are_as_far_from_each_other_as_among_themselves(rng):
    """What the comparison of sets is for; and pieces from elsewhere are further."""
    reference = rng.normal(size=200)
    alike, moved = rng.normal(size=200), rng.normal(loc=3, size=200)
    assert set_overlap(reference, alike) > 0.95 > 0.5 > set_overlap(reference, moved)
    assert set_divergence(reference, alike) < 0.02 < 0.5 < set_divergence(reference, moved)


def test_a_model_that_always_writes_the_same_is_told_from_its_reference(rng):
    """Its mean may be right."""
    reference = rng.normal(size=200)
    assert set_overlap(reference, np.zeros(200)) < 0.9


def test_histograms_of_pieces_are_compared_as_well(rng):
    """A row a piece."""
    reference, alike = rng.random((60, 12)), rng.random((60, 12))
    assert set_overlap(reference, alike) > 0.9


def test_sets_of_equal_pieces_overlap_in_full():
    """Without spread there is no bandwidth."""
    same = np.full(5, 2.0)
    assert set_overlap(same, same) == 1
    assert set_divergence(same, same) == 0


def test_pieces_without_a_value_are_left_out(rng):
    """A metric may not be defined for a piece of drums."""
    reference, other = rng.normal(size=30), rng.normal(size=20)
    with_gap = np.append(reference, np.nan)
    assert set_overlap(with_gap, other) == set_overlap(reference, other)
    assert np.isnan(set_overlap(reference[:2], other))
    assert np.isnan(set_overlap(reference, other[:0]))


@pytest.mark.slow  # to import scipy.stats
def test_densities_are_those_of_scipy(rng):
    """Kernels on a grid against kernels at each value."""
    stats = pytest.importorskip("scipy.stats")
    one, other = rng.normal(size=300), rng.gamma(2, size=200)
    first, second = densities(one, other)
    reach = max(sample.std(ddof=1) * len(sample) ** -0.2 for sample in (one, other)) * 4
    low = min(one.min(), other.min()) - reach
    grid = np.linspace(low, max(one.max(), other.max()) + reach, len(first))
    for ours, sample in ((first, one), (second, other)):
        theirs = stats.gaussian_kde(sample)(grid)
        theirs /= theirs.sum()
        assert np.abs(ours - theirs).max() < 0.002 * theirs.max()


def test_frechet_distance_of_known_gaussians():
    """One dimension: the squared difference of means plus that of deviations."""
    one = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-12)
    assert frechet_distance(one, one + 3) == pytest.approx(9)
    assert frechet_distance(one, 2 * one) == pytest.approx(one.var(ddof=1))
    assert np.isnan(frechet_distance(one, one[:1]))


def test_frechet_distance_is_that_with_a_matrix_square_root(rng):
    """The textbook formula, with SciPy; and it is the same both ways."""
    linalg = pytest.importorskip("scipy.linalg")
    one = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    other = rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) + 1
    c, d = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    moved = one.mean(axis=0) - other.mean(axis=0)
    expected = moved @ moved + np.trace(c + d - 2 * linalg.sqrtm(c @ d).real)
    assert frechet_distance(one, other) == pytest.approx(expected)
    assert frechet_distance(other, one) == pytest.approx(expected)


def test_fewer_vectors_than_dimensions_still_have_a_distance(rng):
    """Covariances are then singular."""
    few = rng.normal(size=(3, 10))
    assert frechet_distance(few, few) == pytest.approx(0, abs=1e-6)
