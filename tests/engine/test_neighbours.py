"""The memory of what was played: found again by what the model knew, and forgotten."""

import numpy as np
import pytest

from sideman.engine.neighbours import N_NEIGHBOURS, REACH, TEMPERATURE, NeighbourMemory
from sideman.engine.sampling import Sampling
from sideman.engine.session import Session
from sideman.errors import EngineError
from sideman.tokens.vocabulary import N_SLOTS, Vocabulary

WIDTH = 32


def states(n, seed=0):
    """Return hidden states (N, C) of what might be."""
    return np.random.default_rng(seed).normal(size=(n, WIDTH)).astype(np.float32)


def numbered(n):
    """Return targets (N, J) that tell which is which."""
    return np.repeat(np.arange(n)[:, None], N_SLOTS, axis=1)


@pytest.fixture
def memory(fp32_bundle):
    """Return an empty memory of 50 events."""
    return NeighbourMemory(fp32_bundle, share=0.8, capacity=50)


def test_the_nearest_are_found_and_weighed_as_defined(memory):
    """By squared distance as a share of the query's square, in 64 bits and one by one."""
    keys, queries = states(40), states(3, seed=1)
    keys[7] = queries[1] + 0.05
    memory.add(keys, numbered(40))

    found = memory.recall(queries)

    for query, targets, weights in zip(queries, found.targets, found.weights, strict=True):
        far = np.square(keys.astype(np.float64) - query).sum(axis=1) / np.square(query).sum()
        nearest = np.argsort(far)[:N_NEIGHBOURS]
        likely = np.exp((far.min() - far[nearest]) / TEMPERATURE)
        wanted = 0.8 * np.exp(-far.min() / REACH) * likely / likely.sum()
        order = np.argsort(-weights)
        np.testing.assert_array_equal(targets[order, 0], nearest)
        np.testing.assert_allclose(weights[order], wanted, rtol=1e-3, atol=1e-9)


def test_what_is_known_exactly_has_the_whole_share(memory):
    """The further all is from what was, the more the model decides alone."""
    keys = states(1)
    memory.add(keys, numbered(1))

    totals = [memory.recall(keys * scale).weights.sum() for scale in (1.0, 1.2, 1.5, 3.0)]

    assert totals[0] == pytest.approx(0.8, abs=1e-4)
    assert totals == sorted(totals, reverse=True)
    assert all(0 <= total <= 1 for total in totals)


def test_an_empty_memory_recalls_nobody(memory):
    """For every take none."""
    found = memory.recall(states(3))

    assert found.targets.shape == (3, 0, N_SLOTS)
    assert found.weights.shape == (3, 0)


@pytest.mark.parametrize("portions", [[120], [30, 30, 60], [49, 2, 69], [1] * 120])
def test_the_oldest_make_room(memory, portions):
    """However they came: what is kept is the last that fits."""
    keys, targets = states(120), numbered(120)
    for end, n in zip(np.cumsum(portions), portions, strict=True):
        memory.add(keys[end - n : end], targets[end - n : end])

    assert len(memory) == 50
    found = memory.recall(keys)
    likeliest = np.take_along_axis(
        found.targets[..., 0], found.weights.argmax(axis=1)[:, None], axis=1
    )[:, 0]
    assert (likeliest[70:] == np.arange(70, 120)).all()
    assert (found.targets >= 70).all()


def test_what_is_told_is_not_remembered(memory):
    """START and given notes are never chosen, so they are no neighbours."""
    targets = numbered(4)
    targets[[0, 2]] = -1

    memory.add(states(4), targets)

    assert len(memory) == 2
    assert set(memory.recall(states(1)).targets[0, :, 0].tolist()) == {1, 3}


def test_forgotten_is_forgotten(memory):
    """And what is added then is all there is."""
    memory.add(states(60), numbered(60))
    memory.forget()
    assert len(memory) == 0

    memory.add(states(2), numbered(2))

    assert len(memory) == 2


def test_a_saved_memory_comes_back(memory, fp32_bundle, tmp_path):
    """Beside what is remembered already; the oldest stays the first to go."""
    keys = states(70)
    memory.add(keys, numbered(70))
    memory.save(tmp_path / "tonight.npz")
    other = NeighbourMemory(fp32_bundle, share=0.8, capacity=60)
    other.add(states(20, seed=3), numbered(20) + 100)

    other.load(tmp_path / "tonight.npz")

    assert len(other) == 60
    again = other.recall(keys[20:])
    best = again.targets[np.arange(50), again.weights.argmax(axis=1), 0]
    np.testing.assert_array_equal(best, np.arange(20, 70))
    assert [path.name for path in tmp_path.iterdir()] == ["tonight.npz"]


def test_a_memory_of_another_model_is_refused(memory, tiny_bundles, tmp_path):
    """Its hidden states mean nothing here."""
    from sideman.bundle import load_bundle

    memory.save(tmp_path / "tonight.npz")
    other = NeighbourMemory(load_bundle(tiny_bundles["int8"]), share=0.8)

    with pytest.raises(EngineError, match=r"is what the model \w+ remembers; this is"):
        other.load(tmp_path / "tonight.npz")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"notes"])
def test_what_is_no_memory_is_refused(memory, tmp_path, content):
    """Whatever lies there, in one line."""
    path = tmp_path / "tonight.npz"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(EngineError, match="is no memory or a broken one"):
        memory.load(path)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(fp32_bundle, share):
    """The message says which there may be."""
    with pytest.raises(EngineError, match="it must be 0 to 1"):
        NeighbourMemory(fp32_bundle, share=share)


def test_a_phrase_that_was_remembered_is_played_again(fp32_bundle, speak):
    """With all the weight on the memory, a session says once more what it has heard."""
    piece = speak(np.random.default_rng(3), 60)
    heard = Session(fp32_bundle, threads=1)
    heard.append(piece)
    heard.catch_up()
    memory = NeighbourMemory(fp32_bundle, share=0.999)
    memory.add(heard.hidden(), Vocabulary().targets(piece[1:]))
    session = Session(fp32_bundle, threads=1)
    session.append(piece[:20])
    for _ in range(40):
        step = session.next(
            sampling=Sampling(temperature=0.1),
            rngs=[np.random.default_rng(len(session))],
            recall=memory.recall,
        )
        session.append(step.events[:, None])

    np.testing.assert_array_equal(session.events(), piece)
