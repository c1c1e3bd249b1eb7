"""What is compared by ear is equally loud."""

import io

import numpy as np
import pytest
import soundfile

from sideman.audio.loudness import loudness_lufs, render_alike
from sideman.audio.render import SAMPLE_RATE_HZ
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table


def sine(frequency_hz, n_channels=1, seconds=5.0):
    """Return a sine at full scale in one channel or both, shape (T, 2)."""
    wave = np.sin(
        2 * np.pi * frequency_hz * np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    )
    return np.stack([wave, wave * (n_channels - 1)], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("sound", "lufs"),
    [
        (sine(997), -3.01),
        (sine(997, 2), 0.0),
        (0.1 * sine(997, 2), -20.0),
        (0.1 * sine(997, 2, seconds=0.4), -20.0),
        (np.zeros((SAMPLE_RATE_HZ, 2), np.float32), -np.inf),
        (np.zeros((0, 2), np.float32), -np.inf),
    ],
)
def test_loudness_is_that_of_the_standard(sound, lufs):
    """The reference signal of ITU-R BS.1770: a sine of 997 Hz."""
    assert loudness_lufs(sound) == pytest.approx(lufs, abs=0.05)


def test_low_sounds_and_pauses_count_less():
    """A bass is felt more than heard, and silence after the music does not make it soft."""
    music = 0.1 * sine(997, 2)

    assert loudness_lufs(0.1 * sine(40, 2)) < -24
    paused = loudness_lufs(np.concatenate([music, np.zeros_like(music)]))
    assert paused == pytest.approx(loudness_lufs(music), abs=0.2)


def test_a_soft_and_a_loud_take_are_equally_loud(tmp_path):
    """The louder one would be preferred whoever wrote it."""
    paths = [tmp_path / "soft.mid", tmp_path / "loud.mid"]
    for path, velocity in zip(paths, (30, 127), strict=True):
        rows = [(24 * beat, 24, 60 + 4 * (beat % 3), velocity, 0) for beat in range(4)]
        write_midi(Score(table(NOTE_DTYPE, rows), (Part(0),)), path)

    sounds = [
        soundfile.read(io.BytesIO(ogg), dtype="float32")[0] for ogg in render_alike(paths)
    ]

    soft, loud = (loudness_lufs(sound) for sound in sounds)
    assert soft == pytest.approx(loud, abs=0.3)
    assert max(np.abs(sound).max() for sound in sounds) < 1
