"""Rivals: who needs no weights plays by the rules as well, and does what it says."""

import numpy as np
import pytest

from sideman.errors import EvaluationError, MidiFileError
from sideman.evaluate.prompts import TASKS, draw_prompts
from sideman.evaluate.rivals import (
    MOST_AT_ONCE,
    Chain,
    Copy,
    Elsewhere,
    Files,
    Markov,
    Model,
    Player,
    Real,
    uniform,
)
from sideman.score.midi import write_midi
from sideman.score.types import NOTE_DTYPE, Part, Score, table


@pytest.fixture(scope="session")
def prompts(shards):
    """Return the prompts of each task."""
    return {task: draw_prompts(shards, task, 4, seed=0) for task in TASKS}


@pytest.fixture
def chain(prompts):
    """Return a chain that has heard one song."""
    counted = Chain()
    counted.learn(prompts["continue"][1].real)
    return counted


def kept(prompt, take):
    """Return the notes of a take that were not to be written."""
    return take.notes[~prompt.is_written(take)]


@pytest.mark.parametrize("task", TASKS)
def test_everybody_leaves_what_is_known_as_it_is(prompts, chain, fp32_bundle, task):
    """A gap to the piece that came of a changed prompt would say nothing."""
    (prompt, *_) = prompts[task]
    players: list[Player] = [
        Model(fp32_bundle, "tiny"),
        uniform(fp32_bundle),
        Markov(chain),
        Copy(),
        Elsewhere(prompts[task]),
    ]
    for player in players:
        for take in player.play(prompt, 2, 5):
            assert np.array_equal(kept(prompt, take), prompt.known.notes), player.name


@pytest.mark.parametrize("task", TASKS)
def test_the_real_one_is_the_piece(prompts, task):
    """What all are measured by."""
    (prompt, *_) = prompts[task]

    (take,) = Real().play(prompt, 3, 0)

    assert np.array_equal(take.notes, prompt.real.notes)


def test_a_copy_is_the_bars_before(prompts):
    """Bar for bar, in all parts."""
    (prompt, *_) = prompts["continue"]

    (take,) = Copy().play(prompt, 3, 0)

    new = take.notes[prompt.is_written(take)]
    new["onset"] -= prompt.first_tick
    assert np.array_equal(new, prompt.known.notes)


@pytest.mark.parametrize("task", ["accompany", "chart"])
def test_where_nothing_stands_before_there_is_nothing_to_copy(prompts, task):
    """Better no take than one made up."""
    assert Copy().play(prompts[task][0], 2, 0) == []


def test_elsewhere_is_another_piece_of_the_corpus(prompts):
    """Real music, but not that of the prompt."""
    (prompt, following, *_) = prompts["continue"]

    (take,) = Elsewhere(prompts["continue"]).play(prompt, 1, 0)

    (new, other) = (
        score.notes[prompt.is_written(score)][["onset", "pitch"]]
        for score in (take, following.real)
    )
    assert np.array_equal(np.sort(new), np.sort(other))


def test_there_is_no_elsewhere_for_a_single_prompt(prompts):
    """Its own piece would be the answer."""
    (prompt, *_) = prompts["infill"]

    assert Elsewhere([prompt]).play(prompt, 1, 0) == []


def test_a_chain_says_nothing_that_was_not_said_before(prompts, chain):
    """The drums of all songs are two pieces in turn, a quarter apart: a take has the same."""
    (prompt, *_) = prompts["continue"]
    chain.learn(prompt.known)

    (take,) = Markov(chain).play(prompt, 1, 1)

    drums = take.notes[take.notes["part"] == 2]
    assert set(drums["pitch"]) == {36, 38}
    assert set(np.diff(drums["onset"])) == {24}
    assert len(drums) == 4 * prompt.n_bars


def test_a_chain_that_knows_nothing_still_fills_the_bars(prompts):
    """A corpus without a training split, and parts that were never heard."""
    (prompt, *_) = prompts["chart"]

    (take,) = Markov(Chain()).play(prompt, 1, 1)

    new = take.notes[prompt.is_written(take)]
    assert set(new["part"]) == set(prompt.hole.parts)


def test_a_chain_that_knows_only_chords_moves_on(prompts):
    """Notes that begin together are followed by others that do: it would never end."""
    (prompt, *_) = prompts["accompany"]
    chain = Chain()
    notes = table(NOTE_DTYPE, [(0, 24, pitch, 80, 0) for pitch in (60, 64, 67)])
    chain.learn(Score(notes, (Part(0),)))

    (take,) = Markov(chain).play(prompt, 1, 0)

    bass = take.notes[take.notes["part"] == prompt.hole.parts[0]]
    assert np.bincount(bass["onset"]).max() <= MOST_AT_ONCE
    assert bass["onset"].max() >= (prompt.n_bars - 1) * prompt.bar_ticks


def test_seeds_make_takes_and_takes_differ(prompts, chain):
    """Same seed, same notes; two takes of one prompt are two draws."""
    (prompt, *_) = prompts["continue"]
    one, other = Markov(chain).play(prompt, 2, 3)
    (again,) = Markov(chain).play(prompt, 1, 3)

    assert np.array_equal(one.notes, again.notes)
    assert not np.array_equal(one.notes, other.notes)


def test_files_are_read_into_the_hole(prompts, tmp_path):
    """What another system made of a prompt is found by the name of the prompt."""
    (prompt, *_) = prompts["continue"]
    write_midi(prompt.real, tmp_path / f"{prompt.id}-1.mid")
    files = Files(tmp_path)

    files.check([prompt], 1)
    (take,) = files.play(prompt, 1, 0)

    new, real = (score.notes[prompt.is_written(score)] for score in (take, prompt.real))
    assert np.array_equal(np.sort(new["pitch"]), np.sort(real["pitch"]))


def test_a_broken_file_is_refused_before_anything_is_measured(prompts, tmp_path):
    """Not after minutes, when its turn comes."""
    (prompt, *_) = prompts["continue"]
    (tmp_path / f"{prompt.id}-1.mid").write_text("<html>")

    with pytest.raises(MidiFileError, match=f"{prompt.id}-1"):
        Files(tmp_path).check([prompt], 1)


def test_missing_takes_are_refused_by_name(prompts, tmp_path):
    """Fewer takes than asked would be compared as if they were as many."""
    (prompt, *_) = prompts["continue"]
    write_midi(prompt.real, tmp_path / f"{prompt.id}-1.mid")

    with pytest.raises(EvaluationError, match=rf"lacks 1 of 2 .* {prompt.id}-2.mid"):
        Files(tmp_path).check([prompt], 2)
