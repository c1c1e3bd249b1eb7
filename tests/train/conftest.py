"""A little corpus to learn from, made once."""

import numpy as np
import pytest
import torch

from sideman.corpus.build import build_corpus
from sideman.corpus.rules import set_thresholds
from sideman.corpus.shards import open_corpus
from sideman.score.midi import write_midi
from sideman.score.types import KEY_DTYPE, NOTE_DTYPE, Part, Score, table


@pytest.fixture(autouse=True)
def _one_thread():
    """One thread adds in the same order every time, and leaves the other cores alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def riff(seed, n_bars):
    """Return a piece in C of bass, piano and drums that says one thing over and over."""
    rng = np.random.default_rng(seed)
    rows = []
    for bar in range(n_bars):
        for beat in range(4):
            onset = bar * 96 + beat * 24
            rows.append((onset, 20, 40 + (beat * 5 + seed) % 12, 80 + beat, 0))
            rows.append((onset + 12, 10, 60 + int(rng.choice((0, 4, 7))), 70, 1))
            rows.append((onset, 6, 36 + 2 * (beat % 2), 100, 2))
    parts = (Part(33), Part(0), Part(0, is_drum=True))
    return Score(table(NOTE_DTYPE, rows), parts, keys=table(KEY_DTYPE, [(0, 0, False)]))


def breaks(n_bars):
    """Return a piece with long silences, of one velocity throughout."""
    rows = [(bar * 96, 24, 60, 64, 0) for bar in range(0, n_bars, 12)]
    return Score(table(NOTE_DTYPE, rows), (Part(0),))


@pytest.fixture(scope="session")
def corpus(tmp_path_factory, inline):
    """Return a corpus of eleven pieces in two styles, some of them for validation."""
    folder = tmp_path_factory.mktemp("music")
    scores = {f"rock/{seed}.mid": riff(seed, 4 + 3 * seed) for seed in range(8)}
    scores |= {f"rest/{n}.mid": breaks(n) for n in (100, 130, 160)}
    for path, score in scores.items():
        (folder / path).parent.mkdir(exist_ok=True)
        write_midi(score, folder / path)
    rows = [f"{path}\t{'valid' if path in VALID else 'train'}\n" for path in scores]
    splits = folder / "splits.tsv"
    splits.write_text("file\tsplit\n" + "".join(rows))
    rules = set_thresholds({"one-pitch": "off", "too-few-notes": "off"})
    build_corpus(folder, folder / "corpus", inline, splits=splits, rules=rules, similar=None)
    return open_corpus(folder / "corpus")


VALID = ("rock/0.mid", "rock/1.mid", "rest/100.mid")
