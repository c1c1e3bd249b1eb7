"""Charts of an evaluation: the real music and a model over each other, in two colours.

What charts of a corpus have in common with them comes from `sideman.corpus.charts`.
"""

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from sideman.corpus import charts
from sideman.corpus.charts import (
    CHART_HEIGHT,
    CHART_WIDTH,
    LETTER_WIDTH,
    PLOT_BOTTOM,
    PLOT_TOP,
)
from sideman.evaluate.results import Figure, Reliability, Share

Values = NDArray[np.float64]

GRID_SIZE = 148
GRID_TOP = 22
GRID_LEFT = 26
"""Side of a grid, and what is kept free of its names."""

SQUARE = 200
SQUARE_MARGIN = 22
DOT_RADII = (1.5, 6.0)
"""Of a point that stands for few decisions, and for as many as any."""


def number(value: float) -> str:
    """Return a figure in two or three digits, as people write it.

    Example:
        >>> [number(value) for value in (float("nan"), -0.31, 0.0512, 12.34, 210.0, 1e-5)]
        ['–', '−0.31', '0.051', '12.3', '210', '0']
    """
    if np.isnan(value):
        return "–"
    size = abs(value)
    n_decimals = int(np.searchsorted([0.1, 10, 100], size, side="right"))
    shown = f"{size:,.{(3, 2, 1, 0)[n_decimals]}f}"
    if not float(shown.replace(",", "")):
        return "0"
    return f"−{shown}" if value < 0 else shown


def interval(figure: Figure) -> str:
    """Return the interval of a figure, such as `0.21 to 0.32`; nothing where it has none."""
    if np.isnan(figure.low):
        return ""
    return f"{number(figure.low)} to {number(figure.high)}"


def picture(title: str, line: str, content: str, *, layout: str = "") -> str:
    """Return a picture with its title and a line that says what is to be seen."""
    return (
        f'<figure class="card chart {layout}"><figcaption><h4>{escape(title)}</h4>'
        f"<p>{escape(line)}</p></figcaption>{content}</figure>"
    )


def overlaid(
    title: str, line: str, labels: Sequence[str], shares: tuple[Values, Values], model: str
) -> str:
    """Return two histograms over each other; bins empty in both are left out at the ends.

    Args:
        title: What is on the axis.
        line: What is to be seen.
        labels: Of the bins; one that ends in `*` is written below the axis, without it.
        shares: Of the real music and of the model, each of shape (B,) and summing to 1.
        model: Its name.
    """
    used = np.flatnonzero(shares[0] + shares[1])
    shown = range(int(used[0]), int(used[-1]) + 1)
    real, other = (of[shown.start : shown.stop] for of in shares)
    largest = float(max(real.max(), other.max()))
    width = CHART_WIDTH / len(shown)
    scale = (PLOT_BOTTOM - PLOT_TOP) / largest
    shapes, outline = [], f"M0 {PLOT_BOTTOM}"
    for index, (one, two) in enumerate(zip(real.tolist(), other.tolist(), strict=True)):
        x, label = index * width, labels[shown[index]]
        tip = f"{label.rstrip('*')}: real {one:.1%}, {model} {two:.1%}"
        shapes.append(
            f'<g class="column"><title>{escape(tip)}</title><rect class="hit" x="{x:.1f}" '
            f'y="{PLOT_TOP}" width="{width:.1f}" height="{PLOT_BOTTOM - PLOT_TOP}"/>'
            f'<rect class="of-real" x="{x + 0.06 * width:.1f}" '
            f'y="{PLOT_BOTTOM - one * scale:.1f}" width="{0.88 * width:.1f}" '
            f'height="{one * scale:.1f}"/></g>'
        )
        outline += f"V{PLOT_BOTTOM - two * scale:.1f}H{x + width:.1f}"
        if label.endswith("*"):
            shapes.append(_tick(label[:-1], x + width / 2))
    svg = (
        f'<svg viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" role="img" '
        f'aria-label="{escape(f"{title}: {line}")}">'
        f'<path class="line" d="M0 {PLOT_TOP}H{CHART_WIDTH}M0 {PLOT_BOTTOM}H{CHART_WIDTH}"/>'
        f'<text x="{CHART_WIDTH}" y="{PLOT_TOP - 6}" text-anchor="end">{largest:.0%}</text>'
        f'{"".join(shapes)}<path class="outline" d="{outline}V{PLOT_BOTTOM}"/></svg>'
    )
    return picture(title, line, svg)


def _tick(label: str, x: float) -> str:
    half = len(label) * LETTER_WIDTH / 2
    x = min(max(x, half), CHART_WIDTH - half)
    return f'<text x="{x:.1f}" y="{PLOT_BOTTOM + 16}" text-anchor="middle">{label}</text>'


