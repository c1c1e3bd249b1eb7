"""The command line: what it says, how fast it says it, and how it fails."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import click
import pytest

from sideman import __version__
from sideman.cli import cli, run_command
from sideman.doctor import PACKAGES, examine
from sideman.errors import EngineError

PROMPT = Path(str(resources.files("sideman"))) / "examples" / "prompt.mid"
HEAVY = ("numpy", "onnxruntime", "torch", "symusic", "PIL", "soundfile")


def all_commands(
    command: click.Command = cli, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield each command with the words that call it, groups included."""
    yield words, command
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from all_commands(sub, (*words, name))


COMMANDS = dict(all_commands())
EXAMPLES = [
    line.strip()
    for command in COMMANDS.values()
    for line in (command.help or "").splitlines()
    if line.strip().startswith("sideman ")
]


# ------------------------------------------------------------------------ help


@pytest.mark.parametrize("args", [[], ["--help"]])
def test_help_lists_the_commands(capsys, args):
    """Somebody who knows nothing yet types `sideman` and sees what there is."""
    status = run_command(args)

    shown = capsys.readouterr().out
    assert status == 0
    for name in ("continue", "render", "roll", "corpus", "train", "export", "bundle", "doctor"):
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "sideman")
def test_every_command_shows_an_example_and_explains_each_option(capsys, words):
    """An example is what people copy; an option without a word is a riddle."""
    status = run_command([*words, "--help"])

    assert status == 0
    assert "Example:\n" in capsys.readouterr().out
    for param in COMMANDS[words].params:
        if isinstance(param, click.Option):
            assert param.help, param.name


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_command_line_that_parses(example):
    """An example that names an option we have renamed is worse than none."""
    args = shlex.split(example)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group):
        command = command.commands[args.pop(0)]

    _, rest, _ = command.make_parser(click.Context(command)).parse_args(args)

    assert not rest


