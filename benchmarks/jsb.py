"""How well does our network foretell Bach's chorales, in nats for each 16th of each voice?

    .venv/bin/python benchmarks/jsb.py train Jsb16thSeparated.json RUN
    .venv/bin/python benchmarks/jsb.py measure Jsb16thSeparated.json RUN

The chorales are github.com/czhuang/JSB-Chorales-dataset: 382 pieces as cells of a 16th and a
voice, in the split of Boulanger-Lewandowski et al. 2012 (arXiv:1206.6392): 229 to learn from,
76 to validate on, 77 to test on. `train` learns from the first alone, as `recipes/jsb.toml`
says; the second only chooses the checkpoint.

A cell holds a pitch or a rest, and a pitch struck again looks like one that is held. So a note
is as long as its pitch stays: then cells and notes say the same, and a stream of our events
spells both. The chain rule over the stream is exact. Its nats over the number of cells are thus
an upper bound of what the cells cost, and `measure` checks that each of the 382 streams gives
back every cell. All that is needed for that is paid for: places, parts, pitches and lengths of
notes, the bars, and with them and `END` the length of the piece. What is the same for every
chorale is known to the reader: `START`, and that no note says how loud it is.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from machine import machine_lines
from numpy.typing import NDArray
from torch import Tensor, nn

from sideman.model.checkpoint import load_checkpoint
from sideman.model.network import IGNORED, PRESETS, Network
from sideman.score.types import (
    DEFAULT_TEMPO_BPM,
    NOTE_DTYPE,
    TIME_SIGNATURE_DTYPE,
    TPQ,
    Part,
    Score,
    Table,
    table,
)
from sideman.tokens.codec import Layout, encode, events_to_grid
from sideman.tokens.grid import from_grid
from sideman.tokens.vocabulary import (
    BAR_TICKS_OF,
    DURATION_TICKS,
    FIRST_DRUM,
    N_COLUMNS,
    N_SLOTS,
    PROGRAM,
    Events,
    Kind,
    Task,
    Vocabulary,
    tempo_to_bin,
    time_signature_value,
)
from sideman.train.folder import BEST_NAME, RunFolder
from sideman.train.loop import Lesson, Run
from sideman.train.processes import join_processes
from sideman.train.recipe import Recipe, load_recipe
from sideman.train.windows import Batch

Cells = NDArray[np.int64]
"""A chorale, shape (16ths, voices): MIDI pitches, or `REST`."""

Mask = NDArray[np.bool_]

RECIPE = Path(__file__).parents[1] / "recipes" / "jsb.toml"
VOCABULARY = Vocabulary()
SPLITS = ("train", "valid", "test")
SLOTS = ("kind", "beat", "tick", "part", "pitch", "duration", "velocity")

REST = -1
N_VOICES = 4
ORDER = (0, 3, 1, 2)
"""Voice that each part sings: soprano, bass, alto, tenor, as in TonicNet (arXiv:1911.11775)."""

STEP = TPQ // 4
BEAT_STEPS, BAR_STEPS = 4, 16
CHOIR = 52
LOUDNESS = 64
PITCH = 4

FOUR_FOUR = int(time_signature_value(4, 4))
UPBEATS = time_signature_value(np.arange(1, 5), 4).tolist()
"""Metres that a first bar may have: 1/4 to 4/4."""
BPM_120 = int(tempo_to_bin(DEFAULT_TEMPO_BPM))
WHOLE_STEPS = [d for d, ticks in enumerate(DURATION_TICKS) if ticks and ticks % STEP == 0]
"""Duration values that are whole 16ths."""

DROPOUT = 0.05
"""Share of what each layer writes that is dropped in training: 229 pieces are soon learned."""

PUBLISHED = """\
published, nats per cell, as others quote them; the papers' tables were not at hand to check,
and nothing of it was run here
  0.436  Coconet (Huang et al. 2017, arXiv:1903.07227), said to be in order of time. In its code
         (lib_evaluation.py of magenta) a rest costs nothing.
  0.335  Music Transformer (Huang et al. 2018, arXiv:1809.04281).
  0.224  TonicNet (Peracha 2019, arXiv:1911.11775); its abstract speaks of validation loss. Not
         the same thing: it writes the chord of a 16th before the four notes, and its evaluation
         leaves out what chords cost (notes_only in its code). Its weights are named by a
         validation loss of 0.317, which is that of chords and notes alike: 5 / 4 of it, 0.396,
         is about what a cell costs with the chord paid for."""


def main() -> None:
    """Train or measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "measure"))
    parser.add_argument("chorales", type=Path, help="Jsb16thSeparated.json")
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--minutes", type=float, help="instead of the recipe's")
    asked = parser.parse_args()
    chorales = read_chorales(asked.chorales)
    if asked.what == "train":
        recipe = load_recipe(str(RECIPE))
        if asked.minutes:
            recipe = replace(recipe, minutes=asked.minutes)
        train(recipe, chorales, asked.run)
    else:
        report(chorales, asked.run)


