"""The training loop: plain, resumable, one process."""

import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim import AdamW, Muon, Optimizer
from tqdm import tqdm

from sideman.corpus.shards import Corpus, Piece, open_corpus
from sideman.errors import CorpusError, RecipeError
from sideman.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sideman.model.network import PRESETS, Network
from sideman.tokens.vocabulary import N_COLUMNS, N_SLOTS
from sideman.train.measure import NATS_PER_BIT, batch_nats, bits_per_note
from sideman.train.recipe import Recipe
from sideman.train.windows import Batch, WindowSampler, batches

CHECKPOINT_NAME = "checkpoint.pt"
METRICS_NAME = "metrics.jsonl"
RECIPE_NAME = "recipe.json"

VALIDATION_SEED = 0
"""Of the rows measured: the same in every run, so that runs can be compared."""

LOWEST_WARMUP = 0.01
"""Share of the peak learning rate that the first step has."""

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


def train(
    recipe: Recipe,
    corpus_folder: Path,
    out: Path,
    *,
    minutes: float | None = None,
    resume: bool = True,
    progress: bool = True,
) -> TrainReport:
    """Train a network on a corpus; the run folder `out` holds checkpoint, recipe and metrics.

    Args:
        recipe: Settings.
        corpus_folder: A corpus made by `sideman corpus build`.
        out: Run folder; a checkpoint in it is gone on from.
        minutes: Instead of the recipe's minutes or steps.
        resume: False starts anew and needs an `out` without a checkpoint.
        progress: Show a progress bar on stderr.

    Raises:
        RecipeError: If the settings contradict themselves or the checkpoint, or the gradient
            is not finite.
        CorpusError: If there is no corpus, or no training or validation piece in it.
    """
    if minutes is not None:
        recipe = replace(recipe, minutes=minutes, steps=0)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    return _Run(recipe, open_corpus(corpus_folder), out, resume=resume).go(progress=progress)


class _Run:
    """One run: network, optimisers, where it stands."""

    def __init__(self, recipe: Recipe, corpus: Corpus, out: Path, *, resume: bool) -> None:
        if recipe.preset not in PRESETS:
            msg = f"there is no preset {recipe.preset!r}; there are {', '.join(PRESETS)}"
            raise RecipeError(msg)
        self.recipe, self.corpus, self.out = recipe, corpus, out
        self.feed = WindowSampler(corpus, _pieces(corpus, "train"), recipe)
        # As they are, so that runs with different augmentation can be compared.
        self.valid = WindowSampler(corpus, _pieces(corpus, "valid"), recipe.unchanged()).batch(
            np.random.default_rng(VALIDATION_SEED), recipe.validation_rows
        )
        torch.manual_seed(recipe.seed)
        config = replace(PRESETS[recipe.preset], context=recipe.context)
        self.network = Network(config, corpus.vocabulary)
        self.optimizers = _optimizers(self.network, recipe)
        self.step, self.minutes = 0, 0.0
        self._begin_or_resume(resume=resume)
        self.use_bf16 = _use_bf16(self.network, recipe)

    def go(self, *, progress: bool) -> TrainReport:
        """Train until the minutes (or the steps) are over."""
        valid_bits = math.nan
        feed = batches(self.feed, self.recipe, self.step)
        with tqdm(
            total=1.0,
            initial=min(self._progress(), 1.0),
            bar_format=PROGRESS_FORMAT,
            disable=not progress,
        ) as bar:
            while self._progress() < 1:
                row = self._timed_step(feed)
                if self._progress() >= 1 or self.step % self.recipe.validate_every == 0:
                    valid_bits = self._validate()
                    row["valid_bits_per_note"] = valid_bits
                self._log(row)
                if "valid_bits_per_note" in row:
                    self._save()
                bar.update(min(self._progress(), 1.0) - bar.n)
                bar.set_postfix_str(
                    f"step {self.step}, {row['bits_per_note']:.2f} bits/note, "
                    f"valid {valid_bits:.2f}"
                )
        if math.isnan(valid_bits):  # nothing was left to do
            valid_bits = self._validate()
        return TrainReport(self.out / CHECKPOINT_NAME, self.step, valid_bits)

    def _begin_or_resume(self, *, resume: bool) -> None:
        """Make the run folder ready, and go on from a checkpoint that lies in it."""
        path = self.out / CHECKPOINT_NAME
        if path.exists():
            if not resume:
                msg = f"{path} exists already; resume it, or name another run folder"
                raise RecipeError(msg)
            self._restore(load_checkpoint(path))
        self.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.recipe.to_dict(), indent=1)
        (self.out / RECIPE_NAME).write_text(text + "\n", encoding="utf-8")
        _forget_after(self.out / METRICS_NAME, self.step)

    def _restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.config != self.network.config:
            begun, context = checkpoint.recipe.get("preset"), checkpoint.config.context
            msg = (
                f"{self.out} was begun with preset {begun!r} and context {context}, the "
                f"recipe says {self.recipe.preset!r} and {self.recipe.context}; "
                f"name another run folder"
            )
            raise RecipeError(msg)
        if checkpoint.styles != self.corpus.vocabulary.styles:
            begun, here = ", ".join(checkpoint.styles), ", ".join(self.corpus.vocabulary.styles)
            msg = (
                f"{self.out} was begun with the styles {begun}, the corpus has {here}; "
                f"name another run folder"
            )
            raise RecipeError(msg)
        if checkpoint.corpus_hash != self.corpus.hash():
            tqdm.write(
                f"{self.corpus.folder} is not the corpus that {self.out} was begun with; "
                f"its validation figures cannot be compared",
                file=sys.stderr,
            )
        self.network.load_state_dict(checkpoint.weights)
        for optimizer, state in zip(self.optimizers, checkpoint.optimizers, strict=True):
            optimizer.load_state_dict(state)
        self.step, self.minutes = checkpoint.step, checkpoint.minutes

    def _progress(self) -> float:
        """Return the share of the run that is done; 1 or a little more at its end."""
        if self.recipe.steps:
            return self.step / self.recipe.steps
        return self.minutes / self.recipe.minutes

    def _timed_step(self, feed: Iterator[Batch]) -> dict[str, float]:
        """Draw a batch, learn from it, and return the figures to log."""
        began = time.monotonic()
        row = self._one_step(next(feed))
        took_s = time.monotonic() - began
        self.minutes += took_s / SECONDS_PER_MINUTE
        return row | {
            "minutes": round(self.minutes, 3),
            "notes_per_s": round(row["notes"] / max(took_s, 1e-9), 1),
        }

    def _one_step(self, batch: Batch) -> dict[str, float]:
        share = learning_rate_share(self._progress(), self.recipe)
        peaks = (self.recipe.matrix_learning_rate, self.recipe.learning_rate)
        for optimizer, peak in zip(self.optimizers, peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * share
        nats = batch_nats(self.network, batch, use_bf16=self.use_bf16).sum()
        torch.autograd.backward(nats / max(batch.n_events, 1))
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
            "bits_per_note": float(nats.detach()) / NATS_PER_BIT / max(batch.n_notes, 1),
            "gradient_norm": float(norm),
            "notes": batch.n_notes,
        }

    def _validate(self) -> float:
        """Return the bits per note of the validation rows; it counts as time of training."""
        began = time.monotonic()
        bits = bits_per_note(self.network, self.valid, use_bf16=self.use_bf16)
        self.minutes += (time.monotonic() - began) / SECONDS_PER_MINUTE
        return bits

    def _log(self, row: dict[str, float]) -> None:
        with (self.out / METRICS_NAME).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def _save(self) -> None:
        checkpoint = Checkpoint(
            config=self.network.config,
            styles=self.corpus.vocabulary.styles,
            step=self.step,
            minutes=self.minutes,
            recipe=self.recipe.to_dict(),
            corpus_hash=self.corpus.hash(),
            weights=self.network.state_dict(),
            optimizers=[optimizer.state_dict() for optimizer in self.optimizers],
        )
        save_checkpoint(checkpoint, self.out / CHECKPOINT_NAME)


