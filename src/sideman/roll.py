"""Piano rolls: a score as a picture, to be read at a glance.

Time runs to the right and pitch upwards; a long piece goes on in a next row, as on a page of
music. Colour is the part and opacity the velocity; drums have a lane of their own below. A
picture can show who wrote what: notes of the prompt in slate, those that were written in a
vivid hue, parts as shades of the two. What is new is told by bars, or by the score before.

Layout is separate from drawing. `lay_out` places bars and rows, `draw` turns a score into plain
shapes, and two small functions write shapes as SVG or PNG. Lengths are in pixels of the
picture, from its upper left corner.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sideman.errors import ScoreError, SidemanError
from sideman.files import refuse_existing, whole_file
from sideman.score.general_midi import DRUM_NAMES, program_name
from sideman.score.midi import read_midi, read_recipe
from sideman.score.time import bar_starts, resample
from sideman.score.types import DEFAULT_TEMPO_BPM, MAX_DATA_BYTE, Part, Score

SUFFIXES = (".png", ".svg")
WIDTH = 1400
"""Width of a picture if none is asked for."""

BARS_PER_SYSTEM = 8
MAX_SYSTEMS = 24
"""Most rows in a picture; a longer piece gets more bars in a row."""

PITCH_MARGIN = 3
"""Semitones shown above the highest note and below the lowest."""

PLOT_HEIGHT = 330.0
ROW_HEIGHTS = (4.0, 10.0)
"""What a row of one pitch may measure; between, rows are chosen to fill `PLOT_HEIGHT`."""

DRUM_ROW_HEIGHT = 11.0
DRUM_MARK_WIDTH = 5.0
DRUM_MARK_HEIGHT = 7.0
DRUM_LABEL_SIZE = 9.0
DRUM_GAP = 8.0
MARGIN = 24.0
LABEL_WIDTH = 30.0
KEY_WIDTH = 14.0
BAR_LABEL_HEIGHT = 18.0
SPLIT_LABEL_HEIGHT = 20.0
SYSTEM_GAP = 20.0
LEGEND_LINE_HEIGHT = 24.0
MIN_NOTE_WIDTH = 2.0
NOTE_GAP = 1.0
"""Kept free at the end of a note, so that a repeated note can be seen."""

MIN_LABEL_GAP = 30.0
MIN_LINE_GAP = 5.0
CHAR_WIDTH = 0.56
"""Mean width of a character in parts of the font size; only legends rely on it."""

SUPERSAMPLING = 2

DRUMS = -1
"""Stands for all drum parts where a part is asked for: they share a lane and a colour."""

PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#332288",
    "#56b4e9",
    "#882255",
)
"""Part colours that most colour-blind people can tell apart: Okabe & Ito 2008, two by Tol."""

PROMPT_SHADES = ("#334155", "#93a2b5")
CONTINUATION_SHADES = ("#c2330a", "#ffa13d")
"""Darkest and lightest shade of the two families; parts lie between them."""

DRUM_COLOUR = "#3f4b5b"
PAPER = "#fcfcfb"
WHITE_KEY_ROW = "#ffffff"
BLACK_KEY_ROW = "#f2f4f6"
KEY_BLACK = "#4a5563"
OCTAVE_LINE = "#dfe4e9"
BEAT_LINE = "#edf0f3"
BAR_LINE = "#c3ccd5"
FRAME = "#b3bdc8"
FAINT_TEXT = "#7b8794"
TEXT = "#323f4b"
SPLIT_COLOUR, SPLIT_TINT = CONTINUATION_SHADES
SPLIT_TINT_OPACITY = 0.06

MIN_OPACITY = 0.4
BLACK_KEYS = frozenset({1, 3, 6, 8, 10})
MIDDLE_C = 60
SEMITONES_PER_OCTAVE = 12

_DRUM_ROWS = {
    "Kick": (35, 36),
    "Side stick": (37,),
    "Snare": (38, 40),
    "Clap": (39,),
    "Low tom": (41, 43, 45),
    "High tom": (47, 48, 50),
    "Pedal hat": (44,),
    "Closed hat": (42,),
    "Open hat": (46,),
    "Ride": (51, 53, 59),
    "Crash": (49, 52, 55, 57),
}
"""Drum pieces that share a row, from the lowest row up; all others have a row each."""

_DRUM_ROW_OF_PITCH = {pitch: name for name, pitches in _DRUM_ROWS.items() for pitch in pitches}


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A filled rectangle.

    Attributes:
        x: Left edge.
        y: Upper edge.
        width: Width, above 0.
        height: Height, above 0.
        colour: As `#rrggbb`.
        opacity: 0 (not to be seen) to 1.
        radius: Of the corners.
        kind: What it stands for: `"note"` once for each note, `"tied"` where a note goes on in
            the next row, `""` for everything else.
    """

    x: float
    y: float
    width: float
    height: float
    colour: str
    opacity: float = 1.0
    radius: float = 0.0
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text.

    Attributes:
        x: Where `anchor` lies.
        y: Of the baseline.
        text: What it says.
        size: Of the font.
        colour: As `#rrggbb`.
        anchor: `"start"`, `"middle"` or `"end"`: which point of the text lies at x.
    """

    x: float
    y: float
    text: str
    size: float
    colour: str = TEXT
    anchor: str = "start"


Shape = Rectangle | Label


@dataclass(frozen=True, slots=True)
class System:
    """A row of the picture: some bars side by side.

    Attributes:
        bars: Ticks at which its bars begin, and the end of its last bar, shape (n + 1,).
        first_bar: Index of its first bar, from 0.
        top: Upper edge of its plot, below the bar numbers.
    """

    bars: NDArray[np.int64]
    first_bar: int
    top: float

    @property
    def start(self) -> int:
        """First tick."""
        return int(self.bars[0])

    @property
    def end(self) -> int:
        """First tick that is no longer in it."""
        return int(self.bars[-1])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything goes.

    Attributes:
        width: Of the picture.
        height: Of the picture.
        left: Left edge of the plots.
        pixels_per_tick: Horizontal scale, the same in all rows.
        low: Lowest pitch shown.
        high: Highest pitch shown.
        row_height: Of one pitch.
        drum_rows: Names of the rows of the drum lane, from the lowest up; empty without drums.
        systems: The rows of the picture.
        split: First and last tick of the bars that were written; None if there is no split.
        is_new: Which notes were written, shape (N,); None if that is not to be seen.
        legend: Lines of (text, part) pairs; a part may be `DRUMS`.
    """

    width: float
    height: float
    left: float
    pixels_per_tick: float
    low: int
    high: int
    row_height: float
    drum_rows: tuple[str, ...]
    systems: tuple[System, ...]
    split: tuple[int, int] | None
    is_new: NDArray[np.bool_] | None
    legend: tuple[tuple[tuple[str, int], ...], ...]

    @property
    def right(self) -> float:
        """Right edge of the plots."""
        return self.width - MARGIN

    @property
    def pitch_height(self) -> float:
        """Height of the pitches of one system."""
        return (self.high - self.low + 1) * self.row_height if self.high >= self.low else 0.0

    @property
    def drum_height(self) -> float:
        """Height of the drum lane of one system, the gap above it left out."""
        return len(self.drum_rows) * DRUM_ROW_HEIGHT

    @property
    def plot_height(self) -> float:
        """Height of one system, from the highest pitch to the lowest drum."""
        gap = DRUM_GAP if self.drum_rows and self.pitch_height else 0.0
        return self.pitch_height + gap + self.drum_height

    def x(self, system: System, tick: float) -> float:
        """Return where a tick lies in a system."""
        return self.left + (tick - system.start) * self.pixels_per_tick

    def pitch_y(self, system: System, pitch: int) -> float:
        """Return the upper edge of the row of a pitch."""
        return system.top + (self.high - pitch) * self.row_height

    def drum_y(self, system: System, row_index: int) -> float:
        """Return the upper edge of a row of the drum lane; row 0 is the lowest."""
        return system.top + self.plot_height - (row_index + 1) * DRUM_ROW_HEIGHT

    def lanes(self, system: System) -> list[tuple[float, float]]:
        """Return upper edge and height of the pitches and of the drums, if there are any."""
        drums_top = system.top + self.plot_height - self.drum_height
        lanes = [(system.top, self.pitch_height), (drums_top, self.drum_height)]
        return [(top, height) for top, height in lanes if height]

    def holds_split(self, system: System) -> bool:
        """Whether the bars that were written begin in a system."""
        return self.split is not None and system.start <= self.split[0] < system.end


