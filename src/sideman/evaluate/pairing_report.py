"""The page of a comparison: two bundles side by side, and where one is nearer to the music."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from sideman.corpus import charts as corpus_charts
from sideman.corpus.words import plural
from sideman.evaluate.charts import interval, number
from sideman.evaluate.page import (
    Section,
    facts,
    figure_list,
    glossary,
    listed,
    metric_link,
    subject_facts,
    task_title,
    write_page,
)
from sideman.evaluate.pairing import FORETELLING, N_FLIPS, SIGNIFICANT, Comparison, Pair
from sideman.evaluate.results import Figure

COMPARISON_NAME = "comparison.html"


def write_comparison(comparison: Comparison, out: Path) -> None:
    """Write the page of a comparison, whole or not at all; one that is there is replaced."""
    one, other = comparison.names
    by_task: dict[str, list[Pair]] = {}
    for pair in comparison.pairs:
        by_task.setdefault(pair.task, []).append(pair)
    counts = [sum(pair.verdict == side for pair in comparison.pairs) for side in "ab"]
    write_page(
        out,
        over="Comparison",
        headline=f"{one} against {other}",
        lede=(
            f"Both answered the same {plural(len(comparison.a.prompts), 'prompt')}. Of "
            f"{plural(len(comparison.pairs), 'row')} {one} is better in {counts[0]}, {other} "
            f"in {counts[1]}; in the others nothing can be told."
        ),
        figures=_figures(comparison, counts),
        sections=[
            Section("summary", "In short", _summary(comparison)),
            *(
                Section(task, _title(task), _table(comparison, task, pairs))
                for task, pairs in by_task.items()
            ),
            Section(
                "metrics",
                "What the figures tell",
                glossary(dict.fromkeys(pair.metric for pair in comparison.pairs)),
            ),
            Section("setup", "How it was measured", _setup(comparison)),
        ],
    )


def _title(task: str) -> str:
    return "Foretelling" if task == FORETELLING else task_title(task)


def _figures(comparison: Comparison, counts: Sequence[int]) -> str:
    bits = [of.likelihood.total.bits.value for of in (comparison.a, comparison.b)]
    one, other = comparison.names
    return figure_list(
        {
            f"bits a note, {one}": number(bits[0]),
            f"bits a note, {other}": number(bits[1]),
            f"rows for {one}": str(counts[0]),
            f"rows for {other}": str(counts[1]),
            "rows that tie": str(len(comparison.pairs) - sum(counts)),
        }
    )


def _summary(comparison: Comparison) -> str:
    said = []
    for side, name in zip("ab", comparison.names, strict=True):
        rows = [
            f"{metric_link(pair.metric)} ({_title(pair.task).lower()})"
            for pair in comparison.pairs
            if pair.verdict == side
        ]
        where = f"is better in {listed(rows)}" if rows else "is better in no row"
        said.append(f"<b>{corpus_charts.text(name)}</b> {where}.")
    return (
        f'<p class="glance">{" ".join(said)}</p>{_too_few(comparison)}'
        "<p>In each row the gaps of the two, how far each is from the real music, are "
        "subtracted prompt by prompt. The p-value is how often so large a mean difference "
        f"comes out when the sign of each is drawn by lot ({N_FLIPS:,} times). All p-values "
        "are corrected together for the number of rows (Holm 1979): below "
        f"{SIGNIFICANT:g} one is called better. The intervals are those of a row alone "
        "(bootstrap over prompts, 95 %), so some leave 0 out in rows that tie.</p>"
    )


def _too_few(comparison: Comparison) -> str:
    """Say so where no row could have come out, however different the two were.

    Of n differences all signs agree by chance in 2 of 2^n flips.
    """
    most = max(
        (pair.difference.n for pair in comparison.pairs if pair.task != FORETELLING), default=0
    )
    if 2.0 ** (1 - most) * len(comparison.pairs) < SIGNIFICANT:
        return ""
    return (
        f"<p><b>{plural(most, 'prompt')} of a task are too few</b> to tell anything in "
        f"{plural(len(comparison.pairs), 'row')}: ask more.</p>"
    )


def _table(comparison: Comparison, task: str, pairs: Sequence[Pair]) -> str:
    names = [corpus_charts.text(name) for name in comparison.names]
    what = "bits" if task == FORETELLING else "gap"
    heads = [
        *(f"{what}, {name}" for name in names),
        "difference",
        "p",
        "p, corrected",
        "better",
    ]
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    body = "".join(
        f'<tr><th scope="row">{metric_link(pair.metric)}</th>'
        f"{_figure(pair.a)}{_figure(pair.b)}{_figure(pair.difference)}"
        f"<td>{_chance(pair.p)}</td><td>{_chance(pair.corrected)}</td>"
        f"<td>{_better(pair, names)}</td></tr>"
        for pair in pairs
    )
    table = (
        f'<table class="metrics"><thead><tr><th scope="col">Figure</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )
    about = (
        "Bits a note over the styles, each counting once; lower is better."
        if task == FORETELLING
        else f"Gaps; below 0 in the difference {names[0]} is nearer to the real music."
    )
    return (
        f"<p>{about}</p>"
        f'<div class="card wide-card">{corpus_charts.scrolling(table, _title(task))}</div>'
    )


def _figure(figure: Figure) -> str:
    return f"<td><b>{number(figure.value)}</b><small>{interval(figure)}</small></td>"


def _chance(p: float) -> str:
    least = 0.001
    return f"&lt; {least:g}" if p < least else f"{p:.3f}"


def _better(pair: Pair, names: Sequence[str]) -> str:
    if pair.verdict == "ties":
        return '<span class="badge ties">= ties</span>'
    side = "ab".index(pair.verdict)
    return f'<span class="badge {("beats", "loses")[side]}">{"▲▼"[side]} {names[side]}</span>'


def _setup(comparison: Comparison) -> str:
    notes = {note: None for of in (comparison.a, comparison.b) for note in of.notes}
    remarks = "".join(f"<li>{escape(note)}.</li>" for note in notes)
    settings = comparison.a.settings
    asked = {
        "Tasks": listed([_title(task) for task in settings.tasks]),
        "Seed": str(settings.seed),
    }
    return (
        "".join(
            f"<h3>{corpus_charts.text(name)}</h3>{facts(subject_facts(of.subject))}"
            for name, of in zip(comparison.names, (comparison.a, comparison.b), strict=True)
        )
        + f"<h3>Both</h3>{facts(asked)}"
        + f'<ul class="remarks">{remarks}</ul>' * bool(notes)
    )
