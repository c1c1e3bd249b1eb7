"""The corpus commands as a person types them: what they print, and how they refuse."""

import errno
import os
import sys

import numpy as np
import pytest

from sideman.cli import run_command
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with two pieces and a file that is none."""
    folder = tmp_path_factory.mktemp("music")
    for seed in range(2):
        rng = np.random.default_rng(seed)
        rows = [(24 * n, 24, int(rng.integers(50, 80)), 60 + n, 0) for n in range(40)]
        write_midi(Score(table(NOTE_DTYPE, rows), (Part(),)), folder / f"{seed}.mid")
    (folder / "page.mid").write_text("<html></html>")
    return folder


@pytest.fixture(scope="module")
def out(folder, tmp_path_factory):
    """Return a corpus built by the command."""
    out = tmp_path_factory.mktemp("built") / "shards"
    assert run_command(["corpus", "build", str(folder), str(out), "--workers", "1"]) == 0
    return out


def said(capsys, *args):
    status = run_command([str(arg) for arg in args])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_building_again_says_the_same_and_does_nothing(folder, out, capsys):
    """A line for the files, a line for the shards."""
    before = {path: path.stat().st_mtime_ns for path in out.glob("events-*")}

    status, text = said(capsys, "corpus", "build", folder, out)

    assert status == 0
    assert f"{out}: 3 files: 2 kept, 1 refused (1 not-midi)" in text
    assert f"{out}: 80 notes, " in text
    assert "bytes a note" in text
    assert {path: path.stat().st_mtime_ns for path in out.glob("events-*")} == before


def test_each_step_is_a_command(folder, out, capsys):
    """In their order they change nothing in a corpus that is done."""
    for step in ("annotate", "dedupe", "split", "shard", "report"):
        status, text = said(capsys, "corpus", step, out)
        assert (status, text.splitlines()[0]) == (
            0,
            f"{out}: 3 files: 2 kept, 1 refused (1 not-midi)",
        )
    assert said(capsys, "corpus", "scan", folder, out)[0] == 0


def test_stats_and_rules_are_printed(out, capsys):
    """In a form that fits a terminal."""
    status, text = said(capsys, "corpus", "stats", out)
    assert status == 0
    assert "kept  2 of 3 files" in text

    status, text = said(capsys, "corpus", "rules")
    assert status == 0
    assert "too-few-notes: less than 8 notes" in text


def test_corpus_is_exported(out, tmp_path, capsys):
    """What `push` would put on the hub."""
    status, text = said(capsys, "corpus", "export", out, tmp_path / "dataset")

    assert status == 0
    assert "2 pieces" in text
    assert (tmp_path / "dataset" / "README.md").exists()


def test_data_of_unstated_licence_is_not_pushed(out, tmp_path, capsys):
    """Not by accident."""
    run_command(["corpus", "export", str(out), str(tmp_path / "dataset")])

    status, text = said(capsys, "corpus", "push", tmp_path / "dataset", "anna/tunes")

    assert status == 2
    assert "--allow-unstated" in text


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["{folder}", "{new}", "--rule", "too-short=3"], "there is no rule 'too-short'"),
        (["{folder}", "{new}", "--rule", "too-few-notes"], "write it as NAME=VALUE"),
        (["{folder}", "{folder}"], "holds something that is no corpus of steps"),
        (["{folder}/none", "{new}"], "there is no folder"),
        (["s3:/bucket", "{new}"], "there is no folder 's3:/bucket'"),
        (["nothing://bucket", "{new}"], "'nothing://bucket' cannot be opened"),
        (["{folder}", "{new}", "--licences", "{folder}/page.mid"], "it needs prefix"),
        (["{empty}", "{new}"], "holds no music"),
        (["{folder}", "{new}", "--splits", "{folder}/none.tsv"], "there is no file"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_two(
    folder, tmp_path, capsys, args, message
):
    """And nothing is left behind."""
    (tmp_path / "empty").mkdir()
    places = {"folder": folder, "new": tmp_path / "new", "empty": tmp_path / "empty"}

    status, text = said(capsys, "corpus", "build", *(arg.format(**places) for arg in args))

    assert status == 2
    assert message in text
    assert len(text.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_step_that_comes_too_early_names_the_one_before(tmp_path, capsys):
    """An empty folder has not been scanned."""
    status, text = said(capsys, "corpus", "annotate", tmp_path)

    assert status == 2
    assert "run 'sideman corpus scan' first" in text


def test_missing_extra_is_named(monkeypatch, folder, tmp_path, capsys):
    """Playing is installed without it."""

    class NotInstalled:
        def find_spec(self, name, *_):
            if name == "sideman.corpus.build":
                msg = "No module named 'pyarrow'"
                raise ModuleNotFoundError(msg, name="pyarrow")

    monkeypatch.delitem(sys.modules, "sideman.corpus.build")
    monkeypatch.setattr(sys, "meta_path", [NotInstalled(), *sys.meta_path])

    status, text = said(capsys, "corpus", "build", folder, tmp_path / "new")

    assert status == 2
    assert 'pip install "sideman[corpus]"' in text


def test_full_disk_says_how_to_go_on(monkeypatch, folder, tmp_path, capsys):
    """Nothing that was done is lost."""
    from sideman.corpus import workspace

    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(workspace, "whole_file", full)

    status, text = said(capsys, "corpus", "scan", folder, tmp_path / "new")

    assert status == 2
    assert "the disk is full; make room and run it again" in text