# ------------------------------------------------------------------- what to call


def roll_file(
    midi: Path,
    out: Path,
    *,
    split_bar: int | None = None,
    before: Path | None = None,
    width: int = WIDTH,
    force: bool = False,
) -> None:
    """Draw a MIDI file as a piano roll.

    Args:
        midi: The MIDI file.
        out: The picture, `.png` or `.svg`; written whole or not at all.
        split_bar: First bar of the continuation, counted from 1 like the numbers in the
            picture. None: the bars that the recipe in the file says are new, if it does.
        before: A MIDI file of what was known; notes that do not begin in it are shown as new.
        width: Of the picture, in pixels, at least 300. The height follows.
        force: Overwrite `out` if it is there.

    Raises:
        MidiFileError: If the file cannot be read.
        ScoreError: If the piece has no such bar.
        OutputExists: If `out` is there and `force` is False.
        SidemanError: If `out` has another ending or its folder is not there.
    """
    suffix = out.suffix.lower()
    if suffix not in SUFFIXES:
        msg = f"{out}: the name must end in {' or '.join(SUFFIXES)}"
        raise SidemanError(msg)
    if not out.parent.is_dir():
        msg = f"{out}: there is no folder {out.parent}"
        raise SidemanError(msg)
    refuse_existing(out, force=force)
    score = read_midi(midi)
    first, last = (split_bar, None) if split_bar else _new_bars(midi, score)
    known = read_midi(before) if before else None
    if suffix == ".png":
        roll_png(score, out, split_bar=first, last_bar=last, before=known, width=width)
        return
    svg = roll_svg(score, split_bar=first, last_bar=last, before=known, width=width)
    with whole_file(out) as part:
        part.write_text(svg, encoding="utf-8")


