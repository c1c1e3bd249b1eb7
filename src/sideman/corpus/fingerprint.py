"""Fingerprints: what stays of a piece when it is transposed, arranged, sped up or cut.

Two files hold the same music when they share many *shingles*: `STEPS` successive intervals
along a line of notes. Key, rhythm, tempo, loudness and instruments are not in them, nor how
much of the piece there is. The lines are seen in two views, each with a sketch of its own,
because a change that breaks one mostly leaves the other whole:

| view    | lines                                      | stays when                           |
|---------|--------------------------------------------|--------------------------------------|
| texture | the highest and the lowest notes of it all | parts are merged, split or exchanged |
| parts   | the highest notes of each part             | parts are left out or added          |

Drums count only in a piece with hardly any other notes. A drum shingle is `DRUM_STEPS`
successive strokes: which drums, and whether sooner or later than the stroke before.

Of a set of shingles are kept its size and its MinHash signature (Broder 1997, "On the
resemblance and containment of documents"): the share of equal entries of two signatures
estimates the Jaccard index of the sets.
"""

from dataclasses import dataclass

import numpy as np
from datasketch import MinHash
from numpy.typing import NDArray

from sideman.score.types import Score, Table

VIEWS = ("texture", "parts")

PERMUTATIONS = 128
"""Entries of a signature: the standard error of a Jaccard index of 0.5 is 0.044."""

STEPS = 8
"""Intervals of a shingle: fewer join more tunes of one family, more miss altered copies."""

DRUM_STEPS = 5

RATIO_LIMITS = (0.8, 1.25)
"""Ratios of successive inter-onset intervals: below is sooner, above is later."""

CHORD_SHARE = 0.25
"""Notes are struck together when this share of the shorter one's duration parts them, or less.

A share, not a time: played chords spread, and so the same at any tempo.
"""

FEWEST_PITCHED = 8
"""With fewer distinct shingles in its texture, drums count as well."""

Shingles = NDArray[np.uint32]

_NO_SHINGLES = np.zeros(0, np.uint32)
_SCHEME = "affine32"
_PERMUTATION_FACTORS = MinHash(PERMUTATIONS, scheme=_SCHEME).permutations
_SHINGLES_AT_ONCE = 512  # the table of 512 by 128 hashes stays in the L2 cache
_N_DRUM_BITS = 64  # General MIDI has fewer drum pieces, so no two of them share a bit
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio (Knuth, TAOCP 6.4)
_HALF_WORD = np.uint64(32)


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What stays of a piece.

    Attributes:
        signatures: MinHash signature of each view, shape (V, PERMUTATIONS), V = 2.
        counts: Distinct shingles of each view, shape (V,).
    """

    signatures: NDArray[np.uint32]
    counts: NDArray[np.uint32]


def fingerprint(score: Score) -> Fingerprint:
    """Return the fingerprint of a piece."""
    views = shingle_views(score)
    signatures = np.stack([_signature(view) for view in views])
    return Fingerprint(signatures, np.array([len(view) for view in views], np.uint32))


def shingle_views(score: Score) -> tuple[Shingles, Shingles]:
    """Return the distinct shingles, hashed, of the texture and of the parts of a piece."""
    is_drum = np.array([part.is_drum for part in score.parts], bool)[score.notes["part"]]
    pitched = score.notes.compress(~is_drum)
    texture, parts = _texture(pitched), _parts(pitched)
    if len(texture) < FEWEST_PITCHED:
        texture = np.union1d(texture, _strokes(score.notes.compress(is_drum)))
    return texture, parts


def _texture(notes: Table) -> Shingles:
    """Return the shingles of the highest and of the lowest notes."""
    if len(notes) == 0:
        return _NO_SHINGLES
    line = np.zeros(len(notes), np.int16)
    notes, starts = _in_chords(notes, line)
    high = np.maximum.reduceat(notes["pitch"], starts)
    low = np.minimum.reduceat(notes["pitch"], starts)
    return np.union1d(_runs(np.diff(high), STEPS), _runs(np.diff(low), STEPS))


def _parts(notes: Table) -> Shingles:
    """Return the shingles of the highest notes of each part."""
    if len(notes) == 0:
        return _NO_SHINGLES
    notes, starts = _in_chords(notes, notes["part"])
    high, part = np.maximum.reduceat(notes["pitch"], starts), notes["part"][starts]
    runs = _runs(np.diff(high), STEPS)
    return np.unique(runs[part[: len(runs)] == part[STEPS:]])


def _strokes(notes: Table) -> Shingles:
    """Return the shingles of the drums."""
    if len(notes) == 0:
        return _NO_SHINGLES
    notes, starts = _in_chords(notes, np.zeros(len(notes), np.int16))
    bits = np.uint64(1) << (notes["pitch"] % _N_DRUM_BITS).astype(np.uint64)
    struck = np.bitwise_or.reduceat(bits, starts)
    between = np.diff(notes["onset"][starts])
    sooner_or_later = np.searchsorted(RATIO_LIMITS, between[1:] / between[:-1])
    return np.unique(_runs(_mixed(struck[2:]) + sooner_or_later.astype(np.uint64), DRUM_STEPS))


def _in_chords(notes: Table, line: NDArray[np.int16]) -> tuple[Table, NDArray[np.int64]]:
    """Return notes line by line in order of onset, and where those struck together begin."""
    order = np.lexsort((notes["duration"], notes["onset"], line))
    notes, line = notes.take(order), line[order]
    shorter = np.minimum(notes["duration"][1:], notes["duration"][:-1])
    apart = np.diff(notes["onset"]) > CHORD_SHARE * shorter
    return notes, np.flatnonzero(np.append(True, apart | (line[1:] != line[:-1])))


def _runs(steps: NDArray[np.integer], length: int) -> Shingles:
    """Return the hash of every run of `length` successive steps, shape (T - length + 1,)."""
    n_runs = max(len(steps) - length + 1, 0)
    mixed = _mixed(steps.astype(np.uint64))
    hashed = np.zeros(n_runs, np.uint64)
    for place in range(length):
        hashed = _mixed(hashed + mixed[place : place + n_runs])
    return hashed.astype(np.uint32)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return words with every bit spread over all the others."""
    words = words * _MULTIPLIER
    words ^= words >> _HALF_WORD
    words *= _MULTIPLIER
    return words ^ (words >> _HALF_WORD)


def _signature(shingles: Shingles) -> NDArray[np.uint32]:
    """Return the MinHash signature, shape (PERMUTATIONS,)."""
    sketch = MinHash(hashfunc=int, scheme=_SCHEME, permutations=_PERMUTATION_FACTORS)
    for start in range(0, len(shingles), _SHINGLES_AT_ONCE):
        sketch.update_batch(shingles[start : start + _SHINGLES_AT_ONCE].tolist())
    signature: NDArray[np.uint32] = sketch.hashvalues
    return signature
