"""What a studio says of itself: its model, its limits, and what one can play with."""

from sideman import __version__
from sideman.bundle import Bundle
from sideman.live.kinds import Choice, Number, Switch
from sideman.live.settings import ACTIONS, MODES, SETTINGS
from sideman.live.settings import Setting as LiveSetting
from sideman.studio.asking import PAGE_TASKS
from sideman.studio.limits import Limits
from sideman.studio.schemas import Help, Info, LiveInfo, Setting


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
            settings=[_setting(setting) for setting in SETTINGS.values()],
            actions=[Help(name=item.name, help=item.meaning) for item in ACTIONS.values()],
        ),
    )


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
    return told
