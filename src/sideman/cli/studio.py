"""The command that opens the studio."""

from __future__ import annotations

import sys
import threading
import webbrowser
from pathlib import Path

import click

from sideman.cli.live import model_option
from sideman.cli.options import FOLDER_OUT, needs_extra

PORTS = click.IntRange(1, 65_535)
OPEN_AFTER_S = 1.0


@click.command("studio")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen at; 0.0.0.0 shares the studio with the network, with --token.",
)
@click.option("--port", type=PORTS, default=8765, show_default=True, help="Port to listen at.")
@click.option(
    "--token",
    default="",
    envvar="SIDEMAN_TOKEN",
    show_default="none; $SIDEMAN_TOKEN",
    help="Secret of 16 or more characters that a browser must know.",
)
@click.option(
    "--allow-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Name under which it may be reached besides its own; may be given again.",
)
@click.option(
    "--folder",
    type=FOLDER_OUT,
    default=None,
    show_default="where this system keeps data",
    help="Folder for what you make.",
)
@click.option(
    "--database",
    default="",
    envvar="SIDEMAN_DATABASE",
    metavar="URL",
    show_default="a SQLite file in the folder; $SIDEMAN_DATABASE",
    help="Database, as in postgresql://me:secret@server/sideman.",
)
@model_option("the one that comes with Sideman")
@click.option(
    "--workers",
    "n_workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes, or replicas on a cluster, that write music at the same time.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Who writes: processes on this machine, or a Ray cluster.",
)
@click.option(
    "--open/--no-open", "is_opened", default=True, show_default=True, help="Open a browser."
)
@click.option(
    "--log",
    type=click.Choice(["all", "errors"]),
    default=None,
    show_default="errors in a terminal, else all",
    help="What is logged, as JSON on stderr.",
)
def studio(
    *,
    host: str,
    port: int,
    token: str,
    allowed_hosts: tuple[str, ...],
    folder: Path | None,
    database: str,
    bundle: Path | None,
    n_workers: int,
    engine: str,
    is_opened: bool,
    log: str | None,
) -> None:
    """Open the page on which you write, compare, vote and play.

    \b
    Example:
        sideman studio
        sideman studio --host 0.0.0.0 --token "correct horse battery"
    """
    with needs_extra("studio"):
        from sideman.folders import data_folder
        from sideman.studio.app import serve
        from sideman.studio.config import StudioConfig
        from sideman.studio.jobs import local_jobs
        from sideman.studio.logs import configure
        from sideman.studio.ray_engine import ray_jobs

    config = StudioConfig(
        folder=folder or data_folder(),
        database=database,
        bundle=bundle,
        host=host,
        port=port,
        token=token,
        allowed_hosts=allowed_hosts,
        n_workers=n_workers,
    )
    configure(log or ("errors" if sys.stderr.isatty() else "all"))
    click.echo(f"the studio is at {config.link} (Ctrl-C ends it); it keeps {config.folder}")
    if is_opened and sys.stdout.isatty():
        opening = threading.Timer(OPEN_AFTER_S, webbrowser.open, (config.link,))
        opening.daemon = True
        opening.start()
    serve(config, ray_jobs if engine == "ray" else local_jobs)
