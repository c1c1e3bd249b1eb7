"""Takes: what is new in them, how they differ, which is best."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.compose import Take, infill, vary
from sideman.engine.fill import Wish
from sideman.engine.options import Options
from sideman.engine.ranking import distances, likelihood, nearest, new_notes, rank
from sideman.engine.request import Request, again, write_takes
from sideman.engine.tasks import carry_out
from sideman.errors import EngineError
from sideman.score.midi import read_recipe, write_midi
from sideman.score.time import resample
from sideman.score.types import CHORD_DTYPE, NOTE_DTYPE, Part, Score, table

PIANO, FLUTE, DRUMS = Part(0), Part(73), Part(0, is_drum=True)
BAR = 96


def score_of(*places, parts=(PIANO,), chords=()):
    """Return a score of quarter notes, each given as (onset, pitch) or (onset, pitch, part)."""
    rows = [(onset, 24, pitch, 80, *(part or (0,))) for onset, pitch, *part in places]
    return Score(table(NOTE_DTYPE, rows), parts, chords=table(CHORD_DTYPE, chords))


def take_of(score, bits_per_note=1.0, end_bar=100):
    return Take(score, 0, end_bar, n_notes=len(score.notes), bits_per_note=bits_per_note)


def places_of(score):
    return [(onset, pitch) for onset, _, pitch, _, _ in score.notes.tolist()]


SONG = [(0, 60), (24, 62), (BAR, 64), (2 * BAR, 65)]


# --------------------------------------------------------------------- what is new


@pytest.mark.parametrize(
    ("first_bar", "end_bar", "prompt", "new"),
    [
        (0, 3, None, SONG),
        (1, 2, None, SONG[2:3]),
        (2, 9, None, SONG[3:]),
        (7, 9, None, []),
        (0, 2, score_of(SONG[0]), SONG[1:3]),
        (0, 3, score_of((0, 61), (24, 60)), SONG),
        (0, 3, resample(score_of(*SONG[:2]), 480), SONG[2:]),
        (0, 3, score_of(*SONG, parts=(FLUTE,)), SONG),
    ],
)
def test_new_is_what_begins_in_the_bars_written_and_not_in_the_prompt(
    first_bar, end_bar, prompt, new
):
    """A figure about a take must not be about the prompt."""
    assert places_of(new_notes(score_of(*SONG), first_bar, end_bar, prompt)) == new


def test_a_part_that_has_another_number_is_known_all_the_same():
    """To continue a piece, its empty parts are left out."""
    prompt = score_of((0, 60, 1), parts=(FLUTE, PIANO))
    assert places_of(new_notes(score_of((0, 60), (24, 60)), 0, 1, prompt)) == [(24, 60)]


@pytest.fixture(scope="module")
def song():
    """Return four bars for two."""
    rng = np.random.default_rng(1)
    places = [
        (24 * beat, int(rng.integers(50, 70)), part) for beat in range(16) for part in (0, 1)
    ]
    return score_of(*places, parts=(PIANO, FLUTE))


@pytest.mark.parametrize("parts", [(0, 1), (1,)])
def test_what_an_infill_writes_is_new_but_for_what_it_writes_again(fp32_bundle, song, parts):
    """The count of the task itself agrees."""
    (take,) = infill(song, fp32_bundle, first_bar=1, end_bar=3, parts=parts, wish=Wish(seed=3))
    new = new_notes(take.score, take.first_bar, take.end_bar, song)
    again_written = take.n_notes - len(new.notes)
    assert set(new.notes["part"].tolist()) <= set(parts)
    assert 0 <= again_written <= 8 * len(parts)


def test_what_is_locked_in_a_variation_is_not_new(fp32_bundle, song):
    """Most of a light variation is the player's own."""
    (take,) = vary(song, fp32_bundle, change=0.2, wish=Wish(seed=3))
    assert len(new_notes(take.score, 0, take.end_bar, song).notes) <= take.n_notes


# ---------------------------------------------------------------------- how they differ


