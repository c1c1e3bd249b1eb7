"""Commands that write: a line a file, one for what it borrows, one for what cannot be."""

import itertools
import json
import shutil
import signal
from importlib import resources
from pathlib import Path

import pytest

from sideman.cli import run_command
from sideman.engine.session import Session
from sideman.score.midi import read_midi, read_recipe

EXAMPLE = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"
N_KNOWN = 200
"""Notes of the example."""

BORROWED = ("  no ", "  longest run shared with the training corpus: ")
"""How the line begins that says what a take shares with the music the bundled model heard."""


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    """Work in a folder with the example in it, and a file that is there already."""
    shutil.copy(EXAMPLE, tmp_path / "song.mid")
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "there.mid").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)


COMMANDS = {
    "compose out.mid --part piano --part drums --bars 2 --metre 3/4 --tempo 90": 2,
    "compose out.mid --part piano --bars 2 --chart Am|F": 2,
    "continue song.mid out.mid --bars 2 --seed 7": 2,
    "infill song.mid out.mid --bars 5-6 --part voice": 2,
    "accompany song.mid out.mid --part bass=fretless:max-notes=2": 16,
    "rewrite song.mid out.mid --part 1 --key G": 16,
    "vary song.mid out.mid --change 10 --bars 3-4": 2,
    "vary song.mid out.mid --change 90 --bars 3-4 --lock voice:3-4 --lock 4.1": 2,
    "compose out.mid --part piano --bars 3 --key C;2=D --metre 4/4;3=3/4 --tempo 96;2=120": 3,
    "continue song.mid out.mid --bars 2 --tempo 18=90 --metre 2/4 --repetition -1": 2,
    "infill song.mid out.mid --bars 5-6 --lock 2:5 --novelty 0.5": 2,
    "harmonise song.mid out.mid --part voice": 16,
    "loop out.mid --part drums --part bass=33 --bars 2": 2,
    "loop out.mid --from song.mid --rewrite voice --extend 1": 17,
    "arrange plan.toml out.mid": 3,
}

PLAN = """
[parts]
keys = "piano"

[[section]]
name = "A"
bars = 2

[[section]]
name = "end"
bars = 1
chart = "C"
"""


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_writes_what_it_says(capsys, line):
    """The file is there, can be read, and carries its recipe."""
    status = run_command(line.split())

    shown = capsys.readouterr()
    recipe = json.loads(read_recipe(Path("out.mid")) or "")
    assert (status, shown.err) == (0, "")
    written, borrowed = shown.out.splitlines()
    assert written.startswith(f"out.mid: {COMMANDS[line]} bars, ")
    assert borrowed.startswith(BORROWED)
    assert recipe["task"] == line.split()[0]
    assert len(read_midi(Path("out.mid")).notes) > 0


