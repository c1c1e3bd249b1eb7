"""Prompts: stretches of held-out pieces with something left out, the same in every run.

| task        | bars | what is left out                              | what is known         |
|-------------|------|-----------------------------------------------|-----------------------|
| `continue`  | 16   | the last 8 bars                               | the first 8           |
| `infill`    | 12   | bars 5 to 8                                   | 4 bars on either side |
| `accompany` | 8    | all parts but one, the melody if there is one | that part             |
| `chart`     | 8    | every note                                    | the chords, who plays |

Everything is on the model's grid: `TPQ` ticks a quarter. Chords are known to a chart only, for
other systems do not get them. A stretch is in one metre.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sideman.corpus.shards import Corpus, Piece, ShardReader
from sideman.engine.compose import cut
from sideman.engine.fill import Hole
from sideman.errors import CorpusError
from sideman.evaluate.results import PromptEntry
from sideman.files import refuse_existing, whole_file
from sideman.score.edit import drop_empty_parts, slice_bars
from sideman.score.harmony import Chord, chord_symbol
from sideman.score.midi import write_midi
from sideman.score.time import resample
from sideman.score.types import CHORD_DTYPE, TPQ, Part, Score, table
from sideman.tokens import grid as grids
from sideman.tokens.codec import events_to_grid
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import Grid, from_grid
from sideman.tokens.vocabulary import BAR_TICKS_OF, N_PARTS, Role, Task

TASKS = ("continue", "infill", "accompany", "chart")

N_BARS = {"continue": 16, "infill": 12, "accompany": 8, "chart": 8}
"""Bars of a stretch."""

HOLES = {"continue": (8, 16), "infill": (4, 8), "accompany": (0, 8), "chart": (0, 8)}
"""First bar that is written, and the bar after the last, of each task."""

MODEL_TASKS = {
    "continue": Task.CONTINUE,
    "infill": Task.INFILL,
    "accompany": Task.ACCOMPANY,
    "chart": Task.CHART,
}

FEWEST_NOTES = 8
"""Notes that what is known and what is left out have at least: less says nothing."""

MOST_PLAYERS = 8
"""Most parts of a stretch in which some accompany another."""

DIGEST_DIGITS = 8

MANIFEST = "prompts.json"
"""What `write_prompts` says of the prompts beside their MIDI files."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """A stretch of a piece with something left out.

    Attributes:
        id: Name of the task and digits that follow from the piece and the bars.
        task: One of `TASKS`.
        piece: Path of the piece in its corpus.
        style: Style label of the corpus, 0 unspecified.
        piece_bar: Bar of the piece that is the first of the stretch.
        real: The stretch as it was.
        known: The stretch without what is left out. Who plays in it is known, too: where
            parts are to be written from nothing, they are there without a note.
        hole: What is to be written, in bars of the stretch.
        n_bars: Bars of the stretch.
        bar_ticks: Ticks of each.
    """

    id: str
    task: str
    piece: str
    style: int
    piece_bar: int
    real: Score
    known: Score
    hole: Hole
    n_bars: int
    bar_ticks: int

    @property
    def first_tick(self) -> int:
        """Where the hole begins."""
        return self.hole.first * self.bar_ticks

    @property
    def end_tick(self) -> int:
        """Where the hole ends."""
        return self.hole.end * self.bar_ticks

    @property
    def given_parts(self) -> tuple[int, ...]:
        """Parts that are known in the bars of the hole."""
        return () if self.task != "accompany" else _others(self.real, self.hole.parts)

    def is_written(self, score: Score) -> NDArray[np.bool_]:
        """Return which notes of a take stand in the hole, shape (N,)."""
        onset = score.notes["onset"]
        inside = (onset >= self.first_tick) & (onset < self.end_tick)
        found: NDArray[np.bool_] = inside & ~np.isin(score.notes["part"], self.given_parts)
        return found

    def written(self, score: Score) -> Score:
        """Return what a take has in the hole, tick 0 at its beginning."""
        held = cut(score.with_notes(score.notes[self.is_written(score)]), self.end_tick)
        return slice_bars(held, self.hole.first, self.hole.end)

    def completed(self, notes: Score) -> Score:
        """Return the known stretch with the notes of a score that stand in the hole.

        Parts are matched by instrument, in order; those that the prompt lacks are added.
        """
        notes = resample(notes, TPQ)
        parts, number = _matched(self.known.parts, notes.parts)
        rows = notes.notes.copy()
        rows["part"] = number[rows["part"]]
        moved = Score(rows, parts)
        rows = moved.notes[self.is_written(moved)]
        together = np.concatenate([self.known.notes, rows])
        return replace(self.known, notes=together, parts=parts)

    def entry(self, styles: Sequence[str]) -> PromptEntry:
        """Return what results say of the prompt; `styles` are those of the corpus."""
        return PromptEntry(
            id=self.id,
            task=self.task,
            piece=self.piece,
            style=styles[self.style - 1] if self.style else "",
            piece_bar=self.piece_bar,
            n_bars=self.n_bars,
            first_bar=self.hole.first,
            end_bar=self.hole.end,
        )


def held_out(corpus: Corpus) -> tuple[str, list[Piece]]:
    """Return the name and the pieces of the split that nothing was learned or chosen by.

    That is the test split; where there is none, the validation split.

    Raises:
        CorpusError: If both are empty.
    """
    for split in ("test", "valid"):
        pieces = corpus.of_split(split)
        if pieces:
            return split, pieces
    msg = f"{corpus.folder} holds no piece out; build it with a test split"
    raise CorpusError(msg)


def in_turn(pieces: Sequence[Piece], rng: np.random.Generator) -> Iterator[Piece]:
    """Yield pieces in a drawn order in which the styles take turns."""
    by_style: dict[int, list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_style[piece.style].append(piece)
    shuffled = [
        [of_style[index] for index in rng.permutation(len(of_style))]
        for _, of_style in sorted(by_style.items())
    ]
    return (piece for piece in chain.from_iterable(zip_longest(*shuffled)) if piece)


def read_piece(reader: ShardReader, piece: Piece) -> Grid:
    """Return a piece of a corpus on the grid.

    Raises:
        CorpusError: If its shard cannot be read.
        TokenError: If what stands there is no piece.
    """
    return events_to_grid(np.asarray(reader.events(piece)))[0]


def draw_prompts(corpus: Corpus, task: str, n: int, *, seed: int) -> list[Prompt]:
    """Return the prompts of a task, one of a piece, the styles in turn; fewer if there are.

    The first prompts of many are those of few.

    Raises:
        CorpusError: If the corpus holds nothing out.
    """
    rng = np.random.default_rng((seed, TASKS.index(task)))
    reader = ShardReader(corpus)
    prompts: list[Prompt] = []
    for piece in in_turn(held_out(corpus)[1], rng):
        prompt = _cut_prompt(read_piece(reader, piece), piece, task, rng)
        if prompt is not None:
            prompts.append(prompt)
        if len(prompts) == n:
            break
    return prompts


def write_prompts(prompts: Sequence[Prompt], folder: Path, *, force: bool = False) -> None:
    """Write what is known of each prompt as a MIDI file, and a list of them.

    Raises:
        OutputExists: If the list is there and `force` is not given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refuse_existing(folder / MANIFEST, force=force)
    for prompt in prompts:
        write_midi(prompt.known, folder / f"{prompt.id}.mid", force=True)
    with whole_file(folder / MANIFEST) as part:
        text = json.dumps([_described(prompt) for prompt in prompts], indent=1)
        part.write_text(text + "\n", encoding="utf-8")


