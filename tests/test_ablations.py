"""The ablations: a variant differs from the network in the one thing it says, and no other."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sideman.model.network import Network, NetworkConfig
from sideman.tokens.codec import Layout, grid_to_events
from sideman.tokens.grid import BAR_DTYPE, GRID_CHORD_DTYPE, GRID_NOTE_DTYPE, Grid
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    Kind,
    Vocabulary,
    time_signature_value,
)

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")  # scripts, no package
    import ablation_networks as networks
    import ablation_streams as streams

CONFIG = NetworkConfig(32, 4, 4, 2, 48, window=8, global_every=2)
VOCABULARY = Vocabulary()
METRES = [int(time_signature_value(*metre)) for metre in ((4, 4), (3, 4), (6, 8))]


@st.composite
def grids(draw):
    """Return a piece of two parts in changing metres."""
    metres = draw(st.lists(st.sampled_from(METRES), min_size=2, max_size=12))
    bars = np.zeros(len(metres), BAR_DTYPE)
    bars["time_signature"] = metres
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    notes = np.zeros(draw(st.integers(0, 40)), GRID_NOTE_DTYPE)
    highest = {"bar": len(bars), "beat": 3, "tick": 12, "part": 2, "pitch": 127}
    for name, high in highest.items():
        notes[name] = rng.integers(0, high, len(notes))
    notes = np.unique(notes)
    notes["duration"] = rng.integers(1, 120, len(notes))
    notes["velocity"] = 20
    return Grid(bars, notes, np.zeros(0, GRID_CHORD_DTYPE), np.array([0, 32], np.uint8))


def with_all_weights(make):
    """Return a network of some kind in which every weight does something."""
    torch.manual_seed(3)
    network = make(CONFIG, VOCABULARY)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


@pytest.fixture(scope="module")
def piece():
    """Return a piece of 64 bars of two notes as a row of one batch."""
    bars = np.zeros(64, BAR_DTYPE)
    bars["time_signature"] = METRES[0]
    notes = np.zeros(2 * len(bars), GRID_NOTE_DTYPE)
    notes["bar"] = np.arange(len(notes)) // 2
    notes["beat"] = np.arange(len(notes)) % 2
    notes["pitch"] = 40 + np.arange(len(notes)) ** 2 % 37
    notes["duration"], notes["velocity"] = 12, 20
    grid = Grid(bars, notes, np.zeros(0, GRID_CHORD_DTYPE), np.array([0], np.uint8))
    events = grid_to_events(grid, Layout())[:129]
    return streams.as_batch([(0, events)], 128, VOCABULARY)


def tensors(batch, part=slice(None)):
    """Return a stretch of a batch as the network wants it."""
    arrays = (batch.ids, batch.piece, batch.targets, batch.program_ids)
    return [torch.from_numpy(array[:, part]) for array in arrays]


@torch.no_grad()
def test_two_rows_with_memory_cost_what_they_cost_as_one(piece):
    """Else the memory is not the past, and its figure says nothing."""
    memory, plain = with_all_weights(networks.with_memory), with_all_weights(Network)
    first, second = slice(0, 64), slice(64, 128)
    in_two = memory(*tensors(piece, first)) + memory(*tensors(piece, second))
    torch.testing.assert_close(in_two, plain(*tensors(piece)), rtol=1e-4, atol=1e-3)
    networks.forget(memory)
    torch.testing.assert_close(
        memory(*tensors(piece, second)), plain(*tensors(piece, second)), rtol=1e-4, atol=1e-3
    )


@torch.no_grad()
def test_the_memory_of_another_piece_is_not_seen(piece):
    """A row that begins a piece must know nothing of the one before it."""
    memory, plain = with_all_weights(networks.with_memory), with_all_weights(Network)
    first, second = tensors(piece, slice(0, 64)), tensors(piece, slice(64, 128))
    second[1] = second[1] + 1
    memory(*first)
    torch.testing.assert_close(memory(*second), plain(*second), rtol=1e-4, atol=1e-3)


@torch.no_grad()
def test_the_chain_in_our_order_is_our_chain(piece):
    """The baseline of the orders is the network itself."""
    ours = with_all_weights(networks.in_order(0, 1, 2, 3, 4, 5, 6))
    plain = with_all_weights(Network)
    torch.testing.assert_close(ours(*tensors(piece)), plain(*tensors(piece)))


@torch.no_grad()
def test_no_slot_sees_what_is_decided_after_it(piece):
    """A head that saw its own answer would win every comparison."""
    order = (0, 3, 4, 1, 2, 6, 5)
    network = with_all_weights(networks.in_order(*order))
    ids, piece_number, targets, program_ids = tensors(piece)
    hidden = network.hidden(ids, piece_number)
    before = network.slot_logits(hidden, targets, program_ids)
    for step, slot in enumerate(order):
        changed = targets.clone()
        changed[..., slot] = 0
        after = network.slot_logits(hidden, changed, program_ids)
        for earlier in order[: step + 1]:
            torch.testing.assert_close(after[earlier], before[earlier])


@given(grids())
def test_positions_by_time_are_the_ticks_of_the_music(grid):
    """Metres change and bars are empty; the clock must not lose a beat."""
    events = grid_to_events(grid, Layout())
    network = networks.TimePositions(CONFIG, VOCABULARY, every=1)
    ids = torch.from_numpy(VOCABULARY.ids(events))[None]
    ticks = network.ticks(ids)[0].numpy()[events[:, 0] == Kind.NOTE]
    start = np.append(0, np.cumsum(BAR_TICKS_OF[grid.bars["time_signature"]]))
    notes = grid.notes
    beat = BEAT_TICKS_OF[grid.bars["time_signature"][notes["bar"]]]
    np.testing.assert_array_equal(
        ticks, start[notes["bar"]] + notes["beat"] * beat + notes["tick"]
    )


@given(grids())
def test_coarse_notes_are_coarse_and_barely_moved(grid):
    """A note moves by at most one tick and never loses its length."""
    coarse = networks.coarse_notes(grid.notes)
    moved = grid.notes["tick"].astype(int) - coarse["tick"]
    assert set(moved.tolist()) <= {0, 1}
    assert (coarse["duration"] > 0).all()
    assert (np.abs(grid.notes["duration"].astype(int) - coarse["duration"]) <= 1).all()
    place = ["bar", "beat", "tick", "part", "pitch"]
    _, kept = np.unique(coarse[place], return_index=True)
    spelled = Grid(grid.bars, coarse[kept], grid.chords, grid.programs)
    assert networks.is_coarse(grid_to_events(spelled, Layout()))


@given(grids())
def test_rows_of_a_piece_hold_every_note_once(grid):
    """However a piece is cut, the same must be measured."""
    rows = list(streams.Stretch(grid, is_silent=False).rows(60))
    n_notes = sum(int((row[:, 0] == Kind.NOTE).sum()) for row in rows)
    n_bars = sum(int((row[:, 0] == Kind.BAR).sum()) for row in rows)
    assert (n_notes, n_bars) == (len(grid.notes), grid.n_bars)


@given(grids(), st.integers(8, 40))
def test_the_first_bar_that_fits_is_the_first(grid, room):
    """More context has to be more context, and never more than there is room for."""
    stretch = streams.Stretch(grid, is_silent=False)
    first = stretch.first_that_fits(grid.n_bars, room)
    assert len(stretch.spell(first, grid.n_bars)) <= room or first == grid.n_bars - 1
    assert stretch.last_that_fits(first, room) == grid.n_bars
