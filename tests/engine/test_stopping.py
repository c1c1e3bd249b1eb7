"""Stopping: what is full is kept, what is not is left out, what was there stays."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sideman.engine.arrange import arrange
from sideman.engine.chart import parse_chart
from sideman.engine.compose import (
    accompany,
    compose,
    continue_,
    infill,
    rewrite,
    vary,
)
from sideman.engine.course import bar_line
from sideman.engine.fill import Wish
from sideman.engine.harmonise import harmonise
from sideman.engine.loop import loop
from sideman.engine.options import Options
from sideman.engine.plan import parse_plan
from sideman.engine.request import Request, again, write_takes
from sideman.score.midi import read_midi, write_midi
from sideman.score.time import bar_starts
from sideman.score.types import NOTE_DTYPE, Part, Score, table

N_BARS = 8
PIANO, BASS = Part(0), Part(33)
PLAN = """
[parts]
keys = "piano"
bass = "bass=33"

[[section]]
name = "A"
bars = 3
parts = ["keys"]
chart = "Am | F"

[[section]]
name = "B"
bars = 2

[[section]]
name = "A'"
like = "A"
parts = ["keys", "bass"]
change = 50
"""


def after(n_times):
    """Return what says stop when it has been asked so often."""
    asked = itertools.count()
    return lambda: next(asked) >= n_times


def piece():
    """Return eight bars for piano and bass, each in its own rhythm."""
    rows = [(24 * n, 24, 60 + n % 5, 80, 0) for n in range(4 * N_BARS)]
    rows += [(48 * n, 48, 40 + n % 3, 70, 1) for n in range(2 * N_BARS)]
    return Score(notes=table(NOTE_DTYPE, rows), parts=(PIANO, BASS))


TASKS = {
    "compose": lambda b, w: compose([PIANO, BASS], b, n_bars=N_BARS, wish=w),
    "continue": lambda b, w: continue_(piece(), b, n_bars=N_BARS, tempo_bpm={14: 90}, wish=w),
    "infill": lambda b, w: infill(piece(), b, first_bar=2, end_bar=7, wish=w),
    "accompany": lambda b, w: accompany(piece(), b, new_parts=[Part(40)], wish=w),
    "rewrite": lambda b, w: rewrite(piece(), b, part=1, wish=w),
    "vary": lambda b, w: vary(piece(), b, change=0.8, wish=w),
    "harmonise": lambda b, w: harmonise(piece(), b, wish=w),
}


def notes_of(score, first, end, *, parts=None):
    """Return how often each note comes that begins in bars."""
    onsets = score.notes["onset"]
    inside = (onsets >= bar_line(score, first)) & (onsets < bar_line(score, end))
    if parts is not None:
        inside &= np.isin(score.notes["part"], parts)
    return Counter(score.notes[inside].tolist())


@pytest.mark.parametrize("patience", [0, 4, 10, 20])
@pytest.mark.parametrize("task", TASKS)
def test_what_is_full_when_it_is_stopped_is_what_would_have_been_written(
    fp32_bundle, task, patience
):
    """Bar for bar, each take as far as it had come; no half bar is among them."""
    wish = Wish(n_takes=2, seed=3, threads=1)
    whole = TASKS[task](fp32_bundle, wish)
    stopped = TASKS[task](fp32_bundle, replace(wish, should_stop=after(patience)))

    for take, full in zip(stopped, whole, strict=True):
        assert full.first_bar == take.first_bar <= take.end_bar <= full.end_bar
        assert take.is_stopped == (take.end_bar < full.end_bar)
        assert not full.is_stopped
        parts = (0, 1) if task == "harmonise" else None
        span = (0, take.end_bar)
        assert notes_of(take.score, *span, parts=parts) == notes_of(
            full.score, *span, parts=parts
        )
    assert patience or not any(take.n_bars for take in stopped)


@pytest.mark.parametrize("patience", [0, 5])
@pytest.mark.parametrize("task", ["infill", "accompany", "rewrite", "vary", "harmonise"])
def test_bars_that_were_not_reached_are_as_they_were(fp32_bundle, task, patience):
    """Who stops loses nothing of the piece."""
    wish = Wish(n_takes=2, seed=3, threads=1, should_stop=after(patience))

    for take in TASKS[task](fp32_bundle, wish):
        assert take.is_stopped
        assert notes_of(take.score, take.end_bar, N_BARS) == notes_of(
            piece(), take.end_bar, N_BARS
        )


def test_a_new_piece_ends_with_its_last_full_bar(fp32_bundle):
    """No metre, tempo or silence stands behind it."""
    for task in ("compose", "continue"):
        wish = Wish(seed=3, threads=1, should_stop=after(9))
        (take,) = TASKS[task](fp32_bundle, wish)
        end = bar_line(take.score, take.end_bar)
        assert take.is_stopped
        assert take.n_bars > 0
        for rows in (take.score.notes, take.score.tempos, take.score.time_signatures):
            assert (rows["onset"] < end).all()


def test_chords_end_where_harmonising_was_stopped(fp32_bundle):
    """The last one does not ring on to the end of the piece."""
    wish = Wish(seed=3, threads=1, should_stop=after(12))
    (take,) = harmonise(piece(), fp32_bundle, wish=wish)

    blocks = take.score.notes[take.score.notes["part"] == 2]
    assert 0 < take.end_bar < N_BARS
    assert (blocks["onset"] + blocks["duration"] <= bar_line(take.score, take.end_bar)).all()


@pytest.mark.parametrize("patience", [0, 20, 60, 120])
def test_a_loop_keeps_the_parts_that_are_whole(fp32_bundle, patience):
    """Each part is all of its own or as it was; the loop is as long as before."""
    score, wish = piece(), Wish(seed=3, threads=1)
    full, take = (
        loop(fp32_bundle, score=score, parts=[1, 0], n_bars=4, wish=how)[0]
        for how in (wish, replace(wish, should_stop=after(patience)))
    )

    assert not full.is_stopped
    old = [notes_of(take.score, 0, 4, parts=[part]) == notes_of(score, 0, 4, parts=[part])
           for part in (0, 1)]  # fmt: skip
    assert take.is_stopped == any(old)
    assert take.n_bars == (0 if all(old) else 4)
    assert len(bar_starts(take.score)) - 1 == 4


@pytest.mark.parametrize("patience", [0, 20, 50, 90, 140, 10_000])
def test_an_arrangement_ends_with_the_last_bar_full_in_all_parts(fp32_bundle, patience):
    """Sections that are not begun have no marker, and chords end with the piece."""
    plan = parse_plan(PLAN, "plan")
    wish = Wish(seed=3, threads=1)
    (full,) = arrange(plan, fp32_bundle, wish=wish)
    (take,) = arrange(plan, fp32_bundle, wish=replace(wish, should_stop=after(patience)))

    assert take.is_stopped == (take.end_bar < plan.n_bars)
    assert take.n_bars > 0 or patience < 50
    assert [bar for bar, _ in take.markers] == [b for b in plan.first_bars if b < take.end_bar]
    end = bar_line(take.score, take.end_bar)
    assert (take.score.notes["onset"] < end).all()
    assert (take.score.chords["onset"] < end).all()
    for first, section in zip(plan.first_bars, plan.sections, strict=True):
        if first + section.n_bars <= take.end_bar:
            span = (first, first + section.n_bars)
            assert notes_of(take.score, *span) == notes_of(full.score, *span)


def test_an_arrangement_has_the_chords_of_its_plan(fp32_bundle):
    """A section without a chart has none: the last one before it does not hold on."""
    (take,) = arrange(parse_plan(PLAN, "plan"), fp32_bundle, wish=Wish(threads=1))
    am, f = (bar[0] for bar in parse_chart("Am | F").bars)
    bar = 4 * take.score.tpq

    assert [(row[0], row[1]) for row in take.score.chords.tolist()] == [
        (0, am.root),
        (bar, f.root),
        (2 * bar, am.root),
        (3 * bar, 12),
        (5 * bar, am.root),
        (6 * bar, f.root),
        (7 * bar, am.root),
    ]


# ---------------------------------------------------------------------- files


def test_files_have_whole_bars_and_say_so(tiny_bundles, tmp_path):
    """The recipe in a stopped file makes the piece whole."""
    write_midi(piece(), tmp_path / "song.mid")
    options = Options(bars="20", takes=2, seed=5)
    request = Request("continue", tmp_path / "song.mid", options, tiny_bundles["fp32"])

    reports = write_takes(request, tmp_path / "out.mid", should_stop=after(25))

    assert len(reports) == 2
    for report in reports:
        assert report.is_stopped
        assert 0 < report.n_bars < 20
        score = read_midi(report.path)
        assert len(score.notes) == len(piece().notes) + report.n_notes
        whole = again(report.path, bundle=tiny_bundles["fp32"])
        assert (whole.n_bars, whole.is_as_before, whole.is_stopped) == (20, False, False)


def test_a_take_without_a_full_bar_is_not_written(tiny_bundles, tmp_path):
    """There would be nothing new in it."""
    write_midi(piece(), tmp_path / "song.mid")
    request = Request("vary", tmp_path / "song.mid", bundle=tiny_bundles["fp32"])

    assert write_takes(request, tmp_path / "out.mid", should_stop=after(0)) == []
    assert not (tmp_path / "out.mid").exists()
