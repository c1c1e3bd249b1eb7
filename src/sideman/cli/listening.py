"""The command that asks people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sideman.cli.options import FILE_IN, FOLDER_IN, OutputFile, count, force_option

if TYPE_CHECKING:
    from sideman.evaluate.listening import Pair

N_BYTES_MB = 1_000_000


@click.command("listen-test")
@click.argument("report", type=FOLDER_IN, required=False)
@click.option("--a", "first", type=FOLDER_IN, help="MIDI files of one system, and")
@click.option("--b", "second", type=FOLDER_IN, help="those of another, of the same names.")
@click.option(
    "--between",
    nargs=2,
    metavar="SYSTEM SYSTEM",
    default=None,
    show_default="the model and the real music",
    help="Whom to compare, of those in REPORT.",
)
@click.option(
    "--out",
    type=OutputFile([".html"]),
    default=Path("listening.html"),
    show_default=True,
    help="The page; its key is written beside it.",
)
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="Pairs at most; one in ten comes twice.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of pairs, order and sides.",
)
@click.option(
    "--answers",
    type=FILE_IN,
    multiple=True,
    help="Count what a page saved; may be given again, for each listener.",
)
@click.option("--key", type=FILE_IN, default=None, help="The key of that page.")
@force_option
def listen_test(
    *,
    report: Path | None,
    first: Path | None,
    second: Path | None,
    between: tuple[str, str] | None,
    out: Path,
    pairs: int,
    seed: int,
    answers: Sequence[Path],
    key: Path | None,
    force: bool,
) -> None:
    """Let people compare without knowing what they hear; count what they say.

    Makes a page of hidden pairs from REPORT, a folder that `sideman evaluate` wrote, or from
    two folders of MIDI files. The page saves answers, which --answers and --key count.

    \b
    Example:
        sideman listen-test report --out test.html
        sideman listen-test --a ours --b theirs --out test.html
        sideman listen-test --answers anna.json --answers ben.json --key test.key.json
    """
    from sideman.evaluate.listening_page import pairs_of_folders, pairs_of_report

    if answers or key is not None:
        _count(answers, key)
        return
    if report is not None and first is None and second is None:
        systems, found = pairs_of_report(report, between, pairs, seed=seed)
    elif first is not None and second is not None and not (report or between):
        systems, found = pairs_of_folders(first, second, pairs, seed=seed)
    else:
        msg = "name the folder of an evaluation, or two folders with --a and --b"
        raise click.UsageError(msg)
    _make(found, systems, out, seed=seed, force=force)


def _make(
    pairs: Sequence[Pair], systems: tuple[str, str], out: Path, *, seed: int, force: bool
) -> None:
    """Write the page and the key."""
    from sideman.audio.loudness import render_alike
    from sideman.evaluate.listening_page import KEY_SUFFIX, write_test

    key = write_test(pairs, systems, out, render_alike, seed=seed, force=force, progress=True)
    size_mb = out.stat().st_size / N_BYTES_MB
    n_repeats = len(key.trials) - len(pairs)
    click.echo(
        f"{out}: {' against '.join(systems)}, {count(len(pairs), 'pair')} and "
        f"{count(n_repeats, 'repeat')}, {size_mb:.1f} MB"
    )
    click.echo(f"{out.with_suffix(KEY_SUFFIX)}: the key; keep it from whoever listens")


def _count(answers: Sequence[Path], key_path: Path | None) -> None:
    """Say what was answered."""
    from sideman.evaluate.listening import outcome_lines, read_answers, read_key

    if not answers or key_path is None:
        msg = "counting takes both --answers and --key"
        raise click.UsageError(msg)
    key = read_key(key_path)
    ballots = {str(path): read_answers(path, key) for path in answers}
    for line in outcome_lines(key, ballots):
        click.echo(line)
