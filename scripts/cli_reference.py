"""Write docs/cli.md from the help of every command.

.venv/bin/python scripts/cli_reference.py
"""

from collections.abc import Iterator
from pathlib import Path

import click

from sideman.cli import cli

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"
HEAD = (
    "# The command line\n\n"
    "Made by `scripts/cli_reference.py` from the help of the commands; do not edit.\n"
)


def commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below `command` with the words that call it, groups first."""
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from commands(command.commands[name], (*path, name))


def reference() -> str:
    """Return the page."""
    sections = [HEAD]
    for path, command in commands(cli, ("sideman",)):
        context = click.Context(
            command, info_name=" ".join(path), terminal_width=100, max_content_width=100
        )
        sections.append(f"## `{' '.join(path)}`\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
    print(f"{PAGE}: written")
