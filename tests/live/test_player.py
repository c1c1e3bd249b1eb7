"""Tests of the simulated player."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sideman.errors import LiveError
from sideman.live.messages import NoteOff, NoteOn, Timed
from sideman.live.player import EXACT, Listener, Touch, perform, phrases_of
from sideman.score.types import NOTE_DTYPE, Part, Score, table

BAR_S = 2.0
"""Length of a bar of 4/4 at 120 quarter notes per minute."""

SCALE = [(24 * beat, 24, 60 + beat % 8, 80, 0) for beat in range(16)]

notes_st = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(1, 200),
        st.integers(58, 62),
        st.integers(1, 127),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=30,
)


def piece(notes=SCALE):
    return Score(table(NOTE_DTYPE, notes), (Part(0), Part(33), Part(0, is_drum=True)))


def note_ons(messages):
    return [timed for timed in messages if isinstance(timed.message, NoteOn)]


@given(notes=notes_st, n_bars=st.integers(1, 5), seed=st.integers(0, 3))
def test_every_key_that_goes_down_goes_up_before_it_goes_down_again(notes, n_bars, seed):
    """What no person can do proves nothing about a partner."""
    phrases = phrases_of(piece(notes), n_bars=n_bars, seed=seed, touch=Touch(0.2, 0.3, 50))

    messages = list(perform(phrases))

    assert [timed.time_s for timed in messages] == sorted(timed.time_s for timed in messages)
    by_pitch = defaultdict(list)
    for timed in messages:
        assert isinstance(timed.message, NoteOn | NoteOff)
        by_pitch[timed.message.pitch].append(isinstance(timed.message, NoteOn))
    for downs in by_pitch.values():
        assert downs == [True, False] * (len(downs) // 2)


def test_exact_playing_is_what_is_written():
    """Deviations must come from the touch alone."""
    (phrase,) = phrases_of(piece(), n_bars=4, touch=EXACT)

    ons = note_ons(phrase.messages)

    assert [timed.time_s for timed in ons] == pytest.approx([0.5 * beat for beat in range(16)])
    assert {timed.message.velocity for timed in ons} == {80}


def test_deviations_have_the_size_that_was_asked_for():
    """The touch is named in seconds; a benchmark relies on them."""
    notes = [(6 * index, 6, 60 + index % 5, 80, 0) for index in range(8_000)]
    (phrase,) = phrases_of(piece(notes), n_bars=10_000, touch=Touch(0.006, 0.012, 5.0))

    ons = note_ons(phrase.messages)

    off_s = np.array([timed.time_s for timed in ons]) - 0.125 * np.arange(8_000)
    velocities = np.array([timed.message.velocity for timed in ons])
    assert np.std(off_s) == pytest.approx((0.006**2 + 0.012**2) ** 0.5, rel=0.1)
    assert np.std(np.diff(off_s)) < 0.011  # what neighbours share cancels out
    assert np.std(velocities) == pytest.approx(5.0, rel=0.1)


def test_the_same_seed_plays_the_same():
    """A session that is run again must hear the same player."""
    assert phrases_of(piece(), n_bars=2, seed=3) == phrases_of(piece(), n_bars=2, seed=3)
    assert phrases_of(piece(), n_bars=2, seed=3) != phrases_of(piece(), n_bars=2, seed=4)


def test_rests_leave_room_for_an_answer():
    """Trading needs bars in which the player is silent."""
    phrases = phrases_of(piece(), n_bars=2)

    messages = list(perform(phrases, rest_bars=2, begin_s=1.0))

    silent = [(1 + 2 * BAR_S, 1 + 4 * BAR_S), (1 + 6 * BAR_S, 1 + 8 * BAR_S)]
    assert len(note_ons(messages)) == 16
    for begin_s, end_s in silent:
        assert not any(begin_s < timed.time_s < end_s for timed in messages)


def test_a_tempo_replaces_that_of_the_piece():
    """A player on a grid must keep to the session's tempo."""
    slow = phrases_of(piece(), n_bars=2, tempo_bpm=60)

    assert [phrase.length_s for phrase in slow] == [2 * 4.0, 2 * 4.0]


def test_bars_without_notes_make_no_phrase():
    """Nobody answers to silence."""
    notes = [(0, 24, 60, 80, 0), (96 * 6, 24, 62, 80, 0)]

    assert [phrase.n_bars for phrase in phrases_of(piece(notes), n_bars=2)] == [2, 1]


def test_one_part_is_played_alone_and_drums_never_as_pitches():
    """A pianist who plays a drum part plays nonsense."""
    notes = [(0, 24, 60, 80, 0), (24, 24, 40, 80, 1), (48, 24, 38, 80, 2)]

    both, bass = (
        note_ons(phrases_of(piece(notes), n_bars=1, part=part, touch=EXACT)[0].messages)
        for part in (None, 1)
    )

    assert [timed.message for timed in both] == [NoteOn(0, 60, 80), NoteOn(0, 40, 80)]
    assert [timed.message for timed in bass] == [NoteOn(0, 40, 80)]


def test_a_part_without_notes_is_refused_by_name():
    """Silence would look like a partner that does not answer."""
    with pytest.raises(LiveError, match="part 1 has no notes"):
        phrases_of(piece(), n_bars=1, part=1)


def play_until(player, until_s):
    """Return what a player plays by a moment."""
    played = []
    while (next_s := player.next_at()) is not None and next_s <= until_s:
        played += player.play(next_s)
    return played


def test_a_listener_plays_on_after_the_answer_has_ended():
    """Who talks into an answer is not trading."""
    player = Listener(phrases_of(piece(), n_bars=1, touch=EXACT), patience_s=0.5, wait_s=9.0)
    play_until(player, BAR_S)

    player.listen(Timed(3.0, NoteOn(0, 60, 80)))
    player.listen(Timed(7.0, NoteOff(0, 60)))

    assert player.next_at() == 7.5
    assert note_ons(play_until(player, 8.0))[0].time_s == 7.5


def test_a_listener_does_not_wait_for_ever():
    """A partner that died must not stop the player of a test."""
    player = Listener(phrases_of(piece(), n_bars=2, touch=EXACT), wait_s=9.0)

    messages = play_until(player, 1000.0)

    assert len(note_ons(messages)) == 16
    assert player.next_at() is None
