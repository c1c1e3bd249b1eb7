"""The network: what sees what, and what the loss counts."""

import pytest
import torch
import torch.nn.functional as F

from sideman.model.network import IGNORED, PRESETS, Attention, Network, NetworkConfig
from sideman.tokens.vocabulary import N_COLUMNS, N_SLOTS

WINDOW = 4
ALL_LOCAL, ALL_GLOBAL = 99, 1


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def network(n_layers=2, global_every=2):
    """Return a tiny network with random weights; as it is made, it hands through its input."""
    made = Network(
        NetworkConfig(16, n_layers, 4, 2, 24, window=WINDOW, global_every=global_every)
    )
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(std=0.3, generator=generator)
        made.embedding.weight[0] = 0
    return made


def random_ids(made, n_rows, length, seed=2):
    """Return ids (B, T, columns) of events that make no sense."""
    generator = torch.Generator().manual_seed(seed)
    shape = (n_rows, length, N_COLUMNS)
    return torch.randint(1, made.embedding.num_embeddings, shape, generator=generator)


def random_targets(made, n_rows, length, seed=3):
    generator = torch.Generator().manual_seed(seed)
    slots = [
        torch.randint(size, (n_rows, length), generator=generator) for size in made.slot_sizes
    ]
    return torch.stack(slots, dim=-1)


def changed_after(made, at, length=24):
    """Return the events whose hidden vector changes when event `at` is another."""
    ids, piece = random_ids(made, 1, length), torch.zeros(1, length, dtype=torch.long)
    others = ids.clone()
    others[0, at] = random_ids(made, 1, 1, seed=9)[0, 0]
    with torch.no_grad():
        difference = (made.hidden(ids, piece) - made.hidden(others, piece)).abs().amax(-1)
    return (difference[0] > 1e-7).nonzero()[:, 0].tolist()


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("at", [0, 5, 7, 8])
def test_local_layers_see_their_window_and_no_further(n_layers, at):
    """At play time a local layer's keys and values lie in a ring of that length."""
    reach = n_layers * (WINDOW - 1)

    changed = changed_after(network(n_layers, ALL_LOCAL), at)

    assert changed == list(range(at, at + reach + 1))


@pytest.mark.parametrize("global_every", [ALL_GLOBAL, 2, ALL_LOCAL])
def test_no_event_sees_a_later_one(global_every):
    """Else the network would learn to copy what it is to foretell."""
    changed = changed_after(network(2, global_every), at=9)

    assert min(changed) == 9


def test_global_layer_sees_everything_before():
    """One of them carries the beginning of the piece to its end."""
    assert changed_after(network(2, global_every=2), at=0) == list(range(24))


@pytest.mark.parametrize("global_every", [ALL_GLOBAL, 2, ALL_LOCAL])
def test_pieces_in_one_row_do_not_see_each_other(global_every):
    """A piece gives the same vectors wherever in a row it lies, and whatever lies before."""
    made = network(2, global_every)
    ids = random_ids(made, 1, 19)
    piece = torch.tensor([[0] * 6 + [1] * 13])

    with torch.no_grad():
        packed = made.hidden(ids, piece)
        first = made.hidden(ids[:, :6], piece[:, :6])
        second = made.hidden(ids[:, 6:], piece[:, 6:])

    torch.testing.assert_close(packed[:, :6], first, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(packed[:, 6:], second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 3, 4, 5, 8, 13])
def test_attention_in_blocks_equals_attention_through_a_mask(length):
    """The blocks only leave out what the mask forbids; 13 is no multiple of the window."""
    config = NetworkConfig(16, 1, 4, 2, 24, window=WINDOW)
    attention = Attention(config, is_global=False)
    generator = torch.Generator().manual_seed(4)
    q = torch.randn(2, 4, length, 4, generator=generator)
    k, v = (torch.randn(2, 2, length, 4, generator=generator) for _ in range(2))
    piece = torch.stack([torch.arange(length) // 6, torch.arange(length) // 3])
    at = torch.arange(length)
    before = at[:, None] - at[None, :]
    sees = (before >= 0) & (before < WINDOW) & (piece[:, :, None] == piece[:, None, :])
    k_all, v_all = k.repeat_interleave(2, dim=1), v.repeat_interleave(2, dim=1)

    blocked = attention._attend_window(q, k, v, piece)

    dense = F.scaled_dot_product_attention(q, k_all, v_all, attn_mask=sees[:, None])
    torch.testing.assert_close(blocked, dense)


def test_targets_of_minus_one_cost_nothing():
    """What is given, or what a kind does not have, is not to be learned."""
    made = network()
    ids, piece = random_ids(made, 2, 10), torch.zeros(2, 10, dtype=torch.long)
    targets, programs = random_targets(made, 2, 10), torch.zeros(2, 10, dtype=torch.long)
    early, late, none = targets.clone(), targets.clone(), torch.full_like(targets, IGNORED)
    early[:, 4:], late[:, :4] = IGNORED, IGNORED

    with torch.no_grad():
        whole, *parts = (
            made(ids, piece, wanted, programs) for wanted in (targets, early, late)
        )
        nothing = made(ids, piece, none, programs)

    torch.testing.assert_close(parts[0] + parts[1], whole)
    assert nothing.tolist() == [0.0] * N_SLOTS


@pytest.mark.parametrize("slot", range(N_SLOTS))
def test_chain_slot_sees_only_the_slots_before_it(slot):
    """Slots are decided one after the other, so a later one is not known yet."""
    made = network()
    hidden = torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(5))
    programs = torch.full((1, 5), 7)
    targets = random_targets(made, 1, 5)
    others = targets.clone()
    others[..., slot] = (targets[..., slot] + 1) % made.slot_sizes[slot]

    with torch.no_grad():
        scores = made.slot_logits(hidden, targets, programs)
        with_others = made.slot_logits(hidden, others, programs)

    is_same = [torch.equal(a, b) for a, b in zip(scores, with_others, strict=True)]
    assert is_same == [later <= slot for later in range(N_SLOTS)]


def test_program_of_the_part_is_known_after_the_part():
    """A pitch is not chosen before it is known what plays it."""
    made = network()
    hidden = torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(5))
    targets = random_targets(made, 1, 5)

    with torch.no_grad():
        piano = made.slot_logits(hidden, targets, torch.full((1, 5), 7))
        flute = made.slot_logits(hidden, targets, torch.full((1, 5), 8))

    is_same = [torch.equal(a, b) for a, b in zip(piano, flute, strict=True)]
    assert is_same == [True, True, True, True, False, False, False]


def test_new_network_knows_nothing():
    """All values are equally likely at first, so the first loss is the size of the heads."""
    made = Network(NetworkConfig(16, 1, 4, 2, 24, window=WINDOW))
    ids, piece = random_ids(made, 1, 6), torch.zeros(1, 6, dtype=torch.long)

    with torch.no_grad():
        nats = made(ids, piece, random_targets(made, 1, 6), piece)

    torch.testing.assert_close(nats, 6 * torch.tensor(made.slot_sizes).float().log())


@pytest.mark.parametrize(
    ("preset", "n_parameters"),
    [("nano", 1_091_328), ("small", 5_525_888), ("base", 14_975_488), ("large", 57_779_968)],
)
def test_presets_have_the_sizes_we_tell(preset, n_parameters):
    """Stated in README and cards, and what the speed of a preset rests on."""
    with torch.device("meta"):
        assert Network(PRESETS[preset]).n_parameters() == n_parameters
