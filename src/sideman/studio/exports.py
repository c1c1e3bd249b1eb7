"""Exports: what somebody takes home, as MIDI or as sound.

Sound is made in a temporary folder, from files with names of ours.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from sideman.errors import AudioError, MissingExtra, ScoreError
from sideman.score.midi import midi_bytes
from sideman.score.types import Score
from sideman.studio.score_json import Json, score_of

Format = Literal["mid", "wav", "flac", "stems"]

SUFFIXES: Mapping[Format, str] = {
    "mid": ".mid",
    "wav": ".wav",
    "flac": ".flac",
    "stems": ".zip",
}

MEDIA_TYPES: Mapping[Format, str] = {
    "mid": "audio/midi",
    "wav": "audio/wav",
    "flac": "audio/flac",
    "stems": "application/zip",
}


def midi_file(music: Json, parts: Sequence[int] | None, recipe: Json | None = None) -> bytes:
    """Return music as a MIDI file.

    Args:
        music: The score as JSON.
        parts: Which parts, from 0; None: all.
        recipe: How it was made, to be kept in the file.

    Raises:
        ScoreError: If there is no such part, or MIDI cannot hold it.
    """
    told = None if recipe is None else json.dumps(dict(recipe))
    return midi_bytes(_chosen(score_of(music), parts), recipe=told)


def sound_file(music: Json, parts: Sequence[int] | None, form: Format, folder: Path) -> Path:
    """Make music audible; return the file in `folder`.

    Args:
        music: The score as JSON.
        parts: Which parts, from 0; None: all.
        form: `wav`, `flac`, or `stems`, a ZIP file with a WAV file for each part. These begin
            at the same moment.
        folder: An empty folder.

    Raises:
        AudioError: If there is nothing to play, or it cannot be played.
        MissingExtra: If nothing here can play.
        ScoreError: If there is no such part.
    """
    score = _chosen(score_of(music), parts)
    if not len(score.notes):
        msg = "there are no notes to play; write some, or choose other parts"
        raise AudioError(msg)
    if form != "stems":
        return _rendered(score, folder / f"music.{form}")
    path = folder / "stems.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in np.unique(score.notes["part"]).tolist():
            stem = _rendered(_chosen(score, [number]), folder / f"{number + 1}.wav")
            archive.write(stem, f"{number + 1:02} {_plain(score.parts[number].name)}.wav")
            stem.unlink()
    return path


def _rendered(score: Score, path: Path) -> Path:
    midi = path.with_suffix(".mid")
    midi.write_bytes(midi_bytes(score))
    try:
        _render().render_file(midi, path)
    except AudioError as error:
        raise AudioError(str(error).removeprefix(f"{midi}: ")) from error
    return path


def _render() -> ModuleType:
    """Return the module that plays; it needs an extra that is not needed for anything else."""
    try:
        from sideman.audio import render  # noqa: PLC0415
    except ModuleNotFoundError as error:
        msg = 'sound needs the extra: pip install "sideman[audio]"'
        raise MissingExtra(msg) from error
    return render


def _chosen(score: Score, parts: Sequence[int] | None) -> Score:
    """Return a score with some of its parts."""
    if parts is None:
        return score
    chosen = sorted(set(parts))
    for part in chosen:
        if not 0 <= part < len(score.parts):
            msg = f"there is no part {part + 1}; the piece has {len(score.parts)}"
            raise ScoreError(msg)
    new_number = np.full(len(score.parts), -1, np.int16)
    new_number[chosen] = np.arange(len(chosen))
    numbers = new_number[score.notes["part"]]
    notes = score.notes.compress(numbers >= 0)
    notes["part"] = numbers[numbers >= 0]
    return replace(score, notes=notes, parts=tuple(score.parts[part] for part in chosen))


def _plain(name: str) -> str:
    """Return a name that is one file's everywhere."""
    kept = "".join(sign if sign.isalnum() or sign in " -_" else "_" for sign in name)
    return kept.strip() or "part"


def file_name(name: str, form: Format) -> str:
    """Return the name under which a browser keeps a file."""
    return f"{_plain(name)}{SUFFIXES[form]}"


def recipe_of(recipe: Mapping[str, Any], first_bar: int, end_bar: int) -> dict[str, Any]:
    """Return the recipe of a take as files have it: with the bars in which it is new."""
    return {**recipe, "first_new_bar": first_bar + 1, "last_new_bar": end_bar}
