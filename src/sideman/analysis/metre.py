"""Where are the downbeats? Bar lines judged by what the notes do around them.

Time is cut into sixteenths. At each, `N_EVIDENCE` observations are made (a long note begins,
the harmony changes, the bass drum sounds…), in units of their own spread over the piece. Folded
on the length of a bar they give a profile; its mean at the downbeat, in mid-bar, on beats and
on eighths, weighted by `WEIGHTS` and by the logarithm of the number of bars, is the score of a
way to lay bar lines. A softmax over all ways to lay them gives probabilities.

The weights are those of a conditional logit (McFadden 1974, "Conditional logit analysis of
qualitative choice behavior") fitted to scores whose bars are known; `--fit` of
`benchmarks/beats.py` does it again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sideman.errors import ScoreError
from sideman.score.time import MAX_BARS, QUARTERS_PER_WHOLE, bar_starts, metre_spans
from sideman.score.types import Score, Table

STEPS_PER_QUARTER = 4
STEPS_PER_WHOLE = STEPS_PER_QUARTER * QUARTERS_PER_WHOLE
STEPS_PER_EIGHTH = STEPS_PER_QUARTER // 2

LEVELS = ("downbeat", "mid-bar", "beat", "eighth")
"""Metrical levels, strongest first; what is on none of them has no weight."""

EVIDENCE = (
    "attack",  # any note begins
    "length",  # of the longest note that begins
    "velocity",  # of the loudest
    "gap",  # until the next attack
    "chord change",  # harmony of the quarter after against that of the quarter before
    "bar change",  # the same over a whole note
    "bass drum",
    "snare",
    "crash",
    "held",  # notes that sound on from before
    "bass",  # the lowest attack for half a bar of 4/4 around
)
"""What is observed at each sixteenth."""

N_EVIDENCE = len(EVIDENCE)

_ROW = {name: row for row, name in enumerate(EVIDENCE)}

WEIGHTS = np.array(
    [
        [-0.07, 0.13, 0.56, -0.19, 0.22, -0.06, 0.29, 0.05, 0.18, -0.12, 0.08],  # downbeat
        [0.15, -0.11, 0.18, -0.05, -0.03, -0.06, 0.25, 0.24, 0.05, 0.03, -0.03],  # mid-bar
        [0.31, -0.03, 0.45, -0.2, -0.15, 0.15, 0.27, 0.38, 0.24, -0.01, 0.01],  # beat
        [0.12, -0.04, 0.46, -0.14, 0.23, 0.1, 0.43, 0.34, 0.03, 0.11, -0.05],  # eighth
    ]
)
"""Weight of each piece of evidence at each level, shape (levels, N_EVIDENCE)."""

NUMERATOR_BIAS = {2: 0.35, 3: -0.5, 4: 0.15}
"""How likely bars of so many quarters are before anything is heard, as a score; fitted too."""

MISALIGNED_CONFIDENCE = 0.001
"""Confidence under which bar lines may be called misaligned (`benchmarks/beats.py`)."""

MIN_BARS = 4
"""Fewer bars than this are not judged."""

MAX_BAR_STEPS = 3 * STEPS_PER_WHOLE
"""Longer bars, of three whole notes, are not judged."""

LONGEST_QUARTERS = 8.0
"""Length in quarters beyond which a note is no longer longer."""

BASS_REACH = 8
"""Steps to either side in which the bass must be the lowest."""

BASS_SEMITONES = 2
"""Semitones by which it may be higher and still count."""

DRUM_PIECES = {"bass drum": (35, 36), "snare": (37, 38, 39, 40), "crash": (49, 55, 57)}
"""Pitches of the drum pieces that mark time; side stick and clap stand for the snare."""

NO_SPREAD = 1e-9
"""Spread up to which an observation does not vary."""

_NO_PITCH = 200
_PITCH_CLASSES = 12
_UNLEVELLED = len(LEVELS)


@dataclass(frozen=True, slots=True)
class Metre:
    """The metre a score states for most of its time, and whether the music agrees.

    Attributes:
        numerator: As stated.
        denominator: As stated.
        confidence: Probability that the bar lines are where the downbeats are, of all places
            an eighth note apart, 0-1. Where nothing can be judged all places are as likely.
        best_phase_quarters: How many quarters later the bar lines would fit best, more than
            minus half a bar and at most half a bar; 0 when they are right.
    """

    numerator: int
    denominator: int
    confidence: float
    best_phase_quarters: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Bar lines for music that has none.

    Attributes:
        numerator: Quarters in a bar: 2, 3 or 4.
        phase_quarters: Where the first bar line is, at least 0 and less than `numerator`.
        confidence: Probability of both, of all numerators and places, 0-1.
    """

    numerator: int
    phase_quarters: float
    confidence: float


