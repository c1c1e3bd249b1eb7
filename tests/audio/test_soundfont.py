"""A SoundFont 3 bank, built here byte by byte, decodes to a SoundFont 2 that says the same."""

import io
import struct
from collections.abc import Sequence

import numpy as np
import pytest
import soundfile

from sideman.audio.bank import read_sf2
from sideman.audio.soundfont import (
    GAP_FRAMES,
    SAMPLE_HEADER,
    VORBIS_FLAG,
    is_sf3,
    sf3_to_sf2,
)
from sideman.errors import AudioError
from sideman.folders import cache_folder

RATE_HZ = 22_050
N_FRAMES = 4_001  # odd, so that padding matters
MONO = 1


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def sine(frequency_hz: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(N_FRAMES) / RATE_HZ)


def as_vorbis(audio: np.ndarray) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, audio, RATE_HZ, format="OGG", subtype="VORBIS")
    return stream.getvalue()


def make_bank(
    streams: list[bytes], headers: Sequence[tuple[object, ...]], *, major: int = 3
) -> bytes:
    """Return a bank whose only readable parts are its samples."""
    terminal = (b"EOS", 0, 0, 0, 0, 0, 0, 0, 0, 0)
    info = chunk(b"ifil", struct.pack("<HH", major, 1)) + chunk(b"INAM", b"Test\0\0")
    audio = chunk(b"smpl", b"".join(streams)) + chunk(b"sm24", b"leftover")
    tables = chunk(b"phdr", b"presets ") + chunk(
        b"shdr", np.array([*headers, terminal], SAMPLE_HEADER).tobytes()
    )
    lists = chunk(b"LIST", b"INFO" + info)
    lists += chunk(b"LIST", b"sdta" + audio) + chunk(b"LIST", b"pdta" + tables)
    return chunk(b"RIFF", b"sfbk" + lists)


@pytest.fixture(scope="module")
def bank() -> bytes:
    """Two Vorbis samples, 441 and 882 Hz, with loops from 100 to 3100 and 50 to 4001."""
    low, high = as_vorbis(sine(441)), as_vorbis(sine(882))
    kind = MONO | VORBIS_FLAG
    headers = [
        (b"low", 0, len(low), 100, 3100, RATE_HZ, 69, -3, 0, kind),
        (b"high", len(low), len(low) + len(high), 50, N_FRAMES, RATE_HZ, 81, 7, 0, kind),
    ]
    return make_bank([low, high], headers)


def chunks_of(data: bytes) -> dict[bytes, bytes]:
    """Return the innermost chunks of a bank by name, read independently of the converter."""
    found = {}
    at = 12
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        if data[at : at + 4] == b"LIST":
            at += 12
            continue
        found[data[at : at + 4]] = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return found


def test_decoded_samples_sound_as_the_streams_did(bank):
    """Places are now counted in frames, and what lies there is the sine that went in."""
    chunks = chunks_of(sf3_to_sf2(bank))
    audio = np.frombuffer(chunks[b"smpl"], "<i2") / 32_767

    for header, frequency_hz in zip(
        np.frombuffer(chunks[b"shdr"], SAMPLE_HEADER), (441, 882), strict=False
    ):
        heard = audio[header["start"] : header["end"]]
        assert len(heard) == N_FRAMES
        inner = slice(200, -200)  # Vorbis is least exact at the edges
        assert (heard - sine(frequency_hz))[inner].std() < 0.05


def test_loop_points_move_with_their_sample_and_the_rest_of_the_header_stays(bank):
    """In SoundFont 3 a loop counts from the start of the sample, in SoundFont 2 of `smpl`."""
    low, high, end = np.frombuffer(chunks_of(sf3_to_sf2(bank))[b"shdr"], SAMPLE_HEADER)

    second = N_FRAMES + GAP_FRAMES
    assert low.tolist() == (b"low", 0, N_FRAMES, 100, 3100, RATE_HZ, 69, -3, 0, MONO)
    assert high.tolist() == (
        *(b"high", second, second + N_FRAMES, second + 50, second + N_FRAMES),
        *(RATE_HZ, 81, 7, 0, MONO),
    )
    assert end["name"] == b"EOS"


