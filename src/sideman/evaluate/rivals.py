"""Who answers prompts: the model, other systems through their files, and trivial rivals.

A model is worth its weights where it is nearer to the real music than what needs none. All
answer the same prompts and are measured in the same way; what they know is the prompt.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from sideman.bundle import Bundle
from sideman.engine.compose import write
from sideman.engine.fill import Wish
from sideman.engine.sampling import DEFAULT_SAMPLING, Sampling
from sideman.errors import EvaluationError, PromptTooLong
from sideman.evaluate.prompts import Prompt
from sideman.evaluate.results import REAL
from sideman.score.edit import cut_overlaps
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.midi import read_midi
from sideman.score.types import MAX_DATA_BYTE, NOTE_DTYPE, TPQ, Part, Score, Table

UNIFORM = Sampling(temperature=1e4)
"""So hot that all that is allowed is as likely to a percent; what is forbidden stays so."""


class Player(Protocol):
    """Somebody who answers prompts."""

    @property
    def name(self) -> str:
        """What tables call them."""

    def play(self, prompt: Prompt, n_takes: int, seed: int) -> Sequence[Score]:
        """Return takes: the stretch with the hole filled, at `TPQ` ticks a quarter.

        Who leaves nothing to chance gives one take; who cannot do the task gives none.
        """


@dataclass(frozen=True, slots=True)
class Real:
    """The piece itself."""

    name: str = REAL

    def play(self, prompt: Prompt, n_takes: int, seed: int) -> Sequence[Score]:  # noqa: ARG002 (one of a family)
        """Return the stretch as it was."""
        return [prompt.real]


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle, with the engine's own settings unless others are given.

    Attributes:
        bundle: The bundle.
        name: What tables call it.
        sampling: How values are drawn.
    """

    bundle: Bundle
    name: str
    sampling: Sampling = DEFAULT_SAMPLING

    def play(self, prompt: Prompt, n_takes: int, seed: int) -> Sequence[Score]:
        """Return what the engine writes; it is told no style.

        There is none where the prompt does not fit the context.
        """
        wish = Wish(n_takes=n_takes, seed=seed, sampling=self.sampling)
        try:
            takes = write(prompt.known, prompt.hole, self.bundle, wish, n_bars=prompt.n_bars)
        except PromptTooLong:
            return []
        return [take.score for take in takes]


def uniform(bundle: Bundle) -> Model:
    """Return the rival that draws each attribute evenly from what the grammar allows.

    It is the bundle's engine with nothing of the bundle's knowledge left: what the masks alone
    are worth.
    """
    return Model(bundle, "uniform", UNIFORM)