@pytest.mark.parametrize("args", [["--help"], ["continue", "--help"], ["doctor"]])
def test_help_and_doctor_load_nothing_heavy(args):
    """NumPy alone takes longer than the whole of `sideman --help` should."""
    code = (
        "import sys; from sideman.cli import run_command; "
        f"run_command({args!r}); "
        f"sys.exit(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stderr.strip() == ""


def test_version_is_the_version_of_the_package(capsys):
    """A bug report begins with it."""
    assert run_command(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


# -------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["contnue"], "'continue'"),
        (["--loud"], "no such option"),
        (["continue", "nowhere.mid", "out.mid"], "there is no file 'nowhere.mid'"),
        (["continue", "{folder}", "out.mid"], "is a folder; a file is wanted"),
        (["continue", "{file}"], "missing argument 'OUT'"),
        (["continue", "{file}", "out.txt"], "'out.txt' must end in .mid or .midi"),
        (["continue", "{file}", "out.mid", "--top-p", "0"], "--top-p"),
        (["continue", "{prompt}", "out.mid", "--bars", "0"], "bars is 0; it must be 1 to"),
        (["continue", "{prompt}", "out.mid", "--bars", "many"], "bars is 'many'; it must be a"),
        (["again", "{file}"], "ends inside its header"),
        (["render", "{file}", "out.wav", "--engine", "kazoo"], "'fluidsynth'"),
        (["roll", "{file}", "out.gif"], "must end in .png or .svg"),
        (["corpus", "build", "{file}", "shards"], "is a file; a folder is wanted"),
        (["corpus", "build", "{folder}", "{folder}"], "holds something that is no corpus"),
        (["train", "--recipe", "nano"], "missing option '--corpus'"),
        (["export", "nowhere", "out"], "there is no folder 'nowhere'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(capsys, tmp_path, args, said):
    """The line names the thing and what is wrong with it; nobody sees a traceback."""
    file = tmp_path / "a.mid"
    file.write_bytes(b"MThd")
    args = [arg.format(file=file, folder=tmp_path, prompt=PROMPT) for arg in args]

    status = run_command(args)

    shown = capsys.readouterr()
    assert status == 2
    assert shown.out == ""
    assert shown.err.startswith("sideman: ")
    assert shown.err.count("\n") == 1
    assert said in shown.err


@pytest.fixture
def failing():
    """Return a function that gives `cli` a command which raises what it is told to."""

    def add(error: BaseException) -> None:
        @cli.command("fail")
        def fail() -> None:
            raise error

    yield add
    del cli.commands["fail"]


def test_an_error_raised_on_purpose_is_one_line_and_status_2(capsys, failing):
    """Even where its message has several lines."""
    failing(EngineError("the grammar allows\nno event here"))

    assert run_command(["fail"]) == 2
    assert capsys.readouterr().err == "sideman: the grammar allows no event here\n"


def test_a_file_the_system_refuses_is_one_line_and_status_2(capsys, failing):
    """A folder without permission is the user's to put right, not a bug of ours."""
    failing(PermissionError(13, "Permission denied", "/shut/out.mid"))

    assert run_command(["fail"]) == 2
    assert capsys.readouterr().err == "sideman: /shut/out.mid: permission denied\n"


def test_an_interrupt_is_one_line_and_the_status_shells_use(capsys, failing):
    """Ctrl-C is a wish, not an accident."""
    failing(KeyboardInterrupt())

    assert run_command(["fail"]) == 130
    assert capsys.readouterr().err.strip() == "sideman: interrupted"


def test_a_bug_keeps_its_traceback(failing):
    """Whoever reports it needs to tell us where it happened."""
    failing(ZeroDivisionError("a bug"))

    with pytest.raises(ZeroDivisionError):
        run_command(["fail"])


@pytest.mark.parametrize("missing", ["torch", "onnx"])
@pytest.mark.parametrize(
    "args",
    [
        ["train", "--recipe", "nano", "--corpus", "{folder}", "--out", "{folder}/run"],
        ["export", "{folder}", "{folder}/bundle"],
    ],
)
def test_training_without_the_extra_says_how_to_get_it(
    capsys, monkeypatch, tmp_path, args, missing
):
    """Playing installs no PyTorch, so this is what most people meet first."""
    rooms = ("sideman.train.loop", "sideman.train.release")

    class WithoutTraining:
        """An import system in which the rooms that train ask for a package in vain."""

        def find_spec(self, name, *_):
            if name in rooms:
                msg = f"No module named {missing!r}"
                raise ModuleNotFoundError(msg, name=missing)

    for name in rooms:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [WithoutTraining(), *sys.meta_path])

    status = run_command([arg.format(folder=tmp_path) for arg in args])

    wanted = 'sideman: training needs the extra: pip install "sideman[train]"\n'
    assert status == 2
    assert capsys.readouterr().err == wanted


def test_a_reader_who_leaves_is_no_error(tmp_path):
    """`sideman doctor | head -1` shows a line and no complaint."""
    code = "from sideman.cli import main; import sys; sys.argv = ['sideman', 'doctor']; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()  # before it has written a word

    complaint = process.stderr.read()
    process.stderr.close()

    assert process.wait() == 1
    assert complaint == ""


# ---------------------------------------------------------------------- doctor


def test_doctor_has_one_line_for_each_thing_and_succeeds(capsys):
    """It reports; what is missing may be missing on purpose."""
    status = run_command(["doctor"])

    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert status == 0
    assert len(names) == len(set(names))
    assert {"sideman", "python", "cores", "fluidsynth", "model", "bank", "page"} <= set(names)
    assert {name for name, _ in PACKAGES} <= set(names)


def test_doctor_says_how_to_get_what_is_missing(monkeypatch, tmp_path):
    """An empty machine: no package is installed, no program found, no data bundled."""

    def not_found(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    from importlib import metadata

    monkeypatch.setattr("sideman.doctor.metadata.version", not_found)
    monkeypatch.setattr("sideman.doctor.shutil.which", lambda _: None)

    lines = {finding.name: finding.line() for finding in examine(tmp_path)}

    assert lines["soundfile"].endswith('missing: pip install "sideman[audio]"')
    assert lines["torch"].endswith('missing: pip install "sideman[train]"')
    assert lines["numpy"].endswith('missing: pip install "sideman"')
    assert lines["fastapi"].endswith('missing: pip install "sideman[studio]"')
    assert lines["psycopg"].endswith('missing: pip install "sideman[postgres]"')
    assert lines["ray"].endswith('missing: pip install "sideman[cluster]"')
    assert "install FluidSynth" in lines["fluidsynth"]
    assert "--bundle" in lines["model"]
    assert "--bank" in lines["bank"]
    assert "make page-build" in lines["page"]


def test_doctor_finds_what_is_bundled(tmp_path):
    """Models are folders with a card; banks are files of two kinds."""
    for path in (
        "bundles/first/card.json",
        "audio/banks/gm.sf3",
        "audio/banks/piano.sf2",
        "studio/static/index.html",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()

    found = {finding.name: finding.found for finding in examine(tmp_path)}

    assert found["model"] == "first"
    assert found["bank"] == "gm.sf3, piano.sf2"
    assert found["page"] == "index.html"


def test_the_command_draws_as_the_library_does():
    """Whoever leaves the settings alone gets the same music either way."""
    from sideman.engine.sampling import DEFAULT_SAMPLING

    defaults = {option.name: option.default for option in cli.commands["continue"].params}

    said = {name: value for name, value in defaults.items() if hasattr(DEFAULT_SAMPLING, name)}
    assert said == {name: getattr(DEFAULT_SAMPLING, name) for name in said}
    assert len(said) == 7
