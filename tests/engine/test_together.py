"""Several sessions step as one, and each finds what it would have found alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from sideman.engine import session as session_module
from sideman.engine import together
from sideman.engine.options import Options
from sideman.engine.sampling import Sampling
from sideman.engine.session import Session, step_together
from sideman.engine.tasks import carry_out
from sideman.engine.together import Together
from sideman.score.types import NOTE_DTYPE, Part, Score, table

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def phrase(speak):
    """Return a random piece that goes round the tiny ring several times."""
    return speak(np.random.default_rng(1), 80)


@pytest.fixture
def shared(fp32_bundle, monkeypatch):
    """Let sessions with the exact bundle step together, for as long as others take to come."""
    monkeypatch.setattr(session_module, "_TOGETHER", {})
    monkeypatch.setattr(together, "WAIT_S", PATIENCE_S)
    return step_together(fp32_bundle, threads=1)


def begun(bundle, n_events, n_takes, said):
    """Return a session that has said the first events of something."""
    session = Session(bundle, n_takes=n_takes, threads=1)
    session.append(said[:n_events])
    return session


def all_at_once(shared, steps):
    """Return what several functions return that are called at the same time."""
    barrier = Barrier(len(steps))

    def be(step):
        with shared.join():
            barrier.wait(PATIENCE_S)
            return step()

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(be, steps))


def rngs(n):
    return [np.random.default_rng(take) for take in range(n)]


def test_different_requests_are_one_run(shared, fp32_bundle, phrase):
    """However far each is, and however many takes it has."""
    sizes = [(3, 1), (len(phrase), 2), (17, 3)]
    alone = [
        begun(fp32_bundle, n_events, n_takes, phrase).next(rngs=rngs(n_takes))
        for n_events, n_takes in sizes
    ]
    n_before = shared.n_runs
    sessions = [begun(fp32_bundle, *size, phrase) for size in sizes]
    for session in sessions:
        session.catch_up()
    steps = all_at_once(
        shared,
        [lambda each=each: each.next(rngs=rngs(each.n_takes)) for each in sessions],
    )

    assert shared.n_runs == n_before + 1
    for step, expected in zip(steps, alone, strict=True):
        np.testing.assert_array_equal(step.events, expected.events)
        np.testing.assert_allclose(step.log_probs, expected.log_probs, atol=1e-4)


def test_what_is_drawn_in_another_way_is_another_run(shared, fp32_bundle, phrase, monkeypatch):
    """A temperature is one for all takes of a run."""
    sessions = [begun(fp32_bundle, 5, 1, phrase) for _ in range(2)]
    for session in sessions:
        session.catch_up()
    monkeypatch.setattr(together, "WAIT_S", 0.05)
    steps = all_at_once(
        shared,
        [
            lambda session=session, heat=heat: session.next(
                sampling=Sampling(temperature=heat), rngs=rngs(1)
            )
            for session, heat in zip(sessions, (0.5, 2.0), strict=True)
        ],
    )

    assert shared.n_runs == 2
    assert len(steps) == 2


def test_pieces_written_together_are_those_written_alone(fp32_bundle, monkeypatch):
    """From the first note to the last, while others come and go."""
    score = Score(
        table(NOTE_DTYPE, [(24 * beat, 24, 60 + beat % 7, 80, 0) for beat in range(16)]),
        (Part(0),),
    )

    def write(seed):
        options = Options(bars=str(1 + seed), takes=1 + seed % 2, seed=seed)
        return carry_out("continue", score, fp32_bundle, options, threads=1)

    alone = [write(seed) for seed in range(4)]
    monkeypatch.setattr(session_module, "_TOGETHER", {})
    shared = step_together(fp32_bundle, threads=1)
    written = all_at_once(shared, [lambda seed=seed: write(seed) for seed in range(4)])

    assert shared.n_runs < shared.n_steps
    for takes, expected in zip(written, alone, strict=True):
        for take, known in zip(takes, expected, strict=True):
            np.testing.assert_array_equal(take.score.notes, known.score.notes)


def test_who_is_alone_waits_for_nobody(shared, fp32_bundle, phrase):
    """With this much patience the test would not end."""
    session = begun(fp32_bundle, 5, 1, phrase)
    with shared.join():
        session.next(rngs=rngs(1))

    assert (shared.n_runs, shared.n_steps) == (1, 1)


def test_what_goes_wrong_is_told_to_all():
    """Nobody waits for ever for somebody who has failed."""

    class Broken:
        def run(self, names, feeds, /):
            raise ValueError(names, len(feeds["ids"]))

    shared = Together(Broken())
    feeds = {
        name: np.zeros((1, 1)) for name in ("ids", "temperature", "top_k", "top_p", "min_p")
    }

    def fail():
        with pytest.raises(ValueError, match="chosen"):
            shared.run(("chosen",), feeds)
        return True

    assert all(all_at_once(shared, [fail, fail, fail]))


def test_what_cannot_be_shared_out_is_told_to_all():
    """As when a model answers less than it was asked for."""

    class Silent:
        def run(self, _names, _feeds, /):
            return []

    shared = Together(Silent())
    feeds = {
        name: np.zeros((1, 1)) for name in ("ids", "temperature", "top_k", "top_p", "min_p")
    }

    def fail():
        with pytest.raises(ValueError, match="shorter"):
            shared.run(("chosen",), feeds)
        return True

    assert all(all_at_once(shared, [fail, fail, fail]))
