"""Charts: numbers in, markup out, in SVG where bars of HTML will not do.

Every name is escaped here, and every picture says in words what is to be seen. The colours come
from the page, by class.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from sideman.corpus.words import compact, more, percent, plural, shorten
from sideman.score.harmony import N_PITCH_CLASSES

MAX_LETTERS = 90
"""Most letters of a path or a name; longer ones are cut in the middle."""

MAX_ROWS = 24
"""Most rows of a list of bars; how many more there are is said."""

NOTHING = '<p class="quiet">There is nothing.</p>'

CHART_WIDTH, CHART_HEIGHT = 360, 150
PLOT_TOP, PLOT_BOTTOM = 18, 126
LETTER_WIDTH = 6.5
"""Mean width of a letter of an axis, in units of a chart."""

WHEEL_SIZE = 320
WHEEL_RADII = (152.0, 104.0, 60.0)
"""Outer edge of the majors, their inner edge, inner edge of the minors."""

ROLL_WIDTH = 2000
MIN_ROWS = 20
MIN_DRUM_ROWS = 10
"""Fewest rows of a roll, and of one of drums alone, so that notes are not drawn too thick."""

STROKE_WIDTH = 9
"""How long a drum stroke is drawn: it has no length."""


def text(name: str) -> str:
    """Return a name from anywhere as it may stand in a page: visible, not too long, escaped."""
    return escape(shorten(name, MAX_LETTERS))


def sharp(name: str) -> str:
    """Return the name of a key or pitch with musical signs: `B♭ minor`, `F♯`."""
    return name[:1] + name[1:2].replace("b", "♭").replace("#", "♯") + name[2:]


# ---------------------------------------------------------------- bars and tables


def stacked(counts: Mapping[str, int], unit: str) -> str:
    """Return one bar cut into shares, with a legend that says them."""
    total = sum(counts.values())
    found = {name: n for name, n in counts.items() if n}
    if not found:
        return NOTHING
    segments, entries = [], []
    for index, (name, n) in enumerate(found.items()):
        title = f"{name}: {plural(n, unit)} ({percent(n, total)})"
        segments.append(
            f'<span class="shade-{index}" style="flex-grow:{n}" title="{escape(title)}"></span>'
        )
        entries.append(
            f'<li><span class="swatch shade-{index}"></span>{escape(name)} '
            f"<b>{n:,}</b> <small>{escape(percent(n, total))}</small></li>"
        )
    return (
        f'<div class="stacked" aria-hidden="true">{"".join(segments)}</div>'
        f'<ul class="legend">{"".join(entries)}</ul>'
    )


def bars(
    counts: Mapping[str, int], unit: str, *, limit: int = MAX_ROWS, layout: str = "bars"
) -> str:
    """Return a list with a bar for each count."""
    found = {name: n for name, n in counts.items() if n}
    if not found:
        return NOTHING
    items = [bar(name, n, max(found.values()), unit) for name, n in list(found.items())[:limit]]
    if len(found) > limit:
        rest = sum(list(found.values())[limit:])
        items.append(f'<li class="quiet">{more(len(found) - limit)}: {compact(rest)}</li>')
    return f'<ul class="{layout}">{"".join(items)}</ul>'


def bar(name: str, n: int, largest: int, unit: str, note: str = "") -> str:
    """Return an item of a list of bars; `note` stands below it."""
    below = f"<small>{escape(note)}</small>" if note else ""
    return (
        f'<li title="{plural(n, unit)}"><span class="name">{text(name)}</span>'
        f'<span class="number">{compact(n)}</span>{track(n, largest)}{below}</li>'
    )


def track(n: float, largest: float) -> str:
    """Return a line that is filled as far as `n` is a share of `largest`."""
    fill = f'<span style="width:{100 * n / largest:.1f}%"></span>' if n else ""
    return f'<span class="track">{fill}</span>'


def scrolling(table: str, label: str) -> str:
    """Return a table that can be moved sideways on a narrow screen, with the keyboard too."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{table}</div>'


