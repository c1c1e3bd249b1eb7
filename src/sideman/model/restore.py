"""Restore: a bundle becomes a network again, from which training can go on.

A bundle holds all weights of its network, matrices perhaps in 8 bits. What was lost by that is
lost, but no more: the network is the one that the engine plays, in 32 bits.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from sideman.bundle import PREFILL, Bundle
from sideman.errors import BundleError
from sideman.model.network import Network, NetworkConfig
from sideman.model.onnx_writer import ZERO
from sideman.tokens.vocabulary import N_SLOTS


def restore_network(bundle: Bundle) -> Network:
    """Return the network of a bundle.

    Raises:
        BundleError: If its graph does not hold the weights that its card tells of.
    """
    try:
        config = NetworkConfig(**bundle.card["network"])
        network = Network(config, bundle.vocabulary)
        network.load_state_dict(_weights(_Stored(bundle.folder / PREFILL), config))
    except (KeyError, RuntimeError, TypeError) as error:
        msg = (
            f"{bundle.folder} cannot be learned from: it is not as this sideman writes "
            f"bundles ({error})"
        )
        raise BundleError(msg) from error
    return network


class _Stored:
    """The tensors of a graph by the names that `sideman.model.graphs` gives them."""

    def __init__(self, path: Path) -> None:
        self._arrays = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in onnx.load(path).graph.initializer
        }

    def tensor(self, name: str) -> Tensor:
        """Return a tensor that is stored as it is."""
        return torch.from_numpy(self._arrays[name].copy())

    def matrix(self, name: str, width: int) -> Tensor:
        """Return a matrix (N, `width`), stored as `GraphWriter.product` does it."""
        if name in self._arrays:
            return self.tensor(name).T
        steps = self._arrays[f"{name}_int8"].astype(np.float32) - ZERO  # (N, blocks, BLOCK)
        scales = self._arrays[f"{name}_scales"].reshape(*steps.shape[:2], 1)
        return torch.from_numpy((steps * scales).reshape(len(steps), -1)[:, :width].copy())


def _weights(stored: _Stored, config: NetworkConfig) -> dict[str, Tensor]:
    """Return the state of the network: what `sideman.model.graphs` writes, read back."""
    width = config.d_model
    state = {
        "embedding.weight": stored.tensor("embedding"),
        "norm.scale": stored.tensor("norm"),
    }
    for number in range(config.n_layers):
        there, here = f"layer_{number}", f"layers.{number}"
        for name in ("attention_norm", "feed_forward_norm"):
            state[f"{here}.{name}.scale"] = stored.tensor(f"{there}_{name}")
        state |= _attention(stored, f"{there}_attention", f"{here}.attention", config)
        state |= _feed_forward(
            stored, f"{there}_feed_forward", f"{here}.feed_forward", (width, config.d_hidden)
        )
    for slot in range(N_SLOTS):
        there = f"chain_{slot}"
        state[f"chain.norms.{slot}.scale"] = stored.tensor(f"{there}_norm")
        state[f"chain.outs.{slot}.weight"] = stored.matrix(f"{there}_out", width)
        if slot < N_SLOTS - 1:
            state[f"chain.mix_norms.{slot}.scale"] = stored.tensor(f"{there}_mix_norm")
            mixer = (width, width // 2)
            state |= _feed_forward(stored, f"{there}_mixer", f"chain.mixers.{slot}", mixer)
    return state


def _attention(
    stored: _Stored, there: str, here: str, config: NetworkConfig
) -> dict[str, Tensor]:
    h, g, d = config.n_heads, config.n_kv_heads, config.d_head
    qkv = stored.matrix(f"{there}_qkv", config.d_model)
    query, key, value = torch.split(qkv, [h * d, g * d, g * d])
    scales = stored.tensor(f"{there}_scales")[:, 0]  # (H + G, D)
    return {
        f"{here}.query.weight": query,
        f"{here}.key.weight": key,
        f"{here}.value.weight": value,
        f"{here}.out.weight": stored.matrix(f"{there}_out", h * d),
        f"{here}.query_norm.scale": scales[0] * d**0.5,
        f"{here}.key_norm.scale": scales[h],
    }


def _feed_forward(
    stored: _Stored, there: str, here: str, sizes: tuple[int, int]
) -> dict[str, Tensor]:
    """Return the weights of a `FeedForward` of this width and hidden width."""
    width, hidden = sizes
    gate, up = stored.matrix(f"{there}_in", width).chunk(2)
    return {
        f"{here}.gate.weight": gate,
        f"{here}.up.weight": up,
        f"{here}.down.weight": stored.matrix(f"{there}_down", hidden),
    }
