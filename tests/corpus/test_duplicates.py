"""Files that hold the same music are grouped, one of each kept; others are left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.corpus import duplicates
from sideman.corpus.duplicates import LEAST_SHARED, find_groups
from sideman.corpus.fingerprint import PERMUTATIONS, VIEWS, fingerprint
from sideman.errors import CorpusError
from sideman.score.types import NOTE_DTYPE, Part, Score, table


def melody(seed, n_notes=160):
    """Return the pitches of a tune, each seed another."""
    return np.random.default_rng(seed).integers(50, 80, n_notes)


def prints(*tunes):
    """Return signatures and counts of tunes in even notes."""
    found = []
    for tune in tunes:
        rows = [(12 * at, 12, pitch, 80, 0) for at, pitch in enumerate(tune)]
        found.append(fingerprint(Score(table(NOTE_DTYPE, rows), (Part(),))))
    shape = (len(found), len(VIEWS))
    return (
        np.array([one.signatures for one in found], np.uint32).reshape(*shape, PERMUTATIONS),
        np.array([one.counts for one in found], np.uint32).reshape(shape),
    )


def groups_of(*tunes, **options):
    signatures, counts = prints(*tunes)
    return find_groups(signatures, counts, np.arange(len(tunes)), **options)


@pytest.fixture(scope="module")
def pile():
    """Return fingerprints of ten tunes, each whole, twice cut, and joined to the next."""
    tunes = [melody(seed) for seed in range(10)]
    parts = [
        part
        for seed, tune in enumerate(tunes)
        for part in (tune, tune[:110], tune[60:], np.append(tune, tunes[(seed + 1) % 10]))
    ]
    return prints(*parts)


def test_piece_that_was_cut_joins_the_whole():
    """Of two that are similar the preferred is kept, and says how similar."""
    whole, other = melody(1), melody(2)

    groups = groups_of(whole, whole[40:], other)

    assert groups.kept.tolist() == [0, 0, 2]
    assert groups.similarity[1] > 0.8
    assert groups.similarity[[0, 2]].tolist() == [1, 1]


def test_unrelated_pieces_are_all_kept():
    """What is left out by mistake is lost for training."""
    groups = groups_of(*(melody(seed) for seed in range(100)))

    assert groups.kept.tolist() == list(range(100))


@settings(max_examples=12)
@given(st.permutations(range(40)))
def test_order_of_files_does_not_change_the_groups(pile, order):
    """A folder that is read in another order gives the same corpus."""
    signatures, counts = pile
    order, preference = np.array(order), np.arange(40)
    groups = find_groups(signatures, counts, preference)

    shuffled = find_groups(signatures[order], counts[order], preference[order])

    np.testing.assert_array_equal(order[shuffled.kept], groups.kept[order])
    np.testing.assert_array_equal(shuffled.similarity, groups.similarity[order])


@settings(max_examples=12)
@given(st.permutations(range(40)), st.floats(0.1, 1))
def test_file_is_in_one_group_and_resembles_the_one_that_is_kept(pile, preference, similar):
    """A file left out names the file to look at, which is itself kept, and is preferred."""
    signatures, counts = pile
    preference = np.array(preference)

    groups = find_groups(signatures, counts, preference, similar=similar)

    assert (groups.kept[groups.kept] == groups.kept).all()
    assert (preference[groups.kept] <= preference).all()
    assert (groups.similarity >= similar).all()


@settings(max_examples=12)
@given(st.permutations(range(40)), st.floats(0.1, 1))
def test_no_two_files_that_are_kept_resemble_each_other(pile, preference, similar):
    """Looked through once more, nothing is left to leave out."""
    signatures, counts = pile
    preference = np.array(preference)
    kept = np.unique(find_groups(signatures, counts, preference, similar=similar).kept)

    again = find_groups(signatures[kept], counts[kept], preference[kept], similar=similar)

    assert again.kept.tolist() == list(range(len(kept)))


def test_link_between_two_pieces_does_not_join_them():
    """A medley resembles both; chained, a book of folk tunes would be one group."""
    first, second = melody(1), melody(2)
    medley = np.append(first[80:], second[:80])

    groups = groups_of(first, second, medley, similar=0.3)

    assert groups.kept[:2].tolist() == [0, 1]


def test_file_joins_the_most_similar_of_those_kept():
    """Named is the file that it is really a copy of."""
    tune, other = melody(1), melody(2)
    copy = np.append(tune[:110], other[:50])

    assert groups_of(other, tune, copy, similar=0.2).kept.tolist() == [0, 1, 1]
    assert groups_of(tune, other, copy, similar=0.2).kept.tolist() == [0, 1, 0]


def test_higher_threshold_keeps_more():
    """The one number that a user sets does what it says."""
    tune = melody(1)
    changed = tune.copy()
    changed[::20] += 1

    kept = [
        len(np.unique(groups_of(tune, changed, similar=similar).kept))
        for similar in (0.2, 0.95)
    ]

    assert kept == [1, 2]


def test_pieces_too_short_to_tell_do_not_fall_into_one_group():
    """Empty files and fills of four strokes have all the same nothing in common."""
    tiny = [melody(seed, n_notes) for seed in range(5) for n_notes in (0, 1, 5, 9)]

    groups = groups_of(*tiny)

    assert groups.kept.tolist() == list(range(len(tiny)))


def test_few_shared_shingles_are_not_enough():
    """Two fills may well begin alike."""
    tune = melody(1)
    _, counts = prints(tune[: LEAST_SHARED + 8])

    assert groups_of(tune[: LEAST_SHARED + 9], tune[: LEAST_SHARED + 9]).kept.tolist() == [0, 0]
    assert groups_of(tune[: LEAST_SHARED + 7], tune[: LEAST_SHARED + 7]).kept.tolist() == [0, 1]
    assert counts.max() == LEAST_SHARED


def test_many_copies_of_one_piece_are_one_group(monkeypatch):
    """More than are compared with one another: all still meet the preferred."""
    monkeypatch.setattr(duplicates, "MOST_COMPARED", 3)
    monkeypatch.setattr(duplicates, "PAIRS_AT_ONCE", 7)

    groups = groups_of(*[melody(1)] * 30)

    assert groups.kept.tolist() == [0] * 30


def test_no_files_are_no_groups():
    """Rules may have left out everything before."""
    assert groups_of().kept.tolist() == []


@pytest.mark.parametrize("similar", [0, -1, 1.01, float("nan")])
def test_threshold_out_of_range_is_refused(similar):
    """0 would make everything one group."""
    with pytest.raises(CorpusError, match=f"similar is {similar}; it must be above 0"):
        groups_of(melody(1), similar=similar)
