"""The protocol from end to end, with a random model on songs made by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sideman.errors import CorpusError, EvaluationError, OutputExists
from sideman.evaluate.judging import BITS, judge
from sideman.evaluate.listener import Listener
from sideman.evaluate.prompts import TASKS, draw_prompts
from sideman.evaluate.protocol import collect_prompts, evaluate
from sideman.evaluate.results import (
    REAL,
    RESULTS_FORMAT,
    RESULTS_NAME,
    Settings,
    read_results,
    write_results,
)
from sideman.evaluate.summary import not_beaten, summary_lines
from sideman.score.midi import read_midi, write_midi
from sideman.score.types import NOTE_DTYPE, table

SETTINGS = Settings(("infill", "chart"), prompts=2, takes=2, seed=4)


@pytest.fixture(scope="session")
def run(fp32_bundle, shards, tmp_path_factory):
    """Return the folder and the results of a small evaluation."""
    out = tmp_path_factory.mktemp("evaluation") / "report"
    return out, evaluate(fp32_bundle.folder, shards.folder, out, SETTINGS)


def test_everybody_answers_every_prompt(run):
    """As many takes as asked, but where nothing is left to chance, or to copy."""
    _, results = run
    n_takes = {
        (prompt.task, system): sum(
            (take.prompt, take.system) == (prompt.id, system) for take in results.takes
        )
        for prompt in results.prompts
        for system in results.systems
    }

    assert results.systems == (
        REAL,
        "tiny fp32",
        "Markov",
        "copy",
        "uniform",
        "other piece",
    )
    for task in SETTINGS.tasks:
        assert n_takes[task, "tiny fp32"] == n_takes[task, "Markov"] == 2
        assert n_takes[task, "uniform"] == 2
        assert n_takes[task, REAL] == n_takes[task, "other piece"] == 1
    assert (n_takes["infill", "copy"], n_takes["chart", "copy"]) == (1, 0)


def test_takes_lie_where_the_results_say(run):
    """A report plays them."""
    out, results = run
    for take in results.takes:
        assert len(read_midi(out / take.path).notes) >= take.n_notes


def test_results_come_back_from_their_file(run):
    """What is not a number is null there, for JSON has no word for it."""
    out, results = run

    again = read_results(out / RESULTS_NAME)

    assert repr(again) == repr(results)  # NaN is not equal to itself
    assert "NaN" not in (out / RESULTS_NAME).read_text()


def test_every_row_has_a_gap_and_the_piece_has_none(run):
    """The yardstick lies beside each figure."""
    _, results = run
    for row in results.rows:
        if row.system == REAL:
            assert row.gap.value == 0
        else:
            assert row.gap.n == 0 or row.gap.value >= 0
    assert {row.task for row in results.rows} == set(SETTINGS.tasks)


def test_reader_is_told_what_the_figures_do_not_say(run):
    """A foreign corpus, styles without a label, and rivals that cannot do a task."""
    _, results = run
    notes = "\n".join(results.notes)

    assert "did not learn from this corpus" in notes
    assert "no label for unheard" in notes
    assert "copy has no take for 2 of 2 prompts of chart" in notes


def test_a_model_that_does_not_beat_markov_is_said_to(run):
    """In words, row by row, under each table."""
    _, results = run

    lines = list(summary_lines(results))

    lost = not_beaten(results, "infill", "tiny fp32")
    assert lost
    assert f"tiny fp32 does not beat Markov in: {', '.join(lost)}" in lines


def test_the_same_seed_finds_the_same_whatever_else_is_asked(
    fp32_bundle, shards, run, tmp_path
):
    """A task can be looked at again alone."""
    _, results = run
    settings = replace(SETTINGS, tasks=("infill",))

    again = evaluate(fp32_bundle.folder, shards.folder, tmp_path / "report", settings)

    assert repr(again.rows) == repr(tuple(row for row in results.rows if row.task == "infill"))
    assert repr(again.likelihood) == repr(results.likelihood)


def test_a_guest_is_measured_beside(fp32_bundle, shards, tmp_path):
    """A folder of the pieces themselves has no gap at all."""
    settings = Settings(("continue",), prompts=1, takes=1, seed=4)
    guest = tmp_path / "guest"
    guest.mkdir()
    for prompt in collect_prompts(shards, settings):
        write_midi(prompt.real, guest / f"{prompt.id}-1.mid")

    results = evaluate(
        fp32_bundle.folder, shards.folder, tmp_path / "report", settings, takes_from=[guest]
    )

    gaps = [row.gap.value for row in results.rows if row.system == "guest"]
    assert results.systems[1:3] == ("tiny fp32", "guest")
    assert np.nanmax(gaps) == pytest.approx(0, abs=1e-3)
    assert {duel.rival for duel in results.duels if duel.system == "guest"} >= {"tiny fp32"}


@pytest.mark.parametrize("task", TASKS)
def test_a_take_without_notes_is_measured_too(shards, fp32_bundle, task):
    """Silence has no pitch, but it has a density."""
    (prompt,) = draw_prompts(shards, task, 1, seed=0)
    silent = prompt.real.with_notes(prompt.real.notes[~prompt.is_written(prompt.real)])

    found = judge(prompt, silent, Listener(fp32_bundle, threads=1))

    assert found.n_notes == 0
    assert found.values["note_density"] == 0
    assert np.isnan(found.values[BITS])
    assert len(found.vectors) == 0


def test_bits_count_what_was_written_alone(shards, fp32_bundle):
    """Another last bar of the known future changes nothing that was said before it came."""
    (prompt,) = draw_prompts(shards, "continue", 1, seed=0)
    listener = Listener(fp32_bundle, threads=1)
    last = prompt.real.notes["onset"] >= (prompt.n_bars - 1) * prompt.bar_ticks
    shorter = prompt.real.with_notes(prompt.real.notes[~last])

    all_bars, fewer = (judge(prompt, score, listener) for score in (prompt.real, shorter))

    assert all_bars.n_notes - fewer.n_notes == last.sum()
    assert len(all_bars.vectors) == len(fewer.vectors) + 1


def test_loudness_does_not_change_the_bits_of_a_take(shards, fp32_bundle):
    """Other systems may write none; one loudness throughout is none."""
    (prompt,) = draw_prompts(shards, "chart", 1, seed=0)
    listener = Listener(fp32_bundle, threads=1)
    bits = []
    for velocity in (30, 90):
        notes = prompt.real.notes.copy()
        notes["velocity"] = velocity
        bits.append(judge(prompt, prompt.real.with_notes(notes), listener).values[BITS])

    assert bits[0] == pytest.approx(bits[1])


def test_notes_beyond_the_context_are_not_heard(shards, fp32_bundle):
    """A take denser than the model can hear is measured by what it can."""
    (prompt,) = draw_prompts(shards, "continue", 1, seed=0)
    rows = [
        (prompt.first_tick + n, 1, 40 + n % 60, 80, 0)
        for n in range(prompt.end_tick - prompt.first_tick)
    ]
    dense = prompt.completed(prompt.real.with_notes(table(NOTE_DTYPE, rows)))

    found = judge(prompt, dense, Listener(fp32_bundle, threads=1))

    assert found.n_notes == len(rows)
    assert np.isfinite(found.values[BITS])


def test_results_are_not_overwritten(fp32_bundle, shards, run):
    """Nor is anything computed before that is known."""
    out, _ = run
    with pytest.raises(OutputExists):
        evaluate(fp32_bundle.folder, shards.folder, out, SETTINGS)


def test_a_guest_may_not_have_the_name_of_another(fp32_bundle, shards, tmp_path):
    """Their takes would go to one folder."""
    guest = tmp_path / "copy"
    guest.mkdir()
    settings = Settings(("chart",), prompts=1, takes=1, seed=0)
    for prompt in collect_prompts(shards, settings):
        write_midi(prompt.real, guest / f"{prompt.id}-1.mid")

    with pytest.raises(EvaluationError, match="two systems are called 'copy'"):
        evaluate(
            fp32_bundle.folder, shards.folder, tmp_path / "out", settings, takes_from=[guest]
        )


def test_a_corpus_of_scraps_is_refused(make_corpus):
    """It has nothing to be continued."""
    with pytest.raises(CorpusError, match="enough bars"):
        collect_prompts(make_corpus(("test", 1, 3)), SETTINGS)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": "1"}'])
def test_a_file_that_is_no_result_is_refused(tmp_path, text):
    """In one line that names it."""
    path = tmp_path / "a.json"
    path.write_text(text)

    with pytest.raises(EvaluationError, match=r"a\.json"):
        read_results(path)


def test_results_of_a_newer_format_are_refused(run, tmp_path):
    """By name, with the way out."""
    _, results = run
    path = tmp_path / RESULTS_NAME
    write_results(replace(results, format=RESULTS_FORMAT + 1), path)

    assert json.loads(path.read_text())["format"] == RESULTS_FORMAT + 1
    with pytest.raises(EvaluationError, match="evaluate again"):
        read_results(path)
