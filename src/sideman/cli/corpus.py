"""Commands that turn folders of music into training data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sideman.cli.options import (
    FILE_IN,
    FOLDER_IN,
    FOLDER_OUT,
    force_option,
    needs_extra,
    several,
)

if TYPE_CHECKING:
    from sideman.corpus.build import Work
    from sideman.corpus.rules import Rule

DEFAULT_SIMILAR = 0.6
DEFAULT_TIME_LIMIT_S = 60.0


class Folder(click.ParamType[str]):
    """A folder on disk that must be there, or an address in object storage."""

    name = "folder"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Return the path or the address."""
        text = str(value)
        return text if "://" in text else str(FOLDER_IN.convert(value, param, ctx))


out_argument = click.argument("out", type=FOLDER_OUT)
corpus_argument = click.argument("out", type=FOLDER_IN)

work_options = several(
    click.option(
        "--workers",
        type=click.IntRange(min=1),
        default=lambda: os.cpu_count() or 1,
        show_default="one a core",
        help="Processes to work with.",
    ),
    click.option(
        "--engine",
        "engine_name",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="Who works: processes on this machine, or a Ray cluster (RAY_ADDRESS).",
    ),
    click.option(
        "--time-limit",
        "time_limit_s",
        type=click.FloatRange(min=0, min_open=True),
        default=DEFAULT_TIME_LIMIT_S,
        show_default=True,
        help="Seconds after which a file is given up.",
    ),
)

scan_options = several(
    click.option(
        "--styles",
        type=FILE_IN,
        default=None,
        show_default="the first folder of each file",
        help="Table (columns prefix, style) that names the style of files by their path.",
    ),
    click.option(
        "--licences",
        type=FILE_IN,
        default=None,
        help="Table (columns prefix, licence, source) that says where files come from.",
    ),
    click.option(
        "--only",
        multiple=True,
        metavar="NAME",
        help="Take only this source, a first folder of FOLDER; may be given again.",
    ),
)

dedupe_options = several(
    click.option(
        "--rule",
        "thresholds",
        multiple=True,
        metavar="NAME=VALUE",
        help="Change the threshold of a quality rule, or switch it off (NAME=off).",
    ),
    click.option(
        "--similar",
        type=click.FloatRange(0, 1, min_open=True),
        default=DEFAULT_SIMILAR,
        show_default=True,
        help="Share of two pieces that must be the same for one to be left out.",
    ),
    click.option(
        "--exact-only", is_flag=True, help="Only files with the same bytes are the same."
    ),
    click.option("--keep-duplicates", is_flag=True, help="Name duplicates, leave none out."),
)

split_options = click.option(
    "--splits",
    type=FILE_IN,
    default=None,
    show_default="90, 5 and 5 % by groups of duplicates",
    help="Table (columns file, split) that says which piece is for train, valid or test.",
)