def test_the_distance_is_the_share_of_notes_not_in_both():
    """Three of four notes in common are a distance of a quarter."""
    one, other = score_of(*SONG), score_of(*SONG[:3], (2 * BAR, 66))
    apart = distances([take_of(one), take_of(other)])
    assert apart == pytest.approx(np.array([[0, 0.25], [0.25, 0]]))


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [
        (score_of(), score_of(), 0),
        (score_of(), score_of((0, 60)), 1),
        (score_of((0, 60)), score_of((0, 72)), 1),
        (score_of((0, 60)), score_of((0, 60), parts=(FLUTE,)), 0),
        (score_of((0, 60)), score_of((0, 60), parts=(DRUMS,)), 1),
        (score_of((0, 60)), resample(score_of((0, 60)), 960), 0),
        (score_of((0, 60)), score_of((0, 60), (0, 60)), 0),
        (score_of(chords=[(0, 0, 1, 0)]), score_of(chords=[(0, 5, 1, 5)]), 1),
        (score_of(chords=[(0, 0, 1, 0)]), score_of(chords=[(0, 0, 1, 0)]), 0),
    ],
)
def test_distances_of_known_takes(one, other, distance):
    """What counts is which note begins when; chords only where there is nothing else."""
    assert distances([take_of(one), take_of(other)])[0, 1] == distance


def test_what_was_known_brings_takes_no_nearer():
    """Two answers may have nothing in common but the question."""
    takes = [take_of(score_of(*SONG, (3 * BAR, pitch)), end_bar=4) for pitch in (60, 61)]
    assert distances(takes, score_of(*SONG))[0, 1] == 1
    assert distances(takes)[0, 1] == pytest.approx(0.2)


some_places = st.lists(st.tuples(st.sampled_from([0, 24, 48]), st.integers(60, 63)), max_size=8)


@given(st.lists(some_places, min_size=2, max_size=4))
def test_a_distance_is_symmetric_and_between_0_and_1(several):
    """And 0 from a take to itself."""
    apart = distances([take_of(score_of(*places)) for places in several])
    assert np.array_equal(apart, apart.T)
    assert not apart.diagonal().any()
    assert ((apart >= 0) & (apart <= 1)).all()


def test_the_nearest_is_another_take():
    """A take is always nearest to itself."""
    takes = [take_of(score_of(*SONG[:n])) for n in (1, 3, 4)]
    assert nearest(takes) == pytest.approx([0.5, 1 / 7, 1 / 7])


# ----------------------------------------------------------------------- which is best


def test_the_likeliest_comes_first_and_of_equals_the_earlier():
    """Fewer bits are less surprise."""
    takes = [take_of(score_of(), bits) for bits in (5.0, 3.0, 5.0, 2.0)]
    assert rank(takes) == rank(takes, likelihood) == [3, 1, 0, 2]


def test_any_scorer_may_rank():
    """What is wanted may be many notes, or a low part, or what a jury says."""
    takes = [take_of(score_of(*SONG[:n])) for n in (2, 4, 1)]
    assert rank(takes, lambda take: take.n_notes) == [1, 0, 2]
    with pytest.raises(EngineError, match="take 1 no number"):
        rank(takes, lambda _: math.nan)


@pytest.fixture
def asked(tmp_path, song, fp32_bundle):
    """Return a function that asks for two bars more, in four takes, and gives the reports."""
    prompt = tmp_path / "song.mid"
    write_midi(song, prompt)

    def ask(name, **said):
        options = Options(bars="2", takes=4, **said)
        return write_takes(
            Request("continue", prompt, options, fp32_bundle.folder), tmp_path / name
        )

    return ask


def test_the_best_takes_are_kept_in_order(asked, tmp_path, song, fp32_bundle):
    """Whoever asks for the best two of four gets two files, the best first."""
    reports = asked("best.mid", keep=2)
    assert [report.path.name for report in reports] == ["best-1.mid", "best-2.mid"]
    bits = [
        take.bits_per_note
        for take in carry_out("continue", song, fp32_bundle, Options(bars="2", takes=4))
    ]
    assert [report.bits_per_note for report in reports] == sorted(bits)[:2]


def test_one_that_was_kept_can_be_made_again(asked, tmp_path, fp32_bundle):
    """Its recipe names the take that it is."""
    (report,) = asked("best.mid", keep=1)
    assert report.distance is None
    bits = [report.bits_per_note for report in asked("all.mid")]
    assert json.loads(read_recipe(report.path) or "")["take"] == int(np.argmin(bits))
    assert again(report.path, bundle=fp32_bundle.folder).is_as_before


def test_takes_tell_how_far_they_are_from_the_nearest(asked):
    """Four takes that are one need not be listened to four times."""
    reports = asked("all.mid")
    assert all(0 < report.distance <= 1 for report in reports)
    assert all(report.originality == "" for report in reports)


def test_more_cannot_be_kept_than_there_are():
    """It is said before anything is written."""
    with pytest.raises(EngineError, match="keep is 3; there are no more than the 2 takes"):
        Options(takes=2, keep=3)
