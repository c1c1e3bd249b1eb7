"""Plans: the sections of a whole piece, as a TOML file.

key = "A minor"
tempo = 124

[parts]
drums = "drums"
bass = "bass=synth bass 1:density=5"
keys = "chords=electric piano 1"

[[section]]
name = "intro"
bars = 4
parts = ["drums", "keys"]
chart = "Am | F"

[[section]]
name = "A"
bars = 8
chart = "Am | F | C | G"

[[section]]
name = "A'"
like = "A"
change = 20
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sideman.engine.chart import Chart, chart_chords, parse_chart
from sideman.engine.parts import PartWish, parse_part
from sideman.engine.pitches import Scale, parse_scale
from sideman.engine.rhythm import RHYTHMS, parse_metre
from sideman.engine.wishes import choose, naming
from sideman.errors import EngineError
from sideman.score.time import MAX_BARS
from sideman.tokens.vocabulary import N_DENSITIES, N_PARTS, TEMPO_BINS, bin_to_tempo

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Settings = Mapping[str, Any]
"""A TOML table."""

DEFAULT_CHANGE = 20
MOST_CHANGE = 100
"""Percent of a section that is written anew where it is like another: if not said, and all."""

_IS_ONE: dict[str, Callable[[object], bool]] = {
    "text": lambda value: isinstance(value, str),
    "a number": lambda value: type(value) in (int, float),  # which True is not
    "a whole number": lambda value: type(value) is int,
    "a list of texts": lambda value: _is_list_of(str, value),
    "a table": lambda value: isinstance(value, dict),
    "a list of tables": lambda value: _is_list_of(dict, value),
}
_PLAN_SETTINGS = {
    "key": "text",
    "metre": "text",
    "rhythm": "text",
    "style": "text",
    "tempo": "a number",
    "parts": "a table",
    "section": "a list of tables",
}
_SECTION_SETTINGS = {
    "name": "text",
    "bars": "a whole number",
    "parts": "a list of texts",
    "chart": "text",
    "density": "a whole number",
    "like": "text",
    "change": "a whole number",
}


@dataclass(frozen=True, slots=True)
class Section:
    """Some bars of a plan.

    Attributes:
        name: What people call it.
        n_bars: Bars, at least 1.
        parts: Numbers of the parts that play, in order.
        chart: Its chords; None leaves them open.
        density: Density level of its parts, 1-9; None leaves each as the part has it.
        like: Number of the earlier section that it is varied from; None: it is new.
        change: Percent of that section's notes that are written anew, 0-100.
    """

    name: str
    n_bars: int
    parts: tuple[int, ...]
    chart: Chart | None = None
    density: int | None = None
    like: int | None = None
    change: int = DEFAULT_CHANGE


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole piece, section by section.

    Attributes:
        part_names: What people call the parts.
        parts: What is asked of each part.
        sections: In playing order.
        metre: Time signature, a value of the vocabulary.
        scale: Key or scale; None leaves it open.
        tempo_bpm: Quarter notes per minute; None leaves it open.
        rhythm: One of `sideman.engine.rhythm.RHYTHMS`.
        style: Style label, not yet looked up; None leaves it open.
    """

    part_names: tuple[str, ...]
    parts: tuple[PartWish, ...]
    sections: tuple[Section, ...]
    metre: int
    scale: Scale | None = None
    tempo_bpm: float | None = None
    rhythm: str = "free"
    style: str | None = None

    @property
    def n_bars(self) -> int:
        """Bars of all sections together."""
        return sum(section.n_bars for section in self.sections)

    @property
    def first_bars(self) -> tuple[int, ...]:
        """First bar of each section, counted from 0."""
        return tuple(
            sum(section.n_bars for section in self.sections[:number])
            for number in range(len(self.sections))
        )


