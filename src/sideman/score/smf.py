"""The bytes of a Standard MIDI File: chunks, quantities, events. Nothing here knows a score.

After "Standard MIDI Files 1.0" (MIDI Manufacturers Association, RP-001).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sideman.errors import MidiFileError, ScoreError

HEADER_ID = b"MThd"
TRACK_ID = b"MTrk"
HEADER_LENGTH = 6
ID_LENGTH = 4
LENGTH_LENGTH = 4
CHUNK_START = ID_LENGTH + LENGTH_LENGTH

SEVERAL_TRACKS = 1
"""Format of a file whose tracks sound together; format 0 has one track, 2 several pieces."""
SEVERAL_PIECES = 2

SMPTE_FLAG = 0x8000
"""Set in a division that counts parts of a second instead of parts of a quarter."""

META = b"\xff"
TEXT = 0x01
TRACK_NAME = 0x03
PORT = 0x21
END_OF_TRACK = 0x2F
SET_TEMPO = 0x51
TIME_SIGNATURE = 0x58
KEY_SIGNATURE = 0x59

MAX_QUANTITY = 0x0FFF_FFFF
"""Largest variable-length quantity, and so the longest gap between two events."""

MAX_TRACKS = (1 << 16) - 1

MAX_JUNK_BYTES = 4096
"""How far into the file the header may begin: RIFF and MacBinary put something before it."""

_END = META + bytes([END_OF_TRACK, 0])


@dataclass(frozen=True, slots=True)
class Smf:
    """The chunks of a file.

    Attributes:
        format: 0, 1 or 2; what the file says, also when it is something else.
        division: Ticks per quarter, unless `SMPTE_FLAG` is set.
        n_promised: How many tracks the header speaks of; often wrong.
        tracks: The events of each track, without the chunk's id and length.
    """

    format: int
    division: int
    n_promised: int
    tracks: tuple[bytes, ...]


def split(data: bytes, path: Path, repairs: Counter[str]) -> Smf:
    """Return the chunks in `data`.

    Args:
        data: The whole file.
        path: What messages call it.
        repairs: Counts what was put right; the reasons are listed in `sideman.score.midi`.

    Raises:
        MidiFileError: `not-midi`, `truncated` or `too-many-tracks`.
    """
    header = data.find(HEADER_ID, 0, MAX_JUNK_BYTES)
    if header < 0:
        raise refusal(path, "not-midi", _what_it_is(data))
    if len(data) < header + CHUNK_START + HEADER_LENGTH:
        raise refusal(path, "truncated", "it ends inside its header")
    if header > 0:
        repairs["wrapped"] += 1
    header_length = _number(data, header + ID_LENGTH, LENGTH_LENGTH)
    fields = header + CHUNK_START
    file_format, n_promised, division = (_number(data, fields + i, 2) for i in (0, 2, 4))
    first = fields + max(header_length, HEADER_LENGTH)
    tracks = tuple(islice(_tracks(data, first, path, repairs), MAX_TRACKS + 1))
    if len(tracks) > MAX_TRACKS:
        raise refusal(path, "too-many-tracks", f"it has more than {MAX_TRACKS} tracks")
    if n_promised and not tracks:
        raise refusal(
            path, "truncated", f"its header promises {n_promised} tracks; there is none"
        )
    return Smf(file_format, division, n_promised, tracks)


def join(division: int, tracks: Sequence[bytes]) -> bytes:
    """Return a file of format 1 made of tracks.

    Raises:
        ScoreError: If there are more tracks than a header can count.
    """
    if len(tracks) > MAX_TRACKS:
        msg = f"the file would have {len(tracks)} tracks; MIDI holds up to {MAX_TRACKS}"
        raise ScoreError(msg)
    fields = (SEVERAL_TRACKS, len(tracks), division)
    chunks = [HEADER_ID, HEADER_LENGTH.to_bytes(LENGTH_LENGTH, "big")]
    chunks += [number.to_bytes(2, "big") for number in fields]
    for track in tracks:
        chunks += [TRACK_ID, len(track).to_bytes(LENGTH_LENGTH, "big"), track]
    return b"".join(chunks)


def quantity(value: int) -> bytes:
    """Return a variable-length quantity: seven bits a byte, all but the last marked.

    Raises:
        ScoreError: If `value` needs more than four bytes.

    Example:
        >>> quantity(0x40).hex(), quantity(0x80).hex(), quantity(0x0FFFFFFF).hex()
        ('40', '8100', 'ffffff7f')
    """
    if not 0 <= value <= MAX_QUANTITY:
        msg = f"gap between two MIDI events is {value} ticks; it must be 0 to {MAX_QUANTITY}"
        raise ScoreError(msg)
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F | 0x80)
    return bytes(reversed(groups))


def meta(kind: int, payload: bytes) -> bytes:
    """Return a meta event, such as a tempo or a text."""
    return META + bytes([kind]) + quantity(len(payload)) + payload


def track(events: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the bytes of a track, its end included.

    Args:
        events: Tick and bytes of each event, in order of ticks.
    """
    pieces = []
    previous = 0
    for tick, event in events:
        pieces += [quantity(tick - previous), event]
        previous = tick
    return b"".join(pieces) + b"\0" + _END


