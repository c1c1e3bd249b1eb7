"""Make it mine: a bundle goes on learning from a few pieces, in minutes, and forgets little."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from sideman.bundle import ORIGINALITY, Bundle, load_bundle
from sideman.corpus.augment import Augmentation
from sideman.files import refuse_existing
from sideman.model.checkpoint import load_checkpoint
from sideman.model.export import bundle_network
from sideman.model.lora import add_lora, merge_lora
from sideman.model.network import Network
from sideman.model.restore import restore_network
from sideman.train.feed import Sampler
from sideman.train.folder import BEST_NAME, RunFolder
from sideman.train.loop import Lesson, Run
from sideman.train.measure import bits_per_note
from sideman.train.mixing import MixedSampler
from sideman.train.music import Music, open_music
from sideman.train.processes import join_processes
from sideman.train.recipe import Recipe

RECIPE = Recipe(
    context=512,
    batch_rows=4,
    learning_rate=5e-4,
    matrix_learning_rate=5e-4,
    weight_decay=0.0,
    warmup=0.1,
    final_rate=0.0,
    validate_every=20,
    validation_rows=16,
    save_minutes=math.inf,
    compile="off",
)
"""How is learned: small batches, so that minutes have many steps, at a sixth of the rate."""

LORA_RATE = 2e-3
"""Peak of the learning rate of low-rank products; they begin at nothing."""

DRAWING = (
    "task_weights",
    "chord_share",
    "control_dropout",
    "open_share",
    "held_share",
    *(field.name for field in fields(Augmentation)),
)
"""Settings that are those of the bundle's own recipe: windows are drawn as it is used to."""

KEPT_SHARE = 0.25
"""Share of the rows that are of the music to be kept in mind, if there is any."""

NOT_INHERITED = ("format", "bits_per_note", "sha256")
"""What the card of a bundle says that is not true of what is made from it."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a bundle is made one's own.

    Attributes:
        minutes: Wall-clock minutes of learning.
        steps: Steps instead, for runs that can be made again exactly; 0 goes by `minutes`.
        rank: Learn only products of this rank beside the matrices (LoRA), at least 1. 0: learn
            all weights.
        strength: How far to go from the old weights to the learned ones, above 0 to 1. Half
            the way has most of the gain and little of the forgetting (Wortsman et al. 2022,
            "Robust fine-tuning of zero-shot models", arXiv:2109.01903).
        seed: Of everything random.
    """

    minutes: float = 5.0
    steps: int = 0
    rank: int = 0
    strength: float = 0.7
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What learning has done to how well some music is foretold.

    Attributes:
        files: What became of the files, in a line.
        n_learned: Pieces that were learned from.
        n_held: Pieces that were not, and are measured.
        before: Bits per note of these.
        after: The same, after learning.
    """

    files: str
    n_learned: int
    n_held: int
    before: float
    after: float

    @property
    def is_gain(self) -> bool:
        """True if they are foretold better than before."""
        return self.after < self.before

    def line(self) -> str:
        """Say it in a line."""
        return (
            f"{self.files}; {self.n_learned} learned from, {self.n_held} held out: "
            f"{self.before:.2f} → {self.after:.2f} bits per note"
        )


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """What came of it.

    Attributes:
        bundle: The new one.
        mine: How well the music that was to be learned is foretold.
        kept: How well the music to be kept in mind is; None if there was none.
    """

    bundle: Bundle
    mine: Outcome
    kept: Outcome | None


def finetune(
    music: Path,
    out: Path,
    *,
    bundle: Path | None = None,
    keep: Path | None = None,
    tuning: Tuning | None = None,
    force: bool = False,
    progress: bool = True,
) -> FinetuneReport:
    """Let a bundle go on learning from some pieces, and write what comes of it as a bundle.

    What foretold the held-out pieces best on the way is what counts as learned. Pieces of a
    style that the bundle does not know teach it what to play when no style is asked for.

    Args:
        music: A folder of music, or a corpus made of one. The validation pieces of the corpus
            are held out; where it has none, and of every folder, a fifth of the pieces.
        out: Bundle to write.
        bundle: To begin with. None: the one that comes with the package.
        keep: The same as `music`, of music to be kept in mind, such as the bundle's own
            corpus: a share of the rows is drawn from it, and its held-out pieces are measured.
        tuning: How.
        force: Replace a bundle that is there.
        progress: Show a progress bar on stderr.

    Raises:
        OutputExists: If `out` exists and `force` is not given.
        BundleError: If the bundle cannot be learned from.
        CorpusError: If there are fewer than two pieces.
    """
    refuse_existing(out, force=force)  # before the minutes of learning
    tuning = tuning or Tuning()
    base = load_bundle(bundle)
    recipe = recipe_of(base, tuning)
    network = restore_network(base)
    with TemporaryDirectory(prefix="sideman-") as folder:
        scratch = Path(folder)
        musics = [
            open_music(path, scratch / name, base.vocabulary, seed=tuning.seed)
            for name, path in (("mine", music), ("kept", keep))
            if path
        ]
        lesson = _lesson(recipe, musics, base)
        measured = [lesson.valid, *(kept.measured(recipe) for kept in musics[1:])]
        before = [bits_per_note(network, rows) for rows in measured]
        _learn(network, recipe, tuning, lesson, scratch / "run", progress=progress)
        after = [bits_per_note(network, rows) for rows in measured]
    outcomes = [
        Outcome(each.files, len(each.learned), len(each.held), *figures)
        for each, *figures in zip(musics, before, after, strict=True)
    ]
    written = _write(network, base, out, _about(base, tuning, outcomes), force=force)
    return FinetuneReport(written, outcomes[0], outcomes[1] if keep else None)


def recipe_of(base: Bundle, tuning: Tuning) -> Recipe:
    """Return our settings, with the bundle's own for how windows are drawn."""
    said: dict[str, Any] = base.card.get("recipe", {})
    settings = {name: said[name] for name in DRAWING if name in said}
    if "task_weights" in settings:
        settings["task_weights"] = tuple(settings["task_weights"])
    if tuning.rank:
        settings |= {"learning_rate": LORA_RATE, "matrix_learning_rate": LORA_RATE}
    return replace(
        RECIPE,
        context=min(RECIPE.context, base.card["network"]["context"]),
        minutes=tuning.minutes,
        steps=tuning.steps,
        seed=tuning.seed,
        **settings,
    )


