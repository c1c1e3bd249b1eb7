"""A folder of files becomes a corpus, whole or not at all, and nothing vanishes silently."""

import hashlib
from collections import Counter

import numpy as np
import pytest

from sideman.corpus import build
from sideman.corpus.build import build_corpus, encode_piece, split_by_hash
from sideman.corpus.shards import ShardReader, open_corpus
from sideman.errors import CorpusError
from sideman.score.midi import read_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.codec import events_to_grid


def built(folder, out, **options):
    build_corpus(folder, out, progress=False, **options)
    return open_corpus(out)


def contents(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


def write_table(path, *rows):
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_what_is_read_back_is_what_the_files_spell(music, tmp_path):
    """Byte for byte what encoding the file gives."""
    corpus = built(music, tmp_path / "corpus")
    reader = ShardReader(corpus)

    assert len(corpus.pieces) == 12
    for piece in corpus.pieces:
        events, _ = encode_piece(read_midi(music / piece.path))
        np.testing.assert_array_equal(reader.events(piece), events)
        assert piece.n_events == len(events)


def test_pieces_may_lie_in_several_shards(music, tmp_path, monkeypatch):
    """A large corpus does not fit one file."""
    monkeypatch.setattr(build, "FILES_PER_SHARD", 4)

    corpus = built(music, tmp_path / "corpus")

    assert {piece.shard for piece in corpus.pieces} == {0, 1, 2}  # shard 3 is of refused files
    reader = ShardReader(corpus)
    for piece in corpus.pieces:
        events, _ = encode_piece(read_midi(music / piece.path))
        np.testing.assert_array_equal(reader.events(piece), events)


def test_file_that_gives_no_piece_is_refused_with_its_reason(music, tmp_path):
    """Real folders hold web pages and broken downloads; a report counts them."""
    report = build_corpus(music, tmp_path / "corpus", progress=False)

    refused = {row.path: row.reason for row in open_corpus(tmp_path / "corpus").refused}
    assert refused == {
        "jazz/cut.MID": "truncated",
        "jazz/page.mid": "not-midi",
        "jazz/short.mid": "too-few-notes",
    }
    assert report.refused == Counter(refused.values())


def test_report_says_in_a_line_what_came_out(music, tmp_path):
    """The command line prints it."""
    report = build_corpus(music, tmp_path / "corpus", progress=False)

    assert (report.n_pieces, report.n_notes) == (12, 12 * 24)
    assert report.line() == (
        f"{tmp_path / 'corpus'}: 12 pieces, 288 notes, {report.n_events} events; "
        f"refused 1 truncated, 1 not-midi, 1 too-few-notes; adjusted nothing"
    )


def test_first_folder_is_the_style(music, tmp_path, write_piece):
    """Files that lie in none are unnamed."""
    write_piece(music / "loose.mid", 50)

    corpus = built(music, tmp_path / "corpus")

    assert corpus.vocabulary.styles == ("bach", "jazz", "unnamed")
    names = {
        p.path.rpartition("/")[0]: corpus.vocabulary.styles[p.style - 1] for p in corpus.pieces
    }
    assert names == {"bach": "bach", "jazz": "jazz", "": "unnamed"}


def test_styles_table_goes_by_the_longest_prefix(music, tmp_path):
    """Files that it does not name are of style `other`."""
    styles = write_table(
        tmp_path / "styles.tsv",
        ("prefix", "style"),
        ("jazz/", "swing"),
        ("jazz/10", "bebop"),
    )

    corpus = built(music, tmp_path / "corpus", styles=styles)

    style = {p.path: corpus.vocabulary.styles[p.style - 1] for p in corpus.pieces}
    assert style["jazz/10.mid"] == "bebop"
    assert style["jazz/11.mid"] == "swing"
    assert style["bach/00.mid"] == "other"


def test_split_of_a_file_does_not_change_when_files_are_added(music, tmp_path, write_piece):
    """Else a model would be tested on what an earlier one has learned."""
    before = {p.path: p.split for p in built(music, tmp_path / "before").pieces}
    for seed in range(100, 120):
        write_piece(music / "aaa" / f"{seed}.mid", seed)

    after = {p.path: p.split for p in built(music, tmp_path / "after").pieces}

    assert after.items() > before.items()


def test_one_in_twenty_files_is_for_validation_and_for_testing():
    """The shares hold for many files; which ones is up to their bytes."""
    counts = Counter(split_by_hash(str(i).encode()) for i in range(4000))

    assert abs(counts["valid"] - 200) < 45
    assert abs(counts["test"] - 200) < 45


def test_splits_table_says_what_is_in_and_where(music, tmp_path):
    """Published splits are kept; files that the table does not name are left out."""
    splits = write_table(
        tmp_path / "splits.tsv",
        ("split", "file"),
        ("train", "jazz/01.mid"),
        ("valid", "bach/00.mid"),
        ("test", "bach/03.mid"),
    )

    corpus = built(music, tmp_path / "corpus", splits=splits)

    assert {p.path: p.split for p in corpus.pieces} == {
        "bach/00.mid": "valid",
        "bach/03.mid": "test",
        "jazz/01.mid": "train",
    }
    assert [p.path for p in corpus.of_split("valid")] == ["bach/00.mid"]


def test_sources_are_first_folders(music, tmp_path):
    """To leave a collection out without moving it."""
    corpus = built(music, tmp_path / "corpus", sources=["bach"])

    assert {p.path.split("/")[0] for p in corpus.pieces} == {"bach"}


def test_corpus_is_the_same_with_more_workers(music, tmp_path, monkeypatch):
    """Who has more cores gets the same shards, so a corpus hash means something."""
    monkeypatch.setattr(build, "FILES_PER_SHARD", 4)

    built(music, tmp_path / "one", workers=1)
    built(music, tmp_path / "two", workers=2)

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_hash_tells_corpora_apart_by_their_notes(music, tmp_path, write_piece):
    """Also where number and length of the pieces are the same."""
    splits = write_table(tmp_path / "splits.tsv", ("file", "split"), ("bach/00.mid", "train"))
    first = built(music, tmp_path / "first", splits=splits)
    again = built(music, tmp_path / "again", splits=splits)
    (music / "bach" / "00.mid").unlink()
    write_piece(music / "bach" / "00.mid", 3)
    other = built(music, tmp_path / "other", splits=splits)

    assert first.hash() == again.hash() != other.hash()
    assert len(first.hash()) == 16
    assert first.pieces == other.pieces


def test_index_names_the_bytes_of_each_shard(music, tmp_path):
    """A shard that was damaged on the way can be told."""
    built(music, tmp_path / "corpus")

    shard = (tmp_path / "corpus" / "events-00000.npy").read_bytes()
    index = (tmp_path / "corpus" / "corpus.json").read_text()
    assert hashlib.sha256(shard).hexdigest() in index


@pytest.mark.parametrize(("velocities", "says_nothing"), [((64, 64), True), ((64, 90), False)])
def test_file_with_one_velocity_says_none(velocities, says_nothing):
    """A file written by a notation program is not played evenly: it is not played at all."""
    rows = [(24 * i, 12, 60 + i, velocities[i % 2], 0) for i in range(8)]

    events, _ = encode_piece(Score(table(NOTE_DTYPE, rows), (Part(),)))

    _, layout = events_to_grid(events)
    assert layout.unspecified_velocity is not None
    assert layout.unspecified_velocity.tolist() == [says_nothing] * 8


def test_existing_corpus_is_not_replaced(music, tmp_path):
    """Building takes hours; nobody asked to throw it away."""
    built(music, tmp_path / "corpus")
    before = contents(tmp_path / "corpus")

    with pytest.raises(CorpusError, match="corpus exists already"):
        build_corpus(music, tmp_path / "corpus", progress=False)

    assert contents(tmp_path / "corpus") == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_is_left_behind_when_it_fails(music, tmp_path, monkeypatch, error):
    """Half a corpus would be taken for a whole one."""

    def fail(*_):
        raise error

    monkeypatch.setattr(build, "write_index", fail)

    with pytest.raises(error):
        build_corpus(music, tmp_path / "corpus", progress=False)

    assert [entry.name for entry in tmp_path.iterdir()] == ["music"]


def test_folder_without_music_is_an_error(tmp_path):
    """And so is a folder that is not there, or one whose files give no piece."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.mid").write_bytes(b"nothing")
    out = tmp_path / "corpus"

    with pytest.raises(CorpusError, match="missing is not a folder"):
        build_corpus(tmp_path / "missing", out, progress=False)
    with pytest.raises(CorpusError, match=r"empty holds no MIDI file \(.mid, .midi, .kar\)"):
        build_corpus(tmp_path / "empty", out, progress=False)
    with pytest.raises(CorpusError, match="no file gave a piece; refused 1 not-midi"):
        build_corpus(tmp_path / "broken", out, progress=False)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["broken", "empty"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("file", "where"), ("a.mid", "train")], "has columns file, where; it needs"),
        ([("file", "split"), ("a.mid", "dev")], "names split 'dev'; there are train, valid"),
        ([("file", "split"), ("a.mid",)], "names split ''"),
        ([], "has columns ; it needs 'file' and 'split'"),
    ],
)
def test_malformed_table_is_an_error(music, tmp_path, rows, message):
    """A typo must not move pieces between splits."""
    splits = write_table(tmp_path / "splits.tsv", *rows)

    with pytest.raises(CorpusError, match=message):
        build_corpus(music, tmp_path / "corpus", splits=splits, progress=False)


def test_missing_table_is_an_error(music, tmp_path):
    """It names the table."""
    with pytest.raises(CorpusError, match=r"the table .*gone\.tsv cannot be read"):
        build_corpus(music, tmp_path / "corpus", styles=tmp_path / "gone.tsv", progress=False)


def test_more_styles_than_the_vocabulary_has_is_an_error(tmp_path, write_piece):
    """A folder for each artist is no set of styles; the message says the way out."""
    for seed in range(64):
        write_piece(tmp_path / "music" / f"artist{seed}" / "a.mid", seed)

    with pytest.raises(CorpusError, match=r"there are 64 styles; at most 63 .* styles table"):
        build_corpus(tmp_path / "music", tmp_path / "corpus", progress=False)
