"""The report of an evaluation: one page to read, to look at and to listen to.

It says first what was not reached. The same results give the same page, sound apart.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import numpy as np

from sideman.corpus import charts as corpus_charts
from sideman.corpus.words import plural
from sideman.evaluate import charts
from sideman.evaluate.charts import interval, number
from sideman.evaluate.distances import overlap
from sideman.evaluate.metrics import HISTOGRAMS
from sideman.evaluate.page import (
    TASK_WORDS,
    Section,
    facts,
    figure_list,
    glossary,
    listed,
    metric_label,
    metric_link,
    subject_facts,
    task_title,
    write_page,
)
from sideman.evaluate.results import (
    REAL,
    Duel,
    Likelihood,
    Reliability,
    Results,
    Row,
    Share,
)
from sideman.evaluate.rhythm import LENGTHS
from sideman.evaluate.shown_takes import ShownTakes, Sound
from sideman.evaluate.summary import CHIEF_RIVAL
from sideman.score.harmony import N_PITCH_CLASSES, PITCH_CLASS_NAMES

REPORT_NAME = "report.html"

N_NAMED = 3
"""Rows that are named as the best and as the worst."""

VERDICTS = ("beats", "ties", "loses")

MARKS = {"beats": "▲", "ties": "=", "loses": "▼"}
"""Signs of the verdicts: colour alone tells some readers nothing."""

HISTOGRAM_TITLES = {
    "pitch": "Pitch",
    "pitch_class": "Pitch class",
    "pitch_class_transitions": "Moves, from row to column",
    "duration": "Length of notes, in quarters",
    "inter_onset": "From attack to attack, in quarters",
}

LENGTHS_PER_TICK = 4
"""Every so many classes of length one is named."""

LOWEST_OCTAVE = -1
"""Octave of MIDI note 0, where middle C (60) is C4."""


def write_report(
    results: Results, folder: Path, out: Path, *, sound: Sound | None = None
) -> None:
    """Write the report of an evaluation, whole or not at all.

    Args:
        results: What was found.
        folder: Where the takes lie, as the results name them.
        out: The page; one that is there is replaced.
        sound: Makes takes audible. None: there are pictures only.

    Raises:
        MidiFileError: If a take that is shown cannot be read.
    """
    takes = ShownTakes(results, folder, sound)
    tasks = list(dict.fromkeys(prompt.task for prompt in results.prompts))
    subject = results.subject
    write_page(
        out,
        over="Evaluation report",
        headline=_headline(results),
        lede=(
            f"{subject.bundle} answered {plural(len(results.prompts), 'prompt')} from music "
            f"that was held out (the {subject.split} split of {subject.corpus}), "
            f"{plural(results.settings.takes, 'take')} each. All are measured beside what the "
            "composer wrote there, and beside rivals that need no model."
        ),
        figures=_figures(results),
        sections=[
            Section("summary", "In short", _summary(results, tasks)),
            *(Section(task, task_title(task), _task(results, task, takes)) for task in tasks),
            Section("likelihood", "Foretelling", _likelihood(results.likelihood)),
            Section("metrics", "What the figures tell", _explained(results)),
            Section("setup", "How it was measured", _setup(results)),
        ],
    )


# ------------------------------------------------------------------------ in short


def _looked_at(results: Results) -> list[str]:
    """Return the bundle, and guests."""
    return [name for name in results.systems if name not in (REAL, *results.rivals)]


def _duels(results: Results, system: str, rival: str) -> list[Duel]:
    return [duel for duel in results.duels if (duel.system, duel.rival) == (system, rival)]


def _headline(results: Results) -> str:
    bundle = results.subject.bundle
    duels = _duels(results, bundle, CHIEF_RIVAL)
    if not duels:
        return bundle
    n_beaten = sum(duel.verdict == "beats" for duel in duels)
    return f"{bundle} beats {CHIEF_RIVAL} in {n_beaten} of {plural(len(duels), 'row')}"


def _figures(results: Results) -> str:
    total = results.likelihood.total.bits
    errors = [of.error for of in results.likelihood.reliability if of.name == "all"]
    return figure_list(
        {
            "bits a note, foretold": number(total.value),
            "calibration error": f"{errors[0]:.1%}" if errors else "–",
            "prompts": f"{len(results.prompts):,}",
            "takes, all systems": f"{len(results.takes):,}",
            "weights": f"{results.subject.parameters / 1e6:.1f} M",
            "minutes": number(results.wall_s / 60),
        }
    )


def _summary(results: Results, tasks: Sequence[str]) -> str:
    gaps = {(row.task, row.system, row.metric): row.gap.value for row in results.rows}
    said = "".join(
        _in_words(system, task, duels, gaps)
        for system in _looked_at(results)
        for task in tasks
        for duels in [[d for d in _duels(results, system, CHIEF_RIVAL) if d.task == task]]
        if duels
    )
    notes = "".join(f"<li>{escape(note)}.</li>" for note in results.notes)
    return (
        "<p>A row is one figure of one task. A system <b>beats</b> a rival in a row if it is "
        "nearer to the real music, prompt by prompt, and the 95 % interval of the difference "
        "leaves no doubt; with doubt it <b>ties</b>. Of rows that do not differ one in twenty "
        f"looks as if it did.</p>{_at_a_glance(results, gaps)}{_scores(results, tasks)}"
        f'<div class="grid verdicts">{said}</div>'
        + (f'<h3>To know beside the figures</h3><ul class="remarks">{notes}</ul>' * bool(notes))
    )


def _at_a_glance(results: Results, gaps: Mapping[tuple[str, str, str], float]) -> str:
    """Name the rows of all tasks in which the bundle is worst, and where it is best."""
    bundle = results.subject.bundle
    duels = _duels(results, bundle, CHIEF_RIVAL)
    not_beaten = _worst_first([duel for duel in duels if duel.verdict != "beats"], gaps)
    beaten = _worst_first([duel for duel in duels if duel.verdict == "beats"], gaps)
    name = corpus_charts.text(bundle)
    said = [
        f"{name} {verb} {CHIEF_RIVAL} in <b>{len(found)} of {len(duels)} rows</b>, most "
        f"clearly in {listed([_row_said(duel) for duel in rows])}."
        for verb, found, rows in (
            ("does not beat", not_beaten, not_beaten[:N_NAMED]),
            ("beats", beaten, beaten[: -N_NAMED - 1 : -1]),
        )
        if found
    ]
    return f'<p class="glance">{" ".join(said)}</p>'


def _row_said(duel: Duel) -> str:
    return f"{metric_link(duel.metric)} ({task_title(duel.task).lower()})"


def _worst_first(
    duels: Sequence[Duel], gaps: Mapping[tuple[str, str, str], float]
) -> list[Duel]:
    """Return duels in order: lost, ties, won; in each the largest ratio of gaps first."""
    return sorted(
        duels, key=lambda duel: (-VERDICTS.index(duel.verdict), -_worse_by(duel, gaps))
    )


def _in_words(
    system: str, task: str, duels: Sequence[Duel], gaps: Mapping[tuple[str, str, str], float]
) -> str:
    """Say where a system does not beat the Markov chain, and where it does, by name."""
    not_beaten = _worst_first([duel for duel in duels if duel.verdict != "beats"], gaps)
    beaten = _worst_first([duel for duel in duels if duel.verdict == "beats"], gaps)
    worst = "".join(f"<li>{_gaps_said(duel, gaps)}</li>" for duel in not_beaten[:N_NAMED])
    best = "".join(f"<li>{_gaps_said(duel, gaps)}</li>" for duel in beaten[: -N_NAMED - 1 : -1])
    name = corpus_charts.text(system)
    parts = [f'<article class="card"><h3>{task_title(task)}: {name}</h3>']
    if not_beaten:
        names = [
            f"{metric_link(duel.metric)}{' (loses)' * (duel.verdict == 'loses')}"
            for duel in not_beaten
        ]
        parts.append(
            f"<p>Does not beat {CHIEF_RIVAL} in <b>{len(not_beaten)}</b> of {len(duels)} rows. "
            "Worst:</p>"
            f'<ul class="worst">{worst}</ul><details><summary>All {len(not_beaten)}, the worst '
            f"first</summary><p>{listed(names)}.</p></details>"
        )
    else:
        parts.append(f"<p>Beats {CHIEF_RIVAL} in all {len(duels)} rows.</p>")
    if best:
        parts.append(f'<p>Best of the {len(beaten)} it wins:</p><ul class="best">{best}</ul>')
    return "".join([*parts, "</article>"])


def _worse_by(duel: Duel, gaps: Mapping[tuple[str, str, str], float]) -> float:
    """Return how much further from the music the system is than the rival, -1 to 1.

    It has no unit, so rows can be put in order.
    """
    ours, theirs = (gaps[duel.task, name, duel.metric] for name in (duel.system, duel.rival))
    total = ours + theirs
    return (ours - theirs) / total if total else 0.0


def _gaps_said(duel: Duel, gaps: Mapping[tuple[str, str, str], float]) -> str:
    ours, theirs = (gaps[duel.task, name, duel.metric] for name in (duel.system, duel.rival))
    return (
        f"{metric_link(duel.metric)} {_badge(duel.verdict)}<br><small>off by {number(ours)}, "
        f"{corpus_charts.text(duel.rival)} by {number(theirs)}</small>"
    )


def _badge(verdict: str) -> str:
    return f'<span class="badge {verdict}">{MARKS[verdict]} {verdict}</span>'


def _scores(results: Results, tasks: Sequence[str]) -> str:
    """Return a table of how many rows each system beats, ties and loses, by task and rival."""
    rivals = list(dict.fromkeys(duel.rival for duel in results.duels))
    if not rivals:
        return ""
    heads = "".join(f'<th scope="col">{corpus_charts.text(rival)}</th>' for rival in rivals)
    body = "".join(
        f'<tr><th scope="row">{corpus_charts.text(system)}, {task_title(task).lower()}</th>'
        + "".join(_score(_duels(results, system, rival), task) for rival in rivals)
        + "</tr>"
        for system in _looked_at(results)
        for task in tasks
    )
    legend = "".join(
        f'<li><span class="swatch {verdict}"></span>{MARKS[verdict]} {verdict}</li>'
        for verdict in VERDICTS
    )
    table = (
        f'<table class="scores"><caption>Rows against each rival</caption><thead><tr>'
        f'<th scope="col">Who, at what</th>{heads}</tr></thead><tbody>{body}</tbody></table>'
        f'<ul class="legend">{legend}</ul>'
    )
    return f'<div class="card wide-card">{corpus_charts.scrolling(table, "Scores")}</div>'


def _score(duels: Sequence[Duel], task: str) -> str:
    counts = {
        verdict: sum((duel.task, duel.verdict) == (task, verdict) for duel in duels)
        for verdict in VERDICTS
    }
    if not sum(counts.values()):
        return "<td>–</td>"
    shares = "".join(
        f'<i class="{verdict}" style="flex-grow:{n}"></i>' for verdict, n in counts.items() if n
    )
    words = " ".join(
        f'<span title="{verdict}">{MARKS[verdict]}{n}</span>' for verdict, n in counts.items()
    )
    return f'<td>{words}<span class="shares" aria-hidden="true">{shares}</span></td>'


# ------------------------------------------------------------------------- a task


def _task(results: Results, task: str, takes: ShownTakes) -> str:
    prompts = [prompt for prompt in results.prompts if prompt.task == task]
    about = TASK_WORDS[task][1] if task in TASK_WORDS else ""
    return (
        f"<p>{about} {plural(len(prompts), 'prompt')}.</p>"
        f'<div class="card wide-card">{_table(results, task)}</div>'
        f"<h3>How notes are distributed</h3>{_two_colours(results)}"
        f'<div class="grid">{"".join(_distributions(results, task))}</div>'
        f"<h3>To see and hear</h3>{takes.shown(task)}"
    )


def _table(results: Results, task: str) -> str:
    rows = {(row.system, row.metric): row for row in results.rows if row.task == task}
    verdicts = {
        (duel.metric, duel.rival): duel.verdict
        for duel in results.duels
        if (duel.task, duel.system) == (task, results.subject.bundle)
    }
    systems = [name for name in results.systems if any(key[0] == name for key in rows)]
    heads = "".join(
        f'<th scope="col">{"the music" if name == REAL else corpus_charts.text(name)}</th>'
        for name in systems
    )
    body = "".join(
        f'<tr><th scope="row">{metric_link(metric)}</th>'
        + "".join(
            _cell(rows.get((name, metric)), verdicts.get((metric, name))) for name in systems
        )
        + "</tr>"
        for metric in dict.fromkeys(metric for _, metric in rows)
    )
    table = (
        '<table class="metrics"><thead><tr><th scope="col">Figure</th>'
        f"{heads}</tr></thead><tbody>{body}</tbody></table>"
    )
    return (
        '<p class="quiet">Means over prompts, their 95 % intervals in small print. The gap is '
        "how far a take is from the music of its own prompt. The signs say how "
        f"<b>{corpus_charts.text(results.subject.bundle)}</b> fares against the system of the "
        f"column.</p>{corpus_charts.scrolling(table, f'Figures of {task}')}"
    )


def _cell(row: Row | None, verdict: str | None) -> str:
    if row is None:
        return "<td>–</td>"
    content = f"<b>{number(row.figure.value)}</b><small>{interval(row.figure)}</small>"
    if row.system != REAL:
        title = f' title="{interval(row.gap)}"'
        mark = _badge(verdict) if verdict else ""
        content += f'<span class="gap"{title}>gap {number(row.gap.value)} {mark}</span>'
    return f"<td>{content}</td>"


def _two_colours(results: Results) -> str:
    return (
        '<ul class="legend"><li><span class="swatch of-real"></span>the music itself</li>'
        f'<li><span class="swatch of-model"></span>{corpus_charts.text(results.subject.bundle)}'
        "</li></ul>"
    )


def _distributions(results: Results, task: str) -> Iterator[str]:
    bundle = results.subject.bundle
    shares = {
        (found.system, found.name): np.array(found.shares)
        for found in results.distributions
        if found.task == task
    }
    for name in HISTOGRAMS:
        if (REAL, name) in shares and (bundle, name) in shares:
            real, model = shares[REAL, name], shares[bundle, name]
            title = HISTOGRAM_TITLES[name]
            line = f"{overlap(real, model):.0%} in common"
            if name == "pitch_class_transitions":
                square = (N_PITCH_CLASSES, N_PITCH_CLASSES)
                both = real.reshape(square), model.reshape(square)
                names = [corpus_charts.sharp(name) for name in PITCH_CLASS_NAMES]
                yield charts.grids(title, line, names, both, bundle)
            else:
                yield charts.overlaid(title, line, _labels(name), (real, model), bundle)


def _labels(histogram: str) -> list[str]:
    """Return the names of the bins of a histogram; those that end in `*` go below the axis."""
    pitch_classes = [corpus_charts.sharp(name) for name in PITCH_CLASS_NAMES]
    if histogram == "pitch_class":
        return [f"{name}*" for name in pitch_classes]
    if histogram == "pitch":
        return [
            f"{name}{octave}{'*' * (name == 'C')}"
            for octave, name in itertools.product(range(LOWEST_OCTAVE, 10), pitch_classes)
        ]
    return [
        f"{_quarters(length)}{'*' * (index % LENGTHS_PER_TICK == 0)}"
        for index, length in enumerate(LENGTHS.tolist())
    ]


def _quarters(length: float) -> str:
    """Return a length in quarters: `1/16`, `1`, `2.8`."""
    return f"1/{1 / length:.3g}" if length < 1 else f"{length:.3g}"


# --------------------------------------------------------------------- foretelling


def _likelihood(likelihood: Likelihood) -> str:
    total = likelihood.total
    by_bits = sorted(likelihood.styles, key=lambda share: share.bits.value)
    return (
        f"<p>The model hears {total.n_notes:,} notes that it has not seen. Each costs it "
        f"<b>{number(total.bits.value)} bits</b> ({interval(total.bits)}): 1 bit is a coin "
        "that fell as called, 3 bits one guess out of eight. Lower is better on the same "
        "music; between styles figures say as much about the style as about the model.</p>"
        f"{_ends(by_bits)}"
        f'<div class="grid">{charts.bits("By style", "what is foretold best first", by_bits)}'
        f"{charts.bits('By role', 'notes of the part alone', likelihood.roles)}"
        f"{charts.bits('By attribute', 'they sum to the total', likelihood.attributes)}</div>"
        f"{_reliability(likelihood.reliability)}"
    )


def _ends(shares: Sequence[Share]) -> str:
    """Say which styles are foretold worst and best."""
    if len(shares) < 2:  # noqa: PLR2004 (nothing to compare)
        return ""
    worst, best = shares[-1], shares[0]
    return (
        f"<p>Hardest for it: <b>{corpus_charts.text(worst.name) or 'no style'}</b>, "
        f"{number(worst.bits.value)} bits. Easiest: <b>"
        f"{corpus_charts.text(best.name) or 'no style'}</b>, {number(best.bits.value)}.</p>"
    )


def _reliability(found: Sequence[Reliability]) -> str:
    if not found:
        return ""
    by_name = {
        name: sorted((of for of in found if of.name == name), key=lambda of: of.is_masked)
        for name in dict.fromkeys(of.name for of in found)
    }
    pictures = "".join(
        charts.reliability("all decisions" if name == "all" else metric_label(name), of)
        for name, of in by_name.items()
    )
    rows = "".join(
        f'<tr><th scope="row">{metric_label(of.name)}</th>'
        f"<td>{'with' if of.is_masked else 'without'}</td><td>{of.n:,}</td>"
        f"<td>{number(of.observed_bits)}</td><td>{number(of.expected_bits)}</td>"
        f"<td>{of.error:.1%}</td></tr>"
        for name in by_name
        for of in by_name[name]
    )
    heads = ("Attribute", "masks", "decisions", "bits it costs", "bits it expects", "error")
    table = (
        "<table><caption>Calibration, with and without what the grammar forbids</caption>"
        f"<thead><tr>{''.join(f'<th scope=col>{head}</th>' for head in heads)}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )
    return (
        "<h3>Does it know what it knows?</h3><p>Of all values that it calls 70 % likely, 70 % "
        "should come true: then its points lie on the line. Below the line it is too sure. "
        "Large points stand for many decisions.</p>"
        '<ul class="legend"><li><span class="swatch of-model"></span>all that it considers</li>'
        '<li><span class="swatch of-real"></span>within what the grammar allows</li></ul>'
        f'<div class="grid squares">{pictures}</div>'
        "<details><summary>The same as a table</summary>"
        f'<div class="card">{corpus_charts.scrolling(table, "Calibration")}</div></details>'
    )


# ---------------------------------------------------------------- how to read it


def _explained(results: Results) -> str:
    names = dict.fromkeys(row.metric for row in results.rows)
    return (
        "<p>None of them says whether music is good. Each is read beside the same figure of "
        "the real music: more is no better than less, nearer is.</p>"
        f"{glossary(names)}"
    )


def _setup(results: Results) -> str:
    settings = results.settings
    about = subject_facts(results.subject) | {
        "Asked": f"{settings.prompts} prompts of each task at most, takes: {settings.takes}",
        "Tasks": listed([task_title(task) for task in settings.tasks]),
        "Seed": str(settings.seed),
        "Time": f"{results.wall_s:.0f} s, {results.cpu_s:.0f} s of processor time",
        "Systems": ", ".join(results.systems),
    }
    return (
        f"{facts(about)}<p>The gap of a take is |its figure − that of the real bars|; takes of "
        "one prompt are averaged first. Intervals are drawn over prompts (bootstrap), because "
        "takes of one prompt are not independent. The same figures, take by take, are in "
        "results.json, and all takes lie beside it as MIDI.</p>"
    )
