"""A folder of little MIDI files."""

import sys
from pathlib import Path

import numpy as np
import pytest

from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table

# What several tests share lies here beside them; worker processes find it as well.
sys.path.insert(0, str(Path(__file__).parent))


def little_score(seed, n_notes=24):
    """Return a few bars of piano and drums; each seed another piece."""
    rng = np.random.default_rng(seed)
    onsets = np.sort(rng.choice(n_notes * 3, n_notes, replace=False)) * 6
    rows = [
        (onset, 6, 36 + seed % 40 + rng.integers(24), rng.integers(30, 100), i % 2)
        for i, onset in enumerate(onsets)
    ]
    parts = (Part(0, is_drum=False, name="piano"), Part(0, is_drum=True, name="drums"))
    return Score(table(NOTE_DTYPE, rows), parts)


@pytest.fixture
def write_piece():
    """Return a function that writes a little piece to a path, folders and all."""

    def write(path, seed, n_notes=24):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_midi(little_score(seed, n_notes), path)

    return write


@pytest.fixture
def music(tmp_path, write_piece):
    """Return a folder with 12 pieces in two styles, and three files that are none."""
    folder = tmp_path / "music"
    for seed in range(12):
        style = "jazz" if seed % 3 else "bach"
        write_piece(folder / style / f"{seed:02d}.mid", seed)
    (folder / "jazz" / "page.mid").write_text("<!DOCTYPE html><html></html>")
    (folder / "jazz" / "cut.MID").write_bytes((folder / "jazz" / "01.mid").read_bytes()[:60])
    write_piece(folder / "jazz" / "short.mid", 99, n_notes=4)
    (folder / "jazz" / "readme.txt").write_text("no music")
    return folder
