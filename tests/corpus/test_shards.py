"""A corpus that cannot be used says so, and what to do."""

import json

import pytest

from sideman.corpus.build import build_corpus
from sideman.corpus.shards import ShardReader, open_corpus
from sideman.errors import CorpusError


@pytest.fixture
def folder(music, tmp_path, inline):
    """Return a good corpus."""
    build_corpus(music, tmp_path / "corpus", inline)
    return tmp_path / "corpus"


def test_folder_without_an_index_is_no_corpus(tmp_path):
    """The message says how to make one."""
    with pytest.raises(CorpusError, match=r"no corpus \(corpus.json\); make one with"):
        open_corpus(tmp_path)


def test_corpus_of_another_format_is_refused(folder):
    """It is not guessed what the numbers of another vocabulary mean."""
    index = json.loads((folder / "corpus.json").read_text())
    (folder / "corpus.json").write_text(json.dumps(index | {"format": 99}))

    with pytest.raises(
        CorpusError, match="has format 99; this sideman reads 1: build it again"
    ):
        open_corpus(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "styles": 5}'])
def test_broken_index_is_refused(folder, text):
    """It names the file, whatever is wrong with it."""
    (folder / "corpus.json").write_text(text)

    with pytest.raises(CorpusError, match=r"corpus\.json is broken .*; build the corpus again"):
        open_corpus(folder)


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_missing_or_broken_shard_is_named(folder, damage):
    """A copy that stopped half-way is found when the shard is first needed."""
    corpus = open_corpus(folder)
    shard = folder / "events-00000.npy"
    data = shard.read_bytes()
    shard.unlink()
    if damage == "cut":
        shard.write_bytes(data[: len(data) // 2])

    with pytest.raises(CorpusError, match=r"events-00000\.npy cannot be read"):
        ShardReader(corpus).events(corpus.pieces[0])
