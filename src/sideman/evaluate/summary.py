"""Summary: results as lines of text, for a terminal."""

import math
from collections.abc import Iterator

from sideman.evaluate.results import REAL, Figure, Likelihood, Results, Row

CHIEF_RIVAL = "Markov"
"""Whom a model has to beat in a row to be worth its weights there."""

NAME_WIDTH = 30
COLUMN_WIDTH = 12


def summary_lines(results: Results) -> Iterator[str]:
    """Yield what was found: likelihood, a table a task, and what to know beside it."""
    yield from _likelihood_lines(results.likelihood)
    for task in dict.fromkeys(row.task for row in results.rows):
        yield from _task_lines(results, task)
    yield ""
    for note in results.notes:
        yield f"note: {note}"
    yield f"time: {results.wall_s:.0f} s, {results.cpu_s:.0f} s of processor time"


def not_beaten(results: Results, task: str, system: str) -> list[str]:
    """Return the metrics of a task in which a system does not beat the Markov chain."""
    return [
        duel.metric
        for duel in results.duels
        if (duel.task, duel.system, duel.rival) == (task, system, CHIEF_RIVAL)
        and duel.verdict != "beats"
    ]


def _likelihood_lines(likelihood: Likelihood) -> Iterator[str]:
    yield f"bits per note  {_interval(likelihood.total.bits)}, {likelihood.total.n_notes} notes"
    for title, shares in (
        ("style", likelihood.styles),
        ("role", likelihood.roles),
        ("attribute", likelihood.attributes),
    ):
        for share in shares:
            yield f"  {title:<10} {share.name or 'none':<17} {_interval(share.bits)}"
    for found in likelihood.reliability:
        if found.name == "all":
            kind = "with masks" if found.is_masked else "without masks"
            yield (
                f"a decision {kind:<13} costs {found.observed_bits:.3f} bits, "
                f"{found.expected_bits:.3f} expected; calibration error {found.error:.3f}"
            )


def _task_lines(results: Results, task: str) -> Iterator[str]:
    """Yield a table: values of the pieces and of the systems, then everybody's gaps."""
    rows = {(row.system, row.metric): row for row in results.rows if row.task == task}
    looked_at = [name for name in results.systems if name not in (REAL, *results.rivals)]
    answering = [*looked_at, *results.rivals]
    n_prompts = sum(prompt.task == task for prompt in results.prompts)
    yield ""
    head = [REAL, *looked_at, *(f"gap {name}" for name in answering)]
    yield _line(f"{task}, {n_prompts} prompts", [name[: COLUMN_WIDTH - 1] for name in head], "")
    for metric in dict.fromkeys(metric for _, metric in rows):
        values = [_value(rows.get((name, metric))) for name in (REAL, *looked_at)]
        gaps = [_gap(rows.get((name, metric))) for name in answering]
        verdicts = [
            duel.verdict
            for duel in results.duels
            if (duel.task, duel.metric, duel.rival) == (task, metric, CHIEF_RIVAL)
        ]
        yield _line(metric, [*values, *gaps], ", ".join(verdicts))
    for name in looked_at:
        lost = not_beaten(results, task, name)
        yield f"{name} does not beat {CHIEF_RIVAL} in: {', '.join(lost) or 'nothing'}"


def _line(name: str, cells: list[str], end: str) -> str:
    return f"{name:<{NAME_WIDTH}}{''.join(f'{cell:>{COLUMN_WIDTH}}' for cell in cells)}  {end}"


def _value(row: Row | None) -> str:
    return "-" if row is None else f"{row.figure.value:.3f}"


def _gap(row: Row | None) -> str:
    return "-" if row is None else f"{row.gap.value:.3f}"


def _interval(figure: Figure) -> str:
    if math.isnan(figure.low):
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"
