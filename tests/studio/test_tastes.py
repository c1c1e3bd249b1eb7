"""The taste of a studio is learned from its votes, and takes are liked more or less by it."""

import time

import numpy as np
import pytest

from sideman.engine.taste import BEST_OF, Ear, Taste, read_taste, write_taste
from sideman.evaluate.preferences import FEWEST_VOTES
from sideman.evaluate.votes import differences
from sideman.score.plain import score_of
from sideman.studio import tastes
from sideman.studio.jobs import Jobs
from sideman.studio.pairs import Pairs
from sideman.studio.store.jobs import DONE
from sideman.studio.store.tables import PairRow
from sideman.studio.votes import summary
from sideman.studio.worker import Finished, Work, Writer

PATIENCE_S = 120.0
N_PROMPTS = 12


def with_pitches(score, *pitches):
    """Return some JSON with a bar of quarter notes more."""
    known = len(score["notes"])
    onset = 96 * score["n_bars"]
    notes = [
        {"id": known + n + 1, "onset": onset + 24 * n, "duration": 24, "pitch": pitch}
        | {"velocity": 80, "part": 0, "locked": False}
        for n, pitch in enumerate(pitches)
    ]
    return {**score, "notes": [*score["notes"], *notes], "n_bars": score["n_bars"] + 1}


def have_judged(studio, piece, n, answer_of):
    """Let somebody judge pairs that are about some pieces."""
    rng = np.random.default_rng(7)
    votes = studio.state.votes
    for number in range(n):
        prompt = with_pitches({**piece, "notes": []}, 50, 50 + number % N_PROMPTS, 62)
        sides = [with_pitches(prompt, *rng.integers(40, 80, 3).tolist()) for _ in range(2)]
        pair = votes.add(
            PairRow(
                task="continue",
                request={},
                prompt=prompt,
                left=sides[0],
                right=sides[1],
                left_recipe={"temperature": 0.8},
                right_recipe={"temperature": 1.1},
                bundle="another",
                bundle_hash="0",
                latency_s=0.0,
                repeats=None,
                listener="ella",
            )
        )
        votes.vote(pair.id, answer_of(*sides), 3.0)


def higher(left, right):
    """Prefer higher answers."""
    heights = [sum(n["pitch"] for n in side["notes"][-3:]) for side in (left, right)]
    return "left" if heights[0] > heights[1] else "right"


def progress(studio):
    return studio.get("/api/votes/summary").json()["taste"]


def until_learned(studio):
    """Wait until nothing is being learned, and return what is known."""
    give_up_s = time.monotonic() + PATIENCE_S
    while (told := progress(studio))["heard"] is not None:
        assert time.monotonic() < give_up_s
        time.sleep(0.05)
    return told


@pytest.fixture
def studio(open_studio, tiny_bundles):
    """Open a studio with the tiny model."""
    studio = open_studio(bundle=tiny_bundles["fp32"])
    yield studio
    studio.state.tastes.close()


@pytest.fixture
def taste(fp32_bundle):
    """Return a taste for high notes, and nothing else."""
    width = int(fp32_bundle.card["network"]["d_model"])
    about = {"decided": 60, "right": 45, "tested": 60}
    return Taste(fp32_bundle.name, fp32_bundle.hash, about, {"high notes": 1.0}, (0.0,) * width)


@pytest.fixture
def path(studio):
    """Return where what was learned is kept."""
    return studio.state.config.folder / tastes.TASTE


# ---------------------------------------------------------------------------- learning


def test_a_taste_is_learned_from_votes_and_can_be_forgotten(studio, piece, path, fp32_bundle):
    """The whole way: votes in the database, a process that listens, a file, and no file."""
    have_judged(studio, piece, 60, higher)
    assert studio.post("/api/taste").status_code == 202

    told = until_learned(studio)

    assert (told["decided"], told["learned"]["votes"], told["message"]) == (60, 60, "")
    assert told["learned"]["rate"] > 0.7
    assert told["learned"]["low"] < told["learned"]["rate"] < told["learned"]["high"]
    assert read_taste(path, fp32_bundle) == studio.state.tastes.kept()
    assert studio.delete("/api/taste").status_code == 204
    assert not path.exists()
    assert progress(studio)["learned"] is None


