"""What a studio says of itself: its model, its limits, and what one can play with."""

from collections import defaultdict

from sideman import __version__
from sideman.bundle import Bundle
from sideman.engine.parts import instrument_name
from sideman.live.kinds import Choice, Number, Stretch, Switch, Text
from sideman.live.preset import preset_names, read_preset
from sideman.live.settings import ACTIONS, MODES, SETTINGS
from sideman.live.settings import Setting as LiveSetting
from sideman.score.general_midi import family_name
from sideman.studio.asking import PAGE_TASKS
from sideman.studio.limits import Limits
from sideman.studio.schemas import Help, Info, LiveInfo, Setting
from sideman.tokens.vocabulary import DRUM_KITS, FIRST_KIT

NOT_HERE = ("clock_out",)
"""Settings that mean nothing on a page: it takes notes only."""

KITS = "Drum kits"
"""What drum kits are listed under, after the families."""


def info(bundle: Bundle, limits: Limits) -> Info:
    """Return what the page asks first."""
    return Info(
        version=__version__,
        bundle=bundle.name,
        styles=list(bundle.vocabulary.styles),
        tasks=list(PAGE_TASKS),
        limits=limits.told(),
        live=LiveInfo(
            available=True,
            modes=[Help(name=name, help=text) for name, text in MODES.items()],
            settings=[
                _setting(item) for item in SETTINGS.values() if item.name not in NOT_HERE
            ],
            actions=[Help(name=item.name, help=item.meaning) for item in ACTIONS.values()],
            presets=[Help(name=name, help=read_preset(name).about) for name in preset_names()],
            instruments=_instruments(),
        ),
    )


def _instruments() -> dict[str, list[str]]:
    """Return the names of all instruments, by family."""
    found: dict[str, list[str]] = defaultdict(list)
    for program in range(FIRST_KIT + len(DRUM_KITS)):
        family = family_name(program) if program < FIRST_KIT else KITS
        found[family].append(instrument_name(program))
    return found


def _setting(setting: LiveSetting) -> Setting:
    """Return a setting as the page draws it."""
    kind = setting.kind
    told = Setting(
        name=setting.name,
        help=f"{setting.meaning} ({kind.rule})",
        kind="text",
        value=kind.write(setting.default),
        group=setting.group,
    )
    if isinstance(kind, Number):
        shown = {"kind": "number", "low": kind.low, "high": kind.high, "unit": kind.unit}
        return told.model_copy(update=shown)
    if isinstance(kind, Switch):
        return told.model_copy(update={"kind": "switch"})
    if isinstance(kind, Choice):
        return told.model_copy(update={"kind": "choice", "choices": list(kind.names)})
    if isinstance(kind, Text | Stretch):  # others may be written as well
        return told.model_copy(update={"choices": list(map(str, kind.knob))})
    return told
