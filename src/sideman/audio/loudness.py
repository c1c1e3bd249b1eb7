"""Loudness as people hear it, and takes rendered so that none is louder than another.

The louder of two equal sounds is the one that people prefer, so takes that are to be compared
by ear are brought to one loudness first.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from numpy.typing import NDArray

from sideman.audio.render import BLOCK_FRAMES, CEILING_DB, SAMPLE_RATE_HZ, render_file
from sideman.errors import AudioError

TARGET_LUFS = -20.0
"""Loudness of takes that are compared, where their peaks allow it."""

COMPRESSION = 0.9
"""How small Vorbis makes takes, 0 to 1: some 65 kbit/s, without a fault that matters here."""

SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285),
         (1.0, -1.69065929318241, 0.73248077421585))  # fmt: skip
HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
"""The two filters of ITU-R BS.1770-4 at 48 kHz, each numerator and denominator: what the head
does to sound, and that low sounds seem less loud."""

OFFSET_DB = -0.691
"""What BS.1770 adds, so that a sine of 997 Hz at full scale in one channel is at -3.01."""

BLOCK_S, HOP_S = 0.4, 0.1
"""Length of the blocks that are gated, and how far apart they begin."""

SILENCE_LUFS = -70.0
"""Blocks below it do not count."""

RELATIVE_GATE_DB = 10.0
"""Nor do those that are so far below the mean of the others."""


def loudness_lufs(samples: NDArray[np.float32]) -> float:
    """Return the integrated loudness of stereo sound (ITU-R BS.1770-4).

    Args:
        samples: Shape (T, 2), at `SAMPLE_RATE_HZ`, 1 is full scale.

    Returns:
        Loudness units relative to full scale; -inf for silence.
    """
    block, hop = round(BLOCK_S * SAMPLE_RATE_HZ), round(HOP_S * SAMPLE_RATE_HZ)
    padded = np.pad(samples, ((0, max(0, block - len(samples))), (0, 0)))
    power = (_as_heard(padded) ** 2).sum(axis=1)  # (T,)
    total = np.concatenate([[0.0], power.cumsum()])
    blocks = (total[block:] - total[:-block])[::hop] / block  # (B,) mean power of each
    for gate in (_to_power(SILENCE_LUFS), None):
        floor = blocks.mean() * 10 ** (-RELATIVE_GATE_DB / 10) if gate is None else gate
        blocks = blocks[blocks > floor]
        if len(blocks) == 0:
            return -np.inf
    return OFFSET_DB + 10 * float(np.log10(blocks.mean()))


def render_alike(midis: Sequence[Path]) -> list[bytes]:
    """Make MIDI files audible, all equally loud, as the bytes of small OGG files.

    Raises:
        AudioError: If one cannot be played, or cannot be heard.
        MissingExtra: If no engine is installed.
    """
    sounds = [_rendered(midi) for midi in midis]
    levels = [loudness_lufs(sound) for sound in sounds]
    for midi, level in zip(midis, levels, strict=True):
        if level == -np.inf:
            msg = f"{midi}: is too soft to be heard"
            raise AudioError(msg)
    rooms = [CEILING_DB - 20 * float(np.log10(np.abs(sound).max())) for sound in sounds]
    target = min(TARGET_LUFS, *(a + b for a, b in zip(levels, rooms, strict=True)))
    return [
        _ogg(sound * np.float32(10 ** ((target - level) / 20)))
        for sound, level in zip(sounds, levels, strict=True)
    ]


def _as_heard(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return sound with each frequency as strong as it is heard, shape (T, 2).

    Only power is measured, so phases are left alone and the filters are gains of a spectrum.
    """
    n = len(samples)
    z = np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n)  # (F,)
    gain = np.ones(len(z))
    for above, below in (SHELF, HIGH_PASS):
        gain *= np.abs(np.polyval(above[::-1], z) / np.polyval(below[::-1], z))
    heard: NDArray[np.float64] = np.fft.irfft(
        np.fft.rfft(samples, axis=0) * gain[:, None], n, axis=0
    )
    return heard


def _to_power(lufs: float) -> float:
    power: float = 10 ** ((lufs - OFFSET_DB) / 10)
    return power


def _rendered(midi: Path) -> NDArray[np.float32]:
    """Return the sound of a MIDI file, shape (T, 2)."""
    with TemporaryDirectory(prefix="sideman-") as folder:
        report = render_file(midi, Path(folder, "take.wav"))
        sound: NDArray[np.float32] = soundfile.read(report.path, dtype="float32")[0]
    return sound


def _ogg(samples: NDArray[np.float32]) -> bytes:
    """Return sound, shape (T, 2), as the bytes of an OGG file."""
    file = io.BytesIO()
    with soundfile.SoundFile(
        file,
        "w",
        SAMPLE_RATE_HZ,
        channels=2,
        format="OGG",
        subtype="VORBIS",
        compression_level=COMPRESSION,
    ) as sink:
        for begin in range(0, len(samples), BLOCK_FRAMES):
            sink.write(samples[begin : begin + BLOCK_FRAMES])
    return file.getvalue()