def test_votes_that_cannot_be_foretold_take_away_what_was_learned(studio, piece, path, taste):
    """What more votes do not bear out was luck, and must not go on choosing."""
    write_taste(taste, path)
    coin = np.random.default_rng(1)
    have_judged(studio, piece, 60, lambda *_: str(coin.choice(["left", "right"])))
    assert studio.post("/api/taste").json()["heard"] == 0

    told = until_learned(studio)

    assert told["learned"] is None
    assert "cannot be foretold" in told["message"]
    assert not path.exists()


def test_few_votes_are_not_learned_from(studio, piece, problem):
    """Chance would be taken for taste."""
    have_judged(studio, piece, 8, lambda *_: "tie")
    have_judged(studio, piece, 3, higher)
    told = progress(studio)
    assert (told["decided"], told["wanted"], told["heard"]) == (3, FEWEST_VOTES, None)
    _, message = problem(studio.post("/api/taste"), 422)
    assert f"{FEWEST_VOTES - 3} more" in message


def test_what_is_being_learned_is_learned_once_and_can_be_stopped(
    studio, piece, path, monkeypatch
):
    """Who is impatient must not take the machine from everybody."""
    have_judged(studio, piece, FEWEST_VOTES, higher)
    begun = []
    begin = studio.state.tastes._begin
    monkeypatch.setattr(studio.state.tastes, "_begin", lambda: begun.append(begin()))

    for _ in range(3):
        assert studio.post("/api/taste").status_code == 202
    assert studio.delete("/api/taste").status_code == 204

    assert len(begun) == 1
    assert progress(studio)["heard"] is None
    assert not path.exists()


def test_a_process_that_dies_is_told_of(studio, piece):
    """Else the page would wait for ever."""
    have_judged(studio, piece, FEWEST_VOTES, higher)
    studio.post("/api/taste")
    studio.state.tastes._learning.process.kill()
    assert until_learned(studio)["message"] == tastes.LOST


# ------------------------------------------------------------------------------- using


def test_what_was_learned_with_another_model_is_not_used(open_studio, studio, path, taste):
    """Its numbers mean nothing to this one, and the page says what to do."""
    write_taste(taste, path)
    assert progress(studio)["learned"]["rate"] == 0.75
    other = open_studio()
    assert other.state.tastes.kept() is None
    told = progress(other)
    assert (told["learned"], told["message"]) == (None, tastes.NOT_OURS)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 99}'])
def test_a_broken_file_is_no_taste(studio, path, text):
    """A person may open it, and save half of it."""
    path.write_text(text)
    assert studio.state.tastes.kept() is None
    assert progress(studio)["message"] == tastes.NOT_OURS


class Wire:
    """A line that nobody listens at."""

    def tell(self, _message):
        """Do nothing."""

    def is_stopped(self, _job):
        """Go on."""
        return False


def takes_of(writer, work):
    """Return what a writer makes of a job."""
    finished = writer.write(work, Wire())
    assert isinstance(finished, Finished)
    return finished.takes


def test_a_writer_says_how_much_takes_are_liked(fp32_bundle, piece, taste):
    """As the command line hears them: only what is new counts."""
    writer = Writer(fp32_bundle, threads=1)
    request = {"options": {"bars": "2"}, "takes": 3, "seed": 5}

    takes = takes_of(writer, Work("j", "continue", piece, request, (), taste))

    ear = Ear(fp32_bundle)
    for take in takes:
        heard = ear.hear(score_of(take.score), score_of(piece))
        assert take.liking == pytest.approx(taste.like(heard))
    assert len({take.liking for take in takes}) == 3
    unknown = takes_of(writer, Work("j", "continue", piece, request))
    assert [take.liking for take in unknown] == [None] * 3
    assert [take.recipe for take in unknown] == [take.recipe for take in takes]


