"""Modes as plain functions: from what there is to decide by to where the machine may play."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.live.memory import Memory
from sideman.live.planner import PlannedNote
from sideman.live.settings import MODES, Settings, with_settings
from sideman.live.timeline import Timeline
from sideman.live.turns import MODE_TURNS, Span, Stage, again, fold, last_bar
from sideman.live.voices import parse_voices

BAR = 96


def turn_of(mode, stage):
    """Return the turn of a mode."""
    return MODE_TURNS[mode](stage)


@pytest.fixture(scope="module")
def stage():
    """Return a function that sets a stage: at tick 100, a phrase of three notes heard."""

    def make(
        *, voices=("input:piano", "auto:bass=33:range=E1-G3"), heard=(10, 24, 40), **given
    ):
        said = given.pop("said", ())
        timeline = given.pop("timeline", Timeline())
        names = ("now", "free", "quiet", "anchor", "phrase", "n_heard", "players")
        own = {name: given.pop(name) for name in names if name in given}
        memory = Memory()
        for onset in heard:
            memory.press(0, 60 + onset % 12, 80, onset / 48, onset)
            memory.release(0, 60 + onset % 12, (onset + 6) / 48, onset + 6)
        fields = {
            "now": 100,
            "free": 100,
            "quiet": 100,
            "anchor": 0,
            "phrase": 10,
            "n_heard": len(heard),
            "players": (1,),
            **own,
        }
        texts = {name: str(value) for name, value in given.items()}
        return Stage(
            settings=with_settings(Settings(), texts),
            timeline=timeline,
            voices=parse_voices(voices),
            memory=memory,
            said=lambda: said,
            rng=np.random.default_rng(0),
            new_id=itertools.count(1000).__next__,
            **fields,
        )

    return make


def test_an_answer_waits_until_you_are_silent(stage):
    """It may begin in the future: then it is written before it is needed."""
    assert turn_of("answer", stage(quiet=None)) is None
    assert turn_of("answer", stage(min_notes=4)) is None
    assert turn_of("answer", stage(quiet=130, answer="2 bars", silence=0.1)).pieces == (
        Span(130, 130 + 2 * BAR, 130 + 4),
    )


def test_an_answer_without_silence_begins_at_once(stage):
    """Not a tick later than now; on a grid, at its next place."""
    (at_once,) = turn_of("answer", stage(silence=0)).pieces
    (on_grid,) = turn_of("answer", stage(silence=0, quantise="8")).pieces

    assert at_once.begin_by == at_once.begin == 100
    assert (on_grid.begin, on_grid.begin_by) == (100, 108)


@given(bars=st.integers(1, 4), anchor=st.integers(0, 5), now=st.integers(0, 4000))
def test_trades_alternate_from_the_bar_you_began_in(stage, bars, anchor, now):
    """You, it, you, it: its turn is a whole one from its bar line, or what is left of it."""
    turn = turn_of("trade", stage(trade_bars=bars, anchor=anchor, now=now, free=now))

    bars_in, rest = divmod(turn.end // BAR - anchor, bars)
    assert rest == 0
    assert bars_in % 2 == 0
    assert turn.end % BAR == 0
    assert turn.begin >= now
    assert turn.begin in (turn.end - bars * BAR, now)
    assert turn.pieces[0].begin_by == turn.begin or turn.begin == now


def test_accompanists_and_leaders_play_bar_by_bar(stage):
    """So that what was turned holds from the next bar on, and chance is drawn for each."""
    for mode in ("accompany", "lead"):
        turn = turn_of(mode, stage())
        assert (turn.begin, turn.end, turn.rings) == (100, 2 * BAR, True)
    assert turn_of("accompany", stage(heard=())) is None
    assert turn_of("lead", stage(quiet=None)) is None


def test_what_is_kept_and_what_is_written_fill_an_echo(stage):
    """Stretches that are written reach to the next note that is kept; none overlap."""
    heard = range(10, 90, 4)
    turn = turn_of("echo", stage(heard=heard, change=50, n_heard=20))

    kept = [piece for piece in turn.pieces if isinstance(piece, PlannedNote)]
    spans = [piece for piece in turn.pieces if isinstance(piece, Span)]
    shift = turn.begin - 10
    assert shift % 24 == 0
    assert {note.onset - shift for note in kept} < set(heard)
    assert spans
    for piece, following in itertools.pairwise(turn.pieces):
        if isinstance(piece, Span):
            assert piece.end == following.onset
            assert piece.begin == piece.begin_by


def test_a_line_is_not_kept_where_chords_are_wanted(stage):
    """What does not fit the role is written anew, though nothing is to be changed."""
    turn = turn_of("echo", stage(change=0, role="chords"))

    assert all(isinstance(piece, Span) for piece in turn.pieces)


def test_no_drummer_plays_your_melody(stage):
    """What no voice has a sound for is left out."""
    assert turn_of("echo", stage(voices=("input:piano", "auto:drums"))) is None


def test_a_loop_outlives_a_bar_that_was_left_out(stage):
    """Where nothing was played in the last round, the round before it counts."""
    said = [PlannedNote(1, 1, 40, 80, BAR + 12, 6)]

    turn = turn_of(
        "loop", stage(loop_bars=1, change=0, said=said, now=3 * BAR - 4, free=3 * BAR - 4)
    )

    assert [(note.onset, note.pitch) for note in turn.pieces] == [(3 * BAR + 12, 40)]


def test_a_loop_stays_in_its_bars_when_the_metre_changes(stage):
    """A bar that has become shorter loses its last beat."""
    timeline = Timeline()
    timeline.set_metre(1, (3, 4))

    given = {"loop_bars": 1, "change": 0, "heard": (0, 40, 80), "timeline": timeline}
    turn = turn_of("loop", stage(now=90, free=90, **given))

    assert (turn.begin, turn.end) == (BAR, BAR + 72)
    assert [note.onset for note in turn.pieces] == [BAR, BAR + 40]


def test_the_last_bar_is_yours_if_the_machine_has_none(stage):
    """Rather your notes again than silence by accident."""
    assert [note.onset for note in last_bar(stage(), 100)] == [106, 120, 136]


def test_playing_again_keeps_the_places_of_the_beat():
    """However late it is asked for."""
    notes = [PlannedNote(1, 1, 40, 80, 30, 6), PlannedNote(2, 1, 43, 80, 50, 20)]

    turn = again(notes, 200, itertools.count(7).__next__)

    assert turn.pieces == (
        replace(notes[0], id=7, onset=222),
        replace(notes[1], id=8, onset=242),
    )
    assert (turn.begin, turn.end) == (222, 262)


@given(pitch=st.integers(0, 127), low=st.integers(0, 115), width=st.integers(11, 60))
def test_folded_pitches_are_octaves_of_what_they_were(pitch, low, width):
    """In a range of an octave or more every pitch class has its place."""
    high = min(low + width, 127)

    folded = fold(pitch, low, high)

    assert low <= folded <= high
    assert (folded - pitch) % 12 == 0


def test_every_mode_has_its_turns():
    """What can be set can be played."""
    assert set(MODE_TURNS) == set(MODES)
