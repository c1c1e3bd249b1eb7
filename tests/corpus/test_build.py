"""A folder of files becomes a corpus, step by step, and nothing vanishes silently."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

from sideman import files
from sideman.corpus import build, scan, workspace
from sideman.corpus.build import Work, build_corpus
from sideman.corpus.encode import encode_piece
from sideman.corpus.engines import LocalEngine, RayEngine
from sideman.corpus.manifest import summary
from sideman.corpus.rules import set_thresholds
from sideman.corpus.shards import ShardReader, open_corpus
from sideman.errors import CorpusError
from sideman.score.midi import read_midi, write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.codec import events_to_grid
from sideman.tokens.grid import from_grid
from sideman.tokens.vocabulary import UNSPECIFIED


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def manifest(out):
    rows = pq.read_table(out / "manifest.parquet").to_pylist()
    return {row["path"]: row for row in rows}


def write_table(path, *rows):
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def small_chunks(monkeypatch):
    """Cut the work into many chunks, as a large folder is."""
    monkeypatch.setattr(scan, "FILES_PER_CHUNK", 4)


@pytest.fixture
def out(tmp_path):
    """Return where the corpus goes."""
    return tmp_path / "corpus"


def test_every_file_has_one_row_and_a_verdict(music, out, inline):
    """What is not in the shards says why, so that no file is missed without knowing it."""
    build_corpus(music, out, inline)

    rows = manifest(out)
    assert len(rows) == 15
    refused = {path: row["reason"] for path, row in rows.items() if row["verdict"] == "refused"}
    left_out = {
        path: row["reason"] for path, row in rows.items() if row["verdict"] == "left-out"
    }
    assert refused == {"jazz/cut.MID": "truncated", "jazz/page.mid": "not-midi"}
    assert left_out == {"jazz/short.mid": "too-few-notes"}
    kept = {path for path, row in rows.items() if row["verdict"] == "kept"}
    assert kept == {piece.path for piece in open_corpus(out).pieces}
    assert all(row["detail"] for row in rows.values() if row["verdict"] != "kept")
    assert rows["bach/00.mid"]["sha256"] == (
        hashlib.sha256((music / "bach" / "00.mid").read_bytes()).hexdigest()
    )


def test_shards_hold_the_notes_of_the_files(music, out, inline, small_chunks):
    """On the grid they are on already, note for note, however many shards there are."""
    build_corpus(music, out, inline)

    corpus = open_corpus(out)
    reader = ShardReader(corpus)
    assert len({piece.shard for piece in corpus.pieces}) > 1
    for piece in corpus.pieces:
        got = from_grid(events_to_grid(reader.events(piece))[0]).notes
        want = read_midi(music / piece.path).notes
        for name in ("onset", "pitch", "duration", "part"):
            np.testing.assert_array_equal(got[name], want[name])
        assert piece.n_notes == len(want)


def test_pieces_carry_key_chords_and_controls(music, out, inline):
    """The trainer reads them with the notes; nothing has to be found out again."""
    build_corpus(music, out, inline)

    corpus = open_corpus(out)
    grid, layout = events_to_grid(ShardReader(corpus).events(corpus.pieces[0]))
    assert grid.key != UNSPECIFIED
    assert len(grid.chords)
    assert layout.controls["density"].all()


def test_summary_says_what_became_of_the_files(music, out, inline):
    """The command line prints it."""
    build_corpus(music, out, inline)

    assert summary(out) == [
        f"{out}: 15 files: 12 kept, 1 left-out (1 too-few-notes), "
        f"2 refused (1 truncated, 1 not-midi)",
        "1 files of other kinds were passed over: 1 .txt",
    ]


def test_copy_is_left_out_and_names_the_file_that_is_kept(music, out, inline):
    """The same bytes under two names, and the same notes a fourth higher."""
    first = (music / "bach" / "00.mid").read_bytes()
    (music / "jazz" / "copy.mid").write_bytes(first)
    score = read_midi(music / "jazz" / "01.mid")
    notes = score.notes.copy()
    notes["pitch"] += np.where(notes["part"] == 0, 5, 0).astype(np.int16)
    write_midi(score.with_notes(notes), music / "jazz" / "higher.mid")

    build_corpus(music, out, inline)

    rows = manifest(out)
    assert rows["jazz/copy.mid"]["reason"] == "duplicate"
    assert rows["jazz/copy.mid"]["group"] == "bach/00.mid"
    near = {path for path, row in rows.items() if row["reason"] == "near-duplicate"}
    assert near < {"jazz/01.mid", "jazz/higher.mid"}
    assert len(near) == 1
    assert {rows["jazz/01.mid"]["group"], rows["jazz/higher.mid"]["group"]} == (
        {"jazz/01.mid", "jazz/higher.mid"} - near
    )


def test_duplicates_can_be_kept_and_are_named_all_the_same(music, out, inline):
    """Then they share a split, so that nothing is tested on what was learned."""
    for n in range(8):
        (music / "jazz" / f"copy{n}.mid").write_bytes((music / "bach" / "00.mid").read_bytes())

    build_corpus(music, out, inline, keep_duplicates=True)

    copies = [row for path, row in manifest(out).items() if row["group"] == "bach/00.mid"]
    assert len(copies) == 9
    assert {row["verdict"] for row in copies} == {"kept"}
    assert len({row["split"] for row in copies}) == 1


def test_split_of_a_piece_does_not_change_when_files_are_added(music, out, inline, write_piece):
    """Else a model would be tested on what an earlier one has learned."""
    build_corpus(music, out, inline)
    before = {piece.path: piece.split for piece in open_corpus(out).pieces}
    for seed in range(100, 120):
        write_piece(music / "aaa" / f"{seed}.mid", seed)

    build_corpus(music, out, inline)

    after = {piece.path: piece.split for piece in open_corpus(out).pieces}
    assert len(after) > len(before)
    assert after.items() >= before.items()


def test_splits_table_says_what_is_in_and_where(music, out, tmp_path, inline):
    """Published splits are kept; files that the table does not name are left out."""
    splits = write_table(
        tmp_path / "splits.tsv",
        ("split", "file"),
        ("train", "jazz/01.mid"),
        ("valid", "bach/00.mid"),
    )

    build_corpus(music, out, inline, splits=splits)

    corpus = open_corpus(out)
    assert {piece.path: piece.split for piece in corpus.pieces} == {
        "bach/00.mid": "valid",
        "jazz/01.mid": "train",
    }
    assert manifest(out)["jazz/02.mid"]["reason"] == "not-in-splits"


def test_threshold_that_is_changed_costs_no_new_reading(music, out, inline, monkeypatch):
    """Reading 178,000 files takes an hour; judging them again a minute."""
    build_corpus(music, out, inline)
    monkeypatch.setattr(scan, "read_score", None)

    build_corpus(music, out, inline, rules=set_thresholds({"too-few-notes": "off"}))

    assert manifest(out)["jazz/short.mid"]["verdict"] == "kept"


def test_file_of_one_pitch_without_a_beat_or_with_stuck_notes_is_left_out(music, out, inline):
    """Each rule has its name in the manifest and the value that broke it."""
    click = [(24 * n, 12, 60, 90, 0) for n in range(32)]
    stuck = [(24 * n, 24 * 200, 40 + n, 90, 0) for n in range(32)]
    doubled = [(24 * n, 20, 40 + n % 9 * 2, 90, part) for n in range(32) for part in (0, 1)]
    for name, rows in {"click": click, "stuck": stuck, "doubled": doubled}.items():
        write_midi(Score(table(NOTE_DTYPE, rows), (Part(0), Part(1))), music / f"{name}.mid")

    build_corpus(music, out, inline)

    rows = manifest(out)
    assert rows["click.mid"]["reason"] == "one-pitch"
    assert rows["stuck.mid"]["reason"] == "stuck-notes"
    assert rows["stuck.mid"]["detail"] == "1; at most 0.05 of the notes is kept"
    assert rows["doubled.mid"]["reason"] == "duplicated-tracks"


def test_bytes_are_the_same_with_more_workers(music, tmp_path, inline, small_chunks):
    """Who has more cores gets the same corpus, so its hash means something."""
    build_corpus(music, tmp_path / "one", inline)
    build_corpus(music, tmp_path / "two", Work(LocalEngine(2), progress=False))

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.filterwarnings("ignore")
def test_bytes_are_the_same_on_a_ray_cluster(
    music, tmp_path, inline, small_chunks, ray_cluster
):
    """Two workers that share nothing with this process but what is sent to them."""
    build_corpus(music, tmp_path / "ray", Work(RayEngine(2), progress=False))
    build_corpus(music, tmp_path / "local", inline)

    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_work_that_is_stopped_anywhere_goes_on_to_the_same_bytes(
    music, tmp_path, inline, small_chunks, monkeypatch
):
    """Each run may put one file more in place than the one before."""
    build_corpus(music, tmp_path / "whole", inline)
    left = 0
    replace = type(tmp_path).replace

    def stop_after(self, target):
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return replace(self, target)

    monkeypatch.setattr(type(tmp_path), "replace", stop_after)
    for allowed in range(100):
        left = allowed
        try:
            build_corpus(music, tmp_path / "stopped", inline)
        except KeyboardInterrupt:
            continue
        break
    else:
        pytest.fail("it never came to an end")

    assert allowed > 10
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_killed_process_leaves_what_the_next_one_goes_on_with(music, tmp_path, inline):
    """A real process, killed outright at ever later moments."""
    build_corpus(music, tmp_path / "whole", inline)
    command = [sys.executable, "-m", "sideman", "corpus", "build", music, tmp_path / "killed"]
    for wait_s in (0.8, 1.2, 1.6, 2.4):
        process = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.DEVNULL)
        time.sleep(wait_s)
        process.send_signal(signal.SIGKILL)
        process.wait()

    build_corpus(music, tmp_path / "killed", inline)

    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_full_disk_is_one_line_and_nothing_is_lost(music, out, inline, monkeypatch):
    """Make room, run it again, and it goes on."""
    n_written = 0

    def filling_up(path):
        nonlocal n_written
        n_written += 1
        if n_written > 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return files.whole_file(path)

    with monkeypatch.context() as patch:
        patch.setattr(workspace, "whole_file", filling_up)
        with pytest.raises(CorpusError, match="disk is full; make room and run it again"):
            build_corpus(music, out, inline)

    build_corpus(music, out, inline)
    assert len(open_corpus(out).pieces) == 12


def test_same_bytes_under_two_licences_are_remarked(music, out, tmp_path, inline):
    """Which of them holds is for a person to find out."""
    (music / "jazz" / "copy.mid").write_bytes((music / "bach" / "00.mid").read_bytes())
    licences = write_table(
        tmp_path / "licences.tsv",
        ("prefix", "licence", "source"),
        ("bach", "CC0 1.0", "a library"),
        ("jazz", "all rights reserved", "a shop"),
    )

    build_corpus(music, out, inline, licences=licences)

    row = manifest(out)["bach/00.mid"]
    assert (row["licence"], row["source"]) == ("CC0 1.0", "a library")
    assert "several licences: CC0 1.0 / all rights reserved" in row["detail"]
    assert "1 contents lie here under several licences" in summary(out)[-1]


def test_each_step_can_be_taken_alone(music, out, tmp_path, inline):
    """The words of the command line, one after the other, are what `build` does."""
    build_corpus(music, tmp_path / "at once", inline)

    build.scan(music, out, inline)
    assert {row["verdict"] for row in manifest(out).values()} == {"read", "refused"}
    build.annotate(out, inline)
    assert manifest(out)["bach/00.mid"]["n_notes"] == 24
    build.dedupe(out)
    assert manifest(out)["jazz/short.mid"]["verdict"] == "left-out"
    build.split(out)
    build.shard(out, inline)
    build.report(out)

    assert contents(out) == contents(tmp_path / "at once")


def test_hash_tells_corpora_apart_by_their_notes(music, tmp_path, inline, write_piece):
    """Also where number and length of the pieces are the same."""
    splits = write_table(tmp_path / "splits.tsv", ("file", "split"), ("bach/00.mid", "train"))
    hashes = []
    for name in ("first", "again", "other"):
        if name == "other":
            write_piece(music / "bach" / "01.mid", 3)
            (music / "bach" / "01.mid").replace(music / "bach" / "00.mid")
        build_corpus(music, tmp_path / name, inline, splits=splits)
        hashes.append(open_corpus(tmp_path / name).hash())

    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize(("velocities", "says_nothing"), [((64, 64), True), ((64, 90), False)])
def test_file_with_one_velocity_says_none(velocities, says_nothing):
    """A file written by a notation program is not played evenly: it is not played at all."""
    rows = [(24 * i, 12, 60 + i, velocities[i % 2], 0) for i in range(8)]

    events, _ = encode_piece(Score(table(NOTE_DTYPE, rows), (Part(),)))

    _, layout = events_to_grid(events)
    assert layout.unspecified_velocity is not None
    assert layout.unspecified_velocity.tolist() == [says_nothing] * 8


def test_folder_without_music_is_an_error(tmp_path, out, inline):
    """It says what is there instead."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.txt").write_text("no music")

    with pytest.raises(CorpusError, match=r"text' holds no music .*passed over: 1 \.txt"):
        build_corpus(tmp_path / "text", out, inline)
    assert not out.exists()


def test_folder_that_gives_no_piece_is_an_error_that_counts_the_reasons(tmp_path, out, inline):
    """The manifest is there to look into."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.mid").write_bytes(b"nothing")

    with pytest.raises(CorpusError, match=r"no piece is left; 1 not-midi: see .*parquet"):
        build_corpus(tmp_path / "broken", out, inline)
    assert manifest(out)["a.mid"]["verdict"] == "refused"


def test_hostile_files_all_end_in_a_row(out, inline):
    """Needs SIDEMAN_HOSTILE, a folder of broken MIDI files."""
    hostile = os.environ.get("SIDEMAN_HOSTILE")
    if not hostile:
        pytest.skip("set SIDEMAN_HOSTILE to a folder of broken MIDI files")

    build_corpus(hostile, out, Work(LocalEngine(2), progress=False))

    rows = manifest(out)
    assert len(rows) > 100
    crashed = {"worker-died", "too-slow", "failed"}
    assert not [path for path, row in rows.items() if row["reason"] in crashed]
    assert Counter(row["verdict"] for row in rows.values()).keys() <= {
        "kept",
        "left-out",
        "refused",
    }
