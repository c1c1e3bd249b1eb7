"""Says what a benchmark ran on: a figure without its machine is no figure."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine_lines(*packages: str) -> list[str]:
    """Return lines that name the machine, Python, the versions of `packages` and the load.

    The load is the mean number of running processes over the last minute: above 0 the
    machine had other work to do as well.
    """
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    system = f"{platform.system()} {platform.machine()}"
    return [
        f"machine   {_processor()}, {os.cpu_count()} cores, {system}",
        f"versions  Python {platform.python_version()}, {versions}",
        f"load      {_load()}",
    ]


def _processor() -> str:
    """Return the name of the processor, from where Linux keeps it or else from Python."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
