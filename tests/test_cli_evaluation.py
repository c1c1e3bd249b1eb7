"""The evaluate command as a person types it: what it asks for and what it prints."""

from pathlib import Path

import click
import pytest

from sideman.bundle import bundled_path
from sideman.cli import evaluation
from sideman.evaluate import prompts, protocol
from sideman.evaluate.protocol import DEFAULTS
from sideman.evaluate.results import (
    Figure,
    Likelihood,
    Results,
    Settings,
    Share,
    Subject,
    write_results,
)

NOTHING = Share("all", Figure(5.0, 4.5, 5.5, 9), 1000)
RESULTS = Results(
    subject=Subject("small", "ab", 5, "int8", "shards", "cd", "test", "0.1", {}),
    settings=DEFAULTS,
    systems=("real", "small"),
    rivals=(),
    notes=("small did not learn from this corpus",),
    prompts=(),
    takes=(),
    rows=(),
    duels=(),
    distributions=(),
    likelihood=Likelihood(NOTHING, (), (), (), ()),
    wall_s=61.0,
    cpu_s=99.0,
)


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return what the command asked for, filled in when it is called."""
    found: dict[str, object] = {}

    def measure(bundle, corpus, out, settings, **options):
        found.update(bundle=bundle, corpus=corpus, out=out, settings=settings, **options)
        out.mkdir()
        return RESULTS

    monkeypatch.setattr(protocol, "evaluate", measure)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").mkdir()
    return found


def run(*args):
    evaluation.evaluate.main([str(arg) for arg in args], standalone_mode=False)


def test_a_bundle_and_a_corpus_are_enough(asked, capsys):
    """All else has the values of the library."""
    run("small", "--corpus", "shards", "--out", "report")

    assert asked == {
        "bundle": bundled_path("small"),
        "corpus": Path("shards"),
        "out": Path("report"),
        "settings": DEFAULTS,
        "takes_from": (),
        "force": False,
        "progress": True,
    }
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "bits per note  5.00 (4.50 to 5.50), 1000 notes"
    assert "note: small did not learn from this corpus" in lines
    assert lines[-1] == "report/report.html: 0 takes"
    assert Path("report/report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_every_option_reaches_the_protocol(asked):
    """Said once on the command line, and nowhere lost."""
    asked_for = "--task chart --task infill --prompts 3 --takes 1 --takes-from shards --seed 7"
    run("small", "--corpus", "shards", "--out", "report", *asked_for.split(), "--force")

    assert asked["settings"] == Settings(("chart", "infill"), 3, 1, 7)
    assert asked["takes_from"] == (Path("shards"),)
    assert asked["force"] is True


def test_the_tasks_of_the_command_are_those_of_the_protocol():
    """They stand in both places, so that `--help` is quick."""
    assert evaluation.TASK_NAMES == prompts.TASKS


def test_prompts_can_be_had_alone(asked, shards_folder, capsys):
    """Nothing is measured then, and no folder for results is wanted."""
    run("small", "--corpus", shards_folder, "--write-prompts", "asked", "--task", "continue")

    assert asked == {}
    assert capsys.readouterr().out == "asked: 1 prompt\n"
    assert len(list(Path("asked").glob("continue-*.mid"))) == 1


def test_two_evaluations_are_set_side_by_side(asked, capsys):
    """Each names the folder that an evaluation was written to."""
    for name in ("one", "two"):
        Path(name).mkdir()
        write_results(RESULTS, Path(name, "results.json"))

    run("--compare", "one", "two", "--out", "versus")

    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "versus/comparison.html"
    assert Path(lines[-1]).is_file()


def test_nothing_named_is_told(asked):
    """A bundle alone says nothing of what to ask it."""
    with pytest.raises(click.UsageError, match="name a bundle and its --corpus, or two eval"):
        run("small")


def test_results_want_a_folder(asked):
    """There is no place they go to by themselves."""
    with pytest.raises(click.UsageError, match="--out"):
        run("small", "--corpus", "shards")


@pytest.fixture
def shards_folder(tmp_path):
    """Return the folder of a corpus with one held-out piece of sixteen bars."""
    import numpy as np

    from sideman.corpus.shards import Piece, write_index
    from sideman.score.types import NOTE_DTYPE, Part, Score, table
    from sideman.tokens.codec import encode

    notes = table(NOTE_DTYPE, [(24 * n, 24, 60 + n % 5, 80, 0) for n in range(64)])
    events, _ = encode(Score(notes, (Part(0),)))
    folder = tmp_path / "corpus"
    folder.mkdir()
    np.save(folder / "events-00000.npy", events)
    write_index(folder, ("folk",), [], [Piece("a.mid", 0, 0, len(events), "test", 1, 64)])
    return folder
