"""Two bundles are told apart where they differ, and nowhere else."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import EvaluationError
from sideman.evaluate.pairing import FORETELLING, compare, flip_test, holm, prompt_gaps
from sideman.evaluate.pairing_report import write_comparison


def shifted(results, by, name="other"):
    """Return results of another bundle whose pitch range is further off by so much."""
    takes = []
    for take in results.takes:
        if take.system == results.subject.bundle:
            values = dict(take.values)
            values["pitch_range"] += by
            take = replace(take, system=name, values=values)
        takes.append(take)
    return replace(results, subject=replace(results.subject, bundle=name), takes=tuple(takes))


def test_a_difference_on_every_prompt_is_found(many_prompts):
    """Where one is nearer each time, it is said to be."""
    comparison = compare(many_prompts, shifted(many_prompts, 2.0))

    found = {(pair.task, pair.metric): pair for pair in comparison.pairs}
    pair = found["continue", "pitch_range"]
    assert (pair.verdict, pair.difference.value) == ("a", -2.0)
    assert pair.p < pair.corrected < 0.05
    assert found["continue", "polyphony"].verdict == "ties"
    assert found[FORETELLING, "bits_per_note"].difference.value == 0


def test_a_bundle_ties_with_itself(many_prompts):
    """Nothing is found where there is nothing; fingerprints tell the two apart by name."""
    other = replace(many_prompts, subject=replace(many_prompts.subject, bundle_hash="ffff"))

    comparison = compare(many_prompts, other)

    assert {pair.verdict for pair in comparison.pairs} == {"ties"}
    assert {pair.corrected for pair in comparison.pairs} == {1.0}
    assert comparison.names == ("tiny abcd", "tiny ffff")


def test_own_likelihood_is_no_row(many_prompts):
    """Each would be judge in its own case."""
    comparison = compare(many_prompts, shifted(many_prompts, 1.0))

    bits = [pair.task for pair in comparison.pairs if pair.metric == "bits_per_note"]
    assert bits == [FORETELLING]


def test_a_prompt_without_a_take_counts_for_neither(many_prompts):
    """What one did not answer cannot be compared."""
    gone = many_prompts.prompts[0].id
    other = shifted(many_prompts, 1.0)
    other = replace(
        other,
        takes=tuple(t for t in other.takes if (t.prompt, t.system) != (gone, "other")),
    )

    pairs = {(pair.task, pair.metric): pair for pair in compare(many_prompts, other).pairs}

    assert np.isnan(prompt_gaps(other)["continue", "pitch_range"][0])
    assert pairs["continue", "pitch_range"].a.n == len(many_prompts.prompts) - 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda r: replace(r, settings=replace(r.settings, seed=9)), "seed is 0 there and 9"),
        (lambda r: replace(r, subject=replace(r.subject, corpus_hash="x")), "corpus is"),
        (lambda r: replace(r, prompts=r.prompts[:-1]), "number of prompts is 16"),
        (lambda r: replace(r, prompts=r.prompts[::-1]), "one was asked continue-0"),
    ],
)
def test_other_questions_are_refused(many_prompts, change, named):
    """Figures of other prompts or seeds say nothing about which bundle is better."""
    with pytest.raises(EvaluationError, match=named) as caught:
        compare(many_prompts, change(many_prompts))

    assert "\n" not in str(caught.value)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=7))
def test_flips_agree_with_all_signs_counted(differences):
    """Drawn by lot, the chance is that of all 2^n ways, near enough."""
    values = np.array(differences, np.float64)
    sums = [abs(np.dot(signs, values)) for signs in product((-1, 1), repeat=len(values))]
    exact = np.mean(np.array(sums) >= abs(values.sum()) - 1e-9)

    assert flip_test(values, seed=0) == pytest.approx(exact, abs=0.02)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_only_ever_raises_and_keeps_the_order(chances):
    """A correction that made anything likelier would be a bug with a name."""
    corrected = holm(chances)

    assert all(one <= other <= 1 for one, other in zip(chances, corrected, strict=True))
    order = np.argsort(chances, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_page_names_who_is_better_and_where(many_prompts, tmp_path):
    """The comparison can be read without knowing what a p-value is."""
    out = tmp_path / "comparison.html"

    write_comparison(compare(many_prompts, shifted(many_prompts, 2.0)), out)

    text = out.read_text(encoding="utf-8")
    assert "tiny is better in 1, other in 0" in text
    assert "too few" not in text


def test_page_says_so_where_prompts_are_too_few(many_prompts, tmp_path):
    """Four prompts can never tell two bundles apart in several rows."""
    few = replace(many_prompts, prompts=many_prompts.prompts[:4])
    out = tmp_path / "comparison.html"

    write_comparison(compare(few, shifted(few, 2.0)), out)

    assert "4 prompts of a task are too few" in out.read_text(encoding="utf-8")