def read_chorales(path: Path) -> dict[str, list[Cells]]:
    """Return the chorales of each split."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return {split: [np.array(rows, np.int64) for rows in data[split]] for split in SPLITS}


def to_events(cells: Cells) -> Events:
    """Spell a chorale as events.

    Its bars are of 4/4, and what that leaves over is the first bar: of most chorales, 249 of
    the 382, the length is a quarter more than whole bars, and they begin with an upbeat.

    Lengths beyond 32 16ths are spelled in coarser steps, so other music might not come back.
    """
    upbeat = len(cells) % BAR_STEPS or BAR_STEPS
    metres = [(0, upbeat // BEAT_STEPS, 4), (upbeat * STEP, 4, 4)]
    score = Score(
        notes=_notes(cells),
        parts=(Part(CHOIR),) * N_VOICES,
        time_signatures=table(TIME_SIGNATURE_DTYPE, metres),
    )
    layout = Layout(
        task=Task.CONTINUE,
        n_bars=-(-len(cells) // BAR_STEPS),
        unspecified_velocity=np.ones(len(score.notes), bool),
    )
    return encode(score, layout)[0]


def _notes(cells: Cells) -> Table:
    """Return a note for each stretch of one pitch."""
    notes = []
    for part, voice in enumerate(ORDER):
        line = cells[:, voice]
        changes = (np.flatnonzero(np.diff(line)) + 1).tolist()
        for start, end in zip([0, *changes], [*changes, len(line)], strict=True):
            if line[start] != REST:
                notes.append((start * STEP, (end - start) * STEP, line[start], LOUDNESS, part))
    return table(NOTE_DTYPE, notes)


def to_cells(events: Events) -> Cells:
    """Read a chorale back."""
    grid, _ = events_to_grid(events)
    cells = np.full((int(grid.bar_starts()[-1]) // STEP, N_VOICES), REST)
    for onset, duration, pitch, _, part in from_grid(grid).notes.tolist():
        cells[onset // STEP : (onset + duration) // STEP, ORDER[part]] = pitch
    return cells


# --------------------------------------------------------------------- training


class ChoraleSampler:
    """Draws rows of chorales, each from its beginning, moved in pitch; the last is cut.

    Args:
        pieces: The chorales as events.
        recipe: Says how long a row is and how far the pitch may move.
    """

    def __init__(self, pieces: Sequence[Events], recipe: Recipe) -> None:
        self._pieces, self._length = pieces, recipe.context
        lowest, highest = _ranges(pieces)
        self._shifts = [_shifts(piece, lowest, highest, recipe.transpose) for piece in pieces]

    def batch(self, rngs: Sequence[np.random.Generator]) -> Batch:
        """Return a freshly drawn row for each source of chance."""
        return as_batch([self._row(rng) for rng in rngs], self._length)

    def _row(self, rng: np.random.Generator) -> list[Events]:
        row: list[Events] = []
        while sum(len(piece) - 1 for piece in row) < self._length:
            number = int(rng.integers(len(self._pieces)))
            piece = self._pieces[number].copy()
            is_note = piece[:, 0] == Kind.NOTE
            piece[is_note, PITCH] = piece[is_note, PITCH] + rng.choice(self._shifts[number])
            row.append(piece)
        return row


def _ranges(pieces: Iterable[Events]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the lowest and the highest pitch of each part."""
    events = np.concatenate(list(pieces)).astype(np.int64)
    notes = events[events[:, 0] == Kind.NOTE]
    pitches = [notes[notes[:, 3] == part, PITCH] for part in range(N_VOICES)]
    return np.array([p.min() for p in pitches]), np.array([p.max() for p in pitches])


def _shifts(
    piece: Events, lowest: NDArray[np.int64], highest: NDArray[np.int64], most: int
) -> NDArray[np.int64]:
    """Return the semitones by which a piece may move with every part in its range."""
    notes = piece[piece[:, 0] == Kind.NOTE].astype(np.int64)
    part, pitch = notes[:, 3], notes[:, PITCH]
    down = min(most, int((pitch - lowest[part]).min()))
    up = min(most, int((highest[part] - pitch).min()))
    return np.arange(-down, up + 1)


