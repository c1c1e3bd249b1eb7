"""Prompts: what is left out of held-out pieces, and that nothing of it is told."""

import json

import numpy as np
import pytest

from sideman.errors import CorpusError, OutputExists
from sideman.evaluate.prompts import (
    HOLES,
    MANIFEST,
    N_BARS,
    TASKS,
    draw_prompts,
    held_out,
    write_prompts,
)
from sideman.score.midi import read_midi
from sideman.score.types import NOTE_DTYPE, TPQ, Part, Score, table


@pytest.fixture(scope="session")
def prompts(shards):
    """Return two prompts of each task."""
    return {task: draw_prompts(shards, task, 2, seed=3) for task in TASKS}


@pytest.mark.parametrize("task", TASKS)
def test_what_is_known_and_what_is_written_make_up_the_piece(prompts, task):
    """A note that were in both would be told, one in neither would be lost."""
    for prompt in prompts[task]:
        gone = prompt.real.notes[prompt.is_written(prompt.real)]
        together = np.concatenate([prompt.known.notes, gone])
        assert len(together) == len(prompt.real.notes)
        assert len(gone) > 0
        assert not prompt.is_written(prompt.known).any()


@pytest.mark.parametrize("task", TASKS)
def test_the_hole_is_where_the_task_has_it(prompts, task):
    """Eight bars after eight, four of twelve: figures of other holes are other figures."""
    for prompt in prompts[task]:
        assert (prompt.hole.first, prompt.hole.end) == HOLES[task]
        written = prompt.real.notes["onset"][prompt.is_written(prompt.real)]
        assert (written // prompt.bar_ticks).min() >= prompt.hole.first
        assert (written // prompt.bar_ticks).max() < prompt.hole.end
        assert prompt.n_bars == N_BARS[task]


def test_chords_are_told_to_a_chart_alone(prompts):
    """Other systems get MIDI, which has none: nobody else may have them."""
    has_chords = {task: len(of[0].known.chords) > 0 for task, of in prompts.items()}

    assert has_chords == {"continue": False, "infill": False, "accompany": False, "chart": True}


def test_a_melody_is_what_is_accompanied(prompts):
    """The flute plays alone; bass and drums are to be written."""
    prompt = prompts["accompany"][0]

    assert [prompt.known.parts[part].program for part in prompt.given_parts] == [73]
    assert set(prompt.known.notes["part"]) == set(prompt.given_parts)


@pytest.mark.parametrize("task", TASKS)
def test_the_first_prompts_of_many_are_those_of_few(shards, prompts, task):
    """Who asks for more keeps what was measured; the same seed gives the same prompts."""
    more = draw_prompts(shards, task, 4, seed=3)

    assert [prompt.id for prompt in more[:2]] == [prompt.id for prompt in prompts[task]]
    assert len({prompt.piece for prompt in more}) == 4


def test_styles_take_turns(prompts):
    """A corpus is mostly of one style; a table of prompts shall not be."""
    assert {prompt.style for prompt in prompts["continue"]} == {1, 2}


def test_pieces_that_are_too_short_have_no_prompt(make_corpus):
    """Sixteen bars are wanted of a piece to continue, eight of one to accompany."""
    corpus = make_corpus(("test", 1, 9))

    assert draw_prompts(corpus, "continue", 5, seed=0) == []
    assert len(draw_prompts(corpus, "accompany", 5, seed=0)) == 1


def test_without_a_test_split_the_validation_split_is_asked(make_corpus):
    """Small corpora have only two splits."""
    assert held_out(make_corpus(("valid", 1, 16)))[0] == "valid"


def test_a_corpus_that_holds_nothing_out_is_refused(make_corpus):
    """To measure on music that was learned is to measure memory."""
    with pytest.raises(CorpusError, match="holds no piece out"):
        held_out(make_corpus(("train", 1, 16)))


def test_foreign_notes_go_to_the_parts_of_their_instruments(prompts):
    """A file may have its tracks in another order, another division, and one track more."""
    prompt = prompts["continue"][0]
    parts = (Part(0, is_drum=True), Part(33), Part(56))
    onset = prompt.first_tick * 20
    notes = table(
        NOTE_DTYPE, [(onset, 480, pitch, 80, part) for part, pitch in enumerate((36, 40, 60))]
    )

    take = prompt.completed(Score(notes, parts, tpq=TPQ * 20))

    new = take.notes[prompt.is_written(take)]
    assert [take.parts[part].program for part in new["part"]] == [33, 0, 56]
    assert (new["onset"] == prompt.first_tick).all()
    assert len(take.parts) == len(prompt.known.parts) + 1


def test_known_bars_stay_whatever_a_file_has_there(prompts):
    """A system that changes the prompt is not measured by what it made of it."""
    prompt = prompts["continue"][0]
    wrong = table(NOTE_DTYPE, [(0, 24, 100, 80, 0), (10_000 * TPQ, 24, 100, 80, 0)])

    take = prompt.completed(Score(wrong, (Part(73),)))

    assert np.array_equal(take.notes, prompt.known.notes)


def test_written_prompts_can_be_read_and_are_described(prompts, tmp_path):
    """Another system knows nothing but the folder."""
    asked = [prompt for of in prompts.values() for prompt in of]

    write_prompts(asked, tmp_path)

    listed = json.loads((tmp_path / MANIFEST).read_text())
    assert [row["id"] for row in listed] == [prompt.id for prompt in asked]
    for prompt, row in zip(asked, listed, strict=True):
        assert len(read_midi(tmp_path / row["file"]).notes) == len(prompt.known.notes)
        assert (row["first_new_bar"], row["last_new_bar"]) == (
            prompt.hole.first + 1,
            prompt.hole.end,
        )
    chart = next(row for row in listed if row["task"] == "chart")
    assert [symbol for _, symbol in chart["chords"][:2]] in (["C", "G"], ["G", "C"])
    with pytest.raises(OutputExists):
        write_prompts(asked, tmp_path)
