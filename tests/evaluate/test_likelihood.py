"""Likelihood: what the graphs say is counted once, in its place, with masks and without."""

import numpy as np
import pytest

from sideman.engine.session import Session
from sideman.evaluate.likelihood import (
    BITS_PER_NAT,
    _Decisions,
    measure_likelihood,
    measure_reliability,
)
from sideman.evaluate.listener import Listener
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.codec import Layout, encode
from sideman.tokens.vocabulary import ATTRIBUTES, Extent, Kind

N_VALUES = 8


@pytest.fixture(scope="session")
def events():
    """Return two sentences of one length: a scale of the piano, up and down."""
    layout = Layout(extent=Extent.MIDDLE)
    scores = [
        Score(
            table(NOTE_DTYPE, [(24 * n, 20, 60 + step * n, 80, 0) for n in range(24)]),
            (Part(0),),
        )
        for step in (1, -1)
    ]
    return np.stack([encode(score, layout)[0] for score in scores])


def test_a_listener_hears_what_a_session_scores(fp32_bundle, events):
    """It runs the graph at once, without a cache; the figures must be those of the engine."""
    heard = Listener(fp32_bundle, threads=1).hear(events[0])
    session = Session(fp32_bundle, threads=1)
    session.append(events[0, :1])

    scored = session.score(events[0, 1:])[0]

    assert np.allclose(-heard.nats[1:], scored, atol=1e-4)
    assert (heard.nats[0] == 0).all()
    assert len(heard.values) == len(events[0])


def test_weighing_finds_the_truth_as_likely_as_hearing_does(fp32_bundle, events):
    """Two graphs and two ways to say the truth: forced choices and targets."""
    listener = Listener(fp32_bundle, threads=1)
    heard = np.stack([listener.hear(sentence).nats for sentence in events])
    weighed = np.zeros_like(heard)
    for at, slots in listener.weigh(events):
        for slot in slots:
            total = np.log(np.exp(slot.scores).sum(axis=1))
            true = slot.scores[np.arange(len(slot.rows)), slot.targets]
            weighed[slot.rows, at, slot.slot] = total - true

    assert np.allclose(weighed, heard, atol=1e-4)


def test_the_grammar_allows_what_was_played(fp32_bundle, events):
    """A mask that forbade real music would make it infinitely surprising."""
    for _, slots in Listener(fp32_bundle, threads=1).weigh(events):
        for slot in slots:
            assert slot.allowed[np.arange(len(slot.rows)), slot.targets].all()


def test_attributes_sum_to_the_whole_and_styles_weigh_by_notes(fp32_bundle, shards):
    """No bit is counted twice or lost."""
    found = measure_likelihood(Listener(fp32_bundle, threads=1), shards, seed=1)

    assert sum(share.bits.value for share in found.attributes) == pytest.approx(
        found.total.bits.value
    )
    notes = [share.n_notes for share in found.styles]
    bits = [share.bits.value for share in found.styles]
    assert np.average(bits, weights=notes) == pytest.approx(found.total.bits.value)
    assert [share.name for share in found.styles] == ["folk", "unheard"]
    assert {share.name for share in found.roles} >= {"bass", "drums"}
    assert found.total.bits.low < found.total.bits.value < found.total.bits.high


def test_masks_never_make_real_music_less_likely(fp32_bundle, shards):
    """They take probability from what cannot be, so what can be has more."""
    found = measure_likelihood(Listener(fp32_bundle, threads=1), shards, seed=1).reliability
    free = {row.name: row for row in found if not row.is_masked}
    masked = {row.name: row for row in found if row.is_masked}

    assert free.keys() == masked.keys()
    for name, row in masked.items():
        assert row.observed_bits <= free[name].observed_bits + 1e-9
        assert row.n == free[name].n == sum(row.counts)
    assert free["all"].n == sum(row.n for name, row in free.items() if name != "all")
    assert masked["kind"].observed_bits < free["kind"].observed_bits


def test_windows_too_short_for_the_sample_leave_no_calibration(fp32_bundle):
    """Nothing is said of nothing."""
    assert measure_reliability(Listener(fp32_bundle, threads=1), []) == ()


def decisions(probs, targets):
    """Return what is said of decisions about the first attribute."""
    found = _Decisions()
    with np.errstate(divide="ignore"):
        found.add(np.zeros(len(targets), np.int64), np.log(probs), np.array(targets))
    summed = {row.name: row for row in found.summed_up(is_masked=False)}
    assert summed.keys() == {"all", ATTRIBUTES[Kind.START].name}
    return summed["all"]


def test_who_is_right_as_often_as_it_says_has_no_calibration_error():
    """Of two values one has 0.75, and is the true one three times of four."""
    found = decisions(np.tile([0.75, 0.25, 0.0], (4, 1)), [0, 0, 1, 0])

    assert found.error == pytest.approx(0)
    assert found.expected_bits == pytest.approx(found.observed_bits)
    assert found.counts[7] == 4
    assert found.accuracy[7] == found.confidence[7] == 0.75
    assert np.isnan(found.accuracy[0])


def test_who_is_too_sure_has():
    """Certain each time, right every other time: off by a half."""
    found = decisions(np.tile([1 - 1e-9, 1e-9], (4, 1)), [0, 1, 0, 1])

    assert found.error == pytest.approx(0.5)
    assert found.expected_bits == pytest.approx(0, abs=1e-6)
    assert found.observed_bits == pytest.approx(0.5 * -np.log(1e-9) * BITS_PER_NAT)


def test_who_knows_nothing_expects_as_many_bits_as_there_are():
    """Evenly over eight values: three bits, whatever comes."""
    found = decisions(np.full((2, N_VALUES), 1 / N_VALUES), [3, 5])

    assert found.expected_bits == pytest.approx(3)
    assert found.observed_bits == pytest.approx(3)
