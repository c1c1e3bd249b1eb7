"""What commands have in common: kinds of arguments, options, and words for what is missing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from sideman.errors import MissingExtra

# What an extra is for, and its packages: when one of them is missing, the extra is.
EXTRAS = {
    "corpus": ("building a corpus", frozenset({"datasketch", "pebble", "pyarrow", "scipy"})),
    "studio": (
        "the studio",
        frozenset(
            {
                "alembic",
                "fastapi",
                "pebble",
                "prometheus_client",
                "sqlalchemy",
                "structlog",
                "uvicorn",
            }
        ),
    ),
    "train": ("training", frozenset({"onnx", "torch"})),
}


class InputPath(click.Path):
    """A file, a folder, or either, that must be there."""

    def __init__(self, what: str = "file") -> None:
        super().__init__(path_type=Path)
        self.what = what

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path, or fail with what is wrong with it."""
        path = Path(str(value))
        if not path.exists():
            self.fail(f"there is no {self.what} '{path}'", param, ctx)
        if self.what == "file" and path.is_dir():
            self.fail(f"'{path}' is a folder; a file is wanted", param, ctx)
        if self.what == "folder" and not path.is_dir():
            self.fail(f"'{path}' is a file; a folder is wanted", param, ctx)
        return path


class OutputFile(click.Path):
    """A file to write, whose ending says what goes into it."""

    def __init__(self, suffixes: Sequence[str]) -> None:
        super().__init__(path_type=Path)
        self.suffixes = tuple(suffixes)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path, or fail with what is wrong with it."""
        path = Path(str(value))
        if path.is_dir():
            self.fail(f"'{path}' is a folder; name a file in it", param, ctx)
        if path.suffix.lower() not in self.suffixes:
            wanted = " or ".join(self.suffixes)
            self.fail(f"'{path}' must end in {wanted}", param, ctx)
        return path


FILE_IN = InputPath("file")
FOLDER_IN = InputPath("folder")
ANY_IN = InputPath("file or folder")
FOLDER_OUT = click.Path(file_okay=False, path_type=Path)

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def several(*options: Decorator) -> Decorator:
    """Join options that several commands have, in this order."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


force_option = click.option("--force", is_flag=True, help="Overwrite what is there.")


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Turn a package that is not there into a line that says how to get it.

    Raises:
        MissingExtra: If the block imports a package of the extra that is not installed.
    """
    purpose, packages = EXTRAS[extra]
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in packages:
            raise
        msg = f'{purpose} needs the extra: pip install "sideman[{extra}]"'
        raise MissingExtra(msg) from error


@contextmanager
def interrupts_noted() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C instead of breaking off; a second one breaks off.

    Yields:
        Says whether it has come. Elsewhere than in the main thread it never does.
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def note(*_: object) -> None:
        noted.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield noted.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def count(n: int, thing: str) -> str:
    """Say how many there are: `1 bar`, `8 bars`."""
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
