"""The networks that `remi.py` compares: ours over events, Hugging Face's over REMI."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from remi_music import Ids, Remi, Stretch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer
from transformers import GPT2Config, GPT2LMHeadModel, Qwen3Config, Qwen3ForCausalLM

from sideman.model.network import Network
from sideman.tokens.vocabulary import PROGRAM, Vocabulary
from sideman.train.windows import WindowSampler

IGNORED_TOKEN = -100
"""Target of a token that costs nothing."""

OUTER = ("embedding", "chain.outs", "wte", "wpe", "embed_tokens", "lm_head")
"""Where the names of matrices tell that they are no inner ones: Muon is not for them."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch.

    Attributes:
        tensors: What the loss takes.
        n_steps: Events or tokens to decide.
        n_notes: Notes among them, or that they spell.
    """

    tensors: tuple[Tensor, ...]
    n_steps: int
    n_notes: int


class Side(ABC):
    """A network, how it is trained, and on what."""

    def __init__(self, name: str, network: nn.Module, optimizers: list[Optimizer]) -> None:
        self.name, self.network, self.optimizers = name, network, optimizers
        self.peaks = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
        self.use_bf16 = False

    @property
    def n_parameters(self) -> int:
        """Weights; one that serves twice counts once."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @abstractmethod
    def draw(self, rng: np.random.Generator, n_rows: int) -> Drawn:
        """Return rows to learn from."""

    @abstractmethod
    def _loss(self, *tensors: Tensor) -> Tensor:
        """Return what a batch costs in nats."""

    @abstractmethod
    def stretch_nats(self, stretch: Stretch) -> float:
        """Return what a stretch costs; nothing before it is known."""

    def nats(self, *tensors: Tensor) -> Tensor:
        """Return what a batch costs, in the precision that was chosen."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.use_bf16):
            return self._loss(*tensors)

    def learn(self, drawn: Drawn, rate_share: float, clip_norm: float) -> None:
        """Do one step of training."""
        for optimizer, peak in zip(self.optimizers, self.peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate_share
        torch.autograd.backward(self.nats(*drawn.tensors) / drawn.n_steps)
        nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()


class EventSide(Side):
    """Our network over events."""

    def __init__(
        self,
        name: str,
        network: Network,
        optimizers: list[Optimizer],
        sampler: WindowSampler,
    ) -> None:
        super().__init__(name, network, optimizers)
        self._sampler = sampler
        self._vocabulary = Vocabulary()

    def draw(self, rng: np.random.Generator, n_rows: int) -> Drawn:
        """Return rows as training draws them."""
        batch = self._sampler.batch(rng.spawn(n_rows))
        arrays = (batch.ids, batch.piece, batch.targets, batch.program_ids)
        return Drawn(
            tuple(torch.from_numpy(array) for array in arrays), batch.n_events, batch.n_notes
        )

    def _loss(self, *tensors: Tensor) -> Tensor:
        nats: Tensor = self.network(*tensors)
        return nats.sum()

    @torch.no_grad()
    def stretch_nats(self, stretch: Stretch) -> float:
        """Return what the events after `START` cost."""
        seen, following = stretch.events[None, :-1], stretch.events[None, 1:]
        arrays = (
            self._vocabulary.ids(seen),
            np.zeros(seen.shape[:2], np.int64),
            self._vocabulary.targets(following),
            self._vocabulary.ids(following)[..., PROGRAM],
        )
        return float(self.nats(*(torch.from_numpy(array) for array in arrays)))


class RemiSide(Side):
    """A network of Hugging Face over REMI."""

    def __init__(
        self,
        name: str,
        network: nn.Module,
        optimizers: list[Optimizer],
        *,
        remi: Remi,
        stretches: Sequence[Ids],
        context: int,
    ) -> None:
        super().__init__(name, network, optimizers)
        self._remi, self._stretches, self._context = remi, stretches, context

    def draw(self, rng: np.random.Generator, n_rows: int) -> Drawn:
        """Fill rows with stretches, each behind a token for the beginning; cut the last."""
        rows = np.stack([self._row(rng) for _ in range(n_rows)])
        targets = rows[:, 1:].copy()
        targets[targets == self._remi.beginning] = IGNORED_TOKEN
        n_notes = int(self._remi.is_note[rows[:, 1:]].sum())
        tensors = (torch.from_numpy(rows[:, :-1].copy()), torch.from_numpy(targets))
        return Drawn(tensors, int((targets != IGNORED_TOKEN).sum()), n_notes)

    def _row(self, rng: np.random.Generator) -> Ids:
        length = self._context + 1
        parts: list[NDArray[np.int64]] = []
        filled = 0
        while filled < length:
            stretch = self._stretches[int(rng.integers(len(self._stretches)))]
            parts += [np.array([self._remi.beginning]), stretch]
            filled += 1 + len(stretch)
        return np.concatenate(parts)[:length]

    def _loss(self, *tensors: Tensor) -> Tensor:
        ids, targets = tensors
        logits = self.network(input_ids=ids).logits
        return F.cross_entropy(
            logits.flatten(0, 1).float(),
            targets.flatten(),
            ignore_index=IGNORED_TOKEN,
            reduction="sum",
        )

    @torch.no_grad()
    def stretch_nats(self, stretch: Stretch) -> float:
        """Return what all tokens cost; of a long stretch each sees at least half a context."""
        nats = 0.0
        for first, decided, stop in sliding_windows(len(stretch.ids), self._context):
            ids = np.append(self._remi.beginning, stretch.ids[first:stop])
            targets = ids[1:].copy()
            targets[: decided - first] = IGNORED_TOKEN
            tensors = (torch.from_numpy(array[None]) for array in (ids[:-1], targets))
            nats += float(self.nats(*tensors))
        return nats


def sliding_windows(length: int, context: int) -> list[tuple[int, int, int]]:
    """Return windows of at most `context` tokens that together decide each token once.

    Returns:
        For each window its first token, the first that it decides, and where it ends. Those
        between the first two are only seen: half a context, in all windows but the first.
    """
    windows = [(0, 0, min(context, length))]
    while windows[-1][2] < length:
        decided = windows[-1][2]
        first = decided - context // 2
        windows.append((first, decided, min(first + context, length)))
    return windows


def optimizers(network: nn.Module, *, rate: float, with_muon: bool) -> list[Optimizer]:
    """Return AdamW for all weights, or only for what is no inner matrix and Muon for those."""
    inner: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in network.named_parameters():
        is_inner = parameter.dim() == 2 and not any(outer in name for outer in OUTER)
        (inner if is_inner and with_muon else others).append(parameter)
    adam = AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True)
    if not with_muon:
        return [adam]
    return [
        Muon(inner, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        adam,
    ]


class Build(Protocol):
    """Makes a network of the width, depth and number of weights of one of ours."""

    def __call__(self, like: Network, *, vocabulary_size: int) -> nn.Module:
        """Return a network that has learned nothing."""
        ...


def gpt2(like: Network, *, vocabulary_size: int) -> nn.Module:
    """Return a GPT-2 of the width, depth and number of weights of one of our networks."""

    def build(n_inner: int) -> nn.Module:
        sizes = like.config
        network: nn.Module = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=vocabulary_size,
                n_positions=sizes.context,
                n_embd=sizes.d_model,
                n_layer=sizes.n_layers,
                n_head=sizes.n_heads,
                n_inner=n_inner,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
                bos_token_id=None,
                eos_token_id=None,
                use_cache=False,
            )
        )
        return network

    return _of_size(build, like)


def qwen3(like: Network, *, vocabulary_size: int) -> nn.Module:
    """Return a Qwen 3 of our width, depth and weights: layers like ours, but all see all."""

    def build(n_inner: int) -> nn.Module:
        sizes = like.config
        network: nn.Module = Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=vocabulary_size,
                hidden_size=sizes.d_model,
                intermediate_size=n_inner,
                num_hidden_layers=sizes.n_layers,
                num_attention_heads=sizes.n_heads,
                num_key_value_heads=sizes.n_kv_heads,
                head_dim=sizes.d_head,
                max_position_embeddings=sizes.context,
                pad_token_id=None,
                tie_word_embeddings=True,
                use_cache=False,
            )
        )
        return network

    return _of_size(build, like)


def _of_size(build: Callable[[int], nn.Module], like: Network) -> nn.Module:
    """Choose the width of the feed-forward layers so that the number of weights is the same."""

    def size(n_inner: int) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in build(n_inner).parameters())

    one, two = size(1), size(2)
    return build(round((like.n_parameters() - one) / (two - one)) + 1)
