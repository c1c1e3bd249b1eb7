"""All that a player may turn: one registry for options, presets, knobs, OSC and pages.

A setting is a field of `Settings`, with what it may be and what it means beside it; all else
is made from these fields: `--trade-bars` on the command line, `trade_bars` in a preset,
`/sideman/trade_bars` by OSC, a line in docs/live-settings.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sideman.engine.chart import Chart, chart_text, parse_chart
from sideman.engine.pitches import Scale, parse_pitch, parse_scale, pitch_name, scale_name
from sideman.engine.rhythm import TEMPOS_BPM, metre_name, parse_metre
from sideman.engine.sampling import DEFAULT_SAMPLING, Sampling
from sideman.engine.wishes import Span, choose
from sideman.errors import LiveError, SidemanError
from sideman.live.kinds import Choice, Kind, Number, Stretch, Switch, Text, pick
from sideman.live.lengths import Length, parse_length
from sideman.score.harmony import MAJOR_KEY_NAMES, MINOR_KEY_NAMES
from sideman.score.types import MAX_DATA_BYTE

MODES = {
    "answer": "you stop, it answers",
    "trade": "so many bars each, on the grid",
    "accompany": "it plays while you play",
    "harmonise": "it follows note by note",
    "lead": "it goes on alone until you play",
    "echo": "your phrase back, changed",
    "loop": "it keeps a loop and changes it each time round",
}
"""When and what the machine plays, by name."""

GRIDS = {"off": 1, "4": 24, "8": 12, "16": 6, "8t": 8, "16t": 4, "32": 3}
"""Ticks between the places where notes may begin, by the name of `quantise`."""

_OFF, _FOUND = "off", "found"


# ----------------------------------------------------------------- kinds of value


def _or_words(canonical: Callable[[str], str], *words: str) -> Callable[[str], str]:
    """Return `canonical`, which lets some words be what they are."""

    def read(text: str) -> str:
        return text.lower() if text.lower() in words else canonical(text)

    return read


def _split(text: str) -> str:
    side, _, note = text.partition(" ")
    choose(side.lower(), ("below", "above"), "side")
    return f"{side.lower()} {pitch_name(parse_pitch(note))}"


def _lengths(*texts: str) -> tuple[Length, ...]:
    return tuple(map(parse_length, texts))


_STRETCH = Stretch(
    0.5,
    _lengths(
        *("0.5 s", "1 s", "2 s", "1 bar", "5 s", "2 bars", "4 bars", "8 bars", "12 bars"),
        *("16 bars", "32 bars", "session"),
    ),
)
_AHEAD = Stretch(
    0.05, _lengths("0.1 s", "0.2 s", "0.5 s", "1 s", "1 bar", "2 bars", "4 bars", "8 bars")
)
_PERCENT = Number(0, 100, "%")
_TEMPERATURE = Number(0, 3, knob=(0, 2))
_SWITCH = Switch()
_BAR_COUNT = Number(1, 16, "bars", is_whole=True)

_SCALE = Text(
    "off, found, or a key or scale such as D minor",
    _or_words(lambda text: scale_name(parse_scale(text)), _OFF, _FOUND),
    (
        _OFF,
        _FOUND,
        *(f"{tonic} major" for tonic in MAJOR_KEY_NAMES),
        *(f"{tonic} minor" for tonic in MINOR_KEY_NAMES),
    ),
)
_CHART = Text(
    "off, found, or a chart such as Am | F | C G",
    _or_words(lambda text: chart_text(parse_chart(text)), _OFF, _FOUND),
    (_OFF, _FOUND),
)
_SPLIT = Text(
    "off, or a side of a note such as below C4 or above C4",
    _or_words(_split, _OFF),
    (_OFF, *(f"above {pitch_name(pitch)}" for pitch in range(36, 85, 4))),
)
_METRE = Text(
    "a time signature such as 4/4 or 7/8",
    lambda text: metre_name(parse_metre(text)),
    ("2/4", "3/4", "4/4", "5/4", "6/8", "7/8", "9/8", "12/8"),
)


# ------------------------------------------------------------------- the settings


def _about(group: str, kind: Kind, meaning: str, key: str = "") -> dict[str, Any]:
    """Return what a field of `Settings` carries; see `Setting`."""
    return {"group": group, "kind": kind, "meaning": meaning, "key": key}


_TURNS, _EARS, _NOTES = "when it plays", "what it hears", "how much and what it plays"
_HARMONY, _CHANCE, _OUT = "harmony", "chance", "how it sounds"
_TIME = "time"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a player may turn, each as `SETTINGS` explains it.

    Raises:
        LiveError: If a value is none that its setting may have.
    """

    mode: str = field(
        default="answer",
        metadata=_about(
            _TURNS,
            Choice(tuple(MODES), {"autonomous": "lead", "vary": "echo"}),
            "Who plays when; autonomous is another word for lead, vary for echo.",
        ),
    )
    silence: float = field(
        default=0.6,
        metadata=_about(
            _TURNS,
            Number(0, 10, "s", knob=(0, 3)),
            "How long you must be silent for it to answer, or to go on alone.",
        ),
    )
    min_notes: int = field(
        default=3,
        metadata=_about(
            _TURNS,
            Number(1, 64, is_whole=True, knob=(1, 16)),
            "Fewest notes of yours that it answers.",
        ),
    )
    answer: Length = field(
        default=Length(4, "bars"),
        metadata=_about(_TURNS, _STRETCH, "How long it answers; session: until you play."),
    )
    trade_bars: int = field(
        default=4, metadata=_about(_TURNS, _BAR_COUNT, "How long each turn is when you trade.")
    )
    loop_bars: int = field(
        default=4, metadata=_about(_TURNS, _BAR_COUNT, "How long the loop is.")
    )
    change: float = field(
        default=30.0,
        metadata=_about(
            _TURNS, _PERCENT, "How much of your phrase (echo) or of the loop is changed."
        ),
    )
    overlap: bool = field(
        default=True,
        metadata=_about(_TURNS, _SWITCH, "Whether it may go on playing while you play.", "o"),
    )
    horizon: Length = field(
        default=Length(2, "bars"),
        metadata=_about(_TURNS, _AHEAD, "No note is planned further ahead than this."),
    )
    lookahead: Length = field(
        default=Length(1, "bars"),
        metadata=_about(_TURNS, _AHEAD, "How far ahead of now the plan is kept written."),
    )
    commit: float = field(
        default=0.06,
        metadata=_about(
            _TURNS,
            Number(0.02, 2, "s", knob=(0.02, 0.5)),
            "How far ahead of now the plan is fixed: what you do cannot change it any more.",
        ),
    )

    memory: Length = field(
        default=Length(16, "bars"),
        metadata=_about(_EARS, _STRETCH, "How far back it remembers what was played."),
    )
    hears_itself: bool = field(
        default=True,
        metadata=_about(_EARS, _SWITCH, "Whether it remembers its own notes too.", "h"),
    )
    split: str = field(
        default=_OFF,
        metadata=_about(
            _EARS, _SPLIT, "Only notes on one side are heard; the note itself counts as above."
        ),
    )

    density: int = field(
        default=0,
        metadata=_about(
            _NOTES,
            Number(0, 9, is_whole=True),
            "How many notes, from 1, the fewest, to 9; 0 leaves it open.",
        ),
    )
    play_probability: float = field(
        default=100.0,
        metadata=_about(_NOTES, _PERCENT, "How likely it takes a turn, or plays in a bar."),
    )
    complement: bool = field(
        default=False,
        metadata=_about(
            _NOTES, _SWITCH, "Play less where you play much, and more where little.", "c"
        ),
    )
    avoid_register: bool = field(
        default=False,
        metadata=_about(_NOTES, _SWITCH, "Keep out of the register that you play in.", "r"),
    )
    role: str = field(
        default="all",
        metadata=_about(
            _NOTES,
            Choice(("all", "chords", "line", "drums")),
            "Chords only, a single line only, drums only, or all.",
        ),
    )
    max_note: float = field(
        default=10.0,
        metadata=_about(
            _NOTES, Number(0.1, 60, "s"), "No note sounds longer, whatever happens."
        ),
    )

    key: str = field(
        default=_OFF,
        metadata=_about(
            _HARMONY,
            _SCALE,
            "Key or scale that pitched voices keep to; found: the one you play in.",
        ),
    )
    key_hold: str = field(
        default="mask",
        metadata=_about(
            _HARMONY,
            Choice(("mask", "nudge")),
            "How: no other note is ever chosen, or others move to the nearest.",
        ),
    )
    chords: str = field(
        default=_OFF,
        metadata=_about(
            _HARMONY,
            _CHART,
            "Chords that are followed: a chart, which begins again at its end; found: yours.",
        ),
    )

    temperature: float = field(
        default=DEFAULT_SAMPLING.temperature,
        metadata=_about(
            _CHANCE,
            _TEMPERATURE,
            "Above 1 is bolder, below 1 safer; 0 takes the likeliest each time.",
        ),
    )
    pitch_temperature: float = field(
        default=DEFAULT_SAMPLING.pitch_temperature,
        metadata=_about(
            _CHANCE, _TEMPERATURE, "Times temperature, for pitches: above 1 repeats notes less."
        ),
    )
    rhythm_temperature: float = field(
        default=DEFAULT_SAMPLING.rhythm_temperature,
        metadata=_about(_CHANCE, _TEMPERATURE, "Times temperature, for places and lengths."),
    )
    velocity_temperature: float = field(
        default=DEFAULT_SAMPLING.velocity_temperature,
        metadata=_about(_CHANCE, _TEMPERATURE, "Times temperature, for loudness."),
    )
    learn: float = field(
        default=0.0,
        metadata=_about(
            _CHANCE, Number(0, 1), "How much what it has learned weighs in what it plays."
        ),
    )
    seed: int = field(
        default=0,
        metadata=_about(
            _CHANCE,
            Number(0, 2**63 - 1, is_whole=True, knob=(0, MAX_DATA_BYTE)),
            "Same seed, settings and playing, same notes.",
        ),
    )

    quantise: str = field(
        default=_OFF,
        metadata=_about(
            _OUT,
            Choice(tuple(GRIDS)),
            "Grid on which its notes begin: parts of a whole note, t for triplets.",
        ),
    )
    quantise_strength: float = field(
        default=100.0,
        metadata=_about(_OUT, _PERCENT, "How far its notes are moved to the grid."),
    )
    transpose: int = field(
        default=0,
        metadata=_about(
            _OUT,
            Number(-24, 24, "semitones", is_whole=True),
            "How much higher its pitched notes sound.",
        ),
    )
    velocity_scale: float = field(
        default=100.0,
        metadata=_about(
            _OUT, Number(0, 200, "%"), "How loud its notes sound, beside what it meant."
        ),
    )
    delay_ms: float = field(
        default=0.0,
        metadata=_about(
            _OUT,
            Number(0, 1000, "ms", knob=(0, 250)),
            "How much later all it plays sounds, to meet what else is late.",
        ),
    )

    tempo: float = field(
        default=120.0,
        metadata=_about(
            _TIME, Number(*TEMPOS_BPM, "bpm", knob=(40, 240)), "Quarter notes per minute."
        ),
    )
    metre: str = field(
        default="4/4", metadata=_about(_TIME, _METRE, "Time signature, from the next bar on.")
    )
    sync: str = field(
        default="set",
        metadata=_about(
            _TIME,
            Choice(("set", "clock", "link", "tracked")),
            "Whose tempo: as set or tapped, MIDI clock, Ableton Link, tracked in your playing.",
        ),
    )
    metronome: bool = field(
        default=False, metadata=_about(_TIME, _SWITCH, "Click on each beat.", "m")
    )
    clock_out: bool = field(default=False, metadata=_about(_TIME, _SWITCH, "Send MIDI clock."))

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if parse_setting(name, setting.kind.write(value)) != value:
                msg = f"{name} is {value!r}; it must be {setting.kind.rule}"
                raise LiveError(msg)

    @property
    def sampling(self) -> Sampling:
        """How values are drawn."""
        return replace(
            DEFAULT_SAMPLING,
            temperature=self.temperature,
            pitch_temperature=self.pitch_temperature,
            rhythm_temperature=self.rhythm_temperature,
            velocity_temperature=self.velocity_temperature,
        )

    @property
    def scale(self) -> Scale | None:
        """The scale that `key` says; None if it is off or to be found."""
        return None if self.key in (_OFF, _FOUND) else parse_scale(self.key)

    @property
    def chart(self) -> Chart | None:
        """The chart that `chords` says; None if they are off or to be found."""
        return None if self.chords in (_OFF, _FOUND) else parse_chart(self.chords)

    @property
    def grid(self) -> int:
        """Ticks between the places that `quantise` moves notes to; 1 if it is off."""
        return GRIDS[self.quantise]

    @property
    def heard(self) -> Span:
        """Lowest and highest MIDI note that is heard; none where the lowest is above."""
        if self.split == _OFF:
            return 0, MAX_DATA_BYTE
        side, _, note = self.split.partition(" ")
        pitch = parse_pitch(note)
        return (0, pitch - 1) if side == "below" else (pitch, MAX_DATA_BYTE)


