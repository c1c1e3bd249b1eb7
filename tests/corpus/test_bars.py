"""Repeats are played and bar lines stay where they are."""

from pathlib import PurePosixPath

import pytest

from sideman.corpus.formats import read_score
from sideman.score.time import bar_starts

pytest.importorskip("lytk", reason="the extra 'notation' is not installed")

from notation_files import (  # type: ignore[import-not-found]
    ATTRIBUTES,
    note,
    pitches,
    read_abc,
    read_xml,
    refusal,
    tune,
    xml,
)


def test_pick_up_is_a_bar_of_its_own():
    """The bar lines fall where the file has them, though a part rests too long in it."""
    pick_up = ATTRIBUTES + note("G", 4)
    score = read_xml(xml(pick_up, note("C", 16), note("C", 16), attributes=""))

    assert (bar_starts(score) / score.tpq).tolist() == [0, 1, 5, 9]


@pytest.mark.parametrize(
    ("body", "played"),
    [
        ("C4|D4|", "CD"),
        ("|:C4:|D4|", "CCD"),
        ("C4|D4:|E4|", "CDCDE"),
        ("C4|:D4:|E4:|", "CDDEE"),  # a repeat without a start begins after the last one
        ("|:C4|1D4:|2E4||F4|", "CDCEF"),
        ("|:C4|1D4:|2E4:|3F4||G4|", "CDCECFG"),
        ("|:C4|1D4:|2E4|:F4:|", "CDCEFF"),
        ("|:C4:|2D4|", "CCD"),
        ("|:C4::D4:|", "CCDD"),
    ],
)
def test_repeats_and_their_endings_are_played(body, played):
    """As a player would; folk tunes leave out the first repeat sign."""
    assert pitches(read_abc(tune(body))) == ["C.D.EF.G".index(step) + 60 for step in played]


def test_bars_that_repeats_leave_out_are_played_as_written():
    """A third time that never comes must not swallow its notes."""
    score, repairs = read_score(tune("|:C4|3D4|]"), PurePosixPath("a.abc"))

    assert pitches(score) == [60, 62]
    assert repairs == {"bad-repeat": 1}


def test_many_times_over_is_too_long():
    """A small file that would be played for days fills no memory."""
    again = '<barline location="right"><repeat direction="backward" times="255"/></barline>'

    assert refusal(xml(*[note("C", 16)] * 99, again), "a.xml") == "too-long"


def test_halves_of_a_bar_around_a_repeat_are_one_bar():
    """Where the pick-up is repeated, it fills the bar before it; only the last stays short."""
    score = read_abc(tune("G|C4|C3:|"))

    assert score.time_signatures.tolist() == [
        (0, 1, 4),
        (score.tpq, 4, 4),
        (13 * score.tpq, 3, 4),
    ]
