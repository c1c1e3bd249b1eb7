"""Restoring: a bundle gives back the network that it plays."""

import json
import shutil

import numpy as np
import pytest
import torch

from sideman.bundle import CARD, load_bundle
from sideman.engine.session import Session
from sideman.errors import BundleError
from sideman.model.export import bundle_network
from sideman.model.restore import restore_network
from sideman.tokens.vocabulary import PROGRAM, Vocabulary

FP32_TOLERANCE, INT8_TOLERANCE = 1e-4, 0.03
"""Nats of a decision; in 8 bits the engine rounds what goes into a product as well."""


def network_log_probs(network, events):
    """Return what the network says of all events but the first, shape (T - 1, J)."""
    vocabulary = Vocabulary()
    ids = torch.from_numpy(vocabulary.ids(events))[None]
    targets = torch.from_numpy(vocabulary.targets(events))[None, 1:]
    with torch.no_grad():
        hidden = network.hidden(ids, torch.zeros(ids.shape[:2], dtype=torch.long))
        scores = network.slot_logits(hidden[:, :-1], targets, ids[:, 1:, PROGRAM])
    found = [
        score.log_softmax(-1).gather(-1, targets[..., slot, None].clamp(min=0))[..., 0]
        for slot, score in enumerate(scores)
    ]
    return np.where(targets[0] < 0, 0, torch.stack(found, -1)[0])


def test_exact_weights_come_back(fp32_bundle, tiny_network):
    """What was trained can be trained further."""
    restored = restore_network(fp32_bundle)

    assert restored.config == tiny_network.config
    torch.testing.assert_close(restored.state_dict(), tiny_network.state_dict())


def test_the_network_says_what_its_bundle_plays(bundle, speak):
    """In 8 bits too: it is the engine's model that is learned from, not a better one."""
    events = speak(np.random.default_rng(3), 120)
    session = Session(bundle)
    session.append(events[:1])
    played = session.score(events[1:])[0]

    difference = np.abs(network_log_probs(restore_network(bundle), events) - played)

    is_exact = bundle.card["precision"] == "fp32"
    assert difference.mean() < (FP32_TOLERANCE if is_exact else INT8_TOLERANCE)


def test_nothing_is_lost_by_coming_and_going(tiny_bundles, tmp_path):
    """Eight bits of eight bits are the same eight bits."""
    first = load_bundle(tiny_bundles["int8"])
    network = restore_network(first)

    again = bundle_network(
        network,
        first.vocabulary,
        tmp_path / "again",
        precision="int8",
        card={"name": "again"},
        ring_slack=first.card["ring_slack"],
    )

    torch.testing.assert_close(restore_network(again).state_dict(), network.state_dict())


def test_a_weight_comes_back_within_half_a_step(tiny_bundles, tiny_network):
    """A step is 1/127 of the largest weight among 32 neighbours, so of the row's at most."""
    before = tiny_network.state_dict()
    after = restore_network(load_bundle(tiny_bundles["int8"])).state_dict()

    for name, weights in before.items():
        step = weights.abs().amax(dim=-1, keepdim=True) / 127
        assert ((after[name] - weights).abs() <= 0.501 * step).all(), name


@pytest.mark.parametrize("change", [{"d_hidden": 64}, {"n_layers": 4}, {"colour": 1}])
def test_a_bundle_of_another_build_is_refused(tiny_bundles, tmp_path, change):
    """One line, not a traceback from inside PyTorch."""
    folder = shutil.copytree(tiny_bundles["int8"], tmp_path / "other")
    card = json.loads((folder / CARD).read_text())
    card["network"] |= change
    (folder / CARD).write_text(json.dumps(card))

    with pytest.raises(BundleError, match="cannot be learned from: it is not as this sideman"):
        restore_network(load_bundle(folder))