def heat_table(
    caption: str,
    rows: Mapping[str, Mapping[str, int]],
    columns: Sequence[str],
    *,
    row: str,
    unit: str,
) -> str:
    """Return a table that says and shows which share of each row falls to which column.

    Args:
        caption: What the table tells.
        rows: Counts by the name of the row, then of the column; no row is empty.
        columns: Their names, in order.
        row: What a row is, such as `"Style"`.
        unit: What is counted, such as `"part"`.
    """
    heads = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    body = "".join(
        f'<tr><th scope="row">{text(name) or "—"}</th>{_heat_cells(counts, columns, unit)}</tr>'
        for name, counts in rows.items()
    )
    return (
        f'<table class="heat"><caption>{caption}</caption><thead><tr><th scope="col">{row}</th>'
        f'{heads}<th scope="col">{unit}s</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _heat_cells(counts: Mapping[str, int], columns: Sequence[str], unit: str) -> str:
    total = sum(counts.values())
    cells = "".join(
        f'<td style="--heat:{counts.get(name, 0) / total:.2f}" title="'
        f'{plural(counts.get(name, 0), unit)}">'
        f"{escape(percent(counts[name], total)) if counts.get(name) else '·'}</td>"
        for name in columns
    )
    return f"{cells}<td>{total:,}</td>"


# ----------------------------------------------------------------------- pictures


def columns(
    title: str,
    line: str,
    counts: Mapping[str, int],
    unit: str,
    *,
    ticks: Collection[str] | None = None,
) -> str:
    """Return counts as columns side by side; empty ones at both ends are left out.

    Args:
        title: What is on the axis.
        line: What is to be seen.
        counts: How often each value occurs, in order.
        unit: What is counted, such as `"note"`.
        ticks: Values to write below the axis. None: as many as there is room for.
    """
    used = [index for index, n in enumerate(counts.values()) if n]
    if not used:
        return _chart(title, "", NOTHING)
    shown = list(counts.items())[used[0] : used[-1] + 1]
    total, largest = sum(counts.values()), max(counts.values())
    width = CHART_WIDTH / len(shown)
    if ticks is None:
        longest = max(len(_tick(label)) for label, _ in shown) + 1
        ticks = [label for label, _ in shown[:: math.ceil(longest * LETTER_WIDTH / width)]]
    shapes = []
    for index, (label, n) in enumerate(shown):
        x = index * width
        height = (PLOT_BOTTOM - PLOT_TOP) * n / largest
        tip = f"{label}: {plural(n, unit)} ({percent(n, total)})"
        shapes.append(
            f'<g class="column"><title>{escape(tip)}</title>'
            f'<rect class="hit" x="{x:.1f}" y="{PLOT_TOP}" width="{width:.1f}" '
            f'height="{PLOT_BOTTOM - PLOT_TOP}"/>'
            f'<rect x="{x + width * 0.06:.1f}" y="{PLOT_BOTTOM - height:.1f}" '
            f'width="{width * 0.88:.1f}" height="{height:.1f}"/></g>'
        )
        if label in ticks:
            shapes.append(_tick_text(label, x + width / 2, PLOT_BOTTOM + 16))
    svg = (
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" role="img" '
        f'aria-label="{escape(f"{title}: {line}")}">'
        f'<path class="line" d="M0 {PLOT_TOP}H{CHART_WIDTH}M0 {PLOT_BOTTOM}H{CHART_WIDTH}"/>'
        f'<text x="{CHART_WIDTH}" y="{PLOT_TOP - 6}" text-anchor="end">{compact(largest)}'
        f"</text>{''.join(shapes)}</svg>"
    )
    return _chart(title, line, svg)


def _chart(title: str, line: str, content: str, *, layout: str = "") -> str:
    """Return a picture with its title and a line that says what is to be seen."""
    return (
        f'<figure class="card chart {layout}"><figcaption><h3>{title}</h3>'
        f"<p>{escape(line)}</p></figcaption>{content}</figure>"
    )


def _tick(label: str) -> str:
    """Return a label as short as it goes: where a column begins.

    Example:
        >>> [_tick(label) for label in ("under 30", "30–40", "250 or more")]
        ['<30', '30', '250+']
    """
    return label.replace("under ", "<").replace(" or more", "+").split("–")[0]


def _tick_text(label: str, x: float, y: float) -> str:
    tick = _tick(label)
    half = len(tick) * LETTER_WIDTH / 2
    x = min(max(x, half), CHART_WIDTH - half)
    return f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{escape(tick)}</text>'


def key_wheel(counts: Mapping[str, int], unit: str) -> str:
    """Return the keys round the circle of fifths, majors outside, relative minors inside.

    Args:
        counts: How often each key occurs: 12 majors, then their relative minors, such as
            `"Bb major"`, each a fifth above the last.
        unit: What is counted, such as `"piece"`.
    """
    total, largest = sum(counts.values()), max(counts.values())
    if not total:
        return _chart("Key", "", NOTHING)
    sectors = []
    for index, (key, n) in enumerate(counts.items()):
        ring, fifths = divmod(index, N_PITCH_CLASSES)
        outer, inner = WHEEL_RADII[ring], WHEEL_RADII[ring + 1]
        tonic, mode = sharp(key).split(" ")
        tip = f"{tonic} {mode}: {plural(n, unit)} ({percent(n, total)})"
        x, y = _on_wheel((outer + inner) / 2, fifths)
        sectors.append(
            f'<g class="heat" style="--heat:{n / largest:.2f}"><title>{escape(tip)}</title>'
            f'<path d="{_sector(outer, inner, fifths)}"/><text x="{x:.1f}" y="{y + 4.5:.1f}" '
            f'text-anchor="middle">{tonic}{"m" if mode == "minor" else ""}</text></g>'
        )
    best = sharp(max(counts, key=counts.__getitem__))
    line = f"most often {best}, {percent(largest, total)} of the {unit}s"
    svg = (
        f'<svg class="wheel" viewBox="0 0 {WHEEL_SIZE} {WHEEL_SIZE}" role="img" '
        f'aria-label="{escape(f"Keys round the circle of fifths: {line}")}">{"".join(sectors)}'
        "</svg>"
    )
    return _chart("Key", line, svg, layout="high")


def _on_wheel(radius: float, fifths: float) -> tuple[float, float]:
    """Return the point so many fifths clockwise from the top."""
    angle = 2 * math.pi * fifths / N_PITCH_CLASSES
    centre = WHEEL_SIZE / 2
    return centre + radius * math.sin(angle), centre - radius * math.cos(angle)


def _sector(outer: float, inner: float, fifths: int) -> str:
    (x1, y1), (x2, y2) = (_on_wheel(outer, fifths + side) for side in (-0.5, 0.5))
    (x3, y3), (x4, y4) = (_on_wheel(inner, fifths + side) for side in (0.5, -0.5))
    return (
        f"M{x1:.1f} {y1:.1f}A{outer:g} {outer:g} 0 0 1 {x2:.1f} {y2:.1f}"
        f"L{x3:.1f} {y3:.1f}A{inner:g} {inner:g} 0 0 0 {x4:.1f} {y4:.1f}Z"
    )


def roll(
    notes: NDArray[np.int64],
    length_ms: int,
    bars_ms: Iterable[int],
    roles: Sequence[str],
    is_drum: Sequence[bool],
) -> str:
    """Return a piano roll, one path for each role; drums lie below the others.

    Args:
        notes: Onset and length in ms, pitch, velocity, part; shape (N, 5).
        length_ms: How long the roll lasts.
        bars_ms: Where bar lines are.
        roles: Of each part; they say the colours.
        is_drum: Of each part.
    """
    of_drums = np.array(is_drum, bool)[notes[:, 4]]
    rows, n_rows = _rows(notes[~of_drums, 2], notes[of_drums, 2])
    paths: dict[str, list[str]] = {}
    scale = ROLL_WIDTH / max(length_ms, 1)
    for onset, length, pitch, _, part in notes.tolist():
        y = rows[pitch, is_drum[part]] + 0.5
        width = STROKE_WIDTH if is_drum[part] else max(round(length * scale) - 2, 3)
        paths.setdefault(roles[part], []).append(f"M{round(onset * scale)} {y}h{width}")
    drawn = "".join(
        f'<path class="role-{role}" d="{"".join(moves)}"/>' for role, moves in paths.items()
    )
    lines = "".join(f"M{round(bar * scale)} 0V{n_rows}" for bar in bars_ms)
    label = f"Piano roll of {plural(len(notes), 'note')}: {', '.join(paths)}"
    return (
        f'<svg viewBox="0 0 {ROLL_WIDTH} {n_rows}" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}"><path class="lines" d="{lines}"/>{drawn}</svg>'
    )


def _rows(
    pitches: NDArray[np.int64], strokes: NDArray[np.int64]
) -> tuple[dict[tuple[int, bool], int], int]:
    """Return the row of each pitch and drum piece, from the top, and the number of rows."""
    drums = np.unique(strokes)
    rows: dict[tuple[int, bool], int] = {}
    if len(pitches):
        low, high = int(pitches.min()), int(pitches.max())
        margin = max(MIN_ROWS - (high - low + 1), 2) // 2
        rows = {(pitch, False): high + margin - pitch for pitch in range(low, high + 1)}
        n_rows = high - low + 1 + 2 * margin
    else:
        n_rows = max(MIN_DRUM_ROWS - len(drums), 0) // 2
    for row, pitch in enumerate(drums[::-1].tolist()):
        rows[pitch, True] = n_rows + row
    return rows, max(n_rows + len(drums), MIN_DRUM_ROWS)
