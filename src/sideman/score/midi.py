"""Standard MIDI Files: read through symusic, written whole or not at all.

Real files are hostile. Each oddity has one rule:

| what is in the file                       | rule                                            |
|-------------------------------------------|-------------------------------------------------|
| no MThd, nothing at all, a web page       | refused: `not-midi`                             |
| the file cannot be opened                 | refused: `cannot-open`                          |
| more than `MAX_FILE_BYTES`                | refused: `too-large`                            |
| ends inside the header or a track         | refused: `truncated`                            |
| events that make no sense                 | refused: `corrupt`                              |
| SMPTE division (no beats, no bars)        | refused: `smpte`                                |
| division 0                                | refused: `no-division`                          |
| more than `MAX_NOTES`                     | refused: `too-many-notes`                       |
| more than 65,535 tracks, `MAX_PARTS`      | refused: `too-many-tracks`, `too-many-parts`    |
| more than `MAX_BARS` bars                 | refused: `too-long`                             |
| bytes before MThd (RMID, MacBinary)       | dropped, counted: `wrapped`                     |
| chunks that are not tracks                | passed over, counted: `other-chunk`             |
| a track's length is wrong                 | it ends where the next begins: `track-length`   |
| the header's number of tracks is wrong    | the tracks that are there count                 |
| tracks beyond that number make no sense   | they are left out, counted: `extra-track`       |
| format 2: several pieces                  | the first that has notes: `other-piece`         |
| a format above 2, tracks in format 0      | read as format 1                                |
| note-on with velocity 0                   | is a note-off                                   |
| overlapping notes of one pitch            | the first note-off ends the first note-on       |
| a note that never ends                    | dropped (symusic does not say how many)         |
| a note of no length                       | lasts one tick, counted: `zero-length`          |
| a note-off without a note                 | ignored                                         |
| several channels or programs on one track | one part for each                               |
| a program change                          | counts for its own track only                   |
| tracks and parts without notes            | dropped                                         |
| channel 10                                | drums; no other channel is (channel is not kept)|
| system exclusive in pieces (F7)           | symusic takes a length for time: notes shift    |
| names that are not UTF-8                  | have U+FFFD for what is not                     |
| no tempo, no metre                        | none in the score: 120 bpm, 4/4                 |
| a tempo of 0                              | dropped, counted: `bad-tempo`                   |
| a metre of 0, or finer than 64ths         | dropped, counted: `bad-time-signature`          |
| a key that there is not                   | dropped, counted: `bad-key`                     |
| no notes                                  | a score without notes                           |

Overlapping notes of one pitch are kept on reading; on writing the earlier one is cut, because a
file cannot hold both (`sideman.score.edit.cut_overlaps`). Chords are not written.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from sideman.errors import MidiFileError, ScoreError
from sideman.files import refuse_existing, whole_file
from sideman.score import smf
from sideman.score.edit import cut_overlaps
from sideman.score.time import MAX_BARS, QUARTERS_PER_WHOLE, bar_length, bar_starts
from sideman.score.types import (
    DRUM_CHANNEL,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Part,
    Score,
    Table,
)

MICROSECONDS_PER_MINUTE = 60_000_000

MAX_FILE_BYTES = 16 * 2**20
"""Largest file that is read; the largest music we know of is a tenth of it."""

MAX_NOTES = 1_000_000
MAX_PARTS = np.iinfo(NOTE_DTYPE["part"]).max + 1
MAX_DENOMINATOR = 64
MAX_FIFTHS = 7
"""Most sharps or flats of a key signature."""

MAX_MICROSECONDS = (1 << 24) - 1
MAX_NUMERATOR = 255
MAX_DIVISION = smf.SMPTE_FLAG - 1

MELODIC_CHANNELS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15)

RECIPE_PREFIX = "sideman: "
"""Begins the text event that says how the notes were made."""

CLOCKS_PER_QUARTER = 24
THIRTY_SECONDS_PER_QUARTER = 8

_NOTE_OFF, _NOTE_ON, _CONTROL_CHANGE, _PROGRAM_CHANGE = 0x80, 0x90, 0xB0, 0xC0
_VOLUME, _PAN = 7, 10
_RELEASE_VELOCITY = 64
_PADDING = bytes(16)  # symusic looks a few bytes past the end of a broken track


def read_midi(path: Path) -> Score:
    """Return the score that a MIDI file holds, in the file's own resolution.

    Raises:
        MidiFileError: If the file cannot be read; it names the file and the reason.
    """
    return parse_midi(_file_bytes(path), path)


def parse_midi(data: bytes, path: Path) -> Score:
    """Return the score in `data`, the bytes of a MIDI file; `path` is for messages.

    Raises:
        MidiFileError: If the data cannot be read.
    """
    return parse_midi_report(data, path)[0]


def parse_midi_report(data: bytes, path: Path) -> tuple[Score, Counter[str]]:
    """Return the score in `data`, and how often which oddity was put right.

    The names of the oddities are those of the table at the top of this module.

    Raises:
        MidiFileError: If the data cannot be read.
    """
    if len(data) > MAX_FILE_BYTES:
        raise smf.refusal(path, "too-large", f"it has more than {MAX_FILE_BYTES} bytes")
    repairs: Counter[str] = Counter()
    chunks = smf.split(data, path, repairs)
    if chunks.division & smf.SMPTE_FLAG:
        raise smf.refusal(path, "smpte", "it counts film frames, not beats (SMPTE division)")
    if chunks.division == 0:
        raise smf.refusal(path, "no-division", "it has no ticks per quarter note (division 0)")
    if chunks.format != smf.SEVERAL_PIECES:
        return _together(chunks, path, repairs), repairs
    if len(chunks.tracks) > 1:
        repairs["other-piece"] += len(chunks.tracks) - 1
    for track in chunks.tracks:
        score = _score((track,), chunks.division, path, repairs)
        if len(score.notes):
            return score, repairs
    return _score((), chunks.division, path, repairs), repairs


def write_midi(
    score: Score, path: Path, *, recipe: str | None = None, force: bool = False
) -> None:
    """Write a score as a MIDI file, whole or not at all.

    Args:
        score: What to write; see `midi_bytes`.
        path: Where to.
        recipe: Says how the notes were made (JSON); `read_recipe` finds it again.
        force: Replace a file that is already there.

    Raises:
        OutputExists: If the file exists and `force` is not set.
        MidiFileError: If the file cannot be written there.
        ScoreError: If MIDI cannot hold the score.
    """
    data = midi_bytes(score, recipe=recipe)
    refuse_existing(path, force=force)
    if not path.parent.is_dir():
        raise smf.refusal(path, "no-folder", f"there is no folder {path.parent} to write it to")
    try:
        with whole_file(path) as part:
            part.write_bytes(data)
    except OSError as error:
        raise smf.refusal(path, "cannot-write", f"cannot write it: {error.strerror}") from error


def midi_bytes(
    score: Score, *, recipe: str | None = None, mix: Sequence[tuple[int, int]] = ()
) -> bytes:
    """Return a score as the bytes of a MIDI file of format 1; the same score, the same bytes.

    The first track holds the recipe, tempos, metres and keys; a track for each part follows.
    Drums are on channel 10. Up to 15 melodic parts have a channel each; of more, those of one
    program share one, and programs (or drum kits) for which no channel is left go to the next
    port (meta event 21, counted from 0). Notes that overlap are cut.

    Args:
        score: What to write.
        recipe: Says how the notes were made (JSON); `read_recipe` finds it again.
        mix: Volume and pan of each part, 0-127; 64 is the middle. None of it is written if
            nothing is said.

    Raises:
        ScoreError: If MIDI cannot hold the score.
    """
    if score.tpq > MAX_DIVISION:
        msg = f"score tpq is {score.tpq}; MIDI holds up to {MAX_DIVISION}: resample it"
        raise ScoreError(msg)
    score = cut_overlaps(score)
    places = _places(score.parts)
    n_ports = 1 + max((port for port, _ in places), default=0)
    tracks = [smf.track(_conductor_events(score, recipe))]
    for index, (part, (port, channel)) in enumerate(zip(score.parts, places, strict=True)):
        start = [smf.meta(smf.TRACK_NAME, part.name.encode(errors="replace"))]
        start += [smf.meta(smf.PORT, bytes([port]))] if n_ports > 1 else []
        start += [bytes([_PROGRAM_CHANGE | channel, part.program])]
        start += [
            bytes([_CONTROL_CHANGE | channel, control, value])
            for values in mix[index : index + 1]
            for control, value in zip((_VOLUME, _PAN), values, strict=True)
        ]
        notes = score.notes.compress(score.notes["part"] == index)
        tracks.append(
            smf.track([*((0, event) for event in start), *_note_events(notes, channel)])
        )
    return smf.join(score.tpq, tracks)


def read_recipe(path: Path) -> str | None:
    """Return the recipe that `write_midi` put into a file, or None where there is none.

    Raises:
        MidiFileError: If the file is not a readable MIDI file.
    """
    chunks = smf.split(_file_bytes(path), path, Counter())
    for kind, payload in smf.leading_metas(chunks.tracks[0] if chunks.tracks else b""):
        text = payload.decode(errors="replace")
        if kind == smf.TEXT and text.startswith(RECIPE_PREFIX):
            return text.removeprefix(RECIPE_PREFIX)
    return None


# ---------------------------------------------------------------------------------- reading


def _file_bytes(path: Path) -> bytes:
    """Return what is in a file, at most one byte more than `MAX_FILE_BYTES`."""
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise smf.refusal(path, "cannot-open", "it is not a file")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise smf.refusal(path, "cannot-open", f"cannot open it: {error.strerror}") from error


def _together(chunks: smf.Smf, path: Path, repairs: Counter[str]) -> Score:
    """Return the score of all tracks, or of those promised if the others make no sense."""
    try:
        return _score(chunks.tracks, chunks.division, path, repairs)
    except MidiFileError:
        n_extra = len(chunks.tracks) - chunks.n_promised
        if n_extra <= 0:
            raise
        repairs["extra-track"] += n_extra
        return _score(chunks.tracks[: chunks.n_promised], chunks.division, path, repairs)


def _score(
    tracks: tuple[bytes, ...], division: int, path: Path, repairs: Counter[str]
) -> Score:
    """Return the score that sounds when the tracks are played together."""
    try:
        file = smf.join(division, tracks)
        parsed = ScoreTick.from_midi(file + _PADDING)
        if parsed.note_num() > MAX_NOTES:
            raise smf.refusal(path, "too-many-notes", f"it has more than {MAX_NOTES} notes")
        sounding = [track for track in parsed.tracks if track.note_num()]
        if len(sounding) > MAX_PARTS:
            raise smf.refusal(path, "too-many-parts", f"it has more than {MAX_PARTS} parts")
        score = Score(
            notes=_notes([track.notes.numpy() for track in sounding], repairs),
            parts=tuple(Part(track.program, track.is_drum, track.name) for track in sounding),
            tpq=division,
            tempos=_tempos(parsed, repairs),
            time_signatures=_time_signatures(parsed, repairs),
            keys=_keys(parsed, repairs),
        )
    except MidiFileError:
        raise
    except ScoreError as error:  # a tick so late that it became negative
        raise smf.refusal(path, "too-long", "its ticks run over") from error
    # What symusic throws for nonsense depends on where it meets it.
    except (RuntimeError, ValueError, OSError, EOFError, MemoryError, IndexError) as error:
        raise smf.refusal(path, "corrupt", f"its events make no sense: {error}") from error
    _check_length(score, path)
    return score


def _notes(columns: list[dict[str, NDArray[np.int32]]], repairs: Counter[str]) -> Table:
    """Return the notes of all tracks, `part` being the track's index."""
    notes = np.zeros(sum(len(track["time"]) for track in columns), NOTE_DTYPE)
    if not columns:
        return notes
    for ours, theirs in (
        ("onset", "time"),
        ("duration", "duration"),
        ("pitch", "pitch"),
        ("velocity", "velocity"),
    ):
        notes[ours] = np.concatenate([track[theirs] for track in columns])
    notes["part"] = np.repeat(np.arange(len(columns)), [len(t["time"]) for t in columns])
    n_empty = int(np.count_nonzero(notes["duration"] == 0))
    if n_empty:
        repairs["zero-length"] += n_empty
        notes["duration"] = np.maximum(notes["duration"], 1)
    return notes


