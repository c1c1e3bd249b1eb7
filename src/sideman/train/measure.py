"""Bits per note: how well a network foretells music it has not seen."""

import math
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sideman.corpus.shards import Corpus
from sideman.errors import CorpusError
from sideman.model.network import Network
from sideman.tokens.vocabulary import N_SLOTS, Task
from sideman.train.recipe import Recipe
from sideman.train.windows import TASKS, Batch, WindowSampler

NATS_PER_BIT = math.log(2)
CPU = torch.device("cpu")

ROWS_AT_ONCE = 8
"""Rows of a batch that are measured together: bounds the memory, changes no figure."""

Loss = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A network, compiled or not: arguments and result are those of `Network.forward`."""


def batch_nats(
    network: Loss, batch: Batch, *, use_bf16: bool = False, device: torch.device = CPU
) -> Tensor:
    """Return the nats of each slot over a batch, summed, shape (J,), with their gradient."""
    arrays = (batch.ids, batch.piece, batch.targets, batch.program_ids)
    with torch.autocast(device.type, torch.bfloat16, enabled=use_bf16):
        return network(*(torch.from_numpy(array).to(device) for array in arrays))


@torch.no_grad()
def slot_nats(
    network: Loss, batch: Batch, *, use_bf16: bool = False, device: torch.device = CPU
) -> Tensor:
    """Return what `batch_nats` does, a few rows at a time and without a gradient."""
    nats = torch.zeros(N_SLOTS, dtype=torch.float64, device=device)
    for at in range(0, len(batch.ids), ROWS_AT_ONCE):
        rows = batch.rows(at, at + ROWS_AT_ONCE)
        nats += batch_nats(network, rows, use_bf16=use_bf16, device=device)
    return nats


def bits_per_note(network: Network, batch: Batch, *, use_bf16: bool = False) -> float:
    """Return the bits of all that a batch leaves to decide, for each note to decide.

    Bars, parts and the end count as well, so this is the whole cost of writing the music
    down. Not a number if the batch has no note to decide.
    """
    if batch.n_notes == 0:
        return math.nan
    nats = float(slot_nats(network, batch, use_bf16=use_bf16).sum())
    return nats / NATS_PER_BIT / batch.n_notes


def bits_by_style(
    network: Network,
    corpus: Corpus,
    split: str,
    *,
    rows_per_style: int,
    context: int,
    seed: int,
) -> dict[str, float]:
    """Return the bits per note of each style label, when the task is to continue.

    Windows are drawn as in training (style, key and controls are declared as often), but all
    are of one style and one task, none is moved in pitch and no length is hidden. A style's
    windows depend on the seed, its name and its pieces alone: other styles may come and go.

    Args:
        network: Must have learned with the style labels of the corpus.
        corpus: Where the windows come from.
        split: One of `sideman.corpus.shards.SPLITS`.
        rows_per_style: Rows of `context` events measured for each style.
        context: Events in a row.
        seed: Of the windows.

    Returns:
        Bits per note by name of the style, in the order of the labels; styles without a piece
        in the split are left out.

    Raises:
        CorpusError: If the split has no piece.
    """
    recipe = replace(
        Recipe(),
        context=context,
        task_weights=tuple(float(task is Task.CONTINUE) for task in TASKS),
        transpose=0,
        held_share=0.0,
    )
    pieces = corpus.of_split(split)
    if not pieces:
        msg = f"{corpus.folder} has no piece in its {split} split; measure another split"
        raise CorpusError(msg)
    found = {}
    for label, name in enumerate(corpus.vocabulary.styles, start=1):
        of_style = [piece for piece in pieces if piece.style == label]
        if of_style:
            rng = np.random.default_rng((seed, zlib.crc32(name.encode())))
            batch = WindowSampler(corpus, of_style, recipe).batch(rng.spawn(rows_per_style))
            found[name] = bits_per_note(network, batch)
    return found
