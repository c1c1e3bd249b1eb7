"""How much disk does an installation take that only plays?

    .venv/bin/python benchmarks/install_size.py

Installs the package of this checkout without extras into a fresh environment in a temporary
folder (this needs a package index) and counts the bytes of what that put there; what comes
with every environment, pip and its like, is left out.
"""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from machine import machine_lines

ROOT = Path(__file__).resolve().parent.parent
NOT_OURS = ("pip", "setuptools", "pkg_resources", "wheel", "_distutils", "distutils")
TARGET_MB = 350
SMALLEST_SHOWN_MB = 0.5


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def package_of(path: Path) -> str:
    """Return the package that an entry of site-packages belongs to, by its name."""
    return re.split(r"[-.]", path.name)[0].lower()


def main() -> None:
    """Install, count, print."""
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, str(ROOT)], check=True)
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        found = subprocess.run(
            [str(python), "-c", where], check=True, capture_output=True, text=True
        )
        for entry in Path(found.stdout.strip()).iterdir():
            if not entry.name.startswith(NOT_OURS):
                sizes[package_of(entry)] = sizes.get(package_of(entry), 0) + size(entry)
    print(*machine_lines("sideman"), sep="\n")
    print()
    small = 0.0
    for name, n_bytes in sorted(sizes.items(), key=lambda item: -item[1]):
        if n_bytes / 1e6 < SMALLEST_SHOWN_MB:
            small += n_bytes / 1e6
        else:
            print(f"{name:20} {n_bytes / 1e6:7.1f} MB")
    print(f"{'all the others':20} {small:7.1f} MB")
    total = sum(sizes.values()) / 1e6
    print(
        f"{'together':20} {total:7.1f} MB, {total / TARGET_MB:.0%} of the {TARGET_MB} it may be"
    )


if __name__ == "__main__":
    main()
