"""The whole network in one file, top to bottom.

A decoder-only transformer over events. The attributes of an event are embedded and summed;
most layers see only the last `window` events, every `global_every`-th sees all; a chain of
small heads decides the attributes of the next event one after the other.

Letters in shapes: B batch, T events, J slots decided (the kind and six attributes), C width
of the model, H query heads, G key/value heads, D width of one head, W window, K blocks of W.
"""

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sideman.tokens.vocabulary import N_SLOTS, Vocabulary

ROPE_BASE = 10_000.0
"""Base of the rotary frequencies (Su et al. 2021, arXiv:2104.09864)."""

PART_SLOT = 3
"""Slot that decides the part of a note; its program is fed to the chain right after it."""

IGNORED = -1
"""Target of a slot that the event's kind does not have."""

NEVER = -1e9
"""Score of what may not be attended to; finite, so that no softmax turns into NaN."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of a network.

    Attributes:
        d_model: Width C.
        n_layers: Transformer layers.
        n_heads: Query heads H; `d_model` is a multiple of it.
        n_kv_heads: Key/value heads G; `n_heads` is a multiple of it.
        d_hidden: Width of the feed-forward layers.
        window: Events that a local layer sees, its own included.
        global_every: Every how many layers one sees everything.
        context: Events the model is trained to see at once.
    """

    d_model: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_hidden: int
    window: int = 128
    global_every: int = 4
    context: int = 1024

    @property
    def d_head(self) -> int:
        """Width of one head, D."""
        return self.d_model // self.n_heads

    def is_global(self, layer: int) -> bool:
        """Tell whether a layer, counted from 0, sees everything before it."""
        return layer % self.global_every == self.global_every - 1

    def to_dict(self) -> dict[str, int]:
        """Return the sizes by name."""
        return asdict(self)


PRESETS = {
    "nano": NetworkConfig(128, 4, 4, 2, 256, window=64),
    "small": NetworkConfig(256, 6, 8, 2, 704, global_every=3),
    "base": NetworkConfig(384, 8, 6, 2, 1024),
    "large": NetworkConfig(704, 10, 11, 1, 1920, window=256, global_every=5),
}


class RMSNorm(nn.Module):
    """Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv:1910.07467)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (…, width) with mean square 1, times a learned scale."""
        return F.rms_norm(x, (x.shape[-1],), self.scale.to(x.dtype), eps=1e-6)


