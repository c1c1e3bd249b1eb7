"""Comparing: from figures of takes to rows of a table, and to who is nearer to the real music.

How a gap, an interval and a win are defined is told in `sideman.evaluate.bootstrap`.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sideman.evaluate.bootstrap import (
    N_SLOW_RESAMPLES,
    Values,
    drawn_rows,
    figure_of,
    mean_figure,
)
from sideman.evaluate.distances import frechet_distance
from sideman.evaluate.judging import BITS, Judged
from sideman.evaluate.results import REAL, Distribution, Duel, Figure, Row

FRECHET = "frechet_distance"
"""Of what the model hears in the written bars of a system and in those of the pieces."""

Answers = Mapping[str, Mapping[str, Sequence[Judged]]]
"""By system and id of the prompt the takes, judged; the real one is there for each prompt."""


def compare(
    task: str,
    answers: Answers,
    systems: Sequence[str],
    rivals: Sequence[str],
    *,
    seed: int,
) -> tuple[list[Row], list[Duel]]:
    """Return the rows of a task, and the duels of its systems with its rivals.

    A metric that no take of the task has is left out. How likely the model finds a take is a
    row, but no duel: it would be judge in its own case.

    Args:
        task: The task.
        answers: What everybody answered.
        systems: Who is looked at.
        rivals: With whom each of them is compared.
        seed: Of the resamples.
    """
    rows: list[Row] = []
    duels: list[Duel] = []
    names = dict.fromkeys(name for takes in answers[REAL].values() for name in takes[0].values)
    for name in names:
        figures = {system: _of_prompts(answers, system, name) for system in answers}
        for system, (values, gaps) in figures.items():
            if not np.isnan(values).all():
                row = (mean_figure(values, seed=seed), mean_figure(gaps, seed=seed))
                rows.append(Row(task, system, name, *row))
        duels += [
            Duel(task, name, one, other, mean_figure(difference, seed=seed))
            for one, other in _pairs(systems, rivals, figures)
            for difference in [figures[one][1] - figures[other][1]]
            if name != BITS and not np.isnan(difference).all()
        ]
    distances = _frechet(answers, seed)
    for system, (figure, _) in distances.items():
        rows.append(Row(task, system, FRECHET, figure, figure))
    for one, other in _pairs(systems, rivals, distances):
        duels.append(Duel(task, FRECHET, one, other, _difference(distances, one, other)))
    return rows, duels


def distributions(task: str, answers: Answers) -> Iterator[Distribution]:
    """Yield the mean histograms of each system; takes without anything in one do not count."""
    for system, prompts in answers.items():
        takes = [judged.histograms for of_prompt in prompts.values() for judged in of_prompt]
        for name in takes[0] if takes else ():
            filled = [take[name] for take in takes if take[name].any()]
            if filled:
                yield Distribution(task, system, name, tuple(np.mean(filled, axis=0).tolist()))


def _pairs(
    systems: Sequence[str], rivals: Sequence[str], known: Mapping[str, object]
) -> list[tuple[str, str]]:
    return [
        (one, other)
        for one in systems
        for other in rivals
        if one != other and one in known and other in known
    ]


def _of_prompts(answers: Answers, system: str, name: str) -> tuple[Values, Values]:
    """Return the value and the gap of each prompt, each of shape (P,); NaN where there is none.

    A take whose value is not defined counts neither way.
    """
    values, gaps = [], []
    for prompt, (real, *_) in answers[REAL].items():
        takes = answers[system].get(prompt, ())
        of_takes = np.array([take.values[name] for take in takes], np.float64)
        values.append(_mean(of_takes))
        gaps.append(_mean(np.abs(of_takes - real.values[name])))
    return np.array(values), np.array(gaps)


def _mean(values: Values) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


# ------------------------------------------------------------------ Fréchet distance

_NO_VECTORS = np.zeros((0, 0), np.float32)

_Distances = dict[str, tuple[Figure, Values]]
"""By system the distance with its interval, and that of each resample."""


def _frechet(answers: Answers, seed: int) -> _Distances:
    """Return how far what each system wrote is from the pieces, in what the model hears."""
    prompts = list(answers[REAL])
    resamples = drawn_rows(len(prompts), N_SLOW_RESAMPLES, seed=seed)
    vectors = {
        system: [_vectors(takes.get(prompt, ())) for prompt in prompts]
        for system, takes in answers.items()
    }
    found: _Distances = {}
    for system, of_system in vectors.items():
        has_any = np.array([len(rows) > 0 for rows in of_system])
        if system == REAL or not has_any.any():
            continue
        distances = np.array(
            [
                _distance(vectors[REAL], of_system, rows)
                for rows in (np.arange(len(prompts)), *resamples)
            ]
        )
        figure = figure_of(float(distances[0]), distances[1:], int(has_any.sum()))
        found[system] = figure, distances
    return found


def _vectors(takes: Sequence[Judged]) -> NDArray[np.float32]:
    return np.concatenate([take.vectors for take in takes]) if takes else _NO_VECTORS


def _distance(
    real: Sequence[NDArray[np.float32]],
    other: Sequence[NDArray[np.float32]],
    prompts: NDArray[np.int64],
) -> float:
    rows = [prompt for prompt in prompts.tolist() if len(other[prompt])]
    if not rows:
        return np.nan
    one, two = (np.concatenate([of[row] for row in rows]) for of in (real, other))
    return frechet_distance(one.astype(np.float64), two.astype(np.float64))


def _difference(distances: _Distances, one: str, other: str) -> Figure:
    (figure, ours), (rival, theirs) = distances[one], distances[other]
    difference = ours - theirs
    return figure_of(float(difference[0]), difference[1:], min(figure.n, rival.n))
