"""Make it mine: a bundle learns from a few pieces, says by how much, and stays a bundle."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sideman.bundle import ORIGINALITY, describe, load_bundle
from sideman.corpus.build import build_corpus
from sideman.engine.compose import continue_
from sideman.engine.fill import Wish
from sideman.errors import CorpusError, OutputExists
from sideman.model.export import bundle_network
from sideman.model.network import Network, NetworkConfig
from sideman.model.restore import restore_network
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table
from sideman.tokens.vocabulary import Vocabulary
from sideman.train import finetune as module
from sideman.train import music
from sideman.train.finetune import Tuning, finetune

SIZES = NetworkConfig(32, 2, 2, 1, 48, window=16, global_every=2, context=64)
STYLES = ("rock", "folk")


@pytest.fixture(autouse=True)
def _quick(monkeypatch, inline):
    """Few, short rows; files are read here, not by processes that take a second to start."""
    monkeypatch.setattr(
        module,
        "RECIPE",
        replace(module.RECIPE, context=48, validation_rows=4, precision="fp32"),
    )
    monkeypatch.setattr(music, "Work", lambda **_: inline)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Return a bundle, with an index, that has learned nothing."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("base") / "tiny"
    bundle_network(
        Network(SIZES, Vocabulary(STYLES)),
        Vocabulary(STYLES),
        folder,
        precision="int8",
        card={
            "name": "tiny",
            "about": {"made for": "tests"},
            "recipe": {"task_weights": [1.0], "transpose": 2, "learning_rate": 9.0},
            "bits_per_note": {"rock": 1.0},
            "corpus_hash": "abc",
        },
        more_files={ORIGINALITY: b"an index"},
    )
    return folder


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Return a folder of four pieces that all walk up and down the same scale."""
    folder = tmp_path_factory.mktemp("songs") / "my songs"
    folder.mkdir()
    scale = (60, 62, 64, 65, 67, 65, 64, 62)
    for number in range(4):
        rng = np.random.default_rng(number)
        rows = [
            (12 * n, 12, scale[(n + number) % 8], int(rng.integers(60, 100)), 0)
            for n in range(80 + 8 * number)
        ]
        rows += [(12 * n, 12, int(rng.integers(30, 50)), 70, 1) for n in range(80)]
        write_midi(
            Score(table(NOTE_DTYPE, rows), (Part(0), Part(33))), folder / f"{number}.mid"
        )
    return folder


@pytest.fixture(scope="module")
def shards(songs, inline, tmp_path_factory):
    """Return the corpus of the songs, all of it for training."""
    out = tmp_path_factory.mktemp("built") / "shards"
    splits = out.with_name("splits.tsv")
    splits.write_text("file\tsplit\n" + "".join(f"{n}.mid\ttrain\n" for n in range(4)))
    build_corpus(songs, out, inline, splits=splits)
    return out


@pytest.fixture
def learn(base, shards, tmp_path):
    """Return a function that learns for some steps, and says what came of it."""

    def run(folder=shards, out="mine", keep=None, **tuning):
        return finetune(
            folder,
            tmp_path / out,
            bundle=base,
            keep=keep,
            tuning=Tuning(**{"steps": 20, **tuning}),
            progress=False,
        )

    return run


@pytest.mark.parametrize("rank", [0, 4])
def test_four_pieces_become_a_bundle_that_foretells_them_better(learn, songs, rank):
    """The whole path: files, learning, a bundle, and the engine that plays it."""
    report = learn(songs, rank=rank)

    assert (report.mine.n_learned, report.mine.n_held) == (3, 1)
    assert report.mine.is_gain
    assert report.mine.files == "my songs: 4 files: 4 kept"
    assert report.kept is None
    prompt = Score(
        table(NOTE_DTYPE, [(24 * beat, 24, 60 + beat, 80, 0) for beat in range(8)]), (Part(0),)
    )
    assert continue_(prompt, report.bundle, n_bars=1, wish=Wish(seed=1))[0].n_bars == 1