class OneWriter:
    """Writers whose answer is given."""

    n_free = 1

    def __init__(self, made):
        self._made = made
        self._events = []
        self.given = []

    def start(self):
        """Do nothing."""

    def stop(self):
        """Do nothing."""

    def give(self, work):
        """Answer at once."""
        self.given.append(work)
        self._events.append(Finished(work.job, self._made))

    def wait(self, timeout_s):
        """Return what was answered."""
        time.sleep(min(timeout_s, 0.01))
        events, self._events = self._events, []
        return events

    def wake(self):
        """Do nothing."""

    def end_job(self, job):
        """Do nothing."""

    def abandon(self, job):
        """Do nothing."""


def test_how_much_takes_are_liked_is_stored(studio, piece, taste, path):
    """The order in which they are shown stays when the page is opened again."""
    state = studio.state
    write_taste(taste, path)
    writer = Writer(state.bundle, threads=1)
    made = takes_of(writer, Work("j", "continue", piece, {"options": {"bars": "1"}}, (), taste))
    writers = OneWriter(made)
    jobs = Jobs(state.database, state.projects, None, writers=writers, taste=state.tastes.kept)
    project = studio.post("/api/projects", json={"score": piece}).json()
    jobs.start()
    job = jobs.ask(
        project["id"], int(project["head"]), "continue", request={}, locks=(), client="ella"
    )
    while jobs.get(job.id)[0].state != DONE:
        time.sleep(0.01)
    jobs.stop()
    (take,) = studio.get(f"/api/projects/{project['id']}").json()["takes"]
    assert take["liking"] == made[0].liking
    assert writers.given[0].taste == taste


# ------------------------------------------------------------------------------- pairs


class Liked:
    """An answer, and how much it is liked."""

    def __init__(self, number, liking):
        self.recipe = {"temperature": 1.0, "take": number}
        self.score = {"number": number}
        self.liking = liking


@pytest.fixture
def shown(studio, taste):
    """Return a function that has pairs about the taste shown."""

    def show(likings, n=40):
        asked = []

        def write(_task, _score, request, _locks=(), client=""):
            asked.append((client, request["takes"]))
            return [Liked(number, likings[number]) for number in range(request["takes"])]

        pairs = Pairs(
            studio.state.votes,
            studio.state.bundle,
            write,
            taste=lambda: taste,
            rng=np.random.default_rng(2),
            sleep=lambda _: None,
        )
        rows = [pairs.show("ella") for _ in range(n)]
        return [row for row in rows if "taste" in row.left_recipe], asked

    return show


def test_pairs_put_the_taste_to_the_test(shown):
    """The best of some takes against one: whether it wins is what the votes will say."""
    rows, asked = shown([0.0, 2.0, 5.0, -1.0])
    assert {row.left_recipe["taste"] for row in rows} == {"on", "off"}
    for row in rows:
        assert set(differences(row.left_recipe, row.right_recipe)["taste"]) == {"on", "off"}
        for side, recipe in ((row.left, row.left_recipe), (row.right, row.right_recipe)):
            assert side["number"] == (2 if recipe["taste"] == "on" else 0)
    assert {takes for _, takes in asked} == {1, BEST_OF}


def test_where_nothing_can_be_told_of_the_answers_the_taste_did_not_choose(shown):
    """A win of chance must not count for it."""
    rows, _ = shown([None] * BEST_OF)
    assert rows
    for row in rows:
        assert row.left_recipe["taste"] == row.right_recipe["taste"] == "off"


def test_votes_on_the_taste_are_counted_like_those_on_a_setting(shown, studio):
    """So all votes show whether it is worth anything."""
    rows, _ = shown([0.0, 2.0, 5.0, -1.0])
    for row in rows:
        answer = "left" if row.left_recipe["taste"] == "on" else "right"
        studio.state.votes.vote(row.id, answer, 2.0)
    (off, on) = (row for row in summary(studio.state.votes.judged())["win_rates"])
    n = len(rows)
    assert (off["value"], off["wins"], off["losses"]) == ("off", 0, n)
    assert (on["value"], on["wins"], on["losses"]) == ("on", n, 0)
