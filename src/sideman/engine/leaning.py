"""Leanings: how far what is written goes back to what was played, in itself or before it.

Two wishes add to the scores that values are drawn by. Both concern pitched parts alone, for a
beat is repetition, and only among values that the cuts of `Sampling` have left: what the model
would never choose here it does not choose to please a wish.

- *Repetition* is about values: a pitch or a length that a part has just used becomes likelier
  or less likely, the more recent the more, as the frequency penalties of language models do
  (Keskar et al. 2019, arXiv:1909.05858), but both ways and forgetting.
- *Novelty* is about successions: where the last pitches of a part stand in what is known, in
  any key, the pitch that follows there becomes less likely, or likelier; a soft form of barring
  n-grams (Paulus et al. 2017, arXiv:1705.04304).
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sideman.score.types import Table
from sideman.tokens.grid import Grid
from sideman.tokens.vocabulary import DURATION, FIRST_DRUM, Events, Kind, Vocabulary

MEMORY = 8
"""Notes of a part that count as recent."""

STRENGTH = 2.0
"""What a leaning of 1 adds at most to the score of a value, in nats."""

CONTEXT = 3
"""Pitches in a row that have to be as in what is known for the next to count as copied."""

MOST_LEANING = 2.0
"""A leaning may be from minus this to this."""

PITCH = 4
"""Column, and slot, of a note's pitch."""

_SIZES = Vocabulary().slot_sizes


def _first(slot: int) -> int:
    """Return where a note's values of a slot begin among all values of all slots."""
    return sum(_SIZES[:slot]) + int(Vocabulary().slot_offsets[Kind.NOTE, slot])


_FIRST_PITCH, _FIRST_DURATION = _first(PITCH), _first(DURATION)


class Leaning:
    """The leanings of one take.

    Args:
        known: What may be copied.
        before: Notes of the parts before what is written, rows of `GRID_NOTE_DTYPE`.
        parts: For each part that is heard, its number in the piece.
        repetition: Below 0 the part repeats itself less, above more.
        novelty: Above 0 successions that are known are shunned, below sought.
    """

    def __init__(
        self,
        known: Grid,
        before: Table,
        parts: NDArray[np.int64],
        *,
        repetition: float,
        novelty: float,
    ) -> None:
        self._repetition, self._novelty = repetition, novelty
        self._successions = _successions(known) if novelty else {}
        self._n_heard = 0
        self._recent: dict[int, deque[tuple[int, int]]] = defaultdict(
            lambda: deque(maxlen=MEMORY)
        )
        for number, part in enumerate(parts.tolist()):
            rows = before[before["part"] == part][-MEMORY:]
            for pitch, duration in rows[["pitch", "duration"]].tolist():
                self._hear(number, pitch, duration)

    def bias(self, written: Sequence[tuple[int, Events]]) -> NDArray[np.float32]:
        """Return what is added to the score of each value of each slot, shape (sum of V,).

        Args:
            written: All that the take has written so far, with its bars.
        """
        for _, event in written[self._n_heard :]:
            self._hear(int(event[3]), int(event[PITCH]), int(event[DURATION]))
        self._n_heard = len(written)
        bias = np.zeros(sum(_SIZES), np.float32)
        for recent in self._recent.values():
            for age, (pitch, duration) in enumerate(reversed(recent)):
                weight = self._repetition * STRENGTH * (1 - age / MEMORY)
                for value in (_FIRST_PITCH + pitch, _FIRST_DURATION + duration):
                    if abs(weight) > abs(bias[value]):
                        bias[value] = weight
        for pitch in self._copies():
            bias[_FIRST_PITCH + pitch] -= self._novelty * STRENGTH
        return bias

    def _hear(self, part: int, pitch: int, duration: int) -> None:
        if pitch < FIRST_DRUM:
            self._recent[part].append((pitch, duration))

    def _copies(self) -> set[int]:
        """Return the pitches with which a part would go on as what is known does."""
        copies = set()
        for recent in self._recent.values():
            pitches = [pitch for pitch, _ in recent][-CONTEXT:]
            steps = self._successions.get(_steps(pitches), ())
            copies |= {pitches[-1] + step for step in steps}
        return {pitch for pitch in copies if 0 <= pitch < FIRST_DRUM}


def _steps(pitches: Iterable[int]) -> tuple[int, ...]:
    return tuple(after - before for before, after in pairwise(pitches))


def _successions(known: Grid) -> dict[tuple[int, ...], set[int]]:
    """Return by the steps between `CONTEXT` pitches in a row the steps that follow."""
    found = defaultdict(set)
    for part in range(len(known.programs)):
        pitches = known.notes["pitch"][known.notes["part"] == part].tolist()
        if pitches and pitches[0] < FIRST_DRUM:
            steps = _steps(pitches)
            for begin in range(len(steps) - CONTEXT + 1):
                *context, following = steps[begin : begin + CONTEXT]
                found[tuple(context)].add(following)
    return dict(found)
