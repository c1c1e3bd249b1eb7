"""Clips: sound small enough to be put into a page."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from sideman.audio.render import BLOCK_FRAMES, SAMPLE_RATE_HZ, render_file

COMPRESSION = 1.0
"""As much as Vorbis can: some 40 kbit/s in mono, good enough to tell takes apart."""


def clip(midi: Path) -> bytes:
    """Return a MIDI file as sound: OGG, mono.

    Raises:
        AudioError: If the music cannot be read or played.
        MissingExtra: If no engine is installed.
    """
    data = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="sideman-") as folder:
        wav = Path(folder, "clip.wav")
        render_file(midi, wav)
        with soundfile.SoundFile(
            data,
            "w",
            SAMPLE_RATE_HZ,
            channels=1,
            format="OGG",
            subtype="VORBIS",
            compression_level=COMPRESSION,
        ) as sink:
            for block in soundfile.blocks(wav, BLOCK_FRAMES, dtype="float32", always_2d=True):
                sink.write(block.mean(axis=1, dtype=np.float32))
    return data.getvalue()
