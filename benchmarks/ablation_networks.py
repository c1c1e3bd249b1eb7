"""Networks and samplers that differ from ours in one thing, for `ablations.py`."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sideman.corpus.shards import Corpus, Piece, ShardReader
from sideman.model.network import (
    IGNORED,
    PART_SLOT,
    ROPE_BASE,
    Attention,
    Network,
    NetworkConfig,
    rotary_angles,
    rotate,
)
from sideman.score.types import TPQ, Table
from sideman.tokens.codec import events_to_grid, grid_to_events
from sideman.tokens.vocabulary import (
    AHEAD,
    ATTRIBUTES,
    BAR_TICKS_OF,
    BEAT_TICKS_OF,
    N_SLOTS,
    Events,
    Kind,
    Vocabulary,
)
from sideman.train.recipe import Recipe
from sideman.train.windows import WindowSampler

NetworkMaker = Callable[[NetworkConfig, Vocabulary], Network]

TIME_UNIT = TPQ // 4
"""Ticks of a step of position by time: a 16th, about as far as from event to event."""

COARSE_STEP = 2
"""Ticks of a grid of 12 to the quarter: every other one of ours."""

LAST_SINGLE_TICK = 96
"""Duration values below this are a number of ticks; longer lengths are all even."""


def without_key_norm(config: NetworkConfig, vocabulary: Vocabulary) -> Network:
    """Return a network whose queries and keys are not normalised."""
    network = Network(config, vocabulary)
    for attention in network.modules():
        if isinstance(attention, Attention):
            attention.register_module("query_norm", nn.Identity())
            attention.register_module("key_norm", nn.Identity())
    return network


class OrderedChain(Network):
    """Decides the slots in another order.

    Args:
        config: Sizes.
        vocabulary: Numbers the values.
        order: Slots in the order in which they are decided, the kind first.
    """

    def __init__(
        self, config: NetworkConfig, vocabulary: Vocabulary, order: tuple[int, ...]
    ) -> None:
        super().__init__(config, vocabulary)
        self._order = order

    def slot_logits(self, hidden: Tensor, targets: Tensor, program_ids: Tensor) -> list[Tensor]:
        """Return the scores of each slot, in the order of the slots, as `Network` does."""
        state, scores = hidden, {}
        for step, slot in enumerate(self._order):
            scores[slot] = self.chain.logits(state, slot)
            if step == N_SLOTS - 1:
                break
            target = targets[..., slot]
            ids = torch.where(target == IGNORED, 0, target + self.slot_starts[slot])
            decided = self.embedding(ids)
            if slot == PART_SLOT:
                decided = decided + self.embedding(program_ids)
            state = self.chain.advance(state, step, decided)
        return [scores[slot] for slot in range(N_SLOTS)]


def in_order(*order: int) -> NetworkMaker:
    """Return what makes networks that decide the slots in an order."""
    return lambda config, vocabulary: OrderedChain(config, vocabulary, order)


class TimePositions(Network):
    """Turns queries and keys by musical time instead of by the number of the event.

    Args:
        config: Sizes.
        vocabulary: Numbers the values.
        every: Every how many of the rotary frequencies goes by time; the others by number.
    """

    def __init__(self, config: NetworkConfig, vocabulary: Vocabulary, every: int) -> None:
        super().__init__(config, vocabulary)
        self._every = every
        for name, table in _ticks_of_ids(vocabulary).items():
            self.register_buffer(name, torch.from_numpy(table), persistent=False)

    def ticks(self, ids: Tensor) -> Tensor:
        """Return when each event of ids (B, T, columns) is, in ticks, shape (B, T).

        A note is where it sounds, all else at the beginning of its bar.
        """
        places = ids[:, :, 1]
        bar, beat = self._buffer("bar")[places], self._buffer("beat")[places]
        event = torch.arange(ids.shape[1], device=ids.device).expand_as(bar)
        last_bar = torch.where(bar > 0, event, 0).cummax(dim=1).values
        length, beat_length = bar.gather(1, last_bar), beat.gather(1, last_bar)
        start = bar.cumsum(dim=1) - length
        values = self._buffer("value")
        in_bar = values[places] * beat_length + values[ids[:, :, 2]]
        return start + in_bar + values[ids[:, :, AHEAD]] * length

    def hidden(self, ids: Tensor, piece: Tensor) -> Tensor:
        """Return what the network knows after each event, as `Network` does."""
        number = torch.arange(ids.shape[1], device=ids.device).expand_as(piece)
        time = self.ticks(ids) / TIME_UNIT
        half = self.config.d_head // 2
        step = torch.arange(half, device=ids.device)
        by_time = step % self._every == 0
        position = torch.where(by_time, time[..., None], number[..., None].float())
        angles = (position * ROPE_BASE ** (-step / half))[:, None]  # (B, 1, T, D / 2)
        cos, sin = angles.cos(), angles.sin()
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, piece)
        normed: Tensor = self.norm(x)
        return normed

    def _buffer(self, name: str) -> Tensor:
        return self.get_buffer(name)


def by_time(every: int) -> NetworkMaker:
    """Return what makes networks in which every so many frequencies go by musical time."""
    return lambda config, vocabulary: TimePositions(config, vocabulary, every)


def _ticks_of_ids(vocabulary: Vocabulary) -> dict[str, NDArray[np.int64]]:
    """Return by embedding id: ticks of its bar, of its bar's beat, and its value if a place."""
    tables = {name: np.zeros(vocabulary.n_ids, np.int64) for name in ("bar", "beat", "value")}
    start = 1
    for attribute in ATTRIBUTES:
        ids = slice(start, start + attribute.size)
        if attribute.name == "time_signature":
            tables["bar"][ids], tables["beat"][ids] = BAR_TICKS_OF, BEAT_TICKS_OF
        elif attribute.name in ("beat", "tick", "ahead"):
            tables["value"][ids] = np.arange(attribute.size)
        start += attribute.size
    return tables


