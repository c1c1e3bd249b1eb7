"""A session with a model: say events, take them back, ask for the next or how likely some are.

Letters in shapes: B takes, T events, J slots of an event.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sideman.bundle import PREFILL, STEP, Bundle
from sideman.engine.cache import Cache
from sideman.engine.sampling import Sampling
from sideman.errors import EngineError
from sideman.tokens.choices import Choices, Limits, choices_of
from sideman.tokens.grammar import Sentence, advance
from sideman.tokens.vocabulary import (
    N_COLUMNS,
    N_PARTS,
    N_SLOTS,
    PROGRAM,
    Events,
    Kind,
    Vocabulary,
)

STEP_AT_MOST = 32
"""More events than this that wait to be run go through the prefill graph first."""

MOST_THREADS = 4
"""Threads a small model can use: more only wait for each other."""

STEP_OUTPUTS = ("chosen", "log_probs", "new_keys", "new_values")
PREFILL_OUTPUTS = ("log_probs", "new_keys", "new_values")

SMALLEST_DRAW = 1e-300
"""What an exponential draw of 0 counts as; its logarithm is finite."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a model chose.

    Attributes:
        events: The next event of each take, shape (B, N_COLUMNS).
        log_probs: Log-probability in nats of each slot, within what was allowed and before
            temperature, shape (B, J).
    """

    events: Events
    log_probs: NDArray[np.float32]


class Session:
    """Several takes of one piece, said event by event to one model.

    All takes have said equally many events. What is appended is checked against the grammar.
    """

    def __init__(self, bundle: Bundle, *, n_takes: int = 1, threads: int = 0) -> None:
        """Open a session; `threads` 0 is as many as help, at most `MOST_THREADS`."""
        self.bundle = bundle
        self._vocabulary = bundle.vocabulary
        self._step = _open_graph(bundle.folder / STEP, threads, bundle.hash)
        self._prefill = _open_graph(bundle.folder / PREFILL, threads, bundle.hash)
        self._cache = Cache(
            dict(bundle.card["network"]), int(bundle.card["ring_slack"]), n_takes
        )
        self._events = np.zeros((n_takes, 256, N_COLUMNS), np.uint8)
        self._sentences: list[list[Sentence]] = [[Sentence()] for _ in range(n_takes)]
        self._length = 0

    def __len__(self) -> int:
        """Return how many events each take has said."""
        return self._length

    @property
    def n_takes(self) -> int:
        """Number of takes, B."""
        return len(self._sentences)

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """What each take has said so far, as the grammar sees it."""
        return tuple(history[-1] for history in self._sentences)

    def events(self, take: int = 0) -> Events:
        """Return all events of a take, shape (T, N_COLUMNS)."""
        return self._events[take, : self._length].copy()

    def append(self, events: Events) -> None:
        """Say events: (T, N_COLUMNS) in all takes, or (B, T, N_COLUMNS) each take its own.

        Raises:
            TokenError: If an event breaks the grammar; nothing is said then.
        """
        rows = np.broadcast_to(events, (self.n_takes, *events.shape[-2:]))
        said = [
            _continued(history[-1], row)
            for history, row in zip(self._sentences, rows, strict=True)
        ]
        n_new = rows.shape[1]
        self._make_room(self._length + n_new)
        self._events[:, self._length : self._length + n_new] = rows
        for history, new in zip(self._sentences, said, strict=True):
            history += new
        self._length += n_new

    def rollback(self, n: int) -> None:
        """Take back the last `n` events of every take.

        Raises:
            EngineError: If fewer have been said.
        """
        if not 0 <= n <= self._length:
            msg = f"{n} events are to be taken back; {self._length} have been said"
            raise EngineError(msg)
        self._length -= n
        for history in self._sentences:
            del history[self._length + 1 :]
        self._cache.rollback(self._length)

    def next(
        self,
        limits: Limits | Sequence[Limits | None] | None = None,
        *,
        sampling: Sampling | None = None,
        rngs: Sequence[np.random.Generator] = (),
        bias: NDArray[np.float32] | None = None,
        idle: Collection[int] = (),
    ) -> Step:
        """Choose the next event of each take; it is not said until it is appended.

        Args:
            limits: What is allowed beside the grammar: for all takes, or one for each.
            sampling: How values are drawn.
            rngs: A generator for each take; none are needed when the likeliest is taken.
            bias: Added to the scores that are drawn by, in nats, after temperature and cuts,
                shape (B, sum of V); it never brings back what is cut away or forbidden.
            idle: Takes that choose nothing now: their chance is not used up, and what the step
                says of them means nothing.

        Raises:
            EngineError: If nothing has been said yet, or a generator is missing.
            TokenError: If the limits leave nothing to choose.
        """
        sampling = sampling or Sampling()
        if self._length == 0:
            msg = "nothing has been said yet; append a START first"
            raise EngineError(msg)
        if not sampling.is_greedy and len(rngs) != self.n_takes:
            msg = f"{len(rngs)} random generators for {self.n_takes} takes; give one for each"
            raise EngineError(msg)
        each = limits if isinstance(limits, Sequence) else [limits] * self.n_takes
        asked = [None if row in idle else s for row, s in enumerate(self.sentences)]
        automaton = choices_of(asked, each)
        feeds = self._run_inputs(self._waiting())
        feeds |= _automaton_inputs(automaton)
        feeds |= self._drawing_inputs(sampling, rngs, idle)
        if bias is not None:
            feeds["noise"] += bias
        chosen, log_probs, keys, values = self._step.run(STEP_OUTPUTS, feeds)
        self._cache.append(keys, values)
        return Step(self._spelled(chosen), log_probs)

    def score(self, events: Events) -> NDArray[np.float32]:
        """Say events and return how likely each was, as log-probability in nats, no masks.

        Args:
            events: As for `append`; at least one must have been said before.

        Returns:
            Shape (B, T, J); 0 where an event has no such attribute.
        """
        if self._length == 0:
            msg = "nothing has been said yet; append a START first"
            raise EngineError(msg)
        first = self._length
        self.append(events)
        self._cache.rollback(first - 1)  # the event before the first tells how likely that is
        parts = [np.zeros((self.n_takes, 0, N_SLOTS), np.float32)]
        while self._cache.length < self._length - 1:
            n_run = min(self._length - 1 - self._cache.length, self._cache.most_at_once)
            begins_at = self._cache.length
            log_probs = self._run_prefill(n_run)
            parts.append(log_probs[:, max(first - 1 - begins_at, 0) :])
        return np.concatenate(parts, axis=1)

    def keep_takes(self, rows: Sequence[int]) -> None:
        """Go on with the takes numbered `rows` only; a number may come several times."""
        index = np.array(rows, np.int64)
        self._cache.take_rows(index)
        self._events = self._events[index]
        self._sentences = [list(self._sentences[row]) for row in rows]

    def cache_bytes(self) -> int:
        """Return the memory of keys and values."""
        return self._cache.n_bytes()

    def _make_room(self, length: int) -> None:
        if length > self._events.shape[1]:
            more = max(length - self._events.shape[1], self._events.shape[1])
            self._events = np.pad(self._events, [(0, 0), (0, more), (0, 0)])

    def _waiting(self) -> int:
        """Run events until few, at least one, wait; return how many do."""
        self._cache.rollback(self._length - 1)  # what follows an event is known by running it
        few = min(STEP_AT_MOST, self._cache.most_at_once)
        while self._length - self._cache.length > few:
            n_run = min(self._length - 1 - self._cache.length, self._cache.most_at_once)
            self._run_prefill(n_run)
        return self._length - self._cache.length

    def _run_inputs(self, n_run: int) -> dict[str, NDArray[Any]]:
        """Return the inputs that run the next `n_run` events not in the cache."""
        first = self._cache.length
        return {
            "ids": self._vocabulary.ids(self._events[:, first : first + n_run]),
            "positions": np.arange(first, first + n_run),
            **self._cache.inputs(),
        }

    def _run_prefill(self, n_run: int) -> NDArray[np.float32]:
        """Run events; return how likely the event after each was, (B, n_run, J)."""
        first = self._cache.length
        feeds = self._run_inputs(n_run)
        following = self._events[:, first + 1 : first + 1 + n_run]
        feeds["targets"] = self._vocabulary.targets(following)
        feeds["program_ids"] = self._vocabulary.ids(following)[..., PROGRAM]
        log_probs, keys, values = self._prefill.run(PREFILL_OUTPUTS, feeds)
        self._cache.append(keys, values)
        result: NDArray[np.float32] = log_probs
        return result

    def _drawing_inputs(
        self, sampling: Sampling, rngs: Sequence[np.random.Generator], idle: Collection[int]
    ) -> dict[str, NDArray[Any]]:
        n_values = sum(self._vocabulary.slot_sizes)
        noise = np.zeros((self.n_takes, n_values), np.float32)
        if not sampling.is_greedy:
            for number, (row, rng) in enumerate(zip(noise, rngs, strict=True)):
                if number not in idle:
                    row[:] = _gumbel(rng, n_values)
        return {
            "program_ids": _program_ids(tuple(s.programs for s in self.sentences)),
            "noise": noise,
            "temperature": sampling.slot_temperatures(N_SLOTS),
            "top_k": np.array(sampling.top_k or n_values),
            "top_p": np.array(sampling.top_p, np.float32),
            "min_p": np.array(sampling.min_p, np.float32),
        }

    def _spelled(self, chosen: NDArray[np.int64]) -> Events:
        """Return outputs of the heads (B, J) as events."""
        kinds = chosen[:, 0]
        events = np.zeros((len(chosen), N_COLUMNS), np.uint8)
        events[:, :N_SLOTS] = chosen - _FIRST_VALUES[kinds]
        for event, kind, sentence in zip(events, kinds.tolist(), self.sentences, strict=True):
            if kind == Kind.NOTE:
                event[PROGRAM] = sentence.programs[event[3]]
        return events


_FIRST_VALUES = np.maximum(Vocabulary().slot_offsets, 0)
"""Output of each head that spells value 0 of a kind, (kinds, J); 0 where a kind has none."""


def _gumbel(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Draw `n` standard Gumbel values: minus the logarithm of exponential ones."""
    noise: NDArray[np.float64] = -np.log(np.maximum(rng.standard_exponential(n), SMALLEST_DRAW))
    return noise