@dataclass(frozen=True, slots=True)
class Copy:
    """Plays the bars before the hole again, as many as it has."""

    name: str = "copy"

    def play(self, prompt: Prompt, n_takes: int, seed: int) -> Sequence[Score]:  # noqa: ARG002 (one of a family)
        """Return one take; none where nothing stands before the hole."""
        length = prompt.end_tick - prompt.first_tick
        if prompt.first_tick < length:
            return []
        notes = prompt.known.notes.copy()
        notes["onset"] += length
        return [prompt.completed(prompt.known.with_notes(notes))]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Plays the same bars of another prompt's piece: real music that has nothing to do with it.

    Attributes:
        prompts: All prompts.
    """

    prompts: Sequence[Prompt]
    name: str = "other piece"

    def play(self, prompt: Prompt, n_takes: int, seed: int) -> Sequence[Score]:  # noqa: ARG002 (one of a family)
        """Return one take, of the next prompt of the task and the metre; none if all differ."""
        alike = [
            other
            for other in self.prompts
            if (other.task, other.bar_ticks) == (prompt.task, prompt.bar_ticks)
        ]
        number = next(n for n, other in enumerate(alike) if other.id == prompt.id)
        other = alike[(number + 1) % len(alike)]
        if other.piece == prompt.piece:
            return []
        real = other.real.with_notes(other.real.notes[other.is_written(other.real)])
        return [_beside(prompt, real)]


@dataclass(frozen=True, slots=True)
class Files:
    """Another system: a folder of MIDI files, `PROMPT-ID-TAKE.mid`, takes from 1.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    def check(self, prompts: Iterable[Prompt], n_takes: int) -> None:
        """Refuse a folder that has fewer takes than asked for, or one that cannot be read.

        Raises:
            EvaluationError: If a take of a prompt is missing; it names the first.
            MidiFileError: If a file cannot be read.
        """
        paths = [self._path(prompt, n) for prompt in prompts for n in range(1, n_takes + 1)]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            msg = (
                f"'{self.folder}' lacks {len(missing)} of {len(paths)} takes, the first is "
                f"{missing[0].name}; add them, or ask for less with --takes, --prompts, --tasks"
            )
            raise EvaluationError(msg)
        for path in paths:
            read_midi(path)

    def play(self, prompt: Prompt, n_takes: int, seed: int) -> Sequence[Score]:  # noqa: ARG002 (one of a family)
        """Return what the files have in the hole.

        Raises:
            MidiFileError: If a file cannot be read.
        """
        paths = [self._path(prompt, n) for n in range(1, n_takes + 1)]
        return [prompt.completed(read_midi(path)) for path in paths]

    def _path(self, prompt: Prompt, number: int) -> Path:
        return self.folder / f"{prompt.id}-{number}.mid"


def _beside(prompt: Prompt, notes: Score) -> Score:
    """Return the known stretch with other players' notes beside it."""
    n_known = len(prompt.known.parts)
    rows = notes.notes.copy()
    rows["part"] += n_known
    return replace(
        prompt.known,
        notes=np.concatenate([prompt.known.notes, rows]),
        parts=(*prompt.known.parts, *notes.parts),
    )


# --------------------------------------------------------------------- Markov

ORDER = 2

MOST_AT_ONCE = 8
"""Notes of a part that begin together at most; a chain may come back to chords for ever."""

REACH = 12
"""Semitones around its first note in which a line stays whose range is not known: an octave."""

MIDDLE_C = 60

DEFAULT_VELOCITY = 80
"""Loudness of a part that the prompt does not know."""

Step = tuple[int, int, int]
"""Ticks since the note before began, semitones from it (of drums the piece), length."""


class Chain:
    """Counts of what follows what in the lines of players.

    A line is the notes of a part in playing order. Its steps do not depend on key or bar; drums
    and pitched parts are counted apart.
    """

    def __init__(self) -> None:
        self._followers: dict[tuple[bool, tuple[Step, ...]], list[Step]] = defaultdict(list)
        self._first_pitches: dict[Part, list[int]] = defaultdict(list)

    def learn(self, score: Score) -> None:
        """Count the lines of a score at `TPQ` ticks a quarter."""
        for part, line in _lines(score):
            self._first_pitches[_player(part)].append(int(line["pitch"][0]))
            steps = _steps(line, is_drum=part.is_drum)
            for at, step in enumerate(steps):
                for order in range(min(ORDER, at) + 1):
                    self._followers[part.is_drum, tuple(steps[at - order : at])].append(step)

    def followers(self, steps: Sequence[Step], *, is_drum: bool) -> Sequence[Step]:
        """Return what has followed some steps, each as often as it has."""
        return self._followers.get((is_drum, tuple(steps)), [])

    def first_pitches(self, part: Part) -> Sequence[int]:
        """Return the pitches that players of an instrument have begun with."""
        return self._first_pitches.get(_player(part), [])


