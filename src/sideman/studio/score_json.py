"""Music as the page and the database have it: a score as JSON, whose notes have ids.

Times are ticks, 24 to a quarter note. An id is unique in a score and stays with its note from
one revision to the next, and so does its lock, and to each part how loud it is and where it
sounds; a `Score` has none of these, so `json_of` looks for the notes and parts of what the
score was made from. `sideman.score.plain` reads the rest.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sideman.score.harmony import Chord, chord_symbol
from sideman.score.time import bar_starts, resample
from sideman.score.types import (
    DEFAULT_TEMPO_BPM,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    TPQ,
    Part,
    Score,
    Table,
    table,
)

Json = Mapping[str, Any]
Player = tuple[int, bool, str]
"""Program, whether it is drums, and name: what makes a part the one it is."""

VOLUME, PAN = 100, 64
"""Of a part of which nothing is said (General MIDI 2, "Channel volume", "Pan")."""

NEW_BARS = 8
"""Bars of a piece in which nothing is written yet."""


def json_of(score: Score, *, like: Json | None = None, n_bars: int = 0) -> dict[str, Any]:
    """Return the JSON of a score.

    Args:
        score: What to write; notes off the grid of 24 are rounded to it.
        like: What it was made from: notes that are there as well keep their id and lock, parts
            their volume and pan.
        n_bars: Bars that it has at least, be the last ones empty.
    """
    score = resample(score, TPQ)
    return {
        "tpq": TPQ,
        "n_bars": max(len(bar_starts(score)) - 1, n_bars),
        "parts": _parts(score.parts, like),
        "notes": _with_ids(_notes(score), score.parts, like),
        "tempos": _rows(score.tempos, "onset", "bpm"),
        "time_signatures": _rows(score.time_signatures, "onset", "numerator", "denominator"),
        "keys": _rows(score.keys, "onset", "tonic", "is_minor"),
        "chords": [
            {"onset": onset, "symbol": chord_symbol(Chord(*chord))}
            for onset, *chord in score.chords.tolist()
        ],
    }


def empty_json() -> dict[str, Any]:
    """Return the JSON of a piece in which nothing is written yet."""
    tempo = table(TEMPO_DTYPE, [(0, DEFAULT_TEMPO_BPM)])
    metre = table(TIME_SIGNATURE_DTYPE, [(0, 4, 4)])
    parts = (Part(0, name="Piano"),)
    score = Score(table(NOTE_DTYPE), parts, tempos=tempo, time_signatures=metre)
    return json_of(score, n_bars=NEW_BARS)


def mix_of(json: Json) -> list[tuple[int, int]]:
    """Return volume and pan of each part, 0-127."""
    return [(part.get("volume", VOLUME), part.get("pan", PAN)) for part in json["parts"]]


def note_indices(json: Json, score: Score) -> dict[int, int]:
    """Return by id where each note of some JSON stands in `score.notes`, made of it.

    Where two notes are alike, either may stand for the other.
    """
    places: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, row in enumerate(score.notes.tolist()):
        places[row].append(index)
    return {note["id"]: places[_row(note)].pop(0) for note in json["notes"]}


def _parts(parts: Sequence[Part], like: Json | None) -> list[dict[str, Any]]:
    """Return parts with the volume and pan they had in `like`, each as often as it is there."""
    known: dict[Player, list[tuple[int, int]]] = defaultdict(list)
    if like is not None:
        for player, mix in zip(_players(like), mix_of(like), strict=True):
            known[player].append(mix)
    found = []
    for part in parts:
        before = known[part.program, part.is_drum, part.name]
        volume, pan = before.pop(0) if before else (VOLUME, PAN)
        said = {"program": part.program, "is_drum": part.is_drum, "name": part.name}
        found.append({**said, "volume": volume, "pan": pan})
    return found


def _players(json: Json) -> list[Player]:
    return [(part["program"], part["is_drum"], part["name"]) for part in json["parts"]]


def _notes(score: Score) -> list[dict[str, Any]]:
    return _rows(score.notes, *NOTE_DTYPE.names or ())


def _row(note: Json) -> tuple[int, ...]:
    return tuple(note[name] for name in NOTE_DTYPE.names or ())


def _with_ids(
    notes: list[dict[str, Any]], parts: Sequence[Part], like: Json | None
) -> list[dict[str, Any]]:
    """Give each note an id and a lock: those it had in `like`, or new ones."""
    known: dict[tuple[object, ...], list[Json]] = defaultdict(list)
    next_id = 1
    if like is not None:
        players = _players(like)
        for note in sorted(like["notes"], key=lambda note: int(note["part"])):
            known[_identity(note, players)].append(note)
            next_id = max(next_id, note["id"] + 1)
    players = [(part.program, part.is_drum, part.name) for part in parts]
    for note in notes:
        before = known[_identity(note, players)]
        if before:
            was = before.pop(0)
            note.update(id=was["id"], locked=was["locked"])
        else:
            note.update(id=next_id, locked=False)
            next_id += 1
    return notes


def _identity(note: Json, players: Sequence[Player]) -> tuple[object, ...]:
    """Return what makes a note the one it is, wherever its part stands."""
    what = note["onset"], note["duration"], note["pitch"], note["velocity"]
    return *what, *players[note["part"]]


def _rows(rows: Table, *names: str) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows.tolist()]