def as_batch(rows: Sequence[Sequence[Events]], length: int) -> Batch:
    """Turn rows of pieces into ids and targets; what is longer is cut, what is short filled."""
    ids = np.zeros((len(rows), length, N_COLUMNS), np.int64)
    number = np.full((len(rows), length), -1)
    targets = np.full((len(rows), length, N_SLOTS), IGNORED)
    program_ids = np.zeros((len(rows), length), np.int64)
    for row, pieces in enumerate(rows):
        at = 0
        for index, piece in enumerate(pieces):
            seen, following = piece[:-1][: length - at], piece[1:][: length - at]
            here = slice(at, at + len(seen))
            ids[row, here] = VOCABULARY.ids(seen)
            number[row, here] = index
            targets[row, here] = VOCABULARY.targets(following)
            program_ids[row, here] = VOCABULARY.ids(following)[:, PROGRAM]
            at += len(seen)
    return Batch(ids=ids, piece=number, targets=targets, program_ids=program_ids)


def whole_pieces(pieces: Sequence[Events], length: int) -> Batch:
    """Return a batch that holds every piece once, whole: each in the first row with room."""
    rows: list[list[Events]] = []
    room: list[int] = []
    for piece in pieces:
        needed = len(piece) - 1
        row = next((r for r, left in enumerate(room) if needed <= left), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(length)
        rows[row].append(piece)
        room[row] -= needed
    return as_batch(rows, length)


def train(recipe: Recipe, chorales: dict[str, list[Cells]], folder: Path) -> None:
    """Train from nothing; the weights that foretell the validation split best are kept."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    pieces = {split: [to_events(cells) for cells in chorales[split]] for split in SPLITS}
    network = Network(replace(PRESETS[recipe.preset], context=recipe.context), VOCABULARY)
    for layer in network.layers:
        for name in ("attention", "feed_forward"):
            layer.get_submodule(name).register_forward_hook(_drop)
    lesson = Lesson(
        sampler=ChoraleSampler(pieces["train"], recipe),
        valid=whole_pieces(pieces["valid"], recipe.context),
        styles=VOCABULARY.styles,
        corpus_hash="jsb-chorales",
    )
    with join_processes() as processes:
        run = Run(recipe, network, lesson, RunFolder(folder), processes)
        run.begin(resume=True)
        run.go(progress=True)


def _drop(module: nn.Module, given: object, output: Tensor) -> Tensor:  # noqa: ARG001
    """Drop a share of what a module says, when something is learned from it."""
    return F.dropout(output, DROPOUT, training=torch.is_grad_enabled())


# -------------------------------------------------------------------- measuring


def possible(piece: Events) -> list[Mask]:
    """Return what each slot of each event but the first may be, given all that came before.

    This is what a reader knows who has learned nothing but what a stream of cells is: four
    choir parts of which nothing more is said, none sings two notes at once, or one pitch twice
    without a rest; notes begin on 16ths and end on them, no later than the piece; bars are of
    4/4, but the first may be shorter; events stand in the order of the language.

    Returns:
        For each slot a mask, shape (events - 1, slot size); False for a slot that says nothing.
    """
    masks = [np.zeros((len(piece) - 1, size), bool) for size in VOCABULARY.slot_sizes]
    reader = _Reader()
    for row, event in enumerate(piece[1:].tolist()):
        masks[0][row, reader.kinds()] = True
        for slot, values in enumerate(reader.values(event), start=1):
            masks[slot][row, VOCABULARY.slot_offsets[event[0], slot] + np.array(values)] = True
        reader.read(event)
    return masks


@dataclass(slots=True)
class _Reader:
    """What is known in the midst of a chorale; places and ends are 16ths from its beginning."""

    n_parts: int = 0
    bar: range = range(0)
    place: int = 0
    part: int = -1
    ends: list[int] = field(default_factory=lambda: [0] * N_VOICES)
    pitches: list[int] = field(default_factory=lambda: [REST] * N_VOICES)

    def kinds(self) -> list[int]:
        """Return the kinds that the next event may be of."""
        if self.n_parts < N_VOICES:
            return [Kind.PART]
        found = [Kind.BAR]
        if self._places():
            found.append(Kind.NOTE)
        if self.bar and max(self.ends) <= self.bar.stop:
            found.append(Kind.END)
        return list(found)

    def values(self, event: list[int]) -> list[list[int]]:
        """Return the values each attribute may have, if those before it are the event's."""
        kind, beat, _, part = event[:4]
        if kind == Kind.BAR:
            return [[FOUR_FOUR] if self.bar else UPBEATS, [BPM_120]]
        if kind != Kind.NOTE:  # there is no choice
            return [[value] for value in event[1:N_SLOTS]] if kind == Kind.PART else []
        place = self._place_of(event)
        placed = [divmod(p - self.bar.start, BEAT_STEPS) for p in self._places()]
        again = self.pitches[part] if self.ends[part] == place else REST
        return [
            [at for at, _ in placed],
            [step * STEP for at, step in placed if at == beat],
            [p for p in range(N_VOICES) if self._first_place(p) <= place],
            [pitch for pitch in range(FIRST_DRUM) if pitch != again],
            WHOLE_STEPS,
        ]

    def read(self, event: list[int]) -> None:
        """Take note of an event."""
        kind, value, _, part, pitch, duration = event[:6]
        if kind == Kind.PART:
            self.n_parts += 1
        elif kind == Kind.BAR:
            self.bar = range(self.bar.stop, self.bar.stop + int(BAR_TICKS_OF[value]) // STEP)
            self.place, self.part = self.bar.start, -1
        elif kind == Kind.NOTE:
            self.place, self.part = self._place_of(event), part
            self.ends[part] = self.place + int(DURATION_TICKS[duration]) // STEP
            self.pitches[part] = pitch

    def _place_of(self, note: list[int]) -> int:
        return self.bar.start + note[1] * BEAT_STEPS + note[2] // STEP

    def _first_place(self, part: int) -> int:
        """Return the first place where a part may begin its next note."""
        return max(self.ends[part], self.place + int(part <= self.part))

    def _places(self) -> range:
        """Return the places of this bar where some part may begin a note."""
        return range(min(map(self._first_place, range(N_VOICES))), self.bar.stop)


@torch.no_grad()
def nats(network: Network, piece: Events, masks: Sequence[Mask] | None = None) -> Tensor:
    """Return what each slot of a piece costs, in nats, shape (J,).

    Args:
        network: Foretells.
        piece: The events.
        masks: What each slot may be, as `possible` tells it; None: all there is.
    """
    batch = as_batch([[piece]], len(piece) - 1)
    ids, number, targets, program_ids = (
        torch.from_numpy(array)
        for array in (batch.ids, batch.piece, batch.targets, batch.program_ids)
    )
    scores = network.slot_logits(network.hidden(ids, number), targets, program_ids)
    found = []
    for slot, score in enumerate(scores):
        is_said = targets[0, :, slot] != IGNORED
        said = score[0, is_said].double()
        if masks is not None:
            said = said.masked_fill(~torch.from_numpy(masks[slot])[is_said], -torch.inf)
        found.append(F.cross_entropy(said, targets[0, is_said, slot], reduction="sum"))
    return torch.stack(found)


def report(chorales: dict[str, list[Cells]], folder: Path) -> None:
    """Measure and print."""
    pieces = {split: [to_events(cells) for cells in chorales[split]] for split in SPLITS}
    n_whole = sum(
        np.array_equal(to_cells(piece), cells)
        for split in SPLITS
        for piece, cells in zip(pieces[split], chorales[split], strict=True)
    )
    checkpoint = load_checkpoint(folder / BEST_NAME)
    network = checkpoint.network()
    recipe = checkpoint.recipe
    print(*machine_lines("torch", "sideman"), sep="\n")
    print(
        f"network   {recipe['preset']}, {network.n_parameters():,} weights; step "
        f"{checkpoint.step}, {checkpoint.minutes:.0f} minutes, seed {recipe['seed']}"
    )
    print(f"lossless  {n_whole} of {sum(map(len, chorales.values()))} chorales, cell for cell")
    print()
    print(f"{'nats per cell:':>39}  as learned               with what is possible")
    print("split  pieces    cells   notes  all cells  mean piece    all cells  mean piece")
    slots = {}
    for split in ("valid", "test"):
        sizes = np.array([cells.size for cells in chorales[split]])
        plain = np.array([nats(network, piece).numpy() for piece in pieces[split]])
        known = np.array([nats(network, p, possible(p)).numpy() for p in pieces[split]])
        n_notes = sum(int((piece[:, 0] == Kind.NOTE).sum()) for piece in pieces[split])
        figures = [f(cost.sum(1), sizes) for cost in (plain, known) for f in (_pooled, _mean)]
        print(
            f"{split:5}  {len(sizes):6}  {sizes.sum():7,}  {n_notes:6,}  {figures[0]:9.4f}"
            f"  {figures[1]:10.4f}    {figures[2]:9.4f}  {figures[3]:10.4f}"
        )
        slots[split] = [cost.sum(0) / sizes.sum() for cost in (plain, known)]
    print()
    print("test, nats per cell by slot   as learned   possible")
    for name, plain, known in zip(SLOTS, *slots["test"], strict=True):
        print(f"  {name:26}  {plain:10.4f}   {known:8.4f}")
    print()
    print(PUBLISHED)


def _pooled(cost: NDArray[np.float64], sizes: NDArray[np.int64]) -> float:
    return float(cost.sum() / sizes.sum())


def _mean(cost: NDArray[np.float64], sizes: NDArray[np.int64]) -> float:
    return float((cost / sizes).mean())


if __name__ == "__main__":
    main()
