"""Files to scores: the suffix says which reader a file goes to.

| suffix                      | what is in the file | how it is read                          |
|-----------------------------|---------------------|-----------------------------------------|
| `.mid`, `.midi`, `.kar`     | MIDI                | see `sideman.score.midi`                |
| `.musicxml`, `.xml`, `.mxl` | MusicXML            | see `sideman.corpus.musicxml` for the   |
|                             |                     | file and `sideman.corpus.notation` for  |
|                             |                     | the music in it                         |
| `.abc`                      | ABC                 | see `sideman.corpus.notation`           |
| another                     |                     | refused: `unknown-format`               |

Notation of more than `MAX_BYTES` is refused as `too-large`; MIDI has a limit of its own.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePath

from sideman.corpus.notation import read_abc, read_musicxml
from sideman.score import smf
from sideman.score.midi import parse_midi_report
from sideman.score.types import Score

SUFFIXES = {
    ".mid": "midi",
    ".midi": "midi",
    ".kar": "midi",
    ".musicxml": "musicxml",
    ".mxl": "musicxml",
    ".xml": "musicxml",
    ".abc": "abc",
}
"""What can be read: the suffix, in lower case, and the name of its format."""

MAX_BYTES = 64 * 2**20
"""Largest file of notation; a symphony is a third of it."""


def read_score(data: bytes, path: PurePath) -> tuple[Score, Counter[str]]:
    """Return the score that a file holds, and how often which oddity was put right.

    The names of the oddities are those of the tables of `sideman.corpus.notation`,
    `sideman.corpus.musicxml` and `sideman.score.midi`.

    Args:
        data: The whole file.
        path: Its suffix says the format; it is named in messages.

    Raises:
        MidiFileError: If the file cannot be read; it names the file and the reason.
        MissingExtra: If the file is notation and lytk is not installed.
    """
    path = Path(path)
    format_ = SUFFIXES.get(path.suffix.lower())
    if format_ is None:
        raise smf.refusal(path, "unknown-format", f"known are {', '.join(SUFFIXES)}")
    if format_ == "midi":
        return parse_midi_report(data, path)
    if len(data) > MAX_BYTES:
        raise smf.refusal(path, "too-large", f"it has more than {MAX_BYTES} bytes")
    return read_abc(data, path) if format_ == "abc" else read_musicxml(data, path)
