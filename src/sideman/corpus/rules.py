"""Quality rules: what is measured of a piece, and from which value on it is left out.

Each rule has a name, which is the reason in the manifest, and a threshold, which a person may
change or switch off. Measuring and judging are apart: a changed threshold costs no new reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sideman.analysis.metre import MISALIGNED_CONFIDENCE
from sideman.errors import CorpusError
from sideman.score.time import SECONDS_PER_MINUTE, bar_starts, ticks_to_seconds
from sideman.score.types import DEFAULT_TEMPO_BPM, MAX_DATA_BYTE, Score, Table

OFF = "off"
"""What a person writes for the threshold of a rule that shall not hold."""

COPY_SHARE = 0.95
"""Share of a part's notes found in another of like size from which on it is its copy."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to leave a piece out.

    Attributes:
        name: Code of the reason.
        measure: Column that is compared.
        threshold: The last value that is still good; None: the rule is off.
        is_least: The piece is left out below the threshold; else above.
        unit: Of measure and threshold, for people.
        why: What is wrong with such a piece, for people.
    """

    name: str
    measure: str
    threshold: float | None
    is_least: bool
    unit: str
    why: str

    def breaks(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return where a value is beyond the threshold, same shape; NaN never is."""
        if self.threshold is None:
            return np.zeros(len(values), bool)
        return values < self.threshold if self.is_least else values > self.threshold

    def line(self) -> str:
        """Say rule and threshold in one line."""
        if self.threshold is None:
            return f"{self.name}: off"
        return f"{self.name}: {'less' if self.is_least else 'more'} than {self.limit()}"

    def limit(self) -> str:
        """Return the threshold with its unit."""
        return f"{self.threshold:g} {self.unit}".rstrip()


def _least(name: str, measure: str, threshold: float, unit: str, why: str) -> Rule:
    return Rule(name, measure, threshold, is_least=True, unit=unit, why=why)


def _most(name: str, measure: str, threshold: float, unit: str, why: str) -> Rule:
    return Rule(name, measure, threshold, is_least=False, unit=unit, why=why)


RULES = (
    _least("too-few-notes", "n_notes", 8, "notes", "there is too little to learn from"),
    _least("one-pitch", "n_pitches", 2, "pitches", "a click track, a test tone"),
    _least("tempo-too-slow", "tempo_bpm", 20, "bpm", "no music is so slow: bars mean nothing"),
    _most("tempo-too-fast", "tempo_bpm", 400, "bpm", "no music is so fast: bars mean nothing"),
    _most("too-long", "duration_s", 7200, "s", "left running, or several pieces in one"),
    _most(
        "too-dense",
        "notes_per_s",
        100,
        "notes/s",
        "no ear tells them apart",
    ),
    _most("stuck-notes", "stuck_share", 0.05, "of the notes", "keys that were never released"),
    _most("long-silence", "silence_bars", 32, "bars", "there is nothing in them to learn"),
    _most("duplicated-tracks", "copied_share", 0.4, "of the notes", "parts are there twice"),
    _least(
        "misaligned-bars",
        "downbeat_confidence",
        MISALIGNED_CONFIDENCE,
        "",
        "bar lines are not where the music's are",
    ),
    _least("no-beat", "alignment_confidence", 0.1, "", "performed, and no beat was found"),
)
"""All rules, in the order in which they are tried; the first that is broken is the reason."""

MEASURES = (
    "n_pitches",
    "notes_per_s",
    "stuck_share",
    "silence_bars",
    "copied_share",
)
"""What is measured for the rules alone; the other measures are columns of the manifest."""

STUCK_QUARTERS = 64
"""Quarter notes from which on a note counts as stuck: sixteen bars of 4/4."""


def measure_quality(score: Score) -> dict[str, float]:
    """Return the `MEASURES` of a score that has notes."""
    notes = score.notes
    onset_s = ticks_to_seconds(score, notes["onset"])
    end_s = float(ticks_to_seconds(score, [score.end])[0])
    seconds = max(end_s - float(onset_s[0]), 1.0)
    return {
        "n_pitches": len(np.unique(notes["pitch"])),
        "notes_per_s": len(notes) / seconds,
        "stuck_share": float((notes["duration"] > STUCK_QUARTERS * score.tpq).mean()),
        "silence_bars": _silence_bars(score),
        "copied_share": _copied_share(notes, len(score.parts)),
    }


def mean_tempo_bpm(score: Score) -> float:
    """Return the quarter notes of a score by the minutes they take; 120 without notes."""
    end_s = float(ticks_to_seconds(score, [score.end])[0])
    return (
        score.end / score.tpq / end_s * SECONDS_PER_MINUTE if end_s > 0 else DEFAULT_TEMPO_BPM
    )


def _silence_bars(score: Score) -> int:
    """Return the most bars in a row, between first and last note, in which nothing sounds."""
    starts = bar_starts(score)
    n_bars = len(starts) - 1
    first = np.searchsorted(starts, score.notes["onset"], side="right") - 1
    ends = score.notes["onset"] + score.notes["duration"]
    last = np.minimum(np.searchsorted(starts, ends, side="left"), n_bars)
    sounding = np.bincount(first, minlength=n_bars + 1) - np.bincount(
        last, minlength=n_bars + 1
    )
    (filled,) = np.nonzero(np.cumsum(sounding)[:n_bars] > 0)
    return int(np.diff(filled).max(initial=1)) - 1


def _copied_share(notes: Table, n_parts: int) -> float:
    """Return the share of the notes that lie in parts which are copies of an earlier part."""
    key = notes["onset"].astype(np.int64) * (MAX_DATA_BYTE + 1) + notes["pitch"]
    seen: list[NDArray[np.int64]] = []
    n_copied = 0
    for part in range(n_parts):
        mine = key[notes["part"] == part]
        if any(_is_copy(mine, other) for other in seen):
            n_copied += len(mine)
        else:
            seen.append(mine)
    return n_copied / len(notes)


def _is_copy(mine: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    fewer, more = sorted((len(mine), len(other)))
    if fewer == 0 or fewer < COPY_SHARE * more:
        return False
    return float(np.isin(mine, other).mean()) >= COPY_SHARE


def set_thresholds(changes: Mapping[str, str]) -> tuple[Rule, ...]:
    """Return the rules with some thresholds changed.

    Args:
        changes: By name of the rule the new threshold, or `OFF`.

    Raises:
        CorpusError: If there is no such rule, or a threshold is not a number.
    """
    known = {rule.name for rule in RULES}
    for name, text in changes.items():
        if name not in known:
            msg = f"there is no rule {name!r}; there are {', '.join(sorted(known))}"
            raise CorpusError(msg)
        if text != OFF and not _is_number(text):
            msg = f"the threshold of rule {name!r} is {text!r}; it must be a number or {OFF!r}"
            raise CorpusError(msg)
    return tuple(
        replace(
            rule, threshold=None if changes[rule.name] == OFF else float(changes[rule.name])
        )
        if rule.name in changes
        else rule
        for rule in RULES
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def judge(measured: pa.Table, rules: Sequence[Rule]) -> list[tuple[str, str] | None]:
    """Return for each row the first rule it breaks: reason and a line for people, or None."""
    verdicts: list[tuple[str, str] | None] = [None] * measured.num_rows
    for rule in reversed(rules):
        values = measured[rule.measure].cast(pa.float64()).to_numpy()
        for row in np.flatnonzero(rule.breaks(values)):
            side = "at least" if rule.is_least else "at most"
            verdicts[row] = rule.name, f"{values[row]:.4g}; {side} {rule.limit()} is kept"
    return verdicts
