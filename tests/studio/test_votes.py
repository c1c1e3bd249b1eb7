"""Pairs are blind and stored before they are seen; votes are counted as they should be."""

import json
from collections import Counter

import numpy as np
import pytest

from sideman.errors import EngineError
from sideman.evaluate.listening import sign_test, wilson_interval
from sideman.evaluate.votes import differences
from sideman.studio.pairs import CONTESTED, Pairs
from sideman.studio.store.tables import PairRow, VoteRow, new_id, now
from sideman.studio.votes import export_lines, summary

SIDES = ("left", "right")


@pytest.fixture
def voted(studio):
    """Return a function that has a pair shown and votes on it."""
    studio.get("/")

    def vote(answer="left", seconds=4.0, **wish):
        pair = studio.post("/api/pairs", json=wish).json()
        said = {"answer": answer, "seconds": seconds}
        assert studio.post(f"/api/pairs/{pair['id']}/vote", json=said).status_code == 204
        return pair

    return vote


def judged(left, right, answer, *, repeats=None, name=None, seconds=5.0):
    pair = PairRow(
        id=name or new_id(),
        task="continue",
        request={},
        prompt={},
        left={"side": "left"},
        right={"side": "right"},
        left_recipe=left,
        right_recipe=right,
        bundle="base",
        bundle_hash="0",
        latency_s=1.0,
        repeats=repeats,
        listener="ella",
        created=now(),
    )
    return pair, VoteRow(pair=pair.id, answer=answer, seconds=seconds, created=now())


# ----------------------------------------------------------------------------- pairs


def test_a_pair_does_not_say_which_is_which(studio):
    """Not by its fields either: blind is blind."""
    pair = studio.post("/api/pairs", json={}).json()
    assert pair.keys() == {"id", "left", "right", "prompt"}
    heard = {(n["onset"], n["pitch"], n["part"]) for n in pair["prompt"]["notes"]}
    for side in SIDES:
        assert heard < {(n["onset"], n["pitch"], n["part"]) for n in pair[side]["notes"]}


def test_all_about_a_pair_is_stored_before_it_is_seen(studio, piece):
    """What is not stored then could be lost when the browser is closed."""
    project = studio.post("/api/projects", json={"score": piece}).json()
    wish = {"project": project["id"], "options": {"temperature": 1.2}}
    pair = studio.post("/api/pairs", json=wish).json()
    row = studio.state.votes.get(pair["id"])
    assert (row.left, row.right, row.prompt) == (pair["left"], pair["right"], piece)
    assert row.request == {
        "task": "continue",
        "options": {"bars": "4", "temperature": 1.2},
        "project": project["id"],
        "revision": int(project["head"]),
    }
    assert row.left_recipe["temperature"] == row.right_recipe["temperature"] == 1.2
    assert row.left_recipe["seed"] != row.right_recipe["seed"]
    assert row.bundle_hash == studio.state.bundle.hash
    assert row.latency_s > 0


def test_the_sides_of_a_pair_differ_in_one_setting(studio):
    """So that it can be what made the difference."""
    seen = set()
    for _ in range(12):
        row = studio.state.votes.get(studio.post("/api/pairs", json={}).json()["id"])
        (name,) = differences(row.left_recipe, row.right_recipe)
        assert row.left_recipe[name] in CONTESTED[name]
        assert row.right_recipe[name] in CONTESTED[name]
        seen.add(name)
    assert len(seen) > 1


def test_which_value_is_left_is_chance(studio):
    """Who always presses left must not vote for anything."""
    rng = np.random.default_rng(3)
    pairs = Pairs(studio.state.votes, studio.state.bundle, studio.state.jobs.run_now, rng=rng)
    rows = [pairs.show(f"listener {number}") for number in range(60)]
    higher: Counter[bool] = Counter()
    for row in rows:
        ((left, right),) = differences(row.left_recipe, row.right_recipe).values()
        higher[float(left) > float(right)] += 1
    assert sign_test(higher[True], higher[False]) > 0.05


def test_one_in_ten_comes_again_with_its_sides_swapped_and_as_late(studio):
    """How steady somebody is shows only if they do not notice."""
    waits: list[float] = []
    rng = np.random.default_rng(0)
    state = studio.state
    pairs = Pairs(state.votes, state.bundle, state.jobs.run_now, rng=rng, sleep=waits.append)
    rows = []
    for _ in range(80):
        rows.append(pairs.show("ella"))
        state.votes.vote(rows[-1].id, "left", 1.0)
    again = [row for row in rows if row.repeats]
    assert 3 <= len(again) <= 16
    assert waits == [row.latency_s for row in again]
    order = [row.id for row in rows]
    for row in again:
        first = state.votes.get(row.repeats)
        assert first.repeats is None
        assert (row.left, row.right, row.prompt) == (first.right, first.left, first.prompt)
        assert (row.left_recipe, row.right_recipe) == (first.right_recipe, first.left_recipe)
        assert order.index(row.id) - order.index(first.id) > 3
    assert len({row.repeats for row in again}) == len(again)