def rotary_angles(positions: Tensor, d_head: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines for positions (T,), each (T, D / 2)."""
    half = d_head // 2
    steps = torch.arange(half, dtype=torch.float32, device=positions.device)
    angles = positions.float()[:, None] * ROPE_BASE ** (-steps / half)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of `x` (B, heads, T, D) by the angles of their positions."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class Attention(nn.Module):
    """Causal self-attention with grouped key/value heads and normalised queries and keys."""

    def __init__(self, config: NetworkConfig, *, is_global: bool) -> None:
        super().__init__()
        self.n_heads, self.n_kv_heads = config.n_heads, config.n_kv_heads
        self.d_head, self.window = config.d_head, config.window
        self.is_global = is_global
        d_kv = config.n_kv_heads * config.d_head
        self.query = nn.Linear(config.d_model, config.d_model, bias=False)
        self.key = nn.Linear(config.d_model, d_kv, bias=False)
        self.value = nn.Linear(config.d_model, d_kv, bias=False)
        self.out = nn.Linear(config.d_model, config.d_model, bias=False)
        self.query_norm, self.key_norm = RMSNorm(config.d_head), RMSNorm(config.d_head)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (B, H, T, D), keys and values (B, G, T, D) of `x` (B, T, C)."""
        b, t, _ = x.shape
        q = self.query(x).view(b, t, self.n_heads, self.d_head).transpose(1, 2)
        k = self.key(x).view(b, t, self.n_kv_heads, self.d_head).transpose(1, 2)
        v = self.value(x).view(b, t, self.n_kv_heads, self.d_head).transpose(1, 2)
        return rotate(self.query_norm(q), cos, sin), rotate(self.key_norm(k), cos, sin), v

    def merge(self, y: Tensor) -> Tensor:
        """Return the layer's output (B, T, C) from what the heads gathered (B, H, T, D)."""
        b, _, t, _ = y.shape
        merged: Tensor = self.out(y.transpose(1, 2).reshape(b, t, -1))
        return merged

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, piece: Tensor) -> Tensor:
        """Attend within each piece of `x` (B, T, C); `piece` (B, T) numbers the pieces."""
        q, k, v = self.project(x, cos, sin)
        q, k = q.to(v.dtype), k.to(v.dtype)
        attend = self._attend_all if self.is_global else self._attend_window
        return self.merge(attend(q, k, v, piece))

    def _attend_all(self, q: Tensor, k: Tensor, v: Tensor, piece: Tensor) -> Tensor:
        """Attend to all earlier events of the piece; shapes as in `project` and `forward`."""
        t = q.shape[2]
        sees = torch.ones(t, t, dtype=torch.bool, device=q.device).tril()
        sees = sees & (piece[:, :, None] == piece[:, None, :])
        return self._sdpa(q, k, v, sees[:, None])

    def _attend_window(self, q: Tensor, k: Tensor, v: Tensor, piece: Tensor) -> Tensor:
        """Attend to the last W events of the piece.

        Done block by block: a block of W queries needs only its own keys and the W before.
        """
        b, _, t, d = q.shape
        w = self.window
        padding = -t % w
        q, k, v = (F.pad(x, (0, 0, 0, padding)) for x in (q, k, v))
        piece = F.pad(piece, (w, padding), value=-1)  # (B, W + T): nothing before the start
        n_blocks = (t + padding) // w

        def blocks(x: Tensor) -> Tensor:
            """Cut (B, heads, K·W, D) into (B·K, heads, W, D)."""
            return x.view(b, -1, n_blocks, w, d).transpose(1, 2).reshape(b * n_blocks, -1, w, d)

        def with_previous(x: Tensor) -> Tensor:
            """Cut (B, heads, K·W, D) into (B·K, heads, 2W, D): the block before comes first."""
            earlier = F.pad(x, (0, 0, w, 0))[:, :, :-w]
            return torch.cat([blocks(earlier), blocks(x)], dim=2)

        query, key = (torch.arange(n, device=q.device) for n in (w, 2 * w))
        before = w + query[:, None] - key[None, :]  # events from a query back to a key, (W, 2W)
        sees = (before >= 0) & (before < w)
        key_piece = piece.unfold(1, 2 * w, w)  # (B, K, 2W)
        query_piece = key_piece[:, :, w:]
        same = query_piece[:, :, :, None] == key_piece[:, :, None, :]
        sees = (sees & same).flatten(0, 1)[:, None]  # (B·K, 1, W, 2W)
        y = self._sdpa(blocks(q), with_previous(k), with_previous(v), sees)
        y = y.view(b, n_blocks, self.n_heads, w, d).transpose(1, 2)
        return y.reshape(b, self.n_heads, n_blocks * w, d)[:, :, :t]

    def _sdpa(self, q: Tensor, k: Tensor, v: Tensor, sees: Tensor) -> Tensor:
        """Return what queries (B, H, T, D) gather from keys and values (B, G, S, D)."""
        if torch.compiler.is_compiling() and q.device.type == "cpu":
            return self._plain_attention(q, k, v, sees)
        repeats = self.n_heads // self.n_kv_heads
        k, v = k.repeat_interleave(repeats, dim=1), v.repeat_interleave(repeats, dim=1)
        return F.scaled_dot_product_attention(q, k, v, attn_mask=sees)

    def _plain_attention(self, q: Tensor, k: Tensor, v: Tensor, sees: Tensor) -> Tensor:
        """Do what `_sdpa` does with products and a softmax.

        Compiled, it is faster on a CPU than PyTorch's kernel, which does not use the 16-bit
        products of the processor; not compiled it is slower.
        """
        b, h, t, d = q.shape
        g, s = k.shape[1:3]
        # query heads that share a key head are rows of one product
        scores = torch.bmm(q.reshape(b * g, -1, d), k.reshape(b * g, s, d).transpose(1, 2))
        scores = scores.view(b, g, h // g, t, s).float() * d**-0.5
        weights = scores.masked_fill(~sees[:, :, None], NEVER).softmax(dim=-1).to(v.dtype)
        return torch.bmm(weights.view(b * g, -1, s), v.reshape(b * g, s, d)).view(b, h, t, d)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020, arXiv:2002.05202)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map `x` (…, C) to the same shape."""
        y: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return y


class Layer(nn.Module):
    """Attention, then a feed-forward layer, each on a normalised copy."""

    def __init__(self, config: NetworkConfig, *, is_global: bool) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config.d_model)
        self.attention = Attention(config, is_global=is_global)
        self.feed_forward_norm = RMSNorm(config.d_model)
        self.feed_forward = FeedForward(config.d_model, config.d_hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, piece: Tensor) -> Tensor:
        """Map events (B, T, C) to the same shape; each sees itself and those before it."""
        x = x + self.attention(self.attention_norm(x), cos, sin, piece)
        y: Tensor = x + self.feed_forward(self.feed_forward_norm(x))
        return y


class AttributeChain(nn.Module):
    """The heads: slot after slot, each sees what the ones before it decided.

    The state starts as the event's hidden vector; each decision adds its embedding and
    passes through a small feed-forward layer. After the part, the part's program is added.
    """

    def __init__(self, config: NetworkConfig, slot_sizes: tuple[int, ...]) -> None:
        super().__init__()
        width = config.d_model
        self.mix_norms = nn.ModuleList(RMSNorm(width) for _ in slot_sizes[1:])
        self.mixers = nn.ModuleList(FeedForward(width, width // 2) for _ in slot_sizes[1:])
        self.norms = nn.ModuleList(RMSNorm(width) for _ in slot_sizes)
        self.outs = nn.ModuleList(nn.Linear(width, size, bias=False) for size in slot_sizes)

    def logits(self, state: Tensor, slot: int) -> Tensor:
        """Return the scores of a slot's values, shape (…, slot size)."""
        scores: Tensor = self.outs[slot](self.norms[slot](state))
        return scores

    def advance(self, state: Tensor, slot: int, decided: Tensor) -> Tensor:
        """Return the state after a slot, given the embedding (…, C) of what it decided."""
        state = state + decided
        y: Tensor = state + self.mixers[slot](self.mix_norms[slot](state))
        return y


