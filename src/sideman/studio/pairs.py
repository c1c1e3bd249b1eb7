"""Pairs: two answers to one prompt that differ in one setting, to be judged blindly.

One pair in ten comes a second time, its sides swapped, and as late as the first time: neither
its looks nor its delay tell.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from math import inf
from typing import Any, Protocol

import numpy as np

from sideman.bundle import Bundle
from sideman.engine.taste import BEST_OF, Taste
from sideman.errors import EngineError
from sideman.evaluate.listening import REPEATED_SHARE, SKIP
from sideman.evaluate.votes import ANSWERS
from sideman.score.edit import drop_empty_parts, slice_bars
from sideman.score.midi import read_midi
from sideman.score.time import bar_starts
from sideman.score.types import Score
from sideman.studio.asking import prepare
from sideman.studio.score_json import json_of
from sideman.studio.store.tables import PairRow
from sideman.studio.store.votes import Votes

CONTESTED: Mapping[str, Sequence[float]] = {
    "temperature": (0.8, 0.9, 1.0, 1.1),
    "top_p": (0.9, 0.95, 1.0),
    "repetition": (-0.3, 0.0, 0.3),
    "novelty": (0.0, 0.3),
}
"""Settings that pairs are about, with the values that compete."""

TASTE = "taste"
"""Where one is learned, pairs are also about it: the answer that is liked best of `BEST_OF`
against a single one."""

ON, OFF = "on", "off"

EXAMPLE_BARS = 4
"""Bars of an example that are heard."""

NEW_BARS = 4
"""Bars that are written, unless it is said."""

MOST_SEMITONES = 3
"""How far an example is transposed at most, either way."""

SPARED = 3
"""So many of somebody's latest pairs do not come again: they would be recognised."""

MOST_SEED = 2**32

JUDGED = tuple(answer for answer in ANSWERS if answer != SKIP)

Json = Mapping[str, Any]


_Side = tuple[dict[str, Any], dict[str, Any]]
"""Music as JSON and how it was made."""


class Answer(Protocol):
    """An answer: its music as JSON and how it was made."""

    @property
    def recipe(self) -> Json: ...  # noqa: D102

    @property
    def score(self) -> Json: ...  # noqa: D102

    @property
    def liking(self) -> float | None: ...  # noqa: D102


class Write(Protocol):
    """What writes answers (`sideman.studio.state.JobQueue.run_now`)."""

    def __call__(  # noqa: D102
        self,
        task: str,
        score: Json | None,
        request: Json,
        locks: Sequence[int] = (),
        client: str = "",
    ) -> Sequence[Answer]: ...


