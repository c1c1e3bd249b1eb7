"""SoundFont 3 banks decoded to SoundFont 2, for synthesizers that read only the latter.

A SoundFont is a RIFF file: a tree of chunks, each a four-letter name, a 32-bit size and a
body padded to an even length. Three lists matter:

    INFO   who made it, and `ifil`, the version of the format
    sdta   `smpl`: the audio of all samples, one after the other
    pdta   presets, instruments and `shdr`: for each sample its place in `smpl`

SoundFont 2 (Creative, specification 2.04) keeps 16-bit frames in `smpl` and counts places in
frames from its start. SoundFont 3 (MuseScore's extension, also read by FluidSynth) keeps an Ogg
Vorbis stream per sample, marks it with bit 0x10 of the sample's type, counts the places of
the stream in *bytes*, and counts loop points in frames *from the start of the sample*.
Everything else is the same in both, so only `ifil`, `smpl` and `shdr` are written anew.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
from numpy.typing import NDArray

from sideman.errors import AudioError

VORBIS_FLAG = 0x10
"""Bit of a sample's type that says its audio is an Ogg Vorbis stream."""

GAP_FRAMES = 46
"""Zero frames after each sample: interpolation must not read the next (2.04, §7.10)."""

SF2_VERSION = (2, 4)
"""Major and minor version written into `ifil`: 2.04, the last SoundFont 2."""

SAMPLE_HEADER = np.dtype(
    [
        ("name", "S20"),
        ("start", "<u4"),
        ("end", "<u4"),
        ("loop_start", "<u4"),
        ("loop_end", "<u4"),
        ("sample_rate", "<u4"),
        ("pitch", "u1"),
        ("cents", "i1"),
        ("link", "<u2"),
        ("type", "<u2"),
    ]
)
"""One record of `shdr`, 46 bytes (specification 2.04, §7.10)."""

