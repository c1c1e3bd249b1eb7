"""Loops: exactly as long as asked, closed, and what is not named stays."""

import numpy as np
import pytest

from sideman.engine.chart import parse_chart
from sideman.engine.fill import Wish
from sideman.engine.loop import loop
from sideman.engine.parts import parse_part
from sideman.engine.sampling import Sampling
from sideman.errors import EngineError
from sideman.score.types import NOTE_DTYPE, TIME_SIGNATURE_DTYPE, Part, Score, table

TPQ = 480
BAND = tuple(parse_part(text) for text in ("drums", "bass=fretless:range=E1-G3", "piano"))
WISH = Wish(sampling=Sampling(min_p=0.03), threads=1)


def looped(bundle, **how):
    how.setdefault("wish", WISH)
    return loop(bundle, **how)


def found_loop():
    """Return two bars of 3/4 for two, off the grid; the last note rings beyond the end."""
    rows = [(beat * TPQ + 4, 100, 36, 90, 0) for beat in range(6)]
    rows += [(7, 300, 60, 70, 1), (5 * TPQ, 2 * TPQ, 64, 71, 1)]
    return Score(
        notes=table(NOTE_DTYPE, rows),
        parts=(Part(0, is_drum=True, name="kit"), Part(0, name="piano")),
        tpq=TPQ,
        time_signatures=table(TIME_SIGNATURE_DTYPE, [(0, 3, 4)]),
    )


def played(score, part):
    return score.notes[score.notes["part"] == part].tolist()


@pytest.mark.parametrize("n_bars", [1, 2, 5, 8])
def test_a_loop_has_its_bars_and_nothing_rings_beyond(fp32_bundle, n_bars):
    """A note that did would sound over the beginning when the loop comes round."""
    takes = looped(fp32_bundle, parts=BAND, n_bars=n_bars, wish=Wish(n_takes=2, threads=1))

    for take in takes:
        assert (take.first_bar, take.end_bar) == (0, n_bars)
        assert take.score.end <= n_bars * 4 * take.score.tpq
        assert take.n_notes == len(take.score.notes)
        assert take.bits_per_note > 0
    assert (
        len(takes[0].score.notes) != len(takes[1].score.notes)
        or (takes[0].score.notes != takes[1].score.notes).any()
    )


def test_every_part_plays_and_keeps_to_its_wishes(fp32_bundle):
    """In the order in which they are named."""
    (take,) = looped(fp32_bundle, parts=BAND)

    assert [part.is_drum for part in take.score.parts] == [True, False, False]
    assert np.unique(take.score.notes["part"]).tolist() == [0, 1, 2]
    bass = take.score.notes["pitch"][take.score.notes["part"] == 1]
    assert ((bass >= 28) & (bass <= 55)).all()


def test_a_seed_repeats_a_loop(fp32_bundle):
    """And take 0 is the same however many are asked for."""
    (one,) = looped(fp32_bundle, parts=BAND[:2], n_bars=2)
    again, other = looped(fp32_bundle, parts=BAND[:2], n_bars=2, wish=Wish(2, 0, WISH.sampling))

    np.testing.assert_array_equal(one.score.notes, again.score.notes)
    assert one.score.notes.tolist() != other.score.notes.tolist()


def test_a_chart_is_laid_over_the_loop(fp32_bundle):
    """Two chords over three bars: the first comes again."""
    wishes = [parse_part("chords=piano")]
    (take,) = looped(fp32_bundle, parts=wishes, n_bars=3, chart=parse_chart("C | G"))

    bar = take.score.notes["onset"] // (4 * take.score.tpq)
    in_g = np.isin(take.score.notes["pitch"] % 12, (7, 11, 2))
    in_c = np.isin(take.score.notes["pitch"] % 12, (0, 4, 7))
    assert np.where(bar == 1, in_g, in_c).all()
    assert take.score.chords["root"].tolist() == [0, 7, 0]


def test_a_named_part_is_written_anew_and_the_others_stay(fp32_bundle):
    """The drums to the tick, though they are off the grid."""
    score = found_loop()
    (take,) = looped(fp32_bundle, score=score, parts=[1])

    assert take.end_bar == 2
    assert played(take.score, 0) == played(score, 0)
    assert played(take.score, 1) != played(score, 1)
    assert take.n_notes == len(played(take.score, 1)) > 0
    assert take.score.end <= 6 * TPQ
    assert take.score.time_signatures.tolist() == [(0, 3, 4)]


def test_a_part_is_added_to_a_loop(fp32_bundle):
    """What was there stays, but for what rang beyond the end."""
    score = found_loop()
    (take,) = looped(fp32_bundle, score=score, parts=[Part(33, name="bass")])

    assert [part.name for part in take.score.parts] == ["kit", "piano", "bass"]
    assert played(take.score, 0) == played(score, 0)
    assert played(take.score, 1)[-1] == (5 * TPQ, TPQ, 64, 71, 1)
    assert take.n_notes == len(played(take.score, 2)) > 0


@pytest.mark.parametrize("extend", [1, 2, 3])
def test_bars_are_added_as_a_varied_copy(fp32_bundle, extend):
    """The first bars stay to the tick; the copy has no more notes than they."""
    score = found_loop()
    (take,) = looped(fp32_bundle, score=score, extend=extend, change=0.5)

    assert (take.first_bar, take.end_bar) == (2, 2 + extend)
    assert take.score.end <= (2 + extend) * 3 * TPQ
    line = 6 * TPQ
    before = take.score.notes[take.score.notes["onset"] < line]
    cut = score.notes.copy()
    cut["duration"] = np.minimum(cut["duration"], line - cut["onset"])
    assert before.tolist() == cut.tolist()
    assert len(take.score.notes) <= len(score.notes) * (2 + extend) / 2 + 2


def test_unvaried_bars_are_an_exact_copy(fp32_bundle):
    """With no change asked for nothing is written."""
    score = found_loop()
    (take,) = looped(fp32_bundle, score=score, extend=2, change=0.0)

    first, second = np.split(take.score.notes, 2)
    second["onset"] -= 6 * TPQ
    assert first.tolist() == second.tolist()
    assert take.n_notes == 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "nobody plays; name at least one part"),
        ({"parts": [0]}, "part 1 is to be written anew; there is no loop yet"),
        ({"score": found_loop()}, "nothing is to be written; name parts, or how many bars"),
        ({"score": found_loop(), "parts": [2]}, "there is no part 3; the piece has 2"),
        ({"parts": BAND, "n_bars": 0}, "n_bars is 0; it must be at least 1"),
        ({"parts": BAND, "extend": -1}, "extend is -1; it must be at least 0"),
        ({"parts": BAND, "change": 2.0}, r"change is 2\.0; it must be 0 to 1"),
        ({"parts": [Part()] * 65}, "the loop would have 65 parts; there is room for 64"),
    ],
)
def test_an_error_names_what_is_wrong(fp32_bundle, asked, message):
    """One line, with the way out."""
    with pytest.raises(EngineError, match=message):
        looped(fp32_bundle, **asked)