def parse_plan(text: str, source: str) -> Plan:
    """Return the plan that TOML text spells.

    The piece has `[parts]`, each a name and what `sideman.engine.parts.parse_part` reads, and
    may have `key`, `metre` (else 4/4), `tempo`, `rhythm` and `style`. Each `[[section]]` has a
    `name`, `bars`, and may have the names of the `parts` that play (else all), a `chart` and a
    `density`. A section that is `like` an earlier one has its bars, and, where it names no
    others, its parts, chart and density; `change` percent of it are written anew.

    Args:
        text: The file's content.
        source: The file's name, for messages.

    Raises:
        EngineError: If it is not TOML, or names a setting or a value that cannot be.

    Example:
        >>> plan = parse_plan('''
        ... parts = {keys = "piano", bass = "bass=fretless"}
        ... section = [{name = "A", bars = 8}, {name = "B", like = "A", parts = ["bass"]}]
        ... ''', "song.toml")
        >>> plan.n_bars, plan.first_bars, plan.sections[1].parts, plan.sections[1].like
        (16, (0, 8), (1,), 0)
    """
    with naming(source):
        try:
            given = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            msg = f"it is not TOML: {error}"
            raise EngineError(msg) from error
        _check_settings(given, _PLAN_SETTINGS)
        names, parts = _parts(given.get("parts", {}))
        metre = parse_metre(given.get("metre", "4/4"))
        if "tempo" in given:
            _check_range("tempo", given["tempo"], *bin_to_tempo([0, TEMPO_BINS - 1]))
        return Plan(
            part_names=names,
            parts=parts,
            sections=_sections(given.get("section", []), names, metre),
            metre=metre,
            scale=parse_scale(given["key"]) if "key" in given else None,
            tempo_bpm=given.get("tempo"),
            rhythm=choose(given.get("rhythm", "free").lower(), RHYTHMS, "rhythm"),
            style=given.get("style"),
        )


def _is_list_of(kind: type, value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _check_settings(given: Settings, known: Mapping[str, str]) -> None:
    """Refuse settings that are unknown or of another type."""
    for name, value in given.items():
        wanted = known[choose(name, known, "setting")]
        if not _IS_ONE[wanted](value):
            msg = f"{name} is {value!r}; it must be {wanted}"
            raise EngineError(msg)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        msg = f"{name} is {value}; it must be {low:g} to {high:g}"
        raise EngineError(msg)


def _parts(given: Settings) -> tuple[tuple[str, ...], tuple[PartWish, ...]]:
    """Return the names of the parts and what is asked of each."""
    _check_range("number of parts", len(given), 1, N_PARTS)
    parts: list[PartWish] = []
    for name, wish in given.items():
        if not isinstance(wish, str):
            msg = f"part {name!r} is {wish!r}; it must be text, as in 'bass=fretless:density=3'"
            raise EngineError(msg)
        parts.append(parse_part(wish))
    return tuple(given), tuple(parts)


def _sections(
    given: Sequence[Settings], part_names: Sequence[str], metre: int
) -> tuple[Section, ...]:
    sections: list[Section] = []
    for number, settings in enumerate(given, start=1):
        with naming(f"section {settings.get('name', number)!r}"):
            _check_settings(settings, _SECTION_SETTINGS)
            section = _section(settings, part_names, sections)
            if section.chart is not None:
                chart_chords(section.chart, [metre] * len(section.chart.bars))
        sections.append(section)
    _check_range("number of sections", len(sections), 1, MAX_BARS)
    _check_range("number of bars", sum(section.n_bars for section in sections), 1, MAX_BARS)
    return tuple(sections)


def _section(
    settings: Settings, part_names: Sequence[str], earlier: Sequence[Section]
) -> Section:
    """Return one section; what it leaves out it has from the one that it is like."""
    names = [section.name for section in earlier]
    name = settings.get("name", "")
    if not name or name in names:
        msg = (
            "each section needs a name of its own; one that comes again is like = …, change = 0"
        )
        raise EngineError(msg)
    if ("bars" in settings) == ("like" in settings):
        msg = "it needs either bars = … or like = …, which brings the other's bars"
        raise EngineError(msg)
    if "change" in settings and "like" not in settings:
        msg = "change goes only with like = …, the section that is to be changed"
        raise EngineError(msg)
    if "like" in settings:
        origin = names.index(choose(settings["like"], names, "earlier section"))
        section = replace(earlier[origin], name=name, like=origin, change=DEFAULT_CHANGE)
    else:
        section = Section(name, n_bars=0, parts=tuple(range(len(part_names))))
    section = replace(section, **_said(settings, part_names))
    _check_range("bars", section.n_bars, 1, MAX_BARS)
    _check_range("change", section.change, 0, MOST_CHANGE)
    if section.density is not None:
        _check_range("density", section.density, 1, N_DENSITIES - 1)
    return section


def _said(settings: Settings, part_names: Sequence[str]) -> dict[str, Any]:
    """Return the fields of `Section` that its settings say."""
    said = {name: settings[name] for name in ("change", "density") if name in settings}
    if "bars" in settings:
        said["n_bars"] = settings["bars"]
    if "chart" in settings:
        said["chart"] = parse_chart(settings["chart"])
    if "parts" in settings:
        playing = {choose(name, part_names, "part") for name in settings["parts"]}
        _check_range("number of parts", len(playing), 1, N_PARTS)
        said["parts"] = tuple(n for n, name in enumerate(part_names) if name in playing)
    return said
