"""Votes are read as the studio exports them, and counted as they should be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import EvaluationError
from sideman.evaluate.listening import sign_test
from sideman.evaluate.votes import (
    ANSWERS,
    corrected,
    learnable,
    read_votes,
    setting_wins,
    steady,
)


def line(number, answer, *, repeats=None, left=None, right=None):
    """Return a line as the studio exports it, without music."""
    return {
        "id": f"p{number}",
        "prompt": {},
        "left": {"recipe": left or {}, "score": {}},
        "right": {"recipe": right or {}, "score": {}},
        "answer": answer,
        "repeats": repeats,
    }


@pytest.fixture
def votes_of(tmp_path):
    """Return a function that reads votes from lines."""

    def read(*lines):
        path = tmp_path / "votes.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in lines))
        return read_votes(path)

    return read


def test_pairs_are_learned_from_once_and_if_they_are_decided(votes_of):
    """A tie tells of no preference, and a pair that comes again tells nothing new."""
    lines = [line(number, answer) for number, answer in enumerate(ANSWERS)]

    votes = votes_of(*lines, line(9, "right", repeats="p0"))

    assert [(vote.pair, vote.preferred) for vote in learnable(votes)] == [("p0", 0), ("p1", 1)]


@pytest.mark.parametrize(
    ("first", "second", "counted"),
    [
        ("left", "right", (1, 1)),
        ("left", "left", (0, 1)),
        ("tie", "tie", (1, 1)),
        ("tie", "left", (0, 1)),
        ("skip", "left", (0, 0)),
        ("left", "skip", (0, 0)),
    ],
)
def test_somebody_is_steady_who_prefers_the_same_on_the_other_side(
    votes_of, first, second, counted
):
    """A pair comes again with its sides swapped, in whatever order votes are exported."""
    one, two = line(1, first), line(2, second, repeats="p1")

    assert steady(votes_of(one, two)) == steady(votes_of(two, one)) == counted


def test_a_setting_wins_where_the_answers_differ_in_it(votes_of):
    """Not the seed, which always differs; not what both have."""
    cold, hot = ({"temperature": t, "seed": t, "bars": "4"} for t in (0.8, 1.1))
    lines = [line(number, "left", left=cold, right=hot) for number in range(10)]

    found = setting_wins(votes_of(*lines, line(10, "right", left=cold, right=hot)))

    assert [(row.setting, row.value, row.wins, row.losses) for row in found] == [
        ("temperature", "0.8", 10, 1),
        ("temperature", "1.1", 1, 10),
    ]
    assert found[0].p_value == pytest.approx(2 * sign_test(10, 1))
    assert [row.has_won for row in found] == [True, False]


def test_correction_is_that_of_holm():
    """An example by hand: the smallest is held against all, the next against one fewer."""
    assert corrected([0.03, 0.01, 0.04, 0.9]) == pytest.approx([0.09, 0.04, 0.09, 0.9])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_correction_never_makes_anything_surer(p_values):
    """Nor changes what is surer than what."""
    found = corrected(p_values)

    assert all(p <= after <= 1 for p, after in zip(p_values, found, strict=True))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [found[number] for number in order] == sorted(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "line 2: this is no vote"),
        ("[]", "line 2: this is no vote"),
        ("[" * 100_000, "line 2: this is no vote"),
        (json.dumps({"id": "p1"}), "line 2: this is no vote"),
        (json.dumps(line(1, "louder")), "line 2: the answer is 'louder'; known are left"),
    ],
)
def test_what_is_no_vote_is_refused_by_its_line(text, said, tmp_path):
    """Of hundreds of lines the broken one has to be found."""
    path = tmp_path / "votes.jsonl"
    path.write_text(f"\n{text}\n")

    with pytest.raises(EvaluationError, match=said):
        read_votes(path)


def test_what_is_no_text_is_refused_in_one_line(tmp_path):
    """Somebody names the song in place of the votes."""
    path = tmp_path / "song.mid"
    path.write_bytes(b"MThd\x00\x00\x00\x06\xff\x80")

    with pytest.raises(EvaluationError, match=r"song.mid' is no text; name the file of votes"):
        read_votes(path)