def _lesson(recipe: Recipe, musics: Sequence[Music], base: Bundle) -> Lesson:
    """Learn the first music, with rows of the second in between if there is one."""
    mine = musics[0]
    sampler: Sampler = mine.sampler(recipe)
    for kept in musics[1:]:
        sampler = MixedSampler(sampler, kept.sampler(recipe), KEPT_SHARE)
    return Lesson(sampler, mine.measured(recipe), base.vocabulary.styles, mine.corpus.hash())


def _learn(
    network: Network,
    recipe: Recipe,
    tuning: Tuning,
    lesson: Lesson,
    run: Path,
    *,
    progress: bool,
) -> None:
    """Leave the network with what it learned best, as strongly as is wanted."""
    old = {name: weights.clone() for name, weights in network.state_dict().items()}
    if tuning.rank:
        torch.manual_seed(tuning.seed)
        add_lora(network, tuning.rank)
    with join_processes() as processes:
        learning = Run(recipe, network, lesson, RunFolder(run), processes)
        learning.begin(resume=False)
        learning.go(progress=progress)
    network.cpu().load_state_dict(load_checkpoint(run / BEST_NAME).weights)
    if tuning.rank:
        merge_lora(network)
    learned = network.state_dict()
    network.load_state_dict(
        {name: torch.lerp(old[name], learned[name], tuning.strength) for name in old}
    )


def _write(
    network: Network, base: Bundle, out: Path, about: Mapping[str, str], *, force: bool
) -> Bundle:
    """Write the new bundle; its card says what that of the old one did, and this about it.

    What the old one had learned is still in it: so are its data, its corpus and its index.
    """
    said = {name: value for name, value in base.card.items() if name not in NOT_INHERITED}
    index = base.folder / ORIGINALITY
    has_index = ORIGINALITY in base.card["sha256"]
    return bundle_network(
        network,
        base.vocabulary,
        out,
        precision=base.card["precision"],
        card={**said, "name": out.name, "about": {**said.get("about", {}), **about}},
        ring_slack=base.card["ring_slack"],
        more_files={ORIGINALITY: index.read_bytes()} if has_index else {},
        force=force,
    )


def _about(base: Bundle, tuning: Tuning, outcomes: Sequence[Outcome]) -> dict[str, str]:
    what = f"LoRA of rank {tuning.rank}" if tuning.rank else "all weights"
    long = f"{tuning.steps} steps" if tuning.steps else f"{tuning.minutes:g} minutes"
    strength = f"strength {tuning.strength:g}"
    names = ("learned", "kept in mind")
    return {
        "made from": f"{base.name} ({base.hash}), {what}, {long}, {strength}",
        **{name: outcome.line() for name, outcome in zip(names, outcomes, strict=False)},
    }
