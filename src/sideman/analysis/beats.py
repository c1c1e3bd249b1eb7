"""Beats of a performance, found from its onsets, and the score written on them.

Beats are those of dynamic programming (Ellis 2007, "Beat tracking by dynamic programming",
Journal of New Music Research 36): as strong onsets as can be had at steps as even as can be.
Where Ellis has one tempo, here it may drift: the best path through the autocorrelations of
overlapping stretches says how long a beat is at each moment.

| what came in                                       | `how`         | what comes out         |
|----------------------------------------------------|---------------|------------------------|
| quantised                                          | `"none"`      | the same score         |
| quantised beside the grid, or in bars of one beat  | `"shifted"`   | notes moved, bars found|
| performed to the beats of its own file             | `"own-tempo"` | the same score         |
| performed without                                  | `"tracked"`   | a quarter is a beat    |
| too few notes, no steady beat                      | `"failed"`    | the same score         |
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.metre import find_bars
from sideman.analysis.timing import PULSES, Timing, attack_ticks, measure_timing
from sideman.score.edit import shift
from sideman.score.time import (
    QUARTERS_PER_WHOLE,
    SECONDS_PER_MINUTE,
    metre_spans,
    ticks_to_seconds,
)
from sideman.score.types import (
    TEMPO_DTYPE,
    TIME_SIGNATURE_DTYPE,
    Score,
    Table,
    table,
)

How = Literal["none", "shifted", "own-tempo", "tracked", "failed"]

TRACKED_TPQ = 480
"""Ticks per quarter note of a score whose beats were found."""

FRAME_S = 0.02
SMOOTHING_FRAMES = 1.5
"""Standard deviation of the bell that stands for an attack, in frames: 30 ms."""

BELL_FRAMES = 5
"""Frames that it reaches to either side."""

LEAD_S = 1.0
"""Seconds before the first attack in which the first beat may be."""

SHORTEST_BEAT_S = 0.25
LONGEST_BEAT_S = 1.5
BEAT_LENGTHS_S = np.geomspace(SHORTEST_BEAT_S, LONGEST_BEAT_S, 72)
"""Candidates, 2.5 % apart."""

SILENCE = 1e-9
"""Power of a stretch in which there is nothing."""

USUAL_BEAT_S = 0.6
USUAL_OCTAVES = 1.6
"""Centre and spread of the log-Gaussian prior on the length of a beat: people tap every 0.6 s
(van Noorden and Moelants 1999, "Resonance in the perception of musical pulse")."""

STRETCH_FRAMES = 400
STRETCH_HOP = 50
"""Frames looked at for one estimate of the tempo, and from one to the next: 8 s and 1 s."""

DRIFT_OCTAVES = 0.1
"""Spread of the change of tempo from one stretch to the next, in octaves."""

TIGHTNESS = 60.0
"""What unevenness costs, per squared natural logarithm of the ratio to an even beat, in
standard deviations of onset strength (Ellis 2007 takes 100 at a constant tempo)."""

SHORTEST_STEP = 0.6
LONGEST_STEP = 1.7
"""How much shorter or longer than expected a beat can be."""

REACH_S = 0.05
"""A beat is moved to the attacks no further away than this, by their strengths."""

MIN_ATTACKS = 16
MIN_BEATS = 8
MAX_SECONDS = 5400.0

FOLLOWS = 0.25
"""Least `Timing.follows_tempo` of a performance to the file's own beats."""

CHANCE_PER_BEAT = 0.9
MAX_CHANCE = 0.5
"""What attacks at random, 2 to 12 a second, gather: so much for each beat per attack, at most
so much in all."""

MIN_CONFIDENCE = 0.1
"""Least confidence of beats that are written down."""

