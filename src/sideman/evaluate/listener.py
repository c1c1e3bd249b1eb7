"""The listener: a bundle that writes nothing and says how likely it finds what it hears.

Letters in shapes: B sentences, T events, J slots of an event, V values of all slots, S values
of one slot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from sideman.bundle import PREFILL, STEP, Bundle
from sideman.engine.cache import Cache
from sideman.tokens.choices import choices_of
from sideman.tokens.grammar import Sentence, advance
from sideman.tokens.vocabulary import N_COLUMNS, N_PARTS, N_SLOTS, PROGRAM, Events, Kind

NOTHING = -1
"""Target of a slot in which nothing is decided."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What the model made of a sentence.

    Attributes:
        nats: How surprising each slot of each event was after those before it, without masks,
            shape (T, J); 0 for the first event and where nothing is decided.
        values: The last layer's attention values of each event, shape (T, d): a linear picture
            of the hidden state that the layers below have made of it.
    """

    nats: NDArray[np.float64]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """What the model expected in one slot of the next event of several sentences.

    Attributes:
        slot: The slot.
        rows: Sentences that decide something in it, shape (n,).
        targets: The true value of each, shape (n,).
        scores: Unnormalised log-probabilities, shape (n, S).
        allowed: What the grammar allows, the slots before being the true ones, (n, S).
    """

    slot: int
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    scores: NDArray[np.float64]
    allowed: NDArray[np.bool_]


class Listener:
    """A bundle, listening.

    Attributes:
        context: Events of a sentence that it can hear.
        vocabulary: The event language, with the style labels the model knows.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        """Open the graphs; `threads` 0 is as many as there are cores."""
        self.context = int(bundle.card["network"]["context"])
        self.vocabulary = bundle.vocabulary
        self._sizes = dict(bundle.card["network"]), int(bundle.card["ring_slack"])
        self._no_past = Cache(*self._sizes, n_takes=1).inputs([0])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._prefill, self._step = (
            onnxruntime.InferenceSession(
                str(bundle.folder / graph), options, providers=["CPUExecutionProvider"]
            )
            for graph in (PREFILL, STEP)
        )

    def hear(self, events: Events) -> Heard:
        """Return what the model makes of a sentence, shape (T, N_COLUMNS)."""
        ids = self.vocabulary.ids(events)
        targets = np.full((1, len(events), N_SLOTS), NOTHING)  # nothing follows the last event
        targets[0, :-1] = self.vocabulary.targets(events[1:])
        feeds = {
            "ids": ids[None],
            "positions": np.arange(len(events))[None],
            "targets": targets,
            "program_ids": np.append(ids[1:, PROGRAM], 0)[None],
            **self._no_past,
        }
        log_probs, values = self._prefill.run(("log_probs", "new_values"), feeds)
        nats = np.zeros((len(events), N_SLOTS))
        nats[1:] = -log_probs[0, :-1]
        return Heard(nats, values[-1, 0].transpose(1, 0, 2).reshape(len(events), -1))

    def weigh(self, events: Events) -> Iterator[tuple[int, list[Weighed]]]:
        """Yield what the model expects of each next event, slot by slot.

        The values of the slots before are always the true ones, as in `hear`.

        Args:
            events: Sentences of the same length without given notes, (B, T, N_COLUMNS).

        Yields:
            The number of the next event in its sentence, and a `Weighed` for each slot.

        Raises:
            TokenError: If a sentence breaks the grammar.
        """
        cache = Cache(*self._sizes, n_takes=len(events))
        sentences = [Sentence()] * len(events)
        for at in range(events.shape[1] - 1):
            sentences = [
                advance(sentence, event)
                for sentence, event in zip(sentences, events[:, at], strict=True)
            ]
            targets = self.vocabulary.targets(events[:, at + 1])
            scores, keys, values = self._step.run(
                ("scores", "new_keys", "new_values"),
                {
                    "ids": self.vocabulary.ids(events[:, at : at + 1]),
                    "positions": np.full((len(events), 1), at),
                    **cache.inputs(range(len(events))),
                    **self._forcing(targets, sentences),
                },
            )
            cache.append(keys, values, range(len(events)))
            yield at + 1, self._weighed(scores.astype(np.float64), targets, sentences)

    def _forcing(
        self, targets: NDArray[np.int64], sentences: list[Sentence]
    ) -> dict[str, NDArray[Any]]:
        """Return inputs of the step graph that leave it no choice but the targets, (B, J)."""
        sizes = self.vocabulary.slot_sizes
        rows = np.arange(len(targets))
        forced: dict[str, NDArray[Any]] = {"state": rows}
        for slot, size in enumerate(sizes):
            allowed = np.zeros((len(rows), size), bool)
            allowed[rows, np.maximum(targets[:, slot], 0)] = True
            forced[f"allowed_{slot}"] = allowed
            if slot < N_SLOTS - 1:
                forced[f"follow_{slot}"] = np.repeat(rows[:, None], size, axis=1)
        n_values = sum(sizes)
        return forced | {
            "program_ids": self._program_ids(sentences),
            "noise": np.zeros((len(rows), n_values), np.float32),
            "temperature": np.ones(N_SLOTS, np.float32),
            "top_k": np.array(n_values),
            "top_p": np.array(1, np.float32),
            "min_p": np.array(0, np.float32),
        }

    def _program_ids(self, sentences: list[Sentence]) -> NDArray[np.int64]:
        """Return the embedding ids of the programs of the parts, (B, N_PARTS)."""
        ids = np.zeros((len(sentences), N_PARTS), np.int64)
        for row, sentence in zip(ids, sentences, strict=True):
            notes = np.zeros((len(sentence.programs), N_COLUMNS), np.uint8)
            notes[:, 0] = Kind.NOTE
            notes[:, PROGRAM] = sentence.programs
            row[: len(notes)] = self.vocabulary.ids(notes)[:, PROGRAM]
        return ids

    def _weighed(
        self, scores: NDArray[np.float64], targets: NDArray[np.int64], sentences: list[Sentence]
    ) -> list[Weighed]:
        """Cut scores (B, V) into slots; follow the targets (B, J) through the grammar."""
        automaton = choices_of(sentences, [None] * len(sentences))
        starts = np.cumsum([0, *self.vocabulary.slot_sizes])
        state = np.arange(len(sentences))
        found = []
        for slot in range(N_SLOTS):
            rows = np.flatnonzero(targets[:, slot] != NOTHING)
            found.append(
                Weighed(
                    slot=slot,
                    rows=rows,
                    targets=targets[rows, slot],
                    scores=scores[rows, starts[slot] : starts[slot + 1]],
                    allowed=automaton.allowed[slot][state[rows]],
                )
            )
            if slot < N_SLOTS - 1:
                state = automaton.follow[slot][state, np.maximum(targets[:, slot], 0)]
        return found
