"""Where files lie that belong to the user and not to a piece, as each system wants it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def cache_folder(
    *,
    platform: str = sys.platform,
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Path:
    """Return the folder for files that can be made again.

    Args:
        platform: As `sys.platform`.
        environ: The environment; `XDG_CACHE_HOME` is respected on every system, `LOCALAPPDATA`
            on Windows.
        home: The user's home folder; asked of the system if None.

    Example:
        >>> cache_folder(platform="linux", environ={}, home=Path("/home/ella")).as_posix()
        '/home/ella/.cache/sideman'
    """
    home = home or Path.home()
    usual = {
        "win32": _local(environ, home) / "sideman" / "Cache",
        "darwin": home / "Library" / "Caches" / "sideman",
    }
    other = home / ".cache" / "sideman"
    return _chosen(environ, "XDG_CACHE_HOME") or usual.get(platform, other)


def data_folder(
    *,
    platform: str = sys.platform,
    environ: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Path:
    """Return the folder for what people make.

    Args:
        platform: As `sys.platform`.
        environ: The environment; `XDG_DATA_HOME` is respected on every system, `LOCALAPPDATA`
            on Windows.
        home: The user's home folder; asked of the system if None.

    Example:
        >>> data_folder(platform="linux", environ={}, home=Path("/home/ella")).as_posix()
        '/home/ella/.local/share/sideman'
    """
    home = home or Path.home()
    usual = {
        "win32": _local(environ, home) / "sideman" / "Data",
        "darwin": home / "Library" / "Application Support" / "sideman",
    }
    other = home / ".local" / "share" / "sideman"
    return _chosen(environ, "XDG_DATA_HOME") or usual.get(platform, other)


def _chosen(environ: Mapping[str, str], name: str) -> Path | None:
    """Return what the user chose; a relative one is to be ignored (XDG Base Directory 0.8)."""
    folder = Path(environ.get(name, ""))
    return folder / "sideman" if folder.is_absolute() else None


def _local(environ: Mapping[str, str], home: Path) -> Path:
    local = environ.get("LOCALAPPDATA")
    return Path(local) if local else home / "AppData" / "Local"
