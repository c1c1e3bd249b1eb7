"""All metrics at once: ranges, edge cases, and what must not matter."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sideman.evaluate.metrics import (
    ASKED_METRICS,
    HISTOGRAMS,
    PIECE_METRICS,
    SET_METRICS,
    describe,
    measure,
    measure_histograms,
)

DOCS = Path(__file__).parents[2] / "docs" / "evaluate.md"
ROUNDING = 1e-9
FEW = settings(max_examples=25)  # all metrics are computed in each

OF_PITCHES = {
    "pitch_class_entropy",
    "scale_consistency",
    "pitch_range",
    "chord_tone_ratio",
    "mean_duration",
    "polyphony",
    "repeated_ngram_rate",
}
"""Metrics that need pitched notes."""


def transposed(score, semitones):
    is_drum = np.array([part.is_drum for part in score.parts])[score.notes["part"]]
    notes = score.notes.copy()
    notes["pitch"] += np.where(is_drum, 0, semitones).astype(np.int16)
    return score.with_notes(notes)


def test_any_score_is_measured_within_the_ranges(any_score):
    """A value outside its range is a wrong formula."""

    @FEW
    @given(any_score)
    def check(score):
        for metric in PIECE_METRICS:
            value = metric(score)
            assert np.isnan(value) or metric.low - ROUNDING <= value <= metric.high + ROUNDING

    check()


def test_histograms_are_shares(any_score):
    """They sum to 1, or to 0 where there is nothing."""

    @FEW
    @given(any_score)
    def check(score):
        for histogram in measure_histograms(score).values():
            assert histogram.min() >= 0
            total = histogram.sum()
            assert total == pytest.approx(1) or total == 0

    check()


def test_transposed_music_measures_the_same(any_score):
    """Keys are equal."""

    @FEW
    @given(any_score, st.integers(-12, 12))
    def check(score, semitones):
        moved = transposed(score, semitones)
        assert measure(moved) == pytest.approx(measure(score), nan_ok=True)
        before, after = measure_histograms(score), measure_histograms(moved)
        assert after["pitch_class"] == pytest.approx(np.roll(before["pitch_class"], semitones))
        both = (semitones, semitones)
        assert after["pitch_class_transitions"] == pytest.approx(
            np.roll(before["pitch_class_transitions"], both, (0, 1))
        )

    check()


def test_the_order_of_parts_does_not_matter(any_score):
    """Which track comes first is chance."""

    @FEW
    @given(any_score, st.permutations(range(3)))
    def check(score, order):
        notes = score.notes.copy()
        notes["part"] = np.argsort(order)[notes["part"]]
        other = replace(score, notes=notes, parts=tuple(score.parts[part] for part in order))
        assert measure(other) == pytest.approx(measure(score), nan_ok=True)
        for name, histogram in measure_histograms(other).items():
            assert histogram == pytest.approx(HISTOGRAMS[name](score))

    check()


def test_resolution_does_not_matter(any_score):
    """A file of ten times as many ticks holds the same music."""

    @FEW
    @given(any_score)
    def check(score):
        score = replace(score, time_signatures=score.time_signatures[:0])
        notes = score.notes.copy()
        notes["onset"] *= 10
        notes["duration"] *= 10
        finer = replace(score, notes=notes, tpq=10 * score.tpq)
        assert measure(finer) == pytest.approx(measure(score), nan_ok=True)

    check()


def test_silence(piece):
    """It has no notes in one empty bar; all else is not defined."""
    values = measure(piece())
    assert values.pop("note_density") == 0
    assert values.pop("empty_bar_rate") == 1
    assert all(np.isnan(value) for value in values.values())
    assert not any(histogram.any() for histogram in measure_histograms(piece()).values())


def test_one_note(piece):
    """It is its own scale, chord and downbeat; nothing follows or returns."""
    values = measure(piece((0, 2, 60, 0)))
    assert {name: value for name, value in values.items() if not np.isnan(value)} == {
        "pitch_class_entropy": 0,
        "scale_consistency": 1,
        "pitch_range": 0,
        "chord_tone_ratio": 1,
        "note_density": 1 / 4,
        "mean_duration": 2,
        "polyphony": 1,
        "empty_bar_rate": 0,
        "downbeat_rate": 1,
        "repeated_bar_rate": 0,
    }


def test_drums_only(piece):
    """They have rhythm and structure, but neither pitch nor length."""
    rows = [(4 * bar + beat, 0.5, 36 + beat, 2) for bar in range(4) for beat in range(4)]
    values = measure(piece(*rows))
    undefined = {name for name, value in values.items() if np.isnan(value)}
    assert undefined == OF_PITCHES | {"structure_mid", "structure_long"}
    assert values["groove_consistency"] == 1
    assert values["repeated_bar_rate"] == 3 / 4


def test_a_seam_that_cannot_be_measured_has_no_value(piece):
    """The functions of seams say None; a table of figures has NaN."""
    (overlap,) = (metric for metric in ASKED_METRICS if metric.name == "pitch_class_overlap")
    score = piece((0, 1, 36, 2), (16, 1, 60, 0))
    assert np.isnan(overlap(score, 2))


def test_names_are_used_once():
    """A table has one row of a name."""
    names = Counter(metric.name for metric in (*PIECE_METRICS, *ASKED_METRICS, *SET_METRICS))
    assert names.most_common(1)[0][1] == 1


@pytest.mark.parametrize("metrics", [PIECE_METRICS, ASKED_METRICS, SET_METRICS])
def test_the_page_has_the_tables_of_the_metrics(metrics):
    """What a musician reads is what is computed."""
    assert describe(metrics) in DOCS.read_text(encoding="utf-8")


def test_the_page_names_every_histogram():
    """Those are drawn in reports."""
    text = DOCS.read_text(encoding="utf-8")
    assert [name for name in HISTOGRAMS if f"`{name}`" not in text] == []
