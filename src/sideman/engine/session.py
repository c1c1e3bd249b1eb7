"""A session with a model: say events, take them back, ask for the next or how likely some are.

Letters in shapes: B takes, T events, J slots of an event, C width of the model, K neighbours.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sideman.bundle import CHOOSE, PREFILL, STEP, Bundle
from sideman.engine.cache import Cache
from sideman.engine.sampling import Sampling
from sideman.engine.together import Graph, Together
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

CHOICE = ("chosen", "log_probs")
RUN = ("hidden", "new_keys", "new_values")
"""Outputs of the graphs: what is chosen, and what comes of running events."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """What may come next because it came when things stood alike.

    Attributes:
        targets: Head outputs that spell each event, as `Vocabulary.targets` has them; a row of
            -1 goes along with the model. Shape (B, K, J).
        weights: How likely each is the next event, at least 0; the model has what is left of 1.
            Shape (B, K).
    """

    targets: NDArray[np.int64]
    weights: NDArray[np.float32]


Feeds = dict[str, NDArray[Any]]

Recall = Callable[[NDArray[np.float32]], Neighbours]
"""From the hidden states of all takes, (B, C), to the neighbours of each."""


class Session:
    """Several takes, said event by event to one model, each at a place of its own.

    What is appended is checked against the grammar. Takes are decided side by side, however
    many events each has said: those that have more to be run than the others run it before. So
    a take may begin anew amid the others: taken back to nothing, it is another piece.
    """

    def __init__(self, bundle: Bundle, *, n_takes: int = 1, threads: int = 0) -> None:
        """Open a session; `threads` 0 is as many as help, at most `MOST_THREADS`."""
        self.bundle = bundle
        self._vocabulary = bundle.vocabulary
        self._step = _TOGETHER.get(bundle.hash) or _open_step(bundle, threads)
        self._prefill = _open_graph(bundle.folder / PREFILL, threads, bundle.hash)
        self._choose = partial(_open_graph, bundle.folder / CHOOSE, threads, bundle.hash)
        network = dict(bundle.card["network"])
        self._cache = Cache(network, int(bundle.card["ring_slack"]), n_takes)
        self._events = np.zeros((n_takes, 256, N_COLUMNS), np.uint8)
        self._hidden = np.zeros((n_takes, 256, int(network["d_model"])), np.float32)
        self._sentences: list[list[Sentence]] = [[Sentence()] for _ in range(n_takes)]

    def __len__(self) -> int:
        """Return how many events the longest take has said."""
        return max(self.lengths)

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many events each take has said."""
        return tuple(len(history) - 1 for history in self._sentences)

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
        return self._events[take, : self.lengths[take]].copy()

    def hidden(self, take: int = 0) -> NDArray[np.float32]:
        """Return what the model knew after each event of a take that it has run, (T, C).

        The first events of the take, all that do not wait (see `catch_up`).
        """
        return self._hidden[take, : self._cache.lengths[take]].copy()

    def append(self, events: Events | Sequence[Events]) -> None:
        """Say events.

        Args:
            events: For all takes, (T, N_COLUMNS), or for each take its own, as many as it has.

        Raises:
            TokenError: If an event breaks the grammar; nothing is said then.
        """
        is_for_each = isinstance(events, Sequence) or events.ndim > 2  # noqa: PLR2004 (T, columns)
        rows = events if is_for_each else [events] * self.n_takes
        said = [
            _continued(history[-1], row)
            for history, row in zip(self._sentences, rows, strict=True)
        ]
        starts = self.lengths
        self._make_room(max(map(sum, zip(starts, map(len, rows), strict=True))))
        for take, (start, row) in enumerate(zip(starts, rows, strict=True)):
            self._events[take, start : start + len(row)] = row
            self._sentences[take] += said[take]

    def rollback(self, n: int | Sequence[int]) -> None:
        """Take back the last `n` events of every take, or of each its own number.

        Raises:
            EngineError: If fewer have been said.
        """
        each = n if isinstance(n, Sequence) else [n] * self.n_takes
        for n_back, length in zip(each, self.lengths, strict=True):
            if not 0 <= n_back <= length:
                msg = f"{n_back} events are to be taken back; {length} have been said"
                raise EngineError(msg)
        for n_back, history in zip(each, self._sentences, strict=True):
            del history[len(history) - n_back :]
        self._cache.rollback(self.lengths)

    def catch_up(self) -> None:
        """Run what waits, so that `next` has one event of each take left to run.

        Who waits for nobody can do so while events come in one by one.
        """
        self._run_until(1)

    def next(
        self,
        limits: Limits | Sequence[Limits | None] | None = None,
        *,
        sampling: Sampling | None = None,
        rngs: Sequence[np.random.Generator] = (),
        bias: NDArray[np.float32] | None = None,
        idle: Collection[int] = (),
        recall: Recall | None = None,
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
            recall: Finds neighbours, which are mixed in before temperature and cuts.

        Raises:
            EngineError: If nothing has been said yet, or a generator is missing.
            TokenError: If the limits leave nothing to choose.
        """
        sampling = sampling or Sampling()
        self._check_begun()
        if not sampling.is_greedy and len(rngs) != self.n_takes:
            msg = f"{len(rngs)} random generators for {self.n_takes} takes; give one for each"
            raise EngineError(msg)
        each = limits if isinstance(limits, Sequence) else [limits] * self.n_takes
        asked = [None if row in idle else s for row, s in enumerate(self.sentences)]
        feeds = _automaton_inputs(choices_of(asked, each))
        feeds |= self._drawing_inputs(sampling, rngs, idle)
        if bias is not None:
            feeds["noise"] += bias
        chosen, log_probs = self._recalled(feeds, recall) if recall else self._stepped(feeds)
        return Step(self._spelled(chosen), log_probs)

    def score(self, events: Events) -> NDArray[np.float32]:
        """Say events and return how likely each was, as log-probability in nats, no masks.

        Args:
            events: As for `append`, equally many for each take; each must have said one before.

        Returns:
            Shape (B, T, J); 0 where an event has no such attribute.
        """
        self._check_begun()
        firsts = self.lengths
        self.append(events)
        # The event before the first tells how likely that is.
        self._cache.rollback([first - 1 for first in firsts])
        n_new = self.lengths[0] - firsts[0]
        self._run_until(n_new + 1)
        parts = [np.zeros((self.n_takes, 0, N_SLOTS), np.float32)]
        for n_run in self._portions(n_new):
            following = self._rows(range(self.n_takes), n_run, ahead=1)
            told = {
                "targets": self._vocabulary.targets(following),
                "program_ids": self._vocabulary.ids(following)[..., PROGRAM],
            }
            parts += self._run(self._prefill, n_run, told, asked=("log_probs",))
        return np.concatenate(parts, axis=1)

    def keep_takes(self, rows: Sequence[int]) -> None:
        """Go on with the takes numbered `rows` only; a number may come several times."""
        self._cache.keep_takes(rows)
        self._events = self._events[list(rows)]
        self._hidden = self._hidden[list(rows)]
        self._sentences = [list(self._sentences[row]) for row in rows]

    def cache_bytes(self) -> int:
        """Return the memory of keys and values."""
        return self._cache.n_bytes()

    def _check_begun(self) -> None:
        if not all(self.lengths):
            msg = "nothing has been said yet; append a START first"
            raise EngineError(msg)

    def _make_room(self, length: int) -> None:
        if length > self._events.shape[1]:
            more = max(length - self._events.shape[1], self._events.shape[1])
            self._events = np.pad(self._events, [(0, 0), (0, more), (0, 0)])
            self._hidden = np.pad(self._hidden, [(0, 0), (0, more), (0, 0)])

    def _waiting(self) -> list[int]:
        """Return how many events of each take have not been run."""
        return [
            length - n_run
            for length, n_run in zip(self.lengths, self._cache.lengths, strict=True)
        ]

    def _stepped(self, feeds: Feeds) -> list[Any]:
        """Run what waits and choose; return what is `CHOICE`."""
        # What follows an event is known by running it.
        self._cache.rollback([length - 1 for length in self.lengths])
        n_run = min(self._waiting())
        if n_run > min(STEP_AT_MOST, self._cache.most_at_once):
            n_run = 1
        self._run_until(n_run)
        return self._run(self._step, n_run, feeds, asked=CHOICE)

    def _recalled(self, feeds: Feeds, recall: Recall) -> list[Any]:
        """Run what waits and choose with the help of neighbours; return what is `CHOICE`."""
        self._run_until(0)
        last = np.array(self.lengths) - 1
        feeds["hidden"] = self._hidden[np.arange(self.n_takes), last]
        found = recall(feeds["hidden"])
        feeds |= {"neighbours": found.targets, "neighbour_weights": found.weights}
        chosen: list[Any] = self._choose().run(CHOICE, feeds)
        return chosen

    def _run_until(self, n_left: int) -> None:
        """Run events until at most `n_left` of each take wait.

        Takes that have equally many to run do so together.
        """
        by_number: dict[int, list[int]] = {}
        for take, n_waiting in enumerate(self._waiting()):
            by_number.setdefault(n_waiting - n_left, []).append(take)
        for n_events, takes in by_number.items():
            for n_run in self._portions(n_events):
                untold = {
                    "targets": np.zeros((len(takes), n_run, N_SLOTS), np.int64),
                    "program_ids": np.zeros((len(takes), n_run), np.int64),
                }
                self._run(self._prefill, n_run, untold, takes=takes)

    def _portions(self, n_events: int) -> Iterator[int]:
        """Yield how many events to run, as often as it takes."""
        for done in range(0, n_events, self._cache.most_at_once):
            yield min(n_events - done, self._cache.most_at_once)

    def _run(
        self,
        graph: Graph,
        n_run: int,
        feeds: Feeds,
        *,
        asked: Sequence[str] = (),
        takes: Sequence[int] | None = None,
    ) -> list[Any]:
        """Run the next `n_run` events of some takes, None: of all; return what is asked."""
        rows = range(self.n_takes) if takes is None else takes
        starts = np.array([self._cache.lengths[take] for take in rows])
        feeds = {
            "ids": self._vocabulary.ids(self._rows(rows, n_run)),
            "positions": starts[:, None] + np.arange(n_run),
            **self._cache.inputs(rows),
            **feeds,
        }
        outputs: list[Any] = graph.run((*asked, *RUN), feeds)
        hidden, keys, values = outputs[len(asked) :]
        for take, start, new in zip(rows, starts, hidden, strict=True):
            self._hidden[take, start : start + n_run] = new
        self._cache.append(keys, values, rows)
        return outputs[: len(asked)]

    def _rows(self, takes: Sequence[int], n: int, *, ahead: int = 0) -> Events:
        """Return the next `n` events not run, or those `ahead`, (takes, n, N_COLUMNS)."""
        starts = [self._cache.lengths[take] + ahead for take in takes]
        return np.stack(
            [self._events[take, at : at + n] for take, at in zip(takes, starts, strict=True)]
        )

    def _drawing_inputs(
        self, sampling: Sampling, rngs: Sequence[np.random.Generator], idle: Collection[int]
    ) -> Feeds:
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


def _automaton_inputs(automaton: Choices) -> Feeds:
    """Return the tables of an automaton; each take begins at its own state."""
    feeds: Feeds = {"state": np.arange(len(automaton.allowed[0]))}
    feeds |= {f"allowed_{slot}": states for slot, states in enumerate(automaton.allowed)}
    return feeds | {f"follow_{slot}": states for slot, states in enumerate(automaton.follow)}


_TOGETHER: dict[str, Together] = {}
"""By hash of the bundle: what sessions of this process step with."""


def step_together(bundle: Bundle, threads: int) -> Together:
    """Let sessions that are opened with a model from now on step together.

    Only for a process that does nothing else: see `sideman.engine.together` for what it costs.
    """
    return _TOGETHER.setdefault(bundle.hash, Together(_open_step(bundle, threads)))


def _open_step(bundle: Bundle, threads: int) -> Graph:
    graph: Graph = _open_graph(bundle.folder / STEP, threads, bundle.hash)
    return graph


@lru_cache(maxsize=8)
def _open_graph(path: Path, threads: int, fingerprint: str) -> onnxruntime.InferenceSession:
    """Open a graph; again the same one while the `fingerprint` of its bundle is the same."""
    del fingerprint  # it is there to tell apart what lay at one path one after the other
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or min(os.cpu_count() or 1, MOST_THREADS)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