_HEADER_SIZE = 8  # of a chunk: name and size
_NAME_SIZE = 4


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A named stretch of a RIFF file; `body` has no padding."""

    name: bytes
    body: memoryview


def is_sf3(data: bytes) -> bool:
    """Whether a bank is SoundFont 3, going by the version it states.

    Args:
        data: The bank, or at least as much of its start as holds the `INFO` list.

    Raises:
        AudioError: If the bytes are not a SoundFont.
    """
    for chunk in _chunks(_riff_body(data)):
        if chunk.name == b"LIST" and bytes(chunk.body[:_NAME_SIZE]) == b"INFO":
            for field in _chunks(chunk.body[_NAME_SIZE:]):
                if field.name == b"ifil":
                    major: int = struct.unpack_from("<H", field.body)[0]
                    return major > SF2_VERSION[0]
    msg = "the sound bank does not state its version (ifil); it is not a SoundFont"
    raise AudioError(msg)


def sf3_to_sf2(data: bytes) -> bytes:
    """Decode a SoundFont 3 bank to SoundFont 2.

    Args:
        data: A whole SoundFont 3 file. Samples that are not compressed are kept as they are.

    Returns:
        A whole SoundFont 2 file, some eight times as large.

    Raises:
        AudioError: If the bytes are not a SoundFont, or a sample cannot be decoded.
    """
    lists = {
        bytes(chunk.body[:_NAME_SIZE]): list(_chunks(chunk.body[_NAME_SIZE:]))
        for chunk in _chunks(_riff_body(data))
        if chunk.name == b"LIST"
    }
    headers = _read_headers(_find(lists, b"pdta", b"shdr").body)
    smpl, headers = _decode_samples(_find(lists, b"sdta", b"smpl").body, headers)
    replaced = {
        b"ifil": struct.pack("<HH", *SF2_VERSION),
        b"smpl": smpl,
        b"shdr": headers.tobytes(),
    }
    # sm24 (the low byte of 24-bit samples) would no longer line up, so it is left out.
    rewritten = [
        _pack(
            b"LIST",
            name,
            *(
                _pack(chunk.name, replaced.get(chunk.name, chunk.body))
                for chunk in chunks
                if chunk.name != b"sm24"
            ),
        )
        for name, chunks in lists.items()
    ]
    return _pack(b"RIFF", b"sfbk", *rewritten)


def _riff_body(data: bytes) -> memoryview:
    """Return what follows the RIFF header of a SoundFont."""
    start = _HEADER_SIZE + _NAME_SIZE
    if data[:_NAME_SIZE] != b"RIFF" or data[_HEADER_SIZE:start] != b"sfbk":
        msg = "the sound bank is not a SoundFont: it must start with RIFF and sfbk"
        raise AudioError(msg)
    return memoryview(data)[start:]


def _chunks(body: memoryview) -> Iterator[_Chunk]:
    """Yield the chunks that lie one after the other in `body`; a last one may be cut short."""
    at = 0
    while at + _HEADER_SIZE <= len(body):
        name = bytes(body[at : at + _NAME_SIZE])
        (size,) = struct.unpack_from("<I", body, at + _NAME_SIZE)
        at += _HEADER_SIZE
        yield _Chunk(name, body[at : at + size])
        at += size + size % 2


def _pack(name: bytes, *parts: bytes | memoryview) -> bytes:
    """Return a chunk: header, the parts one after the other, padding to an even length."""
    size = sum(len(part) for part in parts)
    return b"".join([name, struct.pack("<I", size), *parts, b"\0" * (size % 2)])


def _find(lists: dict[bytes, list[_Chunk]], list_name: bytes, name: bytes) -> _Chunk:
    """Return a chunk of a list, or say which one is missing."""
    for chunk in lists.get(list_name, []):
        if chunk.name == name:
            return chunk
    msg = f"the sound bank has no {name.decode()} chunk; the file is damaged or cut short"
    raise AudioError(msg)


def _read_headers(body: memoryview) -> NDArray[np.void]:
    """Return the sample headers, the closing one included, shape (n_samples + 1,)."""
    if len(body) == 0 or len(body) % SAMPLE_HEADER.itemsize:
        msg = (
            f"the sound bank's shdr chunk has {len(body)} bytes; "
            f"it must be a multiple of {SAMPLE_HEADER.itemsize}"
        )
        raise AudioError(msg)
    return np.frombuffer(body, dtype=SAMPLE_HEADER)


def _decode_samples(
    smpl: memoryview, headers: NDArray[np.void]
) -> tuple[bytes, NDArray[np.void]]:
    """Decode every sample and say where it now lies.

    Args:
        smpl: Body of the `smpl` chunk.
        headers: Sample headers, shape (n_samples + 1,); the last one closes the table.

    Returns:
        The body of the new `smpl` chunk and the new headers, same shape.
    """
    gap = np.zeros(GAP_FRAMES, dtype="<i2")
    audio: list[NDArray[np.int16]] = []
    moved = headers.copy()
    start = 0
    for index, header in enumerate(headers[:-1]):
        frames = _sample_frames(smpl, header)
        # Loop points of a compressed sample already count from its start.
        before = 0 if header["type"] & VORBIS_FLAG else int(header["start"])
        for field in ("loop_start", "loop_end"):
            loop_point = min(max(int(header[field]) - before, 0), len(frames))
            moved[index][field] = start + loop_point
        moved[index]["start"] = start
        moved[index]["end"] = start + len(frames)
        moved[index]["type"] = int(header["type"]) & ~VORBIS_FLAG
        audio += [frames, gap]
        start += len(frames) + GAP_FRAMES
    return (np.concatenate(audio).tobytes() if audio else b""), moved


def _sample_frames(smpl: memoryview, header: np.void) -> NDArray[np.int16]:
    """Return the audio of one sample, shape (n_frames,)."""
    start, end = int(header["start"]), int(header["end"])
    is_vorbis = bool(header["type"] & VORBIS_FLAG)
    unit_size = 1 if is_vorbis else 2  # bytes; see the top of this file
    stored = smpl[start * unit_size : end * unit_size]
    name = header["name"].decode("latin-1")
    if start > end or end * unit_size > len(smpl):
        msg = f"sample {name!r} of the sound bank lies outside its audio; the file is cut short"
        raise AudioError(msg)
    if not is_vorbis:
        return np.frombuffer(stored, dtype="<i2")
    try:
        decoded, _ = soundfile.read(io.BytesIO(stored), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as cause:
        msg = f"sample {name!r} of the sound bank cannot be decoded: {cause}"
        raise AudioError(msg) from cause
    # Vorbis may overshoot full scale a little; a plain cast would wrap around there.
    scaled: NDArray[np.float32] = np.clip(decoded[:, 0], -1.0, 1.0) * np.iinfo(np.int16).max
    return scaled.astype("<i2")
