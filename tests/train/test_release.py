"""A run becomes a bundle that plays, from MIDI to continuation, and its card is true."""

import json
import math

import numpy as np
import pytest

from sideman.bundle import ABOUT, ORIGINALITY, describe, load_bundle
from sideman.engine.compose import continue_
from sideman.engine.fill import Wish
from sideman.engine.originality import build_index
from sideman.errors import BundleError, OutputExists, RecipeError
from sideman.model.network import PRESETS, NetworkConfig
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.train.loop import train
from sideman.train.recipe import Recipe
from sideman.train.release import release

RECIPE = Recipe(
    preset="nano", context=64, batch_rows=2, steps=4, validate_every=4, validation_rows=2
)


@pytest.fixture
def run_dir(corpus, tmp_path, monkeypatch):
    """Return the folder of a run of four steps of a network of a few thousand weights."""
    sizes = NetworkConfig(32, 2, 2, 1, 48, window=16, global_every=2)
    monkeypatch.setitem(PRESETS, "nano", sizes)
    train(RECIPE, corpus.folder, tmp_path / "run", progress=False)
    return tmp_path / "run"


def test_a_run_becomes_a_bundle_that_continues_a_piece(run_dir, corpus, tmp_path):
    """The whole path in one test: corpus, training, bundle, engine."""
    bundle = release(run_dir, tmp_path / "mine", corpus_folder=corpus.folder)

    notes = table(NOTE_DTYPE, [(24 * beat, 24, 60 + beat, 80, 0) for beat in range(8)])
    take = continue_(Score(notes, (Part(0),)), bundle, n_bars=2, wish=Wish(seed=1))[0]
    assert take.n_bars == 2
    assert take.score.notes["onset"].max() < 24 * 16
    assert np.array_equal(take.score.notes["pitch"][:8], notes["pitch"])


def test_the_card_says_recipe_corpus_figures_and_what_its_makers_add(run_dir, corpus, tmp_path):
    """A reader of the card can find out what the model is without us."""
    said = {"about": {"made for": "a test"}, "data": [{"source": "riffs", "licence": "CC0"}]}
    (tmp_path / "card.json").write_text(json.dumps(said))

    bundle = release(
        run_dir, tmp_path / "mine", card=tmp_path / "card.json", corpus_folder=corpus.folder
    )

    card = load_bundle(tmp_path / "mine").card
    assert card["recipe"]["steps"] == card["steps"] == 4
    assert card["corpus_hash"] == corpus.hash()
    assert set(card["bits_per_note"]) == {"rest", "rock"}
    assert all(math.isfinite(bits) and bits > 0 for bits in card["bits_per_note"].values())
    lines = "\n".join(describe(bundle))
    assert "made for    a test" in lines
    assert "riffs: CC0" in lines


def test_a_bundle_takes_along_the_index_of_its_own_corpus(run_dir, corpus, tmp_path):
    """What a model writes is compared with what it has heard, and with nothing else."""
    origins = {piece.path: ("CC0", "riffs") for piece in corpus.pieces}
    index = build_index(corpus.folder, tmp_path / "index.npz", origins=origins).path

    bundle = release(run_dir, tmp_path / "mine", index=index)

    assert (bundle.folder / ORIGINALITY).read_bytes() == index.read_bytes()
    assert "index       of the training music" in "\n".join(describe(bundle))
    (bundle.folder / ORIGINALITY).write_bytes(b"another")
    with pytest.raises(BundleError, match="damaged"):
        load_bundle(bundle.folder)


def test_an_index_that_is_not_of_the_corpus_is_refused(run_dir, tmp_path):
    """It would call a copy original."""
    index = tmp_path / "index.npz"
    said = json.dumps({"corpus_hash": "0123"}).encode()
    np.savez(index, allow_pickle=False, **{ABOUT: np.frombuffer(said, np.uint8)})
    with pytest.raises(BundleError, match="index of the corpus 0123"):
        release(run_dir, tmp_path / "mine", index=index)
    index.write_bytes(b"no index")
    with pytest.raises(BundleError, match="is no index"):
        release(run_dir, tmp_path / "mine", index=index)
    assert not (tmp_path / "mine").exists()


def test_what_cannot_be_released_is_refused(run_dir, tmp_path):
    """Each message names what is wrong."""
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("made for a test")
    (tmp_path / "there").mkdir()

    with pytest.raises(BundleError, match="holds a list; a card is an object"):
        release(run_dir, tmp_path / "mine", card=tmp_path / "list.json")
    with pytest.raises(BundleError, match="is not JSON"):
        release(run_dir, tmp_path / "mine", card=tmp_path / "text.json")
    with pytest.raises(OutputExists, match="there"):
        release(run_dir, tmp_path / "there")
    with pytest.raises(RecipeError, match="no checkpoint"):
        release(tmp_path, tmp_path / "mine")
