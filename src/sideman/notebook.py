"""Notebooks: scores and takes that show themselves as piano rolls, and play.

Once this is imported every `Score` shows itself; `show` also makes it heard, and tells what
was written from what was known. Sound needs the extra `audio`; without it there is a picture.
"""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sideman.engine.compose import Take
from sideman.errors import AudioError, MissingExtra
from sideman.roll import roll_svg, split_bars
from sideman.score.midi import write_midi
from sideman.score.types import Score

WIDTH = 1000
"""Pixels that fit beside a notebook's margins."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture, and sound where that could be made.

    Attributes:
        svg: The piano roll.
        ogg: The sound, as an OGG file; empty where there is none.
    """

    svg: str
    ogg: bytes = b""

    def _repr_html_(self) -> str:
        if not self.ogg:
            return self.svg
        data = base64.b64encode(self.ogg).decode()
        player = f'<audio controls src="data:audio/ogg;base64,{data}"></audio>'
        return f"{self.svg}<div>{player}</div>"


def show(music: Score | Take, *, before: Score | None = None, sound: bool = True) -> Shown:
    """Return what a notebook shows of a score or a take, as the last line of a cell.

    Args:
        music: What is to be seen and heard.
        before: What was known; other notes are shown as new. None: of a take the bars that
            were written are, unless they are all.
        sound: Make it heard as well, if the extra `audio` is installed.
    """
    if isinstance(music, Score):
        svg, score = roll_svg(music, before=before, width=WIDTH), music
    else:
        svg, score = _take_svg(music, before), music.score
    return Shown(svg, _ogg(score) if sound else b"")


def _take_svg(take: Take, before: Score | None) -> str:
    first, last = split_bars(take.score, take.first_bar + 1, take.end_bar)
    return roll_svg(take.score, split_bar=first, last_bar=last, before=before, width=WIDTH)


def _ogg(score: Score) -> bytes:
    """Return a score as sound; nothing where no sound can be made."""
    try:
        from sideman.audio.render import render_file  # noqa: PLC0415 -- an extra
    except MissingExtra:
        return b""
    with tempfile.TemporaryDirectory(prefix="sideman-") as folder:
        midi, ogg = Path(folder, "score.mid"), Path(folder, "score.ogg")
        write_midi(score, midi)
        try:
            render_file(midi, ogg)
        except (AudioError, MissingExtra):
            return b""
        return ogg.read_bytes()


def _score_svg(score: Score) -> str:
    return roll_svg(score, width=WIDTH)


Score.to_html = staticmethod(_score_svg)
