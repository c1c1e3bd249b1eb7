"""Pairing: two bundles on the same prompts, and whether one is nearer to the real music.

In each row the gaps of the two (see `sideman.evaluate.bootstrap`) are subtracted prompt by
prompt. If the bundles were equally good, each difference might as well have the other sign: the
p-value is the share of random flips of signs whose mean is at least as far from 0 as the one
found (randomisation test of Fisher 1935, "The design of experiments", section 21). Many rows
are tested at once, so all p-values are corrected together (Holm 1979, "A simple sequentially
rejective multiple test procedure"): a row counts as different only where that is below
`SIGNIFICANT`. Intervals are bootstrap intervals of one row alone.

How likely a bundle finds its own takes, and distances in what it hears, are no rows: each would
be measured with its own ears. How well each foretells held-out music is one, over the styles.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from sideman.errors import EvaluationError
from sideman.evaluate.bootstrap import Values, mean_figure
from sideman.evaluate.judging import BITS
from sideman.evaluate.results import REAL, Figure, Results

N_FLIPS = 20_000
"""Random flips: the least p-value is about 1 in so many."""

ROUNDING = 1e-9
"""Means that differ by less, relatively, are the same."""

SIGNIFICANT = 0.05
"""Chance of calling any row different when none is."""

FORETELLING = "foretelling"
"""Stands for the task in the row of bits per note, whose pairs are styles."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two bundles in one row.

    Attributes:
        task: The task, or `FORETELLING`.
        metric: The metric.
        a: Gap of the first; of `FORETELLING`, its bits.
        b: The same of the second.
        difference: The first less the second, prompt by prompt: below 0 the first is better.
        p: How likely at least such a difference is by chance, 0 to 1; one row alone.
        corrected: The same, corrected for all rows.
    """

    task: str
    metric: str
    a: Figure
    b: Figure
    difference: Figure
    p: float
    corrected: float

    @property
    def verdict(self) -> str:
        """`a` or `b`, whichever is better, or `ties`."""
        if not self.corrected < SIGNIFICANT:
            return "ties"
        return "a" if self.difference.value < 0 else "b"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two bundles side by side.

    Attributes:
        a: What was found of the first.
        b: What was found of the second.
        names: What to call them; two of one name are told apart by their fingerprints.
        pairs: By task and metric.
    """

    a: Results
    b: Results
    names: tuple[str, str]
    pairs: tuple[Pair, ...]


def compare(a: Results, b: Results) -> Comparison:
    """Set two bundles side by side.

    Raises:
        EvaluationError: If they were not asked the same prompts.
    """
    _check_comparable(a, b)
    seed = a.settings.seed
    ours, theirs = prompt_gaps(a), prompt_gaps(b)
    rows = {(FORETELLING, BITS): _style_bits(a, b)}
    rows |= {key: (ours[key], theirs[key]) for key in ours if key in theirs}
    rows = {key: of for key, of in rows.items() if not np.isnan(of[0] - of[1]).all()}
    chances = [flip_test(one - other, seed=seed) for one, other in rows.values()]
    pairs = []
    for (key, (one, other)), p, corrected in zip(
        rows.items(), chances, holm(chances), strict=True
    ):
        difference = one - other
        in_both = ~np.isnan(difference)
        figure_a, figure_b, figure = (
            mean_figure(values[in_both], seed=seed) for values in (one, other, difference)
        )
        pairs.append(Pair(*key, figure_a, figure_b, figure, p, corrected))
    return Comparison(a, b, _names(a, b), tuple(pairs))


def prompt_gaps(results: Results) -> dict[tuple[str, str], Values]:
    """Return the bundle's gap on each prompt by task and metric, shape (P,); NaN without.

    Of a prompt with several takes it is the mean over those whose value is defined.
    """
    real = {take.prompt: take.values for take in results.takes if take.system == REAL}
    takes = defaultdict(list)
    for take in results.takes:
        if take.system == results.subject.bundle:
            takes[take.prompt].append(take.values)
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for prompt in results.prompts:
        for metric, value in real[prompt.id].items():
            if metric != BITS:
                gap = _gap([take[metric] for take in takes[prompt.id]], value)
                gaps[prompt.task, metric].append(gap)
    return {key: np.array(found) for key, found in gaps.items()}


def _gap(values: Sequence[float], real: float) -> float:
    gaps = np.abs(np.array(values, np.float64) - real)
    known = gaps[~np.isnan(gaps)]
    return float(known.mean()) if len(known) else np.nan


def _style_bits(a: Results, b: Results) -> tuple[Values, Values]:
    """Return the bits a note of each style, each of shape (S,).

    A style in which the two did not foretell as many notes, as one has less context, is left
    out.
    """
    ours = {(share.name, share.n_notes): share.bits.value for share in a.likelihood.styles}
    theirs = {(share.name, share.n_notes): share.bits.value for share in b.likelihood.styles}
    both = [style for style in ours if style in theirs]
    return np.array([ours[style] for style in both]), np.array(
        [theirs[style] for style in both]
    )


def flip_test(differences: Values, *, seed: int) -> float:
    """Return how likely so large a mean is if each sign is as likely as the other, 0 to 1.

    Two-sided; the differences as found count as one of the flips (Phipson and Smyth 2010), so
    it is never 0.

    Args:
        differences: Shape (P,); NaN is left out.
        seed: Of the flips.
    """
    known = differences[~np.isnan(differences)]
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), (N_FLIPS, len(known)))
    found = abs(known.sum()) * (1 - ROUNDING)
    n_as_far = int((np.abs(signs @ known) >= found).sum())
    return (1 + n_as_far) / (1 + N_FLIPS)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, each at most 1.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(chances, kind="stable")
    factors = len(chances) - np.arange(len(chances))
    ascending = np.maximum.accumulate(np.array(chances)[order] * factors)
    corrected = np.empty(len(chances))
    corrected[order] = np.minimum(ascending, 1.0)
    found: list[float] = corrected.tolist()
    return found


def _names(a: Results, b: Results) -> tuple[str, str]:
    one, other = a.subject, b.subject
    if one.bundle != other.bundle:
        return one.bundle, other.bundle
    return f"{one.bundle} {one.bundle_hash}", f"{other.bundle} {other.bundle_hash}"


def _check_comparable(a: Results, b: Results) -> None:
    """Refuse results of other prompts.

    Raises:
        EvaluationError: If corpus, split, seed or prompts differ.
    """
    asked: Mapping[str, tuple[object, object]] = {
        "corpus": (a.subject.corpus_hash, b.subject.corpus_hash),
        "split": (a.subject.split, b.subject.split),
        "seed": (a.settings.seed, b.settings.seed),
        "tasks": (", ".join(a.settings.tasks), ", ".join(b.settings.tasks)),
        "number of prompts": (len(a.prompts), len(b.prompts)),
    }
    for name, (one, other) in asked.items():
        if one != other:
            _refuse(a, b, f"{name} is {one} there and {other} here")
    for ours, theirs in zip(a.prompts, b.prompts, strict=True):
        if ours != theirs:
            _refuse(a, b, f"one was asked {ours.id}, the other {theirs.id}")


def _refuse(a: Results, b: Results, why: str) -> NoReturn:
    """Say why two bundles cannot be compared.

    Raises:
        EvaluationError: Always.
    """
    msg = (
        f"{a.subject.bundle} and {b.subject.bundle} cannot be compared: {why}; evaluate both "
        "with the same corpus and options"
    )
    raise EvaluationError(msg)
