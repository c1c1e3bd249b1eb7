"""Was it done as asked? Key, tempo, number of bars and controls against a request."""

import numpy as np

from sideman.analysis.keys import find_key, pitched_notes
from sideman.score.harmony import N_PITCH_CLASSES, scale_pitch_classes
from sideman.score.time import SECONDS_PER_MINUTE, bar_starts, ticks_to_seconds
from sideman.score.types import Score, Table
from sideman.tokens.controls import measure_controls
from sideman.tokens.grid import to_grid
from sideman.tokens.vocabulary import UNSPECIFIED

LEVELS = ("density", "polyphony", "register")
"""Controls that are levels: how far one is from another can be said."""


def in_key_rate(score: Score, tonic: int, *, is_minor: bool) -> float:
    """Return the share of notes in the scale of a key, 0 to 1; NaN without pitched notes.

    Minor is natural minor. Drums do not count.

    Args:
        score: The piece.
        tonic: Pitch class of the tonic that was asked for, 0-11.
        is_minor: Whether minor was asked for.

    Source: Dong et al. 2018, "MuseGAN", arXiv:1709.06298 (pitch-in-scale rate, as in MusPy).
    """
    pitch_class = pitched_notes(score)["pitch"] % N_PITCH_CLASSES
    if len(pitch_class) == 0:
        return np.nan
    return float(np.isin(pitch_class, scale_pitch_classes(tonic, is_minor=is_minor)).mean())


def key_match(score: Score, tonic: int, *, is_minor: bool) -> float:
    """Return 1 if the key that is heard is the one asked for, else 0; NaN if none is heard.

    The key heard is that of `sideman.analysis.keys.find_key`, which errs, too: read beside
    the value of real pieces whose key is stated.
    """
    key = find_key(score)
    if key is None:
        return np.nan
    return float((key.tonic, key.is_minor) == (tonic, is_minor))


def tempo_error(score: Score, tempo_bpm: float) -> float:
    """Return how far the mean tempo is from the one asked for, as a share of it, at least 0.

    The mean is all quarters over all seconds to the end of the last note; NaN without notes.

    Args:
        score: The piece.
        tempo_bpm: The tempo asked for, quarter notes per minute, more than 0.
    """
    if score.end == 0:
        return np.nan
    seconds = float(ticks_to_seconds(score, score.end))
    mean_bpm = score.end / score.tpq / seconds * SECONDS_PER_MINUTE
    return abs(mean_bpm / tempo_bpm - 1)


def exact_bars(score: Score, n_bars: int) -> float:
    """Return 1 if the last note begins in the last of `n_bars` bars, else 0.

    A note may ring beyond. NaN without notes.
    """
    if len(score.notes) == 0:
        return np.nan
    last = np.searchsorted(bar_starts(score), score.notes["onset"].max(), side="right")
    return float(last == n_bars)


def control_match(score: Score, asked: Table) -> float:
    """Return the share of the controls asked for that are measured exactly so, 0 to 1.

    Roles, densities, polyphonies and registers count alike; NaN where nothing is asked.

    Args:
        score: The piece.
        asked: Structured array of `CONTROLS_DTYPE`: what is asked of which part, as in
            `sideman.tokens.controls.measure_controls`; `UNSPECIFIED` asks nothing.

    Raises:
        ScoreError: If the score has too many bars.
    """
    measured = measure_controls(to_grid(score)[0])[asked["part"]]
    hits = [
        (measured[name] == asked[name])[asked[name] != UNSPECIFIED]
        for name in ("role", *LEVELS)
    ]
    met = np.concatenate(hits)
    return float(met.mean()) if len(met) else np.nan


def control_error(score: Score, asked: Table) -> float:
    """Return by how many levels the levels asked for are missed on average, at least 0.

    Densities, polyphonies and registers; what a silent part was asked for counts in full.
    NaN where no level is asked.

    Args:
        score: The piece.
        asked: As in `control_match`.

    Raises:
        ScoreError: If the score has too many bars.
    """
    measured = measure_controls(to_grid(score)[0])[asked["part"]]
    misses = [
        np.abs(measured[name].astype(np.int64) - asked[name])[asked[name] != UNSPECIFIED]
        for name in LEVELS
    ]
    missed = np.concatenate(misses)
    return float(missed.mean()) if len(missed) else np.nan
