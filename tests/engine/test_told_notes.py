"""Notes are told of while they are written, as they will stand in the take."""

from collections import Counter

import numpy as np
import pytest

from sideman.engine.fill import Wish, WrittenNote
from sideman.engine.options import Options
from sideman.engine.tasks import carry_out
from sideman.score.types import NOTE_DTYPE, Part, Score, table

N_BARS = 4
BAR = 96
KEYS, BASS = Part(0, name="keys"), Part(33, name="bass")
PLAN = """
[parts]
keys = "piano"
bass = "bass=33"

[[section]]
name = "A"
bars = 2
parts = ["keys"]

[[section]]
name = "B"
bars = 2
"""

ASKED = {
    "compose": Options(bars="3", parts=("piano", "drums"), takes=2),
    "continue": Options(bars="3", takes=2),
    "infill": Options(bars="2-3", takes=2),
    "accompany": Options(parts=("violin",), takes=2),
    "rewrite": Options(parts=("2",), takes=2),
    "vary": Options(change=80, takes=2),
}
PIECEMEAL = {
    "loop": Options(bars="4", rewritten=("2",), parts=("violin",), takes=2),
    "arrange": Options(plan=PLAN, takes=2),
}


def piece():
    """Return four bars for piano and bass."""
    rows = [(24 * n, 24, 60 + n % 5, 80, 0) for n in range(4 * N_BARS)]
    rows += [(48 * n, 48, 40 + n % 3, 72, 1) for n in range(2 * N_BARS)]
    return Score(notes=table(NOTE_DTYPE, rows), parts=(KEYS, BASS))


def answer(bundle, task, options, **how):
    """Return takes, and what was told of each: rows as in a score."""
    told: list[WrittenNote] = []
    takes = carry_out(task, piece(), bundle, options, threads=1, on_note=told.append, **how)
    return takes, [[note for note in told if note.take == number] for number in range(2)]


def row(note):
    """Return a note as it stands in a score."""
    return (note.onset, note.duration, note.pitch, note.velocity, note.part)


@pytest.mark.parametrize("task", ASKED)
def test_what_is_told_is_what_is_new_in_the_take(fp32_bundle, task):
    """Who listens knows every note and no other, each in its bar and part."""
    takes, told = answer(fp32_bundle, task, ASKED[task])

    for take, notes in zip(takes, told, strict=True):
        assert len(notes) == take.n_notes > 0
        assert not Counter(map(row, notes)) - Counter(take.score.notes.tolist())
        assert all(note.bar == note.onset // BAR for note in notes)
        assert all(note.player == take.score.parts[note.part] for note in notes)


@pytest.mark.parametrize("task", PIECEMEAL)
def test_steps_on_the_way_tell_where_the_notes_come_to_stand(fp32_bundle, task):
    """A loop is written between copies of itself; that is nobody's business."""
    takes, told = answer(fp32_bundle, task, PIECEMEAL[task])

    for take, notes in zip(takes, told, strict=True):
        new = (0, 1) if task == "arrange" else (1, 2)
        written = take.score.notes[np.isin(take.score.notes["part"], new)]
        places = {(onset, pitch, part) for onset, _, pitch, _, part in written.tolist()}
        assert places
        assert places <= {(note.onset, note.pitch, note.part) for note in notes}
        assert all(0 <= note.bar == note.onset // BAR < N_BARS for note in notes)


@pytest.mark.parametrize("task", [*ASKED, *PIECEMEAL])
def test_who_listens_changes_nothing(fp32_bundle, task):
    """The recipe of a take that was watched makes the same take."""
    options = {**ASKED, **PIECEMEAL}[task]
    watched, _ = answer(fp32_bundle, task, options)
    alone = carry_out(task, piece(), fp32_bundle, options, threads=1)

    for one, other in zip(watched, alone, strict=True):
        assert one.score.notes.tolist() == other.score.notes.tolist()
        assert one.bits_per_note == other.bits_per_note


def test_notes_come_bar_by_bar_for_all_takes_at_once(fp32_bundle):
    """The second take does not wait for the first."""
    told: list[WrittenNote] = []
    wish = Options(bars="3", takes=2)
    carry_out("continue", piece(), fp32_bundle, wish, on_note=told.append, threads=1)

    for number in range(2):
        bars = [note.bar for note in told if note.take == number]
        assert bars == sorted(bars)
    takes = [note.take for note in told]
    assert takes != sorted(takes)


def test_a_wish_without_a_listener_stays_as_it_is():
    """Where nobody listens, nothing is wrapped."""
    wish = Wish()

    assert wish.told_as(take=1, bars=2, ticks=3) is wish
