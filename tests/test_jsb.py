"""The chorale benchmark: it counts the whole of a chorale, and nothing twice."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.model.network import IGNORED, Network, NetworkConfig
from sideman.tokens.vocabulary import Kind
from sideman.train.recipe import Recipe

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(BENCHMARKS)  # scripts, no part of the package
    import jsb

CHORALE = np.array(
    # soprano, alto, tenor, bass: an upbeat of a quarter, then a bar
    [(72, 67, 64, 48)] * 4
    + [(71, 67, 62, 55)] * 8
    + [(72, 67, 62, jsb.REST)] * 2
    + [(72, 67, 60, jsb.REST)] * 2
    + [(72, 67, 64, 48)] * 4
)
N_NOTES = 3 + 1 + 4 + 3
"""Stretches of one pitch in it, by voice."""


@st.composite
def chorales(draw):
    """Return cells whose voices stay on a pitch, or rest, for some 16ths.

    They are no longer than the longest note whose length is exact to the 16th.
    """
    n_steps = 4 * draw(st.integers(1, 8))
    pitch = st.sampled_from((jsb.REST, 48, 50, 60, 127))
    held = st.tuples(pitch, st.integers(1, 20))
    lines = [
        draw(st.lists(held, min_size=1, max_size=6).map(_line)) for _ in range(jsb.N_VOICES)
    ]
    return np.array([np.resize(line, n_steps) for line in lines]).T


def _line(stretches):
    return np.concatenate([np.full(length, pitch) for pitch, length in stretches])


@pytest.fixture(scope="module")
def network():
    """Return a tiny network that foretells something."""
    torch.manual_seed(1)
    network = Network(NetworkConfig(32, 2, 2, 1, 48, window=16, global_every=2))
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return network


@settings(max_examples=30)
@given(chorales())
def test_the_stream_gives_back_every_cell(cells):
    """Only then are its nats a bound of what the cells cost."""
    assert np.array_equal(jsb.to_cells(jsb.to_events(cells)), cells)


def test_a_note_is_as_long_as_its_pitch_stays():
    """Cells know no repeated note, so a note that ended sooner would be something more."""
    piece = jsb.to_events(CHORALE)

    kinds = np.bincount(piece[:, 0], minlength=len(Kind))

    assert kinds[Kind.NOTE] == N_NOTES
    assert (kinds[Kind.PART], kinds[Kind.BAR], kinds[Kind.END]) == (jsb.N_VOICES, 2, 1)


@settings(max_examples=30)
@given(chorales())
def test_what_comes_is_always_possible(cells):
    """Where it was not, the stream would cost infinitely much."""
    piece = jsb.to_events(cells)
    targets = jsb.VOCABULARY.targets(piece[1:])

    for slot, mask in enumerate(jsb.possible(piece)):
        rows = np.flatnonzero(targets[:, slot] != IGNORED)
        assert mask[rows, targets[rows, slot]].all()


def test_a_voice_that_sings_may_not_begin_another_note():
    """The reader knows that it has four voices, so this need not be learned nor paid for."""
    piece = jsb.to_events(CHORALE)
    kinds = jsb.possible(piece)[0]
    first_bar = int(np.flatnonzero(piece[:, 0] == Kind.BAR)[0])

    behind_four_notes = first_bar + jsb.N_VOICES  # row r is of event r + 1

    assert not kinds[behind_four_notes, Kind.NOTE]


def test_parts_and_bars_of_4_4_cost_nothing_where_there_is_no_choice(network):
    """All but the metre of the first bar is the same in every chorale."""
    piece = jsb.to_events(CHORALE)
    is_second_bar = np.cumsum(piece[1:, 0] == Kind.BAR) == 2
    masks = jsb.possible(piece)

    head, bar = masks[1][: jsb.N_VOICES].sum(1), masks[1][is_second_bar][0].sum()

    assert head.tolist() == [1] * jsb.N_VOICES
    assert bar == 1


@settings(max_examples=15)
@given(cells=chorales())
def test_to_know_what_is_possible_never_costs(network, cells):
    """It only takes away what cannot be, and the rest grows."""
    piece = jsb.to_events(cells)

    plain, known = jsb.nats(network, piece), jsb.nats(network, piece, jsb.possible(piece))

    assert torch.isfinite(known).all()
    assert (known <= plain + 1e-9).all()


def test_a_piece_costs_the_same_alone_and_among_others(network):
    """Else the figure would hang on how the pieces are packed."""
    pieces = [jsb.to_events(CHORALE + 2 * k * (CHORALE > 0)) for k in range(3)]
    batch = jsb.whole_pieces(pieces, length=64)

    arrays = (batch.ids, batch.piece, batch.targets, batch.program_ids)
    with torch.no_grad():
        together = network(*(torch.from_numpy(array) for array in arrays))

    assert batch.n_notes == 3 * N_NOTES
    alone = torch.stack([jsb.nats(network, piece) for piece in pieces]).sum(0)
    assert torch.allclose(together.double(), alone)


def test_no_voice_is_moved_out_of_the_range_it_was_heard_in():
    """Moved further, the chorales would be others than those that are measured."""
    pieces = [jsb.to_events(CHORALE), jsb.to_events(CHORALE + 3 * (CHORALE > 0))]
    sampler = jsb.ChoraleSampler(pieces, Recipe(context=64, transpose=6))

    batch = sampler.batch([np.random.default_rng(row) for row in range(20)])

    offset = jsb.VOCABULARY.slot_offsets[Kind.NOTE, jsb.PITCH]
    is_note = batch.targets[..., 0] == Kind.NOTE
    pitches = batch.targets[..., jsb.PITCH][is_note] - offset
    sopranos = pitches[batch.targets[..., 3][is_note] == batch.targets[..., 3][is_note].min()]
    assert set(sopranos.tolist()) == {71, 72, 73, 74, 75}