def _new_bars(midi: Path, score: Score) -> tuple[int | None, int | None]:
    """Return the first and last bar, from 1, that a file's recipe says were written.

    The first is None if it does not say so, or if nothing is before or behind.
    """
    try:
        recipe = json.loads(read_recipe(midi) or "{}")
    except ValueError:
        return None, None
    said = recipe if isinstance(recipe, dict) else {}
    first, last = said.get("first_new_bar"), said.get("last_new_bar")
    if not isinstance(first, int):
        return None, None
    return split_bars(score, first, last if isinstance(last, int) else None)


def split_bars(
    score: Score, first: int, last: int | None
) -> tuple[int, int | None] | tuple[None, None]:
    """Return these bars, counted from 1, if notes begin before or behind them; else None."""
    bars = bar_starts(score)
    begins = score.notes["onset"]
    end = bars[-1] if last is None else bars[min(last, len(bars) - 1)]
    is_split = first > 1 or bool((begins >= end).any())
    return (first, last) if is_split else (None, None)


def roll_svg(
    score: Score,
    *,
    split_bar: int | None = None,
    last_bar: int | None = None,
    before: Score | None = None,
    width: int = WIDTH,
) -> str:
    """Return a score as a piano roll in SVG; each note is one `rect` of class `note`.

    Args:
        score: The music.
        split_bar: First bar that was written, counted from 1; None for no split.
        last_bar: Last bar that was written; None, or past the end: the last of the piece.
        before: What was known; notes that do not begin in it, in the same part, are shown as
            new. None: go by bars.
        width: Of the picture, in pixels, at least 300. The height follows.

    Raises:
        ScoreError: If the score has no such bars, or `width` is too small.
    """
    layout = lay_out(score, split_bar=split_bar, last_bar=last_bar, before=before, width=width)
    shapes = "\n".join(_shape_to_svg(shape) for shape in draw(score, layout))
    size = f'width="{layout.width:g}" height="{layout.height:g}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} '
        f'viewBox="0 0 {layout.width:g} {layout.height:g}" role="img" '
        'font-family="Inter, Helvetica, Arial, sans-serif">\n'
        f"<title>Piano roll: {len(score.notes)} notes</title>\n{shapes}\n</svg>\n"
    )


def roll_png(
    score: Score,
    path: Path,
    *,
    split_bar: int | None = None,
    last_bar: int | None = None,
    before: Score | None = None,
    width: int = WIDTH,
) -> None:
    """Draw a score as a piano roll into a PNG file, written whole or not at all.

    Args:
        score: The music.
        path: The picture; one that is there is replaced.
        split_bar: As `roll_svg` has it, and so the following.
        last_bar: Last bar that was written.
        before: What was known.
        width: Of the picture.

    Raises:
        ScoreError: If the score has no such bars, or `width` is too small.
    """
    layout = lay_out(score, split_bar=split_bar, last_bar=last_bar, before=before, width=width)
    picture = _shapes_to_image(draw(score, layout), (round(layout.width), round(layout.height)))
    data = io.BytesIO()
    picture.save(data, format="PNG")
    with whole_file(path) as part:
        part.write_bytes(data.getvalue())