def test_each_sample_is_followed_by_silence(bank):
    """A player that interpolates reads past the end; SoundFont 2 asks for 46 zeros there."""
    chunks = chunks_of(sf3_to_sf2(bank))
    audio = np.frombuffer(chunks[b"smpl"], "<i2")

    assert len(audio) == 2 * (N_FRAMES + GAP_FRAMES)
    for header in np.frombuffer(chunks[b"shdr"], SAMPLE_HEADER)[:-1]:
        assert not audio[header["end"] : header["end"] + GAP_FRAMES].any()


def test_result_says_it_is_soundfont_2_and_keeps_the_other_chunks(bank):
    """Names and presets stay byte for byte; low bytes of 24-bit samples no longer fit."""
    decoded = sf3_to_sf2(bank)
    chunks = chunks_of(decoded)

    assert is_sf3(bank)
    assert not is_sf3(decoded)
    assert struct.unpack_from("<I", decoded, 4)[0] == len(decoded) - 8
    assert (chunks[b"INAM"], chunks[b"phdr"]) == (b"Test\0\0", b"presets ")
    assert b"sm24" not in chunks


def test_uncompressed_sample_in_the_same_bank_is_kept():
    """Its places count frames and its loop counts from the start of `smpl`, as ever."""
    frames = (sine(441) * 32_767).astype("<i2")
    before = np.zeros(10, "<i2")
    header = (b"plain", 10, 10 + N_FRAMES, 110, 210, RATE_HZ, 69, 0, 0, MONO)
    chunks = chunks_of(sf3_to_sf2(make_bank([before.tobytes(), frames.tobytes()], [header])))

    (moved, _) = np.frombuffer(chunks[b"shdr"], SAMPLE_HEADER)
    audio = np.frombuffer(chunks[b"smpl"], "<i2")
    assert np.array_equal(audio[moved["start"] : moved["end"]], frames)
    assert (moved["loop_start"] - moved["start"], moved["loop_end"] - moved["start"]) == (
        100,
        200,
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"", "not a SoundFont"),
        (lambda data: b"MThd" + data[4:], "not a SoundFont"),
        (lambda data: data.replace(b"ifil", b"xxxx"), "does not state its version"),
        (lambda data: data.replace(b"smpl", b"xxxx"), "no smpl chunk"),
        (lambda data: data[:-1000], "no shdr chunk|lies outside"),
        (
            lambda data: data.replace(b"OggS", b"xxxx"),
            "'low' of the sound bank cannot be decoded",
        ),
    ],
)
def test_damaged_bank_is_one_line_that_says_what_is_wrong(bank, tmp_path, damage, reason):
    path = tmp_path / "broken.sf3"
    path.write_bytes(damage(bank))

    with pytest.raises(AudioError, match=reason) as caught:
        read_sf2(path, folder=tmp_path / "cache")

    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").iterdir())


def test_bank_is_decoded_once_and_that_is_said(bank, tmp_path, capsys):
    """The second time the kept file is used, in silence."""
    path, cache = tmp_path / "tiny.sf3", tmp_path / "cache"
    path.write_bytes(bank)

    first = read_sf2(path, folder=cache)
    told = capsys.readouterr().err
    second = read_sf2(path, folder=cache)

    (kept,) = cache.iterdir()
    assert first == second == kept.read_bytes()
    assert told == f"decoding tiny.sf3, this once, to {kept}\n"
    assert capsys.readouterr().err == ""


def test_soundfont_2_is_taken_as_it_is(bank, tmp_path):
    """Whatever the file is called, and without a copy in the cache."""
    path = tmp_path / "misnamed.sf3"
    path.write_bytes(sf3_to_sf2(bank))

    assert read_sf2(path, folder=tmp_path / "cache") == path.read_bytes()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {}, "home/.cache/sideman"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/sideman"),
        ("linux", {"LOCALAPPDATA": "local"}, "home/.cache/sideman"),
        ("darwin", {}, "home/Library/Caches/sideman"),
        ("win32", {}, "home/AppData/Local/sideman/Cache"),
    ],
)
def test_cache_lies_where_the_system_keeps_such_files(tmp_path, platform, environ, folder):
    got = cache_folder(platform=platform, environ=environ, home=tmp_path / "home")

    assert got == tmp_path / folder


def test_cache_folder_can_be_chosen(tmp_path):
    xdg = cache_folder(platform="darwin", environ={"XDG_CACHE_HOME": str(tmp_path)})
    local = cache_folder(platform="win32", environ={"LOCALAPPDATA": str(tmp_path)})

    assert xdg == tmp_path / "sideman"
    assert local == tmp_path / "sideman" / "Cache"