def test_the_card_says_what_it_was_made_from(learn, base):
    """And nothing that was true of the old one alone; its styles and index are still there."""
    old, new = load_bundle(base), learn(steps=20, rank=4).bundle

    assert (new.name, new.card["precision"]) == ("mine", "int8")
    assert new.vocabulary == old.vocabulary
    assert "bits_per_note" not in new.card
    assert new.card["corpus_hash"] == "abc"
    assert (new.folder / ORIGINALITY).read_bytes() == b"an index"
    lines = "\n".join(describe(new))
    assert "made for    tests" in lines
    assert f"made from   tiny ({old.hash}), LoRA of rank 4, 20 steps, strength 0.7" in lines
    assert "learned     shards: 4 pieces; 3 learned from, 1 held out: " in lines


def test_windows_are_drawn_as_the_bundle_is_used_to(base):
    """Other tasks would be news to it; how it learns is our own."""
    recipe = module.recipe_of(load_bundle(base), Tuning())

    assert (recipe.task_weights, recipe.transpose) == ((1.0,), 2)
    assert recipe.learning_rate == module.RECIPE.learning_rate


def test_music_to_keep_is_mixed_in_and_measured(learn, corpus):
    """A corpus keeps its own validation pieces, and the styles that the bundle knows."""
    report = learn(keep=corpus.folder)

    assert (report.kept.n_learned, report.kept.n_held) == (8, 3)
    assert report.kept.after != report.kept.before
    assert "kept in mind" in report.bundle.card["about"]


def test_labels_go_by_name(corpus, tmp_path):
    """Label 1 of the corpus is not label 1 of the bundle."""
    opened = music.open_music(corpus.folder, tmp_path, Vocabulary(STYLES), seed=0)

    assert corpus.vocabulary.styles == ("rest", "rock")
    assert {
        piece.path.split("/")[0]: piece.style for piece in opened.learned + opened.held
    } == {
        "rest": 0,
        "rock": 1,
    }


def test_the_same_seed_makes_the_same_bundle(learn):
    """With a number of steps; minutes depend on the machine."""
    first, second = (learn(out=name, steps=20).bundle for name in ("one", "two"))

    assert first.hash == second.hash


def test_strength_says_how_far_to_go(learn, base):
    """All the way is what was learned; half the way is half of it, weight by weight."""
    old, half, whole = (
        restore_network(bundle).embedding.weight
        for bundle in (
            load_bundle(base),
            learn(out="half", strength=0.5).bundle,
            learn(out="whole", strength=1.0).bundle,
        )
    )

    assert not torch.equal(whole, old)
    torch.testing.assert_close(half, (old + whole) / 2)


def test_a_bundle_that_is_there_is_refused_before_the_learning(learn, tmp_path):
    """Not after the minutes that it takes."""
    (tmp_path / "mine").mkdir()

    with pytest.raises(OutputExists, match="exists already"):
        learn(steps=10**9)


def test_too_little_music_is_said_in_a_line(learn, songs, tmp_path):
    """What there was, and what it takes."""
    for n_files, said in ((1, r"1 kept; at least 2 pieces are needed"), (0, "holds no music")):
        folder = tmp_path / f"{n_files} files"
        folder.mkdir()
        for path in sorted(songs.iterdir())[:n_files]:
            (folder / path.name).write_bytes(path.read_bytes())
        with pytest.raises(CorpusError, match=said):
            learn(folder)


def test_files_that_are_all_left_out_are_said_with_the_reason(learn, tmp_path):
    """The folder is named, not a temporary one."""
    folder = tmp_path / "clicks"
    folder.mkdir()
    notes = table(NOTE_DTYPE, [(24 * n, 12, 60, 80, 0) for n in range(20)])
    write_midi(Score(notes, (Part(0),)), folder / "click.mid")

    with pytest.raises(CorpusError, match=r"learn from in clicks: 1 files: 1 .*one-pitch"):
        learn(folder)
