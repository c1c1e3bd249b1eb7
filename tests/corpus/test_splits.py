"""A piece has one split, its duplicates share it, and more files move nothing."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.corpus.splits import read_splits, split_by_hash, split_of_family, write_splits
from sideman.errors import CorpusError


def test_most_is_for_training_and_a_twentieth_each_for_the_others():
    """Shares of 4,000 contents, with room for chance."""
    counts = Counter(split_by_hash(str(n)) for n in range(4000))

    assert 0.88 < counts["train"] / 4000 < 0.92
    assert 0.035 < counts["valid"] / 4000 < 0.065
    assert 0.035 < counts["test"] / 4000 < 0.065


@given(st.sets(st.text(min_size=1), min_size=1), st.randoms())
def test_split_of_a_family_does_not_depend_on_the_order_of_its_members(members, random):
    """Files are listed in another order on another disk."""
    shuffled = sorted(members)
    random.shuffle(shuffled)

    assert split_of_family(shuffled, {}) == split_of_family(members, {})


@given(st.sets(st.integers(), min_size=1), st.integers())
def test_new_member_takes_the_split_that_its_family_has(members, new):
    """A copy that turns up later goes where the piece is."""
    members = [str(n) for n in members]
    split = split_of_family(members, {})
    known = dict.fromkeys(members, split)

    assert split_of_family([*members, str(new)], known) == split


def test_group_that_joins_two_splits_is_for_training():
    """What a model has been trained on must never become its test."""
    known = {"a": "test", "b": "train"}

    assert split_of_family(["a", "b", "c"], known) == "train"


def test_what_is_written_is_read_again(tmp_path):
    """The table in the corpus is where the next build looks."""
    path = tmp_path / "splits.tsv"
    write_splits(path, [("a/ü.mid", "f00", "train"), ("b.mid", "ba5", "test")])

    assert read_splits(path, "sha256") == {"f00": "train", "ba5": "test"}
    assert read_splits(path, "file") == {"a/ü.mid": "train", "b.mid": "test"}


def test_split_that_there_is_not_is_refused(tmp_path):
    """`dev` is a common name for `valid`; guessing it would hide a typo."""
    path = tmp_path / "splits.tsv"
    path.write_text("file\tsplit\na.mid\tdev\n")

    with pytest.raises(CorpusError, match="names split 'dev'; there are train, valid, test"):
        read_splits(path, "file")
