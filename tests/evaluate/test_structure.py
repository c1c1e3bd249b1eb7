"""What comes again: golden values by hand."""

import numpy as np
import pytest

from sideman.evaluate.structure import (
    MOST_BARS,
    copied_ngram_rate,
    fitness,
    mean_self_similarity,
    ngrams,
    repeated_bar_rate,
    repeated_ngram_rate,
    self_similarity,
    structure,
    structure_long,
    structure_mid,
    structure_short,
)

A = ("abcd", "bcde", "cdef", "defg")
B = ("mnop", "nopq", "opqr", "pqrs")


def test_bars_are_alike_as_far_as_their_onsets_are(bars):
    """Two of four notes in common; an empty bar is like none."""
    similarity = self_similarity(bars("abcd", "abxy", "----", "abcd"))
    assert similarity.tolist() == [[1, 0.5, 0, 1], [0.5, 1, 0, 0.5], [0] * 4, [1, 0.5, 0, 1]]


def test_a_drum_is_no_pitch(piece):
    """The same number means another sound."""
    score = piece((0, 1, 60, 0), (4, 1, 60, 2))
    assert self_similarity(score)[0, 1] == 0


def test_mean_similarity_leaves_out_empty_bars_and_the_bar_itself(bars):
    """Of three bars with notes, one pair is the same and two share half."""
    score = bars("abcd", "abxy", "----", "abcd")
    assert mean_self_similarity(score) == pytest.approx((1 + 0.5 + 0.5) / 3)


@pytest.mark.parametrize(
    ("names", "rate"),
    [
        (("abcd", "abcd", "abcd", "abcd"), 3 / 4),
        (("abcd", "bcde", "----", "----"), 0),  # silence does not come again
        (("abcd", "abc-"), 0),
    ],
)
def test_bars_that_were_there_before(bars, names, rate):
    """Golden values, by hand."""
    assert repeated_bar_rate(bars(*names)) == rate


def test_figures_return_in_any_key_and_part(piece):
    """Five notes are two figures; the same a fifth higher in the bass are the same two."""
    tune = [(0, 60), (1, 62), (1.5, 64), (3, 60), (4, 65)]
    once = [(at, 0.5, pitch, 0) for at, pitch in tune]
    again = [(at + 8, 0.5, pitch - 5, 1) for at, pitch in tune]
    assert len(ngrams(piece(*once))) == 2
    assert repeated_ngram_rate(piece(*once)) == 0
    assert repeated_ngram_rate(piece(*once, *again)) == 0.5


def test_another_rhythm_is_another_figure(piece):
    """The same notes evenly are no quotation."""
    even = [(at, 0.5, 60 + at, 0) for at in range(4)]
    dotted = [(at * 1.5, 0.5, 60 + at, 1) for at in range(4)]
    assert repeated_ngram_rate(piece(*even, *dotted)) == 0


def test_share_of_figures_that_others_have(bars):
    """The second bar is new, and so are the figures over the bar line."""
    score = bars("abdg", "mkjh")
    assert copied_ngram_rate(score, [bars("----", "nope"), bars("abdg")]) == pytest.approx(
        1 / 5
    )
    assert copied_ngram_rate(score, [score]) == 1
    assert copied_ngram_rate(score, []) == 0
    assert np.isnan(copied_ngram_rate(bars("abc"), [score]))


@pytest.mark.parametrize(
    ("form", "shortest", "longest", "value"),
    [
        (A + B, 2, 7, 0),  # nothing comes again
        (A + A, 4, 4, 1 / 2),  # exact, and covers the other half
        (A + B + A, 4, 4, 2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)),
        (A + B + A, 5, 7, 0),
        (A[:1] * 8, 2, 2, 6 / 8),  # a loop
        (A + B + A + B, 4, 8, 1 / 2),  # A and B as one section
    ],
)
def test_fitness_of_forms(bars, form, shortest, longest, value):
    """Golden values, by hand: harmonic means of exactness and coverage, itself not counted."""
    assert structure(bars(*form), shortest, longest) == pytest.approx(value)


def test_a_section_may_return_a_little_changed(bars):
    """Half of one bar of four is new: 3.5 of 4 bars are there again."""
    changed = ("abcd", "bcxy", "cdef", "defg")
    exactness, coverage = 3.5 / 8, 1 / 2
    value = 2 * exactness * coverage / (exactness + coverage)
    assert structure(bars(*A, *changed), 4, 4) == pytest.approx(value)


def test_fitness_agrees_with_trying_all_ways(rng):
    """Repetitions that do not overlap are chosen best, against brute force."""

    def best(n, length, runs):
        if n < length:
            return 0.0, 0
        take = best(n - length, length, runs)
        return max(
            best(n - 1, length, runs),
            (take[0] + runs[n - length], take[1] + 1),
            key=lambda x: x[0],
        )

    n_bars = 9
    similarity = rng.random((n_bars, n_bars))
    similarity = np.maximum(similarity, similarity.T)
    np.fill_diagonal(similarity, 1)
    worth = np.where(similarity >= 0.5, similarity, -2.0)
    for length in (1, 2, 3, 5):
        got = fitness(similarity, [length])[0]
        for first in range(n_bars - length + 1):
            runs = [
                sum(worth[at + i, first + i] for i in range(length))
                for at in range(n_bars - length + 1)
            ]
            total, count = best(n_bars, length, runs)
            exactness = max(total - length, 0) / (count * length)
            coverage = max(count * length - length, 0) / n_bars
            both = exactness + coverage
            assert got[first] == pytest.approx(2 * exactness * coverage / both if both else 0)


def test_short_pieces_have_no_long_structure(bars):
    """There is no room for eight bars twice."""
    score = bars(*A, *A)
    assert structure_mid(score) == 0.5
    assert structure_short(score) > 0
    assert np.isnan(structure_long(score))


def test_very_long_pieces_are_measured_by_their_beginning(bars):
    """Matrices grow with the square of the bars."""
    score = bars(*["abcd"] * (MOST_BARS + 10))
    assert self_similarity(score).shape == (MOST_BARS, MOST_BARS)