@dataclass(frozen=True, slots=True)
class Markov:
    """A chain of order 2, part by part: what followed the last two notes follows again.

    What the prompt says counts first; what it does not say is looked up in the corpus; where
    neither knows the last two notes, the last one is looked up, then none.

    Attributes:
        corpus: Counts of pieces that are not held out.
    """

    corpus: Chain
    name: str = "Markov"

    def play(self, prompt: Prompt, n_takes: int, seed: int) -> Sequence[Score]:
        """Return takes, each drawn from its own chance."""
        heard = Chain()
        heard.learn(prompt.known)
        return [
            self._take(prompt, heard, np.random.default_rng((seed, number)))
            for number in range(n_takes)
        ]

    def _take(self, prompt: Prompt, heard: Chain, rng: np.random.Generator) -> Score:
        lines = [self._line(prompt, heard, part, rng) for part in prompt.hole.parts]
        new = cut_overlaps(prompt.known.with_notes(np.concatenate(lines)))
        return new.with_notes(np.concatenate([prompt.known.notes, new.notes]))

    def _line(
        self, prompt: Prompt, heard: Chain, number: int, rng: np.random.Generator
    ) -> Table:
        """Return what one part plays in the hole, rows of `NOTE_DTYPE`."""
        part = prompt.known.parts[number]
        own = prompt.known.notes[prompt.known.notes["part"] == number]
        past = own[own["onset"] < prompt.first_tick]
        said = _steps(past, is_drum=part.is_drum)
        onset = int(past["onset"][-1]) if len(past) else prompt.first_tick
        pitch = int(past["pitch"][-1]) if len(past) else self._first_pitch(part, rng)
        reach = (pitch - REACH, pitch + REACH)
        if len(own):
            reach = (int(own["pitch"].min()), int(own["pitch"].max()))
        velocity = int(np.median(own["velocity"])) if len(own) else DEFAULT_VELOCITY
        rows: list[tuple[int, ...]] = []
        n_together = 1
        while True:
            step = self._next(heard, said, is_drum=part.is_drum, rng=rng)
            wait, move, length = step
            n_together = n_together + 1 if wait == 0 else 1
            if n_together > MOST_AT_ONCE:
                wait, n_together = TPQ, 1
            onset += wait
            if onset >= prompt.end_tick:
                return np.array(rows, NOTE_DTYPE)
            pitch = move if part.is_drum else _within(pitch + move, *reach)
            said.append(step)
            if onset >= prompt.first_tick:
                rows.append((onset, length, pitch, velocity, number))

    def _first_pitch(self, part: Part, rng: np.random.Generator) -> int:
        known = self.corpus.first_pitches(part)
        return int(rng.choice(known)) if known else MIDDLE_C

    def _next(
        self, heard: Chain, said: Sequence[Step], *, is_drum: bool, rng: np.random.Generator
    ) -> Step:
        """Draw the next step: from the longest past that is known, the prompt first."""
        for order in range(min(ORDER, len(said)), -1, -1):
            for chain in (heard, self.corpus):
                known = chain.followers(said[len(said) - order :], is_drum=is_drum)
                if known:
                    return known[int(rng.integers(len(known)))]
        return (TPQ, MIDDLE_C if is_drum else 0, TPQ)


def _lines(score: Score) -> Iterator[tuple[Part, Table]]:
    """Yield each part that plays and its notes."""
    for number, part in enumerate(score.parts):
        line = score.notes[score.notes["part"] == number]
        if len(line):
            yield part, line


def _player(part: Part) -> Part:
    """Return a part without its name, so that players of one instrument are the same."""
    return replace(part, name="")


def _steps(line: Table, *, is_drum: bool) -> list[Step]:
    """Return the steps of a line, from its second note on."""
    pitch = line["pitch"].astype(np.int64)
    moves = pitch[1:] if is_drum else np.diff(pitch)
    waits = np.diff(line["onset"])
    lengths = line["duration"][1:]
    return list(zip(waits.tolist(), moves.tolist(), lengths.tolist(), strict=True))


def _within(pitch: int, low: int, high: int) -> int:
    """Return a pitch moved by octaves towards a range, and into that of MIDI."""
    while pitch < low:
        pitch += N_PITCH_CLASSES
    while pitch > high:
        pitch -= N_PITCH_CLASSES
    return min(max(pitch, 0), MAX_DATA_BYTE)