def leading_metas(track: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and payload of the meta events that begin a track, at tick 0."""
    at = 0
    while track[at : at + 2] == b"\0" + META:
        kind = track[at + 2 : at + 3]
        at += 3
        length = 0
        is_last = False
        while not is_last and at < len(track):
            length = length << 7 | track[at] & 0x7F
            is_last = track[at] < 0x80  # noqa: PLR2004 - the mark of `quantity`
            at += 1
        if not kind or at + length > len(track):
            return
        yield kind[0], track[at : at + length]
        at += length


def refusal(path: Path, reason: str, what: str) -> MidiFileError:
    """Return the error for a file that cannot be read."""
    return MidiFileError(f"{path}: {what}", reason=reason, path=path)


def _number(data: bytes, at: int, length: int) -> int:
    return int.from_bytes(data[at : at + length], "big")


def _tracks(data: bytes, at: int, path: Path, repairs: Counter[str]) -> Iterator[bytes]:
    """Yield the tracks from `at` on; other chunks are passed over."""
    while at + CHUNK_START <= len(data):
        start = at + CHUNK_START
        end = start + _number(data, at + ID_LENGTH, LENGTH_LENGTH)
        if data[at:start].startswith(TRACK_ID):
            if not _ends_well(data, end):
                end = _real_end(data, start, path, repairs)
            yield data[start:end]
        elif end > len(data):
            return
        else:
            repairs["other-chunk"] += 1
        at = end


def _ends_well(data: bytes, end: int) -> bool:
    """Return whether a chunk may end here: at the end of the file, or before another."""
    if end >= len(data):
        return end == len(data)
    following = data[end : end + ID_LENGTH]
    return (
        len(following) == ID_LENGTH and following.isascii() and following.decode().isprintable()
    )


def _real_end(data: bytes, start: int, path: Path, repairs: Counter[str]) -> int:
    """Return where a track ends whose length is wrong: at the next one, or with the file."""
    end = data.find(TRACK_ID, start)
    if end < 0:
        end = len(data)
        if data.find(_END, start) < 0:
            raise refusal(path, "truncated", "it ends inside a track")
    repairs["track-length"] += 1
    return end


def _what_it_is(data: bytes) -> str:
    """Return what a file that is not MIDI seems to be."""
    if not data:
        return "it is empty"
    if data.lstrip()[:1] == b"<":
        return "it is a web page or XML, not a MIDI file"
    if data.startswith(b"\x1f\x8b"):
        return "it is compressed; unpack it first"
    return "it is not a MIDI file: there is no MThd at its start"
