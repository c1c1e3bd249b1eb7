"""The chords of a piece, from its notes alone.

A hidden Markov model over beats, after Raphael and Stoddard 2004 ("Functional harmonic
analysis using probabilistic models"): a chord shows in the pitch classes that sound and in the
bass, seldom changes inside a bar, and is mostly one of the key. The numbers were chosen by
measurement on songs whose chords are written down (`benchmarks/harmony.py`).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.keys import find_key, pitched_notes
from sideman.score.harmony import (
    N_PITCH_CLASSES,
    NO_CHORD,
    QUALITIES,
    QUALITY_NAMES,
    scale_pitch_classes,
)
from sideman.score.time import MAX_BARS, bar_length, bar_starts, metre_spans
from sideman.score.types import CHORD_DTYPE, MAX_DATA_BYTE, Score, Table

RARITY = {
    "maj": 0.0,
    "min": 0.0,
    "7": 0.0,
    "min7": 1.2,
    "maj7": 2.4,
    "dim": 2.4,
    "dim7": 2.4,
    "hdim7": 2.4,
    "maj6": 2.4,
    "aug": 3.6,
    "min6": 3.6,
    "sus4": 3.6,
    "5": 9.0,
}
"""Qualities that are told apart, and what speaks against beginning each.

This and all costs and gains below are differences of log-probability. Ninths and beyond are
left out: they cannot be told from a melody above a plain chord."""

PRINCIPAL_DEGREES = (0, 5, 7)
PRINCIPAL_GAIN = 0.8
"""What speaks for a chord on the first, fourth or fifth degree of the key where it begins, and
for going on with it at a bar line."""

BAR_COST = 0.1
HALF_BAR_COST = 1.5
BEAT_COST = 3.0
"""What speaks against beginning a chord at a bar line, in mid-bar, on other beats."""

TRIAD_SHARE = 1.0
SEVENTH_SHARE = 0.5
SCALE_SHARE = 0.15
CHROMATIC_SHARE = 0.03
"""How often, relative to a tone of the triad, others sound: the fourth tone of the chord, other
tones of the key, tones of neither."""

MOST_VOICES = 4.0
"""A beat counts as many times as notes sound in it on average, but no more than this: doubling
a chord by an orchestra makes it no surer."""

ROOT_BASS_GAIN = 0.9
"""What speaks for a chord whose root is in the bass, where there is anything above the bass."""

LEAST_BASS = 1 / 8
"""Least part of a beat through which the bass must sound."""

SILENCE_GAIN = 0.25
"""What speaks for no chord in a beat of silence: so little that a rest inside a bar ends no
chord, while a silent bar does."""

NEVER = -1e6
"""What speaks for no chord where something sounds."""

LEADING_TONE = 11
"""Belongs to minor keys as well, above the tonic."""

_N_CHORDS = len(RARITY) * N_PITCH_CLASSES
"""States of the model: root above the tonic + 12 × place in `RARITY`; after them no chord."""

_QUALITY_OF_PLACE = np.array([*(QUALITY_NAMES.index(name) for name in RARITY), 0])
_IS_TONE = np.array(
    [
        np.isin(range(N_PITCH_CLASSES), steps)
        for steps in (*(QUALITIES[name] for name in RARITY), ())
    ]
)
"""Whether a step above the root belongs to the chord, shape (places, 12)."""

_BEGIN_GAINS = np.array(
    [
        PRINCIPAL_GAIN * (root in PRINCIPAL_DEGREES) - cost
        for cost in RARITY.values()
        for root in range(N_PITCH_CLASSES)
    ]
    + [PRINCIPAL_GAIN]
)
"""What speaks for beginning each state, shape (states,)."""

_N_OCTAVES = MAX_DATA_BYTE // N_PITCH_CLASSES + 2
_COMPOUND_UNITS = 3
_QUARTER, _EIGHTH = 4, 8


def find_chords(score: Score) -> Table:
    """Return the chords that the notes spell or imply.

    They change on beats only: quarters, eighths in metres such as 7/8, dotted quarters in
    metres such as 6/8. A score whose beats would be more than `MAX_BARS` changes on bar lines
    only. Drums do not count, nor do the chords and keys that the score states.

    Returns:
        Structured array of `CHORD_DTYPE`: a row where the chord changes, the first at tick 0;
        `NO_CHORD` where nothing sounds. Empty where nothing is pitched. The bass is another
        than the root where another tone of the chord is the lowest in most beats of a bar.

    Raises:
        ScoreError: If the score has more than `MAX_BARS` bars.
    """
    key = find_key(score)
    if key is None:
        return np.zeros(0, CHORD_DTYPE)
    edges, change_costs = _beats(score)
    # Counted from the tonic, so that a transposed piece is the same sum to the last bit.
    sounding = _sounding(pitched_notes(score), edges, key.tonic)
    bass, thickness = _basses(sounding)
    states = _likeliest_states(
        _evidence(sounding, bass, thickness, is_minor=key.is_minor), change_costs
    )
    is_bar = np.isin(edges[:-1], bar_starts(score))  # each bar has its own bass
    begins = is_bar | np.append(True, states[1:] != states[:-1])
    place, root = np.divmod(states[begins], N_PITCH_CLASSES)
    chord = np.cumsum(begins) - 1
    steps = (bass - root[chord]) % N_PITCH_CLASSES
    chords = np.zeros(len(root), CHORD_DTYPE)
    chords["onset"] = edges[:-1][begins]
    chords["root"] = (root + key.tonic) % N_PITCH_CLASSES
    chords["quality"] = _QUALITY_OF_PLACE[place]
    chords["bass"] = _inversions(steps, thickness, chord, place)
    chords["root"][place == len(RARITY)] = NO_CHORD
    return _without_repetitions(chords)


def _beats(score: Score) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the beats' edges, shape (B + 1,), and what a change costs on each, shape (B,)."""
    starts = bar_starts(score)
    spans = metre_spans(score)
    span = np.searchsorted(spans["onset"], starts[:-1], side="right") - 1
    numerator, denominator = spans["numerator"][span], spans["denominator"][span]
    is_compound = (denominator >= _EIGHTH) & (numerator % _COMPOUND_UNITS == 0)
    units = np.where(is_compound, _COMPOUND_UNITS, 1)
    length = bar_length(units, np.maximum(denominator, _QUARTER), score.tpq)
    n_beats = -(-np.diff(starts) // length)
    if n_beats.sum() > MAX_BARS:
        n_beats[:] = 1
    bar = np.repeat(np.arange(len(n_beats)), n_beats)
    beat = np.arange(len(bar)) - (np.cumsum(n_beats) - n_beats)[bar]
    edges = np.append(starts[bar] + beat * length[bar], starts[-1])
    inside = np.where(2 * beat == n_beats[bar], HALF_BAR_COST, BEAT_COST)
    return edges, np.where(beat == 0, BAR_COST, inside)


def _sounding(notes: Table, edges: NDArray[np.int64], tonic: int) -> NDArray[np.float64]:
    """Return how much of each beat each pitch sounds, shape (B, octaves × 12).

    A column modulo 12 is the pitch class above the tonic. Unisons add up.
    """
    length = np.diff(edges)
    shape = len(length), _N_OCTAVES * N_PITCH_CLASSES
    pitch = notes["pitch"].astype(np.int64) + (N_PITCH_CLASSES - tonic)

    def time_after(ticks: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the ticks of each beat that lie after a note's tick, summed over notes."""
        beat = np.minimum(np.searchsorted(edges, ticks, side="right") - 1, len(length) - 1)
        cell = beat * shape[1] + pitch
        rest = np.bincount(cell, edges[beat + 1] - ticks, minlength=shape[0] * shape[1])
        begun = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        earlier = np.cumsum(begun, axis=0) - begun
        whole: NDArray[np.float64] = rest.reshape(shape) + earlier * length[:, None]
        return whole

    onset = notes["onset"]
    # No note is walked through beat by beat: one that lasts for ever costs as much as any.
    return (time_after(onset) - time_after(onset + notes["duration"])) / length[:, None]


def _basses(
    sounding: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each beat's lowest pitch class above the tonic, and how much is above it, 0-1."""
    least = np.minimum(LEAST_BASS, sounding.max(axis=1))
    bass = (sounding >= least[:, None]).argmax(axis=1) % N_PITCH_CLASSES
    return bass, np.clip(sounding.sum(axis=1) - 1, 0, 1)


def _evidence(
    sounding: NDArray[np.float64],
    bass: NDArray[np.int64],
    thickness: NDArray[np.float64],
    *,
    is_minor: bool,
) -> NDArray[np.float64]:
    """Return the log-probability of what sounds in each beat under each state, (B, states)."""
    content = sounding.reshape(len(sounding), -1, N_PITCH_CLASSES).sum(axis=1)
    voices = content.sum(axis=1)
    # Where more sound than count, all are turned down alike.
    content *= (MOST_VOICES / np.maximum(voices, MOST_VOICES))[:, None]
    evidence = np.empty((len(sounding), _N_CHORDS + 1))
    np.matmul(content, _log_shares(is_minor=is_minor).T, out=evidence[:, :-1])
    roots = evidence[:, :-1].reshape(len(sounding), -1, N_PITCH_CLASSES)
    roots[np.arange(len(bass)), :, bass] += (ROOT_BASS_GAIN * thickness)[:, None]
    evidence[:, -1] = np.where(voices > 0, NEVER, SILENCE_GAIN)
    return evidence


@cache
def _log_shares(*, is_minor: bool) -> NDArray[np.float64]:
    """Return the logarithm of each pitch class's share in each chord, shape (chords, 12)."""
    around = np.full(N_PITCH_CLASSES, CHROMATIC_SHARE)
    around[[*scale_pitch_classes(0, is_minor=is_minor), LEADING_TONE]] = SCALE_SHARE
    shares = np.tile(around, (_N_CHORDS, 1))
    for place, quality in enumerate(RARITY):
        tone_shares = (TRIAD_SHARE,) * 3 + (SEVENTH_SHARE,)
        for step, share in zip(QUALITIES[quality], tone_shares, strict=False):
            for root in range(N_PITCH_CLASSES):
                state = place * N_PITCH_CLASSES + root
                shares[state, (root + step) % N_PITCH_CLASSES] = share
    log_shares: NDArray[np.float64] = np.log(shares / shares.sum(axis=1, keepdims=True))
    return log_shares


def _likeliest_states(
    evidence: NDArray[np.float64], change_costs: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the most probable sequence of states, shape (B,) (Viterbi's algorithm).

    What a change costs does not depend on what came before, so that of all states but the one
    that goes on only the best can be the one before.
    """
    n_beats = len(evidence)
    leaders = np.zeros(n_beats, np.int64)
    is_new = np.zeros(evidence.shape, bool)
    best = _BEGIN_GAINS + evidence[0]
    for beat in range(1, n_beats):
        leaders[beat] = leader = best.argmax()
        begun = _BEGIN_GAINS + (best[leader] - change_costs[beat])
        np.greater(begun, best, out=is_new[beat])
        np.maximum(begun, best, out=best)
        best += evidence[beat]
    states = np.empty(n_beats, np.int64)
    state = int(best.argmax())
    for beat in range(n_beats - 1, -1, -1):
        states[beat] = state
        if is_new[beat, state]:
            state = int(leaders[beat])
    return states


def _inversions(
    steps: NDArray[np.int64],
    weights: NDArray[np.float64],
    chord: NDArray[np.int64],
    place: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return the bass of each chord above its root, shape (C,).

    Args:
        steps: The lowest pitch class of each beat above the root of its chord, shape (B,).
        weights: How much it counts, shape (B,).
        chord: Index of the chord of each beat, shape (B,).
        place: Place in `RARITY` of each chord's quality, shape (C,).
    """
    n_chords = len(place)
    held = np.bincount(
        chord * N_PITCH_CLASSES + steps, weights, n_chords * N_PITCH_CLASSES
    ).reshape(n_chords, N_PITCH_CLASSES)
    bass = held.argmax(axis=1)
    is_held = held.max(axis=1) > held.sum(axis=1) / 2
    return np.where(is_held & _IS_TONE[place, bass], bass, 0)


def _without_repetitions(chords: Table) -> Table:
    """Return the rows that differ from the one before in more than the onset."""
    differs = [chords[name][1:] != chords[name][:-1] for name in ("root", "quality", "bass")]
    return chords.compress(np.append(True, np.any(differs, axis=0)))