MAX_LATENCY = 1 / 24
"""Largest offset, in quarters, that leaves the file's bar lines believable."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """A score whose quarters are beats, as far as that could be had.

    Attributes:
        score: The score, the very same object unless `how` is `"shifted"` or `"tracked"`.
        how: What was done; see the table of this module.
        confidence: How far to trust the beats, 0-1.
    """

    score: Score
    how: How
    confidence: float


def align(score: Score) -> Aligned:
    """Return the score on its beats, and what was done to it.

    Notes keep their parts, pitches and velocities. A tracked score begins at the first beat;
    from one onset to another it takes the same seconds as before, to within a tick.

    Raises:
        ScoreError: If a quantised score whose bars are to be found is longer than
            `sideman.score.time.MAX_BARS` whole notes.
    """
    timing = measure_timing(score)
    if timing.is_performed:
        if timing.follows_tempo >= FOLLOWS:
            return Aligned(score, "own-tempo", timing.follows_tempo)
        return _tracked(score)
    if timing.offset_quarters or _has_no_bars(score):
        return _shifted(score, timing)
    return Aligned(score, "none", 1 - timing.deviation)


def track_beats(score: Score) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the attacks and the beats of a score, in seconds, shapes (A,) and (B,).

    There are no beats with less than `MIN_ATTACKS` attacks, or more than `MAX_SECONDS`.
    """
    ticks = attack_ticks(score)
    attacks = ticks_to_seconds(score, ticks)
    if len(attacks) < MIN_ATTACKS or attacks[-1] - attacks[0] > MAX_SECONDS:
        return attacks, np.zeros(0)
    weights = _attack_weights(score, ticks)
    start = attacks[0] - LEAD_S
    strength = _onset_strength((attacks - start) / FRAME_S, weights)
    frames = _best_beats(strength, _beat_lengths(strength))
    return attacks, _moved_to_attacks(frames * FRAME_S + start, attacks, weights)


def _tracked(score: Score) -> Aligned:
    attacks, beats = track_beats(score)
    if len(beats) < MIN_BEATS:
        return Aligned(score, "failed", 0.0)
    confidence = _steadiness(attacks, beats)
    if confidence < MIN_CONFIDENCE:
        return Aligned(score, "failed", confidence)
    return Aligned(_written_on(beats, score), "tracked", confidence)


