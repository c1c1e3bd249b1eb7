"""Recalling: what was remembered is mixed in as defined, slot by slot, within the masks."""

import numpy as np
import pytest
import torch

from sideman.engine.sampling import Sampling
from sideman.engine.session import Neighbours, Session
from sideman.tokens.choices import Limits, choices
from sideman.tokens.vocabulary import N_PARTS, N_PITCHES, N_SLOTS, Kind, Vocabulary

TOLERANCE = 1e-4  # nats, between NumPy in 64 bits and ONNX in 32
N_TAKES = 3
KINDS = np.arange(len(Kind))
ONLY_NOTES = Limits(kinds=KINDS == Kind.NOTE)
HALF_THE_PITCHES = Limits(pitches=np.tile(np.arange(2 * N_PITCHES) % 2 == 0, (N_PARTS, 1)))


def softmax(scores):
    likely = np.exp(scores - scores.max())
    return likely / likely.sum()


def rngs(seed):
    return [np.random.default_rng((seed, take)) for take in range(N_TAKES)]


def recalling(targets, weights):
    """Return what always finds these neighbours."""
    found = Neighbours(np.asarray(targets, np.int64), np.asarray(weights, np.float32))
    return lambda _: found


@pytest.fixture
def session(fp32_bundle, speak):
    """Return a session of three takes in the middle of a piece."""
    made = Session(fp32_bundle, n_takes=N_TAKES, threads=1)
    made.append(speak(np.random.default_rng(2), 40))
    return made


@pytest.fixture
def some(session):
    """Return targets of six events that each take might say, one silent in its velocity."""
    events = [session.next(rngs=rngs(seed)).events for seed in range(5)]
    targets = np.stack([Vocabulary().targets(row) for row in events], axis=1)
    silent = targets[:, :1].copy()
    silent[..., N_SLOTS - 1] = -1
    return np.concatenate([targets, silent], axis=1)


class Watched:
    """Runs the graph that chooses and keeps the scores it gave."""

    def __init__(self, session):
        self.graph, self.scores = session._choose(), np.zeros(0)
        session._choose = lambda: self

    def run(self, names, feeds):
        """Run the graph as a session does."""
        *found, self.scores = self.graph.run([*names, "scores"], feeds)
        return found


def expected(scores, table, targets, weights, value):
    """Return the log-probability of each slot of a choice, by the definition in NumPy."""
    own, weights = 1 - weights.sum(), weights.astype(np.float64)
    state, start, found = 0, 0, []
    for slot in range(N_SLOTS):
        allowed = table.allowed[slot][state]
        p = softmax(np.where(allowed, scores[start : start + len(allowed)], -1e9))
        said = targets[:, slot]
        weights = np.where((said < 0) | allowed[said], weights, 0)
        total = own + weights.sum()
        agrees = np.where(said < 0, p[value[slot]], said == value[slot])
        share = (own * p[value[slot]] + (weights * agrees).sum()) / total
        found.append(np.log(share))
        own, weights = own * p[value[slot]], weights * agrees
        start += len(allowed)
        state = table.follow[slot][state, value[slot]] if slot < N_SLOTS - 1 else 0
    return np.array(found)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
@pytest.mark.parametrize("limits", [None, ONLY_NOTES, HALF_THE_PITCHES])
def test_choices_are_as_likely_as_the_mixture_says(session, some, share, limits):
    """Bayes' rule from slot to slot, as defined; neighbours that may not come drop out."""
    watched = Watched(session)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        weights = share * rng.dirichlet(np.ones(some.shape[1]), N_TAKES).astype(np.float32)
        step = session.next(limits, rngs=rngs(seed), recall=recalling(some, weights))
        values = np.maximum(Vocabulary().targets(step.events), 0)
        for take, sentence in enumerate(session.sentences):
            wanted = expected(
                watched.scores[take].astype(np.float64),
                choices(sentence, limits),
                some[take],
                weights[take],
                values[take],
            )
            np.testing.assert_allclose(step.log_probs[take], wanted, atol=TOLERANCE)


def test_slots_multiply_to_the_mixture_of_whole_events(session, some):
    """The chain is exact: the model's share of an event and all neighbours that are it."""
    watched, targets = Watched(session), some[:, :-1]
    weights = np.full(targets.shape[:2], 0.15, np.float32)
    for seed in range(12):
        step = session.next(rngs=rngs(seed), recall=recalling(targets, weights))
        chosen = Vocabulary().targets(step.events)
        for take, sentence in enumerate(session.sentences):
            scores = watched.scores[take].astype(np.float64)
            nobody = targets[take, :0], weights[take, :0]
            value = np.maximum(chosen[take], 0)
            own = np.exp(expected(scores, choices(sentence), *nobody, value).sum())
            recalled = (targets[take] == chosen[take]).all(axis=1) @ weights[take]
            wanted = np.log((1 - weights[take].sum()) * own + recalled)
            assert step.log_probs[take].sum() == pytest.approx(wanted, abs=TOLERANCE)