# ------------------------------------------------------------------------- layout


def lay_out(
    score: Score,
    *,
    split_bar: int | None = None,
    last_bar: int | None = None,
    before: Score | None = None,
    width: int = WIDTH,
) -> Layout:
    """Place the bars, pitches and drum pieces of a score in a picture.

    Args:
        score: The music.
        split_bar: As `roll_svg` has it, and so the following.
        last_bar: Last bar that was written.
        before: What was known.
        width: Of the picture.

    Raises:
        ScoreError: If the score has no such bars, or `width` is too small.
    """
    if width < (narrowest := 300):
        msg = f"width of the picture is {width}; it must be at least {narrowest}"
        raise ScoreError(msg)
    bars = bar_starts(score)
    split = None if split_bar is None else _split(bars, split_bar, last_bar)
    # A file may change its metre long after its last note: those bars are not worth paper.
    bars = bars[: max(int(np.searchsorted(bars, score.end)), split_bar or 1) + 1]
    drums = is_drum_note(score)
    low, high = pitch_range(score.notes["pitch"][~drums], has_drums=bool(drums.any()))
    rows = drum_rows(score.notes["pitch"][drums])
    labels = max((_text_width(row, DRUM_LABEL_SIZE) for row in rows), default=0.0)
    left = MARGIN + max(LABEL_WIDTH + KEY_WIDTH, labels + KEY_WIDTH)
    legend = legend_lines(score, width - 2 * MARGIN)
    smallest, largest = ROW_HEIGHTS
    flat = Layout(
        width=width,
        height=0,
        left=left,
        pixels_per_tick=0,
        low=low,
        high=high,
        row_height=min(max(PLOT_HEIGHT // max(high - low + 1, 1), smallest), largest),
        drum_rows=rows,
        systems=(),
        split=split,
        is_new=_is_new(score, split, before),
        legend=legend,
    )
    return _with_systems(flat, bars)


def _split(bars: NDArray[np.int64], split_bar: int, last_bar: int | None) -> tuple[int, int]:
    """Return the first and last tick of bars counted from 1."""
    n_bars = len(bars) - 1
    if not 1 <= split_bar <= n_bars:
        msg = f"split bar is {split_bar}; the score has bars 1 to {n_bars}"
        raise ScoreError(msg)
    return int(bars[split_bar - 1]), int(bars[min(last_bar or n_bars, n_bars)])


def _is_new(
    score: Score, split: tuple[int, int] | None, before: Score | None
) -> NDArray[np.bool_] | None:
    """Return which notes were written, shape (N,); None if nothing says so."""
    if before is not None:
        known = set(_beginnings(resample(before, score.tpq)))
        return np.array([note not in known for note in _beginnings(score)], np.bool_)
    if split is None:
        return None
    onsets: NDArray[np.int64] = score.notes["onset"]
    return (onsets >= split[0]) & (onsets < split[1])


def _beginnings(score: Score) -> list[tuple[int, int, Part]]:
    """Return where notes begin, so that they can be compared with those of another score."""
    notes = score.notes[["onset", "pitch", "part"]].tolist()
    return [(onset, pitch, score.parts[part]) for onset, pitch, part in notes]


def _with_systems(layout: Layout, bars: NDArray[np.int64]) -> Layout:
    """Return a layout with its systems, and the scale and height that follow from them."""
    top = MARGIN + LEGEND_LINE_HEIGHT * len(layout.legend)
    systems: list[System] = []
    for first, end in system_bars(len(bars) - 1):
        system = System(bars[first : end + 1], first, 0.0)
        top += SYSTEM_GAP * bool(systems) + BAR_LABEL_HEIGHT
        top += SPLIT_LABEL_HEIGHT * layout.holds_split(system)
        systems.append(replace(system, top=top))
        top += layout.plot_height
    longest = max(system.end - system.start for system in systems)
    return replace(
        layout,
        height=float(np.ceil(top + MARGIN)),
        pixels_per_tick=(layout.right - layout.left) / longest,
        systems=tuple(systems),
    )


def system_bars(n_bars: int) -> list[tuple[int, int]]:
    """Return for each row of a piece its first bar and the bar after its last, from 0.

    Rows are about `BARS_PER_SYSTEM` long and as equal as can be.

    Example:
        >>> system_bars(17)
        [(0, 9), (9, 17)]
    """
    n_systems = min(max(round(n_bars / BARS_PER_SYSTEM), 1), MAX_SYSTEMS)
    per_system = -(-n_bars // n_systems)
    return [(first, min(first + per_system, n_bars)) for first in range(0, n_bars, per_system)]


def pitch_range(pitches: NDArray[np.int16], *, has_drums: bool = False) -> tuple[int, int]:
    """Return the lowest and highest pitch to show.

    Args:
        pitches: Of all notes that are not drums, shape (N,).
        has_drums: Without any pitch, a piece with drums needs no rows for pitches (the lowest
            is then above the highest), and an empty piece gets an empty octave.
    """
    if len(pitches):
        low, high = int(pitches.min()), int(pitches.max())
        return max(low - PITCH_MARGIN, 0), min(high + PITCH_MARGIN, MAX_DATA_BYTE)
    return (1, 0) if has_drums else (MIDDLE_C, MIDDLE_C + SEMITONES_PER_OCTAVE)


def is_drum_note(score: Score) -> NDArray[np.bool_]:
    """Return for each note whether a drum part plays it, shape (N,)."""
    drums = np.array([part.is_drum for part in score.parts], dtype=np.bool_)
    if len(drums) == 0:
        return np.zeros(0, np.bool_)
    mask: NDArray[np.bool_] = drums[score.notes["part"]]
    return mask


def drum_row(pitch: int) -> str:
    """Return the name of the row that a drum piece is shown in.

    Example:
        >>> drum_row(36), drum_row(56), drum_row(20)
        ('Kick', 'Cowbell', 'Drum 20')
    """
    return _DRUM_ROW_OF_PITCH.get(pitch) or DRUM_NAMES.get(pitch, f"Drum {pitch}")


def drum_rows(pitches: NDArray[np.int16]) -> tuple[str, ...]:
    """Return the rows that these drum pieces need, from the lowest up: drums, then cymbals."""
    known = list(_DRUM_ROWS)
    rows = dict.fromkeys(drum_row(pitch) for pitch in sorted(set(pitches.tolist())))
    return tuple(sorted(rows, key=lambda row: known.index(row) if row in known else len(known)))


def legend_lines(score: Score, width: float) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Return what the legend says, in lines that fit into `width`.

    Parts without notes are left out, drums come last, and parts that share a program are
    numbered.

    Returns:
        Lines of (text, part) pairs; part may be `DRUMS`.
    """
    entries = _legend_entries(score)
    lines: list[list[tuple[str, int]]] = [[]]
    used = _text_width(_heading(score), _LEGEND_SIZE)  # the first line ends with the heading
    for text, part in entries:
        needed = _entry_width(text)
        if used + needed > width and lines[-1]:
            lines.append([])
            used = 0.0
        lines[-1].append((text, part))
        used += needed
    return tuple(tuple(line) for line in lines)


_LEGEND_SIZE = 13.0
_SWATCH = 11.0


def _legend_entries(score: Score) -> list[tuple[str, int]]:
    used = sorted(set(score.notes["part"].tolist()))
    melodic = [part for part in used if not score.parts[part].is_drum]
    names = [program_name(score.parts[part].program) for part in melodic]
    entries = [
        (f"{name} {names[: index + 1].count(name)}" if names.count(name) > 1 else name, part)
        for index, (name, part) in enumerate(zip(names, melodic, strict=True))
    ]
    if len(melodic) < len(used):
        entries.append(("Drums", DRUMS))
    return entries


def _entry_width(text: str) -> float:
    return 2 * _SWATCH + 8 + _text_width(text, _LEGEND_SIZE) + 22


def _text_width(text: str, size: float) -> float:
    return len(text) * size * CHAR_WIDTH


def _heading(score: Score) -> str:
    """Return the metre and tempo that the piece begins with."""
    metres = score.time_signatures
    metre = f"{metres['numerator'][0]}/{metres['denominator'][0]}" if len(metres) else "4/4"
    tempo = float(score.tempos["tempo_bpm"][0]) if len(score.tempos) else DEFAULT_TEMPO_BPM
    return f"{metre}, {tempo:.0f} bpm"


# ------------------------------------------------------------------------ colours


def part_colours(score: Score, *, is_split: bool) -> dict[int, tuple[str, str]]:
    """Return for each part that plays its colour in the prompt and in the continuation.

    Where nothing is told apart the two are the same. The drums have the number `DRUMS`.
    """
    parts = [part for _, part in _legend_entries(score)]
    if not is_split:
        colours = [
            DRUM_COLOUR if part == DRUMS else PALETTE[i % len(PALETTE)]
            for i, part in enumerate(parts)
        ]
        return {part: (colour, colour) for part, colour in zip(parts, colours, strict=True)}
    shares = np.linspace(0, 1, len(parts)).tolist()
    return {
        part: (mix(*PROMPT_SHADES, share), mix(*CONTINUATION_SHADES, share))
        for part, share in zip(parts, shares, strict=True)
    }


def mix(first: str, second: str, share: float) -> str:
    """Return the colour that has `share`, 0 to 1, of the second colour.

    Example:
        >>> mix("#000000", "#ffffff", 0.5)
        '#808080'
    """
    channels = zip(_channels(first), _channels(second), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in channels)


def _channels(colour: str) -> tuple[int, int, int]:
    """Return red, green and blue, each 0-255, of a colour written as `#rrggbb`."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def velocity_opacity(velocity: int) -> float:
    """Return the opacity, `MIN_OPACITY` to 1, that shows a velocity, 1-127."""
    return MIN_OPACITY + (1 - MIN_OPACITY) * velocity / MAX_DATA_BYTE


# ------------------------------------------------------------------------- shapes


def draw(score: Score, layout: Layout) -> list[Shape]:
    """Return everything there is to see, what lies behind first."""
    colours = part_colours(score, is_split=layout.is_new is not None)
    shapes: list[Shape] = [Rectangle(0, 0, layout.width, layout.height, PAPER)]
    shapes += _draw_legend(score, layout, colours)
    for system in layout.systems:
        shapes += _draw_pitch_rows(layout, system)
        shapes += _draw_drum_rows(layout, system)
        shapes += _draw_tint(layout, system)
        shapes += _draw_time_lines(score, layout, system)
    shapes += place_notes(score, layout, colours)
    for system in layout.systems:
        if layout.holds_split(system):
            shapes += _draw_split(layout, system)
    return shapes


def place_notes(
    score: Score, layout: Layout, colours: dict[int, tuple[str, str]]
) -> list[Rectangle]:
    """Return a rectangle for each note, and one more for each further row it reaches into."""
    drums = is_drum_note(score)
    starts = np.array([system.start for system in layout.systems])
    placed = []
    # Long notes first: a short one that sounds at the same pitch stays visible.
    for index in np.argsort(-score.notes["duration"], kind="stable"):
        note = score.notes[index]
        onset, pitch = int(note["onset"]), int(note["pitch"])
        end = onset + int(note["duration"])
        is_new = layout.is_new is not None and bool(layout.is_new[index])
        part = DRUMS if drums[index] else int(note["part"])
        ink = (colours[part][is_new], velocity_opacity(int(note["velocity"])))
        first = int(np.searchsorted(starts, onset, side="right")) - 1
        if drums[index]:
            placed.append(_drum_mark(layout, layout.systems[first], onset, pitch, ink))
            continue
        for system in layout.systems[first:]:
            if system.start >= end:
                break
            bar = _note_bar(layout, system, (onset, end), pitch, ink)
            if (
                bar.kind == "note" or bar.width > MIN_NOTE_WIDTH
            ):  # no slivers of notes held over
                placed.append(bar)
    return placed


def _note_bar(
    layout: Layout, system: System, span: tuple[int, int], pitch: int, ink: tuple[str, float]
) -> Rectangle:
    """Return what a note, from onset to end, fills of a system, in colour and opacity."""
    onset, end = span
    x = layout.x(system, max(onset, system.start))
    width = layout.x(system, min(end, system.end)) - x - NOTE_GAP
    return Rectangle(
        x,
        layout.pitch_y(system, pitch) + 0.25,
        max(width, MIN_NOTE_WIDTH),
        layout.row_height - 0.5,
        *ink,
        radius=min(2.0, layout.row_height / 4),
        kind="note" if onset >= system.start else "tied",
    )


def _drum_mark(
    layout: Layout, system: System, onset: int, pitch: int, ink: tuple[str, float]
) -> Rectangle:
    """Return the mark of a drum stroke, in colour and opacity; a drum has no length."""
    row = layout.drum_rows.index(drum_row(pitch))
    y = layout.drum_y(system, row) + (DRUM_ROW_HEIGHT - DRUM_MARK_HEIGHT) / 2
    x = layout.x(system, onset)
    return Rectangle(x, y, DRUM_MARK_WIDTH, DRUM_MARK_HEIGHT, *ink, radius=1.5, kind="note")


def _draw_legend(
    score: Score, layout: Layout, colours: dict[int, tuple[str, str]]
) -> list[Shape]:
    shapes: list[Shape] = []
    for index, line in enumerate(layout.legend):
        x, baseline = MARGIN, MARGIN + index * LEGEND_LINE_HEIGHT + _SWATCH - 1
        for text, part in line:
            pair = dict.fromkeys(colours[part])
            for offset, colour in enumerate(pair):
                y = baseline + 1 - _SWATCH
                swatch_x = x + offset * _SWATCH
                shapes.append(Rectangle(swatch_x, y, _SWATCH, _SWATCH, colour, radius=2.0))
            text_x = x + len(pair) * _SWATCH + 7
            shapes.append(Label(text_x, baseline, text, _LEGEND_SIZE))
            x += _entry_width(text) - (2 - len(pair)) * _SWATCH
    heading = Label(
        layout.right, MARGIN + _SWATCH - 1, _heading(score), _LEGEND_SIZE, FAINT_TEXT, "end"
    )
    return [*shapes, heading]


def _draw_pitch_rows(layout: Layout, system: System) -> list[Shape]:
    """Return the rows of the pitches, striped like piano keys, and the keys themselves."""
    if not layout.pitch_height:
        return []
    width = _system_width(layout, system)
    key_x = layout.left - KEY_WIDTH
    shapes: list[Shape] = [
        Rectangle(layout.left, system.top, width, layout.pitch_height, WHITE_KEY_ROW),
        Rectangle(key_x, system.top, KEY_WIDTH, layout.pitch_height, WHITE_KEY_ROW),
    ]
    for pitch in range(layout.low, layout.high + 1):
        y = layout.pitch_y(system, pitch)
        bottom = y + layout.row_height
        pitch_class = pitch % SEMITONES_PER_OCTAVE
        if pitch_class in BLACK_KEYS:
            shapes.append(Rectangle(layout.left, y, width, layout.row_height, BLACK_KEY_ROW))
            shapes.append(
                Rectangle(key_x, y + 0.5, KEY_WIDTH * 0.62, layout.row_height - 1, KEY_BLACK)
            )
        elif pitch_class == 0 and pitch > layout.low:
            shapes.append(Rectangle(key_x, bottom - 0.5, KEY_WIDTH + width, 1, OCTAVE_LINE))
        if pitch_class == 0:
            name = f"C{pitch // SEMITONES_PER_OCTAVE - 1}"
            baseline = y + layout.row_height / 2 + 3.5
            shapes.append(Label(key_x - 6, baseline, name, 10, FAINT_TEXT, "end"))
    shapes += _frame(key_x, system.top, KEY_WIDTH + width, layout.pitch_height)
    return shapes


def _draw_drum_rows(layout: Layout, system: System) -> list[Shape]:
    if not layout.drum_rows:
        return []
    width = _system_width(layout, system)
    top = layout.drum_y(system, len(layout.drum_rows) - 1)
    shapes: list[Shape] = []
    for index, name in enumerate(layout.drum_rows):
        y = layout.drum_y(system, index)
        colour = BLACK_KEY_ROW if index % 2 else WHITE_KEY_ROW
        shapes.append(Rectangle(layout.left, y, width, DRUM_ROW_HEIGHT, colour))
        baseline = y + DRUM_ROW_HEIGHT / 2 + 3
        shapes.append(
            Label(layout.left - 6, baseline, name, DRUM_LABEL_SIZE, FAINT_TEXT, "end")
        )
    return shapes + _frame(layout.left, top, width, layout.drum_height)


def _draw_tint(layout: Layout, system: System) -> list[Shape]:
    """Return a breath of colour behind the bars that were written."""
    if layout.split is None:
        return []
    first, last = max(layout.split[0], system.start), min(layout.split[1], system.end)
    if first >= last:
        return []
    x = layout.x(system, first)
    width = layout.x(system, last) - x
    colour, opacity = SPLIT_TINT, SPLIT_TINT_OPACITY
    return [
        Rectangle(x, y, width, height, colour, opacity) for y, height in layout.lanes(system)
    ]


def _frame(x: float, y: float, width: float, height: float) -> list[Shape]:
    """Return the upper and lower edge of a plot."""
    return [Rectangle(x, edge - 0.5, width, 1, FRAME) for edge in (y, y + height)]


def _draw_time_lines(score: Score, layout: Layout, system: System) -> list[Shape]:
    """Return bar lines with their numbers and, where there is room, beat lines."""
    shapes: list[Shape] = []
    beat = score.tpq
    if beat * layout.pixels_per_tick >= 2 * MIN_LINE_GAP:
        for start, end in pairwise(system.bars.tolist()):
            for tick in range(start + beat, end, beat):
                shapes += _time_line(layout, system, tick, BEAT_LINE)
    last_line_x = last_label_x = -np.inf
    for offset, tick in enumerate(system.bars.tolist()):
        x = layout.x(system, tick)
        if x - last_line_x >= MIN_LINE_GAP or tick == system.end:
            shapes += _time_line(layout, system, tick, BAR_LINE)
            last_line_x = x
        if x - last_label_x >= MIN_LABEL_GAP and tick < system.end:
            number = str(system.first_bar + offset + 1)  # people count from 1
            shapes.append(Label(x + 4, system.top - 6, number, 11, FAINT_TEXT))
            last_label_x = x
    return shapes


def _time_line(layout: Layout, system: System, tick: int, colour: str) -> list[Shape]:
    """Return a vertical line through the pitches and one through the drums."""
    x = layout.x(system, tick) - 0.5
    return [Rectangle(x, y, 1, height, colour) for y, height in layout.lanes(system)]


def _draw_split(layout: Layout, system: System) -> list[Shape]:
    """Return the line where the bars that were written begin, and who wrote what."""
    assert layout.split is not None
    x = layout.x(system, layout.split[0])
    top = system.top - BAR_LABEL_HEIGHT - SPLIT_LABEL_HEIGHT + 4
    baseline = top + 12
    return [
        Rectangle(x - 1, top, 2, layout.plot_height + system.top - top, SPLIT_COLOUR),
        Label(x - 7, baseline, "prompt", 14, PROMPT_SHADES[0], "end"),
        Label(x + 7, baseline, "Sideman", 14, SPLIT_COLOUR),
    ]


def _system_width(layout: Layout, system: System) -> float:
    return layout.x(system, system.end) - layout.left


# ------------------------------------------------------------------------ drawing


def _shape_to_svg(shape: Shape) -> str:
    if isinstance(shape, Label):
        return (
            f'<text x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}" '
            f'fill="{shape.colour}" text-anchor="{shape.anchor}">{escape(shape.text)}</text>'
        )
    optional = "".join(
        [
            f" class={quoteattr(shape.kind)}" if shape.kind else "",
            f' fill-opacity="{shape.opacity:.2f}"' if shape.opacity < 1 else "",
            f' rx="{shape.radius:g}"' if shape.radius else "",
        ]
    )
    return (
        f'<rect x="{shape.x:.2f}" y="{shape.y:.2f}" width="{shape.width:.2f}" '
        f'height="{shape.height:.2f}" fill="{shape.colour}"{optional}/>'
    )


def _shapes_to_image(shapes: Sequence[Shape], size: tuple[int, int]) -> Image.Image:
    """Return shapes drawn large and reduced: edges between pixels come out smooth."""
    width, height = size
    image = Image.new("RGB", (width * SUPERSAMPLING, height * SUPERSAMPLING), PAPER)
    canvas = ImageDraw.Draw(image, "RGBA")
    for shape in shapes:
        if isinstance(shape, Label):
            _paint_label(canvas, shape)
        else:
            _paint_rectangle(canvas, shape)
    return image.resize(size, Image.Resampling.LANCZOS)


_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}  # as Pillow calls them


def _paint_label(canvas: ImageDraw.ImageDraw, label: Label) -> None:
    # The font inside Pillow: the same picture on every machine.
    font = ImageFont.load_default(label.size * SUPERSAMPLING)
    at = (label.x * SUPERSAMPLING, label.y * SUPERSAMPLING)
    canvas.text(at, label.text, fill=label.colour, font=font, anchor=_ANCHORS[label.anchor])


def _paint_rectangle(canvas: ImageDraw.ImageDraw, rectangle: Rectangle) -> None:
    left, top = round(rectangle.x * SUPERSAMPLING), round(rectangle.y * SUPERSAMPLING)
    right = max(round((rectangle.x + rectangle.width) * SUPERSAMPLING), left + 1)
    bottom = max(round((rectangle.y + rectangle.height) * SUPERSAMPLING), top + 1)
    fill = (*_channels(rectangle.colour), round(255 * rectangle.opacity))
    box = (left, top, right - 1, bottom - 1)  # Pillow counts the last pixel in
    if rectangle.radius:
        canvas.rounded_rectangle(box, rectangle.radius * SUPERSAMPLING, fill=fill)
    else:
        canvas.rectangle(box, fill=fill)
