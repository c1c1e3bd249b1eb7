"""Drawing: the step graph against the same rules in NumPy, value by value."""

import numpy as np
import pytest

from sideman.bundle import STEP
from sideman.engine import session as session_module
from sideman.engine.sampling import GREEDY_TEMPERATURE, Sampling
from sideman.engine.session import Session
from sideman.errors import EngineError
from sideman.tokens.choices import choices
from sideman.tokens.vocabulary import N_SLOTS

FORBIDDEN = -1e9


def softmax(scores):
    likely = np.exp(scores - scores.max())
    return likely / likely.sum()


def kept(scores, *, top_k=0, top_p=1.0, min_p=0.0):
    """Return which values may be drawn, by the definitions of the three papers."""
    order = np.argsort(-scores, kind="stable")
    ranked = softmax(scores.astype(np.float64))[order]
    before = np.cumsum(ranked) - ranked
    stays = (before < top_p) & (ranked >= min_p * ranked[0])
    if top_k:
        stays &= np.arange(len(scores)) < top_k
    mask = np.zeros(len(scores), bool)
    mask[order[stays]] = True
    return mask


class Recorder:
    """Runs the real graph, and remembers what went in and came out, scores too."""

    def __init__(self, graph):
        self.graph = graph
        self.names = [output.name for output in graph.get_outputs()]
        self.runs = []

    def run(self, names, feeds):
        """Run the graph as a session does."""
        found = dict(zip(self.names, self.graph.run(self.names, feeds), strict=True))
        self.runs.append((feeds, found))
        return [found[name] for name in names]


@pytest.fixture
def watched(fp32_bundle, speak):
    """Return a session of three takes in the middle of a piece, and what records its steps."""
    session = Session(fp32_bundle, n_takes=3, threads=1)
    session.append(speak(np.random.default_rng(2), 40))
    recorder = Recorder(session_module._open_graph(fp32_bundle.folder / STEP, 1, ""))
    session._step = recorder
    return session, recorder


SETTINGS = [
    {},
    {"top_k": 1},
    {"top_k": 5},
    {"top_p": 0.9},
    {"top_p": 1e-6},
    {"min_p": 0.2},
    {"min_p": 1.0},
    {"top_k": 12, "top_p": 0.7, "min_p": 0.05},
    {"temperature": 2.5, "top_p": 0.8},
    {"temperature": 0.3, "min_p": 0.1},
    {"temperature": 0.0},
    {"temperature": 1, "velocity_temperature": 2},
    {"temperature": 1.2, "rhythm_temperature": 0.5, "pitch_temperature": 2.0, "top_k": 4},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_graph_draws_as_defined(watched, settings):
    """Masks, temperature, top-k, top-p, min-p, noise: each value is the one NumPy finds."""
    session, recorder = watched
    sampling = Sampling(**settings)
    cuts = {name: settings[name] for name in ("top_k", "top_p", "min_p") if name in settings}
    for seed in range(8):
        session.next(
            sampling=sampling, rngs=[np.random.default_rng((seed, take)) for take in range(3)]
        )
        feeds, found = recorder.runs[-1]
        for take, sentence in enumerate(session.sentences):
            table, state, start = choices(sentence), 0, 0
            for slot in range(N_SLOTS):
                size = table.allowed[slot].shape[1]
                scores = found["scores"][take, start : start + size]
                noise = feeds["noise"][take, start : start + size]
                allowed = table.allowed[slot][state]
                warm = np.where(allowed, scores, FORBIDDEN) / feeds["temperature"][slot]
                noisy = np.where(kept(warm, **cuts), warm, FORBIDDEN) + noise
                value = int(found["chosen"][take, slot])

                assert value == noisy.argmax()
                assert allowed[value]
                if slot < N_SLOTS - 1:
                    state = table.follow[slot][state, value]
                start += size


def test_temperature_zero_takes_the_likeliest(watched):
    """No noise, no generator: the best value of each slot."""
    session, recorder = watched

    session.next(sampling=Sampling(temperature=0))

    feeds, _ = recorder.runs[-1]
    assert not feeds["noise"].any()
    assert (feeds["temperature"] == np.float32(GREEDY_TEMPERATURE)).all()


def test_drawn_values_are_as_frequent_as_they_are_likely(watched):
    """Gumbel noise and the best value are a fair draw: shares within four sigmas."""
    session, recorder = watched
    n_draws = 400
    kinds = np.zeros(7)
    for seed in range(n_draws):
        session.next(rngs=[np.random.default_rng((seed, take)) for take in range(3)])
        kinds += np.bincount(recorder.runs[-1][1]["chosen"][:, 0], minlength=7)
    _, found = recorder.runs[-1]
    allowed = choices(session.sentences[0]).allowed[0][0]
    likely = softmax(np.where(allowed, found["scores"][0, :7], FORBIDDEN))

    n = 3 * n_draws
    sigma = np.sqrt(likely * (1 - likely) / n)
    assert (np.abs(kinds / n - likely) <= 4 * sigma + 1e-9).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1}, "temperature is -1; it must be at least 0"),
        ({"pitch_temperature": -0.1}, "pitch_temperature is -0.1; it must be at least 0"),
        ({"top_k": -2}, "top_k is -2; it must be at least 0"),
        ({"top_p": 0}, "top_p is 0; it must be above 0 and at most 1"),
        ({"min_p": 1.5}, "min_p is 1.5; it must be 0 to 1"),
    ],
)
def test_a_setting_out_of_range_is_named(settings, message):
    """The message can be acted on without reading the source."""
    with pytest.raises(EngineError, match=message):
        Sampling(**settings)
