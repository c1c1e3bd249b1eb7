"""The bundle: found whole, or refused by name."""

import json
import shutil

import pytest

from sideman.bundle import (
    BUNDLE_FORMAT,
    CARD,
    CHOOSE,
    ORIGINALITY,
    PAYLOAD,
    PREFILL,
    STEP,
    VOCABULARY,
    WEIGHTS,
    describe,
    load_bundle,
    write_bundle,
)
from sideman.errors import BundleError, OutputExists, TokenError
from sideman.tokens.vocabulary import Vocabulary

NETWORK = {
    "d_model": 8,
    "n_layers": 1,
    "n_heads": 2,
    "n_kv_heads": 1,
    "window": 4,
    "global_every": 2,
    "context": 32,
}
SAID = {
    "name": "toy",
    "precision": "fp32",
    "parameters": 3,
    "network": NETWORK,
    "ring_slack": 4,
}
FILES = {STEP: b"step", PREFILL: b"prefill", CHOOSE: b"choose", WEIGHTS: b"weights"}


@pytest.fixture
def toy(tmp_path):
    """Return a bundle of which everything but the graphs is real."""
    return write_bundle(tmp_path / "toy", SAID, Vocabulary(("folk",)), FILES)


def rewrite_card(folder, **changes):
    """Change what the card of a bundle says; None takes an entry out."""
    card = json.loads((folder / CARD).read_text())
    card = {key: value for key, value in {**card, **changes}.items() if value is not None}
    (folder / CARD).write_text(json.dumps(card))


def test_a_bundle_comes_back_as_it_was_written(toy):
    """Card, vocabulary, files: all of it."""
    again = load_bundle(toy.folder)

    assert again.name == "toy"
    assert again.vocabulary == Vocabulary(("folk",))
    assert {key: again.card[key] for key in SAID} == SAID
    assert {name: (toy.folder / name).read_bytes() for name in FILES} == FILES
    assert sorted(path.name for path in toy.folder.iterdir()) == sorted([CARD, *PAYLOAD])


def test_the_hash_follows_the_files_and_not_the_card(tmp_path, toy):
    """It names the model that played, whatever is said about it."""
    same = write_bundle(tmp_path / "b", {**SAID, "name": "other"}, Vocabulary(("folk",)), FILES)
    other = write_bundle(tmp_path / "c", SAID, Vocabulary(("folk",)), {**FILES, STEP: b"stop"})

    assert same.hash == toy.hash
    assert other.hash != toy.hash
    assert len(toy.hash) == 16


def test_a_bundle_may_hold_an_index_and_plays_the_same_for_it(tmp_path, toy):
    """It is checked like the other files, and no part of what names the model."""
    files = {**FILES, ORIGINALITY: b"index"}
    with_index = write_bundle(tmp_path / "b", SAID, Vocabulary(("folk",)), files)

    assert with_index.hash == toy.hash
    (with_index.folder / ORIGINALITY).write_bytes(b"other")
    with pytest.raises(BundleError, match=f"{ORIGINALITY} is not the file its card names"):
        load_bundle(with_index.folder)


@pytest.mark.parametrize("name", PAYLOAD)
def test_a_changed_file_is_refused(toy, name):
    """One byte is enough."""
    (toy.folder / name).write_bytes((toy.folder / name).read_bytes() + b" ")

    with pytest.raises(BundleError, match=f"{name} is not the file its card names.*copy it"):
        load_bundle(toy.folder)


@pytest.mark.parametrize("name", PAYLOAD)
def test_a_missing_file_is_refused(toy, name):
    """And named."""
    (toy.folder / name).unlink()

    with pytest.raises(BundleError, match=f"{name} is missing: the bundle is damaged"):
        load_bundle(toy.folder)


@pytest.mark.parametrize(
    ("other", "way_out"),
    [(1, "upgrade to play it"), (-1, "export it anew from its checkpoint")],
)
def test_another_format_is_refused_by_name(toy, other, way_out):
    """The way out is to upgrade, or to export once more."""
    rewrite_card(toy.folder, format=BUNDLE_FORMAT + other)

    with pytest.raises(
        BundleError,
        match=f"has bundle format {BUNDLE_FORMAT + other}; this sideman reads "
        f"{BUNDLE_FORMAT}: {way_out}",
    ):
        load_bundle(toy.folder)


