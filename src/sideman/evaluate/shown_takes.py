"""Takes of a report, to be seen and heard: the likeliest, the middle, the least likely."""

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath

import numpy as np

from sideman.corpus import charts as corpus_charts
from sideman.corpus.words import plural
from sideman.errors import AudioError, MissingExtra
from sideman.evaluate.charts import number
from sideman.evaluate.results import REAL, PromptEntry, Results, Take
from sideman.roll import roll_svg
from sideman.score.midi import read_midi
from sideman.score.types import Score

Sound = Callable[[Path], bytes]
"""Makes a MIDI file audible, as the bytes of an OGG file."""

MAX_SOUND_BYTES = 6_500_000
"""Most sound in a page; a third more once it is written as text. Later takes are silent."""

ROLL_WIDTH = 1000

RANKS = ("likeliest", "in the middle", "least likely")


@dataclass(slots=True)
class ShownTakes:
    """Takes to be seen and heard.

    Attributes:
        results: What was found.
        folder: Where the takes lie.
        sound: Makes them audible; None once that has failed.
        n_bytes: Of sound so far.
    """

    results: Results
    folder: Path
    sound: Sound | None
    n_bytes: int = 0

    def shown(self, task: str) -> str:
        """Return the likeliest, the median and the least likely take of a task."""
        bundle = self.results.subject.bundle
        prompts = {entry.id: entry for entry in self.results.prompts if entry.task == task}
        takes = sorted(
            (
                take
                for take in self.results.takes
                if take.system == bundle
                and take.prompt in prompts
                and not math.isnan(take.bits_per_note)
            ),
            key=lambda take: take.bits_per_note,
        )
        if not takes:
            return corpus_charts.NOTHING
        chosen = {0: RANKS[0], len(takes) // 2: RANKS[1], len(takes) - 1: RANKS[2]}
        cards = "".join(
            self._card(takes[place], prompts[takes[place].prompt], rank)
            for place, rank in sorted(chosen.items())
        )
        return (
            f"<p>Of {plural(len(takes), 'take')} those that {corpus_charts.text(bundle)} finds "
            "likeliest, least likely and in the middle. Likely is typical, not good: listen. "
            f"Slate is the prompt, orange is new.</p>{cards}"
        )

    def _card(self, take: Take, prompt: PromptEntry, rank: str) -> str:
        (real,) = (
            of for of in self.results.takes if of.prompt == take.prompt and of.system == REAL
        )
        score, original = (read_midi(self.folder / of.path) for of in (take, real))
        piece = corpus_charts.text(PurePosixPath(prompt.piece).stem)
        about = (
            f"{prompt.style or 'no style'} · bars {prompt.piece_bar + 1} to "
            f"{prompt.piece_bar + prompt.n_bars} · {plural(take.n_notes, 'note')} written"
        )
        return (
            f'<article class="card take"><h4>{rank.capitalize()}: '
            f"{number(take.bits_per_note)} bits a note</h4>"
            f'<p title="{escape(prompt.piece)}">{piece}<br><small>{escape(about)}</small></p>'
            f"{_scrolling(_roll(score, original, prompt))}{self._player(take)}"
            f"<details><summary>What the composer wrote: {number(real.bits_per_note)} bits a "
            f"note</summary>{_scrolling(roll_svg(original, width=ROLL_WIDTH))}"
            f"{self._player(real)}</details></article>"
        )

    def _player(self, take: Take) -> str:
        """Return a player of a take; nothing where no sound can be made, or there is enough."""
        if self.sound is None or self.n_bytes >= MAX_SOUND_BYTES:
            return ""
        try:
            data = self.sound(self.folder / take.path)
        except MissingExtra:
            self.sound = None
            return ""
        except AudioError:
            return '<p class="quiet">There is nothing to hear.</p>'
        self.n_bytes += len(data)
        text = base64.b64encode(data).decode()
        label = escape(f"{take.system}, {take.prompt}, take {take.number}")
        return (
            f'<audio controls preload="none" aria-label="{label}" '
            f'src="data:audio/ogg;base64,{text}"></audio>'
        )


def _scrolling(picture: str) -> str:
    return (
        f'<div class="roll" role="region" tabindex="0" aria-label="Piano roll">{picture}</div>'
    )


def _roll(score: Score, other: Score, prompt: PromptEntry) -> str:
    """Return a take as a piano roll that tells what is new; `other` answers the same prompt."""
    if (prompt.first_bar, prompt.end_bar) != (0, prompt.n_bars):
        first, last = prompt.first_bar + 1, prompt.end_bar
        return roll_svg(score, split_bar=first, last_bar=last, width=ROLL_WIDTH)
    return roll_svg(score, before=_in_both(score, other), width=ROLL_WIDTH)


def _in_both(score: Score, other: Score) -> Score:
    """Return the parts of a score that another has note for note: those that were known."""
    there = {(part, _heard(other, index)) for index, part in enumerate(other.parts)}
    known = [
        index for index, part in enumerate(score.parts) if (part, _heard(score, index)) in there
    ]
    return score.with_notes(score.notes[np.isin(score.notes["part"], known)])


def _heard(score: Score, part: int) -> tuple[tuple[int, int], ...]:
    """Return onset and pitch of each note of a part."""
    notes = score.notes[score.notes["part"] == part]
    return tuple(notes[["onset", "pitch"]].tolist())