@lru_cache(maxsize=64)
def _program_ids(programs: tuple[tuple[int, ...], ...]) -> NDArray[np.int64]:
    """Return for each take the embedding ids of its parts' programs, 0 where none is declared.

    Args:
        programs: The program values of each take.

    Returns:
        Shape (B, N_PARTS), for reading.
    """
    ids = np.zeros((len(programs), N_PARTS), np.int64)
    for row, of_take in zip(ids, programs, strict=True):
        notes = np.zeros((len(of_take), N_COLUMNS), np.uint8)
        notes[:, 0] = Kind.NOTE
        notes[:, PROGRAM] = of_take
        row[: len(of_take)] = Vocabulary().ids(notes)[:, PROGRAM]
    return ids


def _continued(sentence: Sentence, events: Events) -> list[Sentence]:
    said = []
    for event in events:
        sentence = advance(sentence, event)
        said.append(sentence)
    return said


def _automaton_inputs(automaton: Choices) -> dict[str, NDArray[Any]]:
    """Return the tables of an automaton; each take begins at its own state."""
    feeds: dict[str, NDArray[Any]] = {"state": np.arange(len(automaton.allowed[0]))}
    feeds |= {f"allowed_{slot}": states for slot, states in enumerate(automaton.allowed)}
    return feeds | {f"follow_{slot}": states for slot, states in enumerate(automaton.follow)}


@lru_cache(maxsize=8)
def _open_graph(path: Path, threads: int, fingerprint: str) -> onnxruntime.InferenceSession:
    """Open a graph; again the same one while the `fingerprint` of its bundle is the same."""
    del fingerprint  # it is there to tell apart what lay at one path one after the other
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
