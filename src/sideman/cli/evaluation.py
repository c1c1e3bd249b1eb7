"""Commands that measure how good a model is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from sideman.cli.options import FOLDER_IN, FOLDER_OUT, count, force_option
from sideman.cli.training import BundleName

TASK_NAMES = ("continue", "infill", "accompany", "chart")


@click.command("evaluate")
@click.argument("bundle", type=BundleName())
@click.option(
    "--corpus",
    type=FOLDER_IN,
    required=True,
    help="Shards whose held-out pieces are asked: their test split.",
)
@click.option(
    "--out", type=FOLDER_OUT, default=None, help="Folder for results.json and the takes."
)
@click.option(
    "--task",
    "tasks",
    type=click.Choice(TASK_NAMES),
    multiple=True,
    show_default="all",
    help="What is asked for; may be given again.",
)
@click.option(
    "--prompts",
    type=click.IntRange(min=1),
    default=40,
    show_default=True,
    help="Prompts of each task.",
)
@click.option(
    "--takes", type=click.IntRange(1, 64), default=2, show_default=True, help="Takes of each."
)
@click.option(
    "--takes-from",
    "guests",
    type=FOLDER_IN,
    multiple=True,
    metavar="FOLDER",
    help="Takes of another system, measured beside; may be given again.",
)
@click.option(
    "--write-prompts",
    "prompts_out",
    type=FOLDER_OUT,
    default=None,
    metavar="FOLDER",
    help="Only write the prompts as MIDI, for other systems to answer.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of everything random; same seed, same prompts.",
)
@force_option
def evaluate(
    *,
    bundle: Path,
    corpus: Path,
    out: Path | None,
    tasks: Sequence[str],
    prompts: int,
    takes: int,
    guests: Sequence[Path],
    prompts_out: Path | None,
    seed: int,
    force: bool,
) -> None:
    """Measure how good BUNDLE is: beside the music itself, and beside trivial rivals.

    BUNDLE is a folder, or the name of the model that comes with Sideman.

    \b
    Example:
        sideman evaluate small --corpus shards --out report
        sideman evaluate small --corpus shards --write-prompts prompts
        sideman evaluate small --corpus shards --out report --takes-from other-system
    """
    from sideman.corpus.shards import open_corpus
    from sideman.evaluate import protocol
    from sideman.evaluate.prompts import write_prompts
    from sideman.evaluate.results import Settings
    from sideman.evaluate.summary import summary_lines

    settings = Settings(tuple(tasks) or TASK_NAMES, prompts, takes, seed)
    if prompts_out is not None:
        asked = protocol.collect_prompts(open_corpus(corpus), settings)
        write_prompts(asked, prompts_out, force=force)
        click.echo(f"{prompts_out}: {count(len(asked), 'prompt')}")
        return
    if out is None:
        msg = "name a folder for the results with --out"
        raise click.UsageError(msg)
    results = protocol.evaluate(
        bundle, corpus, out, settings, takes_from=guests, force=force, progress=True
    )
    for line in summary_lines(results):
        click.echo(line)
    click.echo(f"{out}: {count(len(results.takes), 'take')}, and {protocol.RESULTS_NAME}")