def learning_rate_share(progress: float, recipe: Recipe) -> float:
    """Return the share of the peak learning rate: linear warm-up, then a cosine.

    Args:
        progress: Share of the run that is done, 0 to 1.
        recipe: Says how long the warm-up is and what is left at the end.

    Example:
        >>> recipe = Recipe(warmup=0.5, final_rate=0.1)
        >>> [round(learning_rate_share(p, recipe), 3) for p in (0, 0.25, 0.5, 0.75, 1)]
        [0.01, 0.5, 1.0, 0.55, 0.1]
    """
    if progress < recipe.warmup:
        return max(progress / recipe.warmup, LOWEST_WARMUP)
    along = min((progress - recipe.warmup) / (1 - recipe.warmup), 1.0)
    cosine = (1 + math.cos(math.pi * along)) / 2
    return recipe.final_rate + (1 - recipe.final_rate) * cosine


def _pieces(corpus: Corpus, split: str) -> list[Piece]:
    pieces = corpus.of_split(split)
    if not pieces:
        msg = f"{corpus.folder} has no piece in its {split} split; add files, or a splits table"
        raise CorpusError(msg)
    return pieces


def _optimizers(network: Network, recipe: Recipe) -> tuple[Optimizer, Optimizer]:
    """Muon for the matrices between (Jordan et al. 2024), AdamW for all else."""
    matrices: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in network.named_parameters():
        is_inner = not name.startswith(("embedding", "chain.outs"))
        is_matrix = parameter.dim() == 2  # noqa: PLR2004 (rows and columns)
        (matrices if is_matrix and is_inner else others).append(parameter)
    muon = Muon(matrices, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw")
    adam = AdamW(others, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    return muon, adam


def _use_bf16(network: Network, recipe: Recipe) -> bool:
    """Tell whether to compute in bf16: as the recipe says, else what is faster here."""
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    shape = (min(recipe.batch_rows, 2), recipe.context)
    batch = Batch(
        ids=np.zeros((*shape, N_COLUMNS), np.int64),
        piece=np.zeros(shape, np.int64),
        targets=np.zeros((*shape, N_SLOTS), np.int64),
        program_ids=np.zeros(shape, np.int64),
    )
    seconds = {}
    for use_bf16 in (False, True):
        for _ in range(2):  # the first time is for warming up
            began = time.monotonic()
            torch.autograd.backward(batch_nats(network, batch, use_bf16=use_bf16).sum())
            seconds[use_bf16] = time.monotonic() - began
    network.zero_grad()  # none of this is to be learned
    return seconds[True] < seconds[False]


def _forget_after(metrics: Path, step: int) -> None:
    """Drop the lines of steps that were done after the checkpoint was written, and lost."""
    if not metrics.exists():
        return
    kept = []
    for line in metrics.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n") or json.loads(line)["step"] > step:
            break
        kept.append(line)
    metrics.write_text("".join(kept), encoding="utf-8")