class Pairs:
    """Makes pairs, and stores them before anybody sees them."""

    def __init__(
        self,
        votes: Votes,
        bundle: Bundle,
        write: Write,
        *,
        taste: Callable[[], Taste | None] = lambda: None,
        rng: np.random.Generator | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make pairs.

        Args:
            votes: Where they are stored.
            bundle: The model that writes.
            write: What asks it.
            taste: Returns what is liked, None while that is not known.
            rng: Where chance comes from.
            sleep: Waits for so many seconds.
        """
        self._votes = votes
        self._bundle = bundle
        self._write = write
        self._taste = taste
        self._rng = rng or np.random.default_rng()
        self._sleep = sleep

    def show(
        self,
        listener: str,
        *,
        prompt: Json | None = None,
        task: str = "continue",
        options: Json | None = None,
        about: Json | None = None,
    ) -> PairRow:
        """Return a pair for somebody, stored: a new one, or now and then an earlier one.

        Args:
            listener: Who is to judge.
            prompt: What is answered. None: some bars of an example.
            task: How it is answered, one of `sideman.studio.asking.PAGE_TASKS`.
            options: Options that both sides have.
            about: What else is to be kept of the request.

        Raises:
            EngineError: If something is asked for that cannot be.
        """
        asked = {"options": {"bars": str(NEW_BARS), **(options or {})}}
        prompt = json_of(self._example()) if prompt is None else prompt
        prepare(task, prompt, asked, ())  # refuses here what cannot be
        if self._rng.random() < REPEATED_SHARE:
            known = self._votes.repeatable(listener, spared=SPARED, answers=JUDGED)
            if known:
                return self._again(str(self._rng.choice(known)))
        request = {"task": task, **asked, **(about or {})}
        return self._new(listener, prompt, task, request)

    def _new(self, listener: str, prompt: Json, task: str, request: Json) -> PairRow:
        begin = time.perf_counter()
        rivals = self._rivals(request["options"])
        (left, left_recipe), (right, right_recipe) = (
            self._answer(task, prompt, rival, listener) for rival in rivals
        )
        return self._votes.add(
            PairRow(
                task=task,
                request=dict(request),
                prompt=dict(prompt),
                left=left,
                right=right,
                left_recipe=left_recipe,
                right_recipe=right_recipe,
                bundle=self._bundle.name,
                bundle_hash=self._bundle.hash,
                latency_s=time.perf_counter() - begin,
                listener=listener,
            )
        )

    def _again(self, known: str) -> PairRow:
        """Return a pair once more, the other way round, after as long a wait."""
        pair = self._votes.get(known)
        self._sleep(pair.latency_s)
        return self._votes.add(
            PairRow(
                task=pair.task,
                request=pair.request,
                prompt=pair.prompt,
                left=pair.right,
                right=pair.left,
                left_recipe=pair.right_recipe,
                right_recipe=pair.left_recipe,
                bundle=pair.bundle,
                bundle_hash=pair.bundle_hash,
                latency_s=pair.latency_s,
                repeats=pair.id,
                listener=pair.listener,
            )
        )

    def _rivals(self, options: Json) -> list[dict[str, Any]]:
        """Return the options of both sides: alike but for one setting, and for chance."""
        contested: dict[str, Sequence[float | str]] = {**CONTESTED}
        if "keep" not in options and self._taste() is not None:
            contested[TASTE] = (ON, OFF)
        free = [name for name in contested if name not in options]
        rivals = [dict(options), dict(options)]
        if free:
            name = str(self._rng.choice(free))
            for rival, value in zip(
                rivals, self._rng.choice(contested[name], 2, replace=False), strict=True
            ):
                rival[name] = value.item()
        for rival in rivals:
            rival["seed"] = int(self._rng.integers(MOST_SEED))
        return rivals

    def _answer(self, task: str, prompt: Json, options: Json, client: str) -> _Side:
        """Write one side; it may be the one that is liked best of several."""
        taste = options.get(TASTE)
        said = {name: value for name, value in options.items() if name != TASTE}
        takes = BEST_OF if taste == ON else 1
        answers = self._write(task, prompt, {"options": said, "takes": takes}, client=client)
        if not answers:
            msg = "the model wrote nothing; ask for another pair"
            raise EngineError(msg)
        best = max(answers, key=lambda answer: -inf if answer.liking is None else answer.liking)
        recipe = dict(best.recipe)
        if taste is not None:  # where nothing could be told of the answers, none was preferred
            recipe[TASTE] = OFF if best.liking is None else taste
        return dict(best.score), recipe

    def _example(self) -> Score:
        """Return some bars of an example, higher or lower, so that they are seldom the same."""
        folder = resources.files("sideman") / "examples"
        with resources.as_file(folder / "prompt.mid") as path:
            score = read_midi(path)
        n_bars = len(bar_starts(score)) - 1
        first = int(self._rng.integers(n_bars - EXAMPLE_BARS + 1))
        heard = drop_empty_parts(slice_bars(score, first, first + EXAMPLE_BARS))
        notes = heard.notes.copy()
        notes["pitch"] += int(self._rng.integers(-MOST_SEMITONES, MOST_SEMITONES + 1))
        return heard.with_notes(notes)