def grids(
    title: str, line: str, names: Sequence[str], shares: tuple[Values, Values], model: str
) -> str:
    """Return two grids side by side, a row for where a move begins, a column for where it ends.

    Args:
        title: What is to be seen.
        line: The same in words.
        names: Of rows and columns.
        shares: Of the real music and of the model, each of shape (N, N) and summing to 1.
        model: Its name.
    """
    largest = float(max(of.max() for of in shares))
    cell = GRID_SIZE / len(names)
    shapes = []
    for place, (kind, of, name) in enumerate(
        zip(("real", "model"), shares, ("real", model), strict=True)
    ):
        left = GRID_LEFT + place * (CHART_WIDTH - GRID_SIZE - GRID_LEFT)
        shapes.append(f'<text x="{left}" y="12">{charts.text(name)}</text>')
        shapes.append(
            f'<rect class="line hollow" x="{left}" y="{GRID_TOP}" width="{GRID_SIZE}" '
            f'height="{GRID_SIZE}"/>'
        )
        for row, start in enumerate(names):
            y = GRID_TOP + row * cell
            if place == 0:
                shapes.append(f'<text x="0" y="{y + cell - 2:.1f}" class="fine">{start}</text>')
            shapes += [
                f'<rect class="of-{kind}" x="{left + column * cell:.1f}" y="{y:.1f}" '
                f'width="{cell - 0.8:.1f}" height="{cell - 0.8:.1f}" '
                f'fill-opacity="{share / largest:.2f}"><title>{start} to {end}: {share:.1%}'
                "</title></rect>"
                for column, (end, share) in enumerate(zip(names, of[row].tolist(), strict=True))
                if share > 0
            ]
    svg = (
        f'<svg viewBox="0 0 {CHART_WIDTH} {GRID_TOP + GRID_SIZE + 4}" role="img" '
        f'aria-label="{escape(f"{title}: {line}")}">{"".join(shapes)}</svg>'
    )
    return picture(title, line, svg)


def bits(title: str, line: str, shares: Sequence[Share]) -> str:
    """Return bits a note as bars with their intervals, in the order given."""
    figures = [share.bits for share in shares]
    ends = [end for figure in figures for end in (figure.value, figure.high)]
    largest = max((end for end in ends if not np.isnan(end)), default=1.0) or 1.0
    items = "".join(_bits_item(share, largest) for share in shares)
    return picture(title, line, f'<ul class="bars">{items}</ul>')


def _bits_item(share: Share, largest: float) -> str:
    whisker = ""
    if not np.isnan(share.bits.low):
        left, right = (100 * end / largest for end in (share.bits.low, share.bits.high))
        whisker = f'<i style="left:{left:.1f}%;width:{right - left:.1f}%"></i>'
    filled = charts.track(share.bits.value, largest)
    return (
        f'<li title="{share.n_notes:,} notes"><span class="name">'
        f"{charts.text(share.name.replace('_', ' ')) or 'no style'}</span>"
        f'<span class="number"><b>{number(share.bits.value)}</b> {interval(share.bits)}</span>'
        f'<span class="whiskered">{filled}{whisker}</span></li>'
    )


def reliability(title: str, found: Sequence[Reliability]) -> str:
    """Return how often the likeliest value comes true, by how likely the model calls it.

    Args:
        title: The attribute.
        found: Without masks and with them; on the diagonal a model knows what it knows.
    """
    side = SQUARE - SQUARE_MARGIN
    shapes = [
        f'<path class="line" d="M{SQUARE_MARGIN} {side}H{SQUARE}M{SQUARE_MARGIN} {side}V0"/>',
        f'<path class="diagonal" d="M{SQUARE_MARGIN} {side}L{SQUARE} 0"/>',
    ]
    for share in (0, 0.5, 1):
        x, y = _in_square(share, share)
        anchor = {0: "start", 0.5: "middle", 1: "end"}[share]
        shapes.append(
            f'<text x="{x}" y="{SQUARE - 6}" text-anchor="{anchor}">{share:.0%}</text>'
        )
        if share:
            shapes.append(
                f'<text x="{SQUARE_MARGIN - 4}" y="{y + 10}" text-anchor="end">'
                f"{share:.0%}</text>"
            )
    shapes += [_reliability_line(one) for one in found]
    plain = found[0]
    line = f"off by {plain.error:.1%}; {_sureness(plain)}"
    svg = (
        f'<svg viewBox="-14 -8 {SQUARE + 22} {SQUARE + 8}" role="img" '
        f'aria-label="{escape(f"{title}: {line}")}">{"".join(shapes)}</svg>'
    )
    return picture(title, line, svg)


SURE_ENOUGH = 0.03
"""Share by which expected bits may be off and still be said to be about right."""


def _sureness(found: Reliability) -> str:
    """Say whether a model is too sure of itself."""
    off = found.expected_bits - found.observed_bits
    if abs(off) <= SURE_ENOUGH * found.observed_bits:
        return "as sure as it should be"
    return "too sure of itself" if off < 0 else "not sure enough of itself"


def _in_square(share: float, height: float) -> tuple[float, float]:
    side = SQUARE - SQUARE_MARGIN
    return SQUARE_MARGIN + share * side, side - height * side


def _reliability_line(found: Reliability) -> str:
    smallest, widest = DOT_RADII
    kind = "masked" if found.is_masked else "unmasked"
    points, dots = [], []
    for n, sure, right in zip(found.counts, found.confidence, found.accuracy, strict=True):
        if n:
            x, y = _in_square(sure, right)
            radius = smallest + (widest - smallest) * (n / max(found.counts)) ** 0.5
            points.append(f"{x:.1f} {y:.1f}")
            dots.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"><title>{n:,} decisions: '
                f"called {sure:.0%} likely, true in {right:.0%}</title></circle>"
            )
    return f'<g class="{kind}"><path d="M{"L".join(points)}"/>{"".join(dots)}</g>'
