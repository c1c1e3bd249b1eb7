"""Commands that train models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sideman.cli.options import (
    ANY_IN,
    FILE_IN,
    FOLDER_IN,
    FOLDER_OUT,
    count,
    force_option,
    needs_extra,
)

if TYPE_CHECKING:
    from sideman.train.recipe import Recipe

DEFAULT_MINUTES = 5.0
DEFAULT_STRENGTH = 0.7
NOTHING_GAINED = (
    "sideman: the pieces held out are foretold no better than before; listen, give it more "
    "pieces, or hold out others with --seed"
)
NOT_MEASURED = "what it knew before is not measured; name its music with --keep"


class BundleName(click.ParamType[Path]):
    """A bundle: the name of one that comes with Sideman, or a path."""

    name = "bundle"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return its folder."""
        from sideman.bundle import BUNDLES, bundled_path

        if value in BUNDLES and not Path(str(value)).exists():
            return bundled_path(str(value))
        return ANY_IN.convert(value, param, ctx)


@click.command("train")
@click.option(
    "--recipe",
    required=True,
    metavar="NAME|FILE",
    help="Name of a recipe that comes with Sideman, or a .toml file.",
)
@click.option("--corpus", "shards", type=FOLDER_IN, required=True, help="Shards to learn from.")
@click.option("--out", type=FOLDER_OUT, default=None, help="Folder of the run.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Stop after this long, whatever the recipe says.",
)
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on from the last checkpoint in --out, if there is one.",
)
@click.option(
    "--estimate",
    "is_estimate",
    is_flag=True,
    help="Say what the run would take on this machine, and do not begin it.",
)
def train(
    *,
    recipe: str,
    shards: Path,
    out: Path | None,
    minutes: float | None,
    resume: bool,
    is_estimate: bool,
) -> None:
    """Train a model on shards.

    Started by `torchrun -m sideman train …`, many processes share the work.

    \b
    Example:
        sideman train --recipe base --corpus shards --estimate
        sideman train --recipe nano --corpus shards --out runs/first --minutes 30
    """
    with needs_extra("train"):
        from sideman.train.loop import train as run
        from sideman.train.recipe import load_recipe

    asked = load_recipe(recipe)
    if minutes is not None:
        asked = replace(asked, minutes=minutes, steps=0)
    if is_estimate:
        _say_estimate(asked, shards)
        return
    if out is None:
        msg = "Missing option '--out': the folder of the run"
        raise click.UsageError(msg)
    from sideman.rehearsal import rehearse

    report = run(asked, shards, out, resume=resume, rehearse=rehearse)
    bits = f"{report.valid_bits_per_note:.2f} bits per note on validation"
    click.echo(f"{report.checkpoint}: {count(report.step, 'step')}, {bits}")


def _say_estimate(recipe: Recipe, shards: Path) -> None:
    from sideman.train.estimate import estimate

    found = estimate(recipe, shards)
    click.echo(f"device      {found.device}")
    click.echo(f"parameters  {found.n_parameters:,}")
    click.echo(f"memory      {found.memory_bytes / 2**30:.1f} GiB, beside what PyTorch takes")
    click.echo(f"speed       {found.notes_per_s:,.0f} notes/s")
    click.echo(f"time        {found.seconds / 3600:.1f} hours for {count(found.steps, 'step')}")


@click.command("export")
@click.argument("run_dir", type=FOLDER_IN)
@click.argument("out", type=FOLDER_OUT)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "int8"]),
    default="int8",
    show_default=True,
    help="Numbers to store the weights in; int8 is smaller and faster.",
)
@click.option(
    "--card",
    type=FILE_IN,
    default=None,
    help="JSON file with what the bundle's card shall say: data, licences, weaknesses …",
)
@click.option(
    "--corpus",
    "shards",
    type=FOLDER_IN,
    default=None,
    help="Shards whose validation split is measured for the card.",
)
@click.option(
    "--index",
    type=FILE_IN,
    default=None,
    help="What `sideman corpus index` wrote of the training corpus, to compare takes with.",
)
@force_option
def export(
    *,
    run_dir: Path,
    out: Path,
    precision: str,
    card: Path | None,
    shards: Path | None,
    index: Path | None,
    force: bool,
) -> None:
    """Make a bundle, OUT, of the model that was trained in RUN_DIR.

    \b
    Example:
        sideman export runs/first bundles/first --corpus shards --index originality.npz
    """
    with needs_extra("train"):
        from sideman.train.release import release

    bundle = release(
        run_dir,
        out,
        precision=precision,
        card=card,
        corpus_folder=shards,
        index=index,
        force=force,
    )
    click.echo(f"{out}: {bundle.card['parameters']:,} weights in {precision}")


@click.command("finetune")
@click.option(
    "--bundle",
    type=BundleName(),
    default=None,
    metavar="NAME|FOLDER",
    show_default="the one that comes with Sideman",
    help="Model to begin with.",
)
@click.option(
    "--corpus",
    "music",
    type=FOLDER_IN,
    required=True,
    help="Music to learn: a folder of files, or shards made of one.",
)
@click.option(
    "--out",
    type=FOLDER_OUT,
    default=None,
    show_default="the corpus's name with '-bundle' behind it",
    help="Bundle to write.",
)
@click.option(
    "--keep",
    type=FOLDER_IN,
    default=None,
    help="Music to be kept in mind, such as the shards the model has learned from.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_MINUTES,
    show_default=True,
    help="How long to learn.",
)
@click.option(
    "--lora",
    "rank",
    type=click.IntRange(min=0),
    default=0,
    metavar="RANK",
    show_default="0: all weights learn",
    help="Learn only products of this rank beside the matrices.",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1, min_open=True),
    default=DEFAULT_STRENGTH,
    show_default=True,
    help="How far to go from the old model to what was learned: less forgets less.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything random.")
@force_option
def finetune(
    *,
    bundle: Path | None,
    music: Path,
    out: Path | None,
    keep: Path | None,
    minutes: float,
    rank: int,
    strength: float,
    seed: int,
    force: bool,
) -> None:
    """Make a model one's own: let it go on learning from a few pieces.

    A fifth of the pieces is held out; how well they are foretold before and after is printed.

    \b
    Example:
        sideman finetune --corpus my-songs
        sideman finetune --bundle small --corpus my-songs --out mine --minutes 10 --lora 8
    """
    with needs_extra("corpus"), needs_extra("train"):
        from sideman.train.finetune import Tuning
        from sideman.train.finetune import finetune as learn

    out = out or Path(f"{music.resolve().name}-bundle")
    tuning = Tuning(minutes=minutes, rank=rank, strength=strength, seed=seed)
    report = learn(music, out, bundle=bundle, keep=keep, tuning=tuning, force=force)
    click.echo(report.mine.line())
    click.echo(report.kept.line() if report.kept else NOT_MEASURED)
    click.echo(f"{out}: a bundle, to be named with --bundle")
    if not report.mine.is_gain:
        click.echo(NOTHING_GAINED, err=True)


TRAINING = (train, finetune, export)