@dataclass(frozen=True, slots=True)
class Setting:
    """What there is to say about a setting.

    Attributes:
        name: That of the field of `Settings`.
        default: Value of who says nothing.
        group: What it is about, in a few words.
        kind: What it may be.
        meaning: What it does, in one line.
        key: Key of the terminal screen that switches it; "" if none does.
    """

    name: str
    default: Any
    group: str
    kind: Kind
    meaning: str
    key: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is done once.

    Attributes:
        name: What it is called by knobs and OSC.
        key: Key of the terminal screen, by the name that Textual gives it.
        meaning: What it does, in one line.
    """

    name: str
    key: str
    meaning: str


SETTINGS: Mapping[str, Setting] = {
    known.name: Setting(known.name, known.default, **known.metadata)
    for known in fields(Settings)
}
"""All settings by name, in the order in which they are shown."""

ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        Action("panic", "escape", "Silence at once: every note off, and the plan is dropped."),
        Action("forget_last", "backspace", "Forget the last phrase, yours or its own."),
        Action(
            "forget_all", "delete", "Forget all that was played, and what was learned of it."
        ),
        Action("forget_learned", "f", "Forget all that was learned, on other days too."),
        Action("play_again", "a", "Play its last turn once more."),
        Action("tap", "t", "Tap the tempo, at least twice."),
    )
}
"""All actions by name."""


def find_setting(name: str) -> Setting:
    """Return the setting of that name; `-` will do for `_`.

    Raises:
        LiveError: If there is none; the message names the nearest.

    Example:
        >>> find_setting("trade-bars").default
        4
        >>> find_setting("lookahed")
        Traceback (most recent call last):
        sideman.errors.LiveError: there is no setting 'lookahed'; did you mean 'lookahead'?
    """
    return SETTINGS[pick(name, SETTINGS, "setting")]


def parse_setting(name: str, text: str) -> Any:  # noqa: ANN401 (each setting has its own)
    """Return the value that a text says.

    Raises:
        LiveError: If there is no such setting, or the text is none of its values.

    Example:
        >>> parse_setting("answer", "2.5 s"), parse_setting("key", "Dm")
        (Length(value=2.5, unit='s'), 'D minor')
        >>> parse_setting("tempo", "fast")
        Traceback (most recent call last):
        sideman.errors.LiveError: tempo is 'fast'; it must be 15 to 480 bpm
    """
    setting = find_setting(name)
    try:
        return setting.kind.read(text)
    except SidemanError as error:
        more = f" ({error})"
    except ValueError:
        more = ""
    msg = f"{setting.name} is {text!r}; it must be {setting.kind.rule}{more}"
    raise LiveError(msg)


def setting_text(name: str, value: object) -> str:
    """Return the text of a setting's value; `parse_setting` reads the same from it.

    Raises:
        LiveError: If there is no such setting.
    """
    return find_setting(name).kind.write(value)


def with_setting(settings: Settings, name: str, value: object) -> Settings:
    """Return settings of which one has another value.

    Args:
        settings: Those that were.
        name: Name of a setting; `-` will do for `_`.
        value: The value, or its text.

    Raises:
        LiveError: If there is no such setting, or it may not have this value.

    Example:
        >>> with_setting(Settings(), "mode", "autonomous").mode
        'lead'
    """
    setting = find_setting(name)
    said = parse_setting(name, value) if isinstance(value, str) else value
    changes: dict[str, Any] = {setting.name: said}
    return replace(settings, **changes)


def with_settings(settings: Settings, texts: Mapping[str, str]) -> Settings:
    """Return settings of which some have other values, by name.

    Raises:
        LiveError: As `with_setting`.
    """
    values = {
        find_setting(name).name: parse_setting(name, text) for name, text in texts.items()
    }
    return replace(settings, **values)


def settings_texts(settings: Settings) -> dict[str, str]:
    """Return the text of every setting; `with_settings` makes the same of them."""
    return {name: setting_text(name, getattr(settings, name)) for name in SETTINGS}
