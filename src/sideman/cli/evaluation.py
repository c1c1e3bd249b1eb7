"""Commands that measure how good a model is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from sideman.cli.options import FOLDER_IN, FOLDER_OUT, count, force_option
from sideman.cli.training import BundleName
from sideman.errors import MissingExtra
from sideman.files import refuse_existing

TASK_NAMES = ("continue", "infill", "accompany", "chart")


@click.command("evaluate")
@click.argument("bundle", type=BundleName(), required=False)
@click.option(
    "--corpus",
    type=FOLDER_IN,
    default=None,
    help="Shards whose held-out pieces are asked: their test split.",
)
@click.option(
    "--out",
    type=FOLDER_OUT,
    default=None,
    help="Folder for report, figures and takes.",
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
    "--compare",
    "compared",
    nargs=2,
    type=FOLDER_IN,
    default=None,
    metavar="A B",
    help="Set two evaluations, folders that --out wrote, side by side.",
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
    bundle: Path | None,
    corpus: Path | None,
    out: Path | None,
    tasks: Sequence[str],
    prompts: int,
    takes: int,
    guests: Sequence[Path],
    prompts_out: Path | None,
    compared: tuple[Path, Path] | None,
    seed: int,
    force: bool,
) -> None:
    """Measure how good BUNDLE is: beside the music itself, and beside trivial rivals.

    BUNDLE is a folder, or the name of a model that comes with Sideman: base, small.

    \b
    Example:
        sideman evaluate small --corpus shards --out report
        sideman evaluate small --corpus shards --write-prompts prompts
        sideman evaluate small --corpus shards --out report --takes-from other-system
        sideman evaluate --compare report-a report-b --out versus
    """
    if compared is not None:
        _compare(compared, out, force=force)
        return
    if bundle is None or corpus is None:
        msg = "name a bundle and its --corpus, or two evaluations with --compare"
        raise click.UsageError(msg)
    from sideman.corpus.shards import open_corpus
    from sideman.evaluate import protocol
    from sideman.evaluate.prompts import write_prompts
    from sideman.evaluate.report import REPORT_NAME, write_report
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
    write_report(results, out, out / REPORT_NAME, sound=_sound())
    click.echo(f"{out / REPORT_NAME}: {count(len(results.takes), 'take')}")


def _sound() -> Callable[[Path], bytes] | None:
    """Return what makes takes audible, if the extra is there."""
    try:
        from sideman.audio.clip import clip
    except MissingExtra:
        return None
    return clip


def _compare(folders: tuple[Path, Path], out: Path | None, *, force: bool) -> None:
    """Write the page of a comparison."""
    from sideman.evaluate.pairing import compare
    from sideman.evaluate.pairing_report import COMPARISON_NAME, write_comparison
    from sideman.evaluate.results import RESULTS_NAME, read_results

    if out is None:
        msg = "name a folder for the page with --out"
        raise click.UsageError(msg)
    refuse_existing(out / COMPARISON_NAME, force=force)
    one, other = (read_results(folder / RESULTS_NAME) for folder in folders)
    comparison = compare(one, other)
    out.mkdir(parents=True, exist_ok=True)
    write_comparison(comparison, out / COMPARISON_NAME)
    for side, name in zip("ab", comparison.names, strict=True):
        n_better = sum(pair.verdict == side for pair in comparison.pairs)
        click.echo(f"{name} is better in {n_better} of {count(len(comparison.pairs), 'row')}")
    click.echo(str(out / COMPARISON_NAME))
