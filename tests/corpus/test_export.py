"""What is exported is what the shards hold, and Hugging Face's own reader opens it."""

import re
import shutil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sideman.corpus import export
from sideman.corpus.build import Work, build_corpus
from sideman.corpus.export import export_parquet
from sideman.corpus.shards import ShardReader, open_corpus
from sideman.errors import CorpusError, OutputExists
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.vocabulary import Vocabulary

SPLIT_OF_NAME = {name: split for split, name in export.SPLIT_NAMES.items()}


SPLITS = ("train", "train", "valid", "test")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a corpus of 12 pieces in three splits and under two licences."""
    folder = tmp_path_factory.mktemp("built")
    splits = ["file\tsplit"]
    for number in range(12):
        name = f"{('bach', 'jazz', 'jazz')[number % 3]}/{number:02d}.mid"
        splits.append(f"{name}\t{SPLITS[number % 4]}")
        path = folder / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [(6 * i, 6, 40 + (i * (number + 3)) % 40, 60 + i, 0) for i in range(40)]
        write_midi(Score(table(NOTE_DTYPE, rows), (Part(),)), path)
    (folder / "splits.tsv").write_text("\n".join(splits))
    (folder / "licences.tsv").write_text(
        "prefix\tlicence\tsource\njazz\tCC BY-SA 4.0\tthe club"
    )
    build_corpus(
        folder / "music",
        folder / "corpus",
        Work(progress=False),
        licences=folder / "licences.tsv",
        splits=folder / "splits.tsv",
        similar=None,
        rules=(),
    )
    return folder / "corpus"


@pytest.fixture
def corpus(built, tmp_path):
    """Return the corpus, to be damaged at will."""
    shutil.copytree(built, tmp_path / "corpus", ignore=shutil.ignore_patterns("steps"))
    return tmp_path / "corpus"


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Give Hugging Face's reader, with no network and with its cache in a folder of its own."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    return datasets


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def events_of(corpus):
    """Return split and events of every piece, by path."""
    opened = open_corpus(corpus)
    reader = ShardReader(opened)
    return {piece.path: (piece.split, reader.events(piece)) for piece in opened.pieces}


def test_hugging_face_reads_back_every_event(corpus, tmp_path, offline):
    """All pieces, in their splits, byte for byte."""
    report = export_parquet(corpus, tmp_path / "out")
    wanted = events_of(corpus)

    found = offline.load_dataset(str(tmp_path / "out"))

    assert report.n_pieces == {"train": 6, "valid": 3, "test": 3}
    assert {name: len(rows) for name, rows in found.items()} == {
        "train": 6,
        "validation": 3,
        "test": 3,
    }
    for name, rows in found.items():
        for row in rows:
            split, events = wanted.pop(row["path"])
            assert split == SPLIT_OF_NAME[name]
            assert row["n_events"] == len(events)
            np.testing.assert_array_equal(
                np.frombuffer(row["events"], np.uint8).reshape(-1, 9), events
            )
    assert not wanted


def test_the_lines_of_the_card_read_the_events(corpus, tmp_path, offline, monkeypatch):
    """They are the first thing that people copy."""
    export_parquet(corpus, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}

    exec(lines, names)

    assert len(lines.strip().splitlines()) == 3
    np.testing.assert_array_equal(names["events"], events_of(corpus)[names["piece"]["path"]][1])


def test_rows_carry_what_the_manifest_says(corpus, tmp_path):
    """Labels, licences and annotations travel with the events."""
    export_parquet(corpus, tmp_path / "out")

    exported = pq.read_table(tmp_path / "out" / "data").to_pylist()

    said = {row["path"]: row for row in pq.read_table(corpus / "manifest.parquet").to_pylist()}
    for row in exported:
        assert {row[name] for name in ("licence", "source")} in (
            {"CC BY-SA 4.0", "the club"},
            {"unstated"},
        )
        shared = row.keys() & said[row["path"]].keys()
        assert {"style", "key", "roles", "n_notes", "timing"} <= shared
        assert {name: row[name] for name in shared} == {
            name: said[row["path"]][name] for name in shared
        }


def test_vocabulary_comes_along(corpus, tmp_path):
    """Without it the numbers mean nothing."""
    export_parquet(corpus, tmp_path / "out")

    text = (tmp_path / "out" / "vocabulary.json").read_text()
    assert Vocabulary.from_json(text) == open_corpus(corpus).vocabulary


def test_card_is_one_the_hub_understands(corpus, tmp_path):
    """Its front matter names licences, size and files; its text counts pieces by licence."""
    from huggingface_hub import DatasetCard

    export_parquet(corpus, tmp_path / "out")

    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.license == ["cc-by-sa-4.0", "unknown"]
    assert card.data.size_categories == ["n<1K"]
    (config,) = card.data.to_dict()["configs"]
    assert [entry["split"] for entry in config["data_files"]] == ["train", "validation", "test"]
    assert "| the club | CC BY-SA 4.0 | 8 |" in card.text
    assert "| unstated | unstated | 4 |" in card.text


def test_same_corpus_gives_the_same_bytes(corpus, tmp_path):
    """So that a data set can be made again and compared."""
    export_parquet(corpus, tmp_path / "one" / "out")
    export_parquet(corpus, tmp_path / "two" / "out")

    assert contents(tmp_path / "one" / "out") == contents(tmp_path / "two" / "out")


def test_large_splits_are_cut_into_files(corpus, tmp_path, monkeypatch):
    """Each is named with its number and how many there are, as the hub does."""
    monkeypatch.setattr(export, "GROUP_BYTES", 1)
    monkeypatch.setattr(export, "FILE_BYTES", 1)

    report = export_parquet(corpus, tmp_path / "out")

    names = sorted(path.name for path in (tmp_path / "out" / "data").iterdir())
    assert names[:2] == ["test-00000-of-00003.parquet", "test-00001-of-00003.parquet"]
    assert names[-1] == "validation-00002-of-00003.parquet"
    assert len(names) == report.n_files == 12


def test_split_without_pieces_has_no_file(corpus, tmp_path, offline):
    """A small corpus may have nothing to test with; what is there opens all the same."""
    index = corpus / "corpus.json"
    index.write_text(re.sub('"(valid|test)"', '"train"', index.read_text()))

    export_parquet(corpus, tmp_path / "out")

    assert list(offline.load_dataset(str(tmp_path / "out"))) == ["train"]


def test_what_is_there_is_not_touched(corpus, tmp_path):
    """Not even an empty folder."""
    (tmp_path / "out").mkdir()

    with pytest.raises(OutputExists, match="out' exists already; choose another name"):
        export_parquet(corpus, tmp_path / "out")


def test_nothing_is_left_of_an_export_that_fails(corpus, tmp_path, monkeypatch):
    """Whole or not at all, also when the disk is full at the very end."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_card", full)
    before = contents(tmp_path)

    with pytest.raises(CorpusError, match=r"out cannot be written \(No space left on device\)"):
        export_parquet(corpus, tmp_path / "out")

    assert contents(tmp_path) == before


def rewrite(change):
    def damage(corpus):
        path = corpus / "manifest.parquet"
        pq.write_table(change(pq.read_table(path)), path)

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda corpus: (corpus / "manifest.parquet").unlink(),
        lambda corpus: (corpus / "manifest.parquet").write_bytes(b"PAR1"),
        rewrite(lambda rows: rows.slice(0, 3)),
        rewrite(lambda rows: pa.concat_tables([rows, rows])),
        rewrite(lambda rows: rows.drop_columns(["key"])),
    ],
    ids=["missing", "broken", "too short", "twice", "without a column"],
)
def test_manifest_of_another_corpus_is_refused(corpus, tmp_path, damage):
    """Events and what is said of them must be of the same pieces."""
    damage(corpus)

    with pytest.raises(CorpusError, match=r"manifest\.parquet .*; build the corpus again"):
        export_parquet(corpus, tmp_path / "out")

    assert not (tmp_path / "out").exists()
