"""Sound banks: the one that comes with Sideman, and a form that every synthesizer reads."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from sideman.audio.soundfont import is_sf3, sf3_to_sf2
from sideman.errors import AudioError
from sideman.files import whole_file
from sideman.folders import cache_folder

DEFAULT_BANK = Path(__file__).parent / "banks" / "FluidR3Mono_GM.sf3"
"""FluidR3 GM, mono, as SoundFont 3; MIT licence, see NOTICE.txt beside it."""

_DIGEST_DIGITS = 16  # of the SHA-256 in a cached file's name: 64 bits tell banks apart


def read_bank(path: Path) -> bytes:
    """Return the bytes of a sound bank.

    Raises:
        AudioError: If the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as cause:
        msg = f"{path}: the sound bank cannot be read: {cause.strerror}"
        raise AudioError(msg) from cause


def check_bank(path: Path) -> None:
    """Make sure that a file is a sound bank, before an engine says so less clearly.

    Raises:
        AudioError: If it is none, or cannot be read.
    """
    try:
        is_sf3(read_bank(path))
    except AudioError as cause:
        msg = str(cause) if str(path) in str(cause) else f"{path}: {cause}"
        raise AudioError(msg) from cause


def read_sf2(path: Path, *, folder: Path | None = None) -> bytes:
    """Return a sound bank as SoundFont 2, decoding a SoundFont 3 the first time.

    Decoding takes a few seconds, so the result is kept, under the SHA-256 of the bank. That is
    said on stderr when it happens: the file is large, and it is outside the working folder.

    Args:
        path: An `.sf2` or `.sf3` file; what it is goes by what it holds, not by its name.
        folder: Where decoded banks are kept; `cache_folder()` if None.

    Raises:
        AudioError: If the bank cannot be read or is damaged.
    """
    data = read_bank(path)
    try:
        if not is_sf3(data):
            return data
        digest = hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS]
        decoded_path = (folder or cache_folder()) / f"{path.stem}-{digest}.sf2"
        if decoded_path.is_file():
            return read_bank(decoded_path)
        sys.stderr.write(f"decoding {path.name}, this once, to {decoded_path}\n")
        decoded = sf3_to_sf2(data)
    except AudioError as cause:
        msg = f"{path}: {cause}"
        raise AudioError(msg) from cause
    decoded_path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(decoded_path) as part:
        part.write_bytes(decoded)
    return decoded