def judge_metre(score: Score) -> Metre:
    """Return the metre of a score and how well its bar lines fit the notes.

    Raises:
        ScoreError: If it has more than `sideman.score.time.MAX_BARS` bars or whole notes.
    """
    numerator, denominator, fits = stated_fits(score)
    probs = _softmax(fits @ WEIGHTS.ravel())
    best = int(np.argmax(probs))
    if best > len(probs) // 2:
        best -= len(probs)
    phase = best * STEPS_PER_EIGHTH / STEPS_PER_QUARTER
    return Metre(numerator, denominator, float(probs[0]), phase)


def stated_fits(score: Score) -> tuple[int, int, NDArray[np.float64]]:
    """Return the main metre, and what speaks for bar lines later by 0, 1, 2… eighths.

    Returns:
        Numerator, denominator, and an array of shape (places, weights): all 0 where there are
        less than `MIN_BARS` bars; with one place where a bar is no whole number of eighths.

    Raises:
        ScoreError: If there are more than `sideman.score.time.MAX_BARS` bars or whole notes.
    """
    numerator, denominator, starts = _main_metre(score)
    n_steps, rest = divmod(numerator * STEPS_PER_WHOLE, denominator)
    n_places = max(n_steps // STEPS_PER_EIGHTH, 1)
    if rest or n_steps % STEPS_PER_EIGHTH or n_steps > MAX_BAR_STEPS:
        return numerator, denominator, np.zeros((1, WEIGHTS.size))
    evidence = observe(score)
    first = np.rint(starts * STEPS_PER_QUARTER / score.tpq).astype(np.int64)
    steps = first[:, None] + np.arange(n_steps)
    steps = steps[steps[:, -1] < len(evidence)]
    if len(steps) < MIN_BARS:
        return numerator, denominator, np.zeros((n_places, WEIGHTS.size))
    levels = metrical_levels(numerator, denominator)
    means = level_means(evidence[steps].mean(axis=0), levels, STEPS_PER_EIGHTH)
    return numerator, denominator, np.log2(1 + len(steps)) * means


def find_bars(score: Score, *, places_per_quarter: int = 1) -> Bars:
    """Return where bar lines would fit best, whatever the score states.

    Args:
        score: Its quarters must be known, or its sixteenths.
        places_per_quarter: Where bar lines may be: 1 on quarters, 4 also on sixteenths.

    Raises:
        ScoreError: If it is longer than `MAX_BARS` whole notes.
    """
    evidence = observe(score)
    step = STEPS_PER_QUARTER // places_per_quarter
    choices = [
        (numerator, phase / places_per_quarter)
        for numerator in NUMERATOR_BIAS
        for phase in range(numerator * places_per_quarter)
    ]
    scores = [
        bar_fits(evidence, numerator, step) @ WEIGHTS.ravel() + bias
        for numerator, bias in NUMERATOR_BIAS.items()
    ]
    probs = _softmax(np.concatenate(scores))
    best = int(np.argmax(probs))
    return Bars(*choices[best], confidence=float(probs[best]))


def bar_fits(evidence: NDArray[np.float64], numerator: int, step: int) -> NDArray[np.float64]:
    """Return what speaks for each phase of bars of `numerator` quarters, (phases, weights).

    Args:
        evidence: As of `observe`, shape (P, N_EVIDENCE).
        numerator: Quarters in a bar.
        step: Steps from one phase to the next.
    """
    n_steps = numerator * STEPS_PER_QUARTER
    n_bars = len(evidence) // n_steps
    if n_bars < 1:
        return np.zeros((n_steps // step, WEIGHTS.size))
    profile = evidence[: n_bars * n_steps].reshape(n_bars, n_steps, -1).mean(axis=0)
    levels = metrical_levels(numerator, QUARTERS_PER_WHOLE)
    means: NDArray[np.float64] = np.log2(1 + n_bars) * level_means(profile, levels, step)
    return means


def metrical_levels(numerator: int, denominator: int) -> NDArray[np.int64]:
    """Return the level of each sixteenth of a bar, an index into `LEVELS` or one more.

    Eighths go in threes where their number is a multiple of three, sixteenths likewise.

    Example:
        >>> metrical_levels(2, 4).tolist()
        [0, 4, 3, 4, 1, 4, 3, 4]
    """
    n_steps = numerator * STEPS_PER_WHOLE // denominator
    is_compound = denominator > QUARTERS_PER_WHOLE and numerator % 3 == 0
    beat = max((3 if is_compound else 1) * STEPS_PER_WHOLE // denominator, 1)
    levels = np.full(n_steps, _UNLEVELLED)
    levels[::STEPS_PER_EIGHTH] = LEVELS.index("eighth")
    levels[::beat] = LEVELS.index("beat")
    if n_steps % (2 * beat) == 0:
        levels[n_steps // 2] = LEVELS.index("mid-bar")
    levels[0] = LEVELS.index("downbeat")
    return levels


def level_means(
    profile: NDArray[np.float64], levels: NDArray[np.int64], step: int
) -> NDArray[np.float64]:
    """Return the mean of a profile at each level, for bars that begin at each phase.

    Args:
        profile: Evidence by step of the bar, shape (S, N_EVIDENCE).
        levels: Level of each step, shape (S,).
        step: Steps from one phase to the next.

    Returns:
        Shape (S / step, levels x N_EVIDENCE).
    """
    at = levels == np.arange(len(LEVELS))[:, None]  # (levels, S)
    share = at / np.maximum(at.sum(axis=1, keepdims=True), 1)
    return np.array(
        [(share @ np.roll(profile, -k, axis=0)).ravel() for k in range(0, len(profile), step)]
    )


def observe(score: Score) -> NDArray[np.float64]:
    """Return the evidence at each sixteenth, in units of its spread, shape (P, N_EVIDENCE).

    What does not vary over the piece is 0. P covers all onsets; it is 0 without notes.

    Raises:
        ScoreError: If it would be longer than `MAX_BARS` whole notes.
    """
    notes = score.notes
    if len(notes) == 0:
        return np.zeros((0, N_EVIDENCE))
    onset, end = _steps(score)
    is_drum = np.array([part.is_drum for part in score.parts])[notes["part"]]
    n_steps = int(end.max()) + 1
    if n_steps > MAX_BARS * STEPS_PER_WHOLE:
        wholes = n_steps // STEPS_PER_WHOLE
        msg = f"the score lasts {wholes} whole notes; at most {MAX_BARS} are read"
        raise ScoreError(msg)
    evidence = np.zeros((N_EVIDENCE, n_steps))
    evidence[_ROW["attack"], onset] = 1
    quarters = np.minimum(notes["duration"] / score.tpq, LONGEST_QUARTERS)
    np.maximum.at(evidence[_ROW["length"]], onset[~is_drum], np.log2(1 + quarters[~is_drum]))
    np.maximum.at(evidence[_ROW["velocity"]], onset, notes["velocity"].astype(np.float64))
    attacks = np.flatnonzero(evidence[_ROW["attack"]])
    gaps = np.diff(np.append(attacks, n_steps)) / STEPS_PER_QUARTER
    evidence[_ROW["gap"], attacks] = np.log2(1 + np.minimum(gaps, QUARTERS_PER_WHOLE))
    for name, pieces in DRUM_PIECES.items():
        evidence[_ROW[name], onset[is_drum & np.isin(notes["pitch"], pieces)]] = 1
    _observe_pitches(evidence, notes[~is_drum], onset[~is_drum], end[~is_drum])
    spread = evidence.std(axis=1, keepdims=True)
    varies = spread > NO_SPREAD
    centred = np.where(varies, evidence - evidence.mean(axis=1, keepdims=True), 0.0)
    scaled: NDArray[np.float64] = centred / np.where(varies, spread, 1.0)
    return scaled.T


def _steps(score: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nearest step of each onset and end; an end is at least a step later.

    Notes that ring on after the last onset end within `LONGEST_QUARTERS`.
    """
    onset = score.notes["onset"]
    ends = onset + score.notes["duration"]
    first, last = (np.rint(t * STEPS_PER_QUARTER / score.tpq) for t in (onset, ends))
    last = np.clip(last, first + 1, first.max() + LONGEST_QUARTERS * STEPS_PER_QUARTER)
    return first.astype(np.int64), last.astype(np.int64)


def _observe_pitches(
    evidence: NDArray[np.float64],
    notes: Table,
    onset: NDArray[np.int64],
    end: NDArray[np.int64],
) -> None:
    """Fill the rows of chord change, bar change, held and bass."""
    n_steps = evidence.shape[1]
    pitch_class = notes["pitch"] % _PITCH_CLASSES
    size = n_steps * _PITCH_CLASSES
    begun = np.bincount(onset * _PITCH_CLASSES + pitch_class, minlength=size)
    ended = np.bincount(end * _PITCH_CLASSES + pitch_class, minlength=size)
    sounding = (begun - ended).reshape(n_steps, _PITCH_CLASSES).cumsum(axis=0)
    heard = np.vstack([np.zeros(_PITCH_CLASSES), np.minimum(sounding, 2).cumsum(axis=0)])
    evidence[_ROW["chord change"]] = _change(heard, STEPS_PER_QUARTER)
    evidence[_ROW["bar change"]] = _change(heard, STEPS_PER_WHOLE)
    n_begun = np.bincount(onset, minlength=n_steps)
    evidence[_ROW["held"]] = np.log1p(sounding.sum(axis=1) - n_begun)
    lowest = np.full(n_steps, _NO_PITCH)
    np.minimum.at(lowest, onset, notes["pitch"])
    padded = np.pad(lowest, BASS_REACH, constant_values=_NO_PITCH)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * BASS_REACH + 1).min(axis=1)
    evidence[_ROW["bass"]] = (lowest < _NO_PITCH) & (lowest <= around + BASS_SEMITONES)


def _change(heard: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return how the pitch classes of `reach` steps differ from those before, 0-1, (P,).

    Args:
        heard: Running sum of the pitch classes that sound, shape (P + 1, 12).
        reach: Steps looked at on either side.
    """
    here = np.arange(len(heard) - 1)
    after = heard[np.minimum(here + reach, len(heard) - 1)] - heard[here]
    before = heard[here] - heard[np.maximum(here - reach, 0)]
    size = np.sqrt((after**2).sum(axis=1) * (before**2).sum(axis=1))
    alike = (after * before).sum(axis=1)
    return np.where(size > 0, 1 - alike / np.where(size > 0, size, 1), 0.0)


def _main_metre(score: Score) -> tuple[int, int, NDArray[np.int64]]:
    """Return the metre that fills most of a score, and the onsets of its full bars."""
    spans, starts = metre_spans(score), bar_starts(score)
    span = np.searchsorted(spans["onset"], starts[:-1], side="right") - 1
    lengths = np.diff(starts)
    metres = np.stack([spans["numerator"][span], spans["denominator"][span]], axis=1)
    kinds, kind = np.unique(metres, axis=0, return_inverse=True)
    kind = kind.ravel()  # NumPy 2.0 alone gives it a second dimension
    main = int(np.argmax(np.bincount(kind, weights=lengths)))
    is_main = kind == main
    is_full = lengths == lengths[is_main].max(initial=0)
    return int(kinds[main, 0]), int(kinds[main, 1]), starts[:-1][is_main & is_full]


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max())
    probs: NDArray[np.float64] = powers / powers.sum()
    return probs