def test_what_cannot_be_asked_for_is_no_pair(studio, problem, piece):
    """The same words as everywhere."""
    problem(studio.post("/api/pairs", json={"options": {"x": 1}}), 422)
    problem(studio.post("/api/pairs", json={"project": "0000"}), 404)
    studio.state.jobs.problem = EngineError("the model is tired")
    assert "tired" in problem(studio.post("/api/pairs", json={}), 422)[1]
    assert studio.get("/api/votes/summary").json()["votes"] == 0


# ----------------------------------------------------------------------------- votes


@pytest.mark.parametrize(
    "said",
    [
        {"answer": "maybe", "seconds": 1},
        {"answer": "left", "seconds": -1},
        {"answer": "left"},
        {"answer": "left", "seconds": 1e9},
    ],
)
def test_what_is_no_vote_is_not_counted(studio, voted, problem, said):
    """Figures are only as good as what goes in."""
    pair = voted()
    problem(studio.post(f"/api/pairs/{pair['id']}/vote", json=said), 422)
    problem(studio.post("/api/pairs/0000/vote", json={"answer": "tie", "seconds": 1}), 404)
    assert studio.get("/api/votes/summary").json()["answers"]["left"] == 1


def test_a_setting_wins_where_the_sides_differ_in_it():
    """And is counted as the listening tests of `sideman evaluate` count."""
    mild, bold = {"temperature": 0.8, "seed": 1}, {"temperature": 1.1, "seed": 2}
    votes = [judged(mild, bold, "left") for _ in range(5)]
    votes += [judged(bold, mild, "right") for _ in range(4)]
    votes += [judged(bold, mild, "left"), judged(bold, mild, "tie"), judged(mild, bold, "skip")]
    votes += [judged(mild, mild, "right"), judged(mild, bold, "both_bad")]
    first, second = summary(votes)["win_rates"]
    low, high = wilson_interval(9, 10)
    assert first == {
        "setting": "temperature",
        "value": "0.8",
        "wins": 9,
        "losses": 1,
        "ties": 2,
        "rate": 0.9,
        "low": low,
        "high": high,
        "p": sign_test(9, 1),
    }
    assert (second["value"], second["wins"], second["losses"]) == ("1.1", 1, 9)


def test_pairs_that_come_again_tell_of_the_listener_only():
    """They are no votes of their own: the same ears, the same notes."""
    mild, bold = {"temperature": 0.8}, {"temperature": 1.1}
    votes = [judged(mild, bold, "left", name=f"{n}") for n in range(4)]
    votes += [judged(bold, mild, "right", repeats=f"{n}") for n in range(3)]
    votes += [judged(bold, mild, "left", repeats="3")]
    found = summary(votes)
    assert (found["repeats"]["n"], found["repeats"]["same"]) == (4, 3)
    assert found["repeats"]["low"], found["repeats"]["high"] == wilson_interval(3, 4)
    assert found["win_rates"][0]["wins"] == 4
    assert found["votes"] == 8


def test_no_votes_are_no_figures(studio):
    """The page is opened before the first vote, too."""
    found = studio.get("/api/votes/summary").json()
    assert found == {
        "votes": 0,
        "answers": {"left": 0, "right": 0, "tie": 0, "both_bad": 0, "skip": 0},
        "win_rates": [],
        "repeats": {"n": 0, "same": 0, "rate": 0.0, "low": 0.0, "high": 1.0},
        "median_seconds": 0.0,
        "taste": {"decided": 0, "wanted": 50, "heard": None, "learned": None, "message": ""},
    }


def test_every_vote_goes_home_with_its_music(studio, voted):
    """A line each, for who wants to learn from preferences."""
    pairs = [voted("left"), voted("right", 6.5), voted("both_bad")]
    reply = studio.get("/api/votes/export")
    assert "votes.jsonl" in reply.headers["content-disposition"]
    lines = [json.loads(line) for line in reply.text.splitlines()]
    assert [line["id"] for line in lines] == [pair["id"] for pair in pairs]
    said = [(line["chosen"], line["rejected"], line["answer"]) for line in lines]
    assert said == [
        ("left", "right", "left"),
        ("right", "left", "right"),
        (None, None, "both_bad"),
    ]
    for line, pair in zip(lines, pairs, strict=True):
        assert line["prompt"] == pair["prompt"]
        assert {side: line[side]["score"] for side in SIDES} == {s: pair[s] for s in SIDES}
        assert line["left"]["recipe"]["task"] == "continue"
    assert lines[1]["seconds"] == 6.5


def test_export_is_one_line_a_vote_whatever_is_in_it():
    """Names have line ends at times."""
    pair, vote = judged({"style": "a\nb"}, {"style": "c"}, "left")
    (line,) = export_lines([(pair, vote)])
    assert line.count("\n") == 1
    assert json.loads(line)["left"]["recipe"]["style"] == "a\nb"