def _tempos(parsed: ScoreTick, repairs: Counter[str]) -> Table:
    columns = parsed.tempos.numpy()
    is_good = columns["mspq"] > 0
    rows = np.zeros(len(is_good), TEMPO_DTYPE)
    rows["onset"] = columns["time"]
    rows["tempo_bpm"] = MICROSECONDS_PER_MINUTE / np.maximum(columns["mspq"], 1)
    return _only_good(rows, is_good, "bad-tempo", repairs)


def _time_signatures(parsed: ScoreTick, repairs: Counter[str]) -> Table:
    columns = parsed.time_signatures.numpy()
    rows = np.zeros(len(columns["time"]), TIME_SIGNATURE_DTYPE)
    rows["onset"] = columns["time"]
    rows["numerator"] = columns["numerator"]
    rows["denominator"] = columns["denominator"]
    denominator = rows["denominator"]
    is_good = (rows["numerator"] > 0) & (denominator > 0) & (denominator <= MAX_DENOMINATOR)
    return _only_good(rows, is_good, "bad-time-signature", repairs)


def _keys(parsed: ScoreTick, repairs: Counter[str]) -> Table:
    columns = parsed.key_signatures.numpy()
    fifths, is_minor = columns["key"].astype(np.int16), columns["tonality"]
    rows = np.zeros(len(fifths), KEY_DTYPE)
    rows["onset"] = columns["time"]
    rows["tonic"] = (fifths * 7 + np.where(is_minor, 9, 0)) % 12
    rows["is_minor"] = is_minor
    is_good = (np.abs(fifths) <= MAX_FIFTHS) & (is_minor <= 1)
    return _only_good(rows, is_good, "bad-key", repairs)


