"""Checkpoints are whole, safe to open, and say what is wrong with them."""

import pytest
import torch

from sideman.errors import RecipeError
from sideman.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sideman.model.network import Network, NetworkConfig
from sideman.tokens.vocabulary import Vocabulary

CONFIG = NetworkConfig(8, 1, 2, 1, 8, window=4)


def checkpoint(step=3):
    torch.manual_seed(step)
    network = Network(CONFIG, Vocabulary(("bach", "jazz")))
    optimizer = torch.optim.AdamW(network.parameters())
    network.embedding(torch.ones(1, dtype=torch.long)).sum().backward()
    optimizer.step()
    return Checkpoint(
        config=CONFIG,
        styles=("bach", "jazz"),
        step=step,
        minutes=1.5,
        recipe={"preset": "nano", "task_weights": (0.5, 0.5)},
        corpus_hash="0123456789abcdef",
        weights=network.state_dict(),
        optimizers=[optimizer.state_dict()],
    )


def test_what_is_written_is_read_back(tmp_path):
    """Weights, the state of training, and how it came about."""
    written = checkpoint()

    save_checkpoint(written, tmp_path / "a.pt")
    read = load_checkpoint(tmp_path / "a.pt")

    assert (read.config, read.styles, read.step) == (CONFIG, ("bach", "jazz"), 3)
    assert (read.minutes, read.recipe, read.corpus_hash) == (
        written.minutes,
        written.recipe,
        written.corpus_hash,
    )
    restored = read.network().state_dict()
    assert all(torch.equal(restored[name], written.weights[name]) for name in written.weights)
    moments = [each.optimizers[0]["state"][0]["exp_avg"] for each in (read, written)]
    assert torch.equal(*moments)


def test_failure_while_writing_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    """A full disk or a power cut must not cost a night of training."""

    def fail_midway(state, file):
        file.write(b"half a checkp")
        msg = "no space left on device"
        raise OSError(msg)

    path = tmp_path / "a.pt"
    save_checkpoint(checkpoint(step=3), path)
    monkeypatch.setattr(torch, "save", fail_midway)

    with pytest.raises(OSError, match="no space"):
        save_checkpoint(checkpoint(step=4), path)

    assert load_checkpoint(path).step == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pt"]


def test_missing_checkpoint_says_how_to_make_one(tmp_path):
    """The message is all that a person at the command line sees."""
    with pytest.raises(RecipeError, match=r"no checkpoint .*a\.pt; 'sideman train' makes one"):
        load_checkpoint(tmp_path / "a.pt")


class Bomb:
    """Goes off when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("code in a checkpoint was run",)


def test_nothing_in_a_checkpoint_is_executed(tmp_path):
    """Checkpoints come from other people."""
    torch.save({"config": Bomb()}, tmp_path / "bomb.pt")

    with pytest.raises(RecipeError, match=r"bomb\.pt is not a checkpoint"):
        load_checkpoint(tmp_path / "bomb.pt")


def test_file_of_another_kind_is_refused(tmp_path):
    """Cut short, no checkpoint at all, or one without what we need."""
    whole = tmp_path / "whole.pt"
    save_checkpoint(checkpoint(), whole)
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[:999])
    (tmp_path / "text.pt").write_text("<html>")
    (tmp_path / "empty.pt").write_bytes(b"")
    torch.save({"weights": {}}, tmp_path / "other.pt")

    for name in ("cut", "text", "empty", "other"):
        with pytest.raises(RecipeError, match=f"{name}.pt is not a checkpoint"):
            load_checkpoint(tmp_path / f"{name}.pt")