def _described(prompt: Prompt) -> dict[str, object]:
    """Return what another program has to know of a prompt; bars count from 1."""
    metre = prompt.known.time_signatures[0]
    parts = [prompt.known.parts[number] for number in prompt.hole.parts]
    return {
        "id": prompt.id,
        "file": f"{prompt.id}.mid",
        "task": prompt.task,
        "bars": prompt.n_bars,
        "first_new_bar": prompt.hole.first + 1,
        "last_new_bar": prompt.hole.end,
        "metre": f"{metre['numerator']}/{metre['denominator']}",
        "new_parts": [{"program": part.program, "is_drum": part.is_drum} for part in parts],
        "chords": [
            [onset / TPQ, chord_symbol(Chord(root, quality, bass))]
            for onset, root, quality, bass in prompt.known.chords.tolist()
        ],
    }


def _cut_prompt(grid: Grid, piece: Piece, task: str, rng: np.random.Generator) -> Prompt | None:
    """Return a prompt out of a piece; None where it has no stretch that will do."""
    n_bars = N_BARS[task]
    starts = np.flatnonzero(_is_steady(grid, n_bars))
    if len(starts) == 0:
        return None
    start = int(rng.choice(starts))
    stretch = grids.slice_bars(grid, start, start + n_bars)
    stretch = grids.take_parts(stretch, np.unique(stretch.notes["part"]).astype(np.int64))
    given = _given_part(stretch) if task == "accompany" else None
    has_chords = task != "chart" or bool(len(stretch.chords))
    is_band = task != "accompany" or 1 < len(stretch.programs) <= MOST_PLAYERS
    if not (has_chords and is_band):
        return None
    real, known, parts = _emptied(stretch, task, given)
    written = len(real.notes) - len(known.notes)
    if written < FEWEST_NOTES or not parts:
        return None
    if task != "chart" and len(known.notes) < FEWEST_NOTES:
        return None
    digest = hashlib.sha256(f"{piece.path}\n{start}".encode()).hexdigest()[:DIGEST_DIGITS]
    return Prompt(
        id=f"{task}-{digest}",
        task=task,
        piece=piece.path,
        style=piece.style,
        piece_bar=start,
        real=real,
        known=known,
        hole=Hole(*HOLES[task], parts, MODEL_TASKS[task]),
        n_bars=n_bars,
        bar_ticks=int(BAR_TICKS_OF[stretch.bars["time_signature"][0]]),
    )