def test_takes_are_numbered(capsys):
    """Each has its lines and a file of its own."""
    assert run_command(["continue", "song.mid", "out.mid", "--bars", "1", "--takes", "2"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[::2]] == ["out-1.mid", "out-2.mid"]
    assert all(line.startswith(BORROWED) for line in lines[1::2])
    assert not Path("out.mid").exists()


def test_again_says_whether_it_is_the_same(capsys):
    """That is what one wants to know after moving files to another machine."""
    run_command(["continue", "song.mid", "out.mid", "--bars", "1"])
    capsys.readouterr()

    run_command(["again", "out.mid"])
    run_command(["again", "out.mid", "b.mid", "--set", "seed=8", "--set", "parts=1; 2"])

    same, _, other, _ = capsys.readouterr().out.splitlines()
    assert same.startswith("out-again.mid: 1 bar, ")
    assert same.endswith("as before, byte for byte")
    assert other.endswith("other than before")
    assert json.loads(read_recipe(Path("b.mid")) or "")["parts"] == ["1", "2"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("compose out.mid --part piao", "did you mean"),
        ("compose out.mid", "missing option '--part'"),
        ("compose out.mid --part piano --chart Am|Q7", "bar 2 of the chart"),
        ("compose out.mid --part piano --metre 4", "metre is '4'"),
        ("compose out.mid --part piano:densty=3", "did you mean 'density'"),
        ("continue song.mid out.mid --key H", "key is 'H'"),
        ("continue song.mid out.mid --bars 0", "bars is 0"),
        ("continue song.mid out.mid --bars many", "bars is 'many'"),
        ("continue song.mid out.mid --style polka", "there is no style 'polka'"),
        ("continue song.mid out.mid --rhythm swung", "did you mean 'swing'"),
        ("continue song.mid there.mid", "'there.mid' exists already"),
        ("continue there.mid out.mid", "there.mid: "),
        ("infill song.mid out.mid --bars 15-20", "the piece has 16"),
        ("infill song.mid out.mid --bars 4-2", "runs backwards"),
        ("infill song.mid out.mid --part oboe", "there is no part 'oboe'; known are voice"),
        ("accompany song.mid out.mid --part kazoo", "kazoo"),
        ("rewrite song.mid out.mid", "0 parts are named"),
        ("vary song.mid out.mid --change 101", "--change"),
        ("vary song.mid out.mid --lock C9@1.1", "lock 'C9@1.1': there is no such note; near"),
        ("infill song.mid out.mid --bars 2 --lock 20", "bars are '20'; the piece has 16"),
        ("compose out.mid --part piano --tempo 9", "tempo is '9'; it must be 15 to 480"),
        ("compose out.mid --part piano --tempo 96;9=99", "tempo is to change at bar 9; the"),
        ("compose out.mid --part piano --key C;3=X", "key 'C;3=X': key is 'X'"),
        ("continue song.mid out.mid --metre 3=3/4", "metre is to change at bar 3; the bars"),
        ("loop out.mid --part piano --metre 4/4;3=3/4", "the metre changes at a bar; a loop"),
        ("continue song.mid out.mid --novelty 3", "--novelty"),
        ("again song.mid", "'song.mid' carries no recipe"),
        ("again song.mid out.mid --set seed", "write NAME=VALUE"),
        ("again song.mid there.mid", "'there.mid' exists already"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(capsys, line, said):
    """The line names the thing, what is wrong with it and the way out."""
    before = sorted(Path().iterdir())

    status = run_command(line.split())

    shown = capsys.readouterr()
    assert status == 2
    assert shown.out == ""
    assert shown.err.startswith("sideman: ")
    assert shown.err.count("\n") == 1
    assert said in shown.err
    assert sorted(Path().iterdir()) == before
    assert Path("there.mid").read_bytes() == b"mine"


def test_force_overwrites(capsys):
    """Whoever says so may."""
    assert run_command(["continue", "song.mid", "there.mid", "--bars", "1", "--force"]) == 0
    assert len(read_midi(Path("there.mid")).notes) > N_KNOWN


@pytest.fixture
def press_ctrl_c(monkeypatch):
    """Return a function that has Ctrl-C pressed when the model has chosen so often."""

    def arrange(n_choices):
        choose, asked = Session.next, itertools.count()

        def chosen(*args, **how):
            if next(asked) == n_choices:
                signal.raise_signal(signal.SIGINT)
            return choose(*args, **how)

        monkeypatch.setattr(Session, "next", chosen)

    return arrange


def test_ctrl_c_keeps_the_bars_that_are_full(capsys, press_ctrl_c):
    """A line says how many; the file is whole and the status that of an interrupt."""
    before = signal.getsignal(signal.SIGINT)
    press_ctrl_c(60)

    status = run_command(["continue", "song.mid", "out.mid", "--bars", "30"])

    shown = capsys.readouterr()
    recipe = json.loads(read_recipe(Path("out.mid")) or "")
    n_bars = recipe["last_new_bar"] - recipe["first_new_bar"] + 1
    assert (status, shown.err) == (130, "sideman: interrupted\n")
    assert 0 < n_bars < 30
    assert shown.out.startswith(f"out.mid: {n_bars} bars, ")
    assert shown.out.splitlines()[0].endswith(", stopped there")
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_before_the_first_bar_is_full_writes_nothing(capsys, press_ctrl_c):
    """Not a file with nothing new in it."""
    press_ctrl_c(0)

    assert run_command(["continue", "song.mid", "out.mid"]) == 130
    assert capsys.readouterr() == ("", "sideman: interrupted\n")
    assert not Path("out.mid").exists()