class MemoryAttention(Attention):
    """Attention that also sees the row before, if it is of the same piece.

    As Transformer-XL does (Dai et al. 2019, arXiv:1901.02860): its keys and values are kept,
    no gradient goes through them.
    """

    memory: tuple[Tensor, Tensor, Tensor] | None = None
    """Keys and values (B, G, T, D) of the row before, and its piece numbers (B, T)."""

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, piece: Tensor) -> Tensor:
        """Attend within each piece of `x` and of the row before it."""
        q, k, v = self.project(x, cos, sin)
        q, k = q.to(v.dtype), k.to(v.dtype)
        before, self.memory = self.memory, (k.detach(), v.detach(), piece)
        if before is None:
            attend = self._attend_all if self.is_global else self._attend_window
            return self.merge(attend(q, k, v, piece))
        n_kept = x.shape[1] if self.is_global else self.window
        old_k, old_v, old_piece = (
            before[0][:, :, -n_kept:],
            before[1][:, :, -n_kept:],
            before[2],
        )
        back = rotary_angles(torch.tensor([-x.shape[1]]), self.d_head)
        k = torch.cat([rotate(old_k, *back).to(v.dtype), k], dim=2)
        v = torch.cat([old_v, v], dim=2)
        every_piece = torch.cat([old_piece[:, -n_kept:], piece], dim=1)
        if self.is_global:
            sees = torch.ones(x.shape[1], k.shape[2], dtype=torch.bool).tril(n_kept)
            sees = sees & (piece[:, :, None] == every_piece[:, None, :])
            return self.merge(self._sdpa(q, k, v, sees[:, None]))
        q = nn.functional.pad(q, (0, 0, n_kept, 0))
        return self.merge(self._attend_window(q, k, v, every_piece)[:, :, n_kept:])


def with_memory(config: NetworkConfig, vocabulary: Vocabulary) -> Network:
    """Return a network that remembers the row before; rows must follow one another."""
    network = Network(config, vocabulary)
    for attention in network.modules():
        if isinstance(attention, Attention):
            attention.__class__ = MemoryAttention
    return network


def forget(network: Network) -> None:
    """Empty the memory of a network that has one."""
    for attention in network.modules():
        if isinstance(attention, MemoryAttention):
            attention.memory = None


def coarse_notes(notes: Table) -> Table:
    """Return notes of a grid (N,) moved to a grid of 12 to the quarter.

    An odd tick lies half way between two that are left; the earlier one is taken, for lengths
    the shorter one, but no length becomes 0.
    """
    coarse = notes.copy()
    coarse["tick"] -= coarse["tick"] % COARSE_STEP
    length = coarse["duration"]
    is_odd = (length < LAST_SINGLE_TICK) & (length % COARSE_STEP == 1)
    coarse["duration"] = np.where(is_odd, np.maximum(length - 1, COARSE_STEP), length)
    return coarse


def is_coarse(events: Events) -> bool:
    """Tell whether all notes lie on a grid of 12 to the quarter as they are."""
    rows = events[events[:, 0] == Kind.NOTE]
    length = rows[:, 5]
    is_odd = (length < LAST_SINGLE_TICK) & (length % COARSE_STEP == 1)
    return not is_odd.any() and not (rows[:, 2] % COARSE_STEP).any()


class _CoarseReader(ShardReader):
    """Hands out pieces on a grid of 12 to the quarter; of equal notes one is left."""

    def events(self, piece: Piece) -> Events:
        grid, layout = events_to_grid(np.asarray(super().events(piece)))
        notes, chords = coarse_notes(grid.notes), grid.chords.copy()
        place = notes[["bar", "beat", "tick", "part", "pitch"]]
        _, kept = np.unique(place, return_index=True)  # sorted as notes have to be
        chords["tick"] -= chords["tick"] % COARSE_STEP
        _, kept_chords = np.unique(chords[["bar", "beat", "tick"]], return_index=True)
        silent = layout.unspecified_velocity
        layout = replace(
            layout,
            ahead=None,
            held=None,
            unspecified_velocity=None if silent is None else silent[kept],
        )
        return grid_to_events(
            replace(grid, notes=notes[kept], chords=chords[kept_chords]), layout
        )


class CoarseSampler(WindowSampler):
    """Draws windows on a grid of 12 to the quarter."""

    def __init__(self, corpus: Corpus, pieces: Sequence[Piece], recipe: Recipe) -> None:
        super().__init__(corpus, pieces, recipe)
        self._reader = _CoarseReader(corpus)
