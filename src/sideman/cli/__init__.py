"""The edge: what people type."""

from sideman.cli.main import cli, main, run_command

__all__ = ["cli", "main", "run_command"]