@click.group("corpus", invoke_without_command=True)
@click.pass_context
def corpus(context: click.Context) -> None:
    """Turn folders of MIDI files into training data.

    `build` does all steps: scan, annotate, dedupe, split, shard, report. Each goes on where it
    stopped; a step whose options have changed is done again, and those after it.

    \b
    Example:
        sideman corpus build midi-files shards
        sideman corpus stats shards
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@corpus.command("build")
@click.argument("folder", type=Folder())
@out_argument
@scan_options
@dedupe_options
@split_options
@work_options
def build(
    *,
    folder: str,
    out: Path,
    styles: Path | None,
    licences: Path | None,
    only: tuple[str, ...],
    thresholds: tuple[str, ...],
    similar: float,
    exact_only: bool,
    keep_duplicates: bool,
    splits: Path | None,
    workers: int,
    engine_name: str,
    time_limit_s: float,
) -> None:
    """Make a corpus, OUT, of every file of music in FOLDER, also in archives.

    Do all steps, or those that are not done yet.

    \b
    Example:
        sideman corpus build midi-files shards --workers 2
        sideman corpus build midi-files shards --licences licences.tsv --rule too-few-notes=16
        sideman corpus build s3://bucket/midi shards --engine ray
    """
    with needs_extra("corpus"):
        from sideman.corpus.build import build_corpus

    sharded = build_corpus(
        folder,
        out,
        _work(workers, engine_name, time_limit_s),
        styles=styles,
        licences=licences,
        only=only or None,
        rules=_rules(thresholds),
        similar=None if exact_only else similar,
        keep_duplicates=keep_duplicates,
        splits=splits,
    )
    _say(out)
    click.echo(f"{out}: {sharded.line()}")


@corpus.command("scan")
@click.argument("folder", type=Folder())
@out_argument
@scan_options
@work_options
def scan(
    *,
    folder: str,
    out: Path,
    styles: Path | None,
    licences: Path | None,
    only: tuple[str, ...],
    workers: int,
    engine_name: str,
    time_limit_s: float,
) -> None:
    """Read every file in FOLDER once: the first step towards OUT.

    \b
    Example:
        sideman corpus scan midi-files shards --only chorales
    """
    with needs_extra("corpus"):
        from sideman.corpus import build

    work = _work(workers, engine_name, time_limit_s)
    build.scan(folder, out, work, styles=styles, licences=licences, only=only or None)
    _say(out)


@corpus.command("annotate")
@corpus_argument
@work_options
def annotate(*, out: Path, workers: int, engine_name: str, time_limit_s: float) -> None:
    """Say what each piece of OUT is, and put it on its beats: the second step.

    \b
    Example:
        sideman corpus annotate shards --workers 2
    """
    with needs_extra("corpus"):
        from sideman.corpus import build

    build.annotate(out, _work(workers, engine_name, time_limit_s))
    _say(out)


@corpus.command("dedupe")
@corpus_argument
@dedupe_options
def dedupe(
    *,
    out: Path,
    thresholds: tuple[str, ...],
    similar: float,
    exact_only: bool,
    keep_duplicates: bool,
) -> None:
    """Leave out what breaks a rule or is there twice: the third step.

    \b
    Example:
        sideman corpus dedupe shards --rule long-silence=off --similar 0.8
    """
    with needs_extra("corpus"):
        from sideman.corpus import build

    build.dedupe(
        out,
        rules=_rules(thresholds),
        similar=None if exact_only else similar,
        keep_duplicates=keep_duplicates,
    )
    _say(out)


@corpus.command("split")
@corpus_argument
@split_options
def split(*, out: Path, splits: Path | None) -> None:
    """Say which piece is for training, validation or the test: the fourth step.

    \b
    Example:
        sideman corpus split shards
    """
    with needs_extra("corpus"):
        from sideman.corpus import build

    build.split(out, splits=splits)
    _say(out)


@corpus.command("shard")
@corpus_argument
@work_options
def shard(*, out: Path, workers: int, engine_name: str, time_limit_s: float) -> None:
    """Write the events that a model learns from: the fifth step.

    \b
    Example:
        sideman corpus shard shards --workers 2
    """
    with needs_extra("corpus"):
        from sideman.corpus import build

    sharded = build.shard(out, _work(workers, engine_name, time_limit_s))
    _say(out)
    click.echo(f"{out}: {sharded.line()}")


@corpus.command("report")
@corpus_argument
def report(*, out: Path) -> None:
    """Write what is in OUT and what is not, as a page and as JSON: the last step.

    \b
    Example:
        sideman corpus report shards
    """
    with needs_extra("corpus"):
        from sideman.corpus import build

    build.report(out)
    _say(out)


@corpus.command("stats")
@corpus_argument
def stats(*, out: Path) -> None:
    """Print what is in OUT, in short.

    \b
    Example:
        sideman corpus stats shards
    """
    with needs_extra("corpus"):
        from sideman.corpus.statistics import measure, short_form

    click.echo(short_form(measure(out)))


@corpus.command("export")
@corpus_argument
@click.argument("dest", type=FOLDER_OUT)
def export(*, out: Path, dest: Path) -> None:
    """Write the pieces of OUT to DEST as a Hugging Face dataset.

    \b
    Example:
        sideman corpus export shards dataset
    """
    with needs_extra("corpus"):
        from sideman.corpus.export import export_parquet

    click.echo(export_parquet(out, dest).line())


@corpus.command("push")
@click.argument("dest", type=FOLDER_IN)
@click.argument("repo")
@click.option(
    "--private/--public", default=True, show_default=True, help="Who may see a new data set."
)
@click.option(
    "--allow-unstated", is_flag=True, help="Push pieces whose licence nobody has stated."
)
def push(*, dest: Path, repo: str, private: bool, allow_unstated: bool) -> None:
    """Put DEST, an export, on the Hugging Face hub as REPO (user/name).

    The environment's HF_TOKEN says who pushes.

    \b
    Example:
        sideman corpus push dataset anna/folk-tunes --public
    """
    with needs_extra("corpus"):
        from sideman.corpus.hub import push as push_to_hub

    url = push_to_hub(dest, repo, private=private, allow_unstated=allow_unstated)
    click.echo(url)


@corpus.command("index")
@corpus_argument
@click.argument("index", type=click.Path(dir_okay=False, path_type=Path))
@force_option
def index_(*, out: Path, index: Path, force: bool) -> None:
    """Write INDEX, in which `sideman original` looks for what a take has in common with OUT.

    \b
    Example:
        sideman corpus index shards originality.npz
    """
    with needs_extra("corpus"):
        from sideman.corpus.origins import read_origins
    from sideman.engine.originality import build_index

    report = build_index(out, index, origins=read_origins(out), force=force)
    click.echo(
        f"{report.path}: {report.n_pieces:,} pieces, {report.n_notes:,} notes, "
        f"{report.n_bytes:,} bytes"
    )


@corpus.command("rules")
def rules() -> None:
    """Print the quality rules, their thresholds and their reasons.

    \b
    Example:
        sideman corpus rules
    """
    with needs_extra("corpus"):
        from sideman.corpus.rules import RULES

    for rule in RULES:
        click.echo(f"{rule.line()}: {rule.why}")


def _work(workers: int, engine_name: str, time_limit_s: float) -> Work:
    from sideman.corpus.build import Work
    from sideman.corpus.engines import engine_of

    return Work(engine=engine_of(engine_name, workers), time_limit_s=time_limit_s)


def _rules(thresholds: Sequence[str]) -> tuple[Rule, ...]:
    from sideman.corpus.rules import set_thresholds

    changes = dict(_name_and_value(text) for text in thresholds)
    return set_thresholds(changes)


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        msg = f"--rule {text!r} has no value; write it as NAME=VALUE or NAME=off"
        raise click.UsageError(msg)
    return name, value


def _say(out: Path) -> None:
    """Print what has become of the files so far: a line, then what is to be remarked."""
    from sideman.corpus.manifest import summary

    line, *remarks = summary(out)
    click.echo(line)
    for remark in remarks:
        click.echo(f"sideman: {remark}", err=True)