def _only_good(
    rows: Table, is_good: NDArray[np.bool_], oddity: str, repairs: Counter[str]
) -> Table:
    n_bad = len(rows) - int(np.count_nonzero(is_good))
    if n_bad == 0:
        return rows
    repairs[oddity] += n_bad
    return rows.compress(is_good)


def _check_length(score: Score, path: Path) -> None:
    """Refuse a score that `bar_starts` would refuse later."""
    metres = score.time_signatures
    shortest = QUARTERS_PER_WHOLE * score.tpq
    end = score.end
    if len(metres):
        lengths = bar_length(metres["numerator"], metres["denominator"], score.tpq)
        shortest = min(shortest, int(lengths.min()))
        end = max(end, int(metres["onset"][-1]) + 1)
    # each metre may cut a bar short, the 4/4 before the first as well
    if end + (len(metres) + 1) * shortest <= MAX_BARS * shortest:
        return
    try:
        bar_starts(score)
    except ScoreError as error:
        raise smf.refusal(path, "too-long", f"it has more than {MAX_BARS} bars") from error


# ---------------------------------------------------------------------------------- writing


def _places(parts: tuple[Part, ...]) -> list[tuple[int, int]]:
    """Return port and channel of each part; the rule is in `midi_bytes`."""
    n_melodic = sum(not part.is_drum for part in parts)
    shares = n_melodic > len(MELODIC_CHANNELS)
    lines: dict[int, int] = {}  # melodic program (or part) to its number among them
    kits: dict[int, int] = {}
    places = []
    for index, part in enumerate(parts):
        if part.is_drum:
            places.append((kits.setdefault(part.program, len(kits)), DRUM_CHANNEL))
            continue
        line = lines.setdefault(part.program if shares else index, len(lines))
        port, channel = divmod(line, len(MELODIC_CHANNELS))
        places.append((port, MELODIC_CHANNELS[channel]))
    return places


