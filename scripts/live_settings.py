"""Write docs/live-settings.md from the settings and actions of live play.

.venv/bin/python scripts/live_settings.py
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sideman.live.control import FIRST_MODE_MESSAGE, LEARN, PRESSED, key_of, osc_address
from sideman.live.preset import preset_names, read_preset
from sideman.live.settings import ACTIONS, MODES, SETTINGS, Setting
from sideman.score.types import MAX_DATA_BYTE

PAGE = Path(__file__).parents[1] / "docs" / "live-settings.md"
HEAD = f"""# What you may turn

Made by `scripts/live_settings.py` from the settings themselves; do not edit.

A setting is reached in five ways, by the same name:

- on the command line: `sideman live --trade-bars 8`;
- in a preset, a TOML file: `trade_bars = 8` under `[settings]`. `--preset FILE` reads one,
  `--save FILE` writes one, with the meaning of each setting beside it;
- with a knob or pad of a MIDI controller, once it is learned: `--knob 21=trade_bars`, or
  `21 = "trade_bars"` under `[knobs]` of a preset, or `{osc_address(LEARN)} trade_bars` by OSC,
  whereupon the next knob that moves is the one. Controllers are 0 to {FIRST_MODE_MESSAGE - 1};
  `21@10` is the one of channel 10 alone;
- by OSC, with its value as a number or as text: `{osc_address("trade_bars")} 8`;
- in the terminal, where it has a key.

Lengths are seconds, bars or the session: `2.5 s`, `4 bars`, `session`. What is wrong is
answered with one line, and nothing changes.
"""
COLUMNS = ("option", "meaning", "values", "default", "knob from 0 to 127", "OSC", "key")


def row(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table; a bar in a cell does not end it."""
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join([row(columns), row(["---"] * len(columns)), *map(row, rows)])


def setting_row(setting: Setting) -> tuple[str, ...]:
    """Return the cells of a setting, in the order of `COLUMNS`."""
    kind = setting.kind
    return (
        f"`--{setting.name.replace('_', '-')}`",
        setting.meaning,
        kind.rule,
        kind.write(setting.default),
        f"{kind.write(kind.turn(0))} to {kind.write(kind.turn(MAX_DATA_BYTE))}",
        f"`{osc_address(setting.name)}`",
        setting.key,
    )


def page() -> str:
    """Return the page."""
    sections = [HEAD]
    for group in dict.fromkeys(setting.group for setting in SETTINGS.values()):
        rows = (setting_row(known) for known in SETTINGS.values() if known.group == group)
        sections.append(f"## {group.capitalize()}\n\n{table(COLUMNS, rows)}\n")
    modes = ((f"`{name}`", meaning, key_of(name)) for name, meaning in MODES.items())
    sections.append(f"## Modes\n\n{table(('--mode', 'what happens', 'key'), modes)}\n")
    actions = (
        (f"`{action.name}`", action.meaning, f"`{osc_address(action.name)}`", action.key)
        for action in ACTIONS.values()
    )
    sections.append(
        "## Actions\n\n"
        f"A knob or pad does them at {PRESSED} or above; OSC with nothing, or with 1.\n\n"
        f"{table(('action', 'what it does', 'OSC', 'key'), actions)}\n"
    )
    presets = ((f"`{name}`", read_preset(name).about) for name in preset_names())
    sections.append(f"## Presets\n\n{table(('--preset', 'what it is for'), presets)}\n")
    return "\n".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: written")
