"""Early warnings: what a run shows when it goes wrong, before the night is over."""

import statistics
import sys
from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sideman.model.network import IGNORED
from sideman.tokens.vocabulary import N_SLOTS
from sideman.train.windows import Batch

USUAL_OF = 100
"""Steps whose gradients say what is usual."""

STEEP = 20.0
"""A gradient so many times the usual one is worth a word."""

LEARNED_BY = 0.1
"""Share of a run after which each head should know more than how frequent its values are."""

SLOT_NAMES = ("kind", "beat", "tick", "part", "pitch", "duration", "velocity")
"""What the heads decide for a note; other kinds of event have their own attributes there."""


class Watch:
    """Looks at the figures of a run.

    Args:
        valid: What is measured on the way.
    """

    def __init__(self, valid: Batch) -> None:
        self._guesses = dict(zip(SLOT_NAMES, guess_bits(valid), strict=True))
        self._norms: deque[float] = deque(maxlen=USUAL_OF)

    def look(self, row: Mapping[str, float], progress: float) -> list[str]:
        """Return what should be said about the figures of a step.

        Args:
            row: As they are logged: `step`, `gradient_norm`, and if it was measured the
                `valid_` bits per note of each head.
            progress: Share of the run that is done.
        """
        warnings = []
        steep = self._steepness(row["gradient_norm"])
        if steep > STEEP:
            warnings.append(
                f"the gradient of step {row['step']} is {steep:.0f} times the usual; it was "
                f"cut, but if this comes again, lower the learning rate"
            )
        if progress >= LEARNED_BY:
            warnings += [
                f"the head of {name} has learned nothing yet but how frequent its values are"
                for name, guess in self._guesses.items()
                if guess > 0 and row.get(f"valid_{name}", 0.0) >= guess
            ]
        return warnings

    def _steepness(self, norm: float) -> float:
        """Return how many times the usual gradient this is; 1 while nothing is usual."""
        usual = statistics.median(self._norms) if len(self._norms) == USUAL_OF else norm
        self._norms.append(norm)
        return norm / max(usual, sys.float_info.min)


def guess_bits(batch: Batch) -> NDArray[np.float64]:
    """Return what each slot of a batch costs who knows the frequencies of its values.

    Returns:
        Bits per note, shape (J,): the number of decisions times the entropy of their values.
    """
    bits = np.zeros(N_SLOTS)
    for slot in range(N_SLOTS):
        values = batch.targets[..., slot]
        counts = np.unique(values[values != IGNORED], return_counts=True)[1]
        bits[slot] = -(counts * np.log2(counts / counts.sum())).sum()
    return bits / max(batch.n_notes, 1)