def test_a_vocabulary_of_another_format_is_refused(tmp_path):
    """Its events would mean something else."""

    class Newer(Vocabulary):
        def to_json(self):
            return super().to_json().replace('"format": 1', '"format": 2')

    with pytest.raises(TokenError, match="vocabulary has format 2; this sideman reads 1"):
        write_bundle(tmp_path / "b", SAID, Newer(), FILES)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is no bundle: card.json is missing"),
        (b"<html>", "is not readable as a card"),
        (b"\xff\xfe", "is not readable as a card"),
        (b"[1, 2]", "is not the card of a bundle"),
        (b'{"format": "x"}', "is not the card of a bundle"),
        (
            b'{"format": %d, "name": "x"}' % BUNDLE_FORMAT,
            "does not say precision, parameters, network, ring_slack",
        ),
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path, content, message):
    """Whatever lies there."""
    if content is not None:
        (tmp_path / CARD).write_bytes(content)

    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path)


def test_a_file_is_no_bundle(tmp_path):
    """People will name the .onnx file."""
    (tmp_path / "step.onnx").write_bytes(b"")

    with pytest.raises(BundleError, match=r"step\.onnx is no bundle"):
        load_bundle(tmp_path / "step.onnx")


def test_a_card_without_sizes_is_refused(toy):
    """The engine could not make a cache."""
    rewrite_card(toy.folder, network={"d_model": 8})

    with pytest.raises(BundleError, match="does not say network n_layers, network n_heads"):
        load_bundle(toy.folder)


def test_what_is_there_is_not_overwritten(toy):
    """Unless it is asked for."""
    with pytest.raises(
        OutputExists, match="exists already; choose another name or pass --force"
    ):
        write_bundle(toy.folder, SAID, Vocabulary(), FILES)
    assert load_bundle(toy.folder).vocabulary.styles == ("folk",)

    write_bundle(toy.folder, {**SAID, "name": "new"}, Vocabulary(), FILES, force=True)
    assert load_bundle(toy.folder).name == "new"
    assert [path.name for path in toy.folder.parent.iterdir()] == ["toy"]


def test_a_file_in_the_way_is_replaced_by_force(tmp_path):
    """A file is no folder, but force is force."""
    (tmp_path / "b").write_text("notes")

    assert write_bundle(tmp_path / "b", SAID, Vocabulary(), FILES, force=True).name == "toy"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_crash_half_way_leaves_what_was_there(toy, tmp_path, monkeypatch, exists):
    """Written whole or not at all."""
    folder = toy.folder if exists else tmp_path / "new"
    real = type(folder).write_bytes

    def full(path, data):
        if path.name == WEIGHTS:
            raise OSError(28, "No space left on device")
        return real(path, data)

    monkeypatch.setattr(type(folder), "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_bundle(folder, SAID, Vocabulary(), FILES, force=True)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy"]
    assert load_bundle(toy.folder).hash == toy.hash


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(toy, tmp_path, monkeypatch):
    """The old bundle is moved back."""
    real = type(tmp_path).replace

    def stuck(path, target):
        if path.name.endswith(".part"):
            raise OSError(16, "Device or resource busy")
        return real(path, target)

    monkeypatch.setattr(type(tmp_path), "replace", stuck)
    with pytest.raises(OSError, match="busy"):
        write_bundle(toy.folder, {**SAID, "name": "new"}, Vocabulary(), FILES, force=True)

    assert load_bundle(toy.folder).name == "toy"
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


def test_a_bundle_tells_about_itself(toy):
    """Name, size, hash, context, styles, and what its makers say."""
    rewrite_card(
        toy.folder,
        about={"made": "by hand"},
        data=[{"source": "Tunes", "licence": "CC0"}],
        bits_per_note={"folk": 12.345},
    )

    lines = "\n".join(describe(load_bundle(toy.folder)))

    about = [toy.hash, "toy: 3 weights in fp32", "32 events", "by hand", "Tunes: CC0"]
    for said in [*about, "folk: 12.35"]:
        assert said in lines


def test_an_installation_without_a_bundle_says_so(tmp_path, monkeypatch):
    """Rather than fail on a missing file."""
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)

    with pytest.raises(BundleError, match="this installation has no bundle 'base'"):
        load_bundle()


def test_the_bundle_that_comes_along_is_whole():
    """What is in the package loads, and tells where its data came from."""
    bundle = load_bundle()

    assert bundle.card["data"]
    assert describe(bundle)


def test_a_bundle_may_be_moved(toy, tmp_path):
    """Nothing in it says where it lies."""
    shutil.move(toy.folder, tmp_path / "elsewhere")

    assert load_bundle(tmp_path / "elsewhere").hash == toy.hash
    assert (tmp_path / "elsewhere" / VOCABULARY).is_file()
