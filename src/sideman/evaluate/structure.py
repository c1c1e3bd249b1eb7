"""What comes again: bars that are alike, figures that return, sections that repeat.

Bars are compared by their onsets: the pitches (of drums the pieces) that begin at each place of
the bar, whichever part plays them and however long. A repetition in another key is none.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sideman.evaluate.outline import find_lines, find_places, follows_in_line, to_places
from sideman.score.types import MAX_DATA_BYTE, Score

MOST_BARS = 256
"""Bars that are compared, from the first on: matrices grow with the square."""

NGRAM_NOTES = 4
"""Notes of a figure."""

ALIKE_FROM = 0.5
"""Similarity from which on two bars can be a repetition."""

UNLIKE_PENALTY = -2.0
"""What two other bars count for (Müller, Jiang and Grosche 2013, "A robust fitness measure for
capturing repetitions in music recordings")."""

SHORT_BARS, MID_BARS, LONG_BARS = (2, 3), (4, 7), (8, 32)
"""Shortest and longest sections, in bars. The paper has 3 to 8, 8 to 15, and more seconds; at
120 bpm a bar of 4/4 lasts two."""

_N_PITCHES = MAX_DATA_BYTE + 1
_MAX_PLACES = 4095  # longest time between onsets that is told apart, as good as for ever
_N_STEPS = 2 * _N_PITCHES * (_MAX_PLACES + 1)


def self_similarity(score: Score) -> NDArray[np.float64]:
    """Return how alike each two bars are, shape (n, n), n at most `MOST_BARS`, 0 to 1.

    Twice the onsets that both have over the onsets of both (Dice 1945). Bars in which nothing
    begins are like none, nor like themselves.

    Source of the idea: Foote 1999, "Visualizing music and audio using self-similarity".
    """
    contents = _bar_contents(score)
    n_onsets = contents.sum(axis=1, dtype=np.float64)
    both = n_onsets[:, None] + n_onsets
    # Not `@`: on a busy machine its threads wait for each other longer than this takes.
    common = np.einsum("ik,jk->ij", contents, contents).astype(np.float64)
    alike: NDArray[np.float64] = np.zeros_like(both)
    np.divide(2 * common, both, out=alike, where=both > 0)
    return alike


def mean_self_similarity(score: Score) -> float:
    """Return how alike two different bars are on average, 0 to 1; empty bars do not count.

    NaN where fewer than two bars have onsets. See `self_similarity`.
    """
    similarity = self_similarity(score)
    n_bars = np.count_nonzero(similarity.diagonal())
    if n_bars <= 1:
        return np.nan
    return float((similarity.sum() - n_bars) / (n_bars * (n_bars - 1)))


def repeated_bar_rate(score: Score) -> float:
    """Return the share of bars that are an earlier bar exactly, 0 to 1; empty ones not counted.

    NaN where nothing begins. Ours, after the self-similarity of Foote 1999.
    """
    similarity = self_similarity(score)
    n_bars = np.count_nonzero(similarity.diagonal())
    if n_bars == 0:
        return np.nan
    is_repeated = (np.tril(similarity, -1) == 1).any(axis=1)
    return float(is_repeated.sum() / n_bars)


def repeated_ngram_rate(score: Score) -> float:
    """Return the share of figures of four notes that the piece has had before, 0 to 1.

    A figure is three intervals and the times between their onsets in the line of a part, so
    it returns in any key and part. NaN where no line has four notes. Ours; 4-grams as in text
    (distinct-n: Li et al. 2016, arXiv:1510.03055), of which this is 1 - distinct-4.
    """
    figures = ngrams(score)
    return 1 - len(np.unique(figures)) / len(figures) if len(figures) else np.nan


def copied_ngram_rate(score: Score, known: Iterable[Score]) -> float:
    """Return the share of a piece's figures of four notes that any known piece has, 0 to 1.

    Figures are those of `repeated_ngram_rate`. Scales and repeated notes stand everywhere, so
    a value is read beside that of real music; how long a copy is, `sideman original` says.
    NaN where the piece has no figure.

    Ours, after the originality report of Yin et al. 2021, "'A good algorithm does not steal -
    it imitates'", which scores how many points stretches of two pieces have in common.
    """
    figures = ngrams(score)
    if len(figures) == 0:
        return np.nan
    others = np.unique(np.concatenate([figures[:0], *map(ngrams, known)]))
    return float(np.isin(figures, others).mean())


def structure_short(score: Score) -> float:
    """Return how strongly sections of 2 or 3 bars repeat, 0 to 1; see `structure`."""
    return structure(score, *SHORT_BARS)


def structure_mid(score: Score) -> float:
    """Return how strongly sections of 4 to 7 bars repeat, 0 to 1; see `structure`."""
    return structure(score, *MID_BARS)


def structure_long(score: Score) -> float:
    """Return how strongly sections of 8 to 32 bars repeat, 0 to 1; see `structure`."""
    return structure(score, *LONG_BARS)


def structure(score: Score, shortest: int, longest: int) -> float:
    """Return the structure indicator: the largest fitness of a section in a range of lengths.

    The fitness of a section, 0 to 1, is the harmonic mean of how exactly and of how much of
    the piece its repetitions cover, the section itself not counted.

    Args:
        score: The piece.
        shortest: Bars of the shortest section that is looked at.
        longest: Bars of the longest.

    Returns:
        NaN where the piece has fewer than twice `shortest` bars: no room for a repetition.

    Source: Wu and Yang 2020, arXiv:2008.01307, after the scape plot of Müller and Jiang 2012.
    They start from sound, let repetitions change key and tempo, and take the most similar
    quarter of all moments as alike, so that something always is. Here bars of a score are
    compared in their own key and tempo (paths are straight), and alike is `ALIKE_FROM`.
    """
    similarity = self_similarity(score)
    if len(similarity) < 2 * shortest:
        return np.nan
    return float(fitness(similarity, range(shortest, longest + 1)).max())


def fitness(similarity: NDArray[np.float64], lengths: Iterable[int]) -> NDArray[np.float64]:
    """Return the fitness of each section, shape (lengths, N), N bars; 0 where none fits.

    Row by length, column by first bar. The repetitions of a section do not overlap and are
    chosen so that their similarity is largest (dynamic programming, bar by bar).

    Args:
        similarity: Of each two bars, 0 to 1, shape (N, N).
        lengths: Bars of a section; those longer than the piece have fitness 0.
    """
    n_bars = len(similarity)
    length = np.array(list(lengths))
    run_ends = _run_sums(similarity)
    last = np.arange(n_bars) + length[:, None]  # first bar behind each section
    fits = last <= n_bars
    end_column = np.minimum(last, n_bars)
    row = np.arange(len(length))
    # Of all bars before n: the best total, and the repetitions that make it up.
    total = np.zeros((n_bars + 1, *last.shape))
    count = np.zeros((n_bars + 1, *last.shape), np.int64)
    for n in range(1, n_bars + 1):
        before = np.maximum(n - length, 0)
        run = run_ends[n, end_column] - run_ends[before, :n_bars]
        taken = total[before, row] + np.where(length[:, None] <= n, run, -np.inf)
        is_taken = taken > total[n - 1]
        total[n] = np.where(is_taken, taken, total[n - 1])
        count[n] = np.where(is_taken, count[before, row] + 1, count[n - 1])
    itself = length[:, None]
    covered = np.maximum(count[-1] * itself, 1)
    exactness = np.maximum(total[-1] - itself, 0) / covered
    coverage = np.maximum(covered - itself, 0) / n_bars
    both = exactness + coverage
    means = np.divide(2 * exactness * coverage, both, out=np.zeros_like(both), where=both > 0)
    return np.where(fits, means, 0.0)


def ngrams(score: Score) -> NDArray[np.int64]:
    """Return a number for each `NGRAM_NOTES` successive notes of each line, shape (F,).

    The same intervals and times between onsets, rounded to places, have the same number.
    """
    lines = find_lines(score)
    pitch = lines["pitch"].astype(np.int64)
    places = to_places(lines["onset"], score.tpq)
    times = np.minimum(places[1:] - places[:-1], _MAX_PLACES)
    interval = pitch[1:] - pitch[:-1] + MAX_DATA_BYTE
    steps = interval * (_MAX_PLACES + 1) + times  # of 20 bits: three fit a word
    follows = follows_in_line(lines)
    n_figures = max(len(steps) - (NGRAM_NOTES - 2), 0)
    figures = np.zeros(n_figures, np.int64)
    is_one = np.ones(n_figures, bool)
    for offset in range(NGRAM_NOTES - 1):
        figures = figures * _N_STEPS + steps[offset : offset + n_figures]
        is_one &= follows[offset : offset + n_figures]
    return figures.compress(is_one)


def _bar_contents(score: Score) -> NDArray[np.float32]:
    """Return which onsets each bar has, shape (n_bars, different onsets), 0 or 1."""
    bar, place, lengths = find_places(score)
    n_bars = min(len(lengths), MOST_BARS)
    is_drum = np.array([part.is_drum for part in score.parts], bool)[score.notes["part"]]
    what = (place * 2 + is_drum) * _N_PITCHES + score.notes["pitch"]
    what, bar = what[bar < n_bars], bar[bar < n_bars]
    kinds, kind = np.unique(what, return_inverse=True)
    contents = np.zeros((n_bars, len(kinds)), np.float32)
    contents[bar, kind] = 1
    return contents


def _run_sums(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums along diagonals up to before each cell, shape (N + 1, N + 1).

    Bars that are not alike count as `UNLIKE_PENALTY`, each bar with itself as 1.
    """
    n_bars = len(similarity)
    worth = np.where(similarity >= ALIKE_FROM, similarity, UNLIKE_PENALTY)
    np.fill_diagonal(worth, 1.0)
    sums = np.zeros((n_bars + 1, n_bars + 1))
    for bar in range(n_bars):
        sums[bar + 1, 1:] = sums[bar, :-1] + worth[bar]
    return sums
