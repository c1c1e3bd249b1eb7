"""What pages of an evaluation have in common: the frame, and metrics in words.

A page is whole in itself: style, script, charts and sound are in the file, and nothing is
loaded from anywhere. `report.html` beside this module is the page, with names where the rest
goes. Names of bundles, pieces and styles may hold anything and are escaped on their way in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from sideman.evaluate.judging import BITS, SHARED
from sideman.evaluate.metrics import (
    ASKED_METRICS,
    PIECE_METRICS,
    SET_METRICS,
    Metric,
)
from sideman.evaluate.results import Subject
from sideman.files import whole_file

TEMPLATE_NAME = "report.html"

METRICS: Mapping[str, Metric] = {
    metric.name: metric for metric in (*PIECE_METRICS, *ASKED_METRICS, *SET_METRICS)
}

TASK_WORDS = {
    "continue": ("Continue", "Eight bars are known, the next eight are written."),
    "infill": ("Infill", "Four bars on either side are known, the four between are written."),
    "accompany": ("Accompany", "One part is known, all others are written for eight bars."),
    "chart": ("Chart", "Chords and players of eight bars are known, every note is written."),
}
"""What each task is called, and what it is."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page that the list at its head leads to.

    Attributes:
        id: Where links go.
        title: Its heading.
        body: Markup.
    """

    id: str
    title: str
    body: str


def write_page(
    out: Path, *, over: str, headline: str, lede: str, figures: str, sections: Sequence[Section]
) -> None:
    """Write a page, whole or not at all; one that is there is replaced.

    Args:
        out: The page.
        over: What kind of page it is.
        headline: What was found, in a few words.
        lede: The same in a sentence or two.
        figures: Markup of `figure_list`.
        sections: All that follows.
    """
    template = Template(Path(__file__).with_name(TEMPLATE_NAME).read_text(encoding="utf-8"))
    text = template.substitute(
        title=escape(f"{over}: {headline}"),
        over=escape(over),
        headline=escape(headline),
        lede=escape(lede),
        figures=figures,
        nav="".join(f'<li><a href="#{part.id}">{part.title}</a></li>' for part in sections),
        sections="".join(
            f'<section id="{part.id}"><h2>{part.title}</h2>{part.body}</section>'
            for part in sections
        ),
    )
    with whole_file(out) as part_of_page:
        part_of_page.write_text(text, encoding="utf-8", newline="\n")


def figure_list(figures: Mapping[str, str]) -> str:
    """Return large figures by what they are."""
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in figures.items()
    )


def facts(rows: Mapping[str, str]) -> str:
    """Return a list of what is known, by name."""
    items = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items()
    )
    return f'<dl class="facts">{items}</dl>'


def subject_facts(subject: Subject) -> dict[str, str]:
    """Return what was evaluated, on what and where."""
    return {
        "Bundle": f"{subject.bundle}, {subject.bundle_hash}",
        "Weights": f"{subject.parameters:,} ({subject.precision})",
        "Corpus": f"{subject.corpus}, {subject.corpus_hash}, {subject.split} split",
        "Sideman": subject.sideman,
        "Machine": ", ".join(f"{name} {value}" for name, value in subject.machine.items()),
    }


def task_title(task: str) -> str:
    """Return what a task is called on a page."""
    return TASK_WORDS[task][0] if task in TASK_WORDS else task


# ------------------------------------------------------------------------- metrics


def metric_label(name: str) -> str:
    """Return the name of a metric as it is read, such as `pitch range`."""
    return name.replace("_", " ").replace("ngram", "n-gram").replace("frechet", "Fréchet")


def metric_link(name: str) -> str:
    """Return the name of a metric, which leads to what it tells."""
    tells = escape(metric_tells(name), quote=True)
    return f'<a href="#metric-{name}" title="{tells}">{metric_label(name)}</a>'


def metric_unit(name: str) -> str:
    """Return the unit of a metric."""
    if name == BITS:
        return "bits per note"
    return "share" if name.startswith(SHARED) else METRICS[name].unit


def metric_tells(name: str) -> str:
    """Return what a metric tells a musician."""
    if name == BITS:
        return (
            "How surprising the evaluated model finds the notes: of its own, how typical they "
            "are; of others', how well it understands them."
        )
    if name.startswith(SHARED):
        of = metric_label(name.removeprefix(SHARED))
        return f"How far the histogram of {of} lies over that of the real bars; 1 is the same."
    return METRICS[name].tells


def glossary(names: Iterable[str]) -> str:
    """Return what each metric tells, with its unit and its source."""
    items = "".join(
        f'<div id="metric-{name}"><dt>{metric_label(name)} '
        f"<small>{escape(metric_unit(name))}</small></dt>"
        f"<dd>{escape(metric_tells(name))}{_source(name)}</dd></div>"
        for name in names
    )
    return f'<dl class="glossary">{items}</dl>'


def _source(name: str) -> str:
    source = METRICS[name].source if name in METRICS else "ours"
    return "" if source == "ours" else f" <small>{escape(source)}</small>"


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence.

    Example:
        >>> listed(["pitch", "rhythm", "density"])
        'pitch, rhythm and density'
    """
    if len(words) < 2:  # noqa: PLR2004 (nothing to join)
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
