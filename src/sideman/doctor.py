"""What is installed, what is missing, and how to get it.

Nothing heavy is imported to find out: versions come from package metadata, programs
from the search path, and data from the package's own folder.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from sideman import __version__

HERE = Path(__file__).parent
NAME_WIDTH = 16  # the longest name and a space: what is found stands in one column

# Name on the package index, and the extra that brings it; None is always needed.
PACKAGES: tuple[tuple[str, str | None], ...] = (
    ("numpy", None),
    ("symusic", None),
    ("onnxruntime", None),
    ("click", None),
    ("pillow", None),
    ("tqdm", None),
    ("soundfile", "audio"),
    ("midirenderer", "audio"),
    ("pyarrow", "corpus"),
    ("datasketch", "corpus"),
    ("pebble", "corpus"),
    ("JACK-Client", "live"),
    ("python-osc", "live"),
    ("python-rtmidi", "live"),
    ("textual", "live"),
    ("lytk", "notation"),
    ("fastapi", "studio"),
    ("uvicorn", "studio"),
    ("websockets", "studio"),
    ("sqlalchemy", "studio"),
    ("psycopg", "postgres"),
    ("ray", "cluster"),
    ("huggingface-hub", "hub"),
    ("torch", "train"),
    ("onnx", "train"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        name: What was looked for.
        found: What was found, or None.
        remedy: What to do where nothing was found.

    Example:
        >>> Finding("soundfile", None, 'pip install "sideman[audio]"').line()
        'soundfile       missing: pip install "sideman[audio]"'
        >>> Finding("numpy", "2.4.6").line()
        'numpy           2.4.6'
    """

    name: str
    found: str | None
    remedy: str = ""

    def line(self) -> str:
        """Return the finding as one line of text."""
        text = f"missing: {self.remedy}" if self.found is None else self.found
        return f"{self.name:<{NAME_WIDTH}}{text}"


def examine(here: Path = HERE) -> tuple[Finding, ...]:
    """Look at everything Sideman can make use of.

    Args:
        here: Folder of the package, where bundled data is looked for.
    """
    return tuple(_findings(here))


def _findings(here: Path) -> Iterator[Finding]:
    yield Finding("sideman", __version__)
    yield Finding("python", f"{platform.python_version()} on {platform.system()}")
    yield Finding("cores", str(os.cpu_count() or "unknown"))
    for name, extra in PACKAGES:
        yield _package(name, extra)
    yield Finding(
        "fluidsynth",
        shutil.which("fluidsynth"),
        "optional, the best sound: install FluidSynth, for example apt-get install fluidsynth",
    )
    yield Finding(
        "model",
        _listed(path.parent for path in here.glob("bundles/**/card.json")),
        "no model came with this install: pass one with --bundle",
    )
    yield Finding(
        "page",
        _listed(here.glob("studio/static/index.html")),
        "the page of the studio is not in this install: run make page-build",
    )
    yield Finding(
        "bank",
        _listed(here.glob("audio/**/*.sf[23]")),
        "no sound bank came with this install: pass one with --bank",
    )


def _package(name: str, extra: str | None) -> Finding:
    wanted = "sideman" if extra is None else f"sideman[{extra}]"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, None, f'pip install "{wanted}"')
    return Finding(name, version)


def _listed(paths: Iterator[Path]) -> str | None:
    return ", ".join(sorted(path.name for path in paths)) or None