class Network(nn.Module):
    """Events in, for each event the scores of the next one's attributes out."""

    def __init__(self, config: NetworkConfig, vocabulary: Vocabulary | None = None) -> None:
        super().__init__()
        vocabulary = vocabulary or Vocabulary()
        self.config = config
        self.slot_sizes = vocabulary.slot_sizes
        self.slot_starts = tuple(1 + sum(self.slot_sizes[:slot]) for slot in range(N_SLOTS))
        self.embedding = nn.Embedding(vocabulary.n_ids, config.d_model, padding_idx=0)
        self.layers = nn.ModuleList(
            Layer(config, is_global=config.is_global(index)) for index in range(config.n_layers)
        )
        self.norm = RMSNorm(config.d_model)
        self.chain = AttributeChain(config, self.slot_sizes)
        self._initialise()

    def _initialise(self) -> None:
        """Normal weights; what writes into the residual stream starts at zero."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 1:
                continue
            if name.endswith(("attention.out.weight", "down.weight")):
                nn.init.zeros_(parameter)
            elif name == "embedding.weight":
                nn.init.normal_(parameter, std=0.5)
            else:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        with torch.no_grad():
            self.embedding.weight[0] = 0
            for out in self.chain.outs.parameters():
                out.zero_()

    def embed(self, ids: Tensor) -> Tensor:
        """Return the sum of the embeddings of ids (B, T, columns), shape (B, T, C)."""
        vectors: Tensor = self.embedding(ids).sum(dim=2)
        return vectors

    def hidden(self, ids: Tensor, piece: Tensor) -> Tensor:
        """Return what the network knows after each event, shape (B, T, C).

        Args:
            ids: Embedding ids, shape (B, T, columns).
            piece: Which piece an event belongs to, shape (B, T); pieces do not see each other.
        """
        positions = torch.arange(ids.shape[1], device=ids.device)
        cos, sin = rotary_angles(positions, self.config.d_head)
        x = self.embed(ids)
        for layer in self.layers:
            x = layer(x, cos, sin, piece)
        normed: Tensor = self.norm(x)
        return normed

    def slot_logits(self, hidden: Tensor, targets: Tensor, program_ids: Tensor) -> list[Tensor]:
        """Return the scores of each slot, given the true values of the slots before it.

        Args:
            hidden: What is known before an event, shape (B, T, C).
            targets: Head outputs that spell the event, shape (B, T, J); -1 where none.
            program_ids: Embedding id of the program of the event's part, shape (B, T); 0: none.

        Returns:
            J tensors, each (B, T, slot size).
        """
        state, scores = hidden, []
        for slot in range(N_SLOTS):
            scores.append(self.chain.logits(state, slot))
            if slot == N_SLOTS - 1:
                break
            target = targets[..., slot]
            ids = torch.where(target == IGNORED, 0, target + self.slot_starts[slot])
            decided = self.embedding(ids)
            if slot == PART_SLOT:
                decided = decided + self.embedding(program_ids)
            state = self.chain.advance(state, slot, decided)
        return scores

    def forward(
        self, ids: Tensor, piece: Tensor, targets: Tensor, program_ids: Tensor
    ) -> Tensor:
        """Return the negative log-likelihood of each slot in nats, summed, shape (J,).

        `ids` and `piece` are the events seen, `targets` and `program_ids` the ones that follow
        them; shapes as in `hidden` and `slot_logits`. Targets of -1 cost nothing.
        """
        scores = self.slot_logits(self.hidden(ids, piece), targets, program_ids)
        losses = [
            F.cross_entropy(
                score.flatten(0, 1).float(),
                targets[..., slot].flatten(),
                ignore_index=IGNORED,
                reduction="sum",
            )
            for slot, score in enumerate(scores)
        ]
        return torch.stack(losses)

    def n_parameters(self) -> int:
        """Return the number of weights."""
        return sum(parameter.numel() for parameter in self.parameters())
