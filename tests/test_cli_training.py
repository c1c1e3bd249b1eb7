"""The training commands as a person types them: what they ask for and what they print."""

from dataclasses import replace
from pathlib import Path

import click
import pytest

from sideman.bundle import bundled_path, load_bundle
from sideman.cli.training import finetune, train
from sideman.train import estimate as train_estimate
from sideman.train import finetune as room
from sideman.train.estimate import Estimate
from sideman.train.finetune import FinetuneReport, Outcome, Tuning

MINE = Outcome("songs: 4 files: 4 kept", 3, 1, before=5.126, after=4.2)
KEPT = Outcome("shards: 90 pieces", 80, 10, before=3.0, after=3.125)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return what the command asked for, filled in when it is called."""
    found: dict[str, object] = {}

    def learn(music, out, **options):
        found.update(music=music, out=out, **options)
        return FinetuneReport(load_bundle(), MINE, KEPT if options["keep"] else None)

    monkeypatch.setattr(room, "finetune", learn)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "songs").mkdir()
    return found


def run(*args):
    finetune.main([str(arg) for arg in args], standalone_mode=False)


def test_a_folder_is_enough(asked, capsys):
    """All else has an everyday value, the same as in the library."""
    run("--corpus", "songs")

    assert asked == {
        "music": Path("songs"),
        "out": Path("songs-bundle"),
        "bundle": None,
        "keep": None,
        "tuning": Tuning(),
        "force": False,
    }
    assert capsys.readouterr().out.splitlines() == [
        "songs: 4 files: 4 kept; 3 learned from, 1 held out: 5.13 → 4.20 bits per note",
        "what it knew before is not measured; name its music with --keep",
        "songs-bundle: a bundle, to be named with --bundle",
    ]


def test_each_option_arrives(asked, capsys):
    """And the bundle that comes with Sideman may be named."""
    options = "--minutes 2 --lora 8 --strength 0.5 --seed 3 --force --out mine --keep songs"
    run("--bundle", "small", "--corpus", "songs", *options.split())

    assert asked["bundle"] == bundled_path("small")
    assert asked["tuning"] == Tuning(minutes=2, rank=8, strength=0.5, seed=3)
    assert (asked["out"], asked["keep"], asked["force"]) == (Path("mine"), Path("songs"), True)
    assert "80 learned from, 10 held out: 3.00 → 3.12 bits per note" in capsys.readouterr().out


def test_what_gained_nothing_is_said(asked, capsys, monkeypatch):
    """It is written all the same: one odd piece held out says little of the others."""
    monkeypatch.setitem(globals(), "MINE", replace(MINE, after=MINE.before))

    run("--corpus", "songs")

    said = capsys.readouterr()
    assert "songs-bundle: a bundle" in said.out
    assert "foretold no better than before" in said.err


def test_a_bundle_that_is_not_there_is_said(asked):
    """Before anything is learned."""
    with pytest.raises(click.BadParameter, match="there is no file or folder 'none'"):
        run("--bundle", "none", "--corpus", "songs")
    assert not asked


# -------------------------------------------------------------------- estimates


def test_estimate_is_printed_and_nothing_is_begun(monkeypatch, capsys, tmp_path):
    """Whoever has a night wants to know whether it is enough."""
    found = Estimate("cpu", 15_000_000, 3 * 2**30, 1234.5, 6000, 27_000.0)
    asked = []

    def estimated(recipe, _):
        asked.append(recipe)
        return found

    monkeypatch.setattr(train_estimate, "estimate", estimated)

    train.main(
        ["--recipe", "base", "--corpus", str(tmp_path), "--minutes", "90", "--estimate"],
        standalone_mode=False,
    )

    assert (asked[0].preset, asked[0].minutes, asked[0].steps) == ("base", 90, 0)
    assert capsys.readouterr().out.splitlines() == [
        "device      cpu",
        "parameters  15,000,000",
        "memory      3.0 GiB, beside what PyTorch takes",
        "speed       1,234 notes/s",
        "time        7.5 hours for 6000 steps",
    ]


def test_run_needs_a_folder(tmp_path):
    """Only an estimate leaves nothing behind."""
    with pytest.raises(click.UsageError, match="Missing option '--out': the folder of the run"):
        train.main(["--recipe", "nano", "--corpus", str(tmp_path)], standalone_mode=False)
