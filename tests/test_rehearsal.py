"""Rehearsals: a checkpoint is heard and seen, not only measured."""

import numpy as np
import torch

from sideman.model.checkpoint import Checkpoint, save_checkpoint
from sideman.model.network import Network, NetworkConfig
from sideman.rehearsal import N_BARS, rehearse
from sideman.score.midi import read_midi
from sideman.score.time import bar_starts


def last_bar(midi):
    """Return the bar, from 1, in which the last note begins; it may ring on."""
    score = read_midi(midi)
    return int(np.searchsorted(bar_starts(score), score.notes["onset"].max(), side="right"))


def test_checkpoint_leaves_music_and_a_picture_of_it(tmp_path):
    """Even one that has learned nothing keeps to its bars."""
    torch.manual_seed(0)
    config = NetworkConfig(32, 2, 2, 1, 48, window=16, global_every=2, context=512)
    checkpoint = Checkpoint(config, (), 1, 0.1, {}, "0" * 16, Network(config).state_dict(), [])
    save_checkpoint(checkpoint, tmp_path / "checkpoint.pt")

    continued, composed = rehearse(tmp_path / "checkpoint.pt", tmp_path / "samples")

    assert N_BARS < last_bar(continued) <= 2 * N_BARS
    assert 1 <= last_bar(composed) <= N_BARS
    for midi in (continued, composed):
        assert midi.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
