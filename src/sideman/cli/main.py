r"""The edge: parse, call one function, print one line.

Each command imports what it needs inside its own body, so that `sideman --help`
answers at once and playing never loads PyTorch. What goes wrong on purpose is one
line on stderr and exit status 2; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from sideman import __version__
from sideman.cli.corpus import corpus
from sideman.cli.evaluation import evaluate
from sideman.cli.listening import listen_test
from sideman.cli.live import LIVE
from sideman.cli.options import (
    ANY_IN,
    FILE_IN,
    OutputFile,
    force_option,
)
from sideman.cli.studio import studio
from sideman.cli.taste import prefer
from sideman.cli.training import TRAINING
from sideman.cli.writing import WRITING
from sideman.errors import SidemanError

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
EXIT_BROKEN_PIPE = 1  # as Click has it

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
PICTURE_SUFFIXES = (".png", ".svg")


@click.group(invoke_without_command=True)
@click.version_option(__version__, prog_name="sideman")
@click.pass_context
def cli(context: click.Context) -> None:
    """Sideman learns from MIDI files and writes with you.

    \b
    Example:
        sideman continue verse.mid chorus.mid --bars 8
        sideman render chorus.mid chorus.wav
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in (*WRITING, *LIVE, studio):
    cli.add_command(command)


# ---------------------------------------------------------- hearing and seeing


@cli.command("render")
@click.argument("midi", type=FILE_IN)
@click.argument("out", type=OutputFile(AUDIO_SUFFIXES))
@click.option(
    "--engine",
    type=click.Choice(["auto", "fluidsynth", "midirenderer"]),
    default="auto",
    show_default=True,
    help="Synthesizer; auto takes the best that is installed.",
)
@click.option(
    "--bank",
    type=FILE_IN,
    default=None,
    show_default="the one that comes with Sideman",
    help="Sound bank, an .sf2 or .sf3 file.",
)
@force_option
def render(*, midi: Path, out: Path, engine: str, bank: Path | None, force: bool) -> None:
    """Make MIDI, a MIDI file, audible as OUT.

    \b
    Example:
        sideman render chorus.mid chorus.wav
        sideman render chorus.mid chorus.ogg --bank piano.sf2
    """
    from sideman.audio.render import render_file

    report = render_file(midi, out, engine=engine, bank=bank, force=force)
    bank_name = Path(report.bank).name
    click.echo(f"{report.path}: {report.seconds:.1f} s, {report.engine} with {bank_name}")


@cli.command("roll")
@click.argument("midi", type=FILE_IN)
@click.argument("out", type=OutputFile(PICTURE_SUFFIXES))
@click.option(
    "--split-bar",
    type=click.IntRange(min=1),
    default=None,
    show_default="where the file's recipe says that new bars begin",
    help="Mark where this bar begins.",
)
@click.option(
    "--before",
    type=FILE_IN,
    default=None,
    help="What it was made from: notes that are not in it are drawn as new.",
)
@force_option
def roll(
    *, midi: Path, out: Path, split_bar: int | None, before: Path | None, force: bool
) -> None:
    """Draw MIDI, a MIDI file, as a piano roll.

    \b
    Example:
        sideman roll chorus.mid chorus.png
        sideman roll mine.mid mine.svg --split-bar 9
    """
    from sideman.roll import roll_file

    roll_file(midi, out, split_bar=split_bar, before=before, force=force)
    click.echo(f"{out}: drawn")


# ------------------------------------------------------------------- learning


for command in (corpus, *TRAINING, evaluate, listen_test, prefer):
    cli.add_command(command)


# ---------------------------------------------------------------- looking at it


@cli.group("bundle", invoke_without_command=True)
@click.pass_context
def bundle_group(context: click.Context) -> None:
    """Look at bundles, the files a model comes in.

    \b
    Example:
        sideman bundle info
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@bundle_group.command("info")
@click.argument("path", type=ANY_IN, required=False)
def bundle_info(*, path: Path | None) -> None:
    """Show what is in a bundle: PATH, or the one that comes with Sideman.

    \b
    Example:
        sideman bundle info bundles/first
    """
    from sideman.bundle import describe, load_bundle

    for line in describe(load_bundle(path)):
        click.echo(line)


@cli.command("original")
@click.argument("midi", type=FILE_IN)
@click.option(
    "--before",
    type=FILE_IN,
    default=None,
    help="What it was made from: notes that are in it are not compared.",
)
@click.option(
    "--index",
    type=FILE_IN,
    default=None,
    show_default="the bundle's own",
    help="Where to look; `sideman corpus index` writes one.",
)
@click.option(
    "--bundle",
    type=ANY_IN,
    default=None,
    show_default="the one that comes with Sideman",
    help="Model whose training music is meant.",
)
def original(
    *, midi: Path, before: Path | None, index: Path | None, bundle: Path | None
) -> None:
    """Show the longest run of notes that MIDI shares with the training music.

    In a file that Sideman wrote only the bars are compared in which something was written.

    \b
    Example:
        sideman original chorus.mid --index originality.npz
        sideman original new.mid --before song.mid
    """
    from sideman.engine.originality import original_file

    click.echo(original_file(midi, before=before, index=index, bundle=bundle))


@cli.command("doctor")
def doctor() -> None:
    """Show what is installed, what is missing and how to get it.

    \b
    Example:
        sideman doctor
    """
    from sideman.doctor import examine

    for finding in examine():
        click.echo(finding.line())


# ------------------------------------------------------------------------ edge


def main() -> None:
    """Run the command line; one line and status 2 for what goes wrong on purpose."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(args: Sequence[str]) -> int:
    """Run one command line and return its exit status.

    Args:
        args: What follows `sideman`, such as `["doctor"]`.
    """
    try:
        status = cli.main(args=list(args), prog_name="sideman", standalone_mode=False)
        sys.stdout.flush()  # here, so that a reader who has left is noticed here
    except click.exceptions.Abort:
        return _fail("interrupted", EXIT_INTERRUPTED)
    except click.ClickException as error:
        return _fail(_usage_line(error))
    except SidemanError as error:
        return _fail(str(error))
    except OSError as error:
        return _system_failure(error)
    return status if isinstance(status, int) else 0


def _system_failure(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has left (`sideman doctor | head -1`): nothing to
        # report, but Python would complain when it flushes stdout on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    if error.filename is None:
        raise error  # not about a file that somebody named: a bug
    return _fail(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}")


def _fail(message: str, status: int = EXIT_USER_ERROR) -> int:
    click.echo(f"sideman: {' '.join(message.split())}", err=True)
    return status


def _usage_line(error: click.ClickException) -> str:
    """Say what Click has to say in our way: one line, lower case, and the way out."""
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    return f"{message} (see '{context.command_path} --help')"
