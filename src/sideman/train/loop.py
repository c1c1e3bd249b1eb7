"""The training loop: resumable at any step, by one process or by many."""

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW, Muon, Optimizer
from tqdm import tqdm

from sideman.corpus.shards import Corpus, Piece, open_corpus
from sideman.errors import CorpusError, RecipeError
from sideman.model.checkpoint import Checkpoint
from sideman.model.network import PRESETS, Network
from sideman.train.feed import Sampler, batches
from sideman.train.folder import RunFolder
from sideman.train.measure import NATS_PER_BIT, batch_nats, slot_nats
from sideman.train.processes import Processes, join_processes
from sideman.train.recipe import Recipe
from sideman.train.schedule import learning_rate_share
from sideman.train.speed import choose_speed
from sideman.train.watch import SLOT_NAMES, Watch
from sideman.train.windows import Batch, WindowSampler

VALIDATION_SEED = 0
"""Of the rows measured: the same in every run, so that runs can be compared."""

Rehearse = Callable[[Path, Path], object]
"""Lets the model of a checkpoint play into a folder."""

SECONDS_PER_MINUTE = 60.0
PROGRESS_FORMAT = "{percentage:5.1f}% |{bar:20}| {elapsed} < {remaining}{postfix}"


@dataclass(frozen=True, slots=True)
class TrainReport:
    """How a run ended.

    Attributes:
        checkpoint: Where the weights are.
        step: Steps done.
        valid_bits_per_note: Last measurement on the validation split.
    """

    checkpoint: Path
    step: int
    valid_bits_per_note: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a run learns from and what it is measured on.

    Attributes:
        sampler: Draws the rows of the batches.
        valid: Rows that are measured.
        styles: Style labels of both.
        corpus_hash: Fingerprint of the music.
    """

    sampler: Sampler
    valid: Batch
    styles: tuple[str, ...]
    corpus_hash: str


def train(
    recipe: Recipe,
    corpus_folder: Path,
    out: Path,
    *,
    resume: bool = True,
    rehearse: Rehearse | None = None,
    progress: bool = True,
) -> TrainReport:
    """Train a network on a corpus; for the run folder `out` see `RunFolder`.

    Started by `torchrun`, its processes share every batch: the same is learned, faster.

    Args:
        recipe: Settings.
        corpus_folder: A corpus made by `sideman corpus build`.
        out: Run folder; a checkpoint in it is gone on from.
        resume: False starts anew and needs an `out` without a checkpoint.
        rehearse: Called every so many steps, if the recipe wants it, with the checkpoint and
            a folder for what the model then plays.
        progress: Show a progress bar on stderr.

    Raises:
        RecipeError: If the settings contradict themselves or the checkpoint, or the gradient
            is not finite.
        CorpusError: If there is no corpus, or no training or validation piece in it.
    """
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    corpus = open_corpus(corpus_folder)
    network = new_network(recipe, corpus)
    lesson = corpus_lesson(recipe, corpus)
    with join_processes() as processes:
        run = Run(recipe, network, lesson, RunFolder(out), processes)
        run.rehearse = rehearse
        run.begin(resume=resume)
        return run.go(progress=progress and processes.is_first)


def new_network(recipe: Recipe, corpus: Corpus) -> Network:
    """Return a network that has learned nothing.

    Raises:
        RecipeError: If there is no such preset.
    """
    if recipe.preset not in PRESETS:
        msg = f"there is no preset {recipe.preset!r}; there are {', '.join(PRESETS)}"
        raise RecipeError(msg)
    torch.manual_seed(recipe.seed)
    config = replace(PRESETS[recipe.preset], context=recipe.context)
    return Network(config, corpus.vocabulary)


def corpus_lesson(recipe: Recipe, corpus: Corpus) -> Lesson:
    """Return the lesson that a corpus holds.

    Raises:
        CorpusError: If it has no piece for training or none for validation.
    """
    return Lesson(
        WindowSampler(corpus, _pieces(corpus, "train"), recipe),
        validation_batch(recipe, corpus),
        corpus.vocabulary.styles,
        corpus.hash(),
    )


def validation_batch(recipe: Recipe, corpus: Corpus) -> Batch:
    """Return the rows that a recipe measures on: windows as they are, not augmented.

    Raises:
        CorpusError: If the corpus has no piece for validation.
    """
    sampler = WindowSampler(corpus, _pieces(corpus, "valid"), recipe.unchanged())
    return sampler.batch(np.random.default_rng(VALIDATION_SEED).spawn(recipe.validation_rows))


class Run:
    """One run: network, optimisers, where it stands.

    Args:
        recipe: Settings.
        network: Learns.
        lesson: What it learns from.
        folder: Where checkpoints and figures go.
        processes: Share the work; this is one of them.

    Raises:
        RecipeError: If the rows of a batch cannot be shared.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        lesson: Lesson,
        folder: RunFolder,
        processes: Processes,
    ) -> None:
        if recipe.batch_rows % processes.count:
            msg = (
                f"batch_rows is {recipe.batch_rows}; {processes.count} processes cannot share "
                f"that, make it a multiple of them"
            )
            raise RecipeError(msg)
        self.recipe, self.lesson, self.folder = recipe, lesson, folder
        self.processes, self.device = processes, processes.device
        self.network = network.to(self.device)
        self.optimizers = _optimizers(self.network, recipe)
        self.step, self.minutes = 0, 0.0
        self._lowest, self._saved = math.inf, 0.0
        self._watch = Watch(lesson.valid)
        self.rehearse: Rehearse | None = None

    def begin(self, *, resume: bool) -> None:
        """Go on from a checkpoint in the folder, if there is one, and make the folder ready.

        Raises:
            RecipeError: If there is one and it is not to be resumed, or is of another kind.
        """
        checkpoint = self.folder.last(resume=resume)
        if checkpoint is not None:
            self._restore(checkpoint)
        if self.processes.is_first:
            self.folder.begin(self.recipe, self.lesson.corpus_hash, self.step)
            self._lowest = self.folder.lowest()

    def go(self, *, progress: bool) -> TrainReport:
        """Train until the minutes (or the steps) are over."""
        self.choose_speed()
        feed = batches(self.lesson.sampler, self.recipe, self.step, self.processes)
        valid_bits = math.nan
        with tqdm(
            total=1.0,
            initial=min(self._progress(), 1.0),
            bar_format=PROGRESS_FORMAT,
            disable=not progress,
        ) as bar:
            while self._progress() < 1:
                row = self.timed_step(feed)
                if self._progress() >= 1 or self.step % self.recipe.validate_every == 0:
                    row |= self._validate()
                    valid_bits = row["valid_bits_per_note"]
                self._keep(row)
                bar.update(min(self._progress(), 1.0) - bar.n)
                bar.set_postfix_str(
                    f"step {self.step}, {row['bits_per_note']:.2f} bits/note, "
                    f"valid {valid_bits:.2f}, {row['notes_per_s']:,.0f} notes/s"
                )
        if math.isnan(valid_bits):  # nothing was left to do
            valid_bits = self._validate()["valid_bits_per_note"]
        return TrainReport(self.folder.checkpoint, self.step, valid_bits)

    def choose_speed(self) -> None:
        """Settle how to compute; comes before the first step."""
        self._speed = choose_speed(
            self.network, self.recipe, self.processes, seconds_left=self.seconds_left
        )

    def timed_step(self, feed: Iterator[Batch]) -> dict[str, float]:
        """Draw a batch, learn from it, and return the figures to log."""
        began = time.monotonic()
        row = self._one_step(next(feed))
        took_s = self._take_time(began)
        return row | {
            "minutes": round(self.minutes, 3),
            "notes_per_s": round(row["notes"] / max(took_s, 1e-9), 1),
        }

    def seconds_left(self, step_s: float) -> float:
        """Return how long the run still takes if a step takes so long."""
        if self.recipe.steps:
            return (self.recipe.steps - self.step) * step_s
        return (self.recipe.minutes - self.minutes) * SECONDS_PER_MINUTE

    def _restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.config != self.network.config:
            begun, context = checkpoint.recipe.get("preset"), checkpoint.config.context
            msg = (
                f"{self.folder.path} was begun with preset {begun!r} and context {context}, "
                f"the recipe says {self.recipe.preset!r} and {self.recipe.context}; "
                f"name another run folder"
            )
            raise RecipeError(msg)
        if checkpoint.styles != self.lesson.styles:
            begun, here = ", ".join(checkpoint.styles), ", ".join(self.lesson.styles)
            msg = (
                f"{self.folder.path} was begun with the styles {begun}, the corpus has {here}; "
                f"name another run folder"
            )
            raise RecipeError(msg)
        if checkpoint.corpus_hash != self.lesson.corpus_hash:
            warn(
                f"this is not the corpus that {self.folder.path} was begun with; its "
                f"validation figures cannot be compared"
            )
        self.network.load_state_dict(checkpoint.weights)
        for optimizer, state in zip(self.optimizers, checkpoint.optimizers, strict=True):
            optimizer.load_state_dict(state)
        self.step, self.minutes = checkpoint.step, checkpoint.minutes
        self._saved = self.minutes

    def _progress(self) -> float:
        """Return the share of the run that is done; 1 or a little more at its end."""
        if self.recipe.steps:
            return self.step / self.recipe.steps
        return self.minutes / self.recipe.minutes

    def _one_step(self, batch: Batch) -> dict[str, float]:
        share = learning_rate_share(self._progress(), self.recipe)
        peaks = (self.recipe.matrix_learning_rate, self.recipe.learning_rate)
        for optimizer, peak in zip(self.optimizers, peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
        nats = batch_nats(
            self._speed.loss, batch, use_bf16=self._speed.use_bf16, device=self.device
        ).sum()
        figures = torch.tensor([float(nats.detach()), batch.n_events, batch.n_notes])
        all_nats, n_events, n_notes = self.processes.total(figures).tolist()
        # gradients are averaged over the processes: times their number they are summed
        torch.autograd.backward(nats * (self.processes.count / max(n_events, 1)))
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm)
        if not torch.isfinite(norm):
            msg = (
                f"the gradient is {float(norm)} at step {self.step}; "
                f"lower the learning rate and resume"
            )
            raise RecipeError(msg)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        return {
            "step": self.step,
            "bits_per_note": all_nats / NATS_PER_BIT / max(n_notes, 1),
            "gradient_norm": float(norm),
            "notes": int(n_notes),
        }

    def _validate(self) -> dict[str, float]:
        """Measure the validation rows; it counts as time of training."""
        began = time.monotonic()
        share = self.lesson.valid.share(self.processes.rank, self.processes.count)
        nats = slot_nats(self.network, share, use_bf16=self._speed.use_bf16, device=self.device)
        bits = self.processes.total(nats) / NATS_PER_BIT / max(self.lesson.valid.n_notes, 1)
        self._take_time(began)
        return {
            "valid_bits_per_note": float(bits.sum()),
            **{f"valid_{name}": float(bit) for name, bit in zip(SLOT_NAMES, bits, strict=True)},
        }

    def _take_time(self, began: float) -> float:
        """Count the time since a moment as training; the processes agree on it."""
        took = torch.tensor(time.monotonic() - began)
        took_s = float(self.processes.highest(took))
        self.minutes += took_s / SECONDS_PER_MINUTE
        return took_s

    def _keep(self, row: dict[str, float]) -> None:
        """Log the figures of a step, and write a checkpoint if it is time to."""
        if not self.processes.is_first:
            return
        self.folder.log(row)
        for warning in self._watch.look(row, self._progress()):
            warn(warning)
        valid_bits = row.get("valid_bits_per_note", math.inf)
        is_best = valid_bits < self._lowest
        is_kept = self._is_time(self.recipe.keep_every)
        is_played = self.rehearse is not None and self._is_time(self.recipe.rehearse_every)
        is_due = self.minutes - self._saved >= self.recipe.save_minutes
        if "valid_bits_per_note" in row or is_kept or is_played or is_due:
            self.folder.save(self._checkpoint(), is_best=is_best, is_kept=is_kept)
            self._lowest = min(self._lowest, valid_bits)
            self._saved = self.minutes
        if self.rehearse is not None and is_played:
            self.rehearse(self.folder.checkpoint, self.folder.samples(self.step))

    def _is_time(self, every: int) -> bool:
        return bool(every) and self.step % every == 0

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(
            config=self.network.config,
            styles=self.lesson.styles,
            step=self.step,
            minutes=self.minutes,
            recipe=self.recipe.to_dict(),
            corpus_hash=self.lesson.corpus_hash,
            weights=self.network.state_dict(),
            optimizers=[optimizer.state_dict() for optimizer in self.optimizers],
        )


def warn(warning: str) -> None:
    """Print a line on stderr, above the progress bar if there is one."""
    tqdm.write(warning, file=sys.stderr)


def _pieces(corpus: Corpus, split: str) -> list[Piece]:
    pieces = corpus.of_split(split)
    if not pieces:
        msg = f"{corpus.folder} has no piece in its {split} split; add files, or a splits table"
        raise CorpusError(msg)
    return pieces


def _optimizers(network: Network, recipe: Recipe) -> tuple[Optimizer, Optimizer]:
    """Muon for the matrices between (Jordan et al. 2024), AdamW for all else that learns."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        is_inner = not name.startswith(("embedding", "chain.outs"))
        is_matrix = parameter.dim() == 2  # noqa: PLR2004 (rows and columns)
        (matrices if is_matrix and is_inner else others).append(parameter)
    muon = Muon(matrices, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")
    adam = AdamW(others, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return muon, adam
