"""Commands that play along: `live`, with an option for every setting, and `replay`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sideman.cli.options import FILE_IN, Decorator, OutputFile, force_option
from sideman.cli.training import BundleName

if TYPE_CHECKING:
    from sideman.live.control import Knob
    from sideman.live.preset import Preset
    from sideman.live.settings import Setting

BACKENDS = ("auto", "jack", "rtmidi", "osc")
SESSION_OUT = OutputFile((".session",))
PRESET_OUT = OutputFile((".toml",))
LEARNED_OUT = OutputFile((".npz",))
MIDI_OUT = OutputFile((".mid", ".midi"))


def model_option(default: str) -> Decorator:
    """Return the option that names a bundle; `default` says which it is otherwise."""
    return click.option(
        "--model",
        "bundle",
        type=BundleName(),
        default=None,
        metavar="NAME|FOLDER",
        show_default=default,
        help="Model to play with, a bundle.",
    )


class SettingOption(click.Option):
    """The option of a setting; its text is read by the setting itself."""

    def __init__(self, setting: Setting) -> None:
        default = setting.kind.write(setting.default)
        super().__init__(
            [f"--{setting.name.replace('_', '-')}", setting.name],
            metavar="VALUE",
            help=f"{setting.meaning} ({setting.kind.rule}; default: {default})",
        )
        self.group = setting.group


class SettingsCommand(click.Command):
    """A command with an option for every setting, looked up when they are first needed."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own options, then those of the settings."""
        from sideman.live.settings import SETTINGS

        return [*super().get_params(ctx), *map(SettingOption, SETTINGS.values())]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under headings: those of the command, then group by group."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record:
                sections.setdefault(getattr(param, "group", "options"), []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading.capitalize()):
                formatter.write_dl(records)


@click.command("live", cls=SettingsCommand)
@click.option(
    "--preset",
    default=None,
    metavar="NAME|FILE",
    help="Settings, voices and knobs to begin with: the name of a preset that comes with "
    "Sideman, or a .toml file; options of their own go before it.",
)
@click.option(
    "--voice",
    "voices",
    multiple=True,
    metavar="VOICE",
    help="Who plays, in place of the preset's voices: NAME=KIND:PART@CHANNEL, of the kind "
    "input (you), auto or follow, as in bass=auto:bass=33:range=E1-G3@2; may be given again.",
)
@model_option("the one that comes with Sideman")
@click.option("--in", "port_in", default=None, metavar="PORT", help="MIDI port to listen to.")
@click.option("--out", "port_out", default=None, metavar="PORT", help="MIDI port to play to.")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="auto",
    show_default=True,
    help="How ports are reached; auto: JACK where it runs, else the system's own.",
)
@click.option(
    "--chart",
    type=FILE_IN,
    default=None,
    metavar="FILE",
    help="Text file with the chords to follow, in place of --chords.",
)
@click.option(
    "--knob",
    "knobs",
    multiple=True,
    metavar="NUMBER=NAME",
    help="A MIDI controller and what it turns, as in 21=temperature or 22@10=panic; may be "
    "given again.",
)
@click.option(
    "--record", type=SESSION_OUT, default=None, help="Write the session to this file."
)
@click.option(
    "--save",
    type=PRESET_OUT,
    default=None,
    help="At the end write settings, voices and knobs as they are then: a preset.",
)
@click.option(
    "--learned",
    type=LEARNED_OUT,
    default=None,
    metavar="FILE",
    help="Begin with what was learned on other days, and keep what is learned now: an .npz "
    "file, read if it is there and written at the end.",
)
@click.option(
    "--screen/--no-screen",
    "has_screen",
    default=True,
    show_default=True,
    help="Show what goes on.",
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    metavar="SECONDS",
    show_default="until Ctrl-C",
    help="Stop after so long.",
)
@click.option(
    "--doctor",
    "is_doctor",
    is_flag=True,
    help="List ports, measure how long a note takes through them, say what to change.",
)
@force_option
def live(
    *,
    preset: str | None,
    voices: Sequence[str],
    chart: Path | None,
    knobs: Sequence[str],
    is_doctor: bool,
    **said: Any,
) -> None:
    """Play along with you: listen, answer, accompany.

    \b
    Example:
        sideman live
        sideman live --preset trading-fours --in "Digital Piano" --out FluidSynth
        sideman live --mode accompany --voice auto:bass=33 --voice auto:drums --chords found
        sideman live --doctor
    """
    from sideman.live.app import LiveConfig, play_live, run_doctor
    from sideman.live.settings import SETTINGS

    if is_doctor:
        _say(run_doctor())
        return
    texts = {name: said.pop(name) for name in SETTINGS}
    if chart is not None:
        texts["chords"] = chart.read_text(encoding="utf-8", errors="replace")
    asked = _preset(
        preset,
        {name: text for name, text in texts.items() if text is not None},
        voices,
        dict(_name_and_value("--knob", text) for text in knobs),
    )
    _say(play_live(LiveConfig(preset=asked, **said)))


@click.command("replay")
@click.argument("session", type=FILE_IN)
@click.option(
    "--mid",
    type=MIDI_OUT,
    default=None,
    metavar="FILE",
    help="Write it as MIDI: a track for you, and one for each voice.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=None,
    show_default="that of the session",
    help="Play it again with another seed.",
)
@model_option("that of the session")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Play it again with another setting, as in mode=trade; may be given again.",
)
@click.option(
    "--learned",
    type=FILE_IN,
    default=None,
    metavar="FILE",
    help="Play it again with what had been learned when it began, as --learned of live keeps.",
)
@force_option
def replay(
    *,
    session: Path,
    mid: Path | None,
    seed: int | None,
    bundle: Path | None,
    changes: Sequence[str],
    learned: Path | None,
    force: bool,
) -> None:
    """Go through SESSION, a file that `sideman live --record` wrote, faster than real time.

    With another seed, model, setting or memory the machine plays anew to what you played.

    \b
    Example:
        sideman replay tonight.session --mid tonight.mid
        sideman replay tonight.session --mid other.mid --seed 8 --set temperature=1.1
    """
    from sideman.live.replay import replay_file

    texts = dict(_name_and_value("--set", text) for text in changes)
    played = replay_file(
        session,
        mid=mid,
        bundle=bundle,
        seed=seed,
        changes=texts,
        learned=learned,
        force=force,
    )
    _say(played)


LIVE = (live, replay)


def _preset(
    name: str | None, texts: dict[str, str], voices: Sequence[str], knobs: dict[str, str]
) -> Preset:
    """Return the preset of that name with what the command line says instead."""
    from sideman.live.control import find_control, parse_knob
    from sideman.live.preset import Preset, read_preset
    from sideman.live.settings import with_settings
    from sideman.live.voices import parse_voices

    preset = Preset() if name is None else read_preset(name)
    learned: dict[Knob, str] = {parse_knob(knob): find_control(knobs[knob]) for knob in knobs}
    return replace(
        preset,
        settings=with_settings(preset.settings, texts),
        voices=parse_voices(voices) if voices else preset.voices,
        knobs={**preset.knobs, **learned},
    )


def _name_and_value(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        msg = f"{option} is {text!r}; write it with a value behind an equals sign"
        raise click.UsageError(msg)
    return name.strip(), value


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)
