"""Sound in a page is small, and still sound."""

import io

import numpy as np
import pytest
import soundfile

from sideman.audio.clip import clip
from sideman.audio.render import ENGINES, SAMPLE_RATE_HZ
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table

BYTES_PER_S = 10_000


@pytest.mark.slow
@pytest.mark.skipif(
    not any(engine.is_installed() for engine in ENGINES), reason="no synthesizer is installed"
)
def test_clip_is_small_and_sounds_as_long_as_the_music(tmp_path):
    """Two dozen of them fit into a page that can be sent."""
    notes = [(beat * 24, 24, 60 + beat, 80, 0) for beat in range(16)]
    write_midi(Score(table(NOTE_DTYPE, notes), (Part(0),)), tmp_path / "scale.mid")

    data = clip(tmp_path / "scale.mid")

    samples, rate_hz = soundfile.read(io.BytesIO(data))
    assert (rate_hz, samples.ndim) == (SAMPLE_RATE_HZ, 1)
    assert len(samples) / rate_hz == pytest.approx(8 + 2, abs=0.1)
    assert np.abs(samples).max() > 0.01
    assert len(data) < BYTES_PER_S * 10
