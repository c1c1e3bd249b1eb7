"""Where the pieces of a corpus come from."""

from sideman.corpus.build import build_corpus
from sideman.corpus.origins import read_origins
from sideman.corpus.shards import open_corpus
from sideman.engine.originality import build_index, open_index
from sideman.score.midi import read_midi


def test_every_piece_of_a_corpus_has_an_origin(music, tmp_path, inline):
    """So an index of it can be built, which names whom a take has copied."""
    out = tmp_path / "corpus"
    build_corpus(music, out, inline)
    origins = read_origins(out)
    pieces = open_corpus(out).of_split("train")
    assert {piece.path for piece in pieces} <= origins.keys()
    index = open_index(build_index(out, tmp_path / "index.npz", origins=origins).path)
    shared = index.longest_shared(read_midi(music / pieces[0].path))
    assert shared is not None
    assert (shared.piece, shared.licence) == (pieces[0].path, "unstated")
