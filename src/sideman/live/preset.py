"""Presets: settings, voices and knobs, as a TOML file that a person can read and change.

about = "Trading fours with a piano"
voices = ["keys=input:piano", "partner=auto:piano@1"]

[settings]
mode = "trade"
trade_bars = 4

[knobs]
21 = "temperature"
"22@10" = "panic"
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from sideman.errors import LiveError, SidemanError
from sideman.live.control import Knob, find_control, parse_knob
from sideman.live.kinds import Switch, pick
from sideman.live.lengths import number_text
from sideman.live.settings import SETTINGS, Settings, setting_text, with_settings
from sideman.live.voices import Voice, check_voices, parse_voices, voice_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUFFIX = ".toml"
FOLDER = Path(str(resources.files("sideman"))) / "live" / "presets"
"""Where the presets are that come with Sideman."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How somebody likes to play.

    Attributes:
        about: What it is for, in one line.
        settings: Every setting.
        voices: Who plays, people first.
        knobs: Names of settings and actions by the controllers that turn them.

    Raises:
        LiveError: If the voices cannot play together.
    """

    about: str = ""
    settings: Settings = field(default_factory=Settings)
    voices: tuple[Voice, ...] = field(default_factory=lambda: parse_voices([]))
    knobs: Mapping[Knob, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_voices(self.voices)


def preset_names() -> list[str]:
    """Return the names of the presets that come with Sideman."""
    return sorted(path.stem for path in FOLDER.glob(f"*{SUFFIX}"))


def read_preset(name: str | Path) -> Preset:
    """Return a preset that comes with Sideman, or one from a file.

    Args:
        name: A name, or a path that ends in .toml.

    Raises:
        LiveError: If there is none, or something in it cannot be understood.
        OSError: If the file cannot be read.
    """
    path = Path(name)
    if path.suffix != SUFFIX:
        path = FOLDER / f"{pick(str(name), preset_names(), 'preset')}{SUFFIX}"
    if not path.is_file():
        msg = f"there is no preset '{path}'; name a file, or one of {', '.join(preset_names())}"
        raise LiveError(msg)
    with _naming(f"preset '{path}'"):
        return parse_preset(path.read_bytes().decode("utf-8", errors="replace"))


def parse_preset(text: str) -> Preset:
    """Return the preset that a TOML text describes; what it leaves out is as always.

    Raises:
        LiveError: If anything in it cannot be understood.
    """
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        msg = f"it is not valid TOML: {error}"
        raise LiveError(msg) from error
    found: dict[str, Any] = {}
    for word, value in given.items():
        name = pick(word, _ENTRIES, "entry")
        kind, kind_name, read = _ENTRIES[name]
        if not isinstance(value, kind):
            msg = f"{name} is {value!r}; it must be a {kind_name}"
            raise LiveError(msg)
        found[name] = read(value)
    return Preset(**found)


def preset_text(preset: Preset) -> str:
    """Return a preset as TOML, each setting with its meaning; `parse_preset` reads the same."""
    settings = (
        f"{name} = {_toml(getattr(preset.settings, name), name)}  # {setting.meaning}"
        for name, setting in SETTINGS.items()
    )
    knobs = (f"{_quoted(str(knob))} = {_quoted(name)}" for knob, name in preset.knobs.items())
    lines = (
        f"about = {_quoted(preset.about)}",
        "voices = [",
        *(f"    {_quoted(voice_text(voice))}," for voice in preset.voices),
        "]",
        "",
        "[settings]",
        *settings,
        "",
        "[knobs]",
        *knobs,
    )
    return "\n".join(lines) + "\n"


def _read_voices(items: list[object]) -> tuple[Voice, ...]:
    return parse_voices([_text("a voice", item) for item in items])


def _read_settings(table: Mapping[str, object]) -> Settings:
    return with_settings(Settings(), {name: _text(name, table[name]) for name in table})


def _read_knobs(table: Mapping[str, object]) -> dict[Knob, str]:
    return {parse_knob(knob): find_control(_text("a knob", table[knob])) for knob in table}


def _text(name: str, value: object) -> str:
    """Return a value of a TOML file as a person would write it on the command line."""
    if isinstance(value, bool):
        return Switch().write(value)
    if isinstance(value, (int, float)):
        return number_text(value)
    if isinstance(value, str):
        return value
    msg = f"{name} is {value!r}; it must be text, a number, true or false"
    raise LiveError(msg)


_ENTRIES: Mapping[str, tuple[type, str, Callable[[Any], object]]] = {
    "about": (str, "text", str),
    "voices": (list, "list of texts", _read_voices),
    "settings": (dict, "table", _read_settings),
    "knobs": (dict, "table", _read_knobs),
}


def _toml(value: object, name: str) -> str:
    """Return the value of a setting as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = setting_text(name, value)
    return text if isinstance(value, (int, float)) else _quoted(text)


def _quoted(text: str) -> str:
    """Return text as a TOML string, which is one of JSON but for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Put what was read in front of the message of an error."""
    try:
        yield
    except SidemanError as error:
        msg = f"{where}: {error}"
        raise LiveError(msg) from error
