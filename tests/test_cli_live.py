"""The live commands as a person types them: what they ask for and what they print."""

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import click
import pytest

from sideman.cli.live import live, replay
from sideman.errors import LiveError
from sideman.live.control import Knob
from sideman.live.preset import Preset, preset_text, read_preset
from sideman.live.settings import SETTINGS, Settings
from sideman.live.voices import parse_voices


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return what the commands asked for, filled in when one is called."""
    found: dict[str, object] = {}
    app, again = ModuleType("sideman.live.app"), ModuleType("sideman.live.replay")

    def play(config):
        found.update(vars(config))
        return ["hit rate 100 %", "no note late"]

    def replay_file(session, **options):
        found.update(session=session, **options)
        return [f"{session}: 8 notes"]

    vars(app).update(
        LiveConfig=SimpleNamespace, play_live=play, run_doctor=lambda: ["jack  not installed"]
    )
    vars(again).update(replay_file=replay_file)
    monkeypatch.setitem(sys.modules, app.__name__, app)
    monkeypatch.setitem(sys.modules, again.__name__, again)
    monkeypatch.chdir(tmp_path)
    return found


def run(command, *args):
    command.main(list(args), standalone_mode=False)


def test_nothing_needs_to_be_said(asked, capsys):
    """Whoever types `sideman live` plays; what it says at the end is printed."""
    run(live)

    assert asked == {
        "preset": Preset(),
        "bundle": None,
        "port_in": None,
        "port_out": None,
        "backend": "auto",
        "record": None,
        "save": None,
        "learned": None,
        "has_screen": True,
        "duration_s": None,
        "force": False,
    }
    assert capsys.readouterr().out == "hit rate 100 %\nno note late\n"


def test_each_option_arrives(asked):
    """And each has the name it has in the library."""
    run(
        live,
        *("--in", "Piano", "--out", "Synth", "--backend", "jack", "--record", "a.session"),
        *(
            "--save",
            "a.toml",
            "--learned",
            "a.npz",
            "--no-screen",
            "--duration",
            "60",
            "--force",
        ),
    )

    assert asked == {
        "preset": Preset(),
        "bundle": None,
        "port_in": "Piano",
        "port_out": "Synth",
        "backend": "jack",
        "record": Path("a.session"),
        "save": Path("a.toml"),
        "learned": Path("a.npz"),
        "has_screen": False,
        "duration_s": 60,
        "force": True,
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_an_option(asked, name):
    """What its knob can reach can be typed."""
    kind = SETTINGS[name].kind

    run(live, f"--{name.replace('_', '-')}", kind.write(kind.turn(127)))

    assert asked["preset"].settings == replace(Settings(), **{name: kind.turn(127)})


def test_options_go_before_the_preset(asked):
    """A preset is where one begins."""
    Path("mine.toml").write_text(
        preset_text(
            Preset(settings=Settings(tempo=90, trade_bars=2), knobs={Knob(1): "tempo"})
        ),
        encoding="utf-8",
    )

    run(live, "--preset", "mine.toml", "--tempo", "100", "--knob", "22@10=panic")

    assert asked["preset"] == Preset(
        settings=Settings(tempo=100, trade_bars=2),
        knobs={Knob(1): "tempo", Knob(22, 9): "panic"},
    )


def test_voices_take_the_place_of_those_of_the_preset(asked):
    """Else one could never have fewer."""
    run(live, "--preset", "jazz-trio", "--voice", "auto:bass=33", "--voice", "auto:drums")

    assert asked["preset"].voices == parse_voices(["auto:bass=33", "auto:drums"])
    assert asked["preset"].settings == read_preset("jazz-trio").settings


def test_a_chart_may_stand_in_a_file(asked):
    """Thirty-two bars are no pleasure on a command line."""
    Path("tune.txt").write_text("Am | F\nC | G\n", encoding="utf-8")

    run(live, "--chart", "tune.txt")

    assert asked["preset"].settings.chords == "Am | F | C | G"


def test_the_doctor_is_asked_and_nothing_is_played(asked, capsys):
    """It is for those who hear nothing."""
    run(live, "--doctor")

    assert capsys.readouterr().out == "jack  not installed\n"
    assert not asked


def test_a_session_is_gone_through_as_asked(asked, capsys):
    """Seed, model and settings are what may differ."""
    Path("a.session").touch()

    run(replay, "a.session", "--mid", "a.mid", "--seed", "8", "--set", "mode=trade", "--force")

    assert asked == {
        "session": Path("a.session"),
        "mid": Path("a.mid"),
        "bundle": None,
        "seed": 8,
        "changes": {"mode": "trade"},
        "learned": None,
        "force": True,
    }
    assert capsys.readouterr().out == "a.session: 8 notes\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--tempo", "fast"], "tempo is 'fast'; it must be 15 to 480 bpm"),
        (
            ["--preset", "trading-four"],
            "no preset 'trading-four'; did you mean 'trading-fours'",
        ),
        (["--voice", "piano"], "voice is 'piano'; write NAME=KIND:PART@CHANNEL"),
        (["--knob", "21=tmpo"], "there is no setting or action 'tmpo'; did you mean 'tempo'"),
        (["--knob", "21"], "--knob is '21'; write it with a value behind an equals sign"),
        (["--chart", "nowhere.txt"], "there is no file 'nowhere.txt'"),
        (["--record", "a.mid"], "'a.mid' must end in .session"),
    ],
)
def test_what_is_wrong_is_said_before_anything_plays(asked, args, message):
    """Nobody goes on stage with half of what was asked."""
    with pytest.raises((LiveError, click.UsageError), match=message):
        run(live, *args)

    assert not asked
