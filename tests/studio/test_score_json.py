"""Music as JSON: nothing is lost on the way, and notes keep their ids."""

import re
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sideman.score.edit import drop_empty_parts
from sideman.score.harmony import SYMBOL_SUFFIXES, parse_chord
from sideman.score.plain import score_of
from sideman.score.types import (
    CHORD_DTYPE,
    KEY_DTYPE,
    NOTE_DTYPE,
    TEMPO_DTYPE,
    Part,
    Score,
    table,
)
from sideman.studio.schemas import Score as ScoreShape
from sideman.studio.score_json import (
    PAN,
    VOLUME,
    empty_json,
    json_of,
    mix_of,
    note_indices,
)

NOTES = st.lists(
    st.tuples(
        st.integers(0, 500),
        st.integers(1, 100),
        st.integers(0, 127),
        st.integers(1, 127),
        st.integers(0, 2),
    ),
    max_size=12,
)
PARTS = (Part(0, name="Piano"), Part(0, name="Piano"), Part(0, is_drum=True, name="Drums"))


def ids_by_row(json):
    names = [part["name"] for part in json["parts"]]
    return sorted((n["id"], n["onset"], n["pitch"], names[n["part"]]) for n in json["notes"])


@given(NOTES)
def test_a_score_comes_back_from_json_as_it_was(rows):
    """What is stored is what was played."""
    score = Score(
        table(NOTE_DTYPE, rows),
        PARTS,
        tempos=table(TEMPO_DTYPE, [(0, 93.5)]),
        keys=table(KEY_DTYPE, [(0, 2, True)]),
        chords=table(CHORD_DTYPE, [(0, *parse_chord("E7/G#")), (96, *parse_chord("N"))]),
    )
    json = json_of(score)
    again = score_of(ScoreShape.model_validate(json).model_dump())
    for name in ("notes", "tempos", "keys", "chords", "time_signatures"):
        assert (getattr(again, name) == getattr(score, name)).all()
    assert again.parts == score.parts
    assert len({note["id"] for note in json["notes"]}) == len(rows)


@given(NOTES, st.randoms(use_true_random=False))
def test_notes_that_stay_keep_their_ids_and_locks(rows, random):
    """A lock or a selection must not jump to another note when a take comes."""
    before = json_of(Score(table(NOTE_DTYPE, rows), PARTS))
    for note in before["notes"]:
        note["locked"] = random.random() < 0.5
    score = score_of(before)
    more = table(NOTE_DTYPE, [(600, 10, 60, 80, 1)])
    after = json_of(score.with_notes(np.concatenate([more, score.notes])), like=before)
    kept = [note for note in after["notes"] if note["onset"] < 600]
    assert kept == before["notes"]
    (new,) = (note for note in after["notes"] if note["onset"] == 600)
    assert not new["locked"]
    assert new["id"] not in {note["id"] for note in before["notes"]}


def test_ids_survive_when_a_part_before_theirs_goes():
    """Tasks leave out parts in which nobody plays."""
    score = Score(
        table(NOTE_DTYPE, [(0, 24, 60, 80, 1), (24, 24, 35, 80, 2)]), PARTS[1:] + PARTS
    )
    before = json_of(score)
    before["notes"][0]["id"] = 77
    after = json_of(drop_empty_parts(score), like=before)
    assert len(after["parts"]) < len(before["parts"])
    assert ids_by_row(after) == ids_by_row(before)


def test_parts_keep_their_volume_and_pan():
    """A take must not sound otherwise than the piece it was asked for; new parts are usual."""
    before = json_of(Score(table(NOTE_DTYPE, [(0, 24, 60, 80, 1)]), PARTS))
    for part, volume in zip(before["parts"], (10, 20, 30), strict=True):
        part |= {"volume": volume, "pan": volume + 1}
    score = Score(table(NOTE_DTYPE, [(0, 24, 60, 80, 1)]), (*PARTS[1:], Part(32)))
    after = json_of(score, like=before)
    assert mix_of(after) == [(10, 11), (30, 31), (VOLUME, PAN)]
    assert mix_of({"parts": [{"program": 0, "is_drum": False, "name": ""}]}) == [(VOLUME, PAN)]


def test_every_id_finds_its_note_in_the_score():
    """Locks are ids on the page and places in a table in the engine."""
    rows = [(24, 24, 60, 80, 0), (0, 24, 72, 80, 1), (24, 24, 60, 80, 0)]
    json = json_of(Score(table(NOTE_DTYPE, rows), PARTS))
    json["notes"].reverse()
    score = score_of(json)
    places = note_indices(json, score)
    assert sorted(places.values()) == [0, 1, 2]
    for note in json["notes"]:
        assert score.notes[places[note["id"]]]["pitch"] == note["pitch"]


def test_a_finer_score_is_written_on_the_grid_of_the_page():
    """The page knows 24 ticks to a quarter note."""
    json = json_of(Score(table(NOTE_DTYPE, [(480, 240, 60, 80, 0)]), PARTS, tpq=480))
    assert (json["tpq"], json["notes"][0]["onset"], json["notes"][0]["duration"]) == (
        24,
        24,
        12,
    )


def test_the_page_knows_the_chords_that_the_studio_does():
    """A chord that is taken here and refused there would lose an edit."""
    page = Path(__file__).parents[2] / "web" / "src" / "lib" / "score" / "chords.ts"
    kinds = re.search(r"CHORD_KINDS =\s*'([^']*)'", page.read_text(encoding="utf-8"))
    assert kinds
    known = {suffix for suffixes in SYMBOL_SUFFIXES.values() for suffix in suffixes}
    assert set(kinds[1].split(" ")) == known


def test_a_new_piece_is_one_that_the_studio_takes():
    """Who begins with nothing can save at once."""
    json = empty_json()
    assert ScoreShape.model_validate(json).model_dump() == json
    assert (json["n_bars"], len(json["parts"]), json["notes"]) == (8, 1, [])
