"""Exports that need no sound font: what is done with sound that others have made."""

import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from sideman.studio import exports
from sideman.studio.exports import SILENCE_FRAMES, sound_file
from sideman.studio.score_json import empty_json

LENGTHS = {"1.mid": 100, "2.mid": 2 * SILENCE_FRAMES + 300}


def test_stems_are_equally_long_and_lie_there_once(monkeypatch, tmp_path):
    """Sixty-four parts of an hour are much of a disk, and silence is much of memory."""
    soundfile = pytest.importorskip("soundfile")

    def render_file(midi, path):
        sound = np.full((LENGTHS[midi.name], 2), 1_000, np.int16)
        soundfile.write(path, sound, 44_100, subtype="PCM_16")

    monkeypatch.setattr(exports, "_render", lambda: SimpleNamespace(render_file=render_file))
    music = empty_json()
    note = {"onset": 0, "duration": 24, "pitch": 60, "velocity": 90}
    music["parts"] *= 2
    music["notes"] = [{**note, "part": part} for part in range(2)]

    path = sound_file(music, None, "stems", tmp_path)

    assert not list(tmp_path.glob("*.wav"))
    with zipfile.ZipFile(path) as archive:
        stems = map(archive.open, archive.namelist())
        sounds = [soundfile.read(stem, dtype="int16")[0] for stem in stems]
    assert [len(sound) for sound in sounds] == [LENGTHS["2.mid"]] * 2
    assert np.count_nonzero(sounds[0]) == 2 * LENGTHS["1.mid"]
