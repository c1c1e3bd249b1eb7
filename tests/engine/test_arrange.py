"""Arranging: the plan's sections stand where it says, with who it says."""

import numpy as np
import pytest

from sideman.engine.arrange import arrange
from sideman.engine.fill import Wish
from sideman.engine.plan import parse_plan
from sideman.engine.sampling import Sampling
from sideman.errors import EngineError

SONG = """
key = "A minor"
tempo = 96
metre = "3/4"

[parts]
kit = "drums"
low = "bass=fretless"
keys = "chords=electric piano 1"

[[section]]
name = "intro"
bars = 2
parts = ["kit", "keys"]

[[section]]
name = "A"
bars = 3
chart = "Am | F"

[[section]]
name = "again"
like = "A"
change = 0

[[section]]
name = "varied"
like = "A"
change = 50
parts = ["low", "keys"]

[[section]]
name = "outro"
like = "intro"
change = 0
parts = ["keys", "low"]
"""
BAR_TICKS = 3 * 24
KIT, LOW, KEYS = range(3)
WISH = Wish(n_takes=2, sampling=Sampling(min_p=0.03), threads=1)


@pytest.fixture(scope="module")
def song():
    return parse_plan(SONG, "song.toml")


@pytest.fixture(scope="module")
def takes(song, fp32_bundle):
    return arrange(song, fp32_bundle, wish=WISH)


def section(take, plan, number):
    """Return the notes that begin in a section, counted from its beginning."""
    first, n_bars = plan.first_bars[number], plan.sections[number].n_bars
    notes = take.score.notes.copy()
    notes["onset"] -= first * BAR_TICKS
    return notes[(notes["onset"] >= 0) & (notes["onset"] < n_bars * BAR_TICKS)]


def test_the_piece_is_as_long_as_its_sections(takes):
    """No note rings beyond its section, so none beyond the end."""
    for take in takes:
        assert (take.first_bar, take.end_bar) == (0, 13)
        assert take.score.end <= 13 * BAR_TICKS
        assert take.n_notes == len(take.score.notes)
        assert take.bits_per_note > 0


def test_sections_are_marked_where_they_begin(takes):
    """First bar, counted from 0, and name."""
    marks = ((0, "intro"), (2, "A"), (5, "again"), (8, "varied"), (11, "outro"))
    assert [take.markers for take in takes] == [marks, marks]


def test_key_tempo_metre_and_parts_are_the_plans(takes):
    """What a sequencer shows when it opens the file."""
    for take in takes:
        score = take.score
        assert score.keys.tolist() == [(0, 9, True)]
        assert score.tempos.tolist() == [(0, 96.0)]
        assert score.time_signatures.tolist() == [(0, 3, 4)]
        assert [part.name for part in score.parts] == ["kit", "low", "keys"]
        pitched = score.notes["pitch"][score.notes["part"] != KIT]
        assert np.isin(pitched % 12, (9, 11, 0, 2, 4, 5, 7)).all()


@pytest.mark.parametrize(
    ("number", "playing"),
    [
        (0, {KIT, KEYS}),
        (1, {KIT, LOW, KEYS}),
        (2, {KIT, LOW, KEYS}),
        (3, {LOW, KEYS}),
        (4, {LOW, KEYS}),
    ],
)
def test_who_does_not_play_in_a_section_is_silent(takes, song, number, playing):
    """Also where the section that it is like has them."""
    for take in takes:
        assert set(section(take, song, number)["part"].tolist()) <= playing


def test_everyone_plays_where_they_are_heard_first(takes, song):
    """The bass comes in with the first section that names it."""
    for take in takes:
        assert set(section(take, song, 0)["part"].tolist()) == {KIT, KEYS}
        assert LOW in section(take, song, 1)["part"]


def test_a_section_with_no_change_is_an_exact_copy(takes, song):
    """To the length and the velocity."""
    for take in takes:
        assert section(take, song, 1).tolist() == section(take, song, 2).tolist()


def test_a_varied_section_keeps_a_share(takes, song):
    """Of a hundred notes some stay, and there are no more than there were."""
    for take in takes:
        origin = section(take, song, 1)
        origin = origin[origin["part"] != KIT].tolist()
        varied = section(take, song, 3).tolist()
        assert len(varied) <= len(origin)
        assert set(varied) != set(origin)
    assert any(
        set(section(take, song, 3).tolist()) & set(section(take, song, 1).tolist())
        for take in takes
    )


def test_a_part_that_the_original_lacks_is_written(takes, song):
    """The intro has no bass; where it comes back with one, the keys are copied."""
    n_low = 0
    for take in takes:
        intro, outro = section(take, song, 0), section(take, song, 4)
        keys = [notes[notes["part"] == KEYS].copy() for notes in (intro, outro)]
        assert keys[0].tolist() == keys[1].tolist()
        n_low += int((outro["part"] == LOW).sum())
    assert n_low > 0


def test_chords_are_followed_where_there_is_a_chart(takes, song):
    """Bass and keys of section A: A minor, F, and A minor again."""
    for take in takes:
        notes = section(take, song, 1)
        notes = notes[notes["part"] != KIT]
        in_f = notes["onset"] // BAR_TICKS == 1
        assert np.isin(notes["pitch"][in_f] % 12, (5, 9, 0)).all()
        assert np.isin(notes["pitch"][~in_f] % 12, (9, 0, 4)).all()


def test_the_same_plan_and_seed_make_the_same_piece(song, takes, fp32_bundle):
    """And another take is another piece."""
    (again,) = arrange(song, fp32_bundle, wish=Wish(1, 0, WISH.sampling, threads=1))

    assert again.score.notes.tolist() == takes[0].score.notes.tolist()
    assert takes[0].score.notes.tolist() != takes[1].score.notes.tolist()


def test_a_style_that_the_model_has_not_is_named(fp32_bundle):
    """With what comes near."""
    plan = parse_plan('style = "flok"\n' + SONG, "song.toml")

    with pytest.raises(EngineError, match="flok"):
        arrange(plan, fp32_bundle, wish=WISH)
