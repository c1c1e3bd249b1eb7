"""The command that learns what people like."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from sideman.cli.options import ANY_IN, FILE_IN, OutputFile, force_option


@click.command("prefer")
@click.argument("votes", type=FILE_IN)
@click.argument("taste", type=OutputFile([".json"]))
@click.option(
    "--bundle",
    type=ANY_IN,
    default=None,
    show_default="the one that comes with Sideman",
    help="Model that the taste is for.",
)
@force_option
def prefer(*, votes: Path, taste: Path, bundle: Path | None, force: bool) -> None:
    """Learn from VOTES what you like, and write it to TASTE.

    VOTES is what the studio exports, a .jsonl file. Where they do not say enough, nothing is
    written. With --taste of `sideman continue` and the others the takes you would like best
    are written.

    \b
    Example:
        sideman prefer votes.jsonl taste.json
        sideman continue verse.mid chorus.mid --taste taste.json
    """
    from tqdm import tqdm

    from sideman.bundle import load_bundle
    from sideman.engine.taste import write_taste
    from sideman.errors import EvaluationError
    from sideman.evaluate.preferences import evidence_lines, learn_taste
    from sideman.evaluate.votes import read_votes
    from sideman.files import refuse_existing

    refuse_existing(taste, force=force)
    follow = partial(tqdm, unit="vote")
    learned, evidence = learn_taste(read_votes(votes), load_bundle(bundle), follow=follow)
    for line in evidence_lines(evidence):
        click.echo(line)
    if learned is None:
        raise EvaluationError(evidence.reason)
    write_taste(learned, taste, force=force)
    click.echo(f"{taste}: written, {learned.hash}")
