"""Exports: what somebody takes home, as MIDI or as sound.

Sound is made in a temporary folder, from files with names of ours.
"""

import json
import zipfile
from collections.abc import Mapping, Sequence
from os import SEEK_END
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from sideman.errors import AudioError, MissingExtra, ScoreError
from sideman.score.midi import midi_bytes
from sideman.score.plain import score_of
from sideman.studio.score_json import Json, mix_of

Format = Literal["mid", "wav", "flac", "stems"]

SUFFIXES: Mapping[Format, str] = {
    "mid": ".mid",
    "wav": ".wav",
    "flac": ".flac",
    "stems": ".zip",
}

SILENCE_FRAMES = 65_536
"""How much silence is written at once: a second and a half."""

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
    music = _chosen(music, parts)
    return midi_bytes(score_of(music), recipe=told, mix=mix_of(music))


def sound_file(music: Json, parts: Sequence[int] | None, form: Format, folder: Path) -> Path:
    """Make music audible; return the file in `folder`.

    Args:
        music: The score as JSON.
        parts: Which parts, from 0; None: all.
        form: `wav`, `flac`, or `stems`, a ZIP file with a WAV file for each part that plays.
            These begin at the same moment and are equally long, so that they lie above each
            other as they are.
        folder: An empty folder.

    Raises:
        AudioError: If there is nothing to play, or it cannot be played.
        MissingExtra: If nothing here can play.
        ScoreError: If there is no such part.
    """
    music = _chosen(music, parts)
    if not music["notes"]:
        msg = "there are no notes to play; write some, or choose other parts"
        raise AudioError(msg)
    if form != "stems":
        return _rendered(music, folder / f"music.{form}")
    playing = sorted({note["part"] for note in music["notes"]})
    stems = [_rendered(_chosen(music, [part]), folder / f"{part + 1}.wav") for part in playing]
    _make_equally_long(stems)
    path = folder / "stems.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for part, stem in zip(playing, stems, strict=True):
            archive.write(stem, f"{part + 1:02} {plain(music['parts'][part]['name'])}.wav")
            stem.unlink()  # or all of it would lie there twice
    return path


def _rendered(music: Json, path: Path) -> Path:
    midi = path.with_suffix(".mid")
    midi.write_bytes(midi_file(music, None))
    try:
        _render().render_file(midi, path)
    except AudioError as error:
        raise AudioError(str(error).removeprefix(f"{midi}: ")) from error
    return path


def _make_equally_long(paths: Sequence[Path]) -> None:
    """Let silence follow where another file is longer."""
    import soundfile  # noqa: PLC0415 -- comes with the extra that plays

    longest = max(soundfile.info(str(path)).frames for path in paths)
    for path in paths:
        with soundfile.SoundFile(path, "r+") as file:
            silence = np.zeros((SILENCE_FRAMES, file.channels), np.int16)
            n_missing = longest - file.frames
            file.seek(0, SEEK_END)
            for done in range(0, n_missing, SILENCE_FRAMES):
                file.write(silence[: n_missing - done])


def _render() -> ModuleType:
    """Return the module that plays; it needs an extra that is not needed for anything else."""
    try:
        from sideman.audio import render  # noqa: PLC0415
    except ModuleNotFoundError as error:
        msg = 'sound needs the extra: pip install "sideman[audio]"'
        raise MissingExtra(msg) from error
    return render


def _chosen(music: Json, parts: Sequence[int] | None) -> Json:
    """Return music with some of its parts.

    Raises:
        ScoreError: If there is no such part.
    """
    if parts is None:
        return music
    chosen = sorted(set(parts))
    for part in chosen:
        if not 0 <= part < len(music["parts"]):
            msg = f"there is no part {part + 1}; the piece has {len(music['parts'])}"
            raise ScoreError(msg)
    number = {part: index for index, part in enumerate(chosen)}
    notes = [
        {**note, "part": number[note["part"]]}
        for note in music["notes"]
        if note["part"] in number
    ]
    return {**music, "parts": [music["parts"][part] for part in chosen], "notes": notes}


def plain(name: str) -> str:
    """Return a name that is one file's everywhere."""
    kept = "".join(sign if sign.isalnum() or sign in " -_" else "_" for sign in name)
    return kept.strip() or "part"


def file_name(name: str, form: Format) -> str:
    """Return the name under which a browser keeps a file."""
    return f"{plain(name)}{SUFFIXES[form]}"


def recipe_of(recipe: Mapping[str, Any], first_bar: int, end_bar: int) -> dict[str, Any]:
    """Return the recipe of a take as files have it: with the bars in which it is new."""
    return {**recipe, "first_new_bar": first_bar + 1, "last_new_bar": end_bar}