def _written_on(beats: NDArray[np.float64], score: Score) -> Score:
    """Return the score with a quarter note for each beat, in bars of quarters.

    It begins with the beat at or before the first note; if that is no downbeat, with a short
    bar. Each beat has its tempo. Before the first beat and after the last they go on evenly.
    """
    first_s = float(ticks_to_seconds(score, score.notes["onset"][0]))
    n_before = max(int(np.ceil((beats[0] - first_s) / (beats[1] - beats[0]))), 0)
    lead = beats[0] - (beats[1] - beats[0]) * np.arange(n_before, 0, -1)
    beats = np.append(lead, beats)
    beats = beats[max(int(np.searchsorted(beats, first_s, side="right")) - 1, 0) :]

    def moved(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
        quarters = _to_quarters(ticks_to_seconds(score, ticks), beats)
        return np.maximum(np.rint(quarters * TRACKED_TPQ), 0).astype(np.int64)

    def at_moved(rows: Table) -> Table:
        rows = rows.copy()
        rows["onset"] = moved(rows["onset"])
        return rows

    notes = at_moved(score.notes)
    ends = moved(score.notes["onset"] + score.notes["duration"])
    notes["duration"] = np.maximum(ends - notes["onset"], 1)
    tempos = np.zeros(len(beats) - 1, TEMPO_DTYPE)
    tempos["onset"] = TRACKED_TPQ * np.arange(len(tempos))
    tempos["tempo_bpm"] = SECONDS_PER_MINUTE / np.diff(beats)
    unbarred = replace(
        score,
        notes=notes,
        tpq=TRACKED_TPQ,
        tempos=tempos,
        keys=at_moved(score.keys),
        chords=at_moved(score.chords),
    )
    bars = find_bars(unbarred)
    return _barred(unbarred, bars.numerator, int(bars.phase_quarters))


def _has_no_bars(score: Score) -> bool:
    """Return whether the metre is one beat, which says nothing of bars."""
    return bool((metre_spans(score)["numerator"] == 1).all())


def _shifted(score: Score, timing: Timing) -> Aligned:
    """Return the score moved onto the grid, in bars that fit if those stated cannot."""
    offset = timing.offset_quarters
    if abs(offset) <= MAX_LATENCY and not _has_no_bars(score):
        notes = score.notes.copy()
        notes["onset"] = np.maximum(notes["onset"] - round(offset * score.tpq), 0)
        return Aligned(score.with_notes(notes), "shifted", 1 - timing.deviation)
    on_grid = _moved_back(score, offset)
    bars = find_bars(on_grid, places_per_quarter=4)
    pickup = int(bars.phase_quarters)
    on_beats = _moved_back(on_grid, bars.phase_quarters - pickup)
    if on_beats.notes["onset"][0] > on_grid.notes["onset"][0]:
        pickup = (pickup + 1) % bars.numerator
    return Aligned(_barred(on_beats, bars.numerator, pickup), "shifted", bars.confidence)


def _moved_back(score: Score, quarters: float) -> Score:
    """Return the score earlier by less than a quarter, or later by what lacks to a quarter."""
    ticks = -round(quarters * score.tpq)
    return shift(score, ticks if score.notes["onset"][0] + ticks >= 0 else ticks + score.tpq)


def _barred(score: Score, numerator: int, pickup: int) -> Score:
    """Return the score in bars of `numerator` quarters after a short one of `pickup`."""
    rows = [(pickup * score.tpq, numerator, QUARTERS_PER_WHOLE)]
    if pickup:
        rows.insert(0, (0, pickup, QUARTERS_PER_WHOLE))
    return replace(score, time_signatures=table(TIME_SIGNATURE_DTYPE, rows))


def _attack_weights(score: Score, ticks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return how much each attack sounds like a beat, at least 0, shape (A,).

    Loud, low, long and many notes do.
    """
    notes = score.notes
    attack = np.searchsorted(ticks, notes["onset"], side="right") - 1
    ends = ticks_to_seconds(score, notes["onset"] + notes["duration"])
    length = np.clip(ends - ticks_to_seconds(score, notes["onset"]), 0.05, 2.0)
    low = 1 + np.clip((60 - notes["pitch"]) / 24, 0, 1)
    each = (notes["velocity"] / 64) * low * np.sqrt(length)
    weights: NDArray[np.float64] = np.sqrt(np.bincount(attack, each, minlength=len(ticks)))
    return weights


def _onset_strength(
    places: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return attacks at `places`, in frames, as bells in units of their standard deviation."""
    reach = np.arange(-BELL_FRAMES, BELL_FRAMES + 1)
    bell = np.exp(-0.5 * (reach / SMOOTHING_FRAMES) ** 2)
    frames = np.rint(places).astype(np.int64)
    impulses = np.bincount(frames, weights, minlength=int(frames[-1]) + len(bell))
    smooth = np.convolve(impulses, bell, mode="same")
    strength: NDArray[np.float64] = smooth / smooth.std()
    return strength


def _beat_lengths(strength: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the length of a beat in frames at each hop, by the best path through all hops."""
    n_hops = len(strength) // STRETCH_HOP + 1
    around = (STRETCH_FRAMES // 2, STRETCH_FRAMES // 2 + STRETCH_HOP)
    padded = np.pad(strength - strength.mean(), around)
    stretches = np.lib.stride_tricks.sliding_window_view(padded, STRETCH_FRAMES)
    stretches = stretches[::STRETCH_HOP][:n_hops] * np.hanning(STRETCH_FRAMES)
    spectra = np.fft.rfft(stretches, 2 * STRETCH_FRAMES)
    power = spectra.real**2 + spectra.imag**2
    correlation = np.fft.irfft(power)[:, :STRETCH_FRAMES]
    correlation /= correlation[:, :1].clip(SILENCE)
    lags = BEAT_LENGTHS_S / FRAME_S
    fits = _at(correlation, lags) + 0.5 * _at(correlation, 2 * lags)
    octaves = np.log2(BEAT_LENGTHS_S)
    fits -= 0.5 * ((octaves - np.log2(USUAL_BEAT_S)) / USUAL_OCTAVES) ** 2
    cost = 0.5 * ((octaves[:, None] - octaves) / DRIFT_OCTAVES) ** 2
    return lags[_best_path(fits, cost)]


def _at(rows: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rows at places between their columns, linearly."""
    left = np.minimum(places.astype(np.int64), rows.shape[1] - 2)
    part = np.minimum(places - left, 1.0)
    between: NDArray[np.float64] = rows[:, left] * (1 - part) + rows[:, left + 1] * part
    return between


def _best_path(fits: NDArray[np.float64], cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the state at each step that makes fits less costs largest (Viterbi 1967)."""
    total, came_from = fits[0], np.zeros(fits.shape, np.int64)
    for step in range(1, len(fits)):
        options = total - cost  # (to, from)
        came_from[step] = options.argmax(axis=1)
        total = options.max(axis=1) + fits[step]
    path = np.zeros(len(fits), np.int64)
    path[-1] = total.argmax()
    for step in range(len(fits) - 1, 0, -1):
        path[step - 1] = came_from[step, path[step]]
    return path


def _best_beats(
    strength: NDArray[np.float64], lengths: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return the frames of the beats, shape (B,).

    A beat is at least `SHORTEST_STEP` of its length after the one before: that many frames at
    a time depend only on frames before them, and are worked out together.
    """
    n_frames, longest = len(strength), int(lengths.max()) + 1
    pad = int(LONGEST_STEP * longest) + 1
    total = np.zeros(pad + n_frames + longest)  # best score of beats up to each frame
    came_from = np.zeros(n_frames + longest, np.int64)
    own = np.pad(strength, (0, longest))
    first = 0
    while first < n_frames:
        length = lengths[first // STRETCH_HOP]
        lags = np.arange(int(SHORTEST_STEP * length), int(LONGEST_STEP * length) + 1)
        block = np.arange(first, first + lags[0])
        options = total[pad + block[:, None] - lags] - TIGHTNESS * np.log(lags / length) ** 2
        best = options.argmax(axis=1)
        came_from[block] = block - lags[best]
        total[pad + block] = own[block] + options[np.arange(len(block)), best]
        first += len(block)
    last = n_frames - int(lengths[-1])
    frame = last + int(total[pad + last : pad + n_frames].argmax())
    beats = []
    while frame >= 0:
        beats.append(frame)
        frame = int(came_from[frame])
    return np.array(beats[::-1], np.int64)


def _moved_to_attacks(
    beats: NDArray[np.float64], attacks: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return beats at the weighted mean of the attacks near them."""
    low = np.searchsorted(attacks, beats - REACH_S)
    high = np.searchsorted(attacks, beats + REACH_S)
    mass = np.append(0.0, np.cumsum(weights))
    moment = np.append(0.0, np.cumsum(weights * attacks))
    near = mass[high] - mass[low]
    is_near = near > 0
    moved = beats.copy()
    moved[is_near] = ((moment[high] - moment[low])[is_near]) / near[is_near]
    return moved


def _steadiness(attacks: NDArray[np.float64], beats: NDArray[np.float64]) -> float:
    """Return how much attacks gather at one phase of the beats or their parts, 0-1.

    0 is what attacks at random reach, because beats are put where attacks are.
    """
    quarters = _to_quarters(attacks, beats)
    gathered = max(float(abs(np.exp(2j * np.pi * p * quarters).mean())) for p in PULSES)
    chance = min(CHANCE_PER_BEAT * len(beats) / len(attacks), MAX_CHANCE)
    return max((gathered - chance) / (1 - chance), 0.0)


def _to_quarters(
    seconds: NDArray[np.float64], beats: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how many beats after the first each second is; beats go on evenly outside."""
    inside = np.interp(seconds, beats, np.arange(len(beats)))
    before = np.minimum(seconds - beats[0], 0) / (beats[1] - beats[0])
    after = np.maximum(seconds - beats[-1], 0) / (beats[-1] - beats[-2])
    quarters: NDArray[np.float64] = inside + before + after
    return quarters
