"""Low-rank adaptation: nothing changes at first, little learns, and merging is exact."""

import copy

import torch

from sideman.model.lora import add_lora, merge_lora

RANK = 2


def says(network):
    """Return the loss of one made-up event after a few others."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 50, (1, 6, 9), generator=generator)
    piece = torch.zeros(1, 6, dtype=torch.long)
    targets = torch.zeros(1, 6, 7, dtype=torch.long)
    return network(ids, piece, targets, piece)


def adapted(network):
    """Return a copy with products beside its layers that have learned a step."""
    torch.manual_seed(1)
    copied = copy.deepcopy(network)
    add_lora(copied, RANK)
    return copied


def learn_a_step(network):
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    torch.autograd.backward(says(network).sum())
    optimizer.step()


def test_nothing_changes_before_something_is_learned(tiny_network):
    """The first product is zero."""
    torch.testing.assert_close(says(adapted(tiny_network)), says(tiny_network))


def test_only_the_products_and_norms_learn(tiny_network):
    """The matrices and the embedding stay, to the bit; few weights move."""
    network = adapted(tiny_network)
    n_learning = sum(p.numel() for p in network.parameters() if p.requires_grad)
    learn_a_step(network)

    assert n_learning < tiny_network.n_parameters() / 3
    assert torch.equal(network.embedding.weight, tiny_network.embedding.weight)
    query, before = (n.layers[0].attention.query for n in (network, tiny_network))
    assert torch.equal(query.parametrizations.weight.original, before.weight)
    assert not torch.equal(query.weight, before.weight)


def test_merged_it_is_a_plain_network_that_says_the_same(tiny_network):
    """A bundle is written of it as of any other."""
    network = adapted(tiny_network)
    learn_a_step(network)
    before = says(network)

    merge_lora(network)

    assert network.state_dict().keys() == tiny_network.state_dict().keys()
    torch.testing.assert_close(says(network), before)
    change = (
        network.layers[0].attention.query.weight - tiny_network.layers[0].attention.query.weight
    )
    assert torch.linalg.matrix_rank(change.detach(), rtol=1e-3) == RANK
