"""Which notes: pitch classes, scales, range and chord tones. Drums never count here."""

import numpy as np
from numpy.typing import NDArray

from sideman.analysis.chords import find_chords
from sideman.analysis.keys import pitched_notes
from sideman.evaluate.outline import find_lines, follows_in_line, shares
from sideman.score.harmony import (
    MAJOR_SCALE,
    N_PITCH_CLASSES,
    NO_CHORD,
    QUALITIES,
)
from sideman.score.types import MAX_DATA_BYTE, Score, Table

MAX_ENTROPY = float(np.log2(N_PITCH_CLASSES))
"""Entropy, in bits, of twelve pitch classes that are equally frequent."""

_SCALES = np.array(
    [
        np.isin(range(N_PITCH_CLASSES), np.add(MAJOR_SCALE, tonic) % N_PITCH_CLASSES)
        for tonic in range(N_PITCH_CLASSES)
    ]
)
"""Whether a pitch class is in a scale, shape (12, 12): majors, whose notes are the minors'."""

_CHORD_TONES = np.array(
    [np.isin(range(N_PITCH_CLASSES), steps) for steps in QUALITIES.values()]
)
"""Whether a step above the root belongs to a quality, shape (qualities, 12)."""


def pitch_histogram(score: Score) -> NDArray[np.float64]:
    """Return the share of notes at each MIDI note number, shape (128,); 0 without notes.

    Source: Yang and Lerch 2018, "On the evaluation of generative models in music".
    """
    return shares(np.bincount(pitched_notes(score)["pitch"], minlength=MAX_DATA_BYTE + 1))


def pitch_class_histogram(score: Score) -> NDArray[np.float64]:
    """Return the share of notes of each pitch class, C first, shape (12,); 0 without notes.

    Source: Yang and Lerch 2018. Each note counts once, however long.
    """
    pitch_class = pitched_notes(score)["pitch"] % N_PITCH_CLASSES
    return shares(np.bincount(pitch_class, minlength=N_PITCH_CLASSES))


def pitch_class_transitions(score: Score) -> NDArray[np.float64]:
    """Return how often each pitch class follows each, shape (12, 12): from, to.

    Shares of all successions, which sum to 1; 0 where there are none.

    Source: Yang and Lerch 2018, who take the notes in the order of the file. Here a note
    follows the one before it in the line of its part (the highest note at each onset).
    """
    lines = find_lines(score)
    pitch_class = lines["pitch"].astype(np.int64) % N_PITCH_CLASSES
    pairs = N_PITCH_CLASSES * pitch_class[:-1] + pitch_class[1:]
    counts = np.bincount(pairs[follows_in_line(lines)], minlength=N_PITCH_CLASSES**2)
    return shares(counts).reshape(N_PITCH_CLASSES, N_PITCH_CLASSES)


def pitch_class_entropy(score: Score) -> float:
    """Return the entropy of the pitch classes in bits, 0 to 3.58; NaN without pitched notes.

    Source: Wu and Yang 2020, "The Jazz Transformer on the front line", arXiv:2008.01307, who
    take it of one and of four bars; here it is of the whole piece, as in MusPy (Dong et al.
    2020, arXiv:2008.01951).
    """
    histogram = pitch_class_histogram(score)
    used = histogram[histogram > 0]
    return float(abs(used @ np.log2(used))) if len(used) else np.nan


def scale_consistency(score: Score) -> float:
    """Return the largest share of notes that one scale holds, 0 to 1; NaN without.

    Source: Mogren 2016, "C-RNN-GAN", arXiv:1611.09904, with the 12 major scales and their
    natural minors, as in MusPy.
    """
    histogram = pitch_class_histogram(score)
    return min(float((_SCALES @ histogram).max()), 1.0) if histogram.any() else np.nan


def pitch_range(score: Score) -> float:
    """Return the semitones from the lowest to the highest note, 0 to 127; NaN without.

    Source: Yang and Lerch 2018; MusPy, which gives 0 where we give NaN.
    """
    pitch = pitched_notes(score)["pitch"]
    return float(np.ptp(pitch)) if len(pitch) else np.nan


def chord_tone_ratio(score: Score, chords: Table | None = None) -> float:
    """Return the share of notes that belong to the chord in which they begin, 0 to 1.

    Args:
        score: The piece.
        chords: Structured array of `CHORD_DTYPE`, such as a chart that was asked for. None:
            the chords that `sideman.analysis.chords.find_chords` hears in the notes, so that
            a piece without symbols is measured as one with them.

    Returns:
        NaN where no note begins in a chord.

    Source: Yeh et al. 2021, "Automatic melody harmonization with triad chords",
    arXiv:2001.02360, whose ratio forgives tones that lead on to a chord tone; this does not.
    """
    chords = find_chords(score) if chords is None else chords
    notes = pitched_notes(score)
    chord = np.searchsorted(chords["onset"], notes["onset"], side="right") - 1
    has_chord = chord >= 0
    has_chord[has_chord] = chords["root"][chord[has_chord]] != NO_CHORD
    if not has_chord.any():
        return np.nan
    held = chords[chord[has_chord]]
    steps = (notes["pitch"][has_chord] - held["root"]) % N_PITCH_CLASSES
    is_tone = _CHORD_TONES[held["quality"], steps] | (steps == held["bass"])
    return float(is_tone.mean())