def _conductor_events(score: Score, recipe: str | None) -> list[tuple[int, bytes]]:
    """Return what holds for all parts: the recipe, then metres, keys and tempos."""
    events = []
    for onset, numerator, denominator in score.time_signatures.tolist():
        if numerator > MAX_NUMERATOR or denominator & (denominator - 1):
            msg = (
                f"time signature is {numerator}/{denominator}; MIDI holds a numerator up to "
                f"{MAX_NUMERATOR} over a power of 2"
            )
            raise ScoreError(msg)
        payload = [numerator, denominator.bit_length() - 1]
        payload += [CLOCKS_PER_QUARTER, THIRTY_SECONDS_PER_QUARTER]
        events.append((onset, smf.meta(smf.TIME_SIGNATURE, bytes(payload))))
    for onset, tonic, is_minor in score.keys.tolist():
        fifths = ((tonic + 3 * is_minor) * 7 + 5) % 12 - 5
        events.append((onset, smf.meta(smf.KEY_SIGNATURE, bytes([fifths & 0xFF, is_minor]))))
    for onset, tempo_bpm in score.tempos.tolist():
        microseconds = round(MICROSECONDS_PER_MINUTE / tempo_bpm)
        payload = min(max(microseconds, 1), MAX_MICROSECONDS).to_bytes(3, "big")
        events.append((onset, smf.meta(smf.SET_TEMPO, payload)))
    events.sort(key=lambda event: event[0])
    if recipe is not None:
        events.insert(0, (0, smf.meta(smf.TEXT, (RECIPE_PREFIX + recipe).encode())))
    return events


def _note_events(notes: Table, channel: int) -> list[tuple[int, bytes]]:
    """Return the starts and ends of notes by tick; at one tick, ends come first."""
    events = []
    for onset, duration, pitch, velocity, _ in notes.tolist():
        events.append((onset, 1, bytes([_NOTE_ON | channel, pitch, velocity])))
        off = bytes([_NOTE_OFF | channel, pitch, _RELEASE_VELOCITY])
        events.append((onset + duration, 0, off))
    return [(tick, event) for tick, _, event in sorted(events)]
