"""Low-rank adaptation: learn a thin product beside each matrix instead of the matrix.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv:2106.09685. It is
done by PyTorch's own parametrisations: the network need not know, and merging is taking them
off.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """A matrix and what is added to it: nothing at first.

    Args:
        matrix: Shape (N, K).
        rank: Rank of what is added.
    """

    def __init__(self, matrix: Tensor, rank: int) -> None:
        super().__init__()
        n, k = matrix.shape
        self.down = nn.Parameter(torch.randn(rank, k) * k**-0.5)
        self.up = nn.Parameter(torch.zeros(n, rank))

    def forward(self, matrix: Tensor) -> Tensor:
        """Return the matrix (N, K) with the product added."""
        return matrix + self.up @ self.down


def add_lora(network: nn.Module, rank: int) -> None:
    """Let only low-rank products beside the linear layers learn, and what scales the norms."""
    for parameter in network.parameters():
        parameter.requires_grad_(parameter.dim() == 1)
    for linear in _linears(network):
        parametrize.register_parametrization(linear, "weight", LowRank(linear.weight, rank))


def merge_lora(network: nn.Module) -> None:
    """Make what was learned beside the linear layers part of them."""
    for linear in _linears(network):
        parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)


def _linears(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]
