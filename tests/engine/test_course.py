"""Courses: what people write is read, and what changes at a bar changes there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.engine.bounds import Bounds
from sideman.engine.compose import compose, continue_, infill
from sideman.engine.course import bar_line, lay_out, parse_course, value_at
from sideman.engine.fill import Wish
from sideman.engine.loop import loop
from sideman.engine.parts import parse_part
from sideman.engine.pitches import Scale, parse_scale
from sideman.engine.rhythm import parse_tempo
from sideman.errors import EngineError
from sideman.score.time import bar_starts, ticks_to_seconds
from sideman.score.types import NOTE_DTYPE, Part, Score, table

PIANO, BASS = Part(0), Part(33)
KEYS = {0: Scale(2, "minor"), 2: Scale(6), 5: Scale(9, "minor pentatonic")}


def piece(n_bars=4):
    """Return bars of quarters for a piano, in the key of C."""
    rows = [(beat * 24, 20, 60 + (0, 4, 7, 12)[beat % 4], 80, 0) for beat in range(4 * n_bars)]
    return Score(notes=table(NOTE_DTYPE, rows), parts=(PIANO,))


# ------------------------------------------------------------------ what people write


@given(st.dictionaries(st.integers(0, 500), st.integers(15, 480), min_size=1))
def test_what_is_written_down_is_read_again(course):
    """Any bars, any values; the first one may stand alone."""
    course = dict(sorted(course.items()))
    items = [f"{bar + 1}={value}" for bar, value in course.items()]
    if 0 in course:
        items[0] = str(course[0])

    assert parse_course(" ; ".join(items), int, "tempo") == course


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("96; 120", "tempo '96; 120': '120' does not come later than what stands before it"),
        ("96; 9=120; 5=90", "'5=90' does not come later"),
        ("96; 1=120", "'1=120' does not come later"),
        ("0=96", "'0=96' does not come later"),
        ("96; x=120", "bar is 'x'; it must be a whole number"),
        ("96;", "'' does not come later"),
        ("96; 9=fast", "tempo is 'fast'; it must be 15 to 480"),
        ("9=", "tempo is ''"),
        ("nan", "tempo is 'nan'"),
        ("500", "tempo is '500'; it must be 15 to 480"),
    ],
)
def test_what_makes_no_course_is_refused_in_a_line(text, said):
    """The line has the piece that cannot be, and the way out."""
    with pytest.raises(EngineError) as error:
        parse_course(text, parse_tempo, "tempo")

    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_before_the_first_value_nothing_holds():
    """Who says `9=F major` has said nothing of bar 1."""
    assert [value_at({8: "F"}, bar) for bar in (0, 7, 8, 99)] == [None, None, "F", "F"]


# ---------------------------------------------------------------------- what comes of it


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("is_nudged", [False, True])
def test_each_bar_keeps_to_its_key(fp32_bundle, seed, is_nudged):
    """Random weights would leave any key; with a mask for each bar they cannot."""
    wish = Wish(seed=seed, threads=1, bounds=Bounds(scale=KEYS, is_nudged=is_nudged))
    ((alone,), (after,), (between,)) = (
        compose([PIANO, BASS], fp32_bundle, n_bars=8, wish=wish),
        continue_(piece(1), fp32_bundle, n_bars=7, wish=wish),
        infill(piece(8), fp32_bundle, first_bar=1, end_bar=8, wish=wish),
    )

    for take in (alone, after, between):
        notes = take.score.notes
        bars = notes["onset"] // (4 * take.score.tpq)
        is_new = bars >= take.first_bar
        assert is_new.any()
        for bar, pitch in zip(bars[is_new], notes["pitch"][is_new], strict=True):
            scale = value_at(KEYS, int(bar))
            assert scale is not None
            assert int(pitch) % 12 in scale.pitch_classes


@pytest.mark.parametrize("seed", range(3))
def test_metre_and_tempo_change_exactly_at_their_bars(fp32_bundle, seed):
    """Bars are as long as their metre and their tempo say, to the last."""
    (take,) = compose(
        [PIANO],
        fp32_bundle,
        n_bars=8,
        metre={0: (4, 4), 3: (3, 4), 5: (7, 8)},
        tempo_bpm={0: 60, 5: 120},
        key={0: (2, True), 4: (5, False)},
        wish=Wish(seed=seed, threads=1),
    )

    tpq = take.score.tpq
    lines = tpq * np.cumsum([0, 4, 4, 4, 3, 3, 3.5, 3.5, 3.5])
    seconds = ticks_to_seconds(take.score, lines)
    assert take.score.time_signatures["onset"].tolist() == lines[[0, 3, 5]].tolist()
    assert np.diff(seconds).tolist() == pytest.approx([4, 4, 4, 3, 3, 1.75, 1.75, 1.75])
    assert take.score.keys.tolist() == [(0, 2, True), (lines[4], 5, False)]
    assert take.score.notes["onset"].max() < lines[-1]


def test_new_bars_have_a_metre_and_a_tempo_of_their_own(fp32_bundle):
    """What was played keeps its own; bars are those of the piece."""
    (take,) = continue_(
        piece(4),
        fp32_bundle,
        n_bars=4,
        metre={0: (3, 4), 6: (2, 4)},
        tempo_bpm=90,
        wish=Wish(threads=1),
    )

    assert take.score.time_signatures[["numerator", "denominator"]].tolist() == [(3, 4), (2, 4)]
    assert take.score.time_signatures["onset"].tolist() == [4 * 96, 4 * 96 + 2 * 72]
    assert take.score.tempos.tolist() == [(4 * 96, 90)]
    assert take.score.notes[:16].tolist() == piece(4).notes.tolist()
    assert take.score.notes["onset"].max() < 4 * 96 + 2 * 72 + 2 * 48


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from([2, 3, 5, 7]))
def test_bar_lines_fall_where_the_metre_says(first, n_bars, beats):
    """A score that is laid out has its bars where its own metre puts them."""
    score = lay_out(piece(first), range(first, first + n_bars), metre=(beats, 8))

    assert bar_line(score, first) == 96 * first
    assert bar_line(score, first + n_bars) == 96 * first + 12 * beats * n_bars
    assert bar_starts(score)[: first + 1].tolist() == [96 * bar for bar in range(first + 1)]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (
            lambda b: compose([PIANO], b, n_bars=8, tempo_bpm={0: 96, 8: 90}),
            "tempo is to change at bar 9; the bars that are written are 1 to 8",
        ),
        (
            lambda b: continue_(piece(4), b, n_bars=2, metre={2: (3, 4)}),
            "metre is to change at bar 3; the bars that are written are 5 to 6",
        ),
        (
            lambda b: infill(
                piece(4),
                b,
                first_bar=1,
                end_bar=2,
                wish=Wish(bounds=Bounds(scale={9: Scale(0)})),
            ),
            "the key is to change at bar 10; the piece has 4",
        ),
        (
            lambda b: loop(
                b, parts=[parse_part("piano")], wish=Wish(bounds=Bounds(scale=KEYS))
            ),
            "the key changes at a bar; a loop has one key",
        ),
    ],
)
def test_a_change_at_a_bar_there_is_not_is_refused(fp32_bundle, task, said):
    """Nobody should wait for a change that cannot come."""
    with pytest.raises(EngineError, match=said):
        task(fp32_bundle)


def test_a_scale_before_its_first_bar_leaves_all_notes(fp32_bundle):
    """`3=C` says nothing of bars 1 and 2."""
    scale = {2: parse_scale("C")}
    heard = set()
    for seed in range(8):
        wish = Wish(seed=seed, threads=1, bounds=Bounds(scale=scale))
        (take,) = compose([PIANO], fp32_bundle, n_bars=3, wish=wish)
        notes = take.score.notes
        heard |= set((notes["pitch"][notes["onset"] < 2 * 96] % 12).tolist())
    assert not heard <= set(scale[2].pitch_classes)
