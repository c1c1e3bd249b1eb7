"""Checkpoints: weights with the state of training, written whole or not at all."""

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sideman.errors import RecipeError
from sideman.files import whole_file
from sideman.model.network import Network, NetworkConfig
from sideman.tokens.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A network on its way.

    Attributes:
        config: Its sizes.
        styles: Style labels of the vocabulary it learned.
        step: Steps done.
        minutes: Minutes of training done.
        recipe: Settings of the run.
        corpus_hash: Fingerprint of what it learned from.
        weights: State of the network.
        optimizers: State of each optimiser; empty when only weights are wanted.
    """

    config: NetworkConfig
    styles: tuple[str, ...]
    step: int
    minutes: float
    recipe: dict[str, Any]
    corpus_hash: str
    weights: dict[str, torch.Tensor]
    optimizers: list[dict[str, Any]]

    def network(self) -> Network:
        """Return the network with these weights."""
        network = Network(self.config, Vocabulary(self.styles))
        network.load_state_dict(self.weights)
        return network


def save_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all: a crash leaves the one before.

    Raises:
        OSError: If it cannot be written, such as on a full disk.
    """
    state = {
        "config": checkpoint.config.to_dict(),
        "styles": list(checkpoint.styles),
        "step": checkpoint.step,
        "minutes": checkpoint.minutes,
        "recipe": checkpoint.recipe,
        "corpus_hash": checkpoint.corpus_hash,
        "weights": checkpoint.weights,
        "optimizers": checkpoint.optimizers,
    }
    with whole_file(path) as part, part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave the name without the bytes


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU; nothing in it is executed.

    Raises:
        RecipeError: If there is none, or what is there is not a checkpoint of this program.
    """
    if not path.is_file():
        msg = f"there is no checkpoint {path}; 'sideman train' makes one"
        raise RecipeError(msg)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(
            config=NetworkConfig(**state["config"]),
            styles=tuple(state["styles"]),
            step=state["step"],
            minutes=state["minutes"],
            recipe=state["recipe"],
            corpus_hash=state["corpus_hash"],
            weights=state["weights"],
            optimizers=state["optimizers"],
        )
    # What PyTorch raises for nonsense depends on where it meets it.
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        msg = f"{path} is not a checkpoint of this program: {error}"
        raise RecipeError(msg) from error