def test_what_is_certain_is_said(session, some):
    """A neighbour of nearly all the weight is what comes next, in all its slots."""
    weights = np.zeros((N_TAKES, some.shape[1]), np.float32)
    weights[:, 3] = 1 - 1e-6

    step = session.next(rngs=rngs(1), recall=recalling(some, weights))

    np.testing.assert_array_equal(Vocabulary().targets(step.events), some[:, 3])


def test_what_is_certain_and_forbidden_is_not_said(session, some):
    """Then the model decides alone, as if nothing had been remembered."""
    only_bars = Limits(kinds=KINDS == Kind.BAR)
    notes = np.repeat(some[:, :1], 2, axis=1)
    notes[..., 0] = Kind.NOTE
    weights = np.full((N_TAKES, 2), 0.5, np.float32)

    step = session.next(only_bars, rngs=rngs(1), recall=recalling(notes, weights))
    alone = session.next(only_bars, rngs=rngs(1))

    np.testing.assert_array_equal(step.events, alone.events)
    np.testing.assert_allclose(step.log_probs, alone.log_probs, atol=TOLERANCE)


@pytest.mark.parametrize("n_neighbours", [0, 1, 6])
def test_neighbours_without_weight_change_nothing(session, some, n_neighbours):
    """As when there are none, or when nothing is recalled at all."""
    weights = np.zeros((N_TAKES, n_neighbours))
    for seed in range(10):
        with_none = recalling(some[:, :n_neighbours], weights)
        step = session.next(rngs=rngs(seed), recall=with_none)
        alone = session.next(rngs=rngs(seed))
        np.testing.assert_array_equal(step.events, alone.events)
        np.testing.assert_allclose(step.log_probs, alone.log_probs, atol=TOLERANCE)


def test_neighbours_that_say_nothing_go_along_with_the_model(session):
    """A row of -1 fills up where fewer were found."""
    nobody = recalling(np.full((N_TAKES, 4, N_SLOTS), -1), np.full((N_TAKES, 4), 0.2))

    step = session.next(rngs=rngs(4), recall=nobody)

    alone = session.next(rngs=rngs(4))
    np.testing.assert_array_equal(step.events, alone.events)
    np.testing.assert_allclose(step.log_probs, alone.log_probs, atol=TOLERANCE)


def test_remembered_events_come_as_often_as_they_are_likely(session, some):
    """A fair draw: shares within four sigmas of what the mixture says of the event."""
    recall, n_draws = recalling(some[:, :1], np.full((N_TAKES, 1), 0.4)), 150
    steps = [session.next(rngs=rngs(seed), recall=recall) for seed in range(n_draws)]
    drawn = np.stack([Vocabulary().targets(step.events) for step in steps])
    is_it = (drawn == some[:, 0]).all(axis=2)
    likely = np.exp(np.stack([step.log_probs.sum(axis=1) for step in steps]))

    for take in range(N_TAKES):
        wanted = likely[is_it[:, take], take][0]
        assert wanted >= 0.4
        sigma = np.sqrt(wanted * (1 - wanted) / n_draws)
        assert abs(is_it[:, take].mean() - wanted) <= 4 * sigma


def test_cuts_are_those_of_the_mixture(session, some):
    """With top-k 1 the likeliest value of the mixture is taken, slot by slot."""
    weights = np.zeros((N_TAKES, some.shape[1]), np.float32)
    weights[:, 2] = 0.9
    for settings in ({"top_k": 1}, {"min_p": 0.9}, {"top_p": 0.05}, {"temperature": 0}):
        step = session.next(
            sampling=Sampling(**settings), rngs=rngs(5), recall=recalling(some, weights)
        )
        np.testing.assert_array_equal(Vocabulary().targets(step.events), some[:, 2])


def test_what_is_recalled_by_is_what_the_network_knows(session, tiny_network):
    """The hidden state after the last event, as PyTorch has it; and so for all events run."""
    asked = []

    def recall(hidden):
        asked.append(hidden)
        return Neighbours(
            np.zeros((N_TAKES, 0, N_SLOTS), np.int64), np.zeros((N_TAKES, 0), "f")
        )

    session.next(rngs=rngs(0), recall=recall)
    ids = torch.from_numpy(Vocabulary().ids(session.events()))[None]
    with torch.no_grad():
        hidden = tiny_network.hidden(ids, torch.zeros(ids.shape[:2], dtype=torch.long))

    for take in range(N_TAKES):
        np.testing.assert_allclose(session.hidden(take), hidden[0], atol=TOLERANCE)
        np.testing.assert_array_equal(asked[0][take], session.hidden(take)[-1])
