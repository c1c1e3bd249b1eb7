"""Comparing: gaps, intervals and wins, on figures made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.evaluate.bootstrap import mean_figure, ratio_figure
from sideman.evaluate.comparing import FRECHET, compare, distributions
from sideman.evaluate.judging import BITS, Judged
from sideman.evaluate.results import REAL, Duel, Figure

N_PROMPTS = 12


def judged(value, *, bits=3.0, place=0.0, shape=(1.0, 0.0)):
    """Return a take with one metric."""
    rng = np.random.default_rng(int(abs(np.nan_to_num(value)) * 100))
    vectors = (rng.normal(size=(6, 2)) + place).astype(np.float32)
    return Judged(9, {"range": value, BITS: bits}, {"pitch": np.array(shape)}, vectors)


@pytest.fixture
def answers():
    """Return takes: a good system always one off, a bad one three, a lazy one half silent."""
    real = {f"p{n}": [judged(float(n))] for n in range(N_PROMPTS)}
    return {
        REAL: real,
        "good": {p: [judged(of[0].values["range"] + 1)] * 2 for p, of in real.items()},
        "bad": {p: [judged(of[0].values["range"] - 3, place=9)] for p, of in real.items()},
        "lazy": {p: of if int(p[1:]) < N_PROMPTS / 2 else [] for p, of in real.items()},
    }


def compared(answers):
    rows, duels = compare("continue", answers, ["good"], ["bad", "lazy"], seed=1)
    return (
        {(row.system, row.metric): row for row in rows},
        {(duel.metric, duel.rival): duel for duel in duels},
    )


def test_a_gap_is_how_far_from_the_piece_prompt_by_prompt(answers):
    """Two systems with the same mean may be a world apart on each prompt."""
    rows, _ = compared(answers)

    assert rows[REAL, "range"].gap.value == 0
    assert rows["good", "range"].figure.value == pytest.approx((N_PROMPTS - 1) / 2 + 1)
    assert rows["good", "range"].gap == Figure(1, 1, 1, N_PROMPTS)
    assert rows["bad", "range"].gap.value == 3


def test_takes_on_both_sides_do_not_make_up_for_each_other():
    """One too high and one too low are two misses."""
    answers = {REAL: {"p": [judged(5.0)]}, "both": {"p": [judged(3.0), judged(7.0)]}}

    rows, _ = compare("infill", answers, [], [], seed=0)

    (row,) = (row for row in rows if (row.system, row.metric) == ("both", "range"))
    assert (row.figure.value, row.gap.value) == (5, 2)


def test_a_duel_is_over_the_prompts_that_both_answered(answers):
    """Who leaves out the hard ones wins nothing by it."""
    _, duels = compared(answers)

    assert duels["range", "bad"].verdict == "beats"
    assert duels["range", "bad"].difference.value == -2
    assert duels["range", "lazy"].difference.n == N_PROMPTS / 2
    assert duels["range", "lazy"].verdict == "loses"


def test_the_model_is_no_judge_of_itself(answers):
    """It would find likely what it wrote itself."""
    rows, duels = compared(answers)

    assert ("good", BITS) in rows
    assert (BITS, "bad") not in duels


def test_frechet_distance_is_of_the_whole_set(answers):
    """It has no value on a prompt; what is drawn anew are prompts all the same."""
    rows, duels = compared(answers)

    assert rows["lazy", FRECHET].figure.value == pytest.approx(0, abs=1e-4)
    assert rows["good", FRECHET].figure.value < rows["bad", FRECHET].figure.value
    assert duels[FRECHET, "bad"].verdict == "beats"
    assert (REAL, FRECHET) not in rows


def test_what_is_not_defined_counts_neither_way(answers):
    """A silent take has no pitch range: its prompt is left out, and n says so."""
    answers["good"]["p0"] = [judged(np.nan), judged(1.0)]
    answers["good"]["p1"] = [judged(np.nan)]

    rows, _ = compared(answers)

    assert rows["good", "range"].gap.value == 1
    assert rows["good", "range"].gap.n == N_PROMPTS - 1


def test_distributions_are_means_of_takes_that_have_any(answers):
    """An empty histogram is no distribution."""
    answers["good"] = {"p0": [judged(1.0, shape=(0, 1)), judged(1.0, shape=(0, 0))]}

    found = {shape.system: shape.shares for shape in distributions("continue", answers)}

    assert found["good"] == (0.0, 1.0)
    assert found[REAL] == (1.0, 0.0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-2, -1, "beats"), (-1, 1, "ties"), (1, 2, "loses"), (np.nan, np.nan, "ties")],
)
def test_only_an_interval_without_0_decides(low, high, verdict):
    """A single prompt, which has no interval, decides nothing."""
    duel = Duel("infill", "range", "a", "b", Figure((low + high) / 2, low, high, 9))

    assert duel.verdict == verdict


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_an_interval_is_round_its_mean(values):
    """And inside the values."""
    figure = mean_figure(np.array(values), seed=2)

    assert min(values) - 1e-9 <= figure.low <= figure.high <= max(values) + 1e-9
    assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9 or len(set(values)) > 1


def test_a_ratio_weighs_windows_by_their_notes():
    """Bits a note of all music, not the mean of windows of all lengths."""
    figure = ratio_figure(np.array([10.0, 90.0, 0.0]), np.array([10, 10, 0]), seed=0)

    assert (figure.value, figure.n) == (5, 2)


@pytest.mark.parametrize("values", [[], [np.nan], [4.0]])
def test_one_value_has_no_interval(values):
    """Nothing is known of how others would be."""
    figure = mean_figure(np.array(values), seed=0)

    assert np.isnan(figure.low)
    assert np.isnan(figure.high)
