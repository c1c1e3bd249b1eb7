"""Notebooks: what a cell shows, with sound and without."""

import sys

import pytest

from sideman.engine.compose import Take
from sideman.notebook import show
from sideman.score.types import NOTE_DTYPE, Part, Score, table

TPQ = 24
BAR = 4 * TPQ


@pytest.fixture
def score():
    """Four bars of a piano, a note in each."""
    rows = [(bar * BAR, TPQ, 60 + bar, 100, 0) for bar in range(4)]
    return Score(notes=table(NOTE_DTYPE, rows), parts=(Part(0),), tpq=TPQ)


@pytest.fixture
def silent(monkeypatch):
    """Make this an installation without the extra `audio`."""
    monkeypatch.setitem(sys.modules, "soundfile", None)
    for name in [name for name in sys.modules if name.startswith("sideman.audio")]:
        monkeypatch.delitem(sys.modules, name)
    find = "importlib.util.find_spec"
    monkeypatch.setattr(find, lambda name, *_: None if name == "soundfile" else object())


def test_a_score_shows_itself_as_a_picture(score):
    """Whoever ends a cell with a score wants to see music, not arrays."""
    html = score._repr_html_()

    assert html.startswith("<svg")
    assert html.count('class="note"') == len(score.notes)


def test_a_score_that_nobody_shows_is_text(score, monkeypatch):
    """None is how an object tells a notebook to fall back on its `repr`."""
    monkeypatch.setattr(Score, "to_html", None)

    assert score._repr_html_() is None


def test_what_is_shown_can_be_heard(score):
    """The sound travels inside the page, so that a saved notebook still plays."""
    shown = show(score)

    assert shown.ogg.startswith(b"OggS")
    assert '<audio controls src="data:audio/ogg;base64,T2dnU' in shown._repr_html_()


def test_without_the_extra_there_is_a_picture_alone(score, silent):
    """Sound is optional; a missing package is no reason to show nothing."""
    assert show(score)._repr_html_() == show(score, sound=False).svg


@pytest.mark.parametrize(("first", "end"), [(2, 4), (1, 2), (2, 9)])
def test_a_take_shows_what_was_written(score, first, end):
    """In the middle, at the end, and where the last bars that were written are silent."""
    take = Take(score=score, first_bar=first, end_bar=end, n_notes=1, bits_per_note=1.0)

    assert "Sideman" in show(take, sound=False).svg


def test_a_take_of_all_bars_shows_what_was_not_there_before(score):
    """An accompaniment begins where the piece begins: bars say nothing."""
    take = Take(score=score, first_bar=0, end_bar=4, n_notes=1, bits_per_note=1.0)
    before = score.with_notes(score.notes[1:])

    plain, told = (show(take, before=known, sound=False).svg for known in (None, before))

    assert plain == score._repr_html_()
    assert told != plain