def _is_steady(grid: Grid, n_bars: int) -> NDArray[np.bool_]:
    """Return whether the `n_bars` from each bar on have one metre, shape (starts,)."""
    metre = grid.bars["time_signature"]
    if len(metre) < n_bars:
        return np.zeros(0, bool)
    windows = np.lib.stride_tricks.sliding_window_view(metre, n_bars)
    found: NDArray[np.bool_] = (windows == windows[:, :1]).all(axis=1)
    return found


def _given_part(stretch: Grid) -> int:
    """Return the part that is accompanied: the melody, or else the first one."""
    roles = measure_controls(stretch)["role"]
    return int(np.argmax(roles == Role.MELODY))


def _emptied(
    stretch: Grid, task: str, given: int | None
) -> tuple[Score, Score, tuple[int, ...]]:
    """Return the stretch, the same without what is left out, and who is to write that."""
    real = from_grid(stretch)
    first, end = HOLES[task]
    bar, part = stretch.notes["bar"], stretch.notes["part"]
    is_gone = (bar >= first) & (bar < end)
    if given is not None:
        is_gone &= part != given
    known = from_grid(replace(stretch, notes=stretch.notes[~is_gone]))
    if task != "chart":
        real, known = (replace(score, chords=table(CHORD_DTYPE)) for score in (real, known))
    if task in ("accompany", "chart"):
        return real, known, _others(real, () if given is None else (given,))
    if task == "continue":  # what changes later is not known yet
        known = slice_bars(known, 0, first)
    known = drop_empty_parts(known)
    return real, known, tuple(range(len(known.parts)))


def _others(score: Score, parts: Sequence[int]) -> tuple[int, ...]:
    return tuple(part for part in range(len(score.parts)) if part not in parts)


def _matched(
    parts: Sequence[Part], others: Sequence[Part]
) -> tuple[tuple[Part, ...], NDArray[np.int64]]:
    """Match players by instrument, in order.

    Returns:
        `parts` with those of `others` behind that match none of them, and for each of `others`
        its number there; beyond `N_PARTS` the last number is shared.
    """
    together, free = list(parts), list(range(len(parts)))
    number = np.zeros(len(others), np.int64)
    for index, other in enumerate(others):
        same = [n for n in free if _instrument(parts[n]) == _instrument(other)]
        if same:
            free.remove(same[0])
        elif len(together) < N_PARTS:
            together.append(other)
        number[index] = same[0] if same else len(together) - 1
    return tuple(together), number


def _instrument(part: Part) -> tuple[int, bool]:
    return part.program, part.is_drum
